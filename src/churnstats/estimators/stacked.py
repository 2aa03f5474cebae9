"""The stacked event study for changes that recur."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError
from churnstats.designs.absorbing import require_panel
from churnstats.designs.ask import Ask
from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import (
    Base,
    BaseYear,
    EarlyBase,
    LagAdjusted,
    StackedSample,
    StackedWindows,
    estimated_times,
    per_unit,
    stacked_design,
    term_name,
)
from churnstats.inference.event_study import Answer
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
    by : str
        Column by which events are told apart: of the event ledger (``"exit_type"``,
        ``"successor_origin"``, ``"event_order"``), else of the panel at event time -1, numbers
        of many values in terciles. Each group has a path against the same stayers.
    min_events : int
        Groups with fewer events are pooled, and left out if they are still too few: no group
        shows why one person left.
    moderator : str
        Column of the panel whose value at event time -1 may change the effect. The path "per
        unit" says by how much; the main path is the effect at the events' mean.

    Notes
    -----
    ``weights`` of `event_study` weigh windows by the value at event time -1, events and stayers
    alike; the mean over events is then weighted. ``covariates`` enter with their value at event
    time -1, with a coefficient an event time. ``effects`` such as ``"state^school_year_end"`` are
    crossed with the stack: stayers of the same state are the controls, and events without any are
    counted.

    Examples
    --------
    >>> import churnstats as cs
    >>> cs.Stacked(pre=3, post=2).years
    array([-3, -2, -1,  0,  1,  2])
    """

    def answer(self, data: Panel, ask: Ask) -> Answer:
        """Return the mean effect over events at each event time."""
        require_panel(data)
        sample = self.build(
            data, ask.outcome, weights=ask.weights, covariates=ask.covariates, effects=ask.effects
        )
        fits: dict[Base, Fit] = {}

        def on(base: Base) -> Fit:
            if base not in fits:
                fits[base] = _fit_on(replace(self, base=base), sample, ask.clusters, data)
            return fits[base]

        early = EarlyBase(-self.pre, -2)
        bases: dict[str, Fit] = {}
        notes = _notes(sample, self)
        if self.pre >= 2:
            plain = on(BaseYear(-1))
            fits.setdefault(early, _move(plain, replace(self, base=early), sample))
            bases = {"t-1": plain, "early": fits[early]}
            try:
                bases["lag-adjusted"] = on(LagAdjusted(2))
            except IdentificationError as error:
                notes.append(f"No base lag-adjusted: {error.what}.")
        fit = on(self.base)
        frames = {**fit.frames, "support": sample.support.copy(), "fates": sample.fates}
        title = "Stacked event study of a change of leader"
        counts = _counts(sample, self)
        return Answer(replace(fit, frames=frames), title, counts, tuple(notes), bases)


def _fit_on(design: Stacked, sample: StackedSample, clusters: tuple[str, ...], panel: Panel) -> Fit:
    """Fit the regression on one base; an early one is a combination of that on t-1."""
    own = replace(design, base=BaseYear(-1)) if isinstance(design.base, EarlyBase) else design
    return _move(fit_stacked(stacked_design(own, sample, clusters, panel)), design, sample)


def _move(fit: Fit, design: Stacked, sample: StackedSample) -> Fit:
    """Move effects to the design's base, and drop the coefficients of controls."""
    labels, base = _labels(design, sample), design.base
    times = (
        [int(k) for k in design.years] if isinstance(base, EarlyBase) else estimated_times(design)
    )
    names = tuple(term_name(k, label) for label in labels for k in times)
    place = {name: j for j, name in enumerate(fit.names)}
    combine = np.zeros((len(names), fit.coef.size))
    for i, (label, k) in enumerate(product(labels, times)):
        if term_name(k, label) in place:
            combine[i, place[term_name(k, label)]] += 1.0
        if isinstance(base, EarlyBase):
            early = range(base.first, base.last + 1)
            for t in set(early) - {-1}:
                combine[i, place[term_name(t, label)]] -= 1.0 / len(early)
    moved = fit if names == fit.names else combine_fit(fit, combine, names)
    omitted = [base.event_time] if isinstance(base, BaseYear) else []
    return replace(
        moved,
        keys=_keys(design, sample, times),
        frames={"base": _keys(design, sample, omitted).assign(in_base=True)},
    )


def _labels(design: Stacked, sample: StackedSample) -> tuple[str, ...]:
    """Return the name of each path."""
    return ("", per_unit(design.moderator)) if design.moderator else sample.groups


def _keys(design: Stacked, sample: StackedSample, times: list[int]) -> pd.DataFrame:
    """Return event time, events and place in the base of each term; with its path if several."""
    labels, base = _labels(design, sample), design.base
    treated = sample.frame[(sample.frame["treated"] == 1) & (sample.frame["event_time"] == 0)]
    counts = [int((treated["event_group"] == j).sum()) for j in range(len(sample.groups))]
    n_events = counts if len(counts) == len(labels) else counts * len(labels)
    k = np.array(times * len(labels), dtype=np.int64)
    inside = np.zeros(k.size, dtype=bool)
    if isinstance(base, EarlyBase):
        inside = (k >= base.first) & (k <= base.last)
    keys = pd.DataFrame(
        {"event_time": k, "n_events": np.repeat(n_events, len(times)), "in_base": inside}
    )
    return keys if len(labels) == 1 else keys.assign(series=np.repeat(labels, len(times)))


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
    extras = sample.extras
    asked = {
        "windows weighted by": extras.weights,
        "covariates at event time -1": extras.covariates,
        "stayers of the same": ", ".join(extras.effects),
        "events apart by": design.by,
        "effects moved by": design.moderator,
    }
    more = "; ".join(f"{what} {value}" for what, value in asked.items() if value)
    return [
        f"Window: -{design.pre}..+{design.post}; {kept}; controls: stayers. Base: {words}. "
        f"Weights: {weights[design.weighting]}.",
        f"{used:.0%} of the {len(sample.fates):,} unit-years with a change are used.",
        *([f"{more[0].upper()}{more[1:]}."] if more else []),
    ]
