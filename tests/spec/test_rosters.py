"""From one name a unit and year to spells: what a yearly snapshot can tell, and what it can't."""

from __future__ import annotations

import pandas as pd
import pytest

import churnstats as cs
from record_tables import assert_shows, roster


def findings(tenures: cs.Tenures) -> dict[str, tuple[int, str]]:
    return {
        rule: (n, action)
        for rule, n, action in tenures.issues.frame()[["rule", "n_rows", "action"]].itertuples(
            index=False
        )
    }


def test_a_change_is_dated_at_the_start_of_the_year_that_shows_it() -> None:
    tenures = roster("""
        school_year_end  leader_id
        2010             a
        2011             a
        2012             b
        2013             c
        2014             c
    """)
    assert_shows(
        tenures.frame,
        """
        spell_id  leader_id  start  stop  entry  left_censored  right_censored  n_roster_rows
        1-head-1  a          2010   2012  2010   yes            no              2
        1-head-2  b          2012   2013  2012   no             no              1
        1-head-3  c          2013   2015  2013   no             yes             2
    """,
    )
    assert findings(tenures) == {}
    assert_shows(
        tenures.ledger.frame(),
        """
        n_in  n_lost  n_out
        5     0       5
        3     0       3
    """,
    )


def test_a_leader_who_returns_has_two_spells() -> None:
    assert_shows(
        roster("""
        school_year_end  leader_id
        2010             a
        2011             b
        2012             a
    """).frame,
        """
        spell_id  leader_id  start  stop  left_censored  right_censored
        1-head-1  a          2010   2011  yes            no
        1-head-2  b          2011   2012  no             no
        1-head-3  a          2012   2013  no             yes
    """,
    )


SAME_HOLDER = """
    school_year_end  leader_id
    2010             a
    2012             a
    2013             b
"""


def test_a_missing_year_with_one_holder_on_both_sides_ends_the_spell() -> None:
    tenures = roster(SAME_HOLDER, max_gap_years=0)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored  n_roster_rows
        a          2010   2011  yes            yes             1
        a          2012   2013  yes            no              1
        b          2013   2014  no             yes             1
    """,
    )
    assert findings(tenures) == {
        "gap": (1, "spell before right-censored, spell after left-censored")
    }
    made = cs.Panel.build(tenures)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  observed_share  turnover_lag  turnover_lead  n_exits  n_entries
        2010             a          1               -             -              0        0
        2012             a          1               -             yes            1        0
        2013             b          1               yes           -              0        1
    """,
    )
    assert_shows(
        made.events,
        """
        school_year_end  predecessor_id  successor_id  is_date_known
        2013             a               b             yes
    """,
    )


def test_a_missing_year_is_bridged_if_it_may_be() -> None:
    tenures = roster(SAME_HOLDER, max_gap_years=1)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored  n_roster_rows
        a          2010   2013  yes            no              2
        b          2013   2014  no             yes             1
    """,
    )
    assert findings(tenures) == {"gap_bridged": (1, "bridged")}
    assert_shows(
        cs.Panel.build(tenures).frame,
        """
        school_year_end  leader_id  turnover_lag  turnover_lead
        2010             a          -             no
        2011             a          no            no
        2012             a          no            yes
        2013             b          yes           -
    """,
    )


@pytest.mark.parametrize(("max_gap_years", "n_spells"), [(0, 3), (1, 3), (2, 2), (3, 2)])
def test_a_gap_as_long_as_allowed_is_bridged(max_gap_years: int, n_spells: int) -> None:
    tenures = roster(
        """
        school_year_end  leader_id
        2010             a
        2013             a
        2014             b
    """,
        max_gap_years,
    )
    assert tenures.n_spells == n_spells


@pytest.mark.parametrize("max_gap_years", [0, 1])
def test_a_missing_year_between_two_holders_hides_when_they_changed(max_gap_years: int) -> None:
    tenures = roster(
        """
        school_year_end  leader_id
        2010             a
        2011             a
        2013             b
    """,
        max_gap_years,
    )
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored
        a          2010   2012  yes            yes
        b          2013   2014  yes            yes
    """,
    )
    assert findings(tenures)["gap"][0] == 1
    made = cs.Panel.build(tenures)
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  turnover_lag  turnover_lead  n_exits  n_entries
        2010             a          -             no             0        0
        2011             a          no            -              0        0
        2013             b          -             -              0        0
    """,
    )
    assert_shows(
        made.events,
        """
        school_year_end  predecessor_id  successor_id  is_date_known  vacancy_years
        2013             a               b             no             -
    """,
    )


def test_a_cell_without_a_name_is_not_observed_and_counted() -> None:
    tenures = roster("""
        school_year_end  leader_id
        2010             a
        2011             -
        2012             a
        2013             a
    """)
    assert_shows(
        tenures.frame,
        """
        leader_id  start  stop  left_censored  right_censored
        a          2010   2011  yes            yes
        a          2012   2014  yes            yes
    """,
    )
    assert findings(tenures)["no_holder"] == (1, "taken as not observed")
    assert_shows(
        tenures.ledger.frame(),
        """
        n_in  n_lost  n_out
        4     1       3
        2     0       2
    """,
    )


def test_units_and_roles_are_posts_of_their_own() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["2", "1", "1", "2"],
            "role": ["head", "aide", "head", "head"],
            "school_year_end": [2011, 2011, 2010, 2010],
            "leader_id": ["a", "a", "a", "a"],
        }
    )
    assert_shows(
        cs.Tenures.from_roster(frame).frame,
        """
        spell_id  unit_id  role  start  stop
        1-aide-1  1        aide  2011   2012
        1-head-1  1        head  2010   2011
        2-head-1  2        head  2010   2012
    """,
    )


def test_a_negative_gap_is_refused() -> None:
    with pytest.raises(cs.SpecError, match="max_gap_years"):
        roster(SAME_HOLDER, max_gap_years=-1)
