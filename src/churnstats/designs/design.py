"""The arrays that an estimator takes: response, regressors, effects, weights, clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import encode


@dataclass(frozen=True)
class Continuous:
    """A measured response.

    Parameters
    ----------
    y : (n,) array
    """

    y: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.size)

    def take(self, rows: IntArray) -> Continuous:
        """Return the response of some rows, in their order."""
        return Continuous(self.y[rows])


@dataclass(frozen=True)
class Counting:
    """A counting-process response: a row is at risk in (entry, exit].

    Parameters
    ----------
    entry, exit : (n,) arrays
        ``entry < exit``, in one unit of time.
    event : (n,) array
        1 where the row ends in the event, 0 where it is censored.
    """

    entry: FloatArray
    exit: FloatArray
    event: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.exit.size)

    def take(self, rows: IntArray) -> Counting:
        """Return the response of some rows, in their order."""
        return Counting(self.entry[rows], self.exit[rows], self.event[rows])


@dataclass(frozen=True)
class Cohorts:
    """Outcomes of units by year, and the year in which each was treated first.

    Parameters
    ----------
    y : (n, T) array
        NaN where a unit has no outcome.
    cohort : (n,) array
        School year of the first treatment, NaN for none.
    years : (T,) integer array
        School years, one after the other.
    x : (n, T, p) array
        Covariates by unit and year, without a constant; ``p`` may be 0.
    """

    y: FloatArray
    cohort: FloatArray
    years: IntArray
    x: FloatArray

    @property
    def n(self) -> int:
        """Number of units."""
        return int(self.cohort.size)

    def take(self, rows: IntArray) -> Cohorts:
        """Return some units, in their order."""
        return Cohorts(self.y[rows], self.cohort[rows], self.years, self.x[rows])


@dataclass(frozen=True, eq=False)
class Design:
    """What an estimator sees: arrays only, one row an observation.

    Parameters
    ----------
    response : Continuous, Counting or Cohorts
    x : (n, k) array
        Regressors; ``k`` may be 0.
    names : tuple of str
        Names of the regressors.
    weights : (n,) array
        Positive.
    effects : mapping of str to (n,) integer array
        Absorbed effects (linear models) or groups and strata (survival), as codes.
    clusters : mapping of str to (n,) integer array
        Every variable by which errors may be clustered.
    rows : (n,) integer array or None
        Positions of these rows in the caller's frame.
    ledger : RowLedger
        How the rows came to be these.
    """

    response: Continuous | Counting | Cohorts
    x: FloatArray
    names: tuple[str, ...]
    weights: FloatArray
    effects: Mapping[str, IntArray] = field(default_factory=dict)
    clusters: Mapping[str, IntArray] = field(default_factory=dict)
    rows: IntArray | None = None
    ledger: RowLedger = field(default_factory=RowLedger)

    def __post_init__(self) -> None:
        n = self.response.n
        if self.x.shape != (n, len(self.names)):
            raise SpecError("design", f"x has shape {self.x.shape}, not {(n, len(self.names))}")
        for name, array in {"weights": self.weights, **self.effects, **self.clusters}.items():
            if array.shape != (n,):
                raise SpecError("design", f"'{name}' has shape {array.shape}, not {(n,)}")

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.response.n

    def take(self, rows: IntArray) -> Design:
        """Return the design of some rows, in their order; codes are made dense again."""
        return Design(
            response=self.response.take(rows),
            x=self.x[rows],
            names=self.names,
            weights=self.weights[rows],
            effects={name: encode(codes[rows])[0] for name, codes in self.effects.items()},
            clusters={name: encode(codes[rows])[0] for name, codes in self.clusters.items()},
        )


def codes_of(frame: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, IntArray]:
    """Encode columns of a frame as group codes, by name; ``a^b`` names the pairs of a and b."""
    found: dict[str, IntArray] = {}
    for column in columns:
        parts = column.split("^")
        codes = encode(frame[parts[0]])[0]
        for part in parts[1:]:
            more, n_more = encode(frame[part])
            codes = encode(codes * n_more + more)[0]
        found[column] = codes
    return found


def as_floats(values: pd.Series) -> FloatArray:
    """Return a column as floats, missing as NaN, in memory of its own."""
    return np.array(values.to_numpy(dtype=float, na_value=np.nan), dtype=float)
