"""Records: the same whatever the frame or file they come in, and every planted fault counted."""

from __future__ import annotations

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
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.core.errors import DataError
from churnstats.core.provenance import RowLedger, frame_sha256
from record_draws import rosters, spell_frames
from support import DRAWS

CELL = ["unit_id", "role", "school_year_end"]
MIXED = pd.DataFrame(
    {
        "unit_id": ["0100005", "0100005", "000012345678", "5"],
        "role": ["head", "head", "head", "aide"],
        "leader_id": ["007", 'Ö\'Neil, "Jo"', "a\nb", "b"],
        "start": ["2010-07-01", "2012-02-29", "2011-01-15", "2009-12-31"],
        "stop": ["2012-02-29", None, "2013-07-01", None],
        "left_censored": [True, False, None, False],
        "pay": [1.5, None, 3.0, -1.0],
        "n_staff": [1, 2, 3, 4],
    }
)


def duck(frame: pd.DataFrame) -> Any:
    return duckdb.connect().from_arrow(pa.Table.from_pandas(frame))


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas index": lambda frame: frame.set_index(np.arange(len(frame)) * 3 - 4),
    "pandas object": lambda frame: frame.astype(object),
    "pandas category": lambda frame: frame.astype({"unit_id": "category", "role": "category"}),
    "pandas arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda frame: pl.from_pandas(frame),
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame),
    "duckdb": duck,
}
FILES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "data.csv": lambda frame, path: frame.to_csv(path, index=False),
    "data.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "data.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "bom.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="utf-8-sig"),
    "crlf.csv": lambda frame, path: frame.to_csv(path, index=False, lineterminator="\r\n"),
    "quoted.csv": lambda frame, path: frame.to_csv(path, index=False, quoting=1),
    "UPPER.CSV": lambda frame, path: frame.to_csv(path, index=False),
    "data.parquet": lambda frame, path: frame.to_parquet(path),
    "data.xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "data.dta": lambda frame, path: frame.astype({"left_censored": float}).to_stata(
        path, write_index=False
    ),
}


def read(data: Any, **options: Any) -> cs.Tenures:
    return cs.Tenures.from_spells(data, observed_until="2015-07-01", **options)


@pytest.fixture(scope="module")
def expected() -> cs.Tenures:
    tenures = read(MIXED)
    assert tenures.frame["unit_id"].tolist() == ["000012345678", "0100005", "0100005", "5"]
    assert tenures.frame["leader_id"].tolist() == ["a\nb", "007", 'Ö\'Neil, "Jo"', "b"]
    assert tenures.frame["left_censored"].tolist() == [False, True, False, False]
    assert tenures.frame["start"].round(6).tolist() == [2011.542466, 2011, 2012.663934, 2010.50137]
    assert tenures.frame["n_staff"].tolist() == [3, 1, 2, 4]
    return tenures


def assert_same(one: cs.Tenures, other: cs.Tenures) -> None:
    names = load_names()
    assert_frame_equal(one.frame[names], other.frame[names])
    assert list(one.frame.columns) == list(other.frame.columns)
    for name in ("pay", "n_staff"):
        found, wanted = (t.frame[name].replace("", np.nan).astype(float) for t in (one, other))
        np.testing.assert_array_equal(found, wanted)


def load_names() -> list[str]:
    from churnstats.schemas.contract import load_contract

    return list(load_contract("tenures").names())


@pytest.mark.parametrize("kind", FRAMES)
def test_all_frames_give_the_same_tenures(kind: str, expected: cs.Tenures) -> None:
    assert_same(read(FRAMES[kind](MIXED)), expected)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("as_text", [True, False])
def test_all_files_give_the_same_tenures(
    name: str, as_text: bool, expected: cs.Tenures, tmp_path: Path
) -> None:
    path = tmp_path / name
    FILES[name](MIXED, path)
    assert_same(read(str(path) if as_text else path), expected)


