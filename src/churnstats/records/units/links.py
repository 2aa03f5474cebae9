"""Units that lead to others: to their new ids, and to what they belong to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.types import BoolArray, IntArray


def _links(ids: pd.Index, origin: pd.Series, goal: pd.Series) -> IntArray:
    """Return for each id the position of the one that it leads to, its own where to none."""
    to = np.arange(len(ids))
    here, there = ids.get_indexer(pd.Index(origin)), ids.get_indexer(pd.Index(goal))
    known = (here >= 0) & (there >= 0) & origin.notna().to_numpy() & goal.notna().to_numpy()
    to[here[known]] = there[known]
    return to


def _ends(to: IntArray) -> tuple[IntArray, BoolArray]:
    """Follow links to their ends; return these and a mark for all that go round in a circle."""
    end = to
    for _ in range(len(to).bit_length()):
        end = end[end]
    circles = np.zeros(len(to), dtype=bool)
    circles[end[to[end] != end]] = True
    return end, circles


def circles(ids: pd.Index, origin: pd.Series, goal: pd.Series) -> pd.Index:
    """Return the ids that lead back to themselves over others."""
    return ids[_ends(_links(ids, origin, goal))[1]]


def last_ids(changes: pd.DataFrame) -> pd.Series:
    """Return the last id by old id."""
    new = changes[changes["change"] == "new_id"]
    ids = pd.Index(pd.concat([new["unit_id"], new["successor_id"]]).unique())
    end, _ = _ends(_links(ids, new["unit_id"], new["successor_id"]))
    return pd.Series(ids[end].to_numpy(), index=ids, dtype="str")


def current(unit_id: pd.Series, last: pd.Series) -> pd.Series:
    """Return the last id of each unit, its own where that never changed."""
    return unit_id if last.empty else unit_id.map(last).fillna(unit_id).astype("str")


def parent_events(frame: pd.DataFrame, changes: pd.DataFrame, last: pd.Series) -> pd.DataFrame:
    """Return from which year on each unit had which parent, both by their last ids."""
    new = changes[changes["change"] == "new_id"].set_index("successor_id")["school_year_end"]
    since = frame["unit_id"].map(new.astype(float)).fillna(-np.inf)
    known = frame[["unit_id", "parent_id"]].assign(year=since)
    moved = changes[changes["change"] == "new_parent"]
    later = moved[["unit_id", "successor_id", "school_year_end"]].set_axis(known.columns, axis=1)
    events = pd.concat([known, later.astype({"year": float})]).dropna(subset=["parent_id"])
    events = events.assign(**{c: current(events[c], last) for c in ("unit_id", "parent_id")})
    return events.sort_values("year", kind="stable", ignore_index=True)


def parents_at(
    events: pd.DataFrame, unit_id: pd.Series, school_year_end: pd.Series | int
) -> pd.Series:
    """Return the parent of each unit in its year."""
    year = np.broadcast_to(np.asarray(school_year_end, dtype=float), len(unit_id))
    if unit_id.empty:
        return unit_id.astype("str").rename("parent_id")
    known = np.flatnonzero(unit_id.notna().to_numpy() & np.isfinite(year))
    asked = pd.DataFrame({"unit_id": unit_id.to_numpy()[known], "year": year[known], "row": known})
    found = pd.merge_asof(asked.sort_values("year"), events, on="year", by="unit_id")
    parent: pd.Series = pd.Series(found["parent_id"].to_numpy(), index=found["row"], dtype="str")
    return parent.reindex(np.arange(len(unit_id))).set_axis(unit_id.index).rename("parent_id")
