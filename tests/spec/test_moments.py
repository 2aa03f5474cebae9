"""Student and staff rows that stay where they are, against exact arithmetic on plain lists."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError, SpecError
from churnstats.records.scale.staff import roster_from
from churnstats.records.scale.students import StudentRules, unit_year_moments
from churnstats.records.units.units import Units

ibis = pytest.importorskip("ibis")

CLOSE = 1e-10
Row = dict[str, Any]
EXTRAS = ["estimate", "std_error", "sd", "weight_sum", "n_obs"]


def spark_session() -> Any:
    """Return Spark on this machine alone, or skip where it or Java is not installed."""
    pytest.importorskip("pyspark", exc_type=ImportError)
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    from pyspark.sql import SparkSession

    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.showConsoleProgress": "false",
    }
    return SparkSession.builder.master("local[2]").config(map=options).getOrCreate()


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give each of the two backends, the same queries on both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if request.param == "duckdb":
            connection = ibis.duckdb.connect()
            yield connection
            connection.disconnect()
        else:
            session = spark_session()
            yield ibis.pyspark.connect(session)
            session.stop()


def students(n: int = 600, seed: int = 5) -> list[Row]:
    """Return rows with every fault that is counted; scores lie close together and far from 0."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        rows.append(
            {
                "student_id": f"s{rng.integers(10**9)}",
                "unit_id": f"{rng.integers(7):07d}",
                "school_year_end": int(rng.integers(2017, 2020)),
                "measure": str(rng.choice(["math", "rla"])),
                "grade": str(rng.integers(3, 5)),
                "subgroup": str(rng.choice(["a", "b"])),
                "value": 1e6 + float(rng.normal()) * 1e-3,
                "weight": float(rng.uniform(0.5, 2.0)),
            }
        )
        for every, name, cell in (
            (50, "value", None), (61, "unit_id", None), (67, "value", 5.0), (71, "weight", None),
            (73, "weight", 0.0), (79, "grade", None), (83, "subgroup", None),
            (89, "student_id", None), (97, "measure", None), (101, "school_year_end", None),
        ):  # fmt: skip
            if i % every == every - 1:
                rows[-1][name] = cell
    for i in range(0, 100, 10):
        rows.append(dict(rows[i]))
    for i in range(5, 60, 10):
        rows.append({**rows[i], "value": rows[i]["value"] + 1e-4})
    return rows


def exact(
    rows: list[Row], key: list[str], norm: list[str] | None = None, weighted: bool = True
) -> dict[tuple[Any, ...], dict[str, float]]:
    """Return the moments of groups by exact fractions, rounded once at the end."""

    def of(part: list[tuple[Fraction, Fraction]]) -> tuple[Fraction, Fraction, Fraction]:
        total = sum(w for _, w in part)
        mean = sum(w * x for x, w in part) / total
        return total, mean, sum(w * (x - mean) ** 2 for x, w in part) / total

    groups, states = defaultdict(list), defaultdict(list)
    for row in rows:
        pair = (Fraction(row["value"]), Fraction(row["weight"] if weighted else 1))
        groups[tuple(row[k] for k in key)].append((pair, tuple(row[k] for k in norm or [])))
        states[tuple(row[k] for k in norm or [])].append(pair)
    state = {k: (of(v)[1], Fraction(sqrt(of(v)[2]))) for k, v in states.items()} if norm else {}
    made = {}
    for name, members in groups.items():
        part = [((x - state[s][0]) / state[s][1] if norm else x, w) for (x, w), s in members]
        total, mean, spread = of(part)
        n = len(part)
        factor = Fraction(n, n - 1) if n > 1 else Fraction(0)
        error = sum(w**2 * (x - mean) ** 2 for x, w in part) * factor / total**2
        made[name] = {
            "estimate": float(mean),
            "std_error": sqrt(error) if n > 1 else float("nan"),
            "sd": sqrt(spread * factor) if n > 1 else float("nan"),
            "weight_sum": float(total),
            "n_obs": float(n),
        }
    return made


