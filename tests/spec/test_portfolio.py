"""The programs of a unit by school year: what runs, comes, goes, stays, and who stands for it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError, SpecError
from churnstats.panel.portfolio import Portfolio, program_portfolio
from churnstats.records.partnerships import Partnerships
from record_tables import assert_shows, spells, table, text_columns

LEADERS = """
    leader_id  start  stop
    a          2010   2012.5
    b          2012.5 2015
"""


def programs(text: str) -> cs.Programs:
    frame = table(text)
    for name, value in (("unit_id", "1"), ("initiative_id", None)):
        if name not in frame.columns:
            frame[name] = frame["program_id"] if value is None else value
    return cs.Programs.from_frame(text_columns(frame, "unit_id"))


def portfolio(text: str, leaders: str = LEADERS, **options: Any) -> Portfolio:
    panel = cs.Panel.build(spells(leaders), role="head")
    return program_portfolio(programs(text), panel, **options)


def partnerships(text: str) -> Partnerships:
    frame = table(text)
    frame = frame if "unit_id" in frame.columns else frame.assign(unit_id="1")
    return Partnerships.from_frame(text_columns(frame, "unit_id"))


THREE = """
    program_id  start    stop    end_reason
    p           2010     2012    completed
    q           2010.5   2013.5  dropped
    r           2012     2014    -
"""


def test_programs_run_come_and_go() -> None:
    made = portfolio(THREE, observed_years=(2010, 2014))
    assert_shows(
        made.frame,
        """
        school_year_end  n_active  n_adopted  n_completed  n_abandoned  n_ended_no_reason
        2010             2         2          0            0            0
        2011             2         0          1            0            0
        2012             2         1          0            0            0
        2013             2         0          0            1            1
        2014             0         0          0            0            0
    """,
    )
    assert made.reasons["counted_as"].tolist() == ["completed", "abandoned", "no reason"]
    assert made.reasons["n_programs"].tolist() == [1, 1, 1]


def test_age_is_that_at_the_end_of_the_year_or_of_the_program() -> None:
    assert_shows(
        portfolio(THREE, observed_years=(2010, 2014)).frame,
        """
        school_year_end  mean_age_years  n_age_known
        2010             0.75            2
        2011             1.75            2
        2012             1.75            2
        2013             2.5             2
        2014             -               0
    """,
    )


def test_overlap_is_what_two_years_share_over_what_either_has() -> None:
    assert_shows(
        portfolio(THREE, observed_years=(2010, 2014)).frame,
        """
        school_year_end  overlap_jaccard
        2010             -
        2011             1
        2012             1/3
        2013             1
        2014             0
    """,
    )


def test_two_years_without_programs_have_no_overlap() -> None:
    assert_shows(
        portfolio(
            """
        program_id  start  stop
        p           2010   2011
    """,
            observed_years=(2010, 2014),
        ).frame,
        """
        school_year_end  n_active  overlap_jaccard
        2010             1         -
        2011             0         0
        2012             0         -
        2013             0         -
        2014             0         -
    """,
    )


def test_a_program_that_comes_back_is_readopted_and_is_one_program_of_its_year() -> None:
    assert_shows(
        portfolio("""
        program_id  initiative_id  start   stop     end_reason
        p1          i              2010    2011.25  dropped
        p2          i              2011.5  2013     dropped
        q           j              2010    2013     completed
    """).frame.head(3),
        """
        school_year_end  n_active  n_adopted  n_readopted  n_abandoned  n_completed  mean_age_years
        2010             2         2          0            0            0            1
        2011             2         1          1            1            0            1.25
        2012             2         0          0            1            1            2.25
    """,
    )


def test_reasons_for_completion_can_be_named() -> None:
    made = portfolio(THREE, completion_reasons=("completed", "dropped"))
    assert made.frame["n_completed"].fillna(0).tolist() == [0, 1, 0, 1, 0]
    assert made.frame["n_abandoned"].fillna(0).sum() == 0


def test_an_adoption_that_was_not_seen_is_none_and_has_no_age() -> None:
    assert_shows(
        portfolio(
            """
        program_id  start   entry  stop  left_censored
        known       2009.5  2011   2012  no
        unknown     2011    -      2013  yes
    """,
            observed_years=(2010, 2014),
        ).frame,
        """
        school_year_end  n_active  n_unknown  n_adopted  n_age_known  mean_age_years
        2010             0         2          0          0            -
        2011             2         0          0          1            2.5
        2012             1         0          0          0            -
        2013             0         0          0          0            -
        2014             0         0          0          0            -
    """,
    )


def test_a_program_that_was_cut_off_may_run_on() -> None:
    assert_shows(
        portfolio(
            """
        program_id  initiative_id  start   stop    right_censored  left_censored
        p1          i              2010    2011    yes             no
        p2          i              2013    2014    no              yes
        q           j              2010    2012.5  yes             no
    """,
            observed_years=(2010, 2014),
        ).frame,
        """
        school_year_end  n_active  n_unknown  n_adopted  n_readopted
        2010             2         0          2          0
        2011             1         1          0          0
        2012             1         1          0          0
        2013             1         1          0          0
        2014             0         1          0          0
    """,
    )


def test_practice_has_a_clock_of_its_own() -> None:
    assert_shows(
        portfolio(
            """
        program_id  start  stop  practice_stop  practice_right_censored
        ended       2010   2014  2011.5         no
        outlived    2010   2011  2012.5         no
        never       2010   2012  2010           no
        cut_off     2010   2014  2012           yes
        unwatched   2010   2014  -              no
    """,
            observed_years=(2010, 2014),
        ).frame,
        """
        school_year_end  n_active  n_practised  n_practice_unknown
        2010             5         3            1
        2011             4         3            1
        2012             3         1            2
        2013             3         0            2
        2014             0         0            0
    """,
    )


def test_where_nobody_watched_any_practice_its_number_is_missing() -> None:
    assert_shows(
        portfolio(THREE, observed_years=(2010, 2014)).frame,
        """
        school_year_end  n_practised  n_practice_unknown
        2010             -            2
        2011             -            2
        2012             -            2
        2013             -            2
        2014             0            0
    """,
    )


WITH_PARTNERS = """
    program_id  start  stop  partner_id
    p           2010   2012  u
    q           2010   2013  u
    r           2011   2012  v
