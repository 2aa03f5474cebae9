"""Every kind of planted defect is found by a public function, row by row, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.datasets.districts import NO_PROGRAMS, Defects, Recording, SimulatedDistricts
from churnstats.diagnostics.stale import find_stale_years
from churnstats.panel.turnover import turnover_by_group
from churnstats.records.people.links import link_people

POST = ["unit_id", "role"]
CELL = [*POST, "school_year_end"]
TOP = "superintendent"
SEEDS = (1, 2)
CLEAN: tuple[tuple[str, int], ...] = ()
TOGETHER = tuple(
    (dict.fromkeys(Defects().counts(), 3) | {"missing_year": 2, "placeholder": 9}).items()
)

Rows = set[Any]
Found = dict[str, Rows]


@cache
def simulated(seed: int, defects: tuple[tuple[str, int], ...]) -> SimulatedDistricts:
    """Return ten states of sixty districts, enough for a state's stale year to stand out."""
    return cs.datasets.simulate_districts(
        600,
        14,
        n_schools=1,
        n_directors=1,
        defects=dict(defects),
        seed=seed,
        programs=NO_PROGRAMS,
        recording=Recording(n_states=10),
    )


def log_of(sim: SimulatedDistricts, *defects: str) -> pd.DataFrame:
    log = sim.truth.defects
    return log[log["defect"].isin(defects)]


# --- what public functions find -------------------------------------------------------------------


def findings(read: Callable[[], cs.Tenures]) -> Found:
    """Return the numbers of rows by rule, of faults or else of issues."""
    try:
        rows = read().issues.rows()
    except cs.DataError as error:
        for fault in error.faults:
            assert fault.n_rows == len(fault.numbers)
        return {fault.rule: set(fault.numbers.tolist()) for fault in error.faults}
    assert not rows.duplicated().any()
    return {rule: set(group) for rule, group in rows.groupby("rule")["row"]}


def read_roster(roster: pd.DataFrame, units: pd.DataFrame) -> cs.Tenures:
    grouped = roster.assign(group_id=states(roster["unit_id"]))
    return cs.Tenures.from_roster(grouped, units=cs.Units.from_frame(units))


def states(unit_id: pd.Series) -> pd.Series:
    return unit_id.where(unit_id.str.len() != 6, "0" + unit_id).str[:2]


def in_roster(sim: SimulatedDistricts) -> Found:
    """Return findings by rows of the roster; leaders of several units by the years of a post."""
    roster = sim.roster
    found = findings(lambda: read_roster(roster, sim.units))
    if "leader_in_several_units" in found:
        spells = read_roster(roster, sim.units).frame
        shown = spells.iloc[[i - 1 for i in sorted(found["leader_in_several_units"])]]
        places = shown[[*POST, "leader_id", "start", "stop"]].itertuples(index=False, name=None)
        found["leader_in_several_units"] = set(places)
    return found


def in_spells(sim: SimulatedDistricts) -> Found:
    return findings(lambda: cs.Tenures.from_spells(sim.tenures))


def in_names(sim: SimulatedDistricts) -> Found:
    """Return rows of placeholders, and the pairs of spellings that are linked."""
    links = link_people(sim.roster, role="role")
    found = {rule: set(group) for rule, group in links.issues.rows().groupby("rule")["row"]}
    linked = links.ledger[links.ledger["decision"] == "linked"]
    return found | ({"linked": pairs(linked)} if len(linked) else {})


def pairs(ledger: pd.DataFrame) -> Rows:
    """Return the two units and names of each pair of spellings."""
    a, b = (zip(ledger[f"unit_id_{e}"], ledger[f"name_{e}"], strict=True) for e in "ab")
    return {frozenset(pair) for pair in zip(a, b, strict=True)}


