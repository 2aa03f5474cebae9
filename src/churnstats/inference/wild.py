r"""The wild cluster bootstrap of one coefficient or contrast of least squares.

Cameron, Gelbach and Miller (2008): residuals of the fit in which the hypothesis
:math:`l'\beta = r` holds are multiplied by one random :math:`v_g` a cluster, the model is fitted
anew, and its t compared with that of the data. In the model whose rows are multiplied by the roots
of their weights, with z the swept column of the contrast, :math:`z = \tilde X(\tilde X'\tilde X)
^{-1}l`, and :math:`\delta = r - l'\hat\beta`, the restricted residuals are
:math:`\hat e - \delta z/z'z`, linear in r. All that a draw needs are sums by cluster (Roodman,
MacKinnon, Nielsen and Webb 2019):

.. math:: l'\beta^* - r = \sum_g v_g s_g, \qquad
          \hat\sigma^{*2} = \sum_g \big(v_g s_g - c_g'\textstyle\sum_h v_h d_h\big)^2,

with :math:`s_g = z_g'u_g`, :math:`c_g = Q_g'z_g`, :math:`d_g = Q_g'u_g` for residuals u, and Q the
basis of `few_clusters`. The numerator is linear in :math:`\delta` and the variance quadratic, so
after one pass over the draws every hypothesis costs a few operations a draw; intervals are
found by inverting the test with the same draws. Small-sample factors cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray
from churnstats.inference.bands import chosen_cluster
from churnstats.inference.draws import (
    Signs,
    check_draws,
    is_enumerated,
    share_at_least,
    sign_chunks,
)
from churnstats.inference.few_clusters import LeastSquares
from churnstats.inference.fit import Fit
from churnstats.inference.result import Result
from churnstats.inference.vcov import cluster_codes

WIDEST = 2.0**40
STEPS = 80


@dataclass(frozen=True, eq=False)
class WildBootstrap:
    """A test by the wild cluster bootstrap.

    Parameters
    ----------
    frame : DataFrame
        One row: ``term, estimate, null, statistic, p_value, conf_low, conf_high``. The statistic
        has clustered errors without small-sample factor. A bound is infinite where no hypothesis
        on its side is rejected.
    level : float
        Coverage of the interval.
    weights : str
    is_restricted : bool
        Whether the hypothesis was imposed on the residuals.
    is_enumerated : bool
        Whether the draws are all that there are.
    n_draws, n_clusters : int
    """

    frame: pd.DataFrame
    level: float
    weights: str
    is_restricted: bool
    is_enumerated: bool
    n_draws: int
    n_clusters: int


def wild_bootstrap(
    result: Result,
    term: str,
    *,
    cluster: str | None = None,
    null: float = 0.0,
    weights: Signs = "rademacher",
    restricted: bool = True,
    draws: int = 9_999,
    seed: int = 0,
    level: float | None = None,
) -> WildBootstrap:
    """Test a term, and find its interval, by the wild cluster bootstrap.

    Parameters
    ----------
    result : Result
        Of least squares, or linear combinations of one (`Result.lincom`).
    term : str
    cluster : str, optional
        Column of the clusters; by default that of the result.
    null : float
        Hypothesis on the term.
    weights : {"rademacher", "webb"}
        Two signs, or six values for fewer than about ten clusters (Webb 2023).
    restricted : bool
        Impose the hypothesis on the residuals, which keeps the size better.
    draws : int
        At least 99. All 2^G Rademacher vectors are used where they are not more.
    seed : int
        Draws depend on it alone.
    level : float, optional
        Coverage of the interval; by default that of the result.

    Returns
    -------
    WildBootstrap

    Raises
    ------
    SpecError
        For an unknown term or cluster, a loaded result, or one that is not of least squares.

    Notes
    -----
    The p-value is that of the symmetric test, the share of draws whose abs(t) is at least that of
    the data; of random draws the data count as one. The interval holds the hypotheses around the
    estimate that are not rejected, up to the first on either side that is.

    Examples
    --------
    >>> import numpy as np, pandas as pd, churnstats as cs
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)})
    >>> data["y"] = data["x"] + rng.normal(size=48)
    >>> fit = cs.linear_model(data, "y ~ x", vcov=cs.Cluster("g"))
    >>> boot = wild_bootstrap(fit, "x")
    >>> boot.n_draws, bool(boot.frame["p_value"].item() < 0.05)
    (256, True)
    """
    check_draws(weights, draws)
    level = result.level if level is None else level
    if not 0 < level < 1:
        raise SpecError("level", f"{level} is no coverage", how="give a share such as 0.95")
    if result.fit is None:
        raise SpecError("bootstrap", "a loaded result has no rows", how="fit it again")
    if term not in result.names:
        raise SpecError("bootstrap", f"no term '{term}'", how=f"one of {', '.join(result.names)}")
    place = result.names.index(term)
    sums = _cluster_sums(result.fit, chosen_cluster(result, cluster), place)
    test = _Test.of(sums, weights, draws, seed, restricted)
    estimate = float(result.coef[place])
    bounds = [estimate + test.bound(side, 1 - level) for side in (-1.0, 1.0)]
    row = {
        "term": term,
        "estimate": estimate,
        "null": float(null),
        "statistic": (estimate - null) / test.std_error,
        "p_value": test.p_value(null - estimate),
        "conf_low": bounds[0],
        "conf_high": bounds[1],
    }
    return WildBootstrap(
        frame=pd.DataFrame([row]),
        level=level,
        weights=weights,
        is_restricted=restricted,
        is_enumerated=test.enumerated,
        n_draws=test.numerator.shape[0],
        n_clusters=sums.score.size,
    )


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums by cluster: of scores and basis products of residuals, and of the contrast's column."""

    score: FloatArray
    slope: FloatArray
    basis: FloatArray
    residual_basis: FloatArray
    size: float


