"""Pure rules of the trade."""
