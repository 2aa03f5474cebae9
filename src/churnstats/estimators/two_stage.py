"""The two-stage event study of Gardner (2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray
from churnstats.designs.absorbing import Absorbing, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_paths import (
    OVERALL,
    anticipation_note,
    count_events,
    event_times,
    horizon_targets,
    imputable_rows,
    later_changes_note,
    path_keys,
    regression_design,
    sample_counts,
    support_table,
)
from churnstats.designs.design import Continuous, Design
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, kernel
from churnstats.inference.untreated import fit_averages, impute


@kernel(Continuous)
def fit_two_stage(
    design: Design, targets: Sequence[str] = (), treated: BoolArray | None = None
) -> Fit:
    r"""Regress what the untreated model leaves on the targets, errors of both stages counted.

    With moments :math:`z_i w_i (1 - D_i)(y_i - z_i'\theta)` and
    :math:`d_i w_i (y_i - z_i'\theta - d_i'\beta)` the influence on :math:`\beta` is that of a
    just-identified GMM estimator.

    Parameters
    ----------
    design : Design
        Its first columns are the ``targets``, of which no two overlap save by nesting; the
        others are covariates.
    targets : sequence of str
    treated : (n,) array, optional
        Rows that the first stage leaves out; those in any target unless told.
    """
    if treated is None:
        treated = (design.x[:, : len(targets)] != 0).any(axis=1)
    found = impute(design, targets, treated)
    return fit_averages("two-stage event study", design, found, found.gaps_from_means())


@dataclass(frozen=True)
class TwoStage:
    r"""Outcomes less effects learnt from untreated rows, averaged by event time.

    First stage, on untreated rows:
    :math:`y_{it} = \alpha_i + \lambda_t + x_{it}'\gamma + e_{it}`. Second stage, on all rows:
    :math:`y_{it} - \hat\alpha_i - \hat\lambda_t - x_{it}'\hat\gamma = \sum_k \beta_k 1[t - G_i
    = k] + u_{it}`.

    Parameters
    ----------
    pre : int
        Leads in the second stage; their rows are in the first stage too, which draws them
        towards zero.
    post : int, optional
        Last event time; all unless told.
    anticipation : int
        Years before the change from which a unit counts as treated.

    Notes
    -----
    Gardner (2021). The effects are those of `Imputation`; errors come from the moments of both
    stages (Newey and McFadden 1994, section 6) and ask effects at one event time to vary as
    they would in another sample. Terms: one an event time, ``att`` (all rows at k >= 0), then
    the first stage's covariates. Treated rows of units or years without an untreated row are
    left out, and counted.

    Examples
    --------
    >>> TwoStage(pre=2)
    TwoStage(pre=2, post=None, anticipation=0)
    """

    pre: int = 3
    post: int | None = None
    anticipation: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name}: {value} is negative"
            for name, value in vars(self).items()
            if value is not None and value < 0
        ]
        if wrong:
            raise SpecError("design", "TwoStage can't be built so", where=wrong)

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return the mean gap at each event time and over all treated rows."""
        rows = imputable_rows(cohort_rows(data, ask), self.anticipation, self.post)
        times = event_times(rows)
        columns, names, at = horizon_targets(times, -self.anticipation - self.pre)
        design = regression_design(rows, columns, names)
        fit = fit_two_stage(design, names, times >= -self.anticipation)
        sample = sample_counts(rows)
        at = np.r_[at, np.full(len(rows.x_names), np.nan)]
        fit = replace(
            fit,
            keys=path_keys(at, count_events(rows, times), sample["n_events"]),
            frames={
                "base": path_keys(np.zeros(0), {}, 0, in_base=True),
                "support": support_table(rows, times),
                "fates": data.fates,
            },
        )
        note = (
            "Controls: units that never change, and the others before they do. Base: all "
            f"untreated years. {OVERALL} over all rows from event time 0 on. Errors count both "
            "stages; leads are in the first stage too, which draws them towards zero."
        )
        return Answer(
            fit,
            "Event study of a first change (two-stage)",
            sample,
            (note, *anticipation_note(self.anticipation), *later_changes_note(data)),
        )
