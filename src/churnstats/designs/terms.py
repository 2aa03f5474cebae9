"""Formulas to arrays: ``y ~ x + C(g) | effect + effect^effect``. The only user of formulaic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError

from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import FloatArray, IntArray
from churnstats.designs.design import as_floats


@dataclass(frozen=True)
class Terms:
    """A parsed formula.

    Parameters
    ----------
    left : str
        Response column; empty for survival.
    right : str
        Regressors in formulaic's language.
    effects : tuple of str
        Absorbed effects; ``a^b`` stands for all pairs.
    """

    left: str
    right: str
    effects: tuple[str, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """Return every column that the formula names, each once."""
        try:
            named = sorted(Formula(self.right).required_variables)
        except FormulaicError as error:
            raise SpecError("formula", f"'{self.right}' can't be read: {error}") from error
        parts = [part for effect in self.effects for part in effect.split("^")]
        return tuple(dict.fromkeys([*filter(None, [self.left]), *map(str, named), *parts]))


def parse(formula: str) -> Terms:
    """Parse ``y ~ terms | effects``."""
    left, tilde, rest = formula.partition("~")
    if not tilde or not left.strip() or "~" in rest:
        raise SpecError("formula", f"'{formula}' has no 'response ~ terms'", how="write y ~ x | a")
    right, _, effects = rest.partition("|")
    names = tuple(part.strip().replace(" ", "") for part in effects.split("+") if part.strip())
    if len(set(names)) < len(names):
        raise SpecError("formula", "an effect is absorbed twice", where=sorted(names))
    return Terms(left.strip(), right.strip() or "1", names)


def require_columns(data: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Raise one error with every column that is not there."""
    missing = [c for c in columns if c not in data.columns]
    if missing:
        raise SpecError(
            "missing_column",
            "no such columns in the data",
            where=missing,
            how=f"the columns are: {', '.join(map(str, data.columns[:30]))}",
        )


def complete_rows(
    data: pd.DataFrame, columns: tuple[str, ...], weights: str | None
) -> tuple[IntArray, RowLedger]:
    """Return positions of rows with every column known and weight above zero, and the ledger.

    A row that misses several columns is counted once, under the first of them.
    """
    lost: dict[str, int] = {}
    kept = np.ones(len(data), dtype=bool)
    for column in columns:
        values = data[column]
        missing = values.isna().to_numpy(dtype=bool, na_value=True)
        if values.dtype.kind == "f":
            missing = missing | ~np.isfinite(as_floats(values))
        lost[f"without {column}"] = int((kept & missing).sum())
        kept &= ~missing
    if weights is not None:
        value = numeric(data, weights)
        if (value[kept] < 0).any():
            raise SpecError(
                "weights",
                f"'{weights}' has negative values",
                where=[str(i) for i in data.index[kept & (value < 0)]],
            )
        lost["with weight zero"] = int((kept & (value == 0)).sum())
        kept &= value != 0
    rows = np.flatnonzero(kept)
    if rows.size == 0:
        raise SpecError("empty", "no row is left", where=[f"{n} {w}" for w, n in lost.items() if n])
    return rows, RowLedger().step("sample", "rows", len(data), rows.size, lost)


def regressors(
    data: pd.DataFrame, right: str, intercept: bool
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the regressor matrix of complete rows and its names.

    Categories are coded against their first level also where the intercept is absorbed.
    """
    try:
        matrix = Formula(right).get_model_matrix(data, na_action="raise")
    except FormulaicError as error:
        raise SpecError("formula", f"'{right}' can't be built: {error}") from error
    if not intercept and "Intercept" in matrix.columns:
        matrix = matrix.drop(columns="Intercept")
    values = np.ascontiguousarray(np.array(matrix, dtype=float)).reshape(len(data), -1)
    return values, tuple(str(c) for c in matrix.columns)


def numeric(data: pd.DataFrame, column: str) -> FloatArray:
    """Return a column as floats, or raise if it holds text."""
    if data[column].dtype.kind not in "iufb":
        raise SpecError(
            "not_numeric",
            f"'{column}' holds {data[column].dtype}, not numbers",
            how="convert it first",
        )
    return as_floats(data[column])


def weights_of(data: pd.DataFrame, column: str | None) -> FloatArray:
    """Return a column of weights, or ones."""
    return np.ones(len(data)) if column is None else numeric(data, column)
