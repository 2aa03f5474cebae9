"""Rosters to spellings: what a unit's rows call its holders, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault
from churnstats.core.issues import raise_faults
from churnstats.core.types import FloatArray, IntArray
from churnstats.records.ingest import row_fault, source_name, to_pandas
from churnstats.records.people.names import PersonName, distinct_names
from churnstats.records.people.pairs import Nodes

TABLE = "roster"
PERSON, PLACEHOLDER, TWO_PEOPLE = "person", "placeholder", "two people"

RosterColumns: TypeAlias = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, repr=False)
class RosterRows:
    """A roster in the columns that linking needs, and as it came.

    Attributes
    ----------
    frame : DataFrame
        ``unit_id, name, role, group`` (text) and ``year``.
    source : DataFrame
    """

    frame: pd.DataFrame
    source: pd.DataFrame


def read_roster(data: Any, columns: RosterColumns) -> RosterRows:
    """Return unit, name, year, role and group of each row, and the frame as it came.

    Parameters
    ----------
    data : frame or path
    columns : mapping
        What ``unit_id, name`` and, if any, ``time, role`` and ``group`` are called in the data.
        A name may lie in several columns, that of the family name last.
    """
    source = to_pandas(data, TABLE)
    asked = [
        c for given in columns.values() for c in ([given] if isinstance(given, str) else given)
    ]
    absent = [c for c in asked if c not in source.columns]
    if absent:
        how = "say what they are called: unit=, name=, time=, role= and group= name columns"
        fault = Fault("missing_column", TABLE, f"no column {', '.join(absent)}", how, 0)
        raise_faults([fault], source_name(data))
    made = pd.DataFrame(index=source.index)
    for column in ("unit_id", "name", "role", "group"):
        made[column] = _text(source, columns.get(column, ()))
    year = np.zeros(len(source))
    if "time" in columns:
        year = pd.to_numeric(source[columns["time"]], errors="coerce").to_numpy(
            dtype=float, na_value=np.nan
        )
    raise_faults(_faults(made, source, year, columns), source_name(data))
    made["year"] = year.astype(np.int64)
    return RosterRows(made, source)


def _text(source: pd.DataFrame, given: str | tuple[str, ...]) -> pd.Series:
    """Return a column as text without outer blanks, or several as "last, first and others"."""
    if isinstance(given, str):
        return source[given].astype("str").str.strip().fillna("")
    joined = pd.Series("", index=source.index, dtype="str")
    if given:
        for column in given[:-1]:
            joined = (joined + " " + _text(source, column)).str.strip()
        family = _text(source, given[-1])
        whole = family + ", " + joined
        joined = whole.mask(joined == "", family).mask(family == "", joined)
    return joined


def _faults(
    made: pd.DataFrame, source: pd.DataFrame, year: FloatArray, columns: RosterColumns
) -> list[Fault]:
    """Return rows without a year, unit, role or group, and units that are in two groups."""
    shown = tuple(c for key, c in columns.items() if key != "name" and isinstance(c, str))
    out = "correct these cells, or take the rows out and say so"
    bad = ~(np.isfinite(year) & (year % 1 == 0))
    if not len(source):
        return [Fault("empty", TABLE, "the table has no rows", "give at least one", 0)]
    faults = row_fault(
        "not_a_year", TABLE, f"'{columns.get('time')}' must be a year", out, source, bad, shown
    )
    for column in ("unit_id", "role", "group"):
        if column in columns:
            message, bad = f"'{columns[column]}' is missing", (made[column] == "").to_numpy()
            faults += row_fault("missing_value", TABLE, message, out, source, bad, shown)
    pairs = made[["unit_id", "group"]].drop_duplicates()
    several = pairs["unit_id"][pairs["unit_id"].duplicated()]
    bad, message = made["unit_id"].isin(several).to_numpy(), "units are in several groups"
    how = "give each unit one group, or link the groups one by one"
    return faults + row_fault("unit_in_two_groups", TABLE, message, how, source, bad, shown)


def spellings_of(roster: pd.DataFrame) -> tuple[pd.DataFrame, list[PersonName]]:
    """Return one row a unit and spelling, sorted, with its years; and the parts of each."""
    groups = roster.groupby(["unit_id", "name"], sort=True)
    people = groups.agg(
        group=("group", "first"),
        first_year=("year", "min"),
        last_year=("year", "max"),
        n_rows=("year", "size"),
    ).reset_index()
    codes, distinct = distinct_names(people["name"])
    names = [distinct[c] for c in codes.tolist()]
    people["key"] = pd.array([n.key for n in names], dtype="str")
    people["is_interim"] = np.array([n.is_interim for n in names], dtype=bool)
    status = [
        PLACEHOLDER if n.is_placeholder else TWO_PEOPLE if n.is_two_people else PERSON
        for n in names
    ]
    people["status"] = pd.array(status, dtype="str")
    return people, names


def spelling_numbers(roster: pd.DataFrame, people: pd.DataFrame) -> IntArray:
    """Return the number of each row's spelling, -1 for an unknown one."""
    known = pd.MultiIndex.from_frame(people[["unit_id", "name"]])
    asked = pd.MultiIndex.from_frame(roster[["unit_id", "name"]])
    return known.get_indexer(asked).astype(np.int64)


def nodes_of(
    roster: pd.DataFrame,
    people: pd.DataFrame,
    names: Sequence[PersonName],
    apart: Sequence[tuple[int, int]],
) -> tuple[Nodes, IntArray]:
    """Return what is linked, and the node of each spelling: -1 where it names no one person.

    Spellings of a unit with one key are one node, unless ``apart`` has them.
    """
    own = np.zeros(len(people), dtype=np.int64)
    for a, b in apart:
        if tuple(people.loc[a, ["unit_id", "key"]]) == tuple(people.loc[b, ["unit_id", "key"]]):
            own[b] = b + 1
    named = (people["status"] == PERSON).to_numpy()
    keys = people[["unit_id", "key"]].assign(own=own)[named]
    node = np.full(len(people), -1, dtype=np.int64)
    node[named] = keys.groupby(["unit_id", "key", "own"], sort=True).ngroup().to_numpy()
    n = int(node.max(initial=-1)) + 1
    first = np.zeros(n, dtype=np.int64)
    order = people[named].sort_values(["first_year", "name"]).index.to_numpy()[::-1]
    first[node[order]] = order
    unit, group = (
        pd.factorize(people[c], sort=True)[0].astype(np.int64) for c in ("unit_id", "group")
    )
    cells = _cells(roster, people, node, n)
    return Nodes([names[i] for i in first.tolist()], first, unit[first], group[first], cells), node


def _cells(
    roster: pd.DataFrame, people: pd.DataFrame, node: IntArray, n: int
) -> list[frozenset[tuple[int, int]]]:
    """Return the posts and years of each node."""
    post = roster.groupby(["unit_id", "role"], sort=False).ngroup().to_numpy()
    held = pd.DataFrame(
        {"node": node[spelling_numbers(roster, people)], "post": post, "year": roster["year"]}
    )
    held = held[held["node"] >= 0].drop_duplicates().sort_values("node", kind="stable")
    cells = list(zip(held["post"].tolist(), held["year"].tolist(), strict=True))
    ends = np.searchsorted(held["node"].to_numpy(), np.arange(n + 1))
    return [frozenset(cells[i:j]) for i, j in pairwise(ends)]
