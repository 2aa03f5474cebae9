"""Real files of states, each from raw file to spells by one call; figures counted here first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.records.readers import (
    indiana_units,
    missouri_people,
    read_broad_center,
    read_indiana,
    read_missouri,
)

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
MISSOURI = SUPERINTENDENTS / "missouri_superintendents_2003_2024.csv"
INDIANA = SUPERINTENDENTS / "indiana_superintendents_2012_2024.csv.gz"
PRINCIPALS = SUPERINTENDENTS / "indiana_principals_2012_2024.csv.gz"
BROAD = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
PUBLISHED = SUPERINTENDENTS / "published_turnover_percent_ten_states.csv"
pytestmark = pytest.mark.skipif(not MISSOURI.exists(), reason="these files are not shipped")


def raw(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def name_parts(path: Path, *columns: str) -> Iterator[str]:
    """Return the long words of a file's names, to look for in what is shown."""
    for column in columns:
        for name in raw(path)[column].unique():
            yield from (word for word in name.lower().split() if len(word) > 6 and word.isalpha())


def assert_adds_up(tenures: cs.Tenures, n_rows: int) -> None:
    steps = [s for s in tenures.ledger.steps if s.unit == "roster rows"]
    assert steps[0].n_in == n_rows
    assert tenures.frame["n_roster_rows"].sum() == steps[-1].n_out
    assert n_rows - steps[-1].n_out == sum(sum(s.lost.values()) for s in steps)


@pytest.fixture(scope="module")
def missouri() -> cs.Tenures:
    return read_missouri(MISSOURI)


@pytest.fixture(scope="module")
def indiana() -> cs.Tenures:
    return read_indiana(INDIANA)


def test_missouri_has_every_row_in_a_spell_or_listed(missouri: cs.Tenures) -> None:
    frame = raw(MISSOURI)
    assert len(frame) == 11_116
    assert_adds_up(missouri, 11_116)
    assert missouri.frame["unit_id"].str.fullmatch(r"\d{6}").all()
    assert missouri.frame["unit_id"].nunique() == frame["county_district_code"].nunique() == 562
    short = (frame["county_district_code"].str.len() < 6).sum()
    assert missouri.issues.count("zeros_lost") == short == 9_651
    assert missouri.frame["start"].min() == 2003
    assert missouri.frame["stop"].max() == 2025


def test_missouri_districts_with_several_rows_are_one_person_or_shared_or_successive(
    missouri: cs.Tenures,
) -> None:
    frame = raw(MISSOURI)
    people = missouri_people(MISSOURI)
    frame["unit_id"] = frame["county_district_code"].str.zfill(6)
    frame["name"] = frame["first_name"] + " " + frame["last_name"]
    cell = ["unit_id", "year"]
    several = frame[frame.duplicated(cell, keep=False)]
    assert several.groupby(cell).ngroups == 279
    persons = people.apply(several).groupby(cell)["person_id"].nunique(dropna=False)
    assert persons.value_counts().to_dict() == {2: 160, 1: 112, 3: 7}
    count = missouri.issues.count
    assert count("rows_of_one_person") == len(several) - persons.sum() == 124
    assert count("handover_in_year") + count("shared_post") == persons[persons > 1].sum() == 341


def test_missouri_keeps_the_shares(missouri: cs.Tenures) -> None:
    told = raw(MISSOURI)["fte"].astype(float)
    kept = missouri.frame["fte_reported"] * missouri.frame["n_roster_rows"]
    assert told.sum() == pytest.approx(10_497.59)
    assert kept.sum() == pytest.approx(told.sum(), rel=2e-4)  # means over time, not over rows
    assert missouri.frame["fte"].between(0, 1).all()


def test_missouri_spells_of_one_post_never_add_up_to_more_than_one(missouri: cs.Tenures) -> None:
    f = missouri.frame.sort_values(["unit_id", "start"])
    latest = f.groupby("unit_id")["stop"].cummax().groupby(f["unit_id"]).shift()
    assert (f["start"] < latest - 1e-9).sum() == 36
    edges = pd.concat(
        [
            pd.DataFrame({"unit": f["unit_id"], "time": f["start"].round(9), "share": f["fte"]}),
            pd.DataFrame({"unit": f["unit_id"], "time": f["stop"].round(9), "share": -f["fte"]}),
        ]
    )
    held = edges.groupby(["unit", "time"])["share"].sum().groupby("unit").cumsum()
    assert held.max() <= 1.05, "shares that add up to a little more than one post stand"


def test_indiana_has_both_directories_of_2020_and_none_of_2014(indiana: cs.Tenures) -> None:
    frame = raw(INDIANA)
    assert_adds_up(indiana, 5_585)
    assert indiana.issues.count("two_directories") == (frame["fall"] == "2019").sum() == 869
    assert "several_snapshots" not in indiana.issues.frame()["rule"].tolist()
    both = set(frame.loc[frame["fall"] == "2012", "corporation_id"].str.zfill(4))
    both &= set(frame.loc[frame["fall"] == "2014", "corporation_id"].str.zfill(4))
    no_name = frame["superintendent"] == ""
    assert indiana.issues.count("no_holder") == no_name.sum() == 29
    assert indiana.issues.count("missing_snapshot") == 366
    assert len(both) >= 366
    assert not ((indiana.frame["start"] < 2014) & (indiana.frame["stop"] > 2014)).any()
    assert indiana.issues.count("close_directories") == (frame["fall"] == "2017").sum() == 429
    assert indiana.issues.count("zeros_lost") == 63


