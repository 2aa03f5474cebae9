"""Data that are awkward but lawful: fine clocks, wide scales, separation in disguise.

Expected values are those of the same question asked in an easy way. Tolerance 1e-8 relative.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import ChurnstatsError, SpecError
from churnstats.numerics.risk_sets import risk_sets
from support import SURVIVAL, example_rows

CLOSE = 1e-8


def daily_rows() -> pd.DataFrame:
    """Return ends of spells on the school-year clock, to the day."""
    days = np.arange(40)
    return pd.DataFrame({"end": 2019.5 + days / 365.25, "left": (days % 3 > 0) * 1})


def test_every_time_of_a_fine_clock_is_a_term_of_its_own(tmp_path: Path) -> None:
    curve = cs.kaplan_meier(daily_rows(), exit="end", event="left")
    assert len(set(curve.names)) == curve.coef.size
    for j in (0, 7):
        one = curve.lincom({"one": {curve.names[j]: 1.0}})
        np.testing.assert_allclose(one.coef, curve.coef[j])
    pd.testing.assert_frame_equal(cs.Result.load(curve.save(tmp_path)).tidy(), curve.tidy())


def test_a_term_may_be_called_coef(tmp_path: Path) -> None:
    rows = example_rows().rename(columns={"x": "coef"})
    result = cs.linear_model(rows, "y ~ coef + z", vcov=cs.Cluster("a"))
    loaded = cs.Result.load(result.save(tmp_path))
    pd.testing.assert_frame_equal(loaded.tidy(), result.tidy())
    np.testing.assert_array_equal(loaded.vcov, result.vcov)


def test_a_group_without_events_stays_at_the_start() -> None:
    rows = example_rows()
    rows.loc[rows["b"] == 2, "event"] = 0
    figure = cs.kaplan_meier(rows, by=("b",), vcov=cs.Classical(), **SURVIVAL).plot()
    named = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert named == [f"b={b}" for b in range(6)]
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == named
    assert set(figure.axes[0].lines[2].get_ydata()) == {1.0}


def scaled(rows: pd.DataFrame, up: float, down: float) -> pd.DataFrame:
    return rows.assign(x=rows["x"] * up, z=rows["z"] * down)


@pytest.mark.parametrize(("up", "down"), [(1e3, 1e-3), (1e8, 1e-4), (1e9, 1e-9)])
def test_units_of_regressors_do_not_matter(up: float, down: float) -> None:
    rows = example_rows()

    def results(frame: pd.DataFrame) -> list[cs.Result]:
        choice = cs.Cluster("a")
        return [
            cs.linear_model(frame, "y ~ x + z | unit", vcov=choice),
            cs.cox(frame, "x + z", vcov=choice, **SURVIVAL),
        ]

    for easy, hard in zip(results(rows), results(scaled(rows, up, down)), strict=True):
        units = np.array([up, down])
        np.testing.assert_allclose(hard.coef * units, easy.coef, rtol=CLOSE)
        np.testing.assert_allclose(hard.tidy()["statistic"], easy.tidy()["statistic"], rtol=CLOSE)
        np.testing.assert_allclose(
            hard.wald_test().statistic, easy.wald_test().statistic, rtol=CLOSE
        )


def wide_rows(spread: float) -> pd.DataFrame:
    """Return survival rows whose linear predictor has a standard deviation of a third of spread."""
    n, rng = 300, np.random.default_rng(2)
    x = rng.normal(size=n)
    risk = np.exp(x * spread / 3)
    ends, censored = rng.exponential(size=n) / risk, rng.exponential(size=n) / np.sqrt(risk)
    return pd.DataFrame(
        {
            "x": x,
            "t": pd.Series(np.minimum(ends, censored)).rank(),
            "e": (ends < censored) * 1,
        }
    )


# by R survival 3.5-3: coefficient, its error, log likelihood
WIDE = {
    15: (4.808477, 0.2982557, -492.0267),
    20: (6.552482, 0.4216118, -443.0303),
    30: (9.748355, 0.6494395, -388.6473),
}


@pytest.mark.parametrize("spread", [15, 20, 30])
def test_wide_linear_predictors_of_cox(spread: int) -> None:
    """A row of great risk that leaves must not blur the sums of those who stay."""
    result = cs.cox(wide_rows(spread), "x", exit="t", event="e", vcov=cs.Classical())
    found = [result.coef[0], result.tidy()["std_error"].iloc[0], result.glance()["loglik"].iloc[0]]
    np.testing.assert_allclose(found, WIDE[spread], rtol=1e-6)


@pytest.mark.parametrize("size", [1e3, 1e9, 1e15])
def test_sums_over_risk_sets_when_the_heavy_leave_first(size: float) -> None:
    rng = np.random.default_rng(1)
    exit_ = np.arange(1.0, 41.0)
    entry = np.where(np.arange(40) > 30, 8.0, 0.0)
    values = rng.uniform(1, 2, 40) * np.where(exit_ <= 6, size, 1.0)
    sets = risk_sets(entry, exit_, np.ones(40, dtype=bool), np.zeros(40, dtype=np.int64))
    expected = [values[(entry < t) & (t <= exit_)].sum() for t in exit_]
    np.testing.assert_allclose(sets.sums(values), expected, rtol=CLOSE)


def test_cox_either_answers_or_says_why() -> None:
    """Two regressors that separate only together, and small samples of all kinds."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n = rng.integers(10, 60)
        rows = pd.DataFrame({"t": rng.integers(1, 6, n), "e": rng.integers(0, 2, n)})
        rows["a"], rows["c"] = rng.normal(size=n), rng.integers(0, 2, n)
        rows["b"] = rows["a"] / 2 + (rows["e"] - 0.5) * rng.choice([5, 1, 0.3])
        rows["b"] += rng.normal(size=n) * rng.choice([0.0, 0.01, 0.1])
        try:
            result = cs.cox(rows, "a + b + c", exit="t", event="e", vcov=cs.Classical())
        except ChurnstatsError as error:
            assert error.code in ("separation", "collinear", "no_events")  # noqa: PT017
        else:
            assert np.isfinite(result.tidy()["std_error"]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda rows: cs.linear_model(rows, "y ~ x", vcov=cs.Cluster("a"), weights="word"),
        lambda rows: cs.kaplan_meier(rows, weights="word", **SURVIVAL),
        lambda rows: cs.cox(rows, "event ~ x", vcov=cs.Cluster("a"), **SURVIVAL),
        lambda rows: cs.linear_model(rows, "y ~ x", vcov=cs.Cluster("a")).lincom({}),
    ],
    ids=["text as weights", "text as weights of a curve", "a response in Cox", "no combination"],
)
def test_slips_are_refused_by_name(call: object) -> None:
    with pytest.raises(SpecError):
        call(example_rows().assign(word="x"))
