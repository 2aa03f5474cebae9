"""Roles in families; events of districts on their schools; measures of schools by district."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.datasets.districts import NO_PROGRAMS
from churnstats.panel.levels import district_events_on_schools, home_units, roll_up
from churnstats.records import roles as vocabulary
from churnstats.records.readers import ROLES
from churnstats.records.roles import RoleFamilies
from record_tables import assert_shows, table, text_columns

UNITS = """
    unit_id  level     parent_id
    1        district  -
    2        district  -
    11       school    1
    12       school    1
    13       school    -
    21       school    2
"""
MOVED = pd.DataFrame(
    {"unit_id": "12", "school_year_end": [2012], "change": "new_parent", "successor_id": "2"}
)


def units(moves: pd.DataFrame | None = MOVED) -> cs.Units:
    return cs.Units.from_frame(text_columns(table(UNITS), "unit_id", "parent_id"), moves)


def panel(text: str, role: str) -> cs.Panel:
    frame = text_columns(table(text), "unit_id")
    return cs.Panel.build(cs.Tenures.from_spells(frame, role=role))


# ---------------------------------------------------------------- roles


@pytest.mark.parametrize(
    ("role", "family"),
    [
        ("superintendent", "superintendent"),
        ("assistant_superintendent", "cabinet"),
        ("chief_officer", "cabinet"),
        ("director_12", "cabinet"),
        ("principal", "principal"),
        ("assistant_principal", "assistant_principal"),
        ("board_member_7", "board"),
        ("nurse_2", "nurse"),
        ("area_51x", "area_51x"),
    ],
)
def test_roles_have_families_and_seats_those_of_their_role(role: str, family: str) -> None:
    assert RoleFamilies().of(pd.Series([role])).tolist() == [family]


def test_every_role_that_titles_lead_to_has_a_family() -> None:
    named = set(RoleFamilies().roles)
    assert set(ROLES) - {vocabulary.UNKNOWN} <= named


def test_a_seat_that_is_named_itself_goes_first() -> None:
    families = RoleFamilies({"director": "cabinet", "director_1": "deputy"}, middle=("cabinet",))
    made = families.of(pd.Series(["director_1", "director_2"]))
    assert made.tolist() == ["deputy", "cabinet"]
    assert families.is_middle(made).tolist() == [False, True]
    assert families.is_head(made).tolist() == [False, False]


def test_families_begin_columns_and_are_named_so() -> None:
    with pytest.raises(cs.SpecError, match="small letters"):
        RoleFamilies({"principal": "School leaders"})


# ---------------------------------------------------------------- where units belong


def test_a_school_is_at_home_in_the_district_of_the_year_and_others_at_themselves() -> None:
    asked = pd.Series(["11", "12", "12", "13", "1", "unheard-of"])
    years = pd.Series([2012, 2011, 2012, 2012, 2012, 2012])
    assert home_units(units(), asked, years).tolist() == ["1", "1", "2", "13", "1", "unheard-of"]
    assert home_units(None, asked, years) is asked


def test_a_district_of_a_larger_unit_is_its_own_home() -> None:
    above = pd.DataFrame(
        {
            "unit_id": ["s", "1", "u"],
            "level": ["state", "district", None],
            "parent_id": [None, "s", "1"],
        }
    )
    made = home_units(cs.Units.from_frame(above), pd.Series(["1", "u", "s"]), pd.Series([2010] * 3))
    assert made.tolist() == ["1", "1", "s"]


# ---------------------------------------------------------------- events on schools

HEADS = """
    unit_id  leader_id  start   stop
    1        a          2010    2011.5
    1        b          2011.5  2011.75
    1        c          2011.75  2014
    2        d          2010    2012
    2        e          2012    2014
"""
PRINCIPALS = """
    unit_id  leader_id  start  stop
    11       p          2010   2014
    12       q          2010   2014
    13       r          2010   2014
"""


def test_a_district_event_reaches_the_schools_of_that_year() -> None:
    made = district_events_on_schools(
        panel(HEADS, "superintendent"), panel(PRINCIPALS, "principal"), units()
    )
    assert_shows(
        made.frame,
        """
        unit_id  school_year_end  parent_id  event_unit_id  event_order  successor_id
        11       2011             1          1              1            b
        11       2011             1          1              2            c
        12       2011             1          1              1            b
        12       2011             1          1              2            c
        12       2012             2          2              1            e
        """,
    )
    assert made.frame["event_id"].nunique() == 3


def test_what_does_not_reach_is_counted_and_listed() -> None:
    made = district_events_on_schools(
        panel(HEADS, "superintendent"), panel(PRINCIPALS, "principal"), units(None)
    )
    placed, reached = made.ledger.steps
    assert (placed.n_in, placed.n_out, placed.lost) == (
        12,
        8,
        {"without a district in that year": 4},
    )
    assert (reached.n_in, reached.n_out) == (3, 2)
    assert made.issues.count("no_parent") == 4
    assert made.issues.rows()["row"].tolist() == [9, 10, 11, 12]
    assert made.issues.frame()["action"].tolist() == ["left out"]


def test_every_school_of_a_simulated_district_has_its_events() -> None:
    sim = cs.datasets.simulate_districts(
        10, 8, n_schools=3, exit_hazard=0.3, programs=NO_PROGRAMS, seed=4
    )
    tenures = cs.Tenures.from_spells(sim.tenures)
    heads = cs.Panel.build(tenures, role="superintendent")
    schools = cs.Panel.build(tenures, role="principal")
    made = district_events_on_schools(heads, schools, cs.Units.from_frame(sim.units)).frame
    truth = sim.truth.events[sim.truth.events["event_order"] > 0]
    wanted = {
        (f"{unit}{school:05d}", year, leader)
        for unit, year, leader in zip(
            truth["unit_id"], truth["school_year_end"], truth["leader_id"], strict=True
        )
        for school in (1, 2, 3)
    }
    found = zip(made["unit_id"], made["school_year_end"], made["successor_id"], strict=True)
    assert len(wanted) > 20
    assert set(found) == wanted
    assert len(made) == len(wanted)


# ---------------------------------------------------------------- rolling up

SCHOOLS = """
    unit_id  school_year_end  math  turnover  students
    11       2011             1     yes       100
    12       2011             4     no        300
    11       2012             2     -         100
    12       2012             5     yes       300
    21       2012             -     no        100
    13       2012             9     yes       500
