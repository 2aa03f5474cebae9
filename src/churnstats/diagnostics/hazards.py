"""Hazards of leaving by year of tenure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import FloatArray, IntArray
from churnstats.diagnostics.tenure import known_starts, tenure_survival
from churnstats.display import hazards, tables
from churnstats.inference.infer import estimates_table
from churnstats.inference.result import Result
from churnstats.panel.shares import whole_stays
from churnstats.records.tenures import Tenures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_SHOWN = 10


@dataclass(frozen=True, eq=False)
class TenureHazards:
    """The chance of leaving in each year of tenure, among those who reach it.

    Made by `tenure_hazards`.

    Attributes
    ----------
    frame : DataFrame
        ``tenure_year, n_at_risk, n_exits, hazard, std_error, conf_low, conf_high``.
    survival : Result
        Kaplan-Meier with late entry, from which they come.
    n_unknown_start : int
        Spells that are left out, since their start is unknown.
    """

    frame: pd.DataFrame
    survival: Result
    n_unknown_start: int

    def shown(self) -> pd.DataFrame:
        """Return the years of tenure with at least ten at risk."""
        return self.frame[self.frame["n_at_risk"] >= MIN_SHOWN]

    def summary(self) -> str:
        """Return the table of years with at least ten at risk, and who is in it."""
        notes = [
            f"{self.survival.level:.0%} intervals (log-log), {self.survival.choice.label}.",
            f"Years with fewer than {MIN_SHOWN} at risk are not shown. "
            f"{self.n_unknown_start:,} spells with an unknown start are not counted.",
        ]
        cells = tables.format_frame(self.shown().astype({"tenure_year": "str"}))
        return tables.to_text(cells, notes)

    def plot(self) -> Figure:
        """Draw the hazard by year of tenure, where at least ten are at risk."""
        return hazards.hazard_figure(self.shown(), "Leaving by year of tenure", self.survival.level)

    def __str__(self) -> str:
        return self.summary()


def tenure_hazards(
    tenures: Tenures,
    role: str | None = None,
    *,
    max_years: int | None = None,
    level: float = 0.95,
) -> TenureHazards:
    r"""Estimate the hazard of leaving in each year of tenure.

    Parameters
    ----------
    tenures : Tenures
    role : str, optional
        Needed if there are several.
    max_years : int, optional
        Last year of tenure that is wanted; by default the last in which anybody is at risk.
    level : float
        Coverage of the intervals, clustered by unit; with Greenwood's variance if there is one
        unit. They are those of the chance to stay, symmetric on the log-log scale.

    Returns
    -------
    TenureHazards
        Year 1 is the first. ``n_exits`` left in the year, ``n_at_risk`` either left in it or were
        seen beyond it; both only from the moment that they were under observation. The hazard of
        a year without exits is 0, and its error is not defined; with nobody at risk, both are NaN.

    Raises
    ------
    SpecError
        A role that is not there or not named; ``max_years`` below 1.
    IdentificationError
        Nobody with a known start left.

    Notes
    -----
    With :math:`S` by Kaplan and Meier, the hazard of year k is :math:`1 - S(k)/S(k-1)`; its
    standard error comes by the delta method. Where all times are whole years, as in a yearly
    roster, it is ``n_exits / n_at_risk``; where they are not, spells that are entered or censored
    within the year count for the part of it in which they were seen. A spell that is censored
    after k years is at risk at k if an exit at that moment would have been seen; the last year of
    a yearly roster does not tell whether its leader stayed (``stop_watched``).

    References
    ----------
    Kaplan and Meier (1958); Tsai, Jewell and Wang (1987) for late entry; Singer and Willett
    (1993) for discrete hazards.

    Examples
    --------
    >>> import churnstats as cs
    >>> found = tenure_hazards(cs.datasets.load_mlb().tenures)
    >>> found.frame.head(3)[["n_at_risk", "n_exits", "hazard"]].round(3)
       n_at_risk  n_exits  hazard
    0        976      369   0.375
    1        602      177   0.292
    2        423      161   0.379
    """
    if max_years is not None and max_years < 1:
        raise SpecError("max_years", f"{max_years} is no year of tenure", how="1 is the first")
    spells = whole_stays(tenures.for_role(role))
    known = known_starts(spells)
    if known.empty:
        what = "no spell has a known start, so nobody's year of tenure is known"
        raise IdentificationError("no_known_start", what, how="records that reach further back")
    survival = tenure_survival(known, level)
    year = np.ceil(known["years"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    seen = _seen(known, year)
    last = int(seen.max()) if max_years is None else max_years
    hazard, error = _yearly(survival, last)
    stays = estimates_table(1 - hazard, error, survival.choice.df, level, "log-log")
    exited = known["exited"].to_numpy() == 1
    frame = pd.DataFrame({"tenure_year": np.arange(1, last + 1)})
    frame["n_at_risk"] = _at_risk(known, seen, last)
    some = frame["n_at_risk"] > 0
    frame["n_exits"] = np.bincount(year[exited], minlength=last + 1)[1 : last + 1]
    frame["hazard"], frame["std_error"] = np.where(some, hazard, np.nan), stays["std_error"]
    frame["conf_low"], frame["conf_high"] = 1 - stays["conf_high"], 1 - stays["conf_low"]
    return TenureHazards(frame, survival, len(spells) - len(known))


def _seen(known: pd.DataFrame, year: IntArray) -> IntArray:
    """Return the last year of tenure of which each spell tells whether its leader left."""
    whole = np.floor(known["years"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    censored = np.where(known["stop_watched"], whole, year - 1)
    return np.where(known["exited"] == 1, year, censored)


def _at_risk(known: pd.DataFrame, seen: IntArray, last: int) -> IntArray:
    """Return for each year of tenure the spells that had been entered and tell of it."""
    first = np.floor(known["entry_years"].to_numpy(dtype=float) + CLOCK).astype(np.int64) + 1
    tells = seen >= first
    begun = np.bincount(first[tells], minlength=last + 2)
    ended = np.bincount(seen[tells] + 1, minlength=last + 2)
    return np.cumsum(begun[: last + 1] - ended[: last + 1])[1:]


def _yearly(survival: Result, last: int) -> tuple[FloatArray, FloatArray]:
    """Return 1 - S(k) / S(k - 1) for k = 1 to last, and its standard error."""
    time = survival.keys["time"].to_numpy(dtype=float)
    at = np.searchsorted(time, np.arange(last + 1) + CLOCK, side="right")
    curve = np.r_[1.0, survival.coef][at]
    # the curve before its first step is 1 and has no error
    vcov = np.pad(survival.vcov, ((1, 0), (1, 0)))
    now, past = at[1:], at[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        stays = curve[1:] / curve[:-1]
        own, before = vcov[now, now], stays**2 * vcov[past, past]
        variance = (own + before - 2 * stays * vcov[now, past]) / curve[:-1] ** 2
    return 1 - stays, np.sqrt(np.maximum(variance, 0.0))
