"""The queries that reduce student rows, as ibis expressions: the same ones on every backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import MAX_ROWS_SHOWN, Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.records.scale.columns import (
    LARGEST,
    Given,
    counted,
    number,
    read_keys,
    several_spellings,
    text_or_null,
)
from churnstats.records.scale.sources import Table

Limits: TypeAlias = tuple[float, float]

MAX_KEYS = 20_000
# What a row's numbers say of it: it is used, or the first of these that is true.
USED, NO_SCORE, NOT_A_SCORE, OUTSIDE, NO_WEIGHT, NOT_A_WEIGHT, ZERO_WEIGHT = range(7)
SET_ASIDE = {
    NO_SCORE: "no score",
    OUTSIDE: "score outside the limits",
    NO_WEIGHT: "no weight",
    ZERO_WEIGHT: "weight of 0",
}
FAULTS = {
    NOT_A_SCORE: ("value", "must be a finite number"),
    NOT_A_WEIGHT: ("weight", "must be a finite number that is not negative"),
}


@dataclass(frozen=True)
class Survey:
    """What all rows hold, used or not.

    Parameters
    ----------
    n_rows, n_anonymous : int
        Rows that came in, and usable ones without a student's id.
    lost : mapping
        Rows that their numbers set aside, by reason.
    spellings : mapping
        By column, cells that are read as another cell is, and that cell.
    """

    n_rows: int
    n_anonymous: int
    lost: Mapping[str, int]
    spellings: Mapping[str, Mapping[Any, Any]]


def read_rows(
    given: Given,
    keys: tuple[str, ...],
    limits: Limits | Mapping[str, Limits] | None,
    measure: str | None,
) -> Table:
    """Return the columns used, scores and weights as numbers, and what is said against each row."""
    import ibis

    table = given.source.table
    value, missing, unreadable = number(given, "value")
    reasons = [(missing, NO_SCORE), (unreadable, NOT_A_SCORE)]
    if limits is not None:
        low, high = _bounds(given, limits, measure)
        reasons.append(((value < low) | (value > high), OUTSIDE))
    columns = {"unit_id": table["unit_id"], **{name: table[name] for name in keys}, "value": value}
    columns["value_cell"] = table["value"].cast("string")
    if given.has("student_id"):
        columns["student_id"] = text_or_null(given, "student_id")
    if given.has("weight"):
        weight, none, bad = number(given, "weight")
        reasons += [(none, NO_WEIGHT), (bad | (weight < 0), NOT_A_WEIGHT)]
        reasons.append((weight == 0, ZERO_WEIGHT))
        columns |= {"weight": weight, "weight_cell": table["weight"].cast("string")}
    return table.select(**columns, reason=ibis.cases(*reasons, else_=USED).cast("int8"))


def _bounds(given: Given, limits: Limits | Mapping[str, Limits], measure: str | None) -> Limits:
    """Return the lowest and highest score of each row's measure."""
    if not isinstance(limits, Mapping):
        return limits
    if measure is not None:
        return limits.get(measure, (-LARGEST, LARGEST))
    cells = given.source.table["measure"].cast("string").strip()
    values = given.mapping.values.get("measure", {})
    called = {cell: values.get(cell, cell) for cell in (*limits, *values)}
    found = [(cell, limits[name]) for cell, name in called.items() if name in limits]
    low, high = (
        cells.cases(*((cell, float(bounds[i])) for cell, bounds in found), else_=wide)
        for i, wide in ((0, -LARGEST), (1, LARGEST))
    )
    return low, high


