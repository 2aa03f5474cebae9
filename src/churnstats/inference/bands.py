r"""Bands that hold a whole path at once, from a covariance or from draws of influence sums.

The sup-t band is :math:`\hat\beta_j \pm c\,\hat\sigma_j`, with c the quantile of
:math:`\max_j |t_j|` (Montiel Olea and Plagborg-Moller 2019). From a covariance, t is normal with
its correlations, divided by the root of a chi-squared over its degrees of freedom where these are
finite. From the multiplier bootstrap, t is :math:`\sum_g v_g\psi_{gj} / \hat\sigma_j` with random
:math:`v_g` (Callaway and Sant'Anna 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import linalg, special

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray
from churnstats.inference.draws import (
    Signs,
    check_draws,
    chunks,
    sign_chunks,
    upper_quantile,
)
from churnstats.inference.result import Result
from churnstats.inference.vcov import cluster_codes


def sup_t_critical_value(
    vcov: FloatArray,
    level: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
    df: float = np.inf,
) -> float:
    """Return the half-width, in standard errors, of a band that holds all estimates at once.

    Parameters
    ----------
    vcov : (k, k) array
        Covariance of the estimates. Estimates whose variance is not positive are left out.
    level : float
        Coverage of the band.
    draws : int
        At least 99. The Monte Carlo error at 95% is about 0.006 with 100,000.
    seed : int
    df : float
        Degrees of freedom of t; infinite for the normal.

    Returns
    -------
    float
        NaN if no estimate has a variance, or if the covariance is none.

    Examples
    --------
    >>> import numpy as np
    >>> round(sup_t_critical_value(np.eye(4)), 1)  # independent: 2.49, by Sidak
    2.5
    """
    _check_level(level)
    check_draws("rademacher", draws)
    variance = np.diag(vcov)
    known = variance > 0
    size = np.sqrt(variance[known])
    correlation = vcov[np.ix_(known, known)] / np.outer(size, size)
    if not known.any() or not np.isfinite(correlation).all() or not df > 0:
        return float("nan")
    values, vectors = linalg.eigh(correlation)
    if values[0] < -1e-8 * values[-1]:
        return float("nan")
    root = vectors * np.sqrt(np.clip(values, 0, None))
    largest = []
    for rng, n in chunks(draws, seed):
        t = np.abs(rng.standard_normal((n, size.size)) @ root.T).max(axis=1)
        largest.append(t / np.sqrt(rng.chisquare(df, n) / df) if np.isfinite(df) else t)
    return upper_quantile(np.concatenate(largest), level)


def uniform_bands(
    result: Result,
    terms: Sequence[str] | None = None,
    level: float | None = None,
    draws: int = 100_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return estimates with a band that holds all of them at once.

    Parameters
    ----------
    result : Result
    terms : sequence of str, optional
        Terms of the band; by default all.
    level : float, optional
        Coverage; by default that of the result.
    draws : int
        At least 99.
    seed : int

    Returns
    -------
    DataFrame
        ``term, estimate, std_error, critical_value, band_low, band_high`` and the keys. With
        degrees of freedom by term the smallest is used for all, which is on the safe side.

    Raises
    ------
    SpecError
        For an unknown term, or a result whose intervals are on another scale.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> uniform_bands(study)["critical_value"].round(1).unique().tolist()
    [2.5]
    """
    at = _positions(result, terms)
    level = result.level if level is None else level
    matrix = result.vcov[np.ix_(at, at)]
    known = np.diag(matrix) > 0
    df = np.broadcast_to(result.choice.df, result.coef.shape)[at]
    smallest = float(df[known].min()) if known.any() else np.inf
    critical = sup_t_critical_value(matrix, level, draws, seed, smallest)
    std_error = np.sqrt(np.where(known, np.diag(matrix), np.nan))
    return _band_table(result, at, std_error, critical)


@dataclass(frozen=True, eq=False)
class MultiplierBootstrap:
    """What draws of influence sums tell of estimates.

    Parameters
    ----------
    frame : DataFrame
        ``term, estimate, std_error, critical_value, band_low, band_high`` and the keys.
    critical_value : float
        Quantile of the largest statistic: half-width of the band in standard errors.
    level : float
    n_clusters : int
    n_draws : int
        2^G where all sign vectors are used.
    """

    frame: pd.DataFrame
    critical_value: float
    level: float
    n_clusters: int
    n_draws: int


