"""Tables of estimates as text, markdown, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

HEADINGS = {
    "term": "Term",
    "estimate": "Estimate",
    "std_error": "Std. error",
    "statistic": "Statistic",
    "p_value": "p",
    "interval": "95% interval",
}


def format_number(value: object, digits: int = 3) -> str:
    """Format one cell: integers whole, floats with fixed digits, missing as a dash."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return "–"
        if 0 < abs(float(value)) < 10.0**-digits:
            return f"{value:.1e}"
        return f"{value:,.{digits}f}"
    return "–" if value is None or value is pd.NA else str(value)


def format_p(value: float) -> str:
    """Format a p-value: three digits, never zero."""
    if np.isnan(value):
        return "–"
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def format_estimates(tidy: pd.DataFrame, level: float, digits: int = 3) -> pd.DataFrame:
    """Turn a tidy frame into text cells, one row a term, with its keys and counts."""
    numbers = [c for c in tidy.columns if c not in (*HEADINGS, "conf_low", "conf_high", "df")]
    shown = pd.DataFrame({"Term": tidy["term"].astype(str)})
    shown["Estimate"] = [format_number(v, digits) for v in tidy["estimate"]]
    shown["Std. error"] = [format_number(v, digits) for v in tidy["std_error"]]
    shown[f"{level:.0%} interval"] = [
        f"[{format_number(low, digits)}, {format_number(high, digits)}]"
        for low, high in zip(tidy["conf_low"], tidy["conf_high"], strict=True)
    ]
    if tidy["p_value"].notna().any():
        shown["p"] = [format_p(v) for v in tidy["p_value"]]
    for name in numbers:
        if name.startswith("n_"):
            heading = name.removeprefix("n_").replace("_", " ").capitalize()
            shown[heading] = [format_number(v, 1) for v in _whole(tidy[name])]
    return shown


def format_frame(frame: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Format every cell of any frame as text."""
    return pd.DataFrame(
        {str(c): [format_number(v, digits) for v in _whole(frame[c])] for c in frame.columns}
    )


def _whole(column: pd.Series) -> list[object]:
    """Return values, floats that are all whole numbers as integers."""
    values = column.tolist()
    if column.dtype.kind == "f" and column.notna().all() and (column % 1 == 0).all():
        return [int(v) for v in values]
    return list(values)


def to_text(cells: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return an aligned plain-text table with its notes."""
    widths = (
        [max(len(str(c)), *(len(v) for v in cells[c]), 1) for c in cells]
        if len(cells)
        else [len(str(c)) for c in cells]
    )
    numeric = [i > 0 for i in range(cells.shape[1])]

    def line(values: Sequence[str]) -> str:
        parts = [
            v.rjust(w) if right else v.ljust(w)
            for v, w, right in zip(values, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    body = [line([str(v) for v in row]) for row in cells.itertuples(index=False)]
    return "\n".join([line([str(c) for c in cells.columns]), rule, *body, rule, *notes])


def to_markdown(cells: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return a pipe table with its notes below."""

    def line(values: Sequence[object]) -> str:
        return "| " + " | ".join(str(v).replace("|", "\\|") for v in values) + " |"

    align = "|:---|" + "---:|" * (cells.shape[1] - 1)
    rows = [line(row) for row in cells.itertuples(index=False)]
    table = "\n".join([line(list(cells.columns)), align, *rows])
    return table + ("\n\n" + "  \n".join(notes) if notes else "") + "\n"


def to_html(cells: pd.DataFrame, notes: Sequence[str] = (), caption: str = "") -> str:
    """Return an HTML table with caption and notes, all text escaped."""
    table = cells.to_html(index=False, border=0, classes="churnstats", justify="right")
    if caption:
        head, _, tail = table.partition(">")
        table = f"{head}><caption>{escape(caption)}</caption>{tail}"
    lines = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f'{table}<div class="churnstats-notes">{lines}</div>'


def to_latex(
    cells: pd.DataFrame, notes: Sequence[str] = (), caption: str = "", label: str = ""
) -> str:
    """Return a booktabs table with its notes, all text escaped."""
    plain = cells.rename(columns=str).map(lambda v: str(v).replace("–", "--"))
    body = plain.to_latex(
        index=False,
        escape=True,
        column_format="l" + "r" * (cells.shape[1] - 1),
        caption=_latex_escape(caption) or None,
        label=label or None,
        position="htbp",
    )
    if not notes:
        return str(body)
    text = " ".join(_latex_escape(note.rstrip(".")) + "." for note in notes)
    foot = "\\par\\smallskip\\begin{minipage}{0.95\\linewidth}\\footnotesize " + text
    end = "\\end{table}"
    return str(body).replace(end, f"{foot}\\end{{minipage}}\n{end}")


def _latex_escape(text: str) -> str:
    swaps = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "–": "--",
    }
    return "".join(swaps.get(ch, ch) for ch in text)
