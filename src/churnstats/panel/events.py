"""The event ledger: one row a change of leader, with the spells on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK


def event_ledger(spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a handover from one leader to another.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        ``event_id, unit_id, role, school_year_end`` (the year in which the successor starts:
        event time 0), ``start`` (the successor's), ``predecessor_spell_id, successor_spell_id,
        predecessor_id, successor_id, vacancy_years, is_mid_year, is_date_known, event_order,
        gap_since_last_years, successor_share``. The date is not known where nobody looked between
        the two spells, and ``vacancy_years`` is missing then. A leader who comes back after a
        vacancy is no change.
    """
    unit = spells["unit_id"].to_numpy()
    leader = spells["leader_id"].to_numpy()
    follows = np.r_[False, unit[1:] == unit[:-1]] if len(spells) else np.zeros(0, dtype=bool)
    changed = follows & np.r_[False, leader[1:] != leader[:-1]][: len(spells)]
    at = np.flatnonzero(changed)
    before = spells.iloc[at - 1].reset_index(drop=True)
    after = spells.iloc[at].reset_index(drop=True)
    start = after["start"]
    year = np.floor(start + CLOCK).astype("int64")
    known = ~(before["right_censored"] | after["left_censored"])
    events = pd.DataFrame(
        {
            "unit_id": after["unit_id"],
            "role": after["role"],
            "school_year_end": year,
            "start": start,
            "predecessor_spell_id": before["spell_id"],
            "successor_spell_id": after["spell_id"],
            "predecessor_id": before["leader_id"],
            "successor_id": after["leader_id"],
            "vacancy_years": (start - before["stop"]).clip(lower=0.0).where(known),
            "is_mid_year": (start - year).abs() > CLOCK,
            "is_date_known": known,
            "successor_share": np.minimum(after["stop"], year + 1.0) - start,
        }
    )
    groups = events.groupby("unit_id", sort=False)
    events["event_order"] = groups.cumcount() + 1
    events["gap_since_last_years"] = groups["start"].diff()
    events.insert(
        0,
        "event_id",
        events["unit_id"] + "-" + events["role"] + "-e" + events["event_order"].astype("str"),
    )
    return events


def turnover_flags(panel: pd.DataFrame) -> pd.DataFrame:
    """Return turnover_lead and turnover_lag of a panel sorted by unit and year, missing if unknown.

    ``turnover_lag``: the holder differs from that of the year before. ``turnover_lead``: the
    holder differs from that of the year after. Both need a holder in both years.
    """
    unit, year = panel["unit_id"].to_numpy(), panel["school_year_end"].to_numpy()
    leader = panel["leader_id"]
    known = leader.notna().to_numpy()
    adjacent = np.r_[False, (unit[1:] == unit[:-1]) & (np.diff(year) == 1)][: len(panel)]
    lag = pd.array(
        np.r_[False, leader.to_numpy()[1:] != leader.to_numpy()[:-1]][: len(panel)], dtype="boolean"
    )
    lag[~(adjacent & known & np.r_[False, known[:-1]][: len(panel)])] = pd.NA
    lead = pd.array([pd.NA] * len(panel), dtype="boolean")
    lead[:-1] = lag[1:]
    return pd.DataFrame({"turnover_lead": lead, "turnover_lag": lag})


def count_moves(spells: pd.DataFrame) -> pd.DataFrame:
    """Return observed entries into and exits from the post by unit and school year.

    An entry counts in the year of its start, unless the spell is left-censored or was entered
    late; an exit counts in the year that it ends (a spell that stops at the turn of the year
    ends with the old year), unless it is right-censored.
    """
    seen = (
        ~spells["left_censored"].to_numpy()
        & (spells["entry"] <= spells["start"] + CLOCK).to_numpy()
    )
    entry_year = np.floor(spells["start"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    exit_year = np.ceil(spells["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64) - 1
    left = ~spells["right_censored"].to_numpy()
    parts = []
    for name, mask, year in (("n_entries", seen, entry_year), ("n_exits", left, exit_year)):
        part = pd.DataFrame(
            {"unit_id": spells["unit_id"].to_numpy()[mask], "school_year_end": year[mask]}
        )
        parts.append(part.value_counts(sort=False).rename(name))
    return pd.concat(parts, axis=1).fillna(0).astype("int64").reset_index()