def in_turnover(sim: SimulatedDistricts) -> Found:
    """Return stale state-years; rebounds must be the years that follow them."""
    groups = dict(zip(sim.roster["unit_id"], states(sim.roster["unit_id"]), strict=True))
    flagged = find_stale_years(turnover_by_group(sim.roster, role=TOP, groups=groups)).flagged()
    cells: Found = {
        flag: set(rows[["group", "school_year_end"]].itertuples(index=False, name=None))
        for flag, rows in flagged.groupby("flag")
    }
    after = {(state, year + 1) for state, year in cells.get("stale", set())}
    assert cells.pop("rebound", set()) <= after
    return cells


# --- what the log of planted defects lets expect --------------------------------------------------


def rows_at(sim: SimulatedDistricts, cells: pd.DataFrame, later: int = 0, nth: int = 0) -> Rows:
    """Return the numbers of the rows of cells, some years later; the first or nth of each."""
    numbers: dict[Any, list[int]] = {}
    for number, cell in enumerate(sim.roster[CELL].itertuples(index=False, name=None), start=1):
        numbers.setdefault(cell, []).append(number)
    wanted = cells[CELL].itertuples(index=False, name=None)
    return {numbers[unit, role, year + later][nth] for unit, role, year in wanted}


def added_rows(sim: SimulatedDistricts, defect: str) -> Rows:
    return rows_at(sim, log_of(sim, defect), nth=1)


def rows_after(sim: SimulatedDistricts, defect: str) -> Rows:
    return rows_at(sim, log_of(sim, defect), later=1)


def rows_of_lost_zeros(sim: SimulatedDistricts) -> Rows:
    short = set(log_of(sim, "id_lost_zero")["unit_id"].str[1:])
    return {n for n, unit in enumerate(sim.roster["unit_id"], start=1) if unit in short}


def returns(sim: SimulatedDistricts) -> Rows:
    """Return rows after one year of another holder, if the one before it is there again."""
    holder = sim.truth.roster.set_index(CELL)["leader_id"]
    replaced = log_of(sim, "return", "placeholder", "shared_leader")
    back = [
        holder.get((unit, role, year - 1)) is not None
        and holder.get((unit, role, year - 1)) == holder.get((unit, role, year + 1))
        for unit, role, year in replaced[CELL].itertuples(index=False, name=None)
    ]
    return rows_at(sim, replaced[back], later=1)


def shared(sim: SimulatedDistricts) -> Rows:
    """Return spells of leaders in two districts, and of placeholders in several in one year."""
    places: Rows = set()
    true = sim.truth.tenures
    for edit in log_of(sim, "shared_leader").itertuples():
        leader, year = edit.recorded_leader_id, float(edit.school_year_end)
        (own,) = true[(true["leader_id"] == leader) & (true["role"] == TOP)].itertuples()
        assert own.unit_id == edit.detail.removeprefix("from ")
        places.add((edit.unit_id, TOP, leader, year, year + 1))
        places.add((own.unit_id, TOP, leader, own.entry, own.stop))
    named = log_of(sim, "placeholder")
    again = named[named.duplicated(["recorded_leader_id", "school_year_end"], keep=False)]
    for edit in again.itertuples():
        year = float(edit.school_year_end)
        places.add((edit.unit_id, TOP, edit.recorded_leader_id, year, year + 1))
    return places


def one_person(sim: SimulatedDistricts) -> Rows:
    """Return the pairs of spellings of one person, in one district or in two."""
    names = dict(sim.truth.roster[["leader_id", "leader_name"]].itertuples(index=False, name=None))
    made: Rows = set()
    log = log_of(sim, "spelling")
    for i, edit in enumerate(log.itertuples()):
        (row,) = rows_at(sim, log.iloc[[i]])
        written = sim.roster["leader_name"].iloc[row - 1]
        made.add(frozenset({(edit.unit_id, names[edit.leader_id]), (edit.unit_id, written)}))
    for edit in log_of(sim, "shared_leader").itertuples():
        name, lender = names[edit.recorded_leader_id], edit.detail.removeprefix("from ")
        made.add(frozenset({(edit.unit_id, name), (lender, name)}))
    return made


