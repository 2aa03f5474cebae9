"""The Fit contract, for every kernel that `churnstats.estimators` holds, found by itself.

The influence of a row is what the coefficients move when the row's weight moves: all other
promises follow from that one, which is tested against numerical derivatives. Tolerances: 1e-9 of
the largest value where two ways of one sum are compared, 1e-7 where an iteration stops in between
(Cox) and 1e-6 for numerical derivatives.
"""

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import churnstats as cs
from churnstats.core.errors import SpecError
from churnstats.core.provenance import frame_sha256
from churnstats.designs.design import Cohorts, Continuous, Counting, Design
from churnstats.inference.fit import Fit
from churnstats.inference.vcov import covariance
from support import (
    DRAWS,
    Kernel,
    Recipe,
    arrays_of,
    estimator_modules,
    fingerprint,
    frozen,
    kernels,
    random_design,
    recipes,
    reweighted,
)

KERNELS = kernels()
COUNTING = [k for k in KERNELS if k.response is Counting]
OF_OUTCOMES = [k for k in KERNELS if k not in COUNTING]
RANKS_ONLY = {"fit_cox", "fit_kaplan_meier", "fit_nelson_aalen"}
ROUNDING, ITERATED, NUMERICAL = 1e-9, 1e-7, 1e-6

every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=str)
every_counting_kernel = pytest.mark.parametrize("kernel", COUNTING, ids=str)


def same(
    found: np.ndarray, expected: np.ndarray, tolerance: float, size: float | None = None
) -> None:
    """Compare relative to a size, the largest value; NaN belongs where NaN is expected."""
    size = np.nanmax(np.abs(expected), initial=0.0) if size is None else size
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(size, 1e-12))


def multiplies_events(kernel: Kernel) -> bool:
    """Tell whether an event of weight 2 is the same as two events.

    Not under Efron's rule: the number of tied events, not their weight, decides by how much the
    risk set shrinks. R survival has the same.
    """
    return kernel.options.get("ties") != "efron"


def copied(design: Design, times: np.ndarray) -> tuple[Design, np.ndarray]:
    rows = np.repeat(np.arange(design.n), times)
    return design.take(rows), rows


