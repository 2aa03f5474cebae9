"""NCES Common Core of Data: yearly directories of districts (LEAs) and of schools."""

from __future__ import annotations

from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.records.readers._common import (
    Findings,
    check_options,
    full_ids,
    no_values,
    open_source,
    school_years,
)
from churnstats.records.readers._directory import units_of, with_codes
from churnstats.records.units.units import Units

NAMES = {"school_year_end": ("SCHOOL_YEAR",), "leaid": ("LEAID",), "status": ("SY_STATUS",)}
OPTIONAL = {
    "ncessch": ("NCESSCH",),
    "updated_status": ("UPDATED_STATUS",),
    "effective": ("EFFECTIVE_DATE",),
    "unit_type": ("SCH_TYPE", "LEA_TYPE"),
    "group_id": ("ST", "LSTATE", "STABR"),
}


def read_ccd_directory(data: Any, *, calendar: SchoolCalendar | None = None) -> Units:
    """Read NCES directories of one or several years into units that open and close.

    A file with ``NCESSCH`` is one of schools, within their districts; others are of districts.
    ``SY_STATUS`` says what a unit was at the start of the school year, ``UPDATED_STATUS`` and
    ``EFFECTIVE_DATE`` what the year brought.

    Parameters
    ----------
    data : frame, path, or list of them
        Files of several years, in any order, or one frame that holds them all.
    calendar : SchoolCalendar, optional

    Returns
    -------
    Units
        ``level`` is "other" for service, state, federal and other agencies. ``issues`` lists ids
        that had lost zeros, units announced or inactive, units that come or go without a word,
        and changes of boundary, which the file does not explain.

    Raises
    ------
    DataError
        One error with every fault: missing columns, ids and years that can't be read, unknown
        statuses, a unit twice in a year.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_ccd_directory
    >>> directory = pd.DataFrame({
    ...     "SCHOOL_YEAR": ["2022-2023", "2023-2024"], "LEAID": "0100005", "ST": "AL",
    ...     "SY_STATUS": ["1", "2"], "LEA_TYPE": "1"})
    >>> read_ccd_directory(directory).frame[["unit_id", "closed"]].to_numpy().tolist()
    [['0100005', 2024.0]]
    """
    check_options(calendar)
    files = list(data) if isinstance(data, (list, tuple)) else [data]
    if not files:
        raise_faults([Fault("empty", "directory", "no file is given", "give at least one", 0)])
    parts, issues, level = [], IssueLog(), "district"
    for source in files:
        rows, findings = open_source(source, "directory", NAMES, OPTIONAL)
        parts.append(_rows(rows, findings))
        findings.stop()
        issues += findings.issues
        level = "school" if rows["ncessch"].notna().any() else level
    whole = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    findings = Findings("directory", findings.source if len(parts) == 1 else "", issues=issues)
    return units_of(whole, findings, calendar or SchoolCalendar(), level)


def _rows(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Return one file's rows with ids in full length and years by their spring."""
    full_ids(rows, "leaid", 7, findings)
    is_school = rows["ncessch"].notna().any()
    if is_school:
        full_ids(rows, "ncessch", 12, findings)
    year = school_years(rows, "school_year_end", findings, "fall")
    rows = rows.assign(
        unit_id=rows["ncessch"] if is_school else rows["leaid"],
        parent_id=rows["leaid"] if is_school else no_values(rows.index),
        school_year_end=year,
    )
    return with_codes(rows, findings)
