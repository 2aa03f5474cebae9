"""When a change counts: against the year before or after, and entries and exits in their years."""

from __future__ import annotations

import pytest

import churnstats as cs
from churnstats.panel.turnover import turnover_by_group
from record_tables import assert_shows, panel, roster


def test_lag_looks_back_and_lead_looks_ahead() -> None:
    assert_shows(
        panel("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2015
        c          2015   2016
    """).frame,
        """
        school_year_end  leader_id  turnover_lag  turnover_lead
        2010             a          -             no
        2011             a          no            yes
        2012             b          yes           no
        2013             b          no            no
        2014             b          no            yes
        2015             c          yes           -
    """,
    )


def test_both_need_a_holder_on_both_sides() -> None:
    assert_shows(
        panel("""
        leader_id  start    stop
        a          2010     2011.25
        b          2012     2013
    """).frame,
        """
        school_year_end  leader_id  turnover_lag  turnover_lead
        2010             a          -             -
        2011             -          -             -
        2012             b          -             -
    """,
    )


def test_the_ends_of_one_unit_are_not_the_neighbours_of_the_next() -> None:
    assert_shows(
        panel("""
        unit_id  leader_id  start  stop
        1        a          2010   2012
        2        b          2012   2014
    """).frame,
        """
        unit_id  school_year_end  turnover_lag  turnover_lead
        1        2010             -             no
        1        2011             no            -
        2        2012             -             no
        2        2013             no            -
    """,
    )


def test_exits_count_in_the_year_that_they_end_and_entries_in_the_one_they_begin() -> None:
    assert_shows(
        panel("""
        leader_id  start    stop     right_censored
        a          2010     2011     no
        b          2011     2012.5   no
        c          2012.75  2012.9   no
        d          2013     2014     yes
    """).frame,
        """
        school_year_end  n_entries  n_exits  n_leaders
        2010             1          1        1
        2011             1          0        1
        2012             1          2        2
        2013             1          0        1
    """,
    )


@pytest.mark.parametrize(
    ("stop", "year"), [(2011.0, 2010), (2011 + 1e-12, 2010), (2011.001, 2011), (2010.999, 2010)]
)
def test_who_leaves_at_the_turn_leaves_with_the_old_year(stop: float, year: int) -> None:
    made = panel(f"""
        leader_id  start     stop
        a          2010      {stop!r}
        b          {stop!r}  2013
    """)
    assert made.frame.loc[made.frame["n_exits"] > 0, "school_year_end"].tolist() == [year, 2012]


def test_censored_and_late_spells_have_no_entry_or_exit() -> None:
    assert_shows(
        panel("""
        unit_id  leader_id  start  entry  stop  left_censored  right_censored
        1        a          2010   -      2012  yes            no
        2        b          2005   2010   2012  no             no
        3        c          2010   -      2012  no             yes
    """).frame,
        """
        unit_id  school_year_end  n_entries  n_exits
        1        2010             0          0
        1        2011             0          1
        2        2010             0          0
        2        2011             0          1
        3        2010             1          0
        3        2011             0          0
    """,
    )


BY_YEAR = """
    unit_id  school_year_end  leader_id
    1        2010             a
    1        2011             a
    1        2012             b
    2        2010             c
    2        2011             d
    2        2012             e
    3        2010             f
    3        2012             g
    4        2011             h
    4        2012             h
"""


def test_turnover_by_year_counts_units_whose_holder_is_known_in_both_years() -> None:
    made = cs.Panel.build(roster(BY_YEAR))
    assert_shows(
        turnover_by_group(made),
        """
        school_year_end  turnover_share  n_units  coverage_share
        2010             -               0        0
        2011             1/2             2        2/3
        2012             2/3             3        3/4
    """,
    )
    assert_shows(
        turnover_by_group(made, dating="lead"),
        """
        school_year_end  turnover_share  n_units  coverage_share
        2010             1/2             2        2/3
        2011             2/3             3        1
        2012             -               0        0
    """,
    )


def test_an_unknown_dating_is_refused() -> None:
    with pytest.raises(cs.SpecError, match="'lag' or 'lead'"):
        turnover_by_group(cs.Panel.build(roster(BY_YEAR)), dating="Bartanen")  # type: ignore[arg-type]
