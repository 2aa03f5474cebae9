"""Names and links hold for any roster: order and labels don't matter, a year has one holder."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from churnstats.records.people.links import Links, link_people, turnover_bounds
from churnstats.records.people.names import compare_names, parse_name, parse_names
from support import DRAWS

# Few parts, so that spellings of one person, namesakes and strangers meet in a unit.
GIVEN = ("Bradley", "Brad", "B.", "Bertha", "Ines", "I.", "Inez", "Bradley T", "T Bradley", "Brady")
FAMILY = ("Osgood", "Osgod", "Osgood-Tull", "Tull", "Tull Jr", "Tull Sr", "Winter")
NOBODY = ("Vacant", "NA NA", "", "Ines Tull / Bradley Osgood")
FORMS = ("{0} {1}", "{1}, {0}", "Dr. {0} {1}", "{0}\u00a0{1}", "{0} {1} (Interim)")
PLAIN, ROSTERS = settings(DRAWS, max_examples=150), settings(DRAWS, max_examples=20)

names = st.one_of(
    st.builds(
        lambda given, family, form, upper: (
            form.format(given, family).upper() if upper else form.format(given, family)
        ),
        st.sampled_from(GIVEN),
        st.sampled_from(FAMILY),
        st.sampled_from(FORMS),
        st.booleans(),
    ),
    st.sampled_from(NOBODY),
)
rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(2010, 2017), names), min_size=1, max_size=24
)


def frame_of(held: list[tuple[str, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(held, columns=["unit_id", "school_year_end", "leader_name"])


def partition(frame: pd.DataFrame, links: Links) -> set[frozenset[int]]:
    """Return the rows of each person, by the frame's index."""
    person = links.apply(frame)["person_id"].dropna()
    return {frozenset(group.index) for _, group in person.groupby(person)}


words = st.text("abcdefghijklmnopqrstuvwxyzéüñç", min_size=3, max_size=9).filter(
    lambda w: not parse_name(f"Ines {w}").is_placeholder and parse_name(f"{w} Tull").given
)


@PLAIN
@given(given_name=words, initial=st.sampled_from("bcdfgh"), family=words)
def test_one_key_however_a_name_is_written(given_name: str, initial: str, family: str) -> None:
    plain = parse_name(f"{given_name} {initial} {family}Q")
    family = f"{family}Q"
    assert plain.key
    garbled = family.encode().decode("latin-1")
    for text in (
        f"{family}, {given_name} {initial}",
        f"{family.upper()},{given_name.upper()} {initial.upper()}.",
        f"  {family} ,  {given_name}   {initial} ",
        f"Dr. {given_name} {initial}. {family}, Ph.D.",
        f"{given_name}\u00a0{initial}\u00a0{family}",
        f"{given_name}7 {initial} {family}2",
        f"{given_name} {initial} {garbled}",
        f"Interim: {given_name} {initial} {family}",
    ):
        assert parse_name(text).key == plain.key, text


@PLAIN
@given(text=st.text(max_size=25))
def test_any_text_is_read_as_one_thing(text: str) -> None:
    name = parse_name(text)
    assert name == parse_name(text)
    assert (name.key == "") == (name.is_placeholder or name.is_two_people)
    assert not (name.is_placeholder and name.is_two_people)
    assert (name.family == "") == (name.key == "")
    made = parse_names(pd.Series([text, None, text], index=[5, 5, 2]))
    assert made.iloc[0].to_dict() == made.iloc[2].to_dict() == vars(name)
    assert made["is_placeholder"].iloc[1]


@PLAIN
@given(one=names, other=names)
def test_likeness_has_no_direction(one: str, other: str) -> None:
    a, b = parse_name(one), parse_name(other)
    found = compare_names(a, b)
    assert found == compare_names(b, a)
    if found is not None:
        assert 0 <= found.score <= found.least <= 1
        assert (found.score == 1) == (a.key == b.key)


