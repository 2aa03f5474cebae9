"""What happened in simulated districts, followed post by post and year by year in plain loops.

Nothing of the panel is used: the posts are simulated again from the parameters and the seed, and
every holder, share and change is read off them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

import churnstats as cs
from churnstats.datasets.districts import (
    Recording,
    SimulatedDistricts,
    StaffRules,
    simulate_districts,
)
from churnstats.datasets.districts.posts import (
    Hiring,
    Posts,
    constant_probability,
    simulate_posts,
)
from churnstats.datasets.districts.streams import Streams
from churnstats.datasets.districts.tables import EXIT_REASONS, EXIT_SHARES

FIRST = 2004
# Every third school goes to another district then.
MOVED_IN = 2008
REACH = 5.0
TYPES = {
    "retirement": "voluntary",
    "voluntary_other": "voluntary",
    "nonrenewal": "involuntary",
    "involuntary": "involuntary",
    "interim_ended": "other",
}
STAFF = StaffRules(
    director_exit_hazard=0.3, principal_exit_hazard=0.25, interim_share=0.2, vacancy_share=0.4
)
LIVELY: dict[str, Any] = {
    "exit_hazard": 0.35,
    "mid_year_share": 0.5,
    "mover_share": 0.8,
    "leader_sd": 1.0,
    "n_schools": 3,
    "n_directors": 5,
    "staff": STAFF,
}


@dataclass
class Stay:
    """One person's time in one post, as it was."""

    unit: str
    role: str
    leader: str
    start: float
    interim: bool
    stop: float = math.inf
    reason: str = ""

    def share(self, year: int, until: float | None = None) -> float:
        """Return the share that it has of a year, or of its stretch until a time."""
        end = year + 1.0 if until is None else until
        return max(0.0, min(self.stop, end) - max(self.start, float(year))) / (end - year)


@dataclass
class World:
    """A simulation with the stays that the window shows, and where they belong."""

    sim: SimulatedDistricts
    stays: list[Stay]
    years: range
    end: float
    censored: bool
    moved: dict[str, str]

    def of(self, role: str) -> dict[str, list[Stay]]:
        """Return the stays of a role by unit, in the order of time."""
        found: dict[str, list[Stay]] = {}
        for stay in self.stays:
            if stay.role == role:
                found.setdefault(stay.unit, []).append(stay)
        return {unit: found[unit] for unit in sorted(found)}

    def home(self, unit: str, year: int) -> str:
        """Return the district of a school, or a district itself."""
        return self.moved.get(unit, unit[:7]) if year >= MOVED_IN else unit[:7]

    def units(self) -> cs.Units:
        """Return the table of units, with the schools that changed districts."""
        changes = pd.DataFrame(
            {
                "unit_id": list(self.moved),
                "school_year_end": MOVED_IN,
                "change": "new_parent",
                "successor_id": list(self.moved.values()),
            }
        )
        return cs.Units.from_frame(self.sim.units, changes)

    def began(self, stay: Stay) -> float:
        """Return when a stay began as the records tell it, NaN where they lost it."""
        return math.nan if self.censored and stay.start < FIRST else stay.start

    def holder(self, stays: list[Stay], year: int, until: float | None = None) -> Stay | None:
        """Return who led most of a year, nobody where the post was empty for longer."""
        led = [s for s in stays if s.share(year, until) > 1e-9]
        if not led:
            return None
        best = max(s.share(year, until) for s in led)
        first = next(s for s in led if s.share(year, until) > best - 1e-9)
        return first if self.vacancy(stays, year, until) <= best + 1e-9 else None

    def seen(self, stays: list[Stay], year: int, until: float | None = None) -> float:
        """Return the share of a year, or its stretch, from the first stay of the window on."""
        end = year + 1.0 if until is None else until
        return (end - min(max(stays[0].start, FIRST, year), end)) / (end - year)

    def vacancy(self, stays: list[Stay], year: int, until: float | None = None) -> float:
        """Return the share of a year, or its stretch, in which nobody led."""
        return self.seen(stays, year, until) - sum(s.share(year, until) for s in stays)


