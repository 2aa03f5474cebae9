"""Texas' staff files: one row a person, role and campus, with the share of a full post."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.records.readers._common import (
    Findings,
    YearName,
    bare_ids,
    check_options,
    codes,
    full_ids,
    numbers,
    open_source,
    school_years,
    some_of,
    text,
    with_findings,
)
from churnstats.records.readers._people import one_row_a_person
from churnstats.records.roles import roles_of_titles
from churnstats.records.rosters import RosterRules
from churnstats.records.tenures import Tenures

NAMES = {
    "school_year_end": ("YEAR", "SCHOOL_YEAR", "SCHOOL YEAR"),
    "leader_id": ("PERSONID_SCRAM", "SCRAMBLED UNIQUE ID", "SCRAMBLED_UNIQUE_ID"),
    "role": ("ROLE", "ROLEX", "ROLE NAME", "ROLE_NAME"),
    "district": ("DISTRICT", "DISTRICT NUMBER"),
}
OPTIONAL = {
    "campus": ("CAMPUS", "CAMPUS NUMBER"),
    "fte": ("PFTE", "ROLE FULL TIME EQUIVALENT"),
}
# PEIMS code table C021, the roles that have a name in our vocabulary
ROLE_CODES = {
    "3": "assistant_principal",
    "4": "assistant_superintendent",
    "20": "principal",
    "27": "superintendent",
}
BY_CAMPUS = ("principal", "assistant_principal")
LEADERS = ("superintendent", "principal")
RULES = RosterRules(co_leaders="by_fte")
SHOWN = ("district", "campus", "school_year_end", "role")


def read_texas(
    data: Any,
    *,
    roles: Sequence[str] = LEADERS,
    year: YearName = "spring",
    rules: RosterRules = RULES,
    calendar: SchoolCalendar | None = None,
) -> Tenures:
    """Read Texas' yearly files of staff roles into spells, by the scrambled id of the person.

    Superintendents lead a district (6 digits), principals a campus (9 digits). A person's rows
    in one post and year are one, with the sum of the shares.

    Parameters
    ----------
    data : frame or path
        All years in one: ``YEAR``, ``PERSONID_SCRAM`` (or ``SCRAMBLED UNIQUE ID``), ``ROLE`` or
        ``ROLEX`` (codes or names), ``DISTRICT, CAMPUS, PFTE``.
    roles : sequence of str
        Of superintendent, assistant_superintendent, principal, assistant_principal.
    year : {"spring", "fall"}
        What single years mean; ``2018-2019`` needs no telling.
    rules : RosterRules
        By default several holders of a post hand over within the year or share it.
    calendar : SchoolCalendar, optional

    Returns
    -------
    Tenures
        ``issues`` lists ids that had lost zeros, rows of other roles, merged rows, and posts
        with several holders.

    Raises
    ------
    DataError
        Also where a principal's row has no campus.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_texas
    >>> staff = pd.DataFrame({
    ...     "YEAR": [2018, 2019, 2019], "PERSONID_SCRAM": ["x1", "x1", "x1"], "ROLE": "020",
    ...     "DISTRICT": "001902", "CAMPUS": "001902001", "PFTE": [1.0, 0.5, 0.5]})
    >>> read_texas(staff).frame[["unit_id", "role", "start", "stop", "fte"]].to_numpy().tolist()
    [['001902001', 'principal', 2018.0, 2020.0, 1.0]]
    """
    check_options(calendar, rules, RosterRules)
    roles = some_of(roles, "roles", "role", tuple(ROLE_CODES.values()))
    rows, findings = open_source(data, "staff", NAMES, OPTIONAL)
    rows["role"] = _roles(rows["role"])
    rows, ledger = _of_roles(rows, findings, roles)
    rows["school_year_end"] = school_years(rows, "school_year_end", findings, year)
    rows = _with_units(rows, findings)
    findings.stop()
    rows, merged = one_row_a_person(rows, findings, "roster rows")
    made = Tenures.from_roster(
        rows.drop(columns=["district", "campus"]), calendar=calendar, rules=rules
    )
    return with_findings(made, findings, ledger + merged)


def _roles(raw: pd.Series) -> pd.Series:
    """Return the role by code, else by name."""
    return codes(raw).map(ROLE_CODES).astype("str").fillna(roles_of_titles(text(raw)))


def _of_roles(
    rows: pd.DataFrame, findings: Findings, roles: Sequence[str]
) -> tuple[pd.DataFrame, RowLedger]:
    """Set aside rows of other roles."""
    other = ~rows["role"].isin(roles).to_numpy()
    message = f"roles are none of {', '.join(roles)}"
    findings.issue("other_role", message, "set aside", rows, other, SHOWN)
    kept = rows[~other]
    lost = {"of another role": int(other.sum())}
    if kept.empty:
        raise SpecError("roles", f"no row has a role among {', '.join(roles)}", how="name others")
    return kept, RowLedger().step("roles", "roster rows", len(rows), len(kept), lost)


def _with_units(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Return rows with the unit that each role leads, the person's id and the share of a post."""
    rows = rows.copy()
    by_campus = rows["role"].isin(BY_CAMPUS).to_numpy()
    full_ids(rows, "district", 6, findings)
    full_ids(rows, "campus", 9, findings, required=False)
    findings.fault(
        "missing_value",
        "principals' rows have no campus",
        "fill 'CAMPUS', or take the rows out and say so",
        rows,
        by_campus & rows["campus"].isna().to_numpy(),
        SHOWN,
    )
    return rows.assign(
        unit_id=rows["campus"].where(by_campus, rows["district"]),
        leader_id=bare_ids(rows, "leader_id", findings),
        fte=numbers(rows, "fte", findings, SHOWN),
        group_id="TX",
    )
