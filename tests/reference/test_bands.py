"""Sup-t critical values against closed forms and integrals.

The quantile of n draws is a binomial order statistic: the true distribution at it lies within four
Monte Carlo errors, sqrt(p (1 - p) / n), of the level.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import churnstats as cs
from churnstats.inference.bands import sup_t_critical_value, uniform_bands
from churnstats.inference.vcov import CR2
from support import example_rows, examples

DRAWS = 40_000


def assert_level(chance: float, level: float) -> None:
    assert abs(chance - level) < 4 * np.sqrt(level * (1 - level) / DRAWS)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("df", [np.inf, 6.0])
def test_one_estimate_has_the_quantile_of_its_own(level: float, df: float) -> None:
    found = sup_t_critical_value(np.array([[3.0]]), level, DRAWS, 1, df)
    law = stats.t(df) if np.isfinite(df) else stats.norm
    assert_level(1 - 2 * law.sf(found), level)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_independent_estimates_have_that_of_sidak(k: int) -> None:
    found = sup_t_critical_value(np.diag(np.arange(1.0, k + 1)), 0.95, DRAWS, 2)
    assert_level((1 - 2 * stats.norm.sf(found)) ** k, 0.95)


def inside_square(c: float, rho: float, df: float) -> float:
    """Return the chance that two correlated t are within c, by integrals."""

    def normal(limit: float) -> float:
        spread = np.sqrt(1 - rho**2)

        def given(u: float) -> float:
            high, low = (limit - rho * u) / spread, (-limit - rho * u) / spread
            return stats.norm.pdf(u) * (stats.norm.cdf(high) - stats.norm.cdf(low))

        return integrate.quad(given, -limit, limit, epsabs=1e-9)[0]

    if not np.isfinite(df):
        return normal(c)
    scale = stats.chi2(df)
    shares = (np.arange(200) + 0.5) / 200
    return float(np.mean([normal(c * np.sqrt(scale.ppf(s) / df)) for s in shares]))


@pytest.mark.parametrize(("rho", "df"), [(0.7, np.inf), (-0.95, np.inf), (0.5, 5.0)])
def test_two_correlated_estimates_have_that_of_the_integral(rho: float, df: float) -> None:
    vcov = np.array([[4.0, 2 * 0.5 * rho], [2 * 0.5 * rho, 0.25]])
    found = sup_t_critical_value(vcov, 0.9, DRAWS, 3, df)
    assert_level(inside_square(found, rho, df), 0.9)


def test_estimates_that_are_the_same_count_once() -> None:
    same = sup_t_critical_value(np.full((4, 4), 2.0), 0.95, DRAWS, 4)
    assert_level(1 - 2 * stats.norm.sf(same), 0.95)


def test_estimates_without_a_variance_are_left_out() -> None:
    vcov = np.diag([1.0, 0.0, np.nan])
    one = sup_t_critical_value(np.eye(1), 0.95, 999, 5)
    assert sup_t_critical_value(vcov, 0.95, 999, 5) == one
    assert np.isnan(sup_t_critical_value(np.zeros((2, 2)), 0.95, 999, 5))
    no_covariance = np.array([[1.0, 1.4], [1.4, 1.0]])
    assert np.isnan(sup_t_critical_value(no_covariance, 0.95, 999, 5))


def test_draws_depend_on_the_seed_alone() -> None:
    vcov = np.eye(3)
    assert sup_t_critical_value(vcov, 0.9, 2500, 1) == sup_t_critical_value(vcov, 0.9, 2500, 1)
    assert sup_t_critical_value(vcov, 0.9, 2500, 1) != sup_t_critical_value(vcov, 0.9, 2500, 2)


def test_bands_are_estimates_and_critical_errors() -> None:
    result = examples()["linear_model"]
    found = uniform_bands(result, ["z", "x"], level=0.9, draws=999, seed=6)
    assert found["term"].tolist() == ["z", "x"]
    tidy = result.tidy().set_index("term").loc[["z", "x"]]
    critical = sup_t_critical_value(result.vcov[::-1, ::-1], 0.9, 999, 6, result.choice.df)
    assert (found["critical_value"] == critical).all()
    np.testing.assert_allclose(found["std_error"], tidy["std_error"], rtol=1e-12)
    half = critical * tidy["std_error"].to_numpy()
    np.testing.assert_allclose(found["band_low"], tidy["estimate"] - half, rtol=1e-12)
    np.testing.assert_allclose(found["band_high"], tidy["estimate"] + half, rtol=1e-12)


def test_degrees_of_freedom_by_term_use_the_smallest() -> None:
    rows = example_rows().dropna()
    fit = cs.linear_model(rows, "y ~ x + z", vcov=cs.Cluster("b"))
    result = fit.with_vcov(CR2("b"))
    smallest = min(result.choice.df)
    assert smallest < max(result.choice.df) - 0.1
    found = uniform_bands(result, draws=999)["critical_value"].iloc[0]
    assert found == sup_t_critical_value(result.vcov, 0.95, 999, 0, smallest)


def test_what_has_no_band_is_said() -> None:
    results = examples()
    with pytest.raises(cs.SpecError, match="another scale"):
        uniform_bands(results["kaplan_meier"])
    with pytest.raises(cs.SpecError, match="no such terms"):
        uniform_bands(results["linear_model"], ["q"])
    with pytest.raises(cs.SpecError, match="is no coverage"):
        sup_t_critical_value(np.eye(2), 1.0)


def test_event_time_comes_with_the_band() -> None:
    data = cs.datasets.load_mlb()
    panel = cs.Panel.build(data.tenures, data.outcomes)
    study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    found = uniform_bands(study, draws=999)
    assert isinstance(found, pd.DataFrame)
    assert found["event_time"].tolist() == [-2, 0, 1]
