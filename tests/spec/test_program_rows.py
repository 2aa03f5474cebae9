"""Programs as start-stop rows: what is said of leaders holds when the row begins."""

from __future__ import annotations

from typing import Any

import pytest

import churnstats as cs
from churnstats.panel.risk_rows import RiskRows
from churnstats.records.programs import Clock
from record_tables import assert_shows, spells, table, text_columns


def rows(leaders: str, programs: str, clock: Clock = "formal", **options: Any) -> RiskRows:
    frame = table(programs)
    for name, value in (("unit_id", "1"), ("program_id", "p")):
        if name not in frame.columns:
            frame[name] = value
    made = cs.Programs.from_frame(text_columns(frame, "unit_id"), **options)
    return cs.program_rows(made, cs.Panel.build(spells(leaders), role="head"), clock)


def test_the_champion_leaves_within_a_year_and_is_gone_from_the_next_row_on() -> None:
    made = rows(
        """
        leader_id  start    stop
        a          2008     2011.25
        b          2011.25  2015
    """,
        """
        start  stop  sponsor_id  end_reason
        2010   2013  a           abandoned
    """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  entry_years  exit_years  event  end_reason  holder_id  champion_gone
        2010             0            1           0      -           a          0
        2011             1            2           0      -           a          0
        2012             2            3           1      abandoned   b          1
    """,
    )
    assert_shows(
        made.frame,
        """
        years_since_change  sponsor_id
        2                   a
        3                   a
        0.75                a
    """,
    )


def test_the_champion_leaves_at_the_turn_and_is_gone_from_that_year_on() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2008   2011
        b          2011   2015
    """,
            """
        start  stop  sponsor_id
        2010   2013  a
    """,
        ).frame,
        """
        school_year_end  champion_gone  years_since_change  event
        2010             0              2                   0
        2011             1              0                   0
        2012             1              1                   1
    """,
    )


def test_a_change_in_the_row_in_which_the_program_ends_explains_nothing_of_it() -> None:
    assert_shows(
        rows(
            """
        leader_id  start   stop
        a          2008    2011.1
        b          2011.1  2015
    """,
            """
        start  stop     sponsor_id
        2010   2011.75  a
    """,
        ).frame,
        """
        school_year_end  entry_years  exit_years  event  champion_gone
        2010             0            1           0      0
        2011             1            1.75        1      0
    """,
    )


def test_the_champion_returns() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2008   2011
        b          2011   2012
        a          2012   2014
    """,
            """
        start  stop  sponsor_id
        2010   2014  a
    """,
        ).frame,
        """
        school_year_end  champion_gone  holder_id  years_since_change
        2010             0              a          2
        2011             1              b          0
        2012             0              a          0
        2013             0              a          1
    """,
    )


def test_an_empty_post_has_no_champion() -> None:
    assert_shows(
        rows(
            """
        leader_id  start    stop
        a          2008     2010.75
        b          2011.5   2014
    """,
            """
        start  stop  sponsor_id
        2010   2013  a
    """,
        ).frame,
        """
        school_year_end  champion_gone  holder_id  years_since_change
        2010             0              a          2
        2011             1              -          -
        2012             1              b          0.5
    """,
    )


def test_where_nobody_looked_nothing_is_known() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  entry  stop  left_censored  right_censored
        a          2008   2011   2013  no             yes
        b          2014   -      2016  yes            no
    """,
            """
        start  stop  sponsor_id
        2010   2017  a
    """,
        ).frame,
        """
        school_year_end  champion_gone  holder_id  years_since_change
        2010             -              -          -
        2011             0              a          3
        2012             0              a          4
        2013             -              -          -
        2014             1              b          -
        2015             1              b          -
        2016             -              -          -
    """,
    )


def test_a_program_that_is_entered_late_has_no_rows_before() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2000   2014
    """,
            """
        start   entry  stop  sponsor_id
        2007.5  2010   2012  a
    """,
        ).frame,
        """
        school_year_end  entry_years  exit_years  event  champion_gone
        2010             2.5          3.5         0      0
        2011             3.5          4.5         1      0
    """,
    )


def test_rows_are_cut_at_turns_of_school_years_not_at_birthdays() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2008   2014
    """,
            """
        start    stop     sponsor_id
        2010.75  2012.25  a
    """,
        ).frame,
        """
        school_year_end  entry_years  exit_years  event
        2010             0            0.25        0
        2011             0.25         1.25        0
        2012             1.25         1.5         1
    """,
    )


def test_programs_that_still_run_have_no_event() -> None:
    leaders = """
        leader_id  start  stop
        a          2008   2014
    """
    assert_shows(
        rows(
            leaders,
            """
        start  stop  right_censored  sponsor_id  end_reason
        2010   2012  yes             a           running
    """,
        ).frame,
        """
        school_year_end  event  end_reason
        2010             0      -
        2011             0      -
    """,
    )
    for until in (2012, "2011-07-01"):
        assert_shows(
            rows(
                leaders,
                """
            start  stop  sponsor_id
            2010   -     a
        """,
                observed_until=until,
            ).frame,
            """
            school_year_end  event
            2010             0
            2011             0
        """,
        )


