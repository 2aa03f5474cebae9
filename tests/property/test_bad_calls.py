"""Calls that can't be answered: each is refused by name, before a number is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import (
    ChurnstatsError,
    ConvergenceError,
    DataError,
    IdentificationError,
    SpecError,
)
from support import SURVIVAL, example_rows, examples

ROWS = example_rows()
RESULTS = examples()
CURVES = {"kaplan_meier": cs.kaplan_meier, "nelson_aalen": cs.nelson_aalen}
CHOICE = cs.Cluster("a")


def linear(formula: str = "y ~ x", rows: pd.DataFrame = ROWS, **options: object) -> cs.Result:
    return cs.linear_model(rows, formula, **{"vcov": CHOICE, **options})


def cox(formula: str = "x", rows: pd.DataFrame = ROWS, **options: object) -> cs.Result:
    return cs.cox(rows, formula, **{"vcov": CHOICE, **SURVIVAL, **options})


def curve(rows: pd.DataFrame = ROWS, **options: object) -> cs.Result:
    return cs.kaplan_meier(rows, **{"vcov": CHOICE, **SURVIVAL, **options})


def refused(
    kind: type[ChurnstatsError], code: str, call: Callable[[], object], *where: str
) -> ChurnstatsError:
    """Check the type, the code and the places that an error names, in full."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.code == code
    assert error.where == where
    return error


def fault_of(call: Callable[[], object]) -> dict[str, int]:
    with pytest.raises(DataError) as caught:
        call()
    return {fault.rule: fault.n_rows for fault in caught.value.faults}


def test_unknown_terms_are_listed() -> None:
    result = RESULTS["linear_model"]
    wrong = {"c": {"x": 1.0, "nope": 1.0}, "d": {"never": 2.0}}
    error = refused(SpecError, "lincom", lambda: result.lincom(wrong), "never", "nope")
    assert error.how == "the terms are: x, z"
    refused(SpecError, "wald_test", lambda: result.wald_test(["x", "what"]), "what")


def test_unknown_clusters_are_named_with_those_that_are_known() -> None:
    error = refused(SpecError, "cluster", lambda: RESULTS["cox"].with_vcov(cs.Cluster("state")))
    assert "'state' (known: a, b)" in error.what
    error = refused(
        SpecError, "cluster", lambda: linear(vcov=cs.Classical()).with_vcov(cs.Cluster("a"))
    )
    assert "known: none" in error.what


@pytest.mark.parametrize("make", [linear, cox, curve])
def test_one_cluster_is_none(make: Callable[..., cs.Result]) -> None:
    rows = ROWS.assign(same=1)
    error = refused(
        IdentificationError, "one_cluster", lambda: make(rows=rows, vcov=cs.Cluster("same"))
    )
    assert "only one cluster in same" in error.what
    error = refused(
        IdentificationError, "one_cluster", lambda: make(rows=rows, vcov=cs.TwoWay("a", "same"))
    )
    assert error.what.endswith("in same")
    assert make(rows=rows.assign(same=ROWS["b"] > 2), vcov=cs.Cluster("same")).choice.df > 0


def test_every_collinear_term_is_named() -> None:
    rows = ROWS.assign(by_unit=ROWS["unit"] * 2.0, twice=2 * ROWS["x"], none=0.0)
    refused(
        IdentificationError,
        "collinear",
        lambda: linear("y ~ x + by_unit + z + twice + none | unit", rows),
        "by_unit",
        "twice",
        "none",
    )
    refused(IdentificationError, "collinear", lambda: linear("y ~ x + twice", rows), "twice")
    rows["by_state"] = rows["b"] ** 2.0
    error = refused(
        IdentificationError,
        "collinear",
        lambda: cox("x + by_state + twice", rows, strata=("b",)),
        "by_state",
        "twice",
    )
    assert "do not vary within the risk sets" in error.what
    assert cox("x + by_state", rows).coef.size == 2


def test_more_parameters_than_rows() -> None:
    few = ROWS[ROWS["x"].notna()].iloc[:4]
    refused(IdentificationError, "no_df", lambda: linear("y ~ x + z + w", few, vcov=cs.Classical()))
    assert linear("y ~ x + z", few, vcov=cs.Classical()).choice.df == 1


@pytest.mark.parametrize("make", [cox, curve])
def test_no_events(make: Callable[..., cs.Result]) -> None:
    refused(IdentificationError, "no_events", lambda: make(rows=ROWS.assign(event=0)))


@pytest.mark.parametrize("sign", [1, -1])
def test_separation_in_cox_is_named(sign: int) -> None:
    event = ROWS["event"] * (ROWS["b"] != 3)
    rows = ROWS.assign(event=event, only=sign * (ROWS["b"] == 3))
    refused(ConvergenceError, "separation", lambda: cox("x + only", rows), "only")


