"""The event ledger: every change of leader is a numbered row with its date and both spells."""

from __future__ import annotations

from record_tables import assert_shows, panel


def test_each_change_is_a_row() -> None:
    made = panel("""
        leader_id  start    stop
        a          2010     2011.25
        b          2011.25  2013
        c          2013.5   2013.75
        d          2013.75  2016
    """)
    assert_shows(
        made.events,
        """
        event_id   school_year_end  start    predecessor_id  successor_id  is_mid_year  event_order
        1-head-e1  2011             2011.25  a               b             yes          1
        1-head-e2  2013             2013.5   b               c             yes          2
        1-head-e3  2013             2013.75  c               d             yes          3
    """,
    )
    assert_shows(
        made.events,
        """
        predecessor_spell_id  successor_spell_id  vacancy_years  gap_since_last_years
        1-head-1              1-head-2            0              -
        1-head-2              1-head-3            0.5            2.25
        1-head-3              1-head-4            0              0.25
    """,
    )
    assert_shows(
        made.events,
        """
        successor_share  is_date_known
        0.75             yes
        0.25             yes
        0.25             yes
    """,
    )
    assert (made.events["role"] == "head").all()


def test_a_change_at_the_turn_is_dated_in_the_new_year() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2014
    """).events,
        """
        school_year_end  start  is_mid_year  successor_share  vacancy_years
        2012             2012   no           1                0
    """,
    )


def test_a_hair_from_the_turn_is_the_turn() -> None:
    assert_shows(
        panel(f"""
        leader_id  start             stop
        a          2010              {2012 - 1e-12!r}
        b          {2012 - 1e-12!r}  2014
    """).events,
        """
        school_year_end  is_mid_year  successor_share
        2012             no           1
    """,
    )


def test_the_event_is_in_the_year_in_which_the_successor_starts() -> None:
    assert_shows(
        panel("""
        leader_id  start    stop
        a          2010     2011.5
        b          2013.25  2015
    """).events,
        """
        school_year_end  start    vacancy_years  successor_share
        2013             2013.25  1.75           0.75
    """,
    )


def test_successors_who_leave_in_their_first_year_have_that_share_only() -> None:
    assert_shows(
        panel("""
        leader_id  start    stop
        a          2010     2011.25
        b          2011.25  2011.5
        c          2011.5   2013
    """).events,
        """
        successor_id  successor_share  event_order
        b             0.25             1
        c             0.5              2
    """,
    )


def test_a_leader_who_comes_back_after_a_vacancy_is_no_change() -> None:
    made = panel("""
        leader_id  start    stop
        a          2010     2011
        a          2011.5   2013
        b          2013     2014
    """)
    assert_shows(
        made.events,
        """
        predecessor_id  predecessor_spell_id  successor_id  event_order
        a               1-head-2              b             1
    """,
    )
    assert made.frame["n_exits"].sum() == 3


def test_a_leader_who_comes_back_after_another_is_two_changes() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2013
        a          2013   2015
    """).events,
        """
        school_year_end  predecessor_id  successor_id  event_order  gap_since_last_years
        2012             a               b             1            -
        2013             b               a             2            1
    """,
    )


def test_a_date_is_known_if_both_ends_were_seen() -> None:
    assert_shows(
        panel("""
        unit_id  leader_id  start  entry  stop  left_censored  right_censored
        1        a          2010   -      2012  no             no
        1        b          2012   -      2013  no             no
        2        c          2010   -      2012  no             yes
        2        d          2013   -      2014  no             no
        3        e          2010   -      2012  no             no
        3        f          2013   -      2014  yes            no
        4        g          2010   -      2012  no             no
        4        h          2012   2013   2014  no             no
    """).events,
        """
        unit_id  successor_id  is_date_known  vacancy_years
        1        b             yes            0
        2        d             no             -
        3        f             no             -
        4        h             yes            0
    """,
    )


def test_numbers_start_anew_in_each_unit() -> None:
    assert_shows(
        panel("""
        unit_id  leader_id  start  stop
        1        a          2010   2012
        1        b          2012   2013
        1        c          2013   2014
        2        a          2010   2011
        2        c          2011   2012
    """).events,
        """
        unit_id  event_order  gap_since_last_years
        1        1            -
        1        2            1
        2        1            -
    """,
    )


def test_without_changes_the_ledger_is_empty_and_has_its_columns() -> None:
    made = panel("""
        leader_id  start  stop
        a          2010   2012
    """)
    assert len(made.events) == 0
    assert {"event_id", "event_order", "vacancy_years", "is_date_known"} <= set(made.events)
