"""The one object that a study's ``run.py`` is given."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.inference.result import Result
from churnstats.reporting.exhibits import write_figure, write_table
from churnstats.reporting.report import Block, Exhibit, Flow, Paragraph, Section
from churnstats.studies.numbers import FLOAT_RTOL, Number
from churnstats.studies.progress import Progress
from churnstats.studies.spec import SLUG, StudySpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Book:
    """What a run has handed in so far, in order.

    Parameters
    ----------
    results : Path
        Where files go.
    sections : list of Section
    numbers : dict of str to Number
    ledgers : dict of str to RowLedger
    exhibits : list of dict
        Each table, figure, ledger and file: its kind, name, caption, files, line of ``run.py``.
    notes : list of str
    """

    results: Path
    sections: list[Section] = field(default_factory=list)
    numbers: dict[str, Number] = field(default_factory=dict)
    ledgers: dict[str, RowLedger] = field(default_factory=dict)
    exhibits: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Put a block below the heading that is open."""
        if not self.sections:
            self.sections.append(Section("Results"))
        self.sections[-1].blocks.append(block)

    def enter(self, kind: str, name: str, caption: str, files: Sequence[Path], line: int) -> str:
        """List an exhibit, and return where it came from in words."""
        paths = [path.relative_to(self.results).as_posix() for path in files]
        self.exhibits.append(
            {"kind": kind, "name": name, "caption": caption, "files": paths, "line": line}
        )
        made = f"run.py, line {line}" if line else "run.py"
        others = "".join(f", {Path(path).suffix}" for path in paths[1:])
        return f"{made}: {paths[0]}{others}"

    def count(self, kind: str) -> int:
        """Return how many exhibits of a kind there are."""
        return sum(exhibit["kind"] == kind for exhibit in self.exhibits)


