r"""Stacked windows for events that recur.

A change of leader in unit u and school year c is one event. Its window is the school years
c - pre to c + post, all of which must be under observation: years in which nobody looked may hide
a change. It stands alone if no other change of the unit falls into the window, and no year
without a leader but those between the predecessor and the successor. Its controls are stayers:
units with one leader and without any change in the same school years. The start of a unit's
first known leader counts as a change here, though not as an event, since the predecessor is not
known. All events of one school year and their stayers form a stack, in which every unit is seen
in every year of the window (Cengiz, Dube, Lindner and Zipperer 2019), so that

.. math:: y_{ucs} = \sum_{k \ne b} \beta_k D_{uc} 1[s - c = k] + \alpha_{uc} + \gamma_{cs}
          + e_{ucs} .

With weights 1 for events and (events of the stack / stayers of the stack) for stayers,
:math:`\beta_k` is the mean over events of each event's difference-in-differences against the
mean of its stayers (the corrective weights of Wing, Freedman and Hollingsworth 2024).

With weights of units :math:`w` (their value at event time -1) the mean over events is weighted
by :math:`w`, and so is that over stayers: a stayer's weight is :math:`w_j \sum_{events} w /
\sum_{stayers} w`. Effects such as state by year are crossed with the stack, so that an event's
stayers are those of its own cell; with one such effect the corrective weights are those of the
cell, with several those of the stack. Covariates enter with their value at event time -1 times
event time, with one coefficient an event time for all stacks. Groups of events (``by``) have a copy
of the stacks and stayers each, so that the path of a group is the study of its events alone, and
one covariance holds all paths. A moderator m enters like a covariate, and for events as
:math:`(m - \bar m) D_{uc} 1[s - c = k]`, with :math:`\bar m` the mean over events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.design import Continuous, Design, as_floats, codes_of
from churnstats.designs.window_parts import (
    Extras,
    Groups,
    WindowValues,
    covariate_matrix,
    effect_columns,
    group_labels,
    shares_cell,
    window_values,
)
from churnstats.numerics.groups import encode, encode_pairs, group_sums
from churnstats.panel.isolation import Grid, unit_year_grid, window_sums, windows_around
from churnstats.panel.panel import Panel

Weighting = Literal["events", "ols"]


@dataclass(frozen=True)
class BaseYear:
    """Effects are differences from one event time, by default the last year before the change."""

    event_time: int = -1


@dataclass(frozen=True)
class EarlyBase:
    """Effects are differences from the mean of several early event times.

    Less is lost to regression to the mean than at t-1, if units change leaders after a dip.
    """

    first: int = -5
    last: int = -3


@dataclass(frozen=True)
class LagAdjusted:
    """Effects are differences between units with the same last outcomes before the change.

    Outcomes at event times -1 to -lags are regressors, with coefficients of their own at each
    event time, in place of unit effects. Only event times from 0 on are estimated.
    """

    lags: int = 2


Base: TypeAlias = BaseYear | EarlyBase | LagAdjusted


@dataclass(frozen=True)
class StackedWindows:
    """The choices of a stacked design, and its rows; `Stacked` tells what they mean."""

    pre: int = 3
    post: int = 3
    controls: Literal["stayers"] = "stayers"
    isolate: bool = True
    base: Base = BaseYear()
    weighting: Weighting = "events"
    by: str = ""
    min_events: int = 10
    moderator: str = ""

    def __post_init__(self) -> None:
        wrong = []
        if self.pre < 1 or self.post < 0:
            wrong.append(f"pre={self.pre}, post={self.post}: pre is at least 1, post at least 0")
        if str(self.controls) != "stayers":
            wrong.append(f"controls={self.controls!r}: only 'stayers' are supported")
        if self.weighting not in ("events", "ols"):
            wrong.append(f"weighting={self.weighting!r}: 'events' or 'ols'")
        base = self.base
        if isinstance(base, BaseYear) and not -self.pre <= base.event_time <= -1:
            wrong.append(f"base year {base.event_time} lies outside -{self.pre} to -1")
        if isinstance(base, EarlyBase) and not -self.pre <= base.first <= base.last <= -1:
            wrong.append(f"early base {base.first} to {base.last} lies outside -{self.pre} to -1")
        if isinstance(base, LagAdjusted) and not 1 <= base.lags <= self.pre:
            wrong.append(f"{base.lags} lags do not fit into pre={self.pre} years")
        if self.by and self.moderator:
            wrong.append("by and moderator: one of them in one study")
        if self.min_events < 1:
            wrong.append(f"min_events={self.min_events}: a group has at least 1 event")
        if wrong:
            raise SpecError("stacked", "this design can't be built", where=wrong)

    @property
    def years(self) -> IntArray:
        """Event times of the window."""
        return np.arange(-self.pre, self.post + 1)

    def build(
        self,
        panel: Panel,
        outcome: str,
        *,
        weights: str | None = None,
        covariates: str = "",
        effects: tuple[str, ...] = (),
    ) -> StackedSample:
        """Find events and stayers, and return the rows, the support and what isolation cost."""
        return build_sample(self, panel, outcome, Extras(weights, covariates, effects))


@dataclass(frozen=True, eq=False)
class StackedSample:
    """The rows of a stacked design.

    Attributes
    ----------
    frame : DataFrame
        ``stack, event_group, unit_id, school_year_end, event_time, treated, weight, y`` and the
        panel's ``row`` (also at event time -1: ``row_before``), by window and event time. A
        stayer has a window in each group of events.
    support : DataFrame
        ``stack, n_events, n_stayers`` for each stack in use.
    fates : DataFrame
        One row an event (a unit-year with a change): ``unit_id, school_year_end, fate``.
    n_contaminated : int
        Events in use that do not stand alone in their window (0 if isolated).
    ledger : RowLedger
    groups : tuple of str
        Names of the groups of events; one without a name if they are not told apart.
    extras : Extras
        Weights, covariates and effects.
    """

    frame: pd.DataFrame
    support: pd.DataFrame
    fates: pd.DataFrame
    n_contaminated: int
    ledger: RowLedger
    groups: tuple[str, ...] = ("",)
    extras: Extras = field(default_factory=Extras)


def _outcome(panel: Panel, grid: Grid, outcome: str) -> FloatArray:
    """Return the outcome by unit and year, NaN where there is none."""
    frame = panel.frame
    if outcome not in frame.columns:
        raise SpecError(
            "outcome",
            f"the panel has no column '{outcome}'",
            how=f"its measures are: {', '.join(panel.measures) or 'none'}",
        )
    if frame[outcome].dtype.kind not in "iuf":
        raise SpecError("outcome", f"'{outcome}' is no number")
    values = as_floats(frame[outcome])
    return np.where(grid.row >= 0, values[grid.row], np.nan)


def build_sample(
    spec: StackedWindows, panel: Panel, outcome: str, extras: Extras | None = None
) -> StackedSample:
    """Build the rows of a stacked design; see `StackedWindows`."""
    extras = extras or Extras()
    grid = unit_year_grid(panel)
    y = _outcome(panel, grid, outcome)
    values = window_values(panel, grid, extras, spec.moderator)
    around = windows_around(grid, spec.pre, spec.post)
    width = spec.pre + spec.post + 1
    measured = window_sums(np.isfinite(y).astype(np.int64), spec.pre, spec.post) == width
    stayer = measured & around.observed & around.unchanged & values.complete
    event = grid.n_changes > 0
    has_stayers = np.logical_and.reduce(
        [np.broadcast_to(stayer.any(axis=0), event.shape)]
        + [shares_cell(stayer, cell) for cell in values.cells]
    )
    reasons = {
        "with a date that is not known": grid.n_undated > 0,
        "in windows that leave the time under observation": ~around.observed,
        "in windows with missing outcomes": ~measured,
        "in windows with another change": ~around.alone & spec.isolate,
        **values.lacks,
        "without stayers" + (" in their cell" if extras.effects else ""): ~has_stayers,
    }
    used = event & ~np.logical_or.reduce(list(reasons.values()))
    groups = Groups.one(used)
    if spec.by and used.any():
        labels = group_labels(panel, grid, values.row, spec.by, used)
        groups = Groups.of(labels, spec.by, spec.min_events)
        small = f"in groups with fewer than {spec.min_events} events"
        reasons[small] = used & (groups.code < 0)
        used = groups.code >= 0
    fates, lost = _fates(grid, event, reasons)
    ledger = _ledger(spec, panel, event, used, lost)
    frame = _rows(spec, grid, y, values, stayer, groups)
    n = frame[frame["event_time"] == 0].drop_duplicates(["stack", "unit_id", "treated"])
    counts = n.groupby("stack")["treated"]
    support = pd.DataFrame({"n_events": counts.sum(), "n_stayers": counts.size() - counts.sum()})
    contaminated = int((used & ~around.alone).sum())
    return StackedSample(
        frame, support.reset_index(), fates, contaminated, ledger, groups.names, extras
    )


def _fates(
    grid: Grid, event: BoolArray, reasons: dict[str, BoolArray]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return what became of each event, the first reason that holds, and how many each took."""
    names = np.array([*reasons, "used"], dtype=object)
    fate = np.select(list(reasons.values()), list(range(len(reasons))), default=len(reasons))
    unit, at = np.nonzero(event)
    fates = pd.DataFrame(
        {
            "unit_id": grid.units[unit],
            "school_year_end": at + grid.first_year,
            "n_changes": grid.n_changes[unit, at],
            "fate": names[fate[unit, at]],
        }
    )
    return fates, {name: int((event & (fate == j)).sum()) for j, name in enumerate(reasons)}


