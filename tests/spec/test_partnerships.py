"""Partnerships by hand: their spells, their champions, and the programs that they support."""

from __future__ import annotations

from typing import Any

import pytest

import churnstats as cs
from churnstats.core.errors import DataError
from churnstats.records.partnerships import Partnerships
from record_tables import assert_shows, table


def partnerships(text: str, **options: Any) -> Partnerships:
    return Partnerships.from_frame(table(text), **options)


def counts(made: Partnerships) -> dict[str, int]:
    found = made.issues.frame()
    return dict(zip(found["rule"], found["n_rows"], strict=True))


GOOD = """
    partnership_id  unit_id  partner_id  start  stop  champion_id  champion_role  program_id
    w2              v        uni         2012   -     b            head           -
    w1              u        uni         2010   2014  a            head           p1
    w3              u        uni         2015   2018  -            -              p1
"""


def programs(text: str) -> cs.Programs:
    return cs.Programs.from_frame(table(text))


def test_partnerships_are_spells_in_order() -> None:
    made = partnerships(GOOD, observed_until=2020)
    assert_shows(
        made.frame,
        """
        partnership_id  unit_id  partner_id  start  stop  entry  right_censored  champion_id
        w1              u        uni         2010   2014  2010   no              a
        w3              u        uni         2015   2018  2015   no              -
        w2              v        uni         2012   2020  2012   yes             b
    """,
    )
    assert counts(made) == {"no_stop": 1}
    assert made.issues.rows()["row"].tolist() == [1]
    assert made.ledger.steps[0].n_out == 3
    assert made.summary() == (
        "3 partnerships, 2 units, 1 partners, 1 still running, 1 without a champion"
    )


def test_faults_of_partnerships_are_told_at_once() -> None:
    with pytest.raises(DataError) as error:
        partnerships(
            """
            partnership_id  unit_id  partner_id  start  stop  entry
            w1              u        uni         2010   2009  -
            w2              u        uni         2010   2014  2014
            w2              v        uni         2010   2014  -
            w3              u        -           2010   -     -
        """
        )
    found = {fault.rule: fault.numbers.tolist() for fault in error.value.faults}
    assert found == {
        "missing_value": [4],
        "no_end_of_observation": [4],
        "reversed_dates": [1],
        "entry_outside_spell": [2],
        "duplicate_id": [3],
    }
    assert all(fault.table == "partnerships" for fault in error.value.faults)


def test_two_partnerships_with_one_partner_for_one_purpose_are_listed() -> None:
    made = partnerships(
        """
        partnership_id  unit_id  partner_id  start  stop  program_id  end_reason  right_censored
        w1              u        uni         2010   2014  -           -           no
        w2              u        uni         2013   2015  -           funds       yes
        w3              u        uni         2013   2015  p1          funds       no
        w4              u        fund        2013   2015  -           -           no
        w5              u        uni         2015   2016  -           -           no
    """
    )
    assert counts(made) == {"overlapping_partnerships": 1, "reason_without_end": 1}
    assert made.issues.rows()["row"].tolist() == [2, 2]


def test_programs_of_partnerships_must_be_the_units_own() -> None:
    made = partnerships(GOOD, observed_until=2020)
    fine = programs("program_id unit_id start stop\np1 u 2009 2017")
    assert counts(made.check_programs(fine)) == {"no_stop": 1}
    early = programs("program_id unit_id start stop\np1 u 2009 2015")
    checked = made.check_programs(early)
    assert counts(checked) == {"no_stop": 1, "program_at_another_time": 1}
    assert "w3" in checked.issues.entries[-1][0].rows[0]
    assert counts(made) == {"no_stop": 1}
    for text, rule in (
        ("program_id unit_id start stop\np1 v 2009 2017", "program_of_another_unit"),
        ("program_id unit_id start stop\np9 u 2009 2017", "unknown_program"),
    ):
        with pytest.raises(DataError) as error:
            made.check_programs(programs(text))
        assert {f.rule: f.n_rows for f in error.value.faults} == {rule: 2}
        assert "partnership_id=w1" in str(error.value)
