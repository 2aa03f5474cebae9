"""Changes of leader in states' files lead back to the lines that they were read from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import churnstats as cs
from churnstats.records.readers import read_indiana, read_missouri

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
MISSOURI = SUPERINTENDENTS / "missouri_superintendents_2003_2024.csv"
INDIANA = SUPERINTENDENTS / "indiana_superintendents_2012_2024.csv.gz"

pytestmark = pytest.mark.skipif(not MISSOURI.exists(), reason="these rosters are not shipped")


def lines(path: Path) -> pd.DataFrame:
    """Return a file's rows under the numbers of their lines."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    return frame


def rows_of(text: str) -> list[int]:
    """Return the numbers that a text such as "12-17, 20" names."""
    parts = [part.split("-") for part in text.split(", ")]
    return [row for part in parts for row in range(int(part[0]), int(part[-1]) + 1)]


@pytest.mark.parametrize(
    ("path", "unit", "year", "fall"),
    [
        (MISSOURI, "county_district_code", "year", 0),
        (INDIANA, "corporation_id", "fall", 1),
    ],
)
def test_the_lines_of_a_change_are_of_its_unit_and_lie_around_it(
    path: Path, unit: str, year: str, fall: int
) -> None:
    raw = lines(path)
    made = read_missouri(path) if path == MISSOURI else read_indiana(path)
    events = cs.Panel.build(made).events
    assert len(events) > 800
    for side in ("predecessor", "successor"):
        numbers = events[f"{side}_source_rows"].map(rows_of)
        found = events.assign(row=numbers).explode("row", ignore_index=True)
        at = raw.loc[found["row"].astype(int)].reset_index(drop=True)
        assert (at[unit].str.zfill(found["unit_id"].str.len().iloc[0]) == found["unit_id"]).all()
        ends = at[year].astype(int) + fall
        edge = ends.groupby(found["event_id"]).agg("max" if side == "predecessor" else "min")
        change = events.set_index("event_id")["school_year_end"].reindex(edge.index)
        # where a post is shared its principal may change while both go on
        if side == "successor":
            assert (edge == change).mean() > 0.998
        else:
            assert (edge <= change).mean() > 0.997
    spells = made.frame.set_index("spell_id")["n_roster_rows"]
    assert made.sources["spell_id"].value_counts().reindex(spells.index).equals(spells)
    assert made.sources["source_row"].isin(raw.index).all()
    assert made.sources["source_row"].is_unique
