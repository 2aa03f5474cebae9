"""CR2 and CR3 with their degrees of freedom: against clubSandwich, and written out.

``few_clusters_expected.csv`` is from lm with dummies and clubSandwich 0.5.8 (few_clusters.R), rows
times the roots of their weights: the working model has variances inverse to the weights. CR3 where
clusters have effects of their own is not defined there: the fit is repeated without each cluster,
and degrees of freedom are those of dense matrices.

Tolerance: 1e-8 relative for errors; 1e-6 for degrees of freedom, p-values and joint tests.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

import churnstats as cs
from churnstats.inference.vcov import CR2, CR3
from support import REFERENCE_DATA as DATA
from support import dummies

EXPECTED = pd.read_csv(DATA / "few_clusters_expected.csv")
JOINT = pd.read_csv(DATA / "few_clusters_joint_expected.csv")
CASES = list(zip(JOINT["model"], JOINT["choice"], strict=True))
SCRIPT = Path(__file__).parent / "scripts" / "few_clusters.R"
CHOICES = {"CR2": CR2, "CR3": CR3}
MODELS = {
    "plain": ("y ~ x + z + C(kind)", "linear_rows.csv", "region"),
    "year": ("y ~ x + z + C(kind) | year", "linear_rows.csv", "region"),
    "unit and year": ("y ~ x + z + C(kind) | unit + year", "linear_rows.csv", "region"),
    "unit and year by year": ("y ~ x + z + C(kind) | unit + year", "linear_rows.csv", "year"),
    "leader and school": ("y ~ x + z | leader + school", "three_effects.csv", "school"),
}
TERMS = {"kindtown": "C(kind)[T.town]", "kindurban": "C(kind)[T.urban]"}


def fitted(model: str, choice: str) -> cs.Result:
    name, weighted, _ = model.partition(" weighted")
    formula, file, by = MODELS[name]
    rows = pd.read_csv(DATA / file)
    weights = "w" if weighted else None
    result = cs.linear_model(rows, formula, vcov=cs.Cluster(by), weights=weights)
    return result.with_vcov(CHOICES[choice](by))


def test_the_store_holds_every_case() -> None:
    assert {m.removesuffix(" weighted") for m, _ in CASES} == set(MODELS)
    assert len(CASES) == 14


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_errors_and_degrees_of_freedom_equal_clubsandwich(model: str, choice: str) -> None:
    result = fitted(model, choice)
    expected = EXPECTED[(EXPECTED["model"] == model) & (EXPECTED["choice"] == choice)]
    at = [result.names.index(TERMS.get(t, t)) for t in expected["term"]]
    np.testing.assert_allclose(np.sqrt(np.diag(result.vcov))[at], expected["std_error"], rtol=1e-8)
    np.testing.assert_allclose(result.choice.df[at], expected["df"], rtol=1e-6)
    tidy = result.tidy().iloc[at]
    np.testing.assert_allclose(tidy["df"], expected["df"], rtol=1e-6)
    np.testing.assert_allclose(tidy["p_value"], expected["p_value"], rtol=1e-6)
    quantile = stats.t(expected["df"]).ppf(0.975)
    high = expected["estimate"] + quantile * expected["std_error"]
    np.testing.assert_allclose(tidy["conf_high"], high, rtol=1e-6)


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_joint_degrees_of_freedom_equal_clubsandwich(model: str, choice: str) -> None:
    result = fitted(model, choice)
    (expected,) = JOINT[(JOINT["model"] == model) & (JOINT["choice"] == choice)].itertuples()
    terms = [TERMS.get(t, t) for t in expected.terms.split(" ")]
    matrix = np.array([[float(name == term) for name in result.names] for term in terms])
    joint = result.choice.contrast(matrix)
    q, eta = len(terms), joint.joint_df()
    np.testing.assert_allclose(eta - q + 1, expected.df_denom, rtol=1e-6)
    effect = matrix @ result.coef
    quadratic = effect @ np.linalg.solve(joint.matrix, effect)
    np.testing.assert_allclose(quadratic * (eta - q + 1) / (eta * q), expected.statistic, rtol=1e-6)


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_joint_test_equals_htz_of_clubsandwich(model: str, choice: str) -> None:
    (expected,) = JOINT[(JOINT["model"] == model) & (JOINT["choice"] == choice)].itertuples()
    test = fitted(model, choice).wald_test([TERMS.get(t, t) for t in expected.terms.split(" ")])
    assert test.df_num == len(expected.terms.split(" "))
    np.testing.assert_allclose(test.statistic, expected.statistic, rtol=1e-6)
    np.testing.assert_allclose(test.df_denom, expected.df_denom, rtol=1e-6)
    np.testing.assert_allclose(test.p_value, expected.p_value, rtol=1e-6)


def test_degrees_of_freedom_by_term_are_printed_and_kept(tmp_path: Path) -> None:
    result = fitted("unit and year", "CR2")
    line = "clustered by region (CR2) (11 region clusters); small-sample rule: CR2; reference: t, "
    assert f"{line}degrees of freedom by term (8.5 to 9.6)." in result.summary()
    assert result.glance()["df"].item() == min(result.choice.df)
    loaded = cs.Result.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.tidy(), result.tidy(), check_exact=True)
    assert loaded.summary() == result.summary()
    with pytest.raises(cs.SpecError, match="does not know the degrees of freedom"):
        loaded.lincom({"sum": {"x": 1, "z": 1}})
    total = result.lincom({"sum": {"x": 1, "z": 1}})
    direct = total.with_vcov(CR2("region")).tidy()
    pd.testing.assert_frame_equal(total.tidy(), direct, rtol=1e-9)


def test_more_restrictions_than_clusters_have_no_test() -> None:
    rows = rows_of_units(False).assign(half=lambda d: d["region"] % 3)
    fit = cs.linear_model(rows, "y ~ x + z + C(kind)", vcov=cs.Cluster("half"))
    test = fit.with_vcov(CR2("half")).wald_test()
    assert test.df_num == 5
    assert np.isnan([test.statistic, test.p_value]).all()


def test_r_gives_what_is_stored(tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not installed")
    asked = [rscript, "-e", 'quit(status = !requireNamespace("clubSandwich", quietly = TRUE))']
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("the R package clubSandwich is not installed")
    subprocess.run([rscript, SCRIPT, DATA, tmp_path], check=True, capture_output=True, timeout=120)
    for file in ("few_clusters_expected.csv", "few_clusters_joint_expected.csv"):
        stored, live = pd.read_csv(DATA / file), pd.read_csv(tmp_path / file)
        pd.testing.assert_frame_equal(live, stored, rtol=1e-6)


def rows_of_units(weighted: bool) -> pd.DataFrame:
    rows = pd.read_csv(DATA / "linear_rows.csv")
    return rows if weighted else rows.assign(w=1.0)


def by_hand(rows: pd.DataFrame, power: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, covariance and degrees of freedom with dense matrices."""
    root = np.sqrt(rows["w"].to_numpy())
    unit, year = (pd.factorize(rows[c], sort=True)[0] for c in ("unit", "year"))
    full = np.column_stack([rows[["x", "z"]], dummies(unit), dummies(year)]) * root[:, None]
    y = rows["y"].to_numpy() * root
    project = full @ np.linalg.pinv(full)
    maker = np.linalg.pinv(full)[:2]
    residuals, coef = y - project @ y, maker @ y
    rest = np.eye(len(rows)) - project
    parts = []
    for g in np.unique(rows["region"]):
        at = np.flatnonzero(rows["region"] == g)
        values, vectors = linalg.eigh(rest[np.ix_(at, at)])
        kept = values > 1e-9
        adjust = (vectors[:, kept] * values[kept] ** power) @ vectors[:, kept].T
        part = np.zeros((2, len(rows)))
        part[:, at] = maker[:, at] @ adjust
        parts.append(part)
    sums = np.array([p @ residuals for p in parts])
    df = []
    for j in range(2):
        a = np.array([p[j] for p in parts])
        cross = a @ rest @ a.T
        df.append(np.trace(cross) ** 2 / (cross**2).sum())
    return coef, sums.T @ sums, np.array(df)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("choice", "power"), [("CR2", -0.5), ("CR3", -1.0)])
