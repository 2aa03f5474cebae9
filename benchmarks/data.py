"""The data of the benchmarks, written once as parquet, so that every process reads the same."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from panel.records import churn_records

SEED = 20260


def linear_rows(n_units: int, n_years: int) -> pd.DataFrame:
    """Units by years with two regressors and shocks that persist."""
    rng = np.random.default_rng(SEED)
    shape = (n_units, n_years)
    unit, year = rng.normal(size=(n_units, 1)), rng.normal(size=n_years)
    x, z = rng.normal(size=shape) + 0.5 * unit, rng.exponential(size=shape)
    y = 0.4 * x - 0.2 * z + unit + year + rng.normal(size=shape).cumsum(axis=1) / 3
    index = np.indices(shape)
    return pd.DataFrame(
        {"y": y.ravel(), "x": x.ravel(), "z": z.ravel(), "unit": index[0].ravel(),
         "year": 2001 + index[1].ravel()}
    )  # fmt: skip


def program_rows(n_rows: int) -> pd.DataFrame:
    """Start-stop rows of programs on a yearly clock, in districts and strata."""
    rng = np.random.default_rng(SEED + 1)
    n = n_rows // 3
    district = rng.integers(0, 2_000, n)
    length = rng.geometric(0.3, n)
    first = rng.integers(0, 3, n) * (rng.random(n) < 0.3)
    program = np.repeat(np.arange(n), length)
    start = first[program] + np.arange(program.size) - np.repeat(np.cumsum(length) - length, length)
    change, capacity = rng.integers(0, 2, program.size), rng.normal(size=n)[program]
    risk = 0.15 * np.exp(0.5 * change - 0.2 * capacity)
    event = rng.random(program.size) < 1 - np.exp(-risk)
    seen = np.zeros(program.size, dtype=bool)
    before = pd.Series(event).groupby(program).cumsum().to_numpy() - event
    seen = before == 0
    rows = pd.DataFrame(
        {"start": start, "stop": start + 1, "event": event.astype(int), "change": change,
         "capacity": capacity, "district": district[program], "state": district[program] % 8}
    )[seen]  # fmt: skip
    return rows.head(n_rows).astype({"start": float, "stop": float, "change": float})


def spell_rows(n_rows: int) -> pd.DataFrame:
    """Durations on a monthly clock with late entry and censoring."""
    rng = np.random.default_rng(SEED + 2)
    stop = np.ceil(rng.exponential(60, n_rows)).clip(1, 240)
    entry = np.floor(rng.uniform(0, 1, n_rows) * stop) * (rng.random(n_rows) < 0.3)
    ended = (rng.random(n_rows) < 0.7).astype(int)
    return pd.DataFrame({"entry": entry, "stop": stop, "ended": ended})


def rosters(n_units: int, n_years: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spells of leaders and an outcome by unit and year."""
    rng = np.random.default_rng(SEED + 3)
    change = rng.random((n_units, n_years)) < 0.18
    change[:, 0] = True
    unit, year = np.nonzero(change)
    stop = np.append(year[1:], 0)
    last = np.append(unit[1:] != unit[:-1], True)
    ids = np.array([f"u{i:06d}" for i in range(n_units)])
    spells = pd.DataFrame(
        {"unit_id": ids[unit], "leader_id": [f"p{i:07d}" for i in range(unit.size)],
         "role": "superintendent", "start": 2001.0 + year,
         "stop": 2001.0 + np.where(last, n_years, stop), "left_censored": year == 0,
         "right_censored": last}
    )  # fmt: skip
    grid = np.indices((n_units, n_years))
    outcomes = pd.DataFrame(
        {"unit_id": ids[grid[0].ravel()], "school_year_end": 2001 + grid[1].ravel(),
         "measure": "score", "estimate": rng.normal(size=n_units * n_years)}
    )  # fmt: skip
    return spells, outcomes


def roster_rows(n_rows: int) -> pd.DataFrame:
    """A yearly roster in no order: ids of units and leaders, every fiftieth row missing."""
    rng = np.random.default_rng(SEED + 4)
    n_years = 20
    n_units = max(round(n_rows / n_years / 0.98), 2)
    change = rng.random((n_units, n_years)) < 0.17
    change[:, 0] = True
    kept = rng.permutation(np.flatnonzero(rng.random(change.size) < 0.98))
    units = pd.Series(np.arange(n_units)).astype("str").str.zfill(7)
    leaders = pd.Series(np.arange(change.sum())).astype("str").str.zfill(9)
    return pd.DataFrame(
        {"unit_id": units.take(kept // n_years).to_numpy(),
         "school_year_end": 2003 + kept % n_years,
         "leader_id": leaders.take(np.cumsum(change.ravel())[kept] - 1).to_numpy()}
    ).astype({"unit_id": "str", "leader_id": "str"})  # fmt: skip


def write_all(folder: Path, scale: float, jobs: Collection[str]) -> None:
    """Write the tables of jobs, their sizes times a scale."""

    def sized(n: int) -> int:
        return max(int(n * scale), 40)

    tables = {
        "linear": lambda: linear_rows(sized(20_000), 12),
        "programs": lambda: program_rows(sized(100_000)),
        "spells": lambda: spell_rows(sized(1_000_000)),
        "roster": lambda: roster_rows(sized(100_000)),
    }
    used_by = {"simulate": "linear", "cox": "programs", "survival": "spells"}
    for name in {used_by.get(job, job) for job in jobs} & set(tables):
        tables[name]().to_parquet(folder / f"{name}.parquet")
    for name, n_units in (("stacked", 20_000), ("panel", 48_000)):
        if name in jobs:
            spells, outcomes = rosters(sized(n_units), 20)
            spells.to_parquet(folder / f"{name}_spells.parquet")
            outcomes.to_parquet(folder / f"{name}_outcomes.parquet")
    if "churn" in jobs:
        spells, units = churn_records(sized(20_000))
        spells.to_parquet(folder / "churn_spells.parquet")
        units.to_parquet(folder / "churn_units.parquet")
