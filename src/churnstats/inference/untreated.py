r"""The model of untreated outcomes, and how averages of treated rows lean on it.

Untreated rows (weights w) follow :math:`y = z'\theta + e`, z the dummies of all effects and the
covariates. An average :math:`\hat\tau = \sum_i a_i (y_i - z_i'\hat\theta)` over some rows is
linear in all outcomes, :math:`\hat\tau = \sum_i v_i y_i`, with

.. math:: v_i = a_i - 1[i \text{ untreated}] \; w_i z_i' \lambda, \qquad
          Z_0'W_0Z_0 \lambda = \sum_j a_j z_j .

The largest effect is eliminated exactly, so that the system solved has as many rows as the
other effects have levels; its null space is left out (Borusyak, Jaravel and Spiess 2024).
Sums of influences by cluster come from a, which is sparse, and from sums of
:math:`w_i e_i z_i` by cluster: the (n, q) weights are not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.design import Continuous, Design
from churnstats.inference.fit import Fit, Influence
from churnstats.numerics.absorb import rank_of_effects
from churnstats.numerics.groups import encode, group_sums

NULL = 1e-10
OUTSIDE = 1e-7
MOST_LEVELS = 3000


@dataclass(frozen=True, eq=False)
class Theta:
    """Parameters of the untreated model, q columns: by level of the first effect, then others."""

    levels: FloatArray
    slopes: FloatArray

    def dot(self, other: Theta) -> FloatArray:
        """Return the (q, q) inner products with other parameters."""
        return np.asarray(self.levels.T @ other.levels + self.slopes.T @ other.slopes)


@dataclass(frozen=True, eq=False)
class UntreatedModel:
    """Normal equations of the untreated rows, with the largest effect eliminated.

    Parameters
    ----------
    first : (n,) array
        Codes of the eliminated effect.
    others : (n, r) sparse matrix
        Dummies of the other effects, then the covariates.
    weights : (n,) array
        Zero for treated rows.
    total : (G,) array
        Weight of untreated rows by level of the eliminated effect; zero where there is none.
    cross : (G, r) sparse matrix
        First effect by the others, weighted.
    scale : (r,) array
        Units of the reduced system.
    basis : (r, s) array
    values : (s,) array
        Eigenvectors and eigenvalues of the reduced system that are not null.
    """

    first: IntArray
    others: sparse.csr_matrix
    weights: FloatArray
    total: FloatArray
    cross: sparse.csr_matrix
    scale: FloatArray
    basis: FloatArray
    values: FloatArray

    def sums(self, rows: sparse.csr_matrix) -> Theta:
        """Return the sums of z times the columns of an (n, q) matrix."""
        by_level = _dummies(self.first, self.total.size).T @ rows
        return Theta(by_level.toarray(), (self.others.T @ rows).toarray())

    def solve(self, right: Theta, names: Sequence[str]) -> Theta:
        """Return the solution of the normal equations.

        Parameters
        ----------
        right : Theta
        names : sequence of str
            What each column is, for the error.

        Raises
        ------
        IdentificationError
            When a right side lies outside what the untreated rows span.
        """
        seen = self.total > 0
        inverse = np.divide(1.0, self.total, where=seen, out=np.zeros(self.total.size))[:, None]
        reduced = (right.slopes - self.cross.T @ (right.levels * inverse)) / self.scale[:, None]
        inner = self.basis.T @ reduced
        lost = np.abs(reduced - self.basis @ inner).max(axis=0, initial=0.0)
        size = np.abs(right.slopes / self.scale[:, None]).max(axis=0, initial=0.0)
        unseen = np.abs(right.levels[~seen]).max(axis=0, initial=0.0)
        wrong = (lost > OUTSIDE * size) | (unseen > 0)
        if wrong.any():
            raise IdentificationError(
                "not_imputed",
                "untreated rows do not tell the effects and covariates that these terms need",
                where=[name for name, bad in zip(names, wrong, strict=True) if bad],
                how="absorb fewer effects, or leave out covariates that the effects span",
            )
        slopes = (self.basis @ (inner / self.values[:, None])) / self.scale[:, None]
        return Theta((right.levels - self.cross @ slopes) * inverse, slopes)

    def image(self, theta: Theta) -> FloatArray:
        """Return z'theta by row, (n, q)."""
        return np.asarray(self.others @ theta.slopes + theta.levels[self.first])


