"""The interaction-weighted event study of Sun and Abraham (2021)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing, CohortRows, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_paths import (
    OVERALL,
    alone_note,
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
def fit_sun_abraham(design: Design) -> Fit:
    """Fit the regression on cells of cohort and event time."""
    return fit_least_squares(design, "Sun-Abraham event study")


@dataclass(frozen=True)
class SunAbraham:
    r"""Effects of a first change by cohort and event time, averaged by cohort shares.

    .. math:: y_{it} = \alpha_i + \lambda_t
              + \sum_g \sum_{k \ne b} \delta_{gk} 1[G_i = g] 1[t - g = k] + x_{it}'\gamma + e_{it},
              \qquad \hat\beta_k = \sum_g s_{gk} \hat\delta_{gk} ,

    with :math:`s_{gk}` the share of cohort g among the rows (their weights) at event time k.

    Parameters
    ----------
    base : int
        Event time that effects are differences from.
    controls : {"never", "last"}
        Units that do not change up to the last year in use; or the last cohort in the years
        before its own change, with units that never change left out.

    Notes
    -----
    Sun and Abraham (2021), the interaction-weighted estimator. Shares are taken as known, as in
    R fixest's sunab. Terms: one an event time, ``att`` (mean over all rows at k >= 0), then the
    covariates.
    ``frames["cells"]`` has the effects by cohort. A cohort that is not seen at the base event
    time, or that changed before the first year, has no base and is left out, and counted.

    Examples
    --------
    >>> SunAbraham(base=-2).controls
    'never'
    """

    base: int = -1
    controls: Literal["never", "last"] = "never"

    def __post_init__(self) -> None:
        wrong = []
        if self.base >= 0:
            wrong.append(f"base: {self.base} is not before the change")
        if self.controls not in ("never", "last"):
            wrong.append(f"controls: '{self.controls}' is neither 'never' nor 'last'")
        if wrong:
            raise SpecError("design", "SunAbraham can't be built so", where=wrong)

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return the mean effect by event time, over all treated rows, and the covariates."""
        rows = self._sample(cohort_rows(data, ask))
        times = event_times(rows)
        cells = cells_of(rows, ~np.isnan(times) & (times != self.base))
        fit = fit_sun_abraham(regression_design(rows, cells.dummies(), cells.names))
        combine, names, at = cells.averages(rows.x_names)
        sample = self._counts(rows)
        counts = count_events(rows, times)
        path = replace(
            combine_fit(fit, combine, names),
            keys=path_keys(at, counts, sample["n_events"]),
            frames={
                "base": path_keys(np.array([float(self.base)]), counts, 0, in_base=True),
                "support": support_table(rows, times),
                "cells": cells.table(fit.coef),
                "fates": data.fates,
            },
        )
        title = "Event study of a first change (Sun and Abraham)"
        alone = alone_note(int((np.bincount(cells.codes[cells.codes >= 0]) == 1).sum()))
        return Answer(path, title, sample, (self._note(), *alone, *later_changes_note(data)))

    def _sample(self, rows: CohortRows) -> CohortRows:
        """Return the rows that can be compared; the last cohort as controls is never treated."""
        if self.controls == "last":
            rows = _last_cohort_as_controls(rows)
        else:
            rows = replace(
                rows, cohort=np.where(rows.cohort > rows.year.max(), np.nan, rows.cohort)
            )
        if not np.isnan(rows.cohort).any():
            raise IdentificationError(
                "no_controls",
                "no unit never changes",
                how="take the last cohort as controls: SunAbraham(controls='last')",
            )
        with_base = np.unique(rows.cohort[event_times(rows) == self.base])
        no_base = ~np.isnan(rows.cohort) & ~np.isin(rows.cohort, with_base)
        rows = keep_rows(rows, {f"of cohorts not seen at event time {self.base:+d}": no_base})
        if np.isnan(rows.cohort).all():
            raise IdentificationError("no_events", "no unit that changes is left")
        return rows

    def _counts(self, rows: CohortRows) -> dict[str, int]:
        """Return the counts of the sample; the last cohort as controls is named as such."""
        counts = sample_counts(rows)
        if self.controls == "never":
            return counts
        last = {"n_units_that_never_change": "n_units_of_the_last_cohort"}
        return {last.get(name, name): n for name, n in counts.items()}

    def _note(self) -> str:
        who = {
            "never": "units that do not change up to the last year",
            "last": "the last cohort, before its change",
        }[self.controls]
        return (
            f"Controls: {who}. Base: event time {self.base:+d}. Averages over cohorts by their "
            f"shares at each event time; {OVERALL} over all rows from event time 0 on."
        )


def _last_cohort_as_controls(rows: CohortRows) -> CohortRows:
    """Leave out units that never change and the years from the last cohort's change on."""
    cohorts = np.unique(rows.cohort[~np.isnan(rows.cohort)])
    if cohorts.size < 2:
        raise IdentificationError(
            "no_controls", f"{cohorts.size} cohort can't have a later one as controls"
        )
    last = cohorts[-1]
    lost = {
        "of units that never change (controls are the last cohort)": np.isnan(rows.cohort),
        "from the change of the last cohort on": rows.year >= last,
    }
    rows = keep_rows(rows, lost)
    return replace(rows, cohort=np.where(rows.cohort == last, np.nan, rows.cohort))
