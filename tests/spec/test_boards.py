"""When a board flips, by seats or by factions, and what becomes of members at the end of terms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import churnstats as cs
from churnstats.panel.board_terms import OUTCOMES, BoardRules, board_elections, board_terms
from churnstats.panel.boards import board_flips
from churnstats.records.roles import seats_as_roles
from record_tables import assert_shows, table, text_columns

BOARD = """
    role            leader_id  start  stop  party
    board_member_1  a          2010   2014  red
    board_member_2  b          2010   2014  red
    board_member_3  c          2010   2014  red
    board_member_4  d          2010   2012  red
    board_member_4  h          2012   2014  blue
    board_member_5  e          2010   2012  blue
    board_member_5  i          2012   2014  blue
    board_member_6  f          2010   2012  blue
    board_member_6  j          2012   2014  blue
    board_member_7  g          2010   2012  blue
"""


def flips(text: str, **options: Any) -> pd.DataFrame:
    frame = table(text).assign(unit_id="1")
    return board_flips(cs.Tenures.from_spells(frame), **options)


def test_a_board_of_seven_flips_with_the_fourth_new_member() -> None:
    three = BOARD + "    board_member_7  g  2012  2014  blue\n"
    four = BOARD + "    board_member_7  k  2012  2014  red\n"
    assert_shows(
        flips(three),
        """
        school_year_end  n_seats  n_new_members  n_unknown_seats  is_flip
        2010             7        0              7                -
        2011             7        0              0                no
        2012             7        3              0                no
        2013             7        0              0                no
        """,
    )
    assert_shows(
        flips(four),
        """
        school_year_end  n_seats  n_new_members  n_unknown_seats  is_flip
        2010             7        0              7                -
        2011             7        0              0                no
        2012             7        4              0                yes
        2013             7        0              0                no
        """,
    )
    assert flips(four, years_back=2)["is_flip"].tolist() == [pd.NA, pd.NA, True, True]


def test_a_member_who_takes_another_seat_is_not_new() -> None:
    swapped = BOARD.replace("4  h ", "4  e ").replace("5  i ", "5  d ")
    made = flips(swapped + "    board_member_7  k  2012  2014  red\n")
    assert made["n_new_members"].tolist() == [0, 0, 2, 0]


def test_a_vacant_seat_is_not_new_and_an_unseen_one_unknown() -> None:
    empty = flips(BOARD + "    board_member_7  k  2013  2014  red\n")
    assert_shows(
        empty,
        """
        school_year_end  n_seats  n_new_members  n_unknown_seats  is_flip
        2010             7        0              7                -
        2011             7        0              0                no
        2012             7        3              0                no
        2013             7        1              0                no
        """,
    )
    # with three new members for certain, a seat that nobody saw may be the fourth
    assert_shows(
        flips(BOARD),
        """
        school_year_end  n_seats  n_new_members  n_unknown_seats  is_flip
        2010             7        0              7                -
        2011             7        0              0                no
        2012             7        3              1                -
        2013             6        0              0                no
        """,
    )


def test_a_faction_wins_the_majority() -> None:
    made = flips(BOARD + "    board_member_7  k  2012  2014  blue\n", faction="party")
    assert_shows(
        made,
        """
        school_year_end  is_flip  majority_faction  is_faction_flip
        2010             -        red               -
        2011             no       red               no
        2012             yes      blue              yes
        2013             no       blue              no
        """,
    )


def test_new_members_of_the_old_faction_change_no_majority() -> None:
    same = BOARD.replace("h          2012   2014  blue", "h          2012   2014  red")
    made = flips(same + "    board_member_7  k  2012  2014  blue\n", faction="party")
    assert made["is_flip"].tolist()[2] is True
    assert made["is_faction_flip"].tolist()[1:] == [False, False, False]


def test_members_without_a_faction_may_decide() -> None:
    made = flips(BOARD + "    board_member_7  k  2012  2014  -\n", faction="party")
    assert_shows(
        made,
        """
        school_year_end  majority_faction  is_faction_flip
        2010             red               -
        2011             red               no
        2012             -                 -
        2013             -                 -
        """,
    )


def test_what_a_board_needs() -> None:
    with pytest.raises(cs.SpecError, match="no role belongs to the board"):
        flips("role  leader_id  start  stop\n  principal  a  2010  2012")
    with pytest.raises(cs.SpecError, match="at least 1"):
        flips(BOARD, years_back=0)
    with pytest.raises(cs.SpecError, match="no column 'slate'"):
        flips(BOARD, faction="slate")


def test_the_share_of_new_members_is_told_where_every_seat_is_seen() -> None:
    whole = flips(BOARD + "    board_member_7  k  2012  2014  blue\n", years_back=2)
    assert_shows(whole.tail(2), "n_new_members  new_member_share\n 4  4/7\n 4  4/7")
    assert_shows(flips(BOARD).iloc[[1, 2]], "n_new_members  new_member_share\n 0  0\n 3  -")


# ---------------------------------------------------------------- terms

TERMS = """
    seat  leader_id  start    stop    term_start  term_end  exit_reason  seated_by    right_censored
    1     a          2009.5   2012.5  2008.5      2012.5    defeated     election     no
    1     d          2012.5   2016.5  2012.5      2016.5    -            election     no
    1     d          2016.5   2018    2016.5      2020.5    -            election     yes
    2     b          2008.5   2011    2008.5      2012.5    resigned     election     no
    2     e          2011.25  2012.5  2008.5      2012.5    -            appointment  no
    2     e          2012.5   2016.5  -           2016.5    not_running  election     no
    2     f          2016.5   2018    -           2020.5    -            election     yes
    3     c          2010.5   2013    2010.5      2014.5    resigned     election     no
    3     g          2014.5   2018    2014.5      2018.5    -            election     yes
