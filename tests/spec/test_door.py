"""The door: whatever frame or file ids come in, they keep their zeros, or their loss is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import DataError
from churnstats.records.cells import Reading, read_cells
from churnstats.records.ingest import Conformed, conform
from churnstats.schemas.contract import Field, load_contract
from support import DRAWS

pyreadstat = pytest.importorskip("pyreadstat")

IDS = ["0100005", "000012345678", "7", "0007"]
ROSTER = pd.DataFrame(
    {
        "unit_id": IDS,
        "role": "head",
        "school_year_end": [2018, 2019, 2018, 2019],
        "leader_id": ["007", "x1", "00", "0"],
        "fte": [1.0, None, 0.5, 0.25],
        "note": ["a", "b", "c", "d"],
    }
)


def read(data: Any, columns: Any = None, table: str = "roster") -> Conformed:
    return conform(data, load_contract(table), columns, SchoolCalendar(), {"role": "head"})


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas objects": lambda frame: frame.astype(object),
    "pandas categories": lambda frame: frame.astype({"unit_id": "category"}),
    "pandas of Arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(
        pl.col("unit_id").cast(pl.Categorical)
    ),
    "Arrow": pa.Table.from_pandas,
    "Arrow dictionaries": lambda frame: pa.table(
        {c: pa.array(frame[c]) for c in frame.columns if c != "unit_id"}
        | {"unit_id": pa.array(frame["unit_id"]).dictionary_encode()}
    ),
    "DuckDB": lambda frame: duckdb.connect().from_arrow(pa.Table.from_pandas(frame)),
}
FILES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "t.csv": lambda frame, path: frame.to_csv(path, index=False),
    "t.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "t.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "t.tsv.gz": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "t.parquet": lambda frame, path: frame.to_parquet(path),
    "t.dta": lambda frame, path: frame.to_stata(path, write_index=False),
    "t.sav": lambda frame, path: pyreadstat.write_sav(frame, path),
    "t.xlsx": lambda frame, path: frame.to_excel(path, index=False),
}
TYPED = ["t.parquet", "t.dta", "t.sav", "t.xlsx"]


def assert_whole(made: Conformed) -> None:
    assert made.faults == ()
    assert made.issues.entries == ()
    assert made.frame["unit_id"].tolist() == IDS
    assert made.frame["leader_id"].tolist() == ["007", "x1", "00", "0"]
    assert made.frame["school_year_end"].tolist() == [2018, 2019, 2018, 2019]
    assert made.frame["fte"].fillna(-1).tolist() == [1.0, -1.0, 0.5, 0.25]
    assert made.frame["note"].tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("kind", FRAMES)
def test_ids_keep_their_zeros_in_every_frame(kind: str) -> None:
    assert_whole(read(FRAMES[kind](ROSTER)))


@pytest.mark.parametrize("name", FILES)
def test_ids_keep_their_zeros_in_every_file(name: str, tmp_path: Path) -> None:
    FILES[name](ROSTER, tmp_path / name)
    assert_whole(read(tmp_path / name))


NUMBERS = ROSTER.assign(unit_id=[100005, 12345678, 7, 2900001], leader_id=["a", "b", "c", "d"])


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_ids_that_a_file_holds_as_numbers_are_refused_or_padded(
    name: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    FILES[name](NUMBERS.astype({"unit_id": "int32" if kind == "int64" else kind}), path)
    (fault,) = read(path).faults
    assert (fault.rule, fault.n_rows) == ("not_a_string", 4)
    assert "'pad': {'unit_id': 7}" in fault.how
    made = read(path, {"pad": {"unit_id": 7}})
    assert made.faults == ()
    assert made.frame["unit_id"].tolist() == ["0100005", "12345678", "0000007", "2900001"]
    (padded, action) = made.issues.entries[0]
    assert (padded.rule, padded.n_rows, action) == ("padded_id", 2, "padded with zeros")
    assert padded.rows[0].endswith("unit_id=100005, leader_id=a, school_year_end=2018")


@pytest.mark.parametrize("kind", [kind for kind in FRAMES if "ories" not in kind])
def test_whole_numbers_of_frames_are_ids_and_may_be_padded(kind: str) -> None:
    frame = FRAMES[kind](NUMBERS)
    assert read(frame).frame["unit_id"].tolist() == ["100005", "12345678", "7", "2900001"]
    made = read(frame, {"pad": {"unit_id": 7}})
    assert made.frame["unit_id"].tolist() == ["0100005", "12345678", "0000007", "2900001"]
    assert made.issues.count("padded_id") == 2


def test_numbers_among_the_text_of_a_worksheet_are_told_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    ROSTER.assign(unit_id=["0100005", 12345678, 7.5, None]).to_excel(path, index=False)
    faults = {fault.rule: fault for fault in read(path).faults}
    assert {rule: fault.n_rows for rule, fault in faults.items()} == {
        "not_a_string": 2,
        "missing_value": 1,
    }
    assert faults["not_a_string"].numbers.tolist() == [3, 4]
    assert "row 3: unit_id=12345678" in faults["not_a_string"].rows[0]


def test_empty_rows_of_a_worksheet_are_passed_over_and_rows_keep_their_numbers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.xlsx"
    blank = pd.DataFrame({c: [None] for c in ROSTER.columns})
    rows = pd.concat([ROSTER.iloc[:1], blank, ROSTER.iloc[1:].assign(fte="much")])
    rows.to_excel(path, index=False, startrow=2)
    made = read(path)
    assert len(made.frame) == 4
    (fault,) = made.faults
    assert fault.numbers.tolist() == [6, 7, 8]


LABELS = {1: "active", 2: "ended"}
STATUS = pd.DataFrame(
    {"unit_id": ["01", "02", "03"], "initiative_id": "a", "school_year_end": 2018, "status": 1}
).assign(status=[1, 2, 1])


@pytest.mark.parametrize("ending", ["dta", "sav"])
def test_value_labels_become_text(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    write = pyreadstat.write_dta if ending == "dta" else pyreadstat.write_sav
    write(STATUS, path, variable_value_labels={"status": LABELS})
    made = read(path, None, "program_status")
    assert made.faults == ()
    assert made.frame["status"].tolist() == ["active", "ended", "active"]
    assert made.frame["unit_id"].tolist() == ["01", "02", "03"]


@pytest.mark.parametrize("ending", ["dta", "sav"])
def test_labels_of_other_words_are_told_and_mapped(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    write = pyreadstat.write_dta if ending == "dta" else pyreadstat.write_sav
    write(STATUS, path, variable_value_labels={"status": {1: "Running", 2: "ended"}})
    (fault,) = read(path, None, "program_status").faults
    assert (fault.rule, fault.n_rows) == ("not_allowed", 2)
    made = read(path, {"values": {"status": {"Running": "active"}}}, "program_status")
    assert made.faults == ()
    assert made.frame["status"].tolist() == ["active", "ended", "active"]


def test_the_missing_codes_of_stata_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.dta"
    codes = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    frame = pd.DataFrame(
        {"unit_id": [f"{i:02d}" for i in range(27)], "school_year_end": 2018, "fte": [0.5, *codes]}
    )
    pyreadstat.write_dta(frame, path, missing_user_values={"fte": codes})
    made = read(path)
    assert made.faults == ()
    assert made.frame["fte"].notna().tolist() == [True] + [False] * 26


def test_the_missing_codes_of_spss_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.sav"
    pyreadstat.write_sav(
        ROSTER.assign(fte=[-9.0, 0.5, -8.0, 1.0]),
        path,
        missing_ranges={"fte": [{"lo": -9, "hi": -8}]},
    )
    made = read(path)
    assert made.faults == ()
    assert made.frame["fte"].isna().tolist() == [True, False, True, False]


def test_dates_of_statistics_programs_are_dates(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"unit_id": ["01"], "leader_id": ["a"], "start": pd.to_datetime(["2010-07-01"])}
    )
    for name in TYPED:
        FILES[name](frame, tmp_path / name)
        made = read(tmp_path / name, None, "tenures")
        assert made.faults == ()
        assert made.frame["start"].tolist() == [2011.0]


def test_a_package_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.xlsx"
    ROSTER.to_excel(path, index=False)
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"churnstats\[io\]"):
        read(path)


def test_the_data_are_not_changed_and_not_copied() -> None:
    frame = ROSTER.copy()
    made = read(frame)
    pd.testing.assert_frame_equal(frame, ROSTER)
    ours, theirs = (f["unit_id"].array.__arrow_array__() for f in (made.frame, frame))
    assert ours.chunk(0).buffers()[2].address == theirs.chunk(0).buffers()[2].address
    made.frame.loc[1, "unit_id"] = "changed"
    made.source.loc[1, "fte"] = 0.0
    pd.testing.assert_frame_equal(frame, ROSTER)
    frame.loc[1, "leader_id"] = "changed"
    assert made.frame.loc[2, "leader_id"] == "x1"


def test_rows_of_few_distinct_cells_are_each_read_right() -> None:
    n = 300_000
    units = pd.Series([f"{i % 1000:07d}" for i in range(n)], dtype="str")
    starts = pd.Series(np.where(np.arange(n) % 2, "2010-07-01", "2011-07-01"), dtype="str")
    frame = pd.DataFrame({"unit_id": units, "leader_id": units, "start": starts})
    made = read(frame, None, "tenures")
    assert made.faults == ()
    assert made.frame["start"].tolist()[:4] == [2012.0, 2011.0, 2012.0, 2011.0]
    assert made.frame["unit_id"].equals(units.set_axis(made.frame.index))


ANY_CELL = st.sampled_from(
    ["01", "1.0", " 7 ", "", "NA", None, "2019", "2018.5", "2010-07-01", "2010-02-31", "yes", "No"]
)
KINDS = [
    Field("unit_id", "string", "."),
    Field("title", "string", "."),
    Field("fte", "number", "."),
    Field("year", "year", "."),
    Field("open", "boolean", ".", default=False),
    Field("start", "time", "."),
]


@DRAWS
@given(st.lists(ANY_CELL, min_size=1, max_size=12), st.sampled_from(KINDS), st.booleans())
def test_a_column_is_read_as_each_of_its_cells_alone(
    cells: list[Any], kind: Field, told: bool
) -> None:
    reading = Reading(missing=("2019",), values={"yes": "no", "01": "2010-07-01"})
    reading = reading if told else Reading()
    column = pd.Series(cells, dtype="str")
    whole = read_cells(column, kind, SchoolCalendar(), reading)
    alone = [read_cells(column.iloc[[i]], kind, SchoolCalendar(), reading) for i in column.index]
    found = whole.column.astype(object).where(whole.column.notna(), None).tolist()
    one_by_one = pd.concat([one.column for one in alone])
    assert found == one_by_one.astype(object).where(one_by_one.notna(), None).tolist()
    for name in ("missing", "bad"):
        assert getattr(whole, name).tolist() == [bool(getattr(one, name)[0]) for one in alone]
    for rule, marked in whole.mended.items():
        assert marked.tolist() == [bool(one.mended[rule][0]) for one in alone]


def test_what_reads_files_and_checks_values_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys, churnstats.records.check\n"
        "print({'pandera', 'openpyxl', 'pyreadstat'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
