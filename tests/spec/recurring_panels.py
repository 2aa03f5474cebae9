"""Panels of changes that recur, written as one string a unit, and regressions by dummies.

A letter a year is the unit's leader, a dot a year in which nobody looked: ``"aaabb.cc"`` has one
change that is known, in its fourth year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

import churnstats as cs

FIRST = 2001


@dataclass(frozen=True)
class World:
    """Rosters and, by unit and year, outcomes (NaN where there is none) and further columns."""

    leaders: Mapping[str, str]
    columns: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def panel(self) -> cs.Panel:
        roster = pd.DataFrame(
            [
                (u, FIRST + t, f"{u}-{c}")
                for u, s in self.leaders.items()
                for t, c in enumerate(s)
                if c != "."
            ],
            columns=["unit_id", "school_year_end", "leader_id"],
        )
        panel = cs.Panel.build(cs.Tenures.from_roster(roster, role="head"))
        frame = panel.frame
        places = list(zip(frame["unit_id"], frame["school_year_end"] - FIRST, strict=True))
        made = {name: [v[u][t] for u, t in places] for name, v in self.columns.items()}
        return replace(panel, frame=frame.assign(**made), measures=("y",))


def changed(leaders: str, t: int) -> bool | None:
    """Tell whether the leader changed into year t; None where that is not known."""
    if t < 1 or t >= len(leaders) or "." in leaders[t - 1 : t + 1]:
        return None
    return leaders[t] != leaders[t - 1]


def random_world(seed: int, n_units: int = 24, n_years: int = 12, hazard: float = 0.18) -> World:
    """Return rosters with changes, gaps and missing outcomes; every third unit never changes."""
    rng = np.random.default_rng(seed)
    leaders, y = {}, {}
    for i in range(n_units):
        moves = rng.random(n_years) < (hazard if i % 3 else 0.0)
        letters = [chr(97 + int(j)) for j in np.cumsum(moves)]
        if i % 4 == 1:
            letters[int(rng.integers(0, n_years))] = "."
        unit = f"u{i:02d}"
        leaders[unit] = "".join(letters)
        y[unit] = rng.normal(size=n_years).cumsum()
        y[unit][rng.random(n_years) < 0.04] = np.nan
    columns = {
        "y": y,
        "poverty": {u: rng.normal(size=n_years) for u in leaders},
        "students": {u: rng.uniform(0.5, 3.0, n_years) for u in leaders},
        "region": {u: np.full(n_years, "east" if i % 2 else "west") for i, u in enumerate(leaders)},
    }
    return World(leaders, columns)


def complete(world: World) -> World:
    """Fill the outcomes."""
    y = {u: np.where(np.isnan(v), 0.3, v) for u, v in world.columns["y"].items()}
    return replace(world, columns={**world.columns, "y": y})


def dummies(labels: list[object]) -> np.ndarray:
    values = sorted(set(labels), key=str)
    return np.array([[float(a == b) for b in values] for a in labels])


def regression(
    y: np.ndarray, x: np.ndarray, effects: list[list[object]], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients of x and what each row adds to them, all effects as dummies."""
    every = np.hstack([x, *(dummies(e) for e in effects)])
    bread = np.linalg.pinv(every.T @ (every * weights[:, None]), rcond=1e-11)
    coef = bread @ every.T @ (weights * y)
    scores = every * (weights * (y - every @ coef))[:, None]
    k = x.shape[1]
    return coef[:k], (scores @ bread)[:, :k]


def clustered(influence: np.ndarray, clusters: list[str]) -> np.ndarray:
    """Return the covariance with the factor G / (G - 1)."""
    names = sorted(set(clusters))
    total = np.zeros((influence.shape[1], influence.shape[1]))
    for name in names:
        moved = influence[[c == name for c in clusters]].sum(axis=0)
        total += np.outer(moved, moved)
    return total * len(names) / (len(names) - 1)
