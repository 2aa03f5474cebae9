"""Student rows to unit-year moments, where the rows live."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import Columns
from churnstats.records.outcomes import Outcomes
from churnstats.records.scale.columns import Given, pick, read_keys
from churnstats.records.scale.queries import (
    Limits,
    Survey,
    read_rows,
    respelled,
    sums,
    survey_rows,
    usable_rows,
)
from churnstats.records.scale.repeats import CHOICES, Repeats, set_aside_repeats
from churnstats.records.scale.sources import open_source
from churnstats.records.scale.unit_years import unit_years
from churnstats.records.units.units import Units
from churnstats.schemas.contract import Contract, Field

Group: TypeAlias = Literal["grade", "subgroup"]
Scale: TypeAlias = Literal["raw", "state_sd"]
GROUPS = ("grade", "subgroup")
SCALES = ("raw", "state_sd")
STUDENTS = Contract(
    "students",
    "Student rows",
    "One row a student, school year and measure.",
    ("student_id", "school_year_end", "measure"),
    (
        Field("student_id", "string", "Student, so that repeats are found."),
        Field("unit_id", "string", "School or district.", required=True),
        Field("school_year_end", "year", "School year by its spring.", required=True),
        Field("measure", "string", "What was measured, such as math."),
        Field("value", "number", "The student's score.", required=True),
        Field("weight", "number", "Weight of the student."),
        Field("grade", "string", "Grade in which the test was taken."),
        Field("subgroup", "string", "Group of students."),
    ),
)
KEYS = ("school_year_end", "measure", "grade", "subgroup")


@dataclass(frozen=True)
class StudentRules:
    """Which student rows are used.

    Parameters
    ----------
    limits : (low, high), or mapping of measure to (low, high), optional
        The scores that can be; rows with others are set aside.
    repeats : {"set_aside", "highest", "keep", "error"}
        What several rows of one student, year and measure are taken for. Of rows that are the
        same in all columns used one stays, unless all are kept. Where they differ, all are set
        aside, or all but the highest score, or none, or they are a fault.
    small_n : int
        Unit-years of fewer students are flagged in ``is_small``, and kept.
    """

    limits: Limits | Mapping[str, Limits] | None = None
    repeats: Repeats = "set_aside"
    small_n: int = 10

    def __post_init__(self) -> None:
        if self.repeats not in CHOICES:
            how = f"one of {', '.join(CHOICES)}"
            raise SpecError("repeats", f"'{self.repeats}' is no rule for repeats", how=how)
        if not isinstance(self.small_n, (int, np.integer)) or self.small_n < 0:
            raise SpecError("small_n", f"{self.small_n!r} is no number of students", how="10")
        for limits in self._all():
            numbers = all(isinstance(limit, (int, float, np.number)) for limit in limits)
            if not numbers or len(limits) != 2 or not limits[0] < limits[1]:
                how = "give the lowest and the highest score: (200, 800)"
                raise SpecError("limits", f"{limits!r} are no limits", how=how)

    def _all(self) -> Sequence[Limits]:
        if self.limits is None:
            return ()
        return tuple(self.limits.values()) if isinstance(self.limits, Mapping) else (self.limits,)


STUDENT_RULES = StudentRules()


def unit_year_moments(
    source: Any,
    *,
    columns: Columns = None,
    measure: str | None = None,
    by: Sequence[Group] = (),
    scale: Scale = "raw",
    rules: StudentRules = STUDENT_RULES,
    units: Units | Collection[str] | None = None,
    calendar: SchoolCalendar | None = None,
    backend: Any = None,
) -> Outcomes:
    """Reduce student rows that need not fit in memory to means by unit, school year and measure.

    The rows stay where they are: ibis queries, the same ones on every backend, count what can't
    be used and sum the rest about each unit's own mean.

    Parameters
    ----------
    source : path, sequence of paths, ibis.Table or frame
        Parquet, CSV or TSV, or a folder of Parquet; or a table of any ibis backend, on which
        filters and joins may have been put. One row a student, school year and measure, with
        ``unit_id, school_year_end, value`` and, if there are such, ``measure, student_id,
        weight, grade, subgroup``.
    columns : mapping or path, optional
        Our names to those in the data, or with ``columns``, ``missing``, ``values`` (for years,
        units, measures, grades and subgroups) and ``pad``, as in data_dictionary/README.md.
    measure : str, optional
        Name of the measure where the data have no such column.
    by : sequence of {"grade", "subgroup"}
        A measure for each of them: ``math_g4``, ``math_g4_girls``.
    scale : {"raw", "state_sd"}
        With ``"state_sd"``, scores less the mean of all students of the same year, grade and
        measure, over their standard deviation (of a population, with weights if there are any).
        All students are those with a usable score, in whatever unit or subgroup. A test that
        belongs to no grade needs a column that says so, such as ``"all"``.
    rules : StudentRules
    units : Units or collection of str, optional
        The units whose means are wanted; students of others are counted as such.
    calendar : SchoolCalendar, optional
    backend : ibis backend, optional
        Connection that reads files, such as ``ibis.pyspark.connect(session)`` or
        ``ibis.duckdb.connect(memory_limit="500MB")``; an embedded DuckDB by default.

    Returns
    -------
    Outcomes
        With ``estimate``, ``std_error`` (students taken as independent; n - 1; with weights the
        linearised one) and ``n_obs``; besides ``sd`` (of students within the unit),
        ``weight_sum``, ``is_small``, ``scale``, and by grade ``state_mean`` and ``state_sd``.
        Its ledger counts student rows: all came in, each was used or has a reason.

    Raises
    ------
    SpecError
        For options that contradict one another, and where ibis is not installed.
    DataError
        One error with every fault: columns that are missing or of the wrong type, cells that are
        no numbers, years or ids, negative weights.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> students = pd.DataFrame({
    ...     "student_id": ["a", "b", "c", "d"], "school": "0100005", "spring": 2019,
    ...     "score": [510.0, 530.0, 520.0, None]})
    >>> math = cs.unit_year_moments(
    ...     students, measure="math",
    ...     columns={"unit_id": "school", "school_year_end": "spring", "value": "score"})
    >>> math.frame[["estimate", "std_error", "n_obs"]].round(3).to_numpy().tolist()
    [[520.0, 5.774, 3.0]]
    >>> print(math.ledger.steps[0].lost)
    {'no score': 1}
    """
    groups = _check_options(by, scale, rules, measure)
    calendar = calendar or SchoolCalendar()
    wanted = (*groups, *(("grade",) if scale == "state_sd" else ()))
    with open_source(source, backend, "students") as opened:
        given = pick(opened, STUDENTS, columns, (*wanted, *(() if measure else ("measure",))))
        _check_columns(given, measure)
        keys = tuple(
            k for k in KEYS if given.has(k) and k in ("school_year_end", "measure", *wanted)
        )
        rows = read_rows(given, keys, rules.limits, measure)
        survey = survey_rows(given, rows, keys, calendar, rules.limits)
        usable = respelled(usable_rows(rows), survey.spellings)
        single = set_aside_repeats(given.source, usable, rules.repeats)
        cells = given.source.fetch(sums(single.table, ("unit_id", *keys)))
    typed, faults = read_keys(given, cells, ("unit_id", *keys), calendar)
    raise_faults(faults, given.source.file)
    typed = typed if measure is None else typed.assign(measure=measure)
    made = unit_years(typed, groups, scale, units)
    lost = {**survey.lost, **single.lost, **made.lost}
    ledger = RowLedger().step("means of students", "student rows", survey.n_rows, made.n_rows, lost)
    if made.frame.empty:
        what = f"no student row can be used: {ledger.steps[0].lost}"
        raise_faults([Fault("empty", "students", what, "correct what takes them out", 0)])
    frame = made.frame.assign(is_small=made.frame["n_obs"] < rules.small_n, scale=scale)
    outcomes = Outcomes.from_frame(frame)
    noted = _issues(given, rules, survey, frame)
    return replace(
        outcomes, issues=noted + made.issues + outcomes.issues, ledger=ledger + outcomes.ledger
    )


def _check_options(by: Any, scale: str, rules: Any, measure: str | None) -> tuple[str, ...]:
    """Return the groups in the order in which they stand in a measure's name."""
    groups = (by,) if isinstance(by, str) else tuple(by)
    for name, given, known in (("by", groups, GROUPS), ("scale", (scale,), SCALES)):
        unknown = [str(word) for word in given if word not in known]
        if unknown:
            what = f"'{', '.join(unknown)}' is no choice"
            raise SpecError(name, what, how=f"of {', '.join(known)}")
    if not isinstance(rules, StudentRules):
        what = f"{type(rules).__name__} is no StudentRules"
        raise SpecError("rules", what, how="give StudentRules(...)")
    if measure is not None and not str(measure).strip():
        raise SpecError("measure", "the name of the measure is empty", how="measure='math'")
    return tuple(g for g in GROUPS if g in groups)


