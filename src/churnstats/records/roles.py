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
    "principal",
    "assistant_principal",
    "director",
    UNKNOWN,
)
_HELPERS = r"\b(secretary|clerk|to the|assistant to|office of|custodia\w*|buildings?|grounds)\b"
_DEPUTY = r"\b(assistant|asst|associate|assoc|deputy|vice|area)\b"
_SUPERINTENDENT = r"\b(superintendents?|supt|superint\w*)\b"
_HEAD = r"\b(ceo|chief executive( officer)?|chancellor|head of schools)\b"
_PRINCIPAL = r"\b(principals?|prin|head of school|school leader)\b"
_RULES = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (_HELPERS, UNKNOWN),
        (rf"(?=.*{_DEPUTY}).*{_SUPERINTENDENT}", "assistant_superintendent"),
        (rf"{_SUPERINTENDENT}|{_HEAD}", "superintendent"),
        (rf"(?=.*{_DEPUTY}).*{_PRINCIPAL}", "assistant_principal"),
        (_PRINCIPAL, "principal"),
        (r"\b(director|dir)\b", "director"),
    )
)
_FAMILIES = {
    "superintendent": "superintendent",
    "assistant_superintendent": "cabinet",
    "chief_officer": "cabinet",
    "director": "cabinet",
    "principal": "principal",
    "assistant_principal": "assistant_principal",
    "board_member": "board",
}
_SEAT = re.compile(r"_\d+$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def role_of_title(title: Any) -> str:
    """Return the role of a title, "unknown" where it names none of ``ROLES``.

    A superintendent is whoever leads a district or other local agency, so the chief executive of
    a charter network is one. Interim and acting holders have the role that they fill.

    Examples
    --------
    >>> role_of_title("Interim Asst. Superintendent"), role_of_title("Bus Driver")
    ('assistant_superintendent', 'unknown')
    """
    words = " ".join(re.sub(r"[^a-z ]", " ", str(title).lower()).split())
    return next((role for pattern, role in _RULES if pattern.search(words)), UNKNOWN)


def roles_of_titles(titles: pd.Series) -> pd.Series:
    """Return the role of each title; a missing one is unknown."""
    role = {title: role_of_title(title) for title in titles.dropna().unique()}
    return titles.map(role).astype("str").fillna(UNKNOWN)


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
        officers, directors), principal, assistant_principal and board (board members).
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
    middle: tuple[str, ...] = ("principal", "cabinet")
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
