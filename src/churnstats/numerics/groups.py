"""Sums, means and relations of groups that are given as integer codes 0..G-1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from churnstats.core.types import FloatArray, IntArray


def encode(labels: NDArray[Any] | pd.Series) -> tuple[IntArray, int]:
    """Return codes 0..G-1 in the order of sorted labels, and G. Missing labels get -1."""
    codes, uniques = pd.factorize(labels, sort=True)
    return codes.astype(np.int64), len(uniques)


def encode_pairs(a: IntArray, b: IntArray) -> tuple[IntArray, int]:
    """Return codes of the pairs (a, b) that occur, and their number."""
    width = int(b.max(initial=0)) + 1
    return encode(a * width + b)


def count_up(first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each i the numbers first[i], first[i] + 1, ... of which there are count[i].

    Returns
    -------
    i, number : arrays
        Of the length that the counts add up to.

    Examples
    --------
    >>> count_up(np.array([2010, 2014]), np.array([3, 1]))
    (array([0, 0, 0, 1]), array([2010, 2011, 2012, 2014]))
    """
    i = np.repeat(np.arange(count.size), count)
    return i, first[i] + np.arange(i.size) - np.repeat(np.cumsum(count) - count, count)


def group_sums(values: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Sum the rows of ``values`` (n,) or (n, k) by group: (G,) or (G, k)."""
    if values.ndim == 1:
        return np.asarray(np.bincount(codes, weights=values, minlength=n_groups), dtype=float)
    n = codes.size
    groups = sparse.csr_matrix((np.ones(n), codes, np.arange(n + 1)), shape=(n, n_groups))
    return np.asarray(groups.T @ values, dtype=float)


def group_means(
    values: FloatArray, codes: IntArray, n_groups: int, weights: FloatArray
) -> FloatArray:
    """Weighted means by group; a group without weight has mean NaN."""
    total = np.bincount(codes, weights=weights, minlength=n_groups)
    total = np.where(total > 0, total, np.nan)
    if values.ndim == 1:
        return group_sums(values * weights, codes, n_groups) / total
    return group_sums(values * weights[:, None], codes, n_groups) / total[:, None]


def is_nested(inner: IntArray, outer: IntArray) -> bool:
    """Tell whether each inner group lies in one outer group only."""
    if inner.size == 0:
        return True
    first = np.full(int(inner.max()) + 1, -1, dtype=np.int64)
    first[inner] = outer
    return bool((first[inner] == outer).all())


def n_components(a: IntArray, n_a: int, b: IntArray, n_b: int) -> int:
    """Count the connected components of the graph that links groups of a and b."""
    links = sparse.coo_matrix((np.ones(a.size), (a, b + n_a)), shape=(n_a + n_b, n_a + n_b))
    return int(connected_components(links, directed=False, return_labels=False))
