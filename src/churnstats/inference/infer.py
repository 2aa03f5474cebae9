"""Statistics, p-values and intervals: made here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, stats

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray

INTERVALS = ("identity", "log-log", "log")


def estimates_table(
    coef: FloatArray, std_error: FloatArray, df: float | FloatArray, level: float, interval: str
) -> pd.DataFrame:
    """Return estimate, std_error, statistic, p_value, conf_low, conf_high and df.

    Parameters
    ----------
    coef, std_error : (k,) arrays
    df : float or (k,) array
        Degrees of freedom of t, of all or by term; infinite for the normal.
    level : float
        Coverage of the intervals, such as 0.95.
    interval : {"identity", "log-log", "log"}
        Scale on which the interval is symmetric. On the last two the hypothesis that a
        survival or a hazard is zero makes no sense, and statistic and p-value are NaN.
    """
    known = np.where(std_error > 0, std_error, np.nan)
    quantile = _distribution(df).ppf(0.5 + level / 2)
    if interval == "identity":
        statistic = coef / known
        p_value = 2 * _distribution(df).sf(np.abs(statistic))
        low, high = coef - quantile * known, coef + quantile * known
    elif interval in INTERVALS:
        statistic = p_value = np.full(coef.shape, np.nan)
        low, high = _transformed_interval(coef, known, quantile, interval)
    else:
        raise SpecError("interval", f"'{interval}' is no interval", how=f"one of {INTERVALS}")
    return pd.DataFrame(
        {
            "estimate": coef,
            "std_error": known,
            "statistic": statistic,
            "p_value": p_value,
            "conf_low": low,
            "conf_high": high,
            "df": np.full(coef.shape, df),
        }
    )


def _distribution(df: float | FloatArray) -> stats.rv_continuous:
    """Return t, or the normal where no degrees of freedom are finite."""
    return stats.norm() if np.isinf(df).all() else stats.t(df)


def _transformed_interval(
    coef: FloatArray, std_error: FloatArray, quantile: float, interval: str
) -> tuple[FloatArray, FloatArray]:
    inside = (coef > 0) & (coef < 1) if interval == "log-log" else coef > 0
    value = np.where(inside, coef, np.nan)
    if interval == "log":
        spread = np.exp(quantile * std_error / value)
        return value / spread, value * spread
    log_value = np.log(value)
    spread = np.exp(quantile * std_error / np.abs(value * log_value))
    return np.exp(log_value * spread), np.exp(log_value / spread)


@dataclass(frozen=True)
class WaldTest:
    """A joint test that several linear combinations are zero.

    Parameters
    ----------
    statistic : float
        F with ``df_num`` and ``df_denom`` degrees of freedom; chi-squared / df_num when
        ``df_denom`` is infinite.
    p_value : float
    df_num : int
    df_denom : float
    """

    statistic: float
    p_value: float
    df_num: int
    df_denom: float

    def __str__(self) -> str:
        denom = f"{self.df_denom:.0f}" if np.isfinite(self.df_denom) else "inf"
        p = "p < 0.001" if self.p_value < 0.0005 else f"p = {self.p_value:.3f}"
        return f"F({self.df_num}, {denom}) = {self.statistic:.3f}, {p}"


def wald_test(values: FloatArray, vcov: FloatArray, df: float) -> WaldTest:
    """Test that all values are zero, given their covariance.

    A covariance that is not positive definite (more restrictions than clusters, or restrictions
    that repeat each other) gives NaN: the test is not defined.
    """
    q = int(values.size)
    finite = q > 0 and bool(np.isfinite(vcov).all()) and bool((np.diag(vcov) > 0).all())
    if finite:
        size = np.sqrt(np.diag(vcov))
        values, vcov = values / size, vcov / np.outer(size, size)
    spectrum = linalg.eigvalsh(vcov) if finite else np.full(1, np.nan)
    if not spectrum[0] > spectrum[-1] * q * np.finfo(float).eps:
        return WaldTest(float("nan"), float("nan"), q, df)
    statistic = float(values @ linalg.solve(vcov, values, assume_a="sym")) / q
    law = stats.f(q, df) if np.isfinite(df) else stats.chi2(q)
    p_value = float(law.sf(statistic if np.isfinite(df) else statistic * q))
    return WaldTest(statistic, p_value, q, df)


def hotelling_test(values: FloatArray, vcov: FloatArray, eta: float) -> WaldTest:
    """Test that all values are zero if their covariance has a Wishart's eta degrees of freedom.

    The statistic is that of `wald_test` times (eta - q + 1) / eta, with q and eta - q + 1 degrees
    of freedom (Pustejovsky and Tipton 2018). NaN where these are not positive.
    """
    q = int(values.size)
    df_denom = eta - q + 1
    plain = wald_test(values, vcov, np.inf)
    if not df_denom > 0 or not np.isfinite(plain.statistic):
        return WaldTest(float("nan"), float("nan"), q, df_denom)
    statistic = plain.statistic * df_denom / eta
    return WaldTest(statistic, float(stats.f(q, df_denom).sf(statistic)), q, df_denom)


def count_tails(
    count: FloatArray, n: FloatArray, share: FloatArray, correlation: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the chances of a count this low, and of one this high, under the beta-binomial.

    Parameters
    ----------
    count, n : arrays
        How many of how many; NaN gives NaN.
    share : array
        Expected share, inside (0, 1).
    correlation : array
        Of two units of one count, inside (0, 1): the variance of the share is
        share (1 - share) (1 + (n - 1) correlation) / n.

    Examples
    --------
    >>> low, high = count_tails(
    ...     np.array([0.0]), np.array([30.0]), np.array([0.17]), np.array([0.01])
    ... )
    >>> low.round(4), high
    (array([0.0078]), array([1.]))
    """
    known = np.isfinite(count) & np.isfinite(n) & np.isfinite(share) & np.isfinite(correlation)
    size = 1 / correlation[known] - 1
    law = stats.betabinom(n[known], share[known] * size, (1 - share[known]) * size)
    low, high = (np.full(count.shape, np.nan) for _ in range(2))
    low[known] = law.cdf(count[known])
    high[known] = law.sf(count[known] - 1)
    return np.minimum(low, 1.0), np.minimum(high, 1.0)


def both_small(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the p-value of two independent ones that have to be small both.

    It is the chance that the larger is as small as it is: its square. NaN if one is missing.

    Examples
    --------
    >>> both_small(np.array([0.5, 0.5]), np.array([0.25, np.nan]))
    array([0.25,  nan])
    """
    return np.asarray(np.maximum(first, second) ** 2)


def false_discovery(p_value: FloatArray) -> FloatArray:
    """Return p-values adjusted for the rate of false discoveries (Benjamini and Hochberg 1995).

    NaN stays NaN and does not count.

    Examples
    --------
    >>> false_discovery(np.array([0.01, np.nan, 0.04]))
    array([0.02,  nan, 0.04])
    """
    adjusted = np.full(p_value.shape, np.nan)
    known = np.isfinite(p_value)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p_value[known])
    return adjusted
