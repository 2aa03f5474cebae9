"""Rules across the rows of spell tables: each returns the faults that it found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.records.cells import moment
from churnstats.records.ingest import Conformed, Partner, row_fault
from churnstats.records.seats import FULL_POST

SPELL_COLUMNS = ("unit_id", "role", "leader_id", "start", "stop")


def complete_spells(
    made: Conformed, observed_until: float | str | None, calendar: SchoolCalendar, table: str
) -> tuple[pd.DataFrame, list[Fault]]:
    """Fill stop and entry of spells where they are missing, and return all faults up to here."""
    frame, faults = made.frame.copy(), list(made.faults)
    until, more = moment(observed_until, calendar, table)
    faults += more
    if not {"unit_id", "start"} <= set(frame.columns):
        return frame, faults
    place = ("program_id", "unit_id", "leader_id", "start")
    open_ended = made.empty("stop")
    if observed_until is None:
        faults += row_fault(
            "no_end_of_observation",
            table,
            "rows have no stop, and observed_until is not given",
            "say until when the records were kept: observed_until='2024-07-01'",
            made.source,
            open_ended,
            place,
        )
    faults += row_fault(
        "stops_after_observation",
        table,
        "rows stop after observed_until",
        "leave stop empty for those still there (a planned end is no exit), or give a later "
        "observed_until",
        made.source,
        frame["stop"].to_numpy(dtype=float) > until + CLOCK,
        (*place, "stop"),
    )
    late = open_ended & (frame["start"].to_numpy(dtype=float) >= until - CLOCK)
    faults += row_fault(
        "starts_after_observation",
        table,
        "rows without a stop start after observed_until",
        "correct the start, or give a later observed_until",
        made.source,
        late,
        place,
    )
    frame["stop"] = frame["stop"].mask(open_ended & ~late, until)
    frame["right_censored"] = frame["right_censored"].astype(bool) | open_ended
    frame["entry"] = frame["entry"].fillna(frame["start"])
    for flag in ("left_censored", "stop_watched"):
        if flag in frame.columns:
            frame[flag] = frame[flag].astype(bool)
    return frame, faults


def sort_spells(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort spells by unit, role and start, and give ids to those that have none.

    The index still numbers the rows of the source.
    """
    frame = frame.sort_values(["unit_id", "role", "start", "stop"], kind="stable")
    if frame["spell_id"].isna().any():
        number = frame.groupby(["unit_id", "role"]).cumcount() + 1
        made = frame["unit_id"] + "-" + frame["role"] + "-" + number.astype("str")
        frame["spell_id"] = frame["spell_id"].fillna(made)
    return frame


def no_role(made: Conformed, table: str) -> list[Fault]:
    """Return the fault of rows without a role."""
    return row_fault(
        "no_role",
        table,
        "rows have no role",
        "fill the column 'role', or give the role of all "
        "rows if there is no such column: role='superintendent'",
        made.source,
        made.empty("role"),
        ("unit_id", "leader_id", "school_year_end", "start"),
    )


def repeats(frame: pd.DataFrame, columns: list[str]) -> BoolArray:
    """Mark rows that have the values of an earlier row in all columns, none of them missing."""
    complete = frame[columns].notna().all(axis=1).to_numpy(dtype=bool)
    return np.asarray(frame.duplicated(columns, keep="first").to_numpy() & complete)


def first_like(frame: pd.DataFrame, columns: list[str]) -> Partner:
    """Return what finds the first row with the same values as a given one."""

    def find(i: int) -> int:
        same = (frame[columns] == frame[columns].iloc[i]).all(axis=1)
        return int(np.argmax(same.to_numpy(dtype=bool)))

    return find


def spell_faults(frame: pd.DataFrame, source: pd.DataFrame) -> list[Fault]:
    """Return reversed, duplicate and overlapping spells of a sorted frame.

    Parameters
    ----------
    frame : DataFrame
    source : DataFrame
        The cells as they came, which faults show.
    """
    faults = row_faults(frame, source)
    shown = source.loc[frame.index]
    same = repeats(frame, list(SPELL_COLUMNS))
    shared = repeats(frame, ["spell_id"]) & ~same
    faults += row_fault(
        "duplicate_id",
        "tenures",
        "spell_id is not unique",
        "give each spell an id of its own",
        shown,
        shared,
        ("spell_id", *SPELL_COLUMNS),
        first_like(frame, ["spell_id"]),
    )
    usable = ~same & (frame["stop"] > frame["start"] + CLOCK).to_numpy(dtype=bool)
    faults += row_fault(
        "overlapping_spells",
        "tenures",
        "spells start before an earlier spell of the same unit and role has stopped",
        "correct the dates; co-leaders need shares of the post ('fte') that add up to one",
        shown,
        overlaps(frame, usable),
        SPELL_COLUMNS,
        _overlapped(frame, usable),
    )
    return faults


