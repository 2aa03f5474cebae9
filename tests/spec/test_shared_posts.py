"""Posts that two leaders share: who has which share of a year, and when the principal changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import churnstats as cs
from churnstats.panel.shares import parts, principals
from record_tables import assert_shows, panel


def test_co_leaders_divide_the_year_by_their_shares() -> None:
    made = panel("""
        leader_id  start  stop  fte
        a          2010   2012  0.6
        b          2010   2012  0.4
        c          2012   2013  1
    """)
    assert_shows(
        made.exposure.sort_values(["school_year_end", "leader_id"]),
        """
        school_year_end  leader_id  exposure_share
        2010             a          0.6
        2010             b          0.4
        2011             a          0.6
        2011             b          0.4
        2012             c          1
    """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  vacancy_share  n_leaders  turnover_lag
        2010             a          0.6             0              2          -
        2011             a          0.6             0              2          no
        2012             c          1               0              1          yes
    """,
    )
    assert_shows(
        made.events,
        """
        school_year_end  predecessor_id  successor_id  vacancy_years
        2012             a               c             0
    """,
    )


def test_who_stays_when_the_principal_leaves_is_the_successor() -> None:
    made = panel("""
        leader_id  start   stop    fte
        a          2010    2012.5  0.5
        b          2011.5  2014    0.5
    """)
    assert_shows(
        made.events,
        """
        school_year_end  start   predecessor_id  successor_id  is_mid_year  is_date_known
        2012             2012.5  a               b             yes          yes
    """,
    )
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  exposure_share  n_entries  n_exits
        2010             a          1               1          0
        2011             a          0.75            1          0
        2012             b          0.75            0          1
        2013             b          1               0          1
    """,
    )


def test_who_began_first_stays_the_principal_in_a_new_term() -> None:
    made = panel("""
        leader_id  start  stop  fte
        a          2010   2012  0.5
        b          2011   2014  0.5
        a          2012   2014  0.5
    """)
    assert len(made.events) == 0
    assert_shows(
        made.frame,
        """
        school_year_end  leader_id  elapsed_tenure_years  n_entries  n_exits
        2010             a          1                     1          0
        2011             a          2                     1          0
        2012             a          3                     0          0
        2013             a          4                     0          2
    """,
    )


def test_a_leader_of_half_a_post_alone_leads_all_of_the_year() -> None:
    made = panel("""
        leader_id  start  stop  fte
        a          2010   2011  0.5
    """)
    assert made.frame[["exposure_share", "vacancy_share"]].to_numpy().tolist() == [[1.0, 0.0]]


def test_what_is_cut_is_censored_only_at_its_own_ends() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": "1", "leader_id": ["a", "b"], "start": [2010.0, 2011.0], "fte": 0.5,
            "stop": [2012.0, 2013.0], "left_censored": [True, False],
            "right_censored": [False, True],
        }
    )  # fmt: skip
    tenures = cs.Tenures.from_spells(frame, role="head")
    assert_shows(
        principals(tenures.frame),
        """
        leader_id  start  stop  left_censored  right_censored
        a          2010   2012  yes            no
        b          2012   2013  no             yes
    """,
    )


def test_a_second_leader_ends_nothing_who_never_was_the_principal() -> None:
    made = panel("""
        leader_id  start  stop  fte
        a          2010   2014  0.7
        b          2011   2012  0.3
    """)
    assert len(made.events) == 0
    assert made.frame["turnover_lead"].tolist()[:3] == [False, False, False]


@st.composite
def co_led(draw: st.DrawFn) -> pd.DataFrame:
    """Spells on a grid of quarters of years, three at once at most, by two units."""
    rows = []
    for seat in range(draw(st.integers(1, 3))):
        time = draw(st.integers(0, 8))
        for _ in range(draw(st.integers(1, 3))):
            length, gap = draw(st.integers(1, 9)), draw(st.sampled_from([0, 0, 1, 5]))
            fte = draw(st.sampled_from([0.0, 0.1, 0.25, 0.3]))
            rows.append(("1", f"{seat}{len(rows)}", time / 4, (time + length) / 4, fte))
            time += length + gap
    rows.append(("2", "z", 0.0, 5.0, 1.0))
    frame = pd.DataFrame(rows, columns=["unit_id", "leader_id", "start", "stop", "fte"])
    frame[["start", "stop"]] += 2010.0
    return frame


@settings(max_examples=120, deadline=None)
@given(co_led())
def test_shares_are_those_of_every_quarter(frame: pd.DataFrame) -> None:
    tenures = cs.Tenures.from_spells(frame, role="head")
    spells = tenures.frame
    made = cs.Panel.build(tenures)
    total: dict[tuple[str, int], float] = {}
    vacant: dict[tuple[str, int], float] = {}
    for unit, part in spells.groupby("unit_id"):
        for quarter in np.arange(part["start"].min(), part["stop"].max(), 0.25):
            here = part[(part["start"] <= quarter) & (part["stop"] > quarter)]
            if here.empty:
                key = (str(unit), int(quarter))
                vacant[key] = vacant.get(key, 0) + 0.25
                continue
            weight = here["fte"].to_numpy()
            weight = (
                weight / weight.sum() if weight.sum() > 0 else np.full(len(here), 1 / len(here))
            )
            for spell, share in zip(here["spell_id"], weight, strict=True):
                key = (spell, int(quarter))
                total[key] = total.get(key, 0) + share / 4
    found = made.exposure.set_index(["spell_id", "school_year_end"])["exposure_share"]
    assert dict(found.round(9)) == {k: round(v, 9) for k, v in total.items()}
    gaps = made.frame.set_index(["unit_id", "school_year_end"])["vacancy_share"]
    assert dict(gaps[gaps > 0].round(9)) == {k: round(v, 9) for k, v in vacant.items()}
    sums = made.exposure.groupby(["unit_id", "school_year_end"])["exposure_share"].sum()
    whole = (sums.reindex(gaps.index, fill_value=0.0) + gaps).to_numpy()
    observed = made.frame["observed_share"].to_numpy()
    np.testing.assert_allclose(whole, observed, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(co_led())
def test_principals_never_overlap_and_cover_what_is_led(frame: pd.DataFrame) -> None:
    spells = cs.Tenures.from_spells(frame, role="head").frame
    line = principals(spells)
    before = line.groupby("unit_id")["stop"].shift()
    assert not (line["start"] < before - 1e-9).any()
    cut = parts(spells)
    led = cut.drop_duplicates(["unit", "begin"])
    assert np.isclose((line["stop"] - line["start"]).sum(), (led["end"] - led["begin"]).sum())
    np.testing.assert_allclose(cut.groupby(["unit", "begin"])["share"].sum(), 1.0)
