"""Sensitivity to trends: the published example, closed forms, linear programs, worst cases.

The example is that of the HonestDiD documentation (README of the R package 0.2, "Sensitivity
analysis"): Medicaid expansion and insurance, states first treated in 2014 against those not
treated by 2015, years 2008 to 2015. Estimates and their covariance by state were made from the
data that it names (as shipped in the Python package moderndid 0.2.0) with `cs.linear_model`; the
intervals are the printed ones, which R found on a grid with steps of 0.0004.
"""

import numpy as np
import pytest
from scipy import optimize, stats

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.diagnostics.fixed_length import fixed_length, folded_quantile
from churnstats.diagnostics.sensitivity import sensitivity_to_trends
from churnstats.diagnostics.trend_bounds import (
    RelativeMagnitudes,
    Smoothness,
    Trends,
    accepted,
    confidence_set,
    least_favourable,
    moments_of,
    pieces_of,
)
from reference.test_pretrends import study

INSURED = [
    -0.00528535453,
    -0.0112973246,
    -0.00267599181,
    -0.00141931225,
    0.000339663519,
    0.0464468542,
    0.0692061755,
]
INSURED_VCOV = [  # lower triangle, times 1e5
    [7.4884836],
    [6.0398741, 7.2665006],
    [4.4446198, 3.7893302, 5.0520519],
    [3.3857647, 2.8665780, 2.6736794, 4.0032220],
    [4.3280113, 4.5433206, 2.7781936, 2.4128600, 5.4626622],
    [4.7658805, 4.4288501, 3.0606441, 2.3808682, 3.6825311, 8.3756688],
    [2.4251287, 2.8246550, 0.9637534, 0.2923878, 0.9722948, 6.3213980, 10.7123523],
]


def insurance():
    lower = np.zeros((7, 7))
    for i, row in enumerate(INSURED_VCOV):
        lower[i, : i + 1] = row
    vcov = 1e-5 * (lower + np.tril(lower, -1).T)
    return study([-6, -5, -4, -3, -2, 0, 1], INSURED, vcov)


def random_trends(seed, n_pre, n_post):
    rng = np.random.default_rng(seed)
    n = n_pre + n_post
    root = rng.normal(size=(n, n)) * 0.1 + np.eye(n) * 0.3
    return Trends(rng.normal(size=n) * 0.4, root @ root.T, n_pre, rng.normal(size=n_post))


def test_relative_magnitudes_agree_with_the_published_example():
    found = sensitivity_to_trends(insurance(), RelativeMagnitudes((0.5, 1.0, 1.5, 2.0)))
    table = found.frame()
    low, high = [0.0241, 0.0171, 0.00859, -0.00107], [0.0673, 0.0720, 0.0796, 0.0883]
    assert table["conf_low"].tolist() == pytest.approx(low, abs=5e-4)
    assert table["conf_high"].tolist() == pytest.approx(high, abs=5e-4)
    assert 1.9 < found.breakdown < 2.0


def test_smoothness_agrees_with_the_published_example():
    found = sensitivity_to_trends(insurance(), Smoothness((0, 0.01, 0.02, 0.03, 0.04, 0.05)))
    table = found.frame()
    low = [0.0259, 0.0132, 0.00286, -0.00714, -0.0171, -0.0271]
    high = [0.0607, 0.0787, 0.0907, 0.101, 0.111, 0.121]
    assert table["conf_low"].tolist() == pytest.approx(low, abs=1e-4)
    assert table["conf_high"].tolist() == pytest.approx(high, abs=3e-4)
    at_the_edge = sensitivity_to_trends(insurance(), Smoothness((found.breakdown,))).frame()
    assert at_the_edge["conf_low"].item() == pytest.approx(0, abs=1e-6)


