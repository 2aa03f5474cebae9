"""The cases in tests/spec/cases, worked by hand, against the library; docs/cases.md shows them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import churnstats as cs

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "render_cases.py"


def _load() -> Any:
    spec = spec_from_file_location("render_cases", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["render_cases"] = module
    spec.loader.exec_module(module)
    return module


cases = _load()
CASES = cases.read_cases()
WITHIN = 1e-9


def value(text: str) -> Any:
    """Return what a cell holds: nothing, yes or no, a number or text."""
    if text in ("-", "yes", "no"):
        return {"-": None, "yes": True, "no": False}[text]
    number = cases.number(text)
    return text if number is None else number


def frame(table: Any) -> pd.DataFrame:
    return pd.DataFrame([[value(c) for c in row] for row in table.rows], columns=table.names)


class Made:
    """The records of a case, read through the public calls."""

    def __init__(self, case: Any) -> None:
        self.given = {name: frame(table) for name, table in case.given.items()}
        self.settings = dict(case.settings)
        self.units = self._units()
        self.tenures = self._tenures()
        self.panel = cache(self._panel)

    def _units(self) -> cs.Units | None:
        if "units" not in self.given:
            return None
        return cs.Units.from_frame(self.given["units"], self.given.get("unit_changes"))

    def _tenures(self) -> cs.Tenures:
        if "spells" in self.given:
            return cs.Tenures.from_spells(
                self.given["spells"],
                units=self.units,
                observed_until=self.settings.get("observed_until"),
            )
        rules = {k: v for k, v in self.settings.items() if k != "role"}
        return cs.Tenures.from_roster(
            self.given["roster"],
            role=self.settings.get("role"),
            units=self.units,
            rules=cs.RosterRules(**rules),
        )

    def _panel(self, role: str | None = None, units: bool = True, **options: Any) -> cs.Panel:
        outcomes = self.given.get("outcomes")
        return cs.Panel.build(
            self.tenures,
            None if outcomes is None else cs.Outcomes.from_frame(outcomes),
            role=role,
            units=self.units if units else None,
            **options,
        )

    def programs(self) -> cs.Programs:
        until = self.settings.get("observed_until")
        return cs.Programs.from_frame(self.given["programs"], observed_until=until)

    def reached(self) -> pd.DataFrame:
        assert self.units is not None
        heads, schools = (self.panel(role=role) for role in ("superintendent", "principal"))
        return cs.district_events_on_schools(heads, schools, self.units).frame

    def rolled(self, **options: Any) -> pd.DataFrame:
        assert self.units is not None
        return cs.roll_up(self.given["measures"], self.units, **options).frame

    def ledger(self, step: str) -> pd.DataFrame:
        flow = self.panel().flow()
        return flow[flow["step"] == step].reset_index(drop=True)


MAKERS: dict[str, Callable[..., pd.DataFrame]] = {
    "spells": lambda made: made.tenures.frame,
    "titles": lambda made: made.tenures.titles,
    "issues": lambda made: made.tenures.issues.frame(),
    "exposure": lambda made, **o: made.panel(**o).exposure,
    "holders": lambda made, **o: made.panel(**o).holders_by_year(),
    "panel": lambda made, **o: made.panel(**o).frame,
    "events": lambda made, **o: made.panel(**o).events,
    "district events on schools": lambda made: made.reached(),
    "roll-up": lambda made, **o: made.rolled(**o),
    "churn": lambda made, **o: cs.churn_measures(made.tenures, units=made.units, **o),
    "board flips": lambda made, **o: cs.board_flips(made.tenures, units=made.units, **o),
    "program rows": lambda made: cs.program_rows(made.programs(), made.panel()).frame,
    "portfolio": lambda made: cs.program_portfolio(made.programs(), made.panel()).frame,
    "row ledger": lambda made, step: made.ledger(step),
}


def differs(found: Any, wanted: Any) -> bool:
    """Tell whether a cell of a result is another one than was worked out by hand."""
    if wanted is None:
        return not pd.isna(found)
    if pd.isna(found):
        return True
    if isinstance(found, pd.Timestamp):
        return found.date().isoformat() != wanted
    if isinstance(wanted, bool) or isinstance(found, (bool, np.bool_)):
        return not (isinstance(wanted, bool) and isinstance(found, (bool, np.bool_))
                    and bool(found) is wanted)  # fmt: skip
    if isinstance(wanted, str) or isinstance(found, str):
        return found != wanted
    return not abs(float(found) - wanted) <= WITHIN


def compare(found: pd.DataFrame, expected: Any) -> None:
    """Assert that the columns that a case names have its cells, row by row."""
    names, rows = list(expected.table.names), expected.table.rows
    assert set(names) <= set(found.columns), sorted(set(names) - set(found.columns))
    shown = found[names].to_string()
    assert len(found) == len(rows), f"{len(found)} rows in place of {len(rows)}:\n{shown}"
    for i, row in enumerate(rows):
        for name, text in zip(names, row, strict=True):
            cell = found[name].iloc[i]
            where = f"{name} of row {i + 1} is {cell!r}, by hand {text}, in\n{shown}"
            assert not differs(cell, value(text)), where


@cache
def made_of(name: str) -> Made:
    return Made(next(case for case in CASES if case.name == name))


@cache
def results_of(name: str) -> list[pd.DataFrame]:
    """Return the frames that a case speaks of, in its order."""
    made = made_of(name)
    expected = next(case.expected for case in CASES if case.name == name)
    return [MAKERS[part.shows](made, **part.options) for part in expected]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_comes_to_what_was_worked_out_by_hand(case: Any) -> None:
    for expected, found in zip(case.expected, results_of(case.name), strict=True):
        compare(found, expected)


def other(text: str) -> str:
    """Return another cell of the same kind."""
    if text in ("yes", "no"):
        return {"yes": "no", "no": "yes"}[text]
    number = cases.number(text)
    if text == "-":
        return "0"
    return f"{text}x" if number is None else f"{text}+1/1000"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_cell_and_another_number_of_rows_are_noticed(case: Any) -> None:
    for expected, found in zip(case.expected, results_of(case.name), strict=True):
        names, rows = expected.table.names, expected.table.rows
        for i, row in enumerate(rows):
            for name, text in zip(names, row, strict=True):
                assert differs(found[name].iloc[i], value(other(text))), (name, i)
        longer = cases.Table(names, (*rows, ("-",) * len(names)))
        with pytest.raises(AssertionError, match="rows in place of"):
            compare(found, dataclasses.replace(expected, table=longer))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shares_and_vacancy_add_up_to_what_was_observed(case: Any) -> None:
    made = made_of(case.name)
    roles = made.tenures.frame["role"].unique()
    for panel in [made.panel(role=role) for role in roles] if len(roles) > 1 else [made.panel()]:
        key = ["unit_id", "school_year_end"]
        led = panel.exposure.groupby(key)["exposure_share"].sum()
        rows = panel.frame.set_index(key)
        total = led.reindex(rows.index, fill_value=0.0) + rows["vacancy_share"]
        assert (total - rows["observed_share"]).abs().max() < WITHIN


def test_the_page_shows_the_cases_as_they_are() -> None:
    assert cases.main(["--check"]) == 0, "run: python scripts/render_cases.py"


def test_a_page_out_of_date_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "cases.md"
    assert cases.main(["--check", "--page", str(page)]) == 1
    assert cases.main(["--page", str(page)]) == 0
    assert cases.main(["--check", "--page", str(page)]) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("184/365", "183/365"), "utf-8")
    assert cases.main(["--check", "--page", str(page)]) == 1
    assert "run: python scripts/render_cases.py" in capsys.readouterr().err


def test_the_page_has_every_case_with_every_cell() -> None:
    text = cases.page(CASES)
    for case in CASES:
        assert case.title in text
        for table in (*case.given.values(), *(e.table for e in case.expected)):
            for row in table.rows:
                assert f"| {' | '.join(cases.shown(cell) for cell in row)} |" in text


def test_a_word_that_means_nothing_in_a_case_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    good = (cases.CASES / f"{CASES[0].name}.yaml").read_text(encoding="utf-8")
    for word, odd in (("settings:", "setting:"), ("shows: events", "shows: event")):
        path.write_text(good.replace(word, odd), encoding="utf-8")
        with pytest.raises(ValueError, match="is none of"):
            cases.read_case(path)
    path.write_text(good.replace("  b          2019-01-01", "  b"), encoding="utf-8")
    with pytest.raises(ValueError, match="as many cells"):
        cases.read_case(path)
