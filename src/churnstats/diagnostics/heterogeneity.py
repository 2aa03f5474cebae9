r"""For whom a change of leader does what: effects by group, and how far events differ.

Paths by group come from one regression in which each group of events has its own copy of the
stacks, so that contrasts have a joint covariance (`Stacked.by`).

For events :math:`i = 1..n` of stack c, with :math:`\Delta` the mean outcome after the change less
that of the base years, :math:`d_i = \Delta_i - \bar\Delta_{stayers,c}` has the sampling variance
:math:`v_i = s^2 (1 + 1/m_c)`, with :math:`s^2` the variance of the :math:`m_c` stayers' changes
within stacks. What :math:`d_i` vary beyond it is :math:`\tau^2`: by moments (DerSimonian and
Laird 1986) or by restricted likelihood,

.. math:: \hat\tau^2_{DL} = \max\Big(0, \frac{Q - (n - 1)}{\sum w - \sum w^2 / \sum w}\Big),
          \qquad Q = \sum w (d - \bar d_w)^2, \quad w = 1 / v ,

and a further event's effect lies in :math:`\hat\mu \pm t_{n-2} \sqrt{\hat\tau^2 + se(\hat\mu)^2}`
(Higgins, Thompson and Spiegelhalter 2009).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import optimize

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import BaseYear, EarlyBase, StackedSample
from churnstats.diagnostics.bases import pooled_effect
from churnstats.display import figures
from churnstats.estimators.stacked import Stacked
from churnstats.inference.event_study import event_study
from churnstats.inference.fit import Fit, ScoreInfluence
from churnstats.inference.infer import WaldTest, estimates_table
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Cluster, Vcov
from churnstats.numerics.groups import encode, group_sums
from churnstats.panel.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TauMethod = Literal["REML", "DL"]


@dataclass(frozen=True, eq=False)
class EffectsBy:
    """Paths of effects by group of events.

    Attributes
    ----------
    result : Result
        One term a group and event time, with the column ``series`` for the group.
    by : str
    groups : tuple of str
        By name; only those with enough events.
    """

    result: Result
    by: str
    groups: tuple[str, ...]

    def pooled(self, first: int = 0, last: int | None = None) -> Result:
        """Return the mean effect over event times first to last of each group."""
        pooled = pooled_effect(self.result, first, last, "")
        return replace(pooled, names=self.groups)

    def contrasts(self, first: int = 0, last: int | None = None) -> Result:
        """Return each group's pooled effect less that of the group with most events."""
        keys = self.result.keys.drop_duplicates("series")
        largest = str(keys["series"].iloc[int(keys["n_events"].to_numpy().argmax())])
        others = [group for group in self.groups if group != largest]
        return self.pooled(first, last).lincom(
            {f"{group} - {largest}": {group: 1.0, largest: -1.0} for group in others}
        )

    def equality(self, first: int = 0, last: int | None = None) -> WaldTest:
        """Test that the pooled effects of all groups are equal."""
        return self.contrasts(first, last).wald_test()

    def summary(self) -> str:
        """Return pooled effects, contrasts and the test of equality as text."""
        lines = [f"Effects by {self.by}, pooled from the change on:"]
        counts = self.result.keys.drop_duplicates("series")["n_events"]
        for row, n in zip(self.pooled().tidy().itertuples(), counts, strict=True):
            lines.append(f"{_line(row)}  {n:,} events")
        lines.append("Contrasts:")
        lines += [_line(row) for row in self.contrasts().tidy().itertuples()]
        lines.append(f"Test that they are equal: {self.equality()}.")
        errors = self.result.choice
        lines.append(f"Errors: {errors.label}; small-sample rule: {errors.small_sample}.")
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Draw the paths side by side; counts below are those of all groups together."""
        data, about = self.result.plot_data(), self.result.description
        total = data.groupby("event_time")["n_events"].transform("sum")
        data = data.sort_values(["series", "event_time"]).assign(n_events=total)
        title = f"{about.title}, by {self.by}"
        return figures.event_study_figure(data, title, about.outcome, self.result.level)

    def __str__(self) -> str:
        return self.summary()


def _line(row: object) -> str:
    term, estimate, error = (getattr(row, c) for c in ("term", "estimate", "std_error"))
    low, high = getattr(row, "conf_low"), getattr(row, "conf_high")  # noqa: B009
    return f"  {term:<34}{estimate:8.3f} ({error:.3f})  [{low:.3f}, {high:.3f}]"


def effects_by(
    panel: Panel,
    design: Stacked,
    outcome: str,
    by: str,
    *,
    min_events: int = 10,
    covariates: str = "",
    effects: tuple[str, ...] = (),
    weights: str | None = None,
    vcov: Vcov = Cluster("unit_id"),  # noqa: B008 - frozen
    level: float = 0.95,
) -> EffectsBy:
    """Estimate a path of effects for each group of events, against the same stayers.

    Parameters
    ----------
    panel : Panel
    design : Stacked
    outcome : str
    by : str
        Column of the event ledger (``"exit_type"``, ``"successor_origin"``, ``"is_planned"``,
        ``"event_order"``), else of the panel at event time -1; numbers of many values are cut
        into terciles of the events in use.
    min_events : int
        Groups with fewer events are pooled as "other groups", and left out with a reason if they
        are still too few together.
    covariates, effects, weights, vcov, level
        As for `event_study`; coefficients of covariates are the same for all groups.

    Returns
    -------
    EffectsBy

    Raises
    ------
    IdentificationError
        Fewer than two groups with enough events.

    Notes
    -----
    Without covariates and lags, each path is that of the study of the group's events alone.
    A group by the baseline of the outcome regresses to the mean: read it on an early base.

    Examples
    --------
    >>> import churnstats as cs
    >>> from churnstats.diagnostics.heterogeneity import effects_by
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> found = effects_by(panel, cs.Stacked(pre=2, post=1), "win_share", "is_mid_year")
    >>> found.groups
    ('is_mid_year', 'not is_mid_year')
    """
    result = event_study(
        panel,
        replace(design, by=by, min_events=min_events, moderator=""),
        outcome,
        covariates=covariates,
        effects=effects,
        weights=weights,
        vcov=vcov,
        level=level,
    )
    return EffectsBy(result, by, tuple(dict.fromkeys(result.keys["series"])))


@dataclass(frozen=True, eq=False)
class EventSpread:
    """How far the effects of single events lie apart.

    Attributes
    ----------
    events : DataFrame
        ``unit_id, school_year_end, effect, std_error, n_stayers``, one row an event.
    mean : float
        Random-effects mean of the events' effects.
    mean_std_error : float
        As if events were independent; those of one stack share their stayers.
    tau2 : float
        Variance of effects beyond sampling.
    method : str
        How tau2 was found.
    q : float
        Cochran's Q, about n - 1 if effects are all equal.
    prediction : tuple of float
        Interval for a further event's effect.
    level : float
    variance_ratio : Result
        ``"log variance ratio"`` of events' changes to stayers', within stacks; clustered by unit.
    """

    events: pd.DataFrame
    mean: float
    mean_std_error: float
    tau2: float
    method: TauMethod
    q: float
    prediction: tuple[float, float]
    level: float
    variance_ratio: Result

    def summary(self) -> str:
        """Return mean, spread, prediction interval and the variance ratio as text."""
        n, ratio = len(self.events), self.variance_ratio.tidy(exponentiate=True).iloc[0]
        low, high = self.prediction
        return "\n".join(
            [
                f"Mean effect of {n:,} events: {self.mean:.3f} ({self.mean_std_error:.3f}).",
                f"Standard deviation of effects beyond sampling: {np.sqrt(self.tau2):.3f} "
                f"({self.method}; Q = {self.q:.1f} on {n - 1:,}).",
                f"A further event's effect, {self.level:.0%} prediction interval: "
                f"{low:.3f} to {high:.3f}.",
                "Variance of events' changes over that of stayers' (for better or worse): "
                f"{ratio['estimate']:.2f} [{ratio['conf_low']:.2f}, {ratio['conf_high']:.2f}], "
                f"p = {ratio['p_value']:.3f}.",
            ]
        )

    def __str__(self) -> str:
        return self.summary()


def event_spread(
    panel: Panel,
    design: Stacked,
    outcome: str,
    *,
    first: int = 0,
    last: int | None = None,
    method: TauMethod = "REML",
    level: float = 0.95,
) -> EventSpread:
    """Estimate how far the effects of single changes of leader lie apart.

    Parameters
    ----------
    panel : Panel
    design : Stacked
        Its base tells which years before the change count; its weighting and groups do not.
    outcome : str
    first, last : int
        Event times after the change, both included; by default all.
    method : {"REML", "DL"}
        Restricted likelihood, or moments.
    level : float

    Returns
    -------
    EventSpread

    Raises
    ------
    IdentificationError
        Fewer than three events, no stack with two events, or none with two stayers.

    Notes
    -----
    It takes the noise of a unit that changes leaders to be that of stayers. The test of the
    variance ratio does not need normal changes; stacks with one event add nothing to it.

    Examples
    --------
    >>> import churnstats as cs
    >>> from churnstats.diagnostics.heterogeneity import event_spread
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> spread = event_spread(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> len(spread.events), spread.tau2 >= 0
    (192, True)
    """
    last = design.post if last is None else last
    if method not in ("REML", "DL"):
        raise SpecError("event_spread", f"method={method!r}: 'REML' or 'DL'")
    if not 0 <= first <= last <= design.post:
        raise SpecError("event_spread", f"{first} to {last} lie outside 0 to {design.post}")
    sample = replace(design, by="", moderator="").build(panel, outcome)
    windows = sample.frame[sample.frame["event_time"] == 0].reset_index(drop=True)
    change = _changes(sample, design, first, last)
    treated = (windows["treated"] == 1).to_numpy()
    stack = encode(windows["stack"])[0]
    effect, variance, n_stayers = event_differences(change, treated, stack)
    if effect.size < 3:
        raise IdentificationError("event_spread", f"{effect.size} events: three are needed")
    tau2 = tau2_reml(effect, variance) if method == "REML" else tau2_moments(effect, variance)
    mean, error = weighted_mean(effect, variance + tau2)
    spread = np.array([np.sqrt(tau2 + error**2)])
    interval = estimates_table(np.array([mean]), spread, effect.size - 2, level, "identity")
    events = windows.loc[treated, ["unit_id", "school_year_end"]].assign(
        effect=effect, std_error=np.sqrt(variance), n_stayers=n_stayers
    )
    return EventSpread(
        events=events.reset_index(drop=True),
        mean=mean,
        mean_std_error=error,
        tau2=tau2,
        method=method,
        q=cochran_q(effect, variance),
        prediction=(float(interval["conf_low"].iloc[0]), float(interval["conf_high"].iloc[0])),
        level=level,
        variance_ratio=_variance_ratio(change, treated, stack, windows, outcome, level),
    )


def _changes(sample: StackedSample, design: Stacked, first: int, last: int) -> FloatArray:
    """Return for each window the mean outcome of the years after less that of the base."""
    base = design.base
    if isinstance(base, BaseYear):
        before = [base.event_time]
    elif isinstance(base, EarlyBase):
        before = list(range(base.first, base.last + 1))
    else:
        raise SpecError("event_spread", "a single event has no lag-adjusted effect")
    y = sample.frame["y"].to_numpy(dtype=float).reshape(-1, design.years.size)
    after = y[:, design.pre + first : design.pre + last + 1].mean(axis=1)
    return np.asarray(after - y[:, [design.pre + k for k in before]].mean(axis=1))


def _within(change: FloatArray, stack: IntArray) -> tuple[FloatArray, IntArray, int]:
    """Return changes less their stack's mean, each stack's size, and the degrees of freedom."""
    size = np.bincount(stack, minlength=int(stack.max()) + 1)
    mean = group_sums(change, stack, size.size) / np.maximum(size, 1)
    return change - mean[stack], size, int(np.maximum(size - 1, 0).sum())


def event_differences(
    change: FloatArray, treated: BoolArray, stack: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return each event's change less its stayers' mean, its sampling variance, and n_stayers.

    Examples
    --------
    >>> change = np.array([5.0, 1.0, 3.0])
    >>> event_differences(change, np.array([True, False, False]), np.zeros(3, dtype=int))
    (array([3.]), array([3.]), array([2]))
    """
    deviation, size, df = _within(change[~treated], stack[~treated])
    if df == 0:
        raise IdentificationError("event_spread", "no stack has two stayers")
    noise = float(deviation @ deviation) / df
    n_stayers = size[stack[treated]]
    mean = group_sums(change[~treated], stack[~treated], size.size) / np.maximum(size, 1)
    effect = change[treated] - mean[stack[treated]]
    return effect, noise * (1 + 1 / n_stayers), n_stayers


def weighted_mean(effect: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Return the mean weighted by inverse variances, and its standard error."""
    w = 1 / variance
    return float(w @ effect / w.sum()), float(np.sqrt(1 / w.sum()))


def cochran_q(effect: FloatArray, variance: FloatArray) -> float:
    """Return the sum of squared deviations from the weighted mean, each over its variance."""
    mean, _ = weighted_mean(effect, variance)
    return float(((effect - mean) ** 2 / variance).sum())


def tau2_moments(effect: FloatArray, variance: FloatArray) -> float:
    """Return the variance of effects by moments (DerSimonian and Laird 1986).

    Examples
    --------
    >>> tau2_moments(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    1.0
    """
    w = 1 / variance
    excess = cochran_q(effect, variance) - (effect.size - 1)
    return max(0.0, float(excess / (w.sum() - w @ w / w.sum())))


def tau2_reml(effect: FloatArray, variance: FloatArray) -> float:
    """Return the variance of effects at which the restricted likelihood has its maximum.

    Examples
    --------
    >>> round(tau2_reml(np.array([0.0, 2.0]), np.array([1.0, 1.0])), 9)
    1.0
    """

    def score(tau2: float) -> float:
        w = 1 / (variance + tau2)
        mean, _ = weighted_mean(effect, variance + tau2)
        return float((w**2) @ (effect - mean) ** 2 - w.sum() + w @ w / w.sum())

    if score(0.0) <= 0:
        return 0.0
    upper = float(np.var(effect, ddof=1)) + float(variance.max())
    while score(upper) > 0:
        upper *= 2
    return float(optimize.brentq(score, 0.0, upper, xtol=1e-14 * upper, rtol=1e-13))


def _variance_ratio(
    change: FloatArray,
    treated: BoolArray,
    stack: IntArray,
    windows: pd.DataFrame,
    outcome: str,
    level: float,
) -> Result:
    r"""Return the log ratio of variances within stacks, with the influence of each window.

    A window's part of a log variance is :math:`(e^2 - s^2 (1 - 1/n_c)) / (s^2 \sum (n_c - 1))`.
    """
    influence, logs, sizes = np.zeros(change.size), [], []
    for part, sign in ((treated, 1.0), (~treated, -1.0)):
        deviation, size, df = _within(change[part], stack[part])
        total = float(deviation @ deviation)
        if df == 0 or total == 0:
            raise IdentificationError("event_spread", "no stack has two events that differ")
        expected = total / df * (1 - 1 / size[stack[part]])
        influence[part] = sign * (deviation**2 - expected) / total
        logs.append(sign * np.log(total / df))
        sizes.append(df)
    design = Design(
        response=Continuous(change),
        x=np.zeros((change.size, 0)),
        names=(),
        weights=np.ones(change.size),
        clusters={"unit_id": encode(windows["unit_id"])[0]},
    )
    fit = Fit(
        estimator="variance ratio",
        design=design,
        coef=np.array([sum(logs)]),
        names=("log variance ratio",),
        influence=ScoreInfluence(influence[:, None], np.eye(1)),
        keys=pd.DataFrame(index=range(1)),
    )
    stats = {"n_df_events": sizes[0], "n_df_stayers": sizes[1]}
    about = Description("regression", "Spread of changes, events to stayers", outcome, stats)
    return infer(fit, Cluster("unit_id", "clusters"), about, level)
