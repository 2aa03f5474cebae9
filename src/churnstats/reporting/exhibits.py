"""Tables and figures as files: CSV, LaTeX and HTML, PNG and SVG, the same bytes every time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.display import tables
from churnstats.inference.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200
HEADINGS = {
    "std_error": "Std. error",
    "p_value": "p",
    "conf_low": "Conf. low",
    "conf_high": "Conf. high",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; padding-bottom: .5rem; }}
th, td {{ text-align: right; padding: .3rem .7rem; border-bottom: 1px solid #e6e9eb; }}
th:first-child, td:first-child, th.words, td.words {{ text-align: left; }}
.churnstats-notes {{ font-size: .85em; color: #555; margin-top: .5rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


@dataclass(frozen=True)
class Rendered:
    """An exhibit that was written.

    Parameters
    ----------
    html : str
        The table without its caption, or the SVG of a figure; ready for a page.
    files : tuple of Path
    """

    html: str
    files: tuple[Path, ...]


def write_table(
    content: pd.DataFrame | Result,
    directory: Path,
    name: str,
    caption: str,
    notes: Sequence[str] = (),
) -> Rendered:
    """Write a table as CSV (full precision), LaTeX (booktabs) and HTML.

    Parameters
    ----------
    content : DataFrame or Result
        An index with a name, or of other than whole numbers, becomes columns.
    directory : Path
    name : str
        Stem of the files.
    caption : str
    notes : sequence of str
        Sentences below the table; those of a result are printed anyhow.

    Returns
    -------
    Rendered

    Raises
    ------
    SpecError
        For anything but a frame or a result, and columns with several levels.
    """
    if isinstance(content, Result):
        captioned = _titled(content, caption)
        raw, html = content.tidy(), _titled(content, "").to_html() + _notes_html(notes)
        page = captioned.to_html() + _notes_html(notes)
        latex = captioned.to_latex(f"tab:{name}")
    elif isinstance(content, pd.DataFrame):
        raw = _flat(content)
        cells, words = printed(raw)
        html = table_html(cells, words, notes)
        page = table_html(cells, words, notes, caption)
        latex = tables.to_latex(cells, notes, caption, f"tab:{name}")
    else:
        raise SpecError(
            "table", f"a {type(content).__name__} is no table", how="give a DataFrame or a Result"
        )
    directory.mkdir(parents=True, exist_ok=True)
    files = tuple(directory / f"{name}.{kind}" for kind in ("csv", "tex", "html"))
    raw.to_csv(files[0], index=False, lineterminator="\n", encoding="utf-8")
    _write(files[1], latex)
    _write(files[2], PAGE.format(title=escape(caption), body=page))
    return Rendered(html, files)


def write_figure(figure: Figure, directory: Path, name: str) -> Rendered:
    """Write a figure as PNG and SVG, without dates and with fixed ids.

    Parameters
    ----------
    figure : matplotlib Figure
    directory : Path
    name : str
        Stem of the files.

    Returns
    -------
    Rendered

    Raises
    ------
    SpecError
        For anything but a figure.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        raise SpecError(
            "figure",
            f"a {type(figure).__name__} is no figure",
            how="give a matplotlib Figure, such as Result.plot() returns",
        )
    directory.mkdir(parents=True, exist_ok=True)
    png, svg = directory / f"{name}.png", directory / f"{name}.svg"
    with rc_context({"svg.hashsalt": "churnstats", "svg.fonttype": "path"}):
        figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Rendered(svg.read_text(encoding="utf-8"), (png, svg))


def printed(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[bool]]:
    """Return a frame's cells as text under readable headings, and which columns are words.

    Years and ids are printed without a comma, floats that are all whole without decimals,
    dates without midnight. Headings in ``snake_case`` become words.
    """
    shown, words = {}, []
    for column in frame.columns:
        heading = _heading(str(column))
        if heading in shown:
            raise SpecError("table", f"two columns are headed '{heading}'", how="rename one")
        shown[heading] = _cells(frame[column], str(column))
        words.append(not pd.api.types.is_numeric_dtype(frame[column]))
    return pd.DataFrame(shown), words


def table_html(
    cells: pd.DataFrame, words: Sequence[bool], notes: Sequence[str] = (), caption: str = ""
) -> str:
    """Return an HTML table, columns of words to the left and of numbers to the right.

    Parameters
    ----------
    cells : DataFrame
        Text.
    words : sequence of bool
        Which columns are words.
    notes : sequence of str
    caption : str
    """
    marks = [' class="words"' if word else "" for word in words]

    def row(tag: str, values: Sequence[object]) -> str:
        made = [
            f"<{tag}{mark}>{escape(str(v))}</{tag}>" for mark, v in zip(marks, values, strict=True)
        ]
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(row("td", list(values)) for values in cells.itertuples(index=False))
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = row("th", list(cells.columns))
    return (
        f'<table class="churnstats">{title}\n<thead>{head}</thead>\n<tbody>\n{body}\n'
        f"</tbody>\n</table>{_notes_html(notes)}"
    )


def _titled(result: Result, title: str) -> Result:
    return replace(result, description=replace(result.description, title=title))


def _notes_html(notes: Sequence[str]) -> str:
    lines = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f'<div class="churnstats-notes">{lines}</div>' if notes else ""


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.columns.nlevels > 1:
        raise SpecError("table", "the columns have several levels", how="join them into one")
    named = any(name is not None for name in frame.index.names)
    plain = frame.index.nlevels == 1 and pd.api.types.is_integer_dtype(frame.index)
    return frame.reset_index(drop=plain and not named)


def _heading(column: str) -> str:
    if column in HEADINGS:
        return HEADINGS[column]
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column):
        return column
    words = column.removeprefix("n_").replace("_", " ")
    return words[0].upper() + words[1:]


def _cells(values: pd.Series, column: str) -> list[str]:
    if pd.api.types.is_datetime64_any_dtype(values):
        return ["–" if pd.isna(v) else str(v).removesuffix(" 00:00:00") for v in values]
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return ["–" if _missing(v) else tables.format_number(v) for v in values]
    if column == "p_value":
        return [tables.format_p(float(v)) if pd.notna(v) else "–" for v in values]
    known = values.dropna()
    whole = bool(((known % 1) == 0).all()) and len(known) > 0
    bare = re.search(r"(^|_)(year|id)(_end)?$", column) is not None
    return ["–" if pd.isna(v) else _number(v, whole, bare) for v in values]


def _number(value: float, whole: bool, bare: bool) -> str:
    if not whole:
        return tables.format_number(float(value))
    return str(int(value)) if bare else tables.format_number(int(value))


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _write(path: Path, text: str) -> None:
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
