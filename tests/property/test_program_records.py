"""Program records drawn at random: status rows to spells and back, ledgers, re-adoptions, units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import churnstats as cs
from churnstats.core.errors import DataError
from churnstats.records.programs import Programs
from churnstats.records.units.units import Units
from support import DRAWS

RUNNING = ("active", "suspended")
FIRST, LAST = 2010, 2017
PROGRAM = ["unit_id", "initiative_id"]


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    """Draw status rows of a few programs in any order: gaps, unknown years, practice or not."""
    rows: list[dict[str, Any]] = []
    for unit, initiative in (("1", "i"), ("1", "j"), ("01", "i")):
        been = False
        for year in range(FIRST, FIRST + draw(st.integers(1, LAST - FIRST + 1))):
            choices = ["active", "active", "suspended", "ended", "planned", "unknown", "skip"]
            state = draw(st.sampled_from(choices if been else [*choices, "never"]))
            been = been or state in (*RUNNING, "ended")
            if state != "skip":
                rows.append(
                    {
                        "unit_id": unit,
                        "initiative_id": initiative,
                        "school_year_end": year,
                        "status": state,
                        "practised": draw(st.sampled_from([True, True, False, None])),
                        "sponsor_id": draw(st.sampled_from(["a", "b", None])),
                    }
                )
    if not rows:
        rows = [{"unit_id": "1", "initiative_id": "i", "school_year_end": 2010, "status": "never"}]
    columns = [*PROGRAM, "school_year_end", "status", "practised", "sponsor_id"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.iloc[draw(st.permutations(range(len(frame))))].reset_index(drop=True)


def years_of(made: Programs) -> list[tuple[str, str, int]]:
    """Return unit, program and year of all years that spells cover."""
    return sorted(
        (row.unit_id, row.initiative_id, year)
        for row in made.frame.itertuples()
        for year in range(int(row.start), int(row.stop))
    )


@DRAWS
@given(histories())
def test_spells_cover_the_years_in_which_a_program_was_there_and_no_others(
    frame: pd.DataFrame,
) -> None:
    made = cs.Programs.from_status(frame)
    there = frame[frame["status"].isin(RUNNING)]
    wanted = sorted(there[[*PROGRAM, "school_year_end"]].itertuples(index=False, name=None))
    assert years_of(made) == wanted
    assert made.frame["n_status_rows"].sum() == len(wanted)
    assert made.frame["suspended_years"].sum() == (frame["status"] == "suspended").sum()


@DRAWS
@given(histories(), st.integers(0, 2))
def test_ends_are_known_where_the_years_beside_them_are(frame: pd.DataFrame, gap: int) -> None:
    made = cs.Programs.from_status(frame, max_gap_years=gap)
    known = frame[frame["status"] != "unknown"]
    state = known.set_index([*PROGRAM, "school_year_end"])["status"].to_dict()
    for row in made.frame.itertuples():
        key = (row.unit_id, row.initiative_id)
        before, after = (state.get((*key, int(y))) for y in (row.start - 1, row.stop))
        assert row.left_censored == (before is None)
        assert row.right_censored == (after is None)
        assert state[(*key, int(row.start))] in RUNNING
        assert state[(*key, int(row.stop) - 1)] in RUNNING
        first = frame[(frame[[*PROGRAM, "school_year_end"]] == [*key, int(row.start)]).all(axis=1)]
        np.testing.assert_equal(row.sponsor_id, first["sponsor_id"].fillna(np.nan).iloc[0])


@DRAWS
@given(histories(), st.integers(0, 2))
def test_rows_in_are_rows_kept_and_rows_listed(frame: pd.DataFrame, gap: int) -> None:
    made = cs.Programs.from_status(frame, max_gap_years=gap)
    assert made.ledger.steps[0].n_in == len(frame)
    lost = sum(n for step in made.ledger.steps for n in step.lost.values())
    assert len(frame) == lost + made.frame["n_status_rows"].sum()
    assert made.issues.count("unknown_status") == (frame["status"] == "unknown").sum()
    for fault, _ in made.issues.entries:
        assert fault.n_rows == len(set(fault.numbers)) <= len(frame)
        assert set(fault.numbers) <= set(range(1, len(frame) + 1))


@DRAWS
@given(histories(), st.integers(0, 2))
def test_spells_of_a_program_never_overlap_and_are_read_again_as_they_are(
    frame: pd.DataFrame, gap: int
) -> None:
    made = cs.Programs.from_status(frame, max_gap_years=gap)
    for _, part in made.frame.groupby(PROGRAM):
        ordered = part.sort_values("start")
        assert (ordered["start"].iloc[1:].to_numpy() >= ordered["stop"].iloc[:-1].to_numpy()).all()
        assert ordered["adoption_order"].dropna().is_monotonic_increasing
    if made.frame.empty:
        return
    again = cs.Programs.from_frame(made.frame.drop(columns="adoption_order"))
    pd.testing.assert_frame_equal(again.frame[made.frame.columns], made.frame)


@DRAWS
@given(histories(), st.integers(0, 2))
def test_practice_is_a_naive_walk_over_the_years(frame: pd.DataFrame, gap: int) -> None:
    made = cs.Programs.from_status(frame, max_gap_years=gap)
    seen = frame.dropna(subset=["practised"])
    told = seen.set_index([*PROGRAM, "school_year_end"])["practised"].to_dict()
    starts = made.frame.groupby(PROGRAM)["start"].apply(list).to_dict()
    for row in made.frame.itertuples():
        key = (row.unit_id, row.initiative_id)
        later = [s for s in starts[key] if s > row.start]
        year, silent, last, any_seen = int(row.start), 0, None, False
        while year < min([*later, LAST + 2]) and silent <= gap:
            answer = told.get((*key, year))
            silent = silent + 1 if answer is None else 0
            any_seen = any_seen or (answer is False and year == row.start)
            last = year if answer else last
            year += 1
        if last is None:
            np.testing.assert_equal(row.practice_stop, row.start if any_seen else np.nan)
            assert not row.practice_right_censored
        else:
            assert row.practice_stop == last + 1
            watched = last + 1 not in later and told.get((*key, last + 1)) is False
            assert row.practice_right_censored == (not watched)


@DRAWS
@given(
    st.lists(
        st.tuples(
            st.sampled_from("uv"), st.sampled_from("ij"), st.integers(0, 20), st.integers(1, 6)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_adoptions_overlap_and_are_a_fault_or_count_from_one(
    spells: list[tuple[str, str, int, int]],
) -> None:
    frame = pd.DataFrame(spells, columns=[*PROGRAM, "start", "stop"])
    frame = frame.assign(
        program_id=[f"p{i}" for i in range(len(frame))],
        start=2000 + frame["start"] / 4,
        stop=2000 + (frame["start"] + frame["stop"]) / 4,
    )
    ordered = frame.sort_values([*PROGRAM, "start", "stop"], kind="stable")
    bad = set()
    for i, one in enumerate(ordered.itertuples()):
        for other in ordered.iloc[:i].itertuples():
            same = (one.unit_id, one.initiative_id) == (other.unit_id, other.initiative_id)
            if same and other.stop > one.start:
                bad.add(one.Index + 1)
    if bad:
        with pytest.raises(DataError) as error:
            cs.Programs.from_frame(frame)
        (fault,) = error.value.faults
        assert fault.rule == "overlapping_adoptions"
        assert set(fault.numbers.tolist()) == bad
        return
    made = cs.Programs.from_frame(frame).frame
    for _, part in made.groupby(PROGRAM):
        assert part["adoption_order"].tolist() == list(range(1, len(part) + 1))


@DRAWS
@given(st.lists(st.integers(0, 9), min_size=10, max_size=10))
def test_new_ids_are_followed_to_their_end_or_refused(goals: list[int]) -> None:
    ids = [f"u{i}" for i in range(10)]
    links = {i: j for i, j in enumerate(goals) if i != j and j not in goals[:i]}
    units = pd.DataFrame({"unit_id": ids})
    if not links:
        return
    changes = pd.DataFrame(
        {
            "unit_id": [ids[i] for i in links],
            "school_year_end": 2010,
            "change": "new_id",
            "successor_id": [ids[j] for j in links.values()],
        }
    )
    ends: dict[int, int | None] = {}
    for i in range(10):
        at, steps = i, 0
        while at in links and steps <= 10:
            at, steps = links[at], steps + 1
        ends[i] = None if steps > 10 else at
    if None in ends.values():
        with pytest.raises(DataError) as error:
            Units.from_frame(units, changes)
        assert {f.rule for f in error.value.faults} == {"id_circle"}
        return
    made = Units.from_frame(units, changes)
    assert made.current_ids(units["unit_id"]).tolist() == [
        ids[j] for j in ends.values() if j is not None
    ]
