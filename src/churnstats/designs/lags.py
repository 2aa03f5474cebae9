r"""Numbers of changes with their leads and lags, for designs that use every change at once.

Let :math:`x_{ut}` be the number of changes of unit u in school year t and
:math:`X_{ut} = \sum_{s \le t} x_{us}`. Event times beyond the window are binned at its ends
(Schmidheiny and Siegloch 2023), so that the regressors at event times -pre to post are

.. math:: b^{-pre}_{ut} = \sum_{s \ge t + pre} x_{us}, \qquad b^k_{ut} = x_{u,t-k}, \qquad
          b^{post}_{ut} = X_{u,t-post} .

A change that all rows of a unit have in the same bin is constant in them. So changes need to be
known from t - post + 1 to t + pre - 1 only, and from there to the same years of the unit's next
row. Rows of a unit between which some year's changes are not known belong to two stretches, each
with an effect of its own, which takes in what happened before it and in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, IntArray
from churnstats.designs.absorbing import require_panel
from churnstats.designs.ask import Ask
from churnstats.designs.design import Continuous, Design, codes_of
from churnstats.designs.stacked import term_name
from churnstats.designs.terms import (
    complete_rows,
    numeric,
    regressors,
    weights_of,
)
from churnstats.numerics.groups import encode, is_nested
from churnstats.panel.isolation import MOST_OF_THE_YEAR, Grid, unit_year_grid
from churnstats.panel.panel import Panel

# A unit of the ledger's own: the panel's frame may have been cut after its unit-years were counted.
UNIT = "panel rows"
FATES = ("with a date that is not known", "not in reach of a row in use")


@dataclass(frozen=True)
class LagWindow:
    """The window of distributed lags; `DistributedLags` tells what it means."""

    pre: int = 3
    post: int = 3

    def __post_init__(self) -> None:
        if self.pre < 1 or self.post < 0:
            raise SpecError(
                "distributed_lags",
                "this design can't be built",
                where=[f"pre={self.pre}, post={self.post}: pre is at least 1, post at least 0"],
            )

    @property
    def years(self) -> IntArray:
        """Event times of the window; the first and the last stand for all beyond them."""
        return np.arange(-self.pre, self.post + 1)


@dataclass(frozen=True, eq=False)
class LagSample:
    """The rows of a regression on leads and lags.

    Attributes
    ----------
    design : Design
        Regressors at all event times but -1, then covariates.
    n_events : (pre + post + 1,) array
        By event time the changes that rows in use see there; at the ends of the window those
        that pass into the bin or out of it.
    support : DataFrame
        ``school_year_end, n_units, n_changes`` of rows in use.
    fates : DataFrame
        One row a unit-year with a change: ``unit_id, school_year_end, n_changes, fate``.
    n_units, n_units_without_change, n_stretches : int
    """

    design: Design
    n_events: IntArray
    support: pd.DataFrame
    fates: pd.DataFrame
    n_units: int
    n_units_without_change: int
    n_stretches: int


def known_changes(panel: Panel, grid: Grid) -> BoolArray:
    """Tell where the changes of a unit-year are known.

    The year and the one before it are under observation, and no change lacks its date. So the
    changes of a unit's first year are not known, whoever leads then may have just begun.
    """
    share = panel.frame["observed_share"].to_numpy(dtype=float)
    present = (grid.row >= 0) & (share[grid.row] >= MOST_OF_THE_YEAR)
    known: BoolArray = grid.observed & (grid.n_undated == 0)
    known[:, 1:] &= present[:, :-1]
    known[:, 0] = False
    return known


def lag_regressors(x: IntArray, unit: IntArray, at: IntArray, pre: int, post: int) -> IntArray:
    """Return the regressors at event times -pre to post, binned at the ends.

    Parameters
    ----------
    x : (U, T) integer array
        Numbers of changes.
    unit, at : (n,) integer arrays
        Places of rows, of which ``post <= at <= T - pre``.

    Returns
    -------
    (n, pre + post + 1) array

    Examples
    --------
    >>> x = np.array([[0, 1, 0, 2, 0, 1]])
    >>> lag_regressors(x, np.zeros(3, dtype=int), np.array([1, 2, 3]), pre=2, post=1)
    array([[3, 0, 1, 0],
           [1, 2, 0, 1],
           [1, 0, 2, 1]])
    """
    total = np.cumsum(x, axis=1)
    inner = [x[unit, at - k] for k in range(1 - pre, post)]
    first = total[unit, -1] - total[unit, at + pre - 1]
    return np.column_stack([first, *inner, total[unit, at - post]])


def lag_sample(spec: LagWindow, panel: Panel, ask: Ask) -> LagSample:
    """Build the rows of a regression on leads and lags; see `DistributedLags`."""
    require_panel(panel)
    frame, grid = panel.frame, unit_year_grid(panel)
    ask.check(frame)
    columns = (ask.outcome, *ask.covariate_columns, *ask.effect_columns, *ask.clusters)
    rows, ledger = complete_rows(frame, tuple(dict.fromkeys(columns)), ask.weights)
    known = known_changes(panel, grid)
    x = np.where(known, grid.n_changes, 0)
    unit, at = (place[rows] for place in places_of_rows(grid, len(frame)))
    stretch = stretches(known, unit, at, spec)
    alone = (stretch >= 0) & (np.bincount(stretch + 1)[stretch + 1] == 1)
    kept = (stretch >= 0) & ~alone
    lost = dict(ledger.steps[-1].lost)
    lost["with leads or lags that are not known"] = int((stretch < 0).sum())
    lost["without a second row of their stretch"] = int(alone.sum())
    if not kept.any():
        raise _no_rows(spec, grid, lost)
    ledger = panel.ledger.step("leads and lags", UNIT, len(frame), int(kept.sum()), lost)
    rows, unit, at, stretch = rows[kept], unit[kept], at[kept], encode(stretch[kept])[0]
    b = lag_regressors(x, unit, at, spec.pre, spec.post)
    n_events = _changes_seen(b, stretch)
    if not n_events.any():
        raise IdentificationError(
            "no_events",
            f"no change falls into a window of -{spec.pre}..+{spec.post} around the rows in use",
            where=[f"{n:,} rows {why}" for why, n in lost.items() if n],
            how="shorten the window, or use records of more years",
        )
    reach = (x > 0) & _near(unit, at, x.shape, spec)
    year = pd.DataFrame({"school_year_end": at + grid.first_year, "n": x[unit, at]})
    by_year = year.groupby("school_year_end")["n"]
    units = np.unique(unit)
    return LagSample(
        design=_design(spec, frame.iloc[rows], rows, b, stretch, ask, ledger),
        n_events=n_events,
        support=pd.DataFrame({"n_units": by_year.size(), "n_changes": by_year.sum()}).reset_index(),
        fates=_fates(grid, reach),
        n_units=int(units.size),
        n_units_without_change=int((~reach[units].any(axis=1)).sum()),
        n_stretches=int(stretch.max()) + 1,
    )


def places_of_rows(grid: Grid, n_rows: int) -> tuple[IntArray, IntArray]:
    """Return unit and year, as places in the grid, of each row of the panel."""
    u, t = np.nonzero(grid.row >= 0)
    unit, at = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    unit[grid.row[u, t]], at[grid.row[u, t]] = u, t
    return unit, at


def stretches(known: BoolArray, unit: IntArray, at: IntArray, spec: LagWindow) -> IntArray:
    """Return the stretch of each row, -1 where its window holds a year that is not known.

    Of two rows of one stretch all years in their windows and between these are known.
    """
    n_years = known.shape[1]
    gaps = np.cumsum(~known, axis=1)
    first, last = at - spec.post, at + spec.pre - 1
    inside = (first >= 0) & (last < n_years)
    start = gaps[unit, np.maximum(first, 0)]
    whole = inside & (gaps[unit, np.minimum(last, n_years - 1)] == start)
    return np.where(whole, unit * (n_years + 1) + start, -1)


def _changes_seen(b: IntArray, stretch: IntArray) -> IntArray:
    """Count changes by event time: those in rows in use; at the ends, those that come or go."""
    seen = b.sum(axis=0)
    order = np.argsort(stretch, kind="stable")
    bounds = np.flatnonzero(np.r_[True, np.diff(stretch[order]) > 0])
    for end in (0, -1):
        column = b[order, end]
        spread = np.maximum.reduceat(column, bounds) - np.minimum.reduceat(column, bounds)
        seen[end] = spread.sum()
    return np.asarray(seen, dtype=np.int64)


def _near(unit: IntArray, at: IntArray, shape: tuple[int, int], spec: LagWindow) -> BoolArray:
    """Tell which unit-years have a row in use at one of the event times of the window."""
    used = np.zeros(shape, dtype=np.int64)
    used[unit, at] = 1
    total = np.concatenate([np.zeros((shape[0], 1), dtype=np.int64), used.cumsum(axis=1)], axis=1)
    year = np.arange(shape[1])
    low, high = np.maximum(year - spec.pre, 0), np.minimum(year + spec.post + 1, shape[1])
    return np.asarray(total[:, high] > total[:, low])


def _fates(grid: Grid, reach: BoolArray) -> pd.DataFrame:
    unit, at = np.nonzero(grid.n_changes > 0)
    names = np.array([*FATES, "used"], dtype=object)
    fate = np.select([grid.n_undated[unit, at] > 0, ~reach[unit, at]], [0, 1], default=2)
    return pd.DataFrame(
        {
            "unit_id": grid.units[unit],
            "school_year_end": at + grid.first_year,
            "n_changes": grid.n_changes[unit, at],
            "fate": names[fate],
        }
    )


def _design(
    spec: LagWindow,
    sample: pd.DataFrame,
    rows: IntArray,
    b: IntArray,
    stretch: IntArray,
    ask: Ask,
    ledger: RowLedger,
) -> Design:
    free = spec.years != -1
    x, names = b[:, free].astype(float), tuple(term_name(int(k)) for k in spec.years[free])
    if ask.covariates:
        more, more_names = regressors(sample, ask.covariates, intercept=False)
        x, names = np.column_stack([x, more]), names + more_names
    further = codes_of(sample, ask.effects)
    year = codes_of(sample, ("school_year_end",))
    if any(is_nested(codes, year["school_year_end"]) for codes in further.values()):
        year = {}
    return Design(
        response=Continuous(numeric(sample, ask.outcome)),
        x=x,
        names=names,
        weights=weights_of(sample, ask.weights),
        effects={"unit_id^stretch": stretch, **year, **further},
        clusters=codes_of(sample, ask.clusters),
        rows=rows,
        ledger=ledger,
    )


def _no_rows(spec: LagWindow, grid: Grid, lost: dict[str, int]) -> IdentificationError:
    n_years = grid.row.shape[1]
    return IdentificationError(
        "window",
        f"no row has all leads and lags of a window of -{spec.pre}..+{spec.post} and a second row "
        f"beside it; the panel has {n_years} school years",
        where=[f"{n:,} rows {why}" for why, n in lost.items() if n],
        how="shorten the window, or use records of more years",
    )