"""


def board(text: str, **more: Any) -> cs.Tenures:
    frame = text_columns(table(text), "seat").assign(unit_id="1", role="board_member", **more)
    return cs.Tenures.from_spells(frame.assign(role=seats_as_roles(frame)))


def test_terms_of_seats_and_what_became_of_their_members() -> None:
    made = board_terms(board(TERMS))
    assert_shows(
        made,
        """
        role            seat  term_start  term_end  school_year_end  n_members  n_mid_term
        board_member_1  1     2008.5      2012.5    2012             1          1
        board_member_1  1     2012.5      2016.5    2016             1          0
        board_member_1  1     2016.5      2020.5    2020             1          0
        board_member_2  2     2008.5      2012.5    2012             2          1
        board_member_2  2     2012.5      2016.5    2016             1          0
        board_member_2  2     2016.5      2020.5    2020             1          0
        board_member_3  3     2010.5      2014.5    2014             1          0
        board_member_3  3     2014.5      2018.5    2018             1          0
        """,
    )
    assert_shows(
        made,
        """
        leader_id  n_appointed  seated_by    outcome
        a          0            election     defeated
        d          0            election     kept
        d          0            election     -
        e          1            appointment  kept
        e          0            election     not_running
        f          0            election     -
        -          0            -            open
        g          0            election     -
        """,
    )


def test_seats_that_are_up_by_school_year() -> None:
    made = board_elections(board(TERMS))
    assert_shows(
        made,
        """
        school_year_end  n_seats  n_terms_known  n_up  up_share  is_majority_up  is_staggered
        2008             1        1              0     0         no              -
        2009             2        2              0     0         no              no
        2010             3        3              0     0         no              -
        2011             3        3              0     0         no              yes
        2012             3        3              2     2/3       yes             yes
        2013             3        3              0     0         no              yes
        2014             3        3              1     1/3       no              yes
        2015             3        3              0     0         no              yes
        2016             3        3              2     2/3       yes             yes
        2017             3        3              0     0         no              yes
        """,
    )
    assert_shows(
        made[made["n_up"] > 0],
        """
        n_kept  n_defeated  n_not_running  n_replaced  n_open  changed_share  defeated_share
        1       1           0              0           0       0.5            0.5
        0       0           0              0           1       1              -
        1       0           1              0           0       0.5            0
        """,
    )
    came = made.set_index("school_year_end")["n_mid_term"]
    assert came[came > 0].to_dict() == {2009: 1, 2011: 1}
    assert made["changed_share"].notna().sum() == 3


def test_a_reason_that_does_not_tell_leaves_defeats_unknown() -> None:
    made = board_elections(board(TERMS.replace("defeated   ", "term_ended "))).set_index(
        "school_year_end"
    )
    up = made.loc[2012]
    assert up[["n_kept", "n_defeated", "n_replaced", "changed_share"]].tolist() == [1, 0, 1, 0.5]
    assert pd.isna(up["defeated_share"])
    named = BoardRules(defeated=("term_ended",))
    told = board_elections(board(TERMS.replace("defeated   ", "term_ended ")), rules=named)
    assert_frame_equal(told, board_elections(board(TERMS)))


def test_seats_without_a_known_term_make_the_year_unknown() -> None:
    unknown = TERMS.replace("2014.5      2018.5 ", "-           -      ")
    made = board_elections(board(unknown)).set_index("school_year_end")
    # the seat is known to be up in 2014, whoever follows for however long
    assert made["n_terms_known"].tolist() == [1, 2, 3, 3, 3, 3, 3, 2, 2, 2]
    assert made["n_up"].tolist() == [0, 0, 0, 0, 2, 0, 1, pd.NA, pd.NA, pd.NA]
    assert made.loc[2016, ["n_kept", "up_share", "is_majority_up", "is_staggered"]].isna().all()
    assert pd.isna(made.loc[2014, "n_mid_term"])
    assert board_terms(board(unknown))["outcome"].tolist()[-1] == "open"


def test_nobody_looked_at_the_end_of_a_term() -> None:
    text = """
        seat  leader_id  start  stop    term_end  left_censored  right_censored  exit_reason
        1     a          2010   2012    2014      no             yes             -
        1     b          2013   2014    2014      yes            no              -
        1     c          2014   2016    2018      yes            no              -
        2     a          2010   2014    2014      no             no              -
        2     a          2014   2014.5  2018      yes            no              -
        3     a          2010   2014.5  2014      no             yes             -
    """
    made = board_terms(board(text))
    assert_shows(
        made,
        """
        seat  term_end  n_members  n_mid_term  leader_id  outcome
        1     2014      2          -           b          -
        1     2018      1          0           c          -
        2     2014      1          -           a          -
        2     2018      1          0           a          -
        3     2014      1          -           a          -
        """,
    )
    # the member of the third seat goes on after the term: how, nobody has recorded
    years = board_elections(board(text)).set_index("school_year_end")
    assert years.loc[2013, ["n_up", "n_outcome_unknown"]].tolist() == [3, 3]
    assert years.loc[2014, ["n_seats", "n_terms_known"]].tolist() == [3, 2]
    assert years.loc[2013, ["changed_share", "n_mid_term"]].isna().all()


def test_somebody_in_a_row_without_a_term_may_have_served_it_out() -> None:
    text = """
        seat  leader_id  start  stop  term_start  term_end
        1     a          2010   2012  2010        2014
        1     b          2012   2014  -           -
        1     c          2014   2018  2014        2018
    """
    assert board_terms(board(text))["outcome"].isna().tolist() == [True, False]
    vacant = board_terms(
        board("""
            seat  leader_id  start   stop  term_start  term_end
            1     a          2010    2012  2010        2014
            1     b          2014.5  2015  -           -
            1     c          2015    2018  2014        2018
        """)
    )
    assert vacant["outcome"].tolist() == ["open", "replaced"]


def test_days_of_grace_at_the_end_and_the_start_of_a_term() -> None:
    text = """
        seat  leader_id  start    stop     term_start  term_end
        1     a          2010     2013.92  2010        2014
        1     b          2014.08  2018     2014        2018
    """
    strict = board_terms(board(text), rules=BoardRules(grace_days=7))
    assert strict["outcome"].tolist() == ["open", "replaced"]
    assert strict["n_mid_term"].tolist() == [0, 1]
    made = board_terms(board(text))
    assert made["outcome"].tolist() == ["replaced", "replaced"]
    assert made["n_mid_term"].tolist() == [0, 0]


def test_names_of_seats_become_posts() -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["1", "1", "1", "2", "2", "2", "2"],
            "role": ["board_member"] * 6 + ["superintendent"],
            "seat": ["10", " 2", None, "At large", "East", "3", None],
        }
    )
    assert seats_as_roles(frame).tolist() == [
        "board_member_10",
        "board_member_2",
        "board_member",
        "board_member_2",
        "board_member_3",
        "board_member_1",
        "superintendent",
    ]
    again = frame.assign(role=seats_as_roles(frame))
    assert seats_as_roles(again).tolist() == again["role"].tolist()


def test_what_terms_need() -> None:
    with pytest.raises(cs.SpecError, match="when a term ends"):
        board_terms(board("seat  leader_id  start  stop\n  1  a  2010  2012"))
    frame = text_columns(table(TERMS), "seat").assign(unit_id="1", role="board_member_1")
    joined = cs.Tenures.from_assignments(frame[frame["seat"] == "1"])
    with pytest.raises(cs.SpecError, match="joined to one spell"):
        board_terms(joined)
    header = "seat  leader_id  start  stop  term_start  term_end\n"
    with pytest.raises(cs.DataError, match="end before they start"):
        board_terms(board(header + " 1  a  2010  2012  2014  2012"))
    with pytest.raises(cs.DataError, match="after the end of their term"):
        board_terms(board(header + " 1  a  2012  2014  2008  2012"))
    with pytest.raises(cs.SpecError, match="no length of time"):
        BoardRules(grace_days=-1)
    with pytest.raises(cs.SpecError, match="two things"):
        BoardRules(defeated=("retirement",))
    with pytest.raises(cs.DataError, match="seated_by"):
        board(TERMS.replace("appointment", "lottery"))


def simulated_seats(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return members' rows of boards of five, and what was drawn of each term that ended."""
    rng = np.random.default_rng(seed)
    rows, truth, n = [], [], 0
    for board_id, seat in itertools.product(range(12), range(5)):
        unit, role, reason = f"b{board_id:02d}", f"board_member_{seat + 1}", None
        member: str | None = f"m{(n := n + 1)}"
        for begin in np.arange(2000.5 + seat % 2 * 2, 2016, 4):
            end, came = begin + 4, begin
            if member is None:
                member = f"m{(n := n + 1)}"
            resigns = rng.random() < 0.3
            filled = resigns and rng.random() < 0.6
            cells = {"unit_id": unit, "role": role, "term_start": begin, "term_end": end}
            if resigns:
                left = begin + rng.choice([0.75, 1.5, 2.5])
                gone = {"stop": left, "exit_reason": "resigned", "seated_by": "election"}
                rows.append(cells | {"leader_id": member, "start": came} | gone)
                member, came = (f"m{(n := n + 1)}", left + 0.25) if filled else (None, end)
            outcome = "open"
            if member is not None:
                outcome = str(rng.choice(["kept", "kept", "defeated", "not_running", "replaced"]))
                reason = outcome if outcome in ("defeated", "not_running") else None
                how = "appointment" if filled else "election"
                gone = {"stop": end, "exit_reason": reason, "seated_by": how}
                rows.append(cells | {"leader_id": member, "start": came} | gone)
                member = member if outcome == "kept" else None
            truth.append({"unit_id": unit, "role": role, "school_year_end": int(end),
                          "outcome": outcome, "n_mid_term": int(filled),
                          "came": int(came) if filled else 0})  # fmt: skip
    last = pd.DataFrame(rows).groupby(["unit_id", "role"])["term_end"].transform("max")
    made = pd.DataFrame(rows)
    return made.assign(right_censored=made["stop"].eq(last)), pd.DataFrame(truth)


