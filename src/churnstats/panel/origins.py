"""Where successors came from, and what they had done before, by the records before the change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import count_up
from churnstats.panel.events import EVENT_RULES, EventRules
from churnstats.panel.shares import stays_in_post
from churnstats.records.units.units import Units

# From weak to strong: the strongest that holds is a successor's origin.
ORIGINS = ("unknown", "external", "internal", "returning")
UNKNOWN, EXTERNAL, INTERNAL, RETURNING = range(4)
DAYS_OF_YEAR = 365
# The columns that look beyond the unit and the role of the events.
ORIGIN_COLUMNS = (
    "successor_origin",
    "records_reach_years",
    "successor_experience_years",
    "successor_experience_is_minimum",
)


def successor_origins(
    events: pd.DataFrame,
    spells: pd.DataFrame,
    *,
    units: Units | None = None,
    rules: EventRules = EVENT_RULES,
) -> pd.DataFrame:
    """Return the event ledger with what is known of successors from before the change.

    Parameters
    ----------
    events : DataFrame
        From `event_ledger`: changes of one role.
    spells : DataFrame
        Spells of all roles and units: `Tenures.frame`.
    units : Units, optional
        What units belong to: somebody from the unit's parent, or from a unit that it is the
        parent of, is internal then. Nesting is that of the year of the change.
    rules : EventRules

    Returns
    -------
    DataFrame
        The events with

        - ``successor_origin``: "returning" (held this post before, and left it), else
          "internal" (had another role in the unit, or the post beside the predecessor: with a
          smaller share, or since more than ``handover_days`` before the change), else
          "external" (was seen elsewhere, or was not seen and ``records_reach_years`` is at least
          ``min_years_seen``), else "unknown";
        - ``records_reach_years``: years from the first observation of a feeder role, in the unit
          or its relatives, to the change; NaN where there is none before it;
        - ``successor_experience_years``: years before the change in the role, in any unit; time
          in two units at once counts once;
        - ``successor_experience_is_minimum``: whether one of these spells is censored, so that
          it may have been longer.

    Raises
    ------
    SpecError
        Spells without those of the predecessors and successors.

    Notes
    -----
    Records tell only of the roles and units that they hold. Those of one role alone cannot tell
    who rose within a unit: a successor whom they do not show before is "unknown", however long
    they are. Experience from before records begin, or in units that they do not hold, does not
    count.

    Examples
    --------
    >>> import churnstats as cs
    >>> from churnstats.panel.events import event_ledger
    >>> spells = cs.datasets.load_mlb().tenures.frame
    >>> made = successor_origins(event_ledger(spells), spells)
    >>> made["successor_origin"].value_counts().to_dict()
    {'unknown': 505, 'external': 339, 'returning': 118}
    """
    reach = _reach(events, spells, units, rules)
    rank = np.where(reach >= rules.min_years_seen - CLOCK, EXTERNAL, UNKNOWN)
    rank = np.maximum(rank, _seen_before(events, spells, units, rules))
    years, minimum = _experience(events, spells)
    return events.assign(
        successor_origin=pd.Series(np.array(ORIGINS, dtype=object)[rank], dtype="str"),
        records_reach_years=reach,
        successor_experience_years=years,
        successor_experience_is_minimum=minimum,
    )


def _seen_before(
    events: pd.DataFrame, spells: pd.DataFrame, units: Units | None, rules: EventRules
) -> IntArray:
    """Return the rank of the origin that the successors' earlier records show."""
    ids = pd.Index(spells["spell_id"])
    own, left = (
        ids.get_indexer(pd.Index(events[f"{side}_spell_id"]))
        for side in ("successor", "predecessor")
    )
    n_lost = int((own < 0).sum() + (left < 0).sum())
    if n_lost:
        message = f"{n_lost:,} spells of predecessors and successors are not among them"
        raise SpecError("spells", message, how="give all spells that events are made of")
    start = spells["start"].to_numpy(dtype=float)
    post, leader = (_codes(spells, keys) for keys in (["unit_id", "role"], ["leader_id"]))
    order = np.lexsort([start, post, leader])
    event, row = _pairs(leader[order], leader[own])
    past, now = order[row], own[event]
    time = events["start"].to_numpy(dtype=float)[event]
    since = _stay_starts(spells, np.unique(past), post)
    same_stay = (post[past] == post[now]) & (np.abs(since[past] - since[now]) <= CLOCK)
    earlier = start[past] < time - CLOCK
    earlier &= ~same_stay | _counts_beside(spells, past, left[event], time - since[past], rules)
    event, past, now, same_stay = (part[earlier] for part in (event, past, now, same_stay))
    unit = _codes(spells, ["unit_id"])
    back = (post[past] == post[now]) & ~same_stay
    inside = unit[past] == unit[now]
    if units is not None and not inside.all():
        away = np.flatnonzero(~inside)
        ids, year = spells["unit_id"], events["school_year_end"].to_numpy()[event[away]]
        inside[away] = _related(ids.iloc[past[away]], ids.iloc[now[away]], year, units)
    rank = np.full(len(events), UNKNOWN)
    np.maximum.at(rank, event, np.select([back, inside], [RETURNING, INTERNAL], EXTERNAL))
    return rank


