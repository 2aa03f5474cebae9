"""Spellings to persons: every link listed with its rule, doubtful ones left to a person.

Who is one person decides what counts as turnover. Links are made where names and years leave
little doubt; the rest are questions, and `turnover_bounds` shows what hangs on them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.types import BoolArray, IntArray
from churnstats.records.ingest import row_fault
from churnstats.records.link_clusters import cut_conflicts, persons
from churnstats.records.link_overrides import (
    DIFFERENT,
    SAME,
    Overrides,
    no_overrides,
    read_overrides,
    write_questions,
)
from churnstats.records.link_pairs import (
    LINKED,
    NOT_LINKED,
    PAIR_COLUMNS,
    QUESTION,
    LinkRules,
    Nodes,
    pairs_across,
    pairs_within,
    year_gap,
)
from churnstats.records.link_roster import (
    PLACEHOLDER,
    TABLE,
    TWO_PEOPLE,
    RosterRows,
    nodes_of,
    read_roster,
    spelling_numbers,
    spellings_of,
)

DEFAULT_RULES = LinkRules()
LEDGER = ["name_a", "name_b", "unit_id_a", "unit_id_b", "rule", "score", "decision", "evidence"]
LEDGER += ["years_a", "years_b", "gap_years", "n_shared_years", "person_a", "person_b"]
PEOPLE = ["unit_id", "name", "person_id", "status", "key", "is_interim"]
PEOPLE += ["first_year", "last_year", "n_rows", "spelling_id", "plausible_id"]
BOUNDS = ("as_written", "normalised", "linked", "plausible")
CUT = "cut: with it two would be one person who can't be"
THROUGH = "joined through other spellings"
SAME_KEY = "alike but for case, accents, punctuation, order and titles"

Pair: TypeAlias = tuple[int, int]
Cells: TypeAlias = Sequence[frozenset[Pair]]


@dataclass(frozen=True, eq=False)
class Links:
    """Which spellings are one person, and what was decided about every pair.

    Attributes
    ----------
    ledger : DataFrame
        One row a pair that was considered: ``name_a, name_b, unit_id_a, unit_id_b, rule, score,
        decision`` ("linked", "not linked" or "question"), ``evidence, years_a,
        years_b`` (first to last of the spelling), ``gap_years, n_shared_years, person_a,
        person_b``.
    people : DataFrame
        One row a unit and spelling: ``unit_id, name, person_id, status`` ("person",
        "placeholder" or "two people": the last two have no person_id), ``key, is_interim,
        first_year, last_year, n_rows, spelling_id, plausible_id``. The last are the persons if
        spellings were only put in one form, and if every question were a link.
    columns : mapping
        What unit_id, name and time, and role if any, are called in the roster.
    rules : LinkRules
    issues : IssueLog
        Placeholders, cells with two people, interim marks, links cut, decisions left empty.
    """

    ledger: pd.DataFrame
    people: pd.DataFrame
    columns: Mapping[str, str]
    rules: LinkRules
    issues: IssueLog = field(default_factory=IssueLog)

    @property
    def questions(self) -> pd.DataFrame:
        """Pairs that a person should decide."""
        return self.ledger[self.ledger["decision"] == QUESTION].reset_index(drop=True)

    def counts(self) -> pd.DataFrame:
        """Return the number of pairs by rule and decision."""
        table = pd.crosstab(self.ledger["rule"], self.ledger["decision"])
        table = table.reindex(columns=[LINKED, QUESTION, NOT_LINKED], fill_value=0)
        return table.rename_axis(columns=None).reset_index()

    def apply(self, frame: Any, *, column: str = "person_id") -> pd.DataFrame:
        """Return the frame with the person of each row, missing where it names no one person.

        Raises
        ------
        DataError
            If the frame has names that the links do not know.
        """
        roster = read_roster(frame, {c: self.columns[c] for c in ("unit_id", "name")})
        if column in roster.source.columns:
            what = f"the frame has a column {column!r} already"
            raise SpecError("column_exists", what, how="name another with column=")
        at = _known(roster, self)
        made = roster.source.copy()
        made[column] = self.people["person_id"].take(at).to_numpy()
        if isinstance(frame, pd.DataFrame):
            made.index = frame.index
        return made

    def write_overrides(self, path: str | Path) -> None:
        """Write the questions as CSV: fill the column ``decision`` with "same" or "different".

        The file is what ``link_people(..., overrides=path)`` reads; it holds names of people.
        """
        write_questions(self.ledger, Path(path))


def link_people(
    frame: Any,
    *,
    unit: str = "unit_id",
    name: str = "leader_name",
    time: str = "school_year_end",
    role: str | None = None,
    group: str | None = None,
    rules: LinkRules = DEFAULT_RULES,
    overrides: Any = None,
) -> Links:
    """Find out which spellings of a roster are one person.

    Spellings of one unit are compared by likeness, with the years in which each was there; the
    same name in several units of a group is one person where it is rare. Two names that held
    one post in the same year are never one person. The ids are made of names.

    Parameters
    ----------
    frame : frame or path
        One row a holder and year.
    unit, name, time : str
        Columns. Years are whole numbers.
    role : str, optional
        Column: holders of different roles may be one person in the same year.
    group : str, optional
        Column within which people move between units, such as the state; all units by default.
    rules : LinkRules
    overrides : path or frame, optional
        A person's decisions, which win: ``name_a, name_b, unit_id, decision`` ("same" or
        "different") and, if there are, ``reason`` and ``unit_id_b``.

    Returns
    -------
    Links

    Raises
    ------
    DataError
        If rows have no unit or year, a unit is in two groups, or overrides are faulty.

    Examples
    --------
    >>> import pandas as pd
    >>> roster = pd.DataFrame({
    ...     "unit_id": "7", "school_year_end": [2019, 2020, 2021],
    ...     "leader_name": ["Bradley Osgood", "OSGOOD, BRAD", "Ines Tull"]})
    >>> link_people(roster).apply(roster)["person_id"].tolist()
    ['7:bradley osgood', '7:bradley osgood', '7:ines tull']
    """
    columns = {"unit_id": unit, "name": name, "time": time}
    columns |= {"role": role} if role is not None else {}
    columns |= {"group": group} if group is not None else {}
    roster = read_roster(frame, columns).frame
    people, names = spellings_of(roster)
    decided = no_overrides() if overrides is None else read_overrides(overrides, people)
    nodes, node = nodes_of(roster, people, names, decided.pairs(DIFFERENT))
    within, apart = pairs_within(nodes, rules)
    pairs = [f for f in (within, pairs_across(nodes, rules)) if len(f)] or [within]
    judged = _with_overrides(pd.concat(pairs, ignore_index=True), nodes, node, decided)
    settled = _settle(judged, apart, nodes, node, decided)
    people = _people(people, nodes, node, settled)
    ledger = _ledger(settled.pairs, people, nodes, node)
    issues = _issues(people, settled.pairs, decided)
    return Links(ledger, people[PEOPLE], columns, rules, issues)


@dataclass(frozen=True)
class _Settled:
    """Pairs with their final decision, and the person of each node."""

    pairs: pd.DataFrame
    person: IntArray
    plausible: IntArray


def _with_overrides(
    pairs: pd.DataFrame, nodes: Nodes, node: IntArray, decided: Overrides
) -> pd.DataFrame:
    """Write a person's decisions over those of the rules, and add pairs that no rule found."""
    at = {pair: i for i, pair in enumerate(zip(pairs["a"], pairs["b"], strict=True))}
    at |= {(b, a): i for (a, b), i in at.items()}
    rows = pairs.assign(cut=False, override=False).to_dict("records")
    for a, b, decision, reason in decided.frame.itertuples(index=False):
        pair = (int(node[a]), int(node[b]))
        if pair[0] == pair[1]:
            continue
        if pair not in at:
            years = [nodes.years(n) for n in pair]
            at[pair] = at[pair[::-1]] = len(rows)
            made: dict[Hashable, Any] = {"a": pair[0], "b": pair[1], "rule": "override"}
            made |= {"score": np.nan, "least": np.nan, "cut": False}
            made |= {"gap_years": year_gap(*years), "n_shared_years": len(years[0] & years[1])}
            rows.append(made)
        rows[at[pair]] |= {
            "decision": LINKED if decision == SAME else NOT_LINKED,
            "evidence": f"decided by a person: {reason}".rstrip(": "),
            "override": True,
        }
    return pd.DataFrame(rows, columns=[*PAIR_COLUMNS, "cut", "override"])


