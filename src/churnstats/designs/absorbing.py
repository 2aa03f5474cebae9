"""Data for designs that know of one change a unit: the cohort is the year of the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import DataError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs import terms
from churnstats.designs.ask import Ask
from churnstats.designs.design import as_floats, codes_of
from churnstats.numerics.groups import encode
from churnstats.panel.isolation import Grid, unit_year_grid
from churnstats.panel.panel import Panel
from churnstats.records.ingest import row_fault, to_pandas

KEY = ["unit_id", "school_year_end"]
NEVER = "never treated"
TREATED = "treated"
FATES = (
    "not under observation in the first year",
    "first change in the first observed year",
    "first transition not known",
    "first leader begins under observation, predecessor not known",
    "date of the first change not known",
)


@dataclass(frozen=True, eq=False)
class Absorbing:
    """Units by school year, each with the year of its one change, or none.

    Made by `from_frame` or `first_change`.

    Attributes
    ----------
    frame : DataFrame
        ``unit_id`` (text), ``school_year_end``, ``cohort`` (the school year of the change, missing
        for units without one) and all other columns, sorted by unit and year.
    ledger : RowLedger
    fates : DataFrame
        One row a unit: ``unit_id, cohort, fate, n_later_changes``. The fate is "treated",
        "never treated" or why the unit was left out; later changes are those after the first.
    """

    frame: pd.DataFrame
    ledger: RowLedger
    fates: pd.DataFrame

    @classmethod
    def from_frame(
        cls, data: pd.DataFrame, *, unit: str, time: str, cohort: str, never: int | None = 0
    ) -> Absorbing:
        """Take a frame that has the year of the change of each unit.

        Parameters
        ----------
        data : DataFrame
            One row a unit and year. It is not changed.
        unit, time, cohort : str
            Columns of the unit, the year, and the year of its change.
        never : int or None
            What ``cohort`` holds for units without a change; None if it is missing for them.

        Returns
        -------
        Absorbing

        Raises
        ------
        DataError
            Rows without unit, year or cohort, years that are not whole, unit-years that occur
            twice, units with several cohorts: all at once.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> rows = pd.DataFrame({"school": ["a", "a", "b", "b"], "year": [2018, 2019, 2018, 2019],
        ...                      "first": [2019, 2019, 0, 0], "score": [1.0, 3.0, 1.0, 2.0]})
        >>> Absorbing.from_frame(rows, unit="school", time="year", cohort="first")
        <Absorbing: 4 unit-years, 2 units, 1 treated in 1 cohorts>
        """
        terms.require_columns(data, (unit, time, cohort))
        names = dict(zip((unit, time, cohort), (*KEY, "cohort"), strict=True))
        if len(names) < 3:
            raise SpecError("columns", "unit, time and cohort are three columns")
        taken = [c for c in (*KEY, "cohort") if c in data.columns and c not in names]
        if taken:
            raise SpecError("columns", "these names are needed", where=taken, how="rename them")
        frame = to_pandas(data, "absorbing").rename(columns=names)
        _check(frame, never)
        first = as_floats(frame["cohort"])
        if never is not None:
            first = np.where(first == never, np.nan, first)
        frame = frame.assign(
            unit_id=frame["unit_id"].astype("str"),
            school_year_end=as_floats(frame["school_year_end"]).astype(np.int64),
            cohort=pd.Series(first, index=frame.index).astype("Int64"),
        )
        others = [c for c in frame.columns if c not in (*KEY, "cohort")]
        frame = frame[[*KEY, "cohort", *others]].sort_values(KEY, ignore_index=True)
        ledger = RowLedger().step("absorbing panel", "unit-years", len(frame), len(frame))
        fates = frame[["unit_id", "cohort"]].drop_duplicates("unit_id", ignore_index=True)
        fates["fate"] = np.where(fates["cohort"].isna(), NEVER, TREATED)
        return cls(frame, ledger, fates.assign(n_later_changes=0))

    @classmethod
    def first_change(cls, panel: Panel) -> Absorbing:
        """Take each unit's first change under observation as its one change.

        Parameters
        ----------
        panel : Panel

        Returns
        -------
        Absorbing

        Notes
        -----
        The cohort is the school year in which the successor of the first known change starts. The
        unit must have been under observation from the panel's first year on, in which it changed
        nothing, and the change must bear a date. Others are left out, and ``fates`` and ledger
        say why: not under observation in the first year; a change, or a known start of the first
        leader, in the first year; no observation in the second year; a first leader who begins
        later; a first change whose date is not known. After the first year that was not under
        observation (or into which the transition is not known) a unit's rows are left out; a
        unit without a change until then is never treated, as far as it is seen.

        Changes after the first are ignored: what they do is part of the estimate, which
        is the effect of a first change with all that follows from it. Their number is in
        ``fates["n_later_changes"]``. Changes before the panel's first year are not seen. Years
        without a leader before the successor starts count as before the change.

        Examples
        --------
        >>> import churnstats as cs
        >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
        >>> Absorbing.first_change(panel)
        <Absorbing: 720 unit-years, 6 units, 6 treated in 4 cohorts>
        """
        grid = unit_year_grid(panel)
        fate, first, n_seen = first_changes(grid)
        fates = _fates(grid, fate, first, n_seen)
        year = np.arange(grid.row.shape[1])
        in_use = (fate < 0)[:, None] & (year < n_seen[:, None]) & (grid.row >= 0)
        unit, at = np.nonzero(in_use)
        cohort = fates["cohort"].to_numpy()[unit]
        frame = panel.frame.iloc[grid.row[unit, at]].reset_index(drop=True)
        if "cohort" in frame.columns:
            raise SpecError("columns", "the panel has a column 'cohort'", how="rename the measure")
        frame.insert(2, "cohort", pd.Series(cohort, dtype="Int64"))
        n_of_left_out = int((grid.row[fate >= 0] >= 0).sum())
        n_after_gaps = int((grid.row >= 0).sum()) - n_of_left_out - len(frame)
        counts = {name: int((fate == j).sum()) for j, name in enumerate(FATES)}
        ledger = panel.ledger.step(
            "first changes", "units", fate.size, int((fate < 0).sum()), counts
        )
        ledger = ledger.step(
            "rows of first changes",
            "unit-years",
            len(panel.frame),
            len(frame),
            {"of units left out": n_of_left_out, "after a gap in observation": n_after_gaps},
        )
        return cls(frame, ledger, fates)

    def __repr__(self) -> str:
        used = self.fates[self.fates["fate"].isin([NEVER, TREATED])]
        cohorts = used["cohort"].dropna()
        return (
            f"<Absorbing: {len(self.frame):,} unit-years, {len(used):,} units, "
            f"{len(cohorts):,} treated in {cohorts.nunique():,} cohorts>"
        )


def first_changes(grid: Grid) -> tuple[IntArray, IntArray, IntArray]:
    """Return what became of each unit, the place of its first change, and how long it is seen.

    Returns
    -------
    fate : (U,) array
        Place in ``FATES`` of why the unit is left out, -1 if it is not.
    first : (U,) array
        Place of the year of the first change before the first gap, -1 for none.
    n_seen : (U,) array
        Years from the first on until the first gap in observation.
    """
    n_years = grid.row.shape[1]
    gap = ~(grid.observed & (grid.row >= 0))
    n_seen = np.where(gap.any(axis=1), gap.argmax(axis=1), n_years)
    seen = np.arange(n_years) < n_seen[:, None]
    change, start = (grid.n_changes > 0) & seen, grid.starts & seen
    first = np.where(change.any(axis=1), change.argmax(axis=1), -1)
    undated = (grid.n_undated > 0)[np.arange(first.size), first] & (first >= 0)
    at_once = change[:, 0] | start[:, 0]
    fate = np.select(
        [n_seen == 0, at_once, n_seen == 1, start.any(axis=1), undated], [0, 1, 2, 3, 4], default=-1
    )
    return fate.astype(np.int64), first.astype(np.int64), n_seen.astype(np.int64)


def _fates(grid: Grid, fate: IntArray, first: IntArray, n_seen: IntArray) -> pd.DataFrame:
    """Return one row a unit."""
    treated = (fate < 0) & (first >= 0)
    names = np.array([*FATES, ""], dtype=object)[fate]
    years = np.arange(grid.row.shape[1])
    later = (years > first[:, None]) & (years < n_seen[:, None])
    n_later = (grid.n_changes * later).sum(axis=1) + np.where(
        treated, grid.n_changes[np.arange(first.size), first] - 1, 0
    )
    return pd.DataFrame(
        {
            "unit_id": grid.units,
            "cohort": pd.array(
                np.where(treated, first + float(grid.first_year), np.nan), dtype="Int64"
            ),
            "fate": np.where(fate >= 0, names, np.where(treated, TREATED, NEVER)),
            "n_later_changes": np.where(treated, n_later, 0),
        }
    ).astype({"unit_id": "str", "fate": "str"})


def _check(frame: pd.DataFrame, never: int | None) -> None:
    """Raise every fault of a frame with unit_id, school_year_end and cohort at once."""
    columns = (*KEY, "cohort")
    faults = []

    def find(rule: str, message: str, how: str, bad: BoolArray) -> None:
        faults.extend(row_fault(rule, "absorbing", message, how, frame, bad, columns))

    needed = columns if never is not None else tuple(KEY)
    missing = frame[list(needed)].isna().any(axis=1).to_numpy()
    words = "unit, year or cohort" if never is not None else "unit or year"
    find("missing", f"rows lack {words}", "fill it in or leave them out", missing)
    if frame["unit_id"].dtype.kind == "f":
        how = "make them text, as they are written in the source"
        find("unit_id", "units are fractional numbers", how, ~missing)
    for column in columns[1:]:
        if frame[column].dtype.kind not in "iuf":
            raise SpecError("not_numeric", f"'{column}' holds {frame[column].dtype}, not years")
        value = as_floats(frame[column])
        broken = np.isfinite(value) & (value != np.floor(value)) | np.isinf(value)
        find("not_whole", f"{column} is no whole number", "give school_year_end", broken)
    twice = frame.duplicated(KEY, keep=False).to_numpy() & ~missing
    find("duplicate", "unit-years occur more than once", "keep one row each", twice)
    several = frame.groupby("unit_id")["cohort"].transform("nunique", dropna=False) > 1
    how = "give each unit the year of its first change in all its rows"
    find("cohort_varies", "units have several cohorts", how, several.to_numpy() & ~missing)
    if faults:
        raise DataError(faults)


@dataclass(frozen=True, eq=False)
class CohortRows:
    """Complete rows of absorbing data as arrays, sorted by unit and year.

    Parameters
    ----------
    y : (n,) array
    unit : (n,) integer array
        Codes 0..U-1.
    year : (n,) integer array
        School years.
    cohort : (n,) array
        School year of the unit's change, NaN for none.
    x : (n, p) array
        Covariates, without a constant.
    x_names : tuple of str
    weights : (n,) array
    effects, clusters : mapping of str to (n,) integer array
        Codes of what was asked for; the effects of unit and year are up to the design.
    rows : (n,) integer array
        Positions in the frame.
    ledger : RowLedger
    """

    y: FloatArray
    unit: IntArray
    year: IntArray
    cohort: FloatArray
    x: FloatArray
    x_names: tuple[str, ...]
    weights: FloatArray
    effects: Mapping[str, IntArray]
    clusters: Mapping[str, IntArray]
    rows: IntArray
    ledger: RowLedger


def require_panel(data: object) -> None:
    """Raise if what a design of changes that recur is given is no Panel."""
    if not isinstance(data, Panel):
        raise SpecError(
            "data",
            f"this design takes every change of a unit; it can't take {type(data).__name__}",
            how="give Panel.build(...), or take a design of one change a unit, as SunAbraham",
        )


def cohort_rows(data: Absorbing, ask: Ask) -> CohortRows:
    """Return the rows in which all that is asked for is known.

    Raises
    ------
    SpecError
        Columns that are not there, an outcome that is no number, no row left.
    """
    if not isinstance(data, Absorbing):
        raise SpecError(
            "data",
            f"this design knows of one change a unit; it can't take {type(data).__name__}",
            how="give Absorbing.first_change(panel), or Absorbing.from_frame(...)",
        )
    frame = data.frame
    spec = terms.Terms(ask.outcome, ask.covariates or "1", ask.effects)
    named = (*spec.columns(), *ask.clusters, *filter(None, [ask.weights]))
    wanted = tuple(dict.fromkeys(named))
    terms.require_columns(frame, wanted)
    terms.numeric(frame, ask.outcome)
    rows, ledger = terms.complete_rows(frame, wanted, ask.weights)
    sample = frame.iloc[rows]
    x, x_names = terms.regressors(sample, spec.right, intercept=False)
    return CohortRows(
        y=terms.numeric(sample, ask.outcome),
        unit=encode(sample["unit_id"])[0],
        year=sample["school_year_end"].to_numpy(dtype=np.int64),
        cohort=as_floats(sample["cohort"]),
        x=x,
        x_names=x_names,
        weights=terms.weights_of(sample, ask.weights),
        effects=codes_of(sample, ask.effects),
        clusters=codes_of(sample, ask.clusters),
        rows=rows,
        ledger=data.ledger + ledger,
    )
