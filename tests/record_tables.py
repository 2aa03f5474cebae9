"""Small tables typed by hand: columns under their names, ``-`` for a missing cell, 1/3 a third."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

import churnstats as cs

FLAGS = {"yes": True, "no": False}


def cell(text: str) -> Any:
    """Return the value of a cell: missing, yes or no, a number or text."""
    if text == "-":
        return None
    if text in FLAGS:
        return FLAGS[text]
    try:
        return float(Fraction(text)) if "/" in text else float(text)
    except ValueError:
        return text


def table(text: str) -> pd.DataFrame:
    """Return the frame that a table shows; every row must have a cell below each name."""
    lines = [line.split() for line in text.strip().splitlines() if line.strip()]
    names, rows = lines[0], [[cell(c) for c in line] for line in lines[1:]]
    assert all(len(row) == len(names) for row in rows), "a row and the header differ in length"
    return pd.DataFrame(rows, columns=names)


def text_columns(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the frame with whole numbers in some columns as text."""
    return frame.assign(
        **{
            n: frame[n].map(lambda v: v if v is None or v != v else f"{v:g}")
            for n in names
            if n in frame.columns and frame[n].dtype.kind == "f"
        }
    )


def spells(text: str, **options: Any) -> cs.Tenures:
    """Return the tenures of a table of spells; the unit is 1 and the role head unless it says."""
    frame = table(text)
    for name, value in (("unit_id", "1"), ("role", "head")):
        if name not in frame.columns:
            frame[name] = value
    return cs.Tenures.from_spells(text_columns(frame, "unit_id"), **options)


def roster(text: str, max_gap_years: int = 0, **options: Any) -> cs.Tenures:
    """Return the tenures of a roster; the unit is 1 unless it says."""
    frame = table(text)
    if "unit_id" not in frame.columns:
        frame["unit_id"] = "1"
    frame = text_columns(frame, "unit_id")
    units = options.pop("units", None)
    rules = cs.RosterRules(max_gap_years=max_gap_years, **options)
    return cs.Tenures.from_roster(frame, role="head", rules=rules, units=units)


def panel(text: str, **options: Any) -> cs.Panel:
    """Return the panel of a table of spells."""
    return cs.Panel.build(spells(text, **options))


def assert_shows(frame: pd.DataFrame, text: str) -> None:
    """Assert that a frame's columns of the table's names have the table's cells, row by row."""
    wanted = table(text)
    assert len(frame) == len(wanted), f"{len(frame)} rows in place of {len(wanted)}:\n{frame}"
    for name in wanted.columns:
        for i, (found, want) in enumerate(zip(frame[name], wanted[name], strict=True)):
            place = f"{name} of row {i + 1} in\n{frame[list(wanted.columns)].to_string()}"
            if want is None or want != want:
                assert pd.isna(found), f"{found!r} is not missing: {place}"
            elif isinstance(want, (bool, np.bool_)):
                assert not pd.isna(found), place
                assert bool(found) is bool(want), place
            elif isinstance(want, str):
                assert found == want, place
            elif isinstance(found, str):
                assert found == f"{want:g}", place
            else:
                assert abs(float(found) - want) < 1e-9, place
