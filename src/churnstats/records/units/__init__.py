"""Units that are led, and what became of them."""