def untreated_model(
    treated: BoolArray, x: FloatArray, effects: Sequence[IntArray], weights: FloatArray
) -> UntreatedModel:
    """Return the normal equations of the untreated rows.

    Parameters
    ----------
    treated : (n,) array
    x : (n, p) array
        Covariates.
    effects : sequence of (n,) arrays
        Codes of the effects; without any there is an intercept.
    weights : (n,) array
    """
    codes = sorted(effects, key=lambda c: int(c.max()), reverse=True)
    codes = codes or [np.zeros(treated.size, dtype=np.int64)]
    sizes = [int(c.max()) + 1 for c in codes]
    if sum(sizes[1:]) > MOST_LEVELS:
        raise SpecError(
            "levels",
            f"{sum(sizes[1:]):,} levels of effects beside the largest one are too many",
            how=f"absorb effects of at most {MOST_LEVELS:,} levels, or use SunAbraham",
        )
    blocks = [_dummies(c, size) for c, size in zip(codes[1:], sizes[1:], strict=True)]
    others = sparse.hstack([*blocks, sparse.csr_matrix(x)], format="csr")
    first, w = codes[0], np.where(treated, 0.0, weights)
    total = group_sums(w, first, sizes[0])
    weighted = (sparse.diags(w) @ others).tocsr()
    cross = (_dummies(first, sizes[0]).T @ weighted).tocsr()
    inverse = np.divide(1.0, total, where=total > 0, out=np.zeros(sizes[0]))
    gram = (others.T @ weighted).toarray()
    reduced = gram - (cross.T @ sparse.diags(inverse) @ cross).toarray()
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1.0))
    values, vectors = linalg.eigh(reduced / np.outer(scale, scale))
    kept = values > NULL
    return UntreatedModel(first, others, w, total, cross, scale, vectors[:, kept], values[kept])


def _dummies(codes: IntArray, n_levels: int, values: FloatArray | None = None) -> sparse.csr_matrix:
    data = np.ones(codes.size) if values is None else values
    pointer = np.arange(codes.size + 1)
    return sparse.csr_matrix((data, codes, pointer), shape=(codes.size, n_levels))


@dataclass(frozen=True, eq=False)
class Imputed:
    """Averages of what outcomes are beyond the untreated model, and what they lean on.

    Parameters
    ----------
    model : UntreatedModel
    coef : (q + p,) array
        Averages, then coefficients of the covariates.
    averages : (n, q + p) sparse matrix
        a: shares of the rows in each average; empty for covariates.
    right, leaning : Theta
        Sums of a z (for a covariate: the unit vector, negative), and lambda.
    gap : (n,) array
        Outcome less untreated outcome: residual of an untreated row, effect on a treated one.
    n_covariates : int
    """

    model: UntreatedModel
    coef: FloatArray
    averages: sparse.csr_matrix
    right: Theta
    leaning: Theta
    gap: FloatArray
    n_covariates: int

    def gaps_from_means(self) -> sparse.csr_matrix:
        """Return a times the gap less the average's own mean."""
        a = self.averages.tocoo()
        away = self.gap[a.row] - self.coef[a.col]
        return sparse.csr_matrix((a.data * away, (a.row, a.col)), shape=a.shape)

    def squares(self, weights: FloatArray) -> FloatArray:
        """Return the sums of v v' / w."""
        own = self.averages.multiply(1 / weights[:, None]).tocsr()
        free = sparse.diags((self.model.weights > 0).astype(float)) @ self.averages
        both = self.model.sums(free.tocsr()).dot(self.leaning)
        leans = self.right.dot(self.leaning)
        return np.asarray((self.averages.T @ own).toarray() - both - both.T + leans)


