"""What tests of several folders share: kernels found by themselves, random designs, naive sums."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import Phase, settings
from hypothesis import strategies as st

import churnstats as cs
import churnstats.estimators
from churnstats.designs.design import Cohorts, Continuous, Counting, Design
from churnstats.inference.fit import KERNEL_MARK, Fit
from churnstats.numerics.groups import encode

Response = type[Continuous] | type[Counting] | type[Cohorts]

REFERENCE_DATA = Path(__file__).parent / "reference" / "data"

# Every run draws the same examples: a failure is the code's, never the day's. Recipes are as
# simple as they are drawn, so none is shrunk.
DRAWS = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)


@dataclass(frozen=True)
class Kernel:
    """An estimator's kernel under one choice of its options."""

    module: str
    function: Callable[..., Fit]
    response: Response
    options: Mapping[str, Any]

    def __str__(self) -> str:
        words = ", ".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.name}({words})"

    @property
    def name(self) -> str:
        return self.function.__name__

    def __call__(self, design: Design) -> Fit:
        return self.function(design, **self.options)


def estimator_modules() -> list[str]:
    """Return the names of all modules below `churnstats.estimators`."""
    package = churnstats.estimators
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return sorted(module.name for module in found)


def kernels() -> list[Kernel]:
    """Return every marked kernel under each of its variants."""
    found = []
    for module in estimator_modules():
        for _, function in inspect.getmembers(importlib.import_module(module), callable):
            info = getattr(function, KERNEL_MARK, None)
            if info is not None and function.__module__ == module:
                found += [Kernel(module, function, info.response, v) for v in info.variants]
    return found


@dataclass(frozen=True)
class Recipe:
    """What hypothesis chooses of a random design; the rest follows from the seed."""

    seed: int
    n: int = 48
    n_effects: int = 1
    weighted: bool = True
    tied: bool = True
    late: bool = True

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


recipes = st.builds(
    Recipe,
    seed=st.integers(0, 2**20),
    n=st.integers(40, 70),
    n_effects=st.integers(0, 2),
    weighted=st.booleans(),
    tied=st.booleans(),
    late=st.booleans(),
)


def random_design(response: Response, recipe: Recipe) -> Design:
    """Return a design of two regressors, some effects, and two ways of clustering."""
    rng, n = recipe.rng(), recipe.n
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n) + 0.3 * rng.normal(size=n)])
    sizes = (4, 3) if response is Counting else (7, 5)
    effects = {
        f"effect{j}": encode(rng.integers(0, sizes[j], n))[0] for j in range(recipe.n_effects)
    }
    clusters = {"a": encode(rng.integers(0, 9, n))[0], "b": encode(rng.integers(0, 6, n))[0]}
    weights = rng.uniform(0.3, 3.0, n) if recipe.weighted else np.ones(n)
    risk = x @ [0.5, -0.4]
    if response is Cohorts:
        made, none = _cohorts(rng, x, recipe), np.zeros((n, 0))
        return Design(made, none, (), weights, effects, clusters)
    if response is Continuous:
        y = 2.0 + risk + rng.normal(size=n) * (0.5 + np.abs(x[:, 0]))
        made: Continuous | Counting = Continuous(y)
    else:
        made = _counting(rng, risk, recipe)
    return Design(made, x, ("x0", "x1"), weights, effects, clusters)


def _cohorts(rng: np.random.Generator, x: np.ndarray, recipe: Recipe) -> Cohorts:
    """Return units of two cohorts and never treated; late: with missing years; tied: plain."""
    n, years = recipe.n, np.arange(2010, 2015)
    covariates = np.repeat(x[:, None, :1], 5, axis=1) + np.arange(5)[:, None] / 10
    y = rng.normal(size=(n, 5)) + 0.5 * covariates[:, :, 0]
    if recipe.late:
        y = np.where(rng.random((n, 5)) < 0.1, np.nan, y)
    cohort = np.array([2012.0, 2013.0, np.nan])[rng.permutation(np.arange(n) % 3)]
    return Cohorts(y, cohort, years, covariates[:, :, : 0 if recipe.tied else 1])


