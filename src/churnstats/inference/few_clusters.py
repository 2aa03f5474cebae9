r"""Clustered covariances that are right with few clusters: CR2, CR3 and their degrees of freedom.

In a model whose rows are multiplied by the roots of their weights, with the projection H on
regressors and all absorbed effects, and :math:`s_g = A_g \tilde X_g (\tilde X'\tilde X)^{-1}`,

.. math:: V = \sum_g s_g' \hat e_g \hat e_g' s_g, \qquad
          A_g = (I - H_{gg})^{-1/2} \text{ (CR2)}, \quad (I - H_{gg})^{-1} \text{ (CR3)} .

The working model is that of `Classical`: independent rows with variances inverse to the weights.
Under it CR2 has no bias, and a contrast has by Satterthwaite the degrees of freedom

.. math:: (\mathrm{tr} P)^2 / \sum_{gh} P_{gh}^2, \qquad
          P_{gh} = s_g' (I - H)_{gh} s_h

(Bell and McCaffrey 2002; Pustejovsky and Tipton 2018). A joint test is Hotelling's with the
degrees of freedom of Pustejovsky and Tipton (2018, "HTZ").

Effects that are nested in clusters move neither :math:`A_g \hat e_g` nor P and are swept only;
the levels of the others are columns. With Q the orthonormal basis of columns and regressors,
:math:`H_{gg} = Q_g Q_g'` and :math:`P = \mathrm{diag}(s_g's_g) - ZZ'`, :math:`Z_g = s_g'Q_g`: no
matrix is larger than a cluster's rows, or the clusters, by the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import linalg

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import FloatArray, IntArray
from churnstats.designs.design import Design
from churnstats.inference.fit import CombinedInfluence, Fit, Influence, ScoreInfluence
from churnstats.numerics.absorb import absorb
from churnstats.numerics.groups import encode, is_nested

FULL_LEVERAGE = 1e-10
MAX_COLUMNS = 3000


@dataclass(frozen=True, eq=False)
class ClusterMoments:
    """What degrees of freedom are made of, for k contrasts, G clusters and q columns.

    Parameters
    ----------
    gram : (G, k, k) array
        s_g's_g.
    cross : (G, k, q) array
        s_g'Q_g.
    """

    gram: FloatArray
    cross: FloatArray

    def combine(self, matrix: FloatArray) -> ClusterMoments:
        """Return the moments of linear combinations of the contrasts."""
        return ClusterMoments(matrix @ self.gram @ matrix.T, matrix @ self.cross)

    def df(self) -> FloatArray:
        """Return the degrees of freedom of each contrast, (k,)."""
        parts = [self.combine(row[None, :]) for row in np.eye(self.gram.shape[1])]
        return np.array([_satterthwaite(p.gram[:, 0, 0], p.cross[:, 0, :]) for p in parts])

    def joint_df(self) -> float:
        """Return eta of the joint test of all contrasts; NaN where they are dependent.

        With contrasts scaled so that their covariance under the working model is the identity,
        eta is such that a Wishart matrix has the same total variance.
        """
        mean = self.gram.sum(axis=0) - np.einsum("gsa,gta->st", self.cross, self.cross)
        size = np.sqrt(np.diag(mean))
        if not (size > 0).all():
            return float("nan")
        values, vectors = linalg.eigh(mean / np.outer(size, size))
        if values[0] <= values[-1] * values.size * np.finfo(float).eps:
            return float("nan")
        scaled = self.combine((vectors / np.sqrt(values)).T / size)
        q = values.size
        return float(q * (q + 1) / _total_variance(scaled.gram, scaled.cross))


def _satterthwaite(gram: FloatArray, cross: FloatArray) -> float:
    """Return (tr P)^2 / sum P^2 for P = diag(gram) - cross cross'."""
    own = (cross**2).sum(axis=1)
    squares = float((gram**2).sum() - 2 * (gram @ own) + (_smaller_gram(cross) ** 2).sum())
    return float((gram - own).sum() ** 2 / squares) if squares > 0 else float("nan")


