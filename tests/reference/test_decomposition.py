"""Decompositions of two-way fixed effects: brute-force regressions on every comparison."""

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.diagnostics.decomposition import bacon_decomposition, two_way_weights
from support import REFERENCE_DATA, dummies

YEARS = np.arange(2010, 2017)


def rows(cohorts, seed=1):
    """Return a balanced frame of units with these cohorts, effects growing by cohort."""
    rng = np.random.default_rng(seed)
    parts = []
    for i, cohort in enumerate(cohorts):
        since = np.where(cohort > 0, np.maximum(YEARS - cohort + 1, 0), 0)
        y = rng.normal() + 0.1 * (YEARS - 2010) + 0.3 * since * (1 + i % 3)
        parts.append(
            pd.DataFrame(
                {
                    "unit": f"u{i:02d}",
                    "year": YEARS,
                    "first": cohort,
                    "y": y + rng.normal(size=YEARS.size),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def absorbing(frame):
    return Absorbing.from_frame(frame, unit="unit", time="year", cohort="first")


STAGGERED = [2012, 2012, 2014, 2014, 2014, 2015, 0, 0, 0, 2009, 2010, 2030]


def two_way(frame, column="d"):
    """Return coefficient and variation left of a treatment, with all dummies written out."""
    unit, year = (pd.factorize(frame[c])[0] for c in ("unit", "year"))
    effects = np.column_stack([dummies(unit), dummies(year)])
    d = frame[column].to_numpy(dtype=float)
    left = d - effects @ np.linalg.lstsq(effects, d, rcond=None)[0]
    return left @ frame["y"].to_numpy() / (left @ d), left


def test_weights_sum_to_one_and_the_weighted_sum_is_the_two_way_estimate():
    frame = rows(STAGGERED)
    found = bacon_decomposition(absorbing(frame), "y")
    frame["d"] = ((frame["first"] > 0) & (frame["year"] >= frame["first"])).astype(float)
    expected, _ = two_way(frame)
    table = found.frame()
    assert table["weight"].sum() == pytest.approx(1, abs=1e-12)
    assert table["weight"].min() > 0
    assert table["weight"] @ table["estimate"] == pytest.approx(expected, abs=1e-10)
    assert found.estimate == pytest.approx(expected, abs=1e-10)
    kinds = found.by_comparison()
    assert kinds["weight"] @ kinds["estimate"] == pytest.approx(expected, abs=1e-10)


def test_each_comparison_is_a_regression_on_its_rows():
    frame = rows(STAGGERED)
    frame["d"] = ((frame["first"] > 0) & (frame["year"] >= frame["first"])).astype(float)
    _, left = two_way(frame)
    total = len(frame) * (left @ left)
    table = bacon_decomposition(absorbing(frame), "y").frame()
    never = ~frame["first"].between(2009, 2016)
    always = frame["first"].between(1, 2010)
    seen = []
    for row in table.itertuples():
        own = frame["first"] == row.treated_cohort
        if row.comparison == "against never treated":
            other, window = never, frame["year"] > 0
            assert pd.isna(row.control_cohort)
        elif row.comparison == "against always treated":
            other, window = always, frame["year"] > 0
        elif row.comparison == "earlier against not yet treated":
            other = frame["first"] == row.control_cohort
            window = frame["year"] < row.control_cohort
        else:
            other = frame["first"] == row.control_cohort
            window = frame["year"] >= row.control_cohort
        part = frame[(own | other) & window].assign(d=lambda x, own=own: x["d"] * own)
        estimate, left = two_way(part)
        assert row.n_treated == frame.loc[own, "unit"].nunique()
        assert row.n_control == frame.loc[other, "unit"].nunique()
        assert row.estimate == pytest.approx(estimate, abs=1e-10)
        assert row.weight == pytest.approx(len(part) * (left @ left) / total, abs=1e-12)
        seen.append(row.comparison)
    # three cohorts: each against never and always treated, each pair both ways
    assert pd.Series(seen).value_counts().sort_index().tolist() == [3, 3, 3, 3]


def test_only_never_treated_units_leave_one_comparison():
    frame = rows([2013, 2013, 0])
    found = bacon_decomposition(absorbing(frame), "y")
    assert found.frame()["weight"].tolist() == [1.0]
    assert found.frame()["comparison"].tolist() == ["against never treated"]


def test_the_reference_panel_decomposes_to_its_regression():
    panel = pd.read_csv(REFERENCE_DATA / "event_panel_balanced.csv")
    data = Absorbing.from_frame(panel, unit="unit", time="year", cohort="first_change")
    panel["d"] = ((panel["first_change"] > 0) & (panel["year"] >= panel["first_change"])).astype(
        float
    )
    expected = cs.linear_model(panel, "y ~ d | unit + year", vcov=cs.Cluster("unit")).coef[0]
    found = bacon_decomposition(data, "y")
    assert found.frame()["weight"] @ found.frame()["estimate"] == pytest.approx(expected, abs=1e-10)
    weighted = two_way_weights(data, outcome="y")
    assert weighted.estimate == pytest.approx(expected, abs=1e-10)


def recurring(seed=3):
    """Return an unbalanced panel whose treatment comes and goes, effects by row, no noise."""
    rng = np.random.default_rng(seed)
    frame = rows([0] * 9, seed).drop(columns=["first", "y"])
    frame["d"] = rng.choice([0.0, 1.0, 2.0], len(frame), p=[0.5, 0.3, 0.2])
    frame["effect"] = rng.normal(size=len(frame))
    frame["w"] = rng.uniform(0.5, 2, len(frame))
    frame = frame.drop(index=[3, 17, 40])
    unit = pd.factorize(frame["unit"])[0]
    frame["y"] = 2.0 * unit - 0.3 * frame["year"] + frame["effect"] * frame["d"]
    return frame.assign(unit_id=frame["unit"], school_year_end=frame["year"])


def test_the_estimate_is_the_weighted_sum_of_effects_of_a_treatment_that_comes_and_goes():
    frame = recurring()
    found = two_way_weights(frame, "d", outcome="y")
    expected, _ = two_way(frame)
    table = found.frame().merge(frame[["unit_id", "school_year_end", "effect"]])
    assert len(table) == (frame["d"] > 0).sum()
    assert table["weight"].sum() == pytest.approx(1, abs=1e-12)
    assert table["weight"] @ table["effect"] == pytest.approx(expected, abs=1e-10)
    assert found.estimate == pytest.approx(expected, abs=1e-10)


def test_weights_of_rows_enter_as_in_the_weighted_regression():
    frame = recurring()
    found = two_way_weights(frame, "d", outcome="y", weights="w")
    fit = cs.linear_model(frame, "y ~ d | unit + year", weights="w", vcov=cs.Cluster("unit"))
    table = found.frame().merge(frame[["unit_id", "school_year_end", "effect"]])
    assert found.estimate == pytest.approx(fit.coef[0], abs=1e-10)
    assert table["weight"] @ table["effect"] == pytest.approx(fit.coef[0], abs=1e-10)


def test_negative_weights_are_counted_by_hand():
    # one unit treated from year 2, the other from year 3 of 3 (de Chaisemartin and
    # D'Haultfoeuille 2020, section 2): weights 1/2, 1 and -1/2
    frame = pd.DataFrame(
        {
            "unit_id": ["a"] * 3 + ["b"] * 3,
            "school_year_end": [2001, 2002, 2003] * 2,
            "d": [0.0, 0.0, 1.0, 0.0, 1.0, 1.0],
            "y": [0.0, 0.0, 1.0, 0.0, 1.0, 4.0],
        }
    )
    found = two_way_weights(frame, "d", outcome="y")
    assert found.frame()["weight"].tolist() == pytest.approx([0.5, 1.0, -0.5])
    assert found.share_negative == pytest.approx(1 / 3)
    assert found.sum_negative == pytest.approx(-0.5)
    assert found.estimate == pytest.approx(-0.5)  # all effects are positive
    relative = np.array([1.5, 3.0, -1.5])
    assert found.smallest_sd == pytest.approx(0.5 / np.sqrt(((relative - 1) ** 2).mean()))
    assert "33.3% of them" in found.summary()


def test_rows_that_are_lost_are_counted():
    frame = recurring()
    frame.loc[frame.index[:2], "d"] = np.nan
    frame.loc[frame.index[5], "w"] = 0.0
    found = two_way_weights(frame, "d", weights="w")
    step = found.ledger.steps[-1]
    assert step.lost == {"with a missing value": 2, "without weight": 1}
    assert (step.n_in, step.n_out) == (len(frame), len(frame) - 3)
    assert np.isnan(found.estimate)
    assert "missing value" in found.summary()


def test_what_can_not_be_decomposed_is_refused_by_name():
    frame = rows([2012, 2014, 0])
    with pytest.raises(IdentificationError, match="1 of 3 units"):
        bacon_decomposition(absorbing(frame.drop(index=4)), "y")
    with pytest.raises(IdentificationError, match="no two groups"):
        bacon_decomposition(absorbing(rows([2012, 2012])), "y")
    recurs = recurring()
    with pytest.raises(SpecError, match="negative"):
        two_way_weights(recurs.assign(d=-recurs["d"]), "d")
    with pytest.raises(SpecError, match="no such columns"):
        two_way_weights(recurs, "dose")
    with pytest.raises(SpecError, match="name its column"):
        two_way_weights(recurs)
    with pytest.raises(IdentificationError, match="units and years tell"):
        two_way_weights(recurs.assign(d=(recurs["year"] > 2013) * 1.0), "d")
    with pytest.raises(IdentificationError, match="no unit-year is treated"):
        two_way_weights(recurs.assign(d=0.0), "d")
    with pytest.raises(SpecError, match="having changed"):
        two_way_weights(absorbing(frame), "first")


def test_pictures_and_summaries_are_made():
    data = absorbing(rows(STAGGERED))
    for found in (bacon_decomposition(data, "y"), two_way_weights(data, outcome="y")):
        assert len(found.plot().axes) == 1
        assert str(found) == found.summary()
