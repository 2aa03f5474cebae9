"""Ed-Fi 5.2: staff assignments with dates, why employment ended, and posted vacancies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import Fault
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.records.assignments import AssignmentRules
from churnstats.records.ingest import source_name, to_pandas
from churnstats.records.readers._common import (
    Findings,
    check_options,
    no_values,
    numbers,
    pick_columns,
    some_of,
    text,
    with_findings,
)
from churnstats.records.readers.ceds import ceds_exit_reasons
from churnstats.records.roles import ROLES, UNKNOWN, roles_of_titles
from churnstats.records.tenures import Tenures

STAFF = ("staffReference.staffUniqueId", "staffUniqueId", "staffUSI", "staffReference")
ORGANIZATION = (
    "educationOrganizationReference.educationOrganizationId",
    "educationOrganizationId",
    "educationOrganizationReference",
)
CLASSIFICATION = ("staffClassificationDescriptor", "staffClassification")
TITLE = ("positionTitle",)
NESTED = {"leader_id": "staffUniqueId", "unit_id": "educationOrganizationId"}
ASSIGNMENT = {"leader_id": STAFF, "unit_id": ORGANIZATION, "start": ("beginDate",)}
ASSIGNMENT_MORE = {
    "stop": ("endDate",),
    "classification": CLASSIFICATION,
    "title": TITLE,
    "fte": ("fullTimeEquivalency",),
    "order": ("orderOfAssignment",),
}
EMPLOYMENT = {
    "leader_id": STAFF,
    "stop": ("employmentPeriod.endDate", "endDate"),
    "reason": (
        "employmentPeriod.separationReasonDescriptor",
        "separationReasonDescriptor",
        "employmentPeriod.separationReason",
        "separationReason",
    ),
}
POSTING = {"unit_id": ORGANIZATION, "start": ("datePosted",)}
POSTING_MORE = {"stop": ("datePostingRemoved",), "classification": CLASSIFICATION, "title": TITLE}
LEADERS = ("superintendent", "principal")
RULES = AssignmentRules()
NEAR_DAYS = 31
SHOWN = ("unit_id", "leader_id", "start", "stop")


def read_edfi_assignments(
    assignments: Any,
    *,
    employment: Any = None,
    vacancies: Any = None,
    roles: Sequence[str] = LEADERS,
    observed_until: float | str | None = None,
    rules: AssignmentRules = RULES,
    calendar: SchoolCalendar | None = None,
) -> Tenures:
    """Read Ed-Fi's staff assignments into spells of the roles that are asked for.

    Parameters
    ----------
    assignments : frame, path, or list of mappings
        StaffEducationOrganizationAssignmentAssociation: as the API's JSON, or as a table with
        ``staffReference.staffUniqueId`` or nested ``staffReference``, and so on. The role is that
        of ``positionTitle``, or of ``staffClassification`` where the title tells none.
        ``endDate`` is the last day in post; a spell stops on the day after.
    employment : frame, path, or list of mappings, optional
        EmploymentPeriod: who left when, with the separation reason. It becomes the exit reason of
        an assignment that ended at most 31 days before or after.
    vacancies : frame, path, or list of mappings, optional
        OpenStaffPosition, from ``datePosted`` to ``datePostingRemoved``: tells which of the
        vacancies between spells were posted.
    roles : sequence of str
        Of `ROLES`; assignments in others are set aside.
    observed_until : float or str, optional
        Date at which the records end; needed where an assignment has no end.
    rules : AssignmentRules
    calendar : SchoolCalendar, optional

    Returns
    -------
    Tenures
        ``issues`` counts assignments in other roles and in none that is known, secondary ones,
        reasons that CEDS does not have, ends without a reason, and vacancies with and without a
        posting.

    Raises
    ------
    DataError

    Examples
    --------
    >>> from churnstats.records.readers import read_edfi_assignments
    >>> made = [{"staffReference": {"staffUniqueId": "s1"}, "positionTitle": "Principal",
    ...          "educationOrganizationReference": {"educationOrganizationId": 255901001},
    ...          "beginDate": "2019-07-01", "endDate": "2021-06-30"}]
    >>> left = [{"staffReference": {"staffUniqueId": "s1"}, "endDate": "2021-06-30",
    ...          "separationReasonDescriptor": "uri://ed-fi.org/SeparationReasonDescriptor#Death"}]
    >>> spells = read_edfi_assignments(made, employment=left).frame
    >>> spells[["unit_id", "start", "stop", "exit_reason"]].to_numpy().tolist()
    [['255901001', 2020.0, 2022.0, 'death_or_illness']]
    """
    roles = some_of(roles, "roles", "role", ROLES[:-1])
    check_options(calendar, rules, AssignmentRules)
    calendar = calendar or SchoolCalendar()
    rows, findings = _open(assignments, "assignments", ASSIGNMENT, ASSIGNMENT_MORE)
    for column in ("fte", "order"):
        rows[column] = numbers(rows, column, findings, SHOWN)
    findings.stop()
    rows["role"] = _roles(rows)
    rows, ledger = _of_roles(rows, findings, roles)
    rows = rows.assign(exit_reason=_reasons(rows, employment, findings))
    rows["stop"] = _day_after(rows["stop"])
    made = Tenures.from_assignments(
        rows.drop(columns=["classification", "order"]),
        calendar=calendar,
        observed_until=observed_until,
        rules=rules,
    )
    if vacancies is not None:
        _compare_postings(made, vacancies, findings)
    return with_findings(made, findings, ledger)


def _open(
    data: Any,
    table: str,
    names: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, Findings]:
    """Return the columns of an Ed-Fi table under our names, ids as text, days as dates."""
    is_json = isinstance(data, (list, tuple))
    if is_json and not all(isinstance(record, Mapping) for record in data):
        how = "give a list of mappings, as the API's JSON has them"
        raise_faults([Fault("not_records", table, "the list holds what is no record", how, 0)])
    frame = to_pandas(pd.json_normalize(list(data)) if is_json else data, table)
    frame.columns = pd.Index([str(c).replace("_", ".") for c in frame.columns])
    rows, findings = pick_columns(frame, table, source_name(data), names, optional)
    for column, key in NESTED.items():
        if column in rows.columns:
            rows[column] = text(_unnested(rows[column], key))
            findings.fault(
                "missing_value",
                f"'{findings.called(column)}' is required and missing",
                "fill the cells, or take the rows out and say so",
                rows,
                rows[column].isna().to_numpy(),
                SHOWN,
            )
    for column in rows.columns.intersection(["start", "stop"]):
        rows[column] = _days(rows, column, findings)
    return rows, findings


def _unnested(values: pd.Series, key: str) -> pd.Series:
    """Return what references hold under a key; values that are no references stay."""
    return values.map(lambda v: v.get(key) if isinstance(v, Mapping) else v)


def _days(rows: pd.DataFrame, column: str, findings: Findings) -> pd.Series:
    """Return dates without their time of day; cells that hold none are a fault."""
    given = text(rows[column]).str.replace(r"[T ].*", "", regex=True)
    days = pd.to_datetime(given, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    findings.fault(
        "not_a_date",
        f"'{column}' must be a date",
        "write dates as 2019-07-01",
        rows,
        (given.notna() & days.isna()).to_numpy(),
        SHOWN,
    )
    return days


def _day_after(days: pd.Series) -> pd.Series:
    made: pd.Series = days + pd.Timedelta(days=1)
    return made


def _roles(rows: pd.DataFrame) -> pd.Series:
    """Return the role by title, else by classification."""
    by_title = roles_of_titles(text(rows["title"]))
    words = text(rows["classification"]).str.replace(r"^.*#", "", regex=True)
    return by_title.mask(by_title == UNKNOWN, roles_of_titles(words))


def _of_roles(
    rows: pd.DataFrame, findings: Findings, roles: Sequence[str]
) -> tuple[pd.DataFrame, RowLedger]:
    """Set aside assignments in other roles."""
    unknown = rows["role"].eq(UNKNOWN).to_numpy()
    other = ~rows["role"].isin(roles).to_numpy() & ~unknown
    second = (rows["order"] > 1).to_numpy() & ~unknown & ~other
    for rule, message, action, bad in (
        ("unknown_role", "neither title nor classification tells a role", "set aside", unknown),
        ("other_role", f"roles are none of {', '.join(roles)}", "set aside", other),
        ("secondary", "assignments are not the holder's first", "kept", second),
    ):
        findings.issue(rule, message, action, rows, bad, ("unit_id", "title", "classification"))
    kept = rows[~(unknown | other)]
    lost = {"of unknown role": int(unknown.sum()), "of another role": int(other.sum())}
    return kept, RowLedger().step("roles", "assignments", len(rows), len(kept), lost)


def _reasons(rows: pd.DataFrame, employment: Any, findings: Findings) -> pd.Series:
    """Return why each assignment ended, from the separation of its holder nearest to its end."""
    none = no_values(rows.index)
    if employment is None:
        return none
    left, more = _open(employment, "employment", EMPLOYMENT)
    more.stop()
    left["reason"], strange = ceds_exit_reasons(text(left["reason"]))
    message = "separation reasons are none of CEDS element 000620"
    more.issue("unknown_reason", message, "taken as other", left, strange, ("leader_id", "stop"))
    findings.issues += more.issues
    left = left.dropna().sort_values("stop")
    ended = rows.loc[rows["stop"].notna(), ["leader_id", "stop"]].rename_axis("at").reset_index()
    found = pd.merge_asof(
        ended.sort_values("stop"),
        left,
        on="stop",
        by="leader_id",
        direction="nearest",
        tolerance=pd.Timedelta(days=NEAR_DAYS),
    )
    reasons = none.fillna(found.set_index("at")["reason"])
    findings.issue(
        "no_reason",
        f"assignments ended, and no separation is within {NEAR_DAYS} days",
        "exit reason left unknown",
        rows,
        (rows["stop"].notna() & reasons.isna()).to_numpy(),
        SHOWN,
    )
    return reasons


def _compare_postings(made: Tenures, vacancies: Any, findings: Findings) -> None:
    """Note which vacancies between spells were posted, and postings beside no vacancy."""
    posts, more = _open(vacancies, "postings", POSTING, POSTING_MORE)
    more.stop()
    posts["role"] = _roles(posts)
    posts = posts[posts["role"].isin(made.frame["role"])]
    until = _day_after(posts["stop"])
    posts = posts.assign(
        since=made.calendar.to_time(posts["start"]),
        until=np.where(until.isna(), np.inf, made.calendar.to_time(until)),
    )
    gaps = _gaps(made.frame)
    pairs = gaps.merge(posts, on=["unit_id", "role"])
    pairs = pairs[(pairs["since"] < pairs["to"] - CLOCK) & (pairs["until"] > pairs["from"] + CLOCK)]
    posted = gaps["gap"].isin(pairs["gap"]).to_numpy()
    for rule, message, action, bad in (
        ("posted_vacancy", "vacancies between spells were posted", "kept as vacancy", posted),
        ("vacancy_not_posted", "vacancies between spells have no posting", "kept", ~posted),
    ):
        findings.issue(rule, message, action, gaps, bad, ("unit_id", "role", "from", "to"))


def _gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches between spells of one post: ``gap, unit_id, role, from, to``."""
    post = [frame["unit_id"], frame["role"]]
    latest = frame["stop"].groupby(post).cummax().groupby(post).shift()
    gaps = frame.loc[frame["start"] > latest + CLOCK, ["unit_id", "role", "start"]]
    gaps = gaps.rename(columns={"start": "to"}).assign(**{"from": latest})
    return gaps.reset_index(drop=True).rename_axis("gap").reset_index()
