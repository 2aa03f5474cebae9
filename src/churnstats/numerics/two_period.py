r"""Effects of a treatment between two periods: regression, weighting, doubly robust.

With D the treated, X covariates with a constant, w weights, p the propensity by logit among
treated and controls, and c = w (1 - D) p / (1 - p), of panels (Sant'Anna and Zhao 2020):

.. math:: \tau^{dr} = \frac{\sum w D (\Delta y - X\beta)}{\sum w D}
          - \frac{\sum c (\Delta y - X\beta)}{\sum c},

where beta is the regression of the change among controls. Regression leaves the second term out,
weighting sets beta to zero. Of repeated cross sections the same is done by period, doubly robust
with the locally efficient estimator. Each function returns the effect and the influence of each
row, which is its derivative by the logarithm of the row's weight.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.special import expit

from churnstats.core.errors import IdentificationError
from churnstats.core.types import BoolArray, FloatArray
from churnstats.numerics.solve import collinear_columns, symmetric_inverse

TRIM = 0.995
MOST_STEPS = 50
METHODS = ("dr", "ipw", "reg")
NO_OVERLAP = "covariates tell treated from controls"


def panel_effect(
    method: str, change: FloatArray, x: FloatArray, treated: BoolArray, w: FloatArray
) -> tuple[float, FloatArray]:
    """Return the effect on the treated from changes of the outcome, and its influence by row.

    Parameters
    ----------
    method : {"dr", "ipw", "reg"}
    change : (n,) array
        Outcome after less outcome before.
    x : (n, p) array
        Covariates with a constant.
    treated : (n,) bool array
    w : (n,) array

    Raises
    ------
    IdentificationError
        Fewer controls than covariates, or no overlap.
    """
    of_treated, of_controls = w * treated, w * ~treated
    value, slope = change, None
    if method != "ipw":
        beta, rows = regression(change, x, of_controls)
        value, slope = change - x @ beta, -rows
    effect, influence = mean_of(of_treated, value, x, slope)
    if method != "reg":
        odds, score = propensity_odds(treated, x, w)
        mean, psi = mean_of(of_controls * odds, value, x, slope, score)
        effect, influence = effect - mean, influence - psi
    return effect, influence


def sections_effect(
    method: str,
    y: FloatArray,
    x: FloatArray,
    treated: BoolArray,
    post: BoolArray,
    w: FloatArray,
) -> tuple[float, FloatArray]:
    """Return the effect on the treated from rows of both periods, and its influence by row.

    Parameters
    ----------
    method : {"dr", "ipw", "reg"}
    y : (n,) array
    x : (n, p) array
        Covariates with a constant.
    treated, post : (n,) bool arrays
    w : (n,) array

    Raises
    ------
    IdentificationError
        Fewer treated or controls than covariates, or no overlap.
    """
    effect, influence = 0.0, np.zeros(y.size)
    score = odds = None
    if method != "reg":
        odds, score = propensity_odds(treated, x, w)
    for sign, period in ((1.0, post), (-1.0, ~post)):
        mean, psi = _one_period(method, y, x, treated, period, w, odds, score)
        effect, influence = effect + sign * mean, influence + sign * psi
    return effect, influence


def _one_period(
    method: str,
    y: FloatArray,
    x: FloatArray,
    treated: BoolArray,
    period: BoolArray,
    w: FloatArray,
    odds: FloatArray | None,
    score: FloatArray | None,
) -> tuple[float, FloatArray]:
    """Return how far the treated of a period are above their controls, and its influence."""
    now, controls_now = w * treated * period, w * ~treated * period
    if method == "ipw":
        assert odds is not None
        parts = [(1.0, mean_of(now, y, x)), (-1.0, mean_of(controls_now * odds, y, x, None, score))]
        return _total(parts)
    beta, rows = regression(y, x, controls_now)
    if method == "reg":
        return _total([(1.0, mean_of(now, y, x)), (-1.0, mean_of(w * treated, x @ beta, x, rows))])
    assert odds is not None
    left = y - x @ beta
    own, own_rows = regression(y, x, now)
    apart, apart_rows = x @ (own - beta), own_rows - rows
    return _total(
        [
            (1.0, mean_of(now, left, x, -rows)),
            (-1.0, mean_of(controls_now * odds, left, x, -rows, score)),
            (1.0, mean_of(w * treated, apart, x, apart_rows)),
            (-1.0, mean_of(now, apart, x, apart_rows)),
        ]
    )


def _total(parts: list[tuple[float, tuple[float, FloatArray]]]) -> tuple[float, FloatArray]:
    """Add up means and their influences with signs."""
    mean = sum(sign * part[0] for sign, part in parts)
    return mean, np.sum([sign * part[1] for sign, part in parts], axis=0)


def mean_of(
    u: FloatArray,
    value: FloatArray,
    x: FloatArray,
    slope: FloatArray | None = None,
    score: FloatArray | None = None,
) -> tuple[float, FloatArray]:
    """Return the mean of values under weights, and its influence by row.

    Parameters
    ----------
    u : (n,) array
        Weights.
    value : (n,) array
    x : (n, p) array
    slope : (n, p) array, optional
        Influences of b where the values hold + x b.
    score : (n, p) array, optional
        Influences of the coefficients of the propensity where weights are times its odds.
    """
    total = u.sum()
    mean = float(u @ value / total)
    apart = u * (value - mean) / total
    influence = apart
    if slope is not None:
        influence = influence + slope @ (u @ x / total)
    if score is not None:
        influence = influence + score @ (apart @ x)
    return mean, influence


def regression(y: FloatArray, x: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return coefficients of weighted least squares and the influence of each row on them."""
    weighted = x * w[:, None]
    gram = weighted.T @ x
    _require_rank(gram, x, w)
    inverse = symmetric_inverse(gram)
    beta = inverse @ (weighted.T @ y)
    return beta, (weighted * (y - x @ beta)[:, None]) @ inverse


def propensity_odds(
    treated: BoolArray, x: FloatArray, w: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return odds p / (1 - p) of treatment by logit, and influences on the coefficients.

    Odds of rows with p of ``TRIM`` or more are zero. Newton's method, to the last digit.
    """
    gamma, at = np.zeros(x.shape[1]), np.full(x.shape[0], 0.5)
    _require_rank((x * w[:, None]).T @ x, x, w)
    for _ in range(MOST_STEPS):
        inverse = _information(x, w, at)
        step = inverse @ (x.T @ (w * (treated - at)))
        gamma = gamma + step
        at = expit(x @ gamma)
        if np.abs(x @ step).max() < 1e-11:
            break
    else:
        raise IdentificationError("overlap", NO_OVERLAP)
    inverse = _information(x, w, at)
    odds = np.where(at < TRIM, np.exp(np.minimum(x @ gamma, 10.0)), 0.0)
    if not (odds * w * ~treated).any():
        raise IdentificationError("overlap", NO_OVERLAP)
    return odds, (x * (w * (treated - at))[:, None]) @ inverse


def _require_rank(gram: FloatArray, x: FloatArray, w: FloatArray) -> None:
    """Raise if covariates span each other among the rows with weight."""
    if collinear_columns(gram, np.einsum("ij,ij,i->j", x, x, w)).size:
        raise IdentificationError("collinear", "covariates are collinear")


def _information(x: FloatArray, w: FloatArray, at: FloatArray) -> FloatArray:
    """Return the inverse of the logit's information."""
    try:
        return symmetric_inverse((x * (w * at * (1 - at))[:, None]).T @ x)
    except (linalg.LinAlgError, ValueError) as error:
        raise IdentificationError("overlap", NO_OVERLAP) from error
