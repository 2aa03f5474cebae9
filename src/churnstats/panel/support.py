"""What spoils the windows of changes, by cause and role, and the controls that each year has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, IntArray
from churnstats.display.isolation import support_figure
from churnstats.panel.isolation import (
    Grid,
    check_window,
    own_vacancy,
    unit_year_grid,
    windows_around,
)
from churnstats.panel.panel import Panel
from churnstats.records.units.units import Units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALONE = "none: stands alone"


@dataclass(frozen=True, eq=False)
class Support:
    """What is there for an event study: changes that stand alone, and controls.

    Made by `event_support`.

    Attributes
    ----------
    role : str
        Whose changes they are.
    window : (int, int)
        Years before and after.
    events : DataFrame
        One row a unit-year with a change: ``unit_id, school_year_end, n_changes, first_cause``,
        then a flag for each cause. ``first_cause`` is the first that holds, in their order.
    contamination : DataFrame
        One row a cause and one for changes that stand alone: ``cause, role`` (whose change it
        is, nothing for causes that lie in the records), ``n_first, first_share`` (changes with
        this as the first cause; they add up to all changes) and ``n_any, any_share`` (changes
        with this cause, whatever the others).
    controls : DataFrame
        One row a school year of the panel: ``school_year_end, n_changes, n_alone, n_stayers``
        (units around which nothing changes and all years are under observation), ``n_controls``
        (of these, outcomes in all years, and no change in the other roles) and
        ``controls_per_event`` (NaN where no change stands alone).
    """

    role: str
    window: tuple[int, int]
    events: pd.DataFrame
    contamination: pd.DataFrame
    controls: pd.DataFrame

    def plot(self, title: str = "") -> Figure:
        """Draw causes by how many changes they spoil, and changes and controls by year."""
        pre, post = self.window
        heading = title or f"Changes of the {self.role} in a window of -{pre}..+{post} years"
        return support_figure(self.contamination, self.controls, heading)

    def __repr__(self) -> str:
        alone = int(self.controls["n_alone"].sum())
        pre, post = self.window
        return (
            f"<Support of role {self.role}, window -{pre}..+{post}: {alone:,} of "
            f"{len(self.events):,} changes stand alone>"
        )


class _Cause(NamedTuple):
    """A cause: whose change it is, and in which unit-years' windows it holds."""

    role: str
    holds: BoolArray


def event_support(
    panel: Panel,
    window: tuple[int, int] = (3, 3),
    *,
    outcome: str | None = None,
    roles: Sequence[Panel] = (),
    units: Units | None = None,
) -> Support:
    """Tell what spoils the windows of changes, and which controls there are in each year.

    Parameters
    ----------
    panel : Panel
    window : (int, int)
        Years before and after the school year of the change.
    outcome : str, optional
        A column of the panel that must be known in all years of a window.
    roles : sequence of Panel
        Panels of other roles, whose changes spoil windows too: of posts in the same units or,
        where a unit has none, in what it belongs to in each year.
    units : Units, optional
        Says what units belong to.

    Returns
    -------
    Support

    Raises
    ------
    SpecError
        A window of negative years, an outcome that the panel does not have, a role that is given
        twice or that has no post in the panel's units or above them.

    Notes
    -----
    The rules are those of `isolation_table`, whose ``n_alone`` is what stands alone here if
    neither outcome nor roles are given. Causes come in this order: the date is not known; the
    window leaves the panel's years; years are not under observation; the outcome is missing in a
    year under observation; another change of the role in the same year, earlier or later in the
    window; a vacancy that does not run up to the change; then for each other role years in which
    its post is not under observation, and changes earlier, in the same year and later. The known
    start of a first leader counts as a change. Where a window leaves the panel's years, the
    other causes are sought in the years that it has.

    Examples
    --------
    >>> import churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> support = event_support(panel, (1, 1))
    >>> support
    <Support of role manager, window -1..+1: 281 of 821 changes stand alone>
    >>> int(support.contamination["n_first"].sum())
    821
    """
    pre, post = check_window(window)
    _check_types(roles, units)
    named = [p.role for p in roles]
    if len({panel.role, *named}) <= len(named):
        raise SpecError("roles", "each role is given once", where=[panel.role, *named])
    grid = unit_year_grid(panel)
    around = windows_around(grid, pre, post)
    own, complete = _own_causes(panel, grid, pre, post, around.inside, outcome)
    causes, steady = dict(own), np.ones(grid.row.shape, dtype=bool)
    for other in roles:
        found = _other_causes(other, grid, units, pre, post)
        causes |= found
        for cause in found.values():
            steady &= ~cause.holds
    stayers = around.observed & around.unchanged
    events = _events(grid, causes)
    return Support(
        panel.role,
        (pre, post),
        events,
        _contamination(events, causes),
        _controls(grid, events, stayers, stayers & complete & steady),
    )