class Study:
    """A study under way: its options and inputs, and where its exhibits and numbers go.

    ``run.py`` gets it and makes none. Exhibits appear in the report in the order in which they
    are handed in, below the heading that the last `text` opened.

    Parameters
    ----------
    spec : StudySpec
    book : Book
    progress : Progress
    """

    def __init__(self, spec: StudySpec, book: Book, progress: Progress) -> None:
        self._spec, self._book, self._progress = spec, book, progress
        self._script = str(spec.directory / "run.py")

    def __repr__(self) -> str:
        return f"<Study {self._spec.name!r}>"

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of ``study.yaml``; a copy, so that changing it changes nothing."""
        return deepcopy(dict(self._spec.options))

    @property
    def seed(self) -> int:
        """The seed of ``study.yaml``."""
        return self._spec.seed

    def generator(self, draw: int = 0) -> np.random.Generator:
        """Return the random numbers of one draw: the same in any order and on any machine.

        Parameters
        ----------
        draw : int
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(draw,)))

    def input(self, key: str) -> Path:
        """Return the path of an input that ``study.yaml`` declares, to be read only.

        Parameters
        ----------
        key : str

        Raises
        ------
        SpecError
            If it is not declared.
        """
        if key not in self._spec.inputs:
            known = ", ".join(self._spec.inputs) or "none"
            raise SpecError(
                "input",
                f"'{key}' is no input of this study",
                how=f"declare it in study.yaml (declared: {known})",
            )
        return self._spec.inputs[key].resolve(self._spec.directory)

    def step(self, text: str) -> None:
        """Say what comes next; it is shown on stderr until the next step.

        Parameters
        ----------
        text : str
        """
        self._progress.step(text)

    def text(self, heading: str, paragraph: str = "") -> None:
        """Open a section of the report, or go on with the open one.

        Parameters
        ----------
        heading : str
            That of the open section goes on with it.
        paragraph : str
            Plain text; an empty line parts paragraphs.
        """
        sections = self._book.sections
        if not sections or sections[-1].heading != heading:
            sections.append(Section(heading))
        if paragraph.strip():
            self._book.add(Paragraph(paragraph))

    def note(self, text: str) -> None:
        """Add a sentence to the report's notes on methods.

        Parameters
        ----------
        text : str
        """
        if text not in self._book.notes:
            self._book.notes.append(text)

    def table(
        self, name: str, content: pd.DataFrame | Result, caption: str, *, notes: Sequence[str] = ()
    ) -> None:
        """Write a table as CSV, LaTeX and HTML, and put it in the report.

        Parameters
        ----------
        name : str
            Stem of the files in ``results/tables/``.
        content : DataFrame or Result
        caption : str
        notes : sequence of str
            Sentences below it, such as the note of `suppress_small_cells`.
        """
        self._claim(name, "table", "ledger")
        rendered = write_table(content, self._book.results / "tables", name, caption, notes)
        source = self._book.enter("table", name, caption, rendered.files, self._line())
        number = self._book.count("table")
        self._book.add(Exhibit("table", number, caption, rendered.html, source))

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Write a figure as PNG and SVG, and put it in the report.

        Parameters
        ----------
        name : str
            Stem of the files in ``results/figures/``.
        figure : matplotlib Figure
        caption : str
        """
        self._claim(name, "figure")
        rendered = write_figure(figure, self._book.results / "figures", name)
        source = self._book.enter("figure", name, caption, rendered.files, self._line())
        number = self._book.count("figure")
        self._book.add(Exhibit("figure", number, caption, rendered.html, source))

    def ledger(self, name: str, ledger: RowLedger, caption: str = "") -> None:
        """Write the way of the rows as a table, and draw it in the report.

        Parameters
        ----------
        name : str
            Stem of the files in ``results/tables/``.
        ledger : RowLedger
        caption : str
        """
        self._claim(name, "table", "ledger")
        title = caption or "How the rows came to be these"
        rendered = write_table(ledger.frame(), self._book.results / "tables", name, title)
        source = self._book.enter("ledger", name, title, rendered.files, self._line())
        self._book.ledgers[name] = ledger
        self._book.add(Flow(title, ledger, source))

    def number(
        self,
        id: str,
        value: float,
        label: str,
        *,
        rtol: float | None = None,
        atol: float = 0.0,
        estimand: str = "",
        result: Result | None = None,
        key: bool = True,
    ) -> None:
        """Record a number that the study answers for.

        Parameters
        ----------
        id : str
            Lower case letters, digits, ``_ . -``; used once.
        value : float or int
            NaN if it is undefined.
        label : str
            What it is, for people.
        rtol, atol : float
            A later run passes if it differs by at most ``atol + rtol * abs(value)``. By default
            whole numbers must be equal, and others within a millionth.
        estimand : str
            What it estimates.
        result : Result, optional
            The result it was taken from: counts, variance choice and sample are stored with it.
        key : bool
            Show it at the top of the report.

        Raises
        ------
        SpecError
            For an id that is taken, no number, or a tolerance that lets everything pass.
        """
        if id in self._book.numbers:
            raise SpecError("number", f"the number '{id}' is recorded twice")
        plain = value.item() if isinstance(value, np.generic) else value
        if rtol is None:
            rtol = 0.0 if isinstance(plain, int) else FLOAT_RTOL
        source = {} if result is None else _describe(result)
        self._book.numbers[id] = Number(
            id, plain, label, rtol, atol, estimand, self._line(), key, source
        )

    def path(self, name: str) -> Path:
        """Return a path in ``results/files/`` for anything else that the study writes.

        Parameters
        ----------
        name : str
            Name of one file, or of one directory; used once.
        """
        if Path(name).name != name or name in ("", ".", ".."):
            raise SpecError("path", f"'{name}' is no plain file name")
        if any(e["name"] == name and e["kind"] == "file" for e in self._book.exhibits):
            raise SpecError("path", f"'{name}' is taken by another file")
        path = self._book.results / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._book.enter("file", name, "", [path], self._line())
        return path

    def _claim(self, name: str, *kinds: str) -> None:
        """Refuse a name that is no file name, or is taken."""
        if not isinstance(name, str) or not SLUG.fullmatch(name):
            raise SpecError(
                "name", f"'{name}' can't name a file", how="use lower case letters, digits, - and _"
            )
        if any(e["name"] == name and e["kind"] in kinds for e in self._book.exhibits):
            raise SpecError("name", f"'{name}' is taken by another {kinds[0]}")

    def _line(self) -> int:
        """Return the line of run.py that is being run, 0 if none is."""
        frame = sys._getframe(1)
        while frame.f_code.co_filename != self._script:
            if frame.f_back is None:
                return 0
            frame = frame.f_back
        return frame.f_lineno


def _describe(result: Result) -> dict[str, Any]:
    """Return what a reader needs to place a number that a result holds."""
    glance = result.glance().iloc[0].to_dict()
    found = {str(k): v.item() if isinstance(v, np.generic) else v for k, v in glance.items()}
    source = {k: v if _is_plain(v) else repr(v) for k, v in found.items()}
    rows = None if result.fit is None else result.fit.design.rows
    if rows is not None:
        source["sample_sha256"] = hashlib.sha256(np.asarray(rows, "<i8").tobytes()).hexdigest()
    return source


def _is_plain(value: object) -> bool:
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))
