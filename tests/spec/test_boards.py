"""When a board flips: most seats in new hands, or the majority in those of another faction."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.panel.boards import board_flips
from record_tables import assert_shows, table

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
