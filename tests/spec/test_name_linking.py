"""Names by hand: how each is read, which pairs are one person, and what hangs on it.

All names are invented. In tables, columns are parted by two blanks or more.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnstats.core.errors import DataError, SpecError
from churnstats.datasets.districts import simulate_districts
from churnstats.panel.turnover import turnover_by_group
from churnstats.records.people.links import LinkRules, Links, link_people, turnover_bounds
from churnstats.records.people.names import compare_names, parse_name, parse_names


def cells(text: str) -> list[list[str]]:
    lines = [line.strip() for line in text.strip().splitlines()]
    return [["" if c == "-" else c for c in re.split(r" {2,}", line)] for line in lines if line]


READ = """
    Bradley Osgood                 bradley  -        osgood      -
    OSGOOD, BRADLEY                bradley  -        osgood      -
    Osgood,Bradley T               bradley  t        osgood      -
    osgood , bradley t.            bradley  t        osgood      -
    Dr. Bradley T. Osgood          bradley  t        osgood      -
    Osgood, Bradley Dr             bradley  -        osgood      -
    Osgood, Dr. Bradley            bradley  -        osgood      -
    Mrs. Ines Tull, Ed.D.          ines     -        tull        -
    Ines Tull, Ed D                ines     -        tull        -
    Ines Tull Ed D                 ines     -        tull        -
    Tull, Ines Ed. S.              ines     -        tull        -
    Tull Ed D                      tull     ed       d           -
    Tull, Ed D                     ed       d        tull        -
    Ines Tull PhD                  ines     -        tull        -
    Ines Tull Ph. D.               ines     -        tull        -
    Bradley Osgood Jr.             bradley  -        osgood      jr
    OSGOOD JR,BRADLEY T            bradley  t        osgood      jr
    Osgood, Jr., Bradley           bradley  -        osgood      jr
    Osgood, Bradley T., III        bradley  t        osgood      iii
    Bradley Osgood 2nd             bradley  -        osgood      ii
    Osgood, Jr                     j        r        osgood      -
    J.R. Osgood                    j        r        osgood      -
    JR Osgood                      j        r        osgood      -
    Osgood, J. R.                  j        r        osgood      -
    Ed Osgood                      ed       -        osgood      -
    Bradley Osgood2                bradley  -        osgood      -
    Osgood, Bradley 332/           bradley  -        osgood      -
    Ines van der Tull              ines     -        van der tull  -
    Van Tull, Ines                 ines     -        van tull    -
    Van Tull                       van      -        tull        -
    Ines St. Tull                  ines     -        st tull     -
    Ines Tull-Osgood               ines     -        tull-osgood  -
    Ines Tull - Osgood             ines     -        tull-osgood  -
    Ines Maria Tull                ines     maria    tull        -
    Bradley "Brad" Osgood          bradley  brad     osgood      -
    Bradley (Brad) Osgood          bradley  brad     osgood      -
    Ines O'Tull                    ines     -        otull       -
    Ines O' Tull                   ines     -        otull       -
    Superintendent Ines Tull       ines     -        tull        -
    Hon, Ines                      ines     -        hon         -
    Ines Hon                       ines     -        hon         -
    Ines Med                       ines     -        med         -
    Ines Tull MBA                  ines     -        tull        -
    Tull, Ines MBA                 ines     -        tull        -
    Dr. Tull                       -        -        tull        -
    Tull                           -        -        tull        -
