"""The Broad Center's superintendent roster: one row a district and fall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.provenance import RowLedger
from churnstats.records.readers._common import (
    check_options,
    full_ids,
    open_source,
    school_years,
    some_of,
    text,
    with_findings,
)
from churnstats.records.readers._people import SHOWN, without_names
from churnstats.records.rosters import RosterRules
from churnstats.records.tenures import Tenures

NAMES = {
    "unit_id": ("leaid",),
    "school_year_end": ("year",),
    "leader_id": ("super_id",),
    "group_id": ("state",),
}
OPTIONAL = {"name": ("name_raw", "name_clean")}
RULES = RosterRules()
# Missouri's rows bear the years of the state's own file, which are springs: see METHODS.md
LIKELY_SPRING = ("mo",)


def read_broad_center(
    data: Any,
    *,
    spring_states: Sequence[str] = (),
    rules: RosterRules = RULES,
    calendar: SchoolCalendar | None = None,
) -> Tenures:
    """Read the roster of Stemper and The Broad Center into superintendents' spells.

    Persons are the file's own ``super_id``, a match of names within a state. Names are looked
    at for two things only, words for nobody ("To be named") and "interim", and are not kept.

    Parameters
    ----------
    data : frame or path
        ``leaid, year`` (the fall), ``super_id, state`` and, if there is one, ``name_raw``.
    spring_states : sequence of str
        States, as ``state`` has them in any case, whose years are springs. The file says that all
        are falls; Missouri's are very likely not, which is an issue unless it is named here.
    rules : RosterRules
    calendar : SchoolCalendar, optional

    Returns
    -------
    Tenures
        One role, superintendent. ``issues`` lists ids that had lost zeros and rows whose name is
        nobody's or two people's: the holder is taken as not observed, or the post as vacant if
        the name says so.

    Raises
    ------
    DataError
    SpecError
        Also for a state that the file does not have.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_broad_center
    >>> roster = pd.DataFrame({
    ...     "leaid": "0100005", "year": [2017, 2018, 2019], "state": "al",
    ...     "super_id": ["al_1", "al_1", "al_2"]})
    >>> read_broad_center(roster).frame[["leader_id", "start", "stop"]].to_numpy().tolist()
    [['al_1', 2018.0, 2020.0], ['al_2', 2020.0, 2021.0]]
    """
    check_options(calendar, rules, RosterRules)
    rows, findings = open_source(data, "roster", NAMES, OPTIONAL)
    full_ids(rows, "unit_id", 7, findings)
    rows["school_year_end"] = school_years(rows, "school_year_end", findings, "fall")
    rows["leader_id"], rows["group_id"] = text(rows["leader_id"]), text(rows["group_id"])
    findings.stop()
    state = rows["group_id"].str.lower()
    there = sorted(state.dropna().unique())
    named = some_of(spring_states, "spring_states", "state", there, required=False)
    spring = state.isin(named).to_numpy()
    rows["school_year_end"] -= spring.astype("int64")
    doubtful = state.isin(LIKELY_SPRING).to_numpy() & ~spring
    message = "years of these states look like springs, one too late"
    action = "kept as falls; spring_states= reads them as springs"
    findings.issue("year_may_be_spring", message, action, rows, doubtful, SHOWN)
    rows = without_names(rows, findings)
    made = Tenures.from_roster(rows, role="superintendent", calendar=calendar, rules=rules)
    return with_findings(made, findings, RowLedger())
