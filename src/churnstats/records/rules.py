"""Rules across the rows of spell tables: each returns the faults that it found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault
from churnstats.records.ingest import row_fault

CLOCK = 1e-9
SPELL_COLUMNS = ("unit_id", "role", "leader_id", "start", "stop")


def complete_spells(
    frame: pd.DataFrame, observed_until: float, table: str
) -> tuple[pd.DataFrame, list[Fault]]:
    """Fill stop, entry and the id of spells where they are missing; needs unit_id and start."""
    if not {"unit_id", "start"} <= set(frame.columns):
        return frame, []
    frame = frame.copy()
    faults: list[Fault] = []
    open_ended = frame["stop"].isna().to_numpy()
    if open_ended.any() and np.isnan(observed_until):
        faults = row_fault(
            "no_end_of_observation", table, "spells have no stop, and observed_until is not given",
            "say when observation ended: observed_until='2024-07-01'", frame, open_ended,
            ("unit_id", "start"))
    late = open_ended & (frame["start"].to_numpy(dtype=float) >= observed_until)
    faults += row_fault(
        "starts_after_observation", table, "spells without a stop start after observed_until",
        "correct the start, or give a later observed_until", frame, late, ("unit_id", "start"))
    frame["stop"] = frame["stop"].mask(open_ended, observed_until)
    frame["right_censored"] = frame["right_censored"].astype(bool) | open_ended
    frame["entry"] = frame["entry"].fillna(frame["start"])
    if "left_censored" in frame.columns:
        frame["left_censored"] = frame["left_censored"].astype(bool)
    return frame, faults


def sort_spells(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort spells by unit, role and start, and give ids to those that have none."""
    order = ["unit_id", "role", "start", "stop"]
    frame = frame.sort_values(order, ignore_index=True, kind="stable")
    if frame["spell_id"].isna().any():
        number = frame.groupby(["unit_id", "role"]).cumcount() + 1
        made = frame["unit_id"] + "-" + frame["role"] + "-" + number.astype("str")
        frame["spell_id"] = frame["spell_id"].fillna(made)
    return frame


def no_role(frame: pd.DataFrame) -> list[Fault]:
    """Return the fault of rows without a role."""
    return row_fault(
        "no_role", "records", "rows have no role", "give role='superintendent' for all rows, or "
        "fill the column", frame, frame["role"].isna().to_numpy(), ("unit_id", "leader_id"))


def spell_faults(frame: pd.DataFrame) -> list[Fault]:
    """Return reversed, duplicate and overlapping spells of a sorted frame."""
    start, stop = frame["start"].to_numpy(dtype=float), frame["stop"].to_numpy(dtype=float)
    entry = frame["entry"].to_numpy(dtype=float)
    reversed_ = stop <= start
    faults = row_fault(
        "reversed_dates", "tenures", "spells stop at or before their start",
        "swap or correct the dates; stop is the first day no longer in post", frame, reversed_,
        SPELL_COLUMNS)
    outside = ~reversed_ & ((entry < start) | (entry >= stop))
    faults += row_fault(
        "entry_outside_spell", "tenures", "entry lies outside [start, stop)",
        "entry is the time from which the spell was observed", frame, outside,
        (*SPELL_COLUMNS, "entry"))
    same = frame.duplicated(list(SPELL_COLUMNS), keep="first").to_numpy()
    faults += row_fault(
        "duplicate_row", "tenures", "rows repeat another row", "keep one of each", frame, same,
        SPELL_COLUMNS)
    shared = frame["spell_id"].duplicated(keep="first").to_numpy() & ~same
    faults += row_fault(
        "duplicate_id", "tenures", "spell_id is not unique", "give each spell an id of its own",
        frame, shared, ("spell_id", *SPELL_COLUMNS))
    overlapping = overlaps(frame, ~reversed_ & ~same)
    faults += row_fault(
        "overlapping_spells", "tenures",
        "spells start before an earlier spell of the same unit and role has stopped",
        "correct the dates; real co-leaders need a role each", frame, overlapping, SPELL_COLUMNS)
    return faults


def overlaps(frame: pd.DataFrame, usable: np.ndarray) -> np.ndarray:
    """Mark spells that start before an earlier usable one of their unit and role has stopped."""
    part = frame.loc[usable, ["unit_id", "role", "start", "stop"]]
    groups = part.groupby(["unit_id", "role"], sort=False)["stop"]
    latest = groups.cummax().groupby([part["unit_id"], part["role"]]).shift()
    marked = np.zeros(len(frame), dtype=bool)
    marked[usable] = (part["start"] < latest - CLOCK).to_numpy()
    return marked


def gaps_between(frame: pd.DataFrame) -> list[Fault]:
    """Return the time between consecutive spells of a unit and role as a finding."""
    groups = frame.groupby(["unit_id", "role"], sort=False)
    latest = groups["stop"].cummax().groupby([frame["unit_id"], frame["role"]]).shift()
    gap = (frame["start"] > latest + CLOCK).to_numpy(dtype=bool, na_value=False)
    return row_fault(
        "gap", "tenures", "spells start after the post stood empty",
        "if somebody held the post, add the spell", frame, gap, SPELL_COLUMNS)
