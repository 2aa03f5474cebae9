"""Units by cohort, and the pairs of cohort and year in which each is compared with controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.absorbing import CohortRows
from churnstats.designs.design import Cohorts, Design
from churnstats.numerics.groups import encode, group_sums


@dataclass(frozen=True, eq=False)
class Units:
    """Units by cohort.

    Parameters
    ----------
    group : (n,) integer array
        Codes of cohorts.
    year : (H,) array
        Year of each cohort; infinite for units that are never treated.
    y : (n, T) array
        Zero where it is missing.
    seen : (n, T) array
        1 where there is an outcome, 0 where it is missing.
    total, size : (H, T) arrays
        Sums of weighted outcomes and of weights, by cohort and year.
    n : (H, T) array
        Units with an outcome.
    share : (H,) array
        Weight of each cohort's units.
    """

    group: IntArray
    year: FloatArray
    y: FloatArray
    seen: FloatArray
    total: FloatArray
    size: FloatArray
    n: FloatArray
    share: FloatArray


@dataclass(frozen=True, eq=False)
class Cells:
    """Pairs of cohort and year: codes of cohort, year and base year, and who the controls are.

    Parameters
    ----------
    g, t, b : (C,) integer arrays
    pool : (C, H) bool array
    event_time : (C,) integer array
    """

    g: IntArray
    t: IntArray
    b: IntArray
    pool: BoolArray
    event_time: IntArray

    def take(self, rows: BoolArray) -> Cells:
        """Return some cells."""
        return Cells(
            self.g[rows], self.t[rows], self.b[rows], self.pool[rows], self.event_time[rows]
        )


def units_by_cohort(data: Cohorts, w: FloatArray) -> Units:
    """Sort units by cohort and sum them up."""
    year, group = np.unique(
        np.where(np.isnan(data.cohort), np.inf, data.cohort), return_inverse=True
    )
    known = np.isfinite(data.y)
    y, seen = np.where(known, data.y, 0.0), known.astype(float)
    parts = (y * w[:, None], seen * w[:, None], seen)
    total, size, n = (group_sums(part, group, year.size) for part in parts)
    share = group_sums(w, group, year.size)
    return Units(group.astype(np.int64), year, y, seen, total, size, n, share)


def cohort_cells(
    units: Units,
    years: IntArray,
    *,
    controls: str,
    anticipation: int,
    base: str,
    first: int | None = None,
    last: int | None = None,
) -> Cells:
    """Return every cohort and year with a base year, but the base year itself."""
    end, ahead = years[-1], anticipation
    treated = np.flatnonzero(units.year <= end)
    g, t = (a.ravel() for a in np.meshgrid(treated, np.arange(years.size), indexing="ij"))
    start = (units.year[g] - years[0]).astype(np.int64)
    b = start - 1 - ahead
    if base == "varying":
        b = np.where(t < start - ahead, np.where(b >= 0, t - 1, -1), b)
    apart = t - start
    kept = (b >= 0) & (t != b)
    if kept.any() and not (kept & _within(apart, first, last)).any():
        raise IdentificationError(
            "no_effects",
            "no event time lies between `first` and `last`",
            how=f"the event times are {apart[kept].min():+d} to {apart[kept].max():+d}",
        )
    kept &= _within(apart, first, last)
    g, t, b, apart = g[kept], t[kept], b[kept], apart[kept]
    if not g.size:
        raise IdentificationError(
            "no_pre_period",
            "no cohort has a year before its treatment" + (" and anticipation" if ahead else ""),
            how="begin the data earlier",
        )
    if controls == "never":
        pool = np.tile(units.year > end + ahead, (g.size, 1))
    else:
        pool = units.year > (years[0] + np.maximum(t, b) + ahead)[:, None]
        pool[np.arange(g.size), g] = False
    if not pool.any():
        how = "set controls='not_yet'" if controls == "never" else "add untreated units"
        raise IdentificationError("no_controls", "no controls are left", how=how)
    return Cells(g, t, b, pool, apart)


def _within(apart: IntArray, first: int | None, last: int | None) -> BoolArray:
    low = -np.inf if first is None else first
    high = np.inf if last is None else last
    return np.asarray((apart >= low) & (apart <= high))


def unit_design(rows: CohortRows, anticipation: int) -> Design:
    """Return units by year, without those that have no year before their treatment."""
    unit = rows.unit
    n, first = int(unit.max()) + 1, int(rows.year.min())
    at = np.zeros(n, dtype=np.int64)
    at[unit] = np.arange(unit.size)
    _require_constant(rows, at)
    years = np.arange(first, int(rows.year.max()) + 1)
    y = np.full((n, years.size), np.nan)
    x = np.full((n, years.size, rows.x.shape[1]), np.nan)
    y[unit, rows.year - first], x[unit, rows.year - first] = rows.y, rows.x
    cohort = rows.cohort[at]
    at_once, too_early = cohort <= first, cohort <= first + anticipation
    kept = np.flatnonzero(~too_early)
    lost = {
        "treated in the first year": int(at_once.sum()),
        "without a year before anticipation": int((too_early & ~at_once).sum()),
    }
    ledger = rows.ledger.step("units with a year before", "units of the rows", n, kept.size, lost)
    treated = cohort <= years[-1]
    if not treated.any():
        raise IdentificationError(
            "no_events",
            f"no unit is treated in the years {first} to {years[-1]}",
            how="use data of more years",
        )
    if not treated[kept].any():
        raise IdentificationError(
            "no_pre_period",
            "no unit has a year before its treatment"
            + (" and anticipation" if anticipation else ""),
            where=[f"{count} {name}" for name, count in lost.items() if count],
            how="begin the data earlier",
        )
    whole = Cohorts(y, cohort, years, x)
    return Design(
        response=whole.take(kept),
        x=np.zeros((kept.size, 0)),
        names=(),
        weights=rows.weights[at][kept],
        clusters={name: encode(c[at][kept])[0] for name, c in rows.clusters.items()},
        ledger=ledger,
    )


def _require_constant(rows: CohortRows, at: IntArray) -> None:
    """Raise if weights or clusters vary within units."""
    given = {"weights": rows.weights, **rows.clusters}
    varying = [name for name, v in given.items() if (v != v[at][rows.unit]).any()]
    if varying:
        raise SpecError(
            "varies",
            "weights and clusters must be the same in all years of a unit",
            where=varying,
            how="take those of the first year, or their mean",
        )
