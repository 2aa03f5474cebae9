"""What a Result says, computed by hand: tables, tests, combinations, storage.

Tolerance: 1e-10 relative; both sides are closed forms of the same covariance.
"""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import churnstats as cs
from churnstats.core.errors import DataError, SpecError
from support import SURVIVAL, example_rows, examples

CLOSE = 1e-10
TIDY = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "df"]
CURVE_KEYS = ["group", "time", "n_at_risk", "n_events"]
RESULTS = examples()
every_result = pytest.mark.parametrize("name", RESULTS)


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=1e-12)


def same_frame(found: pd.DataFrame, expected: pd.DataFrame, exact: bool = False) -> None:
    limits = {"check_exact": True} if exact else {"rtol": CLOSE, "atol": 1e-12}
    pd.testing.assert_frame_equal(found, expected, **limits)


@every_result
def test_tidy_has_the_documented_columns_and_glance_one_row(name: str) -> None:
    result = RESULTS[name]
    keys = CURVE_KEYS if name in ("kaplan_meier", "nelson_aalen") else []
    tidy = result.tidy()
    assert list(tidy.columns) == TIDY + keys
    assert tidy["term"].tolist() == list(result.names)
    assert tidy.index.tolist() == list(range(len(result.names)))
    assert all(tidy[c].dtype == float for c in TIDY[1:])
    assert len(result.glance()) == 1


