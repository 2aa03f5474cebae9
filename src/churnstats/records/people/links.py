"""Spellings to persons: every link listed with its rule, doubtful ones left to a person.

Who is one person decides what counts as turnover. Links are made where names and years leave
little doubt; the rest are questions, and `turnover_bounds` shows what hangs on them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.types import BoolArray, IntArray
from churnstats.records.ingest import row_fault
from churnstats.records.people.clusters import cut_conflicts, persons
from churnstats.records.people.overrides import (
    DIFFERENT,
    SAME,
    Overrides,
    no_overrides,
    read_overrides,
    write_questions,
)
from churnstats.records.people.pairs import (
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
from churnstats.records.people.spellings import (
    PERSON,
    PLACEHOLDER,
    TABLE,
    TWO_PEOPLE,
    RosterColumns,
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
SHARES = tuple(f"turnover_{name}_share" for name in BOUNDS)
CUT = "cut: with it two would be one person who can't be"
THROUGH = "joined through other spellings"
SAME_KEY = "alike but for case, accents, punctuation, order and titles"

Pair: TypeAlias = tuple[int, int]
Cells: TypeAlias = Sequence[frozenset[Pair]]


@dataclass(frozen=True, eq=False, repr=False)
class Links:
    """Which spellings are one person, and what was decided about every pair.

    Ids are numbers and say nothing. ``ledger``, ``people`` and the file of questions hold names;
    printing the links shows counts only.

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
        spellings were only put in one form, and if every question were a link. Spellings are
        numbered by group, unit, first year and key, and a person has the number of the first
        spelling: a decision about one person changes no other's id, more rows do.
    columns : mapping
        What unit_id, name and time, and role and group if any, are called in the roster.
    rules : LinkRules
    issues : IssueLog
        Rows that name nobody, or several, or somebody temporary; links cut; decisions left empty.
    """

    ledger: pd.DataFrame
    people: pd.DataFrame
    columns: RosterColumns
    rules: LinkRules
    issues: IssueLog = field(default_factory=IssueLog)

    def __repr__(self) -> str:
        n_named = int((self.people["status"] == PERSON).sum())
        n_persons = self.people["person_id"].nunique()
        found = self.ledger["decision"].value_counts()
        pairs = ", ".join(f"{found.get(d, 0):,} {d}" for d in (LINKED, QUESTION, NOT_LINKED))
        return f"Links({n_named:,} spellings, {n_persons:,} persons; pairs: {pairs})"

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
    name: str | Sequence[str] = "leader_name",
    time: str = "school_year_end",
    role: str | None = None,
    group: str | None = None,
    rules: LinkRules = DEFAULT_RULES,
    overrides: Any = None,
) -> Links:
    """Find out which spellings of a roster are one person.

    Spellings of one unit are compared by likeness, with the years in which each was there; the
    same name in several units of a group is one person where it is rare. Two names that held
    one post in the same year are never one person, unless an override says so.

    Parameters
    ----------
    frame : frame or path
        One row a holder and year.
    unit, time : str
        RosterColumns. Years are whole numbers.
    name : str or sequence of str
        The column of names, or several of them with that of the family name last, such as
        ``("first_name", "last_name")``: they are read as "last, first".
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
        If there are no rows, rows have no unit or year, a unit is in two groups, or overrides
        are faulty.
    SpecError
        If no column of names is given.

    Examples
    --------
    >>> import pandas as pd
    >>> roster = pd.DataFrame({
    ...     "unit_id": "7", "school_year_end": [2019, 2020, 2021],
    ...     "leader_name": ["Bradley Osgood", "OSGOOD, BRAD", "Ines Tull"]})
    >>> link_people(roster).apply(roster)["person_id"].tolist()
    ['p00001', 'p00001', 'p00003']
    """
    names = name if isinstance(name, str) else tuple(name)
    if not names:
        raise SpecError("name", "no column of names", how="name one, or several: name=(...)")
    columns: dict[str, str | tuple[str, ...]] = {"unit_id": unit, "name": names, "time": time}
    columns |= {"role": role} if role is not None else {}
    columns |= {"group": group} if group is not None else {}
    roster = read_roster(frame, columns).frame
    people, parsed = spellings_of(roster)
    decided = no_overrides() if overrides is None else read_overrides(overrides, people)
    nodes, node = nodes_of(roster, people, parsed, decided.pairs(DIFFERENT))
    within, apart = pairs_within(nodes, rules)
    pairs = [f for f in (within, pairs_across(nodes, rules)) if len(f)] or [within]
    judged = _with_overrides(pd.concat(pairs, ignore_index=True), nodes, node, decided)
    settled = _settle(judged, apart, nodes, node, decided)
    people = _people(people, node, settled)
    ledger = _ledger(settled.pairs, people, nodes, node)
    issues = _issues(roster, people, int(settled.pairs["cut"].sum()), decided.n_undecided)
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


def _people(people: pd.DataFrame, node: IntArray, settled: _Settled) -> pd.DataFrame:
    """Give each spelling the id of its person: the number of the person's first spelling."""
    order = people.sort_values(["group", "unit_id", "first_year", "key", "name"]).index.to_numpy()
    number = np.empty(len(people), dtype=np.int64)
    number[order] = np.arange(1, len(people) + 1)
    named, made = np.flatnonzero(node >= 0), people.copy()
    for column, person in (
        ("spelling_id", np.arange(len(settled.person))),
        ("person_id", settled.person),
        ("plausible_id", settled.plausible),
    ):
        first = np.full(len(person), len(people))
        np.minimum.at(first, person[node[named]], number[named])
        ids = pd.array([f"p{i:05d}" for i in first[person].tolist()], dtype="str")
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