def test_one_lead_and_one_year_have_closed_forms():
    vcov = np.array([[0.04, 0.01], [0.01, 0.09]])
    made, bound = study([-2, 0], [0.3, 1.5], vcov), 0.2
    centre, sd = 1.5 + 0.3, np.sqrt(0.04 + 0.09 + 2 * 0.01)
    fixed = sensitivity_to_trends(made, Smoothness((bound,))).frame().iloc[0]
    half = sd * stats.foldnorm(bound / sd).ppf(0.95)
    assert fixed["conf_low"] == pytest.approx(centre - half, abs=1e-9)
    assert fixed["conf_high"] == pytest.approx(centre + half, abs=1e-9)
    assert [fixed["identified_low"], fixed["identified_high"]] == pytest.approx([1.6, 2.0])
    tested = sensitivity_to_trends(made, Smoothness((bound,), "conditional")).frame().iloc[0]
    half = bound - sd * stats.norm.ppf(0.05 * stats.norm.cdf(bound / sd))
    assert tested["conf_low"] == pytest.approx(centre - half, abs=1e-9)
    assert tested["conf_high"] == pytest.approx(centre + half, abs=1e-9)
    relative = sensitivity_to_trends(made, RelativeMagnitudes((2.0,))).frame().iloc[0]
    assert [relative["identified_low"], relative["identified_high"]] == pytest.approx([0.9, 2.1])


def by_linear_programs(trends, piece, theta, size, first):
    """Return whether the test of Andrews, Roth and Pakes keeps theta, by its definition."""
    a = np.vstack([piece.moves - piece.limit, -piece.moves - piece.limit])
    d = np.concatenate([piece.constant, piece.constant])
    basis = np.linalg.svd(trends.weights[None])[2]  # first row along the weights
    gamma = np.vstack([trends.weights, basis[1:]])
    after = a[:, trends.n_pre :] @ np.linalg.inv(gamma)
    y, x = a @ trends.coef - d - after[:, 0] * theta, after[:, 1:]
    vcov = a @ trends.vcov @ a.T
    sigma = np.sqrt(np.diag(vcov))
    # the dual, and the range of its optimum over which the same corner is best
    dual = optimize.linprog(
        -y, A_eq=np.vstack([x.T, sigma]), b_eq=[0] * x.shape[1] + [1], method="highs"
    )
    eta, corner = -dual.fun, dual.x
    if eta <= 0:  # never rejected, and the corner may have no variance
        return True
    variance = corner @ vcov @ corner
    b = vcov @ corner / variance
    s = y - b * eta
    ends = []
    for sign in (1, -1):
        cost = np.r_[sign, np.zeros(x.shape[1])]
        rows = np.column_stack([b - sigma, -x])
        found = optimize.linprog(cost, A_ub=rows, b_ub=-s, bounds=(None, None), method="highs")
        ends.append(sign * found.fun if found.status == 0 else -sign * np.inf)
    low, high = ends
    if first is not None:
        if eta > first:
            return False
        high, size = min(high, first), (size - size / 10) / (1 - size / 10)
    law = stats.norm(scale=np.sqrt(variance))
    cut = law.ppf(law.cdf(low) + (1 - size) * (law.cdf(high) - law.cdf(low)))
    return eta <= cut


@pytest.mark.parametrize("restriction", [RelativeMagnitudes((1.0,)), Smoothness((0.2,), "hybrid")])
def test_the_conditional_test_agrees_with_its_linear_programs(restriction):
    n_kept = 0
    for seed in range(4):
        trends = random_trends(seed, 2, 3)
        for piece in pieces_of(trends, restriction, restriction.bounds[0]):
            moments = moments_of(trends, piece)
            first = least_favourable(moments.vcov, 0.005, 0)
            grid = moments.centre + moments.reach * np.linspace(-0.6, 0.6, 9)
            for critical in (None, first):
                kept = accepted(moments, grid, 0.05, critical)
                expected = [by_linear_programs(trends, piece, t, 0.05, critical) for t in grid]
                assert kept.tolist() == expected
                n_kept += int(kept.sum())
    assert n_kept > 10


def test_the_least_favourable_value_of_independent_normals_is_sidaks():
    value = least_favourable(np.eye(4), 0.05, 3)
    assert value == pytest.approx(stats.norm.ppf(0.95 ** (1 / 4)), abs=0.03)


