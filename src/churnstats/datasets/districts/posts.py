"""Who holds each post: exits, handovers and hiring, year by year over all posts at once.

Arrays have one row a post and one column a school year. A post changes hands at most once a year.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logit

from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.datasets.districts.streams import Streams


@dataclass(frozen=True)
class Hiring:
    """How posts are handed over and filled; the shares of `SimulationParameters`."""

    mid_year_share: float = 0.0
    interim_share: float = 0.0
    vacancy_share: float = 0.0
    mover_share: float = 0.0


@dataclass(frozen=True)
class Posts:
    """The history of posts.

    Parameters
    ----------
    years : (m,) array
    changed : (n, m) array
        Whether a successor begins in the school year.
    left_at, began_at : (n, m) arrays
        When the predecessor leaves and the successor begins; the year's start where there is no
        change.
    holder : (n, m) array
        Number of the person who holds the post at the end of the year.
    interim, moved_on : (n, m) arrays
        Whether that holder is an interim; whether the one who left went to another of the posts.
    n_persons : int
    """

    years: IntArray
    changed: BoolArray
    left_at: FloatArray
    began_at: FloatArray
    holder: IntArray
    interim: BoolArray
    moved_on: BoolArray
    n_persons: int

    @cached_property
    def before(self) -> IntArray:
        """Holder at the end of the year before (in the first year, its own)."""
        return np.hstack([self.holder[:, :1], self.holder[:, :-1]])

    @cached_property
    def last_change(self) -> IntArray:
        """Column of the most recent change up to this year's, -1 if there was none."""
        columns = np.where(self.changed, np.arange(self.years.size), -1)
        return np.maximum.accumulate(columns, axis=1)

    def holder_at(self, share: float) -> IntArray:
        """Return the holder when a share of the school year is over, -1 if the post is vacant."""
        moment = self.years + share
        incoming = np.where(self.began_at <= moment, self.holder, -1)
        return np.where(moment < self.left_at, self.before, incoming)


def standard_shocks(n: int, m: int, ar: float, rng: np.random.Generator) -> FloatArray:
    """Return stationary AR(1) series of unit variance, one a row."""
    z = rng.standard_normal((n, m))
    for t in range(1, m):
        z[:, t] = ar * z[:, t - 1] + np.sqrt(1 - ar**2) * z[:, t]
    return z


def exit_probability(hazard: float, slope: float, shocks: FloatArray) -> FloatArray:
    """Return exit probabilities, higher after a bad year; none leaves in the first column."""
    last = np.hstack([np.zeros((shocks.shape[0], 1)), shocks[:, :-1]])
    probability = np.asarray(expit(logit(hazard) - slope * last))
    probability[:, 0] = 0.0
    return probability


def constant_probability(hazard: float, n: int, m: int) -> FloatArray:
    """Return one exit probability for all posts and years but the first column."""
    probability = np.full((n, m), hazard)
    probability[:, 0] = 0.0
    return probability


def simulate_posts(
    probability: FloatArray, years: IntArray, hiring: Hiring, role: str, streams: Streams
) -> Posts:
    """Simulate posts whose holders leave with the given probabilities.

    Parameters
    ----------
    probability : (n, m) array
        That the holder at the end of the year before leaves in this year; zero in column 0.
    years : (m,) array
    hiring : Hiring
    role : {"superintendent", "director", "principal"}
        Names the random streams.
    streams : Streams
    """
    shape = probability.shape
    draws = streams(f"{role}_hiring").random((3, *shape)) if hiring != Hiring() else None
    leaves = streams(f"{role}_exits").random(shape) < probability
    if draws is None:
        changed, interim = leaves, np.zeros(shape, dtype=bool)
    else:
        changed, interim = _add_interims(leaves, draws[0] < hiring.interim_share)
    left_at, began_at = _handovers(changed, years, hiring, streams, role)
    wants = np.zeros(shape, dtype=bool) if draws is None else draws[1] < hiring.mover_share
    ties = np.zeros(shape) if draws is None else draws[2]
    holder, moved_on, n_persons = _hire(changed, interim, left_at, wants, ties)
    return Posts(years, changed, left_at, began_at, holder, interim, moved_on, n_persons)


def _add_interims(leaves: BoolArray, chosen: BoolArray) -> tuple[BoolArray, BoolArray]:
    changed, interim = leaves.copy(), np.zeros_like(leaves)
    for t in range(1, leaves.shape[1]):
        changed[:, t] |= interim[:, t - 1]
        interim[:, t] = changed[:, t] & ~interim[:, t - 1] & chosen[:, t]
    return changed, interim


def _handovers(
    changed: BoolArray, years: IntArray, hiring: Hiring, streams: Streams, role: str
) -> tuple[FloatArray, FloatArray]:
    start = np.broadcast_to(years.astype(float), changed.shape)
    if hiring.mid_year_share == 0 and hiring.vacancy_share == 0:
        return start, start
    mid_year, moment, vacant, wait = streams(f"{role}_timing").random((4, *changed.shape))
    share = np.where(changed & (mid_year < hiring.mid_year_share), moment, 0.0)
    empty = np.where(changed & (vacant < hiring.vacancy_share), wait * (1 - share), 0.0)
    last_moment = np.nextafter(years + 1.0, 0.0)
    return np.minimum(start + share, last_moment), np.minimum(start + share + empty, last_moment)


def _hire(
    changed: BoolArray, interim: BoolArray, left_at: FloatArray, wants: BoolArray, ties: FloatArray
) -> tuple[IntArray, BoolArray, int]:
    """Fill the posts: a mover comes from the post that fell vacant just before, in random order."""
    n, m = changed.shape
    holder, moved_on = np.empty((n, m), dtype=np.int64), np.zeros((n, m), dtype=bool)
    holder[:, 0], n_persons = np.arange(n), n
    for t in range(1, m):
        holder[:, t] = holder[:, t - 1]
        posts = np.flatnonzero(changed[:, t])
        posts = posts[np.lexsort((ties[posts, t], left_at[posts, t]))]
        leavers = holder[posts, t - 1]
        moves = wants[posts, t] & ~interim[posts, t]
        moves[:1] = False
        moves[1:] &= ~interim[posts[:-1], t - 1]
        hired = n_persons + np.cumsum(~moves) - 1
        hired[1:] = np.where(moves[1:], leavers[:-1], hired[1:])
        holder[posts, t] = hired
        moved_on[posts[:-1], t] = moves[1:]
        n_persons += int((~moves).sum())
    return holder, moved_on, n_persons