def usable(rows: list[Row]) -> tuple[list[Row], Counter[str]]:
    """Return the rows that stay and why the others go, row by row."""
    lost: Counter[str] = Counter()
    sound = []
    for row in rows:
        if row["value"] is None:
            lost["no score"] += 1
        elif row["value"] < 100:
            lost["score outside the limits"] += 1
        elif row["weight"] is None:
            lost["no weight"] += 1
        elif row["weight"] == 0:
            lost["weight of 0"] += 1
        else:
            sound.append(row)
    keys = [(r["student_id"], r["school_year_end"], r["measure"]) for r in sound]
    versions = defaultdict(set)
    for key, row in zip(keys, sound, strict=True):
        versions[key].add(tuple(row.values()))
    kept, seen = [], set()
    for key, row in zip(keys, sound, strict=True):
        if None in key:
            kept.append(row)
        elif tuple(row.values()) in seen:
            lost["copy of another row"] += 1
        else:
            seen.add(tuple(row.values()))
            if len(versions[key]) > 1:
                lost["student with several scores in a year"] += 1
            else:
                kept.append(row)
    return kept, lost


def without(
    rows: list[Row], lost: Counter[str], *names: str, known: set[str] | None = None
) -> list[Row]:
    words = {"school_year_end": "school year", "unit_id": "unit id"}
    for name in names:
        bad = [r for r in rows if r[name] is None]
        lost[f"no {words.get(name, name)}"] += len(bad)
        rows = [r for r in rows if r[name] is not None]
    if known is not None:
        lost["unknown unit id"] += sum(r["unit_id"] not in known for r in rows)
        rows = [r for r in rows if r["unit_id"] in known]
    return rows


def assert_equal(
    made: cs.Outcomes, expected: dict[tuple[Any, ...], dict[str, float]], tolerance: float = CLOSE
) -> None:
    """Compare every number, relative to its size, or to one standard error for means near 0."""
    frame = made.frame
    found = {tuple(k): r for *k, r in zip(
        frame["unit_id"], frame["school_year_end"], frame["measure"],
        frame[EXTRAS].to_dict("records"), strict=True)}  # fmt: skip
    assert set(found) == set(expected)
    for key, numbers in expected.items():
        for name, number in numbers.items():
            assert found[key][name] == pytest.approx(number, rel=tolerance, abs=1e-11, nan_ok=True)


def write(rows: list[Row], path: Path) -> Path:
    frame = pd.DataFrame(rows).astype({"school_year_end": "Int64"})
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


RULES = StudentRules(limits=(100.0, 2e6))


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_means_and_errors_are_exact_and_every_row_has_its_reason(
    backend: Any, ending: str, tmp_path: Path
) -> None:
    rows = students()
    path = write(rows, tmp_path / f"students{ending}")
    made = unit_year_moments(path, rules=RULES, backend=backend)
    kept, lost = usable(rows)
    kept = without(kept, lost, "school_year_end", "measure", "unit_id")
    assert_equal(made, exact(kept, ["unit_id", "school_year_end", "measure"]))
    step = made.ledger.steps[0]
    assert (step.unit, step.n_in, step.n_out) == ("student rows", len(rows), len(kept))
    assert step.lost == {reason: n for reason, n in lost.items() if n}
    assert len(step.lost) == 9
    assert made.frame["n_obs"].sum() == len(kept)


@pytest.mark.parametrize("by", [("subgroup", "grade"), ()])
def test_scores_in_units_of_the_states_spread(
    backend: Any, by: tuple[Any, ...], tmp_path: Path
) -> None:
    rows = students()
    path = write(rows, tmp_path / "students.parquet")
    known = {f"{i:07d}" for i in range(5)}
    made = unit_year_moments(
        path, rules=RULES, backend=backend, by=by, scale="state_sd", units=sorted(known)
    )
    kept, lost = usable(rows)
    kept = without(kept, lost, "school_year_end", "measure", "grade")
    norm = ["school_year_end", "measure", "grade"]
    named = [
        {**r, "named": f"{r['measure']}_g{r['grade']}_{r['subgroup']}" if by else r["measure"]}
        for r in kept
    ]
    everything = exact(named, ["unit_id", "school_year_end", "named"], norm)
    final = without(named, lost, *by[:1], "unit_id", known=known)
    wanted = {(r["unit_id"], r["school_year_end"], r["named"]) for r in final}
    assert_equal(made, {k: v for k, v in everything.items() if k in wanted})
    assert made.ledger.steps[0].lost == {reason: n for reason, n in lost.items() if n}
    assert set(made.frame["scale"]) == {"state_sd"}
    assert ("state_mean" in made.frame) == bool(by)
    if by:
        row = made.frame.iloc[0]
        state = exact(kept, norm)[(row["school_year_end"], row["measure"][:-5], row["grade"])]
        assert row["state_mean"] == pytest.approx(state["estimate"], rel=CLOSE)
        spread = state["sd"] * sqrt((state["n_obs"] - 1) / state["n_obs"])
        assert row["state_sd"] == pytest.approx(spread, rel=CLOSE)


