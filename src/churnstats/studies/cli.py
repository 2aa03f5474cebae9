"""The command line: run a study, verify it, check record files.

Exit status
-----------
0
    Done; for ``verify``, every number is as recorded.
1
    ``verify``: a number or an input is not as recorded.
2
    The request or the data can't be used as they are: wrong arguments, a missing file or
    directory, a changed input, any `ChurnstatsError`. The message is on stderr.
3
    A program failed, such as an error in a study's ``run.py``. The traceback is on stderr.
130
    Interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from churnstats import __version__
from churnstats.core.errors import ChurnstatsError, SpecError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from churnstats.studies.numbers import Check
    from churnstats.studies.verify import Verification

DONE, FAILED, REFUSED, BROKEN = 0, 1, 2, 3
EPILOGUE = (
    "Exit status: 0 done, 1 a number is not as recorded, 2 the request or the data can't be "
    "used, 3 a program failed."
)

app = App(
    name="churnstats",
    help="Leadership turnover in school systems: run, verify and check.",
    help_epilogue=EPILOGUE,
    version=__version__,
)


@app.command
def run(directory: Path, /, *, record: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Run a study, from its raw files to its report.

    Parameters
    ----------
    directory : Path
        Directory with study.yaml and run.py.
    record : bool
        Record the numbers in expected.json as those that the study answers for, in place of
        any recorded before.
    """
    from churnstats.studies.run import run_study
    from churnstats.studies.verify import EXPECTED, record_expected

    done = run_study(directory)
    out = _console()
    if record:
        existed = (directory / EXPECTED).exists()
        checks = record_expected(directory, overwrite=True)
        changed = tuple(check for check in checks if not check.passed)
        if changed:
            out.print(_table("Numbers that are recorded anew", changed))
        state = f"{len(changed)} changed" if existed else "for the first time"
        _say(
            out,
            f"{_count(len(done.numbers), 'number')} recorded in {directory / EXPECTED}, {state}.",
        )
    seconds = done.manifest["measured"]["run_seconds"]
    _say(
        out,
        f"{_count(len(done.manifest['exhibits']), 'exhibit')} and "
        f"{_count(len(done.numbers), 'number')} in {seconds:.1f} s.",
    )
    _say(out, f"Report: {done.report}")
    return DONE


@app.command
def verify(directory: Path, /) -> int:
    """Run a study again and compare each number with the recorded one.

    Nothing is written. The exit status is 1 if any number or input is not as recorded.

    Parameters
    ----------
    directory : Path
        Directory with study.yaml, run.py and expected.json.
    """
    from churnstats.studies.verify import verify_study

    verification = verify_study(directory)
    out = _console()
    out.print(_table(f"Numbers of {verification.name}", verification.checks))
    _say_inputs(out, verification)
    total = len(verification.checks) + len(verification.inputs)
    if verification.passed:
        _say(out, f"PASS: all {_count(total, 'number')} and inputs are as recorded.")
        return DONE
    _say(
        out,
        f"FAIL: {verification.n_failed} of {_count(total, 'number')} and inputs not as recorded.",
    )
    return FAILED


@app.command
def check(
    folder: Path | None = None,
    *,
    tenures: Path | None = None,
    roster: Path | None = None,
    outcomes: Path | None = None,
    programs: Path | None = None,
    program_status: Path | None = None,
    partnerships: Path | None = None,
    units: Path | None = None,
    unit_changes: Path | None = None,
    calendar: Path | None = None,
    columns: Path | None = None,
    role: str | None = None,
    observed_until: str | None = None,
) -> int:
    """Check record files, and print what they hold and what was found in them.

    Parameters
    ----------
    folder : Path
        Folder whose files bear the names of the tables, such as tenures.csv; files that are
        named besides win.
    tenures : Path
        Who led which unit, from when to when.
    roster : Path
        Who was listed in which unit in which school year.
    outcomes : Path
        Outcomes by unit and school year.
    programs : Path
        Programs of units, with their start and end.
    program_status : Path
        Programs of units by school year.
    partnerships : Path
        Partnerships of units, with their start and end.
    units : Path
        All units.
    unit_changes : Path
        Openings, closings, mergers and new ids of units.
    calendar : Path
        School years that the other files may name.
    columns : Path
        YAML file that says, by table, how the files differ from data_dictionary/, such as
        ``roster: {columns: {unit_id: leaid}, pad: {unit_id: 7}}``.
    role : str
        Role of all rows, where tenures or roster have no such column.
    observed_until : str
        Date or school-year time until which spells without a stop were seen.
    """
    from churnstats.records.check import check_files, tables_in

    named = {
        "tenures": tenures,
        "roster": roster,
        "outcomes": outcomes,
        "programs": programs,
        "program_status": program_status,
        "partnerships": partnerships,
        "units": units,
        "unit_changes": unit_changes,
        "calendar": calendar,
    }
    given = {name: path for name, path in named.items() if path is not None}
    absent = [
        f"--{name.replace('_', '-')} {path}" for name, path in given.items() if not path.is_file()
    ]
    if absent:
        raise SpecError("files", "no such file", where=absent)
    tables = {**(tables_in(folder) if folder is not None else {}), **given}
    found = check_files(
        tables, role=role, observed_until=observed_until, columns=_by_table(columns)
    )
    out = _console()
    for name, records in found.items():
        _say(out, f"{name}\n{'-' * len(name)}")
        _say(out, f"{records.summary()}\n")
    return DONE


def _by_table(path: Path | None) -> dict[str, Any]:
    """Return what a YAML file says of each table."""
    if path is None:
        return {}
    import yaml

    try:
        says = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError("columns", f"{path} can't be read: {reason}") from error
    if not isinstance(says, dict):
        how = "write a table's name, and below it what its columns are called"
        raise SpecError("columns", f"{path} is no YAML file of tables", how=how)
    return says


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those that the program was called with.
    """
    try:
        status = app(
            list(sys.argv[1:] if arguments is None else arguments),
            exit_on_error=False,
            result_action="return_value",
        )
    except CycloptsError:
        return REFUSED
    except ChurnstatsError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except Exception:
        traceback.print_exc()
        return BROKEN
    return int(status or DONE)


def _console() -> Console:
    """Return stdout; wide enough that nothing is cut when it is no terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 240
    return Console(width=width, highlight=False)


def _say(out: Console, text: str) -> None:
    from rich.text import Text

    out.print(Text(text), soft_wrap=True)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _table(title: str, checks: Sequence[Check]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from churnstats.studies.run import format_exact

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("Number", "Expected", "Actual", "Difference", "Allowed", "Tolerance", ""):
        right = heading in ("Expected", "Actual", "Difference", "Allowed")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for c in checks:
        verdict = Text("pass", "green") if c.passed else Text(f"FAIL: {c.reason}", "bold red")
        difference = "–" if c.difference != c.difference else f"{c.difference:+.3g}"
        table.add_row(
            Text(c.id),
            format_exact(c.expected),
            format_exact(c.actual),
            difference,
            f"{c.allowed:.3g}",
            f"rtol {c.rtol:g}, atol {c.atol:g}",
            verdict,
        )
    return table


def _say_inputs(out: Console, verification: Verification) -> None:
    for key, recorded, present in verification.inputs:
        if recorded != present:
            _say(
                out,
                f"FAIL: input '{key}' is not the one that the numbers were recorded from\n"
                f"    recorded: {recorded or 'none'}\n    present:  {present or 'none'}",
            )


if __name__ == "__main__":
    sys.exit(main())