def posts_of(sim: SimulatedDistricts, seed: int, role: str) -> Posts:
    """Return the posts of a role, simulated again from the parameters and the seed."""
    p = sim.truth.parameters
    per_district = {"superintendent": 1, "director": p.n_directors, "principal": p.n_schools}
    hazards = {
        "superintendent": p.exit_hazard,
        "director": p.staff.director_exit_hazard,
        "principal": p.staff.principal_exit_hazard,
    }
    n, m = p.n_districts * per_district[role], p.years.size
    hiring = Hiring()
    if role == "superintendent":
        shares = (p.mid_year_share, p.staff.interim_share, p.staff.vacancy_share, p.mover_share)
        hiring = Hiring(*shares)
    hazard = constant_probability(hazards[role], n, m)
    return simulate_posts(hazard, p.years, hiring, role, Streams(seed))


def stays_of(posts: Posts, place: list[tuple[str, str]], letter: str, draws: Any) -> list[Stay]:
    """Follow each post through its years."""
    limits = [sum(EXIT_SHARES[: i + 1]) for i in range(len(EXIT_SHARES) - 1)]
    made: list[Stay] = []
    for row, (unit, role) in enumerate(place):
        person = f"{letter}{posts.holder[row, 0]:06d}"
        now = Stay(unit, role, person, float(posts.years[0]), False)
        made.append(now)
        for column in range(1, posts.years.size):
            if not posts.changed[row, column]:
                continue
            now.stop = float(posts.left_at[row, column])
            drawn = EXIT_REASONS[sum(draws[row, column] >= limit for limit in limits)]
            moved = posts.moved_on[row, column]
            now.reason = "interim_ended" if now.interim else "voluntary_other" if moved else drawn
            person = f"{letter}{posts.holder[row, column]:06d}"
            start, interim = posts.began_at[row, column], posts.interim[row, column]
            now = Stay(unit, role, person, float(start), bool(interim))
            made.append(now)
    return made


def simulated(n_districts: int, n_years: int, seed: int, left: str = "known", **more: Any) -> World:
    """Simulate districts, and work out what happened in them."""
    recording = Recording(left=left)  # type: ignore[arg-type]
    options = {**LIVELY, **more}
    sim = simulate_districts(n_districts, n_years, seed=seed, recording=recording, **options)
    districts = sim.units.loc[sim.units["level"] == "district", "unit_id"].tolist()
    schools = sim.units.loc[sim.units["level"] == "school", "unit_id"].tolist()
    seats = [f"director_{j + 1}" for j in range(sim.truth.parameters.n_directors)]
    places = {
        "superintendent": [(unit, "superintendent") for unit in districts],
        "director": [(unit, seat) for unit in districts for seat in seats],
        "principal": [(unit, "principal") for unit in schools],
    }
    stays = []
    for role, place in places.items():
        posts = posts_of(sim, seed, role)
        draws = Streams(seed)(f"{role}_reasons").random(posts.holder.shape)
        stays += stays_of(posts, place, role[0].upper(), draws)
    visible = [s for s in stays if s.stop > FIRST]
    years = range(FIRST, FIRST + n_years)
    moved = {s: districts[districts.index(s[:7]) - 1] for s in schools[::3]}
    return World(sim, visible, years, float(years[-1] + 1), left == "censored", moved)


def true_years(world: World, role: str) -> list[dict[str, Any]]:
    """Return the panel's rows as they have to be."""
    rows = []
    for unit, stays in world.of(role).items():
        names = [world.holder(stays, year) for year in world.years]
        for i, year in enumerate(world.years):
            led = [s for s in stays if s.share(year) > 1e-9]
            seen, now = world.seen(stays, year), names[i]
            known = [None if k is None else k.leader for k in names]
            lag = None if i == 0 or None in known[i - 1 : i + 1] else known[i] != known[i - 1]
            ahead = known[i : i + 2]
            lead = None if len(ahead) < 2 or None in ahead else ahead[0] != ahead[1]
            entered = [s for s in stays if year <= s.start < year + 1 and s.start >= FIRST]
            gone = [s for s in stays if year < s.stop <= year + 1]
            end = math.nan if now is None else min(now.stop, year + 1.0)
            rows.append(
                {
                    "unit_id": unit,
                    "school_year_end": year,
                    "leader_id": None if now is None else now.leader,
                    "exposure_share": math.nan if now is None else now.share(year),
                    "vacancy_share": world.vacancy(stays, year),
                    "observed_share": seen,
                    "n_leaders": len(led),
                    "elapsed_tenure_years": math.nan if now is None else end - world.began(now),
                    "n_entries": len(entered),
                    "n_exits": len(gone),
                    "turnover_lag": lag,
                    "turnover_lead": lead,
                }
            )
    return rows


