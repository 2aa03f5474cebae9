"""The stacked event study on districts whose truth is known: bias, coverage and size.

What an effect is. In the simulation a change shifts achievement by the path of the most recent
change, which replaces that of the change before. Without it the unit would have gone on along the
earlier path, and so do its stayers. The effect at event time k is therefore

    path[k] - E[path[tenure + k + 1]],

tenure being what the leader has behind them in the last year before the change, if the unit saw no
change since the window opened: at least ``pre`` years, and geometric from there on, since the exit
hazard is constant. For the same reason events and stayers have the same tenures, so that the years
before the change cancel and leads are zero whatever the path. Hence three kinds of path:

- back at zero ``pre + 1`` years after a change at the latest: the effect is the path itself;
- at a constant by then: the effect is the path less the constant. What every change leaves behind
  is no effect of one change more;
- still growing: the effect is the path less what stayers gain meanwhile, as above.

Changes that do not stand alone have another change where this reckoning has none.

Bias is tested in one large world each, against four standard errors; size and coverage are
counted over many worlds, within exact binomial bounds. The long version counts 2,000 worlds of
400 districts. In worlds of 80 districts, with some 35 isolated changes, tests at 5% reject about
7% of true hypotheses: cluster-robust errors are too small where treated clusters are few.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import churnstats as cs
from simulation.simulations import (
    BASES,
    HAZARD,
    MC_SDS,
    POST,
    PRE,
    RICH,
    SHOCK_SD,
    SLACK,
    SLOPE,
    YEARS,
    assert_near,
    assert_share,
    assert_unbiased,
    in_chunks,
    panels,
    replications,
    shock_before_exit,
    study,
)

LARGE = 5_000
TIMES = np.arange(-PRE, POST + 1)
RETURNS = (-0.08, -0.05, -0.02, 0.0)
NOTHING = (0.0,)


def large(seed: int, **options: Any) -> cs.Panel:
    """Return one world of many districts."""
    (panel,) = panels(1, LARGE, YEARS, seed, **options)
    return panel


def times_of(base: str) -> np.ndarray:
    return {"t-1": TIMES[TIMES != -1], "early": TIMES, "lag-adjusted": TIMES[TIMES >= 0]}[base]


def on(base: str, after: list[float] | np.ndarray, before: float = 0.0) -> np.ndarray:
    """Return effects by the event times of a base: one for all leads, then those given."""
    times = times_of(base)
    return np.where(times < 0, before, np.asarray(after)[np.maximum(times, 0)])


def path_at(path: tuple[float, ...], k: np.ndarray | int) -> np.ndarray:
    return np.asarray(path)[np.minimum(k, len(path) - 1)]


def stayers_path(path: tuple[float, ...], k: int) -> float:
    """Return E[path[tenure + k + 1]]."""
    longer = np.arange(300)
    share = HAZARD * (1 - HAZARD) ** longer
    return float(share @ path_at(path, PRE + longer + k + 1))


def truth_of(path: tuple[float, ...], *bases: str) -> np.ndarray:
    after = path_at(path, np.arange(POST + 1))
    return np.concatenate([np.append(on(base, after), after.mean()) for base in bases])


# --- size, bias and coverage over many worlds -----------------------------------------------------


def test_size_where_changes_do_nothing() -> None:
    draws = replications(160, 150, 1, NOTHING, shock_ar=0.5)
    assert_share(draws.rejections("t-1 pooled"), draws.n, 0.05)
    assert_unbiased(draws, 0.0)


def test_bias_and_coverage_where_changes_do_something() -> None:
    draws = replications(120, 150, 2, RETURNS, **RICH)
    truth = truth_of(RETURNS, "t-1")
    assert_unbiased(draws, truth)
    assert_share(draws.covered(truth), draws.n, 0.95)
    assert draws.rejections("t-1 pooled") > 0.7 * draws.n, "or coverage would show little"


@pytest.mark.slow
@pytest.mark.parametrize("path", [NOTHING, RETURNS], ids=["nothing", "returns"])
def test_bias_coverage_and_size_at_length(path: tuple[float, ...]) -> None:
    options = RICH if any(path) else {"shock_ar": 0.5}
    draws = in_chunks(replications, 2_000, 400, 3, path, tuple(BASES), **options)
    truth = truth_of(path, *BASES)
    print(f"\nstacked event study, path {path}", draws.table(truth))
    assert_unbiased(draws, truth)
    assert_share(draws.covered(truth), draws.n, 0.95, SLACK)
    if not any(path):
        for base in BASES:
            assert_share(draws.rejections(f"{base} pooled"), draws.n, 0.05, SLACK)


# --- what the effects are -------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["early", "lag-adjusted"])
def test_a_path_that_returns_to_zero_is_found_on_every_base(base: str) -> None:
    result = study(large(11, effect=RETURNS, **RICH), base)
    assert_near(result, on(base, path_at(RETURNS, np.arange(POST + 1))))


def test_what_every_change_leaves_behind_is_no_effect() -> None:
    lasting = (-0.10, -0.04, 0.03)
    result = study(large(12, effect=lasting))
    assert_near(result, on("t-1", path_at(lasting, np.arange(POST + 1)) - 0.03))


def test_effects_are_against_stayers_whose_own_path_goes_on() -> None:
    growing = tuple(0.03 * k for k in range(9))
    result = study(large(13, effect=growing))
    gains = [stayers_path(growing, k) for k in range(POST + 1)]
    assert_near(result, on("t-1", path_at(growing, np.arange(POST + 1)) - gains))
    assert gains[0] > 0.15, "the path alone would be far off"


def test_a_change_in_mid_year_has_half_its_effect_in_that_year() -> None:
    result = study(large(14, effect=RETURNS, mid_year_share=1.0))
    assert_near(result, on("t-1", [RETURNS[0] / 2, *RETURNS[1 : POST + 1]]))


def test_changes_that_do_not_stand_alone_are_mixed_with_others() -> None:
    """Declines by a change a year before are in the base, those by one a year later in k = 1."""
    panel = large(15, effect=RETURNS)
    loose = study(panel, isolate=False).tidy().set_index("term")
    tight = study(panel).tidy().set_index("term")
    assert abs(tight.loc["k=+0", "estimate"] - RETURNS[0]) < MC_SDS * tight.loc["k=+0", "std_error"]
    assert loose.loc["k=+0", "estimate"] - RETURNS[0] > 0.015
    assert loose.loc["k=-3", "estimate"] > MC_SDS * loose.loc["k=-3", "std_error"]


def test_interims_and_vacancies_do_no_harm() -> None:
    """An interim's handovers are two changes a year apart: neither stands alone."""
    staff = cs.datasets.districts.StaffRules(interim_share=0.3, vacancy_share=0.4)
    result = study(large(16, effect=RETURNS, staff=staff))
    tidy = result.tidy().set_index("term")
    after = tidy.loc["k=+1":"k=+2"]
    assert (np.abs(after["estimate"] - list(RETURNS[1:3])) < MC_SDS * after["std_error"]).all()
    assert abs(tidy.loc["k=-3", "estimate"]) < MC_SDS * tidy.loc["k=-3", "std_error"]


