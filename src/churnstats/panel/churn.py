"""Measures of churn by district and school year: how much changes, who with whom, what is lost.

Each measure is a small function on arrays with one row a district and one column a school year;
`churn_measures` counts, calls them and puts their columns side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.panel.levels import home_units
from churnstats.panel.stays import (
    NO,
    UNKNOWN,
    YES,
    LeaderYears,
    PostYears,
    SpellYears,
    leader_codes,
    leader_years,
    lost_sight,
    post_codes,
    post_holders,
    require_records,
    span,
    stays,
    years_touched,
)
from churnstats.records.roles import RoleFamilies
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

Measures = dict[str, FloatArray]


@dataclass(frozen=True)
class DistrictYears:
    """The grid of districts and school years that counts are made on.

    Parameters
    ----------
    homes : array
        Ids of the districts, sorted.
    first : int
        First school year.
    n_years : int
    """

    homes: np.ndarray
    first: int
    n_years: int

    def cells(self, home: IntArray, year: IntArray) -> IntArray:
        """Return the number of each row's district and year."""
        return home * self.n_years + (year - self.first)

    def total(self, cell: IntArray, values: FloatArray | BoolArray | None = None) -> FloatArray:
        """Return sums of values, or counts of rows, by district and year."""
        shape = (len(self.homes), self.n_years)
        counts = np.bincount(cell, weights=values, minlength=shape[0] * shape[1])
        return counts.astype(float, copy=False).reshape(shape)