def plain(cells: dict[str, list[Any]]) -> pd.DataFrame:
    """Return a few rows of one school and year, math, with students of their own."""
    n = len(next(iter(cells.values())))
    whole = {"unit_id": ["1"] * n, "school_year_end": [2019] * n, "measure": ["math"] * n,
             "student_id": [f"s{i}" for i in range(n)], **cells}  # fmt: skip
    return pd.DataFrame(whole)


def scores(made: cs.Outcomes) -> dict[str, list[float]]:
    frame = made.frame
    return dict(
        zip(
            frame["unit_id"] + "," + frame["school_year_end"].astype(str) + "," + frame["measure"],
            frame[["estimate", "n_obs"]].to_numpy().tolist(),
            strict=True,
        )
    )


def test_duckdb_and_spark_give_the_same_numbers(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = spark_session()
        spark = ibis.pyspark.connect(session)
    for name in ("a", "b"):
        write(students(3000, seed=ord(name)), tmp_path / f"{name}.parquet")
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for choice in ({}, {"by": "grade", "scale": "state_sd"}):
        rules = StudentRules(limits={"math": (0, 2e6), "rla": (100, 2e6)}, repeats="highest")
        here = unit_year_moments(paths, rules=rules, **choice)
        there = unit_year_moments(paths, rules=rules, backend=spark, **choice)
        assert here.ledger == there.ledger
        assert len(here.frame) == len(there.frame) > 40
        pd.testing.assert_frame_equal(here.frame, there.frame, rtol=CLOSE, atol=1e-12)


def test_without_weights_the_error_is_the_samples_over_the_root_of_n(backend: Any) -> None:
    values = [3.0, 4.0, 8.0]
    table = as_table(plain({"value": values}), backend)
    made = unit_year_moments(table).frame.iloc[0]
    assert made["estimate"] == 5.0
    assert made["sd"] == pytest.approx(np.std(values, ddof=1), rel=1e-15)
    assert made["std_error"] == pytest.approx(np.std(values, ddof=1) / sqrt(3), rel=1e-15)


def as_table(frame: pd.DataFrame, backend: Any) -> Any:
    """Return a frame as a table of a backend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if backend.name == "duckdb":
            return backend.create_table("given", obj=frame, temp=True, overwrite=True)
        backend._session.createDataFrame(frame.astype(object)).createOrReplaceTempView("given")
        return backend.table("given")


def test_one_student_has_a_mean_and_no_error() -> None:
    made = unit_year_moments(plain({"value": [3.0]}))
    row = made.frame.iloc[0]
    assert row["estimate"] == 3.0
    assert np.isnan(row["std_error"])
    assert np.isnan(row["sd"])
    assert row["is_small"]


def test_small_cells_are_flagged_and_stay() -> None:
    frame = plain({"value": [1.0] * 9 + [2.0] * 10, "unit_id": ["a"] * 9 + ["b"] * 10})
    made = unit_year_moments(frame)
    assert made.frame["is_small"].tolist() == [True, False]
    assert made.issues.count("small_cell") == 1
    assert not unit_year_moments(frame, rules=StudentRules(small_n=9)).frame["is_small"].any()


REPEATED = {
    "student_id": ["a", "a", "b", "b", "c", "c", "c", "d", None, None],
    "value": [5.0, 5.0, 1.0, 3.0, 2.0, 2.0, 4.0, 7.0, 9.0, 9.0],
}


@pytest.mark.parametrize(
    ("repeats", "kept", "lost"),
    [
        ("keep", [5, 5, 1, 3, 2, 2, 4, 7, 9, 9], {}),
        ("set_aside", [5, 7, 9, 9],
         {"copy of another row": 2, "student with several scores in a year": 4}),
        ("highest", [5, 3, 4, 7, 9, 9],
         {"copy of another row": 2, "lower of several scores": 2}),
    ],
)  # fmt: skip
def test_repeats_are_taken_for_what_the_rule_says(
    repeats: Any, kept: list[float], lost: dict[str, int], backend: Any
) -> None:
    table = as_table(plain(REPEATED), backend)
    made = unit_year_moments(table, rules=StudentRules(repeats=repeats))
    assert made.frame[["estimate", "n_obs"]].to_numpy().tolist() == [[np.mean(kept), len(kept)]]
    assert made.ledger.steps[0].lost == lost
    assert made.issues.count("no_student_id") == (0 if repeats == "keep" else 2)


def test_repeats_can_be_refused_and_name_no_student() -> None:
    with pytest.raises(DataError, match="3 students have several scores") as error:
        unit_year_moments(plain(REPEATED), rules=StudentRules(repeats="error"))
    assert error.value.faults[0].n_rows == 7


def test_rows_of_a_student_in_two_schools_are_repeats_and_of_two_subjects_are_none() -> None:
    frame = plain({"value": [1.0, 2.0, 3.0, 3.0], "student_id": ["a", "a", "b", "b"],
                   "unit_id": ["1", "1", "1", "2"],
                   "measure": ["math", "rla", "math", "math"]})  # fmt: skip
    made = unit_year_moments(frame)
    assert scores(made) == {"1,2019,math": [1.0, 1.0], "1,2019,rla": [2.0, 1.0]}
    assert made.ledger.steps[0].lost == {"student with several scores in a year": 2}


def test_a_year_and_measure_in_two_spellings_are_one_for_means_and_for_repeats() -> None:
    frame = plain({"value": [1.0, 1.0, 3.0], "student_id": ["a", "a", "b"],
                   "school_year_end": ["2019", " 2019", "2019.0"],
                   "measure": ["M", "math", "math"]})  # fmt: skip
    made = unit_year_moments(frame, columns={"values": {"measure": {"M": "math"}}})
    assert scores(made) == {"1,2019,math": [2.0, 2.0]}
    assert made.ledger.steps[0].lost == {"copy of another row": 1}


def test_codes_for_missing_are_missing_and_limits_hold_by_measure() -> None:
    frame = plain({"value": ["12", "-9", "-9.0", "ABS", " 14 ", "NA", "99", "99"],
                   "measure": ["math"] * 7 + ["rla"]})  # fmt: skip
    made = unit_year_moments(
        frame,
        columns={"missing": {"value": [-9, "ABS"]}},
        rules=StudentRules(limits={"math": (0, 50)}),
    )
    assert scores(made) == {"1,2019,math": [13.0, 2.0], "1,2019,rla": [99.0, 1.0]}
    assert made.ledger.steps[0].lost == {"no score": 4, "score outside the limits": 1}


def test_ids_are_padded_and_ids_that_changed_are_carried_over() -> None:
    frame = plain({"value": [1.0, 3.0, 5.0, 7.0], "unit_id": [1, 1, 2, 3]})
    units = Units.from_frame(
        pd.DataFrame({"unit_id": ["001", "002"], "level": "district"}),
        pd.DataFrame({"unit_id": ["001"], "school_year_end": [2018], "change": ["new_id"],
                      "successor_id": ["002"]}),
    )  # fmt: skip
    made = unit_year_moments(frame, columns={"pad": {"unit_id": 3}}, units=units)
    assert scores(made) == {"002,2019,math": [3.0, 3.0]}
    assert made.ledger.steps[0].lost == {"unknown unit id": 1}
    assert made.issues.count("unit_id_changed") == 2
    plainly = unit_year_moments(frame, columns={"pad": {"unit_id": 3}}, units=["001"])
    assert scores(plainly) == {"001,2019,math": [2.0, 2.0]}


def test_numbers_as_ids_are_told_in_a_table_and_refused_in_a_file(tmp_path: Path) -> None:
    frame = plain({"value": [1.0], "unit_id": [1]})
    assert unit_year_moments(frame).issues.count("ids_are_numbers") == 1
    frame.to_parquet(tmp_path / "s.parquet")
    with pytest.raises(DataError, match=r"'unit_id' must be text.*'1' in 1(.|\n)*pad"):
        unit_year_moments(tmp_path / "s.parquet")


def test_a_grade_in_which_all_scores_are_equal_has_no_spread_to_measure_by() -> None:
    frame = plain({"value": [0.1, 0.1, 0.1, 1.0, 3.0], "grade": ["3", "3", "3", "4", "4"]})
    made = unit_year_moments(frame, scale="state_sd", by=["grade"])
    assert made.ledger.steps[0].lost == {"no spread in year, grade and measure": 3}
    row = made.frame.iloc[0]
    assert (row["measure"], row["estimate"], row["std_error"]) == ("math_g4", 0.0, 1.0)
    assert (row["state_mean"], row["state_sd"]) == (2.0, 1.0)


def test_grades_are_put_on_one_scale_before_they_are_joined() -> None:
    frame = plain({"value": [10.0, 20.0, 100.0, 300.0], "grade": [3, 3, 4, 4],
                   "unit_id": ["a", "b", "a", "b"]})  # fmt: skip
    made = unit_year_moments(frame, scale="state_sd")
    assert scores(made) == {"a,2019,math": [-1.0, 2.0], "b,2019,math": [1.0, 2.0]}
    assert made.frame["std_error"].tolist() == [0.0, 0.0]
    assert "state_sd" not in made.frame


def test_faults_are_told_all_at_once() -> None:
    with pytest.raises(DataError) as error:
        unit_year_moments(
            pd.DataFrame({"school": ["1"], "score": [True], "when": [2019]}),
            columns={"unit_id": "shcool", "value": "score", "yera": "when"},
            by="grade",
        )
    told = str(error.value)
    for words in (
        "columns are missing: unit_id (called shcool), school_year_end, measure, grade",
        "the data have school, score, when",
        "'value' must be numbers or text, and the column's type is boolean",
        "columns= has names that are no columns of students: yera",
    ):
        assert words in told
    frame = plain({"value": ["1,5", "1,5", "2", "inf", "x", "1_0", "1d"],
                   "weight": [1, 1, -1, 1, 1, 1, 1],
                   "school_year_end": ["2019"] * 6 + ["2019-20"]})  # fmt: skip
    with pytest.raises(DataError) as error:
        unit_year_moments(frame)
    faults = {f.rule: f for f in error.value.faults}
    assert {r: f.n_rows for r, f in faults.items()} == {
        "not_a_value": 6, "not_a_weight": 1, "not_a_year": 1,
    }  # fmt: skip
    assert "'1,5' in 2, '1_0' in 1, '1d' in 1" in faults["not_a_value"].message
    assert "'-1' in 1" in faults["not_a_weight"].message
    assert "'2019-20' in 1" in faults["not_a_year"].message
    with pytest.raises(DataError, match=r"'school_year_end' lies outside .*'3019' in 1"):
        unit_year_moments(plain({"value": [1.0], "school_year_end": [3019]}))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"by": ["sex"]}, "'sex' is no choice"),
        ({"scale": "z"}, "'z' is no choice"),
        ({"rules": "all"}, "str is no StudentRules"),
        ({"measure": "rla"}, "names one for all rows"),
        ({"measure": " "}, "measure is empty"),
        ({"units": "0100005"}, "str is no collection of ids"),
        ({"backend": "duckdb"}, "str is no ibis backend"),
        ({"columns": {"values": {"value": {"a": "1"}}}}, "not for value"),
        ({"rules": StudentRules(limits={"maths": (0, 1)})}, "there are not: maths"),
    ],
)
def test_what_can_not_be_asked_is_refused(choice: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        unit_year_moments(plain({"value": [1.0]}), **choice)


def test_rules_that_can_not_be_are_refused() -> None:
    for options in ({"limits": (5, 1)}, {"limits": {"math": (1,)}}, {"repeats": "first"},
                    {"small_n": -1}):  # fmt: skip
        with pytest.raises(SpecError):
            StudentRules(**options)


def test_rows_that_none_can_be_used_and_tables_without_rows_are_faults() -> None:
    with pytest.raises(DataError, match=r"no student row can be used: \{'no score': 2\}"):
        unit_year_moments(plain({"value": [None, np.nan]}).astype({"value": float}))
    with pytest.raises(DataError, match="the table has no rows"):
        unit_year_moments(plain({"value": [1.0]}).head(0))
    many = plain({"value": [1.0] * 20_001, "measure": [f"m{i}" for i in range(20_001)]})
    with pytest.raises(DataError, match="more than 20,000 combinations"):
        unit_year_moments(many)


def test_ibis_that_is_not_installed_is_told_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ibis", None)
    with pytest.raises(SpecError, match=r"pip install 'churnstats\[scale\]'"):
        unit_year_moments(plain({"value": [1.0]}))


TEXTS = {
    "long second line": "unit_id,school_year_end,value,name\n01,2019,5,6,Ann Oak\n01,2019,5,x\n",
    "short line": "unit_id,school_year_end,value,name\n01,2019,5,Ann Oak\n01,2019\n",
    "long line": "unit_id,school_year_end,value,name\n01,2019,5,x\n01,2019,5,6,Ann Oak\n",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_line_of_another_length_stops_the_reading_and_is_not_shown(
    kind: str, backend: Any, tmp_path: Path
) -> None:
    path = tmp_path / "students.csv"
    path.write_text(TEXTS[kind], encoding="utf-8")
    with pytest.raises(DataError, match="each line has the cells of the header") as error:
        unit_year_moments(path, measure="math", backend=backend)
    assert "Ann Oak" not in str(error.value)


def test_ids_in_text_keep_their_zeros_and_quoted_cells_are_whole(
    backend: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    path = folder / "students.tsv"
    path.write_text(
        'unit_id\tschool_year_end\tvalue\tmeasure\n007\t2019\t5\t"a ""b"" c"\n'
        '007\t2019\t"7"\t"a ""b"" c"\n',
        encoding="utf-8",
    )
    made = unit_year_moments(path, backend=backend)
    assert scores(made) == {'007,2019,a "b" c': [6.0, 2.0]}


def test_files_that_can_not_be_read_in_place_are_told(tmp_path: Path) -> None:
    for name, words in (
        ("gone.csv", "there is no such file"),
        ("book.xlsx", "'?.xlsx'? can't be read where it is"),
        ("broken.parquet", "can't be read where they are"),
    ):
        if name != "gone.csv":
            (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(DataError, match=words):
            unit_year_moments(tmp_path / name)
    (tmp_path / "a.csv").write_text("unit_id\n1\n", encoding="utf-8")
    with pytest.raises(DataError, match="several kinds"):
        unit_year_moments([tmp_path / "a.csv", tmp_path / "broken.parquet"])
    for text, words in (("", "is empty"), ("a,a\n", "one name"), ("a,\n", "no name")):
        (tmp_path / "b.csv").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=words):
            unit_year_moments(tmp_path / "b.csv")
    with pytest.raises(DataError, match="other columns"):
        unit_year_moments([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_several_text_files_are_read_as_one(backend: Any, tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"]
    for path, value in zip(paths, (1.0, 3.0), strict=True):
        plain({"value": [value], "student_id": [path.name]}).to_csv(path, index=False)
    made = unit_year_moments(paths, backend=backend)
    assert scores(made) == {"1,2019,math": [2.0, 2.0]}


def test_a_folder_of_parquet_and_a_filtered_table_are_read(backend: Any, tmp_path: Path) -> None:
    folder = tmp_path / "years"
    folder.mkdir()
    for year, value in ((2018, 1.0), (2019, 2.0)):
        one = plain({"value": [value], "school_year_end": [year], "student_id": [None]})
        one.astype({"student_id": "str"}).to_parquet(folder / f"{year}.parquet")
    made = unit_year_moments(folder, backend=backend)
    assert scores(made) == {"1,2018,math": [1.0, 1.0], "1,2019,math": [2.0, 1.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = backend.read_parquet(str(folder / "2018.parquet"))
    later = table.filter(table.value > 0.5).mutate(value=table.value + 10)
    assert scores(unit_year_moments(later)) == {"1,2018,math": [11.0, 1.0]}
    with pytest.raises(SpecError, match="lives in a backend already"):
        unit_year_moments(later, backend=backend)


def test_the_frame_that_is_given_is_not_changed_and_none_is_left_behind() -> None:
    frame = plain(REPEATED)
    before = frame.copy()
    connection = ibis.duckdb.connect()
    unit_year_moments(frame, backend=connection)
    unit_year_moments(frame, backend=connection)
    pd.testing.assert_frame_equal(frame, before)
    left = connection.raw_sql("SELECT table_name FROM duckdb_tables()").fetchall()
    assert [name for (name,) in left] == ["students_given"]
    connection.disconnect()


STAFF = pd.DataFrame(
    {
        "school": ["0001", "0001", "0001", "0001", "0002", "0002"],
        "spring": [2018, 2018, 2018, 2019, 2018, 2019],
        "person": ["p1", "p1", "t1", "p1", "p2", "p3"],
        "post": ["Principal", "Principal", "Teacher", "Principal ", "Principal", "Interim"],
        "course": ["a", "b", "a", "a", "a", "a"],
        "state": ["MO", "MO", "MO", "MO", "MO", "MO"],
    }
)
NAMES = {"unit_id": "school", "school_year_end": "spring", "leader_id": "person"}


def test_staff_rows_become_a_roster_and_its_spells(backend: Any) -> None:
    read = roster_from(
        as_table(STAFF, backend), columns=NAMES, role="principal",
        only={"post": ["Principal", "Interim"]}, also=["state"],
    )  # fmt: skip
    step = read.ledger.steps[0]
    assert (step.n_in, step.n_out) == (6, 4)
    assert step.lost == {"another post": 1, "copy of another row": 1}
    columns = ["unit_id", "school_year_end", "leader_id", "role", "state"]
    assert read.frame[columns].to_numpy().tolist() == [
        ["0001", 2018, "p1", "principal", "MO"],
        ["0001", 2019, "p1", "principal", "MO"],
        ["0002", 2018, "p2", "principal", "MO"],
        ["0002", 2019, "p3", "principal", "MO"],
    ]
    spells = cs.Tenures.from_roster(read.frame).frame
    assert spells[["unit_id", "leader_id", "start", "stop"]].to_numpy().tolist() == [
        ["0001", "p1", 2018.0, 2020.0],
        ["0002", "p2", 2018.0, 2019.0],
        ["0002", "p3", 2019.0, 2020.0],
    ]


def test_a_large_text_of_staff_equals_the_same_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "staff.csv"
    STAFF.to_csv(path, index=False)
    columns = {"columns": {**NAMES, "title": "post"}, "missing": {"leader_id": ["p3"]},
               "values": {"title": {"Interim": "acting"}}, "pad": {"unit_id": 6}}  # fmt: skip
    read = roster_from(path, columns=columns)
    assert read.frame["unit_id"].str.len().tolist() == [6] * 5
    assert read.frame["title"].tolist()[-1] == "acting"
    assert read.frame["leader_id"].isna().tolist() == [False] * 4 + [True]


def test_what_staff_files_lack_is_told() -> None:
    with pytest.raises(DataError, match="missing: unit_id, school_year_end, job, sex"):
        roster_from(STAFF, only={"job": ["x"]}, also=["sex"])
    for choice in ({"only": ["post"]}, {"only": {"post": "Principal"}}, {"also": "state"}):
        with pytest.raises(SpecError):
            roster_from(STAFF, columns=NAMES, **choice)
    with pytest.raises(DataError, match="'school_year_end' lies outside"):
        roster_from(STAFF.assign(spring=30), columns=NAMES)
