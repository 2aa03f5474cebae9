"""Whether leads are shown to be small, by two one-sided tests of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.diagnostics.event_path import chosen_level, event_path
from churnstats.display import tables
from churnstats.display.figures import ACCENT, INK, PALETTE, SOFT, new_figure
from churnstats.inference.infer import estimates_table
from churnstats.inference.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class LeadEquivalence:
    """Whether leads are shown to be small.

    Made by `lead_equivalence`.

    Attributes
    ----------
    leads : DataFrame
        ``event_time, estimate, std_error, conf_low, conf_high, p_value, smallest_bound``, one row
        a lead. The interval has coverage 1 - 2 alpha: a lead is equivalent to zero at alpha if it
        lies inside the bound.
    bound : float
    p_value : float
        That of the lead that is shown least: all are tested at once, without a correction.
    smallest_bound : float
        The smallest bound inside which all leads are shown to lie.
    level : float
        One less alpha.
    outcome : str
    """

    leads: pd.DataFrame
    bound: float
    p_value: float
    smallest_bound: float
    level: float
    outcome: str

    @property
    def equivalent(self) -> bool:
        """Whether all leads are shown to lie inside the bound."""
        return self.p_value < 1 - self.level

    def frame(self) -> pd.DataFrame:
        """Return the tests of each lead."""
        return self.leads.copy()

    def summary(self) -> str:
        """Return the table and the joint conclusion as text."""
        verdict = "All leads are" if self.equivalent else "Not all leads are"
        notes = [
            f"{verdict} shown to lie within ±{self.bound:g} "
            f"(p = {tables.format_p(self.p_value)}, two one-sided tests at "
            f"{1 - self.level:.0%} each, intersection-union).",
            f"Smallest bound inside which all are: {self.smallest_bound:.4g}.",
        ]
        shown = self.leads.astype({"event_time": int}).astype({"event_time": str})
        return tables.to_text(tables.format_frame(shown), notes)

    def plot(self) -> Figure:
        """Draw the leads with their intervals inside or outside of the bound."""
        figure, (ax,) = new_figure()
        data = self.leads
        x, y = data["event_time"], data["estimate"]
        ax.axhspan(-self.bound, self.bound, color=SOFT, alpha=0.25, linewidth=0, label="bound")
        for sign in (-1, 1):
            ax.axhline(
                sign * self.smallest_bound,
                color=PALETTE[1],
                linewidth=1.0,
                linestyle=(0, (4, 3)),
                label="smallest bound that is shown" if sign > 0 else None,
            )
        reach = [y - data["conf_low"], data["conf_high"] - y]
        ax.errorbar(x, y, yerr=reach, fmt="o", color=ACCENT, markersize=4.5, label="lead")
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set_xticks(x, [f"{int(t):+d}" for t in x])
        ax.set_xlabel("School years since the change", fontsize=9)
        ax.set_ylabel(f"Effect on {self.outcome}", fontsize=9)
        ax.set_title("Are leads small?", fontsize=11, loc="left", color=INK)
        ax.set_title(f"{2 * self.level - 1:.0%} intervals", fontsize=8, loc="right", color=INK)
        figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        return figure

    def __str__(self) -> str:
        return self.summary()


def lead_equivalence(
    result: Result, bound: float, *, level: float | None = None
) -> LeadEquivalence:
    """Test that all leads lie inside a bound: small leads as what is shown, not assumed.

    Parameters
    ----------
    result : Result
        Of `event_study`, base year -1.
    bound : float
        The largest lead that would not matter, in units of the outcome.
    level : float, optional
        One less the size of the tests; by default that of the result.

    Returns
    -------
    LeadEquivalence

    Raises
    ------
    SpecError
        A bound that is not positive; another base than -1.

    References
    ----------
    Schuirmann (1987) for two one-sided tests; Berger and Hsu (1996) for all leads at once;
    Hartman and Hidalgo (2018) and Dette and Schumann (2024) for leads.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=3, post=1), "win_share")
    >>> lead_equivalence(study, 0.2).equivalent
    True
    """
    path = event_path(result, "lead_equivalence")
    chosen = chosen_level(path, level)
    if not bound > 0:
        raise SpecError("lead_equivalence", f"a bound of {bound} is none", how="give one above 0")
    at = path.leads
    rows = []
    for t, b, s, df in zip(
        path.times[at], path.coef[at], path.std_error[at], path.df[at], strict=True
    ):
        coverage = 2 * chosen - 1
        row = estimates_table(np.array([b]), np.array([s]), df, coverage, "identity").iloc[0]
        above = _one_sided(b + bound, s, df)
        below = _one_sided(bound - b, s, df)
        reach = float(max(abs(row["conf_low"]), abs(row["conf_high"])))
        rows.append([t, b, s, row["conf_low"], row["conf_high"], max(above, below), reach])
    columns = ["event_time", "estimate", "std_error", "conf_low", "conf_high"]
    leads = pd.DataFrame(rows, columns=[*columns, "p_value", "smallest_bound"])
    worst, smallest = float(leads["p_value"].max()), float(leads["smallest_bound"].max())
    return LeadEquivalence(leads, float(bound), worst, smallest, chosen, path.outcome)


def _one_sided(value: float, std_error: float, df: float) -> float:
    """Return the p-value of the test that a value is not above zero."""
    row = estimates_table(np.array([value]), np.array([std_error]), df, 0.95, "identity").iloc[0]
    return float(row["p_value"] / 2 if value > 0 else 1 - row["p_value"] / 2)
