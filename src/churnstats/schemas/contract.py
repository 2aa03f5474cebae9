"""Contracts of tables, read from the YAML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

FieldType = Literal["string", "year", "number", "boolean", "time"]


@dataclass(frozen=True)
class Field:
    """One column of a table.

    Parameters
    ----------
    name, type, description : str
    required : bool
        The column must be there, and every row must have a value.
    unit : str
    minimum : float or None
    default : bool, str or None
        Value where the column is absent or a cell is missing.
    """

    name: str
    type: FieldType
    description: str
    required: bool = False
    unit: str = ""
    minimum: float | None = None
    default: bool | str | None = None


@dataclass(frozen=True)
class Contract:
    """One table: its columns and its key."""

    name: str
    title: str
    description: str
    primary_key: tuple[str, ...]
    fields: tuple[Field, ...]

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return tuple(field.name for field in self.fields)


TABLES = ("tenures", "roster", "outcomes", "programs")

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
    fields = tuple(Field(**field) for field in raw.pop("fields"))
    return Contract(fields=fields, primary_key=tuple(raw.pop("primary_key")), **raw)


def dictionary_page(contract: Contract) -> str:
    """Return the data dictionary of a table as markdown."""
    lines = [
        f"# {contract.title} (`{contract.name}`)",
        "",
        contract.description,
        "",
        f"Key: {', '.join(f'`{k}`' for k in contract.primary_key)}.",
        "",
        "| column | type | required | unit | default | meaning |",
        "|:---|:---|:---|:---|:---|:---|",
    ]
    for f in contract.fields:
        default = "" if f.default is None else f"`{str(f.default).lower()}`"
        need = "yes" if f.required else "no"
        bound = "" if f.minimum is None else f" At least {f.minimum:g}."
        row = (f"`{f.name}`", f.type, need, f.unit, default, f.description + bound)
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def dictionary_index() -> str:
    """Return the page that leads to those of all tables, as markdown."""
    lines = [
        "# Data dictionary",
        "",
        "The tables that churnstats reads, as data frames or as CSV, Parquet, Stata, SPSS or Excel "
        "files. Columns with other names are mapped in the call: "
        "`columns={'unit_id': 'leaid'}`. Columns that are not listed are kept and not used.",
        "",
        "| table | one row | columns that it must have |",
        "|:---|:---|:---|",
    ]
    for name in TABLES:
        contract = load_contract(name)
        needed = ", ".join(f"`{f.name}`" for f in contract.fields if f.required)
        what = contract.description.removeprefix("One row ").rstrip(".")
        lines.append(f"| [{contract.title}]({name}.md) | {what} | {needed} |")
    lines += ["", "## Types", "", "| type | what a cell may hold |", "|:---|:---|"]
    lines += [f"| {kind} | {text} |" for kind, text in TYPES.items()]
    return "\n".join(lines) + "\n"
