"""Distributed lags, local projections and stacks where changes recur: bias, size and coverage.

Changes are as frequent as superintendents' (18% a year). In `simulation.recurring` effects add
up, so that all designs estimate the path itself: changes before the clean years are as likely
behind controls as behind changes, since the hazard has no memory and is the same for all units.
Truths that are not the path:

- a change that is used at all event times, whatever follows: the path plus what later changes do,
  path[h] + HAZARD * (path[0] + ... + path[h - 1]), as controls have none up to h;
- exits after a bad year, shocks that pass, no effect: on base t-1 the mean shock of years before
  no change less that of years before one, at every other event time;
- units that differ in their hazard, by a path that reaches from before the clean years into them:
  the more frequent changes of those years are in the leads of all designs but distributed lags;
- a change that ends the effects of the one before it: the path, if it is back at zero once the
  clean years have passed. Distributed lags, whose effects add up, then err.
"""

from __future__ import annotations

import numpy as np
import pytest

import churnstats as cs
from churnstats.estimators.distributed_lags import DistributedLags
from simulation.recurring import (
    DESIGNS,
    HAZARD,
    SHOCK_SD,
    TERMS,
    Rules,
    large_world,
    recurring_replications,
)
from simulation.simulations import (
    SLACK,
    assert_near,
    assert_share,
    assert_unbiased,
    in_chunks,
    shock_before_exit,
)

PATH = (-0.10, -0.06, -0.02)
EFFECTIVE = Rules(PATH, effect_sd=0.5)
SLOPE = 1.0
BASED_ON_T_1 = ("stacked", "lags", "projections")


def study(name: str, rules: Rules, seed: int) -> cs.Result:
    return cs.event_study(large_world(seed, rules), DESIGNS[name], "score")


def truth(path: tuple[float, ...] | list[float], name: str = "lags") -> np.ndarray:
    leads = [0.0, 0.0, 0.0] if name == "projections, early base" else [0.0, 0.0]
    return np.array([*leads, *path])


@pytest.mark.parametrize("name", [n for n in DESIGNS if n != "projections, not isolated"])
def test_the_path_is_found(name: str) -> None:
    result = study(name, EFFECTIVE, 1)
    assert_near(result, truth(PATH, name))
    assert result.tidy()["std_error"].max() < 0.005, "or that would show little"


def test_changes_used_at_all_event_times_hold_what_later_changes_do() -> None:
    after = [p + HAZARD * sum(PATH[:h]) for h, p in enumerate(PATH)]
    result = study("projections, not isolated", Rules(PATH), 2)
    assert_near(result, truth(after))
    assert np.abs(result.coef[-1] - PATH[-1]) > 0.02


def test_lags_use_every_change_and_stacks_a_quarter_of_them() -> None:
    share = {}
    for name in BASED_ON_T_1:
        glance = study(name, Rules(PATH), 2).glance().iloc[0]
        share[name] = glance["n_events"] / glance["n_changes"]
    assert share["lags"] > 0.95
    assert 0.35 < share["projections"] < 0.55
    assert share["stacked"] < 0.3


def test_frequent_changes_before_the_clean_years_are_in_leads_but_not_of_lags() -> None:
    """A change in t - 4 still has its effect in t - 3, none in t - 1."""
    path = (-1.0, -1.0, 0.0)
    hazard = HAZARD * np.array([0.5, 1.5])
    changing, clean = hazard * (1 - hazard) ** 3, (1 - hazard) ** 4
    more = hazard @ (changing / changing.sum() - clean / clean.sum())
    assert 0.05 < more < 0.06
    rules = Rules(path, mixed=True)
    assert_near(study("lags", rules, 7), truth(path))
    expected = truth(path)
    expected[0] = -more
    result = study("projections", rules, 7)
    assert_near(result, expected)
    assert result.coef[0] < -4 * np.sqrt(result.vcov[0, 0])


@pytest.mark.parametrize("name", BASED_ON_T_1)
def test_base_t_minus_1_mistakes_return_to_the_mean_for_an_effect(name: str) -> None:
    mistake = -SHOCK_SD * shock_before_exit(HAZARD, SLOPE)
    assert 0.085 < mistake < 0.087
    assert_near(study(name, Rules(slope=SLOPE), 3), mistake)


def test_the_early_base_does_not() -> None:
    mistake = -SHOCK_SD * shock_before_exit(HAZARD, SLOPE)
    result = study("projections, early base", Rules(slope=SLOPE), 3)
    assert_near(result, np.where(result.tidy()["event_time"] == -1, -mistake, 0.0))


def test_lags_err_where_a_change_ends_the_effects_of_the_one_before() -> None:
    """All effects last four years: lags take a second change in these for no effect."""
    four_years = Rules((-0.1, -0.1, -0.1, -0.1, 0.0), replaces=True)
    for name in ("stacked", "projections"):
        assert_near(study(name, four_years, 4), truth([-0.1] * 3))
    assert study("lags", four_years, 4).coef[-3:].min() > -0.07


def test_lags_err_where_the_path_goes_on_beyond_the_window() -> None:
    """The last event time stands for all years after it; paths of controls go on as well."""
    growing = tuple(-0.02 * k for k in range(7))
    panel = large_world(5, Rules(growing))
    for name in ("stacked", "projections"):
        assert_near(study(name, Rules(growing), 5), truth(growing[:3]))
    assert_near(cs.event_study(panel, DistributedLags(3, 6), "score"), truth(growing))
    assert study("lags", Rules(growing), 5).coef[-1] < -0.07


def test_size_bias_and_coverage() -> None:
    draws = recurring_replications(30, 150, 6, EFFECTIVE, BASED_ON_T_1)
    expected = np.tile(truth(PATH), 3)
    assert_unbiased(draws, expected)
    assert_share(draws.covered(expected), draws.n, 0.95)
    for name in BASED_ON_T_1:
        assert draws.rejections(f"{name} k=+0") > 0.9 * draws.n
    spread = draws.estimate.std(axis=0).reshape(3, len(TERMS))
    assert (spread[1] < spread[0]).all(), "lags use more changes than stacks"


@pytest.mark.slow
@pytest.mark.parametrize("path", [(0.0, 0.0, 0.0), PATH], ids=["nothing", "path"])
def test_size_bias_and_coverage_at_length(path: tuple[float, ...]) -> None:
    rules = Rules(path, effect_sd=0.5)
    draws = in_chunks(recurring_replications, 1_000, 400, 7, rules, BASED_ON_T_1)
    expected = np.tile(truth(path), 3)
    print(f"\nrecurring changes, path {path}", draws.table(expected))
    assert_unbiased(draws, expected)
    assert_share(draws.covered(expected), draws.n, 0.95, SLACK)


@pytest.mark.slow
def test_size_is_lost_on_base_t_minus_1_alone() -> None:
    n, names = 300, (*BASED_ON_T_1, "projections, early base")
    draws = in_chunks(recurring_replications, n, 400, 8, Rules(slope=SLOPE), names)
    print("\nexits after bad years", draws.table(0.0))
    for name in BASED_ON_T_1:
        assert draws.rejections(f"{name} k=+0") > 0.95 * n
    assert_share(draws.rejections("projections, early base k=+0"), n, 0.05, SLACK)
