"""Effects by group and the spread of single effects, by hand, closed form and known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.diagnostics.heterogeneity import (
    EffectsBy,
    cochran_q,
    effects_by,
    event_differences,
    event_spread,
    tau2_moments,
    tau2_reml,
    weighted_mean,
)

FIRST, YEARS, AT = 2001, 6, 3


def world(
    n_events: int, n_stayers: int, seed: int = 0, tau: float = 0.0, mean: float = 0.0
) -> tuple[cs.Panel, np.ndarray]:
    """Return units that change in their fourth year, stayers, and each event's true effect.

    The noise of a unit-year is normal with standard deviation 0.5.
    """
    rng = np.random.default_rng(seed)
    truth = mean + tau * rng.normal(size=n_events)
    units = [f"e{i:03d}" for i in range(n_events)] + [f"s{i:03d}" for i in range(n_stayers)]
    rows = []
    for i, u in enumerate(units):
        for t in range(YEARS):
            after = i < n_events and t >= AT
            y = 0.5 * rng.normal() + (truth[i] if after else 0.0)
            rows.append((u, FIRST + t, f"{u}{'b' if after else 'a'}", y))
    columns = ["unit_id", "school_year_end", "leader_id", "estimate"]
    frame = pd.DataFrame(rows, columns=columns)
    tenures = cs.Tenures.from_roster(frame.drop(columns="estimate"), role="head")
    outcomes = cs.Outcomes.from_frame(frame.drop(columns="leader_id"), measure="y")
    return cs.Panel.build(tenures, outcomes), truth


PANEL, _ = world(40, 20)
DESIGN = cs.Stacked(pre=2, post=2)


def with_reasons(sizes: dict[str, int]) -> cs.Panel:
    """Return the panel with exit types of the events, so many of each in turn."""
    types = [name for name, n in sizes.items() for _ in range(n)]
    types += [pd.NA] * (len(PANEL.events) - len(types))
    return replace(PANEL, events=PANEL.events.assign(exit_type=pd.array(types, dtype="str")))


def study(sizes: dict[str, int], min_events: int = 10) -> EffectsBy:
    panel = with_reasons(sizes)
    return effects_by(panel, DESIGN, "y", "exit_type", min_events=min_events)


def test_groups_contrasts_and_their_test_by_hand() -> None:
    """With one stack, a group's effect is the mean change of its events less that of stayers."""
    found = study({"voluntary": 22, "involuntary": 18})
    y = PANEL.frame.pivot(index="unit_id", columns="school_year_end", values="y").to_numpy()
    change = y[:, AT:].mean(axis=1) - y[:, AT - 1]
    stayers = change[40:].mean()
    by_hand = {"involuntary": change[22:40].mean(), "voluntary": change[:22].mean()}
    assert found.groups == ("involuntary", "voluntary")
    pooled = found.pooled(0, 2)
    np.testing.assert_allclose(pooled.coef, [v - stayers for v in by_hand.values()], atol=1e-12)
    contrast = found.contrasts(0, 2)
    assert contrast.names == ("involuntary - voluntary",)
    difference = by_hand["involuntary"] - by_hand["voluntary"]
    np.testing.assert_allclose(contrast.coef, [difference], atol=1e-12)
    error = contrast.tidy()["std_error"].iloc[0]
    test = found.equality(0, 2)
    np.testing.assert_allclose(test.statistic, (difference / error) ** 2, rtol=1e-9)
    assert (test.df_num, test.df_denom) == (1, 59)


def test_stayers_cancel_in_the_error_of_a_contrast() -> None:
    """In one stack a stayer moves all paths alike; what is left are the events' deviations."""
    found = study({"voluntary": 22, "involuntary": 18})
    contrast = found.contrasts(0, 2).with_vcov(cs.Cluster("unit_id", "none"))
    y = PANEL.frame.pivot(index="unit_id", columns="school_year_end", values="y").to_numpy()
    change = y[:, AT:].mean(axis=1) - y[:, AT - 1]
    variance = sum(c.var() / c.size for c in (change[:22], change[22:40]))
    np.testing.assert_allclose(contrast.vcov, [[variance]], rtol=1e-9)


def test_small_groups_are_pooled() -> None:
    found = study({"voluntary": 20, "involuntary": 9, "other": 8, "unknown": 3})
    assert found.groups == ("voluntary", "other groups")
    assert found.result.keys.groupby("series")["n_events"].first().to_dict() == {
        "voluntary": 20,
        "other groups": 20,
    }


