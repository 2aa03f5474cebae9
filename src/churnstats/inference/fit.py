"""The contract between estimators and inference: coefficients and their influence.

An estimator returns a `Fit`. The influence of row i is the vector by which the row moves the
coefficients, so that ``coef - truth`` is about the sum of the influences. Standard errors of
every kind are sums of squares of influences over rows or clusters; no estimator makes any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from churnstats.core.types import FloatArray, IntArray
from churnstats.designs.design import Cohorts, Continuous, Counting, Design
from churnstats.numerics.groups import group_sums


class Influence(Protocol):
    """Access to influences by row, and by cluster without making them by row."""

    def rows(self) -> FloatArray:
        """Return the (n, k) influences."""
        ...

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, k) sums by group."""
        ...


@dataclass(frozen=True)
class ScoreInfluence:
    """Influence of an M-estimator: each row's score times the inverse information.

    Parameters
    ----------
    scores : (n, k) array
    bread : (k, k) array
    """

    scores: FloatArray
    bread: FloatArray

    def rows(self) -> FloatArray:
        """Return the (n, k) influences."""
        return self.scores @ self.bread

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, k) sums by group."""
        return group_sums(self.scores, codes, n_groups) @ self.bread


@dataclass(frozen=True, eq=False)
class Fit:
    """What an estimator found, without standard errors.

    Parameters
    ----------
    estimator : str
        Its name, as printed.
    design : Design
    coef : (k,) array
    names : tuple of str
    influence : Influence
    model_vcov : (k, k) array or None
        Covariance if the model is right, for `Classical`; None where there is none.
    model_vcov_name : str
        What that is called.
    absorbed : tuple of str
        The design's effects that cost degrees of freedom.
    df_absorbed : int
        Rank of the absorbed effects.
    loglik : float
        NaN where the estimator has none.
    n_iterations : int
    interval : str
        Scale of confidence intervals: ``"identity"``, ``"log-log"`` (survival) or ``"log"``
        (cumulative hazard).
    fitted, residuals : (n,) array or None
    keys : DataFrame
        One row a coefficient: event time, group, time, counts.
    frames : mapping of str to DataFrame
        Tables that go with the estimates, such as the numbers at risk.
    n_parameters : int or None
        Number of the model's coefficients where ``coef`` holds combinations of them.
    """

    estimator: str
    design: Design
    coef: FloatArray
    names: tuple[str, ...]
    influence: Influence
    model_vcov: FloatArray | None = None
    model_vcov_name: str = "model-based"
    absorbed: tuple[str, ...] = ()
    df_absorbed: int = 0
    loglik: float = float("nan")
    n_iterations: int = 0
    interval: str = "identity"
    fitted: FloatArray | None = None
    residuals: FloatArray | None = None
    keys: pd.DataFrame = field(default_factory=pd.DataFrame)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    n_parameters: int | None = None

    @property
    def k(self) -> int:
        """Number of coefficients of the model (also after they were combined)."""
        return int(self.coef.size) if self.n_parameters is None else self.n_parameters

    @property
    def counts_parameters(self) -> bool:
        """Whether n - K is meaningful (rows of a counting process may be split at will)."""
        return isinstance(self.design.response, Continuous)


Kernel = TypeVar("Kernel", bound=Callable[..., Fit])
KERNEL_MARK = "churnstats_kernel"


@dataclass(frozen=True)
class KernelInfo:
    """What a kernel takes, so that the contract tests can find it and call it."""

    response: type[Continuous] | type[Counting] | type[Cohorts]
    variants: tuple[Mapping[str, Any], ...]


def kernel(
    response: type[Continuous] | type[Counting] | type[Cohorts],
    variants: Sequence[Mapping[str, Any]] = ({},),
) -> Callable[[Kernel], Kernel]:
    """Mark a function ``Design -> Fit`` as an estimator that must keep the Fit contract.

    Parameters
    ----------
    response : type
        The kind of response it takes.
    variants : sequence of mapping
        Keyword arguments under each of which the contract is tested.
    """

    def mark(function: Kernel) -> Kernel:
        setattr(function, KERNEL_MARK, KernelInfo(response, tuple(variants)))
        return function

    return mark


def outer_sum(values: FloatArray) -> FloatArray:
    """Return the sum of outer products of rows."""
    return np.asarray(values.T @ values)


@dataclass(frozen=True)
class CombinedInfluence:
    """Influence of linear combinations ``L @ coef`` of another fit's coefficients."""

    base: Influence
    combine: FloatArray

    def rows(self) -> FloatArray:
        """Return the (n, q) influences."""
        return self.base.rows() @ self.combine.T

    def sums(self, codes: IntArray, n_groups: int) -> FloatArray:
        """Return their (G, q) sums by group."""
        return self.base.sums(codes, n_groups) @ self.combine.T


def combine_fit(fit: Fit, combine: FloatArray, names: tuple[str, ...]) -> Fit:
    """Return the fit of ``combine @ coef``, with all it takes to infer anew.

    Degrees of freedom are still those of the model: ``n_parameters`` keeps its k.
    """
    vcov = None if fit.model_vcov is None else combine @ fit.model_vcov @ combine.T
    return replace(
        fit,
        coef=combine @ fit.coef,
        names=names,
        influence=CombinedInfluence(fit.influence, combine),
        model_vcov=vcov,
        n_parameters=fit.k,
        interval="identity",
        keys=pd.DataFrame(index=range(len(names))),
        frames={},
    )