def true_tests(world: World, role: str) -> list[dict[str, Any]]:
    """Return what the panel has to say of the stretch of each year before 15 April."""
    rows = []
    for unit, stays in world.of(role).items():
        for year in world.years:
            first, last = date(year - 1, 7, 1), date(year, 7, 1)
            until = year + (date(year, 4, 15) - first).days / (last - first).days
            seen, now = world.seen(stays, year, until), world.holder(stays, year)
            then, looked = world.holder(stays, year, until), seen > 1e-9
            share = math.nan if now is None else now.share(year, until)
            rows.append(
                {
                    "unit_id": unit,
                    "school_year_end": year,
                    "exposure_share_tested": share if looked else math.nan,
                    "tested_leader_id": None if then is None else then.leader,
                    "tested_leader_share": math.nan if then is None else then.share(year, until),
                    "vacancy_share_tested": world.vacancy(stays, year, until)
                    if looked
                    else math.nan,
                    "observed_share_tested": seen,
                    "is_interim": None if now is None else now.interim,
                    "interim_share": float(sum(s.share(year) for s in stays if s.interim)),
                }
            )
    return rows


def day(time: float) -> date:
    """Return the day of school-year time: the share of the days from 1 July to 1 July."""
    year = math.floor(time)
    first, last = date(year - 1, 7, 1), date(year, 7, 1)
    return first + timedelta(days=round((time - year) * (last - first).days))


def origin(world: World, now: Stay) -> tuple[str, float, bool]:
    """Return origin, experience and whether that is a minimum, from the stays before."""
    past = [
        s for s in world.stays if s.leader == now.leader and s is not now and s.start < now.start
    ]
    years = sum(min(s.stop, now.start) - max(s.start, FIRST if world.censored else 0) for s in past)
    least = any(math.isnan(world.began(s)) for s in past)
    if any((s.unit, s.role) == (now.unit, now.role) for s in past):
        return "returning", years, least
    if any(s.unit == now.unit for s in past):
        return "internal", years, least
    if past or now.start - FIRST >= REACH:
        return "external", years, least
    return "unknown", years, least


def true_events(world: World, role: str) -> list[dict[str, Any]]:
    """Return the ledger of events as it has to be."""
    rows = []
    for unit, stays in world.of(role).items():
        for order, (before, after) in enumerate(pairwise(stays), start=1):
            year = math.floor(after.start)
            turns = [date(year - 1, 7, 1), date(year, 7, 1)]
            away = min(abs((day(after.start) - turn).days) for turn in turns)
            came, years, least = origin(world, after)
            rows.append(
                {
                    "unit_id": unit,
                    "school_year_end": year,
                    "start": after.start,
                    "change_date": pd.Timestamp(day(after.start)),
                    "predecessor_id": before.leader,
                    "successor_id": after.leader,
                    "vacancy_years": after.start - before.stop,
                    "vacancy_days": (day(after.start) - day(before.stop)).days,
                    "overlap_days": 0,
                    "is_mid_year": after.start > year,
                    "is_summer": away <= 31,
                    "is_date_known": True,
                    "successor_share": year + 1.0 - after.start,
                    "predecessor_tenure_years": before.stop - world.began(before),
                    "exit_reason": before.reason,
                    "exit_type": TYPES[before.reason],
                    "predecessor_is_interim": before.interim,
                    "successor_is_interim": after.interim,
                    "event_order": order,
                    "gap_since_last_years": after.start - before.start if order > 1 else math.nan,
                    "successor_origin": came,
                    "successor_experience_years": years,
                    "successor_experience_is_minimum": least,
                }
            )
    return rows


def holders_at(world: World, role: str, year: int) -> dict[str, Stay | None]:
    """Return who is in post when a school year begins."""
    return {
        unit: next((s for s in stays if s.start <= year < s.stop), None)
        for unit, stays in world.of(role).items()
    }


def roles(world: World) -> list[str]:
    return sorted({s.role for s in world.stays})
