"""The linear model against R: estimates, errors, intervals and joint tests.

Two stores of expected values. ``event_panel_expected.csv`` (fixest 0.12.2, by event_panel.R) has
dynamic two-way fixed effects; ``linear_expected.csv`` (lm with dummies and sandwich 3.0, by
linear_models.R) has what that one lacks.

Tolerance: 1e-8 relative, for estimates and errors alike. fixest demeans by iteration to 1e-6 of
its own scale and prints 15 digits; lm solves by QR. What is seen is 5e-13 and 4e-13. Where p-values
of joint tests are far in the tail, 1e-7 relative is asked, since an error of 1e-10 in F is
multiplied there.
"""

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from support import REFERENCE_DATA as DATA

TOLERANCE = 1e-8
TAIL_TOLERANCE = 1e-7

PANEL_ROWS = pd.read_csv(DATA / "event_panel_expected.csv")
PANEL_ROWS = PANEL_ROWS[PANEL_ROWS["estimator"].str.startswith("twfe dynamic")]
PANEL_CASES = sorted(set(zip(PANEL_ROWS["estimator"], PANEL_ROWS["options"], strict=True)))

EXPECTED = pd.read_csv(DATA / "linear_expected.csv")
JOINT = pd.read_csv(DATA / "linear_joint_expected.csv")
CASES = list(dict.fromkeys(zip(EXPECTED["model"], EXPECTED["choice"], strict=True)))

# formula, file, columns of the first and second way of clustering
MODELS = {
    "plain": ("y ~ x + z + C(kind)", "linear_rows.csv", ("region", "year")),
    "unit and year": ("y ~ x + z + C(kind) | unit + year", "linear_rows.csv", ("region", "year")),
    "unit and year by year": ("y ~ x + z + C(kind) | unit + year", "linear_rows.csv", ("year",)),
    "unit": ("y ~ x + z | unit", "linear_rows.csv", ("region",)),
    "leader school and year": (
        "y ~ x + z | leader + school + year",
        "three_effects.csv",
        ("school",),
    ),
    "leader and school": ("y ~ x + z | leader + school", "three_effects.csv", ("school",)),
}
TERMS = {"(Intercept)": "Intercept", "kindtown": "C(kind)[T.town]", "kindurban": "C(kind)[T.urban]"}


def event_panel(balance: str) -> pd.DataFrame:
    panel = pd.read_csv(DATA / f"event_panel_{balance}.csv")
    since = (panel["year"] - panel["first_change"]).clip(-4, 4)
    return panel.assign(since=since.where(panel["first_change"] > 0, -1))


def panel_choice(options: str) -> cs.Cluster | cs.TwoWay:
    if "two-way" in options:
        return cs.TwoWay("unit", "year")
    by = "unit" if "cluster=unit" in options else "district"
    return cs.Cluster(by, "full" if "fixef.K=full" in options else "nonnested")


def choice_of(words: str, by: tuple[str, ...]) -> cs.Classical | cs.Robust | cs.Cluster | cs.TwoWay:
    kind, _, rule = words.partition(" ")
    if kind == "classical":
        return cs.Classical()
    if kind in ("HC0", "HC1"):
        return cs.Robust(kind)
    return cs.TwoWay(*by, rule) if kind == "two-way" else cs.Cluster(by[0], rule)


def fitted(model: str, choice: str) -> cs.Result:
    name, weighted, _ = model.partition(" weighted")
    formula, file, by = MODELS[name]
    return cs.linear_model(
        pd.read_csv(DATA / file),
        formula,
        vcov=choice_of(choice, by),
        weights="w" if weighted else None,
    )


def lost_degrees(model: str, result: cs.Result) -> tuple[int, int]:
    """Return parameters counted here and in R."""
    residual = EXPECTED[(EXPECTED["model"] == model) & (EXPECTED["choice"] == "classical")]["df"]
    n = int(result.glance()["n_rows"].iloc[0])
    return n - int(result.with_vcov(cs.Classical()).choice.df), n - int(residual.iloc[0])


