r"""Covariance of a Fit under a named choice, with a named small-sample rule.

Clustered (Liang and Zeger 1986), two-way (Cameron, Gelbach and Miller 2011) and
heteroskedasticity-robust (White 1980) covariances are sums of outer products of influences.
The small-sample rules, with G clusters, n rows, k coefficients:

=============  ==========================================================================
``none``       factor 1 (R survival)
``clusters``   G / (G - 1)
``nonnested``  G / (G - 1) * (n - 1) / (n - K), K = k + rank of the absorbed effects that
               are not nested in the clusters (fixest, reghdfe); at least one for the constant
``full``       the same with K = k + rank of all absorbed effects (Stata's areg)
=============  ==========================================================================

With two ways of clustering G is the smaller number of clusters, for all three parts.

With few clusters `CR2` and `CR3` correct each cluster's part and have degrees of freedom by term
(`few_clusters`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from scipy import linalg

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import FloatArray, IntArray
from churnstats.designs.design import Counting
from churnstats.inference.few_clusters import ClusterMoments, adjusted_sums
from churnstats.inference.fit import Fit, outer_sum
from churnstats.numerics.absorb import rank_of_effects
from churnstats.numerics.groups import encode_pairs, is_nested

SmallSample: TypeAlias = Literal["none", "clusters", "nonnested", "full"]
RULES = ("none", "clusters", "nonnested", "full")


@dataclass(frozen=True)
class Classical:
    """Errors that hold if the model is right: equal variances, information, Greenwood."""


@dataclass(frozen=True)
class Robust:
    """Errors robust to unequal variances: HC0, or HC1 with the factor n / (n - K)."""

    kind: Literal["HC0", "HC1"] = "HC1"

    def __post_init__(self) -> None:
        if self.kind not in ("HC0", "HC1"):
            raise SpecError("vcov", f"'{self.kind}' is no robust variance", how="HC0 or HC1")


@dataclass(frozen=True)
class Cluster:
    """Errors clustered one way.

    Parameters
    ----------
    by : str
        Column of the clusters.
    small_sample : {"none", "clusters", "nonnested", "full"}, optional
        By default ``"nonnested"`` for a continuous response and ``"clusters"`` for survival,
        where the number of rows means nothing.
    """

    by: str
    small_sample: SmallSample | None = None

    def __post_init__(self) -> None:
        _check_rule(self.small_sample)


@dataclass(frozen=True)
class TwoWay:
    """Errors clustered two ways.

    Parameters
    ----------
    first, second : str
        Columns of the clusters.
    small_sample : {"none", "clusters", "nonnested", "full"}, optional
        As for `Cluster`; G is the smaller number of clusters.
    """

    first: str
    second: str
    small_sample: SmallSample | None = None

    def __post_init__(self) -> None:
        _check_rule(self.small_sample)


@dataclass(frozen=True)
class CR2:
    """Errors clustered one way, without bias if the model of `Classical` is right.

    For least squares with few clusters, or with clusters of unequal weight in a term; degrees of
    freedom by term (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018).

    Parameters
    ----------
    by : str
        Column of the clusters.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> data = pd.DataFrame({"y": [1., 2., 4., 3., 5., 5.], "x": [0., 1., 2., 3., 4., 2.]})
    >>> fit = cs.linear_model(data.assign(g=[1, 1, 2, 2, 3, 3]), "y ~ x", vcov=cs.Cluster("g"))
    >>> fit.with_vcov(CR2("g")).choice.df.round(2).tolist()
    [1.16, 1.53]
    """

    by: str


@dataclass(frozen=True)
class CR3:
    """Errors clustered one way that stay on the safe side: those of leaving one cluster out.

    The sum over clusters of squared changes of the estimates when a cluster and its effects are
    left out, about these estimates, with factor 1; degrees of freedom by term as for `CR2`.

    Parameters
    ----------
    by : str
        Column of the clusters.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> data = pd.DataFrame({"y": [1., 2., 4., 3., 5., 5.], "x": [0., 1., 2., 3., 4., 2.]})
    >>> fit = cs.linear_model(data.assign(g=[1, 1, 2, 2, 3, 3]), "y ~ x", vcov=cs.Cluster("g"))
    >>> bool((fit.with_vcov(CR3("g")).vcov > fit.with_vcov(CR2("g")).vcov).diagonal().all())
    True
    """

    by: str


Vcov: TypeAlias = Classical | Robust | Cluster | TwoWay | CR2 | CR3


def _check_rule(rule: str | None) -> None:
    if rule is not None and rule not in RULES:
        raise SpecError("vcov", f"'{rule}' is no small-sample rule", how=f"one of {RULES}")


@dataclass(frozen=True)
class Covariance:
    """A covariance with what is needed to print and use it.

    Parameters
    ----------
    matrix : (k, k) array
    label : str
        The choice in words, as printed.
    small_sample : str
        The rule, as printed.
    df : float or (k,) array
        Degrees of freedom of the t distribution; infinite for the normal. By term for CR2 and CR3.
    n_clusters : dict
        Number of clusters by variable.
    notes : tuple of str
    moments : ClusterMoments or None
        What gives degrees of freedom of contrasts, where they are not the same for all.
    """

    matrix: FloatArray
    label: str
    small_sample: str
    df: float | FloatArray
    n_clusters: dict[str, int]
    notes: tuple[str, ...] = ()
    moments: ClusterMoments | None = field(default=None, repr=False)

    def contrast(self, matrix: FloatArray) -> Covariance:
        """Return the covariance of linear combinations ``matrix @ coef``.

        Raises
        ------
        SpecError
            When degrees of freedom are by term and what they are made of was not kept.
        """
        after = replace(self, matrix=matrix @ self.matrix @ matrix.T)
        if np.ndim(self.df) == 0:
            return after
        if self.moments is None:
            raise SpecError(
                "contrast",
                "a loaded result does not know the degrees of freedom of other contrasts",
                how="fit it again",
            )
        moments = self.moments.combine(matrix)
        return replace(after, df=moments.df(), moments=moments)

    def joint_df(self) -> float:
        """Return the degrees of freedom of the joint test of all terms.

        Under CR2 and CR3 eta of Hotelling's test (Pustejovsky and Tipton 2018); NaN where it was
        not kept.
        """
        if isinstance(self.df, np.ndarray):
            return float("nan") if self.moments is None else self.moments.joint_df()
        return self.df


def cluster_variables(choice: Vcov | None) -> tuple[str, ...]:
    """Return the columns that a choice of variance needs."""
    if isinstance(choice, (Cluster, CR2, CR3)):
        return (choice.by,)
    if isinstance(choice, TwoWay):
        return (choice.first, choice.second)
    return ()


def covariance(fit: Fit, choice: Vcov) -> Covariance:
    """Return the covariance of a fit's coefficients.

    Raises
    ------
    SpecError
        When the choice can't be had for this fit.
    IdentificationError
        When there is only one cluster, or no degree of freedom is left.
    """
    if isinstance(choice, Classical):
        return _classical(fit)
    if isinstance(choice, Robust):
        return _robust(fit, choice)
    if isinstance(choice, (CR2, CR3)):
        return _few_clusters(fit, choice)
    return _clustered(fit, cluster_variables(choice), choice.small_sample)


def _classical(fit: Fit) -> Covariance:
    if fit.model_vcov is None:
        raise SpecError(
            "vcov", f"{fit.estimator} has no model-based errors", how="name Robust() or Cluster()"
        )
    df = float(fit.design.n - _full_k(fit)) if fit.counts_parameters else np.inf
    rule = "n - K" if fit.counts_parameters else "none"
    return Covariance(fit.model_vcov, fit.model_vcov_name, rule, df, {})


def _robust(fit: Fit, choice: Robust) -> Covariance:
    factor, df, rule = 1.0, np.inf, "none"
    if fit.counts_parameters:
        df = float(fit.design.n - _full_k(fit))
        if choice.kind == "HC1":
            factor, rule = fit.design.n / df, "n / (n - K)"
    elif choice.kind == "HC1":
        raise SpecError(
            "vcov",
            "HC1 counts parameters against rows, of which this fit has no lasting number",
            how="use Robust('HC0') or Cluster()",
        )
    matrix = outer_sum(fit.influence.rows()) * factor
    return Covariance(matrix, f"heteroskedasticity-robust ({choice.kind})", rule, df, {})


def _clustered(fit: Fit, names: tuple[str, ...], rule: SmallSample | None) -> Covariance:
    codes = [cluster_codes(fit, name) for name in names]
    sizes = {name: int(c.max()) + 1 for name, c in zip(names, codes, strict=True)}
    n_min = min(sizes.values())
    rule = rule or ("nonnested" if fit.counts_parameters else "clusters")
    matrix = sum(
        (outer_sum(fit.influence.sums(c, int(c.max()) + 1)) for c in codes),
        np.zeros((fit.coef.size, fit.coef.size)),
    )
    notes: tuple[str, ...] = ()
    if len(codes) == 2:
        both, n_both = encode_pairs(codes[0], codes[1])
        matrix = matrix - outer_sum(fit.influence.sums(both, n_both))
        notes = _notes_on(matrix)
    matrix = matrix * _factor(fit, codes, n_min, rule)
    df = np.inf if isinstance(fit.design.response, Counting) else float(n_min - 1)
    label = "clustered by " + " and ".join(names)
    return Covariance(matrix, label, rule, df, sizes, notes)


def _few_clusters(fit: Fit, choice: CR2 | CR3) -> Covariance:
    codes, kind = cluster_codes(fit, choice.by), type(choice).__name__
    power = -0.5 if isinstance(choice, CR2) else -1.0
    sums, moments = adjusted_sums(fit, codes, kind, power)
    label = f"clustered by {choice.by} ({kind})"
    sizes = {choice.by: int(codes.max()) + 1}
    return Covariance(outer_sum(sums), label, kind, moments.df(), sizes, (), moments)


def cluster_codes(fit: Fit, name: str) -> IntArray:
    """Return the codes of a cluster variable that the fit knows, two clusters at least."""
    if name not in fit.design.clusters:
        known = ", ".join(sorted(fit.design.clusters)) or "none"
        raise SpecError(
            "cluster",
            f"the fit does not know the cluster variable '{name}' (known: {known})",
            how="name it in `clusters=` when you fit, so that it is kept with the sample",
        )
    codes = fit.design.clusters[name]
    if codes.max() < 1:
        raise IdentificationError(
            "one_cluster", f"only one cluster in {name}", how="cluster by another column"
        )
    return codes


def _full_k(fit: Fit) -> int:
    return fit.k + fit.df_absorbed


def _factor(fit: Fit, codes: list[IntArray], n_min: int, rule: SmallSample) -> float:
    if rule == "none":
        return 1.0
    factor = n_min / (n_min - 1)
    if rule == "clusters":
        return factor
    if not fit.counts_parameters:
        raise SpecError(
            "small_sample",
            f"'{rule}' counts parameters against rows, of which this fit has no lasting number",
            how="use 'clusters' or 'none'",
        )
    k = _full_k(fit)
    if rule == "nonnested" and fit.absorbed:
        effects = [fit.design.effects[name] for name in fit.absorbed]
        free = [e for e in effects if not any(is_nested(e, c) for c in codes)]
        k = fit.k + max(rank_of_effects(free), 1)
    n = fit.design.n
    if n <= k:
        raise IdentificationError("no_df", f"{n} rows for {k} parameters")
    return factor * (n - 1) / (n - k)


def _notes_on(matrix: FloatArray) -> tuple[str, ...]:
    """Say when a two-way covariance is no covariance: it is left as it is."""
    known = np.isfinite(np.diag(matrix))
    values = linalg.eigvalsh(matrix[np.ix_(known, known)])
    if values.min(initial=0.0) >= -1e-12 * max(values.max(initial=0.0), 0.0):
        return ()
    return (
        "The two-way covariance is not positive semi-definite (few clusters); it is used as it "
        "is, joint tests that need more are NaN.",
    )
