"""Extended two-way fixed effects of Wooldridge (2021): an effect a cohort and year."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray
from churnstats.designs.absorbing import Absorbing, CohortRows, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_paths import (
    OVERALL,
    alone_note,
    anticipation_note,
    cells_of,
    count_events,
    event_times,
    keep_rows,
    later_changes_note,
    path_keys,
    regression_design,
    sample_counts,
    support_table,
)
from churnstats.designs.design import Continuous, Design
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, combine_fit, kernel
from churnstats.inference.least_squares import fit_least_squares


@kernel(Continuous)
def fit_extended_two_way(design: Design) -> Fit:
    """Fit the regression on treated cells of cohort and year."""
    return fit_least_squares(design, "extended two-way fixed effects")


@dataclass(frozen=True)
class ExtendedTwoWay:
    r"""Two-way fixed effects with an effect for each treated cohort and year.

    .. math:: y_{it} = \alpha_i + \lambda_t
              + \sum_g \sum_{t \ge g} \tau_{gt} 1[G_i = g] 1[year = t] + x_{it}'\gamma + e_{it}

    Controls are units that never change and those that have not yet. Effects are averaged over
    cohorts by their shares (of weights) at each event time.

    Parameters
    ----------
    anticipation : int
        Years before the change from which a unit counts as treated.

    Notes
    -----
    Wooldridge (2021). In a balanced panel without covariates the estimates are those
    of `Imputation`; the errors are those of the regression. Covariates enter additively, with
    one coefficient in all cells. There are no leads: by construction all untreated years of a
    unit are its base. Cohorts without an untreated year, and years in which every unit is
    treated, are left out, and counted.

    Examples
    --------
    >>> ExtendedTwoWay(anticipation=1)
    ExtendedTwoWay(anticipation=1)
    """

    anticipation: int = 0

    def __post_init__(self) -> None:
        if self.anticipation < 0:
            raise SpecError(
                "design",
                "ExtendedTwoWay can't be built so",
                where=[f"anticipation: {self.anticipation} is negative"],
            )

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return the mean effect by event time, over all treated rows, and the covariates."""
        rows = self._sample(cohort_rows(data, ask))
        times = event_times(rows)
        cells = cells_of(rows, self._treated(rows))
        fit = fit_extended_two_way(regression_design(rows, cells.dummies(), cells.names))
        combine, names, at = cells.averages(rows.x_names)
        sample = sample_counts(rows)
        path = replace(
            combine_fit(fit, combine, names),
            keys=path_keys(at, count_events(rows, times), sample["n_events"]),
            frames={
                "base": path_keys(np.zeros(0), {}, 0, in_base=True),
                "support": support_table(rows, times),
                "cells": cells.table(fit.coef),
                "fates": data.fates,
            },
        )
        note = (
            "Controls: units that never change, and the others before they do. Base: all "
            f"untreated years. Averages over cohorts by their shares; {OVERALL} over all rows "
            "from event time 0 on."
        )
        title = "Event study of a first change (extended two-way fixed effects)"
        alone = alone_note(int((np.bincount(cells.codes[cells.codes >= 0]) == 1).sum()))
        notes = (note, *anticipation_note(self.anticipation), *alone, *later_changes_note(data))
        return Answer(path, title, sample, notes)

    def _treated(self, rows: CohortRows) -> BoolArray:
        return np.asarray(event_times(rows) >= -self.anticipation)

    def _sample(self, rows: CohortRows) -> CohortRows:
        """Return the rows whose cohort and whose year have untreated rows."""
        free = ~self._treated(rows)
        never = np.isnan(rows.cohort)
        cohorts = np.unique(rows.cohort[free & ~never])
        rows = keep_rows(
            rows,
            {
                "of cohorts without an untreated year": ~never & ~np.isin(rows.cohort, cohorts),
                "in years without an untreated unit": ~np.isin(rows.year, rows.year[free]),
            },
        )
        if not self._treated(rows).any():
            raise IdentificationError("no_events", "no treated row can be compared")
        return rows