def test_every_estimator_module_has_a_kernel() -> None:
    assert {k.module for k in KERNELS} == set(estimator_modules())
    found = {k.name for k in KERNELS}
    assert found >= {"fit_linear", "fit_cox", "fit_kaplan_meier", "fit_nelson_aalen"}
    assert {str(k) for k in KERNELS} >= {"fit_cox(ties=efron)", "fit_cox(ties=breslow)"}


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_shapes_fit_together(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    fit = kernel(design)
    k = fit.coef.size
    assert k == len(fit.names) > 0
    assert fit.influence.rows().shape == (design.n, k)
    assert len(fit.keys) in (0, k)
    assert np.isfinite(fit.coef).all()
    if fit.model_vcov is not None:
        assert fit.model_vcov.shape == (k, k)
        same(fit.model_vcov, fit.model_vcov.T, 1e-14)
        assert (np.diag(fit.model_vcov)[~np.isnan(np.diag(fit.model_vcov))] > 0).all()
    assert fit.counts_parameters == (kernel.response is Continuous)


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_influence_sums_to_zero(kernel: Kernel, recipe: Recipe) -> None:
    fit = kernel(random_design(kernel.response, recipe))
    rows = fit.influence.rows()
    undefined = np.isnan(rows)
    ended = (fit.coef == 0) & (fit.interval == "log-log")
    np.testing.assert_array_equal(undefined, np.broadcast_to(ended, undefined.shape))
    total, size = np.nansum(rows, axis=0), np.nansum(np.abs(rows), axis=0)
    assert (np.abs(total) <= ROUNDING * size.max()).all()
    assert size.max() > 0


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_sums_equal_grouped_rows(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    influence = kernel(design).influence
    rows, rng = influence.rows(), recipe.rng()
    for n_groups in (1, 5, design.n):
        codes = rng.integers(0, n_groups, design.n)
        expected = np.zeros((n_groups, rows.shape[1]))
        np.add.at(expected, codes, rows)
        found = influence.sums(codes, n_groups)
        assert found.shape == expected.shape
        # a group that has no row adds nothing, also where the others are undefined
        some = np.bincount(codes, minlength=n_groups) > 0
        same(found[some], expected[some], ROUNDING, np.nanmax(np.abs(rows)))


def moved(kernel: Kernel, design: Design, row: int, by: float) -> np.ndarray:
    weights = design.weights.copy()
    weights[row] *= np.exp(by)
    return kernel(reweighted(design, weights)).coef


@every_kernel
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(1, n=40, n_effects=0),
        Recipe(2, n=44, tied=False),
        Recipe(3, n=48, n_effects=2),
        Recipe(4, n=40, late=False, weighted=False),
    ],
    ids=lambda r: f"seed{r.seed}",
)
def test_influence_is_the_derivative_by_log_weight(kernel: Kernel, recipe: Recipe) -> None:
    design, h = random_design(kernel.response, recipe), 1e-4
    rows = kernel(design).influence.rows()
    known = ~np.isnan(rows).any(axis=0)
    assert known.any()
    for i in range(design.n):
        slope = (moved(kernel, design, i, h) - moved(kernel, design, i, -h)) / (2 * h)
        np.testing.assert_allclose(
            rows[i, known], slope[known], atol=NUMERICAL * np.nanmax(np.abs(rows))
        )


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_integer_weights_equal_copies(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    times = recipe.rng().integers(1, 4, design.n)
    if isinstance(design.response, Counting) and not multiplies_events(kernel):
        times = np.where(design.response.event == 1, 1, times)
    base = reweighted(design, np.ones(design.n))
    weighted = kernel(reweighted(base, times.astype(float)))
    copies, origin = copied(base, times)
    many = kernel(copies)
    assert many.names == weighted.names
    same(weighted.coef, many.coef, ITERATED)
    same(weighted.influence.rows(), many.influence.sums(origin, design.n), ITERATED)
    if np.isfinite(weighted.loglik):
        same(np.array(weighted.loglik), np.array(many.loglik), ITERATED)


@pytest.mark.parametrize("kernel", [k for k in COUNTING if not multiplies_events(k)], ids=str)
def test_copies_of_events_are_more_than_weight_under_efron(kernel: Kernel) -> None:
    """Hold the exception above to account: were it not one, it would have to go."""
    base = reweighted(random_design(Counting, Recipe(7)), np.ones(48))
    twice = kernel(reweighted(base, np.full(48, 2.0)))
    copies = kernel(copied(base, np.full(48, 2))[0])
    assert np.abs(twice.coef - copies.coef).max() > 1e-3
    same(twice.coef, kernel(base).coef, ITERATED)


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_scale_of_weights_does_not_matter(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    fit = kernel(design)
    for scale in (1e-3, 4096.0):
        other = kernel(reweighted(design, design.weights * scale))
        same(other.coef, fit.coef, ITERATED)
        same(other.influence.rows(), fit.influence.rows(), ITERATED)


@pytest.mark.parametrize("kernel", OF_OUTCOMES, ids=str)
@DRAWS
@given(recipe=recipes)
def test_coefficients_follow_the_scale_of_the_response(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    assert isinstance(design.response, Continuous | Cohorts)
    fit = kernel(design)
    scaled = replace(design.response, y=-1000 * design.response.y)
    other = kernel(replace(design, response=scaled))
    same(other.coef, -1000 * fit.coef, ROUNDING)
    same(other.influence.rows(), -1000 * fit.influence.rows(), ROUNDING)
    assert (fit.model_vcov is None) == (other.model_vcov is None)
    if fit.model_vcov is not None:
        same(other.model_vcov, 1e6 * fit.model_vcov, ROUNDING)


def shuffled(design: Design, order: np.ndarray) -> Design:
    """Reorder rows; unlike `Design.take` without a new look at the codes."""
    return replace(
        design,
        response=design.response.take(order),
        x=design.x[order],
        weights=design.weights[order],
        effects={k: v[order] for k, v in design.effects.items()},
        clusters={k: v[order] for k, v in design.clusters.items()},
    )


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_order_of_rows_does_not_matter(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(kernel.response, recipe)
    order = recipe.rng().permutation(design.n)
    fit, other = kernel(design), kernel(shuffled(design, order))
    assert other.names == fit.names
    same(other.coef, fit.coef, ITERATED)
    same(other.influence.rows(), fit.influence.rows()[order], ITERATED)
    for choice in (cs.Cluster("a"), cs.TwoWay("a", "b"), cs.Robust("HC0")):
        same(covariance(other, choice).matrix, covariance(fit, choice).matrix, ITERATED)


def by_old_label(fit: Fit, old: dict[str, str]) -> np.ndarray:
    """Return positions of coefficients in the order of the old labels of their groups."""
    if "group" not in fit.keys:
        return np.arange(fit.coef.size)
    groups = fit.keys["group"].map(lambda g: old.get(g, g))
    return np.lexsort([fit.keys["time"], groups])


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_labels_of_effects_and_clusters_do_not_matter(kernel: Kernel, recipe: Recipe) -> None:
    """One effect at most: the codes of curves by several groups are made of all of them."""
    recipe = replace(recipe, n_effects=min(recipe.n_effects, 1))
    design, rng = random_design(kernel.response, recipe), recipe.rng()
    new = {
        name: rng.permutation(int(c.max()) + 1)
        for name, c in {**design.effects, **design.clusters}.items()
    }
    other = replace(
        design,
        effects={k: new[k][v] for k, v in design.effects.items()},
        clusters={k: new[k][v] for k, v in design.clusters.items()},
    )
    old = {str(b): str(a) for a, b in enumerate(new.get("effect0", []))}
    first, second = kernel(design), kernel(other)
    p, q = by_old_label(first, {}), by_old_label(second, old)
    same(second.coef[q], first.coef[p], ITERATED)
    same(second.influence.rows()[:, q], first.influence.rows()[:, p], ITERATED)
    assert second.df_absorbed == first.df_absorbed
    for choice in (cs.Cluster("a"), cs.TwoWay("b", "a")):
        v, w = covariance(first, choice), covariance(second, choice)
        same(w.matrix[np.ix_(q, q)], v.matrix[np.ix_(p, p)], ITERATED)
        assert w.n_clusters == v.n_clusters


@every_kernel
@DRAWS
@given(recipe=recipes)
def test_arrays_are_not_written_to(kernel: Kernel, recipe: Recipe) -> None:
    design = frozen(random_design(kernel.response, recipe))
    before = fingerprint(design)
    fit = kernel(design)
    for choice in (cs.Cluster("a"), cs.TwoWay("a", "b"), cs.Robust("HC0")):
        covariance(fit, choice)
    assert fingerprint(design) == before
    for array in arrays_of(design).values():
        assert not array.flags.writeable


@every_counting_kernel
@DRAWS
@given(recipe=recipes)
def test_splitting_rows_changes_nothing(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(Counting, recipe)
    r, rng = design.response, recipe.rng()
    assert isinstance(r, Counting)
    cut = r.entry + (r.exit - r.entry) * rng.uniform(0.01, 0.99, design.n)
    cut = np.where((np.ceil(cut) < r.exit) & (rng.random(design.n) < 0.7), np.ceil(cut), cut)
    split = np.flatnonzero(rng.random(design.n) < 0.6)
    origin = np.r_[np.arange(design.n), split]
    pieces = shuffled(design, origin)
    entry, exit_, event = r.entry[origin], r.exit[origin], r.event[origin]
    exit_[split], event[split] = cut[split], 0.0
    entry[design.n :] = cut[split]
    whole = kernel(design)
    parts = kernel(replace(pieces, response=Counting(entry, exit_, event)))
    assert parts.names == whole.names
    same(parts.coef, whole.coef, ITERATED)
    same(parts.influence.sums(origin, design.n), whole.influence.rows(), ITERATED)
    if whole.model_vcov is not None:
        same(parts.model_vcov, whole.model_vcov, ITERATED)


@pytest.mark.parametrize("kernel", [k for k in COUNTING if k.name in RANKS_ONLY], ids=str)
@DRAWS
@given(recipe=recipes)
def test_only_the_order_of_times_matters(kernel: Kernel, recipe: Recipe) -> None:
    design = random_design(Counting, recipe)
    r = design.response
    assert isinstance(r, Counting)
    stretched = Counting(r.entry**3 + r.entry, r.exit**3 + r.exit, r.event)
    fit, other = kernel(design), kernel(replace(design, response=stretched))
    same(other.coef, fit.coef, ROUNDING)
    same(other.influence.rows(), fit.influence.rows(), ROUNDING)


@every_kernel
def test_another_kind_of_response_is_refused(kernel: Kernel) -> None:
    wrong = Continuous if kernel.response is Counting else Counting
    with pytest.raises(SpecError, match="response"):
        kernel(random_design(wrong, Recipe(3)))


SURVIVAL = {
    "entry": "entry",
    "exit": "exit",
    "event": "event",
    "weights": "w",
    "vcov": cs.Cluster("a"),
}
CALLS = {
    "linear_model": lambda frame: cs.linear_model(
        frame, "y ~ x0 + C(text) | b", weights="w", vcov=cs.TwoWay("a", "b")
    ),
    "cox": lambda frame: cs.cox(frame, "x0 + text", strata=("b",), **SURVIVAL),
    "kaplan_meier": lambda frame: cs.kaplan_meier(frame, by=("text", "b"), **SURVIVAL),
    "nelson_aalen": lambda frame: cs.nelson_aalen(frame, by=("text",), **SURVIVAL),
}


def messy_frame() -> pd.DataFrame:
    """Return rows with missing values of several types and an index of no use."""
    n, rng = 60, np.random.default_rng(5)
    design = random_design(Counting, Recipe(5, n=n))
    frame = pd.DataFrame(
        {
            **vars(design.response),
            "w": design.weights,
            "x0": design.x[:, 0],
            "y": rng.normal(size=n),
            "text": rng.choice(["u", "v"], n),
            "a": pd.array(design.clusters["a"], dtype="Int64"),
            "b": design.clusters["b"],
        },
        index=rng.permutation(n) * 10,
    )
    frame.iloc[3, frame.columns.get_loc("x0")] = np.nan
    frame.iloc[7, frame.columns.get_loc("text")] = None
    frame.iloc[9, frame.columns.get_loc("a")] = pd.NA
    frame.iloc[11, frame.columns.get_loc("w")] = 0.0
    return frame


def test_every_function_that_takes_a_frame_is_listed() -> None:
    public = {
        name
        for name in cs.__all__
        if getattr(getattr(cs, name), "__module__", "").startswith("churnstats.estimators")
        and "data" in inspect.signature(getattr(cs, name)).parameters
    }
    assert public == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_frames_are_not_written_to(name: str) -> None:
    frame = messy_frame()
    before, copy = frame_sha256(frame), frame.copy(deep=True)
    result = CALLS[name](frame)
    assert frame_sha256(frame) == before
    pd.testing.assert_frame_equal(frame, copy)
    design = result.fit.design
    for array in arrays_of(design).values():
        array[...] = 0
    assert frame_sha256(frame) == before, "the design shares memory with the frame"


@pytest.mark.parametrize("name", CALLS)
def test_rows_that_are_lost_are_counted(name: str) -> None:
    frame = messy_frame()
    (step,) = CALLS[name](frame).ledger.steps
    lost = {k: v for k, v in step.lost.items() if k != "without x0"}
    assert (step.n_in, lost) == (60, {"without text": 1, "without a": 1, "with weight zero": 1})
    assert step.n_out == 60 - sum(step.lost.values())
    assert step.lost.get("without x0", 0) == (name in ("linear_model", "cox"))
