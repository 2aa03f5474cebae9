"""Contracts and mappings: what each rule marks, what it says, and what a mapping changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import churnstats as cs
from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError
from churnstats.records.cells import MISSING_TEXT
from churnstats.records.ingest import Conformed, conform
from churnstats.schemas.checks import broken_rules, schema_for
from churnstats.schemas.contract import (
    MISSING_VALUES,
    TABLES,
    Contract,
    Field,
    load_contract,
)
from churnstats.schemas.dictionary import MAPPING, table_schema

RULED = Contract(
    "ruled",
    "Ruled",
    "One row a row.",
    ("unit_id",),
    (
        Field("unit_id", "string", "Unit.", required=True, pattern=r"\d{2}[a-z]?"),
        Field("status", "string", "Status.", enum=("active", "ended", "never")),
        Field("fte", "number", "Share.", minimum=0, maximum=1),
        Field("year", "year", "Year.", minimum=2000),
        Field("open", "boolean", "Open.", default=False),
    ),
)
CLEAN: dict[str, list[Any]] = {
    "unit_id": ["01", "02a", "03"],
    "status": ["active", None, "never"],
    "fte": [0.0, None, 1.0],
    "year": [2000, None, 2019],
    "open": [True, None, False],
}


def ruled(columns: Any = None, **changed: list[Any]) -> Conformed:
    frame = pd.DataFrame({**CLEAN, **changed})
    return conform(frame, RULED, columns, SchoolCalendar())


def marked(made: Conformed) -> dict[str, list[int]]:
    """Return the row numbers of each rule."""
    return {fault.rule: fault.numbers.tolist() for fault in made.faults}


def test_values_at_their_limits_and_missing_ones_are_allowed() -> None:
    made = ruled()
    assert made.faults == ()
    assert made.issues.entries == ()
    assert made.frame["open"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("changed", "rules", "says"),
    [
        ({"unit_id": ["01", None, "NA"]}, {"missing_value": [2, 3]}, "'unit_id' is required"),
        ({"unit_id": ["1", "02", "x03"]}, {"bad_pattern": [1, 3]}, r"does not match \d{2}[a-z]?"),
        ({"unit_id": ["01", "02", "03aa"]}, {"bad_pattern": [3]}, "unit_id=03aa"),
        ({"fte": [-0.1, 0.5, 1.1]}, {"too_small": [1], "too_large": [3]}, "'fte' is above 1"),
        ({"year": [1999, 2000, None]}, {"too_small": [1]}, "'year' is below 2000"),
        ({"status": ["ended", "end", ""]}, {"not_allowed": [2]}, "of active, ended, never"),
    ],
)
def test_each_rule_marks_its_rows(
    changed: dict[str, list[Any]], rules: dict[str, list[int]], says: str
) -> None:
    made = ruled(**changed)
    assert marked(made) == rules
    assert says in "\n".join(map(str, made.faults))


def test_a_cell_that_cannot_be_read_breaks_no_other_rule() -> None:
    made = ruled(unit_id=["1.0", "02", None], fte=["much", "0.5", "2"])
    assert marked(made) == {
        "not_a_string": [1],
        "not_a_number": [1],
        "missing_value": [3],
        "too_large": [3],
    }


def test_a_close_word_is_offered_and_a_far_one_is_not() -> None:
    (fault,) = ruled(status=["Activ", "no idea", "endet"]).faults
    assert fault.message == (
        "'status' must be one of active, ended, never; "
        "did you mean 'active' for 'Activ'? did you mean 'ended' for 'endet'?"
    )
    (fault,) = ruled(status=["no idea", None, None]).faults
    assert fault.message == "'status' must be one of active, ended, never"
    assert fault.how.endswith("columns={'values': {'status': {...}}}")


@pytest.mark.parametrize("table", TABLES)
def test_the_schema_has_every_rule_of_the_contract(table: str) -> None:
    contract = load_contract(table)
    schema = schema_for(contract, contract.names())
    assert list(schema.columns) == list(contract.names())
    for field in contract.fields:
        wanted = {
            "missing_value": field.required,
            "too_small": field.minimum is not None,
            "too_large": field.maximum is not None,
            "not_allowed": bool(field.enum),
            "bad_pattern": bool(field.pattern),
        }
        names = {check.name for check in schema.columns[field.name].checks}
        assert names == {name for name, holds in wanted.items() if holds}


def test_rows_that_all_fail_are_marked_without_a_table_of_them() -> None:
    n = 200_000
    frame = pd.DataFrame({"fte": np.full(n, -1.0), "status": pd.Series(["x"] * n, dtype="str")})
    broken = broken_rules(frame, RULED)
    assert {rule: int(bad.sum()) for rule, bad in broken.items()} == {
        ("fte", "too_small"): n,
        ("status", "not_allowed"): n,
    }
    checks = schema_for(RULED, ["fte", "status"]).columns.values()
    assert {check.n_failure_cases for column in checks for check in column.checks} == {1}


@pytest.mark.parametrize("table", TABLES)
def test_keys_and_references_are_columns_that_exist(table: str) -> None:
    contract = load_contract(table)
    assert contract.name == table
    assert set(contract.primary_key) <= set(contract.names())
    for reference in contract.references:
        there = load_contract(reference.table)
        assert set(reference.fields) <= set(contract.names())
        assert set(reference.keys) <= set(there.names())
        assert len(reference.fields) == len(reference.keys) == 1


def test_what_stands_for_missing_is_in_one_place() -> None:
    assert {value.lower() for value in MISSING_VALUES} == MISSING_TEXT
    assert table_schema(RULED)["missingValues"] == list(MISSING_VALUES)
    cells = [*MISSING_VALUES, *map(str.upper, MISSING_VALUES), " na ", "x"]
    frame = pd.DataFrame({"unit_id": "01", "status": cells})
    made = conform(frame, RULED, None, SchoolCalendar())
    assert marked(made) == {"not_allowed": [len(cells)]}


# mappings


ROSTER = pd.DataFrame(
    {
        "leaid": ["100005", "0200006", "300007.0"],
        "role": "head",
        "school_year_end": [2018, 2018, 2018],
        "leader_id": ["a", "b", "c"],
        "fte": ["-9", "0.5", "-1.0"],
        "empty": ["Y", "no", "open"],
    }
)
SAYS = {
    "columns": {"unit_id": "leaid", "vacant": "empty"},
    "missing": {"fte": [-1, -9]},
    "values": {"vacant": {"Y": False, "open": True}},
    "pad": {"unit_id": 7},
}


def read(columns: Any) -> Conformed:
    return conform(ROSTER, load_contract("roster"), columns, SchoolCalendar())


def as_dict(folder: Path) -> Any:
    return SAYS


def as_yaml(folder: Path) -> Any:
    path = folder / "map.yaml"
    path.write_text(yaml.safe_dump(SAYS), encoding="utf-8")
    return path


def as_text(folder: Path) -> Any:
    path = folder / "map.yml"
    path.write_text(json.dumps(SAYS), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("say", [as_dict, as_yaml, as_text])
def test_a_dict_and_a_file_mean_the_same(say: Any, tmp_path: Path) -> None:
    made = read(say(tmp_path))
    assert made.faults == ()
    assert made.frame["unit_id"].tolist() == ["0100005", "0200006", "0300007"]
    assert made.frame["fte"].isna().tolist() == [True, False, True]
    assert made.frame["vacant"].tolist() == [False, False, True]
    log = made.issues.rows()
    found = {rule: rows["row"].tolist() for rule, rows in log.groupby("rule")}
    assert found == {"padded_id": [1, 3], "missing_code": [1, 3], "recoded": [1, 3]}
    assert made.issues.frame()["action"].tolist() == [
        "padded with zeros",
        "read as columns= says",
        "taken as missing",
    ]


def test_a_file_of_names_alone_is_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text("# names here: names there\nunit_id: leaid\nvacant: empty\n", "utf-8")
    from_file, from_dict = read(path), read({"unit_id": "leaid", "vacant": "empty"})
    pd.testing.assert_frame_equal(from_file.frame, from_dict.frame)
    assert [f.rule for f in from_file.faults] == [f.rule for f in from_dict.faults]
    assert marked(from_file) == {"not_a_string": [3], "not_a_boolean": [3], "too_small": [1, 3]}


def test_the_mapping_of_the_data_dictionary_is_one(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    frame = pd.DataFrame(
        {
            "leaid": [100005],
            "leader_id": ["a"],
            "start": [2010],
            "stop": [2012],
            "fte": [-9],
            "interim": ["acting"],
        }
    )
    made = conform(frame, load_contract("tenures"), path, SchoolCalendar(), {"role": "head"})
    assert made.faults == ()
    assert made.frame[["unit_id", "interim"]].to_numpy().tolist() == [["0100005", True]]
    assert made.frame["fte"].isna().all()


@pytest.mark.parametrize("cells", [[-9, 1, 2], [-9.0, 1.0, 2.0], ["-9", "1", "2"], ["-9.0", 1, 2]])
def test_codes_are_compared_as_numbers_too(cells: list[Any]) -> None:
    made = ruled({"missing": {"fte": -9}}, fte=cells)
    assert made.frame["fte"].isna().tolist() == [True, False, False]
    assert marked(made) == {"too_large": [3]}
    assert made.issues.count("missing_code") == 1


def test_codes_of_years_and_text_are_missing_too() -> None:
    says = {"missing": {"year": [9999], "status": ["unk", "?"]}}
    made = ruled(says, year=[9999, 2001, 2002], status=["unk", "ended", "?"])
    assert made.faults == ()
    assert made.frame["year"].tolist()[1:] == [2001, 2002]
    assert made.frame["year"].isna().tolist() == [True, False, False]
    assert made.frame["status"].isna().tolist() == [True, False, True]


def test_a_code_of_a_required_column_leaves_it_missing() -> None:
    made = ruled({"missing": {"unit_id": "99"}}, unit_id=["99", "02", "03"])
    assert marked(made) == {"missing_value": [1]}


def test_numbers_may_mean_words_and_words_may_mean_nothing() -> None:
    says = {"values": {"status": {1: "active", 2: "ended", "?": None}}}
    made = ruled(says, status=[1, 2, "?"])
    assert made.faults == ()
    assert made.frame["status"].tolist()[:2] == ["active", "ended"]
    assert made.frame["status"].isna().tolist() == [False, False, True]
    assert made.issues.count("recoded") == 3


def test_padding_is_for_digits_and_changes_no_id_of_full_length() -> None:
    says = {"pad": {"unit_id": 3}}
    made = ruled(says, unit_id=["1", "02a", "1234"])
    assert made.frame["unit_id"].tolist() == ["001", "02a", "1234"]
    assert made.issues.rows()["row"].tolist() == [1]


def test_ids_that_never_had_zeros_are_kept_as_they_are() -> None:
    made = ruled({"pad": {"unit_id": 0}}, unit_id=[10.0, 20.0, 30.0])
    assert made.faults == ()
    assert made.frame["unit_id"].tolist() == ["10", "20", "30"]
    assert made.issues.entries == ()


def test_the_public_readers_take_a_file(tmp_path: Path) -> None:
    says = {name: SAYS[name] for name in ("missing", "pad")} | {"columns": {"unit_id": "leaid"}}
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump(says), encoding="utf-8")
    tenures = cs.Tenures.from_roster(ROSTER, columns=path)
    assert sorted(tenures.frame["unit_id"]) == ["0100005", "0200006", "0300007"]
    with pytest.raises(DataError) as error:
        cs.Tenures.from_roster(ROSTER, columns={**says, "pad": {}})
    assert [f.rule for f in error.value.faults] == ["not_a_string"]
