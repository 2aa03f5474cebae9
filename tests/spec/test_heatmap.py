"""The heat map of shares: rows of one height, a named axis, and what stands in the cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from churnstats.display.heatmap import CELL, LOW, heatmap_figure

LABEL = "Units with a new leader, %"


def drawn(n_groups: int, n_years: int, marked: bool = False) -> Figure:
    data = pd.DataFrame(
        [(f"g{i}", 2000 + j, 0.2) for i in range(n_groups) for j in range(n_years)],
        columns=["group", "year", "share"],
    )
    data["mark"] = np.where(marked & (data["year"] == 2001), "low", "")
    return heatmap_figure(data, ["low"], "Turnover", "", LABEL)


def row_height(figure: Figure, n_groups: int) -> float:
    """Return how many inches high a row is."""
    figure.draw_without_rendering()
    return float(figure.axes[0].get_position().height * figure.get_figheight() / n_groups)


@pytest.mark.parametrize("n_groups", [1, 2, LOW - 1, LOW, 30])
@pytest.mark.parametrize("marked", [False, True])
def test_rows_are_about_as_high_however_many_there_are(n_groups: int, marked: bool) -> None:
    height = row_height(drawn(n_groups, 12, marked), n_groups)
    assert 0.8 * CELL < height < 1.3 * CELL


def test_years_are_named_by_their_spring_and_few_rows_need_no_scale() -> None:
    few, many = drawn(1, 12), drawn(LOW, 12)
    assert few.axes[0].get_xlabel() == (
        "School year, by its spring\n(in each cell: units with a new leader, %)"
    )
    assert len(few.axes) == 1
    assert many.axes[0].get_xlabel() == "School year, by its spring"
    assert [ax.get_ylabel() for ax in many.axes] == ["", LABEL]


@pytest.mark.parametrize(("n_groups", "n_years", "n"), [(1, 12, 12), (1, 50, 50), (LOW, 50, 0)])
def test_numbers_stand_in_the_cells_unless_a_scale_tells_them(
    n_groups: int, n_years: int, n: int
) -> None:
    written = [t.get_text() for t in drawn(n_groups, n_years).axes[0].texts]
    assert written == ["20"] * n
