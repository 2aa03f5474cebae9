"""Distributed lags against dummies written out by loops, a case by hand, and their theorem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.estimators.distributed_lags import DistributedLags
from spec.recurring_panels import FIRST, World, changed, clustered, random_world, regression

CLUSTERS = cs.Cluster("unit_id", small_sample="clusters")
SAME = {"rtol": 1e-9, "atol": 1e-11}


def rows_in_use(world: World, pre: int, post: int) -> list[tuple[str, int, int]]:
    """Return unit, year and stretch of each row, year by year."""
    found = []
    for unit, leaders in world.leaders.items():
        stretch, last = 0, None
        for t in range(len(leaders)):
            ends = range(t - post, t + pre)
            if min(ends) < 0 or max(ends) >= len(leaders) or leaders[t] == ".":
                continue
            if np.isnan(world.columns["y"][unit][t]):
                continue
            if any(changed(leaders, s) is None for s in ends[1:]):
                continue
            if last is not None and any(
                changed(leaders, s) is None for s in range(last - post + 1, t + pre)
            ):
                stretch += 1
            found.append((unit, t, stretch))
            last = t
    stretches = [(u, s) for u, _, s in found]
    return [row for row in found if stretches.count((row[0], row[2])) > 1]


def lags_of(world: World, unit: str, t: int, pre: int, post: int) -> list[float]:
    leaders = world.leaders[unit]
    moves = [bool(changed(leaders, s)) for s in range(len(leaders))]
    row = [float(sum(moves[s] for s in range(len(moves)) if s >= t + pre))]
    row += [float(moves[t - k]) for k in range(-pre + 1, post)]
    row += [float(sum(moves[s] for s in range(len(moves)) if s <= t - post))]
    return row


def by_loops(world: World, pre: int, post: int, full: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Return estimates, clustered covariance and the number of rows."""
    rows = rows_in_use(world, pre, post)
    column = {name: np.array([v[u][t] for u, t, _ in rows]) for name, v in world.columns.items()}
    x = np.array([lags_of(world, u, t, pre, post) for u, t, _ in rows])
    x = np.delete(x, pre - 1, axis=1)
    n_terms = x.shape[1]
    effects: list[list[object]] = [[(u, s) for u, _, s in rows], [t for _, t, _ in rows]]
    weights = np.ones(len(rows))
    if full:
        x = np.column_stack([x, column["poverty"]])
        effects.append([(t, r) for (_, t, _), r in zip(rows, column["region"], strict=True)])
        weights = column["students"]
    coef, influence = regression(column["y"].astype(float), x, effects, weights)
    vcov = clustered(influence, [u for u, _, _ in rows])
    return coef[:n_terms], vcov[:n_terms, :n_terms], len(rows)


FULL = {"covariates": "poverty", "effects": ("region^school_year_end",), "weights": "students"}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("pre", "post"), [(2, 2), (3, 1), (1, 3), (1, 0)])
@pytest.mark.parametrize("full", [False, True], ids=["plain", "full"])
def test_the_same_as_dummies_by_loops(seed: int, pre: int, post: int, full: bool) -> None:
    world = random_world(seed, n_units=30)
    options = FULL if full else {}
    result = cs.event_study(world.panel, DistributedLags(pre, post), "y", vcov=CLUSTERS, **options)
    coef, vcov, n_rows = by_loops(world, pre, post, full)
    np.testing.assert_allclose(result.coef, coef, **SAME)
    np.testing.assert_allclose(result.vcov, vcov, **SAME)
    assert result.glance()["n_rows"].item() == n_rows
    assert result.names == tuple(f"k={k:+d}" for k in range(-pre, post + 1) if k != -1)


def test_the_default_factor_counts_terms_and_years() -> None:
    world = random_world(4)
    result = cs.event_study(world.panel, DistributedLags(2, 2), "y")
    _, vcov, n = by_loops(world, 2, 2, full=False)
    n_years = len({t for _, t, _ in rows_in_use(world, 2, 2)})
    np.testing.assert_allclose(result.vcov, vcov * (n - 1) / (n - 4 - n_years), **SAME)


