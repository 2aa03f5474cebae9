"""Weights, covariates, effects, groups and moderators of stacked windows, against dummies.

The reference finds windows in rosters written as one string a unit ("aaabbb" changes its leader
once), writes every dummy out, and solves by numpy's least squares; it knows nothing of the
package. Tolerance: 1e-9, of sums in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError

FIRST, PRE, POST = 2001, 2, 1
TIMES = (-2, 0, 1)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
WITHOUT_WEIGHT = "without a weight at event time -1"


def rosters(n_events: int = 12, n_stayers: int = 9, n_years: int = 7) -> dict[str, str]:
    """Return events in years 2 to 5, so that some windows leave the years, and stayers."""
    changing = {
        f"e{i:02d}": "a" * (2 + i % 4) + "b" * (n_years - 2 - i % 4) for i in range(n_events)
    }
    return {**changing, **{f"s{i:02d}": "a" * n_years for i in range(n_stayers)}}


def make(leaders: dict[str, str], seed: int = 0) -> cs.Panel:
    """Return a panel with outcomes, weights w, a covariate x and states, all distinct."""
    rng = np.random.default_rng(seed)
    rows = [(u, FIRST + t, f"{u}-{c}") for u, s in leaders.items() for t, c in enumerate(s)]
    frame = pd.DataFrame(rows, columns=["unit_id", "school_year_end", "leader_id"])
    frame["estimate"] = rng.normal(size=len(frame)).round(3)
    tenures = cs.Tenures.from_roster(frame.drop(columns="estimate"), role="head")
    outcomes = cs.Outcomes.from_frame(frame.drop(columns="leader_id"), measure="y")
    panel = cs.Panel.build(tenures, outcomes)
    n = len(panel.frame)
    state = panel.frame["unit_id"].str[1:].astype(int).mod(3).map({0: "A", 1: "B", 2: "C"})
    extra = {"w": rng.uniform(1, 4, n), "x": rng.normal(size=n), "state": state}
    return replace(panel, frame=panel.frame.assign(**extra))


@dataclass(frozen=True)
class Window:
    stack: int
    unit: str
    treated: bool
    rows: dict[int, pd.Series]
    group: str = ""

    @property
    def before(self) -> pd.Series:
        return self.rows[-1]


def windows(panel: cs.Panel, leaders: dict[str, str]) -> list[Window]:
    """Return the windows of events and of all stayers of their school years."""
    at = {(r["unit_id"], r["school_year_end"] - FIRST): r for _, r in panel.frame.iterrows()}
    found = []
    n_years = len(next(iter(leaders.values())))
    for t in range(PRE, n_years - POST):
        events = [u for u, s in leaders.items() if s[t] != s[t - 1]]
        inside = range(max(t - PRE, 1), t + POST + 1)
        stayers = [u for u, s in leaders.items() if all(s[i] == s[i - 1] for i in inside)]
        for u in [*events, *(stayers if events else [])]:
            rows = {k: at[u, t + k] for k in range(-PRE, POST + 1)}
            found.append(Window(t + FIRST, u, u in events, rows))
    return found


def solve(
    members: list[Window],
    weights: list[float],
    cell: Callable[[Window], object],
    controls: Callable[[Window], list[float]] = lambda _: [],
    paths: Callable[[Window], list[float]] = lambda _: [1.0],
) -> np.ndarray:
    return solve_with_vcov(members, weights, cell, controls, paths)[0]


def solve_with_vcov(
    members: list[Window],
    weights: list[float],
    cell: Callable[[Window], object],
    controls: Callable[[Window], list[float]],
    paths: Callable[[Window], list[float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return effects by path and event time, every dummy written out, clustered by unit (CR0)."""
    rows = [(w, k, v) for w, v in zip(members, weights, strict=True) for k in w.rows]
    parts: list[list[float]] = []
    n_paths, n_controls = len(paths(members[0])), len(controls(members[0]))
    for j in range(n_paths):
        parts += [[w.treated * paths(w)[j] * (k == t) for w, k, _ in rows] for t in TIMES]
    for j in range(n_controls):
        parts += [[controls(w)[j] * (k == t) for w, k, _ in rows] for t in TIMES]
    for key in ([(cell(w), w.unit) for w, _, _ in rows], [(cell(w), k) for w, k, _ in rows]):
        parts += [[float(a == level) for a in key] for level in dict.fromkeys(key)]
    x, v = np.array(parts, dtype=float).T, np.array([v for _, _, v in rows])
    y = np.array([w.rows[k]["y"] for w, k, _ in rows])
    bread = np.linalg.pinv(x.T @ (v[:, None] * x), rcond=1e-12)
    coef = bread @ (x.T @ (v * y))
    score = x * (v * (y - x @ coef))[:, None]
    units = np.array([w.unit for w, _, _ in rows])
    sums = np.array([score[units == u].sum(axis=0) for u in dict.fromkeys(units)])
    n = n_paths * len(TIMES)
    return coef[:n], (bread @ sums.T @ sums @ bread)[:n, :n]