@dataclass(frozen=True)
class Transitions:
    """Posts of a family by district and year, and what is known of their changes.

    Attributes
    ----------
    posts : array
        Posts under observation in the year.
    known, changed : arrays
        Of these, posts with a holder in this year and the one before; and with two different ones.
    known_next, changed_next : arrays
        The same for this year and the one after.
    """

    posts: FloatArray
    known: FloatArray
    changed: FloatArray
    known_next: FloatArray
    changed_next: FloatArray

    def __add__(self, other: Transitions) -> Transitions:
        """Return the sums of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Transitions(*(a + b for a, b in pairs))


def churn_measures(
    tenures: Tenures,
    *,
    units: Units | None = None,
    families: RoleFamilies | None = None,
    window: int = 3,
) -> pd.DataFrame:
    """Return measures of churn in all roles, by district and school year.

    Parameters
    ----------
    tenures : Tenures
        Spells of several roles; those of schools count for their district.
    units : Units, optional
        Says which district each school belongs to in each year. A school whose parent is not
        known, and every unit where no units are given, stands for itself.
    families : RoleFamilies, optional
        Which roles belong together, which family is the head and which are the middle level.
    window : int
        Years of moving windows: up to and with the row's year for `multi_role_churn` and
        `synchrony`, from the row's year on for `cascade`.

    Returns
    -------
    DataFrame
        One row a district and school year in which one of its posts is under observation:
        ``unit_id, school_year_end, n_posts``, then

        - for each family f: ``f_n_posts, f_turnover_lag_share, f_lag_coverage_share,
          f_turnover_lead_share, f_lead_coverage_share`` (`turnover_share`);
        - ``multi_role_churn_shares, multi_role_churn_sd, multi_role_churn_coverage_share``
          (`multi_role_churn`, `standardised`);
        - ``synchrony_share, synchrony_coverage_share`` (`synchrony`);
        - ``middle_stability_share, middle_stability_coverage_share, middle_tenure_years,
          middle_tenure_coverage_share`` (`middle_level`);
        - ``experience_stock_years, experience_n_left, experience_lost_years,
          experience_lost_share, experience_coverage_share`` (`experience_lost`);
        - ``cascade_n_exits, cascade_n_at_risk, cascade_n_expected, cascade_exit_rate,
          cascade_own_rate, cascade_excess_rate, cascade_coverage_share`` (`cascade`);
        - ``title_churn_share, title_coverage_share`` (`title_churn`).

        What can't be told is NaN; the share that it was told from stands beside it.

    Raises
    ------
    SpecError
        A window of less than one year.

    Examples
    --------
    >>> import churnstats as cs
    >>> sim = cs.datasets.simulate_districts(4, 8, n_schools=3, n_directors=2, seed=1)
    >>> tenures, units = cs.Tenures.from_spells(sim.tenures), cs.Units.from_frame(sim.units)
    >>> made = churn_measures(tenures, units=units)
    >>> made[["principal_turnover_lag_share", "cabinet_turnover_lag_share"]].head(3).round(2)
       principal_turnover_lag_share  cabinet_turnover_lag_share
    0                           NaN                         NaN
    1                           0.0                         0.0
    2                           0.0                         0.5
    """
    require_records(tenures, units)
    if not isinstance(window, (int, np.integer)) or window < 1:
        raise SpecError("window", f"a window of {window!r} years", how="a whole number, at least 1")
    families = families or RoleFamilies()
    spells, post = tenures.frame, post_codes(tenures.frame)
    leader = leader_codes(spells)
    posts = post_holders(spells, post, leader)
    first, n_years = span(posts.year)
    unit, names = pd.factorize(spells["unit_id"])
    home_of, homes = _homes(units, names, first, n_years)
    grid = DistrictYears(homes, first, n_years)
    # what is said of a post is that of any of its spells
    some = np.empty(int(post.max()) + 1, dtype=np.int64)
    some[post] = np.arange(post.size)
    cell = grid.cells(home_of[unit[some[posts.post]], posts.year - first], posts.year)
    family = families.of(spells["role"].take(some)).reset_index(drop=True)
    by_family = _transitions(grid, posts, cell, family)
    others = [v for name, v in by_family.items() if name != families.head]
    head = by_family.get(families.head, _nothing(grid))
    other = sum(others, _nothing(grid))
    changed, known = head_changes(head)
    seen = grid.total(cell)
    columns: Measures = {"n_posts": seen}
    for name, moves in by_family.items():
        columns |= {f"{name}_{k}": v for k, v in turnover_share(moves).items()}
    columns |= multi_role_churn(by_family, window)
    columns |= synchrony(changed, known, other, window)
    columns |= middle_level(grid, posts, cell, families.is_middle(family)[posts.post])
    row, year = years_touched(spells)
    home = home_of[unit[row], year - first]
    years = SpellYears(row, year, home, lost_sight(spells, post, row, year))
    columns |= experience_lost(grid, _in_districts(spells, leader, years))
    is_head = families.is_head(family)[post]
    in_posts = leader_years(spells, stays(spells, leader, post), years.of(~is_head[row]))
    at = grid.cells(in_posts.home, in_posts.year)
    exits, at_risk, leaders = (
        grid.total(at, mark) for mark in (in_posts.left & in_posts.known, in_posts.known, None)
    )
    columns |= cascade(changed, known, exits, at_risk, leaders, window)
    columns |= title_churn(grid, posts, cell, year_titles(tenures, posts))
    return _table(grid, seen, columns)


def _table(grid: DistrictYears, seen: FloatArray, columns: Measures) -> pd.DataFrame:
    """Return the rows of the grid in which anything was seen."""
    d, t = np.nonzero(seen)
    frame = pd.DataFrame({name: values[d, t] for name, values in columns.items()})
    frame.insert(0, "unit_id", pd.Series(grid.homes[d], dtype="str"))
    frame.insert(1, "school_year_end", grid.first + t)
    level = frame["multi_role_churn_shares"].to_numpy()
    at = frame.columns.get_loc("multi_role_churn_shares")
    frame.insert(int(str(at)) + 1, "multi_role_churn_sd", standardised(level))
    whole = [c for c in frame.columns if c == "n_posts" or c.endswith("_n_posts")]
    return frame.astype(dict.fromkeys(whole, "int64"))


def _nothing(grid: DistrictYears) -> Transitions:
    return Transitions(*(np.zeros((len(grid.homes), grid.n_years)) for _ in range(5)))


def _transitions(
    grid: DistrictYears, posts: PostYears, cell: IntArray, family: pd.Series
) -> dict[str, Transitions]:
    """Return the transitions of each family, by name."""
    code, names = pd.factorize(family, sort=True)
    of = code[posts.post]
    marks = (None, posts.lag != UNKNOWN, posts.lag == YES, posts.lead != UNKNOWN, posts.lead == YES)
    shape = (len(names), len(grid.homes), grid.n_years)
    place = of * (shape[1] * shape[2]) + cell
    sums = [
        np.bincount(place if m is None else place[m], minlength=np.prod(shape)).reshape(shape)
        for m in marks
    ]
    return {
        str(name): Transitions(*(s[i].astype(float) for s in sums)) for i, name in enumerate(names)
    }


def _homes(
    units: Units | None, names: pd.Index, first: int, n_years: int
) -> tuple[IntArray, np.ndarray]:
    """Return the code of each unit's district in each year, and the districts' ids, sorted."""
    every = np.arange(first, first + n_years)
    # between changes of units nobody moves
    moves: Iterable[int] = (
        [] if units is None else units.changes["school_year_end"].dropna().unique()
    )
    asked = np.union1d([first], [y for y in moves if first < y < first + n_years]).astype(np.int64)
    unit = pd.Series(names.repeat(asked.size), dtype="str")
    code, homes = pd.factorize(
        home_units(units, unit, pd.Series(np.tile(asked, len(names)))), sort=True
    )
    by_year = code.astype(np.int64).reshape(len(names), asked.size)
    return by_year[:, np.searchsorted(asked, every, side="right") - 1], homes.to_numpy(dtype=object)


def _in_districts(spells: pd.DataFrame, leader: IntArray, years: SpellYears) -> LeaderYears:
    """Return all leaders by stay in the district."""
    last_home = np.empty(len(spells), dtype=np.int64)
    last_home[years.row] = years.home
    return leader_years(spells, stays(spells, leader, last_home), years)


def trailing(values: FloatArray, window: int, outside: float = 0.0) -> FloatArray:
    """Return sums over each year and the ``window - 1`` before; years outside have one value."""
    n = values.shape[1]
    padded = np.concatenate([np.full((len(values), window - 1), outside), values], axis=1)
    return np.asarray(sum(padded[:, i : i + n] for i in range(window)), dtype=float)


def leading(values: FloatArray, window: int, outside: float = 0.0) -> FloatArray:
    """Return sums over each year and the ``window - 1`` after; years outside have one value."""
    return trailing(values[:, ::-1], window, outside)[:, ::-1]


def ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Return top over bottom, NaN where bottom is zero."""
    some = bottom > 0
    return np.where(some, top / np.where(some, bottom, 1.0), np.nan)


