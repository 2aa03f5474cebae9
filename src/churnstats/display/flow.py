"""The picture of a row ledger: what came in, what was left out and why, what stayed."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger, Step
from churnstats.display.figures import ACCENT, INK, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches: the picture is laid out on paper, so that letters and boxes fit at any length.
MARGIN, GAP, BESIDE, PAD, LINE = 0.15, 0.26, 0.14, 0.09, 0.165
MAIN_WIDTH, SIDE_LEFT, SIDE_WIDTH = 3.35, 4.0, 3.6
DIGIT, TITLE_LETTER = 0.075, 0.092
MAIN_LETTERS, SIDE_LETTERS = 44, 42
CENTRE = MARGIN + MAIN_WIDTH / 2
# What estimators call the rows that they are given.
ROWS = "rows"
# Steps of joins, whose rows are not lost to the panel or to anything else: what the rest is.
NOT = {"found": "not found", "used": "not used"}
NOTE = "Dotted: from here on rows of another kind are counted."


@dataclass(frozen=True)
class Box:
    """One box of the picture.

    Parameters
    ----------
    count : str
        How many of what: the line in bold.
    lines : tuple of (str, str)
        The lines below it: a number, or nothing, and words.
    """

    count: str
    lines: tuple[tuple[str, str], ...]

    @property
    def height(self) -> float:
        """Height in inches."""
        return 2 * PAD + LINE * (1 + len(self.lines))


@dataclass(frozen=True)
class Level:
    """One level of the picture: a box, what was left out on the way to it, and how it is reached.

    Parameters
    ----------
    box : Box
    lost : Box or None
    follows : bool
        Whether the rows are those of the level above; otherwise rows of another kind begin.
    """

    box: Box
    lost: Box | None
    follows: bool


def flow_figure(ledger: RowLedger, title: str = "") -> Figure:
    """Draw a row ledger from top to bottom, after the flow diagrams of clinical trials.

    The middle column holds what is left after each step, the boxes beside it what was left out
    and why. An arrow joins steps that count the same kind of rows; a dotted line stands where the
    ledger goes on to rows of another kind.

    Parameters
    ----------
    ledger : RowLedger
    title : str

    Returns
    -------
    Figure

    Raises
    ------
    SpecError
        A ledger without steps.

    Examples
    --------
    >>> from churnstats.core.provenance import RowLedger
    >>> ledger = RowLedger().step("valid spells", "spells", 10, 8, {"of other roles": 2})
    >>> figure = flow_figure(ledger, "From spells to the panel")
    """
    if not ledger.steps:
        raise SpecError("ledger", "a ledger without steps has no picture", how="add a step first")
    levels = flow_levels(ledger)
    side = SIDE_LEFT + SIDE_WIDTH if any(level.lost for level in levels) else MARGIN + MAIN_WIDTH
    heading = textwrap.fill(title, int((side - MARGIN) / TITLE_LETTER))
    head = 0.35 + 0.19 * heading.count("\n") if title else 0.0
    foot = 0.25 * any(not level.follows for level in levels[1:])
    boxes = levels[0].box.height + sum(_way(v) + v.box.height for v in levels[1:])
    height = head + boxes + foot + 2 * MARGIN
    figure, (ax,) = new_figure(side + MARGIN, height)
    figure.set_layout_engine("none")
    ax.set_position((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    ax.set_xlim(0, side + MARGIN)
    ax.set_ylim(height, 0)
    ax.text(MARGIN, MARGIN, heading, fontsize=11, va="top", color=INK)
    bottom = _draw_box(ax, levels[0].box, MARGIN, MARGIN + head, MAIN_WIDTH, ACCENT)
    for level in levels[1:]:
        bottom = _draw_level(ax, level, bottom)
    if foot:
        ax.text(MARGIN, height - MARGIN, NOTE, fontsize=7.5, va="bottom", color=INK)
    return figure


def flow_chain(before: RowLedger, after: RowLedger) -> RowLedger:
    """Return one ledger from raw rows to the sample.

    Parameters
    ----------
    before : RowLedger
        Such as a panel's.
    after : RowLedger
        Such as that of a result. It may hold the steps of ``before`` already, as those of event
        studies do, or begin with the rows that ``before`` ends with, as those of estimators that
        take a frame.

    Returns
    -------
    RowLedger
        What estimators call rows is counted as what it was called before.

    Raises
    ------
    SpecError
        ``after`` begins with another number of rows than anything in ``before`` ends with.

    Examples
    --------
    >>> from churnstats.core.provenance import RowLedger
    >>> panel = RowLedger().step("panel", "unit-years", 950, 950)
    >>> result = RowLedger().step("sample", "rows", 950, 900, {"without math": 50})
    >>> print(flow_chain(panel, result))
    panel: 950 unit-years in, 950 kept
    sample: 950 unit-years in, 900 kept
        - 50 without math
    """
    n = len(before.steps)
    if after.steps[:n] == before.steps:
        return after
    if not after.steps:
        return before
    last = {step.unit: step.n_out for step in before.steps}
    first = after.steps[0]
    named = first.unit if first.unit in last else None
    if first.unit == ROWS:
        named = next((u for u in reversed(last) if last[u] == first.n_in), None)
    if named is None or last[named] != first.n_in:
        raise SpecError(
            "ledger",
            f"'{first.name}' begins with {first.n_in:,} {first.unit}, which nothing before left",
            where=[f"{left:,} {unit}" for unit, left in last.items()],
            how="give the ledger of the panel whose frame was estimated on, with all its rows",
        )
    renamed = [replace(s, unit=named) if s.unit == first.unit else s for s in after.steps]
    return before + RowLedger(tuple(renamed))


def flow_levels(ledger: RowLedger) -> list[Level]:
    """Return the boxes of a ledger from top to bottom.

    Parameters
    ----------
    ledger : RowLedger
    """
    levels: list[Level] = []
    counted: list[str] = []
    for step in ledger.steps:
        follows = counted[-1:] == [step.unit]
        if step.lost and not follows:
            words = "as above" if step.unit in counted else "came in"
            levels.append(Level(_main_box(step.n_in, step.unit, words), None, follows))
        box = _main_box(step.n_out, step.unit, step.name)
        levels.append(Level(box, _lost_box(step), follows or bool(step.lost)))
        counted.append(step.unit)
    return levels


def _main_box(n: int, unit: str, name: str) -> Box:
    return Box(f"{n:,} {unit}", tuple(("", line) for line in textwrap.wrap(name, MAIN_LETTERS)))


def _lost_box(step: Step) -> Box | None:
    """Return what a step left out; a number stands before each reason if there are several."""
    if not step.lost:
        return None
    lines: list[tuple[str, str]] = []
    for reason, n in step.lost.items():
        first, *more = textwrap.wrap(reason, SIDE_LETTERS)
        lines += [(f"{n:,}" if len(step.lost) > 1 else "", first), *(("", line) for line in more)]
    return Box(f"{sum(step.lost.values()):,} {NOT.get(step.name, 'left out')}", tuple(lines))


def _way(level: Level) -> float:
    """Return the length of the line that leads to a box, past the box of what was left out."""
    return GAP if level.lost is None else level.lost.height + 2 * BESIDE


def _draw_level(ax: Axes, level: Level, top: float) -> float:
    """Draw a level below what is drawn so far; return where it ends."""
    bottom = top + _way(level)
    if level.follows:
        style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", xy=(CENTRE, bottom), xytext=(CENTRE, top), arrowprops=style)
    else:
        ax.plot([CENTRE, CENTRE], [top, bottom], color=INK, linewidth=1.3, linestyle=":")
    if level.lost is not None:
        middle = (top + bottom) / 2
        ax.plot([CENTRE, SIDE_LEFT], [middle, middle], color=INK, linewidth=1.0)
        _draw_box(ax, level.lost, SIDE_LEFT, top + BESIDE, SIDE_WIDTH, SOFT)
    return _draw_box(ax, level.box, MARGIN, bottom, MAIN_WIDTH, ACCENT)


def _draw_box(ax: Axes, box: Box, left: float, top: float, width: float, edge: str) -> float:
    """Draw a box and its lines, numbers flush right; return where it ends."""
    from matplotlib.patches import Rectangle

    def write(x: float, row: int, text: str, align: str, weight: str = "normal") -> None:
        y = top + PAD + LINE * (row + 0.5)
        ax.text(
            x, y, text, fontsize=8.5, ha=align, va="center_baseline", color=INK, fontweight=weight
        )

    ax.add_patch(
        Rectangle((left, top), width, box.height, facecolor="white", edgecolor=edge, linewidth=1.1)
    )
    write(left + 0.1, 0, box.count, "left", "bold")
    widest = max((len(number) for number, _ in box.lines), default=0)
    words = left + 0.1 + (DIGIT * widest + 0.08 if widest else 0.0)
    for row, (number, line) in enumerate(box.lines, start=1):
        write(words - 0.08, row, number, "right")
        write(words, row, line, "left")
    return top + box.height
