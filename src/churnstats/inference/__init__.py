"""From a Fit and a named choice of variance to a Result; the one place of p-values."""
