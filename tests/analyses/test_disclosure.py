"""Small cells: none that is hidden can be worked out from what is shown."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnstats.core.errors import SpecError
from churnstats.reporting.disclosure import scan_for_names, suppress_small_cells
from support import DRAWS


def test_primary_suppression_alone_where_no_total_is_shown() -> None:
    frame = pd.DataFrame({"g": list("abcd"), "n": [0, 1, 9, 10]})
    hidden = suppress_small_cells(frame, ["n"])
    assert np.array_equal(hidden.frame["n"], [0, np.nan, np.nan, 10], equal_nan=True)
    assert (hidden.n_primary, hidden.n_complementary) == (2, 0)
    assert hidden.note == "Hidden (–): 2 counts below 10."
    assert frame["n"].tolist() == [0, 1, 9, 10]


def test_nothing_to_hide_says_so() -> None:
    hidden = suppress_small_cells(pd.DataFrame({"n": [10, 0]}), ["n"])
    assert hidden.frame["n"].tolist() == [10, 0]
    assert hidden.note == "No count is between 1 and 9; none is hidden."


def test_the_next_smallest_goes_with_it_where_the_total_is_shown() -> None:
    frame = pd.DataFrame({"a": [4], "b": [30], "c": [12], "d": [0], "all": [46]})
    hidden = suppress_small_cells(frame, list("abcd"), total_column="all")
    assert hidden.frame.iloc[0].isna().tolist() == [True, False, True, False, False]
    assert hidden.note.endswith("1 count below 10 and 1 more from which they could be worked out.")


def test_two_hidden_cells_of_less_than_the_minimum_need_a_third() -> None:
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [12], "d": [20], "all": [35]})
    hidden = suppress_small_cells(frame, list("abcd"), total_column="all")
    assert hidden.frame.iloc[0].isna().tolist() == [True, True, True, False, False]


def test_total_rows_by_group_and_both_directions() -> None:
    frame = pd.DataFrame(
        {
            "state": ["X", "X", "X", "Y", "Y", "Y"],
            "role": ["p", "s", "all"] * 2,
            "left": [3, 20, 23, 30, 40, 70],
            "stayed": [50, 60, 110, 70, 80, 150],
        }
    )
    frame["total"] = frame["left"] + frame["stayed"]
    hidden = suppress_small_cells(
        frame,
        ["left", "stayed"],
        total_column="total",
        total_rows=frame["role"] == "all",
        by=["state"],
    )
    expected = np.zeros((6, 3), dtype=bool)
    expected[:2, :2] = True
    shown = hidden.frame[["left", "stayed", "total"]].isna().to_numpy()
    assert np.array_equal(shown, expected)


def test_values_made_from_hidden_counts_are_hidden() -> None:
    frame = pd.DataFrame({"n": [3, 30], "share": [0.1, 0.2], "mean": [1, 2], "word": ["a", "b"]})
    hidden = suppress_small_cells(frame, ["n"], value_columns=["share", "mean"])
    assert hidden.frame["share"].isna().tolist() == [True, False]
    assert hidden.frame["mean"].isna().tolist() == [True, False]
    assert hidden.frame["word"].tolist() == ["a", "b"]


def test_a_strange_index_does_not_matter() -> None:
    frame = pd.DataFrame({"n": [3, 30], "share": [0.1, 0.2]}, index=[7, 7])
    hidden = suppress_small_cells(frame, ["n"], value_columns=["share"])
    assert hidden.frame["share"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        ({"n": [-1]}, {}),
        ({"n": [1.5]}, {}),
        ({"m": [1]}, {}),
        ({"n": [1]}, {"minimum": 0}),
        ({"n": [1], "all": [2]}, {"total_column": "all"}),
        ({"n": [np.nan], "all": [2]}, {"total_column": "all"}),
        ({"n": [1, 1]}, {"total_rows": [True, True]}),
        ({"n": [1, 1]}, {"total_rows": [True]}),
        ({"n": [1]}, {"value_columns": ["n"]}),
    ],
)
def test_what_can_not_be_hidden_is_refused(
    frame: dict[str, list[float]], options: dict[str, object]
) -> None:
    with pytest.raises(SpecError):
        suppress_small_cells(pd.DataFrame(frame), ["n"], **options)


cells = st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=4), min_size=2, max_size=4)


@settings(DRAWS, max_examples=150)
@given(cells, st.integers(2, 15))
def test_every_line_with_a_total_is_safe(rows: list[list[int]], minimum: int) -> None:
    width = min(map(len, rows))
    counts = np.array([row[:width] for row in rows])
    counts = np.vstack([counts, counts.sum(axis=0)])
    counts = np.column_stack([counts, counts.sum(axis=1)])
    names = [f"c{j}" for j in range(width)]
    frame = pd.DataFrame(counts, columns=[*names, "all"])
    marks = [False] * (len(counts) - 1) + [True]
    hidden = suppress_small_cells(frame, names, minimum, total_column="all", total_rows=marks)
    shown = hidden.frame.to_numpy(dtype=float)
    gone = np.isnan(shown)
    assert gone[(counts > 0) & (counts < minimum)].all()
    assert not gone[counts == 0].any()
    assert np.array_equal(shown[~gone], counts[~gone])
    assert gone.sum() == hidden.n_primary + hidden.n_complementary
    for line, values in itertools.chain(
        zip(gone, counts, strict=True), zip(gone.T, counts.T, strict=True)
    ):
        assert line.sum() != 1
        if line[:-1].any() and not line[-1]:
            assert values[:-1][line[:-1]].sum() >= minimum


def test_names_are_found_in_texts_and_tables() -> None:
    texts = {
        "report": "Led by jane\n  DOE until 2019; not Janet Doe.",
        "table": pd.DataFrame({"leader": ["L1", "Ana Ruíz"], "n": [1, 2]}),
        "split": pd.DataFrame({"first": ["Jane"], "last": ["Doe"]}),
        "clean": "Nobody here.",
    }
    found = scan_for_names(texts, ["Jane Doe", "Ana Ruíz", "Jan", " "])
    assert found == (("report", "Jane Doe"), ("table", "Ana Ruíz"))
