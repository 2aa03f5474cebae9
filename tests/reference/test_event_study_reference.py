"""The stacked event study against loops over windows, and against R on stacks that R builds.

Both find windows, isolated changes and stayers from who led each unit in each year, by their
definitions, and know nothing of the package:

- the loops, below: an effect is the mean over events of each event's change from the base less
  the mean change of its stayers; a unit's influence is the sum of what its windows add to that.
- ``event_study_expected.csv`` by event_study.R: lm() with dummies and sandwich's vcovCL(), with
  each small-sample rule written out. It has what the loops have not: least-squares weights, lag
  adjustment, two-way clusters, joint tests.

Tolerances: 1e-10 for the loops, which sum the same numbers in another order (seen: 5e-15); 1e-8
relative for R, which solves by QR and stores 15 digits (seen: 4e-13).
"""

import runpy
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from support import REFERENCE_DATA as DATA

LOOPS, R_TOLERANCE, TAIL_TOLERANCE = 1e-10, 1e-8, 1e-7
SCRIPT = Path(__file__).parent / "scripts" / "event_study.R"
FILES = (
    "event_study_expected.csv",
    "event_study_joint_expected.csv",
    "event_study_support_expected.csv",
)
PRE, POST = 3, 2

ROWS = pd.read_csv(DATA / "event_study_rows.csv")
EXPECTED, JOINT, SUPPORT = (pd.read_csv(DATA / name) for name in FILES)
CASE = ["base", "weighting", "isolate", "choice"]
CASES = list(dict.fromkeys(EXPECTED[CASE].itertuples(index=False, name=None)))
JOINT_CASES = list(JOINT[CASE].itertuples(index=False, name=None))
BASES = {
    "t-1": cs.BaseYear(-1),
    "early": cs.EarlyBase(-3, -2),
    "lag-adjusted": cs.LagAdjusted(2),
}


@cache
def panel() -> cs.Panel:
    """Build the panel from the rows, with the region of each unit as a column to cluster by."""
    names = {"unit_id": "unit", "school_year_end": "year", "leader_id": "leader"}
    tenures = cs.Tenures.from_roster(ROWS, columns=names, role="head")
    outcomes = cs.Outcomes.from_frame(
        ROWS, columns={"unit_id": "unit", "school_year_end": "year", "estimate": "y"}, measure="y"
    )
    built = cs.Panel.build(tenures, outcomes)
    region = built.frame["unit_id"].map(ROWS.drop_duplicates("unit").set_index("unit")["region"])
    return replace(built, frame=built.frame.assign(region=region))


@cache
def study(base: str, weighting: str, isolate: bool) -> cs.Result:
    design = cs.Stacked(pre=PRE, post=POST, isolate=isolate, base=BASES[base], weighting=weighting)
    return cs.event_study(panel(), design, "y", clusters=("region", "school_year_end"))


def choice_of(words: str) -> cs.Cluster | cs.TwoWay:
    kind, _, rule = words.partition(" ")
    if kind == "two-way":
        return cs.TwoWay("unit_id", "school_year_end", rule)
    return cs.Cluster({"unit": "unit_id", "region": "region"}[kind], rule)


# --- by loops -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """A unit's outcomes by event time around a year, as an event or as a stayer."""

    stack: int
    unit: str
    treated: bool
    y: dict[int, float]


