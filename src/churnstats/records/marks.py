"""Marked rows: several rules over one table, said shortly and turned into faults or issues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog
from churnstats.core.types import BoolArray
from churnstats.records.ingest import Partner, row_fault
from churnstats.records.rules import first_like, repeats


@dataclass(frozen=True)
class Mark:
    """The rows that one rule marks in a table.

    Parameters
    ----------
    rule : str
    bad : array of bool
    message : str
        What is wrong or odd about them.
    then : str
        How to mend a fault, or what was done about an issue.
    partner : callable, optional
        Gives the position of the row that a marked one conflicts with.
    """

    rule: str
    bad: BoolArray
    message: str
    then: str
    partner: Partner | None = None


def faults_of(
    table: str, source: pd.DataFrame, columns: tuple[str, ...], marks: Iterable[Mark]
) -> list[Fault]:
    """Return one fault for each mark that has rows; ``columns`` of the source are shown."""
    return [
        fault
        for m in marks
        for fault in row_fault(
            m.rule, table, m.message, m.then, source, np.asarray(m.bad), columns, m.partner
        )
    ]


def issues_of(
    table: str, source: pd.DataFrame, columns: tuple[str, ...], marks: Iterable[Mark]
) -> IssueLog:
    """Return one issue, with what was done, for each mark that has rows."""
    return IssueLog(
        tuple(
            (fault, m.then)
            for m in marks
            for fault in row_fault(
                m.rule, table, m.message, "look at these rows", source, np.asarray(m.bad), columns
            )
        )
    )


def back_in_order(bad: pd.Series, index: pd.Index) -> BoolArray:
    """Return marks of rows that were sorted or left out in the order of the source."""
    return np.asarray(bad.reindex(index, fill_value=False).to_numpy(dtype=bool))


def spell_marks(frame: pd.DataFrame, noun: str, key: str) -> list[Mark]:
    """Return the rules that every table of spells keeps: dates in order, an id for each."""
    start, stop, entry = (frame[c].to_numpy(dtype=float) for c in ("start", "stop", "entry"))
    reversed_ = stop <= start + CLOCK
    return [
        Mark(
            "reversed_dates",
            reversed_,
            f"{noun} stop at or before their start",
            "swap or correct the dates; stop is the first day on which it no longer ran",
        ),
        Mark(
            "entry_outside_spell",
            ~reversed_ & ((entry < start - CLOCK) | (entry >= stop - CLOCK)),
            "entry lies before start, or not before stop",
            f"correct it; entry is the time from which one of the {noun} was observed",
        ),
        Mark(
            "duplicate_id",
            repeats(frame, [key]),
            f"{key} is not unique",
            f"give each row of {noun} an id of its own",
            first_like(frame, [key]),
        ),
    ]


def earlier_stop(frame: pd.DataFrame, key: list[str]) -> pd.Series:
    """Return, for each row, the latest stop of earlier ones with its key; sorted by start."""
    groups = [frame[c] for c in key]
    latest = frame["stop"].groupby(groups, sort=False).cummax()
    return latest.groupby(groups, sort=False).shift()
