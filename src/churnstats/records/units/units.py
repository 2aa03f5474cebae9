"""Units, what they belong to, and how they open, close, merge and change their ids."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records.ingest import conform, source_name
from churnstats.records.marks import faults_of, issues_of
from churnstats.records.units.links import current, last_ids, parent_events, parents_at
from churnstats.records.units.rules import (
    CLOSING,
    KEY,
    change_issues,
    change_marks,
    in_order,
    later_circles,
    unit_issues,
    unit_marks,
)
from churnstats.schemas.contract import load_contract

UNIT_SHOWN = ("unit_id", "level", "parent_id", "opened", "closed")


@dataclass(frozen=True, eq=False)
class Units:
    """Validated units and their changes.

    Attributes
    ----------
    frame : DataFrame
        ``unit_id, level, parent_id, group_id, opened, closed, unit_type``, one row a unit.
    changes : DataFrame
        ``unit_id, school_year_end, change, successor_id``, in the order in which they hold.
    issues : IssueLog
        What was found and kept.
    ledger : RowLedger
    """

    frame: pd.DataFrame
    changes: pd.DataFrame
    issues: IssueLog = field(default_factory=IssueLog)
    ledger: RowLedger = field(default_factory=RowLedger)

    @classmethod
    def from_frame(
        cls,
        data: Any,
        changes: Any = None,
        *,
        columns: Columns = None,
        change_columns: Columns = None,
        calendar: SchoolCalendar | None = None,
    ) -> Units:
        """Read units and their changes.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/units.md.
        changes : frame or path, optional
            Columns as in data_dictionary/unit_changes.md.
        columns, change_columns : mapping or path, optional
            How units and changes differ from the contracts; see data_dictionary/README.md.
        calendar : SchoolCalendar, optional

        Raises
        ------
        DataError
            One error with the faults of both tables: unknown parents and successors, units that
            belong to themselves by some way round, changes after a closing, new ids that lead
            round in a circle.

        Examples
        --------
        >>> import pandas as pd
        >>> from churnstats.records.units.units import Units
        >>> units = pd.DataFrame({"unit_id": ["1", "2"], "level": "district"})
        >>> renamed = pd.DataFrame({"unit_id": ["1"], "school_year_end": [2015],
        ...                         "change": ["new_id"], "successor_id": ["2"]})
        >>> Units.from_frame(units, renamed).current_ids(pd.Series(["1", "2", "3"])).tolist()
        ['2', '2', '3']
        """
        calendar = calendar or SchoolCalendar()
        made = conform(data, load_contract("units"), columns, calendar)
        frame, faults, issues = made.frame, list(made.faults), made.issues
        if "unit_id" in frame.columns:
            faults += faults_of("units", made.source, UNIT_SHOWN, unit_marks(frame))
            issues += issues_of("units", made.source, UNIT_SHOWN, unit_issues(frame))
        faults = _in_file(faults, data)
        events = _no_changes()
        if changes is not None:
            events, more, noted = _read_changes(frame, changes, change_columns, calendar)
            faults, issues = faults + _in_file(more, changes), issues + noted
        raise_faults(faults)
        ledger = RowLedger().step("valid units", "units", len(frame), len(frame))
        ledger = ledger.step("valid changes", "changes of units", len(events), len(events))
        frame = frame.sort_values("unit_id", ignore_index=True)
        return cls(frame, in_order(events).reset_index(drop=True), issues, ledger)

    def current_ids(self, unit_id: pd.Series) -> pd.Series:
        """Return the last id of each unit: what its id became, however often it changed.

        A merger is no change of id. Ids that never changed, or are not known, stay.
        """
        return current(unit_id, last_ids(self.changes))

    def openings(self) -> pd.Series:
        """Return the school-year time at which units first opened, by their last id.

        Units that are not in it were there when records began, or nobody knows.
        """
        dated = self.frame[["unit_id", "opened"]].dropna().set_axis(["unit_id", "time"], axis=1)
        year = self._changed("opened")
        year = year[~year["unit_id"].isin(dated["unit_id"])]
        times = pd.concat([dated, year[["unit_id", "time"]]])
        times["unit_id"] = self.current_ids(times["unit_id"])
        return times.groupby("unit_id")["time"].min().rename("opened").astype(float)

    def closings(self) -> pd.Series:
        """Return the school-year time at which units closed or merged for good, by their last id.

        A unit that reopened later is not in it. `changes` says which of the two it was.
        """
        lives = self._changed(*CLOSING, "reopened")
        lives["unit_id"] = self.current_ids(lives["unit_id"])
        last = lives.sort_values("time", kind="stable").drop_duplicates("unit_id", keep="last")
        dated = self.frame[["unit_id", "closed"]].dropna().set_axis(["unit_id", "time"], axis=1)
        dated["unit_id"] = self.current_ids(dated["unit_id"])
        year = last[last["change"].isin(CLOSING) & ~last["unit_id"].isin(dated["unit_id"])]
        times = pd.concat([dated, year[["unit_id", "time"]]])
        return times.groupby("unit_id")["time"].max().rename("closed").astype(float)

    def parent_at(self, unit_id: pd.Series, school_year_end: pd.Series | int) -> pd.Series:
        """Return what each unit belonged to in a school year, by the parent's last id.

        Parameters
        ----------
        unit_id : Series
            Old and new ids of a unit mean the same.
        school_year_end : Series or int

        Returns
        -------
        Series
            With the index of ``unit_id``; missing where no parent is known.
        """
        last = last_ids(self.changes)
        events = parent_events(self.frame, self.changes, last)
        return parents_at(events, current(unit_id, last), school_year_end)

    def summary(self) -> str:
        """Return counts as text."""
        levels = self.frame["level"].value_counts()
        kinds = self.changes["change"].value_counts()
        words = [f"{n:,} {level}" for level, n in levels.items()]
        changed = [f"{n:,} {kind}" for kind, n in kinds.items()]
        return (
            f"{len(self.frame):,} units ({', '.join(words) or 'no levels'}), "
            f"{len(self.changes):,} changes ({', '.join(changed) or 'none'})"
        )

    def __repr__(self) -> str:
        return f"<Units: {self.summary()}>"

    def _changed(self, *kinds: str) -> pd.DataFrame:
        """Return the changes of some kinds with their first year as school-year time."""
        some = self.changes[self.changes["change"].isin(kinds)]
        return some.assign(time=some["school_year_end"].astype(float))


def _read_changes(
    frame: pd.DataFrame,
    data: Any,
    columns: Columns,
    calendar: SchoolCalendar,
) -> tuple[pd.DataFrame, list[Fault], IssueLog]:
    """Return the changes of units, their faults, and what was found and kept."""
    made = conform(data, load_contract("unit_changes"), columns, calendar)
    events, faults, table = made.frame, list(made.faults), "unit_changes"
    if "unit_id" not in frame.columns or not set(KEY) <= set(events.columns):
        return events, faults, made.issues
    faults += faults_of(table, made.source, tuple(KEY), change_marks(frame, events))
    if not faults:
        faults += faults_of(table, made.source, tuple(KEY), [later_circles(frame, events)])
    kept = issues_of(table, made.source, tuple(KEY), change_issues(frame, events))
    return events, faults, made.issues + kept


def _in_file(faults: list[Fault], data: Any) -> list[Fault]:
    """Return faults that name the file they are in."""
    return [replace(fault, source=source_name(data)) for fault in faults]


def _no_changes() -> pd.DataFrame:
    texts = {c: pd.Series(dtype="str") for c in KEY}
    return pd.DataFrame({**texts, "school_year_end": pd.Series(dtype="Int64")})
