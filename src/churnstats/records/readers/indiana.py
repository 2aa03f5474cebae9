"""Indiana's yearly school directories: superintendents by corporation, principals by school."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import Any, Literal, TypeAlias

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.records.people.links import Links
from churnstats.records.people.names import HONORIFICS
from churnstats.records.readers._common import (
    Findings,
    check_options,
    full_ids,
    open_source,
    school_years,
    text,
    with_findings,
)
from churnstats.records.readers._people import people_of, with_people
from churnstats.records.rosters import RosterRules
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

Role: TypeAlias = Literal["superintendent", "principal"]
UNITS = {"superintendent": "corporation_id", "principal": "school_id"}
RULES = RosterRules(snapshots="dated")
KEY = ("unit_id", "school_year_end", "snapshot")
NO_TITLE = HONORIFICS | {"mss", "superintendent", "principal"}
CLOSE_DAYS = 90
# Corporations and schools have numbers of four digits each, and share them.
SCHOOL = "S"
FULL_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?!\d)")
_YEARS = re.compile(r"^\d{4}-\d{2,4}")


def indiana_people(data: Any, *, role: Role = "superintendent", overrides: Any = None) -> Links:
    """Return which names of a directory are one person, as `read_indiana` takes them.

    The years in it are those of the directories in their order: where a school year has two, they
    count as two years, since the names in them follow one another. ``write_overrides(path)`` of
    what is returned writes the doubtful pairs for a person to decide; the file names people.
    """
    return people_of(_rows(data, role)[0], "order", overrides)


def read_indiana(
    data: Any,
    *,
    role: Role = "superintendent",
    overrides: Any = None,
    rules: RosterRules = RULES,
    calendar: SchoolCalendar | None = None,
) -> Tenures:
    """Read Indiana's directories of all years into the spells of one role.

    Names become persons by `indiana_people`; the spells have their numbers only. Each directory
    is a snapshot with the date in its file's name. Where a school year has two, both count by
    default: a handover between them is dated at the second and is known to lie after the first,
    which neither directory alone would tell.

    Parameters
    ----------
    data : frame or path
        ``snapshot`` (file name or date), ``fall``, ``corporation_id`` and ``superintendent``, or
        ``school_id`` and ``principal`` (ids of 4 digits), ``title``. Schools get an ``S`` before
        their number, since corporations have the same numbers.
    role : {"superintendent", "principal"}
    overrides : path or frame, optional
        A person's decisions about names; see `indiana_people`.
    rules : RosterRules
    calendar : SchoolCalendar, optional

    Returns
    -------
    Tenures
        ``issues`` lists ids that had lost zeros, years with two directories, years with none,
        directories of two school years that are less than 90 days apart, file names without a
        date, schools that changed their corporation, and how many pairs of names are in doubt.

    Raises
    ------
    DataError

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import read_indiana
    >>> directory = pd.DataFrame({
    ...     "snapshot": ["2018-2019-directory-2018-08-24.xlsx", "2019-09-11", "2020-01-15"],
    ...     "fall": [2018, 2019, 2019], "corporation_id": "15", "title": ["Mr", "", "Interim"],
    ...     "superintendent": ["Abel Osgood", "Osgood, Abel", "Ines Tull"]})
    >>> spells = read_indiana(directory).frame
    >>> spells[["unit_id", "start", "stop", "interim"]].round(3).to_numpy().tolist()
    [['0015', 2019.0, 2020.541, <NA>], ['0015', 2020.541, 2021.0, True]]
    """
    check_options(calendar, rules, RosterRules)
    rows, findings = _rows(data, role)
    rows = with_people(rows, people_of(rows, "order", overrides), findings)
    made = Tenures.from_roster(
        rows.drop(columns=["order", "corporation_id"]), calendar=calendar, rules=rules
    )
    return with_findings(made, findings, RowLedger())


def indiana_units(data: Any, *, calendar: SchoolCalendar | None = None) -> Units:
    """Return Indiana's corporations and schools, with the schools that changed corporation.

    Parameters
    ----------
    data : frame or path
        The directory of principals, as `read_indiana` takes it.
    calendar : SchoolCalendar, optional

    Returns
    -------
    Units
        Corporations are districts; a school's parent is its corporation in the first year, and a
        change ``new_parent`` says from which year it is another one. Of several directories of a
        school year the last one counts.

    Raises
    ------
    DataError

    Examples
    --------
    >>> import pandas as pd
    >>> from churnstats.records.readers import indiana_units
    >>> directory = pd.DataFrame({
    ...     "snapshot": ["2018-09-01", "2019-09-11"], "fall": [2018, 2019], "title": "Mr",
    ...     "corporation_id": ["15", "25"], "school_id": "13", "principal": "Abel Osgood"})
    >>> indiana_units(directory).changes[["unit_id", "change", "successor_id"]].to_numpy().tolist()
    [['S0013', 'new_parent', '0025']]
    """
    check_options(calendar)
    rows, findings = _rows(data, "principal")
    rows = rows.dropna(subset="corporation_id")
    rows = rows.sort_values(["unit_id", "school_year_end", "snapshot"], kind="stable")
    rows = rows.drop_duplicates(["unit_id", "school_year_end"], keep="last")
    before = rows.groupby("unit_id")["corporation_id"].shift()
    moved = rows[before.notna() & (rows["corporation_id"] != before)]
    schools = rows.drop_duplicates("unit_id")
    districts = pd.DataFrame({"unit_id": rows["corporation_id"].unique()})
    made = pd.concat(
        [
            districts.assign(level="district", parent_id=None),
            schools[["unit_id"]].assign(level="school", parent_id=schools["corporation_id"]),
        ],
        ignore_index=True,
    ).assign(group_id="IN")
    changes = moved[["unit_id", "school_year_end", "corporation_id"]].assign(change="new_parent")
    changes = changes.rename(columns={"corporation_id": "successor_id"})
    units = Units.from_frame(made, changes if len(changes) else None, calendar=calendar)
    return replace(units, issues=findings.issues + units.issues)


def _rows(data: Any, role: Role) -> tuple[pd.DataFrame, Findings]:
    """Return unit, year, snapshot, name and title of each row."""
    if role not in tuple(UNITS):
        raise SpecError("role", f"'{role}' is in no directory", how=f"one of {', '.join(UNITS)}")
    names = {"school_year_end": ("fall",), "unit_id": (UNITS[role],), "name": (role,)}
    optional = {
        "snapshot": ("snapshot",),
        "title": ("title",),
        "corporation_id": ("corporation_id",),
    }
    rows, findings = open_source(data, "roster", names, optional)
    full_ids(rows, "unit_id", 4, findings)
    if role == "principal":
        full_ids(rows, "corporation_id", 4, findings, required=False)
    rows["school_year_end"] = school_years(rows, "school_year_end", findings, "fall")
    findings.stop()
    if role == "principal":
        rows["unit_id"] = SCHOOL + rows["unit_id"]
    title = text(rows["title"]).str.strip()
    plain = title.str.lower().str.replace(".", "", regex=False)
    made = rows.assign(
        role=role,
        group_id="IN",
        title=title.mask(plain.isin(NO_TITLE)),
        order=_order(rows),
        snapshot=_dates(rows),
    )
    _notice(made, text(rows["snapshot"]), findings, role)
    return made, findings


def _order(rows: pd.DataFrame) -> pd.Series:
    """Return school years, moved on by one after each further directory of one year."""
    taken = text(rows["snapshot"]).fillna("").rename("snapshot")
    cell = [rows["school_year_end"], _dates(rows).fillna(pd.Timestamp(1900, 1, 1)), taken]
    place = pd.MultiIndex.from_arrays(cell)
    files = pd.Series(0, index=place.unique().sort_values())
    years = pd.Series(files.index.get_level_values(0), index=files.index).astype("int64")
    order = years + years.duplicated().cumsum()
    return pd.Series(order.reindex(place).to_numpy(), index=rows.index)


def _dates(rows: pd.DataFrame) -> pd.Series:
    """Return the date in each snapshot's name, missing where it has none, or several."""
    pairs = pd.DataFrame({"name": text(rows["snapshot"]), "year": rows["school_year_end"]})
    known = {
        (name, year): snapshot_date(name, int(year))
        for name, year in pairs.drop_duplicates().itertuples(index=False)
        if isinstance(name, str)
    }
    dates = [known.get(pair, pd.NaT) for pair in zip(pairs["name"], pairs["year"], strict=True)]
    return pd.Series(dates, index=rows.index, dtype="datetime64[s]")


