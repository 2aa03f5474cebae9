"""Yearly rosters to spells: every finding listed, mended by a named rule or left to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, IntArray
from churnstats.numerics.groups import count_up
from churnstats.records.ingest import Partner, row_fault
from churnstats.records.interim import InterimRules, by_share
from churnstats.records.runs import (
    Runs,
    Years,
    in_order_of_leaders,
    returns,
    runs_of,
    seats_within,
    seen_years,
    within_one_post,
    without_interruptions,
)
from churnstats.records.seats import (
    NO_PARTS,
    NOBODY,
    Parts,
    RosterRows,
    Seats,
    SeatsFound,
    add_parts,
    roster_rows,
    same_as_before,
    seats_of,
)
from churnstats.records.source_rows import SourceRows, source_rows

CELL = ("unit_id", "role", "school_year_end")
SHOWN = (*CELL, "snapshot", "leader_id", "fte")
Snapshots: TypeAlias = Literal["last", "first", "dated"]
CoLeaders: TypeAlias = Literal["fault", "by_fte", "largest"]
Returns: TypeAlias = Literal["two", "one", "ask"]
MIN_POSTS = 2


@dataclass(frozen=True)
class RosterRules:
    """How a roster is read where it can be read in several ways.

    Parameters
    ----------
    max_gap_years : int
        Missing years up to which the same holder on both sides is taken to have stayed. Gaps
        between two holders stay open, so bridging keeps stayers and not changers: it makes
        tenures look longer.
    snapshots : {"last", "first", "dated"}
        Which of several snapshots of one school year counts; or, with ``"dated"``, all of them:
        a handover between two is dated at the later one.
    co_leaders : {"fault", "by_fte", "largest"}
        What several holders of one post in one year are: a fault; a handover within the year or
        a shared post, by their shares and by who was there a year (or snapshot) before and after;
        or a post of whoever has the largest share. Unless it is a fault, several rows of one
        holder are parts of one share.
    returns : {"two", "one", "ask"}
        What a leader is who comes back after another one: two spells, one spell (the rows in
        between are set aside), or a fault that a person must decide about.
    max_away_years : float
        Absence up to which a return counts as one.
    interim : InterimRules
    """

    max_gap_years: int = 0
    snapshots: Snapshots = "last"
    co_leaders: CoLeaders = "fault"
    returns: Returns = "two"
    max_away_years: float = 1.0
    interim: InterimRules = field(default_factory=InterimRules)

    def __post_init__(self) -> None:
        if self.max_gap_years < 0:
            raise SpecError("max_gap_years", f"{self.max_gap_years} years is no gap")
        if not self.max_away_years > 0:
            raise SpecError("max_away_years", f"{self.max_away_years} years is no absence")
        for name, known in (
            ("snapshots", Snapshots),
            ("co_leaders", CoLeaders),
            ("returns", Returns),
        ):
            value, words = getattr(self, name), get_args(known)
            if value not in words:
                how = " or ".join(repr(word) for word in words)
                raise SpecError(name, f"'{value}' is no rule for {name}", how=how)


def roster_faults(
    rows: RosterRows, frame: pd.DataFrame, source: pd.DataFrame, rules: RosterRules
) -> list[Fault]:
    """Return rows that repeat others or contradict them; they are shown as they came."""
    if frame["leader_id"].isna().all():
        how = "fill the column 'leader_id', or say what it is called"
        return [Fault("no_holder", "roster", "no row names a holder", how, 0)]
    faults: list[Fault] = []

    def add(rule: str, message: str, how: str, at: IntArray, first: IntArray | None = None) -> None:
        marked, partner = np.zeros(len(source), dtype=bool), None
        marked[at] = True
        if first is not None:
            partner = _partner(at, first)
        faults.extend(row_fault(rule, "roster", message, how, source, marked, SHOWN, partner))

    opens = rows.opens_slot
    slot = np.cumsum(opens) - 1
    same = ~opens & same_as_before(rows.leader)
    first_like = _first_of(rows.at, ~same)
    add(
        "duplicate_row",
        "rows repeat another row",
        "keep one of each",
        rows.at[same],
        first_like[same],
    )
    named = ~same & (rows.leader != NOBODY)
    earliest = np.full(int(slot.max(initial=-1)) + 1, len(source), dtype=np.int64)
    np.minimum.at(earliest, slot[named], rows.at[named])
    if rules.co_leaders == "fault":
        two = named & (rows.at != earliest[slot])
        how = "keep the holder of the year, name snapshots in a column 'snapshot', or say what "
        how += "several holders are: RosterRules(co_leaders='by_fte')"
        message = "a post has another holder in the same year"
        add("two_holders", message, how, rows.at[two], earliest[slot[two]])
    held = np.zeros(earliest.size, dtype=bool)
    held[slot[named]] = True
    both = rows.vacant & held[slot]
    how = "say that the post was vacant, or name its holder"
    add("vacant_with_holder", "a post is vacant and has a holder", how, rows.at[both])
    return faults + _snapshot_faults(rows, source)


def _snapshot_faults(rows: RosterRows, source: pd.DataFrame) -> list[Fault]:
    """Return snapshots that lie in another school year, or are missing beside others."""
    faults: list[Fault] = []
    if np.isnan(rows.snapshot).all():
        return faults
    cell = np.cumsum(~(same_as_before(rows.post) & same_as_before(rows.year))) - 1
    missing = np.isnan(rows.snapshot)
    told = np.bincount(cell, weights=~missing) > 0
    outside = ~missing & (np.floor(rows.snapshot + CLOCK) != rows.year)
    for rule, message, how, bad in (
        (
            "no_snapshot",
            "rows have no snapshot, and others of the same post and year have one",
            "fill 'snapshot'",
            missing & told[cell],
        ),
        (
            "snapshot_in_other_year",
            "rows have a snapshot that was not taken in their school year",
            "correct 'snapshot' or 'school_year_end' (its spring)",
            outside,
        ),
    ):
        marked = np.zeros(len(source), dtype=bool)
        marked[rows.at[bad]] = True
        faults += row_fault(rule, "roster", message, how, source, marked, SHOWN)
    return faults


def read_rows(frame: pd.DataFrame, rules: RosterRules) -> tuple[RosterRows, Parts]:
    """Return the rows of a conformed roster, and those that were added to others."""
    rows = roster_rows(frame)
    if rules.co_leaders == "fault":
        return rows, NO_PARTS
    return add_parts(rows)


def _first_of(at: IntArray, opens: BoolArray) -> IntArray:
    """Return for each row the position of the first row of its run."""
    return at[np.maximum.accumulate(np.where(opens, np.arange(at.size), 0))]


def _partner(at: IntArray, first: IntArray) -> Partner:
    order = np.argsort(at)
    known, other = at[order], first[order]
    return lambda i: int(other[np.searchsorted(known, i)])


@dataclass(frozen=True)
class RosterSpells:
    """Spells of a roster, with what was found and how the rows were used."""

    frame: pd.DataFrame
    issues: IssueLog
    ledger: RowLedger
    made_of: SourceRows


def roster_to_spells(
    rows: RosterRows,
    parts: Parts,
    frame: pd.DataFrame,
    source: pd.DataFrame,
    rules: RosterRules,
) -> RosterSpells:
    """Join the rows of a roster without faults into spells.

    Parameters
    ----------
    rows : RosterRows
    parts : Parts
        Rows that were added to others before.
    frame, source : DataFrame
        The conformed roster, and its cells as they came.
    rules : RosterRules
    """
    log = _Findings(source)
    log.add("share_in_parts", "another row has the same holder with another part of the post",
            "nothing, if they are parts", parts.at, "shares added")  # fmt: skip
    known = (rows.leader != NOBODY) | rows.vacant
    log.add("no_holder", "no holder is named", "name the holder if there was one",
            rows.at[~known], "taken as not observed")  # fmt: skip
    rows = rows if known.all() else rows.take(known)
    found = seats_of(rows, rules.snapshots, rules.co_leaders)
    vacant = found.seats.at[found.seats.leader == NOBODY]
    log.add("vacant_post", "the post was vacant", "nothing, if it was", vacant, "kept as vacancy")
    _log_seats(log, found, rules)
    years, held = seen_years(found.seats), in_order_of_leaders(found.seats)
    stretches, bridged = runs_of(held, years, rules.max_gap_years)
    _log_gaps(log, found, rows, years, bridged)
    runs, place, set_aside = _with_returns(log, stretches, found.seats, rules)
    runs, scaled = within_one_post(runs)
    log.add("mean_shares_above_one", "mean shares of spells of a post add up to more than one",
            "correct 'fte'", runs.at[scaled], "scaled to one; fte_reported keeps them")  # fmt: skip
    ledger = RowLedger().step(
        "rows with a holder",
        "roster rows",
        len(frame),
        int(runs.n_rows.sum()),
        {
            "added to another row of the holder": parts.at.size,
            "without a holder": int((~known).sum()),
            "vacant": len(vacant),
            "of another snapshot of the year": found.other_snapshot.size,
            "with a smaller share of the post": found.smaller_share.size,
            "between two spells of a leader who returned": set_aside.size,
        },
    )
    ledger = ledger.step("spells", "spells", runs.post.size, runs.post.size)
    spells = _spell_frame(runs, frame)
    if rules.interim.by_title:
        spells["interim"], spells["interim_basis"], mixed = by_share(runs.interim)
        log.add("interim_in_part", "a leader's title says interim in some years and not in others",
                "nothing, or give dated assignments", runs.at[mixed], "not interim")  # fmt: skip
    made_of = _made_of(spells, stretches, place, held, parts, frame)
    return RosterSpells(spells, log.issues, ledger, made_of)


def _made_of(
    spells: pd.DataFrame,
    stretches: Runs,
    place: IntArray,
    held: Seats,
    parts: Parts,
    frame: pd.DataFrame,
) -> SourceRows:
    """Return which rows spells are made of, by the place of the spell that each stretch is in."""
    order = np.argsort(place, kind="stable")
    order = order[place[order] >= 0]
    seat, n_rows = stretches.seat[order], stretches.n_rows[order]
    follow = np.array_equal(seat, np.cumsum(n_rows) - n_rows)
    at = held.at[: n_rows.sum()] if follow else held.at[count_up(seat, n_rows)[1]]
    n_rows = spells["n_roster_rows"].to_numpy()
    if parts.at.size:
        at, n_rows = _with_parts(at, n_rows, parts)
    year = frame["school_year_end"].to_numpy(dtype=np.int64)[at]
    rows, title = frame.index.take(at), frame["title"].take(at)
    return source_rows(spells["spell_id"], n_rows, rows, (year, year), title, "")


def _with_parts(at: IntArray, n_rows: IntArray, parts: Parts) -> tuple[IntArray, IntArray]:
    """Return the rows of spells with those that were added to them, and how many each has."""
    spell = np.repeat(np.arange(n_rows.size), n_rows)
    of = np.full(max(at.max(), parts.to.max()) + 1, -1)
    of[at] = spell
    added = of[parts.to]
    both = np.r_[added[added >= 0], spell]
    rows = np.r_[parts.at[added >= 0], at]
    return rows[np.argsort(both, kind="stable")], np.bincount(both)


class _Findings:
    """Collects findings about rows by their positions."""

    def __init__(self, source: pd.DataFrame) -> None:
        self.source = source
        self.issues = IssueLog()

    def add(self, rule: str, message: str, how: str, at: IntArray, action: str) -> None:
        if not at.size:
            return
        marked = np.zeros(len(self.source), dtype=bool)
        marked[at] = True
        for fault in row_fault(rule, "roster", message, how, self.source, marked, SHOWN):
            self.issues = self.issues.add(fault, action)


def _log_seats(log: _Findings, found: SeatsFound, rules: RosterRules) -> None:
    """List what was judged about posts with several snapshots or holders in one year."""
    log.add("several_snapshots", "the school year has another snapshot", "nothing, or choose",
            found.other_snapshot, f"set aside: the {rules.snapshots} one counts")  # fmt: skip
    log.add("smaller_share", "another holder has a larger share, or an equal one and came first",
            "nothing, or choose",
            found.smaller_share, "set aside")  # fmt: skip
    log.add("handover_in_year", "several holders of one year, one after another",
            "give dated assignments, if the day matters", found.handed_over,
            "dated by their shares, bounds kept")  # fmt: skip
    log.add("shared_post", "several holders of one year, at the same time",
            "nothing, if they shared the post", found.shared, "kept side by side")  # fmt: skip
    log.add("shares_above_one", "shares of one post add up to more than one",
            "correct 'fte'", found.above_one, "scaled to one; fte_reported keeps them")  # fmt: skip


def _log_gaps(
    log: _Findings, found: SeatsFound, rows: RosterRows, years: Years, bridged: BoolArray
) -> None:
    """List years that are missing: for all units of a group, and for single ones."""
    gap = same_as_before(years.post) & np.r_[False, np.diff(years.year) > 1][: years.post.size]
    seats = found.seats
    position = years.place(seats.post, seats.year)
    first = np.full(years.post.size, -1, dtype=np.int64)
    first[position[::-1]] = seats.at[::-1]
    group_of = np.zeros(int(rows.post.max(initial=0)) + 1, dtype=np.int64)
    group_of[rows.post] = rows.group
    all_missing = gap & _missing_for_group(years, gap, group_of[years.post])
    how = "add the missing years"
    log.add("gap_bridged", "the same holder is found again after missing years", how,
            first[gap & bridged], "bridged")  # fmt: skip
    action = "spell before right-censored, spell after left-censored"
    log.add("missing_snapshot", "no unit of the group has a row in the years before", how,
            first[all_missing & ~bridged], action)  # fmt: skip
    log.add("gap", "years are missing before this row", how,
            first[gap & ~bridged & ~all_missing], action)  # fmt: skip


def _missing_for_group(years: Years, gap: BoolArray, group: IntArray) -> BoolArray:
    """Mark gaps of which all years are missing for a whole group of several posts."""
    width = years.width
    present = np.unique(group * width + (years.year - years.first))
    end = np.flatnonzero(gap)
    since = group[end] * width + (years.year[end - 1] - years.first)
    until = group[end] * width + (years.year[end] - years.first)
    between = np.searchsorted(present, until) - np.searchsorted(present, since) == 1
    pairs, place, count = np.unique(
        np.c_[since, until][between], axis=0, return_inverse=True, return_counts=True
    )
    mark = np.zeros(gap.size, dtype=bool)
    mark[end[between]] = count[place.ravel()] >= MIN_POSTS if pairs.size else False
    return mark


def _with_returns(
    log: _Findings, runs: Runs, seats: Seats, rules: RosterRules
) -> tuple[Runs, IntArray, IntArray]:
    """Find leaders who came back; join their spells if they are to be one.

    The second part is the new place of each spell, -1 for those that are set aside then; the
    third are the positions of their rows.
    """
    between = returns(runs, rules.max_away_years)
    place = np.arange(runs.post.size)
    if not between.size:
        return runs, place, between
    what = "a leader is in post again after another one"
    how = "is that so? RosterRules(returns='two') keeps two spells, 'one' joins them"
    joins = rules.returns == "one"
    action = "joined; the spell in between is set aside" if joins else "kept as two spells"
    log.add("returning_leader", what, how, runs.at[between + 1], action)
    if not joins:
        return runs, place, between[:0]
    rows = seats.at[seats_within(runs.take(between), seats)]
    log.add("interruption", "rows lie between two spells of another leader that are one",
            "nothing, if a return is one spell", rows, "set aside")  # fmt: skip
    return *without_interruptions(runs, between), rows


def _spell_frame(runs: Runs, frame: pd.DataFrame) -> pd.DataFrame:
    """Return spells as a frame."""
    spells = frame[["unit_id", "role", "leader_id"]].take(runs.at).reset_index(drop=True)
    n = len(spells)
    opens = ~same_as_before(runs.post)
    start = np.maximum.accumulate(np.where(opens, np.arange(n), 0))
    number = pd.Series(np.arange(n) - start + 1).astype("str")
    spells.insert(0, "spell_id", spells["unit_id"] + "-" + spells["role"] + "-" + number)
    spells["start"], spells["stop"], spells["entry"] = runs.begin, runs.end, runs.begin
    spells["left_censored"], spells["right_censored"] = runs.left_censored, runs.right_censored
    spells["stop_watched"] = ~runs.right_censored
    nothing = pd.Series([None] * n, dtype="str")
    spells["exit_reason"] = nothing
    spells["interim"] = pd.array([pd.NA] * n, dtype="boolean")
    spells["announced"] = np.nan
    spells["title"] = frame["title"].take(runs.last_at).to_numpy()
    spells = spells.astype({"title": "str"})
    spells["fte"] = runs.fte
    spells["start_earliest"], spells["stop_latest"] = runs.begin_earliest, runs.end_latest
    spells["seat"], spells["seated_by"] = nothing, nothing
    spells["term_start"], spells["term_end"] = np.nan, np.nan
    if not np.isnan(runs.fte_reported).all():
        spells["fte_reported"] = runs.fte_reported
    if frame["group_id"].notna().any():
        spells["group_id"] = frame["group_id"].take(runs.at).to_numpy()
    spells["n_roster_rows"] = runs.n_rows
    return spells
