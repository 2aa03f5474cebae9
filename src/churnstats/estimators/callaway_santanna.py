r"""Callaway and Sant'Anna: effects by cohort and year, each against controls, then their means.

The effect on cohort g in year t compares the change since the base year b with that of controls
(Callaway and Sant'Anna 2021, equations 2.2 to 2.6),

.. math:: ATT(g, t) = E[y_t - y_b | G = g] - E[y_t - y_b | C]

without covariates; with covariates by regression, weighting or doubly robust (Sant'Anna and Zhao
2020). Means over cohorts have the cohorts' shares as weights, whose estimation is part of the
influence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.absorbing import Absorbing, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_cells import (
    Cells,
    Units,
    cohort_cells,
    unit_design,
    units_by_cohort,
)
from churnstats.designs.cohort_paths import alone_note, anticipation_note
from churnstats.designs.design import Cohorts, Design
from churnstats.designs.stacked import term_name
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, kernel
from churnstats.numerics.groups import group_sums
from churnstats.numerics.two_period import METHODS, panel_effect, sections_effect

Aggregate = Literal["dynamic", "simple", "group", "calendar", "att_gt"]
AGGREGATES = ("dynamic", "simple", "group", "calendar", "att_gt")


@dataclass(frozen=True)
class CallawaySantAnna:
    """Effects by cohort and year against untreated units, and their means.

    Parameters
    ----------
    controls : {"never", "not_yet"}
        Units that are never treated, or these and units that are treated later than both years
        that are compared (and than the years of anticipation).
    method : {"dr", "ipw", "reg"}
        Doubly robust, inverse probability weighting or regression; without covariates they are
        one.
    anticipation : int
        Years before the change in which it may already have effects.
    base : {"universal", "varying"}
        All years are compared with the last year before anticipation, or those before it with
        the year before each.
    aggregate : {"dynamic", "simple", "group", "calendar", "att_gt"}
        Means by event time, over all treated years, by cohort, by year; or each effect.
    balance : int, optional
        Only cohorts that are seen for so many years after the change, and event times that all
        of them have (dynamic only).
    first, last : int, optional
        Only effects at event times from first to last.

    Notes
    -----
    With covariates their values in the base year count. If outcomes are missing, rows are used
    as repeated cross sections, whose covariates are their own, and influences are added up by
    unit (as R's did does with ``allow_unbalanced_panel``). Units that are treated in the first
    year, or have no year before anticipation, are left out and counted. `Robust("HC0")`, or
    `Cluster("unit_id", small_sample="none")`, gives the analytical errors of did; the default,
    `Cluster("unit_id")`, is larger by n / (n - 1) in the variance.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> from churnstats.designs.absorbing import Absorbing
    >>> rows = pd.DataFrame({"school": list("aabbccdd"), "year": [2018, 2019] * 4,
    ...                      "first": [2019] * 4 + [0] * 4, "score": [1, 4, 1, 6, 1, 2, 1, 4]})
    >>> data = Absorbing.from_frame(rows, unit="school", time="year", cohort="first")
    >>> cs.event_study(data, CallawaySantAnna(), "score").coef.tolist()
    [2.0, 2.0]
    """

    controls: Literal["never", "not_yet"] = "never"
    method: Literal["dr", "ipw", "reg"] = "dr"
    anticipation: int = 0
    base: Literal["universal", "varying"] = "universal"
    aggregate: Aggregate = "dynamic"
    balance: int | None = None
    first: int | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        choices = {
            "controls": ("never", "not_yet"),
            "method": METHODS,
            "base": ("universal", "varying"),
            "aggregate": AGGREGATES,
        }
        wrong = [
            f"{name}={getattr(self, name)!r}: one of {', '.join(known)}"
            for name, known in choices.items()
            if getattr(self, name) not in known
        ]
        if self.anticipation < 0:
            wrong.append(f"anticipation={self.anticipation}: at least 0")
        if self.balance is not None and self.aggregate != "dynamic":
            wrong.append("balance: only with aggregate='dynamic'")
        if self.balance is not None and self.balance < 0:
            wrong.append(f"balance={self.balance}: at least 0")
        if self.first is not None and self.last is not None and self.first > self.last:
            wrong.append(f"first={self.first} is later than last={self.last}")
        if wrong:
            raise SpecError("callaway_santanna", "this design can't be built", where=wrong)

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return the effects by event time, cohort or year."""
        ask.refuse(self, effects="let units of one group be compared: give it as a covariate")
        rows = cohort_rows(data, ask)
        fit = fit_callaway_santanna(unit_design(rows, self.anticipation), spec=self)
        more = {"support": _support(fit.frames["att_gt"]), "fates": data.fates}
        fit = replace(fit, frames={**fit.frames, **more})
        return Answer(
            fit, "Callaway and Sant'Anna: first change of leader", _stats(fit), _notes(fit, self)
        )


@dataclass(frozen=True)
class RowInfluence:
    """Influences that are there by row."""

    values: FloatArray

    def rows(self) -> FloatArray:
        """Return the (n, k) influences."""
        return self.values

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, k) sums by group."""
        return group_sums(self.values, codes, n_groups)


@dataclass(frozen=True, eq=False)
class Means:
    """Which means of the effects of cells are wanted.

    Parameters
    ----------
    keys : DataFrame
        ``name, event_time, cohort, school_year_end`` of each.
    combine : (K, C) array
        Weights of cells.
    shares : (H, K) array
        What the estimation of cohorts' shares adds to the influence of units of each cohort.
    """

    keys: pd.DataFrame
    combine: FloatArray
    shares: FloatArray


SPEC = CallawaySantAnna()


@kernel(
    Cohorts,
    [
        {},
        {"spec": CallawaySantAnna("not_yet", "ipw", 0, "varying", "group")},
        {"spec": CallawaySantAnna("not_yet", "reg", 1, "universal", "calendar")},
    ],
)
def fit_callaway_santanna(design: Design, spec: CallawaySantAnna = SPEC) -> Fit:
    """Fit effects by cohort and year, and take the means that are wanted."""
    if not isinstance(design.response, Cohorts):
        raise SpecError("response", "Callaway and Sant'Anna need a response of cohorts")
    data, w = design.response, design.weights
    if not w.sum() > 0 or (w < 0).any():
        raise SpecError("weights", "weights sum to zero or are negative", how="give positive ones")
    units = units_by_cohort(data, w)
    cells = cohort_cells(
        units,
        data.years,
        controls=spec.controls,
        anticipation=spec.anticipation,
        base=spec.base,
        first=spec.first,
        last=spec.last,
    )
    cells, effect, influence, table = _effects(cells, units, data, w, spec)
    means = _means(cells, effect, units, data.years, spec)
    by_row = (
        _linear_influence(means.combine, cells, units, w)
        if influence is None
        else influence @ means.combine.T
    )
    keys = means.keys
    return Fit(
        estimator="Callaway and Sant'Anna",
        design=design,
        coef=means.combine @ effect,
        names=tuple(keys.pop("name")),
        influence=RowInfluence(by_row + w[:, None] * means.shares[units.group]),
        keys=keys,
        frames={
            "base": _base_rows(cells, units, spec),
            "att_gt": table,
        },
    )


def _effects(
    cells: Cells, units: Units, data: Cohorts, w: FloatArray, spec: CallawaySantAnna
) -> tuple[Cells, FloatArray, FloatArray | None, pd.DataFrame]:
    """Return the cells that have an effect, the effects, influences, and a table of all cells.

    Influences (n, C) are None without covariates: sums by cohort say it all.
    """
    rows = np.arange(cells.g.size)
    sizes = cells.pool @ units.size
    no_units = np.minimum(units.size[cells.g, cells.t], units.size[cells.g, cells.b]) <= 0
    no_pool = np.minimum(sizes[rows, cells.t], sizes[rows, cells.b]) <= 0
    reason = np.select([no_units, no_pool], ["no treated outcomes", "no controls left"], "")
    reason = reason.astype(object)
    effect = np.full(rows.size, np.nan)
    influence = None
    if data.x.shape[2]:
        influence = np.zeros((data.n, rows.size))
        for c in np.flatnonzero(reason == ""):
            try:
                effect[c] = _adjusted_effect(
                    cells, int(c), units, data, w, spec.method, influence[:, c]
                )
            except IdentificationError as error:
                reason[c] = error.what
    else:
        effect = _plain_effects(cells, units, reason == "")
    used = reason == ""
    table = pd.DataFrame(
        {
            "cohort": units.year[cells.g].astype(np.int64),
            "school_year_end": data.years[cells.t],
            "base_year": data.years[cells.b],
            "event_time": cells.event_time,
            "estimate": effect,
            "n_events": units.n[cells.g, cells.t].astype(np.int64),
            "n_controls": (cells.pool @ units.n)[rows, cells.t].astype(np.int64),
            "reason": pd.Series(reason, dtype="str"),
        }
    )
    if not used.any():
        counts = table["reason"].value_counts()
        raise IdentificationError(
            "no_effects",
            "no cohort and year has an effect",
            where=[f"{n} cells: {name}" for name, n in counts.items()],
            how="use fewer covariates or other controls",
        )
    if influence is not None:
        influence = influence[:, used]
    return cells.take(used), effect[used], influence, table


def _plain_effects(cells: Cells, units: Units, used: BoolArray) -> FloatArray:
    """Return differences of mean changes, NaN where cells are not used."""
    effect = np.full(used.size, np.nan)
    part = cells.take(used)
    rows = np.arange(part.g.size)
    totals, sizes = part.pool @ units.total, part.pool @ units.size

    def above(s: IntArray) -> FloatArray:
        own = units.total[part.g, s] / units.size[part.g, s]
        return np.asarray(own - totals[rows, s] / sizes[rows, s])

    effect[used] = above(part.t) - above(part.b)
    return effect


def _adjusted_effect(
    cells: Cells,
    c: int,
    units: Units,
    data: Cohorts,
    w: FloatArray,
    method: str,
    influence: FloatArray,
) -> float:
    """Return the effect in one cell given covariates, and write the influence of each unit."""
    g, t, b = cells.g[c], cells.t[c], cells.b[c]
    rows = np.flatnonzero((units.group == g) | cells.pool[c][units.group])
    if units.seen.all():
        x = np.column_stack([np.ones(rows.size), data.x[rows, b]])
        change = units.y[rows, t] - units.y[rows, b]
        effect, influence[rows] = panel_effect(method, change, x, units.group[rows] == g, w[rows])
        return effect
    after, before = (rows[units.seen[rows, s] > 0] for s in (t, b))
    both = np.concatenate([after, before])
    post = np.arange(both.size) < after.size
    at = np.where(post, t, b)
    x = np.column_stack([np.ones(both.size), data.x[both, at]])
    effect, psi = sections_effect(
        method, units.y[both, at], x, units.group[both] == g, post, w[both]
    )
    np.add.at(influence, both, psi)
    return effect


def _linear_influence(combine: FloatArray, cells: Cells, units: Units, w: FloatArray) -> FloatArray:
    """Return influences (n, K) without covariates: linear in outcomes, cohort by cohort.

    A unit of cohort h in year s has influence w (y - m) / W in a cell, where m and W are mean
    and weight of those whom it stands among: its cohort, or the cell's controls.
    """
    n_means, (n_groups, n_years) = combine.shape[0], units.size.shape
    slope, level = (np.zeros((n_groups, n_years, n_means)) for _ in range(2))
    totals, sizes = cells.pool @ units.total, cells.pool @ units.size
    cell, of_pool = np.nonzero(cells.pool)
    rows = np.arange(cells.g.size)
    for sign, s in ((1.0, cells.t), (-1.0, cells.b)):
        own = sign * combine.T / units.size[cells.g, s][:, None]
        mean = (units.total / np.maximum(units.size, np.finfo(float).tiny))[cells.g, s]
        np.add.at(slope, (cells.g, s), own)
        np.add.at(level, (cells.g, s), own * mean[:, None])
        others = -sign * combine.T / sizes[rows, s][:, None]
        mean = totals[rows, s] / sizes[rows, s]
        np.add.at(slope, (of_pool, s[cell]), others[cell])
        np.add.at(level, (of_pool, s[cell]), (others * mean[:, None])[cell])
    influence = np.zeros((w.size, n_means))
    for h in range(n_groups):
        at = np.flatnonzero(units.group == h)
        influence[at] = (units.y[at] @ slope[h] - units.seen[at] @ level[h]) * w[at, None]
    return influence


def _means(
    cells: Cells,
    effect: FloatArray,
    units: Units,
    years: IntArray,
    spec: CallawaySantAnna,
) -> Means:
    """Return the means of effects that are wanted, weighted by the weights of cohorts."""
    wanted, e, share = spec.aggregate, cells.event_time, units.share
    label = {
        "dynamic": e,
        "simple": np.zeros_like(e),
        "group": cells.g,
        "calendar": cells.t,
        "att_gt": np.arange(e.size),
    }[wanted]
    kept = (e >= 0) if wanted in ("simple", "group", "calendar") else np.ones(e.size, dtype=bool)
    if spec.balance is not None:
        seen_for = years[-1] - units.year[cells.g]
        longest = spec.balance - years.size + 1
        kept = (seen_for >= spec.balance) & (e <= spec.balance) & (e >= longest)
    if not kept.any():
        raise IdentificationError(
            "no_effects", "no effect after the treatment is left", how="widen `last` or `balance`"
        )
    labels = np.unique(label[kept])
    member = (label == labels[:, None]) & kept
    size = member @ share[cells.g]
    combine = member * share[cells.g] / size[:, None]
    apart = member * (effect - (combine @ effect)[:, None]) / size[:, None]
    shares = group_sums(apart.T, cells.g, share.size)
    keys = _keys(wanted, labels, member, cells, units, years)
    if wanted in ("simple", "att_gt") or (wanted == "dynamic" and labels[-1] < 0):
        return Means(keys, combine, shares)
    weight = (labels >= 0).astype(float)
    if wanted == "group":
        weight = share[labels]
    weight = weight / weight.sum()
    overall_shares = shares @ weight
    if wanted == "group":
        theta = combine @ effect
        overall_shares[labels] += (theta - weight @ theta) / share[labels].sum()
    n_events = _n_units(member[weight > 0].any(axis=0), cells, units)
    overall = {"name": "overall", "event_time": np.nan, "n_events": n_events, "in_base": False}
    keys = pd.concat([keys, pd.DataFrame([overall])], ignore_index=True).astype(keys.dtypes)
    return Means(
        keys,
        np.vstack([combine, weight @ combine]),
        np.column_stack([shares, overall_shares]),
    )


def _keys(
    wanted: str,
    labels: IntArray,
    member: BoolArray,
    cells: Cells,
    units: Units,
    years: IntArray,
) -> pd.DataFrame:
    """Return names, event times, cohorts, years and numbers of treated units of means."""
    cohort: list[int | None] = [None] * labels.size
    year, times = cohort, np.full(labels.size, np.nan)
    if wanted == "dynamic":
        times = labels.astype(float)
        names = [term_name(int(k)) for k in labels]
    elif wanted == "group":
        cohort = [int(units.year[h]) for h in labels]
        names = [f"g={h}" for h in cohort]
    elif wanted == "calendar":
        year = [int(years[t]) for t in labels]
        names = [f"t={t}" for t in year]
    elif wanted == "att_gt":
        times = cells.event_time.astype(float)
        cohort, year = [int(units.year[h]) for h in cells.g], [int(years[t]) for t in cells.t]
        names = [f"g={h} t={t}" for h, t in zip(cohort, year, strict=True)]
    else:
        names = ["overall"]
    keys = pd.DataFrame(
        {
            "name": names,
            "event_time": times,
            "cohort": pd.array(cohort, dtype="Int64"),
            "school_year_end": pd.array(year, dtype="Int64"),
            "n_events": [_n_units(row, cells, units) for row in member],
            "in_base": False,
        }
    )
    return keys if wanted != "att_gt" else keys.assign(series=[f"cohort {h}" for h in cohort])


def _n_units(used: BoolArray, cells: Cells, units: Units) -> int:
    """Count the treated units that are seen in one of the cells in use, each once."""
    count = 0
    for g in np.unique(cells.g[used]):
        t = cells.t[used & (cells.g == g)]
        if t.size == 1:
            count += int(units.n[g, t[0]])
        else:
            count += int((units.seen[units.group == g][:, t] > 0).any(axis=1).sum())
    return count


def _base_rows(cells: Cells, units: Units, spec: CallawaySantAnna) -> pd.DataFrame:
    """Return the event time that is zero by construction, if there is one."""
    has_one = spec.base == "universal" and spec.aggregate == "dynamic"
    n = _n_units(np.ones(cells.g.size, dtype=bool), cells, units)
    times = np.array([-1 - spec.anticipation] * has_one, dtype=np.int64)
    return pd.DataFrame({"event_time": times, "n_events": n, "in_base": True}, range(times.size))


def _support(table: pd.DataFrame) -> pd.DataFrame:
    """Count cohorts, treated units and controls by event time."""
    used = table[table["reason"] == ""].groupby("event_time")
    return used.agg(
        n_cohorts=("cohort", "nunique"),
        n_events=("n_events", "sum"),
        n_controls=("n_controls", "sum"),
    ).reset_index()


def _stats(fit: Fit) -> dict[str, int]:
    data = fit.design.response
    assert isinstance(data, Cohorts)
    treated = data.cohort <= data.years[-1]
    seen = (np.isfinite(data.y) & (data.years >= data.cohort[:, None])).any(axis=1)
    before = int((treated & ~seen).sum())
    return {
        "n_events": int(seen.sum()),
        "n_cohorts": int(np.unique(data.cohort[seen]).size),
        **({"n_units_seen_only_before_their_change": before} if before else {}),
        "n_untreated_units": int((~treated).sum()),
        "n_units_left_out": sum(fit.design.ledger.steps[-1].lost.values()),
    }


def _notes(fit: Fit, spec: CallawaySantAnna) -> tuple[str, ...]:
    data = fit.design.response
    assert isinstance(data, Cohorts)
    words = {"dr": "doubly robust", "ipw": "probability weighting", "reg": "regression"}
    controls = {"never": "never treated", "not_yet": "not yet treated"}[spec.controls]
    how = f" With covariates: {words[spec.method]}." if data.x.shape[2] else ""
    notes = [f"Controls: {controls}; anticipation {spec.anticipation}; {spec.base} base.{how}"]
    notes += anticipation_note(spec.anticipation)
    if np.isnan(data.y).any():
        notes.append("Outcomes are missing: rows are used as repeated cross sections.")
    lost = fit.design.ledger.steps[-1].lost
    notes += [f"{n:,} units left out: {name}." for name, n in lost.items()]
    table = fit.frames["att_gt"]
    notes += alone_note(int(((table["reason"] == "") & (table["n_events"] == 1)).sum()))
    counts = table.loc[table["reason"] != "", "reason"].value_counts()
    notes += [f"{n:,} cohort-years without an effect: {name}." for name, n in counts.items()]
    return tuple(notes)