def _ledger(
    spec: StackedWindows, panel: Panel, event: BoolArray, used: BoolArray, lost: dict[str, int]
) -> RowLedger:
    """Return the ledger from all changes to those in use, or say why there are none."""
    n_changes, n_first = len(panel.events), int(event.sum())
    ledger = panel.ledger.step(
        "changes, one a school year",
        "changes",
        n_changes,
        n_first,
        {"after another change of the unit in the same school year": n_changes - n_first},
    )
    ledger = ledger.step(
        "isolation" if spec.isolate else "windows", "changes", n_first, int(used.sum()), lost
    )
    if not used.any():
        raise IdentificationError(
            "no_events",
            f"no change can be used in a window of -{spec.pre}..+{spec.post}",
            where=[f"{n:,} {name}" for name, n in lost.items() if n],
            how="shorten the window, or set isolate=False and mind the contaminated events",
        )
    return ledger


def _rows(
    spec: StackedWindows,
    grid: Grid,
    y: FloatArray,
    values: WindowValues,
    stayer: BoolArray,
    groups: Groups,
) -> pd.DataFrame:
    """Return one row a window and event time, the events and stayers of all stacks."""
    parts = []
    for code in range(len(groups.names)):
        mine = groups.code == code
        inside = stayer & mine.any(axis=0)
        for cell in values.cells:
            inside &= shares_cell(mine, cell)
        unit, at = np.nonzero(mine | inside)
        parts.append((unit, at, mine[unit, at], np.full(unit.size, code)))
    unit, at, treated, group = (np.concatenate(part) for part in zip(*parts, strict=True))
    weight = values.weight[unit, at]
    if spec.weighting == "events":
        cell = values.cells[0][unit, at] if len(values.cells) == 1 else np.zeros_like(at)
        stack = encode_pairs(encode_pairs(at, group)[0], cell)[0]
        weight = np.where(treated, weight, weight * _ratio(weight, treated, stack))
    width = spec.years.size
    k = np.tile(spec.years, unit.size)
    row_before = np.repeat(values.row[unit, at], width)
    unit, at = np.repeat(unit, width), np.repeat(at, width)
    return pd.DataFrame(
        {
            "stack": at + grid.first_year,
            "event_group": np.repeat(group, width),
            "unit_id": grid.units[unit],
            "school_year_end": at + k + grid.first_year,
            "event_time": k,
            "treated": np.repeat(treated, width).astype(np.int64),
            "weight": np.repeat(weight, width),
            "y": y[unit, at + k],
            "row": grid.row[unit, at + k],
            "row_before": row_before,
        }
    )


