"""Rosters that can be read in several ways: readings have names, rows are accounted for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError
from record_tables import assert_shows, roster

AWAY = """
    school_year_end  leader_id
    2010             a
    2011             b
    2012             a
    2013             a
"""


def rows_of(tenures: cs.Tenures, rule: str) -> list[int]:
    rows = tenures.issues.rows()
    return rows.loc[rows["rule"] == rule, "row"].tolist()


def lost(tenures: cs.Tenures) -> dict[str, int]:
    return dict(tenures.ledger.steps[0].lost)


# --- leaders who come back ------------------------------------------------------------------------


def test_a_return_is_two_spells_and_listed() -> None:
    tenures = roster(AWAY)
    assert tenures.n_spells == 3
    assert rows_of(tenures, "returning_leader") == [3]


def test_a_return_is_one_spell_if_that_is_the_rule() -> None:
    tenures = roster(AWAY, returns="one")
    assert_shows(
        tenures.frame,
        """
        spell_id  leader_id  start  stop  n_roster_rows
        1-head-1  a          2010   2014  3
    """,
    )
    assert lost(tenures) == {"between two spells of a leader who returned": 1}


def test_a_return_is_a_question_if_that_is_the_rule() -> None:
    with pytest.raises(DataError, match="returning_leader") as error:
        roster(AWAY, returns="ask")
    assert error.value.faults[0].n_rows == 1
    assert (
        roster(AWAY.replace("2011             b", "2011             a"), returns="ask").n_spells
        == 1
    )


def test_who_was_away_for_longer_than_allowed_returns_as_two() -> None:
    long = AWAY.replace("2012             a", "2012             b")
    assert roster(long, returns="one").n_spells == 3
    assert roster(long, returns="one", max_away_years=2).n_spells == 1


def test_of_leaders_who_alternate_the_first_absence_counts() -> None:
    tenures = roster(
        """
        school_year_end  leader_id
        2010             a
        2011             b
        2012             a
        2013             b
    """,
        returns="one",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop
        a          2010   2013
        b          2013   2014
    """,
    )
    back_and_forth = roster(
        """
        school_year_end  leader_id
        2010             a
        2011             b
        2012             a
        2013             b
        2014             a
    """,
        returns="one",
    )
    assert_shows(
        back_and_forth.frame,
        """
        leader_id  start  stop  n_roster_rows
        a          2010   2015  3
    """,
    )
    assert lost(back_and_forth) == {"between two spells of a leader who returned": 2}


def test_rows_between_two_spells_that_are_one_are_listed() -> None:
    tenures = roster(
        """
        school_year_end  leader_id  snapshot
        2010             a          -
        2011             b          2011.25
        2011             b          2011.75
        2012             b          -
        2013             a          -
        2014             b          -
    """,
        returns="one",
        max_away_years=2,
        snapshots="dated",
    )
    assert rows_of(tenures, "returning_leader") == [5]
    assert rows_of(tenures, "interruption") == [2, 3, 4]
    assert lost(tenures) == {"between two spells of a leader who returned": 3}
    assert tenures.frame[["start", "stop"]].to_numpy().tolist() == [[2010, 2014], [2014, 2015]]


# --- vacancies ------------------------------------------------------------------------------------


def test_a_post_that_is_known_to_be_vacant_ends_and_begins_spells() -> None:
    tenures = roster("""
        school_year_end  leader_id  vacant
        2010             a          no
        2011             -          yes
        2012             b          no
        2013             -          yes
    """)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored
        a          2010   2011  yes            no
        b          2012   2013  no             no
    """,
    )
    assert rows_of(tenures, "vacant_post") == [2, 4]
    assert lost(tenures) == {"vacant": 2}
    assert cs.Panel.build(tenures).frame["vacancy_share"].tolist() == [0.0, 1.0, 0.0]


def test_a_vacancy_beside_a_holder_is_a_fault() -> None:
    with pytest.raises(DataError, match=r"vacant_with_holder.*\(1 row\)"):
        roster("""
            school_year_end  leader_id  vacant
            2010             a          no
            2010             -          yes
        """)
    with pytest.raises(DataError, match=r"vacant_with_holder.*\(1 row\)"):
        roster("""
            school_year_end  leader_id  vacant
            2010             a          yes
        """)


# --- several snapshots of one year ----------------------------------------------------------------

TWICE = """
    school_year_end  snapshot  leader_id
    2019             2019.25   a
    2020             2020.20   a
    2020             2020.60   b
    2021             2021.25   b
