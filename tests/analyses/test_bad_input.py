"""Bad input: one error that lists every fault with its rows and its remedy, never a traceback."""

from __future__ import annotations

import contextlib
import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import churnstats as cs
from churnstats.core.errors import MAX_ROWS_SHOWN, DataError
from churnstats.records.check import check_files
from churnstats.studies.cli import main
from support import DRAWS

GOOD = {
    "tenures": """unit_id,role,leader_id,start,stop
0100005,head,a,2010-07-01,2015-01-01
0100005,head,b,2015-01-01,2019-07-01
0100006,head,c,2012-07-01,2019-07-01
""",
    "roster": """unit_id,role,school_year_end,leader_id
0100005,head,2018,a
0100005,head,2019,b
0100006,head,2019,
""",
    "outcomes": """unit_id,school_year_end,measure,estimate,std_error,n_obs
0100005,2014,math,0.25,0.1,30
0100005,2015,math,,,
0100006,2014,math,-0.25,0.1,40
""",
    "programs": """program_id,unit_id,start,stop,sponsor_id
p1,0100005,2012-07-01,2014-07-01,a
p2,0100006,2012-07-01,2014-07-01,
""",
}
READERS: dict[str, Callable[..., Any]] = {
    "tenures": cs.Tenures.from_spells,
    "roster": cs.Tenures.from_roster,
    "outcomes": cs.Outcomes.from_frame,
    "programs": cs.Programs.from_frame,
}


@dataclass(frozen=True)
class Bad:
    """A file with faults, how many rows each rule must mark, and what the message must say."""

    name: str
    table: str
    content: str | bytes
    rules: dict[str, int]
    says: tuple[str, ...] = ()
    ending: str = ".csv"


def swap(table: str, *changes: tuple[str, str]) -> str:
    """Return the good file of a table with each old text replaced, which must be there."""
    text = GOOD[table]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def lines(table: str, *added: str) -> str:
    return GOOD[table] + "".join(f"{line}\n" for line in added)


