"""What the panel says of simulated districts is what happened in them.

Names, counts and flags must be equal, times to 5e-12 (a few units in the last place of a year such
as 2004).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.datasets.districts import ProgramRules, StaffRules
from simulation.true_districts import (
    FIRST,
    TYPES,
    Stay,
    World,
    day,
    holders_at,
    roles,
    simulated,
    true_events,
    true_tests,
    true_years,
)

WITHIN = 5e-12


def assert_equal(found: pd.DataFrame, rows: list[dict[str, Any]]) -> None:
    """Assert that the frame has these rows: equal, and times within 5e-12."""
    assert len(found) == len(rows)
    assert rows
    for name in rows[0]:
        have, want = found[name].tolist(), [row[name] for row in rows]
        blank = [v is None or v != v for v in want]
        assert pd.isna(found[name]).tolist() == blank, name
        pairs = [(h, w) for h, w, b in zip(have, want, blank, strict=True) if not b]
        if pairs and isinstance(pairs[0][1], float):
            assert max(abs(h - w) for h, w in pairs) <= WITHIN, name
        else:
            assert [h for h, _ in pairs] == [w for _, w in pairs], name


def tenures_of(world: World) -> cs.Tenures:
    return cs.Tenures.from_spells(world.sim.tenures)


def check_panels(world: World) -> None:
    """Check holders, shares, vacancies, turnover and events of every role."""
    tenures, units = tenures_of(world), world.units()
    for role in roles(world):
        panel = cs.Panel.build(tenures, role=role, units=units, test_date="04-15")
        assert_equal(panel.frame, true_years(world, role))
        assert_equal(panel.events, true_events(world, role))
        assert_equal(panel.frame, true_tests(world, role))


def check_exposure(world: World) -> None:
    """Check the share of each year of each stay, and the effects that the shares weigh."""
    panel = cs.Panel.build(tenures_of(world), role="superintendent")
    rows = [
        {
            "unit_id": unit,
            "leader_id": stay.leader,
            "school_year_end": year,
            "exposure_share": stay.share(year),
        }
        for unit, stays in world.of("superintendent").items()
        for stay in stays
        for year in world.years
        if stay.share(year) > 1e-9
    ]
    assert_equal(panel.exposure, rows)
    truth = world.sim.truth
    effect = truth.leaders.set_index("leader_id")["effect"]
    led = panel.exposure.assign(
        led=panel.exposure["exposure_share"] * panel.exposure["leader_id"].map(effect)
    )
    weighed = led.groupby(["unit_id", "school_year_end"])["led"].sum()
    known = truth.components.set_index(["unit_id", "school_year_end"])["leader_effect"]
    # a post that is empty when the window opens was left by somebody whom no record shows
    opened = {u: s[0].start for u, s in world.of("superintendent").items()}
    whole = [(u, y) for u, y in weighed.index if opened[u] <= y]
    assert len(whole) > 0.9 * len(weighed)
    np.testing.assert_allclose(weighed.loc[whole], known.loc[whole], rtol=0, atol=1e-11)


def check_against_simulators_own_events(world: World) -> None:
    """Check date, order and people of events against the simulation's own list."""
    panel = cs.Panel.build(tenures_of(world), role="superintendent")
    events = world.sim.truth.events.query("event_order > 0")
    events = events.rename(columns={"leader_id": "successor_id"})
    names = ["unit_id", "school_year_end", "event_order", "start", "predecessor_id", "successor_id"]
    assert_equal(panel.events, events[names].to_dict("records"))


