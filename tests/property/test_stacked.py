"""Properties of the stacked event study: what must not change it, and what each piece says.

Rosters are written as one string a unit: a letter a year for its leader, a dot for a year in which
nobody looked. ``"aaabbb"`` changes its leader once, in its fourth year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from support import DRAWS

FIRST = 2001
KEYS = ["estimate", "std_error", "conf_low", "conf_high"]
UNSEEN = "in windows that leave the time under observation"
UNMEASURED = "in windows with missing outcomes"
NOT_ALONE = "in windows with another change"
UNDATED = "with a date that is not known"
LONELY = "without stayers"


def panel_of(
    leaders: Mapping[str, str], y: Mapping[str, np.ndarray], first: int = FIRST
) -> cs.Panel:
    """Build a panel of rosters and outcomes (NaN where there is none) by unit."""
    roster = pd.DataFrame(
        [
            (u, first + t, f"{u}-{c}")
            for u, s in leaders.items()
            for t, c in enumerate(s)
            if c != "."
        ],
        columns=["unit_id", "school_year_end", "leader_id"],
    )
    return cs.Panel.build(cs.Tenures.from_roster(roster, role="head"), outcomes_of(y, first))


def outcomes_of(y: Mapping[str, np.ndarray], first: int = FIRST) -> cs.Outcomes:
    rows = [(u, first + t, v) for u, values in y.items() for t, v in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["unit_id", "school_year_end", "estimate"])
    return cs.Outcomes.from_frame(frame, measure="y")


def spells_panel(
    spells: list[tuple[str, str, float, float]], n_years: int, **columns: list[Any]
) -> cs.Panel:
    """Build a panel of spells (unit, leader, start, stop) with outcomes that are all distinct."""
    frame = pd.DataFrame(spells, columns=["unit_id", "leader_id", "start", "stop"])
    units = sorted(set(frame["unit_id"]))
    y = {u: np.random.default_rng(i).normal(size=n_years) for i, u in enumerate(units)}
    tenures = cs.Tenures.from_spells(frame.assign(**columns), role="head")
    known = frame.groupby("unit_id").agg(a=("start", "min"), b=("stop", "max"))
    inside = {
        u: np.where(
            (FIRST + np.arange(n_years) >= np.floor(known.loc[u, "a"]))
            & (FIRST + np.arange(n_years) < known.loc[u, "b"]),
            y[u],
            np.nan,
        )
        for u in units
    }
    return cs.Panel.build(tenures, outcomes_of(inside))


@dataclass(frozen=True)
class World:
    """Rosters and outcomes of several units, drawn from a seed."""

    leaders: dict[str, str]
    y: dict[str, np.ndarray]

    @cached_property
    def panel(self) -> cs.Panel:
        return panel_of(self.leaders, self.y)

    def measured(self, y: Mapping[str, np.ndarray]) -> cs.Panel:
        """Return the panel with other outcomes."""
        frame = self.panel.frame
        values = [
            y[u][t - FIRST] for u, t in zip(frame["unit_id"], frame["school_year_end"], strict=True)
        ]
        return replace(self.panel, frame=frame.assign(y=values))


@st.composite
def worlds(draw: st.DrawFn, gaps: bool = True, missing: bool = True) -> World:
    """Four who stay, four who change once, and the others as it comes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    n_years, n_others = draw(st.integers(9, 13)), draw(st.integers(2, 8))
    leaders = {f"stays{i}": "a" * n_years for i in range(4)}
    for i in range(4):
        at = int(rng.integers(3, n_years - 3))
        leaders[f"once{i}"] = "a" * at + "b" * (n_years - at)
    for i in range(n_others):
        number = np.cumsum(rng.random(n_years) < rng.choice([0.1, 0.3]))
        letters = [chr(97 + int(j)) for j in number]
        if gaps and rng.random() < 0.6:
            at = int(rng.integers(0, n_years))
            letters[at : at + 2] = ["."] * len(letters[at : at + 2])
        leaders[f"other{i}"] = "".join(letters)
    y = {u: rng.normal(size=n_years).cumsum() for u in leaders}
    if missing:
        for u in list(y)[2:]:
            y[u][rng.random(n_years) < 0.05] = np.nan
    return World(leaders, y)


bases = st.sampled_from(
    [cs.BaseYear(), cs.BaseYear(-2), cs.EarlyBase(-2, -2), cs.EarlyBase(-2, -1)]
)
designs = st.builds(
    cs.Stacked,
    pre=st.integers(2, 3),
    post=st.integers(0, 2),
    isolate=st.booleans(),
    base=bases | st.just(cs.LagAdjusted(1)),
    weighting=st.sampled_from(["events", "ols"]),
)