"""


@pytest.mark.parametrize("row", cells(READ), ids=lambda row: row[0])
def test_a_name_in_its_parts(row: list[str]) -> None:
    name = parse_name(row[0])
    assert [name.given, name.middle, name.family, name.suffix] == row[1:]
    assert [name.is_placeholder, name.is_two_people, name.is_interim] == [False] * 3


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Jos\u00e9 Mu\u00f1oz", "jose munoz"),
        ("In\u200bes Tu\u00adll", "ines tull"),
        ("Jos\u00c3\u00a9 Mu\u00c3\u00b1oz", "jose munoz"),
        ("Jos\u00c3\u0192\u00c2\u00a9 Tull", "jose tull"),
        ("O\u00e2\u20ac\u2122Tull, Ines", "ines otull"),
        ("Ines O\u2019Tull", "ines otull"),
        ("Ines\u00a0Tull", "ines tull"),
        ("\ufeffInes \u200bTull", "ines tull"),
        ("Ines Tull\u2013Osgood", "ines tullosgood"),
        ("\uff29\uff4e\uff45\uff53 Tull", "ines tull"),
        ("In\u0065\u0301s Tull", "ines tull"),
        ("I\ufffdes Tull", "ies tull"),
        ("Bj\u00f8rn Wei\u00df", "bjorn weiss"),
        ("\u674e \u660e", "\u674e \u660e"),
        ("Ines\tTull\n", "ines tull"),
        ("Ines van der Tull", "ines vandertull"),
        ("Mary-Ines Tull, Jr", "maryines tull jr"),
    ],
)
def test_encodings_and_signs_are_undone(text: str, key: str) -> None:
    assert parse_name(text).key == key


NOBODY = """NA NA|N/A|n/a n/a|TBD|T.B.D.|To Be Named|to be announced|To be hired|Vacant|VACANCY
Vacant Position|Superintendent Vacant|Unknown|Unknown Unknown|None|null|Interim|Acting
Interim Superintendent|Not Yet Named|Not Applicable|No Name|Superintendent|Open|-|.|1234|XX| """


@pytest.mark.parametrize(
    "text", [*re.split(r"[|\n]", NOBODY), "Vacant (was Ines Tull)", "", None, np.nan, pd.NA]
)
def test_cells_that_name_nobody(text: object) -> None:
    name = parse_name(text)
    assert name.is_placeholder
    assert not name.is_two_people
    assert name.key == name.given == name.family == ""


def test_people_whose_names_look_like_placeholders() -> None:
    for text in ("Na Tull", "Ines Open", "Ann N. Tull", "Xander Unknown", "A. N. Osgood"):
        assert not parse_name(text).is_placeholder, text


@pytest.mark.parametrize(
    "text",
    [
        "Ines Tull / Bradley Osgood", "Ines Tull & Bradley Osgood", "Ines Tull and B. Osgood",
        "Ines & Bradley Tull", "I. & B. Tull", "A. & N. Tull", "Ines Tull; Bradley Osgood",
        "Ines Tull\nBradley Osgood", "Tull, Ines/Osgood, Bradley",
    ],
)  # fmt: skip
def test_cells_that_name_two_people(text: str) -> None:
    name = parse_name(text)
    assert name.is_two_people
    assert not name.is_placeholder
    assert name.key == ""


def test_one_person_whose_cell_has_signs() -> None:
    for text in ("Ines Tull/Interim", "Ines Tull /", "Anderson Tull", "Ines\nTull", "Tull & 2"):
        assert not parse_name(text).is_two_people, text


@pytest.mark.parametrize(
    "text",
    ["Ines Tull (Interim)", "Interim - Ines Tull", "Tull, Ines, Acting", "INTERIM Supt. Ines Tull",
     "Ines Tull/Interim"],
)  # fmt: skip
def test_interim_marks_are_flagged_and_taken_out(text: str) -> None:
    name = parse_name(text)
    assert name.is_interim
    assert name.key == "ines tull"


def test_a_column_is_parsed_like_its_cells() -> None:
    names = pd.Series(["Tull, Ines", None, "A / B Osgood", "Tull, Ines"], index=[3, 1, 4, 1])
    table = parse_names(names)
    assert table.index.tolist() == [3, 1, 4, 1]
    assert table["key"].tolist() == ["ines tull", "", "", "ines tull"]
    assert table["is_placeholder"].tolist() == [False, True, False, False]
    assert table["is_two_people"].tolist() == [False, False, True, False]
    assert table.dtypes.astype(str).tolist() == ["str"] * 5 + ["bool"] * 3


ALIKE = """
    Bradley Osgood        OSGOOD, BRADLEY        same_key           1
    Jo Ann Tull           Joann Tull             same_key           .99
    Van Tull, Ines        Ines Vantull           same_key           1
    B. Osgood             Bradley Osgood         initial            .86
    B. Osgood             Bradley T Osgood       initial            .843
    Osgood                Bradley Osgood         initial            .7
    Brad Osgood           Bradley Osgood         nickname           .95
    Liz Osgood            Beth Osgood            nickname           .9
    Bill Osgood           William Osgood         nickname           .95
    Stephen Osgood        Steven Osgood          nickname           .86
    Corwin Osgood         Cor Osgood             nickname           .86
    Daniel Osgood         Danielle Osgood        nickname           .75
    Bradley Osgood        Bradlye Osgood         typo               .91
    Bradley Osgood        Bradley Osgod          typo               .91
    Bradley Osgood        Bradley Asgood         typo               .75
    Ines Tull             Ines Toll              typo               .75
    Ines Winterbaum       Ines Wintrebamu        typo               .86
    Ines Osgood           Ines Osgaad            typo               .6
    Osgood Bradley        Bradley Osgood         order              .92
    Osgood Bradley T      Bradley T Osgood       order              .92
    Osgood Bradley        Bradley T Osgood       order              .902
    Bradley Osgood Jr     Bradley Osgood         suffix             .96
    Bradley Osgood Jr     Bradley Osgood Sr      suffix             0
    Bradley T Osgood      Bradley Osgood         middle             .98
    Bradley T Osgood      Bradley Thomas Osgood  middle             .99
    Bradley T Osgood      Bradley V Osgood       middle             .75
    B Thomas Osgood       Thomas Osgood          middle             .93
    B Thomas Osgood       Tom Osgood             middle             .85
    Bradley T Osgood      Thomas Osgood          middle             .7
    Ines Tull-Osgood      Ines Tull              hyphenated_family  .93
    Ines Tull Osgood      Ines Tull              hyphenated_family  .9
    Ines Tull Osgood      Ines Tull-Osgood       same_key           .99
    Ines van Tull         Ines de Tull           hyphenated_family  .93
    Ines Tull             Ines Osgood            married            .3
    Ines Tull             Bradley Tull           other_given        .3
    Bob Winterbaum        Robert Wintrebaum      typo               .864
    B. Winterbaum         Bob Wintrebaum         initial            .783
    Ines Tull             Bradley Osgood         -                  -
    I. Tull               I. Osgood              -                  -
    B. Osgood             Ines Osgood            other_given        .3
    Albert Osgood         Alan Osgood            other_given        .3
    Osgood Bradley T      Bradley V Osgood       -                  -
    Ines Winterbaum       Bradley Wintrebaum     -                  -