@pytest.mark.parametrize("kind", FRAMES)
def test_dates_and_times_give_the_same_tenures(kind: str) -> None:
    times = MIXED.drop(columns="pay")
    dates = times.assign(**{c: pd.to_datetime(times[c]) for c in ("start", "stop")})
    numbers = times.assign(
        **{c: read(dates[[*dates.columns]]).calendar.to_time(dates[c]) for c in ("start", "stop")}
    )
    frame = read(times).frame
    assert_frame_equal(read(FRAMES[kind](dates)).frame, frame, check_dtype=False)
    assert_frame_equal(read(FRAMES[kind](numbers)).frame, frame, check_dtype=False)


@pytest.mark.parametrize("kind", FRAMES)
def test_whole_numbers_beside_missing_cells_are_ids_in_all_frames(kind: str) -> None:
    frame = pd.DataFrame(
        {
            "unit_id": pd.array([12, 12, 7], dtype="Int64"),
            "role": "head",
            "school_year_end": [2010, 2011, 2010],
            "leader_id": pd.array([100005, pd.NA, 3], dtype="Int64"),
        }
    )
    tenures = cs.Tenures.from_roster(FRAMES[kind](frame))
    assert tenures.frame[["unit_id", "leader_id"]].to_numpy().tolist() == [
        ["12", "100005"],
        ["7", "3"],
    ]


@DRAWS
@given(spell_frames())
def test_tenures_read_their_own_frame(frame: pd.DataFrame) -> None:
    once = cs.Tenures.from_spells(frame)
    again = cs.Tenures.from_spells(once.frame)
    assert_frame_equal(again.frame, once.frame)
    assert_frame_equal(again.issues.frame(), once.issues.frame())
    assert len(once.frame) == len(frame)
    assert once.frame["spell_id"].is_unique


@DRAWS
@given(spell_frames())
def test_every_gap_is_counted_and_is_a_fault_if_it_may_not_be(frame: pd.DataFrame) -> None:
    order = frame.sort_values(["unit_id", "start"])
    before = order.groupby("unit_id")["stop"].shift()
    n_gaps = int((order["start"] > before).sum())
    assert cs.Tenures.from_spells(frame).issues.count("gap") == n_gaps
    if n_gaps:
        with pytest.raises(DataError) as error:
            cs.Tenures.from_spells(frame, gaps="error")
        assert {f.rule for f in error.value.faults} == {"gap"}
        assert sum(f.n_rows for f in error.value.faults) == n_gaps
    else:
        assert cs.Tenures.from_spells(frame, gaps="error").n_spells == len(frame)


@DRAWS
@given(rosters(), st.integers(0, 3))
def test_rosters_and_their_spells_tell_the_same(frame: pd.DataFrame, max_gap_years: int) -> None:
    before = frame_sha256(frame)
    tenures = cs.Tenures.from_roster(frame, rules=cs.RosterRules(max_gap_years=max_gap_years))
    assert frame_sha256(frame) == before
    named = frame.dropna(subset="leader_id")
    assert tenures.frame["n_roster_rows"].sum() == len(named)
    assert tenures.issues.count("no_holder") == len(frame) - len(named)
    for role in named["role"].unique():
        cells = named[named["role"] == role].sort_values(CELL)
        panel = cs.Panel.build(tenures, role=role).frame
        keys = ["unit_id", "school_year_end"]
        both = panel.merge(cells, on=keys, how="outer", suffixes=("", "_cell"))
        in_roster = both["leader_id_cell"].notna()
        assert (both["leader_id"] == both["leader_id_cell"])[in_roster].all()
        if max_gap_years == 0:
            assert in_roster.all()
        else:
            between = both["leader_id"].where(in_roster).groupby(both["unit_id"])
            same = between.ffill() == between.bfill()
            assert (in_roster | (same & (both["exposure_share"] == 1))).all()


@DRAWS
@given(rosters(), st.randoms(use_true_random=False))
def test_rows_of_a_roster_may_come_in_any_order(frame: pd.DataFrame, random: Any) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    one, other = (cs.Tenures.from_roster(f) for f in (frame, frame.iloc[order]))
    assert_frame_equal(one.frame, other.frame)
    assert_frame_equal(one.issues.frame(), other.issues.frame())
    assert one.ledger == other.ledger


