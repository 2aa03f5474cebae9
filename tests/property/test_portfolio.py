"""Portfolios against loops over programs, and rows that know nothing of what comes after."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.spatial.distance import braycurtis, jaccard

import churnstats as cs
from churnstats.core.calendar import CLOCK
from churnstats.panel.portfolio import Portfolio, program_portfolio
from churnstats.records.partnerships import Partnerships
from record_draws import PARTS, spell_frames
from support import DRAWS

KEY = ["unit_id", "school_year_end"]
FEW = settings(DRAWS, max_examples=8)
REASONS = ["completed", "dropped", "merged", None]


class World(NamedTuple):
    """Records that belong together, times on a grid of eighths of a year."""

    spells: pd.DataFrame
    programs: pd.DataFrame
    partnerships: pd.DataFrame
    spend: pd.DataFrame


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw spells of leaders and programs of their units, and of one unit without leaders."""
    spells = draw(spell_frames())
    programs, partnerships, spend = [], [], []
    for unit in ("01", "1", "Z"):
        for initiative in "ijk"[: draw(st.integers(0, 3))]:
            clock = draw(st.integers(2000 * PARTS, 2006 * PARTS))
            for _ in range(draw(st.integers(1, 3))):
                length = draw(st.sampled_from([1, 4, 8, 13, 24, 40]))
                programs.append(draw(_program(unit, initiative, clock, length, len(programs))))
                clock += length + draw(st.sampled_from([1, 3, 8, 17]))
            for year in draw(st.lists(st.integers(2000, 2008), unique=True, max_size=5)):
                amount = float(draw(st.sampled_from([0, 1, 2, 10])))
                spend.append((unit, initiative, year, amount))
        for partner in "uv"[: draw(st.integers(0, 2))]:
            start = draw(st.integers(2000 * PARTS, 2006 * PARTS)) / PARTS
            partnerships.append((f"w{len(partnerships)}", unit, partner, start, start + 1.5))
    if not programs:
        programs = [draw(_program("1", "i", 2001 * PARTS, 20, 0))]
    return World(
        spells,
        pd.DataFrame(programs),
        pd.DataFrame(
            partnerships or [("w", "Z", "u", 2001.0, 2002.0)],
            columns=["partnership_id", "unit_id", "partner_id", "start", "stop"],
        ),
        pd.DataFrame(
            spend or [("Z", "i", 2001, 1.0)],
            columns=["unit_id", "initiative_id", "school_year_end", "amount"],
        ),
    )


@st.composite
def _program(draw: st.DrawFn, unit: str, initiative: str, clock: int, length: int, n: int) -> Any:
    late = draw(st.sampled_from([0, 0, 1, 9]))
    practised = draw(st.sampled_from([None, 0, 3, 8, 30]))
    return {
        "program_id": f"p{n:02d}",
        "unit_id": unit,
        "initiative_id": initiative,
        "start": clock / PARTS,
        "stop": (clock + length) / PARTS,
        "entry": (clock + (late if late < length else 0)) / PARTS,
        "left_censored": draw(st.sampled_from([False, False, True])),
        "right_censored": draw(st.sampled_from([False, False, True])),
        "end_reason": draw(st.sampled_from(REASONS)),
        "sponsor_id": draw(st.sampled_from(["a", "b", "c", None])),
        "sponsor_role": draw(st.sampled_from(["head", "aide", None])),
        "partner_id": draw(st.sampled_from(["u", "x", None])),
        "practice_stop": None if practised is None else (clock + practised) / PARTS,
        "practice_right_censored": practised is not None and draw(st.booleans()),
    }


def cells(begin: float, end: float) -> set[int]:
    """Return the eighths of years that a stretch covers."""
    return set(range(round(begin * PARTS), round(end * PARTS)))


def in_year(found: set[int], year: int) -> bool:
    return not found.isdisjoint(range(year * PARTS, (year + 1) * PARTS))


def post_at(spells: pd.DataFrame, unit: str, time: float) -> tuple[bool, Any]:
    """Return whether one looked at a post at a time, and the spell that held it."""
    before: Any = None
    for spell in spells[spells["unit_id"] == unit].sort_values("start").itertuples():
        if spell.entry <= time < spell.stop:
            return True, spell
        if before is not None and before.stop <= time < spell.start:
            return not (before.right_censored or spell.left_censored), None
        before = spell
    return False, None


def present(spells: pd.DataFrame, program: Any, unit: str, time: float) -> float:
    """Return whether a program's sponsor holds the post, NaN if unknown."""
    observed, spell = post_at(spells, unit, time)
    if not observed or pd.isna(program.sponsor_id) or program.sponsor_role == "aide":
        return float("nan")
    return float(spell is not None and spell.leader_id == program.sponsor_id)


