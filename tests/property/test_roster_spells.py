"""Rosters to spells: every row accounted for, and the same spells as by slow and plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import churnstats as cs
from support import DRAWS

MANY = settings(DRAWS, max_examples=50)
POSTS = (("01", "head"), ("01", "aide"), ("1", "head"))
POST = ["unit_id", "role"]
REASONS = {
    "added to another row of the holder": "share_in_parts",
    "without a holder": "no_holder",
    "vacant": "vacant_post",
    "of another snapshot of the year": "several_snapshots",
    "with a smaller share of the post": "smaller_share",
    "between two spells of a leader who returned": "interruption",
}
ONE_HOLDER = ("skip", "empty", "vacant", "a", "a", "a", "b", "c")
SEVERAL = (
    "a .25 b .75", "a .75 b .25", "b .5 c .5", "a 1 b 1", "a .5 a .5", "c 1 a .25 a .25",
    "a 1 c 0", "a .5 b .5 c .5", "a - b -", "b .9 a .1", "c 1.5",
)  # fmt: skip


def cell_rows(cell: str) -> list[dict[str, Any]]:
    """Return the rows of one snapshot of a post: letters are holders, numbers their shares."""
    if cell == "skip":
        return []
    if cell in ("empty", "vacant"):
        return [{"leader_id": None, "fte": None, "vacant": cell == "vacant"}]
    words = cell.split()
    shares = words[1::2] or ["-"]
    return [
        {"leader_id": who, "fte": None if share == "-" else float(share), "vacant": False}
        for who, share in zip(words[::2], shares, strict=True)
    ]


@st.composite
def rosters(
    draw: st.DrawFn, cells: tuple[str, ...] = ONE_HOLDER, snapshots: bool = False
) -> pd.DataFrame:
    """Draw a roster of three posts with at least one holder, one or two snapshots a year."""
    moments = [[2010.25]] if snapshots else [[None]]
    rows = [
        row | {"unit_id": "01", "role": "head", "school_year_end": 2010, "snapshot": moments[0][0]}
        for row in cell_rows("a")
    ]
    for unit, role in POSTS:
        for year in range(2011, 2011 + draw(st.integers(0, 7))):
            taken = draw(st.sampled_from([[0.25], [0.25], [0.125, 0.75]])) if snapshots else [None]
            for moment in taken:
                place = {"unit_id": unit, "role": role, "school_year_end": year}
                place["snapshot"] = None if moment is None else year + moment
                rows += [row | place for row in cell_rows(draw(st.sampled_from(cells)))]
    frame = pd.DataFrame(rows).astype(dict.fromkeys((*POST, "leader_id"), "str"))
    return frame.astype({"fte": float, "snapshot": float})


RULES = st.builds(
    cs.RosterRules,
    max_gap_years=st.integers(0, 2),
    snapshots=st.sampled_from(["last", "first", "dated"]),
    co_leaders=st.sampled_from(["by_fte", "largest"]),
    returns=st.sampled_from(["two", "one"]),
    max_away_years=st.sampled_from([0.5, 1.0, 2.0]),
)
ANY = rosters(ONE_HOLDER + SEVERAL, snapshots=True)


def most_at_once(spells: pd.DataFrame) -> float:
    """Return the most that the shares of one post add up to."""
    return max(
        part.loc[(part["start"] <= t) & (t < part["stop"] - 1e-9), "fte"].sum()
        for _, part in spells.groupby(POST)
        for t in part["start"]
    )


# --- rows and shares ------------------------------------------------------------------------------


@MANY
@given(ANY, RULES)
def test_every_row_is_in_a_spell_or_listed_with_its_reason(
    frame: pd.DataFrame, rules: cs.RosterRules
) -> None:
    tenures = cs.Tenures.from_roster(frame, rules=rules)
    step = tenures.ledger.steps[0]
    lost = dict(step.lost)
    kept = int(tenures.frame["n_roster_rows"].sum())
    assert step.n_in == len(frame)
    assert kept + sum(lost.values()) == len(frame)
    rows = tenures.issues.rows()
    listed = rows[rows["rule"].isin(REASONS.values())]
    assert listed["row"].is_unique
    assert {reason: int((rows["rule"] == REASONS[reason]).sum()) for reason in lost} == lost
    assert set(listed["rule"]) == {REASONS[reason] for reason, n in lost.items() if n}


@MANY
@given(ANY, RULES)
def test_spells_of_a_post_overlap_only_where_shares_say_so(
    frame: pd.DataFrame, rules: cs.RosterRules
) -> None:
    spells = cs.Tenures.from_roster(frame, rules=rules).frame
    assert (spells["stop"] > spells["start"]).all()
    assert spells["fte"].between(0, 1).all()
    assert most_at_once(spells) <= 1.05 + 1e-9
    if rules.co_leaders == "largest":
        before = spells.groupby(POST)["stop"].shift()
        assert not (spells["start"] < before - 1e-9).any()


@MANY
@given(ANY, RULES, st.lists(st.sampled_from([None, "Head", "Acting Head"]), min_size=3, max_size=3))
def test_tenures_of_a_roster_are_valid_spells(
    frame: pd.DataFrame, rules: cs.RosterRules, titles: list[str | None]
) -> None:
    titled = frame.assign(title=[titles[i % len(titles)] for i in range(len(frame))])
    spells = cs.Tenures.from_roster(titled, rules=rules).frame
    assert_frame_equal(cs.Tenures.from_spells(spells).frame, spells)


@MANY
@given(rosters(ONE_HOLDER + SEVERAL))
def test_shares_of_a_handover_divide_the_year_and_nobody_with_a_share_is_left_out(
    frame: pd.DataFrame,
) -> None:
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    tenures = cs.Tenures.from_roster(frame, rules=cs.RosterRules(co_leaders="by_fte"))
    rows = tenures.issues.rows()
    handed, shared = (
        set(rows.loc[rows["rule"] == rule, "row"]) for rule in ("handover_in_year", "shared_post")
    )
    assert handed.isdisjoint(shared)
    for (unit, role, year), cell in frame.dropna(subset="leader_id").groupby(
        [*POST, "school_year_end"]
    ):
        post = tenures.frame[(tenures.frame[POST] == [unit, role]).all(axis=1)]
        inside = post.assign(
            time=post["stop"].clip(upper=year + 1) - post["start"].clip(lower=year)
        )
        held = inside[inside["time"] > 1e-9].groupby("leader_id")["time"].sum()
        share = cell.assign(fte=cell["fte"].fillna(1.0)).groupby("leader_id")["fte"].sum()
        assert set(share[share > 0].index) <= set(held.index)
        if handed & set(cell.index):
            wanted = share[share > 0] / share.sum()
        else:
            assert len(share) == 1 or set(cell.index) & shared
            wanted = pd.Series(1.0, index=share.index)
        np.testing.assert_allclose(held.sort_index(), wanted.sort_index(), atol=1e-9)


# --- what must not matter -------------------------------------------------------------------------


@MANY
@given(ANY, RULES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    frame: pd.DataFrame, rules: cs.RosterRules, random: Any
) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    one, other = (cs.Tenures.from_roster(f, rules=rules) for f in (frame, frame.iloc[order]))
    assert_frame_equal(one.frame, other.frame)
    assert_frame_equal(one.issues.frame(), other.issues.frame())
    assert one.ledger == other.ledger


@MANY
@given(ANY, RULES)
def test_names_of_units_and_leaders_do_not_matter(
    frame: pd.DataFrame, rules: cs.RosterRules
) -> None:
    new = {"01": "0A-3", "1": "x y"}
    other = frame.assign(unit_id=frame["unit_id"].map(new), leader_id="Q" + frame["leader_id"])
    one, two = (cs.Tenures.from_roster(f, rules=rules) for f in (frame, other))
    wanted = one.frame.assign(
        unit_id=one.frame["unit_id"].map(new), leader_id="Q" + one.frame["leader_id"]
    )
    number = one.frame["spell_id"].str.split("-").str[-1]
    wanted["spell_id"] = wanted["unit_id"] + "-" + wanted["role"] + "-" + number
    assert_frame_equal(two.frame, wanted)
    assert_frame_equal(one.issues.rows(), two.issues.rows())


@DRAWS
@given(ANY, st.sampled_from(["by_fte", "largest"]))
def test_a_longer_bridge_never_makes_more_spells(frame: pd.DataFrame, co_leaders: Any) -> None:
    counts = [
        cs.Tenures.from_roster(
            frame, rules=cs.RosterRules(max_gap_years=k, co_leaders=co_leaders)
        ).n_spells
        for k in range(4)
    ]
    assert counts == sorted(counts, reverse=True)


@DRAWS
@given(ANY, st.sampled_from(["by_fte", "largest"]), st.sampled_from([1.0, 2.0]))
def test_returns_as_one_spell_never_make_more_spells(
    frame: pd.DataFrame, co_leaders: Any, away: float
) -> None:
    two, one = (
        cs.Tenures.from_roster(
            frame, rules=cs.RosterRules(co_leaders=co_leaders, returns=r, max_away_years=away)
        )
        for r in ("two", "one")
    )
    n_returns = two.issues.count("returning_leader")
    assert one.issues.count("returning_leader") == n_returns
    assert one.n_spells == two.n_spells - 2 * n_returns


# --- there and back -------------------------------------------------------------------------------


def with_known_vacancies_only(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out vacancies that spells can't tell: those with no holder right before or after."""
    frame = frame.sort_values([*POST, "school_year_end"], kind="stable", ignore_index=True)
    known = frame[frame["leader_id"].notna() | frame["vacant"]]
    keep = set(frame.index[~frame["vacant"]])
    for _, post in known.groupby(POST):
        cells = post.drop_duplicates("school_year_end")
        stretch: list[int] = []
        before = None
        for row in cells.itertuples():
            follows = before is not None and row.school_year_end == before + 1
            if row.vacant:
                stretch = [*stretch, row.Index] if follows else []
                before = row.school_year_end if stretch else None
                continue
            keep |= set(stretch) if follows else set()
            stretch, before = [], row.school_year_end
    return frame.loc[sorted(keep)].reset_index(drop=True)


