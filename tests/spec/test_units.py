"""Units by hand: nesting, changes of ids and parents, openings and closings; the calendar table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError
from churnstats.records.calendars import read_calendar
from churnstats.records.partnerships import Partnerships
from churnstats.records.units.units import Units
from record_tables import table

DISTRICTS = """
    unit_id  level     parent_id
    S        state     -
    d1       district  S
    d2       district  S
    d3       district  S
    s1       school    d1
    s2       school    d1
"""


def units(text: str = DISTRICTS, changes: str = "", **options: Any) -> Units:
    return Units.from_frame(table(text), change_table(changes), **options)


def change_table(text: str) -> pd.DataFrame | None:
    if not text:
        return None
    names = ["unit_id", "school_year_end", "change", "successor_id"]
    return table(f"{' '.join(names)}\n{text}")


def faults(text: str = DISTRICTS, changes: str = "") -> dict[str, list[int]]:
    """Return the rows that each rule marks."""
    with pytest.raises(DataError) as error:
        units(text, changes)
    for fault in error.value.faults:
        assert fault.n_rows == fault.numbers.size
    return {fault.rule: fault.numbers.tolist() for fault in error.value.faults}


def kept(made: Units) -> dict[str, list[int]]:
    rows = made.issues.rows()
    return {str(rule): part["row"].tolist() for rule, part in rows.groupby("rule")}


def series(*values: str | None) -> pd.Series:
    return pd.Series(values, dtype="str")


def test_units_without_changes() -> None:
    made = units()
    ids = series("s2", "d1", "S", "unknown", None)
    assert made.current_ids(ids).tolist()[:4] == ["s2", "d1", "S", "unknown"]
    parents = made.parent_at(ids, 2010)
    assert parents.tolist()[:2] == ["d1", "S"]
    assert parents.isna().tolist() == [False, False, True, True, True]
    assert made.openings().empty
    assert made.closings().empty
    assert made.issues.frame().empty
    assert made.summary() == "6 units (3 district, 2 school, 1 state), 0 changes (none)"
    assert [(s.unit, s.n_out) for s in made.ledger.steps] == [
        ("units", 6),
        ("changes of units", 0),
    ]


def test_new_ids_lead_to_the_last_one() -> None:
    made = units(
        DISTRICTS,
        """
        d1   2010  new_id      d1b
        d1b  2012  new_id      d1c
        d1c  2013  new_parent  S
        d2   2014  merged      d1c
        d3   2015  new_id      d9
        d9   2016  new_parent  S
    """,
    )
    found = made.current_ids(series("d1", "d1b", "d1c", "d2", "d3", "x"))
    assert found.tolist() == ["d1c", "d1c", "d1c", "d2", "d9", "x"]
    assert found.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert kept(made) == {"not_in_units": [2, 3, 6]}


def test_a_parent_changes_from_its_year_on_and_goes_by_its_last_id() -> None:
    made = units(
        DISTRICTS + "    d2b      district  S",
        """
        s1  2010  new_parent  d2
        s1  2014  new_parent  d3
        d2  2012  new_id      d2b
    """,
    )
    years = pd.Series([2009, 2010, 2013, 2014, 2020])
    asked = series(*["s1"] * 5)
    assert made.parent_at(asked, years).tolist() == ["d1", "d2b", "d2b", "d3", "d3"]
    assert made.parent_at(series("s2", "s1").set_axis([7, 3]), 2011).to_dict() == {
        7: "d1",
        3: "d2b",
    }
    assert made.parent_at(series("d2", "d2b"), 2005).tolist() == ["S", "S"]
    assert made.parent_at(asked, pd.Series([None, 2010, 2010, 2010, 2010])).isna().tolist() == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_old_and_new_id_have_one_history_of_parents() -> None:
    made = units(
        """
        unit_id  level     parent_id
        d1       district  -
        d2       district  -
        a        school    d1
        b        school    d2
    """,
        "a 2010 new_id b",
    )
    years = pd.Series([2009, 2010])
    for unit in ("a", "b"):
        assert made.parent_at(series(unit, unit), years).tolist() == ["d1", "d2"]


def test_openings_and_closings_are_dates_where_there_are_any_and_years_elsewhere() -> None:
    made = units(
        """
        unit_id  opened      closed
        a        2004-10-01  -
        b        -           2014-03-01
        c        -           -
        d        -           -
        e        -           -
        f        2001-07-01  2009-07-01
        g        -           -
    """,
        """
        a  2005  opened    -
        b  2014  closed    -
        c  2008  opened    -
        c  2012  merged    a
        d  2010  closed    -
        d  2012  reopened  -
        e  2010  closed    -
        e  2012  reopened  -
        e  2015  closed    -
        g  2006  opened    -
        g  2011  new_id    h
        h  2016  closed    -
    """,
    )
    assert made.openings().round(3).to_dict() == {"a": 2005.252, "c": 2008, "f": 2002, "h": 2006}
    assert made.closings().round(3).to_dict() == {
        "b": 2014.666,
        "c": 2012,
        "e": 2015,
        "f": 2010,
        "h": 2016,
    }


def test_nesting_that_cannot_be() -> None:
    assert faults(
        """
        unit_id  level     parent_id
        S        state     -
        d1       district  S
        d1       district  S
        d2       district  T
        s1       school    s1
        s2       school    s3
        s3       school    s2
        s4       school    s3
        d3       district  s4
    """
    ) == {
        "duplicate_id": [3],
        "unknown_parent": [4],
        "parent_below": [9],
        "parent_circle": [5, 6, 7],
    }


def test_the_highest_level_may_belong_to_what_is_not_listed() -> None:
    made = units(
        """
        unit_id  level     parent_id
        d1       district  NJ
        x        other     board
        s1       school    d1
    """
    )
    assert kept(made) == {"outside_parent": [1, 2]}
    assert faults(
        """
        unit_id  parent_id
        s1       d1
    """
    ) == {"unknown_parent": [1]}


def test_units_close_after_they_open() -> None:
    assert faults(
        """
        unit_id  opened  closed
        a        2010    2009
        b        2010    2010
        c        2010    2011
    """
    ) == {"reversed_dates": [1, 2]}


def test_changes_that_cannot_be_alone() -> None:
    assert faults(
        DISTRICTS,
        """
        d1  2010  closed      -
        d1  2010  closed      -
        d2  2010  merged      -
        d3  2010  new_id      nowhere
        s1  2010  new_parent  s1
        s2  2010  split       s2
    """,
    ) == {
        "duplicate_row": [2],
        "no_successor": [3],
        "unknown_successor": [4],
        "own_successor": [5],
    }


def test_ids_that_lead_round_or_together() -> None:
    assert faults(DISTRICTS, "d1 2010 new_id d2 \n d2 2012 new_id d3 \n d3 2014 new_id d1") == {
        "id_circle": [1, 2, 3]
    }
    assert faults(DISTRICTS, "d1 2010 new_id d3 \n d2 2010 new_id d3") == {"shared_new_id": [2]}


def test_changes_in_an_order_that_cannot_be() -> None:
    assert faults(
        DISTRICTS,
        """
        d1  2010  closed      -
        d1  2012  new_parent  S
        d2  2010  new_id      d3
        d2  2012  reopened    -
        d3  2011  opened      -
        s1  2010  closed      -
        s1  2010  reopened    -
        s2  2010  new_parent  d2
        s2  2012  opened      -
    """,
    ) == {
        "change_after_end": [2, 4],
        "closed_and_reopened": [6, 7],
        "opened_late": [5, 9],
    }


def test_changes_of_one_year_stand_from_beginning_to_end() -> None:
    made = units(
        DISTRICTS,
        """
        s1  2010  closed      -
        s1  2010  merged      s2
        s1  2010  new_parent  d2
        s1  2010  opened      -
    """,
    )
    assert made.changes["change"].tolist() == ["opened", "new_parent", "closed", "merged"]
    assert made.closings().to_dict() == {"s1": 2010}


def test_dates_and_changes_must_agree() -> None:
    assert faults(
        """
        unit_id  opened  closed
        a        2005.5  2010.9
        b        2005.5  2010.9
        c        2005.5  2010
        d        -       2010
        e        -       2014
    """,
        """
        a  2005  opened    -
        a  2011  closed    -
        b  2007  opened    -
        b  2010  closed    -
        c  2006  opened    -
        c  2011  merged    a
        d  2008  closed    -
        d  2012  reopened  -
        e  2008  closed    -
        e  2012  reopened  -
    """,
    ) == {"dates_differ": [3, 6, 8]}


def test_parents_that_go_round_in_a_later_year() -> None:
    assert faults(
        """
        unit_id  level  parent_id
        a        other  b
        b        other  c
        c        other  -
        d        other  c
    """,
        """
        d  2011  new_parent  a
        c  2012  new_parent  a
        d  2013  new_parent  b
    """,
    ) == {"parent_circle": [2]}


def test_odd_changes_are_kept_and_listed() -> None:
    made = units(
        DISTRICTS,
        """
        d1   2010  reopened  -
        d2   2010  closed    d1
        old  2009  merged    d1
    """,
    )
    assert kept(made) == {"not_in_units": [3], "unseen_closing": [1], "unused_successor": [2]}
    assert made.closings().to_dict() == {"d2": 2010, "old": 2009}


def test_the_faults_of_both_tables_come_together_and_name_their_file(tmp_path: Any) -> None:
    path, changes = tmp_path / "units.csv", tmp_path / "changes.csv"
    path.write_text("unit_id,level,parent_id\n1,school,1\n", encoding="utf-8")
    changes.write_text("unit_id,school_year_end,change\n1,2010,merged\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        Units.from_frame(path, changes)
    assert [(f.rule, f.table, f.source) for f in error.value.faults] == [
        ("parent_circle", "units", "units.csv"),
        ("no_successor", "unit_changes", "changes.csv"),
    ]
    with pytest.raises(DataError, match="required columns are missing: unit_id"):
        Units.from_frame(table("leaid\nx"), table("leaid\nx"))


def test_columns_of_both_tables_can_be_named() -> None:
    made = Units.from_frame(
        table("leaid\nd1\nd2"),
        table("leaid year change to\nd1 2010 new_id d2"),
        columns={"unit_id": "leaid"},
        change_columns={"unit_id": "leaid", "school_year_end": "year", "successor_id": "to"},
    )
    assert made.current_ids(series("d1")).tolist() == ["d2"]


CALENDAR = """
    school_year_end  first_day   test_date
    2020             2019-08-01  2020-03-12
    2018             2017-08-01  -
    2019             2018-08-01  2019-04-01
