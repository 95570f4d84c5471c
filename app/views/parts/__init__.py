"""The pieces that pages are made of; each knows one thing and no page."""
