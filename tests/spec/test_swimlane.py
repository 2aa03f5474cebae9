"""The swimlane picture: which units, which bars, what is marked, and that nobody is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import churnstats as cs
from churnstats.diagnostics.swimlane import swimlane
from churnstats.display.swimlane import DIGIT_SIZES, HEIGHT, LANE, SHADES, VACANT
from record_tables import roster, spells

MARKS = """
    unit_id  leader_id  start   entry  stop    left_censored  right_censored  interim
    1        Ames       2010    2010   2012    yes            no              no
    1        Baker      2012    2012   2012.5  no             no              yes
    1        Cole       2013    2013   2015    no             no              no
    1        Ames       2015    2015   2018    no             yes             no
    2        Diaz       2004    2010   2013    no             yes             no
    2        Evans      2015    2015   2018    yes            yes             no
"""


def bars(ax: Axes) -> list[tuple[float, float, float, str]]:
    """Return lane, left, right and colour of each filled bar, as drawn."""
    found = []
    for patch in ax.patches:
        if patch.get_facecolor()[3] > 0:
            left = patch.get_x()
            lane = patch.get_y() + patch.get_height() / 2
            color = to_hex(patch.get_facecolor())
            found.append((round(lane, 6), left, left + patch.get_width(), color))
    return found


def lines(ax: Axes) -> list[list[float]]:
    """Return the ends of all lines of collections: x, y, x, y."""
    found = []
    for part in ax.collections:
        found += [np.asarray(s).ravel().round(6).tolist() for s in part.get_segments()]
    return found


def test_each_spell_is_a_bar_from_entry_to_stop_in_the_colour_of_its_leader() -> None:
    ax = swimlane(spells(MARKS)).axes[0]
    first, second, third = SHADES[:3]
    filled = [bar for bar in bars(ax) if bar[3] != "#ffffff"]
    assert filled == [
        (0, 2010, 2012, first), (0, 2012, 2012.5, second), (0, 2013, 2015, third),
        (0, 2015, 2018, first), (1, 2010, 2013, first), (1, 2015, 2018, second),
    ]  # fmt: skip
    assert [t.get_text() for t in ax.get_yticklabels()] == ["1", "2"]
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3", "1", "1", "2"]


def test_gaps_are_vacant_or_not_observed_and_late_entry_and_changes_are_marked() -> None:
    ax = swimlane(spells(MARKS)).axes[0]
    vacant = [p for p in ax.patches if to_hex(p.get_edgecolor()) == VACANT]
    assert [(p.get_x(), p.get_width()) for p in vacant] == [(2012.5, 0.5)]
    drawn = lines(ax)
    assert [2013, 1, 2015, 1] in drawn  # nobody looked
    assert [2004, 1, 2010, 1] in drawn  # before the entry
    upright = [(a, c) for a, b, c, d in drawn if b != d]
    assert upright == [(2012, 2012), (2013, 2013), (2015, 2015), (2015, 2015)]
    styles = [c.get_linestyle()[0][1] is None for c in ax.collections if len(c.get_segments())]
    assert styles.count(False) == 2  # one line not observed, one change without a date


def test_open_ends_and_interims_are_marked_and_the_legend_tells_what_occurs() -> None:
    figure = swimlane(spells(MARKS))
    ax = figure.axes[0]
    left, right = ([line for line in ax.lines if line.get_marker() == m] for m in "<>")
    assert np.floor(left[0].get_xdata()).tolist() == [2009, 2014]
    assert np.floor(right[0].get_xdata()).tolist() == [2018, 2013, 2018]
    hatched = [p for p in ax.patches if p.get_hatch()]
    assert [(p.get_x(), p.get_width()) for p in hatched] == [(2012, 0.5)]
    entries = [t.get_text() for t in figure.legends[0].get_texts()]
    assert entries == [
        "n: the unit's nth leader", "interim", "change of leader", "change, date not known",
        "vacant", "not observed", "goes on where nobody looked", "before it was entered",
    ]  # fmt: skip
    plain = swimlane(roster("""
        school_year_end  leader_id
        2010             a
        2011             b
    """))  # fmt: skip
    entries = [t.get_text() for t in plain.legends[0].get_texts()]
    assert entries == [
        "n: the unit's nth leader",
        "change of leader",
        "goes on where nobody looked",
    ]


def heights(ax: Axes) -> list[tuple[float, float, float]]:
    """Return left, right and the share of the lane of each bar."""
    drawn = [(p.get_x(), p.get_x() + p.get_width(), p.get_height() / HEIGHT) for p in ax.patches]
    return sorted((left, right, round(share, 6)) for left, right, share in drawn)


def test_only_bars_that_overlap_share_the_lane_and_low_ones_have_small_digits_or_none() -> None:
    ax = swimlane(spells("""
        unit_id  leader_id  start  entry  stop  left_censored  right_censored  interim  fte
        1        Ames       2010   2010   2014  no             no              no       0.3
        1        Baker      2013   2013   2018  no             no              no       0.3
        1        Cole       2014   2014   2016  no             no              no       0.3
        1        Diaz       2018   2018   2020  no             no              no       0.3
        2        Evans      2010   2010   2012  no             no              no       0.3
        2        Ames       2010   2010   2012  no             no              no       0.3
        2        Cole       2010   2010   2012  no             no              no       0.3
        2        Diaz       2012   2012   2020  no             yes             no       0.3
    """)).axes[0]  # fmt: skip
    third = round(1 / 3, 6)
    assert heights(ax) == [
        (2010, 2012, third), (2010, 2012, third), (2010, 2012, third), (2010, 2014, 0.5),
        (2012, 2020, 1), (2013, 2018, 0.5), (2014, 2016, 0.5), (2018, 2020, 1),
    ]  # fmt: skip
    written = {(t.get_position()[0], t.get_text()): t.get_fontsize() for t in ax.texts}
    small, full = DIGIT_SIZES[2], DIGIT_SIZES[1]
    assert written == {
        (2012, "1"): small, (2015.5, "2"): small, (2015, "3"): small, (2019, "4"): full,
        (2016, "4"): full,
    }  # fmt: skip
    assert small * 0.75 / 72 < LANE * HEIGHT / 2  # a digit is no higher than three quarters


def test_leaders_whose_unit_ends_are_marked_and_not_as_going_on() -> None:
    units = cs.Units.from_frame(pd.DataFrame({"unit_id": ["1", "2"], "closed": [2012.0, None]}))
    rows = pd.DataFrame({"unit_id": ["1", "1", "2", "2"], "school_year_end": [2010, 2011] * 2,
                         "leader_id": ["a", "a", "c", "c"]})  # fmt: skip
    figure = swimlane(cs.Tenures.from_roster(rows, role="head", units=units))
    marks = {m: [line for line in figure.axes[0].lines if line.get_marker() == m] for m in ">x"}
    places = {m: [list(map(float, line.get_ydata())) for line in marks[m]] for m in marks}
    assert places == {">": [[1.0]], "x": [[0.0]]}
    assert np.floor(marks["x"][0].get_xdata()).tolist() == [2012]
    entries = [t.get_text() for t in figure.legends[0].get_texts()]
    assert entries[-2:] == ["goes on where nobody looked", "ends with its unit"]


def test_other_reasons_to_leave_are_not_shown() -> None:
    told = spells(MARKS)
    frame = told.frame.assign(exit_reason="retirement")
    figure = swimlane(replace(told, frame=frame))
    entries = [t.get_text() for t in figure.legends[0].get_texts()]
    assert "ends with its unit" not in entries
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [0]


def test_those_who_share_a_post_share_its_lane_and_joining_is_no_change() -> None:
    roster = pd.DataFrame({
        "unit_id": "u", "school_year_end": [2010, 2011, 2011, 2012, 2012, 2013],
        "leader_id": ["a", "a", "b", "a", "b", "c"], "fte": [1, 0.5, 0.5, 0.5, 0.5, 1],
    })  # fmt: skip
    rules = cs.RosterRules(co_leaders="by_fte")
    tenures = cs.Tenures.from_roster(roster, role="head", rules=rules)
    ax = swimlane(tenures).axes[0]
    first, second, third = SHADES[:3]
    at = HEIGHT / 4
    assert sorted(bars(ax)) == [
        (-round(at, 6), 2010, 2013, first), (0, 2013, 2014, third),
        (round(at, 6), 2011, 2013, second),
    ]  # fmt: skip
    assert [a for a, b, c, d in lines(ax) if b != d] == [2013]
    assert cs.tenure_summary(tenures, at=2013.5).counts["n"].tolist()[-1] == 1


def test_no_leader_is_named() -> None:
    figure = swimlane(spells(MARKS))
    words = " ".join(t.get_text() for t in figure.findobj(match=lambda a: hasattr(a, "get_text")))
    for name in ("Ames", "Baker", "Cole", "Diaz", "Evans"):
        assert name not in words


def lanes(tenures: cs.Tenures, *args: object, **options: object) -> list[str]:
    ax = swimlane(tenures, *args, **options).axes[0]  # type: ignore[arg-type]
    return [t.get_text() for t in ax.get_yticklabels()]


def test_units_are_drawn_at_random_by_their_changes_or_as_listed() -> None:
    tenures = cs.datasets.load_mlb().tenures
    frame = tenures.frame
    few = lanes(tenures, max_units=5)
    assert few == sorted(few) == lanes(tenures, max_units=5)
    assert len(set(few)) == 5
    assert lanes(tenures, max_units=5, seed=1) != few
    assert lanes(tenures) == sorted(frame["unit_id"].unique())
    before = frame.groupby("unit_id")["leader_id"].shift()
    changes = (before.notna() & (before != frame["leader_id"])).groupby(frame["unit_id"]).sum()
    top = changes.sort_index().sort_values(ascending=False, kind="stable").index[:4]
    assert lanes(tenures, "most changes", max_units=4) == list(top)
    listed = ["NYY", "BOS"]
    figure = swimlane(tenures, listed, max_units=1)
    assert lanes(tenures, listed, max_units=1) == listed
    assert figure.axes[0].get_title(loc="right") == "2 of 30 units, as listed"


def test_choices_that_cannot_be_drawn_are_refused() -> None:
    tenures = cs.datasets.load_mlb().tenures
    with pytest.raises(cs.SpecError, match="no spell is of these units"):
        swimlane(tenures, ["NYY", "XXX"])
    with pytest.raises(cs.SpecError, match="'most' is no choice"):
        swimlane(tenures, "most")  # type: ignore[arg-type]
    for units, n in (([], 40), (None, 0)):
        with pytest.raises(cs.SpecError, match="0 units can't be drawn"):
            swimlane(tenures, units, max_units=n)
    many = pd.DataFrame({"unit_id": [f"u{i}" for i in range(201)], "leader_id": "a",
                         "school_year_end": 2010})  # fmt: skip
    with pytest.raises(cs.SpecError, match="201 units can't be drawn"):
        swimlane(cs.Tenures.from_roster(many, role="head"), max_units=500)
