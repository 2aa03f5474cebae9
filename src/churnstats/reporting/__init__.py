"""Exhibits and reports: tables and figures as files, small cells hidden, one page for it all."""