def snapshot_date(name: str, school_year_end: int) -> Any:
    """Return the one date in a file's name that lies in its school year, NaT if there is none.

    Dates may be ``2020-01-15``, or month, day and year with points or with nothing in between.

    Examples
    --------
    >>> snapshot_date("2015-2016-school-directory-3316.xlsx", 2016)
    Timestamp('2016-03-03 00:00:00')
    """
    whole = FULL_DATE.search(name)
    stem = _YEARS.sub("", name.rsplit(".xls", maxsplit=1)[0])
    digits = re.search(r"[\d.]+$", stem)
    found = ["-".join(whole.groups())] if whole else _readings(digits[0]) if digits else []
    dates = pd.Series(pd.to_datetime(pd.Series(found, dtype="str"), errors="coerce"))
    first = pd.Timestamp(school_year_end - 1, 7, 1)
    good = dates[(dates >= first) & (dates < first + pd.DateOffset(years=1))].unique()
    return good[0] if len(good) == 1 else pd.NaT


def _readings(digits: str) -> list[str]:
    """Return all that digits can mean as month, day and year, written as year-month-day."""
    parts = digits.strip(".").split(".")
    joined = "".join(parts)
    splits = [parts] if len(parts) == 3 else []
    if len(parts) == 1:
        splits = [
            [joined[:m], joined[m : m + d], joined[m + d :]]
            for m, d in product((1, 2), (1, 2))
            if len(joined) - m - d in (2, 4)
        ]
    return [f"{y if len(y) == 4 else '20' + y}-{m.zfill(2)}-{d.zfill(2)}" for m, d, y in splits]