@pytest.mark.parametrize(("pre", "post"), [(2, 2), (3, 2), (1, 1)])
def test_sums_of_distributed_lags_in_levels_are_the_effects(pre: int, post: int) -> None:
    """Theorem of Schmidheiny and Siegloch: levels of treatment, one lead less, summed from -1."""
    world = random_world(5, n_units=30)
    rows = rows_in_use(world, pre, post)
    y = np.array([world.columns["y"][u][t] for u, t, _ in rows])
    levels = []
    for u, t, _ in rows:
        moves = [bool(changed(world.leaders[u], s)) for s in range(len(world.leaders[u]))]
        levels.append([float(sum(moves[: t - k + 1])) for k in range(1 - pre, post + 1)])
    effects: list[list[object]] = [[(u, s) for u, _, s in rows], [t for _, t, _ in rows]]
    delta, _ = regression(y, np.array(levels), effects, np.ones(len(rows)))
    up = dict(zip(range(1 - pre, post + 1), delta, strict=True))
    expected = [-sum(up[j] for j in range(k + 1, 0)) for k in range(-pre, -1)]
    expected += [sum(up[j] for j in range(k + 1)) for k in range(post + 1)]
    found = cs.event_study(world.panel, DistributedLags(pre, post), "y").coef
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_three_units_by_hand() -> None:
    """Numbers of changes so far, s: 0 0 0, e: 0 1 1, f: 0 1 2, less means of units and years.

    These are, in ninths, s: 5 -1 -4, e: -1 2 -1, f: -4 -1 5, with squares 90/81. Their products
    with outcomes add up to 0 + 4/9 + 24/9, so that one change more is worth 2.8.
    """
    y = {"s": [1.0, 1.0, 1.0], "e": [0.0, 3.0, 2.0], "f": [5.0, 6.0, 10.0]}
    world = World(
        {"s": "aaa", "e": "abb", "f": "abc"}, {"y": {u: np.array(v) for u, v in y.items()}}
    )
    result = cs.event_study(world.panel, DistributedLags(pre=1, post=0), "y", vcov=cs.Classical())
    np.testing.assert_allclose(result.coef, [2.8], rtol=1e-12)
    glance = result.glance().iloc[0]
    assert (glance["n_events"], glance["n_units"], glance["n_units_without_change"]) == (3, 3, 1)
    assert result.tidy()["n_events"].tolist() == [3]


def test_two_changes_in_one_year_count_twice() -> None:
    spells = {
        "unit_id": ["s", "e", "e", "e", "f", "f"],
        "leader_id": list("abcdef"),
        "start": [2000.0, 2000.0, 2001.1, 2001.6, 2000.0, 2001.2],
        "stop": [2002.0, 2001.1, 2001.6, 2002.0, 2001.2, 2002.0],
    }
    panel = cs.Panel.build(cs.Tenures.from_spells(pd.DataFrame(spells), role="head"))
    y = {("s", 0): 1.0, ("s", 1): 1.0, ("f", 0): 0.0, ("f", 1): 2.0, ("e", 0): 0.0, ("e", 1): 6.0}
    frame = panel.frame
    first = int(frame["school_year_end"].min())
    values = [
        y[u, t - first] for u, t in zip(frame["unit_id"], frame["school_year_end"], strict=True)
    ]
    panel = replace(panel, frame=frame.assign(y=values))
    result = cs.event_study(panel, DistributedLags(pre=1, post=0), "y", vcov=cs.Robust("HC0"))
    # differences 0, 2, 6 on 0, 1, 2 changes: slope 3
    np.testing.assert_allclose(result.coef, [3.0], rtol=1e-12)


def test_a_unit_with_a_gap_is_two_units() -> None:
    world = random_world(6, n_units=20)
    leaders = dict(world.leaders) | {"gap": "aabbb.cccdde"}
    y = dict(world.columns["y"]) | {"gap": np.arange(12.0) ** 2}
    one = World(dict(leaders), {"y": y})
    del leaders["gap"]
    leaders |= {"gap1": "aabbb.......", "gap2": "......cccdde"}
    two = World(leaders, {"y": y | dict.fromkeys(["gap1", "gap2"], y["gap"])})
    results = [cs.event_study(w.panel, DistributedLags(1, 2), "y") for w in (one, two)]
    np.testing.assert_allclose(results[0].coef, results[1].coef, **SAME)
    sizes = [r.glance().iloc[0] for r in results]
    assert sizes[0]["n_stretches"] == sizes[1]["n_stretches"]
    assert sizes[0]["n_units"] == sizes[1]["n_units"] - 1


def test_what_a_bin_holds_in_all_rows_does_not_matter() -> None:
    """A change two years before the first row in use is in that unit's effect."""
    world = random_world(7, n_units=20)
    y = dict(world.columns["y"]) | {"v": np.where(np.arange(12) < 3, np.nan, np.arange(12) % 5)}
    early = World(dict(world.leaders) | {"v": "abbbbbbbbccc"}, {"y": y})
    never = World(dict(world.leaders) | {"v": "bbbbbbbbbccc"}, {"y": y})
    found = [cs.event_study(w.panel, DistributedLags(2, 2), "y").coef for w in (early, never)]
    np.testing.assert_allclose(found[0], found[1], **SAME)


