"""Name linking on real rosters: ten states against their authors' matches, Missouri, Indiana.

The rosters name people: nothing below shows a name, nor does a failing test.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from churnstats.panel.turnover import turnover_by_group
from churnstats.records.people.links import LinkRules, link_people, turnover_bounds
from churnstats.records.people.pairs import Nodes, pairs_within
from churnstats.records.people.spellings import nodes_of, read_roster, spellings_of

ROOT = Path(__file__).parents[2]
SUPERINTENDENTS = ROOT / ".." / "shared" / "data" / "superintendents"
BROAD_CENTER = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
MISSOURI = SUPERINTENDENTS / "missouri_superintendents_2003_2024.csv"
INDIANA = SUPERINTENDENTS / "indiana_superintendents_2012_2024.csv.gz"
pytestmark = pytest.mark.skipif(not BROAD_CENTER.exists(), reason="these rosters are not shipped")
COLUMNS = {"unit_id": "leaid", "school_year_end": "year", "group_id": "state"}
SHARES = [f"turnover_{b}_share" for b in ("as_written", "normalised", "linked", "plausible")]

NAMES = {"unit_id": "leaid", "name": "name_raw", "time": "year", "group": "state"}


class TenStates:
    """The roster, the links that are made in it, and the persons that its authors made."""

    def __init__(self) -> None:
        self.roster = pd.read_parquet(BROAD_CENTER).assign(
            name=lambda f: f["name_raw"].str.strip(), unit_id=lambda f: f["leaid"]
        )
        self.links = link_people(
            self.roster, unit="leaid", name="name_raw", time="year", group="state"
        )
        authors = self.roster.groupby(["unit_id", "name"]).agg(
            super_id=("super_id", "first"), n=("super_id", "nunique"), state=("state", "first")
        )
        assert (authors["n"] == 1).all()
        people = self.links.people.query("status == 'person'")
        self.people = people.join(authors, on=["unit_id", "name"]).set_index(["unit_id", "name"])

    def __repr__(self) -> str:
        return "ten states, whose names are not shown"

    def ledger(self) -> pd.DataFrame:
        """Return the ledger with whether the authors make the two one person."""
        made = self.links.ledger
        one, other = (
            self.people["super_id"]
            .reindex(pd.MultiIndex.from_frame(made[[f"unit_id_{end}", f"name_{end}"]]))
            .to_numpy()
            for end in ("a", "b")
        )
        return made.assign(agreed=one == other, within=made["unit_id_a"] == made["unit_id_b"])

    def nodes(self) -> tuple[Nodes, np.ndarray]:
        """Return what is linked, and the authors' person of each."""
        rows = read_roster(self.roster, NAMES).frame
        people, parsed = spellings_of(rows)
        nodes, _ = nodes_of(rows, people, parsed, [])
        where = pd.MultiIndex.from_frame(people.iloc[nodes.spelling][["unit_id", "name"]])
        return nodes, self.people["super_id"].reindex(where).to_numpy()


@pytest.fixture(scope="module")
def ten_states() -> TenStates:
    if not BROAD_CENTER.exists():
        pytest.skip("the roster of ten states is not here")
    return TenStates()


def table_script() -> ModuleType:
    path = ROOT / "scripts" / "name_linking_table.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Pairs of spellings that both we and the authors take for one person, only we, only they.
BY_PLACE = {"one district": [1609, 764, 6], "two districts": [4054, 495, 1424]}
BY_RULE = {
    ("one district", "hyphenated_family"): [0, 38, 0],
    ("one district", "initial"): [0, 24, 0],
    ("one district", "married"): [0, 1, 0],
    ("one district", "middle"): [121, 75, 5],
    ("one district", "nickname"): [0, 317, 0],
    ("one district", "order"): [0, 10, 0],
    ("one district", "same_key"): [1488, 221, 0],
    ("one district", "suffix"): [0, 36, 0],
    ("one district", "typo"): [0, 42, 1],
    ("two districts", "hyphenated_family"): [0, 178, 0],
    ("two districts", "initial"): [0, 6, 0],
    ("two districts", "middle"): [107, 26, 106],
    ("two districts", "nickname"): [0, 150, 0],
    ("two districts", "order"): [0, 5, 0],
    ("two districts", "same_key"): [3947, 102, 1318],
    ("two districts", "suffix"): [0, 17, 0],
    ("two districts", "typo"): [0, 11, 0],
}


