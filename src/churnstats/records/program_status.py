"""Yearly status rows to program spells: runs of years in which a program is adopted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault
from churnstats.core.issues import IssueLog
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, IntArray
from churnstats.records.marks import Mark, back_in_order, faults_of, issues_of
from churnstats.records.rules import first_like, repeats

RUNNING = ("active", "suspended")
PROGRAM = ["unit_id", "initiative_id"]
CELL = [*PROGRAM, "school_year_end"]
TEXTS = ("sponsor_id", "sponsor_role", "partner_id")
SHOWN = (*CELL, "status", "practised", "end_reason")
# what each finding says, and what was done
NOTES = {
    "gap_bridged": (
        "a program runs on both sides of years without a known status",
        "bridged",
    ),
    "gap": (
        "years without a known status lie before this row",
        "not observed: a spell before it is right-censored, one after it left-censored",
    ),
    "suspended_first": (
        "programs are suspended in the first year in which they are there",
        "taken as adopted in that year",
    ),
    "planned_after_running": (
        "programs are planned after a year in which they were adopted",
        "taken as ended and planned anew",
    ),
    "other_sponsor": (
        "years name another sponsor than the first year of the spell",
        "the sponsor of the first year is kept",
    ),
    "other_partner": (
        "years name another partner than the first year of the spell",
        "the partner of the first year is kept",
    ),
    "reason_without_end": (
        "rows that are not the first after a program's end give an end_reason",
        "not used",
    ),
}


@dataclass(frozen=True)
class _Runs:
    """Sorted rows of known status with their places in spells.

    ``opens`` marks the first row of each spell, ``spell`` numbers the running rows by spell (-1
    elsewhere), ``last`` is the last row of each spell, ``missing`` counts the years without a row
    before each.
    """

    rows: pd.DataFrame
    running: BoolArray
    first: BoolArray
    missing: IntArray
    bridged: BoolArray
    opens: BoolArray
    spell: IntArray
    last: IntArray

    @property
    def begun(self) -> BoolArray:
        """Mark the spells whose adoption was seen: the year before, the program was not there."""
        at = np.flatnonzero(self.opens)
        before = ~self.first[at] & (self.missing[at] == 0)
        return np.asarray(before & ~self.running[at - 1])

    @property
    def ended(self) -> BoolArray:
        """Mark the spells whose end was seen: the year after, the program was not there."""
        after = np.minimum(self.last + 1, len(self.rows) - 1)
        seen = (after > self.last) & ~self.first[after] & (self.missing[after] == 0)
        return np.asarray(seen & ~self.running[after])


def status_faults(frame: pd.DataFrame, source: pd.DataFrame) -> list[Fault]:
    """Return repeated rows, and programs that were never there after they were."""
    if not {*CELL, "status"} <= set(frame.columns):
        return []
    rows = frame.dropna(subset=[*CELL, "status"]).sort_values(CELL, kind="stable")
    there = rows["status"].isin([*RUNNING, "ended"])
    been = there.groupby([rows[c] for c in PROGRAM], sort=False).cummax()
    return faults_of(
        "program_status",
        source,
        SHOWN,
        [
            Mark(
                "duplicate_key",
                repeats(frame, CELL),
                "unit, program and year repeat",
                "keep one row of each",
                first_like(frame, CELL),
            ),
            Mark(
                "never_after_adoption",
                back_in_order(been & (rows["status"] == "never"), frame.index),
                "a program was there in an earlier year and is said never to have been",
                "write 'ended', or correct the earlier rows",
            ),
        ],
    )


def status_to_spells(
    frame: pd.DataFrame, source: pd.DataFrame, max_gap_years: int
) -> tuple[pd.DataFrame, IssueLog, RowLedger]:
    """Join years in which a program is adopted into spells.

    Parameters
    ----------
    frame : DataFrame
        Status rows without faults.
    source : DataFrame
        The same rows as they came, which issues show.
    max_gap_years : int
        Years without a known status that a program that runs on both sides may bridge.

    Returns
    -------
    spells : DataFrame
        Columns as in the contract of programs, ``n_status_rows`` and ``suspended_years``.
    issues : IssueLog
    ledger : RowLedger
    """
    known = (frame["status"] != "unknown").to_numpy()
    runs = _runs(frame[known].sort_values(CELL, kind="stable"), max_gap_years)
    spells = _spells(runs)
    spells, practice = _with_practice(spells, frame, max_gap_years)
    marks = [
        Mark(
            "unknown_status",
            ~known,
            "the status is unknown",
            "taken as not observed",
        ),
        *_run_marks(runs, frame.index),
        *practice,
    ]
    status = runs.rows.loc[~runs.running, "status"].value_counts()
    ledger = (
        RowLedger()
        .step(
            "rows with a known status",
            "status rows",
            len(frame),
            int(known.sum()),
            {"of unknown status": int((~known).sum())},
        )
        .step(
            "rows of adopted programs",
            "status rows",
            len(runs.rows),
            int(runs.running.sum()),
            {f"status '{name}'": int(n) for name, n in status.items()},
        )
        .step("programs", "programs", len(spells), len(spells))
    )
    return spells, issues_of("program_status", source, SHOWN, marks), ledger


def _runs(rows: pd.DataFrame, max_gap_years: int) -> _Runs:
    """Find the spells in sorted rows."""
    running = rows["status"].isin(RUNNING).to_numpy(dtype=bool)
    year = rows["school_year_end"].to_numpy(dtype=np.int64)
    program = rows.groupby(PROGRAM, sort=False).ngroup().to_numpy()
    first = np.diff(program, prepend=-1) != 0
    missing = np.where(first, 0, np.diff(year, prepend=0) - 1)
    on_both = running & ~first & np.r_[False, running[:-1]]
    bridged = on_both & (missing > 0) & (missing <= max_gap_years)
    opens = running & ~(on_both & ((missing == 0) | bridged))
    spell = np.where(running, np.cumsum(opens) - 1, -1)
    last = np.zeros(int(opens.sum()), dtype=np.int64)
    last[spell[running]] = np.flatnonzero(running)
    return _Runs(rows, running, first, missing, bridged, opens, spell, last)


def _spells(runs: _Runs) -> pd.DataFrame:
    """Return one row a run of years, without its practice; the index is that of its first row."""
    rows, at = runs.rows, np.flatnonzero(runs.opens)
    year = rows["school_year_end"].to_numpy(dtype=float)
    opening, place = rows.iloc[at], runs.spell[runs.running]
    number = opening.groupby(PROGRAM, sort=False).cumcount() + 1
    suspended = (rows["status"] == "suspended").to_numpy(dtype=bool)[runs.running]
    after = rows["end_reason"].to_numpy()[np.minimum(runs.last + 1, max(len(rows) - 1, 0))]
    name = opening["unit_id"] + "-" + opening["initiative_id"] + "-" + number.astype("str")
    return pd.DataFrame(
        {
            "program_id": name,
            "unit_id": opening["unit_id"],
            "start": year[at],
            "stop": year[runs.last] + 1.0,
            "entry": year[at],
            "left_censored": ~runs.begun,
            "right_censored": ~runs.ended,
            "end_reason": pd.Series(after, opening.index, dtype="str").where(runs.ended),
            **{c: opening[c] for c in TEXTS},
            "initiative_id": opening["initiative_id"],
            "practice_stop": np.nan,
            "practice_right_censored": False,
            "adoption_order": np.nan,
            "n_status_rows": np.bincount(place, minlength=at.size),
            "suspended_years": np.bincount(place[suspended], minlength=at.size),
        }
    )


def _run_marks(runs: _Runs, index: pd.Index) -> list[Mark]:
    """Return what is odd about the runs of years, in the order of the source."""
    rows, status = runs.rows, runs.rows["status"].to_numpy()
    begins, used = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    begins[np.flatnonzero(runs.opens)[runs.begun]] = True
    used[runs.last[runs.ended] + 1] = True
    ran_before = ~runs.first & np.r_[False, runs.running[:-1]]
    found = {
        "gap_bridged": runs.bridged,
        "gap": (runs.missing > 0) & ~runs.bridged,
        "suspended_first": begins & (status == "suspended"),
        "planned_after_running": (status == "planned") & ran_before,
        "other_sponsor": _others(runs, "sponsor_id"),
        "other_partner": _others(runs, "partner_id"),
        "reason_without_end": rows["end_reason"].notna().to_numpy() & ~used,
    }
    return [
        Mark(rule, back_in_order(pd.Series(bad, index=rows.index), index), *NOTES[rule])
        for rule, bad in found.items()
    ]


def _others(runs: _Runs, column: str) -> BoolArray:
    """Mark running rows that name somebody else than the first row of their spell."""
    value = runs.rows[column].fillna("").to_numpy()
    opening = np.flatnonzero(runs.opens)[runs.spell[runs.running]]
    marked = np.zeros(len(runs.rows), dtype=bool)
    marked[runs.running] = (value[runs.running] != value[opening]) & (value[runs.running] != "")
    return marked


def _with_practice(
    spells: pd.DataFrame, frame: pd.DataFrame, max_gap_years: int
) -> tuple[pd.DataFrame, list[Mark]]:
    """Add the end of practice to spells, and return the rows that are odd about it.

    Each row that says whether the program was practised belongs to the latest spell that had
    begun by then. Practice is followed until a gap in these rows that is too long.
    """
    told = frame.loc[frame["practised"].notna(), [*CELL, "practised"]]
    told = told.assign(year=told["school_year_end"].astype(float), row=told.index)
    spell = pd.Series(np.arange(len(spells)), index=spells.index, dtype="int64")
    begun = spells[[*PROGRAM, "start"]].assign(spell=spell).sort_values("start", kind="stable")
    rows = pd.merge_asof(
        told.sort_values("year", kind="stable"),
        begun,
        left_on="year",
        right_on="start",
        by=PROGRAM,
    ).dropna(subset=["spell"])
    rows = rows.sort_values(["spell", "year"], kind="stable").astype({"practised": bool})
    before = rows.groupby("spell")["year"].shift().fillna(rows["start"] - 1.0)
    broken = (rows["year"] - before - 1.0 > max_gap_years).groupby(rows["spell"]).cummax()
    seen = rows[~broken.astype(bool)]
    until = seen[seen["practised"]].groupby("spell")["year"].max()
    last = seen["spell"].map(until)
    followed = seen.loc[seen["year"] == last + 1.0, "spell"]
    at_start = seen.loc[seen["year"] == seen["start"], "spell"]
    never = spell.isin(at_start) & ~spell.isin(until.index)
    stop = spell.map(until + 1.0).mask(never, spells["start"])
    made = spells.assign(
        practice_stop=stop.astype(float),
        practice_right_censored=stop.notna() & ~never & ~spell.isin(followed),
    )
    paused = seen.loc[~seen["practised"] & (seen["year"] < last), "row"]
    outside = told.loc[told["practised"].astype(bool) & ~told["row"].isin(seen["row"]), "row"]
    return made, [
        Mark(
            "practice_paused",
            np.asarray(frame.index.isin(paused)),
            "a program is not practised in a year, and practised in a later one",
            "counted as practice",
        ),
        Mark(
            "practice_outside_spell",
            np.asarray(frame.index.isin(outside)),
            "a program is practised before it is adopted, or after a gap",
            "in no spell",
        ),
    ]
