"""The data dictionary: each contract as a page in markdown and as a Table Schema in JSON.

The JSON follows the Table Schema of Data Package 2.0. Times are of type ``any`` with a format of
our own, since a cell may be a date or a school-year time.
"""

from __future__ import annotations

import json
from typing import Any

from churnstats.schemas.contract import (
    FALSE_VALUES,
    MISSING_VALUES,
    TABLES,
    TRUE_VALUES,
    TYPES,
    Contract,
    Field,
    load_contract,
)

PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"
TIME_FORMAT = "school-year-time"
MAPPING = """columns:                  # name here: name in the data
  unit_id: leaid
missing:                  # codes that stand for a missing value
  fte: [-1, -9]
values:                   # cells that are written in another way
  interim: {acting: true, permanent: false}
pad:                      # ids that have lost leading zeros, and how long they are
  unit_id: 7
"""


def table_schema(contract: Contract) -> dict[str, Any]:
    """Return the Table Schema of a contract."""
    required = {field.name for field in contract.fields if field.required}
    key = list(contract.primary_key)
    schema: dict[str, Any] = {
        "$schema": PROFILE,
        "name": contract.name,
        "title": contract.title,
        "description": contract.description,
        "fieldsMatch": ["partial"],
        "fields": [_schema_field(field) for field in contract.fields],
        "missingValues": list(MISSING_VALUES),
    }
    schema |= {"primaryKey": key} if required.issuperset(key) else {"uniqueKeys": [key]}
    if contract.references:
        schema["foreignKeys"] = [
            {
                "fields": list(reference.fields),
                "reference": {"resource": reference.table, "fields": list(reference.keys)},
            }
            for reference in contract.references
        ]
    return schema


def _schema_field(field: Field) -> dict[str, Any]:
    """Return a column as a field of a Table Schema; empty entries are left out."""
    time = {"type": "any", "format": TIME_FORMAT}
    entry: dict[str, Any] = {"name": field.name}
    entry |= time if field.type == "time" else {"type": field.type}
    if field.type == "boolean":
        entry |= {"trueValues": list(TRUE_VALUES), "falseValues": list(FALSE_VALUES)}
    entry["description"] = field.description
    entry |= {k: v for k, v in (("unit", field.unit), ("universe", field.universe)) if v}
    if field.default is not None:
        entry["default"] = field.default
    limits: dict[str, Any] = {
        "required": field.required or None,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "enum": list(field.enum) or None,
        "pattern": field.pattern or None,
    }
    constraints = {name: value for name, value in limits.items() if value is not None}
    return entry | ({"constraints": constraints} if constraints else {})


def schema_text(contract: Contract) -> str:
    """Return the Table Schema of a contract as JSON."""
    return json.dumps(table_schema(contract), indent=2, ensure_ascii=False) + "\n"


def dictionary_page(contract: Contract) -> str:
    """Return the data dictionary of a table as markdown."""
    lines = [
        f"# {contract.title} (`{contract.name}`)",
        "",
        contract.description,
        "",
        f"Key: {_quoted(contract.primary_key)}.",
    ]
    lines += [
        f"{_quoted(r.fields)} must be {_quoted(r.keys)} of a row of [{r.table}]({r.table}.md), "
        "where that table is given."
        for r in contract.references
    ]
    lines += [
        f"As a Table Schema: [{contract.name}.json]({contract.name}.json).",
        "",
        "| column | type | required | unit | rows | default | meaning |",
        "|:---|:---|:---|:---|:---|:---|:---|",
    ]
    for f in contract.fields:
        default = "" if f.default is None else f"`{str(f.default).lower()}`"
        need = "yes" if f.required else "no"
        meaning = f.description + _limits(f)
        row = (f"`{f.name}`", f.type, need, f.unit, f.universe or "all", default, meaning)
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _limits(field: Field) -> str:
    """Return what values a column may have, as sentences."""
    said = []
    if field.minimum is not None:
        said.append(f" At least {field.minimum:g}.")
    if field.maximum is not None:
        said.append(f" At most {field.maximum:g}.")
    if field.enum:
        said.append(f" One of {_quoted(field.enum)}.")
    if field.pattern:
        said.append(f" Must match `{field.pattern}`.")
    return "".join(said)


def dictionary_index() -> str:
    """Return the page that leads to those of all tables, as markdown."""
    lines = [
        "# Data dictionary",
        "",
        "The tables that churnstats reads, as data frames or as CSV, Parquet, Stata, SPSS or Excel "
        "files. Of a workbook the first worksheet is read. Each has a page and a Table Schema "
        "(JSON). Columns that are not listed are kept and not used.",
        "",
        "| table | one row | columns that it must have | schema |",
        "|:---|:---|:---|:---|",
    ]
    for name in TABLES:
        contract = load_contract(name)
        needed = _quoted(tuple(f.name for f in contract.fields if f.required))
        what = contract.description.removeprefix("One row ").rstrip(".")
        lines.append(f"| [{contract.title}]({name}.md) | {what} | {needed} | [JSON]({name}.json) |")
    lines += ["", "## Types", "", "| type | what a cell may hold |", "|:---|:---|"]
    lines += [f"| {kind} | {text} |" for kind, text in TYPES.items()]
    lines += [
        "",
        "## Missing cells",
        "",
        "An empty cell is missing, and so are these, in upper or lower case: "
        f"{_quoted(MISSING_VALUES[1:])}. Stata's `.a` to `.z` are missing too.",
        "",
        "## Other names, codes and ids without their zeros",
        "",
        "`columns=` says how the data differ from these pages. It is a dict, or the path of a YAML "
        "file that says the same; each part may be left out, and a dict or file of names alone "
        "(`unit_id: leaid`) will do where nothing else differs.",
        "",
        "```yaml",
        MAPPING.rstrip(),
        "```",
        "",
        "Every cell that is read otherwise than it stands is counted in `.issues`. Ids are text. A "
        "Stata, SPSS, Excel or Parquet file that holds them as numbers may have lost leading "
        "zeros, so it is refused unless `pad` says how long they are (0 if they have no leading "
        "zeros).",
    ]
    return "\n".join(lines) + "\n"