"""


def test_a_partner_of_several_programs_and_partnerships_counts_once() -> None:
    wanted = """
        school_year_end  n_partners
        2010             1
        2011             2
        2012             1
        2013             0
        2014             0
    """
    assert_shows(portfolio(WITH_PARTNERS, observed_years=(2010, 2014)).frame, wanted)
    more = partnerships("""
        partnership_id  partner_id  start    stop
        w1              u           2009     2012
        w2              w           2011.5   2013.5
    """)
    made = portfolio(WITH_PARTNERS, observed_years=(2010, 2014), partnerships=more)
    assert made.frame["n_partners"].tolist() == [1, 3, 2, 1, 0]
    assert made.ledger.steps[-1].lost == {"in years in which programs were not observed": 1}
    assert (made.ledger.steps[-1].n_in, made.ledger.steps[-1].n_out) == (6, 5)


def test_without_any_record_of_partners_their_number_is_missing() -> None:
    assert portfolio(THREE).frame["n_partners"].isna().all()


def test_the_champion_is_looked_for_when_the_year_begins() -> None:
    assert_shows(
        portfolio(
            """
        program_id  start    stop  sponsor_id  sponsor_role
        p           2010     2014  a           -
        q           2012.75  2015  b           head
        r           2010     2015  -           -
        s           2010     2015  c           aide
    """
        ).frame,
        """
        school_year_end  champion_present_share  n_champion_known
        2010             1                       1
        2011             1                       1
        2012             1                       1
        2013             1/2                     2
        2014             1                       1
    """,
    )


def test_an_empty_post_is_no_champion_and_an_unwatched_one_no_answer() -> None:
    leaders = """
        leader_id  start   stop    left_censored  right_censored
        a          2010    2010.5  no             no
        b          2011.5  2012.5  no             yes
        b          2013.5  2015    yes            no
    """
    text = """
        program_id  start  stop  sponsor_id
        p           2010   2015  b
    """
    assert_shows(
        portfolio(text, leaders).frame,
        """
        school_year_end  champion_present_share  n_champion_known
        2010             0                       1
        2011             0                       1
        2012             1                       1
        2013             -                       0
        2014             1                       1
    """,
    )


SPEND = """
    unit_id  initiative_id  school_year_end  amount
    x1       p              2010             100
    x1       q              2010             50
    x1       p              2011             60
    x1       q              2011             80
    x1       q              2013             10
    x1       q              2014             0