def test_without_a_sponsor_nobody_can_be_gone() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2008   2011
        b          2011   2014
    """,
            """
        start  stop  sponsor_id
        2010   2012  -
    """,
        ).frame,
        """
        champion_gone  holder_id
        -              a
        -              b
    """,
    )


def test_a_sponsor_in_another_post_is_not_looked_for_in_this_one() -> None:
    assert_shows(
        rows(
            """
        role  leader_id  start  stop
        head  a          2008   2011
        head  b          2011   2014
        aide  c          2008   2014
    """,
            """
        program_id  start  stop  sponsor_id  sponsor_role
        p1          2010   2012  a           head
        p2          2010   2012  c           aide
        p3          2010   2012  a           -
    """,
        ).frame,
        """
        program_id  champion_gone  holder_id
        p1          0              a
        p1          1              b
        p2          -              a
        p2          -              b
        p3          0              a
        p3          1              b
    """,
    )


def test_units_without_tenures_are_left_out_and_counted() -> None:
    made = rows(
        """
        unit_id  leader_id  start  stop
        1        a          2008   2014
    """,
        """
        program_id  unit_id  start  stop  sponsor_id
        p1          1        2010   2012  a
        p2          2        2010   2013  a
    """,
    )
    assert made.frame["program_id"].tolist() == ["p1", "p1"]
    assert_shows(
        made.ledger.frame(),
        """
        unit           n_in  n_lost  n_out
        programs       2     0       2
        programs       2     1       1
        program-years  2     0       2
    """,
    )


@pytest.mark.parametrize("stop", [2011.0, 2011.0 + 1e-12, 2011.0 - 1e-12])
def test_an_end_a_hair_from_the_turn_makes_no_extra_row(stop: float) -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop
        a          2008   2014
    """,
            f"""
        start  stop      sponsor_id
        2010   {stop!r}  a
    """,
        ).frame,
        """
        school_year_end  exit_years  event
        2010             1           1
    """,
    )


LEADERS = """
    leader_id  start  stop
    a          2008   2013
    b          2013   2020
"""


def test_the_clock_of_practice_ends_with_the_practice() -> None:
    text = """
        program_id  start  stop  practice_stop  practice_right_censored  sponsor_id  end_reason
        p1          2010   2012  2013.5         no                       a           dropped
        p2          2010   2013  2011           no                       a           dropped
        p3          2010   2011  2011           no                       a           dropped
        p4          2010   2011  2012           yes                      a           dropped
    """
    assert_shows(
        rows(LEADERS, text, clock="practice").frame,
        """
        program_id  school_year_end  entry_years  exit_years  event  champion_gone  end_reason
        p1          2010             0            1           0      0              -
        p1          2011             1            2           0      0              -
        p1          2012             2            3           0      0              -
        p1          2013             3            3.5         1      1              -
        p2          2010             0            1           1      0              -
        p3          2010             0            1           1      0              dropped
        p4          2010             0            1           0      0              -
        p4          2011             1            2           0      0              -
    """,
    )
    formal = rows(LEADERS, text).frame
    assert formal.groupby("program_id").size().to_dict() == {"p1": 2, "p2": 3, "p3": 1, "p4": 1}
    assert formal["event"].sum() == 4


def test_programs_whose_practice_was_not_watched_are_left_out_and_counted() -> None:
    made = rows(
        LEADERS,
        """
        program_id  start  entry  stop  practice_stop  sponsor_id
        p1          2010   -      2012  -              a
        p2          2010   -      2012  2010           a
        p3          2010   2011   2012  2011           a
        p4          2010   2011   2012  2011.5         a
    """,
        clock="practice",
    )
    assert made.frame["program_id"].tolist() == ["p4"]
    assert made.ledger.steps[-2].lost == {
        "whose practice nobody watched": 1,
        "without practice under observation": 2,
    }


def test_a_re_adoption_begins_again_at_age_zero() -> None:
    assert_shows(
        rows(
            LEADERS,
            """
            program_id  initiative_id  start  stop  sponsor_id
            p1          i              2010   2011  a
            p2          i              2013   2015  b
        """,
        ).frame,
        """
        program_id  initiative_id  adoption_order  school_year_end  entry_years  exit_years  event
        p1          i              1               2010             0            1           1
        p2          i              2               2013             0            1           0
        p2          i              2               2014             1            2           1
    """,
    )


def test_where_adoption_was_not_seen_age_is_unknown() -> None:
    assert_shows(
        rows(
            LEADERS,
            """
            start  stop  left_censored  sponsor_id
            2010   2012  yes            a
        """,
        ).frame,
        """
        school_year_end  entry_years  exit_years  event  champion_gone
        2010             -            -           0      0
        2011             -            -           1      0
    """,
    )
