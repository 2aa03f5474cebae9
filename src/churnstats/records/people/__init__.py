"""People: which spellings of names are one person."""
