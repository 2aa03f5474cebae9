"""Run the R scripts again, where R and their packages are present, and compare with the store.

Tolerance: 1e-8 relative between versions of R and its linear algebra; 1e-6 for errors made by a
numerical derivative.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from support import REFERENCE_DATA as DATA

SCRIPTS = Path(__file__).parent / "scripts"
RSCRIPT = shutil.which("Rscript")
RUNS = {
    "linear_models.R": ("sandwich", ("linear_expected.csv", "linear_joint_expected.csv")),
    "survival_variances.R": ("survival", ("cox_two_way_expected.csv", "curves_expected.csv")),
}


def missing_package(name: str) -> str | None:
    """Return why a script can't run, or None."""
    if RSCRIPT is None:
        return "Rscript is not installed"
    asked = [RSCRIPT, "-e", f'quit(status = !requireNamespace("{name}", quietly = TRUE))']
    found = subprocess.run(asked, capture_output=True, check=False)
    return None if found.returncode == 0 else f"the R package {name} is not installed"


@pytest.mark.parametrize("script", RUNS)
def test_r_gives_what_is_stored(script: str, tmp_path: Path) -> None:
    package, files = RUNS[script]
    if reason := missing_package(package):
        pytest.skip(reason)
    subprocess.run(
        [RSCRIPT, str(SCRIPTS / script), str(DATA), str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    for file in files:
        stored, live = pd.read_csv(DATA / file), pd.read_csv(tmp_path / file)
        assert list(live.columns) == list(stored.columns)
        assert len(live) == len(stored)
        numerical = np.zeros(len(stored), dtype=bool)
        if "choice" in stored:
            numerical = stored["choice"].str.contains("perturbed").to_numpy()
        for column in stored:
            if stored[column].dtype.kind != "f":
                assert live[column].tolist() == stored[column].tolist()
                continue
            for rows, tolerance in ((~numerical, 1e-8), (numerical, 1e-6)):
                np.testing.assert_allclose(
                    live.loc[rows, column], stored.loc[rows, column], rtol=tolerance
                )
