"""Turnover of yearly rosters against a count by hand, and transitions set to unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.core.provenance import frame_sha256
from churnstats.panel.turnover import Dating, mask_transitions, turnover_by_group
from record_draws import rosters
from record_tables import assert_shows, table, text_columns
from support import DRAWS

NAMES = {"unit_id": "unit", "leader_id": "leader", "school_year_end": "year"}
GROUPED = {**NAMES, "group_id": "group"}
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
    """Return units seen in the year, known in both, and changed, by group and year."""
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
                if GROUPS[unit] == group and (unit, year) in seen:
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
    made = turnover_by_group(frame, columns=GROUPED, dating=dating)
    assert frame_sha256(frame) == before
    want = by_hand(frame, dating)
    assert list(zip(made["group"], made["school_year_end"], strict=True)) == list(want)
    for row, (seen, both, changed) in zip(made.itertuples(), want.values(), strict=True):
        assert (row.n_units, row.n_changed) == (both, changed)
        assert np.isclose(row.turnover_share, changed / both if both else np.nan, equal_nan=True)
        assert np.isclose(row.coverage_share, both / seen if seen else np.nan, equal_nan=True)


@given(rows())
@DRAWS
def test_lead_is_lag_a_year_earlier_and_labels_and_order_say_nothing(frame: pd.DataFrame) -> None:
    lag, lead = (
        turnover_by_group(frame, columns=GROUPED, dating=dating).dropna()
        for dating in ("lag", "lead")
    )
    moved = lead.assign(school_year_end=lead["school_year_end"] + 1)
    counts = [c for c in lag.columns if c != "coverage_share"]
    assert_frame_equal(lag[counts].reset_index(drop=True), moved[counts].reset_index(drop=True))
    other = frame.iloc[::-1].assign(
        unit=frame["unit"].map({"01": "9", "1": "7", "2": "x", "3": "05"}),
        leader="Dr " + frame["leader"],
    )
    again = turnover_by_group(other, columns=GROUPED).dropna()
    assert_frame_equal(lag.reset_index(drop=True), again.reset_index(drop=True))


@given(rosters())
@DRAWS
def test_where_no_cell_has_two_holders_it_is_the_turnover_of_the_panel(frame: pd.DataFrame) -> None:
    panel = cs.Panel.build(cs.Tenures.from_roster(frame), role="head")
    named = frame[frame["leader_id"].notna()]
    places = {"01": "A", "2": "B"}
    for dating in get_args(Dating):
        of_panel = turnover_by_group(panel, groups=places, dating=dating)
        made = turnover_by_group(named, role="head", groups=places, dating=dating)
        assert_frame_equal(made, of_panel)


def shown(text: str, dating: Dating = "lag", columns: dict[str, str] = NAMES) -> pd.DataFrame:
    frame = text_columns(table(text), "unit")
    return turnover_by_group(frame, columns=columns, dating=dating)


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
        group  school_year_end  n_units  n_changed  turnover_share  coverage_share
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
        school_year_end  n_units  n_changed  turnover_share  coverage_share
        2010  0        0          -               0
        2011  1        1          1               1/2
        2012  0        0          -               -
        2013  0        0          -               0
        2014  1        0          0               1
    """)  # fmt: skip
    assert made["n_units"].dtype == made["school_year_end"].dtype == np.dtype("int64")


def test_a_unit_that_moves_counts_in_the_group_that_it_has_in_the_year() -> None:
    text = """
        unit  year  leader  group
        1     2010  a       X
        1     2011  b       Y
        2     2010  c       X
        2     2011  c       X
    """
    assert_shows(shown(text, columns=GROUPED), """
        group  school_year_end  n_units  n_changed
        X      2010             0        0
        X      2011             1        0
        Y      2011             1        1
    """)  # fmt: skip
    assert_shows(shown(text, "lead", GROUPED), """
        group  school_year_end  n_units  n_changed
        X      2010             2        1
        X      2011             0        0
        Y      2011             0        0
    """)  # fmt: skip


def test_a_vacant_post_is_seen_and_a_role_can_be_chosen() -> None:
    frame = table("""
        unit_id  role  school_year_end  leader_id  vacant
        u        head  2010             a          no
        u        head  2011             a          yes
        v        head  2010             c          no
        v        head  2011             c          no
        v        aide  2010             d          no
        v        aide  2011             e          no
    """)
    made = turnover_by_group(frame, role="head").iloc[-1]
    assert (made["n_units"], made["n_changed"], made["coverage_share"]) == (1, 0, 0.5)
    assert turnover_by_group(frame, role="aide")["n_changed"].tolist() == [0, 1]
    with pytest.raises(cs.SpecError, match="several roles"):
        turnover_by_group(frame)
    with pytest.raises(cs.SpecError, match="no row has the role 'chief'"):
        turnover_by_group(frame, role="chief")
    with pytest.raises(cs.SpecError, match="the panel's role is 'head'"):
        turnover_by_group(small_panel(), role="aide")


