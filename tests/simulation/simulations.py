"""What the simulations share: many small worlds at once, bounds, and closed forms of the truth.

A replication is a world of its own districts. Worlds are cut from one large simulation, which is
fast and costs no independence: districts are drawn independently of one another, and the year
effects that all worlds of a chunk share drop out of every contrast within a year.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import churnstats as cs
from churnstats.datasets.districts import (
    NO_PROGRAMS,
    ProgramRules,
    SimulatedDistricts,
    simulate_districts,
)

# A correct program leaves the bounds in one of a thousand seeds; the seeds are fixed.
FALSE_ALARM = 1e-3
MC_SDS = 4.0
CHUNK_DISTRICTS = 20_000
N_WORKERS = 2
# What the size of a test, or the coverage of an interval, may be off in the long simulations.
SLACK = 0.005
Seed = int | np.random.SeedSequence


def simulated(
    n_worlds: int, n_districts: int, n_years: int, seed: Seed, **options: Any
) -> SimulatedDistricts:
    """Simulate the districts of many worlds, with superintendents and nobody else."""
    n = n_worlds * n_districts
    return simulate_districts(n, n_years, n_schools=0, n_directors=0, seed=seed, **options)


def cut(panel: cs.Panel, n_worlds: int) -> Iterator[cs.Panel]:
    """Cut a panel into panels of equally many units, in the order of their ids."""
    units = pd.Index(panel.frame["unit_id"].unique())
    parts = []
    for table in (panel.frame, panel.events, panel.spells):
        world = units.get_indexer(table["unit_id"]) // (units.size // n_worlds)
        bounds = np.searchsorted(world, np.arange(n_worlds + 1))
        parts.append([table.iloc[bounds[i] : bounds[i + 1]] for i in range(n_worlds)])
    for tables in zip(*parts, strict=True):
        frame, events, spells = (t.reset_index(drop=True) for t in tables)
        yield replace(panel, frame=frame, events=events, spells=spells, principals=spells)


def panels(
    n_worlds: int, n_districts: int, n_years: int, seed: Seed, **options: Any
) -> Iterator[cs.Panel]:
    """Return the panels of many worlds, of superintendents and achievement."""
    sim = simulated(n_worlds, n_districts, n_years, seed, programs=NO_PROGRAMS, **options)
    tenures = cs.Tenures.from_spells(sim.tenures)
    yield from cut(cs.Panel.build(tenures, cs.Outcomes.from_frame(sim.outcomes)), n_worlds)


@dataclass(frozen=True)
class Draws:
    """Estimates with errors and intervals of many replications: arrays (replication, term)."""

    terms: tuple[str, ...]
    estimate: np.ndarray
    std_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray

    @classmethod
    def of(cls, replications: Iterator[list[cs.Result]]) -> Draws:
        """Collect the terms of one or more results a replication."""
        return cls.of_tables([pd.concat([r.tidy() for r in results]) for results in replications])

    @classmethod
    def of_tables(cls, tables: list[pd.DataFrame]) -> Draws:
        """Collect tidy tables, one a replication."""
        (terms,) = {tuple(t["term"]) for t in tables}
        columns = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
        return cls(terms, *(np.array([t[c].to_numpy() for t in tables]) for c in columns))

    @classmethod
    def join(cls, parts: list[Draws]) -> Draws:
        (terms,) = {p.terms for p in parts}
        names = [f.name for f in fields(cls)][1:]
        return cls(terms, *(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    @property
    def n(self) -> int:
        return self.estimate.shape[0]

    @property
    def mean(self) -> np.ndarray:
        return self.estimate.mean(axis=0)

    @property
    def mc_error(self) -> np.ndarray:
        """Monte Carlo standard error of the mean."""
        return self.estimate.std(axis=0, ddof=1) / np.sqrt(self.n)

    def rejections(self, term: str) -> int:
        """Count tests at 5% that reject."""
        return int((self.p_value[:, self.terms.index(term)] < 0.05).sum())

    def covered(self, truth: np.ndarray | float) -> np.ndarray:
        """Count, for each term, the intervals that hold the truth."""
        return ((self.low <= truth) & (truth <= self.high)).sum(axis=0)

    def table(self, truth: np.ndarray | float) -> str:
        """Return mean, spread, mean error and coverage, as text."""
        rows = pd.DataFrame(
            {
                "term": self.terms,
                "truth": np.broadcast_to(truth, self.mean.shape),
                "mean": self.mean,
                "mc_error": self.mc_error,
                "sd": self.estimate.std(axis=0, ddof=1),
                "mean_std_error": self.std_error.mean(axis=0),
                "coverage": self.covered(truth) / self.n,
            }
        )
        return f"\n{self.n:,} replications\n{rows.round(4).to_string(index=False)}"


def in_chunks(
    job: Callable[..., Draws],
    n_worlds: int,
    n_districts: int,
    seed: int,
    *arguments: Any,
    **options: Any,
) -> Draws:
    """Run ``job(n_worlds, n_districts, seed, ...)`` in chunks, two at a time."""
    at_once = max(CHUNK_DISTRICTS // n_districts, 1)
    sizes = [min(at_once, n_worlds - first) for first in range(0, n_worlds, at_once)]
    seeds = [np.random.SeedSequence(seed, spawn_key=(i,)) for i in range(len(sizes))]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(N_WORKERS, mp_context=context) as pool:
        jobs = [
            pool.submit(job, size, n_districts, child, *arguments, **options)
            for size, child in zip(sizes, seeds, strict=True)
        ]
        return Draws.join([j.result() for j in jobs])


def binomial_bounds(n: int, share: float) -> tuple[int, int]:
    """Return the counts out of n between which all but one in a thousand draws lie, exactly."""
    law = stats.binom(n, share)
    return int(law.ppf(FALSE_ALARM / 2)), int(law.ppf(1 - FALSE_ALARM / 2))


def assert_share(counts: np.ndarray | int, n: int, share: float, slack: float = 0.0) -> None:
    """Assert that counts out of n are those of a share, within exact binomial bounds.

    Many replications see that tests and intervals are approximations: a slack to both sides of
    the share is what they are allowed.
    """
    low, high = binomial_bounds(n, share - slack)[0], binomial_bounds(n, share + slack)[1]
    found = np.atleast_1d(counts)
    assert ((found >= low) & (found <= high)).all(), f"{found} of {n}, not in {low}..{high}"


def assert_unbiased(draws: Draws, truth: np.ndarray | float, allowance: float = 0.0) -> None:
    """Assert that means lie within four Monte Carlo errors of the truth, and an allowance."""
    off = np.abs(draws.mean - truth)
    assert (off <= MC_SDS * draws.mc_error + allowance).all(), draws.table(truth)


def assert_near(result: cs.Result, truth: np.ndarray | float, allowance: float = 0.0) -> None:
    """Assert that estimates of one large world lie within four standard errors of the truth."""
    tidy = result.tidy()
    off = np.abs(tidy["estimate"] - truth)
    assert (off <= MC_SDS * tidy["std_error"] + allowance).all(), f"{tidy}\ntruth: {truth}"


def shock_before_exit(hazard: float, slope: float) -> float:
    """Return E[z | exit] - E[z | no exit] for normal z and logit exit = logit hazard - slope z."""
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    exits = 1 / (1 + np.exp(slope * z) * (1 - hazard) / hazard)
    leaving, staying = weight * exits, weight * (1 - exits)
    return float((leaving * z).sum() / leaving.sum() - (staying * z).sum() / staying.sum())


# --- what is run in many worlds; here, so that other processes can find it ------------------------

PRE, POST, YEARS = 3, 2, 12
HAZARD, SHOCK_SD, SLOPE = 0.18, 0.1, 1.0
BASES: dict[str, cs.BaseYear | cs.EarlyBase | cs.LagAdjusted] = {
    "t-1": cs.BaseYear(),
    "early": cs.EarlyBase(-3, -2),
    "lag-adjusted": cs.LagAdjusted(2),
}
# Effects differ by event, leaders differ, shocks persist.
RICH = {"effect_sd": 0.03, "leader_sd": 0.03, "shock_ar": 0.5}


def study(panel: cs.Panel, base: str = "t-1", **options: Any) -> cs.Result:
    """Estimate the effect of a change on achievement."""
    design = cs.Stacked(pre=PRE, post=POST, base=BASES[base], **options)
    return cs.event_study(panel, design, "achievement")


def replications(
    n_worlds: int,
    n_districts: int,
    seed: Seed,
    path: tuple[float, ...],
    bases: tuple[str, ...] = ("t-1",),
    **options: Any,
) -> Draws:
    """Estimate every event time and the pooled effect in many worlds, on each base.

    Terms are ``"t-1 k=+0"``, ``"t-1 pooled"`` and so on.
    """
    tables = []
    for panel in panels(n_worlds, n_districts, YEARS, seed, effect=path, **options):
        parts = []
        for base in bases:
            result = study(panel, base)
            both = pd.concat([result.tidy(), cs.pooled_effect(result).tidy()])
            parts.append(both.assign(term=base + " " + both["term"]))
        tables.append(pd.concat(parts))
    return Draws.of_tables(tables)


PROGRAM_HAZARD, COMPLETION_HAZARD = 0.15, 0.05
LOG_HR_PARTNER = -0.4


def program_worlds(
    n_worlds: int, n_districts: int, seed: Seed, log_hr: float, **options: Any
) -> Iterator[pd.DataFrame]:
    """Return the risk rows of programs of many worlds, all sponsored by superintendents.

    ``abandoned`` and ``partnered`` are added. About a third of the programs began before the
    window and enter late.
    """
    rules = ProgramRules(
        hazard=PROGRAM_HAZARD,
        completion_hazard=COMPLETION_HAZARD,
        log_hr_change=log_hr,
        log_hr_partner=LOG_HR_PARTNER,
        director_share=0.0,
    )
    sim = simulated(n_worlds, n_districts, YEARS, seed, programs=rules, **options)
    panel = cs.Panel.build(cs.Tenures.from_spells(sim.tenures))
    programs = cs.Programs.from_frame(sim.programs)
    partner = programs.frame.set_index("program_id")["partner_id"].notna()
    rows = cs.program_rows(programs, panel).frame
    units = pd.Index(panel.frame["unit_id"].unique())
    rows = rows.assign(
        world=units.get_indexer(rows["unit_id"]) // n_districts,
        abandoned=(rows["end_reason"] == "abandoned").astype(int),
        partnered=rows["program_id"].map(partner).astype(int),
    )
    for _, world in rows.groupby("world"):
        yield world.reset_index(drop=True)


def change_hazard(rows: pd.DataFrame, **options: Any) -> cs.Result:
    """Estimate the hazard ratio of abandonment once the champion is gone."""
    return cs.cox(
        rows,
        "champion_gone + partnered",
        entry="entry_years",
        exit="exit_years",
        event="abandoned",
        vcov=cs.Cluster("unit_id"),
        **options,
    )


def hazard_replications(n_worlds: int, n_districts: int, seed: Seed, log_hr: float) -> Draws:
    """Estimate hazard ratios in many worlds."""
    worlds = program_worlds(n_worlds, n_districts, seed, log_hr)
    return Draws.of([change_hazard(w)] for w in worlds)


AGES = (1.0, 2.0, 4.0, 6.0)


def survival_at(rows: pd.DataFrame, event: str, vcov: Any) -> pd.DataFrame:
    """Return the tidy curve at some ages."""
    return at_ages(
        cs.kaplan_meier(rows, entry="entry_years", exit="exit_years", event=event, vcov=vcov)
    )


def at_ages(curve: cs.Result) -> pd.DataFrame:
    """Return a tidy curve at some ages."""
    tidy = curve.tidy()
    return tidy[tidy["time"].isin(AGES)]


def frail_spells(rng: np.random.Generator, n_clusters: int) -> pd.DataFrame:
    """Return spells of districts that differ in how long anything lasts in them.

    A gamma frailty of mean 1 and variance `FRAILTY` multiplies a yearly hazard; spells end at
    the turn of a year, some are seen late, all are censored after eight years. ``x`` is a
    district's own and does nothing.
    """
    sizes = rng.integers(5, 36, n_clusters)
    district = np.repeat(np.arange(n_clusters), sizes)
    frailty = rng.gamma(1 / FRAILTY, FRAILTY, n_clusters)[district]
    stop = np.ceil(rng.exponential(size=district.size) / (frailty * RATE))
    entry = rng.integers(0, 4, district.size) * (rng.random(district.size) < 0.4)
    seen = stop > entry
    return pd.DataFrame(
        {
            "unit_id": district,
            "entry_years": entry,
            "exit_years": np.minimum(stop, 8.0),
            "ended": (stop <= 8).astype(int),
            "x": rng.normal(size=n_clusters)[district],
        }
    )[seen]


FRAILTY, RATE = 0.4, 0.25


def frail_survival(age: np.ndarray) -> np.ndarray:
    """Return the share of all spells that last longer than an age."""
    return (1 + FRAILTY * RATE * age) ** (-1 / FRAILTY)


def frail_replications(n_worlds: int, n_clusters: int, seed: int) -> dict[str, Draws]:
    """Estimate survival and the effect of ``x``, with clustered errors and without."""
    rng = np.random.default_rng(seed)
    curves: dict[str, list[pd.DataFrame]] = {"clustered": [], "independent": []}
    hazards: dict[str, list[cs.Result]] = {"cox clustered": [], "cox independent": []}
    for _ in range(n_worlds):
        rows = frail_spells(rng, n_clusters)
        times = {"entry": "entry_years", "exit": "exit_years", "event": "ended"}
        curve = cs.kaplan_meier(rows, **times, vcov=cs.Cluster("unit_id"))
        cox = cs.cox(rows, "x", **times, vcov=cs.Cluster("unit_id"))
        curves["clustered"].append(at_ages(curve))
        curves["independent"].append(at_ages(curve.with_vcov(cs.Classical())))
        hazards["cox clustered"].append(cox)
        hazards["cox independent"].append(cox.with_vcov(cs.Classical()))
    found = {name: Draws.of_tables(tables) for name, tables in curves.items()}
    return found | {name: Draws.of([r] for r in results) for name, results in hazards.items()}


def related_rows(rng: np.random.Generator, n_clusters: int, n_years: int = 10) -> pd.DataFrame:
    """Return two units a cluster with persistent shocks of cluster and unit, and a persistent x.

    ``x`` does nothing to ``y``. Clusters differ in the size of their shocks.
    """
    n_units = 2 * n_clusters
    cluster = np.arange(n_units) // 2

    def walk(n: int) -> np.ndarray:
        steps = rng.normal(size=(n, n_years))
        for t in range(1, n_years):
            steps[:, t] += 0.8 * steps[:, t - 1]
        return steps

    size = rng.uniform(0.5, 1.5, n_clusters)[cluster, None]
    y = rng.normal(size=(n_units, 1)) + rng.normal(size=n_years)
    y = y + size * (walk(n_clusters)[cluster] + 0.5 * walk(n_units))
    x = walk(n_clusters)[cluster] + 0.5 * walk(n_units)
    return pd.DataFrame(
        {
            "y": y.ravel(),
            "x": x.ravel(),
            "unit": np.repeat(np.arange(n_units), n_years),
            "cluster": np.repeat(cluster, n_years),
            "year": np.tile(np.arange(n_years), n_units),
        }
    )


LINEAR_CHOICES: dict[str, Any] = {
    "cluster": cs.Cluster("cluster"),
    "unit": cs.Cluster("unit"),
    "rows": cs.Robust("HC1"),
}


def linear_replications(n_worlds: int, n_clusters: int, seed: Seed) -> dict[str, Draws]:
    """Estimate the effect of ``x`` with unit and year effects, under several errors."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[cs.Result]] = {name: [] for name in LINEAR_CHOICES}
    for _ in range(n_worlds):
        rows = related_rows(rng, n_clusters)
        fit = cs.linear_model(
            rows, "y ~ x | unit + year", vcov=cs.Cluster("cluster"), clusters=("unit",)
        )
        for name, choice in LINEAR_CHOICES.items():
            found[name].append(fit.with_vcov(choice))
    return {name: Draws.of([r] for r in results) for name, results in found.items()}
