"""Which changes stand alone in a window of years, and which units change nothing in it.

The panel as unit x year arrays, and sums over windows of them: stacked designs choose their rows
from these, and `isolation_table` counts what is there to choose from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, IntArray
from churnstats.panel.panel import Panel

MOST_OF_THE_YEAR = 0.5
WINDOWS = ((1, 1), (2, 2), (3, 3), (3, 5), (5, 5))


@dataclass(frozen=True)
class Grid:
    """The panel as unit x year arrays.

    Parameters
    ----------
    units : (U,) array
    first_year : int
    n_changes : (U, T) integer array
    n_undated : (U, T) integer array
        Changes whose date is not known.
    starts : (U, T) bool array
        Known starts of units' first leaders: changes whose predecessor is not known.
    observed : (U, T) bool array
        Whether the unit's post was under observation for most of the year, and the transition
        into it is not set to unknown.
    empty : (U, T) bool array
        Whether the post stood empty for longer than anybody led.
    row : (U, T) integer array
        Position in the panel, -1 where there is no row.
    """

    units: np.ndarray
    first_year: int
    n_changes: IntArray
    n_undated: IntArray
    starts: BoolArray
    observed: BoolArray
    empty: BoolArray
    row: IntArray


@dataclass(frozen=True)
class Windows:
    """What holds in the window around each unit-year, false where it leaves the panel's years.

    Parameters
    ----------
    inside : (T,) bool array
        The window lies in the years of the panel.
    observed : (U, T) bool array
        All its years are under observation.
    alone : (U, T) bool array
        One change falls into it, and no year without a leader but those right before the
        change.
    unchanged : (U, T) bool array
        No change falls into it, nor a year without a leader.
    """

    inside: BoolArray
    observed: BoolArray
    alone: BoolArray
    unchanged: BoolArray


def isolation_table(panel: Panel, windows: Sequence[tuple[int, int]] = WINDOWS) -> pd.DataFrame:
    """Count how many changes stand alone in each window of years.

    Changes of leader recur, and a window around one often holds another. The table shows what a
    longer window costs before an event study is designed.

    Parameters
    ----------
    panel : Panel
    windows : sequence of (int, int)
        Years before and after the year of the change: (3, 5) is -3 to +5.

    Returns
    -------
    DataFrame
        One row a window: ``window, pre, post, n_changes`` (unit-years with a change), ``n_dated``
        (those whose date is known), ``n_inside`` (of these, the window lies in the panel's
        years), ``n_observed`` (of these, all its years are under observation), ``n_alone`` (of
        these, no other change falls into it), ``alone_share`` (``n_alone`` over ``n_observed``,
        NaN of none) and ``n_stayer_windows`` (unit-years around which nothing changes and all
        years are under observation).

    Raises
    ------
    SpecError
        No window, or one of negative years.

    Notes
    -----
    These are the rules of `Stacked`: two changes of a unit in one school year are one, the known
    start of a unit's first leader counts as a change in the windows of others, a year without a
    leader right before the change belongs to it and any other one spoils a window, and years in
    which nobody looked for more than half of the time are not under observation, nor are those
    into which the transition was set to unknown (`mask_transitions`). `Stacked` asks
    besides for outcomes in all years, and for stayers.

    Examples
    --------
    >>> import churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> isolation_table(panel, [(1, 1), (3, 3)])[["n_observed", "n_alone", "n_stayer_windows"]]
       n_observed  n_alone  n_stayer_windows
    0         810      281               828
    1         770       57               282
    """
    if not isinstance(windows, Sequence) or not len(windows):
        raise SpecError("windows", "a window is a pair of years in a list", how="[(3, 5)]")
    for pair in windows:
        check_window(pair)
    grid = unit_year_grid(panel)
    change = grid.n_changes > 0
    dated = change & (grid.n_undated == 0)
    rows = []
    for pre, post in windows:
        w = windows_around(grid, pre, post)
        steps = (change, dated, dated & w.inside, dated & w.observed, dated & w.observed & w.alone)
        counts = [int(step.sum()) for step in steps]
        share = counts[4] / counts[3] if counts[3] else float("nan")
        stayers = int((w.observed & w.unchanged).sum())
        rows.append((f"-{pre}..+{post}", pre, post, *counts, share, stayers))
    counted = ["n_changes", "n_dated", "n_inside", "n_observed", "n_alone"]
    columns = ["window", "pre", "post", *counted, "alone_share", "n_stayer_windows"]
    return pd.DataFrame(rows, columns=columns)


def check_window(window: tuple[int, int]) -> tuple[int, int]:
    """Return the years before and after, or raise if they are no pair of whole numbers."""
    pair = tuple(window) if isinstance(window, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and n >= 0 for n in pair):
        what = f"{window!r}: a window is a pair of years, both at least 0"
        raise SpecError("window", what, how="(3, 5)")
    return int(pair[0]), int(pair[1])


def unit_year_grid(panel: Panel) -> Grid:
    """Return the panel as unit x year arrays."""
    frame = panel.frame
    u, units = pd.factorize(frame["unit_id"], sort=True)
    year = frame["school_year_end"].to_numpy(dtype=np.int64)
    first = int(year.min())
    shape = (units.size, int(year.max()) - first + 1)
    row = np.full(shape, -1, dtype=np.int64)
    row[u, year - first] = np.arange(len(frame))
    empty, observed = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    empty[u, year - first] = frame["leader_id"].isna().to_numpy()
    observed[u, year - first] = (frame["observed_share"] >= MOST_OF_THE_YEAR).to_numpy()
    if panel.masked is not None:
        unknown = panel.masked
        observed[_cells(units, first, shape, unknown["unit_id"], unknown["school_year_end"])] = (
            False
        )
    changes, undated = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    events = panel.events
    at = _cells(units, first, shape, events["unit_id"], events["school_year_end"])
    np.add.at(changes, at, 1)
    np.add.at(undated, at, (~events["is_date_known"]).to_numpy().astype(np.int64))
    starts = _starts(panel, units, first, shape)
    names = units.to_numpy(dtype=object)
    return Grid(names, first, changes, undated, starts, observed, empty, row)


def _cells(
    units: pd.Index, first: int, shape: tuple[int, int], unit_id: pd.Series, year: pd.Series
) -> tuple[IntArray, IntArray]:
    """Return the places of unit-years in the grid; all changes must lie in it."""
    u = units.get_indexer(pd.Index(unit_id)).astype(np.int64)
    t = year.to_numpy(dtype=np.int64) - first
    outside = (u < 0) | (t < 0) | (t >= shape[1])
    if outside.any():
        raise SpecError(
            "panel",
            f"{int(outside.sum()):,} changes where the panel's frame does not have the unit-year",
            how="build the panel from the tenures that you mean, instead of cutting its frame",
        )
    return u, t


def _starts(panel: Panel, units: pd.Index, first: int, shape: tuple[int, int]) -> BoolArray:
    """Mark the years in which units' first spells begin, where that start is known."""
    spell = panel.principals.drop_duplicates("unit_id", keep="first")
    spell = spell[spell["unit_id"].isin(units) & ~spell["left_censored"]]
    spell = spell[spell["start"] >= first - CLOCK]
    year = np.floor(spell["start"] + CLOCK)
    starts = np.zeros(shape, dtype=bool)
    starts[_cells(units, first, shape, spell["unit_id"], year)] = True
    return starts


