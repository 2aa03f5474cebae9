"""Staff files with dates or shares: Ed-Fi, CEDS reasons, Texas, and roles from titles."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import churnstats as cs
from churnstats.records.readers import (
    ROLES,
    ceds_exit_reason,
    read_edfi_assignments,
    read_texas,
    role_of_title,
)

DESCRIPTOR = "uri://ed-fi.org/StaffClassificationDescriptor#"


def assignment(staff: str, unit: Any, begin: str, end: str | None, **more: Any) -> dict[str, Any]:
    return {
        "staffReference": {"staffUniqueId": staff},
        "educationOrganizationReference": {"educationOrganizationId": unit},
        "beginDate": begin,
        "endDate": end,
        "staffClassificationDescriptor": DESCRIPTOR + "Principal",
        **more,
    }


def separation(staff: str, end: str | None, reason: str | None) -> dict[str, Any]:
    uri = None if reason is None else "uri://ed-fi.org/SeparationReasonDescriptor#" + reason
    return {
        "staffReference": {"staffUniqueId": staff},
        "hireDate": "2010-07-01",
        "endDate": end,
        "separationReasonDescriptor": uri,
    }


def counts(records: Any) -> dict[str, int]:
    frame = records.issues.frame()
    return dict(zip(frame["rule"], frame["n_rows"], strict=True))


def test_an_assignment_lasts_through_its_last_day() -> None:
    made = read_edfi_assignments([assignment("s1", 255901001, "2019-07-01", "2021-06-30")])
    shown = made.frame[["unit_id", "role", "leader_id", "start", "stop", "right_censored"]]
    assert shown.to_numpy().tolist() == [["255901001", "principal", "s1", 2020.0, 2022.0, False]]


def test_nested_flattened_and_underscored_columns_are_one() -> None:
    nested = [assignment("s1", 7, "2019-07-01", "2021-06-30", fullTimeEquivalency=0.5)]
    flat = pd.json_normalize(nested)
    under = flat.rename(columns=lambda c: c.replace(".", "_"))
    references = pd.DataFrame(nested)
    wanted = read_edfi_assignments(nested).frame
    assert wanted["fte"].tolist() == [0.5]
    for frame in (flat, under, references):
        pd.testing.assert_frame_equal(read_edfi_assignments(frame).frame, wanted)


def test_the_title_tells_the_role_and_the_classification_where_it_does_not() -> None:
    leader = DESCRIPTOR + "LEA Administrator"
    rows = [
        assignment("a", 1, "2019-07-01", "2020-06-30", positionTitle="Asst. Superintendent"),
        assignment("b", 1, "2019-07-01", "2020-06-30", positionTitle="Supt."),
        assignment("c", 2, "2019-07-01", "2020-06-30", positionTitle="Head Learner"),
        assignment("d", 1, "2019-07-01", "2020-06-30", staffClassificationDescriptor=leader),
    ]
    made = read_edfi_assignments(rows)
    assert made.frame[["leader_id", "role"]].to_numpy().tolist() == [
        ["b", "superintendent"],
        ["c", "principal"],
    ]
    assert counts(made) == {"unknown_role": 1, "other_role": 1}
    lost = {"of unknown role": 1, "of another role": 1}
    assert dict(made.ledger.steps[0].lost) == lost
    also = read_edfi_assignments(rows, roles=("superintendent", "assistant_superintendent"))
    assert sorted(also.frame["leader_id"]) == ["a", "b"]


def test_the_exit_reason_is_that_of_the_nearest_separation() -> None:
    made = read_edfi_assignments(
        [
            assignment("s1", 1, "2015-07-01", "2018-06-30"),
            assignment("s2", 1, "2018-07-01", "2020-06-30"),
            assignment("s3", 1, "2020-07-01", "2021-06-30"),
            assignment("s4", 1, "2021-07-01", None),
        ],
        employment=[
            separation("s1", "2018-07-31", "Retirement"),
            separation("s1", "2017-06-30", "Death"),
            separation("s2", "2020-08-01", "Retirement"),
            separation("s3", "2021-06-30", "Went fishing"),
            separation("s4", None, None),
        ],
        observed_until="2022-07-01",
    )
    assert made.frame["exit_reason"].fillna("-").tolist() == ["retirement", "-", "other", "-"]
    assert made.frame["right_censored"].tolist() == [False, False, False, True]
    assert counts(made) == {"unknown_reason": 1, "no_reason": 1}
    assert "fishing" not in made.summary()


def test_vacancies_with_and_without_a_posting_are_told_apart() -> None:
    made = read_edfi_assignments(
        [
            assignment("a", 1, "2015-07-01", "2017-12-31"),
            assignment("b", 1, "2018-07-01", "2019-06-30"),
            assignment("c", 1, "2020-01-01", "2021-06-30"),
        ],
        vacancies=[
            {
                "educationOrganizationReference": {"educationOrganizationId": 1},
                "datePosted": "2018-02-01",
                "datePostingRemoved": "2018-03-01",
                "positionTitle": "Principal",
            },
            {
                "educationOrganizationReference": {"educationOrganizationId": 1},
                "datePosted": "2019-09-01",
                "datePostingRemoved": None,
                "positionTitle": "Teacher",
            },
        ],
    )
    found = made.issues.frame().set_index("rule")["n_rows"].to_dict()
    assert found == {"posted_vacancy": 1, "vacancy_not_posted": 1, "gap": 2}
    posted = next(f for f, _ in made.issues.entries if f.rule == "posted_vacancy")
    assert posted.rows[0].startswith("unit_id=1, role=principal, from=2018.504")
    assert posted.rows[0].endswith("to=2019")


def test_an_open_assignment_needs_an_end_of_observation() -> None:
    rows = [assignment("a", 1, "2019-07-01", None)]
    with pytest.raises(cs.DataError, match="no_end_of_observation"):
        read_edfi_assignments(rows)
    assert read_edfi_assignments(rows, observed_until="2021-07-01").frame["stop"].tolist() == [2022]


def test_a_list_that_holds_no_records_is_refused() -> None:
    with pytest.raises(cs.DataError, match="not_records"):
        read_edfi_assignments(["a.json"])


def test_days_that_are_none_are_faults() -> None:
    with pytest.raises(cs.DataError) as caught:
        read_edfi_assignments([assignment("a", 1, "2019-02-30", "soon")])
    assert [(f.rule, f.n_rows) for f in caught.value.faults] == [
        ("not_a_date", 1),
        ("not_a_date", 1),
    ]


def test_all_codes_of_the_element_are_mapped_to_words_of_the_list() -> None:
    path = files("churnstats.records.readers") / "ceds_exit_reasons.yaml"
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert len(table["codes"]) == 31
    assert {entry["reason"] for entry in table["codes"].values()} == set(table["reasons"])
    for code, entry in table["codes"].items():
        wanted = entry["reason"]
        assert ceds_exit_reason(code) == ceds_exit_reason(int(code)) == wanted
        assert ceds_exit_reason(entry["label"]) == wanted
        assert ceds_exit_reason(float(code)) == wanted


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("01404", "death_or_illness"),
        (1391, "reassigned"),
        ("illness / disability", "death_or_illness"),
        ("uri://ed-fi.org/SeparationReasonDescriptor#Change of assignment", "reassigned"),
        ("73207", "interim_ended"),
        ("9997", "unknown"),
    ],
)
def test_reasons_by_code_label_and_descriptor(value: Any, reason: str) -> None:
    assert ceds_exit_reason(value) == reason


@pytest.mark.parametrize("value", ["1406", "Retired", "", None, 0])
def test_what_the_element_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(cs.SpecError, match="000620"):
        ceds_exit_reason(value)


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Superintendent", "superintendent"),
        ("Interim Superintendent of Schools", "superintendent"),
        ("SUPT.", "superintendent"),
        ("Chief Executive Officer", "superintendent"),
        ("Deputy Supt", "assistant_superintendent"),
        ("Associate Superintendent, Schools", "assistant_superintendent"),
        ("Principal", "principal"),
        ("Co-Principal", "principal"),
        ("Asst. Principal", "assistant_principal"),
        ("Vice-Principal", "assistant_principal"),
        ("Director", "director"),
        ("Secretary to the Superintendent", "unknown"),
        ("Superintendent of Buildings and Grounds", "unknown"),
        ("Executive Assistant to Superintendent", "unknown"),
        ("Mr", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_roles_of_titles(title: Any, role: str) -> None:
    assert role_of_title(title) == role
    assert role in ROLES


def texas(*rows: tuple[Any, ...], **more: Any) -> pd.DataFrame:
    names = ["YEAR", "PERSONID_SCRAM", "ROLE", "DISTRICT", "CAMPUS", "PFTE"]
    return pd.DataFrame(list(rows), columns=names).assign(**more)


def test_superintendents_lead_districts_and_principals_campuses() -> None:
    made = read_texas(
        texas(
            ("2018-2019", "x1", "027", "1902", "1902001", 0.5),
            ("2018-2019", "x1", "027", "1902", "1902002", 0.5),
            ("2018-2019", "x2", "020", "1902", "1902001", 1.0),
            ("2018-2019", "x3", "087", "1902", "1902001", 1.0),
            ("2019-20", "x1", "027", "001902", "001902001", 1.0),
            ("2019-20", "x2", "020", "001902", "001902001", 0.25),
        )
    )
    shown = made.frame[["unit_id", "role", "leader_id", "start", "stop"]]
    assert shown.to_numpy().tolist() == [
        ["001902", "superintendent", "x1", 2019.0, 2021.0],
        ["001902001", "principal", "x2", 2019.0, 2021.0],
    ]
    np.testing.assert_allclose(made.frame["fte"], [1.0, 0.625], rtol=0, atol=1e-15)
    assert [dict(s.lost) for s in made.ledger.steps[:2]] == [
        {"of another role": 1},
        {"further rows of one person": 1},
    ]
    found = made.issues.frame()
    assert found.groupby("rule")["n_rows"].sum().to_dict() == {
        "other_role": 1,
        "rows_of_one_person": 1,
        "zeros_lost": 6,
    }


def test_names_of_roles_and_of_columns_of_older_files_are_read_too() -> None:
    older = texas((2019, "x1", "PRINCIPAL", "001902", "001902001", 1.0)).rename(
        columns={
            "PERSONID_SCRAM": "SCRAMBLED UNIQUE ID",
            "ROLE": "ROLEX",
            "PFTE": "ROLE FULL TIME EQUIVALENT",
        }
    )
    assert read_texas(older).frame["start"].tolist() == [2019.0]
    assert read_texas(older, year="fall").frame["start"].tolist() == [2020.0]


def test_a_principal_without_a_campus_and_shares_above_a_full_post() -> None:
    two = texas(
        ("2019", "x1", "20", "001902", "001902001", 0.8),
        ("2019", "x1", "20", "001902", "001902001", 0.7),
    )
    made = read_texas(two)
    assert made.frame["fte"].tolist() == [1.0]
    assert made.issues.count("above_full_post") == 1
    with pytest.raises(cs.DataError, match="have no campus \\(2 rows\\)"):
        read_texas(two.assign(CAMPUS=None))


@pytest.mark.parametrize("campus", [None, "", "no column"])
def test_a_superintendent_needs_no_campus(campus: str | None) -> None:
    one = texas(("2019", "x1", "027", "001902", campus, 1.0))
    made = read_texas(one.drop(columns="CAMPUS") if campus == "no column" else one)
    assert made.frame[["unit_id", "leader_id"]].to_numpy().tolist() == [["001902", "x1"]]
    assert counts(made) == {}


def test_a_principal_without_a_campus_is_one_fault() -> None:
    rows = texas(("2019", "x1", "20", "001902", None, 1), ("2019", "x2", "27", "001902", None, 1))
    with pytest.raises(cs.DataError) as caught:
        read_texas(rows)
    assert [(f.rule, f.numbers.tolist()) for f in caught.value.faults] == [("missing_value", [1])]


def test_apostrophes_before_ids_and_codes_are_left_out() -> None:
    made = read_texas(
        texas(
            ("2019", "'x1", "'020", "'001902", "'001902001", 1.0),
            ("2020", "x1", "020", "001902", "001902001", 1.0),
            ("2021", "x1", "020", "'1902", "001902001", 1.0),
        )
    )
    assert made.frame[["unit_id", "leader_id", "start", "stop"]].to_numpy().tolist() == [
        ["001902001", "x1", 2019.0, 2022.0]
    ]
    listed = made.issues.rows().groupby("rule")["row"].apply(list).to_dict()
    assert listed == {"apostrophe": [1, 3, 1, 1], "zeros_lost": [3]}


def test_two_principals_of_one_campus_share_the_post() -> None:
    made = read_texas(
        texas(
            ("2019", "x1", "20", "001902", "001902001", 0.5),
            ("2019", "x2", "20", "001902", "001902001", 0.5),
        )
    )
    assert made.frame["fte"].tolist() == [0.5, 0.5]
    assert made.issues.count("shared_post") == 2


def test_roles_that_are_not_there_are_refused() -> None:
    one = texas(("2019", "x1", "087", "001902", "001902001", 1.0))
    with pytest.raises(cs.SpecError, match="no row has a role"):
        read_texas(one)
    with pytest.raises(cs.SpecError, match="there is no role teacher"):
        read_texas(one, roles=("teacher",))
    with pytest.raises(cs.SpecError, match="NoneType is no list of words"):
        read_texas(one, roles=None)  # type: ignore[arg-type]
    with pytest.raises(cs.SpecError, match="there is no role at all"):
        read_edfi_assignments([], roles=())