def _settle(
    pairs: pd.DataFrame,
    apart: list[tuple[int, int]],
    nodes: Nodes,
    node: IntArray,
    decided: Overrides,
) -> _Settled:
    """Cut links that would make one person of two, and number the persons."""
    n = len(nodes.names)
    both = list(zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True))
    least = pairs["least"].to_numpy(dtype=float)
    by_rule = ~pairs["override"].to_numpy(dtype=bool)
    firm = [(int(node[a]), int(node[b])) for a, b in decided.pairs(SAME)]
    never = [(int(node[a]), int(node[b])) for a, b in decided.pairs(DIFFERENT)]

    def keep(chosen: BoolArray, sure: list[Pair], apart: list[Pair], cells: Cells) -> BoolArray:
        at = np.flatnonzero(chosen)
        stays = cut_conflicts([both[i] for i in at], least[at], sure, apart, cells)
        kept = np.zeros(len(pairs), dtype=bool)
        kept[at] = stays
        return kept

    linked = by_rule & (pairs["decision"] == LINKED).to_numpy()
    kept = keep(linked, firm, [*apart, *never], nodes.cells)
    cut = linked & ~kept
    pairs = pairs.assign(
        cut=cut,
        decision=pairs["decision"].mask(cut, QUESTION),
        evidence=pairs["evidence"].mask(cut, pairs["evidence"] + "; " + CUT),
    )
    sure = [*firm, *(both[i] for i in np.flatnonzero(kept))]
    asked = by_rule & (pairs["decision"] == QUESTION).to_numpy()
    likely = keep(asked, sure, never, [frozenset()] * n)
    person = persons(n, sure)
    plausible = persons(n, [*sure, *(both[i] for i in np.flatnonzero(likely))])
    a, b = (person[pairs[end].to_numpy(dtype=np.int64)] for end in ("a", "b"))
    answered = asked & (a == b)
    pairs = pairs.assign(
        decision=pairs["decision"].mask(answered, LINKED),
        evidence=pairs["evidence"].mask(answered, pairs["evidence"] + "; " + THROUGH),
    )
    return _Settled(pairs, person, plausible)


