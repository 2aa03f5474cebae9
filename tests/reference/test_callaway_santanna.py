"""Callaway and Sant'Anna against R's did 2.5.1, and against every comparison written out.

1,920 rows of ``event_panel_expected.csv`` (see tests/reference/data): estimates and analytical
errors to 1e-7. One kind of row differs in its error: doubly robust of unbalanced panels with a
covariate. There did adds the influence of the pre-period regression where the derivative of the
estimate subtracts it (both are the same in expectation if the propensity is right). Ours is the
derivative, as the Fit contract asserts; with that one sign turned, did's errors come out to 1e-7.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.callaway_santanna import CallawaySantAnna
from churnstats.numerics import two_period
from support import REFERENCE_DATA

MPDTA = Path(__file__).parents[2] / ".." / "shared" / "data" / "benchmarks" / "mpdta.csv"
TOLERANCE = 1e-7
CONTROLS = {"nevertreated": "never", "notyettreated": "not_yet"}
PREFIX = {"group": "g=", "calendar": "t="}


@cache
def panel(name: str) -> Absorbing:
    frame = pd.read_csv(REFERENCE_DATA / f"event_panel_{name}.csv")
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first_change")


@cache
def expected() -> pd.DataFrame:
    frame = pd.read_csv(REFERENCE_DATA / "event_panel_expected.csv")
    frame = frame[frame["estimator"].str.startswith("callaway_santanna")]
    return frame.assign(aggregate=frame["estimator"].str.split().str[1])


OPTIONS = sorted(set(expected()["options"]))


def term(aggregate: str, key: str) -> str:
    if aggregate == "dynamic" and key != "overall":
        return f"k={int(key):+d}"
    return key if key == "overall" else PREFIX.get(aggregate, "") + key


def found(options: str, aggregate: str) -> pd.DataFrame:
    name, *parts = options.split()
    o = dict(part.split("=") for part in parts)
    design = CallawaySantAnna(
        CONTROLS[o["control"]], o["method"], int(o["anticipation"]), o["base"], aggregate
    )
    covariates = "x" if o["covariate"] == "1" else ""
    result = cs.event_study(panel(name), design, "y", covariates=covariates, vcov=cs.Robust("HC0"))
    return result.tidy().set_index("term")


def has_turned_sign(options: str) -> bool:
    return "unbalanced" in options and "method=dr covariate=1" in options


def compare(options: str) -> pd.DataFrame:
    """Return expected and found figures side by side, without the base years."""
    parts = []
    for aggregate, rows in expected()[expected()["options"] == options].groupby("aggregate"):
        names = [term(aggregate, key) for key in rows["key"]]
        ours = found(options, aggregate)
        rows = rows.set_index(pd.Index(names))
        base = rows.index.difference(ours.index)
        assert (rows.loc[base, "estimate"] == 0).all()
        assert rows.loc[base, "std_error"].isna().all()
        assert set(ours.index) == set(rows.index) - set(base)
        parts.append(rows.join(ours[["estimate", "std_error"]].add_suffix("_ours"), how="inner"))
    return pd.concat(parts)


@pytest.mark.parametrize("options", OPTIONS)
def test_estimates_and_errors_equal_did(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_turned_sign(options):
        monkeypatch.setattr(two_period, "_one_period", _with_turned_sign())
    both = compare(options)
    np.testing.assert_allclose(both["estimate_ours"], both["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(both["std_error_ours"], both["std_error"], rtol=TOLERANCE)


def _with_turned_sign():
    """Return `_one_period` with the sign that did gives to the regression before treatment."""
    original = two_period._one_period

    def one_period(method, y, x, treated, period, w, odds, score, calls=[0]):  # noqa: B006
        mean, psi = original(method, y, x, treated, period, w, odds, score)
        calls[0] += 1
        if calls[0] % 2 == 1:  # the period after
            return mean, psi
        now, controls = w * treated * period, w * ~treated * period
        _, rows = two_period.regression(y, x, controls)
        u = controls * odds
        return mean, psi + 2 * rows @ (now @ x / now.sum() - u @ x / u.sum())

    return one_period


def test_the_other_sign_moves_errors_by_less_than_a_hundredth() -> None:
    options = [o for o in OPTIONS if has_turned_sign(o)]
    assert len(options) == 4
    both = compare(options[0])
    np.testing.assert_allclose(both["estimate_ours"], both["estimate"], rtol=TOLERANCE)
    apart = (both["std_error_ours"] / both["std_error"] - 1).abs()
    assert TOLERANCE < apart.max() < 0.01


def test_every_row_of_the_reference_is_compared() -> None:
    counts = expected().groupby("aggregate").size().to_dict()
    assert counts == {"att_gt": 1200, "calendar": 192, "dynamic": 360, "group": 144, "simple": 24}


def test_clusters_without_correction_are_the_errors_of_did() -> None:
    study = cs.event_study(panel("unbalanced"), CallawaySantAnna(), "y", vcov=cs.Robust("HC0"))
    none = study.with_vcov(cs.Cluster("unit_id", small_sample="none"))
    np.testing.assert_allclose(none.vcov, study.vcov, rtol=1e-12)
    default = study.with_vcov(cs.Cluster("unit_id"))
    np.testing.assert_allclose(default.vcov, study.vcov * 400 / 399, rtol=1e-12)


def brute(frame: pd.DataFrame, g: int, t: int, b: int, pool: pd.Series, weight: str) -> float:
    """Return the difference of mean changes from b to t, by pandas."""
    wide = frame.pivot(index="unit", columns="year", values="y")
    change = wide[t] - wide[b]
    w = frame.groupby("unit")[weight].first()
    own = frame.groupby("unit")["first_change"].first() == g
    return np.average(change[own], weights=w[own]) - np.average(change[pool], weights=w[pool])


def test_varying_base_and_weights_equal_every_comparison_written_out() -> None:
    frame = panel("balanced").frame.rename(columns={"unit_id": "unit", "school_year_end": "year"})
    frame = frame.assign(first_change=frame["cohort"].fillna(99).astype(int))
    first = frame.groupby("unit")["first_change"].first()
    data = panel("balanced")
    design = CallawaySantAnna("not_yet", base="varying", anticipation=1, aggregate="att_gt")
    study = cs.event_study(data, design, "y", weights="w", vcov=cs.Robust("HC0"))
    table = study.tidy()
    assert len(table) == sum(9 for g in (4, 5, 6, 7, 8))
    for _, row in table.iterrows():
        g, t = int(row["cohort"]), int(row["school_year_end"])
        b = g - 2 if t >= g - 1 else t - 1
        pool = (first > max(t, b) + 1) & (first != g)
        assert row["estimate"] == pytest.approx(brute(frame, g, t, b, pool, "w"), rel=1e-9)


def test_balanced_means_hold_only_cohorts_that_are_seen_so_long() -> None:
    cells = cs.event_study(panel("balanced"), CallawaySantAnna(aggregate="att_gt"), "y").tidy()
    study = cs.event_study(panel("balanced"), CallawaySantAnna(balance=3), "y").tidy()
    sizes = panel("balanced").fates.groupby("cohort").size()
    assert study["event_time"].dropna().tolist() == [-6, -5, -4, -3, -2, 0, 1, 2, 3]
    for k in (0, 3):
        part = cells[(cells["event_time"] == k) & (cells["cohort"] <= 7)]
        by_hand = np.average(part["estimate"], weights=sizes.loc[part["cohort"]].astype(float))
        row = study[study["event_time"] == k]
        assert row["estimate"].item() == pytest.approx(by_hand, rel=1e-12)
        assert row["n_events"].item() == sizes.loc[[4, 5, 6, 7]].sum()


def test_first_and_last_event_times_cut_the_overall_mean() -> None:
    whole = cs.event_study(panel("balanced"), CallawaySantAnna(), "y")
    part = cs.event_study(panel("balanced"), CallawaySantAnna(first=-2, last=1), "y")
    assert part.names == ("k=-2", "k=+0", "k=+1", "overall")
    effect = whole.tidy().set_index("term")["estimate"]
    np.testing.assert_allclose(part.coef[:3], effect[list(part.names[:3])], rtol=1e-12)
    assert part.coef[3] == pytest.approx((effect["k=+0"] + effect["k=+1"]) / 2, rel=1e-12)
    assert part.frames["base"]["event_time"].tolist() == [-1]


def test_without_never_treated_the_last_cohort_is_the_control_until_it_is_treated() -> None:
    frame = panel("balanced").frame.dropna(subset="cohort")
    data = Absorbing.from_frame(
        frame[["unit_id", "school_year_end", "cohort", "y"]].rename(
            columns={"unit_id": "u", "school_year_end": "s", "cohort": "g"}
        ),
        unit="u",
        time="s",
        cohort="g",
    )
    with pytest.raises(IdentificationError, match="no_controls"):
        cs.event_study(data, CallawaySantAnna(), "y")
    study = cs.event_study(data, CallawaySantAnna("not_yet", aggregate="att_gt"), "y")
    table = study.frames["att_gt"]
    lost = table[table["reason"] != ""]
    assert set(lost["reason"]) == {"no controls left"}
    # cohort 8 never has controls; the others none from year 8 on
    assert ((lost["cohort"] == 8) | (lost["school_year_end"] >= 8)).all()
    assert len(lost) == 9 + 4 * 3
    assert any("21 cohort-years without an effect: no controls left." in n for n in notes(study))


def notes(study: cs.Result) -> tuple[str, ...]:
    return study.description.notes


def test_what_cannot_be_had_is_refused_by_name() -> None:
    whole = panel("balanced")
    more = whole.frame.assign(moving=whole.frame["school_year_end"], one=1, nothing=0)
    data = replace(whole, frame=more)
    with pytest.raises(SpecError, match="CallawaySantAnna can't do") as caught:
        cs.event_study(data, CallawaySantAnna(), "y", effects=("district^school_year_end",))
    assert "effects" in str(caught.value)
    with pytest.raises(SpecError, match="the same in all years of a unit"):
        cs.event_study(data, CallawaySantAnna(), "y", weights="moving", vcov=cs.Robust("HC0"))
    one = cs.event_study(data, CallawaySantAnna(), "y", clusters=("one",))
    with pytest.raises(IdentificationError, match="only one cluster"):
        one.with_vcov(cs.Cluster("one"))
    with pytest.raises(SpecError, match="weight zero"):
        cs.event_study(data, CallawaySantAnna(), "y", weights="nothing")
    with pytest.raises(IdentificationError, match="before its treatment and anticipation"):
        cs.event_study(data, CallawaySantAnna(anticipation=9), "y")
    with pytest.raises(SpecError) as caught:
        CallawaySantAnna("all", "ols", -1, "first", "mean", 2, 3, 1)
    assert len(caught.value.where) == 7


@pytest.mark.skipif(not MPDTA.exists(), reason="the shared data are not here")
def test_published_minimum_wage_effects() -> None:
    """The example of the did package: county teen employment, never treated, no covariates."""
    frame = pd.read_csv(MPDTA, dtype={"countyreal": str})
    data = Absorbing.from_frame(frame, unit="countyreal", time="year", cohort="first.treat")

    def estimates(aggregate: str) -> list[float]:
        design = CallawaySantAnna(base="varying", aggregate=aggregate)
        table = cs.event_study(data, design, "lemp").tidy()
        if aggregate == "att_gt":
            table = table[table["event_time"] >= 0]
        return table["estimate"].round(4).tolist()

    effects = [-0.0105, -0.0704, -0.1373, -0.1008, -0.0046, -0.0412, -0.0261]
    assert estimates("att_gt") == effects
    path = [0.0305, -0.0006, -0.0245, -0.0199, -0.0510, -0.1373, -0.1008]
    assert estimates("dynamic") == [*path, -0.0772]


def changed(data: Absorbing, **columns: object) -> Absorbing:
    return replace(data, frame=data.frame.assign(**columns))


def test_units_treated_in_the_first_year_are_left_out_and_counted() -> None:
    whole = panel("balanced")
    late = whole.frame[whole.frame["school_year_end"] >= 4]
    design = CallawaySantAnna("not_yet", anticipation=1)
    study = cs.event_study(replace(whole, frame=late), design, "y")
    assert study.ledger.steps[-1].lost == {
        "treated in the first year": 52,
        "without a year before anticipation": 63,
    }
    assert study.glance()["n_units_left_out"].item() == 115
    rest = late[late["cohort"].fillna(99) > 5]
    alone = cs.event_study(replace(whole, frame=rest), design, "y")
    np.testing.assert_array_equal(study.coef, alone.coef)
    np.testing.assert_array_equal(study.vcov, alone.vcov)
    first_year = late[late["cohort"] == 4]
    with pytest.raises(IdentificationError, match="no unit has a year before") as caught:
        cs.event_study(replace(whole, frame=first_year), design, "y")
    assert caught.value.where == ("52 treated in the first year",)


def test_covariates_that_cannot_be_compared_are_refused_with_the_reason() -> None:
    data = panel("balanced")
    frame = data.frame
    twice = changed(data, x2=2 * frame["x"])
    with pytest.raises(IdentificationError, match="no cohort and year") as caught:
        cs.event_study(twice, CallawaySantAnna(), "y", covariates="x + x2")
    assert caught.value.where == ("45 cells: covariates are collinear",)
    told = changed(data, told=frame["cohort"].notna().astype(float) + frame["x"] / 100)
    with pytest.raises(IdentificationError, match="no cohort and year") as caught:
        cs.event_study(told, CallawaySantAnna(), "y", covariates="told")
    assert caught.value.where == ("45 cells: covariates tell treated from controls",)


def test_covariates_count_in_the_base_year() -> None:
    """What a covariate is in other years moves nothing; in a base year it does."""
    data = panel("balanced")
    x, year = data.frame["x"], data.frame["school_year_end"]
    design = CallawaySantAnna(first=0)
    study = cs.event_study(data, design, "y", covariates="x")
    other = changed(data, x=x.where(year.between(3, 7), x**2 + year))
    same = cs.event_study(other, design, "y", covariates="x")
    np.testing.assert_array_equal(same.coef, study.coef)
    moved = changed(data, x=x.where(year != 3, x**2 + year))
    third = cs.event_study(moved, design, "y", covariates="x")
    assert np.abs(third.coef - study.coef).max() > 1e-4


def test_events_are_the_treated_units_that_are_seen_in_the_years_of_a_mean() -> None:
    frame = panel("unbalanced").frame
    study = cs.event_study(panel("unbalanced"), CallawaySantAnna(aggregate="group"), "y")
    after = frame[frame["school_year_end"] >= frame["cohort"]]
    by_hand = after.groupby("cohort")["unit_id"].nunique().tolist()
    assert study.keys["n_events"].tolist() == [*by_hand, sum(by_hand)]
    study = cs.event_study(panel("unbalanced"), CallawaySantAnna(), "y")
    time = (frame["school_year_end"] - frame["cohort"])[lambda k: k != -1].dropna()
    counts = time.value_counts().sort_index().tolist()
    assert study.keys["n_events"].tolist() == [*counts, sum(by_hand)]
