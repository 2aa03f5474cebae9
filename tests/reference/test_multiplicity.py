"""Adjusted p-values: Holm and Benjamini-Hochberg by their definitions, Romano-Wolf by brute force.

All are exact: 1e-12 relative.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.inference.multiplicity import adjust_family, holm, romano_wolf

N_CLUSTERS = 8
OUTCOMES = ("y0", "y1", "y2", "y3")


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    n = 96
    rows = pd.DataFrame({"g": rng.permutation(np.arange(n) % N_CLUSTERS), "x": rng.normal(size=n)})
    shared = rng.normal(size=n)
    for j, name in enumerate(OUTCOMES):
        rows[name] = 0.12 * j * rows["x"] + shared + 0.7 * rng.normal(size=n)
    return rows


def family(rows: pd.DataFrame) -> dict[str, tuple[cs.Result, str]]:
    return {
        f"effect on {y}": (cs.linear_model(rows, f"{y} ~ x", vcov=cs.Cluster("g")), "x")
        for y in OUTCOMES
    }


def test_holm_is_the_least_level_at_which_its_procedure_rejects() -> None:
    """Walk through the procedure at every level that can matter."""
    p = np.array([0.011, 0.02, 0.04, 0.012, np.nan, 0.5])

    def rejected(alpha: float) -> set[int]:
        found: set[int] = set()
        order = [i for i in np.argsort(p) if np.isfinite(p[i])]
        for step, i in enumerate(order):
            if p[i] > alpha / (len(order) - step):
                break
            found.add(int(i))
        return found

    adjusted = holm(p)
    assert np.isnan(adjusted[4])
    for i in (0, 1, 2, 3, 5):
        assert i in rejected(adjusted[i] * (1 + 1e-9))
        assert i not in rejected(adjusted[i] * (1 - 1e-9))
    np.testing.assert_allclose(adjusted[[0, 3, 1, 2, 5]], [0.055, 0.055, 0.06, 0.08, 0.5])


def test_false_discoveries_are_the_least_level_at_which_the_procedure_rejects() -> None:
    tests = family(frame())
    found = adjust_family(tests, "fdr")
    p = found["p_value"].to_numpy()
    ordered = np.sort(p)
    for value, adjusted in zip(p, found["adjusted_p_value"], strict=True):
        ranks = np.arange(1, 5)
        expected = min((ordered * 4 / ranks)[ordered >= value])
        np.testing.assert_allclose(adjusted, min(expected, 1), rtol=1e-12)


def influence(rows: pd.DataFrame, outcome: str) -> np.ndarray:
    """Return how clusters move the slope, written out."""
    x, y = rows["x"] - rows["x"].mean(), rows[outcome] - rows[outcome].mean()
    slope = (x * y).sum() / (x**2).sum()
    moves = x * (y - slope * x) / (x**2).sum()
    return moves.groupby(rows["g"]).sum().to_numpy()


def step_down(statistic: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return p-values of Romano and Wolf over all sign vectors, one test at a time."""
    error = np.sqrt((sums**2).sum(axis=0))
    drawn = [abs(np.array(v) @ sums) / error for v in product([-1, 1], repeat=len(sums))]
    adjusted, before = np.zeros(statistic.size), 0.0
    left = list(np.argsort(-statistic))
    while left:
        count = sum(max(t[j] for j in left) >= statistic[left[0]] * (1 - 1e-9) for t in drawn)
        before = max(before, (1 + count) / (1 + len(drawn)))
        adjusted[left.pop(0)] = before
    return adjusted


def test_romano_and_wolf_equal_the_step_down_over_all_signs() -> None:
    rows = frame()
    found = adjust_family(family(rows), "romano_wolf")
    sums = np.column_stack([influence(rows, y) for y in OUTCOMES])
    statistic = np.abs(found["estimate"] / found["std_error"]).to_numpy()
    expected = step_down(statistic, sums)
    np.testing.assert_allclose(found["adjusted_p_value"], expected, rtol=1e-12)
    assert found["name"].tolist() == [f"effect on {y}" for y in OUTCOMES]
    assert len(set(expected)) >= 3


def test_tests_that_are_the_same_cost_nothing() -> None:
    """Holm pays for copies of a test, Romano and Wolf don't."""
    rows = frame()
    one = (cs.linear_model(rows, "y3 ~ x", vcov=cs.Cluster("g")), "x")
    alone = adjust_family({"a": one}, "romano_wolf")["adjusted_p_value"].iloc[0]
    copies = adjust_family(dict.fromkeys("abc", one), "romano_wolf")["adjusted_p_value"]
    np.testing.assert_allclose(copies, alone, rtol=1e-12)
    paid = adjust_family(dict.fromkeys("abc", one), "holm")
    np.testing.assert_allclose(paid["adjusted_p_value"], 3 * paid["p_value"], rtol=1e-12)


def test_missing_tests_do_not_count() -> None:
    sums = np.column_stack([influence(frame(), y) for y in OUTCOMES[:2]])
    with_missing = np.column_stack([sums, np.zeros(N_CLUSTERS)])
    found = romano_wolf(np.array([2.0, 1.0, np.nan]), with_missing, "rademacher", 999, 0)
    assert np.isnan(found[2])
    np.testing.assert_allclose(found[:2], step_down(np.array([2.0, 1.0]), sums), rtol=1e-12)
    none = romano_wolf(np.array([np.nan]), sums[:, :1], "rademacher", 999, 0)
    assert np.isnan(none).all()


def test_clusters_are_matched_by_the_rows_that_samples_share() -> None:
    """Outcomes missing in rows, not in whole clusters: each draw has one sign a cluster."""
    rows = frame()
    rows.loc[[3, 17, 40, 41], "y1"] = np.nan
    tests = family(rows)
    found = adjust_family(tests, "romano_wolf")
    kept = rows.dropna()
    sums = np.column_stack([influence(kept if y == "y1" else rows, y) for y in OUTCOMES])
    statistic = np.abs(found["estimate"] / found["std_error"]).to_numpy()
    np.testing.assert_allclose(found["adjusted_p_value"], step_down(statistic, sums), rtol=1e-12)


def test_families_that_are_none_are_refused() -> None:
    rows = frame()
    tests = family(rows)
    with pytest.raises(cs.SpecError, match="the family is empty"):
        adjust_family({}, "holm")
    with pytest.raises(cs.SpecError, match="'sidak' is no method"):
        adjust_family(tests, "sidak")
    with pytest.raises(cs.SpecError, match="a: q"):
        adjust_family({"a": (tests["effect on y0"][0], "q")}, "holm")
    few = cs.linear_model(rows[rows["g"] > 0], "y1 ~ x", vcov=cs.Cluster("g"))
    for pair in ([few, tests["effect on y0"][0]], [tests["effect on y0"][0], few]):
        with pytest.raises(cs.SpecError, match="not those of the first"):
            adjust_family({str(i): (r, "x") for i, r in enumerate(pair)}, "romano_wolf")
