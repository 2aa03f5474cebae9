"""Roster rows to seats: who held which post for which part of which school year, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import encode, encode_pairs
from churnstats.records.interim import said_by_titles

NOBODY = -1
FULL_POST = 1.05


@dataclass(frozen=True)
class RosterRows:
    """A roster as arrays of one length, sorted by post, year, snapshot, leader and source row.

    Attributes
    ----------
    at : array of int
        Position of the row in the frame.
    post, leader, group : array of int
        Codes in the order of sorted ids; the leader of a row without one is `NOBODY`.
    year : array of int
    snapshot, fte : array of float
        NaN where they are not given.
    interim : array of float
        1 where the title says interim, 0 where it does not, NaN where there is none.
    vacant : array of bool
    """

    at: IntArray
    post: IntArray
    leader: IntArray
    group: IntArray
    year: IntArray
    snapshot: FloatArray
    fte: FloatArray
    interim: FloatArray
    vacant: BoolArray

    def take(self, keep: BoolArray) -> RosterRows:
        """Return marked rows."""
        return replace(self, **{name: values[keep] for name, values in vars(self).items()})

    @property
    def opens_slot(self) -> BoolArray:
        """Mark rows that are the first of their post, year and snapshot."""
        same = same_as_before(self.post) & same_as_before(self.year)
        if not same.any():
            return ~same
        both_missing = np.isnan(self.snapshot[1:]) & np.isnan(self.snapshot[:-1])
        alike = both_missing | (np.diff(self.snapshot) == 0)
        return np.asarray(~(same & np.r_[False, alike][: same.size]))


def same_as_before(values: IntArray) -> BoolArray:
    """Mark elements that equal the one before them."""
    return np.asarray(np.r_[False, values[1:] == values[:-1]][: values.size])


def roster_rows(frame: pd.DataFrame) -> RosterRows:
    """Return the rows of a conformed roster as sorted arrays; those without a key are left out."""
    unit, _ = encode(frame["unit_id"])
    role, _ = encode(frame["role"])
    post, _ = encode_pairs(unit, role)
    leader, _ = encode(frame["leader_id"])
    year = frame["school_year_end"].to_numpy(dtype=np.int64, na_value=0)
    known = (unit >= 0) & (role >= 0) & frame["school_year_end"].notna().to_numpy(dtype=bool)
    snapshot = frame["snapshot"].to_numpy(dtype=float)
    order = _in_order(post, year, snapshot, leader)
    order = order[known[order]]
    group = np.zeros(len(frame), dtype=np.int64)
    if frame["group_id"].notna().any():
        group = encode(frame["group_id"])[0]
    return RosterRows(
        order,
        post[order],
        leader[order],
        group[order],
        year[order],
        snapshot[order],
        frame["fte"].to_numpy(dtype=float)[order],
        said_by_titles(frame["title"])[order],
        frame["vacant"].to_numpy(dtype=bool, na_value=False)[order],
    )


class Parts(NamedTuple):
    """Rows that were added to another one, by their positions: ``at`` was added to ``to``."""

    at: IntArray
    to: IntArray


NO_PARTS = Parts(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def add_parts(rows: RosterRows) -> tuple[RosterRows, Parts]:
    """Add up shares of one holder in one slot that come in several rows.

    Returns
    -------
    rows : RosterRows
        With one row for each holder whose shares add up to no more than one post.
    parts : Parts
        The rows that were added to another one.
    """
    same = ~rows.opens_slot & same_as_before(rows.leader) & (rows.leader != NOBODY)
    if not same.any():
        return rows, NO_PARTS
    holder = np.cumsum(~same) - 1
    total = np.bincount(holder, weights=rows.fte)
    adds = same & (total <= FULL_POST)[holder]
    fte = np.where((total <= FULL_POST)[holder], total[holder], rows.fte)
    parts = Parts(rows.at[adds], rows.at[~same][holder[adds]])
    return replace(rows, fte=fte).take(~adds), parts


def _in_order(post: IntArray, year: IntArray, snapshot: FloatArray, leader: IntArray) -> IntArray:
    """Sort by post and year, and where several rows have both also by snapshot and leader."""
    first = year.min(initial=0)
    cell = post * (year.max(initial=0) - first + 1) + (year - first)
    order = np.argsort(cell, kind="stable")
    if same_as_before(cell[order]).any():
        order = np.lexsort([leader, snapshot, cell])
    return np.asarray(order, dtype=np.int64)


@dataclass(frozen=True)
class Seats:
    """Holders of posts by part of a school year, as arrays of one length.

    Attributes
    ----------
    at : array of int
        Position of the row that it comes from.
    post, leader, year : array of int
        The leader of a post that is known to be vacant is `NOBODY`.
    begin, end : array of float
        School-year time.
    begin_earliest, end_latest : array of float
        Bounds of a handover within the year whose day is not known; NaN elsewhere.
    fte, fte_reported : array of float
        Share of the post that is held, and what the source says (NaN if nothing).
    interim : array of float
        As in `RosterRows`.
    shared : array of bool
        Others hold the post at the same time.
    """

    at: IntArray
    post: IntArray
    leader: IntArray
    year: IntArray
    begin: FloatArray
    end: FloatArray
    begin_earliest: FloatArray
    end_latest: FloatArray
    fte: FloatArray
    fte_reported: FloatArray
    interim: FloatArray
    shared: BoolArray

    def take(self, keep: BoolArray | IntArray) -> Seats:
        """Return chosen seats, in the order in which they are named."""
        return Seats(*(values[keep] for values in vars(self).values()))


@dataclass(frozen=True)
class SeatsFound:
    """Seats, and the rows that became none or that had to be judged: positions in the frame."""

    seats: Seats
    other_snapshot: IntArray
    smaller_share: IntArray
    handed_over: IntArray
    shared: IntArray
    above_one: IntArray


def seats_of(rows: RosterRows, snapshots: str, co_leaders: str) -> SeatsFound:
    """Give every row its part of the year.

    Parameters
    ----------
    rows : RosterRows
        Rows with a leader or a known vacancy, without faults.
    snapshots : {"last", "first", "dated"}
    co_leaders : {"fault", "by_fte", "largest"}
    """
    none = np.zeros(0, dtype=np.int64)
    other = none
    if snapshots != "dated" and not np.isnan(rows.snapshot).all():
        keep = _one_snapshot(rows, snapshots)
        other, rows = rows.at[~keep], rows.take(keep)
    seats = _whole_slots(rows)
    opens = rows.opens_slot
    if opens.all():
        return SeatsFound(seats, other, none, none, none, none)
    slot = np.cumsum(opens) - 1
    several = np.bincount(slot)[slot] > 1
    if co_leaders == "largest":
        keep = ~several | _largest(seats, slot)
        return SeatsFound(seats.take(keep), other, seats.at[~keep], none, none, none)
    return _divided(seats, slot, several, other)


def _one_snapshot(rows: RosterRows, which: str) -> BoolArray:
    """Mark the rows of the first or last snapshot of each post and year."""
    cell = np.cumsum(~(same_as_before(rows.post) & same_as_before(rows.year))) - 1
    slot = np.cumsum(rows.opens_slot) - 1
    edge = np.full(int(cell.max(initial=-1)) + 1, -1, dtype=np.int64)
    chosen = slot if which == "last" else slot[::-1]
    edge[cell if which == "last" else cell[::-1]] = chosen
    return np.asarray(slot == edge[cell])


def _whole_slots(rows: RosterRows) -> Seats:
    """Return seats that last from their snapshot to the next one of the year.

    The first snapshot of a year speaks for the time before it too.
    """
    year = rows.year.astype(float)
    begin, end = year.copy(), year + 1
    nan = np.full(year.size, np.nan)
    earliest = nan.copy()
    opens = np.flatnonzero(rows.opens_slot)
    cell_goes_on = same_as_before(rows.post[opens]) & same_as_before(rows.year[opens])
    if cell_goes_on.any():
        slot = np.cumsum(rows.opens_slot) - 1
        taken = rows.snapshot[opens]
        first = np.where(cell_goes_on, taken, year[opens])
        begin = first[slot]
        last = np.where(np.r_[cell_goes_on[1:], False], np.r_[taken[1:], np.nan], year[opens] + 1)
        end = last[slot]
        seen_before = np.where(cell_goes_on, np.r_[np.nan, taken[:-1]], np.nan)
        earliest = seen_before[slot]
    fte = np.where(np.isnan(rows.fte), 1.0, rows.fte)
    alone = np.zeros(year.size, dtype=bool)
    return Seats(
        rows.at,
        rows.post,
        rows.leader,
        rows.year,
        begin,
        end,
        earliest,
        nan,
        fte,
        rows.fte,
        rows.interim,
        alone,
    )


def _presence(seats: Seats, slot: IntArray) -> tuple[BoolArray, BoolArray]:
    """Tell whether the leader of each seat is in the same post in the slot before, and after.

    These are other snapshots of the year, or the last one of the year before and the first one
    of the year after; seats come slot by slot, and in each by leader.
    """
    opens = np.flatnonzero(~same_as_before(slot))
    follows = same_as_before(seats.post[opens])
    follows &= np.r_[False, np.diff(seats.year[opens]) <= 1][: opens.size]
    width = int(seats.leader.max()) - NOBODY + 1
    key = slot * width + (seats.leader - NOBODY)

    def has(wanted: IntArray) -> BoolArray:
        place = np.minimum(np.searchsorted(key, wanted), key.size - 1)
        return np.asarray(key[place] == wanted)

    before, after = follows[slot], np.r_[follows[1:], False][slot]
    return before & has(key - width), after & has(key + width)


def _largest(seats: Seats, slot: IntArray) -> BoolArray:
    """Mark in each slot the seat with the largest share, who was there before if they are equal."""
    before, _ = _presence(seats, slot)
    order = np.lexsort([seats.leader, ~before, -seats.fte, slot])
    mark = np.zeros(slot.size, dtype=bool)
    mark[order[~same_as_before(slot[order])]] = True
    return mark


def _divided(seats: Seats, slot: IntArray, several: BoolArray, other: IntArray) -> SeatsFound:
    """Divide slots with several holders: a handover within the slot, or shares side by side.

    It is a handover if nobody in the slot was there both in the one before and in the one after,
    and either one was there before and another one is after, or their shares add up to more than
    one post. All else is a shared post, also if two come or two go together; shares that add up
    to more than one are scaled to one.
    """
    before, after = _presence(seats, slot)
    n = int(slot[-1]) + 1

    def count(mark: BoolArray) -> IntArray:
        return np.bincount(slot, weights=mark, minlength=n).astype(np.int64)

    total = np.bincount(slot, weights=seats.fte, minlength=n)
    stays, goes, comes = before & after, before & ~after, after & ~before
    handover = (count(stays) == 0) & (
        ((count(goes) > 0) & (count(comes) > 0)) | (total > FULL_POST)
    )
    handover &= (count(goes) < 2) & (count(comes) < 2)
    handed = several & handover[slot]
    side = several & ~handover[slot]
    high = side & (total[slot] > FULL_POST)
    begin, end, earliest, latest = _one_after_another(seats, slot, handed, goes, comes)
    fte = np.where(high, seats.fte / np.where(high, total[slot], 1.0), seats.fte)
    fte = np.where(handed, np.minimum(np.maximum(total[slot], seats.fte), 1.0), fte)
    made = replace(
        seats,
        begin=begin,
        end=end,
        begin_earliest=earliest,
        end_latest=latest,
        fte=fte,
        shared=side,
    )
    used = made.end > made.begin + CLOCK
    none = np.zeros(0, dtype=np.int64)
    return SeatsFound(
        made.take(used),
        other,
        seats.at[~used] if not used.all() else none,
        seats.at[handed & used],
        seats.at[side],
        seats.at[high],
    )


def _one_after_another(
    seats: Seats, slot: IntArray, handed: BoolArray, goes: BoolArray, comes: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Divide the time of slots in proportion to shares: who goes first, who comes last."""
    rank = np.where(goes, 0, np.where(comes, 2, 1))
    order = np.lexsort([seats.leader, -seats.fte, rank, slot])
    order = order[handed[order]]
    group = slot[order]
    weight = seats.fte[order]
    total = np.bincount(group, weights=weight, minlength=int(slot[-1]) + 1)
    size = np.bincount(group, minlength=total.size)
    weight = np.where(
        total[group] > 0, weight / np.where(total > 0, total, 1)[group], 1 / size[group]
    )
    first = ~same_as_before(group)
    upto = np.cumsum(weight)
    base = (upto - weight)[np.maximum.accumulate(np.where(first, np.arange(group.size), 0))]
    until = np.minimum(upto - base, 1.0)
    until[np.r_[first[1:], True][: group.size]] = 1.0
    since = np.where(first, 0.0, np.r_[0.0, until[:-1]][: group.size])
    begin, end = seats.begin.copy(), seats.end.copy()
    earliest, latest = seats.begin_earliest.copy(), seats.end_latest.copy()
    width = seats.end[order] - seats.begin[order]
    begin[order] = seats.begin[order] + since * width
    end[order] = seats.begin[order] + until * width
    earliest[order] = np.where(first, seats.begin_earliest[order], seats.begin[order])
    latest[order] = np.where(np.r_[first[1:], True][: group.size], np.nan, seats.end[order])
    return begin, end, earliest, latest
