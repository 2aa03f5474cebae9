"""Contracts of tables, read from the YAML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

FieldType = Literal["string", "year", "number", "boolean", "time"]

# What stands for a missing cell, in upper or lower case; the empty cell is the first.
MISSING_VALUES = ("", "NA", "N/A", "NaN", "NaT", "null", "None", "<NA>", ".")
TRUE_VALUES = ("true", "t", "yes", "y", "1", "1.0")
FALSE_VALUES = ("false", "f", "no", "n", "0", "0.0")


@dataclass(frozen=True)
class Field:
    """One column of a table.

    Parameters
    ----------
    name, type, description : str
    required : bool
        The column must be there, and every row must have a value.
    unit : str
    universe : str
        The rows of which the column speaks, where they are not all.
    minimum, maximum : float or None
    enum : tuple of str
        Allowed values; any if empty.
    pattern : str
        Regular expression that the whole text must match; any if empty.
    default : bool, float, str or None
        Value where the column is absent or a cell is missing.
    """

    name: str
    type: FieldType
    description: str
    required: bool = False
    unit: str = ""
    universe: str = ""
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()
    pattern: str = ""
    default: bool | float | str | None = None

    @property
    def has_rule(self) -> bool:
        """Whether some values of the right type are not allowed."""
        limits = (self.minimum, self.maximum)
        bounded = any(limit is not None for limit in limits)
        return self.required or bounded or bool(self.enum or self.pattern)


@dataclass(frozen=True)
class Reference:
    """Columns whose values must be found in a column of another table.

    Parameters
    ----------
    fields : tuple of str
        Columns here.
    table : str
        The other table.
    keys : tuple of str
        Columns there.
    """

    fields: tuple[str, ...]
    table: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """One table: its columns, its key and its references to other tables.

    Parameters
    ----------
    name, title, description : str
    primary_key : tuple of str
        Columns that tell rows apart. Where one of them may be missing, rows that lack it are told
        apart by the others.
    fields : tuple of Field
    references : tuple of Reference
    """

    name: str
    title: str
    description: str
    primary_key: tuple[str, ...]
    fields: tuple[Field, ...]
    references: tuple[Reference, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return tuple(field.name for field in self.fields)


TABLES = (
    "tenures",
    "roster",
    "outcomes",
    "programs",
    "program_status",
    "partnerships",
    "units",
    "unit_changes",
    "calendar",
)

TYPES: dict[FieldType, str] = {
    "string": "Text. Ids are text too: a number would lose leading zeros, and one with a decimal "
    "point (`100005.0`) or an exponent is refused.",
    "year": "A school year by its spring, as a whole number: `2019` is 2018-19.",
    "number": "A finite number, with a point for decimals and nothing for thousands.",
    "boolean": "`true` or `false`; `yes` and `no`, `t` and `f`, `y` and `n`, `1` and `0` are read "
    "too.",
    "time": "In all rows of a column either a date (`2019-07-01`) or a school-year time: `2019.0` "
    "is the first day of 2018-19, `2019.5` the middle of that year.",
}


@lru_cache
def load_contract(table: str) -> Contract:
    """Return the contract of one of ``TABLES``."""
    text = (files("churnstats.schemas") / f"{table}.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.safe_load(text)
    return Contract(
        raw["name"],
        raw["title"],
        raw["description"],
        tuple(raw["primaryKey"]),
        tuple(_field(field) for field in raw["fields"]),
        tuple(_reference(key) for key in raw.get("foreignKeys", ())),
    )


def _field(raw: dict[str, Any]) -> Field:
    """Return a column from its entry in a Table Schema."""
    plain = {key: raw[key] for key in ("name", "description", "unit", "universe") if key in raw}
    limits = dict(raw.get("constraints", {}))
    limits["enum"] = tuple(limits.get("enum", ()))
    kind: FieldType = "time" if raw.get("format") == "school-year-time" else raw["type"]
    return Field(type=kind, default=raw.get("default"), **plain, **limits)


def _reference(raw: dict[str, Any]) -> Reference:
    there = raw["reference"]
    return Reference(tuple(raw["fields"]), there["resource"], tuple(there["fields"]))
