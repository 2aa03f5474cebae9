"""Every spell, and every change of leader, names the rows of the source; titles year by year."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import churnstats as cs
from record_tables import assert_shows, roster, spells, table


def rows_of(made: cs.Tenures) -> dict[str, list[int]]:
    """Return the rows of each spell that the long table has, in their order."""
    rows = made.sources.groupby("spell_id")["source_row"]
    return {spell: sorted(found) for spell, found in rows}


def sides(made: cs.Tenures) -> list[list[str]]:
    columns = ["predecessor_source_rows", "successor_source_rows"]
    return cs.Panel.build(made).events[columns].to_numpy().tolist()


def test_a_dated_spell_is_one_row_whatever_the_order_of_the_rows() -> None:
    made = spells("""
        unit_id  leader_id  start  stop
        2        d          2010   2012
        1        c          2012   2013
        1        a          2010   2011
        1        b          2011   2012
    """)
    assert made.frame["leader_id"].tolist() == ["a", "b", "c", "d"]
    assert rows_of(made) == {"1-head-1": [3], "1-head-2": [4], "1-head-3": [2], "2-head-1": [1]}
    assert made.sources["source"].isna().all()
    assert sides(made) == [["3", "4"], ["4", "2"]]


ROSTER = """
    leader_id  school_year_end  title
    b          2015             Head
    a          2012             Head
    a          2010             Clerk
    b          2014             -
    a          2011             Head
    a          2016             Chief
"""


def test_a_spell_of_a_roster_is_all_of_its_rows() -> None:
    made = roster(ROSTER, max_gap_years=1)
    assert rows_of(made) == {"1-head-1": [2, 3, 5], "1-head-2": [1, 4], "1-head-3": [6]}
    # 2013 is missing, so that nobody knows when a left: the change is there, and has its rows
    assert sides(made) == [["2-3, 5", "1, 4"], ["1, 4", "6"]]


def test_titles_of_a_roster_are_those_of_each_year() -> None:
    assert_shows(
        roster(ROSTER).titles,
        """
        unit_id  role  leader_id  spell_id  school_year_end  title
        1        head  a          1-head-1  2010             Clerk
        1        head  a          1-head-1  2011             Head
        1        head  a          1-head-1  2012             Head
        1        head  b          1-head-2  2014             -
        1        head  b          1-head-2  2015             Head
        1        head  a          1-head-3  2016             Chief
        """,
    )


def test_rows_of_an_interruption_are_set_aside() -> None:
    made = roster(ROSTER, returns="one", max_away_years=2.0, max_gap_years=1)
    # the gap before b keeps a's first spell apart
    assert rows_of(made) == {"1-head-1": [2, 3, 5], "1-head-2": [1, 4], "1-head-3": [6]}
    closed = roster(
        """
        leader_id  school_year_end
        a          2012
        b          2013
        a          2014
        a          2015
        c          2016
        """,
        returns="one",
    )
    assert rows_of(closed) == {"1-head-1": [1, 3, 4], "1-head-2": [5]}
    assert closed.titles["school_year_end"].tolist() == [2012, 2014, 2015, 2016]
    assert closed.titles["title"].isna().all()
    assert sides(closed) == [["1, 3-4", "5"]]


def test_parts_of_a_share_belong_to_the_spell_and_smaller_shares_to_none() -> None:
    text = """
        leader_id  school_year_end  fte   title
        a          2012             0.25  Clerk
        b          2012             0.4   Aide
        a          2012             0.35  Head
        a          2013             1     Head
        c          2014             1     -
    """
    largest = roster(text, co_leaders="largest")
    assert rows_of(largest) == {"1-head-1": [1, 3, 4], "1-head-2": [5]}
    shared = roster(text, co_leaders="by_fte")
    assert rows_of(shared) == {"1-head-1": [2], "1-head-2": [1, 3, 4], "1-head-3": [5]}
    assert shared.titles.query("leader_id == 'a'")["title"].tolist() == ["Clerk", "Head"]


def test_of_two_snapshots_the_one_that_counts_and_of_two_titles_the_last() -> None:
    text = """
        leader_id  school_year_end  snapshot  title
        a          2012             2012.25   Head
        a          2012             2012.75   Chief
        b          2013             2013.25   Aide
        b          2013             2013.75   -
    """
    assert rows_of(roster(text)) == {"1-head-1": [2], "1-head-2": [4]}
    both = roster(text, snapshots="dated")
    assert rows_of(both) == {"1-head-1": [1, 2], "1-head-2": [3, 4]}
    assert both.titles["title"].tolist() == ["Chief", "Aide"]


def assigned(text: str, **options: object) -> cs.Tenures:
    frame = table(text).assign(unit_id="1", role="head")
    rules = cs.AssignmentRules(**options)  # type: ignore[arg-type]
    return cs.Tenures.from_assignments(frame, rules=rules, observed_until=2016.0)


ASSIGNED = """
    leader_id  start   stop    title
    b          2014.5  2016    Chief
    a          2012.5  2014.5  Head
    a          2010    2012.5  Clerk
    a          2011    2011.5  Acting
