"""Spells to the roster that a yearly snapshot would show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.numerics.groups import count_up

COLUMNS = ["unit_id", "role", "school_year_end", "leader_id", "vacant", "title", "fte"]


def snapshot_rows(spells: pd.DataFrame, at_share: float) -> pd.DataFrame:
    """Return one row a post, year and holder at a moment of each school year.

    Parameters
    ----------
    spells : DataFrame
        Spells sorted by unit, role and start.
    at_share : float
        The moment, as a share of the year.
    """
    if not 0 <= at_share < 1:
        raise SpecError("at_share", f"{at_share} is no share of a year", how="from 0 to below 1")
    held = _years(spells, spells["entry"], spells["stop"], at_share)
    held["leader_id"] = spells["leader_id"].take(held.index.to_numpy()).to_numpy()
    held["vacant"] = False
    for column in ("title", "fte"):
        held[column] = spells[column].take(held.index.to_numpy()).to_numpy()
    empty = _vacancies(spells, at_share)
    made = pd.concat([held, empty], ignore_index=True) if len(empty) else held
    key = ["unit_id", "role", "school_year_end", "leader_id"]
    made = made.astype({"leader_id": "str", "title": "str", "vacant": "bool"})
    return made.sort_values(key, kind="stable", ignore_index=True)[COLUMNS]


def _years(
    spells: pd.DataFrame, since: pd.Series, until: pd.Series, at_share: float
) -> pd.DataFrame:
    """Return the years whose snapshot falls into stretches, under the number of the spell."""
    first = np.ceil(since.to_numpy(dtype=float) - at_share - CLOCK).astype(np.int64)
    last = np.ceil(until.to_numpy(dtype=float) - at_share - CLOCK).astype(np.int64)
    count = np.maximum(last - first, 0)
    row, year = count_up(first, count)
    made = spells[["unit_id", "role"]].take(row)
    made.index = pd.Index(row)
    made["school_year_end"] = year
    return made


def _vacancies(spells: pd.DataFrame, at_share: float) -> pd.DataFrame:
    """Return rows of snapshots that fall between a spell that ended and one that began."""
    post = spells.groupby(["unit_id", "role"], sort=False)
    latest = post["stop"].cummax()
    following = post["start"].shift(-1)
    unseen = spells["stop"].where(spells["right_censored"], -np.inf)
    unseen = unseen.groupby([spells["unit_id"], spells["role"]], sort=False).cummax()
    ends = (unseen < latest - CLOCK) & ~post["left_censored"].shift(-1, fill_value=True)
    gap = (ends & (following > latest + CLOCK)).to_numpy(dtype=bool)
    empty = _years(spells[gap], latest[gap], following[gap], at_share)
    return empty.assign(leader_id=None, vacant=True, title=None, fte=np.nan)
