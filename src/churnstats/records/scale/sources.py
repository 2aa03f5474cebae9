"""Where large tables live, through ibis: files, tables of any backend, and queries that run there.

What the packages below ibis warn of among themselves is no concern of a user's and is kept quiet.
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import pandas as pd

from churnstats.core.errors import ChurnstatsError, DataError, Fault, SpecError
from churnstats.records.ingest import to_pandas

Table: TypeAlias = Any  # ibis.Table; ibis is optional, so its types are not known here
T = TypeVar("T")

INSTALL = "pip install 'churnstats[scale]'"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
HOW_SOURCE = (
    "give a Parquet, CSV or TSV file, several of one kind, a folder of Parquet, an ibis table, "
    "or a frame; for files elsewhere, an ibis table that reads them"
)


@dataclass(frozen=True)
class Source:
    """A table that stays where it is.

    Parameters
    ----------
    table : ibis.Table
    name : str
        What messages call its rows, such as ``"students"``.
    file : str
        Name of the file, if it is one.
    from_file : bool
        The table was read from files.
    kept : list
        What was kept in the backend for queries to come.
    """

    table: Table
    name: str
    file: str = ""
    from_file: bool = False
    kept: list[Any] = field(default_factory=list, repr=False)

    def fetch(self, query: Table) -> pd.DataFrame:
        """Run a query where the table lives and return what it gives as a pandas frame."""
        arrow = self.attempt(query.to_pyarrow)
        return to_pandas(arrow, self.name).reset_index(drop=True)

    def keep(self, query: Table) -> Table:
        """Run a query once and keep what it gives there, for several queries that begin with it."""
        self.kept.append(self.attempt(query.cache))
        return self.kept[-1]

    def release(self) -> None:
        """Give up what was kept."""
        while self.kept:
            _quietly(self.kept.pop().release)

    def attempt(self, call: Callable[[], T]) -> T:
        """Call a backend; what it can't do or read is told as a fault of the data."""
        try:
            return _quietly(call)
        except ChurnstatsError:
            raise
        except Exception as error:  # backends raise what they like
            what = f"the rows can't be read where they are: {_first_line(error)}"
            how = "check the query behind the table, or the frame's cells"
            if self.from_file:
                how = "check that the file is whole, and each line has the cells of the header"
            raise self.fault("unreadable_source", what, how) from error

    def fault(self, rule: str, what: str, how: str) -> DataError:
        """Return the error of one fault of the whole table."""
        return DataError([Fault(rule, self.name, what, how, 0, (), self.file)])


@contextmanager
def open_source(data: Any, backend: Any, name: str) -> Iterator[Source]:
    """Open a table to be reduced where it lives, and close it again.

    Parameters
    ----------
    data : path, sequence of paths, ibis.Table or frame
        Text files are read as text, so that ids keep their zeros.
    backend : ibis backend, optional
        Connection by which files are read; an embedded DuckDB by default.
    name : str
        What messages call its rows.
    """
    ibis = _need_ibis()
    with TemporaryDirectory(prefix="churnstats_", ignore_cleanup_errors=True) as scratch:
        own = None
        if isinstance(data, ibis.Table):
            if backend is not None:
                what = "an ibis table lives in a backend already, and another one is given"
                raise SpecError("backend", what, how="leave backend= out")
            source = Source(data, name)
        else:
            if backend is None:
                own = _quietly(lambda: ibis.duckdb.connect(temp_directory=scratch))
            source = _open(data, own or _checked(backend, ibis), name)
        try:
            yield source
        finally:
            source.release()
            if own is not None:
                _quietly(own.disconnect)


def _checked(backend: Any, ibis: Any) -> Any:
    if not isinstance(backend, ibis.backends.BaseBackend):
        what = f"{type(backend).__name__} is no ibis backend"
        how = "give a connection such as ibis.duckdb.connect() or ibis.pyspark.connect(session)"
        raise SpecError("backend", what, how=how)
    return backend


def _open(data: Any, backend: Any, name: str) -> Source:
    """Open files or a frame in a backend."""
    paths = _paths(data)
    if paths:
        return _open_files(paths, backend, name)
    if backend.name != "duckdb":
        what = f"a frame in memory can't be given to the backend '{backend.name}'"
        raise SpecError("source", what, how=f"{HOW_SOURCE} without backend=")
    return _open_frame(data, backend, name)


def _need_ibis() -> Any:
    try:
        import ibis

        ibis.duckdb  # noqa: B018  (its driver is looked for here)
    except (ImportError, AttributeError) as error:
        what = "large tables are reduced by ibis and DuckDB, which are not installed"
        raise SpecError("not_installed", what, how=INSTALL) from error
    return ibis


