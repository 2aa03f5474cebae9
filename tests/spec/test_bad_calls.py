"""Calls that can't be meant are refused, in words that say what to write instead."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from record_tables import panel

HEADS = """
    unit_id  leader_id  start  stop  left_censored
    12       a          2010   2012  yes
    12       b          2012   2014  no
    13       c          2010   2014  yes
"""
YEARS = ["2010-04-15", "2011-04-15"]


def tenures() -> cs.Tenures:
    spells = pd.DataFrame({"unit_id": ["0012"], "leader_id": ["a"], "start": [2010.0]})
    return cs.Tenures.from_spells(spells.assign(stop=2012.0, group_id="MO"), role="principal")


def dates(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"school_year_end": [2010, 2011], "test_date": YEARS} | columns)


@pytest.mark.parametrize(
    "given", ["2019-04-15", "04/15", "15.04", "", 415, pd.Timestamp("2019-04-15")]
)
def test_a_test_date_that_was_meant_as_a_day_is_no_missing_file(given: Any) -> None:
    with pytest.raises(cs.SpecError, match="write the month and the day, as '04-15'"):
        cs.Panel.build(tenures(), test_date=given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "no group has a date"),
        (dates().rename(columns={"test_date": "testdate"}), "no row of the table has a date"),
        (dates(test_date=None), "no row of the table has a date"),
        (dates(unit_id="12"), "ids differ in leading zeros"),
    ],
)
def test_tables_of_test_dates_without_dates_or_with_lost_zeros_are_refused(
    given: Any, words: str
) -> None:
    with pytest.raises(cs.SpecError, match=words):
        cs.Panel.build(tenures(), test_date=given)


def test_dates_of_some_units_and_years_are_enough() -> None:
    some = dates(unit_id=["0012", "9999"])
    made = cs.Panel.build(tenures(), test_date=some).frame
    assert made["exposure_share_tested"].isna().tolist() == [False, True]


def test_a_join_of_which_no_id_is_in_the_panel_is_refused() -> None:
    others = pd.DataFrame({"unit_id": ["0012", "0013"], "rural": [True, False]})
    join = cs.Join(others, on=("unit_id",), relation="m:1", name="districts")
    with pytest.raises(cs.SpecError, match="'districts': no unit_id is in the panel") as error:
        panel(HEADS).join(join)
    assert "leading zeros" in error.value.how
    assert cs.match_table(panel(HEADS), join).query("n > 0")["n"].tolist() == [8, 2]


def test_a_join_of_known_units_in_other_years_is_counted() -> None:
    later = pd.DataFrame({"unit_id": ["12"], "school_year_end": [2030], "x": [1.0]})
    made = panel(HEADS).join(cs.Join(later, name="later"))
    assert made.frame["x"].isna().all()


def test_a_table_without_rows_and_a_panel_without_rows_are_no_strangers() -> None:
    empty = pd.DataFrame({"unit_id": pd.Series([], dtype="str"), "x": []})
    declared = {"on": ("unit_id",), "relation": "m:1", "missing": "drop"}
    made = panel(HEADS).join(cs.Join(empty, name="none", **declared))
    assert len(made.frame) == 0
    some = pd.DataFrame({"unit_id": ["0012"], "y": [1]})
    assert len(made.join(cs.Join(some, name="some", **declared)).frame) == 0


def test_a_frame_is_no_join_and_text_is_no_units() -> None:
    table: Any = pd.DataFrame({"unit_id": ["0012"], "x": [1]})
    with pytest.raises(cs.SpecError, match="DataFrame is no Join"):
        panel(HEADS).join(table)
    units: Any = "units"
    with pytest.raises(cs.SpecError, match="through= is of type str: Units"):
        cs.Join(table, relation="m:1", through=units)


def test_a_join_does_not_print_the_cells_of_its_table() -> None:
    table = pd.DataFrame({"unit_id": ["0012"], "exit_reason": ["retirement"]})
    assert "retirement" not in repr(cs.Join(table, name="reasons"))


@pytest.mark.parametrize("window", [3, (1, 1, 1), (1.5, 2), ("1", "1"), None, (-1, 1)])
def test_a_window_is_a_pair_of_whole_numbers(window: Any) -> None:
    with pytest.raises(cs.SpecError, match="a window is a pair of years"):
        cs.event_support(panel(HEADS), window)
    with pytest.raises(cs.SpecError, match="a window is a pair of years"):
        cs.isolation_table(panel(HEADS), [window])


def test_windows_are_a_list() -> None:
    windows: Any = 3
    with pytest.raises(cs.SpecError, match="a window is a pair of years"):
        cs.isolation_table(panel(HEADS), windows)


def test_other_roles_are_panels_and_units_are_units() -> None:
    heads = panel(HEADS)
    others: Any
    for others in (heads, ["principal"], "principal", None):
        with pytest.raises(cs.SpecError, match="roles= is a list of panels"):
            cs.event_support(heads, (1, 1), roles=others)
    units: Any = pd.DataFrame({"unit_id": ["0012"]})
    with pytest.raises(cs.SpecError, match="DataFrame is no Units"):
        cs.event_support(heads, (1, 1), units=units)


def test_units_that_are_given_are_not_asked_for() -> None:
    school = pd.DataFrame({"unit_id": ["S1"], "leader_id": ["x"], "start": [2010.0]})
    below = cs.Panel.build(cs.Tenures.from_spells(school.assign(stop=2014.0), role="principal"))
    given = pd.DataFrame({"unit_id": ["S1", "0012"], "level": ["school", "district"]})
    units = cs.Units.from_frame(given.assign(parent_id=["0012", None]))
    with pytest.raises(cs.SpecError, match="has no post in these units") as error:
        cs.event_support(panel(HEADS), (1, 1), roles=[below], units=units)
    assert "say with units=" not in error.value.how
    with pytest.raises(cs.SpecError, match="say with units="):
        cs.event_support(panel(HEADS), (1, 1), roles=[below])


def test_rules_of_boards_refuse_a_bare_word_and_text_for_days() -> None:
    word: Any = "defeated"
    with pytest.raises(cs.SpecError, match="reasons are a list of words"):
        cs.BoardRules(defeated=word)
    days: Any = "31"
    with pytest.raises(cs.SpecError, match="'31' is no length of time"):
        cs.BoardRules(grace_days=days)


@pytest.mark.parametrize("window", ["3", 2.5, None, 0])
def test_windows_of_churn_are_whole_numbers(window: Any) -> None:
    with pytest.raises(cs.SpecError, match="a whole number, at least 1"):
        cs.churn_measures(tenures(), window=window)


def test_limits_of_scores_are_numbers() -> None:
    limits: Any = ("0", "15")
    with pytest.raises(cs.SpecError, match="are no limits"):
        cs.StudentRules(limits=limits)
    assert cs.StudentRules(limits=(0, 15.5)).limits == (0, 15.5)


def test_arguments_of_another_type_are_named_all_at_once() -> None:
    spells: Any = pd.DataFrame({"unit_id": ["1"]})
    with pytest.raises(cs.SpecError, match="wrong type") as error:
        cs.Panel.build(spells, units=spells)
    assert [w.split(" is a ")[0] for w in error.value.where] == ["tenures=", "units="]
    with pytest.raises(cs.SpecError, match="wrong type"):
        cs.Panel.build(tenures(), spells)
    for measure in (cs.churn_measures, cs.board_flips, cs.board_elections):
        with pytest.raises(cs.SpecError, match="wrong type"):
            measure(tenures(), units=spells)
    rule: Any = "ignore"
    with pytest.raises(cs.SpecError, match="'ignore' is no rule"):
        cs.Panel.build(tenures(), unknown_units=rule)
