"""What a test of leads could have found, and what it biases once it is passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize, special

from churnstats.core.errors import SpecError
from churnstats.diagnostics.event_path import (
    EventPath,
    box_moments,
    chosen_level,
    critical_values,
    event_path,
)
from churnstats.display import tables
from churnstats.display.figures import ACCENT, INK, PALETTE, SOFT, new_figure
from churnstats.inference.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class PretrendPower:
    """What tests of leads find of linear trends.

    Made by `pretrend_power`.

    Attributes
    ----------
    curve : DataFrame
        ``slope, power_any, power_joint``: the chance that some lead is significant, and that the
        joint test rejects, if the trend rises by slope a year.
    detected : DataFrame
        ``power, slope_any, slope_joint``: the slopes that are found with these chances.
    level : float
        Of the tests: one less their size.
    outcome : str
    """

    curve: pd.DataFrame
    detected: pd.DataFrame
    level: float
    outcome: str

    def frame(self) -> pd.DataFrame:
        """Return power by slope."""
        return self.curve.copy()

    def summary(self) -> str:
        """Return the slopes that are found, and what they come to, as text."""
        notes = [
            f"Tests at {1 - self.level:.0%}. any: at least one lead is significant by itself; "
            "joint: the test that all leads are zero.",
            "A slope is in units of the outcome a year; its sign does not matter.",
        ]
        return tables.to_text(tables.format_frame(self.detected), notes)

    def plot(self) -> Figure:
        """Draw power by slope."""
        figure, (ax,) = new_figure()
        names = {"power_any": "some lead is significant", "power_joint": "joint test rejects"}
        for color, (column, label) in zip(PALETTE, names.items(), strict=False):
            ax.plot(
                self.curve["slope"], self.curve[column], color=color, linewidth=1.6, label=label
            )
        for chance in self.detected["power"]:
            ax.axhline(chance, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_ylim(0, 1.02)
        ax.set_xlim(left=0)
        ax.set_xlabel(f"Slope of the trend, {self.outcome} a year", fontsize=9)
        ax.set_ylabel("Chance that the trend is found", fontsize=9)
        ax.set_title("Power of the test of leads", fontsize=11, loc="left", color=INK)
        ax.legend(fontsize=8, frameon=False, loc="lower right")
        return figure

    def __str__(self) -> str:
        return self.summary()


def pretrend_power(
    result: Result,
    slopes: Sequence[float] | None = None,
    *,
    powers: Sequence[float] = (0.5, 0.8),
    level: float | None = None,
    seed: int = 0,
) -> PretrendPower:
    r"""Compute how often tests of leads find a linear trend.

    Parameters
    ----------
    result : Result
        Of `event_study`, base year -1.
    slopes : sequence of float, optional
        By default from no trend to one that is nearly always found.
    powers : sequence of float
        Chances for which the slope is wanted.
    level : float, optional
        By default that of the result: 0.95 for tests at 5%.
    seed : int

    Returns
    -------
    PretrendPower

    Raises
    ------
    SpecError
        Another base than -1; powers outside of the tests' size to 1.
    IdentificationError
        No leads, or a covariance that is not positive definite.

    Notes
    -----
    Leads are taken as normal with the estimated covariance, mean :math:`\gamma (t + 1)` at event
    time t. Critical values are those that the result's own table and joint test use, with their
    degrees of freedom.

    References
    ----------
    Roth (2022), Pretest with caution, AER: Insights 4(3).

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=3, post=1), "win_share")
    >>> found = pretrend_power(study, [0.0, 0.02])
    >>> bool(found.curve["power_any"].is_monotonic_increasing)
    True
    """
    path = event_path(result, "pretrend_power")
    size = 1 - chosen_level(path, level)
    wrong = [str(p) for p in powers if not size < p < 1]
    if wrong:
        raise SpecError("pretrend_power", f"powers lie between {size:g} and 1", where=wrong)
    tests = {"any": _power_any(path, size, seed), "joint": _power_joint(path, size)}
    detected = pd.DataFrame(
        {
            "power": list(powers),
            **{
                f"slope_{name}": [_slope(test, p, path) for p in powers]
                for name, test in tests.items()
            },
        }
    )
    if slopes is None:
        top = max(_slope(test, 0.99, path) for test in tests.values())
        slopes = np.linspace(0, top, 41).tolist()
    curve = pd.DataFrame(
        {
            "slope": np.asarray(slopes, dtype=float),
            **{f"power_{name}": [test(float(s)) for s in slopes] for name, test in tests.items()},
        }
    )
    return PretrendPower(curve, detected, 1 - size, path.outcome)


def _power_any(path: EventPath, size: float, seed: int) -> Callable[[float], float]:
    at = path.leads
    vcov, years = path.vcov[np.ix_(at, at)], path.times[at] + 1
    bound = critical_values(path.df, size)[at] * path.std_error[at]

    def power(slope: float) -> float:
        if slope * np.abs(years).max() > bound.max() + 30 * path.std_error[at].max():
            return 1.0
        return 1 - box_moments(slope * years, vcov, bound, seed)[0]

    return power


def _power_joint(path: EventPath, size: float) -> Callable[[float], float]:
    at = path.leads
    years, q, df = path.times[at] + 1, int(at.sum()), float(path.df[at].min())
    strength = float(years @ np.linalg.solve(path.vcov[np.ix_(at, at)], years))

    def power(slope: float) -> float:
        shift = slope**2 * strength
        if np.isinf(df):
            return float(1 - special.chndtr(special.chdtri(q, size), q, shift))
        return float(1 - special.ncfdtr(q, df, shift, special.fdtri(q, df, 1 - size)))

    return power


def _slope(power: Callable[[float], float], target: float, path: EventPath) -> float:
    """Return the slope that is found with the target's chance."""
    top = float(path.std_error[path.leads].max())
    while power(top) < target:
        top *= 2
    return float(optimize.brentq(lambda s: power(s) - target, 0.0, top, xtol=1e-10 * top))