@pytest.mark.parametrize("seed", [1, 2])
def test_simulated_boards_have_the_outcomes_that_were_drawn(seed: int) -> None:
    rows, truth = simulated_seats(seed)
    tenures = cs.Tenures.from_spells(rows)
    terms = board_terms(tenures)
    key = ["unit_id", "role", "school_year_end"]
    both = terms.merge(truth, on=key, how="outer", suffixes=("", "_drawn"), validate="1:1")
    # whoever was in the seat when the record ends may go on or not
    last = both.groupby(["unit_id", "role"])["school_year_end"].transform("max")
    final = both["school_year_end"] == last
    assert both.loc[final, "outcome"].isna().all()
    assert (both["outcome"] == both["outcome_drawn"])[~final].all()
    assert (both["n_mid_term"] == both["n_mid_term_drawn"]).all()
    assert both.loc[~final, "outcome"].value_counts().min() > 10
    years = board_elections(tenures).set_index(["unit_id", "school_year_end"])
    for (unit, year), part in both.groupby(["unit_id", "school_year_end"]):
        if final[part.index].any():
            continue
        found, drawn = years.loc[(unit, year)], part["outcome_drawn"].tolist()
        assert found["n_up"] == len(part)
        assert [found[f"n_{o}"] for o in OUTCOMES] == [drawn.count(o) for o in OUTCOMES]
        assert found["changed_share"] == 1 - drawn.count("kept") / len(drawn)
        ran = drawn.count("kept") + drawn.count("defeated")
        if "replaced" in drawn or not ran:
            assert pd.isna(found["defeated_share"])
        else:
            assert found["defeated_share"] == drawn.count("defeated") / ran
    filled = truth[truth["came"] > 0].groupby(["unit_id", "came"]).size()
    found_mid = years["n_mid_term"]
    assert found_mid[found_mid > 0].to_dict() == filled.to_dict()