"""


def spend(text: str = SPEND) -> pd.DataFrame:
    return table(text).replace({"unit_id": {"x1": "1", "x2": "2"}})


def test_spend_weighs_what_two_years_share() -> None:
    made = portfolio(THREE, spend=spend(), observed_years=(2010, 2014))
    assert_shows(
        made.frame,
        """
        school_year_end  overlap_spend
        2010             -
        2011             110/180
        2012             -
        2013             -
        2014             0
    """,
    )
    assert made.issues.entries == ()
    assert (made.ledger.steps[-1].n_in, made.ledger.steps[-1].n_out) == (6, 6)


def test_equal_amounts_overlap_as_the_programs_do() -> None:
    running = [("p", 2010), ("p", 2011), ("q", 2010), ("q", 2011), ("q", 2012), ("q", 2013)]
    running += [("r", 2012), ("r", 2013)]
    frame = pd.DataFrame(running, columns=["initiative_id", "school_year_end"])
    made = portfolio(THREE, spend=frame.assign(unit_id="1", amount=7.0))
    both = made.frame.dropna(subset="overlap_spend")
    assert both["school_year_end"].tolist() == [2011, 2012, 2013]
    assert (both["overlap_spend"] == both["overlap_jaccard"]).all()


def test_spend_without_a_running_program_is_noted_and_kept() -> None:
    frame = spend("""
        unit_id  initiative_id  school_year_end  amount
        x1       p              2010             100
        x1       r              2010             5
        x1       p              2011             100
        x1       r              2011             0
        x2       p              2010             1
        x1       p              2008             1
    """)
    made = portfolio(THREE, spend=frame, observed_years=(2010, 2014))
    assert made.frame["overlap_spend"].dropna().tolist() == [100 / 105]
    assert made.issues.count("spend_without_program") == 3
    assert made.ledger.steps[-1].lost == {
        "of units without a tenure record": 1,
        "in years in which programs were not observed": 1,
    }


def test_faults_of_spend_come_together() -> None:
    frame = spend("""
        unit_id  initiative_id  school_year_end  amount
        x1       p              2010             100
        x1       p              2010             5
        x1       q              2010             -5
        x1       q              2011             -
    """)
    with pytest.raises(DataError) as error:
        portfolio(THREE, spend=frame)
    assert [(f.rule, f.n_rows) for f in error.value.faults] == [
        ("missing_value", 1),
        ("too_small", 1),
        ("duplicate_spend", 1),
    ]
    with pytest.raises(DataError, match="initiative_id"):
        portfolio(THREE, spend=frame.drop(columns="initiative_id"))


TWO_UNITS = """
    unit_id  leader_id  start  stop
    1        a          2010   2012
    2        b          2010   2012
"""
IN_ONE = """
    program_id  unit_id  start  stop
    p           1        2010   2012
    q           3        2010   2013
