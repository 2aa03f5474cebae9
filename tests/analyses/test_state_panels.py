"""Panels of two states from raw files, each in one chain; figures counted in the files first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.display.flow import flow_figure, flow_levels
from churnstats.panel.isolation import isolation_table
from churnstats.panel.joins import Join, coverage_by_year, join_panel, match_table
from churnstats.panel.support import ALONE, event_support
from churnstats.records.readers import indiana_units, read_indiana, read_missouri

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
MISSOURI = SUPERINTENDENTS / "missouri_superintendents_2003_2024.csv"
INDIANA = SUPERINTENDENTS / "indiana_superintendents_2012_2024.csv.gz"
PRINCIPALS = SUPERINTENDENTS / "indiana_principals_2012_2024.csv.gz"
KEY = ["unit_id", "school_year_end"]
YEARS = [2013, *range(2015, 2026)]  # no directory of 2014 is there
pytestmark = pytest.mark.skipif(not MISSOURI.exists(), reason="these files are not shipped")


def raw(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def places(rows: pd.DataFrame, unit: str = "unit_id") -> list[tuple[str, int]]:
    """Return unit and school year of each row."""
    return list(zip(rows[unit], rows["school_year_end"], strict=True))


def assert_adds_up(panel: cs.Panel) -> None:
    """Count every kind of row through the printed flow, from the first step to the last."""
    left: dict[str, int] = {}
    for (_, unit), rows in panel.flow().groupby([panel.flow()["step"], "unit"], sort=False):
        n_in, n_out = rows["n_in"].iloc[0], rows["n_out"].iloc[0]
        assert n_in - rows["n_lost"].sum() == n_out
        assert left.get(unit, n_in) == n_in
        left[unit] = n_out


# ---------------------------------------------------------------- Missouri


def enrollment() -> pd.DataFrame:
    file = raw(MISSOURI)
    made = pd.DataFrame(
        {
            "unit_id": file["county_district_code"].str.zfill(6),
            "school_year_end": file["year"].astype(int),
            "enrollment": file["k_12_enrollment"].astype(float),
        }
    )
    return made.drop_duplicates()


@pytest.fixture(scope="module")
def missouri() -> cs.Panel:
    return join_panel(
        cs.Panel.build(read_missouri(MISSOURI)), Join(enrollment(), name="enrollment")
    )


def test_missouri_has_a_superintendent_and_an_enrollment_in_every_district_year(
    missouri: cs.Panel,
) -> None:
    frame = missouri.frame
    cells = raw(MISSOURI).groupby(["county_district_code", "year"]).ngroups
    assert len(frame) == cells == 10_818
    assert frame["unit_id"].nunique() == 562
    assert len(missouri.events) == 1_869
    assert frame["leader_id"].notna().all()
    told = enrollment().set_index(KEY)["enrollment"]
    assert (frame["enrollment"].to_numpy() == told.loc[places(frame)]).all()
    assert frame["enrollment"].sum() == told.sum() == 18_729_116
    assert (frame["enrollment"] == 0).sum() == 18
    by_year = coverage_by_year(missouri, ["enrollment"])
    assert by_year["n_unit_years"].tolist()[:7] == [474, 481, 481, 483, 486, 487, 417]
    assert (by_year["coverage_share"] == 1).all()


def test_missouri_s_rows_are_counted_from_file_to_panel(missouri: cs.Panel) -> None:
    assert_adds_up(missouri)
    steps = [(s.unit, s.n_in, s.n_out) for s in missouri.ledger.steps]
    assert steps == [
        ("roster rows", 11_116, 10_992),
        ("roster rows", 10_992, 10_992),
        ("spells", 2_538, 2_538),
        ("spells", 2_538, 2_538),
        ("unit-years", 10_818, 10_818),
        ("look-ups in enrollment", 10_818, 10_818),
        ("look-ups in enrollment", 10_818, 10_818),
        ("rows of enrollment", 10_818, 10_818),
    ]


def test_missouri_s_exposures_by_fte_sum_to_one(missouri: cs.Panel) -> None:
    shares = missouri.exposure.groupby(KEY)["exposure_share"].sum()
    years = missouri.frame.set_index(KEY)
    assert len(shares) == len(years)
    total = shares + years["vacancy_share"]
    np.testing.assert_allclose(total, 1.0, rtol=0, atol=1e-12)
    assert (years["observed_share"] == 1).all()
    assert years["n_leaders"].value_counts().to_dict() == {1: 10_651, 2: 160, 3: 7}


def test_missouri_s_co_leaders_share_the_year_by_fte(missouri: cs.Panel) -> None:
    """Where all of several holders lead from July to June, each has fte over the sum of fte."""
    fte = missouri.spells.set_index("spell_id")["fte"]
    rows = missouri.exposure.assign(fte=lambda e: e["spell_id"].map(fte))
    rows["whole"] = (rows["start"] <= rows["school_year_end"]) & (
        rows["stop"] >= rows["school_year_end"] + 1
    )
    years = rows.groupby(KEY)
    rows = rows[years["whole"].transform("all") & (years["leader_id"].transform("nunique") > 1)]
    want = rows["fte"] / rows.groupby(KEY)["fte"].transform("sum")
    assert rows.groupby(KEY).ngroups == 80
    np.testing.assert_allclose(rows["exposure_share"], want, rtol=0, atol=1e-9)
    assert (want != 0.5).any()


# ---------------------------------------------------------------- Indiana


@pytest.fixture(scope="module")
def units() -> cs.Units:
    return indiana_units(PRINCIPALS)


@pytest.fixture(scope="module")
def tenures() -> cs.Tenures:
    return cs.Tenures.combine([read_indiana(INDIANA), read_indiana(PRINCIPALS, role="principal")])


@pytest.fixture(scope="module")
def corporations(tenures: cs.Tenures) -> cs.Panel:
    return cs.Panel.build(tenures, role="superintendent")


@pytest.fixture(scope="module")
def declared(corporations: cs.Panel, units: cs.Units) -> Join:
    return Join(
        corporations.frame,
        relation="m:1",
        columns={"leader_id": "superintendent_id", "turnover_lag": "superintendent_turnover_lag"},
        through=units,
        name="superintendents",
    )


@pytest.fixture(scope="module")
def indiana(tenures: cs.Tenures, declared: Join) -> cs.Panel:
    return join_panel(cs.Panel.build(tenures, role="principal"), declared)


def directory() -> pd.DataFrame:
    """Return the last directory of each school and school year."""
    file = raw(PRINCIPALS)
    file["unit_id"] = "S" + file["school_id"].str.zfill(4)
    file["parent_id"] = file["corporation_id"].str.zfill(4)
    file["school_year_end"] = file["fall"].astype(int) + 1
    file["late"] = file["snapshot"].str.contains("2020-01-15")
    return file.sort_values("late", kind="stable").drop_duplicates(KEY, keep="last")


def test_indiana_s_school_years_have_a_principal_their_corporation_and_its_superintendent(
    indiana: cs.Panel, corporations: cs.Panel
) -> None:
    frame = indiana.frame
    assert len(frame) == 22_760
    assert frame["school_year_end"].unique().tolist() == YEARS
    assert frame["leader_id"].notna().all()
    told = directory().set_index(KEY)["parent_id"]
    assert frame["parent_id"].tolist() == told.loc[places(frame)].tolist()
    led = corporations.frame
    heads = dict(zip(places(led), led["leader_id"], strict=True))
    want = [heads.get(place, "nobody") for place in places(frame, "parent_id")]
    assert frame["superintendent_id"].fillna("nobody").tolist() == want
    assert frame["superintendent_id"].notna().sum() == 22_739


def test_school_years_without_principal_or_superintendent_are_counted_with_reasons(
    indiana: cs.Panel, tenures: cs.Tenures, declared: Join
) -> None:
    years = directory()[KEY]
    panel = pd.MultiIndex.from_frame(indiana.frame[KEY])
    asked = pd.MultiIndex.from_frame(years)
    assert len(years) == 22_896
    assert panel.isin(asked).all()
    assert (~asked.isin(panel)).sum() == 136  # in no directory of the year is somebody named
    lost = indiana.flow().set_index(["unit", "reason"])["n_lost"]
    assert lost["roster rows (principal)", "without a holder"] == 136
    counts = match_table(cs.Panel.build(tenures, role="principal"), declared)
    assert counts[["side", "reason", "n"]].to_numpy().tolist() == [
        ["panel", "matched", 22_739],
        ["panel", "of units whose parent is not in the table", 3],
        ["panel", "in years that the table lacks for their parent", 18],
        ["table", "matched", 4_726],
        ["table", "of units that are no parents in the panel", 198],
        ["table", "in years that the panel lacks for them", 204],
    ]
    file = raw(INDIANA)
    named = file[file["superintendent"] != ""].assign(
        unit_id=file["corporation_id"].str.zfill(4), school_year_end=file["fall"].astype(int) + 1
    )
    missed = indiana.frame[indiana.frame["superintendent_id"].isna()]
    assert missed.groupby("school_year_end").size().to_dict() == {
        2013: 16,
        2016: 1,
        2022: 2,
        2025: 2,
    }
    assert not set(places(named)) & set(places(missed, "parent_id"))


def test_indiana_s_flow_goes_from_both_files_to_both_leaders(indiana: cs.Panel) -> None:
    assert_adds_up(indiana)
    assert [level.box.count for level in flow_levels(indiana.ledger)] == [
        "5,585 roster rows (superintendent)",
        "5,556 roster rows (superintendent)",
        "1,639 spells (superintendent)",
        "24,802 roster rows (principal)",
        "24,666 roster rows (principal)",
        "7,688 spells (principal)",
        "9,327 spells",
        "7,688 spells",
        "22,760 unit-years",
        "22,760 look-ups in superintendents",
        "22,739 look-ups in superintendents",
        "5,128 rows of superintendents",
        "4,726 rows of superintendents",
    ]
    text = str(indiana.ledger)
    assert "found: 22,760 look-ups in superintendents in, 22,739 kept" in text
    assert "- 136 without a holder" in text
    figure = flow_figure(indiana.ledger, "Indiana, 2013 to 2025")
    shown = [t.get_text() for t in figure.axes[0].texts]
    assert "21 not found" in shown
    assert "402 not used" in shown
    assert "136 left out" in shown


def test_changes_of_indiana_s_superintendents_spoil_windows_of_principals(
    indiana: cs.Panel, corporations: cs.Panel, units: cs.Units
) -> None:
    own = event_support(indiana, (2, 2))
    both = event_support(indiana, (2, 2), roles=[corporations], units=units)
    counted = isolation_table(indiana, [(2, 2)]).iloc[0]
    assert counted["n_changes"] == len(own.events) == len(both.events) == 4_232
    first = both.contamination.set_index("cause")["n_first"]
    assert own.controls["n_alone"].sum() == counted["n_alone"] == 979
    assert first[ALONE] == both.controls["n_alone"].sum() == 343
    of_heads = both.contamination["role"] == "superintendent"
    assert both.contamination.loc[of_heads, "n_first"].sum() == 979 - 343
    # District by district: a change of the superintendent in the same year, from the ledger.
    reached = cs.district_events_on_schools(corporations, indiana, units).frame
    there = set(places(reached))
    flag = both.events["superintendent: in the same year"]
    assert flag.tolist() == [place in there for place in places(both.events)]
    assert flag.sum() == 1_004
    assert both.controls.set_index("school_year_end")["n_controls"].loc[2017:2023].tolist() == [
        248, 369, 326, 335, 256, 235, 245,
    ]  # fmt: skip
