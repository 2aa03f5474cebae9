"""One verb for every event study: a design answers what is asked of it, inference does the rest.

A design is a small value with its choices (`Stacked(pre=3)`). Its method ``answer`` takes the data
and an `Ask` and gives an `Answer`: a Fit with one term an event time, and what to print with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from churnstats.designs.ask import Ask
from churnstats.inference.fit import Fit
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Cluster, Vcov, cluster_variables, covariance

SPANS = ((0, 2, "short run (0 to +2)"), (3, None, "long run (+3 on)"))


@dataclass(frozen=True, eq=False)
class Answer:
    """What a design found.

    Parameters
    ----------
    fit : Fit
        ``keys`` has the column ``event_time`` (missing for terms that have none, such as an
        overall mean) and may have ``in_base``, ``n_events``, ``cohort``; ``frames["base"]`` has
        the event times that are zero by construction.
    title : str
    stats : mapping
        Counts for ``glance()`` and the first line under the table.
    notes : tuple of str
        Sentences that are always printed.
    bases : mapping of str to Fit
        The same effects on other bases, to be printed beside; the one named ``early`` has a term
        at event time -1.
    """

    fit: Fit
    title: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bases: Mapping[str, Fit] = field(default_factory=dict)


Data = TypeVar("Data", contravariant=True)


class EventDesign(Protocol[Data]):
    """What every design of an event study has."""

    def answer(self, data: Data, ask: Ask) -> Answer:
        """Return coefficients by event time and what to print with them."""
        ...


def event_study(
    data: Data,
    design: EventDesign[Data],
    outcome: str,
    *,
    covariates: str = "",
    effects: tuple[str, ...] = (),
    weights: str | None = None,
    vcov: Vcov = Cluster("unit_id"),  # noqa: B008 - frozen
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
) -> Result:
    """Estimate the effects of a change of leader by event time.

    Parameters
    ----------
    data : Panel or Absorbing
        A `Panel` for designs in which changes recur; `Absorbing` for those that know of one
        change a unit.
    design : Stacked and others
        Who is compared with whom.
    outcome : str
        A measure of the data.
    covariates : str
        Right side of a formula, such as ``"poverty + log(enrollment)"``.
    effects : tuple of str
        Effects to absorb besides those of the design, such as ``"state^school_year_end"``.
    weights : str, optional
        Column of weights, such as numbers of students or the inverse of a sampling variance.
    vcov : Classical, Robust, Cluster, TwoWay, CR2 or CR3
        Clustered by unit by default: a unit may serve many times.
    clusters : tuple of str
        Further columns of the data that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Result
        One term an event time, in units of the outcome. ``frames["support"]`` counts events and
        controls, ``frames["fates"]`` tells what became of each change, ``frames["pooled"]`` has
        the mean effects of event times 0 to +2 and from +3 on, and ``frames["bases"]`` the same
        on three bases where the design has them.

    Raises
    ------
    SpecError
        A column that the data do not have, or a part that the design can't do.
    IdentificationError
        No change can be used; the error counts why.

    Notes
    -----
    Event time 0 is the school year in which the successor starts, whole or in part. Each design
    is told in its own docstring, with its paper.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> study.tidy()["event_time"].tolist()
    [-2, 0, 1]
    """
    named = tuple(dict.fromkeys([*cluster_variables(vcov), "unit_id", *clusters]))
    answer = design.answer(data, Ask(outcome, covariates, effects, weights, named))
    about = Description("event_study", answer.title, outcome, answer.stats, answer.notes)
    retell = partial(_tell, answer.notes, answer.bases)
    return replace(retell(infer(answer.fit, vcov, about, level), vcov), retell=retell)


def _tell(
    notes: tuple[str, ...], other_bases: Mapping[str, Fit], result: Result, vcov: Vcov
) -> Result:
    """Return the result with the tables and the lines that its errors are in."""
    bases = {name: _on_other_base(result, fit, vcov) for name, fit in other_bases.items()}
    tables = {"pooled": pooled_table({"": result}).drop(columns="base")}
    lines = [*notes, *_joint_lead_test(result), *_pooled_lines(tables["pooled"])]
    if bases:
        tables["bases"] = pooled_table(bases)
        lines += _base_lines(tables["bases"], bases)
    frames = {**result.frames, **{name: t for name, t in tables.items() if len(t)}}
    about = replace(result.description, notes=tuple(lines))
    return replace(result, description=about, frames=frames)


def _on_other_base(result: Result, fit: Fit, vcov: Vcov) -> Result:
    """Return the result with another fit of the same rows in place of its own."""
    return replace(
        result,
        names=fit.names,
        coef=fit.coef,
        choice=covariance(fit, vcov),
        keys=fit.keys,
        frames=fit.frames,
        fit=fit,
    )


def pooled_terms(
    result: Result, first: int, last: int | None, name: str
) -> dict[str, dict[str, float]]:
    """Return the mean over event times first to last as a combination of terms, one a path.

    Event times of which several terms of one path speak can't be pooled, and give none.
    """
    times = result.keys["event_time"].astype(float)
    inside = (times >= first) & (times <= (times.max() if last is None else last))
    series = result.keys["series"] if "series" in result.keys else pd.Series("", times.index)
    found: dict[str, dict[str, float]] = {}
    for path in dict.fromkeys(series[inside]):
        at = np.flatnonzero(inside & (series == path))
        if times.iloc[at].is_unique:
            weights = {result.names[j]: 1 / at.size for j in at}
            found[f"{name}, {path}" if path else name] = weights
    return found


def pooled_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """Return pooled short-run and long-run effects of each result, by base and path.

    Returns
    -------
    DataFrame
        ``base, span, n_event_times, errors`` and the columns of `Result.tidy`.
    """
    parts = []
    for base, result in results.items():
        for first, last, span in SPANS:
            terms = pooled_terms(result, first, last, span)
            if terms:
                sizes = [len(weights) for weights in terms.values()]
                found = result.lincom(terms).tidy().rename(columns={"term": "span"})
                parts.append(found.assign(base=base, n_event_times=sizes, errors=_errors(result)))
    columns = ["base", "span", "n_event_times", "errors"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _errors(result: Result) -> str:
    return f"{result.choice.label}, small-sample rule {result.choice.small_sample}"


def _pooled_lines(table: pd.DataFrame) -> list[str]:
    """Return the line on pooled effects."""
    if table.empty:
        return []
    words = [
        f"{row.span} {row.estimate:.3f} ({row.std_error:.3f}) "
        f"[{row.conf_low:.3f}, {row.conf_high:.3f}]"
        for row in table.itertuples()
    ]
    return [f"Pooled: {'; '.join(words)}. Errors: {table['errors'].iloc[0]}."]


def _base_lines(table: pd.DataFrame, bases: Mapping[str, Result]) -> list[str]:
    """Return a line a span on the bases side by side, and what regression to the mean would do."""
    lines = []
    for span, rows in table.groupby("span", sort=False):
        words = [f"{r.base} {r.estimate:.3f} ({r.std_error:.3f})" for r in rows.itertuples()]
        lines.append(f"By base, {span}: {', '.join(words)}.")
    early = bases["early"]
    dips = pooled_terms(early, -1, -1, "t-1 against early")
    main = {name: weights for name, weights in dips.items() if ", per unit of " not in name}
    for name, weights in main.items():
        path = name.partition(", ")[2]
        line = regression_to_the_mean(early.lincom({name: weights}))
        lines.append(f"{path}: {line}" if path else line)
    return lines


def regression_to_the_mean(dip: Result) -> str:
    """Say what regression to the mean alone would show on base t-1.

    Parameters
    ----------
    dip : Result
        Of one term: how far units about to change stand, at t-1, from their own early level,
        relative to stayers.
    """
    row = dip.tidy().iloc[0]
    value = float(row["estimate"])
    return (
        f"At t-1 units about to change stand {abs(value):.3f} {'below' if value < 0 else 'above'} "
        f"their own early level, relative to stayers ({100 * dip.level:g}% interval "
        f"{row['conf_low']:.3f} to {row['conf_high']:.3f}). "
        f"If that is passing noise, base t-1 shows {-value:+.3f} after a change that does "
        "nothing; base early shows 0, and so does lag-adjusted if the lags catch all of it."
    )


def _joint_lead_test(result: Result) -> list[str]:
    """Return the line on the joint test of leads; none where leads make up the base."""
    keys = result.keys
    if "in_base" in keys and keys["in_base"].any():
        return []
    is_lead = keys["event_time"].lt(0).fillna(False)
    leads = [name for name, lead in zip(result.names, is_lead, strict=True) if lead]
    if not leads:
        return []
    test = result.wald_test(leads)
    if np.isnan(test.statistic):
        clusters = ", ".join(f"{n:,} {name}" for name, n in result.choice.n_clusters.items())
        why = f"{len(leads)} leads, clusters: {clusters or 'none'}"
        return [f"Joint test that all leads are zero: not to be had ({why})."]
    return [f"Joint test that all leads are zero: {test}."]