def test_rows_and_changes_are_counted() -> None:
    leaders = {"s": "aaaaaaaa", "e": "aaabbbbb", "f": "aaaabbcc", "g": "abb.ccdd", "h": "aaaaab.."}
    rng = np.random.default_rng(1)
    y = {u: rng.normal(size=8) for u in leaders}
    y["s"][4] = np.nan
    result = cs.event_study(World(leaders, {"y": y}).panel, DistributedLags(2, 2), "y")
    # e and f have all changes from t - 1 to t + 1 in years 3 to 7 of eight, s has no outcome in
    # one of these, g has year 7 alone, h years 3 to 5 of six
    lost = result.ledger.frame().query("step == 'leads and lags'").set_index("reason")["n_lost"]
    assert lost.to_dict() == {
        "without y": 1,
        "with leads or lags that are not known": 3 + 3 + 3 + 6 + 3,
        "without a second row of their stretch": 1,
    }
    assert result.glance()["n_rows"].item() == 4 + 5 + 5 + 3
    fates = result.frames["fates"].set_index(["unit_id", "school_year_end"])["fate"].to_dict()
    outside = "not in reach of a row in use"
    assert fates == {
        ("e", FIRST + 3): "used",
        ("f", FIRST + 4): "used",
        ("f", FIRST + 6): "used",
        ("g", FIRST + 1): outside,
        ("g", FIRST + 4): "with a date that is not known",
        ("g", FIRST + 6): outside,
        ("h", FIRST + 5): "used",
    }
    # at the ends those that come or go: f's and h's changes at -2, e's and f's first at +2
    keys = result.tidy().set_index("event_time")["n_events"].to_dict()
    assert keys == {-2: 3, 0: 3, 1: 2, 2: 2}
    assert result.frames["base"]["n_events"].tolist() == [4]
    support = result.frames["support"].set_index("school_year_end")
    assert support["n_units"].tolist() == [4, 4, 3, 3, 3]
    assert support["n_changes"].tolist() == [0, 1, 1, 0, 1]


def test_what_is_said_of_it() -> None:
    text = cs.event_study(random_world(8).panel, DistributedLags(2, 1), "y", **FULL).summary()
    for words in (
        "Window: -2..+1, its ends stand for all years beyond them. Base: event time -1.",
        "Absorbed: unit_id^stretch, region^school_year_end.",
        "Covariates: poverty.",
        "Weighted by students.",
        "Joint test that all leads are zero",
        "with leads or lags that are not known",
    ):
        assert words in text


@pytest.mark.parametrize(("pre", "post"), [(0, 1), (1, -1)])
def test_a_bad_window_is_refused(pre: int, post: int) -> None:
    with pytest.raises(SpecError, match=f"pre={pre}, post={post}: pre is at least 1"):
        DistributedLags(pre, post)


def test_what_the_data_cannot_tell_is_refused() -> None:
    rng = np.random.default_rng(2)

    def world(*leaders: str) -> cs.Panel:
        rosters = {f"u{i}": s for i, s in enumerate(leaders)}
        return World(rosters, {"y": {u: rng.normal(size=8) for u in rosters}}).panel

    some = world("aaaaaaaa", "aaabbbbb", "aaaaabbb")
    with pytest.raises(IdentificationError, match=r"window of -5\.\.\+5(.|\n)*8 school years"):
        cs.event_study(some, DistributedLags(5, 5), "y")
    with pytest.raises(IdentificationError, match="no change falls into a window"):
        cs.event_study(world("aaaaaaaa", "aaaaaaaa"), DistributedLags(2, 2), "y")
    with pytest.raises(IdentificationError, match="spanned by the effects") as error:
        cs.event_study(world("aaaabbbb", "aaaabbbb", "aaaabbbb"), DistributedLags(2, 1), "y")
    assert error.value.where == ("k=-2", "k=+0", "k=+1")
    with pytest.raises(SpecError, match="no such columns") as missing:
        cs.event_study(some, DistributedLags(1, 1), "y", covariates="wealth", weights="size")
    assert missing.value.where == ("wealth", "size")
    with pytest.raises(SpecError, match="'leader_id' holds"):
        cs.event_study(some, DistributedLags(1, 1), "leader_id")
    here = replace(some, frame=some.frame.assign(town="a"))
    with pytest.raises(IdentificationError, match="only one cluster in town"):
        cs.event_study(here, DistributedLags(1, 1), "y", vcov=cs.Cluster("town"))
    zero = replace(some, frame=some.frame.assign(w=0.0))
    with pytest.raises(SpecError, match=r"no row is left(.|\n)*with weight zero"):
        cs.event_study(zero, DistributedLags(1, 1), "y", weights="w")
