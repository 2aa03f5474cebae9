r"""Long differences around changes that recur, and which units may be compared at each horizon.

For each event time h the difference of the outcome between the base and year t + h is compared
between units with a change in t and units without, which both had no change in the L years before
t; the latter have none through t + h either (Dube, Girardi, Jorda and Taylor 2025). Within a cell
(event time, school year, and groups if there are any) the comparison is

.. math:: y_{u,t+h} - y_{u,t-1} = \beta_h D_{ut} + \gamma_{ht} + e_{uth} .

With weights 1 for changes and (changes of the cell / controls of the cell) for controls,
:math:`\beta_h` is the mean over changes of each one's difference from the mean of its controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.absorbing import require_panel
from churnstats.designs.ask import Ask
from churnstats.designs.design import Continuous, Design, codes_of
from churnstats.designs.stacked import BaseYear, EarlyBase, Weighting, term_name
from churnstats.designs.terms import complete_rows, numeric, regressors, weights_of
from churnstats.numerics.groups import encode, encode_pairs
from churnstats.panel.isolation import Grid, unit_year_grid, windows_around
from churnstats.panel.panel import Panel

ProjectionBase: TypeAlias = BaseYear | EarlyBase


@dataclass(frozen=True)
class ProjectionRules:
    """The choices of local projections; `LocalProjections` tells what they mean."""

    pre: int = 3
    post: int = 3
    clean_years: int | None = None
    isolate: bool = True
    base: ProjectionBase = BaseYear()  # noqa: RUF009 - frozen
    weighting: Weighting = "events"

    def __post_init__(self) -> None:
        wrong = []
        if self.pre < 1 or self.post < 0:
            wrong.append(f"pre={self.pre}, post={self.post}: pre is at least 1, post at least 0")
        if self.clean_years is not None and self.clean_years < 1:
            wrong.append(f"clean_years={self.clean_years}: at least 1, or None for pre")
        if self.weighting not in ("events", "ols"):
            wrong.append(f"weighting={self.weighting!r}: 'events' or 'ols'")
        base = self.base
        if type(base) not in (BaseYear, EarlyBase):
            wrong.append(f"base {base!r}: BaseYear or EarlyBase")
        elif not -self.pre <= min(base_years(base)) <= max(base_years(base)) <= -1:
            wrong.append(f"base {base!r} does not lie within -{self.pre} to -1")
        if wrong:
            raise SpecError("local_projections", "this design can't be built", where=wrong)

    @property
    def clean(self) -> int:
        """Years before without a change."""
        return self.pre if self.clean_years is None else self.clean_years

    @property
    def estimated(self) -> tuple[int, ...]:
        """Event times that have a coefficient."""
        omitted = self.base.event_time if isinstance(self.base, BaseYear) else None
        return tuple(h for h in range(-self.pre, self.post + 1) if h != omitted)


def base_years(base: ProjectionBase) -> tuple[int, ...]:
    """Return the event times whose mean is the base; (0,) where there are none."""
    if isinstance(base, BaseYear):
        return (base.event_time,)
    return tuple(range(base.first, base.last + 1)) or (0,)


@dataclass(frozen=True, eq=False)
class ProjectionSample:
    """The long differences of local projections.

    Attributes
    ----------
    design : Design
        One row a unit, year and event time: changes by event time, then covariates by event time.
    support : DataFrame
        ``event_time, n_events, n_controls, n_cells``.
    fates : DataFrame
        One row a unit-year with a change: ``unit_id, school_year_end, n_changes, fate,
        n_event_times``, the last in how many event times it is used.
    n_units_with_events, n_units_as_controls : int
    """

    design: Design
    support: pd.DataFrame
    fates: pd.DataFrame
    n_units_with_events: int
    n_units_as_controls: int


@dataclass(frozen=True, eq=False)
class Differences:
    """Long differences: places in the grid, event time, and whether there is a change."""

    unit: IntArray
    at: IntArray
    time: IntArray
    treated: BoolArray

    def take(self, kept: BoolArray) -> Differences:
        """Return some of them."""
        return Differences(self.unit[kept], self.at[kept], self.time[kept], self.treated[kept])


FATES = (
    "with a date that is not known",
    "in windows that leave the time under observation",
    "in windows with another change",
    "with missing outcomes or columns",
    "without controls",
)


def clean_differences(spec: ProjectionRules, grid: Grid) -> Differences:
    """Return all changes and controls that the rules allow, by event time."""
    event = (grid.n_changes > 0) & (grid.n_undated == 0)
    before = windows_around(grid, spec.clean, 0)
    n_years = grid.row.shape[1]
    parts = []
    for h in spec.estimated:
        through = windows_around(grid, spec.clean, max(h, 0))
        treated = event & (through if spec.isolate else before).alone
        treated &= (through if spec.isolate else before).observed
        either = treated | (through.observed & through.unchanged)
        unit, at = np.nonzero(either)
        inside = (at + min(h, *base_years(spec.base)) >= 0) & (at + h < n_years)
        unit, at = unit[inside], at[inside]
        parts.append((unit, at, np.full(unit.size, h), treated[unit, at]))
    unit, at, time, treat = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Differences(unit, at, time, treat)


def long_differences(y: FloatArray, d: Differences, base: ProjectionBase) -> FloatArray:
    """Return the outcome at each event time less that of the base; NaN where one is missing.

    Examples
    --------
    >>> d = Differences(*(np.array([v, v]) for v in (0, 2)), np.array([0, 1]), np.ones(2, bool))
    >>> long_differences(np.array([[1.0, 2.0, 4.0, 8.0]]), d, EarlyBase(-2, -1))
    array([2.5, 6.5])
    """
    level = np.mean([y[d.unit, d.at + k] for k in base_years(base)], axis=0)
    return np.asarray(y[d.unit, d.at + d.time] - level)


def balanced_weights(weights: FloatArray, treated: BoolArray, cell: IntArray) -> FloatArray:
    """Give the controls of each cell the total weight of its changes.

    Examples
    --------
    >>> balanced_weights(np.ones(3), np.array([True, False, False]), np.zeros(3, dtype=int))
    array([1. , 0.5, 0.5])
    """
    total = np.bincount(cell, weights=weights * treated)
    controls = np.bincount(cell, weights=weights * ~treated)
    return np.where(treated, weights, weights * (total / controls)[cell])


def projection_sample(spec: ProjectionRules, panel: Panel, ask: Ask) -> ProjectionSample:
    """Build the long differences; see `LocalProjections`."""
    require_panel(panel)
    frame, grid = panel.frame, unit_year_grid(panel)
    ask.check(frame)
    y = np.where(grid.row >= 0, numeric(frame, ask.outcome)[grid.row], np.nan)
    y = np.where(np.isfinite(y), y, np.nan)
    found = clean_differences(spec, grid)
    usable, lost = _complete(spec, frame, grid, y, found, ask)
    ready = found.take(usable)
    cell = _cells(frame, grid, ready, ask)
    n_cells = int(cell.max(initial=-1)) + 1
    has_change = np.bincount(cell, weights=ready.treated, minlength=n_cells)[cell] > 0
    has_control = np.bincount(cell, weights=~ready.treated, minlength=n_cells)[cell] > 0
    compared = has_change & has_control
    lost["of changes without a control"] = int((~has_control).sum())
    lost["of controls without a change"] = int((~has_change).sum())
    d, cell = ready.take(compared), encode(cell[compared])[0]
    fates = _fates(spec, grid, found, ready, d)
    _require_all(spec, grid, d, fates)
    n_first = len(fates)
    by_fate = fates["fate"].value_counts()
    ledger = panel.ledger.step(
        "changes, one a school year",
        "changes",
        len(panel.events),
        n_first,
        {"after another change of the unit in the same school year": len(panel.events) - n_first},
    ).step(
        "local projections",
        "changes",
        n_first,
        int(by_fate["used"]),
        {name: int(by_fate.get(name, 0)) for name in FATES},
    )
    ledger = ledger.step("comparisons", "long differences", found.unit.size, d.unit.size, lost)
    return ProjectionSample(
        design=_design(spec, frame, grid, y, d, cell, ask, ledger),
        support=_support(d, cell),
        fates=fates,
        n_units_with_events=int(np.unique(d.unit[d.treated]).size),
        n_units_as_controls=int(np.unique(d.unit[~d.treated]).size),
    )


def _known(frame: pd.DataFrame, columns: tuple[str, ...], weights: str | None) -> BoolArray:
    """Tell which rows have all columns, and a weight above zero."""
    known = np.zeros(len(frame), dtype=bool)
    known[complete_rows(frame, columns, weights)[0]] = True
    return known


def _complete(
    spec: ProjectionRules,
    frame: pd.DataFrame,
    grid: Grid,
    y: FloatArray,
    d: Differences,
    ask: Ask,
) -> tuple[BoolArray, dict[str, int]]:
    """Tell which differences have all that they need, and count the others by reason."""
    measured = np.isfinite(long_differences(y, d, spec.base))
    named = _known(frame, (*ask.effect_columns, *ask.clusters), ask.weights)
    named = named[grid.row[d.unit, d.at]]
    before = grid.row[d.unit, d.at - 1]
    covered = (before >= 0) & _known(frame, ask.covariate_columns, None)[before]
    covered |= not ask.covariates
    lost = {
        f"without {ask.outcome} in one of their years": int((~measured).sum()),
        "without group, cluster or weight": int((measured & ~named).sum()),
        "without covariates in the year before": int((measured & named & ~covered).sum()),
    }
    return measured & named & covered, lost


def _cells(frame: pd.DataFrame, grid: Grid, d: Differences, ask: Ask) -> IntArray:
    """Return codes of event time x school year x groups."""
    cell = encode_pairs(encode(d.time)[0], d.at)[0]
    rows = grid.row[d.unit, d.at]
    for column in ask.effect_columns:
        cell = encode_pairs(cell, encode(frame[column].iloc[rows])[0])[0]
    return cell


def _design(
    spec: ProjectionRules,
    frame: pd.DataFrame,
    grid: Grid,
    y: FloatArray,
    d: Differences,
    cell: IntArray,
    ask: Ask,
    ledger: RowLedger,
) -> Design:
    rows = grid.row[d.unit, d.at]
    weights = weights_of(frame, ask.weights)[rows]
    if spec.weighting == "events":
        weights = balanced_weights(weights, d.treated, cell)
    at_time = [(d.time == h).astype(float) for h in spec.estimated]
    columns, names = [d.treated * here for here in at_time], [term_name(h) for h in spec.estimated]
    if ask.covariates:
        before, place = np.unique(grid.row[d.unit, d.at - 1], return_inverse=True)
        values, more = regressors(frame.iloc[before], ask.covariates, intercept=False)
        for here, h in zip(at_time, spec.estimated, strict=True):
            columns += list((values[place] * here[:, None]).T)
            names += [f"{name} at {term_name(h)}" for name in more]
    groups = [c for c in ask.effect_columns if c != "school_year_end"]
    return Design(
        response=Continuous(long_differences(y, d, spec.base)),
        x=np.column_stack(columns),
        names=tuple(names),
        weights=weights,
        effects={"^".join(["event_time", "school_year_end", *groups]): cell},
        clusters=codes_of(frame.iloc[rows], ask.clusters),
        rows=rows,
        ledger=ledger,
    )


def _support(d: Differences, cell: IntArray) -> pd.DataFrame:
    part = pd.DataFrame({"event_time": d.time, "treated": d.treated, "cell": cell})
    by_time = part.groupby("event_time")
    n_events = by_time["treated"].sum()
    return pd.DataFrame(
        {
            "n_events": n_events,
            "n_controls": by_time.size() - n_events,
            "n_cells": by_time["cell"].nunique(),
        }
    ).reset_index()


def _fates(
    spec: ProjectionRules, grid: Grid, found: Differences, ready: Differences, used: Differences
) -> pd.DataFrame:
    """Tell of each change why no event time uses it, or in how many it is used."""

    def times(d: Differences) -> IntArray:
        count = np.zeros(grid.row.shape, dtype=np.int64)
        np.add.at(count, (d.unit[d.treated], d.at[d.treated]), 1)
        return count

    n_used = times(used)
    before = windows_around(grid, spec.clean, 0)
    fate = np.select(
        [
            n_used > 0,
            grid.n_undated > 0,
            ~before.observed,
            ~before.alone,
            times(found) == 0,
            times(ready) == 0,
        ],
        [5, 0, 1, 2, 1, 3],
        default=4,
    )
    unit, at = np.nonzero(grid.n_changes > 0)
    names = np.array([*FATES, "used"], dtype=object)
    return pd.DataFrame(
        {
            "unit_id": grid.units[unit],
            "school_year_end": at + grid.first_year,
            "n_changes": grid.n_changes[unit, at],
            "fate": names[fate[unit, at]],
            "n_event_times": n_used[unit, at],
        }
    )


def _require_all(spec: ProjectionRules, grid: Grid, d: Differences, fates: pd.DataFrame) -> None:
    """Raise where an event time has no comparison."""
    missing = [h for h in spec.estimated if not (d.time == h).any()]
    if not missing:
        return
    n_years = grid.row.shape[1]
    reasons = [f"{n:,} changes {why}" for why, n in fates["fate"].value_counts().items()]
    if spec.clean + spec.post + 1 > n_years or spec.pre + spec.post + 1 > n_years:
        raise IdentificationError(
            "window",
            f"a window of -{max(spec.pre, spec.clean)}..+{spec.post} is longer than the panel's "
            f"{n_years} school years",
            how="shorten pre, post or clean_years",
        )
    times = ", ".join(f"{h:+d}" for h in missing)
    code = "no_events" if not (fates["fate"] == "without controls").any() else "no_controls"
    raise IdentificationError(
        code,
        f"no change can be compared with a control at event times {times}",
        where=reasons,
        how="shorten the window or clean_years, or compare within larger groups",
    )