"""


@pytest.mark.parametrize("row", cells(ALIKE), ids=lambda row: f"{row[0]} ~ {row[1]}")
def test_the_rule_by_which_two_names_could_be_one_persons(row: list[str]) -> None:
    a, b = parse_name(row[0]), parse_name(row[1])
    found = compare_names(a, b)
    assert found == compare_names(b, a)
    assert (found is None) == (row[2] == "")
    if found is not None:
        assert (found.rule, found.score) == (row[2], float(row[3]))


def test_names_that_speak_against_one_person() -> None:
    def against(a: str, b: str) -> bool:
        found = compare_names(parse_name(a), parse_name(b))
        return found is not None and found.contradicts

    for a, b in (("Ines Tull", "Bradley Tull"), ("Ines A Tull", "Ines B Tull"),
                 ("Ines Tull Jr", "Ines Tull II"), ("Carl Tull", "Carla Tull"),
                 ("John Tull", "Joan Tull"), ("Ines Tull", "Ines Toll")):  # fmt: skip
        assert against(a, b), (a, b)
    for a, b in (("I. Tull", "Ines Tull"), ("Ines Tull", "Ines Tull Jr"), ("Bob Tull", "Rob Tull"),
                 ("Ines Tull", "Ines Osgood"), ("Ines A Tull", "Ines Ann Tull")):  # fmt: skip
        assert not against(a, b), (a, b)


def roster(text: str, **columns: str) -> pd.DataFrame:
    """Return rows from lines: years (2010, or 2010-2012), name, and a unit (7 if there is none)."""
    rows = []
    for years, name, *rest in cells(text):
        first, last = (years.split("-") * 2)[:2]
        for year in range(int(first), int(last) + 1):
            rows.append([rest[0] if rest else "7", year, name, *rest[1:]])
    names = ["unit_id", "school_year_end", "leader_name", *columns.values()]
    return pd.DataFrame(rows, columns=names[: len(rows[0])])


def persons(frame: pd.DataFrame, links: Links) -> dict[str, str]:
    """Return the person of each name."""
    made = links.apply(frame)
    return dict(zip(made["leader_name"], made["person_id"], strict=True))


def decisions(links: Links) -> list[tuple[str, str, str, str]]:
    shown = links.ledger[["name_a", "name_b", "rule", "decision"]]
    return sorted(shown.itertuples(index=False, name=None))


WITHIN = """
    2010-2012  Bradley Osgood     2013-2014  OSGOOD, BRADLEY    linked
    2010-2012  Bradley Osgood     2013-2014  B. Osgood          linked
    2010-2012  Bradley Osgood     2013-2014  Brad Osgood        linked
    2010-2012  Brad Osgood        2015-2016  Bradley Osgood     linked
    2010-2012  Brad Osgood        2016-2017  Bradley Osgood     question
    2010-2012  Bradley Osgood     2020-2021  Bradley T Osgood   linked
    2010-2012  Bradley Osgood     2013-2014  Bradley V Osgood   linked
    2010-2012  Bradley T Osgood   2013-2014  Bradley V Osgood   question
    2010-2012  Bradley Osgood     2013-2014  Bradley Osgood Jr  linked
    2010-2012  Bradley Osgood     2020-2021  Bradley Osgood Jr  question
    2010-2012  Bradley Osgood Sr  2013-2014  Bradley Osgood Jr  not linked
    2010-2012  Bradley Osgood     2013-2014  Bradley Osgod      linked
    2010-2012  Bradley Osgood Sr  2020-2021  Bradley Osgood Jr  not linked
    2010-2012  Bradley Osgood     2013-2014  Bradlye Osgod      linked
    2010-2012  Bradley Osgood     2013-2014  Osgood Bradley     linked
    2010-2012  Ines Tull          2013-2014  Ines Tull-Osgood   linked
    2010-2012  Ines Tull          2013-2014  Ines Tull Osgood   linked
    2010-2012  Ines Tull          2013-2014  Ines Osgood        question
    2010-2012  Ines Tull          2014-2015  Ines Osgood        -
    2010-2012  Ines Tull          2013-2014  Bradley Tull       question
    2010-2012  Ines Tull          2015-2016  Bradley Tull       -
    2010-2012  Ines Tull          2013-2014  Bradley Osgood     -
    2010-2012  Ines Tull          2013-2014  Ines Toll          question
    2010-2012  Carl Tull          2013-2014  Carla Tull         question
    2010-2012  Bradley Osgood     2012-2014  B. Osgood          not linked
    2010-2012  Bradley Osgood     2012-2014  OSGOOD, BRADLEY    linked
    2010-2012  Ines Tull          2012-2014  Ines Osgood        -
