"""The county server: intake, sequencer, delivery, cards, administration, web."""
