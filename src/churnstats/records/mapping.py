"""How the user's data differ from a contract: names, codes for missing, other spellings, ids."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from churnstats.core.errors import DataError, Fault
from churnstats.core.types import Columns
from churnstats.schemas.contract import Contract

SECTIONS = ("columns", "missing", "values", "pad")
HOW = "write columns={'name here': 'name in the data'}"
HOW_SECTIONS = (
    "write {'columns': {'unit_id': 'leaid'}, 'missing': {'fte': [-1, -9]}, "
    "'values': {'interim': {'acting': True}}, 'pad': {'unit_id': 7}}, or the same as a YAML file"
)


@dataclass(frozen=True)
class ColumnMap:
    """What a user says of the data, as text throughout.

    Parameters
    ----------
    columns : dict
        Name in the contract to name in the data.
    missing : dict
        By column, the cells that stand for a missing value.
    values : dict
        By column, what cells mean that are written in another way.
    pad : dict
        By column of ids, how many characters they have with their leading zeros.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pad: Mapping[str, int] = field(default_factory=dict)


def read_mapping(given: Columns, contract: Contract) -> tuple[ColumnMap, list[Fault]]:
    """Return what a dict or a YAML file says of the data, and its faults.

    Parameters
    ----------
    given : mapping, str or Path
        Names alone, or the parts ``columns``, ``missing``, ``values`` and ``pad``.
    contract : Contract

    Raises
    ------
    DataError
        When it can't be read at all.
    """
    raw = _load(given, contract.name) if isinstance(given, (str, Path)) else given or {}
    if not isinstance(raw, Mapping):
        raise DataError([_fault(contract, "columns= is no mapping", HOW)])
    if not set(raw) & set(SECTIONS):
        raw = {"columns": raw}
    faults = []
    strange = [str(key) for key in raw if key not in SECTIONS]
    if strange:
        what = f"columns= has parts that are none of {', '.join(SECTIONS)}: {', '.join(strange)}"
        faults.append(_fault(contract, what, HOW_SECTIONS))
    parts: dict[str, Mapping[Any, Any]] = {}
    for name in SECTIONS:
        part = raw.get(name) or {}
        if not isinstance(part, Mapping):
            faults.append(_fault(contract, f"'{name}' in columns= is no mapping", HOW_SECTIONS))
        parts[name] = part if isinstance(part, Mapping) else {}
    faults += _unknown_columns(parts, contract)
    names = {key: name for key, name in parts["columns"].items() if isinstance(name, Hashable)}
    if len(names) < len(parts["columns"]):
        strange = [str(key) for key in parts["columns"] if key not in names]
        what = f"columns= gives something else than a name for {', '.join(strange)}"
        faults.append(_fault(contract, what, HOW))
    pad, more = _pads(parts["pad"], contract)
    values, still_more = _values(parts["values"], contract)
    missing = {name: _texts(codes) for name, codes in parts["missing"].items()}
    return ColumnMap(names, missing, values, pad), faults + more + still_more


def _fault(contract: Contract, what: str, how: str) -> Fault:
    return Fault("unknown_mapping", contract.name, what, how, 0)


class _Loader(yaml.BaseLoader):
    """Reads all cells as text, so that codes are compared as they are written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice, of which one would be lost."""
        keys = [key.value for key, _ in node.value]
        twice = [str(key) for i, key in enumerate(keys) if key in keys[:i]]
        if twice:
            raise yaml.YAMLError(f"it says twice what {', '.join(twice)} is")
        return super().construct_mapping(node, deep)


def _load(path: str | Path, table: str) -> Any:
    """Return what a YAML file says."""
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8")
        return yaml.load(text, Loader=_Loader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        what = f"the mapping {place.name} can't be read: {reason}"
        how = "give the path of a YAML file with lines such as 'unit_id: leaid', or a dict"
        raise DataError([Fault("unreadable_mapping", table, what, how, 0)]) from error


def _unknown_columns(parts: Mapping[str, Mapping[Any, Any]], contract: Contract) -> list[Fault]:
    """Return the fault of names in missing, values and pad that are no columns of the table.

    Those in ``columns`` are looked at when the columns are renamed.
    """
    names = {name for part in ("missing", "values", "pad") for name in parts[part]}
    unknown = sorted(str(name) for name in names if name not in contract.names())
    if not unknown:
        return []
    what = f"columns= has names that are no columns of {contract.name}: {', '.join(unknown)}"
    how = f"use the names that the columns have here: {', '.join(contract.names())}"
    return [_fault(contract, what, how)]


def _pads(part: Mapping[Any, Any], contract: Contract) -> tuple[dict[str, int], list[Fault]]:
    """Return the lengths of ids; they must be whole numbers, and the columns text."""
    text = {field.name for field in contract.fields if field.type == "string"}
    lengths = {str(name): str(length) for name, length in part.items()}
    wrong = [f"{name}: {n}" for name, n in lengths.items() if not (n.isascii() and n.isdigit())]
    wrong += [name for name in lengths if name in contract.names() and name not in text]
    if wrong:
        what = f"'pad' in columns= must give columns of text a whole number: {', '.join(wrong)}"
        return {}, [_fault(contract, what, "write how long the ids are, such as {'unit_id': 7}")]
    return {name: int(length) for name, length in lengths.items()}, []


def _values(
    part: Mapping[Any, Any], contract: Contract
) -> tuple[dict[str, dict[str, str]], list[Fault]]:
    """Return what cells mean, by column; each column must have a mapping."""
    wrong = [str(name) for name, means in part.items() if not isinstance(means, Mapping)]
    if wrong:
        what = f"'values' in columns= needs a mapping for each column: {', '.join(wrong)}"
        return {}, [_fault(contract, what, "write what cells mean: {'interim': {'acting': True}}")]
    return {
        name: {_text(cell): _text(meaning) for cell, meaning in means.items()}
        for name, means in part.items()
    }, []


def _texts(codes: Any) -> tuple[str, ...]:
    """Return one code or several as text."""
    several = isinstance(codes, Sequence) and not isinstance(codes, str)
    return tuple(_text(code) for code in (codes if several else [codes]))


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