def test_groups_too_small_to_pool_are_left_out_and_counted() -> None:
    found = study({"voluntary": 20, "involuntary": 15, "other": 5})
    assert found.groups == ("involuntary", "voluntary")
    reason = "in groups with fewer than 10 events"
    assert (found.result.frames["fates"]["fate"] == reason).sum() == 5
    assert f"5 changes {reason}" in found.result.summary()


def test_what_is_missing_is_a_group() -> None:
    assert study({"voluntary": 20}).groups == ("not known", "voluntary")


def test_no_group_of_few_is_named_anywhere() -> None:
    found = study({"voluntary": 20, "involuntary": 17, "death": 3})
    texts = [found.summary(), found.result.summary(), found.result.tidy().to_string()]
    texts += [table.to_string() for table in found.result.frames.values()]
    assert not any("death" in text for text in texts)
    assert all("voluntary" in text for text in texts[:3])


def test_fewer_than_two_groups_can_not_be_compared() -> None:
    with pytest.raises(IdentificationError, match="1 group"):
        study({"voluntary": 35, "other": 5})


def test_a_column_that_there_is_not_is_refused() -> None:
    with pytest.raises(SpecError, match="moon"):
        effects_by(PANEL, DESIGN, "y", "moon")


def test_numbers_are_cut_into_terciles_of_the_events() -> None:
    """By the outcome at event time -1: 14, 13 and 13 of forty events."""
    found = effects_by(PANEL, DESIGN, "y", "y")
    assert found.groups == ("y bottom third", "y middle third", "y top third")
    counts = found.result.keys.drop_duplicates("series")["n_events"].tolist()
    assert sorted(counts) == [13, 13, 14]
    effects = found.pooled().coef
    assert effects[0] > effects[1] > effects[2], "what was low by chance comes back"


def test_yes_and_no_and_few_numbers_are_groups_of_their_own() -> None:
    half = PANEL.frame["unit_id"].str[1:].astype(int) % 2
    panel = replace(PANEL, frame=PANEL.frame.assign(charter=half == 1, size=half + 1))
    assert effects_by(panel, DESIGN, "y", "charter").groups == ("charter", "not charter")
    assert effects_by(panel, DESIGN, "y", "size").groups == ("size 1", "size 2")


def test_the_order_of_events_is_told_up_to_the_third() -> None:
    order = np.repeat([1, 2, 3, 7], 10)
    panel = replace(PANEL, events=PANEL.events.assign(event_order=order))
    found = effects_by(panel, DESIGN, "y", "event_order")
    assert found.groups == ("order 1", "order 2", "order 3 or later")


# --- the spread of single effects -----------------------------------------------------------------


def test_differences_and_their_variance_by_hand() -> None:
    """Stayers 0 and 2 (stack 0), 1 and 5 (stack 1): variances 2 and 8 on 1 + 1 df, so 5."""
    change = np.array([4.0, 0.0, 2.0, 3.0, 1.0, 5.0])
    treated = np.array([True, False, False, True, False, False])
    effect, variance, n_stayers = event_differences(change, treated, np.array([0, 0, 0, 1, 1, 1]))
    assert effect.tolist() == [3.0, 0.0]
    assert variance.tolist() == [7.5, 7.5]
    assert n_stayers.tolist() == [2, 2]


def test_tau_by_moments_in_closed_form() -> None:
    """Weights 1, 1/2, 1/4; mean (0 + 1 + 1.5) / 1.75; excess of Q over 2 by C."""
    d, v = np.array([0.0, 2.0, 6.0]), np.array([1.0, 2.0, 4.0])
    mean = 2.5 / 1.75
    q = mean**2 + (2 - mean) ** 2 / 2 + (6 - mean) ** 2 / 4
    np.testing.assert_allclose(cochran_q(d, v), q, rtol=1e-13)
    np.testing.assert_allclose(tau2_moments(d, v), (q - 2) / (1.75 - 1.3125 / 1.75), rtol=1e-13)


def test_equal_variances_give_the_sample_variance_less_noise() -> None:
    d = np.random.default_rng(3).normal(size=30) * 2
    v = np.full(30, 0.7)
    expected = d.var(ddof=1) - 0.7
    np.testing.assert_allclose(tau2_moments(d, v), expected, rtol=1e-12)
    np.testing.assert_allclose(tau2_reml(d, v), expected, rtol=1e-10)
    assert tau2_moments(d / 10, v) == tau2_reml(d / 10, v) == 0.0