def _issues(roster: pd.DataFrame, people: pd.DataFrame, n_cut: int, n_undecided: int) -> IssueLog:
    """Return what was found on the way, counted in rows, pairs or rows of overrides."""
    issues, spelling = IssueLog(), spelling_numbers(roster, people)
    for rule, message, found, action in (
        ("placeholder", "cells name nobody", people["status"] == PLACEHOLDER, "no person"),
        ("two_people", "cells name several people", people["status"] == TWO_PEOPLE, "no person"),
        ("interim", "names say that the holder is temporary", people["is_interim"], "flagged"),
    ):
        bad = found.to_numpy()[spelling]
        for fault in row_fault(rule, TABLE, message, "", roster, bad, ("unit_id", "year")):
            issues = issues.add(fault, action)
    what = "links would join two that can't be one person"
    issues = issues.add(Fault("conflict", "links", what, "", n_cut), "weakest link cut, a question")
    fault = Fault("undecided", "overrides", "decisions are empty", "", n_undecided)
    return issues.add(fault, "left to the rules")


def _known(roster: RosterRows, links: Links) -> IntArray:
    """Return the number of each row's spelling; raise if one was not there to be linked."""
    at = spelling_numbers(roster.frame, links.people)
    message = "names were not there when people were linked"
    how = "link people in the frame that you use the links for"
    frame = roster.frame
    raise_faults(row_fault("unknown_spelling", TABLE, message, how, frame, at < 0, ("unit_id",)))
    return at


def turnover_bounds(
    frame: Any, links: Links, *, by_group: bool = False, by_year: bool = True
) -> pd.DataFrame:
    """Return turnover as spelled, at the links made, and if every plausible link were made.

    Turnover is the share of posts that somebody left from the year before, among posts with a
    known holder in both years; `churnstats.panel.turnover.turnover_by_group` counts likewise. Cells
    that name nobody, or two people, are not known.

    Parameters
    ----------
    frame : frame or path
        The roster in which people were linked.
    links : Links
    by_group, by_year : bool
        One row a group, a year (the later of the two), or both; one row in all without either.

    Returns
    -------
    DataFrame
        Group and year under their names in the roster, ``n_units`` (posts known in both years),
        then ``turnover_as_written_share`` (every spelling is a person),
        ``turnover_normalised_share`` (every spelling, once case, order and titles are set
        aside), ``turnover_linked_share`` (the links made) and ``turnover_plausible_share``
        (every question is a link). Each is at most the one before it. NaN where no post is known
        in both years.

    Raises
    ------
    DataError
        If the frame has names that the links do not know.
    SpecError
        If people were linked without groups and ``by_group`` asks for them.

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
    if by_group and "group" not in links.columns:
        how = "name the column of groups in link_people: group="
        raise SpecError("by_group", "people were linked without groups", how=how)
    roster = read_roster(frame, links.columns)
    rows, at = roster.frame, _known(roster, links)
    held = rows[["group", "year"]].assign(
        post=rows.groupby(["unit_id", "role"], sort=False).ngroup(), as_written=at
    )
    for name, column in zip(BOUNDS[1:], ("spelling_id", "person_id", "plausible_id"), strict=True):
        held[name] = pd.factorize(links.people[column])[0][at]
    changed = _changes(held[held["linked"] >= 0])
    keys = ["all", *["group"] * by_group, *["year"] * by_year]
    wanted = rows.assign(all=0)[keys].drop_duplicates().sort_values(keys)
    found = changed.assign(all=0).groupby(keys)[list(SHARES)].mean()
    found["n_units"] = changed.assign(all=0).groupby(keys).size()
    table = wanted.merge(found.reset_index(), on=keys, how="left")
    table["n_units"] = table["n_units"].fillna(0).astype("int64")
    names = {"year": links.columns["time"], "group": links.columns.get("group")}
    return table[[*keys[1:], "n_units", *SHARES]].rename(columns=names)


def _changes(held: pd.DataFrame) -> pd.DataFrame:
    """Return posts known in two years, by the later, and whether a holder left, by each bound."""
    cell = ["post", "year"]
    cells = held[["group", *cell]].drop_duplicates()
    both = cells.merge(cells[cell].assign(year=cells["year"] + 1), on=cell)
    keys = pd.MultiIndex.from_frame(both[cell])
    for name, share in zip(BOUNDS, SHARES, strict=True):
        now = held[[*cell, name]]
        before = now.assign(year=now["year"] + 1)
        stays = pd.MultiIndex.from_frame(before).isin(pd.MultiIndex.from_frame(now))
        both[share] = keys.isin(pd.MultiIndex.from_frame(before.loc[~stays, cell])).astype(float)
    return both
