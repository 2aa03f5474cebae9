"""A picture of units and their leaders: a lane a unit, a bar a spell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.display.figures import INK, PALETTE, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Neighbours differ in lightness too; a leader who comes back has the colour of the first time.
SHADES = ("#1f5f8b", "#a9c5d8", "#5d92b5", "#d5e1e9", "#3b769e", "#86aec8")
DARK = {"#1f5f8b", "#5d92b5", "#3b769e"}
VACANT, CLOSED = PALETTE[1], "x"
HEIGHT, MAX_WIDTH, LANE = 0.66, 18.0, 0.25
DIGIT, ARROW = 0.075, 0.09
# Size of the digits by the number of bars that a lane holds at a time; none in lower bars.
DIGIT_SIZES = {1: 6.5, 2: 4.8}


def swimlane_figure(
    bars: pd.DataFrame, gaps: pd.DataFrame, lanes: list[str], title: str, subtitle: str
) -> Figure:
    """Draw a lane a unit with a bar a spell.

    Parameters
    ----------
    bars : DataFrame
        Columns lane (position in ``lanes``), level (within the lane, 0 but for shared posts),
        n_levels (among which the lane is divided there), number (of the leader in the lane, from
        1), start, entry, stop, left_open, right_open, is_closed (the unit ends), is_interim,
        is_change, is_date_known.
    gaps : DataFrame
        Columns lane, start, stop, is_vacant: time between bars, empty or not observed.
    lanes : list of str
    title, subtitle : str

    Examples
    --------
    >>> import pandas as pd
    >>> bars = pd.DataFrame({
    ...     "lane": 0, "level": 0, "n_levels": 1, "number": [1, 2], "start": [2010.0, 2013.0],
    ...     "entry": [2010.0, 2013.0], "stop": [2013.0, 2015.0], "left_open": [True, False],
    ...     "right_open": [False, True], "is_closed": False, "is_interim": False,
    ...     "is_change": [False, True], "is_date_known": True})
    >>> gaps = pd.DataFrame(columns=["lane", "start", "stop", "is_vacant"])
    >>> figure = swimlane_figure(bars, gaps, ["unit 1"], "Who led when", "")
    """
    bars = _placed(bars)
    first, last = np.floor(bars["start"].min()), np.ceil(bars["stop"].max())
    years = np.arange(first, last + 1)
    width = min(max(7.0, 1.6 + 0.3 * years.size), MAX_WIDTH)
    figure, (ax,) = new_figure(width, 1.7 + LANE * len(lanes))
    per_inch = (years.size + 1) / (width - 1.2)
    ax.set_xlim(first - ARROW * 2 * per_inch, last + ARROW * 2 * per_inch)
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    _gaps(ax, gaps)
    _bars(ax, bars)
    _numbers(ax, bars, per_inch)
    _ends(ax, bars, ARROW * per_inch)
    _changes(ax, bars)
    _axes(ax, lanes, years)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    ax.set_title(subtitle, fontsize=8, loc="right", color=INK)
    handles = _legend(bars, gaps)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 4), fontsize=8,
        frameon=False,
    )  # fmt: skip
    return figure


def _placed(bars: pd.DataFrame) -> pd.DataFrame:
    """Return the bars with their middle and height: those who share a post share the lane."""
    height = HEIGHT / bars["n_levels"]
    middle = bars["lane"] - HEIGHT / 2 + (bars["level"] + 0.5) * height
    return bars.assign(middle=middle.round(9), height=height)


def _bars(ax: Axes, bars: pd.DataFrame) -> None:
    color = np.array(SHADES)[(bars["number"].to_numpy(dtype=int) - 1) % len(SHADES)]
    lane, height, entry = (bars[c].to_numpy(dtype=float) for c in ("middle", "height", "entry"))
    start, stop = bars["start"].to_numpy(dtype=float), bars["stop"].to_numpy(dtype=float)
    ax.barh(
        lane, stop - entry, left=entry, height=height, color=color, edgecolor="white", linewidth=0.7
    )
    late = entry > start
    ax.hlines(lane[late], start[late], entry[late], color=color[late], linewidth=1.5)
    interim = bars["is_interim"].to_numpy(dtype=bool)
    ax.barh(
        lane[interim], (stop - entry)[interim], left=entry[interim], height=height[interim],
        color="none", edgecolor=INK, linewidth=0.0, hatch="/////",
    )  # fmt: skip


def _gaps(ax: Axes, gaps: pd.DataFrame) -> None:
    vacant = gaps["is_vacant"].to_numpy(dtype=bool)
    lane = gaps["lane"].to_numpy(dtype=float)
    start, stop = gaps["start"].to_numpy(dtype=float), gaps["stop"].to_numpy(dtype=float)
    ax.barh(
        lane[vacant], (stop - start)[vacant], left=start[vacant], height=HEIGHT, color="white",
        edgecolor=VACANT, linewidth=1.0, zorder=3,
    )  # fmt: skip
    ax.hlines(lane[~vacant], start[~vacant], stop[~vacant], color=SOFT, linestyle=":", linewidth=1)


def _numbers(ax: Axes, bars: pd.DataFrame, per_inch: float) -> None:
    """Write the leader's number into each bar that is long and high enough for it."""
    size = bars["n_levels"].map(DIGIT_SIZES).to_numpy(dtype=float)
    left, right = (bars[c].to_numpy(dtype=float) for c in ("entry", "stop"))
    lane, number = bars["middle"].to_numpy(dtype=float), bars["number"].to_numpy(dtype=int)
    interim = bars["is_interim"].to_numpy(dtype=bool)
    for i, text in enumerate(number.astype(str)):
        if not right[i] - left[i] >= DIGIT * (len(text) + 1) * per_inch or np.isnan(size[i]):
            continue
        dark = SHADES[(number[i] - 1) % len(SHADES)] in DARK and not interim[i]
        back = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if interim[i] else None
        ax.text(
            (left[i] + right[i]) / 2, lane[i], text, ha="center", va="center_baseline",
            fontsize=size[i], color="white" if dark else INK, bbox=back,
        )  # fmt: skip


