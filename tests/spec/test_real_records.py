"""Real records against what others counted in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.panel.turnover import turnover_by_group

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
ROSTER = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
PUBLISHED = SUPERINTENDENTS / "published_turnover_percent_ten_states.csv"
needs_rosters = pytest.mark.skipif(not ROSTER.exists(), reason="these rosters are not shipped")


@pytest.fixture(scope="module")
def mlb() -> tuple[cs.datasets.ExampleData, cs.Panel]:
    data = cs.datasets.load_mlb()
    return data, cs.Panel.build(data.tenures, data.outcomes)


def test_managers_by_the_numbers(mlb: tuple[cs.datasets.ExampleData, cs.Panel]) -> None:
    panel = mlb[1]
    assert len(panel.frame) == 2556
    assert len(panel.events) == 962
    assert panel.events["is_mid_year"].sum() == 459
    assert (panel.frame["n_leaders"] > 1).sum() == 368
    assert panel.events["is_date_known"].all()
    assert panel.frame["n_exits"].sum() == (~panel.spells["right_censored"]).sum()


def test_exposure_is_the_share_of_games_that_each_manager_managed(
    mlb: tuple[cs.datasets.ExampleData, cs.Panel],
) -> None:
    data, panel = mlb
    key = ["unit_id", "school_year_end"]
    games = data.seasons.groupby([*key, "leader_id"])["n_games"].sum()
    by_games = games / games.groupby(key).transform("sum")
    by_time = panel.exposure.groupby([*key, "leader_id"])["exposure_share"].sum()
    assert by_games.groupby(key).ngroups == 2556
    pd.testing.assert_series_equal(
        by_time.sort_index(), by_games.sort_index(), check_names=False, rtol=0, atol=1e-12
    )
    total = by_time.groupby(key).sum().to_numpy() + panel.frame["vacancy_share"].to_numpy()
    np.testing.assert_allclose(total, panel.frame["observed_share"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(panel.frame["observed_share"], 1.0, rtol=0, atol=1e-12)


def test_the_manager_of_most_games_holds_the_season(
    mlb: tuple[cs.datasets.ExampleData, cs.Panel],
) -> None:
    data, panel = mlb
    key = ["unit_id", "school_year_end"]
    seasons = data.seasons.assign(
        n_games=data.seasons.groupby([*key, "leader_id"])["n_games"].transform("sum")
    )
    top = seasons.sort_values([*key, "n_games", "order"], ascending=[True, True, False, True])
    top = top.drop_duplicates(key).reset_index(drop=True)
    assert top["leader_id"].tolist() == panel.frame["leader_id"].tolist()


def test_the_events_are_the_changes_within_and_between_seasons(
    mlb: tuple[cs.datasets.ExampleData, cs.Panel],
) -> None:
    data, panel = mlb
    stints = data.seasons.sort_values(["unit_id", "school_year_end", "order"], ignore_index=True)
    before = stints.groupby("unit_id").shift()
    changed = before["leader_id"].notna() & (before["leader_id"] != stints["leader_id"])
    same_season = before["school_year_end"] == stints["school_year_end"]
    found = panel.events[["unit_id", "school_year_end", "predecessor_id", "successor_id"]]
    expected = pd.DataFrame(
        {
            "unit_id": stints["unit_id"],
            "school_year_end": stints["school_year_end"],
            "predecessor_id": before["leader_id"],
            "successor_id": stints["leader_id"],
        }
    )[changed]
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert panel.events["is_mid_year"].tolist() == same_season[changed].tolist()


@pytest.fixture(scope="module")
def roster() -> pd.DataFrame:
    frame = pd.read_parquet(ROSTER)
    return frame.assign(school_year_end=frame["year"] + 1)


@pytest.fixture(scope="module")
def superintendents(roster: pd.DataFrame) -> cs.Tenures:
    return cs.Tenures.from_roster(
        roster, columns={"unit_id": "leaid", "leader_id": "super_id"}, role="superintendent"
    )


@needs_rosters
def test_the_ten_states_need_no_cleaning(roster: pd.DataFrame, superintendents: cs.Tenures) -> None:
    assert len(roster) == 64_102
    assert roster["leaid"].nunique() == superintendents.frame["unit_id"].nunique() == 4_250
    assert superintendents.frame["unit_id"].str.len().eq(7).all()
    assert superintendents.frame["n_roster_rows"].sum() == len(roster)
    breaks = roster.sort_values(["leaid", "year"]).groupby("leaid")["year"].diff() > 1
    assert superintendents.issues.count("gap") == breaks.sum() == 1_933
    found = superintendents.issues.frame().set_index("rule")["n_rows"].to_dict()
    assert found == {"gap": 1_933, "returning_leader": 93, "leader_in_several_units": 1_286}


@needs_rosters
def test_turnover_by_state_and_year_is_as_the_authors_published_it(
    roster: pd.DataFrame, superintendents: cs.Tenures
) -> None:
    panel = cs.Panel.build(superintendents)
    assert len(panel.frame) == len(roster)
    state = roster.drop_duplicates("leaid").set_index("leaid")["state"].astype("str").str.upper()
    frame = panel.frame.assign(
        state=panel.frame["unit_id"].map(state),
        fall=panel.frame["school_year_end"] - 1,
        changed=panel.frame["turnover_lag"].astype("Float64"),
    )
    ours = 100 * frame.groupby(["state", "fall"])["changed"].mean().astype(float)
    published = pd.read_csv(PUBLISHED, index_col="state").rename(columns=int).stack().dropna()
    both = pd.DataFrame({"published": published}).join(ours.rename_axis(published.index.names))
    assert len(both) == 155
    agree = (both["changed"] - both["published"]).abs() <= 0.05 + 1e-9
    assert agree.sum() == 155
    for dating, last in (("lag", 2024), ("lead", 2023)):
        table = turnover_by_group(panel, dating=dating).query("n_units > 0")
        assert table["school_year_end"].max() == last + 1
        assert 0.16 < np.average(table["turnover_share"], weights=table["n_units"]) < 0.19


@needs_rosters
def test_leaders_leave_as_others_found(superintendents: cs.Tenures) -> None:
    # In the same roster of twenty states a new superintendent is still there after four years
    # with probability .514.
    frame = cs.Panel.build(superintendents).frame
    years = frame.groupby("elapsed_tenure_years")["turnover_lead"]
    hazard = years.mean().astype(float)
    assert years.count().loc[1.0] > 8_000
    assert hazard.loc[1.0:6.0].between(0.12, 0.18).all()
    assert np.prod(1 - hazard.loc[1.0:4.0]) == pytest.approx(0.514, abs=0.01)


@needs_rosters
def test_tenures_are_as_long_as_others_found(superintendents: cs.Tenures) -> None:
    # In the same roster of twenty states: completed spells 3.87 years (median 3), Kaplan-Meier
    # median 5; incumbents of fall 2014 will have served 6.74 years in all.
    summary = cs.tenure_summary(superintendents, at=2015.5)
    years = summary.averages.set_index(["average", "statistic"])["years"]
    assert years["completed spells", "mean"] == pytest.approx(3.87, abs=0.15)
    assert years["completed spells", "median"] == 3
    assert years["Kaplan-Meier, late entry", "median"] == 5
    assert years["incumbents, completed", "mean"] == pytest.approx(6.74, abs=0.5)
    assert years["incumbents, elapsed", "mean"] < years["completed spells", "mean"]
    survival = summary.survival.tidy().set_index("time")["estimate"]
    assert survival[4.0] == pytest.approx(0.514, abs=0.05)
    spells = superintendents.frame
    assert 0.2 < spells["left_censored"].mean() < 0.45
    assert summary.n_unknown_start == spells["left_censored"].sum()
