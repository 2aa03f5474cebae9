"""One event study on three bases, because units change leaders after a dip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.designs.stacked import Base, BaseYear, EarlyBase, LagAdjusted, term_name
from churnstats.display import figures
from churnstats.estimators.stacked import Stacked
from churnstats.inference.event_study import (
    event_study,
    pooled_terms,
    regression_to_the_mean,
)
from churnstats.inference.result import Result
from churnstats.inference.vcov import Cluster, Vcov
from churnstats.panel.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pooled_effect(
    result: Result, first: int = 0, last: int | None = None, name: str = "pooled"
) -> Result:
    """Return the mean effect over event times first to last of an event study.

    Parameters
    ----------
    result : Result
        Of `event_study`.
    first, last : int
        Event times, both included; by default from the change to the end of the window.
    name : str
        Name of the term; of several paths one each, as ``"pooled, internal"``.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> cs.pooled_effect(study).names
    ('pooled',)
    """
    if "event_time" not in result.keys.columns:
        raise SpecError("pooled_effect", "this result has no event times")
    times = result.keys["event_time"]
    inside = times[(times >= first) & (times <= (times.max() if last is None else last))]
    if inside.empty:
        raise SpecError(
            "pooled_effect",
            f"no event time lies in {first} to {last}",
            how=f"the event times are {times.min()} to {times.max()}",
        )
    terms = pooled_terms(result, first, last, name)
    if not terms:
        raise SpecError("pooled_effect", "several terms of one path share an event time")
    return result.lincom(terms)


@dataclass(frozen=True, eq=False)
class ThreeBases:
    """The same effects on three bases.

    Attributes
    ----------
    results : mapping of str to Result
        ``"t-1"``, ``"early"`` and ``"lag-adjusted"``.
    dip : Result
        How far units about to change stand, at t-1, from their own early level, relative to
        stayers.
    """

    results: Mapping[str, Result]
    dip: Result

    def frame(self) -> pd.DataFrame:
        """Return the tidy tables of the three, one below the other, with the column base."""
        parts = [r.tidy().assign(base=name) for name, r in self.results.items()]
        return pd.concat(parts, ignore_index=True)

    def pooled(self, first: int = 0, last: int | None = None) -> pd.DataFrame:
        """Return the pooled effect on each base."""
        parts = [pooled_effect(r, first, last, name).tidy() for name, r in self.results.items()]
        return pd.concat(parts, ignore_index=True).rename(columns={"term": "base"})

    def regression_to_the_mean(self) -> str:
        """Say what regression to the mean alone would show on base t-1."""
        return regression_to_the_mean(self.dip)

    def summary(self) -> str:
        """Return the pooled effects and the line on regression to the mean as text."""
        table = self.pooled()
        rows = [
            f"  {r.base:<14}{r.estimate:8.3f} ({r.std_error:.3f})  "
            f"[{r.conf_low:.3f}, {r.conf_high:.3f}]"
            for r in table.itertuples()
        ]
        return "\n".join(
            ["Pooled effect from the change on, by base:", *rows, self.regression_to_the_mean()]
        )

    def plot(self) -> Figure:
        """Draw the three paths side by side."""
        parts = [r.plot_data().assign(series=f"base {name}") for name, r in self.results.items()]
        data = pd.concat(parts, ignore_index=True)
        about = next(iter(self.results.values()))
        return figures.event_study_figure(
            data, "A change of leader, on three bases", about.description.outcome, about.level
        )

    def __str__(self) -> str:
        return self.summary()


def three_bases(
    panel: Panel,
    design: Stacked,
    outcome: str,
    *,
    early: EarlyBase | None = None,
    lags: int = 2,
    vcov: Vcov = Cluster("unit_id"),  # noqa: B008 - frozen
    level: float = 0.95,
) -> ThreeBases:
    """Estimate one event study on base t-1, on an early base, and adjusted for lagged outcomes.

    Parameters
    ----------
    panel : Panel
    design : Stacked
        Its own base is replaced.
    outcome : str
    early : EarlyBase, optional
        By default all event times from the window's first to -2.
    lags : int
        Years before the change whose outcomes are held equal.
    vcov : Classical, Robust, Cluster or TwoWay
    level : float

    Returns
    -------
    ThreeBases

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> bases = cs.three_bases(panel, cs.Stacked(pre=3, post=2), "win_share")
    >>> list(bases.results)
    ['t-1', 'early', 'lag-adjusted']
    """
    if early is None:
        if design.pre < 2:
            raise SpecError("three_bases", "an early base needs pre of at least 2")
        early = EarlyBase(-design.pre, -2)
    choices: dict[str, Base] = {
        "t-1": BaseYear(-1),
        "early": early,
        "lag-adjusted": LagAdjusted(lags),
    }
    results = {
        name: event_study(panel, replace(design, base=base), outcome, vcov=vcov, level=level)
        for name, base in choices.items()
    }
    dip = results["early"].lincom({"t-1 against early": {term_name(-1): 1.0}})
    return ThreeBases(results, dip)
