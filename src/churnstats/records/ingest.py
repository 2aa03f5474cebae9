"""The only door for frames and files: any frame in, a pandas frame that keeps its contract out.

Faults are collected, not raised: callers add their own and raise all of them once.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import MAX_ROWS_SHOWN, DataError, Fault
from churnstats.core.issues import IssueLog
from churnstats.core.types import BoolArray, Columns
from churnstats.records.cells import MENDED, WANTED, Cells, Reading, read_cells
from churnstats.records.files import read_file
from churnstats.records.mapping import ColumnMap, read_mapping
from churnstats.schemas.checks import broken_rules
from churnstats.schemas.contract import Contract, Field

MAX_COLUMNS_SHOWN = 30
# Ids of people that look like names are not shown: several words, or words and a comma.
PERSONS = ("leader_id", "sponsor_id", "champion_id")
NAME = re.compile(r"[^\W\d_]+[.,]?\s+[^\W\d_]+|[^\W\d_]{2,},")


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
        row = ", ".join(f"{c}={_show(frame[c].iloc[i], c in PERSONS)}" for c in shown)
        row = ": ".join(filter(None, (f"{word} {frame.index[i]}", row))) if word else row
        rows.append(row if partner is None else f"{row}; see {word} {frame.index[partner(i)]}")
    return tuple(rows)


def _show(value: Any, is_person: bool) -> str:
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        return f"{value:.10g}"
    if np.ndim(value) == 0 and pd.isna(value):
        return "(missing)"
    if is_person and NAME.search(str(value)):
        return "(a name, not shown)"
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
    rows = describe_rows(frame, bad, columns, partner)
    numbers = frame.index.to_numpy()[bad] if frame.index.name else np.flatnonzero(bad) + 1
    return [Fault(rule, table, message, how, n, rows, numbers=numbers.astype(np.int64))]


def source_name(data: Any) -> str:
    """Return the name of the file that data are read from, or nothing."""
    return Path(data).name if isinstance(data, (str, Path)) else ""


def to_pandas(data: Any, table: str) -> pd.DataFrame:
    """Return any eager or lazy frame, or file, as a pandas frame that may be changed.

    Its index numbers the rows from 1, or as their file does, for messages; a frame whose index is
    called "row" or "line" and holds whole numbers is numbered already. A pandas frame shares its
    memory with the one that is given, and pandas copies what is changed.
    """
    if isinstance(data, (str, Path)):
        return read_file(Path(data), table)
    frame = data.copy(deep=False) if isinstance(data, pd.DataFrame) else _foreign(data, table)
    numbered = frame.index.name in ("row", "line") and frame.index.dtype.kind in "iu"
    if not numbered or not frame.index.is_unique:
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
    issues : IssueLog
        Cells that were read otherwise than they stand, as the user asked.
    """

    frame: pd.DataFrame
    source: pd.DataFrame
    faults: tuple[Fault, ...]
    unreadable: Mapping[str, BoolArray]
    issues: IssueLog = dataclasses.field(default_factory=IssueLog)

    def empty(self, column: str) -> BoolArray:
        """Mark the cells of a column in which nothing was."""
        missing = self.frame[column].isna().to_numpy(dtype=bool)
        return np.asarray(missing & ~self.unreadable.get(column, np.zeros_like(missing)))


def conform(
    data: Any,
    contract: Contract,
    columns: Columns,
    calendar: SchoolCalendar,
    constants: Mapping[str, str] | None = None,
) -> Conformed:
    """Return a frame with the contract's columns in their types, and every fault found.

    The data are not changed. Columns that stay as they are share their memory with the data.

    Parameters
    ----------
    data : frame, str or Path
    contract : Contract
    columns : mapping, str or Path, optional
        How the data differ from the contract: the name in the contract to the name in the data,
        or a mapping, or the path of a YAML file, with ``columns``, ``missing``, ``values`` and
        ``pad``, as in data_dictionary/README.md.
    calendar : SchoolCalendar
    constants : mapping, optional
        Values for columns that the data do not have.
    """
    table = contract.name
    mapping, faults = read_mapping(columns, contract)
    frame = to_pandas(data, table)
    frame, more = _rename(frame, contract, mapping.columns)
    faults += more
    for name, value in (constants or {}).items():
        if name not in frame.columns:
            frame[name] = pd.Series(value, index=frame.index, dtype="str")
    faults += _presence(frame, contract, mapping, faults)
    given = {field.name: field for field in contract.fields if field.name in frame.columns}
    source, from_file = frame[list(given)], isinstance(data, (str, Path))
    read = {
        name: read_cells(frame[name], field, calendar, _reading(mapping, name, from_file))
        for name, field in given.items()
    }
    for name, cells in read.items():
        faults += _cell_faults(cells, source, given[name], table, calendar)
    unreadable = {name: cells.bad for name, cells in read.items()}
    typed = {name: cells.column for name, cells in read.items()}
    faults += _value_faults(typed, source, contract, unreadable)
    made = _arranged(typed, frame, contract)
    issues = _mended(read, source, table) + _number_ids(source, mapping, table)
    return Conformed(made, source, tuple(faults), unreadable, issues)