"""


def test_of_several_snapshots_the_last_counts() -> None:
    tenures = roster(TWICE)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  n_roster_rows
        a          2019   2020  1
        b          2020   2022  2
    """,
    )
    assert rows_of(tenures, "several_snapshots") == [2]
    assert lost(tenures) == {"of another snapshot of the year": 1}


def test_of_several_snapshots_the_first_counts_if_that_is_the_rule() -> None:
    tenures = roster(TWICE, snapshots="first")
    assert tenures.frame[["start", "stop"]].to_numpy().tolist() == [[2019, 2021], [2021, 2022]]
    assert rows_of(tenures, "several_snapshots") == [3]


def test_a_vacancy_in_a_snapshot_that_does_not_count_is_counted_once() -> None:
    table = """
        school_year_end  snapshot  leader_id  vacant
        2010             2010.25   a          no
        2011             2011.25   -          yes
        2011             2011.75   b          no
    """
    last = roster(table)
    assert lost(last) == {"of another snapshot of the year": 1}
    assert rows_of(last, "several_snapshots") == [2]
    assert rows_of(last, "vacant_post") == []
    first = roster(table, snapshots="first")
    assert lost(first) == {"of another snapshot of the year": 1, "vacant": 1}
    assert rows_of(first, "vacant_post") == [2]
    dated = roster(table, snapshots="dated")
    assert lost(dated) == {"vacant": 1}
    assert_shows(
        dated.frame,
        """
        leader_id  start    stop  start_earliest  right_censored
        a          2010     2011  -               no
        b          2011.75  2012  2011.25         yes
    """,
    )


def test_dated_snapshots_date_the_handover_between_them_and_keep_its_bounds() -> None:
    tenures = roster(TWICE, snapshots="dated")
    assert_shows(
        tenures.frame,
        """
        leader_id  start   stop    start_earliest  n_roster_rows
        a          2019    2020.6  -               2
        b          2020.6  2022    2020.2          2
    """,
    )
    assert lost(tenures) == {}
    events = cs.Panel.build(tenures).events
    assert events["is_mid_year"].tolist() == [True]


def test_snapshots_that_are_missing_or_of_another_year_are_faults() -> None:
    with pytest.raises(DataError) as error:
        roster("""
            school_year_end  snapshot  leader_id
            2019             2020.25   a
            2020             2020.20   a
            2020             -         b
        """)
    found = {fault.rule: fault.n_rows for fault in error.value.faults}
    assert found == {"snapshot_in_other_year": 1, "no_snapshot": 1}


# --- several holders of one year ------------------------------------------------------------------

HANDOVER = """
    school_year_end  leader_id  fte
    2010             a          1
    2011             a          0.25
    2011             b          0.75
    2012             b          1
"""


def test_two_holders_are_a_fault_by_default() -> None:
    with pytest.raises(DataError, match="co_leaders") as error:
        roster(HANDOVER)
    assert error.value.faults[0].n_rows == 1


def test_who_leaves_and_who_comes_hand_over_within_the_year() -> None:
    tenures = roster(HANDOVER, co_leaders="by_fte")
    assert_shows(
        tenures.frame,
        """
        leader_id  start    stop     start_earliest  stop_latest  fte  fte_reported  n_roster_rows
        a          2010     2011.25  -               2012         1    0.85          2
        b          2011.25  2013     2011            -            1    6.25/7        2
    """.replace("6.25/7", f"{(0.75 * 0.75 + 1) / 1.75!r}"),
    )
    assert rows_of(tenures, "handover_in_year") == [2, 3]


