"""Measure name linking on a roster whose authors matched its names themselves.

python scripts/name_linking_table.py ROSTER.parquet                 print the tables
python scripts/name_linking_table.py ROSTER.parquet --pairs FILE    and write the disagreements

The roster has the columns of the Broad Center file: state, leaid, name_raw, name_clean, year and
super_id, the authors' match of names within a state. Pairs are of two spellings of name_raw: of
one district, or of two districts of one state. The tables hold counts only; FILE holds names of
people.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from churnstats.records.people.links import Links, link_people
from churnstats.records.people.names import DEGREES, HONORIFICS, INTERIM, compare_names, parse_name

SPELLING = ["unit_id", "name"]
PLACES = ("one district", "two districts")
SIDES = {(True, True): "both", (True, False): "ours only", (False, True): "theirs only"}
TITLES = HONORIFICS | DEGREES | INTERIM | {"ed", "d", "s", "superintendent"}


def measure(roster: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair of spellings that we or the authors take for one person.

    Parameters
    ----------
    roster : DataFrame

    Returns
    -------
    DataFrame
        ``place`` (one or two districts), ``side`` ("both", "ours only", "theirs only"), ``rule``
        (by which the two names are compared), ``kind`` (why one links and the other doesn't),
        then ``unit_id, name, years, name_clean`` of both.
    """
    links = link_people(roster, unit="leaid", name="name_raw", time="year", group="state")
    spellings = _spellings(roster, links)
    pairs = pd.concat(
        _pairs(spellings, by).assign(place=place)
        for by, place in zip(("unit_id", "state"), PLACES, strict=True)
    )
    ends = [spellings.loc[pairs[end]].reset_index(drop=True) for end in ("a", "b")]
    made = pd.concat([e.add_suffix(s) for e, s in zip(ends, ("_a", "_b"), strict=True)], axis=1)
    made["place"] = pairs["place"].to_numpy()
    one_unit = made["unit_id_a"] == made["unit_id_b"]
    made = made[one_unit == (made["place"] == PLACES[0])].reset_index(drop=True)
    ours = made["person_id_a"] == made["person_id_b"]
    theirs = made["super_id_a"] == made["super_id_b"]
    made["side"] = [SIDES[pair] for pair in zip(ours, theirs, strict=True)]
    made["rule"] = [_rule(a, b) for a, b in zip(made["name_a"], made["name_b"], strict=True)]
    doubts = _doubts(links)
    made["kind"] = [_kind(row, doubts) for row in made.to_dict("records")]
    shown = ["unit_id", "name", "years", "name_clean"]
    columns = ["place", "side", "rule", "kind", *(f"{c}_{end}" for end in "ab" for c in shown)]
    return made[columns].sort_values(columns, ignore_index=True)


def _spellings(roster: pd.DataFrame, links: Links) -> pd.DataFrame:
    """Return one row a district and spelling that names one person, with both persons."""
    rows = roster.assign(unit_id=roster["leaid"], name=roster["name_raw"].str.strip())
    authors = rows.groupby(SPELLING)[["state", "super_id", "name_clean"]].first()
    people = links.people[links.people["status"] == "person"]
    years = people["first_year"].astype("str") + "-" + people["last_year"].astype("str")
    kept = people[[*SPELLING, "person_id", "spelling_id"]].assign(years=years)
    return kept.join(authors.astype("str"), on=SPELLING).reset_index(drop=True)


def _pairs(spellings: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the numbers of two spellings that lie in one group and have one person."""
    found = []
    for person in ("person_id", "super_id"):
        held = spellings[[by, person]].assign(at=spellings.index)
        both = held.merge(held, on=[by, person], suffixes=("_a", "_b"))
        found.append(both[both["at_a"] < both["at_b"]][["at_a", "at_b"]])
    return pd.concat(found).drop_duplicates().set_axis(["a", "b"], axis=1)


def _rule(a: str, b: str) -> str:
    found = compare_names(parse_name(a), parse_name(b))
    return "through others" if found is None else found.rule


def _doubts(links: Links) -> dict[tuple[bool, str], str]:
    """Return what made spellings a question, by their ids, in one district and in two."""
    ids = links.people.set_index(SPELLING)["spelling_id"]
    asked = links.questions
    one = asked["unit_id_a"] == asked["unit_id_b"]
    at = pd.MultiIndex.from_frame(asked[["unit_id_b", "name_b"]])
    doubt = asked["evidence"].str.rsplit("; ", n=1).str[-1]
    return dict(zip(zip(one, ids.reindex(at), strict=True), doubt, strict=True))


def _kind(row: Mapping[Hashable, Any], doubts: Mapping[tuple[bool, str], str]) -> str:
    """Return why only one side links two spellings."""
    if row["side"] == "both":
        return ""
    if row["side"] == "theirs only":
        if row["place"] == PLACES[1] and len(parse_name(row["name_a"]).given) == 1:
            return "the given name is an initial"
        within = row["place"] == PLACES[0]
        told = [doubts.get((within, row[f"spelling_id_{end}"])) for end in ("b", "a")]
        return next((doubt for doubt in told if doubt), "asked about with another of that name")
    if row["rule"] != "same_key":
        return "names differ by the rule"
    one, other = (set(re.findall(r"\w+", row[f"name_clean_{end}"])) for end in ("a", "b"))
    if (one ^ other) & TITLES:
        return "title, degree or interim mark left in name_clean"
    return "blanks, hyphens, other signs or order"


def table(pairs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the pairs counted by side, with our precision and recall against the authors."""
    counts = pd.crosstab([pairs[c] for c in by], pairs["side"])
    counts = counts.reindex(columns=list(SIDES.values()), fill_value=0)
    counts["precision"] = counts["both"] / (counts["both"] + counts["ours only"])
    counts["recall"] = counts["both"] / (counts["both"] + counts["theirs only"])
    return counts.rename_axis(columns=None).reset_index()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables of a roster."""
    parser = argparse.ArgumentParser(description="Measure name linking against super_id.")
    parser.add_argument("roster", type=Path, help="a Parquet file like the Broad Center's")
    parser.add_argument("--pairs", type=Path, help="write the disagreements here, with names")
    options = parser.parse_args(arguments)
    pairs = measure(pd.read_parquet(options.roster))
    apart = pairs[pairs["side"] != "both"]
    kinds = apart.groupby(["place", "side", "rule", "kind"]).size().rename("pairs").reset_index()
    for shown in (table(pairs, ["place"]), table(pairs, ["place", "rule"]), kinds):
        print(shown.to_string(index=False, float_format="{:.3f}".format), end="\n\n")
    if options.pairs is not None:
        apart.to_csv(options.pairs, index=False, lineterminator="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
