"""Files that don't fit in memory: reduced where they live, to the tables that records take."""