"""


@pytest.mark.parametrize("row", cells(WITHIN), ids=lambda row: "  ".join(row))
def test_two_spellings_of_one_unit(row: list[str]) -> None:
    frame = roster(f"{row[0]}  {row[1]}\n{row[2]}  {row[3]}")
    links = link_people(frame)
    assert links.ledger["decision"].tolist() == ([row[4]] if row[4] else [])
    assert (len(set(persons(frame, links).values())) == 1) == (row[4] == "linked")


def test_the_ledger_says_who_when_and_why() -> None:
    frame = roster("""
        2010-2011  Brad Osgood
        2012-2014  OSGOOD, BRADLEY
        2015       Bradley Osgood
        2016       Ines Tull
        2017       Bradley Osgood
    """)
    ledger = link_people(frame).ledger
    assert ledger["gap_years"].isna().tolist() == [False, True]
    assert ledger.drop(columns="evidence").fillna(-1).to_dict("list") == {
        "name_a": ["Brad Osgood", "OSGOOD, BRADLEY"],
        "name_b": ["OSGOOD, BRADLEY", "Bradley Osgood"],
        "unit_id_a": ["7", "7"],
        "unit_id_b": ["7", "7"],
        "rule": ["nickname", "same_key"],
        "score": [0.95, 1.0],
        "decision": ["linked", "linked"],
        "years_a": ["2010-2011", "2012-2014"],
        "years_b": ["2012-2014", "2015-2017"],
        "gap_years": [1, -1],
        "n_shared_years": [0, -1],
        "person_a": ["p00001"] * 2,
        "person_b": ["p00001"] * 2,
    }
    assert ledger["evidence"].tolist() == [
        "years follow one another",
        "alike but for case, accents, punctuation, order and titles",
    ]


def test_an_initial_that_fits_two_people_is_a_question_about_both() -> None:
    frame = roster("""
        2010-2012  Bradley Osgood
        2013       B. Osgood
        2014-2016  Bertha Osgood
    """)
    links = link_people(frame)
    assert decisions(links) == [
        ("B. Osgood", "Bertha Osgood", "initial", "question"),
        ("Bradley Osgood", "B. Osgood", "initial", "question"),
    ]
    assert links.ledger["evidence"].str.contains("cut").all()
    assert links.issues.count("conflict") == 2
    assert len(set(persons(frame, links).values())) == 3


def test_the_weakest_link_of_a_conflicting_chain_is_cut() -> None:
    """B. and Bradley T. held the post in one year; Bradley is nearer to the latter."""
    frame = roster("""
        2010-2012  Bradley Osgood
        2013-2014  Bradley T Osgood
        2013       B. Osgood
    """)
    links = link_people(frame)
    assert decisions(links) == [
        ("B. Osgood", "Bradley T Osgood", "initial", "not linked"),
        ("Bradley Osgood", "B. Osgood", "initial", "question"),
        ("Bradley Osgood", "Bradley T Osgood", "middle", "linked"),
    ]
    person = persons(frame, links)
    assert person["Bradley Osgood"] == person["Bradley T Osgood"] != person["B. Osgood"]


def test_a_cut_leaves_the_links_that_lie_apart_from_the_conflict() -> None:
    frame = roster("""
        2009       Brad T Osgood
        2010-2012  Bradley T Osgood
        2013       B. Osgood
        2014-2016  Bertha Osgood
        2017       Berta Osgood
    """)
    made = {row[:2]: row[3] for row in decisions(link_people(frame))}
    assert made["Brad T Osgood", "Bradley T Osgood"] == "linked"
    assert made["Bertha Osgood", "Berta Osgood"] == "linked"
    assert made["Bradley T Osgood", "B. Osgood"] == "question"
    assert made["B. Osgood", "Bertha Osgood"] == "question"


def test_a_question_that_other_links_answer_is_none() -> None:
    frame = roster("""
        2010-2012  Brad Osgood
        2016       Bradley Osgood
        2017-2018  Brad T Osgood
    """)
    links = link_people(frame)
    assert len(links.questions) == 0
    answered = links.ledger.query("name_b == 'Bradley Osgood'")
    assert answered["decision"].tolist() == ["linked"]
    assert answered["evidence"].tolist() == [
        "4 years apart, which is too long; joined through other spellings"
    ]


def test_father_and_son_are_two_even_with_a_plain_name_between_them() -> None:
    frame = roster("""
        2010-2012  Bradley Osgood Sr
        2013       Bradley Osgood
        2014-2016  Bradley Osgood Jr
    """)
    assert len(set(persons(frame, link_people(frame)).values())) == 3


def test_placeholders_and_cells_with_two_people_are_no_persons() -> None:
    frame = roster("""
        2010  Ines Tull
        2011  Vacant
        2012  Ines Tull / Bradley Osgood
        2013  -
        2014  Ines Tull (Interim)
    """)
    links = link_people(frame)
    made = links.apply(frame)
    assert made["person_id"].isna().tolist() == [False, True, True, True, False]
    assert links.people.set_index("name")["status"].to_dict() == {
        "": "placeholder", "Ines Tull": "person", "Ines Tull (Interim)": "person",
        "Ines Tull / Bradley Osgood": "two people", "Vacant": "placeholder"}  # fmt: skip
    assert links.people.set_index("name")["is_interim"].sum() == 1
    counts = {rule: links.issues.count(rule) for rule in ("placeholder", "two_people", "interim")}
    assert counts == {"placeholder": 2, "two_people": 1, "interim": 1}


def test_a_roster_of_nobody() -> None:
    frame = roster("2010-2012  Vacant")
    links = link_people(frame)
    assert len(links.ledger) == 0
    assert links.apply(frame)["person_id"].isna().all()
    bounds = turnover_bounds(frame, links)
    assert bounds["n_units"].tolist() == [0, 0, 0]
    assert bounds.filter(like="share").isna().all(axis=None)
    assert len(links.counts()) == 0


def test_other_roles_of_a_unit() -> None:
    """One person may hold two posts in a year; by likeness alone that is a question."""
    frame = roster(
        """
        2010-2012  Bradley Osgood  7  head
        2012-2013  B. Osgood       7  deputy
        """,
        role="role",
    )
    assert link_people(frame).ledger["decision"].tolist() == ["not linked"]
    asked = link_people(frame, role="role").ledger
    assert asked["decision"].tolist() == ["question"]
    assert asked["evidence"].tolist() == ["in other posts of the unit in 1 year(s)"]
    apart = frame[~((frame["role"] == "deputy") & (frame["school_year_end"] == 2012))]
    assert link_people(apart, role="role").ledger["decision"].tolist() == ["linked"]


def crowd(text: str, n: int = 200, group: str = "N") -> pd.DataFrame:
    """Return a roster among so many people that a name without a namesake is rare."""
    rows = [f"2010  Given{chr(97 + i % 26)}{chr(97 + i // 26)} Family{chr(97 + i % 26)}"
            f"{chr(97 + i // 26)}  crowd{group}{i}  {group}" for i in range(n)]  # fmt: skip
    return roster("\n".join([*rows, *text.strip().splitlines()]), group="group")


def across(frame: pd.DataFrame, **rules: float) -> list[tuple[str, str, str, str]]:
    links = link_people(frame, group="group", rules=LinkRules(**rules))
    shown = links.ledger[["name_a", "unit_id_a", "unit_id_b", "decision"]]
    return sorted(shown.itertuples(index=False, name=None))


def test_a_rare_name_in_two_units_of_a_group_is_one_person() -> None:
    frame = crowd("2010-2012  Ines Tull  1  N\n2013-2014  Tull, Ines  2  N")
    links = link_people(frame, group="group")
    assert persons(frame, links)["Ines Tull"] == persons(frame, links)["Tull, Ines"] == "p00001"
    (row,) = links.ledger.to_dict("records")
    assert (row["rule"], row["decision"], row["gap_years"]) == ("same_key", "linked", 1)
    # 1 of 201 names has the given name, 1 the family name: 1 * 1 / 201
    assert row["evidence"] == "0.005 namesakes expected among 201 names"
    assert row["score"] == round(0.85 * (1 - 1 / 201), 3)


def test_a_common_name_in_two_units_is_a_question() -> None:
    others = "\n".join(f"2010  Ines Other{chr(97 + i)}  o{i}  N" for i in range(7))
    frame = crowd(f"{others}\n2010-2012  Ines Tull  1  N\n2013-2014  Ines Tull  2  N")
    # 8 names with Ines, 1 with Tull, of 208: 0.038 > 0.03
    assert across(frame) == [("Ines Tull", "1", "2", "question")]
    assert across(frame, max_namesakes=0.04) == [("Ines Tull", "1", "2", "linked")]
    assert across(frame, across_units=False) == []


def test_a_name_that_two_units_have_at_once_must_be_rarer() -> None:
    others = "\n".join(f"2010  Ines Other{chr(97 + i)}  o{i}  N" for i in range(3))
    apart = crowd(f"{others}\n2010-2012  Ines Tull  1  N\n2013-2014  Ines Tull  2  N")
    at_once = crowd(f"{others}\n2010-2012  Ines Tull  1  N\n2012-2014  Ines Tull  2  N")
    # 4 * 1 / 204 = 0.0196
    assert across(apart) == [("Ines Tull", "1", "2", "linked")]
    assert across(at_once) == [("Ines Tull", "1", "2", "question")]
    assert across(at_once, max_namesakes_at_once=0.02) == [("Ines Tull", "1", "2", "linked")]


def test_only_the_same_name_of_the_same_group_is_linked_across_units() -> None:
    for first, second in (
        ("Ines Tull  1  N", "I. Tull  2  N"), ("Brad Osgood  1  N", "Bradley Osgood  2  N"),
        ("Ines Tull  1  N", "Ines Tul  2  N"), ("I. Tull  1  N", "I. Tull  2  N"),
    ):  # fmt: skip
        assert across(crowd(f"2010  {first}\n2011  {second}")) == [], (first, second)
    suffix = crowd("2010  Brad Osgood  1  N\n2011  Brad Osgood Jr  2  N")
    assert across(suffix) == [("Brad Osgood", "1", "2", "question")]
    north, south = crowd("2010  Ines Tull  1  N"), crowd("2011  Ines Tull  2  S", group="S")
    assert across(pd.concat([north, south])) == []


def test_namesakes_with_other_middle_names_make_a_plain_name_a_question() -> None:
    frame = crowd("""
        2010  Ines A Tull    1  N
        2011  Ines B Tull    2  N
        2012  Ines Tull      3  N
        2013  Ines Ann Tull  4  N
        2014  Ines Tull      5  N
    """)
    assert across(frame) == [
        ("Ines A Tull", "1", "2", "question"),
        ("Ines A Tull", "1", "4", "linked"),
        ("Ines Ann Tull", "4", "5", "question"),
        ("Ines B Tull", "2", "3", "question"),
    ]


def test_a_middle_name_more_or_less_needs_the_rarer_name() -> None:
    others = "\n".join(f"2010  Ines Other{chr(97 + i)}  o{i}  N" for i in range(3))
    two = "2010  Ines Tull  1  N\n2012  Ines A Tull  2  N"
    assert across(crowd(two)) == [("Ines Tull", "1", "2", "linked")]
    # 4 * 1 / 204 = 0.0196
    assert across(crowd(f"{others}\n{two}")) == [("Ines Tull", "1", "2", "question")]


def test_what_a_cut_has_parted_no_other_unit_joins() -> None:
    """In unit 1 Bob may be Robert or Rob, who are two; that unit 2 has a Bob, too, is no news."""
    frame = crowd("""
        2010-2011  Robert Tull  1  N
        2011-2012  Rob Tull     1  N
        2013       Bob Tull     1  N
        2015       Bob Tull     2  N
        2016       Robert Tull  2  N
    """)
    links = link_people(frame, group="group")
    assert decisions(links) == [
        ("Bob Tull", "Bob Tull", "same_key", "question"),
        ("Bob Tull", "Robert Tull", "nickname", "linked"),
        ("Rob Tull", "Bob Tull", "nickname", "question"),
        ("Robert Tull", "Bob Tull", "nickname", "question"),
        ("Robert Tull", "Rob Tull", "nickname", "not linked"),
        ("Robert Tull", "Robert Tull", "same_key", "question"),
    ]


DECIDED = """
    2010-2012  Ines Tull
    2013-2014  Ines Osgood
    2015       I. Osgood
    2016       OSGOOD, INES