def multiplier_bootstrap(
    result: Result,
    cluster: str | None = None,
    *,
    terms: Sequence[str] | None = None,
    weights: Signs = "rademacher",
    spread: Literal["sd", "iqr"] = "sd",
    draws: int = 9_999,
    seed: int = 0,
    level: float | None = None,
) -> MultiplierBootstrap:
    """Multiply each cluster's influence by a random sign, again and again.

    Parameters
    ----------
    result : Result
    cluster : str, optional
        Column of the clusters; by default that of the result.
    terms : sequence of str, optional
        Terms of the band; by default all.
    weights : {"rademacher", "webb"}
        Two signs, or six values for fewer than about ten clusters (Webb 2023).
    spread : {"sd", "iqr"}
        Standard errors from the draws' standard deviation, or from their interquartile range over
        that of the normal, as Callaway and Sant'Anna (2021) do.
    draws : int
        At least 99. All 2^G Rademacher vectors are used where they are not more.
    seed : int
        Draws depend on it alone.
    level : float, optional
        Coverage of the band; by default that of the result.

    Returns
    -------
    MultiplierBootstrap

    Raises
    ------
    SpecError
        For an unknown term or cluster, a loaded result, or one on another scale.

    Notes
    -----
    No model is fitted anew and no small-sample factor is used: with few clusters errors are too
    small, as those of ``Cluster(by, "none")`` are; `wild_bootstrap` is for that.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> boot = multiplier_bootstrap(study, draws=999)
    >>> boot.n_draws, len(boot.frame)
    (999, 3)
    """
    at = _positions(result, terms)
    level = result.level if level is None else level
    _check_level(level)
    if spread not in ("sd", "iqr"):
        raise SpecError("spread", f"'{spread}' is no spread", how="'sd' or 'iqr'")
    sums = influence_sums(result, chosen_cluster(result, cluster))[:, at]
    moved = np.concatenate([v @ sums for v in sign_chunks(weights, len(sums), draws, seed)])
    std_error = np.sqrt((moved**2).mean(axis=0)) if spread == "sd" else _normal_iqr(moved)
    std_error = np.where(std_error > 0, std_error, np.nan)
    known = np.isfinite(std_error)
    critical = float("nan")
    if known.any():
        critical = upper_quantile(np.abs(moved[:, known] / std_error[known]).max(axis=1), level)
    frame = _band_table(result, at, std_error, critical)
    return MultiplierBootstrap(frame, critical, level, len(sums), len(moved))


def chosen_cluster(result: Result, cluster: str | None) -> str:
    """Return the cluster variable that is named, else the one of the result."""
    own = list(result.choice.n_clusters)
    if cluster is None and len(own) != 1:
        raise SpecError(
            "cluster", f"the result is clustered by {own or 'nothing'}", how="name `cluster`"
        )
    return own[0] if cluster is None else cluster


def influence_sums(result: Result, cluster: str) -> FloatArray:
    """Return the (G, k) sums of influence by cluster."""
    if result.fit is None:
        raise SpecError("bootstrap", "a loaded result has no rows", how="fit it again")
    codes = cluster_codes(result.fit, cluster)
    return result.fit.influence.sums(codes, int(codes.max()) + 1)


def _normal_iqr(draws: FloatArray) -> FloatArray:
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    return np.asarray((high - low) / (special.ndtri(0.75) - special.ndtri(0.25)))


def _positions(result: Result, terms: Sequence[str] | None) -> list[int]:
    if result.interval != "identity":
        raise SpecError(
            "band",
            f"a {result.description.kind} has intervals on another scale",
            how="take a result whose intervals are symmetric, such as an event study",
        )
    chosen = list(result.names) if terms is None else list(terms)
    unknown = sorted(set(chosen) - set(result.names))
    if unknown or not chosen:
        raise SpecError("band", "no such terms", where=unknown, how="name terms of the result")
    return [result.names.index(t) for t in chosen]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise SpecError("level", f"{level} is no coverage", how="give a share such as 0.95")


def _band_table(
    result: Result, at: list[int], std_error: FloatArray, critical: float
) -> pd.DataFrame:
    coef = result.coef[at]
    keys = result.keys.reset_index(drop=True).reindex(at).reset_index(drop=True)
    table = pd.DataFrame(
        {
            "term": [result.names[j] for j in at],
            "estimate": coef,
            "std_error": std_error,
            "critical_value": critical,
            "band_low": coef - critical * std_error,
            "band_high": coef + critical * std_error,
        }
    )
    return pd.concat([table, keys], axis=1)
