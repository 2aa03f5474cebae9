"""Absorbed effects, groups, collinearity and risk sets against dense and naive counterparts.

Tolerances: 1e-9 of the size of the columns for effects swept directly or by iteration (the
iteration stops at 1e-12 of the right-hand side); 1e-12 for sums.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnstats.core.errors import ConvergenceError
from churnstats.designs.design import Counting
from churnstats.numerics import absorb as absorb_module
from churnstats.numerics.absorb import absorb, rank_of_effects
from churnstats.numerics.groups import (
    encode,
    encode_pairs,
    group_means,
    group_sums,
    is_nested,
    n_components,
)
from churnstats.numerics.risk_sets import RiskSets, risk_sets
from churnstats.numerics.solve import collinear_columns, symmetric_inverse
from support import DRAWS, Recipe, dummies, random_design

SWEPT, SUMMED = 1e-9, 1e-12
seeds = st.integers(0, 2**20)


def chain(n_links: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return two effects that touch like the links of a chain, which badly connects them."""
    a, b = np.repeat(np.arange(n_links), 2), np.repeat(np.arange(n_links + 1), 2)[1:-1]
    order = rng.permutation(a.size)
    return [a[order], b[order]]


def islands(sizes: tuple[int, ...], n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return effects whose graph falls into three parts that nothing links."""
    part = rng.integers(0, 3, n)
    return [encode(part * size + rng.integers(0, size, n))[0] for size in sizes]


def some_effects(kind: str, n_effects: int, rng: np.random.Generator) -> list[np.ndarray]:
    if kind == "chain":
        a, b = chain(25, rng)
        return [a, b, rng.integers(0, 3, a.size)][:n_effects]
    sizes = (9, 6, 4)[:n_effects]
    if kind == "islands":
        return islands(sizes, 120, rng)
    if kind == "nested":
        inner = rng.integers(0, 12, 120)
        return [encode(inner // d)[0] for d in (1, 3, 6)][:n_effects]
    return [encode(rng.integers(0, s, 120))[0] for s in sizes]


KINDS = ("random", "islands", "nested", "chain")


def swept_densely(
    columns: np.ndarray, effects: list[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    root = np.sqrt(weights)[:, None]
    block = np.hstack([dummies(e) for e in effects])
    shift = np.linalg.lstsq(block * root, columns * root, rcond=None)[0]
    return columns - block @ shift


WAYS = {"eigenvalues": 10_000, "conjugate gradients": 0}
SWEEPS = [(kind, n, way) for kind in KINDS for n in (1, 2, 3) for way in WAYS]


@pytest.mark.parametrize(("kind", "n_effects", "way"), SWEEPS)
@DRAWS
@given(seed=seeds, weighted=st.booleans())
def test_absorb_equals_least_squares_on_dummies(
    kind: str, n_effects: int, way: str, seed: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    effects = some_effects(kind, n_effects, rng)
    n = effects[0].size
    columns = np.column_stack([rng.normal(size=(n, 2)), 1e3 * rng.random(n)])
    weights = rng.uniform(0.1, 4, n) if weighted else np.ones(n)
    given_columns, given_effects = columns.copy(), [e.copy() for e in effects]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorb_module, "DENSE_LEVELS", WAYS[way])
        other = "_solve_iteratively" if WAYS[way] else "_solve_dense"
        patch.setattr(absorb_module, "MAX_ITERATIONS", 500)
        patch.setattr(absorb_module, other, lambda *_: pytest.fail("the other way was taken"))
        found = absorb(columns, effects, weights)
    expected = swept_densely(columns, effects, weights)
    size = np.abs(columns).max(axis=0)
    assert (np.abs(found - expected) <= SWEPT * size).all()
    for codes in effects:
        left = group_sums(found * weights[:, None], codes, int(codes.max()) + 1)
        assert (np.abs(left) <= SWEPT * size * n).all()
    np.testing.assert_array_equal(columns, given_columns)
    np.testing.assert_array_equal(effects, given_effects)


@pytest.mark.parametrize(
    ("spanned_by", "way"), [(by, way) for by in ([0], [1], [2], [0, 1, 2]) for way in WAYS], ids=str
)
def test_columns_that_effects_span_are_swept_to_nothing(
    spanned_by: list[int], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absorb_module, "DENSE_LEVELS", WAYS[way])
    monkeypatch.setattr(absorb_module, "MAX_ITERATIONS", 500)
    rng = np.random.default_rng(4)
    effects = some_effects("random", 3, rng)
    weights = rng.uniform(0.1, 4, effects[0].size)
    levels = [rng.normal(size=9)[effects[j]] for j in spanned_by]
    swept = absorb(np.column_stack([np.sum(levels, axis=0)]), effects, weights)
    assert (np.abs(swept) < SWEPT).all()


def test_absorb_without_effects_copies() -> None:
    columns = np.arange(6.0).reshape(3, 2)
    found = absorb(columns, [], np.ones(3))
    np.testing.assert_array_equal(found, columns)
    assert not np.shares_memory(found, columns)


def test_dense_is_the_way_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels that count are those of all effects but the largest."""
    rng = np.random.default_rng(1)
    effects = [encode(rng.integers(0, size, 80))[0] for size in (4, 9, 3)]
    taken = []
    for name in ("_solve_dense", "_solve_iteratively"):
        real = getattr(absorb_module, name)
        monkeypatch.setattr(
            absorb_module, name, lambda *a, n=name, f=real: (taken.append(n), f(*a))[1]
        )
    for limit in (7, 6):
        monkeypatch.setattr(absorb_module, "DENSE_LEVELS", limit)
        absorb(rng.normal(size=(80, 1)), effects, np.ones(80))
    assert taken == ["_solve_dense", "_solve_iteratively"]


def test_no_convergence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absorb_module, "DENSE_LEVELS", 0)
    monkeypatch.setattr(absorb_module, "MAX_ITERATIONS", 3)
    rng = np.random.default_rng(0)
    effects = chain(60, rng)
    with pytest.raises(ConvergenceError, match="3 iterations"):
        absorb(rng.normal(size=(effects[0].size, 1)), effects, np.ones(effects[0].size))