def test_indiana_handovers_between_the_two_directories_are_within_the_year(
    indiana: cs.Tenures,
) -> None:
    f = indiana.frame
    inside = f[f["start"] % 1 > 0]
    second, first = 2020 + 198 / 366, 2020 + 72 / 366
    assert len(inside) == 11
    np.testing.assert_allclose(inside["start"], second, atol=1e-9)
    np.testing.assert_allclose(inside["start_earliest"], first, atol=1e-9)


def test_indiana_can_be_read_by_the_last_directory_of_each_year() -> None:
    last = read_indiana(INDIANA, rules=cs.RosterRules(snapshots="last", max_gap_years=1))
    assert (last.frame["start"] % 1 == 0).all()
    frame = raw(INDIANA).query("superintendent != ''")
    early, late = (
        set(frame.loc[frame["snapshot"].str.contains(day), "corporation_id"])
        for day in ("2019-09-11", "2020-01-15")
    )
    assert last.issues.count("several_snapshots") == len(early & late) == 428
    assert last.issues.count("gap_bridged") > 250


def test_indiana_principals() -> None:
    principals = read_indiana(PRINCIPALS, role="principal")
    assert_adds_up(principals, 24_802)
    assert principals.frame["unit_id"].str.fullmatch(r"S[0-9A-Z]\d{3}").all()
    assert principals.frame["role"].unique().tolist() == ["principal"]
    assert principals.issues.count("two_directories") == 3_826
    assert principals.issues.count("zeros_lost") == 220 + 179
    assert principals.issues.count("no_holder") == 136


def test_nothing_that_is_shown_names_a_leader(missouri: cs.Tenures, indiana: cs.Tenures) -> None:
    for tenures, names in (
        (missouri, set(name_parts(MISSOURI, "first_name", "last_name"))),
        (indiana, set(name_parts(INDIANA, "superintendent"))),
    ):
        assert len(names) > 400
        shown = [*(str(f) for f, _ in tenures.issues.entries), tenures.summary()]
        text = tenures.frame.select_dtypes("str")
        shown += pd.unique(text.to_numpy(dtype=object).ravel()).astype(str).tolist()
        words = {word for line in shown for word in line.lower().replace("=", " ").split()}
        assert words & names <= {"director"}  # a title, which a name holds too


def test_missouri_is_a_year_late_in_the_broad_center_roster() -> None:
    # Its salaries are those of the state's file under the same number, which there is a spring.
    roster = pd.read_parquet(BROAD).query("state == 'mo' and salary == salary")
    file = raw(MISSOURI)
    paid = set(zip(file["year"].astype(int), pd.to_numeric(file["salary"]).round(), strict=True))
    shares = {
        shift: np.mean(
            [(year + shift, round(pay)) in paid for year, pay in roster[["year", "salary"]].values]
        )
        for shift in (-1, 0, 1)
    }
    assert shares[0] > 0.92
    assert max(shares[-1], shares[1]) < 0.33
    late, mended = read_broad_center(BROAD), read_broad_center(BROAD, spring_states=("mo",))
    assert late.issues.count("year_may_be_spring") == 10_784
    in_missouri = mended.frame["group_id"] == "mo"
    assert mended.frame.loc[in_missouri, "start"].min() == 2003
    assert late.frame.loc[late.frame["group_id"] == "mo", "start"].min() == 2004


def test_the_broad_center_reader_gives_the_published_turnover() -> None:
    made = read_broad_center(BROAD)
    assert_adds_up(made, 64_102)
    assert made.issues.count("two_people") == 1
    panel = cs.Panel.build(made)
    state = made.frame.drop_duplicates("unit_id").set_index("unit_id")["group_id"].str.upper()
    frame = panel.frame.assign(
        state=panel.frame["unit_id"].map(state), fall=panel.frame["school_year_end"] - 1
    )
    changed = frame["turnover_lag"].astype("Float64")
    ours = 100 * changed.groupby([frame["state"], frame["fall"]]).mean().astype(float)
    published = pd.read_csv(PUBLISHED, index_col="state").rename(columns=int).stack().dropna()
    both = ours.rename_axis(published.index.names).reindex(published.index)
    assert len(both) == 155
    assert ((both - published).abs() <= 0.05 + 1e-9).all()


def test_indiana_has_superintendents_and_principals_in_one_panel_chain() -> None:
    """From the raw files: who led each school and its corporation in each school year."""
    units = indiana_units(PRINCIPALS)
    both = cs.Tenures.combine([read_indiana(INDIANA), read_indiana(PRINCIPALS, role="principal")])
    schools = cs.Panel.build(both, role="principal")
    districts = cs.Panel.build(both, role="superintendent")
    assert schools.ledger.steps[0].n_in == 5_585
    assert {step.unit for step in schools.ledger.steps} >= {"roster rows (principal)", "spells"}
    frame = schools.frame
    frame = frame.assign(district_id=units.parent_at(frame["unit_id"], frame["school_year_end"]))
    assert frame["district_id"].notna().mean() > 0.98
    heads = districts.frame[["unit_id", "school_year_end", "leader_id"]]
    heads = heads.set_axis(["district_id", "school_year_end", "superintendent_id"], axis=1)
    led = frame.merge(heads, how="left", validate="m:1")
    assert len(led) == len(frame)
    assert led["superintendent_id"].notna().mean() > 0.8
    moves = units.changes[units.changes["change"] == "new_parent"]
    assert 10 <= moves["unit_id"].nunique() <= 40
    reached = cs.district_events_on_schools(districts, schools, units)
    assert len(reached.frame) > 3_000
    churn = cs.churn_measures(both, units=units)
    assert churn["unit_id"].str.fullmatch(r"[0-9A-Z]\d{3}|S[0-9A-Z]\d{3}").all()
