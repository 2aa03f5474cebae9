r"""Cox regression with start-stop rows, late entry, ties, weights and strata.

Notation of Therneau and Grambsch (2000). A row is at risk in (entry, exit]. With
:math:`r_i = w_i e^{x_i'\beta}`, at each event time :math:`t_j` of a stratum with :math:`d_j`
tied events, Efron (1977) replaces the risk sum :math:`S_0(t_j)` for the l-th of them by
:math:`S_0 - \frac{l}{d_j} S_0^D`, where the superscript D sums over the tied events; Breslow
(1974) leaves it alone. One "death" below is one pair (j, l).

The information is one weighted Gram matrix less one over deaths,

.. math:: I = \sum_i r_i A_i x_i x_i' - \sum_{jl} \bar w_j \bar x_{jl} \bar x_{jl}',

with :math:`A_i` the cumulative hazard increments over the times at which row i is at risk,
so that only :math:`S_0` and :math:`S_1` are swept over time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import linalg

from churnstats.core.errors import ConvergenceError, IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs import counting, terms
from churnstats.designs.design import Counting, Design, codes_of
from churnstats.inference.fit import Fit, ScoreInfluence, kernel
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Vcov, cluster_variables
from churnstats.numerics.groups import group_sums
from churnstats.numerics.risk_sets import RiskSets, risk_sets
from churnstats.numerics.solve import collinear_columns, symmetric_inverse

Ties = Literal["efron", "breslow"]
MAX_ITERATIONS = 50
TOLERANCE = 1e-10
DECREMENT = 1e-16
SEPARATED = 1e-6


@dataclass(frozen=True)
class Deaths:
    """The pairs (event time, tied event) and the share l / d of Efron's correction.

    Parameters
    ----------
    time : (D,) integer array
        Index of the event time of each death.
    share : (D,) array
        l / d for Efron, 0 for Breslow.
    weight : (D,) array
        Mean weight of the events tied at that time.
    """

    time: IntArray
    share: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class Arrays:
    """What stays the same over iterations: centred regressors, weights, events, risk sets."""

    x: FloatArray
    w: FloatArray
    event: BoolArray
    sets: RiskSets
    deaths: Deaths

    @property
    def at(self) -> IntArray:
        """Index of the event time of each row with an event."""
        return self.sets.event_time[self.event]


@dataclass(frozen=True)
class State:
    """The partial likelihood and its parts at one value of the coefficients.

    ``risk`` is r, scaled by exp(-shift); ``step`` the hazard increment of each death and
    ``means`` the mean regressors of its risk set.
    """

    loglik: float
    score: FloatArray
    information: FloatArray
    risk: FloatArray
    shift: float
    step: FloatArray
    means: FloatArray


def _deaths(sets: RiskSets, event: BoolArray, weights: FloatArray, ties: Ties) -> Deaths:
    at = sets.event_time[event]
    count = np.bincount(at, minlength=sets.n_times)
    time = np.repeat(np.arange(sets.n_times), count)
    rank = np.arange(time.size) - np.repeat(np.cumsum(count) - count, count)
    share = rank / count[time] if ties == "efron" else np.zeros(time.size)
    mean = np.bincount(at, weights=weights[event], minlength=sets.n_times) / count
    return Deaths(time, share, mean[time])


def _at_risk(a: Arrays, per_death: FloatArray) -> FloatArray:
    """Sum a quantity (D,) or (D, k) of deaths over the deaths at which each row is at risk.

    A row that has its event at a time counts only 1 - l/d of the deaths there (Efron).
    """
    share = a.deaths.share if per_death.ndim == 1 else a.deaths.share[:, None]
    total = group_sums(per_death, a.deaths.time, a.sets.n_times)
    partial = group_sums(per_death * share, a.deaths.time, a.sets.n_times)
    spans = a.sets.spans(total)
    spans[a.event] -= partial[a.at]
    return spans


def _state(beta: FloatArray, a: Arrays) -> State:
    """Evaluate the log partial likelihood, its score and its information."""
    eta = a.x @ beta
    shift = float(eta.max(initial=-np.inf))
    r = a.w * np.exp(eta - shift)
    weighted = r[:, None] * a.x
    time, share, n_times = a.deaths.time, a.deaths.share, a.sets.n_times
    s0, s1 = a.sets.sums(r), a.sets.sums(weighted)
    d0 = group_sums(r[a.event], a.at, n_times)
    d1 = group_sums(weighted[a.event], a.at, n_times)
    denominator = s0[time] - share * d0[time]
    means = (s1[time] - share[:, None] * d1[time]) / denominator[:, None]
    step = a.deaths.weight / denominator
    gram = (weighted * _at_risk(a, step)[:, None]).T @ a.x
    information = gram - (means * a.deaths.weight[:, None]).T @ means
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sums = float(a.deaths.weight @ np.log(denominator))
    loglik = float((a.w * (eta - shift))[a.event].sum() - log_sums)
    score = (a.x * a.w[:, None])[a.event].sum(axis=0) - a.deaths.weight @ means
    return State(loglik, score, (information + information.T) / 2, r, shift, step, means)


def _residuals(state: State, a: Arrays) -> tuple[FloatArray, FloatArray]:
    """Return weighted score residuals (n, k) and weighted martingale residuals (n,).

    A row's score is ``w (x - mean of the tied means)`` at its event, less ``r (x H - M)``, with
    H and M the hazard increments, and the increments times means, of the deaths it is at risk
    for.
    """
    hazard = _at_risk(a, state.step)
    drift = _at_risk(a, state.means * state.step[:, None])
    count = np.bincount(a.at, minlength=a.sets.n_times)
    mean = group_sums(state.means, a.deaths.time, a.sets.n_times) / count[:, None]
    w = a.w[a.event]
    scores = -state.risk[:, None] * (a.x * hazard[:, None] - drift)
    scores[a.event] += w[:, None] * (a.x[a.event] - mean[a.at])
    martingale = -state.risk * hazard
    martingale[a.event] += w
    return scores, martingale


def _maximise(a: Arrays, names: tuple[str, ...]) -> tuple[FloatArray, State, int]:
    """Newton's method with step halving from zero; return beta, its state and iterations."""
    beta = np.zeros(a.x.shape[1])
    first = state = _state(beta, a)
    for iteration in range(1, MAX_ITERATIONS + 1):
        _check_separation(names, first, state)
        move = symmetric_inverse(state.information) @ state.score
        gain = float(move @ state.score)
        trial = _state(beta + move, a)
        while not trial.loglik >= state.loglik - TOLERANCE * (1 + abs(state.loglik)):
            move = move / 2
            if np.abs(move).max() < TOLERANCE:
                raise ConvergenceError(
                    "cox",
                    "no step raises the likelihood",
                    how="look for regressors on very different scales",
                )
            trial = _state(beta + move, a)
        beta, state = beta + move, trial
        if gain < DECREMENT:
            _check_separation(names, first, state)
            return beta, state, iteration
    raise ConvergenceError("cox", f"no convergence in {MAX_ITERATIONS} iterations")


