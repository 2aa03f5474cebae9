"""How far parallel trends may fail before a conclusion falls (Rambachan and Roth 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.diagnostics.event_path import chosen_level, event_path
from churnstats.diagnostics.trend_bounds import (
    RelativeMagnitudes,
    Smoothness,
    Trends,
    accepted,
    confidence_set,
    first_stage,
    identified_set,
    moments_of,
    pieces_of,
)
from churnstats.display import tables
from churnstats.display.figures import ACCENT, INK, PALETTE, new_figure
from churnstats.inference.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What is left of an effect if parallel trends may fail.

    Made by `sensitivity_to_trends`.

    Attributes
    ----------
    table : DataFrame
        ``bound, identified_low, identified_high, conf_low, conf_high``.
    restriction : RelativeMagnitudes or Smoothness
    breakdown : float
        The largest bound at which the interval leaves out zero. NaN if it has zero already at
        bound 0; infinite if it never has.
    effect : str
        What is estimated, in words.
    estimate, conf_low, conf_high : float
        Under parallel trends, with normal critical values.
    level : float
    outcome : str
    """

    table: pd.DataFrame
    restriction: RelativeMagnitudes | Smoothness
    breakdown: float
    effect: str
    estimate: float
    conf_low: float
    conf_high: float
    level: float
    outcome: str

    def frame(self) -> pd.DataFrame:
        """Return identified sets and intervals by bound."""
        return self.table.copy()

    def summary(self) -> str:
        """Return the table, and the bound at which the conclusion falls, as text."""
        if np.isnan(self.breakdown):
            fall = "The interval holds zero at bound 0 already."
        else:
            fall = f"The interval leaves out zero up to bound {self.breakdown:.4g}."
        what = (
            "multiples of the largest move of leads from one year to the next"
            if isinstance(self.restriction, RelativeMagnitudes)
            else f"change of the trend's slope from year to year, in units of {self.outcome}"
        )
        notes = [
            f"{self.effect}. Under parallel trends {self.estimate:.4g} "
            f"[{self.conf_low:.4g}, {self.conf_high:.4g}].",
            f"Bound: {what}. {self.level:.0%} intervals: {self.restriction.method}, normal.",
            fall,
        ]
        return tables.to_text(tables.format_frame(self.table.astype({"bound": str})), notes)

    def plot(self) -> Figure:
        """Draw the interval at each bound, beside that under parallel trends."""
        figure, (ax,) = new_figure()
        data = self.table
        low, high = data["conf_low"].to_numpy(), data["conf_high"].to_numpy()
        x = np.arange(1, len(data) + 1)
        ax.vlines([0], [self.conf_low], [self.conf_high], color=PALETTE[1], linewidth=2.2)
        ax.plot([0], [self.estimate], "o", color=PALETTE[1], markersize=5)
        ax.vlines(x, low, high, color=ACCENT, linewidth=2.2, label="interval")
        inner = (data["identified_low"], data["identified_high"])
        ax.vlines(x, *inner, color=ACCENT, linewidth=7, alpha=0.35, label="identified set")
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set_xticks([0, *x], ["parallel\ntrends", *[f"{b:g}" for b in data["bound"]]])
        ax.set_xlim(-0.5, len(data) + 0.5)
        relative = isinstance(self.restriction, RelativeMagnitudes)
        label = (
            "Moves of the trend, in multiples of the largest before the change"
            if relative
            else f"Change of the trend's slope a year, {self.outcome}"
        )
        ax.set_xlabel(label, fontsize=9)
        ax.set_ylabel(f"Effect on {self.outcome}", fontsize=9)
        ax.set_title(
            f"If trends are not parallel: {self.effect}", fontsize=11, loc="left", color=INK
        )
        ax.set_title(f"{self.level:.0%} intervals", fontsize=8, loc="right", color=INK)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
        return figure

    def __str__(self) -> str:
        return self.summary()


