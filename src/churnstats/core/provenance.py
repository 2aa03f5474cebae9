"""Where numbers come from: hashes, versions and the ledger of rows."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from churnstats.core.errors import ChurnstatsError

PACKAGES = ("churnstats", "numpy", "pandas", "scipy", "formulaic", "pyarrow", "matplotlib")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def frame_sha256(frame: pd.DataFrame) -> str:
    """Return a SHA-256 of a frame's columns, types, index and values in their order."""
    digest = hashlib.sha256()
    digest.update(repr([(str(c), str(t)) for c, t in frame.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=True).to_numpy().tobytes())
    return digest.hexdigest()


def environment() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return dict(_environment())


@cache
def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.system()}
    found["machine"], found["n_cpus"] = platform.machine(), str(os.cpu_count())
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True)
class Step:
    """One step of the road: what came in, what was lost for which reason, what is left."""

    name: str
    unit: str
    n_in: int
    n_out: int
    lost: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.lost.values(), default=0) < 0:
            raise ChurnstatsError(
                "ledger",
                f"step '{self.name}' loses a negative number of rows: {dict(self.lost)}",
                how="report this: rows were counted twice",
            )
        if self.n_in - sum(self.lost.values()) != self.n_out:
            raise ChurnstatsError(
                "ledger",
                f"step '{self.name}' does not add up: {self.n_in} {self.unit} in, "
                f"{dict(self.lost)} lost, {self.n_out} left",
                how="report this: rows were lost without a reason",
            )


@dataclass(frozen=True)
class RowLedger:
    """The steps from raw rows to the sample, each of which adds up.

    Examples
    --------
    >>> ledger = RowLedger().step("spells", "rows", 10, 8, {"duplicate": 2})
    >>> ledger.steps[0].n_out
    8
    """

    steps: tuple[Step, ...] = ()

    def step(
        self,
        name: str,
        unit: str,
        n_in: int,
        n_out: int,
        lost: Mapping[str, int] | None = None,
    ) -> RowLedger:
        """Return a ledger with one step more; it must add up, also with the step before it."""
        kept = {reason: int(n) for reason, n in (lost or {}).items() if n}
        before = next((s for s in reversed(self.steps) if s.unit == unit), None)
        if before is not None and before.n_out != n_in:
            raise ChurnstatsError(
                "ledger",
                f"step '{name}' starts with {n_in} {unit}, but '{before.name}' left {before.n_out}",
                how="report this: rows appeared or vanished between two steps",
            )
        return RowLedger((*self.steps, Step(name, unit, int(n_in), int(n_out), kept)))

    def __add__(self, other: RowLedger) -> RowLedger:
        """Return the steps of both; each must begin with what the one before it left."""
        ledger = self
        for s in other.steps:
            ledger = ledger.step(s.name, s.unit, s.n_in, s.n_out, s.lost)
        return ledger

    def frame(self) -> pd.DataFrame:
        """Return one row a step and reason: step, unit, n_in, reason, n_lost, n_out."""
        rows = [
            (s.name, s.unit, s.n_in, reason, n, s.n_out)
            for s in self.steps
            for reason, n in (s.lost or {"": 0}).items()
        ]
        columns = ["step", "unit", "n_in", "reason", "n_lost", "n_out"]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        lines = []
        for s in self.steps:
            lines.append(f"{s.name}: {s.n_in:,} {s.unit} in, {s.n_out:,} kept")
            lines += [f"    - {n:,} {reason}" for reason, n in s.lost.items()]
        return "\n".join(lines)