@dataclass(frozen=True, eq=False)
class PassedPretest:
    """What estimates say if a trend is there and no lead was significant.

    Made by `passed_pretest`.

    Attributes
    ----------
    path : DataFrame
        ``event_time, estimate, conf_low, conf_high, trend, mean_if_passed, std_error,
        std_error_if_passed``: trend is what the estimate's bias is by itself, mean_if_passed the
        bias among studies whose leads are all insignificant.
    slope : float
    chance_to_pass : float
        That no lead is significant under the trend.
    chance_without_trend : float
        That no lead is significant without one.
    level : float
    outcome : str
    """

    path: pd.DataFrame
    slope: float
    chance_to_pass: float
    chance_without_trend: float
    level: float
    outcome: str

    def frame(self) -> pd.DataFrame:
        """Return trend, conditional bias and errors by event time."""
        return self.path.copy()

    def summary(self) -> str:
        """Return the table and what the chances say as text."""
        ratio = self.chance_to_pass / self.chance_without_trend
        notes = [
            f"Trend of {self.slope:g} a year. No lead is significant (each at "
            f"{1 - self.level:.0%}) with chance {self.chance_to_pass:.3f}; without a trend "
            f"{self.chance_without_trend:.3f}, ratio {ratio:.2f}.",
            "mean if passed: bias of the estimate, given that no lead is significant.",
        ]
        columns = ["event_time", "estimate", "std_error", "trend", "mean_if_passed"]
        shown = self.path[[*columns, "std_error_if_passed"]].astype({"event_time": int})
        return tables.to_text(tables.format_frame(shown.astype({"event_time": str})), notes)

    def plot(self) -> Figure:
        """Draw the estimates, the trend, and what is expected once the test is passed."""
        figure, (ax,) = new_figure()
        data = self.path
        x, y = data["event_time"], data["estimate"]
        reach = [y - data["conf_low"], data["conf_high"] - y]
        ax.errorbar(x, y, yerr=reach, fmt="o", color=ACCENT, markersize=4.5, label="estimate")
        years = np.sort(np.append(x.to_numpy(), -1.0))
        ax.plot(years, self.slope * (years + 1), color=PALETTE[1], linewidth=1.4, label="trend")
        passed = np.insert(data["mean_if_passed"].to_numpy(), int((x < -1).sum()), 0.0)
        label = "expected if no lead is significant"
        ax.plot(years, passed, color=PALETTE[3], linewidth=1.4, linestyle="dashed", label=label)
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.axvline(-0.5, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_xticks(years, [f"{int(t):+d}" if t else "0" for t in years])
        ax.set_xlabel("School years since the change", fontsize=9)
        ax.set_ylabel(f"Effect on {self.outcome}", fontsize=9)
        ax.set_title("A trend that passes the test of leads", fontsize=11, loc="left", color=INK)
        ax.set_title(f"{self.level:.0%} intervals", fontsize=8, loc="right", color=INK)
        figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        return figure

    def __str__(self) -> str:
        return self.summary()


def passed_pretest(
    result: Result, slope: float, *, level: float | None = None, seed: int = 0
) -> PassedPretest:
    r"""Compute how biased estimates are if a trend is there and no lead is significant.

    Parameters
    ----------
    result : Result
        Of `event_study`, base year -1.
    slope : float
        Of the trend, in units of the outcome a year; such as one that is detected half of the
        time (`pretrend_power`).
    level : float, optional
        By default that of the result.
    seed : int

    Returns
    -------
    PassedPretest

    Notes
    -----
    With estimates normal, leads :math:`\hat\beta_1` and the rest :math:`\hat\beta_2`,

    .. math:: E[\hat\beta_2 | B] = \mu_2 + \Sigma_{21} \Sigma_{11}^{-1}
        (E[\hat\beta_1 | B] - \mu_1),

    and the moments of leads inside the box B come from `box_moments`.

    References
    ----------
    Roth (2022), Pretest with caution, AER: Insights 4(3), proposition 1.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=3, post=1), "win_share")
    >>> passed_pretest(study, 0.0).path["mean_if_passed"].abs().round(4).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    path = event_path(result, "passed_pretest")
    chosen = chosen_level(path, level)
    at = path.leads
    bound = critical_values(path.df, 1 - chosen)[at] * path.std_error[at]
    inner = path.vcov[np.ix_(at, at)]
    mean = slope * (path.times + 1)
    chance, centre, spread = box_moments(mean[at], inner, bound, seed)
    slopes = np.linalg.solve(inner, path.vcov[at]).T
    expected = mean + slopes @ (centre - mean[at])
    variance = path.vcov - slopes @ (inner - spread) @ slopes.T
    reach = critical_values(path.df, 1 - chosen) * path.std_error
    table = pd.DataFrame(
        {
            "event_time": path.times,
            "estimate": path.coef,
            "conf_low": path.coef - reach,
            "conf_high": path.coef + reach,
            "trend": mean,
            "mean_if_passed": expected,
            "std_error": path.std_error,
            "std_error_if_passed": np.sqrt(np.diag(variance)),
        }
    )
    plain = box_moments(np.zeros(int(at.sum())), inner, bound, seed)[0]
    return PassedPretest(table, slope, chance, plain, chosen, path.outcome)