@pytest.mark.parametrize("n_effects", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
@DRAWS
@given(seed=seeds)
def test_rank_of_effects(kind: str, n_effects: int, seed: int) -> None:
    """Exact for up to two effects, and where the third is nested; never too low."""
    effects = some_effects(kind, n_effects, np.random.default_rng(seed))
    true = np.linalg.matrix_rank(np.hstack([dummies(e) for e in effects]))
    found = rank_of_effects(effects)
    if n_effects < 3 or kind == "nested":
        assert found == true
    assert true <= found <= sum(int(e.max()) + 1 for e in effects) - (n_effects - 1)


def test_rank_takes_the_effect_that_shares_most() -> None:
    rng = np.random.default_rng(3)
    unit = rng.integers(0, 12, 200)
    year, kind = rng.integers(0, 5, 200), unit // 3
    assert rank_of_effects([year, unit, kind]) == 5 + 12 - 1
    assert rank_of_effects([unit, year, kind]) == 5 + 12 - 1
    assert rank_of_effects([]) == 0


@DRAWS
@given(seed=seeds, n_groups=st.integers(1, 9), width=st.integers(0, 3))
def test_group_sums_and_means(seed: int, n_groups: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    codes, weights = rng.integers(0, n_groups, 30), rng.uniform(0.1, 2, 30)
    values = rng.normal(size=(30, width)) if width else rng.normal(size=30)
    sums, means = group_sums(values, codes, n_groups), group_means(values, codes, n_groups, weights)
    for g in range(n_groups):
        mine = codes == g
        np.testing.assert_allclose(sums[g], values[mine].sum(axis=0), rtol=SUMMED, atol=SUMMED)
        expected = np.average(values[mine], axis=0, weights=weights[mine]) if mine.any() else np.nan
        np.testing.assert_allclose(means[g], expected, rtol=SUMMED, atol=SUMMED)


def test_groups_beyond_the_codes_and_no_columns() -> None:
    codes = np.array([0, 2])
    np.testing.assert_array_equal(group_sums(np.array([1.0, 2.0]), codes, 4), [1, 0, 2, 0])
    assert group_sums(np.zeros((2, 0)), codes, 4).shape == (4, 0)
    means = group_means(np.array([1.0, 2.0]), codes, 4, np.array([2.0, 2.0]))
    np.testing.assert_array_equal(means, [1, np.nan, 2, np.nan])


def test_encode_sorts_and_marks_missing_labels() -> None:
    codes, n = encode(pd.Series(["b", None, "a", "b"]))
    assert (codes.tolist(), n) == ([1, -1, 0, 1], 2)
    codes, n = encode(np.array([30, 10, 20, 10]))
    assert (codes.tolist(), n) == ([2, 0, 1, 0], 3)
    assert codes.dtype == np.int64


@DRAWS
@given(seed=seeds, n_a=st.integers(1, 8), n_b=st.integers(1, 8))
def test_pairs_nesting_and_components(seed: int, n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(seed)
    a = encode(rng.integers(0, n_a, 12))[0]
    b = encode(rng.integers(0, n_b, 12))[0]
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    codes, n_pairs = encode_pairs(a, b)
    assert codes.tolist() == [sorted(set(pairs)).index(p) for p in pairs]
    assert n_pairs == len(set(pairs))
    assert is_nested(a, b) == all(len({q for p, q in pairs if p == i}) == 1 for i in set(a))
    assert is_nested(codes, a)
    assert is_nested(codes, b)
    parts = [{("a", p), ("b", q)} for p, q in set(pairs)]
    merged: list[set[tuple[str, int]]] = []
    for part in parts:
        touching = [m for m in merged if m & part]
        merged = [m for m in merged if not m & part] + [part.union(*touching)]
    assert n_components(a, int(a.max()) + 1, b, int(b.max()) + 1) == len(merged)


def test_nothing_is_nested_in_anything() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert is_nested(none, none)


@DRAWS
@given(seed=seeds, scale=st.sampled_from([1.0, 1e-4, 1e4]))
def test_collinear_columns_are_those_that_add_no_rank(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(40, 3))
    columns = [base[:, 0], base[:, 1], base[:, 2], np.zeros(40)]
    columns += [scale * (base[:, i] - 2 * base[:, j]) for i, j in ((0, 1), (1, 2))]
    x = np.column_stack([columns[j] for j in rng.permutation(len(columns))])
    gram, size = x.T @ x, np.maximum(np.einsum("ij,ij->j", x, x), 1e-300)
    units = x / np.sqrt(size)
    rank = [np.linalg.matrix_rank(units[:, : j + 1], tol=1e-8) for j in range(x.shape[1])]
    added = np.diff([0, *rank])
    np.testing.assert_array_equal(collinear_columns(gram, size), np.flatnonzero(added == 0))


def test_columns_that_were_absorbed_are_collinear() -> None:
    """What is left is compared with what was there before effects were swept out."""
    gram, before = np.diag([1e-7, 1.0]), np.array([1e3, 1.0])
    assert collinear_columns(gram, before).tolist() == [0]
    assert collinear_columns(gram, np.array([10.0, 1.0])).tolist() == []
    assert collinear_columns(np.zeros((0, 0)), np.zeros(0)).size == 0


def test_symmetric_inverse() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4)) * [1, 10, 100, 1000]
    inverse = symmetric_inverse(x.T @ x)
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse @ (x.T @ x), np.eye(4), atol=1e-9)


