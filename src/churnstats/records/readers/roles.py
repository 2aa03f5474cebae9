"""Roles that leaders hold, in a small vocabulary of our own, from titles as sources write them.

CEDS and many state files can't tell a superintendent from an assistant; titles nearly always can.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

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
