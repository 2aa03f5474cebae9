"""Synthetic districts with known truth: leaders, achievement, programs, and faults on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.types import FloatArray, IntArray
from churnstats.datasets.districts.defects import Board, apply_edits, defects_log, plan_defects
from churnstats.datasets.districts.outcomes import (
    Achievement,
    district_achievement,
    event_effects,
    event_shift,
    leader_share,
    middle_stability,
    school_achievement,
)
from churnstats.datasets.districts.parameters import (
    DEFAULT_PROGRAMS,
    DEFAULT_RECORDING,
    DEFAULT_STAFF,
    NO_PROGRAMS,
    Defects,
    EffectPath,
    ProgramRules,
    Recording,
    SimulationParameters,
    StaffRules,
)
from churnstats.datasets.districts.posts import (
    Hiring,
    Posts,
    constant_probability,
    exit_probability,
    simulate_posts,
    standard_shocks,
)
from churnstats.datasets.districts.programs import simulate_programs
from churnstats.datasets.districts.streams import Streams
from churnstats.datasets.districts.tables import (
    EXIT_SHARES,
    PostTable,
    components_of,
    district_ids,
    events_of,
    leaders_of,
    number_spells,
    outcomes_of,
    programs_of,
    roster_of,
    school_ids,
    tenures_of,
    units_table,
)

__all__ = [
    "NO_PROGRAMS",
    "Defects",
    "EffectPath",
    "ProgramRules",
    "Recording",
    "SimulatedDistricts",
    "SimulationParameters",
    "StaffRules",
    "Truth",
    "simulate_districts",
]

# The first letter of leaders' ids, and where their names begin among all names.
_PEOPLE = {
    "superintendent": ("S", 0),
    "director": ("D", 700_000),
    "principal": ("P", 1_400_000),
}


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """What is true of simulated districts.

    Parameters
    ----------
    parameters : SimulationParameters
        Every parameter that was used, defaults included.
    leaders : DataFrame
        ``leader_id, effect`` of the superintendents who serve in the window.
    events : DataFrame
        Superintendent changes in the window: ``unit_id, school_year_end`` (in which the successor
        begins), ``event_order`` (1, 2, ...; 0 for a change at the very opening of the window,
        whose predecessor is not seen), ``start, leader_id, predecessor_id, middle_stability,
        deviation, multiplier, event_effect``. At event time k an event shifts achievement by
        ``multiplier * (effect[k] + deviation)``; ``event_effect`` is the shift at k = 0.
    components : DataFrame
        ``unit_id, school_year_end`` and the parts that sum to ``true_mean``: ``unit_effect,
        year_effect, shock, leader_effect, event_effect, principal_effect``.
    tenures, roster : DataFrame
        The tables before defects were planted.
    defects : DataFrame
        One row a row that a defect replaced, added or removed: ``defect, number`` (which of its
        key, from 1), ``table, action, unit_id, role, school_year_end, leader_id`` (who truly held
        the post), ``recorded_leader_id, spell_id, detail``.
    """

    parameters: SimulationParameters
    leaders: pd.DataFrame
    events: pd.DataFrame
    components: pd.DataFrame
    tenures: pd.DataFrame
    roster: pd.DataFrame
    defects: pd.DataFrame

    @property
    def effect_path(self) -> pd.DataFrame:
        """The effect of a change by event time; the last row holds ever after."""
        values = self.parameters.effect.values
        return pd.DataFrame({"event_time": np.arange(len(values)), "effect": values})

    def __repr__(self) -> str:
        return f"Truth({len(self.events)} changes, {len(self.leaders)} superintendents)"


@dataclass(frozen=True, eq=False, repr=False)
class SimulatedDistricts:
    """Records as a study would meet them, and the truth behind them.

    Parameters
    ----------
    tenures : DataFrame
        ``spell_id, unit_id, role, leader_id, start, stop, entry, left_censored, right_censored,
        exit_reason, interim``. Spells are half-open; times are school-year time.
    units : DataFrame
        ``unit_id, level, parent_id``.
    roster : DataFrame
        ``unit_id, role, school_year_end, leader_id, leader_name``: who holds a post when the
        snapshot is taken. A vacant post has no row.
    outcomes : DataFrame
        ``unit_id, school_year_end, measure, estimate, std_error, n_obs``.
    programs : DataFrame
        ``program_id, unit_id, start, stop, entry, right_censored, end_reason, sponsor_id,
        sponsor_role, partner_id``. A program's row of year Y is (Y, Y + 1], its covariates are
        those at Y.
    truth : Truth
    """

    tenures: pd.DataFrame
    units: pd.DataFrame
    roster: pd.DataFrame
    outcomes: pd.DataFrame
    programs: pd.DataFrame
    truth: Truth

    def __repr__(self) -> str:
        p = self.truth.parameters
        return (
            f"SimulatedDistricts({p.n_districts} districts, {p.first_year} to "
            f"{p.first_year + p.n_years - 1}; {len(self.tenures)} spells, "
            f"{len(self.programs)} programs, {sum(p.defects.counts().values())} defects)"
        )


def simulate_districts(
    n_districts: int = 200,
    n_years: int = 20,
    *,
    first_year: int = 2004,
    n_schools: int = 4,
    n_directors: int = 3,
    exit_hazard: float = 0.18,
    dip_slope: float = 0.0,
    mid_year_share: float = 0.0,
    mover_share: float = 0.0,
    effect: EffectPath | Sequence[float] | Mapping[int, float] = (0.0,),
    effect_sd: float = 0.0,
    buffer: float = 0.0,
    leader_sd: float = 0.0,
    shock_sd: float = 0.1,
    shock_ar: float = 0.0,
    district_sd: float = 0.3,
    year_sd: float = 0.05,
    n_students: int = 600,
    staff: StaffRules = DEFAULT_STAFF,
    programs: ProgramRules = DEFAULT_PROGRAMS,
    recording: Recording = DEFAULT_RECORDING,
    defects: Defects | Mapping[str, int] | None = None,
    seed: int | np.random.SeedSequence = 0,
) -> SimulatedDistricts:
    """Simulate districts with known truth.

    `SimulationParameters` says what each argument does. A seed's parts are independent: leaving
    one out (programs, schools) changes no other.
    """
    parameters = SimulationParameters(
        n_districts=n_districts,
        n_years=n_years,
        first_year=first_year,
        n_schools=n_schools,
        n_directors=n_directors,
        exit_hazard=exit_hazard,
        dip_slope=dip_slope,
        mid_year_share=mid_year_share,
        mover_share=mover_share,
        effect=EffectPath.of(effect),
        effect_sd=effect_sd,
        buffer=buffer,
        leader_sd=leader_sd,
        shock_sd=shock_sd,
        shock_ar=shock_ar,
        district_sd=district_sd,
        year_sd=year_sd,
        n_students=n_students,
        staff=staff,
        programs=programs,
        recording=recording,
        defects=Defects.of(defects),
    )
    return simulate_from(parameters, seed)


def simulate_from(
    parameters: SimulationParameters, seed: int | np.random.SeedSequence = 0
) -> SimulatedDistricts:
    """Simulate districts from parameters that are already together."""
    p, streams = parameters, Streams(seed)
    districts = district_ids(p.n_districts, p.n_states)
    schools = school_ids(districts, p.n_schools)
    leaders, shocks = _superintendents(p, districts, streams)
    directors = _directors(p, districts, streams)
    principals = _principals(p, schools, streams)
    spread = streams("leader_effects").standard_normal(leaders.posts.n_persons)
    effects = p.leader_sd * spread + 0.0
    stability = middle_stability(directors.posts, p.n_districts)
    events = event_effects(p, stability, streams)
    shift = event_shift(leaders.posts, p.effect, events)
    share = leader_share(leaders.posts, effects)
    achievement = _achievement(p, shocks, share, shift, principals.posts, streams)
    tables = (leaders, directors, principals)
    censored = p.recording.left == "censored"
    tenures = number_spells([tenures_of(t, p.first_year, censored) for t in tables])
    roster = pd.concat([roster_of(t, p) for t in tables], ignore_index=True)
    spells = simulate_programs(p, leaders.posts, directors.posts, streams)
    units = (districts, schools)
    years = p.years[p.observed]
    board = Board.of(roster, tenures, districts, p.first_year, p.n_years)
    edits = plan_defects(board, p.defects, streams("defects"))
    truth = Truth(
        parameters=p,
        leaders=leaders_of(leaders, effects, p.observed),
        events=events_of(leaders, events, p),
        components=_by_level(components_of, units, years, achievement),
        tenures=tenures,
        roster=roster,
        defects=defects_log(board, edits),
    )
    return SimulatedDistricts(
        tenures=apply_edits(tenures, [e for e in edits if e.table == "tenures"]),
        units=units_table(districts, schools),
        roster=apply_edits(roster, [e for e in edits if e.table == "roster"]),
        outcomes=_by_level(outcomes_of, units, years, achievement),
        programs=programs_of(spells, leaders, directors, p.first_year),
        truth=truth,
    )


def _by_level(
    table_of: Callable[[Sequence[str], IntArray, Achievement], pd.DataFrame],
    units: tuple[Sequence[str], Sequence[str]],
    years: IntArray,
    achievement: tuple[Achievement, Achievement],
) -> pd.DataFrame:
    """Put the table of the districts and that of the schools below one another."""
    levels = zip(units, achievement, strict=True)
    return pd.concat([table_of(ids, years, a) for ids, a in levels], ignore_index=True)


def _post_table(
    posts: Posts, unit_ids: Sequence[str], roles: Sequence[str], role: str, streams: Streams
) -> PostTable:
    draws = streams(f"{role}_reasons").random(posts.holder.shape)
    reasons = np.searchsorted(np.cumsum(EXIT_SHARES)[:-1], draws, side="right")
    prefix, first_name = _PEOPLE[role]
    return PostTable(posts, unit_ids, roles, prefix, first_name, reasons)


def _superintendents(
    p: SimulationParameters, districts: Sequence[str], streams: Streams
) -> tuple[PostTable, FloatArray]:
    shocks = standard_shocks(p.n_districts, p.years.size, p.shock_ar, streams("shocks"))
    slope = p.dip_slope if p.shock_sd > 0 else 0.0
    hiring = Hiring(
        mid_year_share=p.mid_year_share,
        interim_share=p.staff.interim_share,
        vacancy_share=p.staff.vacancy_share,
        mover_share=p.mover_share,
    )
    probability = exit_probability(p.exit_hazard, slope, shocks)
    posts = simulate_posts(probability, p.years, hiring, "superintendent", streams)
    roles = ["superintendent"] * p.n_districts
    return _post_table(posts, districts, roles, "superintendent", streams), p.shock_sd * shocks


def _directors(p: SimulationParameters, districts: Sequence[str], streams: Streams) -> PostTable:
    n = p.n_districts * p.n_directors
    probability = constant_probability(p.staff.director_exit_hazard, n, p.years.size)
    posts = simulate_posts(probability, p.years, Hiring(), "director", streams)
    unit_ids = [unit for unit in districts for _ in range(p.n_directors)]
    roles = [f"director_{j + 1}" for j in range(p.n_directors)] * p.n_districts
    return _post_table(posts, unit_ids, roles, "director", streams)


def _principals(p: SimulationParameters, schools: Sequence[str], streams: Streams) -> PostTable:
    hazard = p.staff.principal_exit_hazard
    probability = constant_probability(hazard, len(schools), p.years.size)
    posts = simulate_posts(probability, p.years, Hiring(), "principal", streams)
    return _post_table(posts, schools, ["principal"] * len(schools), "principal", streams)


def _achievement(
    p: SimulationParameters,
    shocks: FloatArray,
    leader_effect: FloatArray,
    event_effect: FloatArray,
    principals: Posts,
    streams: Streams,
) -> tuple[Achievement, Achievement]:
    districts = district_achievement(p, shocks, leader_effect, event_effect, streams)
    shift = event_shift(principals, p.staff.principal_effect)
    return districts, school_achievement(p, districts, shift, streams)
