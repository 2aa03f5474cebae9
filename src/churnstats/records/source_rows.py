"""Which rows of the source each spell is made of, and what its titles were, year by year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnstats.core.calendar import CLOCK
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import count_up

# Whole numbers in as few bytes as they need: there is one for each row of the source.
SmallInts = NDArray[np.integer[Any]]
OF_SPELLS = ["unit_id", "role", "leader_id", "spell_id"]


@dataclass(frozen=True, eq=False)
class SourceRows:
    """The rows that spells are made of, as arrays of one length, spell by spell.

    Attributes
    ----------
    spell_id : Series
        Ids of the spells.
    n_rows : array of int
        How many rows each spell has.
    row : array of int
        Numbers of the rows in their source.
    first_year, last_year : array of int
        The school years that each row speaks for.
    title : array of int
        Places in ``titles``, -1 where a row has none. Where several rows of a spell speak for one
        year, the last one that has a title counts.
    titles : tuple of str
    source : array of int
        Places in ``names``.
    names : tuple of str
        What the sources are called, nothing where that is not known.
    """

    spell_id: pd.Series
    n_rows: SmallInts
    row: SmallInts
    first_year: SmallInts
    last_year: SmallInts
    title: SmallInts
    titles: tuple[str, ...]
    source: SmallInts
    names: tuple[str, ...] = ("",)

    def frame(self) -> pd.DataFrame:
        """Return one row a spell and row of its source: ``spell_id, source, source_row``."""
        spell = np.repeat(np.arange(self.n_rows.size), self.n_rows)
        names = pd.Series([name or None for name in self.names], dtype="str")
        return pd.DataFrame(
            {
                "spell_id": self.spell_id.take(spell).to_numpy(),
                "source": names.take(self.source).to_numpy(),
                "source_row": self.row.astype(np.int64),
            }
        ).astype({"spell_id": "str", "source": "str"})

    def texts(self, spell_id: pd.Series) -> pd.Series:
        """Return the rows of spells as text, ``"12-17, 20"``; of several sources, with their name.

        Parameters
        ----------
        spell_id : Series
            A spell that is not known has none.
        """
        place = pd.Index(self.spell_id).get_indexer(pd.Index(spell_id))
        known = np.flatnonzero(place >= 0)
        asked = place[known]
        first = np.cumsum(self.n_rows, dtype=np.int64) - self.n_rows
        spell, at = count_up(first[asked], self.n_rows[asked].astype(np.int64))
        made = _spans(spell, self.row[at].astype(np.int64))
        if len(self.names) > 1:
            name = pd.Series(self.names, dtype="str").take(self.source[first[asked]])
            made = (name.reset_index(drop=True) + ": " + made).where(name.ne("").to_numpy(), made)
        made.index = spell_id.index[known]
        return made.reindex(spell_id.index).astype("str")

    def title_years(self, spells: pd.DataFrame) -> tuple[IntArray, IntArray, IntArray]:
        """Return the school years that rows of spells speak for, and the title in each.

        Returns
        -------
        spell, year, title : arrays of int
            Position among the spells, school year, and place in ``titles``, -1 without one; sorted
            by the first two, each pair once.
        """
        place = pd.Index(spells["spell_id"]).get_indexer(pd.Index(self.spell_id))
        spell = np.repeat(place, self.n_rows)
        first, last = self.first_year.astype(np.int64), self.last_year.astype(np.int64)
        row, year = count_up(first, np.where(spell >= 0, np.maximum(last - first + 1, 0), 0))
        order = np.lexsort([self.title[row] >= 0, year, spell[row]])
        row, year = row[order], year[order]
        of = spell[row]
        counts = np.r_[(of[1:] != of[:-1]) | (year[1:] != year[:-1]), True][: of.size]
        return of[counts], year[counts], self.title[row[counts]].astype(np.int64)

    def yearly_titles(self, spells: pd.DataFrame) -> pd.DataFrame:
        """Return the titles of spells by school year; see `Tenures.titles`."""
        spell, year, title = self.title_years(spells)
        made = spells[OF_SPELLS].take(spell).reset_index(drop=True)
        titles = pd.Series([*self.titles, None], dtype="str").take(title % (len(self.titles) + 1))
        return made.assign(school_year_end=year, title=titles.to_numpy()).astype({"title": "str"})

    def named(self, name: str) -> SourceRows:
        """Return the rows with a name for their source, if it has none."""
        return replace(self, names=tuple(known or name for known in self.names))


def source_rows(
    spell_id: pd.Series,
    n_rows: IntArray,
    row: pd.Index,
    years: tuple[IntArray, IntArray],
    title: pd.Series,
    name: str,
) -> SourceRows:
    """Return which rows spells are made of, in little memory.

    Parameters
    ----------
    spell_id, n_rows
        One a spell.
    row, years, title
        One a row: its number, the first and last school year that it speaks for, its title.
    name : str
        What the source is called.
    """
    code: SmallInts = np.broadcast_to(np.int8(-1), len(row))
    titles: tuple[str, ...] = ()
    if title.notna().any():
        number, known = pd.factorize(title)
        code, titles = _small(number), tuple(known)
    first = _small(years[0])
    last = first if years[1] is years[0] else _small(years[1])
    none = np.broadcast_to(np.int8(0), len(row))
    return SourceRows(
        spell_id, _small(n_rows), _small(row.to_numpy()), first, last, code, titles, none, (name,)
    )


def years_touched(since: FloatArray, until: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the first and last school year of half-open stretches."""
    first, last = np.floor(since + CLOCK), np.ceil(until - CLOCK) - 1
    return first.astype(np.int64), last.astype(np.int64)


