r"""Sweep any number of absorbed effects out of columns, exactly.

With effects :math:`D = [D_1, D_2]`, :math:`D_1` the effect with most levels, the weighted
projection of a column :math:`v` solves the normal equations

.. math:: D_1'W(D_1 a + D_2 b) = D_1'Wv, \quad D_2'W(D_1 a + D_2 b) = D_2'Wv .

:math:`D_1'WD_1` is diagonal, so :math:`a` is eliminated exactly and :math:`b` solves the
reduced system :math:`S b = r` with :math:`S = D_2'W M_1 D_2`. For few levels in
:math:`D_2` (years, stacks) S is dense and solved by its eigenvalues; for many, by conjugate
gradients with a diagonal preconditioner, which also handle that S is singular.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg, sparse

from churnstats.core.errors import ConvergenceError
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import group_means, group_sums, n_components

DENSE_LEVELS = 1500
TOLERANCE = 1e-12
MAX_ITERATIONS = 10_000


def absorb(columns: FloatArray, effects: Sequence[IntArray], weights: FloatArray) -> FloatArray:
    """Return the columns less their weighted projection on all effects.

    Parameters
    ----------
    columns : (n, m) array
    effects : sequence of (n,) integer arrays
        Codes 0..G-1 of each effect.
    weights : (n,) array
        Positive weights.

    Returns
    -------
    (n, m) array

    Raises
    ------
    ConvergenceError
        When conjugate gradients do not reach 1e-12 of the size of the columns.
    """
    if not effects:
        return columns.copy()
    sizes = [int(codes.max()) + 1 for codes in effects]
    order = np.argsort(sizes, kind="stable")[::-1]
    first, n_first = effects[order[0]], sizes[order[0]]
    swept = np.asarray(columns - group_means(columns, first, n_first, weights)[first])
    if len(effects) == 1:
        return swept
    dummies = _dummies([effects[j] for j in order[1:]], [sizes[j] for j in order[1:]])
    right = np.asarray(dummies.T @ (swept * weights[:, None]))
    if dummies.shape[1] <= DENSE_LEVELS:
        shift = _solve_dense(dummies, first, n_first, weights, right)
    else:
        norms = np.sqrt(weights @ swept**2) * TOLERANCE
        noise = np.sqrt(weights @ columns**2) * np.finfo(float).eps * 8
        target = np.maximum(norms, noise)
        shift = _solve_iteratively(dummies, first, n_first, weights, right, target)
    fitted = np.asarray(dummies @ shift)
    return np.asarray(swept - fitted + group_means(fitted, first, n_first, weights)[first])


def _dummies(effects: Sequence[IntArray], sizes: Sequence[int]) -> sparse.csr_matrix:
    n = effects[0].size
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    columns = np.column_stack(effects) + offsets
    pointer = np.arange(0, n * len(effects) + 1, len(effects))
    shape = (n, int(sum(sizes)))
    return sparse.csr_matrix((np.ones(columns.size), columns.ravel(), pointer), shape=shape)


def _cross(
    dummies: sparse.csr_matrix, first: IntArray, n_first: int, weights: FloatArray
) -> tuple[sparse.csr_matrix, FloatArray, sparse.csr_matrix]:
    """Return D1'W D2, the diagonal of D1'W D1 and D2'W D2."""
    n = first.size
    first_dummies = sparse.csr_matrix((weights, first, np.arange(n + 1)), shape=(n, n_first))
    total = group_sums(weights, first, n_first)
    weighted = sparse.diags(weights) @ dummies
    return (first_dummies.T @ dummies).tocsr(), total, (dummies.T @ weighted).tocsr()


def _solve_dense(
    dummies: sparse.csr_matrix,
    first: IntArray,
    n_first: int,
    weights: FloatArray,
    right: FloatArray,
) -> FloatArray:
    """Solve S b = r by the eigenvalues of S, its null space left out."""
    cross, total, gram = _cross(dummies, first, n_first, weights)
    reduced = gram.toarray() - (cross.T @ sparse.diags(1.0 / total) @ cross).toarray()
    values, vectors = linalg.eigh(reduced)
    kept = values > values.max(initial=0.0) * reduced.shape[0] * np.finfo(float).eps
    basis = vectors[:, kept]
    return np.asarray(basis @ ((basis.T @ right) / values[kept][:, None]))


def _solve_iteratively(
    dummies: sparse.csr_matrix,
    first: IntArray,
    n_first: int,
    weights: FloatArray,
    right: FloatArray,
    target: FloatArray,
) -> FloatArray:
    """Solve S b = r for all right-hand sides by preconditioned conjugate gradients."""
    cross, total, gram = _cross(dummies, first, n_first, weights)
    scale = gram.diagonal()[:, None]

    def apply(b: FloatArray) -> FloatArray:
        return np.asarray(gram @ b - cross.T @ ((cross @ b) / total[:, None]))

    solution, residual = np.zeros_like(right), right.copy()
    direction = residual / scale
    rho = (residual * direction).sum(axis=0)
    for _ in range(MAX_ITERATIONS):
        active = np.sqrt(np.abs(rho)) > target
        if not active.any():
            return solution
        image = apply(direction)
        curvature = (direction * image).sum(axis=0)
        step = np.where(active & (curvature > 0), rho / np.where(curvature > 0, curvature, 1), 0.0)
        solution += step * direction
        residual -= step * image
        scaled = residual / scale
        rho_next = (residual * scaled).sum(axis=0)
        ratio = np.where(active, rho_next / np.where(rho != 0, rho, 1.0), 0.0)
        direction, rho = scaled + ratio * direction, rho_next
    raise ConvergenceError(
        "absorb",
        f"absorbed effects did not converge in {MAX_ITERATIONS} iterations",
        how="look for effects that are nearly the same, or absorb fewer of them",
    )


def rank_of_effects(effects: Sequence[IntArray]) -> int:
    """Return the rank of the dummies of all effects together, the constant among them.

    Exact for up to two effects (levels less connected components). From the third on each
    effect is taken to be redundant as many times as with the one of the earlier effects that
    it shares most components with: an upper bound of the rank, hence of the degrees of
    freedom lost.
    """
    rank = 0
    for j, codes in enumerate(effects):
        size = int(codes.max()) + 1
        shared = [
            n_components(codes, size, before, int(before.max()) + 1) for before in effects[:j]
        ]
        rank += size - max(shared, default=0)
    return rank
