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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.design import Continuous, Design, as_floats, codes_of
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
        if wrong:
            raise SpecError("stacked", "this design can't be built", where=wrong)

    @property
    def years(self) -> IntArray:
        """Event times of the window."""
        return np.arange(-self.pre, self.post + 1)

    def build(self, panel: Panel, outcome: str) -> StackedSample:
        """Find events and stayers, and return the rows, the support and what isolation cost."""
        return build_sample(self, panel, outcome)


@dataclass(frozen=True, eq=False)
class StackedSample:
    """The rows of a stacked design.

    Attributes
    ----------
    frame : DataFrame
        ``stack, unit_id, school_year_end, event_time, treated, weight, y`` and the panel row.
    support : DataFrame
        ``stack, n_events, n_stayers`` for each stack in use.
    fates : DataFrame
        One row an event (a unit-year with a change): ``unit_id, school_year_end, fate``.
    n_contaminated : int
        Events in use that do not stand alone in their window (0 if isolated).
    ledger : RowLedger
    """

    frame: pd.DataFrame
    support: pd.DataFrame
    fates: pd.DataFrame
    n_contaminated: int
    ledger: RowLedger


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


FATES = (
    "with a date that is not known",
    "in windows that leave the time under observation",
    "in windows with missing outcomes",
    "in windows with another change",
    "without stayers",
)


def build_sample(spec: StackedWindows, panel: Panel, outcome: str) -> StackedSample:
    """Build the rows of a stacked design; see `StackedWindows`."""
    grid = unit_year_grid(panel)
    y = _outcome(panel, grid, outcome)
    around = windows_around(grid, spec.pre, spec.post)
    width = spec.pre + spec.post + 1
    complete = window_sums(np.isfinite(y).astype(np.int64), spec.pre, spec.post) == width
    observed, alone = around.observed, around.alone
    stayer = complete & observed & around.unchanged
    event = grid.n_changes > 0
    has_stayers = stayer.any(axis=0)
    fate = np.select(
        [grid.n_undated > 0, ~observed, ~complete, ~alone & spec.isolate, ~has_stayers],
        [0, 1, 2, 3, 4],
        default=-1,
    )
    used = event & (fate == -1)
    unit, at = np.nonzero(event)
    names = np.array([*FATES, "used"], dtype=object)
    fates = pd.DataFrame(
        {
            "unit_id": grid.units[unit],
            "school_year_end": at + grid.first_year,
            "n_changes": grid.n_changes[unit, at],
            "fate": names[fate[unit, at]],
        }
    )
    lost = {name: int((event & (fate == j)).sum()) for j, name in enumerate(FATES)}
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
    frame = _rows(spec, grid, y, used, stayer)
    counts = frame[frame["event_time"] == 0].groupby("stack")["treated"]
    support = pd.DataFrame({"n_events": counts.sum(), "n_stayers": counts.size() - counts.sum()})
    contaminated = int((used & ~alone).sum())
    return StackedSample(frame, support.reset_index(), fates, contaminated, ledger)


def _rows(
    spec: StackedWindows, grid: Grid, y: FloatArray, used: BoolArray, stayer: BoolArray
) -> pd.DataFrame:
    """Return one row a stack, unit and year, events and stayers of all stacks."""
    in_stack = used | (stayer & used.any(axis=0))
    unit, at = np.nonzero(in_stack)
    treated = used[unit, at]
    n_events, n_stayers = used.sum(axis=0), (in_stack & ~used).sum(axis=0)
    weight = np.ones(unit.size)
    if spec.weighting == "events":
        weight = np.where(treated, 1.0, n_events[at] / np.maximum(n_stayers[at], 1))
    k = np.tile(spec.years, unit.size)
    width = spec.years.size
    unit, at = np.repeat(unit, width), np.repeat(at, width)
    treated, weight = np.repeat(treated, width), np.repeat(weight, width)
    return pd.DataFrame(
        {
            "stack": at + grid.first_year,
            "unit_id": grid.units[unit],
            "school_year_end": at + k + grid.first_year,
            "event_time": k,
            "treated": treated.astype(np.int64),
            "weight": weight,
            "y": y[unit, at + k],
            "row": grid.row[unit, at + k],
        }
    )


def stacked_design(
    spec: StackedWindows, sample: StackedSample, clusters: tuple[str, ...], panel: Panel
) -> Design:
    """Return the arrays of a stacked regression.

    Unit effects are by stack. With `LagAdjusted`, lagged outcomes by event time stand in their
    place, and only event times from 0 on are kept.
    """
    frame = sample.frame
    lagged = isinstance(spec.base, LagAdjusted)
    lags = _lags(frame, spec) if isinstance(spec.base, LagAdjusted) else None
    keep = (frame["event_time"] >= 0).to_numpy() if lagged else np.ones(len(frame), dtype=bool)
    part = frame[keep].reset_index(drop=True)
    k = part["event_time"].to_numpy()
    times = estimated_times(spec)
    treated = part["treated"].to_numpy(dtype=float)
    columns = [treated * (k == t) for t in times]
    names = [term_name(t) for t in times]
    if lags is not None:
        for lag in range(lags.shape[1]):
            for t in times:
                columns.append(lags[keep, lag] * (k == t))
                names.append(f"y[t-{lag + 1}] at {term_name(t)}")
    outside = [c for c in clusters if c not in part.columns]
    if outside:
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
    effects = ("stack^school_year_end",) if lagged else ("stack^unit_id", "stack^school_year_end")
    return Design(
        response=Continuous(part["y"].to_numpy(dtype=float, copy=True)),
        x=np.column_stack(columns),
        names=tuple(names),
        weights=part["weight"].to_numpy(dtype=float, copy=True),
        effects=codes_of(part, effects),
        clusters=codes_of(part, clusters),
        rows=part["row"].to_numpy(copy=True),
        ledger=sample.ledger,
    )


def estimated_times(spec: StackedWindows) -> list[int]:
    """Return the event times that have a coefficient of their own."""
    if isinstance(spec.base, LagAdjusted):
        return [int(k) for k in spec.years if k >= 0]
    omitted = spec.base.event_time if isinstance(spec.base, BaseYear) else -1
    return [int(k) for k in spec.years if k != omitted]


def term_name(event_time: int) -> str:
    """Return the name of the effect at an event time: ``k=-2``, ``k=+0``."""
    return f"k={event_time:+d}"


def _lags(frame: pd.DataFrame, spec: StackedWindows) -> FloatArray:
    """Return the outcomes at event times -1, -2, ... of each row's window."""
    assert isinstance(spec.base, LagAdjusted)
    width = spec.years.size
    y = frame["y"].to_numpy(dtype=float).reshape(-1, width)
    before = y[:, [spec.pre - lag for lag in range(1, spec.base.lags + 1)]]
    return np.repeat(before, width, axis=0)
