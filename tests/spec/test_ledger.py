"""The ledger of rows: every step adds up, with itself and with the one before."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

import churnstats as cs
from churnstats.core.errors import DataError, Fault
from churnstats.core.provenance import RowLedger
from record_tables import assert_shows, spells

TENURES = """
    unit_id  role  leader_id  start  stop
    1        head  a          2010   2012
    1        head  b          2012   2014
    1        aide  c          2010   2014
    2        head  d          2011   2013
"""
OUTCOMES = pd.DataFrame(
    {
        "unit_id": ["1", "1", "1", "2", "2", "3"],
        "school_year_end": [2010, 2013, 2014, 2010, 2012, 2012],
        "measure": "math",
        "estimate": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    }
)


def test_from_spells_to_the_panel_each_lost_row_has_a_reason() -> None:
    made = cs.Panel.build(
        spells(TENURES), cs.Outcomes.from_frame(OUTCOMES), role="head", unknown_units="drop"
    )
    flow = made.flow().replace({"reason": {"": "none"}})
    for name in ("step", "reason"):
        flow[name] = flow[name].str.replace(" ", "_").str[:19]
    assert_shows(
        flow,
        """
        step                 n_in  n_lost  n_out  reason
        valid_spells         4     0       4      none
        spells_of_role_head  4     1       3      of_other_roles
        panel                6     0       6      none
        valid_outcomes       6     0       6      none
        outcomes_joined_to_  6     1       3      of_units_without_a_
        outcomes_joined_to_  6     2       3      in_years_in_which_n
    """,
    )
    assert_shows(
        made.frame,
        """
        unit_id  school_year_end  math
        1        2010             0.1
        1        2011             -
        1        2012             -
        1        2013             0.2
        2        2011             -
        2        2012             0.5
    """,
    )


def test_outcomes_of_unknown_units_are_a_fault_unless_they_may_be_dropped() -> None:
    with pytest.raises(DataError) as error:
        cs.Panel.build(spells(TENURES), cs.Outcomes.from_frame(OUTCOMES), role="head")
    (fault,) = error.value.faults
    assert (fault.rule, fault.table, fault.n_rows) == ("unknown_unit", "outcomes", 1)
    assert "unit_id=3" in fault.rows[0]
    with pytest.raises(cs.SpecError, match="'error' or 'drop'"):
        cs.Panel.build(
            spells(TENURES), cs.Outcomes.from_frame(OUTCOMES), role="head", unknown_units="ignore"
        )  # type: ignore[arg-type]


@pytest.mark.parametrize("measures", [("unit_id",), ("n_leaders",), ("m", "m_std_error")])
def test_measures_must_not_take_the_name_of_another_column(measures: tuple[str, ...]) -> None:
    rows = pd.concat([OUTCOMES.assign(measure=m) for m in measures])
    with pytest.raises(cs.SpecError, match="measure"):
        cs.Panel.build(
            spells(TENURES), cs.Outcomes.from_frame(rows), role="head", unknown_units="drop"
        )


def test_a_step_must_add_up() -> None:
    with pytest.raises(cs.ChurnstatsError, match="does not add up"):
        RowLedger().step("sample", "rows", 10, 7, {"missing": 2})
    with pytest.raises(cs.ChurnstatsError, match="does not add up"):
        RowLedger().step("sample", "rows", 10, 9)


def test_no_reason_adds_rows() -> None:
    with pytest.raises(cs.ChurnstatsError, match="negative"):
        RowLedger().step("sample", "rows", 10, 10, {"missing": 2, "made up": -2})


def test_a_step_begins_with_what_the_one_before_left() -> None:
    ledger = RowLedger().step("raw", "rows", 10, 8, {"missing": 2})
    with pytest.raises(cs.ChurnstatsError, match="starts with 9 rows, but 'raw' left 8"):
        ledger.step("sample", "rows", 9, 9)
    assert len(ledger.step("units", "units", 3, 3).step("sample", "rows", 8, 8).steps) == 3


def test_two_ledgers_make_one_if_they_fit() -> None:
    first = RowLedger().step("raw", "rows", 10, 8, {"missing": 2})
    assert [s.name for s in (first + RowLedger().step("b", "rows", 8, 8)).steps] == ["raw", "b"]
    assert len((first + RowLedger().step("b", "units", 3, 3)).steps) == 2
    with pytest.raises(cs.ChurnstatsError, match="starts with 7"):
        first + RowLedger().step("b", "rows", 7, 7)


def test_the_ledger_reads_as_text() -> None:
    ledger = RowLedger().step("raw", "rows", 12345, 12343, {"missing": 2, "never": 0})
    assert str(ledger) == "raw: 12,345 rows in, 12,343 kept\n    - 2 missing"


def test_errors_survive_the_way_to_another_process() -> None:
    faults = [Fault("rule", "table", "message", "how", 7, tuple("abcdefg"), "file.csv")]
    for error in (DataError(faults), cs.SpecError("code", "what", where=["x"], how="how")):
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert type(again) is type(error)
