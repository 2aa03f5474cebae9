"""Planted defects: as many as asked for, where the log says, and nothing else touched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from churnstats.core.errors import SpecError
from churnstats.datasets.districts import (
    NO_PROGRAMS,
    Defects,
    Recording,
    SimulatedDistricts,
    StaffRules,
    simulate_districts,
)

KEYS = ["unit_id", "role", "school_year_end"]
SMALL = {"n_schools": 1, "n_directors": 1, "programs": NO_PROGRAMS}
ALL = dict.fromkeys(Defects().counts(), 3) | {"missing_year": 1, "stale_year": 2}


def planted(key: str, number: int, seed: int = 0) -> SimulatedDistricts:
    return simulate_districts(150, 12, defects={key: number}, seed=seed, **SMALL)


def top(roster: pd.DataFrame) -> pd.DataFrame:
    return roster.query("role == 'superintendent'")


def count_spellings(sim: SimulatedDistricts) -> int:
    new = set(sim.roster["leader_id"]) - set(sim.truth.roster["leader_id"])
    names = sim.roster.drop_duplicates("leader_id").set_index("leader_id")["leader_name"]
    true = sim.truth.roster.drop_duplicates("leader_id").set_index("leader_id")["leader_name"]
    return sum(names[i] != true[i.removesuffix("-b")] for i in new)


def count_returns(sim: SimulatedDistricts) -> int:
    by_unit = top(sim.roster).groupby("unit_id")["leader_id"]
    before, after, now = by_unit.shift(1), by_unit.shift(-1), top(sim.roster)["leader_id"]
    return int(((before == after) & (before != now)).sum())


def count_overlaps(sim: SimulatedDistricts) -> int:
    spells = sim.tenures.query("role == 'superintendent'").sort_values(["unit_id", "start"])
    return int((spells["stop"] > spells.groupby("unit_id")["start"].shift(-1)).sum())


def count_shared(sim: SimulatedDistricts) -> int:
    places = top(sim.roster).groupby(["leader_id", "school_year_end"])["unit_id"].nunique()
    return int((places - 1).sum())


def count_group_years(roster: pd.DataFrame) -> int:
    return int(roster.groupby([roster["unit_id"].str[:2], "school_year_end"]).ngroups)


def count_stale(sim: SimulatedDistricts) -> int:
    keys = {"index": ["unit_id", "role"], "columns": "school_year_end"}
    wide = sim.roster.pivot(**keys, values="leader_id")
    same = wide.eq(wide.shift(axis=1)).groupby(lambda post: post[0][:2]).all()
    return int(same.sum(axis=None))


FINDERS: dict[str, Callable[[SimulatedDistricts], int]] = {
    "spelling": count_spellings,
    "placeholder": lambda sim: sim.roster["leader_id"].str.startswith("X-").sum(),
    "two_holders": lambda sim: top(sim.roster).duplicated(KEYS).sum(),
    "stale_year": count_stale,
    "missing_year": lambda sim: 8 * 12 - count_group_years(sim.roster),
    "gap": lambda sim: 150 * 12 - len(top(sim.roster)),
    "return": count_returns,
    "reversed_dates": lambda sim: (sim.tenures["start"] >= sim.tenures["stop"]).sum(),
    "overlap": count_overlaps,
    "duplicate_row": lambda sim: sim.roster.duplicated().sum(),
    "id_lost_zero": lambda sim: sim.roster.query("unit_id.str.len() == 6")["unit_id"].nunique(),
    "shared_leader": count_shared,
}


def test_every_defect_has_a_finder() -> None:
    assert set(FINDERS) == set(Defects().counts())


@pytest.mark.parametrize("key", FINDERS)
def test_as_many_are_found_as_were_planted(key: str) -> None:
    find = FINDERS[key]
    for number in (0, 1, 4):
        sim = planted(key, number)
        assert find(sim) == number
        log = sim.truth.defects
        assert log["number"].nunique() == number
        assert (log["defect"] == key).all()


def test_planted_together_each_defect_is_counted_and_apart() -> None:
    sim = simulate_districts(200, 12, defects=ALL, **SMALL)
    log = sim.truth.defects
    counts = log.groupby("defect")["number"].nunique()
    assert counts.to_dict() == ALL
    districts = log["unit_id"].str[:7]
    assert (log.groupby(districts)["defect"].nunique() == 1).all()
    singles = log[~log["defect"].isin(["missing_year", "stale_year"])]
    assert (singles.groupby(districts)["number"].nunique() == 1).all()
    states = log["unit_id"].str[:2]
    whole = set(states[log["defect"].isin(["missing_year", "stale_year"])])
    assert len(whole) == 3
    assert whole.isdisjoint(states[singles.index])


@pytest.mark.parametrize("staff", [StaffRules(), StaffRules(vacancy_share=0.6)])
def test_rows_that_were_not_planted_are_untouched(staff: StaffRules) -> None:
    sim = simulate_districts(200, 12, defects=ALL, staff=staff, **SMALL)
    log = sim.truth.defects.query("table == 'roster'")
    lost_zero = log.loc[log["defect"] == "id_lost_zero", "unit_id"]
    touched = pd.MultiIndex.from_frame(log[KEYS].astype({"school_year_end": "int64"}))
    shown = sim.roster.copy()
    short = shown["unit_id"].str.len() == 6
    shown.loc[short, "unit_id"] = "0" + shown.loc[short, "unit_id"]
    assert set(shown.loc[short, "unit_id"]) == set(lost_zero)
    kept, clean = (
        frame[~pd.MultiIndex.from_frame(frame[KEYS]).isin(touched)].reset_index(drop=True)
        for frame in (shown, sim.truth.roster)
    )
    assert len(kept) > 0.5 * len(shown)
    assert_frame_equal(kept, clean)
    log = sim.truth.defects.query("table == 'tenures'")
    rest, true = (
        frame[~frame["spell_id"].isin(log["spell_id"])]
        for frame in (sim.tenures, sim.truth.tenures)
    )
    assert_frame_equal(rest, true)
    assert len(sim.tenures) == len(sim.truth.tenures)


def test_the_log_says_what_is_on_record_and_who_truly_led() -> None:
    sim = simulate_districts(200, 12, defects=ALL, **SMALL)
    log = sim.truth.defects.query("table == 'roster'").astype({"school_year_end": "int64"})
    true = log.merge(sim.truth.roster, on=KEYS, suffixes=("", "_true"))
    assert len(true) == len(log)
    assert (true["leader_id"] == true["leader_id_true"]).all()
    present = log[log["action"] != "remove"].rename(columns={"recorded_leader_id": "shown"})
    present.loc[present["defect"] == "id_lost_zero", "unit_id"] = present["unit_id"].str[1:]
    on_record = pd.MultiIndex.from_frame(sim.roster[[*KEYS, "leader_id"]])
    assert pd.MultiIndex.from_frame(present[[*KEYS, "shown"]]).isin(on_record).all()
    removed = log[log["action"] == "remove"]
    assert removed["recorded_leader_id"].isna().all()
    gone = pd.MultiIndex.from_frame(removed[KEYS])
    assert not gone.isin(pd.MultiIndex.from_frame(sim.roster[KEYS])).any()


def test_clean_tables_are_those_without_defects() -> None:
    clean = simulate_districts(200, 12, **SMALL)
    faulty = simulate_districts(200, 12, defects=ALL, **SMALL)
    for name in ("roster", "tenures"):
        assert_frame_equal(getattr(faulty.truth, name), getattr(clean, name))
        assert list(getattr(faulty, name).dtypes) == list(getattr(clean, name).dtypes)
    assert_frame_equal(faulty.outcomes, clean.outcomes)


def test_spellings_are_of_several_kinds_and_last_to_the_end_of_the_spell() -> None:
    sim = planted("spelling", 12)
    log = sim.truth.defects.astype({"school_year_end": "int64"})
    assert log["detail"].nunique() == 6
    last = top(sim.truth.roster).groupby(["unit_id", "leader_id"])["school_year_end"].max()
    ends = log.groupby(["unit_id", "leader_id"])["school_year_end"].agg(["min", "max", "size"])
    assert (ends["max"] == last[ends.index]).all()
    assert (ends["size"] == ends["max"] - ends["min"] + 1).all()
    first = top(sim.truth.roster).groupby(["unit_id", "leader_id"])["school_year_end"].min()
    assert (ends["min"] > first[ends.index]).all()


def test_stale_years_copy_vacancies_too() -> None:
    staff = StaffRules(vacancy_share=0.9)
    sim = simulate_districts(100, 12, defects={"stale_year": 4}, staff=staff, **SMALL)
    groups = sim.truth.defects.groupby("detail")["school_year_end"].first()
    assert {"add", "remove", "replace"} == set(sim.truth.defects["action"])
    for state, year in groups.items():
        rows = sim.roster[sim.roster["unit_id"].str.startswith(str(state))]
        now, old = (
            rows[rows["school_year_end"] == y].set_index(["unit_id", "role"]).sort_index()
            for y in (year, year - 1)
        )
        assert_frame_equal(now[["leader_id", "leader_name"]], old[["leader_id", "leader_name"]])


@pytest.mark.parametrize(
    ("defects", "says"),
    [
        ({"typo": 1}, "typo"),
        ({"gap": -1}, "gap"),
        ({"gap": 1.5}, "gap"),
        ({"gap": 151}, "gap"),
        ({"gap": 100, "placeholder": 51}, "placeholder"),
        ({"missing_year": 9}, "missing_year"),
        ({"missing_year": 8, "gap": 1}, "gap"),
        ({"shared_leader": 76}, "shared_leader"),
    ],
)
def test_what_cannot_be_planted_is_refused(defects: dict[str, int], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        simulate_districts(150, 12, defects=defects, **SMALL)


def test_no_room_for_middle_years_in_a_short_window() -> None:
    for key in ("gap", "return", "missing_year", "stale_year"):
        with pytest.raises(SpecError, match=key):
            simulate_districts(50, 2, defects={key: 1}, **SMALL)


def test_states_limit_the_ids_that_can_lose_a_zero() -> None:
    sim = simulate_districts(
        60, 5, recording=Recording(n_states=20), defects={"id_lost_zero": 27}, **SMALL
    )
    assert FINDERS["id_lost_zero"](sim) == 27
    with pytest.raises(SpecError, match="id_lost_zero"):
        simulate_districts(
            60, 5, recording=Recording(n_states=20), defects={"id_lost_zero": 28}, **SMALL
        )


def test_defects_are_drawn_by_the_seed() -> None:
    first, other = planted("gap", 5, seed=1), planted("gap", 5, seed=2)
    units = [set(sim.truth.defects["unit_id"]) for sim in (first, other)]
    assert units[0] != units[1]
    years = planted("gap", 40).truth.defects["school_year_end"]
    assert np.unique(years).size > 5