def spell_rows(sim: SimulatedDistricts, spell_ids: pd.Series) -> Rows:
    ids = sim.tenures["spell_id"].tolist()
    return {ids.index(spell) + 1 for spell in spell_ids}


def stale_years(sim: SimulatedDistricts) -> Rows:
    log = log_of(sim, "stale_year")
    return set(zip(log["detail"], log["school_year_end"], strict=True))


@dataclass(frozen=True)
class Search:
    """Where a kind of defect is found, under which rules, and the rows that the log lets expect."""

    find: Callable[[SimulatedDistricts], Found]
    expected: dict[str, Callable[[SimulatedDistricts], Rows]]


SEARCHES = {
    "duplicate_row": Search(
        in_roster, {"duplicate_row": lambda sim: added_rows(sim, "duplicate_row")}
    ),
    "two_holders": Search(in_roster, {"two_holders": lambda sim: added_rows(sim, "two_holders")}),
    "id_lost_zero": Search(in_roster, {"unknown_unit": rows_of_lost_zeros}),
    "gap": Search(in_roster, {"gap": lambda sim: rows_after(sim, "gap")}),
    "missing_year": Search(
        in_roster, {"missing_snapshot": lambda sim: rows_after(sim, "missing_year")}
    ),
    "return": Search(in_roster, {"returning_leader": returns}),
    "shared_leader": Search(
        in_roster, {"leader_in_several_units": shared, "returning_leader": returns}
    ),
    "placeholder": Search(
        in_names, {"placeholder": lambda sim: rows_at(sim, log_of(sim, "placeholder"))}
    ),
    "spelling": Search(in_names, {"linked": one_person}),
    "stale_year": Search(in_turnover, {"stale": stale_years}),
    "reversed_dates": Search(
        in_spells,
        {"reversed_dates": lambda sim: spell_rows(sim, log_of(sim, "reversed_dates")["spell_id"])},
    ),
    "overlap": Search(
        in_spells,
        {
            "overlapping_spells": lambda sim: spell_rows(
                sim, log_of(sim, "overlap")["detail"].str.split().str[-1]
            )
        },
    ),
}
FINDERS = (in_roster, in_spells, in_names, in_turnover)
# What else a defect is: a placeholder within a spell, a person of two districts.
IMPLIED: dict[str, Search] = {
    "placeholder": Search(
        in_roster, {"returning_leader": returns, "leader_in_several_units": shared}
    ),
    "shared_leader": Search(in_names, {"linked": one_person}),
}


def expected(sim: SimulatedDistricts, search: Search) -> Found:
    """Return the rows by rule, for rules that must find any."""
    found = {rule: rows(sim) for rule, rows in search.expected.items()}
    return {rule: rows for rule, rows in found.items() if rows}


def together(sim: SimulatedDistricts, *defects: str) -> Found:
    return {r: rows for key in defects for r, rows in expected(sim, SEARCHES[key]).items()}


def test_every_kind_of_defect_is_searched_for() -> None:
    assert set(SEARCHES) == set(Defects().counts())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("find", FINDERS)
def test_nothing_is_found_in_clean_tables(
    find: Callable[[SimulatedDistricts], Found], seed: int
) -> None:
    assert find(simulated(seed, CLEAN)) == {}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("defect", SEARCHES)
def test_a_planted_defect_is_found_where_the_log_says(defect: str, n: int, seed: int) -> None:
    sim = simulated(seed, ((defect, n),))
    search = SEARCHES[defect]
    wanted = expected(sim, search)
    first = next(iter(search.expected))
    assert sim.truth.defects["number"].nunique() == n
    per_defect = {
        "missing_year": len(log_of(sim, "missing_year")),
        "id_lost_zero": len(log_of(sim, "id_lost_zero")),
        "shared_leader": 2 * n,
    }
    assert len(wanted[first]) == per_defect.get(defect, n)
    assert search.find(sim) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_no_question_about_persons_is_asked_because_of_defects(seed: int) -> None:
    sim = simulated(seed, TOGETHER)
    asked, known = (
        pairs(link_people(roster, role="role").questions)
        for roster in (sim.roster, sim.truth.roster)
    )
    assert asked <= known


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("defect", SEARCHES)
def test_a_planted_defect_is_found_nowhere_else(defect: str, seed: int) -> None:
    sim = simulated(seed, ((defect, 4),))
    for find in FINDERS:
        if find is not SEARCHES[defect].find:
            also = IMPLIED.get(defect)
            assert find(sim) == (expected(sim, also) if also and also.find is find else {})


