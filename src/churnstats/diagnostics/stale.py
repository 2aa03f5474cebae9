"""Years in which a roster was not renewed: turnover too low for the group, then a rebound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize

from churnstats.core.errors import Fault, IdentificationError, SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.types import BoolArray, FloatArray
from churnstats.display import heatmap, tables
from churnstats.inference.infer import both_small, count_tails, false_discovery
from churnstats.panel.turnover import DATINGS, TRANSITION, Dating
from churnstats.records.ingest import row_fault

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLAGS = ("stale", "rebound", "bunched")
AFTER = "after a stale year"
RESULTS = ("expected_share", "score", "p_low", "p_high", "flag")
KEY = ["group", "school_year_end"]
NEEDED = [*KEY, "n_units", "turnover_share"]
# Other years that a group must have, and groups that a year must, to say what to expect.
MIN_YEARS, MIN_GROUPS = 4, 4
# Huber's constant for the scale of residuals (95% efficient for a mean). With it: what the mean of
# capped squares is for a normal variable, and the variance of the squared scale, relative, by n.
CAP = 1.345
_INSIDE = math.erf(CAP / math.sqrt(2)) - math.sqrt(2 / math.pi) * CAP * math.exp(-(CAP**2) / 2)
CAPPED_MEAN = _INSIDE + CAP**2 * math.erfc(CAP / math.sqrt(2))
SCALE_VARIANCE = 3.04
# The variance of a median against that of a mean of as many normal variables, and the standard
# deviation of these against the median of their absolute values.
MEDIAN_VARIANCE, _NORMAL_MAD = math.pi / 2, 1.4826


@dataclass(frozen=True, eq=False)
class StaleYears:
    """Group-years whose turnover is too low, or too high, for the group.

    Made by `find_stale_years`.

    Attributes
    ----------
    frame : DataFrame
        One row a group and year: ``group, school_year_end, n_units, turnover_share,
        expected_share, score, p_low, p_high, flag``. ``score`` is the distance from what was
        expected in standard errors on the angular scale, ``p_low`` and ``p_high`` are the chances
        of turnover this low, and this high. ``flag`` is ``"stale"``, ``"rebound"``,
        ``"bunched"``, empty where nothing is remarkable, ``"untested"`` where the group has too
        few other years, and ``"no data"`` where the share is not known.
    overdispersion : float
        Variance of turnover about what was expected, beyond chance, as a correlation of two
        units: the value that was used, one standard error above the estimate.
    dating : {"lag", "lead"}
        Of the years in ``frame``.
    false_flag_rate : float
    """

    frame: pd.DataFrame
    overdispersion: float
    dating: Dating
    false_flag_rate: float

    def flagged(self) -> pd.DataFrame:
        """Return the rows with a flag."""
        return self.frame[self.frame["flag"].isin(FLAGS)].reset_index(drop=True)

    def unknown_transitions(self) -> pd.DataFrame:
        """Return the transitions of which nobody can say in which year they happened.

        Returns
        -------
        DataFrame
            ``group, from_year, to_year, reason``, as `mask_transitions` takes it. They are those
            of stale years, of rebounds, and of any other year right after a stale one: its
            turnover is that of two years, whether or not it stands out. Bunched years are not
            among them: their changes did happen, in that year or one of its neighbours.
        """
        frame = self.frame
        groups = frame.groupby("group", sort=False)
        follows = groups["flag"].shift().eq("stale") & groups["school_year_end"].diff().eq(1)
        follows &= ~frame["flag"].isin(["stale", "rebound", "no data"])
        reason = frame["flag"].mask(follows, AFTER)
        first = frame["school_year_end"] - (self.dating == "lag")
        named = frame.assign(from_year=first, to_year=first + 1, reason=reason)
        chosen = named["reason"].isin(["stale", "rebound", AFTER])
        return named.loc[chosen, TRANSITION].reset_index(drop=True)

    def summary(self) -> str:
        """Return the flagged group-years as a table, and how they were found."""
        tested = int(self.frame["expected_share"].notna().sum())
        shown = self.flagged()[[*NEEDED, "expected_share", "score", "flag"]]
        shown = shown.astype(dict.fromkeys(KEY, "str"))
        untested = int((self.frame["flag"] == "untested").sum())
        notes = [
            f"{len(shown)} of {tested} group-years that could be tested are flagged; {untested} "
            "could not.",
            "Where all years are sound and groups vary alike about their level, the chance of any "
            f"flag is about {self.false_flag_rate:.0%}. Overdispersion {self.overdispersion:.4f}. "
            f"Years are dated by {self.dating}.",
        ]
        return tables.to_text(tables.format_frame(shown), notes)

    def plot(self) -> Figure:
        """Draw turnover by group and year, flagged cells in frames."""
        names = {"school_year_end": "year", "turnover_share": "share", "flag": "mark"}
        data = self.frame.rename(columns=names)
        end = "later" if self.dating == "lag" else "earlier"
        return heatmap.heatmap_figure(
            data, FLAGS, "Turnover by group and year", f"each change in the {end} of its two years",
            "Units with a new leader, %",
        )  # fmt: skip

    def __str__(self) -> str:
        return self.summary()


def find_stale_years(
    turnover: pd.DataFrame, *, dating: Dating = "lag", false_flag_rate: float = 0.05
) -> StaleYears:
    """Find group-years whose turnover is too low to be true, and the rebounds after them.

    A roster that was photographed twice within nearly one school year, or copied, shows hardly
    any turnover, and the changes of two years in the next. Both are artefacts of the dates, and
    an event study that believes them dates changes a year late.

    Parameters
    ----------
    turnover : DataFrame
        ``group, school_year_end, n_units, turnover_share``, such as `turnover_by_group` gives.
        Years without a share may be left out.
    dating : {"lag", "lead"}
        Of its years.
    false_flag_rate : float
        Chance of any flag at all in a table whose years are all sound and whose groups vary
        alike about their level. Where some groups vary far more than others, or tails are heavy,
        it is higher: look at the picture.

    Returns
    -------
    StaleYears

    Raises
    ------
    DataError
        Columns or values that are missing or impossible, or a group-year with two rows.
    SpecError
        An unknown dating, or a rate outside (0, 1).
    IdentificationError
        No group has five years with a share.

    Notes
    -----
    A group-year is expected at the median of the group's other years, moved by what the other
    groups have above their own medians in that year (where there are five groups, and shrunk by
    the share of such moves that is noise). Distances are measured on the angular scale
    2 arcsin √share (Anscombe 1948), where a share of n units has variance 1/n + ρ; ρ, by which
    real turnover varies beyond chance, is fitted to the distances by Huber's scale, and one
    standard error is added. The tails are those of the beta-binomial with the expected share and
    correlation ρ. A year is stale if it is too low by itself, or if it is low and the next one
    high: the larger of the two tails, squared, is the chance that both are so small, and twice
    the smaller of these two p-values is adjusted over all group-years (Benjamini and Hochberg
    1995), at half the false-flag rate. A year right after a stale one is a rebound if its upper
    tail alone is at most the false-flag rate; of all others, those too high at the other half of
    the rate, adjusted in the same way, are a rebound if the group's year before has no share, and
    bunched if it has: the snapshot came late, or the one before it early.

    All is done twice, the years flagged first telling nothing about others the second time (but
    in groups that would keep fewer than five).

    *What it can see.* In simulated tables of ten groups and sixteen years, three of them copies of
    the year before, it finds 9% of these in groups of 30 units, 60% of 60, 88% of 100 and 98% of
    200. Among 160 group-years of 30 units one or two sound ones have no change at all, so nothing
    could do much better at the default rate; at a rate of one half it finds 39% and 86% in groups
    of 30 and 60, and fewer than one sound group-year in a hundred is flagged.

    Examples
    --------
    >>> import pandas as pd
    >>> shares = [0.17, 0.20, 0.15, 0.18, 0.01, 0.33, 0.16, 0.19, 0.14, 0.17]
    >>> table = pd.DataFrame({
    ...     "group": "KS", "school_year_end": range(2010, 2020), "n_units": 280,
    ...     "turnover_share": shares})
    >>> found = find_stale_years(table)
    >>> found.flagged()[["school_year_end", "flag"]].to_numpy().tolist()
    [[2014, 'stale'], [2015, 'rebound']]
    >>> found.unknown_transitions()["from_year"].tolist()
    [2013, 2014]
    """
    if dating not in DATINGS:
        raise SpecError("dating", f"'{dating}' is no dating", how="'lag' or 'lead'")
    if not 0 < false_flag_rate < 1:
        raise SpecError("false_flag_rate", f"{false_flag_rate} is no rate", how="such as 0.05")
    frame = _checked(turnover)
    share, units = (_matrix(frame, c) for c in ("turnover_share", "n_units"))
    n = np.where(share.notna(), units, np.nan)
    count = np.rint(n * share.to_numpy(dtype=float))
    known = np.isfinite(n)
    found = _test(count, n, known, false_flag_rate)
    sound = known & ~np.isin(found.flag, FLAGS)
    enough = sound.sum(axis=1, keepdims=True) > MIN_YEARS
    found = _test(count, n, np.where(enough, sound, known), false_flag_rate)
    row = share.index.get_indexer(pd.Index(frame["group"]))
    column = share.columns.get_indexer(pd.Index(frame["school_year_end"]))
    cells = {name: getattr(found, name)[row, column] for name in RESULTS}
    table = frame.assign(**cells).astype({"flag": "str"})
    return StaleYears(table, found.overdispersion, dating, false_flag_rate)


@dataclass(frozen=True, eq=False)
class _Tested:
    """Results by group and year: arrays of one shape."""

    expected_share: FloatArray
    score: FloatArray
    p_low: FloatArray
    p_high: FloatArray
    flag: np.ndarray
    overdispersion: float


def _test(count: FloatArray, n: FloatArray, used: BoolArray, rate: float) -> _Tested:
    """Test every group-year against what those that are ``used`` lead to expect."""
    known = np.isfinite(n)
    angle = 2 * np.arcsin(np.sqrt((count + 3 / 8) / (n + 3 / 4)))
    expected, variance, overdispersion = _expectation(angle, 1 / (n + 1 / 2), used)
    mean = np.sin(expected / 2) ** 2
    low, high = count_tails(count, n, mean, np.minimum(variance - 1 / (n + 1 / 2), 0.99))
    flag = np.full(n.shape, "", dtype=object)
    flag[~np.isfinite(expected)] = "untested"
    flag[~known] = "no data"
    for name, mask in _flags(low, high, known, rate).items():
        flag[mask] = name
    score = (angle - expected) / np.sqrt(variance)
    return _Tested(mean, score, low, high, flag, overdispersion)


def _checked(turnover: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that are needed, sorted, or raise all faults."""
    absent = [c for c in NEEDED if c not in turnover.columns]
    if absent:
        raise_faults([Fault("missing_column", "turnover", f"there is no column {', '.join(absent)}",
                            "give a table such as turnover_by_group makes", 0)])  # fmt: skip
    frame = turnover[NEEDED].reset_index(drop=True)
    share = frame["turnover_share"].to_numpy(dtype=float, na_value=np.nan)
    n = frame["n_units"].to_numpy(dtype=float, na_value=np.nan)
    empty = frame[KEY].isna().any(axis=1).to_numpy(dtype=bool)
    no_share = (share < 0) | (share > 1)
    no_count = np.isfinite(share) & ~(n >= 1)
    twice = frame.duplicated(KEY).to_numpy(dtype=bool) & ~empty
    year = pd.to_numeric(frame["school_year_end"], errors="coerce").to_numpy(
        dtype=float, na_value=np.nan
    )
    no_year = ~empty & ~(year % 1 == 0)
    faults = []
    for rule, message, how, bad in (
        ("missing_value", "rows have no group or year", "fill the cells", empty),
        ("not_a_year", "years are no whole numbers", "correct these cells", no_year),
        ("no_share", "shares lie outside 0 to 1", "divide percentages by 100", no_share),
        ("no_count", "a share is known and n_units is not", "give the units that it is of",
         no_count),
        ("duplicate_row", "a group-year has several rows", "keep one of each", twice),
    ):  # fmt: skip
        faults += row_fault(rule, "turnover", message, how, frame, bad, tuple(NEEDED))
    raise_faults(faults)
    types = {"group": "str", "school_year_end": "int64", "turnover_share": "float64"}
    return frame.astype(types).sort_values(KEY, kind="stable", ignore_index=True)


