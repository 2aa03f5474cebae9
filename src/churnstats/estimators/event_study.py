"""The stacked event study for changes that recur."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import (
    BaseYear,
    EarlyBase,
    LagAdjusted,
    Stacked,
    StackedSample,
    stacked_design,
    term_name,
)
from churnstats.inference.fit import Fit, combine_fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Cluster, Vcov, cluster_variables
from churnstats.panel.panel import Panel


@kernel(Continuous)
def fit_stacked(design: Design) -> Fit:
    """Fit the regression of a stacked design."""
    return fit_least_squares(design, "stacked event study")


def event_study(
    panel: Panel,
    design: Stacked,
    outcome: str,
    *,
    vcov: Vcov = Cluster("unit_id"),  # noqa: B008 - frozen
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
) -> Result:
    """Estimate the effects of a change of leader by event time, for changes that recur.

    Parameters
    ----------
    panel : Panel
    design : Stacked
        Window, controls, isolation, base and weighting.
    outcome : str
        A measure of the panel.
    vcov : Classical, Robust, Cluster or TwoWay
        Clustered by unit by default: a unit may serve in many stacks.
    clusters : tuple of str
        Further columns of the panel that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Result
        One term an event time, in units of the outcome. ``frames["support"]`` counts events and
        stayers by stack, ``frames["fates"]`` tells what became of each change.

    Raises
    ------
    SpecError
        An outcome or cluster that the panel does not have.
    IdentificationError
        No change can be used; the error counts why.

    Notes
    -----
    Event time 0 is the school year in which the successor starts, whole or in part. The design
    is told in `churnstats.designs.stacked`.

    References
    ----------
    Cengiz, Dube, Lindner and Zipperer (2019); Wing, Freedman and Hollingsworth (2024) for the
    weights.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> study.tidy()["event_time"].tolist()
    [-2, 0, 1]
    """
    sample = design.build(panel, outcome)
    named = tuple(dict.fromkeys([*cluster_variables(vcov), "unit_id", *clusters]))
    fit = fit_stacked(stacked_design(design, sample, named, panel))
    fit = _on_base(fit, design)
    fit = replace(
        fit,
        keys=_keys(fit, sample, design),
        frames={
            "base": _base_rows(sample, design),
            "support": sample.support.copy(),
            "fates": sample.fates,
        },
    )
    stats, notes = _counts(sample, design), _notes(sample, design)
    about = Description(
        "event_study", "Stacked event study of a change of leader", outcome, stats, tuple(notes)
    )
    result = infer(fit, vcov, about, level)
    leads = [n for n, k in zip(result.names, fit.keys["event_time"], strict=True) if k < 0]
    if not leads or isinstance(design.base, EarlyBase):
        return result
    joint = f"Joint test that all leads are zero: {result.wald_test(leads)}."
    return replace(result, description=replace(about, notes=(*about.notes, joint)))


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