def check_programs(world: World) -> None:
    """Check status, load and champions of programs, in each unit-year and in each risk row."""
    sim = world.sim
    programs = cs.Programs.from_frame(sim.programs)
    panel = cs.Panel.build(tenures_of(world), role="superintendent")
    portfolio = cs.program_portfolio(
        programs,
        panel,
        observed_units=sorted(world.of("superintendent")),
        observed_years=(world.years[0], world.years[-1]),
    ).frame
    records = sim.programs.to_dict("records")
    at_start = {year: holders_at(world, "superintendent", year) for year in world.years}
    wanted, risk = [], {}
    for unit in world.of("superintendent"):
        own = [p for p in records if p["unit_id"] == unit]
        before: set[str] = set()
        for year in world.years:
            active = [p for p in own if p["start"] <= year < p["stop"]]
            ended = [p["end_reason"] for p in active if p["stop"] == year + 1]
            named = {p["program_id"] for p in active}
            holder = at_start[year][unit]
            chief = None if holder is None else holder.leader
            asked = [p for p in active if p["sponsor_role"] == "superintendent"]
            # an empty post at the opening of the window is out of sight
            sighted = max(world.of("superintendent")[unit][0].start, FIRST) <= year
            known = asked if sighted else []
            ages = [year + 1 - p["start"] for p in active]
            either = named | before
            present = [float(p["sponsor_id"] == chief) for p in known]
            wanted.append(
                {
                    "unit_id": unit,
                    "school_year_end": year,
                    "n_active": len(active),
                    "n_adopted": sum(p["start"] == year for p in active),
                    "n_readopted": 0,
                    "n_completed": ended.count("completed"),
                    "n_abandoned": ended.count("abandoned"),
                    "n_partners": len(
                        {p["partner_id"] for p in active if p["partner_id"] == p["partner_id"]}
                    ),
                    "mean_age_years": float(np.mean(ages)) if ages else math.nan,
                    "overlap_jaccard": len(named & before) / len(either)
                    if either and year > FIRST
                    else math.nan,
                    "champion_present_share": float(np.mean(present)) if present else math.nan,
                    "n_champion_known": len(known),
                }
            )
            before = named
            for p in active:
                gone = math.nan if p not in known else float(p["sponsor_id"] != chief)
                risk[p["program_id"], year] = (chief if sighted else None, gone, len(active) - 1)
    assert_equal(portfolio, wanted)
    check_risk_rows(world, programs, panel, risk)


def check_risk_rows(
    world: World, programs: cs.Programs, panel: cs.Panel, risk: dict[tuple[str, int], Any]
) -> None:
    """Check each program's rows: champion, holder, load, changes since adoption."""
    rows = cs.program_rows(programs, panel).frame
    stays = world.of("superintendent")
    records = {p["program_id"]: p for p in world.sim.programs.to_dict("records")}
    wanted = []
    for name, year in zip(rows["program_id"], rows["school_year_end"], strict=True):
        p = records[name]
        chief, gone, others = risk.pop((name, year))
        line = stays[p["unit_id"]]
        now = next((s for s in line if s.start <= year < s.stop), None)
        watched = max(line[0].start, FIRST) <= p["start"]
        changes = [s.start for s in line[1:] if p["start"] < s.start <= year]
        last = p["stop"] == year + 1 and not p["right_censored"]
        wanted.append(
            {
                "program_id": name,
                "entry_years": float(year - p["start"]),
                "exit_years": float(year + 1 - p["start"]),
                "event": int(last),
                "end_reason": p["end_reason"] if last else None,
                "holder_id": chief,
                "champion_gone": gone,
                "years_since_change": math.nan if now is None else year - world.began(now),
                "n_changes": len(changes) if watched else None,
                "n_other_programs": others,
            }
        )
    assert not risk
    assert_equal(rows, wanted)


def check_boards(world: World) -> None:
    """Check flips of boards whose seats are the simulated posts of directors."""
    frame = world.sim.tenures.assign(
        role=world.sim.tenures["role"].str.replace("director", "board_member")
    )
    flips = cs.board_flips(cs.Tenures.from_spells(frame), years_back=2)
    seats = [world.of(role) for role in roles(world) if role.startswith("director")]
    wanted = []
    for unit in world.of("superintendent"):
        for year in world.years:
            now = {s.leader for seat in seats for s in seat[unit] if s.start <= year < s.stop}
            then = {s.leader for seat in seats for s in seat[unit] if s.start <= year - 2 < s.stop}
            new, told = len(now - then), year - 2 >= FIRST
            wanted.append(
                {
                    "unit_id": unit,
                    "school_year_end": year,
                    "n_seats": len(seats),
                    "n_new_members": new if told else 0,
                    "n_unknown_seats": 0 if told else len(seats),
                    "is_flip": 2 * new > len(seats) if told else None,
                }
            )
    assert_equal(flips, wanted)