def effects(world: World | cs.Panel, design: cs.Stacked) -> np.ndarray:
    """Return estimates, errors and intervals; or why there are none."""
    panel = world.panel if isinstance(world, World) else world
    return cs.event_study(panel, design, "y").tidy()[KEYS].to_numpy()


def same(found: np.ndarray, expected: np.ndarray) -> None:
    size = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * size)


def fates(world: World | cs.Panel, design: cs.Stacked) -> dict[tuple[str, int], str]:
    panel = world.panel if isinstance(world, World) else world
    table = design.build(panel, "y").fates
    return {
        (u, int(t) - FIRST): f
        for u, t, f in table[["unit_id", "school_year_end", "fate"]].itertuples(index=False)
    }


def members(sample: object) -> pd.DataFrame:
    """Return one row a window."""
    frame = sample.frame  # type: ignore[attr-defined]
    return frame[frame["event_time"] == 0]


# --- what must not matter -------------------------------------------------------------------------


@DRAWS
@given(world=worlds(), design=designs)
def test_units_that_can_be_neither_event_nor_stayer_change_nothing(
    world: World, design: cs.Stacked
) -> None:
    design = replace(design, isolate=True)
    n = len(next(iter(world.leaders.values())))
    noise = np.random.default_rng(0).normal(size=n) * 100
    restless = "".join(chr(97 + t) for t in range(n))
    short = "a" * (design.pre + design.post) + "." * (n - design.pre - design.post)
    more = World(
        {**world.leaders, "restless": restless, "short": short, "unmeasured": "a" * n},
        {**world.y, "restless": noise, "short": noise, "unmeasured": np.full(n, np.nan)},
    )
    before = cs.event_study(world.panel, design, "y")
    after = cs.event_study(more.panel, design, "y")
    same(after.tidy()[KEYS].to_numpy(), before.tidy()[KEYS].to_numpy())
    assert after.choice.n_clusters == before.choice.n_clusters
    assert after.fit.design.n == before.fit.design.n