class Roster:
    """Who led whom when, and what was measured, by unit and year."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.leader = {(r.unit, r.year): r.leader for r in rows.itertuples()}
        self.y = {(r.unit, r.year): r.y for r in rows.itertuples()}
        self.units = sorted(set(rows["unit"]))
        self.first, self.last = rows["year"].min(), rows["year"].max()

    def change(self, unit: str, year: int) -> str:
        """Return "none", "dated" or "undated" (another leader before a gap)."""
        if (unit, year) not in self.leader:
            return "none"
        before = year - 1
        while before >= self.first and (unit, before) not in self.leader:
            before -= 1
        if before < self.first or self.leader[unit, before] == self.leader[unit, year]:
            return "none"
        return "dated" if before == year - 1 else "undated"

    def seen(self, unit: str, years: range) -> bool:
        return all((unit, t) in self.leader for t in years)

    def measured(self, unit: str, years: range) -> bool:
        return all(np.isfinite(self.y.get((unit, t), np.nan)) for t in years)

    def n_changes(self, unit: str, years: range) -> int:
        return sum(self.change(unit, t) != "none" for t in years)

    def fate(self, unit: str, year: int, pre: int, post: int, isolate: bool) -> str:
        years = range(year - pre, year + post + 1)
        if self.change(unit, year) == "undated":
            return "with a date that is not known"
        if not self.seen(unit, years):
            return "in windows that leave the time under observation"
        if not self.measured(unit, years):
            return "in windows with missing outcomes"
        if isolate and self.n_changes(unit, years) > 1:
            return "in windows with another change"
        return "used" if self.stayers(year, pre, post) else "without stayers"

    def stayers(self, year: int, pre: int, post: int) -> list[str]:
        years = range(year - pre, year + post + 1)
        return [
            u
            for u in self.units
            if self.seen(u, years) and self.measured(u, years) and not self.n_changes(u, years)
        ]

    def changes(self) -> Iterator[tuple[str, int]]:
        for unit in self.units:
            for year in range(self.first, self.last + 1):
                if self.change(unit, year) != "none":
                    yield unit, year

    def windows(self, pre: int, post: int, isolate: bool) -> list[Window]:
        """Return the windows of all events in use and of their stayers."""
        found = []
        for year in range(self.first, self.last + 1):
            events = [
                u
                for u, t in self.changes()
                if t == year and self.fate(u, t, pre, post, isolate) == "used"
            ]
            members = [(u, True) for u in events]
            members += [(u, False) for u in self.stayers(year, pre, post) if events]
            for unit, treated in members:
                y = {k: self.y[unit, year + k] for k in range(-pre, post + 1)}
                found.append(Window(year, unit, treated, y))
        return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def change_from_base(window: Window, k: int, base: list[int]) -> float:
    return window.y[k] - mean([window.y[b] for b in base])


def effect_and_error(
    windows: list[Window], k: int, base: list[int], cluster: dict[str, str]
) -> tuple[float, float]:
    """Return the mean difference-in-differences and its clustered error, rule "none".

    In a stack with n events the windows' changes are centred at the mean of the mean event and
    the mean stayer, plus and minus half the effect; an event adds its deviation over the number
    of all events, a stayer the opposite, by its share of the stack's stayers.
    """
    stacks = sorted({w.stack for w in windows})
    events = {s: [w for w in windows if w.stack == s and w.treated] for s in stacks}
    stayers = {s: [w for w in windows if w.stack == s and not w.treated] for s in stacks}
    n_events = sum(len(e) for e in events.values())
    differences = [
        change_from_base(w, k, base) - mean([change_from_base(v, k, base) for v in stayers[s]])
        for s in stacks
        for w in events[s]
    ]
    effect = mean(differences)
    moved = dict.fromkeys(set(cluster.values()), 0.0)
    for s in stacks:
        of_events = mean([change_from_base(w, k, base) for w in events[s]])
        of_stayers = mean([change_from_base(w, k, base) for w in stayers[s]])
        middle = (of_events + of_stayers) / 2
        for w in events[s]:
            off = change_from_base(w, k, base) - middle - effect / 2
            moved[cluster[w.unit]] += off / n_events
        share = len(events[s]) / len(stayers[s])
        for w in stayers[s]:
            off = change_from_base(w, k, base) - middle + effect / 2
            moved[cluster[w.unit]] -= share * off / n_events
    return effect, float(np.sqrt(sum(m**2 for m in moved.values())))


ROSTER = Roster(ROWS)


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize(("pre", "post"), [(3, 2), (1, 0), (2, 4), (4, 1)])
def test_fates_and_stayers_follow_from_their_definitions(
    pre: int, post: int, isolate: bool
) -> None:
    sample = cs.Stacked(pre=pre, post=post, isolate=isolate).build(panel(), "y")
    found = list(sample.fates[["unit_id", "school_year_end", "fate"]].itertuples(index=False))
    expected = [(u, t, ROSTER.fate(u, t, pre, post, isolate)) for u, t in ROSTER.changes()]
    assert [tuple(f) for f in found] == expected
    windows = ROSTER.windows(pre, post, isolate)
    keys = ["stack", "unit_id", "treated", "event_time", "y"]
    rows = {tuple(r) for r in sample.frame[keys].itertuples(index=False)}
    assert rows == {
        (w.stack, w.unit, int(w.treated), k, y) for w in windows for k, y in w.y.items()
    }
    assert len(rows) == len(sample.frame)
    n_several = sum(
        w.treated and ROSTER.n_changes(w.unit, range(w.stack - pre, w.stack + post + 1)) > 1
        for w in windows
    )
    assert sample.n_contaminated == n_several
    assert (n_several > 0) == (not isolate)


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("base", ["t-1", "early", "first"])
def test_effects_and_errors_equal_loops(base: str, isolate: bool) -> None:
    chosen = {"t-1": cs.BaseYear(), "early": cs.EarlyBase(-3, -2), "first": cs.BaseYear(-3)}[base]
    times = {"t-1": [-1], "early": [-3, -2], "first": [-3]}[base]
    design = cs.Stacked(pre=PRE, post=POST, isolate=isolate, base=chosen)
    result = cs.event_study(panel(), design, "y", clusters=("region",))
    windows = ROSTER.windows(PRE, POST, isolate)
    units = {w.unit for w in windows}
    region = {u: r for u, r in zip(ROWS["unit"], ROWS["region"], strict=True) if u in units}
    for column, cluster in (("unit_id", {u: u for u in units}), ("region", region)):
        tidy = result.with_vcov(cs.Cluster(column, "none")).tidy()
        assert len(tidy) == PRE + POST + (base == "early")
        for row in tidy.itertuples():
            effect, error = effect_and_error(windows, row.event_time, times, cluster)
            np.testing.assert_allclose(row.estimate, effect, rtol=LOOPS, atol=LOOPS)
            np.testing.assert_allclose(row.std_error, error, rtol=LOOPS, atol=LOOPS)


def test_the_default_error_names_its_rule() -> None:
    """Clustered by unit; stack-years are counted, units by stack are nested and are not."""
    result = study("t-1", "events", True)
    windows = ROSTER.windows(PRE, POST, True)
    n_rows = sum(len(w.y) for w in windows)
    n_stacks, n_units = len({w.stack for w in windows}), len({w.unit for w in windows})
    width = PRE + POST + 1
    n_counted = (width - 1) + n_stacks * width
    factor = n_units / (n_units - 1) * (n_rows - 1) / (n_rows - n_counted)
    for row in result.tidy().itertuples():
        cluster = {w.unit: w.unit for w in windows}
        _, error = effect_and_error(windows, row.event_time, [-1], cluster)
        np.testing.assert_allclose(row.std_error, np.sqrt(factor) * error, rtol=LOOPS)
    assert result.choice.label == "clustered by unit_id"
    assert result.choice.small_sample == "nonnested"
    assert result.choice.df == n_units - 1


# --- by R ---------------------------------------------------------------------------------------


def rows_of(table: pd.DataFrame, case: tuple[str, str, bool, str]) -> pd.DataFrame:
    at = np.logical_and.reduce([table[c] == v for c, v in zip(CASE, case, strict=True)])
    return table[at]


def test_the_store_holds_every_case() -> None:
    assert len(CASES) == 3 * 2 * 2 * 12
    assert len(EXPECTED) == 2 * 2 * 12 * (5 + 6 + 3)
    assert len(JOINT_CASES) == 2 * 2 * 12
    assert EXPECTED["std_error"].notna().all()
    for (base, *_), group in EXPECTED.groupby(["base", "weighting", "isolate", "event_time"]):
        errors = group[group["choice"].str.startswith("unit")]["std_error"]
        assert errors.is_monotonic_increasing, "rules that coincide test nothing"
        assert errors.nunique() == (3 if base == "lag-adjusted" else 4)


@pytest.mark.parametrize("isolate", [True, False])
def test_support_equals_r(isolate: bool) -> None:
    expected = SUPPORT[SUPPORT["isolate"] == isolate].drop(columns="isolate")
    found = study("t-1", "ols", isolate).frames["support"]
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_estimates_and_errors_equal_lm_and_sandwich(case: tuple[str, str, bool, str]) -> None:
    expected = rows_of(EXPECTED, case)
    found = study(*case[:3]).with_vcov(choice_of(case[3])).tidy()
    assert found["event_time"].tolist() == expected["event_time"].tolist()
    size = EXPECTED["estimate"].abs().max()
    np.testing.assert_allclose(
        found["estimate"], expected["estimate"], rtol=R_TOLERANCE, atol=R_TOLERANCE * size
    )
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=R_TOLERANCE)
    assert found["df"].tolist() == expected["df"].tolist()


@pytest.mark.parametrize("case", JOINT_CASES, ids=str)
def test_joint_test_of_leads_equals_r(case: tuple[str, str, bool, str]) -> None:
    (expected,) = rows_of(JOINT, case).itertuples()
    result = study(*case[:3]).with_vcov(choice_of(case[3]))
    test = result.wald_test([f"k={k:+d}" for k in range(-PRE, -1)])
    assert (test.df_num, test.df_denom) == (expected.df_num, expected.df_denom)
    np.testing.assert_allclose(test.statistic, expected.statistic, rtol=R_TOLERANCE)
    np.testing.assert_allclose(test.p_value, expected.p_value, rtol=TAIL_TOLERANCE)


def test_r_gives_what_is_stored(tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not installed")
    asked = [rscript, "-e", 'quit(status = !requireNamespace("sandwich", quietly = TRUE))']
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("the R package sandwich is not installed")
    call = [rscript, str(SCRIPT), str(DATA), str(tmp_path)]
    subprocess.run(call, check=True, capture_output=True, timeout=120)
    for name in FILES:
        stored, live = pd.read_csv(DATA / name), pd.read_csv(tmp_path / name)
        pd.testing.assert_frame_equal(live, stored, rtol=R_TOLERANCE, atol=1e-12)


def test_the_rows_come_from_their_script(tmp_path: Path) -> None:
    script = SCRIPT.parent / "event_study_rows.py"
    made = runpy.run_path(str(script))["make"](7)
    pd.testing.assert_frame_equal(
        made.reset_index(drop=True), ROWS, check_dtype=False, rtol=1e-5, atol=1.1e-6
    )