"""


def test_a_unit_without_programs_is_missing_unless_it_was_observed() -> None:
    made = portfolio(IN_ONE, TWO_UNITS)
    assert_shows(
        made.frame,
        """
        unit_id  school_year_end  n_active  n_adopted  overlap_jaccard
        1        2010             1         1          -
        1        2011             1         0          1
        2        2010             -         -          -
        2        2011             -         -          -
    """,
    )
    assert made.issues.count("programs_not_observed") == 2
    assert_shows(
        made.ledger.frame(),
        """
        unit           n_in  n_lost  n_out
        programs       2     0       2
        programs       2     1       1
        program-years  2     0       2
    """,
    )
    zeros = portfolio(IN_ONE, TWO_UNITS, observed_units=["2"])
    assert zeros.frame["n_active"].tolist() == [1, 1, 0, 0]
    assert zeros.frame["overlap_jaccard"].isna().tolist() == [True, False, True, True]
    assert zeros.issues.entries == ()


def test_years_outside_the_program_records_are_missing() -> None:
    text = """
        program_id  start    stop    right_censored
        p           2011.25  2012.5  no
        q           2012     2014    yes
    """
    made = portfolio(text)
    assert_shows(
        made.frame,
        """
        school_year_end  n_active  overlap_jaccard
        2010             -         -
        2011             1         -
        2012             2         1/2
        2013             1         1/2
        2014             -         -
    """,
    )
    assert made.issues.count("programs_not_observed") == 2
    narrow = portfolio(text, observed_years=(2012, 2012))
    assert narrow.frame["n_active"].dropna().tolist() == [2]
    assert narrow.frame["overlap_jaccard"].isna().all()
    assert narrow.ledger.steps[-1].lost == {"in years in which programs were not observed": 2}


def test_years_in_which_no_leader_was_observed_have_no_row() -> None:
    leaders = """
        leader_id  start  stop  left_censored  right_censored
        a          2010   2011  no             yes
        b          2012   2013  yes            no
    """
    text = """
        program_id  start  stop
        p           2010   2013
    """
    made = portfolio(text, leaders)
    assert made.frame["school_year_end"].tolist() == [2010, 2012]
    assert made.frame["overlap_jaccard"].tolist()[1] == 1.0
    reason = "in years in which no tenure of the unit is observed"
    assert made.ledger.steps[-1].lost == {reason: 1}


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"observed_units": "12"}, "write \\['12'\\]"),
        ({"completion_reasons": "completed"}, "write \\['completed'\\]"),
        ({"observed_units": [101]}, "101 is no text"),
        ({"observed_years": (2014, 2010)}, "2014 is after 2010"),
    ],
)
def test_options_that_make_no_sense(option: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        portfolio(THREE, **option)


def test_without_any_program_the_years_must_be_told() -> None:
    never = table("""
        unit_id  initiative_id  school_year_end  status
        x1       p              2010             never
    """)
    none = cs.Programs.from_status(never)
    assert none.frame.empty
    panel = cs.Panel.build(spells(LEADERS))
    with pytest.raises(SpecError, match="observed_years=\\(2010, 2019\\)"):
        program_portfolio(none, panel)
    made = program_portfolio(none, panel, observed_units=["1"], observed_years=(2010, 2012))
    assert made.frame["n_active"].tolist()[:3] == [0, 0, 0]
    assert made.frame["n_active"].isna().tolist()[3:] == [True, True]
    assert made.reasons.empty


def test_programs_from_yearly_status_are_counted_too() -> None:
    status = table("""
        unit_id  initiative_id  school_year_end  status
        x1       p              2010             never
        x1       p              2011             active
        x1       p              2012             active
        x1       p              2013             ended
        x1       q              2011             active
        x1       q              2012             active
    """).replace({"unit_id": {"x1": "1"}})
    panel = cs.Panel.build(spells(LEADERS))
    years = (2010, 2013)
    made = program_portfolio(cs.Programs.from_status(status), panel, observed_years=years)
    assert_shows(
        made.frame,
        """
        school_year_end  n_active  n_unknown  n_adopted  n_ended_no_reason  n_age_known
        2010             0         1          0          0                  0
        2011             2         0          1          0                  1
        2012             2         0          0          1                  1
        2013             0         1          0          0                  0
        2014             -         -          -          -                  -
    """,
    )
