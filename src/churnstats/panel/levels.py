"""Schools in districts: events of a district reach its schools, measures of schools roll up.

Which district a school belongs to is asked for every school year anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray
from churnstats.panel.panel import Panel
from churnstats.records.ingest import row_fault, to_pandas
from churnstats.records.units.units import Units

How: TypeAlias = Literal["mean", "share", "size-weighted"]
SUFFIX = {"mean": "mean", "share": "share", "size-weighted": "weighted_mean"}
KEY = ["unit_id", "school_year_end"]
DISTRICT_YEAR = ["parent_id", "school_year_end"]


@dataclass(frozen=True, eq=False)
class LevelTable:
    """Rows carried from one level to another, and what was left behind.

    Attributes
    ----------
    frame : DataFrame
    issues : IssueLog
        Every row without a district: `IssueLog.rows` lists them.
    ledger : RowLedger
    """

    frame: pd.DataFrame
    issues: IssueLog
    ledger: RowLedger


def home_units(units: Units | None, unit_id: pd.Series, school_year_end: pd.Series) -> pd.Series:
    """Return the district that each unit counts for in a school year.

    That of a school (or of a unit without a level) is its parent in that year; any other unit
    stands for itself, and so does a school whose parent nobody knows.
    """
    if units is None:
        return unit_id
    own = units.current_ids(unit_id)
    level = own.map(units.frame.set_index("unit_id")["level"])
    below = level.eq("school") | level.isna()
    parent = units.parent_at(unit_id, school_year_end)
    return parent.where(below & parent.notna(), own).astype("str")


def district_events_on_schools(
    district_panel: Panel, school_panel: Panel, units: Units
) -> LevelTable:
    """Return the events of districts on the schools that belong to them at that time.

    Parameters
    ----------
    district_panel, school_panel : Panel
    units : Units
        Says which district each school belongs to in the school year of the event.

    Returns
    -------
    LevelTable
        One row a school, school year and event of its district: ``unit_id`` (the school's),
        ``school_year_end, parent_id``, then all columns of `Panel.events`; ``event_unit_id`` is
        the event's own unit. The issues list the school-years without a district, the ledger
        counts them, and the events that reach no school of the panel.

    Examples
    --------
    >>> import churnstats as cs
    >>> sim = cs.datasets.simulate_districts(3, 5, n_schools=2, n_directors=0, seed=2)
    >>> tenures = cs.Tenures.from_spells(sim.tenures)
    >>> heads = cs.Panel.build(tenures, role="superintendent")
    >>> schools = cs.Panel.build(tenures, role="principal")
    >>> reached = district_events_on_schools(heads, schools, cs.Units.from_frame(sim.units))
    >>> len(heads.events), len(reached.frame)
    (1, 2)
    """
    schools = school_panel.frame[KEY].copy()
    schools["parent_id"] = units.parent_at(schools["unit_id"], schools["school_year_end"])
    orphan = schools["parent_id"].isna().to_numpy(dtype=bool)
    events = district_panel.events.rename(columns={"unit_id": "event_unit_id"})
    events = events.assign(parent_id=units.current_ids(events["event_unit_id"]))
    made = schools[~orphan].merge(events, on=DISTRICT_YEAR, how="inner", validate="m:m")
    order = ["unit_id", "school_year_end", "start", "event_id"]
    made = made.sort_values(order, kind="stable", ignore_index=True)
    ledger = _placed(len(schools), orphan, "school-years")
    n_reached = int(events["event_id"].isin(made["event_id"]).sum())
    missed = {"no school of the panel belongs to the district then": len(events) - n_reached}
    ledger = ledger.step("events that reach a school", "events", len(events), n_reached, missed)
    return LevelTable(made, _orphans(schools, orphan, "school panel"), ledger)


def roll_up(
    frame: pd.DataFrame,
    units: Units,
    *,
    measures: Sequence[str],
    how: How = "mean",
    size: str | None = None,
) -> LevelTable:
    """Return measures of schools by district and school year.

    Parameters
    ----------
    frame : DataFrame
        ``unit_id, school_year_end`` and the measures, one row a school and year.
    units : Units
        Says which district each school belongs to in each year.
    measures : sequence of str
        Columns of the frame: numbers, or flags for ``"share"``.
    how : {"mean", "share", "size-weighted"}
        Mean over schools, share of schools whose flag is true, or mean over schools weighted by
        ``size``.
    size : str, optional
        Column of sizes, such as students, for ``"size-weighted"``.

    Returns
    -------
    LevelTable
        One row a district and year: ``unit_id`` (the district's), ``school_year_end, n_units``,
        and for each measure m ``m_mean``, ``m_share`` or ``m_weighted_mean``, over the schools
        that have it, and ``m_coverage_share``: these over all schools of the district (their
        sizes over all sizes, for weighted means; NaN where a size is missing). NaN where no
        school has it.

    Raises
    ------
    DataError
        Two rows of one school and year, negative sizes.
    SpecError
        An unknown way, columns that are not there, sizes not given or not used, flags that are
        none.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> units = cs.Units.from_frame(pd.DataFrame({
    ...     "unit_id": ["1", "11", "12"], "level": ["district", "school", "school"],
    ...     "parent_id": [None, "1", "1"]}))
    >>> schools = pd.DataFrame({"unit_id": ["11", "12"], "school_year_end": 2019,
    ...                         "math": [1.0, 4.0], "students": [200, 100]})
    >>> made = roll_up(schools, units, measures=["math"], how="size-weighted", size="students")
    >>> made.frame["math_weighted_mean"].tolist()
    [2.0]
    """
    _check_request(measures, how, size)
    rows = to_pandas(frame, "school measures")
    needed = [*KEY, *measures, *([size] if size else [])]
    absent = [c for c in needed if c not in rows.columns]
    if absent:
        raise SpecError("columns", "the frame lacks columns", where=absent)
    _check_rows(rows, size)
    values = {m: _numbers(rows[m], m, how) for m in measures}
    parent = units.parent_at(rows["unit_id"], rows["school_year_end"])
    orphan = parent.isna().to_numpy(dtype=bool)
    weight = rows[size].astype(float) if size else pd.Series(1.0, index=rows.index)
    keys = [parent[~orphan], rows.loc[~orphan, "school_year_end"]]
    made = pd.DataFrame({"n_units": weight[~orphan].groupby(keys).size()})
    total = weight[~orphan].groupby(keys).sum(min_count=1)
    unsized = weight[~orphan].isna().groupby(keys).any()
    for measure, value in values.items():
        known = value.notna() & weight.notna() & ~orphan
        places = [k[known[~orphan]] for k in keys]
        n = weight[known].groupby(places).sum().reindex(made.index, fill_value=0.0)
        top = (value * weight)[known].groupby(places).sum().reindex(made.index)
        made[f"{measure}_{SUFFIX[how]}"] = top / n.where(n > 0)
        made[f"{measure}_coverage_share"] = (n / total.where(total > 0)).mask(unsized)
    made = made.rename_axis(index=KEY).reset_index()
    ledger = _placed(len(rows), orphan, "school-years")
    return LevelTable(made, _orphans(rows, orphan, "school measures"), ledger)


def _check_request(measures: Sequence[str], how: str, size: str | None) -> None:
    if how not in SUFFIX:
        raise SpecError("how", f"'{how}' is no way to roll up", how=f"one of {', '.join(SUFFIX)}")
    if isinstance(measures, str) or not len(measures):
        raise SpecError("measures", "measures are a list of columns", how="measures=['math']")
    if (how == "size-weighted") != (size is not None):
        raise SpecError(
            "size",
            "sizes go with how='size-weighted', and with nothing else",
            how="name the column: size='students'; or leave it out",
        )


def _check_rows(rows: pd.DataFrame, size: str | None) -> None:
    """Raise if a school and year has two rows, or a size is negative."""
    faults = row_fault(
        "duplicate",
        "school measures",
        "a school has two rows in one year",
        "keep one row a school and year",
        rows,
        rows.duplicated(KEY, keep=False).to_numpy(),
        tuple(KEY),
    )
    if size:
        faults += row_fault(
            "below_minimum",
            "school measures",
            "sizes are negative",
            "correct them, or leave them empty",
            rows,
            (rows[size] < 0).to_numpy(dtype=bool, na_value=False),
            (*KEY, size),
        )
    raise_faults(faults)


def _numbers(values: pd.Series, name: str, how: How) -> pd.Series:
    """Return the values of a measure as numbers, with NaN for missing ones."""
    number = pd.to_numeric(values, errors="coerce").astype("Float64")
    number = number.mask(number.isna(), pd.NA)
    if (number.isna() & values.notna()).any():
        raise SpecError("measures", f"'{name}' has values that are no numbers")
    if how == "share" and not number.dropna().isin([0, 1]).all():
        raise SpecError("measures", f"'{name}' is no flag", how="'mean', or make it true or false")
    return pd.Series(number.to_numpy(dtype=float, na_value=np.nan), index=values.index)


def _placed(n: int, orphan: BoolArray, unit: str) -> RowLedger:
    lost = {"without a district in that year": int(orphan.sum())}
    return RowLedger().step("rows with a district", unit, n, n - int(orphan.sum()), lost)


def _orphans(rows: pd.DataFrame, orphan: BoolArray, table: str) -> IssueLog:
    """Return the rows without a district."""
    found = row_fault(
        "no_parent",
        table,
        "schools belong to no known district in that year",
        "give them a parent_id, or a change to a new parent",
        rows,
        orphan,
        tuple(KEY),
    )
    return IssueLog(tuple((fault, "left out") for fault in found))
