"""Program records: what was adopted, by whom, and how long it lasted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records import rules
from churnstats.records.cells import moment
from churnstats.records.ingest import Conformed, Partner, conform, source_name
from churnstats.records.marks import (
    Mark,
    back_in_order,
    earlier_stop,
    faults_of,
    issues_of,
    spell_marks,
)
from churnstats.records.program_status import status_faults, status_to_spells
from churnstats.schemas.contract import load_contract

Clock = Literal["formal", "practice"]

PROGRAM = ["unit_id", "initiative_id"]
ORDER = ["unit_id", "start", "program_id"]
SHOWN = ("program_id", "unit_id", "start", "stop", "entry")
ADOPTION_SHOWN = ("program_id", *PROGRAM, "start", "stop", "adoption_order")
PRACTICE_SHOWN = ("program_id", "unit_id", "start", "stop", "practice_stop")


@dataclass(frozen=True, eq=False)
class Programs:
    """Validated program spells, half-open on the school-year clock.

    Made by `from_frame` or `from_status`.

    Attributes
    ----------
    frame : DataFrame
        One row an adoption: ``program_id, unit_id, start, stop, entry, left_censored,
        right_censored, end_reason, sponsor_id, sponsor_role, partner_id, initiative_id,
        practice_stop, practice_right_censored, adoption_order``.
    ledger : RowLedger
    issues : IssueLog
        What was found and kept, such as re-adoptions and practice that outlived its program.
    """

    frame: pd.DataFrame
    ledger: RowLedger
    issues: IssueLog = field(default_factory=IssueLog)

    @classmethod
    def from_frame(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        calendar: SchoolCalendar | None = None,
        observed_until: float | str | None = None,
    ) -> Programs:
        """Read program spells.

        A program that a unit takes up again after its end is a spell of its own, with the same
        ``initiative_id`` and the next ``adoption_order``.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/programs.md.
        columns : mapping or path, optional
            How the data differ from the contract; see data_dictionary/README.md.
        calendar : SchoolCalendar, optional
        observed_until : float or str, optional
            Date or school-year time at which observation ends: programs without a stop are
            right-censored there, and one that stops later is a fault.

        Raises
        ------
        DataError
            One error with every fault.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> rows = pd.DataFrame({"program_id": ["p"], "unit_id": ["1"], "start": [2010],
        ...                      "stop": [2014], "sponsor_id": ["a"]})
        >>> float(cs.Programs.from_frame(rows).frame["stop"].iloc[0])
        2014.0
        """
        calendar = calendar or SchoolCalendar()
        made = conform(data, load_contract("programs"), columns, calendar)
        frame, faults = rules.complete_spells(made, observed_until, calendar, "programs")
        if {"program_id", "unit_id", "start"} <= set(frame.columns):
            until = moment(observed_until, calendar, "programs")[0]
            frame["practice_right_censored"] = frame["practice_right_censored"].astype(bool)
            unending = frame["practice_right_censored"] & made.empty("practice_stop")
            frame["practice_stop"] = frame["practice_stop"].mask(unending, until)
            faults += _program_faults(frame, made.source, until)
            faults += _adoption_faults(frame, made.source)
        raise_faults(faults, source_name(data))
        frame = numbered(frame)
        issues = made.issues + _issues(frame, made)
        ledger = RowLedger().step("valid programs", "programs", len(frame), len(frame))
        frame = frame.sort_values(ORDER, ignore_index=True, kind="stable")
        return cls(frame, ledger, issues)

    @classmethod
    def from_status(
        cls,
        data: Any,
        *,
        columns: Columns = None,
        calendar: SchoolCalendar | None = None,
        max_gap_years: int = 0,
    ) -> Programs:
        """Read yearly status rows: what each program of a unit was found to be in each year.

        A spell runs from the first year in which the program is ``active`` or ``suspended`` to
        the first in which it is ``ended``, ``planned`` or ``never``; both turns are dated at the
        start of the school year that shows the new status. Adoption is known only where the year
        before shows that the program was not yet there: else the spell is left-censored. It is
        right-censored where the year after its last one has no row, or an ``unknown`` status.

        Practice is followed from adoption over the years that say whether it was seen, beyond
        the formal end too, to the last one in which it was. Years without it before that one
        count as practice and are listed.

        Parameters
        ----------
        data : frame or path
            Columns as in data_dictionary/program_status.md.
        columns : mapping or path, optional
            How the data differ from the contract; see data_dictionary/README.md.
        calendar : SchoolCalendar, optional
        max_gap_years : int
            Years without a known status up to which a program that runs on both sides is taken to
            have run on; the same for practice. Longer gaps cut the spell in two.

        Returns
        -------
        Programs
            The frame has ``n_status_rows`` and ``suspended_years`` too. Sponsor, role and
            partner are those of the first year of the spell, ``end_reason`` that of the first
            year after it.

        Raises
        ------
        DataError
            One error with every fault.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> rows = pd.DataFrame({"unit_id": "1", "initiative_id": "i",
        ...                      "school_year_end": [2010, 2011, 2012, 2013],
        ...                      "status": ["never", "active", "active", "ended"]})
        >>> cs.Programs.from_status(rows).frame[["start", "stop"]].to_numpy()
        array([[2011., 2013.]])
        """
        if max_gap_years < 0:
            raise SpecError("max_gap_years", f"{max_gap_years} years is no gap", how="0 or more")
        calendar = calendar or SchoolCalendar()
        made = conform(data, load_contract("program_status"), columns, calendar)
        faults = [*made.faults, *status_faults(made.frame, made.source)]
        raise_faults(faults, source_name(data))
        spells, issues, ledger = status_to_spells(made.frame, made.source, max_gap_years)
        spells = numbered(spells)
        raise_faults(
            faults_of("programs", spells, SHOWN, spell_marks(spells, "programs", "program_id"))
        )
        again = issues_of("program_status", spells, ADOPTION_SHOWN, _adoption_issues(spells))
        frame = spells.sort_values(ORDER, ignore_index=True, kind="stable")
        return cls(frame, ledger, made.issues + issues + again)

    def spells(self, clock: Clock = "formal") -> pd.DataFrame:
        """Return all programs on the formal clock, or on that of their practice.

        On the clock of practice, ``stop`` and ``right_censored`` are those of the practice. They
        are missing where nobody looked; where the program was never practised, stop is its
        start. ``end_reason`` is kept where practice and program ended together: nobody recorded
        why the practice ended elsewhere.

        Parameters
        ----------
        clock : {"formal", "practice"}
        """
        if clock not in get_args(Clock):
            raise SpecError("clock", f"'{clock}' is no clock", how="'formal' or 'practice'")
        f = self.frame
        if clock == "formal":
            return f
        together = (f["practice_stop"] - f["stop"]).abs() <= CLOCK
        seen = f["practice_stop"].notna()
        return f.assign(
            stop=f["practice_stop"],
            right_censored=f["practice_right_censored"].astype("boolean").where(seen),
            end_reason=f["end_reason"].where(together),
        )

    def summary(self) -> str:
        """Return counts as text."""
        f = self.frame
        return (
            f"{len(f):,} programs, {f['unit_id'].nunique():,} units, "
            f"{int(f['right_censored'].sum()):,} still running, "
            f"{int((f['entry'] > f['start']).sum()):,} entered late, "
            f"{int(f['sponsor_id'].isna().sum()):,} without a sponsor"
        )

    def __repr__(self) -> str:
        return f"<Programs: {self.summary()}>"


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each spell its program's id and its number among the adoptions by its unit.

    A number that is given holds, and those without one count on from it. It is missing from
    where a spell that was cut off may have gone on in the next.
    """
    named = frame.assign(initiative_id=frame["initiative_id"].fillna(frame["program_id"]))
    rows = named.sort_values([*PROGRAM, "start", "stop"], kind="stable")
    keys = [rows[c] for c in PROGRAM]
    given = rows["adoption_order"]
    count = rows.groupby(PROGRAM, sort=False).cumcount() + 1
    order = count + (given - count).groupby(keys, sort=False).ffill().fillna(0)
    cut_off = rows["right_censored"].groupby(keys, sort=False).shift(fill_value=False)
    open_ = (cut_off & rows["left_censored"]).groupby(keys, sort=False).cummax()
    number = order.mask(open_.astype(bool) & given.isna()).reindex(frame.index)
    return named.assign(adoption_order=number.astype("Int64"))


