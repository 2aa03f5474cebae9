"""Local projections against every comparison written out, and against stacks of the same rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.estimators.local_projections import LocalProjections
from spec.recurring_panels import (
    FIRST,
    World,
    changed,
    clustered,
    complete,
    random_world,
    regression,
)

CLUSTERS = cs.Cluster("unit_id", small_sample="clusters")
SAME = {"rtol": 1e-9, "atol": 1e-11}


@dataclass(frozen=True)
class Difference:
    """One long difference of one unit."""

    unit: str
    t: int
    h: int
    treated: bool
    dy: float
    group: str
    weight: float
    poverty: float


def moves_in(leaders: str, first: int, last: int) -> int | None:
    """Count changes from one year to another; None where a year is outside or not observed.

    Another leader after a gap than before it is a change, though one without a date.
    """
    if first < 0 or last >= len(leaders) or "." in leaders[first : last + 1]:
        return None
    count = 0
    for s in range(first, last + 1):
        before = leaders[:s].replace(".", "")
        count += bool(before) and before[-1] != leaders[s]
    return count


def differences(
    world: World,
    h: int,
    clean: int,
    isolate: bool,
    base: tuple[int, ...],
    grouped: bool,
    covered: bool,
) -> list[Difference]:
    """Return those of all changes and controls that can be compared at one event time."""
    found = []
    for unit, leaders in world.leaders.items():
        y = np.where([c == "." for c in leaders], np.nan, world.columns["y"][unit])
        for t in range(1, len(leaders)):
            years = [t + h, *(t + k for k in base)]
            if min(years) < 0 or max(years) >= len(leaders):
                continue
            through = moves_in(leaders, t - clean, t + max(h, 0))
            before = moves_in(leaders, t - clean, t)
            now = changed(leaders, t)
            treated = bool(now) and (through if isolate else before) == 1
            if not treated and through != 0:
                continue
            dy = y[t + h] - np.mean([y[t + k] for k in base])
            if np.isnan(dy):
                continue
            group = str(world.columns["region"][unit][t]) if grouped else ""
            weight = float(world.columns["students"][unit][t]) if covered else 1.0
            poverty = float(world.columns["poverty"][unit][t - 1])
            found.append(Difference(unit, t, h, treated, float(dy), group, weight, poverty))
    cells = {(d.t, d.group) for d in found if d.treated}
    cells &= {(d.t, d.group) for d in found if not d.treated}
    return [d for d in found if (d.t, d.group) in cells]


def mean_of_comparisons(rows: list[Difference]) -> float:
    """Return the mean over changes of each one's difference from the mean of its controls."""
    total = size = 0.0
    for d in rows:
        if d.treated:
            others = [c for c in rows if (c.t, c.group) == (d.t, d.group) and not c.treated]
            control = sum(c.weight * c.dy for c in others) / sum(c.weight for c in others)
            total, size = total + d.weight * (d.dy - control), size + d.weight
    return total / size


def weights_by_loops(rows: list[Difference], weighting: str) -> np.ndarray:
    weights = []
    for d in rows:
        cell = [c for c in rows if (c.t, c.group) == (d.t, d.group)]
        share = sum(c.weight for c in cell if c.treated)
        share /= sum(c.weight for c in cell if not c.treated)
        weights.append(d.weight * (share if weighting == "events" and not d.treated else 1.0))
    return np.array(weights)


def by_loops(
    world: World, design: LocalProjections, base: tuple[int, ...], full: bool
) -> tuple[list[float], np.ndarray, list[list[Difference]]]:
    """Return one regression an event time, and the covariance of all by unit."""
    times = [h for h in range(-design.pre, design.post + 1) if h != base[0] or len(base) > 1]
    clean = design.clean_years or design.pre
    every = [differences(world, h, clean, design.isolate, base, full, full) for h in times]
    units = sorted(world.leaders)
    coefs, moved = [], np.zeros((len(units), len(times)))
    for j, rows in enumerate(every):
        x = np.array([[float(d.treated), *([d.poverty] if full else [])] for d in rows])
        cells: list[list[object]] = [[(d.t, d.group) for d in rows]]
        weights = weights_by_loops(rows, design.weighting)
        coef, influence = regression(np.array([d.dy for d in rows]), x, cells, weights)
        coefs.append(float(coef[0]))
        for i, unit in enumerate(units):
            moved[i, j] = influence[[d.unit == unit for d in rows], 0].sum()
    used = sorted({d.unit for rows in every for d in rows})
    kept = [units.index(u) for u in used]
    return coefs, clustered(moved[kept], used), every


