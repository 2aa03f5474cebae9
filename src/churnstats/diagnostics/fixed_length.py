"""The shortest interval of fixed length under a bound on changes of a trend's slope."""

from __future__ import annotations

import numpy as np
from scipy import linalg, optimize, special

from churnstats.core.errors import ConvergenceError
from churnstats.core.types import FloatArray


def folded_quantile(bias: float, size: float) -> float:
    """Return the 1 - size quantile of ``|N(bias, 1)|``.

    Examples
    --------
    >>> round(folded_quantile(0.0, 0.05), 4)
    1.96
    """
    bias = abs(bias)

    def missing(c: float) -> float:
        return float(special.ndtr(bias - c) + special.ndtr(-c - bias) - size)

    top = bias + float(special.ndtri(1 - size / 2))
    return float(optimize.brentq(missing, 0.0, top + 1e-6, xtol=1e-14))


def half_length(bias: float, sd: float, size: float) -> tuple[float, float, float]:
    """Return half the length of the interval, and its derivatives by bias and sd."""
    t = bias / sd
    c = folded_quantile(t, size)
    near, far = np.exp(-((c - t) ** 2) / 2), np.exp(-((c + t) ** 2) / 2)
    steep = float((near - far) / (near + far))
    return sd * c, steep, c - t * steep


def fixed_length(
    coef: FloatArray,
    vcov: FloatArray,
    second: FloatArray,
    weights: FloatArray,
    bound: float,
    size: float,
) -> tuple[float, float]:
    r"""Return the shortest fixed-length interval around an estimate that is linear in coef.

    Parameters
    ----------
    coef : (n,) array
        Leads, then effects.
    vcov : (n, n) array
    second : (n - 1, n) array
        Takes second differences.
    weights : (n_post,) array
    bound : float
        Of each second difference of the trend.
    size : float

    Notes
    -----
    An estimate :math:`v'\hat\beta` with the given weights on effects has a bounded bias only if it
    is zero on linear trends: :math:`v = S'q` with S the second differences. Its largest bias is
    :math:`M \lVert q \rVert_1`. Half the length, :math:`\sigma_v cv(M \lVert q \rVert_1 /
    \sigma_v)`, is convex in q and minimised over the q that leave the weights as they are.
    """
    n_post = weights.size
    after = second[:, -n_post:]
    start = np.asarray(np.linalg.lstsq(after.T, weights, rcond=None)[0], dtype=np.float64)
    free = linalg.null_space(after.T)
    spread = second @ vcov @ second.T
    if free.shape[1]:
        inner = free.T @ spread @ free
        start = np.asarray(start - free @ np.linalg.solve(inner, free.T @ spread @ start))
    q = start
    if bound > 0 and free.shape[1]:
        q = _shortest(start, free, spread, bound, size)
    sd = float(np.sqrt(q @ spread @ q))
    half = half_length(bound * float(np.abs(q).sum()), sd, size)[0]
    centre = float(q @ second @ coef)
    return centre - half, centre + half


def _shortest(
    start: FloatArray, free: FloatArray, spread: FloatArray, bound: float, size: float
) -> FloatArray:
    """Minimise half the length over ``q = start + free @ z``, with slack t at least ``|q|``."""
    n, m = free.shape
    unit = float(np.sqrt(start @ spread @ start))
    spread, bound = spread / unit**2, bound / unit

    def objective(v: FloatArray) -> tuple[float, FloatArray]:
        q = start + free @ v[:m]
        sd = float(np.sqrt(q @ spread @ q))
        value, by_bias, by_sd = half_length(bound * float(v[m:].sum()), sd, size)
        gradient = np.concatenate(
            [by_sd * (free.T @ (spread @ q)) / sd, np.full(n, by_bias * bound)]
        )
        return value, gradient

    jacobian = np.block([[-free, np.eye(n)], [free, np.eye(n)]])
    shift = np.concatenate([-start, start])
    slack = {"type": "ineq", "fun": lambda v: jacobian @ v + shift, "jac": lambda v: jacobian}
    least = optimize.linprog(
        np.concatenate([np.zeros(m), np.ones(n)]),
        A_ub=-jacobian,
        b_ub=shift,
        bounds=(None, None),
        method="highs",
    ).x
    best = None
    for first in (np.concatenate([np.zeros(m), np.abs(start)]), least):
        found = optimize.minimize(
            objective,
            first,
            jac=True,
            method="SLSQP",
            constraints=[slack],
            options={"maxiter": 1000, "ftol": 1e-13},
        )
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun):
            best = found
    if best is None:
        raise ConvergenceError("fixed_length", "no shortest interval was found")
    return np.asarray(start + free @ best.x[:m])
