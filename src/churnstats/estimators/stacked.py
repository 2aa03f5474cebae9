"""The stacked event study for changes that recur."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import (
    BaseYear,
    EarlyBase,
    LagAdjusted,
    StackedSample,
    StackedWindows,
    stacked_design,
    term_name,
)
from churnstats.inference.event_study import Answer, Ask
from churnstats.inference.fit import Fit, combine_fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.panel.panel import Panel


@kernel(Continuous)
def fit_stacked(design: Design) -> Fit:
    """Fit the regression of a stacked design."""
    return fit_least_squares(design, "stacked event study")


@dataclass(frozen=True)
class Stacked(StackedWindows):
    """Windows around repeated events, each against units that change nothing.

    Parameters
    ----------
    pre, post : int
        Years before and after the school year of the change (event time 0, the first year in
        which the successor leads).
    controls : {"stayers"}
        Units that one leader leads through the window.
    isolate : bool
        Use only events that stand alone in their window. If False, contaminated events are
        kept, and counted.
    base : BaseYear, EarlyBase or LagAdjusted
        What effects are differences from.
    weighting : {"events", "ols"}
        Mean over events, or what least squares makes of the stacks.

    Examples
    --------
    >>> import churnstats as cs
    >>> cs.Stacked(pre=3, post=2).years
    array([-3, -2, -1,  0,  1,  2])
    """

    def answer(self, data: Panel, ask: Ask) -> Answer:
        """Return the mean effect over events at each event time."""
        how = "not yet supported by stacked windows"
        ask.refuse(self, covariates=how, effects=how, weights=how)
        sample = self.build(data, ask.outcome)
        fit = fit_stacked(stacked_design(self, sample, ask.clusters, data))
        fit = _on_base(fit, self)
        fit = replace(
            fit,
            keys=_keys(fit, sample, self),
            frames={
                "base": _base_rows(sample, self),
                "support": sample.support.copy(),
                "fates": sample.fates,
            },
        )
        title = "Stacked event study of a change of leader"
        return Answer(fit, title, _counts(sample, self), tuple(_notes(sample, self)))


def _on_base(fit: Fit, design: Stacked) -> Fit:
    """Move effects to the base that was asked for, and drop the coefficients of lags."""
    if isinstance(design.base, BaseYear):
        return fit
    if isinstance(design.base, LagAdjusted):
        n = design.post + 1
        return combine_fit(fit, np.eye(n, fit.coef.size), fit.names[:n])
    early = [t for t in design.years if design.base.first <= t <= design.base.last]
    place = {name: j for j, name in enumerate(fit.names)}
    combine = np.zeros((design.years.size, fit.coef.size))
    for i, k in enumerate(design.years):
        if k != -1:
            combine[i, place[term_name(k)]] += 1.0
        for t in early:
            if t != -1:
                combine[i, place[term_name(t)]] -= 1.0 / len(early)
    return combine_fit(fit, combine, tuple(term_name(int(k)) for k in design.years))


def _keys(fit: Fit, sample: StackedSample, design: Stacked) -> pd.DataFrame:
    times = np.array([int(name.removeprefix("k=")) for name in fit.names], dtype=np.int64)
    base = design.base
    in_base = np.zeros(times.size, dtype=bool)
    if isinstance(base, EarlyBase):
        in_base = (times >= base.first) & (times <= base.last)
    return pd.DataFrame(
        {
            "event_time": times,
            "n_events": int(sample.support["n_events"].sum()),
            "in_base": in_base,
        }
    )


def _base_rows(sample: StackedSample, design: Stacked) -> pd.DataFrame:
    """Return the event time that is zero by construction, if there is one."""
    base = design.base
    times = [base.event_time] if isinstance(base, BaseYear) else []
    return pd.DataFrame(
        {
            "event_time": np.array(times, dtype=np.int64),
            "n_events": int(sample.support["n_events"].sum()),
            "in_base": True,
        },
        index=range(len(times)),
    )


def _counts(sample: StackedSample, design: Stacked) -> dict[str, int]:
    ids = sample.frame.drop_duplicates(["stack", "unit_id"])
    treated = ids["treated"] == 1
    counts = {
        "n_events": int(sample.support["n_events"].sum()),
        "n_changes": int(sample.fates["n_changes"].sum()),
        "n_stacks": len(sample.support),
        "n_units_with_events": int(ids.loc[treated, "unit_id"].nunique()),
        "n_stayer_windows": int((~treated).sum()),
        "n_units_as_stayers": int(ids.loc[~treated, "unit_id"].nunique()),
    }
    if not design.isolate:
        counts["n_contaminated_events"] = sample.n_contaminated
    return counts


def _notes(sample: StackedSample, design: Stacked) -> list[str]:
    base = design.base
    words = {
        BaseYear: lambda: f"event time {base.event_time:+d}",  # type: ignore[union-attr]
        EarlyBase: lambda: f"mean of event times {base.first:+d} to {base.last:+d}",  # type: ignore[union-attr]
        LagAdjusted: lambda: f"equal outcomes in the {base.lags} years before",  # type: ignore[union-attr]
    }[type(base)]()
    kept = "events that stand alone" if design.isolate else "all events, contaminated ones too"
    weights = {"events": "mean over events (corrective weights)", "ols": "least squares"}
    used = (sample.fates["fate"] == "used").mean()
    return [
        f"Window: -{design.pre}..+{design.post}; {kept}; controls: stayers. Base: {words}. "
        f"Weights: {weights[design.weighting]}.",
        f"{used:.0%} of the {len(sample.fates):,} unit-years with a change are used.",
    ]