def impute(design: Design, targets: Sequence[str], treated: BoolArray) -> Imputed:
    """Average the gaps between outcomes and what untreated rows predict for them.

    Parameters
    ----------
    design : Design
        Its first columns are the ``targets``, one where a row is in an average; the others are
        covariates.
    targets : sequence of str
    treated : (n,) array
    """
    if not isinstance(design.response, Continuous):
        raise SpecError("response", "imputation needs a continuous response")
    y, q, w = design.response.y, len(targets), design.weights
    x, effects = design.x[:, q:], tuple(design.effects.values())
    p = x.shape[1]
    model = untreated_model(treated, x, effects, w)
    inside = sparse.csr_matrix(design.x[:, :q]).multiply(w[:, None])
    shares = inside.multiply(1 / np.asarray(inside.sum(axis=0)).reshape(1, q))
    a = sparse.hstack([shares, sparse.csr_matrix((y.size, p))], format="csr")
    right = model.sums(a)
    r = right.slopes.shape[0]
    right.slopes[r - p :, q:] = -np.eye(p)
    outcome = model.sums(sparse.csr_matrix((y * model.weights)[:, None]))
    theta = model.solve(outcome, ["outcome"])
    gap = y - model.image(theta)[:, 0]
    coef = np.r_[shares.T @ gap, theta.slopes[r - p :, 0]]
    return Imputed(model, coef, a, right, model.solve(right, design.names), gap, p)


@dataclass(frozen=True, eq=False)
class LeaningInfluence:
    """Influence of averages: what rows add themselves, and what they teach of the others.

    Parameters
    ----------
    own : (n, q) sparse matrix
        Shares times gaps, each less what it is compared with.
    scores : (n,) array
        Weights of untreated rows times their gaps.
    model : UntreatedModel
    leaning : Theta
    """

    own: sparse.csr_matrix
    scores: FloatArray
    model: UntreatedModel
    leaning: Theta

    def rows(self) -> FloatArray:
        """Return the (n, q) influences."""
        taught = self.scores[:, None] * self.model.image(self.leaning)
        return np.asarray(self.own.toarray() - taught)

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, q) sums by group."""
        scored = _dummies(codes, n_groups, self.scores).T.tocsr()
        by_level = scored @ _dummies(self.model.first, self.model.total.size)
        taught = by_level @ self.leaning.levels + (scored @ self.model.others) @ self.leaning.slopes
        return np.asarray((_dummies(codes, n_groups).T @ self.own).toarray() - taught)


@dataclass(frozen=True, eq=False)
class JoinedInfluence:
    """Influence of terms of a fit on some of the rows, before those of a fit on all.

    Parameters
    ----------
    some : Influence
        Of which the first ``n_terms`` are taken.
    at : (m,) array
        Its rows among all.
    n_terms : int
    every : Influence
    """

    some: Influence
    at: IntArray
    n_terms: int
    every: Influence

    def rows(self) -> FloatArray:
        """Return the (n, k) influences; zero where a row has no part."""
        every = self.every.rows()
        some = np.zeros((every.shape[0], self.n_terms))
        some[self.at] = self.some.rows()[:, : self.n_terms]
        return np.column_stack([some, every])

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, k) sums by group."""
        some = self.some.sums(codes[self.at], n_groups)[:, : self.n_terms]
        return np.column_stack([some, self.every.sums(codes, n_groups)])


def fit_averages(estimator: str, design: Design, found: Imputed, own: sparse.csr_matrix) -> Fit:
    r"""Return the Fit of averages and covariates, given what rows add themselves.

    The model's own covariance holds if effects do not vary within an average:
    :math:`\sigma^2 \sum_i v_i v_i' / w_i`, with the variance of untreated rows.
    """
    model, effects = found.model, tuple(design.effects.values())
    free = np.flatnonzero(model.weights > 0)
    rank = rank_of_effects([encode(codes[free])[0] for codes in effects])
    df = free.size - found.n_covariates - rank
    if df <= 0:
        raise IdentificationError(
            "no_df", f"{free.size} untreated rows for {found.n_covariates + rank} parameters"
        )
    sigma2 = float(model.weights @ found.gap**2) / df
    return Fit(
        estimator=estimator,
        design=design,
        coef=found.coef,
        names=design.names,
        influence=LeaningInfluence(own, model.weights * found.gap, model, found.leaning),
        model_vcov=sigma2 * found.squares(design.weights),
        model_vcov_name="equal variances and effects (classical)",
        absorbed=tuple(design.effects),
        df_absorbed=rank,
    )