def row_faults(
    frame: pd.DataFrame, source: pd.DataFrame, key: tuple[str, ...] = SPELL_COLUMNS
) -> list[Fault]:
    """Return reversed rows, rows that repeat the key of another, and entries outside of spells."""
    shown = source.loc[frame.index]
    start, stop = frame["start"].to_numpy(dtype=float), frame["stop"].to_numpy(dtype=float)
    entry = frame["entry"].to_numpy(dtype=float)
    reversed_ = stop <= start + CLOCK
    faults = row_fault(
        "reversed_dates",
        "tenures",
        "spells stop at or before their start",
        "swap or correct the dates; stop is the first day no longer in post",
        shown,
        reversed_,
        SPELL_COLUMNS,
    )
    outside = ~reversed_ & ((entry < start - CLOCK) | (entry >= stop - CLOCK))
    faults += row_fault(
        "entry_outside_spell",
        "tenures",
        "entry lies before start, or not before stop",
        "correct it; entry is the time from which the spell was observed",
        shown,
        outside,
        (*SPELL_COLUMNS, "entry"),
    )
    return faults + row_fault(
        "duplicate_row",
        "tenures",
        "rows repeat another row",
        "keep one of each",
        shown,
        repeats(frame, list(key)),
        SPELL_COLUMNS,
        first_like(frame, list(key)),
    )


def overlaps(frame: pd.DataFrame, usable: BoolArray) -> BoolArray:
    """Mark spells that start before an earlier usable one of their unit and role has stopped.

    Spells may do so whose shares of the post add up to one with all others at that time.
    """
    part = frame.loc[usable, ["unit_id", "role", "start", "stop", "fte"]]
    post = part.groupby(["unit_id", "role"], sort=False)
    latest = post["stop"].cummax().groupby([part["unit_id"], part["role"]]).shift()
    early = (part["start"] < latest - CLOCK).to_numpy(dtype=bool, na_value=False)
    marked = np.zeros(len(frame), dtype=bool)
    if early.any():
        number = np.asarray(post.ngroup().fillna(-1)).astype(np.int64)
        several = np.isin(number, number[early])
        total = np.zeros(len(part))
        total[several] = _share_at_start(part[several], number[several])
        early = early & (total > FULL_POST)
    marked[usable] = early
    return marked


def _share_at_start(spells: pd.DataFrame, post: IntArray) -> FloatArray:
    """Return what the shares of a post add up to at the start of each spell."""
    n = len(spells)
    start, stop = spells["start"].to_numpy(dtype=float), spells["stop"].to_numpy(dtype=float)
    fte = spells["fte"].fillna(1.0).to_numpy(dtype=float)
    time = np.r_[stop - CLOCK, start]
    opens = np.r_[np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)]
    order = np.lexsort([opens, time, np.r_[post, post]])
    total = np.empty(2 * n)
    total[order] = np.cumsum(np.r_[-fte, fte][order])
    return total[n:]


def _overlapped(frame: pd.DataFrame, usable: BoolArray) -> Partner:
    """Return what finds the earlier spell of the same post that stops last."""

    def find(i: int) -> int:
        post = ["unit_id", "role"]
        earlier = usable & (np.arange(len(frame)) < i)
        earlier &= (frame[post] == frame[post].iloc[i]).all(axis=1).to_numpy(dtype=bool)
        return int(np.argmax(np.where(earlier, frame["stop"].to_numpy(dtype=float), -np.inf)))

    return find


def gaps_between(frame: pd.DataFrame, source: pd.DataFrame) -> list[tuple[Fault, str]]:
    """Return the time between consecutive spells of a post as findings, with what it is taken for.

    It is a vacancy, unless the spell before is right-censored or the one after left-censored.
    """
    groups = frame.groupby(["unit_id", "role"], sort=False)
    latest = groups["stop"].cummax().groupby([frame["unit_id"], frame["role"]]).shift()
    gap = (frame["start"] > latest + CLOCK).to_numpy(dtype=bool, na_value=False)
    ended = frame["stop"].where(frame["right_censored"], -np.inf)
    lost = ended.groupby([frame["unit_id"], frame["role"]]).cummax()
    lost = lost.groupby([frame["unit_id"], frame["role"]]).shift()
    unseen = frame["left_censored"].to_numpy(dtype=bool)
    unseen = unseen | (lost >= latest - CLOCK).to_numpy(dtype=bool, na_value=False)
    found = []
    for mask, action in ((gap & ~unseen, "kept as vacancy"), (gap & unseen, "not observed")):
        faults = row_fault(
            "gap",
            "tenures",
            "spells start later than the one before them stopped",
            "if somebody held the post, add the spell",
            source.loc[frame.index],
            mask,
            SPELL_COLUMNS,
        )
        found += [(fault, action) for fault in faults]
    return found


def leaders_of_several_units(frame: pd.DataFrame) -> IssueLog:
    """List spells of leaders who hold the same role in another unit at the same time."""
    columns = ["role", "leader_id"]
    several = frame.duplicated(columns, keep=False).to_numpy()
    part = frame.loc[several, [*columns, "unit_id", "start", "stop"]]
    part = part.sort_values([*columns, "start", "stop"], kind="stable")
    if part.empty:
        return IssueLog()
    group = part.groupby(columns, sort=False).ngroup().to_numpy()
    latest = part.groupby(group)["stop"].cummax().groupby(group).shift()
    cluster = np.cumsum(~(part["start"] < latest - CLOCK).to_numpy(dtype=bool, na_value=False))
    units = part.groupby(cluster)["unit_id"].transform("nunique").to_numpy()
    marked = np.zeros(len(frame), dtype=bool)
    marked[part.index[units > 1]] = True
    issues = IssueLog()
    for fault in row_fault(
        "leader_in_several_units",
        "spells",
        "leaders hold the role in several units at the same time",
        "nothing, if units share a leader; else give other persons other ids",
        frame,
        marked,
        SPELL_COLUMNS,
    ):
        issues = issues.add(fault, "kept")
    return issues