def turnover_share(moves: Transitions) -> Measures:
    """Return the share of a family's posts whose holder changed, by both datings.

    ``turnover_lag_share`` of year t is (posts whose holder of t is not that of t-1) / (posts with a
    holder in both); ``turnover_lead_share`` compares t with t+1. A post counts for the district of
    year t. Coverage is the share of the posts under observation in t that have a holder in both
    years.
    """
    return {
        "n_posts": moves.posts,
        "turnover_lag_share": ratio(moves.changed, moves.known),
        "lag_coverage_share": ratio(moves.known, moves.posts),
        "turnover_lead_share": ratio(moves.changed_next, moves.known_next),
        "lead_coverage_share": ratio(moves.known_next, moves.posts),
    }


def multi_role_churn(by_family: dict[str, Transitions], window: int) -> Measures:
    """Return the sum of turnover over roles and years: C(t) = sum over f, s of T(f, s).

    T(f, s) is ``turnover_lag_share`` of family f, s runs over t - window + 1 to t, and f over all
    families of the data. C lies between 0 and the number of families times the window. It is NaN
    unless every T is known; coverage is the share of them that are.
    """
    shares = [ratio(m.changed, m.known) for m in by_family.values()]
    known = np.asarray(sum(np.isfinite(s) for s in shares), dtype=float)
    total = np.asarray(sum(shares), dtype=float)
    return {
        "multi_role_churn_shares": trailing(total, window, np.nan),
        "multi_role_churn_coverage_share": trailing(known, window) / (len(shares) * window),
    }


def standardised(values: FloatArray) -> FloatArray:
    """Return (x - mean) / SD over all values that are known, SD with n - 1; NaN if SD is 0."""
    known = values[np.isfinite(values)]
    spread = known.std(ddof=1) if known.size > 1 else 0.0
    if not spread > 0:
        return np.full(values.shape, np.nan)
    return np.asarray((values - known.mean()) / spread)