def test_the_table_of_pairs_in_the_methods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The authors match cleaned names only: nicknames, initials and typing errors they part."""
    script, written = table_script(), tmp_path / "pairs.csv"
    assert script.main([str(BROAD_CENTER), "--pairs", str(written)]) == 0
    printed = capsys.readouterr().out
    pairs = script.measure(pd.read_parquet(BROAD_CENTER))
    counts = ["both", "ours only", "theirs only"]
    by_place = script.table(pairs, ["place"]).set_index("place")
    assert by_place[counts].T.to_dict("list") == BY_PLACE
    assert by_place["precision"].round(3).tolist() == [0.678, 0.891]
    assert by_place["recall"].round(3).tolist() == [0.996, 0.740]
    by_rule = script.table(pairs, ["place", "rule"]).set_index(["place", "rule"])
    assert by_rule[counts].T.to_dict("list") == BY_RULE
    apart = pd.read_csv(written, dtype="str", keep_default_na=False)
    assert len(apart) == 764 + 6 + 495 + 1424
    kinds = apart.query("rule == 'same_key' and side == 'ours only'").groupby(["place", "kind"])
    assert kinds.size().tolist() == [47, 174, 24, 78]
    named = {name for end in "ab" for name in apart[f"name_{end}"] if len(name) > 8}
    assert not [name for name in named if name.casefold() in printed.casefold()]


def test_ten_states_names_linked_across_districts_are_those_of_the_authors(
    ten_states: TenStates,
) -> None:
    linked = ten_states.ledger().query("decision == 'linked' and not within")
    assert len(linked) > 2000
    assert linked.query("rule == 'same_key'")["agreed"].mean() >= 0.98


def test_ten_states_links_by_chance_are_few(ten_states: TenStates) -> None:
    """Where holders are dealt to other districts of their state, hardly any names are alike.

    Years are set aside: every pair of a district could be linked.
    """
    nodes, person = ten_states.nodes()

    def linked(dealt: Nodes, rules: LinkRules) -> pd.DataFrame:
        pairs, _ = pairs_within(dealt, rules)
        return pairs[pairs["decision"] == "linked"]

    free = [frozenset({(0, year)}) for year in range(len(nodes.names))]
    rng, by_chance = np.random.default_rng(0), []
    for _ in range(5):
        unit = nodes.unit.copy()
        for state in np.unique(nodes.group):
            at = np.flatnonzero(nodes.group == state)
            unit[at] = unit[rng.permutation(at)]
        pairs = linked(replace(nodes, unit=unit, cells=free), LinkRules(max_gap_years=10**6))
        a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
        strangers = (nodes.unit[a] != nodes.unit[b]) & (person[a] != person[b])
        by_chance.append(int(strangers.sum()))
    n_linked = len(linked(nodes, LinkRules()))
    assert n_linked > 450
    assert np.mean(by_chance) <= 0.01 * n_linked


def test_ten_states_pay_goes_on_where_spellings_are_linked(ten_states: TenStates) -> None:
    """From one year to the next pay rises by up to 20% for one person, less often for two.

    The share among linked spellings, between that of different people (0) and that of one
    spelling (1), estimates how many of them are one person. No link has looked at pay.
    """
    ids = ten_states.people[["spelling_id", "person_id"]]
    rows = ten_states.roster.sort_values(["leaid", "year"]).join(ids, on=["unit_id", "name"])
    columns = ["year", "salary", "spelling_id", "person_id"]
    last = rows.groupby("leaid")[columns].shift().add_suffix("_last")
    paid = (rows["salary"] > 40_000) & (last["salary_last"] > 40_000)
    both = rows.join(last)[paid & (rows["year"] == last["year_last"] + 1)]
    goes_on = np.log(both["salary"] / both["salary_last"]).between(-0.06, 0.2)
    one = both["spelling_id"] == both["spelling_id_last"]
    linked = ~one & (both["person_id"] == both["person_id_last"])
    assert linked.sum() > 150
    of_one, of_linked, of_two = (goes_on[mask].mean() for mask in (one, linked, ~one & ~linked))
    assert (of_linked - of_two) / (of_one - of_two) >= 0.95


def test_ten_states_middle_initials_bear_out_the_guard_against_namesakes(
    ten_states: TenStates,
) -> None:
    """Of one name in two districts, where both have a middle initial it is the same if rare.

    It is another one more often for names that two districts have in the same year.
    """
    nodes, _ = ten_states.nodes()
    frame = pd.DataFrame(
        {
            "state": nodes.group,
            "unit": nodes.unit,
            "given": [n.given for n in nodes.names],
            "family": [n.family for n in nodes.names],
            "initial": [n.middle[:1] for n in nodes.names],
            "node": np.arange(len(nodes.names)),
        }
    )
    frame = frame[frame["given"].str.len() > 1]
    name = ["state", "given", "family"]
    counted = frame.drop_duplicates(name)
    size = counted.groupby("state")["given"].transform("size")
    parts = [counted.groupby(["state", p])["unit"].transform("size") for p in ("given", "family")]
    frame = frame.merge(counted[name].assign(expected=parts[0] * parts[1] / size), on=name)
    frame = frame[frame["initial"] != ""]
    pairs = frame.merge(frame, on=[*name, "expected"], suffixes=("_a", "_b"))
    pairs = pairs[(pairs["node_a"] < pairs["node_b"]) & (pairs["unit_a"] != pairs["unit_b"])]
    other = pairs["initial_a"] != pairs["initial_b"]
    at_once = np.array(
        [
            bool(nodes.years(a) & nodes.years(b))
            for a, b in zip(pairs["node_a"], pairs["node_b"], strict=True)
        ]
    )
    rarest, rare = pairs["expected"] <= 0.01, pairs["expected"] <= 0.03
    assert (rare & ~at_once).sum() > 400
    assert other[rarest & ~at_once].mean() <= 0.01
    assert other[rare & ~at_once].mean() <= 0.03
    assert other[~rarest & at_once].mean() >= 0.2
    assert other[~rare].mean() >= 0.06


# Percent: every spelling a person, spellings in one form, links made, every question a link; and
# with the authors' persons.
BOUNDS = {
    "ar": [22.58, 19.17, 17.44, 16.59, 18.04],
    "ga": [18.56, 18.32, 16.65, 16.48, 17.83],
    "ia": [17.41, 17.12, 16.36, 16.12, 17.10],
    "in": [20.22, 18.97, 15.90, 15.15, 18.92],
    "ks": [27.88, 19.55, 17.50, 17.12, 21.05],
    "mo": [25.49, 18.13, 16.80, 16.29, 18.07],
    "ne": [19.74, 16.08, 15.14, 14.82, 16.20],
    "oh": [15.42, 15.34, 15.13, 14.88, 15.33],
    "ok": [15.34, 14.88, 14.71, 14.44, 14.97],
    "wi": [16.49, 15.46, 15.31, 15.07, 15.43],
}


def test_ten_states_bounds_of_turnover(ten_states: TenStates) -> None:
    """The authors' persons change nearly as often as spellings in one form."""
    roster, links = ten_states.roster, ten_states.links
    whole = turnover_bounds(roster, links, by_year=False)
    assert whole["n_units"].tolist() == [57_918]
    assert whole[SHARES].mul(100).round(2).to_numpy().tolist() == [[19.60, 16.93, 15.93, 15.55]]
    by_state = turnover_bounds(roster, links, by_group=True, by_year=False)
    cells = turnover_by_group(
        roster.drop(columns="unit_id"), columns=COLUMNS | {"leader_id": "super_id"}
    )
    authors = cells.groupby("group")[["n_changed", "n_units"]].sum()
    by_state["authors"] = (authors["n_changed"] / authors["n_units"]).to_numpy()
    found = by_state.set_index("state")[[*SHARES, "authors"]].mul(100).round(2)
    assert found.T.to_dict("list") == BOUNDS


