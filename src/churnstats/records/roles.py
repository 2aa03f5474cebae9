"""Roles that leaders hold: a small vocabulary, roles by title, and the families of roles.

CEDS and many state files can't tell a superintendent from an assistant; titles nearly always can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray

UNKNOWN = "unknown"
ROLES = (
    "superintendent",
    "assistant_superintendent",
    "chief_officer",
    "director",
    "coordinator",
    "principal",
    "assistant_principal",
    "board_member",
    UNKNOWN,
)
# Who works for a leader, or sits on the board without a vote.
_HELPERS = (
    r"\b(secretary|clerk|to the|assistant to|office of|custodia\w*|buildings?|grounds|"
    r"(administrative|executive|admin|exec) (assistant|asst)(?! (sup|prin))|"
    r"student (school )?(board|trustee|member))\b"
)
_DEPUTY = r"\b(assistant|asst|associate|assoc|deputy|vice|area)\b"
_SUPERINTENDENT = r"\b(superintendents?|supt|superint\w*)\b"
# By law the chief school officer, or administrator, of some states is the superintendent.
_HEAD = (
    r"\b(ceo|chief executive( officer)?|chancellor|head of schools|"
    r"chief school (officer|administrator))\b"
)
_PRINCIPAL = r"\b(principals?|prin|head of school|school leader)\b"
_CHIEF = (
    r"\b(chief (of )?(staff|schools)|chief (\w+ ){1,6}?officers?|c[afiost]o|chro|"
    r"general counsel)\b"
)
_BOARD = (
    r"\btrustees?\b"
    r"|\b(board( of \w+)?|school committee) (vice |co )?(member|president|chair\w*|director)\b"
    r"|\b(member|president|chair\w*)( (of|on|the|for))*( \w+)?( school)? (board|school committee)\b"
)
_RULES = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"^((interim|acting) )?chief of staff\b", "chief_officer"),
        (_HELPERS, UNKNOWN),
        (rf"(?=.*{_DEPUTY}).*({_SUPERINTENDENT}|{_HEAD})", "assistant_superintendent"),
        (rf"{_SUPERINTENDENT}|{_HEAD}", "superintendent"),
        (rf"(?=.*{_DEPUTY}).*{_PRINCIPAL}", "assistant_principal"),
        (_PRINCIPAL, "principal"),
        (_BOARD, "board_member"),
        (rf"(?=.*{_DEPUTY}).*{_CHIEF}", "director"),
        (_CHIEF, "chief_officer"),
        (r"\b(director|dir)\b", "director"),
        (r"\b(coordinator|coord)\b", "coordinator"),
    )
)
_FAMILIES = {
    "superintendent": "superintendent",
    "assistant_superintendent": "cabinet",
    "chief_officer": "cabinet",
    "director": "cabinet",
    "coordinator": "central_office",
    "principal": "principal",
    "assistant_principal": "assistant_principal",
    "board_member": "board",
}
_SEAT = re.compile(r"_\d+$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def role_of_title(title: Any, own: Mapping[str, str] | None = None) -> str:
    r"""Return the role of a title, "unknown" where it names none of ``ROLES``.

    A superintendent is whoever leads a district or other local agency, so the chief executive of
    a charter network is one, and so is a "chief school officer", as some states call theirs.
    Interim and acting holders have the role that they fill. Deputies of chief officers count as
    directors, the board's clerk and secretary as unknown: many are employees.

    Parameters
    ----------
    title : object
    own : mapping of str to str, optional
        Regular expressions, and the roles of titles in which they are found; they go before
        those of this module. Titles are compared in small letters, with a space for all else.

    Examples
    --------
    >>> role_of_title("Interim Asst. Superintendent"), role_of_title("Bus Driver")
    ('assistant_superintendent', 'unknown')
    >>> role_of_title("Lead Instructional Coach", {r"\bcoach\b": "coach"})
    'coach'
    """
    words = " ".join(re.sub(r"[^a-z ]", " ", str(title).lower()).split())
    for pattern, role in (own or {}).items():
        if re.search(pattern, words):
            return role
    return next((role for pattern, role in _RULES if pattern.search(words)), UNKNOWN)


def roles_of_titles(titles: pd.Series, own: Mapping[str, str] | None = None) -> pd.Series:
    """Return the role of each title, as `role_of_title` does; a missing one is unknown."""
    role = {title: role_of_title(title, own) for title in titles.dropna().unique()}
    return titles.map(role).astype("str").fillna(UNKNOWN)


def seats_as_roles(frame: pd.DataFrame) -> pd.Series:
    """Return roles in which every seat is a post of its own, such as ``board_member_3``.

    Parameters
    ----------
    frame : DataFrame
        ``unit_id, role`` and ``seat``, the name of the seat in the unit: a number, a district, a
        letter.

    Returns
    -------
    Series of str
        The role and the seat's number where a seat is named, else the role as it is, and so where
        the role has a number already. Seats whose names are all numbers in a unit and role keep
        them; others are counted from 1 in the order of their names.

    Examples
    --------
    >>> import pandas as pd
    >>> seats_as_roles(pd.DataFrame({
    ...     "unit_id": ["1", "1", "2", "2"], "role": "board_member",
    ...     "seat": ["2", "7", "North", "East"]})).tolist()
    ['board_member_2', 'board_member_7', 'board_member_2', 'board_member_1']
    """
    seat = frame["seat"].astype("str").str.strip()
    seat = seat.mask(frame["role"].str.contains(_SEAT).eq(True))
    keys = [frame["unit_id"], frame["role"]]
    number = pd.to_numeric(seat.where(seat.str.fullmatch(r"\d+").eq(True)))
    counted = number.isna() & seat.notna()
    by_name = counted.groupby(keys).transform("any")
    rank = seat.groupby(keys).rank(method="dense")
    chosen = number.where(~by_name, rank).astype("Int64").astype("str")
    return frame["role"].where(seat.isna(), frame["role"] + "_" + chosen).astype("str")


@dataclass(frozen=True)
class RoleFamilies:
    """Which roles belong together, and what the families are to their district.

    Several posts of one kind in a unit are seats, that is roles that end in their number:
    ``board_member_1`` to ``board_member_7``, ``director_2``. A seat has the family of its role
    without the number, unless it is named itself. A role that is not named is a family of its
    own, so that nothing is lost.

    Parameters
    ----------
    roles : mapping of str to str
        Family of each role. By default superintendent, cabinet (assistant superintendents, chief
        officers, directors), central_office (coordinators), principal, assistant_principal and
        board (board members).
    head : str
        Family whose changes the others are set against.
    middle : tuple of str
        Families of the middle level.
    board : str
        Family whose seats make up the board.

    Raises
    ------
    SpecError
        Names of families that can't be the first part of a column's name.

    Examples
    --------
    >>> import pandas as pd
    >>> roles = pd.Series(["superintendent", "director_2", "board_member_7", "nurse"])
    >>> RoleFamilies().of(roles).tolist()
    ['superintendent', 'cabinet', 'board', 'nurse']
    """

    roles: Mapping[str, str] = field(default_factory=_FAMILIES.copy)
    head: str = "superintendent"
    middle: tuple[str, ...] = ("principal", "cabinet", "central_office")
    board: str = "board"

    def __post_init__(self) -> None:
        named = {*self.roles.values(), self.head, *self.middle, self.board}
        wrong = sorted(str(n) for n in named if not _NAME.fullmatch(str(n)))
        if wrong:
            raise SpecError(
                "families",
                "names of families begin columns, and these can't",
                where=wrong,
                how="use small letters, digits and _",
            )

    def of(self, roles: pd.Series) -> pd.Series:
        """Return the family of each role."""
        family = {role: self._family(role) for role in roles.unique()}
        return roles.map(family).astype("str")

    def is_head(self, families: pd.Series) -> BoolArray:
        """Mark rows of the family whose changes the others are set against."""
        return families.eq(self.head).to_numpy(dtype=bool)

    def is_middle(self, families: pd.Series) -> BoolArray:
        """Mark rows of the middle level."""
        return families.isin(self.middle).to_numpy(dtype=bool)

    def _family(self, role: str) -> str:
        kind = _SEAT.sub("", role)
        return self.roles.get(role, self.roles.get(kind, kind))
