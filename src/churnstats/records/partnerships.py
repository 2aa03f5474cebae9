"""Partnership records: with whom a unit worked, who championed it, and how long it lasted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, Columns
from churnstats.records import rules
from churnstats.records.ingest import conform, source_name
from churnstats.records.marks import (
    Mark,
    back_in_order,
    earlier_stop,
    faults_of,
    issues_of,
    spell_marks,
)
from churnstats.records.programs import Programs
from churnstats.schemas.contract import load_contract

PARTNERS = ["unit_id", "partner_id", "program_id"]
SHOWN = ("partnership_id", "unit_id", "partner_id", "start", "stop", "entry")
LINK_SHOWN = ("partnership_id", "unit_id", "program_id", "start", "stop")


@dataclass(frozen=True, eq=False)
class Partnerships:
    """Validated partnership spells, half-open on the school-year clock.

    Attributes
    ----------
    frame : DataFrame
        ``partnership_id, unit_id, partner_id, start, stop, entry, right_censored, end_reason,
        champion_id, champion_role, program_id``.
    ledger : RowLedger
    issues : IssueLog
        What was found and kept.
    """

    frame: pd.DataFrame
    ledger: RowLedger
    issues: IssueLog = field(default_factory=IssueLog)

    @classmethod
    def from_frame(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        calendar: SchoolCalendar | None = None,
        observed_until: float | str | None = None,
    ) -> Partnerships:
        """Read partnership spells.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/partnerships.md.
        columns : mapping or path, optional
            How the data differ from the contract; see data_dictionary/README.md.
        calendar : SchoolCalendar, optional
        observed_until : float or str, optional
            Date or school-year time at which observation ends: partnerships without a stop are
            right-censored there, and one that stops later is a fault.

        Raises
        ------
        DataError
            One error with every fault.

        Examples
        --------
        >>> import pandas as pd
        >>> from churnstats.records.partnerships import Partnerships
        >>> rows = pd.DataFrame({"partnership_id": ["w"], "unit_id": ["1"], "partner_id": ["u"],
        ...                      "start": [2010], "stop": [None]})
        >>> Partnerships.from_frame(rows, observed_until=2014.0)
        <Partnerships: 1 partnerships, 1 units, 1 partners, 1 still running, 1 without a champion>
        """
        calendar = calendar or SchoolCalendar()
        made = conform(data, load_contract("partnerships"), columns, calendar)
        frame, faults = rules.complete_spells(made, observed_until, calendar, "partnerships")
        if {"partnership_id", "unit_id", "start"} <= set(frame.columns):
            marks = spell_marks(frame, "partnerships", "partnership_id")
            faults += faults_of("partnerships", made.source, SHOWN, marks)
        raise_faults(faults, source_name(data))
        marks = _issues(frame, made.empty("stop"))
        issues = made.issues + issues_of("partnerships", made.source, SHOWN, marks)
        ledger = RowLedger().step("valid partnerships", "partnerships", len(frame), len(frame))
        order = ["unit_id", "start", "partnership_id"]
        return cls(frame.sort_values(order, ignore_index=True, kind="stable"), ledger, issues)

    def check_programs(self, programs: Programs) -> Partnerships:
        """Check the programs that partnerships support.

        Parameters
        ----------
        programs : Programs

        Returns
        -------
        Partnerships
            The same, with partnerships that do not meet their program in time among its issues.

        Raises
        ------
        DataError
            Programs that are not known, or are another unit's.
        """
        table = programs.frame.set_index("program_id")
        program = self.frame["program_id"]
        known, unit = program.isin(table.index), program.map(table["unit_id"])
        start, stop = (program.map(table[c]) for c in ("start", "stop"))
        faults = faults_of(
            "partnerships",
            self.frame,
            LINK_SHOWN,
            [
                Mark(
                    "unknown_program",
                    (program.notna() & ~known).to_numpy(dtype=bool),
                    "program_id is no program",
                    "correct the id, add the program, or leave the cell empty",
                ),
                Mark(
                    "program_of_another_unit",
                    (known & (unit != self.frame["unit_id"])).to_numpy(dtype=bool),
                    "the program is another unit's",
                    "correct program_id, or give each unit a partnership of its own",
                ),
            ],
        )
        raise_faults(faults)
        apart = (self.frame["start"] >= stop - CLOCK) | (self.frame["stop"] <= start + CLOCK)
        message = "the partnership and its program do not meet in time"
        mark = Mark("program_at_another_time", apart.to_numpy(dtype=bool), message, "kept")
        found = issues_of("partnerships", self.frame, LINK_SHOWN, [mark])
        return replace(self, issues=self.issues + found)

    def summary(self) -> str:
        """Return counts as text."""
        f = self.frame
        return (
            f"{len(f):,} partnerships, {f['unit_id'].nunique():,} units, "
            f"{f['partner_id'].nunique():,} partners, "
            f"{int(f['right_censored'].sum()):,} still running, "
            f"{int(f['champion_id'].isna().sum()):,} without a champion"
        )

    def __repr__(self) -> str:
        return f"<Partnerships: {self.summary()}>"


def _issues(frame: pd.DataFrame, unending: BoolArray) -> list[Mark]:
    """Return what is odd about partnerships and kept."""
    rows = frame.fillna({"program_id": ""}).sort_values([*PARTNERS, "start", "stop"])
    overlap = rows["start"] < earlier_stop(rows, PARTNERS) - CLOCK
    return [
        Mark(
            "no_stop",
            unending,
            "partnerships have no stop",
            "right-censored at observed_until",
        ),
        Mark(
            "overlapping_partnerships",
            back_in_order(overlap, frame.index),
            "a unit has two partnerships with one partner for one purpose at a time",
            "kept",
        ),
        Mark(
            "reason_without_end",
            (frame["end_reason"].notna() & frame["right_censored"]).to_numpy(dtype=bool),
            "partnerships that still went on have an end_reason",
            "kept, and not used",
        ),
    ]
