"""The calendar table: school years with their first days, to a calendar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.issues import raise_faults
from churnstats.core.types import Columns
from churnstats.records.ingest import conform, source_name
from churnstats.records.marks import Mark, back_in_order, faults_of
from churnstats.records.rules import first_like, repeats
from churnstats.schemas.contract import load_contract

SHOWN = ("school_year_end", "first_day", "test_date")
CALENDAR_YEARS = SchoolCalendar(1, 1)


def read_calendar(data: Any, *, columns: Columns = None) -> SchoolCalendar:
    """Read the school years that records may name.

    Parameters
    ----------
    data : frame or path
        Columns as in data_dictionary/calendar.md.
    columns : mapping or path, optional
        How the data differ from the contract; see data_dictionary/README.md.

    Returns
    -------
    SchoolCalendar
        From the first to the last of the years.

    Raises
    ------
    DataError
        One error with every fault: years that are missing in between or repeat, first days that
        do not all fall on one day of the year or lie in another school year, test dates outside
        their school year.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.calendars import read_calendar
    >>> read_calendar(pd.DataFrame({"school_year_end": [2019, 2020],
    ...                             "first_day": ["2018-08-01", "2019-08-01"]}))
    SchoolCalendar(start_month=8, start_day=1, first=2019, last=2020)
    """
    made = conform(data, load_contract("calendar"), columns, CALENDAR_YEARS)
    faults = list(made.faults)
    if not faults:
        faults += faults_of("calendar", made.source, SHOWN, _marks(made.frame, made.source))
    raise_faults(faults, source_name(data))
    first_day = _days(made.frame["first_day"]).iloc[0]
    years = made.frame["school_year_end"]
    return SchoolCalendar(first_day.month, first_day.day, int(years.min()), int(years.max()))


def _days(time: pd.Series) -> pd.Series:
    """Return the dates that were read, missing where there is none."""
    return CALENDAR_YEARS.to_dates(time.to_numpy(dtype=float)).set_axis(time.index)


def _marks(frame: pd.DataFrame, source: pd.DataFrame) -> list[Mark]:
    """Return what is wrong with the years and their days."""
    year, first_day = frame["school_year_end"].astype("int64"), _days(frame["first_day"])
    day = first_day.dt.strftime("%m-%d")
    usual = day.mode().iloc[0]
    begins_in = year - (usual != "01-01")
    other_day = (day != usual).to_numpy(dtype=bool)
    time = SchoolCalendar(int(usual[:2]), int(usual[3:])).to_time(_days(frame["test_date"]))
    ordered = year.sort_values()
    columns = [c for c in ("first_day", "test_date") if c in source.columns]
    numbers = source[columns].astype("str").apply(pd.to_numeric, errors="coerce").notna()
    return [
        Mark(
            "not_a_date",
            numbers.any(axis=1).to_numpy(dtype=bool),
            "first_day and test_date must be dates",
            "write dates as year-month-day, such as 2018-07-01",
        ),
        Mark(
            "duplicate_key",
            repeats(frame, ["school_year_end"]),
            "school years repeat",
            "keep one row of each",
            first_like(frame, ["school_year_end"]),
        ),
        Mark(
            "missing_years",
            back_in_order(ordered.diff() > 1, frame.index),
            "school years are missing before this one",
            "add them: a clock can't leave years out",
        ),
        Mark(
            "first_days_differ",
            other_day,
            f"the first day is another than that of most years ({usual})",
            "give one day of the year for all; where the true one moves, take the day on which "
            "contracts begin, such as 07-01",
        ),
        Mark(
            "first_day_of_another_year",
            ~other_day & (first_day.dt.year != begins_in).to_numpy(dtype=bool),
            "the first day belongs to another school year",
            "name school years by their spring: 2018-07-01 is the first day of 2019",
        ),
        Mark(
            "test_outside_year",
            ~np.isnan(time) & (np.floor(time) != year.to_numpy()),
            "the test date lies outside its school year",
            "correct the date or the year",
        ),
    ]
