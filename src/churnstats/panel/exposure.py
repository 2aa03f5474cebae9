"""How much of each school year each spell covers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import count_up
from churnstats.panel.shares import parts, shared_units


def exposures(spells: pd.DataFrame) -> pd.DataFrame:
    """Cut spells at the turns of school years.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        One row a spell and school year it touches while observed: ``unit_id, school_year_end,
        spell_id, leader_id, start, stop, first_seen, exposure_share``; ``start`` and ``stop``
        are the spell's, ``first_seen`` the first moment of the spell seen in that year and
        ``exposure_share`` the share of the year, divided by ``fte`` while several hold the post.
    """
    shared = shared_units(spells)
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    alone = np.flatnonzero(~shared)
    table = _by_year(entry[alone], stop[alone], alone)
    if shared.any():
        cut = parts(spells[shared])
        begin, end, share = (cut[c].to_numpy(dtype=float) for c in ("begin", "end", "share"))
        spell = np.flatnonzero(shared)[cut["spell"].to_numpy()]
        both = pd.concat([table, _by_year(begin, end, spell, share)])
        years = both.groupby(["spell", "school_year_end"], sort=True)
        table = years.agg(
            first_seen=("first_seen", "min"), exposure_share=("exposure_share", "sum")
        )
        table = table.reset_index()
    columns = ["unit_id", "spell_id", "leader_id", "start", "stop", "left_censored"]
    made = spells.iloc[table["spell"].to_numpy()][columns].reset_index(drop=True)
    made.insert(1, "school_year_end", table["school_year_end"].to_numpy())
    return made.assign(
        first_seen=table["first_seen"].to_numpy(), exposure_share=table["exposure_share"].to_numpy()
    )


def _by_year(
    begin: FloatArray, end: FloatArray, spell: IntArray, share: FloatArray | float = 1.0
) -> pd.DataFrame:
    """Cut stretches at the turns of school years: spell, school_year_end, first_seen, share."""
    first = np.floor(begin + CLOCK).astype(np.int64)
    count = np.ceil(end - CLOCK).astype(np.int64) - first
    row, year = count_up(first, count)
    seen = np.maximum(begin[row], year)
    part = np.broadcast_to(share, begin.shape)[row]
    return pd.DataFrame(
        {
            "spell": spell[row],
            "school_year_end": year,
            "first_seen": seen,
            "exposure_share": part * (np.minimum(end[row], year + 1.0) - seen),
        }
    )


def observed_stretches(spells: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches of time over which each unit's post was under observation.

    Nobody looked between two spells if the earlier is right-censored or the later left-censored,
    nor between the start of a spell and its late entry. Other time between spells is a vacancy.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        ``unit_id, first, last``, one row a stretch, in the order of the spells.
    """
    unit = spells["unit_id"].to_numpy()
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    ended = ~spells["right_censored"].to_numpy(dtype=bool)
    began = ~spells["left_censored"].to_numpy(dtype=bool)
    opens = np.ones(len(spells), dtype=bool)
    seen_until = spells["start"].to_numpy(dtype=float, copy=True)
    lost = ~(ended[:-1] & began[1:])
    seen_until[1:][lost] = stop[:-1][lost]
    opens[1:] = (unit[1:] != unit[:-1]) | (entry[1:] > seen_until[1:] + CLOCK)
    at = np.flatnonzero(opens)
    last = np.r_[at[1:] - 1, len(spells) - 1]
    inside = np.r_[unit[at[1:]] == unit[at[:-1]], False]
    end = np.where(inside, seen_until[np.r_[at[1:], 0]], stop[last])
    return pd.DataFrame({"unit_id": unit[at], "first": entry[at], "last": end})


def holders(exposure: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit and school year under observation, with its holder.

    Parameters
    ----------
    exposure : DataFrame
        From `exposures`.
    observed : DataFrame
        From `observed_stretches`.

    Returns
    -------
    DataFrame
        ``unit_id, school_year_end, leader_id, spell_id, exposure_share, vacancy_share,
        observed_share, n_leaders, elapsed_tenure_years``. The holder is whoever led the
        largest share of the year, the earlier one of two equal ones; there is none (missing)
        where the post stood empty for longer than anybody led. ``exposure_share`` is the
        holder's share, over all their spells of the year; ``spell_id`` is the longest of these,
        and ``elapsed_tenure_years`` counts from its start to the end of the year or of the
        spell, and is NaN where the start is not known.
    """
    years = _unit_years(observed)
    key = ["unit_id", "school_year_end"]
    panel = years.merge(_top_spells(exposure, key), on=key, how="left", validate="1:1")
    totals = exposure.groupby(key, sort=False).agg(
        led_share=("exposure_share", "sum"), n_leaders=("leader_id", "nunique")
    )
    panel = panel.drop(columns="exposure_share").rename(columns={"leader_share": "exposure_share"})
    panel = panel.merge(totals.reset_index(), on=key, how="left", validate="1:1")
    led = panel["led_share"].fillna(0.0)
    vacancy = panel["observed_share"] - led
    panel["vacancy_share"] = vacancy.where(vacancy > CLOCK, 0.0)
    panel["n_leaders"] = panel["n_leaders"].fillna(0).astype("int64")
    empty = (panel["vacancy_share"] > panel["exposure_share"].fillna(0.0) + CLOCK).to_numpy()
    panel.loc[empty, ["leader_id", "spell_id"]] = None
    panel.loc[empty, ["exposure_share", "start", "stop"]] = np.nan
    end = np.minimum(panel["stop"], panel["school_year_end"] + 1.0)
    known = ~panel["left_censored"].eq(True).to_numpy(dtype=bool, na_value=False)
    panel["elapsed_tenure_years"] = (end - panel["start"]).where(known)
    columns = [
        "leader_id",
        "spell_id",
        "exposure_share",
        "vacancy_share",
        "observed_share",
        "n_leaders",
        "elapsed_tenure_years",
    ]
    return panel[[*key, *columns]]


def _top_spells(exposure: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the longest spell of each unit-year's holder, and the holder's ``leader_share``."""
    several = exposure.duplicated(key, keep=False)
    alone, shared = exposure[~several], exposure[several]
    alone = alone.assign(leader_share=alone["exposure_share"])
    leaders = shared.groupby([*key, "leader_id"], sort=False)
    led = leaders["exposure_share"].transform("sum")
    ranked = shared.assign(
        leader_share=led,
        by_leader=-led.round(9),
        leader_seen=leaders["first_seen"].transform("min"),
        by_spell=-shared["exposure_share"].round(9),
    )
    ranks = ["by_leader", "leader_seen", "by_spell", "first_seen"]
    ordered = ranked.sort_values([*key, *ranks], kind="stable")
    return pd.concat([alone, ordered.drop_duplicates(key).drop(columns=ranks)])


def _unit_years(observed: pd.DataFrame) -> pd.DataFrame:
    """Return every school year that each unit was under observation in, and for what share."""
    first = np.floor(observed["first"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    last = np.ceil(observed["last"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    count = last - first
    row, year = count_up(first, count)
    begin = np.maximum(observed["first"].to_numpy(dtype=float)[row], year)
    end = np.minimum(observed["last"].to_numpy(dtype=float)[row], year + 1.0)
    parts = pd.DataFrame(
        {
            "unit_id": observed["unit_id"].to_numpy()[row],
            "school_year_end": year,
            "observed_share": end - begin,
        }
    )
    years = parts.groupby(["unit_id", "school_year_end"], sort=True)["observed_share"].sum()
    return years.reset_index()