def _check_types(roles: Any, units: Any) -> None:
    """Refuse other roles that are no list of panels, and units that are no Units."""
    if not isinstance(roles, (list, tuple)) or not all(isinstance(p, Panel) for p in roles):
        raise SpecError("roles", "roles= is a list of panels", how="roles=[principals]")
    if units is not None and not isinstance(units, Units):
        what = f"{type(units).__name__} is no Units"
        raise SpecError("units", what, how="Units.from_frame(...)")


def _own_causes(
    panel: Panel, grid: Grid, pre: int, post: int, inside: BoolArray, outcome: str | None
) -> tuple[dict[str, _Cause], BoolArray]:
    """Return the causes that lie in the records and in the role, and complete windows."""
    moves = grid.n_changes + grid.starts
    unseen = between(~grid.observed, -pre, post) > 0
    role = panel.role
    causes = {
        "date not known": _Cause("", grid.n_undated > 0),
        "window leaves the panel's years": _Cause("", np.broadcast_to(~inside, grid.row.shape)),
        "years not under observation": _Cause("", unseen),
    }
    complete = np.ones(grid.row.shape, dtype=bool)
    if outcome is not None:
        complete = between(grid.observed & ~_known(panel, grid, outcome), -pre, post) == 0
        causes["outcome missing"] = _Cause("", ~complete)
    causes |= {
        f"{role}: twice in the year": _Cause(role, moves > 1),
        f"{role}: earlier in the window": _Cause(role, between(moves, -pre, -1) > 0),
        f"{role}: later in the window": _Cause(role, between(moves, 1, post) > 0),
        f"{role}: vacancy in the window": _Cause(
            role, between(grid.empty, -pre, post) != own_vacancy(grid.empty, pre)
        ),
    }
    return causes, complete


def _other_causes(
    other: Panel, grid: Grid, units: Units | None, pre: int, post: int
) -> dict[str, _Cause]:
    """Return the causes that lie in another role, in the panel's units or above them."""
    theirs, role = unit_year_grid(other), other.role
    row, year = _posts(theirs, grid, units)
    if not (row >= 0).any():
        how = "say with units= what the units belong to"
        if units is not None:
            how = "roles are those above or beside the panel's; churn_measures counts those below"
        what = f"the panel of role '{role}' has no post in these units, nor in what they belong to"
        raise SpecError("roles", what, how=how)
    there = (row >= 0) & (year >= 0) & (year < theirs.row.shape[1])
    at = (np.where(there, row, 0), np.where(there, year, 0))
    seen = there & theirs.observed[at]
    moves = np.where(there, (theirs.n_changes + theirs.starts)[at], 0)
    return {
        f"{role}: years not under observation": _Cause(role, between(~seen, -pre, post) > 0),
        f"{role}: earlier in the window": _Cause(role, between(moves, -pre, -1) > 0),
        f"{role}: in the same year": _Cause(role, moves > 0),
        f"{role}: later in the window": _Cause(role, between(moves, 1, post) > 0),
    }