def _notice(rows: pd.DataFrame, written: pd.Series, findings: Findings, role: str) -> None:
    """Note directories without a date, two of one year, two close together, and moved schools."""
    no_date = (rows["snapshot"].isna() & written.notna()).to_numpy()
    findings.issue(
        "no_date",
        "directories have no date in their names that lies in their school year",
        "left without one",
        rows,
        no_date,
        ("unit_id", "school_year_end"),
    )
    days = rows[["school_year_end", "snapshot"]].drop_duplicates().dropna()
    days = days.sort_values("snapshot")
    soon = (days["snapshot"].diff().dt.days < CLOSE_DAYS) & (days["school_year_end"].diff() > 0)
    close = rows["snapshot"].isin(days.loc[soon, "snapshot"]).to_numpy()
    per_year = days.groupby("school_year_end")["snapshot"].nunique()
    two = rows["school_year_end"].isin(per_year.index[per_year > 1]).to_numpy()
    for rule, message, action, bad in (
        ("two_directories", "a school year has two directories", "both read", two),
        (
            "close_directories",
            f"the directory of the year before was taken less than {CLOSE_DAYS} days earlier",
            "kept: turnover between the two is likely too low, and too high after",
            close,
        ),
    ):
        findings.issue(rule, message, action, rows, bad, KEY)
    if role == "principal":
        first = rows.groupby("unit_id")["corporation_id"].transform("first")
        moved = (rows["corporation_id"] != first).to_numpy(dtype=bool, na_value=False)
        message = "schools belong to another corporation than at first"
        findings.issue("moved_school", message, "kept as one school", rows, moved, KEY)
