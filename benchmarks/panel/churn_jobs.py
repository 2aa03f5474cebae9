"""The job "churn" by each program; each returns what to run and the numbers of its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Numbers = dict[str, float]
Prepared = Callable[[], Any]
ROLE, WINDOW = "principal", 3
PANEL = (
    "exposure_share", "vacancy_share", "n_leaders", "elapsed_tenure_years", "n_entries", "n_exits",
    "turnover_lag", "turnover_lead",
)  # fmt: skip
EVENTS = (
    "vacancy_years", "is_mid_year", "successor_share", "vacancy_days", "is_summer",
    "predecessor_tenure_years", "event_order", "gap_since_last_years",
    "successor_experience_years",
)  # fmt: skip


def records(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return spells and units as they were written."""
    return pd.read_parquet(data / "churn_spells.parquet"), pd.read_parquet(
        data / "churn_units.parquet"
    )


def churn_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    spells, frame = records(data)
    units = cs.Units.from_frame(frame)

    def run() -> Any:
        tenures = cs.Tenures.from_spells(spells)
        panel = cs.Panel.build(tenures, role=ROLE)
        churn = cs.churn_measures(tenures, units=units, window=WINDOW)
        return {"panel": panel.frame, "events": panel.events, "exposure": panel.exposure,
                "spells": panel.spells, "churn": churn}  # fmt: skip

    return run, numbers


def churn_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One sort of the spells, one row a post and year, one comparison, and sums by district."""
    spells, units = records(data)
    home_of = units["parent_id"].fillna(units["unit_id"]).set_axis(units["unit_id"])

    def run() -> Any:
        unit, names = pd.factorize(spells["unit_id"])
        role = pd.factorize(spells["role"])[0]
        leader = pd.factorize(spells["leader_id"])[0]
        home, homes = pd.factorize(home_of.reindex(names))
        start, stop = spells["start"].to_numpy(), spells["stop"].to_numpy()
        order = np.lexsort([start, role, unit])
        first = np.floor(start[order]).astype(int)
        years = np.ceil(stop[order]).astype(int) - first
        row = np.repeat(order, years)
        year = np.repeat(first - np.r_[0, np.cumsum(years)[:-1]], years) + np.arange(row.size)
        share = np.minimum(stop[row], year + 1) - np.maximum(start[row], year)
        new = leader[row][1:] != leader[row][:-1]
        new &= (unit[row][1:] == unit[row][:-1]) & (role[row][1:] == role[row][:-1])
        cell = home[unit[row]] * 100 + year - year.min()
        sums = [
            np.bincount(cell, weights=w, minlength=100 * len(homes))
            for w in (share, np.r_[False, new], share * (year - start[row]))
        ]
        own = spells["role"].eq(ROLE).to_numpy()[row]
        return sums, int((np.r_[False, new] & own).sum())

    return run, lambda r: {"changes": float(r[1])}


def churn_pandas(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """The plain way: explode, merge, shift and groupby.apply."""
    from panel.plain import everything

    spells, units = records(data)
    return lambda: everything(spells, units, WINDOW), numbers


def numbers(made: dict[str, pd.DataFrame]) -> Numbers:
    """Return a sum of every column, in which the place of a value counts, and its known cells."""
    events = made["events"]
    found = {"rows": float(len(made["panel"])), "changes": float(len(events))}
    origins = events["successor_origin"].value_counts()
    found |= {f"origin {name}": float(n) for name, n in origins.items()}
    measures = [
        c for c in made["churn"].columns if c.endswith(("_share", "_rate", "_years", "_sd"))
    ]
    measures += [c for c in made["churn"].columns if c.startswith(("cascade_n", "experience_n"))]
    for table, columns in (("panel", PANEL), ("events", EVENTS), ("churn", measures)):
        for column in columns:
            values = made[table][column].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
            weight = 1.0 + np.arange(values.size) % 97
            found[f"{table} {column}"] = float(np.nansum(np.abs(values) * weight))
            found[f"{table} {column} known"] = float(np.isfinite(values).sum())
    return found