def _posts(theirs: Grid, grid: Grid, units: Units | None) -> tuple[IntArray, IntArray]:
    """Return which row and column of another role's grid each unit-year looks at, row -1: none."""
    n_units, n_years = grid.row.shape
    years = np.arange(n_years) + grid.first_year
    names = pd.Index(theirs.units)
    row = np.repeat(names.get_indexer(pd.Index(grid.units))[:, None], n_years, axis=1)
    if units is not None and (row < 0).any():
        asked = pd.Series(np.repeat(grid.units, n_years)).astype("str")
        parent = units.parent_at(asked, pd.Series(np.tile(years, n_units)))
        above = names.get_indexer(pd.Index(parent)).reshape(n_units, n_years)
        row = np.where(row >= 0, row, above)
    year = np.broadcast_to(years - theirs.first_year, row.shape)
    return row.astype(np.int64), year.astype(np.int64)


def between(values: IntArray | BoolArray, first: int, last: int) -> IntArray:
    """Sum over the years c + first .. c + last of each unit-year that the grid has."""
    n_years = values.shape[1]
    total = np.zeros((values.shape[0], n_years + 1), dtype=np.int64)
    np.cumsum(values, axis=1, out=total[:, 1:])
    at = np.arange(n_years)
    begin = np.clip(at + first, 0, n_years)
    end = np.maximum(np.clip(at + last + 1, 0, n_years), begin)
    return np.asarray(total[:, end] - total[:, begin])


def _known(panel: Panel, grid: Grid, outcome: str) -> BoolArray:
    """Tell in which unit-years the outcome is known."""
    if outcome not in panel.frame.columns:
        how = f"its measures are: {', '.join(panel.measures) or 'none'}"
        raise SpecError("outcome", f"the panel has no column '{outcome}'", how=how)
    value = panel.frame[outcome]
    known = (value.notna() & ~value.isin([np.inf, -np.inf])).to_numpy(dtype=bool)
    return np.asarray((grid.row >= 0) & known[grid.row])


def _events(grid: Grid, causes: Mapping[str, _Cause]) -> pd.DataFrame:
    """Return one row a unit-year with a change, with its causes."""
    unit, at = np.nonzero(grid.n_changes > 0)
    flags = pd.DataFrame({name: cause.holds[unit, at] for name, cause in causes.items()})
    holds = [flags[name].to_numpy() for name in causes]
    first = np.select(holds, [np.array(name) for name in causes], default=np.array(ALONE))
    key = pd.DataFrame(
        {
            "unit_id": pd.Series(grid.units[unit], dtype="str"),
            "school_year_end": at + grid.first_year,
            "n_changes": grid.n_changes[unit, at],
            "first_cause": pd.Series(first, dtype="str"),
        }
    )
    return pd.concat([key, flags], axis=1)


def _contamination(events: pd.DataFrame, causes: Mapping[str, _Cause]) -> pd.DataFrame:
    names = [*causes, ALONE]
    first = events["first_cause"].value_counts().reindex(names, fill_value=0)
    each = events[list(causes)].sum().astype("int64")
    made = pd.DataFrame(
        {
            "cause": names,
            "role": [*(cause.role for cause in causes.values()), ""],
            "n_first": first.to_numpy(dtype=np.int64),
            "n_any": [*each, int(first[ALONE])],
        }
    )
    total = len(events) or np.nan
    made.insert(3, "first_share", made["n_first"] / total)
    return made.assign(any_share=made["n_any"] / total)


def _controls(
    grid: Grid, events: pd.DataFrame, stayers: BoolArray, controls: BoolArray
) -> pd.DataFrame:
    years = pd.RangeIndex(grid.first_year, grid.first_year + grid.row.shape[1])
    alone = events.loc[events["first_cause"] == ALONE, "school_year_end"]
    n_alone = alone.value_counts().reindex(years, fill_value=0).to_numpy()
    n = controls.sum(axis=0)
    return pd.DataFrame(
        {
            "school_year_end": years,
            "n_changes": (grid.n_changes > 0).sum(axis=0),
            "n_alone": n_alone,
            "n_stayers": stayers.sum(axis=0),
            "n_controls": n,
            "controls_per_event": n / np.where(n_alone > 0, n_alone, np.nan),
        }
    )
