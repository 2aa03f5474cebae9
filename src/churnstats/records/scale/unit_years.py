"""Sums by unit, year, measure, grade and subgroup to unit-year means, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog
from churnstats.core.types import BoolArray, FloatArray
from churnstats.numerics.groups import encode
from churnstats.records.scale.moments import Moments
from churnstats.records.units.units import Units

# A spread that is smaller than this share of the mean is the rounding of equal scores.
SMALLEST_SPREAD = 1e-12
WORDS = {"school_year_end": "school year", "unit_id": "unit id"}


@dataclass(frozen=True)
class UnitYears:
    """Means by unit, year and measure.

    Parameters
    ----------
    frame : DataFrame
    n_rows : int
        Students behind them.
    lost : mapping
        Students that were set aside, by reason.
    issues : IssueLog
    """

    frame: pd.DataFrame
    n_rows: int
    lost: Mapping[str, int]
    issues: IssueLog


@dataclass
class _Cells:
    """Cells and their moments, of which some are set aside one reason after another."""

    keys: pd.DataFrame
    moments: Moments
    lost: dict[str, int] = field(default_factory=dict)

    def set_aside(self, reason: str, bad: BoolArray) -> None:
        self.lost[reason] = int(self.moments.n[bad].sum())
        self.keys, self.moments = self.keys[~bad], self.moments.at(~bad)

    def without(self, name: str) -> None:
        if name in self.keys.columns:
            self.set_aside(f"no {WORDS.get(name, name)}", self.keys[name].isna().to_numpy())


def unit_years(
    cells: pd.DataFrame,
    groups: tuple[str, ...],
    scale: str,
    units: Units | Collection[str] | None,
) -> UnitYears:
    """Return means by unit, year and measure from sums by finer cells.

    The state's mean and spread are those of all cells with a year, measure and grade, before
    cells of unknown units or subgroups are set aside.
    """
    names = [c for c in ("unit_id", "school_year_end", "measure", *groups) if c in cells.columns]
    order = [*names, *(["grade"] if "grade" in cells.columns and "grade" not in names else [])]
    cells = cells.sort_values(order, ignore_index=True, kind="stable")
    left = _Cells(cells, _moments(cells))
    for name in ("school_year_end", "measure"):
        left.without(name)
    if "grade" in groups or scale == "state_sd":
        left.without("grade")
    if scale == "state_sd":
        _to_state_sd(left)
    left.without("subgroup")
    left.without("unit_id")
    issues = _known_units(left, units)
    if scale == "state_sd":
        flat = left.keys["state_sd"].isna().to_numpy()
        left.set_aside("no spread in year, grade and measure", flat)
    frame = _joined(left, names, groups)
    return UnitYears(frame, int(left.moments.n.sum()), left.lost, issues)


def _moments(cells: pd.DataFrame) -> Moments:
    """Return the moments of cells; without weights, weights and their squares are 1."""
    n, centre, wd, wdd = (_floats(cells[c]) for c in ("n_rows", "centre", "wd", "wdd"))
    if "w" not in cells.columns:
        return Moments.about(n, n, n, centre, wd, wdd, wd, wdd)
    w, v, wwd, wwdd = (_floats(cells[c]) for c in ("w", "v", "wwd", "wwdd"))
    return Moments.about(n, w, v, centre, wd, wdd, wwd, wwdd)


def _floats(column: pd.Series) -> FloatArray:
    return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))


def _to_state_sd(left: _Cells) -> None:
    """Put moments on the scale of all students of the same year, grade and measure."""
    keys = left.keys.groupby(["school_year_end", "measure", "grade"], sort=True)
    codes = np.asarray(keys.ngroup().to_numpy(), dtype=np.int64)
    state = left.moments.joined(codes, int(codes.max(initial=-1)) + 1)
    sd = state.population_sd()
    sd = np.where(sd > SMALLEST_SPREAD * np.abs(state.m), sd, np.nan)
    left.moments = left.moments.scaled(state.at(codes), sd[codes])
    left.keys = left.keys.assign(state_mean=state.m[codes], state_sd=sd[codes])


def _known_units(left: _Cells, units: Units | Collection[str] | None) -> IssueLog:
    """Set aside units that are not known, and carry ids that changed over to the present one."""
    if units is None:
        return IssueLog()
    if isinstance(units, str) or not isinstance(units, (Units, Collection)):
        what = f"{type(units).__name__} is no collection of ids"
        raise SpecError("units", what, how="give Units, or a list of unit ids as text")
    issues = IssueLog()
    if isinstance(units, Units):
        present = units.current_ids(left.keys["unit_id"])
        changed = (present != left.keys["unit_id"]).to_numpy(dtype=bool)
        n_rows = int(left.moments.n[changed].sum())
        what, how = "units have another id by now", "nothing, if the change is right"
        fault = Fault("unit_id_changed", "students", what, how, n_rows)
        issues = issues.add(fault, "carried over to the new id")
        left.keys = left.keys.assign(unit_id=present)
    known = units.frame["unit_id"] if isinstance(units, Units) else [str(u) for u in units]
    left.set_aside("unknown unit id", ~left.keys["unit_id"].isin(known).to_numpy())
    return issues


def _joined(left: _Cells, names: list[str], groups: tuple[str, ...]) -> pd.DataFrame:
    """Return one row a unit, year, measure and group."""
    codes, n_groups = encode(left.keys.groupby(names, sort=True).ngroup().to_numpy())
    moments = left.moments.joined(codes, n_groups)
    first = np.zeros(n_groups, dtype=np.int64)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    keys = left.keys.iloc[first].reset_index(drop=True)
    measure = keys["measure"].astype("str")
    for name, mark in (("grade", "_g"), ("subgroup", "_")):
        measure = measure + mark + keys[name].astype("str") if name in groups else measure
    kept = [c for c in groups if c in keys.columns]
    kept += ["state_mean", "state_sd"] if "grade" in groups and "state_sd" in keys.columns else []
    return keys[["unit_id", "school_year_end"]].assign(
        measure=measure,
        estimate=moments.m,
        std_error=moments.std_error(),
        n_obs=moments.n,
        sd=moments.sample_sd(),
        weight_sum=moments.w,
        **{name: keys[name] for name in kept},
    )
