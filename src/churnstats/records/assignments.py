"""Dated assignments and contracts to spells: rows of one leader that touch are one spell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.records import rules as spell_rules
from churnstats.records.cells import moment
from churnstats.records.ingest import Conformed, row_fault
from churnstats.records.interim import InterimRules, by_share, said_by_titles
from churnstats.records.seats import same_as_before
from churnstats.records.source_rows import SourceRows, source_rows, years_touched

Ends: TypeAlias = Literal["exit", "contract"]
DAYS_A_YEAR = 365.0
SHOWN = spell_rules.SPELL_COLUMNS


@dataclass(frozen=True)
class AssignmentRules:
    """How dated rows become spells.

    Parameters
    ----------
    max_gap_days : float
        Breaks up to which two rows of one leader in one post are one spell.
    ends : {"exit", "contract"}
        What the end of a leader's last row is. The end of a contract is no exit: the spell ends
        when somebody else begins by then, and is right-censored at the contract's end, or at the
        end of observation, if nobody does. If somebody begins later, ``stop_latest`` says when.
    interim : InterimRules
    """

    max_gap_days: float = 1.0
    ends: Ends = "exit"
    interim: InterimRules = field(default_factory=InterimRules)

    def __post_init__(self) -> None:
        if not self.max_gap_days >= 0:
            raise SpecError("max_gap_days", f"{self.max_gap_days} days is no gap")
        if self.ends not in get_args(Ends):
            raise SpecError("ends", f"'{self.ends}' is no rule", how="'exit' or 'contract'")


@dataclass(frozen=True)
class Prepared:
    """Rows with a stop and an entry, their faults so far, and what was cut."""

    frame: pd.DataFrame
    faults: list[Fault]
    issues: IssueLog


@dataclass(frozen=True)
class Joined:
    """Spells, their faults, what was found, and how many rows they are made of."""

    frame: pd.DataFrame
    faults: list[Fault]
    issues: IssueLog
    ledger: RowLedger
    made_of: SourceRows


def prepare(
    made: Conformed,
    observed_until: float | str | None,
    calendar: SchoolCalendar,
    rules: AssignmentRules,
) -> Prepared:
    """Fill missing ends; contracts that run on after the end of observation are cut there."""
    issues = IssueLog()
    if rules.ends == "contract" and {"start", "stop"} <= set(made.frame.columns):
        until, _ = moment(observed_until, calendar, "tenures")
        late = (made.frame["stop"].to_numpy(dtype=float) > until + CLOCK) & (
            made.frame["start"].to_numpy(dtype=float) < until - CLOCK
        )
        for fault in row_fault(
            "contract_after_observation",
            "tenures",
            "contracts run on after observed_until",
            "nothing",
            made.source,
            late,
            (*SHOWN, "stop"),
        ):
            issues = issues.add(fault, "right-censored at observed_until")
        frame = made.frame.copy()
        frame["stop"] = frame["stop"].mask(late, until)
        frame["right_censored"] = frame["right_censored"].astype("boolean") | late
        made = Conformed(frame, made.source, made.faults, made.unreadable)
    frame, faults = spell_rules.complete_spells(made, observed_until, calendar, "tenures")
    return Prepared(frame, faults, issues)


def join(frame: pd.DataFrame, source: pd.DataFrame, rules: AssignmentRules) -> Joined:
    """Join rows of one leader in one post that touch or overlap.

    Parameters
    ----------
    frame : DataFrame
        Rows with ``start, stop, entry`` and both flags; its index numbers the rows of the source.
    source : DataFrame
        The cells as they came.
    rules : AssignmentRules
    """
    n_rows, keys = len(frame), ["unit_id", "role", "leader_id", "start", "stop"]
    frame = frame.dropna(subset=keys).sort_values(keys, kind="stable")
    faults = spell_rules.row_faults(
        frame.assign(fte=frame["fte"].fillna(1.0)), source, (*spell_rules.SPELL_COLUMNS, "fte")
    )
    if faults or len(frame) < n_rows:
        made_of = _made_of(frame, np.arange(len(frame)), frame)
        return Joined(frame, faults, IssueLog(), RowLedger(), made_of)
    contract = rules.ends == "contract"
    person = _terms(frame) if contract else _codes(frame, ["unit_id", "role", "leader_id"])
    start, stop = (frame[c].to_numpy(dtype=float) for c in ("start", "stop"))
    reach = _running_max(stop, person)
    gap = np.r_[np.inf, start[1:] - reach[:-1]][: len(frame)]
    opens = ~same_as_before(person) | (gap > rules.max_gap_days / DAYS_A_YEAR + CLOCK)
    at = np.flatnonzero(opens)
    known = np.where(opens, start, np.r_[np.nan, reach[:-1]][: len(frame)])
    spells = _spells(frame, at, reach, reach - np.maximum(start, known), rules)
    issues = IssueLog()
    for fault in row_fault(
        "joined_rows",
        "tenures",
        "rows go on where another row of the same leader ends",
        "nothing, if they are one spell",
        source.loc[frame.index],
        ~opens,
        SHOWN,
    ):
        issues = issues.add(fault, "joined to one spell")
    spells = spell_rules.sort_spells(spells)
    if contract:
        spells, found = _contract_ends(spells, source)
        issues = issues + found
    faults = spell_rules.spell_faults(spells, source)
    n = len(spells)
    ledger = RowLedger().step("assignments in spells", "assignments", len(frame), len(frame))
    made_of = _made_of(frame, np.cumsum(opens) - 1, spells)
    return Joined(spells, faults, issues, ledger.step("spells", "spells", n, n), made_of)


def _made_of(rows: pd.DataFrame, number: IntArray, spells: pd.DataFrame) -> SourceRows:
    """Return which rows spells are made of, by the number of each row's spell among the rows.

    Of the rows of a spell the one that ends last comes last.
    """
    place = spells.index.get_indexer(rows.index[~same_as_before(number)])[number]
    order = np.lexsort([rows["stop"].to_numpy(dtype=float), place])
    rows, place = rows.iloc[order], place[order]
    until = np.minimum(rows["stop"].to_numpy(), spells["stop"].to_numpy()[place])
    years = years_touched(rows["entry"].to_numpy(dtype=float), until)
    n_rows = np.bincount(place, minlength=len(spells))
    return source_rows(spells["spell_id"], n_rows, rows.index, years, rows["title"], "")


def _codes(frame: pd.DataFrame, columns: list[str]) -> IntArray:
    number = frame.groupby(columns, sort=False, dropna=False).ngroup()
    return np.asarray(number.to_numpy(dtype=np.int64))


def _terms(frame: pd.DataFrame) -> IntArray:
    """Number stretches of rows of one leader between whose starts nobody else begins."""
    post, leader = _codes(frame, ["unit_id", "role"]), _codes(frame, ["leader_id"])
    order = np.lexsort([frame["start"].to_numpy(dtype=float), post])
    same = same_as_before(post[order]) & same_as_before(leader[order])
    number = np.empty(len(frame), dtype=np.int64)
    number[order] = np.cumsum(~same)
    return number


def _running_max(values: FloatArray, group: IntArray) -> FloatArray:
    """Return the largest value so far within each group of consecutive rows."""
    return np.asarray(pd.Series(values).groupby(group, sort=False).cummax(), dtype=float)


def _spells(
    frame: pd.DataFrame, at: IntArray, reach: FloatArray, added: FloatArray, rules: AssignmentRules
) -> pd.DataFrame:
    """Return one row a spell: its first row, with the end and the flags of what ends last.

    Its share is the mean over the time that its rows cover, to which each has ``added`` some:
    shares of rows at the same time add up, to one at most.
    """
    last = np.r_[at[1:] - 1, len(frame) - 1]
    ends_last = frame["stop"].to_numpy(dtype=float) >= reach - CLOCK
    final = np.maximum.accumulate(np.where(ends_last, np.arange(len(frame)), 0))[last]
    spells = frame.iloc[at].copy()
    spells["stop"] = reach[last]
    for column in (
        "right_censored",
        "stop_watched",
        "exit_reason",
        "announced",
        "title",
        "interim",
        "interim_basis",
        "stop_latest",
    ):
        spells[column] = frame[column].iloc[final].to_numpy()
    time = (frame["stop"] - frame["start"]).to_numpy(dtype=float)
    fte = frame["fte"].fillna(1.0).to_numpy(dtype=float)
    share = np.add.reduceat(fte * time, at) / np.add.reduceat(added, at)
    spells["fte"] = np.minimum(share, 1.0)
    if rules.interim.by_title:
        _by_titles(spells, frame, at)
    spells["n_assignments"] = np.diff(np.r_[at, len(frame)])
    return spells


def _by_titles(spells: pd.DataFrame, frame: pd.DataFrame, at: IntArray) -> None:
    """Say of spells of which the source does not whether all their titles say interim."""
    said = said_by_titles(frame["title"])
    told = np.add.reduceat((~np.isnan(said)).astype(float), at)
    share = np.add.reduceat(np.nan_to_num(said), at)
    interim, basis, _ = by_share(np.where(told > 0, share / np.where(told > 0, told, 1.0), np.nan))
    given = spells["interim"].notna().to_numpy()
    spells["interim"] = spells["interim"].where(given, pd.Series(interim, spells.index))
    basis.index = spells.index
    spells["interim_basis"] = spells["interim_basis"].where(given, basis)


def _contract_ends(spells: pd.DataFrame, source: pd.DataFrame) -> tuple[pd.DataFrame, IssueLog]:
    """End each spell when the next leader begins; one that lapsed before is right-censored."""
    post = _codes(spells, ["unit_id", "role"])
    start, stop = (spells[c].to_numpy(dtype=float) for c in ("start", "stop"))
    followed = np.r_[same_as_before(post)[1:], False][: len(spells)]
    following = np.where(followed, np.r_[start[1:], np.nan][: len(spells)], np.nan)
    cut = followed & (following < stop - CLOCK) & (following > start + CLOCK)
    made = spells.copy()
    made["stop"] = np.where(cut, following, stop)
    made["stop_latest"] = np.where(following > stop + CLOCK, following, np.nan)
    lapsed = ~cut & ~spells["right_censored"].to_numpy(dtype=bool) & ~(following <= stop + CLOCK)
    made["right_censored"] = spells["right_censored"].to_numpy(dtype=bool) & ~cut | lapsed
    made["stop_watched"] = spells["stop_watched"].to_numpy(dtype=bool) & ~lapsed
    issues = IssueLog()
    findings: tuple[tuple[str, str, BoolArray, str], ...] = (
        ("contract_cut", "contracts run on when the next leader begins", cut, "ended there"),
        (
            "contract_open",
            "contracts end, and nobody follows at once",
            lapsed,
            "right-censored there",
        ),
    )
    for rule, message, mark, action in findings:
        shown = source.loc[spells.index]
        for fault in row_fault(rule, "tenures", message, "nothing, if so", shown, mark, SHOWN):
            issues = issues.add(fault, action)
    return made, issues
