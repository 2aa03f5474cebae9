"""Pairs of spellings that may be one person's: within a unit by likeness, across units by name.

Within a unit, spellings that share a word or both initials are compared. Across the units of a
group only the same given and family name counts, and only where few namesakes are to be expected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import IntArray
from churnstats.records.people.names import (
    MIN_SCORE,
    RULES,
    Likeness,
    PersonName,
    compare_names,
    squeeze,
)

LINKED, NOT_LINKED, QUESTION = "linked", "not linked", "question"
NEVER_BY_DEFAULT = ("married", "other_given")
AT_ANY_DISTANCE = ("same_key", "middle")
WEAK = 0.5
ACROSS = 0.85
PAIR_COLUMNS = [
    "a",
    "b",
    "rule",
    "score",
    "least",
    "decision",
    "evidence",
    "gap_years",
    "n_shared_years",
]


@dataclass(frozen=True)
class LinkRules:
    """Which pairs of spellings are taken for one person.

    Parameters
    ----------
    linked : tuple of str
        Rules that link; pairs of the others are questions. By default all but ``"married"`` (the
        same given name with a new family name) and ``"other_given"`` (the reverse).
    min_score : float
        Pairs of lower likeness are questions.
    max_gap_years : int
        Most years from the one spelling's to the other's, 1 where they follow one another. The
        same key and a middle name more or less are linked at any distance.
    across_units : bool
        Whether the same name in several units of a group may be one person.
    max_namesakes : float
        Persons of a name to be expected in the group by chance, had given and family names
        nothing to do with one another: above it the name is too common to link across units.
    max_namesakes_at_once : float
        The same for a name that several units have in the same year.

    Examples
    --------
    >>> rules = LinkRules(linked=("same_key", "middle"))
    >>> "nickname" in rules.linked
    False
    """

    linked: tuple[str, ...] = tuple(r for r in RULES if r not in NEVER_BY_DEFAULT)
    min_score: float = MIN_SCORE
    max_gap_years: int = 3
    across_units: bool = True
    max_namesakes: float = 0.03
    max_namesakes_at_once: float = 0.01

    def __post_init__(self) -> None:
        if not isinstance(self.linked, tuple) or set(self.linked) - set(RULES):
            raise SpecError(
                "link_rules",
                f"linked={self.linked!r} names no rules",
                how=f"give a tuple of some of {', '.join(RULES)}",
            )
        if not 0 <= self.min_score <= 1 or self.max_gap_years < 1:
            raise SpecError(
                "link_rules",
                f"min_score={self.min_score!r} or max_gap_years={self.max_gap_years!r} is outside",
                how="scores are from 0 to 1, and years that follow one another are a gap of 1",
            )
        if not 0 <= self.max_namesakes_at_once <= self.max_namesakes:
            raise SpecError(
                "link_rules",
                "max_namesakes_at_once is negative or above max_namesakes",
                how="a name that two units have at once must be the rarer one",
            )


@dataclass(frozen=True, repr=False)
class Nodes:
    """What is linked: all spellings of a unit with one key, and the years that they have.

    Parameters
    ----------
    names : sequence of PersonName
    spelling : array
        Number of the earliest spelling of each.
    unit, group : arrays
        Codes.
    cells : sequence of frozenset
        Post and year of each of their rows.
    """

    names: Sequence[PersonName]
    spelling: IntArray
    unit: IntArray
    group: IntArray
    cells: Sequence[frozenset[tuple[int, int]]]

    def years(self, node: int) -> set[int]:
        """Return the years of a node in any post."""
        return {year for _, year in self.cells[node]}


def pairs_within(nodes: Nodes, rules: LinkRules) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    """Compare spellings within units.

    Returns
    -------
    pairs : DataFrame
        ``a, b`` (nodes), ``rule, score, least, decision, evidence, gap_years, n_shared_years``.
    apart : list of (int, int)
        Pairs whose names speak against one person, whoever is between them.
    """
    found: list[tuple[object, ...]] = []
    apart: list[tuple[int, int]] = []
    known: dict[tuple[str, str], Likeness | None] = {}
    for a, b in _candidates(nodes):
        one, other = nodes.names[a], nodes.names[b]
        ask = (one.key, other.key)
        if ask not in known:
            known[ask] = compare_names(one, other)
        alike = known[ask]
        if alike is not None and alike.contradicts and not _allowed(alike, rules):
            apart.append((a, b))
        if alike is not None:
            years = nodes.years(a), nodes.years(b)
            gap, shared = year_gap(*years), len(years[0] & years[1])
            at_once = len({year for _, year in nodes.cells[a] & nodes.cells[b]})
            if alike.score >= WEAK or alike.rule == "suffix" or gap == 1:
                decision, evidence = _decide(alike, gap, shared, at_once, rules)
                likeness = (alike.rule, alike.score, alike.least)
                found.append((a, b, *likeness, decision, evidence, gap, shared))
    return pd.DataFrame(found, columns=PAIR_COLUMNS), apart


def _decide(
    alike: Likeness, gap: int, shared: int, at_once: int, rules: LinkRules
) -> tuple[str, str]:
    """Return the decision on a pair of one unit, and what speaks for it."""
    if at_once:
        return NOT_LINKED, f"two holders of one post in {at_once} year(s)"
    if alike.score == 0.0:
        return NOT_LINKED, "the suffixes differ"
    when = "years follow one another" if gap == 1 else f"{gap} years apart"
    if shared:
        when = f"in other posts of the unit in {shared} year(s)"
    if alike.rule not in rules.linked:
        return QUESTION, f"{when}; the rule does not link"
    if not _allowed(alike, rules) and (alike.contradicts or alike.score < rules.min_score):
        return QUESTION, f"{when}; the names are not alike enough"
    if shared and alike.rule != "same_key":
        return QUESTION, when
    if gap > rules.max_gap_years and alike.rule not in AT_ANY_DISTANCE:
        return QUESTION, f"{when}, which is too long"
    return LINKED, when


def _allowed(alike: Likeness, rules: LinkRules) -> bool:
    """Tell whether the caller asked for a rule that never links by default."""
    return alike.rule in NEVER_BY_DEFAULT and alike.rule in rules.linked


def year_gap(one: set[int], other: set[int]) -> int:
    """Return the least distance between two sets of years."""
    return min(abs(x - y) for x in one for y in other)


def _candidates(nodes: Nodes) -> list[tuple[int, int]]:
    """Return pairs of nodes of one unit that share a word or both initials."""
    held = [(node, word) for node, name in enumerate(nodes.names) for word in _block_words(name)]
    frame = pd.DataFrame(held, columns=["node", "word"])
    frame["block"] = frame["word"] + " " + pd.Series(nodes.unit[frame["node"]]).astype("str")
    frame = frame[frame["block"].duplicated(keep=False)]
    both = frame.merge(frame, on="block", suffixes=("_a", "_b"))
    both = both[both["node_a"] < both["node_b"]].drop_duplicates(["node_a", "node_b"])
    both = both.sort_values(["node_a", "node_b"])
    return list(zip(both["node_a"].tolist(), both["node_b"].tolist(), strict=True))


def _block_words(name: PersonName) -> set[str]:
    words = {squeeze(name.family), *name.family.replace("-", " ").split(), squeeze(name.given)}
    words |= set(name.middle.split())
    initials = f"{name.given[:1]}.{name.family[:1]}"
    return {w for w in words if len(w) > 1} | {initials}


def pairs_across(nodes: Nodes, rules: LinkRules) -> pd.DataFrame:
    """Compare the same given and family name in several units of a group.

    Each spelling is paired with the one before it in time: this joins all, or asks about each.

    Returns
    -------
    DataFrame
        As `pairs_within` returns.
    """
    found: list[tuple[object, ...]] = []
    if rules.across_units:
        expected, size = _namesakes(nodes)
        for key, members in _same_names(nodes):
            found += _chain(nodes, members, expected[key], size[key[0]], rules)
    return pd.DataFrame(found, columns=PAIR_COLUMNS)


NameKey = tuple[int, str, str]


def _name_key(nodes: Nodes, node: int) -> NameKey:
    name = nodes.names[node]
    return int(nodes.group[node]), squeeze(name.given), squeeze(name.family)


def _namesakes(nodes: Nodes) -> tuple[dict[NameKey, float], dict[int, int]]:
    """Return the expected number of persons of each name, and the number of names of each group.

    The number of names in the group with the given name, times that with the family name, by
    that of all names. It is one or more for a name made of common parts, and 1 / n for a name
    neither part of which comes again.
    """
    keys = sorted({_name_key(nodes, node) for node in range(len(nodes.names))})
    frame = pd.DataFrame(keys, columns=["group", "given", "family"])
    size = frame.groupby("group")["family"].transform("size")
    given = frame.groupby(["group", "given"])["family"].transform("size")
    family = frame.groupby(["group", "family"])["given"].transform("size")
    expected = (given * family / size).tolist()
    sizes = dict(zip(frame["group"].tolist(), size.tolist(), strict=True))
    return dict(zip(keys, expected, strict=True)), sizes


def _same_names(nodes: Nodes) -> Iterable[tuple[NameKey, list[int]]]:
    """Return names that several units of a group have, with a full given name."""
    held: dict[NameKey, list[int]] = defaultdict(list)
    for node, name in enumerate(nodes.names):
        if len(squeeze(name.given)) > 1:
            held[_name_key(nodes, node)].append(node)
    for key, members in held.items():
        if len({int(nodes.unit[m]) for m in members}) > 1:
            yield key, members


def _chain(
    nodes: Nodes, members: list[int], expected: float, n_names: int, rules: LinkRules
) -> list[tuple[object, ...]]:
    """Pair each spelling of a name with one before it, and decide by rarity and by years."""
    marks = {m: (nodes.names[m].middle[:1], nodes.names[m].suffix) for m in members}
    several = any(len({mark[i] for mark in marks.values()} - {""}) > 1 for i in (0, 1))
    busy = _busy(nodes, members)
    years = {m: nodes.years(m) for m in members}
    order = sorted(members, key=lambda m: (min(years[m]), max(years[m]), nodes.names[m].key, m))
    solid: dict[object, int] = {}
    found: list[tuple[object, ...]] = []
    for i, node in enumerate(order):
        doubt = ""
        if expected > (rules.max_namesakes_at_once if node in busy else rules.max_namesakes):
            doubt = "; held in several units at once" if node in busy else "; too common a name"
        elif several and not any(marks[node]):
            doubt = "; namesakes with other middle names or suffixes"
        kind = _kind(nodes.names[node], expected <= rules.max_namesakes_at_once, several)
        before = solid.get(kind) if not doubt else None
        if not doubt:
            solid[kind] = node
        decision = LINKED if before is not None else QUESTION
        if before is None:
            others = (m for m in reversed(order[:i]) if nodes.unit[m] != nodes.unit[node])
            before = next(others, None)
        if before is None or nodes.unit[before] == nodes.unit[node]:
            continue
        alike = compare_names(nodes.names[before], nodes.names[node])
        if alike is None or alike.rule not in rules.linked:
            decision, doubt = QUESTION, doubt or "; the rule does not link"
        elif decision == QUESTION:
            doubt = doubt or "; middle names or suffixes differ"
        rule, score = (alike.rule, alike.score) if alike else ("same_key", 1.0)
        evidence = f"{expected:.3f} namesakes expected among {n_names} names{doubt}"
        gap, shared = year_gap(years[before], years[node]), len(years[before] & years[node])
        score = round(ACROSS * score * (1 - min(expected, 1.0)), 3)
        found.append((before, node, rule, score, score, decision, evidence, gap, shared))
    return found


def _kind(name: PersonName, rare: bool, several: bool) -> tuple[str, ...]:
    """Return what two spellings of a name must share: all of it, or less of a rare one."""
    if not rare:
        return (name.key,)
    return (name.middle[:1], name.suffix) if several else ("", name.suffix)


def _busy(nodes: Nodes, members: list[int]) -> set[int]:
    """Return the nodes of a name that another unit has in one of their years."""
    units: dict[int, set[int]] = defaultdict(set)
    for m in members:
        for year in nodes.years(m):
            units[year].add(int(nodes.unit[m]))
    return {m for m in members if any(len(units[year]) > 1 for year in nodes.years(m))}
