"""The only door for frames and files: any frame in, a pandas frame that keeps its contract out.

Faults are collected, not raised: callers add their own and raise all of them once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError, Fault
from churnstats.core.types import BoolArray
from churnstats.schemas.contract import Contract, Field

TRUE = {"true", "t", "yes", "y", "1", "1.0"}
FALSE = {"false", "f", "no", "n", "0", "0.0"}
MISSING_TEXT = {"", "na", "n/a", "nan", "null", "none", "."}


def describe_rows(frame: pd.DataFrame, bad: BoolArray, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Describe up to five marked rows: the row's number from 1 and the cells that matter."""
    shown = [c for c in columns if c in frame.columns]
    rows = []
    for i in np.flatnonzero(bad)[:5]:
        cells = ", ".join(f"{c}={frame[c].iloc[i]}" for c in shown)
        rows.append(f"row {i + 1}: {cells}")
    return tuple(rows)


def row_fault(
    rule: str,
    table: str,
    message: str,
    how: str,
    frame: pd.DataFrame,
    bad: BoolArray,
    columns: tuple[str, ...],
) -> list[Fault]:
    """Return one fault for the marked rows, or none if no row is marked."""
    n = int(bad.sum())
    return [Fault(rule, table, message, how, n, describe_rows(frame, bad, columns))] if n else []


