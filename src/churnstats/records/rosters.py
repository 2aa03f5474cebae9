"""Yearly rosters to spells: runs of the same holder, censored where the roster does not look."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog
from churnstats.core.provenance import RowLedger
from churnstats.records.ingest import row_fault
from churnstats.records.rules import first_like, repeats

CELL = ["unit_id", "role", "school_year_end"]


def roster_faults(frame: pd.DataFrame, source: pd.DataFrame) -> list[Fault]:
    """Return repeated rows and cells with two holders; they are shown as they came."""
    row, shown = [*CELL, "leader_id"], (*CELL, "leader_id")
    if frame["leader_id"].isna().all():
        how = "fill the column 'leader_id', or say what it is called"
        return [Fault("no_holder", "roster", "no row names a holder", how, 0)]
    same = repeats(frame, CELL) & frame.duplicated(row, keep="first").to_numpy()
    faults = row_fault(
        "duplicate_row",
        "roster",
        "rows repeat another row",
        "keep one of each",
        source,
        same,
        shown,
        first_like(frame.fillna({"leader_id": ""}), row),
    )
    two = np.zeros(len(frame), dtype=bool)
    two[~same] = repeats(frame[~same], CELL)
    return faults + row_fault(
        "two_holders",
        "roster",
        "a post has another holder in the same year",
        "keep the holder of the year, or give dated spells to Tenures.from_spells",
        source,
        two,
        shown,
        first_like(frame, CELL),
    )


def roster_to_spells(
    frame: pd.DataFrame, max_gap_years: int
) -> tuple[pd.DataFrame, IssueLog, RowLedger]:
    """Join runs of one holder into spells.

    Parameters
    ----------
    frame : DataFrame
        A roster without faults.
    max_gap_years : int
        Missing years that the same holder on both sides may bridge.

    Returns
    -------
    spells : DataFrame
    issues : IssueLog
        Empty cells, bridged and open gaps.
    ledger : RowLedger
    """
    known = frame["leader_id"].notna().to_numpy()
    issues = IssueLog()
    for fault in row_fault(
        "no_holder",
        "roster",
        "no holder is named",
        "name the holder if there was one",
        frame,
        ~known,
        tuple(CELL),
    ):
        issues = issues.add(fault, "taken as not observed")
    ledger = RowLedger().step(
        "rows with a holder",
        "roster rows",
        len(frame),
        int(known.sum()),
        {"without a holder": int((~known).sum())},
    )
    rows = frame[known].sort_values(CELL, kind="stable")
    post = rows.groupby(["unit_id", "role"], sort=False).ngroup().to_numpy()
    year = rows["school_year_end"].to_numpy(dtype=np.int64)
    leader = rows["leader_id"].to_numpy()
    first = np.r_[True, post[1:] != post[:-1]]
    missing = np.r_[0, np.diff(year) - 1]
    same = np.r_[False, leader[1:] == leader[:-1]] & ~first
    gap = ~first & (missing > 0)
    bridged = gap & same & (missing <= max_gap_years)
    opens = first | ~same | (gap & ~bridged)
    for rule, mask, message, action in (
        ("gap_bridged", bridged, "the same holder is found again after missing years", "bridged"),
        (
            "gap",
            gap & ~bridged,
            "years are missing before this row",
            "spell before right-censored, spell after left-censored",
        ),
    ):
        for fault in row_fault(
            rule, "roster", message, "add the missing years", rows, mask, (*CELL,)
        ):
            issues = issues.add(fault, action)
    spells = _runs(rows, year, opens, first | (gap & ~bridged), post)
    kept = RowLedger().step("spells", "spells", len(spells), len(spells))
    return spells, issues, ledger + kept


def _runs(
    rows: pd.DataFrame,
    year: np.ndarray,
    opens: np.ndarray,
    unseen_before: np.ndarray,
    post: np.ndarray,
) -> pd.DataFrame:
    """Return one row a run: it starts where ``opens``, and ends before the next opening."""
    at = np.flatnonzero(opens)
    last = np.r_[at[1:] - 1, len(rows) - 1]
    unseen_after = np.r_[unseen_before[at[1:]], True] if at.size else np.zeros(0, dtype=bool)
    spells = rows.iloc[at][["unit_id", "role", "leader_id"]].reset_index(drop=True)
    spells["start"] = year[at].astype(float)
    spells["stop"] = year[last] + 1.0
    spells["entry"] = spells["start"]
    spells["left_censored"] = unseen_before[at]
    spells["right_censored"] = unseen_after
    spells["exit_reason"] = pd.Series([None] * at.size, dtype="str")
    spells["interim"] = pd.array([pd.NA] * at.size, dtype="boolean")
    spells["n_roster_rows"] = last - at + 1
    number = pd.Series(post[at]).groupby(post[at]).cumcount() + 1
    spells.insert(
        0, "spell_id", spells["unit_id"] + "-" + spells["role"] + "-" + number.astype("str")
    )
    return spells
