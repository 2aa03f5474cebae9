"""Outcome records: estimates by unit, school year and measure, with their errors and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records.ingest import conform, row_fault, source_name
from churnstats.records.rules import first_like, repeats
from churnstats.schemas.contract import load_contract

KEY = ["unit_id", "school_year_end", "measure"]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Validated outcomes in long form.

    Attributes
    ----------
    frame : DataFrame
        ``unit_id, school_year_end, measure, estimate, std_error, n_obs``, one row a key.
    ledger : RowLedger
    issues : IssueLog
        What was read otherwise than it stands, or set aside.
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
        measure: str | None = None,
        calendar: SchoolCalendar | None = None,
    ) -> Outcomes:
        """Read outcomes.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/outcomes.md.
        columns : mapping or path, optional
            How the data differ from the contract; see data_dictionary/README.md.
        measure : str, optional
            Name of the measure where the data have no such column.
        calendar : SchoolCalendar, optional

        Raises
        ------
        DataError
            One error with every fault.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> scores = pd.DataFrame({"unit_id": ["1"], "school_year_end": [2019], "mn": [0.2]})
        >>> cs.Outcomes.from_frame(scores, columns={"estimate": "mn"}, measure="math").measures
        ('math',)
        """
        constants = {} if measure is None else {"measure": measure}
        made = conform(
            data, load_contract("outcomes"), columns, calendar or SchoolCalendar(), constants
        )
        frame, faults = made.frame, list(made.faults)
        if set(KEY) <= set(frame.columns):
            faults += row_fault(
                "duplicate_key",
                "outcomes",
                "unit, year and measure repeat",
                "keep one row of each",
                made.source,
                repeats(frame, KEY),
                (*KEY, "estimate"),
                first_like(frame, KEY),
            )
        raise_faults(faults, source_name(data))
        ledger = RowLedger().step("valid outcomes", "outcome rows", len(frame), len(frame))
        return cls(frame.sort_values(KEY, ignore_index=True, kind="stable"), ledger, made.issues)

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(sorted(self.frame["measure"].unique()))

    def summary(self) -> str:
        """Return counts as text."""
        f = self.frame
        years = f"{f['school_year_end'].min()} to {f['school_year_end'].max()}"
        return (
            f"{len(f):,} outcome rows, {f['unit_id'].nunique():,} units, {years}, "
            f"measures: {', '.join(self.measures)}, "
            f"{int(f['estimate'].isna().sum()):,} without an estimate"
        )

    def __repr__(self) -> str:
        return f"<Outcomes: {self.summary()}>"