def test_leaders_who_both_stay_share_the_post() -> None:
    tenures = roster(
        """
        school_year_end  leader_id  fte
        2010             a          0.5
        2010             b          0.5
        2011             a          0.5
        2011             b          0.5
    """,
        co_leaders="by_fte",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  fte
        a          2010   2012  0.5
        b          2010   2012  0.5
    """,
    )
    assert rows_of(tenures, "shared_post") == [1, 2, 3, 4]
    again = cs.Tenures.from_spells(tenures.frame)
    assert again.n_spells == 2


def test_two_full_posts_side_by_side_are_scaled_and_listed() -> None:
    tenures = roster(
        """
        school_year_end  leader_id  fte
        2010             a          1
        2010             b          1
        2011             a          1
        2011             b          1
        2012             a          1
        2012             b          1
    """,
        co_leaders="by_fte",
    )
    # The first and the last year have no neighbour that says who stays.
    assert set(rows_of(tenures, "shares_above_one")) >= {3, 4}
    overlap = tenures.frame[tenures.frame["fte"] < 1]
    assert (overlap["fte_reported"] == 1).all()


def test_two_full_posts_of_which_none_stays_follow_one_another() -> None:
    tenures = roster(
        """
        school_year_end  leader_id  fte
        2010             a          1
        2011             a          1
        2011             c          1
        2012             b          1
    """,
        co_leaders="by_fte",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start   stop
        a          2010    2011.5
        c          2011.5  2012
        b          2012    2013
    """,
    )


def test_who_stands_in_both_snapshots_of_a_year_with_another_shares_the_post() -> None:
    tenures = roster(
        """
        school_year_end  snapshot  leader_id  fte
        2010             2010.25   a          1
        2011             2011.25   a          0.5
        2011             2011.25   b          0.5
        2011             2011.75   a          0.5
        2011             2011.75   b          0.5
        2012             2012.25   b          1
    """,
        co_leaders="by_fte",
        snapshots="dated",
    )
    assert tenures.frame[["start", "stop"]].to_numpy().tolist() == [[2010, 2012], [2011, 2013]]
    assert rows_of(tenures, "shared_post") == [2, 3, 4, 5]
    assert rows_of(tenures, "handover_in_year") == []


def test_a_handover_is_within_the_snapshot_that_shows_both() -> None:
    tenures = roster(
        """
        school_year_end  snapshot  leader_id  fte
        2011             2011.25   a          1
        2011             2011.75   a          0.5
        2011             2011.75   b          0.5
        2012             2012.25   b          1
    """,
        co_leaders="by_fte",
        snapshots="dated",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start     stop      start_earliest  stop_latest
        a          2011      2011.875  -               2012
        b          2011.875  2013      2011.75         -
    """,
    )


def test_mean_shares_of_a_post_are_scaled_where_they_add_up_to_more_than_one() -> None:
    tenures = roster(
        """
        school_year_end  leader_id  fte
        2010             a          0.25
        2010             b          0.75
        2011             a          0.25
        2011             b          0.75
        2012             a          1
        2013             a          1
    """,
        co_leaders="by_fte",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  fte   fte_reported
        b          2010   2012  6/11  0.75
        a          2010   2014  5/11  0.625
    """,
    )
    assert rows_of(tenures, "mean_shares_above_one") == [1, 2]
    assert rows_of(tenures, "shares_above_one") == []
    assert cs.Tenures.from_spells(tenures.frame).n_spells == 2


def test_a_holder_has_no_more_than_one_post() -> None:
    tenures = roster("""
        school_year_end  leader_id  fte
        2010             a          1.5
        2011             a          1.5
    """)
    assert tenures.frame[["fte", "fte_reported"]].to_numpy().tolist() == [[1, 1.5]]
    assert rows_of(tenures, "mean_shares_above_one") == [1]


def test_the_largest_share_takes_the_post_if_that_is_the_rule() -> None:
    tenures = roster(HANDOVER, co_leaders="largest")
    assert tenures.frame[["start", "stop"]].to_numpy().tolist() == [[2010, 2011], [2011, 2013]]
    assert rows_of(tenures, "smaller_share") == [2]
    even = roster(HANDOVER.replace("0.25", "0.5").replace("0.75", "0.5"), co_leaders="largest")
    assert even.frame["stop"].tolist() == [2012, 2013], "who was there before stays in a tie"


def test_spells_may_overlap_where_their_shares_say_so() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": ["a", "b", "c"], "start": [2010.0, 2011.0, 2012.0],
            "stop": [2013.0, 2013.0, 2014.0], "fte": [0.5, 0.5, 0.5],
        }
    )  # fmt: skip
    with pytest.raises(DataError, match="overlapping_spells") as error:
        cs.Tenures.from_spells(frame, role="head")
    assert [list(fault.numbers) for fault in error.value.faults] == [[3]]
    assert cs.Tenures.from_spells(frame.assign(fte=[0.5, 0.25, 0.25]), role="head").n_spells == 3
    with pytest.raises(DataError, match="overlapping_spells"):
        cs.Tenures.from_spells(frame.drop(columns="fte"), role="head")


