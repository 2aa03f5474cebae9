r"""Survival and cumulative-hazard curves with late entry: Kaplan-Meier and Nelson-Aalen.

With :math:`Y(t)` the weight at risk and :math:`dN(t)` the weight of events at an event time,

.. math:: \hat S(t) = \prod_{u \le t} \Bigl(1 - \frac{dN(u)}{Y(u)}\Bigr), \qquad
          \hat H(t) = \sum_{u \le t} \frac{dN(u)}{Y(u)} .

Row i moves them by (the infinitesimal jackknife)

.. math:: \psi_i^H(t) = \sum_{u \le t} w_i \frac{dN_i(u) - Y_i(u)\,dN(u)/Y(u)}{Y(u)}, \qquad
          \psi_i^S(t) = -\hat S(t) \sum_{u \le t}
          w_i \frac{dN_i(u) - Y_i(u)\,dN(u)/Y(u)}{Y(u) - dN(u)} .
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs import counting, terms
from churnstats.designs.design import Counting, Design, codes_of
from churnstats.inference.fit import Fit, kernel
from churnstats.inference.result import Description, Kind, Result, infer
from churnstats.inference.vcov import Classical, Vcov, cluster_variables
from churnstats.numerics.groups import group_sums
from churnstats.numerics.risk_sets import RiskSets, risk_sets

N_TICKS = 8
Cumulation: TypeAlias = Callable[..., FloatArray]


@dataclass(frozen=True)
class CurveInfluence:
    """Influence of rows on a curve at its J event times, made by cluster without (n, J).

    Parameters
    ----------
    sets : RiskSets
    event : (n,) bool array
    weights : (n,) array
    hazard : (J,) array
        dN / Y.
    divisor : (J,) array
        Y for the cumulative hazard, Y - dN for survival.
    factor : (J,) array
        1 for the cumulative hazard, -S for survival.
    """

    sets: RiskSets
    event: BoolArray
    weights: FloatArray
    hazard: FloatArray
    divisor: FloatArray
    factor: FloatArray

    def rows(self) -> FloatArray:
        """Return the (n, J) influences."""
        n = self.weights.size
        return self.sums(np.arange(n), n)

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, J) sums by group: one pass over the rows, one over (G, J)."""
        width = self.sets.n_times + 1
        shape = (n_groups, width)

        def spread(at: IntArray, who: IntArray, weights: FloatArray) -> FloatArray:
            return group_sums(weights, who * width + at, n_groups * width).reshape(shape)

        entering = spread(self.sets.first, codes, self.weights)
        leaving = spread(self.sets.last, codes, self.weights)
        at_risk = np.cumsum(entering - leaving, axis=1)[:, :-1]
        e = self.event
        events = spread(self.sets.event_time[e], codes[e], self.weights[e])[:, :-1]
        moves = (events - at_risk * self.hazard) / self.divisor
        return _cumulate(moves, self.sets.stratum, axis=1) * self.factor


def _cumulate(
    values: FloatArray, stratum: IntArray, axis: int = 0, rule: Cumulation = np.cumsum
) -> FloatArray:
    """Cumulative sums (or products) along event times that start anew in each stratum."""
    starts = np.flatnonzero(np.r_[True, stratum[1:] != stratum[:-1]])
    bounds = [*starts, stratum.size]
    parts = [
        rule(np.take(values, np.arange(a, b), axis=axis), axis=axis) for a, b in pairwise(bounds)
    ]
    return np.concatenate(parts, axis=axis)


