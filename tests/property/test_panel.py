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
from record_draws import PARTS, rosters, spell_frames
from support import DRAWS
from unbroken import stay_stop, unbroken

KEY = ["unit_id", "school_year_end"]
TENURES = cs.Tenures.from_spells
SOURCE_ROWS = ["predecessor_source_rows", "successor_source_rows"]


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
    made, stays = build(frame).frame, unbroken(frame)
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
        stay = stays[first.Index]
        if stay[0].left_censored:
            assert np.isnan(row.elapsed_tenure_years)
        else:
            assert row.elapsed_tenure_years == min(stay_stop(stay), year + 1) - stay[0].start


@st.composite
def shared_frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw spells of which some share their post; who is alone has all of it."""
    head, second = draw(spell_frames()), draw(spell_frames())
    second["leader_id"] = second["leader_id"].map({"a": "d", "b": "e", "c": "f"})
    both = pd.concat([head.assign(fte=0.75), second.assign(fte=0.25)], ignore_index=True)
    return both.assign(entry=both["start"])


@st.composite
def days_of_tests(draw: st.DrawFn) -> pd.DataFrame:
    """Draw the day of the tests, or none, for some units and years, on the grid of eighths."""
    eighth = draw(st.lists(st.integers(0, PARTS - 1), min_size=9, max_size=9))
    rows = [
        {"unit_id": unit, "school_year_end": year, "test_date": year + part / PARTS}
        for unit, shift in (("01", 0), ("1", 1), ("zz", 2))
        for year in range(2000, 2016)
        if (part := eighth[(year * 5 + shift) % 9])
    ]
    rows.append({"unit_id": "q", "school_year_end": 2010, "test_date": 2010.5})
    return pd.DataFrame(rows).astype({"unit_id": "str"})


def near(found: float, wanted: float) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def until_tests(days: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return the number of eighths before the tests by unit and year."""
    parts = (days["test_date"] - days["school_year_end"]) * PARTS
    keys = zip(days["unit_id"], days["school_year_end"], strict=True)
    return dict(zip(keys, parts.astype(int), strict=True))


@DRAWS
@given(spell_frames() | shared_frames(), days_of_tests())
def test_shares_sum_to_what_was_observed_in_the_year_and_before_its_tests(
    frame: pd.DataFrame, days: pd.DataFrame
) -> None:
    panel = cs.Panel.build(TENURES(frame), test_date=days)
    rows, before = panel.frame.set_index(KEY), until_tests(days)
    for end in ("", "_tested"):
        led = panel.exposure.groupby(KEY)["exposure_share" + end].sum()
        assert led.index.isin(rows.index).all()
        observed = rows["observed_share" + end]
        known = (observed > 0).to_numpy()
        total = led.reindex(rows.index).fillna(0.0) + rows["vacancy_share" + end]
        np.testing.assert_allclose(total[known], observed[known], rtol=0, atol=1e-12)
        assert rows.loc[~known, "vacancy_share" + end].isna().all()
        assert (observed[known] <= 1).all()
        every = panel.holders_by_year().groupby(KEY)["exposure_share" + end]
        sums = every.sum(min_count=1).reindex(rows.index)
        np.testing.assert_allclose(sums[observed.notna()], 1.0, rtol=0, atol=1e-12)
        assert sums[observed.isna()].isna().all()
    assert (rows["observed_share"] > 0).all()
    has_tests = [key in before for key in rows.index]
    assert rows["observed_share_tested"].notna().tolist() == has_tests
    if "fte" not in frame:
        assert panel.exposure["exposure_share"].sum() == (frame["stop"] - frame["entry"]).sum()


