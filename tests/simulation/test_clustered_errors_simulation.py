"""Clustered errors of the linear model where rows are related: size, with many clusters and few.

Two units a cluster, with shocks that persist and that the cluster shares, and a regressor of the
same kind that does nothing. What is known and shown: errors by row are far too small; errors by
unit miss what units of a cluster share; with many clusters the clustered test has its size; with
few it rejects too often, also with t(G - 1) and the small-sample factor.
"""

from __future__ import annotations

import pytest

from simulation.simulations import (
    SLACK,
    Draws,
    assert_share,
    assert_unbiased,
    binomial_bounds,
    linear_replications,
)

MANY, FEW = 120, 4


@pytest.fixture(scope="module")
def many() -> dict[str, Draws]:
    return linear_replications(200, MANY, 51)


def test_with_many_clusters_the_test_has_its_size(many: dict[str, Draws]) -> None:
    assert_unbiased(many["cluster"], 0.0)
    assert_share(many["cluster"].rejections("x"), 200, 0.05)
    assert_share(many["cluster"].covered(0.0), 200, 0.95)


def test_finer_errors_reject_far_too_often(many: dict[str, Draws]) -> None:
    _, high = binomial_bounds(200, 0.05)
    by_unit, by_row = (many[name].rejections("x") for name in ("unit", "rows"))
    assert high < by_unit < by_row
    assert by_row > 2 * high


@pytest.mark.slow
def test_size_at_length() -> None:
    n = 2_000
    counts = {}
    for n_clusters in (MANY, FEW):
        draws = linear_replications(n, n_clusters, 52)["cluster"]
        print(f"\nlinear model, {n_clusters} clusters", draws.table(0.0))
        counts[n_clusters] = draws.rejections("x")
        assert_unbiased(draws, 0.0)
    assert_share(counts[MANY], n, 0.05, SLACK)
    low, high = binomial_bounds(n, 0.05)[1], 0.2 * n
    assert low < counts[FEW] < high, "few clusters: too often, but not wildly"
