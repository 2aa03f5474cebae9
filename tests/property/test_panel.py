"""The panel against a count of eighths of years, and what must not change it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.core.provenance import frame_sha256
from churnstats.panel.events import OF_THE_DAY
from churnstats.panel.origins import ORIGIN_COLUMNS
from record_draws import PARTS, spell_frames
from support import DRAWS

KEY = ["unit_id", "school_year_end"]
TENURES = cs.Tenures.from_spells


def build(frame: pd.DataFrame) -> cs.Panel:
    return cs.Panel.build(TENURES(frame))


def shown(frame: pd.DataFrame, without: tuple[str, ...] = ()) -> pd.DataFrame:
    return frame.drop(columns=[*without]).reset_index(drop=True)


def eighths(spells: pd.DataFrame) -> dict[tuple[str, int], Any]:
    """Return by unit and eighth of a year who was seen to lead: a spell's row, or nobody."""
    seen: dict[tuple[str, int], Any] = {}
    for unit, part in spells.groupby("unit_id"):
        before = None
        for spell in part.sort_values("start").itertuples():
            if before is not None and not (before.right_censored or spell.left_censored):
                empty = range(round(before.stop * PARTS), round(spell.start * PARTS))
                seen |= dict.fromkeys([(unit, t) for t in empty])
            led = range(round(spell.entry * PARTS), round(spell.stop * PARTS))
            seen |= dict.fromkeys([(unit, t) for t in led], spell)
            before = spell
    return seen