@ROSTERS
@given(held=rows, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(held: list[tuple[str, int, str]], seed: int) -> None:
    frame = frame_of(held)
    before = frame.copy()
    links = link_people(frame)
    mixed = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    again = link_people(mixed)
    assert_frame_equal(links.people, again.people)
    assert_frame_equal(links.ledger, again.ledger)
    assert_frame_equal(links.apply(frame), again.apply(mixed).sort_index())
    assert_frame_equal(turnover_bounds(frame, links), turnover_bounds(mixed, again))
    assert_frame_equal(frame, before)


@ROSTERS
@given(held=rows, labels=st.permutations(["1", "x2", "03"]))
def test_the_names_of_units_do_not_matter(
    held: list[tuple[str, int, str]], labels: list[str]
) -> None:
    frame = frame_of(held)
    other = frame.assign(unit_id=frame["unit_id"].map(dict(zip("abc", labels, strict=True))))
    one, two = link_people(frame), link_people(other)
    assert partition(frame, one) == partition(other, two)
    counts = ["rule", "score", "decision", "gap_years", "n_shared_years"]
    mine, theirs = (made.ledger.query("unit_id_a == unit_id_b")[counts] for made in (one, two))
    assert_frame_equal(
        mine.sort_values(counts, ignore_index=True), theirs.sort_values(counts, ignore_index=True)
    )
    assert_frame_equal(turnover_bounds(frame, one), turnover_bounds(other, two))


@ROSTERS
@given(held=rows)
def test_persons_are_what_links_join(held: list[tuple[str, int, str]]) -> None:
    frame = frame_of(held)
    links = link_people(frame)
    people = links.people[links.people["status"] == "person"]
    person = people.set_index(["unit_id", "name"])["person_id"]
    joined = {spelling: {spelling} for spelling in person.index}
    for row in links.ledger.query("decision == 'linked'").itertuples():
        assert row.person_a == row.person_b
        one, other = (joined[row.unit_id_a, row.name_a], joined[row.unit_id_b, row.name_b])
        one |= other
        for spelling in other:
            joined[spelling] = one
    assert {frozenset(group) for group in joined.values()} == {
        frozenset(group.index) for _, group in person.groupby(person)
    }
    assert people["person_id"].notna().all()
    assert links.people.loc[links.people["status"] != "person", "person_id"].isna().all()


@ROSTERS
@given(held=rows)
def test_two_holders_of_a_year_are_never_one_person(held: list[tuple[str, int, str]]) -> None:
    frame = frame_of(held)
    links = link_people(frame)
    made = links.apply(frame).assign(key=parse_names(frame["leader_name"])["key"])
    made = made[made["person_id"].notna()]
    keys = made.groupby(["unit_id", "school_year_end", "person_id"])["key"].nunique()
    assert (keys <= 1).all()
    apart = links.ledger.query("decision == 'not linked'")
    assert (apart["person_a"] != apart["person_b"]).all()


@ROSTERS
@given(held=rows)
def test_no_person_holds_names_that_speak_against_it(held: list[tuple[str, int, str]]) -> None:
    people = link_people(frame_of(held)).people.query("status == 'person'")
    for _, group in people.groupby(["unit_id", "person_id"]):
        for one, other in combinations(group["name"], 2):
            found = compare_names(parse_name(one), parse_name(other))
            assert found is None or not found.contradicts, (one, other)


@ROSTERS
@given(held=rows, seed=st.integers(0, 99), decision=st.sampled_from(["same", "different"]))
def test_overrides_win(held: list[tuple[str, int, str]], seed: int, decision: str) -> None:
    frame = frame_of(held)
    people = link_people(frame).people.query("status == 'person'").reset_index(drop=True)
    if len(people) < 2:
        return
    a, b = np.random.default_rng(seed).choice(len(people), 2, replace=False)
    told = {f"name_{end}": [people["name"][i]] for end, i in (("a", a), ("b", b))}
    told |= {"unit_id": [people["unit_id"][a]], "unit_id_b": [people["unit_id"][b]]}
    overrides = pd.DataFrame(told | {"decision": [decision], "reason": ["known"]})
    links = link_people(frame, overrides=overrides)
    made = links.people.set_index(["unit_id", "name"])
    for column in ("person_id", "plausible_id"):
        one, other = (made.loc[(people["unit_id"][i], people["name"][i]), column] for i in (a, b))
        assert (one == other) == (decision == "same")
    shares = turnover_bounds(frame, links).filter(like="share").dropna().to_numpy()
    assert (np.diff(shares, axis=1) <= 0).all()


@ROSTERS
@given(held=rows)
def test_bounds_of_turnover_enclose_the_links_made(held: list[tuple[str, int, str]]) -> None:
    frame = frame_of(held)
    links = link_people(frame)
    table = turnover_bounds(frame, links)
    shares = table.filter(like="share")
    assert shares.isna().all(axis=1).tolist() == (table["n_units"] == 0).tolist()
    known = shares.dropna().to_numpy()
    assert (np.diff(known, axis=1) <= 0).all()
    assert ((known >= 0) & (known <= 1)).all()
    whole = turnover_bounds(frame, links, by_year=False)
    changes = (shares.fillna(0).mul(table["n_units"], axis=0)).sum()
    np.testing.assert_allclose(
        whole.filter(like="share").fillna(0).to_numpy()[0] * whole["n_units"][0], changes
    )
    people = links.people.query("status == 'person'")
    for fine, coarse in (("spelling_id", "person_id"), ("person_id", "plausible_id")):
        assert people.groupby(fine)[coarse].nunique().max() in (1, np.nan) or len(people) == 0


@ROSTERS
@given(held=rows)
def test_questions_answered_yes_join_what_they_ask_about(
    held: list[tuple[str, int, str]],
) -> None:
    frame = frame_of(held)
    asked = link_people(frame).questions
    told = asked.rename(columns={"unit_id_a": "unit_id"}).assign(decision="same", reason="")
    again = link_people(frame, overrides=told)
    made = again.people.set_index(["unit_id", "name"])["person_id"]
    for row in asked.itertuples():
        assert made[row.unit_id_a, row.name_a] == made[row.unit_id_b, row.name_b]
