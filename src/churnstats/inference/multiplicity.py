"""Many tests at once: a family that is declared, and p-values adjusted for its size.

Holm (1979) and Benjamini and Hochberg (1995) take p-values as they are. Romano and Wolf (2005,
2016) step down with draws that keep how the tests depend on each other: here joint multiplier
draws of influence sums by cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray, IntArray
from churnstats.designs.design import Design
from churnstats.inference.bands import chosen_cluster, influence_sums
from churnstats.inference.draws import Signs, share_at_least, sign_chunks
from churnstats.inference.infer import false_discovery
from churnstats.inference.result import Result
from churnstats.inference.vcov import cluster_codes

Method: TypeAlias = Literal["holm", "fdr", "romano_wolf"]
METHODS = ("holm", "fdr", "romano_wolf")


def adjust_family(
    family: Mapping[str, tuple[Result, str]],
    method: Method,
    *,
    cluster: str | None = None,
    weights: Signs = "rademacher",
    draws: int = 9_999,
    seed: int = 0,
) -> pd.DataFrame:
    """Adjust the p-values of a declared family of tests.

    Parameters
    ----------
    family : mapping
        Name of each test to a result and one of its terms.
    method : {"holm", "fdr", "romano_wolf"}
        Against any false rejection (Holm; Romano and Wolf, who use how tests depend on each
        other), or against the share of false ones among rejections (Benjamini and Hochberg).
    cluster : str, optional
        Column of the clusters of all results, for Romano and Wolf; by default that of each.
    weights : {"rademacher", "webb"}
    draws : int
        At least 99. All 2^G Rademacher vectors are used where they are not more.
    seed : int

    Returns
    -------
    DataFrame
        ``name, term, estimate, std_error, p_value, adjusted_p_value, method``, in the order of the
        family. A test whose p-value is missing stays missing and does not count.

    Raises
    ------
    SpecError
        For an empty family, an unknown method or term, or results whose clusters can't be
        matched.

    Notes
    -----
    Statistics of Romano and Wolf are the estimates over the results' standard errors, and draws are
    divided by the errors of their own, without small-sample factor, in all draws the same.
    Samples may differ if all are rows of one frame: clusters are matched by the rows they share.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> panel = cs.Panel.build(data.tenures, data.outcomes)
    >>> study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    >>> tests = {"in the year": (study, "k=+0"), "a year on": (study, "k=+1")}
    >>> adjusted = adjust_family(tests, "holm")
    >>> bool((adjusted["adjusted_p_value"] >= adjusted["p_value"]).all())
    True
    """
    if method not in METHODS:
        raise SpecError("family", f"'{method}' is no method", how=f"one of {METHODS}")
    table = _family_table(family)
    p_value = table["p_value"].to_numpy(dtype=float)
    if method == "holm":
        adjusted = holm(p_value)
    elif method == "fdr":
        adjusted = false_discovery(p_value)
    else:
        sums = _joint_sums(family, cluster)
        statistic = (table["estimate"] / table["std_error"]).abs().to_numpy(dtype=float)
        adjusted = romano_wolf(statistic, sums, weights, draws, seed)
    return table.assign(adjusted_p_value=adjusted, method=method)


def _family_table(family: Mapping[str, tuple[Result, str]]) -> pd.DataFrame:
    if not family:
        raise SpecError("family", "the family is empty", how="name: (result, term)")
    unknown = [f"{n}: {term}" for n, (result, term) in family.items() if term not in result.names]
    if unknown:
        raise SpecError("family", "no such terms", where=unknown)
    columns = ["term", "estimate", "std_error", "p_value"]
    rows = [
        result.tidy()[columns].iloc[[result.names.index(term)]] for result, term in family.values()
    ]
    table = pd.concat(rows, ignore_index=True)
    table.insert(0, "name", list(family))
    return table


def holm(p_value: FloatArray) -> FloatArray:
    """Return p-values adjusted against any false rejection (Holm 1979); NaN stays NaN.

    Examples
    --------
    >>> holm(np.array([0.01, np.nan, 0.04, 0.03]))
    array([0.03,  nan, 0.06, 0.06])
    """
    adjusted = np.full(p_value.shape, np.nan)
    order = np.argsort(p_value, kind="stable")[: int(np.isfinite(p_value).sum())]
    steps = p_value[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def romano_wolf(
    statistic: FloatArray, sums: FloatArray, weights: Signs, draws: int, seed: int
) -> FloatArray:
    """Return step-down p-values: each test against the largest of those not yet rejected.

    Parameters
    ----------
    statistic : (m,) array
        abs(t) of each test; NaN stays NaN and does not count.
    sums : (G, m) array
        Influence by cluster.
    weights, draws, seed
        As for `adjust_family`.
    """
    error = np.sqrt((sums**2).sum(axis=0))
    known = np.isfinite(statistic) & (error > 0)
    order = np.flatnonzero(known)[np.argsort(-statistic[known], kind="stable")]
    adjusted = np.full(statistic.shape, np.nan)
    scaled = sums[:, order] / error[order]
    # column j of the draws: the largest over the tests from j on
    largest = np.concatenate(
        [
            np.maximum.accumulate(np.abs(v @ scaled)[:, ::-1], axis=1)[:, ::-1]
            for v in sign_chunks(weights, len(sums), draws, seed)
        ]
    )
    # the data are none of the draws, also where these are all there are: they count as one
    steps = [share_at_least(largest[:, i], statistic[j], False) for i, j in enumerate(order)]
    if steps:
        adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def _joint_sums(family: Mapping[str, tuple[Result, str]], cluster: str | None) -> FloatArray:
    """Return influence by cluster, one column a test, with one numbering of the clusters."""
    columns, first = [], None
    for name, (result, term) in family.items():
        by = chosen_cluster(result, cluster)
        sums = influence_sums(result, by)[:, result.names.index(term)]
        assert result.fit is not None
        codes, design = cluster_codes(result.fit, by), result.fit.design
        if first is None:
            first = (design, codes, sums.size)
        columns.append(sums[_match(first[0], first[1], design, codes, first[2], name)])
    return np.column_stack(columns)


def _match(
    first: Design, codes: IntArray, other: Design, others: IntArray, n_groups: int, name: str
) -> IntArray:
    """Return for each cluster of the first sample its code in the other."""
    if first.rows is not None and other.rows is not None:
        _, i, j = np.intersect1d(first.rows, other.rows, return_indices=True)
    else:
        i = j = np.arange(first.n if first.n == other.n else 0)
    place = np.full(n_groups, -1, dtype=np.int64)
    place[codes[i]] = others[j]
    one_to_one = np.array_equal(np.sort(place), np.arange(int(others.max()) + 1))
    if not one_to_one or not np.array_equal(place[codes[i]], others[j]):
        raise SpecError(
            "family",
            f"the clusters of '{name}' are not those of the first test",
            how="fit all tests on rows of one frame that have the same clusters",
        )
    return place
