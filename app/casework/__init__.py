"""What people do: the verbs of the trade."""