def _people(people: pd.DataFrame, nodes: Nodes, node: IntArray, settled: _Settled) -> pd.DataFrame:
    """Give each spelling the id of its person: unit and key of the person's earliest spelling."""
    shown = people.iloc[nodes.spelling]
    text = (shown["unit_id"] + ":" + shown["key"]).to_numpy(dtype=object)
    again = pd.Series(text).duplicated().to_numpy()
    text[again] = text[again] + ":" + shown["name"].to_numpy(dtype=object)[again]
    first = np.array([min(nodes.years(i)) for i in range(len(text))], dtype=np.int64)
    order = np.lexsort((text.astype(str), first))
    made = people.copy()
    for column, person in (
        ("spelling_id", np.arange(len(text))),
        ("person_id", settled.person),
        ("plausible_id", settled.plausible),
    ):
        earliest = np.zeros(len(text), dtype=np.int64)
        earliest[person[order[::-1]]] = order[::-1]
        ids = pd.array(text[earliest[person]], dtype="str")
        made[column] = pd.Series(ids.take(node, allow_fill=True), index=people.index)
    return made


def _ledger(
    pairs: pd.DataFrame, people: pd.DataFrame, nodes: Nodes, node: IntArray
) -> pd.DataFrame:
    """Return every pair by its spellings, the earlier first, and spellings with one key."""
    a, b = (nodes.spelling[pairs[c].to_numpy(dtype=np.int64)] for c in ("a", "b"))
    alike = np.flatnonzero(node >= 0)
    alike = alike[nodes.spelling[node[alike]] != alike]
    same = pd.DataFrame(
        {"rule": "same_key", "score": 1.0, "decision": LINKED, "evidence": SAME_KEY},
        index=range(len(alike)),
    )
    made = pd.concat([pairs.drop(columns=["a", "b"]), same], ignore_index=True)
    a, b = np.r_[a, nodes.spelling[node[alike]]], np.r_[b, alike]
    rank = np.empty(len(people), dtype=np.int64)
    rank[people.sort_values(["first_year", "unit_id", "name"]).index] = np.arange(len(people))
    a, b = np.where(rank[a] < rank[b], a, b), np.where(rank[a] < rank[b], b, a)
    for at, end in ((a, "a"), (b, "b")):
        shown = people.iloc[at]
        made[f"name_{end}"] = shown["name"].to_numpy()
        made[f"unit_id_{end}"] = shown["unit_id"].to_numpy()
        made[f"person_{end}"] = shown["person_id"].to_numpy()
        years = shown["first_year"].astype("str") + "-" + shown["last_year"].astype("str")
        made[f"years_{end}"] = years.to_numpy()
    whole = {"gap_years": "Int64", "n_shared_years": "Int64"}
    made = made.astype(whole).astype({"score": float})
    order = ["unit_id_a", "name_a", "unit_id_b", "name_b"]
    return made[LEDGER].sort_values(order, kind="stable").reset_index(drop=True)


