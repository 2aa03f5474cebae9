"""Verify a study: run it again, and compare each number with the recorded one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.provenance import file_sha256
from churnstats.studies.manifest import SOURCES
from churnstats.studies.numbers import (
    Check,
    Expected,
    compare,
    numbers_frame,
    read_json,
    read_numbers,
)
from churnstats.studies.run import run_study
from churnstats.studies.spec import read_spec

EXPECTED = "expected.json"


@dataclass(frozen=True)
class Verification:
    """What came of verifying a study.

    Parameters
    ----------
    name : str
    checks : tuple of Check
        One a number.
    inputs : tuple of (str, str, str)
        Key, recorded SHA-256 and present one of each input; empty text where there is none.
    """

    name: str
    checks: tuple[Check, ...]
    inputs: tuple[tuple[str, str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether every number and every input is as recorded."""
        return not self.changed_inputs and all(check.passed for check in self.checks)

    @property
    def changed_inputs(self) -> tuple[str, ...]:
        """Keys of inputs other than those that the numbers were recorded from."""
        return tuple(key for key, recorded, present in self.inputs if recorded != present)

    @property
    def n_failed(self) -> int:
        """How many numbers and inputs are not as recorded."""
        return len(self.changed_inputs) + sum(not check.passed for check in self.checks)

    def frame(self) -> pd.DataFrame:
        """Return one row a number: id, label, expected, actual, difference, tolerance, passed."""
        return numbers_frame(self.checks)


def verify_study(directory: str | Path, *, quiet: bool = False) -> Verification:
    """Run a study into a directory that is thrown away, and compare its numbers.

    Parameters
    ----------
    directory : str or Path
    quiet : bool
        Show no progress on stderr.

    Returns
    -------
    Verification

    Raises
    ------
    SpecError, DataError
        As `run_study` does, and if no numbers are recorded.
    """
    spec = read_spec(directory)
    expected = Expected.read(spec.directory / EXPECTED)
    with tempfile.TemporaryDirectory(prefix="churnstats-") as scratch:
        record = run_study(spec.directory, Path(scratch) / "results", quiet=quiet)
    present = {key: entry.sha256 for key, entry in record.spec.inputs.items()}
    return Verification(
        spec.name, compare(expected.numbers, record.numbers), _inputs(expected.inputs, present)
    )


def _inputs(
    recorded: Mapping[str, str], present: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    keys = dict.fromkeys([*recorded, *present])
    return tuple((key, recorded.get(key, ""), present.get(key, "")) for key in keys)


def record_expected(directory: str | Path, *, overwrite: bool = False) -> tuple[Check, ...]:
    """Write ``expected.json`` from the numbers of the last run in ``results/``.

    This is a deliberate act: from then on these are the numbers that the study answers for.

    Parameters
    ----------
    directory : str or Path
    overwrite : bool
        Replace numbers that are recorded already.

    Returns
    -------
    tuple of Check
        The numbers recorded before against the new ones; empty if there were none.

    Raises
    ------
    SpecError
        If numbers are recorded and `overwrite` is not set, if there is no run, or if
        ``study.yaml`` or ``run.py`` has changed since.
    """
    spec = read_spec(directory)
    path = spec.directory / EXPECTED
    if path.exists() and not overwrite:
        raise SpecError(
            "expected",
            f"numbers of '{spec.name}' are recorded already",
            how="to replace them, `churnstats run DIR --record`",
        )
    results = spec.directory / "results"
    manifest = read_json(results / "manifest.json")
    sources = manifest.get("sources", {})
    stale = [name for name in SOURCES if sources.get(name) != file_sha256(spec.directory / name)]
    if stale:
        raise SpecError(
            "expected", "the study has changed since it was run", where=stale, how="run it again"
        )
    numbers = read_numbers(read_json(results / "numbers.json"), "numbers.json")
    before = Expected.read(path).numbers if path.exists() else {}
    inputs = {key: entry.sha256 for key, entry in spec.inputs.items()}
    Expected(numbers, inputs).write(path)
    return compare(before, numbers) if before else ()