def _check_separation(names: tuple[str, ...], first: State, state: State) -> None:
    """Raise when the information on a combination of terms has all but vanished.

    Its coefficient then runs to infinity. Information is compared with that at zero.
    """
    size = np.sqrt(np.diag(first.information))
    units = np.outer(size, size)
    try:
        left, directions = linalg.eigh(state.information / units, first.information / units)
    except linalg.LinAlgError:
        left, directions = np.zeros(1), np.ones((len(names), 1))
    if left[0] >= SEPARATED:
        return
    loading = np.abs(directions[:, 0])
    lost = [n for n, share in zip(names, loading / loading.max(), strict=True) if share > 0.05]
    raise ConvergenceError(
        "separation",
        "these terms separate those with the event from those without",
        where=lost,
        how="leave them out, or merge categories in which all or none have it",
    )


@kernel(Counting, variants=({"ties": "efron"}, {"ties": "breslow"}))
def fit_cox(design: Design, ties: Ties = "efron") -> Fit:
    """Fit a Cox model; the design's effects are strata.

    Raises
    ------
    IdentificationError
        No events, or regressors that do not vary within the risk sets.
    ConvergenceError
        A regressor that separates, or no convergence.
    """
    response = design.response
    if not isinstance(response, Counting):
        raise SpecError("response", "Cox regression needs entry, exit and event")
    if ties not in ("efron", "breslow"):
        raise SpecError("ties", f"'{ties}' is no rule for ties", how="'efron' or 'breslow'")
    event = response.event == 1
    if not event.any():
        raise IdentificationError("no_events", "no row has the event", how="check the event column")
    if not design.names:
        raise SpecError("terms", "Cox regression needs at least one regressor")
    strata = counting.joint_codes(design)
    sets = risk_sets(response.entry, response.exit, event, strata)
    centre = np.average(design.x, axis=0, weights=design.weights)
    a = Arrays(
        design.x - centre,
        design.weights,
        event,
        sets,
        _deaths(sets, event, design.weights, ties),
    )
    start = _state(np.zeros(len(design.names)), a)
    scale = np.einsum("ij,ij,i->j", a.x, a.x, a.w)
    lost = collinear_columns(start.information, np.maximum(scale, np.finfo(float).tiny))
    if lost.size:
        raise IdentificationError(
            "collinear",
            "these terms do not vary within the risk sets, or repeat others",
            where=[design.names[j] for j in lost],
            how="leave them out",
        )
    beta, state, n_iterations = _maximise(a, design.names)
    bread = symmetric_inverse(state.information)
    scores, martingale = _residuals(state, a)
    baseline = pd.DataFrame(
        {
            "stratum": sets.stratum,
            "time": sets.time,
            "hazard": np.bincount(a.deaths.time, weights=state.step, minlength=sets.n_times)
            * np.exp(-state.shift - centre @ beta),
        }
    )
    baseline["cumulative_hazard"] = baseline.groupby("stratum")["hazard"].cumsum()
    return Fit(
        estimator=f"Cox regression, {ties.capitalize()} ties",
        design=design,
        coef=beta,
        names=design.names,
        influence=ScoreInfluence(scores, bread),
        model_vcov=bread,
        model_vcov_name="inverse information",
        loglik=state.loglik,
        n_iterations=n_iterations,
        fitted=event - martingale / design.weights,
        residuals=martingale / design.weights,
        frames={"baseline": baseline},
    )