def _smaller_gram(values: FloatArray) -> FloatArray:
    wide = values.shape[0] < values.shape[1]
    return np.asarray(values @ values.T if wide else values.T @ values)


def _total_variance(gram: FloatArray, cross: FloatArray) -> float:
    """Return sum over s, t of Var(V_st) for normal errors with unit variances.

    It is the sum over g, h of (tr P_gh)^2 + tr(P_gh P_gh), with P_gh = gram_g (for g = h only) less
    cross_g cross_h'.
    """
    n_groups, k, q = cross.shape
    own = cross @ cross.transpose(0, 2, 1)
    trace, own_trace = np.trace(gram, axis1=1, axis2=2), np.trace(own, axis1=1, axis2=2)
    flat = cross.reshape(n_groups, k * q)
    first = float((trace**2).sum() - 2 * (trace @ own_trace) + (_smaller_gram(flat) ** 2).sum())
    second = float(np.einsum("gst,gts->", gram, gram) - 2 * np.einsum("gst,gts->", gram, own))
    for s in range(k):
        for t in range(k):
            second += float((cross[:, s].T @ cross[:, t] * (cross[:, t].T @ cross[:, s])).sum())
    return first + second


@dataclass(frozen=True, eq=False)
class Block:
    """The rows of one cluster: scaled regressors and residuals, and the basis Q_g."""

    x: FloatArray
    residuals: FloatArray
    basis: FloatArray


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A fit known to be least squares of its design.

    Parameters
    ----------
    fit : Fit
    x : (n, p) array
        Regressors after all effects were swept, times the roots of the weights.
    bread : (p, p) array
    combine : (k, p) array
        The fit's coefficients are ``combine`` times those of the regression.
    """

    fit: Fit
    x: FloatArray
    bread: FloatArray
    combine: FloatArray

    @classmethod
    def of(cls, fit: Fit, what: str) -> LeastSquares:
        """Return the regression behind a fit, or raise a SpecError if there is none."""
        base, combine = _unwrap(fit.influence, fit.coef.size)
        design, residuals = fit.design, fit.residuals
        if isinstance(base, ScoreInfluence) and residuals is not None:
            w = design.weights
            swept = absorb(design.x, tuple(design.effects.values()), w)
            scores = swept * (w * residuals)[:, None]
            same = scores.shape == base.scores.shape
            scale = float(np.abs(base.scores).max(initial=0.0))
            if same and np.allclose(scores, base.scores, rtol=0, atol=1e-8 * scale):
                return cls(fit, swept * np.sqrt(w)[:, None], base.bread, combine)
        raise SpecError(
            "vcov",
            f"{what} needs least squares, which {fit.estimator} is not",
            how="use Cluster() or multiplier_bootstrap",
        )

    def blocks(self, codes: IntArray) -> Iterator[Block]:
        """Yield the clusters, in the order of their codes."""
        order, bounds = _rows_by_cluster(codes)
        free = _FreeEffects.of(self.fit.design, codes)
        root_x = linalg.cholesky(self.bread, lower=True) if self.bread.size else self.bread
        root_d = _inverse_root(_gram_of(free, order, bounds))
        residuals = self.fit.residuals
        assert residuals is not None
        scaled = residuals * np.sqrt(self.fit.design.weights)
        for first, last in pairwise(bounds):
            rows = order[first:last]
            basis = np.hstack([self.x[rows] @ root_x, free.columns(rows) @ root_d])
            yield Block(self.x[rows], scaled[rows], basis)


def _unwrap(influence: Influence, k: int) -> tuple[Influence, FloatArray]:
    """Return the influence of the model's own coefficients, and what combines these."""
    combine = np.eye(k)
    while isinstance(influence, CombinedInfluence):
        combine, influence = combine @ influence.combine, influence.base
    return influence, combine


def _rows_by_cluster(codes: IntArray) -> tuple[IntArray, IntArray]:
    order = np.argsort(codes, kind="stable")
    return order, np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))


