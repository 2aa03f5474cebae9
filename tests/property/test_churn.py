"""What must hold of measures of churn for any records."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from churn_loops import ChurnByLoops
from churnstats.panel.churn import churn_measures, leading, standardised, trailing
from record_draws import spell_frames
from support import DRAWS

ROLE = {"01": "superintendent", "1": "principal", "B": "director_1"}
FEW = settings(DRAWS, max_examples=10)
UNITS = cs.Units.from_frame(
    pd.DataFrame(
        {
            "unit_id": ["D", "E", "01", "1", "B", "far", "farther"],
            "level": ["district", "district", None, "school", "school", "school", "school"],
            "parent_id": [None, None, "D", "D", "D", "E", "E"],
        }
    ),
    pd.DataFrame(
        {"unit_id": "B", "school_year_end": [2005], "change": "new_parent", "successor_id": "E"}
    ),
)


def measures(spells: pd.DataFrame, units: cs.Units = UNITS, window: int = 2) -> pd.DataFrame:
    roles = spells["unit_id"].map(ROLE).fillna("principal").astype("str")
    tenures = cs.Tenures.from_spells(spells.assign(role=roles))
    return churn_measures(tenures, units=units, window=window)


@given(spell_frames(), st.integers(0, 2**16))
@FEW
def test_the_order_of_rows_does_not_matter(spells: pd.DataFrame, seed: int) -> None:
    shuffled = spells.sample(frac=1, random_state=seed).reset_index(drop=True)
    assert_frame_equal(measures(spells), measures(shuffled))


@given(spell_frames(), spell_frames(units=("far", "farther")))
@FEW
def test_districts_elsewhere_change_nothing(spells: pd.DataFrame, more: pd.DataFrame) -> None:
    # the other spells are of leaders and schools of their own, in a district of their own
    apart = UNITS.frame.assign(parent_id=UNITS.frame["parent_id"].replace("E", "F"))
    apart = pd.concat([apart, pd.DataFrame({"unit_id": ["F"], "level": ["district"]})])
    units = cs.Units.from_frame(apart, UNITS.changes)
    both = pd.concat([spells, more.assign(leader_id=more["leader_id"] + "x")], ignore_index=True)
    with_them = measures(both, units)
    alone = measures(spells, units)
    # a family that nobody had before makes what is summed over all families unknown
    families = [c for c in alone.columns if c.startswith("multi_role")]
    kept = with_them[with_them["unit_id"].isin(alone["unit_id"])].reset_index(drop=True)
    expected = alone.drop(columns=families)
    assert_frame_equal(kept[list(expected.columns)], expected)


@given(spell_frames(), st.integers(-30, 30))
@FEW
def test_a_shift_by_whole_years_shifts_the_measures(spells: pd.DataFrame, years: int) -> None:
    times = {c: spells[c] + years for c in ("start", "stop", "entry")}
    moves = UNITS.changes.assign(school_year_end=UNITS.changes["school_year_end"] + years)
    shifted = measures(spells.assign(**times), cs.Units.from_frame(UNITS.frame, moves))
    shifted["school_year_end"] -= years
    assert_frame_equal(shifted, measures(spells))


@given(spell_frames(), st.integers(1, 4))
@DRAWS
def test_shares_lie_between_nothing_and_all(spells: pd.DataFrame, window: int) -> None:
    made = measures(spells, window=window)
    shares = made[[c for c in made.columns if c.endswith(("_share", "_rate"))]]
    shares = shares.drop(columns="cascade_excess_rate")
    assert ((shares >= 0) & (shares <= 1) | shares.isna()).all(axis=None)
    n_families = sum(c.endswith("_turnover_lag_share") for c in made.columns)
    assert (made["multi_role_churn_shares"].dropna() <= n_families * window).all()
    known = made["multi_role_churn_coverage_share"] == 1
    assert (made["multi_role_churn_shares"].notna() == known).all()


@given(spell_frames())
@DRAWS
def test_who_leaves_takes_what_there_was_and_at_most_a_year_more(spells: pd.DataFrame) -> None:
    made = measures(spells.assign(entry=spells["start"]))
    lost, n_left = made["experience_lost_years"], made["experience_n_left"]
    assert (lost.dropna() >= 0).all()
    assert ((lost > 0) == (n_left > 0))[lost.notna()].all()
    beyond = lost - made["experience_stock_years"] - n_left
    assert (beyond.dropna() <= 1e-9).all()


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=1, max_size=3),
    st.integers(1, 7),
)
@DRAWS
def test_windows_sum_what_lies_in_them(rows: list[list[int]], window: int) -> None:
    values = np.array(rows, dtype=float)
    for d, row in enumerate(rows):
        for t in range(5):
            assert trailing(values, window)[d, t] == sum(row[max(0, t - window + 1) : t + 1])
            assert leading(values, window)[d, t] == sum(row[t : t + window])
            outside = t - window + 1 < 0
            assert np.isnan(trailing(values, window, np.nan)[d, t]) == outside


@given(st.lists(st.integers(-9, 9), min_size=0, max_size=8), st.integers(-5, 5))
@DRAWS
def test_standardised_values_forget_origin_and_scale(values: list[int], shift: int) -> None:
    x = np.array([*values, np.nan], dtype=float)
    made = standardised(x)
    if len(set(values)) < 2:
        assert np.isnan(made).all()
    else:
        assert abs(np.nanmean(made)) < 1e-12
        assert abs(np.nanstd(made, ddof=1) - 1) < 1e-12
        np.testing.assert_allclose(standardised(3 * x + shift), made, atol=1e-9)


@given(
    spell_frames(),
    st.integers(1, 4),
    st.lists(st.sampled_from(["Head", "Lead", None]), min_size=15, max_size=15),
)
@DRAWS
def test_every_measure_is_what_loops_over_spells_count(
    spells: pd.DataFrame, window: int, titles: list[str | None]
) -> None:
    roles = spells["unit_id"].map(ROLE).astype("str")
    tenures = cs.Tenures.from_spells(spells.assign(role=roles, title=titles[: len(spells)]))
    made = churn_measures(tenures, units=UNITS, window=window)
    homes = {"01": "D", "1": "D"}
    loops = ChurnByLoops(
        tenures.frame,
        lambda unit, year: homes.get(unit, "D" if year < 2005 else "E"),
        lambda role: "cabinet" if role == "director_1" else role,
        window,
    )
    assert_frame_equal(made, loops.measures()[list(made.columns)], check_dtype=False)