def check_churn(world: World, window: int = 3) -> None:
    """Check turnover in each role, that of all roles together, and how far they are in step."""
    units = world.units()
    made = cs.churn_measures(tenures_of(world), units=units, window=window)
    family = {r: "cabinet" if r.startswith("director") else r for r in roles(world)}
    moves: dict[tuple[str, str, int], list[bool | None]] = {}
    for role in roles(world):
        for row in true_years(world, role):
            year = row["school_year_end"]
            key = (world.home(row["unit_id"], year), family[role], year)
            moves.setdefault(key, []).append(row["turnover_lag"])
    names = sorted(set(family.values()))

    def share(unit: str, name: str, year: int) -> float:
        told = [m for m in moves.get((unit, name, year), []) if m is not None]
        return sum(told) / len(told) if told else math.nan

    wanted = []
    for unit in world.of("superintendent"):
        for year in world.years:
            span = range(year - window + 1, year + 1)
            row: dict[str, Any] = {"unit_id": unit, "school_year_end": year}
            for name in names:
                row[f"{name}_turnover_lag_share"] = share(unit, name, year)
            row["multi_role_churn_shares"] = sum(share(unit, n, s) for n in names for s in span)
            others: dict[bool, int] = {True: 0, False: 0}
            for s in span:
                for head in moves.get((unit, "superintendent", s), []):
                    if head is not None:
                        others[head] += sum(
                            m is True
                            for n in names
                            if n != "superintendent"
                            for m in moves[unit, n, s]
                        )
            n_changes = sum(others.values())
            row["synchrony_share"] = others[True] / n_changes if n_changes else math.nan
            middle = [m for n in ("cabinet", "principal") for m in moves[unit, n, year]]
            told = [m for m in middle if m is not None]
            row["middle_stability_share"] = told.count(False) / len(told) if told else math.nan
            wanted.append(row)
    assert_equal(made, wanted)
    level = [
        r["multi_role_churn_shares"] for r in wanted if not math.isnan(r["multi_role_churn_shares"])
    ]
    mean = sum(level) / len(level)
    spread = math.sqrt(sum((x - mean) ** 2 for x in level) / (len(level) - 1))
    for row in wanted:
        row["multi_role_churn_sd"] = (row["multi_role_churn_shares"] - mean) / spread
    assert_equal(made, [{"multi_role_churn_sd": row["multi_role_churn_sd"]} for row in wanted])


def check_levels(world: World) -> None:
    """Check that each district's events reach its schools, and that schools' means roll up."""
    tenures, units = tenures_of(world), world.units()
    heads, schools = (cs.Panel.build(tenures, role=r) for r in ("superintendent", "principal"))
    reached = cs.district_events_on_schools(heads, schools, units).frame
    events = true_events(world, "superintendent")
    wanted = [
        {
            "unit_id": school,
            "school_year_end": event["school_year_end"],
            "start": event["start"],
            "successor_id": event["successor_id"],
        }
        for school in world.of("principal")
        for event in events
        if world.home(school, event["school_year_end"]) == event["unit_id"]
    ]
    order = ["unit_id", "school_year_end", "start"]
    assert_equal(reached, sorted(wanted, key=lambda row: [row[name] for name in order]))
    parts = world.sim.truth.components
    below = parts[parts["unit_id"].str.len() == 12]
    made = cs.roll_up(below, units, measures=["true_mean"]).frame
    cells = list(zip(below["unit_id"], below["school_year_end"], below["true_mean"], strict=True))
    means = []
    for unit in world.of("superintendent"):
        for year in world.years:
            some = [v for u, y, v in cells if world.home(u, y) == unit and y == year]
            means.append({"unit_id": unit, "true_mean_mean": sum(some) / len(some)})
    assert_equal(made, means)


def check_roster(world: World) -> None:
    """Check that a yearly roster without gaps gives back who was there at each snapshot."""
    tenures = cs.Tenures.from_roster(world.sim.roster)
    for role in roles(world):
        panel = cs.Panel.build(tenures, role=role)
        rows, events = [], []
        for unit, stays in world.of(role).items():
            found = [
                next(s.leader for s in stays if s.start <= year + 0.25 < s.stop)
                for year in world.years
            ]
            for i, year in enumerate(world.years):
                lag = None if i == 0 else found[i] != found[i - 1]
                rows.append({"unit_id": unit, "leader_id": found[i], "turnover_lag": lag})
                if lag:
                    people = {"predecessor_id": found[i - 1], "successor_id": found[i]}
                    events.append({"unit_id": unit, "school_year_end": year, **people})
        assert_equal(panel.frame, rows)
        assert_equal(panel.events, events)