@MANY
@given(rosters())
def test_a_roster_of_spells_gives_the_spells_back(frame: pd.DataFrame) -> None:
    tenures = cs.Tenures.from_roster(with_known_vacancies_only(frame))
    again = cs.Tenures.from_roster(tenures.to_roster())
    assert_frame_equal(
        again.frame.drop(columns=["fte_reported", "n_roster_rows"]),
        tenures.frame.drop(columns="n_roster_rows"),
    )
    assert again.frame["n_roster_rows"].tolist() == tenures.frame["n_roster_rows"].tolist()


@MANY
@given(rosters((*ONE_HOLDER, "a .5 b .5", "a .25 b .5 c .25", "a 1 b 1", "b .9 c .1")))
def test_a_roster_of_shared_posts_gives_the_spells_back(frame: pd.DataFrame) -> None:
    rules = cs.RosterRules(co_leaders="by_fte")
    tenures = cs.Tenures.from_roster(with_known_vacancies_only(frame), rules=rules)
    if tenures.issues.count("handover_in_year"):
        return
    again = cs.Tenures.from_roster(tenures.to_roster(), rules=rules)
    columns = [c for c in tenures.frame if c != "fte_reported"]
    assert_frame_equal(again.frame[columns], tenures.frame[columns])


# --- the same by plain loops ----------------------------------------------------------------------


