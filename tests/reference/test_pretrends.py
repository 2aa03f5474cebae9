"""Tests of leads: closed forms for one lead, numerical integration for two."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.diagnostics.equivalence import lead_equivalence
from churnstats.diagnostics.event_path import box_moments
from churnstats.diagnostics.pretrends import passed_pretest, pretrend_power
from churnstats.inference.result import Description
from churnstats.inference.vcov import Covariance


def study(times, coef, vcov, df=np.inf, base=(-1,)):
    """Return an event study with given estimates."""
    matrix = np.asarray(vcov, dtype=float)
    choice = Covariance(matrix, "given", "none", df, {})
    return cs.Result(
        description=Description("event_study", "Made up", "score"),
        names=tuple(f"k={t:+d}" for t in times),
        coef=np.asarray(coef, dtype=float),
        choice=choice,
        keys=pd.DataFrame({"event_time": list(times), "n_events": 10, "in_base": False}),
        frames={"base": pd.DataFrame({"event_time": list(base), "n_events": 10, "in_base": True})},
        glance_values={},
        ledger=RowLedger(),
    )


TWO = np.array([[0.04, 0.015, 0.01], [0.015, 0.02, 0.008], [0.01, 0.008, 0.03]])


def test_one_lead_has_the_closed_form_of_the_truncated_normal():
    vcov = np.array([[0.04, 0.018], [0.018, 0.09]])
    found = passed_pretest(study([-2, 0], [0.1, 0.5], vcov), slope=0.3)
    cut = stats.norm.ppf(0.975) * 0.2
    law = stats.truncnorm((-cut + 0.3) / 0.2, (cut + 0.3) / 0.2, loc=-0.3, scale=0.2)
    table = found.frame()
    assert found.chance_to_pass == pytest.approx(
        stats.norm.cdf((cut + 0.3) / 0.2) - stats.norm.cdf((-cut + 0.3) / 0.2), abs=1e-12
    )
    assert table["trend"].tolist() == pytest.approx([-0.3, 0.3])
    expected = 0.3 + 0.018 / 0.04 * (law.mean() + 0.3)
    assert table["mean_if_passed"].tolist() == pytest.approx([law.mean(), expected], abs=1e-4)
    variance = 0.09 - (0.018 / 0.04) ** 2 * (0.04 - law.var())
    assert table["std_error_if_passed"].tolist() == pytest.approx(
        [law.std(), np.sqrt(variance)], abs=1e-4
    )


def test_two_leads_agree_with_numerical_integration():
    slope, lead_vcov = 0.12, TWO[:2, :2]
    found = passed_pretest(study([-3, -2, 0], [0, 0, 0], TWO), slope=slope)
    mean, cut = slope * np.array([-2.0, -1.0]), 1.959963984540054 * np.sqrt(np.diag(lead_vcov))
    law = stats.multivariate_normal(mean, lead_vcov)

    def moment(f):
        value, _ = integrate.dblquad(
            lambda y, x: f(x, y) * law.pdf([x, y]), -cut[0], cut[0], -cut[1], cut[1], epsabs=1e-6
        )
        return value

    chance = moment(lambda x, y: 1.0)
    centre = np.array([moment(lambda x, y: x), moment(lambda x, y: y)]) / chance
    expected = slope + TWO[2, :2] @ np.linalg.solve(lead_vcov, centre - mean)
    assert found.chance_to_pass == pytest.approx(chance, abs=1e-5)
    assert found.path["mean_if_passed"].tolist() == pytest.approx([*centre, expected], abs=1e-4)


def test_the_variance_inside_the_box_agrees_with_rejection_sampling():
    mean, bound = np.array([0.3, -0.1, 0.2]), np.array([0.3, 0.25, 0.4])
    chance, centre, spread = box_moments(mean, TWO, bound)
    draws = np.random.default_rng(5).multivariate_normal(mean, TWO, 400_000)
    kept = draws[(np.abs(draws) <= bound).all(axis=1)]
    assert chance == pytest.approx(len(kept) / len(draws), abs=0.003)
    assert centre == pytest.approx(kept.mean(axis=0), abs=0.002)
    assert spread == pytest.approx(np.cov(kept.T), abs=0.001)


def test_without_a_trend_the_power_is_the_size_and_independent_leads_multiply():
    made = study([-4, -3, -2, 0], np.zeros(4), np.diag([0.01, 0.02, 0.03, 0.04]))
    found = pretrend_power(made, [0.0, 0.1])
    sd, years = np.sqrt([0.01, 0.02, 0.03]), np.array([-3, -2, -1])
    cut = stats.norm.ppf(0.975)
    inside = stats.norm.cdf(cut - 0.1 * years / sd) - stats.norm.cdf(-cut - 0.1 * years / sd)
    assert found.curve["power_any"].tolist() == pytest.approx(
        [1 - 0.95**3, 1 - inside.prod()], abs=1e-12
    )
    shift = (0.1**2 * years**2 / sd**2).sum()
    joint = stats.ncx2.sf(stats.chi2.ppf(0.95, 3), 3, shift)
    assert found.curve["power_joint"].tolist() == pytest.approx([0.05, joint], abs=1e-10)


@pytest.mark.parametrize("df", [np.inf, 12.0])
def test_a_slope_that_is_detected_with_a_chance_has_that_power(df):
    made = study([-3, -2, 0], [0, 0, 0], TWO, df=df)
    detected = pretrend_power(made, powers=(0.5, 0.8)).detected
    for name in ("any", "joint"):
        again = pretrend_power(made, detected[f"slope_{name}"].tolist()).curve
        assert again[f"power_{name}"].tolist() == pytest.approx([0.5, 0.8], abs=1e-6)


def test_one_lead_is_detected_where_the_power_formula_says():
    made = study([-2, 0], [0.0, 0.0], np.diag([0.04, 0.04]), df=15.0)
    slope = pretrend_power(made, powers=(0.8,)).detected["slope_any"].item()
    cut = stats.t.ppf(0.975, 15)
    power = stats.norm.sf(cut - slope / 0.2) + stats.norm.cdf(-cut - slope / 0.2)
    assert power == pytest.approx(0.8, abs=1e-8)


def test_leads_are_equivalent_where_the_ninety_percent_interval_lies_inside():
    made = study([-3, -2, 0], [0.1, -0.05, 0.4], TWO, df=20.0)
    quantile = stats.t.ppf(0.95, 20)
    smallest = max(0.1 + quantile * 0.2, 0.05 + quantile * np.sqrt(0.02))
    found = lead_equivalence(made, 0.5)
    assert found.smallest_bound == pytest.approx(smallest, abs=1e-12)
    assert found.equivalent
    assert found.p_value == pytest.approx(stats.t.sf((0.5 - 0.1) / 0.2, 20), abs=1e-12)
    at_the_edge = lead_equivalence(made, smallest)
    assert at_the_edge.p_value == pytest.approx(0.05, abs=1e-12)
    assert not lead_equivalence(made, smallest * 0.999).equivalent
    assert lead_equivalence(made, 0.05).p_value == pytest.approx(stats.t.sf(-0.25, 20), abs=1e-12)


def test_what_can_not_be_tested_is_refused_by_name():
    with pytest.raises(SpecError, match="event time -1 alone"):
        pretrend_power(study([-3, -1, 0], [0, 0, 0], TWO, base=(-2,)))
    with pytest.raises(SpecError, match="several paths"):
        pretrend_power(study([-2, 0, -2], [0, 0, 0], TWO))
    with pytest.raises(IdentificationError, match="no lead"):
        pretrend_power(study([0, 1, 2], [0, 0, 0], TWO))
    with pytest.raises(IdentificationError, match="positive definite"):
        passed_pretest(study([-3, -2, 0], [0, 0, 0], np.ones((3, 3))), 0.1)
    with pytest.raises(SpecError, match="bound"):
        lead_equivalence(study([-3, -2, 0], [0, 0, 0], TWO), 0.0)
    with pytest.raises(SpecError, match="powers"):
        pretrend_power(study([-3, -2, 0], [0, 0, 0], TWO), powers=(0.01,))
    with pytest.raises(IdentificationError, match="never passes"):
        passed_pretest(study([-3, -2, 0], [0, 0, 0], TWO), 1000.0)


def test_pictures_and_summaries_are_made():
    made = study([-3, -2, 0], [0.1, -0.05, 0.4], TWO)
    for found in (pretrend_power(made), passed_pretest(made, 0.1), lead_equivalence(made, 0.5)):
        assert len(found.plot().axes) == 1
        assert str(found) == found.summary()
        assert len(found.frame())
