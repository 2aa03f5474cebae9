"""How much of each school year each leader led, who counts as its holder, and for how long."""

from __future__ import annotations

import pytest

import churnstats as cs
from record_tables import assert_shows, panel, spells


def test_a_handover_at_the_turn_of_the_year() -> None:
    made = panel("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2013
    """)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  n_leaders  elapsed_tenure_years
        2010             a          1               0              1          1
        2011             a          1               0              1          2
        2012             b          1               0              1          1
    """,
    )
    assert_shows(
        made.exposure,
        """
        school_year_end  leader_id  start  stop  first_seen  exposure_share
        2010             a          2010   2012  2010        1
        2011             a          2010   2012  2011        1
        2012             b          2012   2013  2012        1
    """,
    )


def test_a_handover_within_the_year_splits_it() -> None:
    made = panel("""
        leader_id  start    stop
        a          2010     2011.25
        b          2011.25  2012.75
        c          2012.75  2014
    """)
    assert_shows(
        made.exposure,
        """
        school_year_end  leader_id  first_seen  exposure_share
        2010             a          2010        1
        2011             a          2011        0.25
        2011             b          2011.25     0.75
        2012             b          2012        0.75
        2012             c          2012.75     0.25
        2013             c          2013        1
    """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  n_leaders  elapsed_tenure_years
        2010             a          1               1          1
        2011             b          0.75            2          0.75
        2012             b          0.75            2          1.5
        2013             c          1               1          1.25
    """,
    )


@pytest.mark.parametrize(
    ("first", "second", "holder", "share", "elapsed"),
    [
        (2010.5, 2010.5, "a", 0.5, 0.5),
        (2010.499, 2010.499, "b", 0.501, 0.501),
        (2010.501, 2010.501, "a", 0.501, 0.501),
        # a tie that floating point would decide otherwise
        (2010.1 + 0.4, 2010.5, "a", 0.5, 0.5),
        # a third of the year nobody led: a and b tie, and a is the earlier
        (2010 + 1 / 3, 2010 + 2 / 3, "a", 1 / 3, 1 / 3),
    ],
)
def test_the_holder_led_most_of_the_year_and_the_earlier_of_two_equals(
    first: float, second: float, holder: str, share: float, elapsed: float
) -> None:
    made = panel(f"""
        leader_id  start       stop
        b          {second!r}  2011
        a          2010        {first!r}
    """)
    assert_shows(
        made.frame,
        f"""
        leader_id  exposure_share  n_leaders  elapsed_tenure_years
        {holder}   {share!r}       2          {elapsed!r}
    """,
    )


def test_three_leaders_in_a_year() -> None:
    assert_shows(
        panel("""
        leader_id  start    stop
        a          2009     2010.25
        b          2010.25  2010.75
        c          2010.75  2012
    """).frame,
        """
        school_year_end  leader_id  exposure_share  n_leaders  elapsed_tenure_years
        2009             a          1               1          1
        2010             b          0.5             3          0.5
        2011             c          1               1          1.25
    """,
    )


def test_a_vacancy_is_time_under_observation_that_nobody_led() -> None:
    made = panel("""
        leader_id  start    stop
        a          2010     2010.75
        b          2011.25  2014
    """)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  observed_share  n_leaders
        2010             a          0.75            0.25           1               1
        2011             b          0.75            0.25           1               1
        2012             b          1               0              1               1
        2013             b          1               0              1               1
    """,
    )


@pytest.mark.parametrize(
    ("a_leaves", "holder", "share", "elapsed"),
    [
        (2010.50, "a", 0.50, 2.50),
        (2010.51, "a", 0.51, 2.51),
        (2010.49, "-", "-", "-"),
        (2010.10, "-", "-", "-"),
    ],
)
def test_there_is_no_holder_where_the_post_stood_empty_for_longer(
    a_leaves: float, holder: str, share: object, elapsed: object
) -> None:
    assert_shows(
        panel(f"""
        leader_id  start    stop
        a          2008     {a_leaves}
        b          2011     2012
    """).frame.query("school_year_end == 2010"),
        f"""
        leader_id  exposure_share  vacancy_share    observed_share  n_leaders  elapsed_tenure_years
        {holder}   {share}         {2011 - a_leaves!r}  1                1          {elapsed}
    """,
    )


def test_a_year_without_any_leader() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop
        a          2010   2011
        b          2012   2013
    """).frame,
        """
        school_year_end  leader_id  spell_id  exposure_share  vacancy_share  n_leaders
        2010             a          1-head-1  1               0              1
        2011             -          -         -               1              0
        2012             b          1-head-2  1               0              1
    """,
    )


def test_a_leader_who_comes_back_within_the_year_holds_it_by_both_spells() -> None:
    made = panel("""
        leader_id  start    stop
        a          2005     2010.25
        b          2010.25  2010.65
        a          2010.65  2012
    """)
    assert_shows(
        made.frame.query("school_year_end >= 2009"),
        """
        school_year_end  leader_id  spell_id  exposure_share  n_leaders  elapsed_tenure_years
        2009             a          1-head-1  1               1          5
        2010             a          1-head-3  0.6             2          0.35
        2011             a          1-head-3  1               1          1.35
    """,
    )


def test_a_leader_who_comes_back_after_others_starts_anew() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2013
        a          2013   2015
    """).frame,
        """
        school_year_end  leader_id  spell_id  elapsed_tenure_years  turnover_lag  turnover_lead
        2010             a          1-head-1  1                     -             no
        2011             a          1-head-1  2                     no            yes
        2012             b          1-head-2  1                     yes           yes
        2013             a          1-head-3  1                     yes           no
        2014             a          1-head-3  2                     no            -
    """,
    )


