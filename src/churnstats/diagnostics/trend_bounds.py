"""Sets of trends that are not too far from parallel, and which effects they leave open.

The notation is that of Rambachan and Roth (2023): a trend is what event times differ by without an
effect, zero at event time -1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray
from churnstats.diagnostics.fixed_length import fixed_length

N_DRAWS, N_GRID, REACH = 10_000, 1001, 12.0
FIRST_STAGE = 0.1


@dataclass(frozen=True)
class RelativeMagnitudes:
    """The trend moves from year to year at most so many times as much as it ever did before.

    Parameters
    ----------
    bounds : tuple of float
        Multiples of the largest move from one year to the next before the change.
    method : {"hybrid", "conditional"}
        The conditional test, or the one whose first stage is the least favourable.

    Examples
    --------
    >>> RelativeMagnitudes(bounds=(1.0,)).method
    'hybrid'
    """

    bounds: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    method: Literal["hybrid", "conditional"] = "hybrid"

    def __post_init__(self) -> None:
        _check(self.bounds, self.method, ("hybrid", "conditional"))


@dataclass(frozen=True)
class Smoothness:
    """The slope of the trend changes from year to year by at most so much.

    Parameters
    ----------
    bounds : tuple of float
        In units of the outcome; 0 is a linear trend.
    method : {"flci", "hybrid", "conditional"}
        Fixed-length intervals, or inversion of a test.

    Notes
    -----
    Tests and the identified set continue the slope of the last lead; only fixed-length intervals
    weigh all leads, and are much shorter if the bound is small against the standard errors.

    Examples
    --------
    >>> Smoothness(bounds=(0.0, 0.01)).method
    'flci'
    """

    bounds: tuple[float, ...]
    method: Literal["flci", "hybrid", "conditional"] = "flci"

    def __post_init__(self) -> None:
        _check(self.bounds, self.method, ("flci", "hybrid", "conditional"))


def _check(bounds: tuple[float, ...], method: str, methods: tuple[str, ...]) -> None:
    wrong = [f"bounds: {b} is not a number from 0 on" for b in bounds if not 0 <= b < np.inf]
    if not bounds:
        wrong.append("bounds: none is given")
    if method not in methods:
        wrong.append(f"method: '{method}' is not one of {', '.join(methods)}")
    if wrong:
        raise SpecError("sensitivity", "choices that can't be", where=wrong)


@dataclass(frozen=True, eq=False)
class Trends:
    """What is estimated, and how differences of the trend are taken.

    Parameters
    ----------
    coef : (n,) array
        Leads in order, then effects from event time 0 on.
    vcov : (n, n) array
    n_pre : int
    weights : (n_post,) array
        The effect is ``weights @ coef[n_pre:]``.
    """

    coef: FloatArray
    vcov: FloatArray
    n_pre: int
    weights: FloatArray

    def differences(self, order: int) -> FloatArray:
        """Return the matrix that takes first or second differences, zero at event time -1."""
        full = np.diff(np.eye(self.coef.size + 1), n=order, axis=0)
        return np.delete(full, self.n_pre, axis=1)


@dataclass(frozen=True, eq=False)
class Piece:
    r"""Trends with :math:`|D\delta| \le H\delta + d`, each row of D touching a later year.

    Parameters
    ----------
    moves, limit : (K, n) arrays
        D and H.
    constant : (K,) array
    """

    moves: FloatArray
    limit: FloatArray
    constant: FloatArray


def pieces_of(
    trends: Trends, restriction: RelativeMagnitudes | Smoothness, bound: float
) -> list[Piece]:
    """Return the convex pieces whose union the restriction is."""
    n_post = trends.weights.size
    if isinstance(restriction, Smoothness):
        rows = trends.differences(2)[-n_post:]
        return [Piece(rows, np.zeros_like(rows), np.full(n_post, bound))]
    steps = trends.differences(1)
    before, after = steps[: trends.n_pre], steps[trends.n_pre :]
    return [
        Piece(after, np.tile(bound * sign * move, (n_post, 1)), np.zeros(n_post))
        for move in before
        for sign in (1.0, -1.0)
    ]


@dataclass(frozen=True, eq=False)
class Moments:
    """Means that are at most zero if the effect is theta: ``start + slope * theta``.

    Parameters
    ----------
    start, slope : (V,) arrays
    vcov : (V, V) array
    centre, reach : float
        Where theta is looked for.
    """

    start: FloatArray
    slope: FloatArray
    vcov: FloatArray
    centre: float
    reach: float


def moments_of(trends: Trends, piece: Piece) -> Moments:
    r"""Return the inequalities that are left when all other effects are free.

    Notes
    -----
    Andrews, Roth and Pakes (2023) maximise :math:`\gamma'Y` over weights :math:`\gamma \ge 0` of
    the inequalities under which the other effects cancel, with :math:`\gamma'\sigma = 1`. Here as
    many rows as later years touch these, and D has an inverse there: the corners are the two
    weights that leave plus or minus theta, and each pair of opposite inequalities.
    """
    d, h = piece.moves, piece.limit
    u = np.linalg.solve(d[:, trends.n_pre :].T, trends.weights)
    sigma_up, sigma_down = (
        np.sqrt(np.einsum("ij,jk,ik->i", a, trends.vcov, a)) for a in (d - h, -d - h)
    )
    up, down = np.maximum(u, 0), np.maximum(-u, 0)
    rows = np.vstack([u @ d - np.abs(u) @ h, -u @ d - np.abs(u) @ h, -2 * h])
    free = np.concatenate([np.full(2, -np.abs(u) @ piece.constant), -2 * piece.constant])
    norm = np.concatenate(
        [
            [up @ sigma_up + down @ sigma_down, up @ sigma_down + down @ sigma_up],
            sigma_up + sigma_down,
        ]
    )
    rows, free = rows / norm[:, None], free / norm
    slope = np.zeros(free.size)
    slope[:2] = [-1 / norm[0], 1 / norm[1]]
    centre, width = (
        float(u @ d @ trends.coef),
        float(np.abs(u) @ (h @ trends.coef + piece.constant)),
    )
    sd = np.sqrt(np.diag(rows[:2] @ trends.vcov @ rows[:2].T)) * norm[:2]
    reach = max(width, 0.0) + REACH * float(sd.max())
    vcov = np.asarray(rows @ trends.vcov @ rows.T)
    return Moments(rows @ trends.coef + free, slope, vcov, centre, reach)


def least_favourable(vcov: FloatArray, size: float, seed: int) -> float:
    """Return the quantile of the largest of normals with mean zero, by seeded draws."""
    values, vectors = np.linalg.eigh(vcov)
    root = vectors * np.sqrt(np.maximum(values, 0))
    draws = np.random.default_rng(seed).standard_normal((N_DRAWS, values.size)) @ root.T
    return float(np.quantile(draws.max(axis=1), 1 - size))


def accepted(moments: Moments, theta: FloatArray, size: float, first: float | None) -> BoolArray:
    """Return which effects the conditional test does not reject.

    Parameters
    ----------
    moments : Moments
    theta : (g,) array
    size : float
    first : float or None
        Critical value of the first stage, at a tenth of the size; None for no first stage.
    """
    x = moments.start[:, None] + moments.slope[:, None] * theta
    best, at = x.argmax(axis=0), np.arange(theta.size)
    top, variance = x[best, at], np.diag(moments.vcov)[best]
    known = variance > 1e-14 * np.diag(moments.vcov).max()
    ratio = moments.vcov[:, best] / np.where(known, variance, 1.0)
    gap = 1 - ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = (x - top * ratio) / gap
    low = np.where(gap > 1e-10, cut, -np.inf).max(axis=0)
    high = np.where(gap < -1e-10, cut, np.inf).min(axis=0)
    if first is not None:
        high, size = np.minimum(high, first), (1 - FIRST_STAGE) * size / (1 - FIRST_STAGE * size)
    sd = np.sqrt(np.where(known, variance, 1.0))
    chance = _log_between(low / sd, high / sd)
    known &= np.isfinite(chance)  # without room to vary there is nothing to reject by
    p_value = np.exp(_log_between(top / sd, high / sd) - np.where(known, chance, 0.0))
    reject = (top > 0) & known & (p_value <= size)
    if first is not None:
        reject |= (top > 0) & (top >= first)
    return np.asarray(~reject)


def _log_between(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the logarithm of the normal's chance between two values."""
    outer, inner = special.log_ndtr(-np.minimum(low, high)), special.log_ndtr(-high)
    with np.errstate(divide="ignore"):
        return np.asarray(outer + np.log1p(-np.exp(np.minimum(inner - outer, 0.0))))


