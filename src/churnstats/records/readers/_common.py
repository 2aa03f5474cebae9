"""What all readers need: columns by any of their names, ids to full length, years, findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray
from churnstats.records import cells
from churnstats.records.ingest import row_fault, source_name, to_pandas
from churnstats.records.tenures import Tenures

YearName: TypeAlias = Literal["spring", "fall"]
_YEAR = re.compile(r"(\d{4})(?:\.0)?")
_SPAN = re.compile(r"(\d{4})\s*[-–/]\s*(\d{4}|\d{2})")
_DECIMAL = re.compile(r"\.0+$")
WHOLE_ID = "read the column as text, or correct these cells"


@dataclass
class Findings:
    """What a reader finds in one source: faults to raise, issues with what was done about them.

    Messages show ids and years only: the columns named in a call are never names of people.
    """

    table: str
    source: str = ""
    faults: list[Fault] = field(default_factory=list)
    issues: IssueLog = field(default_factory=IssueLog)
    columns: Mapping[str, str] = field(default_factory=dict)

    def called(self, column: str) -> str:
        """Return what the source calls one of our columns."""
        return self.columns.get(column, column)

    def fault(
        self,
        rule: str,
        message: str,
        how: str,
        frame: pd.DataFrame,
        bad: BoolArray,
        shown: tuple[str, ...],
    ) -> None:
        """Note rows that can't be used as they are."""
        self.faults += row_fault(rule, self.table, message, how, frame, bad, shown)

    def issue(
        self,
        rule: str,
        message: str,
        action: str,
        frame: pd.DataFrame,
        bad: BoolArray,
        shown: tuple[str, ...],
        how: str = "",
    ) -> None:
        """Note rows that were mended, set aside or left as they are."""
        for fault in row_fault(rule, self.table, message, how, frame, bad, shown):
            self.issues = self.issues.add(replace(fault, source=self.source), action)

    def stop(self) -> None:
        """Raise all faults found so far, if there are any."""
        raise_faults(self.faults, self.source)


def open_source(
    data: Any,
    table: str,
    names: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, Findings]:
    """Return a source's columns under our names, whatever their case, and empty findings.

    Parameters
    ----------
    data : frame or path
    table : str
        What messages call it.
    names, optional : mapping
        Our name to the names that the format has for it, over its generations. The first that
        is there is taken; an optional one that is not there becomes a column without values.
    """
    return pick_columns(to_pandas(data, table), table, source_name(data), names, optional)


def pick_columns(
    frame: pd.DataFrame,
    table: str,
    source: str,
    names: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, Findings]:
    """Return the columns of a frame that is open already; as `open_source`."""
    there = {str(c).strip().lower(): c for c in reversed(list(frame.columns))}
    found = {
        ours: next((there[t.lower()] for t in theirs if t.lower() in there), None)
        for ours, theirs in {**names, **(optional or {})}.items()
    }
    absent = [" or ".join(names[ours]) for ours in names if found[ours] is None]
    faults = []
    if absent:
        how = f"is it the right file? Its columns are: {', '.join(map(str, frame.columns[:30]))}"
        faults.append(
            Fault("missing_column", table, f"columns are missing: {', '.join(absent)}", how, 0)
        )
    elif not len(frame):
        faults.append(Fault("empty", table, "the table has no rows", "give at least one row", 0))
    raise_faults(faults, source)
    made = pd.DataFrame(index=frame.index)
    for ours, theirs in found.items():
        made[ours] = no_values(frame.index) if theirs is None else frame[theirs]
    columns = {ours: str(theirs) for ours, theirs in found.items() if theirs is not None}
    return made, Findings(table, source, columns=columns)


def no_values(index: pd.Index) -> pd.Series:
    """Return a column of text without any value."""
    return pd.Series(pd.NA, index=index, dtype="str")


def text(raw: pd.Series) -> pd.Series:
    """Return stripped text, missing where a cell is empty; whole numbers lose their ``.0``."""
    made, _ = cells.as_text(raw, cells.is_missing(raw), is_id=False)
    return made.astype("str")


def codes(raw: pd.Series) -> pd.Series:
    """Return text without decimals and leading zeros: 1, ``1.0``, ``01``, ``'01`` are one code."""
    whole = text(raw).str.replace(_DECIMAL, "", regex=True)
    return whole.str.replace(r"^'?0*(?=.)", "", regex=True)


def check_options(calendar: Any, rules: Any = None, kind: Any = None) -> None:
    """Refuse a calendar or rules that are of another type."""
    if calendar is not None and not isinstance(calendar, SchoolCalendar):
        what = f"{type(calendar).__name__} is no calendar"
        raise SpecError("calendar", what, how="give a SchoolCalendar")
    if kind is not None and not isinstance(rules, kind):
        what = f"{type(rules).__name__} is no {kind.__name__}"
        raise SpecError("rules", what, how=f"give {kind.__name__}(...)")