def _stay_starts(spells: pd.DataFrame, rows: IntArray, post: IntArray) -> FloatArray:
    """Return since when the leaders of some spells are in the post; NaN for other spells."""
    since = np.full(len(spells), np.nan)
    columns = ["leader_id", "start", "stop", "left_censored"]
    since[rows] = stays_in_post(spells[columns].take(rows).assign(unit_id=post[rows])).start
    return since


def _counts_beside(
    spells: pd.DataFrame, past: IntArray, left: IntArray, years: FloatArray, rules: EventRules
) -> BoolArray:
    """Mark time beside the predecessor that makes a successor one from within.

    It does under a smaller share of the post, or if it is longer than a handover.
    """
    fte = spells["fte"].fillna(1.0).to_numpy(dtype=float)
    smaller = fte[past] < fte[left] - CLOCK
    return np.asarray(smaller | (years > rules.handover_days / DAYS_OF_YEAR + CLOCK))


def _codes(spells: pd.DataFrame, columns: list[str]) -> IntArray:
    """Return whole numbers that are equal where all columns are."""
    code = np.zeros(len(spells), dtype=np.int64)
    for column in columns:
        numbers, names = pd.factorize(spells[column])
        code = code * len(names) + numbers
    return code


def _pairs(code: IntArray, asked: IntArray) -> tuple[IntArray, IntArray]:
    """Return every pair of an asked code's position and a row that has it; rows are sorted."""
    first = np.searchsorted(code, asked, side="left")
    count = np.searchsorted(code, asked, side="right") - first
    which, row = count_up(first, count)
    return which, row


def _related(past: pd.Series, now: pd.Series, year: IntArray, units: Units) -> BoolArray:
    """Mark pairs of units of which one is the parent of the other in the year."""
    past, now, in_year = (part.reset_index(drop=True) for part in (past, now, pd.Series(year)))
    is_above = (units.parent_at(now, in_year) == past).to_numpy(dtype=bool, na_value=False)
    is_below = (units.parent_at(past, in_year) == now).to_numpy(dtype=bool, na_value=False)
    return np.asarray(is_above | is_below)


def _reach(
    events: pd.DataFrame, spells: pd.DataFrame, units: Units | None, rules: EventRules
) -> FloatArray:
    """Return how many years before each change records of feeder roles begin."""
    role = spells["role"]
    roles = rules.feeder_roles
    feeds = ~role.isin(events["role"].unique()) if roles is None else role.isin(roles)
    first = spells[feeds].groupby("unit_id")["entry"].min()
    since = events["unit_id"].map(first).to_numpy(dtype=float)
    if units is not None and len(first) and len(events):
        since = np.fmin(since, _first_of_relatives(events, first, units))
    reach = events["start"].to_numpy(dtype=float) - since
    return np.where(reach > CLOCK, reach, np.nan)


