"""Dates to school-year time and back, worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import churnstats as cs

CASES = [
    # first day of the year, date, days since that day, days of that school year, school year
    ((7, 1), "2018-07-01", 0, 365, 2019),
    ((7, 1), "2018-06-30", 364, 365, 2018),
    ((7, 1), "2019-01-01", 184, 365, 2019),
    ((7, 1), "2019-06-30", 364, 365, 2019),
    # 2019-20 holds 29 February 2020 and has 366 days
    ((7, 1), "2020-02-28", 242, 366, 2020),
    ((7, 1), "2020-02-29", 243, 366, 2020),
    ((7, 1), "2020-03-01", 244, 366, 2020),
    ((7, 1), "2020-06-30", 365, 366, 2020),
    ((7, 1), "2020-07-01", 0, 365, 2021),
    # 1900 was no leap year, 2000 was one
    ((7, 1), "1900-03-01", 243, 365, 1900),
    ((7, 1), "2000-03-01", 244, 366, 2000),
    # a year from 15 August: 31 July is its 351st day
    ((8, 15), "2018-08-14", 364, 365, 2018),
    ((8, 15), "2018-08-15", 0, 365, 2019),
    ((8, 15), "2019-07-31", 350, 365, 2019),
    # calendar years have their own number
    ((1, 1), "2018-01-01", 0, 365, 2018),
    ((1, 1), "2018-12-31", 364, 365, 2018),
    ((1, 1), "2020-12-31", 365, 366, 2020),
    # from 2 January: ends on the 1st of the next
    ((1, 2), "2018-01-01", 364, 365, 2018),
    ((1, 2), "2018-01-02", 0, 365, 2019),
    # from 1 March: February belongs to the year before
    ((3, 1), "2020-02-29", 365, 366, 2020),
    ((3, 1), "2020-03-01", 0, 365, 2021),
    ((12, 31), "2018-12-31", 0, 365, 2019),
    ((12, 31), "2019-12-30", 364, 365, 2019),
]


@pytest.mark.parametrize(("first", "date", "days", "length", "year"), CASES)
def test_dates_to_time_and_back(
    first: tuple[int, int], date: str, days: int, length: int, year: int
) -> None:
    calendar = cs.SchoolCalendar(*first)
    time = calendar.to_time(pd.Series(pd.to_datetime([date])))
    np.testing.assert_allclose(time, [year + days / length], rtol=0, atol=1e-9)
    assert np.floor(time[0] + 1e-9) == year
    assert calendar.to_dates(time)[0] == pd.Timestamp(date)


def test_every_day_of_a_century_goes_there_and_back_in_order() -> None:
    days = pd.Series(pd.date_range("1904-01-01", "2003-12-31"))
    for month, day in ((7, 1), (1, 1), (8, 15), (12, 31)):
        calendar = cs.SchoolCalendar(month, day)
        time = calendar.to_time(days)
        assert (np.diff(time) > 1 / 367).all()
        assert (np.diff(time) < 1 / 364).all()
        assert (calendar.to_dates(time).to_numpy() == days.to_numpy().astype("M8[s]")).all()


def test_missing_dates_stay_missing() -> None:
    calendar = cs.SchoolCalendar()
    time = calendar.to_time(pd.Series(pd.to_datetime(["2018-07-01", None])))
    assert time[0] == 2019
    assert np.isnan(time[1])
    assert calendar.to_dates(time).isna().tolist() == [False, True]


def test_the_calendar_holds_its_last_year_to_its_end() -> None:
    calendar = cs.SchoolCalendar(first=2000, last=2010)
    time = np.array([1999.999, 2000.0, 2010.999, 2011.0, 2011.001, np.nan, np.inf])
    assert calendar.outside(time).tolist() == [True, False, False, False, True, False, True]


@pytest.mark.parametrize(
    ("year", "label"), [(2019, "2018-19"), (2000, "1999-00"), (2001, "2000-01"), (2010, "2009-10")]
)
def test_labels(year: int, label: str) -> None:
    assert cs.SchoolCalendar.label(year) == label


@pytest.mark.parametrize(
    ("month", "day", "first", "last"),
    [
        (13, 1, 1900, 2000),
        (2, 29, 1900, 2000),
        (4, 31, 1900, 2000),
        (0, 1, 1900, 2000),
        (7, 1, 2001, 2000),
    ],
)
def test_impossible_calendars_are_refused(month: int, day: int, first: int, last: int) -> None:
    with pytest.raises(cs.SpecError, match="calendar"):
        cs.SchoolCalendar(month, day, first, last)


def test_time_of_day_and_time_zone_do_not_move_the_day() -> None:
    rows = pd.DataFrame(
        {
            "unit_id": ["1", "2", "3"],
            "leader_id": ["a", "b", "c"],
            "role": "head",
            "start": ["2018-07-01 23:59:00", "2018-07-01T00:00:00Z", "2018/7/1"],
            "stop": pd.to_datetime(["2019-07-01"] * 3).tz_localize("America/Chicago"),
        }
    )
    frame = cs.Tenures.from_spells(rows).frame
    assert frame["start"].tolist() == [2019.0] * 3
    assert frame["stop"].tolist() == [2020.0] * 3


def test_a_spell_is_dated_by_the_calendar_that_is_given() -> None:
    rows = pd.DataFrame(
        {
            "unit_id": ["1"],
            "leader_id": ["a"],
            "role": ["head"],
            "start": ["2018-08-15"],
            "stop": [None],
        }
    )
    calendar = cs.SchoolCalendar(8, 15)
    frame = cs.Tenures.from_spells(rows, calendar=calendar, observed_until="2020-08-15").frame
    assert frame[["start", "stop"]].to_numpy().tolist() == [[2019.0, 2021.0]]
