"""The one tree of errors, and the faults that a data error carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnstats.core.types import IntArray

MAX_ROWS_SHOWN = 5


def _no_rows() -> IntArray:
    import numpy as np

    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Fault:
    """One rule that rows of a table broke.

    Parameters
    ----------
    rule : str
        Stable code of the rule, such as ``"overlapping_spells"``.
    table : str
        The table in which it was found.
    message : str
        What is wrong, in one sentence.
    how : str
        How to mend it.
    n_rows : int
        How many rows break the rule.
    rows : tuple of str
        Up to five of them, each described well enough to be found.
    source : str
        Name of the file, if the table came from one.
    numbers : array of int
        All of these rows by their numbers in the source, where they are known.
    """

    rule: str
    table: str
    message: str
    how: str
    n_rows: int
    rows: tuple[str, ...] = ()
    source: str = ""
    numbers: IntArray = field(default_factory=_no_rows, repr=False, compare=False)

    def __str__(self) -> str:
        count = f" ({self.n_rows} row{'s' if self.n_rows != 1 else ''})" if self.n_rows else ""
        place = f"{self.table} ({self.source})" if self.source else self.table
        lines = [f"[{self.rule}] {place}: {self.message}{count}"]
        lines += [f"    {row}" for row in self.rows[:MAX_ROWS_SHOWN]]
        if self.n_rows > MAX_ROWS_SHOWN and self.rows:
            lines.append(f"    ... and {self.n_rows - min(len(self.rows), MAX_ROWS_SHOWN)} more")
        lines.append(f"    mend: {self.how}")
        return "\n".join(lines)


class ChurnstatsError(Exception):
    """Base of all errors that churnstats raises on purpose.

    Parameters
    ----------
    code : str
        Stable code for programs that catch the error.
    what : str
        What is wrong.
    where : sequence of str
        At most five places are shown.
    how : str
        How to mend it.
    """

    def __init__(self, code: str, what: str, *, where: Sequence[str] = (), how: str = "") -> None:
        self.code = code
        self.what = what
        self.where = tuple(where)
        self.how = how
        lines = [f"[{code}] {what}"]
        lines += [f"    {place}" for place in self.where[:MAX_ROWS_SHOWN]]
        if len(self.where) > MAX_ROWS_SHOWN:
            lines.append(f"    ... and {len(self.where) - MAX_ROWS_SHOWN} more")
        if how:
            lines.append(f"    mend: {how}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(vars(self)))


def _restore(
    cls: type[ChurnstatsError], args: tuple[Any, ...], state: dict[str, Any]
) -> ChurnstatsError:
    """Make an error anew, as when it comes from another process."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class DataError(ChurnstatsError):
    """Records that can't be used as they are: every fault at once.

    Attributes
    ----------
    faults : tuple of Fault
        All that was found, a fault a rule and table.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        n_rules = len(self.faults)
        head = f"{n_rules} fault{'s' if n_rules != 1 else ''} in the data"
        self.code, self.what, self.where, self.how = "data", head, (), ""
        Exception.__init__(self, "\n".join([head, *map(str, self.faults)]))


class SpecError(ChurnstatsError):
    """A request that is contradictory, unknown or not supported."""


class IdentificationError(ChurnstatsError):
    """The data can't tell the quantity that was asked for."""


class ConvergenceError(ChurnstatsError):
    """An iteration did not reach its tolerance."""


def require_types(given: Mapping[str, tuple[object, type | tuple[type, ...], str]]) -> None:
    """Raise one error for all arguments that are of another type than they must be.

    Parameters
    ----------
    given : mapping of str to (value, type or types, str)
        By the argument's name: the value, what it must be, and how to make one.

    Examples
    --------
    >>> require_types({"window": (3, int, "give a whole number")})
    """
    wrong = [
        f"{name}= is a {type(value).__name__}: {how}"
        for name, (value, kind, how) in given.items()
        if not isinstance(value, kind)
    ]
    if wrong:
        raise SpecError("type", "arguments are of the wrong type", where=wrong)
