"""Changes that stand alone, what spoils others, and controls: by hand, by loops, as designs do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import churnstats as cs
from churnstats.panel.isolation import MOST_OF_THE_YEAR, isolation_table
from churnstats.panel.support import ALONE, event_support
from record_draws import rosters, spell_frames
from record_tables import assert_shows, panel, roster, table, text_columns
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


# ---------------------------------------------------------------- what spoils windows

DEPUTIES = """
    unit_id  school_year_end  leader_id
    1        2010             v
    1        2011             v
    1        2012             w
    1        2013             w
    1        2014             w
    2        2010             x
    2        2011             x
    2        2012             x
    2        2013             y
    2        2014             y
    4        2010             z
    4        2011             z
    4        2012             z
    4        2013             z
    4        2014             z
"""


def shown_causes(support: object) -> list[tuple[str, str, int, int]]:
    """Return cause, role and both counts of each cause that holds anywhere."""
    rows = support.contamination[["cause", "role", "n_first", "n_any"]]  # type: ignore[attr-defined]
    return [tuple(row) for row in rows.to_numpy().tolist() if row[3]]


def test_causes_by_hand() -> None:
    # Unit 3 changes in the last year, after one in which nobody looked; unit 2 stands alone.
    made = event_support(cs.Panel.build(roster(FOUR_UNITS)), (1, 1))
    assert_shows(made.events, """
        unit_id  school_year_end  n_changes
        1        2012             1
        1        2013             1
        2        2012             1
        3        2014             1
    """)  # fmt: skip
    assert made.events["first_cause"].tolist() == [
        "head: later in the window",
        "head: earlier in the window",
        ALONE,
        "date not known",
    ]
    assert shown_causes(made) == [
        ("date not known", "", 1, 1),
        ("window leaves the panel's years", "", 0, 1),
        ("years not under observation", "", 0, 1),
        ("head: earlier in the window", "head", 1, 1),
        ("head: later in the window", "head", 1, 1),
        (ALONE, "", 1, 1),
    ]
    assert made.contamination["first_share"].sum() == pytest.approx(1.0)
    assert_shows(made.controls, """
        school_year_end  n_changes  n_alone  n_stayers  n_controls  controls_per_event
        2010             0          0        0          0           -
        2011             0          0        2          2           -
        2012             2          1        1          1           1
        2013             1          0        1          1           -
        2014             1          0        0          0           -
    """)  # fmt: skip
    assert repr(made) == "<Support of role head, window -1..+1: 1 of 4 changes stand alone>"


def deputies() -> cs.Panel:
    frame = text_columns(table(DEPUTIES), "unit_id")
    return cs.Panel.build(cs.Tenures.from_roster(frame, role="deputy"))


def test_changes_of_another_role_spoil_windows_and_controls() -> None:
    made = event_support(cs.Panel.build(roster(FOUR_UNITS)), (1, 1), roles=[deputies()])
    assert shown_causes(made)[3:] == [
        ("head: earlier in the window", "head", 1, 1),
        ("head: later in the window", "head", 1, 1),
        ("deputy: years not under observation", "deputy", 0, 1),  # unit 3 has no deputy
        ("deputy: earlier in the window", "deputy", 0, 1),  # unit 1: 2012, before 2013
        ("deputy: in the same year", "deputy", 0, 1),  # unit 1: 2012
        ("deputy: later in the window", "deputy", 1, 1),  # unit 2: 2013, after 2012
    ]
    assert made.controls["n_stayers"].tolist() == [0, 2, 1, 1, 0]
    assert made.controls["n_controls"].tolist() == [0, 1, 1, 1, 0], "unit 3's deputy is not known"
    assert made.controls["n_alone"].sum() == 0
    assert made.controls["controls_per_event"].isna().all()


def test_an_outcome_must_be_known_in_all_years() -> None:
    built = cs.Panel.build(roster(FOUR_UNITS))
    y = np.ones(len(built.frame))
    key = list(zip(built.frame["unit_id"], built.frame["school_year_end"], strict=True))
    y[key.index(("2", 2013))], y[key.index(("4", 2010))] = np.nan, np.inf
    made = event_support(replace(built, frame=built.frame.assign(y=y)), (1, 1), outcome="y")
    assert ("outcome missing", "", 1, 1) in shown_causes(made)
    assert made.controls["n_controls"].tolist() == [0, 1, 1, 1, 0]
    with pytest.raises(cs.SpecError, match="no column 'z'"):
        event_support(built, (1, 1), outcome="z")


def test_support_is_refused_where_it_means_nothing() -> None:
    heads = cs.Panel.build(roster(FOUR_UNITS))
    with pytest.raises(cs.SpecError, match="both at least 0"):
        event_support(heads, (1, -1))
    for others in ([heads], [deputies(), deputies()]):
        with pytest.raises(cs.SpecError, match="each role is given once"):
            event_support(heads, roles=others)
    frame = text_columns(table(DEPUTIES), "unit_id").assign(unit_id="far away")
    far = cs.Panel.build(cs.Tenures.from_roster(frame.head(5), role="deputy"))
    with pytest.raises(cs.SpecError, match="no post in these units"):
        event_support(heads, roles=[far])


def with_years(made: cs.Panel, unit: str) -> dict[int, tuple[bool, bool]]:
    """Return by year whether most of it is under observation, and whether nobody leads."""
    rows = made.frame[made.frame["unit_id"] == unit]
    return {
        int(r.school_year_end): (r.observed_share >= MOST_OF_THE_YEAR, pd.isna(r.leader_id))
        for r in rows.itertuples()
    }


def moves_of(made: cs.Panel, unit: str) -> list[int]:
    """Return the years of a unit's changes, and of its first leader's start if that is known."""
    moves = made.events.loc[made.events["unit_id"] == unit, "school_year_end"].tolist()
    first = made.spells[made.spells["unit_id"] == unit].head(1)
    for spell in first.itertuples():
        if not spell.left_censored and spell.start >= made.frame["school_year_end"].min():
            moves.append(int(spell.start))
    return moves


def causes_by_loops(
    made: cs.Panel, above: cs.Panel, units: cs.Units, pre: int, post: int
) -> dict[tuple[str, int], set[str]]:
    """Return the causes of each change, year by year; those of districts begin with "d"."""
    first, last = made.frame["school_year_end"].min(), made.frame["school_year_end"].max()
    found: dict[tuple[str, int], set[str]] = {}
    seen_above = {d: (with_years(above, d), moves_of(above, d)) for d in ("d1", "d2")}
    span = range(first, last + 1)
    parents = {
        unit: dict(
            zip(span, units.parent_at(pd.Series([unit] * len(span)), pd.Series(span)), strict=True)
        )
        for unit in made.frame["unit_id"].unique()
    }
    for (unit, year), events in made.events.groupby(["unit_id", "school_year_end"]):
        window = range(year - pre, year + post + 1)
        years, moves, causes = with_years(made, unit), moves_of(made, unit), set()
        if not events["is_date_known"].all():
            causes.add("undated")
        if window[0] < first or window[-1] > last:
            causes.add("leaves")
        own = set()
        while years.get(year - 1 - len(own), (True, False))[1]:
            own.add(year - 1 - len(own))
        for y in window:
            inside = first <= y <= last
            if inside and not years.get(y, (False, False))[0]:
                causes.add("unseen")
            if years.get(y, (True, False))[1] and y != year and y not in own:
                causes.add("vacancy")
            n = moves.count(y)
            causes |= {"twice"} if y == year and n > 1 else set()
            causes |= {"earlier"} if y < year and n else set()
            causes |= {"later"} if y > year and n else set()
            if inside:
                their_years, their_moves = seen_above[parents[unit][y]]
                if not their_years.get(y, (False, False))[0]:
                    causes.add("d unseen")
                if their_moves.count(y):
                    causes.add("d " + ("same" if y == year else "earlier" if y < year else "later"))
        found[unit, year] = causes
    return found


WORDS = {
    "undated": "date not known", "leaves": "window leaves the panel's years",
    "unseen": "years not under observation", "twice": "head: twice in the year",
    "earlier": "head: earlier in the window", "later": "head: later in the window",
    "vacancy": "head: vacancy in the window", "d unseen": "chief: years not under observation",
    "d earlier": "chief: earlier in the window", "d same": "chief: in the same year",
    "d later": "chief: later in the window",
}  # fmt: skip
NESTED = pd.DataFrame({"unit_id": ["d1", "d2"], "level": "district", "parent_id": None})
SCHOOLS = pd.DataFrame({"unit_id": ["1", "2"], "level": "school", "parent_id": ["d1", "d2"]})
MOVES = pd.DataFrame(
    {"unit_id": ["2"], "school_year_end": [2004], "change": "new_parent", "successor_id": "d1"}
)


@cache
def nested() -> cs.Units:
    return cs.Units.from_frame(pd.concat([NESTED, SCHOOLS]), MOVES)


@given(spell_frames(units=("1", "2")), spell_frames(units=("d1", "d2")))
@DRAWS
def test_causes_of_schools_and_their_districts_are_those_of_loops(
    below: pd.DataFrame, above: pd.DataFrame
) -> None:
    units = nested()
    schools = cs.Panel.build(cs.Tenures.from_spells(below))
    districts = cs.Panel.build(cs.Tenures.from_spells(above.assign(role="chief")))
    for pre, post in ((1, 0), (2, 3)):
        made = event_support(schools, (pre, post), roles=[districts], units=units)
        want = causes_by_loops(schools, districts, units, pre, post)
        assert len(made.events) == len(want)
        flags = made.events.set_index(["unit_id", "school_year_end"])
        for place, causes in want.items():
            row = flags.loc[place]
            assert {c for c in WORDS.values() if row[c]} == {WORDS[c] for c in causes}
            ranked = [word for short, word in WORDS.items() if short in causes]
            assert row["first_cause"] == [*ranked, ALONE][0]
        alone = event_support(schools, (pre, post))
        counted = isolation_table(schools, [(pre, post)]).iloc[0]
        assert alone.controls["n_alone"].sum() == counted["n_alone"]
        assert alone.controls["n_stayers"].sum() == counted["n_stayer_windows"]
        assert alone.contamination["n_first"].sum() == counted["n_changes"]


def test_support_counts_what_a_stacked_design_then_uses() -> None:
    data = cs.datasets.load_mlb()
    built = cs.Panel.build(data.tenures, data.outcomes)
    late = built.frame["school_year_end"] == 1995
    holes = built.frame.assign(win_share=built.frame["win_share"].mask(late))
    built = replace(built, frame=holes)
    made = event_support(built, (2, 2), outcome="win_share")
    sample = cs.Stacked(2, 2).build(built, "win_share")
    fates = sample.fates["fate"].value_counts()
    first = made.contamination.set_index("cause")["n_first"]
    assert first["outcome missing"] == fates["in windows with missing outcomes"] > 0
    assert first[ALONE] == fates["used"] + fates.get("without stayers", 0)
    used = made.controls.set_index("school_year_end").loc[sample.support["stack"]]
    assert used["n_controls"].tolist() == sample.support["n_stayers"].tolist()
    assert used["n_alone"].tolist() == sample.support["n_events"].tolist()


# ---------------------------------------------------------------- the picture


def test_the_picture_shows_each_cause_and_year_and_nothing_is_clipped() -> None:
    made = event_support(cs.Panel.build(roster(FOUR_UNITS)), (1, 1), roles=[deputies()])
    figure = made.plot()
    causes, changes, controls = figure.axes
    shown = shown_causes(made)
    assert [t.get_text() for t in causes.get_yticklabels()] == [c[0] for c in shown]
    assert [t.get_text() for t in causes.texts] == [
        f"{first}" if first == any_ else f"{first} of {any_}" for _, _, first, any_ in shown
    ]
    widths = [bar.get_width() for bar in causes.patches]
    assert widths == [c[3] for c in shown] + [c[2] for c in shown]
    heights = [bar.get_height() for bar in changes.patches]
    assert heights == [*made.controls["n_changes"], *made.controls["n_alone"]]
    assert [bar.get_height() for bar in controls.patches] == made.controls["n_controls"].tolist()
    figure.canvas.draw()
    page = figure.bbox
    for ax in figure.axes:
        for text in [*ax.texts, *causes.get_yticklabels(), ax.title]:
            place = text.get_window_extent()
            assert page.x0 <= place.x0
            assert place.x1 <= page.x1


def test_panels_without_changes_have_a_picture_too() -> None:
    made = event_support(panel("leader_id start stop\na 2010 2013"), (1, 1))
    assert made.contamination["n_any"].sum() == 0
    assert made.contamination["any_share"].isna().all()
    made.plot("Nobody left").canvas.draw()
