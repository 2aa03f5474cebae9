"""SEDA's long files in both generations, on tables made here: its terms bar passing files on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.records.readers import read_seda

ROWS = [
    # unit, subject, grade, year, mean, se, n
    ("100005", "mth", 3, 2019, 0.10, 0.10, 80),
    ("100005", "mth", 4, 2019, 0.40, 0.20, 60),
    ("100005", "rla", 3, 2019, -0.20, 0.10, 81),
    ("100005", "mth", 3, 2022, 0.30, 0.10, 70),
    ("2300007", "mth", 3, 2019, 0.50, 0.25, 20),
    ("2300007", "mth", 4, 2019, 0.50, 0.25, 19),
    ("2300007", "rla", 3, 2019, 0.50, 1.01, 40),
    ("2300007", "rla", 4, 2019, None, None, None),
]
BASE = ["id", "subject", "grade", "year", "mn", "se", "n"]


def older(**more: Any) -> pd.DataFrame:
    names = dict(zip(BASE[4:], ["cs_mn_all", "cs_mnse_all", "totgyb_all"], strict=True))
    frame = pd.DataFrame(ROWS, columns=BASE).rename(columns={**names, "id": "sedalea"})
    return frame.assign(sedaleaname="X", fips=1, stateabb="AL", **more)


def newer(**more: Any) -> pd.DataFrame:
    names = dict(zip(BASE[4:], ["cs_mn_all", "cs_mn_se_all", "tot_asmt_all"], strict=True))
    frame = pd.DataFrame(ROWS, columns=BASE).rename(columns={**names, "id": "sedaadmin"})
    frame["cs_mn_se_adj_all"] = frame["cs_mn_se_all"] * 2
    return frame.assign(sedaadminname="X", **more)


def counts(outcomes: cs.Outcomes) -> dict[str, int]:
    frame = outcomes.issues.frame()
    return dict(zip(frame["rule"], frame["n_rows"], strict=True))


@pytest.mark.parametrize(
    ("column", "cell"),
    [("cs_mn_all", "0,2"), ("cs_mnse_all", "small"), ("totgyb_all", "<10"), ("cs_mn_all", np.inf)],
)
def test_cells_that_hold_no_number_are_faults_and_not_missing_means(column: str, cell: Any) -> None:
    frame = older().astype({column: object})
    frame.loc[2, column] = cell
    with pytest.raises(cs.DataError) as caught:
        read_seda(frame)
    (fault,) = caught.value.faults
    assert (fault.rule, fault.numbers.tolist()) == ("not_a_number", [3])
    assert f"'{column}' must be a finite number" in fault.message
    assert fault.rows[0].endswith(f"={cell}")


@pytest.mark.parametrize("make", [older, newer])
def test_both_generations_of_names_give_the_same_outcomes(make: Any) -> None:
    made = read_seda(make())
    assert made.frame[["unit_id", "school_year_end", "measure"]].to_numpy().tolist() == [
        ["0100005", 2019, "math_g3"],
        ["0100005", 2019, "math_g4"],
        ["0100005", 2019, "rla_g3"],
        ["0100005", 2022, "math_g3"],
        ["2300007", 2019, "math_g3"],
    ]
    assert made.frame["estimate"].tolist() == [0.1, 0.4, -0.2, 0.3, 0.5]
    assert made.frame["std_error"].tolist() == [0.1, 0.2, 0.1, 0.1, 0.25]
    assert made.frame["n_obs"].tolist() == [80, 60, 81, 70, 20]


def test_rows_set_aside_are_counted_with_their_reason() -> None:
    made = read_seda(older())
    assert counts(made) == {
        "zeros_lost": 4,
        "no_estimate": 1,
        "too_few_students": 1,
        "large_error": 1,
    }
    step = made.ledger.steps[0]
    assert (step.n_in, step.n_out) == (8, 5)
    assert dict(step.lost) == {"no estimate": 1, "too few students": 1, "large error": 1}
    large = made.issues.rows()
    assert large.loc[large["rule"] == "large_error", "row"].tolist() == [7]


def test_years_without_tests_stay_absent() -> None:
    assert sorted(read_seda(older()).frame["school_year_end"].unique()) == [2019, 2022]


def test_the_minimum_is_a_choice_and_the_limit_itself_is_enough() -> None:
    assert len(read_seda(older(), min_n=19).frame) == 6
    assert len(read_seda(older(), min_n=21).frame) == 4


def test_ela_and_rla_are_one_subject() -> None:
    renamed = older().replace({"subject": {"rla": "ela", "mth": "math"}})
    pd.testing.assert_frame_equal(read_seda(renamed).frame, read_seda(older()).frame)


def test_standard_errors_across_states_are_the_adjusted_ones() -> None:
    made = read_seda(newer(), errors="across_states").frame
    assert made["std_error"].tolist() == [0.2, 0.4, 0.2, 0.2, 0.5]
    with pytest.raises(cs.SpecError, match="cs_mn_se_adj_all"):
        read_seda(older(), errors="across_states")


def test_means_by_subject_weigh_grades_by_their_precision() -> None:
    made = read_seda(older(), measures="subject")
    math = made.frame[(made.frame["unit_id"] == "0100005") & (made.frame["measure"] == "math")]
    weights = np.array([100.0, 25.0])
    assert math["school_year_end"].tolist() == [2019, 2022]
    np.testing.assert_allclose(
        math["estimate"], [(weights * [0.1, 0.4]).sum() / 125, 0.3], rtol=1e-14
    )
    np.testing.assert_allclose(math["std_error"], [1 / np.sqrt(125), 0.1], rtol=1e-14)
    assert math["n_obs"].tolist() == [140, 70]
    assert math["n_cells"].tolist() == [2, 1]
    assert made.issues.count("fewer_cells") == 1


def test_the_pooled_mean_is_over_subjects_and_grades() -> None:
    made = read_seda(older(), measures="pooled").frame
    assert made["measure"].unique().tolist() == ["achievement"]
    np.testing.assert_allclose(made["estimate"][0], (10 + 10 - 20) / 225, atol=1e-15)
    np.testing.assert_allclose(made["std_error"][0], 1 / 15, rtol=1e-14)
    assert made["n_cells"].tolist() == [3, 1, 1]


def test_a_subgroup_has_measures_of_its_own() -> None:
    group = older().rename(columns=lambda c: c.replace("_all", "_ecd"))
    assert read_seda(group, subgroup="ecd").measures == ("math_g3_ecd", "math_g4_ecd", "rla_g3_ecd")
    with pytest.raises(cs.SpecError, match="no column cs_mn_ecd"):
        read_seda(older(), subgroup="ecd")


def test_means_over_grades_on_a_scale_that_rises_with_them_are_refused() -> None:
    grades = older().rename(columns=lambda c: c.replace("cs_mn", "gcs_mn"))
    assert len(read_seda(grades, scale="gcs").frame) == 5
    with pytest.raises(cs.SpecError, match="rise with the grades"):
        read_seda(grades, scale="gcs", measures="pooled")


@pytest.mark.parametrize(
    ("change", "rule", "n"),
    [
        ({"subject": "sci"}, "not_allowed", 8),
        ({"grade": 9}, "not_allowed", 8),
        ({"sedalea": "12345678"}, "bad_id", 8),
        ({"year": "2019-2021"}, "not_a_year", 8),
        ({"grade": 3, "subject": "mth", "year": 2019}, "duplicate_key", 6),
    ],
)
def test_faulty_rows_are_told(change: dict[str, Any], rule: str, n: int) -> None:
    with pytest.raises(cs.DataError) as caught:
        read_seda(older().assign(**change))
    assert (rule, n) in [(f.rule, f.n_rows) for f in caught.value.faults]


def test_administrative_and_geographic_ids_are_not_mixed() -> None:
    with pytest.raises(cs.SpecError, match="both sedaadmin and sedalea"):
        read_seda(older(sedaadmin="0100005"))


def test_a_file_in_which_no_row_is_left_is_told() -> None:
    with pytest.raises(cs.DataError, match="smaller min_n"):
        read_seda(older(), min_n=1000)


@pytest.mark.parametrize(
    "options", [{"scale": "mn"}, {"measures": "all"}, {"errors": "both"}, {"min_n": -1}]
)
def test_unknown_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(cs.SpecError):
        read_seda(older(), **options)