def _check_columns(given: Given, measure: str | None) -> None:
    """Refuse two ways to name the measure, and cells of numbers and students that are recoded."""
    if measure is not None and given.has("measure"):
        what = "the data have a column 'measure', and measure= names one for all rows"
        raise SpecError("measure", what, how="leave measure= out, or take the column out")
    recoded = {*given.mapping.values, *given.mapping.pad} & {"student_id", "value", "weight"}
    if recoded:
        what = f"'values' and 'pad' are not for {', '.join(sorted(recoded))}"
        how = "change them where they are: table.mutate(...) on an ibis table"
        raise SpecError("columns", what, how=how)


def _issues(given: Given, rules: StudentRules, survey: Survey, frame: pd.DataFrame) -> IssueLog:
    """Say what was not looked for, what ids have lost, and which means are of few students."""
    issues, kind = IssueLog(), given.source.table["unit_id"].type()
    anonymous = survey.n_rows if not given.has("student_id") else survey.n_anonymous
    if rules.repeats != "keep" and anonymous:
        what = "rows have no student_id, so that repeats are not found among them"
        how = "name the column: columns={'student_id': 'name in the data'}"
        fault = Fault("no_student_id", "students", what, how, anonymous)
        issues = issues.add(fault, "kept")
    if kind.is_integer() and "unit_id" not in given.mapping.pad:
        what = "'unit_id' is a column of numbers: leading zeros, if there were any, are lost"
        how = "cast it to text where it is, or say how long ids are: pad"
        fault = Fault("ids_are_numbers", "students", what, how, survey.n_rows)
        issues = issues.add(fault, "kept as they are")
    n_small = int(frame["is_small"].sum())
    what = f"means are of fewer than {rules.small_n} students"
    how = "hide them in what is published: reporting.disclosure.suppress_small_cells"
    fault = Fault("small_cell", "outcomes", what, how, n_small)
    return issues.add(fault, "flagged in is_small, kept")
