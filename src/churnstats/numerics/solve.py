"""Weighted least squares and the inverse of a Gram matrix, with collinear columns named."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from churnstats.core.types import FloatArray, IntArray

COLLINEAR = 1e-9


def collinear_columns(gram: FloatArray, scale: FloatArray) -> IntArray:
    """Return the columns that the columns before them (or nothing at all) already span.

    Parameters
    ----------
    gram : (k, k) array
        Cross products of the columns after effects were absorbed.
    scale : (k,) array
        Sums of squares of the same columns before that. A column whose remaining sum of
        squares, given those before it, is below ``COLLINEAR`` times its scale is collinear.
    """
    k = gram.shape[0]
    size = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1.0))
    gram, scale = gram / np.outer(size, size), scale / size**2
    found: list[int] = []
    kept: list[int] = []
    for j in range(k):
        left = gram[j, j]
        if kept:
            block = gram[np.ix_(kept, kept)]
            left = left - gram[j, kept] @ linalg.solve(block, gram[kept, j], assume_a="pos")
        if not left > COLLINEAR * scale[j]:
            found.append(j)
        else:
            kept.append(j)
    return np.asarray(found, dtype=np.int64)


def symmetric_inverse(matrix: FloatArray) -> FloatArray:
    """Invert a symmetric positive definite matrix, whatever the units of its rows.

    Raises
    ------
    LinAlgError
        When it is not positive definite.
    """
    size = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
    units = np.outer(size, size)
    factor = linalg.cho_factor(matrix / units)
    inverse = linalg.cho_solve(factor, np.eye(matrix.shape[0])) / units
    return np.asarray((inverse + inverse.T) / 2)
