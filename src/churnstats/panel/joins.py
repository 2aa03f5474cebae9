"""Other tables put on a panel: declared joins, what found no partner, and coverage by year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, IntArray
from churnstats.records.ingest import row_fault, to_pandas
from churnstats.records.outcomes import Outcomes
from churnstats.records.units.units import Units

if TYPE_CHECKING:
    from churnstats.panel.panel import Panel

Relation: TypeAlias = Literal["1:1", "m:1"]
Miss: TypeAlias = Literal["keep", "fault", "drop"]
UnknownUnits: TypeAlias = Literal["error", "drop"]
KEY = ("unit_id", "school_year_end")
MATCHED, PARENT = "matched", "parent_id"


@dataclass(frozen=True, eq=False)
class Join:
    """A table that belongs to a panel, and what must hold of the two.

    Parameters
    ----------
    table : frame, Outcomes or Units
        One row a key. Ids are text. Outcomes are taken as one row a unit and year, with the
        columns that `Panel.build` makes of their measures.
    on : sequence of str
        Columns of both: ``("unit_id",)`` for what units are in all years, or any column of the
        panel, such as one of an earlier join.
    relation : {"1:1", "m:1"}
        Whether a row of the table may serve several unit-years.
    missing : {"keep", "fault", "drop"}
        What a unit-year without a row in the table is: one with missing values, an error, or one
        to leave out of the panel, with the changes in it.
    columns : sequence of str, or mapping of str to str, optional
        Columns to take; a mapping gives their names in the panel. All but the keys by default.
    through : Units, optional
        The table is about the units' parents: its ``unit_id`` is sought among what each unit
        belonged to in that school year, which the panel gets as ``parent_id``.
    name : str
        What ledger and messages call the table.

    Examples
    --------
    >>> import pandas as pd
    >>> Join(pd.DataFrame({"unit_id": ["1"], "rural": [True]}), on=("unit_id",), relation="m:1",
    ...      name="districts").columns is None
    True
    """

    table: Any = field(repr=False)
    on: Sequence[str] = KEY
    relation: Relation = "1:1"
    missing: Miss = "keep"
    columns: Sequence[str] | Mapping[str, str] | None = None
    through: Units | None = None
    name: str = "table"

    def __post_init__(self) -> None:
        wrong = []
        if isinstance(self.on, str) or not self.on or len(set(self.on)) < len(self.on):
            wrong.append(f"on={self.on!r}: a list of different columns, ('unit_id',)")
        if self.relation not in ("1:1", "m:1"):
            wrong.append(f"relation={self.relation!r}: '1:1' or 'm:1'")
        if self.missing not in ("keep", "fault", "drop"):
            wrong.append(f"missing={self.missing!r}: 'keep', 'fault' or 'drop'")
        if isinstance(self.columns, str):
            wrong.append(f"columns={self.columns!r}: a list of columns, or old names to new ones")
        through: Any = self.through
        if through is not None and not isinstance(through, Units):
            wrong.append(f"through= is of type {type(through).__name__}: Units")
        elif through is not None and (self.relation == "1:1" or "unit_id" not in self.on):
            wrong.append("through=: many units have one parent: relation='m:1', on unit_id")
        if wrong:
            raise SpecError("join", f"'{self.name}' can't be joined like this", where=wrong)


class _Match(NamedTuple):
    """Which row of the table each unit-year has (-1: none), and why others have no partner."""

    table: pd.DataFrame
    parent: pd.Series | None
    row: IntArray
    of_panel: pd.Series
    of_table: pd.Series


def join_panel(panel: Panel, join: Join) -> Panel:
    """Put the columns of a table on a panel, and into its ledger what found no partner.

    Parameters
    ----------
    panel : Panel
    join : Join

    Returns
    -------
    Panel
        Unit-years without a row in the table have missing values in its columns; nothing is
        filled from other years. The ledger and ``matches`` count the unit-years and the rows of
        the table that have a partner, and those that have none. ``missing="drop"`` leaves out
        unit-years, with the exposure and the changes in them; spells stay as they are.

    Raises
    ------
    DataError
        Several rows of the table with one key; keys of another type; with ``missing="fault"``
        unit-years without a row.
    SpecError
        Columns that are not there, or there already; several unit-years a row in a 1:1 join; a
        table of which no id is in the panel.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> clubs = pd.DataFrame({"unit_id": ["BOS", "NYY"], "east": [True, True]})
    >>> declared = Join(clubs, on=("unit_id",), relation="m:1", name="clubs")
    >>> joined = join_panel(panel, declared)
    >>> len(joined.frame) == len(panel.frame), int(joined.frame["east"].sum())
    (True, 240)
    """
    match = _match(panel, join)
    if match.row.size and len(match.table) and not match.of_panel.cat.codes.isin([0, 3]).any():
        how = "write ids as in the panel, with leading zeros; for a table of parents, give through="
        raise SpecError("on", f"'{join.name}': no {join.on[0]} is in the panel", how=how)
    taken = _columns(match, join, panel.frame)
    values = match.table[list(taken)].rename(columns=taken)
    values = values.astype({c: "boolean" for c in values if values[c].dtype == bool})
    values = values.reset_index(drop=True).reindex(match.row).set_axis(panel.frame.index)
    frame = pd.concat([panel.frame, values], axis=1)
    if match.parent is not None and PARENT not in panel.frame:
        frame.insert(len(panel.frame.columns), PARENT, match.parent)
    lost = match.row < 0
    if join.missing == "fault":
        how = "complete the table, or set missing= to 'keep' or 'drop'"
        what = "unit-years have no row in the table"
        shown = tuple(dict.fromkeys((*KEY, *join.on)))
        raise_faults(row_fault("no_match", join.name, what, how, frame, lost, shown))
    ledger = _ledger(panel, join, match)
    events, exposure, masked = panel.events, panel.exposure, panel.masked
    if join.missing == "drop":
        frame = frame[~lost].reset_index(drop=True)
        events, exposure = _inside(events, frame), _inside(exposure, frame)
        masked = None if masked is None else _inside(masked, frame)
        n, left = len(panel.events), len(events)
        why = {"in unit-years that were left out": n - left}
        ledger = ledger.step(f"changes in unit-years with {join.name}", "changes", n, left, why)
    measures = panel.measures
    if isinstance(join.table, Outcomes):
        measures += tuple(taken[m] for m in join.table.measures if m in taken)
    return replace(
        panel,
        frame=frame,
        events=events,
        exposure=exposure,
        measures=measures,
        ledger=ledger,
        masked=masked,
        matches=pd.concat([panel.matches, _matches(match, join)], ignore_index=True),
    )


def join_outcomes(panel: Panel, outcomes: Outcomes, unknown_units: UnknownUnits) -> Panel:
    """Put outcomes on a panel that has none, as `Panel.build` does; its ledger counts their rows.

    Parameters
    ----------
    panel : Panel
    outcomes : Outcomes
    unknown_units : {"error", "drop"}
        What outcomes of units without a tenure record are.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures)
    >>> join_outcomes(panel, data.outcomes, "error").measures
    ('run_difference', 'win_share')
    """
    if unknown_units not in ("error", "drop"):
        raise SpecError("unknown_units", f"'{unknown_units}' is no rule", how="'error' or 'drop'")
    table, key = outcomes.frame, list(KEY)
    known = table["unit_id"].isin(panel.frame["unit_id"].drop_duplicates()).to_numpy()
    if unknown_units == "error":
        what = "units have no tenure record"
        how = "correct the unit ids (lost leading zeros?), or set unknown_units='drop'"
        raise_faults(row_fault("unknown_unit", "outcomes", what, how, table, ~known, KEY))
    there = pd.MultiIndex.from_frame(panel.frame[key])
    inside = pd.MultiIndex.from_frame(table[key].astype({KEY[1]: "int64"})).isin(there)
    step = RowLedger().step(
        "outcomes joined to the panel",
        "outcome rows",
        len(table),
        int(inside.sum()),
        {
            "of units without a tenure record": int((~known).sum()),
            "in years in which no tenure of the unit is observed": int((known & ~inside).sum()),
        },
    )
    joined = join_panel(panel, Join(outcomes, name="outcomes"))
    return replace(joined, ledger=panel.ledger + outcomes.ledger + step)


def match_table(panel: Panel, join: Join) -> pd.DataFrame:
    """Count what finds a partner in a join and what finds none, on both sides.

    Parameters
    ----------
    panel : Panel
        Before the join.
    join : Join

    Returns
    -------
    DataFrame
        ``join, side, reason, n``: the reason is "matched" or why there is no partner. The counts
        of the side "panel" add up to its unit-years, those of "table" to the table's rows.

    Raises
    ------
    DataError, SpecError
        As `join_panel`.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> clubs = pd.DataFrame({"unit_id": ["BOS", "MOON"], "east": [True, False]})
    >>> match_table(panel, Join(clubs, on=("unit_id",), relation="m:1", name="clubs"))
        join   side                              reason     n
    0  clubs  panel                             matched   120
    1  clubs  panel  of units that are not in the table  2436
    2  clubs  table                             matched     1
    3  clubs  table  of units that are not in the panel     1
    """
    return _matches(_match(panel, join), join)


def coverage_by_year(panel: Panel, measures: Sequence[str] | None = None) -> pd.DataFrame:
    """Count in which school years unit-years have an outcome.

    Parameters
    ----------
    panel : Panel
    measures : sequence of str, optional
        Columns of the panel; its measures by default.

    Returns
    -------
    DataFrame
        One row a measure and school year from the panel's first to its last: ``measure,
        school_year_end, n_unit_years, n_with_outcome, coverage_share`` (NaN without unit-years)
        and ``status``: "measured"; "gap" where nobody has an outcome between years in which
        somebody has (as in 2020 and 2021, when no tests were taken); "outside" before the first
        and after the last of these.

    Raises
    ------
    SpecError
        No measure, or columns that the panel does not have.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> made = coverage_by_year(cs.Panel.build(data.tenures, data.outcomes), ["win_share"])
    >>> made["status"].unique().tolist()
    ['measured']
    """
    named = panel.measures if measures is None else measures
    if isinstance(named, str) or not len(named):
        raise SpecError("measures", "no measures are named", how="measures=['math']")
    absent = [m for m in named if m not in panel.frame]
    if absent:
        raise SpecError("measures", "the panel lacks columns", where=absent)
    year = panel.frame["school_year_end"]
    years = pd.RangeIndex(year.min(), year.max() + 1, name="school_year_end")
    n = year.value_counts().reindex(years, fill_value=0)
    parts = []
    for measure in named:
        value = panel.frame[measure]
        known = value.notna() & ~value.isin([np.inf, -np.inf])
        has = year[known].value_counts().reindex(years, fill_value=0)
        seen = has.index[has > 0]
        between = (years >= seen.min()) & (years <= seen.max()) if len(seen) else years < 0
        part = pd.DataFrame({"n_unit_years": n, "n_with_outcome": has, "coverage_share": has / n})
        part["status"] = np.select([has > 0, between], ["measured", "gap"], "outside")
        part.insert(0, "measure", measure)
        parts.append(part.rename_axis("school_year_end").reset_index())
    made = pd.concat(parts, ignore_index=True)
    order = ["measure", "school_year_end", "n_unit_years", "n_with_outcome", "coverage_share"]
    return made[[*order, "status"]]


# ---------------------------------------------------------------- who finds whom


def _match(panel: Panel, join: Any) -> _Match:
    """Find the row of the table for each unit-year; raise what is wrong with the keys."""
    if not isinstance(join, Join):
        what = f"{type(join).__name__} is no Join"
        raise SpecError(
            "join", what, how="declare it: Join(table, on=('unit_id',), relation='m:1')"
        )
    frame, table = panel.frame, _table(join)
    for side, columns in (("panel", frame.columns), ("table", table.columns)):
        absent = [c for c in join.on if c not in columns]
        if absent:
            raise SpecError("on", f"'{join.name}': the {side} lacks columns", where=absent)
    keys, parent = frame[list(join.on)], None
    wanted, faults = _like(table, keys, join)
    raise_faults(faults)
    if join.through is not None:
        parent = join.through.parent_at(frame["unit_id"], frame["school_year_end"]).astype("str")
        keys = keys.assign(unit_id=parent)
        wanted = wanted.assign(unit_id=join.through.current_ids(wanted["unit_id"]))
        if PARENT in frame and not frame[PARENT].equals(parent.rename(PARENT)):
            raise SpecError("through", f"the panel has another column '{PARENT}'", how="rename it")
    raise_faults(_repeated(table, wanted, join))
    has, had = keys.notna().all(axis=1).to_numpy(), wanted.notna().all(axis=1).to_numpy()
    row = _rows(keys, has, wanted, had)
    if join.relation == "1:1" and keys[row >= 0].duplicated().any():
        what = f"'{join.name}': several unit-years have the same {', '.join(join.on)}"
        raise SpecError("relation", what, how="relation='m:1'")
    used = np.zeros(len(table), dtype=bool)
    used[row[row >= 0]] = True
    of_panel = _reasons(keys, wanted, row >= 0, has, join, "panel")
    of_table = _reasons(wanted, keys, used, had, join, "table")
    return _Match(table, parent, row, of_panel, of_table)


def _table(join: Join) -> pd.DataFrame:
    """Return the table as a frame, outcomes with a row a unit and year."""
    if isinstance(join.table, (str, Path)):
        how = "read it first: pd.read_csv(path, dtype={'unit_id': str})"
        raise SpecError("table", f"'{join.name}' is a file, whose columns have no types", how=how)
    if not isinstance(join.table, Outcomes):
        table = join.table.frame if isinstance(join.table, Units) else join.table
        return to_pandas(table, join.name)
    parts = []
    for measure, rows in join.table.frame.groupby("measure", sort=True):
        names = {"estimate": measure, "std_error": f"{measure}_std_error"}
        names["n_obs"] = f"{measure}_n_obs"
        parts.append(rows.set_index(list(KEY))[list(names)].rename(columns=names))
    wide = pd.concat(parts, axis=1)
    _refuse_clash(list(wide.columns), KEY, join)
    return to_pandas(wide.reset_index(), join.name)


def _like(table: pd.DataFrame, keys: pd.DataFrame, join: Join) -> tuple[pd.DataFrame, list[Fault]]:
    """Return the table's keys as the panel has them, and cells that can't be read so."""
    made: dict[str, pd.Series] = {}
    faults: list[Fault] = []
    for name in join.on:
        told = table[name]
        if keys[name].dtype.kind in "iuf":
            number = pd.to_numeric(told, errors="coerce").astype("Float64")
            made[name] = pd.Series(number.to_numpy(dtype=float, na_value=np.nan), told.index)
            bad = (made[name].isna() & told.notna()).to_numpy()
            rule, words, how = "not_a_number", "must be a number", "correct these cells"
        else:
            made[name] = told.astype("str")
            bad = np.full(len(told), pd.api.types.is_numeric_dtype(told)) & told.notna().to_numpy()
            rule, words, how = "not_text", "must be text", "read it as text, with its leading zeros"
        what = f"'{name}' {words}, as in the panel"
        faults += row_fault(rule, join.name, what, how, table, bad, tuple(join.on))
    return pd.DataFrame(made, index=table.index), faults


def _repeated(table: pd.DataFrame, wanted: pd.DataFrame, join: Join) -> list[Fault]:
    complete = wanted.notna().all(axis=1).to_numpy()
    bad = wanted.duplicated(keep=False).to_numpy() & complete
    what = f"several rows have the same {', '.join(join.on)}"
    how = "keep one row of each, or add the column that tells them apart to on="
    return row_fault("duplicate_key", join.name, what, how, table, bad, tuple(join.on))


def _rows(keys: pd.DataFrame, has: BoolArray, wanted: pd.DataFrame, had: BoolArray) -> IntArray:
    """Return the position of the row with each key, -1 where there is none."""
    numbers = {c: float for c in keys if keys[c].dtype.kind in "iuf"}
    asked = keys[has].astype(numbers).assign(at=np.flatnonzero(has))
    told = wanted[had].assign(row=np.flatnonzero(had))
    found = asked.merge(told, on=list(keys), how="inner", validate="m:1")
    row = np.full(len(keys), -1, dtype=np.int64)
    row[found["at"]] = found["row"]
    return row


def _reasons(
    keys: pd.DataFrame, others: pd.DataFrame, found: BoolArray, has: BoolArray, join: Join,
    side: str,
) -> pd.Series:  # fmt: skip
    """Say for each row of one side that it is matched, or why it has no partner."""
    first, other = join.on[0], "table" if side == "panel" else "panel"
    nothing = f"without {' or '.join(join.on)}"
    unknown = f"of units that are not in the {other}"
    apart = f"in years that the {other} lacks for them"
    if join.through is not None and side == "panel":
        nothing = "of units without a known parent in that year"
        unknown = "of units whose parent is not in the table"
        apart = "in years that the table lacks for their parent"
    elif join.through is not None:
        unknown = "of units that are no parents in the panel"
    elif first != "unit_id":
        unknown = f"whose {first} is not in the {other}"
        apart = f"with keys that the {other} does not have together"
    known = keys[first].isin(others[first].drop_duplicates()).to_numpy()
    words = [MATCHED, nothing, unknown, apart]
    which = np.select([found, ~has, ~known], [0, 1, 2], 3)
    return pd.Series(
        pd.Categorical.from_codes(which, dtype=pd.CategoricalDtype(words)), index=keys.index
    )


def _columns(match: _Match, join: Join, frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns to take, and their names in the panel."""
    told = join.columns
    if told is None:
        told = [str(c) for c in match.table.columns if c not in join.on]
    taken = dict(told) if isinstance(told, Mapping) else {c: c for c in told}
    absent = [c for c in taken if c not in match.table.columns]
    if absent:
        raise SpecError("columns", f"'{join.name}' lacks columns", where=absent)
    there = [*frame.columns, *([PARENT] if join.through is not None else [])]
    twice = match.table.columns[match.table.columns.duplicated()]
    _refuse_clash([*taken.values(), *twice], [*there, *twice], join)
    return taken


