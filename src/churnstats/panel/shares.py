"""Posts that several leaders hold at one time: who has which share, and who is the principal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import count_up


def shared_units(spells: pd.DataFrame) -> BoolArray:
    """Mark the spells of units in which spells overlap.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.
    """
    latest = spells.groupby("unit_id", sort=False)["stop"].cummax()
    before = latest.groupby(spells["unit_id"], sort=False).shift()
    early = (spells["start"] < before - CLOCK).to_numpy(dtype=bool, na_value=False)
    return np.asarray(spells["unit_id"].isin(spells.loc[early, "unit_id"]))


class Stays(NamedTuple):
    """For each spell, the unbroken time in the post that it is a part of.

    Attributes
    ----------
    start, stop : array of float
        When it began and stopped.
    left_censored : array of bool
        Whether it began before it was seen.
    begins, ends : array of bool
        Whether the spell is the first of it, and the last.
    """

    start: FloatArray
    stop: FloatArray
    left_censored: BoolArray
    begins: BoolArray
    ends: BoolArray


def stays_in_post(spells: pd.DataFrame) -> Stays:
    """Return the stays of spells of one role: those of one leader in a unit that touch are one.

    A source may give a row a term, contract or appointment, so that an interim who is appointed
    for good, or a member who is elected again, has two spells and never left.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role.
    """
    start, stop = (spells[c].to_numpy(dtype=float, copy=True) for c in ("start", "stop"))
    lost = spells["left_censored"].to_numpy(dtype=bool, copy=True)
    (unit, _), (leader, names) = (pd.factorize(spells[c]) for c in ("unit_id", "leader_id"))
    key = unit * len(names) + leader
    # who has one spell in a unit has one stay
    at = np.flatnonzero(pd.Series(key).duplicated(keep=False))
    at = at[np.lexsort([stop[at], start[at], key[at]])]
    key = key[at]
    reach = pd.Series(stop[at]).groupby(key, sort=False).cummax().to_numpy(dtype=float)
    opens = np.r_[True, (key[1:] != key[:-1]) | (start[at[1:]] > reach[:-1] + CLOCK)][: at.size]
    stay = np.cumsum(opens) - 1
    closes = np.r_[opens[1:], True][: at.size]
    first, last = at[opens], at[np.lexsort([stop[at], stay])][closes]
    begins, ends = np.ones(start.size, dtype=bool), np.ones(start.size, dtype=bool)
    begins[at], ends[at] = False, False
    begins[first], ends[last] = True, True
    start[at], stop[at], lost[at] = start[first][stay], stop[last][stay], lost[first][stay]
    return Stays(start, stop, lost, begins, ends)


def whole_stays(spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a stay: the first of its spells, which ends as the last one does.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role.
    """
    stay = stays_in_post(spells)
    if stay.begins.all():
        return spells
    number = spells.groupby(["unit_id", "leader_id", stay.start]).ngroup().to_numpy()
    last = np.empty(number.max() + 1, dtype=np.int64)
    last[number[stay.ends]] = np.flatnonzero(stay.ends)
    at = last[number[stay.begins]]
    ends = [c for c in ("right_censored", "stop_watched", "exit_reason") if c in spells.columns]
    made = spells[stay.begins].assign(stop=stay.stop[stay.begins])
    return made.assign(**{c: spells[c].array.take(at) for c in ends})