def _ratio(weight: FloatArray, treated: BoolArray, stack: IntArray) -> FloatArray:
    """Return for each row the weight of its stack's events over that of its stayers."""
    n = int(stack.max()) + 1
    of_events, of_stayers = (group_sums(weight * w, stack, n) for w in (treated, ~treated))
    return np.asarray((of_events / np.where(of_stayers > 0, of_stayers, 1.0))[stack])


def stacked_design(
    spec: StackedWindows, sample: StackedSample, clusters: tuple[str, ...], panel: Panel
) -> Design:
    """Return the arrays of a stacked regression.

    Unit effects are by stack. With `LagAdjusted`, lagged outcomes by event time stand in their
    place, and only event times from 0 on are kept.
    """
    frame = sample.frame
    lagged = isinstance(spec.base, LagAdjusted)
    keep = (frame["event_time"] >= 0).to_numpy() if lagged else np.ones(len(frame), dtype=bool)
    part = frame[keep].reset_index(drop=True)
    k, times = part["event_time"].to_numpy(), estimated_times(spec)
    on_time = {t: k == t for t in times}
    series = _series(spec, sample, part, panel)
    columns = [value * on_time[t] for value in series.values() for t in times]
    names = [term_name(t, label) for label in series for t in times]
    if isinstance(spec.base, LagAdjusted):
        lags = _lags(frame, spec)[keep]
        columns += [lag * on_time[t] for lag in lags.T for t in times]
        labels = [f"y[t-{j + 1}]" for j in range(lags.shape[1])]
        names += [f"{label} at {term_name(t)}" for label in labels for t in times]
    z, z_names = _controls(spec, sample, part, panel)
    columns += [value * on_time[t] for value in z.T for t in times]
    names += [f"{name} at {term_name(t)}" for name in z_names for t in times]
    return Design(
        response=Continuous(part["y"].to_numpy(dtype=float, copy=True)),
        x=np.column_stack(columns),
        names=tuple(names),
        weights=part["weight"].to_numpy(dtype=float, copy=True),
        effects=_effects(spec, sample, part, panel),
        clusters=codes_of(_with_clusters(part, clusters, panel), clusters),
        rows=part["row"].to_numpy(copy=True),
        ledger=sample.ledger,
    )


