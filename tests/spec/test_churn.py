"""Measures of churn by hand, and on simulated districts against counts by loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import churnstats as cs
import churnstats.panel.stays as post_blocks
from churn_loops import ChurnByLoops
from churnstats.datasets.districts import StaffRules
from churnstats.panel.churn import churn_measures
from churnstats.records.roles import RoleFamilies
from record_tables import assert_shows, table, text_columns

UNITS = """
    unit_id  level     parent_id
    1        district  -
    2        district  -
    11       school    1
    12       school    1
"""
SPELLS = """
    unit_id  role            leader_id  start  stop  right_censored
    1        superintendent  s1         2010   2012  no
    1        superintendent  s2         2012   2016  yes
    11       principal       p1         2010   2011  no
    11       principal       p2         2011   2015  no
    11       principal       p3         2015   2016  yes
    12       principal       q1         2010   2012  no
    12       principal       q2         2012   2013  no
    12       principal       q3         2013   2016  yes
"""

SHORT = {
    "year": "school_year_end",
    "lag": "principal_turnover_lag_share",
    "lag_cover": "principal_lag_coverage_share",
    "lead": "principal_turnover_lead_share",
    "lead_cover": "principal_lead_coverage_share",
    "n_principals": "principal_n_posts",
    "head_lag": "superintendent_turnover_lag_share",
    "churn": "multi_role_churn_shares",
    "churn_cover": "multi_role_churn_coverage_share",
    "synchrony": "synchrony_share",
    "sync_cover": "synchrony_coverage_share",
    "stable": "middle_stability_share",
    "tenure": "middle_tenure_years",
    "tenure_cover": "middle_tenure_coverage_share",
    "stock": "experience_stock_years",
    "n_left": "experience_n_left",
    "lost": "experience_lost_years",
    "lost_share": "experience_lost_share",
    "cover": "experience_coverage_share",
    "exits": "cascade_n_exits",
    "at_risk": "cascade_n_at_risk",
    "expected": "cascade_n_expected",
    "rate": "cascade_exit_rate",
    "own": "cascade_own_rate",
    "excess": "cascade_excess_rate",
    "told": "cascade_coverage_share",
    "title": "title_churn_share",
    "title_cover": "title_coverage_share",
}


def shows(frame: pd.DataFrame, text: str) -> None:
    """Assert that a frame shows a table, whose columns have short names."""
    assert_shows(frame.rename(columns={v: k for k, v in SHORT.items()}), text)


def units(text: str = UNITS, moves: pd.DataFrame | None = None) -> cs.Units:
    return cs.Units.from_frame(text_columns(table(text), "unit_id", "parent_id"), moves)


def tenures(text: str, **options: Any) -> cs.Tenures:
    return cs.Tenures.from_spells(text_columns(table(text), "unit_id"), **options)


def measures(text: str, window: int = 2, **options: Any) -> pd.DataFrame:
    return churn_measures(tenures(text), units=options.pop("units", units()), window=window)


def test_turnover_by_role_in_both_datings() -> None:
    shows(
        measures(SPELLS),
        """
        unit_id  year  n_posts  n_principals  lag  lag_cover  lead  lead_cover  head_lag
        1        2010  3        2             -    0          0.5   1           -
        1        2011  3        2             0.5  1          0.5   1           0
        1        2012  3        2             0.5  1          0.5   1           1
        1        2013  3        2             0.5  1          0     1           0
        1        2014  3        2             0    1          0.5   1           0
        1        2015  3        2             0.5  1          -     0           0
        """,
    )


def test_churn_of_all_roles_in_a_window_and_who_changes_with_whom() -> None:
    made = measures(SPELLS)
    shows(
        made,
        """
        year  churn  churn_cover  synchrony  sync_cover
        2010  -      0            -          0
        2011  -      0.5          0          0.5
        2012  2      1            0.5        1
        2013  2      1            0.5        1
        2014  0.5    1            0          1
        2015  0.5    1            0          1
        """,
    )
    level = [2.0, 2.0, 0.5, 0.5]
    spread = float(np.std(level, ddof=1))
    expected = [(x - 1.25) / spread for x in level]
    np.testing.assert_allclose(made["multi_role_churn_sd"][2:], expected, atol=1e-12)
    assert made["multi_role_churn_sd"][:2].isna().all()


def test_the_middle_level_and_local_experience() -> None:
    shows(
        measures(SPELLS),
        """
        year  stable  tenure  stock  n_left  lost  lost_share  cover
        2010  -       1       0      1       1     -           1
        2011  0.5     1.5     2      2       4     1           1
        2012  0.5     1.5     1      1       1     0           1
        2013  0.5     2       3      0       0     0           1
        2014  1       3       6      1       4     0.5         1
        2015  0.5     2       5      -       -     -           0
        """,
    )


def test_exits_after_a_change_of_the_head_against_quiet_years() -> None:
    # quiet is 2014 alone: 2011 follows a year of which nobody knows, 2015 ends unseen
    shows(
        measures(SPELLS),
        """
        year  exits  at_risk  expected  rate  own  excess  told
        2010  -      -        -         -     -    -       -
        2011  -      -        -         -     -    -       -
        2012  1      4        2         0.25  0.5  -0.25   1
        2013  -      -        -         -     -    -       -
        2014  -      -        -         -     -    -       -
        2015  -      -        -         -     -    -       -
        """,
    )


def test_a_window_that_leaves_the_record_tells_nothing_of_a_cascade() -> None:
    made = measures(SPELLS, window=4).set_index("school_year_end")
    # 2015 has no leader of whom it is known whether they left
    assert made.loc[2012, ["cascade_n_exits", "cascade_exit_rate"]].isna().all()
    assert made.loc[2012, "cascade_coverage_share"] == 0.75


def test_who_moves_to_another_post_of_the_district_takes_nothing_away() -> None:
    made = measures("""
        unit_id  role            leader_id  start  stop  right_censored
        11       principal       p1         2008   2012  no
        1        superintendent  p1         2012   2014  no
        2        superintendent  p1         2014   2016  yes
        1        superintendent  x          2014   2016  yes
        2        superintendent  y          2012   2014  no
    """)
    shows(
        made[made["school_year_end"].between(2011, 2014)],
        """
        unit_id  year  stock  n_left  lost  lost_share
        1        2011  3      0       0     0
        1        2012  4      0       0     0
        1        2013  5      1       6     1
        1        2014  0      0       0     -
        2        2012  0      0       0     -
        2        2013  1      1       2     1
        2        2014  0      0       0     -
        """,
    )


def test_a_leader_of_two_posts_counts_once_in_a_district() -> None:
    made = measures("""
        unit_id  role       leader_id  start  stop
        11       principal  p1         2010   2013
        12       principal  p1         2011   2014
        12       principal  q          2014   2016
    """)
    shows(
        made,
        """
        year  n_posts  stock  n_left  lost
        2010  1        0      0       0
        2011  2        1      0       0
        2012  2        2      0       0
        2013  1        3      1       4
        2014  1        0      0       0
        2015  1        1      1       2
        """,
    )


def test_a_leader_of_two_districts_leaves_each_of_them_alone() -> None:
    made = measures("""
        unit_id  role            leader_id  start  stop  right_censored
        1        superintendent  a          2010   2012  no
        1        superintendent  b          2012   2014  yes
        2        superintendent  a          2011   2014  yes
    """)
    shows(
        made,
        """
        unit_id  year  stock  n_left  lost
        1        2010  0      0       0
        1        2011  1      1       2
        1        2012  0      0       0
        1        2013  1      -       -
        2        2011  0      0       0
        2        2012  1      0       0
        2        2013  2      -       -
        """,
    )


def test_a_new_title_is_no_exit() -> None:
    made = measures(
        """
        unit_id  role            leader_id  start  stop  right_censored
        1        superintendent  s1         2010   2011  no
        1        superintendent  s2         2011   2014  yes
        1        director        d1         2010   2012  no
        1        director        d1         2012   2013  no
        1        director        d2         2013   2014  yes
        """,
        window=1,
    )
    shows(
        made,
        """
        year  exits  at_risk  expected  rate  own  excess  told
        2010  -      -        -         -     -    -       -
        2011  0      1        1         0     1    -1      1
        2012  -      -        -         -     -    -       -
        2013  -      -        -         -     -    -       -
        """,
    )


def test_a_start_that_nobody_knows_is_no_experience() -> None:
    made = measures("""
        unit_id  role       leader_id  start  stop  left_censored  right_censored
        11       principal  p1         2010   2012  yes            no
        11       principal  p2         2012   2014  no             yes
        12       principal  q1         2009   2013  no             no
        12       principal  q2         2013   2014  no             yes
    """)
    shows(
        made[made["school_year_end"] > 2009],
        """
        year  stock  n_left  lost  lost_share  cover  tenure  tenure_cover
        2010  -      0       0     0           0.5    2       0.5
        2011  -      1       -     0           0.5    3       0.5
        2012  3      1       4     1           1      2.5     1
        2013  1      -       -     -           0      1.5     1
        """,
    )


def test_a_post_not_seen_to_the_end_of_the_year_tells_nothing_of_it() -> None:
    # of p1, who left in the course of 2011, it is known; of the three who may have stayed, not
    made = measures("""
        unit_id  role       leader_id  start   stop    right_censored
        11       principal  p1         2010    2011.5  no
        11       principal  p2         2011.5  2012    yes
        12       principal  q1         2010    2012    no
        12       principal  q2         2012    2013    yes
    """)
    shows(
        made,
        """
        year  n_left  lost  lost_share  cover
        2010  0       0     -           1
        2011  -       -     1           0.5
        2012  -       -     -           0
        """,
    )


def test_a_school_that_changes_its_district_counts_for_the_district_of_the_year() -> None:
    moves = pd.DataFrame(
        {"unit_id": "11", "school_year_end": [2012], "change": "new_parent", "successor_id": "2"}
    )
    made = measures(SPELLS, units=units(UNITS, moves))
    shows(
        made,
        """
        unit_id  year  n_posts  n_principals  lag  n_left
        1        2010  3        2             -    1
        1        2011  3        2             0.5  2
        1        2012  2        1             1    1
        1        2013  2        1             1    0
        1        2014  2        1             0    0
        1        2015  2        1             0    -
        2        2012  1        1             0    0
        2        2013  1        1             0    0
        2        2014  1        1             0    1
        2        2015  1        1             1    -
        """,
    )


def test_without_units_every_unit_stands_for_itself() -> None:
    made = churn_measures(tenures(SPELLS))
    assert made["unit_id"].unique().tolist() == ["1", "11", "12"]
    assert made["multi_role_churn_shares"].isna().all()
    assert made.groupby("unit_id")["multi_role_churn_coverage_share"].max().tolist() == [0.5] * 3


def test_titles_change_while_people_stay() -> None:
    made = measures("""
        unit_id  role       leader_id  start  stop  title
        1        cabinet_1  a          2010   2012  Director
        1        cabinet_1  a          2012   2014  Chief
        1        cabinet_2  b          2010   2014  Director
        1        cabinet_3  c          2010   2012  Director
        1        cabinet_3  d          2012   2014  Chief
        1        cabinet_4  e          2010   2014  -
    """)
    shows(
        made,
        """
        year  title  title_cover
        2010  -      -
        2011  0      0.75
        2012  0.5    2/3
        2013  0      0.75
        """,
    )


def test_spaces_and_capitals_make_no_other_title() -> None:
    rows = pd.DataFrame(
        {
            "unit_id": "1",
            "role": "director",
            "leader_id": "a",
            "start": [2010.0, 2012.0],
            "stop": [2012.0, 2014.0],
            "title": ["Director of  Schools", "director of schools "],
        }
    )
    made = churn_measures(cs.Tenures.from_spells(rows))
    assert made["title_churn_share"].tolist()[1:] == [0.0, 0.0, 0.0]


def test_titles_change_within_a_spell_of_a_roster() -> None:
    made = churn_measures(
        cs.Tenures.from_roster(
            table("""
                unit_id  role      leader_id  school_year_end  title
                d        director  a          2010             Director
                d        director  a          2011             Chief
                d        director  a          2012             -
                d        director  a          2013             Chief
                d        director  a          2014             Chief
                d        director  b          2015             Director
                d        director  b          2016             chief
            """)
        )
    )
    shows(
        made,
        """
        year  title  title_cover
        2010  -      -
        2011  1      1
        2012  -      0
        2013  -      0
        2014  0      1
        2015  -      -
        2016  1      1
        """,
    )


def test_titles_change_within_a_spell_of_several_assignments() -> None:
    rows = pd.DataFrame(
        {
            "unit_id": "d",
            "role": "director",
            "leader_id": "a",
            "start": [2010.0, 2012.0, 2013.5],
            "stop": [2012.0, 2013.5, 2015.0],
            "title": ["Director", "Chief", "Deputy"],
        }
    )
    made = churn_measures(cs.Tenures.from_assignments(rows))
    # of two titles in 2013 the later one counts
    assert made["title_churn_share"].tolist()[1:] == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_has_a_year(window: int) -> None:
    with pytest.raises(cs.SpecError, match="at least 1"):
        measures(SPELLS, window=window)


def test_roles_and_families_are_the_users_own() -> None:
    text = """
        unit_id  role            leader_id  start  stop
        1        ceo             s1         2010   2012
        1        ceo             s2         2012   2014
        11       coach_1         c1         2010   2012
        11       coach_1         c2         2012   2014
        11       coach_2         c3         2010   2014
        11       nurse           n1         2010   2013
        11       nurse           n2         2013   2014
    """
    families = RoleFamilies({"ceo": "top", "coach": "coaches"}, head="top", middle=("coaches",))
    made = churn_measures(tenures(text), units=units(), families=families, window=2)
    shows(
        made.rename(
            columns={
                "coaches_turnover_lag_share": "coaches",
                "nurse_turnover_lag_share": "nurse",
                "top_turnover_lag_share": "top",
            }
        ),
        """
        year  top  coaches  nurse  churn  synchrony  stable
        2010  -    -        -      -      -          -
        2011  0    0        0      -      -          1
        2012  1    0.5      0      1.5    1          0.5
        2013  0    0        1      2.5    0.5        1
        """,
    )


def test_families_are_the_users_own() -> None:
    families = RoleFamilies({"superintendent": "top", "principal": "top"}, head="top", middle=())
    made = churn_measures(tenures(SPELLS), units=units(), families=families, window=1)
    shows(
        made,
        """
        year  top_n_posts  top_turnover_lag_share  churn  synchrony  stable
        2010  3            -                       -      -          -
        2011  3            1/3                     1/3    -          -
        2012  3            2/3                     2/3    -          -
        2013  3            1/3                     1/3    -          -
        2014  3            0                       0      -          -
        2015  3            1/3                     1/3    -          -
        """,
    )


@pytest.mark.parametrize(
    ("seed", "window", "handover"),
    [
        (1, 3, {}),
        (2, 2, {"mid_year_share": 0.5}),
        (3, 1, {"mid_year_share": 0.6, "staff": StaffRules(vacancy_share=0.5)}),
    ],
)
def test_simulated_districts_have_the_measures_that_loops_count(
    seed: int, window: int, handover: dict[str, Any]
) -> None:
    sim = cs.datasets.simulate_districts(
        8, 14, n_schools=3, n_directors=2, exit_hazard=0.25, seed=seed, **handover
    )
    made = churn_measures(
        cs.Tenures.from_spells(sim.tenures), units=cs.Units.from_frame(sim.units), window=window
    )
    parents = sim.units.dropna().set_index("unit_id")["parent_id"].to_dict()
    expected = ChurnByLoops(
        sim.truth.tenures,
        lambda unit, _: parents.get(unit, unit),
        lambda role: "cabinet" if role.startswith("director") else role,
        window,
    ).measures()
    assert len(made) == 8 * 14
    assert not set(made.columns) ^ set(expected.columns)
    told = expected.notna().sum()
    assert (told[~told.index.str.startswith("title")] > 5).all()
    assert_frame_equal(made, expected[list(made.columns)], check_dtype=False, rtol=1e-9)


def test_posts_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measures(SPELLS)
    for size in (1, 2, 3, 5):
        monkeypatch.setattr(post_blocks, "BLOCK", size)
        assert_frame_equal(measures(SPELLS), whole)


def test_titles_of_a_simulated_roster_change_as_its_rows_say() -> None:
    sim = cs.datasets.simulate_districts(6, 12, n_schools=3, n_directors=2, seed=4)
    rng = np.random.default_rng(5)
    names = np.array(["Lead", "lead ", "Head", None], dtype=object)
    roster = sim.roster.assign(title=names[rng.integers(0, 4, len(sim.roster))])
    tenures = cs.Tenures.from_roster(roster)
    made = churn_measures(tenures, units=cs.Units.from_frame(sim.units))
    made = made.set_index(["unit_id", "school_year_end"])
    parents = sim.units.dropna().set_index("unit_id")["parent_id"].to_dict()
    seen = {
        (r.unit_id, r.role, r.school_year_end): (r.leader_id, r.title) for r in roster.itertuples()
    }
    stayed: dict[tuple[str, int], list[bool | None]] = {}
    for (unit, role, year), (leader, title) in seen.items():
        before = seen.get((unit, role, year - 1))
        if before is not None and before[0] == leader:
            known = isinstance(title, str) and isinstance(before[1], str)
            other = title.strip().lower() != before[1].strip().lower() if known else None
            stayed.setdefault((parents.get(unit, unit), year), []).append(other)
    share = {k: [x for x in v if x is not None] for k, v in stayed.items()}
    for key in made.index:
        told, n = share.get(key, []), len(stayed.get(key, []))
        wanted = sum(told) / len(told) if told else np.nan, len(told) / n if n else np.nan
        found = made.loc[key, ["title_churn_share", "title_coverage_share"]].tolist()
        np.testing.assert_allclose(found, wanted, err_msg=str(key))
    assert 0.3 < made["title_churn_share"].mean() < 0.6
    assert 0.4 < made["title_coverage_share"].mean() < 0.7
