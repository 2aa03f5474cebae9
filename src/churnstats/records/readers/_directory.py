"""Yearly directories with status codes, to units and their changes.

NCES and the Urban Institute's copy of it share the codes. A status is that at the start of the
school year; an updated status, with its date, is what the year brought.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.provenance import RowLedger
from churnstats.core.types import FloatArray
from churnstats.records.readers._common import Findings, codes, text
from churnstats.records.units.units import Units

STATUSES = tuple("12345678")
CLOSED, NEW, CHANGED, INACTIVE, FUTURE = "2", "3", "5", "6", "7"
ANNOUNCED = ("3", "4", "8")
AGENCY_TYPES = {
    "1": "regular district",
    "2": "component of a supervisory union",
    "3": "supervisory union",
    "4": "service agency",
    "5": "state agency",
    "6": "federal agency",
    "7": "charter agency",
    "8": "other agency",
    "9": "specialised district",
}
DISTRICTS = ("1", "2", "3", "7", "9")
SCHOOL_TYPES = {
    "1": "regular school",
    "2": "special education school",
    "3": "vocational school",
    "4": "alternative school",
    "5": "reportable program",
}
SHOWN = ("unit_id", "school_year_end", "status", "updated_status")
CODES = "give the codes of the file, not their labels"


def units_of(rows: pd.DataFrame, findings: Findings, calendar: SchoolCalendar, level: str) -> Units:
    """Return units, with openings and closings, from yearly rows.

    Parameters
    ----------
    rows : DataFrame
        ``unit_id, school_year_end, status, updated_status, effective, unit_type, group_id,
        parent_id``: ids in full length, years by their spring, codes as `with_codes` gives them.
    findings : Findings
    calendar : SchoolCalendar
    level : {"district", "school"}
    """
    findings.fault(
        "duplicate_key",
        "a year has a unit twice",
        "keep one row of each unit and year: is a file named twice?",
        rows,
        rows.duplicated(["unit_id", "school_year_end"]).to_numpy(),
        SHOWN,
    )
    findings.stop()
    rows = rows.sort_values(["unit_id", "school_year_end"], kind="stable")
    future = (rows["status"] == FUTURE).to_numpy()
    findings.issue("not_yet_open", "units are announced", "set aside", rows, future, SHOWN)
    ledger = RowLedger().step(
        "directory",
        "directory rows",
        len(rows),
        int((~future).sum()),
        {"not yet open": int(future.sum())},
    )
    rows = rows[~future]
    _notice(rows, findings)
    lives = _lives(_states(rows, findings, calendar), findings)
    changes = pd.concat([lives, _new_parents(rows)], ignore_index=True)
    made = Units.from_frame(
        _with_parents(_attributes(rows, lives, level), changes),
        None if changes.empty else changes.drop(columns="time"),
        calendar=calendar,
    )
    return replace(made, issues=findings.issues + made.issues, ledger=ledger + made.ledger)


def with_codes(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Return rows with plain codes; statuses that no code list has are a fault."""
    rows = rows.assign(
        **{c: codes(rows[c]) for c in ("status", "updated_status", "unit_type")},
        group_id=text(rows["group_id"]),
    )
    for column in ("status", "updated_status"):
        unknown = rows[column].notna() & ~rows[column].isin(STATUSES)
        findings.fault(
            "not_allowed",
            f"'{findings.called(column)}' must be one of {', '.join(STATUSES)}",
            CODES,
            rows,
            unknown.to_numpy(),
            SHOWN,
        )
    return rows


def _notice(rows: pd.DataFrame, findings: Findings) -> None:
    """Note what a directory says or leaves out that units and their changes can't hold."""
    year, status = rows["school_year_end"], rows["status"]
    first = ~rows.duplicated("unit_id").to_numpy()
    last = ~rows.duplicated("unit_id", keep="last").to_numpy()
    closed = rows["updated_status"].fillna(status).eq(CLOSED).to_numpy()
    known = status.isin(ANNOUNCED).to_numpy() | status.eq(CLOSED).to_numpy()
    gap = ~first & (year.groupby(rows["unit_id"]).diff() > 1).to_numpy(dtype=bool, na_value=False)
    files = np.unique(year.to_numpy(dtype=np.int64))
    place = np.searchsorted(files, year.to_numpy(dtype=np.int64))
    step = np.diff(place, prepend=0)
    for rule, message, action, bad in (
        (
            "boundary_changed",
            "units changed their boundary or agency",
            "flagged: what became of whom is not in the file",
            status.eq(CHANGED).to_numpy(),
        ),
        (
            "no_status",
            "units have no status in a year",
            "taken as open",
            status.isna().to_numpy(),
        ),
        ("inactive", "units are inactive", "kept as open", status.eq(INACTIVE).to_numpy()),
        (
            "appears_unannounced",
            "units appear in a later year and are not new, added or reopened",
            "opening left unknown",
            first & (place > 0) & ~known,
        ),
        (
            "vanishes",
            "units are in no later file and were not closed",
            "closing left unknown",
            last & (place < len(files) - 1) & ~closed,
        ),
        (
            "years_missing",
            "units are not in the file of the year before, and are in one before that",
            "kept",
            gap & (step > 1),
        ),
    ):
        findings.issue(rule, message, action, rows, bad, SHOWN)


