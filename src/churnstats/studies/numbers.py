"""Numbers that a study answers for: each with its tolerance, compared with those recorded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from churnstats.core.errors import SpecError

FORMAT = 1
FLOAT_RTOL = 1e-6
IDENTIFIER = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True)
class Number:
    """A number with what it means and how far it may move.

    Parameters
    ----------
    id : str
    value : float or int
        May be NaN (undefined) or infinite.
    label : str
        What it is, for people.
    rtol, atol : float
        A new value passes if it differs by at most ``atol + rtol * abs(value)``.
    estimand : str
        What it estimates.
    line : int
        Line of ``run.py`` that recorded it; 0 if unknown.
    is_key : bool
        Whether the report shows it at the top.
    source : mapping
        Counts, variance choice and sample of the result that it was taken from.
    """

    id: str
    value: float | int
    label: str
    rtol: float
    atol: float
    estimand: str = ""
    line: int = 0
    is_key: bool = True
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = list(_faults(self.id, self.value, self.label, self.rtol, self.atol))
        if faults:
            raise SpecError("number", f"the number '{self.id}' can't be recorded", where=faults)

    @property
    def allowed(self) -> float:
        """The largest difference that passes."""
        size = abs(self.value) if math.isfinite(self.value) else 0.0
        return self.atol + self.rtol * size

    @property
    def tolerance(self) -> str:
        """The tolerance in words."""
        parts = [f"{self.rtol:g} relative"] if self.rtol else []
        parts += [f"{self.atol:g} absolute"] if self.atol else []
        return " + ".join(parts) or "none: exact"

    def to_json(self) -> dict[str, Any]:
        """Return what is stored; NaN and infinity as text, which JSON lacks."""
        value = self.value if math.isfinite(self.value) else repr(self.value)
        return {"value": value, "rtol": self.rtol, "atol": self.atol, "label": self.label}

    def describe(self) -> dict[str, Any]:
        """Return what is stored beside that for readers: estimand, source, line."""
        return {
            **self.to_json(),
            "estimand": self.estimand,
            "line": self.line,
            "source": dict(self.source),
        }


def _faults(id: Any, value: Any, label: Any, rtol: Any, atol: Any) -> list[str]:
    faults = []
    if not isinstance(id, str) or not IDENTIFIER.fullmatch(id):
        faults.append("an id is made of lower case letters, digits, _ . and -")
    if not _is_number(value):
        faults.append(f"{value!r} is no number")
    if not isinstance(label, str) or not label.strip():
        faults.append("the label must be text")
    if not _is_number(rtol) or not 0 <= rtol < 1:
        faults.append(f"rtol is {rtol!r}: give a share from 0 to below 1")
    if not _is_number(atol) or not 0 <= atol < math.inf:
        faults.append(f"atol is {atol!r}: give a finite number from 0 on")
    return faults


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Check:
    """A recorded number against a new one.

    Parameters
    ----------
    id, label : str
    expected, actual : float, int or None
        None where the number is missing.
    rtol, atol, allowed : float
        As recorded; `allowed` is the largest difference that passes.
    reason : str
        Why it fails; empty if it passes.
    """

    id: str
    label: str
    expected: float | int | None
    actual: float | int | None
    rtol: float
    atol: float
    allowed: float
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the number is as recorded."""
        return not self.reason

    @property
    def difference(self) -> float:
        """New less recorded; NaN if either is missing or undefined."""
        if self.expected is None or self.actual is None:
            return math.nan
        return float(self.actual - self.expected)


def compare(expected: Mapping[str, Number], actual: Mapping[str, Number]) -> tuple[Check, ...]:
    """Compare recorded numbers with new ones, in the order recorded.

    Parameters
    ----------
    expected, actual : mapping of str to Number

    Returns
    -------
    tuple of Check
        A number that either side lacks fails, and so does one whose tolerance is stated in
        ``run.py`` other than it was recorded. NaN equals only NaN.
    """
    checks = []
    for id in (*expected, *(i for i in actual if i not in expected)):
        old, new = expected.get(id), actual.get(id)
        number = old or new
        assert number is not None
        checks.append(
            Check(
                id=id,
                label=number.label,
                expected=old.value if old else None,
                actual=new.value if new else None,
                rtol=number.rtol,
                atol=number.atol,
                allowed=number.allowed,
                reason=_reason(old, new),
            )
        )
    return tuple(checks)


