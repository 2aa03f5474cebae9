"""Posts that several leaders hold at one time: who has which share, and who is the principal."""

from __future__ import annotations

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
        who has the largest share, of equal ones who began first.
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
    start = spells["start"].to_numpy(dtype=float)[spell]
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
