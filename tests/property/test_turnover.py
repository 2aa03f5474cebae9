"""Turnover of yearly rosters against a count by hand, and transitions set to unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.core.provenance import frame_sha256
from churnstats.panel.turnover import Dating, mask_transitions, roster_turnover
from record_draws import rosters
from record_tables import assert_shows, table, text_columns
from support import DRAWS

NAMES = {"unit": "unit", "leader": "leader", "year": "year"}
GROUPS = {"01": "A", "1": "A", "2": "B", "3": "B"}


@st.composite
def rows(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a roster with gaps, empty cells, repeated rows and cells of several holders."""
    found: list[dict[str, Any]] = [{"unit": "01", "year": 2010, "leader": "a"}]
    for unit in GROUPS:
        for year in range(2010, 2016):
            cell = draw(st.sampled_from(["a", "a", "b", "c", "ab", "bc", "aa", "-", "a-", ""]))
            found += [
                {"unit": unit, "year": year, "leader": None if one == "-" else one} for one in cell
            ]
    frame = pd.DataFrame(found)
    return frame.assign(group=frame["unit"].map(GROUPS)).sample(frac=1, random_state=len(found))


def by_hand(frame: pd.DataFrame, dating: Dating) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Return units seen in the later year, known in both, and changed, by group and year."""
    seen: dict[tuple[str, int], set[str]] = {}
    for row in frame.itertuples():
        names = seen.setdefault((row.unit, row.year), set())
        if isinstance(row.leader, str):
            names.add(row.leader)
    counts: dict[tuple[str, int], tuple[int, int, int]] = {}
    for group in sorted({GROUPS[unit] for unit, _ in seen}):
        years = [year for unit, year in seen if GROUPS[unit] == group]
        for year in range(min(years), max(years) + 1):
            first = year - 1 if dating == "lag" else year
            n_seen = n_both = n_changed = 0
            for unit in GROUPS:
                before, after = seen.get((unit, first)), seen.get((unit, first + 1))
                if GROUPS[unit] == group and after is not None:
                    n_seen += 1
                    if before and after:
                        n_both += 1
                        n_changed += any(name not in after for name in before)
            counts[group, year] = n_seen, n_both, n_changed
    return counts


@given(rows(), st.sampled_from(["lag", "lead"]))
@DRAWS
def test_every_count_is_the_one_by_hand(frame: pd.DataFrame, dating: Dating) -> None:
    before = frame_sha256(frame)
    made = roster_turnover(frame, **NAMES, group="group", dating=dating)
    assert frame_sha256(frame) == before
    want = by_hand(frame, dating)
    assert list(zip(made["group"], made["year"], strict=True)) == list(want)
    for row, (seen, both, changed) in zip(made.itertuples(), want.values(), strict=True):
        assert (row.n_units, row.n_changed) == (both, changed)
        assert np.isclose(row.turnover_share, changed / both if both else np.nan, equal_nan=True)
        assert np.isclose(row.coverage_share, both / seen if seen else np.nan, equal_nan=True)


@given(rows())
@DRAWS
def test_lead_is_lag_a_year_earlier_and_labels_and_order_say_nothing(frame: pd.DataFrame) -> None:
    lag, lead = (
        roster_turnover(frame, **NAMES, group="group", dating=dating).dropna()
        for dating in ("lag", "lead")
    )
    moved = lead.assign(year=lead["year"] + 1)
    assert_frame_equal(lag.reset_index(drop=True), moved.reset_index(drop=True))
    other = frame.iloc[::-1].assign(
        unit=frame["unit"].map({"01": "9", "1": "7", "2": "x", "3": "05"}),
        leader="Dr " + frame["leader"],
    )
    again = roster_turnover(other, **NAMES, group="group").dropna()
    assert_frame_equal(lag.reset_index(drop=True), again.reset_index(drop=True))


@given(rosters())
@DRAWS
def test_where_no_cell_has_two_holders_it_is_the_turnover_of_the_panel(frame: pd.DataFrame) -> None:
    heads = frame[frame["role"] == "head"]
    panel = cs.Panel.build(cs.Tenures.from_roster(frame), role="head")
    made = roster_turnover(heads, unit="unit_id", leader="leader_id", year="school_year_end")
    assert set(made["group"]) == {"all"}
    of_panel = panel.turnover_by_year().query("n_units > 0")
    want = of_panel.set_index("school_year_end")[["n_units", "turnover_share"]]
    found = made.query("n_units > 0").set_index("year")[["n_units", "turnover_share"]]
    assert_frame_equal(found, want, check_names=False, check_dtype=False)


def shown(text: str, dating: Dating = "lag", group: str | None = None) -> pd.DataFrame:
    frame = text_columns(table(text), "unit")
    return roster_turnover(frame, **NAMES, group=group, dating=dating)


def test_a_handover_with_both_names_in_one_year_counts_once() -> None:
    text = """
        unit  year  leader
        1     2010  a
        1     2011  a
        1     2011  b
        1     2012  b
        1     2013  b
    """
    assert_shows(shown(text), """
        group  year  n_units  n_changed  turnover_share  coverage_share
        all    2010  0        0          -               0
        all    2011  1        0          0               1
        all    2012  1        1          1               1
        all    2013  1        0          0               1
    """)  # fmt: skip
    assert shown(text, "lead")["n_changed"].tolist() == [0, 1, 0, 0]


def test_co_leaders_who_stay_are_no_change_and_one_who_goes_is() -> None:
    assert shown("""
        unit  year  leader
        1     2010  a
        1     2010  b
        1     2011  b
        1     2011  a
        1     2012  c
        1     2012  a
    """)["n_changed"].tolist() == [0, 0, 1]  # fmt: skip


def test_missing_leaders_are_seen_but_not_known_and_missing_years_have_a_row() -> None:
    made = shown("""
        unit  year  leader
        1     2010  a
        2     2010  c
        1     2011  b
        2     2011  -
        1     2013  b
        2     2013  d
        1     2014  b
    """)
    assert_shows(made, """
        year  n_units  n_changed  turnover_share  coverage_share
        2010  0        0          -               0
        2011  1        1          1               1/2
        2012  0        0          -               -
        2013  0        0          -               0
        2014  1        0          0               1
    """)  # fmt: skip
    assert made["n_units"].dtype == made["year"].dtype == np.dtype("int64")


def test_a_unit_that_moves_counts_in_the_group_of_the_later_year() -> None:
    text = """
        unit  year  leader  group
        1     2010  a       X
        1     2011  b       Y
        2     2010  c       X
        2     2011  c       X
    """
    assert_shows(shown(text, group="group"), """
        group  year  n_units  n_changed
        X      2010  0        0
        X      2011  1        0
        Y      2011  1        1
    """)  # fmt: skip


def test_ids_keep_their_zeros_and_any_frame_will_do() -> None:
    frame = pd.DataFrame({
        "unit": ["01", "1", "01", "1"], "year": [2010, 2010, 2011, 2011],
        "leader": ["a", "b", "a", "c"], "state": pd.Categorical(["KS"] * 4),
    })  # fmt: skip
    made = roster_turnover(frame, **NAMES, group="state")
    assert made["n_changed"].tolist() == [0, 1]
    again = roster_turnover(pl.DataFrame(frame.astype({"state": "str"})), **NAMES, group="state")
    assert_frame_equal(made, again)
    text = frame.astype({"year": "str"}).assign(leader=[1.0, 2.0, 1.0, np.nan])
    assert roster_turnover(text, **NAMES)["n_units"].tolist() == [0, 1]


GOOD = pd.DataFrame(
    {"unit": ["1", "1"], "year": [2010, 2011], "leader": ["a", "b"], "group": ["X", "X"]}
)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"unit": ["1", None]}, "missing_value"),
        ({"year": [2010, None]}, "missing_value"),
        ({"group": ["X", " "]}, "missing_value"),
        ({"year": ["2010", "soon"]}, "not_a_year"),
        ({"year": [2010, 2010.5]}, "not_a_year"),
        ({"year": [2010, 2010], "group": ["X", "Y"]}, "two_groups"),
    ],
)
def test_cells_that_cannot_be_used_are_faults(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(cs.DataError) as caught:
        roster_turnover(GOOD.assign(**change), **NAMES, group="group")
    assert [fault.rule for fault in caught.value.faults] == [rule]
    assert "row 2" in str(caught.value)


def test_columns_and_datings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(cs.DataError, match="no column state") as caught:
        roster_turnover(GOOD, unit="leaid", leader="leader", year="year", group="state")
    assert len(caught.value.faults) == 2
    with pytest.raises(cs.DataError, match="no rows"):
        roster_turnover(GOOD.iloc[:0], **NAMES)
    with pytest.raises(cs.SpecError, match="'lag' or 'lead'"):
        roster_turnover(GOOD, **NAMES, dating="Bartanen")  # type: ignore[arg-type]


def transitions(*keys: tuple[str, int], reason: str = "stale") -> pd.DataFrame:
    found = pd.DataFrame(keys, columns=["group", "to_year"])
    return found.assign(from_year=found["to_year"] - 1, reason=reason)


def small_panel() -> cs.Panel:
    frame = table("""
        unit_id  school_year_end  leader_id
        u        2010             a
        u        2011             b
        u        2012             b
        v        2010             c
        v        2011             c
        v        2012             d
        w        2011             e
        w        2012             f
        w        2013             f
    """)
    return cs.Panel.build(cs.Tenures.from_roster(frame, role="head"))


PLACES = {"u": "A", "v": "A", "w": "B"}


def test_masked_transitions_are_missing_on_both_sides_and_counted() -> None:
    panel = small_panel()
    before = frame_sha256(panel.frame)
    wanted = pd.concat([transitions(("A", 2011), ("B", 2011)),
                        transitions(("A", 2012), reason="rebound")])  # fmt: skip
    made = mask_transitions(panel, wanted.iloc[:2], PLACES)
    assert_shows(made.frame, """
        unit_id  school_year_end  turnover_lag  turnover_lead
        u        2010             -             -
        u        2011             -             no
        u        2012             no            -
        v        2010             -             -
        v        2011             -             yes
        v        2012             yes           -
        w        2011             -             yes
        w        2012             yes           no
        w        2013             no            -
    """)  # fmt: skip
    both = mask_transitions(panel, wanted, PLACES)
    step = both.ledger.steps[-1]
    assert (step.n_in, step.n_out, step.lost) == (6, 2, {"rebound": 2, "stale": 2})
    assert frame_sha256(panel.frame) == before
    assert len(both.events) == len(panel.events)
    again = mask_transitions(made, wanted.iloc[2:], PLACES)
    assert_frame_equal(again.frame, both.frame)
    assert again.ledger.steps[-1].lost == {"rebound": 2}
    assert again.turnover_by_year().set_index("school_year_end")["n_units"][2012] == 1


@given(rosters(), st.lists(st.integers(2009, 2019), max_size=4), st.booleans())
@DRAWS
def test_masks_take_what_they_name_and_nothing_else(
    frame: pd.DataFrame, years: list[int], all_units: bool
) -> None:
    panel = cs.Panel.build(cs.Tenures.from_roster(frame), role="head")
    place = {"01": "A", "2": "A" if all_units else "B"}
    inside = panel.frame["unit_id"].map(place).eq("A")
    year = panel.frame["school_year_end"]
    hit = [y for y in years if (inside & (year.isin([y, y - 1]))).any()]
    made = mask_transitions(panel, transitions(*[("A", y) for y in hit]), place).frame
    for name, later in (("turnover_lag", year), ("turnover_lead", year + 1)):
        masked = inside & later.isin(hit)
        assert made[name].isna().equals(panel.frame[name].isna() | masked)
        assert made[name][~masked].equals(panel.frame[name][~masked])
    rest = [c for c in made.columns if not c.startswith("turnover")]
    assert_frame_equal(made[rest], panel.frame[rest])


def test_masks_that_fit_nothing_are_refused() -> None:
    panel = small_panel()
    with pytest.raises(cs.SpecError, match="units have no group") as caught:
        mask_transitions(panel, transitions(("A", 2011)), {"u": "A"})
    assert caught.value.where == ("v", "w")
    with pytest.raises(cs.SpecError, match=r"none of the transitions is in the panel"):
        mask_transitions(panel, transitions(("A", 1911), ("C", 2011)), PLACES)
    with pytest.raises(cs.SpecError, match="not the year after"):
        mask_transitions(panel, transitions(("A", 2011)).assign(from_year=2009), PLACES)
    nothing = mask_transitions(panel, transitions(), PLACES)
    assert_frame_equal(nothing.frame, panel.frame)