def by_year(seen: dict[tuple[str, int], Any]) -> dict[tuple[str, int], list[Any]]:
    years: dict[tuple[str, int], list[Any]] = {}
    for (unit, t), spell in sorted(seen.items(), key=lambda item: item[0]):
        years.setdefault((unit, t // PARTS), []).append(spell)
    return years


def holder_of(cells: list[Any]) -> tuple[Any, float]:
    """Return the leader of most cells and how many these are, nobody if the post was emptier."""
    leaders = [spell.leader_id for spell in cells if spell is not None]
    counts = Counter(leaders)
    if not leaders or len(cells) - len(leaders) > max(counts.values()):
        return None, float("nan")
    top = max(counts.values())
    return next(name for name in leaders if counts[name] == top), top


@DRAWS
@given(spell_frames())
def test_the_panel_is_what_counting_eighths_of_years_says(frame: pd.DataFrame) -> None:
    made = build(frame).frame
    seen = by_year(eighths(frame))
    assert made[KEY].to_numpy().tolist() == [list(key) for key in seen]
    for row, ((_, year), cells) in zip(made.itertuples(), seen.items(), strict=True):
        leader, count = holder_of(cells)
        led = [spell for spell in cells if spell is not None]
        assert row.observed_share == len(cells) / PARTS
        assert row.vacancy_share == (len(cells) - len(led)) / PARTS
        assert row.n_leaders == len({spell.leader_id for spell in led})
        if leader is None:
            assert pd.isna(row.leader_id)
            assert np.isnan([row.exposure_share, row.elapsed_tenure_years]).all()
            continue
        assert row.leader_id == leader
        assert row.exposure_share == count / PARTS
        own = Counter(spell.Index for spell in led if spell.leader_id == leader)
        first = next(s for s in led if own[s.Index] == max(own.values()) and s.leader_id == leader)
        if first.left_censored:
            assert np.isnan(row.elapsed_tenure_years)
        else:
            assert row.elapsed_tenure_years == min(first.stop, year + 1) - first.start


@DRAWS
@given(spell_frames())
def test_shares_sum_to_what_was_observed(frame: pd.DataFrame) -> None:
    panel = build(frame)
    led = panel.exposure.groupby(KEY)["exposure_share"].sum()
    rows = panel.frame.set_index(KEY)
    total = led.reindex(rows.index).fillna(0.0) + rows["vacancy_share"]
    np.testing.assert_allclose(total, rows["observed_share"], rtol=0, atol=1e-12)
    assert ((rows["observed_share"] > 0) & (rows["observed_share"] <= 1)).all()
    assert led.index.isin(rows.index).all()
    assert panel.exposure["exposure_share"].sum() == (frame["stop"] - frame["entry"]).sum()


@DRAWS
@given(spell_frames())
def test_moves_add_up(frame: pd.DataFrame) -> None:
    panel = build(frame)
    began = ~frame["left_censored"] & (frame["entry"] == frame["start"])
    assert panel.frame["n_entries"].sum() == began.sum()
    assert panel.frame["n_exits"].sum() == (~frame["right_censored"]).sum()
    events = panel.events
    assert len(events) == changes(frame)
    assert events["event_order"].tolist() == (events.groupby("unit_id").cumcount() + 1).tolist()
    assert events["event_id"].is_unique
    assert (events["start"] >= events["school_year_end"]).all()
    assert (events["start"] < events["school_year_end"] + 1).all()
    assert ((events["successor_share"] > 0) & (events["successor_share"] <= 1)).all()
    assert (events["is_mid_year"] == (events["start"] % 1 != 0)).all()


def changes(frame: pd.DataFrame) -> int:
    order = frame.sort_values(["unit_id", "start"])
    before = order.groupby("unit_id")["leader_id"].shift()
    return int((before.notna() & (before != order["leader_id"])).sum())


@DRAWS
@given(spell_frames())
def test_lead_is_the_lag_of_the_year_after(frame: pd.DataFrame) -> None:
    made = build(frame).frame
    leader = made.set_index(KEY)["leader_id"]
    for row in made.itertuples():
        for shift, flag in ((-1, row.turnover_lag), (1, row.turnover_lead)):
            other = leader.get((row.unit_id, row.school_year_end + shift))
            if pd.isna(other) or pd.isna(row.leader_id):
                assert pd.isna(flag)
            else:
                assert flag == (other != row.leader_id)


@DRAWS
@given(spell_frames(), st.integers(-40, 40))
def test_whole_years_shift_the_panel(frame: pd.DataFrame, years: int) -> None:
    times = ["start", "stop", "entry"]
    moved = build(frame.assign(**{c: frame[c] + years for c in times}))
    still = build(frame)
    for name, columns in (
        ("frame", ["school_year_end"]),
        ("events", ["school_year_end", "start"]),
        ("exposure", ["school_year_end", "start", "stop", "first_seen"]),
    ):
        table = getattr(still, name)
        table = table.assign(**{c: table[c] + years for c in columns})
        # leap years shift days: tests/property/test_event_ledger.py shifts by four years
        days = OF_THE_DAY if name == "events" else ()
        assert_frame_equal(shown(getattr(moved, name), days), shown(table, days))


@DRAWS
@given(spell_frames(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame, random: Any) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    one, other = build(frame), build(frame.iloc[order])
    for name in ("frame", "events", "exposure", "spells"):
        assert_frame_equal(getattr(one, name), getattr(other, name))


@DRAWS
@given(spell_frames())
def test_another_unit_or_role_changes_nothing_else(frame: pd.DataFrame) -> None:
    other = pd.DataFrame(
        {
            "unit_id": ["0", "zz", "zz"],
            "role": "head",
            "leader_id": ["a", "a", "b"],
            "start": [1990.0, 2001.5, 2003.0],
            "stop": [2020.0, 2003.0, 2004.0],
            "left_censored": False,
            "right_censored": False,
        }
    )
    other["entry"] = other["start"]
    aide = frame.assign(role="aide", leader_id="q")
    alone, panel = (
        build(frame),
        cs.Panel.build(TENURES(pd.concat([other, frame, aide])), role="head"),
    )
    for name in ("frame", "events", "exposure"):
        table = getattr(panel, name)
        ours = table[~table["unit_id"].isin(["0", "zz"])]
        # what leaders did in other units and roles before is what these columns tell
        without = ORIGIN_COLUMNS if name == "events" else ()
        assert_frame_equal(shown(ours, without), shown(getattr(alone, name), without))


@DRAWS
@given(spell_frames())
def test_names_do_not_matter(frame: pd.DataFrame) -> None:
    leaders = {"a": "z9", "b": "0", "c": "Ö m"}
    units = {"01": "1", "1": "B", "B": "01"}
    renamed = build(
        frame.assign(leader_id=frame["leader_id"].map(leaders), unit_id=frame["unit_id"].map(units))
    )
    made = build(frame).frame
    expected = made.assign(
        leader_id=made["leader_id"].map(leaders), unit_id=made["unit_id"].map(units)
    )
    expected = expected.sort_values(KEY)
    names = ("spell_id",)
    assert_frame_equal(shown(renamed.frame, names), shown(expected, names), check_dtype=False)


@DRAWS
@given(spell_frames())
def test_nothing_is_changed_in_place(frame: pd.DataFrame) -> None:
    outcomes = build(frame).frame[KEY].assign(measure="m", estimate=1.0)
    inputs = (frame, outcomes)
    before = [frame_sha256(table) for table in inputs]
    tenures, records = TENURES(frame), cs.Outcomes.from_frame(outcomes)
    made = [frame_sha256(tenures.frame), frame_sha256(records.frame)]
    panel = cs.Panel.build(tenures, records)
    assert (panel.frame["m"] == 1.0).all()
    assert [frame_sha256(table) for table in inputs] == before
    assert [frame_sha256(tenures.frame), frame_sha256(records.frame)] == made


@DRAWS
@given(spell_frames())
def test_program_rows_cover_each_program_once_and_name_who_led_when_they_began(
    frame: pd.DataFrame,
) -> None:
    first = frame.groupby("unit_id")["start"].min()
    programs = pd.DataFrame(
        {
            "program_id": [f"p{i}" for i in range(len(first))],
            "unit_id": first.index,
            "start": first.to_numpy() - 0.5,
            "stop": first.to_numpy() + 4.25,
            "sponsor_id": "a",
        }
    )
    panel = build(frame)
    rows = cs.program_rows(cs.Programs.from_frame(programs), panel).frame
    assert rows["event"].sum() == len(programs)
    assert (rows["exit_years"] - rows["entry_years"]).sum() == 4.75 * len(programs)
    seen = eighths(frame)
    for row in rows.itertuples():
        start = first[row.unit_id] - 0.5
        begin = start + row.entry_years
        key = (row.unit_id, round(begin * PARTS))
        spell = seen.get(key)
        if spell is not None:
            assert row.holder_id == spell.leader_id
            assert row.champion_gone == (spell.leader_id != "a")
            since = float("nan") if spell.left_censored else begin - spell.start
            np.testing.assert_equal(row.years_since_change, since)
        else:
            assert pd.isna(row.holder_id)
            assert np.isnan(row.years_since_change)
            np.testing.assert_equal(row.champion_gone, 1.0 if key in seen else float("nan"))


SETTINGS: list[dict[str, Any]] = [
    {},
    {"mid_year_share": 0.6, "mover_share": 0.3},
    {
        "staff": cs.datasets.districts.StaffRules(interim_share=0.3, vacancy_share=0.4),
        "mid_year_share": 0.5,
    },
    {"recording": cs.datasets.districts.Recording(left="censored")},
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_events_are_those_that_were_simulated(setting: dict[str, Any]) -> None:
    sim = cs.datasets.simulate_districts(60, 12, exit_hazard=0.25, n_schools=1, seed=5, **setting)
    panel = cs.Panel.build(
        TENURES(sim.tenures),
        cs.Outcomes.from_frame(sim.outcomes),
        role="superintendent",
        unknown_units="drop",
    )
    true = sim.truth.events.query("event_order > 0").sort_values(["unit_id", "event_order"])
    columns = ["unit_id", "school_year_end", "event_order", "start"]
    assert len(true) > 50
    assert_frame_equal(panel.events[columns], shown(true[columns]), check_dtype=False)
    assert panel.events["successor_id"].tolist() == true["leader_id"].tolist()
    assert panel.events["predecessor_id"].tolist() == true["predecessor_id"].tolist()
    estimate = sim.outcomes.set_index(KEY)["estimate"]
    ours = panel.frame.set_index(KEY)["achievement"]
    assert (ours == estimate.reindex(ours.index)).all()
    rows = cs.program_rows(cs.Programs.from_frame(sim.programs), panel)
    assert rows.frame["event"].sum() == (~sim.programs["right_censored"]).sum()


@pytest.mark.parametrize("setting", SETTINGS[:2])
def test_a_roster_shows_the_holder_at_each_snapshot(setting: dict[str, Any]) -> None:
    sim = cs.datasets.simulate_districts(60, 12, exit_hazard=0.25, n_schools=1, seed=5, **setting)
    from_roster = cs.Panel.build(cs.Tenures.from_roster(sim.roster), role="superintendent").frame
    cells = sim.roster.query("role == 'superintendent'").sort_values(KEY)
    assert_frame_equal(from_roster[[*KEY, "leader_id"]], shown(cells[[*KEY, "leader_id"]]))
    if not setting:
        from_spells = cs.Panel.build(TENURES(sim.tenures), role="superintendent").frame
        columns = [*KEY, "leader_id", "exposure_share", "turnover_lag", "turnover_lead"]
        assert_frame_equal(from_roster[columns], from_spells[columns])
