"""A study of four rows, for the tests of running, verifying and reporting."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

DATA = "unit,year,share,n\nA,2018,0.25,12\nB,2018,0.5,3\nA,2019,0.125,15\nB,2019,,40\n"

RUN = """\
import numpy as np
import pandas as pd

import churnstats as cs
from churnstats.core.provenance import RowLedger
from churnstats.display.figures import new_figure
from churnstats.studies.study import Study


def run(study: Study) -> None:
    study.step("Reading")
    frame = pd.read_csv(study.input("roster"))
    kept = frame.dropna()
    ledger = RowLedger().step("complete", "rows", len(frame), len(kept), {"no <share>": 1})
    study.text("Sample & rows", "Four rows.\\n\\nOne has no share.")
    study.ledger("row_flow", ledger, "From four rows to three")
    study.table("rows", kept, "The rows <kept> & shown", notes=["A note <b>."])
    fit = cs.linear_model(kept, "n ~ share", vcov=cs.Classical())
    study.table("fit", fit, "A fit")
    figure, (ax,) = new_figure()
    ax.plot(kept["year"], kept["share"])
    study.text("Shares over time")
    study.figure("shares", figure, "Shares by year")
    study.number("n_kept", len(kept), "Rows kept")
    study.number("share.mean", kept["share"].mean(), "Mean share", rtol=1e-4, estimand="mean")
    study.number("slope", fit.coef[1], "Slope", result=fit, key=False)
    study.number("draw", study.generator().normal(), "A random number", atol=1e-9, key=False)
    study.number("undefined", float("nan"), "Undefined", key=False)
    study.number("endless", float("inf"), "Infinite", key=False)
    study.note("A note on methods.")
    study.path("kept.txt").write_text(str(len(kept)), encoding="utf-8")
"""


def sha256(text: str) -> str:
    """Return the hash of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def spec() -> dict[str, object]:
    """Return what study.yaml holds."""
    return {
        "name": "tiny",
        "title": "Tiny <study> & more",
        "question": "Does it work?",
        "authors": ["A. Writer"],
        "seed": 7,
        "licence": "BSD-3-Clause",
        "registration": "https://example.org/plan",
        "options": {"window": [-3, 5], "deep": {"on": True}},
        "inputs": {"roster": {"path": "data/roster.csv", "sha256": sha256(DATA)}},
    }


def write_study(directory: Path, run: str = RUN, **changes: object) -> Path:
    """Write a study; `changes` replace keys of study.yaml, None removes one."""
    (directory / "data").mkdir(parents=True, exist_ok=True)
    content = {k: v for k, v in {**spec(), **changes}.items() if v is not None}
    (directory / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (directory / "data" / "roster.csv").write_text(DATA)
    (directory / "run.py").write_text(run)
    (directory / "README.md").write_text("# Tiny\n")
    return directory