@DRAWS
@given(spell_frames(), days_of_tests())
def test_before_the_tests_it_is_what_counting_eighths_says(
    frame: pd.DataFrame, days: pd.DataFrame
) -> None:
    made = cs.Panel.build(TENURES(frame), test_date=days).frame
    seen, before = eighths(frame), until_tests(days)
    for row in made.itertuples():
        n = before.get((row.unit_id, row.school_year_end), 0)
        first = row.school_year_end * PARTS
        cells = [seen[row.unit_id, t] for t in range(first, first + n) if (row.unit_id, t) in seen]
        near(row.observed_share_tested, len(cells) / n if n else np.nan)
        shown = (row.exposure_share_tested, row.tested_leader_share, row.vacancy_share_tested)
        if not cells:
            assert np.isnan(shown).all()
            assert pd.isna(row.tested_leader_id)
            continue
        leader, count = holder_of(cells)
        own = sum(cell is not None and cell.leader_id == row.leader_id for cell in cells)
        near(row.vacancy_share_tested, cells.count(None) / n)
        near(row.tested_leader_share, count / n)
        if pd.isna(row.leader_id):
            assert np.isnan(row.exposure_share_tested)
        else:
            near(row.exposure_share_tested, own / n)
        assert (row.tested_leader_id == leader) if leader else pd.isna(row.tested_leader_id)


@DRAWS
@given(shared_frames(), days_of_tests())
def test_co_leaders_have_their_part_of_every_eighth(
    frame: pd.DataFrame, days: pd.DataFrame
) -> None:
    panel, before = cs.Panel.build(TENURES(frame), test_date=days), until_tests(days)
    there: dict[tuple[str, int], list[Any]] = {}
    for spell in panel.spells.itertuples():
        for t in range(round(spell.start * PARTS), round(spell.stop * PARTS)):
            there.setdefault((spell.unit_id, t), []).append(spell)
    want: dict[tuple[str, int], np.ndarray] = {}
    for (unit, t), cells in there.items():
        year, at = divmod(t, PARTS)
        n = before.get((unit, year))
        for spell in cells:
            part = spell.fte / sum(other.fte for other in cells)
            tested = part / n * (at < n) if n else np.nan
            key = (spell.spell_id, year)
            want[key] = want.get(key, np.zeros(2)) + np.array([part / PARTS, tested])
    made = panel.exposure.set_index(["spell_id", "school_year_end"])
    columns = ["exposure_share", "exposure_share_tested"]
    seen = panel.frame.set_index(KEY)["observed_share_tested"]
    units = panel.spells.set_index("spell_id")["unit_id"]
    assert set(made.index) == set(want)
    for (spell_id, year), shares in want.items():
        # before tests that nobody watched no share is known
        unseen = seen[units[spell_id], year] == 0
        expected = [shares[0], np.nan if unseen else shares[1]]
        found = made.loc[(spell_id, year), columns].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@DRAWS
@given(spell_frames(), st.lists(st.sampled_from([True, False, None]), min_size=15, max_size=15))
def test_interim_shares_are_those_of_interim_leaders(
    frame: pd.DataFrame, interim: list[bool | None]
) -> None:
    flags = [interim[i] for i in range(len(frame))]
    made = build(frame.assign(interim=pd.array(flags, dtype="boolean"))).frame
    for row, cells in zip(made.itertuples(), by_year(eighths(frame)).values(), strict=True):
        led = [flags[cell.Index] for cell in cells if cell is not None]
        share = np.nan if None in led else led.count(True) / PARTS
        np.testing.assert_equal(row.interim_share, share)
        if pd.isna(row.leader_id):
            assert pd.isna(row.is_interim)
        else:
            spell = int(row.spell_id.rsplit("-", 1)[1])
            own = frame[frame["unit_id"] == row.unit_id].index[spell - 1]
            assert (
                (row.is_interim == flags[own])
                if flags[own] is not None
                else pd.isna(row.is_interim)
            )