def test_late_entry_keeps_the_true_start_and_counts_from_when_one_looked() -> None:
    made = panel("""
        leader_id  start   entry   stop
        a          2003.5  2010.5  2012
        b          2012    -       2013.5
    """)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  observed_share  elapsed_tenure_years  n_entries
        2010             a          0.5             0.5             7.5                   0
        2011             a          1               1               8.5                   0
        2012             b          1               1               1                     1
        2013             b          0.5             0.5             1.5                   0
    """,
    )


def test_elapsed_tenure_is_missing_where_the_start_is_not_known() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop  left_censored  right_censored
        a          2010   2012  yes            no
        b          2012   2013  no             yes
    """).frame,
        """
        school_year_end  leader_id  exposure_share  elapsed_tenure_years  n_entries  n_exits
        2010             a          1               -                     0          0
        2011             a          1               -                     0          1
        2012             b          1               1                     1          0
    """,
    )


def test_time_in_which_nobody_looked_is_neither_a_vacancy_nor_a_row() -> None:
    made = panel("""
        leader_id  start    stop     entry    left_censored  right_censored
        a          2010     2011.25  -        no             yes
        b          2012.5   2014     -        yes            no
        c          2014     2017     2016     no             no
    """)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  observed_share
        2010             a          1               0              1
        2011             a          0.25            0              0.25
        2012             b          0.5             0              0.5
        2013             b          1               0              1
        2016             c          1               0              1
    """,
    )


@pytest.mark.parametrize(
    ("a_censored", "b_censored", "years"),
    [
        ("no", "no", [2010, 2011, 2012]),
        ("yes", "no", [2010, 2012]),
        ("no", "yes", [2010, 2012]),
        ("yes", "yes", [2010, 2012]),
    ],
)
def test_a_gap_is_a_vacancy_only_if_both_of_its_ends_were_seen(
    a_censored: str, b_censored: str, years: list[int]
) -> None:
    made = panel(f"""
        leader_id  start  stop  left_censored  right_censored
        a          2010   2011  no             {a_censored}
        b          2012   2013  {b_censored}   no
    """)
    assert made.frame["school_year_end"].tolist() == years
    assert made.frame["vacancy_share"].sum() == len(years) - 2


def test_a_vacancy_before_a_late_entry_is_seen_up_to_the_start() -> None:
    assert_shows(
        panel("""
        leader_id  start    entry  stop
        a          2010     -      2011.25
        b          2011.75  2013   2014
    """).frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  observed_share
        2010             a          1               0              1
        2011             -          -               0.5            0.75
        2013             b          1               0              1
    """,
    )


def test_tenths_and_thirds_of_a_year_tie_as_they_do_on_paper() -> None:
    for first, second, third in ((1 / 3, 2 / 3, 1.0), (0.1, 0.2, 0.3), (0.3, 0.6, 0.9)):
        made = panel(
            f"""
            leader_id  start             stop
            a          2010              {2010 + first!r}
            b          {2010 + first!r}  {2010 + second!r}
            c          {2010 + second!r}  {2010 + third!r}
            """
        )
        assert made.frame["leader_id"].tolist() == ["a"]
        assert made.frame["vacancy_share"].tolist() == [0.0]


def test_of_two_who_led_as_long_the_one_who_began_earlier_holds_the_year() -> None:
    assert_shows(
        panel(
            """
            leader_id  start   stop
            a          2010    2010.25
            b          2010.25  2010.75
            a          2010.75  2011
            """
        ).frame,
        """
        leader_id  spell_id  exposure_share  n_leaders  elapsed_tenure_years
        a          1-head-1  0.5             2          0.25
        """,
    )


@pytest.mark.parametrize("hair", [0.0, 1e-12, -1e-12])
def test_a_hair_from_the_turn_is_the_turn(hair: float) -> None:
    made = panel(
        f"""
        leader_id  start            stop
        a          {2010 + hair!r}  {2012 + hair!r}
        b          {2012 + hair!r}  {2013 + hair!r}
        c          {2013.5}         {2014 + hair!r}
        """
    )
    assert_shows(
        made.exposure,
        """
        school_year_end  leader_id  exposure_share
        2010             a          1
        2011             a          1
        2012             b          1
        2013             c          0.5
        """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  n_entries  n_exits
        2010             a          1               0              1          0
        2011             a          1               0              0          1
        2012             b          1               0              1          1
        2013             c          0.5             0.5            1          1
        """,
    )


def test_units_and_roles_do_not_mix() -> None:
    tenures = spells("""
        unit_id  role  leader_id  start  stop
        2        head  a          2010   2012
        1        head  a          2011   2012
        1        aide  c          2010   2012
    """)
    assert_shows(
        cs.Panel.build(tenures, role="head").frame,
        """
        unit_id  school_year_end  leader_id  turnover_lag
        1        2011             a          -
        2        2010             a          -
        2        2011             a          no
    """,
    )
    assert_shows(
        cs.Panel.build(tenures, role="aide").frame,
        """
        unit_id  school_year_end  leader_id
        1        2010             c
        1        2011             c
    """,
    )


@pytest.mark.parametrize("role", [None, "chief"])
def test_a_role_is_named_if_there_are_several_and_must_exist(role: str | None) -> None:
    tenures = spells("""
        role  leader_id  start  stop
        head  a          2010   2012
        aide  c          2010   2012
    """)
    with pytest.raises(cs.SpecError, match="role") as error:
        cs.Panel.build(tenures, role=role)
    assert error.value.where == ("aide", "head")