def test_ten_states_turnover_at_the_links_is_that_of_the_roster_by_person(
    ten_states: TenStates,
) -> None:
    bounds = turnover_bounds(ten_states.roster, ten_states.links, by_group=True)
    assert (np.diff(bounds[SHARES].dropna().to_numpy(), axis=1) <= 0).all()
    made = ten_states.links.apply(ten_states.roster.drop(columns="unit_id"))
    other = turnover_by_group(made, columns=COLUMNS | {"leader_id": "person_id"})
    keys = ["group", "school_year_end"]
    both = bounds.set_axis([*keys, *bounds.columns[2:]], axis=1).merge(other, on=keys, how="left")
    assert both["n_units_x"].tolist() == both["n_units_y"].tolist()
    np.testing.assert_allclose(both["turnover_linked_share"], both["turnover_share"], atol=1e-12)


def test_missouri_has_two_columns_of_names_and_several_holders_of_a_post() -> None:
    frame = pd.read_csv(MISSOURI, dtype={"county_district_code": "str"})
    post = ["county_district_code", "year"]
    links = link_people(frame, unit=post[0], name=("first_name", "last_name"), time="year")
    made = links.apply(frame).groupby(post)["person_id"]
    n_rows, n_persons = made.size(), made.nunique()
    assert made.count().sum() == len(frame) == 11_116
    several = [n_rows > 1, n_persons > 1, n_rows > n_persons]
    assert [int(found.sum()) for found in several] == [279, 167, 115]
    whole = turnover_bounds(frame, links, by_year=False)
    assert whole["n_units"].tolist() == [10_051]
    assert whole[SHARES].mul(100).round(2).to_numpy().tolist() == [[25.61, 18.30, 16.96, 16.47]]


def test_indiana_whose_spellings_change_from_one_directory_to_the_next() -> None:
    frame = pd.read_csv(INDIANA, dtype={"corporation_id": "str"})
    links = link_people(frame, unit="corporation_id", name="superintendent", time="fall")
    assert links.issues.count("placeholder") == 29
    bounds = turnover_bounds(frame, links).set_index("fall")
    assert bounds.index.tolist() == [2012, *range(2014, 2025)]
    shown = bounds.loc[[2017, 2020, 2023], SHARES].mul(100).round(2)
    assert shown.to_numpy().tolist() == [
        [4.33, 4.33, 4.33, 4.33], [31.93, 30.30, 20.98, 18.41], [31.88, 27.52, 17.43, 16.51],
    ]  # fmt: skip
