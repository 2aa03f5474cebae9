"""Tenure records: who led which unit in which role, from when to when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records import assignments, rosters
from churnstats.records import rules as spell_rules
from churnstats.records.assignments import AssignmentRules
from churnstats.records.ingest import Conformed, conform, source_name
from churnstats.records.interim import InterimRules, mark_interim
from churnstats.records.roles import seats_as_roles
from churnstats.records.rosters import RosterRules
from churnstats.records.snapshots import snapshot_rows
from churnstats.records.source_rows import SourceRows, combined_rows, source_rows, years_touched
from churnstats.records.units import history
from churnstats.records.units.units import Units
from churnstats.schemas.contract import load_contract

Gaps = Literal["vacancy", "error"]
ROSTER_RULES, ASSIGNMENT_RULES, INTERIM_RULES = RosterRules(), AssignmentRules(), InterimRules()


@dataclass(frozen=True, eq=False)
class Tenures:
    """Validated spells of leaders, half-open on the school-year clock.

    Made by `from_spells`, `from_assignments` or `from_roster`.

    Attributes
    ----------
    frame : DataFrame
        One row a spell, sorted by unit, role and start: ``spell_id, unit_id, role, leader_id,
        start, stop, entry, left_censored, right_censored, exit_reason, interim, interim_basis,
        title, fte, start_earliest, stop_latest`` and the columns that the source had besides.
        Times are school-year time: 2019.5 is the middle of 2018-19. Spells of one post overlap
        only where their ``fte`` add up to no more than one.
    calendar : SchoolCalendar
    issues : IssueLog
        What was found and kept, such as vacancies between spells: `IssueLog.frame` counts it,
        `IssueLog.rows` lists every row of the source.
    ledger : RowLedger
        Rows given to spells.
    made_of : SourceRows
        What `sources` and `titles` are made from.
    """

    frame: pd.DataFrame
    calendar: SchoolCalendar
    issues: IssueLog
    ledger: RowLedger
    made_of: SourceRows

    @classmethod
    def from_spells(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        role: str | None = None,
        calendar: SchoolCalendar | None = None,
        units: Units | None = None,
        observed_until: float | str | None = None,
        gaps: Gaps = "vacancy",
        interim: InterimRules = INTERIM_RULES,
    ) -> Tenures:
        """Read spells that have a start and a stop.

        Parameters
        ----------
        data : frame or path
            pandas, polars, pyarrow or DuckDB frame, or a CSV, Parquet, Stata, SPSS or Excel
            file; columns as in data_dictionary/tenures.md.
        columns : mapping or path, optional
            Contract name to name in the data, for columns with other names; or a YAML file.
        role : str, optional
            Role of all rows where the data have no such column.
        calendar : SchoolCalendar, optional
        units : Units, optional
            Known units and their changes: ids that changed are carried over, what begins with
            its unit is not censored there, and what ends with it is marked ``unit_closed``.
        observed_until : float or str, optional
            Date or school-year time at which observation ends: spells without a stop are
            right-censored there, and one that stops later is a fault.
        gaps : {"vacancy", "error"}
            Time between two spells of a unit and role is a vacancy and logged (not observed where
            the spell before is right-censored or the one after left-censored), or a fault.
        interim : InterimRules

        Returns
        -------
        Tenures

        Raises
        ------
        DataError
            One error with every fault: missing columns and values, text in numbers, years
            outside the calendar, reversed spells, duplicates, overlaps, unknown units.

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
        _expect(
            {
                "interim": (interim, InterimRules),
                "units": (units, Units),
                "calendar": (calendar, SchoolCalendar),
            }
        )
        if gaps not in ("vacancy", "error"):
            raise SpecError("gaps", f"'{gaps}' is no rule for gaps", how="'vacancy' or 'error'")
        calendar = calendar or SchoolCalendar()
        constants = {} if role is None else {"role": role}
        made = _with_seats(conform(data, load_contract("tenures"), columns, calendar, constants))
        frame, faults = spell_rules.complete_spells(made, observed_until, calendar, "tenures")
        faults += spell_rules.no_role(made, "tenures")
        issues = IssueLog()
        if not _blocking(faults):
            frame, more, issues = history.carry_over(frame, made.source, units, "tenures")
            frame = spell_rules.sort_spells(frame)
            faults += more + spell_rules.spell_faults(frame, made.source)
            found = spell_rules.gaps_between(frame, made.source)
            if gaps == "error":
                faults += [fault for fault, _ in found]
            issues += made.issues + IssueLog(tuple(found))
        raise_faults(faults, source_name(data))
        ledger = RowLedger().step("valid spells", "spells", len(frame), len(frame))
        made_of = _one_row_each(frame, source_name(data))
        return cls._of(frame, calendar, issues, ledger, made_of, units, interim)

    @classmethod
    def from_assignments(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        role: str | None = None,
        calendar: SchoolCalendar | None = None,
        units: Units | None = None,
        observed_until: float | str | None = None,
        rules: AssignmentRules = ASSIGNMENT_RULES,
    ) -> Tenures:
        """Read dated source rows, several of which may make up one spell: assignments, contracts.

        Rows of one leader in one post that touch or overlap are one spell.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/tenures.md.
        columns, role, calendar, units, observed_until
            As for `from_spells`.
        rules : AssignmentRules
            Which breaks are bridged, and whether the end of a row is an exit or the end of a
            contract.

        Returns
        -------
        Tenures

        Raises
        ------
        DataError
            One error with every fault, as `from_spells`.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> contracts = pd.DataFrame({
        ...     "unit_id": "7", "leader_id": ["a", "a", "b"],
        ...     "start": ["2012-07-01", "2015-07-01", "2017-07-01"],
        ...     "stop": ["2015-07-01", "2019-07-01", "2021-07-01"]})
        >>> tenures = cs.Tenures.from_assignments(
        ...     contracts, role="superintendent", observed_until="2020-07-01",
        ...     rules=cs.AssignmentRules(ends="contract"))
        >>> tenures.frame[["start", "stop", "right_censored"]].to_numpy().tolist()
        [[2013.0, 2018.0, False], [2018.0, 2021.0, True]]
        """
        _expect(
            {
                "rules": (rules, AssignmentRules),
                "units": (units, Units),
                "calendar": (calendar, SchoolCalendar),
            }
        )
        calendar = calendar or SchoolCalendar()
        constants = {} if role is None else {"role": role}
        made = _with_seats(conform(data, load_contract("tenures"), columns, calendar, constants))
        prepared = assignments.prepare(made, observed_until, calendar, rules)
        faults = [*prepared.faults, *spell_rules.no_role(made, "tenures")]
        raise_faults(faults if _blocking(faults) else [], source_name(data))
        frame, more, issues = history.carry_over(prepared.frame, made.source, units, "tenures")
        joined = assignments.join(frame, made.source, rules)
        faults += more + joined.faults
        raise_faults(faults, source_name(data))
        found = IssueLog(tuple(spell_rules.gaps_between(joined.frame, made.source)))
        return cls._of(
            joined.frame,
            calendar,
            made.issues + issues + prepared.issues + joined.issues + found,
            joined.ledger,
            joined.made_of.named(source_name(data)),
            units,
            rules.interim,
        )

    @classmethod
    def from_roster(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        role: str | None = None,
        calendar: SchoolCalendar | None = None,
        units: Units | None = None,
        rules: RosterRules = ROSTER_RULES,
    ) -> Tenures:
        """Read a yearly roster: the holders found in each unit and school year.

        A change between two snapshots is dated at the start of the school year that shows the
        new holder. What lies before the first and after the last year of a unit is censored,
        and so are both sides of a gap: ``start_earliest`` and ``stop_latest`` bound the change.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/roster.md.
        columns, role, calendar, units
            As for `from_spells`.
        rules : RosterRules
            What gaps, several snapshots or holders of one year, and returns are taken for.

        Returns
        -------
        Tenures

        Raises
        ------
        DataError
            One error with every fault: missing columns and values, duplicates, two holders of
            one post in one year, unknown units.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> roster = pd.DataFrame({"unit_id": ["1", "1", "1"], "leader_id": ["a", "a", "b"],
        ...                        "school_year_end": [2018, 2019, 2020]})
        >>> cs.Tenures.from_roster(roster, role="principal").frame[["start", "stop"]].to_numpy()
        array([[2018., 2020.],
               [2020., 2021.]])
        """
        _expect(
            {
                "rules": (rules, RosterRules),
                "units": (units, Units),
                "calendar": (calendar, SchoolCalendar),
            }
        )
        calendar = calendar or SchoolCalendar()
        constants = {} if role is None else {"role": role}
        made = conform(data, load_contract("roster"), columns, calendar, constants)
        faults = [*made.faults, *spell_rules.no_role(made, "roster")]
        raise_faults(faults if _blocking(faults) else [], source_name(data))
        frame, more, issues = history.carry_over(made.frame, made.source, units, "roster")
        rows, parts = rosters.read_rows(frame, rules)
        faults += more + rosters.roster_faults(rows, frame, made.source, rules)
        raise_faults(faults, source_name(data))
        spells = rosters.roster_to_spells(rows, parts, frame, made.source, rules)
        if rules.returns == "ask":
            raise_faults(
                [f for f, _ in spells.issues.entries if f.rule == "returning_leader"],
                source_name(data),
            )
        found = made.issues + issues + spells.issues
        made_of = spells.made_of.named(source_name(data))
        return cls._of(spells.frame, calendar, found, spells.ledger, made_of, units, rules.interim)

    @classmethod
    def _of(
        cls,
        frame: pd.DataFrame,
        calendar: SchoolCalendar,
        issues: IssueLog,
        ledger: RowLedger,
        made_of: SourceRows,
        units: Units | None,
        interim: InterimRules,
    ) -> Tenures:
        """Finish spells: ends of units, interim leaders, leaders of several units."""
        frame = frame.reset_index(drop=True)
        frame, found = history.with_units(frame, units)
        frame = mark_interim(frame, interim)
        issues = issues + found + spell_rules.leaders_of_several_units(frame)
        ordered = [n for n in load_contract("tenures").names() if n in frame.columns]
        others = [c for c in frame.columns if c not in ordered]
        return cls(frame[[*ordered, *others]], calendar, issues, ledger, made_of)

    @classmethod
    def combine(cls, parts: Sequence[Tenures] | Mapping[str, Tenures]) -> Tenures:
        """Put tenures of several sources together, such as superintendents and principals.

        Parameters
        ----------
        parts : sequence of Tenures, or mapping
            Of one calendar; no post may be in two of them at the same time. The keys of a
            mapping name the sources that have no name of a file; else these are numbered.

        Returns
        -------
        Tenures
            With the issues of all, and their ledgers by role.

        Raises
        ------
        DataError
            Spells or ids that collide.
        SpecError
            No tenures, or other calendars.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> frame = pd.DataFrame({"unit_id": ["1"], "leader_id": ["a"], "school_year_end": [2019]})
        >>> both = [cs.Tenures.from_roster(frame, role=r) for r in ("superintendent", "principal")]
        >>> cs.Tenures.combine(both).frame["role"].tolist()
        ['principal', 'superintendent']
        """
        names = list(parts) if isinstance(parts, Mapping) else _numbers(len(parts))
        parts = list(parts.values()) if isinstance(parts, Mapping) else list(parts)
        if not parts or any(part.calendar != parts[0].calendar for part in parts):
            how = "give at least one, all read with the same SchoolCalendar"
            raise SpecError("parts", "tenures can't be put together", how=how)
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="row")
        frame = spell_rules.sort_spells(frame)
        raise_faults(spell_rules.spell_faults(frame, frame))
        issues, ledger = IssueLog(), RowLedger()
        for part in parts:
            issues += part.issues
            for s in part.ledger.steps:
                unit = f"{s.unit} ({', '.join(sorted(part.frame['role'].unique()))})"
                ledger = ledger.step(s.name, unit, s.n_in, s.n_out, s.lost)
        ledger = ledger.step("combined", "spells", len(frame), len(frame))
        made_of = combined_rows([p.made_of for p in parts], names)
        return cls(frame.reset_index(drop=True), parts[0].calendar, issues, ledger, made_of)

    @cached_property
    def sources(self) -> pd.DataFrame:
        """One row a spell and row of the source that it is made of.

        ``spell_id, source, source_row``: the name of the file or of the part of `combine`, if
        there is one, and the number of the row as messages about it have it: the line of a text
        file, the row of a worksheet, else counted from 1.
        """
        return self.made_of.frame()

    @cached_property
    def titles(self) -> pd.DataFrame:
        """One row a spell and school year of which the source tells: the title in that year.

        ``unit_id, role, leader_id, spell_id, school_year_end, title``, in the order of `frame`;
        ``title`` is missing where the source has none. Dated rows tell of each year in which they
        were under observation, rows of a roster of their own year. Of several titles in a year
        the last one counts.
        """
        return self.made_of.yearly_titles(self.frame)

    def to_roster(self, at_share: float = 0.25) -> pd.DataFrame:
        """Return the roster that a yearly snapshot would show, as `from_roster` reads it.

        Parameters
        ----------
        at_share : float
            When in the school year the snapshot is taken, from 0 (its first day) to below 1. A
            quarter is about the first of October.

        Returns
        -------
        DataFrame
            ``unit_id, role, school_year_end, leader_id, vacant, title, fte``: one row a holder;
            a vacancy between two spells has a row without a leader. Spells that no snapshot
            falls into have none.
        """
        return snapshot_rows(self.frame, at_share)

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


