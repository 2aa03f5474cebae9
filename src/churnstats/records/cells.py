"""Cells to values: what is missing, and text, numbers, years, dates and yes or no from the rest.

Each conversion marks the cells that it can't read; their value is missing then. Text is converted
once for each distinct cell, which is far less work than once a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.schemas.contract import FALSE_VALUES, MISSING_VALUES, TRUE_VALUES, Field

MISSING_TEXT = frozenset(value.lower() for value in MISSING_VALUES)
MAX_WHOLE = 2.0**53
DATE = r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]\d.*)?$"
DAMAGED_ID = r"^\d+\.0+$|^\d+(?:\.\d+)?[eE]\+\d+$"

_CORRECT = "correct these cells, or leave them empty if the value is unknown"
WANTED = {
    "string": (
        "text; numbers, and text with a decimal point or exponent, are ids that a program has "
        "changed, often with leading zeros lost",
        "read or export the column as text (in pandas dtype=str), and pad ids to their full "
        "length, or say how long they are: columns={'pad': {'unit_id': 7}}",
    ),
    "year": ("a year by its spring: 2019 is 2018-19", "write one whole number, such as 2019"),
    "number": ("a finite number, with a point for decimals and nothing for thousands", _CORRECT),
    "boolean": ("yes or no", "write true or false, or leave the cells empty"),
    "time": (
        "a date such as 2019-07-01 or a school-year time such as 2020.0",
        "write dates as year-month-day, with a day that the month has",
    ),
}
MENDED = {
    "missing_code": ("cells hold a code for a missing value", "taken as missing"),
    "recoded": ("cells are written in another way", "read as columns= says"),
    "padded_id": ("ids had lost their leading zeros", "padded with zeros"),
}


@dataclass(frozen=True)
class Reading:
    """How the cells of one column are to be read.

    Parameters
    ----------
    missing : tuple of str
        Cells that stand for a missing value, besides those of all tables.
    values : mapping
        Cells to what they mean.
    pad : int or None
        Length of ids to which zeros are put in front.
    from_file : bool
        The data are a file. There, numbers in a column of ids are ids that have lost zeros.
    """

    missing: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    pad: int | None = None
    from_file: bool = False


@dataclass(frozen=True)
class Cells:
    """A column in the type of its field, and what was found in its cells.

    Parameters
    ----------
    column : Series
    missing : array of bool
        Nothing was there, or what stands for nothing.
    bad : array of bool
        Something was there that could not be read.
    clash : array of bool
        Numbers in a column that also has dates.
    mended : mapping
        By name in ``MENDED``, the cells that were read otherwise than they stand.
    """

    column: pd.Series
    missing: BoolArray
    bad: BoolArray
    clash: BoolArray
    mended: Mapping[str, BoolArray] = field(default_factory=dict)


def read_cells(
    raw: pd.Series, kind: Field, calendar: SchoolCalendar, reading: Reading | None = None
) -> Cells:
    """Return a column in the type of its field, with what was found in its cells.

    Parameters
    ----------
    raw : Series
    kind : Field
    calendar : SchoolCalendar
    reading : Reading, optional
    """
    reading = reading or Reading()
    told = bool(reading.missing or reading.values)
    if _is_plain(raw) and kind.type != "string" and not told:
        cells = _convert(raw, kind, calendar, reading)
    else:
        codes, distinct = _distinct(raw)
        cells = _spread(_convert(distinct, kind, calendar, reading), raw, distinct, codes)
        if kind.name.endswith("_id") and reading.from_file and reading.pad is None:
            cells = replace(cells, bad=cells.bad | (_numbers_among_text(raw) & ~cells.missing))
    if kind.type == "boolean" and kind.default is not None:
        filled = cells.column.mask(cells.missing | cells.bad, bool(kind.default))
        cells = replace(cells, column=filled)
    return cells


def _distinct(raw: pd.Series) -> tuple[IntArray, pd.Series]:
    """Return the distinct cells of a column and which of them each row has, -1 if none."""
    codes, values = pd.factorize(raw if _is_plain(raw) else raw.astype("str"))
    return codes, pd.Series(values)


def _spread(cells: Cells, raw: pd.Series, distinct: pd.Series, codes: IntArray) -> Cells:
    """Return what was found in the distinct cells for all rows; rows without a cell are missing.

    Text that was not changed is the column as it came, which needs no memory.
    """
    if raw.dtype == cells.column.dtype and cells.column.equals(distinct):
        column = raw
    else:
        values = pd.api.extensions.take(cells.column.array, codes, allow_fill=True)
        column = pd.Series(values, index=raw.index, copy=False)

    def rows(marked: BoolArray, fill: bool = False) -> BoolArray:
        return np.append(marked, fill)[codes] if marked.any() or fill else np.zeros(len(raw), bool)

    mended = {name: rows(marked) for name, marked in cells.mended.items()}
    return Cells(column, rows(cells.missing, True), rows(cells.bad), rows(cells.clash), mended)


def _numbers_among_text(raw: pd.Series) -> BoolArray:
    """Mark the numbers of a column of objects, such as one of a worksheet."""
    if raw.dtype != object or pd.api.types.infer_dtype(raw) in ("string", "empty"):
        return np.zeros(len(raw), dtype=bool)
    number = [isinstance(v, (int, float)) and not isinstance(v, bool) and v == v for v in raw]
    return np.asarray(number, dtype=bool)


def _convert(raw: pd.Series, kind: Field, calendar: SchoolCalendar, reading: Reading) -> Cells:
    """Return cells in the type of their field; those that the user explains are read so first."""
    raw, mended = _explain(raw, reading)
    missing = is_missing(raw) | mended.get("missing_code", False)
    clash = np.zeros(len(raw), dtype=bool)
    if kind.type == "string":
        strict = reading.from_file and reading.pad is None
        column, bad = as_text(raw, missing, kind.name.endswith("_id"), strict)
        if reading.pad is not None:
            column, bad, mended["padded_id"] = _pad(column, missing, bad, reading.pad)
    elif kind.type == "boolean":
        column, bad = as_boolean(raw, missing)
    elif kind.type == "time":
        column, bad = as_time(raw, missing, calendar)
        clash = mixed(raw, missing)
    else:
        column, bad = as_number(raw, missing, whole=kind.type == "year")
    return Cells(column, missing, bad, clash, mended)


def _explain(raw: pd.Series, reading: Reading) -> tuple[pd.Series, dict[str, BoolArray]]:
    """Return cells as the user explains them, and which of them are codes for missing or others.

    A code is compared as text and, if it is a number, as a number: -9 is -9.0 too.
    """
    mended: dict[str, BoolArray] = {}
    if reading.missing:
        mended["missing_code"] = _is_code(raw, reading.missing)
    if reading.values:
        text, recoded = _text(raw).astype(object), np.zeros(len(raw), dtype=bool)
        for cell, meaning in reading.values.items():
            marked = _is_code(raw, (cell,))
            text[marked], recoded = meaning, recoded | marked
        raw = pd.Series(np.where(recoded, text, raw.astype(object)), index=raw.index)
        raw = raw.infer_objects() if not recoded.any() else raw.astype("str")
        mended["recoded"] = recoded
    return raw, mended


def _is_code(raw: pd.Series, codes: tuple[str, ...]) -> BoolArray:
    """Mark the cells that are one of some codes."""
    numbers = pd.to_numeric(pd.Series(codes, dtype="str"), errors="coerce").dropna()
    same = _text(raw).isin(codes).to_numpy(dtype=bool) & raw.notna().to_numpy(dtype=bool)
    number = _numbers(raw, np.zeros(len(raw), dtype=bool))
    return np.asarray(same | np.isin(number, numbers.to_numpy(dtype=float)))


def is_missing(raw: pd.Series) -> BoolArray:
    """Mark cells without a value, and text that stands for none."""
    missing = raw.isna().to_numpy(dtype=bool, na_value=True)
    if not _is_plain(raw):
        missing = missing | _text(raw).str.lower().isin(MISSING_TEXT).to_numpy(dtype=bool)
    return np.asarray(missing)


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


def as_text(
    raw: pd.Series, missing: BoolArray, is_id: bool, strict: bool = False
) -> tuple[pd.Series, BoolArray]:
    """Return text; ids that a program has turned to numbers are marked.

    Whole numbers are marked only if ``strict``; decimal ones always.
    """
    numeric = raw.dtype.kind
    if numeric == "f" and not is_id and (raw.dropna() % 1 == 0).all():
        raw = raw.astype("Int64")
    text = _text(raw)
    bad = np.zeros(len(raw), dtype=bool)
    if is_id:
        damaged = text.str.match(DAMAGED_ID).to_numpy(dtype=bool)
        bad = ~missing & (damaged | (numeric == "f") | (strict and numeric in "iu"))
    return text.mask(pd.Series(missing, index=raw.index)), bad


def _pad(
    text: pd.Series, missing: BoolArray, bad: BoolArray, length: int
) -> tuple[pd.Series, BoolArray, BoolArray]:
    """Return ids with zeros in front; whole numbers written with decimals are ids again."""
    whole = text.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    digits = whole.str.fullmatch(r"\d+").fillna(False).to_numpy(dtype=bool)
    full = whole.where(~digits, whole.str.zfill(length))
    padded = digits & (full != whole).fillna(False).to_numpy(dtype=bool)
    return full, bad & ~digits & ~missing, padded


def as_number(raw: pd.Series, missing: BoolArray, whole: bool) -> tuple[pd.Series, BoolArray]:
    """Return finite numbers, or whole ones."""
    if whole and raw.dtype.kind == "i":
        years = raw.astype("Int64")
        return years.mask(missing) if missing.any() else years, np.zeros(len(raw), dtype=bool)
    number = _numbers(raw, missing)
    bad = ~missing & ~np.isfinite(number)
    if whole:
        exact = np.where(np.abs(number) < MAX_WHOLE, number, np.nan)
        bad |= ~missing & (exact % 1 != 0)
    column = pd.Series(np.where(bad | missing, np.nan, number), index=raw.index)
    return column.astype("Int64") if whole else column, bad


def as_boolean(raw: pd.Series, missing: BoolArray) -> tuple[pd.Series, BoolArray]:
    """Return truth values."""
    text = _text(raw).str.lower()
    true, false = text.isin(TRUE_VALUES).to_numpy(), text.isin(FALSE_VALUES).to_numpy()
    bad = ~missing & ~true & ~false
    column = pd.array(true, dtype="boolean")
    column[missing | bad] = pd.NA
    return pd.Series(column, index=raw.index), bad


def as_time(
    raw: pd.Series, missing: BoolArray, calendar: SchoolCalendar
) -> tuple[pd.Series, BoolArray]:
    """Return school-year time from dates or from numbers, which are that already."""
    if raw.dtype.kind == "M":
        time = calendar.to_time(_dates(raw, missing))
    else:
        time = _numbers(raw, missing)
    if not _is_plain(raw):
        dates = _dates(raw, missing)
        time = np.where(dates.notna().to_numpy(), calendar.to_time(dates), time)
    bad = ~missing & ~np.isfinite(time)
    return pd.Series(np.where(bad | missing, np.nan, time), index=raw.index), bad


def mixed(raw: pd.Series, missing: BoolArray) -> BoolArray:
    """Mark the numbers of a column that also has dates: 2019 may mean either."""
    if _is_plain(raw):
        return np.zeros(len(raw), dtype=bool)
    dates, number = _dates(raw, missing).notna().to_numpy(), np.isfinite(_numbers(raw, missing))
    number &= ~dates
    return np.asarray(number & dates.any())


def _dates(raw: pd.Series, missing: BoolArray) -> pd.Series:
    """Return days, without their time of day, from dates and from text like 2019-07-01."""
    if raw.dtype.kind == "M":
        days: pd.Series = raw.dt.tz_localize(None).astype("datetime64[s]")
        return days
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