# --- leaders who leave after a bad year -----------------------------------------------------------


def test_base_t_minus_1_mistakes_return_to_the_mean_for_an_effect() -> None:
    """With passing shocks the mistake has a closed form, at leads as well as after the change.

    The early base makes none; nor do lags where nothing but shocks differs between units. Lags
    that also stand for lasting differences between units make about half of it here.
    """
    mistake = -SHOCK_SD * shock_before_exit(HAZARD, SLOPE)
    assert 0.085 < mistake < 0.087
    panel = large(21, dip_slope=SLOPE)
    bases = cs.three_bases(panel, cs.Stacked(pre=PRE, post=POST), "achievement")
    after = [mistake] * (POST + 1)
    assert_near(bases.results["t-1"], on("t-1", after, before=mistake))
    at_dip = np.where(TIMES == -1, -mistake, 0.0)
    assert_near(bases.results["early"], at_dip)
    assert_near(bases.dip, -mistake)
    assert f"base t-1 shows {-bases.dip.coef[0]:+.3f}" in bases.regression_to_the_mean()
    lagged = cs.pooled_effect(bases.results["lag-adjusted"]).coef[0]
    assert 0.3 * mistake < lagged < 0.65 * mistake
    same_units = large(22, dip_slope=SLOPE, district_sd=0.0, n_students=10**9)
    assert_near(study(same_units, "lag-adjusted"), 0.0, allowance=0.1 * mistake)


def test_where_shocks_persist_the_lags_are_better_than_both() -> None:
    """At t-1 the mistake grows with event time; the early base errs to both sides of zero."""
    panel = large(23, dip_slope=SLOPE, shock_ar=0.6, district_sd=0.0, n_students=10**9)
    bases = cs.three_bases(panel, cs.Stacked(pre=PRE, post=POST), "achievement").results
    naive = bases["t-1"].tidy().set_index("event_time")["estimate"]
    early = bases["early"].tidy().set_index("event_time")["estimate"]
    assert 0.03 < naive[0] < naive[1] < naive[2] < 0.08
    assert early[0] < 0 < early[2]
    assert np.abs(early[[0, 1, 2]]).max() < 0.45 * naive[2]
    assert_near(bases["lag-adjusted"], 0.0, allowance=0.1 * naive[0])
    gap = -SHOCK_SD * shock_before_exit(HAZARD, SLOPE)
    assert naive[0] == pytest.approx(gap * (1 - 0.6), rel=0.15)


@pytest.mark.slow
def test_size_is_lost_on_base_t_minus_1_alone() -> None:
    """Leaders leave after bad years, shocks pass, and changes do nothing."""
    n = 400
    draws = in_chunks(replications, n, 400, 4, NOTHING, ("t-1", "early"), dip_slope=SLOPE)
    print("\nexits after bad years", draws.table(0.0))
    assert draws.rejections("t-1 pooled") > 0.95 * n
    assert_share(draws.rejections("early pooled"), n, 0.05, SLACK)
