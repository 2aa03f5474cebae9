"""A picture of hazards by year of tenure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.display.figures import ACCENT, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def hazard_figure(data: pd.DataFrame, title: str, level: float) -> Figure:
    """Draw the hazard by year of tenure with intervals, and the numbers at risk below.

    Parameters
    ----------
    data : DataFrame
        Columns tenure_year, n_at_risk, hazard, conf_low, conf_high.
    title : str
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"tenure_year": [1, 2], "n_at_risk": [40, 30], "hazard": [0.2, 0.1],
    ...                      "conf_low": [0.1, 0.04], "conf_high": [0.3, 0.2]})
    >>> figure = hazard_figure(data, "Leaving by year of tenure", 0.95)
    """
    year = data["tenure_year"].to_numpy(dtype=int)
    hazard = 100 * data["hazard"].to_numpy(dtype=float)
    low, high = (100 * data[c].to_numpy(dtype=float) for c in ("conf_low", "conf_high"))
    figure, (ax,) = new_figure(max(7.0, 1.2 + 0.42 * year.size))
    known = np.isfinite(low) & np.isfinite(high)
    ax.plot(year, hazard, color=ACCENT, linewidth=0.9, alpha=0.45)
    reach = [(hazard - low)[known], (high - hazard)[known]]
    ax.errorbar(year[known], hazard[known], yerr=reach, fmt="none", color=ACCENT, elinewidth=1.4)
    ax.plot(year, hazard, "o", color=ACCENT, markersize=4.5)
    counts = [f"{y}\n{n:,}" for y, n in zip(year, data["n_at_risk"], strict=True)]
    ax.set_xticks(year, counts)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Year of tenure\n(below each: leaders at risk)", fontsize=9)
    ax.set_ylabel("Leave in the year, % of those at risk", fontsize=9)
    ax.set_title(title, fontsize=11, loc="left", color=INK)
    ax.set_title(f"{level:.0%} intervals", fontsize=8, loc="right", color=INK)
    return figure
