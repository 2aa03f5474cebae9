"""Several record files checked together: one error with the faults of all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from churnstats.core.errors import DataError, Fault, SpecError
from churnstats.records.ingest import row_fault
from churnstats.records.outcomes import Outcomes
from churnstats.records.programs import Programs
from churnstats.records.tenures import Tenures


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
        Date or school-year time at which spells without a stop are right-censored.

    Returns
    -------
    dict
        Records by name, each with a ``summary()``.

    Raises
    ------
    DataError
        One error with the faults of all files, units that tenures do not know among them.
    """
    until = _number_or_text(observed_until)
    numeric = until if isinstance(until, float) else None
    readers: dict[str, tuple[Path | None, Callable[[Path], Any]]] = {
        "tenures": (
            tenures, lambda p: Tenures.from_spells(p, role=role, observed_until=until)),
        "roster": (roster, lambda p: Tenures.from_roster(p, role=role)),
        "outcomes": (outcomes, Outcomes.from_frame),
        "programs": (programs, lambda p: Programs.from_frame(p, observed_until=numeric)),
    }
    if all(path is None for path, _ in readers.values()):
        raise SpecError("nothing_to_check", "no file was named", how="name at least one file")
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, (path, read) in readers.items():
        if path is None:
            continue
        try:
            found[name] = read(path)
        except DataError as error:
            faults += error.faults
    faults += unknown_units(found)
    if faults:
        raise DataError(faults)
    return found


def unknown_units(records: dict[str, Any]) -> list[Fault]:
    """Return outcomes and programs of units that have no tenure record."""
    known: set[str] = set()
    for name in ("tenures", "roster"):
        if name in records:
            known |= set(records[name].frame["unit_id"])
    if not known:
        return []
    faults: list[Fault] = []
    for name in ("outcomes", "programs"):
        if name in records:
            frame = records[name].frame
            bad = np.asarray(~frame["unit_id"].isin(known))
            faults += row_fault(
                "unknown_unit", name, "units have no tenure record",
                "correct the unit ids (lost leading zeros?), or take these rows out", frame, bad,
                ("unit_id", "school_year_end", "program_id"))
    return faults


def _number_or_text(value: str | None) -> float | str | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return value
