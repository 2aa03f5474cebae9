"""Defects of real records, planted into clean tables and written down.

Each planted defect has a district to itself, each defect of a whole state and year a state to
itself, so that a finding can be traced to one cause. In the roster:

spelling
    A person's name has another spelling, and another id, from some year of a spell to its end.
placeholder
    "NA NA" or its like holds the post for a year, under one id in all districts.
two_holders
    A second person stands in a unit-year.
stale_year
    A state's rows of a year are those of the year before, in all roles; superintendents changed.
missing_year
    A state has no rows in a year.
gap
    A district's superintendent is missing in a year, and known in the years around it.
return
    A stranger stands in the middle of a spell of three years or more: A-B-A.
duplicate_row
    A row stands twice.
id_lost_zero
    A district's id has lost its leading zero in all of its rows.
shared_leader
    The superintendent of another district stands in a unit-year.

In the tenures, superintendents only:

reversed_dates
    Start and stop are exchanged.
overlap
    A spell reaches into the next, by half a year or half of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, IntArray
from churnstats.datasets.districts.parameters import Defects
from churnstats.datasets.districts.tables import STRANGERS, person_names

GROUP_KEYS = ("missing_year", "stale_year")
RETURNERS = 30_000
LOG_TEXT = ("defect", "table", "action", "unit_id", "role")
LOG_IDS = ("leader_id", "recorded_leader_id", "spell_id", "detail")

Cell = str | float | int
Candidates = tuple[IntArray, IntArray]


@dataclass(frozen=True)
class Edit:
    """One row that a defect replaces, adds or removes.

    Parameters
    ----------
    defect : str
        Key of the defect.
    number : int
        Which of that key, from 1.
    table : {"roster", "tenures"}
    action : {"replace", "add", "remove"}
        A row is added after the row it is made from.
    row : int
        Place in the clean table.
    values : mapping of str to cell
        What differs from the clean row.
    detail : str
    true_leader : bool
        Whether the clean row's leader does hold the post in the year that the edit names.
    """

    defect: str
    number: int
    table: str
    action: str
    row: int
    values: Mapping[str, Cell] = field(default_factory=dict)
    detail: str = ""
    true_leader: bool = True


@dataclass(frozen=True)
class Board:
    """The clean tables, and where the superintendents' rows are.

    Parameters
    ----------
    roster, tenures : DataFrame
    districts : Index
        Their ids; cells have one row a district and one column a year.
    first_year : int
    row, leader : (n, T) arrays
        Place in the roster, and a code of the holder; -1 where there is no row.
    """

    roster: pd.DataFrame
    tenures: pd.DataFrame
    districts: pd.Index
    first_year: int
    row: IntArray
    leader: IntArray

    @classmethod
    def of(
        cls,
        roster: pd.DataFrame,
        tenures: pd.DataFrame,
        district_ids: Sequence[str],
        first_year: int,
        n_years: int,
    ) -> Board:
        """Lay the superintendents' rows out by district and year."""
        districts = pd.Index(district_ids)
        place = np.flatnonzero(roster["role"].to_numpy() == "superintendent")
        shown = roster.iloc[place]
        unit = districts.get_indexer(pd.Index(shown["unit_id"]))
        year = shown["school_year_end"].to_numpy() - first_year
        row, leader = (np.full((len(districts), n_years), -1, dtype=np.int64) for _ in range(2))
        row[unit, year] = place
        leader[unit, year] = pd.factorize(shown["leader_id"])[0]
        return cls(roster, tenures, districts, first_year, row, leader)

    @property
    def present(self) -> BoolArray:
        """Cells that have a row."""
        return self.row >= 0

    @property
    def known_around(self) -> BoolArray:
        """Cells with a row whose neighbours in time have one."""
        inside = np.zeros_like(self.present)
        shown = self.present
        inside[:, 1:-1] = shown[:, :-2] & shown[:, 1:-1] & shown[:, 2:]
        return inside

    @property
    def continues(self) -> BoolArray:
        """Cells whose holder is that of the year before."""
        same = np.zeros_like(self.present)
        same[:, 1:] = (self.leader[:, 1:] == self.leader[:, :-1]) & self.present[:, 1:]
        return same

    def superintendent_spells(self) -> tuple[IntArray, IntArray]:
        """Return the districts and the places in the tenures of superintendents' spells."""
        place = np.flatnonzero(self.tenures["role"].to_numpy() == "superintendent")
        return self.districts.get_indexer(pd.Index(self.tenures["unit_id"].iloc[place])), place