def _program_faults(frame: pd.DataFrame, source: pd.DataFrame, until: float) -> list[Fault]:
    """Return what is wrong with each spell by itself."""
    start, practice = (frame[c].to_numpy(dtype=float) for c in ("start", "practice_stop"))
    faults = faults_of("programs", source, SHOWN, spell_marks(frame, "programs", "program_id"))
    return faults + faults_of(
        "programs",
        source,
        PRACTICE_SHOWN,
        [
            Mark(
                "practice_before_start",
                practice < start - CLOCK,
                "practice stops before the program starts",
                "correct the dates; for a program that was never practised, give its start",
            ),
            Mark(
                "practice_after_observation",
                practice > until + CLOCK,
                "practice stops after observed_until",
                "leave practice_stop empty and set practice_right_censored for what still goes "
                "on, or give a later observed_until",
            ),
            Mark(
                "no_end_of_practice",
                (frame["practice_right_censored"] & frame["practice_stop"].isna()).to_numpy(),
                "practice still went on, and nobody says until when that was seen",
                "fill practice_stop, or say until when the records were kept: "
                "observed_until='2024-07-01'",
            ),
        ],
    )


def _adoption_faults(frame: pd.DataFrame, source: pd.DataFrame) -> list[Fault]:
    """Return adoptions of one program by one unit that overlap or are misnumbered."""
    usable = frame["stop"] > frame["start"] + CLOCK
    rows = frame[usable].dropna(subset=PROGRAM).sort_values([*PROGRAM, "start", "stop"])
    overlap = rows["start"] < earlier_stop(rows, PROGRAM) - CLOCK
    given = rows["adoption_order"].dropna()
    before = given.groupby([rows.loc[given.index, c] for c in PROGRAM]).cummax()
    before = before.groupby([rows.loc[given.index, c] for c in PROGRAM]).shift()
    lone = (frame["adoption_order"] % 1 > 0).to_numpy()
    return faults_of(
        "programs",
        source,
        ADOPTION_SHOWN,
        [
            Mark(
                "overlapping_adoptions",
                back_in_order(overlap, frame.index),
                "a unit adopts a program that it still has",
                "end the earlier spell before, join the two, or give them an initiative_id each",
                _overlapped(frame),
            ),
            Mark(
                "adoption_order",
                lone | back_in_order(given <= before, frame.index),
                "adoption_order is no whole number that grows with the dates",
                "correct it, or leave the column out: it is made from the dates",
            ),
        ],
    )


