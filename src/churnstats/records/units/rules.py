"""Rules of units and their changes: what each row may say, and in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.types import BoolArray
from churnstats.records.marks import Mark, back_in_order
from churnstats.records.rules import first_like, repeats
from churnstats.records.units.links import circles, current, last_ids, parent_events, parents_at

LEVELS = ("state", "district", "school")
CLOSING = ("closed", "merged")
SUCCEEDED = ("merged", "split", "new_id", "new_parent")
# within a year, what a unit begins with comes first and what it ends with comes last
IN_A_YEAR = ("opened", "reopened", "new_parent", "split", "closed", "merged", "new_id")
KEY = ["unit_id", "school_year_end", "change", "successor_id"]


def in_order(changes: pd.DataFrame) -> pd.DataFrame:
    """Sort changes by unit and year, and within a year from beginnings to ends."""
    rank = changes["change"].map({kind: i for i, kind in enumerate(IN_A_YEAR)})
    ranked = changes.assign(_rank=rank)
    ordered = ranked.sort_values(["unit_id", "school_year_end", "_rank"], kind="stable")
    return ordered.drop(columns="_rank")


def unit_marks(frame: pd.DataFrame) -> list[Mark]:
    """Return what is wrong with units and with what they belong to."""
    unit, parent = frame["unit_id"], frame["parent_id"]
    rank = frame["level"].map({level: i for i, level in enumerate(LEVELS)})
    first = pd.Series(rank.to_numpy(), index=unit)
    rank_of_parent = parent.map(first[~first.index.duplicated() & first.index.notna()])
    own = (unit == parent).to_numpy(dtype=bool, na_value=False)
    circle = circles(pd.Index(unit.dropna().unique()), unit, parent)
    return [
        Mark(
            "duplicate_id",
            repeats(frame, ["unit_id"]),
            "unit_id is not unique",
            "keep one row of each unit; what changed over time goes into the table of changes",
            first_like(frame, ["unit_id"]),
        ),
        Mark(
            "reversed_dates",
            (frame["closed"] <= frame["opened"] + CLOCK).to_numpy(dtype=bool),
            "units close at or before their opening",
            "swap or correct the dates; closed is the first day on which it was no more",
        ),
        Mark(
            "unknown_parent",
            _outside(frame) & ~_may_be_top(frame),
            "parent_id is no unit of the table",
            "correct the id (have leading zeros been lost?), add the parent as a unit, or fill "
            f"'level' ({', '.join(LEVELS)}): parents of the highest level may lie outside",
        ),
        Mark(
            "parent_below",
            (rank_of_parent > rank).to_numpy(dtype=bool, na_value=False),
            "the parent is of a lower level than the unit",
            "swap the two, or correct the levels",
        ),
        Mark(
            "parent_circle",
            own | unit.isin(circle).to_numpy(),
            "units belong to themselves, some over others",
            "correct parent_id; a unit without a parent has an empty cell",
        ),
    ]


def _outside(frame: pd.DataFrame) -> BoolArray:
    """Mark parents that are no units of the table."""
    parent = frame["parent_id"]
    return np.asarray((parent.notna() & ~parent.isin(frame["unit_id"])).to_numpy(dtype=bool))


def _may_be_top(frame: pd.DataFrame) -> BoolArray:
    """Mark units of the highest level of the table, and those beside the levels."""
    found = [level for level in LEVELS if (frame["level"] == level).any()]
    return np.asarray(frame["level"].isin(["other", *found[:1]]).to_numpy(dtype=bool))


def unit_issues(frame: pd.DataFrame) -> list[Mark]:
    """Return what is odd about units and kept."""
    return [
        Mark(
            "outside_parent",
            _outside(frame) & _may_be_top(frame),
            "parent_id is no unit of the table, and the unit is of its highest level",
            "kept",
        )
    ]


def change_marks(frame: pd.DataFrame, changes: pd.DataFrame) -> list[Mark]:
    """Return what is wrong with changes, each by itself and in their order."""
    unit, kind, successor = (changes[c] for c in ("unit_id", "change", "successor_id"))
    known = pd.concat([frame["unit_id"], unit]).dropna()
    needs = kind.isin(SUCCEEDED).to_numpy()
    renamed = (kind == "new_id").to_numpy(dtype=bool, na_value=False)
    twice = changes.fillna({"successor_id": ""})
    same = repeats(twice, KEY)
    new = changes[renamed]
    ids = pd.Index(pd.concat([new["unit_id"], new["successor_id"]]).dropna().unique())
    circle = circles(ids, new["unit_id"], new["successor_id"])
    shared = pd.Series(repeats(new, ["successor_id"]), index=new.index)
    return [
        Mark(
            "duplicate_row",
            same,
            "rows repeat another row",
            "keep one of each",
            first_like(twice, KEY),
        ),
        Mark(
            "no_successor",
            needs & successor.isna().to_numpy(),
            "mergers, splits, new ids and new parents need a successor_id",
            "name the unit that carries on, or call the change 'closed' if none does",
        ),
        Mark(
            "unknown_successor",
            needs & (successor.notna() & ~successor.isin(known)).to_numpy(dtype=bool),
            "successor_id is no unit of the tables",
            "correct the id (have leading zeros been lost?), or add the successor to the units",
        ),
        Mark(
            "own_successor",
            needs & ((unit == successor) & (kind != "split")).to_numpy(dtype=bool, na_value=False),
            "a unit is its own successor",
            "name another unit, or take the row out",
        ),
        Mark(
            "id_circle",
            renamed & unit.isin(circle).to_numpy(),
            "new ids lead back to the old one",
            "take one of the rows out, or correct it",
        ),
        Mark(
            "shared_new_id",
            back_in_order(shared & ~pd.Series(same, index=changes.index), changes.index),
            "several units take the same new id",
            "call it 'merged' for those that end in another unit",
            first_like(changes, ["change", "successor_id"]),
        ),
        *_order_marks(frame, changes[~same], changes.index),
    ]


def _order_marks(frame: pd.DataFrame, rows: pd.DataFrame, index: pd.Index) -> list[Mark]:
    """Return changes that can't have happened in the order in which they stand."""
    rows = in_order(rows.dropna(subset=["unit_id", "school_year_end", "change"]))
    unit, year, kind = rows["unit_id"], rows["school_year_end"], rows["change"]
    before, year_before = kind.groupby(unit).shift(), year.groupby(unit).shift()
    closing, reopens = kind.isin(CLOSING), kind == "reopened"
    again = closing & (year == year_before).fillna(False)
    ended = (before.isin(CLOSING) & ~reopens & ~again) | (before == "new_id")
    year_of = [unit, year]
    both = closing.groupby(year_of).transform("any") & reopens.groupby(year_of).transform("any")
    new = rows.loc[kind == "new_id", "successor_id"].dropna()

    def mark(rule: str, bad: pd.Series, message: str, how: str) -> Mark:
        return Mark(rule, back_in_order(bad, index), message, how)

    return [
        mark(
            "change_after_end",
            ended,
            "units change after they closed, merged or took a new id",
            "add a row 'reopened' before it, correct the years, or use the new id",
        ),
        mark(
            "closed_and_reopened",
            both & (closing | reopens),
            "units close and reopen in one year",
            "take both rows out, or correct the years",
        ),
        mark(
            "opened_late",
            (kind == "opened") & (before.notna() | unit.isin(new)),
            "units open after an earlier change, or as the new id of another",
            "call it 'reopened', or take the row out if the unit only took a new id",
        ),
        mark(
            "dates_differ",
            _differs(frame, rows),
            "the year of the change is not that of the dates in the table of units",
            "correct one of them; school_year_end is the first school year in which it holds",
        ),
    ]