def test_restricted_likelihood_has_its_maximum_there() -> None:
    rng = np.random.default_rng(5)
    v = rng.uniform(0.2, 2, size=25)
    d = rng.normal(size=25) * np.sqrt(v + 1.5)

    def minus_log_likelihood(tau2: float) -> float:
        mean, error = weighted_mean(d, v + tau2)
        fit = np.log(v + tau2).sum() + ((d - mean) ** 2 / (v + tau2)).sum()
        return float(fit - 2 * np.log(error)) / 2

    best = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(0, 20), method="bounded", options={"xatol": 1e-10}
    )
    np.testing.assert_allclose(tau2_reml(d, v), best.x, rtol=1e-6)


@pytest.mark.parametrize("method", ["REML", "DL"])
def test_known_spread_is_found(method: str) -> None:
    """Effects of standard deviation 0.6 around 0.3; 400 events, 200 stayers, one stack.

    A change has the variance 0.25 / 3 + 0.25 / 2, so that tau2 has a standard error of about
    (0.36 + 0.21) sqrt(2 / 400) = 0.04; the ratio of variances is 2.73.
    """
    panel, truth = world(400, 200, seed=8, tau=0.6, mean=0.3)
    design = replace(DESIGN, base=cs.EarlyBase(-2, -1))
    spread = event_spread(panel, design, "y", method=method)  # type: ignore[arg-type]
    assert abs(spread.tau2 - truth.var(ddof=1)) < 0.08
    assert abs(spread.mean - truth.mean()) < 0.1
    inside = (truth > spread.prediction[0]) & (truth < spread.prediction[1])
    assert 0.92 < inside.mean() < 0.98
    ratio = spread.variance_ratio.tidy()
    noise = 0.25 / 3 + 0.25 / 2
    assert abs(ratio["estimate"].iloc[0] - np.log(1 + truth.var() / noise)) < 0.35
    assert ratio["p_value"].iloc[0] < 1e-4
    assert np.corrcoef(spread.events["effect"], truth)[0, 1] > 0.7


def test_the_variance_ratio_and_its_error_by_hand() -> None:
    """In one stack: the ratio of sample variances; an error near that of normal samples."""
    panel, _ = world(300, 300, seed=2)
    found = event_spread(panel, DESIGN, "y", first=0, last=0)
    y = panel.frame.pivot(index="unit_id", columns="school_year_end", values="y").to_numpy()
    change = y[:, AT] - y[:, AT - 1]
    ratio = np.log(change[:300].var(ddof=1) / change[300:].var(ddof=1))
    row = found.variance_ratio.tidy().iloc[0]
    np.testing.assert_allclose(row["estimate"], ratio, rtol=1e-10)
    assert abs(row["std_error"] / np.sqrt(4 / 299) - 1) < 0.15
    parts = [change[:300], change[300:]]
    by_unit = [
        ((c - c.mean()) ** 2 - c.var(ddof=1) * (1 - 1 / 300)) / (c.var(ddof=1) * 299) for c in parts
    ]
    error = np.sqrt(sum((b**2).sum() for b in by_unit) * 600 / 599)
    np.testing.assert_allclose(row["std_error"], error, rtol=1e-10)


def test_no_spread_rejects_as_often_as_it_says() -> None:
    """Of 30 draws without spread, 1.5 are expected at level .05; seven or more has chance .001."""
    p_values = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        base = PANEL.frame.assign(y=rng.normal(size=len(PANEL.frame)))
        spread = event_spread(replace(PANEL, frame=base), DESIGN, "y")
        p_values.append(spread.variance_ratio.tidy()["p_value"].iloc[0])
    assert (np.array(p_values) < 0.05).sum() < 7


def test_words_of_the_spread() -> None:
    text = str(event_spread(PANEL, DESIGN, "y"))
    assert text.startswith("Mean effect of 40 events: ")
    assert "95% prediction interval" in text
    assert "for better or worse" in text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"method": "ML"}, "'REML' or 'DL'"),
        ({"first": 3}, "outside 0 to 2"),
        ({"first": 2, "last": 1}, "outside 0 to 2"),
    ],
)
def test_bad_choices_are_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        event_spread(PANEL, DESIGN, "y", **more)  # type: ignore[arg-type]


def test_a_single_event_has_no_lag_adjusted_effect() -> None:
    with pytest.raises(SpecError, match="lag-adjusted"):
        event_spread(PANEL, replace(DESIGN, base=cs.LagAdjusted(1)), "y")


@pytest.mark.parametrize(
    ("n_events", "n_stayers", "words"),
    [(2, 5, "three are needed"), (5, 1, "two stayers")],
)
def test_too_few_to_tell_a_spread(n_events: int, n_stayers: int, words: str) -> None:
    panel, _ = world(n_events, n_stayers)
    with pytest.raises(IdentificationError, match=words):
        event_spread(panel, DESIGN, "y")
