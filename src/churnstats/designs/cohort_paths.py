"""Event times, cells of cohort by event time and their shares, for units that change once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.absorbing import Absorbing, CohortRows
from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import term_name
from churnstats.numerics.groups import encode, encode_pairs, group_sums, is_nested

OVERALL = "att"


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of cohort and event time that have a coefficient.

    Parameters
    ----------
    cohort, event_time : (m,) arrays
    codes : (n,) array
        Cell of each row; -1 for rows in none.
    weight : (m,) array
        Sum of the weights of a cell's rows.
    """

    cohort: IntArray
    event_time: IntArray
    codes: IntArray
    weight: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, such as ``cohort=2012 k=+0``."""
        pairs = zip(self.cohort, self.event_time, strict=True)
        return tuple(f"cohort={g} {term_name(int(k))}" for g, k in pairs)

    def dummies(self) -> FloatArray:
        """Return the (n, m) dummies."""
        values = np.zeros((self.codes.size, self.cohort.size))
        inside = np.flatnonzero(self.codes >= 0)
        values[inside, self.codes[inside]] = 1.0
        return values

    def averages(self, x_names: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
        """Return what turns coefficients of cells and covariates into a path.

        Cells are averaged by event time, and over all k >= 0, each row by its weight; shares
        count as known. Covariates stay as they are.

        Returns
        -------
        combine : (q, m + p) array
        names : tuple of str
        times : (q,) array
            NaN for the overall mean and the covariates.
        """
        times = np.unique(self.event_time)
        n_cells, p = self.cohort.size, len(x_names)
        shares = np.zeros((times.size + 1, n_cells))
        shares[encode(self.event_time)[0], np.arange(n_cells)] = self.weight
        shares[-1] = np.where(self.event_time >= 0, self.weight, 0.0)
        total = shares.sum(axis=1, keepdims=True)
        combine = np.zeros((times.size + 1 + p, n_cells + p))
        combine[: times.size + 1, :n_cells] = shares / np.where(total > 0, total, np.nan)
        combine[times.size + 1 :, n_cells:] = np.eye(p)
        names = (*(term_name(int(k)) for k in times), OVERALL, *x_names)
        return combine, names, np.r_[times, np.full(1 + p, np.nan)]

    def table(self, coef: FloatArray) -> pd.DataFrame:
        """Return effect and weight by cohort and event time."""
        return pd.DataFrame(
            {
                "cohort": self.cohort,
                "event_time": self.event_time,
                "estimate": coef[: self.cohort.size],
                "weight": self.weight,
            }
        )


def event_times(rows: CohortRows) -> FloatArray:
    """Return the years since the change, NaN for units that never change."""
    return np.asarray(rows.year - rows.cohort, dtype=float)


def cells_of(rows: CohortRows, inside: BoolArray) -> Cells:
    """Return the cells of cohort and event time that some rows make up."""
    at = np.flatnonzero(inside)
    cohort = rows.cohort[at].astype(np.int64)
    time = event_times(rows)[at].astype(np.int64)
    pairs, n_cells = encode_pairs(encode(cohort)[0], encode(time)[0])
    first = np.zeros(n_cells, dtype=np.int64)
    first[pairs[::-1]] = np.arange(at.size)[::-1]
    codes = np.full(inside.size, -1, dtype=np.int64)
    codes[at] = pairs
    weight = group_sums(rows.weights[at], pairs, n_cells)
    return Cells(cohort[first], time[first], codes, weight)


def keep_rows(rows: CohortRows, lost: Mapping[str, BoolArray]) -> CohortRows:
    """Return the rows that no reason takes away; a row is counted under the first that does."""
    kept = np.ones(rows.y.size, dtype=bool)
    counts: dict[str, int] = {}
    for reason, gone in lost.items():
        counts[reason] = int((kept & gone).sum())
        kept &= ~gone
    if kept.all():
        return rows
    if not kept.any():
        found = [f"{n} rows {why}" for why, n in counts.items() if n]
        raise IdentificationError("no_rows", "no row is left", where=found)
    at = np.flatnonzero(kept)
    return replace(
        rows,
        y=rows.y[at],
        unit=encode(rows.unit[at])[0],
        year=rows.year[at],
        cohort=rows.cohort[at],
        x=rows.x[at],
        weights=rows.weights[at],
        effects={name: encode(codes[at])[0] for name, codes in rows.effects.items()},
        clusters={name: encode(codes[at])[0] for name, codes in rows.clusters.items()},
        rows=rows.rows[at],
        ledger=rows.ledger.step("comparison", "rows", kept.size, at.size, counts),
    )


def two_way_effects(rows: CohortRows) -> dict[str, IntArray]:
    """Return the effects of units, of years and those asked for.

    An effect of units or years that a further effect spans (years under district-years) is left
    out: it would be counted twice in the degrees of freedom.
    """
    own = {"unit_id": rows.unit, "school_year_end": encode(rows.year)[0]}
    free = {
        name: codes
        for name, codes in own.items()
        if not any(is_nested(finer, codes) for finer in rows.effects.values())
    }
    return {**free, **{k: v for k, v in rows.effects.items() if k not in own}}


def regression_design(rows: CohortRows, x: FloatArray, names: tuple[str, ...]) -> Design:
    """Return the design of a two-way regression on columns, and on the covariates after them."""
    return Design(
        response=Continuous(rows.y),
        x=np.column_stack([x, rows.x]),
        names=(*names, *rows.x_names),
        weights=rows.weights,
        effects=two_way_effects(rows),
        clusters=rows.clusters,
        rows=rows.rows,
        ledger=rows.ledger,
    )


def path_keys(
    times: FloatArray, counts: Mapping[int, int], n_events: int, in_base: bool = False
) -> pd.DataFrame:
    """Return the keys of terms: event time, number of events behind it, whether it is the base.

    Terms without an event time have NaN there, and all events behind them.
    """
    behind = [n_events if np.isnan(k) else counts.get(int(k), 0) for k in times]
    return pd.DataFrame(
        {
            "event_time": np.asarray(times, dtype=float),
            "n_events": np.array(behind, dtype=np.int64),
            "in_base": np.full(len(times), in_base),
        }
    )


def count_events(rows: CohortRows, times: FloatArray) -> dict[int, int]:
    """Return the number of units observed at each event time."""
    table = support_table(rows, times)
    pairs = zip(table["event_time"], table["n_events"], strict=True)
    return {int(k): int(n) for k, n in pairs}


def support_table(rows: CohortRows, times: FloatArray) -> pd.DataFrame:
    """Return events, cohorts and rows by event time."""
    at = np.flatnonzero(~np.isnan(times))
    k = times[at].astype(np.int64)
    cohort = rows.cohort[at].astype(np.int64)
    first, n_times = int(k.min(initial=0)), int(np.ptp(k)) + 1 if k.size else 0
    k = k - first
    n_rows = np.bincount(k, minlength=n_times)
    seen = np.flatnonzero(n_rows)
    return pd.DataFrame(
        {
            "event_time": (seen + first).astype(float),
            "n_events": _n_distinct(k, rows.unit[at], n_times)[seen],
            "n_cohorts": _n_distinct(k, cohort - cohort.min(initial=0), n_times)[seen],
            "n_rows": n_rows[seen],
        }
    )


def _n_distinct(groups: IntArray, codes: IntArray, n_groups: int) -> IntArray:
    """Return the number of different codes in each group."""
    seen = np.zeros((n_groups, int(codes.max(initial=0)) + 1), dtype=bool)
    seen[groups, codes] = True
    return np.asarray(seen.sum(axis=1))


def sample_counts(rows: CohortRows) -> dict[str, int]:
    """Return the counts of a sample: events, cohorts, units that never change, years.

    An event is a unit that is seen in the year of its change or later.
    """
    first = np.zeros(int(rows.unit.max()) + 1)
    first[rows.unit] = rows.cohort
    changes = ~np.isnan(first)
    seen = np.zeros(first.size, dtype=bool)
    seen[rows.unit[event_times(rows) >= 0]] = True
    before = int((changes & ~seen).sum())
    return {
        "n_events": int(seen.sum()),
        "n_cohorts": int(np.unique(first[seen]).size),
        "n_units_that_never_change": int((~changes).sum()),
        **({"n_units_seen_only_before_their_change": before} if before else {}),
        "n_units": first.size,
        "n_years": int(np.unique(rows.year).size),
    }


def imputable_rows(rows: CohortRows, anticipation: int, post: int | None) -> CohortRows:
    """Leave out treated rows whose effects no untreated row tells, or after the horizon."""
    times = event_times(rows)
    treated = times >= -anticipation
    last = np.inf if post is None else post
    lost = {f"after event time {last:+.0f}": times > last} if post is not None else {}
    for name, codes in two_way_effects(rows).items():
        known = np.zeros(int(codes.max()) + 1, dtype=bool)
        known[codes[~treated]] = True
        lost[f"treated, no untreated row of the same {name}"] = treated & ~known[codes]
    rows = keep_rows(rows, lost)
    if not (event_times(rows) >= 0).any():
        raise IdentificationError("no_events", "no treated row can be compared")
    return rows


def horizon_targets(
    times: FloatArray, first: int
) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
    """Return who is in the average at each event time from ``first`` on, and in the overall one.

    Returns
    -------
    targets : (n, q) array
        One where a row is in the average; the last column has all rows at k >= 0.
    names : tuple of str
    at : (q,) array
        Event times; NaN for the overall mean.
    """
    path = np.unique(times[times >= first])
    targets = np.column_stack([times[:, None] == path, times >= 0]).astype(float)
    names = (*(term_name(int(k)) for k in path), OVERALL)
    return targets, names, np.r_[path, np.nan]


def later_changes_note(data: Absorbing) -> tuple[str, ...]:
    """Return a sentence on changes after the first, if there are any."""
    changed = data.fates["cohort"].notna()
    again = int((data.fates.loc[changed, "n_later_changes"] > 0).sum())
    if not again:
        return ()
    return (
        f"{again:,} of the {int(changed.sum()):,} units that change do so again later: their "
        "effects are those of a first change with all that follows.",
    )


def alone_note(n_alone: int) -> tuple[str, ...]:
    """Return a sentence on effects by cohort and year that one unit makes up, if there are any."""
    if not n_alone:
        return ()
    return (
        f"{n_alone:,} effects by cohort and year are of one unit each: the errors do not count "
        "how such a unit varies, and are too small.",
    )


def anticipation_note(years: int) -> tuple[str, ...]:
    """Return a sentence on years before the change that count as treated, if there are any."""
    if not years:
        return ()
    return (
        f"Treated from event time {-years:+d} on: terms from there to -1 are effects of "
        "anticipation, in the joint test of leads too.",
    )
