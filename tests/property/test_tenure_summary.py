"""The averages of tenure by hand, and medians where survival is one half on paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import churnstats as cs
from churnstats.core.errors import SpecError
from churnstats.diagnostics.tenure import median_survival

COLUMNS = ["unit_id", "leader_id", "start", "stop", "entry", "left_censored", "right_censored"]
SPELLS = pd.DataFrame(
    [
        ("u1", "a", 2000.0, 2004.0, 2000.0, False, False),
        ("u1", "b", 2004.0, 2010.0, 2004.0, False, True),
        ("u2", "c", 1995.0, 2003.0, 2000.0, False, False),
        ("u2", "d", 2003.0, 2005.0, 2003.0, False, False),
        ("u2", "e", 2005.0, 2010.0, 2005.0, False, True),
        ("u3", "f", 2000.0, 2006.0, 2000.0, True, False),
        ("u3", "g", 2006.0, 2010.0, 2006.0, False, True),
    ],
    columns=COLUMNS,
)


def tenures(spells: pd.DataFrame = SPELLS) -> cs.Tenures:
    return cs.Tenures.from_spells(spells, role="head")


def test_averages_equal_those_by_hand() -> None:
    """Survival: 4/5 after 2 years (d of a, b, d, e, g), 3/5 after 4 (a), 0 after 8 (c alone)."""
    summary = cs.tenure_summary(tenures())
    assert summary.at == 2005.0
    assert summary.n_unknown_start == 1
    table = summary.averages
    assert table["average"].tolist() == [
        "completed spells",
        "completed spells",
        "Kaplan-Meier, late entry",
        "incumbents, elapsed",
        "incumbents, completed",
    ]
    assert table["statistic"].tolist() == ["mean", "median", "median", "mean", "mean"]
    np.testing.assert_allclose(table["years"], [14 / 3, 4.0, 8.0, 0.5, 5.5])
    assert table["n"].tolist() == [3, 3, 6, 2, 2]
    assert table["n_still_in_post"].tolist() == [0, 0, 3, 0, 2]
    np.testing.assert_allclose(summary.survival.coef, [0.8, 0.6, 0.0], atol=1e-12)
    # completed: u1 is 2/3 below, u2 2/3 above the mean of three; two clusters double the variance
    error = np.sqrt(2 * 2 * (2 / 3) ** 2) / 3
    reach = stats.t(1).ppf([0.025, 0.975]) * error
    np.testing.assert_allclose(
        table.loc[0, ["conf_low", "conf_high"]].astype(float), 14 / 3 + reach
    )
    assert np.isnan(table.loc[1, ["conf_low", "conf_high"]].astype(float)).all()


def test_the_moment_and_the_level_may_be_chosen() -> None:
    table = cs.tenure_summary(tenures(), at=2003.0, level=0.8).averages
    incumbents = table[table["average"].str.startswith("incumbents")]
    # at 2003.0: a since 2000, d since 2003; c has just left
    np.testing.assert_allclose(incumbents["years"], [1.5, 3.0])
    assert incumbents["n_still_in_post"].tolist() == [0, 0]
    reach = stats.t(1).ppf(0.9) / stats.t(1).ppf(0.975)
    wide = cs.tenure_summary(tenures(), at=2003.0).averages
    half = (wide["conf_high"] - wide["conf_low"])[0] / 2
    np.testing.assert_allclose((table["conf_high"] - table["conf_low"])[0] / 2, half * reach)
    with pytest.raises(SpecError, match="nobody with a known start was in post at 1990"):
        cs.tenure_summary(tenures(), at=1990.0)


def test_words_tell_what_is_left_out() -> None:
    text = str(cs.tenure_summary(tenures()))
    assert "Incumbents are those in post at school-year time 2005." in text
    assert "1 spells with an unknown start are in none of them." in text
    assert "incumbents, completed" in text


def test_one_unit_has_averages_without_intervals() -> None:
    table = cs.tenure_summary(tenures(SPELLS[SPELLS["unit_id"] == "u2"])).averages
    np.testing.assert_allclose(table["years"], [5.0, 5.0, 2.0, 0.0, 5.0])
    assert table[["conf_low", "conf_high"]].isna().all(axis=None)


@pytest.mark.parametrize("n", range(2, 60, 2))
def test_the_median_is_where_half_are_left_however_survival_was_rounded(n: int) -> None:
    rows = pd.DataFrame({"years": np.arange(1.0, n + 1), "left": 1})
    median, low, high = median_survival(cs.kaplan_meier(rows, exit="years", event="left"))
    assert median == n / 2
    assert low <= median
    assert np.isnan(high) or high >= median


def test_the_median_and_its_interval_are_where_curve_and_bands_cross_one_half() -> None:
    rows = pd.DataFrame({"years": np.repeat(np.arange(1.0, 9.0), 12), "left": 1})
    result = cs.kaplan_meier(rows, exit="years", event="left")
    tidy = result.tidy()
    expected = [
        tidy.loc[(tidy[c] <= 0.5).idxmax(), "time"] for c in ("estimate", "conf_low", "conf_high")
    ]
    assert list(median_survival(result)) == expected == [4.0, 4.0, 5.0]


def test_a_curve_that_stays_above_one_half_has_no_median() -> None:
    rows = pd.DataFrame({"years": [1.0, 2.0, 3.0, 4.0, 5.0], "left": [1, 0, 0, 0, 0]})
    median, _, high = median_survival(cs.kaplan_meier(rows, exit="years", event="left"))
    assert np.isnan(median)
    assert np.isnan(high)
