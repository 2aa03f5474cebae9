"""Cox, Kaplan-Meier and tenure on records whose truth is known: bias, coverage and size.

Programs of simulated districts end on a yearly clock, with hazards that are proportional within
the year (complementary log-log). Cox with Efron's ties is off by about one part in a hundred on
such a clock at a yearly hazard of 0.15, with Breslow's by one in ten: `ALLOWANCE` is what Efron's
rule is allowed, as a share of the log hazard ratio. Completions are censored, as another cause.

Clusters matter in `frail_spells`: districts differ in how long anything lasts there, so that
errors which take spells for independent are far too small, while clustered ones are right.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.datasets.districts import NO_PROGRAMS
from simulation.simulations import (
    AGES,
    COMPLETION_HAZARD,
    HAZARD,
    LOG_HR_PARTNER,
    MC_SDS,
    PROGRAM_HAZARD,
    SLACK,
    Draws,
    assert_near,
    assert_share,
    assert_unbiased,
    binomial_bounds,
    change_hazard,
    frail_replications,
    frail_survival,
    hazard_replications,
    in_chunks,
    program_worlds,
    simulated,
    survival_at,
)

LOG_HR = 0.5
ALLOWANCE = 0.02
TRUTH = np.array([LOG_HR, LOG_HR_PARTNER])


# --- hazard ratios --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs() -> pd.DataFrame:
    (rows,) = program_worlds(1, 8_000, 31, LOG_HR)
    return rows


def test_hazard_ratios_of_many_programs(programs: pd.DataFrame) -> None:
    late = programs.groupby("program_id")["entry_years"].min() > 0
    assert 0.2 < late.mean() < 0.5
    assert_near(change_hazard(programs), TRUTH, allowance=ALLOWANCE * LOG_HR)
    breslow = change_hazard(programs, ties="breslow").coef
    assert (np.abs(breslow) < 0.95 * np.abs(TRUTH)).all(), "the reason for Efron by default"


def test_who_ignores_late_entry_takes_survivors_for_the_rule(programs: pd.DataFrame) -> None:
    """Programs that began before the window were seen because they lasted."""
    truth = (1 - PROGRAM_HAZARD) * (1 - COMPLETION_HAZARD)
    calm = programs[(programs["champion_gone"] == 0) & (programs["partnered"] == 0)]
    first = calm[calm["exit_years"] == 1]
    assert abs(1 - first["event"].mean() - truth) < 0.01
    naive = programs.assign(entry_years=0.0).groupby("program_id").last()
    late_too = cs.kaplan_meier(naive, exit="exit_years", event="event").tidy()
    right = cs.kaplan_meier(programs, entry="entry_years", exit="exit_years", event="event").tidy()
    assert late_too["estimate"].iloc[2] - right["estimate"].iloc[2] > 0.05


def test_hazard_ratios_over_worlds() -> None:
    draws = hazard_replications(100, 120, 32, LOG_HR)
    assert_unbiased(draws, TRUTH, allowance=ALLOWANCE * LOG_HR)
    assert_share(draws.covered(TRUTH), draws.n, 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("log_hr", [0.0, LOG_HR])
def test_hazard_ratios_over_worlds_at_length(log_hr: float) -> None:
    draws = in_chunks(hazard_replications, 2_000, 200, 33, log_hr)
    truth = np.array([log_hr, LOG_HR_PARTNER])
    print(f"\nhazard ratios, truth {log_hr}", draws.table(truth))
    assert_unbiased(draws, truth, allowance=ALLOWANCE * LOG_HR)
    assert_share(draws.covered(truth), draws.n, 0.95, SLACK)
    if log_hr == 0:
        assert_share(draws.rejections("champion_gone"), draws.n, 0.05, SLACK)


# --- survival -------------------------------------------------------------------------------------


def test_survival_of_programs_with_late_entry() -> None:
    """Completions leave the risk set at the end of their year, a little late, if censored."""
    (rows,) = program_worlds(1, 3_000, 34, 0.0)
    rows = rows[rows["partnered"] == 0]
    curve = survival_at(rows, "event", cs.Cluster("unit_id"))
    off = curve["estimate"] - ((1 - PROGRAM_HAZARD) * (1 - COMPLETION_HAZARD)) ** curve["time"]
    assert (off.abs() < MC_SDS * curve["std_error"]).all()
    curve = survival_at(rows, "abandoned", cs.Cluster("unit_id"))
    off = curve["estimate"] - (1 - PROGRAM_HAZARD) ** curve["time"]
    assert ((off > 0) & (off < 0.012)).all()


@pytest.fixture(scope="module")
def frail() -> dict[str, Draws]:
    return frail_replications(200, 80, 35)


def test_clustered_intervals_of_survival_cover_where_districts_differ(
    frail: dict[str, Draws],
) -> None:
    truth = frail_survival(np.array(AGES))
    assert_unbiased(frail["clustered"], truth)
    assert_share(frail["clustered"].covered(truth), 200, 0.95)
    low, _ = binomial_bounds(200, 0.95)
    assert (frail["independent"].covered(truth) < low).all(), "Greenwood takes spells as unrelated"


def test_clustered_tests_of_a_district_trait_that_does_nothing(frail: dict[str, Draws]) -> None:
    assert_share(frail["cox clustered"].rejections("x"), 200, 0.05)
    assert_unbiased(frail["cox clustered"], 0.0)
    assert frail["cox independent"].rejections("x") > 2 * binomial_bounds(200, 0.05)[1]


@pytest.mark.slow
def test_clustered_survival_at_length() -> None:
    found = frail_replications(2_000, 150, 37)
    truth = frail_survival(np.array(AGES))
    for name in ("clustered", "independent"):
        print(f"\nKaplan-Meier, {name}", found[name].table(truth))
    print("\nCox, clustered", found["cox clustered"].table(0.0))
    assert_unbiased(found["clustered"], truth)
    assert_share(found["clustered"].covered(truth), 2_000, 0.95, SLACK)
    assert_share(found["cox clustered"].rejections("x"), 2_000, 0.05, SLACK)


# --- tenure ---------------------------------------------------------------------------------------


def test_the_averages_of_tenure_are_those_of_a_constant_hazard() -> None:
    """A geometric tenure of yearly hazard h, long in balance.

    Completed spells last 1/h on average, those of incumbents 2/h - 1, as they are found in
    proportion to their length; incumbents have (1-h)/h behind them at the turn of a year. The
    median is the first year by which half have left.
    """
    sim = simulated(1, 1_500, 60, 38, programs=NO_PROGRAMS)
    tenures = cs.Tenures.from_spells(sim.tenures)
    found = cs.tenure_summary(tenures).averages.set_index(["average", "statistic"])["years"]
    table = cs.tenure_summary(tenures).averages
    error = (table["conf_high"] - table["conf_low"]) / 2 / 1.96
    h = HAZARD
    truth = [1 / h, np.ceil(np.log(0.5) / np.log(1 - h)), 4.0, (1 - h) / h, 2 / h - 1]
    for row, expected, spread in zip(table.itertuples(), truth, error, strict=True):
        allowed = 0.0 if row.statistic == "median" else MC_SDS * spread
        assert abs(row.years - expected) <= allowed, row
    assert found["completed spells", "mean"] < found["incumbents, completed", "mean"]
    survival = cs.tenure_summary(tenures).survival.tidy()
    early = survival[survival["time"] <= 10]
    off = early["estimate"] - (1 - h) ** early["time"]
    assert (off.abs() < MC_SDS * early["std_error"]).all()