def _ends(ax: Axes, bars: pd.DataFrame, reach: float) -> None:
    """Point out of the bars whose start, or end, lies where nobody looked; cross closed units."""
    for column, end, sign, marker, size in (
        ("left_open", "entry", -1, "<", 3.2),
        ("right_open", "stop", 1, ">", 3.2),
        ("is_closed", "stop", 1, CLOSED, 4.2),
    ):
        part = bars[bars[column]]
        x = part[end].to_numpy(dtype=float) + sign * reach / 2
        ax.plot(x, part["middle"], marker, color=INK, markersize=size, markeredgewidth=1.1,
                linestyle="none", zorder=5)  # fmt: skip


def _changes(ax: Axes, bars: pd.DataFrame) -> None:
    """Mark the start of each successor; a dotted mark where the date is not known."""
    for known, style in ((True, "-"), (False, ":")):
        part = bars[bars["is_change"] & (bars["is_date_known"] == known)]
        low, high = part["lane"] - HEIGHT / 2 - 0.09, part["lane"] + HEIGHT / 2 + 0.09
        ax.vlines(part["start"], low, high, color=INK, linewidth=1.0, linestyle=style, zorder=4)


def _axes(ax: Axes, lanes: list[str], years: np.ndarray) -> None:
    every = next(step for step in (1, 2, 5, 10, 20, 50, 100) if years.size / step <= 26)
    shown = years[:-1][years[:-1] % every == 0]
    ax.set_xticks(shown + 0.5, [f"{y:.0f}" for y in shown])
    ax.set_yticks(range(len(lanes)), lanes)
    ax.tick_params(length=0, labelsize=8)
    ax.yaxis.grid(False)
    for year in years[years % every == 0]:
        ax.axvline(year, color="#e6e9eb", linewidth=0.8, zorder=0)
    ax.set_xlabel("School year, by its spring", fontsize=9)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _legend(bars: pd.DataFrame, gaps: pd.DataFrame) -> list[Artist]:
    """Return an entry for each kind of mark that occurs."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    vacant = gaps["is_vacant"].astype(bool)
    changed, dated = bars["is_change"].astype(bool), bars["is_date_known"].astype(bool)
    interim = Patch(facecolor=SHADES[1], edgecolor=INK, hatch="/////", linewidth=0, label="interim")
    entries: list[tuple[bool, Artist]] = [
        (True, Patch(facecolor=SHADES[0], label="n: the unit's nth leader")),
        (bool(bars["is_interim"].any()), interim),
        (bool((changed & dated).any()), Line2D([], [], color=INK, label="change of leader")),
        (
            bool((changed & ~dated).any()),
            Line2D([], [], color=INK, linestyle=":", label="change, date not known"),
        ),
        (
            bool(vacant.any()),
            Patch(facecolor="white", edgecolor=VACANT, label="vacant"),
        ),
        (
            bool((~vacant).any()),
            Line2D([], [], color=SOFT, linestyle=":", label="not observed"),
        ),
        (
            bool((bars["left_open"] | bars["right_open"]).any()),
            Line2D([], [], color=INK, marker=">", markersize=4, linestyle="none",
                   label="goes on where nobody looked"),
        ),
        (
            bool(bars["is_closed"].any()),
            Line2D([], [], color=INK, marker=CLOSED, markersize=4.2, markeredgewidth=1.1,
                   linestyle="none", label="ends with its unit"),
        ),
        (
            bool((bars["entry"] > bars["start"]).any()),
            Line2D([], [], color=SHADES[0], linewidth=1.5, label="before it was entered"),
        ),
    ]  # fmt: skip
    return [entry for occurs, entry in entries if occurs]