def test_nested_effects_equal_dense_matrices(weighted: bool, choice: str, power: float) -> None:
    rows = rows_of_units(weighted)
    fit = cs.linear_model(rows, "y ~ x + z | unit + year", vcov=cs.Cluster("region"), weights="w")
    result = fit.with_vcov(CHOICES[choice]("region"))
    coef, vcov, df = by_hand(rows, power)
    np.testing.assert_allclose(result.coef, coef, rtol=1e-9)
    np.testing.assert_allclose(result.vcov, vcov, rtol=1e-8)
    np.testing.assert_allclose(result.choice.df, df, rtol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_cr3_is_the_spread_of_fits_without_each_cluster(weighted: bool) -> None:
    rows = rows_of_units(weighted)

    def fit(sample: pd.DataFrame) -> cs.Result:
        formula = "y ~ x + z | unit + year"
        return cs.linear_model(sample, formula, vcov=cs.Cluster("region"), weights="w")

    whole = fit(rows)
    moves = np.array(
        [fit(rows[rows["region"] != g]).coef - whole.coef for g in rows["region"].unique()]
    )
    np.testing.assert_allclose(whole.with_vcov(CR3("region")).vcov, moves.T @ moves, rtol=1e-8)


def test_cr2_has_no_bias_under_its_working_model() -> None:
    """Its mean over all errors is the classical covariance: it is linear in each squared error."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"g": np.repeat([0, 1, 2, 3], [2, 3, 5, 2]), "w": rng.uniform(0.5, 2, 12)})
    rows["x"] = rng.normal(size=12) + rows["g"]
    rows["y"] = 0.0
    mean = np.zeros((2, 2))
    for i in range(12):
        shock = rows.assign(y=np.eye(12)[i] / np.sqrt(rows["w"]))
        fit = cs.linear_model(shock, "y ~ x", vcov=cs.Cluster("g"), weights="w")
        mean += fit.with_vcov(CR2("g")).vcov
    x = np.column_stack([np.ones(12), rows["x"]])
    true = np.linalg.inv(x.T @ (rows["w"].to_numpy()[:, None] * x))
    np.testing.assert_allclose(mean, true, rtol=1e-10)


def test_contrasts_have_degrees_of_freedom_of_their_own() -> None:
    """The sum of two terms is a term of the model in other coordinates."""
    rows = rows_of_units(True).eval("d = z - x")
    options = {"vcov": cs.Cluster("region"), "weights": "w"}
    first = cs.linear_model(rows, "y ~ x + z | unit + year", **options)
    # x b + z c = x (b + c) + (z - x) c
    other = cs.linear_model(rows, "y ~ x + d | unit + year", **options).with_vcov(CR2("region"))
    total = first.lincom({"total": {"x": 1, "z": 1}}).with_vcov(CR2("region"))
    np.testing.assert_allclose(total.vcov[0, 0], other.vcov[0, 0], rtol=1e-9)
    np.testing.assert_allclose(total.choice.df[0], other.choice.df[0], rtol=1e-9)
    by_contrast = first.with_vcov(CR2("region")).choice.contrast(np.array([[1.0, 1.0]]))
    np.testing.assert_allclose(by_contrast.df, total.choice.df, rtol=1e-9)
    assert total.choice.df[0] < first.choice.df == 10


def test_what_can_not_be_had_is_said() -> None:
    rows = rows_of_units(True).assign(only=lambda d: (d["region"] == 3) * d["x"], one=1)
    fit = cs.linear_model(rows, "y ~ x + only", vcov=cs.Cluster("region"), clusters=("one",))
    assert np.isfinite(fit.with_vcov(CR2("region")).vcov).all()
    with pytest.raises(cs.IdentificationError, match="a coefficient is lost"):
        fit.with_vcov(CR3("region"))
    with pytest.raises(cs.IdentificationError, match="only one cluster in one"):
        fit.with_vcov(CR2("one"))
    with pytest.raises(cs.SpecError, match="does not know the cluster variable 'state'"):
        fit.with_vcov(CR3("state"))
    spells = pd.DataFrame({"entry": 0.0, "exit": [1.0, 2, 3, 4], "event": 1, "g": [1, 1, 2, 2]})
    spells["x"] = [0.0, 1, 0, 1]
    hazard = cs.cox(spells, "x", entry="entry", exit="exit", event="event", vcov=cs.Cluster("g"))
    with pytest.raises(cs.SpecError, match="CR2 needs least squares"):
        hazard.with_vcov(CR2("g"))