def _first_of_relatives(events: pd.DataFrame, first: pd.Series, units: Units) -> FloatArray:
    """Return when the parent of each event's unit, or a unit below it, was first observed."""
    year = events["school_year_end"]
    above = units.parent_at(events["unit_id"], year).map(first).to_numpy(dtype=float)
    seen = first.rename("first").reset_index()
    nested = seen.merge(pd.DataFrame({"year": year.unique()}), how="cross")
    nested["parent_id"] = units.parent_at(nested["unit_id"], nested["year"])
    earliest = nested.groupby(["parent_id", "year"])["first"].min()
    key = pd.MultiIndex.from_arrays([events["unit_id"], year])
    return np.asarray(np.fmin(above, earliest.reindex(key).to_numpy(dtype=float)))


def _experience(events: pd.DataFrame, spells: pd.DataFrame) -> tuple[FloatArray, BoolArray]:
    """Return the successors' years in the role before each change, and whether a minimum."""
    if events.empty:
        return np.zeros(0), np.zeros(0, dtype=bool)
    held = spells[spells["role"].isin(events["role"].unique())]
    leader, names = pd.factorize(held["leader_id"])
    asked = names.get_indexer(pd.Index(events["successor_id"]))
    time = events["start"].to_numpy(dtype=float)
    start, stop = (held[c].to_numpy(dtype=float) for c in ("start", "stop"))
    open_left, open_right = (
        held[c].to_numpy(dtype=bool) for c in ("left_censored", "right_censored")
    )
    years = _years_before(leader, start, stop, asked, time)
    early = last_before(leader[open_left], start[open_left], asked, time) >= 0
    late = last_before(leader[open_right], stop[open_right], asked, time) >= 0
    return years, early | late


def _years_before(
    code: IntArray, start: FloatArray, stop: FloatArray, asked: IntArray, time: FloatArray
) -> FloatArray:
    """Return how much of the union of each code's stretches lies before a time."""
    order = np.lexsort([start, code])
    code, start, stop = code[order], start[order], stop[order]
    reach = pd.Series(stop).groupby(code).cummax().to_numpy(dtype=float)
    opens = np.r_[True, (code[1:] != code[:-1]) | (start[1:] > reach[:-1])]
    at = np.flatnonzero(opens)
    code, begin, end = code[at], start[at], reach[np.r_[at[1:] - 1, reach.size - 1]]
    length = end - begin
    sofar = pd.Series(length).groupby(code).cumsum().to_numpy(dtype=float) - length
    last = last_before(code, begin, asked, time)
    years = sofar[last] + np.minimum(time, end[last]) - begin[last]
    return np.where(last >= 0, years, 0.0)


def last_before(code: IntArray, when: FloatArray, asked: IntArray, time: FloatArray) -> IntArray:
    """Return the place, by code and time, of each asked code's last row before a time.

    Parameters
    ----------
    code, when : array
        Rows, in any order.
    asked, time : array

    Returns
    -------
    array of int
        Places in the rows sorted by code and ``when``; -1 where no row of the code is earlier.
    """
    n = code.size
    is_row = np.r_[np.ones(n, dtype=np.int64), np.zeros(asked.size, dtype=np.int64)]
    order = np.lexsort([is_row, np.r_[when, time - CLOCK], np.r_[code, asked]])
    upto = np.empty(order.size, dtype=np.int64)
    upto[order] = np.cumsum(is_row[order]) - 1
    place = upto[n:]
    owner = np.r_[np.sort(code), -1][place]
    return np.where(owner == asked, place, -1)