def corrective(members: list[Window], cell: Callable[[Window], object]) -> list[float]:
    """Return the weights under which a mean over events is what least squares finds."""
    found = []
    for w in members:
        mine = [v for v in members if cell(v) == cell(w)]
        events = sum(v.before["w"] for v in mine if v.treated)
        stayers = sum(v.before["w"] for v in mine if not v.treated)
        found.append(w.before["w"] * (1.0 if w.treated else events / stayers))
    return found


def by_stack(w: Window) -> object:
    return w.stack


LEADERS = rosters()
PANEL = make(LEADERS)
MEMBERS = windows(PANEL, LEADERS)
DESIGN = cs.Stacked(pre=PRE, post=POST)


def test_weighted_effects_are_weighted_means_of_differences() -> None:
    """An event's weight is its own at event time -1, its stayers' mean is weighted likewise."""
    found = cs.event_study(PANEL, DESIGN, "y", weights="w")
    for k, effect in zip(TIMES, found.coef, strict=True):
        events, weights = [], []
        for e in (w for w in MEMBERS if w.treated):
            stayers = [w for w in MEMBERS if not w.treated and w.stack == e.stack]
            change = np.average(
                [s.rows[k]["y"] - s.before["y"] for s in stayers],
                weights=[s.before["w"] for s in stayers],
            )
            events.append(e.rows[k]["y"] - e.before["y"] - change)
            weights.append(e.before["w"])
        np.testing.assert_allclose(effect, np.average(events, weights=weights), **CLOSE)
    expected = solve(MEMBERS, corrective(MEMBERS, by_stack), by_stack)
    np.testing.assert_allclose(found.coef, expected, **CLOSE)
    assert "Windows weighted by w." in found.summary()


def test_least_squares_weights_are_the_windows_own() -> None:
    found = cs.event_study(PANEL, replace(DESIGN, weighting="ols"), "y", weights="w")
    expected = solve(MEMBERS, [w.before["w"] for w in MEMBERS], by_stack)
    np.testing.assert_allclose(found.coef, expected, **CLOSE)


@pytest.mark.parametrize("weighting", ["events", "ols"])
def test_a_unit_of_weight_two_is_two_units(weighting: str) -> None:
    twice = {"e00": 2.0, "e05": 2.0, "s03": 2.0}
    weight = PANEL.frame["unit_id"].map(twice).fillna(1.0)
    weighted = replace(PANEL, frame=PANEL.frame.assign(w=weight))
    copies = {**LEADERS, **{f"{u}copy": LEADERS[u] for u in twice}}
    y = PANEL.frame.set_index(["unit_id", "school_year_end"])["y"]
    design = replace(DESIGN, weighting=weighting)
    one = cs.event_study(weighted, design, "y", weights="w")
    rows = [
        (u, FIRST + t, f"{u}-{c}", y[u.removesuffix("copy"), FIRST + t])
        for u, s in copies.items()
        for t, c in enumerate(s)
    ]
    columns = ["unit_id", "school_year_end", "leader_id", "estimate"]
    frame = pd.DataFrame(rows, columns=columns)
    replicated = cs.Panel.build(
        cs.Tenures.from_roster(frame.drop(columns="estimate"), role="head"),
        cs.Outcomes.from_frame(frame.drop(columns="leader_id"), measure="y"),
    )
    two = cs.event_study(replicated, design, "y")
    np.testing.assert_allclose(one.coef, two.coef, **CLOSE)