def _matrix(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column by group and year, every year between the first and the last."""
    year = frame["school_year_end"]
    years = range(year.min(), year.max() + 1) if len(frame) else range(0)
    table = frame.pivot(index="group", columns="school_year_end", values=column)
    return table.reindex(columns=list(years)).astype(float)


def _expectation(
    angle: FloatArray, noise: FloatArray, used: BoolArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return the angle expected of each group-year, the variance about it, and overdispersion.

    NaN where the group has too few other years. ``noise`` is the sampling variance; only cells
    that are ``used`` say anything of others.
    """
    testable = np.isfinite(angle) & (used.sum(axis=1, keepdims=True) - used >= MIN_YEARS)
    if not testable.any():
        raise IdentificationError(
            "too_few_years", f"no group has {MIN_YEARS + 1} years with a share",
            how="add years, or make the groups larger")  # fmt: skip
    clean = np.where(used, angle, np.nan)
    expected = np.where(testable, _without_each(clean) + _year_effects(clean), np.nan)
    distance = clean - expected
    rho = _overdispersion(distance, noise)
    known = np.isfinite(distance)
    rho += math.sqrt(SCALE_VARIANCE / known.sum()) * float((noise + rho)[known].mean())
    return expected, noise + rho, rho


def _year_effects(angle: FloatArray) -> FloatArray:
    """Return for each cell what the other groups have above their own medians in its year.

    It is shrunk by the share of the effects' variance that is noise, and 0 in years with too few
    groups.
    """
    above = angle - _median(angle)[:, None]
    known = np.isfinite(above)
    effect, n = _median(above.T), known.sum(axis=0)
    enough = n > MIN_GROUPS
    if enough.sum() < MIN_YEARS:
        return np.zeros_like(angle)
    rest = np.abs(above - effect)[:, enough]
    noise = MEDIAN_VARIANCE * _NORMAL_MAD**2 * np.median(rest[known[:, enough]]) ** 2
    noise = float(np.mean(noise / (n[enough] - 1)))
    spread = float(np.std(effect[enough]))
    kept = max(1 - noise / spread**2, 0.0) if spread else 0.0
    return np.where(n - known >= MIN_GROUPS, kept * _without_each(above.T).T, 0.0)


def _overdispersion(distance: FloatArray, noise: FloatArray) -> float:
    """Return ρ ≥ 0 at which the squares of distance / √(noise + ρ), capped, have their mean."""
    known = np.isfinite(distance)
    square, noise = distance[known] ** 2, noise[known]

    def excess(rho: float) -> float:
        return float(np.minimum(square / (noise + rho), CAP**2).mean()) - CAPPED_MEAN

    return 0.0 if excess(0.0) <= 0 else float(optimize.brentq(excess, 0.0, 1e6))


def _median(values: FloatArray) -> FloatArray:
    """Return medians over the last axis of what is known, NaN where nothing is."""
    ordered = np.sort(values, axis=-1)
    n = np.isfinite(values).sum(axis=-1, keepdims=True)
    middle = [
        np.take_along_axis(ordered, at, axis=-1) for at in (np.maximum(n - 1, 0) // 2, n // 2)
    ]
    median = np.where(n > 0, (middle[0] + middle[1]) / 2, np.nan)
    return np.asarray(median[..., 0])


def _without_each(values: FloatArray) -> FloatArray:
    """Return for each cell the median of the other cells of its row."""
    own = np.eye(values.shape[1], dtype=bool)
    return _median(np.where(own, np.nan, values[:, None, :]))


def _flags(
    low: FloatArray, high: FloatArray, known: BoolArray, rate: float
) -> dict[str, BoolArray]:
    """Return the cells of each flag, from the two tails of every group-year."""
    following = np.full(high.shape, np.nan)
    following[:, :-1] = high[:, 1:]
    both = both_small(low, following)
    step = np.where(np.isnan(both), low, np.minimum(2 * np.minimum(low, both), 1.0))
    stale = false_discovery(step.ravel()).reshape(low.shape) <= rate / 2
    after, no_year_before = np.zeros_like(stale), np.zeros_like(stale)
    after[:, 1:] = stale[:, :-1] & ~stale[:, 1:]
    begun = np.maximum.accumulate(known, axis=1)
    no_year_before[:, 1:] = begun[:, :-1] & ~known[:, :-1]
    other = np.where(stale | after, np.nan, high)
    too_high = false_discovery(other.ravel()).reshape(low.shape) <= rate / 2
    rebound = (after & (high <= rate)) | (too_high & no_year_before)
    return {"stale": stale, "rebound": rebound, "bunched": too_high & ~rebound}
