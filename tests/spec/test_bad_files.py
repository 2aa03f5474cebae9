"""Bad files of many kinds: each is told in one error with its rule, its rows and its remedy.

Those of four CSV tables, frames and calls are in ``tests/analyses/test_bad_input.py``; here are
other formats, other tables, what a spreadsheet or a download does to a file, and mappings.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import MAX_ROWS_SHOWN, DataError
from churnstats.records.calendars import read_calendar
from churnstats.records.check import check_files, tables_in
from churnstats.records.partnerships import Partnerships
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units
from churnstats.studies.cli import main

TEN, ROS, OUT, PRO = "tenures", "roster", "outcomes", "programs"
STA, PAR, UNI, CHA, CAL = "program_status", "partnerships", "units", "unit_changes", "calendar"
GOOD = {
    TEN: """unit_id,role,leader_id,start,stop,fte,interim_basis
0100005,head,a,2010-07-01,2015-01-01,1,given
0100005,head,b,2015-01-01,2019-07-01,1,given
0100006,head,c,2012-07-01,2019-07-01,0.5,unknown
""",
    ROS: """unit_id,role,school_year_end,leader_id,fte,vacant
0100005,head,2018,a,1,no
0100005,head,2019,b,1,no
0100006,head,2019,c,0.5,no
""",
    OUT: """unit_id,school_year_end,measure,estimate,std_error,n_obs
0100005,2014,math,0.25,0.1,30
0100005,2015,math,,,
0100006,2014,math,-0.25,0.1,40
""",
    PRO: """program_id,unit_id,start,stop,sponsor_id,adoption_order
p1,0100005,2012-07-01,2014-07-01,a,1
p2,0100006,2012-07-01,2014-07-01,,1
""",
    STA: """unit_id,initiative_id,school_year_end,status
0100005,reading,2012,planned
0100005,reading,2013,active
0100005,reading,2014,ended
""",
    PAR: """partnership_id,unit_id,partner_id,start,stop
q1,0100005,college,2012-07-01,2014-07-01
q2,0100006,college,2012-07-01,2014-07-01
""",
    UNI: """unit_id,level,parent_id
0100005,district,
0100006,district,
010000500001,school,0100005
""",
    CHA: """unit_id,school_year_end,change,successor_id
0100005,2015,new_id,0100006
""",
    CAL: """school_year_end,first_day
