"""First changes of a panel, and frames with a cohort: worked by hand."""

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError, SpecError
from churnstats.designs.absorbing import Absorbing, cohort_rows
from churnstats.designs.ask import Ask


def spell(unit: str, leader: str, start: float, stop: float, **marks: bool) -> dict:
    return {"unit_id": unit, "leader_id": leader, "start": start, "stop": stop} | {
        "left_censored": marks.get("left", False),
        "right_censored": marks.get("right", False),
    }


SPELLS = [
    # one change, in 2013, and two more
    spell("changes", "a", 2010, 2013, left=True),
    spell("changes", "b", 2013, 2014.5),
    spell("changes", "c", 2014.5, 2015),
    spell("changes", "d", 2015, 2016, right=True),
    # none
    spell("stays", "e", 2010, 2016, left=True, right=True),
    # the first in the panel's first year
    spell("at once", "f", 2010, 2010.25, left=True),
    spell("at once", "g", 2010.25, 2016, right=True),
    # a first leader who is known to start in the first year
    spell("founded", "h", 2010, 2012),
    spell("founded", "i", 2012, 2016, right=True),
    # seen later than the others
    spell("late", "j", 2011, 2013, left=True),
    spell("late", "k", 2013, 2016, right=True),
    # nobody looked in 2012 and 2013, and found another leader
    spell("gap", "l", 2010, 2012, left=True, right=True),
    spell("gap", "m", 2014, 2016, left=True, right=True),
    # a change, then a gap
    spell("both", "n", 2010, 2011, left=True),
    spell("both", "o", 2011, 2013, right=True),
    spell("both", "p", 2014, 2016, left=True, right=True),
    # the successor was found in post, right after the predecessor was seen last
    spell("undated", "q", 2010, 2012, left=True, right=True),
    spell("undated", "r", 2012, 2016, left=True, right=True),
    # seen in the first year only
    spell("once", "s", 2010, 2011, left=True, right=True),
    # the post is empty for a year before the successor starts
    spell("vacant", "t", 2010, 2012, left=True),
    spell("vacant", "u", 2013, 2016, right=True),
]


@pytest.fixture(scope="module")
def data() -> Absorbing:
    tenures = cs.Tenures.from_spells(pd.DataFrame(SPELLS), role="principal")
    return Absorbing.first_change(cs.Panel.build(tenures))


def test_each_unit_has_its_fate(data: Absorbing) -> None:
    fates = data.fates.set_index("unit_id")
    assert fates["fate"].to_dict() == {
        "at once": "first change in the first observed year",
        "both": "treated",
        "changes": "treated",
        "founded": "first change in the first observed year",
        "gap": "never treated",
        "late": "not under observation in the first year",
        "once": "first transition not known",
        "stays": "never treated",
        "undated": "date of the first change not known",
        "vacant": "treated",
    }
    cohorts = fates["cohort"].dropna().astype(int).to_dict()
    assert cohorts == {"both": 2011, "changes": 2013, "vacant": 2013}


def test_later_changes_are_counted(data: Absorbing) -> None:
    later = data.fates.set_index("unit_id")["n_later_changes"]
    assert later[later > 0].to_dict() == {"changes": 2}


def test_rows_after_a_gap_are_cut_off(data: Absorbing) -> None:
    years = data.frame.groupby("unit_id")["school_year_end"].agg(list)
    assert years.to_dict() == {
        "both": [2010, 2011, 2012],
        "changes": [2010, 2011, 2012, 2013, 2014, 2015],
        "gap": [2010, 2011],
        "stays": [2010, 2011, 2012, 2013, 2014, 2015],
        "vacant": [2010, 2011, 2012, 2013, 2014, 2015],
    }
    assert data.frame.columns[:3].tolist() == ["unit_id", "school_year_end", "cohort"]
    assert data.frame["cohort"].dtype == "Int64"


def test_the_ledger_counts_units_and_rows(data: Absorbing) -> None:
    units, rows = data.ledger.steps[-2:]
    assert (units.n_in, units.n_out) == (10, 5)
    assert units.lost == {
        "not under observation in the first year": 1,
        "first change in the first observed year": 2,
        "first transition not known": 1,
        "date of the first change not known": 1,
    }
    # at once 6, founded 6, late 5, once 1, undated 6; two rows each of gap and both
    assert (rows.n_in, rows.n_out) == (51, 23)
    assert rows.lost == {"of units left out": 24, "after a gap in observation": 4}


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school": ["02", "01", "01", "02"],
            "year": [2019, 2019, 2018, 2018],
            "first": [0, 2019, 2019, 0],
            "y": [1.0, 2.0, np.nan, 4.0],
        },
        index=[7, 5, 3, 1],
    )


NAMES = {"unit": "school", "time": "year", "cohort": "first"}


def test_frames_are_sorted_and_zero_is_never() -> None:
    given = frame()
    made = Absorbing.from_frame(given, **NAMES)
    pd.testing.assert_frame_equal(given, frame())
    assert made.frame["unit_id"].tolist() == ["01", "01", "02", "02"]
    assert made.frame["school_year_end"].tolist() == [2018, 2019, 2018, 2019]
    assert made.frame["cohort"].fillna(-1).tolist() == [2019, 2019, -1, -1]
    assert made.fates["fate"].tolist() == ["treated", "never treated"]
    missing = given.assign(first=given["first"].replace(0, np.nan))
    other = Absorbing.from_frame(missing, **NAMES, never=None)
    pd.testing.assert_frame_equal(other.frame, made.frame)


def test_all_faults_are_raised_at_once() -> None:
    bad = pd.concat([frame(), frame().iloc[:1]])
    bad["first"] = [2019.5, 2019, 2018, np.nan, 0]
    with pytest.raises(DataError) as caught:
        Absorbing.from_frame(bad, **NAMES)
    assert {f.rule: f.n_rows for f in caught.value.faults} == {
        "missing": 1,
        "not_whole": 1,
        "duplicate": 2,
        "cohort_varies": 4,
    }
    with pytest.raises(SpecError, match="no such columns"):
        Absorbing.from_frame(frame(), unit="school", time="year", cohort="start")
    with pytest.raises(SpecError, match="three columns"):
        Absorbing.from_frame(frame(), unit="school", time="year", cohort="year")
    with pytest.raises(SpecError, match="these names are needed"):
        Absorbing.from_frame(frame().assign(cohort=1), **NAMES)


def test_complete_rows_are_arrays_in_order() -> None:
    made = Absorbing.from_frame(frame().assign(x=[1, 2, 3, 4], d="a"), **NAMES)
    rows = cohort_rows(made, Ask("y", "x", ("d^school_year_end",), None, ("unit_id", "d")))
    assert rows.y.tolist() == [2.0, 4.0, 1.0]
    assert rows.unit.tolist() == [0, 1, 1]
    assert rows.year.tolist() == [2019, 2018, 2019]
    np.testing.assert_array_equal(rows.cohort, [2019, np.nan, np.nan])
    assert (rows.x[:, 0].tolist(), rows.x_names) == ([2.0, 4.0, 1.0], ("x",))
    assert rows.effects["d^school_year_end"].tolist() == [1, 0, 1]
    assert set(rows.clusters) == {"unit_id", "d"}
    assert rows.rows.tolist() == [1, 2, 3]
    assert rows.ledger.steps[-1].lost == {"without y": 1}


def test_other_data_are_refused_with_what_to_give() -> None:
    panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    with pytest.raises(SpecError, match="first_change"):
        cohort_rows(panel, Ask("y"))
