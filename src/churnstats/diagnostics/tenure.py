"""How long leaders stay: the four averages that are all called average tenure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.display import tables
from churnstats.estimators.curves import kaplan_meier
from churnstats.estimators.linear import linear_model
from churnstats.inference.result import Result
from churnstats.inference.vcov import Classical, Cluster
from churnstats.records.tenures import Tenures

# A product that is one half on paper may end up a few units in the last place above it.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class TenureSummary:
    """Four averages of one set of records, and why they differ.

    Attributes
    ----------
    averages : DataFrame
        ``average, statistic, years, conf_low, conf_high, n, n_still_in_post``.
    survival : Result
        Kaplan-Meier with late entry, from which the second average comes.
    at : float
        School-year time at which incumbents are counted.
    n_unknown_start : int
        Spells that no average but the third and fourth could use, and do not: their start is
        unknown.
    """

    averages: pd.DataFrame
    survival: Result
    at: float
    n_unknown_start: int

    def summary(self) -> str:
        """Return the table with a line on each average."""
        notes = [
            f"Incumbents are those in post at school-year time {self.at:g}.",
            "Completed spells leave out those still running, which are the long ones; incumbents' "
            "elapsed tenure is cut off at the count; incumbents' completed tenure over-counts "
            "long spells, which are likelier to be running at any one time.",
            f"{self.n_unknown_start:,} spells with an unknown start are in none of them. "
            "Intervals: clustered by unit; log-log for Kaplan-Meier.",
        ]
        return tables.to_text(tables.format_frame(self.averages, digits=2), notes)

    def __str__(self) -> str:
        return self.summary()


def tenure_summary(
    tenures: Tenures, *, role: str | None = None, at: float | None = None, level: float = 0.95
) -> TenureSummary:
    """Compute the four averages that are each quoted as "average tenure".

    Parameters
    ----------
    tenures : Tenures
    role : str, optional
        Needed if there are several.
    at : float, optional
        School-year time at which incumbents are counted; by default the middle of the time
        under observation, so that most of them have left since.
    level : float
        Coverage of the intervals, clustered by unit; a single unit has none.

    Returns
    -------
    TenureSummary
        Mean and median of completed spells; Kaplan-Meier median (NaN where survival stays above
        one half); mean elapsed tenure of incumbents; mean completed tenure of the same
        incumbents, those still in post counted with the time seen, and told.

    Raises
    ------
    SpecError
        When nobody was in post at ``at``.

    Examples
    --------
    >>> import churnstats as cs
    >>> summary = cs.tenure_summary(cs.datasets.load_mlb().tenures)
    >>> len(summary.averages)
    5
    """
    spells = tenures.for_role(role)
    known = spells[~spells["left_censored"]].copy()
    known["years"] = known["stop"] - known["start"]
    known["entry_years"] = known["entry"] - known["start"]
    known["exited"] = (~known["right_censored"]).astype(int)
    moment = float((spells["entry"].min() + spells["stop"].max()) / 2) if at is None else float(at)
    here = known[(known["entry"] <= moment) & (known["stop"] > moment)].copy()
    if here.empty:
        raise SpecError(
            "at",
            f"nobody with a known start was in post at {moment:g}",
            how="choose a time under observation",
        )
    here["elapsed"] = moment - here["start"]
    done = known[known["exited"] == 1]
    several = known["unit_id"].nunique() > 1
    survival = kaplan_meier(
        known,
        entry="entry_years",
        exit="years",
        event="exited",
        level=level,
        vcov=Cluster("unit_id") if several else Classical(),
        time_label="years in post",
    )
    median, *band = median_survival(survival)
    rows = [
        ("completed spells", "mean", *_mean(done, "years", level), len(done), 0),
        ("completed spells", "median", float(done["years"].median()), np.nan, np.nan, len(done), 0),
        (
            "Kaplan-Meier, late entry",
            "median",
            median,
            *(band if several else (np.nan, np.nan)),
            len(known),
            int((known["exited"] == 0).sum()),
        ),
        ("incumbents, elapsed", "mean", *_mean(here, "elapsed", level), len(here), 0),
        (
            "incumbents, completed",
            "mean",
            *_mean(here, "years", level),
            len(here),
            int((here["exited"] == 0).sum()),
        ),
    ]
    columns = ["average", "statistic", "years", "conf_low", "conf_high", "n", "n_still_in_post"]
    averages = pd.DataFrame(rows, columns=columns)
    return TenureSummary(averages, survival, moment, len(spells) - len(known))


def _mean(frame: pd.DataFrame, column: str, level: float) -> tuple[float, float, float]:
    if frame["unit_id"].nunique() < 2:
        return float(frame[column].mean()), float("nan"), float("nan")
    row = linear_model(frame, f"{column} ~ 1", vcov=Cluster("unit_id"), level=level).tidy().iloc[0]
    return float(row["estimate"]), float(row["conf_low"]), float(row["conf_high"])


def median_survival(result: Result) -> tuple[float, float, float]:
    """Return the median of a Kaplan-Meier curve and its interval, where the bands cross 1/2.

    NaN where survival, or a band, stays above one half (Brookmeyer and Crowley 1982).
    """
    tidy = result.tidy()
    time = tidy["time"].to_numpy(dtype=float)

    def first(column: str) -> float:
        below = tidy[column].to_numpy(dtype=float) <= 0.5 + ROUNDING
        return float(time[np.argmax(below)]) if below.any() else float("nan")

    return first("estimate"), first("conf_low"), first("conf_high")
