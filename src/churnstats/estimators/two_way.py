"""Dynamic two-way fixed effects: one path of event times for all cohorts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import FloatArray
from churnstats.designs.absorbing import Absorbing, CohortRows, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_paths import (
    count_events,
    event_times,
    later_changes_note,
    path_keys,
    regression_design,
    sample_counts,
    support_table,
)
from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import term_name
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, kernel
from churnstats.inference.least_squares import fit_least_squares


@kernel(Continuous)
def fit_two_way(design: Design) -> Fit:
    """Fit the regression on event times."""
    return fit_least_squares(design, "dynamic two-way fixed effects")


@dataclass(frozen=True)
class DynamicTwoWay:
    r"""Event-time dummies with effects of units and years.

    .. math:: y_{it} = \alpha_i + \lambda_t + \sum_{k \ne b} \beta_k 1[t - G_i = k]
              + x_{it}'\gamma + e_{it}

    Parameters
    ----------
    pre, post : int, optional
        Where event times are binned: ``pre=4`` gives all of -4 and before one coefficient,
        ``post=4`` all of +4 and after. Without them each event time has its own.
    base : int
        Event time that effects are differences from.

    Notes
    -----
    Units that never change are in the regression with all dummies zero. If effects differ by
    cohort a coefficient mixes them, also those of other event times, with weights that may be
    negative (Sun and Abraham 2021; Goodman-Bacon 2021): a yardstick rather than
    an answer. Without units that never change and without bins a linear trend in event time is
    not identified (Schmidheiny and Siegloch 2023), and the design is refused.

    Examples
    --------
    >>> DynamicTwoWay(pre=4, post=4)
    DynamicTwoWay(pre=4, post=4, base=-1)
    """

    pre: int | None = None
    post: int | None = None
    base: int = -1

    def __post_init__(self) -> None:
        wrong = []
        if self.pre is not None and self.pre < 1:
            wrong.append(f"pre: {self.pre} leaves no year before the change")
        if self.post is not None and self.post < 0:
            wrong.append(f"post: {self.post} is before the change")
        if self.base >= 0 or (self.pre is not None and self.base < -max(self.pre, 1)):
            wrong.append(f"base: {self.base} is not in -pre..-1")
        if wrong:
            raise SpecError("design", "DynamicTwoWay can't be built so", where=wrong)

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return the coefficient of each event time, and of the covariates."""
        rows = cohort_rows(data, ask)
        times = self._binned(event_times(rows))
        path = np.unique(times[~np.isnan(times) & (times != self.base)])
        self._check(times, path)
        dummies = (times[:, None] == path).astype(float)
        names = tuple(term_name(int(k)) for k in path)
        fit = fit_two_way(regression_design(rows, dummies, names))
        counts = count_events(rows, times)
        at = np.r_[path, np.full(len(rows.x_names), np.nan)]
        sample = sample_counts(rows)
        fit = replace(
            fit,
            keys=path_keys(at, counts, sample["n_events"]),
            frames={
                "base": path_keys(np.array([float(self.base)]), counts, 0, in_base=True),
                "support": support_table(rows, times),
                "fates": data.fates,
            },
        )
        title = "Event study of a first change (dynamic two-way fixed effects)"
        notes = (self._note(), *_no_base_note(rows), *later_changes_note(data))
        return Answer(fit, title, sample, notes)

    def _binned(self, times: FloatArray) -> FloatArray:
        low = -np.inf if self.pre is None else -float(self.pre)
        high = np.inf if self.post is None else float(self.post)
        return np.clip(times, low, high)

    def _check(self, times: FloatArray, path: FloatArray) -> None:
        """Refuse what has no event, no base, or two trends that can't be told apart."""
        if path.size == 0:
            raise IdentificationError("no_events", "no row has an event time beside the base")
        if not (times == self.base).any():
            raise IdentificationError(
                "no_base",
                f"no unit is seen at event time {self.base:+d}",
                how=f"seen are {int(path.min()):+d} to {int(path.max()):+d}",
            )
        if not np.isnan(times).any() and self.pre is None and self.post is None:
            raise IdentificationError(
                "no_controls",
                "without units that never change a trend in event time is not identified",
                how="bin the event times: DynamicTwoWay(pre=..., post=...)",
            )

    def _note(self) -> str:
        bins = [] if self.pre is None else [f"-{self.pre} and before"]
        bins += [] if self.post is None else [f"+{self.post} and after"]
        binned = f"Binned: {', '.join(bins)}. " if bins else ""
        return (
            f"Base: event time {self.base:+d}. {binned}One path for all cohorts: if effects "
            "differ by cohort, a coefficient may mix them with negative weights."
        )


def _no_base_note(rows: CohortRows) -> tuple[str, ...]:
    """Return a sentence on units that are seen only from their change on, if there are any."""
    times = event_times(rows)
    treated, before = np.unique(rows.unit[times >= 0]), rows.unit[~(times >= 0)]
    n = int((~np.isin(treated, before)).sum())
    if not n:
        return ()
    return (
        f"{n:,} units are seen only from their change on: no year before it is their base, and "
        "their later years serve as controls of others.",
    )
