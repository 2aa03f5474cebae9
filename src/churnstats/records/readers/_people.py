"""Names in a roster to persons, and what names tell of the post besides."""

from __future__ import annotations

from typing import Any

import pandas as pd

from churnstats.core.errors import Fault
from churnstats.core.provenance import RowLedger
from churnstats.records.people.links import Links, link_people
from churnstats.records.people.names import parse_names
from churnstats.records.readers._common import Findings, no_values, text

CELL = ["unit_id", "role", "school_year_end"]
SHOWN = ("unit_id", "school_year_end", "snapshot")
VACANT = r"(?i)\b(?:vacan\w*|unfilled|open position)\b"
FULL_POST = 1.0 + 1e-9


def people_of(rows: pd.DataFrame, time: str, overrides: Any) -> Links:
    """Return the persons of a roster's ``name`` by ``unit_id`` and a column of years."""
    return link_people(
        rows[["unit_id", "name", time]].assign(name=text(rows["name"]).fillna("")),
        unit="unit_id",
        name="name",
        time=time,
        overrides=overrides,
    )


def with_people(rows: pd.DataFrame, links: Links, findings: Findings) -> pd.DataFrame:
    """Return rows with ``leader_id`` for ``name``; doubts are issues, told without names."""
    named = rows.assign(name=text(rows["name"]).fillna(""))
    made = rows.assign(leader_id=links.apply(named, column="person_id")["person_id"])
    doubts = Fault(
        "doubtful_links",
        findings.table,
        "pairs of names may be one person",
        "decide: write_overrides(path) of the people, fill 'decision', and give overrides=path",
        len(links.questions),
        source=findings.source,
    )
    findings.issues = findings.issues.add(doubts, "left as two persons")
    for fault, action in links.issues.entries:
        if fault.rule in ("conflict", "undecided"):
            plain = Fault(fault.rule, fault.table, fault.message, fault.how, fault.n_rows)
            findings.issues = findings.issues.add(plain, action)
    return without_names(made, findings)


def without_names(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Replace names by what they tell of the post: vacant, not known, interim.

    Parameters
    ----------
    rows : DataFrame
        With ``name, leader_id``, and ``title`` where the source has titles.
    findings : Findings

    Returns
    -------
    DataFrame
        Without ``name``; ``leader_id`` is missing where the name is no one person's, ``vacant``
        says whether the name said so, and ``title`` says "interim" where the name does.
    """
    name = text(rows["name"]).fillna("")
    parts = parse_names(name)
    vacant = name.str.contains(VACANT).to_numpy(dtype=bool) & parts["is_placeholder"].to_numpy()
    nobody = (parts["is_placeholder"] & (name != "")).to_numpy(dtype=bool) & ~vacant
    two = parts["is_two_people"].to_numpy(dtype=bool)
    interim = parts["is_interim"].to_numpy(dtype=bool)
    unseen = "holder taken as not observed"
    for rule, message, action, bad in (
        ("vacant_name", "names say that the post is vacant", "taken as vacant", vacant),
        ("placeholder", "names are nobody's", unseen, nobody),
        ("two_people", "names are several people's", unseen, two),
        ("interim_name", "names say that the holder is temporary", "put into the title", interim),
    ):
        findings.issue(rule, message, action, rows, bad, SHOWN)
    title = rows["title"] if "title" in rows.columns else no_values(rows.index)
    return rows.drop(columns="name").assign(
        leader_id=rows["leader_id"].mask(vacant | nobody | two),
        vacant=vacant,
        title=text(title).mask(interim, "interim"),
    )


def one_row_a_person(
    rows: pd.DataFrame, findings: Findings, unit: str
) -> tuple[pd.DataFrame, RowLedger]:
    """Merge the rows of one person in one post and year; their shares are added.

    Parameters
    ----------
    rows : DataFrame
        ``unit_id, role, school_year_end, leader_id, fte``.
    findings : Findings
    unit : str
        What the ledger counts.
    """
    key = [*CELL, "leader_id"]
    known = rows["leader_id"].notna()
    again = (rows.duplicated(key) & known).to_numpy()
    total = rows.groupby(key, sort=False)["fte"].transform(lambda part: part.sum(min_count=1))
    rows = rows.assign(fte=total.where(known, rows["fte"]))
    findings.issue(
        "rows_of_one_person",
        "a person has another row in the same post and year",
        "merged, shares of the post added",
        rows,
        again,
        (*SHOWN, "fte"),
    )
    kept = rows[~again]
    findings.issue(
        "no_time",
        "holders have none of a full post",
        "kept",
        kept,
        kept["fte"].eq(0).to_numpy(),
        (*SHOWN, "fte"),
    )
    high = kept["fte"].gt(FULL_POST).to_numpy()
    message = "a person's shares add up to more than a full post"
    findings.issue("above_full_post", message, "taken as one", kept, high, (*SHOWN, "fte"))
    lost = {"further rows of one person": int(again.sum())}
    ledger = RowLedger().step("one row a person", unit, len(rows), len(kept), lost)
    return kept.assign(fte=kept["fte"].clip(upper=1.0)), ledger
