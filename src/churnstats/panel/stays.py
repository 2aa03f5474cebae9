"""Posts by school year, and leaders by school year: what measures of several roles are made from.

A post is one role in one unit. A stay is a leader's unbroken time at one place, however many
spells it takes: in one post, or in any post of one district.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import count_up, encode, encode_pairs
from churnstats.panel.events import turnover_flags
from churnstats.panel.exposure import exposures, holders, observed_stretches
from churnstats.panel.shares import principals

POST_YEAR_COLUMNS = [
    "post",
    "school_year_end",
    "leader_id",
    "spell_id",
    "elapsed_tenure_years",
    "turnover_lag",
    "turnover_lead",
]


@dataclass(frozen=True)
class LeaderYears:
    """Leaders in school years, as arrays of one length.

    Attributes
    ----------
    home : array of int
        Code of the district in that year.
    year : array of int
    began : array of float
        When the stay began; NaN where nobody knows.
    stop : array of float
        When the stay ended, or was last seen.
    at_start : array of bool
        In post when the school year began.
    left : array of bool
        The stay ended in that year or at its end.
    known : array of bool
        Whether that is told: every post of the leader was seen to the end of the year. A post
        that was not tells nothing of any of its leaders in that year, for of those who left
        before the end it would be known, and of those who stayed not.
    """

    home: IntArray
    year: IntArray
    began: FloatArray
    stop: FloatArray
    at_start: BoolArray
    left: BoolArray
    known: BoolArray


def post_codes(spells: pd.DataFrame) -> IntArray:
    """Return the number of each spell's post, in the order of units and roles."""
    unit, _ = encode(spells["unit_id"])
    role, _ = encode(spells["role"])
    return encode_pairs(unit, role)[0]


def post_years(spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a post and school year under observation, sorted by them.

    Parameters
    ----------
    spells : DataFrame
        Spells of any roles, as `Tenures.frame`.

    Returns
    -------
    DataFrame
        ``post, unit_id, role, school_year_end, leader_id, spell_id, elapsed_tenure_years,
        turnover_lag, turnover_lead``: for each post what `Panel.frame` has for its unit.
    """
    post = post_codes(spells)
    start, stop = (spells[c].to_numpy(dtype=float) for c in ("start", "stop"))
    order = np.lexsort([stop, start, post])
    numbered = spells.assign(unit_id=post).iloc[order].reset_index(drop=True)
    line = principals(numbered)
    frame = holders(exposures(numbered), observed_stretches(line))
    frame = pd.concat([frame, turnover_flags(frame)], axis=1).rename(columns={"unit_id": "post"})
    first = np.unique(post, return_index=True)[1]
    names = spells[["unit_id", "role"]].iloc[first].reset_index(drop=True)
    named = names.take(frame["post"].to_numpy()).reset_index(drop=True)
    return pd.concat([frame[POST_YEAR_COLUMNS], named], axis=1)


def years_touched(spells: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """Return position and school year of every year that each spell was seen in."""
    first = np.floor(spells["entry"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    last = np.ceil(spells["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    count = last - first
    row, year = count_up(first, count)
    return row, year


def stays(spells: pd.DataFrame, place: IntArray) -> IntArray:
    """Return the number of the stay that each spell belongs to.

    Spells of one leader at one place are one stay if no time lies between them.
    """
    key, _ = encode_pairs(encode(spells["leader_id"])[0], place)
    start = spells["start"].to_numpy(dtype=float)
    order = np.lexsort([start, key])
    key, start = key[order], start[order]
    stop = spells["stop"].to_numpy(dtype=float)[order]
    reach = pd.Series(stop).groupby(key, sort=False).cummax().to_numpy()
    opens = np.ones(key.size, dtype=bool)
    opens[1:] = (key[1:] != key[:-1]) | (start[1:] > reach[:-1] + CLOCK)
    stay = np.empty(key.size, dtype=np.int64)
    stay[order] = np.cumsum(opens) - 1
    return stay


def leader_years(
    spells: pd.DataFrame, stay: IntArray, row: IntArray, year: IntArray, home: IntArray
) -> LeaderYears:
    """Return one element a stay, district and school year.

    Parameters
    ----------
    spells : DataFrame
    stay : array of int
        The stay of each spell, as `stays` gives it.
    row, year, home : arrays of int
        Spell, school year and district of every year that each spell was seen in.
    """
    began, stop, ended = _bounds(spells, stay)
    unseen = _unseen(spells, row, year)
    cell, _ = encode_pairs(encode_pairs(stay[row], home)[0], year - year.min(initial=0))
    _, at, same = np.unique(cell, return_index=True, return_inverse=True)
    in_post = spells["entry"].to_numpy(dtype=float)[row] <= year + CLOCK
    at_start = np.bincount(same, weights=in_post, minlength=at.size) > 0
    of, year = stay[row][at], year[at]
    return LeaderYears(
        home=home[at],
        year=year,
        began=began[of],
        stop=stop[of],
        at_start=at_start,
        left=(stop[of] <= year + 1 + CLOCK) & ended[of],
        known=np.bincount(same, weights=unseen, minlength=at.size) == 0,
    )


def _unseen(spells: pd.DataFrame, row: IntArray, year: IntArray) -> BoolArray:
    """Mark the years of spells in whose course, or at whose end, sight of the post was lost."""
    lost = spells["right_censored"].to_numpy(dtype=bool)[row]
    lost = lost & (spells["stop"].to_numpy(dtype=float)[row] <= year + 1 + CLOCK)
    cell, n = encode_pairs(post_codes(spells)[row], year - year.min(initial=0))
    return np.asarray(np.bincount(cell, weights=lost, minlength=n)[cell] > 0)


def _bounds(spells: pd.DataFrame, stay: IntArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return when each stay began (NaN if unknown) and stopped, and whether it really ended."""
    start, stop = (spells[c].to_numpy(dtype=float) for c in ("start", "stop"))
    n = int(stay.max(initial=-1)) + 1
    began, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(began, stay, start)
    np.maximum.at(last, stay, stop)
    lost = spells["left_censored"].to_numpy(dtype=bool) & (start <= began[stay] + CLOCK)
    open_ = spells["right_censored"].to_numpy(dtype=bool) & (stop >= last[stay] - CLOCK)
    began[stay[lost]] = np.nan
    ended = np.ones(n, dtype=bool)
    ended[stay[open_]] = False
    return began, last, ended
