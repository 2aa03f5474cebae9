"""A heat map of shares by group and year, with marked cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.display.figures import ACCENT, INK, PALETTE, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# Colour and line of each kind of mark: told apart without colours too.
PENS = ((PALETTE[1], "-"), (PALETTE[3], (0, (2.2, 1.1))), (INK, (0, (0.8, 0.8))))
BLANK = "#eceff1"
NOBODY = "nobody has an outcome"
MAX_GROUPS, MAX_YEARS = 60, 40
# Inches of a row, of what is around the rows and of a legend. Beside fewer rows than these a scale
# is too long: the numbers in the cells stand for it.
CELL, AROUND, LEGEND, LOW = 0.32, 0.85, 0.3, 6


def heatmap_figure(
    data: pd.DataFrame, marks: Sequence[str], title: str, subtitle: str, label: str
) -> Figure:
    """Draw shares by group and year in one hue, marked cells in frames.

    Parameters
    ----------
    data : DataFrame
        Columns group, year, share (NaN stays blank) and mark, which is one of ``marks`` or
        anything else. A group and year without a row stays blank too.
    marks : sequence of str
        At most three kinds, each with a frame and an entry in the legend if it occurs.
    title, subtitle : str
    label : str
        What the shares are; they are written in percent into cells, unless there are too many.
        Pictures of few groups have the numbers and no scale of colours.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({
    ...     "group": ["KS", "KS"], "year": [2012, 2013], "share": [0.01, 0.4], "mark": ["low", ""]
    ... })
    >>> figure = heatmap_figure(data, ["low"], "Turnover", "", "Units with a new leader, %")
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch

    groups = list(dict.fromkeys(data["group"]))
    seen = data.loc[data["share"].notna(), "year"]
    seen = seen if len(seen) else data["year"]
    years = np.arange(seen.min(), seen.max() + 1)
    share = data.pivot(index="group", columns="year", values="share").reindex(
        index=groups, columns=years
    )
    percent = 100 * share.to_numpy(dtype=float)
    width = max(6.0, 1.7 + 0.34 * years.size)
    figure, (ax,) = new_figure(width)
    ax.grid(visible=False)
    ax.set_facecolor(BLANK)
    known = percent[np.isfinite(percent)]
    top = max(1.0, float(known.max())) if known.size else 1.0
    ramp = LinearSegmentedColormap.from_list("churnstats", ["#fbfcfd", "#a9c5d8", ACCENT])
    mesh = ax.pcolormesh(
        np.arange(years.size + 1) + years[0] - 0.5, np.arange(len(groups) + 1) - 0.5,
        np.ma.masked_invalid(percent), cmap=ramp, vmin=0.0, vmax=top, edgecolors="white",
        linewidth=1.0,
    )  # fmt: skip
    has_scale = len(groups) >= LOW
    if not has_scale or (len(groups) <= MAX_GROUPS and years.size <= MAX_YEARS):
        _numbers(ax, percent, years, top)
    handles = _frames(ax, data, groups, marks)
    if known.size < percent.size:
        handles.append(Patch(facecolor=BLANK, edgecolor=SOFT, linewidth=0.6, label="no share"))
    _axes(ax, groups, years, "" if has_scale else label)
    if has_scale:
        bar = figure.colorbar(mesh, ax=ax, fraction=0.025, pad=0.012, aspect=14)
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=8, length=2, colors=INK)
        bar.outline.set_visible(False)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    ax.set_title(subtitle, fontsize=8, loc="right", color=INK)
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8,
            frameon=False,
        )  # fmt: skip
    figure.set_figheight(AROUND + LEGEND * bool(handles) + CELL * len(groups))
    return figure


def coverage_figure(coverage: pd.DataFrame, title: str = "") -> Figure:
    """Draw which share of unit-years has an outcome, years in which nobody has one in frames.

    Parameters
    ----------
    coverage : DataFrame
        Columns measure, school_year_end, coverage_share and status, as `coverage_by_year` gives
        them. Years outside those that were measured stay blank.
    title : str

    Examples
    --------
    >>> import pandas as pd
    >>> coverage = pd.DataFrame({
    ...     "measure": "math", "school_year_end": [2019, 2020, 2021, 2022],
    ...     "coverage_share": [0.9, 0.0, 0.0, 0.8],
    ...     "status": ["measured", "gap", "gap", "measured"]})
    >>> figure = coverage_figure(coverage)
    """
    named = {"measure": "group", "school_year_end": "year", "coverage_share": "share"}
    data = coverage.rename(columns=named)
    data["share"] = data["share"].where(data["status"] != "outside")
    data["mark"] = data["status"].map({"gap": NOBODY}).fillna("")
    heading = title or "Unit-years with an outcome"
    return heatmap_figure(data, [NOBODY], heading, "", "Unit-years with an outcome, %")


def _numbers(ax: Axes, percent: np.ndarray, years: np.ndarray, top: float) -> None:
    for i, j in zip(*np.nonzero(np.isfinite(percent)), strict=True):
        value = float(percent[i, j])
        ax.text(
            years[j], i, f"{value:.0f}", ha="center", va="center", fontsize=7,
            color="white" if value > 0.76 * top else INK,
        )  # fmt: skip


def _frames(ax: Axes, data: pd.DataFrame, groups: list[str], marks: Sequence[str]) -> list[Patch]:
    """Frame marked cells on white; return the legend's entries with the number of cells."""
    from matplotlib.patches import Rectangle

    handles: list[Patch] = []
    for mark, (color, line) in zip(marks, PENS, strict=False):
        part = data[data["mark"] == mark]
        pens = (("white", "-", 3.8), (color, line, 1.9))
        for group, year in zip(part["group"], part["year"], strict=True):
            corner = (year - 0.43, groups.index(group) - 0.42)
            for pen, style, width in pens:
                ax.add_patch(Rectangle(corner, 0.86, 0.84, fill=False, edgecolor=pen,
                                       linestyle=style, linewidth=width, zorder=4))  # fmt: skip
        if len(part):
            handles.append(Rectangle((0, 0), 1, 1, fill=False, edgecolor=color, linestyle=line,
                                     linewidth=1.9, label=f"{mark} ({len(part)})"))  # fmt: skip
    return handles


def _axes(ax: Axes, groups: list[str], years: np.ndarray, label: str) -> None:
    every = 1 if years.size <= MAX_YEARS else 5
    shown = years[::every] if every == 1 else years[years % every == 0]
    ax.set_xticks(shown, [str(y) for y in shown])
    ax.set_yticks(range(len(groups)), [str(g) for g in groups])
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.set_xlim(years[0] - 0.5, years[-1] + 0.5)
    ax.tick_params(length=0, labelsize=8)
    told = f"\n(in each cell: {label[0].lower()}{label[1:]})" if label else ""
    ax.set_xlabel("School year, by its spring" + told, fontsize=9)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
        ax.spines[side].set_visible(False)
