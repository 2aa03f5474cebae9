"""Seats to spells: stretches of one leader in one post, censored where nobody looked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.calendar import CLOCK
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import encode_pairs
from churnstats.records.seats import FULL_POST, NOBODY, Seats, same_as_before


@dataclass(frozen=True)
class Runs:
    """Spells as arrays of one length, sorted by post, begin, end and leader.

    Attributes
    ----------
    at, last_at : array of int
        Positions of the rows that they begin and end with.
    seat : array of int
        Place of the first of the seats that they were made of, which follow one another.
    post, leader, n_rows : array of int
    begin, end, begin_earliest, end_latest, fte, fte_reported, interim : array of float
        The last three are means over the time held.
    left_censored, right_censored : array of bool
    """

    at: IntArray
    last_at: IntArray
    seat: IntArray
    post: IntArray
    leader: IntArray
    n_rows: IntArray
    begin: FloatArray
    end: FloatArray
    begin_earliest: FloatArray
    end_latest: FloatArray
    fte: FloatArray
    fte_reported: FloatArray
    interim: FloatArray
    left_censored: BoolArray
    right_censored: BoolArray

    def take(self, keep: BoolArray | IntArray) -> Runs:
        """Return chosen spells, in the order in which they are named."""
        return Runs(*(values[keep] for values in vars(self).values()))


@dataclass(frozen=True)
class Years:
    """The years in which each post was seen, sorted: arrays of one length."""

    post: IntArray
    year: IntArray
    first: int
    width: int

    @property
    def key(self) -> IntArray:
        """One number a post and year, in order."""
        return self.post * self.width + (self.year - self.first)

    def place(self, post: IntArray, year: IntArray) -> IntArray:
        """Return where posts and years are, or would have to be put."""
        return np.searchsorted(self.key, post * self.width + (year - self.first))

    def has(self, post: IntArray, year: IntArray) -> BoolArray:
        """Tell whether posts were seen in years."""
        place = np.minimum(self.place(post, year), self.post.size - 1)
        return np.asarray((self.post[place] == post) & (self.year[place] == year))


def seen_years(seats: Seats) -> Years:
    """Return the years in which each post was seen, with a holder or vacant."""
    first = int(seats.year.min(initial=0)) - 1
    width = int(seats.year.max(initial=0)) - first + 2
    key = seats.post * width + (seats.year - first)
    key = np.unique(key) if not _is_sorted(key) else key[~same_as_before(key)]
    return Years(key // width, key % width + first, first, width)


def _is_sorted(values: IntArray) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def runs_of(seats: Seats, years: Years, max_gap_years: int) -> tuple[Runs, BoolArray]:
    """Join the seats of a leader in a post to spells.

    Parameters
    ----------
    seats : Seats
        From `in_order_of_leaders`.
    years : Years
    max_gap_years : int

    Returns
    -------
    runs : Runs
    bridged : array of bool
        For each of ``years``: a gap of the post before it was bridged.
    """
    opens = ~(same_as_before(seats.post) & same_as_before(seats.leader))
    away = np.flatnonzero(
        ~opens & np.r_[False, seats.begin[1:] - seats.end[:-1] > CLOCK][: opens.size]
    )
    first_year = np.floor(seats.begin[away] + CLOCK).astype(np.int64)
    last_year = np.ceil(seats.end[away - 1] - CLOCK).astype(np.int64) - 1
    missing = first_year - last_year - 1
    place = years.place(seats.post[away], first_year)
    bridge = (missing > 0) & (missing <= max_gap_years)
    bridge &= place - years.place(seats.post[away], last_year) == 1
    opens[away[~bridge]] = True
    bridged = np.zeros(years.post.size, dtype=bool)
    bridged[place[bridge]] = True
    return _joined(seats, years, np.flatnonzero(opens)), bridged


def in_order_of_leaders(seats: Seats) -> Seats:
    """Return the seats of leaders so that those of one stretch follow one another.

    Seats come in the order of time, which is enough where no post is shared.
    """
    held = seats.leader != NOBODY
    seats = seats if held.all() else seats.take(held)
    touches = same_as_before(seats.post) & np.r_[False, seats.begin[1:] < seats.end[:-1] - CLOCK]
    if not touches.any():
        return seats
    return seats.take(np.lexsort([seats.begin, seats.leader, seats.post]))


def _joined(s: Seats, years: Years, at: IntArray) -> Runs:
    """Return one spell for each stretch of seats that begins ``at``, sorted."""
    last = np.r_[at[1:] - 1, s.post.size - 1]
    time = s.end - s.begin
    runs = Runs(
        s.at[at],
        s.at[last],
        at,
        s.post[at],
        s.leader[at],
        last - at + 1,
        s.begin[at],
        s.end[last],
        s.begin_earliest[at],
        s.end_latest[last],
        _mean_over_time(s.fte, time, at),
        _mean_over_time(s.fte_reported, time, at),
        _mean_over_time(s.interim, time, at),
        np.zeros(at.size, dtype=bool),
        np.zeros(at.size, dtype=bool),
    )
    runs = runs.take(np.lexsort([runs.leader, runs.end, runs.begin, runs.post]))
    return _censored(runs, years)


def _mean_over_time(values: FloatArray, time: FloatArray, at: IntArray) -> FloatArray:
    """Return the mean of each stretch over the time in which the value is known."""
    known = ~np.isnan(values)
    if not known.any():
        return np.full(at.size, np.nan)
    total = np.add.reduceat(np.where(known, time, 0.0), at)
    summed = np.add.reduceat(np.where(known, values * time, 0.0), at)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


def _censored(runs: Runs, years: Years) -> Runs:
    """Mark spells next to years in which their post was not seen, and bound what lies there."""
    first = np.floor(runs.begin + CLOCK).astype(np.int64)
    last = np.ceil(runs.end - CLOCK).astype(np.int64) - 1
    left = (runs.begin < first + CLOCK) & ~years.has(runs.post, first - 1)
    right = (runs.end > last + 1 - CLOCK) & ~years.has(runs.post, last + 1)
    before = np.maximum(years.place(runs.post, first) - 1, 0)
    after = np.minimum(years.place(runs.post, last) + 1, years.post.size - 1)
    same_before = left & (years.post[before] == runs.post) & (years.year[before] < first)
    same_after = right & (years.post[after] == runs.post) & (years.year[after] > last)
    same_before &= ~_seen_by_leader(runs, last, years.year[before])
    same_after &= ~_seen_by_leader(runs, first, years.year[after])
    earliest = np.where(same_before, years.year[before] + 1.0, runs.begin_earliest)
    latest = np.where(same_after, years.year[after].astype(float), runs.end_latest)
    values = vars(runs) | {
        "begin_earliest": earliest,
        "end_latest": latest,
        "left_censored": left,
        "right_censored": right,
    }
    return Runs(**values)


def _seen_by_leader(runs: Runs, year: IntArray, wanted: IntArray) -> BoolArray:
    """Mark spells whose leader has a spell of the post that begins or ends with a wanted year.

    Who is found on both sides of a gap may never have left, which bounds nothing.
    """
    pair, _ = encode_pairs(runs.post, runs.leader)
    first, width = int(wanted.min(initial=0)), int(wanted.max(initial=0)) + 2
    inside = (year >= first) & (year < width)
    known = pair[inside] * (width - first) + (year[inside] - first)
    return np.isin(pair * (width - first) + (wanted - first), known)


def returns(runs: Runs, max_away_years: float) -> IntArray:
    """Return the numbers of spells that lie between two of one other leader, without gaps.

    They are no longer than ``max_away_years``, and no two of them share a spell: of A, B, A, B
    the first B counts.
    """
    if runs.post.size < 3:
        return np.zeros(0, dtype=np.int64)
    post, leader, begin, end = runs.post, runs.leader, runs.begin, runs.end
    middle = np.arange(1, post.size - 1)
    away = begin[2:] - end[:-2]
    found = (post[:-2] == post[2:]) & (leader[:-2] == leader[2:]) & (leader[1:-1] != leader[2:])
    found &= (np.abs(end[:-2] - begin[1:-1]) < CLOCK) & (np.abs(end[1:-1] - begin[2:]) < CLOCK)
    found &= away <= max_away_years + CLOCK
    kept: list[int] = []
    for m in middle[found].tolist():
        if not kept or m > kept[-1] + 1:
            kept.append(m)
    return np.array(kept, dtype=np.int64)


def seats_within(runs: Runs, seats: Seats) -> BoolArray:
    """Mark the seats that a few spells are made of."""
    mark = np.zeros(seats.post.size, dtype=bool)
    first, stop = (np.searchsorted(seats.post, runs.post, side=s) for s in ("left", "right"))
    for i in range(runs.post.size):
        part = slice(first[i], stop[i])
        inside = seats.begin[part] > runs.begin[i] - CLOCK
        inside &= seats.end[part] < runs.end[i] + CLOCK
        mark[part] |= inside & (seats.leader[part] == runs.leader[i])
    return mark


def without_interruptions(runs: Runs, between: IntArray) -> tuple[Runs, IntArray]:
    """Join the spells on both sides of interruptions, which are left out.

    The second part is the new place of each spell, -1 for interruptions.
    """
    part = np.arange(runs.post.size)
    gone = np.zeros(part.size, dtype=bool)
    gone[between] = True
    joined = np.zeros(part.size, dtype=bool)
    joined[between + 1] = True
    kept = np.flatnonzero(~gone)
    starts = np.flatnonzero(~joined[kept])
    stops = np.r_[starts[1:] - 1, kept.size - 1]
    first, last = runs.take(kept[starts]), runs.take(kept[stops])
    time = runs.end[kept] - runs.begin[kept]

    values = vars(first) | {
        "last_at": last.last_at,
        "n_rows": np.add.reduceat(runs.n_rows[kept], starts),
        "end": last.end,
        "end_latest": last.end_latest,
        "fte": _mean_over_time(runs.fte[kept], time, starts),
        "fte_reported": _mean_over_time(runs.fte_reported[kept], time, starts),
        "interim": _mean_over_time(runs.interim[kept], time, starts),
        "right_censored": last.right_censored,
    }
    place = np.full(part.size, -1, dtype=np.int64)
    place[kept] = np.cumsum(~joined[kept]) - 1
    return Runs(**values), place


def within_one_post(runs: Runs) -> tuple[Runs, BoolArray]:
    """Scale shares of spells that add up to more than one post at some time, and mark these spells.

    A spell has one share, the mean over its time: where shares vary from year to year, the means
    may add up to more than the shares of any year did.
    """
    overlap = same_as_before(runs.post)[1:] & (runs.begin[1:] < runs.end[:-1] - CLOCK)
    most = _most_at_once(runs) if overlap.any() else runs.fte
    above = most > FULL_POST
    fte = np.minimum(np.where(above, runs.fte / np.where(above, most, 1.0), runs.fte), 1.0)
    return Runs(**(vars(runs) | {"fte": fte})), above


def _most_at_once(runs: Runs) -> FloatArray:
    """Return for each spell the most that the shares of its post add up to during its time."""
    n = runs.post.size
    time = np.r_[runs.end - CLOCK, runs.begin]
    order = np.lexsort([np.arange(2 * n) >= n, time, np.r_[runs.post, runs.post]])
    begins = order >= n
    total = np.cumsum(np.r_[-runs.fte, runs.fte][order])[begins]
    until = np.empty(n, dtype=np.int64)
    until[order[~begins]] = np.cumsum(begins)[~begins]
    spans = np.c_[np.arange(n), until].ravel()
    return np.asarray(np.maximum.reduceat(np.r_[total, 0.0], spans)[::2])
