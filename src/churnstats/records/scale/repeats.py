"""Several rows of one student, year and measure: found where they live, and set aside by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from churnstats.core.errors import Fault
from churnstats.core.issues import raise_faults
from churnstats.records.scale.sources import Source, Table

Repeats: TypeAlias = Literal["set_aside", "highest", "keep", "error"]
KEY = ("student_id", "school_year_end", "measure")
CHOICES = ("set_aside", "highest", "keep", "error")
COPY = "copy of another row"
LOST = {"set_aside": "student with several scores in a year", "highest": "lower of several scores"}


@dataclass(frozen=True)
class Single:
    """Rows of which no two are of one student, year and measure.

    Parameters
    ----------
    table : ibis.Table
    lost : mapping
        Rows that were set aside, by reason.
    """

    table: Table
    lost: Mapping[str, int]


def set_aside_repeats(source: Source, rows: Table, rule: Repeats) -> Single:
    """Return rows without repeats; rows that lack student, year or measure are left as they are.

    Rows that are the same in every column are copies, of which one stays. The rest is for a rule
    to decide. Only rows whose key repeats are ever kept beside the table.
    """
    if rule == "keep" or "student_id" not in rows.columns:
        return Single(rows, {})
    key = [name for name in KEY if name in rows.columns]
    whole = rows.filter([rows[name].notnull() for name in key])
    counted = whole.group_by(key).agg(n_repeats=whole.count())
    repeated = source.keep(counted.filter(counted.n_repeats > 1))
    found = source.fetch(repeated.agg(n_rows=repeated.n_repeats.sum(), n_keys=repeated.count()))
    n_keys = int(found["n_keys"].iloc[0])
    if not n_keys:
        return Single(rows, {})
    n_rows = int(found["n_rows"].iloc[0])
    if rule == "error":
        _refuse(source, n_rows, n_keys)
    versions = source.keep(_versions(rows.semi_join(repeated, key), key))
    chosen = (
        _best(versions, key) if rule == "highest" else versions.filter(versions.n_versions == 1)
    )
    kept = source.keep(chosen.select(*rows.columns))
    after = versions.agg(n_copies=(versions.n_copies - 1).sum(), n_kept=versions.count())
    n_copies = int(source.fetch(after)["n_copies"].iloc[0])
    n_kept = int(source.fetch(kept.agg(n_kept=kept.count()))["n_kept"].iloc[0])
    lost = {COPY: n_copies, LOST[rule]: n_rows - n_copies - n_kept}
    others = rows.anti_join(repeated, key).select(*rows.columns)
    return Single(others.union(kept), lost)


def _versions(rows: Table, key: list[str]) -> Table:
    """Return the distinct rows with how many copies each has, and how many versions its key."""
    import ibis

    distinct = rows.group_by(list(rows.columns)).agg(n_copies=rows.count())
    by_key = ibis.window(group_by=key)
    return distinct.mutate(n_versions=distinct.count().over(by_key))


def _best(versions: Table, key: list[str]) -> Table:
    """Return the version with the highest score; of equal ones the first by the other columns."""
    import ibis

    rest = [c for c in sorted(versions.columns) if c not in ("value", "n_copies", *key)]
    order: list[Any] = [versions.value.desc(), *(versions[c].asc(nulls_first=False) for c in rest)]
    place = ibis.row_number().over(ibis.window(group_by=key, order_by=order))
    placed = versions.mutate(place=place)
    return placed.filter(placed.place == 0)


def _refuse(source: Source, n_rows: int, n_keys: int) -> None:
    what = f"{n_keys:,} students have several scores of one measure in one year"
    how = "choose what they are taken for: StudentRules(repeats='set_aside'), 'highest' or 'keep'"
    raise_faults([Fault("repeated_student", source.name, what, how, n_rows)], source.file)