def _numbers(n: int) -> list[str]:
    return [f"source {i + 1}" for i in range(n)]


def _one_row_each(frame: pd.DataFrame, name: str) -> SourceRows:
    """Return that each spell is made of the row that the index numbers."""
    entry, stop = (frame[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    years = years_touched(entry, stop)
    alone = np.ones(len(frame), dtype=np.int64)
    return source_rows(frame["spell_id"], alone, frame.index, years, frame["title"], name)


def _with_seats(made: Conformed) -> Conformed:
    """Make a post of every seat that is named."""
    frame = made.frame
    if not {"unit_id", "role"} <= set(frame.columns) or frame["seat"].isna().all():
        return made
    return replace(made, frame=frame.assign(role=seats_as_roles(frame)))


def _expect(options: Mapping[str, tuple[object, type]]) -> None:
    """Refuse options that are of another type than they have to be."""
    for name, (value, kind) in options.items():
        if not isinstance(value, kind) and not (value is None and kind in (Units, SchoolCalendar)):
            what = f"{name}= is a {type(value).__name__}, not {kind.__name__}"
            raise SpecError(name, what, how=f"give a cs.{kind.__name__}")


def _blocking(faults: list[Fault]) -> bool:
    """Tell whether a column is missing or no row is there, so that rules across rows can't run."""
    return any(f.rule in ("missing_column", "empty", "unknown_mapping") for f in faults)