FULL: dict[str, Any] = {
    "covariates": "poverty",
    "effects": ("region",),
    "weights": "students",
}
DESIGNS = {
    "default": (LocalProjections(2, 2), (-1,)),
    "not isolated": (LocalProjections(2, 2, isolate=False), (-1,)),
    "fewer clean years": (LocalProjections(3, 1, clean_years=1), (-1,)),
    "more clean years": (LocalProjections(1, 2, clean_years=3), (-1,)),
    "mean before": (LocalProjections(2, 2, base=cs.EarlyBase(-2, -1)), (-2, -1)),
    "other base year": (LocalProjections(3, 1, base=cs.BaseYear(-2)), (-2,)),
    "least squares": (LocalProjections(2, 1, weighting="ols"), (-1,)),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("full", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("name", DESIGNS)
def test_the_same_as_regressions_by_loops(name: str, full: bool, seed: int) -> None:
    world = random_world(seed, n_units=36)
    design, base = DESIGNS[name]
    result = cs.event_study(world.panel, design, "y", vcov=CLUSTERS, **(FULL if full else {}))
    coefs, vcov, every = by_loops(world, design, base, full)
    np.testing.assert_allclose(result.coef, coefs, **SAME)
    np.testing.assert_allclose(result.vcov, vcov, **SAME)
    assert result.tidy()["n_events"].tolist() == [sum(d.treated for d in r) for r in every]
    assert result.glance()["n_rows"].item() == sum(map(len, every))
    support = result.frames["support"]
    assert support["n_controls"].tolist() == [sum(not d.treated for d in r) for r in every]
    assert support["n_cells"].tolist() == [len({(d.t, d.group) for d in r}) for r in every]


@pytest.mark.parametrize("name", [n for n in DESIGNS if n != "least squares"])
@pytest.mark.parametrize("grouped", [False, True], ids=["all", "by group"])
def test_the_mean_over_changes_of_all_comparisons(name: str, grouped: bool) -> None:
    world = random_world(3, n_units=36)
    design, base = DESIGNS[name]
    options: dict[str, Any] = (
        {"effects": ("region^school_year_end",), "weights": "students"} if grouped else {}
    )
    result = cs.event_study(world.panel, design, "y", **options)
    clean = design.clean_years or design.pre
    expected = [
        mean_of_comparisons(differences(world, h, clean, design.isolate, base, grouped, grouped))
        for h in result.tidy()["event_time"]
    ]
    np.testing.assert_allclose(result.coef, expected, **SAME)


@pytest.mark.parametrize("weighting", ["events", "ols"])
@pytest.mark.parametrize("h", [0, 1, 2])
def test_at_its_last_event_time_it_is_the_stacked_design(
    h: int, weighting: Literal["events", "ols"]
) -> None:
    """With all outcomes known both have the same changes and controls there.

    Errors are compared without a factor: at earlier event times there may be more units.
    """
    panel = complete(random_world(4, n_units=36)).panel
    plain = cs.Cluster("unit_id", small_sample="none")
    one = cs.event_study(
        panel, LocalProjections(pre=2, post=h, weighting=weighting), "y", vcov=plain
    )
    other = cs.event_study(panel, cs.Stacked(pre=2, post=h, weighting=weighting), "y", vcov=plain)
    np.testing.assert_allclose(one.coef[-1], other.coef[-1], **SAME)
    np.testing.assert_allclose(one.vcov[-1, -1], other.vcov[-1, -1], **SAME)
    assert one.tidy()["n_events"].iloc[-1] == other.tidy()["n_events"].iloc[-1]


def test_where_windows_are_the_same_so_is_all_of_it() -> None:
    """Changes of one year, and units that change before or after it never: one stack."""
    leaders = {f"s{i}": "aaaaaa" for i in range(4)} | {f"e{i}": "aaabbb" for i in range(3)}
    y = {u: np.random.default_rng(i).normal(size=6) for i, u in enumerate(leaders)}
    panel = World(leaders, {"y": y}).panel
    one = cs.event_study(panel, LocalProjections(3, 2), "y", vcov=CLUSTERS)
    other = cs.event_study(panel, cs.Stacked(pre=3, post=2), "y", vcov=CLUSTERS)
    np.testing.assert_allclose(one.coef, other.coef, **SAME)
    np.testing.assert_allclose(one.vcov, other.vcov, **SAME)


def hand() -> World:
    leaders = {"s": "aaaaaaa", "v": "aaaaaaa", "e": "aaabbbb", "f": "aaabbcc", "g": "aabbbbb"}
    y = {
        "s": [0.0, 1, 1, 2, 2, 5, 5],
        "v": [1.0, 1, 3, 2, 4, 5, 5],
        "e": [2.0, 2, 2, 7, 8, 9, 1],
        "f": [3.0, 1, 1, 2, 6, 7, 8],
        "g": [0.0, 3, 1, 1, 1, 1, 1],
    }
    return World(leaders, {"y": {u: np.array(v) for u, v in y.items()}})


def test_a_panel_by_hand() -> None:
    """One clean year, base t-1. Every difference from it, changes against means of controls:

    ======  ====  =====  ===================  =====  ===================
    change  year  at 0   controls             at +1  controls
    ======  ====  =====  ===================  =====  ===================
    e       4     +5     s +1, v -1           +6     s +1, v +1
    f       4     +1     s +1, v -1           +5     s +1, v +1
    g       3     -2     s 0, v +2, e 0, f 0  -2     s +1, v +1
    f       6     +1     s +3, v +1, e +1, g  +2     s +3, v +1, e -7, g
    ======  ====  =====  ===================  =====  ===================

    In year 6 g has 0 at both. g is no control in year 4, since it changed in year 3; e and f are
    none of g at +1, since they change in year 4.
    """
    result = cs.event_study(hand().panel, LocalProjections(1, 1), "y")
    at_0 = [5 - 0, 1 - 0, -2 - 2 / 4, 1 - 5 / 4]
    at_1 = [6 - 1, 5 - 1, -2 - 1, 2 + 3 / 4]
    np.testing.assert_allclose(result.coef, [sum(at_0) / 4, sum(at_1) / 4], rtol=1e-12)
    assert result.frames["support"]["n_controls"].tolist() == [2 + 4 + 4, 2 + 2 + 4]


def test_a_change_is_used_up_to_the_next_or_at_all_event_times() -> None:
    panel = hand().panel
    n = {}
    for isolate in (True, False):
        result = cs.event_study(panel, LocalProjections(1, 2, isolate=isolate), "y")
        n[isolate] = result.tidy()["n_events"].tolist()
    assert n == {True: [4, 4, 2], False: [4, 4, 3]}


def test_changes_and_comparisons_are_counted() -> None:
    world = hand()
    leaders = dict(world.leaders) | {"h": "abcdddd", "i": "aaa.bbb", "j": "aaaaaab"}
    y = dict(world.columns["y"]) | {u: np.arange(7.0) for u in "hij"}
    y["j"] = np.r_[np.arange(5.0), np.nan, 2.0]
    result = cs.event_study(World(leaders, {"y": y}).panel, LocalProjections(1, 1), "y")
    fates = result.frames["fates"].set_index(["unit_id", "school_year_end"])
    assert fates["n_event_times"].sum() == result.tidy()["n_events"].sum()
    found = fates["fate"].to_dict()
    assert found["h", FIRST + 1] == "used"
    assert found["h", FIRST + 2] == found["h", FIRST + 3] == "in windows with another change"
    assert found["j", FIRST + 6] == "with missing outcomes or columns"
    steps = {s.name: s for s in result.ledger.steps}
    step = steps["local projections"]
    assert step.n_in == len(fates)
    assert step.n_out == (fates["fate"] == "used").sum() == result.glance()["n_events"].item()
    assert steps["comparisons"].n_out == result.glance()["n_rows"].item()
    assert set(steps["comparisons"].lost) <= {
        "without y in one of their years",
        "of changes without a control",
        "of controls without a change",
    }
    assert "of controls without a change" in steps["comparisons"].lost


def test_a_year_without_a_leader_makes_no_control() -> None:
    def panel(v_is_back: float) -> cs.Panel:
        spells = pd.DataFrame(
            [
                ("e", "a", 2000.0, 2003.0),
                ("e", "b", 2003.0, 2006.0),
                ("s", "c", 2000.0, 2006.0),
                ("t", "f", 2000.0, 2006.0),
                ("v", "d", 2000.0, 2003.0),
                ("v", "d", v_is_back, 2006.0),
            ],
            columns=["unit_id", "leader_id", "start", "stop"],
        )
        made = cs.Panel.build(cs.Tenures.from_spells(spells, role="head"))
        return replace(made, frame=made.frame.assign(y=np.arange(len(made.frame)) ** 1.5))

    for v_is_back, n_controls in ((2003.0, 3), (2004.0, 2)):
        result = cs.event_study(
            panel(v_is_back), LocalProjections(1, 1), "y", vcov=cs.Cluster("unit_id", "none")
        )
        assert result.frames["support"]["n_controls"].tolist() == [n_controls] * 2


def test_what_is_said_of_it() -> None:
    world = random_world(5, n_units=36)
    text = cs.event_study(world.panel, LocalProjections(2, 1), "y", **FULL).summary()
    for words in (
        "controls: no change in the 2 years before and up to each event time",
        "changes: none in the 2 years before, used up to the next change. Base: event time -1.",
        "Weights: mean over changes.",
        "unit-years with a change are used.",
        "Compared within event_time^school_year_end^region.",
        "Covariates of the year before: poverty.",
        "Weighted by students.",
        "Joint test that all leads are zero",
    ):
        assert words in text
    design = LocalProjections(2, 1, 3, False, cs.EarlyBase(-2, -1), "ols")
    text = cs.event_study(world.panel, design, "y").summary()
    assert "none in the 3 years before, used at all event times, whatever follows." in text
    assert "Base: mean of event times -2 to -1. Weights: least squares." in text
    assert "Joint test" not in text


def test_a_bad_design_lists_all_its_faults() -> None:
    with pytest.raises(SpecError) as error:
        LocalProjections(0, -1, 0, True, cs.LagAdjusted(), "cells")  # type: ignore[arg-type]
    assert len(error.value.where) == 4
    for words in ("pre=0, post=-1", "clean_years=0", "'cells'", "BaseYear or EarlyBase"):
        assert words in str(error.value)


@pytest.mark.parametrize(
    "base",
    [cs.BaseYear(-4), cs.BaseYear(0), cs.EarlyBase(-4, -2), cs.EarlyBase(-2, -3)],
)
def test_a_base_must_lie_in_the_window(base: Any) -> None:
    with pytest.raises(SpecError, match="does not lie within -3 to -1"):
        LocalProjections(3, 1, base=base)


def test_what_the_data_cannot_tell_is_refused() -> None:
    rng = np.random.default_rng(2)

    def panel(*leaders: str) -> cs.Panel:
        rosters = {f"u{i}": s for i, s in enumerate(leaders)}
        return World(rosters, {"y": {u: rng.normal(size=8) for u in rosters}}).panel

    some = panel("aaaaaaaa", "aaabbbbb", "aaaaabbb", "aaaabbbb")
    with pytest.raises(IdentificationError, match=r"-5\.\.\+3 is longer than the panel's 8"):
        cs.event_study(some, LocalProjections(5, 3), "y")
    with pytest.raises(IdentificationError, match=r"-4\.\.\+4 is longer than the panel's 8"):
        cs.event_study(some, LocalProjections(1, 4, clean_years=4), "y")
    with pytest.raises(IdentificationError) as none:
        cs.event_study(panel("aaaaaaaa", "aaaaaaaa"), LocalProjections(1, 1), "y")
    assert none.value.code == "no_events"
    with pytest.raises(
        IdentificationError, match=r"at event times \+0, \+1(.|\n)*controls"
    ) as all_:
        cs.event_study(panel("aaaabbbb", "aaaabbbb"), LocalProjections(1, 1), "y")
    assert all_.value.code == "no_controls"
    with pytest.raises(SpecError, match="no such columns"):
        cs.event_study(some, LocalProjections(1, 1), "score")
    with pytest.raises(SpecError, match="'leader_id' holds"):
        cs.event_study(some, LocalProjections(1, 1), "leader_id")
    here = replace(some, frame=some.frame.assign(town="a"))
    with pytest.raises(IdentificationError, match="only one cluster in town"):
        cs.event_study(here, LocalProjections(1, 1), "y", vcov=cs.Cluster("town"))
    zero = replace(some, frame=some.frame.assign(w=0.0))
    with pytest.raises(SpecError, match=r"no row is left(.|\n)*with weight zero"):
        cs.event_study(zero, LocalProjections(1, 1), "y", weights="w")
