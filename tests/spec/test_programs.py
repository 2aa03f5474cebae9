"""Program records by hand: adoptions, re-adoptions, practice, and yearly status rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError, SpecError
from churnstats.records.programs import Programs
from record_tables import assert_shows, table


def programs(text: str, **options: Any) -> Programs:
    """Return the programs of a table; their unit is u and their ids count unless it says."""
    frame = table(text)
    if "unit_id" not in frame.columns:
        frame["unit_id"] = "u"
    if "program_id" not in frame.columns:
        frame["program_id"] = [f"p{i}" for i in range(1, len(frame) + 1)]
    return cs.Programs.from_frame(frame, **options)


def status(text: str, **options: Any) -> Programs:
    """Return the programs of status rows; their unit is u and their program i unless it says."""
    frame = table(text)
    for name, value in (("unit_id", "u"), ("initiative_id", "i")):
        if name not in frame.columns:
            frame[name] = value
    return cs.Programs.from_status(frame, **options)


def counts(made: Programs) -> dict[str, int]:
    found = made.issues.frame()
    return dict(zip(found["rule"], found["n_rows"], strict=True))


def found_by(error: DataError) -> dict[str, int]:
    return {fault.rule: fault.n_rows for fault in error.faults}


def test_a_program_taken_up_again_is_the_second_adoption() -> None:
    made = programs(
        """
        unit_id  initiative_id  start  stop
        u        i              2014   2016
        u        i              2010   2012
        u        j              2011   2020
        v        i              2013   2015
    """
    )
    assert_shows(
        made.frame,
        """
        program_id  unit_id  initiative_id  start  adoption_order
        p2          u        i              2010   1
        p3          u        j              2011   1
        p1          u        i              2014   2
        p4          v        i              2013   1
    """,
    )
    assert counts(made) == {"re_adoption": 1}
    assert made.issues.rows()["row"].tolist() == [1]


def test_without_an_initiative_each_row_is_a_program_of_its_own() -> None:
    made = programs(
        """
        start  stop
        2010   2014
        2011   2013
    """
    )
    assert made.frame["initiative_id"].tolist() == ["p1", "p2"]
    assert made.frame["adoption_order"].tolist() == [1, 1]
    assert made.issues.frame().empty


def test_numbers_that_are_given_hold_and_others_count_on() -> None:
    made = programs(
        """
        initiative_id  start  stop  adoption_order
        i              2010   2012  2
        i              2013   2014  -
        i              2015   2016  5
    """
    )
    assert made.frame["adoption_order"].tolist() == [2, 3, 5]


def test_numbers_that_do_not_grow_are_a_fault() -> None:
    with pytest.raises(DataError) as error:
        programs(
            """
            initiative_id  start  stop  adoption_order
            i              2010   2012  2
            i              2013   2014  2
            j              2010   2012  1.5
            k              2010   2012  3
        """
        )
    assert found_by(error.value) == {"adoption_order": 2}
    assert "p2" in str(error.value)
    assert "p3" in str(error.value)
    assert "p4" not in str(error.value)


def test_a_continuation_or_a_re_adoption_has_no_number() -> None:
    made = programs(
        """
        initiative_id  start  stop  left_censored  right_censored
        i              2010   2012  no             yes
        i              2014   2016  yes            no
        i              2018   2019  no             no
        j              2010   2012  no             yes
        j              2014   2016  no             no
        k              2010   2012  no             no
        k              2014   2016  yes            no
    """
    )
    wanted = {"i": [1, None, None], "j": [1, 2], "k": [1, 2]}
    for initiative, rows in made.frame.groupby("initiative_id"):
        order = [None if pd.isna(n) else int(n) for n in rows["adoption_order"]]
        assert order == wanted[str(initiative)]
    assert counts(made) == {"re_adoption": 2, "adoption_or_continuation": 2}


def test_overlapping_adoptions_are_a_fault_that_names_both_rows() -> None:
    with pytest.raises(DataError) as error:
        programs(
            """
            unit_id  initiative_id  start  stop
            u        i              2010   2016
            u        i              2012   2013
            u        i              2015   2018
            u        i              2018   2019
            v        i              2010   2016
            u        j              2010   2016
        """
        )
    assert found_by(error.value) == {"overlapping_adoptions": 2}
    assert error.value.faults[0].numbers.tolist() == [2, 3]
    assert "row 2: program_id=p2" in str(error.value)
    assert "see row 1" in str(error.value)


def test_practice_may_end_before_or_after_the_program() -> None:
    made = programs(
        """
        start  stop  practice_stop  practice_right_censored  end_reason
        2010   2014  2012           -                        dropped
        2010   2014  2016.5         -                        dropped
        2010   2014  2014           -                        dropped
        2010   2014  2010           -                        dropped
        2010   2014  -              -                        dropped
        2010   2014  -              yes                      dropped
        2010   -     -              yes                      -
    """,
        observed_until=2018.0,
    )
    assert_shows(
        made.spells("practice").sort_values("program_id"),
        """
        program_id  start  stop    right_censored  end_reason
        p1          2010   2012    no              -
        p2          2010   2016.5  no              -
        p3          2010   2014    no              dropped
        p4          2010   2010    no              -
        p5          2010   -       -               -
        p6          2010   2018    yes             -
        p7          2010   2018    yes             -
    """,
    )
    assert made.spells() is made.frame
    assert made.frame["stop"].tolist() == [2014.0] * 6 + [2018.0]
    assert counts(made) == {"no_stop": 1, "practice_outlived_program": 2, "practice_ended_first": 2}


def test_practice_that_cannot_be_is_a_fault() -> None:
    with pytest.raises(DataError) as error:
        programs(
            """
            start  stop  practice_stop  practice_right_censored
            2010   2014  2009           no
            2010   2014  2017           no
        """,
            observed_until=2016.0,
        )
    assert found_by(error.value) == {"practice_before_start": 1, "practice_after_observation": 1}
    with pytest.raises(DataError) as error:
        programs(
            """
            start  stop  practice_right_censored
            2010   2014  yes
        """
        )
    assert found_by(error.value) == {"no_end_of_practice": 1}


def test_a_reason_of_what_has_not_ended_is_listed() -> None:
    made = programs(
        """
        start  stop  right_censored  end_reason
        2010   2014  yes             dropped
        2010   2014  no              dropped
    """
    )
    assert counts(made) == {"reason_without_end": 1}
    assert made.frame["end_reason"].tolist() == ["dropped", "dropped"]


def test_an_unknown_clock_is_refused() -> None:
    made = programs(
        """
        start  stop
        2010   2014
    """
    )
    with pytest.raises(SpecError, match="'formal' or 'practice'"):
        made.spells("wall")  # type: ignore[arg-type]


def test_years_of_a_status_become_a_spell() -> None:
    made = status(
        """
        school_year_end  status     sponsor_id  sponsor_role  partner_id  end_reason
        2010             never      -           -             -           -
        2011             planned    z           head          -           -
        2012             active     a           head          w           -
        2013             suspended  b           aide          -           -
        2014             active     -           -             x           -
        2015             ended      -           -             -           dropped
        2016             active     c           head          -           -
    """
    )
    assert_shows(
        made.frame,
        """
        program_id  unit_id  initiative_id  start  stop  entry  left_censored  right_censored
        u-i-1       u        i              2012   2015  2012   no             no
        u-i-2       u        i              2016   2017  2016   no             yes
    """,
    )
    assert_shows(
        made.frame,
        """
        sponsor_id  sponsor_role  partner_id  end_reason  adoption_order  n_status_rows
        a           head          w           dropped     1               3
        c           head          -           -           2               1
    """,
    )
    assert made.frame["suspended_years"].tolist() == [1, 0]
    assert made.frame["practice_stop"].isna().all()
    assert counts(made) == {"other_sponsor": 1, "other_partner": 1, "re_adoption": 1}
    assert made.issues.rows()["row"].tolist() == [4, 5, 7]
    steps = {step.name: (step.n_in, dict(step.lost), step.n_out) for step in made.ledger.steps}
    assert steps == {
        "rows with a known status": (7, {}, 7),
        "rows of adopted programs": (
            7,
            {"status 'never'": 1, "status 'planned'": 1, "status 'ended'": 1},
            4,
        ),
        "programs": (2, {}, 2),
    }


def test_what_was_active_when_first_seen_has_an_unknown_adoption() -> None:
    made = status(
        """
        unit_id  school_year_end  status
        u        2010             active
        u        2011             ended
        v        2010             suspended
        w        2010             ended
        w        2011             suspended
    """
    )
    assert_shows(
        made.frame,
        """
        unit_id  start  stop  left_censored  right_censored  suspended_years
        u        2010   2011  yes            no              0
        v        2010   2011  yes            yes             1
        w        2011   2012  no             yes             1
    """,
    )
    assert counts(made) == {"suspended_first": 1}


GAP = """
    school_year_end  status
    2009             never
    2010             active
    2011             unknown
    2013             active
    2015             ended
