r"""Distributed lags: every change of every unit in one regression.

Schmidheiny and Siegloch (2023): with :math:`b^k_{ut}` the number of changes k years before year t
(those further away are binned at the ends of the window),

.. math:: y_{ut} = \sum_{k \ne -1} \beta_k b^k_{ut} + \alpha_u + \gamma_t + e_{ut} .

Their equivalence: with :math:`X_{ut}` the number of changes so far, the same model is
:math:`y_{ut} = \sum_{k=1-pre}^{post} \delta_k X_{u,t-k} + \alpha_u + \gamma_t + e_{ut}` with
:math:`\delta_k = \beta_k - \beta_{k-1}`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnstats.designs.ask import Ask
from churnstats.designs.design import Continuous, Design
from churnstats.designs.lags import LagSample, LagWindow, lag_sample
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, combine_fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.panel.panel import Panel


@kernel(Continuous)
def fit_distributed_lags(design: Design) -> Fit:
    """Fit the regression on leads and lags."""
    return fit_least_squares(design, "distributed lags")


@dataclass(frozen=True)
class DistributedLags(LagWindow):
    """An event study in which a unit may have many changes, all of which count.

    Parameters
    ----------
    pre, post : int
        Years before and after the school year of the change (event time 0, the first year in
        which the successor leads). The first and the last event time stand for all beyond them.

    Notes
    -----
    Effects of a unit's changes add up, are the same for each change, and stay what they are at
    ``post`` from then on; where a change ends the effects of the one before it, this is not so,
    and `Stacked` or `LocalProjections` are the designs to use. Two changes in one school year
    count twice. Event time -1 is zero.

    A row is used if the changes of all years from ``t - post + 1`` to ``t + pre - 1`` are known:
    the year and the one before it under observation, and no change without a date. Nothing is
    assumed of years further away: what happened before a unit's first known year is in its
    effect, and rows between which a year is not known have effects of their own (stretches).
    A year without a leader is a year without a change; the change is when the successor starts.

    Unit (by stretch) and year effects are absorbed, the latter unless further effects hold them.

    References
    ----------
    Schmidheiny, K. and Siegloch, S. (2023). On event studies and distributed-lags in two-way
    fixed effects models: identification, equivalence, and generalization. Journal of Applied
    Econometrics 38(5), 695-713.

    Examples
    --------
    >>> import churnstats as cs
    >>> from churnstats.estimators.distributed_lags import DistributedLags
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, DistributedLags(pre=2, post=1), "win_share")
    >>> study.tidy()["event_time"].tolist()
    [-2, 0, 1]
    """

    def answer(self, data: Panel, ask: Ask) -> Answer:
        """Return the effect of one change more at each event time."""
        sample = lag_sample(self, data, ask)
        fit = fit_distributed_lags(sample.design)
        n_terms = self.years.size - 1
        if fit.coef.size > n_terms:
            fit = combine_fit(fit, np.eye(n_terms, fit.coef.size), fit.names[:n_terms])
        keys = pd.DataFrame({"event_time": self.years, "n_events": sample.n_events})
        is_base = (keys["event_time"] == -1).to_numpy()
        keys["in_base"] = is_base
        fit = replace(
            fit,
            keys=keys[~is_base].reset_index(drop=True),
            frames={
                "base": keys[is_base].reset_index(drop=True),
                "support": sample.support,
                "fates": sample.fates,
            },
        )
        title = "Distributed lags of changes of leader"
        return Answer(fit, title, _counts(sample), tuple(_notes(self, sample, ask)))


def _counts(sample: LagSample) -> dict[str, int]:
    used = sample.fates["fate"] == "used"
    return {
        "n_events": int(sample.fates.loc[used, "n_changes"].sum()),
        "n_changes": int(sample.fates["n_changes"].sum()),
        "n_units": sample.n_units,
        "n_units_without_change": sample.n_units_without_change,
        "n_stretches": sample.n_stretches,
    }


def _notes(spec: DistributedLags, sample: LagSample, ask: Ask) -> list[str]:
    absorbed = ", ".join(sample.design.effects)
    notes = [
        f"Window: -{spec.pre}..+{spec.post}, its ends stand for all years beyond them. "
        "Base: event time -1. Effects of several changes add up.",
        f"Absorbed: {absorbed}. What happened before a stretch of known years is in its effect.",
    ]
    if ask.covariates:
        notes.append(f"Covariates: {ask.covariates}.")
    if ask.weights:
        notes.append(f"Weighted by {ask.weights}.")
    return notes
