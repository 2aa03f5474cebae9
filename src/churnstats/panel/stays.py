"""Posts by school year, and leaders by school year: what measures of several roles are made from.

A post is one role in one unit. A stay is a leader's unbroken time at one place, however many
spells it takes: in one post, or in any post of one district.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import require_types
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import count_up, encode, encode_pairs
from churnstats.panel.events import turnover_flags
from churnstats.panel.exposure import exposures, holders, observed_stretches
from churnstats.panel.shares import principals
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

# Flags of turnover: yes, no, or nobody knows.
Flags = NDArray[np.int8]
NO, YES, UNKNOWN = 0, 1, -1
# Spells whose years are made at a time.
BLOCK = 50_000


@dataclass(frozen=True)
class PostYears:
    """Posts in school years under observation, as arrays of one length, sorted by both.

    Attributes
    ----------
    post : array of int
        Number of the post.
    year : array of int
    spell : array of int
        Position of the holder's spell among the spells; -1 without a holder.
    tenure : array of float
        The holder's elapsed tenure, NaN where it is not known.
    lag, lead : array of int
        Whether the holder is another one than in the year before, and in the year after: 1 for
        yes, 0 for no, -1 where it is not known.
    """

    post: IntArray
    year: IntArray
    spell: IntArray
    tenure: FloatArray
    lag: Flags
    lead: Flags


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


@dataclass(frozen=True)
class SpellYears:
    """Every school year that each spell was seen in, as arrays of one length.

    Attributes
    ----------
    row : array of int
        Position of the spell.
    year : array of int
    home : array of int
        Code of the district in that year.
    unseen : array of bool
        In the course of the year, or at its end, sight of the post was lost.
    """

    row: IntArray
    year: IntArray
    home: IntArray
    unseen: BoolArray

    def of(self, mark: BoolArray) -> SpellYears:
        """Return those that are marked."""
        return SpellYears(*(values[mark] for values in vars(self).values()))


def require_records(tenures: object, units: object) -> None:
    """Raise if these are not Tenures and Units (or no units)."""
    require_types(
        {
            "tenures": (tenures, Tenures, "give Tenures, such as Tenures.from_spells(frame)"),
            "units": (units, (Units, NoneType), "give Units.from_frame(frame)"),
        }
    )


def post_codes(spells: pd.DataFrame) -> IntArray:
    """Return the number of each spell's post, in the order of units and roles."""
    unit, _ = encode(spells["unit_id"])
    role, _ = encode(spells["role"])
    return encode_pairs(unit, role)[0]


def leader_codes(spells: pd.DataFrame) -> IntArray:
    """Return the number of each spell's leader."""
    return pd.factorize(spells["leader_id"])[0].astype(np.int64)


def post_holders(spells: pd.DataFrame, post: IntArray, leader: IntArray) -> PostYears:
    """Return who held each post in each school year under observation.

    Parameters
    ----------
    spells : DataFrame
        Spells of any roles, as `Tenures.frame`.
    post, leader : array of int
        From `post_codes` and `leader_codes`.
    """
    start, stop = (spells[c].to_numpy(dtype=float) for c in ("start", "stop"))
    order = np.lexsort([stop, start, post])
    # numbers in place of text, and some posts at a time: the tables in between have one row for
    # each year of each spell
    kept = [c for c in spells.columns if not isinstance(spells[c].dtype, pd.StringDtype)]
    numbers = spells[kept].assign(
        unit_id=post, leader_id=leader.astype(float), spell_id=np.arange(post.size, dtype=float)
    )
    opens = np.flatnonzero(np.diff(post[order], prepend=-1))
    at = np.searchsorted(opens, np.arange(BLOCK, order.size, BLOCK))
    blocks = np.split(order, opens[np.unique(at[at < opens.size])])
    parts = [_holders(numbers.take(block).reset_index(drop=True)) for block in blocks]
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return PostYears(*(np.concatenate(column) for column in columns))


def _holders(spells: pd.DataFrame) -> PostYears:
    """Return the holders of some posts, whose spells have numbers for ids."""
    frame = holders(exposures(spells), observed_stretches(principals(spells)))
    flags = turnover_flags(frame)
    return PostYears(
        post=frame["unit_id"].to_numpy(dtype=np.int64),
        year=frame["school_year_end"].to_numpy(dtype=np.int64),
        spell=frame["spell_id"].fillna(-1).to_numpy(dtype=np.int64),
        tenure=frame["elapsed_tenure_years"].to_numpy(dtype=float),
        lag=flags["turnover_lag"].to_numpy(dtype=np.int8, na_value=UNKNOWN),
        lead=flags["turnover_lead"].to_numpy(dtype=np.int8, na_value=UNKNOWN),
    )