TEN, ROS, OUT, PRO = "tenures", "roster", "outcomes", "programs"
FILES = [
    # columns
    Bad(
        "no column of leaders",
        TEN,
        swap(TEN, ("leader_id", "chief")),
        {"missing_column": 0},
        ("required columns are missing: leader_id", "chief", "columns={'leader_id'"),
    ),
    Bad(
        "two columns missing",
        OUT,
        swap(OUT, ("unit_id", "LEAID"), ("measure", "subject")),
        {"missing_column": 0},
        ("unit_id, measure", "LEAID"),
    ),
    Bad(
        "a column twice",
        TEN,
        swap(TEN, ("role", "leader_id")),
        {"duplicate_column": 0, "no_role": 3},
        ("several columns called leader_id",),
    ),
    Bad("no role", TEN, swap(TEN, (",role", ",post")), {"no_role": 3}, ("role='superintendent'",)),
    Bad("no key", PRO, swap(PRO, ("program_id", "id")), {"missing_column": 0}),
    # cells
    Bad(
        "text in a number",
        OUT,
        swap(OUT, ("0.25,0.1,30", "high,0.1,30")),
        {"not_a_number": 1},
        ("line 2", "estimate=high"),
    ),
    Bad(
        "numbers with thousands",
        OUT,
        swap(OUT, ("0.1,30", '0.1,"1,030"')),
        {"not_a_number": 1},
        ("n_obs=1,030", "nothing for thousands"),
    ),
    Bad("decimal commas", OUT, swap(OUT, ("0.25,0.1,30", '"0,25","0,1",30')), {"not_a_number": 2}),
    Bad(
        "infinite numbers",
        OUT,
        swap(OUT, (",0.25,", ",inf,"), ("-0.25,0.1,40", "-1e999,0.1,-Infinity")),
        {"not_a_number": 3},
        ("finite",),
    ),
    Bad(
        "a negative standard error",
        OUT,
        swap(OUT, ("0.25,0.1,30", "0.25,-0.1,30")),
        {"too_small": 1},
        ("'std_error' is below 0", "std_error=-0.1"),
    ),
    Bad("a negative count", OUT, swap(OUT, ("0.1,30", "0.1,-30")), {"too_small": 1}, ("n_obs",)),
    Bad(
        "a label for a year",
        OUT,
        swap(OUT, ("2015", "2014-15")),
        {"not_a_year": 1},
        ("2019 is 2018-19", "school_year_end=2014-15"),
    ),
    Bad("half a year", ROS, swap(ROS, ("2018", "2018.5")), {"not_a_year": 1}),
    Bad("a date for a year", ROS, swap(ROS, ("2018", "2018-07-01")), {"not_a_year": 1}),
    Bad(
        "a year outside the calendar",
        ROS,
        swap(ROS, ("2018", "218")),
        {"year_outside_calendar": 1},
        ("1850 to 2100", "school_year_end=218"),
    ),
    Bad(
        "a date outside the calendar",
        TEN,
        swap(TEN, ("2019-07-01", "9999-12-31")),
        {"year_outside_calendar": 2},
        ("stop=9999-12-31", "not yet"),
    ),
    Bad(
        "a date as one number",
        TEN,
        swap(
            TEN,
            ("2019-07-01", "20190701"),
            ("2015-01-01", "20150101"),
            ("2010-07-01", "20100701"),
            ("2012-07-01", "20120701"),
        ),
        {"year_outside_calendar": 6},
        ("start=20100701",),
    ),
    Bad(
        "a day that does not exist",
        TEN,
        swap(TEN, ("2010-07-01", "2010-02-31")),
        {"not_a_time": 1},
        ("start=2010-02-31",),
    ),
    Bad(
        "days first",
        TEN,
        swap(TEN, ("2010-07-01", "31.02.2019")),
        {"not_a_time": 1},
        ("start=31.02.2019", "year-month-day"),
    ),
    Bad("American dates", TEN, swap(TEN, ("2010-07-01", "7/1/2010")), {"not_a_time": 1}),
    Bad("years of two digits", TEN, swap(TEN, ("2010-07-01", "10-07-01")), {"not_a_time": 1}),
    Bad("a month without a day", TEN, swap(TEN, ("2010-07-01", "2010-07")), {"not_a_time": 1}),
    Bad(
        "dates and numbers",
        TEN,
        swap(TEN, ("0100006,head,c,2012-07-01", "0100006,head,c,2012")),
        {"dates_and_numbers": 1},
        ("line 4", "start=2012", "2019.0 is 2018-07-01"),
    ),
    Bad(
        "neither yes nor no",
        TEN,
        "unit_id,role,leader_id,start,stop,interim\n1,head,a,2010,2011,acting\n",
        {"not_a_boolean": 1},
        ("interim=acting", "true or false"),
    ),
    Bad(
        "no unit",
        TEN,
        lines(TEN, ",head,d,2012-07-01,2019-07-01"),
        {"missing_value": 1},
        ("line 5", "unit_id=(empty)", "leader_id=d"),
    ),
    Bad(
        "no leader", TEN, lines(TEN, "0100007,head,NA,2012-07-01,2019-07-01"), {"missing_value": 1}
    ),
    Bad(
        "no start",
        PRO,
        lines(PRO, "p3,0100006,,2019-07-01,"),
        {"missing_value": 1},
        ("program_id=p3",),
    ),
    Bad(
        "ids with decimals",
        TEN,
        swap(TEN, ("0100005", "100005.0")),
        {"not_a_string": 2},
        ("unit_id=100005.0", "leading zeros"),
    ),
    Bad("ids with an exponent", ROS, swap(ROS, ("0100005", "1.00005E+11")), {"not_a_string": 2}),
    # rows
    Bad(
        "rows twice",
        TEN,
        lines(TEN, "0100006,head,c,2012-07-01,2019-07-01"),
        {"duplicate_row": 1},
        ("line 5", "see line 4"),
    ),
    Bad(
        "rows of a roster twice",
        ROS,
        lines(ROS, "0100005,head,2018,a", "0100006,head,2019,"),
        {"duplicate_row": 2},
        ("line 5", "see line 2", "see line 4"),
    ),
    Bad(
        "two holders",
        ROS,
        lines(ROS, "0100005,head,2018,z"),
        {"two_holders": 1},
        ("leader_id=z; see line 2",),
    ),
    Bad(
        "a key twice",
        OUT,
        lines(OUT, "0100006,2014,math,0.5,,"),
        {"duplicate_key": 1},
        ("line 5", "see line 4"),
    ),
    Bad(
        "an id twice",
        PRO,
        lines(PRO, "p1,0100006,2012-07-01,2019-07-01,"),
        {"duplicate_id": 1},
        ("program_id=p1", "see line 2"),
    ),
    Bad(
        "a spell id twice",
        TEN,
        "spell_id,unit_id,role,leader_id,start,stop\ns,1,head,a,2010,2011\ns,1,head,b,2011,2012\n",
        {"duplicate_id": 1},
        ("line 3: spell_id=s", "see line 2"),
    ),
    Bad(
        "overlapping spells",
        TEN,
        lines(TEN, "0100005,head,z,2018-07-01,2020-07-01"),
        {"overlapping_spells": 1},
        ("line 5", "start=2018-07-01", "see line 3"),
    ),
    Bad(
        "a spell within another",
        TEN,
        lines(TEN, "0100005,head,z,2011-07-01,2011-08-01"),
        {"overlapping_spells": 1},
        ("line 5", "see line 2"),
    ),
    Bad(
        "reversed dates",
        TEN,
        lines(TEN, "0100009,head,z,2018-07-01,2017-07-01"),
        {"reversed_dates": 1},
        ("line 5", "stop=2017-07-01", "swap"),
    ),
    Bad(
        "a spell of no time",
        TEN,
        lines(TEN, "0100009,head,z,2018-07-01,2018-07-01"),
        {"reversed_dates": 1},
    ),
    Bad(
        "a program that ends before it begins",
        PRO,
        lines(PRO, "p3,0100006,2018-07-01,2017-07-01,"),
        {"reversed_dates": 1},
        ("programs stop",),
    ),
    Bad(
        "entry outside the spell",
        TEN,
        "unit_id,role,leader_id,start,stop,entry\n"
        "1,head,a,2010,2011,2011\n2,head,a,2010,2011,2009\n3,head,a,2010,2011,2010\n",
        {"entry_outside_spell": 2},
    ),
    Bad(
        "after a cell of two lines and an empty line",
        TEN,
        swap(TEN, ("head,b", '"head\noffice",b'), ("0100006", "\n0100006"), ("c,2012-", "c,12-")),
        {"not_a_time": 1},
        ("line 6: unit_id=0100006",),
    ),
    Bad(
        "a roster without any holder",
        ROS,
        swap(ROS, (",a\n", ",\n"), (",b\n", ",NA\n")),
        {"no_holder": 0},
        ("no row names a holder", "'leader_id'"),
    ),
    Bad(
        "a roster without the column of holders",
        ROS,
        swap(ROS, ("leader_id", "chief")),
        {"no_holder": 0},
    ),
    Bad(
        "no column of ends",
        PRO,
        swap(PRO, ("stop", "end")),
        {"no_end_of_observation": 2},
    ),
    Bad(
        "a year that no calendar has",
        ROS,
        swap(ROS, ("2018", "201899999999999999999999")),
        {"not_a_year": 1},
    ),
    Bad(
        "no end of observation",
        TEN,
        lines(TEN, "0100009,head,z,2018-07-01,"),
        {"no_end_of_observation": 1},
        ("observed_until='2024-07-01'", "line 5"),
    ),
    Bad(
        "programs without an end",
        PRO,
        lines(PRO, "p3,0100006,2018-07-01,,"),
        {"no_end_of_observation": 1},
        ("program_id=p3",),
    ),
    Bad(
        "more rows than are shown",
        ROS,
        lines(ROS, *["0100007,head,2019,x"] * 9),
        {"duplicate_row": 8},
        ("... and 3 more",),
    ),
    # files
    Bad("an empty file", TEN, "", {"unreadable_file": 0}, ("the file is empty",)),
    Bad("blank lines only", TEN, "\n\n  \n", {"unreadable_file": 0}, ("empty",)),
    Bad("a header only", TEN, GOOD[TEN].splitlines()[0] + "\n", {"empty": 0}, ("no rows",)),
    Bad("a header of other columns only", TEN, "a,b\n", {"empty": 0, "missing_column": 0}),
    Bad(
        "short and long lines",
        TEN,
        lines(TEN, "0100009,head,z,2018-07-01", "", "1,head,z,1,2,3"),
        {"ragged_lines": 2},
        ("line 5: 4 cells", "line 7: 6 cells", "5 of the header"),
    ),
    Bad(
        "all lines longer than the header",
        TEN,
        swap(TEN, ("role,leader_id", "role")),
        {"ragged_lines": 3},
        ("4 of the header",),
    ),
    Bad(
        "a quote that is not closed",
        TEN,
        swap(TEN, (",a,", ',"a,')),
        {"unreadable_file": 0},
        ("quotation mark", "line 2"),
    ),
    Bad(
        "quotes that swallow a line",
        TEN,
        swap(TEN, (",a,", ',"a,'), (",b,", ',"b,')),
        {"unreadable_file": 0},
        ("quotation mark", "line 2"),
    ),
    Bad(
        "a quote within a quoted cell",
        TEN,
        swap(TEN, (",a,", ',"Jo "Al" Oz",')),
        {"unreadable_file": 0},
        ("quotation mark",),
    ),
    Bad(
        "single quotes",
        TEN,
        swap(TEN, ("unit_id", "'unit_id'")),
        {"missing_column": 0},
        ("'unit_id'",),
    ),
    Bad(
        "semicolons",
        TEN,
        GOOD[TEN].replace(",", ";"),
        {"unreadable_file": 0},
        ("by semicolons, not by commas",),
    ),
    Bad("tabs", TEN, GOOD[TEN].replace(",", "\t"), {"unreadable_file": 0}, (".tsv",)),
    Bad("NUL bytes", TEN, swap(TEN, (",a,", ",a\0,")), {"unreadable_file": 0}, ("NUL", "line 2")),
    Bad(
        "Latin-1",
        TEN,
        swap(TEN, (",a,", ",José,")).encode("latin-1"),
        {"unreadable_file": 0},
        ("line 2 is not UTF-8", "0xe9", "CSV UTF-8"),
    ),
    Bad("UTF-16", TEN, GOOD[TEN].encode("utf-16"), {"unreadable_file": 0}, ("UTF-16",)),
    Bad(
        "a workbook called CSV", TEN, b"PK\x03\x04\x14\0\x06\0", {"unreadable_file": 0}, ("Excel",)
    ),
    Bad("Parquet called CSV", TEN, b"PAR1\x15\x04", {"unreadable_file": 0}, ("Parquet",)),
    Bad("random bytes", TEN, bytes(range(1, 256)), {"unreadable_file": 0}, ("UTF-8",)),
    Bad("gz that is none", TEN, GOOD[TEN], {"unreadable_file": 0}, ("gzip",), ".csv.gz"),
    Bad(
        "half a gz",
        TEN,
        gzip.compress(GOOD[TEN].encode())[:40],
        {"unreadable_file": 0},
        ("gzip",),
        ".csv.gz",
    ),
    Bad(
        "Parquet that is none",
        TEN,
        GOOD[TEN],
        {"unreadable_file": 0},
        ("can't be read",),
        ".parquet",
    ),
    Bad("Parquet of no bytes", TEN, b"", {"unreadable_file": 0}, (), ".parquet"),
    Bad("Stata that is none", TEN, GOOD[TEN], {"unreadable_file": 0}, (), ".dta"),
    Bad("SPSS that is none", TEN, GOOD[TEN], {"unreadable_file": 0}, (), ".sav"),
    Bad("Excel that is none", TEN, GOOD[TEN], {"unreadable_file": 0}, (), ".xlsx"),
    Bad("an unknown ending", TEN, GOOD[TEN], {"unreadable_file": 0}, (".json", ".csv"), ".json"),
]
assert len({bad.name for bad in FILES}) == len(FILES)


