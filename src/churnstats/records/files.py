"""Files to frames: text stays text, every line has the cells of the header, faults are told."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from churnstats.core.errors import MAX_ROWS_SHOWN, DataError, Fault

ENDINGS = ".csv .tsv .txt .csv.gz .tsv.gz .parquet .dta .sav .xlsx"
WHOLE = "check that the file is whole and has the format that its name ends with"
SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
SIGNATURES = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "an Excel workbook or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


class _UnreadableError(Exception):
    """What is wrong with a file and how to mend it."""

    def __init__(
        self, what: str, how: str = WHOLE, rows: tuple[str, ...] = (), n_rows: int = 0
    ) -> None:
        super().__init__(what)
        self.what, self.how, self.rows, self.n_rows = what, how, rows, n_rows


def read_file(path: Path, table: str = "file") -> pd.DataFrame:
    """Read CSV, Parquet, Stata, SPSS or Excel; text formats as text, so ids keep their zeros.

    Value labels of Stata and SPSS become text, their missing codes missing cells. Cells of a
    worksheet are text or numbers as they are stored.

    Returns
    -------
    DataFrame
        Its index numbers the rows as the file does: the lines of a text file and the rows of a
        worksheet, the header among them; the records of other formats from 1.

    Raises
    ------
    DataError
        When the file is not there, has an unknown ending or can't be read.
    """
    try:
        frame = _read(path)
    except _UnreadableError as error:
        rule = "ragged_lines" if error.n_rows else "unreadable_file"
        fault = Fault(rule, table, error.what, error.how, error.n_rows, error.rows, path.name)
        raise DataError([fault]) from error
    except ImportError as error:
        what = f"the package that reads {path.suffix} files is not installed: {error.name}"
        how = "pip install 'churnstats[io]', or save the file as CSV or Parquet"
        raise DataError([Fault("unreadable_file", table, what, how, 0, (), path.name)]) from error
    except Exception as error:  # readers of foreign formats raise what they like
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        what = f"the file can't be read: {reason}"
        raise DataError([Fault("unreadable_file", table, what, WHOLE, 0, (), path.name)]) from error
    if frame.index.name is None:
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="row")
    return frame


def _read(path: Path) -> pd.DataFrame:
    name = path.name.lower()
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise _UnreadableError(f"{what}: {path}", "check the name and the folder")
    if name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
        return _read_delimited(path)
    if name.endswith(".parquet"):
        return pd.read_parquet(path)
    if name.endswith(".dta"):
        return _read_stata(path)
    if name.endswith(".sav"):
        return pd.read_spss(path)
    if name.endswith(".xlsx"):
        return _read_excel(path)
    ending = path.suffix or "no ending"
    raise _UnreadableError(f"{ending} is none of {ENDINGS}", "save it in one of these formats")


def _read_stata(path: Path) -> pd.DataFrame:
    try:
        return pd.read_stata(path)
    except ValueError as error:
        if "not unique" not in str(error):
            raise
        what = "a value label stands for several codes, so that they can't be told apart"
        how = (
            "give each code a label of its own, or give the frame without labels: "
            "pandas.read_stata(path, convert_categoricals=False)"
        )
        raise _UnreadableError(what, how) from error


def _read_excel(path: Path) -> pd.DataFrame:
    """Read the first worksheet; empty rows are passed over, and errors in cells are kept as text.

    Cells stay as they are stored, so that ids kept as numbers can be told from text.
    """
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        cells = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()
    filled = [i for i, row in enumerate(cells) if any(cell is not None for cell in row)]
    if not filled:
        raise _UnreadableError("the first worksheet is empty", "put the table there")
    width = 1 + max(j for i in filled for j, cell in enumerate(cells[i]) if cell is not None)
    rows = [(cells[i] + [None] * width)[:width] for i in filled]
    names = _names("" if cell is None else str(cell) for cell in rows[0])
    index = pd.Index([i + 1 for i in filled[1:]], dtype=np.int64, name="row")
    columns = list(zip(*rows[1:], strict=True)) or [()] * width
    made = [pd.Series(column, index, dtype=object) for column in columns]
    return pd.concat(made, axis=1, keys=range(width)).set_axis(names, axis=1)


def _names(header: Iterable[str]) -> list[str]:
    return [cell.strip() or f"unnamed_{i}" for i, cell in enumerate(header, start=1)]


def _read_delimited(path: Path) -> pd.DataFrame:
    """Read delimited text, every line of which must be as long as the header."""
    text = _decode(_content(path))
    separator = "\t" if ".tsv" in path.name.lower() else ","
    header, lines = _survey(text, separator)
    frame = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        header=0,
        names=list(range(len(header))),
        index_col=False,
    )
    if len(frame) != len(lines):
        raise _UnreadableError(f"{len(lines)} lines were counted and {len(frame)} read")
    frame.columns = pd.Index(_names(header))
    frame.index = pd.Index(np.asarray(lines, dtype=np.int64), name="line")
    return frame


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            what = "its name ends in .gz, but it is no whole gzip file"
            raise _UnreadableError(what, "fetch or compress it again") from error
    if not content.strip():
        raise _UnreadableError("the file is empty", "export it again: it needs a header and rows")
    return content


def _decode(content: bytes) -> str:
    for start, kind in SIGNATURES.items():
        if content.startswith(start):
            raise _UnreadableError(
                f"it is {kind}, not text in UTF-8", "rename it if it is, or save it as 'CSV UTF-8'"
            )
    zero = content.find(b"\0")
    if zero >= 0:
        line = content.count(b"\n", 0, zero) + 1
        raise _UnreadableError(
            f"line {line} holds a NUL byte, which no text has",
            "export the file again: it is damaged, or no text",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x})"
        how = "save it as 'CSV UTF-8', or read it with its own encoding and give the frame"
        raise _UnreadableError(what, how) from error


def _survey(text: str, separator: str) -> tuple[list[str], list[int]]:
    """Return the header and the line on which each row begins; refuse lines of other lengths."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    lines: list[int] = []
    ragged: list[str] = []
    n_ragged, line = 0, 1
    try:
        for cells in reader:
            if len(cells) < 2 and not "".join(cells).strip():
                pass
            elif not header:
                header = cells
            elif len(cells) == len(header):
                lines.append(line)
            else:
                n_ragged += 1
                if n_ragged <= MAX_ROWS_SHOWN:
                    ragged.append(f"line {line}: {len(cells)} cells: {separator.join(cells)[:80]}")
            line = reader.line_num + 1
    except csv.Error as error:
        what = f"a quotation mark on line {line} or below is not closed, or stands inside a cell"
        how = f"close it, or double it within a quoted cell ({error})"
        raise _UnreadableError(what, how) from error
    if n_ragged:
        what = f"lines have more or fewer cells than the {len(header)} of the header"
        how = f"quote cells that hold {SEPARATORS[separator]}, and fill up short lines"
        raise _UnreadableError(what, how, tuple(ragged), n_ragged)
    _refuse_other_separator(header, separator)
    return header, lines


def _refuse_other_separator(header: list[str], separator: str) -> None:
    other = next((c for c in SEPARATORS if c in header[0]), None) if len(header) == 1 else None
    if other is not None:
        raise _UnreadableError(
            f"its cells are separated by {SEPARATORS[other]}, not by {SEPARATORS[separator]}",
            "save it with commas, or with tabs and a name that ends in .tsv",
        )
