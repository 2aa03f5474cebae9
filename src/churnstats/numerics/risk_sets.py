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
    rows, nodes : (m,) integer arrays
        Each row's stretch as a union of nodes of a binary tree over the event times.
    """

    stratum: IntArray
    time: FloatArray
    first: IntArray
    last: IntArray
    event_time: IntArray
    rows: IntArray
    nodes: IntArray

    @property
    def n_times(self) -> int:
        """Number of distinct pairs of stratum and event time."""
        return int(self.time.size)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum rows (n,) or (n, k) over the risk set of each event time: (J,) or (J, k).

        Values are only ever added, never taken away again, so a heavy row that leaves does not
        blur the sums of those who stay.
        """
        if values.ndim == 1:
            return self._spread(values)
        return np.column_stack([self._spread(column) for column in values.T])

    def _spread(self, values: FloatArray) -> FloatArray:
        size = _leaves(self.n_times)
        tree = np.bincount(self.nodes, weights=values[self.rows], minlength=2 * size)
        start = 1
        while start < size:
            tree[2 * start : 4 * start] += np.repeat(tree[start : 2 * start], 2)
            start *= 2
        return np.asarray(tree[size : size + self.n_times])

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
    rows, nodes = _cover(first, last, keys.size)
    return RiskSets(keys // width, times[keys % width], first, last, at, rows, nodes)


def _leaves(n_times: int) -> int:
    return 1 << max(n_times - 1, 0).bit_length()


def _cover(first: IntArray, last: IntArray, n_times: int) -> tuple[IntArray, IntArray]:
    """Cover each stretch [first, last) by nodes of a binary tree: at most two a level."""
    size = _leaves(n_times)
    row, left, right = np.arange(first.size), first + size, last + size
    rows, nodes = [row[:0]], [left[:0]]
    while row.size:
        open_ = left < right
        row, left, right = row[open_], left[open_], right[open_]
        odd = (left & 1) == 1
        rows.append(row[odd])
        nodes.append(left[odd])
        left = left + odd
        odd = ((right & 1) == 1) & (left < right)
        right = right - odd
        rows.append(row[odd])
        nodes.append(right[odd])
        left, right = left >> 1, right >> 1
    return np.concatenate(rows), np.concatenate(nodes)