"""


def rolled(how: Any, text: str = SCHOOLS, **options: Any) -> Any:
    frame = text_columns(table(text), "unit_id")
    options.setdefault("measures", ["math"])
    return roll_up(frame, units(), how=how, **options)


def test_means_are_over_the_schools_of_the_year_that_have_the_measure() -> None:
    made = rolled("mean")
    assert_shows(
        made.frame,
        """
        unit_id  school_year_end  n_units  math_mean  math_coverage_share
        1        2011             2        2.5        1
        1        2012             1        2          1
        2        2012             2        5          0.5
        """,
    )
    step = made.ledger.steps[0]
    assert (step.n_in, step.n_out, step.lost) == (6, 5, {"without a district in that year": 1})
    assert made.issues.rows()["row"].tolist() == [6]


def test_shares_are_of_schools_whose_flag_is_known() -> None:
    assert_shows(
        rolled("share", measures=["turnover"]).frame,
        """
        unit_id  school_year_end  n_units  turnover_share  turnover_coverage_share
        1        2011             2        0.5             1
        1        2012             1        -               0
        2        2012             2        0.5             1
        """,
    )


def test_weighted_means_are_covered_by_size() -> None:
    assert_shows(
        rolled("size-weighted", size="students").frame,
        """
        unit_id  school_year_end  n_units  math_weighted_mean  math_coverage_share
        1        2011             2        3.25                1
        1        2012             1        2                   1
        2        2012             2        5                   0.75
        """,
    )


def test_a_school_without_a_size_has_no_weight_and_the_coverage_is_not_known() -> None:
    made = rolled("size-weighted", SCHOOLS.replace("no        300", "no        -"), size="students")
    assert_shows(
        made.frame.head(1),
        """
        unit_id  school_year_end  n_units  math_weighted_mean  math_coverage_share
        1        2011             2        1                   -
        """,
    )


def test_a_panel_of_schools_rolls_up_to_the_share_of_changes() -> None:
    sim = cs.datasets.simulate_districts(6, 8, n_schools=3, programs=NO_PROGRAMS, seed=5)
    schools = cs.Panel.build(cs.Tenures.from_spells(sim.tenures), role="principal")
    made = roll_up(
        schools.frame, cs.Units.from_frame(sim.units), measures=["turnover_lag"], how="share"
    ).frame
    roster = sim.truth.roster[sim.truth.roster["role"] == "principal"]
    holder = roster.pivot_table(
        index="school_year_end", columns="unit_id", values="leader_id", aggfunc="first"
    )
    changed = (holder != holder.shift()).iloc[1:].T.groupby(lambda unit: unit[:7]).mean()
    wanted = changed.stack().to_numpy(dtype=float)
    found = made.loc[made["school_year_end"] > 2004, "turnover_lag_share"].to_numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert made.loc[made["school_year_end"] == 2004, "turnover_lag_share"].isna().all()


@pytest.mark.parametrize(
    ("how", "options", "words"),
    [
        ("median", {}, "no way to roll up"),
        ("mean", {"measures": "math"}, "list of columns"),
        ("mean", {"measures": []}, "list of columns"),
        ("mean", {"measures": ["art"]}, "art"),
        ("mean", {"size": "students"}, "sizes go with"),
        ("size-weighted", {}, "sizes go with"),
        ("share", {}, "no flag"),
        ("mean", {"measures": ["unit_id", "name"]}, "name"),
    ],
)
def test_requests_that_make_no_sense(how: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(cs.SpecError, match=words):
        rolled(how, **options)


def test_text_is_no_measure() -> None:
    with pytest.raises(cs.SpecError, match="no numbers"):
        rolled("mean", SCHOOLS.replace(" 4 ", " x "))


def test_two_rows_of_a_school_and_year_and_negative_sizes_are_faults() -> None:
    twice = SCHOOLS.replace("12       2011", "11       2011").replace("yes       500", "yes  -5")
    with pytest.raises(cs.DataError) as raised:
        rolled("size-weighted", twice, size="students")
    assert [(f.rule, f.n_rows) for f in raised.value.faults] == [
        ("duplicate", 2),
        ("below_minimum", 1),
    ]