# --- gaps -----------------------------------------------------------------------------------------


def test_a_gap_bounds_the_change_within_it() -> None:
    tenures = roster("""
        school_year_end  leader_id
        2010             a
        2013             b
    """)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  start_earliest  stop_latest  left_censored  right_censored
        a          2010   2011  -               2013         yes            yes
        b          2013   2014  2011            -            yes            yes
    """,
    )


def test_a_year_that_a_whole_group_lacks_is_told_from_gaps_of_units() -> None:
    table = """
        unit_id  group_id  school_year_end  leader_id
        1        x         2010             a
        1        x         2012             a
        2        x         2010             b
        2        x         2012             c
        3        y         2010             d
        3        y         2012             d
        4        y         2011             e
    """
    tenures = roster(table)
    assert rows_of(tenures, "missing_snapshot") == [2, 4]
    assert rows_of(tenures, "gap") == [6]
    bridged = roster(table, max_gap_years=1)
    assert rows_of(bridged, "gap_bridged") == [2, 6]
    assert rows_of(bridged, "missing_snapshot") == [4]


# --- interim leaders ------------------------------------------------------------------------------


def test_interim_leaders_are_told_by_their_title_or_are_unknown() -> None:
    tenures = roster("""
        school_year_end  leader_id  title
        2010             a          Superintendent
        2011             b          Acting-Superintendent
        2012             c          INTERIM
        2013             c          Superintendent
        2014             d          -
    """)
    assert_shows(
        tenures.frame,
        """
        leader_id  interim  interim_basis
        a          no       title
        b          yes      title
        c          no       title
        d          -        unknown
    """,
    )


def test_interim_leaders_are_told_by_dates_or_length_on_request() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": list("abcd"), "interim": [None, None, None, True],
            "start": [2010.0, 2011.3, 2012.0, 2012.4], "stop": [2011.3, 2012.0, 2012.4, 2014.0],
        }
    )  # fmt: skip

    def read(**rules: float | bool) -> pd.DataFrame:
        return cs.Tenures.from_spells(frame, role="head", interim=cs.InterimRules(**rules)).frame

    assert read()["interim_basis"].tolist() == ["unknown"] * 3 + ["given"]
    dates = read(by_dates=True)
    assert dates["interim"].tolist() == [False, True, False, True]
    both = read(by_dates=True, shorter_than_years=0.5)
    assert both["interim"].tolist() == [False, True, True, True]
    assert both["interim_basis"].tolist() == ["dates", "dates", "length", "given"]


# --- leaders of several units ---------------------------------------------------------------------


def test_leaders_of_two_units_at_once_are_listed_and_kept() -> None:
    tenures = roster("""
        unit_id  school_year_end  leader_id
        1        2010             a
        2        2010             a
        3        2011             a
    """)
    assert tenures.n_spells == 3
    assert tenures.issues.count("leader_in_several_units") == 2


# --- assignments and contracts --------------------------------------------------------------------


def contracts(rows: list[tuple[str, float, float]], **rules: object) -> cs.Tenures:
    frame = pd.DataFrame(rows, columns=["leader_id", "start", "stop"]).assign(unit_id="1")
    return cs.Tenures.from_assignments(
        frame, role="head", observed_until=2020.0, rules=cs.AssignmentRules(**rules)
    )


def test_assignments_that_touch_or_overlap_are_one_spell() -> None:
    tenures = contracts(
        [("a", 2010, 2012), ("a", 2011.5, 2013), ("a", 2013, 2014), ("b", 2015, 2016)]
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  right_censored  n_assignments
        a          2010   2014  no              3
        b          2015   2016  no              1
    """,
    )
    assert rows_of(tenures, "joined_rows") == [2, 3]
    assert tenures.issues.count("gap") == 1


def test_a_break_is_bridged_as_far_as_allowed() -> None:
    rows = [("a", 2010.0, 2012.0), ("a", 2012.1, 2013.0)]
    assert contracts(rows).n_spells == 2
    assert contracts(rows, max_gap_days=40).n_spells == 1