def head_changes(head: Transitions) -> tuple[BoolArray, BoolArray]:
    """Return whether the head changed in a year, and whether that is known.

    With several head posts, one change is enough, and no change needs all of them to be known.
    """
    changed = head.changed > 0
    return changed, changed | ((head.posts > 0) & (head.known == head.posts))


def synchrony(changed: BoolArray, known: BoolArray, other: Transitions, window: int) -> Measures:
    """Return the share of changes in other roles that fall in a year of a change of the head.

    S(t) = sum of n(s) H(s) / sum of n(s), over s from t - window + 1 to t with known H(s); n(s) are
    changes of other posts (by ``turnover_lag``) and H(s) is 1 if the head changed. NaN without any
    change in another role. Coverage is the mean, over the window's years, of the share of other
    posts of which a change is known; it is 0 in a year in which H is not known.
    """
    together = trailing(np.where(changed, other.changed, 0.0), window)
    every = trailing(np.where(known, other.changed, 0.0), window)
    told = np.where(known, np.nan_to_num(ratio(other.known, other.posts)), 0.0)
    return {
        "synchrony_share": ratio(together, every),
        "synchrony_coverage_share": trailing(told, window) / window,
    }


def middle_level(grid: DistrictYears, posts: PostYears, cell: IntArray, own: BoolArray) -> Measures:
    """Return how many of the middle level stay, and how long they have been there.

    ``middle_stability_share`` of year t is (posts of middle families with the same holder in t-1
    and t) / (posts with a holder in both), each post with weight one.
    ``middle_tenure_years`` is the mean elapsed tenure in the post of their holders, at the end of
    year t (or of the spell, if that comes first), over those whose start is known. Coverage: the
    share of the middle posts under observation that each is told from.

    ``cell`` is the district and year of each post and year, and ``own`` marks middle families.
    """
    dated = own & np.isfinite(posts.tenure)
    n, n_dated = grid.total(cell[own]), grid.total(cell[dated])
    known = grid.total(cell[own & (posts.lag != UNKNOWN)])
    stayed = grid.total(cell[own & (posts.lag == NO)])
    return {
        "middle_stability_share": ratio(stayed, known),
        "middle_stability_coverage_share": ratio(known, n),
        "middle_tenure_years": ratio(grid.total(cell[dated], posts.tenure[dated]), n_dated),
        "middle_tenure_coverage_share": ratio(n_dated, n),
    }


def experience_lost(grid: DistrictYears, who: LeaderYears) -> Measures:
    """Return the years of local experience that leave the district with its leaders.

    Experience is the time since a leader's unbroken stay in the district began, in whatever posts:
    whoever goes from one post to another one there takes nothing away, and nobody counts twice.
    Whoever stops at the turn of the year leaves with the old year.

    - ``experience_stock_years`` of year t: sum of experience over leaders in post when t begins.
    - ``experience_n_left``: leaders who left the district in t.
    - ``experience_lost_years``: sum of their experience when they left.
    - ``experience_lost_share``: (experience, when t begins, of those of the stock who left in t) /
      (experience of the stock), over leaders whose start and whose leaving are known. It is 1 if
      all leave.

    The first is NaN if a start is not known; the second if a post was not seen to the end of the
    year, so that nobody knows who left; the third if either is. Coverage is the share of leaders
    in post when t begins that the share is told from.
    """
    cell = grid.cells(who.home, who.year)

    def total(mark: BoolArray, years: FloatArray | None = None) -> FloatArray:
        return grid.total(cell[mark], None if years is None else years[mark])

    dated = np.isfinite(who.began)
    began = np.where(dated, who.began, 0.0)
    so_far, at_exit = np.maximum(who.year - began, 0.0), who.stop - began
    told = who.at_start & dated & who.known
    unsure = total(~who.known) > 0
    undated = total(who.left & ~dated) > 0
    stock = total(who.at_start & dated, so_far)
    lost = total(who.left & dated, at_exit)
    return {
        "experience_stock_years": np.where(total(who.at_start & ~dated) > 0, np.nan, stock),
        "experience_n_left": np.where(unsure, np.nan, total(who.left)),
        "experience_lost_years": np.where(unsure | undated, np.nan, lost),
        "experience_lost_share": ratio(total(told & who.left, so_far), total(told, so_far)),
        "experience_coverage_share": ratio(total(told), total(who.at_start)),
    }