def _number_ids(source: pd.DataFrame, mapping: ColumnMap, table: str) -> IssueLog:
    """Say so where ids of units are numbers, which have no leading zeros."""
    ids = source.get("unit_id")
    if ids is None or ids.dtype.kind not in "iu" or "unit_id" in mapping.pad:
        return IssueLog()
    message = "'unit_id' is a column of numbers: leading zeros, if there were any, are lost"
    how = "read the column as text (in pandas dtype=str), or say how long ids are: pad"
    fault = Fault("ids_are_numbers", table, message, how, len(ids))
    return IssueLog().add(fault, "kept as they are")


def _arranged(
    typed: Mapping[str, pd.Series], frame: pd.DataFrame, contract: Contract
) -> pd.DataFrame:
    """Return the columns of a contract in its order, then all others as they came."""
    columns: dict[Any, pd.Series] = {}
    for field in contract.fields:
        if field.name in typed:
            columns[field.name] = typed[field.name]
        elif not field.required:
            columns[field.name] = _absent(field, frame.index)
    columns |= {name: frame[name] for name in frame.columns if name not in columns}
    return pd.DataFrame(columns, frame.index, copy=False)


def _reading(mapping: ColumnMap, name: str, from_file: bool) -> Reading:
    return Reading(
        mapping.missing.get(name, ()),
        mapping.values.get(name, {}),
        mapping.pad.get(name),
        from_file,
    )


def _rename(
    frame: pd.DataFrame, contract: Contract, columns: Mapping[str, Any]
) -> tuple[pd.DataFrame, list[Fault]]:
    """Rename the columns that the caller maps; one column a name is left."""
    table, faults = contract.name, []
    faults += _repeated(frame, table, "the data have several columns called")
    if not frame.columns.is_unique:
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
    return renamed.loc[:, ~taken] if taken.any() else renamed, faults


def _repeated(frame: pd.DataFrame, table: str, message: str) -> list[Fault]:
    names = ", ".join(dict.fromkeys(map(str, frame.columns[frame.columns.duplicated()])))
    how = "give each column a name of its own, or take out those that are not meant"
    return [Fault("duplicate_column", table, f"{message} {names}", how, 0)] if names else []


def _columns_of(frame: pd.DataFrame) -> str:
    names = [str(c) for c in frame.columns]
    more = f" and {len(names) - MAX_COLUMNS_SHOWN} more" if len(names) > MAX_COLUMNS_SHOWN else ""
    return f"the data's columns are: {', '.join(names[:MAX_COLUMNS_SHOWN]) or 'none'}{more}"


def _presence(
    frame: pd.DataFrame, contract: Contract, mapping: ColumnMap, found: list[Fault]
) -> list[Fault]:
    """Return the faults of columns and rows that are not there."""
    faults = []
    told = {*mapping.missing, *mapping.values, *mapping.pad} & set(contract.names())
    untold = sorted(told - set(frame.columns))
    if untold:
        faults.append(
            Fault(
                "missing_column",
                contract.name,
                f"the data have no column {', '.join(untold)}, of which columns= tells how to "
                "read it",
                f"take it out of columns=, or say there what it is called; {_columns_of(frame)}",
                0,
            )
        )
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
    """Return a column of defaults, or of missing values."""
    kinds: dict[str, Any] = {"boolean": "boolean", "string": "str", "year": "Int64"}
    kind = kinds.get(field.type, "float64")
    nothing = pd.NA if kind in ("boolean", "Int64") else np.nan
    value: Any = nothing if field.default is None else field.default
    column: pd.Series = pd.Series(value, index=index, dtype=kind)
    return column