2014,2013-07-01
2015,2014-07-01
""",
}
ENDS_AS = {
    "dta": lambda frame, path: frame.to_stata(path, write_index=False),
    "sav": lambda frame, path: pytest.importorskip("pyreadstat").write_sav(frame, path),
    "xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


def changes(path: Path) -> Any:
    """Read changes of units beside the good units."""
    units = pd.read_csv(_good(UNI, path.parent), dtype=str)
    return Units.from_frame(units, path)


READERS: dict[str, Callable[[Path], Any]] = {
    TEN: cs.Tenures.from_spells,
    ROS: cs.Tenures.from_roster,
    OUT: cs.Outcomes.from_frame,
    PRO: cs.Programs.from_frame,
    STA: cs.Programs.from_status,
    PAR: Partnerships.from_frame,
    UNI: Units.from_frame,
    CHA: changes,
    CAL: read_calendar,
}


def _good(table: str, folder: Path) -> Path:
    path = folder / f"good_{table}.csv"
    path.write_text(GOOD[table], encoding="utf-8")
    return path


@dataclass(frozen=True)
class Bad:
    """A file with faults, how many rows each rule must mark, and what the message must say.

    ``content`` is text, bytes, or a frame that is written in the format of ``ending``.
    """

    name: str
    table: str
    content: str | bytes | pd.DataFrame
    rules: dict[str, int]
    says: tuple[str, ...] = ()
    ending: str = "csv"
    columns: dict[str, Any] = field(default_factory=dict)


def swap(table: str, *pairs: tuple[str, str]) -> str:
    """Return the good file of a table with each old text replaced, which must be there."""
    text = GOOD[table]
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def lines(table: str, *added: str) -> str:
    return GOOD[table] + "".join(f"{line}\n" for line in added)


def sheet(*rows: list[Any]) -> pd.DataFrame:
    """Return a frame whose first row is the header."""
    return pd.DataFrame([list(row) for row in rows[1:]], columns=rows[0])


def years(unit_ids: list[Any]) -> pd.DataFrame:
    """Return a roster of one year in which each unit has a leader of its own."""
    leaders = [f"l{i}" for i in range(len(unit_ids))]
    return pd.DataFrame(
        {"unit_id": unit_ids, "role": "head", "school_year_end": 2019, "leader_id": leaders}
    )


def written(frame: pd.DataFrame, ending: str, tmp: Path) -> bytes:
    path = tmp / f"whole.{ending}"
    ENDS_AS[ending](frame, path)
    return path.read_bytes()


LOST = [100005, 100006, 3]
FILES = [
    # ids that a program took for numbers
    Bad("Stata ids as whole numbers", ROS, years(LOST), {"not_a_string": 3}, ("pad",), "dta"),
    Bad(
        "Stata ids as decimal numbers",
        ROS,
        years([1.0, 2.0, 3.5]),
        {"not_a_string": 3},
        ("row 1: unit_id=1", "leading zeros"),
        "dta",
    ),
    Bad("SPSS ids as numbers", ROS, years(LOST), {"not_a_string": 3}, ("pad",), "sav"),
    Bad("Parquet ids as numbers", ROS, years(LOST), {"not_a_string": 3}, ("pad",), "parquet"),
    Bad(
        "Parquet ids as numbers, some missing",
        ROS,
        years([100005, None, 3]),
        {"not_a_string": 2, "missing_value": 1},
        ("unit_id=(missing)",),
        "parquet",
    ),
    Bad("Excel ids as numbers", ROS, years(LOST), {"not_a_string": 3}, ("row 2",), "xlsx"),
    Bad(
        "Excel ids as numbers in one cell",
        ROS,
        years(["0100005", 100006, "0000003"]),
        {"not_a_string": 1},
        ("row 3: unit_id=100006",),
        "xlsx",
    ),
    Bad(
        "Excel ids with an exponent",
        ROS,
        years(["1E+05", "0100006", "0000003"]),
        {"not_a_string": 1},
        ("unit_id=1E+05",),
        "xlsx",
    ),
    # worksheets
    Bad(
        "a worksheet with a title above the header",
        ROS,
        sheet(["Leaders of schools", "", ""], ["unit_id", "school_year_end", "leader_id"]),
        {"missing_column": 0, "no_role": 1},
        ("Leaders of schools",),
        "xlsx",
    ),
    Bad("a worksheet of nothing", ROS, pd.DataFrame(), {"unreadable_file": 0}, ("empty",), "xlsx"),
    Bad(
        "a worksheet of a header",
        ROS,
        years(LOST).iloc[:0],
        {"empty": 0},
        ("no rows",),
        "xlsx",
    ),
    Bad(
        "a worksheet with a line of totals",
        OUT,
        sheet(
            ["unit_id", "school_year_end", "measure", "estimate"],
            ["0100005", 2014, "math", 0.5],
            ["Total", None, None, 0.5],
        ),
        {"missing_value": 2},
        ("row 3: unit_id=Total",),
        "xlsx",
    ),
    Bad(
        "a worksheet with cells of errors",
        OUT,
        sheet(
            ["unit_id", "school_year_end", "measure", "estimate"],
            ["0100005", 2014, "math", "#DIV/0!"],
            ["0100005", 2015, "math", "#REF!"],
        ),
        {"not_a_number": 2},
        ("estimate=#DIV/0!",),
        "xlsx",
    ),
    Bad(
        "a worksheet with dates and their numbers",
        TEN,
        sheet(
            ["unit_id", "role", "leader_id", "start", "stop"],
            ["0100005", "head", "a", pd.Timestamp("2010-07-01"), pd.Timestamp("2012-07-01")],
            ["0100006", "head", "b", 40360, pd.Timestamp("2012-07-01")],
        ),
        {"dates_and_numbers": 1, "year_outside_calendar": 1, "reversed_dates": 1},
        ("row 3: unit_id=0100006, leader_id=b, start=40360",),
        "xlsx",
    ),
    Bad(
        "a worksheet with a column twice",
        ROS,
        sheet(
            ["unit_id", "unit_id", "role", "school_year_end", "leader_id"], ["1", "2", "h", 1, 2]
        ).iloc[:1],
        {"duplicate_column": 0, "year_outside_calendar": 1, "not_a_string": 1},
        ("several columns called unit_id",),
        "xlsx",
    ),
    # labels and types of statistics programs
    Bad(
        "Stata labels in a column of numbers",
        OUT,
        sheet(
            ["unit_id", "school_year_end", "measure", "estimate"], ["1", 2014, "m", "low"]
        ).astype({"estimate": "category"}),
        {"not_a_number": 1},
        ("estimate=low",),
        "dta",
    ),
    Bad(
        "SPSS dates as text",
        TEN,
        sheet(
            ["unit_id", "role", "leader_id", "start", "stop"],
            ["0100005", "head", "a", "01JUL2010", "01JUL2012"],
        ),
        {"not_a_time": 2},
        ("start=01JUL2010", "year-month-day"),
        "sav",
    ),
    Bad(
        "Parquet with lists in cells",
        OUT,
        sheet(["unit_id", "school_year_end", "measure", "estimate"], ["1", 2014, "m", [0.5, 1.0]]),
        {"not_a_number": 1},
        ("estimate=[0.5 1. ]",),
        "parquet",
    ),
    Bad(
        "Parquet with years as dates",
        OUT,
        sheet(["unit_id", "school_year_end", "measure"], ["1", pd.Timestamp("2014-07-01"), "m"]),
        {"not_a_year": 1},
        ("school_year_end=2014-07-01",),
        "parquet",
    ),
    Bad("an old worksheet", ROS, b"\xd0\xcf\x11\xe0", {"unreadable_file": 0}, (".xlsx",), "xls"),
    Bad("a page of R", ROS, b"RDX3\n", {"unreadable_file": 0}, (".csv",), "rds"),
    # text files as they come from downloads and exports
    Bad(
        "an error page in place of the file",
        ROS,
        "<!DOCTYPE html>\n<html><body>\n<p>Not found, sorry, gone</p>\n</body></html>\n",
        {"ragged_lines": 1},
        ("line 3: 3 cells",),
    ),
    Bad(
        "JSON called CSV",
        ROS,
        json.dumps([{"unit_id": "1"}], indent=1),
        {"missing_column": 0, "no_role": 4},
        ("columns are: [",),
    ),
    Bad(
        "a title above the header",
        ROS,
        "Leaders of schools\n" + GOOD[ROS],
        {"ragged_lines": 4},
        ("6 cells", "1 of the header"),
    ),
    Bad(
        "a source below the rows",
        ROS,
        lines(ROS, "Source: state agency"),
        {"ragged_lines": 1},
        ("line 5: 1 cells: Source",),
    ),
    Bad(
        "two files one after the other",
        ROS,
        lines(ROS, GOOD[ROS].splitlines()[0]),
        {"not_a_year": 1, "not_a_number": 1, "not_a_boolean": 1},
        ("line 5: unit_id=unit_id", "school_year_end=school_year_end"),
    ),
    Bad(
        "capitals in the header",
        ROS,
        swap(ROS, ("unit_id,role", "UNIT_ID,ROLE")),
        {"missing_column": 0, "no_role": 3},
        ("the data's columns are: UNIT_ID",),
    ),
    Bad(
        "curly quotes in the header",
        ROS,
        swap(ROS, ("unit_id", "“unit_id”")),
        {"missing_column": 0},
        ("“unit_id”",),
    ),
    Bad("bars", ROS, GOOD[ROS].replace(",", "|"), {"unreadable_file": 0}, ("by bars",)),
    Bad("commas in a TSV", ROS, GOOD[ROS], {"unreadable_file": 0}, ("by commas",), "tsv"),
    Bad(
        "UTF-16 without its mark",
        ROS,
        GOOD[ROS].encode("utf-16-le"),
        {"unreadable_file": 0},
        ("NUL",),
    ),
    Bad(
        "UTF-16 within a gz",
        ROS,
        gzip.compress(GOOD[ROS].encode("utf-16")),
        {"unreadable_file": 0},
        ("UTF-16",),
        "csv.gz",
    ),
    Bad(
        "a worksheet within a gz",
        ROS,
        gzip.compress(b"PK\x03\x04\x14\0"),
        {"unreadable_file": 0},
        ("Excel",),
        "csv.gz",
    ),
    Bad("a PDF called CSV", ROS, b"%PDF-1.7\n", {"unreadable_file": 0}, ("a PDF",)),
    # numbers, dates and years as people write them
    Bad("a percentage", OUT, swap(OUT, (",0.25,", ",25%,")), {"not_a_number": 1}, ("25%",)),
    Bad("a currency", OUT, swap(OUT, (",30\n", ",$30\n")), {"not_a_number": 1}, ("n_obs=$30",)),
    Bad("thousands by a space", OUT, swap(OUT, (",30\n", ",1 030\n")), {"not_a_number": 1}),
    Bad("a long dash for a minus", OUT, swap(OUT, (",-0.25,", ",–0.25,")), {"not_a_number": 1}),
    Bad("below a limit", OUT, swap(OUT, (",30\n", ",<10\n")), {"not_a_number": 1}, ("n_obs=<10",)),
    Bad(
        "a code for missing that is not said",
        OUT,
        swap(OUT, (",0.1,", ",-9,")),
        {"too_small": 2},
        ("'std_error' is below 0", "std_error=-9"),
    ),
    Bad("a school year in full", ROS, swap(ROS, ("2018", "2017-2018")), {"not_a_year": 1}),
    Bad(
        "a year of two digits",
        ROS,
        swap(ROS, (",2018,", ",18,")),
        {"year_outside_calendar": 1},
        ("school_year_end=18",),
    ),
    Bad("a month in words", TEN, swap(TEN, ("2010-07-01", "July 1 2010")), {"not_a_time": 1}),
    Bad("a thirteenth month", TEN, swap(TEN, ("2010-07-01", "2010-13-01")), {"not_a_time": 1}),
    Bad("a third truth", ROS, swap(ROS, ("c,0.5,no", "c,0.5,2")), {"not_a_boolean": 1}),
    # values that the contracts do not allow
    Bad(
        "more than a full post",
        TEN,
        swap(TEN, ("0.5,", "1.5,")),
        {"too_large": 1},
        ("'fte' is above 1", "line 4", "fte=1.5"),
    ),
    Bad("less than no post", ROS, swap(ROS, (",0.5,", ",-0.5,")), {"too_small": 1}),
    Bad(
        "a word that is nearly allowed",
        TEN,
        swap(TEN, ("given", "givn")),
        {"not_allowed": 2},
        ("one of given, title, dates, length, unknown", "did you mean 'given' for 'givn'?"),
    ),
    Bad(
        "a status in other words",
        STA,
        swap(STA, ("active", "in force"), ("planned", "Planned")),
        {"not_allowed": 2},
        ("did you mean 'planned' for 'Planned'?", "line 3", "{'values': {'status'"),
    ),
    Bad("no status", STA, swap(STA, ("active", "")), {"missing_value": 1}, ("status=(empty)",)),
    Bad(
        "a kind of unit that is none",
        UNI,
        lines(UNI, "7,county,"),
        {"not_allowed": 1},
        ("one of state, district, school, other", "level=county"),
    ),
    Bad(
        "a change that is none",
        CHA,
        swap(CHA, ("new_id", "newid")),
        {"not_allowed": 1},
        ("did you mean 'new_id' for 'newid'?",),
    ),
    Bad("an adoption before the first", PRO, swap(PRO, ("a,1", "a,0")), {"too_small": 1}),
    Bad("no partner", PAR, swap(PAR, ("q1,0100005,college", "q1,0100005,")), {"missing_value": 1}),
    Bad("no column of partners", PAR, swap(PAR, ("partner_id", "with")), {"missing_column": 0}),
    Bad("no first day", CAL, swap(CAL, ("2013-07-01", "")), {"missing_value": 1}),
    Bad("a school year without a number", CAL, swap(CAL, ("2015,", "next,")), {"not_a_year": 1}),
    # mappings that do not fit
    Bad(
        "a part of a mapping that is none",
        ROS,
        GOOD[ROS],
        {"unknown_mapping": 0},
        ("none of columns, missing, values, pad: rename",),
        columns={"columns": {}, "rename": {"unit_id": "leaid"}},
    ),
    Bad(
        "codes for a column that is none",
        ROS,
        GOOD[ROS],
        {"unknown_mapping": 0},
        ("no columns of roster: salary",),
        columns={"missing": {"salary": -9}},
    ),
    Bad(
        "codes for a column that is not there",
        ROS,
        GOOD[ROS],
        {"missing_column": 0},
        ("no column title",),
        columns={"missing": {"title": ["none"]}},
    ),
    Bad(
        "a length that is no number",
        ROS,
        GOOD[ROS],
        {"unknown_mapping": 0},
        ("unit_id: seven",),
        columns={"pad": {"unit_id": "seven"}},
    ),
    Bad(
        "a length for numbers",
        ROS,
        GOOD[ROS],
        {"unknown_mapping": 0},
        ("must give columns of text", "fte"),
        columns={"pad": {"fte": 7}},
    ),
    Bad(
        "values that are no mapping",
        ROS,
        GOOD[ROS],
        {"unknown_mapping": 0},
        ("a mapping for each column: vacant",),
        columns={"values": {"vacant": "yes"}},
    ),
    Bad(
        "padding that leaves a damaged id",
        ROS,
        swap(ROS, ("0100006", "1.5E+05")),
        {"not_a_string": 1},
        ("unit_id=1.5E+05",),
        columns={"pad": {"unit_id": 7}},
    ),
]


def write(bad: Bad, folder: Path) -> Path:
    path = folder / f"{bad.table}.{bad.ending}"
    if isinstance(bad.content, pd.DataFrame):
        ENDS_AS[bad.ending](bad.content, path)
    else:
        content = bad.content
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def assert_told(error: DataError, rules: dict[str, int], says: tuple[str, ...]) -> None:
    """Assert the rules and their rows, that each has a remedy, and that no traceback is shown."""
    found: dict[str, int] = {}
    text = str(error)
    for fault in error.faults:
        found[fault.rule] = found.get(fault.rule, 0) + fault.n_rows
        assert len(fault.rows) == min(fault.n_rows, MAX_ROWS_SHOWN)
        assert len(fault.message) > 10
        assert len(fault.how) > 8
        assert str(fault) in text
    assert found == rules, text
    assert text.count("    mend: ") == len(error.faults)
    for words in says:
        assert words in text
    assert not any(word in text for word in ("Traceback", "KeyError", "NaT", "<NA>", "dtype('"))


@pytest.mark.parametrize("table", GOOD)
def test_the_good_files_are_good(table: str, tmp_path: Path) -> None:
    READERS[table](_good(table, tmp_path))


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_a_bad_file_is_told_in_one_error(bad: Bad, tmp_path: Path) -> None:
    path, read = write(bad, tmp_path), READERS[bad.table]
    with pytest.raises(DataError) as error:
        read(path, columns=bad.columns) if bad.columns else read(path)  # type: ignore[call-arg]
    assert_told(error.value, bad.rules, bad.says)
    assert {fault.source for fault in error.value.faults} <= {path.name, ""}


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_the_check_of_files_says_the_same(bad: Bad, tmp_path: Path) -> None:
    files = {bad.table: write(bad, tmp_path)}
    if bad.table == CHA:
        files[UNI] = _good(UNI, tmp_path)
    with pytest.raises(DataError) as error:
        check_files(files, columns={bad.table: bad.columns} if bad.columns else None)
    assert_told(error.value, bad.rules, bad.says)


@pytest.mark.parametrize("ending", ["xlsx", "parquet", "dta", "sav"])
def test_half_of_a_file_is_told_in_one_error(ending: str, tmp_path: Path) -> None:
    whole = written(years(["1", "2"]), ending, tmp_path)
    path = tmp_path / f"roster.{ending}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as error:
        cs.Tenures.from_roster(path)
    assert_told(error.value, {"unreadable_file": 0}, (path.name,))


def test_a_label_of_two_codes_is_told_in_one_error(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.dta"
    frame = sheet(
        ["unit_id", "school_year_end", "measure", "n_obs"], ["1", 1, "m", 1], ["1", 2, "m", 2]
    )
    frame.to_stata(path, write_index=False, value_labels={"n_obs": {1: "few", 2: "few"}})
    with pytest.raises(DataError) as error:
        cs.Outcomes.from_frame(path)
    assert_told(error.value, {"unreadable_file": 0}, ("several codes", "convert_categoricals"))


TEXTS = {
    "no YAML": ("columns: [unit_id", "can't be read"),
    "a name twice": ("unit_id: leaid\nunit_id: lea\n", "it says twice what unit_id is"),
    "a list": ("- unit_id\n", "no mapping"),
    "several names for one": ("unit_id: [leaid, lea]\n", "something else than a name for unit_id"),
    "one word": ("unit_id\n", "no mapping"),
    "a list of columns": ("columns: [unit_id]\n", "'columns' in columns= is no mapping"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_file_of_a_mapping_is_told_in_one_error(name: str, tmp_path: Path) -> None:
    text, says = TEXTS[name]
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        cs.Tenures.from_roster(_good(ROS, tmp_path), columns=path)
    (fault,) = error.value.faults
    assert fault.rule == (
        "unreadable_mapping" if "read" in says or "twice" in says else "unknown_mapping"
    )
    assert_told(error.value, {fault.rule: 0}, (says,))


def test_a_file_of_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.yaml can.t be read") as error:
        cs.Tenures.from_roster(_good(ROS, tmp_path), columns="absent.yaml")
    assert_told(error.value, {"unreadable_mapping": 0}, ("unit_id: leaid",))


# files together


def good_files(folder: Path, *tables: str) -> dict[str, Path]:
    """Return good files under the names by which their tables are known."""
    paths = {table: folder / f"{table}.csv" for table in tables}
    for table, path in paths.items():
        path.write_text(GOOD[table], encoding="utf-8")
    return paths


def test_files_that_fit_together_are_read_together(tmp_path: Path) -> None:
    paths = good_files(tmp_path, TEN, OUT, PRO, STA, PAR, UNI)
    found = check_files(paths)
    assert set(found) == set(paths)
    assert all(records.summary() for records in found.values())


def test_tables_are_known_by_the_names_of_their_files(tmp_path: Path) -> None:
    paths = good_files(tmp_path, TEN, UNI, CHA, CAL)
    (tmp_path / "notes.csv").write_text("", encoding="utf-8")
    (tmp_path / "roster.md").write_text("", encoding="utf-8")
    ENDS_AS["parquet"](years(["1"]), tmp_path / "Roster.parquet")
    assert tables_in(tmp_path) == {**paths, ROS: tmp_path / "Roster.parquet"}
    (tmp_path / "tenures.tsv").write_text("", encoding="utf-8")
    with pytest.raises(cs.SpecError, match="several files"):
        tables_in(tmp_path)
    with pytest.raises(cs.SpecError, match="no file in"):
        tables_in(tmp_path / "absent")


ACROSS = {
    "a unit that is in no row of units": (
        {OUT: ("0100006,2014", "0100009,2014"), PRO: ("p1,0100005", "p1,100005")},
        {(OUT, "unknown_unit"): 1, (PRO, "unknown_unit"): 1},
        ("'unit_id' is in no row of units", "line 4: unit_id=0100009", "leading zeros"),
    ),
    "a unit of tenures that is in no row of units": (
        {TEN: ("0100006,head", "0100008,head")},
        {(TEN, "unknown_unit"): 1, (OUT, "unknown_unit"): 1, (PRO, "unknown_unit"): 1,
         (PAR, "unknown_unit"): 1},
        ("0100008", "units have no tenure record"),
    ),
    "a program that is in no row of programs": (
        {PAR: ("start,stop", "start,stop,program_id"), "rows": ("2014-07-01", "2014-07-01,p9")},
        {(PAR, "unknown_program"): 2},
        ("'program_id' is in no row of programs", "program_id=p9"),
    ),
    "faults within and across": (
        {OUT: ("0100006,2014", "0100009,2014"), STA: ("active", "activ")},
        {(OUT, "unknown_unit"): 1, (STA, "not_allowed"): 1},
        ("did you mean 'active'",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ACROSS)
def test_keys_across_files_are_told_with_all_other_faults(name: str, tmp_path: Path) -> None:
    changed, rules, says = ACROSS[name]
    paths = good_files(tmp_path, TEN, OUT, PRO, STA, PAR, UNI)
    for table, pair in changed.items():
        path = paths.get(table, paths[PAR])
        text = path.read_text(encoding="utf-8")
        assert pair[0] in text
        path.write_text(text.replace(*pair), encoding="utf-8")
    with pytest.raises(DataError) as error:
        check_files(paths)
    found: dict[tuple[str, str], int] = {}
    for fault in error.value.faults:
        key = (fault.table, fault.rule)
        found[key] = found.get(key, 0) + fault.n_rows
        assert fault.source == f"{fault.table}.csv"
    assert found == rules, str(error.value)
    for words in says:
        assert words in str(error.value)


def test_units_under_a_former_id_are_known(tmp_path: Path) -> None:
    paths = good_files(tmp_path, TEN, OUT, UNI, CHA)
    only_new = GOOD[TEN].splitlines()
    paths[TEN].write_text("\n".join([only_new[0], only_new[3]]) + "\n", encoding="utf-8")
    assert set(check_files(paths)) == {TEN, OUT, UNI}
    without = [line for line in GOOD[UNI].splitlines() if "0100005" not in line]
    paths[UNI].write_text("\n".join(without) + "\n", encoding="utf-8")
    assert set(check_files(paths)) == {TEN, OUT, UNI}


def test_the_calendar_that_is_given_holds_for_all_files(tmp_path: Path) -> None:
    paths = good_files(tmp_path, OUT, CAL)
    assert set(check_files(paths)) == {OUT}
    paths[OUT].write_text(GOOD[OUT].replace("2015", "2016"), encoding="utf-8")
    with pytest.raises(DataError, match="2014 to 2015") as error:
        check_files(paths)
    assert_told(error.value, {"year_outside_calendar": 1}, ("school_year_end=2016",))


def test_a_mapping_holds_for_the_keys_too(tmp_path: Path) -> None:
    paths = good_files(tmp_path, OUT, UNI)
    paths[OUT].write_text(GOOD[OUT].replace("unit_id", "leaid").replace("0100", "100"), "utf-8")
    says = {"columns": {"unit_id": "leaid"}, "pad": {"unit_id": 7}}
    assert set(check_files(paths, columns={OUT: says})) == {OUT, UNI}
    with pytest.raises(cs.SpecError, match="no file was named for roster"):
        check_files(paths, columns={ROS: says})
    with pytest.raises(cs.SpecError, match="without units"):
        check_files({"unit_changes": paths[OUT]})


def test_there_are_fifty_kinds_here() -> None:
    assert len({bad.name for bad in FILES}) == len(FILES) >= 50


def test_the_command_line_takes_what_a_file_says_of_columns(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("leaid,leader_id,spring\n100005,a,2010\n100005,b,2011\n")
    says = tmp_path / "columns.yaml"
    says.write_text(
        "roster: {columns: {unit_id: leaid, school_year_end: spring}, pad: {unit_id: 7}}\n"
    )
    call = ["check", str(tmp_path), "--role", "superintendent", "--columns", str(says)]
    assert main(call) == 0
    assert main([*call[:-1], str(tmp_path / "none.yaml")]) == 2
    says.write_text("- roster\n")
    assert main(call) == 2


def test_ids_of_units_that_are_numbers_are_said(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"unit_id": [100005], "leader_id": "a", "role": "head", "school_year_end": 2010}
    )
    found = Tenures.from_roster(frame).issues.frame()
    assert found[["rule", "n_rows"]].to_numpy().tolist() == [["ids_are_numbers", 1]]
    padded = Tenures.from_roster(frame, columns={"pad": {"unit_id": 7}})
    assert padded.frame["unit_id"].tolist() == ["0100005"]
    assert padded.issues.frame()["rule"].tolist() == ["padded_id"]