def _cells(mask: BoolArray) -> Candidates:
    unit, year = np.nonzero(mask)
    return unit, year


def _in_middle_of_spell(board: Board) -> Candidates:
    mask = board.continues
    mask[:, :-1] &= board.continues[:, 1:]
    mask[:, -1] = False
    return _cells(mask)


def _with_zero(board: Board) -> Candidates:
    zero = np.array([unit.startswith("0") for unit in board.districts])
    return _cells(board.present & zero[:, None])


def _ended_spells(board: Board) -> Candidates:
    unit, place = board.superintendent_spells()
    ended = ~board.tenures["right_censored"].to_numpy()[place]
    return unit[ended], place[ended]


def _followed_spells(board: Board) -> Candidates:
    unit, place = board.superintendent_spells()
    followed = np.append(unit[1:] == unit[:-1], np.zeros(min(unit.size, 1), dtype=bool))
    return unit[followed], place[followed]


# Scarcest first: each takes districts from those after it.
CANDIDATES: dict[str, Callable[[Board], Candidates]] = {
    "overlap": _followed_spells,
    "return": _in_middle_of_spell,
    "reversed_dates": _ended_spells,
    "spelling": lambda board: _cells(board.continues),
    "id_lost_zero": _with_zero,
    "gap": lambda board: _cells(board.known_around),
    "two_holders": lambda board: _cells(board.present),
    "placeholder": lambda board: _cells(board.present),
    "duplicate_row": lambda board: _cells(board.present),
    "shared_leader": lambda board: _cells(board.present),
}


def _variants(name: str) -> dict[str, str]:
    given, family = name.split(" ")
    accent = dict(zip("aeiou", "áéíóú", strict=True))[family[1]]
    garbled = family[0] + accent.encode().decode("latin-1") + family[2:]
    return {
        "initial": f"{given[0]}. {family}",
        "suffix": f"{given} {family} Jr.",
        "last_first": f"{family}, {given}",
        "stray_digit": f"{given} {family}2",
        "non_breaking_space": f"{given}\u00a0{family}",
        "mojibake": f"{given} {garbled}",
    }


def _stranger(number: int) -> dict[str, Cell]:
    (name,) = person_names(STRANGERS + number, 1)
    return {"leader_id": f"X{number:06d}", "leader_name": name}