def sets_of(recipe: Recipe) -> tuple[Counting, np.ndarray, RiskSets]:
    design = random_design(Counting, recipe)
    response, stratum = design.response, recipe.rng().integers(0, 3, recipe.n)
    assert isinstance(response, Counting)
    found = risk_sets(response.entry, response.exit, response.event == 1, stratum)
    return response, stratum, found


@DRAWS
@given(seed=seeds, tied=st.booleans(), late=st.booleans())
def test_risk_sets_equal_comparing_every_row_with_every_time(
    seed: int, tied: bool, late: bool
) -> None:
    r, stratum, sets = sets_of(Recipe(seed, tied=tied, late=late))
    ended = r.event == 1
    times = sorted(set(zip(stratum[ended], r.exit[ended], strict=True)))
    assert list(zip(sets.stratum, sets.time, strict=True)) == times
    assert sets.n_times == len(times)
    at_risk = (
        (stratum[:, None] == sets.stratum)
        & (r.entry[:, None] < sets.time)
        & (sets.time <= r.exit[:, None])
    )
    rng = np.random.default_rng(seed)
    values, increments = rng.normal(size=(r.n, 2)), rng.normal(size=(sets.n_times, 2))
    for pick in (np.s_[:], np.s_[:, 0]):
        np.testing.assert_allclose(sets.sums(values[pick]), at_risk.T @ values[pick], atol=1e-11)
        np.testing.assert_allclose(
            sets.spans(increments[pick]), at_risk @ increments[pick], atol=1e-11
        )
    assert [times[j] for j in sets.event_time[ended]] == list(
        zip(stratum[ended], r.exit[ended], strict=True)
    )


def test_a_row_is_at_risk_after_its_entry_up_to_its_exit() -> None:
    entry, exit_ = np.array([0.0, 1.0, 2.0, 0.0]), np.array([2.0, 2.0, 3.0, 1.0])
    event, stratum = np.array([True, False, True, True]), np.zeros(4, dtype=np.int64)
    sets = risk_sets(entry, exit_, event, stratum)
    assert sets.time.tolist() == [1.0, 2.0, 3.0]
    assert sets.sums(np.ones(4)).tolist() == [2.0, 2.0, 1.0]
