"""Contracts of tables, read from the YAML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

FieldType = Literal["string", "integer", "year", "number", "boolean", "time"]


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
        f"# {contract.title} (`{contract.name}`)", "", contract.description, "",
        f"Key: {', '.join(f'`{k}`' for k in contract.primary_key)}.", "",
        "| column | type | required | unit | default | meaning |",
        "|:---|:---|:---|:---|:---|:---|",
    ]
    for f in contract.fields:
        default = "" if f.default is None else f"`{str(f.default).lower()}`"
        need = "yes" if f.required else "no"
        row = (f"`{f.name}`", f.type, need, f.unit, default, f.description)
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"
