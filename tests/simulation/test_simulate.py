"""The synthetic districts do what they say: each truth is found again from the frames alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy.special import expit, logit

from churnstats.core.errors import SpecError
from churnstats.datasets.districts import (
    NO_PROGRAMS,
    EffectPath,
    ProgramRules,
    Recording,
    SimulatedDistricts,
    StaffRules,
    simulate_districts,
)

NOISELESS = 10**15
ATOL = 1e-5
# Achievement is the effect of changes and nothing else.
BARE = {"shock_sd": 0.0, "district_sd": 0.0, "year_sd": 0.0, "n_students": NOISELESS}
# Nobody but superintendents.
ALONE = {"n_schools": 0, "n_directors": 0, "programs": NO_PROGRAMS}
BURN_IN_START = 2004 - 30


def superintendents(sim: SimulatedDistricts) -> pd.DataFrame:
    return sim.tenures.query("role == 'superintendent'")


def district_parts(sim: SimulatedDistricts) -> pd.DataFrame:
    """Outcomes of districts with the parts of their true means."""
    both = sim.outcomes.merge(sim.truth.components, on=["unit_id", "school_year_end"])
    return both[both["unit_id"].str.len() == 7]


def yearly(sim: SimulatedDistricts) -> pd.DataFrame:
    """Districts and years with the start of the spell that holds at the start of the year."""
    units = sim.units.loc[sim.units["level"] == "district", ["unit_id"]]
    years = pd.DataFrame({"year": np.sort(sim.outcomes["school_year_end"].unique())})
    rows = units.merge(years, how="cross").merge(superintendents(sim), on="unit_id")
    return rows[(rows["start"] <= rows["year"]) & (rows["year"] < rows["stop"])]


def exits(sim: SimulatedDistricts) -> pd.DataFrame:
    """Years in post from the second of the window on: the shock of the year before, and exit."""
    shocks = district_parts(sim)[["unit_id", "school_year_end", "shock"]]
    held = yearly(sim).assign(left=lambda d: d["stop"] == d["year"] + 1)
    held = held.merge(shocks.rename(columns={"school_year_end": "year"}), on=["unit_id", "year"])
    return held[held["year"] < held["year"].max()]


def within(share: float, expected: float, n: int, sds: float = 4.0) -> bool:
    return abs(share - expected) <= sds * np.sqrt(expected * (1 - expected) / n)


def test_without_effects_outcomes_are_fixed_effects_and_sampling_noise() -> None:
    sim = simulate_districts(400, 20, shock_sd=0.0, n_schools=0)
    parts = district_parts(sim)
    assert_allclose(parts["true_mean"], parts["unit_effect"] + parts["year_effect"], atol=1e-15)
    assert_allclose(parts["std_error"], 1 / np.sqrt(parts["n_obs"]))
    z = (parts["estimate"] - parts["true_mean"]) / parts["std_error"]
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    units = parts.groupby("unit_id")[["unit_effect", "n_obs"]].nunique()
    assert (units == 1).all(axis=None)
    assert units.shape[0] == 400


def test_every_parameter_can_be_zero() -> None:
    staff = StaffRules(director_exit_hazard=0, principal_exit_hazard=0, school_sd=0)
    sim = simulate_districts(
        30, 5, exit_hazard=0, programs=NO_PROGRAMS, staff=staff, mover_share=0, **BARE
    )
    assert np.abs(sim.outcomes["estimate"]).max() < ATOL
    assert (sim.truth.components.select_dtypes("float") == 0).all(axis=None)
    assert len(sim.tenures) == 30 * (1 + 3 + 4)
    assert sim.tenures["right_censored"].all()
    assert sim.tenures["exit_reason"].isna().all()
    assert sim.programs.empty
    assert sim.truth.events.empty
    assert sim.truth.defects.empty


def test_the_smallest_simulation_has_all_tables() -> None:
    sim = simulate_districts(1, 1, **ALONE)
    assert list(sim.roster["school_year_end"]) == [2004]
    assert len(sim.outcomes) == len(sim.units) == len(sim.roster) == 1


@pytest.mark.parametrize("hazard", [0.0, 0.05, 0.18, 0.5])
def test_the_exit_rate_is_the_hazard_at_every_tenure(hazard: float) -> None:
    held = exits(simulate_districts(1500, 15, exit_hazard=hazard, **ALONE))
    assert within(held["left"].mean(), hazard, len(held))
    fresh = held[held["year"] == held["start"]]
    assert fresh.empty or within(fresh["left"].mean(), hazard, len(fresh))
    old = held[held["year"] >= held["start"] + 4]
    assert within(old["left"].mean(), hazard, len(old))


def test_directors_and_principals_have_their_own_hazards() -> None:
    staff = StaffRules(director_exit_hazard=0.1, principal_exit_hazard=0.3)
    sim = simulate_districts(400, 12, staff=staff, programs=NO_PROGRAMS)
    for prefix, hazard in (("director", 0.1), ("principal", 0.3)):
        spells = sim.tenures[sim.tenures["role"].str.startswith(prefix)]
        inside = spells["stop"] < 2004 + 12
        at_risk = (np.minimum(spells["stop"], 2015) - spells["entry"]).sum()
        assert within(inside.sum() / at_risk, hazard, int(at_risk))


def test_spells_in_progress_have_the_age_of_a_steady_state() -> None:
    held = yearly(simulate_districts(3000, 1, exit_hazard=0.25, **ALONE))
    age = 2004 - held["start"]
    assert abs(age.mean() - 0.75 / 0.25) < 4 * age.std() / np.sqrt(len(age))


@pytest.mark.parametrize("path", [(0.0,), (0.1,), (-0.05, -0.03, 0.0, 0.02)])
def test_a_planted_path_is_found_year_by_year(path: tuple[float, ...]) -> None:
    sim = simulate_districts(300, 20, effect=path, **BARE, **ALONE)
    held = yearly(sim).merge(
        sim.outcomes, left_on=["unit_id", "year"], right_on=["unit_id", "school_year_end"]
    )
    k = (held["year"] - held["start"]).astype(int)
    expected = np.array(path)[np.minimum(k, len(path) - 1)]
    expected = np.where(held["start"] == BURN_IN_START, 0.0, expected)
    assert len(held) == 300 * 20
    assert_allclose(held["estimate"], expected, atol=ATOL)


def test_differences_around_a_change_equal_the_path() -> None:
    path = (-0.06, -0.03, 0.01)
    fixed = {"shock_sd": 0.0, "n_students": NOISELESS, "year_sd": 0.0}
    sim = simulate_districts(200, 20, effect=path, **fixed, **ALONE)
    y = sim.outcomes.pivot(index="unit_id", columns="school_year_end", values="estimate")
    events = sim.truth.events.query("school_year_end > 2006 and school_year_end < 2022")
    spells = superintendents(sim).set_index(["unit_id", "start"])["stop"]
    seen = 0
    for unit, year in zip(events["unit_id"], events["school_year_end"], strict=True):
        before = superintendents(sim).query("unit_id == @unit and stop == @year")["start"].item()
        if spells[unit, year] < year + 3 or before > year - 3 or before == BURN_IN_START:
            continue
        gains = [y.loc[unit, year + k] - y.loc[unit, year - 1] for k in range(3)]
        assert_allclose(gains, np.array(path) - path[-1], atol=ATOL)
        seen += 1
    assert seen > 50


def test_a_mid_year_change_mixes_the_year_by_time_in_post() -> None:
    sim = simulate_districts(
        400, 10, effect=(0.5, 0.1), leader_sd=1.0, mid_year_share=0.5, **BARE, **ALONE
    )
    effect = sim.truth.leaders.set_index("leader_id")["effect"]
    spells = superintendents(sim)
    begun_inside = spells["start"] % 1 > 0
    assert within(begun_inside.mean(), 0.5, len(spells), 5.0)
    y = sim.outcomes.set_index(["unit_id", "school_year_end"])["estimate"].to_dict()
    expected = dict.fromkeys(y, 0.0)
    for s in spells.itertuples():
        for year in range(int(s.entry), int(np.ceil(s.stop))):
            share = min(s.stop, year + 1) - max(s.start, year)
            shift = 0.5 if year == int(s.start) else 0.1
            shift = 0.0 if s.start == BURN_IN_START else shift
            expected[s.unit_id, year] += share * (shift + effect[s.leader_id])
    before = sim.truth.events.query("event_order == 0")
    assert (before["start"] == 2004).all()
    assert_allclose([y[key] for key in expected], list(expected.values()), atol=ATOL)


@pytest.mark.parametrize("ar", [0.0, 0.6])
def test_a_bad_year_raises_the_exit_hazard_as_stated(ar: float) -> None:
    held = exits(simulate_districts(3000, 12, dip_slope=0.8, shock_ar=ar, shock_sd=0.2, **ALONE))
    before_exit = held.loc[held["left"], "shock"]
    assert before_exit.mean() < -0.05
    z = held["shock"] / 0.2
    hazard = expit(logit(0.18) - 0.8 * z)
    for low, high in ((-9, -1), (-1, 0), (0, 1), (1, 9)):
        cell = (z > low) & (z <= high)
        assert within(held.loc[cell, "left"].mean(), hazard[cell].mean(), cell.sum())


def test_without_a_slope_there_is_no_dip() -> None:
    held = exits(simulate_districts(3000, 12, shock_sd=0.2, shock_ar=0.6, **ALONE))
    before_exit = held.loc[held["left"], "shock"]
    assert abs(before_exit.mean()) < 4 * 0.2 / np.sqrt(len(before_exit))


def test_a_slope_without_shocks_changes_nothing() -> None:
    plain, sloped = (
        simulate_districts(50, 10, shock_sd=0.0, dip_slope=slope, **ALONE) for slope in (0.0, 2.0)
    )
    assert_frame_equal(plain.tenures, sloped.tenures)


def test_shocks_have_the_stated_spread_and_memory() -> None:
    parts = district_parts(simulate_districts(2000, 20, shock_sd=0.3, shock_ar=0.7, **ALONE))
    wide = parts.pivot(index="unit_id", columns="school_year_end", values="shock").to_numpy()
    assert abs(wide.std() - 0.3) < 0.01
    assert abs(np.corrcoef(wide[:, :-1].ravel(), wide[:, 1:].ravel())[0, 1] - 0.7) < 0.02


def test_leader_effects_have_their_spread_and_stay_with_the_person() -> None:
    sim = simulate_districts(1500, 15, leader_sd=0.2, mover_share=0.5, **BARE, **ALONE)
    leaders = sim.truth.leaders
    assert set(leaders["leader_id"]) == set(superintendents(sim)["leader_id"])
    assert leaders["leader_id"].is_unique
    assert abs(leaders["effect"].std() - 0.2) < 4 * 0.2 / np.sqrt(2 * len(leaders))
    held = yearly(sim).merge(leaders, on="leader_id")
    held = held.merge(
        sim.outcomes, left_on=["unit_id", "year"], right_on=["unit_id", "school_year_end"]
    )
    assert len(held) == 1500 * 15
    assert_allclose(held["estimate"], held["effect"], atol=ATOL)


@pytest.mark.parametrize("mid_year", [0.0, 0.4])
def test_movers_come_from_another_district_in_the_same_year(mid_year: float) -> None:
    sim = simulate_districts(1000, 15, mover_share=0.3, mid_year_share=mid_year, **ALONE)
    spells = superintendents(sim).sort_values(["leader_id", "start", "stop"])
    previous = spells.groupby("leader_id")[["unit_id", "stop"]].shift()
    again = previous["stop"].notna()
    later = spells[again].join(previous[again].add_suffix("_before"))
    assert (later["unit_id"] != later["unit_id_before"]).all()
    assert (later["start"] >= later["stop_before"]).all()
    assert (np.floor(later["start"]) == np.floor(later["stop_before"])).all()
    hired = spells.query("start >= 2005")
    assert within(again[hired.index].mean(), 0.3, len(hired))


def test_events_deviate_from_the_path_by_their_own_draws() -> None:
    sim = simulate_districts(1500, 15, effect=(0.02, 0.05), effect_sd=0.1, **BARE, **ALONE)
    events = sim.truth.events
    assert abs(events["deviation"].mean()) < 4 * 0.1 / np.sqrt(len(events))
    assert abs(events["deviation"].std() - 0.1) < 4 * 0.1 / np.sqrt(2 * len(events))
    assert_allclose(events["event_effect"], 0.02 + events["deviation"])
    shown = events.merge(sim.outcomes, on=["unit_id", "school_year_end"])
    assert_allclose(shown["estimate"], shown["event_effect"], atol=ATOL)


def test_events_are_numbered_changes_with_their_people() -> None:
    sim = simulate_districts(200, 15, **ALONE)
    events, spells = sim.truth.events, superintendents(sim)
    assert len(events) == (spells["start"] >= 2004).sum()
    seen = events.query("event_order > 0")
    assert (seen.groupby("unit_id")["event_order"].diff().dropna() == 1).all()
    assert (seen.groupby("unit_id")["event_order"].min() == 1).all()
    both = seen.merge(spells, left_on=["unit_id", "start"], right_on=["unit_id", "stop"])
    assert len(both) == len(seen)
    assert (both["predecessor_id"] == both["leader_id_y"]).all()


def test_the_middle_level_buffers_as_stated() -> None:
    fixed = {**BARE, "n_schools": 0, "programs": NO_PROGRAMS}
    sim = simulate_districts(
        400, 12, effect=(-0.1, 0.2), buffer=0.75, effect_sd=0.1, n_directors=4, **fixed
    )
    events = sim.truth.events
    directors = sim.tenures[sim.tenures["role"].str.startswith("director")]
    held = events[["unit_id", "school_year_end"]].merge(directors, on="unit_id")
    year = held["school_year_end"]
    held = held[(held["start"] < year) & (held["stop"] >= year)]
    held["stable"] = held["start"] <= held["school_year_end"] - 3
    stability = held.groupby(["unit_id", "school_year_end"])["stable"].agg(["mean", "size"])
    known = events.set_index(["unit_id", "school_year_end"]).join(stability, how="inner")
    known = known[known["size"] == 4]
    assert len(known) > 0.9 * len(events)
    assert known["mean"].nunique() == 5
    assert_allclose(known["middle_stability"], known["mean"])
    assert_allclose(known["multiplier"], 1 - 0.75 * known["mean"])
    shown = known.reset_index().merge(sim.outcomes, on=["unit_id", "school_year_end"])
    full = -0.1 + shown["deviation"]
    assert_allclose(shown["estimate"], full * (1 - 0.75 * shown["mean"]), atol=ATOL)
    assert_allclose(shown["estimate"], shown["event_effect"], atol=ATOL)


def program_years(sim: SimulatedDistricts) -> pd.DataFrame:
    """Program-years in the window, with whether the sponsor is gone at the start of each."""
    years = pd.DataFrame({"year": range(2004, 2004 + sim.truth.parameters.n_years)})
    rows = sim.programs.merge(years, how="cross")
    rows = rows[(rows["entry"] <= rows["year"]) & (rows["year"] < rows["stop"])]
    posts = sim.tenures[["unit_id", "role", "leader_id", "start", "stop"]]
    keys = {"left_on": ["unit_id", "sponsor_role"], "right_on": ["unit_id", "role"]}
    held = rows.merge(posts, **keys, suffixes=("", "_post"))
    held = held[(held["start_post"] <= held["year"]) & (held["year"] < held["stop_post"])]
    assert len(held) == len(rows)
    last = held["stop"] == held["year"] + 1
    held["gone"] = held["leader_id"] != held["sponsor_id"]
    for reason in ("abandoned", "completed"):
        held[reason] = last & (held["end_reason"] == reason)
    return held


def log_ratio(rows: pd.DataFrame, covariate: pd.Series) -> float:
    """Log ratio of cumulative yearly hazards of abandonment, all other ends censored."""
    shares = rows.groupby(covariate)["abandoned"].mean()
    return float(np.diff(np.log(-np.log1p(-shares.sort_index())))[0])


def test_program_hazards_have_the_stated_ratios() -> None:
    rules = ProgramRules(
        n_programs=15, hazard=0.1, completion_hazard=0, log_hr_change=0.9, log_hr_partner=-0.5
    )
    rows = program_years(simulate_districts(600, 20, programs=rules, n_schools=0))
    partner = rows["partner_id"].notna()
    assert within((rows.loc[~rows["gone"] & ~partner, "abandoned"]).mean(), 0.1, len(rows) // 5)
    assert abs(log_ratio(rows[~partner], rows.loc[~partner, "gone"]) - 0.9) < 0.1
    assert abs(log_ratio(rows[partner], rows.loc[partner, "gone"]) - 0.9) < 0.1
    assert abs(log_ratio(rows[~rows["gone"]], partner[~rows["gone"]]) + 0.5) < 0.1


def test_programs_compete_between_two_ends() -> None:
    rules = ProgramRules(n_programs=15, hazard=0.1, completion_hazard=0.2)
    sim = simulate_districts(400, 20, programs=rules, n_schools=0)
    rows = program_years(sim)
    first_in_post = rows.loc[rows["year"] == rows["start"], "gone"]
    assert not first_in_post.any()
    any_end = 1 - 0.9 * 0.8
    assert within((rows["abandoned"] | rows["completed"]).mean(), any_end, len(rows))
    expected = np.log(0.9) / (np.log(0.9) + np.log(0.8))
    ended = rows.loc[rows["abandoned"] | rows["completed"], "abandoned"]
    assert within(ended.mean(), expected, len(ended))
    new = sim.programs.query("start >= 2004")
    assert abs(len(new) / 400 - 15) < 4 * np.sqrt(15 / 400)
    assert (sim.programs[["start", "stop"]] % 1 == 0).all(axis=None)
    assert (sim.programs["end_reason"].isna() == sim.programs["right_censored"]).all()
    assert (sim.programs["entry"] == sim.programs["start"].clip(lower=2004)).all()


def test_spells_cover_each_post_without_overlap() -> None:
    staff = StaffRules(interim_share=0.2)
    sim = simulate_districts(60, 12, mid_year_share=0.4, mover_share=0.3, staff=staff)
    for _, post in sim.tenures.groupby(["unit_id", "role"]):
        post = post.sort_values("start")
        assert post["entry"].iloc[0] == 2004
        assert post["stop"].iloc[-1] == 2016
        assert (post["start"].to_numpy()[1:] == post["stop"].to_numpy()[:-1]).all()
        assert (post["start"] < post["stop"]).all()
        assert list(post["right_censored"]) == [False] * (len(post) - 1) + [True]
    assert sim.tenures["spell_id"].is_unique
    assert len(sim.roster) == 60 * (1 + 3 + 4) * 12


def test_interims_and_vacancies_have_their_shares() -> None:
    staff = StaffRules(interim_share=0.25, vacancy_share=0.5)
    sim = simulate_districts(1500, 12, staff=staff, exit_hazard=0.2, **ALONE)
    spells = superintendents(sim).sort_values(["unit_id", "start"])
    same = spells["unit_id"] == spells["unit_id"].shift()
    after_interim = spells["interim"].shift(fill_value=False) & same
    regular = same & ~after_interim
    assert within(spells.loc[regular, "interim"].mean(), 0.25, regular.sum())
    assert not spells.loc[after_interim, "interim"].any()
    ended = spells[spells["interim"] & ~spells["right_censored"]]
    assert (ended["stop"] == np.floor(ended["start"]) + 1).all()
    assert (ended["exit_reason"] == "interim_ended").all()
    wait = (spells["start"] - spells["stop"].shift())[same]
    assert (wait >= 0).all()
    assert (wait < 1).all()
    assert within((wait > 0).mean(), 0.5, len(wait))
    empty = 1500 * 12 - len(sim.roster)
    assert within(empty / (1500 * 12), (wait > 0.25).sum() / (1500 * 11), 1500 * 12)


@pytest.mark.parametrize("snapshot", [0.0, 0.25, 0.9])
def test_the_roster_shows_who_holds_at_the_snapshot(snapshot: float) -> None:
    recording = Recording(snapshot_at=snapshot)
    staff = StaffRules(vacancy_share=0.3)
    sim = simulate_districts(100, 8, mid_year_share=0.6, recording=recording, staff=staff)
    keys = ["unit_id", "role", "leader_id"]
    rows = sim.roster.merge(sim.tenures, on=keys)
    moment = rows["school_year_end"] + snapshot
    rows = rows[(rows["start"] <= moment) & (moment < rows["stop"])]
    assert len(rows) == len(sim.roster)
    held = sum(((sim.tenures["start"] <= y + snapshot) & (y + snapshot < sim.tenures["stop"])).sum()
               for y in range(2004, 2012))  # fmt: skip
    assert held == len(sim.roster)
    names = sim.roster.groupby("leader_id")["leader_name"].nunique()
    assert (names == 1).all()
    assert sim.roster["leader_name"].nunique() == sim.roster["leader_id"].nunique()


def test_left_censored_records_lose_only_the_start() -> None:
    known = simulate_districts(100, 8)
    lost = simulate_districts(100, 8, recording=Recording(left="censored"))
    early = known.tenures["start"] < 2004
    assert early.any()
    assert not known.tenures["left_censored"].any()
    assert (lost.tenures["left_censored"] == early).all()
    assert (lost.tenures["start"] == known.tenures["entry"]).all()
    others = known.tenures.columns.difference(["start", "left_censored"])
    assert_frame_equal(lost.tenures[others], known.tenures[others])


def test_ids_and_nesting() -> None:
    sim = simulate_districts(40, 3, n_schools=2)
    districts = sim.units.query("level == 'district'")
    schools = sim.units.query("level == 'school'")
    assert sim.units["unit_id"].is_unique
    assert (districts["unit_id"].str.len() == 7).all()
    assert districts["unit_id"].str.startswith("0").all()
    assert districts["unit_id"].str[:2].value_counts().eq(5).all()
    assert districts["parent_id"].isna().all()
    assert (schools["unit_id"].str[:7] == schools["parent_id"]).all()
    assert (schools["unit_id"].str.len() == 12).all()
    assert schools["parent_id"].value_counts().eq(2).all()


def test_schools_follow_their_district_and_their_principal() -> None:
    staff = StaffRules(principal_effect=EffectPath((0.3, 0.1)), school_sd=0.0)
    sim = simulate_districts(80, 8, effect=(0.05,), staff=staff, n_students=NOISELESS)
    y = sim.outcomes.assign(district=sim.outcomes["unit_id"].str[:7])
    district = y[y["unit_id"].str.len() == 7][["district", "school_year_end", "estimate"]]
    rows = y[y["unit_id"].str.len() == 12].merge(district, on=["district", "school_year_end"])
    rows = rows.merge(sim.tenures.query("role == 'principal'"), on="unit_id")
    year = rows["school_year_end"]
    rows = rows[(rows["start"] <= year) & (year < rows["stop"]) & (rows["start"] > BURN_IN_START)]
    expected = np.where(rows["school_year_end"] == rows["start"], 0.3, 0.1)
    assert len(rows) > 80 * 4 * 8 * 0.99
    assert_allclose(rows["estimate_x"] - rows["estimate_y"], expected, atol=ATOL)


def test_students_tested_have_the_stated_mean() -> None:
    n = simulate_districts(4000, 1, n_students=500, **ALONE).outcomes["n_obs"]
    assert abs(n.mean() - 500) < 4 * n.std() / np.sqrt(len(n))
    assert n.min() >= 1


def assert_same(a: SimulatedDistricts, b: SimulatedDistricts, names: tuple[str, ...]) -> None:
    for name in names:
        assert_frame_equal(getattr(a, name), getattr(b, name))


def test_a_seed_gives_the_same_districts_every_time() -> None:
    every = ("tenures", "units", "roster", "outcomes", "programs")
    root = np.random.SeedSequence(5)
    first, second = (
        simulate_districts(40, 6, seed=root, defects={"gap": 2}, mover_share=0.2) for _ in range(2)
    )
    by_number = simulate_districts(40, 6, seed=5, defects={"gap": 2}, mover_share=0.2)
    other = simulate_districts(40, 6, seed=6, defects={"gap": 2}, mover_share=0.2)
    assert_same(first, second, every)
    assert_same(first, by_number, every)
    assert not first.tenures["start"].equals(other.tenures["start"])


def test_leaving_parts_out_changes_no_other_part() -> None:
    full = simulate_districts(40, 6)
    bare = simulate_districts(40, 6, programs=NO_PROGRAMS)
    assert_same(full, bare, ("tenures", "units", "roster", "outcomes"))
    schoolless = simulate_districts(40, 6, n_schools=0)
    assert_same(full, schoolless, ("programs",))
    for name in ("tenures", "outcomes", "roster"):
        districts = getattr(full, name).query("unit_id.str.len() == 7")
        assert_frame_equal(districts, getattr(schoolless, name))
    effects = simulate_districts(40, 6, effect=(0.1,), effect_sd=0.2, leader_sd=0.1)
    assert_same(full, effects, ("tenures", "programs", "roster"))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        simulate_districts(
            0, exit_hazard=1.0, shock_sd=-1.0, shock_ar=1.0, mover_share=float("nan")
        )
    for name in ("n_districts", "exit_hazard", "shock_sd", "shock_ar", "mover_share"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StaffRules(vacancy_share=1.5),
        lambda: StaffRules(director_exit_hazard=-0.1),
        lambda: ProgramRules(hazard=1.0),
        lambda: ProgramRules(n_programs=-1),
        lambda: ProgramRules(n_partners=0),
        lambda: Recording(snapshot_at=1.0),
        lambda: Recording(n_states=0),
        lambda: EffectPath(()),
        lambda: EffectPath((float("nan"),)),
        lambda: EffectPath.of({-1: 0.2}),
        lambda: simulate_districts(5, buffer=0.5, n_directors=0),
        lambda: simulate_districts(5, n_years=2.5),
        lambda: simulate_districts(5, n_students=10**16),
    ],
)
def test_a_value_out_of_range_is_refused(make: object) -> None:
    with pytest.raises(SpecError):
        make()  # type: ignore[operator]