def write(bad: Bad, folder: Path) -> Path:
    path = folder / f"{bad.table}{bad.ending}"
    content = bad.content.encode() if isinstance(bad.content, str) else bad.content
    path.write_bytes(content)
    return path


def by_rule(error: DataError) -> dict[str, int]:
    rules: dict[str, int] = {}
    for fault in error.faults:
        rules[fault.rule] = rules.get(fault.rule, 0) + fault.n_rows
    return rules


def assert_clear(error: DataError, file: str = "") -> None:
    """Assert that each fault has a rule, a sentence, its rows and a remedy, and is in the text."""
    text = str(error)
    n = len(error.faults)
    assert text.startswith(f"{n} fault{'s' if n > 1 else ''} in the data\n")
    for fault in error.faults:
        assert str(fault) in text
        assert f"[{fault.rule}] {fault.table}" in text
        assert fault.source == file
        assert file in text
        assert len(fault.message) > 10
        assert len(fault.how) > 8
        assert len(fault.rows) == min(fault.n_rows, MAX_ROWS_SHOWN)
        assert not any(word in text for word in ("Traceback", "nan", "NaT", "<NA>", "None"))


@pytest.mark.parametrize("table", GOOD)
def test_the_good_files_are_good(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(Bad("", table, GOOD[table], {}), tmp_path)
    READERS[table](path)
    assert main(["check", f"--{table}", str(path)]) == 0
    shown = capsys.readouterr()
    assert table in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_a_bad_file_is_told_in_one_error(bad: Bad, tmp_path: Path) -> None:
    path = write(bad, tmp_path)
    with pytest.raises(DataError) as error:
        READERS[bad.table](path)
    assert by_rule(error.value) == bad.rules
    assert_clear(error.value, path.name)
    for words in bad.says:
        assert words in str(error.value)


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_the_command_line_says_the_same_and_fails(
    bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(bad, tmp_path)
    with pytest.raises(DataError) as error:
        READERS[bad.table](path)
    assert main(["check", f"--{bad.table}", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.strip() == str(error.value)


FRAMED = [
    bad
    for bad in FILES
    if isinstance(bad.content, str)
    and bad.ending == ".csv"
    and bad.content.strip()
    and set(bad.rules).isdisjoint({"unreadable_file", "ragged_lines"})
    and "duplicate_column" not in bad.rules
]


@pytest.mark.parametrize("bad", FRAMED, ids=lambda bad: bad.name)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_a_bad_frame_is_told_like_a_bad_file(
    bad: Bad, make: Callable[[pd.DataFrame], Any], tmp_path: Path
) -> None:
    frame = pd.read_csv(write(bad, tmp_path), dtype=str, keep_default_na=False)
    with pytest.raises(DataError) as error:
        READERS[bad.table](make(frame))
    assert by_rule(error.value) == bad.rules
    assert_clear(error.value)


SPELLS = pd.DataFrame(
    {
        "unit_id": ["1", "2"],
        "role": ["head", "head"],
        "leader_id": ["a", "b"],
        "start": [2010.0, 2011.0],
        "stop": [2012.0, 2013.0],
    }
)
YEARS = pd.DataFrame(
    {
        "unit_id": ["1", "1"],
        "school_year_end": [2010, 2011],
        "measure": ["m", "m"],
        "estimate": [0.1, 0.2],
        "std_error": [0.1, 0.1],
        "n_obs": [3, 4],
    }
)


def with_cell(frame: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    cells = frame[column].astype(object)
    cells.iloc[0] = value
    return frame.assign(**{column: cells})


def two_of(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return pd.concat([frame, frame[[column]]], axis=1)


CALLS: dict[str, tuple[Callable[[], Any], dict[str, int], str]] = {
    "an empty frame": (lambda: cs.Tenures.from_spells(SPELLS.iloc[:0]), {"empty": 0}, "no rows"),
    "a frame of nothing": (
        lambda: cs.Tenures.from_spells(pd.DataFrame()),
        {"empty": 0, "missing_column": 0},
        "columns are: none",
    ),
    "ids as decimal numbers": (
        lambda: cs.Tenures.from_spells(SPELLS.assign(unit_id=[1.0, 2.0])),
        {"not_a_string": 2},
        "unit_id=1",
    ),
    "ids as infinite numbers": (
        lambda: cs.Tenures.from_spells(SPELLS.assign(leader_id=[np.inf, 2.5])),
        {"not_a_string": 2},
        "dtype=str",
    ),
    "infinite times": (
        lambda: cs.Tenures.from_spells(SPELLS.assign(stop=[np.inf, 2013.0])),
        {"not_a_time": 1},
        "stop=inf",
    ),
    "infinite estimates": (
        lambda: cs.Outcomes.from_frame(YEARS.assign(estimate=[np.inf, -np.inf])),
        {"not_a_number": 2},
        "finite",
    ),
    "truth values as numbers": (
        lambda: cs.Outcomes.from_frame(YEARS.assign(estimate=[True, False])),
        {"not_a_number": 2},
        "estimate=True",
    ),
    "dates as years": (
        lambda: cs.Outcomes.from_frame(
            YEARS.assign(school_year_end=pd.to_datetime(["2010-07-01", "2011-07-01"]))
        ),
        {"not_a_year": 2},
        "2010-07-01",
    ),
    "a length of time as a time": (
        lambda: cs.Tenures.from_spells(SPELLS.assign(stop=pd.to_timedelta([1, 2], unit="D"))),
        {"not_a_time": 2},
        "1 days",
    ),
    "dates and numbers as objects": (
        lambda: cs.Tenures.from_spells(with_cell(SPELLS, "start", date(2010, 7, 1))),
        {"dates_and_numbers": 1},
        "row 2",
    ),
    "lists in cells": (
        lambda: cs.Tenures.from_spells(with_cell(SPELLS, "start", [2010])),
        {"not_a_time": 1},
        "start=[2010]",
    ),
    "complex numbers": (
        lambda: cs.Outcomes.from_frame(YEARS.assign(estimate=[1j, 2j])),
        {"not_a_number": 2},
        "1j",
    ),
    "a column twice": (
        lambda: cs.Tenures.from_spells(two_of(SPELLS, "start")),
        {"duplicate_column": 0},
        "start",
    ),
    "a column twice that is not used": (
        lambda: cs.Tenures.from_spells(two_of(SPELLS.assign(note="x"), "note")),
        {"duplicate_column": 0},
        "note",
    ),
    "a column twice in Arrow": (
        lambda: cs.Tenures.from_spells(
            pa.table([["1"], ["a"], ["b"]], names=["unit_id", "leader_id", "leader_id"])
        ),
        {"unreadable_frame": 0},
        "leader_id",
    ),
    "a mapping to no column": (
        lambda: cs.Tenures.from_spells(SPELLS, columns={"unit_id": "leaid"}),
        {"missing_column": 0},
        "no column leaid",
    ),
    "a mapping from no column": (
        lambda: cs.Tenures.from_spells(SPELLS, columns={"district": "unit_id"}),
        {"unknown_mapping": 0},
        "district",
    ),
    "a mapping the wrong way round": (
        lambda: cs.Tenures.from_spells(
            SPELLS.rename(columns={"unit_id": "leaid"}), columns={"leaid": "unit_id"}
        ),
        {"unknown_mapping": 0, "missing_column": 0},
        "'name here': 'name in the data'",
    ),
    "a mapping onto a name that is taken": (
        lambda: cs.Tenures.from_spells(
            SPELLS.assign(leaid=["8", "9"]), columns={"unit_id": "leaid"}
        ),
        {"duplicate_column": 0},
        "already called unit_id",
    ),
    "one column for two names": (
        lambda: cs.Tenures.from_spells(SPELLS, columns={"start": "stop", "stop": "stop"}),
        {"unknown_mapping": 0},
        "several names",
    ),
    "a list for a mapping": (
        lambda: cs.Tenures.from_spells(SPELLS, columns=["unit_id"]),  # type: ignore[arg-type]
        {"unknown_mapping": 0},
        "no mapping",
    ),
    "no frame at all": (lambda: cs.Tenures.from_spells(None), {"not_a_frame": 0}, "NoneType"),
    "a dict": (lambda: cs.Outcomes.from_frame({"unit_id": ["1"]}), {"not_a_frame": 0}, "dict"),
    "a list of rows": (lambda: cs.Programs.from_frame([["p", "1"]]), {"not_a_frame": 0}, "list"),
    "an array": (lambda: cs.Tenures.from_roster(np.eye(2)), {"not_a_frame": 0}, "ndarray"),
    "a series": (lambda: cs.Tenures.from_roster(SPELLS["start"]), {"not_a_frame": 0}, "Series"),
    "a lazy frame that fails": (
        lambda: cs.Tenures.from_spells(
            pl.LazyFrame({"a": ["x"]}).select(pl.col("a").str.to_date("%Y", strict=True))
        ),
        {"unreadable_frame": 0},
        "LazyFrame",
    ),
    "a lazy frame of no file": (
        lambda: cs.Tenures.from_spells(pl.scan_csv("absent.csv")),
        {"unreadable_frame": 0},
        "",
    ),
    "a file that is not there": (
        lambda: cs.Tenures.from_spells("absent.csv"),
        {"unreadable_file": 0},
        "no such file",
    ),
    "a folder": (lambda: cs.Tenures.from_spells(Path()), {"unreadable_file": 0}, "folder"),
    "an end of observation that is no date": (
        lambda: cs.Tenures.from_spells(SPELLS, observed_until="31.02.2019"),
        {"not_a_time": 0},
        "observed_until='31.02.2019'",
    ),
    "an end of observation outside the calendar": (
        lambda: cs.Programs.from_frame(
            SPELLS.rename(columns={"leader_id": "program_id"}), observed_until=20190701.0
        ),
        {"not_a_time": 0},
        "observed_until=20190701.0",
    ),
    "starts after the end of observation": (
        lambda: cs.Tenures.from_spells(SPELLS.assign(stop=None), observed_until=2011.0),
        {"starts_after_observation": 1},
        "row 2: unit_id=2",
    ),
    "a stop that nobody can have seen": (
        lambda: cs.Tenures.from_spells(SPELLS, observed_until=2012.0),
        {"stops_after_observation": 1},
        "row 2: unit_id=2, leader_id=b, start=2011, stop=2013",
    ),
    "gaps that may not be": (
        lambda: cs.Tenures.from_spells(
            SPELLS.assign(unit_id="1", start=[2010.0, 2012.5]), gaps="error"
        ),
        {"gap": 1},
        "row 2",
    ),
    "years outside a calendar that is given": (
        lambda: cs.Outcomes.from_frame(YEARS, calendar=cs.SchoolCalendar(first=2011, last=2020)),
        {"year_outside_calendar": 1},
        "2011 to 2020",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_call_is_told_in_one_error(name: str) -> None:
    call, rules, says = CALLS[name]
    with pytest.raises(DataError) as error:
        call()
    assert by_rule(error.value) == rules
    assert says in str(error.value)
    for fault in error.value.faults:
        assert fault.how
        assert len(fault.rows) == min(fault.n_rows, MAX_ROWS_SHOWN)
    words = ("Traceback", "KeyError", "NaT", "<NA>", "dtype('")
    assert not any(word in str(error.value) for word in words)


NASTY = [
    *",;\t\"'\n\r -", "\0", "", "é", "²", "٣", "１２", "\u2028", "\x85", "\ufeff", "nan", "2019",
    "-1", "1e999", "1_000", "0x10", "99999999999999999999", "9999-99-99", "2019-01-01T25:99Z",
    "0000-01-01",
]  # fmt: skip
ODD = [
    None, np.nan, pd.NaT, pd.NA, 1, 1.5, -1, True, "x", "", b"x", 1j, np.inf, [1], {}, {1}, (1, 2),
    object(), 10**30, np.float32(2015), Decimal("2015.5"), date(2019, 1, 1), date(9999, 12, 31),
    pd.Timestamp("2019-01-01", tz="US/Central"), pd.Period("2019"), pd.Interval(0, 1),
    pd.Timedelta(1), np.array([1, 2]), np.datetime64("2019-01-01"), "2019-07-01",
]  # fmt: skip
FUZZ = settings(DRAWS, max_examples=80)


def read_or_refuse(table: str, data: Any) -> None:
    with contextlib.suppress(DataError):
        READERS[table](data)


@FUZZ
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 9), st.sampled_from(NASTY)), max_size=4),
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, table: str, damages: list[tuple[int, int, str]]
) -> None:
    text = GOOD[table]
    for place, length, new in damages:
        text = text[:place] + new + text[place + length :]
    path = tmp_path_factory.getbasetemp() / f"{table}.csv"
    path.write_text(text, encoding="utf-8", newline="")
    read_or_refuse(table, path)


@FUZZ
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 2), st.booleans(), st.sampled_from(ODD)),
        max_size=4,
    ),
)
def test_a_frame_of_anything_is_read_or_refused(
    table: str, cells: list[tuple[int, int, bool, Any]]
) -> None:
    frame = pd.read_csv(io.StringIO(GOOD[table]), dtype=str).astype(object)
    for column, row, everywhere, value in cells:
        name = frame.columns[column % len(frame.columns)]
        new = [value if everywhere or i == row else v for i, v in enumerate(frame[name])]
        odd = pd.Series(new, dtype=object)
        frame[name] = odd.infer_objects() if everywhere else odd
    read_or_refuse(table, frame)


