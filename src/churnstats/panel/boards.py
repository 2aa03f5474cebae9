"""Boards: when most of the seats have changed hands, or the majority its faction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.arrays import BooleanArray

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray
from churnstats.panel.levels import home_units
from churnstats.panel.stays import post_years, require_records
from churnstats.records.roles import RoleFamilies
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

KEY = ["unit_id", "school_year_end"]


def board_flips(
    tenures: Tenures,
    *,
    units: Units | None = None,
    families: RoleFamilies | None = None,
    years_back: int = 1,
    faction: str | None = None,
) -> pd.DataFrame:
    """Return boards by school year, and whether they flipped since a reference year.

    A seat is a role of its own, such as ``board_member_1``. The reference year of year t is
    t - ``years_back``, such as the last year before the latest election.

    Parameters
    ----------
    tenures : Tenures
        Spells that have board members among their roles.
    units : Units, optional
    families : RoleFamilies, optional
        Says which family is the board.
    years_back : int
    faction : str, optional
        Column of the tenures with the faction of each member, such as a party or slate.

    Returns
    -------
    DataFrame
        One row a board and school year: ``unit_id, school_year_end, n_seats`` (seats seen in the
        year, and those seen in the reference year and not in this one), ``n_new_members`` (seats
        held by whoever sat in no seat of the board in the reference year), ``n_unknown_seats``
        (seats not seen in one of the two years, unless their holder is known to have sat then),
        ``new_member_share``, ``is_flip``, and with factions ``majority_faction, is_faction_flip``.

        ``new_member_share`` is ``n_new_members`` over ``n_seats``, NaN if a seat is unknown. A
        board flipped if ``n_new_members`` are more than half of ``n_seats``. It did not if they
        would not be even with all unknown seats added; else nobody knows. A vacant seat is not
        new. By factions it flipped if one holds more than half of the seats that did not in the
        reference year; unknown where members without a faction could decide, or the reference
        year is not there.

    Raises
    ------
    SpecError
        No board members, no year back, no such column.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> seats = pd.DataFrame({
    ...     "unit_id": "1", "leader_id": ["a", "b", "c", "d", "e"],
    ...     "role": ["board_member_1", "board_member_2", "board_member_3", "board_member_1",
    ...              "board_member_2"],
    ...     "start": [2010, 2010, 2010, 2012, 2012], "stop": [2012, 2012, 2014, 2014, 2014]})
    >>> board_flips(cs.Tenures.from_spells(seats))["is_flip"].tolist()
    [<NA>, False, True, False]
    """
    require_records(tenures, units)
    if years_back < 1:
        raise SpecError("years_back", f"{years_back} years back", how="at least 1")
    spells = board_spells(tenures, families)
    if faction is not None and faction not in spells.columns:
        raise SpecError("faction", f"the tenures have no column '{faction}'")
    seats = post_years(spells)
    seats["unit_id"] = home_units(units, seats["unit_id"], seats["school_year_end"])
    made = _counts(seats, years_back)
    if faction is None:
        return made
    of = spells.set_index("spell_id")[faction]
    return made.merge(
        _factions(seats.assign(faction=seats["spell_id"].map(of)), years_back), on=KEY, how="left"
    )


def board_spells(tenures: Tenures, families: RoleFamilies | None) -> pd.DataFrame:
    """Return the spells of board members."""
    families = families or RoleFamilies()
    spells = tenures.frame
    spells = spells[families.of(spells["role"]).eq(families.board)].reset_index(drop=True)
    if spells.empty:
        raise SpecError("families", f"no role belongs to the board, '{families.board}'")
    return spells


def _counts(seats: pd.DataFrame, years_back: int) -> pd.DataFrame:
    """Return seats, new members and unknown seats of each board and year, and flips."""
    now = seats[[*KEY, "post", "leader_id"]]
    then = now.assign(school_year_end=now["school_year_end"] + years_back)
    sat = pd.MultiIndex.from_frame(then[[*KEY, "leader_id"]].dropna())
    seen = pd.MultiIndex.from_frame(then[[*KEY, "post"]])
    held = now["leader_id"].notna().to_numpy()
    fresh = held & ~pd.MultiIndex.from_frame(now[[*KEY, "leader_id"]]).isin(sat)
    compared = seen.isin(pd.MultiIndex.from_frame(now[[*KEY, "post"]]))
    before = pd.MultiIndex.from_frame(now[[*KEY, "post"]]).isin(seen)
    marks = now[KEY].assign(
        n_seats=1, n_new_members=fresh & before, n_unknown_seats=fresh & ~before
    )
    made = marks.groupby(KEY, sort=True).sum().astype("int64")
    missing = then.loc[~compared, KEY].value_counts().reindex(made.index, fill_value=0)
    made["n_seats"] += missing
    made["n_unknown_seats"] += missing
    known_year = made.index.isin(pd.MultiIndex.from_frame(then[KEY]))
    new, unknown, n = (made[c].to_numpy(dtype=float) for c in _COUNTED)
    unknown = np.where(known_year, unknown, n)
    made["new_member_share"] = np.where(unknown > 0, np.nan, new / n)
    made["is_flip"] = majority_changed(new, unknown, n)
    return made.reset_index()


_COUNTED = ("n_new_members", "n_unknown_seats", "n_seats")


def majority_changed(new: FloatArray, unknown: FloatArray, seats: FloatArray) -> BooleanArray:
    """Return whether new members hold more than half of the seats; missing if unknown decide."""
    return BooleanArray(2 * new > seats, (2 * new <= seats) & (2 * (new + unknown) > seats))


def _factions(seats: pd.DataFrame, years_back: int) -> pd.DataFrame:
    """Return the majority of each board and year, and whether it is another one's."""
    held = seats["leader_id"].notna()
    n = seats.groupby(KEY, sort=True).size()
    unknown = (held & seats["faction"].isna()).groupby([seats[c] for c in KEY]).sum()
    sizes = seats[held].groupby([*KEY, "faction"]).size()
    order = sizes.reset_index(name="size").sort_values("size", kind="stable")
    top = order.drop_duplicates(KEY, keep="last").set_index(KEY).reindex(n.index)
    size = top["size"].fillna(0).to_numpy(dtype=float)
    made = pd.DataFrame({"majority_faction": top["faction"].where(2 * size > n.to_numpy())})
    sure: BoolArray = (2 * size > n.to_numpy()) | (2 * (size + unknown.to_numpy()) <= n.to_numpy())
    made["is_sure"] = sure
    then = made.reset_index()
    then["school_year_end"] += years_back
    both = made.reset_index().merge(then, on=KEY, how="left", suffixes=("", "_before"))
    now, past = both["majority_faction"], both["majority_faction_before"]
    flip = pd.Series(now.notna() & (now != past), dtype="boolean")
    told = both["is_sure"] & both["is_sure_before"].eq(True)
    both["is_faction_flip"] = flip.where(told)
    return both[[*KEY, "majority_faction", "is_faction_flip"]]
