"""Dynamic two-way fixed effects against R fixest, with each of its small-sample rules.

``event_panel_expected.csv`` was made by scripts/event_panel.R. Tolerance:
1e-7 relative in estimate and error (seen: 7e-13 and 7e-14).
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.absorbing import Absorbing
from churnstats.estimators.two_way import DynamicTwoWay
from support import REFERENCE_DATA, dummies

EXPECTED = pd.read_csv(REFERENCE_DATA / "event_panel_expected.csv")
TWO_WAY = EXPECTED[EXPECTED["estimator"].str.startswith("twfe dynamic")]
TOLERANCE = 1e-7
BINNED = DynamicTwoWay(pre=4, post=4)


@cache
def panel(shape: str) -> Absorbing:
    rows = pd.read_csv(REFERENCE_DATA / f"event_panel_{shape}.csv")
    return Absorbing.from_frame(rows, unit="unit", time="year", cohort="first_change")


def choice_of(options: str) -> cs.Cluster | cs.TwoWay:
    if "two-way cluster" in options:
        return cs.TwoWay("unit_id", "school_year_end")
    by = "unit_id" if "cluster=unit" in options else "district"
    return cs.Cluster(by, "full" if "fixef.K=full" in options else None)


def term_of(key: str) -> str:
    return f"k={int(key.removeprefix('et::')):+d}" if key.startswith("et::") else key


CASES = sorted(set(TWO_WAY[["estimator", "options"]].itertuples(index=False, name=None)))


@pytest.mark.parametrize(("estimator", "options"), CASES)
def test_path_and_covariate_equal_fixest(estimator: str, options: str) -> None:
    result = cs.event_study(
        panel(options.split()[0]),
        BINNED,
        "y",
        covariates="z",
        effects=("district^school_year_end",) if "district-year" in estimator else (),
        weights="w" if "weighted=1" in options else None,
        vcov=choice_of(options),
    )
    table = result.tidy().set_index("term")
    expected = TWO_WAY[(TWO_WAY["estimator"] == estimator) & (TWO_WAY["options"] == options)]
    found = table.loc[expected["key"].map(term_of)]
    assert len(expected) == len(table) == 9
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=TOLERANCE)
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=TOLERANCE)


def test_without_bins_each_event_time_has_its_dummy() -> None:
    result = cs.event_study(panel("balanced"), DynamicTwoWay(base=-2), "y")
    frame = panel("balanced").frame
    k = (frame["school_year_end"] - frame["cohort"]).to_numpy(dtype=float, na_value=np.nan)
    path = [t for t in range(-7, 7) if t != -2]
    effects = [pd.factorize(frame[c])[0] for c in ("unit_id", "school_year_end")]
    x = np.column_stack([k[:, None] == path, *(dummies(c) for c in effects)]).astype(float)
    coef = np.linalg.lstsq(x, frame["y"].to_numpy(), rcond=None)[0][: len(path)]
    np.testing.assert_allclose(result.coef, coef, rtol=1e-9)
    assert result.keys["event_time"].tolist() == path
    events = frame.drop_duplicates("unit_id")["cohort"].value_counts()
    expected = [sum(n for g, n in events.items() if 1 <= g + t <= 10) for t in path]
    assert result.keys["n_events"].tolist() == expected


def changing_only() -> Absorbing:
    frame = panel("balanced").frame.dropna(subset="cohort").rename(columns={"cohort": "first"})
    return Absorbing.from_frame(frame, unit="unit_id", time="school_year_end", cohort="first")


def test_two_trends_that_no_control_tells_apart_are_refused() -> None:
    with pytest.raises(IdentificationError, match="a trend in event time is not identified"):
        cs.event_study(changing_only(), DynamicTwoWay(), "y")
    binned = cs.event_study(changing_only(), DynamicTwoWay(pre=3, post=3), "y")
    assert np.isfinite(binned.coef).all()


def test_wrong_choices_are_listed_together() -> None:
    with pytest.raises(SpecError) as caught:
        DynamicTwoWay(pre=0, post=-1, base=1)
    assert len(caught.value.where) == 3
    with pytest.raises(IdentificationError, match="no unit is seen at event time -9"):
        cs.event_study(panel("balanced"), DynamicTwoWay(base=-9), "y")
    with pytest.raises(SpecError, match=r"it can't take DataFrame"):
        cs.event_study(panel("balanced").frame, DynamicTwoWay(), "y")
