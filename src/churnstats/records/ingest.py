"""The only door for frames and files: any frame in, a pandas frame that keeps its contract out.

Faults are collected, not raised: callers add their own and raise all of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import MAX_ROWS_SHOWN, DataError, Fault
from churnstats.core.types import BoolArray
from churnstats.records import cells
from churnstats.records.files import read_file
from churnstats.schemas.contract import Contract, Field

MAX_COLUMNS_SHOWN = 30


Partner: TypeAlias = Callable[[int], int]


def describe_rows(
    frame: pd.DataFrame,
    bad: BoolArray,
    columns: tuple[str, ...],
    partner: Partner | None = None,
) -> tuple[str, ...]:
    """Describe up to five marked rows: the row's number and the cells that matter.

    A frame that `to_pandas` made is numbered by its index, as its source is: the lines of a text
    file, the rows of a worksheet, other rows from 1. Other frames are shown without numbers.
    ``partner`` gives the position of the row that a marked one conflicts with.
    """
    shown = [c for c in columns if c in frame.columns]
    word, rows = frame.index.name, []
    for i in np.flatnonzero(bad)[:MAX_ROWS_SHOWN]:
        row = ", ".join(f"{c}={_show(frame[c].iloc[i])}" for c in shown)
        row = f"{word} {frame.index[i]}: {row}" if word else row
        rows.append(row if partner is None else f"{row}; see {word} {frame.index[partner(i)]}")
    return tuple(rows)


def _show(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        return f"{value:.10g}"
    if np.ndim(value) == 0 and pd.isna(value):
        return "(missing)"
    return str(value).removesuffix(" 00:00:00")[:80] or "(empty)"


def row_fault(
    rule: str,
    table: str,
    message: str,
    how: str,
    frame: pd.DataFrame,
    bad: BoolArray,
    columns: tuple[str, ...],
    partner: Partner | None = None,
) -> list[Fault]:
    """Return one fault for the marked rows, or none if no row is marked."""
    n = int(bad.sum())
    if not n:
        return []
    return [Fault(rule, table, message, how, n, describe_rows(frame, bad, columns, partner))]


def source_name(data: Any) -> str:
    """Return the name of the file that data are read from, or nothing."""
    return Path(data).name if isinstance(data, (str, Path)) else ""


def to_pandas(data: Any, table: str) -> pd.DataFrame:
    """Return any eager or lazy frame, or file, as a pandas frame of its own memory.

    Its index numbers the rows from 1, or as their file does, for messages.
    """
    if isinstance(data, (str, Path)):
        return read_file(Path(data), table)
    frame = data.copy() if isinstance(data, pd.DataFrame) else _foreign(data, table)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="row")
    return frame


def _foreign(data: Any, table: str) -> pd.DataFrame:
    """Return a frame that isn't pandas'; whole numbers stay whole beside missing ones."""
    try:
        native = nw.from_native(data)
        eager = native.collect() if isinstance(native, nw.LazyFrame) else native
        arrow = eager.to_arrow()
    except TypeError as error:
        how = "give a pandas, polars, pyarrow or DuckDB frame, or the path of a file"
        fault = Fault("not_a_frame", table, f"{type(data).__name__} is no frame", how, 0)
        raise DataError([fault]) from error
    except Exception as error:  # lazy frames fail in their own ways when they run
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        what = f"the {type(data).__name__} can't be read: {reason}"
        how = "check the query and the columns behind it"
        raise DataError([Fault("unreadable_frame", table, what, how, 0)]) from error
    made: pd.DataFrame = arrow.to_pandas(
        types_mapper=lambda kind: pd.Int64Dtype() if str(kind).strip("u")[:3] == "int" else None
    )
    return made


@dataclass(frozen=True)
class Conformed:
    """A frame with a contract's columns in their types, and every fault found in its cells.

    Attributes
    ----------
    frame : DataFrame
        The contract's columns, then all others as they came. Its index numbers the rows of the
        source.
    source : DataFrame
        The contract's columns as they came, under the same index: what faults show.
    faults : tuple of Fault
    unreadable : dict
        By column, the cells that hold something that could not be read; they are missing.
    """

    frame: pd.DataFrame
    source: pd.DataFrame
    faults: tuple[Fault, ...]
    unreadable: Mapping[str, BoolArray]

    def empty(self, column: str) -> BoolArray:
        """Mark the cells of a column in which nothing was."""
        missing = self.frame[column].isna().to_numpy(dtype=bool)
        return np.asarray(missing & ~self.unreadable.get(column, np.zeros_like(missing)))


def conform(
    data: Any,
    contract: Contract,
    columns: Mapping[str, str] | None,
    calendar: SchoolCalendar,
    constants: Mapping[str, str] | None = None,
) -> Conformed:
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
    """
    frame = to_pandas(data, contract.name)
    frame, faults = _rename(frame, contract, columns or {})
    for name, value in (constants or {}).items():
        if name not in frame.columns:
            frame[name] = value
    faults += _presence(frame, contract, faults)
    source, unreadable = frame[[n for n in contract.names() if n in frame.columns]].copy(), {}
    for field in contract.fields:
        if field.name in frame.columns:
            found, unreadable[field.name] = _column(frame, source, field, contract.name, calendar)
            faults += found
        elif not field.required:
            frame[field.name] = _absent(field, frame.index)
    ordered = [n for n in contract.names() if n in frame.columns]
    others = [c for c in frame.columns if c not in ordered]
    return Conformed(frame[[*ordered, *others]], source, tuple(faults), unreadable)