def survey_rows(
    given: Given,
    rows: Table,
    keys: tuple[str, ...],
    calendar: SchoolCalendar,
    limits: Limits | Mapping[str, Limits] | None,
) -> Survey:
    """Count all rows by their keys and what is said against them; raise every fault found."""
    sums = {"n_rows": rows.count(), "n_anonymous": rows.count() * 0}
    if "student_id" in rows.columns:
        absent = rows.student_id.isnull() & (rows.reason == USED)
        sums["n_anonymous"] = absent.cast("int64").sum()
    counts = given.source.fetch(rows.group_by([*keys, "reason"]).agg(**sums).limit(MAX_KEYS + 1))
    if len(counts) > MAX_KEYS:
        what = f"{', '.join(keys)} have more than {MAX_KEYS:,} combinations: is one of them wrong?"
        raise given.source.fault("too_many_keys", what, "name the right columns: columns={...}")
    if counts.empty:
        raise given.source.fault("empty", "the table has no rows", "give at least one row")
    typed, faults = read_keys(given, counts, keys, calendar)
    faults += [f for reason in FAULTS for f in _number_fault(given, counts, rows, reason)]
    raise_faults(faults, given.source.file)
    if isinstance(limits, Mapping) and "measure" in keys:
        unknown = sorted(set(limits) - set(typed["measure"].dropna()))
        if unknown:
            what = f"limits are given for measures that there are not: {', '.join(unknown)}"
            how = f"the measures are {', '.join(sorted(set(typed['measure'].dropna())))}"
            raise SpecError("limits", what, how=how)
    by_reason = counts.groupby("reason")["n_rows"].sum()
    return Survey(
        int(counts["n_rows"].sum()),
        int(counts["n_anonymous"].sum()),
        {words: int(by_reason.get(reason, 0)) for reason, words in SET_ASIDE.items()},
        {
            n: several_spellings(counts[n], typed[n])
            for n in keys
            if n in ("school_year_end", "measure")
        },
    )


def _number_fault(given: Given, counts: pd.DataFrame, rows: Table, reason: int) -> list[Fault]:
    """Return the fault of cells that are no numbers, with those that most rows have."""
    n_rows = int(counts.loc[counts["reason"] == reason, "n_rows"].sum())
    if not n_rows:
        return []
    name, what = FAULTS[reason]
    bad = rows.filter(rows.reason == reason)
    cells = bad.group_by(cell=bad[f"{name}_cell"]).agg(n_rows=bad.count())
    most = given.source.fetch(
        cells.order_by(cells.n_rows.desc(), cells.cell).limit(MAX_ROWS_SHOWN + 1)
    )
    message = f"'{name}' {what}; {counted(most.set_index('cell')['n_rows'])}"
    how = f"correct them, or say which mean nothing: columns={{'missing': {{'{name}': [...]}}}}"
    return [Fault(f"not_a_{name}", "students", message, how, n_rows)]


def usable_rows(rows: Table) -> Table:
    """Return the rows that nothing is said against, with the columns that are used."""
    kept = [c for c in rows.columns if c != "reason" and not c.endswith("_cell")]
    return rows.filter(rows.reason == USED).select(*kept)


def respelled(rows: Table, spellings: Mapping[str, Mapping[Any, Any]]) -> Table:
    """Return rows in which a year or measure that is written in several ways is written in one."""
    changed = {
        name: rows[name].cases(*others.items(), else_=rows[name])
        for name, others in spellings.items()
        if others
    }
    return rows.mutate(**changed) if changed else rows


def sums(rows: Table, keys: tuple[str, ...]) -> Table:
    """Return counts and sums by key, taken about the mean of each key's scores."""
    means = rows.group_by(list(keys)).agg(centre=rows.value.mean())
    joined = rows.join(means, [rows[k].identical_to(means[k]) for k in keys])
    weighted = "weight" in rows.columns
    columns: dict[str, Any] = {k: rows[k] for k in keys}
    columns |= {"d": rows.value - means.centre, "centre": means.centre}
    near = joined.select(**columns, **({"w": rows.weight} if weighted else {}))
    d, made = near.d, {"n_rows": near.count(), "centre": near.centre.max()}
    if not weighted:
        return near.group_by(list(keys)).agg(**made, wd=d.sum(), wdd=(d * d).sum())
    w = near.w
    return near.group_by(list(keys)).agg(
        **made, w=w.sum(), v=(w * w).sum(), wd=(w * d).sum(), wdd=(w * d * d).sum(),
        wwd=(w * w * d).sum(), wwdd=(w * w * d * d).sum(),
    )  # fmt: skip