def test_covariates_are_those_before_the_change_by_event_time() -> None:
    found = cs.event_study(PANEL, DESIGN, "y", covariates="x + w")
    ones = [replace_weight(w) for w in MEMBERS]
    expected = solve(
        MEMBERS, corrective(ones, by_stack), by_stack, lambda w: [w.before["x"], w.before["w"]]
    )
    np.testing.assert_allclose(found.coef, expected, **CLOSE)
    assert found.names == ("k=-2", "k=+0", "k=+1")


def replace_weight(w: Window) -> Window:
    return replace(w, rows={k: row.drop("w").pipe(with_one) for k, row in w.rows.items()})


def with_one(row: pd.Series) -> pd.Series:
    row = row.copy()
    row["w"] = 1.0
    return row


def test_effects_make_stayers_of_the_same_state_the_controls() -> None:
    def cell(w: Window) -> object:
        return (w.stack, w.before["state"])

    found = cs.event_study(PANEL, DESIGN, "y", effects=("state^school_year_end",), weights="w")
    used = [w for w in MEMBERS if any(v.treated and cell(v) == cell(w) for v in MEMBERS)]
    expected = solve(used, corrective(used, cell), cell)
    np.testing.assert_allclose(found.coef, expected, **CLOSE)
    assert set(found.fit.design.effects) == {"stack^unit_id", "stack^state^school_year_end"}


def test_an_event_without_a_stayer_in_its_state_is_counted() -> None:
    alone = PANEL.frame["state"].mask(PANEL.frame["unit_id"] == "e01", "Z")
    panel = replace(PANEL, frame=PANEL.frame.assign(state=alone))
    found = cs.event_study(panel, DESIGN, "y", effects=("state^school_year_end",))
    fates = found.frames["fates"].set_index("unit_id")["fate"]
    assert fates["e01"] == "without stayers in their cell"
    assert (fates == "without stayers in their cell").sum() == 1
    assert "1 changes without stayers in their cell" in found.summary()


@pytest.mark.parametrize(
    ("column", "ask", "reason"),
    [
        ("w", {"weights": "w"}, WITHOUT_WEIGHT),
        ("x", {"covariates": "x"}, "without covariates at event time -1"),
        (
            "state",
            {"effects": ("state^school_year_end",)},
            "without the effects' columns at event time -1",
        ),
    ],
)
def test_what_is_not_known_before_the_change_is_a_fate(
    column: str, ask: dict[str, object], reason: str
) -> None:
    """Unit e00 changes in its third year: the second counts, and no other one."""
    for year, expected in ((FIRST + 1, reason), (FIRST + 2, "used")):
        at = (PANEL.frame["unit_id"] == "e00") & (PANEL.frame["school_year_end"] == year)
        panel = replace(PANEL, frame=PANEL.frame.assign(**{column: PANEL.frame[column].mask(at)}))
        fates = cs.event_study(panel, DESIGN, "y", **ask).frames["fates"]  # type: ignore[arg-type]
        assert fates.set_index("unit_id").loc["e00", "fate"] == expected