def test_a_stop_on_the_last_day_in_post_is_no_break() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": "a", "start": ["2012-07-01", "2013-07-01", "2014-07-02"],
            "stop": ["2013-06-30", "2014-06-30", "2015-07-01"],
        }
    )  # fmt: skip
    tenures = cs.Tenures.from_assignments(frame, role="head")
    assert tenures.frame["n_assignments"].tolist() == [2, 1]
    assert tenures.issues.count("gap") == 1


def test_shares_of_assignments_at_the_same_time_add_up() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["1", "1", "2", "2", "3", "3"], "leader_id": list("aabbcc"),
            "start": [2010.0, 2010, 2010, 2012, 2010, 2010],
            "stop": [2012.0, 2014, 2012, 2014, 2012, 2014], "fte": [0.5, 0.25, 0.5, 1, 1, 0.5],
        }
    )  # fmt: skip
    tenures = cs.Tenures.from_assignments(frame, role="head")
    assert tenures.frame["fte"].tolist() == [0.5, 0.75, 1.0]


def test_the_end_of_a_spell_is_that_of_its_last_assignment() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": "a", "start": [2010.0, 2011.0, 2012.0],
            "stop": [2014.0, 2012.0, 2013.0], "exit_reason": ["retirement", None, None],
            "right_censored": [False, True, True], "start_earliest": [2009.5, 2010.5, None],
            "stop_latest": [2014.5, 2012.5, None], "title": ["Head", "Acting Head", None],
        }
    )  # fmt: skip
    (spell,) = cs.Tenures.from_assignments(frame, role="head").frame.to_dict("records")
    assert (spell["start_earliest"], spell["stop_latest"]) == (2009.5, 2014.5)
    assert (spell["exit_reason"], spell["title"]) == ("retirement", "Head")
    assert not spell["right_censored"]
    frame["stop"] = [2011.0, 2012.0, 2013.0]
    (spell,) = cs.Tenures.from_assignments(frame, role="head").frame.to_dict("records")
    assert spell["right_censored"]
    assert np.isnan(spell["stop_latest"])


def test_a_leader_whose_contract_another_interrupted_is_there_twice() -> None:
    rows = [
        ("a", 2010.0, 2013.0),
        ("b", 2012.0, 2014.0),
        ("a", 2013.0, 2015.0),
        ("c", 2016.0, 2017.0),
    ]
    tenures = contracts(rows, ends="contract")
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  stop_latest  right_censored  n_assignments
        a          2010   2012  -            no              1
        b          2012   2013  -            no              1
        a          2013   2015  2016         yes             1
        c          2016   2017  -            yes             1
    """,
    )
    assert rows_of(tenures, "contract_cut") == [1, 2]
    assert rows_of(tenures, "joined_rows") == []


def test_how_interim_leaders_were_told_is_kept_when_spells_are_read_again() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": list("abcd"), "start": [2010.0, 2011.0, 2012.0, 2013.0],
            "stop": [2011.0, 2012.0, 2013.0, 2014.0], "interim": [True, None, True, True],
            "interim_basis": ["title", "title", None, "unknown"],
        }
    )  # fmt: skip
    tenures = cs.Tenures.from_spells(frame, role="head")
    assert tenures.frame["interim_basis"].tolist() == ["title", "unknown", "given", "given"]


def test_a_contract_that_the_source_calls_censored_stays_so_before_a_gap() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": ["a", "b"], "start": [2010.0, 2015.0],
            "stop": [2012.0, 2018.0], "right_censored": [True, False],
        }
    )  # fmt: skip
    rules = cs.AssignmentRules(ends="contract")
    tenures = cs.Tenures.from_assignments(frame, role="head", rules=rules)
    assert tenures.frame["right_censored"].tolist() == [True, True]


@pytest.mark.parametrize("ends", ["exit", "contract"])
def test_assignments_without_keys_are_faults_and_no_crash(ends: str) -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["1", None, "1", "1"], "leader_id": ["a", "a", "b", None],
            "start": [2010.0, 2011, None, 2014], "stop": [2011.0, 2012, 2013, 2015],
        }
    )  # fmt: skip
    rules = cs.AssignmentRules(ends=ends)
    with pytest.raises(DataError) as error:
        cs.Tenures.from_assignments(frame, role="head", rules=rules)
    found = {fault.numbers.tolist()[0] for fault in error.value.faults}
    assert found == {2, 3, 4}
    with pytest.raises(DataError, match="required columns are missing: start"):
        cs.Tenures.from_assignments(frame.drop(columns="start"), role="head", rules=rules)


def test_roster_rows_without_keys_are_faults_and_no_crash() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["1", None, "1", "1"],
            "leader_id": list("aabb"),
            "school_year_end": [2010, 2010, None, 2010],
        }
    )
    with pytest.raises(DataError) as error:
        cs.Tenures.from_roster(frame, role="head")
    found = {fault.rule: fault.numbers.tolist() for fault in error.value.faults[-1:]}
    assert found == {"two_holders": [4]}
    missing = [fault.numbers.tolist() for fault in error.value.faults[:-1]]
    assert missing == [[2], [3]]


def test_the_end_of_a_contract_is_no_exit() -> None:
    rows = [("a", 2010.0, 2014.0), ("b", 2013.0, 2015.0), ("c", 2016.0, 2023.0)]
    tenures = contracts(rows, ends="contract")
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  right_censored  stop_watched
        a          2010   2013  no              yes
        b          2013   2015  yes             no
        c          2016   2020  yes             yes
    """,
    )
    assert tenures.issues.count("contract_cut") == 1
    assert tenures.issues.count("contract_after_observation") == 1
    lapsed = contracts([("a", 2010.0, 2014.0)], ends="contract")
    assert lapsed.frame["right_censored"].tolist() == [True]
    with pytest.raises(DataError, match="stops_after_observation"):
        contracts(rows)


