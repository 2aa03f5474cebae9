"""Moments of groups, and how they are joined and put on another scale. Arrays only.

A group's sums are taken about a value near its mean, and its mean is kept as that value and what
lies between, so that scores of a million with a spread of a thousandth lose nothing (Chan, Golub
and LeVeque 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.numerics.groups import group_sums


@dataclass(frozen=True)
class Moments:
    """Counts, means and sums about the mean, an entry a group.

    With weights w and scores x of a group, and m their weighted mean:

    Parameters
    ----------
    n : array
        Number of rows.
    w, v : array
        Sums of w and of w squared.
    centre, d : array
        A value near m, and m less that value.
    s : array
        Sum of w (x - m)^2.
    c, b : array
        Sums of w^2 (x - m) and of w^2 (x - m)^2.
    """

    n: FloatArray
    w: FloatArray
    v: FloatArray
    centre: FloatArray
    d: FloatArray
    s: FloatArray
    c: FloatArray
    b: FloatArray

    @classmethod
    def about(
        cls,
        n: FloatArray,
        w: FloatArray,
        v: FloatArray,
        centre: FloatArray,
        wd: FloatArray,
        wdd: FloatArray,
        wwd: FloatArray,
        wwdd: FloatArray,
    ) -> Moments:
        """Return moments from sums of w d, w d^2, w^2 d and w^2 d^2, d being x less a centre."""
        d = wd / w
        s = np.maximum(wdd - d * wd, 0.0)
        c = wwd - d * v
        b = np.maximum(wwdd - 2.0 * d * wwd + d**2 * v, 0.0)
        return cls(n, w, v, centre, d, s, c, b)

    @property
    def m(self) -> FloatArray:
        """Weighted means."""
        return self.centre + self.d

    def joined(self, codes: IntArray, n_groups: int) -> Moments:
        """Return the moments of groups of groups, given by codes 0..G-1."""
        first = np.zeros(n_groups, dtype=np.int64)
        first[codes[::-1]] = np.arange(codes.size)[::-1]
        centre = self.centre[first]
        n, w, v = (group_sums(part, codes, n_groups) for part in (self.n, self.w, self.v))
        off = self.centre - centre[codes] + self.d
        d = group_sums(self.w * off, codes, n_groups) / w
        delta = off - d[codes]
        s = group_sums(self.s + self.w * delta**2, codes, n_groups)
        c = group_sums(self.c + delta * self.v, codes, n_groups)
        b = group_sums(self.b + 2.0 * delta * self.c + delta**2 * self.v, codes, n_groups)
        return Moments(n, w, v, centre, d, s, c, b)

    def scaled(self, by: Moments, sd: FloatArray) -> Moments:
        """Return the moments of x less the mean of ``by``, over a spread; an entry each."""
        centre, d = (self.centre - by.centre) / sd, (self.d - by.d) / sd
        return Moments(
            self.n, self.w, self.v, centre, d, self.s / sd**2, self.c / sd, self.b / sd**2
        )

    def at(self, rows: BoolArray | IntArray) -> Moments:
        """Return the moments of some groups."""
        return Moments(*(part[rows] for part in vars(self).values()))

    def population_sd(self) -> FloatArray:
        """Return the square root of s / w: the spread of a whole population."""
        return np.asarray(np.sqrt(self.s / self.w))

    def sample_sd(self) -> FloatArray:
        """Return the spread with n - 1; NaN for one row."""
        return np.asarray(self.population_sd() * np.sqrt(self._correction()))

    def std_error(self) -> FloatArray:
        """Return the linearised standard error of the mean, rows independent; NaN for one row.

        The square root of n / (n - 1) times the sum of w^2 (x - m)^2, over the sum of w (Cochran
        1977, the mean as a ratio): sd / sqrt(n) where all weights are the same.
        """
        return np.asarray(np.sqrt(self.b * self._correction()) / self.w)

    def _correction(self) -> FloatArray:
        return np.where(self.n > 1, self.n / np.where(self.n > 1, self.n - 1.0, 1.0), np.nan)