"""


def decide(text: str) -> pd.DataFrame:
    names = ["name_a", "name_b", "unit_id", "decision", "reason"]
    return pd.DataFrame(cells(text), columns=names)


def test_what_a_person_decides_wins() -> None:
    frame = roster(DECIDED)
    plain = persons(frame, link_people(frame))
    assert plain["Ines Osgood"] == plain["I. Osgood"] == plain["OSGOOD, INES"] != plain["Ines Tull"]
    told = decide("""
        Ines Tull    Ines Osgood   7  same       her notice of marriage
        Ines Osgood  I. Osgood     7  different  a cousin
        Ines Osgood  OSGOOD, INES  7  Different  -
    """)
    links = link_people(frame, overrides=told)
    made = persons(frame, links)
    assert made["Ines Tull"] == made["Ines Osgood"] == "p00001"
    assert made["I. Osgood"] != made["Ines Osgood"]
    assert made["OSGOOD, INES"] != made["Ines Osgood"]
    evidence = dict(zip(links.ledger["name_b"], links.ledger["evidence"], strict=True))
    assert evidence["Ines Osgood"] == "decided by a person: her notice of marriage"
    wrong = links.ledger.query("decision == 'linked'")
    assert (wrong["person_a"] == wrong["person_b"]).all()


def test_decisions_about_pairs_that_no_rule_found_and_about_two_units() -> None:
    frame = roster("2010  Ines Tull  1\n2011  Bradley Osgood  1\n2012  I. Tull  2")
    told = decide("Ines Tull  Bradley Osgood  1  same  -\nInes Tull  I. Tull  1  same  -")
    told["unit_id_b"] = ["", "2"]
    links = link_people(frame, overrides=told)
    assert set(persons(frame, links).values()) == {"p00001"}
    assert links.ledger["rule"].tolist() == ["override", "override"]
    assert links.ledger["score"].isna().all()


def test_decisions_bind_plausible_links_too() -> None:
    frame = roster("2010  Ines Tull\n2011  Ines Osgood")
    told = decide("Ines Tull  Ines Osgood  7  different  -")
    for overrides, share in ((None, 0.0), (told, 1.0)):
        bounds = turnover_bounds(frame, link_people(frame, overrides=overrides), by_year=False)
        assert bounds["turnover_plausible_share"].tolist() == [share]


def test_two_holders_of_a_year_are_one_if_a_person_says_so() -> None:
    frame = roster("2010  Ines Tull\n2010  I. Tull")
    links = link_people(frame, overrides=decide("Ines Tull  I. Tull  7  same  typed twice"))
    assert len(set(persons(frame, links).values())) == 1


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Ines Tull  Ines Osgod  7  same  -", "unknown_spelling"),
        ("Ines Tull  Ines Osgood  8  same  -", "unknown_spelling"),
        ("Ines Tull  Ines Osgood  7  yes  -", "unknown_decision"),
        ("Ines Tull  Ines Tull  7  different  -", "same_spelling"),
        ("Ines Tull  Vacant  7  same  -", "not_a_person"),
        ("Ines Tull  Ines Osgood  7  same  -\nInes Osgood  Ines Tull  7  different  -",
         "contradictory_overrides"),
        ("Ines Tull  Ines Osgood  7  same  -\nInes Osgood  I. Osgood  7  same  -\n"
         "I. Osgood  Ines Tull  7  different  -", "contradictory_overrides"),
    ],
)  # fmt: skip
def test_faulty_decisions_are_listed(text: str, rule: str) -> None:
    frame = roster(f"{DECIDED}\n2017  Vacant")
    with pytest.raises(DataError) as caught:
        link_people(frame, overrides=decide(text))
    assert [(f.rule, f.n_rows) for f in caught.value.faults] == [(rule, 1)]


def test_questions_go_to_a_file_and_come_back_decided(tmp_path: Path) -> None:
    frame = roster(DECIDED)
    path = tmp_path / "decisions.csv"
    link_people(frame).write_overrides(path)
    asked = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert asked[["name_a", "name_b", "unit_id", "decision", "rule"]].to_numpy().tolist() == [
        ["Ines Tull", "Ines Osgood", "7", "", "married"]]  # fmt: skip
    untouched = link_people(frame, overrides=path)
    assert untouched.issues.count("undecided") == 1
    assert len(untouched.questions) == 1
    asked.assign(decision="same", reason="asked her").to_csv(path, index=False)
    links = link_people(frame, overrides=str(path))
    assert len(set(persons(frame, links).values())) == 1
    assert len(links.questions) == 0


def test_rules_can_be_left_out_and_the_others_called_for() -> None:
    frame = roster("2010  Brad Osgood\n2011  Bradley Osgood\n2012  Bradley Tull\n2013  Ines Tull")
    assert link_people(frame).ledger["decision"].tolist() == ["linked", "question", "question"]
    few = link_people(frame, rules=LinkRules(linked=("same_key",)))
    assert few.ledger["decision"].tolist() == ["question"] * 3
    bold = LinkRules(linked=("nickname", "married", "other_given"))
    assert link_people(frame, rules=bold).ledger["decision"].tolist() == ["linked"] * 3
    low = LinkRules(min_score=0.5)
    initials = roster("2010  Bradley T Osgood\n2011  Bradley V Osgood")
    assert link_people(initials, rules=low).ledger["decision"].tolist() == ["question"]
    strict = link_people(frame, rules=LinkRules(min_score=0.96))
    assert strict.ledger["decision"].tolist() == ["question"] * 3


@pytest.mark.parametrize(
    "options",
    [{"linked": ("nick",)}, {"linked": "typo"}, {"min_score": 1.5}, {"max_gap_years": 0},
     {"max_namesakes": 0.001}, {"max_namesakes_at_once": -0.1}],
)  # fmt: skip
def test_rules_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        LinkRules(**options)


def test_faulty_rosters() -> None:
    frame = roster(
        "2010  Ines Tull  1  N\n2011  Ines Tull  1  S\n2012  Ines Tull  2  N", group="state"
    )

    def rules_of(made: pd.DataFrame, **options: str | tuple[str, ...]) -> list[str]:
        with pytest.raises(DataError) as caught:
            link_people(made, **options)
        return [fault.rule for fault in caught.value.faults]

    assert rules_of(frame, group="state") == ["unit_in_two_groups"]
    assert rules_of(frame, name="who") == ["missing_column"]
    assert rules_of(frame, name=("leader_name", "who")) == ["missing_column"]
    assert rules_of(frame.iloc[:0]) == ["empty"]
    with pytest.raises(SpecError, match="no column of names"):
        link_people(frame, name=())
    assert rules_of(frame.assign(unit_id=["1", None, ""])) == ["missing_value"]
    years = frame.assign(school_year_end=["2010", "11a", 2010.5])
    assert rules_of(years) == ["not_a_year"]
    links = link_people(frame)
    with pytest.raises(DataError, match="unknown_spelling"):
        links.apply(frame.assign(leader_name="Bradley Osgood"))
    with pytest.raises(SpecError):
        links.apply(frame, column="state")
    assert "who" in links.apply(frame, column="who").columns


BOUNDS = """
    2010  Ines Tull        1
    2011  TULL, INES       1
    2012  I. Tull          1
    2013  Ines Osgood      1
    2014  Bradley Osgood   1
    2010  Carl Winter      2
    2011  Vacant           2
    2012  Carl Winter      2
    2013  Carla Winter     2
    2014  Berta Somer      2
