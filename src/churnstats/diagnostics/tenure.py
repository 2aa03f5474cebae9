"""How long leaders stay: the four averages that are all called average tenure, and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray
from churnstats.display import tables
from churnstats.estimators.curves import kaplan_meier
from churnstats.estimators.linear import linear_model
from churnstats.inference.result import Result
from churnstats.inference.vcov import Classical, Cluster
from churnstats.panel.events import event_ledger
from churnstats.panel.shares import whole_stays
from churnstats.records.tenures import Tenures

# A product that is one half on paper may end up a few units in the last place above it.
ROUNDING = 1e-12
# Half a minute in years: a spell that is censored at a time is no longer at risk at that time.
HAIR = 1e-6
A_DAY = 1 / 365
COLUMNS = ["average", "statistic", "years", "conf_low", "conf_high", "n", "n_still_in_post"]


@dataclass(frozen=True, eq=False)
class TenureSummary:
    """Four averages of one set of records, and why they differ.

    Attributes
    ----------
    averages : DataFrame
        ``average, statistic, years, conf_low, conf_high, n, n_still_in_post``.
    counts : DataFrame
        ``count, n, share_of_spells``: units, leaders, spells and changes, and how many spells
        are censored on either side, at the border of the records or at a gap in them, were
        entered late, or share their post; a leader who joins another is no change.
    survival : Result
        Kaplan-Meier with late entry, from which the second average comes.
    at : float
        School-year time at which incumbents are counted.
    n_unknown_start : int
        Spells that no average but the third and fourth could use, and do not: their start is
        unknown.
    """

    averages: pd.DataFrame
    counts: pd.DataFrame
    survival: Result
    at: float
    n_unknown_start: int
    n_incumbents: int

    def summary(self) -> str:
        """Return the averages with a line on each, and the counts."""
        notes = [
            f"Incumbents are the {self._n_here:,} of {self.n_incumbents:,} in post at school-year "
            f"time {self.at:g} whose start is known; the others began before the records.",
            "Completed spells leave out those still running, which are the long ones; incumbents' "
            "elapsed tenure is cut off at the count; incumbents' completed tenure over-counts "
            "long spells, which are likelier to be running at any one time.",
            f"{self.n_unknown_start:,} spells with an unknown start are in none of them. "
            "Intervals: clustered by unit; log-log for Kaplan-Meier.",
        ]
        averages = tables.to_text(tables.format_frame(self.averages, digits=2), notes)
        return f"{averages}\n\n{tables.to_text(tables.format_frame(self.counts))}"

    @property
    def _n_here(self) -> int:
        return int(self.averages["n"].iloc[-1])

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
        incumbents, those still in post counted with the time seen, and told. Spells of one
        leader in one post that touch, such as a row a term, are one.

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
    given = tenures.for_role(role)
    spells = whole_stays(given)
    known = known_starts(spells)
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
    survival = tenure_survival(known, level)
    unclear = (np.nan, np.nan)
    median, *band = median_survival(survival)
    middle = (median, *(band if known["unit_id"].nunique() > 1 else unclear))
    running, still = (int((part["exited"] == 0).sum()) for part in (known, here))
    n_known, n_here = len(known), len(here)
    n_all = int(((spells["entry"] <= moment) & (spells["stop"] > moment)).sum())
    half = (float(done["years"].median()), *unclear)
    rows = [
        ("completed spells", "mean", *_mean(done, "years", level), len(done), 0),
        ("completed spells", "median", *half, len(done), 0),
        ("Kaplan-Meier, late entry", "median", *middle, n_known, running),
        ("incumbents, elapsed", "mean", *_mean(here, "elapsed", level), n_here, 0),
        ("incumbents, completed", "mean", *_mean(here, "years", level), n_here, still),
    ]
    averages = pd.DataFrame(rows, columns=COLUMNS)
    counts = _counts(spells, event_ledger(given))
    return TenureSummary(averages, counts, survival, moment, len(spells) - n_known, n_all)


def known_starts(spells: pd.DataFrame) -> pd.DataFrame:
    """Return the spells whose start is known, with ``years, entry_years`` and ``exited``."""
    known = spells[~spells["left_censored"]].copy()
    known["years"] = _whole(known["stop"] - known["start"])
    known["entry_years"] = _whole(known["entry"] - known["start"])
    known["exited"] = (~known["right_censored"]).astype("int64")
    return known


def _whole(years: pd.Series) -> pd.Series:
    """Return durations, those within a day or so of whole years as whole years.

    Years have 365 or 366 days: from one 15 August to the next it may be 1.0003 of them.
    """
    whole = years.round()
    return years.mask((years - whole).abs() <= A_DAY, whole)


def tenure_survival(known: pd.DataFrame, level: float) -> Result:
    """Return the survival of spells from `known_starts`, clustered by unit if there are several.

    Who is censored at a time is at risk at that time if an exit would have been seen
    (``stop_watched``), as where dated records are kept until a day. Of a yearly roster's last year
    nobody knows how it ended, so its holders are not.
    """
    seen, entry = known["years"], known["entry_years"]
    before = np.maximum(seen - HAIR, (seen + entry) / 2)
    several = known["unit_id"].nunique() > 1
    return kaplan_meier(
        known.assign(seen=seen.where((known["exited"] == 1) | known["stop_watched"], before)),
        entry="entry_years",
        exit="seen",
        event="exited",
        level=level,
        vcov=Cluster("unit_id") if several else Classical(),
        time_label="years in post",
    )


def shares_post(spells: pd.DataFrame) -> BoolArray:
    """Mark spells that begin while another leader is in post."""
    latest = spells.groupby("unit_id")["stop"].cummax().groupby(spells["unit_id"]).shift()
    return (spells["start"] < latest - CLOCK).to_numpy(dtype=bool)


def _counts(spells: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Count units, leaders, spells, changes and the ways in which spells are cut off."""
    joins = shares_post(spells)
    unit = spells["unit_id"]
    left, right = spells["left_censored"], spells["right_censored"]
    ended = spells.groupby("unit_id")["stop"].cummax().groupby(unit).shift()
    begun = spells.groupby("unit_id")["start"].shift(-1)
    others = [
        ("units", unit.nunique()),
        ("leaders", spells["leader_id"].nunique()),
        ("changes of leader", len(events)),
        ("changes with a date that is not known", int((~events["is_date_known"]).sum())),
    ]
    of_spells = [
        ("spells", len(spells)),
        ("start and end known", int((~left & ~right).sum())),
        ("start unknown (left-censored)", int(left.sum())),
        ("    of these after a gap", int((left & (spells["start"] > ended + CLOCK)).sum())),
        ("end unknown (right-censored)", int(right.sum())),
        ("    of these before a gap", int((right & (spells["stop"] < begun - CLOCK)).sum())),
        ("entered late", int((spells["entry"] > spells["start"]).sum())),
        ("begun beside a leader in post", int(joins.sum())),
    ]
    rows = [(name, n, np.nan) for name, n in others]
    rows += [(name, n, n / len(spells)) for name, n in of_spells]
    return pd.DataFrame(rows, columns=["count", "n", "share_of_spells"])


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
