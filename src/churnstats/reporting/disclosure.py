"""Small cells hidden, by the primary and the complementary rule, and a guard against names.

A count of 1 to ``minimum - 1`` may tell about a person, and is hidden (primary suppression). A
hidden cell of which the total is shown can be worked out from it, so that further cells of the
same line are hidden (complementary suppression), the smallest first, until a line with a total
shows either all its cells or hides two and more that add up to at least ``minimum``. Lines of
both directions are taken in turn until none of them gives a cell away.

Every line is then safe by itself. Lines are not solved together as a system of equations, and
totals of totals are not protected, so show one level. A table that shares cells with another one
has to be hidden together with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Suppressed:
    """A table whose small cells are hidden.

    Parameters
    ----------
    frame : DataFrame
        The table, with NaN for each hidden cell. Its counts are floats.
    note : str
        One sentence for below the table.
    n_primary, n_complementary : int
        How many counts were hidden by each rule.
    """

    frame: pd.DataFrame
    note: str
    n_primary: int
    n_complementary: int


def suppress_small_cells(
    frame: pd.DataFrame,
    count_columns: Sequence[str],
    minimum: int = 10,
    *,
    value_columns: Sequence[str] = (),
    total_column: str | None = None,
    total_rows: Sequence[bool] | None = None,
    by: Sequence[str] = (),
) -> Suppressed:
    """Hide counts below a minimum, and those that would give them away.

    Parameters
    ----------
    frame : DataFrame
        It is not changed.
    count_columns : sequence of str
        Columns of counts, without the total.
    minimum : int
        The smallest count that is shown. Zeros are shown.
    value_columns : sequence of str
        Columns made from the counts (shares, means): hidden in each row that hides a count.
    total_column : str, optional
        Column that holds the sum of `count_columns` in each row.
    total_rows : sequence of bool, optional
        Marks the rows that hold the sum of the other rows of their group.
    by : sequence of str
        Columns that make the groups of `total_rows`; by default all rows are one group.

    Returns
    -------
    Suppressed

    Raises
    ------
    SpecError
        For columns that there are not, counts that are negative or no whole numbers, totals
        that do not add up or miss a cell, or two totals in one group.

    Examples
    --------
    >>> import pandas as pd
    >>> exits = pd.DataFrame({"retired": [4, 30], "moved": [15, 41], "died": [25, 12]})
    >>> exits["all"] = exits.sum(axis=1)
    >>> hidden = suppress_small_cells(exits, ["retired", "moved", "died"], total_column="all")
    >>> hidden.frame.loc[0].tolist()
    [nan, nan, 25.0, 44.0]
    """
    columns = [*count_columns, *([total_column] if total_column else [])]
    _require(frame, [*columns, *value_columns, *by], minimum)
    counts = _counts(frame, columns)
    lines = _lines(frame, counts, total_column is not None, total_rows, by)
    primary = (counts > 0) & (counts < minimum)
    hidden = _complement(counts, primary.copy(), lines, minimum)
    shown = frame.assign(**dict(zip(columns, np.where(hidden, np.nan, counts).T, strict=True)))
    for column in value_columns:
        shown[column] = shown[column].mask(np.array(hidden.any(axis=1), dtype=bool))
    n_primary, n_more = int(primary.sum()), int((hidden & ~primary).sum())
    return Suppressed(shown, _note(n_primary, n_more, minimum), n_primary, n_more)


def scan_for_names(
    texts: Mapping[str, str | pd.DataFrame], names: Iterable[str]
) -> tuple[tuple[str, str], ...]:
    """Find names of persons in texts and tables before they are given away.

    Parameters
    ----------
    texts : mapping
        Where it stands to a text or a table (its columns and cells are searched).
    names : iterable of str
        Whole names; case and the width of gaps do not matter.

    Returns
    -------
    tuple of (str, str)
        Where, and the name found. Empty if there is none.
    """
    wanted = {name: tuple(name.casefold().split()) for name in dict.fromkeys(names)}
    found = []
    for where, text in texts.items():
        plain = _words(text)
        for name, words in wanted.items():
            pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)"
            if words and re.search(pattern, plain):
                found.append((where, name))
    return tuple(found)


def _words(text: str | pd.DataFrame) -> str:
    if isinstance(text, str):
        return text.casefold()
    cells = [str(c) for c in text.columns] + [str(v) for c in text for v in text[c]]
    return "\n\x00\n".join(cells).casefold()


def _require(frame: pd.DataFrame, columns: Sequence[str], minimum: int) -> None:
    if minimum < 1:
        raise SpecError("disclosure", f"a minimum of {minimum} hides nothing", how="give 1 or more")
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        raise SpecError(
            "disclosure",
            "no such columns",
            where=missing,
            how=f"the columns are: {', '.join(map(str, frame.columns))}",
        )
    if len(set(columns)) < len(columns):
        raise SpecError("disclosure", "a column is named twice", where=columns)


def _counts(frame: pd.DataFrame, columns: Sequence[str]) -> FloatArray:
    counts = np.column_stack([frame[c].to_numpy(dtype=float, na_value=np.nan) for c in columns])
    known = counts[~np.isnan(counts)]
    if (known < 0).any() or (known % 1 != 0).any():
        raise SpecError("disclosure", "counts are whole numbers from 0 on", where=list(columns))
    return counts


_Line = tuple[list[tuple[int, int]], tuple[int, int]]


def _lines(
    frame: pd.DataFrame,
    counts: FloatArray,
    has_total_column: bool,
    total_rows: Sequence[bool] | None,
    by: Sequence[str],
) -> list[_Line]:
    """Return each line of cells with the cell that holds its total."""
    n_rows, n_columns = counts.shape
    lines: list[_Line] = []
    if has_total_column:
        last = n_columns - 1
        lines += [([(i, j) for j in range(last)], (i, last)) for i in range(n_rows)]
    if total_rows is not None:
        for at, total in _groups(frame, total_rows, by):
            lines += [([(int(i), j) for i in at], (total, j)) for j in range(n_columns)]
    for cells, whole in lines:
        parts = sum(float(counts[cell]) for cell in cells)
        if np.isnan(parts + counts[whole]):
            raise SpecError(
                "disclosure",
                "a count in a line with a total is missing",
                where=[f"row {whole[0]}"],
                how="give the counts before any is hidden",
            )
        if parts != counts[whole]:
            raise SpecError(
                "disclosure",
                f"a total is {counts[whole]:.0f}, its cells add up to {parts:.0f}",
                where=[f"row {whole[0]}"],
            )
    return lines


def _groups(
    frame: pd.DataFrame, total_rows: Sequence[bool], by: Sequence[str]
) -> list[tuple[IntArray, int]]:
    marked = np.asarray(total_rows, dtype=bool)
    if marked.shape != (len(frame),):
        raise SpecError("disclosure", f"total_rows has {marked.size} marks for {len(frame)} rows")
    codes = np.zeros(len(frame), dtype=np.int64)
    if by:
        codes[:] = frame.groupby(list(by), dropna=False, sort=False).ngroup().to_numpy()
    groups = []
    for code in np.unique(codes):
        total = np.flatnonzero((codes == code) & marked)
        if total.size > 1:
            raise SpecError(
                "disclosure",
                "a group has two totals",
                where=[f"row {i}" for i in total],
                how="name the groups in `by`",
            )
        if total.size:
            groups.append((np.flatnonzero((codes == code) & ~marked), int(total[0])))
    return groups


def _complement(
    counts: FloatArray, hidden: BoolArray, lines: Sequence[_Line], minimum: int
) -> BoolArray:
    """Hide cells until no line gives one away; `hidden` is changed and returned."""
    changed = True
    while changed:
        changed = False
        for cells, total in lines:
            while not _is_safe(counts, hidden, cells, total, minimum):
                shown = [cell for cell in cells if not hidden[cell] and counts[cell] > 0]
                hidden[min(shown, key=lambda cell: counts[cell]) if shown else total] = True
                changed = True
    return hidden


def _is_safe(
    counts: FloatArray,
    hidden: BoolArray,
    cells: Sequence[tuple[int, int]],
    total: tuple[int, int],
    minimum: int,
) -> bool:
    secret = [counts[cell] for cell in cells if hidden[cell]]
    if hidden[total]:
        return bool(secret)
    return not secret or (len(secret) > 1 and sum(secret) >= minimum)


def _note(n_primary: int, n_complementary: int, minimum: int) -> str:
    if not n_primary:
        return f"No count is between 1 and {minimum - 1}; none is hidden."
    text = f"Hidden (–): {n_primary} count{'s' if n_primary != 1 else ''} below {minimum}"
    if n_complementary:
        text += f" and {n_complementary} more from which they could be worked out"
    return text + "."