"""


def test_years_without_a_known_status_cut_a_spell() -> None:
    made = status(GAP)
    assert_shows(
        made.frame,
        """
        program_id  start  stop  left_censored  right_censored  adoption_order
        u-i-1       2010   2011  no             yes             1
        u-i-2       2013   2014  yes            yes             -
    """,
    )
    assert counts(made) == {"unknown_status": 1, "gap": 2, "adoption_or_continuation": 1}
    assert made.ledger.steps[0].lost == {"of unknown status": 1}


def test_a_gap_between_years_in_which_it_ran_can_be_bridged() -> None:
    made = status(GAP, max_gap_years=2)
    assert_shows(
        made.frame,
        """
        program_id  start  stop  left_censored  right_censored  adoption_order  n_status_rows
        u-i-1       2010   2014  no             yes             1               2
    """,
    )
    assert counts(made) == {"unknown_status": 1, "gap_bridged": 1, "gap": 1}
    assert len(status(GAP, max_gap_years=1).frame) == 2


@pytest.mark.parametrize(
    ("practised", "stop", "censored", "odd"),
    [
        ("yes yes yes no  no ", 2013, False, {}),
        ("yes yes yes yes no ", 2014, False, {}),
        ("yes yes yes yes yes", 2015, True, {}),
        ("yes no  no  no  no ", 2011, False, {}),
        ("yes no  yes no  -  ", 2013, False, {"practice_paused": 1}),
        ("no  no  yes -   -  ", 2013, True, {"practice_paused": 2}),
        ("no  no  -   -   -  ", 2010, False, {}),
        ("yes -   yes no  no ", 2011, True, {"practice_outside_spell": 1}),
        ("-   yes yes no  no ", None, False, {"practice_outside_spell": 2}),
        ("-   -   -   -   -  ", None, False, {}),
    ],
)
def test_practice_is_followed_beyond_the_formal_end(
    practised: str, stop: float | None, censored: bool, odd: dict[str, int]
) -> None:
    states = ["active", "active", "active", "ended", "ended"]
    rows = zip(range(2010, 2015), states, practised.split(), strict=True)
    body = "\n".join(f"{year} {state} {seen}" for year, state, seen in rows)
    made = status(f"school_year_end status practised\n2009 never -\n{body}")
    (row,) = made.frame.to_dict("records")
    assert (row["start"], row["stop"]) == (2010, 2013)
    assert pd.isna(row["practice_stop"]) if stop is None else row["practice_stop"] == stop
    assert row["practice_right_censored"] is censored
    assert counts(made) == odd


def test_practice_before_adoption_belongs_to_no_spell() -> None:
    made = status(
        """
        school_year_end  status   practised
        2010             planned  yes
        2011             active   yes
        2012             ended    no
        2013             active   yes
        2014             ended    no
    """
    )
    assert_shows(
        made.frame,
        """
        start  practice_stop  practice_right_censored  adoption_order
        2011   2012           no                       1
        2013   2014           no                       2
    """,
    )
    assert counts(made) == {"practice_outside_spell": 1, "re_adoption": 1}


def test_a_bridged_gap_in_practice_leaves_its_end_open() -> None:
    text = """
        school_year_end  status  practised
        2009             never   -
        2010             active  yes
        2011             active  -
        2012             active  no
        2013             ended   no
    """
    assert_shows(
        status(text, max_gap_years=1).frame,
        """
        stop  practice_stop  practice_right_censored
        2013  2011           yes
    """,
    )


def test_faults_of_status_rows() -> None:
    with pytest.raises(DataError) as error:
        status(
            """
            school_year_end  status
            2010             active
            2010             ended
            2011             ended
            2012             never
        """
        )
    assert found_by(error.value) == {"duplicate_key": 1, "never_after_adoption": 1}
    with pytest.raises(DataError) as error:
        cs.Programs.from_status(pd.DataFrame({"unit_id": ["u"]}))
    assert found_by(error.value) == {"missing_column": 0}
    with pytest.raises(SpecError, match="max_gap_years"):
        status(GAP, max_gap_years=-1)


def test_a_status_beside_the_list_is_refused() -> None:
    with pytest.raises(DataError, match="runing"):
        status(
            """
            school_year_end  status
            2010             runing
        """
        )


def test_programs_that_never_were_make_no_spells() -> None:
    made = status(
        """
        school_year_end  status
        2010             never
        2011             planned
    """
    )
    assert made.frame.empty
    assert made.ledger.steps[-1].n_out == 0


def test_a_reason_that_stands_in_no_first_year_after_an_end_is_listed() -> None:
    made = status(
        """
        school_year_end  status   end_reason
        2010             active   -
        2011             active   dropped
        2012             planned  -
        2013             ended    late
    """
    )
    assert made.frame["end_reason"].isna().all()
    assert counts(made) == {"planned_after_running": 1, "reason_without_end": 2}


def test_nothing_but_unknown_years_makes_no_spells() -> None:
    made = status(
        """
        school_year_end  status   practised
        2010             unknown  yes
        2011             unknown  no
    """
    )
    assert made.frame.empty
    assert counts(made) == {"unknown_status": 2, "practice_outside_spell": 1}
    assert made.ledger.steps[0].lost == {"of unknown status": 2}
