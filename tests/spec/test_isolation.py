"""How many changes stand alone: by hand, against loops, and as stacked designs count them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import churnstats as cs
from churnstats.panel.isolation import MOST_OF_THE_YEAR, isolation_table
from record_draws import rosters, spell_frames
from record_tables import assert_shows, panel, roster
from support import DRAWS

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
ROSTER = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
needs_rosters = pytest.mark.skipif(not ROSTER.exists(), reason="these rosters are not shipped")
PAIRS = ((0, 0), (1, 0), (1, 1), (2, 1), (2, 3))

FOUR_UNITS = """
    unit_id  school_year_end  leader_id
    1        2010             a
    1        2011             a
    1        2012             b
    1        2013             c
    1        2014             c
    2        2010             d
    2        2011             d
    2        2012             e
    2        2013             e
    2        2014             e
    3        2010             f
    3        2011             f
    3        2012             f
    3        2014             g
    4        2010             h
    4        2011             h
    4        2012             h
    4        2013             h
    4        2014             h
"""


def test_each_count_by_hand() -> None:
    # Changes: unit 1 in 2012 and 2013, unit 2 in 2012, unit 3 in 2014 (nobody looked in 2013).
    made = isolation_table(cs.Panel.build(roster(FOUR_UNITS)), [(1, 1), (2, 1), (1, 2)])
    assert_shows(made, """
        window  n_changes  n_dated  n_inside  n_observed  n_alone  alone_share  n_stayer_windows
        -1..+1  4          3        3         3           1        1/3          4
        -2..+1  4          3        3         3           1        1/3          2
        -1..+2  4          3        2         2           1        1/2          2
    """)  # fmt: skip
    assert made[["pre", "post"]].to_numpy().tolist() == [[1, 1], [2, 1], [1, 2]]


def test_years_without_a_leader_belong_to_the_next_change_or_spoil_the_window() -> None:
    before = panel("""
        leader_id  start  stop  left_censored
        a          2010   2012  yes
        b          2013   2016  no
    """)
    assert isolation_table(before, [(3, 2)])["n_alone"].tolist() == [1]
    after = panel("""
        leader_id  start  stop   left_censored
        a          2010   2012   yes
        b          2012   2013   no
        b          2014   2016   no
    """)
    made = isolation_table(after, [(1, 0), (1, 1)])
    assert made["n_observed"].tolist() == [1, 1]
    assert made["n_alone"].tolist() == [1, 0]


def test_the_known_start_of_a_first_leader_spoils_the_windows_of_others() -> None:
    text = """
        leader_id  start  stop  left_censored
        a          2010   2012  {}
        b          2012   2014  no
    """
    for start, n in (("yes", 1), ("no", 0)):
        made = isolation_table(panel(text.format(start)), [(2, 1), (1, 1)])
        assert made["n_alone"].tolist() == [n, 1]


def test_windows_longer_than_the_panel_and_panels_without_changes_count_nothing() -> None:
    made = isolation_table(cs.Panel.build(roster(FOUR_UNITS)), [(5, 5)])
    assert_shows(made, """
        n_changes  n_dated  n_inside  n_observed  n_alone  alone_share  n_stayer_windows
        4          3        0         0           0        -            0
    """)  # fmt: skip
    for windows in ([], [(1, -1)]):
        with pytest.raises(cs.SpecError, match="a window is a pair of years"):
            isolation_table(cs.Panel.build(roster(FOUR_UNITS)), windows)


def by_loops(made: cs.Panel, pre: int, post: int) -> list[int]:
    """Count changes, dated, inside, observed and alone ones, and stayers' windows, unit by unit."""
    years = range(made.frame["school_year_end"].min(), made.frame["school_year_end"].max() + 1)
    counts = [0] * 6
    for unit, frame in made.frame.groupby("unit_id"):
        rows = frame.set_index("school_year_end")
        events = made.events[made.events["unit_id"] == unit]
        first = made.spells[made.spells["unit_id"] == unit].iloc[0]
        moves = events["school_year_end"].tolist()
        if not first["left_censored"] and first["start"] >= years[0]:
            moves.append(int(first["start"]))
        for year in years:
            here = events[events["school_year_end"] == year]
            window = range(year - pre, year + post + 1)
            inside = window[0] in years and window[-1] in years
            seen = inside and all(
                y in rows.index and rows.loc[y, "observed_share"] >= MOST_OF_THE_YEAR
                for y in window
            )
            empty = [y for y in window if y in rows.index and pd.isna(rows.loc[y, "leader_id"])]
            own = set()
            before = year - 1
            while before in empty:
                own.add(before)
                before -= 1
            n_moves = sum(m in window for m in moves)
            dated = len(here) > 0 and bool(here["is_date_known"].all())
            spoilt = set(empty) - own - {year}
            counts[0] += len(here) > 0
            counts[1] += dated
            counts[2] += dated and inside
            counts[3] += dated and seen
            counts[4] += dated and seen and n_moves == 1 and not spoilt
            counts[5] += seen and n_moves == 0 and not empty
    return counts