def may_run(own: list[Any], program: Any, years: tuple[int, int]) -> set[int]:
    """Return the eighths in which a program may have run unseen, next to one of its spells."""
    place = own.index(program)
    earlier = own[place - 1].stop if place else years[0]
    later = own[place + 1].entry if place + 1 < len(own) else years[1] + 1
    since = earlier if program.left_censored else program.start
    after = cells(program.stop, later) if program.right_censored else set()
    return {c for c in cells(since, program.entry) | after if c < (years[1] + 1) * PARTS}


def ratio(now: dict[str, float], before: dict[str, float]) -> float:
    """Return the sum of the lesser over that of the greater amounts."""
    names = {*now, *before}
    greater = sum(max(now.get(i, 0.0), before.get(i, 0.0)) for i in names)
    lesser = sum(min(now.get(i, 0.0), before.get(i, 0.0)) for i in names)
    return lesser / greater if greater else float("nan")


def naive(world: World, programs: pd.DataFrame, unit: str, year: int, years: Any) -> dict[str, Any]:
    """Return the row of a unit-year, from loops over the records."""
    own = list(programs[programs["unit_id"] == unit].sort_values("start").itertuples())
    ran = {p.program_id: cells(p.entry, p.stop) for p in own}
    done = {p.program_id: cells(p.entry, max(p.entry, p.practice_stop))
            for p in own if not pd.isna(p.practice_stop)}  # fmt: skip
    running = [p for p in own if in_year(ran[p.program_id], year)]
    practised = {p.initiative_id for p in own if in_year(done.get(p.program_id, set()), year)}
    last = {p.initiative_id: p for p in running}
    open_ = {i for i, p in last.items() if p.program_id not in done or p.practice_right_censored}
    spells_of: dict[str, list[Any]] = {}
    for p in own:
        spells_of.setdefault(p.initiative_id, []).append(p)
    unknown = {p.initiative_id for p in own
               if in_year(may_run(spells_of[p.initiative_id], p, years), year)}  # fmt: skip
    ages = [min(p.stop, year + 1) - p.start for p in last.values() if not p.left_censored]
    seen = [p for p in own if not p.left_censored and p.entry == p.start and p.start // 1 == year]
    ends = [p.end_reason for p in own if not p.right_censored and -(-p.stop // 1) - 1 == year]
    sets = [{p.initiative_id: 1.0 for p in own if in_year(ran[p.program_id], y)}
            for y in (year, year - 1)]  # fmt: skip
    money = [
        {m.initiative_id: m.amount for m in world.spend.itertuples()
         if m.unit_id == unit and m.school_year_end == y}
        for y in (year, year - 1)
    ]  # fmt: skip
    at_start = [p for p in own if year * PARTS in ran[p.program_id]]
    shares = [present(world.spells, p, unit, year) for p in at_start]
    shares = [s for s in shares if s == s]
    partners = {p.partner_id for p in running if not pd.isna(p.partner_id)}
    partners |= {w.partner_id for w in world.partnerships.itertuples()
                 if w.unit_id == unit and in_year(cells(w.start, w.stop), year)}  # fmt: skip
    nan = float("nan")
    return {
        "n_active": len(last),
        "n_unknown": len(unknown - set(last)),
        "n_practised": nan if last and len(open_ - practised) == len(last) else len(practised),
        "n_practice_unknown": len(open_ - practised),
        "n_partners": len(partners),
        "n_adopted": len(seen),
        "n_readopted": sum(p != spells_of[p.initiative_id][0] for p in seen),
        "n_completed": sum(r == "completed" for r in ends),
        "n_abandoned": sum(r in ("dropped", "merged") for r in ends),
        "n_ended_no_reason": sum(pd.isna(r) for r in ends),
        "mean_age_years": np.mean(ages) if ages else nan,
        "n_age_known": len(ages),
        "overlap_jaccard": ratio(*sets) if year > years[0] else nan,
        "overlap_spend": ratio(*money) if year > years[0] and all(money) else nan,
        "champion_present_share": np.mean(shares) if shares else nan,
        "n_champion_known": len(shares),
    }


def make(world: World, **options: Any) -> tuple[cs.Programs, Portfolio]:
    programs = cs.Programs.from_frame(world.programs)
    panel = cs.Panel.build(cs.Tenures.from_spells(world.spells))
    partnerships = Partnerships.from_frame(world.partnerships)
    made = program_portfolio(
        programs, panel, partnerships=partnerships, spend=world.spend, **options
    )
    return programs, made


@DRAWS
@given(worlds())
def test_every_column_is_what_loops_over_the_records_say(world: World) -> None:
    programs, made = make(world)
    table = programs.frame
    years = (int(table["entry"].min() // 1), int(-(-table["stop"].max() // 1)) - 1)
    assert made.frame.columns[:2].tolist() == KEY
    for row in made.frame.to_dict("records"):
        unit, year = row.pop("unit_id"), row.pop("school_year_end")
        if unit not in set(table["unit_id"]) or not years[0] <= year <= years[1]:
            assert pd.isna(list(row.values())).all()
            continue
        wanted = naive(world, table, unit, year, years)
        assert list(row) == list(wanted)
        found = [np.nan if pd.isna(v) else float(v) for v in row.values()]
        np.testing.assert_allclose(found, list(wanted.values()), atol=1e-9, err_msg=f"{row}")


def sums(made: Portfolio) -> pd.DataFrame:
    return made.frame.sort_values(KEY, ignore_index=True)


@FEW
@given(worlds(), st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(world: World, seed: int) -> None:
    mixed = World(*(t.sample(frac=1, random_state=seed) for t in world))
    assert_frame_equal(sums(make(mixed)[1]), sums(make(world)[1]))


@FEW
@given(worlds())
def test_another_unit_changes_nothing(world: World) -> None:
    spells = pd.concat([world.spells, world.spells.tail(1).assign(unit_id="other")])
    extra = world.programs.tail(1).assign(program_id="other", unit_id="other")
    wider = world._replace(spells=spells, programs=pd.concat([world.programs, extra]))
    both = sums(make(wider, observed_years=(2001, 2007))[1])
    plain = sums(make(world, observed_years=(2001, 2007))[1])
    assert_frame_equal(both[both["unit_id"] != "other"].reset_index(drop=True), plain)


@FEW
@given(worlds())
def test_a_calendar_moved_by_whole_years_moves_the_portfolio(world: World) -> None:
    moved = sums(make(World(*(shifted(t) for t in world)))[1])
    back = moved.assign(school_year_end=moved["school_year_end"] - 7)
    assert_frame_equal(back, sums(make(world)[1]))


def shifted(table: pd.DataFrame, years: int = 7) -> pd.DataFrame:
    times = ["start", "stop", "entry", "practice_stop", "school_year_end"]
    return table.assign(**{c: table[c] + years for c in times if c in table.columns})


@FEW
@given(worlds())
def test_what_comes_in_is_counted_or_left_out_for_a_reason(world: World) -> None:
    programs, made = make(world)
    steps = {s.name: s for s in made.ledger.steps}
    counted = steps["program-years in the panel"].n_out
    table = programs.frame
    here = set(map(tuple, made.frame[KEY].to_numpy()))
    years = [(p.unit_id, year) for p in table.itertuples() for year in range(1999, 2030)
             if in_year(cells(p.entry, p.stop), year)]  # fmt: skip
    assert counted == sum(key in here for key in years)
    assert made.reasons["n_programs"].sum() == (~table["right_censored"]).sum()
    known = set(made.frame.dropna(subset="n_active")["unit_id"])
    used = [m for m in world.spend.itertuples() if m.unit_id in known]
    first, last = table["entry"].min() // 1, -(-table["stop"].max() // 1) - 1
    used = [m for m in used if first <= m.school_year_end <= last]
    used = [m for m in used if {(m.unit_id, m.school_year_end + k) for k in (0, 1)} & here]
    assert steps["spend rows in the panel"].n_out == len(used)


AMOUNTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6)


@DRAWS
@given(AMOUNTS)
def test_overlap_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    before, now = np.array(pairs, dtype=float).T
    names = [f"i{k}" for k in range(len(pairs))]
    programs = [
        {"program_id": f"{name}-{year}", "unit_id": "1", "initiative_id": name, "start": year,
         "stop": year + 1}
        for name, pair in zip(names, pairs, strict=True)
        for year, amount in zip((2010, 2011), pair, strict=True)
        if amount
    ]  # fmt: skip
    programs.append({"program_id": "x", "unit_id": "2", "start": 2010, "stop": 2012})
    spend = pd.concat(
        pd.DataFrame({"initiative_id": names, "school_year_end": year, "amount": amount})
        for year, amount in ((2010, before), (2011, now))
    )
    leaders = pd.DataFrame({"unit_id": ["1", "2"], "role": "head", "leader_id": ["a", "b"],
                            "start": 2010, "stop": 2012})  # fmt: skip
    made = program_portfolio(
        cs.Programs.from_frame(pd.DataFrame(programs)),
        cs.Panel.build(cs.Tenures.from_spells(leaders)),
        spend=spend.assign(unit_id="1"),
        observed_units=["1"],
    )
    row = made.frame.set_index(KEY).loc[("1", 2011)]
    if not (before + now).any():
        assert row[["overlap_jaccard", "overlap_spend"]].isna().all()
        return
    distance = braycurtis(before, now)
    np.testing.assert_allclose(row["overlap_spend"], (1 - distance) / (1 + distance), atol=1e-12)
    np.testing.assert_allclose(row["overlap_jaccard"], 1 - jaccard(before > 0, now > 0))


LEADERS = ["holder_id", "champion_gone", "years_since_change", "elapsed_tenure_years", "n_changes"]
LEADERS += ["age_at_change_years"]
OTHERS = ["sponsor_id", "entry_years", "n_other_programs"]


def another_future(world: World, time: float, length: float) -> World:
    """Return a world that is the same up to a time: all ends, and all that begins, differ later.

    The records go on in it: somebody new begins in every post.
    """
    spells, programs = world.spells, world.programs
    lasts, runs = spells["stop"] > time, programs["stop"] > time
    cut = spells.assign(
        stop=spells["stop"].mask(lasts, time + length),
        right_censored=spells["right_censored"].mask(lasts, length > 1),
    )
    begin = time + length + 1
    new = spells.drop_duplicates("unit_id").assign(
        leader_id="new", start=begin, entry=begin, stop=begin + 1, left_censored=False
    )
    ended = programs.assign(
        stop=programs["stop"].mask(runs, time + length),
        right_censored=programs["right_censored"].mask(runs, length > 1),
        end_reason="other",
        practice_stop=None,
        practice_right_censored=False,
    )
    later = pd.concat([cut[cut["entry"] <= time], new], ignore_index=True)
    return world._replace(spells=later, programs=ended[ended["entry"] <= time])


def rows_from(world: World, time: float) -> pd.DataFrame:
    """Return the risk rows that begin at a time."""
    programs = cs.Programs.from_frame(world.programs)
    panel = cs.Panel.build(cs.Tenures.from_spells(world.spells))
    rows = cs.program_rows(programs, panel).frame.set_index("program_id")
    entry = programs.frame.set_index("program_id")["entry"]
    begin = np.maximum(rows["school_year_end"], entry.reindex(rows.index))
    return rows[(begin - time).abs() <= CLOCK].sort_index()


@DRAWS
@given(worlds(), st.integers(0, 1000), st.sampled_from([1 / PARTS, 0.5, 3.0]))
def test_what_comes_after_a_row_begins_does_not_change_what_it_says(
    world: World, pick: int, length: float
) -> None:
    entries = sorted({*world.programs["entry"], *(world.programs["entry"] // 1 + 1)})
    time = entries[pick % len(entries)]
    plain, other = (rows_from(w, time) for w in (world, another_future(world, time, length)))
    assert_frame_equal(other[OTHERS], plain[OTHERS])
    watched = [post_at(world.spells, unit, time)[0] for unit in plain["unit_id"]]
    assert_frame_equal(other.loc[watched, LEADERS], plain.loc[watched, LEADERS])
    unseen = plain[~np.array(watched, dtype=bool)]
    assert unseen[LEADERS].isna().all(axis=None)


@FEW
@given(worlds())
def test_rows_count_changes_and_other_programs_as_loops_do(world: World) -> None:
    programs = cs.Programs.from_frame(world.programs).frame
    panel = cs.Panel.build(cs.Tenures.from_spells(world.spells))
    table = programs.set_index("program_id")
    for row in cs.program_rows(cs.Programs.from_frame(world.programs), panel).frame.itertuples():
        own, unit = table.loc[row.program_id], row.unit_id
        begin = max(own["entry"], row.school_year_end)
        others = [p for p in programs.itertuples() if p.unit_id == unit
                  and p.program_id != row.program_id and p.entry <= begin < p.stop]  # fmt: skip
        assert row.n_other_programs == len(others)
        since = range(round(own["start"] * PARTS), round(begin * PARTS) + 1)
        states = [post_at(world.spells, unit, t / PARTS) for t in since]
        if own["left_censored"] or not all(observed for observed, _ in states):
            assert pd.isna(row.n_changes)
            assert np.isnan(row.age_at_change_years)
            continue
        changes = [e for e in handovers(world.spells, unit) if own["start"] < e[0] <= begin]
        assert row.n_changes == len(changes)
        age = changes[-1][0] - own["start"] if changes and changes[-1][1] else np.nan
        np.testing.assert_equal(row.age_at_change_years, age)


def handovers(spells: pd.DataFrame, unit: str) -> list[tuple[float, bool]]:
    """Return when somebody new begins, and whether that date is known."""
    own = list(spells[spells["unit_id"] == unit].sort_values("start").itertuples())
    return [
        (after.start, not (before.right_censored or after.left_censored))
        for before, after in pairwise(own)
        if before.leader_id != after.leader_id
    ]
