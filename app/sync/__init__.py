"""How it travels and is logged."""
