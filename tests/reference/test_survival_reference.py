"""Cox, Kaplan-Meier and Nelson-Aalen against R survival 3.5-3.

``program_expected.csv`` (by program.R) stops Newton's iterations at R's default, 1e-9 in the log
likelihood; ``cox_two_way_expected.csv`` and ``curves_expected.csv`` (by survival_variances.R) stop
at 1e-12.

Tolerances: 1e-6 relative for the first store (seen: 4e-10 in a coefficient, 1e-11 in an error),
1e-9 for the other two (seen: 7e-15). Errors made by moving weights carry the error of a
numerical derivative: 1e-7 (seen: 2e-10).
"""

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from support import REFERENCE_DATA as DATA

TOLERANCE = 1e-6
TIGHT = 1e-9
NUMERICAL = 1e-7

STORE = pd.read_csv(DATA / "program_expected.csv")
COX = STORE[STORE["estimator"] == "cox"]
BASELINE = STORE[STORE["estimator"] == "cox baseline cumulative hazard (Efron)"]
CURVES = STORE[STORE["estimator"].str.contains("kaplan_meier|nelson_aalen")]
TWO_WAY = pd.read_csv(DATA / "cox_two_way_expected.csv")
OWN_CURVES = pd.read_csv(DATA / "curves_expected.csv")
OWN_CASES = list(
    dict.fromkeys(
        OWN_CURVES[["curve", "choice", "group", "weighted"]].itertuples(index=False, name=None)
    )
)


@pytest.fixture(scope="module")
def programs() -> pd.DataFrame:
    rows = pd.read_csv(DATA / "program_spells.csv")
    return rows.assign(first=(rows["cause"] == 1) * 1, ended=(rows["cause"] > 0) * 1)


def cox(rows: pd.DataFrame, vcov: object, **options: object) -> cs.Result:
    return cs.cox(
        rows,
        "recent_change + capacity + partner",
        entry="start",
        exit="stop",
        event="first",
        vcov=vcov,
        **options,
    )


def curve(
    name: str, rows: pd.DataFrame, group: str, vcov: object, weights: str | None = None
) -> cs.Result:
    part = rows if group == "all" else rows[rows["partner"] == int(group.removeprefix("partner"))]
    make = {"kaplan_meier": cs.kaplan_meier, "nelson_aalen": cs.nelson_aalen}[name]
    return make(part, entry="start", exit="stop", event="ended", vcov=vcov, weights=weights)


def test_the_stores_hold_every_case() -> None:
    assert len(COX["options"].unique()) == 16
    assert len(COX) == 16 * 4
    assert len(CURVES.groupby(["estimator", "options"])) == 9
    assert len(OWN_CASES) == 6 * 5
    assert len(TWO_WAY) == 8 * 3


@pytest.mark.parametrize("options", COX["options"].unique())
def test_cox_equals_coxph(programs: pd.DataFrame, options: str) -> None:
    choice: object = cs.Classical()
    if "cluster=district" in options:
        choice = cs.Cluster("district", "none")
    elif "cluster by row" in options:
        choice = cs.Robust("HC0")
    result = cox(
        programs,
        choice,
        strata=("state",) if "strata_state=1" in options else (),
        weights="weight" if "weighted=1" in options else None,
        ties="efron" if "ties=efron" in options else "breslow",
    )
    expected = COX[COX["options"] == options].set_index("key")
    found = result.tidy().set_index("term")
    terms = ["recent_change", "capacity", "partner"]
    assert list(found.index) == terms
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(found[column], expected.loc[terms, column], rtol=TOLERANCE)
    np.testing.assert_allclose(
        result.glance()["loglik"], expected.loc[["loglik"], "estimate"], rtol=TOLERANCE
    )


def test_baseline_hazard_equals_basehaz(programs: pd.DataFrame) -> None:
    """R lists every exit time, the fit only those with events: it stands still in between."""
    baseline = cox(programs, cs.Classical()).frames["baseline"]
    at = np.searchsorted(baseline["time"], BASELINE["key"].astype(float), side="right") - 1
    assert set(at) == set(range(len(baseline)))
    np.testing.assert_allclose(
        baseline["cumulative_hazard"].to_numpy()[at], BASELINE["estimate"], rtol=TOLERANCE
    )


@pytest.mark.parametrize(
    ("ties", "weighted", "strata"),
    sorted(set(TWO_WAY[["ties", "weighted", "strata"]].itertuples(index=False, name=None))),
)
def test_cox_clustered_two_ways_equals_sums_of_dfbeta(
    programs: pd.DataFrame, ties: str, weighted: int, strata: int
) -> None:
    result = cox(
        programs,
        cs.TwoWay("district", "stop", "none"),
        ties=ties,
        weights="weight" if weighted else None,
        strata=("state",) if strata else (),
    )
    at = (TWO_WAY["ties"] == ties) & (TWO_WAY["weighted"] == weighted)
    expected = TWO_WAY[at & (TWO_WAY["strata"] == strata)]
    found = result.tidy()
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(found[column], expected[column], rtol=TIGHT)
    rows = result.with_vcov(cs.Robust("HC0")).tidy()
    np.testing.assert_allclose(rows["std_error"], expected["std_error_rows"], rtol=TIGHT)
    n_years = programs["stop"].nunique()
    ruled = result.with_vcov(cs.TwoWay("district", "stop")).tidy()["std_error"]
    factor = np.sqrt(n_years / (n_years - 1))
    np.testing.assert_allclose(ruled, factor * expected["std_error"], rtol=TIGHT)


