"""The event ledger: every change of leader is a numbered row with its date and both spells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import churnstats as cs
from churnstats.core.errors import SpecError
from churnstats.panel.events import EXIT_TYPES, TYPES, EventRules, event_ledger, undated
from churnstats.panel.origins import ORIGIN_COLUMNS, successor_origins
from churnstats.records.units.units import Units
from record_tables import assert_shows, panel, roster, spells, table

REASONS = Path(cs.__file__).parent / "records" / "readers" / "ceds_exit_reasons.yaml"


def ledger(text: str, rules: EventRules | None = None, **options: Any) -> pd.DataFrame:
    """Return the event ledger of a table of spells, with its dates as text."""
    made = spells(text, **options)
    events = event_ledger(made.frame, calendar=made.calendar, rules=rules or EventRules())
    return events.assign(change_date=events["change_date"].dt.strftime("%Y-%m-%d"))


def origins(
    text: str, role: str = "head", units: Units | None = None, rules: EventRules | None = None
) -> pd.DataFrame:
    """Return the ledger of one role of a table of spells, with what is known of successors."""
    made = spells(text, units=units)
    events = event_ledger(made.for_role(role))
    return successor_origins(events, made.frame, units=units, rules=rules or EventRules())


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


def test_days_are_counted_on_the_calendar() -> None:
    # 2012 is a leap year: 29 February lies between the second leader and the third
    assert_shows(
        ledger(
            """
        leader_id  start       stop
        a          2008-07-01  2011-07-01
        b          2011-07-15  2012-02-28
        c          2012-03-01  2012-08-02
        d          2012-08-02  2013-05-31
        e          2013-05-31  2014-07-01
    """
        ),
        """
        change_date  vacancy_days  overlap_days  is_summer  is_mid_year  is_day_known
        2011-07-15   14            0             yes        yes          yes
        2012-03-01   2             0             no         yes          yes
        2012-08-02   0             0             no         yes          yes
        2013-05-31   0             0             yes        yes          yes
    """,
    )


def test_summer_is_as_long_as_one_says_and_lies_at_the_turn_of_the_calendar() -> None:
    text = """
        leader_id  start       stop
        a          2008-07-01  2010-01-10
        b          2010-01-10  2012-08-02
        c          2012-08-02  2014-07-01
    """
    calendar = cs.SchoolCalendar(start_month=1)
    assert ledger(text)["is_summer"].tolist() == [False, False]
    assert ledger(text, EventRules(summer_days=32))["is_summer"].tolist() == [False, True]
    assert ledger(text, calendar=calendar)["is_summer"].tolist() == [True, False]
    at_turn = ledger(text, EventRules(summer_days=0), calendar=cs.SchoolCalendar(8, 2))
    assert at_turn["is_summer"].tolist() == [False, True]
    assert at_turn["is_mid_year"].tolist() == [True, False]


def test_days_of_a_change_that_nobody_dated_are_missing() -> None:
    assert_shows(
        ledger("""
        unit_id  leader_id  start  stop  left_censored  right_censored  start_earliest  stop_latest
        1        a          2010   2012  no             no              -               -
        1        b          2012   2013  no             no              -               -
        2        a          2010   2012  no             yes             -               -
        2        b          2013   2014  no             no              -               -
        3        a          2010   2012  no             no              -               2013
        3        b          2013   2014  no             no              -               -
        4        a          2010   2012  no             no              -               -
        4        b          2013   2014  no             no              2012            -
    """),
        """
        unit_id  is_date_known  is_day_known  change_date  is_summer  vacancy_days  vacancy_years
        1        yes            yes           2011-07-01   yes        0             0
        2        no             no            -            -          -             -
        3        yes            no            -            -          -             1
        4        yes            no            -            -          -             1
    """,
    )


def test_a_yearly_roster_knows_no_days() -> None:
    made = roster("""
        school_year_end  leader_id
        2010             a
        2011             b
    """)
    assert_shows(
        event_ledger(made.frame),
        """
        start  is_date_known  is_day_known  change_date  is_summer  vacancy_days  overlap_days
        2011   yes            no            -            -          -             -
    """,
    )


def test_overlap_counts_the_days_that_both_were_in_post() -> None:
    assert_shows(
        ledger("""
        unit_id  leader_id  start       stop        fte
        1        a          2010-07-01  2012-07-01  0.6
        1        b          2012-06-01  2014-07-01  0.4
        2        c          2010-07-01  2014-07-01  0.4
        2        d          2011-07-01  2012-07-01  0.6
    """),
        """
        unit_id  predecessor_id  successor_id  change_date  overlap_days  vacancy_days  exit_type
        1        a               b             2012-07-01   30            0             unknown
        2        c               d             2011-07-01   366           0             -
        2        d               c             2012-07-01   366           0             unknown
    """,
    )


def test_tenure_counts_from_the_start_of_the_spell_to_the_change() -> None:
    assert_shows(
        ledger("""
        unit_id  leader_id  start    entry  stop    left_censored  right_censored  fte
        1        a          2000     2005   2012.5  no             no              1
        1        b          2012.5   -      2013    no             no              1
        2        a          2010     -      2012    yes            no              1
        2        b          2012     -      2013    no             yes             1
        2        c          2014     -      2015    no             no              1
        3        a          2010     -      2014    no             no              0.4
        3        b          2011     -      2013    no             no              0.6
    """),
        """
        unit_id  predecessor_id  start    predecessor_tenure_years
        1        a               2012.5   12.5
        2        a               2012     -
        2        b               2014     -
        3        a               2011     1
        3        b               2013     2
    """,
    )


def test_exits_have_a_reason_and_a_type() -> None:
    assert_shows(
        ledger("""
        leader_id  start  stop  exit_reason
        a          2001   2002  retirement
        b          2002   2003  nonrenewal
        c          2003   2004  death_or_illness
        d          2004   2005  unit_merged
        e          2005   2006  unknown
        f          2006   2007  Resigned
        g          2007   2008  -
        h          2008   2009  budget
    """),
        """
        exit_reason       exit_type
        retirement        voluntary
        nonrenewal        involuntary
        death_or_illness  other
        unit_merged       other
        unknown           unknown
        Resigned          unknown
        -                 unknown
    """,
    )


def test_the_exit_of_somebody_who_was_not_seen_to_leave_has_no_reason() -> None:
    assert_shows(
        ledger("""
        leader_id  start  stop  exit_reason  right_censored
        a          2001   2002  retirement   yes
        b          2003   2004  retirement   no
    """),
        """
        exit_reason  exit_type
        -            unknown
    """,
    )


def test_one_may_have_exit_types_of_ones_own() -> None:
    text = """
        leader_id  start  stop  exit_reason
        a          2001   2002  Resigned
        b          2002   2003  retirement
        c          2003   2004  -
    """
    own = EventRules(exit_types={**EXIT_TYPES, "Resigned": "voluntary", "retirement": "other"})
    assert ledger(text, own)["exit_type"].tolist() == ["voluntary", "other"]
    with pytest.raises(SpecError, match=r"no such types\s+forced\s+mend: 'voluntary'"):
        EventRules(exit_types={"Resigned": "forced"})


def test_every_exit_reason_of_the_readers_has_a_type() -> None:
    known = yaml.safe_load(REASONS.read_text(encoding="utf-8"))["reasons"]
    assert set(EXIT_TYPES) == {*known, "unit_closed", "unit_merged"}
    assert set(EXIT_TYPES.values()) == set(TYPES)
    assert {r for r, kind in EXIT_TYPES.items() if kind == "unknown"} == {"unknown"}


@pytest.mark.parametrize(
    "name", ["summer_days", "planned_notice_days", "min_years_seen", "handover_days"]
)
def test_negative_lengths_of_time_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match=f"{name}.*-1 is no length of time"):
        EventRules(**{name: -1})


def test_an_exit_is_planned_if_it_was_announced_long_enough_before() -> None:
    # 0.25 of 2009-10 are 91.25 days, 0.2 of 2010-11 are 73; the fourth was announced afterwards
    text = """
        leader_id  start  stop  announced  stop_latest  right_censored
        a          2009   2011  2010.75    -            no
        b          2011   2012  2011.8     -            no
        c          2012   2013  -          -            no
        d          2013   2014  2014.2     -            no
        e          2014   2015  2014.5     2016         no
        f          2016   2017  2016.5     -            yes
        g          2018   2019  -          -            no
    """
    assert_shows(
        ledger(text),
        """
        predecessor_id  notice_days  is_planned
        a               91           yes
        b               73           no
        c               -            -
        d               -73          no
        e               -            -
        f               -            -
    """,
    )
    soon = ledger(text, EventRules(planned_notice_days=73))
    assert soon["is_planned"].tolist()[:2] == [True, True]


def test_without_a_column_for_it_nothing_is_planned_or_unplanned() -> None:
    assert_shows(
        ledger("""
        leader_id  start  stop
        a          2010   2011
        b          2011   2012
    """),
        """
        notice_days  is_planned
        -            -
    """,
    )


def test_interim_leaders_are_marked_on_both_sides() -> None:
    assert_shows(
        ledger("""
        leader_id  start  stop  interim
        a          2010   2011  no
        b          2011   2012  yes
        c          2012   2013  -
    """),
        """
        predecessor_is_interim  successor_is_interim
        no                      yes
        yes                     -
    """,
    )


def test_rows_of_the_source_are_named_where_spells_have_them() -> None:
    made = spells("""
        leader_id  start  stop  source_rows
        a          2010   2011  r2,r3
        b          2011   2012  r7
    """)
    events = event_ledger(made.frame)
    assert events["predecessor_source_rows"].tolist() == ["r2,r3"]
    assert events["successor_source_rows"].tolist() == ["r7"]
    without = event_ledger(made.frame.drop(columns="source_rows"))
    assert not [c for c in without.columns if "source" in c]


def test_dates_can_be_set_to_unknown_with_all_that_hangs_on_them() -> None:
    events = event_ledger(
        spells("""
        leader_id  start  stop  announced
        a          2010   2011  2010.5
        b          2011   2013  2012.5
        c          2013   2014  -
        d          2014   2015  -
    """).frame
    )
    made = undated(events, events["school_year_end"].eq(2011).to_numpy())
    assert_shows(
        made,
        """
        is_date_known  is_day_known  vacancy_years  vacancy_days  overlap_days  is_summer
        no             no            -              -             -             -
        yes            yes           0              0             0             yes
        yes            yes           0              0             0             yes
    """,
    )
    assert_shows(
        made,
        """
        predecessor_tenure_years  notice_days  is_planned  start  event_order
        -                         -            -           2011   1
        -                         183          yes         2013   2
        1                         -            -           2014   3
    """,
    )
    assert made["change_date"].isna().tolist() == [True, False, False]
    assert_shows(
        made,
        """
        is_mid_year  successor_share  gap_since_last_years
        -            -                -
        no           1                -
        no           1                1
    """,
    )


def test_tenure_from_a_date_set_to_unknown_is_unknown_in_every_term() -> None:
    events = event_ledger(
        spells("""
        leader_id  start    stop
        a          2010     2011
        b          2011     2012
        b          2012     2013.5
        c          2013.75  2014
        d          2014     2015
        d          2016     2017
        e          2017     2018
    """).frame
    )
    assert events["predecessor_tenure_years"].tolist() == [1, 2.5, 0.25, 1]
    made = undated(events, events["school_year_end"].isin([2011, 2014]).to_numpy())
    assert_shows(
        made,
        """
        successor_id  predecessor_tenure_years  gap_since_last_years
        b             -                         -
        c             -                         -
        d             -                         -
        e             1                         -
    """,
    )


def test_gaps_on_both_sides_of_a_change_without_a_date_are_missing() -> None:
    assert_shows(
        ledger("""
        leader_id  start   stop    right_censored
        a          2010    2011    no
        b          2011    2012    yes
        c          2013.5  2014    no
        d          2014    2015    no
        e          2015    2016    no
    """),
        """
        successor_id  is_date_known  is_mid_year  successor_share  gap_since_last_years
        b             yes            no           1                -
        c             no             -            -                -
        d             yes            no           1                -
        e             yes            no           1                1
    """,
    )


def test_bounds_that_hold_a_turn_leave_open_whether_a_change_was_in_mid_year() -> None:
    assert_shows(
        ledger("""
        unit_id  leader_id  start   stop    start_earliest  stop_latest  fte
        1        a          2010    2012.2  -               -            1
        1        b          2012.5  2013    2012.2          -            1
        2        c          2010    2012.2  -               -            1
        2        d          2013.5  2014    2012.2          -            1
        3        e          2010    2012    -               -            1
        3        f          2012.5  2013    2012            -            1
        4        g          2010    2012.5  -               2012.75      0.5
        4        h          2011    2014    -               -            0.5
        5        i          2010    2012.5  -               2013         0.5
        5        j          2011    2014    -               -            0.5
    """),
        """
        unit_id  successor_id  is_date_known  is_mid_year
        1        b             yes            yes
        2        d             yes            -
        3        f             yes            -
        4        h             yes            yes
        5        j             yes            -
    """,
    )


def test_a_successor_who_is_appointed_within_the_year_leads_on() -> None:
    assert_shows(
        ledger("""
        leader_id  start    stop     interim
        a          2010     2012.25  no
        i          2012.25  2012.5   yes
        i          2012.5   2014     no
        b          2014     2015     no
    """),
        """
        successor_id  successor_share  successor_is_interim  predecessor_is_interim  overlap_days
        i             0.75             yes                   no                      0
        b             1                no                    no                      0
    """,
    )


def test_a_successor_returns_rises_comes_or_is_not_known() -> None:
    assert_shows(
        origins("""
        unit_id  role  leader_id  start  stop
        1        head  a          2000   2002
        1        head  b          2002   2004
        1        head  a          2004   2006
        1        head  c          2006   2008
        1        head  d          2008   2010
        1        head  e          2010   2012
        1        aide  c          2001   2003
        2        head  d          2000   2001
        2        head  f          2001   2011
        1        head  f          2012   2013
    """),
        """
        unit_id  start  successor_id  successor_origin  records_reach_years
        1        2002   b             unknown           1
        1        2004   a             returning         3
        1        2006   c             internal          5
        1        2008   d             external          7
        1        2010   e             external          9
        1        2012   f             external          11
        2        2001   f             unknown           -
    """,
    )


def test_how_far_records_must_reach_back_is_ones_own_choice() -> None:
    text = """
        role  leader_id  start  entry  stop
        head  a          2000   -      2006
        head  b          2006   -      2008
        aide  x          2000   2001   2002
        cook  y          2003   -      2008
    """
    for years, origin in ((5.0, "external"), (5.1, "unknown"), (0.0, "external")):
        assert_shows(
            origins(text, rules=EventRules(min_years_seen=years)),
            f"""
            successor_origin  records_reach_years
            {origin}          5
        """,
        )
    assert_shows(
        origins(text, rules=EventRules(feeder_roles=("cook",))),
        """
        successor_origin  records_reach_years
        unknown           3
    """,
    )
    assert_shows(
        origins(text, rules=EventRules(feeder_roles=("head",))),
        """
        successor_origin  records_reach_years
        external          6
    """,
    )


def test_records_of_one_role_cannot_tell_who_came_from_outside() -> None:
    assert_shows(
        origins("""
        leader_id  start  stop
        a          2000   2015
        b          2015   2018
    """),
        """
        successor_origin  records_reach_years
        unknown           -
    """,
    )


def test_a_role_that_begins_with_the_change_says_nothing_of_before() -> None:
    assert_shows(
        origins("""
        unit_id  role  leader_id  start  stop
        1        head  a          2000   2004
        1        head  b          2004   2006
        1        aide  b          2004   2005
        2        head  b          2004   2005
    """),
        """
        successor_origin  records_reach_years  successor_experience_years
        unknown           -                    0
    """,
    )


def test_who_had_a_smaller_share_of_the_post_is_internal() -> None:
    assert_shows(
        origins("""
        leader_id  start  stop  fte
        a          2000   2004  0.6
        b          2001   2006  0.4
        a          2006   2008  1
    """),
        """
        start  successor_id  successor_origin  successor_experience_years
        2004   b             internal          3
        2006   a             returning         4
    """,
    )


def test_a_handover_is_as_long_as_one_says() -> None:
    text = """
        unit_id  role  leader_id  start       stop        fte
        1        head  a          2000-07-01  2010-07-01  0.5
        1        head  b          2010-03-31  2011-07-01  0.5
        2        head  c          2000-07-01  2010-07-01  0.5
        2        head  d          2010-03-30  2011-07-01  0.5
        1        aide  x          2000-07-01  2011-07-01  1
        2        aide  y          2000-07-01  2011-07-01  1
    """
    assert origins(text)["successor_origin"].tolist() == ["external", "internal"]
    for days, found in ((91, "internal"), (92, "external"), (0, "internal")):
        made = origins(text, rules=EventRules(handover_days=days))
        assert made["successor_origin"].tolist() == [found, "internal"], days
    long = origins(text, rules=EventRules(handover_days=93))
    assert long["successor_origin"].tolist() == ["external", "external"]


def test_who_shared_the_post_and_left_it_returns() -> None:
    assert_shows(
        origins("""
        leader_id  start   stop  fte
        a          2000    2010  0.5
        b          2004    2006  0.5
        b          2009.9  2012  0.5
    """),
        """
        start  predecessor_id  successor_id  successor_origin
        2010   a               b             returning
    """,
    )


def nested() -> Units:
    units = table("""
        unit_id  level     parent_id
        D        district  -
        E        district  -
        S        school    D
        T        school    D
    """)
    moves = table("""
        unit_id  school_year_end  change      successor_id
        S        2010             new_parent  E
    """)
    return Units.from_frame(units, moves.astype({"school_year_end": "int64"}))


def test_parents_and_children_are_of_the_unit_by_the_nesting_of_the_year() -> None:
    text = """
        unit_id  role      leader_id  start  stop
        S        head      a          2000   2005
        S        head      b          2005   2010
        S        head      c          2010   2015
        S        head      d          2015   2016
        S        head      e          2016   2017
        D        director  b          2001   2003
        D        director  c          2003   2005
        E        director  d          2009   2012
        T        head      e          2011   2013
    """
    assert_shows(
        origins(text, units=nested()).query("unit_id == 'S'"),
        """
        start  successor_id  successor_origin  records_reach_years
        2005   b             internal          4
        2010   c             external          1
        2015   d             internal          6
        2016   e             external          7
    """,
    )
    assert set(origins(text)["successor_origin"]) == {"external"}
    down = """
        unit_id  role      leader_id  start  stop
        S        head      a          2002   2005
        T        head      b          2001   2004
        D        director  x          2000   2006
        D        director  a          2006   2012
        D        director  b          2012   2014
        D        director  y          2014   2015
    """
    assert_shows(
        origins(down, role="director", units=nested()),
        """
        start  successor_id  successor_origin  records_reach_years
        2006   a             internal          5
        2012   b             internal          11
        2014   y             external          13
    """,
    )


def test_experience_is_the_time_in_the_role_before_the_change() -> None:
    assert_shows(
        origins("""
        unit_id  role  leader_id  start  stop
        1        head  a          2000   2010
        1        head  b          2010   2012
        2        head  b          2001   2003
        3        head  b          2002   2004.5
        4        head  b          2008   2011
        4        aide  b          2005   2007
        4        head  c          2011   2012
    """),
        """
        unit_id  successor_id  successor_experience_years  successor_experience_is_minimum
        1        b             5.5                         no
        4        c             0                           no
    """,
    )


def test_experience_is_a_minimum_if_an_earlier_spell_is_censored() -> None:
    assert_shows(
        origins("""
        unit_id  leader_id  start  stop  left_censored  right_censored
        1        a          2000   2010  no             no
        1        b          2010   2012  no             yes
        2        b          2005   2008  yes            no
        3        a          2000   2010  no             no
        3        c          2010   2012  no             no
        4        c          2005   2008  no             yes
        5        a          2000   2010  no             no
        5        d          2010   2012  no             no
        6        d          2009   2010  no             yes
        7        d          2010   2011  yes            no
    """),
        """
        unit_id  successor_experience_years  successor_experience_is_minimum
        1        3                           yes
        3        3                           yes
        5        1                           no
    """,
    )


def test_without_changes_nobody_comes_from_anywhere() -> None:
    made = origins("""
        leader_id  start  stop
        a          2010   2012
    """)
    assert len(made) == 0
    assert made["successor_origin"].dtype == "str"
    assert tuple(made.columns[-4:]) == ORIGIN_COLUMNS


def test_spells_without_the_successors_are_refused() -> None:
    made = spells("""
        leader_id  start  stop
        a          2010   2012
        b          2012   2013
    """).frame
    with pytest.raises(SpecError, match=r"1 spells of predecessors and successors are not among"):
        successor_origins(event_ledger(made), made.head(1))
