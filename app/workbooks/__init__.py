"""What a spreadsheet says."""
