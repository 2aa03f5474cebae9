"""Worlds in which changes recur and their effects add up, with a path that is known.

In year t unit u has

    y = a_u + b_t + sum over its changes c <= t of path[t - c] + s_ut + noise,

``s`` being the shock of the year. A change comes into year t with a chance of `HAZARD` whose
logit falls by ``slope`` with each standard deviation of the shock of year t - 1.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

import churnstats as cs
from churnstats.estimators.distributed_lags import DistributedLags
from churnstats.estimators.local_projections import LocalProjections
from simulation.simulations import Draws, Seed, cut

FIRST, N_YEARS, BURN_IN = 2001, 14, 25
PRE, POST = 3, 2
HAZARD, SHOCK_SD, NOISE_SD = 0.18, 0.1, 0.05
TERMS = [k for k in range(-PRE, POST + 1) if k != -1]

DESIGNS = {
    "stacked": cs.Stacked(PRE, POST),
    "lags": DistributedLags(PRE, POST),
    "projections": LocalProjections(PRE, POST),
    "projections, early base": LocalProjections(PRE, POST, base=cs.EarlyBase(-3, -2)),
    "projections, not isolated": LocalProjections(PRE, POST, isolate=False),
}


@dataclass(frozen=True)
class Rules:
    """What a world is made of.

    Parameters
    ----------
    path : tuple of float
        Effects of a change in the years after it; the last one stays.
    slope : float
        How much a bad year before raises the chance of a change.
    effect_sd : float
        By how much the effects of single changes differ.
    mixed : bool
        Whether units differ in their hazard (half have half of it, half have half more).
    replaces : bool
        Whether a change ends the effects of the one before it.
    """

    path: tuple[float, ...] = (0.0,)
    slope: float = 0.0
    effect_sd: float = 0.0
    mixed: bool = False
    replaces: bool = False


def worlds(n_worlds: int, n_units: int, seed: Seed, rules: Rules) -> Iterator[cs.Panel]:
    """Return the panels of many worlds, cut from one simulation."""
    rng = np.random.default_rng(seed)
    n, t_all = n_worlds * n_units, BURN_IN + N_YEARS
    shock = rng.normal(size=(n, t_all))
    hazard = np.full(n, HAZARD)
    if rules.mixed:
        hazard = HAZARD * np.where(np.arange(n) % 2, 0.5, 1.5)
    chance = np.repeat(logit(hazard)[:, None], t_all, axis=1)
    chance[:, 1:] -= rules.slope * shock[:, :-1]
    change = rng.random((n, t_all)) < expit(chance)
    y = rng.normal(size=(n, 1)) * 0.2 + rng.normal(size=t_all) * 0.1
    y = y + SHOCK_SD * shock + NOISE_SD * rng.normal(size=(n, t_all))
    y += _effects(rng, change, rules)
    seen = slice(BURN_IN, None)
    yield from cut(_panel(change[:, seen], y[:, seen]), n_worlds)


def _effects(rng: np.random.Generator, change: np.ndarray, rules: Rules) -> np.ndarray:
    size = 1 + rules.effect_sd * rng.normal(size=change.shape)
    total = np.zeros(change.shape)
    for c in range(change.shape[1]):
        moved = change[:, c]
        if rules.replaces:
            total[moved, c:] = 0.0
        for t in range(c, change.shape[1]):
            worth = rules.path[min(t - c, len(rules.path) - 1)]
            total[:, t] += moved * worth * size[:, c]
    return total


def _panel(change: np.ndarray, y: np.ndarray) -> cs.Panel:
    n, n_years = change.shape
    unit = np.repeat([f"u{i:06d}" for i in range(n)], n_years)
    year = np.tile(FIRST + np.arange(n_years), n)
    moved = change.copy()
    moved[:, 0] = True
    u, t = np.nonzero(moved)
    last = np.r_[u[1:] != u[:-1], True]
    stop = np.where(last, n_years, np.r_[t[1:], 0])
    spells = pd.DataFrame(
        {
            "unit_id": [f"u{i:06d}" for i in u],
            "leader_id": [f"l{j}" for j in range(u.size)],
            "start": FIRST + t.astype(float),
            "stop": FIRST + stop.astype(float),
            "left_censored": t == 0,
            "right_censored": last,
        }
    )
    outcomes = pd.DataFrame({"unit_id": unit, "school_year_end": year, "estimate": y.ravel()})
    tenures = cs.Tenures.from_spells(spells, role="superintendent")
    return cs.Panel.build(tenures, cs.Outcomes.from_frame(outcomes, measure="score"))


def recurring_replications(
    n_worlds: int, n_units: int, seed: Seed, rules: Rules, names: tuple[str, ...]
) -> Draws:
    """Estimate each design in many worlds; terms are ``"lags k=+0"`` and so on."""
    tables = []
    for panel in worlds(n_worlds, n_units, seed, rules):
        parts = []
        for name in names:
            tidy = cs.event_study(panel, DESIGNS[name], "score").tidy()
            parts.append(tidy.assign(term=name + " " + tidy["term"]))
        tables.append(pd.concat(parts))
    return Draws.of_tables(tables)


@functools.cache
def large_world(seed: int, rules: Rules, n_units: int = 4_000) -> cs.Panel:
    """Return one world of many units."""
    (panel,) = worlds(1, n_units, seed, rules)
    return panel
