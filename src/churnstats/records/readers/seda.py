"""Stanford Education Data Archive: district means by subject, grade and year, both generations.

Its terms bar passing its files on; this reads them where they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.records.ingest import source_name, to_pandas
from churnstats.records.outcomes import Outcomes
from churnstats.records.readers._common import (
    Findings,
    codes,
    full_ids,
    numbers,
    pick_columns,
    school_years,
    text,
)

Scale: TypeAlias = Literal["cs", "gcs", "ys", "gys"]
Measures: TypeAlias = Literal["subject_grade", "subject", "pooled"]
Errors: TypeAlias = Literal["within_state", "across_states"]
SCALES = ("cs", "gcs", "ys", "gys")
BY_GRADE = ("gcs", "gys")
SUBJECTS = {"mth": "math", "math": "math", "rla": "rla", "ela": "rla"}
MAX_STD_ERROR = 1.0
GRADES = tuple("345678")
KEY = ("unit_id", "subject", "grade", "school_year_end")


def read_seda(
    data: Any,
    *,
    scale: Scale = "cs",
    subgroup: str = "all",
    min_n: int = 20,
    errors: Errors = "within_state",
    measures: Measures = "subject_grade",
) -> Outcomes:
    """Read a long district file of SEDA.

    Parameters
    ----------
    data : frame or path
        One row a district, subject, grade and year: ``sedaadmin`` (releases from 2025) or
        ``sedalea`` (before), ``subject, grade, year`` (the spring), then by subgroup the mean,
        its standard error and the number tested.
    scale : {"cs", "gcs", "ys", "gys"}
        Scale of the means, as the columns' names begin.
    subgroup : str
        As the columns' names end: ``all, blk, hsp, wht, ecd, ...``.
    min_n : int
        Fewest students tested; smaller rows are set aside.
    errors : {"within_state", "across_states"}
        Which standard error: ``_se``, for comparisons within a state, or ``_se_adj``, which adds
        the error of linking states' tests (newer releases only).
    measures : {"subject_grade", "subject", "pooled"}
        A measure for each subject and grade (``math_g4``), for each subject (``math``), or one
        for all (``achievement``). Means over several cells weigh each by its precision and take
        their errors as independent; ``n_cells`` is how many there are.

    Returns
    -------
    Outcomes
        ``issues`` lists rows without an estimate, with fewer than ``min_n`` students, with a
        standard error above 1, and means over fewer cells than other districts have that year.
        Years that the file lacks (2020 and 2021 had no tests) stay absent.

    Raises
    ------
    SpecError
        For unknown options, columns that this release lacks, and means over grades on a scale
        that rises with the grade.
    DataError
        One error with every fault in the rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_seda
    >>> long = pd.DataFrame({
    ...     "sedalea": [100005], "subject": "mth", "grade": 4, "year": 2019,
    ...     "cs_mn_all": 0.2, "cs_mnse_all": 0.1, "totgyb_all": 80})
    >>> read_seda(long).frame[["unit_id", "measure", "estimate"]].to_numpy().tolist()
    [['0100005', 'math_g4', 0.2]]
    """
    _check_options(scale, min_n, errors, measures)
    rows, findings = _open(data, scale, subgroup, errors)
    n_rows = len(rows)
    rows, lost = _usable(rows, findings, min_n)
    ledger = RowLedger().step("estimates", "rows of SEDA", n_rows, len(rows), lost)
    if rows.empty:
        what = "no row has an estimate that can be used"
        raise_faults([Fault("empty", "seda", what, "try another subgroup or a smaller min_n", 0)])
    suffix = "" if subgroup == "all" else f"_{subgroup}"
    grade = rows["subject"] + "_g" + rows["grade"]
    pooled = pd.Series("achievement", index=rows.index)
    names = {"subject_grade": grade, "subject": rows["subject"], "pooled": pooled}
    rows = rows.assign(measure=names[measures])
    if measures != "subject_grade":
        rows = _pooled(rows, findings)
    made = Outcomes.from_frame(rows.assign(measure=rows["measure"] + suffix))
    return replace(made, issues=findings.issues + made.issues, ledger=ledger + made.ledger)


def _check_options(scale: str, min_n: Any, errors: str, measures: str) -> None:
    for name, value, allowed in (
        ("scale", scale, SCALES),
        ("errors", errors, ("within_state", "across_states")),
        ("measures", measures, ("subject_grade", "subject", "pooled")),
    ):
        if value not in allowed:
            raise SpecError(name, f"'{value}' is no choice", how=f"one of {', '.join(allowed)}")
    if not isinstance(min_n, (int, float, np.number)) or not min_n >= 0:
        raise SpecError("min_n", f"{min_n!r} students can't be a minimum", how="20 is usual")
    if scale in BY_GRADE and measures != "subject_grade":
        raise SpecError(
            "scale",
            f"means over grades on the scale '{scale}' would rise with the grades that a "
            "district happens to have",
            how="take scale='cs' or 'ys', or measures='subject_grade'",
        )


def _open(data: Any, scale: str, subgroup: str, errors: Errors) -> tuple[pd.DataFrame, Findings]:
    """Return rows under our names, with ids, years and grades read; raise their faults."""
    frame = to_pandas(data, "seda")
    there = {str(c).lower() for c in frame.columns}
    if {"sedaadmin", "sedalea"} <= there:
        raise SpecError(
            "two_ids",
            "the file has both sedaadmin and sedalea, administrative and geographic districts",
            how="drop the one that you do not mean",
        )
    adjusted = errors == "across_states"
    mean, size = f"{scale}_mn_{subgroup}", (f"tot_asmt_{subgroup}", f"totgyb_{subgroup}")
    error: tuple[str, ...] = (f"{scale}_mn_se_{subgroup}", f"{scale}_mnse_{subgroup}")
    error = (f"{scale}_mn_se_adj_{subgroup}",) if adjusted else error
    for wanted in ((mean,), error, size):
        if not there & set(wanted):
            raise SpecError(
                "no_such_column",
                f"the file has no column {' or '.join(wanted)}",
                where=sorted(c for c in there if "_mn" in c),
                how="choose a scale, subgroup and kind of error that this release has"
                + ("; older releases have errors='within_state' only" if adjusted else ""),
            )
    names = {
        "unit_id": ("sedaadmin", "sedalea"),
        "subject": ("subject",),
        "grade": ("grade",),
        "school_year_end": ("year",),
        "estimate": (mean,),
        "std_error": error,
        "n_obs": size,
    }
    rows, findings = pick_columns(frame, "seda", source_name(data), names)
    full_ids(rows, "unit_id", 7, findings)
    rows["school_year_end"] = school_years(rows, "school_year_end", findings, "spring")
    rows["grade"] = codes(rows["grade"])
    subject = text(rows["subject"]).str.lower().map(SUBJECTS)
    for column, bad, allowed in (
        ("subject", subject.isna(), tuple(SUBJECTS)),
        ("grade", ~rows["grade"].isin(GRADES), GRADES),
    ):
        findings.fault(
            "not_allowed",
            f"'{column}' must be one of {', '.join(allowed)}",
            "give the long file by subject, grade and year",
            rows,
            bad.to_numpy(dtype=bool),
            KEY,
        )
    rows["subject"] = subject
    findings.fault(
        "duplicate_key",
        "a district, subject, grade and year repeat",
        "keep one row of each",
        rows,
        rows.duplicated(list(KEY)).to_numpy(),
        KEY,
    )
    for column in ("estimate", "std_error", "n_obs"):
        rows[column] = numbers(rows, column, findings, KEY)
    findings.stop()
    return rows, findings


def _usable(
    rows: pd.DataFrame, findings: Findings, min_n: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Set aside rows that have no estimate, too few students, or too large an error."""
    none = rows["estimate"].isna() | rows["std_error"].isna()
    few = ~none & ~(rows["n_obs"] >= min_n)
    vague = ~none & ~few & ((rows["std_error"] > MAX_STD_ERROR) | (rows["std_error"] <= 0))
    lost = {}
    for rule, message, bad in (
        ("no_estimate", "rows have no mean or no standard error", none),
        ("too_few_students", f"rows have fewer than {min_n} students, or no count", few),
        ("large_error", f"rows have a standard error above {MAX_STD_ERROR:g} or of 0", vague),
    ):
        findings.issue(rule, message, "set aside", rows, bad.to_numpy(), (*KEY, "n_obs"))
        lost[rule.replace("_", " ")] = int(bad.sum())
    return rows[~(none | few | vague)], lost


def _pooled(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Return means of each unit, year and measure over subjects and grades, by precision."""
    key = ["unit_id", "school_year_end", "measure"]
    weight = 1.0 / rows["std_error"] ** 2
    parts = rows[key].assign(
        weight=weight, weighted=weight * rows["estimate"], n_obs=rows["n_obs"], n_cells=1
    )
    made = parts.groupby(key, as_index=False).sum()
    made["estimate"] = made["weighted"] / made["weight"]
    made["std_error"] = 1.0 / np.sqrt(made["weight"])
    most = made.groupby(["school_year_end", "measure"])["n_cells"].transform("max")
    findings.issue(
        "fewer_cells",
        "means are over fewer subjects and grades than other districts have that year",
        "kept, with n_cells",
        made,
        (made["n_cells"] < most).to_numpy(),
        (*key, "n_cells"),
    )
    return made.drop(columns=["weight", "weighted"])
