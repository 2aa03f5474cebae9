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


def test_changes_since_adoption_are_counted_up_to_the_row_s_start() -> None:
    assert_shows(
        rows(
            """
        leader_id  start    stop
        z          2005     2008.5
        a          2008.5   2010
        b          2010     2011.25
        c          2011.25  2011.75
        d          2011.75  2013
        e          2013     2013.5
    """,
            """
        start  stop     sponsor_id
        2010   2013.25  b
    """,
        ).frame,
        """
        school_year_end  n_changes  age_at_change_years  years_since_change  elapsed_tenure_years
        2010             0          -                    0                   0
        2011             0          -                    1                   1
        2012             2          1.75                 0.25                0.25
        2013             3          3                    0                   0
    """,
    )


def test_a_leader_who_comes_back_after_a_vacancy_is_no_change() -> None:
    assert_shows(
        rows(
            """
        leader_id  start    stop
        a          2008     2010.5
        a          2011.25  2014
    """,
            """
        start  stop  sponsor_id
        2010   2013  a
    """,
        ).frame,
        """
        school_year_end  n_changes  age_at_change_years  elapsed_tenure_years  champion_gone
        2010             0          -                    2                     0
        2011             0          -                    -                     1
        2012             0          -                    0.75                  0
    """,
    )


def test_changes_are_unknown_unless_the_post_was_watched_since_adoption() -> None:
    leaders = """
        leader_id  start  stop  left_censored  right_censored
        a          2008   2011  no             yes
        b          2012   2013  yes            no
        c          2013   2016  no             no
    """
    assert_shows(
        rows(
            leaders,
            """
        program_id  start  entry  stop  left_censored
        early       2007   2008   2009  no
        across      2010   -      2014  no
        after       2012   -      2015  no
        unseen      2013   -      2014  yes
    """,
        ).frame,
        """
        program_id  school_year_end  n_changes  age_at_change_years  elapsed_tenure_years
        early       2008             -          -                    0
        across      2010             0          -                    2
        across      2011             -          -                    -
        across      2012             -          -                    -
        across      2013             -          -                    0
        after       2012             0          -                    -
        after       2013             1          1                    0
        after       2014             1          1                    1
        unseen      2013             -          -                    0
    """,
    )


def test_a_change_without_a_date_counts_and_gives_no_age() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop  right_censored
        a          2008   2011  yes
        b          2011   2014  no
    """,
            """
        start  stop  sponsor_id
        2010   2012  a
    """,
        ).frame,
        """
        school_year_end  n_changes  age_at_change_years
        2010             0          -
        2011             1          -
    """,
    )


def test_who_shared_the_post_before_has_been_in_it_for_longer_than_the_last_change() -> None:
    assert_shows(
        rows(
            """
        leader_id  start  stop  fte
        a          2008   2011  0.8
        b          2009   2014  0.2
    """,
            """
        start  stop  sponsor_id
        2010   2013  a
    """,
        ).frame,
        """
        school_year_end  holder_id  years_since_change  elapsed_tenure_years  n_changes
        2010             a          2                   2                     0
        2011             b          0                   2                     1
        2012             b          1                   3                     1
    """,
    )


def test_other_programs_are_those_that_run_when_the_row_begins() -> None:
    text = """
        program_id  start    entry  stop     practice_stop  right_censored
        p           2010     -      2013     2014           no
        q           2010.5   -      2012     -              no
        r           2011     -      2011.5   -              yes
        s           2009     2012   2013     -              no
    """
    expected = """
        program_id  school_year_end  n_other_programs
        p           2010             0
        p           2011             2
        p           2012             1
        q           2010             1
        q           2011             2
        r           2011             2
        s           2012             1
    """
    made = rows(LEADERS, text).frame
    assert_shows(made.sort_values(["program_id", "school_year_end"]), expected)
    practised = rows(LEADERS, text, clock="practice").frame
    assert practised["school_year_end"].tolist() == [2010, 2011, 2012, 2013]
    assert practised["n_other_programs"].tolist() == [0, 2, 1, 0]


def test_the_new_measures_enter_a_hazard_model() -> None:
    sim = cs.datasets.simulate_districts(60, 12, n_schools=1, seed=2)
    panel = cs.Panel.build(cs.Tenures.from_spells(sim.tenures), role="superintendent")
    frame = cs.program_rows(cs.Programs.from_frame(sim.programs), panel).frame
    fit = cs.cox(
        frame,
        "n_changes + elapsed_tenure_years + n_other_programs",
        entry="entry_years",
        exit="exit_years",
        event="event",
        vcov=cs.Cluster("unit_id"),
    )
    assert fit.tidy()["std_error"].between(0.001, 1).all()


def test_without_any_program_there_are_no_rows() -> None:
    never = table("""
        unit_id  initiative_id  school_year_end  status
        x1       p              2010             never
    """)
    made = cs.program_rows(cs.Programs.from_status(never), cs.Panel.build(spells(LEADERS)))
    assert made.frame.empty
    assert made.frame["n_changes"].dtype == "Int64"
    assert made.ledger.steps[-1].n_out == 0