def inflation(result: cs.Result, choice: str, ours: int, theirs: int) -> float:
    """Return by how much a higher count of parameters raises the error under a choice."""
    n = int(result.glance()["n_rows"].iloc[0])
    counts_all = choice in ("classical", "HC1", "cluster full")
    return float(np.sqrt((n - theirs) / (n - ours))) if counts_all else 1.0


def rows_of(table: pd.DataFrame, model: str, choice: str) -> pd.DataFrame:
    return table[(table["model"] == model) & (table["choice"] == choice)]


def test_both_stores_hold_every_case() -> None:
    assert len(PANEL_CASES) == 20
    assert len(PANEL_ROWS) == 20 * 9
    models = {m.removesuffix(" weighted") for m, _ in CASES}
    assert models == set(MODELS)
    assert len(CASES) == 2 * (2 * 10 + 4 * 7)


@pytest.mark.parametrize(("estimator", "options"), PANEL_CASES)
def test_dynamic_effects_equal_fixest(estimator: str, options: str) -> None:
    effects = "unit + district^year" if "district-year" in estimator else "unit + year"
    result = cs.linear_model(
        event_panel(options.split()[0]),
        f"y ~ z + C(since, contr.treatment(base=-1)) | {effects}",
        vcov=panel_choice(options),
        weights="w" if "weighted=1" in options else None,
    )
    expected = PANEL_ROWS[
        (PANEL_ROWS["estimator"] == estimator) & (PANEL_ROWS["options"] == options)
    ]
    found = result.tidy()
    times = [t.rpartition("[T.")[2].rstrip("]") for t in found["term"]]
    assert times == [k.removeprefix("et::") for k in expected["key"]]
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(found[column], expected[column], rtol=TOLERANCE)


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_linear_model_equals_lm_and_sandwich(model: str, choice: str) -> None:
    result = fitted(model, choice)
    expected = rows_of(EXPECTED, model, choice)
    found = result.tidy().set_index("term").loc[[TERMS.get(t, t) for t in expected["term"]]]
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=TOLERANCE)

    ours, theirs = lost_degrees(model, result)
    if "and year" in model and model.startswith("leader"):
        assert ours == theirs + 1, "three effects: the rank is bounded from above"
    else:
        assert ours == theirs
    inflated = inflation(result, choice, ours, theirs)
    np.testing.assert_allclose(found["std_error"], inflated * expected["std_error"], rtol=TOLERANCE)
    if ours != theirs:
        return
    for column in ("df", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[column], expected[column], rtol=TOLERANCE)
    np.testing.assert_allclose(found["p_value"], expected["p_value"], rtol=TAIL_TOLERANCE)


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_joint_test_equals_wald_f_of_r(model: str, choice: str) -> None:
    result = fitted(model, choice)
    ours, theirs = lost_degrees(model, result)
    (expected,) = rows_of(JOINT, model, choice).itertuples()
    test = result.wald_test([TERMS.get(t, t) for t in expected.terms.split(" ")])
    by_rows = choice in ("classical", "HC0", "HC1")
    df_denom = expected.df_denom - (ours - theirs if by_rows else 0)
    assert (test.df_num, test.df_denom) == (expected.df_num, df_denom)
    if expected.statistic < 0:  # a two-way covariance that is none: R computes on, we say so
        assert np.isnan([test.statistic, test.p_value]).all()
        assert "not positive semi-definite" in result.summary()
        return
    statistic = expected.statistic / inflation(result, choice, ours, theirs) ** 2
    np.testing.assert_allclose(test.statistic, statistic, rtol=TOLERANCE)
    if ours == theirs:
        np.testing.assert_allclose(test.p_value, expected.p_value, rtol=TAIL_TOLERANCE)


def test_rules_differ_where_they_should() -> None:
    """Guard the store itself: a case whose rules coincide would test nothing."""
    for model in ("unit and year", "unit and year weighted", "unit", "leader and school"):
        errors = [
            rows_of(EXPECTED, model, f"cluster {rule}")["std_error"].iloc[0]
            for rule in ("none", "clusters", "nonnested", "full")
        ]
        assert errors == sorted(errors)
        assert len(set(np.round(errors, 6))) == 4, model