@pytest.mark.parametrize(("name", "df"), [("linear_model", 8), ("cox", np.inf)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_statistic_p_value_and_interval_by_hand(name: str, df: float, level: float) -> None:
    result = examples(level)[name]
    law = stats.t(df) if np.isfinite(df) else stats.norm
    error = np.sqrt(np.diag(result.vcov))
    tidy = result.tidy()
    close(tidy["estimate"], result.coef)
    close(tidy["std_error"], error)
    close(tidy["statistic"], result.coef / error)
    close(tidy["p_value"], 2 * law.cdf(-np.abs(result.coef / error)))
    reach = law.ppf((1 + level) / 2) * error
    close(tidy["conf_low"], result.coef - reach)
    close(tidy["conf_high"], result.coef + reach)
    assert (tidy["df"] == df).all()


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_intervals_of_curves_by_hand(level: float) -> None:
    z = stats.norm.ppf((1 + level) / 2)
    s = examples(level)["kaplan_meier"].tidy()
    reach = z * s["std_error"] / (s["estimate"] * np.log(s["estimate"]).abs())
    close(s["conf_low"], np.exp(-np.exp(np.log(-np.log(s["estimate"])) + reach)))
    close(s["conf_high"], np.exp(-np.exp(np.log(-np.log(s["estimate"])) - reach)))
    h = examples(level)["nelson_aalen"].tidy()
    reach = z * h["std_error"] / h["estimate"]
    close(h["conf_low"], np.exp(np.log(h["estimate"]) - reach))
    close(h["conf_high"], np.exp(np.log(h["estimate"]) + reach))
    for table in (s, h):
        assert (table["conf_low"] < table["estimate"]).all()
        assert table[["statistic", "p_value"]].isna().all(axis=None)


def test_what_is_undefined_is_nan() -> None:
    rows = pd.DataFrame({"t": [1.0, 2, 3], "e": [1, 1, 1]})
    curve = cs.kaplan_meier(rows, exit="t", event="e").tidy()
    close(curve["estimate"], [2 / 3, 1 / 3, 0])
    assert curve.loc[2, ["std_error", "conf_low", "conf_high"]].isna().all()
    assert curve.loc[:1, ["std_error", "conf_low", "conf_high"]].notna().all(axis=None)
    linear = RESULTS["linear_model"]
    bad = replace(linear, choice=replace(linear.choice, matrix=-np.eye(linear.coef.size)))
    undefined = ["std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert bad.tidy()[undefined].isna().all(axis=None)
    assert bad.tidy()["estimate"].notna().all()


def test_glance_says_how_it_was_made() -> None:
    rows = example_rows()
    linear = RESULTS["linear_model"].glance().iloc[0]
    assert linear["title"] == "Linear model"
    assert (linear["outcome"], linear["n_rows"]) == ("y", len(rows) - 1)
    assert (linear["vcov"], linear["small_sample"]) == ("clustered by a", "nonnested")
    assert (linear["df"], linear["n_clusters_a"]) == (8, 9)
    cox = RESULTS["cox"].glance().iloc[0]
    kept = rows[rows["x"].notna()]
    assert cox["n_events"] == kept["event"].sum()
    close(cox["time_at_risk"], (kept["exit"] - kept["entry"]).sum())
    assert cox["loglik"] < 0
    assert (cox["small_sample"], cox["df"]) == ("clusters", np.inf)
    curve = RESULTS["kaplan_meier"].glance().iloc[0]
    assert curve["n_entered_late"] == (rows["entry"] > 0).sum()
    both = RESULTS["linear_model"].with_vcov(cs.TwoWay("a", "b")).glance().iloc[0]
    assert (both["n_clusters_a"], both["n_clusters_b"], both["df"]) == (9, 6, 5)
    assert both["vcov"] == "clustered by a and b"


def test_augment_points_to_the_rows_that_were_given() -> None:
    rows = example_rows()
    kept = np.flatnonzero(rows["x"].notna())
    linear = RESULTS["linear_model"].augment()
    assert list(linear.columns) == ["row", "fitted", "residual"]
    np.testing.assert_array_equal(linear["row"], kept)
    close(linear["fitted"] + linear["residual"], rows["y"].iloc[kept])
    units = rows["unit"].iloc[kept].to_numpy()
    close(linear["residual"].groupby(units).sum(), 0)
    cox = RESULTS["cox"].augment()
    np.testing.assert_array_equal(cox["row"], kept)
    close(cox["fitted"] + cox["residual"], rows["event"].iloc[kept])
    close(cox["residual"].sum(), 0)
    assert (cox["fitted"] >= 0).all()
    assert cox["residual"].abs().max() > 0.1


def test_weighted_augment_has_residuals_on_the_scale_of_the_response() -> None:
    rows = example_rows()
    result = cs.cox(rows, "x", vcov=cs.Classical(), weights="w", **SURVIVAL)
    table, w = result.augment(), rows["w"].to_numpy()[result.augment()["row"]]
    close((w * table["residual"]).sum(), 0)
    close(table["fitted"] + table["residual"], rows["event"].to_numpy()[table["row"]])


@every_result
def test_with_vcov_is_the_same_as_asking_at_once(name: str) -> None:
    result = RESULTS[name]
    before = result.tidy()
    for choice in (cs.Classical(), cs.Robust("HC0"), cs.Cluster("b", "none"), cs.TwoWay("a", "b")):
        other = result.with_vcov(choice)
        asked = examples(vcov=choice)[name]
        same_frame(other.tidy(), asked.tidy())
        same_frame(other.glance(), asked.glance())
        close(other.coef, result.coef)
        assert not np.allclose(other.vcov, result.vcov, rtol=1e-6)
    same_frame(result.tidy(), before, exact=True)


def test_robust_and_clusters_of_single_rows_agree() -> None:
    rows = example_rows()
    rows["own"] = np.arange(len(rows))
    result = cs.linear_model(rows, "y ~ x | unit", vcov=cs.Robust("HC0"), clusters=("own", "a"))
    close(result.with_vcov(cs.Cluster("own", "none")).vcov, result.vcov)
    close(
        result.with_vcov(cs.TwoWay("a", "own", "none")).vcov,
        result.with_vcov(cs.Cluster("a", "none")).vcov,
    )
    n, k = result.fit.design.n, 1 + rows["unit"].nunique()
    close(result.with_vcov(cs.Robust("HC1")).vcov, result.vcov * n / (n - k))
    assert result.with_vcov(cs.Robust("HC1")).choice.df == n - k


COMBINATIONS = {"sum": {"x": 1.0, "z": 1.0}, "far": {"x": -2.0}}


def test_lincom_by_hand() -> None:
    result = RESULTS["linear_model"]
    matrix = np.array([[1.0, 1.0], [-2.0, 0.0]])
    found = result.lincom(COMBINATIONS)
    assert found.names == ("sum", "far")
    close(found.coef, matrix @ result.coef)
    close(found.vcov, matrix @ result.vcov @ matrix.T)
    assert list(found.tidy().columns) == TIDY
    close(found.tidy()["p_value"].iloc[1], result.tidy()["p_value"].iloc[0])
    assert (found.choice.label, found.choice.df) == (result.choice.label, result.choice.df)


@pytest.mark.parametrize(
    "choice",
    [
        cs.Classical(),
        cs.Robust("HC1"),
        cs.Cluster("a", "full"),
        cs.Cluster("b"),
        cs.TwoWay("a", "b"),
    ],
    ids=str,
)
def test_lincom_and_with_vcov_commute(choice: object) -> None:
    """The degrees of freedom are the model's, not those of the two combinations."""
    result = RESULTS["linear_model"]
    first = result.lincom(COMBINATIONS).with_vcov(choice)
    second = result.with_vcov(choice).lincom(COMBINATIONS)
    close(first.vcov, second.vcov)
    same_frame(first.tidy(), second.tidy())
    same_frame(first.glance(), second.glance())
    one = first.lincom({"d": {"sum": 1, "far": 1}})
    other = second.lincom({"d": {"sum": 1, "far": 1}}).with_vcov(choice)
    same_frame(one.tidy(), other.tidy())


def test_lincom_of_cox_keeps_its_scale() -> None:
    result = RESULTS["cox"].lincom({"twice": {"x": 2}})
    assert result.description.kind == "hazard"
    close(result.tidy(exponentiate=True)["estimate"], np.exp(2 * RESULTS["cox"].coef[0]))


def test_difference_of_a_curve_between_two_times() -> None:
    """Greenwood's covariance is that of the earlier time, and none between groups."""
    rows = example_rows()
    curve = cs.kaplan_meier(rows, by=("b",), weights="w", **SURVIVAL)
    keys, s = curve.keys, curve.coef
    growth = np.zeros(s.size)
    for group, part in keys.groupby("group"):
        y, d = part["n_at_risk"], part["n_events"]
        growth[keys["group"] == group] = (d / (y * (y - d))).cumsum()
    hazard = cs.nelson_aalen(rows, by=("b",), weights="w", **SURVIVAL)
    steps = (keys["n_events"] / keys["n_at_risk"] ** 2).groupby(keys["group"]).cumsum()
    for i in np.flatnonzero(s > 0):
        for j in np.flatnonzero(s > 0):
            together = keys["group"].iloc[i] == keys["group"].iloc[j]
            first = min(i, j)
            expected = s[i] * s[j] * growth[first] if together else 0.0
            close(curve.vcov[i, j], expected)
            close(hazard.vcov[i, j], steps.iloc[first] if together else 0.0)


def test_wald_test_by_hand() -> None:
    linear, cox = RESULTS["linear_model"], RESULTS["cox"]
    f = linear.coef @ np.linalg.inv(linear.vcov) @ linear.coef / 2
    found = linear.wald_test()
    close(found.statistic, f)
    close(found.p_value, stats.f.sf(f, 2, 8))
    assert (found.df_num, found.df_denom) == (2, 8)
    assert stats.f.sf(f, 2, 8) < 0.0005
    assert str(found) == f"F(2, 8) = {f:.3f}, p < 0.001"
    assert str(replace(found, p_value=0.0005)).endswith(", p = 0.001")
    chi2 = cox.coef @ np.linalg.inv(cox.vcov) @ cox.coef
    found = cox.wald_test(["z", "x"])
    close(found.statistic, chi2 / 2)
    close(found.p_value, stats.chi2.sf(chi2, 2))
    assert str(found).startswith("F(2, inf)")
    single = linear.wald_test(["z"])
    close(single.statistic, linear.tidy()["statistic"].iloc[1] ** 2)
    close(single.p_value, linear.tidy()["p_value"].iloc[1])


def test_wald_test_is_nan_where_it_is_not_defined() -> None:
    result = RESULTS["linear_model"]
    repeated = result.lincom({"one": {"x": 1}, "two": {"x": 2}}).wald_test()
    assert np.isnan([repeated.statistic, repeated.p_value]).all()
    assert repeated.df_num == 2
    rows = example_rows()
    rows["half"] = rows["a"] % 2
    few = cs.linear_model(rows, "y ~ x + z + w", vcov=cs.Cluster("half"))
    assert np.isnan(few.wald_test().p_value)
    assert np.isfinite(few.wald_test(["x"]).p_value)
    assert np.isnan(result.wald_test([]).statistic)


def test_exponentiate_by_hand() -> None:
    plain, ratios = RESULTS["cox"].tidy(), RESULTS["cox"].tidy(exponentiate=True)
    for column in ("estimate", "conf_low", "conf_high"):
        close(ratios[column], np.exp(plain[column]))
    close(ratios["std_error"], plain["std_error"] * np.exp(plain["estimate"]))
    for column in ("statistic", "p_value", "df"):
        close(ratios[column], plain[column])
    with pytest.raises(SpecError, match="no ratios"):
        RESULTS["kaplan_meier"].tidy(exponentiate=True)


@every_result
def test_save_and_load(name: str, tmp_path: Path) -> None:
    result = RESULTS[name]
    for saved in (result, result.lincom({"twice": {result.names[0]: 2}})):
        where = saved.save(tmp_path / "deep" / "er")
        assert {f.suffix for f in where.iterdir()} <= {".json", ".parquet"}
        loaded = cs.Result.load(where)
        same_frame(loaded.tidy(), saved.tidy(), exact=True)
        same_frame(loaded.glance(), saved.glance(), exact=True)
        np.testing.assert_array_equal(loaded.vcov, saved.vcov)
        assert loaded.summary() == saved.summary()
        assert loaded.ledger == saved.ledger
        assert loaded.provenance == saved.provenance
        assert loaded.description == saved.description
        assert set(loaded.frames) == set(saved.frames)
        for key, frame in saved.frames.items():
            same_frame(loaded.frames[key], frame, exact=True)
        first = {"half": {saved.names[0]: 0.5}}
        same_frame(loaded.lincom(first).tidy(), saved.lincom(first).tidy(), exact=True)
        assert loaded.fit is None


def test_a_loaded_result_has_no_rows(tmp_path: Path) -> None:
    loaded = cs.Result.load(RESULTS["linear_model"].save(tmp_path))
    with pytest.raises(SpecError, match="has no rows"):
        loaded.with_vcov(cs.Classical())
    with pytest.raises(SpecError, match="has no rows"):
        loaded.augment()


def test_what_is_no_result_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unreadable_result"):
        cs.Result.load(tmp_path / "nowhere")
    (tmp_path / "result.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="save it again"):
        cs.Result.load(tmp_path)


def test_a_result_is_not_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RESULTS["cox"].coef = np.zeros(2)


def test_provenance_names_versions() -> None:
    made = RESULTS["cox"].provenance
    assert made["numpy"] == np.__version__
    assert made["churnstats"] == cs.__version__
    assert {"python", "system", "machine", "n_cpus", "pandas", "scipy"} <= set(made)