def _reason(old: Number | None, new: Number | None) -> str:
    if old is None:
        return "not in expected.json"
    if new is None:
        return "not recorded by run.py"
    if (old.rtol, old.atol) != (new.rtol, new.atol):
        return f"run.py states another tolerance: {new.tolerance}"
    if math.isnan(old.value) or math.isnan(new.value):
        both = math.isnan(old.value) and math.isnan(new.value)
        return "" if both else "one of them is undefined"
    if math.isinf(old.value) or math.isinf(new.value):
        return "" if old.value == new.value else "one of them is infinite"
    return "" if abs(new.value - old.value) <= old.allowed else "differs by more than allowed"


@dataclass(frozen=True)
class Expected:
    """What ``expected.json`` holds: numbers, and the inputs that they came from.

    Parameters
    ----------
    numbers : mapping of str to Number
    inputs : mapping of str to str
        SHA-256 by key.
    """

    numbers: Mapping[str, Number]
    inputs: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write the file."""
        content = {
            "format": FORMAT,
            "inputs": dict(self.inputs),
            "numbers": {id: number.to_json() for id, number in self.numbers.items()},
        }
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> Expected:
        """Read the file; one `SpecError` lists all its faults."""
        raw = read_json(path)
        numbers, inputs = raw.get("numbers"), raw.get("inputs")
        if (
            raw.get("format") != FORMAT
            or not isinstance(numbers, dict)
            or not isinstance(inputs, dict)
        ):
            raise SpecError(
                "expected",
                f"{path.name} does not hold recorded numbers",
                how="record them by `churnstats run DIR --record`",
            )
        return cls(read_numbers(numbers, path.name), {str(k): str(v) for k, v in inputs.items()})


def read_numbers(raw: Mapping[str, Any], name: str) -> dict[str, Number]:
    """Return numbers as they were stored.

    Parameters
    ----------
    raw : mapping
        As `Number.to_json` makes it, by id.
    name : str
        Of the file, for the error.

    Raises
    ------
    SpecError
        With every fault.
    """
    numbers: dict[str, Number] = {}
    faults: list[str] = []
    for id, entry in raw.items():
        fields: dict[str, Any] = dict.fromkeys(("value", "label", "rtol", "atol"))
        stored = entry if isinstance(entry, dict) else {}
        fields |= {k: v for k, v in stored.items() if k in fields}
        if fields["value"] in ("nan", "inf", "-inf"):
            fields["value"] = float(fields["value"])
        found = _faults(id, **fields)
        faults += [f"'{id}': {fault}" for fault in found]
        if not found:
            numbers[id] = Number(id=id, **fields)
    if faults:
        raise SpecError("expected", "\n    - ".join([f"{name} has faults", *faults]))
    return numbers


def numbers_frame(checks: tuple[Check, ...]) -> pd.DataFrame:
    """Return one row a check: id, label, expected, actual, difference, tolerance, passed, reason.

    Parameters
    ----------
    checks : tuple of Check

    Returns
    -------
    DataFrame
        A number that is missing is NaN; `reason` tells it from one that is undefined.
    """
    columns = (
        "id",
        "label",
        "expected",
        "actual",
        "difference",
        "rtol",
        "atol",
        "allowed",
        "passed",
        "reason",
    )
    frame = pd.DataFrame(
        [[getattr(c, name) for name in columns] for c in checks], columns=list(columns)
    )
    floats = ["expected", "actual", "difference", "rtol", "atol", "allowed"]
    return frame.astype({**dict.fromkeys(floats, float), "passed": bool})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as it is defined: indented, UTF-8, no NaN."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or raise a `SpecError` that names the file."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("study", f"there is no {path.name} in '{path.parent.name}'") from error
    except ValueError as error:
        raise SpecError("study", f"{path.name} is no JSON", where=[str(error)]) from error
    if not isinstance(raw, dict):
        raise SpecError("study", f"{path.name} holds no keys")
    return raw