def _cluster_sums(fit: Fit, cluster: str, place: int) -> _Sums:
    """Return s_g at the estimate, z_g'z_g / z'z, c_g, d_g at the estimate, and z'z."""
    model = LeastSquares.of(fit, "the wild bootstrap")
    direction = model.bread @ model.combine[place]
    size = float(model.combine[place] @ direction)
    score, slope, basis, residual_basis = [], [], [], []
    for block in model.blocks(cluster_codes(fit, cluster)):
        z = block.x @ direction
        score.append(z @ block.residuals)
        slope.append(z @ z / size)
        basis.append(z @ block.basis)
        residual_basis.append(block.residuals @ block.basis)
    return _Sums(np.array(score), np.array(slope), np.array(basis), np.array(residual_basis), size)


@dataclass(frozen=True, eq=False)
class _Test:
    """Draws of the statistic at any hypothesis: polynomials in delta, one row a draw.

    The numerator is n0 - delta n1, the variance d0 - 2 delta d1 + delta^2 d2.
    """

    numerator: FloatArray
    variance: FloatArray
    std_error: float
    restricted: bool
    enumerated: bool

    @classmethod
    def of(cls, sums: _Sums, weights: Signs, draws: int, seed: int, restricted: bool) -> _Test:
        n_groups = sums.score.size
        parts = [_polynomials(sums, v) for v in sign_chunks(weights, n_groups, draws, seed)]
        numerator = np.concatenate([p[0] for p in parts])
        variance = np.concatenate([p[1] for p in parts])
        std_error = float(np.sqrt(sums.score @ sums.score))
        if not std_error > 0:
            raise SpecError("bootstrap", "the term has no error: the model fits perfectly")
        enumerated = is_enumerated(weights, n_groups, draws)
        return cls(numerator, variance, std_error, restricted, enumerated)

    def p_value(self, delta: float) -> float:
        """Return the p-value of the hypothesis that lies delta above the estimate."""
        at = delta if self.restricted else 0.0
        numerator = self.numerator @ [1.0, -at]
        variance = self.variance @ [1.0, -2 * at, at**2]
        draws = np.full(numerator.shape, np.inf)
        known = variance > 1e-12 * self.variance[:, 0].mean()
        draws[known] = np.abs(numerator[known]) / np.sqrt(variance[known])
        return share_at_least(draws, abs(delta) / self.std_error, self.enumerated)

    def bound(self, side: float, alpha: float) -> float:
        """Return the distance from the estimate to the first hypothesis that is rejected."""
        inside, outside = 0.0, 0.25 * self.std_error
        while self.p_value(side * outside) > alpha:
            inside, outside = outside, 1.25 * outside
            if outside > WIDEST * self.std_error:
                return side * np.inf
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            if self.p_value(side * middle) > alpha:
                inside = middle
            else:
                outside = middle
        return side * inside


def _polynomials(sums: _Sums, signs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients (b, 2) and (b, 3) of numerators and variances."""
    numerator = np.column_stack([signs @ sums.score, signs @ sums.slope])
    spread = sums.basis.T
    first = signs * sums.score - signs @ sums.residual_basis @ spread
    second = signs * sums.slope - signs @ (sums.basis / sums.size) @ spread
    products = ((first, first), (first, second), (second, second))
    variance = np.column_stack([np.einsum("bg,bg->b", a, b) for a, b in products])
    return numerator, variance