def cox(
    data: pd.DataFrame,
    formula: str,
    *,
    exit: str,
    event: str,
    vcov: Vcov,
    entry: str | None = None,
    strata: tuple[str, ...] = (),
    weights: str | None = None,
    ties: Ties = "efron",
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
) -> Result:
    """Fit a Cox proportional-hazards model to start-stop rows.

    Parameters
    ----------
    data : DataFrame
        One row a stretch of time; several rows may belong to one subject. It is not changed.
    formula : str
        Regressors in formulaic's language, such as ``"recent_change + capacity"``.
    exit, event : str
        Columns: end of the row; 1 where it ends in the event, 0 where not.
    vcov : Classical, Robust("HC0"), Cluster or TwoWay
        There is no default: several rows of one subject or district are seldom independent.
    entry : str, optional
        Column with the start of the row, on the same clock; a row is at risk in (entry, exit].
        By default all rows enter at 0.
    strata : tuple of str
        Columns whose combinations have baseline hazards of their own.
    weights : str, optional
        Column of weights.
    ties : {"efron", "breslow"}
        Efron's rule is close to exact on yearly clocks.
    clusters : tuple of str
        Further columns that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Result
        Log hazard ratios; ``tidy(exponentiate=True)`` gives the ratios.

    Raises
    ------
    SpecError, DataError
        Missing columns; rows that end before they start; an event that is not 0 or 1.
    IdentificationError
        No events; terms without variation in the risk sets.
    ConvergenceError
        Separation.

    References
    ----------
    Cox (1972); Efron (1977); Breslow (1974); Lin and Wei (1989) for clustered errors;
    Therneau and Grambsch (2000).

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> rows = pd.DataFrame({"stop": [1., 2., 2., 3., 4.], "end": [1, 1, 0, 1, 0],
    ...                      "change": [1., 0., 1., 0., 0.]})
    >>> fit = cs.cox(rows, "change", exit="stop", event="end", vcov=cs.Classical())
    >>> fit.coef.round(3).tolist()
    [0.752]
    """
    if "~" in formula or "|" in formula:
        raise SpecError(
            "formula",
            f"'{formula}' names a response or absorbed effects",
            how="name regressors only; the response is exit= and event=, strata strata=",
        )
    named = tuple(dict.fromkeys([*cluster_variables(vcov), *clusters]))
    columns = terms.Terms("", formula).columns()
    response, rows, ledger = counting.counting_rows(
        data, entry, exit, event, (*columns, *strata, *named), weights
    )
    sample = data.iloc[rows]
    x, names = terms.regressors(sample, formula, intercept=False)
    design = Design(
        response=response,
        x=x,
        names=names,
        weights=terms.weights_of(sample, weights),
        effects=codes_of(sample, strata),
        clusters=codes_of(sample, named),
        rows=rows,
        ledger=ledger,
    )
    fit = fit_cox(design, ties)
    stats = {
        "n_events": int(response.event.sum()),
        "time_at_risk": float((response.exit - response.entry).sum()),
    }
    notes = [f"Log hazard ratios; ties: {ties.capitalize()}."]
    if strata:
        notes.append(f"Strata: {', '.join(strata)}.")
    if weights:
        notes.append(f"Weighted by {weights}.")
    about = Description("hazard", "Cox regression", event, stats, tuple(notes))
    return infer(fit, vcov, about, level)
