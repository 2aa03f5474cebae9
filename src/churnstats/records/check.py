"""Several record files checked together: one error with the faults of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError, Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.records.ingest import conform, row_fault
from churnstats.records.outcomes import Outcomes
from churnstats.records.programs import Programs
from churnstats.records.tenures import Tenures
from churnstats.schemas.contract import load_contract

WITH_LEADERS, WITHOUT = ("tenures", "roster"), ("outcomes", "programs")


def check_files(
    *,
    tenures: Path | None = None,
    roster: Path | None = None,
    outcomes: Path | None = None,
    programs: Path | None = None,
    role: str | None = None,
    observed_until: str | None = None,
) -> dict[str, Any]:
    """Read record files, check each and all together.

    Parameters
    ----------
    tenures, roster, outcomes, programs : Path, optional
        Files with columns as in data_dictionary/.
    role : str, optional
        Role of all rows where tenures or roster have no such column.
    observed_until : str, optional
        Date or school-year time at which spells and programs without a stop are right-censored.

    Returns
    -------
    dict
        Records by name, each with a ``summary()``.

    Raises
    ------
    DataError
        One error with the faults of all files, units that tenures do not know among them.
    """
    given = {"tenures": tenures, "roster": roster, "outcomes": outcomes, "programs": programs}
    paths = {name: Path(path) for name, path in given.items() if path is not None}
    if not paths:
        raise SpecError("nothing_to_check", "no file was named", how="name at least one file")
    readers: dict[str, Callable[[Path], Any]] = {
        "tenures": lambda p: Tenures.from_spells(p, role=role, observed_until=observed_until),
        "roster": lambda p: Tenures.from_roster(p, role=role),
        "outcomes": Outcomes.from_frame,
        "programs": lambda p: Programs.from_frame(p, observed_until=observed_until),
    }
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, path in paths.items():
        try:
            found[name] = readers[name](path)
        except DataError as error:
            faults += error.faults
    raise_faults([*faults, *_unknown_units(paths)])
    return found


def _unknown_units(paths: Mapping[str, Path]) -> list[Fault]:
    """Return the fault of outcomes and programs of units that no file with leaders has.

    Files with other faults take part too, if their units can be read.
    """
    if not (paths.keys() & set(WITH_LEADERS) and paths.keys() & set(WITHOUT)):
        return []
    units = {name: _units(name, path) for name, path in paths.items()}
    led = [units[name]["unit_id"] for name in WITH_LEADERS if name in units]
    if any(series.empty for series in led):
        return []
    known = set(pd.concat(led).dropna())
    faults: list[Fault] = []
    for name in WITHOUT:
        if name in units:
            table = units[name]
            bad = (table["unit_id"].notna() & ~table["unit_id"].isin(known)).to_numpy(dtype=bool)
            found = row_fault(
                "unknown_unit",
                name,
                "units have no tenure record",
                "correct the unit ids (have leading zeros been lost?), or take these rows out",
                table,
                bad,
                ("unit_id", "school_year_end", "measure", "program_id"),
            )
            faults += [replace(fault, source=paths[name].name) for fault in found]
    return faults


def _units(name: str, path: Path) -> pd.DataFrame:
    """Return the keys of a file, empty where its units can't be read."""
    try:
        frame = conform(path, load_contract(name), None, SchoolCalendar()).frame
    except DataError:
        return pd.DataFrame({"unit_id": []})
    return frame if "unit_id" in frame.columns else pd.DataFrame({"unit_id": []})
