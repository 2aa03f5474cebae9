"""Programs with sponsors and partners, abandoned or completed on a yearly clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.datasets.districts.parameters import ProgramRules, SimulationParameters
from churnstats.datasets.districts.posts import Posts
from churnstats.datasets.districts.streams import Streams

RUNNING, ABANDONED, COMPLETED = -1, 0, 1


@dataclass(frozen=True)
class Programs:
    """Programs that run in the observed window; times are whole school years.

    Parameters
    ----------
    district : (p,) array
        Row of the district.
    start, stop : (p,) arrays
        ``stop`` is the end of the window for programs that still run then.
    end : (p,) array
        `RUNNING`, `ABANDONED` or `COMPLETED`.
    director : (p,) array
        Which director sponsors it, from 0; -1 for the superintendent.
    sponsor : (p,) array
        The person's number among the holders of that role.
    partner : (p,) array
        -1 for none.
    """

    district: IntArray
    start: FloatArray
    stop: FloatArray
    end: IntArray
    director: IntArray
    sponsor: IntArray
    partner: IntArray

    def take(self, rows: BoolArray) -> Programs:
        """Return some of the programs."""
        return Programs(
            self.district[rows],
            self.start[rows],
            self.stop[rows],
            self.end[rows],
            self.director[rows],
            self.sponsor[rows],
            self.partner[rows],
        )


def simulate_programs(
    parameters: SimulationParameters, superintendents: Posts, directors: Posts, streams: Streams
) -> Programs:
    """Simulate the programs of all districts, those before the window included."""
    rules, n_directors = parameters.programs, parameters.n_directors
    in_post = superintendents.holder_at(0.0)
    rate = np.where(in_post < 0, 0.0, rules.n_programs / parameters.n_years)
    counts = streams("program_starts").poisson(rate)
    district, column = (np.repeat(at, counts[counts > 0]) for at in np.nonzero(counts))
    draws = streams("program_traits").random((4, district.size))
    director, partner = _traits(draws, rules, n_directors)
    holders = np.vstack([in_post, directors.holder_at(0.0)])
    first_post = parameters.n_districts + district * n_directors
    post = np.where(director < 0, district, first_post + director)
    stop, end = _ends(column, post, holders, partner >= 0, rules, streams("program_ends"))
    first = float(parameters.years[0])
    start: FloatArray = first + column.astype(float)
    programs = Programs(
        district, start, first + stop.astype(float), end, director, holders[post, column], partner
    )
    return programs.take(programs.stop > parameters.first_year)


def _traits(draws: FloatArray, rules: ProgramRules, n_directors: int) -> tuple[IntArray, IntArray]:
    by_director = (draws[0] < rules.director_share) & (n_directors > 0)
    director = np.where(by_director, (draws[1] * n_directors).astype(np.int64), -1)
    partner = (draws[3] * rules.n_partners).astype(np.int64)
    return director, np.where(draws[2] < rules.partner_share, partner, -1)


def _ends(
    start: IntArray,
    post: IntArray,
    holders: IntArray,
    partnered: BoolArray,
    rules: ProgramRules,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Return stop columns and end codes; a program is first at risk in the year it starts."""
    n, m = start.size, holders.shape[1]
    sponsor = holders[post, start]
    completes = -np.log1p(-rules.completion_hazard)
    abandons = -np.log1p(-rules.hazard) * np.exp(rules.log_hr_partner * partnered)
    stop, end = np.full(n, m, dtype=np.int64), np.full(n, RUNNING, dtype=np.int64)
    for t in range(m):
        chance, cause = rng.random((2, n))
        abandoned = abandons * np.exp(rules.log_hr_change * (holders[post, t] != sponsor))
        total = abandoned + completes
        ends = (start <= t) & (end == RUNNING) & (chance < -np.expm1(-total))
        stop[ends] = t + 1
        end[ends] = np.where(cause * total < abandoned, ABANDONED, COMPLETED)[ends]
    return stop, end
