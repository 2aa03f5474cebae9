"""Size of tests with few clusters of unequal size, three of eight of them treated.

The regressor does nothing and does not vary within clusters, errors are shared within them. What is
known and shown: t with clustered errors and G - 1 degrees of freedom rejects too often (12% of
5,000), the restricted wild bootstrap has its size (5.3%), CR2 with degrees of freedom by term is a
little on the safe side (3.6%), CR3 more so (1.5%).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import churnstats as cs
from churnstats.inference.vcov import CR2, CR3
from churnstats.inference.wild import wild_bootstrap
from simulation.simulations import SLACK, assert_share, binomial_bounds

SIZES = (4, 6, 6, 8, 10, 12, 20, 30)
TREATED = (1, 3, 5)


def p_values(rng: np.random.Generator) -> dict[str, float]:
    """Return p-values of the four tests in one world."""
    g = np.repeat(np.arange(len(SIZES)), SIZES)
    x = np.isin(g, TREATED).astype(float)
    y = 0.7 * rng.normal(size=len(SIZES))[g] + rng.normal(size=g.size)
    rows = pd.DataFrame({"y": y, "x": x, "g": g})
    result = cs.linear_model(rows, "y ~ x", vcov=cs.Cluster("g"))
    found = {"wild": float(wild_bootstrap(result, "x").frame["p_value"].item())}
    for name, choice in (("CR1", cs.Cluster("g")), ("CR2", CR2("g")), ("CR3", CR3("g"))):
        made = result.with_vcov(choice).choice
        t = abs(result.coef[1]) / np.sqrt(made.matrix[1, 1])
        df = np.broadcast_to(made.df, 2)[1]
        found[name] = float(2 * stats.t(df).sf(t))
    return found


@cache
def rejections(n: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame([p_values(rng) for _ in range(n)])
    return {name: int((table[name] < 0.05).sum()) for name in table}


def test_corrected_tests_hold_their_size_where_the_usual_one_does_not() -> None:
    n = 300
    counts = rejections(n, 11)
    high = binomial_bounds(n, 0.05)[1]
    assert counts["CR1"] > high
    assert_share(counts["CR2"], n, 0.05)
    assert_share(counts["wild"], n, 0.05)
    assert counts["CR3"] < counts["CR2"]


@pytest.mark.slow
def test_size_at_length() -> None:
    n = 5_000
    counts = rejections(n, 12)
    print(
        "\neight clusters, three treated: share rejected at 5%",
        {k: v / n for k, v in counts.items()},
    )
    assert counts["CR1"] > 0.08 * n
    assert_share(counts["CR2"], n, 0.05, 2 * SLACK)
    assert_share(counts["wild"], n, 0.05, 2 * SLACK)
    assert counts["CR3"] < counts["CR2"]