def read_file(path: Path) -> pd.DataFrame:
    """Read CSV, Parquet, Stata, SPSS or Excel; text formats as text, so ids keep their zeros.

    Raises
    ------
    DataError
        When the file is not there, has an unknown ending or can't be read.
    """
    try:
        frame = _read(path)
    except (OSError, ValueError, UnicodeError, ImportError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        how = "check that the file is whole and has the format that its ending says"
        fault = Fault("unreadable_file", path.name, f"can't be read: {reason}", how, 0)
        raise DataError([fault]) from error
    return frame


def _read(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt") or path.name.lower().endswith((".csv.gz", ".tsv.gz")):
        return _read_delimited(path, "\t" if ".tsv" in path.name.lower() else ",")
    if suffix == ".parquet":
        return pd.read_parquet(path)
    if suffix == ".dta":
        return pd.read_stata(path)
    if suffix == ".sav":
        return pd.read_spss(path)
    if suffix in (".xlsx", ".xls"):
        return pd.read_excel(path, dtype=str)
    raise ValueError(f"'{suffix}' is none of .csv .tsv .parquet .dta .sav .xlsx")


def _read_delimited(path: Path, separator: str) -> pd.DataFrame:
    """Read text with every line as long as the header; pandas would pad or shift the others."""
    frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError("its lines have more cells than its header")
    short = frame.isna().any(axis=1).to_numpy()
    if short.any():
        raise ValueError(f"{short.sum()} lines have fewer cells than the header, "
                         f"the first after {np.flatnonzero(short)[0]} lines of data")
    return frame


def to_pandas(data: Any, table: str) -> pd.DataFrame:
    """Return any eager or lazy frame, or file, as a pandas frame of its own memory."""
    if isinstance(data, (str, Path)):
        return read_file(Path(data))
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True).copy()
    try:
        native = nw.from_native(data)
    except TypeError as error:
        how = "give a pandas, polars, pyarrow or DuckDB frame, or the path of a file"
        fault = Fault("not_a_frame", table, f"{type(data).__name__} is no frame", how, 0)
        raise DataError([fault]) from error
    eager = native.collect() if isinstance(native, nw.LazyFrame) else native
    return eager.to_pandas().reset_index(drop=True)


def conform(
    data: Any,
    contract: Contract,
    columns: Mapping[str, str] | None,
    calendar: SchoolCalendar,
    constants: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, list[Fault]]:
    """Return a frame with the contract's columns in their types, and every fault found.

    Parameters
    ----------
    data : frame, str or Path
    contract : Contract
    columns : mapping, optional
        Name in the contract to name in the data, for columns that are named differently.
    calendar : SchoolCalendar
    constants : mapping, optional
        Values for columns that the data do not have.

    Returns
    -------
    frame : DataFrame
        The contract's columns, then all others as they came.
    faults : list of Fault
    """
    frame = to_pandas(data, contract.name)
    frame, faults = _rename(frame, contract, columns or {})
    for name, value in (constants or {}).items():
        if name not in frame.columns:
            frame[name] = value
    faults += _presence(frame, contract)
    for field in contract.fields:
        if field.name in frame.columns:
            faults += _column(frame, field, contract.name, calendar)
        elif not field.required:
            frame[field.name] = _absent(field, len(frame))
    ordered = [n for n in contract.names() if n in frame.columns]
    others = [c for c in frame.columns if c not in ordered]
    return frame[[*ordered, *others]], faults


def _rename(
    frame: pd.DataFrame, contract: Contract, columns: Mapping[str, str]
) -> tuple[pd.DataFrame, list[Fault]]:
    """Rename the columns that the caller maps."""
    unknown = [k for k in columns if k not in contract.names()]
    absent = [v for k, v in columns.items() if v not in frame.columns and k not in unknown]
    faults = []
    if unknown:
        faults.append(Fault(
            "unknown_mapping", contract.name, f"no such columns in the contract: {unknown}",
            f"the columns are {', '.join(contract.names())}", 0))
    if absent:
        faults.append(Fault(
            "missing_column", contract.name, f"the data have no column {', '.join(absent)}",
            f"the data's columns are: {', '.join(map(str, frame.columns[:30]))}", 0))
    names = {v: k for k, v in columns.items() if v not in absent}
    return frame.rename(columns=names), faults


def _presence(frame: pd.DataFrame, contract: Contract) -> list[Fault]:
    faults = []
    missing = [f.name for f in contract.fields if f.required and f.name not in frame.columns]
    if missing:
        faults.append(Fault(
            "missing_column", contract.name, f"required columns are missing: {', '.join(missing)}",
            "add them, or say what they are called with columns={'name here': 'name in the data'}; "
            f"the data's columns are: {', '.join(map(str, frame.columns[:30]))}", 0))
    if len(frame) == 0:
        faults.append(Fault("empty", contract.name, "the table has no rows", "give rows", 0))
    return faults


def _absent(field: Field, n: int) -> pd.Series:
    if field.type == "boolean":
        values: list[Any] = [field.default] * n
        return pd.Series(pd.array(values, dtype="boolean"))
    dtype: Any = {"string": "str", "integer": "Int64", "year": "Int64"}.get(field.type, "float64")
    return pd.Series([field.default] * n, dtype=dtype)


def _column(
    frame: pd.DataFrame, field: Field, table: str, calendar: SchoolCalendar
) -> list[Fault]:
    """Convert one column in place and return its faults."""
    raw = frame[field.name]
    missing = _is_missing(raw)
    unreadable: BoolArray
    outside = np.zeros(len(frame), dtype=bool)
    if field.type == "string":
        frame[field.name], unreadable = _as_text(raw, missing), np.zeros(len(frame), dtype=bool)
    elif field.type == "boolean":
        frame[field.name], unreadable = _as_boolean(raw, missing, field.default)
    elif field.type == "time":
        frame[field.name], unreadable = _as_time(raw, missing, calendar)
        outside = calendar.outside(frame[field.name].to_numpy(dtype=float))
    else:
        frame[field.name], unreadable = _as_number(raw, missing, whole=field.type != "number")
        if field.type == "year":
            outside = calendar.outside(frame[field.name].to_numpy(dtype=float, na_value=np.nan))
    source = frame.assign(**{field.name: raw})
    place = tuple(dict.fromkeys(["unit_id", "school_year_end", field.name]))
    faults = row_fault(
        f"not_a_{field.type}", table, f"'{field.name}' must be a {_TYPE_WORDS[field.type]}",
        "correct these cells, or leave them empty if the value is unknown", source, unreadable,
        place)
    faults += row_fault(
        "year_outside_calendar", table,
        f"'{field.name}' lies outside the school years {calendar.first} to {calendar.last}",
        "correct the year, or give a calendar with other bounds", source, outside, place)
    if field.required:
        faults += row_fault(
            "missing_value", table, f"'{field.name}' is required and missing",
            "fill the cells, or take the rows out and say so", source, missing, place)
    if field.minimum is not None:
        low = (frame[field.name] < field.minimum).to_numpy(dtype=bool, na_value=False)
        faults += row_fault(
            "too_small", table, f"'{field.name}' is below {field.minimum:g}",
            "correct these cells", source, low, place)
    return faults


_TYPE_WORDS = {
    "string": "text", "integer": "whole number", "year": "year by its spring, such as 2019",
    "number": "number", "boolean": "yes or no",
    "time": "date (2019-07-01) or school-year time (2020.0)",
}


def _is_missing(raw: pd.Series) -> BoolArray:
    missing = raw.isna().to_numpy(dtype=bool, na_value=True)
    if raw.dtype.kind in "OU" or isinstance(raw.dtype, pd.StringDtype):
        text = raw.astype("str").str.strip().str.lower()
        return np.asarray(missing | text.isin(MISSING_TEXT).to_numpy(dtype=bool, na_value=True))
    return np.asarray(missing)


def _as_text(raw: pd.Series, missing: BoolArray) -> pd.Series:
    """Return text; whole numbers without a decimal point (a number has lost its zeros anyway)."""
    if raw.dtype.kind == "f" and (raw.dropna() % 1 == 0).all():
        raw = raw.astype("Int64")
    return raw.astype("str").str.strip().mask(pd.Series(missing, index=raw.index))


def _as_number(
    raw: pd.Series, missing: BoolArray, whole: bool
) -> tuple[pd.Series, BoolArray]:
    values = pd.to_numeric(raw.mask(pd.Series(missing, index=raw.index)), errors="coerce")
    number = values.to_numpy(dtype=float, na_value=np.nan)
    bad = ~missing & ~np.isfinite(number)
    if not whole:
        return pd.Series(np.where(bad, np.nan, number), index=raw.index), bad
    bad = bad | (~missing & np.isfinite(number) & (number % 1 != 0))
    column = pd.Series(np.where(bad, np.nan, number), index=raw.index).astype("Int64")
    return column, bad


def _as_boolean(
    raw: pd.Series, missing: BoolArray, default: bool | str | None
) -> tuple[pd.Series, BoolArray]:
    text = raw.astype("str").str.strip().str.lower()
    true, false = text.isin(TRUE).to_numpy(), text.isin(FALSE).to_numpy()
    bad = ~missing & ~true & ~false
    column = pd.array(true, dtype="boolean")
    column[missing | bad] = pd.NA if default is None else bool(default)
    return pd.Series(column, index=raw.index), bad


def _as_time(
    raw: pd.Series, missing: BoolArray, calendar: SchoolCalendar
) -> tuple[pd.Series, BoolArray]:
    if raw.dtype.kind == "M":
        return pd.Series(calendar.to_time(raw), index=raw.index), np.zeros(len(raw), dtype=bool)
    blank = raw.mask(pd.Series(missing, index=raw.index))
    number = pd.to_numeric(blank, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    as_text = ~missing & ~np.isfinite(number)
    dates = pd.to_datetime(
        blank.astype("str").where(pd.Series(as_text, index=raw.index)),
        format="ISO8601", errors="coerce",
    )
    time = np.where(as_text, calendar.to_time(dates), number)
    return pd.Series(time, index=raw.index), as_text & np.isnan(time)