def mended(sim: SimulatedDistricts) -> pd.DataFrame:
    """Return the roster without the faults that stop its reading; its index numbers the rows."""
    roster = sim.roster.set_index(pd.RangeIndex(1, len(sim.roster) + 1))
    short = roster["unit_id"].str.len() == 6
    roster["unit_id"] = roster["unit_id"].mask(short, "0" + roster["unit_id"])
    return roster[~roster.duplicated(CELL)]


@pytest.mark.parametrize("seed", SEEDS)
def test_defects_planted_together_are_all_found(seed: int) -> None:
    sim = simulated(seed, TOGETHER)
    counts = sim.truth.defects.groupby("defect")["number"].nunique()
    assert counts.to_dict() == dict(TOGETHER)
    faults = ("duplicate_row", "two_holders", "id_lost_zero")
    assert in_roster(sim) == together(sim, *faults)
    assert in_spells(sim) == together(sim, "reversed_dates", "overlap")
    assert in_names(sim) == together(sim, "spelling", "placeholder")
    assert in_turnover(sim) == together(sim, "stale_year")

    roster = mended(sim)
    tenures = read_roster(roster, sim.units)
    found = findings(lambda: tenures)
    number = dict(enumerate(roster.index, start=1))
    places = tenures.frame.iloc[[i - 1 for i in sorted(found.pop("leader_in_several_units"))]]
    places = places[[*POST, "leader_id", "start", "stop"]]
    assert set(places.itertuples(index=False, name=None)) == shared(sim)
    of_source = {rule: {number[row] for row in rows} for rule, rows in found.items()}
    assert of_source == together(sim, "gap", "missing_year", "return")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_year_without_groups_is_a_gap_of_each_post(seed: int) -> None:
    sim = simulated(seed, (("missing_year", 1),))
    found = findings(lambda: cs.Tenures.from_roster(sim.roster))
    assert found == {"gap": rows_after(sim, "missing_year")}


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_gaps_of_one_leader_can_be_bridged_and_others_not(seed: int) -> None:
    sim = simulated(seed, (("gap", 4), ("missing_year", 1)))
    rules = cs.RosterRules(max_gap_years=1)
    found = findings(lambda: cs.Tenures.from_roster(sim.roster, rules=rules))
    holder = sim.truth.roster.set_index(CELL)["leader_id"]
    removed = sim.truth.defects
    stays = [
        holder[unit, role, year - 1] == holder[unit, role, year + 1]
        for unit, role, year in removed[CELL].itertuples(index=False, name=None)
    ]
    assert found["gap_bridged"] == rows_at(sim, removed[stays], later=1)
    assert found["gap"] == rows_at(sim, removed[[not s for s in stays]], later=1)


def test_planted_returns_are_one_spell_or_a_question_by_rule() -> None:
    sim = simulated(1, (("return", 4),))
    rows = returns(sim)
    assert len(rows) == 4
    joined = cs.Tenures.from_roster(sim.roster, rules=cs.RosterRules(returns="one"))
    true = cs.Tenures.from_roster(sim.truth.roster)
    columns = [*POST, "leader_id", "start", "stop", "left_censored", "right_censored"]
    pd.testing.assert_frame_equal(joined.frame[columns], true.frame[columns])
    lost = dict(joined.ledger.steps[0].lost)
    assert lost == {"between two spells of a leader who returned": 4}
    ask = cs.RosterRules(returns="ask")
    assert findings(lambda: cs.Tenures.from_roster(sim.roster, rules=ask)) == {
        "returning_leader": rows
    }
