"""What two-way fixed effects average: two-by-two comparisons, and weights of effects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs import terms
from churnstats.designs.absorbing import Absorbing
from churnstats.designs.design import as_floats
from churnstats.display import tables
from churnstats.display.figures import ACCENT, INK, PALETTE, new_figure
from churnstats.numerics.absorb import absorb
from churnstats.numerics.groups import encode, group_means

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEVER, ALWAYS = "against never treated", "against always treated"
EARLIER, LATER = "earlier against not yet treated", "later against already treated"
COMPARISONS = (NEVER, EARLIER, LATER, ALWAYS)


@dataclass(frozen=True)
class TwoByTwo:
    """Two groups in the years of a window, in some of which one of them is treated.

    Parameters
    ----------
    comparison : str
    treated, control : int
        Places of the groups.
    window, after : (T,) bool array
        The years that are used, and those of them in which the first group is treated.
    """

    comparison: str
    treated: int
    control: int
    window: BoolArray
    after: BoolArray


def two_by_twos(first: IntArray, n_years: int) -> Iterator[TwoByTwo]:
    """Give every comparison of two groups that differ in when they are treated.

    Parameters
    ----------
    first : (G,) array
        Place of the first treated year, in order: 0 or before for always, n_years for never.
    n_years : int
    """
    years = np.arange(n_years)
    for k in range(first.size):
        for m in range(k + 1, first.size):
            early, late = years >= first[k], years >= first[m]
            if first[k] > 0:  # the earlier one, until the later is treated
                name = NEVER if first[m] >= n_years else EARLIER
                yield TwoByTwo(name, k, m, ~late, early & ~late)
            if first[m] < n_years:  # the later one, once the earlier is treated
                yield TwoByTwo(LATER if first[k] > 0 else ALWAYS, m, k, early, late)


def compare(means: FloatArray, n_units: FloatArray, pair: TwoByTwo) -> tuple[float, float]:
    r"""Return a two-by-two's estimate, and its weight times the variance of treatment.

    Goodman-Bacon (2021), equations 7 and 10: with :math:`n` the share of all units and years that
    the comparison uses, :math:`p` the share of the treated group in it and :math:`\bar D` the
    share of the window in which that is treated, the weight is
    :math:`n^2 p (1 - p) \bar D (1 - \bar D)`.

    Parameters
    ----------
    means : (G, T) array
        Mean outcomes by group and year.
    n_units : (G,) array
    pair : TwoByTwo
    """
    gap = means[pair.treated] - means[pair.control]
    before = pair.window & ~pair.after
    estimate = float(gap[pair.after].mean() - gap[before].mean())
    own, other = n_units[pair.treated], n_units[pair.control]
    used = (own + other) / n_units.sum() * pair.window.mean()
    group, time = own / (own + other), pair.after.sum() / pair.window.sum()
    return estimate, float(used**2 * group * (1 - group) * time * (1 - time))


@dataclass(frozen=True, eq=False)
class BaconDecomposition:
    """The two-by-two comparisons that static two-way fixed effects average.

    Made by `bacon_decomposition`.

    Attributes
    ----------
    comparisons : DataFrame
        ``comparison, treated_cohort, control_cohort`` (missing: never treated), ``n_treated,
        n_control`` (units), ``estimate, weight``. Weights add up to one.
    estimate : float
        Of two-way fixed effects: the weighted sum.
    outcome : str
    """

    comparisons: pd.DataFrame
    estimate: float
    outcome: str

    def frame(self) -> pd.DataFrame:
        """Return the comparisons, one row each."""
        return self.comparisons.copy()

    def by_comparison(self) -> pd.DataFrame:
        """Return the weight and the mean estimate of each kind of comparison."""
        parts = self.comparisons.assign(share=lambda d: d["weight"] * d["estimate"])
        total = parts.groupby("comparison")[["weight", "share"]].sum()
        total = total.reindex([c for c in COMPARISONS if c in total.index])
        total["estimate"] = total["share"] / total["weight"]
        return total[["weight", "estimate"]].reset_index()

    def summary(self) -> str:
        """Return weights and estimates by kind of comparison as text."""
        notes = [
            f"Two-way fixed effects: {self.estimate:.4g}, the weighted sum of "
            f"{len(self.comparisons):,} comparisons.",
            "Comparisons with units already treated take changes of their effects for trends.",
        ]
        return tables.to_text(tables.format_frame(self.by_comparison()), notes)

    def plot(self) -> Figure:
        """Draw each comparison's estimate by its weight."""
        figure, (ax,) = new_figure()
        for color, name in zip(PALETTE, COMPARISONS, strict=False):
            part = self.comparisons[self.comparisons["comparison"] == name]
            if len(part):
                label = f"{name} ({part['weight'].sum():.0%})"
                ax.plot(part["weight"], part["estimate"], "o", color=color, alpha=0.75, label=label)
        ax.axhline(self.estimate, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), label="sum")
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set_xlim(left=0)
        ax.set_xlabel("Weight (in brackets: of all of a kind)", fontsize=9)
        ax.set_ylabel(f"Effect on {self.outcome}", fontsize=9)
        ax.set_title("What two-way fixed effects average", fontsize=11, loc="left", color=INK)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
        return figure

    def __str__(self) -> str:
        return self.summary()


