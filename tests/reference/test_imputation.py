"""Imputation against R didimputation, and against dense algebra and loops.

``event_panel_expected.csv`` was made by scripts/event_panel.R. Its solver is
iterative: 1e-5 in estimates (seen: 1e-7), 1e-4 in errors (seen: 2e-10). Dense algebra, for what it
has not (weights, covariates, further effects, leave-out means): 1e-9.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.imputation import Imputation
from support import REFERENCE_DATA, dummies

EXPECTED = pd.read_csv(REFERENCE_DATA / "event_panel_expected.csv")
IMPUTATION = EXPECTED[EXPECTED["estimator"] == "imputation (didimputation)"]
BY_UNIT = cs.Cluster("unit_id", "none")
DENSE = 1e-9


def rows(shape: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE_DATA / f"event_panel_{shape}.csv")


def absorbing(frame: pd.DataFrame) -> Absorbing:
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first_change")


@cache
def panel(shape: str) -> Absorbing:
    return absorbing(rows(shape))


@pytest.mark.parametrize("shape", ["balanced", "unbalanced"])
def test_effects_equal_didimputation(shape: str) -> None:
    table = cs.event_study(panel(shape), Imputation(), "y", vcov=BY_UNIT).tidy().set_index("term")
    expected = IMPUTATION[IMPUTATION["options"].str.startswith(f"{shape} ")]
    expected = expected[~expected["key"].str.startswith("-")]
    terms = ["att" if k == "treat" else f"k={int(k):+d}" for k in expected["key"]]
    assert terms == [*(f"k=+{k}" for k in range(7)), "att"]
    np.testing.assert_allclose(table.loc[terms, "estimate"], expected["estimate"], rtol=1e-5)
    np.testing.assert_allclose(table.loc[terms, "std_error"], expected["std_error"], rtol=1e-4)


@pytest.mark.parametrize("shape", ["balanced", "unbalanced"])
def test_leads_equal_didimputation(shape: str) -> None:
    """Its leads have fixest's small-sample factor of the regression on untreated rows."""
    table = cs.event_study(panel(shape), Imputation(), "y", vcov=BY_UNIT).tidy().set_index("term")
    expected = IMPUTATION[IMPUTATION["options"].str.startswith(f"{shape} ")]
    expected = expected[expected["key"].str.startswith("-")]
    found = table.loc[[f"k={k}" for k in expected["key"]]]
    frame = rows(shape)
    untreated = frame[(frame["first_change"] == 0) | (frame["year"] < frame["first_change"])]
    g, n = untreated["unit"].nunique(), len(untreated)
    k = 3 + untreated["year"].nunique()
    factor = np.sqrt(g / (g - 1) * (n - 1) / (n - k))
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=1e-5)
    np.testing.assert_allclose(found["std_error"] * factor, expected["std_error"], rtol=1e-4)


# --- dense ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dense:
    """Averages by event time and overall with their weights, from dense normal equations."""

    unit: np.ndarray
    cell: np.ndarray
    treated: np.ndarray
    v: np.ndarray
    gap: np.ndarray
    coef: np.ndarray

    def errors(self, leave_out: bool) -> np.ndarray:
        """Return clustered errors, the mean of each cell found by a loop over its rows."""
        found = []
        for v in self.v.T:
            psi = v * self.gap
            for i in np.flatnonzero(self.treated & (v != 0)):
                mates = np.flatnonzero(self.cell == self.cell[i])
                mates = mates[mates != i] if leave_out else mates
                mean = (v[mates] ** 2 @ self.gap[mates]) / (v[mates] ** 2).sum()
                psi[i] = v[i] * (self.gap[i] - mean)
            found.append(np.sqrt(np.square(np.bincount(self.unit, psi)).sum()))
        return np.array(found)


def crowd() -> pd.DataFrame:
    """Return 90 units of two cohorts or none, with a third of them in each region."""
    frame = rows("unbalanced")
    frame = frame[frame["first_change"].isin([0, 5, 6])]
    frame = frame[frame["unit"].isin(frame["unit"].unique()[:90])].reset_index(drop=True)
    return frame.assign(region=frame["unit"] % 3)