def test_a_stayer_of_weight_zero_is_none() -> None:
    zero = PANEL.frame["w"].mask(PANEL.frame["unit_id"] == "s00", 0.0)
    panel = replace(PANEL, frame=PANEL.frame.assign(w=zero))
    found = DESIGN.build(panel, "y", weights="w").frame
    assert set(found["unit_id"]) == set(DESIGN.build(PANEL, "y").frame["unit_id"]) - {"s00"}


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({"effects": ("state",)}, "absorbed by stacked windows already"),
        ({"effects": ("school_year_end",)}, "absorbed by stacked windows already"),
        ({"effects": ("unit_id^school_year_end",)}, "leaves no stayers"),
        ({"effects": ("moon^school_year_end",)}, "no such columns"),
        ({"weights": "moon"}, "no such columns"),
        ({"weights": "state"}, "not numbers"),
        ({"covariates": "moon"}, "no such columns"),
        ({"covariates": "x +"}, "can't be"),
    ],
)
def test_what_can_not_be_done_is_refused_by_name(ask: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        cs.event_study(PANEL, DESIGN, "y", **ask)  # type: ignore[arg-type]


def test_negative_weights_are_refused() -> None:
    panel = replace(PANEL, frame=PANEL.frame.assign(w=-1.0))
    with pytest.raises(SpecError, match="negative"):
        cs.event_study(panel, DESIGN, "y", weights="w")


def test_weights_that_are_all_zero_leave_no_event() -> None:
    panel = replace(PANEL, frame=PANEL.frame.assign(w=0.0))
    with pytest.raises(IdentificationError, match="no change can be used") as error:
        cs.event_study(panel, DESIGN, "y", weights="w")
    assert WITHOUT_WEIGHT in str(error.value)


# --- what is always printed -----------------------------------------------------------------------


def test_pooled_effects_are_means_of_event_times_with_their_errors() -> None:
    """Short run 0 to +2, long run from +3 on, as weights on the covariance of the path."""
    leaders = rosters(n_years=11)
    found = cs.event_study(make(leaders), cs.Stacked(pre=2, post=5), "y")
    assert found.names == tuple(f"k={k:+d}" for k in (-2, 0, 1, 2, 3, 4, 5))
    table = found.frames["pooled"].set_index("span")
    for span, weights in (
        ("short run (0 to +2)", np.array([0, 1, 1, 1, 0, 0, 0]) / 3),
        ("long run (+3 on)", np.array([0, 0, 0, 0, 1, 1, 1]) / 3),
    ):
        np.testing.assert_allclose(table.loc[span, "estimate"], weights @ found.coef, **CLOSE)
        error = np.sqrt(weights @ found.vcov @ weights)
        np.testing.assert_allclose(table.loc[span, "std_error"], error, **CLOSE)
        assert f"{span} {weights @ found.coef:.3f} ({error:.3f})" in found.summary()
    assert table["n_event_times"].tolist() == [3, 3]


def test_three_bases_are_printed_side_by_side() -> None:
    """They are the pooled effects of three studies, each asked for by name."""
    leaders = rosters(n_years=11)
    panel = make(leaders)
    design = cs.Stacked(pre=3, post=4)
    found = cs.event_study(panel, design, "y")
    asked = {
        "t-1": cs.BaseYear(-1),
        "early": cs.EarlyBase(-3, -2),
        "lag-adjusted": cs.LagAdjusted(2),
    }
    table = found.frames["bases"].set_index(["base", "span"])
    for name, base in asked.items():
        other = cs.event_study(panel, replace(design, base=base), "y").frames["pooled"]
        for row in other.itertuples():
            same = table.loc[(name, row.span)]
            np.testing.assert_allclose(same["estimate"], row.estimate, **CLOSE)
            np.testing.assert_allclose(same["std_error"], row.std_error, **CLOSE)
    bases = cs.three_bases(panel, design, "y")
    assert bases.regression_to_the_mean() in found.summary()
    assert len(table) == 6


def test_a_window_of_one_year_before_has_no_other_base() -> None:
    found = cs.event_study(PANEL, cs.Stacked(pre=1, post=1), "y")
    assert "bases" not in found.frames
    assert "By base" not in found.summary()


# --- groups and moderators ------------------------------------------------------------------------


def plain_weights(members: list[Window], cell: Callable[[Window], object]) -> list[float]:
    return corrective([replace_weight(w) for w in members], cell)


def test_paths_by_group_are_the_studies_of_their_events_with_one_covariance() -> None:
    found = cs.event_study(PANEL, replace(DESIGN, by="state", min_events=1), "y")
    groups = ["A", "B", "C"]
    members = []
    for g in groups:
        events = [w for w in MEMBERS if w.treated and w.before["state"] == g]
        stacks = {w.stack for w in events}
        stayers = [w for w in MEMBERS if not w.treated and w.stack in stacks]
        mine = [replace(w, group=g) for w in [*events, *stayers]]
        alone = solve(mine, plain_weights(mine, by_stack), by_stack)
        at = [j for j, name in enumerate(found.names) if name.endswith(f", {g}")]
        np.testing.assert_allclose(found.coef[at], alone, **CLOSE)
        assert (found.keys["n_events"].iloc[at] == len(events)).all()
        members += mine

    def cell(w: Window) -> object:
        return (w.stack, w.group)

    coef, vcov = solve_with_vcov(
        members,
        plain_weights(members, cell),
        cell,
        lambda _: [],
        lambda w: [float(w.group == g) for g in groups],
    )
    np.testing.assert_allclose(found.coef, coef, **CLOSE)
    np.testing.assert_allclose(found.with_vcov(cs.Cluster("unit_id", "none")).vcov, vcov, **CLOSE)
    assert found.names[:4] == ("k=-2, A", "k=+0, A", "k=+1, A", "k=-2, B")
    assert found.frames["base"]["series"].tolist() == groups


def test_a_moderator_moves_the_effect_around_the_events_mean() -> None:
    found = cs.event_study(PANEL, replace(DESIGN, moderator="x"), "y")
    mean = np.mean([w.before["x"] for w in MEMBERS if w.treated])
    coef, vcov = solve_with_vcov(
        MEMBERS,
        plain_weights(MEMBERS, by_stack),
        by_stack,
        lambda w: [w.before["x"]],
        lambda w: [1.0, w.before["x"] - mean],
    )
    np.testing.assert_allclose(found.coef, coef, **CLOSE)
    np.testing.assert_allclose(found.with_vcov(cs.Cluster("unit_id", "none")).vcov, vcov, **CLOSE)
    assert found.names[3:] == tuple(f"k={k:+d}, per unit of x" for k in TIMES)


def test_a_window_without_the_moderator_is_a_fate() -> None:
    x = PANEL.frame["x"].mask(PANEL.frame["unit_id"] == "e00")
    panel = replace(PANEL, frame=PANEL.frame.assign(x=x))
    fates = replace(DESIGN, moderator="x").build(panel, "y").fates.set_index("unit_id")["fate"]
    assert fates["e00"] == "without the moderator at event time -1"
    assert (fates == "used").sum() == 11


def test_an_early_base_moves_the_path_of_each_group_by_its_own_mean() -> None:
    early = replace(DESIGN, by="state", min_events=1, base=cs.EarlyBase(-2, -1))
    found = cs.event_study(PANEL, early, "y")
    t1 = cs.event_study(PANEL, replace(early, base=cs.BaseYear(-1)), "y")
    for g in "ABC":
        path = {k: t1.coef[t1.names.index(f"k={k:+d}, {g}")] for k in TIMES} | {-1: 0.0}
        middle = (path[-2] + path[-1]) / 2
        for k, effect in path.items():
            at = found.names.index(f"k={k:+d}, {g}")
            np.testing.assert_allclose(found.coef[at], effect - middle, **CLOSE)
    assert len(found.names) == 12


def test_a_design_has_groups_or_a_moderator() -> None:
    with pytest.raises(SpecError) as error:
        cs.Stacked(by="state", moderator="x", min_events=0)
    assert "one of them" in str(error.value)
    assert "at least 1 event" in str(error.value)


def test_what_is_printed_and_pooled_follows_another_choice_of_errors() -> None:
    """`with_vcov` gives what the study would have given, to the last line."""
    panel = make(rosters())
    design = cs.Stacked(pre=PRE, post=POST)
    first = cs.event_study(panel, design, "y", clusters=("state",))
    wanted = cs.event_study(panel, design, "y", vcov=cs.Cluster("state"))
    found = first.with_vcov(cs.Cluster("state"))
    assert found.summary() == wanted.summary() != first.summary()
    for name in ("pooled", "bases"):
        pd.testing.assert_frame_equal(found.frames[name], wanted.frames[name])
