"""Tenure, outcome and program records: validated, every fault listed, nothing dropped unseen."""