"""


def calendar_faults(text: str) -> dict[str, list[int]]:
    with pytest.raises(DataError) as error:
        read_calendar(table(text))
    return {fault.rule: fault.numbers.tolist() for fault in error.value.faults}


def test_a_calendar_begins_on_one_day_of_the_year() -> None:
    assert read_calendar(table(CALENDAR)) == SchoolCalendar(8, 1, first=2018, last=2020)
    january = "school_year_end first_day\n2019 2019-01-01\n2020 2020-01-01"
    assert read_calendar(table(january)) == SchoolCalendar(1, 1, first=2019, last=2020)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2018-08-01", "2018-08-15", {"first_days_differ": [3]}),
        ("2018-08-01", "2019-08-01", {"first_day_of_another_year": [3]}),
        ("2019             2018", "2021             2020", {"missing_years": [1]}),
        ("2019             2018-08-01", "2018  2017-08-01", {"missing_years": [1]}),
        ("2019-04-01", "2019-08-01", {"test_outside_year": [3]}),
        ("2019-04-01", "2018-07-31", {"test_outside_year": [3]}),
        ("2019-04-01", "2018-08-01", {}),
        ("2019-08-01", "-", {"missing_value": [1]}),
    ],
)
def test_calendars_that_cannot_be(old: str, new: str, expected: dict[str, list[int]]) -> None:
    text = CALENDAR.replace(old, new)
    assert text != CALENDAR
    if not expected:
        assert read_calendar(table(text)).first == 2018
        return
    found = calendar_faults(text)
    assert {rule: found.get(rule) for rule in expected} == expected


def test_first_days_are_dates_not_numbers() -> None:
    assert calendar_faults("school_year_end first_day\n2019 2018.5\n2020 2019.5") == {
        "not_a_date": [1, 2]
    }


def test_what_the_door_mends_is_among_the_issues_of_every_record() -> None:
    pad = {"pad": {"unit_id": 7}}
    rows = table("unit_id start stop program_id\n100005 2010 2012 p").astype({"unit_id": "int64"})
    made = [
        Units.from_frame(rows, columns=pad),
        cs.Programs.from_frame(rows, columns=pad),
        cs.Outcomes.from_frame(
            rows.assign(school_year_end=2010, estimate=0.5), columns=pad, measure="m"
        ),
        Partnerships.from_frame(
            rows.drop(columns="program_id").assign(partnership_id="w", partner_id="x"), columns=pad
        ),
    ]
    for records in made:
        assert records.frame["unit_id"].tolist() == ["0100005"]
        assert records.issues.frame()["n_rows"].tolist() == [1]
