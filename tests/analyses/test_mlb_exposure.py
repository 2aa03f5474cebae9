"""Exposure of team managers against the games of all 2,556 team-seasons, stint by stint."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import churnstats as cs

KEY = ["unit_id", "school_year_end"]
# A time near 2,000 is known to 2**-42 years; a share is made of two or three of them.
FLOOR = 4 * 2.0**-42
HALF = 0.5


@pytest.fixture(scope="module")
def panel() -> cs.Panel:
    data = cs.datasets.load_mlb()
    years = data.seasons["school_year_end"].drop_duplicates()
    halves = pd.DataFrame({"school_year_end": years, "test_date": years + HALF})
    return cs.Panel.build(data.tenures, data.outcomes, test_date=halves)


@pytest.fixture(scope="module")
def stints() -> pd.DataFrame:
    """Return the stints with their games, in all and in the first half of the season."""
    made = cs.datasets.load_mlb().seasons.sort_values([*KEY, "order"], ignore_index=True)
    games = made.groupby(KEY)["n_games"]
    total, after = games.transform("sum"), games.cumsum()
    before = after - made["n_games"]
    in_half = (np.minimum(after, HALF * total) - before).clip(lower=0.0)
    return made.assign(share=made["n_games"] / total, tested=in_half / (HALF * total), total=total)


def test_every_game_of_every_season_is_in_one_exposure(
    panel: cs.Panel, stints: pd.DataFrame
) -> None:
    assert len(stints) == 3015
    assert stints.groupby(KEY).ngroups == len(panel.frame) == 2556
    assert stints.groupby(KEY)["total"].first().sum() == stints["n_games"].sum() == 398_860
    by_leader = [*KEY, "leader_id"]
    games = stints.groupby(by_leader)[["share", "tested"]].sum()
    time = panel.exposure.groupby(by_leader)[["exposure_share", "exposure_share_tested"]].sum()
    assert games.index.equals(time.index)
    worst = np.abs(games.to_numpy() - time.to_numpy()).max(axis=0)
    assert (worst < [FLOOR, FLOOR / HALF]).all(), worst


def test_the_games_that_an_exposure_says_are_whole_games(
    panel: cs.Panel, stints: pd.DataFrame
) -> None:
    total = stints.groupby(KEY)["total"].first()
    led = panel.exposure.groupby([*KEY, "leader_id"])["exposure_share"].sum().reset_index()
    games = led["exposure_share"] * total.reindex(pd.MultiIndex.from_frame(led[KEY])).to_numpy()
    assert (np.abs(games - games.round()) < 1e-9).all()
    assert games.round().sum() == 398_860


def test_nothing_of_a_season_is_vacant_or_unseen(panel: cs.Panel) -> None:
    frame = panel.frame
    for end in ("", "_tested"):
        assert (frame["vacancy_share" + end] == 0).all()
        np.testing.assert_allclose(frame["observed_share" + end], 1.0, rtol=0, atol=FLOOR)
    made = panel.holders_by_year()
    assert (made["state"] == "led").all()
    sums = made.groupby(KEY)[["exposure_share", "exposure_share_tested"]].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=4 * FLOOR)


def test_the_manager_of_most_games_holds_the_season_and_its_first_half(
    panel: cs.Panel, stints: pd.DataFrame
) -> None:
    rows = stints.groupby([*KEY, "leader_id"], as_index=False).agg(
        share=("share", "sum"), tested=("tested", "sum"), order=("order", "min")
    )
    for column, holder in (("share", "leader_id"), ("tested", "tested_leader_id")):
        ranked = rows.assign(by=-rows[column].round(9)).sort_values([*KEY, "by", "order"])
        top = ranked.drop_duplicates(KEY)["leader_id"].tolist()
        assert panel.frame[holder].tolist() == top
    led = rows.set_index([*KEY, "leader_id"])["tested"]
    own = led.reindex(pd.MultiIndex.from_frame(panel.frame[[*KEY, "leader_id"]])).to_numpy()
    found = panel.frame["exposure_share_tested"].to_numpy()
    np.testing.assert_allclose(found, own, rtol=0, atol=FLOOR / HALF)
    differs = panel.frame["leader_id"] != panel.frame["tested_leader_id"]
    assert 0 < differs.sum() < (panel.frame["n_leaders"] > 1).sum()


def test_events_name_the_rows_of_the_table_of_spells(panel: cs.Panel) -> None:
    events, rows = panel.events, cs.datasets.load_mlb().tenures.sources
    assert rows["source_row"].tolist() == list(range(1, 993))
    number = rows.set_index("spell_id")["source_row"].astype("str")
    for side in ("predecessor", "successor"):
        expected = events[f"{side}_spell_id"].map(number).tolist()
        assert events[f"{side}_source_rows"].tolist() == expected
