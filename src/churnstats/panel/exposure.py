"""How much of each school year each spell covers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK


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
        ``exposure_share`` the share of the year.
    """
    entry = spells["entry"].to_numpy(dtype=float)
    stop = spells["stop"].to_numpy(dtype=float)
    first = np.floor(entry + CLOCK).astype(np.int64)
    last = np.ceil(stop - CLOCK).astype(np.int64)
    count = last - first
    row = np.repeat(np.arange(len(spells)), count)
    within = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    year = first[row] + within
    seen = np.maximum(entry[row], year)
    share = np.minimum(stop[row], year + 1.0) - seen
    columns = ["unit_id", "spell_id", "leader_id", "start", "stop", "left_censored"]
    table = spells.iloc[row][columns].reset_index(drop=True)
    table.insert(1, "school_year_end", year)
    return table.assign(first_seen=seen, exposure_share=share)


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
    row = np.repeat(np.arange(len(observed)), count)
    year = first[row] + np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
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
