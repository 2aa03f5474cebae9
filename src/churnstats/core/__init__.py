"""Errors, issues, the school calendar and provenance: what every layer may use."""