def test_assignments_that_overlap_with_another_leader_are_a_fault() -> None:
    with pytest.raises(DataError, match="overlapping_spells"):
        contracts([("a", 2010.0, 2014.0), ("b", 2013.0, 2015.0)])


# --- the way back ---------------------------------------------------------------------------------


def test_spells_give_back_the_roster_that_a_snapshot_would_show() -> None:
    tenures = roster("""
        school_year_end  leader_id  vacant
        2010             a          no
        2011             a          no
        2012             -          yes
        2013             b          no
    """)
    assert_shows(
        tenures.to_roster(),
        """
        school_year_end  leader_id  vacant
        2010             a          no
        2011             a          no
        2012             -          yes
        2013             b          no
    """,
    )
    again = cs.Tenures.from_roster(tenures.to_roster())
    shown = again.frame.drop(columns="fte_reported")
    pd.testing.assert_frame_equal(shown, tenures.frame, check_dtype=False)


def snapshots_of(spells: pd.DataFrame, at_share: float = 0.25) -> list[list[object]]:
    made = cs.Tenures.from_spells(spells.assign(unit_id="1"), role="head").to_roster(at_share)
    shown = made.assign(leader_id=made["leader_id"].fillna("-"))
    return shown[["school_year_end", "leader_id", "vacant"]].to_numpy().tolist()


def test_a_snapshot_shows_a_vacancy_only_where_both_of_its_ends_are_known() -> None:
    spells = pd.DataFrame(
        {"leader_id": ["a", "b"], "start": [2010.0, 2013.0], "stop": [2011.5, 2014.0]}
    )
    held = [[2010, "a", False], [2011, "a", False], [2013, "b", False]]
    assert snapshots_of(spells) == sorted([*held, [2012, "-", True]])
    assert snapshots_of(spells, 0.5) == [
        [2010, "a", False], [2011, "-", True], [2012, "-", True], [2013, "b", False],
    ]  # fmt: skip
    assert snapshots_of(spells.assign(right_censored=[True, False])) == held
    assert snapshots_of(spells.assign(left_censored=[False, True])) == held
    assert snapshots_of(spells.assign(left_censored=True, right_censored=[False, True])) == held
    other = spells.assign(left_censored=[True, False], right_censored=[False, True])
    assert len(snapshots_of(other)) == 4


def test_no_vacancy_is_seen_after_a_spell_whose_end_nobody_saw() -> None:
    spells = pd.DataFrame(
        {
            "leader_id": ["a", "b", "c"], "start": [2010.0, 2011.0, 2015.0],
            "stop": [2013.0, 2012.0, 2016.0], "fte": 0.5, "right_censored": [True, False, False],
        }
    )  # fmt: skip
    assert [2013, "-", True] not in snapshots_of(spells)
    known = snapshots_of(spells.assign(right_censored=False))
    assert [row for row in known if row[2]] == [[2013, "-", True], [2014, "-", True]]