def bacon_decomposition(data: Absorbing, outcome: str) -> BaconDecomposition:
    """Split the static two-way estimate into its two-by-two comparisons.

    Parameters
    ----------
    data : Absorbing
        A balanced panel: every unit in every year, the outcome known.
    outcome : str

    Returns
    -------
    BaconDecomposition

    Raises
    ------
    IdentificationError
        A panel that is not balanced, or in which no two groups differ in when they are treated.

    Notes
    -----
    Units treated from the panel's first year on are always treated; cohorts after its last year
    are never treated in it.

    References
    ----------
    Goodman-Bacon (2021), Difference-in-differences with variation in treatment timing, Journal of
    Econometrics 225(2), theorem 1.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> from churnstats.designs.absorbing import Absorbing
    >>> rows = pd.DataFrame({"unit": ["a", "a", "b", "b"], "year": [2018, 2019, 2018, 2019],
    ...                      "first": [2019, 2019, 0, 0], "score": [1.0, 3.0, 1.0, 2.0]})
    >>> data = Absorbing.from_frame(rows, unit="unit", time="year", cohort="first")
    >>> bacon_decomposition(data, "score").estimate
    1.0
    """
    if not isinstance(data, Absorbing):
        raise SpecError(
            "bacon_decomposition",
            f"the comparisons are of units that change once; it can't take {type(data).__name__}",
            how="give Absorbing.first_change(panel), or Absorbing.from_frame(...)",
        )
    terms.require_columns(data.frame, (outcome,))
    terms.numeric(data.frame, outcome)
    first_year, y, cohort = _balanced(data.frame, outcome)
    n_years = y.shape[1]
    place = np.where(np.isnan(cohort), np.inf, cohort - first_year).clip(0, n_years)
    group, n_groups = encode(place)
    first = np.unique(place).astype(np.int64)
    ones = np.ones(group.size)
    means = group_means(y, group, n_groups, ones)
    n_units = np.bincount(group, minlength=n_groups).astype(float)
    pairs = list(two_by_twos(first, n_years))
    if not pairs:
        raise IdentificationError(
            "bacon_decomposition", "no two groups of units differ in when they are treated"
        )
    estimate, weight = np.array([compare(means, n_units, p) for p in pairs]).T
    years = pd.array(np.where(first < n_years, first + float(first_year), np.nan), dtype="Int64")
    table = pd.DataFrame(
        {
            "comparison": [p.comparison for p in pairs],
            "treated_cohort": years[[p.treated for p in pairs]],
            "control_cohort": years[[p.control for p in pairs]],
            "n_treated": n_units[[p.treated for p in pairs]].astype(int),
            "n_control": n_units[[p.control for p in pairs]].astype(int),
            "estimate": estimate,
            "weight": weight / weight.sum(),
        }
    )
    return BaconDecomposition(table, _static(means, n_units, first), outcome)


def _balanced(frame: pd.DataFrame, outcome: str) -> tuple[int, FloatArray, FloatArray]:
    """Return the first year, outcomes by unit and year, and each unit's cohort."""
    year, y = frame["school_year_end"].to_numpy(), as_floats(frame[outcome])
    unit, n_units = encode(frame["unit_id"])
    n_years = int(year.max() - year.min()) + 1
    known = np.bincount(unit, weights=np.isfinite(y), minlength=n_units)
    if (known < n_years).any():
        raise IdentificationError(
            "bacon_decomposition",
            f"the panel is not balanced: {int((known < n_years).sum()):,} of {n_units:,} units "
            f"lack years or outcomes between {year.min()} and {year.max()}",
            how="give the years and units that are complete; two_way_weights takes any panel",
        )
    cohort = as_floats(frame["cohort"])
    shape = (n_units, n_years)
    return int(year.min()), y.reshape(shape), cohort.reshape(shape)[:, 0]