@pytest.mark.parametrize(
    ("estimator", "options"), sorted(set(zip(CURVES["estimator"], CURVES["options"], strict=True)))
)
def test_curves_equal_survfit(programs: pd.DataFrame, estimator: str, options: str) -> None:
    """The clustered rows of this store hold the error times survival.

    program.R writes ``std.err * surv``. Without clusters survfit reports the error of log S, and
    the product is the error of S; with clusters it reports the error of S already, and the
    product has S once too often. So S times our error is what must agree;
    `test_curves_and_intervals_equal_survfit` shows which of the two is the error.
    """
    clustered = "clustered" in estimator
    result = curve(
        estimator.split()[0],
        programs,
        options.split()[2],
        cs.Cluster("district", "none") if clustered else cs.Classical(),
    )
    at = (CURVES["estimator"] == estimator) & (CURVES["options"] == options)
    expected, found = CURVES[at], result.tidy()
    np.testing.assert_array_equal(found["time"], expected["key"].astype(float))
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=TOLERANCE)
    scale = found["estimate"] if clustered else 1.0
    np.testing.assert_allclose(found["std_error"] * scale, expected["std_error"], rtol=TOLERANCE)


@pytest.mark.parametrize(("name", "choice", "group", "weighted"), OWN_CASES)
def test_curves_and_intervals_equal_survfit(
    programs: pd.DataFrame, name: str, choice: str, group: str, weighted: int
) -> None:
    """Weights, late entry, clusters: ``summary(survfit)$std.err`` is on the scale of S.

    "cluster by perturbed weights" are errors that survfit gives with no formula for them, by
    moving the weight of one district at a time.
    """
    clustered = choice.startswith("cluster")
    result = curve(
        name,
        programs,
        group,
        cs.Cluster("district", "none") if clustered else cs.Classical(),
        "weight" if weighted else None,
    )
    at = (OWN_CURVES["curve"] == name) & (OWN_CURVES["choice"] == choice)
    at &= (OWN_CURVES["group"] == group) & (OWN_CURVES["weighted"] == weighted)
    expected, found = OWN_CURVES[at], result.tidy()
    np.testing.assert_array_equal(found["time"], expected["time"])
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=TIGHT)
    error = NUMERICAL if "perturbed" in choice else TIGHT
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=error)
    if expected["conf_low"].notna().all():
        for column in ("conf_low", "conf_high"):
            np.testing.assert_allclose(found[column], expected[column], rtol=TIGHT)


def product_limit(rows: pd.DataFrame, w: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Kaplan-Meier as a textbook writes it, risk set by risk set."""
    start, stop, ended = rows["start"], rows["stop"], rows["ended"] == 1
    factors = [1 - w[(stop == t) & ended].sum() / w[(start < t) & (t <= stop)].sum() for t in times]
    return np.cumprod(factors)


def test_clustered_error_of_survival_is_that_of_moved_weights(programs: pd.DataFrame) -> None:
    rows, w = programs, programs["weight"].to_numpy()
    result = curve("kaplan_meier", rows, "all", cs.Cluster("district", "none"), "weight")
    times, h = result.keys["time"].to_numpy(), 1e-4
    moves = []
    for district in rows["district"].unique():
        mine = (rows["district"] == district).to_numpy()
        up = product_limit(rows, np.where(mine, w * (1 + h), w), times)
        down = product_limit(rows, np.where(mine, w * (1 - h), w), times)
        moves.append((up - down) / (2 * h))
    error = np.sqrt((np.array(moves) ** 2).sum(axis=0))
    np.testing.assert_allclose(result.coef, product_limit(rows, w, times), rtol=TIGHT)
    np.testing.assert_allclose(result.tidy()["std_error"], error, rtol=NUMERICAL)


def test_groups_are_curves_of_their_own(programs: pd.DataFrame) -> None:
    both = cs.kaplan_meier(
        programs,
        entry="start",
        exit="stop",
        event="ended",
        by=("partner",),
        vcov=cs.Cluster("district", "none"),
    ).tidy()
    for group in (0, 1):
        alone = curve(
            "kaplan_meier", programs, f"partner{group}", cs.Cluster("district", "none")
        ).tidy()
        part = both[both["group"] == f"partner={group}"]
        for column in ("time", "estimate", "std_error", "conf_low", "conf_high", "n_at_risk"):
            np.testing.assert_allclose(part[column], alone[column], rtol=TIGHT)