def _overlapped(frame: pd.DataFrame) -> Partner:
    """Return what finds another spell of the same program in the same unit that runs at start."""

    def find(i: int) -> int:
        one = frame.iloc[i]
        same = (frame[PROGRAM] == one[PROGRAM]).all(axis=1)
        runs = (frame["start"] <= one["start"]) & (frame["stop"] > one["start"] + CLOCK)
        other = (same & runs).to_numpy(dtype=bool) & (np.arange(len(frame)) != i)
        return int(np.argmax(other))

    return find


def _issues(frame: pd.DataFrame, made: Conformed) -> IssueLog:
    """Return what is odd about programs and kept."""
    stop, practice = frame["stop"], frame["practice_stop"]
    known_end = ~frame["practice_right_censored"]
    spells = [
        Mark(
            "no_stop",
            made.empty("stop"),
            "programs have no stop",
            "right-censored at observed_until",
        ),
        Mark(
            "reason_without_end",
            (frame["end_reason"].notna() & frame["right_censored"]).to_numpy(dtype=bool),
            "programs that still ran have an end_reason",
            "kept, and not used",
        ),
    ]
    lived = [
        Mark(
            "practice_outlived_program",
            (practice > stop + CLOCK).to_numpy(dtype=bool),
            "practice went on after the formal end",
            "kept",
        ),
        Mark(
            "practice_ended_first",
            ((practice < stop - CLOCK) & known_end).to_numpy(dtype=bool),
            "practice ended before the program did",
            "kept",
        ),
    ]
    found = issues_of("programs", made.source, SHOWN, spells)
    found += issues_of("programs", made.source, ADOPTION_SHOWN, _adoption_issues(frame))
    return found + issues_of("programs", made.source, PRACTICE_SHOWN, lived)


def _adoption_issues(frame: pd.DataFrame) -> list[Mark]:
    order = frame["adoption_order"]
    return [
        Mark(
            "re_adoption",
            (order > 1).to_numpy(dtype=bool, na_value=False),
            "units adopt a program again after its end",
            "kept as spells of their own",
        ),
        Mark(
            "adoption_or_continuation",
            order.isna().to_numpy(dtype=bool),
            "an earlier spell of the program was cut off and may have gone on in this one",
            "kept without an adoption_order",
        ),
    ]