def first_stage(moments: Moments, method: str, size: float, seed: int) -> float | None:
    """Return the critical value of the hybrid test's first stage; None for other tests."""
    if method != "hybrid":
        return None
    return least_favourable(moments.vcov, FIRST_STAGE * size, seed)


def confidence_set(
    trends: Trends,
    restriction: RelativeMagnitudes | Smoothness,
    bound: float,
    size: float,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the smallest and largest effect that is not rejected; NaN if there is none."""
    if isinstance(restriction, Smoothness) and restriction.method == "flci":
        return fixed_length(
            trends.coef, trends.vcov, trends.differences(2), trends.weights, bound, size
        )
    ends = []
    for piece in pieces_of(trends, restriction, bound):
        moments = moments_of(trends, piece)
        first = first_stage(moments, restriction.method, size, seed)
        grid = moments.centre + moments.reach * np.linspace(-1, 1, N_GRID)
        inside = np.flatnonzero(accepted(moments, grid, size, first))
        if inside.size:

            def keeps(
                theta: float, moments: Moments = moments, first: float | None = first
            ) -> bool:
                return bool(accepted(moments, np.array([theta]), size, first)[0])

            i, j = inside[0], inside[-1]
            ends.append(-np.inf if i == 0 else _edge(keeps, grid[i], grid[i - 1]))
            ends.append(np.inf if j == N_GRID - 1 else _edge(keeps, grid[j], grid[j + 1]))
    return (min(ends), max(ends)) if ends else (np.nan, np.nan)


def _edge(keeps: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where a set ends between a point of it and one beyond it."""
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if keeps(middle) else (inside, middle)
    return float(inside)


def identified_set(
    trends: Trends, restriction: RelativeMagnitudes | Smoothness, bound: float
) -> tuple[float, float]:
    """Return the effects that the estimates allow if they are taken as exact.

    Largest and smallest trend by linear programs, the trend before the change held at the leads.
    """
    n_pre, n_post = trends.n_pre, trends.weights.size
    if isinstance(restriction, Smoothness):
        rows, limit = trends.differences(2)[-n_post:], bound
    else:
        steps = trends.differences(1)
        rows = steps[n_pre:]
        limit = bound * float(np.abs(steps[:n_pre] @ trends.coef).max())
    given, free = rows[:, :n_pre] @ trends.coef[:n_pre], rows[:, n_pre:]
    ends = []
    for sign in (1.0, -1.0):
        found = optimize.linprog(
            sign * trends.weights,
            A_ub=np.vstack([free, -free]),
            b_ub=np.concatenate([limit - given, limit + given]),
            bounds=(None, None),
            method="highs",
        )
        ends.append(float(trends.weights @ trends.coef[n_pre:] - sign * found.fun))
    return min(ends), max(ends)