def _paths(data: Any) -> list[Path]:
    """Return the paths that are given, none if it is something else."""
    if isinstance(data, (str, Path)):
        return [Path(data)]
    if isinstance(data, (list, tuple)) and data and all(isinstance(p, (str, Path)) for p in data):
        return [Path(p) for p in data]
    return []


def _open_files(paths: list[Path], backend: Any, name: str) -> Source:
    source = Source(None, name, paths[0].name, True)
    absent = [str(p) for p in paths if not p.exists()]
    kinds = {_kind(p) for p in paths}
    for wrong, what in (
        (bool(absent), f"there is no such file: {', '.join(absent[:5])}"),
        (len(kinds) > 1, f"the files are of several kinds: {', '.join(sorted(kinds))}"),
        (not kinds <= {".parquet", *DELIMITERS}, f"{min(kinds)} can't be read where it is"),
    ):
        if wrong:
            raise source.fault("unreadable_source", what, HOW_SOURCE)
    if kinds == {".parquet"}:
        return replace(source, table=source.attempt(lambda: _parquet(backend, paths)))
    header, delimiter = _header(paths, source), DELIMITERS[kinds.pop()]
    return replace(source, table=source.attempt(lambda: _text(backend, paths, header, delimiter)))


def _header(paths: list[Path], source: Source) -> list[str]:
    """Return the names in the first line of text files, which must be the same in all."""
    delimiter = DELIMITERS[_kind(paths[0])]
    headers = [source.attempt(partial(_first_cells, path, delimiter)) for path in paths]
    header = headers[0]
    for wrong, what in (
        (not header, "the file is empty"),
        (len(set(header)) < len(header), "two columns have one name"),
        ("" in header, "a column has no name"),
        (
            any(other != header for other in headers),
            "the files have other columns, or in another order",
        ),
    ):
        if wrong:
            how = "give files whose first line names each column once, all in one order"
            raise source.fault("unreadable_source", what, how)
    return header


def _first_cells(path: Path, delimiter: str) -> list[str]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines, delimiter=delimiter), [])


def _kind(path: Path) -> str:
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    return ".parquet" if path.is_dir() else ending or "a file without an ending"


def _parquet(backend: Any, paths: list[Path]) -> Table:
    if backend.name == "pyspark":  # it takes one file or folder at a time
        return _stacked([backend.read_parquet(str(p)) for p in paths])
    return backend.read_parquet(
        [str(p / "**" / "*.parquet") if p.is_dir() else str(p) for p in paths]
    )


def _text(backend: Any, paths: list[Path], header: list[str], delimiter: str) -> Table:
    """Read delimited text as text; a line that is too short or too long stops the reading.

    DuckDB is told the columns, since it may skip lines to find some of its own.
    """
    if backend.name == "pyspark":
        return _stacked([_spark_text(backend, p, delimiter) for p in paths])
    return backend.read_csv(
        [str(p) for p in paths], columns=dict.fromkeys(header, "VARCHAR"), auto_detect=False,
        header=True, skip=0, delim=delimiter, quote='"', escape='"',
    )  # fmt: skip


def _spark_text(backend: Any, path: Path, delimiter: str) -> Table:
    """Read one text file by Spark, which passes over short lines if it may leave out columns."""
    options = {
        "path": str(path.absolute()), "header": "true", "inferSchema": "false",
        "sep": delimiter, "quote": '"', "escape": '"', "mode": "FAILFAST",
        "enforceSchema": "false", "columnPruning": "false",
    }  # fmt: skip
    name = f"churnstats_{uuid4().hex}"
    told = ", ".join(f"{key} '{_escaped(value)}'" for key, value in options.items())
    backend.raw_sql(f"CREATE TEMPORARY VIEW {name} USING csv OPTIONS ({told})")
    return backend.table(name)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _stacked(tables: list[Table]) -> Table:
    return tables[0].union(*tables[1:]) if len(tables) > 1 else tables[0]


def _open_frame(data: Any, backend: Any, name: str) -> Source:
    import pyarrow as pa

    source, frame = Source(None, name), to_pandas(data, name)
    arrow = source.attempt(lambda: pa.Table.from_pandas(frame, preserve_index=False))
    made = source.attempt(
        lambda: backend.create_table(f"{name}_given", obj=arrow, temp=True, overwrite=True)
    )
    return replace(source, table=made)


def _first_line(error: Exception) -> str:
    """Return what is wrong without the line of data that it is wrong with."""
    lines = str(error).split("Original Line")[0].strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _quietly(call: Callable[[], T]) -> T:
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
        return call()
