"""Hazards of leaving by year of tenure: by hand, against loops, and in a real roster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import churnstats as cs
from churnstats.diagnostics.hazards import MIN_SHOWN, tenure_hazards
from record_draws import spell_frames
from record_tables import assert_shows, spells
from support import DRAWS
from unbroken import stay_stop, unbroken

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
ROSTER = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
needs_rosters = pytest.mark.skipif(not ROSTER.exists(), reason="these rosters are not shipped")

SIX = """
    unit_id  leader_id  start  entry  stop  left_censored  right_censored
    1        a          2010   2010   2012  no             no
    1        b          2012   2012   2015  no             yes
    2        c          2007   2010   2011  no             no
    2        d          2011   2011   2012  no             no
    2        e          2012   2012   2015  no             yes
    3        f          2010   2010   2014  yes            no
    3        g          2014   2014   2015  no             yes
"""


def unwatched(tenures: cs.Tenures) -> cs.Tenures:
    """Return the tenures of which nobody knows how the last year of censored spells ended."""
    frame = tenures.frame.assign(stop_watched=~tenures.frame["right_censored"])
    return replace(tenures, frame=frame)


def test_hazards_by_hand() -> None:
    # Year 1: a, b, d, e are seen to its end and beyond, or leave (d); g is censored after one
    # year, and nobody saw whether it stayed. Year 2: a leaves, b and e go on. Year 3: nobody is
    # known, since b and e are censored. Year 4: c, who entered with three years behind, leaves.
    made = tenure_hazards(unwatched(spells(SIX)))
    assert_shows(made.frame, """
        tenure_year  n_at_risk  n_exits  hazard
        1            4          1        1/4
        2            3          1        1/3
        3            0          0        -
        4            1          1        1
    """)  # fmt: skip
    assert made.n_unknown_start == 1
    assert made.frame.loc[2:, ["std_error", "conf_low", "conf_high"]].isna().all(axis=None)


def test_who_is_watched_to_the_end_is_at_risk_then() -> None:
    # As above, but an exit at the end of observation would have been seen: g is at risk in year
    # 1, b and e in year 3.
    made = tenure_hazards(spells(SIX))
    assert_shows(made.frame, """
        tenure_year  n_at_risk  n_exits  hazard
        1            5          1        1/5
        2            3          1        1/3
        3            2          0        0
        4            1          1        1
    """)  # fmt: skip


def test_leaders_watched_until_a_day_keep_the_hazard_of_that_day_true() -> None:
    """A hundred begin together, twenty leave after four years, on the last day of observation."""
    frame = pd.DataFrame(
        {
            "unit_id": [str(i) for i in range(100)], "leader_id": [str(i) for i in range(100)],
            "start": "2020-07-01", "stop": ["2024-07-01"] * 20 + [None] * 80,
        }
    )  # fmt: skip
    tenures = cs.Tenures.from_spells(frame, role="head", observed_until="2024-07-01")
    last = tenure_hazards(tenures).frame.iloc[3]
    assert (last["n_at_risk"], last["n_exits"]) == (100, 20)
    assert last["hazard"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("start", "stop", "year"),
    [("2018-08-15", "2019-08-15", 1), ("2019-08-15", "2020-08-15", 1),
     ("2020-01-01", "2021-01-01", 1), ("2015-08-01", "2018-08-01", 3),
     ("2015-08-01", "2018-08-09", 4)],
)  # fmt: skip
def test_whole_years_from_day_to_day_are_whole_years(start: str, stop: str, year: int) -> None:
    frame = pd.DataFrame({"unit_id": ["1"], "leader_id": ["a"], "start": [start], "stop": [stop]})
    made = tenure_hazards(cs.Tenures.from_spells(frame, role="head")).frame
    assert made["n_exits"].tolist() == [0] * (year - 1) + [1]


def test_one_unit_has_the_error_of_a_binomial_share() -> None:
    """Greenwood's variance of a first step is h (1 - h) / n."""
    lengths = [1, 1, 2, 2, 2, 3, 3, 3]
    stop = 2000 + np.cumsum(lengths)
    frame = pd.DataFrame({"unit_id": "1", "leader_id": list("abcdefgh"), "start": stop - lengths,
                          "stop": stop, "left_censored": False})  # fmt: skip
    table = tenure_hazards(cs.Tenures.from_spells(frame, role="head")).frame
    assert table["hazard"].tolist() == pytest.approx([2 / 8, 3 / 6, 1])
    errors = [np.sqrt(2 / 8 * 6 / 8 / 8), np.sqrt(3 / 6 * 3 / 6 / 6)]
    assert table["std_error"].tolist()[:2] == pytest.approx(errors)
    stays = 3 / 4
    reach = np.exp(1.959964 * errors[0] / abs(stays * np.log(stays)))
    assert table["conf_low"][0] == pytest.approx(1 - stays ** (1 / reach), abs=1e-6)
    assert table["conf_high"][0] == pytest.approx(1 - stays**reach, abs=1e-6)


def people_of(frame: pd.DataFrame) -> list[tuple[float, float, bool]]:
    """Return for each stay whose start is known its entry, its length, and whether it ended."""
    return [
        (first.entry - first.start, stay_stop(stay) - first.start, not stay[-1].right_censored)
        for row, stay in unbroken(frame).items()
        if row == (first := stay[0]).Index and not first.left_censored
    ]