def _curve(design: Design, survival: bool, labels: Sequence[str] | None) -> Fit:
    response = design.response
    if not isinstance(response, Counting):
        raise SpecError("response", "a survival curve needs entry, exit and event")
    event = response.event == 1
    if not event.any():
        raise IdentificationError(
            "no_events", "no row has the event: the curve never moves", how="check the event column"
        )
    stratum = counting.joint_codes(design)
    sets = risk_sets(response.entry, response.exit, event, stratum)
    w = design.weights
    at_risk = sets.sums(w)
    events = group_sums(w[event], sets.event_time[event], sets.n_times)
    hazard = np.minimum(events / at_risk, 1.0)
    certain = at_risk - events <= 1e-9 * at_risk
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = _cumulate(
            np.where(certain, np.nan, events / (at_risk * (at_risk - events))), sets.stratum
        )
    if survival:
        coef = _cumulate(np.where(certain, 0.0, 1.0 - hazard), sets.stratum, rule=np.cumprod)
        divisor, factor = np.where(certain, np.nan, at_risk - events), -coef
        variance, name = coef**2 * greenwood, "Greenwood"
        scale = coef
    else:
        coef = _cumulate(hazard, sets.stratum)
        divisor, factor = at_risk, np.ones(sets.n_times)
        variance, name = _cumulate(events / at_risk**2, sets.stratum), "Aalen (Poisson)"
        scale = np.ones(sets.n_times)
    labels = labels or ([str(s) for s in range(int(stratum.max()) + 1)] if design.effects else [""])
    keys = pd.DataFrame(
        {
            "group": [labels[s] for s in sets.stratum],
            "time": sets.time,
            "n_at_risk": at_risk,
            "n_events": events,
        }
    )
    return Fit(
        estimator="Kaplan-Meier" if survival else "Nelson-Aalen",
        design=design,
        coef=coef,
        names=tuple(
            f"{g} t={np.format_float_positional(t, trim='-')}".strip()
            for g, t in zip(keys["group"], keys["time"], strict=True)
        ),
        influence=CurveInfluence(sets, event, w, hazard, divisor, factor),
        model_vcov=_independent_increments(variance, scale, sets.stratum),
        model_vcov_name=name,
        interval="log-log" if survival else "log",
        keys=keys,
        frames={"risk_table": _risk_table(response, w, stratum, labels)},
    )


def _independent_increments(
    variance: FloatArray, scale: FloatArray, stratum: IntArray
) -> FloatArray:
    """Covariance of a curve: that of the earlier time, on the scale of independent increments."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = variance / scale**2
    j = np.arange(stratum.size)
    earlier = np.minimum(j[:, None], j[None, :])
    cov = relative[earlier] * scale[:, None] * scale[None, :]
    return np.where(stratum[:, None] == stratum[None, :], cov, 0.0)


def _risk_table(
    response: Counting, w: FloatArray, stratum: IntArray, labels: Sequence[str]
) -> pd.DataFrame:
    """Weight at risk just after each tick: rows with entry <= t < exit."""
    ticks = _ticks(float(response.exit.max()))
    rows = []
    for s, label in enumerate(labels):
        mine = stratum == s
        entry, stop, weight = response.entry[mine], response.exit[mine], w[mine]
        for t in ticks:
            rows.append((label, t, float(weight[(entry <= t) & (t < stop)].sum())))
    return pd.DataFrame(rows, columns=["group", "time", "n_risk"])


def _ticks(longest: float) -> FloatArray:
    """About eight round times from 0 to the longest."""
    power = 10.0 ** np.floor(np.log10(longest / N_TICKS))
    step = next(m * power for m in (1, 2, 5, 10) if m * power * N_TICKS >= longest * (1 - 1e-9))
    n_steps = int(np.floor(longest / step * (1 + 1e-9)))
    return np.asarray(np.arange(n_steps + 1) * step, dtype=float)


@kernel(Counting)
def fit_kaplan_meier(design: Design, labels: Sequence[str] | None = None) -> Fit:
    """Estimate the survival function; the design's effects are groups, named by labels."""
    return _curve(design, survival=True, labels=labels)


@kernel(Counting)
def fit_nelson_aalen(design: Design, labels: Sequence[str] | None = None) -> Fit:
    """Estimate the cumulative hazard; the design's effects are groups, named by labels."""
    return _curve(design, survival=False, labels=labels)


