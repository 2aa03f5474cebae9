"""Write docs/cases.md from the hand-worked cases in tests/spec/cases.

python scripts/render_cases.py           write the page
python scripts/render_cases.py --check   write nothing; fail if the page is out of date
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from churnstats.core.calendar import SchoolCalendar

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "spec" / "cases"
PAGE = ROOT / "docs" / "cases.md"
MONTHS = 12
# What the tables of a case are called on the page, and which call makes them.
GIVEN = {
    "spells": "Spells",
    "roster": "Roster",
    "units": "Units",
    "unit_changes": "Changes of units",
    "programs": "Programs",
    "measures": "Measures of schools",
    "outcomes": "Outcomes",
}
SHOWN = {
    "spells": "Spells made from the roster (`Tenures.frame`)",
    "titles": "Titles by year (`Tenures.titles`)",
    "issues": "What was found and kept (`Tenures.issues`)",
    "exposure": "Shares of the year (`Panel.exposure`)",
    "holders": "Shares with the empty post (`Panel.holders_by_year`)",
    "panel": "Panel (`Panel.frame`)",
    "events": "Events (`Panel.events`)",
    "district events on schools": "Events of districts on schools (`district_events_on_schools`)",
    "roll-up": "Measures by district (`roll_up`)",
    "churn": "Churn by district (`churn_measures`)",
    "board flips": "Board (`board_flips`)",
    "program rows": "Program years at risk (`program_rows`)",
    "portfolio": "Portfolio of programs (`program_portfolio`)",
    "row ledger": "Row ledger (`Panel.flow`)",
}
INTRODUCTION = """\
# Cases worked by hand

What the records of a few leaders come to, as one would work it out with paper and a calendar. Each
case says what happened, what the records show, and what must come out and why. The tests compare
the library with these tables cell by cell; columns that a case is not about are left out.

How to read them:

- School years have the number of their spring and begin on 1 July: 2019 is 2018-19. Times are
  dates, or school-year time: 2019.5 is the middle of 2018-19.
- `start` is the first day in post and `stop` the first day no longer in post. Spells without a stop
  were running when observation ended.
- An empty cell (–) is missing: it can't be told. It is never zero.
- 184/365 is 184 of the 365 days of a school year.
- In pictures a mark is a month, `=` time in post, `~` time as an interim, `.` time before records
  begin, `>` a spell that was still running, `<` one that began before it was first seen, and `P` a
  program. A roster shows whole years.
- The [glossary](../GLOSSARY.md) has every column and its definition.
"""
FOOTER = (
    "This page is made from tests/spec/cases by `python scripts/render_cases.py`; "
    "edit the cases, not the page.\n"
)


@dataclass(frozen=True)
class Table:
    """A table as it was typed: names of columns and the text of cells."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls, text: str) -> Table:
        """Read a table whose cells stand below their names, two spaces or more apart."""
        lines = [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]
        names, rows = tuple(lines[0]), tuple(tuple(line) for line in lines[1:])
        wrong = [row for row in rows if len(row) != len(names)]
        if wrong:
            raise ValueError(f"{wrong[0]} has not as many cells as {names}")
        return cls(names, rows)

    def column(self, name: str, otherwise: str = "-") -> list[str]:
        """Return the cells of a column; of one that is not there, as many of another text."""
        if name not in self.names:
            return [otherwise] * len(self.rows)
        at = self.names.index(name)
        return [row[at] for row in self.rows]


@dataclass(frozen=True)
class Expected:
    """What a case must come to: which table, made with which options, and why."""

    shows: str
    options: dict[str, Any]
    table: Table
    why: str


@dataclass(frozen=True)
class Case:
    """A hand-worked case."""

    name: str
    title: str
    story: str
    given: dict[str, Table]
    settings: dict[str, Any]
    expected: tuple[Expected, ...]


def read_case(path: Path) -> Case:
    """Read one case; whatever it has that has no meaning is refused."""
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    _only(path, said, "title", "story", "given", "settings", "expected")
    _only(path, said["given"], *GIVEN)
    expected = []
    for part in said["expected"]:
        _only(path, part, "shows", "with", "table", "why")
        _only(path, {part["shows"]: None}, *SHOWN)
        table, why = Table.read(part["table"]), " ".join(part["why"].split())
        expected.append(Expected(part["shows"], part.get("with", {}), table, why))
    return Case(
        path.stem,
        said["title"],
        " ".join(said["story"].split()),
        {name: Table.read(text) for name, text in said["given"].items()},
        said.get("settings", {}),
        tuple(expected),
    )


def read_cases(folder: Path = CASES) -> list[Case]:
    """Read all cases of a folder, in the order of their names."""
    return [read_case(path) for path in sorted(folder.glob("*.yaml"))]


def _only(path: Path, found: dict[str, Any], *known: str) -> None:
    odd = sorted(set(found) - set(known))
    if odd:
        raise ValueError(f"{path.name}: {', '.join(odd)} is none of {', '.join(known)}")


def number(text: str) -> float | None:
    """Return the number that a cell shows, such as 2, 1/3 or 2+184/365; None for other text."""
    try:
        return float(sum(Fraction(part) for part in text.split("+")))
    except ValueError:
        return None


def shown(text: str) -> str:
    """Return a cell as the page shows it: a fraction also as a decimal number."""
    if text == "-":
        return "–"
    value = number(text)
    if value is None or "/" not in text:
        return text
    return f"{text.replace('+', ' + ')} ({value:.3f})"


