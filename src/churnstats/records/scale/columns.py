"""Columns of a table that stays where it is: found, their types checked, cells read by queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import MAX_ROWS_SHOWN, Fault
from churnstats.core.issues import raise_faults
from churnstats.core.types import BoolArray, Columns
from churnstats.records.cells import MISSING_TEXT, WANTED, Reading, read_cells
from churnstats.records.mapping import ColumnMap, read_mapping
from churnstats.records.scale.sources import Source
from churnstats.schemas.contract import Contract, Field

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
LARGEST = 1.7976931348623157e308
MAX_SHOWN = 30
KINDS = {
    "string": "text or whole numbers",
    "year": "whole numbers or text",
    "number": "numbers or text",
    "boolean": "true and false, or text",
    "time": "dates, numbers or text",
}


@dataclass(frozen=True)
class Given:
    """The columns of a contract that a source has, under our names, and how to read their cells.

    Parameters
    ----------
    source : Source
        Its table has these columns and no others.
    contract : Contract
    mapping : ColumnMap
    """

    source: Source
    contract: Contract
    mapping: ColumnMap

    def has(self, name: str) -> bool:
        """Tell whether the source has a column."""
        return name in self.source.table.columns

    def field(self, name: str) -> Field:
        """Return what the contract says of a column."""
        return next(f for f in self.contract.fields if f.name == name)


def pick(
    source: Source,
    contract: Contract,
    columns: Columns,
    wanted: tuple[str, ...] = (),
    others: tuple[str, ...] = (),
) -> Given:
    """Return the columns of a contract under their names there; raise all that is amiss at once.

    Parameters
    ----------
    source : Source
    contract : Contract
    columns : mapping or path, optional
    wanted : tuple of str
        Columns that this call can't do without, besides those that the contract requires.
    others : tuple of str
        Columns of the data to keep under their own names.
    """
    mapping, faults = read_mapping(columns, contract)
    there, table = tuple(source.table.columns), contract.name
    names = {f.name: mapping.columns.get(f.name, f.name) for f in contract.fields}
    found = {ours: theirs for ours, theirs in names.items() if theirs in there}
    needed = {f.name for f in contract.fields if f.required} | {*wanted, *mapping.columns}
    absent = {name: names[name] for name in names if name in needed and name not in found}
    absent |= {name: name for name in others if name not in there}
    types = {f: source.table[found[f.name]].type() for f in contract.fields if f.name in found}
    faults += _unknown(mapping, names, table) + _absent(absent, there, table)
    faults += [_wrong_type(f, kind, table) for f, kind in types.items() if not _can_be(f, kind)]
    raise_faults(faults, source.file)
    chosen = {ours: source.table[theirs] for ours, theirs in found.items()}
    chosen |= {name: source.table[name] for name in others if name not in chosen}
    return Given(replace(source, table=source.table.select(**chosen)), contract, mapping)


def _unknown(mapping: ColumnMap, names: Mapping[str, str], table: str) -> list[Fault]:
    unknown = [str(name) for name in mapping.columns if name not in names]
    if not unknown:
        return []
    what = f"columns= has names that are no columns of {table}: {', '.join(unknown)}"
    how = f"write columns={{'name here': 'name in the data'}}; here: {', '.join(names)}"
    return [Fault("unknown_mapping", table, what, how, 0)]


def _absent(absent: Mapping[str, str], there: tuple[str, ...], table: str) -> list[Fault]:
    if not absent:
        return []
    told = [n if theirs == n else f"{n} (called {theirs})" for n, theirs in absent.items()]
    what = f"columns are missing: {', '.join(told)}"
    how = f"say what they are called: columns={{'{next(iter(absent))}': 'name in the data'}}"
    how = f"{how}; the data have {', '.join(there[:MAX_SHOWN])}"
    return [Fault("missing_column", table, what, how, 0)]


def _can_be(field: Field, kind: Any) -> bool:
    """Tell whether a column of a type can hold what the contract says."""
    if kind.is_string():
        return True
    if field.type == "boolean":
        return bool(kind.is_boolean() or kind.is_integer())
    if field.type == "time" and (kind.is_date() or kind.is_timestamp()):
        return True
    return bool(
        kind.is_integer() or kind.is_floating() or (field.type == "number" and kind.is_decimal())
    )


def _wrong_type(field: Field, kind: Any, table: str) -> Fault:
    what = f"'{field.name}' must be {KINDS[field.type]}, and the column's type is {kind}"
    how = "name the right column, or cast it where it is: table.mutate(name=table.name.cast(...))"
    return Fault("wrong_type", table, what, how, 0)


def number(given: Given, name: str) -> tuple[Any, Any, Any]:
    """Return a column's numbers, and where nothing is and where something can't be read."""
    import ibis

    raw, codes = given.source.table[name], given.mapping.missing.get(name, ())
    if raw.type().is_string():
        text = raw.strip()
        missing = text.isnull() | text.lower().isin(sorted(MISSING_TEXT)) | text.isin([*codes, ""])
        value = ibis.ifelse(text.re_search(NUMBER), text, ibis.null("string")).try_cast("float64")
    else:
        value = raw.cast("float64")
        missing = value.isnull() | (value.isnan() if raw.type().is_floating() else False)
    numbers = pd.to_numeric(pd.Series(codes, dtype="str"), errors="coerce").dropna().tolist()
    if numbers:
        missing |= value.isin(numbers).fill_null(False)
    missing = missing.fill_null(True)
    return value, missing, ~missing & (value.abs() > LARGEST).fill_null(True)


def text_or_null(given: Given, name: str) -> Any:
    """Return a column whose missing cells are null and whose others stand as they are."""
    import ibis

    raw, codes = given.source.table[name], given.mapping.missing.get(name, ())
    if raw.type().is_string():
        text = raw.strip()
        missing = text.lower().isin(sorted(MISSING_TEXT)) | text.isin([*codes, ""])
    else:
        numbers = pd.to_numeric(pd.Series(codes, dtype="str"), errors="coerce").dropna().tolist()
        missing = raw.isin(numbers) if numbers else ibis.literal(False)
        missing |= raw.isnan() if raw.type().is_floating() else False
    return ibis.ifelse(missing.fill_null(True), ibis.null(raw.type()), raw)


def read_keys(
    given: Given, frame: pd.DataFrame, names: tuple[str, ...], calendar: SchoolCalendar
) -> tuple[pd.DataFrame, list[Fault]]:
    """Return fetched columns of keys in their types, and the faults of their cells.

    They are read as any table's. ``frame`` has a row a group, ``n_rows`` being its rows.
    """
    typed, faults = frame.copy(deep=False), []
    for name in names:
        field, mapping = given.field(name), given.mapping
        reading = Reading(
            mapping.missing.get(name, ()),
            mapping.values.get(name, {}),
            mapping.pad.get(name),
            given.source.from_file,
        )
        cells = read_cells(frame[name], field, calendar, reading)
        typed[name] = cells.column
        words, how = WANTED[field.type]
        faults += _cell_fault(
            given, frame, name, cells.bad, f"not_a_{field.type}", f"must be {words}", how
        )
        if field.type == "year":
            time = cells.column.to_numpy(dtype=float, na_value=float("nan"))
            outside = calendar.outside(time) | (time > calendar.last)
            what = f"lies outside the school years {calendar.first} to {calendar.last}"
            how = "correct the year; for other records give a calendar with other bounds"
            faults += _cell_fault(given, frame, name, outside, "year_outside_calendar", what, how)
    return typed, faults


def _cell_fault(
    given: Given, frame: pd.DataFrame, name: str, bad: BoolArray, rule: str, what: str, how: str
) -> list[Fault]:
    """Return the fault of marked groups: the cells that most rows have are shown."""
    if not bad.any():
        return []
    rows = frame.loc[bad].groupby(name, dropna=False)["n_rows"].sum()
    message = f"'{name}' {what}; {counted(rows)}"
    return [Fault(rule, given.contract.name, message, how, int(rows.sum()))]


def counted(rows: pd.Series) -> str:
    """Describe the cells that most rows have; ``rows`` counts them by cell."""
    first = rows.sort_values(ascending=False, kind="stable").head(MAX_ROWS_SHOWN)
    told = ", ".join(f"'{str(cell)[:40]}' in {n:,}" for cell, n in first.items())
    return f"rows by cell: {told}{', ...' if len(first) < len(rows) else ''}"


def several_spellings(raw: pd.Series, read: pd.Series) -> Mapping[Any, Any]:
    """Return cells that are read as an earlier cell is, and that cell, so that they can be one."""
    pairs = pd.DataFrame({"raw": raw, "read": read}).dropna().drop_duplicates()
    pairs["first"] = pairs.groupby("read")["raw"].transform("first")
    other = pairs[pairs["raw"] != pairs["first"]]
    return dict(zip(other["raw"].tolist(), other["first"].tolist(), strict=True))
