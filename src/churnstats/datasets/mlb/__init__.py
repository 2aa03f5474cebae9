"""Team managers of the American and National League, 1901 to 2020: a real example."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.records.outcomes import Outcomes
from churnstats.records.programs import Programs
from churnstats.records.tenures import Tenures


@dataclass(frozen=True, eq=False)
class ExampleData:
    """Records that belong together.

    Attributes
    ----------
    tenures : Tenures
    outcomes : Outcomes
    programs : Programs
    seasons : DataFrame
        The source rows behind exposure: ``unit_id, school_year_end, leader_id, order,
        n_games``, one row a stint of a manager in a season.
    """

    tenures: Tenures
    outcomes: Outcomes
    programs: Programs
    seasons: pd.DataFrame


def load_mlb() -> ExampleData:
    """Load the team-manager example.

    Returns
    -------
    ExampleData
        992 spells of 527 managers in 30 franchises over 2,556 team-seasons, 368 of them with
        more than one manager; 962 exits, 459 of them in mid-season; win share and run
        difference a game by season; 10,134 initiatives (players who become regulars) with the
        manager of the time as their champion.

    Notes
    -----
    A season Y fills [Y, Y + 1) and is clocked by games managed, so that the share of a season
    that a spell covers is games managed over games played. The off-season has no length.
    The Federal League is left out. Six managers were in post before 1901: they keep their true
    start and enter late. Every rule, and each oddity of the source, is told in the README beside
    the data.

    The data are derived from the Baseball Databank (Chadwick Baseball Bureau and Sean Lahman),
    CC BY-SA 3.0, apart from the licence of the code; ``scripts/build_mlb.py`` rebuilds them byte
    for byte.

    Examples
    --------
    >>> import churnstats as cs
    >>> cs.datasets.load_mlb().tenures.n_spells
    992
    """
    folder = files("churnstats.datasets.mlb")
    calendar = SchoolCalendar(start_month=1, start_day=1, first=1871, last=2021)

    def table(name: str) -> pd.DataFrame:
        with (folder / f"{name}.csv").open("r", encoding="utf-8") as stream:
            return pd.read_csv(stream, dtype={"end_reason": "str"})

    # Who managed in the last season may have left after it: nobody looked.
    spells = table("tenures")
    spells["stop_watched"] = ~spells["right_censored"]
    return ExampleData(
        tenures=Tenures.from_spells(spells, calendar=calendar),
        outcomes=Outcomes.from_frame(table("outcomes"), calendar=calendar),
        programs=Programs.from_frame(table("programs"), calendar=calendar),
        seasons=table("seasons"),
    )