def _counting(rng: np.random.Generator, risk: np.ndarray, recipe: Recipe) -> Counting:
    length = rng.exponential(size=recipe.n) * np.exp(-risk) * 4
    entry = (
        rng.uniform(0, 3, recipe.n) * (rng.random(recipe.n) < 0.6)
        if recipe.late
        else (np.zeros(recipe.n))
    )
    if recipe.tied:
        length, entry = np.ceil(np.minimum(length, 7)), np.floor(entry)
    event = (rng.random(recipe.n) < 0.7).astype(float)
    return Counting(entry, entry + np.maximum(length, 1e-3), event)


def reweighted(design: Design, weights: np.ndarray) -> Design:
    return replace(design, weights=weights)


def arrays_of(design: Design) -> dict[str, np.ndarray]:
    """Return every array of a design by name."""
    named = {"x": design.x, "weights": design.weights, **vars(design.response)}
    return {**named, **design.effects, **design.clusters}


def frozen(design: Design) -> Design:
    """Return a copy whose arrays can't be written to."""

    def lock(array: np.ndarray) -> np.ndarray:
        copy = array.copy()
        copy.setflags(write=False)
        return copy

    return replace(
        design,
        x=lock(design.x),
        weights=lock(design.weights),
        response=type(design.response)(*(lock(v) for v in vars(design.response).values())),
        effects={k: lock(v) for k, v in design.effects.items()},
        clusters={k: lock(v) for k, v in design.clusters.items()},
    )


def fingerprint(design: Design) -> str:
    """Return a hash of every array's name, type, shape and bytes."""
    digest = hashlib.sha256()
    for name, array in arrays_of(design).items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def dummies(codes: np.ndarray) -> np.ndarray:
    """Return the dense dummies of codes 0..G-1."""
    return np.eye(int(codes.max()) + 1)[codes]


SURVIVAL: dict[str, Any] = {"entry": "entry", "exit": "exit", "event": "event"}


def example_rows() -> pd.DataFrame:
    """Return rows for every estimator at once; one of them has no x."""
    n, rng = 90, np.random.default_rng(12)
    entry = np.floor(rng.uniform(0, 3, n)) * (rng.random(n) < 0.4)
    frame = pd.DataFrame(
        {
            "unit": rng.integers(0, 12, n),
            "a": np.arange(n) % 9,
            "b": rng.integers(0, 6, n),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "w": rng.uniform(0.5, 2, n),
            "entry": entry,
            "exit": entry + rng.integers(1, 6, n),
            "event": (rng.random(n) < 0.6) * (np.arange(n) > 0) * 1,
        }
    )
    frame["y"] = 1 + 0.7 * frame["x"] - 0.3 * frame["z"] + rng.normal(size=n)
    # the last to leave is censored, so that no curve ends at zero
    frame.loc[0, ["exit", "event"]] = [12.0, 0]
    frame.loc[4, "x"] = np.nan
    return frame


def examples(level: float = 0.95, vcov: Any = None) -> dict[str, cs.Result]:
    """Return one result of each estimator that takes a frame, clustered by a unless told."""
    rows, choice = example_rows(), vcov or cs.Cluster("a")
    options: dict[str, Any] = {"vcov": choice, "clusters": ("a", "b"), "level": level}
    return {
        "linear_model": cs.linear_model(rows, "y ~ x + z | unit", **options),
        "cox": cs.cox(rows, "x + z", **SURVIVAL, **options),
        "kaplan_meier": cs.kaplan_meier(rows, **SURVIVAL, **options),
        "nelson_aalen": cs.nelson_aalen(rows, by=("b",), **SURVIVAL, **options),
    }