def plain_spells(frame: pd.DataFrame, max_gap_years: int) -> list[list[Any]]:
    """Return spells of single holders: one loop over posts, one over the years that were seen."""
    made: list[list[Any]] = []
    for (unit, role), post in frame.groupby(POST):
        seen: dict[int, str | None] = {}
        for row in post.itertuples():
            if isinstance(row.leader_id, str) or row.vacant:
                seen[row.school_year_end] = None if row.vacant else row.leader_id
        spells: list[list[Any]] = []
        last = None
        for year in sorted(seen):
            who = seen[year]
            stays = last is not None and seen[last] == who and year - last - 1 <= max_gap_years
            if who is not None and stays:
                spells[-1][1] = year
            elif who is not None:
                spells.append([year, year, who])
            last = year
        for first, final, who in spells:
            left, right = first - 1 not in seen, final + 1 not in seen
            before, after = [y for y in seen if y < first], [y for y in seen if y > final]
            made.append(
                [
                    unit, role, who, float(first), final + 1.0, left, right,
                    max(before) + 1.0 if left and before and seen[max(before)] != who else math.nan,
                    float(min(after)) if right and after and seen[min(after)] != who else math.nan,
                ]
            )  # fmt: skip
    return made


@MANY
@given(rosters(), st.integers(0, 3))
def test_plain_loops_find_the_same_spells(frame: pd.DataFrame, max_gap_years: int) -> None:
    found = cs.Tenures.from_roster(frame, rules=cs.RosterRules(max_gap_years=max_gap_years)).frame
    columns = [*POST, "leader_id", "start", "stop", "left_censored", "right_censored"]
    columns += ["start_earliest", "stop_latest"]
    wanted = pd.DataFrame(plain_spells(frame, max_gap_years), columns=columns)
    assert_frame_equal(found[columns], wanted.astype({"leader_id": "str"}), check_dtype=False)


# --- assignments ----------------------------------------------------------------------------------

STEP = 64  # rows lie on a grid of 64ths of a year, so that sums are exact
DAYS = 365.0


