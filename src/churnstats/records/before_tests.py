"""When the tests of each unit and school year are: what lies before them is led by somebody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.types import FloatArray, IntArray
from churnstats.records.ingest import conform, source_name
from churnstats.records.marks import Mark, faults_of
from churnstats.records.rules import first_like, repeats
from churnstats.schemas.contract import Contract, Field, load_contract

GivenDates: TypeAlias = str | Path | Mapping[str, str] | Any
PLACES = ("unit_id", "group_id")
MONTH_DAY = re.compile(r"(\d{1,2})-(\d{1,2})")
LEAP_YEAR = 2000
HOW_DAY = "write the month and the day, as '04-15', or give a table with the date of each year"
# what was meant as a day and is no path
LIKE_A_DAY = re.compile(r"[\d\s./-]*")


@dataclass(frozen=True, eq=False)
class BeforeTests:
    """Until when school years ran before their tests, by unit.

    Attributes
    ----------
    row : Series
        By unit, its row in ``until``; -1 where nothing is known of it.
    until : array of float
        School-year time of the tests, a column a school year; NaN where there were none, as in
        all of the last row.
    first : int
        School year of the first column.
    """

    row: pd.Series
    until: FloatArray
    first: int

    def rows(self, unit_id: pd.Series) -> IntArray:
        """Return the rows of units, -1 where nothing is known of them."""
        place = self.row.index.get_indexer(pd.Index(unit_id))
        return np.append(self.row.to_numpy(dtype=np.int64), -1)[place]

    def time(self, row: IntArray, year: IntArray) -> FloatArray:
        """Return when the tests of rows were in school years of the spells, NaN where not known."""
        return self.until[row, year - self.first]


def before_tests(given: GivenDates, spells: pd.DataFrame, calendar: SchoolCalendar) -> BeforeTests:
    """Return when the tests of the units and school years of spells are.

    Parameters
    ----------
    given : str, mapping, frame or path
        A month and day, ``"04-15"``, of every year; or one for each group, by ``group_id`` of the
        spells; or a table of ``school_year_end, test_date`` and, where dates differ by place,
        ``unit_id`` or ``group_id``. A year without a date had no tests.
    spells : DataFrame
    calendar : SchoolCalendar

    Raises
    ------
    DataError
        A table with dates that lie outside their school year or on its first day, with repeated
        rows, or with rows that name no place where others do.
    SpecError
        No day of the year, or the first one of school years; groups that spells don't have; a
        table without any date, or with ids of units that lost their zeros.
    """
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    first = int(np.floor(entry.min() + CLOCK))
    years = np.arange(first, int(np.ceil(stop.max() - CLOCK)))
    units = pd.Index(spells["unit_id"].unique())
    if isinstance(given, (int, float, date)):
        raise _no_day(given)
    if isinstance(given, str) and LIKE_A_DAY.fullmatch(given):
        until = [_day_of_years(given, years, calendar)]
        return BeforeTests(pd.Series(0, index=units), _and_unknown(until, years), first)
    if isinstance(given, Mapping):
        if not given:
            raise SpecError("test_date", "no group has a date", how="{'MO': '04-15'}")
        groups = pd.Index(list(given))
        until = [_day_of_years(day, years, calendar) for day in given.values()]
        row = pd.Series(groups.get_indexer(pd.Index(_groups(spells, groups))), index=units)
        return BeforeTests(row, _and_unknown(until, years), first)
    return _of_table(_read(given, calendar), spells, units, years)


def _and_unknown(until: list[FloatArray], years: IntArray) -> FloatArray:
    """Return rows of times with one more of which nothing is known."""
    return np.vstack([*until, np.full(years.size, np.nan)])


def _day_of_years(day: str, years: IntArray, calendar: SchoolCalendar) -> FloatArray:
    """Return the time of one day of the year in each school year."""
    found = MONTH_DAY.fullmatch(str(day))
    try:
        month, number = (int(part) for part in found.groups()) if found else (0, 0)
        pd.Timestamp(LEAP_YEAR + 1, month, number)
    except ValueError as error:
        raise _no_day(day) from error
    dates = [pd.Timestamp(year - back, month, number) for back in (1, 0) for year in years.tolist()]
    times = calendar.to_time(pd.Series(dates, dtype="datetime64[s]")).reshape(2, -1)
    time: FloatArray = np.where(np.floor(times[0] + CLOCK) == years, times[0], times[1])
    if (time <= years + CLOCK).any():
        message = f"'{day}' is the first day of school years: nothing lies before it"
        raise SpecError("test_date", message, how=HOW_DAY)
    return time


def _no_day(day: Any) -> SpecError:
    return SpecError("test_date", f"'{day}' is no day that every year has", how=HOW_DAY)


def _groups(spells: pd.DataFrame, asked: pd.Index) -> pd.Series:
    """Return the group of each unit, in the order of the spells."""
    if "group_id" not in spells.columns:
        how = "give the tenures a column group_id, such as the state, or a table by unit_id"
        raise SpecError("test_date", "dates are by group, and spells have no group_id", how=how)
    group = spells.drop_duplicates("unit_id")["group_id"]
    unknown = asked.difference(pd.Index(group))
    if len(unknown):
        known = ", ".join(sorted(group.dropna().astype(str).unique())[:20])
        how = f"the groups are {known}"
        raise SpecError("test_date", "no spell has these groups", where=unknown.tolist(), how=how)
    return group


def _read(given: Any, calendar: SchoolCalendar) -> pd.DataFrame:
    """Return a table of dates without faults: the columns of places that it has, year, time."""
    years = {field.name: field for field in load_contract("calendar").fields}
    text = "Where the tests were, if dates differ."
    places = tuple(Field(name, "string", text) for name in PLACES)
    fields = (*places, years["school_year_end"], years["test_date"])
    contract = Contract("test_dates", "Test dates", text, ("school_year_end",), fields)
    made = conform(given, contract, None, calendar)
    faults = list(made.faults)
    frame = made.frame
    if not any(f.rule in ("missing_column", "empty") for f in faults):
        keys = [c for c in PLACES if frame[c].notna().any()]
        faults += faults_of(
            "test_dates", made.source, (*keys, "school_year_end", "test_date"), _marks(frame, keys)
        )
    raise_faults(faults, source_name(given))
    if frame["test_date"].isna().all():
        how = "call the column test_date, with dates such as 2019-04-15"
        raise SpecError("test_date", "no row of the table has a date", how=how)
    return frame[[*keys, "school_year_end", "test_date"]].dropna()


def _marks(frame: pd.DataFrame, keys: list[str]) -> list[Mark]:
    """Return what is wrong with a table of dates."""
    time = frame["test_date"].to_numpy(dtype=float)
    year = frame["school_year_end"].to_numpy(dtype=float, na_value=np.nan)
    key = [*keys, "school_year_end"]
    return [
        Mark(
            "no_place",
            frame[keys].isna().any(axis=1).to_numpy(dtype=bool),
            f"rows have no {' or no '.join(keys)}, and others have one",
            "fill these cells, or give one date for all",
        ),
        Mark(
            "duplicate_key",
            repeats(frame, key),
            "a place and school year repeat",
            "keep one row of each",
            first_like(frame, key),
        ),
        Mark(
            "test_outside_year",
            ~np.isnan(time) & ((time <= year + CLOCK) | (time >= year + 1)),
            "the test date lies outside its school year, or on its first day",
            "correct the date or the year",
        ),
    ]


def _of_table(
    table: pd.DataFrame, spells: pd.DataFrame, units: pd.Index, years: IntArray
) -> BeforeTests:
    """Spread the dates of a table out over units and years."""
    if "unit_id" in table.columns and not units.isin(table["unit_id"]).any():
        bare = table["unit_id"].str.lstrip("0")
        if units.str.lstrip("0").isin(bare).any():
            what = "no unit of the spells is in the table of dates: ids differ in leading zeros"
            raise SpecError("test_date", what, how="write ids as in the spells, as text")
    year = table["school_year_end"].to_numpy(dtype=np.int64)
    inside = (year >= years[0]) & (year <= years[-1])
    table, column = table[inside], (year - years[0])[inside]
    keys = [c for c in PLACES if c in table.columns]
    of_units = pd.DataFrame({"unit_id": units})
    if "group_id" in keys:
        of_units["group_id"] = _groups(spells, pd.Index([])).to_numpy()
    if not keys:  # one place for all
        keys, table, of_units = ["place"], table.assign(place=0), of_units.assign(place=0)
    places = pd.MultiIndex.from_frame(table[keys].drop_duplicates())
    row, which = (
        places.get_indexer(pd.MultiIndex.from_frame(asked[keys])) for asked in (of_units, table)
    )
    until = np.full((len(places) + 1, years.size), np.nan)
    until[which, column] = table["test_date"].to_numpy(dtype=float)
    return BeforeTests(pd.Series(row, index=units), until, int(years[0]))
