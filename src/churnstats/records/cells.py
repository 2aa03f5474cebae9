"""Cells to values: what is missing, and text, numbers, years, dates and yes or no from the rest.

Each conversion marks the cells that it can't read; their value is missing then.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.types import BoolArray, FloatArray
from churnstats.schemas.contract import Field

TRUE = {"true", "t", "yes", "y", "1", "1.0"}
FALSE = {"false", "f", "no", "n", "0", "0.0"}
MISSING_TEXT = {"", "na", "n/a", "nan", "nat", "null", "none", "<na>", "."}
MAX_WHOLE = 2.0**53
DATE = r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]\d.*)?$"
DAMAGED_ID = r"^\d+\.0+$|^\d+(?:\.\d+)?[eE]\+\d+$"

_CORRECT = "correct these cells, or leave them empty if the value is unknown"
WANTED = {
    "string": (
        "text; numbers with a decimal point or exponent are ids that a program has "
        "changed, often with leading zeros lost",
        "read or export the column as text (in pandas dtype=str), and pad ids to their full length",
    ),
    "year": ("a year by its spring: 2019 is 2018-19", "write one whole number, such as 2019"),
    "number": ("a finite number, with a point for decimals and nothing for thousands", _CORRECT),
    "boolean": ("yes or no", "write true or false, or leave the cells empty"),
    "time": (
        "a date such as 2019-07-01 or a school-year time such as 2020.0",
        "write dates as year-month-day, with a day that the month has",
    ),
}


def is_missing(raw: pd.Series) -> BoolArray:
    """Mark cells without a value, and text that stands for none."""
    missing = raw.isna().to_numpy(dtype=bool, na_value=True)
    if not _is_plain(raw):
        missing = missing | _text(raw).str.lower().isin(MISSING_TEXT).to_numpy(dtype=bool)
    return np.asarray(missing)


def convert(
    raw: pd.Series, missing: BoolArray, field: Field, calendar: SchoolCalendar
) -> tuple[pd.Series, BoolArray]:
    """Return the column in the type of its field, and the cells that could not be read."""
    if field.type == "string":
        return as_text(raw, missing, is_id=field.name.endswith("_id"))
    if field.type == "boolean":
        return as_boolean(raw, missing, field.default)
    if field.type == "time":
        return as_time(raw, missing, calendar)
    return as_number(raw, missing, whole=field.type != "number")


def _is_plain(raw: pd.Series) -> bool:
    """Tell whether a column holds numbers, dates or truth values and nothing else."""
    return raw.dtype.kind in "iufbMm" and not isinstance(raw.dtype, pd.CategoricalDtype)


def _text(raw: pd.Series) -> pd.Series:
    return raw.astype("str").str.strip().fillna("")


def _numbers(raw: pd.Series, missing: BoolArray) -> FloatArray:
    """Return numbers, NaN where there is none; truth values and dates are none."""
    if raw.dtype.kind in "iuf":
        return np.asarray(raw.to_numpy(dtype=float, na_value=np.nan))
    text = _text(raw).mask(pd.Series(missing, index=raw.index))
    return np.asarray(pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan))


def as_text(raw: pd.Series, missing: BoolArray, is_id: bool) -> tuple[pd.Series, BoolArray]:
    """Return text; ids that a program has turned to decimal numbers are marked."""
    if raw.dtype.kind == "f" and not is_id and (raw.dropna() % 1 == 0).all():
        raw = raw.astype("Int64")
    text = _text(raw)
    bad = np.zeros(len(raw), dtype=bool)
    if is_id:
        damaged = text.str.match(DAMAGED_ID).to_numpy(dtype=bool)
        bad = ~missing & (damaged | (raw.dtype.kind == "f"))
    return text.mask(pd.Series(missing, index=raw.index)), bad


def as_number(raw: pd.Series, missing: BoolArray, whole: bool) -> tuple[pd.Series, BoolArray]:
    """Return finite numbers, or whole ones."""
    number = _numbers(raw, missing)
    bad = ~missing & ~np.isfinite(number)
    if whole:
        exact = np.where(np.abs(number) < MAX_WHOLE, number, np.nan)
        bad |= ~missing & (exact % 1 != 0)
    column = pd.Series(np.where(bad, np.nan, number), index=raw.index)
    return column.astype("Int64") if whole else column, bad


def as_boolean(
    raw: pd.Series, missing: BoolArray, default: bool | str | None
) -> tuple[pd.Series, BoolArray]:
    """Return truth values, the default where a cell is missing."""
    text = _text(raw).str.lower()
    true, false = text.isin(TRUE).to_numpy(), text.isin(FALSE).to_numpy()
    bad = ~missing & ~true & ~false
    column = pd.array(true, dtype="boolean")
    column[missing | bad] = pd.NA if default is None else bool(default)
    return pd.Series(column, index=raw.index), bad


def as_time(
    raw: pd.Series, missing: BoolArray, calendar: SchoolCalendar
) -> tuple[pd.Series, BoolArray]:
    """Return school-year time from dates or from numbers, which are that already."""
    dates = _dates(raw, missing)
    number = _numbers(raw, missing)
    time = np.where(dates.notna().to_numpy(), calendar.to_time(dates), number)
    bad = ~missing & ~np.isfinite(time)
    return pd.Series(np.where(bad, np.nan, time), index=raw.index), bad


def mixed(raw: pd.Series, missing: BoolArray) -> BoolArray:
    """Mark the numbers of a column that also has dates: 2019 may mean either."""
    dates, number = _dates(raw, missing).notna().to_numpy(), np.isfinite(_numbers(raw, missing))
    number &= ~dates
    return np.asarray(number & dates.any())


def _dates(raw: pd.Series, missing: BoolArray) -> pd.Series:
    """Return days, without their time of day, from dates and from text like 2019-07-01."""
    if raw.dtype.kind == "M":
        days: pd.Series = raw.dt.tz_localize(None).astype("datetime64[s]")
        return days
    if _is_plain(raw):
        return pd.Series(pd.NaT, index=raw.index, dtype="datetime64[s]")
    parts = _text(raw).mask(pd.Series(missing, index=raw.index)).str.extract(DATE)
    day = parts[0] + "-" + parts[1].str.zfill(2) + "-" + parts[2].str.zfill(2)
    return pd.to_datetime(day, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")


def moment(
    value: float | str | None, calendar: SchoolCalendar, table: str
) -> tuple[float, list[Fault]]:
    """Return a date or a school-year time as school-year time, NaN for none, and its faults."""
    if value is None:
        return float("nan"), []
    column, bad = as_time(pd.Series([value], dtype=object), np.zeros(1, dtype=bool), calendar)
    time = column.to_numpy(dtype=float)
    if not bad[0] and not calendar.outside(time)[0]:
        return float(time[0]), []
    what = f"observed_until={value!r} is no date or time from {calendar.first} to {calendar.last}"
    how = "write a date such as '2024-07-01', or a school-year time such as 2025.0"
    return float("nan"), [Fault("not_a_time", table, what, how, 0)]
