"""What a simulation can be told: small frozen values, each checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray, IntArray

BURN_IN_YEARS = 30
MAX_STUDENTS = 10**15


def refuse(problems: Iterable[str]) -> None:
    """Raise one `SpecError` that lists every problem, if there are any."""
    found = tuple(problems)
    if found:
        count = f"{len(found)} parameter{'s' if len(found) != 1 else ''} out of range"
        raise SpecError("simulation", "; ".join((count, *found)), how="give values in range")


def _at_least(values: Mapping[str, float], low: float) -> list[str]:
    return [
        f"{name} = {value} is not a finite number of at least {low:g}"
        for name, value in values.items()
        if not (np.isfinite(value) and value >= low)
    ]


def _counts(values: Mapping[str, int], low: int) -> list[str]:
    return [
        f"{name} = {value} is not a whole number of at least {low}"
        for name, value in values.items()
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low
    ]


def _hazards(values: Mapping[str, float]) -> list[str]:
    return [f"{k} = {v} is not in [0, 1)" for k, v in values.items() if not 0 <= v < 1]


def _shares(values: Mapping[str, float]) -> list[str]:
    return [f"{k} = {v} is not in [0, 1]" for k, v in values.items() if not 0 <= v <= 1]


def _finite(values: Mapping[str, float]) -> list[str]:
    return [f"{k} = {v} is not finite" for k, v in values.items() if not np.isfinite(v)]


@dataclass(frozen=True)
class EffectPath:
    """Effect of a change on achievement by event time, in student standard deviations.

    Parameters
    ----------
    values : tuple of float
        Effect at event time 0 (the successor's first school year), 1, 2, ...; the last value
        holds ever after.

    Examples
    --------
    >>> EffectPath.of({0: -0.05, 2: 0.01}).values
    (-0.05, -0.05, 0.01)
    >>> EffectPath((-0.05, -0.02)).at(np.array([0, 1, 7]))
    array([-0.05, -0.02, -0.02])
    """

    values: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if not self.values:
            raise SpecError("effect_path", "an effect path has no values", how="give (0.0,)")
        refuse(_finite({f"effect at event time {k}": v for k, v in enumerate(self.values)}))

    @classmethod
    def of(cls, path: EffectPath | Sequence[float] | Mapping[int, float]) -> EffectPath:
        """Make a path from its values, or from a mapping of event time to effect.

        In a mapping an event time that is left out takes the value before it; before the first
        that is named the effect is zero.
        """
        if isinstance(path, EffectPath):
            return path
        if not isinstance(path, Mapping):
            return cls(tuple(float(value) for value in path))
        wrong = [k for k in path if isinstance(k, bool) or not isinstance(k, int) or k < 0]
        if wrong:
            raise SpecError(
                "effect_path",
                f"event times {wrong} are not whole numbers of at least 0",
                how="name the years after the change; there is no effect before it",
            )
        values: list[float] = []
        for k in range(max(path, default=-1) + 1):
            values.append(float(path.get(k, values[-1] if values else 0.0)))
        return cls(tuple(values))

    def at(self, event_time: IntArray) -> FloatArray:
        """Return the effect at event times of 0 and more."""
        return np.asarray(self.values)[np.minimum(event_time, len(self.values) - 1)]


@dataclass(frozen=True, kw_only=True)
class StaffRules:
    """Interim superintendents and vacancies, and the posts around the superintendent.

    Parameters
    ----------
    director_exit_hazard, principal_exit_hazard : float
        Yearly exit probabilities, constant; they leave at the end of a school year.
    principal_effect : EffectPath
        Effect of a principal change on the school's achievement, by event time.
    school_sd : float
        SD of fixed school effects around the district's.
    interim_share : float
        Share of superintendent changes in which an interim is hired, who leaves in the next
        school year for certain; both handovers are changes like any other.
    vacancy_share : float
        Share of superintendent changes after which the post is empty, for a uniform part of
        the rest of that school year.
    """

    director_exit_hazard: float = 0.15
    principal_exit_hazard: float = 0.20
    principal_effect: EffectPath = EffectPath()
    school_sd: float = 0.2
    interim_share: float = 0.0
    vacancy_share: float = 0.0

    def __post_init__(self) -> None:
        hazards = ("director_exit_hazard", "principal_exit_hazard")
        problems = _hazards({k: getattr(self, k) for k in hazards})
        problems += _shares({k: getattr(self, k) for k in ("interim_share", "vacancy_share")})
        refuse(problems + _at_least({"school_sd": self.school_sd}, 0))


@dataclass(frozen=True, kw_only=True)
class ProgramRules:
    """Programs and how they end.

    A year's cumulative hazard of abandonment is ``-log(1 - hazard)`` times
    ``exp(log_hr_change * gone + log_hr_partner * partner)``, so that the ratios are those of
    proportional hazards grouped in years (complementary log-log, or Cox).

    Parameters
    ----------
    n_programs : float
        Mean number of new programs of a district over the observed window, at an even rate. A
        district whose superintendent's post is vacant when a year starts adopts none that year.
    hazard, completion_hazard : float
        Yearly probabilities of abandonment (sponsor in post, no partner) and of completion, each
        in the absence of the other.
    log_hr_change : float
        Log hazard ratio of abandonment in years at whose start the sponsor is not in the post
        from which the program was sponsored.
    log_hr_partner : float
        Log hazard ratio of abandonment of programs that have a partner.
    director_share : float
        Share of programs that a director sponsors, in districts that have any.
    partner_share : float
        Share of programs with a partner.
    n_partners : int
        How many partners there are in all districts together.
    """

    n_programs: float = 4.0
    hazard: float = 0.15
    completion_hazard: float = 0.05
    log_hr_change: float = 0.0
    log_hr_partner: float = 0.0
    director_share: float = 0.3
    partner_share: float = 0.4
    n_partners: int = 10

    def __post_init__(self) -> None:
        problems = _at_least({"n_programs": self.n_programs}, 0)
        problems += _hazards({"hazard": self.hazard, "completion_hazard": self.completion_hazard})
        ratios = {k: getattr(self, k) for k in ("log_hr_change", "log_hr_partner")}
        shares = {k: getattr(self, k) for k in ("director_share", "partner_share")}
        problems += _finite(ratios) + _shares(shares) + _counts({"n_partners": self.n_partners}, 0)
        if self.n_partners == 0 and self.partner_share > 0:
            problems.append("partner_share is positive and n_partners is 0")
        refuse(problems)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """How what happened is put on record.

    Parameters
    ----------
    left : {"known", "censored"}
        Spells in progress when the window opens: ``"known"`` keeps their true start and enters
        them at the window's opening (late entry); ``"censored"`` loses the start, sets it to
        the opening and marks the spell as left-censored.
    snapshot_at : float
        When in a school year the roster is taken: 0.25 is a quarter of the way in.
    n_states : int
        Districts are dealt evenly to states, the first two characters of their ids; at most as
        many as there are districts.
    """

    left: Literal["known", "censored"] = "known"
    snapshot_at: float = 0.25
    n_states: int = 8

    def __post_init__(self) -> None:
        problems = _hazards({"snapshot_at": self.snapshot_at})
        problems += _counts({"n_states": self.n_states}, 1)
        if self.left not in ("known", "censored"):
            problems.append(f"left = {self.left!r} is not 'known' or 'censored'")
        if not problems and self.n_states > 99:
            problems.append(f"n_states = {self.n_states} is more than 99")
        refuse(problems)


@dataclass(frozen=True, kw_only=True)
class Defects:
    """How many of each defect of real records to plant; see ``simulate_defects``.

    Parameters
    ----------
    spelling, placeholder, two_holders, gap, return_, duplicate_row, id_lost_zero : int
        In the roster, each in a district of its own.
    shared_leader : int
        In the roster, in two districts of its own.
    stale_year, missing_year : int
        In the roster, a whole state and year; each in a state of its own.
    reversed_dates, overlap : int
        In the tenures, each in a district of its own.
    """

    spelling: int = 0
    placeholder: int = 0
    two_holders: int = 0
    stale_year: int = 0
    missing_year: int = 0
    gap: int = 0
    return_: int = 0
    reversed_dates: int = 0
    overlap: int = 0
    duplicate_row: int = 0
    id_lost_zero: int = 0
    shared_leader: int = 0

    def __post_init__(self) -> None:
        refuse(_counts(self.counts(), 0))

    @classmethod
    def of(cls, defects: Defects | Mapping[str, int] | None) -> Defects:
        """Make the value from a mapping of key to number; the key of ``return_`` is "return"."""
        if isinstance(defects, Defects):
            return defects
        given = dict(defects or {})
        names = {f.name.rstrip("_"): f.name for f in fields(cls)}
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise SpecError(
                "defects",
                f"unknown defects: {', '.join(map(str, unknown))}",
                how=f"choose from {', '.join(names)}",
            )
        return cls(**{names[key]: number for key, number in given.items()})

    def counts(self) -> dict[str, int]:
        """Return the number to plant by key."""
        return {f.name.rstrip("_"): getattr(self, f.name) for f in fields(self)}


DEFAULT_STAFF = StaffRules()
DEFAULT_PROGRAMS = ProgramRules()
NO_PROGRAMS = ProgramRules(n_programs=0.0)
DEFAULT_RECORDING = Recording()


@dataclass(frozen=True, kw_only=True)
class SimulationParameters:
    """Everything that shapes a simulation but its seed; achievement is in student SDs.

    Parameters
    ----------
    n_districts, n_years, first_year : int
        The observed window: school years ``first_year`` to ``first_year + n_years - 1``. Thirty
        years are simulated before it, so that what is in progress when it opens began earlier.
    n_schools, n_directors : int
        Schools, each with a principal, and central-office directors of a district.
    exit_hazard : float
        Yearly probability that a superintendent leaves, at the mean shock.
    dip_slope : float
        ``logit h(t) = logit exit_hazard - dip_slope * shock(t - 1) / shock_sd``: after a bad year
        leaders go. Without shocks (``shock_sd = 0``) it does nothing.
    mid_year_share : float
        Share of superintendent changes at a uniform moment of the school year; the others are
        at its start.
    mover_share : float
        Share of newly hired superintendents who left another district in the same school year,
        as far as there are such leavers.
    effect : EffectPath
        Effect of a superintendent change by event time. A later change replaces an earlier one:
        achievement is shifted by the path of the most recent change at the years since. In the
        year of a mid-year change the two are mixed by the share of the year under each.
    effect_sd : float
        SD of each event's own deviation from the path, the same at all event times.
    buffer : float
        An event's effect is multiplied by ``1 - buffer * stability``: the share of the district's
        director posts whose holder, at the start of the school year of the change, had three
        years behind them.
    leader_sd : float
        SD of superintendents' persistent effects, which they take along when they move.
    shock_sd, shock_ar : float
        District-year shocks: stationary SD and first-order autocorrelation.
    district_sd, year_sd : float
        SD of the fixed district and year effects.
    n_students : int
        Mean number of students tested, lognormal over districts; an estimate's standard error
        is one over the root of its district's number. At 10**15 there is next to no noise.
    staff, programs, recording, defects
        See `StaffRules`, `ProgramRules`, `Recording` and `Defects`.
    """

    n_districts: int = 200
    n_years: int = 20
    first_year: int = 2004
    n_schools: int = 4
    n_directors: int = 3
    exit_hazard: float = 0.18
    dip_slope: float = 0.0
    mid_year_share: float = 0.0
    mover_share: float = 0.0
    effect: EffectPath = EffectPath()
    effect_sd: float = 0.0
    buffer: float = 0.0
    leader_sd: float = 0.0
    shock_sd: float = 0.1
    shock_ar: float = 0.0
    district_sd: float = 0.3
    year_sd: float = 0.05
    n_students: int = 600
    staff: StaffRules = DEFAULT_STAFF
    programs: ProgramRules = DEFAULT_PROGRAMS
    recording: Recording = DEFAULT_RECORDING
    defects: Defects = field(default_factory=Defects)

    def __post_init__(self) -> None:
        problems = self._size_problems()
        problems += _hazards({"exit_hazard": self.exit_hazard})
        problems += _shares({k: getattr(self, k) for k in ("mid_year_share", "mover_share")})
        sds = ("effect_sd", "leader_sd", "shock_sd", "district_sd", "year_sd")
        problems += _at_least({k: getattr(self, k) for k in sds}, 0)
        problems += _finite({k: getattr(self, k) for k in ("dip_slope", "buffer")})
        if not -1 < self.shock_ar < 1:
            problems.append(f"shock_ar = {self.shock_ar} is not in (-1, 1)")
        if self.buffer != 0 and self.n_directors == 0:
            problems.append("buffer is not zero and n_directors is 0: nobody to buffer")
        refuse(problems)

    def _size_problems(self) -> list[str]:
        at_least_one = ("n_districts", "n_years", "n_students")
        problems = _counts({k: getattr(self, k) for k in at_least_one}, 1)
        problems += _counts({k: getattr(self, k) for k in ("n_schools", "n_directors")}, 0)
        problems += _counts({"first_year": self.first_year}, BURN_IN_YEARS)
        if not problems and self.n_students > MAX_STUDENTS:
            problems.append(f"n_students = {self.n_students} is more than 10**15")
        if not problems and max(self.n_districts / self.n_states, self.n_schools) > 99_998:
            problems.append("more districts a state or schools a district than ids can tell apart")
        return problems

    @property
    def n_states(self) -> int:
        """Number of states that have a district."""
        return min(self.recording.n_states, self.n_districts)

    @property
    def years(self) -> IntArray:
        """All simulated school years, the burn-in first."""
        return np.arange(self.first_year - BURN_IN_YEARS, self.first_year + self.n_years)

    @property
    def observed(self) -> slice:
        """The observed ones among `years`."""
        return slice(BURN_IN_YEARS, BURN_IN_YEARS + self.n_years)
