"""Results on disk: a directory with JSON for words and Parquet for numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.errors import DataError, Fault
from churnstats.core.provenance import RowLedger, Step
from churnstats.inference.vcov import Covariance

FORMAT = 1


def write(fields: Mapping[str, Any], directory: Path) -> Path:
    """Write the fields of a result; an existing one in the directory is replaced."""
    directory.mkdir(parents=True, exist_ok=True)
    choice: Covariance = fields["choice"]
    frame = pd.DataFrame({"term": list(fields["names"]), "estimate": fields["coef"]})
    frame.to_parquet(directory / "estimates.parquet")
    numbered = [str(j) for j in range(len(frame))]
    pd.DataFrame(choice.matrix, columns=numbered).to_parquet(directory / "vcov.parquet")
    fields["keys"].reset_index(drop=True).to_parquet(directory / "keys.parquet")
    for name, table in fields["frames"].items():
        table.to_parquet(directory / f"frame_{name}.parquet")
    words = {
        "format": FORMAT,
        "names": fields["names"],
        "choice": {k: v for k, v in vars(choice).items() if k not in ("matrix", "moments")},
        "description": asdict(fields["description"]),
        "glance_values": dict(fields["glance_values"]),
        "frames": list(fields["frames"]),
        "interval": fields["interval"],
        "level": fields["level"],
        "provenance": dict(fields["provenance"]),
        "ledger": [asdict(step) for step in fields["ledger"].steps],
    }
    text = json.dumps(words, indent=1, default=_plain)
    (directory / "result.json").write_text(text + "\n", encoding="utf-8")
    return directory


def read(directory: Path, describe: Callable[..., Any]) -> dict[str, Any]:
    """Return the fields of a result that `write` wrote."""
    try:
        words = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        frame = pd.read_parquet(directory / "estimates.parquet")
        matrix = pd.read_parquet(directory / "vcov.parquet").to_numpy(dtype=float)
        keys = pd.read_parquet(directory / "keys.parquet")
        frames = {n: pd.read_parquet(directory / f"frame_{n}.parquet") for n in words["frames"]}
    except (OSError, ValueError) as error:
        fault = Fault("unreadable_result", str(directory), str(error), "save it again", 0)
        raise DataError([fault]) from error
    description = words["description"]
    choice = words["choice"]
    df = choice["df"]
    return {
        "description": describe(**{**description, "notes": tuple(description["notes"])}),
        "names": tuple(words["names"]),
        "coef": frame["estimate"].to_numpy(dtype=float),
        "choice": Covariance(
            matrix,
            choice["label"],
            choice["small_sample"],
            np.array(df, dtype=float) if isinstance(df, list) else float(df),
            choice["n_clusters"],
            tuple(choice["notes"]),
        ),
        "keys": keys,
        "frames": frames,
        "glance_values": words["glance_values"],
        "ledger": RowLedger(tuple(Step(**step) for step in words["ledger"])),
        "interval": words["interval"],
        "level": words["level"],
        "provenance": words["provenance"],
    }


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (tuple, set)):
        return list(value)
    raise TypeError(f"{type(value)} can't be written to JSON")
