"""How much of each school year each spell covers."""

from __future__ import annotations

import numpy as np
import pandas as pd

CLOCK = 1e-9


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


def holders(exposure: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit and school year with its holder.

    Parameters
    ----------
    exposure : DataFrame
        From `exposures`.
    observed : DataFrame
        ``unit_id, first, last``: the time over which each unit was under observation.

    Returns
    -------
    DataFrame
        ``unit_id, school_year_end, leader_id, spell_id, exposure_share, vacancy_share,
        observed_share, n_leaders, elapsed_tenure_years``. The holder is whoever led the
        largest share of the year, the earlier one of two equal ones; there is none (missing)
        where the post stood empty for longer than anybody led. ``elapsed_tenure_years`` counts
        from the start of the holder's spell to the end of the year or of the spell, and is NaN
        where the start is not known.
    """
    years = _unit_years(observed)
    key = ["unit_id", "school_year_end"]
    ordered = exposure.assign(rounded=exposure["exposure_share"].round(9)).sort_values(
        [*key, "rounded", "first_seen"], ascending=[True, True, False, True], kind="stable")
    top = ordered.drop_duplicates(key).drop(columns="rounded")
    totals = exposure.groupby(key, sort=False).agg(
        led_share=("exposure_share", "sum"), n_leaders=("leader_id", "nunique"))
    panel = years.merge(top, on=key, how="left", validate="1:1")
    panel = panel.merge(totals.reset_index(), on=key, how="left", validate="1:1")
    led = panel["led_share"].fillna(0.0)
    vacancy = (panel["observed_share"] - led).clip(lower=0.0)
    panel["vacancy_share"] = vacancy.where(vacancy > CLOCK, 0.0)
    panel["n_leaders"] = panel["n_leaders"].fillna(0).astype("int64")
    empty = (panel["vacancy_share"] > panel["exposure_share"].fillna(0.0)).to_numpy()
    panel.loc[empty, ["leader_id", "spell_id"]] = None
    panel.loc[empty, ["exposure_share", "start", "stop"]] = np.nan
    end = np.minimum(panel["stop"], panel["school_year_end"] + 1.0)
    known = ~panel["left_censored"].eq(True).to_numpy(dtype=bool, na_value=False)
    panel["elapsed_tenure_years"] = (end - panel["start"]).where(known)
    columns = ["leader_id", "spell_id", "exposure_share", "vacancy_share", "observed_share",
               "n_leaders", "elapsed_tenure_years"]
    return panel[[*key, *columns]]


def _unit_years(observed: pd.DataFrame) -> pd.DataFrame:
    """Return every school year of each unit's time under observation, with the share observed."""
    first = np.floor(observed["first"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    last = np.ceil(observed["last"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    count = last - first
    row = np.repeat(np.arange(len(observed)), count)
    year = first[row] + np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    begin = np.maximum(observed["first"].to_numpy(dtype=float)[row], year)
    end = np.minimum(observed["last"].to_numpy(dtype=float)[row], year + 1.0)
    return pd.DataFrame({
        "unit_id": observed["unit_id"].to_numpy()[row], "school_year_end": year,
        "observed_share": end - begin,
    })
