"""Designs of one change a unit, where effects differ by cohort and grow: bias, coverage and size.

The worlds are those of `simulation.first_change`. `DynamicTwoWay` mixes the effects of cohorts into
leads and effects of others, and has to be found biased. All others are right in large samples. With
40 units, ten of them in each cohort, some cluster-robust errors are too small: hence the slack.

Where changes recur, a first change stands for all that follow it. What is estimated then is the
path and what later changes add: path[h] + hazard * (path[0] + ... + path[h - 1]).
"""

from __future__ import annotations

import numpy as np
import pytest

import churnstats as cs
from simulation import recurring
from simulation.first_change import DESIGNS, TERMS, first_change_replications
from simulation.simulations import MC_SDS, Draws, assert_share, assert_unbiased, in_chunks

BIASED = "DynamicTwoWay"
# What coverage and size may be off, by the number of units.
SLACK = {40: 0.035, 200: 0.015}


def of(draws: Draws, names: list[str]) -> Draws:
    """Return the terms of some designs."""
    keep = [j for j, term in enumerate(draws.terms) if term.split()[0] in names]
    columns = (draws.estimate, draws.std_error, draws.low, draws.high, draws.p_value)
    return Draws(tuple(draws.terms[j] for j in keep), *(c[:, keep] for c in columns))


def assert_all_right(draws: Draws, slack: float) -> None:
    assert_unbiased(draws, 0.0)
    assert_share(draws.covered(0.0), draws.n, 0.95, slack)


def assert_two_way_biased(draws: Draws) -> None:
    """Assert a lead that is not there, and an effect after three years that is too large."""
    two_way = of(draws, [BIASED])
    late = [two_way.terms.index(f"{BIASED} {term}") for term in ("k=-3", "k=+3")]
    assert (two_way.mean[late] > MC_SDS * two_way.mc_error[late]).all()
    assert (two_way.mean[late] > 0.15).all()
    assert (two_way.covered(0.0)[late] < 0.9 * draws.n).all()


def test_bias_and_coverage_where_effects_grow() -> None:
    draws = first_change_replications(40, 200, 11, True)
    right = of(draws, [name for name in DESIGNS if name != BIASED])
    assert len(right.terms) == 5 * len(TERMS) - 1, "ExtendedTwoWay has no leads"
    assert_all_right(right, SLACK[200])
    assert_two_way_biased(draws)
    for name in right.terms:
        if not name.endswith("k=-3"):
            assert right.std_error[:, right.terms.index(name)].mean() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [40, 200])
@pytest.mark.parametrize("grows", [True, False], ids=["grows", "nothing"])
def test_bias_coverage_and_size_at_length(grows: bool, n_units: int) -> None:
    draws = in_chunks(first_change_replications, 400, n_units, 12, grows)
    print(f"\none change a unit, {n_units} units, effects: {grows}", draws.table(0.0))
    names = [name for name in DESIGNS if name != BIASED or not grows]
    right = of(draws, names)
    if not grows:
        rejected = np.array([right.rejections(term) for term in right.terms])
        assert (rejected == right.n - right.covered(0.0)).all()
    assert_all_right(right, SLACK[n_units])
    if grows:
        assert_two_way_biased(draws)


@pytest.mark.slow
def test_where_changes_recur_first_changes_hold_later_ones_and_stacks_do_not() -> None:
    path = np.array([-0.10, -0.06, -0.02])
    panel = recurring.large_world(21, recurring.Rules(tuple(path)))
    firsts = cs.Absorbing.first_change(panel)
    after = path + recurring.HAZARD * (np.cumsum(path) - path)
    print("\nchanges recur; path", path, "with later changes", after)
    for name, data, design, truth in (
        ("DynamicTwoWay", firsts, cs.DynamicTwoWay(), after),
        ("SunAbraham", firsts, cs.SunAbraham(), after),
        ("Imputation", firsts, cs.Imputation(), after),
        ("Stacked", panel, cs.Stacked(recurring.PRE, recurring.POST), path),
    ):
        tidy = cs.event_study(data, design, "score").tidy().set_index("term")
        tidy = tidy.loc[["k=+0", "k=+1", "k=+2"]]
        print(name, tidy[["estimate", "std_error"]].round(4).to_string(header=False), sep="\n")
        error = tidy["std_error"].to_numpy()
        found = tidy["estimate"].to_numpy()
        assert (np.abs(found - truth) < MC_SDS * error).all(), name
        if data is firsts:
            assert found[2] < path[2] - MC_SDS * error[2], name