@pytest.mark.parametrize("make", [cox, curve])
def test_faults_of_survival_rows_are_raised_together(make: Callable[..., cs.Result]) -> None:
    rows = ROWS.copy()
    rows.loc[10, "event"] = 2
    rows.loc[[11, 12], "entry"] = rows.loc[[11, 12], "exit"]
    rows.loc[13, "exit"] = -1.0
    assert fault_of(lambda: make(rows=rows)) == {"entry_after_exit": 3, "event_not_0_1": 1}
    with pytest.raises(DataError, match=r"row 13: \(.*-1\]") as caught:
        make(rows=rows)
    assert "row 10: 2" in str(caught.value)
    assert make(rows=rows.drop(index=[10, 11, 12, 13])).fit is not None


def test_rows_without_entry_start_at_zero() -> None:
    rows = ROWS.assign(exit=ROWS["exit"] - 1)
    late = {"exit": "exit", "event": "event", "vcov": CHOICE}
    n_zero = int((rows["exit"] == 0).sum())
    assert n_zero > 0
    assert fault_of(lambda: cs.kaplan_meier(rows, **late)) == {"entry_after_exit": n_zero}


def test_missing_columns_are_all_listed() -> None:
    refused(
        SpecError,
        "missing_column",
        lambda: linear(
            "gone ~ x + lost | unit^away + b",
            vcov=cs.TwoWay("a", "far"),
            clusters=("off",),
            weights="heavy",
        ),
        "gone",
        "lost",
        "away",
        "far",
        "off",
        "heavy",
    )
    refused(
        SpecError,
        "missing_column",
        lambda: cox(
            "x + lost",
            entry="start",
            exit="stop",
            event="end",
            strata=("state",),
            weights="heavy",
            clusters=("off",),
        ),
        "start",
        "stop",
        "end",
        "lost",
        "state",
        "off",
        "heavy",
    )
    refused(
        SpecError, "missing_column", lambda: curve(by=("gone", "b"), exit="stop"), "stop", "gone"
    )


@pytest.mark.parametrize("level", [0, 1, 95, -0.1])
def test_level_is_a_share(level: float) -> None:
    for make in (linear, cox, curve):
        refused(SpecError, "level", lambda make=make: make(level=level))


@pytest.mark.parametrize("formula", ["y", "~ x", "y ~ x ~ z", "", "y ~ x +", "y ~ C(x"])
def test_formulas_that_can_not_be_read(formula: str) -> None:
    refused(SpecError, "formula", lambda: linear(formula))


def test_effects_are_absorbed_once_and_cox_needs_terms() -> None:
    refused(SpecError, "formula", lambda: linear("y ~ x | unit + b + unit"), "b", "unit", "unit")
    refused(SpecError, "terms", lambda: cox("1"))
    refused(SpecError, "ties", lambda: cox(ties="exact"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: cs.Cluster("a", small_sample="x"),
        lambda: cs.TwoWay("a", "b", small_sample="HC1"),
        lambda: cs.Robust("HC3"),
    ],
)
def test_choices_of_variance_that_do_not_exist(make: Callable[[], object]) -> None:
    refused(SpecError, "vcov", make)


@pytest.mark.parametrize("name", ["cox", "kaplan_meier", "nelson_aalen"])
def test_rules_that_count_rows_are_refused_for_survival(name: str) -> None:
    result = RESULTS[name]
    refused(SpecError, "vcov", lambda: result.with_vcov(cs.Robust("HC1")))
    for rule in ("nonnested", "full"):
        refused(SpecError, "small_sample", lambda r=rule: result.with_vcov(cs.Cluster("a", r)))
    assert np.isinf(result.with_vcov(cs.Robust("HC0")).choice.df)


def test_curves_have_no_fitted_values() -> None:
    for name in CURVES:
        refused(SpecError, "augment", RESULTS[name].augment)


def test_text_where_numbers_belong() -> None:
    rows = ROWS.assign(word="x")
    for call in (
        lambda: linear("word ~ x", rows),
        lambda: curve(rows, exit="word"),
        lambda: curve(rows, event="word"),
        lambda: curve(rows, entry="word"),
    ):
        error = refused(SpecError, "not_numeric", call)
        assert "'word' holds" in error.what


def test_weights_and_rows_that_are_left() -> None:
    rows = ROWS.assign(minus=np.where(ROWS.index == 7, -1.0, 1.0))
    refused(SpecError, "weights", lambda: linear(rows=rows, weights="minus"), "7")
    refused(SpecError, "weights", lambda: curve(rows, weights="minus"), "7")
    empty = ROWS.assign(x=np.nan, nil=0.0)
    refused(SpecError, "empty", lambda: linear(rows=empty), f"{len(ROWS)} without x")
    error = refused(
        SpecError, "empty", lambda: curve(empty, weights="nil"), f"{len(ROWS)} with weight zero"
    )
    assert str(error).startswith("[empty] no row is left")


def test_infinite_values_are_missing() -> None:
    rows = ROWS.assign(x=np.where(ROWS.index == 5, np.inf, ROWS["x"]))
    (step,) = linear(rows=rows).ledger.steps
    assert step.lost == {"without x": 2}
