"""Roles by title: boards, cabinets and central offices, and what users add."""

from __future__ import annotations

import pandas as pd
import pytest

import churnstats as cs
from churnstats.panel.churn import churn_measures
from churnstats.records.roles import ROLES, RoleFamilies, role_of_title, roles_of_titles


@pytest.mark.parametrize(
    ("title", "role", "family"),
    [
        ("Board Member", "board_member", "board"),
        ("School Board President", "board_member", "board"),
        ("President, Board of Education", "board_member", "board"),
        ("Vice President, School Board", "board_member", "board"),
        ("Board of Education Member, District 3", "board_member", "board"),
        ("Chairwoman of the School Committee", "board_member", "board"),
        ("Trustee (Area 2)", "board_member", "board"),
        ("Board Director", "board_member", "board"),
        ("Chief of Staff", "chief_officer", "cabinet"),
        ("Acting Chief of Staff to the Superintendent", "chief_officer", "cabinet"),
        ("Chief Financial Officer", "chief_officer", "cabinet"),
        ("CFO", "chief_officer", "cabinet"),
        ("Chief Academic Officer", "chief_officer", "cabinet"),
        ("Chief Human Resources & Talent Officer", "chief_officer", "cabinet"),
        ("Chief Schools Officer", "chief_officer", "cabinet"),
        ("Chief of Schools", "chief_officer", "cabinet"),
        ("General Counsel", "chief_officer", "cabinet"),
        ("Deputy Chief of Staff", "director", "cabinet"),
        ("Director of Student Services", "director", "cabinet"),
        ("Director of Board Relations", "director", "cabinet"),
        ("Special Education Coordinator", "coordinator", "central_office"),
        ("Chief Executive Officer", "superintendent", "superintendent"),
        ("Chief School Administrator", "superintendent", "superintendent"),
        ("Superintendent, ex officio Board Member", "superintendent", "superintendent"),
        ("Superintendent and Chief Academic Officer", "superintendent", "superintendent"),
        ("Deputy Chief Executive Officer", "assistant_superintendent", "cabinet"),
        ("Deputy Superintendent and CFO", "assistant_superintendent", "cabinet"),
        ("Executive Assistant Superintendent", "assistant_superintendent", "cabinet"),
    ],
)
def test_titles_of_boards_and_central_offices(title: str, role: str, family: str) -> None:
    assert role_of_title(title) == role
    assert role in ROLES
    assert RoleFamilies().of(pd.Series([role])).tolist() == [family]


@pytest.mark.parametrize(
    "title",
    [
        "Clerk of the Board",
        "Board Secretary",
        "Student Board Member",
        "Student Trustee",
        "Liaison to the Board of Trustees",
        "Office of the Chief of Staff",
        "Secretary, Chief of Staff",
        "Executive Assistant to the CFO",
        "Executive Assistant, Chief Financial Officer",
        "Chief of Police",
        "Board Certified Behavior Analyst",
        "Department Chair",
    ],
)
def test_who_works_for_them_is_none_of_them(title: str) -> None:
    assert role_of_title(title) == "unknown"


def test_users_name_roles_by_their_own_titles() -> None:
    own = {r"\bcoach\b": "coach", r"^head custodian$": "custodian"}
    titles = pd.Series(["Math COACH", "Head Custodian", "Principal", None, "Coach, Principal"])
    made = roles_of_titles(titles, own)
    assert made.tolist() == ["coach", "custodian", "principal", "unknown", "coach"]


def test_roles_that_nobody_named_have_their_measures() -> None:
    titles = ["Instructional Coach", "Instructional Coach", "Superintendent"]
    rows = pd.DataFrame(
        {
            "unit_id": "1",
            "leader_id": ["a", "b", "s"],
            "role": roles_of_titles(pd.Series(titles), {"coach": "coach"}),
            "start": [2010, 2012, 2010],
            "stop": [2012, 2014, 2014],
        }
    )
    made = churn_measures(cs.Tenures.from_spells(rows))
    assert made["coach_turnover_lag_share"].tolist()[1:] == [0.0, 1.0, 0.0]
    families = RoleFamilies({"coach": "middle_office"}, middle=("middle_office",))
    own = churn_measures(cs.Tenures.from_spells(rows), families=families)
    assert own["middle_office_turnover_lag_share"].tolist()[1:] == [0.0, 1.0, 0.0]
    assert own["middle_stability_share"].tolist()[1:] == [1.0, 0.0, 1.0]
