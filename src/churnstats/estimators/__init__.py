"""One family a file: a kernel ``Design -> Fit`` and the function that users call."""
