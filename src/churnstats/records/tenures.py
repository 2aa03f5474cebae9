"""Tenure records: who led which unit in which role, from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.records import rosters, rules
from churnstats.records.ingest import conform, source_name
from churnstats.schemas.contract import load_contract

Gaps = Literal["vacancy", "error"]


@dataclass(frozen=True, eq=False)
class Tenures:
    """Validated spells of leaders, half-open on the school-year clock.

    Made by `from_spells` or `from_roster`.

    Attributes
    ----------
    frame : DataFrame
        One row a spell, sorted by unit, role and start: ``spell_id, unit_id, role, leader_id,
        start, stop, entry, left_censored, right_censored, exit_reason, interim`` and the
        columns that the source had besides. Times are school-year time: 2019.5 is the middle of
        2018-19.
    calendar : SchoolCalendar
    issues : IssueLog
        What was found and kept, such as vacancies between spells.
    ledger : RowLedger
        Rows given to spells.
    """

    frame: pd.DataFrame
    calendar: SchoolCalendar
    issues: IssueLog = field(default_factory=IssueLog)
    ledger: RowLedger = field(default_factory=RowLedger)

    @classmethod
    def from_spells(
        cls,
        data: Any,
        *,
        columns: Mapping[str, str] | None = None,
        role: str | None = None,
        calendar: SchoolCalendar | None = None,
        observed_until: float | str | None = None,
        gaps: Gaps = "vacancy",
    ) -> Tenures:
        """Read spells that have a start and a stop.

        Parameters
        ----------
        data : frame or path
            pandas, polars, pyarrow or DuckDB frame, or a CSV, Parquet, Stata, SPSS or Excel
            file; columns as in data_dictionary/tenures.md.
        columns : mapping, optional
            Contract name to name in the data, for columns with other names.
        role : str, optional
            Role of all rows where the data have no such column.
        calendar : SchoolCalendar, optional
        observed_until : float or str, optional
            Date or school-year time at which observation ends: spells without a stop are
            right-censored there, and one that stops later is a fault.
        gaps : {"vacancy", "error"}
            Time between two spells of a unit and role is a vacancy and logged (not observed where
            the spell before is right-censored or the one after left-censored), or a fault.

        Returns
        -------
        Tenures

        Raises
        ------
        DataError
            One error with every fault: missing columns and values, text in numbers, years
            outside the calendar, reversed spells, duplicates, overlaps.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> spells = pd.DataFrame({"unit_id": ["0100005", "0100005"], "leader_id": ["a", "b"],
        ...                        "start": ["2010-07-01", "2015-01-01"],
        ...                        "stop": ["2015-01-01", None]})
        >>> tenures = cs.Tenures.from_spells(spells, role="superintendent",
        ...                                  observed_until="2020-07-01")
        >>> tenures.frame["right_censored"].tolist()
        [False, True]
        """
        if gaps not in ("vacancy", "error"):
            raise SpecError("gaps", f"'{gaps}' is no rule for gaps", how="'vacancy' or 'error'")
        calendar = calendar or SchoolCalendar()
        constants = {} if role is None else {"role": role}
        made = conform(data, load_contract("tenures"), columns, calendar, constants)
        frame, faults = rules.complete_spells(made, observed_until, calendar, "tenures")
        faults += rules.no_role(made, "tenures")
        issues = IssueLog()
        if not _blocking(faults):
            frame = rules.sort_spells(frame)
            faults += rules.spell_faults(frame, made.source)
            found = rules.gaps_between(frame, made.source)
            if gaps == "error":
                faults += [fault for fault, _ in found]
            issues = IssueLog(tuple(found))
        raise_faults(faults, source_name(data))
        ledger = RowLedger().step("valid spells", "spells", len(frame), len(frame))
        return cls(frame.reset_index(drop=True), calendar, issues, ledger)

    @classmethod
    def from_roster(
        cls,
        data: Any,
        *,
        columns: Mapping[str, str] | None = None,
        role: str | None = None,
        calendar: SchoolCalendar | None = None,
        max_gap_years: int = 0,
    ) -> Tenures:
        """Read a yearly roster: the holder found in each unit and school year.

        A change between two snapshots is dated at the start of the school year that shows the
        new holder. What lies before the first and after the last year of a unit is censored.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/roster.md.
        columns, role, calendar
            As for `from_spells`.
        max_gap_years : int
            Missing years up to which the same holder on both sides is taken to have stayed.
            Longer gaps, and gaps between different holders, end the observed spell: it is
            right-censored, and the next one left-censored.

        Returns
        -------
        Tenures

        Raises
        ------
        DataError
            One error with every fault: missing columns and values, duplicates, two holders of
            one post in one year.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> roster = pd.DataFrame({"unit_id": ["1", "1", "1"], "leader_id": ["a", "a", "b"],
        ...                        "school_year_end": [2018, 2019, 2020]})
        >>> cs.Tenures.from_roster(roster, role="principal").frame[["start", "stop"]].to_numpy()
        array([[2018., 2020.],
               [2020., 2021.]])
        """
        if max_gap_years < 0:
            raise SpecError("max_gap_years", f"{max_gap_years} years is no gap")
        calendar = calendar or SchoolCalendar()
        constants = {} if role is None else {"role": role}
        made = conform(data, load_contract("roster"), columns, calendar, constants)
        frame, faults = made.frame, list(made.faults)
        faults += rules.no_role(made, "roster")
        if not _blocking(faults):
            faults += rosters.roster_faults(frame, made.source)
        raise_faults(faults, source_name(data))
        spells, issues, ledger = rosters.roster_to_spells(frame, max_gap_years)
        return cls(rules.sort_spells(spells).reset_index(drop=True), calendar, issues, ledger)

    @property
    def n_spells(self) -> int:
        """Number of spells."""
        return len(self.frame)

    def for_role(self, role: str | None) -> pd.DataFrame:
        """Return the spells of one role; without a name, of the only role that there is.

        Raises
        ------
        SpecError
            When the role is unknown, or none is named and there are several.
        """
        roles = sorted(self.frame["role"].unique())
        if role is None and len(roles) > 1:
            raise SpecError("role", "there are several roles", where=roles, how="name one: role=")
        chosen = roles[0] if role is None else role
        if chosen not in roles:
            raise SpecError("role", f"no spell has the role '{chosen}'", where=roles)
        return self.frame[self.frame["role"] == chosen].reset_index(drop=True)

    def summary(self) -> str:
        """Return counts, censoring and issues as text. No person is named."""
        f = self.frame
        lines = [
            f"{len(f):,} spells, {f['leader_id'].nunique():,} leaders, "
            f"{f['unit_id'].nunique():,} units, roles: {', '.join(sorted(f['role'].unique()))}",
            f"observed from {f['entry'].min():g} to {f['stop'].max():g} (school-year time)",
            f"left-censored {int(f['left_censored'].sum()):,}, entered late "
            f"{int((f['entry'] > f['start']).sum()):,}, "
            f"right-censored {int(f['right_censored'].sum()):,}",
            str(self.ledger),
        ]
        lines += [
            f"issue: {fault.message} ({fault.n_rows:,}): {action}"
            for fault, action in self.issues.entries
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Tenures: {len(self.frame):,} spells, {self.frame['unit_id'].nunique():,} units>"


def _blocking(faults: list[Fault]) -> bool:
    """Tell whether a column is missing or no row is there, so that rules across rows can't run."""
    return any(f.rule in ("missing_column", "empty", "unknown_mapping") for f in faults)