def _static(means: FloatArray, n_units: FloatArray, first: IntArray) -> float:
    """Return the two-way estimate from means by group and year."""
    treated = (np.arange(means.shape[1]) >= first[:, None]).astype(float)
    share = n_units / n_units.sum()
    swept = (
        treated
        - treated.mean(axis=1, keepdims=True)
        - share @ treated
        + share @ treated.mean(axis=1)
    )
    return float((share @ (swept * means)).sum() / (share @ (swept * treated)).sum())


@dataclass(frozen=True, eq=False)
class TwoWayWeights:
    """The weights with which two-way fixed effects sum the effects of treated unit-years.

    Made by `two_way_weights`.

    Attributes
    ----------
    weights : DataFrame
        ``unit_id, school_year_end, treatment, share, weight, relative_weight``, one row a
        treated unit-year: its share of all treatment, its weight (both add up to one), and their
        ratio, which would be 1 for a plain mean.
    estimate : float
        Of two-way fixed effects; NaN without an outcome.
    outcome : str
        Empty without one.
    ledger : RowLedger
    """

    weights: pd.DataFrame
    estimate: float
    outcome: str
    ledger: RowLedger

    @property
    def share_negative(self) -> float:
        """Share of treated unit-years whose effects count with the wrong sign."""
        return float((self.weights["weight"] < 0).mean())

    @property
    def sum_negative(self) -> float:
        """Sum of the negative weights."""
        weight = self.weights["weight"]
        return float(weight[weight < 0].sum())

    @property
    def smallest_sd(self) -> float:
        r"""The smallest deviation of effects with which their mean could be zero.

        It is :math:`|\hat\beta| / \sigma(w)` (de Chaisemartin and D'Haultfoeuille 2020,
        corollary 1); NaN without an outcome, infinite if all relative weights are 1.
        """
        share, relative = (self.weights[c].to_numpy() for c in ("share", "relative_weight"))
        spread = float(np.sqrt(share @ (relative - 1) ** 2))
        return abs(self.estimate) / spread if spread > 1e-12 else float("inf")

    def frame(self) -> pd.DataFrame:
        """Return the weights, one row a treated unit-year."""
        return self.weights.copy()

    def summary(self) -> str:
        """Return how many weights are negative and what follows as text."""
        lines = [
            f"Two-way fixed effects sum the effects of {len(self.weights):,} treated unit-years.",
            f"{self.share_negative:.1%} of them have a negative weight; these sum to "
            f"{self.sum_negative:.4f}, all to 1.",
        ]
        if self.outcome:
            lines.append(
                f"Estimate {self.estimate:.4g}. The mean effect may be zero if effects on "
                f"{self.outcome} have a standard deviation of {self.smallest_sd:.4g} or more."
            )
        lost = [f"{n:,} {s.unit} {why}" for s in self.ledger.steps for why, n in s.lost.items()]
        return "\n".join([*lines, "Left out: " + "; ".join(lost) + "."] if lost else lines)

    def plot(self) -> Figure:
        """Draw how many unit-years have which relative weight."""
        figure, (ax,) = new_figure()
        relative = self.weights["relative_weight"].to_numpy()
        low, high = min(float(relative.min()), 0.0), max(float(relative.max()), 1.0)
        step = (high - low) / 30
        edges = step * np.arange(np.floor(low / step), np.ceil(high / step) + 1)
        for sign, color, name in ((1, ACCENT, "positive"), (-1, PALETTE[1], "negative")):
            part = relative[relative >= 0] if sign > 0 else relative[relative < 0]
            if part.size:
                label = f"{name} ({part.size / relative.size:.1%})"
                ax.hist(part, bins=edges.tolist(), color=color, edgecolor="white", label=label)
        ax.axvline(1, color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set_xlabel("Weight of the effect, 1 in a plain mean", fontsize=9)
        ax.set_ylabel("Treated unit-years", fontsize=9)
        ax.set_title("Weights of two-way fixed effects", fontsize=11, loc="left", color=INK)
        ax.legend(fontsize=8, frameon=False)
        return figure

    def __str__(self) -> str:
        return self.summary()


def two_way_weights(
    data: Absorbing | pd.DataFrame,
    treatment: str | None = None,
    *,
    outcome: str | None = None,
    weights: str | None = None,
) -> TwoWayWeights:
    r"""Compute the weight of each treated unit-year's effect in two-way fixed effects.

    Parameters
    ----------
    data : Absorbing or DataFrame
        A frame has ``unit_id`` and ``school_year_end``, such as ``panel.frame``.
    treatment : str, optional
        Column of a treatment from 0 on, which may come and go; needed for a frame. For
        `Absorbing` it is having changed.
    outcome : str, optional
        Gives the estimate, and leaves out rows in which it is missing.
    weights : str, optional
        Column of weights.

    Returns
    -------
    TwoWayWeights

    Raises
    ------
    SpecError
        A treatment that is negative or not given, columns that are not there.
    IdentificationError
        Nothing treated, or a treatment that units and years tell.

    Notes
    -----
    With :math:`\tilde D` what is left of treatment after effects of units and years, and effects
    :math:`\Delta_{it}` a unit of treatment, the estimate has the mean

    .. math:: \sum_{it} \frac{\tilde D_{it} D_{it}}{\sum \tilde D D} \Delta_{it} .

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2020), Two-way fixed effects estimators with heterogeneous
    treatment effects, American Economic Review 110(9), theorem 1.

    Examples
    --------
    >>> import churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> found = two_way_weights(panel.frame, "n_entries")
    >>> round(float(found.weights["weight"].sum()), 9)
    1.0
    """
    frame, column = _treatment(data, treatment)
    named = tuple(c for c in (column, outcome, weights) if c is not None)
    terms.require_columns(frame, ("unit_id", "school_year_end", *named))
    values = np.column_stack([terms.numeric(frame, c) for c in named])
    placed = frame[["unit_id", "school_year_end"]].notna().all(axis=1).to_numpy()
    known = np.isfinite(values).all(axis=1) & placed
    weight = np.ones(len(frame)) if weights is None else as_floats(frame[weights])
    positive = known & (weight > 0)
    before = data.ledger if isinstance(data, Absorbing) else RowLedger()
    ledger = before.step(
        "two-way weights",
        "unit-years",
        len(frame),
        int(positive.sum()),
        {
            "with a missing value": int((~known).sum()),
            "without weight": int((known & ~positive).sum()),
        },
    )
    if not positive.any():
        lost = [f"{n:,} {why}" for why, n in ledger.steps[-1].lost.items() if n]
        raise SpecError("two_way_weights", "no row is left", where=lost)
    used, w = frame[positive], weight[positive]
    d = as_floats(used[column])
    if (d < 0).any():
        raise SpecError("two_way_weights", f"'{column}' is negative in {int((d < 0).sum()):,} rows")
    if not (d > 0).any():
        raise IdentificationError("two_way_weights", "no unit-year is treated")
    codes = [encode(used[c])[0] for c in ("unit_id", "school_year_end")]
    left = absorb(d[:, None], codes, w)[:, 0]
    total = float(w @ (left * d))
    if not total > 1e-12 * float(w @ d**2):
        raise IdentificationError(
            "two_way_weights", "units and years tell the treatment", how="look for its variation"
        )
    at = d > 0
    share = (w * d)[at] / float(w @ d)
    found = used.loc[at, ["unit_id", "school_year_end"]].reset_index(drop=True)
    found = found.assign(treatment=d[at], share=share, weight=(w * left * d)[at] / total)
    found["relative_weight"] = found["weight"] / found["share"]
    y = np.full(d.size, np.nan) if outcome is None else as_floats(used[outcome])
    return TwoWayWeights(found, float(w @ (left * y)) / total, outcome or "", ledger)


def _treatment(data: Absorbing | pd.DataFrame, treatment: str | None) -> tuple[pd.DataFrame, str]:
    """Return the frame with its treatment, and the column's name."""
    if isinstance(data, Absorbing):
        if treatment is not None:
            raise SpecError(
                "two_way_weights",
                "the treatment of Absorbing is having changed",
                how="give its frame for another",
            )
        changed = data.frame["school_year_end"].to_numpy() >= as_floats(data.frame["cohort"])
        return data.frame.assign(has_changed=changed.astype(float)), "has_changed"
    if treatment is None:
        raise SpecError("two_way_weights", "no treatment is given", how="name its column")
    return data, treatment
