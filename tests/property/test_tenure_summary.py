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
    """Return spells of which nobody knows how the last year of censored ones ended."""
    watched = ~spells["right_censored"]
    return cs.Tenures.from_spells(spells.assign(stop_watched=watched), role="head")


def test_averages_equal_those_by_hand() -> None:
    """Survival: 4/5 after 2 years (d of a, b, d, e, g), 2/3 of it after 4 (a of a, b, e: g was
    censored just then), 0 after 8 (c alone).
    """
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
    np.testing.assert_allclose(summary.survival.coef, [0.8, 0.8 * 2 / 3, 0.0], atol=1e-12)
    # completed: u1 is 2/3 below, u2 2/3 above the mean of three; two clusters double the variance
    error = np.sqrt(2 * 2 * (2 / 3) ** 2) / 3
    reach = stats.t(1).ppf([0.025, 0.975]) * error
    np.testing.assert_allclose(
        table.loc[0, ["conf_low", "conf_high"]].astype(float), 14 / 3 + reach
    )
    assert np.isnan(table.loc[1, ["conf_low", "conf_high"]].astype(float)).all()


def test_counts_tell_units_leaders_changes_and_how_spells_are_cut_off() -> None:
    assert cs.tenure_summary(tenures()).counts["n"].tolist() == [3, 7, 4, 0, 7, 3, 1, 0, 3, 0, 1, 0]
    roster = pd.DataFrame(
        [("u", 2010, "a"), ("u", 2011, "b"), ("u", 2013, "b"), ("u", 2014, "b"), ("u", 2016, "c"),
         ("v", 2010, "d"), ("v", 2011, "e"), ("v", 2012, "f")],
        columns=["unit_id", "school_year_end", "leader_id"],
    )  # fmt: skip
    made = cs.tenure_summary(cs.Tenures.from_roster(roster, role="head"), at=2011.5).counts
    assert made.set_index("count")["n"].to_dict() == {
        "units": 2,
        "leaders": 6,
        "changes of leader": 4,
        "changes with a date that is not known": 1,
        "spells": 7,
        "start and end known": 1,
        "start unknown (left-censored)": 4,
        "    of these after a gap": 2,
        "end unknown (right-censored)": 4,
        "    of these before a gap": 2,
        "entered late": 0,
        "begun beside a leader in post": 0,
    }
    share = made.set_index("count")["share_of_spells"]
    assert share["start unknown (left-censored)"] == 4 / 7
    assert share[:4].isna().all()
    assert "    of these after a gap" in str(cs.tenure_summary(tenures()))


def test_who_is_censored_at_a_time_is_at_risk_at_it_only_if_watched() -> None:
    frame = SPELLS.assign(start=2000.0, entry=2000.0, left_censored=False).iloc[:5]
    frame = frame.assign(
        unit_id=list("vwxyz"), stop=[2001.0, 2001.0, 2001.0, 2003.0, 2003.0],
        right_censored=[False, True, True, False, True],
    )  # fmt: skip
    survival = cs.tenure_summary(tenures(frame), at=2000.5).survival
    np.testing.assert_allclose(survival.coef, [2 / 3, 0.0])
    assert survival.keys["n_at_risk"].tolist() == [3, 1]
    watched = cs.Tenures.from_spells(frame, role="head")
    survival = cs.tenure_summary(watched, at=2000.5).survival
    np.testing.assert_allclose(survival.coef, [4 / 5, 4 / 5 * 1 / 2])
    assert survival.keys["n_at_risk"].tolist() == [5, 2]


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


def test_a_row_a_term_has_the_averages_of_a_row_a_leader() -> None:
    terms = pd.concat(
        [
            SPELLS[SPELLS["leader_id"] != "c"],
            SPELLS[SPELLS["leader_id"] == "c"].assign(stop=2001.0),
            SPELLS[SPELLS["leader_id"] == "c"].assign(start=2001.0, entry=2001.0),
        ]
    )
    # the last term of g is not over
    terms.loc[terms["leader_id"] == "g", ["stop", "right_censored"]] = 2008.0, False
    last = SPELLS[SPELLS["leader_id"] == "g"].assign(start=2008.0, entry=2008.0)
    whole, made = (
        cs.tenure_summary(tenures(spells), at=2002.0)
        for spells in (SPELLS, pd.concat([terms, last], ignore_index=True))
    )
    pd.testing.assert_frame_equal(made.averages, whole.averages)
    pd.testing.assert_frame_equal(made.counts, whole.counts)
    np.testing.assert_array_equal(made.survival.coef, whole.survival.coef)


def test_words_tell_what_is_left_out() -> None:
    text = str(cs.tenure_summary(tenures()))
    assert "Incumbents are the 2 of 3 in post at school-year time 2005 whose start is known" in text
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