@DRAWS
@given(world=worlds(), design=designs, seed=st.integers(0, 99))
def test_order_and_names_do_not_matter(world: World, design: cs.Stacked, seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = list(world.leaders)
    order = [units[i] for i in rng.permutation(len(units))]
    new = {u: f"n{j:03d}" for j, u in enumerate(order)}
    other = World(
        {new[u]: world.leaders[u].translate({97: "z", 98: "m"}) for u in order},
        {new[u]: world.y[u] for u in reversed(order)},
    )
    same(effects(other, design), effects(world, design))


@DRAWS
@given(world=worlds(), design=designs, shift=st.integers(-40, 40))
def test_the_calendar_does_not_matter(world: World, design: cs.Stacked, shift: int) -> None:
    moved = panel_of(world.leaders, world.y, FIRST + shift)
    same(effects(moved, design), effects(world, design))


@DRAWS
@given(world=worlds(), design=designs, seed=st.integers(0, 99))
def test_levels_and_common_shocks_do_not_matter(
    world: World, design: cs.Stacked, seed: int
) -> None:
    """Nor does what is constant in a unit, unless outcomes before the change are regressors."""
    rng = np.random.default_rng(seed)
    n = len(next(iter(world.leaders.values())))
    common = rng.normal(size=n) + 3.0
    expected = effects(world, design)
    shocked = world.measured({u: v + common for u, v in world.y.items()})
    same(effects(shocked, design), expected)
    raised = world.measured({u: v + rng.normal() for u, v in world.y.items()})
    shifted = effects(raised, design)
    if isinstance(design.base, cs.LagAdjusted):
        assert not np.allclose(shifted, expected, rtol=1e-6)
    else:
        same(shifted, expected)


@DRAWS
@given(world=worlds(), design=designs, factor=st.sampled_from([-1.0, 0.01, 250.0]))
def test_effects_scale_with_the_outcome(world: World, design: cs.Stacked, factor: float) -> None:
    found = effects(world.measured({u: v * factor for u, v in world.y.items()}), design)
    expected = effects(world, design)
    same(found[:, 0], factor * expected[:, 0])
    same(found[:, 1], abs(factor) * expected[:, 1])


# --- events, stayers, fates -----------------------------------------------------------------------


def changes_of(leaders: str) -> dict[int, bool]:
    """Return the years of change in one roster, and whether each is dated."""
    found, last = {}, None
    for t, letter in enumerate(leaders):
        if letter == ".":
            continue
        if last is not None and leaders[last] != letter:
            found[t] = last == t - 1
        last = t
    return found


@DRAWS
@given(world=worlds(), design=designs)
def test_every_change_has_one_fate_and_the_ledger_adds_up(world: World, design: cs.Stacked) -> None:
    sample = design.build(world.panel, "y")
    expected = {(u, t) for u, s in world.leaders.items() for t in changes_of(s)}
    found = [
        (u, int(t) - FIRST)
        for u, t in sample.fates[["unit_id", "school_year_end"]].itertuples(index=False)
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert (sample.fates["n_changes"] == 1).all()
    step = sample.ledger.steps[-1]
    counts = sample.fates["fate"].value_counts()
    used = int(counts.pop("used"))
    assert (step.n_in, step.n_out) == (len(expected), used)
    assert dict(step.lost) == counts.to_dict()
    assert used == sample.support["n_events"].sum() == members(sample)["treated"].sum()
    n_stayers = (members(sample)["treated"] == 0).groupby(members(sample)["stack"]).sum()
    assert sample.support["n_stayers"].tolist() == n_stayers.tolist()
    assert (sample.support[["n_events", "n_stayers"]] > 0).all(axis=None)


@DRAWS
@given(world=worlds(), design=designs)
def test_windows_hold_what_they_may(world: World, design: cs.Stacked) -> None:
    """Nobody-looked years are in no window; undated changes are in none that stands alone."""
    panel = world.panel
    sample = design.build(panel, "y")
    for row in members(sample).itertuples():
        c = row.stack - FIRST
        letters = world.leaders[row.unit_id][c - design.pre : c + design.post + 1]
        inside = {
            t
            for t in changes_of(world.leaders[row.unit_id])
            if c - design.pre <= t <= c + design.post
        }
        assert len(letters) == design.years.size
        assert "." not in letters
        if not row.treated:
            assert not inside
            assert len(set(letters)) == 1
        else:
            assert changes_of(world.leaders[row.unit_id])[c], "its date is known"
            if design.isolate:
                assert inside == {c}
                assert len(set(letters[: design.pre])) == len(set(letters[design.pre :])) == 1
    y = np.array([world.y[r.unit_id][r.school_year_end - FIRST] for r in sample.frame.itertuples()])
    np.testing.assert_array_equal(sample.frame["y"], y)
    assert np.isfinite(y).all()
    again = panel.frame["y"].to_numpy()[sample.frame["row"]]
    np.testing.assert_array_equal(again, y)


@DRAWS
@given(world=worlds(missing=False), design=designs, seed=st.integers(0, 999))
def test_a_missing_outcome_takes_out_the_windows_that_need_it_and_no_other(
    world: World, design: cs.Stacked, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    unit = str(rng.choice(list(world.y)))
    at = int(rng.integers(0, world.y[unit].size))
    y = {u: v.copy() for u, v in world.y.items()}
    y[unit][at] = np.nan
    before = members(design.build(world.panel, "y"))[["stack", "unit_id", "treated"]]
    needs = (before["unit_id"] == unit) & (
        (before["stack"] - FIRST - at).between(-design.post, design.pre)
    )
    after = members(design.build(replace(world, y=y).panel, "y"))[["stack", "unit_id", "treated"]]
    left = before[~needs]
    alive = left.groupby("stack")["treated"].transform(lambda d: d.any() and not d.all())
    assert after.to_numpy().tolist() == left[alive.astype(bool)].to_numpy().tolist()


def test_each_fate_has_its_reason() -> None:
    leaders = {
        "stay": "aaaaaaaaaa",
        "fine": "aaaabbbbbb",
        "undated": "aaa.bbbbbb",
        "edge": "abbbbbbbbb",
        "gap": "aaaabb.bbb",
        "missing": "aaaabbbbbb",
        "twice": "aaaabbcccc",
    }
    y = {u: np.random.default_rng(i).normal(size=10) for i, u in enumerate(leaders)}
    y["missing"][2] = np.nan
    found = fates(World(leaders, y), cs.Stacked(pre=2, post=2))
    assert found == {
        ("fine", 4): "used",
        ("undated", 4): UNDATED,
        ("edge", 1): UNSEEN,
        ("gap", 4): UNSEEN,
        ("missing", 4): UNMEASURED,
        ("twice", 4): NOT_ALONE,
        ("twice", 6): NOT_ALONE,
    }


def test_an_event_without_stayers_is_not_used() -> None:
    """When the third changes, nobody looks at the other two any more."""
    leaders = {"one": "aaabbb...", "two": "aaabbb...", "three": "aaaaaaabb"}
    y = {u: np.random.default_rng(i).normal(size=9) for i, u in enumerate(leaders)}
    found = fates(World(leaders, y), cs.Stacked(pre=1, post=1))
    assert found == {("one", 3): "used", ("two", 3): "used", ("three", 7): LONELY}


def test_no_event_says_why() -> None:
    leaders = {"stay": "aaaaaaaa", "edge": "abbbbbbb", "twice": "aaaabccc", "gone": "aaa.bbbb"}
    y = {u: np.random.default_rng(i).normal(size=8) for i, u in enumerate(leaders)}
    with pytest.raises(IdentificationError) as error:
        cs.event_study(panel_of(leaders, y), cs.Stacked(pre=2, post=2), "y")
    assert error.value.code == "no_events"
    assert set(error.value.where) == {f"1 {UNDATED}", f"1 {UNSEEN}", f"2 {NOT_ALONE}"}
    assert "window of -2..+2" in str(error.value)
    assert "isolate=False" in error.value.how
    alone = panel_of({"twice": leaders["twice"]}, {"twice": y["twice"]})
    with pytest.raises(IdentificationError) as error:
        cs.event_study(alone, cs.Stacked(pre=1, post=0), "y")
    assert error.value.where == (f"1 {NOT_ALONE}", f"1 {LONELY}")


def test_a_window_longer_than_the_panel_has_no_event() -> None:
    leaders = {"stay": "aaaa", "once": "aabb"}
    y = {u: np.arange(4.0) for u in leaders}
    with pytest.raises(IdentificationError, match=UNSEEN):
        cs.event_study(panel_of(leaders, y), cs.Stacked(pre=3, post=3), "y")


# --- spells: vacancies, mid-year changes, what opens and closes a record --------------------------

STAY = [("stay", "s", 2000.0, 2013.0), ("stay2", "s", 2000.0, 2013.0)]


def windows_of(panel: cs.Panel, design: cs.Stacked) -> set[tuple[int, str, int]]:
    frame = members(design.build(panel, "y"))
    return {
        (s - FIRST, u, t)
        for s, u, t in frame[["stack", "unit_id", "treated"]].itertuples(index=False)
    }


def unit_spells(*parts: tuple[str, float, float]) -> list[tuple[str, str, float, float]]:
    return [("x", leader, start, stop) for leader, start, stop in parts]


def stacks_of_x(
    spells: list[tuple[str, str, float, float]], design: cs.Stacked, **columns: list[Any]
) -> dict[int, int]:
    """Return the years (from 0) at which x is in a stack, and whether as an event.

    One unit stays and another changes in each year, so that each year has a stack.
    """
    others = [("stay", "s", 2000.0, 2013.0)]
    for j in range(design.pre + 1, 13 - design.post):
        others += [(f"e{j:02d}", "a", 2000.0, 2000.0 + j), (f"e{j:02d}", "b", 2000.0 + j, 2013.0)]
    nothing = {"left_censored": False, "right_censored": False, "entry": np.nan}
    more = {name: [nothing[name]] * len(others) + values for name, values in columns.items()}
    found = windows_of(spells_panel(others + spells, 12, **more), design)
    return {s: t for s, u, t in found if u == "x"}


TWO = cs.Stacked(pre=2, post=2)


def test_a_change_in_mid_year_is_dated_by_the_successors_start() -> None:
    found = stacks_of_x(unit_spells(("a", 2000.0, 2006.4), ("b", 2006.4, 2013.0)), TWO)
    assert found[5] == 1
    assert {s for s, t in found.items() if t == 1} == {5}
    assert not {3, 4, 6, 7} & set(found)


def test_the_vacancy_of_a_change_belongs_to_it_and_to_no_stayer() -> None:
    """The post stands empty in years 4 and 5; the successor comes in year 6."""
    found = stacks_of_x(unit_spells(("a", 2000.0, 2005.0), ("b", 2007.0, 2013.0)), TWO)
    assert found == {6: 1, 9: 0}
    contaminated = unit_spells(("a", 2000.0, 2004.0), ("b", 2004.0, 2006.0), ("c", 2008.0, 2013.0))
    assert 3 not in stacks_of_x(contaminated, TWO), "empty from event time 2 on"
    assert stacks_of_x(contaminated, cs.Stacked(pre=2, post=1))[3] == 1


def test_two_changes_in_one_year_are_one_fate_and_do_not_stand_alone() -> None:
    spells = unit_spells(("a", 2000.0, 2006.0), ("b", 2006.0, 2006.5), ("c", 2006.5, 2013.0))
    assert set(stacks_of_x(spells, TWO)) == {2, 8, 9}
    assert stacks_of_x(spells, replace(TWO, isolate=False)) == {2: 0, 5: 1, 8: 0, 9: 0}
    panel = spells_panel(
        [*STAY, *spells, ("y", "a", 2000.0, 2007.0), ("y", "b", 2007.0, 2013.0)], 12
    )
    sample = TWO.build(panel, "y")
    assert sample.fates.to_numpy().tolist() == [
        ["x", 2006, 2, NOT_ALONE],
        ["y", 2007, 1, "used"],
    ]
    before, last = sample.ledger.steps[-2:]
    assert (before.n_in, before.n_out, last.n_in, last.n_out) == (3, 2, 2, 1)
    loose = replace(TWO, isolate=False).build(panel, "y")
    assert loose.n_contaminated == 1


def test_a_vacancy_may_be_longer_than_the_window_and_end_in_mid_year() -> None:
    long = unit_spells(("a", 2000.0, 2004.0), ("b", 2007.0, 2013.0))
    assert stacks_of_x(long, TWO) == {6: 1, 9: 0}
    into = unit_spells(("a", 2000.0, 2005.0), ("b", 2006.7, 2013.0))
    assert stacks_of_x(into, TWO) == {5: 1, 8: 0, 9: 0}, "b leads for less than half of year 5"


def test_a_panel_whose_frame_was_cut_is_refused() -> None:
    panel = HAND.panel
    for keep in (panel.frame["unit_id"] != "e3", panel.frame["school_year_end"] < FIRST + 4):
        with pytest.raises(SpecError, match="frame does not have the unit-year"):
            cs.event_study(replace(panel, frame=panel.frame[keep]), ONE, "y")


def test_a_leader_who_comes_back_is_no_change_but_no_stayer_while_away() -> None:
    found = stacks_of_x(unit_spells(("a", 2000.0, 2006.0), ("a", 2007.0, 2013.0)), TWO)
    assert set(found.values()) == {0}
    assert set(found) == {2, 8, 9}


def test_a_short_vacancy_does_not_make_a_year_empty() -> None:
    found = stacks_of_x(unit_spells(("a", 2000.0, 2006.7), ("b", 2007.0, 2013.0)), TWO)
    assert found == {2: 0, 3: 0, 6: 1, 9: 0}
    found = stacks_of_x(unit_spells(("a", 2000.0, 2006.3), ("b", 2007.0, 2013.0)), TWO)
    assert found == {2: 0, 6: 1, 9: 0}, "the year before is empty for longer than it is led"


def test_the_start_of_the_first_leader_is_a_change_that_is_no_event() -> None:
    known = unit_spells(("a", 2003.0, 2013.0))
    assert set(stacks_of_x(known, TWO)) == {5, 6, 7, 8, 9}
    censored = stacks_of_x(known, TWO, left_censored=[True])
    assert set(censored) == {4, 5, 6, 7, 8, 9}, "who was there before may have been the same"
    late = stacks_of_x(known, TWO, entry=[2003.3])
    assert set(late) == {5, 6, 7, 8, 9}, "seen from the third month on, and known to be new"
    second = unit_spells(("a", 2003.0, 2005.0), ("b", 2005.0, 2013.0))
    assert 4 not in stacks_of_x(second, TWO)
    assert stacks_of_x(second, TWO, left_censored=[True, False])[4] == 1


def test_a_year_must_be_observed_for_most_of_it() -> None:
    for start, first in ((2003.4, 4), (2003.6, 5)):
        found = stacks_of_x(unit_spells(("a", start, 2013.0)), TWO, left_censored=[True])
        assert min(found) == first
    for stop, last in ((2010.4, 6), (2010.6, 7)):
        found = stacks_of_x(unit_spells(("a", 2000.0, stop)), TWO, right_censored=[True])
        assert max(found) == last


@pytest.mark.parametrize("later", ["a", "b"])
def test_years_in_which_nobody_looked_are_in_no_window(later: str) -> None:
    """Whoever leads after the gap: somebody else may have led in between."""
    spells = unit_spells(("a", 2000.0, 2006.0), (later, 2008.0, 2013.0))
    flags = {"right_censored": [True, False], "left_censored": [False, True]}
    found = stacks_of_x(spells, TWO, **flags)
    assert set(found.values()) == {0}
    assert set(found) == ({2, 9} if later == "a" else {2})
    loose = stacks_of_x(spells, replace(TWO, isolate=False), **flags)
    assert loose == found, "not even where contaminated events are kept"


# --- by hand --------------------------------------------------------------------------------------

HAND = World(
    {"s1": "aaaaaaaa", "s2": "aaaaaaaa", "e1": "aaabbbbb", "e2": "aaabbbbb", "e3": "aaaaabbb"},
    {
        "s1": np.zeros(8),
        "s2": np.array([0.0, 2, 0, 2, 0, 2, 0, 2]),
        "e1": np.array([1.0, 1, 1, 4, 5, 1, 1, 1]),
        "e2": np.array([0.0, 0, 0, 1, 0, 0, 0, 0]),
        "e3": np.array([0.0, 0, 0, 0, 0, 7, 9, 0]),
    },
)
ONE = cs.Stacked(pre=2, post=1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # stack 3: e1 and e2 against s1, s2 and e3; stack 5: e3 against s1 and s2
        # event time -2: -2/3 twice, -1; 0: 7/3, 1/3, 6; +1: 4, 0, 9
        ({}, [-7 / 9, 26 / 9, 13 / 3]),
        # least squares weighs stacks by events x stayers / both: 6/5 and 2/3
        ({"weighting": "ols"}, [-11 / 14, 3.0, 9 / 2]),
        ({"base": cs.BaseYear(-2)}, [7 / 9, 11 / 3, 46 / 9]),
        ({"base": cs.EarlyBase(-2, -2)}, [0.0, 7 / 9, 11 / 3, 46 / 9]),
        ({"base": cs.EarlyBase(-2, -1)}, [-7 / 18, 7 / 18, 59 / 18, 85 / 18]),
    ],
)
def test_effects_equal_those_by_hand(changes: dict[str, object], expected: list[float]) -> None:
    result = cs.event_study(HAND.panel, replace(ONE, **changes), "y")
    np.testing.assert_allclose(result.coef, expected, atol=1e-12)
    support = result.frames["support"]
    assert support.to_numpy().tolist() == [[FIRST + 3, 2, 3], [FIRST + 5, 1, 2]]
    times = [-2, -1, 0, 1]
    base = changes.get("base", cs.BaseYear())
    if isinstance(base, cs.BaseYear):
        times.remove(base.event_time)
        assert result.frames["base"]["event_time"].tolist() == [base.event_time]
    else:
        assert len(result.frames["base"]) == 0
    assert result.keys["event_time"].tolist() == times
    assert result.names == tuple(f"k={k:+d}" for k in times)
    assert (result.keys["n_events"] == 3).all()
    in_base = [isinstance(base, cs.EarlyBase) and base.first <= k <= base.last for k in times]
    assert result.keys["in_base"].tolist() == in_base


def test_lag_adjustment_by_hand() -> None:
    """One stack, one event; y at 0 is 1 + 2 y(-1) - y(-2) for stayers, 5 more for the event."""
    rng = np.random.default_rng(0)
    leaders = {f"s{i}": "aaa" for i in range(6)} | {"e": "aab"}
    y = {u: rng.normal(size=3) for u in leaders}
    for u, v in y.items():
        v[2] = 1 + 2 * v[1] - v[0] + 5 * (u == "e")
    panel = panel_of(leaders, y)
    result = cs.event_study(panel, cs.Stacked(pre=2, post=0, base=cs.LagAdjusted(2)), "y")
    assert result.names == ("k=+0",)
    np.testing.assert_allclose(result.coef, [5.0], atol=1e-12)
    assert not result.keys["in_base"].any()
    assert len(result.frames["base"]) == 0
    one_lag = cs.event_study(panel, cs.Stacked(pre=2, post=0, base=cs.LagAdjusted(1)), "y")
    assert abs(one_lag.coef[0] - 5.0) > 0.05


def test_counts_and_words() -> None:
    result = cs.event_study(HAND.panel, replace(ONE, isolate=False), "y")
    counts = result.glance().iloc[0]
    assert counts["n_events"] == 3
    assert counts["n_changes"] == 3
    assert counts["n_stacks"] == 2
    assert counts["n_units_with_events"] == 3
    assert counts["n_stayer_windows"] == 5
    assert counts["n_units_as_stayers"] == 3
    assert counts["n_contaminated_events"] == 0
    assert counts["n_rows"] == (3 + 5) * 4
    text = result.summary()
    assert "Window: -2..+1; all events, contaminated ones too; controls: stayers." in text
    assert "Base: event time -1." in text
    assert "100% of the 3 unit-years with a change are used." in text
    early = cs.event_study(HAND.panel, replace(ONE, base=cs.EarlyBase(-2, -1)), "y")
    assert "n_contaminated_events" not in early.glance()
    assert "events that stand alone" in early.summary()
    assert "Base: mean of event times -2 to -1." in early.summary()
    lagged = cs.event_study(HAND.panel, replace(ONE, base=cs.LagAdjusted(1)), "y")
    assert "Base: equal outcomes in the 1 years before." in lagged.summary()


def test_contaminated_events_are_counted() -> None:
    leaders = {"s": "aaaaaaaaa", "t": "aaaaaaaaa", "e": "aaaabbbbb", "f": "aaaabcccc"}
    y = {u: np.random.default_rng(i).normal(size=9) for i, u in enumerate(leaders)}
    panel = panel_of(leaders, y)
    loose = cs.Stacked(pre=2, post=2, isolate=False)
    assert loose.build(panel, "y").n_contaminated == 2
    assert cs.event_study(panel, loose, "y").glance()["n_contaminated_events"].item() == 2
    assert cs.event_study(panel, loose, "y").glance()["n_events"].item() == 3
    tight = replace(loose, isolate=True).build(panel, "y")
    assert tight.n_contaminated == 0
    assert tight.support["n_events"].tolist() == [1]


# --- leads, pooled effects, three bases -----------------------------------------------------------


@DRAWS
@given(world=worlds(), weighting=st.sampled_from(["events", "ols"]))
def test_the_leads_are_tested_jointly(world: World, weighting: str) -> None:
    design = cs.Stacked(pre=3, post=1, weighting=weighting)
    result = cs.event_study(world.panel, design, "y")
    (note,) = [n for n in result.description.notes if n.startswith("Joint test")]
    b, v = result.coef[:2], result.vcov[:2, :2]
    f = float(b @ np.linalg.solve(v, b)) / 2
    test = result.wald_test(["k=-3", "k=-2"])
    if not np.isnan(test.statistic):
        np.testing.assert_allclose(test.statistic, f, rtol=1e-6)
    assert note == f"Joint test that all leads are zero: {test}."
    for base in (cs.EarlyBase(-3, -2), cs.LagAdjusted(1)):
        other = cs.event_study(world.panel, replace(design, base=base), "y")
        assert not any(n.startswith("Joint test") for n in other.description.notes)
    only_base = cs.event_study(world.panel, cs.Stacked(pre=1, post=1), "y")
    assert not any(n.startswith("Joint test") for n in only_base.description.notes)


def test_pooled_effect_by_hand() -> None:
    result = cs.event_study(HAND.panel, ONE, "y")
    pooled = cs.pooled_effect(result)
    np.testing.assert_allclose(pooled.coef, [65 / 18], atol=1e-12)
    v = result.vcov
    variance = (v[1, 1] + v[2, 2] + 2 * v[1, 2]) / 4
    np.testing.assert_allclose(pooled.vcov, [[variance]], rtol=1e-12)
    assert pooled.choice.df == result.choice.df
    assert cs.pooled_effect(result, 1, 1, "late").names == ("late",)
    np.testing.assert_allclose(cs.pooled_effect(result, 1, 1).coef, [13 / 3], atol=1e-12)
    np.testing.assert_allclose(cs.pooled_effect(result, 0, 0).coef, [26 / 9], atol=1e-12)
    np.testing.assert_allclose(cs.pooled_effect(result, -2, -2).coef, [-7 / 9], atol=1e-12)
    with pytest.raises(SpecError, match=r"no event time lies in 2 to 5(.|\n)*are -2 to 1"):
        cs.pooled_effect(result, 2, 5)
    with pytest.raises(SpecError, match="has no event times"):
        cs.pooled_effect(pooled)


def test_three_bases_are_the_three_studies() -> None:
    leaders = {f"s{i}": "aaaaaaaaaa" for i in range(5)}
    leaders |= {f"e{i}": "a" * (4 + i) + "b" * (6 - i) for i in range(4)}
    y = {u: np.random.default_rng(i).normal(size=10) for i, u in enumerate(leaders)}
    panel = panel_of(leaders, y)
    design = cs.Stacked(pre=3, post=1)
    bases = cs.three_bases(panel, design, "y", level=0.9)
    chosen = {
        "t-1": cs.BaseYear(),
        "early": cs.EarlyBase(-3, -2),
        "lag-adjusted": cs.LagAdjusted(2),
    }
    assert list(bases.results) == list(chosen)
    for name, base in chosen.items():
        alone = cs.event_study(panel, replace(design, base=base), "y", level=0.9)
        pd.testing.assert_frame_equal(bases.results[name].tidy(), alone.tidy())
        part = bases.frame().query("base == @name")
        assert part["estimate"].tolist() == alone.coef.tolist()
        (pooled,) = bases.pooled().query("base == @name").itertuples()
        assert pooled.estimate == pytest.approx(alone.coef[-2:].mean(), abs=1e-12)
    assert bases.pooled(1)["estimate"].tolist() == pytest.approx(
        [r.coef[-1] for r in bases.results.values()]
    )
    early = bases.results["early"].tidy().set_index("term").loc["k=-1"]
    dip = bases.dip.tidy().iloc[0]
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(dip[columns].astype(float), early[columns].astype(float))
    by_hand = -np.mean(bases.results["t-1"].coef[:2])
    assert dip["estimate"] == pytest.approx(by_hand, abs=1e-12)
    words = bases.regression_to_the_mean()
    side = "below" if by_hand < 0 else "above"
    assert f"{abs(by_hand):.3f} {side} their own early level" in words
    assert "(90% interval" in words
    assert f"base t-1 shows {-by_hand:+.3f}" in words
    assert str(bases) == bases.summary()
    assert len(bases.summary().splitlines()) == 5
    assert bases.plot().axes


def test_three_bases_take_other_early_years_and_lags() -> None:
    leaders = {f"s{i}": "aaaaaaaa" for i in range(5)} | {"e": "aaaabbbb", "f": "aaaaabbb"}
    y = {u: np.random.default_rng(i).normal(size=8) for i, u in enumerate(leaders)}
    panel = panel_of(leaders, y)
    design = cs.Stacked(pre=3, post=1)
    bases = cs.three_bases(panel, design, "y", early=cs.EarlyBase(-3, -3), lags=1)
    early = cs.event_study(panel, replace(design, base=cs.EarlyBase(-3, -3)), "y")
    lagged = cs.event_study(panel, replace(design, base=cs.LagAdjusted(1)), "y")
    assert bases.results["early"].coef.tolist() == early.coef.tolist()
    assert bases.results["lag-adjusted"].coef.tolist() == lagged.coef.tolist()
    with pytest.raises(SpecError, match="pre of at least 2"):
        cs.three_bases(panel, cs.Stacked(pre=1, post=1), "y")


# --- requests that can't be met -------------------------------------------------------------------


def test_a_bad_design_lists_all_its_faults() -> None:
    with pytest.raises(SpecError) as error:
        cs.Stacked(
            pre=0,
            post=-1,
            controls="never",
            weighting="cells",
            base=cs.BaseYear(0),  # type: ignore[arg-type]
        )
    assert error.value.code == "stacked"
    assert len(error.value.where) == 4
    for words in ("pre=0, post=-1", "'never'", "'cells'", "base year 0"):
        assert words in str(error.value)


@pytest.mark.parametrize(("pre", "post"), [(0, 1), (1, -1)])
def test_a_window_needs_a_year_before_and_the_year_of_the_change(pre: int, post: int) -> None:
    with pytest.raises(SpecError) as error:
        cs.Stacked(pre=pre, post=post)
    assert f"pre={pre}, post={post}: pre is at least 1, post at least 0" in error.value.where
    assert cs.Stacked(pre=1, post=0).years.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (cs.BaseYear(-4), "base year -4 lies outside -3 to -1"),
        (cs.BaseYear(0), "base year 0 lies outside -3 to -1"),
        (cs.EarlyBase(-4, -2), "early base -4 to -2 lies outside -3 to -1"),
        (cs.EarlyBase(-2, -3), "early base -2 to -3 lies outside -3 to -1"),
        (cs.EarlyBase(-2, 0), "early base -2 to 0 lies outside -3 to -1"),
        (cs.LagAdjusted(4), "4 lags do not fit into pre=3 years"),
        (cs.LagAdjusted(0), "0 lags do not fit into pre=3 years"),
    ],
)
def test_a_base_must_lie_in_the_window(base: object, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        cs.Stacked(pre=3, post=1, base=base)  # type: ignore[arg-type]


def test_the_ends_of_the_window_may_be_the_base() -> None:
    for base in (cs.BaseYear(-3), cs.EarlyBase(-3, -1), cs.LagAdjusted(3), cs.LagAdjusted(1)):
        assert cs.Stacked(pre=3, post=0, base=base).years.tolist() == [-3, -2, -1, 0]


def test_clusters_come_from_the_panel() -> None:
    panel = HAND.panel
    state = (
        panel.frame["unit_id"]
        .map({"s1": "x", "s2": "x", "e1": "y", "e2": "y", "e3": "z"})
        .rename("state")
    )
    panel = replace(panel, frame=panel.frame.assign(state=state))
    result = cs.event_study(panel, ONE, "y", vcov=cs.Cluster("state"), clusters=("leader_id",))
    assert result.choice.n_clusters == {"state": 3}
    assert result.with_vcov(cs.Cluster("unit_id")).choice.n_clusters == {"unit_id": 5}
    assert result.with_vcov(cs.Cluster("leader_id")).choice.n_clusters == {"leader_id": 8}
    (codes,) = [result.fit.design.clusters["state"]]
    assert (
        codes.tolist()
        == panel.frame["state"]
        .map({"x": 0, "y": 1, "z": 2})
        .to_numpy()[result.fit.design.rows]
        .tolist()
    )
    with pytest.raises(SpecError) as error:
        cs.event_study(panel, ONE, "y", clusters=("county", "state", "tract"))
    assert error.value.where == ("county", "tract")
    partly = replace(panel, frame=panel.frame.assign(state=state.where(state != "z")))
    with pytest.raises(SpecError, match="'state' in 8 rows"):
        cs.event_study(partly, ONE, "y", vcov=cs.Cluster("state"))


def test_the_outcome_must_be_a_number_of_the_panel() -> None:
    with pytest.raises(SpecError, match=r"no column 'score'(.|\n)*its measures are: y"):
        cs.event_study(HAND.panel, ONE, "score")
    with pytest.raises(SpecError, match="'leader_id' is no number"):
        cs.event_study(HAND.panel, ONE, "leader_id")


def test_the_panel_is_not_changed() -> None:
    panel = HAND.panel
    before = [panel.frame.copy(), panel.events.copy(), panel.spells.copy()]
    cs.three_bases(panel, ONE, "y")
    for frame, copy in zip((panel.frame, panel.events, panel.spells), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)
