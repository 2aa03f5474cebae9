"""Unit by school year: who led, for how long, what changed, and every event as a row."""
