"""Sun-Abraham against R fixest's sunab, and against averages of cells made by hand.

``event_panel_expected.csv`` was made by scripts/event_panel.R. Tolerance:
1e-7 relative in estimate and error (seen: 3e-11 and 1e-9).
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.sun_abraham import SunAbraham
from support import REFERENCE_DATA, dummies

EXPECTED = pd.read_csv(REFERENCE_DATA / "event_panel_expected.csv")
SUN_ABRAHAM = EXPECTED[EXPECTED["estimator"].str.startswith("sun_abraham")]
TOLERANCE = 1e-7


def rows(shape: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE_DATA / f"event_panel_{shape}.csv")


@cache
def panel(shape: str) -> Absorbing:
    return Absorbing.from_frame(rows(shape), unit="unit", time="year", cohort="first_change")


def small(cohorts: dict[str, int] | None = None) -> Absorbing:
    """Return units of six years; e and f never change unless told."""
    cohorts = {"a": 3, "b": 3, "c": 4, "d": 5, "e": 0, "f": 0} | (cohorts or {})
    frame = pd.DataFrame([(u, t, g) for u, g in cohorts.items() for t in range(1, 7)])
    frame.columns = ["unit", "year", "first"]
    frame["y"] = np.random.default_rng(3).normal(size=len(frame))
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first")


def term_of(key: str) -> str:
    if key.startswith("year::"):
        return f"k={int(key.removeprefix('year::')):+d}"
    return {"ATT": "att"}.get(key, key)


@pytest.mark.parametrize("options", sorted(set(SUN_ABRAHAM["options"])))
def test_path_overall_effect_and_covariate_equal_fixest(options: str) -> None:
    shape, cluster, weighted = options.split()[:3]
    by = cluster.removeprefix("cluster=")
    result = cs.event_study(
        panel(shape),
        SunAbraham(),
        "y",
        covariates="z",
        weights="w" if weighted == "weighted=1" else None,
        vcov=cs.Cluster("unit_id" if by == "unit" else by),
    )
    table = result.tidy().set_index("term")
    expected = SUN_ABRAHAM[SUN_ABRAHAM["options"] == options]
    assert len(expected) == 16
    found = table.loc[expected["key"].map(term_of)]
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=TOLERANCE)
    assert set(table.index) == set(expected["key"].map(term_of))


def test_the_last_cohort_serves_as_controls_before_it_changes() -> None:
    data = small(cohorts={"e": 6, "f": 6})
    result = cs.event_study(data, SunAbraham(controls="last"), "y")
    frame = data.frame[data.frame["school_year_end"] < 6]
    cohort = frame["cohort"].to_numpy(dtype=float)
    k = frame["school_year_end"].to_numpy(dtype=float) - cohort
    cells = [(g, t) for g in (3, 4, 5) for t in range(-4, 4) if t != -1]
    columns = [((cohort == g) & (k == t)).astype(float) for g, t in cells]
    used = [j for j, column in enumerate(columns) if column.any()]
    effects = [pd.factorize(frame[c])[0] for c in ("unit_id", "school_year_end")]
    x = np.column_stack([*(columns[j] for j in used), *(dummies(c) for c in effects)])
    coef = np.linalg.lstsq(x, frame["y"].to_numpy(), rcond=None)[0][: len(used)]
    for t in (-3, -2, 0, 1):
        at = [i for i, j in enumerate(used) if cells[j][1] == t]
        share = np.array([columns[used[i]].sum() for i in at])
        mean = float(coef[at] @ share / share.sum())
        assert result.coef[result.names.index(f"k={t:+d}")] == pytest.approx(mean, rel=1e-9)
    counts = result.glance().iloc[0]
    assert (counts["n_events"], counts["n_units_of_the_last_cohort"]) == (4, 2)
    assert result.ledger.steps[-1].lost == {"from the change of the last cohort on": 6}


def test_cells_average_to_the_path() -> None:
    result = cs.event_study(small(), SunAbraham(base=-2), "y")
    cells = result.frames["cells"]
    at = cells[cells["event_time"] == 0]
    mean = np.average(at["estimate"], weights=at["weight"])
    assert at["weight"].tolist() == [2.0, 1.0, 1.0]
    assert result.coef[result.names.index("k=+0")] == pytest.approx(mean, rel=1e-12)
    treated = cells[cells["event_time"] >= 0]
    overall = np.average(treated["estimate"], weights=treated["weight"])
    assert result.coef[result.names.index("att")] == pytest.approx(overall, rel=1e-12)
    assert result.frames["base"]["event_time"].tolist() == [-2.0]
    assert result.frames["base"]["n_events"].tolist() == [4]


def test_cohorts_without_the_base_year_are_left_out_and_counted() -> None:
    data = small(cohorts={"g": 1})
    result = cs.event_study(data, SunAbraham(), "y")
    assert result.ledger.steps[-1].lost == {"of cohorts not seen at event time -1": 6}
    assert set(result.frames["cells"]["cohort"]) == {3, 4, 5}
    frame = data.frame[data.frame["unit_id"] != "g"].drop(columns="cohort")
    frame["first"] = data.frame["cohort"].fillna(0)
    without = Absorbing.from_frame(frame, unit="unit_id", time="school_year_end", cohort="first")
    np.testing.assert_allclose(
        result.coef, cs.event_study(without, SunAbraham(), "y").coef, rtol=1e-9
    )


def test_what_can_not_be_told_is_refused_by_name() -> None:
    with pytest.raises(IdentificationError, match=r"no_controls.*no unit never changes"):
        cs.event_study(small(cohorts={"e": 6, "f": 6}), SunAbraham(), "y")
    with pytest.raises(IdentificationError, match="no unit that changes is left"):
        cs.event_study(small(cohorts=dict.fromkeys("abcd", 1)), SunAbraham(), "y")
    one_cohort = small(cohorts=dict.fromkeys("abcd", 3))
    with pytest.raises(IdentificationError, match="1 cohort can't have a later one"):
        cs.event_study(one_cohort, SunAbraham(controls="last"), "y")
    with pytest.raises(SpecError) as caught:
        SunAbraham(base=0, controls="all")  # type: ignore[arg-type]
    assert caught.value.where == (
        "base: 0 is not before the change",
        "controls: 'all' is neither 'never' nor 'last'",
    )
