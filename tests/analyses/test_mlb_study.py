"""The recorded numbers of the team-manager study, made again from the shipped files without it.

Plain pandas and loops over the CSV files; agreement to 1e-9 relative, since both are exact up to
rounding. Standard errors of the models have their own references in tests/reference.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

STUDY = Path(__file__).parents[2] / "analyses" / "mlb_managers"


@cache
def expected() -> dict[str, float]:
    raw = json.loads((STUDY / "expected.json").read_text(encoding="utf-8"))
    numbers = raw.get("numbers", raw)
    return {key: entry["value"] for key, entry in numbers.items()}


@cache
def table(name: str) -> pd.DataFrame:
    with files("churnstats.datasets.mlb").joinpath(f"{name}.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream)


def test_counts() -> None:
    spells, seasons = table("tenures"), table("seasons")
    several = seasons.groupby(["unit_id", "school_year_end"])["leader_id"].nunique() > 1
    exits = spells[~spells["right_censored"]]
    assert expected()["count.spells"] == len(spells) == 992
    assert expected()["count.managers"] == spells["leader_id"].nunique() == 527
    assert expected()["count.franchises"] == spells["unit_id"].nunique() == 30
    assert expected()["count.team_seasons"] == len(several) == 2556
    assert expected()["count.team_seasons_several"] == several.sum() == 368
    assert expected()["count.changes"] == len(exits) == 962
    assert expected()["count.changes_mid_season"] == (exits["stop"] % 1 != 0).sum() == 459


def test_four_averages() -> None:
    spells = table("tenures").assign(years=lambda f: f["stop"] - f["start"])
    done = spells[~spells["right_censored"]]
    moment = (spells["entry"].min() + spells["stop"].max()) / 2
    here = spells[(spells["entry"] <= moment) & (spells["stop"] > moment)]
    got = expected()
    assert got["tenure.completed_spells.mean"] == pytest.approx(done["years"].mean(), rel=1e-9)
    assert got["tenure.completed_spells.median"] == pytest.approx(done["years"].median(), rel=1e-9)
    elapsed = (moment - here["start"]).mean()
    assert got["tenure.incumbents_elapsed.mean"] == pytest.approx(elapsed, rel=1e-9)
    assert got["tenure.incumbents_completed.mean"] == pytest.approx(here["years"].mean(), rel=1e-9)


def survival_by_hand() -> pd.Series:
    """Product over event times, each risk set counted anew; the censored leave just before."""
    spells = table("tenures")
    entry = (spells["entry"] - spells["start"]).round(9).to_numpy()
    years = (spells["stop"] - spells["start"]).round(9).to_numpy()
    event = ~spells["right_censored"].to_numpy()
    value, curve = 1.0, {}
    for time in np.unique(years[event]):
        stays = (time < years) | ((time == years) & event)
        at_risk = ((entry < time) & stays).sum()
        value *= 1 - ((years == time) & event).sum() / at_risk
        curve[time] = value
    return pd.Series(curve)


def test_survival_and_its_median() -> None:
    curve = survival_by_hand()
    for year in (1, 2, 3, 5, 10):
        at = curve[curve.index <= year].iloc[-1]
        assert expected()[f"tenure.survival.{year}"] == pytest.approx(at, rel=1e-9)
    median = curve.index[(curve <= 0.5).to_numpy()][0]
    assert expected()["tenure.kaplan-meier_late_entry.median"] == pytest.approx(median, rel=1e-9)


@cache
def changes() -> dict[tuple[str, int], int]:
    """Number of changes by franchise and season: two stints of different managers in a row."""
    found: dict[tuple[str, int], int] = {}
    seasons = table("seasons").sort_values(["unit_id", "school_year_end", "order"])
    for unit, rows in seasons.groupby("unit_id"):
        before = None
        for row in rows.itertuples():
            if before is not None and before != row.leader_id:
                key = (str(unit), int(row.school_year_end))
                found[key] = found.get(key, 0) + 1
            before = row.leader_id
    return found


@cache
def first_starts() -> set[tuple[str, int]]:
    """First seasons of franchises whose first manager is known to have started then."""
    first = table("tenures").sort_values(["unit_id", "start"]).drop_duplicates("unit_id")
    known = first[first["entry"] == first["start"]]
    return {(row.unit_id, int(row.start)) for row in known.itertuples()}


def windows(pre: int, post: int) -> tuple[list[tuple[str, int]], dict[int, list[str]]]:
    """Return isolated changes with stayers, and the stayers of each season, by definition."""
    seasons = table("seasons").groupby("unit_id")["school_year_end"].agg(["min", "max"])
    years = range(int(seasons["min"].min()), int(seasons["max"].max()) + 1)

    def quiet(unit: str, season: int, but: int) -> bool:
        first, last = seasons.loc[unit, "min"], seasons.loc[unit, "max"]
        if season - pre < first or season + post > last:
            return False
        inside = [(unit, s) for s in range(season - pre, season + post + 1)]
        return sum(changes().get(at, 0) + (at in first_starts()) for at in inside) == but

    stayers = {s: [u for u in seasons.index if quiet(u, s, 0)] for s in years}
    events = [(u, s) for (u, s) in sorted(changes()) if quiet(u, s, 1) and stayers[s]]
    return events, stayers


@pytest.mark.parametrize(("pre", "post"), [(1, 1), (2, 2), (3, 2), (3, 3), (3, 5)])
def test_isolation(pre: int, post: int) -> None:
    assert expected()[f"isolation.{pre}_{post}"] == len(windows(pre, post)[0])


@pytest.mark.parametrize("measure", ["win_share", "run_difference"])
def test_effects_on_two_bases_by_hand(measure: str) -> None:
    events, stayers = windows(3, 2)
    outcomes = table("outcomes").query("measure == @measure")
    value = outcomes.set_index(["unit_id", "school_year_end"])["estimate"]
    paths = []
    for unit, season in events:
        own = np.array([value[unit, season + k] for k in range(-3, 3)])
        others = [[value[u, season + k] for k in range(-3, 3)] for u in stayers[season]]
        paths.append(own - np.mean(others, axis=0))
    path = np.mean(paths, axis=0)
    late = path[3:].mean() - path[2]
    early = path[3:].mean() - path[:2].mean()
    assert expected()[f"{measure}.t_1"] == pytest.approx(late, rel=1e-9)
    assert expected()[f"{measure}.early"] == pytest.approx(early, rel=1e-9)
    if measure == "win_share":
        assert expected()["win_share.dip"] == pytest.approx(path[2] - path[:2].mean(), rel=1e-9)
        assert expected()["win_share.n_events"] == len(events)


def test_hazard_ratio_solves_its_equation() -> None:
    """The score of the partial likelihood (Efron), summed by hand, is zero at the estimate."""
    spells = table("tenures").sort_values(["unit_id", "start"])
    programs = table("programs")
    rows = []
    by_unit = dict(list(spells.groupby("unit_id")))
    for p in programs.itertuples():
        own = by_unit[p.unit_id]
        starts, leaders = own["entry"].to_numpy(), own["leader_id"].to_numpy()
        for season in range(int(p.entry), int(p.stop)):
            holder = leaders[np.searchsorted(starts, season, side="right") - 1]
            ends = season + 1 == p.stop and not p.right_censored
            rows.append((season - p.start, season + 1 - p.start, ends, holder != p.sponsor_id))
    entry, exit_, event, gone = (
        np.array(column, dtype=float) for column in zip(*rows, strict=True)
    )
    risk = np.exp(expected()["initiatives.champion_gone"] * gone)
    score = 0.0
    for time in np.unique(exit_[event == 1]):
        at_risk, dies = (entry < time) & (time <= exit_), (exit_ == time) & (event == 1)
        n = int(dies.sum())
        share = np.arange(n) / n
        s0 = risk[at_risk].sum() - share * risk[dies].sum()
        s1 = (risk * gone)[at_risk].sum() - share * (risk * gone)[dies].sum()
        score += gone[dies].sum() - (s1 / s0).sum()
    assert abs(score) < 1e-6 * event.sum()
    ratio = np.exp(expected()["initiatives.champion_gone"])
    assert expected()["initiatives.hazard_ratio"] == pytest.approx(ratio, rel=1e-9)