def kaplan_meier(
    data: pd.DataFrame,
    *,
    exit: str,
    event: str,
    entry: str | None = None,
    by: tuple[str, ...] = (),
    weights: str | None = None,
    vcov: Vcov = Classical(),  # noqa: B008 - frozen
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
    time_label: str = "",
) -> Result:
    """Estimate survival by Kaplan and Meier's product, with late entry.

    Parameters
    ----------
    data : DataFrame
        One row a stretch of time at risk. It is not changed.
    exit, event : str
        Columns: end of the row; 1 where it ends in the event, 0 where it is censored.
    entry : str, optional
        Column with the time from which the row is observed; it is at risk in (entry, exit].
    by : tuple of str
        Columns whose combinations get a curve each.
    weights : str, optional
        Column of weights.
    vcov : Classical, Robust("HC0"), Cluster or TwoWay
        `Classical` (Greenwood) by default; cluster when one district has many spells.
    clusters : tuple of str
        Further columns that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the log-log intervals.
    time_label : str
        What the time axis of the picture says, such as "years in post".

    Returns
    -------
    Result
        One term an event time: survival just after it.

    Raises
    ------
    SpecError, DataError
        Missing columns; rows that end before they start; an event that is not 0 or 1.
    IdentificationError
        No events.

    Notes
    -----
    Where everybody at risk has the event, survival is 0 and its error NaN.

    References
    ----------
    Kaplan and Meier (1958); Greenwood (1926); Tsai, Jewell and Wang (1987) for late entry.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> spells = pd.DataFrame({"years": [1., 2., 2., 3.], "left": [1, 1, 0, 0]})
    >>> cs.kaplan_meier(spells, exit="years", event="left").coef.tolist()
    [0.75, 0.5]
    """
    named = tuple(dict.fromkeys([*cluster_variables(vcov), *clusters]))
    design, labels = _design(data, exit, event, entry, by, weights, named)
    fit, axis = fit_kaplan_meier(design, labels), time_label or f"time to {event}"
    return _result(fit, "survival", axis, vcov, level)


def nelson_aalen(
    data: pd.DataFrame,
    *,
    exit: str,
    event: str,
    entry: str | None = None,
    by: tuple[str, ...] = (),
    weights: str | None = None,
    vcov: Vcov = Classical(),  # noqa: B008 - frozen
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
    time_label: str = "",
) -> Result:
    """Estimate the cumulative hazard by Nelson and Aalen's sum, with late entry.

    Parameters are those of `kaplan_meier`; intervals are symmetric on the log scale and the
    model-based variance is Aalen's sum of dN / Y^2.

    References
    ----------
    Nelson (1972); Aalen (1978).

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> spells = pd.DataFrame({"years": [1., 2., 2., 3.], "left": [1, 1, 0, 0]})
    >>> cs.nelson_aalen(spells, exit="years", event="left").coef.round(3).tolist()
    [0.25, 0.583]
    """
    named = tuple(dict.fromkeys([*cluster_variables(vcov), *clusters]))
    design, labels = _design(data, exit, event, entry, by, weights, named)
    fit, axis = fit_nelson_aalen(design, labels), time_label or f"time to {event}"
    return _result(fit, "cumulative_hazard", axis, vcov, level)


def _design(
    data: pd.DataFrame,
    exit_: str,
    event: str,
    entry: str | None,
    by: tuple[str, ...],
    weights: str | None,
    clusters: tuple[str, ...],
) -> tuple[Design, list[str] | None]:
    """Return the design of a frame and the names of its groups in the order of their codes."""
    response, rows, ledger = counting.counting_rows(
        data, entry, exit_, event, (*by, *clusters), weights
    )
    sample = data.iloc[rows]
    design = Design(
        response=response,
        x=np.zeros((rows.size, 0)),
        names=(),
        weights=terms.weights_of(sample, weights),
        effects=codes_of(sample, by),
        clusters=codes_of(sample, clusters),
        rows=rows,
        ledger=ledger,
    )
    if not by:
        return design, None
    _, first = np.unique(counting.joint_codes(design), return_index=True)
    return design, [", ".join(f"{name}={sample[name].iloc[i]}" for name in by) for i in first]


def _result(fit: Fit, kind: Kind, outcome: str, vcov: Vcov, level: float) -> Result:
    response = fit.design.response
    assert isinstance(response, Counting)
    stats = {
        "n_events": int(response.event.sum()),
        "n_entered_late": int((response.entry > 0).sum()),
        "time_at_risk": float((response.exit - response.entry).sum()),
    }
    notes = []
    if kind == "survival" and (fit.coef[:-1] <= 0).any():
        notes.append("Survival reaches 0 where everybody then at risk had the event.")
    title = f"{fit.estimator} {'survival' if kind == 'survival' else 'cumulative hazard'}"
    about = Description(kind, title, outcome, stats, tuple(notes))
    return infer(fit, vcov, about, level)
