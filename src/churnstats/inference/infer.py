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
    coef: FloatArray, std_error: FloatArray, df: float, level: float, interval: str
) -> pd.DataFrame:
    """Return estimate, std_error, statistic, p_value, conf_low, conf_high and df.

    Parameters
    ----------
    coef, std_error : (k,) arrays
    df : float
        Degrees of freedom of t; infinite for the normal.
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


def _distribution(df: float) -> stats.rv_continuous:
    return stats.t(df) if np.isfinite(df) else stats.norm()


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
        return f"F({self.df_num}, {denom}) = {self.statistic:.3f}, p = {self.p_value:.3f}"


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
