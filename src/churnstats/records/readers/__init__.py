"""Readers: each knows a format and its year, and returns records with what it changed."""

from churnstats.records.readers.broad_center import read_broad_center
from churnstats.records.readers.ccd import read_ccd_directory
from churnstats.records.readers.ceds import ceds_exit_reason
from churnstats.records.readers.edfi import read_edfi_assignments
from churnstats.records.readers.indiana import indiana_people, indiana_units, read_indiana
from churnstats.records.readers.missouri import missouri_people, read_missouri
from churnstats.records.readers.seda import read_seda
from churnstats.records.readers.texas import read_texas
from churnstats.records.readers.urban import ReadRows, read_urban_directory, urban_years
from churnstats.records.roles import ROLES, role_of_title

__all__ = [
    "ROLES",
    "ReadRows",
    "ceds_exit_reason",
    "indiana_people",
    "indiana_units",
    "missouri_people",
    "read_broad_center",
    "read_ccd_directory",
    "read_edfi_assignments",
    "read_indiana",
    "read_missouri",
    "read_seda",
    "read_texas",
    "read_urban_directory",
    "role_of_title",
    "urban_years",
]