def markdown(table: Table) -> str:
    """Return a table in markdown, numbers to the right."""
    right = [all(c == "-" or number(c) is not None for c in table.column(n)) for n in table.names]
    rule = "".join("|---:" if r and table.rows else "|:---" for r in right) + "|"
    rows = [table.names, *([shown(cell) for cell in row] for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    made = "\n".join([lines[0], rule, *lines[1:]])
    return made if table.rows else f"{made}\n\nNo row."


def moment(text: str) -> float | None:
    """Return a date or number as school-year time, None where it is missing."""
    if text == "-":
        return None
    value = number(text)
    if value is not None:
        return value
    return float(SchoolCalendar().to_time(pd.Series([pd.Timestamp(text)]))[0])


@dataclass(frozen=True)
class Bar:
    """One line of a picture."""

    label: str
    start: float
    entry: float
    stop: float
    mark: str
    opens: bool = False
    ends: bool = True

    def drawn(self, first: int, last: int) -> str:
        """Return its marks from the first to the last school year, a mark a month."""
        begin, seen, end = (
            round((t - first) * MONTHS) for t in (self.start, self.entry, self.stop)
        )
        cells = [" "] * ((last - first) * MONTHS)
        for i in range(max(begin, 0), max(end, begin + 1)):
            cells[i] = "." if i < seen else self.mark
        if self.opens:
            cells[begin] = "<"
        if not self.ends:
            cells[end - 1] = ">"
        return "".join(cells).rstrip()


def picture(case: Case) -> str:
    """Return the spells, roster and programs of a case as lines of text."""
    bars = _spell_bars(case) + _roster_bars(case) + _program_bars(case)
    first = int(min(bar.entry for bar in bars))
    first = min(first, int(max(first - 2, min(bar.start for bar in bars))))
    last = max(-int(-bar.stop // 1) for bar in bars)
    width = max(len(bar.label) for bar in bars) + 2
    years = "".join(f"|{year}".ljust(MONTHS) for year in range(first, last)) + "|"
    lines = [" " * width + years]
    lines += [f"{bar.label:<{width}}{bar.drawn(first, last)}".rstrip() for bar in bars]
    return "\n".join(lines)


def _until(case: Case) -> float:
    return moment(str(case.settings.get("observed_until", "-"))) or 0.0


def _spell_bars(case: Case) -> list[Bar]:
    table = case.given.get("spells")
    if table is None:
        return []
    names = ("unit_id", "role", "leader_id", "start", "entry", "stop")
    bars = []
    cells = [table.column(name) for name in names]
    flags = [table.column(n, "no") for n in ("interim", "left_censored", "right_censored")]
    for unit, role, leader, *times, interim, left, right in zip(*cells, *flags, strict=True):
        start, entry, stop = (moment(t) for t in times)
        begin = 0.0 if start is None else start
        bars.append(
            Bar(
                f"{unit} {role} {leader}",
                begin,
                begin if entry is None else entry,
                _until(case) if stop is None else stop,
                "~" if interim == "yes" else "=",
                left == "yes",
                stop is not None and right == "no",
            )
        )
    return bars


def _roster_bars(case: Case) -> list[Bar]:
    table = case.given.get("roster")
    if table is None:
        return []
    bars: list[Bar] = []
    names = ("unit_id", "leader_id", "school_year_end")
    for unit, leader, cell in zip(*(table.column(n) for n in names), strict=True):
        year, label = float(cell), f"{unit} {leader}"
        before = bars[-1] if bars else None
        if before is not None and (before.label, before.stop) == (label, year):
            bars[-1] = Bar(label, before.start, before.start, year + 1, "=")
        else:
            bars.append(Bar(label, year, year, year + 1, "="))
    return bars


def _program_bars(case: Case) -> list[Bar]:
    table = case.given.get("programs")
    if table is None:
        return []
    bars = []
    columns = [table.column(n) for n in ("program_id", "start", "stop")]
    for name, *times in zip(*columns, strict=True):
        start, stop = (moment(t) or _until(case) for t in times)
        bars.append(Bar(f"program {name}", start, start, stop, "P", ends=times[1] != "-"))
    return bars


def _said(options: dict[str, Any]) -> str:
    """Return options as a list in words."""
    parts = []
    for name, value in options.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        parts.append(f"`{name}` = {text}")
    return "; ".join(parts)


def section(number_: int, case: Case) -> str:
    """Return the part of the page that shows one case."""
    parts = [f"## {number_}. {case.title}", case.story, f"```text\n{picture(case)}\n```"]
    for name, table in case.given.items():
        parts += [f"{GIVEN[name]}:", markdown(table)]
    if case.settings:
        parts.append(f"Read with {_said(case.settings)}.")
    for part in case.expected:
        options = f", with {_said(part.options)}" if part.options else ""
        parts += [f"**{SHOWN[part.shows]}**{options}", markdown(part.table), part.why]
    return "\n\n".join(parts) + "\n"


def contents(cases: Sequence[Case]) -> str:
    """Return a list of links to the cases."""
    lines = []
    for i, case in enumerate(cases, start=1):
        words = re.sub(r"[^\w -]", "", f"{i}. {case.title}".lower())
        lines.append(f"{i}. [{case.title}](#{words.replace(' ', '-')})")
    return "\n".join(lines) + "\n"


def page(cases: Sequence[Case]) -> str:
    """Return the whole page."""
    parts = [section(i, case) for i, case in enumerate(cases, start=1)]
    return "\n".join([INTRODUCTION, contents(cases), *parts, FOOTER])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page, and return the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args(arguments)
    wanted = page(read_cases())
    if not chosen.check:
        chosen.page.write_text(wanted, encoding="utf-8")
    elif not chosen.page.exists() or chosen.page.read_text(encoding="utf-8") != wanted:
        print(f"{chosen.page.name} is out of date", file=sys.stderr)
        print("run: python scripts/render_cases.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