@pytest.mark.parametrize("bound", [0.0, 0.05, 0.3])
def test_the_fixed_length_interval_is_the_shortest_of_a_fine_search(bound):
    trends = random_trends(11, 2, 2)
    low, high = fixed_length(
        trends.coef, trends.vcov, trends.differences(2), trends.weights, bound, 0.05
    )

    def length(first):  # weights on leads that leave out linear trends: -2 a - b + t'l = 0
        second = -2 * first + trends.weights @ [1, 2]
        v = np.r_[first, second, trends.weights]
        q = np.linalg.lstsq(trends.differences(2).T, v, rcond=None)[0]
        sd = np.sqrt(v @ trends.vcov @ v)
        return 2 * sd * folded_quantile(bound * np.abs(q).sum() / sd, 0.05)

    assert np.linalg.matrix_rank(trends.differences(2)) == 3
    search = optimize.minimize_scalar(length, bounds=(-20, 20), options={"xatol": 1e-12})
    fine = min(search.fun, *(length(a) for a in np.linspace(-5, 5, 2001)))
    assert high - low == pytest.approx(fine, rel=1e-6)


def test_intervals_cover_under_the_worst_trend():
    trends = random_trends(2, 2, 2)
    bound, size, n = 3.0, 0.05, 2000
    rng = np.random.default_rng(4)
    # the worst trend of a fixed-length interval bends by the bound in each year, as its weights do
    bend = bound * np.sign(np.linalg.solve(trends.differences(2)[-2:, 2:].T, trends.weights))
    delta = np.r_[0.0, 0.0, np.linalg.solve(trends.differences(2)[-2:, 2:], bend)]
    draws = rng.multivariate_normal(delta, trends.vcov, n)
    vcov = moments_of(trends, pieces_of(trends, Smoothness((bound,)), bound)[0]).vcov
    for method, first in (
        ("conditional", None),
        ("hybrid", least_favourable(vcov, size / 10, 0)),
    ):
        n_kept = 0
        for draw in draws:
            made = Trends(draw, trends.vcov, 2, trends.weights)
            moments = moments_of(made, pieces_of(made, Smoothness((bound,), method), bound)[0])
            n_kept += int(accepted(moments, np.zeros(1), size, first)[0])
        assert 0.93 < n_kept / n < 0.97


def test_more_is_allowed_with_a_larger_bound_and_zero_is_parallel_or_linear():
    trends = random_trends(7, 3, 3)
    for restriction in (
        RelativeMagnitudes(method="conditional"),
        Smoothness((1.0,), "hybrid"),
        Smoothness((1.0,)),
    ):
        ends = [confidence_set(trends, restriction, m, 0.05) for m in (0.0, 0.2, 0.5, 1.0, 3.0)]
        width = [high - low for low, high in ends]
        assert (np.diff(width) > 0).all()


def test_breakdown_says_when_there_is_none():
    made = study([-2, 0], [0.0, 0.1], np.eye(2))
    found = sensitivity_to_trends(made, Smoothness((0.1,)))
    assert np.isnan(found.breakdown)
    assert "already" in found.summary()


def test_what_can_not_be_asked_is_refused_by_name():
    made = insurance()
    with pytest.raises(SpecError, match="event times are 0 to 1"):
        sensitivity_to_trends(made, RelativeMagnitudes(), weights={5: 1.0})
    with pytest.raises(SpecError, match="not one of flci"):
        Smoothness((0.1,), "exact")
    with pytest.raises(SpecError, match="from 0 on"):
        RelativeMagnitudes((-1.0,))
    gaps = study([-4, -2, 0], np.zeros(3), np.eye(3))
    with pytest.raises(IdentificationError, match="-3"):
        sensitivity_to_trends(gaps, RelativeMagnitudes())
    with pytest.raises(SpecError, match="no event study"):
        sensitivity_to_trends(made.lincom({"a": {"k=+0": 1}}), RelativeMagnitudes())


def test_pictures_and_summaries_are_made():
    found = sensitivity_to_trends(insurance(), RelativeMagnitudes((1.0, 2.0)), weights={1: 1.0})
    assert "event time +1" in found.summary()
    assert len(found.plot().axes) == 1
    assert isinstance(insurance(), cs.Result)
