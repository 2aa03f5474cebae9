"""Whatever a cell holds, a reader reads it or tells what is wrong: no other error comes out."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import pandas as pd
import polars as pl
import pytest

import churnstats as cs
from churnstats.records import readers


def edfi(data: Any) -> cs.Tenures:
    return readers.read_edfi_assignments(data, observed_until="2022-07-01")


GOOD: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "ccd": (
        readers.read_ccd_directory,
        {
            "SCHOOL_YEAR": ["2020-2021", "2021-2022", "2021-2022"],
            "LEAID": ["0100001", "0100001", "0100002"],
            "SY_STATUS": ["1", "1", "3"],
            "UPDATED_STATUS": ["1", "2", "3"],
            "EFFECTIVE_DATE": [None, "10/01/2021", None],
            "LEA_TYPE": ["1", "1", "7"],
            "ST": "AL",
        },
    ),
    "urban": (
        readers.read_urban_directory,
        {
            "year": [2017, 2018],
            "leaid": ["0100005", "0100005"],
            "agency_type": 1,
            "boundary_change_indicator": [3, 1],
            "fips": 1,
        },
    ),
    "portal": (readers.urban_years, {"year": [2017, 2018], "leaid": "0100005", "x": [1, -1]}),
    "seda": (
        readers.read_seda,
        {
            "sedalea": [100005, 100006],
            "subject": "mth",
            "grade": 4,
            "year": 2019,
            "cs_mn_all": 0.2,
            "cs_mnse_all": 0.1,
            "totgyb_all": 80,
        },
    ),
    "broad": (
        readers.read_broad_center,
        {
            "leaid": "0100005",
            "year": [2017, 2018],
            "state": "al",
            "super_id": ["a", "b"],
            "name_raw": ["Ines Tull", "Abel Osgood"],
        },
    ),
    "missouri": (
        readers.read_missouri,
        {
            "year": [2019, 2019, 2020],
            "county_district_code": "1090",
            "fte": [0.4, 0.5, 1.0],
            "first_name": ["Ines", "Ines", "Abel"],
            "last_name": ["Tull", "Tull", "Osgood"],
        },
    ),
    "indiana": (
        readers.read_indiana,
        {
            "snapshot": ["2018-08-24", "2019-09-11", "2020-01-15"],
            "fall": [2018, 2019, 2019],
            "corporation_id": "15",
            "title": ["Mr", "", "Interim"],
            "superintendent": ["Abel Osgood", "Osgood, Abel", "Ines Tull"],
        },
    ),
    "edfi": (
        edfi,
        {
            "staffUniqueId": ["a", "b"],
            "educationOrganizationId": 1,
            "positionTitle": "Principal",
            "beginDate": ["2018-07-01", "2019-07-01"],
            "endDate": ["2019-06-30", None],
        },
    ),
    "texas": (
        readers.read_texas,
        {
            "YEAR": [2018, 2019],
            "PERSONID_SCRAM": "x",
            "ROLE": "020",
            "DISTRICT": "001902",
            "CAMPUS": "001902001",
            "PFTE": 1.0,
        },
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_format_is_read_from_any_frame_in_any_order(name: str) -> None:
    read, cells = GOOD[name]
    frame = pd.DataFrame(cells)
    wanted = read(frame).frame
    pd.testing.assert_frame_equal(read(pl.from_pandas(frame)).frame, wanted, check_dtype=False)
    if name != "portal":
        pd.testing.assert_frame_equal(read(frame[::-1]).frame, wanted)


READERS: dict[str, Callable[..., Any]] = {"edfi": readers.read_edfi_assignments}


def told(read: Callable[[Any], Any], frame: pd.DataFrame) -> tuple[Any, ...]:
    """Return the faults that a reader tells of a frame; none if it can read it."""
    try:
        read(frame)
    except cs.DataError as error:
        return error.faults
    return ()


@pytest.mark.parametrize("name", GOOD)
def test_odd_cells_are_read_or_told(name: str) -> None:
    read, cells = GOOD[name]
    good = pd.DataFrame(cells)
    for column in good.columns:
        for value in (None, "x", -1.5):
            odd = good.astype(object)
            odd.iloc[0, good.columns.get_loc(column)] = value
            assert all(fault.how and fault.message for fault in told(read, odd))


NUMBERS = [
    ("missouri", "fte"),
    ("texas", "PFTE"),
    ("edfi", "fullTimeEquivalency"),
    ("edfi", "orderOfAssignment"),
    ("seda", "cs_mn_all"),
    ("seda", "cs_mnse_all"),
    ("seda", "totgyb_all"),
]


@pytest.mark.parametrize(("name", "column"), NUMBERS)
def test_a_cell_that_holds_no_number_is_one_fault_and_an_empty_one_none(
    name: str, column: str
) -> None:
    read, cells = GOOD[name]
    frame = pd.DataFrame({column: 1, **cells}).astype({column: object})
    place = (0, frame.columns.get_loc(column))
    for cell in ("half", "0,5", "1 000", "$1", True):
        frame.iloc[place] = cell
        (fault,) = told(read, frame)
        assert (fault.rule, fault.n_rows) == ("not_a_number", 1)
        assert f"'{column}'" in fault.message
        assert fault.rows[0].startswith("row 1: ")
        assert fault.rows[0].endswith(f"={cell}")
    for cell in ("", "NA", None, "0.5", 0.5):
        frame.iloc[place] = cell
        assert told(read, frame) == ()


REQUIRED = [
    ("broad", "leaid"),
    ("missouri", "county_district_code"),
    ("indiana", "corporation_id"),
    ("texas", "DISTRICT"),
    ("ccd", "LEAID"),
    ("urban", "leaid"),
    ("seda", "sedalea"),
]


@pytest.mark.parametrize(("name", "column"), REQUIRED)
def test_an_id_that_is_missing_is_one_fault(name: str, column: str) -> None:
    read, cells = GOOD[name]
    frame = pd.DataFrame(cells).astype({column: object})
    frame.iloc[0, frame.columns.get_loc(column)] = None
    (fault,) = told(read, frame)
    assert (fault.rule, fault.n_rows) == ("missing_value", 1)
    assert f"'{column}' is required and missing" in fault.message


@pytest.mark.parametrize(("name", "column"), REQUIRED)
def test_an_apostrophe_before_an_id_is_left_out_and_listed(name: str, column: str) -> None:
    read, cells = GOOD[name]
    frame = pd.DataFrame(cells)
    made = read(frame.assign(**{column: "'" + frame[column].astype(str)}))
    pd.testing.assert_frame_equal(made.frame, read(frame).frame)
    assert made.issues.count("apostrophe") == len(frame)


OPTIONS = [
    (name, option, value)
    for name in GOOD
    for option, value in (
        ("rules", {"returns": "one"}),
        ("rules", None),
        ("calendar", "2019"),
        ("calendar", pd.DataFrame({"name": ["Ines Tull"]})),
    )
    if option in signature(READERS.get(name, GOOD[name][0])).parameters
]


@pytest.mark.parametrize(("name", "option", "value"), OPTIONS)
def test_rules_and_calendars_of_another_type_are_refused(
    name: str, option: str, value: Any
) -> None:
    read, cells = READERS.get(name, GOOD[name][0]), GOOD[name][1]
    wanted = f"{type(value).__name__} is no .*\n +mend: give "
    with pytest.raises(cs.SpecError, match=wanted) as caught:
        read(pd.DataFrame(cells), **{option: value})
    assert caught.value.code == option
    assert "Tull" not in str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_a_table_without_rows_or_with_other_columns_is_told(name: str) -> None:
    read, cells = GOOD[name]
    with pytest.raises(cs.ChurnstatsError):
        read(pd.DataFrame(cells)[:0])
    with pytest.raises(cs.ChurnstatsError, match=r"no column|are missing"):
        read(pd.DataFrame({"other": [1]}))