@dataclass(frozen=True, eq=False)
class _FreeEffects:
    """Effects that are not nested in the clusters, as columns less the nested effects."""

    free: tuple[IntArray, ...]
    nested: tuple[IntArray, ...]
    offsets: IntArray
    n_columns: int
    weights: FloatArray

    @classmethod
    def of(cls, design: Design, codes: IntArray) -> _FreeEffects:
        nested = tuple(e for e in design.effects.values() if is_nested(e, codes))
        free = tuple(e for e in design.effects.values() if not is_nested(e, codes))
        ends = np.cumsum([0, *(int(e.max()) + 1 for e in free)])
        if ends[-1] > MAX_COLUMNS:
            raise SpecError(
                "vcov",
                f"{ends[-1]:,} levels of effects are not nested in the clusters "
                f"(at most {MAX_COLUMNS:,})",
                how="cluster by a column in which the effects are nested",
            )
        return cls(free, nested, ends[:-1], int(ends[-1]), design.weights)

    def columns(self, rows: IntArray) -> FloatArray:
        """Return the columns of one cluster's rows, times the roots of the weights."""
        dummies = np.zeros((rows.size, self.n_columns))
        for codes, offset in zip(self.free, self.offsets, strict=True):
            dummies[np.arange(rows.size), offset + codes[rows]] = 1.0
        weights = self.weights[rows]
        if self.n_columns:
            dummies = absorb(dummies, [encode(e[rows])[0] for e in self.nested], weights)
        return dummies * np.sqrt(weights)[:, None]


def _gram_of(free: _FreeEffects, order: IntArray, bounds: IntArray) -> FloatArray:
    gram = np.zeros((free.n_columns, free.n_columns))
    if free.n_columns:
        for first, last in pairwise(bounds):
            columns = free.columns(order[first:last])
            gram += columns.T @ columns
    return gram


def _inverse_root(gram: FloatArray) -> FloatArray:
    """Return R with RR' the pseudo-inverse of a Gram matrix."""
    if not gram.size:
        return gram
    values, vectors = linalg.eigh(gram)
    kept = values > values[-1] * gram.shape[0] * 1e-13
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def adjusted_sums(
    fit: Fit, codes: IntArray, kind: str, power: float
) -> tuple[FloatArray, ClusterMoments]:
    """Return the (G, k) adjusted sums of influence by cluster, and their moments.

    Parameters
    ----------
    fit : Fit
        Of least squares, or combinations of its coefficients.
    codes : (n,) integer array
        Clusters 0..G-1.
    kind : str
        Name of the choice, for errors.
    power : float
        Of I - H_gg: -1/2 for CR2, -1 for CR3.

    Raises
    ------
    SpecError
        When the fit is not of least squares, or too many levels are not nested in the clusters.
    IdentificationError
        For CR3, when a coefficient can't be estimated without one of the clusters.
    """
    model = LeastSquares.of(fit, kind)
    sums, grams, crosses = [], [], []
    to_contrasts = model.bread @ model.combine.T
    p = model.bread.shape[0]
    for g, block in enumerate(model.blocks(codes)):
        left, singular, right = linalg.svd(block.basis, full_matrices=False)
        rest = 1 - singular**2
        alone = rest < FULL_LEVERAGE
        if power == -1 and np.abs(right[alone, :p]).max(initial=0.0) > 1e-6:
            raise IdentificationError(
                "jackknife", f"without cluster {g} a coefficient is lost", how="use CR2"
            )
        factor = np.where(alone, 0.0, np.where(alone, 1.0, rest) ** power)
        adjusted = block.x + left @ ((factor - 1)[:, None] * (left.T @ block.x))
        score = adjusted @ to_contrasts
        sums.append(block.residuals @ score)
        grams.append(score.T @ score)
        crosses.append(score.T @ block.basis)
    return np.array(sums), ClusterMoments(np.array(grams), np.array(crosses))