"""


def test_bounds_of_turnover_by_hand() -> None:
    """Unit 2 is not seen in 2011 and 2012: nobody is named in 2011.

    2012-13: I. Tull to Ines Osgood is no pair (an initial and another family name), yet I. Tull is
    Ines Tull, and Ines Osgood is asked about: Ines Tull and she are two years apart, so no.
    """
    frame = roster(BOUNDS)
    links = link_people(frame)
    names = ["n_units"] + [
        f"turnover_{b}_share" for b in ("as_written", "normalised", "linked", "plausible")
    ]
    bounds = turnover_bounds(frame, links)
    assert bounds["school_year_end"].tolist() == [2010, 2011, 2012, 2013, 2014]
    expected = [
        [0, np.nan, np.nan, np.nan, np.nan],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [2, 1, 1, 1, 0.5],
        [2, 1, 1, 1, 0.5],
    ]
    np.testing.assert_array_equal(bounds[names].to_numpy(dtype=float), expected)
    whole = turnover_bounds(frame, links, by_year=False)
    np.testing.assert_array_equal(whole[names].to_numpy()[0], [6, 1, 5 / 6, 4 / 6, 2 / 6])


def test_turnover_is_counted_as_in_turnover_by_group_and_year() -> None:
    """A second holder is no change while the first stays; that one leaves is one."""
    frame = roster(
        """
        2010-2012  Ines Tull       7  N
        2011       Bradley Osgood  7  N
        2010-2011  Carl Winter     8  S
        2013-2014  Berta Somer     8  S
        2014       Carl Winter     9  S
        """,
        state="state",
    )
    links = link_people(frame, group="state")
    bounds = turnover_bounds(frame, links, by_group=True)
    assert bounds.columns.tolist()[:3] == ["state", "school_year_end", "n_units"]
    assert bounds["state"].tolist() == ["N"] * 3 + ["S"] * 4
    assert bounds["school_year_end"].tolist() == [2010, 2011, 2012, 2010, 2011, 2013, 2014]
    assert bounds["n_units"].tolist() == [0, 1, 1, 0, 1, 0, 1]
    shares = bounds["turnover_linked_share"].tolist()
    np.testing.assert_array_equal(shares, [np.nan, 0, 1, np.nan, 0, np.nan, 0])
    other = turnover_by_group(
        links.apply(frame).drop(columns="leader_name"),
        columns={"leader_id": "person_id", "group_id": "state"},
    ).rename(columns={"group": "state"})
    both = bounds.merge(other, on=["state", "school_year_end"], how="left")
    assert both["n_units_x"].tolist() == both["n_units_y"].tolist()
    np.testing.assert_array_equal(both["turnover_linked_share"], both["turnover_share"])
    whole = turnover_bounds(frame, links, by_group=True, by_year=False)
    assert whole.drop(columns="turnover_plausible_share").to_numpy().tolist() == [
        ["N", 2, 0.5, 0.5, 0.5], ["S", 2, 0.0, 0.0, 0.0]]  # fmt: skip
    with pytest.raises(SpecError, match="without groups"):
        turnover_bounds(frame, link_people(frame), by_group=True)


TWO_COLUMNS = """
    2010-2011  OSGOOD       7  BRAD
    2012-2013  OSGOOD, JR   7  BRADLEY T
    2012-2013  OSGOOD       7  B
    2014       OSGOOD       7  -
    2010-2011  VON TULL     8  INES
    2012       Tull Osgood  8  Ines
    2013       Vacant       8  -
    2014       -            8  -
    2015       -            8  Ines
