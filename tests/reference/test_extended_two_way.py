"""Extended two-way fixed effects against imputation, and against all dummies written out.

In a balanced panel without covariates both estimators are the same (Wooldridge 2021): 1e-10.
Dense least squares for unbalanced panels, weights and covariates, with errors clustered by hand:
1e-8.
"""

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.extended_two_way import ExtendedTwoWay
from churnstats.estimators.imputation import Imputation
from support import REFERENCE_DATA, dummies

BY_UNIT = cs.Cluster("unit_id", "none")


def rows(shape: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE_DATA / f"event_panel_{shape}.csv")


def absorbing(frame: pd.DataFrame) -> Absorbing:
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first_change")


@pytest.mark.parametrize("anticipation", [0, 1])
def test_balanced_without_covariates_it_equals_imputation(anticipation: int) -> None:
    data = absorbing(rows("balanced"))
    one = cs.event_study(data, ExtendedTwoWay(anticipation), "y", vcov=BY_UNIT)
    two = cs.event_study(data, Imputation(pre=0, anticipation=anticipation), "y", vcov=BY_UNIT)
    assert one.names == two.names
    np.testing.assert_allclose(one.coef, two.coef, rtol=1e-10)
    np.testing.assert_allclose(one.vcov, two.vcov, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_unbalanced_panels_weights_and_covariates_equal_dense_least_squares(weighted: bool) -> None:
    frame = rows("unbalanced")
    frame = frame[frame["unit"].isin(frame["unit"].unique()[:80])].reset_index(drop=True)
    result = cs.event_study(
        absorbing(frame),
        ExtendedTwoWay(),
        "y",
        covariates="z",
        weights="w" if weighted else None,
        vcov=BY_UNIT,
    )
    w = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    y, g, t = (frame[c].to_numpy() for c in ("y", "first_change", "year"))
    cells = [(a, b) for a in (4, 5, 6, 7, 8) for b in range(a, 11)]
    columns = np.column_stack([(g == a) & (t == b) for a, b in cells]).astype(float)
    unit, year = (pd.factorize(frame[c])[0] for c in ("unit", "year"))
    x = np.column_stack([columns, frame["z"], dummies(unit), dummies(year)[:, 1:]])
    bread = np.linalg.inv((x * w[:, None]).T @ x)
    coef = bread @ (x.T @ (w * y))
    psi = (x * (w * (y - x @ coef))[:, None]) @ bread
    combine = np.zeros((9, x.shape[1]))
    for j, (a, b) in enumerate(cells):
        combine[b - a, j] = combine[7, j] = w @ columns[:, j]
    combine[:8] /= combine[:8].sum(axis=1, keepdims=True)
    combine[8, len(cells)] = 1
    sums = np.column_stack([np.bincount(unit, column) for column in (psi @ combine.T).T])
    assert result.names == (*(f"k=+{k}" for k in range(7)), "att", "z")
    np.testing.assert_allclose(result.coef, combine @ coef, rtol=1e-8)
    np.testing.assert_allclose(result.vcov, sums.T @ sums, rtol=1e-8, atol=1e-12)


def test_cohorts_and_years_without_untreated_rows_are_left_out_and_counted() -> None:
    cohorts = {"a": 1, "b": 3, "c": 3, "d": 5, "e": 5}
    frame = pd.DataFrame([(u, t, g) for u, g in cohorts.items() for t in range(1, 6)])
    frame.columns = ["unit", "year", "first_change"]
    frame["y"] = np.random.default_rng(4).normal(size=len(frame))
    result = cs.event_study(absorbing(frame), ExtendedTwoWay(), "y")
    assert result.ledger.steps[-1].lost == {
        "of cohorts without an untreated year": 5,
        "in years without an untreated unit": 4,
    }
    y = frame.set_index(["unit", "year"])["y"].unstack()
    change = y[[3, 4]].sub(y[[1, 2]].mean(axis=1), axis=0)
    effect = change.loc[["b", "c"]].mean() - change.loc[["d", "e"]].mean()
    np.testing.assert_allclose(result.coef, [*effect, effect.mean()], rtol=1e-9)
    assert result.frames["cells"]["cohort"].tolist() == [3, 3]


def test_what_can_not_be_told_is_refused_by_name() -> None:
    frame = rows("balanced").query("first_change == 4 or first_change == 5")
    always = frame.assign(first_change=1)
    with pytest.raises(IdentificationError, match="no_rows"):
        cs.event_study(absorbing(always), ExtendedTwoWay(), "y")
    never = rows("balanced").query("first_change == 0")
    with pytest.raises(IdentificationError, match="no treated row can be compared"):
        cs.event_study(absorbing(never), ExtendedTwoWay(), "y")
    with pytest.raises(SpecError, match="anticipation: -1 is negative"):
        ExtendedTwoWay(anticipation=-1)