def dense(frame: pd.DataFrame, horizons: list[int], anticipation: int = 0) -> Dense:
    y, w, z = (frame[c].to_numpy() for c in ("y", "w", "z"))
    k = np.where(frame["first_change"] == 0, -99, frame["year"] - frame["first_change"])
    treated = k >= -anticipation
    unit = pd.factorize(frame["unit"])[0]
    region_year = pd.factorize(frame["region"] * 100 + frame["year"])[0]
    x = np.column_stack([dummies(unit), dummies(region_year), z])
    inverse = np.linalg.pinv((x * (w * ~treated)[:, None]).T @ x, rcond=1e-12)
    gap = y - x @ (inverse @ (x.T @ (w * ~treated * y)))
    inside = np.column_stack([*(k == h for h in horizons), k >= 0]) * w[:, None]
    a = inside / inside.sum(axis=0)
    v = a - (w * ~treated)[:, None] * (x @ (inverse @ (x.T @ a)))
    cell = pd.factorize(frame["first_change"] * 100 + frame["year"])[0]
    return Dense(unit, cell, treated, v, gap, a.T @ gap)


@pytest.mark.parametrize("leave_out", [False, True])
def test_weights_covariates_and_further_effects_equal_dense_algebra(leave_out: bool) -> None:
    expected = dense(crowd(), [*range(6)])
    result = cs.event_study(
        absorbing(crowd()),
        Imputation(pre=0, leave_out=leave_out),
        "y",
        covariates="z",
        effects=("region^school_year_end",),
        weights="w",
        vcov=BY_UNIT,
    )
    assert result.names == (*(f"k=+{k}" for k in range(6)), "att", "z")
    np.testing.assert_allclose(result.coef[:-1], expected.coef, rtol=DENSE)
    found = result.tidy()["std_error"].to_numpy()[:-1]
    np.testing.assert_allclose(found, expected.errors(leave_out), rtol=DENSE)
    np.testing.assert_allclose(expected.v.T @ crowd()["y"], expected.coef, rtol=DENSE)


def test_covariates_are_those_of_the_regression_on_untreated_rows() -> None:
    frame = crowd()
    options = {"weights": "w", "vcov": BY_UNIT}
    study = cs.event_study(absorbing(frame), Imputation(pre=0), "y", covariates="z", **options)
    free = frame[(frame["first_change"] == 0) | (frame["year"] < frame["first_change"])]
    free = free.rename(columns={"unit": "unit_id"})
    alone = cs.linear_model(free, "y ~ z | unit_id + year", **options)
    row = study.tidy().set_index("term").loc["z"]
    assert row["estimate"] == pytest.approx(alone.coef[0], rel=DENSE)
    assert row["std_error"] == pytest.approx(alone.tidy()["std_error"][0], rel=DENSE)


def test_anticipation_moves_the_line_between_untreated_and_treated() -> None:
    expected = dense(crowd(), [*range(-1, 6)], anticipation=1)
    result = cs.event_study(
        absorbing(crowd()),
        Imputation(pre=2, anticipation=1),
        "y",
        covariates="z",
        effects=("region^school_year_end",),
        weights="w",
        vcov=BY_UNIT,
    )
    assert result.names[:4] == ("k=-3", "k=-2", "k=-1", "k=+0")
    np.testing.assert_allclose(result.coef[2:-1], expected.coef, rtol=DENSE)
    found = result.tidy()["std_error"].to_numpy()[2:-1]
    np.testing.assert_allclose(found, expected.errors(leave_out=False), rtol=DENSE)


# --- what is left out, what is refused ------------------------------------------------------------


def small(cohorts: dict[str, int]) -> Absorbing:
    frame = pd.DataFrame([(u, t, g) for u, g in cohorts.items() for t in range(1, 6)])
    frame.columns = ["unit", "year", "first_change"]
    return absorbing(frame.assign(y=np.random.default_rng(4).normal(size=len(frame))))