def _issues(people: pd.DataFrame, pairs: pd.DataFrame, decided: Overrides) -> IssueLog:
    """Return what was found on the way, counted in spellings, pairs or rows of overrides."""
    issues = IssueLog()
    shown = ("unit_id", "name", "first_year", "last_year")
    for rule, message, bad, action in (
        ("placeholder", "cells name nobody", people["status"] == PLACEHOLDER, "no person"),
        ("two_people", "cells name several people", people["status"] == TWO_PEOPLE, "no person"),
        ("interim", "names say that the holder is temporary", people["is_interim"], "flagged"),
    ):
        for fault in row_fault(rule, TABLE, message, "", people, bad.to_numpy(), shown):
            issues = issues.add(fault, action)
    what = "links would join two that can't be one person"
    n_cut = int(pairs["cut"].sum())
    issues = issues.add(Fault("conflict", TABLE, what, "", n_cut), "weakest link cut, a question")
    what = "decisions are empty"
    fault = Fault("undecided", "overrides", what, "", decided.n_undecided)
    return issues.add(fault, "left to the rules")


def _known(roster: RosterRows, links: Links) -> IntArray:
    """Return the number of each row's spelling; raise if one was not there to be linked."""
    at = spelling_numbers(roster.frame, links.people)
    shown = tuple(links.columns[c] for c in ("unit_id", "name"))
    message = "names were not there when people were linked"
    how = "link people in the frame that you use the links for"
    raise_faults(row_fault("unknown_spelling", TABLE, message, how, roster.source, at < 0, shown))
    return at


def turnover_bounds(frame: Any, links: Links, *, by_year: bool = True) -> pd.DataFrame:
    """Return turnover as spelled, at the links made, and if every plausible link were made.

    Turnover is the share of posts no holder of which was there the year before, among posts with
    a known holder in both years. Cells that name nobody, or two people, are not known.

    Parameters
    ----------
    frame : frame or path
        The roster in which people were linked.
    links : Links
    by_year : bool
        One row a year, or one row in all.

    Returns
    -------
    DataFrame
        The year, ``n_units`` (posts seen in both years), then ``turnover_as_written_share``
        (every spelling is a person), ``turnover_normalised_share`` (every spelling, once case,
        order and titles are set aside), ``turnover_linked_share`` (the links made) and
        ``turnover_plausible_share`` (every question is a link). Each is at most the one before
        it. NaN where no post is seen in both years.

    Examples
    --------
    >>> import pandas as pd
    >>> roster = pd.DataFrame({
    ...     "unit_id": "7", "school_year_end": [2019, 2020, 2021],
    ...     "leader_name": ["Ines Tull", "TULL, INES", "Ines Osgood"]})
    >>> shares = turnover_bounds(roster, link_people(roster), by_year=False).filter(like="share")
    >>> shares.to_numpy()[0]
    array([1. , 0.5, 0.5, 0. ])
    """
    roster = read_roster(frame, links.columns)
    rows, at = roster.frame, _known(roster, links)
    post = rows.groupby(["unit_id", "role"], sort=False).ngroup().to_numpy()
    held = pd.DataFrame({"post": post, "year": rows["year"].to_numpy()})
    held["as_written"] = at
    for name, column in (
        ("normalised", "spelling_id"),
        ("linked", "person_id"),
        ("plausible", "plausible_id"),
    ):
        held[name] = pd.factorize(links.people[column])[0][at]
    held = held[held["linked"] >= 0]
    cell = ["post", "year"]
    cells = held[cell].drop_duplicates()
    both = cells.merge(cells.assign(year=cells["year"] + 1), on=cell)
    for name in BOUNDS:
        now = held[[*cell, name]].drop_duplicates()
        stayed = now.merge(now.assign(year=now["year"] + 1), on=[*cell, name])[cell]
        kept = pd.MultiIndex.from_frame(both[cell]).isin(pd.MultiIndex.from_frame(stayed))
        both[f"turnover_{name}_share"] = 1.0 - kept
    return _shares(both, np.unique(rows["year"].to_numpy()), links.columns["time"], by_year)


def _shares(both: pd.DataFrame, years: IntArray, time: str, by_year: bool) -> pd.DataFrame:
    shares = [f"turnover_{name}_share" for name in BOUNDS]
    made = both.assign(n_units=1, year=both["year"] if by_year else 0)
    groups = made.groupby("year")
    table = groups[["n_units"]].sum().join(groups[shares].mean())
    table = table.reindex(years if by_year else [0]).astype(dict.fromkeys(shares, float))
    table["n_units"] = table["n_units"].fillna(0).astype("int64")
    table = table.rename_axis(time).reset_index()
    return table if by_year else table.drop(columns=time)
