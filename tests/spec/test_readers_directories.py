"""Directories of NCES and of the Urban Institute, to units that open, close and move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.records.readers import read_ccd_directory, read_urban_directory, urban_years
from record_tables import assert_shows

CCD = ["SCHOOL_YEAR", "LEAID", "SY_STATUS", "UPDATED_STATUS", "EFFECTIVE_DATE", "LEA_TYPE"]


def ccd(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=CCD).assign(ST="AL")


def plain(year: str, lea: str, status: str, kind: str = "1") -> tuple[str | None, ...]:
    return (year, lea, status, None, None, kind)


def rules(records: object) -> dict[str, int]:
    frame = records.issues.frame()  # type: ignore[attr-defined]
    return dict(zip(frame["rule"], frame["n_rows"], strict=True))


def test_a_new_district_opens_and_a_closed_one_closes_at_the_start_of_the_year() -> None:
    units = read_ccd_directory(
        ccd(
            plain("2020-2021", "0100005", "1"),
            plain("2020-2021", "0100006", "3"),
            plain("2021-2022", "0100005", "2"),
            plain("2021-2022", "0100006", "1"),
        )
    )
    assert_shows(
        units.frame.assign(unit_id=units.frame["unit_id"].astype(int)),
        """
        unit_id  level     group_id  opened  closed
        100005   district  AL        -       2022
        100006   district  AL        2021    -
        """,
    )
    assert units.changes[["unit_id", "school_year_end", "change"]].to_numpy().tolist() == [
        ["0100005", 2022, "closed"],
        ["0100006", 2021, "opened"],
    ]
    assert len(units.issues.frame()) == 0


def test_the_updated_status_is_dated_within_the_year() -> None:
    units = read_ccd_directory(
        ccd(
            ("2021-2022", "0100005", "1", "2", "12/30/2021", "1"),
            ("2021-2022", "0100006", "1", "2", "2021-12-30T00:00:00", "1"),
            ("2021-2022", "0100007", "1", "2", None, "1"),
            ("2021-2022", "0100008", "1", "1", "12/30/2021", "1"),
            ("2021-2022", "0100009", "1", "2", "06/30/2021", "1"),
        )
    )
    day = 2022 + 182 / 365
    closed = [day, day, 2022.0, np.nan, 2022.0]
    np.testing.assert_allclose(units.frame["closed"], closed, rtol=0, atol=1e-9)
    assert units.changes["change"].tolist() == ["closed"] * 4
    assert rules(units) == {"no_effective_date": 2}


def test_a_unit_that_closes_and_reopens_in_one_year_did_neither() -> None:
    units = read_ccd_directory(
        ccd(
            plain("2020-2021", "0100005", "1"),
            ("2021-2022", "0100005", "2", "8", "01/15/2022", "1"),
        )
    )
    assert len(units.changes) == 0
    assert rules(units) == {"closed_and_reopened": 2}


def test_a_closing_told_twice_is_one_and_a_return_is_a_reopening() -> None:
    units = read_ccd_directory(
        ccd(
            ("2019-2020", "0100005", "1", "2", "2020-01-01", "1"),
            plain("2020-2021", "0100005", "2"),
            plain("2022-2023", "0100005", "8"),
            plain("2021-2022", "0100006", "1"),
        )
    )
    changes = units.changes[units.changes["unit_id"] == "0100005"]
    assert changes[["school_year_end", "change"]].to_numpy().tolist() == [
        [2020, "closed"],
        [2023, "reopened"],
    ]
    assert units.frame["closed"].isna().all()


def test_what_units_cannot_hold_is_listed() -> None:
    units = read_ccd_directory(
        [
            ccd(plain("2020-2021", "0100001", "1"), plain("2020-2021", "0100002", "6")),
            ccd(
                plain("2021-2022", "0100002", "5"),
                plain("2021-2022", "0100003", "1"),
                plain("2021-2022", "0100004", "7"),
                plain("2021-2022", "0100009", "4"),
            ),
            ccd(plain("2022-2023", "0100002", "1"), plain("2022-2023", "0100003", "1")),
        ]
    )
    assert rules(units) == {
        "not_yet_open": 1,
        "boundary_changed": 1,
        "inactive": 1,
        "appears_unannounced": 1,
        "vanishes": 2,
    }
    assert units.frame["unit_id"].tolist() == ["0100001", "0100002", "0100003", "0100009"]
    first = units.ledger.steps[0]
    assert (first.n_in, first.n_out, dict(first.lost)) == (8, 7, {"not yet open": 1})


def test_a_unit_missing_from_a_file_between_two_others_is_listed() -> None:
    years = ["2019-2020", "2020-2021", "2021-2022"]
    rows = [plain(year, "0100001", "1") for year in years]
    units = read_ccd_directory(ccd(*rows, *(plain(y, "0100002", "1") for y in years[::2])))
    assert rules(units) == {"years_missing": 1}


@pytest.mark.parametrize(
    ("code", "level", "kind"),
    [
        ("1", "district", "regular district"),
        ("3", "district", "supervisory union"),
        ("4", "other", "service agency"),
        ("5", "other", "state agency"),
        ("7", "district", "charter agency"),
        (None, "district", None),
    ],
)
def test_types_of_agencies(code: str, level: str, kind: str | None) -> None:
    units = read_ccd_directory(ccd(("2020-2021", "0100001", "1", None, None, code))).frame
    assert units["level"].tolist() == [level]
    assert units["unit_type"].fillna("none").tolist() == [kind or "none"]


def test_numbers_as_ids_get_their_zeros_back_and_are_reported() -> None:
    frame = ccd(plain("2020-2021", "", "1"), plain("2021-2022", "", "1")).assign(LEAID=100005)
    units = read_ccd_directory(frame.assign(SY_STATUS=[1, 1]))
    assert units.frame["unit_id"].tolist() == ["0100005"]
    assert units.issues.count("zeros_lost") == 2
    assert "'LEAID' has fewer than 7 digits" in units.issues.frame()["message"][0]


def test_the_lines_of_a_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ccd_lea.csv"
    rows = ccd(plain("2020-2021", "100005", "1"), plain("2020-2022", "01000055", "9"))
    rows.to_csv(path, index=False)
    with pytest.raises(cs.DataError) as caught:
        read_ccd_directory(path)
    assert [(f.rule, f.n_rows, f.source) for f in caught.value.faults] == [
        ("bad_id", 1, "ccd_lea.csv"),
        ("not_a_year", 1, "ccd_lea.csv"),
        ("not_allowed", 1, "ccd_lea.csv"),
    ]
    assert "line 3: leaid=01000055" in str(caught.value)
    assert str(caught.value).count("mend:") == 3


@pytest.mark.parametrize(
    ("written", "spring"),
    [
        ("2019-2020", 2020),
        ("2019-20", 2020),
        ("1999-00", 2000),
        ("1999-2000", 2000),
        ("2019/2020", 2020),
        ("2019", 2020),
        (2019, 2020),
        (2019.0, 2020),
    ],
)
def test_years_in_all_spellings(written: object, spring: int) -> None:
    frame = ccd(plain("", "0100005", "3")).assign(SCHOOL_YEAR=[written])
    assert read_ccd_directory(frame).frame["opened"].tolist() == [spring]


@pytest.mark.parametrize("written", ["2019-2021", "2019-18", "19-20", "2019-20 x", "20190", 19])
def test_what_is_no_year_is_told(written: object) -> None:
    frame = ccd(plain("", "0100005", "3")).assign(SCHOOL_YEAR=[written])
    with pytest.raises(cs.DataError, match="'SCHOOL_YEAR' must be a year"):
        read_ccd_directory(frame)


def test_unknown_codes_and_units_named_twice_are_faults() -> None:
    with pytest.raises(cs.DataError) as caught:
        read_ccd_directory(
            ccd(
                plain("2020-2021", "0100001", "Open"),
                plain("2020-2021", "0100002", "1"),
            )
        )
    assert [(f.rule, f.n_rows) for f in caught.value.faults] == [
        ("not_allowed", 1),
    ]
    twice = ccd(plain("2020-2021", "0100002", "1"))
    with pytest.raises(cs.DataError, match="is a file named twice"):
        read_ccd_directory([twice, twice])


def test_a_file_of_another_kind_is_told_by_its_columns() -> None:
    with pytest.raises(cs.DataError, match="SCHOOL_YEAR, LEAID, SY_STATUS") as caught:
        read_ccd_directory(pd.DataFrame({"a": [1]}))
    assert "columns are: a" in str(caught.value)


def test_schools_belong_to_districts_and_move_between_them() -> None:
    schools = pd.DataFrame(
        {
            "SCHOOL_YEAR": ["2020-2021", "2021-2022", "2021-2022"],
            "NCESSCH": ["10000500001", "010000500001", "010000600002"],
            "LEAID": ["0100005", "0100006", "0100006"],
            "SY_STATUS": ["1", "1", "3"],
            "SCH_TYPE": ["1", "1", "4"],
            "ST": "AL",
        }
    )
    units = read_ccd_directory(schools)
    school = pd.Series(["010000500001", "010000500001"])
    assert units.parent_at(school, pd.Series([2021, 2022])).tolist() == ["0100005", "0100006"]
    assert units.frame["level"].tolist() == ["district", "school", "district", "school"]
    assert units.frame["unit_type"].tolist()[1::2] == ["regular school", "alternative school"]
    assert rules(units) == {"zeros_lost": 1}


def test_the_portal_names_a_year_by_its_fall() -> None:
    directory = pd.DataFrame(
        {
            "year": [2017, 2018, 2017, 2018],
            "leaid": ["0100005", "0100005", "0100006", "0100006"],
            "agency_type": [1, 1, 7, -1],
            "boundary_change_indicator": [1, 2, 3, -1],
            "state_location": "AL",
        }
    )
    units = read_urban_directory(directory)
    assert units.frame["closed"].fillna(0).tolist() == [2019.0, 0.0]
    assert units.frame["opened"].fillna(0).tolist() == [0.0, 2018.0]
    assert units.frame["group_id"].tolist() == ["AL", "AL"]
    assert rules(units) == {"no_status": 1}


def test_frames_of_the_portal_get_our_year_ids_and_missing_values() -> None:
    read = urban_years(
        pd.DataFrame(
            {
                "year": [2018, 2018, 2019],
                "ncessch": [10000500001, 10000500002, 20000500001],
                "leaid": ["0100005", "0100005", "0200005"],
                "enrollment": [310, -1, -3],
                "latitude": [31.5, -2.5, 33.0],
                "name": ["A", "B", "C"],
            }
        )
    )
    assert read.frame["school_year_end"].tolist() == [2019, 2019, 2020]
    assert read.frame["ncessch"].tolist() == ["010000500001", "010000500002", "020000500001"]
    assert read.frame["enrollment"].fillna(-99).tolist() == [310.0, -99.0, -99.0]
    assert read.frame["latitude"].tolist() == [31.5, -2.5, 33.0]
    assert rules(read) == {"zeros_lost": 3, "missing_code": 2}
    assert read.ledger.steps[0].n_out == 3


def test_a_frame_of_the_portal_without_an_id_is_refused() -> None:
    with pytest.raises(cs.DataError, match="leaid or ncessch"):
        urban_years(pd.DataFrame({"year": [2018], "fips": [1]}))


def test_no_files_at_all_are_refused() -> None:
    with pytest.raises(cs.DataError, match="no file is given"):
        read_ccd_directory([])
