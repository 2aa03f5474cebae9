"""What the history of units says about spells: new ids, openings, closings, mergers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog
from churnstats.records.ingest import row_fault
from churnstats.records.units.units import Units

SHOWN = ("unit_id", "role", "leader_id", "school_year_end", "start")


def carry_over(
    frame: pd.DataFrame, source: pd.DataFrame, units: Units | None, table: str
) -> tuple[pd.DataFrame, list[Fault], IssueLog]:
    """Give rows the present id of their unit, and find units that are not known."""
    if units is None:
        return frame, [], IssueLog()
    present = units.current_ids(frame["unit_id"])
    unknown = ~present.isin(units.frame["unit_id"]).to_numpy()
    faults = row_fault(
        "unknown_unit",
        table,
        "units are not in the table of units",
        "correct the ids (lost leading zeros?), or add the units",
        source.loc[frame.index],
        unknown,
        SHOWN,
    )
    issues = IssueLog()
    for fault in row_fault(
        "unit_id_changed",
        table,
        "units have another id by now",
        "nothing, if the change is right",
        source.loc[frame.index],
        (present != frame["unit_id"]).to_numpy(dtype=bool) & ~unknown,
        SHOWN,
    ):
        issues = issues.add(fault, "carried over to the new id")
    return frame.assign(unit_id=present), faults, issues


def with_units(frame: pd.DataFrame, units: Units | None) -> tuple[pd.DataFrame, IssueLog]:
    """Use what is known of units: spells that begin or end with theirs, or lie outside its life.

    The start of a spell that begins with its unit is known. Who leads a unit until it closes or
    merges did not leave it: the spell stays right-censored, with the exit reason ``unit_closed``
    unless it has another one.
    """
    if units is None:
        return frame, IssueLog()
    opened = frame["unit_id"].map(units.openings()).to_numpy(dtype=float)
    closed = frame["unit_id"].map(units.closings()).to_numpy(dtype=float)
    start, stop = (frame[c].to_numpy(dtype=float) for c in ("start", "stop"))
    at_opening = frame["left_censored"].to_numpy(dtype=bool) & (np.abs(start - opened) < 1 - CLOCK)
    at_closing = frame["right_censored"].to_numpy(dtype=bool) & (np.abs(stop - closed) < 1 - CLOCK)
    outside = (stop > closed + CLOCK) | (start < opened - CLOCK)
    frame = frame.copy()
    frame.loc[at_opening, "left_censored"] = False
    reason = frame["exit_reason"].astype("str")
    frame["exit_reason"] = reason.mask(at_closing & reason.isna(), "unit_closed")
    issues = IssueLog()
    for rule, message, mark, action in (
        ("unit_opened", "spells begin with their unit", at_opening, "start is known"),
        ("unit_closed", "spells end with their unit", at_closing, "right-censored, and no exit"),
        (
            "outside_unit_life",
            "spells run before their unit opened or after it closed",
            outside,
            "kept",
        ),
    ):
        for fault in row_fault(rule, "spells", message, "nothing, if so", frame, mark, SHOWN):
            issues = issues.add(fault, action)
    return frame, issues
