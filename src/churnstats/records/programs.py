"""Program records: what was adopted, by whom, and how long it lasted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.records import rules
from churnstats.records.ingest import conform, row_fault, source_name
from churnstats.schemas.contract import load_contract

SHOWN = ("program_id", "unit_id", "start", "stop", "entry")


@dataclass(frozen=True, eq=False)
class Programs:
    """Validated program spells, half-open on the school-year clock.

    Attributes
    ----------
    frame : DataFrame
        ``program_id, unit_id, start, stop, entry, right_censored, end_reason, sponsor_id,
        sponsor_role, partner_id``.
    ledger : RowLedger
    """

    frame: pd.DataFrame
    ledger: RowLedger

    @classmethod
    def from_frame(
        cls,
        data: Any,
        *,
        columns: Mapping[str, str] | None = None,
        calendar: SchoolCalendar | None = None,
        observed_until: float | str | None = None,
    ) -> Programs:
        """Read program spells.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/programs.md.
        columns : mapping, optional
            Contract name to name in the data.
        calendar : SchoolCalendar, optional
        observed_until : float or str, optional
            Date or school-year time at which observation ends: programs without a stop are
            right-censored there, and one that stops later is a fault.

        Raises
        ------
        DataError
            One error with every fault.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> rows = pd.DataFrame({"program_id": ["p"], "unit_id": ["1"], "start": [2010],
        ...                      "stop": [2014], "sponsor_id": ["a"]})
        >>> float(cs.Programs.from_frame(rows).frame["stop"].iloc[0])
        2014.0
        """
        calendar = calendar or SchoolCalendar()
        made = conform(data, load_contract("programs"), columns, calendar)
        frame, faults = rules.complete_spells(made, observed_until, calendar, "programs")
        if {"program_id", "unit_id", "start"} <= set(frame.columns):
            faults += _program_faults(frame, made.source)
        raise_faults(faults, source_name(data))
        ledger = RowLedger().step("valid programs", "programs", len(frame), len(frame))
        order = ["unit_id", "start", "program_id"]
        return cls(frame.sort_values(order, ignore_index=True, kind="stable"), ledger)

    def summary(self) -> str:
        """Return counts as text."""
        f = self.frame
        return (
            f"{len(f):,} programs, {f['unit_id'].nunique():,} units, "
            f"{int(f['right_censored'].sum()):,} still running, "
            f"{int((f['entry'] > f['start']).sum()):,} entered late, "
            f"{int(f['sponsor_id'].isna().sum()):,} without a sponsor"
        )

    def __repr__(self) -> str:
        return f"<Programs: {self.summary()}>"


def _program_faults(frame: pd.DataFrame, source: pd.DataFrame) -> list[Fault]:
    start, stop, entry = (frame[c].to_numpy(dtype=float) for c in ("start", "stop", "entry"))
    reversed_ = stop <= start + rules.CLOCK
    faults = row_fault(
        "reversed_dates",
        "programs",
        "programs stop at or before their start",
        "swap or correct the dates; stop is the first day on which it no longer ran",
        source,
        reversed_,
        SHOWN,
    )
    outside = ~reversed_ & ((entry < start - rules.CLOCK) | (entry >= stop - rules.CLOCK))
    faults += row_fault(
        "entry_outside_spell",
        "programs",
        "entry lies before start, or not before stop",
        "correct it; entry is the time from which the program was observed",
        source,
        outside,
        SHOWN,
    )
    repeated = rules.repeats(frame, ["program_id"])
    return faults + row_fault(
        "duplicate_id",
        "programs",
        "program_id is not unique",
        "give each program spell an id of its own",
        source,
        repeated,
        SHOWN,
        rules.first_like(frame, ["program_id"]),
    )
