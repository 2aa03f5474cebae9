"""Random records for hypothesis, on a grid of eighths of a year, so that sums are exact."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import strategies as st

PARTS = 8


@st.composite
def spell_frames(draw: st.DrawFn, units: tuple[str, ...] = ("01", "1", "B")) -> pd.DataFrame:
    """Draw valid spells of several units: gaps, returns, censoring on either side, late entry."""
    rows: list[dict[str, Any]] = []
    for unit in units[: draw(st.integers(1, len(units)))]:
        clock = draw(st.integers(2000 * PARTS, 2004 * PARTS))
        for _ in range(draw(st.integers(1, 5))):
            clock += draw(st.sampled_from([0, 0, 0, 1, 4, 9, 20]))
            length = draw(st.sampled_from([1, 2, 4, 5, 8, 13, 24]))
            late = draw(st.sampled_from([0, 0, 0, 1, 9]))
            rows.append(
                {
                    "unit_id": unit,
                    "role": "head",
                    "leader_id": draw(st.sampled_from("abc")),
                    "start": clock / PARTS,
                    "stop": (clock + length) / PARTS,
                    "entry": (clock + (late if late < length else 0)) / PARTS,
                    "left_censored": draw(st.sampled_from([False, False, True])),
                    "right_censored": draw(st.sampled_from([False, False, True])),
                }
            )
            clock += length
    return pd.DataFrame(rows).astype({"unit_id": "str", "role": "str", "leader_id": "str"})


@st.composite
def rosters(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a valid roster: missing years, empty cells, returns; at least one cell has a holder."""
    rows = [{"unit_id": "01", "role": "head", "school_year_end": 2010, "leader_id": "a"}]
    for unit, role in (("01", "head"), ("01", "aide"), ("2", "head")):
        for year in range(2011, 2011 + draw(st.integers(0, 7))):
            leader = draw(st.sampled_from(["a", "a", "b", "c", None, "skip"]))
            if leader != "skip":
                rows.append(
                    {"unit_id": unit, "role": role, "school_year_end": year, "leader_id": leader}
                )
    frame = pd.DataFrame(rows)
    return frame.astype({"unit_id": "str", "role": "str", "leader_id": "str"})