@DRAWS
@given(rosters())
def test_a_longer_bridge_joins_spells_and_never_parts_them(frame: pd.DataFrame) -> None:
    counts = [
        cs.Tenures.from_roster(frame, rules=cs.RosterRules(max_gap_years=k)).n_spells
        for k in range(4)
    ]
    assert counts == sorted(counts, reverse=True)


@DRAWS
@given(st.integers(1, 50), st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=5))
def test_a_ledger_that_adds_up_is_kept_and_any_other_refused(n: int, steps: Any) -> None:
    ledger, left = RowLedger(), n
    for k, losses in enumerate(steps):
        lost = {f"reason {j}": loss for j, loss in enumerate(losses)}
        if sum(losses) > left:
            break
        for wrong_in, wrong_out in ((1, 1), (0, 1), (-1, 0)) if ledger.steps else ((0, -1),):
            with pytest.raises(cs.ChurnstatsError, match="ledger"):
                ledger.step("wrong", "rows", left + wrong_in, left - sum(losses) + wrong_out, lost)
        ledger = ledger.step(f"step {k}", "rows", left, left - sum(losses), lost)
        left -= sum(losses)
    frame = ledger.frame()
    assert n - frame["n_lost"].sum() == left
    assert (frame["n_lost"] > 0).sum() == sum(len(s.lost) for s in ledger.steps)


PLANTED = ("reversed_dates", "overlap", "duplicate_row", "two_holders", "gap", "missing_year")


def planted(**defects: int) -> cs.datasets.SimulatedDistricts:
    return cs.datasets.simulate_districts(
        80,
        10,
        n_schools=1,
        n_directors=1,
        defects=defects,
        seed=3,
        programs=cs.datasets.districts.NO_PROGRAMS,
    )


def found_in(read: Callable[[pd.DataFrame], cs.Tenures], frame: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows by rule, of faults or else of issues."""
    try:
        issues = read(frame).issues.frame()
    except DataError as error:
        return {fault.rule: fault.n_rows for fault in error.faults}
    return issues.groupby("rule")["n_rows"].sum().to_dict()


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize(
    ("defect", "rule"), [("reversed_dates", "reversed_dates"), ("overlap", "overlapping_spells")]
)
def test_planted_faults_of_spells_are_found_and_nothing_else(
    defect: str, rule: str, n: int
) -> None:
    sim = planted(**{defect: n})
    assert found_in(cs.Tenures.from_spells, sim.tenures) == {rule: n}
    assert found_in(cs.Tenures.from_spells, sim.truth.tenures) == {}


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("defect", ["duplicate_row", "two_holders", "gap", "missing_year"])
def test_planted_faults_of_rosters_are_found_and_nothing_else(defect: str, n: int) -> None:
    sim = planted(**{defect: n})
    rows = sim.truth.defects["action"].eq("remove").sum() if defect == "missing_year" else n
    rule = "gap" if defect == "missing_year" else defect
    assert found_in(cs.Tenures.from_roster, sim.roster) == {rule: rows}
    assert found_in(cs.Tenures.from_roster, sim.truth.roster) == {}


def test_faults_planted_together_are_all_in_one_error() -> None:
    sim = planted(**dict.fromkeys(PLANTED, 3))
    assert found_in(cs.Tenures.from_spells, sim.tenures) == {
        "reversed_dates": 3,
        "overlapping_spells": 3,
    }
    assert found_in(cs.Tenures.from_roster, sim.roster) == {"duplicate_row": 3, "two_holders": 3}
    whole = sim.roster.drop_duplicates(CELL, keep="first")
    gaps = sim.truth.defects.query("action == 'remove'")
    assert found_in(cs.Tenures.from_roster, whole) == {"gap": len(gaps)}


def test_rows_of_a_planted_fault_are_named_as_in_the_source() -> None:
    sim = planted(reversed_dates=7)
    wrong = np.flatnonzero(sim.tenures["stop"] < sim.tenures["start"]) + 1
    with pytest.raises(DataError) as error:
        cs.Tenures.from_spells(sim.tenures)
    (fault,) = error.value.faults
    assert fault.n_rows == 7
    assert [int(row.split(":")[0].removeprefix("row ")) for row in fault.rows] == list(wrong[:5])
