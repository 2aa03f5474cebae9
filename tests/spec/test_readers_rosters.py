"""Yearly rosters of three sources, small ones made here with made-up names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.records.readers import (
    indiana_people,
    indiana_units,
    missouri_people,
    read_broad_center,
    read_indiana,
    read_missouri,
)
from churnstats.records.readers.indiana import snapshot_date

NAMES = ("tull", "osgood", "reyes")


def counts(records: Any) -> dict[str, int]:
    frame = records.issues.frame()
    return dict(zip(frame["rule"], frame["n_rows"], strict=True))


def assert_names_nobody(tenures: cs.Tenures) -> None:
    """Neither the spells nor what is printed of them has a name."""
    told = [*(str(f) for f, _ in tenures.issues.entries), tenures.summary(), repr(tenures)]
    cells = [str(cell) for cell in tenures.frame.to_numpy(dtype=object).ravel()]
    assert not [text for text in [*told, *cells] if any(n in text.lower() for n in NAMES)]


def broad(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["leaid", "year", "super_id", "name_raw"]).assign(
        state="al", salary=1.0
    )


def test_the_broad_center_roster_names_a_year_by_its_fall() -> None:
    made = read_broad_center(
        broad(
            ("100005", 2016, "al_1", "TULL, INES"),
            ("100005", 2017, "al_1", "Ines Tull"),
            ("100005", 2018, "al_2", "Abel Osgood, Interim"),
            ("100005", 2019, "al_3", "To Be Named"),
            ("100005", 2020, "al_4", "VACANT"),
            ("100005", 2021, "al_5", "Ines Tull and Abel Osgood"),
            ("100005", 2022, "al_6", "Ana Reyes"),
        )
    )
    assert made.frame[["unit_id", "leader_id", "start", "stop"]].to_numpy().tolist() == [
        ["0100005", "al_1", 2017, 2019],
        ["0100005", "al_2", 2019, 2020],
        ["0100005", "al_6", 2023, 2024],
    ]
    assert made.frame["interim"].fillna(False).tolist() == [False, True, False]
    assert made.frame["interim_basis"].tolist() == ["unknown", "title", "unknown"]
    assert made.frame["role"].unique().tolist() == ["superintendent"]
    found = counts(made)
    told = ("zeros_lost", "placeholder", "vacant_name", "two_people", "interim_name")
    assert [found[rule] for rule in told] == [7, 1, 1, 1, 1]
    assert_names_nobody(made)


def test_states_of_the_broad_center_roster_whose_years_are_springs() -> None:
    two = pd.concat([broad(("0100005", 2016, "al_1", "")), broad(("2900005", 2016, "mo_1", ""))])
    two["state"] = ["al", "mo"]
    as_told = read_broad_center(two)
    assert as_told.frame["start"].tolist() == [2017, 2017]
    assert counts(as_told)["year_may_be_spring"] == 1
    mended = read_broad_center(two, spring_states=("mo",))
    assert mended.frame["start"].tolist() == [2017, 2016]
    assert "year_may_be_spring" not in counts(mended)


@pytest.mark.parametrize("states", ["MO", "mo", ["Mo"], {"mo"}])
def test_states_are_named_in_any_case_and_one_may_be_named_alone(states: Any) -> None:
    two = pd.concat([broad(("0100005", 2016, "al_1", "")), broad(("2900005", 2016, "mo_1", ""))])
    two["state"] = ["AL", "mo"]
    made = read_broad_center(two, spring_states=states)
    assert made.frame["start"].tolist() == [2017, 2016]
    assert made.frame["group_id"].tolist() == ["AL", "mo"]


def test_states_that_the_broad_center_roster_does_not_have_are_refused() -> None:
    one = broad(("0100005", 2016, "al_1", ""))
    with pytest.raises(cs.SpecError, match=r"there is no state mo, tx\n +mend: some of al$"):
        read_broad_center(one, spring_states=("MO", "al", "tx"))
    with pytest.raises(cs.SpecError, match="int is no list of words"):
        read_broad_center(one, spring_states=29)  # type: ignore[arg-type]


def test_the_broad_center_roster_without_names_is_read_too() -> None:
    frame = broad(("0100005", 2016, "al_1", ""), ("0100005", 2017, "al_2", "")).drop(
        columns="name_raw"
    )
    assert read_broad_center(frame).frame["leader_id"].tolist() == ["al_1", "al_2"]


MISSOURI = ["year", "county_district_code", "first_name", "last_name", "fte"]


def missouri(*rows: tuple[Any, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=MISSOURI)
    return frame.assign(position_title="SUPERINTENDENT", salary="1")


def test_missouri_merges_the_rows_of_a_person_and_keeps_the_shares_of_two() -> None:
    made = read_missouri(
        missouri(
            ("2018", "1090", "INES", "TULL", "0.33"),
            ("2018", "1090", "Ines", "Tull", "0.34"),
            ("2019", "1090", "INES", "TULL", "0.5"),
            ("2019", "1090", "ABEL", "OSGOOD", "0.5"),
            ("2018", "115115", "ANA", "REYES", "0"),
        )
    )
    shown = made.frame[["unit_id", "start", "stop", "fte_reported"]]
    np.testing.assert_allclose(
        shown.drop(columns="unit_id").to_numpy(dtype=float),
        [[2018, 2020, (0.67 + 0.5) / 2], [2019, 2020, 0.5], [2018, 2019, 0]],
        atol=1e-12,
    )
    assert shown["unit_id"].tolist() == ["001090", "001090", "115115"]
    assert made.frame["interim_basis"].unique().tolist() == ["unknown"]
    found = counts(made)
    assert found["zeros_lost"] == 4
    assert found["rows_of_one_person"] == 1
    assert found["no_time"] == 1
    assert found["shared_post"] == 2
    first = made.ledger.steps[0]
    assert (first.n_in, first.n_out) == (5, 4)
    assert_names_nobody(made)


def test_missouri_takes_one_who_goes_and_one_who_comes_for_a_handover() -> None:
    made = read_missouri(
        missouri(
            ("2018", "1090", "INES", "TULL", "1"),
            ("2019", "1090", "INES", "TULL", "1"),
            ("2019", "1090", "ABEL", "OSGOOD", "1"),
            ("2020", "1090", "ABEL", "OSGOOD", "1"),
        )
    )
    assert made.frame[["start", "stop"]].to_numpy().tolist() == [[2018, 2019.5], [2019.5, 2021]]
    assert made.issues.count("handover_in_year") == 2


def test_a_decision_about_two_names_reaches_the_spells(tmp_path: Path) -> None:
    file = missouri(
        ("2018", "1090", "INES", "TULL", "1"),
        ("2019", "1090", "INES", "OSGOOD", "1"),
    )
    asked = missouri_people(file)
    assert len(asked.questions) == 1
    assert counts(read_missouri(file))["doubtful_links"] == 1
    path = tmp_path / "decisions.csv"
    asked.write_overrides(path)
    decisions = pd.read_csv(path, dtype=str).assign(decision="same")
    decisions.to_csv(path, index=False)
    made = read_missouri(file, overrides=path)
    assert made.frame[["start", "stop"]].to_numpy().tolist() == [[2018, 2020]]
    assert "doubtful_links" not in counts(made)


def test_missouri_codes_that_are_none_are_faults() -> None:
    with pytest.raises(cs.DataError) as caught:
        read_missouri(missouri(("2018", "1090-1", "A", "B", "1"), ("two", "1090", "A", "B", "1")))
    assert [(f.rule, f.n_rows) for f in caught.value.faults] == [("bad_id", 1), ("not_a_year", 1)]


def test_shares_that_are_no_numbers_are_faults_and_empty_ones_are_not_known() -> None:
    cells = {"2018": "1,0", "2019": "1", "2020": ""}
    rows = [(year, "001090", "INES", "TULL", fte) for year, fte in cells.items()]
    with pytest.raises(cs.DataError) as caught:
        read_missouri(missouri(*rows, ("two", "001090", "INES", "TULL", "half")))
    faults = {f.rule: (f.n_rows, f.rows) for f in caught.value.faults}
    assert faults == {
        "not_a_year": (1, ("row 4: school_year_end=two",)),
        "not_a_number": (2, (
            "row 1: unit_id=001090, school_year_end=2018, fte=1,0",
            "row 4: unit_id=001090, school_year_end=two, fte=half",
        )),
    }  # fmt: skip
    made = read_missouri(missouri(*rows[1:]))
    assert made.frame[["start", "stop", "fte_reported"]].to_numpy().tolist() == [[2019, 2021, 1]]


def test_errors_name_nobody_either() -> None:
    bad = missouri(("2018", None, "INES", "TULL", "1"), ("two", "1-9", "ABEL", "OSGOOD", "1"))
    wrong = indiana(("2019-09-11", "x", None, "Ana Reyes", ""), ("x", 2019, "1-9", "Ana Reyes", ""))
    for read, frame in ((read_missouri, bad), (read_indiana, wrong)):
        with pytest.raises(cs.DataError) as caught:
            read(frame)
        rules = {fault.rule for fault in caught.value.faults}
        assert rules == {"missing_value", "bad_id", "not_a_year"}
        assert not [n for n in NAMES if n in str(caught.value).lower()]


@pytest.mark.parametrize(
    ("name", "year", "day"),
    [
        ("2012-13-indiana-school-directory-1102013.xlsx", 2013, "2013-01-10"),
        ("2014-2015-school-directory-1.20.15.xlsx", 2015, "2015-01-20"),
        ("2015-2016-school-directory-3316.xlsx", 2016, "2016-03-03"),
        ("directory-11116.xlsx", 2016, "2016-01-11"),
        ("directory-11116.xlsx", 2017, "2016-11-01"),
        ("2016-2017-school-directory-2017-06-21.xlsx", 2017, "2017-06-21"),
        ("2019-09-11", 2020, "2019-09-11"),
        ("2023-2024-School-Directory-10.2.23.xlsx", 2024, "2023-10-02"),
    ],
)
def test_dates_in_the_names_of_directories(name: str, year: int, day: str) -> None:
    assert snapshot_date(name, year) == pd.Timestamp(day)


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("2015-2016-school-directory.xlsx", 2016),
        ("2019-09-11", 2019),
        ("2019-02-30", 2019),
        ("directory-1.2.3.4", 2016),
    ],
)
def test_names_without_one_date_in_their_school_year(name: str, year: int) -> None:
    assert pd.isna(snapshot_date(name, year))


def indiana(*rows: tuple[Any, ...], **more: Any) -> pd.DataFrame:
    names = ["snapshot", "fall", "corporation_id", "superintendent", "title"]
    return pd.DataFrame(list(rows), columns=names).assign(**more)


def test_both_directories_of_a_year_count_and_a_handover_between_them_is_bounded() -> None:
    made = read_indiana(
        indiana(
            ("2018-2019-directory-2018-08-24.xlsx", 2018, "15", "Mr Abel Osgood", ""),
            ("2019-09-11", 2019, "0015", "Osgood, Abel", "Mr"),
            ("2019-2020-directory-2020-01-15.xlsx", 2019, "0015", "Ines Tull", "Interim"),
            ("2020-2021-directory-2020-11-18.xlsx", 2020, "0015", "Ana Reyes", "Dr"),
        )
    )
    first, second = 2020 + 72 / 366, 2020 + 198 / 366
    times = made.frame[["start", "stop", "start_earliest"]].to_numpy(dtype=float)
    np.testing.assert_allclose(
        times, [[2019, second, np.nan], [second, 2021, first], [2021, 2022, np.nan]], atol=1e-9
    )
    assert made.frame["interim_basis"].tolist() == ["unknown", "title", "unknown"]
    assert made.frame["interim"].tolist()[1] is True
    assert counts(made) == {"zeros_lost": 1, "two_directories": 2}
    assert_names_nobody(made)


def test_the_same_person_in_two_spellings_of_one_year_is_linked() -> None:
    file = indiana(
        ("2019-09-11", 2019, "0015", "Bradley Osgood", ""),
        ("2020-01-15", 2019, "0015", "Brad Osgood", ""),
        ("2020-11-18", 2020, "0015", "Brad Osgood", ""),
    )
    assert indiana_people(file).people["person_id"].nunique() == 1
    assert read_indiana(file).frame[["start", "stop"]].to_numpy().tolist() == [[2020, 2022]]


def test_a_year_without_a_directory_censors_both_sides_and_is_listed() -> None:
    made = read_indiana(
        indiana(
            ("2013-01-10", 2012, "0015", "Abel Osgood", ""),
            ("2013-01-10", 2012, "0025", "Ana Reyes", ""),
            ("2015-01-20", 2014, "0015", "Ines Tull", ""),
            ("2015-01-20", 2014, "0025", "Ana Reyes", ""),
        )
    )
    assert made.frame[["left_censored", "right_censored"]].to_numpy().all()
    assert made.issues.count("missing_snapshot") == 2
    bridged = read_indiana(
        indiana(
            ("2013-01-10", 2012, "0025", "Ana Reyes", ""),
            ("2015-01-20", 2014, "0025", "Ana Reyes", ""),
        ),
        rules=cs.RosterRules(snapshots="dated", max_gap_years=1),
    )
    assert bridged.frame[["start", "stop"]].to_numpy().tolist() == [[2013, 2016]]


def test_directories_taken_soon_after_one_another_are_listed() -> None:
    made = read_indiana(
        indiana(
            ("2016-2017-directory-2017-06-21.xlsx", 2016, "0015", "Ana Reyes", ""),
            ("2017-2018-directory-2017-08-07.xlsx", 2017, "0015", "Ana Reyes", ""),
            ("2018-2019-directory.xlsx", 2018, "0015", "Ana Reyes", ""),
        )
    )
    assert counts(made) == {"close_directories": 1, "no_date": 1}
    assert made.frame[["start", "stop"]].to_numpy().tolist() == [[2017, 2020]]


def test_principals_are_read_by_school_and_moved_schools_are_listed() -> None:
    names = ["snapshot", "fall", "corporation_id", "school_id", "principal", "title"]
    rows = [
        ("2018-08-24", 2018, "15", "13", "Ana Reyes", "Ms"),
        ("2019-09-11", 2019, "0025", "0013", "Ana Reyes", "Ms"),
        ("2019-09-11", 2019, "0025", "0020", "", ""),
        ("2020-11-18", 2020, "0025", "0020", "Ines Tull", "Asst Admin"),
    ]
    made = read_indiana(pd.DataFrame(rows, columns=names), role="principal")
    shown = made.frame[["unit_id", "role", "start", "stop"]]
    assert shown.to_numpy().tolist() == [
        ["S0013", "principal", 2019.0, 2021.0],
        ["S0020", "principal", 2021.0, 2022.0],
    ]
    assert made.issues.count("moved_school") == 1
    assert made.issues.count("zeros_lost") == 2
    assert made.issues.count("no_holder") == 1
    assert made.frame["title"].tolist()[1] == "Asst Admin"
    with pytest.raises(cs.SpecError, match="is in no directory"):
        read_indiana(pd.DataFrame(rows, columns=names), role="teacher")  # type: ignore[arg-type]
    with pytest.raises(cs.DataError, match="superintendent"):
        read_indiana(pd.DataFrame(rows, columns=names))


def test_a_school_belongs_where_the_last_directory_of_the_year_has_it() -> None:
    directory = pd.DataFrame(
        {
            "snapshot": ["2018-09-01", "2019-09-11", "2020-01-15", "2020-09-01"],
            "fall": [2018, 2019, 2019, 2020], "corporation_id": ["15", "25", "15", "35"],
            "school_id": "13", "principal": "Abel Osgood", "title": "Mr",
        }
    )  # fmt: skip
    units = indiana_units(directory)
    assert units.changes[["school_year_end", "successor_id"]].to_numpy().tolist() == [
        [2021, "0035"]
    ]
    parents = units.parent_at(pd.Series(["S0013"] * 3), pd.Series([2019, 2020, 2021]))
    assert parents.tolist() == ["0015", "0015", "0035"]
