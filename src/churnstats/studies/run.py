"""Run a study: check its inputs, run its ``run.py``, write results, manifest and report."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churnstats.core.errors import SpecError
from churnstats.core.provenance import file_sha256
from churnstats.reporting.report import KeyNumber, Report, render
from churnstats.studies import manifest as provenance
from churnstats.studies.numbers import Number, read_json, write_json
from churnstats.studies.progress import Progress
from churnstats.studies.spec import StudySpec, read_spec
from churnstats.studies.study import Book, Study

PARTIAL = ".partial"
WRITTEN = ("figures", "tables", "files", "numbers.json", "manifest.json", "report.html")
MODULE = "churnstats_study_run"


@dataclass(frozen=True)
class RunRecord:
    """A run that has ended well.

    Parameters
    ----------
    spec : StudySpec
    results : Path
        Directory with the tables, figures, numbers, manifest and report.
    numbers : mapping of str to Number
    manifest : mapping
        What ``manifest.json`` holds.
    """

    spec: StudySpec
    results: Path
    numbers: Mapping[str, Number]
    manifest: Mapping[str, Any]

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.results / "report.html"


def run_study(
    directory: str | Path, results: str | Path | None = None, *, quiet: bool = False
) -> RunRecord:
    """Run a study, from its inputs to its report.

    Parameters
    ----------
    directory : str or Path
        Holds ``study.yaml``, ``run.py`` and ``README.md``.
    results : str or Path, optional
        Where to write; by default ``results/`` in the study's directory. What an earlier run
        wrote there is replaced when the new run has ended well, and kept if it fails.
    quiet : bool
        Show no progress on stderr.

    Returns
    -------
    RunRecord

    Raises
    ------
    SpecError
        For faults of the study, or a directory of results that no run has made.
    DataError
        For inputs that are absent, or not those that the study was written for.

    Notes
    -----
    Two runs on one machine write the same bytes, but for ``measured`` in ``manifest.json``
    (start, run time, peak memory of the process).
    """
    progress, watch = Progress(quiet), provenance.Stopwatch()
    spec = read_spec(directory)
    target = Path(results).absolute() if results is not None else spec.directory / "results"
    progress.step("Checking the inputs")
    try:
        inputs = provenance.check_inputs(spec)
        with _partial(target) as partial:
            book, code = Book(partial), (spec.directory / "run.py").read_bytes()
            sources = {
                "study.yaml": file_sha256(spec.directory / "study.yaml"),
                "run.py": hashlib.sha256(code).hexdigest(),
            }
            progress.step("Running run.py")
            _execute(spec, code, Study(spec, book, progress))
            provenance.check_inputs(spec, during=True)
            progress.step("Writing the report")
            made = provenance.build_manifest(spec, book, inputs, sources)
            _write(spec, book, made, watch)
    except BaseException:
        progress.finish(failed=True)
        raise
    progress.finish()
    return RunRecord(spec, target, dict(book.numbers), read_json(target / "manifest.json"))


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Give a directory to write to; move what is in it to the target if all goes well."""
    if target.exists() and not target.is_dir():
        raise SpecError("results", f"'{target.name}' is no directory")
    existed = target.exists()
    present = sorted(path.name for path in target.iterdir()) if existed else []
    if present and not _is_ours(target):
        raise SpecError(
            "results",
            f"'{target.name}' holds files that no run has written",
            where=present,
            how="name an empty or a new directory",
        )
    partial = target / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for name in WRITTEN:
            _remove(target / name)
            if (partial / name).exists():
                (partial / name).rename(target / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not existed and not any(target.iterdir()):
            target.rmdir()


def _is_ours(target: Path) -> bool:
    """Return whether a run has written here, or was cut off while it did."""
    if (target / PARTIAL).is_dir():
        return True
    try:
        return {"study", "sources", "outputs"} <= set(read_json(target / "manifest.json"))
    except SpecError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _execute(spec: StudySpec, code: bytes, study: Study) -> None:
    """Run the bytes of run.py as a module of its own, which leaves no trace behind."""
    path = spec.directory / "run.py"
    module_spec = importlib.util.spec_from_file_location(MODULE, path)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    before = sys.modules.get(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)
        _entry(module.__dict__)(study)
    except SystemExit as error:
        raise SpecError(
            "run",
            f"run.py called for an exit ({error.code})",
            how="return from run(study), or raise an error",
        ) from error
    finally:
        sys.modules.pop(MODULE)
        if before is not None:
            sys.modules[MODULE] = before


def _entry(names: Mapping[str, Any]) -> Callable[[Study], object]:
    run = names.get("run")
    if not callable(run):
        raise SpecError(
            "run", "run.py has no function run", how="write `def run(study: Study) -> None`"
        )
    entry: Callable[[Study], object] = run
    return entry


def _write(spec: StudySpec, book: Book, made: dict[str, Any], watch: provenance.Stopwatch) -> None:
    """Write the numbers, the report and the manifest."""
    numbers = {id: number.describe() for id, number in book.numbers.items()}
    write_json(book.results / "numbers.json", numbers)
    page = render(_report(spec, book, made))
    (book.results / "report.html").write_text(page, encoding="utf-8", newline="\n")
    outputs = provenance.hash_outputs(book.results)
    content = {**made, "outputs": outputs, provenance.MEASURED: watch.read()}
    write_json(book.results / "manifest.json", content)


def _report(spec: StudySpec, book: Book, made: Mapping[str, Any]) -> Report:
    facts = {"Study": spec.name, "Licence": spec.licence}
    if spec.registration:
        facts["Registration"] = spec.registration
    facts["Seed"] = str(spec.seed)
    facts |= {f"Option {name}": str(value) for name, value in spec.options.items()}
    if made["git"]:
        changed = ", with changes that are not committed" if made["git"]["modified"] else ""
        facts["Commit"] = made["git"]["commit"] + changed
    facts |= {f"SHA-256 of {name}": digest for name, digest in made["sources"].items()}
    inputs = [
        {
            "key": key,
            "file": str(entry["file"]),
            "bytes": f"{entry['bytes']:,}",
            "sha256": str(entry["sha256"]),
        }
        for key, entry in made["inputs"].items()
    ]
    where = spec.directory.name
    return Report(
        title=spec.title,
        question=spec.question,
        authors=spec.authors,
        numbers=[_key_number(number) for number in book.numbers.values()],
        sections=book.sections,
        notes=book.notes,
        facts=facts,
        inputs=inputs,
        versions=made["environment"],
        commands=[f"churnstats run {where}", f"churnstats verify {where}"],
    )


def _key_number(number: Number) -> KeyNumber:
    return KeyNumber(
        id=number.id,
        label=number.label,
        shown=format_short(number.value),
        exact=format_exact(number.value),
        tolerance=number.tolerance,
        estimand=number.estimand,
        source=f"run.py, line {number.line}" if number.line else "run.py",
        is_key=number.is_key,
    )


def format_short(value: float | int) -> str:
    """Return a number with three significant digits, whole numbers and thousands in full."""
    if isinstance(value, int) or value == 0:
        return f"{value:,}"
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.2e}" if digits > 6 else f"{value:,.{max(digits, 0)}f}"


def format_exact(value: float | int | None) -> str:
    """Return a number with ten significant digits, a missing one in words."""
    if value is None:
        return "missing"
    if isinstance(value, int):
        return f"{value:,}"
    return "NaN" if math.isnan(value) else f"{value:.10g}"