def test_rows_that_can_not_be_imputed_are_left_out_and_counted() -> None:
    data = small({"a": 1, "b": 3, "c": 3, "d": 5, "e": 5})
    result = cs.event_study(data, Imputation(pre=0, post=1), "y")
    assert result.ledger.steps[-1].lost == {
        "after event time +1": 3 + 2,
        "treated, no untreated row of the same unit_id": 2,
        "treated, no untreated row of the same school_year_end": 2,
    }
    assert result.names == ("k=+0", "k=+1", "att")
    y = data.frame.set_index(["unit_id", "school_year_end"])["y"].unstack()
    effect = np.zeros((2, 2))
    for i, u in enumerate("bc"):
        for j, t in enumerate((3, 4)):
            own = y.loc[u, t] - y.loc[u, [1, 2]].mean()
            others = y.loc[["d", "e"], t] - y.loc[["d", "e"], [1, 2]].mean(axis=1)
            effect[i, j] = own - others.mean()
    np.testing.assert_allclose(result.coef, [*effect.mean(axis=0), effect.mean()], rtol=1e-9)


def test_a_unit_alone_in_its_cohort_is_told_and_not_left_out() -> None:
    data = small({"a": 3, "b": 4, "c": 0, "d": 0})
    result = cs.event_study(data, Imputation(pre=1), "y")
    assert any("5 treated rows are alone" in note for note in result.description.notes)
    with pytest.raises(IdentificationError, match="5 treated rows are alone"):
        cs.event_study(data, Imputation(leave_out=True), "y")


def test_what_untreated_rows_do_not_tell_is_refused_by_name() -> None:
    data = small({"a": 3, "b": 3, "c": 0, "d": 0})
    frame = data.frame.assign(
        first_change=data.frame["cohort"].fillna(0),
        after=(data.frame["school_year_end"] >= 3) & data.frame["cohort"].notna(),
        trend=data.frame["school_year_end"] * 1.0,
    )
    with_more = Absorbing.from_frame(
        frame.drop(columns="cohort").astype({"after": float}),
        unit="unit_id", time="school_year_end", cohort="first_change",
    )  # fmt: skip
    with pytest.raises(IdentificationError, match="not_imputed") as caught:
        cs.event_study(with_more, Imputation(pre=0), "y", covariates="after")
    assert "after" in caught.value.where
    with pytest.raises(IdentificationError, match="not_imputed") as caught:
        cs.event_study(with_more, Imputation(pre=0), "y", covariates="trend")
    assert caught.value.where == ("trend",)
    with pytest.raises(IdentificationError, match=r"2 leads need .* event times \[-2, -1\]"):
        cs.event_study(data, Imputation(pre=2), "y")
    with pytest.raises(SpecError, match="no model-based errors"):
        cs.event_study(data, Imputation(pre=0), "y", vcov=cs.Classical())
    with pytest.raises(IdentificationError, match="no treated row can be compared"):
        cs.event_study(small({"a": 1, "b": 1, "c": 0}), Imputation(), "y")
    with pytest.raises(SpecError) as listed:
        Imputation(pre=-1, post=-2)
    assert listed.value.where == ("pre: -1 is negative", "post: -2 is negative")


def test_sums_by_any_cluster_are_sums_of_rows() -> None:
    """Unweighted, influences sum to zero too; cell means weighted by v squared end that."""
    data = absorbing(crowd())
    by = ("region", "school_year_end")
    for weights, effects in ((None, ()), ("w", ("region^school_year_end",))):
        result = cs.event_study(
            data,
            Imputation(pre=2),
            "y",
            covariates="z",
            clusters=by,
            weights=weights,
            effects=effects,
        )
        assert result.fit is not None
        psi = result.fit.influence.rows()
        for codes in result.fit.design.clusters.values():
            sums = result.fit.influence.sums(codes, int(codes.max()) + 1)
            by_hand = np.column_stack([np.bincount(codes, column) for column in psi.T])
            np.testing.assert_allclose(sums, by_hand, atol=1e-12)
        assert np.abs(psi).max(axis=0).min() > 1e-4
        assert (np.abs(psi.sum(axis=0)).max() < 1e-12) == (weights is None)


def test_later_changes_are_told() -> None:
    data = panel("balanced")
    again = data.fates["cohort"].notna() & (data.fates.index % 2 == 0)
    fates = data.fates.assign(n_later_changes=again.astype(int))
    notes = cs.event_study(replace(data, fates=fates), Imputation(), "y").description.notes
    told = f"{int(again.sum())} of the 262 units that change do so again later"
    assert any(note.startswith(told) for note in notes)
    plain = cs.event_study(data, Imputation(), "y").description.notes
    assert not any("again later" in note for note in plain)
