"""Tables put on a panel: who finds a partner, what a miss means, and years nobody measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.display.heatmap import NOBODY, coverage_figure
from churnstats.panel.isolation import isolation_table
from churnstats.panel.joins import (
    Join,
    coverage_by_year,
    join_outcomes,
    join_panel,
    match_table,
)
from record_tables import assert_shows, panel, table, text_columns

KEYS = ["unit_id", "school_year_end"]
HEADS = """
    unit_id  leader_id  start  stop  left_censored
    1        a          2010   2012  yes
    1        b          2012   2014  no
    2        c          2010   2013  yes
    3        d          2011   2013  yes
"""
SCORES = """
    unit_id  school_year_end  math
    1        2010             0.1
    1        2011             0.2
    1        2013             0.4
    2        2010             0.5
    2        2014             0.9
    4        2010             0.7
"""
UNITS = """
    unit_id  level     parent_id
    1        district  -
    2        district  -
    11       school    1
    12       school    1
    13       school    -
"""
MOVED = pd.DataFrame(
    {"unit_id": "12", "school_year_end": [2012], "change": "new_parent", "successor_id": "2"}
)


def heads() -> cs.Panel:
    return panel(HEADS)


def frame(text: str) -> pd.DataFrame:
    return text_columns(table(text), "unit_id", "parent_id")


def scores(**choices: Any) -> Join:
    return Join(frame(SCORES), name="scores", **choices)


# ---------------------------------------------------------------- one row a unit-year


def test_a_unit_year_without_a_row_stays_and_nothing_is_filled() -> None:
    made = join_panel(heads(), scores())
    assert_shows(made.frame, """
        unit_id  school_year_end  leader_id  math
        1        2010             a          0.1
        1        2011             a          0.2
        1        2012             b          -
        1        2013             b          0.4
        2        2010             c          0.5
        2        2011             c          -
        2        2012             c          -
        3        2011             d          -
        3        2012             d          -
    """)  # fmt: skip
    assert_frame_equal(made.frame.drop(columns="math"), heads().frame)
    assert_frame_equal(made.events, heads().events)


def test_both_sides_are_counted_with_reasons_that_add_up() -> None:
    assert_frame_equal(
        match_table(heads(), scores()),
        pd.DataFrame(
            [
                ("panel", "matched", 4),
                ("panel", "of units that are not in the table", 2),
                ("panel", "in years that the table lacks for them", 3),
                ("table", "matched", 4),
                ("table", "of units that are not in the panel", 1),
                ("table", "in years that the panel lacks for them", 1),
            ],
            columns=["side", "reason", "n"],
        ).assign(join="scores")[["join", "side", "reason", "n"]],
    )
    steps = join_panel(heads(), scores()).ledger.steps[len(heads().ledger.steps) :]
    assert [(s.name, s.unit, s.n_in, s.n_out, sum(s.lost.values())) for s in steps] == [
        ("one for each unit-year", "look-ups in scores", 9, 9, 0),
        ("found", "look-ups in scores", 9, 4, 5),
        ("used", "rows of scores", 6, 4, 2),
    ]


def test_a_miss_may_be_left_out_with_the_changes_in_it() -> None:
    made = join_panel(heads(), scores(missing="drop"))
    assert_shows(made.frame, """
        unit_id  school_year_end  math
        1        2010             0.1
        1        2011             0.2
        1        2013             0.4
        2        2010             0.5
    """)  # fmt: skip
    kept = made.frame[KEYS].to_numpy().tolist()
    assert made.exposure[KEYS].to_numpy().tolist() == kept
    assert len(heads().events) == 1
    assert len(made.events) == 0, "the change of unit 1 is in 2012, which was left out"
    flow = made.flow()
    lost = flow[flow["n_lost"] > 0][["unit", "n_in", "reason", "n_lost", "n_out"]]
    assert lost.to_numpy().tolist() == [
        ["unit-years", 9, "of units that are not in the table", 2, 4],
        ["unit-years", 9, "in years that the table lacks for them", 3, 4],
        ["rows of scores", 6, "of units that are not in the panel", 1, 4],
        ["rows of scores", 6, "in years that the panel lacks for them", 1, 4],
        ["changes", 1, "in unit-years that were left out", 1, 0],
    ]
    # What is left out is not under observation: unit 1 has no window across 2012.
    assert_shows(isolation_table(made, [(0, 0), (1, 0)]), """
        n_changes  n_stayer_windows
        0          4
        0          1
    """)  # fmt: skip


def test_a_miss_may_be_a_fault_that_lists_the_unit_years() -> None:
    with pytest.raises(cs.DataError, match=r"no_match.*scores.*\(5 rows\)") as caught:
        join_panel(heads(), scores(missing="fault"))
    assert "unit_id=1, school_year_end=2012" in str(caught.value)
    whole = Join(heads().frame[["unit_id", "school_year_end"]].assign(x=1), missing="fault")
    assert join_panel(heads(), whole).frame["x"].tolist() == [1] * 9


def test_rows_with_one_key_are_a_fault_that_lists_them() -> None:
    twice = pd.concat([frame(SCORES), frame(SCORES).iloc[[1]].assign(math=0.3)])
    with pytest.raises(cs.DataError) as caught:
        join_panel(heads(), Join(twice, name="scores"))
    (fault,) = caught.value.faults
    assert (fault.rule, fault.n_rows, fault.numbers.tolist()) == ("duplicate_key", 2, [2, 7])


def test_keys_are_as_those_of_the_panel() -> None:
    as_text = frame(SCORES).assign(
        school_year_end=lambda f: f["school_year_end"].map("{:g}".format)
    )
    assert_frame_equal(
        join_panel(heads(), Join(as_text, name="scores")).frame, join_panel(heads(), scores()).frame
    )
    wrong = frame(SCORES).assign(
        unit_id=lambda f: f["unit_id"].astype(int),
        school_year_end=["2010", "2011", "x", "2010", "2014", None],
    )
    with pytest.raises(cs.DataError) as caught:
        join_panel(heads(), Join(wrong, name="scores"))
    assert [(f.rule, f.n_rows) for f in caught.value.faults] == [
        ("not_text", 6),
        ("not_a_number", 1),
    ]


def test_rows_without_their_keys_find_no_partner_and_are_counted() -> None:
    holes = frame(SCORES)
    holes.loc[[0, 4], "unit_id"] = None
    holes.loc[1, "school_year_end"] = np.nan
    assert_shows(match_table(heads(), Join(holes, name="scores")).query("side == 'table'"), """
        n
        2
        3
        1
    """)  # fmt: skip
    made = match_table(heads(), Join(holes, name="scores"))
    assert made["reason"].tolist()[4] == "without unit_id or school_year_end"
    assert join_panel(heads(), Join(holes)).frame["math"].notna().tolist() == [
        False, False, False, True, True, *[False] * 4
    ]  # fmt: skip


def test_counts_are_those_of_a_dictionary() -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        all_keys = [(str(u), y) for u in range(1, 6) for y in range(2009, 2015)]
        keys = [all_keys[i] for i in rng.permutation(len(all_keys))[: rng.integers(1, 20)]]
        values = {key: float(i) for i, key in enumerate(keys)}
        rows = pd.DataFrame([(*key, v) for key, v in values.items()], columns=[*KEYS, "x"])
        made = join_panel(heads(), Join(rows, name="t"))
        asked = list(zip(made.frame["unit_id"], made.frame["school_year_end"], strict=True))
        want = np.array([values.get(key, np.nan) for key in asked])
        np.testing.assert_array_equal(made.frame["x"], want)
        counts = match_table(heads(), Join(rows, name="t"))
        assert counts.groupby("side")["n"].sum().to_dict() == {"panel": 9, "table": len(keys)}
        units = {unit for unit, _ in keys}
        told = counts.set_index(["side", "reason"])["n"].to_dict()
        assert told["panel", "matched"] == told["table", "matched"] == np.isfinite(want).sum()
        strangers = sum(unit not in units for unit, _ in asked)
        assert told.get(("panel", "of units that are not in the table"), 0) == strangers
        unknown = sum(unit not in ("1", "2", "3") for unit, _ in keys)
        assert told.get(("table", "of units that are not in the panel"), 0) == unknown


# ---------------------------------------------------------------- many unit-years a row


def test_what_units_are_and_what_their_state_does_in_a_year() -> None:
    states = pd.DataFrame({"unit_id": ["1", "2", "9"], "state": ["KS", "MO", "MO"], "rural": True})
    first = Join(states, on=("unit_id",), relation="m:1", name="states")
    laws = pd.DataFrame({"state": ["KS", "KS", "IN"], "school_year_end": [2011, 2012, 2011]})
    second = Join(
        laws.assign(law=[1, 2, 3]), on=("state", "school_year_end"), relation="m:1", name="laws"
    )
    made = join_panel(join_panel(heads(), first), second)
    assert_shows(made.frame, """
        unit_id  school_year_end  state  rural  law
        1        2010             KS     yes    -
        1        2011             KS     yes    1
        1        2012             KS     yes    2
        1        2013             KS     yes    -
        2        2010             MO     yes    -
        2        2011             MO     yes    -
        2        2012             MO     yes    -
        3        2011             -      -      -
        3        2012             -      -      -
    """)  # fmt: skip
    counts = match_table(join_panel(heads(), first), second)
    assert counts[["side", "reason", "n"]].to_numpy().tolist() == [
        ["panel", "matched", 2],
        ["panel", "without state or school_year_end", 2],
        ["panel", "whose state is not in the table", 3],
        ["panel", "with keys that the table does not have together", 2],
        ["table", "matched", 2],
        ["table", "whose state is not in the panel", 1],
    ]
    one = Join(states, on=("unit_id",), name="states")
    with pytest.raises(cs.SpecError, match="several unit-years have the same unit_id"):
        join_panel(heads(), one)


def test_a_table_of_districts_reaches_schools_by_where_they_belong_in_each_year() -> None:
    schools = panel("""
        unit_id  leader_id  start  stop
        11       p          2010   2013
        12       q          2010   2014
        13       r          2010   2012
    """)
    units = cs.Units.from_frame(frame(UNITS), MOVED)
    districts = panel("""
        unit_id  leader_id  start  stop
        1        a          2010   2013
        2        b          2012   2013
        5        c          2010   2011
    """)
    declared = Join(
        districts.frame,
        relation="m:1",
        columns={"leader_id": "superintendent_id"},
        through=units,
        name="superintendents",
    )
    made = join_panel(schools, declared)
    assert_shows(made.frame, """
        unit_id  school_year_end  leader_id  superintendent_id  parent_id
        11       2010             p          a                  1
        11       2011             p          a                  1
        11       2012             p          a                  1
        12       2010             q          a                  1
        12       2011             q          a                  1
        12       2012             q          b                  2
        12       2013             q          -                  2
        13       2010             r          -                  -
        13       2011             r          -                  -
    """)  # fmt: skip
    counts = match_table(schools, declared)
    assert counts[["side", "reason", "n"]].to_numpy().tolist() == [
        ["panel", "matched", 6],
        ["panel", "of units without a known parent in that year", 2],
        ["panel", "in years that the table lacks for their parent", 1],
        ["table", "matched", 4],
        ["table", "of units that are no parents in the panel", 1],
    ]
    again = Join(
        districts.frame, relation="m:1", columns={"spell_id": "district_spell_id"}, through=units,
        name="spells of districts",
    )  # fmt: skip
    twice = join_panel(made, again).frame
    assert (
        twice["district_spell_id"].isna().tolist()
        == made.frame["superintendent_id"].isna().tolist()
    )
    stayed = cs.Units.from_frame(frame(UNITS))
    other = Join(districts.frame, relation="m:1", columns=[], through=stayed, name="x")
    with pytest.raises(cs.SpecError, match="another column 'parent_id'"):
        join_panel(made, other)


def test_units_and_outcomes_are_tables_too() -> None:
    units = cs.Units.from_frame(frame(UNITS))
    kind = Join(units, on=("unit_id",), relation="m:1", columns=["level"], name="units")
    assert join_panel(heads(), kind).frame["level"].tolist() == ["district"] * 7 + [np.nan] * 2
    long = pd.concat(
        [
            frame(SCORES)
            .rename(columns={"math": "estimate"})
            .assign(measure="math", std_error=0.1),
            frame(SCORES).rename(columns={"math": "estimate"}).iloc[:2].assign(measure="ela"),
        ]
    )
    outcomes = cs.Outcomes.from_frame(long[long["unit_id"] != "4"])
    tenures = cs.Tenures.from_spells(text_columns(table(HEADS), "unit_id"), role="head")
    declared = join_panel(cs.Panel.build(tenures), Join(outcomes, name="scores"))
    built = cs.Panel.build(tenures, outcomes)
    assert declared.measures == built.measures == ("ela", "math")
    assert_frame_equal(declared.frame, built.frame)
    again = join_outcomes(cs.Panel.build(tenures), outcomes, "error")
    assert_frame_equal(again.frame, built.frame)
    assert again.ledger == built.ledger
    clash = long[long["measure"] == "math"]
    clash = pd.concat([clash, clash.assign(measure="math_n_obs")])
    with pytest.raises(cs.SpecError, match="two columns of one name"):
        join_outcomes(cs.Panel.build(tenures), cs.Outcomes.from_frame(clash), "drop")


def test_outcomes_of_unknown_units_are_a_fault_or_counted() -> None:
    outcomes = cs.Outcomes.from_frame(frame(SCORES), columns={"estimate": "math"}, measure="math")
    with pytest.raises(cs.DataError, match=r"units have no tenure record \(1 row\)"):
        join_outcomes(heads(), outcomes, "error")
    kept = join_outcomes(heads(), outcomes, "drop")
    last = kept.ledger.steps[-1]
    assert (last.n_in, last.n_out) == (6, 4)
    assert dict(last.lost) == {
        "of units without a tenure record": 1,
        "in years in which no tenure of the unit is observed": 1,
    }
    with pytest.raises(cs.SpecError, match="'keep' is no rule"):
        join_outcomes(heads(), outcomes, "keep")  # type: ignore[arg-type]


def test_a_file_is_read_before_it_is_joined() -> None:
    with pytest.raises(cs.SpecError, match="columns have no types"):
        join_panel(heads(), Join("scores.csv", name="scores"))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"on": "unit_id"}, "a list of different columns"),
        ({"on": ()}, "a list of different columns"),
        ({"relation": "1:m"}, "'1:1' or 'm:1'"),
        ({"missing": "fill"}, "'keep', 'fault' or 'drop'"),
        ({"columns": "math"}, "a list of columns"),
        ({"through": cs.Units.from_frame(frame(UNITS))}, "many units have one parent"),
    ],
)
def test_joins_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(cs.SpecError, match=words):
        scores(**choices)


def test_columns_must_be_there_and_have_names_of_their_own() -> None:
    with pytest.raises(cs.SpecError, match="'scores' lacks columns"):
        join_panel(heads(), scores(columns=["ela"]))
    with pytest.raises(cs.SpecError, match="the table lacks columns"):
        join_panel(heads(), Join(frame(SCORES).drop(columns="unit_id")))
    with pytest.raises(cs.SpecError, match="the panel lacks columns"):
        join_panel(heads(), scores(on=("math",)))
    with pytest.raises(cs.SpecError, match="two columns of one name"):
        join_panel(heads(), scores(columns={"math": "leader_id"}))
    with pytest.raises(cs.SpecError, match="joined already"):
        join_panel(join_panel(heads(), scores()), scores(columns={"math": "again"}))


# ---------------------------------------------------------------- years that nobody measured


def measured() -> cs.Panel:
    rows = panel("""
        unit_id  leader_id  start  stop
        1        a          2018   2024
        2        c          2018   2023
    """)
    took = {("1", 2019): 1.0, ("2", 2019): 2.0, ("1", 2022): 3.0, ("2", 2022): np.inf}
    made = pd.DataFrame([(*key, v) for key, v in took.items()], columns=[*KEYS, "math"])
    return join_panel(rows, Join(made.assign(never=np.nan), name="tests"))


def test_years_without_tests_stay_missing_and_are_shown() -> None:
    made = measured()
    years = made.frame["school_year_end"]
    assert made.frame.loc[years.isin([2020, 2021]), "math"].isna().all()
    assert_shows(coverage_by_year(made, ["math"]), """
        measure  school_year_end  n_unit_years  n_with_outcome  coverage_share  status
        math     2018             2             0               0               outside
        math     2019             2             2               1               measured
        math     2020             2             0               0               gap
        math     2021             2             0               0               gap
        math     2022             2             1               1/2             measured
        math     2023             1             0               0               outside
    """)  # fmt: skip
    assert (coverage_by_year(made, ["never"])["status"] == "outside").all()


def test_a_year_without_unit_years_has_no_share() -> None:
    gap = panel("""
        leader_id  start  stop  right_censored  left_censored
        a          2018   2019  yes             no
        b          2020   2021  no              yes
    """)
    made = coverage_by_year(gap, ["exposure_share"])
    assert made["coverage_share"].tolist()[::2] == [1.0, 1.0]
    assert np.isnan(made["coverage_share"][1])
    assert made["status"].tolist() == ["measured", "gap", "measured"]


def test_coverage_is_asked_for_columns_of_the_panel() -> None:
    for measures, words in ((None, "no measures"), ("math", "no measures"), (["x"], "lacks")):
        with pytest.raises(cs.SpecError, match=words):
            coverage_by_year(heads(), measures)


def test_the_picture_of_coverage_frames_the_years_that_nobody_measured() -> None:
    figure = coverage_figure(coverage_by_year(measured(), ["math"]), "Tests")
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["2019", "2020", "2021", "2022"]
    assert [t.get_text() for t in ax.texts] == ["100", "0", "0", "50"]
    framed = [p.get_x() for p in ax.patches if p.get_linewidth() < 3]
    assert framed == [2020 - 0.43, 2021 - 0.43]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [f"{NOBODY} (2)"]


def test_masked_transitions_of_unit_years_that_are_left_out_go_with_them() -> None:
    masked = pd.DataFrame({"unit_id": ["1", "3"], "school_year_end": [2011, 2012]})
    made = join_panel(replace(heads(), masked=masked), scores(missing="drop"))
    assert made.masked is not None
    assert made.masked.to_numpy().tolist() == [["1", 2011]]
    assert isolation_table(made, [(1, 0)])["n_stayer_windows"].tolist() == [0]


def test_a_panel_joins_several_tables_and_keeps_what_matched() -> None:
    rural = Join(
        pd.DataFrame({"unit_id": ["1"], "rural": [True]}),
        on=("unit_id",), relation="m:1", name="districts",
    )  # fmt: skip
    made = heads().join(scores(), rural)
    want = [match_table(heads(), scores()), match_table(heads(), rural)]
    assert_frame_equal(made.matches, pd.concat(want, ignore_index=True))
    assert made.matches.groupby(["join", "side"])["n"].sum().tolist() == [9, 1, 9, 6]
    assert heads().matches is None


def test_outcomes_of_a_panel_are_matched_too() -> None:
    outcomes = cs.Outcomes.from_frame(frame(SCORES), columns={"estimate": "math"}, measure="math")
    made = join_outcomes(heads(), outcomes, "drop").matches
    assert made["join"].unique().tolist() == ["outcomes"]
    assert made["n"].tolist() == [4, 2, 3, 4, 1, 1]
