"""The path of an event study as arrays, and the normal inside a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray
from churnstats.designs.design import as_floats
from churnstats.inference.result import Result

N_POINTS = 2**14


@dataclass(frozen=True, eq=False)
class EventPath:
    """The path of an event study as arrays, base year -1.

    Parameters
    ----------
    times : (k,) array
        Event times in order, without -1.
    coef : (k,) array
    vcov : (k, k) array
    df : (k,) array
        Degrees of freedom of each estimate, infinite for the normal.
    outcome : str
    level : float
    """

    times: FloatArray
    coef: FloatArray
    vcov: FloatArray
    df: FloatArray
    outcome: str
    level: float

    @property
    def leads(self) -> BoolArray:
        """Which event times lie before the base year."""
        return np.asarray(self.times < -1)

    @property
    def std_error(self) -> FloatArray:
        """Standard errors, (k,)."""
        return np.asarray(np.sqrt(np.diag(self.vcov)))


def event_path(result: Result, asked_by: str) -> EventPath:
    """Return the path of an event study, or say why there is none to work on.

    Parameters
    ----------
    result : Result
        Of `event_study`.
    asked_by : str
        Code of the errors.

    Raises
    ------
    SpecError
        No event study, several paths, or another base than event time -1.
    IdentificationError
        No lead, or a covariance that is not positive definite.
    """
    if result.description.kind != "event_study":
        raise SpecError(asked_by, "this result is no event study", how="give one of `event_study`")
    base = result.frames["base"]["event_time"].tolist()
    within = "in_base" in result.keys and bool(result.keys["in_base"].fillna(False).any())
    if base != [-1] or within:
        raise SpecError(
            asked_by,
            f"needs event time -1 alone as base, this result has {base or 'no such year'}",
            how="estimate it with base year -1",
        )
    times = as_floats(result.keys["event_time"])
    at = np.flatnonzero(np.isfinite(times))
    if np.unique(times[at]).size < at.size:
        raise SpecError(
            asked_by,
            "this result has several paths, whose event times repeat",
            how="estimate one path by itself",
        )
    at = at[np.argsort(times[at])]
    vcov = np.asarray(result.vcov)[np.ix_(at, at)]
    df = np.broadcast_to(np.asarray(result.choice.df, dtype=float), times.shape)[at]
    path = EventPath(times[at], result.coef[at], vcov, df, result.description.outcome, result.level)
    if not path.leads.any():
        raise IdentificationError(
            asked_by, "there is no lead before the base year", how="estimate a longer window"
        )
    size = np.sqrt(np.maximum(np.diag(vcov), np.finfo(float).tiny))
    spectrum = np.linalg.eigvalsh(vcov / np.outer(size, size)) if np.isfinite(vcov).all() else [0.0]
    if not spectrum[0] > 1e-10:
        raise IdentificationError(
            asked_by,
            "the covariance of the path is not positive definite",
            how="cluster by something that has more clusters than the path has event times",
        )
    return path


def box_moments(
    mean: FloatArray, vcov: FloatArray, bound: FloatArray, seed: int = 0
) -> tuple[float, FloatArray, FloatArray]:
    r"""Return the chance of a box under the normal, and mean and covariance given the box.

    Parameters
    ----------
    mean : (q,) array
    vcov : (q, q) array
    bound : (q,) array
        The box is ``-bound`` to ``bound``.
    seed : int
        Of the shift of the points.

    Notes
    -----
    Geweke, Hajivassiliou and Keane: with :math:`\Sigma = LL'`, coordinates are drawn one after
    another inside their limits, each draw weighted by the product of its chances. The points are
    a shifted lattice of square roots of primes (Genz 1992).

    Examples
    --------
    >>> chance, _, _ = box_moments(np.zeros(1), np.eye(1), np.array([1.96]))
    >>> round(chance, 4)
    0.95
    """
    q = mean.size
    root = np.linalg.cholesky(vcov)
    uniform = _even_points(q, seed)
    draws, weight = np.zeros_like(uniform), np.ones(len(uniform))
    for j in range(q):
        centre = mean[j] + draws[:, :j] @ root[j, :j]
        # mirrored so that the box lies on the side of the tail that keeps its digits
        low = special.ndtr((-bound[j] - np.abs(centre)) / root[j, j])
        high = special.ndtr((bound[j] - np.abs(centre)) / root[j, j])
        side = np.where(centre > 0, 1.0, -1.0)
        draws[:, j] = side * special.ndtri(low + uniform[:, j] * (high - low))
        weight *= high - low
    chance = float(weight.mean())
    if not chance > 0 or not np.isfinite(draws).all():
        raise IdentificationError("pretest", "a trend this steep never passes the test")
    values = mean + draws @ root.T
    share = weight / weight.sum()
    centre = share @ values
    spread = (values - centre).T @ ((values - centre) * share[:, None])
    return chance, np.asarray(centre), np.asarray(spread)


def _even_points(q: int, seed: int) -> FloatArray:
    """Return N_POINTS points that fill the q-dimensional cube evenly, inside it."""
    primes: list[int] = []
    number = 2
    while len(primes) < q:
        if all(number % p for p in primes):
            primes.append(number)
        number += 1
    shift = np.random.default_rng(seed).random(q)
    steps = np.arange(1, N_POINTS + 1)[:, None] * np.sqrt(primes) + shift
    tent = np.abs(2 * (steps % 1.0) - 1)
    return np.asarray(np.clip(tent, 1e-12, 1 - 1e-12))


def chosen_level(path: EventPath, level: float | None) -> float:
    """Return the level that was asked for, by default that of the result."""
    chosen = path.level if level is None else level
    if not 0 < chosen < 1:
        raise SpecError("level", f"{chosen} is no coverage", how="give a share such as 0.95")
    return chosen


def critical_values(df: FloatArray, size: float) -> FloatArray:
    """Return two-sided critical values; those of the normal where df is infinite."""
    known = np.where(np.isfinite(df), df, 1.0)
    normal = special.ndtri(1 - size / 2)
    return np.asarray(np.where(np.isfinite(df), special.stdtrit(known, 1 - size / 2), normal))
