"""Distributed lags and local projections against R, which builds their rows itself.

``recurring_designs_expected.csv`` by recurring_designs.R: lm() with dummies, a regression an event
time, and sandwich's vcovCL() without a factor. Tolerance: 1e-8 relative (R solves by QR and stores
15 digits).
"""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.estimators.distributed_lags import DistributedLags
from churnstats.estimators.local_projections import LocalProjections
from support import REFERENCE_DATA as DATA

SCRIPT = Path(__file__).parent / "scripts" / "recurring_designs.R"
FILE = "recurring_designs_expected.csv"
EXPECTED = pd.read_csv(DATA / FILE)
DESIGNS = {
    "lags 3 2": DistributedLags(3, 2),
    "lags 2 4": DistributedLags(2, 4),
    "projections 3 2 3 1 -1:-1 events": LocalProjections(3, 2),
    "projections 3 2 3 1 -1:-1 ols": LocalProjections(3, 2, weighting="ols"),
    "projections 2 2 2 0 -1:-1 events": LocalProjections(2, 2, isolate=False),
    "projections 3 1 1 1 -3:-1 events": LocalProjections(
        3, 1, clean_years=1, base=cs.EarlyBase(-3, -1)
    ),
}


@cache
def panel() -> cs.Panel:
    rows = pd.read_csv(DATA / "event_study_rows.csv")
    names = {"unit_id": "unit", "school_year_end": "year"}
    tenures = cs.Tenures.from_roster(rows, columns={**names, "leader_id": "leader"}, role="head")
    outcomes = cs.Outcomes.from_frame(rows, columns={**names, "estimate": "y"}, measure="y")
    return cs.Panel.build(tenures, outcomes)


def test_every_stored_design_is_compared() -> None:
    assert set(EXPECTED["design"]) == set(DESIGNS)


@pytest.mark.parametrize("name", DESIGNS)
def test_estimates_and_errors_are_those_of_r(name: str) -> None:
    stored = EXPECTED[EXPECTED["design"] == name]
    plain = cs.Cluster("unit_id", small_sample="none")
    result = cs.event_study(panel(), DESIGNS[name], "y", vcov=plain)
    tidy = result.tidy()
    assert tidy["event_time"].tolist() == stored["event_time"].tolist()
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(tidy[column], stored[column], rtol=1e-8)
    n_rows = result.glance()["n_rows"].item()
    each = stored["n_rows"].tolist()
    assert n_rows == (each[0] if name.startswith("lags") else sum(each))


def test_the_default_factor_of_lags() -> None:
    """(G / (G - 1)) (n - 1) / (n - K), K the terms and the years in use."""
    result = cs.event_study(panel(), DESIGNS["lags 3 2"], "y")
    stored = EXPECTED[EXPECTED["design"] == "lags 3 2"]
    n, groups = stored["n_rows"].iloc[0], stored["n_clusters"].iloc[0]
    k = 5 + len(result.frames["support"])
    factor = groups / (groups - 1) * (n - 1) / (n - k)
    expected = stored["std_error"] * np.sqrt(factor)
    np.testing.assert_allclose(result.tidy()["std_error"], expected, rtol=1e-8)


def test_r_gives_what_is_stored(tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not installed")
    asked = [rscript, "-e", 'quit(status = !requireNamespace("sandwich", quietly = TRUE))']
    if subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        pytest.skip("the R package sandwich is not installed")
    run = [rscript, str(SCRIPT), str(DATA), str(tmp_path)]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    live = pd.read_csv(tmp_path / FILE)
    pd.testing.assert_frame_equal(live, EXPECTED, rtol=1e-8, atol=0)
