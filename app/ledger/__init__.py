"""Why it can be believed: pure mathematics."""
