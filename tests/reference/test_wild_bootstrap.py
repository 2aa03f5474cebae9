"""The wild cluster bootstrap against brute force: every sign vector, every fit by full dummies.

Tolerance: p-values are counts and equal exactly; ends of intervals are tested to 1e-6 of an error
on either side. Draws of the multiplier bootstrap are compared with closed forms, 1e-10.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.inference.bands import multiplier_bootstrap
from churnstats.inference.draws import POINTS, sign_chunks
from churnstats.inference.wild import wild_bootstrap
from support import dummies

FORMULA = "y ~ x + z | unit + year"
N_CLUSTERS = 7


def panel() -> pd.DataFrame:
    """Units in seven clusters, unbalanced, with weights."""
    rng = np.random.default_rng(4)
    rows = pd.DataFrame(list(product(range(14), range(5))), columns=["unit", "year"])
    rows["g"] = rows["unit"] % N_CLUSTERS
    rows["x"] = rng.normal(size=70) + 0.3 * rows["g"] * rows["year"]
    rows["z"] = rng.normal(size=70)
    rows["w"] = rng.uniform(0.4, 2, 70)
    shock = rng.normal(size=(N_CLUSTERS, 5))[rows["g"], rows["year"]]
    rows["y"] = 0.35 * rows["x"] + shock + rng.normal(size=70) * rows["x"].abs()
    return rows[rng.random(70) > 0.1].reset_index(drop=True)


def fitted(rows: pd.DataFrame) -> cs.Result:
    return cs.linear_model(rows, FORMULA, vcov=cs.Cluster("g"), weights="w")


class BruteForce:
    """A regression on full dummies, fitted anew for each draw."""

    def __init__(self, rows: pd.DataFrame) -> None:
        root = np.sqrt(rows["w"].to_numpy())
        effects = [dummies(rows[c].to_numpy()) for c in ("unit", "year")]
        self.x = np.column_stack([rows[["x", "z"]], *effects]) * root[:, None]
        self.y = rows["y"].to_numpy() * root
        self.g = dummies(rows["g"].to_numpy())
        self.inverse = np.linalg.pinv(self.x)

    def statistic(self, y: np.ndarray, null: float) -> float:
        """Return t of the first coefficient with clustered errors."""
        residuals = y - self.x @ (self.inverse @ y)
        error = np.sqrt(((self.g.T @ (self.inverse[0] * residuals)) ** 2).sum())
        return float((self.inverse[0] @ y - null) / error)

    def p_value(self, null: float, signs: np.ndarray, restricted: bool, all_there: bool) -> float:
        observed = abs(self.statistic(self.y, null))
        if restricted:
            others = self.x[:, 1:]
            left = self.y - null * self.x[:, 0]
            fit = null * self.x[:, 0] + others @ (np.linalg.pinv(others) @ left)
            centre = null
        else:
            fit = self.x @ (self.inverse @ self.y)
            centre = float(self.inverse[0] @ self.y)
        drawn = [abs(self.statistic(fit + (self.y - fit) * (self.g @ v), centre)) for v in signs]
        count = int((np.array(drawn) >= observed * (1 - 1e-9)).sum())
        return count / len(signs) if all_there else (1 + count) / (1 + len(signs))


ALL_SIGNS = np.array(list(product([-1.0, 1.0], repeat=N_CLUSTERS)))


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("null", [0.0, 0.3, -1.0])
def test_every_sign_vector_gives_the_p_value(null: float, restricted: bool) -> None:
    rows = panel()
    found = wild_bootstrap(fitted(rows), "x", null=null, restricted=restricted)
    brute = BruteForce(rows)
    assert (found.n_draws, found.n_clusters, found.is_enumerated) == (128, 7, True)
    (row,) = found.frame.itertuples()
    assert row.p_value == brute.p_value(null, ALL_SIGNS, restricted, True)
    np.testing.assert_allclose(row.statistic, brute.statistic(brute.y, null), rtol=1e-9)


@pytest.mark.parametrize("restricted", [True, False])
def test_intervals_end_where_the_test_begins_to_reject(restricted: bool) -> None:
    rows = panel()
    found = wild_bootstrap(fitted(rows), "x", restricted=restricted, level=0.9)
    brute = BruteForce(rows)
    (row,) = found.frame.itertuples()
    step = 1e-6 * abs(row.estimate / row.statistic)
    for end, side in ((row.conf_low, -1), (row.conf_high, 1)):
        inside = brute.p_value(end - side * step, ALL_SIGNS, restricted, True)
        outside = brute.p_value(end + side * step, ALL_SIGNS, restricted, True)
        assert outside <= 0.1 < inside
        for share in (0.2, 0.5, 0.8):
            between = row.estimate + share * (end - row.estimate)
            assert brute.p_value(between, ALL_SIGNS, restricted, True) > 0.1


def test_random_draws_of_six_points_give_the_p_value() -> None:
    rows = panel()
    signs = np.concatenate(list(sign_chunks("webb", N_CLUSTERS, 199, 8)))
    assert set(np.round(signs.ravel(), 9)) == set(np.round(POINTS["webb"], 9))
    found = wild_bootstrap(fitted(rows), "x", weights="webb", draws=199, seed=8)
    assert not found.is_enumerated
    assert found.frame["p_value"].item() == BruteForce(rows).p_value(0.0, signs, True, False)


def test_a_contrast_is_a_term_in_other_coordinates() -> None:
    """x b + z c = x (b + c) + (z - x) c: the sum b + c is the term x of the second fit."""
    rows = panel().eval("d = z - x")
    total = fitted(rows).lincom({"total": {"x": 1, "z": 1}})
    other = cs.linear_model(rows, "y ~ x + d | unit + year", vcov=cs.Cluster("g"), weights="w")
    found = wild_bootstrap(total, "total").frame.drop(columns="term")
    expected = wild_bootstrap(other, "x").frame.drop(columns="term")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_draws_depend_on_the_seed_alone(weights: str) -> None:
    many = np.concatenate(list(sign_chunks(weights, 15, 2500, 3)))
    few = np.concatenate(list(sign_chunks(weights, 15, 2000, 3)))
    np.testing.assert_array_equal(many[:2000], few)
    assert many.shape == (2500, 15)
    assert not np.array_equal(many[:1000], many[1000:2000])
    other = np.concatenate(list(sign_chunks(weights, 15, 2000, 4)))
    assert not np.array_equal(other, few)
    points = POINTS[weights]
    np.testing.assert_allclose([points.mean(), (points**2).mean()], [0, 1], atol=1e-15)
    shares = [(many == p).mean() for p in points]
    np.testing.assert_allclose(shares, 1 / points.size, atol=4 * 0.5 / np.sqrt(many.size))


def test_all_sign_vectors_come_once() -> None:
    signs = np.concatenate(list(sign_chunks("rademacher", 11, 2048, 1)))
    assert np.unique(signs, axis=0).shape == signs.shape == (2048, 11)
    assert np.concatenate(list(sign_chunks("rademacher", 11, 2047, 1))).shape == (2047, 11)


def test_multiplier_errors_over_all_signs_are_those_without_a_factor() -> None:
    result = fitted(panel())
    found = multiplier_bootstrap(result)
    bare = result.with_vcov(cs.Cluster("g", "none"))
    errors = np.sqrt(np.diag(bare.vcov))
    np.testing.assert_allclose(found.frame["std_error"], errors, rtol=1e-10)
    sums = result.fit.influence.sums(result.fit.design.clusters["g"], N_CLUSTERS)
    largest = sorted(max(abs(v @ sums) / errors) for v in ALL_SIGNS)
    # 0.95 of 128 is 121.6: the 122nd
    np.testing.assert_allclose(found.critical_value, largest[121], rtol=1e-10)
    half = found.frame["band_high"] - found.frame["estimate"]
    np.testing.assert_allclose(half, largest[121] * errors, rtol=1e-10)


def test_multiplier_errors_by_quartiles() -> None:
    result = fitted(panel())
    found = multiplier_bootstrap(result, "g", terms=["z"], spread="iqr")
    sums = result.fit.influence.sums(result.fit.design.clusters["g"], N_CLUSTERS)[:, 1]
    low, high = np.quantile(ALL_SIGNS @ sums, [0.25, 0.75])
    np.testing.assert_allclose(found.frame["std_error"], (high - low) / 1.3489795003921634)
    assert found.frame["term"].tolist() == ["z"]


def test_what_can_not_be_drawn_is_said() -> None:
    rows = panel()
    result = fitted(rows)
    with pytest.raises(cs.SpecError, match="no term 'q'"):
        wild_bootstrap(result, "q")
    with pytest.raises(cs.SpecError, match="'mammen' are no weights"):
        wild_bootstrap(result, "x", weights="mammen")
    with pytest.raises(cs.SpecError, match="50 draws are too few"):
        multiplier_bootstrap(result, draws=50)
    with pytest.raises(cs.SpecError, match="clustered by nothing"):
        wild_bootstrap(result.with_vcov(cs.Robust()), "x")
    with pytest.raises(cs.SpecError, match="'mean' is no spread"):
        multiplier_bootstrap(result, spread="mean")
    with pytest.raises(cs.SpecError, match="is no coverage"):
        wild_bootstrap(result, "x", level=1.5)
    with pytest.raises(cs.SpecError, match="fits perfectly"):
        wild_bootstrap(fitted(rows.assign(y=0.0)), "x")