def test_a_snapshot_shows_nobody_before_observation_began_or_in_spells_between_two_of_them() -> (
    None
):
    spells = pd.DataFrame(
        {
            "leader_id": ["a", "b", "c"], "start": [2005.0, 2012.3, 2013.2],
            "stop": [2012.3, 2013.2, 2014.0], "entry": [2010.0, 2012.3, 2013.2],
        }
    )  # fmt: skip
    seen = [[2010, "a", False], [2011, "a", False], [2012, "a", False], [2013, "c", False]]
    assert snapshots_of(spells) == seen


def test_what_opened_and_closed_gives_its_spells_back_with_its_units() -> None:
    units = cs.Units.from_frame(
        pd.DataFrame({"unit_id": ["1"], "level": "district", "opened": 2010.0, "closed": 2013.0})
    )
    table = """
        school_year_end  leader_id
        2010             a
        2011             b
        2012             b
    """
    tenures = roster(table, units=units)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored  exit_reason
        a          2010   2011  no             no              -
        b          2011   2013  no             yes             unit_closed
    """,
    )
    assert rows_of(tenures, "outside_unit_life") == []
    made = tenures.to_roster()
    assert made["school_year_end"].tolist() == [2010, 2011, 2012]
    again = cs.Tenures.from_roster(made, units=units).frame.drop(columns="fte_reported")
    pd.testing.assert_frame_equal(again, tenures.frame)


def test_a_snapshot_sees_who_leads_at_its_moment() -> None:
    tenures = roster(TWICE, snapshots="dated")
    autumn, spring = tenures.to_roster(0.25), tenures.to_roster(0.75)
    assert autumn["leader_id"].tolist() == ["a", "a", "b"]
    assert spring["leader_id"].tolist() == ["a", "b", "b"]
    with pytest.raises(cs.SpecError, match="at_share"):
        tenures.to_roster(1.0)


# --- units ----------------------------------------------------------------------------------------


def test_units_carry_ids_over_and_end_spells() -> None:
    units = cs.Units.from_frame(
        pd.DataFrame({"unit_id": ["1", "9", "2"], "level": "district"}),
        changes=pd.DataFrame(
            {
                "unit_id": ["1", "2", "2"], "school_year_end": [2012, 2010, 2013],
                "change": ["new_id", "opened", "closed"], "successor_id": ["9", None, None],
            }
        ),
    )  # fmt: skip
    tenures = roster(
        """
        unit_id  school_year_end  leader_id
        1        2011             a
        9        2012             a
        2        2010             b
        2        2011             b
        2        2012             b
    """,
        units=units,
    )
    assert_shows(
        tenures.frame,
        """
        unit_id  leader_id  start  stop  left_censored  right_censored  exit_reason
        2        b          2010   2013  no             yes             unit_closed
        9        a          2011   2013  yes            yes             -
    """,
    )
    assert rows_of(tenures, "unit_id_changed") == [1]
    with pytest.raises(DataError, match=r"unknown_unit.*\(1 row\)"):
        roster("unit_id  school_year_end  leader_id\n 7  2011  a", units=units)


def test_a_unit_that_opened_in_another_year_says_nothing_of_the_start() -> None:
    frame = pd.DataFrame(
        {"unit_id": list("123"), "level": "district", "opened": [2010.5, 2012.0, 2008.0]}
    )
    tenures = roster(
        """
        unit_id  school_year_end  leader_id
        1        2010             a
        2        2010             b
        3        2010             c
    """,
        units=cs.Units.from_frame(frame),
    )
    assert tenures.frame["left_censored"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    "options",
    [{"returns": "three"}, {"snapshots": "all"}, {"co_leaders": "both"}, {"max_away_years": 0}],
)
def test_rules_that_do_not_exist_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(cs.SpecError, match=next(iter(options))):
        cs.RosterRules(**options)
    assert np.isfinite(cs.RosterRules().max_away_years)


def test_a_leader_who_was_interim_for_part_of_a_spell_is_not_and_is_listed() -> None:
    tenures = roster("""
        school_year_end  leader_id  title
        2010             a          Superintendent
        2011             a          Superintendent
        2012             a          Acting-Superintendent
        2013             b          Interim
        2014             b          Interim
    """)
    assert tenures.frame["interim"].tolist() == [False, True]
    assert tenures.frame["interim_basis"].tolist() == ["title", "title"]
    assert rows_of(tenures, "interim_in_part") == [1]
    rows = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": "a", "title": ["Superintendent", "Acting"],
            "start": [2010.0, 2012.0], "stop": [2012.0, 2013.0],
        }
    )  # fmt: skip
    assert cs.Tenures.from_assignments(rows, role="head").frame["interim"].tolist() == [False]
    acting = rows.assign(title="Acting")
    assert cs.Tenures.from_assignments(acting, role="head").frame["interim"].tolist() == [True]


def test_who_comes_is_the_last_of_a_handover() -> None:
    tenures = roster(
        """
        school_year_end  leader_id
        2010             a
        2011             z
        2011             b
        2012             b
    """,
        co_leaders="by_fte",
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start   stop
        a          2010    2011
        z          2011    2011.5
        b          2011.5  2013
    """,
    )