"""


def test_given_and_family_names_in_two_columns() -> None:
    frame = roster(TWO_COLUMNS, first="first_name").rename(columns={"leader_name": "last_name"})
    links = link_people(frame, name=("first_name", "last_name"))
    assert links.people.set_index("name")["key"].to_dict() == {
        "OSGOOD, BRAD": "brad osgood", "OSGOOD, JR, BRADLEY T": "bradley t osgood jr",
        "OSGOOD, B": "b osgood", "OSGOOD": "osgood", "VON TULL, INES": "ines vontull",
        "Tull Osgood, Ines": "ines tullosgood", "Vacant": "", "": "", "Ines": "ines",
    }  # fmt: skip
    made = links.apply(frame)
    assert made.columns.tolist() == [*frame.columns, "person_id"]
    assert made["person_id"].isna().sum() == 2
    at_once = made[made["school_year_end"].isin([2012, 2013]) & (made["unit_id"] == "7")]
    assert at_once.groupby("school_year_end")["person_id"].nunique().tolist() == [2, 2]
    assert turnover_bounds(frame, links)["school_year_end"].tolist() == list(range(2010, 2016))


def test_holders_of_one_post_and_year_stay_apart_however_alike() -> None:
    frame = roster("""
        2010-2012  Bradley Osgood
        2012       Brad Osgood
        2012       Bradley T Osgood
        2013       B. Osgood
    """)
    people = persons(frame, link_people(frame))
    assert len({people[n] for n in ("Bradley Osgood", "Brad Osgood", "Bradley T Osgood")}) == 3


def test_ids_say_nothing_and_change_only_for_those_who_are_decided_about() -> None:
    frame = roster("""
        2010-2012  Zoe Winter      2
        2010       Ines Tull       1
        2011       Ines Osgood     1
        2012       Brad Osgood     1
        2009       Vacant          1
        2013       Bradley Osgood  1
    """)
    plain = link_people(frame)
    numbers = plain.people.set_index("name")[["spelling_id", "person_id", "plausible_id"]]
    assert numbers.fillna("").T.to_dict("list") == {
        "Vacant": ["", "", ""],
        "Ines Tull": ["p00002", "p00002", "p00002"],
        "Ines Osgood": ["p00003", "p00003", "p00002"],
        "Brad Osgood": ["p00004", "p00004", "p00002"],
        "Bradley Osgood": ["p00005", "p00004", "p00002"],
        "Zoe Winter": ["p00006", "p00006", "p00006"],
    }
    told = decide("Ines Tull  Ines Osgood  1  same  -")
    made = link_people(frame, overrides=told).people.set_index("name")["person_id"]
    assert made.drop("Ines Osgood").equals(numbers["person_id"].drop("Ines Osgood"))
    assert made["Ines Osgood"] == "p00002"


def test_nothing_that_is_printed_by_default_names_anybody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = roster(
        f"{DECIDED}\n2017  Vacant\n2018  Zoe Tull / Zoe Osgood\n2019  Zoe Tull (Interim)"
    )
    links = link_people(frame)
    print(links, repr(links), links.issues, links.counts())
    print(links.issues.frame().to_string(), links.issues.rows().to_string())
    print(turnover_bounds(frame, links).to_string())
    for wrong in (
        "Ines Tull  Zoe  7  same  -", "Ines Tull  Ines Tull  7  same  -",
        "Ines Tull  Vacant  7  same  -", "Ines Tull  I. Osgood  7  perhaps  -",
    ):  # fmt: skip
        with pytest.raises(DataError) as caught:
            link_people(frame, overrides=decide(wrong))
        print(caught.value)
    with pytest.raises(DataError) as caught:
        link_people(frame.assign(school_year_end="x"))
    print(caught.value)
    with pytest.raises(DataError) as caught:
        links.apply(frame.assign(leader_name="Zoe Ines"))
    print(caught.value)
    out = capsys.readouterr().out
    assert "Links(5 spellings, 3 persons; pairs: 2 linked, 1 question, 0 not linked)" in out
    assert "row 2: unit_id=7" in out
    assert not re.search("ines|tull|osgood|zoe", out, flags=re.IGNORECASE)


def test_all_spellings_planted_in_simulated_rosters_are_found_and_nothing_else() -> None:
    planted = {"spelling": 18, "placeholder": 3, "two_holders": 3, "return": 3, "shared_leader": 3}
    sim = simulate_districts(150, 12, defects=planted, seed=4, n_schools=1, n_directors=1)
    made = link_people(sim.roster, role="role").apply(sim.roster)
    named = made[made["person_id"].notna()]
    assert (len(made) - len(named)) == 3
    truth = named["leader_id"].str.removesuffix("-b")
    assert (truth != named["leader_id"]).sum() >= 18
    pairs = pd.DataFrame({"truth": truth, "person": named["person_id"]}).drop_duplicates()
    assert not pairs["truth"].duplicated().any()
    assert not pairs["person"].duplicated().any()