def _series(
    spec: StackedWindows, sample: StackedSample, part: pd.DataFrame, panel: Panel
) -> dict[str, FloatArray]:
    """Return what stands before each path of effects: who is an event, of which group."""
    treated = part["treated"].to_numpy(dtype=float)
    if not spec.moderator:
        code = part["event_group"].to_numpy()
        return {name: treated * (code == j) for j, name in enumerate(sample.groups)}
    value = as_floats(panel.frame[spec.moderator])[part["row_before"].to_numpy()]
    mean = np.average(value, weights=treated * part["weight"].to_numpy())
    return {"": treated, per_unit(spec.moderator): treated * (value - mean)}


def _controls(
    spec: StackedWindows, sample: StackedSample, part: pd.DataFrame, panel: Panel
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return covariates and the moderator at event time -1, of events and stayers alike."""
    row = part["row_before"].to_numpy()
    z, names = covariate_matrix(panel, sample.extras.covariates, row)
    if not spec.moderator:
        return z, names
    value = as_floats(panel.frame[spec.moderator])[row]
    return np.column_stack([z, value]), (*names, spec.moderator)


def per_unit(moderator: str) -> str:
    """Return the label of the path by which a moderator moves effects."""
    return f"per unit of {moderator}"


def _effects(
    spec: StackedWindows, sample: StackedSample, part: pd.DataFrame, panel: Panel
) -> dict[str, IntArray]:
    """Return the codes of the absorbed effects, all by stack (and by group of events)."""
    grouped = "stack^event_group" if spec.by else "stack"
    own = (f"{grouped}^unit_id",) if not isinstance(spec.base, LagAdjusted) else ()
    if not sample.extras.effects:
        return codes_of(part, (*own, f"{grouped}^school_year_end"))
    year = codes_of(part, (f"{grouped}^school_year_end",))[f"{grouped}^school_year_end"]
    found, row = codes_of(part, own), part["row_before"].to_numpy()
    for effect in sample.extras.effects:
        codes = year
        for column in effect_columns(effect):
            codes = encode_pairs(codes, encode(panel.frame[column])[0][row])[0]
        found[f"{grouped}^{effect}"] = codes
    return found


def _with_clusters(part: pd.DataFrame, clusters: tuple[str, ...], panel: Panel) -> pd.DataFrame:
    """Return the rows with the panel's columns by which errors may be clustered."""
    outside = [c for c in clusters if c not in part.columns]
    missing = [c for c in outside if c not in panel.frame.columns]
    if missing:
        raise SpecError("cluster", "the panel has no such columns", where=missing)
    at = part["row"].to_numpy()
    part = part.assign(**{c: panel.frame[c].to_numpy()[at] for c in outside})
    unknown = {c: int(part[c].isna().sum()) for c in outside}
    if any(unknown.values()):
        raise SpecError(
            "cluster",
            "clusters are missing in rows of the stacks",
            where=[f"'{c}' in {n:,} rows" for c, n in unknown.items() if n],
            how="fill the column, or cluster by another one",
        )
    return part


def estimated_times(spec: StackedWindows) -> list[int]:
    """Return the event times that have a coefficient of their own."""
    if isinstance(spec.base, LagAdjusted):
        return [int(k) for k in spec.years if k >= 0]
    omitted = spec.base.event_time if isinstance(spec.base, BaseYear) else -1
    return [int(k) for k in spec.years if k != omitted]


def term_name(event_time: int, series: str = "") -> str:
    """Return the name of the effect at an event time: ``k=-2``, or ``k=+0, internal``."""
    return f"k={event_time:+d}" + (f", {series}" if series else "")


def _lags(frame: pd.DataFrame, spec: StackedWindows) -> FloatArray:
    """Return the outcomes at event times -1, -2, ... of each row's window."""
    assert isinstance(spec.base, LagAdjusted)
    width = spec.years.size
    y = frame["y"].to_numpy(dtype=float).reshape(-1, width)
    before = y[:, [spec.pre - lag for lag in range(1, spec.base.lags + 1)]]
    return np.repeat(before, width, axis=0)
