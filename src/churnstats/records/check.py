"""Several record files checked together: one error with the faults of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError, Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.types import BoolArray, Columns
from churnstats.records.calendars import read_calendar
from churnstats.records.files import ENDINGS
from churnstats.records.ingest import conform, row_fault
from churnstats.records.outcomes import Outcomes
from churnstats.records.partnerships import Partnerships
from churnstats.records.programs import Programs
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units
from churnstats.schemas.contract import TABLES, load_contract

# Read in this order: the calendar and the units hold for those after them.
ORDER = ("calendar", "units", *(t for t in TABLES if t not in ("calendar", "units")))
WITH_LEADERS = ("tenures", "roster")
WITHOUT = ("outcomes", "programs", "program_status", "partnerships")
SHOWN = ("unit_id", "school_year_end", "measure", "program_id", "partnership_id", "initiative_id")


def tables_in(folder: Path) -> dict[str, Path]:
    """Return the record files of a folder by table: ``tenures.csv``, ``units.parquet``, ...

    Parameters
    ----------
    folder : Path

    Raises
    ------
    SpecError
        When no file is called like a table, or two are.
    """
    endings = tuple(ENDINGS.split())
    paths = [p for p in sorted(Path(folder).glob("*")) if p.name.lower().endswith(endings)]
    named = [(path.name.split(".")[0].lower(), path) for path in paths]
    found = {name: path for name, path in named if name in TABLES}
    twice = [path.name for name, path in named if name in TABLES and found[name] != path]
    if twice:
        how = "keep one file a table"
        raise SpecError("files", "a table has several files", where=twice, how=how)
    if not found:
        what = f"no file in {folder} is called like a table"
        raise SpecError("nothing_to_check", what, how=f"the tables are {', '.join(TABLES)}")
    return found


def check_files(
    tables: Mapping[str, str | Path],
    *,
    role: str | None = None,
    observed_until: str | None = None,
    columns: Mapping[str, Columns] | None = None,
) -> dict[str, Any]:
    """Read record files, check each and all together.

    Parameters
    ----------
    tables : mapping
        Files by the name of their table, with columns as in data_dictionary/. All units of the
        others must be in ``units``, if it is given, and all their years in ``calendar``, which is
        used and not among what is returned.
    role : str, optional
        Role of all rows where tenures or roster have no such column.
    observed_until : str, optional
        Date or school-year time at which spells without a stop are right-censored.
    columns : mapping, optional
        By table, how the file differs from its contract, as ``columns=`` of its reader.

    Returns
    -------
    dict
        Records by name, each with a ``summary()``.

    Raises
    ------
    DataError
        One error with the faults of all files, keys that are not in the table that they refer to
        among them.
    """
    other = [name for name in tables if name not in ORDER]
    if other:
        how = f"the tables are {', '.join(ORDER)}"
        raise SpecError("files", f"no table is called {', '.join(other)}", how=how)
    paths = {name: Path(tables[name]) for name in ORDER if name in tables}
    if not paths:
        raise SpecError("nothing_to_check", "no file was named", how="name at least one file")
    if "unit_changes" in paths and "units" not in paths:
        how = "name the file of units too: the units that change must be there"
        raise SpecError("files", "changes of units were named without units", how=how)
    says = dict(columns or {})
    unknown = sorted(set(says) - set(paths))
    if unknown:
        how = f"the files that were named are {', '.join(paths)}"
        raise SpecError("columns", f"no file was named for {', '.join(unknown)}", how=how)
    found, faults = _read_all(paths, says, role, observed_until)
    faults += _unknown_keys(paths, says, found.get("units"))
    if {"partnerships", "programs"} <= set(found):
        found["partnerships"], more = _programs_of_partnerships(found, paths["partnerships"])
        faults += [f for f in more if f.rule != "unknown_program"]
    raise_faults(faults)
    return {name: records for name, records in found.items() if name != "calendar"}


def _programs_of_partnerships(
    found: Mapping[str, Any], path: Path
) -> tuple[Partnerships, list[Fault]]:
    """Compare partnerships with the programs that they support."""
    partnerships: Partnerships = found["partnerships"]
    try:
        return partnerships.check_programs(found["programs"]), []
    except DataError as error:
        return partnerships, [replace(fault, source=path.name) for fault in error.faults]


def _read_all(
    paths: Mapping[str, Path],
    columns: Mapping[str, Columns],
    role: str | None,
    until: str | None,
) -> tuple[dict[str, Any], list[Fault]]:
    """Return the records of each file that can be read, and the faults of the others.

    The calendar and the units come first: they hold for those after them.
    """
    found: dict[str, Any] = {}
    faults: list[Fault] = []

    def reader(name: str, path: Path) -> Any:
        say, years, units = columns.get(name), found.get("calendar"), found.get("units")
        readers: dict[str, Callable[[], Any]] = {
            "calendar": lambda: read_calendar(path, columns=say),
            "units": lambda: Units.from_frame(
                path,
                paths.get("unit_changes"),
                columns=say,
                change_columns=columns.get("unit_changes"),
                calendar=years,
            ),
            "tenures": lambda: Tenures.from_spells(
                path, columns=say, role=role, calendar=years, units=units, observed_until=until
            ),
            "roster": lambda: Tenures.from_roster(
                path, columns=say, role=role, calendar=years, units=units
            ),
            "outcomes": lambda: Outcomes.from_frame(path, columns=say, calendar=years),
            "programs": lambda: Programs.from_frame(
                path, columns=say, calendar=years, observed_until=until
            ),
            "program_status": lambda: Programs.from_status(path, columns=say, calendar=years),
            "partnerships": lambda: Partnerships.from_frame(
                path, columns=say, calendar=years, observed_until=until
            ),
        }
        return readers[name]()

    for name, path in paths.items():
        if name != "unit_changes":
            try:
                found[name] = reader(name, path)
            except DataError as error:
                faults += error.faults
    return found, faults


def _unknown_keys(
    paths: Mapping[str, Path], columns: Mapping[str, Columns], units: Units | None
) -> list[Fault]:
    """Return the faults of rows whose key is not in the table that it refers to.

    Files with other faults take part too, if their keys can be read. Units without a leader are
    a fault as well: nothing can be said of them. The readers of tenures look for their units
    themselves, if these could be read. Ids that units had before a change are known.
    """
    frames = {name: _readable(name, path, columns.get(name)) for name, path in paths.items()}
    keys = dict(frames)
    if "unit_changes" in frames:
        keys["units"] = pd.concat([frames["units"], frames["unit_changes"]])
    faults: list[Fault] = []
    for name, path in paths.items():
        lost = np.zeros(len(frames[name]), dtype=bool)
        for reference in load_contract(name).references:
            (column,), (key,) = reference.fields, reference.keys
            known = keys.get(reference.table, pd.DataFrame()).get(key)
            if known is None or (name in WITH_LEADERS and units is not None):
                continue
            bad = _not_in(frames[name], column, known)
            lost |= bad & (column == "unit_id")
            found = row_fault(
                f"unknown_{column.removesuffix('_id')}",
                name,
                f"'{column}' is in no row of {reference.table}",
                f"correct it (have leading zeros been lost?), or add the row to {reference.table}",
                frames[name],
                bad,
                tuple(dict.fromkeys([*SHOWN, column])),
            )
            faults += [replace(fault, source=path.name) for fault in found]
        if name in WITHOUT:
            faults += _without_leaders(name, path, frames, lost, units)
    return faults


def _without_leaders(
    name: str,
    path: Path,
    frames: Mapping[str, pd.DataFrame],
    lost: BoolArray,
    units: Units | None,
) -> list[Fault]:
    """Return the fault of rows whose unit no file with leaders has, under any of its ids."""
    led = [frames[table].get("unit_id") for table in WITH_LEADERS if table in frames]
    if not led or any(ids is None for ids in led):
        return []
    known, frame = pd.concat([ids for ids in led if ids is not None]), frames[name]
    if units is not None and "unit_id" in frame.columns:
        known = units.current_ids(known)
        frame = frame.assign(unit_id=units.current_ids(frame["unit_id"]))
    found = row_fault(
        "unknown_unit",
        name,
        "units have no tenure record",
        "correct the unit ids (have leading zeros been lost?), or take these rows out",
        frames[name],
        _not_in(frame, "unit_id", known) & ~lost,
        SHOWN,
    )
    return [replace(fault, source=path.name) for fault in found]


def _not_in(frame: pd.DataFrame, column: str, known: pd.Series) -> BoolArray:
    """Mark the cells of a column that are there and not among those known."""
    if column not in frame.columns:
        return np.zeros(len(frame), dtype=bool)
    cells = frame[column]
    return np.asarray((cells.notna() & ~cells.isin(known.dropna())).to_numpy(dtype=bool))


def _readable(name: str, path: Path, columns: Columns) -> pd.DataFrame:
    """Return a file with its cells in their types, nothing where it can't be read."""
    try:
        return conform(path, load_contract(name), columns, SchoolCalendar()).frame
    except DataError:
        return pd.DataFrame()