def _refuse_clash(names: Sequence[str], there: Sequence[str], join: Join) -> None:
    """Raise if names of new columns are there already, or come twice."""
    made = pd.Index(list(names))
    clash = sorted({*made[made.duplicated()], *made.intersection(list(there))})
    if clash:
        measures = isinstance(join.table, Outcomes)
        raise SpecError(
            "columns",
            f"'{join.name}' gives the panel two columns of one name",
            where=clash,
            how="rename the measures" if measures else "columns={'its name': 'the panel's name'}",
        )


# ---------------------------------------------------------------- what is counted


def _counts(reasons: pd.Series) -> dict[str, int]:
    """Return how often each reason occurs; matched ones are counted even if there are none."""
    counts = reasons.value_counts(sort=False)
    return {str(r): int(n) for r, n in counts.items() if n or r == MATCHED}


def _ledger(panel: Panel, join: Join, match: _Match) -> RowLedger:
    units = (f"look-ups in {join.name}", f"rows of {join.name}")
    if any(step.unit in units for step in panel.ledger.steps):
        what = f"a table called '{join.name}' is joined already"
        raise SpecError("name", what, how="give this one another name=")
    lost = _counts(match.of_panel)
    n, found = len(panel.frame), lost.pop(MATCHED)
    if join.missing == "drop":
        ledger = panel.ledger.step(f"with a row of {join.name}", "unit-years", n, found, lost)
    else:
        ledger = panel.ledger.step("one for each unit-year", units[0], n, n)
        ledger = ledger.step("found", units[0], n, found, lost)
    lost = _counts(match.of_table)
    used = lost.pop(MATCHED)
    return ledger.step("used", units[1], len(match.table), used, lost)


def _matches(match: _Match, join: Join) -> pd.DataFrame:
    """Return one row a side and reason."""
    rows = [
        (join.name, side, reason, n)
        for side, reasons in (("panel", match.of_panel), ("table", match.of_table))
        for reason, n in _counts(reasons).items()
    ]
    return pd.DataFrame(rows, columns=["join", "side", "reason", "n"])


def _inside(rows: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose unit-year is in a frame."""
    there = pd.MultiIndex.from_frame(frame[list(KEY)])
    inside = pd.MultiIndex.from_frame(rows[list(KEY)]).isin(there)
    return rows[inside].reset_index(drop=True)
