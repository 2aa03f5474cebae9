"""Measures of churn by hand, and on simulated districts against counts by loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.datasets.districts import SimulatedDistricts, StaffRules
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


def test_titles_within_a_spell_of_several_rows_are_not_known() -> None:
    roster = pd.DataFrame(
        {
            "unit_id": "1",
            "role": "director",
            "leader_id": "a",
            "school_year_end": [2010, 2011],
            "title": ["Director", "Chief"],
        }
    )
    made = churn_measures(cs.Tenures.from_roster(roster))
    assert made["title_churn_share"].isna().all()
    assert made["title_coverage_share"].tolist()[1] == 0.0


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_has_a_year(window: int) -> None:
    with pytest.raises(cs.SpecError, match="at least 1"):
        measures(SPELLS, window=window)


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


class ByLoops:
    """The measures of one simulation, counted from its true tenures one by one."""

    def __init__(self, sim: SimulatedDistricts, window: int) -> None:
        self.window = window
        parents = sim.units.set_index("unit_id")["parent_id"].dropna().to_dict()
        p = sim.truth.parameters
        self.years = list(range(p.first_year, p.first_year + p.n_years))
        self.spells = [
            {**row, "home": parents.get(row["unit_id"], row["unit_id"])}
            for row in sim.truth.tenures.to_dict("records")
        ]
        self.posts: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
        for s in self.spells:
            posts = self.posts.setdefault(s["home"], {})
            posts.setdefault((s["unit_id"], s["role"]), []).append(s)

    def holder(self, spells: list[dict[str, Any]], year: int) -> dict[str, Any] | None:
        shares = [max(0.0, min(s["stop"], year + 1) - max(s["entry"], year)) for s in spells]
        best = max(range(len(spells)), key=lambda i: shares[i])
        return spells[best] if shares[best] >= 1 - sum(shares) else None

    def changed(self, spells: list[dict[str, Any]], year: int) -> bool | None:
        if year <= self.years[0] or year > self.years[-1]:
            return None
        before, now = self.holder(spells, year - 1), self.holder(spells, year)
        if before is None or now is None:
            return None
        return before["leader_id"] != now["leader_id"]

    def of(self, home: str, *kinds: str) -> list[list[dict[str, Any]]]:
        return [v for (_, r), v in self.posts[home].items() if r.split("_")[0] in kinds]

    def flags(self, home: str, year: int, *kinds: str) -> list[bool]:
        found = [self.changed(spells, year) for spells in self.of(home, *kinds)]
        return [f for f in found if f is not None]

    def turnover(self, home: str, year: int, *kinds: str) -> float:
        flags = self.flags(home, year, *kinds)
        return sum(flags) / len(flags) if flags else float("nan")

    def multi_role(self, home: str, year: int) -> float:
        span = range(year - self.window + 1, year + 1)
        kinds = ("superintendent", "director", "principal")
        return sum(self.turnover(home, y, kind) for y in span for kind in kinds)

    def synchrony(self, home: str, year: int) -> float:
        together = every = 0
        for y in range(year - self.window + 1, year + 1):
            head = self.flags(home, y, "superintendent")
            if head:
                n = sum(self.flags(home, y, "director", "principal"))
                every, together = every + n, together + n * head[0]
        return together / every if every else float("nan")

    def middle(self, home: str, year: int) -> tuple[float, float]:
        tenure = [
            min(h["stop"], year + 1) - h["start"]
            for spells in self.of(home, "director", "principal")
            if (h := self.holder(spells, year)) is not None
        ]
        return 1 - self.turnover(home, year, "director", "principal"), float(np.mean(tenure))

    def experience(self, home: str, year: int) -> tuple[float, float, float]:
        stock = gone = lost = 0.0
        for s in self.spells:
            if s["home"] != home or s["stop"] <= year or s["entry"] >= year + 1:
                continue
            leaves = s["stop"] <= year + 1
            if leaves and s["right_censored"]:
                return (float("nan"),) * 3
            so_far = year - s["start"] if s["entry"] <= year else 0.0
            stock += so_far
            gone += so_far * leaves
            lost += (s["stop"] - s["start"]) * leaves
        return stock, lost, gone / stock if stock else float("nan")

    def exits(self, home: str, year: int) -> tuple[int, int]:
        n = at_risk = 0
        for spells in self.of(home, "director", "principal"):
            for s in spells:
                if s["stop"] > year and s["entry"] < year + 1:
                    ends = s["stop"] <= year + 1
                    at_risk += not (ends and s["right_censored"])
                    n += ends and not s["right_censored"]
        return n, at_risk

    def cascade(self, home: str, year: int) -> tuple[float, float]:
        nothing = float("nan"), float("nan")
        if self.flags(home, year, "superintendent") != [True]:
            return nothing
        after = [self.exits(home, y) for y in range(year, year + self.window)]
        if year + self.window > self.years[-1]:
            return nothing
        quiet = [
            self.exits(home, y)
            for y in self.years
            if all(
                self.flags(home, s, "superintendent") == [False]
                for s in range(y - self.window + 1, y + 1)
            )
        ]
        rate = sum(n for n, _ in after) / sum(r for _, r in after)
        at_risk = sum(r for _, r in quiet)
        own = sum(n for n, _ in quiet) / at_risk if at_risk else float("nan")
        return float(sum(n for n, _ in after)), rate - own


@pytest.mark.parametrize(
    ("seed", "window", "handover"),
    [
        (1, 3, {}),
        (2, 2, {"mid_year_share": 0.5}),
        (
            3,
            1,
            {"mid_year_share": 0.6, "staff": StaffRules(vacancy_share=0.5)},
        ),
    ],
)
def test_simulated_districts_have_the_measures_that_loops_count(
    seed: int, window: int, handover: dict[str, Any]
) -> None:
    sim = cs.datasets.simulate_districts(
        12, 16, n_schools=3, n_directors=2, exit_hazard=0.25, seed=seed, **handover
    )
    made = churn_measures(
        cs.Tenures.from_spells(sim.tenures), units=cs.Units.from_frame(sim.units), window=window
    )
    loops, wanted = ByLoops(sim, window), []
    for home, year in zip(made["unit_id"], made["school_year_end"], strict=True):
        stock, lost, share = loops.experience(home, year)
        wanted.append(
            {
                "superintendent_turnover_lag_share": loops.turnover(home, year, "superintendent"),
                "cabinet_turnover_lag_share": loops.turnover(home, year, "director"),
                "principal_turnover_lag_share": loops.turnover(home, year, "principal"),
                "principal_turnover_lead_share": loops.turnover(home, year + 1, "principal"),
                "multi_role_churn_shares": loops.multi_role(home, year),
                "synchrony_share": loops.synchrony(home, year),
                "middle_stability_share": loops.middle(home, year)[0],
                "middle_tenure_years": loops.middle(home, year)[1],
                "experience_lost_years": lost,
                "experience_lost_share": share,
                "cascade_n_exits": loops.cascade(home, year)[0],
                "cascade_excess_rate": loops.cascade(home, year)[1],
            }
        )
        if not np.isnan(stock):
            assert made["experience_stock_years"][len(wanted) - 1] == pytest.approx(stock)
    expected = pd.DataFrame(wanted)
    assert len(made) == 12 * 16
    assert (expected.notna().sum() > 5).all()
    for name in expected:
        np.testing.assert_allclose(
            made[name], expected[name], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name
        )
