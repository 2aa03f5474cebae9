"""One page that holds a whole study: no scripts, no links, nothing to load."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, TypeAlias

import jinja2
from markupsafe import Markup

from churnstats.core.provenance import RowLedger


@dataclass(frozen=True)
class Paragraph:
    """Prose; empty lines part it into paragraphs."""

    text: str

    @property
    def parts(self) -> list[str]:
        """The paragraphs."""
        return [" ".join(part.split()) for part in self.text.split("\n\n") if part.strip()]


@dataclass(frozen=True)
class Exhibit:
    """A table or a figure with its number and caption.

    Parameters
    ----------
    kind : {"table", "figure"}
    number : int
        Counted by kind.
    caption : str
    html : str
        The table as HTML, or the figure as SVG.
    source : str
        Which files hold it, and which line made it.
    """

    kind: Literal["table", "figure"]
    number: int
    caption: str
    html: str
    source: str = ""

    @property
    def label(self) -> str:
        """Such as ``"Table 2"``."""
        return f"{self.kind.capitalize()} {self.number}"

    @property
    def table(self) -> Markup:
        """The table, known to be escaped."""
        return Markup(self.html)

    @property
    def image(self) -> str:
        """The figure as a data address, so that its ids meet no others and it can't run."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.html.encode()).decode()


@dataclass(frozen=True)
class Flow:
    """The way of rows from raw to sample."""

    title: str
    ledger: RowLedger
    source: str = ""


Block: TypeAlias = Paragraph | Exhibit | Flow


@dataclass
class Section:
    """A heading with what stands below it, in order."""

    heading: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class KeyNumber:
    """A number of the report.

    Parameters
    ----------
    id, label : str
    shown : str
        The value for people.
    exact : str
        The value to the last digit that is compared.
    tolerance : str
    estimand, source : str
    is_key : bool
        Whether it is shown at the top too.
    """

    id: str
    label: str
    shown: str
    exact: str
    tolerance: str
    estimand: str = ""
    source: str = ""
    is_key: bool = True


@dataclass(frozen=True)
class Report:
    """What a page is made of.

    Parameters
    ----------
    title, question : str
    authors : sequence of str
    numbers : sequence of KeyNumber
    sections : sequence of Section
    notes : sequence of str
        On methods.
    facts : mapping of str to str
        About the study: licence, registration, seed, options.
    inputs : sequence of mapping
        ``key, file, bytes, sha256``.
    versions : mapping of str to str
    commands : sequence of str
        How to run it again.
    """

    title: str
    question: str
    authors: Sequence[str]
    numbers: Sequence[KeyNumber]
    sections: Sequence[Section]
    notes: Sequence[str]
    facts: Mapping[str, str]
    inputs: Sequence[Mapping[str, str]]
    versions: Mapping[str, str]
    commands: Sequence[str]


def render(report: Report) -> str:
    """Return the page as HTML; all text is escaped.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["paragraph"] = lambda block: isinstance(block, Paragraph)
    environment.tests["flow"] = lambda block: isinstance(block, Flow)
    source = files("churnstats.reporting").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(report=report).rstrip() + "\n"
