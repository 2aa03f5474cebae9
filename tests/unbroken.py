"""Spells of one leader in one post that touch or overlap are one stay, by a plain loop."""

from __future__ import annotations

from typing import Any

import pandas as pd


def unbroken(spells: pd.DataFrame) -> dict[Any, list[Any]]:
    """Return for each row's label the rows of the stay that it is a part of, in order of time."""
    found: dict[Any, list[Any]] = {}
    for _, own in spells.groupby(["unit_id", "role", "leader_id"]):
        stay: list[Any] = []
        for spell in own.sort_values(["start", "stop"]).itertuples():
            if not stay or spell.start > max(one.stop for one in stay):
                stay = []
            stay.append(spell)
            found[spell.Index] = stay
    return found


def stay_stop(stay: list[Any]) -> float:
    return max(float(spell.stop) for spell in stay)
