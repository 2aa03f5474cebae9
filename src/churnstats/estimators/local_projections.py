"""Local projections: at each horizon, changes against units that are clean so far.

Dube, Girardi, Jorda and Taylor (2025), for treatments that recur: see `designs.projections`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnstats.designs.ask import Ask
from churnstats.designs.design import Continuous, Design
from churnstats.designs.projections import (
    ProjectionRules,
    ProjectionSample,
    base_years,
    projection_sample,
)
from churnstats.designs.stacked import BaseYear
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, combine_fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.panel.panel import Panel


@kernel(Continuous)
def fit_local_projections(design: Design) -> Fit:
    """Fit the regressions of all horizons at once."""
    return fit_least_squares(design, "local projections")


@dataclass(frozen=True)
class LocalProjections(ProjectionRules):
    """Long differences at each horizon, of units with a change and of clean controls.

    Parameters
    ----------
    pre, post : int
        Years before and after the school year of the change (event time 0, the first year in
        which the successor leads).
    clean_years : int, optional
        Years before t without a change, for changes and controls; ``pre`` by default. With
        fewer, leads may hold what came before an earlier change.
    isolate : bool
        Use a change up to the year before the unit's next one. If False it is used at all event
        times, and what further changes do is part of its effect.
    base : BaseYear or EarlyBase
        What effects are differences from: the outcome of one event time, or the mean of several,
        of which all must be known. ``EarlyBase(-pre, -1)`` is the paper's mean before t.
    weighting : {"events", "ols"}
        Mean over changes, or the mean that least squares makes of the years, by the variance of
        treatment in each. With covariates the former is a weighted regression too, and a mean over
        changes only where covariates are balanced.

    Notes
    -----
    Controls at event time h have no change from ``t - clean_years`` to ``t + max(h, 0)`` and no
    year without a leader. All of these years must be under observation; the rules are those of
    `Stacked`, but at each event time anew, so that later event times ask more of controls, and
    fewer changes and controls are behind them (``frames["support"]``).

    Where units differ in how often they change, changes right before the clean years are more
    frequent behind changes than behind controls, and what they still do in the window is mistaken
    for a lead or an effect: choose ``clean_years`` as long as effects take to settle.

    Covariates are those of year t - 1, with coefficients of their own at each event time. Further
    effects name groups: changes are compared with controls of the same group (at t), year and
    event time; several are crossed. Weights and clusters are those of year t. The small-sample
    factor counts rows and effects of all event times together.

    References
    ----------
    Dube, A., Girardi, D., Jorda, O. and Taylor, A. M. (2025). A local projections approach to
    difference-in-differences. Journal of Applied Econometrics (NBER Working Paper 31184, 2023).

    Examples
    --------
    >>> import churnstats as cs
    >>> from churnstats.estimators.local_projections import LocalProjections
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, LocalProjections(pre=2, post=1), "win_share")
    >>> study.tidy()["event_time"].tolist()
    [-2, 0, 1]
    """

    def answer(self, data: Panel, ask: Ask) -> Answer:
        """Return the mean effect over changes at each event time."""
        sample = projection_sample(self, data, ask)
        fit = fit_local_projections(sample.design)
        times = np.array(self.estimated, dtype=np.int64)
        if fit.coef.size > times.size:
            fit = combine_fit(fit, np.eye(times.size, fit.coef.size), fit.names[: times.size])
        base = np.array(base_years(self.base), dtype=np.int64)
        keys = pd.DataFrame(
            {
                "event_time": times,
                "n_events": sample.support["n_events"].to_numpy(),
                "in_base": np.isin(times, base),
            }
        )
        omitted = base if isinstance(self.base, BaseYear) else base[:0]
        used = int((sample.fates["fate"] == "used").sum())
        fit = replace(
            fit,
            keys=keys,
            frames={
                "base": pd.DataFrame(
                    {"event_time": omitted, "n_events": used, "in_base": True},
                    index=range(omitted.size),
                ),
                "support": sample.support,
                "fates": sample.fates,
            },
        )
        title = "Local projections of a change of leader"
        return Answer(fit, title, _counts(sample, used), tuple(_notes(self, sample, ask)))


def _counts(sample: ProjectionSample, used: int) -> dict[str, int]:
    return {
        "n_events": used,
        "n_changes": int(sample.fates["n_changes"].sum()),
        "n_units_with_events": sample.n_units_with_events,
        "n_units_as_controls": sample.n_units_as_controls,
    }


def _notes(spec: LocalProjections, sample: ProjectionSample, ask: Ask) -> list[str]:
    base = base_years(spec.base)
    words = f"event time {base[0]:+d}"
    if not isinstance(spec.base, BaseYear):
        words = f"mean of event times {base[0]:+d} to {base[-1]:+d}"
    later = "up to the next change" if spec.isolate else "at all event times, whatever follows"
    weights = {"events": "mean over changes", "ols": "least squares"}[spec.weighting]
    notes = [
        f"Window: -{spec.pre}..+{spec.post}; controls: no change in the {spec.clean} years before "
        f"and up to each event time; changes: none in the {spec.clean} years before, used {later}. "
        f"Base: {words}. Weights: {weights}.",
        f"{(sample.fates['fate'] == 'used').mean():.0%} of the {len(sample.fates):,} unit-years "
        "with a change are used.",
        f"Compared within {next(iter(sample.design.effects))}.",
    ]
    if ask.covariates:
        notes.append(f"Covariates of the year before: {ask.covariates}.")
    if ask.weights:
        notes.append(f"Weighted by {ask.weights}.")
    return notes
