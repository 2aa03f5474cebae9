"""The two-stage event study against the moments of both stages, stacked and solved densely.

Nothing of the package is in the reference: parameters are all dummies, the covariate and the means
of the second stage; the moments are linear, so that their Jacobian is their exact difference.
Tolerance: 1e-9.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.imputation import Imputation
from churnstats.estimators.two_stage import TwoStage
from support import REFERENCE_DATA, dummies

BY_UNIT = cs.Cluster("unit_id", "none")


@cache
def crowd() -> pd.DataFrame:
    """Return 70 units in an unbalanced panel, every cohort among them."""
    frame = pd.read_csv(REFERENCE_DATA / "event_panel_unbalanced.csv")
    return frame[frame["unit"].isin(frame["unit"].unique()[:70])].reset_index(drop=True)


def absorbing(frame: pd.DataFrame) -> Absorbing:
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first_change")


def stacked_moments(frame: pd.DataFrame, weighted: bool, pre: int) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates and clustered errors of the second stage by GMM on both."""
    y, z = frame["y"].to_numpy(), frame["z"].to_numpy()
    w = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    k = np.where(frame["first_change"] == 0, -99, frame["year"] - frame["first_change"])
    free = k < 0
    unit, year = (pd.factorize(frame[c])[0] for c in ("unit", "year"))
    first = np.column_stack([dummies(unit), dummies(year)[:, 1:], z])
    second = np.column_stack([*(k == h for h in range(-pre, 7)), k >= 0]).astype(float)
    p = first.shape[1]

    def moments(theta: np.ndarray) -> np.ndarray:
        gap = y - first @ theta[:p]
        one = first * (w * free * gap)[:, None]
        two = second * (w[:, None] * (gap[:, None] - theta[p:]))
        return np.column_stack([one, two])

    def total(theta: np.ndarray) -> np.ndarray:
        return moments(theta).sum(axis=0)

    n_all = p + second.shape[1]
    zero, unit_vectors = np.zeros(n_all), np.eye(n_all)
    slope = np.column_stack([total(e) - total(zero) for e in unit_vectors])
    theta = np.linalg.solve(slope, -total(zero))
    influence = -np.linalg.solve(slope, moments(theta).T).T
    by_unit = np.column_stack([np.bincount(unit, column) for column in influence.T])
    return theta[p:], np.sqrt(np.square(by_unit).sum(axis=0))[p:]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pre", [0, 3])
def test_estimates_and_errors_solve_the_moments_of_both_stages(weighted: bool, pre: int) -> None:
    result = cs.event_study(
        absorbing(crowd()),
        TwoStage(pre=pre),
        "y",
        covariates="z",
        weights="w" if weighted else None,
        vcov=BY_UNIT,
    )
    coef, errors = stacked_moments(crowd(), weighted, pre)
    assert result.names == (*(f"k={h:+d}" for h in range(-pre, 7)), "att", "z")
    np.testing.assert_allclose(result.coef[:-1], coef, rtol=1e-9)
    np.testing.assert_allclose(result.tidy()["std_error"][:-1], errors, rtol=1e-9)


def test_effects_are_those_of_imputation_and_errors_are_not() -> None:
    options = {"covariates": "z", "vcov": BY_UNIT}
    two_stage = cs.event_study(absorbing(crowd()), TwoStage(pre=0), "y", **options)
    imputed = cs.event_study(absorbing(crowd()), Imputation(pre=0), "y", **options)
    assert two_stage.names == imputed.names
    np.testing.assert_allclose(two_stage.coef, imputed.coef, rtol=1e-12)
    ratio = two_stage.tidy()["std_error"] / imputed.tidy()["std_error"]
    at = dict(zip(two_stage.names, ratio, strict=True))
    assert at["z"] == pytest.approx(1, rel=1e-12)
    # one cohort is seen at k = +6: its mean is that of the event time
    assert at["k=+6"] == pytest.approx(1, rel=1e-12)
    assert abs(at["k=+0"] - 1) > 1e-3


def test_classical_errors_are_squared_weights_times_the_variance_of_untreated_rows() -> None:
    frame = crowd()
    study = cs.event_study(
        absorbing(frame), TwoStage(pre=2), "y", covariates="z", weights="w", vcov=cs.Classical()
    )
    y, w = frame["y"].to_numpy(), frame["w"].to_numpy()
    k = np.where(frame["first_change"] == 0, -99, frame["year"] - frame["first_change"])
    free = w * (k < 0)
    unit, year = (dummies(pd.factorize(frame[c])[0]) for c in ("unit", "year"))
    x = np.column_stack([unit, year[:, 1:], frame["z"]])
    inverse = np.linalg.inv((x * free[:, None]).T @ x)
    gap = y - x @ (inverse @ (x.T @ (free * y)))
    sigma2 = free @ gap**2 / ((k < 0).sum() - x.shape[1])
    inside = np.column_stack([*(k == h for h in range(-2, 7)), k >= 0]) * w[:, None]
    a = inside / inside.sum(axis=0)
    v = a - free[:, None] * (x @ (inverse @ (x.T @ a)))
    v = np.column_stack([v, free * (x @ inverse[:, -1])])
    np.testing.assert_allclose(v.T @ y, study.coef, rtol=1e-9)
    expected = sigma2 * (v / w[:, None]).T @ v
    np.testing.assert_allclose(study.vcov, expected, rtol=1e-8, atol=1e-12)


def test_too_many_levels_beside_the_largest_effect_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("churnstats.inference.untreated.MOST_LEVELS", 9)
    with pytest.raises(SpecError, match="10 levels of effects beside the largest one"):
        cs.event_study(absorbing(crowd()), TwoStage(), "y")


def test_wrong_choices_are_listed_together() -> None:
    with pytest.raises(SpecError) as caught:
        TwoStage(pre=-2, anticipation=-1)
    assert caught.value.where == ("pre: -2 is negative", "anticipation: -1 is negative")