def on_record(world: World, stay: Stay) -> tuple[float, float]:
    """Return start and stop as the records tell them: by these of two equals one comes first."""
    start = FIRST if math.isnan(world.began(stay)) else stay.start
    return start, min(stay.stop, world.end)


def shared_posts(world: World, fte: dict[str, float]) -> dict[str, list[Stay]]:
    """Return stays in posts that the superintendents of every two districts share."""
    districts = list(world.of("superintendent").items())
    posts = {}
    for (unit, first), (_, second) in zip(districts[::2], districts[1::2], strict=True):
        posts[unit] = sorted([*first, *second], key=lambda s: on_record(world, s))
        fte.update({s.leader: fte["first"] for s in first})
        fte.update({s.leader: fte["second"] for s in second})
    return posts


def pieces(world: World, stays: list[Stay], fte: dict[str, float]) -> list[tuple[Any, ...]]:
    """Cut time wherever anybody comes or goes: begin, end, who has which share, the principal."""
    cuts = {t for s in stays for t in (s.start, s.stop) if FIRST < t < world.end}
    cuts |= {float(year) for year in [*world.years, world.end]}
    made = []
    for begin, end in pairwise(sorted(cuts)):
        there = [s for s in stays if s.start <= begin and s.stop >= end]
        total = sum(fte[s.leader] for s in there)
        shares = {s.leader: fte[s.leader] / total for s in there}
        chief = min(there, key=lambda s: (-fte[s.leader], *on_record(world, s)), default=None)
        made.append((begin, end, shares, chief))
    return made