COUNTS = ["n_changes", "n_dated", "n_inside", "n_observed", "n_alone", "n_stayer_windows"]


@given(spell_frames(units=("1", "2")))
@DRAWS
def test_counts_of_spells_are_those_of_loops(frame: pd.DataFrame) -> None:
    made = cs.Panel.build(cs.Tenures.from_spells(frame))
    table = isolation_table(made, PAIRS)
    for row, (pre, post) in zip(table[COUNTS].to_numpy().tolist(), PAIRS, strict=True):
        assert row == by_loops(made, pre, post)


@given(rosters())
@DRAWS
def test_counts_of_rosters_are_those_of_loops(frame: pd.DataFrame) -> None:
    made = cs.Panel.build(cs.Tenures.from_roster(frame), role="head")
    table = isolation_table(made, PAIRS)
    for row, (pre, post) in zip(table[COUNTS].to_numpy().tolist(), PAIRS, strict=True):
        assert row == by_loops(made, pre, post)


def test_a_stacked_design_with_all_outcomes_uses_those_that_stand_alone() -> None:
    built = cs.Panel.build(cs.datasets.load_mlb().tenures)
    full = replace(built, frame=built.frame.assign(y=1.0))
    for pre, post in ((1, 1), (2, 2), (3, 3)):
        fates = cs.Stacked(pre, post).build(full, "y").fates["fate"].value_counts()
        row = isolation_table(full, [(pre, post)]).iloc[0]
        assert row["n_changes"] == fates.sum()
        assert row["n_changes"] - row["n_dated"] == fates.get("with a date that is not known", 0)
        left = row["n_dated"] - row["n_observed"]
        assert left == fates["in windows that leave the time under observation"]
        assert row["n_alone"] == fates["used"] + fates.get("without stayers", 0)


@needs_rosters
def test_shares_in_ten_states_are_like_those_in_twenty() -> None:
    rows = pd.read_parquet(ROSTER)
    rows = rows.assign(school_year_end=rows["year"] + 1)[["leaid", "super_id", "school_year_end"]]
    names = {"unit_id": "leaid", "leader_id": "super_id"}
    built = cs.Panel.build(cs.Tenures.from_roster(rows, columns=names, role="superintendent"))
    made = isolation_table(built)
    twenty = np.array([0.70, 0.53, 0.39, 0.28, 0.19])
    assert np.abs(made["alone_share"] - twenty).max() < 0.055
    assert made["n_observed"].tolist() == [8_893, 7_145, 5_535, 4_341, 3_007]
    assert made["n_alone"].tolist() == [6_658, 4_040, 2_245, 1_321, 654]
    assert made["n_stayer_windows"].tolist() == [29_877, 16_541, 8_786, 4_419, 2_048]


def test_a_window_with_a_masked_transition_is_not_used() -> None:
    frame = pd.DataFrame(
        [("1", "a", 2010, 2013), ("1", "b", 2013, 2017), ("2", "c", 2010, 2015),
         ("2", "d", 2015, 2017), ("3", "e", 2010, 2017)],
        columns=["unit_id", "leader_id", "start", "stop"],
    )  # fmt: skip
    panel = cs.Panel.build(cs.Tenures.from_spells(frame.assign(group_id="x"), role="head"))
    unknown = pd.DataFrame(
        {"group": "x", "from_year": [2013, 2014], "to_year": [2014, 2015], "reason": "stale"}
    )
    masked = cs.mask_transitions(panel, unknown)
    before, after = (isolation_table(p, [(1, 1), (1, 0)]) for p in (panel, masked))
    assert before["n_alone"].tolist() == [2, 2]
    assert after["n_alone"].tolist() == [0, 1], "only 2012 to 2013 holds no masked transition"
    assert after["n_observed"].tolist() == [0, 1]
    # Of 2010 to 2016 the windows without 2014 and 2015 are 2010-12, which holds the starts, and
    # 2011-13, in which units 2 and 3 have no change.
    assert after["n_stayer_windows"][0] == 2