def _rename(
    frame: pd.DataFrame, contract: Contract, columns: Mapping[str, str]
) -> tuple[pd.DataFrame, list[Fault]]:
    """Rename the columns that the caller maps; one column a name is left."""
    table, faults = contract.name, []
    if not isinstance(columns, Mapping):
        raise DataError(
            [
                Fault(
                    "unknown_mapping",
                    table,
                    "columns= is no mapping",
                    "write columns={'name here': 'name in the data'}",
                    0,
                )
            ]
        )
    faults += _repeated(frame, table, "the data have several columns called")
    frame = frame.loc[:, ~frame.columns.duplicated()]
    unknown = [k for k in columns if k not in contract.names()]
    absent = [v for k, v in columns.items() if v not in frame.columns and k not in unknown]
    names = {v: k for k, v in columns.items() if v not in absent and k not in unknown}
    if unknown:
        faults.append(
            Fault(
                "unknown_mapping",
                table,
                f"columns= has names that are no columns of {table}: "
                f"{', '.join(map(str, unknown))}",
                f"write columns={{'name here': 'name in the data'}}; the names here are "
                f"{', '.join(contract.names())}",
                0,
            )
        )
    if absent:
        faults.append(
            Fault(
                "missing_column",
                table,
                f"the data have no column {', '.join(map(str, absent))}, which columns= names",
                f"name a column that is there; {_columns_of(frame)}",
                0,
            )
        )
    if len(names) + len(unknown) + len(absent) < len(columns):
        faults.append(
            Fault(
                "unknown_mapping",
                table,
                "columns= gives one column several names",
                "name each column of the data once, and copy it if it serves twice",
                0,
            )
        )
    renamed = frame.rename(columns=names)
    faults += _repeated(
        renamed, table, "besides the columns that columns= names, there are others already called"
    )
    taken = renamed.columns.duplicated(keep=False) & ~frame.columns.isin(list(names))
    return renamed.loc[:, ~taken], faults


def _repeated(frame: pd.DataFrame, table: str, message: str) -> list[Fault]:
    names = ", ".join(dict.fromkeys(map(str, frame.columns[frame.columns.duplicated()])))
    how = "give each column a name of its own, or take out those that are not meant"
    return [Fault("duplicate_column", table, f"{message} {names}", how, 0)] if names else []


def _columns_of(frame: pd.DataFrame) -> str:
    names = [str(c) for c in frame.columns]
    more = f" and {len(names) - MAX_COLUMNS_SHOWN} more" if len(names) > MAX_COLUMNS_SHOWN else ""
    return f"the data's columns are: {', '.join(names[:MAX_COLUMNS_SHOWN]) or 'none'}{more}"


def _presence(frame: pd.DataFrame, contract: Contract, found: list[Fault]) -> list[Fault]:
    faults = []
    missing = [f.name for f in contract.fields if f.required and f.name not in frame.columns]
    if missing and not any(fault.rule == "missing_column" for fault in found):
        faults.append(
            Fault(
                "missing_column",
                contract.name,
                f"required columns are missing: {', '.join(missing)}",
                "add or rename them, or in Python say what they are called: "
                f"columns={{'{missing[0]}': 'name in the data'}}; {_columns_of(frame)}",
                0,
            )
        )
    if len(frame) == 0:
        faults.append(
            Fault(
                "empty",
                contract.name,
                "the table has no rows",
                "give at least one row below the header",
                0,
            )
        )
    return faults


def _absent(field: Field, index: pd.Index) -> pd.Series:
    kinds: dict[str, Any] = {"boolean": "boolean", "string": "str", "year": "Int64"}
    values: list[Any] = [field.default] * len(index)
    column: pd.Series = pd.Series(values, index=index, dtype=kinds.get(field.type, "float64"))
    return column


def _column(
    frame: pd.DataFrame,
    source: pd.DataFrame,
    field: Field,
    table: str,
    calendar: SchoolCalendar,
) -> tuple[list[Fault], BoolArray]:
    """Convert one column in place; return its faults and the cells that could not be read."""
    name, faults = field.name, []
    raw = source[name]
    missing = cells.is_missing(raw)
    column, bad = cells.convert(raw, missing, field, calendar)
    frame[name] = column
    place = tuple(dict.fromkeys(["program_id", "unit_id", "leader_id", "school_year_end", name]))

    def add(rule: str, message: str, how: str, marked: BoolArray) -> None:
        faults.extend(row_fault(rule, table, f"'{name}' {message}", how, source, marked, place))

    words, how = cells.WANTED[field.type]
    add(f"not_a_{field.type}", f"must be {words}", how, bad)
    if field.type in ("year", "time"):
        time = column.to_numpy(dtype=float, na_value=np.nan)
        how = "correct the year"
        if field.type == "time":
            how = "correct the year, and write dates as 2019-07-01"
            how += "" if field.required else ", or leave the cell empty if it stands for 'not yet'"
        add(
            "year_outside_calendar",
            f"lies outside the school years {calendar.first} to {calendar.last}",
            f"{how}; for older or later records give a calendar with other bounds",
            calendar.outside(time),
        )
    if field.type == "time":
        begin = calendar.to_dates(np.array([2019.0]))[0]
        add(
            "dates_and_numbers",
            "has dates in some rows and numbers in these",
            "write dates (2019-07-01) in all rows, or school-year time in all: 2019.0 is "
            f"{begin:%Y-%m-%d}",
            cells.mixed(raw, missing),
        )
    if field.required:
        add(
            "missing_value",
            "is required and missing",
            "fill the cells, or take the rows out and say so",
            missing,
        )
    if field.minimum is not None:
        low = (column < field.minimum).to_numpy(dtype=bool, na_value=False)
        add(
            "too_small",
            f"is below {field.minimum:g}",
            "correct these cells, or leave them empty if the value is unknown",
            low,
        )
    return faults, bad
