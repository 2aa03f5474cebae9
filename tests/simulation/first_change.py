"""Worlds in which a unit changes once, or never; effects differ by cohort and grow.

Unit u of cohort g has in year t

    y = a_u + .2 t + walk_ut + (1 + (t - g) / 2) * (1 + (2016 - g) / 2) [t >= g] + noise.

``walk`` has steps of its own in each unit and year, so that errors are related within units. Each
unit draws its cohort, with equal chances; the shares of cohorts differ between worlds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import churnstats as cs
from simulation.simulations import Draws, Seed

YEARS = np.arange(2010, 2018)
COHORTS = np.array([2013, 2014, 2016, 0])
STEP_SD, NOISE_SD = 0.3, 0.3

DESIGNS: dict[str, Any] = {
    "CallawaySantAnna": cs.CallawaySantAnna(),
    "SunAbraham": cs.SunAbraham(),
    "Imputation": cs.Imputation(pre=3),
    "TwoStage": cs.TwoStage(pre=3),
    "ExtendedTwoWay": cs.ExtendedTwoWay(),
    "DynamicTwoWay": cs.DynamicTwoWay(),
}
# These errors hold what the draw of cohorts adds: their truth has the chances of cohorts, that of
# the other designs the shares in the world.
SAMPLED = ("CallawaySantAnna", "TwoStage")
TERMS = ("k=-3", "k=+0", "k=+3", "att")


def effect(cohort: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return effects at event times k, zero before the change."""
    return np.where(k >= 0, (1 + 0.5 * k) * (1 + 0.5 * (COHORTS.max() - cohort)), 0.0)


def truths(name: str, shares: np.ndarray) -> dict[str, float]:
    """Return what a design estimates if the cohorts that change have these shares."""
    cohort, year = np.meshgrid(COHORTS[:-1], YEARS, indexing="ij")
    k = year - cohort
    weight = np.broadcast_to(shares[:, None], k.shape)
    worth = effect(cohort, k)
    path = {j: np.average(worth[k == j], weights=weight[k == j]) for j in np.unique(k)}
    after = [path[j] for j in path if j >= 0]
    over_rows = np.average(worth[k >= 0], weights=weight[k >= 0])
    overall = np.mean(after) if name == "CallawaySantAnna" else over_rows
    return {"k=-3": 0.0, "k=+0": path[0], "k=+3": path[3], "att": float(overall)}


def world(rng: np.random.Generator, n_units: int, grows: bool) -> tuple[cs.Absorbing, np.ndarray]:
    """Return the data of one world, and how many units are in each cohort that changes."""
    cohort = rng.choice(COHORTS, n_units)
    size = (n_units, YEARS.size)
    y = rng.normal(size=(n_units, 1)) + 0.2 * np.arange(YEARS.size)
    y = y + np.cumsum(STEP_SD * rng.normal(size=size), axis=1) + NOISE_SD * rng.normal(size=size)
    if grows:
        k = np.where(cohort[:, None] > 0, YEARS - cohort[:, None], -1)
        y += effect(cohort[:, None], k)
    frame = pd.DataFrame(
        {
            "unit": np.repeat([f"u{i:03d}" for i in range(n_units)], YEARS.size),
            "year": np.tile(YEARS, n_units),
            "first": np.repeat(cohort, YEARS.size),
            "score": y.ravel(),
        }
    )
    data = cs.Absorbing.from_frame(frame, unit="unit", time="year", cohort="first")
    return data, np.array([(cohort == g).sum() for g in COHORTS[:-1]])


def first_change_replications(n_worlds: int, n_units: int, seed: Seed, grows: bool) -> Draws:
    """Estimate all designs in many worlds; estimates and intervals less their truths.

    Terms are ``"SunAbraham k=+0"``, ``"SunAbraham att"`` and so on.
    """
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(n_worlds):
        data, counts = world(rng, n_units, grows)
        parts = []
        for name, design in DESIGNS.items():
            shares = np.ones(counts.size) if name in SAMPLED else counts
            tidy = (
                cs.event_study(data, design, "score").tidy().replace({"term": {"overall": "att"}})
            )
            tidy = tidy[tidy["term"].isin(TERMS)].reset_index(drop=True)
            truth = tidy["term"].map(truths(name, shares)) if grows else 0.0
            moved = {c: tidy[c] - truth for c in ("estimate", "conf_low", "conf_high")}
            parts.append(tidy.assign(term=name + " " + tidy["term"], **moved))
        tables.append(pd.concat(parts))
    return Draws.of_tables(tables)