def combined_rows(parts: Sequence[SourceRows], names: Sequence[str]) -> SourceRows:
    """Return the rows of several sources; a source without a name has the one that is given."""
    parts = [part.named(name) for part, name in zip(parts, names, strict=True)]
    titles = np.cumsum([0, *(len(part.titles) for part in parts)])
    sources = np.cumsum([0, *(len(part.names) for part in parts)])
    title = [np.where(p.title < 0, -1, p.title + n) for p, n in zip(parts, titles, strict=False)]
    source = [p.source + n for p, n in zip(parts, sources, strict=False)]
    return SourceRows(
        pd.concat([p.spell_id for p in parts], ignore_index=True),
        np.concatenate([p.n_rows for p in parts]),
        np.concatenate([p.row for p in parts]),
        np.concatenate([p.first_year for p in parts]),
        np.concatenate([p.last_year for p in parts]),
        _small(np.concatenate(title)),
        tuple(t for p in parts for t in p.titles),
        _small(np.concatenate(source)),
        _told_apart([n for p in parts for n in p.names]),
    )


def _told_apart(names: list[str]) -> tuple[str, ...]:
    """Return names of which no two are alike."""
    return tuple(f"{n} ({i})" if names.count(n) > 1 else n for i, n in enumerate(names, start=1))


def _small(values: NDArray[Any]) -> SmallInts:
    """Return whole numbers in as few bytes as hold them."""
    low, high = values.min(initial=0), values.max(initial=0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def _spans(group: IntArray, number: IntArray) -> pd.Series:
    """Return the numbers of each group as text, stretches without a break by their ends."""
    order = np.lexsort([number, group])
    group, number = group[order], number[order]
    opens = (group[1:] != group[:-1]) | (number[1:] != number[:-1] + 1)
    at = np.flatnonzero(np.r_[True, opens][: group.size])
    first, last = number[at], number[np.r_[at[1:], group.size][: at.size] - 1]
    text = pd.Series(first).astype("str")
    longer = last > first
    text[longer] = text[longer] + "-" + pd.Series(last[longer]).astype("str").to_numpy()
    head = np.flatnonzero(np.r_[True, group[at][1:] != group[at][:-1]][: at.size])
    made = text.take(head).to_numpy(dtype=object, copy=True)
    end = np.r_[head[1:], at.size][: head.size]
    several = np.flatnonzero(end - head > 1)
    words = text.tolist() if several.size else []
    for i in several:
        made[i] = ", ".join(words[head[i] : end[i]])
    return pd.Series(made, dtype="str")