MANY = {
    "tenures": """unit_id,role,leader_id,start,stop,left_censored
0100005,head,a,2010-07-01,2015-01-01,no
0100005,head,b,2014-01-01,2019-07-01,no
0100006,head,c,2019-07-01,2012-07-01,no
0100007,head,d,31.02.2019,2020-07-01,no
0100008,head,,2011-07-01,2012-07-01,no
0100009,head,e,2011,2012-07-01,maybe
0100010,head,f,1811-07-01,2012-07-01,no
0100011,head,g,2011-07-01,,no
0100012.0,head,g,2011-07-01,2013-07-01,no
0100013,,g,2011-07-01,2013-07-01,no
0100014,head,g,2011-07-01,2013-07-01,no
0100014,head,g,2011-07-01,2013-07-01,no
""",
    "roster": """unit_id,role,school_year_end,leader_id
0100005,head,2015,a
0100005,head,2015,b
0100005,head,2015,b
0100006,head,215,b
""",
    "outcomes": """unit_id,school_year_end,measure,estimate,std_error,n_obs
0100005,2015,math,0.2,0.1,30
0100005,2015,math,0.3,0.1,30
100005,2015,math,0.3,-0.1,30
0100005,2015-16,math,abc,0.1,30
0100005,2016,,inf,0.1,"1,000"
""",
    "programs": """program_id,unit_id,start,stop
p1,0100005,2012,2010
p1,0100005,2012,2014
p2,0100005,,2014
p3,0100099,2013,
""",
}
ALL_RULES = {
    "tenures": {
        "not_a_string": 1,
        "missing_value": 1,
        "not_a_time": 1,
        "year_outside_calendar": 1,
        "dates_and_numbers": 1,
        "not_a_boolean": 1,
        "no_end_of_observation": 1,
        "no_role": 1,
        "reversed_dates": 1,
        "duplicate_row": 1,
        "overlapping_spells": 1,
    },
    "roster": {"year_outside_calendar": 1, "duplicate_row": 1, "two_holders": 1},
    "outcomes": {
        "not_a_year": 1,
        "missing_value": 1,
        "not_a_number": 3,
        "too_small": 1,
        "duplicate_key": 1,
        "unknown_unit": 1,
    },
    "programs": {
        "missing_value": 1,
        "no_end_of_observation": 1,
        "reversed_dates": 1,
        "duplicate_id": 1,
        "unknown_unit": 1,
    },
}


