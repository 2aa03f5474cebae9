"""Who is at risk at each event time, by stratum, and sums over those sets without making them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnstats.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RiskSets:
    """The distinct event times of all strata, and the stretch of them that each row sees.

    Parameters
    ----------
    stratum : (J,) integer array
        Stratum of each event time; event times are sorted by stratum, then time.
    time : (J,) array
    first, last : (n,) integer arrays
        Row i is at risk at the event times ``first[i] <= j < last[i]``: those in (entry, exit].
    event_time : (n,) integer array
        Event time at which a row's exit lies; means something only for rows with an event.
    """

    stratum: IntArray
    time: FloatArray
    first: IntArray
    last: IntArray
    event_time: IntArray

    @property
    def n_times(self) -> int:
        """Number of distinct pairs of stratum and event time."""
        return int(self.time.size)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum rows (n,) or (n, k) over the risk set of each event time: (J,) or (J, k)."""
        if values.ndim == 1:
            return self._sweep(values)
        return np.column_stack([self._sweep(column) for column in values.T])

    def _sweep(self, values: FloatArray) -> FloatArray:
        size = self.n_times + 1
        entering = np.bincount(self.first, weights=values, minlength=size)
        leaving = np.bincount(self.last, weights=values, minlength=size)
        return np.cumsum(entering - leaving)[:-1]

    def spans(self, increments: FloatArray) -> FloatArray:
        """Sum increments (J,) or (J, k) over the event times at which each row is at risk."""
        zero = np.zeros((1, *increments.shape[1:]))
        total = np.concatenate([zero, np.cumsum(increments, axis=0)])
        return np.asarray(total[self.last] - total[self.first])


def risk_sets(
    entry: FloatArray, exit_: FloatArray, event: BoolArray, stratum: IntArray
) -> RiskSets:
    """Sort the event times once and place each row among them."""
    times = np.unique(exit_[event])
    width = times.size + 1
    keys = np.unique(stratum[event] * width + np.searchsorted(times, exit_[event]))
    first = np.searchsorted(keys, stratum * width + np.searchsorted(times, entry, side="right"))
    last = np.searchsorted(keys, stratum * width + np.searchsorted(times, exit_, side="right"))
    at = np.searchsorted(keys, stratum * width + np.searchsorted(times, exit_))
    return RiskSets(keys // width, times[keys % width], first, last, at)
