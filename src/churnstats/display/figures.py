"""Pictures of estimates: event-study paths, survival curves with risk tables, coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK, ACCENT, SOFT = "#222222", "#1f5f8b", "#9aa7b0"
PALETTE = ("#1f5f8b", "#c1582d", "#4b8b3b", "#7a4f9a", "#a68a00", "#3d8f8f", "#8b3b52", "#555555")


def new_figure(
    width: float = 7.0, height: float = 4.2, n_rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return a figure with stacked axes in the house style, outside pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(n_rows, 1, i + 1) for i in range(n_rows)]
    for ax in axes:
        _plain(ax)
    return figure, axes


def _plain(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
    ax.tick_params(colors=INK, labelsize=9, length=3)
    ax.yaxis.grid(True, color="#e6e9eb", linewidth=0.8)
    ax.set_axisbelow(True)


def event_study_figure(data: pd.DataFrame, title: str, outcome: str, level: float) -> Figure:
    """Draw effects by event time with intervals, the base period and the events behind each.

    Parameters
    ----------
    data : DataFrame
        Columns event_time, estimate, conf_low, conf_high, in_base, n_events, and optionally
        ``series`` for several paths side by side.
    title, outcome : str
    level : float
        Coverage of the intervals.
    """
    figure, (ax,) = new_figure()
    series = data["series"] if "series" in data else pd.Series("", index=data.index)
    names = list(dict.fromkeys(series))
    for j, name in enumerate(names):
        part = data[series == name]
        _event_path(ax, part, PALETTE[j % len(PALETTE)], name, _offset(j, len(names)))
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.axvline(-0.5, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    ticks = _event_ticks(data)
    ax.set_xticks(list(ticks), list(ticks.values()))
    below = "\n(below each: number of events)" if any("\n" in t for t in ticks.values()) else ""
    ax.set_xlabel(f"School years since the change{below}", fontsize=9)
    ax.set_ylabel(f"Effect on {outcome}", fontsize=9)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    ax.set_title(f"{level:.0%} intervals", fontsize=8, loc="right", color=INK)
    handles = [*ax.get_legend_handles_labels()[0], *_base_handle(data)]
    if len(handles) > 1:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False
        )
    return figure


def _event_ticks(data: pd.DataFrame) -> dict[int, str]:
    """Return the label of each event time, with its number of events if paths don't differ."""
    counts = data.groupby("event_time")["n_events"]
    same = bool((counts.nunique(dropna=False) == 1).all())
    labels = {}
    for k, n in zip(counts.first().index.to_numpy(dtype=int), counts.first(), strict=True):
        labels[int(k)] = (f"{k:+d}" if k else "0") + (f"\n{int(n):,}" if same else "")
    return labels


def _offset(j: int, n: int) -> float:
    return 0.0 if n == 1 else (j - (n - 1) / 2) * min(0.16, 0.7 / n)


def _event_path(ax: Axes, part: pd.DataFrame, color: str, name: str, offset: float) -> None:
    x = part["event_time"].to_numpy(dtype=float) + offset
    y = part["estimate"].to_numpy(dtype=float)
    base = part["in_base"].to_numpy(dtype=bool)
    low, high = part["conf_low"].to_numpy(dtype=float), part["conf_high"].to_numpy(dtype=float)
    known = np.isfinite(low) & np.isfinite(high)
    ax.plot(x, y, color=color, linewidth=0.9, alpha=0.45)
    ax.errorbar(
        x[known],
        y[known],
        yerr=[(y - low)[known], (high - y)[known]],
        fmt="o",
        color=color,
        markersize=4.5,
        elinewidth=1.4,
        capsize=0,
        label=name or "estimate",
    )
    ax.plot(x[base], y[base], "o", markersize=6, markerfacecolor="white", color=color, zorder=5)


def _base_handle(data: pd.DataFrame) -> list[Line2D]:
    from matplotlib.lines import Line2D

    if not data["in_base"].any():
        return []
    return [
        Line2D(
            [],
            [],
            color=INK,
            label="base period",
            linestyle="none",
            marker="o",
            markerfacecolor="white",
        )
    ]


