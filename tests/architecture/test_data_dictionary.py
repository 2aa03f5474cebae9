"""data_dictionary/ is what the contracts say, and the contracts are what the readers do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError
from churnstats.records.calendars import read_calendar
from churnstats.records.partnerships import Partnerships
from churnstats.records.units.units import Units
from churnstats.schemas.contract import TABLES, TYPES, load_contract
from churnstats.schemas.dictionary import PROFILE, TIME_FORMAT

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "build_data_dictionary.py"
PAGES = ROOT / "data_dictionary"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_the_pages_are_up_to_date() -> None:
    done = run("--check")
    assert done.stderr == ""
    assert done.returncode == 0


def test_drift_is_found_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    assert run("--folder", str(folder)).returncode == 0
    assert {p.name for p in folder.iterdir()} == {p.name for p in PAGES.iterdir()}
    assert len({*folder.glob("*.json")}) == len(TABLES)
    page = folder / "tenures.md"
    page.write_text(page.read_text(encoding="utf-8").replace("leader_id", "chief"), "utf-8")
    (folder / "roster.md").unlink()
    schema = folder / "units.json"
    schema.write_text(schema.read_text(encoding="utf-8").replace("district", "county"), "utf-8")
    (folder / "outcomes.json").unlink()
    (folder / "pay.json").write_text("{}", "utf-8")
    (folder / "salaries.md").write_text("", "utf-8")
    done = run("--check", "--folder", str(folder))
    assert done.returncode == 1
    for words in (
        "tenures.md is out of date",
        "roster.md is missing",
        "salaries.md belongs to no",
        "units.json is out of date",
        "outcomes.json is missing",
        "pay.json belongs to no",
    ):
        assert words in done.stderr


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_on_its_page(table: str) -> None:
    contract = load_contract(table)
    text = (PAGES / f"{table}.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE) == list(contract.names())
    assert set(contract.primary_key) <= set(contract.names())
    for field in contract.fields:
        assert field.description.endswith(".")
        assert field.type in TYPES


@pytest.mark.parametrize("table", TABLES)
def test_required_columns_are_those_that_readers_ask_for(table: str, tmp_path: Path) -> None:
    readers = {
        "tenures": cs.Tenures.from_spells,
        "roster": cs.Tenures.from_roster,
        "outcomes": cs.Outcomes.from_frame,
        "programs": cs.Programs.from_frame,
        "program_status": cs.Programs.from_status,
        "partnerships": Partnerships.from_frame,
        "units": Units.from_frame,
        "unit_changes": lambda path: Units.from_frame(pd.DataFrame({"unit_id": ["1"]}), path),
        "calendar": read_calendar,
    }
    path = tmp_path / "table.csv"
    path.write_text("nothing\n1\n", encoding="utf-8")
    required = [field.name for field in load_contract(table).fields if field.required]
    with pytest.raises(DataError, match=f"missing: {', '.join(required)}") as error:
        readers[table](path)
    assert error.value.faults[0].rule == "missing_column"


# The rules of Table Schema in Data Package 2.0 (https://datapackage.org/standard/table-schema/):
# the properties of a schema, and by type of field its formats (any where None) and constraints.
PROPERTIES = {
    "$schema", "name", "title", "description", "fields", "fieldsMatch", "missingValues",
    "primaryKey", "uniqueKeys", "foreignKeys",
}  # fmt: skip
TEXT = {"required", "unique", "pattern", "enum", "minLength", "maxLength"}
ORDERED = {"required", "unique", "enum", "minimum", "maximum"}
KINDS: dict[str, tuple[set[str] | None, set[str]]] = {
    "string": ({"default", "email", "uri", "binary", "uuid"}, TEXT),
    "number": ({"default"}, ORDERED),
    "year": ({"default"}, ORDERED),
    "boolean": ({"default"}, {"required", "enum"}),
    "any": (None, {"required", "unique", "enum"}),
}


def schema_of(table: str) -> dict[str, Any]:
    return json.loads((PAGES / f"{table}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("table", TABLES)
def test_a_schema_keeps_the_rules_of_table_schema(table: str) -> None:
    schema = schema_of(table)
    assert set(schema) <= PROPERTIES
    assert schema["$schema"] == PROFILE
    assert schema["fieldsMatch"] == ["partial"]
    assert "" in schema["missingValues"]
    assert all(isinstance(value, str) for value in schema["missingValues"])
    names = [field["name"] for field in schema["fields"]]
    assert len(set(names)) == len(names)
    for field in schema["fields"]:
        formats, constraints = KINDS[field["type"]]
        assert formats is None or field.get("format", "default") in formats
        limits = field.get("constraints", {})
        assert set(limits) <= constraints
        assert limits.get("required") in (True, None)
        assert len(set(limits.get("enum", []))) == len(limits.get("enum", []))
        assert all(isinstance(value, str) for value in limits.get("enum", []))
        assert all(isinstance(limits.get(k, 0), (int, float)) for k in ("minimum", "maximum"))
        re.compile(limits.get("pattern", ""))


@pytest.mark.parametrize("table", TABLES)
def test_keys_of_a_schema_lead_to_fields_of_schemas(table: str) -> None:
    schema = schema_of(table)
    fields = {field["name"]: field for field in schema["fields"]}
    keys = [schema["primaryKey"]] if "primaryKey" in schema else schema["uniqueKeys"]
    assert keys == [list(load_contract(table).primary_key)]
    required = [fields[name].get("constraints", {}).get("required", False) for name in keys[0]]
    assert all(required) == ("primaryKey" in schema)
    for key in schema.get("foreignKeys", []):
        there = schema_of(key["reference"]["resource"])
        assert set(key["fields"]) <= set(fields)
        assert set(key["reference"]["fields"]) <= {field["name"] for field in there["fields"]}


@pytest.mark.parametrize("table", TABLES)
def test_a_schema_has_what_its_contract_has(table: str) -> None:
    contract, schema = load_contract(table), schema_of(table)
    assert [f["name"] for f in schema["fields"]] == list(contract.names())
    for field, entry in zip(contract.fields, schema["fields"], strict=True):
        limits = entry.get("constraints", {})
        kind = "time" if entry.get("format") == TIME_FORMAT else entry["type"]
        assert (kind, entry["description"]) == (field.type, field.description)
        assert limits.get("required", False) == field.required
        assert (limits.get("minimum"), limits.get("maximum")) == (field.minimum, field.maximum)
        assert tuple(limits.get("enum", ())) == field.enum
        assert (entry.get("unit", ""), entry.get("universe", "")) == (field.unit, field.universe)
        assert entry.get("default") == field.default