def windows_around(grid: Grid, pre: int, post: int) -> Windows:
    """Return what holds in the window -pre..+post around each unit-year."""
    changes = window_sums(grid.n_changes + grid.starts, pre, post)
    empty = window_sums(grid.empty.astype(np.int64), pre, post)
    observed = window_sums(grid.observed.astype(np.int64), pre, post) == pre + post + 1
    return Windows(
        inside=np.asarray((changes >= 0).any(axis=0)),
        observed=observed,
        alone=(changes == 1) & (empty == own_vacancy(grid.empty, pre)),
        unchanged=(changes == 0) & (empty == 0),
    )


def window_sums(values: IntArray, pre: int, post: int) -> IntArray:
    """Sum over each full window c - pre .. c + post; -1 where the window leaves the grid."""
    total = np.concatenate(
        [np.zeros((values.shape[0], 1), dtype=np.int64), np.cumsum(values, axis=1)], axis=1
    )
    width = pre + post + 1
    sums = np.full(values.shape, -1, dtype=np.int64)
    if width <= values.shape[1]:
        sums[:, pre : values.shape[1] - post] = total[:, width:] - total[:, :-width]
    return sums


def own_vacancy(empty: BoolArray, pre: int) -> IntArray:
    """Count the years without a leader that run up to each year, within its window."""
    before = np.zeros(empty.shape, dtype=np.int64)
    for t in range(1, empty.shape[1]):
        before[:, t] = np.where(empty[:, t - 1], before[:, t - 1] + 1, 0)
    return np.minimum(before, pre) + empty
