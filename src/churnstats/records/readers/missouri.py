"""Missouri's file of superintendents: a row a person, district and year, with shares of a post."""

from __future__ import annotations

from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.records.people.links import Links
from churnstats.records.readers._common import (
    Findings,
    check_options,
    full_ids,
    numbers,
    open_source,
    school_years,
    text,
    with_findings,
)
from churnstats.records.readers._people import one_row_a_person, people_of, with_people
from churnstats.records.rosters import RosterRules
from churnstats.records.tenures import Tenures

ROLE = "superintendent"
NAMES = {
    "school_year_end": ("year",),
    "unit_id": ("county_district_code",),
    "first_name": ("first_name",),
    "last_name": ("last_name",),
}
OPTIONAL = {"fte": ("fte",)}
RULES = RosterRules(co_leaders="by_fte")


def missouri_people(data: Any, *, overrides: Any = None) -> Links:
    """Return which names of Missouri's file are one person, as `read_missouri` takes them.

    ``write_overrides(path)`` of what is returned writes the doubtful pairs for a person to
    decide; the file names people.
    """
    return people_of(_rows(data)[0], "school_year_end", overrides)


def read_missouri(
    data: Any,
    *,
    overrides: Any = None,
    rules: RosterRules = RULES,
    calendar: SchoolCalendar | None = None,
) -> Tenures:
    """Read Missouri's public file of superintendents into spells.

    Names become persons by `missouri_people`; the spells have their numbers only. A person's
    several rows in one district and year (pay in parts) are one row with the sum of the shares.
    Several persons in one are, by default, a handover within the year or a shared post, as their
    shares and the years around say. The file's title is the same for all rows, a category and no
    title, so who was interim is not known.

    Parameters
    ----------
    data : frame or path
        ``year`` (the spring), ``county_district_code`` (6 digits), ``first_name, last_name, fte``.
    overrides : path or frame, optional
        A person's decisions about names; see `missouri_people`.
    rules : RosterRules
    calendar : SchoolCalendar, optional

    Returns
    -------
    Tenures
        ``issues`` lists district codes that had lost zeros, merged rows, shares of nothing,
        districts and years with several holders and how they were taken, and how many pairs of
        names are in doubt.

    Raises
    ------
    DataError

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_missouri
    >>> file = pd.DataFrame({
    ...     "year": [2019, 2019, 2020], "county_district_code": "1090", "fte": [0.4, 0.5, 1.0],
    ...     "first_name": ["INES", "INES", "ABEL"], "last_name": ["TULL", "TULL", "OSGOOD"]})
    >>> read_missouri(file).frame[["unit_id", "start", "stop", "fte"]].to_numpy().tolist()
    [['001090', 2019.0, 2020.0, 0.9], ['001090', 2020.0, 2021.0, 1.0]]
    """
    check_options(calendar, rules, RosterRules)
    rows, findings = _rows(data)
    rows = with_people(rows, people_of(rows, "school_year_end", overrides), findings)
    rows, ledger = one_row_a_person(rows, findings, "roster rows")
    made = Tenures.from_roster(rows, calendar=calendar, rules=rules)
    return with_findings(made, findings, ledger)


def _rows(data: Any) -> tuple[pd.DataFrame, Findings]:
    """Return unit, year, name and share of each row."""
    rows, findings = open_source(data, "roster", NAMES, OPTIONAL)
    full_ids(rows, "unit_id", 6, findings)
    year = school_years(rows, "school_year_end", findings, "spring")
    fte = numbers(rows, "fte", findings, ("unit_id", "school_year_end"))
    findings.stop()
    first, last = (text(rows[c]).fillna("") for c in ("first_name", "last_name"))
    made = pd.DataFrame(
        {
            "unit_id": rows["unit_id"],
            "role": ROLE,
            "school_year_end": year,
            "name": (first + " " + last).str.strip(),
            "fte": fte,
            "group_id": "MO",
        }
    )
    return made, findings
