"""How much of each school year each leader led, who counts as its holder, and for how long."""

from __future__ import annotations

import pytest

import churnstats as cs
from record_tables import assert_shows, panel, spells, table, text_columns


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


def before_tests(text: str, dates: str | dict[str, str], **options: object) -> cs.Panel:
    """Return the panel of a table of spells, with a test date or a table of them."""
    given = text_columns(table(dates), "unit_id") if "\n" in str(dates) else dates
    return cs.Panel.build(spells(text, **options), test_date=given)


def test_the_stretch_before_the_tests_is_shared_out_like_the_year() -> None:
    # tests after four fifths of the year: a 2/8, nobody 1/8, b 4/8, and c comes after them
    made = before_tests(
        """
        leader_id  start   stop
        a          2009    2010.2
        b          2010.3  2010.7
        c          2010.9  2011
        """,
        """
        school_year_end  test_date
        2009             2009.5
        2010             2010.8
        """,
    )
    assert_shows(
        made.exposure,
        """
        school_year_end  leader_id  exposure_share  exposure_share_tested
        2009             a          1               1
        2010             a          0.2             0.25
        2010             b          0.4             0.5
        2010             c          0.1             0
        """,
    )
    assert_shows(
        made.frame,
        """
        leader_id  exposure_share_tested  tested_leader_id  tested_leader_share
        a          1                      a                 1
        b          0.5                    b                 0.5
        """,
    )
    assert_shows(
        made.frame,
        """
        vacancy_share  vacancy_share_tested  observed_share  observed_share_tested
        0              0                     1               1
        0.3            0.25                  1               1
        """,
    )


def test_who_leads_most_of_the_year_may_not_have_led_before_the_tests() -> None:
    made = before_tests(
        """
        leader_id  start   stop
        a          2010    2010.4
        b          2010.4  2012
        """,
        """
        school_year_end  test_date
        2010             2010.5
        2011             2011.5
        """,
    )
    assert_shows(
        made.frame,
        """
        leader_id  exposure_share  exposure_share_tested  tested_leader_id  tested_leader_share
        b          0.6             0.2                    a                 0.8
        b          1               1                      b                 1
        """,
    )


@pytest.mark.parametrize(
    ("a_leaves", "b_comes", "leader", "share"),
    [
        (2010.25, 2010.25, "a", 0.5),  # equal: the earlier one
        (2010.125, 2010.25, "b", 0.5),
        (2010.125, 2010.375, "-", "-"),  # nobody for longer than anybody
        (2010.0625, 2010.5, "-", "-"),  # b comes on the day of the tests
        (2010.25, 2010.5, "a", 0.5),  # nobody for as long as a
    ],
)
def test_the_leader_before_the_tests_is_found_as_the_holder_of_the_year_is(
    a_leaves: float, b_comes: float, leader: str, share: object
) -> None:
    made = before_tests(
        f"""
        leader_id  start       stop
        a          2010        {a_leaves}
        b          {b_comes}   2011
        """,
        """
        school_year_end  test_date
        2010             2010.5
        """,
    )
    assert_shows(
        made.frame,
        f"""
        tested_leader_id  tested_leader_share
        {leader}          {share}
        """,
    )


def test_co_leaders_share_the_stretch_by_fte() -> None:
    made = before_tests(
        """
        leader_id  start    stop  fte
        a          2010     2011  0.75
        b          2010     2010.25  0.25
        c          2010.375  2011  0.25
        """,
        """
        school_year_end  test_date
        2010             2010.5
        """,
    )
    # by eighths: beside b a has 3/4 of two, then all of one, then beside c 3/4 of five
    assert_shows(
        made.exposure.sort_values("leader_id"),
        """
        leader_id  exposure_share  exposure_share_tested
        a          0.78125         0.8125
        b          0.0625          0.125
        c          0.15625         0.0625
        """,
    )
    assert made.frame["vacancy_share_tested"].tolist() == [0.0]


def test_a_day_of_the_year_is_counted_in_days_from_the_start_of_the_school_year() -> None:
    # from 1 July 2011 to 15 April 2012 are 289 days, of which a has those to 1 November: 123
    dated = """
        leader_id  start       stop
        a          2011-07-01  2011-11-01
        b          2011-11-01  2013-07-01
    """
    made = before_tests(dated, "04-15")
    assert_shows(
        made.frame,
        """
        school_year_end  exposure_share_tested  tested_leader_id
        2012             166/289                b
        2013             1                      b
        """,
    )
    assert made.exposure["exposure_share_tested"].iloc[0] == pytest.approx(123 / 289, abs=1e-12)
    autumn = before_tests(dated, "9-30")
    assert autumn.frame["tested_leader_id"].tolist() == ["a", "b"]
    assert autumn.frame["exposure_share_tested"].tolist() == [0.0, 1.0]