def by_loops(frame: pd.DataFrame) -> list[tuple[int, int, float]]:
    """Return for each year of tenure those at risk, those who left, and the hazard, by stays."""
    people = people_of(frame)
    found = []
    for year in range(1, 40):
        at_risk = [
            (exited and year - 1 < stop <= year) or stop > year or (exited and stop == year)
            for entry, stop, exited in people
            if entry < year
        ]
        left = [stop for _, stop, exited in people if exited and year - 1 < stop <= year]
        stays = 1.0
        for time in sorted(set(left)):
            risk = sum(e < time and (s > time or (s == time and x)) for e, s, x in people)
            stays *= 1 - left.count(time) / risk if risk else 1.0
        found.append((sum(at_risk), len(left), 1 - stays))
    return found


@given(spell_frames())
@DRAWS
def test_hazards_are_those_of_loops(frame: pd.DataFrame) -> None:
    if not any(exited for _, _, exited in people_of(frame)):
        return
    made = tenure_hazards(unwatched(cs.Tenures.from_spells(frame)), max_years=39).frame
    after_none_left = False
    for row, (n_at_risk, n_exits, hazard) in zip(made.itertuples(), by_loops(frame), strict=True):
        assert row.n_exits == n_exits
        assert row.n_at_risk == n_at_risk
        if after_none_left or not n_at_risk:
            assert np.isnan(row.hazard)
        else:
            assert row.hazard == pytest.approx(hazard, abs=1e-9)
        after_none_left |= hazard > 1 - 1e-12


def test_late_entry_and_units_matter_to_the_error() -> None:
    tenures = cs.datasets.load_mlb().tenures
    made = tenure_hazards(tenures)
    assert made.frame["n_exits"].sum() == 962
    assert made.frame["n_at_risk"][0] == 976
    first = made.survival.tidy().query("time <= 1").iloc[-1]
    assert made.frame["hazard"][0] == pytest.approx(1 - first["estimate"])
    assert made.frame["std_error"][0] == pytest.approx(first["std_error"])
    assert made.survival.choice.n_clusters == {"unit_id": 30}
    inside = made.frame[made.frame["conf_low"].notna()]
    assert inside["conf_low"].between(0, 1).all()
    assert inside["conf_high"].between(0, 1).all()
    assert (inside["conf_low"] <= inside["hazard"]).all()
    assert (inside["hazard"] <= inside["conf_high"]).all()


def test_summary_and_picture_leave_out_years_with_few_at_risk() -> None:
    made = tenure_hazards(cs.datasets.load_mlb().tenures)
    shown = int((made.frame["n_at_risk"] >= MIN_SHOWN).sum())
    assert shown == 16 < len(made.frame)
    lines = str(made).splitlines()
    assert len(lines) == shown + 5
    assert lines[2].split()[:4] == ["1", "976", "369", "0.375"]
    ax = made.plot().axes[0]
    ticks = [t.get_text() for t in ax.get_xticklabels()]
    assert ticks[0] == "1\n976"
    assert len(ticks) == shown
    assert ax.lines[0].get_ydata()[0] == pytest.approx(100 * made.frame["hazard"][0])


def test_years_and_roles_that_are_not_there_are_refused() -> None:
    with pytest.raises(cs.SpecError, match="0 is no year of tenure"):
        tenure_hazards(spells(SIX), max_years=0)
    with pytest.raises(cs.SpecError, match="no spell has the role 'chief'"):
        tenure_hazards(spells(SIX), "chief")
    longer = tenure_hazards(unwatched(spells(SIX)), max_years=6).frame
    assert longer["n_at_risk"].tolist() == [4, 3, 0, 1, 0, 0]
    assert len(tenure_hazards(spells(SIX), max_years=2).frame) == 2


@needs_rosters
def test_superintendents_of_ten_states_leave_about_as_those_of_twenty() -> None:
    rows = pd.read_parquet(ROSTER)
    rows = rows.assign(school_year_end=rows["year"] + 1)[["leaid", "super_id", "school_year_end"]]
    names = {"unit_id": "leaid", "leader_id": "super_id"}
    tenures = cs.Tenures.from_roster(rows, columns=names, role="superintendent")
    made = tenure_hazards(tenures, max_years=10).frame
    twenty = [0.162, 0.139, 0.151, 0.162, 0.158, 0.164, 0.162, 0.157, 0.158, 0.136]
    assert np.abs(made["hazard"] - twenty).max() < 0.035
    assert np.prod(1 - made["hazard"][:4]) == pytest.approx(0.514, abs=0.005)
    # in a yearly roster, that is who holds the post a year later, by years in it
    frame = cs.Panel.build(tenures).frame
    years = frame.groupby("elapsed_tenure_years")["turnover_lead"]
    assert made["n_at_risk"].tolist() == years.count().loc[1.0:10.0].tolist()
    direct = years.mean().astype(float).loc[1.0:10.0].to_numpy()
    np.testing.assert_allclose(made["hazard"], direct, atol=1e-12)
