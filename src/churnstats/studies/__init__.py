"""Studies: from raw files to a report by one command, and checked by another."""