def _differs(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Mark openings and last closings or reopenings that the dates of the units contradict."""
    dates = frame.dropna(subset=["unit_id"]).drop_duplicates("unit_id").set_index("unit_id")
    unit, year, kind = rows["unit_id"], rows["school_year_end"].astype(float), rows["change"]
    opened, closed = unit.map(dates["opened"]), unit.map(dates["closed"])
    life = kind.isin([*CLOSING, "reopened"])
    last = life & ~unit.where(life).duplicated(keep="last")

    def another_year(time: pd.Series) -> pd.Series:
        within: pd.Series = year.between(np.floor(time + CLOCK), np.ceil(time - CLOCK))
        return time.notna() & ~within

    opening = (kind == "opened") & another_year(opened)
    closing = last & kind.isin(CLOSING) & another_year(closed)
    made: pd.Series = opening | closing | (last & (kind == "reopened") & (closed <= year))
    return made


def change_issues(frame: pd.DataFrame, changes: pd.DataFrame) -> list[Mark]:
    """Return what is odd about changes and kept."""
    unit, kind = changes["unit_id"], changes["change"]
    ordered = in_order(changes)
    closed = ordered["change"].isin(CLOSING).groupby(ordered["unit_id"]).cummax()
    unseen = (ordered["change"] == "reopened") & ~closed.fillna(False).astype(bool)
    return [
        Mark(
            "not_in_units",
            (unit.notna() & ~unit.isin(frame["unit_id"])).to_numpy(dtype=bool),
            "units that change are not in the table of units",
            "kept",
        ),
        Mark(
            "unused_successor",
            (changes["successor_id"].notna() & ~kind.isin(SUCCEEDED)).to_numpy(dtype=bool),
            "openings, closings and reopenings name a successor",
            "kept, and not used",
        ),
        Mark(
            "unseen_closing",
            back_in_order(unseen, changes.index),
            "units reopen whose closing is not recorded",
            "kept",
        ),
    ]


def later_circles(frame: pd.DataFrame, changes: pd.DataFrame) -> Mark:
    """Mark new parents that, in their first year, make units belong to themselves."""
    last = last_ids(changes)
    events, now = parent_events(frame, changes, last), current(changes["unit_id"], last)
    ids = pd.Series(events["unit_id"].unique(), dtype="str")
    bad, moved = np.zeros(len(changes), dtype=bool), changes["change"] == "new_parent"
    for year in changes.loc[moved, "school_year_end"].unique():
        circle = circles(pd.Index(ids), ids, parents_at(events, ids, int(year)))
        here = moved & (changes["school_year_end"] == year) & now.isin(circle)
        bad |= here.to_numpy(dtype=bool)
    return Mark(
        "parent_circle",
        bad,
        "new parents make units belong to themselves, over others",
        "correct the successor_id, or the years",
    )