def cascade(
    changed: BoolArray,
    known: BoolArray,
    exits: FloatArray,
    at_risk: FloatArray,
    leaders: FloatArray,
    window: int,
) -> Measures:
    """Return exits in other roles after a change of the head, against the district's other years.

    For a year t in which the head changed: ``n_exits`` = sum of E(s) and ``n_at_risk`` = sum of
    R(s) over s from t to t + window - 1, ``exit_rate`` = n_exits / n_at_risk. R(s) are leaders in
    posts of other families that were seen to the end of s, E(s) those of them whose time in the
    post ended in s or at its end. ``own_rate`` = sum of E / sum of R over the district's quiet
    years: the head is known not to have changed in the year nor in the window - 1 before.
    ``n_expected`` = own_rate * n_at_risk, ``excess_rate`` = exit_rate - own_rate.

    NaN in years without a change of the head, and where a year of the window has no R. Coverage is
    the mean over the window's years of R over all leaders in posts of other families.
    """
    quiet = trailing((known & ~changed).astype(float), window) == window
    own = ratio(
        np.where(quiet, exits, 0.0).sum(axis=1, keepdims=True),
        np.where(quiet, at_risk, 0.0).sum(axis=1, keepdims=True),
    )
    whole = changed & (leading((at_risk > 0).astype(float), window) == window)
    n_exits = np.where(whole, leading(exits, window), np.nan)
    n_at_risk = np.where(whole, leading(at_risk, window), np.nan)
    told = leading(np.nan_to_num(ratio(at_risk, leaders)), window) / window
    rate = n_exits / n_at_risk
    return {
        "cascade_n_exits": n_exits,
        "cascade_n_at_risk": n_at_risk,
        "cascade_n_expected": own * n_at_risk,
        "cascade_exit_rate": rate,
        "cascade_own_rate": np.where(changed, own, np.nan),
        "cascade_excess_rate": rate - own,
        "cascade_coverage_share": np.where(changed, told, np.nan),
    }


def title_churn(grid: DistrictYears, posts: PostYears, cell: IntArray, title: IntArray) -> Measures:
    """Return the share of holders who stay but are called something else.

    (Posts with one holder in t-1 and t under two titles) / (posts with one holder in t-1 and t and
    a title in both). The title of a year is that of the holder's longest spell in it, and of
    several of one spell the last (`Tenures.titles`). Capital letters and spaces make no other
    title. Coverage is the share of the posts with one holder in both years that it is told from.

    ``title`` is the number of each post and year's title, -1 where there is none.
    """
    before = np.r_[title[:1], title[:-1]]
    stayed = posts.lag == NO
    told = stayed & (title >= 0) & (before >= 0)
    n_stayed, n_told = grid.total(cell[stayed]), grid.total(cell[told])
    return {
        "title_churn_share": ratio(grid.total(cell[told & (title != before)]), n_told),
        "title_coverage_share": ratio(n_told, n_stayed),
    }


def year_titles(tenures: Tenures, posts: PostYears) -> IntArray:
    """Return the number of the title under which each post was held in each year, or -1."""
    made_of = tenures.made_of
    spell, year, code = made_of.title_years(tenures.frame)
    names = pd.Series(made_of.titles, dtype="str").str.lower().str.split().str.join(" ")
    first, width = span(posts.year)
    inside = (year >= first) & (year < first + width)
    # sorted by spell and year; a last key that is none stands for what is not found
    key = np.r_[spell[inside] * width + (year[inside] - first), -1]
    number = np.r_[np.r_[pd.factorize(names)[0], -1][code[inside]], -1]
    asked = np.where(posts.spell < 0, -1, posts.spell * width + (posts.year - first))
    at = np.searchsorted(key[:-1], asked)
    return np.asarray(np.where(key[at] == asked, number[at], -1), dtype=np.int64)
