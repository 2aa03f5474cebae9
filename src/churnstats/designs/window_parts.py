"""What windows bring besides the outcome: weights, covariates, cells of comparison, groups.

All of it is taken at event time -1, the last year before the change, so that nothing that the
change may have moved stands on the right side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.terms import Terms, numeric, regressors, require_columns
from churnstats.numerics.groups import encode, encode_pairs
from churnstats.panel.isolation import Grid
from churnstats.panel.panel import Panel

YEAR = "school_year_end"
NOT_KNOWN, REST = "not known", "other groups"
MOST_VALUES, LAST_ORDER = 4, 3


@dataclass(frozen=True)
class Extras:
    """What is asked of windows besides the outcome, as in `event_study`."""

    weights: str | None = None
    covariates: str = ""
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowValues:
    """What each unit-year brings if a window lies around it.

    Parameters
    ----------
    row : (U, T) integer array
        The panel's row at event time -1; -1 where there is none.
    weight : (U, T) array
    moderator : (U, T) array or None
    cells : sequence of (U, T) integer arrays
        For each effect the cell in which an event needs a stayer; -1 where it is not known.
    lacks : dict
        Reason to the unit-years that lack something.
    """

    row: IntArray
    weight: FloatArray
    moderator: FloatArray | None
    cells: tuple[IntArray, ...]
    lacks: dict[str, BoolArray]

    @property
    def complete(self) -> BoolArray:
        """Where nothing is lacking."""
        lacking = np.zeros(self.row.shape, dtype=bool)
        for lacks in self.lacks.values():
            lacking |= lacks
        return ~lacking


def window_values(panel: Panel, grid: Grid, extras: Extras, moderator: str) -> WindowValues:
    """Read weights, covariates, effects and the moderator at event time -1 of each window."""
    frame = panel.frame
    row = np.concatenate([np.full((grid.row.shape[0], 1), -1), grid.row[:, :-1]], axis=1)
    columns = covariate_columns(extras.covariates)
    parts = [effect_columns(effect) for effect in extras.effects]
    asked = [extras.weights, moderator or None, *columns, *(c for p in parts for c in p)]
    require_columns(frame, tuple(dict.fromkeys(c for c in asked if c)))
    lacks = {}
    weight = np.ones(row.shape)
    if extras.weights is not None:
        weight = _at(numeric(frame, extras.weights), row)
        if (weight < 0).any():
            raise SpecError("weights", f"'{extras.weights}' has negative values")
        lacks["without a weight at event time -1"] = ~(np.isfinite(weight) & (weight > 0))
    if columns:
        known = frame[list(columns)].notna().all(axis=1).to_numpy()
        lacks["without covariates at event time -1"] = ~(known[row] & (row >= 0))
    if parts:
        named = list(dict.fromkeys(c for p in parts for c in p))
        known = frame[named].notna().all(axis=1).to_numpy()
        lacks["without the effects' columns at event time -1"] = ~(known[row] & (row >= 0))
    value = None
    if moderator:
        value = _at(numeric(frame, moderator), row)
        lacks["without the moderator at event time -1"] = ~np.isfinite(value)
    cells = tuple(np.where(row >= 0, _codes(frame, p)[row], -1) for p in parts)
    return WindowValues(row, weight, value, cells, lacks)


def covariate_columns(covariates: str) -> tuple[str, ...]:
    """Return the columns that a formula of covariates names."""
    return Terms("", covariates).columns() if covariates else ()


def effect_columns(effect: str) -> tuple[str, ...]:
    """Return the columns of an effect besides the school year, or say why it can't be one."""
    parts = tuple(part.strip() for part in effect.split("^"))
    columns = tuple(part for part in parts if part != YEAR)
    if YEAR not in parts or not columns:
        raise SpecError(
            "effects",
            f"'{effect}' is absorbed by stacked windows already",
            how=f"cross a column with the year, 'state^{YEAR}': its stayers are the controls then",
        )
    if "unit_id" in columns:
        raise SpecError("effects", f"'{effect}' leaves no stayers: each cell has one unit")
    return columns


def _at(values: FloatArray, row: IntArray) -> FloatArray:
    return np.where(row >= 0, values[row], np.nan)


def _codes(frame: pd.DataFrame, columns: Sequence[str]) -> IntArray:
    """Return codes of the combinations of columns, -1 where one of them is missing."""
    codes = encode(frame[columns[0]])[0]
    for column in columns[1:]:
        more = encode(frame[column])[0]
        both = encode_pairs(np.maximum(codes, 0), np.maximum(more, 0))[0]
        codes = np.where((codes >= 0) & (more >= 0), both, -1)
    return codes


