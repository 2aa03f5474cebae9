"""What event studies of a first change say when their data are awkward."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import churnstats as cs

COHORTS = {"a": 2012, "b": 2012, "c": 2014, "d": 2014, "e": 0, "f": 0}
DESIGNS = (cs.CallawaySantAnna(), cs.SunAbraham(), cs.ExtendedTwoWay(), cs.Imputation(pre=0))


def rows(**cohorts: int) -> pd.DataFrame:
    made = pd.DataFrame(
        [
            (unit, year, first)
            for unit, first in (COHORTS | cohorts).items()
            for year in range(2010, 2016)
        ],
        columns=["unit", "year", "first"],
    )
    return made.assign(y=np.random.default_rng(5).normal(size=len(made)))


def absorbing(data: pd.DataFrame) -> cs.Absorbing:
    return cs.Absorbing.from_frame(data, unit="unit", time="year", cohort="first")


@pytest.mark.parametrize("design", [cs.DistributedLags(), cs.LocalProjections()], ids=repr)
@pytest.mark.parametrize("data", [absorbing(rows()), rows()], ids=["Absorbing", "DataFrame"])
def test_designs_of_changes_that_recur_refuse_other_data_than_a_panel(
    design: cs.DistributedLags, data: cs.Absorbing | pd.DataFrame
) -> None:
    with pytest.raises(cs.SpecError, match=f"can't take {type(data).__name__}") as caught:
        cs.event_study(data, design, "y")  # type: ignore[arg-type]
    assert "Panel.build" in str(caught.value)


def test_callaway_santanna_say_that_nobody_is_treated_and_not_that_years_are_missing() -> None:
    late = rows(a=0, b=0, c=2020, d=0)
    with pytest.raises(
        cs.IdentificationError, match="no unit is treated in the years 2010 to 2015"
    ):
        cs.event_study(absorbing(late), cs.CallawaySantAnna(), "y")


def test_callaway_santanna_name_the_event_times_when_first_and_last_leave_none() -> None:
    with pytest.raises(cs.IdentificationError, match="the event times are -4 to \\+3"):
        cs.event_study(absorbing(rows()), cs.CallawaySantAnna(first=20), "y")


@pytest.mark.parametrize("design", DESIGNS, ids=repr)
def test_units_that_are_seen_only_before_their_change_are_no_events(design: object) -> None:
    study = cs.event_study(absorbing(rows(e=2016, f=2030, g=0)), design, "y")  # type: ignore[arg-type]
    counts = study.glance().iloc[0]
    assert (counts["n_events"], counts["n_cohorts"]) == (4, 2)
    assert study.keys["n_events"].max() == 4
    if isinstance(design, (cs.ExtendedTwoWay, cs.Imputation)):
        assert counts["n_units_seen_only_before_their_change"] == 2
        assert counts["n_units_that_never_change"] == 1


def test_sun_abraham_compare_with_units_that_change_after_the_last_year() -> None:
    made = rows()
    later = made.assign(first=made["first"].replace(0, 2016))
    later.loc[later["unit"] == "f", "first"] = 2030
    never, after = (cs.event_study(absorbing(d), cs.SunAbraham(), "y") for d in (made, later))
    assert never.names == after.names
    np.testing.assert_array_equal(never.coef, after.coef)
    np.testing.assert_array_equal(never.vcov, after.vcov)


@pytest.mark.parametrize("design", DESIGNS[:3], ids=repr)
def test_effects_of_one_unit_each_are_counted_in_a_note(design: object) -> None:
    note = "effects by cohort and year are of one unit each"
    alone = absorbing(rows(d=2013))
    n = {"CallawaySantAnna": 10, "SunAbraham": 10, "ExtendedTwoWay": 5}[type(design).__name__]
    text = cs.event_study(alone, design, "y").summary()  # type: ignore[arg-type]
    assert f"{n} {note}" in text
    assert note not in cs.event_study(absorbing(rows()), design, "y").summary()  # type: ignore[arg-type]


@pytest.mark.parametrize("design", DESIGNS, ids=repr)
def test_units_that_leave_the_data_before_their_change_are_no_events(design: object) -> None:
    made = rows()
    left = made[(made["unit"] != "c") | (made["year"] < 2013)]
    counts = cs.event_study(absorbing(left), design, "y").glance().iloc[0]  # type: ignore[arg-type]
    assert (counts["n_events"], counts["n_units_seen_only_before_their_change"]) == (3, 1)


def test_bacon_decomposition_refuses_a_frame_by_name() -> None:
    with pytest.raises(cs.SpecError, match="can't take DataFrame"):
        cs.bacon_decomposition(rows(), "y")  # type: ignore[arg-type]


def test_two_way_weights_say_that_weights_are_zero_and_not_that_nobody_is_treated() -> None:
    with pytest.raises(cs.SpecError, match="36 without weight"):
        cs.two_way_weights(absorbing(rows().assign(w=0.0)), outcome="y", weights="w")


def test_effects_by_cohort_and_year_are_a_path_for_each_cohort() -> None:
    design = cs.CallawaySantAnna(aggregate="att_gt")
    study = cs.event_study(absorbing(rows()), design, "y")
    assert study.keys["series"].tolist() == ["cohort 2012"] * 5 + ["cohort 2014"] * 5
    assert study.frames["pooled"]["span"].tolist() == [
        "short run (0 to +2), cohort 2012",
        "short run (0 to +2), cohort 2014",
        "long run (+3 on), cohort 2012",
    ]
    mean = study.coef[study.names.index("g=2014 t=2014") :].mean()
    assert study.frames["pooled"]["estimate"][1] == pytest.approx(mean, rel=1e-12)


def test_callaway_santanna_say_that_leads_hold_anticipation() -> None:
    data, words = absorbing(rows()), "Treated from event time -1 on"
    for years, told in ((0, False), (1, True)):
        design = cs.CallawaySantAnna(anticipation=years)
        assert (words in cs.event_study(data, design, "y").summary()) is told


def test_dynamic_two_way_count_units_that_are_seen_only_from_their_change_on() -> None:
    words = "units are seen only from their change on"
    assert words not in cs.event_study(absorbing(rows()), cs.DynamicTwoWay(), "y").summary()
    early = absorbing(rows(g=2010, h=2010))
    assert f"2 {words}" in cs.event_study(early, cs.DynamicTwoWay(), "y").summary()


def test_stacked_windows_refuse_other_data_than_a_panel() -> None:
    with pytest.raises(cs.SpecError, match="takes every change of a unit; it can't take DataFrame"):
        cs.event_study(pd.DataFrame({"y": [1.0]}), cs.Stacked(), "y")
