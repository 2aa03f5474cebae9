"""Links to persons: joined spellings are one person, unless two of them can't be.

Where a chain of links joins two that can't be one person, the weakest links of the chain are cut.
Links of one strength are cut together, so that the outcome depends on no order of rows or units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from churnstats.core.types import BoolArray, FloatArray, IntArray

Pair = tuple[int, int]


class _Forest:
    """Sets that are joined; each goes by its smallest member."""

    def __init__(self, members: Iterable[int]) -> None:
        self.parent = {m: m for m in members}

    def find(self, member: int) -> int:
        root = member
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[member] != root:
            self.parent[member], member = root, self.parent[member]
        return root

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self.parent[high] = low


def persons(n: int, links: Iterable[Pair]) -> IntArray:
    """Return for each of n spellings the smallest number of those that links join it with."""
    forest = _Forest(range(n))
    for one, other in links:
        forest.join(one, other)
    return np.array([forest.find(i) for i in range(n)], dtype=np.int64)


def cut_conflicts(
    links: Sequence[Pair],
    strength: FloatArray,
    firm: Sequence[Pair],
    apart: Sequence[Pair],
    cells: Sequence[frozenset[Pair]],
) -> BoolArray:
    """Cut links until no person holds two that can't be one.

    Parameters
    ----------
    links : sequence of (int, int)
        Pairs of spellings that rules link.
    strength : array
        One a link.
    firm : sequence of (int, int)
        Links that are never cut.
    apart : sequence of (int, int)
        Pairs that can't be one person.
    cells : sequence of frozenset
        Post and year of each row of each spelling; two spellings of a person in one post and
        year are a conflict.

    Returns
    -------
    array of bool
        Which links stay.
    """
    n = len(cells)
    base = persons(n, firm)
    whole = persons(n, [*firm, *links])
    conflicts = {_sorted(base[a], base[b]) for a, b in apart if whole[a] == whole[b]}
    conflicts |= _shared_cells(base, whole, cells)
    conflicts = {pair for pair in conflicts if pair[0] != pair[1]}
    wrong = {int(whole[a]) for a, _ in conflicts}
    keep = np.ones(len(links), dtype=bool)
    held: dict[int, list[int]] = defaultdict(list)
    for i, (a, _) in enumerate(links):
        if int(whole[a]) in wrong:
            held[int(whole[a])].append(i)
    at: dict[int, list[Pair]] = defaultdict(list)
    for pair in conflicts:
        at[int(whole[pair[0]])].append(pair)
    for root, numbers in held.items():
        edges = {i: _sorted(base[links[i][0]], base[links[i][1]]) for i in numbers}
        for i in _cut_one(edges, strength, at[root]):
            keep[i] = False
    return keep


def _sorted(a: int | np.int64, b: int | np.int64) -> Pair:
    return (int(a), int(b)) if a < b else (int(b), int(a))


def _shared_cells(base: IntArray, whole: IntArray, cells: Sequence[frozenset[Pair]]) -> set[Pair]:
    """Return pairs of spellings that links join and that hold one post in one year."""
    size = np.bincount(whole, minlength=len(whole))
    holders: dict[tuple[int, Pair], set[int]] = defaultdict(set)
    for node in np.flatnonzero(size[whole] > 1).tolist():
        for cell in cells[node]:
            holders[int(whole[node]), cell].add(int(base[node]))
    return {pair for held in holders.values() for pair in combinations(sorted(held), 2)}


def _cut_one(edges: dict[int, Pair], strength: FloatArray, conflicts: list[Pair]) -> set[int]:
    """Return the links to cut among those of one conflicted person, strongest links first.

    What a cut has parted, no weaker link joins.
    """
    forest = _Forest({m for pair in [*edges.values(), *conflicts] for m in pair})
    cut: set[int] = set()
    for level_strength in sorted({float(strength[i]) for i in edges}, reverse=True):
        level = {i: pair for i, pair in edges.items() if strength[i] == level_strength}
        refused = _between_conflicts(forest, level, conflicts)
        cut |= refused
        conflicts = [*conflicts, *(level[i] for i in sorted(refused))]
        for i in level.keys() - refused:
            forest.join(*level[i])
    return cut


def _between_conflicts(forest: _Forest, level: dict[int, Pair], conflicts: list[Pair]) -> set[int]:
    """Return the links of one strength that lie between two ends of a conflict."""
    joined = {i: (forest.find(a), forest.find(b)) for i, (a, b) in level.items()}
    trial = _Forest({m for pair in joined.values() for m in pair})
    for pair in joined.values():
        trial.join(*pair)
    ends: set[int] = set()
    for a, b in conflicts:
        one, other = forest.find(a), forest.find(b)
        if one in trial.parent and other in trial.parent and trial.find(one) == trial.find(other):
            ends |= {one, other}
    wrong = {trial.find(end) for end in ends}
    left = {i: p for i, p in joined.items() if p[0] != p[1] and trial.find(p[0]) in wrong}
    while True:
        beside: dict[int, set[int]] = defaultdict(set)
        for a, b in left.values():
            beside[a].add(b)
            beside[b].add(a)
        leaves = {m for m, others in beside.items() if len(others) == 1} - ends
        if not leaves:
            return set(left)
        left = {i: p for i, p in left.items() if not leaves & set(p)}