def _states(rows: pd.DataFrame, findings: Findings, calendar: SchoolCalendar) -> pd.DataFrame:
    """Return what each unit was from when on: ``unit_id, time, code``, sorted."""
    updated = rows["updated_status"].notna() & (rows["updated_status"] != rows["status"])
    year = rows["school_year_end"].to_numpy(dtype=float)
    date = _dates(rows["effective"], calendar)
    date = np.where((date >= year) & (date < year + 1), date, np.nan)
    undated = updated.to_numpy() & np.isnan(date)
    findings.issue(
        "no_effective_date",
        "updated statuses have no date in their school year",
        "dated at the start of their school year",
        rows,
        undated,
        (*SHOWN, "effective"),
    )
    starts = pd.DataFrame({"unit_id": rows["unit_id"], "time": year, "code": rows["status"]})
    later = pd.DataFrame(
        {
            "unit_id": rows["unit_id"],
            "time": np.where(np.isnan(date), year, date),
            "code": rows["updated_status"],
        }
    )[updated]
    both = pd.concat([starts, later], ignore_index=True)
    return both.sort_values(["unit_id", "time"], kind="stable", ignore_index=True)


def _dates(raw: pd.Series, calendar: SchoolCalendar) -> FloatArray:
    """Return dates, written 2024-11-15 or 11/15/2024, as school-year time."""
    day = text(raw).str.replace(r"[ T].*", "", regex=True)
    dates = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")
    dates = dates.fillna(pd.to_datetime(day, format="%m/%d/%Y", errors="coerce"))
    return calendar.to_time(dates)


def _lives(states: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Return ``unit_id, time, change, school_year_end``: openings, closings and reopenings."""
    unit, is_closed = states["unit_id"], states["code"].eq(CLOSED)
    first = ~unit.duplicated()
    was_closed = is_closed.groupby(unit).shift(fill_value=False)
    opened = first & states["code"].eq(NEW)
    closed = is_closed & ~was_closed
    reopened = ~is_closed & was_closed & ~first
    change = np.select([opened, closed, reopened], ["opened", "closed", "reopened"], "")
    made = states[["unit_id", "time"]].assign(change=change)[change != ""]
    made["school_year_end"] = np.floor(made["time"]).astype("int64")
    ends = made[made["change"] != "opened"]
    twice = ends.duplicated(["unit_id", "school_year_end"], keep=False)
    findings.issue(
        "closed_and_reopened",
        "units close and reopen in one year",
        "left out: they did both or neither",
        ends,
        twice.to_numpy(),
        ("unit_id", "school_year_end", "change"),
    )
    kept: pd.DataFrame = made.drop(index=ends.index[twice])
    return kept


def _new_parents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the years in which units are found under another parent than before."""
    before = rows["parent_id"].groupby(rows["unit_id"]).shift()
    moved = rows[(before.notna() & (before != rows["parent_id"])).fillna(False)]
    return pd.DataFrame(
        {
            "unit_id": moved["unit_id"],
            "school_year_end": moved["school_year_end"].astype("int64"),
            "change": "new_parent",
            "successor_id": moved["parent_id"],
        }
    )


def _attributes(rows: pd.DataFrame, lives: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return one row a unit, as its last row describes it, with its first parent."""
    last = rows.drop_duplicates("unit_id", keep="last")
    latest = lives.drop_duplicates("unit_id", keep="last")
    time = {
        kind: some[some["change"] == kind].set_index("unit_id")["time"]
        for kind, some in (("opened", lives), ("closed", latest))
    }
    kinds = AGENCY_TYPES if level == "district" else SCHOOL_TYPES
    other = (level == "district") & ~last["unit_type"].isin(DISTRICTS) & last["unit_type"].notna()
    parent = rows.groupby("unit_id")["parent_id"].first()
    return pd.DataFrame(
        {
            "unit_id": last["unit_id"],
            "level": np.where(other, "other", level),
            "parent_id": last["unit_id"].map(parent),
            "group_id": last["group_id"],
            "opened": last["unit_id"].map(time["opened"]),
            "closed": last["unit_id"].map(time["closed"]),
            "unit_type": last["unit_type"].map(kinds).astype("str").fillna(last["unit_type"]),
        }
    )


def _with_parents(units: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Return units and the districts that they belong to or come to belong to."""
    if units["parent_id"].isna().all():
        return units.drop(columns="parent_id")
    later = changes.rename(columns={"successor_id": "parent_id"})
    state = units.set_index("unit_id")["group_id"]
    known = pd.concat([units, later.assign(group_id=later["unit_id"].map(state))])
    parents = known[["parent_id", "group_id"]].dropna(subset="parent_id")
    parents = parents.drop_duplicates("parent_id").rename(columns={"parent_id": "unit_id"})
    return pd.concat([units, parents.assign(level="district")], ignore_index=True)
