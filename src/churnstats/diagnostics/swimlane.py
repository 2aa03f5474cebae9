"""Who led which unit when, as a picture that names nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.core.types import IntArray
from churnstats.diagnostics.tenure import shares_post
from churnstats.display.swimlane import swimlane_figure
from churnstats.panel.events import event_ledger
from churnstats.panel.shares import principals
from churnstats.records.tenures import Tenures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_UNITS = 200
UNIT_CLOSED = "unit_closed"


def swimlane(
    tenures: Tenures,
    units: Sequence[str] | Literal["most changes"] | None = None,
    *,
    role: str | None = None,
    max_units: int = 40,
    seed: int = 0,
) -> Figure:
    """Draw units as lanes and spells as bars, with what is censored, vacant or interim.

    Look at it before anything is estimated: gaps, unlikely lengths and leaders who come and go
    show themselves.

    Parameters
    ----------
    tenures : Tenures
    units : sequence of str or "most changes", optional
        These units, in this order; or those with the most changes of leader, ties by unit id. By
        default a random sample of all.
    role : str, optional
        Needed if there are several.
    max_units : int
        How many are drawn at most, unless they are listed.
    seed : int
        Of the sample.

    Returns
    -------
    Figure
        Units are named by their ids; leaders are numbered within each unit, in the order in which
        they came. One who comes back keeps the number; those who share a post share the lane.

    Raises
    ------
    SpecError
        Units that have no spell, none at all, or more than 200.

    Examples
    --------
    >>> import churnstats as cs
    >>> figure = swimlane(cs.datasets.load_mlb().tenures, max_units=12)
    >>> len(figure.axes[0].get_yticklabels())
    12
    """
    spells = tenures.for_role(role)
    chosen, how = _choose(spells, units, max_units, seed)
    lane = pd.Series(np.arange(len(chosen)), index=pd.Index(chosen))
    part = spells[spells["unit_id"].isin(chosen)].reset_index(drop=True)
    part["lane"] = part["unit_id"].map(lane)
    n_all = spells["unit_id"].nunique()
    return swimlane_figure(
        _bars(part),
        _gaps(part),
        chosen,
        f"Who led when: {part['role'].iloc[0]}",
        f"{len(chosen):,} of {n_all:,} units, {how}" if len(chosen) < n_all else "all units",
    )


def _choose(
    spells: pd.DataFrame,
    units: Sequence[str] | Literal["most changes"] | None,
    max_units: int,
    seed: int,
) -> tuple[list[str], str]:
    """Return the units to draw in their order, and in words how they were chosen."""
    every = sorted(spells["unit_id"].unique())
    if isinstance(units, str):
        if units != "most changes":
            raise SpecError("units", f"'{units}' is no choice of units",
                            how="a list of unit ids, or 'most changes'")  # fmt: skip
        n = event_ledger(principals(spells))["unit_id"].value_counts().reindex(every, fill_value=0)
        chosen, how = list(n.sort_values(ascending=False, kind="stable").index), "most changes"
    elif units is not None:
        chosen, how = list(dict.fromkeys(units)), "as listed"
        unknown = [str(u) for u in chosen if u not in set(every)]
        if unknown:
            raise SpecError("units", "no spell is of these units", where=unknown)
        max_units = len(chosen)
    else:
        rng = np.random.default_rng(seed)
        n_drawn = min(max(max_units, 0), len(every))
        chosen = sorted(rng.choice(np.array(every, dtype=object), n_drawn, replace=False))
        how = f"drawn at random (seed {seed})"
    chosen = chosen[: max(max_units, 0)]
    if not 1 <= len(chosen) <= MAX_UNITS:
        raise SpecError("units", f"{len(chosen)} units can't be drawn",
                        how=f"choose from 1 to {MAX_UNITS}")  # fmt: skip
    return chosen, how


def _bars(part: pd.DataFrame) -> pd.DataFrame:
    """Return a bar a spell, its leader numbered within the unit.

    Of reasons of exits only the closing of a unit is shown, which is no one person's.
    """
    events = event_ledger(part).set_index("successor_spell_id")["is_date_known"]
    pair = part.drop_duplicates(["unit_id", "leader_id"])
    level, n_levels = _levels(part)
    closed = part["exit_reason"].eq(UNIT_CLOSED).to_numpy(dtype=bool, na_value=False)
    number = (pair.groupby("unit_id").cumcount() + 1).rename("number")
    keys = ["unit_id", "leader_id"]
    numbers = part[keys].merge(pair[keys].assign(number=number), on=keys, how="left")["number"]
    return pd.DataFrame(
        {
            "lane": part["lane"],
            "level": level,
            "n_levels": n_levels,
            "number": numbers.to_numpy(),
            "start": part["start"],
            "entry": part["entry"],
            "stop": part["stop"],
            "left_open": part["left_censored"].astype(bool),
            "right_open": part["right_censored"].astype(bool) & ~closed,
            "is_closed": closed,
            "is_interim": part["interim"].fillna(False).astype(bool),
            "is_change": part["spell_id"].isin(events.index) & ~shares_post(part),
            "is_date_known": part["spell_id"].map(events).eq(True),
        }
    )


def _levels(part: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """Return the level of its lane on which each spell is drawn, and among how many.

    It is the lowest on which the spell overlaps with none before it. Spells that overlap, and
    those that overlap with them, are drawn among as many levels as they need together.
    """
    level, free = np.zeros(len(part), dtype=np.int64), dict[tuple[int, int], float]()
    columns = (part["lane"].to_numpy(), part["start"].to_numpy(), part["stop"].to_numpy())
    for i, (lane, start, stop) in enumerate(zip(*columns, strict=True)):
        while free.get((lane, level[i]), -np.inf) > start + CLOCK:
            level[i] += 1
        free[lane, level[i]] = stop
    until = part.groupby("lane", sort=False)["stop"].cummax().groupby(part["lane"]).shift()
    cluster = (~(part["start"] < until - CLOCK)).cumsum()
    n_levels = pd.Series(level, index=part.index).groupby(cluster).transform("max") + 1
    return level, n_levels.to_numpy(dtype=np.int64)


def _gaps(part: pd.DataFrame) -> pd.DataFrame:
    """Return the time between spells of a unit: vacant, or not observed at either end."""
    unit = part["unit_id"]
    until = part.groupby(unit, sort=False)["stop"].cummax().groupby(unit).shift()
    cut = part.groupby(unit, sort=False)["right_censored"].shift().eq(True)
    gap = (part["start"] > until + CLOCK).to_numpy()
    vacant = ~(cut | part["left_censored"])
    gaps = pd.DataFrame(
        {"lane": part["lane"], "start": until, "stop": part["start"], "is_vacant": vacant}
    )
    return gaps[gap].reset_index(drop=True)
