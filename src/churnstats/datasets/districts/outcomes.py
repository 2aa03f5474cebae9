"""Achievement with known parts: fixed effects, shocks, leaders, changes and sampling noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.types import FloatArray, IntArray
from churnstats.datasets.districts.parameters import EffectPath, SimulationParameters
from churnstats.datasets.districts.posts import Posts
from churnstats.datasets.districts.streams import Streams

STABLE_AFTER_YEARS = 3
SIZE_LOG_SD = 0.8


@dataclass(frozen=True)
class EventEffects:
    """What each change does to achievement; arrays are (n, m), read where a change is.

    Parameters
    ----------
    deviation : (n, m) array
        The event's own deviation from the path.
    stability : (n, m) array
        Share of stable director posts; NaN without directors.
    multiplier : (n, m) array
        ``1 - buffer * stability``.
    """

    deviation: FloatArray
    stability: FloatArray
    multiplier: FloatArray


@dataclass(frozen=True)
class Achievement:
    """Outcomes of units in the observed years and the parts that their true means sum from.

    Parameters
    ----------
    unit_effect, year_effect, shock, leader_effect, event_effect, principal_effect : (n, T) arrays
    true_mean, estimate, std_error : (n, T) arrays
    n_obs : (n, T) array
    """

    unit_effect: FloatArray
    year_effect: FloatArray
    shock: FloatArray
    leader_effect: FloatArray
    event_effect: FloatArray
    principal_effect: FloatArray
    true_mean: FloatArray
    estimate: FloatArray
    std_error: FloatArray
    n_obs: IntArray


def middle_stability(directors: Posts, n_districts: int) -> FloatArray:
    """Return the share of director posts whose holder has three full years behind them.

    Measured at the start of a school year, before that year's exits; NaN without directors.
    """
    n, m = directors.changed.shape
    if n == 0:
        return np.full((n_districts, m), np.nan)
    last = np.hstack([np.zeros((n, 1), dtype=np.int64), directors.last_change[:, :-1]])
    stable = np.arange(m) - np.maximum(last, 0) >= STABLE_AFTER_YEARS
    share: FloatArray = stable.reshape(n_districts, -1, m).mean(axis=1)
    return share


def event_effects(
    parameters: SimulationParameters, stability: FloatArray, streams: Streams
) -> EventEffects:
    """Draw the deviations of events and moderate events by the district's middle level."""
    draws = streams("event_effects").standard_normal(stability.shape)
    buffered = parameters.buffer * stability if parameters.buffer else np.zeros(stability.shape)
    return EventEffects(parameters.effect_sd * draws + 0.0, stability, 1 - buffered)


def event_shift(posts: Posts, path: EffectPath, events: EventEffects | None = None) -> FloatArray:
    """Return the shift of each post's outcome by its most recent change.

    In the year of a mid-year change the shift is the mean over the year of the earlier change's
    and the new one's.
    """
    current = _shift_of(posts.last_change, path, events)
    last_before = np.hstack([posts.last_change[:, :1], posts.last_change[:, :-1]])
    earlier = _shift_of(last_before, path, events)
    share_before = posts.began_at - posts.years
    return (1 - share_before) * current + share_before * earlier


def _shift_of(last: IntArray, path: EffectPath, events: EventEffects | None) -> FloatArray:
    column = np.maximum(last, 0)
    shift = path.at(np.maximum(np.arange(last.shape[1]) - column, 0))
    if events is not None:
        deviation = np.take_along_axis(events.deviation, column, axis=1)
        shift = np.take_along_axis(events.multiplier, column, axis=1) * (shift + deviation)
    return np.where(last < 0, 0.0, shift)


def leader_share(posts: Posts, effects: FloatArray) -> FloatArray:
    """Return the effect of each year's leaders, weighted by their shares of the year.

    An empty post counts as a leader of effect zero.
    """
    before = (posts.left_at - posts.years) * effects[posts.before]
    after = (posts.years + 1 - posts.began_at) * effects[posts.holder]
    return np.asarray(before + after)


def district_achievement(
    parameters: SimulationParameters,
    shocks: FloatArray,
    leader_effect: FloatArray,
    event_effect: FloatArray,
    streams: Streams,
) -> Achievement:
    """Return achievement of districts; arguments are (n, m) over all simulated years."""
    p, seen = parameters, parameters.observed
    n = p.n_districts
    sizes = streams("sizes").lognormal(-(SIZE_LOG_SD**2) / 2, SIZE_LOG_SD, n) * p.n_students
    unit = p.district_sd * streams("districts").standard_normal(n)
    year = p.year_sd * streams("years").standard_normal(p.years.size)[seen]
    parts = {
        "unit_effect": np.broadcast_to(unit[:, None], (n, p.n_years)),
        "year_effect": np.broadcast_to(year, (n, p.n_years)),
        "shock": shocks[:, seen],
        "leader_effect": leader_effect[:, seen],
        "event_effect": event_effect[:, seen],
        "principal_effect": np.zeros((n, p.n_years)),
    }
    return _observe(parts, sizes, streams("sampling"))


def school_achievement(
    parameters: SimulationParameters,
    districts: Achievement,
    principal_effect: FloatArray,
    streams: Streams,
) -> Achievement:
    """Return achievement of schools: their district's parts, a school effect, the principal's.

    A district's students are spread evenly over its schools. The district's own estimate is not
    the mean of its schools'.
    """
    p = parameters
    n = p.n_districts * p.n_schools
    effect = p.staff.school_sd * streams("schools").standard_normal(n)
    names = ("unit_effect", "year_effect", "shock", "leader_effect", "event_effect")
    parts = {name: np.repeat(getattr(districts, name), p.n_schools, axis=0) for name in names}
    parts["unit_effect"] = parts["unit_effect"] + effect[:, None]
    parts["principal_effect"] = principal_effect[:, p.observed]
    sizes = np.repeat(districts.n_obs[:, 0] / max(p.n_schools, 1), p.n_schools)
    return _observe(parts, sizes, streams("school_sampling"))


def _observe(
    parts: dict[str, FloatArray], sizes: FloatArray, rng: np.random.Generator
) -> Achievement:
    shape = parts["unit_effect"].shape
    true_mean = np.sum(list(parts.values()), axis=0)
    n_obs = np.broadcast_to(np.maximum(np.rint(sizes), 1).astype(np.int64)[:, None], shape)
    std_error = 1 / np.sqrt(n_obs)
    estimate = true_mean + std_error * rng.standard_normal(shape)
    return Achievement(
        unit_effect=parts["unit_effect"],
        year_effect=parts["year_effect"],
        shock=parts["shock"],
        leader_effect=parts["leader_effect"],
        event_effect=parts["event_effect"],
        principal_effect=parts["principal_effect"],
        true_mean=true_mean,
        estimate=estimate,
        std_error=std_error,
        n_obs=n_obs,
    )