def post_years(spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a post and school year under observation, sorted by them.

    Parameters
    ----------
    spells : DataFrame
        Spells of any roles, as `Tenures.frame`.

    Returns
    -------
    DataFrame
        ``post, unit_id, role, school_year_end, leader_id, spell_id``: for each post what
        `Panel.frame` has for its unit.
    """
    post = post_codes(spells)
    seen = post_holders(spells, post, leader_codes(spells))
    first = np.unique(post, return_index=True)[1]
    made = spells[["unit_id", "role"]].take(first[seen.post]).reset_index(drop=True)
    held = spells[["leader_id", "spell_id"]].take(seen.spell).reset_index(drop=True)
    held = held.mask(pd.Series(seen.spell < 0), axis=0)
    years = pd.DataFrame({"post": seen.post, "school_year_end": seen.year})
    return pd.concat([years, made, held], axis=1)


def span(year: IntArray) -> tuple[int, int]:
    """Return the first of some years, and how many they span."""
    return (int(year.min()), int(np.ptp(year)) + 1) if year.size else (0, 1)


def years_touched(spells: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """Return position and school year of every year that each spell was seen in."""
    first = np.floor(spells["entry"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    last = np.ceil(spells["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    row, year = count_up(first, last - first)
    return row, year


def stays(spells: pd.DataFrame, leader: IntArray, place: IntArray) -> IntArray:
    """Return the number of the stay that each spell belongs to.

    Spells of one leader at one place are one stay if no time lies between them.
    """
    start = spells["start"].to_numpy(dtype=float)
    order = np.lexsort([start, place, leader])
    key, start = leader[order] * (int(place.max(initial=0)) + 1) + place[order], start[order]
    stop = spells["stop"].to_numpy(dtype=float)[order]
    reach = pd.Series(stop).groupby(key, sort=False).cummax().to_numpy()
    opens = np.ones(key.size, dtype=bool)
    opens[1:] = (key[1:] != key[:-1]) | (start[1:] > reach[:-1] + CLOCK)
    stay = np.empty(key.size, dtype=np.int64)
    stay[order] = np.cumsum(opens) - 1
    return stay


def leader_years(spells: pd.DataFrame, stay: IntArray, years: SpellYears) -> LeaderYears:
    """Return one element a stay, district and school year.

    Parameters
    ----------
    spells : DataFrame
    stay : array of int
        The stay of each spell, as `stays` gives it.
    years : SpellYears
    """
    began, stop, ended = _bounds(spells, stay)
    first, width = span(years.year)
    key = (stay[years.row] * (int(years.home.max(initial=0)) + 1) + years.home) * width
    same, cells = pd.factorize(key + (years.year - first))
    at = np.empty(len(cells), dtype=np.int64)
    at[same[::-1]] = np.arange(same.size)[::-1]
    in_post = spells["entry"].to_numpy(dtype=float)[years.row] <= years.year + CLOCK
    at_start, unseen = np.zeros(at.size, dtype=bool), np.zeros(at.size, dtype=bool)
    at_start[same[in_post]] = True
    unseen[same[years.unseen]] = True
    of, year = stay[years.row[at]], years.year[at]
    return LeaderYears(
        home=years.home[at],
        year=year,
        began=began[of],
        stop=stop[of],
        at_start=at_start,
        left=(stop[of] <= year + 1 + CLOCK) & ended[of],
        known=~unseen,
    )


def lost_sight(spells: pd.DataFrame, post: IntArray, row: IntArray, year: IntArray) -> BoolArray:
    """Mark the years of spells in whose course, or at whose end, sight of the post was lost.

    Parameters
    ----------
    spells : DataFrame
    post : array of int
        From `post_codes`.
    row, year : arrays of int
        From `years_touched`.
    """
    lost = spells["right_censored"].to_numpy(dtype=bool)[row]
    lost = lost & (spells["stop"].to_numpy(dtype=float)[row] <= year + 1 + CLOCK)
    first, width = span(year)
    cell = post[row] * width + (year - first)
    marked = np.zeros((int(post.max(initial=0)) + 1) * width, dtype=bool)
    marked[cell[lost]] = True
    return np.asarray(marked[cell])


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