def write_many(folder: Path) -> dict[str, Path]:
    paths = {table: folder / f"{table}.csv" for table in MANY}
    for table, path in paths.items():
        path.write_text(MANY[table], encoding="utf-8")
    return paths


def test_many_faults_in_four_files_are_one_error(tmp_path: Path) -> None:
    paths = write_many(tmp_path)
    with pytest.raises(DataError) as error:
        check_files(paths)
    found: dict[str, dict[str, int]] = {table: {} for table in MANY}
    for fault in error.value.faults:
        assert fault.source == f"{fault.table}.csv"
        rules = found[fault.table]
        rules[fault.rule] = rules.get(fault.rule, 0) + fault.n_rows
    assert found == ALL_RULES


def test_the_program_tells_every_fault_on_stderr(tmp_path: Path) -> None:
    paths = write_many(tmp_path)
    arguments = [word for table in MANY for word in (f"--{table}", str(paths[table]))]
    done = subprocess.run(
        [sys.executable, "-m", "churnstats.studies.cli", "check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for table in MANY:
        for rule in ALL_RULES[table]:
            assert f"[{rule}] {table} ({table}.csv): " in done.stderr
    assert done.stderr.count("    mend: ") == done.stderr.count("\n[")


def test_rows_are_numbered_as_their_file_shows_them(tmp_path: Path) -> None:
    frame = SPELLS.assign(unit_id=["1", "2"], stop=[2012.0, 2010.0])
    for name, save, place in (
        ("t.xlsx", frame.to_excel, "row 3"),
        ("t.parquet", frame.to_parquet, "row 2"),
        ("t.csv", frame.to_csv, "line 3"),
    ):
        save(tmp_path / name, index=False)
        with pytest.raises(DataError) as error:
            cs.Tenures.from_spells(tmp_path / name)
        (fault,) = error.value.faults
        assert fault.rows[0].startswith(f"{place}: unit_id=2, ")


def test_an_unknown_unit_is_found_across_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tenures = write(Bad("", TEN, GOOD[TEN], {}), tmp_path)
    outcomes = write(Bad("", OUT, GOOD[OUT].replace("0100006", "100006"), {}), tmp_path)
    arguments = ["check", "--tenures", str(tenures), "--outcomes", str(outcomes)]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "[unknown_unit] outcomes (outcomes.csv): units have no tenure record (1 row)" in told
    assert "line 4: unit_id=100006, school_year_end=2014, measure=math" in told
    assert "leading zeros" in told
    panel_tenures, records = cs.Tenures.from_spells(tenures), cs.Outcomes.from_frame(outcomes)
    with pytest.raises(DataError, match="unit_id=100006") as error:
        cs.Panel.build(panel_tenures, records)
    assert by_rule(error.value) == {"unknown_unit": 1}


def test_one_unreadable_file_does_not_hide_the_faults_of_the_others(tmp_path: Path) -> None:
    paths = write_many(tmp_path)
    paths["tenures"].write_bytes(b"\0\1\2")
    with pytest.raises(DataError) as error:
        check_files(paths)
    rules = {(f.table, f.rule) for f in error.value.faults}
    expected = {("tenures", "unreadable_file")} | {
        (table, rule) for table in ("roster", "outcomes", "programs") for rule in ALL_RULES[table]
    }
    # the units that only the unreadable file knows can't be told from unknown ones
    assert rules - expected == set()
    assert expected - rules <= {("outcomes", "unknown_unit"), ("programs", "unknown_unit")}


def test_role_and_end_of_observation_hold_for_all_files(tmp_path: Path) -> None:
    tenures, programs = tmp_path / "tenures.csv", tmp_path / "programs.csv"
    tenures.write_text("unit_id,leader_id,start,stop\n1,a,2010-07-01,\n", encoding="utf-8")
    programs.write_text("program_id,unit_id,start,stop\np,1,2011-07-01,\n", encoding="utf-8")
    files = {"programs": programs, "tenures": tenures}
    found = check_files(files, role="head", observed_until="2013-07-01")
    assert found["tenures"].frame[["role", "stop"]].to_numpy().tolist() == [["head", 2014.0]]
    assert found["programs"].frame["stop"].tolist() == [2014.0]
    assert found["programs"].frame["right_censored"].all()
    assert (
        main(
            [
                "check",
                "--tenures",
                str(tenures),
                "--programs",
                str(programs),
                "--role",
                "head",
                "--observed-until",
                "2013-07-01",
            ]
        )
        == 0
    )
    with pytest.raises(cs.SpecError, match="no file"):
        check_files({})
    with pytest.raises(cs.SpecError, match="the tables are"):
        check_files({"staff": tenures})


def test_what_was_found_and_kept_is_in_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "tenures.csv"
    path.write_text(GOOD[TEN].replace("2015-01-01,2019", "2015-07-01,2019"), encoding="utf-8")
    text = cs.Tenures.from_spells(path).summary()
    assert "3 spells, 3 leaders, 2 units, roles: head" in text
    assert "spells start later than the one before them stopped (1): kept as vacancy" in text
