"""Staff rows to a roster, where the rows live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records.ingest import conform
from churnstats.records.readers.urban import ReadRows
from churnstats.records.scale.columns import pick
from churnstats.records.scale.repeats import COPY
from churnstats.records.scale.sources import open_source
from churnstats.schemas.contract import load_contract


def roster_from(
    source: Any,
    *,
    columns: Columns = None,
    role: str | None = None,
    only: Mapping[str, Sequence[Any]] | None = None,
    also: Sequence[str] = (),
    calendar: SchoolCalendar | None = None,
    backend: Any = None,
) -> ReadRows:
    """Reduce a staff file that need not fit in memory to the rows of a roster.

    Rows are chosen and made distinct where they are; what is fetched is a roster as
    `Tenures.from_roster` takes it.

    Parameters
    ----------
    source : path, sequence of paths, ibis.Table or frame
        As for `unit_year_moments`; columns as in data_dictionary/roster.md.
    columns : mapping or path, optional
        How the data differ from the contract; see data_dictionary/README.md.
    role : str, optional
        Role of all rows where the data have no such column.
    only : mapping of column to cells, optional
        The rows that are wanted, by columns of the data under the data's own names, such as
        ``{"position": ["Principal", "Interim Principal"]}``. Cells are compared as text.
    also : sequence of str
        Columns of the data to keep beside those of a roster.
    calendar : SchoolCalendar, optional
    backend : ibis backend, optional
        As for `unit_year_moments`.

    Returns
    -------
    ReadRows
        ``frame``, ``issues``, and a ``ledger`` of staff rows.

    Raises
    ------
    SpecError
        For options that can't be, and where ibis is not installed.
    DataError
        One error with every fault: columns that are missing or of the wrong type, cells that
        can't be read.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> staff = pd.DataFrame({
    ...     "unit_id": "0100005", "school_year_end": [2018, 2019, 2019, 2019],
    ...     "leader_id": ["a", "a", "a", "t"],
    ...     "position": ["Principal", "Principal", "Principal", "Teacher"]})
    >>> roster = cs.roster_from(staff, role="principal", only={"position": ["Principal"]})
    >>> print(roster.ledger)
    staff rows of a roster: 4 staff rows in, 2 kept
        - 1 another position
        - 1 copy of another row
    >>> cs.Tenures.from_roster(roster.frame).frame["start"].tolist()
    [2018.0]
    """
    wanted = _check(only, also)
    contract = load_contract("roster")
    with open_source(source, backend, "roster") as opened:
        given = pick(opened, contract, columns, others=(*wanted, *also))
        rows, lost = given.source.table, {}
        n_in = n_left = _count(given.source.fetch(rows.agg(n_rows=rows.count())))
        for name, cells in wanted.items():
            rows = rows.filter(rows[name].cast("string").strip().isin([str(c) for c in cells]))
            n_now = _count(given.source.fetch(rows.agg(n_rows=rows.count())))
            lost[f"another {name}"], n_left = n_left - n_now, n_now
        kept = [f for f in rows.columns if f in contract.names() or f in also]
        frame = given.source.fetch(rows.select(*kept).distinct())
    lost[COPY] = n_left - len(frame)
    parts = {
        "missing": dict(given.mapping.missing),
        "values": dict(given.mapping.values),
        "pad": {name: str(length) for name, length in given.mapping.pad.items()},
    }
    constants = {} if role is None else {"role": role}
    order = [c for c in ("unit_id", "school_year_end", "leader_id") if c in frame.columns]
    frame = frame.sort_values(order, ignore_index=True, kind="stable")
    made = conform(frame, contract, parts, calendar or SchoolCalendar(), constants)
    raise_faults(made.faults, given.source.file)
    ledger = RowLedger().step("staff rows of a roster", "staff rows", n_in, len(frame), lost)
    return ReadRows(made.frame.reset_index(drop=True), made.issues, ledger)


def _count(frame: Any) -> int:
    return int(frame["n_rows"].iloc[0])


def _check(only: Any, also: Any) -> dict[str, tuple[Any, ...]]:
    """Return the cells that are wanted by column."""
    if isinstance(also, str):
        raise SpecError("also", f"'{also}' is no list of columns", how=f"also=['{also}']")
    if only is not None and not isinstance(only, Mapping):
        what = f"{type(only).__name__} is no mapping of column to cells"
        raise SpecError("only", what, how="only={'position': ['Principal']}")
    single = [str(k) for k, cells in (only or {}).items() if isinstance(cells, (str, int))]
    if single:
        what = f"only= gives one cell and no list for {', '.join(single)}"
        raise SpecError("only", what, how="only={'position': ['Principal']}")
    return {str(name): tuple(cells) for name, cells in (only or {}).items()}
