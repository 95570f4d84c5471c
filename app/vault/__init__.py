"""Where it is kept: the encrypted file, its key slots, its attachments."""