def _spelling(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    leader = board.leader[unit]
    other = np.flatnonzero(leader[year:] != leader[year])
    end = year + int(other[0]) if other.size else leader.size
    first = board.roster.iloc[board.row[unit, year]]
    variants = _variants(first["leader_name"])
    kind = list(variants)[(number - 1) % len(variants)]
    values = {"leader_id": f"{first['leader_id']}-b", "leader_name": variants[kind]}
    rows = board.row[unit, year:end]
    return [Edit("spelling", number, "roster", "replace", int(r), values, kind) for r in rows]


def _placeholder(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    name = ("NA NA", "To Be Named", "Vacant")[(number - 1) % 3]
    values = {"leader_id": "X-" + name.lower().replace(" ", "-"), "leader_name": name}
    row = int(board.row[unit, year])
    return [Edit("placeholder", number, "roster", "replace", row, values, name)]


def _two_holders(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    row = int(board.row[unit, year])
    return [Edit("two_holders", number, "roster", "add", row, _stranger(number))]


def _return(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    row = int(board.row[unit, year])
    return [Edit("return", number, "roster", "replace", row, _stranger(RETURNERS + number))]


def _gap(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    return [Edit("gap", number, "roster", "remove", int(board.row[unit, year]))]


def _duplicate_row(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    return [Edit("duplicate_row", number, "roster", "add", int(board.row[unit, year]))]


def _id_lost_zero(board: Board, unit: int, year: int, number: int) -> list[Edit]:
    del year
    name = str(board.districts[unit])
    rows = np.flatnonzero(board.roster["unit_id"].to_numpy() == name)
    values = {"unit_id": name[1:]}
    return [Edit("id_lost_zero", number, "roster", "replace", int(r), values) for r in rows]


def _reversed_dates(board: Board, unit: int, place: int, number: int) -> list[Edit]:
    del unit
    spell = board.tenures.iloc[place]
    values = {"start": float(spell["stop"]), "stop": float(spell["start"])}
    return [Edit("reversed_dates", number, "tenures", "replace", place, values)]


def _overlap(board: Board, unit: int, place: int, number: int) -> list[Edit]:
    del unit
    following = board.tenures.iloc[place + 1]
    reach = min(0.5, (float(following["stop"]) - float(following["start"])) / 2)
    values = {"stop": float(following["start"]) + reach}
    detail = f"reaches {reach:.3g} years into {following['spell_id']}"
    return [Edit("overlap", number, "tenures", "replace", place, values, detail)]


PLANTERS: dict[str, Callable[[Board, int, int, int], list[Edit]]] = {
    "overlap": _overlap,
    "return": _return,
    "reversed_dates": _reversed_dates,
    "spelling": _spelling,
    "id_lost_zero": _id_lost_zero,
    "gap": _gap,
    "two_holders": _two_holders,
    "placeholder": _placeholder,
    "duplicate_row": _duplicate_row,
}


def _no_room(key: str, wanted: int, found: int, of: str) -> SpecError:
    what = f"no room for {wanted} defects '{key}': only {found} {of} can still take one"
    return SpecError("defects", what, how="plant fewer, or simulate more districts or years")


def _choose(
    key: str, candidates: Candidates, n: int, free: BoolArray, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Draw n candidates in different free units, and mark the units as taken."""
    unit, position = candidates
    shuffled = rng.permutation(np.flatnonzero(free[unit]))
    first = np.unique(unit[shuffled], return_index=True)[1]
    if first.size < n:
        raise _no_room(key, n, first.size, "districts")
    chosen = shuffled[np.sort(first)[:n]]
    free[unit[chosen]] = False
    return [(int(unit[i]), int(position[i])) for i in chosen]


def _share_leaders(
    board: Board, cells: list[tuple[int, int]], free: BoolArray, rng: np.random.Generator
) -> list[Edit]:
    edits = []
    for number, (unit, year) in enumerate(cells, start=1):
        lenders = np.flatnonzero(free & board.present[:, year])
        if lenders.size == 0:
            raise _no_room("shared_leader", len(cells), number - 1, "pairs of districts")
        lender = int(rng.choice(lenders))
        free[lender] = False
        row, source = int(board.row[unit, year]), board.roster.iloc[board.row[lender, year]]
        values = {k: str(source[k]) for k in ("leader_id", "leader_name")}
        detail = f"from {board.districts[lender]}"
        edits.append(Edit("shared_leader", number, "roster", "replace", row, values, detail))
    return edits


def _missing_year(board: Board, state: str, year: int, number: int) -> list[Edit]:
    rows = _state_year(board, state, year)
    return [Edit("missing_year", number, "roster", "remove", int(r), detail=state) for r in rows]


def _stale_year(board: Board, state: str, year: int, number: int) -> list[Edit]:
    """Make the year's rows those of the year before, post by post."""
    now, old = (_state_year(board, state, y) for y in (year, year - 1))
    post = pd.MultiIndex.from_frame(board.roster[["unit_id", "role"]])
    source = post[old].get_indexer(post[now])
    shown = board.roster[["leader_id", "leader_name"]].to_numpy(dtype=object)
    edits = []
    for row, at in zip(now, source, strict=True):
        if at < 0:
            edits.append(Edit("stale_year", number, "roster", "remove", int(row), detail=state))
            continue
        leader, name = shown[old[at]]
        values = {"leader_id": leader, "leader_name": name}
        edits.append(
            Edit("stale_year", number, "roster", "replace", int(row), values, detail=state)
        )
    when = {"school_year_end": year + board.first_year}
    for row in old[~post[old].isin(post[now])]:
        edits.append(Edit("stale_year", number, "roster", "add", int(row), when, state, False))
    return edits


def _state_year(board: Board, state: str, year: int) -> IntArray:
    in_year = board.roster["school_year_end"].to_numpy() == year + board.first_year
    in_state = board.roster["unit_id"].str.startswith(state).to_numpy(dtype=bool)
    return np.flatnonzero(in_year & in_state)


def _group_edits(
    board: Board, wanted: Mapping[str, int], free: BoolArray, rng: np.random.Generator
) -> list[Edit]:
    """Plant the defects of whole states and years, and take those states' districts."""
    codes, states = pd.factorize(board.districts.str[:2])
    change = board.present[:, 1:] & board.present[:, :-1] & ~board.continues[:, 1:]
    change = np.hstack([np.zeros((len(codes), 1), dtype=bool), change])
    interior = np.zeros_like(change)
    interior[:, 1:-1] = True
    masks = {"stale_year": change & interior, "missing_year": interior}
    planters = {"stale_year": _stale_year, "missing_year": _missing_year}
    edits: list[Edit] = []
    for key in GROUP_KEYS:
        able = np.array([masks[key][(codes == s) & free].any() for s in range(len(states))])
        if able.sum() < wanted[key]:
            raise _no_room(key, wanted[key], int(able.sum()), "states")
        chosen = rng.permutation(np.flatnonzero(able))[: wanted[key]]
        for number, state in enumerate(chosen, start=1):
            years = np.flatnonzero(masks[key][codes == state].any(axis=0))
            edits += planters[key](board, str(states[state]), int(rng.choice(years)), number)
            free[codes == state] = False
    return edits


def plan_defects(board: Board, defects: Defects, rng: np.random.Generator) -> list[Edit]:
    """Choose where the defects go and what each changes.

    Raises
    ------
    SpecError
        If there are not enough districts or states that can take them.
    """
    wanted = defects.counts()
    free = np.ones(len(board.districts), dtype=bool)
    edits = _group_edits(board, wanted, free, rng)
    for key, candidates in CANDIDATES.items():
        if not wanted[key]:
            continue
        chosen = _choose(key, candidates(board), wanted[key], free, rng)
        if key == "shared_leader":
            edits += _share_leaders(board, chosen, free, rng)
            continue
        for number, (unit, position) in enumerate(chosen, start=1):
            edits += PLANTERS[key](board, unit, position, number)
    return edits


def _with_values(rows: pd.DataFrame, places: Sequence[int], edits: Sequence[Edit]) -> pd.DataFrame:
    out = rows.copy()
    for column in dict.fromkeys(name for edit in edits for name in edit.values):
        cells = out[column].to_numpy(dtype=object).copy()
        for place, edit in zip(places, edits, strict=True):
            cells[place] = edit.values.get(column, cells[place])
        out[column] = pd.Series(cells, index=out.index).astype(rows[column].dtype)
    return out


def apply_edits(clean: pd.DataFrame, edits: Sequence[Edit]) -> pd.DataFrame:
    """Return a copy of the table with the edits; other rows keep their order and values."""
    replaced = [e for e in edits if e.action == "replace"]
    added = [e for e in edits if e.action == "add"]
    removed = [e.row for e in edits if e.action == "remove"]
    table = _with_values(clean, [e.row for e in replaced], replaced)
    extra = _with_values(clean.iloc[[e.row for e in added]], range(len(added)), added)
    place = np.concatenate([np.arange(len(clean)), [e.row for e in added]])
    order = np.argsort(place, kind="stable")
    kept = order[~np.isin(order, removed)]
    return pd.concat([table, extra]).iloc[kept].reset_index(drop=True)


def defects_log(board: Board, edits: Sequence[Edit]) -> pd.DataFrame:
    """Return one row an edit: the defect, its number, the row's keys, and who truly led."""
    clean = {"roster": board.roster, "tenures": board.tenures}
    records = []
    for e in edits:
        row = clean[e.table].iloc[e.row]
        year = e.values.get("school_year_end", row.get("school_year_end"))
        recorded = None if e.action == "remove" else e.values.get("leader_id", row["leader_id"])
        records.append(
            {
                "defect": e.defect,
                "number": e.number,
                "table": e.table,
                "action": e.action,
                "unit_id": row["unit_id"],
                "role": row["role"],
                "school_year_end": year,
                "leader_id": row["leader_id"] if e.true_leader else None,
                "recorded_leader_id": recorded,
                "spell_id": row.get("spell_id"),
                "detail": e.detail,
            }
        )
    types = {"number": "int64", "school_year_end": "Int64"}
    types |= dict.fromkeys((*LOG_TEXT, *LOG_IDS), "str")
    columns = [*LOG_TEXT[:1], "number", *LOG_TEXT[1:], "school_year_end", *LOG_IDS]
    return pd.DataFrame(records, columns=columns).astype(types)