@DRAWS
@given(spell_frames())
def test_moves_add_up(frame: pd.DataFrame) -> None:
    panel = build(frame)
    stays = {id(stay): stay for stay in unbroken(frame).values()}.values()
    began = [not stay[0].left_censored and stay[0].entry == stay[0].start for stay in stays]
    assert panel.frame["n_entries"].sum() == sum(began)
    assert panel.frame["n_exits"].sum() == sum(not stay[-1].right_censored for stay in stays)
    events = panel.events
    assert len(events) == changes(frame)
    assert events["event_order"].tolist() == (events.groupby("unit_id").cumcount() + 1).tolist()
    assert events["event_id"].is_unique
    assert (events["start"] >= events["school_year_end"]).all()
    assert (events["start"] < events["school_year_end"] + 1).all()
    dated = events[events["is_date_known"]]
    assert ((dated["successor_share"] > 0) & (dated["successor_share"] <= 1)).all()
    assert (dated["is_mid_year"] == (dated["start"] % 1 != 0)).all()
    of_dates = ["successor_share", "is_mid_year", "gap_since_last_years"]
    assert events.loc[~events["is_date_known"], of_dates].isna().all(axis=None)


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
@given(spell_frames(), days_of_tests(), st.integers(-40, 40))
def test_whole_years_shift_the_panel(frame: pd.DataFrame, days: pd.DataFrame, years: int) -> None:
    times = ["start", "stop", "entry"]
    later = days[["school_year_end", "test_date"]] + years
    moved = cs.Panel.build(
        TENURES(frame.assign(**{c: frame[c] + years for c in times})),
        test_date=days.assign(**later),
    )
    still = cs.Panel.build(TENURES(frame), test_date=days)
    for name, columns in (
        ("frame", ["school_year_end"]),
        ("events", ["school_year_end", "start"]),
        ("exposure", ["school_year_end", "start", "stop", "first_seen"]),
    ):
        table = getattr(still, name)
        table = table.assign(**{c: table[c] + years for c in columns})
        # leap years shift days: tests/property/test_event_ledger.py shifts by four years
        vague = OF_THE_DAY if name == "events" else ()
        assert_frame_equal(shown(getattr(moved, name), vague), shown(table, vague))


@DRAWS
@given(spell_frames(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame, random: Any) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    one, other = build(frame), build(frame.iloc[order])
    for name in ("frame", "exposure", "spells"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    # the rows of the source are named by where they stand in it
    back = {str(new): str(old + 1) for new, old in enumerate(order, start=1)}
    events = other.events
    assert_frame_equal(one.events, events.assign(**{c: events[c].map(back) for c in SOURCE_ROWS}))


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
        if name == "events":
            before = {c: (ours[c].astype(int) - len(other)).astype("str") for c in SOURCE_ROWS}
            ours = ours.assign(**before)
        assert_frame_equal(shown(ours, without), shown(getattr(alone, name), without))


@DRAWS
@given(
    rosters(),
    st.integers(0, 2),
    st.sampled_from(["one", "two"]),
    st.randoms(use_true_random=False),
)
def test_rows_of_a_roster_are_in_the_spell_that_they_tell_of(
    frame: pd.DataFrame, gap: int, returns: Any, random: Any
) -> None:
    titled = frame.assign(title=[f"t{i}" for i in range(len(frame))])
    order = list(range(len(frame)))
    random.shuffle(order)
    rules = cs.RosterRules(max_gap_years=gap, returns=returns, max_away_years=2.0)
    made = cs.Tenures.from_roster(titled.iloc[order], rules=rules)
    found = made.sources.merge(made.frame, on="spell_id", validate="m:1")
    rows = frame.iloc[[order[i - 1] for i in found["source_row"]]].reset_index(drop=True)
    assert found["source_row"].is_unique
    for column in ("unit_id", "role", "leader_id"):
        assert found[column].tolist() == rows[column].tolist()
    assert rows["school_year_end"].between(found["start"], found["stop"] - 1).all()
    assert found.groupby("spell_id").size().tolist() == made.frame["n_roster_rows"].tolist()
    aside = made.issues.rows().query("rule == 'interruption'")["row"]
    assert len(found) + len(aside) == frame["leader_id"].notna().sum()
    # every row has a title of its own, so that titles are rows
    told = made.titles.set_index(["spell_id", "school_year_end"])["title"]
    own = titled["title"].iloc[[order[i - 1] for i in found["source_row"]]].tolist()
    at = zip(found["spell_id"], rows["school_year_end"], strict=True)
    assert [told[key] for key in at] == own
    assert len(told) == len(own)


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
    seen, stays = eighths(frame), unbroken(frame)
    for row in rows.itertuples():
        start = first[row.unit_id] - 0.5
        begin = start + row.entry_years
        key = (row.unit_id, round(begin * PARTS))
        spell = seen.get(key)
        if spell is not None:
            assert row.holder_id == spell.leader_id
            assert row.champion_gone == (spell.leader_id != "a")
            came = stays[spell.Index][0]
            since = float("nan") if came.left_censored else begin - came.start
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
