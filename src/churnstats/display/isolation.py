"""The picture of what an event study has: causes that spoil windows, changes and controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.display.figures import ACCENT, INK, PALETTE, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches of a bar, of what is around the bars, of the two pictures by year, and the widest row.
BAR, AROUND, BY_YEAR, WIDTH = 0.24, 0.95, 1.55, 7.2
LIGHT, MAX_TICKS = "#c9d3d9", 16


def support_figure(contamination: pd.DataFrame, controls: pd.DataFrame, title: str) -> Figure:
    """Draw which causes spoil how many changes, and below it changes and controls by year.

    Parameters
    ----------
    contamination : DataFrame
        Columns cause, role, n_first, n_any; the last row counts changes that stand alone.
    controls : DataFrame
        Columns school_year_end, n_changes, n_alone, n_controls.
    title : str

    Examples
    --------
    >>> import pandas as pd
    >>> causes = pd.DataFrame({"cause": ["vacancy", "none"], "role": ["head", ""],
    ...                        "n_first": [1, 2], "n_any": [1, 2]})
    >>> years = pd.DataFrame({"school_year_end": [2012, 2013], "n_changes": [2, 1],
    ...                       "n_alone": [1, 1], "n_controls": [5, 4]})
    >>> figure = support_figure(causes, years, "Changes of the head")
    """
    shown = contamination[contamination["n_any"] > 0].reset_index(drop=True)
    height = AROUND + BAR * max(len(shown), 1) + 2 * BY_YEAR
    figure, _ = new_figure(WIDTH, height, n_rows=0)
    above = AROUND + BAR * max(len(shown), 1)
    places = figure.add_gridspec(2, 1, height_ratios=[above, 2 * BY_YEAR])
    top, below = figure.add_subfigure(places[0]), figure.add_subfigure(places[1])
    causes, (changes, stayers) = top.subplots(), below.subplots(2, 1)
    _causes(causes, shown, int(contamination["n_first"].sum()))
    year = controls["school_year_end"].to_numpy()
    changes.bar(year, controls["n_changes"], 0.8, color=LIGHT, label="all")
    changes.bar(year, controls["n_alone"], 0.8, color=ACCENT, label="stand alone")
    stayers.bar(year, controls["n_controls"], 0.8, color=PALETTE[2])
    _by_year(changes, year, "Changes by school year", int(controls["n_changes"].max()))
    words = "Controls by school year: units around which nothing changes"
    _by_year(stayers, year, words, int(controls["n_controls"].max()))
    changes.tick_params(labelbottom=False)
    stayers.set_xlabel("School year of the change, by its spring", fontsize=9)
    changes.legend(fontsize=8, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.96))
    top.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _causes(ax: Axes, shown: pd.DataFrame, total: int) -> None:
    """Draw a bar a cause, with its numbers behind it."""
    y = np.arange(len(shown))
    any_, first = (shown[c].to_numpy() for c in ("n_any", "n_first"))
    ax.barh(y, any_, 0.74, color=LIGHT, label="whatever the other causes")
    ax.barh(y, first, 0.74, color=ACCENT, label="as the first cause (these add up)")
    widest = max(int(any_.max()), 1) if len(shown) else 1
    for i in range(len(shown)):
        words = f"{first[i]:,}" if first[i] == any_[i] else f"{first[i]:,} of {any_[i]:,}"
        ax.text(any_[i] + 0.012 * widest, i, words, va="center", fontsize=8, color=INK)
    ax.set_xlim(0, 1.25 * widest)
    ax.set_yticks(y, [str(c) for c in shown["cause"]])
    ax.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    ax.yaxis.grid(False)
    ax.tick_params(axis="y", length=0, labelsize=8.5)
    ax.tick_params(axis="x", labelsize=8, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
    ax.set_title(f"What spoils windows, of {total:,} changes", fontsize=9, loc="left", color=INK)
    if len(shown):
        ax.legend(fontsize=8, frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.1))


def _by_year(ax: Axes, year: np.ndarray, title: str, most: int) -> None:
    from matplotlib.ticker import MaxNLocator

    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
    ax.yaxis.grid(True, color="#e6e9eb", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_ylim(0, 1.08 * max(most, 1))
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    every = -(-year.size // MAX_TICKS)
    ax.set_xticks(year[::every], [str(y) for y in year[::every]])
    ax.set_xlim(year[0] - 0.7, year[-1] + 0.7)
    ax.tick_params(labelsize=8, colors=INK, length=3)
    ax.set_title(title, fontsize=9, loc="left", color=INK)
