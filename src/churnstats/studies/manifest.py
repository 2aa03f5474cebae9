"""Where the results of a run come from: inputs by hash, versions, seed, commit, time, memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from churnstats.core.errors import DataError, Fault
from churnstats.core.provenance import environment, file_sha256
from churnstats.studies.spec import InputFile, StudySpec
from churnstats.studies.study import Book

FORMAT = 1
MEASURED = "measured"
SOURCES = ("study.yaml", "run.py")


def check_inputs(spec: StudySpec, during: bool = False) -> dict[str, dict[str, Any]]:
    """Hash the inputs, and stop at any that is absent or not the one declared.

    Parameters
    ----------
    spec : StudySpec
    during : bool
        Whether the study has run since they were last seen to be right.

    Returns
    -------
    dict
        ``file, sha256, bytes`` by key.

    Raises
    ------
    DataError
        One, with every such input: its file, the hash expected and the actual one.
    """
    faults, found = [], {}
    for key, entry in spec.inputs.items():
        path = entry.resolve(spec.directory)
        actual = file_sha256(path) if path.is_file() else "(there is no such file)"
        if actual != entry.sha256:
            faults.append(_fault(entry, actual, path.is_file(), during))
        else:
            size = path.stat().st_size
            found[key] = {"file": str(entry), "sha256": actual, "bytes": size}
    if faults:
        raise DataError(faults)
    return found


def _fault(entry: InputFile, actual: str, exists: bool, during: bool) -> Fault:
    rule = "changed_input" if exists else "absent_input"
    message = f"{entry} is not the file that the study was written for"
    how = "bring the file back; if the new one is right, put its hash into study.yaml"
    if during and exists:
        message = f"{entry} was changed by the run"
        how = "bring the file back; run.py must only read its inputs"
    elif not exists:
        message = f"{entry} is absent"
        how = "put the file where study.yaml says it is"
    rows = (f"expected SHA-256: {entry.sha256}", f"actual SHA-256:   {actual}")
    return Fault(rule, f"input '{entry.key}'", message, how, 0, rows)


class Stopwatch:
    """Time since it was made, and the most memory that the process has held."""

    def __init__(self) -> None:
        self._began, self._at = datetime.now(UTC), perf_counter()

    def read(self) -> dict[str, Any]:
        """Return the start, the seconds since, and the peak memory of the process in bytes."""
        return {
            "started": self._began.isoformat(timespec="seconds"),
            "run_seconds": round(perf_counter() - self._at, 3),
            "peak_memory_bytes": _peak_memory(),
        }


def _peak_memory() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def git_state(directory: Path) -> dict[str, Any] | None:
    """Return the commit of a checkout, and whether files differ from it; None outside one."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    status = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": bool(status)}


def _git(directory: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def build_manifest(
    spec: StudySpec, book: Book, inputs: Mapping[str, Any], sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return the manifest of a run, without its outputs and what was measured.

    Parameters
    ----------
    spec : StudySpec
    book : Book
    inputs : mapping
        As `check_inputs` returns them.
    sources : mapping of str to str
        SHA-256 of ``study.yaml`` and ``run.py``.
    """
    return {
        "format": FORMAT,
        "study": {
            "name": spec.name,
            "title": spec.title,
            "licence": spec.licence,
            "registration": spec.registration,
        },
        "seed": spec.seed,
        "options": dict(spec.options),
        "sources": dict(sources),
        "inputs": dict(inputs),
        "exhibits": book.exhibits,
        "ledgers": {
            name: [{**asdict(step), "lost": dict(step.lost)} for step in ledger.steps]
            for name, ledger in book.ledgers.items()
        },
        "environment": environment(),
        "git": git_state(spec.directory),
    }


def hash_outputs(results: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of every file below a directory, by its path with slashes."""
    paths = sorted(path for path in results.rglob("*") if path.is_file())
    return {
        path.relative_to(results).as_posix(): {
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in paths
    }