def test_ids_keep_their_zeros_and_any_frame_will_do() -> None:
    frame = pd.DataFrame({
        "unit": ["01", "1", "01", "1"], "year": [2010, 2010, 2011, 2011],
        "leader": ["a", "b", "a", "c"], "state": pd.Categorical(["KS"] * 4),
    })  # fmt: skip
    names = {**NAMES, "group_id": "state"}
    made = turnover_by_group(frame, columns=names)
    assert made["n_changed"].tolist() == [0, 1]
    text = frame.astype({"state": "str", "year": "str"})
    assert_frame_equal(turnover_by_group(pl.DataFrame(text), columns=names), made)
    places = {"01": "KS", "1": "KS"}
    assert_frame_equal(turnover_by_group(frame, columns=NAMES, groups=places), made)
    with pytest.raises(cs.SpecError, match="units have no group"):
        turnover_by_group(frame, columns=NAMES, groups={"01": "KS"})


GOOD = pd.DataFrame(
    {"unit": ["1", "1"], "year": [2010, 2011], "leader": ["a", "b"], "group": ["X", "X"]}
)


@pytest.mark.parametrize(
    ("change", "rule", "row"),
    [
        ({"unit": ["1", None]}, "missing_value", 2),
        ({"year": [2010, None]}, "missing_value", 2),
        ({"group": ["X", " "]}, "missing_value", 2),
        ({"year": ["2010", "soon"]}, "not_a_year", 2),
        ({"year": [2010, 2010.5]}, "not_a_year", 2),
        ({"leader": [1.0, np.nan]}, "not_a_string", 1),
        ({"year": [2010, 2010], "group": ["X", "Y"]}, "two_groups", 2),
    ],
)
def test_cells_that_cannot_be_used_are_faults(change: dict[str, Any], rule: str, row: int) -> None:
    with pytest.raises(cs.DataError) as caught:
        turnover_by_group(GOOD.assign(**change), columns=GROUPED)
    assert [fault.rule for fault in caught.value.faults] == [rule]
    assert f"row {row}" in str(caught.value)


def test_columns_and_datings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(cs.DataError, match="no column leaid, state"):
        turnover_by_group(GOOD, columns={**NAMES, "unit_id": "leaid", "group_id": "state"})
    with pytest.raises(cs.DataError, match="no rows"):
        turnover_by_group(GOOD.iloc[:0], columns=NAMES)
    with pytest.raises(cs.SpecError, match="'lag' or 'lead'"):
        turnover_by_group(GOOD, columns=NAMES, dating="Bartanen")  # type: ignore[arg-type]


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


def test_the_groups_of_a_panel_are_those_of_its_spells_unless_told() -> None:
    panel = small_panel()
    assert set(turnover_by_group(panel)["group"]) == {"all"}
    named = replace(panel, spells=panel.spells.assign(group_id=panel.spells["unit_id"].map(PLACES)))
    assert_frame_equal(turnover_by_group(named), turnover_by_group(panel, groups=PLACES))
    made = mask_transitions(named, transitions(("B", 2012)))
    assert made.ledger.steps[-1].lost == {"stale": 1}
    moved = replace(panel, spells=panel.spells.assign(group_id=list("ABBBBB")))
    with pytest.raises(cs.SpecError, match="several groups in the course of time"):
        turnover_by_group(moved)
    some = replace(
        panel, spells=named.spells.assign(group_id=named.spells["group_id"].replace("B", None))
    )
    with pytest.raises(cs.SpecError, match="units have no group"):
        turnover_by_group(some)


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
    assert_shows(made.events, """
        unit_id  school_year_end  is_date_known  vacancy_years
        u        2011             no             -
        v        2012             yes            0
        w        2012             yes            0
    """)  # fmt: skip
    assert panel.events["is_date_known"].all()
    again = mask_transitions(made, wanted.iloc[2:], PLACES)
    assert_frame_equal(again.frame, both.frame)
    assert again.ledger.steps[-1].lost == {"rebound": 2}
    assert turnover_by_group(again).set_index("school_year_end")["n_units"][2012] == 1


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
    nothing = mask_transitions(panel, transitions())
    assert_frame_equal(nothing.frame, panel.frame)
