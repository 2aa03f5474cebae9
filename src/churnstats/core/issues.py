"""What was found in records and mended or left alone, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from churnstats.core.errors import DataError, Fault


@dataclass(frozen=True)
class IssueLog:
    """Findings that do not stop the work, each counted with its action.

    Parameters
    ----------
    entries : tuple of (Fault, str)
        The finding and what was done about it (``"kept"``, ``"merged"``, ``"flagged"``, ...).
    """

    entries: tuple[tuple[Fault, str], ...] = ()

    def add(self, fault: Fault, action: str) -> IssueLog:
        """Return a log with one finding more; a finding of no rows adds nothing."""
        return IssueLog((*self.entries, (fault, action))) if fault.n_rows else self

    def frame(self) -> pd.DataFrame:
        """Return one row a finding: rule, table, n_rows, action, message."""
        return pd.DataFrame(
            [(f.rule, f.table, f.n_rows, action, f.message) for f, action in self.entries],
            columns=["rule", "table", "n_rows", "action", "message"],
        )

    def rows(self) -> pd.DataFrame:
        """Return one row a finding and row: rule, table, row, action.

        Rows are numbered as in the source: the lines of a text file, others from 1. Findings of
        the table "spells" are about rows of the spells that were made, from 1.
        """
        parts = [
            pd.DataFrame({"rule": f.rule, "table": f.table, "row": f.numbers, "action": action})
            for f, action in self.entries
        ]
        columns = ["rule", "table", "row", "action"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def __add__(self, other: IssueLog) -> IssueLog:
        """Return the findings of both."""
        return IssueLog((*self.entries, *other.entries))

    def __str__(self) -> str:
        if not self.entries:
            return "no issues"
        return "\n".join(
            f"{f.table}: {f.message} ({f.n_rows:,}): {action}" for f, action in self.entries
        )

    def __repr__(self) -> str:
        n = sum(fault.n_rows for fault, _ in self.entries)
        return f"<IssueLog: {len(self.entries)} findings, {n:,} rows>"

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False)

    def count(self, rule: str) -> int:
        """Return the number of rows that a rule marked."""
        return sum(fault.n_rows for fault, _ in self.entries if fault.rule == rule)


def raise_faults(faults: Iterable[Fault], source: str = "") -> None:
    """Raise one `DataError` with all faults, if there are any, and the file that they are in."""
    found = tuple(replace(f, source=f.source or source) for f in faults)
    if found:
        raise DataError(found)
