"""The event ledger against counts of eighths of years, and what must not change it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.panel.events import EventRules, event_ledger
from churnstats.panel.origins import successor_origins
from churnstats.records.units.units import Units
from record_draws import PARTS, spell_frames
from support import DRAWS
from unbroken import stay_stop, unbroken

TIMES = ["start", "stop", "entry"]
REASONS = [None, "retirement", "nonrenewal", "leave", "Left", "unknown"]
TYPES = {"retirement": "voluntary", "nonrenewal": "involuntary", "leave": "other"}
UNITS = Units.from_frame(
    pd.DataFrame({"unit_id": ["01", "1", "B"], "level": "other", "parent_id": ["B", "B", None]})
)


@st.composite
def posts(draw: st.DrawFn) -> pd.DataFrame:
    """Draw the spells of two roles, of which heads share their posts or enter late."""
    head = draw(spell_frames())
    frames = [head, draw(spell_frames()).assign(role="aide")]
    if draw(st.booleans()):
        second = draw(spell_frames())
        second["leader_id"] = second["leader_id"].map({"a": "d", "b": "e", "c": "f"})
        frames = [head.assign(fte=0.6), frames[1], second.assign(fte=0.4)]
        frames = [part.assign(entry=part["start"]) for part in frames]
    frame = pd.concat(frames, ignore_index=True)
    n = len(frame)
    reasons = draw(st.lists(st.sampled_from(REASONS), min_size=n, max_size=n))
    ahead = draw(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=n, max_size=n))
    return frame.assign(
        exit_reason=pd.Series(reasons, dtype="str"), announced=frame["stop"] - pd.Series(ahead)
    )


def made(frame: pd.DataFrame, units: Units | None = None) -> pd.DataFrame:
    tenures = cs.Tenures.from_spells(frame)
    events = event_ledger(tenures.for_role("head"), calendar=tenures.calendar)
    return successor_origins(events, tenures.frame, units=units)


def principals(frame: pd.DataFrame) -> list[tuple[str, int, Any]]:
    """Return unit, eighth and spell of the principal for every eighth with a head."""
    best: dict[tuple[str, int], Any] = {}
    spells = cs.Tenures.from_spells(frame).for_role("head")
    stays = unbroken(spells)

    def rank(spell: Any) -> tuple[float, float]:
        return -spell.fte, stays[spell.Index][0].start

    for spell in spells.itertuples():
        for t in range(round(spell.entry * PARTS), round(spell.stop * PARTS)):
            old = best.get((spell.unit_id, t))
            if old is None or rank(spell) < rank(old):
                best[spell.unit_id, t] = spell
    return [(*key, best[key]) for key in sorted(best)]


def handovers(frame: pd.DataFrame) -> list[tuple[Any, int, Any, int]]:
    """Return both spells, the last eighth of the one and the first of the other, of changes."""
    line = principals(frame)
    pairs = pairwise(line)
    return [
        (old, before + 1, new, after)
        for (unit, before, old), (other, after, new) in pairs
        if unit == other and old.leader_id != new.leader_id
    ]


@DRAWS
@given(posts())
def test_there_is_an_event_for_every_change_of_holder(frame: pd.DataFrame) -> None:
    events, found = made(frame), handovers(frame)
    assert events["predecessor_spell_id"].tolist() == [old.spell_id for old, *_ in found]
    assert events["successor_spell_id"].tolist() == [new.spell_id for *_, new, _ in found]


def leads_until(line: list[tuple[str, int, Any]], unit: str, since: int) -> float:
    """Return until when the principal of an eighth goes on without a break."""
    own = [(t, spell) for place, t, spell in line if place == unit and t >= since]
    last, leader = since, own[0][1].leader_id
    for t, spell in own[1:]:
        if spell.leader_id != leader or min(t, spell.start * PARTS) > last + 1:
            break
        last = t
    return (last + 1) / PARTS


@DRAWS
@given(posts())
def test_shares_gaps_and_the_middle_of_the_year_hang_on_dates(frame: pd.DataFrame) -> None:
    line, before = principals(frame), None
    for event in made(frame).itertuples():
        dated = event.is_date_known
        if dated:
            entered = min(t for u, t, s in line if u == event.unit_id and t >= event.start * PARTS
                          and s.spell_id == event.successor_spell_id)  # fmt: skip
            end = min(leads_until(line, event.unit_id, entered), event.school_year_end + 1)
            assert event.successor_share == end - event.start
            assert event.is_mid_year == (event.start % 1 != 0)
        else:
            assert math.isnan(event.successor_share)
            assert pd.isna(event.is_mid_year)
        known = dated and event.event_order > 1 and before is not None and before.is_date_known
        gap = event.start - before.start if known and before is not None else math.nan
        np.testing.assert_equal(event.gap_since_last_years, gap)
        before = event


@DRAWS
@given(posts())
def test_the_columns_are_what_both_spells_say(frame: pd.DataFrame) -> None:
    events = made(frame)
    stays = unbroken(cs.Tenures.from_spells(frame).for_role("head"))
    for event, (old, until, new, since) in zip(events.itertuples(), handovers(frame), strict=True):
        theirs, own = stays[old.Index], stays[new.Index]
        gone = stay_stop(theirs) * PARTS == until
        seen = gone and not old.right_censored
        late = new.entry > new.start and since == new.entry * PARTS
        begins = own[0].spell_id == new.spell_id and since == new.entry * PARTS
        blurred = begins and new.left_censored
        dated = not blurred and (seen or not gone)
        assert event.is_date_known == event.is_day_known == dated
        assert event.start == (new.start if late else since / PARTS)
        if gone:
            assert event.exit_type == (TYPES.get(old.exit_reason, "unknown") if seen else "unknown")
        else:
            assert pd.isna(event.exit_type)
        assert (
            (event.exit_reason == old.exit_reason)
            if seen and pd.notna(old.exit_reason)
            else (pd.isna(event.exit_reason))
        )
        assert (
            (event.is_planned == (old.stop - old.announced >= 0.25))
            if seen
            else (pd.isna(event.is_planned))
        )
        known = not theirs[0].left_censored and (seen or not gone)
        tenure = until / PARTS - theirs[0].start if known else math.nan
        np.testing.assert_equal(event.predecessor_tenure_years, tenure)
        both = min(map(stay_stop, (theirs, own))) - max(theirs[0].start, own[0].start)
        if dated:
            assert abs(event.overlap_days - 365.25 * max(both, 0)) <= 2
            assert abs(event.vacancy_days - 365.25 * max(event.start - until / PARTS, 0)) <= 2
            turn = abs(event.start - round(event.start))
            assert event.is_summer == (turn * PARTS < 1)
        else:
            assert pd.isna(event.overlap_days)
            assert pd.isna(event.change_date)


@DRAWS
@given(posts(), st.booleans())
def test_origins_and_experience_are_what_looking_through_all_spells_says(
    frame: pd.DataFrame, with_units: bool
) -> None:
    spells = cs.Tenures.from_spells(frame).frame
    stays = unbroken(spells)
    row_of = dict(zip(spells["spell_id"], spells.index, strict=True))
    for event in made(frame, UNITS if with_units else None).itertuples():
        kin = {event.unit_id}
        if with_units:
            kin = {"01", "1", "B"} if event.unit_id == "B" else {event.unit_id, "B"}
        past = spells[(spells["leader_id"] == event.successor_id) & (spells["start"] < event.start)]
        own = stays[row_of[event.successor_spell_id]]
        other = past[~past.index.isin([spell.Index for spell in own])]
        here = other[other["unit_id"] == event.unit_id]
        left_fte = spells.loc[row_of[event.predecessor_spell_id], "fte"]
        long = event.start - own[0].start > EventRules().handover_days / 365
        beside = [s for s in own if s.start < event.start and (long or s.fte < left_fte)]
        others = spells[(spells["role"] == "aide") & spells["unit_id"].isin(kin)]
        reach = event.start - others["entry"].min()
        if (here["role"] == "head").any():
            origin = "returning"
        elif beside or other["unit_id"].isin(kin).any():
            origin = "internal"
        elif len(other) or reach >= EventRules().min_years_seen:
            origin = "external"
        else:
            origin = "unknown"
        assert event.successor_origin == origin
        np.testing.assert_equal(event.records_reach_years, reach if reach > 0 else math.nan)
        led, censored = set[int](), False
        for spell in past[past["role"] == "head"].itertuples():
            until = min(spell.stop, event.start)
            led |= set(range(round(spell.start * PARTS), round(until * PARTS)))
            censored |= spell.left_censored or (spell.right_censored and spell.stop < event.start)
        assert event.successor_experience_years == len(led) / PARTS
        assert event.successor_experience_is_minimum == censored


@DRAWS
@given(posts(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_names_matter(frame: pd.DataFrame, random: Any) -> None:
    names = dict(zip("abcdef", ["z9", "0", "Ö m", "q", "b", "A"], strict=True))
    order = list(range(len(frame)))
    random.shuffle(order)
    other = frame.iloc[order]
    other = made(other.assign(leader_id=other["leader_id"].map(names)), UNITS)
    one = made(frame, UNITS)
    for column in ("predecessor_id", "successor_id"):
        one[column] = one[column].map(names)
    assert_frame_equal(one, other)


@DRAWS
@given(posts())
def test_another_unit_with_other_leaders_changes_nothing(frame: pd.DataFrame) -> None:
    strangers = frame.assign(
        unit_id="0" + frame["unit_id"] + "x", leader_id="s" + frame["leader_id"]
    )
    both = made(pd.concat([strangers, frame], ignore_index=True), UNITS)
    ours = both[both["unit_id"].isin(["01", "1", "B"])].reset_index(drop=True)
    assert_frame_equal(ours, made(frame, UNITS))


@DRAWS
@given(posts(), st.sampled_from([-40, -4, 4, 28]))
def test_whole_years_shift_everything(frame: pd.DataFrame, years: int) -> None:
    # steps of four years, in which days stay the same: 29 February comes as often
    times = [*TIMES, "announced"]
    one = made(frame, UNITS)
    other = made(frame.assign(**{c: frame[c] + years for c in times}), UNITS)
    dates = one["change_date"] + pd.DateOffset(years=years)
    one = one.assign(**{c: one[c] + years for c in ("school_year_end", "start")})
    assert_frame_equal(one.assign(change_date=dates.astype(other["change_date"].dtype)), other)