def survival_figure(
    data: pd.DataFrame, risk: pd.DataFrame, title: str, ylabel: str, xlabel: str, level: float
) -> Figure:
    """Draw step curves with their bands and the numbers at risk below.

    Parameters
    ----------
    data : DataFrame
        Columns group, time, estimate, conf_low, conf_high.
    risk : DataFrame
        Columns group, time, n_risk: the numbers at risk at the ticks.
    title, ylabel, xlabel : str
    level : float
    """
    groups = list(dict.fromkeys(risk["group"]))
    height = 4.0 + 0.28 * len(groups)
    figure, _ = new_figure(7.0, height, n_rows=0)
    grid = figure.add_gridspec(2, 1, height_ratios=[4.0, 0.35 + 0.25 * len(groups)])
    ax = figure.add_subplot(grid[0])
    table = figure.add_subplot(grid[1], sharex=ax)
    _plain(ax)
    ticks = np.unique(risk["time"].to_numpy(dtype=float))
    start = 0.0 if "cumulative" in ylabel.lower() else 1.0
    for j, name in enumerate(groups):
        color, part = PALETTE[j % len(PALETTE)], data[data["group"] == name]
        if part.empty:  # nobody in the group had the event: the curve never leaves its start
            ax.plot(
                [0.0, ticks[-1]],
                [start, start],
                color=color,
                linewidth=1.5,
                label=str(name) or "all",
            )
        else:
            _curve(ax, part, color, str(name) or "all", start)
    _risk_table(table, risk, groups, ticks)
    ax.set_xticks(ticks)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(ylabel, fontsize=9)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    table.set_xlabel(xlabel, fontsize=9)
    ax.legend(title=f"{level:.0%} bands", title_fontsize=8, fontsize=8, frameon=False)
    return figure


def _curve(ax: Axes, part: pd.DataFrame, color: str, name: str, start: float) -> None:
    time = np.concatenate([[0.0], part["time"].to_numpy(dtype=float)])
    value = np.concatenate([[start], part["estimate"].to_numpy(dtype=float)])
    low = np.concatenate([[start], part["conf_low"].to_numpy(dtype=float)])
    high = np.concatenate([[start], part["conf_high"].to_numpy(dtype=float)])
    ax.step(time, value, where="post", color=color, linewidth=1.5, label=name)
    ax.fill_between(time, low, high, step="post", color=color, alpha=0.15, linewidth=0)


def _risk_table(ax: Axes, risk: pd.DataFrame, groups: list[object], ticks: np.ndarray) -> None:
    ax.set_ylim(-0.5, len(groups) - 0.5)
    ax.invert_yaxis()
    ax.set_yticks(range(len(groups)), [str(g) or "all" for g in groups], fontsize=8)
    ax.set_title("Number at risk", fontsize=8, loc="left", color=INK, pad=2)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0, labelsize=8)
    for j, name in enumerate(groups):
        part = risk[risk["group"] == name].set_index("time")["n_risk"]
        for tick in ticks:
            ax.text(tick, j, f"{part.loc[tick]:,.0f}", ha="center", va="center", fontsize=8)


def coefficient_figure(data: pd.DataFrame, title: str, xlabel: str, level: float) -> Figure:
    """Draw one row a term: estimate and interval, zero marked.

    Parameters
    ----------
    data : DataFrame
        Columns term, estimate, conf_low, conf_high.
    title, xlabel : str
    level : float
    """
    figure, (ax,) = new_figure(7.0, 1.4 + 0.32 * len(data))
    y = np.arange(len(data))
    estimate = data["estimate"].to_numpy(dtype=float)
    low, high = data["conf_low"].to_numpy(dtype=float), data["conf_high"].to_numpy(dtype=float)
    ax.errorbar(
        estimate,
        y,
        xerr=[estimate - low, high - estimate],
        fmt="o",
        color=ACCENT,
        markersize=5,
        elinewidth=1.5,
    )
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(y, [str(t) for t in data["term"]])
    ax.set_ylim(len(data) - 0.5, -0.5)
    ax.yaxis.grid(False)
    ax.xaxis.grid(True, color="#e6e9eb", linewidth=0.8)
    ax.set_xlabel(f"{xlabel} ({level:.0%} intervals)", fontsize=9)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    return figure