def some_of(
    given: Any, option: str, word: str, known: Sequence[str], *, required: bool = True
) -> tuple[str, ...]:
    """Return the words chosen among those that are known, in any case; one may be given bare."""
    how = f"some of {', '.join(known)}"
    if not isinstance(given, Iterable):
        raise SpecError(option, f"{type(given).__name__} is no list of words", how=how)
    chosen = tuple(str(w).lower() for w in ([given] if isinstance(given, str) else given))
    unknown = [w for w in chosen if w not in known]
    if unknown or (required and not chosen):
        raise SpecError(option, f"there is no {word} {', '.join(unknown) or 'at all'}", how=how)
    return chosen


def numbers(
    frame: pd.DataFrame, column: str, findings: Findings, shown: tuple[str, ...]
) -> pd.Series:
    """Return a column's numbers, NaN where a cell is empty; cells that hold none are a fault."""
    raw = frame[column]
    made, bad = cells.as_number(raw, cells.is_missing(raw), whole=False)
    what, how = cells.WANTED["number"]
    name = findings.called(column)
    findings.fault("not_a_number", f"'{name}' must be {what}", how, frame, bad, (*shown, column))
    return made


def bare_ids(frame: pd.DataFrame, column: str, findings: Findings) -> pd.Series:
    """Return ids as text, without the apostrophe by which some files keep a program off them."""
    ids = text(frame[column])
    quoted = ids.str.startswith("'").fillna(False).to_numpy(dtype=bool)
    message = f"'{findings.called(column)}' begins with an apostrophe"
    findings.issue("apostrophe", message, "left out", frame, quoted, (column,))
    bare = ids.str.removeprefix("'").str.strip()
    return bare.mask(bare == "")


def full_ids(
    frame: pd.DataFrame, column: str, width: int, findings: Findings, *, required: bool = True
) -> None:
    """Write a column's ids in full length; lost zeros are an issue, other lengths a fault."""
    ids = bare_ids(frame, column, findings).str.replace(_DECIMAL, "", regex=True)
    name = findings.called(column)
    if required:
        findings.fault(
            "missing_value",
            f"'{name}' is required and missing",
            "fill the cells, or take the rows out and say so",
            frame,
            ids.isna().to_numpy(),
            (column, "school_year_end", "year"),
        )
    length = ids.str.len().fillna(width).to_numpy(dtype=int)
    digits, plain = (
        (ids.str.fullmatch(pattern) | ids.isna()).to_numpy(dtype=bool)
        for pattern in (r"\d+", r"[0-9A-Za-z]+")
    )
    findings.fault(
        "bad_id",
        f"'{name}' must be {width} digits",
        WHOLE_ID,
        frame,
        (length > width) | ~plain | (~digits & (length != width)),
        (column,),
    )
    findings.issue(
        "zeros_lost",
        f"'{name}' has fewer than {width} digits: a program read it as a number",
        f"padded with zeros to {width}",
        frame,
        digits & (length < width),
        (column,),
        WHOLE_ID,
    )
    frame[column] = ids.str.zfill(width).where(digits, ids)


def school_years(
    frame: pd.DataFrame, column: str, findings: Findings, named_by: YearName
) -> pd.Series:
    """Return school years by their spring from years or spans such as ``2024-2025``.

    A span says itself which years it covers; ``named_by`` is for single years.
    """
    if named_by not in ("spring", "fall"):
        raise SpecError("year", f"'{named_by}' is no name of a year", how="'spring' or 'fall'")
    given = text(frame[column])
    known = {value: _year_end(value, named_by) for value in given.dropna().unique()}
    year = given.map(known).astype("Int64")
    findings.fault(
        "not_a_year",
        f"'{findings.called(column)}' must be a year or two years that follow one another",
        "write 2025 or 2024-2025",
        frame,
        year.isna().to_numpy(),
        (column,),
    )
    return year


def _year_end(value: str, named_by: YearName) -> int | None:
    """Return the spring of a school year, or nothing if the text is none."""
    single, span = _YEAR.fullmatch(value), _SPAN.fullmatch(value)
    if single:
        return int(single[1]) + (named_by == "fall")
    spring = str(int(span[1]) + 1) if span else ""
    return int(spring) if span and span[2] in (spring, spring[2:]) else None


def with_findings(made: Tenures, findings: Findings, ledger: RowLedger) -> Tenures:
    """Return tenures with what the reader found and the rows that it set aside before theirs."""
    made_of = made.made_of.named(findings.source) if findings.source else made.made_of
    issues, ledger = findings.issues + made.issues, ledger + made.ledger
    return replace(made, issues=issues, ledger=ledger, made_of=made_of)