def true_handovers(world: World, cut: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the changes of the principal, from one piece with a principal to the next."""
    rows = []
    held = [piece for piece in cut if piece[3] is not None]
    for (_, end, _, before), (begin, _, _, after) in pairwise(held):
        if before is after:
            continue
        came, went = zip(*(on_record(world, s) for s in (before, after)), strict=True)
        overlap = (day(min(went)) - day(max(came))).days if min(went) > max(came) else 0
        rows.append(
            {
                "start": begin,
                "predecessor_id": before.leader,
                "successor_id": after.leader,
                "vacancy_years": begin - end,
                "overlap_days": overlap,
                "predecessor_tenure_years": end - world.began(before),
                "event_order": len(rows) + 1,
            }
        )
    return rows


def check_shared_posts(world: World, parts: tuple[float, float]) -> None:
    """Check shares, holders and changes of posts that two share, one piece of time by another."""
    fte = dict(zip(("first", "second"), parts, strict=True))
    posts = shared_posts(world, fte)
    home = {s.leader: unit for unit, stays in posts.items() for s in stays}
    frame = world.sim.tenures.query("role == 'superintendent'")
    frame = frame.assign(unit_id=frame["leader_id"].map(home), fte=frame["leader_id"].map(fte))
    panel = cs.Panel.build(cs.Tenures.from_spells(frame))
    years, led, events = [], [], []
    for unit, stays in posts.items():
        cut = pieces(world, stays, fte)
        opened = min(piece[0] for piece in cut if piece[2])
        for year in world.years:
            inside = [p for p in cut if year <= p[0] < year + 1 and p[0] >= opened]
            total: dict[str, float] = {}
            for begin, end, shares, _ in inside:
                for leader, share in shares.items():
                    total[leader] = total.get(leader, 0.0) + share * (end - begin)
            empty = sum((p[1] - p[0] for p in inside if not p[2]), 0.0)
            most = max(total.values(), default=0.0)
            names = [s.leader for s in stays if total.get(s.leader, 0.0) > most - 1e-9]
            none = not total or empty > most + 1e-9
            row = {"unit_id": unit, "school_year_end": year, "n_leaders": len(total)}
            row |= {"leader_id": None if none else names[0], "vacancy_share": empty}
            years.append(row | {"exposure_share": math.nan if none else most})
            led += [row | {"leader_id": k, "exposure_share": v} for k, v in sorted(total.items())]
        events += [{"unit_id": unit, **row} for row in true_handovers(world, cut)]
    assert_equal(panel.frame, years)
    by_leader = panel.exposure.groupby(["unit_id", "school_year_end", "leader_id"])
    names = ["unit_id", "school_year_end", "leader_id", "exposure_share"]
    found = by_leader["exposure_share"].sum().reset_index()
    assert_equal(found, [{name: row[name] for name in names} for row in led])
    assert_equal(panel.events, events)


CHECKS = (
    check_panels,
    check_exposure,
    check_against_simulators_own_events,
    check_programs,
    check_boards,
    check_churn,
    check_levels,
)


@pytest.fixture(scope="module", params=["known", "censored"])
def small(request: pytest.FixtureRequest) -> World:
    return simulated(10, 10, seed=22, left=request.param)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_the_panel_gives_back_what_happened(small: World, check: Any) -> None:
    check(small)


def test_the_small_districts_have_all_that_can_happen(small: World) -> None:
    events = pd.DataFrame(true_events(small, "superintendent"))
    years = pd.DataFrame(true_years(small, "superintendent"))
    assert set(events["successor_origin"]) == {"returning", "external", "unknown"}
    assert set(events["exit_reason"]) == set(TYPES)
    assert events["is_mid_year"].nunique() == 2
    assert events["is_summer"].nunique() == 2
    assert (events["vacancy_days"] > 0).any()
    assert years["leader_id"].isna().any()
    assert (years["n_leaders"] == 2).any()
    assert (years["observed_share"] < 1).any()


@pytest.mark.parametrize("check", CHECKS[:2] + CHECKS[3:], ids=lambda c: c.__name__)
def test_another_truth_is_noticed(check: Any) -> None:
    made = simulated(3, 8, seed=22)
    for role in roles(made):
        for stays in made.of(role).values():
            stays[-1].leader = stays[0].leader if len(stays) > 1 else "nobody"
    with pytest.raises((AssertionError, KeyError)):
        check(made)


def test_the_records_are_those_of_the_posts(small: World) -> None:
    frame = small.sim.tenures.sort_values(["unit_id", "role", "start"])
    stays = sorted(small.stays, key=lambda s: (s.unit, s.role, s.start))
    assert frame["leader_id"].tolist() == [s.leader for s in stays]
    assert frame["stop"].tolist() == [min(s.stop, small.end) for s in stays]


def test_a_roster_gives_back_who_was_there_at_each_snapshot() -> None:
    check_roster(simulated(12, 9, seed=5, staff=StaffRules(interim_share=0.2)))


@pytest.mark.parametrize("parts", [(0.6, 0.4), (0.5, 0.5)])
def test_shared_posts_have_the_shares_and_changes_that_pieces_of_time_add_up_to(
    parts: tuple[float, float],
) -> None:
    check_shared_posts(simulated(16, 9, seed=6, mover_share=0.0), parts)


def test_programs_that_end_with_their_champion_end_in_the_year_that_shows_it() -> None:
    doomed = ProgramRules(
        n_programs=6, hazard=1e-12, completion_hazard=0.0, log_hr_change=60.0, director_share=0.4
    )
    made = simulated(15, 10, seed=8, programs=doomed)
    programs, tenures = cs.Programs.from_frame(made.sim.programs), tenures_of(made)
    n_events = 0
    for role in ["superintendent", *(r for r in roles(made) if r.startswith("director"))]:
        rows = cs.program_rows(programs, cs.Panel.build(tenures, role=role)).frame
        known = rows[rows["champion_gone"].notna()]
        assert known["champion_gone"].tolist() == known["event"].tolist()
        n_events += int(known["event"].sum())
    assert n_events > 20


@pytest.mark.slow
@pytest.mark.parametrize("left", ["known", "censored"])
def test_the_panel_gives_back_what_happened_in_many_districts(left: str) -> None:
    made = simulated(150, 20, seed=11, left=left)
    for check in CHECKS:
        check(made)
    check_shared_posts(simulated(150, 20, seed=13, left=left, mover_share=0.0), (0.5, 0.5))
    check_roster(simulated(150, 20, seed=12, staff=StaffRules(interim_share=0.2)))
