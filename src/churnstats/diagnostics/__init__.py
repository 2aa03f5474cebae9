"""What a sceptic asks of records and results."""