def test_lasting_co_leaders_with_full_shares_hand_nothing_over() -> None:
    for years in (2, 3, 4):
        frame = pd.DataFrame(
            {
                "unit_id": "1", "leader_id": ["a", "b"] * years,
                "school_year_end": np.repeat(np.arange(2010, 2010 + years), 2),
            }
        )  # fmt: skip
        rules = cs.RosterRules(co_leaders="by_fte")
        tenures = cs.Tenures.from_roster(frame, role="head", rules=rules)
        assert tenures.frame[["start", "stop"]].to_numpy().tolist() == [[2010, 2010 + years]] * 2
        assert len(cs.Panel.build(tenures).events) == 0


def test_rows_outside_the_life_of_a_unit_are_listed() -> None:
    units = cs.Units.from_frame(
        pd.DataFrame({"unit_id": ["1"], "opened": [2010.0], "closed": [2012.0]})
    )
    tenures = roster(
        """
        school_year_end  leader_id
        2010             a
        2011             a
        2012             a
    """,
        units=units,
    )
    assert rows_of(tenures, "outside_unit_life") == [1]


def test_names_as_ids_are_not_shown_in_errors() -> None:
    with pytest.raises(DataError) as error:
        roster("""
            school_year_end  leader_id
            2010             zed
            2010             ann,blee
        """)
    assert "ann" not in str(error.value)
    assert "a name, not shown" in str(error.value)
    assert "zed" not in repr(roster(AWAY).issues)


@pytest.mark.parametrize(
    "options",
    [
        {"rules": {"max_gap_years": 1}},
        {"rules": None},
        {"units": pd.DataFrame()},
        {"calendar": "school"},
    ],
)
def test_options_of_another_type_are_refused(options: dict[str, object]) -> None:
    frame = pd.DataFrame({"unit_id": ["1"], "leader_id": ["a"], "school_year_end": [2010]})
    with pytest.raises(cs.SpecError, match=next(iter(options))):
        cs.Tenures.from_roster(frame, role="head", **options)


def test_tenures_of_two_sources_are_put_together() -> None:
    frame = pd.DataFrame({"unit_id": "1", "leader_id": ["a", "b"], "school_year_end": [2010, 2011]})
    heads, aides = (cs.Tenures.from_roster(frame, role=r) for r in ("head", "aide"))
    both = cs.Tenures.combine([heads, aides])
    assert both.frame["role"].tolist() == ["aide", "aide", "head", "head"]
    assert [step.n_out for step in both.ledger.steps] == [2, 2, 2, 2, 4]
    assert len(cs.Panel.build(both, role="aide").frame) == 2
    with pytest.raises(DataError, match="duplicate_row"):
        cs.Tenures.combine([heads, heads])
    other = cs.Tenures.from_roster(frame, role="aide", calendar=cs.SchoolCalendar(8))
    with pytest.raises(cs.SpecError, match="SchoolCalendar"):
        cs.Tenures.combine([heads, other])


def test_who_watched_the_end_of_joined_rows_is_that_of_the_last() -> None:
    rows = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": "a", "start": [2010.0, 2012.0], "stop": [2012.0, 2013.0],
            "right_censored": [False, True], "stop_watched": [True, False],
        }
    )  # fmt: skip
    spell = cs.Tenures.from_assignments(rows, role="head").frame
    assert spell[["right_censored", "stop_watched"]].to_numpy().tolist() == [[True, False]]
