"""How much of each school year each spell covers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.extensions import take

from churnstats.core.calendar import CLOCK
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import count_up, encode_pairs
from churnstats.panel.events import missing_flags
from churnstats.panel.shares import parts, shared_units, stays_in_post
from churnstats.records.before_tests import BeforeTests

KEY = ["unit_id", "school_year_end"]
SHARES = ("exposure_share", "exposure_share_tested")


def exposures(spells: pd.DataFrame, tests: BeforeTests | None = None) -> pd.DataFrame:
    """Cut spells at the turns of school years.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.
    tests : BeforeTests, optional

    Returns
    -------
    DataFrame
        One row a spell and school year it touches while observed: ``unit_id, school_year_end,
        spell_id, leader_id, start, stop, left_censored, interim, first_seen, exposure_share``;
        ``start, stop, left_censored`` are those of the leader's unbroken time in the post,
        ``first_seen`` is the first moment of the spell seen in that year and ``exposure_share``
        the share of the year, divided by ``fte`` while several hold the post. With tests also
        ``exposure_share_tested``, the share of the stretch from the start of the year to its
        tests, NaN where there were none.
    """
    shared = shared_units(spells)
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    until = None if tests is None else _Until(tests, tests.rows(spells["unit_id"]))
    alone = np.flatnonzero(~shared)
    table = _by_year(entry[alone], stop[alone], alone, until=until)
    if shared.any():
        cut = parts(spells[shared])
        begin, end, share = (cut[c].to_numpy(dtype=float) for c in ("begin", "end", "share"))
        spell = np.flatnonzero(shared)[cut["spell"].to_numpy()]
        both = pd.concat([table, _by_year(begin, end, spell, share, until)])
        years = both.groupby(["spell", "school_year_end"], sort=True)
        sums = years[[c for c in SHARES if c in both.columns]].sum(min_count=1)
        table = pd.concat([years["first_seen"].min(), sums], axis=1).reset_index()
    stay, at = stays_in_post(spells), table["spell"].to_numpy()
    columns = ["unit_id", "spell_id", "leader_id", "interim"]
    made = spells[columns].take(at).reset_index(drop=True)
    for place, name in enumerate(("start", "stop", "left_censored"), start=3):
        made.insert(place, name, getattr(stay, name)[at])
    made.insert(1, "school_year_end", table["school_year_end"].to_numpy())
    names = ("first_seen", *SHARES)
    return made.assign(**{c: table[c].to_numpy() for c in names if c in table.columns})


class _Until(NamedTuple):
    """The tests, and the row of each spell or stretch among them."""

    tests: BeforeTests
    row: IntArray


def _by_year(
    begin: FloatArray,
    end: FloatArray,
    spell: IntArray,
    share: FloatArray | float = 1.0,
    until: _Until | None = None,
) -> pd.DataFrame:
    """Cut stretches at the turns of school years: spell, school_year_end, first_seen, shares."""
    first = np.floor(begin + CLOCK).astype(np.int64)
    count = np.ceil(end - CLOCK).astype(np.int64) - first
    row, year = count_up(first, count)
    seen = np.maximum(begin[row], year)
    part = np.broadcast_to(share, begin.shape)[row]
    made = pd.DataFrame(
        {
            "spell": spell[row],
            "school_year_end": year,
            "first_seen": seen,
            "exposure_share": part * (np.minimum(end[row], year + 1.0) - seen),
        }
    )
    if until is not None:
        tested = until.tests.time(until.row[spell[row]], year)
        made["exposure_share_tested"] = part * _share_before(tested, year, seen, end[row])
    return made


def _share_before(
    tested: FloatArray, year: IntArray, begin: FloatArray, end: FloatArray
) -> FloatArray:
    """Return which share of the stretch from the start of the year to its tests is covered."""
    return np.maximum(np.minimum(end, tested) - begin, 0.0) / (tested - year)


def observed_stretches(spells: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches of time over which each unit's post was under observation.

    Nobody looked between two spells if the earlier is right-censored or the later left-censored,
    nor between the start of a spell and its late entry. Other time between spells is a vacancy.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start.

    Returns
    -------
    DataFrame
        ``unit_id, first, last``, one row a stretch, in the order of the spells.
    """
    unit = spells["unit_id"].to_numpy()
    entry, stop = (spells[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    ended = ~spells["right_censored"].to_numpy(dtype=bool)
    began = ~spells["left_censored"].to_numpy(dtype=bool)
    opens = np.ones(len(spells), dtype=bool)
    seen_until = spells["start"].to_numpy(dtype=float, copy=True)
    lost = ~(ended[:-1] & began[1:])
    seen_until[1:][lost] = stop[:-1][lost]
    opens[1:] = (unit[1:] != unit[:-1]) | (entry[1:] > seen_until[1:] + CLOCK)
    at = np.flatnonzero(opens)
    last = np.r_[at[1:] - 1, len(spells) - 1]
    inside = np.r_[unit[at[1:]] == unit[at[:-1]], False]
    end = np.where(inside, seen_until[np.r_[at[1:], 0]], stop[last])
    return pd.DataFrame({"unit_id": unit[at], "first": entry[at], "last": end})


def holders(exposure: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit and school year under observation, with its holder.

    Parameters
    ----------
    exposure : DataFrame
        From `exposures`.
    observed : DataFrame
        From `observed_stretches`.

    Returns
    -------
    DataFrame
        ``unit_id, school_year_end, leader_id, spell_id, exposure_share, vacancy_share,
        observed_share, n_leaders, elapsed_tenure_years``. The holder is whoever led the
        largest share of the year, the earlier one of two equal ones (in that year, then in the
        post); there is none (missing) where the post stood empty for longer than anybody led.
        ``exposure_share`` is the holder's share, over all their spells of the year; ``spell_id``
        is the longest of these, and ``elapsed_tenure_years`` counts from the start of the holder's
        unbroken time in the post to the end of the year or of that time, and is NaN where the
        start is not known.
    """
    panel = unit_years(observed)
    n, place = len(panel), places(panel, exposure)
    share = exposure["exposure_share"].to_numpy(dtype=float)
    top, led, n_leaders = _top_rows(place, n, exposure)
    vacancy = panel["observed_share"].to_numpy() - np.bincount(place, share, minlength=n)
    vacancy = np.where(vacancy > CLOCK, vacancy, 0.0)
    top[vacancy > led + CLOCK] = -1
    held = top >= 0
    start, stop = (exposure[c].to_numpy(dtype=float)[top] for c in ("start", "stop"))
    unknown = ~held | exposure["left_censored"].to_numpy(dtype=bool)[top]
    tenure = np.minimum(stop, panel["school_year_end"].to_numpy() + 1.0) - start
    return panel[KEY].assign(
        leader_id=take(exposure["leader_id"].array, top, allow_fill=True),
        spell_id=take(exposure["spell_id"].array, top, allow_fill=True),
        exposure_share=np.where(held, led, np.nan),
        vacancy_share=vacancy,
        observed_share=panel["observed_share"],
        n_leaders=n_leaders,
        elapsed_tenure_years=np.where(unknown, np.nan, tenure),
    )


def _top_rows(
    place: IntArray, n: int, exposure: pd.DataFrame
) -> tuple[IntArray, FloatArray, IntArray]:
    """Return the row of each unit-year's holder's longest spell, -1 where nobody led.

    Beside it the share that the holder led over all spells, and the number of leaders.
    """
    share = exposure["exposure_share"].to_numpy(dtype=float)
    n_leaders = np.bincount(place, minlength=n)
    top, led = np.full(n, -1), np.zeros(n)
    alone = np.flatnonzero(n_leaders[place] == 1)
    top[place[alone]], led[place[alone]] = alone, share[alone]
    rows = np.flatnonzero(n_leaders[place] > 1)
    at = place[rows]
    pair, n_pairs = encode_pairs(at, pd.factorize(exposure["leader_id"].take(rows))[0])
    seen = exposure["first_seen"].to_numpy(dtype=float)[rows]
    first, by_leader = np.full(n_pairs, np.inf), np.bincount(pair, share[rows], minlength=n_pairs)
    np.minimum.at(first, pair, seen)
    begun = np.full(n_pairs, np.inf)
    np.minimum.at(begun, pair, exposure["start"].to_numpy(dtype=float)[rows])
    ranks = [seen, -share[rows].round(9), begun[pair], first[pair], -by_leader[pair].round(9), at]
    order = np.lexsort(ranks)
    best = order[np.r_[True, np.diff(at[order]) > 0][: order.size]]
    top[at[best]], led[at[best]] = rows[best], by_leader[pair[best]]
    _, one = np.unique(pair, return_index=True)
    several = np.bincount(at[one], minlength=n)
    return top, led, np.where(several > 0, several, n_leaders)


def unit_years(observed: pd.DataFrame, tests: BeforeTests | None = None) -> pd.DataFrame:
    """Return every school year that each unit was under observation in, and for what share.

    Parameters
    ----------
    observed : DataFrame
        From `observed_stretches`.
    tests : BeforeTests, optional

    Returns
    -------
    DataFrame
        ``unit_id, school_year_end, observed_share``, sorted; with tests also
        ``observed_share_tested``, NaN where there were none.
    """
    since, until = (observed[c].to_numpy(dtype=float) for c in ("first", "last"))
    first = np.floor(since + CLOCK).astype(np.int64)
    row, year = count_up(first, np.ceil(until - CLOCK).astype(np.int64) - first)
    begin, end = np.maximum(since[row], year), np.minimum(until[row], year + 1.0)
    parts = pd.DataFrame(
        {
            "unit_id": observed["unit_id"].to_numpy()[row],
            "school_year_end": year,
            "observed_share": end - begin,
        }
    )
    if tests is not None:
        tested = tests.time(tests.rows(parts["unit_id"]), year)
        parts["observed_share_tested"] = _share_before(tested, year, begin, end)
    return parts.groupby(KEY, sort=True).sum(min_count=1).reset_index()


def interim_columns(panel: pd.DataFrame, exposure: pd.DataFrame) -> pd.DataFrame:
    """Return who of the holders is interim, and how much of each year such leaders led.

    Parameters
    ----------
    panel, exposure : DataFrame
        From `holders` and `exposures`.

    Returns
    -------
    DataFrame
        ``is_interim`` of the holder's longest spell of the year, missing where there is no holder
        or nothing tells; ``interim_share`` of the year, NaN unless it is known of all who led.
    """
    place = places(panel, exposure)
    share = exposure["exposure_share"].to_numpy(dtype=float)
    interim = exposure["interim"].to_numpy(dtype=float, na_value=np.nan)
    unknown = np.isnan(interim) & (share > CLOCK)
    led = np.bincount(place, np.nan_to_num(interim) * share, minlength=len(panel))
    n_unknown = np.bincount(place, unknown, minlength=len(panel))
    own = missing_flags(len(panel))
    theirs = np.flatnonzero(exposure["spell_id"].array == panel["spell_id"].array.take(place))
    own[place[theirs]] = exposure["interim"].array[theirs]
    columns = {"is_interim": own, "interim_share": np.where(n_unknown > 0, np.nan, led)}
    return pd.DataFrame(columns, index=panel.index)


def columns_before_tests(
    panel: pd.DataFrame, exposure: pd.DataFrame, observed: pd.DataFrame, tests: BeforeTests
) -> pd.DataFrame:
    """Return who led the stretch of each year before its tests.

    Parameters
    ----------
    panel, exposure, observed : DataFrame
        From `holders`, `exposures` with tests, and `observed_stretches`.
    tests : BeforeTests

    Returns
    -------
    DataFrame
        ``exposure_share_tested``, the share of the stretch that the holder of the year led;
        ``tested_leader_id, tested_leader_share``, who led most of it, by the rules of the holder,
        and how much; ``vacancy_share_tested, observed_share_tested``. All but the last are
        missing where nothing of the stretch was under observation, the last too where there were
        no tests.
    """
    n, place = len(panel), places(panel, exposure)
    seen = unit_years(observed, tests)["observed_share_tested"].to_numpy(dtype=float)
    share = np.nan_to_num(exposure["exposure_share_tested"].to_numpy(dtype=float))
    leader, names = pd.factorize(exposure["leader_id"])
    pair, _ = encode_pairs(place, leader)
    _, at = np.unique(pair, return_index=True)
    by_leader, first = np.bincount(pair, share), np.full(at.size, np.inf)
    np.minimum.at(first, pair, exposure["first_seen"].to_numpy(dtype=float))
    place, leader = place[at], leader[at]
    order = np.lexsort([first, -by_leader.round(9), place])
    order = order[np.r_[True, place[order][1:] != place[order][:-1]][: order.size]]
    top, most = np.full(n, -1), np.zeros(n)
    top[place[order]], most[place[order]] = leader[order], by_leader[order]
    own = np.full(n, np.nan)
    holds = names.get_indexer(pd.Index(panel["leader_id"]))[place] == leader
    own[place[holds]] = by_leader[holds]
    known = seen > CLOCK
    vacancy = seen - np.bincount(place, by_leader, minlength=n)
    vacancy = np.where(vacancy > CLOCK, vacancy, 0.0)
    led = known & (most > CLOCK) & (vacancy <= most + CLOCK)
    who = pd.Series([*names, None], dtype="str").take(np.where(led, top, len(names)))
    columns = {
        "exposure_share_tested": np.where(known, own, np.nan),
        "tested_leader_id": who.to_numpy(),
        "tested_leader_share": np.where(led, most, np.nan),
        "vacancy_share_tested": np.where(known, vacancy, np.nan),
        "observed_share_tested": seen,
    }
    return pd.DataFrame(columns, index=panel.index).astype({"tested_leader_id": "str"})


def places(panel: pd.DataFrame, exposure: pd.DataFrame) -> IntArray:
    """Return the place in the panel, which is sorted, of each row of the exposure."""
    units = pd.Index(panel["unit_id"].unique())
    first, width = panel["school_year_end"].min(), np.ptp(panel["school_year_end"].to_numpy()) + 1

    def code(table: pd.DataFrame) -> IntArray:
        year = table["school_year_end"].to_numpy(dtype=np.int64) - first
        number, names = pd.factorize(table["unit_id"])
        return np.asarray(units.get_indexer(pd.Index(names))[number] * width + year)

    return np.searchsorted(code(panel), code(exposure))


def holders_by_year(panel: pd.DataFrame, exposure: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit, school year and holder, vacancy and unobserved time among them.

    See `Panel.holders_by_year`.
    """
    names = [c for c in SHARES if c in exposure.columns]
    led = exposure.groupby([*KEY, "leader_id"], sort=True)[names].sum(min_count=1).reset_index()
    parts = [led.assign(state="led")]
    for state, share in (("vacant", "vacancy_share"), ("unobserved", "observed_share")):
        values = {n: panel[share + n.removeprefix("exposure_share")] for n in names}
        if state == "unobserved":
            values = {name: 1.0 - value for name, value in values.items()}
        part = panel[KEY].assign(leader_id=None, state=state, **values)
        parts.append(part[(part[names] > CLOCK).any(axis=1)])
    made = pd.concat(parts, ignore_index=True).astype({"leader_id": "str"})
    made["state"] = pd.Categorical(made["state"], ["led", "vacant", "unobserved"])
    made = made.sort_values([*KEY, "state", "leader_id"], ignore_index=True)
    return made[[*KEY, "state", "leader_id", *names]]