def shares_cell(members: BoolArray, cell: IntArray) -> BoolArray:
    """Tell for each unit-year whether one of the members is in its cell of the same year.

    Examples
    --------
    >>> cell = np.array([[0, 0], [1, 0]])
    >>> shares_cell(np.array([[True, True], [False, False]]), cell).tolist()
    [[True, True], [False, True]]
    """
    key = np.maximum(cell, 0) * cell.shape[1] + np.arange(cell.shape[1])
    found = np.zeros(int(key.max(initial=0)) + 1, dtype=bool)
    found[key[members & (cell >= 0)]] = True
    return np.asarray(found[key] & (cell >= 0))


def covariate_matrix(
    panel: Panel, covariates: str, row: IntArray
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the covariates of rows of the panel, by row given, and their names."""
    if not covariates:
        return np.zeros((row.size, 0)), ()
    unique, back = np.unique(row, return_inverse=True)
    x, names = regressors(panel.frame.iloc[unique].reset_index(drop=True), covariates, False)
    if not np.isfinite(x).all():
        bad = [n for n, column in zip(names, x.T, strict=True) if not np.isfinite(column).all()]
        raise SpecError("covariates", "covariates are not finite in the windows", where=bad)
    return x[back], names


def group_labels(
    panel: Panel, grid: Grid, row: IntArray, by: str, used: BoolArray
) -> NDArray[np.object_]:
    """Return the group of each event in use, "" elsewhere, before small ones are pooled.

    A column of the event ledger is read at the last change of the school year; any other one in
    the panel at event time -1. Numbers of many values are cut into terciles of the events in use.
    """
    unit, at = np.nonzero(used)
    if by in panel.events.columns:
        keys = ["unit_id", YEAR]
        last = panel.events.drop_duplicates(keys, keep="last").set_index(keys)[by]
        place = pd.MultiIndex.from_arrays([grid.units[unit], at + grid.first_year], names=keys)
        values = last.reindex(place).reset_index(drop=True)
    elif by in panel.frame.columns:
        values = panel.frame[by].iloc[row[unit, at]].reset_index(drop=True)
    else:
        raise SpecError("by", f"neither the event ledger nor the panel has a column '{by}'")
    labels = np.full(used.shape, "", dtype=object)
    labels[unit, at] = _words(values, by)
    return labels


def _words(values: pd.Series, by: str) -> NDArray[np.object_]:
    """Return values as words, numbers of many values as terciles."""
    known = values.notna().to_numpy()
    words = np.full(len(values), NOT_KNOWN, dtype=object)
    if pd.api.types.is_bool_dtype(values.dtype):
        yes = values.fillna(False).to_numpy(dtype=bool)
        words[known] = np.where(yes, by, f"not {by}")[known]
    elif not pd.api.types.is_numeric_dtype(values.dtype):
        words[known] = values[known].astype(str)
    elif by == "event_order":
        order = values.to_numpy(dtype=np.int64)
        words = np.where(order < LAST_ORDER, order.astype(str), f"{LAST_ORDER} or later")
        words = np.array([f"order {word}" for word in words], dtype=object)
    else:
        numbers = values[known].to_numpy(dtype=float)
        if np.unique(numbers).size <= MOST_VALUES:
            words[known] = [f"{by} {v:g}" for v in numbers]
        else:
            cuts = np.quantile(numbers, [1 / 3, 2 / 3])
            names = np.array([f"{by} {w} third" for w in ("bottom", "middle", "top")], dtype=object)
            words[known] = names[np.searchsorted(cuts, numbers)]
    return words.astype(object)


@dataclass(frozen=True)
class Groups:
    """Groups of events that are large enough to be shown.

    Parameters
    ----------
    names : tuple of str
    code : (U, T) integer array
        Group of each event in use; -1 elsewhere, and for events of groups that are too small.
    """

    names: tuple[str, ...]
    code: IntArray

    @classmethod
    def one(cls, used: BoolArray) -> Groups:
        """Return one group without a name for all events."""
        return cls(("",), np.where(used, 0, -1))

    @classmethod
    def of(cls, labels: NDArray[np.object_], by: str, min_events: int) -> Groups:
        """Pool groups with fewer than ``min_events`` events; leave them out if still too few."""
        used = labels != ""
        counts = pd.Series(labels[used]).value_counts()
        large = sorted(counts.index[counts >= min_events])
        small = used & ~np.isin(labels, large)
        if small.sum() >= min_events:
            labels = np.where(small, REST, labels)
            large.append(REST)
        if len(large) < 2:
            raise IdentificationError(
                "by",
                f"'{by}' leaves {len(large)} group(s) with at least {min_events} events",
                how="two are needed to compare: choose a coarser column or a shorter window",
            )
        code = np.full(labels.shape, -1, dtype=np.int64)
        for j, name in enumerate(large):
            code[labels == name] = j
        return cls(tuple(large), code)