"""


def test_a_spell_of_assignments_is_all_of_its_rows_and_has_their_titles_in_turn() -> None:
    made = assigned(ASSIGNED)
    assert rows_of(made) == {"1-head-1": [2, 3, 4], "1-head-2": [1]}
    assert sides(made) == [["2-4", "1"]]
    # of rows that meet in a year the one that ends last tells its title
    assert_shows(
        made.titles,
        """
        spell_id  school_year_end  title
        1-head-1  2010             Clerk
        1-head-1  2011             Clerk
        1-head-1  2012             Head
        1-head-1  2013             Head
        1-head-1  2014             Head
        1-head-2  2014             Chief
        1-head-2  2015             Chief
        """,
    )


def test_a_contract_that_is_cut_tells_no_title_afterwards() -> None:
    made = assigned(
        """
        leader_id  start  stop  title
        a          2010   2014  Head
        b          2012   2016  Chief
        """,
        ends="contract",
    )
    assert made.titles["school_year_end"].tolist() == [2010, 2011, 2012, 2013, 2014, 2015]
    assert made.titles["leader_id"].tolist() == ["a", "a", "b", "b", "b", "b"]


def test_dated_spells_have_their_title_in_every_year_that_was_watched() -> None:
    assert_shows(
        spells("""
        unit_id  leader_id  start   entry   stop    title
        1        a          2008    2010.5  2012    Head
        1        b          2012    -       2012.5  -
        2        a          2010.5  -       2011.5  Chief
        """).titles,
        """
        unit_id  leader_id  school_year_end  title
        1        a          2010             Head
        1        a          2011             Head
        1        b          2012             -
        2        a          2010             Chief
        2        a          2011             Chief
        """,
    )


TWO = "unit_id,leader_id,start,stop\n1,a,2010,2011\n1,b,2011,2012\n"


def test_rows_of_a_file_are_its_lines_and_have_its_name(tmp_path: Path) -> None:
    path = tmp_path / "heads.csv"
    path.write_text(TWO, encoding="utf-8")
    made = cs.Tenures.from_spells(path, role="head")
    assert rows_of(made) == {"1-head-1": [2], "1-head-2": [3]}
    assert made.sources["source"].unique().tolist() == ["heads.csv"]
    assert sides(made) == [["2", "3"]]


def test_rows_that_are_numbered_keep_their_numbers() -> None:
    frame = table("""
        leader_id  start  stop
        a          2010   2011
        b          2011   2012
    """).assign(unit_id="1", role="head")
    frame.index = pd.Index([700_000, 20], name="row")
    assert rows_of(cs.Tenures.from_spells(frame)) == {"1-head-1": [700_000], "1-head-2": [20]}
    frame.index = pd.Index([8, 9])
    assert rows_of(cs.Tenures.from_spells(frame)) == {"1-head-1": [1], "1-head-2": [2]}


def three(tmp_path: Path) -> list[cs.Tenures]:
    path = tmp_path / "heads.csv"
    path.write_text(TWO, encoding="utf-8")
    aides = roster("""
        leader_id  school_year_end  title
        c          2010             Aide
        c          2011             Aide
        d          2012             -
    """).frame.drop(columns="spell_id")
    return [
        cs.Tenures.from_spells(path, role="head"),
        cs.Tenures.from_spells(aides.assign(role="aide")),
        cs.Tenures.from_roster(table("leader_id school_year_end title\nz 2010 Chief\nz 2011 Clerk")
                               .assign(unit_id="1"), role="chief"),
    ]  # fmt: skip


def test_sources_that_are_put_together_keep_their_names(tmp_path: Path) -> None:
    both = cs.Tenures.combine(three(tmp_path))
    found = both.sources.drop_duplicates("source").set_index("source")["spell_id"].to_dict()
    assert found == {"heads.csv": "1-head-1", "source 2": "1-aide-1", "source 3": "1-chief-1"}
    assert rows_of(both)["1-chief-1"] == [1, 2]
    events = cs.Panel.build(both, role="head").events
    assert events["predecessor_source_rows"].tolist() == ["heads.csv: 2"]
    titles = both.titles
    assert titles["spell_id"].tolist() == [
        "1-aide-1", "1-aide-1", "1-aide-2", "1-chief-1", "1-chief-1", "1-head-1", "1-head-2",
    ]  # fmt: skip
    assert titles["title"].fillna("-").tolist() == ["Aide", "Aide", "-", "Chief", "Clerk", "-", "-"]


def test_sources_can_be_named_and_put_together_again(tmp_path: Path) -> None:
    heads, aides, chief = three(tmp_path)
    some = cs.Tenures.combine({"unused": heads, "aides": aides})
    every = cs.Tenures.combine([chief, some])
    names = every.sources.groupby("spell_id")["source"].first().to_dict()
    assert names == {
        "1-head-1": "heads.csv",
        "1-head-2": "heads.csv",
        "1-aide-1": "aides",
        "1-aide-2": "aides",
        "1-chief-1": "source 1",
    }
    events = cs.Panel.build(every, role="aide").events
    assert events["successor_source_rows"].tolist() == ["aides: 2"]


def test_sources_of_one_name_are_told_apart() -> None:
    one, two, three = (
        cs.Tenures.from_roster(
            pd.DataFrame({"unit_id": ["1"], "leader_id": ["a"], "school_year_end": [2010]}),
            role=role,
        )
        for role in ("head", "aide", "chief")
    )
    made = cs.Tenures.combine([cs.Tenures.combine([one, two]), three])
    assert made.sources.set_index("spell_id")["source"].to_dict() == {
        "1-head-1": "source 1",
        "1-aide-1": "source 2 (2)",
        "1-chief-1": "source 2 (3)",
    }


def test_rows_that_spells_bring_along_are_taken_as_they_are() -> None:
    made = spells("""
        leader_id  start  stop  source_rows
        a          2010   2011  r2,r3
        b          2011   2012  r7
    """)
    assert sides(made) == [["r2,r3", "r7"]]


@pytest.mark.parametrize("keep", [[0], [1, 0], []])
def test_spells_that_are_taken_out_take_their_titles_along(keep: list[int]) -> None:
    made = spells("""
        leader_id  start  stop  title
        a          2010   2012  Head
        b          2012   2013  Chief
    """)
    some = replace(made, frame=made.frame.iloc[keep].reset_index(drop=True))
    want = [["a", 2010], ["a", 2011], ["b", 2012]]
    who = "ab"
    found = some.titles[["leader_id", "school_year_end"]].to_numpy().tolist()
    assert found == [row for i in keep for row in want if row[0] == who[i]]
