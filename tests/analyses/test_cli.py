"""The command line: what it prints, where, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import churnstats
from churnstats.core.errors import DataError, Fault
from churnstats.records.check import tables_in
from churnstats.studies.cli import main
from tiny_study import DATA, RUN, sha256, write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "tiny")


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "churnstats.studies.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_record_and_verify_as_a_program(study: Path) -> None:
    done = command("run", study, "--record")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Report: {study / 'results' / 'report.html'}"
    assert "6 numbers recorded" in done.stdout
    assert "- Reading" in done.stderr
    verified = command("verify", study)
    assert verified.returncode == 0, verified.stderr
    assert "PASS: all 7 numbers and inputs are as recorded." in verified.stdout
    assert "rtol 0.0001, atol 0" in verified.stdout
    path = study / "expected.json"
    path.write_text(path.read_text().replace('"value": 3,', '"value": 4,'))
    failed = command("verify", study)
    assert failed.returncode == 1
    assert "FAIL: differs by more than allowed" in failed.stdout
    assert "FAIL: 1 of 7 numbers" in failed.stdout


def test_a_changed_input_is_named_and_the_status_is_2(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "data" / "roster.csv").write_text("changed")
    assert main(["run", str(study)]) == 2
    out, err = capsys.readouterr()
    assert "data/roster.csv" in err
    assert sha256(DATA) in err
    assert sha256("changed") in err
    assert "Traceback" not in err
    assert out == ""


def test_an_error_of_run_py_keeps_its_traceback_and_the_status_is_3(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "run.py").write_text("def run(study):\n    return 1 / 0  # here\n")
    assert main(["run", str(study)]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "return 1 / 0  # here" in err
    (study / "run.py").write_text("def run(study:\n")
    assert main(["run", str(study)]) == 3


def test_malformed_yaml_lists_all_and_the_status_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_study(tmp_path, title=None, seed="x", name="A B")
    assert main(["run", str(directory)]) == 2
    err = capsys.readouterr().err
    assert "3 faults in the study" in err
    assert "'title' is missing" in err
    assert "'seed' is 'x'" in err
    assert "'name' is 'A B'" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "none"],
        ["verify", "none"],
        ["bogus"],
        ["run", "a", "b"],
        ["run", "none", "--bogus"],
        ["check"],
        ["check", "--tenures", "none.csv"],
    ],
)
def test_bad_arguments_are_status_2(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.strip()
    assert "Traceback" not in out + err


def test_a_missing_recording_is_status_2(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(study)]) == 2
    assert "there is no expected.json" in capsys.readouterr().err


def test_recording_anew_shows_what_changes(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(study), "--record"]) == 0
    before = (study / "expected.json").read_text()
    assert main(["run", str(study)]) == 0
    assert (study / "expected.json").read_text() == before
    (study / "run.py").write_text(RUN.replace('len(kept), "Rows', 'len(frame), "Rows'))
    capsys.readouterr()
    assert main(["run", str(study)]) == 0
    assert (study / "expected.json").read_text() == before
    assert main(["run", str(study), "--record"]) == 0
    out = capsys.readouterr().out
    assert "recorded anew" in out
    assert "n_kept" in out
    assert "1 changed" in out
    assert json.loads((study / "expected.json").read_text())["numbers"]["n_kept"]["value"] == 4


def test_other_inputs_are_told_and_the_status_is_1(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(study), "--record"]) == 0
    path = study / "expected.json"
    path.write_text(path.read_text().replace(sha256(DATA), "0" * 64))
    assert main(["verify", str(study)]) == 1
    out = capsys.readouterr().out
    assert "input 'roster' is not the one" in out
    assert "0" * 64 in out


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == churnstats.__version__
    for arguments in (["--help"], ["run", "--help"], []):
        assert main(arguments) == 0
        assert "Exit status" in capsys.readouterr().out


def test_check_prints_what_the_files_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tenures, roster = tmp_path / "t.csv", tmp_path / "r.csv"
    tenures.write_text("x")
    roster.write_text("x")
    seen: dict[str, object] = {}

    def check_files(tables: dict[str, Path], **options: object) -> dict[str, object]:
        seen.clear()
        seen.update(tables, **options)
        return {"tenures": SimpleNamespace(summary=lambda: "3 spells [of] 2 units")}

    fake = SimpleNamespace(check_files=check_files, tables_in=tables_in)
    monkeypatch.setitem(sys.modules, "churnstats.records.check", fake)
    assert main(["check", "--tenures", str(tenures), "--roster", str(roster)]) == 0
    assert "3 spells [of] 2 units" in capsys.readouterr().out
    assert seen == {
        "tenures": tenures,
        "roster": roster,
        "columns": {},
        "role": None,
        "observed_until": None,
    }
    assert (
        main(["check", "--roster", str(roster), "--role", "head", "--observed-until", "2021"]) == 0
    )
    assert seen.pop("columns") == {}
    assert seen == {"roster": roster, "role": "head", "observed_until": "2021"}
    units = tmp_path / "units.csv"
    units.write_text("x")
    assert main(["check", str(tmp_path), "--roster", str(roster)]) == 0
    assert {seen["units"], seen["roster"]} == {units, roster}


def test_check_prints_all_faults_and_the_status_is_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def check_files(*files: object, **options: object) -> dict[str, object]:
        raise DataError(
            [
                Fault("overlap", "tenures", "two at once", "look", 2),
                Fault("range", "roster", "too late", "look", 1),
            ]
        )

    fake = SimpleNamespace(check_files=check_files, tables_in=tables_in)
    monkeypatch.setitem(sys.modules, "churnstats.records.check", fake)
    (tmp_path / "t.csv").write_text("x")
    assert main(["check", "--tenures", str(tmp_path / "t.csv")]) == 2
    err = capsys.readouterr().err
    assert "2 faults in the data" in err
    assert "[overlap]" in err
    assert "[range]" in err


def test_check_reads_the_shipped_tenures(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(churnstats.__file__).parent / "datasets" / "mlb" / "tenures.csv"
    assert main(["check", "--tenures", str(shipped)]) == 0
    assert "992" in capsys.readouterr().out


def test_the_command_line_is_light_to_import() -> None:
    code = (
        "import sys, churnstats.studies.cli;"
        "print([m for m in ('pandas', 'numpy', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
