"""The Urban Institute's Education Data Portal: frames keyed by the fall of the school year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.issues import IssueLog
from churnstats.core.provenance import RowLedger
from churnstats.records.ingest import source_name, to_pandas
from churnstats.records.readers._common import (
    Findings,
    check_options,
    full_ids,
    no_values,
    open_source,
    pick_columns,
    school_years,
)
from churnstats.records.readers._directory import units_of, with_codes
from churnstats.records.units.units import Units

WIDTHS = {"leaid": 7, "ncessch": 12}
MISSING_CODES = (-1, -2, -3)
NAMES = {
    "school_year_end": ("year",),
    "leaid": ("leaid",),
    "status": ("school_status", "boundary_change_indicator"),
}
OPTIONAL = {
    "ncessch": ("ncessch",),
    "unit_type": ("school_type", "agency_type"),
    "group_id": ("state_location", "fips"),
}


@dataclass(frozen=True, eq=False)
class ReadRows:
    """A frame ready for the next step, and what was changed on the way.

    Attributes
    ----------
    frame : DataFrame
    issues : IssueLog
    ledger : RowLedger
    """

    frame: pd.DataFrame
    issues: IssueLog
    ledger: RowLedger

    def __repr__(self) -> str:
        return f"<ReadRows: {len(self.frame):,} rows>"


def urban_years(data: Any) -> ReadRows:
    """Give any frame of the portal our year and ids of full length.

    Parameters
    ----------
    data : frame or path
        With ``year`` (the fall) and ``leaid`` or ``ncessch``.

    Returns
    -------
    ReadRows
        ``frame`` has ``school_year_end`` in front, ids as text, and missing values for the
        portal's codes -1 (not reported), -2 (not applicable) and -3 (suppressed) in columns of
        numbers. All rows are kept.

    Raises
    ------
    DataError
        Where year or id is missing or can't be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import urban_years
    >>> enrollment = pd.DataFrame({"year": [2018], "leaid": [100005], "enrollment": [-1]})
    >>> urban_years(enrollment).frame.to_numpy().tolist()
    [[2019, 2018, '0100005', nan]]
    """
    frame = to_pandas(data, "portal")
    needed = {"year": ("year",), "id": tuple(WIDTHS)}
    _, findings = pick_columns(frame, "portal", source_name(data), needed)
    ids = [column for column in WIDTHS if column in frame.columns]
    for column in ids:
        full_ids(frame, column, WIDTHS[column], findings)
    year = school_years(frame, "year", findings, "fall")
    findings.stop()
    for column in frame.columns.difference(["year", *ids]):
        frame[column] = _without_codes(frame, column, (ids[-1], "year"), findings)
    frame.insert(0, "school_year_end", year)
    ledger = RowLedger().step("portal rows", "portal rows", len(frame), len(frame))
    return ReadRows(frame, findings.issues, ledger)


def _without_codes(
    frame: pd.DataFrame, column: str, shown: tuple[str, ...], findings: Findings
) -> pd.Series:
    """Return a column with missing values for the portal's codes, if it holds numbers."""
    values = frame[column]
    if values.dtype.kind not in "iuf":
        return values
    coded = values.isin(MISSING_CODES).to_numpy(dtype=bool)
    message = f"'{column}' holds the codes -1, -2 or -3"
    findings.issue("missing_code", message, "set to missing", frame, coded, (*shown, column))
    return values.astype(float).mask(coded) if coded.any() else values


def read_urban_directory(data: Any, *, calendar: SchoolCalendar | None = None) -> Units:
    """Read the portal's directory of districts or of schools into units that open and close.

    Parameters
    ----------
    data : frame or path
        Districts: ``year, leaid, boundary_change_indicator`` and, if there are, ``agency_type,
        state_location``. Schools: ``year, ncessch, leaid, school_status`` and ``school_type``.
        Codes, not labels; the year is the fall.
    calendar : SchoolCalendar, optional

    Returns
    -------
    Units
        As from `read_ccd_directory`. The portal has no dates within a year: units open and
        close at its start.

    Raises
    ------
    DataError

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_urban_directory
    >>> directory = pd.DataFrame({
    ...     "year": [2017, 2018], "leaid": "0100005", "fips": 1, "agency_type": 7,
    ...     "boundary_change_indicator": [3, 1]})
    >>> read_urban_directory(directory).frame[["opened", "unit_type"]].to_numpy().tolist()
    [[2018.0, 'charter agency']]
    """
    check_options(calendar)
    rows, findings = open_source(data, "directory", NAMES, OPTIONAL)
    is_school = bool(rows["ncessch"].notna().any())
    full_ids(rows, "leaid", 7, findings)
    if is_school:
        full_ids(rows, "ncessch", 12, findings)
    rows = rows.assign(
        unit_id=rows["ncessch"] if is_school else rows["leaid"],
        parent_id=rows["leaid"] if is_school else no_values(rows.index),
        school_year_end=school_years(rows, "school_year_end", findings, "fall"),
        status=_known(rows["status"]),
        unit_type=_known(rows["unit_type"]),
        updated_status=no_values(rows.index),
        effective=no_values(rows.index),
    )
    rows = with_codes(rows, findings)
    return units_of(
        rows, findings, calendar or SchoolCalendar(), "school" if is_school else "district"
    )


def _known(raw: pd.Series) -> pd.Series:
    """Return types without the portal's codes for none."""
    number = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return raw.mask(np.isin(number, MISSING_CODES))