def _place(name: str) -> tuple[str, ...]:
    """Return the columns by which a row is found, and the one that is at fault."""
    return tuple(dict.fromkeys(["program_id", "unit_id", "leader_id", "school_year_end", name]))


def _cell_faults(
    cells: Cells, source: pd.DataFrame, field: Field, table: str, calendar: SchoolCalendar
) -> list[Fault]:
    """Return the faults of cells that can't be read, or whose time is not of the calendar."""
    name, faults = field.name, []

    def add(rule: str, message: str, how: str, marked: BoolArray) -> None:
        what = f"'{name}' {message}"
        faults.extend(row_fault(rule, table, what, how, source, marked, _place(name)))

    words, how = WANTED[field.type]
    add(f"not_a_{field.type}", f"must be {words}", how, cells.bad)
    if field.type in ("year", "time"):
        time = cells.column.to_numpy(dtype=float, na_value=np.nan)
        last = calendar.last + (field.type == "time")
        how = "correct the year"
        if field.type == "time":
            how = "correct the year, and write dates as 2019-07-01"
            how += "" if field.required else ", or leave the cell empty if it stands for 'not yet'"
        add(
            "year_outside_calendar",
            f"lies outside the school years {calendar.first} to {calendar.last}",
            f"{how}; for older or later records give a calendar with other bounds",
            calendar.outside(time) | (time > last),
        )
    if field.type == "time":
        begin = calendar.to_dates(np.array([2019.0]))[0]
        add(
            "dates_and_numbers",
            "has dates in some rows and numbers in these",
            "write dates (2019-07-01) in all rows, or school-year time in all: 2019.0 is "
            f"{begin:%Y-%m-%d}",
            cells.clash,
        )
    return faults


def _value_faults(
    typed: Mapping[str, pd.Series],
    source: pd.DataFrame,
    contract: Contract,
    unreadable: Mapping[str, BoolArray],
) -> list[Fault]:
    """Return the faults of values that break a rule of the contract."""
    fields, faults = {field.name: field for field in contract.fields}, []
    frame = pd.DataFrame(typed, source.index, copy=False)
    for (name, rule), broken in broken_rules(frame, contract).items():
        bad = broken & ~unreadable[name]
        if bad.any():
            message, how = _words(rule, fields[name], frame[name][bad])
            what = f"'{name}' {message}"
            faults += row_fault(rule, contract.name, what, how, source, bad, _place(name))
    return faults


def _words(rule: str, field: Field, values: pd.Series) -> tuple[str, str]:
    """Return what is wrong with values that break a rule, and how to mend it."""
    correct = "correct these cells, or leave them empty if the value is unknown"
    if rule == "missing_value":
        return "is required and missing", "fill the cells, or take the rows out and say so"
    if rule == "too_small":
        return f"is below {field.minimum:g}", correct
    if rule == "too_large":
        return f"is above {field.maximum:g}", correct
    if rule == "bad_pattern":
        return f"does not match {field.pattern}", correct
    allowed = ", ".join(field.enum)
    say = f"write one of these, or say what cells mean: columns={{'values': {{'{field.name}': "
    return f"must be one of {allowed}{_likely(values, field.enum)}", f"{say}{{...}}}}}}"


def _likely(values: pd.Series, allowed: tuple[str, ...]) -> str:
    """Return a question for each of the first values that is close to an allowed one."""
    asked = []
    for value in values.drop_duplicates().head(MAX_ROWS_SHOWN):
        close = get_close_matches(str(value).lower(), allowed, n=1, cutoff=0.75)
        asked += [f"did you mean '{near}' for '{_show(value, is_person=False)}'?" for near in close]
    return "; " + " ".join(asked) if asked else ""


def _mended(read: Mapping[str, Cells], source: pd.DataFrame, table: str) -> IssueLog:
    """Return the cells that were read otherwise than they stand."""
    issues = IssueLog()
    for name, cells in read.items():
        for rule, marked in cells.mended.items():
            what, action = MENDED[rule]
            found = row_fault(rule, table, f"'{name}': {what}", "", source, marked, _place(name))
            for fault in found:
                issues = issues.add(fault, action)
    return issues