def test_a_year_without_tests_has_no_shares_before_them() -> None:
    made = before_tests(
        """
        leader_id  start  stop
        a          2019   2021.25
        b          2021.25  2022
        """,
        """
        school_year_end  test_date
        2019             2019-04-15
        2021             -
        2030             2030-04-15
        """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share_tested  tested_leader_id  vacancy_share_tested
        2019             a          1                      a                 0
        2020             a          -                      -                 -
        2021             b          -                      -                 -
        """,
    )
    assert made.frame["observed_share_tested"].isna().tolist() == [False, True, True]
    assert made.exposure["exposure_share_tested"].isna().tolist() == [False, True, True, True]


def test_a_stretch_that_nobody_watched_tells_nothing() -> None:
    made = before_tests(
        """
        leader_id  start  entry    stop
        a          2009   2010.75  2012
        b          2012   -        2012.75
        """,
        """
        school_year_end  test_date
        2010             2010.5
        2011             2011.5
        2012             2012.875
        """,
    )
    assert_shows(
        made.frame,
        """
        observed_share  observed_share_tested  exposure_share_tested  tested_leader_id
        0.25            0                      -                      -
        1               1                      1                      a
        0.75            6/7                    6/7                    b
        """,
    )
    assert_shows(
        made.frame,
        """
        vacancy_share_tested  tested_leader_share
        -                     -
        0                     1
        0                     6/7
        """,
    )
    assert made.exposure["exposure_share_tested"].isna().tolist() == [True, False, False]


PLACES = """
    unit_id  group_id  leader_id  start  stop
    1        MO        a          2010   2010.25
    1        MO        b          2010.25  2011
    2        IN        c          2010   2010.25
    2        IN        d          2010.25  2011
    3        -         e          2010   2011
"""


def test_dates_differ_by_group_or_by_unit() -> None:
    by_group = before_tests(PLACES, {"IN": "12-30", "MO": "08-01"}).frame
    assert by_group["tested_leader_id"].fillna("-").tolist() == ["a", "c", "-"]
    assert by_group["exposure_share_tested"].iloc[1] == pytest.approx(
        1 - 0.25 * 365 / 182, abs=1e-12
    )
    by_unit = before_tests(
        PLACES,
        """
        unit_id  school_year_end  test_date
        2        2010             2010.3
        1        2010             2010.8
        9        2010             2010.5
        """,
    ).frame
    assert by_unit["tested_leader_id"].fillna("-").tolist() == ["b", "c", "-"]
    in_table = before_tests(
        PLACES,
        """
        group_id  school_year_end  test_date
        MO        2010             2010.8
        IN        2010             2010.3
        """,
    ).frame
    assert in_table["tested_leader_id"].fillna("-").tolist() == ["b", "c", "-"]
    assert in_table["exposure_share_tested"].round(12).tolist()[:2] == [
        round(0.55 / 0.8, 12),
        round(0.05 / 0.3, 12),
    ]


ONE = """
    leader_id  start  stop
    a          2010   2011
"""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("02-29", "no day that every year has"),
        ("13-01", "no day that every year has"),
        ("07-01", "the first day of school years"),
        ({"MO": "04-15"}, "spells have no group_id"),
        ({"MO": "in spring"}, "no day that every year has"),
    ],
)
def test_a_test_date_must_be_a_day_of_every_year(given: str | dict[str, str], words: str) -> None:
    with pytest.raises(cs.SpecError, match=words):
        before_tests(ONE, given)


def test_groups_of_test_dates_must_be_there() -> None:
    with pytest.raises(cs.SpecError, match="no spell has these groups") as error:
        before_tests(PLACES, {"IN": "04-15", "TX": "04-15"})
    assert error.value.where == ("TX",)


def test_all_faults_of_a_table_of_test_dates_are_told_at_once() -> None:
    with pytest.raises(cs.DataError) as error:
        before_tests(
            ONE,
            """
            unit_id  school_year_end  test_date
            1        2010             2010.5
            1        2010             2010.6
            1        2011             2013.5
            1        2012             2012
            -        2013             2013.5
            """,
        )
    assert {f.rule: f.n_rows for f in error.value.faults} == {
        "no_place": 1,
        "duplicate_key": 1,
        "test_outside_year": 2,
    }
    with pytest.raises(cs.DataError, match="required columns are missing: school_year_end"):
        before_tests(ONE, "a\n1")


def test_interim_leaders_are_kept_and_flagged() -> None:
    made = panel("""
        unit_id  leader_id  start    stop     interim
        1        a          2010     2011.25  no
        1        b          2011.25  2012     yes
        1        c          2012     2012.5   yes
        1        d          2012.5   2012.75  no
        1        c          2012.75  2013     yes
        2        e          2010     2010.5   yes
        2        f          2010.75  2012     -
    """)
    assert_shows(
        made.frame,
        """
        unit_id  school_year_end  leader_id  is_interim  interim_share
        1        2010             a          no          0
        1        2011             b          yes         0.75
        1        2012             c          yes         0.75
        2        2010             e          yes         -
        2        2011             f          -           -
        """,
    )
    assert made.exposure["interim"].isna().sum() == 2


def test_nobody_is_no_interim_leader() -> None:
    made = panel("""
        leader_id  start  stop     interim
        a          2010   2010.25  yes
        b          2012   2013     no
    """)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  is_interim  interim_share
        2010             -          -           0.25
        2011             -          -           0
        2012             b          no          0
        """,
    )


def test_vacant_and_unobserved_time_are_holders_of_their_own() -> None:
    made = before_tests(
        """
        leader_id  start    stop     right_censored
        a          2010     2010.25  no
        b          2010.5   2010.75  no
        a          2010.75  2011.25  yes
        """,
        """
        school_year_end  test_date
        2010             2010.5
        """,
    )
    assert_shows(
        made.holders_by_year(),
        """
        school_year_end  state       leader_id  exposure_share  exposure_share_tested
        2010             led         a          0.5             0.5
        2010             led         b          0.25            0
        2010             vacant      -          0.25            0.5
        2011             led         a          0.25            -
        2011             unobserved  -          0.75            -
        """,
    )
    without = panel(ONE).holders_by_year()
    assert without.columns.tolist() == [
        "unit_id",
        "school_year_end",
        "state",
        "leader_id",
        "exposure_share",
    ]