def parts(spells: pd.DataFrame) -> pd.DataFrame:
    """Cut spells wherever anybody of their unit begins or ends.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        One row a spell and stretch between two cuts: ``spell`` (its position), ``unit`` (a
        code), ``begin, end, share`` of the post, and ``is_principal``. Shares follow ``fte`` and
        add up to one in each stretch; equal ones are taken where all are zero. The principal is
        who has the largest share, of equal ones whose unbroken time in the post began first.
    """
    unit = pd.factorize(spells["unit_id"])[0].astype(np.int64)
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    cut_unit, cut_time = _cuts(np.r_[unit, unit], np.r_[entry, stop])
    first = _place(cut_unit, cut_time, unit, entry)
    count = _place(cut_unit, cut_time, unit, stop) - first
    spell, at = count_up(first, count)
    fte = spells["fte"].fillna(1.0).to_numpy(dtype=float)[spell]
    total = np.bincount(at, weights=fte, minlength=cut_time.size)
    holders = np.bincount(at, minlength=cut_time.size)
    some = total[at] > 0
    share = np.where(some, fte / np.where(some, total[at], 1.0), 1.0 / holders[at])
    start = stays_in_post(spells).start[spell]
    order = np.lexsort([spell, start, -share.round(9), at])
    principal = np.zeros(spell.size, dtype=bool)
    principal[order[np.r_[True, at[order][1:] != at[order][:-1]][: order.size]]] = True
    return pd.DataFrame(
        {
            "spell": spell,
            "unit": unit[spell],
            "begin": cut_time[at],
            "end": cut_time[at + 1],
            "share": share,
            "is_principal": principal,
        }
    )


def _cuts(unit: IntArray, time: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the distinct times of each unit, sorted; times that differ by less are one."""
    order = np.lexsort([time, unit])
    unit, time = unit[order], time[order]
    new = np.r_[True, (unit[1:] != unit[:-1]) | (np.diff(time) > CLOCK)][: unit.size]
    return unit[new], time[new]


def _place(cut_unit: IntArray, cut_time: FloatArray, unit: IntArray, time: FloatArray) -> IntArray:
    """Return the positions of times among the cuts of their unit."""
    both_unit, both_time = np.r_[cut_unit, unit], np.r_[cut_time, time + CLOCK]
    is_asked = np.r_[np.zeros(cut_unit.size, dtype=np.int64), np.ones(unit.size, dtype=np.int64)]
    order = np.lexsort([is_asked, both_time, both_unit])
    upto = np.empty(order.size, dtype=np.int64)
    upto[order] = np.cumsum(1 - is_asked[order]) - 1
    return upto[cut_unit.size :]


def principals(spells: pd.DataFrame) -> pd.DataFrame:
    """Return spells of which no two overlap: the time in which each leader is the principal.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        The columns of the spells. A stretch that does not begin, or end, with its spell is not
        censored there. Where no post is shared, these are the spells.
    """
    shared = shared_units(spells)
    if not shared.any():
        return spells
    several = spells[shared].reset_index(drop=True)
    cut = parts(several)
    cut = cut[cut["is_principal"]].sort_values(["unit", "begin"], ignore_index=True)
    same = (cut["spell"] == cut["spell"].shift()) & (cut["begin"] <= cut["end"].shift() + CLOCK)
    stretch = (~same).cumsum()
    found = cut.groupby(stretch).agg(
        unit=("unit", "first"),
        spell=("spell", "first"),
        begin=("begin", "first"),
        end=("end", "last"),
    )
    made = several.iloc[found["spell"].to_numpy()].reset_index(drop=True)
    begin, end = found["begin"].to_numpy(), found["end"].to_numpy()
    from_start = np.abs(begin - made["entry"].to_numpy(dtype=float)) <= CLOCK
    before = found["end"].groupby(found["unit"]).shift().to_numpy()
    # who entered observation late may have begun while another was the principal in view
    from_start &= ~(made["start"].to_numpy(dtype=float) < before - CLOCK)
    to_stop = np.abs(end - made["stop"].to_numpy(dtype=float)) <= CLOCK
    made["start"] = made["start"].where(from_start, begin)
    made["entry"], made["stop"] = begin, end
    made["left_censored"] = made["left_censored"] & from_start
    made["right_censored"] = made["right_censored"] & to_stop
    every = pd.concat([spells[~shared], made])
    return every.sort_values(["unit_id", "start", "stop"], kind="stable", ignore_index=True)