def sensitivity_to_trends(
    result: Result,
    restriction: RelativeMagnitudes | Smoothness,
    *,
    weights: Mapping[int, float] | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Sensitivity:
    r"""Bound an effect when trends need not be parallel, only not too far from it.

    Parameters
    ----------
    result : Result
        Of `event_study`, base year -1, with all event times of its window. Binned event times
        count as one year each.
    restriction : RelativeMagnitudes or Smoothness
    weights : mapping of int to float, optional
        Event time to its weight in the effect; by default event time 0.
    level : float, optional
        By default that of the result.
    seed : int
        Of the draws for the first stage of the hybrid test.

    Returns
    -------
    Sensitivity

    Raises
    ------
    SpecError
        Another base than -1; a weight of an event time that is not there.
    IdentificationError
        No leads, event times that are missing inside the window, or a covariance that is not
        positive definite.

    Notes
    -----
    Estimates are taken as normal with the covariance given. Tests are those of Andrews, Roth and
    Pakes (2023), of the inequalities that touch years from the change on; an interval under
    relative magnitudes is the hull of those under each year and sign of the largest move.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5); Andrews, Roth and Pakes (2023);
    Armstrong and Kolesar (2018) for fixed-length intervals.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=3, post=1), "win_share")
    >>> found = sensitivity_to_trends(study, RelativeMagnitudes(bounds=(0.5, 1.0)))
    >>> bool(found.table["conf_high"].is_monotonic_increasing)
    True
    """
    path = event_path(result, "sensitivity")
    whole = np.arange(path.times[0], max(path.times[-1], 0) + 1)
    missing = sorted(set(whole.tolist()) - {-1.0} - set(path.times.tolist()))
    if missing or path.times[-1] < 0:
        gaps = [f"{t:+.0f}" for t in missing]
        raise IdentificationError("sensitivity", "event times are missing", where=gaps)
    after = path.times[~path.leads].astype(int).tolist()
    asked = {0: 1.0} if weights is None else dict(weights)
    unknown = [str(t) for t in asked if t not in after]
    if unknown or not any(asked.values()):
        raise SpecError(
            "sensitivity",
            "weights need event times from the change on, one of them not zero",
            where=unknown,
            how=f"the event times are {after[0]} to {after[-1]}",
        )
    size = 1 - chosen_level(path, level)
    share = np.array([float(asked.get(t, 0.0)) for t in after])
    trends = Trends(path.coef, path.vcov, int(path.leads.sum()), share)
    rows = [
        [
            b,
            *identified_set(trends, restriction, b),
            *confidence_set(trends, restriction, b, size, seed),
        ]
        for b in restriction.bounds
    ]
    columns = ["bound", "identified_low", "identified_high", "conf_low", "conf_high"]
    value = float(share @ path.coef[trends.n_pre :])
    post = path.vcov[trends.n_pre :, trends.n_pre :]
    reach = float(special.ndtri(1 - size / 2) * np.sqrt(share @ post @ share))
    return Sensitivity(
        pd.DataFrame(rows, columns=columns),
        restriction,
        _breakdown(trends, restriction, size, seed),
        _in_words(asked),
        value,
        value - reach,
        value + reach,
        1 - size,
        path.outcome,
    )


def _in_words(weights: Mapping[int, float]) -> str:
    used = {t: w for t, w in weights.items() if w}
    if len(used) == 1 and next(iter(used.values())) == 1:
        return (
            f"effect at event time {next(iter(used)):+d}"
            if next(iter(used))
            else "effect at event time 0"
        )
    return "effect " + " + ".join(f"{w:.3g} k{t:+d}" for t, w in used.items())


def _breakdown(
    trends: Trends, restriction: RelativeMagnitudes | Smoothness, size: float, seed: int
) -> float:
    """Return the largest bound at which zero is rejected, by bisection."""

    def leaves_out_zero(bound: float) -> bool:
        if isinstance(restriction, Smoothness) and restriction.method == "flci":
            low, high = confidence_set(trends, restriction, bound, size, seed)
            return not low <= 0 <= high
        zero = np.zeros(1)
        for piece in pieces_of(trends, restriction, bound):
            moments = moments_of(trends, piece)
            if moments.start.max() <= 0:
                return False
            first = first_stage(moments, restriction.method, size, seed)
            if accepted(moments, zero, size, first)[0]:
                return False
        return True

    if not leaves_out_zero(0.0):
        return float("nan")
    top = max(max(restriction.bounds), float(np.sqrt(np.diag(trends.vcov).max())))
    for _ in range(30):
        if not leaves_out_zero(top):
            break
        top *= 2
    else:
        return float("inf")
    low = 0.0
    for _ in range(24):
        middle = (low + top) / 2
        low, top = (middle, top) if leaves_out_zero(middle) else (low, middle)
    return low
