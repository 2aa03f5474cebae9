"""One verb for every event study: a design answers what is asked of it, inference does the rest.

A design is a small value with its choices (`Stacked(pre=3)`). Its method ``answer`` takes the data
and an `Ask` and gives an `Answer`: a Fit with one term an event time, and what to print with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from churnstats.core.errors import SpecError
from churnstats.inference.fit import Fit
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Cluster, Vcov, cluster_variables


@dataclass(frozen=True)
class Ask:
    """What is asked of a design, the same of each.

    Parameters
    ----------
    outcome : str
        A measure of the data.
    covariates : str
        Right side of a formula, such as ``"poverty + log(enrollment)"``; empty for none.
    effects : tuple of str
        Effects to absorb besides those of the design, such as ``"state^school_year_end"``.
    weights : str or None
        Column of weights.
    clusters : tuple of str
        Columns by which errors may be clustered.
    """

    outcome: str
    covariates: str = ""
    effects: tuple[str, ...] = ()
    weights: str | None = None
    clusters: tuple[str, ...] = ("unit_id",)

    def refuse(self, design: object, **reasons: str) -> None:
        """Raise for each part that is asked for and that a design can't do.

        Parameters
        ----------
        design : object
            Its class is named in the error.
        **reasons : str
            Name of the part (``covariates``, ``effects`` or ``weights``) to how to mend it.
        """
        asked = [f"{part}: {how}" for part, how in reasons.items() if getattr(self, part)]
        if asked:
            name = type(design).__name__
            raise SpecError("unsupported", f"{name} can't do what is asked", where=asked)


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
    """

    fit: Fit
    title: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
    vcov : Classical, Robust, Cluster or TwoWay
        Clustered by unit by default: a unit may serve many times.
    clusters : tuple of str
        Further columns of the data that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Result
        One term an event time, in units of the outcome. ``frames["support"]`` counts events and
        controls, ``frames["fates"]`` tells what became of each change.

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
    result = infer(answer.fit, vcov, about, level)
    notes = [*answer.notes, *_joint_lead_test(result)]
    return replace(result, description=replace(about, notes=tuple(notes)))


def _joint_lead_test(result: Result) -> list[str]:
    """Return the line on the joint test of leads; none where leads make up the base."""
    keys = result.keys
    if "in_base" in keys and keys["in_base"].any():
        return []
    is_lead = keys["event_time"].lt(0).fillna(False)
    leads = [name for name, lead in zip(result.names, is_lead, strict=True) if lead]
    return [f"Joint test that all leads are zero: {result.wald_test(leads)}."] if leads else []