@st.composite
def assignments(draw: st.DrawFn) -> pd.DataFrame:
    """Draw rows of two units: those of one leader touch, overlap or leave breaks of some days."""
    rows = []
    for unit in ("1", "2")[: draw(st.integers(1, 2))]:
        clock = 2010 * STEP
        for _ in range(draw(st.integers(1, 4))):
            who, reach = draw(st.sampled_from("ab")), clock
            for _ in range(draw(st.integers(1, 3))):
                begin = reach + draw(st.sampled_from([0, 0, 1, 40, -9]))
                begin = max(begin, clock)
                stop = begin + draw(st.sampled_from([1, 16, 64, 200]))
                share = draw(st.sampled_from([0.5, 1.0, None]))
                rows.append((unit, who, begin / STEP, stop / STEP, share))
                reach = max(reach, stop)
            clock = reach + draw(st.sampled_from([0, 1, 30]))
    columns = ["unit_id", "leader_id", "start", "stop", "fte"]
    frame = pd.DataFrame(rows, columns=columns).astype({"fte": float})
    return frame.drop_duplicates(columns[:-1], ignore_index=True)


def plain_stretches(frame: pd.DataFrame, max_gap_years: float) -> list[list[Any]]:
    """Return unit, leader, start, stop, share and number of rows of each stretch."""
    made: list[list[Any]] = []
    for (unit, who), rows in frame.groupby(["unit_id", "leader_id"]):
        stretches: list[list[Any]] = []
        for row in sorted(rows.itertuples(), key=lambda r: r.start):
            if stretches and row.start - stretches[-1][1] <= max_gap_years:
                stretches[-1][1] = max(stretches[-1][1], row.stop)
                stretches[-1][2].append(row)
            else:
                stretches.append([row.start, row.stop, [row]])
        for start, stop, parts in stretches:
            grid = np.arange(start * STEP, stop * STEP) / STEP
            covered = [any(p.start <= t < p.stop for p in parts) for t in grid]
            time = sum((1.0 if np.isnan(p.fte) else p.fte) * (p.stop - p.start) for p in parts)
            made.append(
                [unit, who, start, stop, min(time / (sum(covered) / STEP), 1.0), len(parts)]
            )
    return sorted(made, key=lambda s: (s[0], s[2]))


COLUMNS = ["unit_id", "leader_id", "start", "stop", "fte", "n_assignments"]


@MANY
@given(assignments(), st.sampled_from([0.0, 1.0, 10.0, 400.0]))
def test_assignments_of_a_leader_that_touch_are_one_spell(frame: pd.DataFrame, days: float) -> None:
    if days > 300:
        frame = frame[frame["leader_id"] == "a"]
        if frame.empty:
            return
    rules = cs.AssignmentRules(max_gap_days=days)
    tenures = cs.Tenures.from_assignments(frame, role="head", rules=rules)
    wanted = pd.DataFrame(plain_stretches(frame, days / DAYS), columns=COLUMNS)
    assert_frame_equal(tenures.frame[COLUMNS], wanted, check_dtype=False)
    assert tenures.issues.count("joined_rows") == len(frame) - len(wanted)
    assert not tenures.frame["right_censored"].any()


@st.composite
def contracts(draw: st.DrawFn) -> pd.DataFrame:
    """Draw contracts that may run on when the next one begins; no two begin together."""
    begins = draw(st.lists(st.integers(0, 600), min_size=1, max_size=7, unique=True))
    rows = [
        (draw(st.sampled_from("abc")), 2010 + b / STEP, 2010 + (b + draw(LENGTHS)) / STEP)
        for b in begins
    ]
    return pd.DataFrame(rows, columns=["leader_id", "start", "stop"]).assign(unit_id="1")


LENGTHS = st.sampled_from([16, 64, 128, 300])


@MANY
@given(contracts())
def test_contracts_end_when_the_next_leader_begins(frame: pd.DataFrame) -> None:
    until = 2021.0
    tenures = cs.Tenures.from_assignments(
        frame, role="head", observed_until=until, rules=cs.AssignmentRules(ends="contract")
    )
    wanted: list[list[Any]] = []
    for row in sorted(frame.itertuples(), key=lambda r: r.start):
        stop, last = min(row.stop, until), wanted[-1] if wanted else None
        if last is not None and last[0] == row.leader_id and row.start - last[2] <= 1 / DAYS:
            last[2] = max(last[2], stop)
        else:
            if last is not None and last[2] < row.start:
                last[3:] = [True, row.start]
            elif last is not None:
                last[2] = row.start
            wanted.append([row.leader_id, row.start, stop, False, 0.0])
    wanted[-1][3] = True
    columns = ["leader_id", "start", "stop", "right_censored", "stop_latest"]
    found = tenures.frame[columns].fillna({"stop_latest": 0.0})
    assert found.to_numpy().tolist() == wanted
    late = int((frame["stop"] > until).sum())
    assert tenures.issues.count("contract_after_observation") == late
