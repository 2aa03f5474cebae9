"""Studies: what study.yaml must hold, what a run writes, what verifying finds."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnstats.core.errors import DataError, SpecError
from churnstats.core.provenance import file_sha256
from churnstats.display.figures import new_figure
from churnstats.reporting.exhibits import printed, write_figure, write_table
from churnstats.studies.manifest import check_inputs
from churnstats.studies.numbers import Number, compare, numbers_frame
from churnstats.studies.run import MODULE, format_exact, format_short, run_study
from churnstats.studies.spec import read_spec
from churnstats.studies.verify import record_expected, verify_study
from tiny_study import DATA, RUN, sha256, write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "tiny")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = write_study(tmp_path_factory.mktemp("report") / "tiny")
    return run_study(directory, quiet=True).report.read_text(encoding="utf-8")


def with_run(directory: Path, *lines: str, head: str = "") -> Path:
    text = "\n".join(["import pandas as pd", head, "def run(study):", *(f"    {x}" for x in lines)])
    (directory / "run.py").write_text(text + "\n")
    return directory


def edit_expected(directory: Path, key: str, **changes: object) -> None:
    path = directory / "expected.json"
    content = json.loads(path.read_text())
    content["numbers"][key].update(changes)
    path.write_text(json.dumps(content))


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# study.yaml


def test_a_good_spec_is_read(study: Path) -> None:
    spec = read_spec(study)
    assert (spec.name, spec.seed, spec.authors) == ("tiny", 7, ("A. Writer",))
    assert spec.options == {"window": [-3, 5], "deep": {"on": True}}
    assert spec.inputs["roster"].resolve(study) == study / "data" / "roster.csv"


def test_options_and_inputs_and_authors_may_be_left_out(tmp_path: Path) -> None:
    spec = read_spec(
        write_study(tmp_path, authors=None, options=None, inputs=None, registration=None)
    )
    assert (spec.authors, spec.options, spec.inputs, spec.registration) == ((), {}, {}, None)


def test_one_error_lists_every_fault(tmp_path: Path) -> None:
    directory = write_study(
        tmp_path,
        name="Tiny Study",
        title=None,
        question="  ",
        seed=-1,
        authors="A. Writer",
        license="MIT",
        licence=None,
        registration=4,
        options={
            "when": pd.Timestamp("2020-01-01").date(),
            "x": float("nan"),
            3: 1,
            "list": [{"deep": float("inf")}],
        },
        inputs={
            "up": {"path": "../other.csv", "sha256": "0" * 64},
            "away": {"path": "/etc/hosts", "sha256": "0" * 64},
            "both": {"path": "a", "dataset": "b", "sha256": "0" * 64},
            "no-hash": {"path": "a.csv", "md5": "x"},
            "own": {"path": "results/x.csv", "sha256": "A" * 64},
            "Bad Key": {"dataset": "../core/errors.py", "sha256": "0" * 64},
            "word": "a.csv",
        },
    )
    (directory / "README.md").unlink()
    with pytest.raises(SpecError) as caught:
        read_spec(directory)
    text = str(caught.value)
    for fault in (
        "README.md is missing",
        "'title' is missing",
        "'licence' is missing",
        "spelled 'licence'",
        "'question' must be text",
        "'registration' must be text",
        "'name' is 'Tiny Study'",
        "'seed' is -1",
        "'authors' must be a list",
        "options.when",
        "options.x",
        "the key 3",
        "options.list[0].deep",
        "'../other.csv' must lie within",
        "'/etc/hosts' must lie within",
        "input 'both': give one of",
        "input 'no-hash': 'md5'",
        "input 'no-hash': 'sha256'",
        "input 'own': 'results/x.csv' lies in results/",
        "input 'own': 'sha256'",
        "'../core/errors.py' must lie within",
        "input 'Bad Key': names",
        "input 'word': must be a map",
    ):
        assert fault in text, fault
    assert f"{text.count(chr(10) + '    - ')} faults" in text


@pytest.mark.parametrize(
    "place", ["a/../../b.csv", "..", "~/b.csv", "C:/b.csv", "a\\..\\b.csv", "./../b.csv"]
)
def test_paths_outside_the_study_are_refused(tmp_path: Path, place: str) -> None:
    directory = write_study(tmp_path, inputs={"x": {"path": place, "sha256": "0" * 64}})
    with pytest.raises(SpecError, match="must lie within the study's directory"):
        read_spec(directory)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name: [", "is no YAML"),
        ("- a\n- b\n", "holds no keys"),
        ("", "holds no keys"),
        ("seed: 1\nseed: 2\n", "'seed' stands twice"),
        ("x: !!python/object:os.system {}", "no YAML"),
    ],
)
def test_yaml_that_can_not_be_read(study: Path, text: str, what: str) -> None:
    (study / "study.yaml").write_text(text)
    with pytest.raises(SpecError, match=what):
        read_spec(study)


def test_a_directory_without_files_or_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"(?s)study.yaml is missing.*run.py is missing"):
        read_spec(tmp_path)
    with pytest.raises(SpecError, match="there is no directory"):
        read_spec(tmp_path / "none")


# inputs


def test_changed_and_absent_inputs_are_named_with_both_hashes(tmp_path: Path) -> None:
    inputs = {
        "roster": {"path": "data/roster.csv", "sha256": sha256(DATA)},
        "gone": {"path": "data/gone.csv", "sha256": "1" * 64},
        "shipped": {"dataset": "mlb/tenures.csv", "sha256": "2" * 64},
    }
    directory = write_study(tmp_path, inputs=inputs)
    (directory / "data" / "roster.csv").write_text(DATA + "C,2020,1,1\n")
    with pytest.raises(DataError) as caught:
        run_study(directory, quiet=True)
    text = str(caught.value)
    shipped = read_spec(directory).inputs["shipped"].resolve(directory)
    for part in (
        "data/roster.csv",
        sha256(DATA),
        sha256(DATA + "C,2020,1,1\n"),
        "data/gone.csv",
        "1" * 64,
        "no such file",
        "mlb/tenures.csv",
        "2" * 64,
        file_sha256(shipped),
    ):
        assert part in text, part
    assert [f.rule for f in caught.value.faults] == [
        "changed_input",
        "absent_input",
        "changed_input",
    ]
    assert not (directory / "results").exists()


def test_a_shipped_dataset_is_found_by_name(tmp_path: Path) -> None:
    inputs = {"tenures": {"dataset": "mlb/tenures.csv", "sha256": "0" * 64}}
    path = read_spec(write_study(tmp_path, inputs=inputs)).inputs["tenures"].resolve(tmp_path)
    inputs["tenures"]["sha256"] = file_sha256(path)
    found = check_inputs(read_spec(write_study(tmp_path, inputs=inputs)))
    assert found["tenures"]["file"] == "churnstats.datasets/mlb/tenures.csv"
    assert found["tenures"]["bytes"] == path.stat().st_size


def test_a_run_that_changes_its_input_is_stopped(study: Path) -> None:
    with_run(study, "study.input('roster').write_text('')")
    with pytest.raises(DataError, match="was changed by the run"):
        run_study(study, quiet=True)


def test_only_declared_inputs(study: Path) -> None:
    with_run(study, "study.input('other')")
    with pytest.raises(SpecError, match=r"'other' is no input of this study"):
        run_study(study, quiet=True)


# a run


def test_a_run_writes_all_it_should_and_nothing_else(study: Path) -> None:
    before = set(contents(study))
    record = run_study(study, quiet=True)
    made = set(contents(study)) - before
    tables = {
        f"results/tables/{n}.{k}"
        for n in ("row_flow", "rows", "fit")
        for k in ("csv", "tex", "html")
    }
    assert made == tables | {
        "results/figures/shares.png",
        "results/figures/shares.svg",
        "results/files/kept.txt",
        "results/numbers.json",
        "results/manifest.json",
        "results/report.html",
    }
    assert record.report == study / "results" / "report.html"
    assert record.numbers["share.mean"].value == pytest.approx(0.875 / 3)


def test_manifest_holds_the_provenance(study: Path) -> None:
    manifest = run_study(study, quiet=True).manifest
    results = study / "results"
    listed = {k: v["sha256"] for k, v in manifest["outputs"].items()}
    actual = {
        path.relative_to(results).as_posix(): file_sha256(path)
        for path in results.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert listed == actual
    assert manifest["inputs"]["roster"]["sha256"] == sha256(DATA)
    assert manifest["inputs"]["roster"]["bytes"] == len(DATA)
    assert manifest["sources"]["run.py"] == file_sha256(study / "run.py")
    assert manifest["sources"]["study.yaml"] == file_sha256(study / "study.yaml")
    assert manifest["seed"] == 7
    assert manifest["options"]["window"] == [-3, 5]
    assert manifest["ledgers"]["row_flow"][0]["lost"] == {"no <share>": 1}
    assert manifest["environment"]["numpy"] == np.__version__
    assert manifest["measured"]["run_seconds"] > 0
    assert manifest["git"] is None
    assert json.loads((results / "manifest.json").read_text()) == manifest


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_is_in_bytes(study: Path) -> None:
    peak = run_study(study, quiet=True).manifest["measured"]["peak_memory_bytes"]
    assert 2e7 < peak < 1e11


def test_exhibits_name_the_line_that_made_them(study: Path) -> None:
    record = run_study(study, quiet=True)
    lines = RUN.splitlines()
    for exhibit in record.manifest["exhibits"]:
        assert (
            f'"{exhibit["name"]}"' in lines[exhibit["line"] - 1]
            or exhibit["name"] in lines[exhibit["line"] - 1]
        )
    assert '"slope"' in lines[record.numbers["slope"].line - 1]


def test_a_number_carries_its_source(study: Path) -> None:
    run_study(study, quiet=True)
    numbers = json.loads((study / "results" / "numbers.json").read_text())
    assert numbers["slope"]["source"]["n_rows"] == 3
    assert numbers["slope"]["source"]["vcov"]
    assert re.fullmatch("[0-9a-f]{64}", numbers["slope"]["source"]["sample_sha256"])
    assert numbers["undefined"]["value"] == "nan"
    assert numbers["endless"]["value"] == "inf"
    assert numbers["share.mean"]["estimand"] == "mean"
    assert (numbers["n_kept"]["rtol"], numbers["slope"]["rtol"]) == (0.0, 1e-6)


def test_two_runs_write_the_same_bytes(study: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from churnstats.studies.run import run_study;"
        "run_study(sys.argv[1], sys.argv[2], quiet=True)"
    )
    made = []
    for name, seed in (("a", "1"), ("b", "2")):
        target = tmp_path / name / "results"
        env = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, study, target], check=True, env=env)
        made.append(contents(target))
    first, second = made
    manifests = [json.loads(m.pop("manifest.json")) for m in made]
    assert first == second
    assert len(first) > 10
    measured = [m.pop("measured") for m in manifests]
    assert manifests[0] == manifests[1]
    assert set(measured[0]) == {"started", "run_seconds", "peak_memory_bytes"}


def test_a_failed_run_keeps_the_results_before(study: Path) -> None:
    run_study(study, quiet=True)
    before = contents(study / "results")
    with_run(study, "study.table('new', pd.DataFrame({'a': [1]}), 'New')", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        run_study(study, quiet=True)
    assert contents(study / "results") == before


def test_a_new_run_removes_what_it_no_longer_makes(study: Path) -> None:
    run_study(study, quiet=True)
    with_run(study, "study.table('new', pd.DataFrame({'a': [1]}), 'New')")
    run_study(study, quiet=True)
    assert set(contents(study / "results")) == {
        "tables/new.csv",
        "tables/new.tex",
        "tables/new.html",
        "numbers.json",
        "manifest.json",
        "report.html",
    }


def test_files_that_no_run_wrote_are_not_touched(study: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "figures").mkdir(parents=True)
    (home / "figures" / "mine.png").write_text("x")
    (home / "manifest.json").write_text('{"name": "of something else"}')
    with pytest.raises(SpecError, match="holds files that no run has written"):
        run_study(study, home, quiet=True)
    assert set(contents(home)) == {"figures/mine.png", "manifest.json"}


def test_a_run_leaves_no_module_and_no_bytecode(study: Path) -> None:
    run_study(study, quiet=True)
    assert MODULE not in sys.modules
    assert not list(study.rglob("__pycache__"))


def test_run_py_is_a_namespace_of_its_own(study: Path) -> None:
    head = (
        "assert 'counter' not in globals()\ncounter = 1\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Pair:\n    a: 'int' = 1\n"
    )
    with_run(study, "assert Pair().a == counter", head=head)
    run_study(study, quiet=True)
    run_study(study, quiet=True)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1\n", "has no function run"),
        ("import sys\ndef run(study):\n    sys.exit(0)\n", "called for an exit"),
    ],
)
def test_run_py_without_a_run_or_with_an_exit(study: Path, text: str, what: str) -> None:
    (study / "run.py").write_text(text)
    with pytest.raises(SpecError, match=what):
        run_study(study, quiet=True)


def test_options_can_not_be_changed(study: Path) -> None:
    with_run(
        study, "study.options['window'].append(9)", "assert study.options['window'] == [-3, 5]"
    )
    assert run_study(study, quiet=True).manifest["options"]["window"] == [-3, 5]


def test_draws_depend_on_seed_and_draw_only(study: Path) -> None:
    with_run(
        study,
        "a = [study.generator(i).random() for i in (0, 1, 0)]",
        "assert a[0] == a[2] != a[1]",
        "study.number('a', a[1], 'a')",
    )
    value = run_study(study, quiet=True).numbers["a"].value
    expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(1,))).random()
    assert value == expected


@pytest.mark.parametrize(
    "line",
    [
        "study.table('Bad Name', pd.DataFrame({'a': [1]}), 'c')",
        "study.table('../up', pd.DataFrame({'a': [1]}), 'c')",
        "study.table('a', [1, 2], 'c')",
        "study.figure('a', 'no figure', 'c')",
        "[study.table('a', pd.DataFrame({'a': [1]}), 'c') for _ in range(2)]",
        "[study.number('a', 1, 'c') for _ in range(2)]",
        "study.number('A b', 1, 'c')",
        "study.number('a', 'one', 'c')",
        "study.number('a', True, 'c')",
        "study.number('a', 1, ' ')",
        "study.number('a', 1, 'c', rtol=1.0)",
        "study.number('a', 1, 'c', rtol=float('nan'))",
        "study.number('a', 1, 'c', atol=float('inf'))",
        "study.number('a', 1, 'c', atol=-1)",
        "study.path('../a')",
        "[study.path('a') for _ in range(2)]",
    ],
)
def test_what_a_study_may_not_hand_in(study: Path, line: str) -> None:
    with_run(study, line)
    with pytest.raises(SpecError):
        run_study(study, quiet=True)


def test_commit_is_recorded_in_a_checkout(study: Path) -> None:
    git = ["git", "-C", str(study), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "run.py", "study.yaml", "README.md"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    first = run_study(study, quiet=True).manifest["git"]
    assert re.fullmatch("[0-9a-f]{40}", first["commit"])
    assert not first["modified"]
    (study / "README.md").write_text("changed")
    assert run_study(study, quiet=True).manifest["git"]["modified"]


def test_progress_is_plain_lines_when_it_is_no_terminal(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_run(study, "study.step('A [bold]step[/bold]')")
    run_study(study)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "- Checking the inputs",
        "- Running run.py",
        "- A [bold]step[/bold]",
        "- Writing the report",
    ]
    with_run(study, "study.step('Dividing')", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        run_study(study)
    assert "failed: Dividing" in capsys.readouterr().err


# exhibits


def test_tables_are_full_in_csv_and_readable_in_print(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "unit_id": ["A", "B & <C>"],
            "school_year_end": [2019, 2020],
            "n_exits": [1234.0, np.nan],
            "share": [1 / 3, np.nan],
            "day": pd.to_datetime(["2019-07-01", None]),
            "Std. error": [1, 2],
        }
    )
    files = write_table(frame, tmp_path, "t", "A <caption> & more", ["Note <1>."]).files
    csv, tex, html = (path.read_text(encoding="utf-8") for path in files)
    assert pd.read_csv(files[0])["share"][0] == 1 / 3
    assert "B & <C>" in csv
    assert r"B \& " in tex
    assert r"\caption{A \textless{}caption\textgreater{} \& more}" in tex
    assert "B &amp; &lt;C&gt;" in html
    assert "<caption>A &lt;caption&gt; &amp; more</caption>" in html
    assert "Note &lt;1&gt;." in html
    cells, words = printed(frame)
    assert list(cells) == ["Unit id", "School year end", "Exits", "Share", "Day", "Std. error"]
    assert cells.iloc[0].tolist() == ["A", "2019", "1,234", "0.333", "2019-07-01", "1"]
    assert cells.iloc[1].tolist() == ["B & <C>", "2020", "–", "–", "–", "2"]
    assert words == [True, False, False, False, True, False]


def test_columns_of_estimates_are_headed_as_in_results() -> None:
    frame = pd.DataFrame(
        {
            "estimate": [0.5],
            "std_error": [0.1],
            "p_value": [1e-9],
            "conf_low": [0.3],
            "conf_high": [np.inf],
        }
    )
    cells, _ = printed(frame)
    assert cells.iloc[0].to_dict() == {
        "Estimate": "0.500",
        "Std. error": "0.100",
        "p": "<.001",
        "Conf. low": "0.300",
        "Conf. high": "inf",
    }


def test_a_named_index_is_kept_and_a_plain_one_is_not(tmp_path: Path) -> None:
    frame = pd.DataFrame({"group": ["x", "y", "y"], "n": [1, 2, 3]})
    for content, columns in (
        (frame.groupby("group").sum(), "group,n"),
        (frame[frame["n"] > 1], "group,n"),
        (frame.set_axis(["p", "q", "r"], axis=0), "index,group,n"),
    ):
        path = write_table(content, tmp_path, "t", "c").files[0]
        assert path.read_text().splitlines()[0] == columns
    wide = pd.crosstab(frame["group"], [frame["n"], frame["group"]])
    with pytest.raises(SpecError, match="several levels"):
        write_table(wide, tmp_path, "t", "c")


def test_two_columns_may_not_share_a_heading() -> None:
    with pytest.raises(SpecError, match="headed 'Exits'"):
        printed(pd.DataFrame({"n_exits": [1], "exits": [2]}))


def test_figures_hold_no_date(tmp_path: Path) -> None:
    figure, (ax,) = new_figure()
    ax.plot([0, 1], [0, 1])
    png, svg = write_figure(figure, tmp_path, "f").files
    text = svg.read_text(encoding="utf-8")
    assert "dc:date" not in text
    assert "matplotlib.org" not in text
    assert b"Software" not in png.read_bytes()
    again = write_figure(figure, tmp_path / "again", "f").files
    assert [p.read_bytes() for p in (png, svg)] == [p.read_bytes() for p in again]


# the report


class Page(HTMLParser):
    """Collects tags, addresses, ids and styles; fails on tags left open."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_stands_alone(page: str) -> None:
    found = Page(page)
    assert found.addresses
    for address in found.addresses:
        assert address.startswith(("#", "data:image/svg+xml;base64,")), address
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)
    assert not set(found.tags) & {"script", "link", "iframe", "object", "embed", "form", "base"}
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_the_report_escapes_and_holds_everything(page: str) -> None:
    text = " ".join(" ".join(Page(page).words).split())
    for part in (
        "Tiny <study> & more",
        "Does it work?",
        "A. Writer",
        "Sample & rows",
        "Four rows.",
        "Row flow",
        "no <share>",
        "Table 1",
        "The rows <kept> & shown",
        "A note <b>.",
        "Table 2",
        "Figure 1",
        "Shares by year",
        "A note on methods.",
        "Rows kept",
        "share.mean",
        "0.292",
        "0.2916666667",
        "0.0001 relative",
        "none: exact",
        "Standard errors:",
        sha256(DATA),
        "data/roster.csv",
        "https://example.org/plan",
        "churnstats run tiny",
        "churnstats verify tiny",
        f"numpy {np.__version__}",
        "Option window",
        "[-3, 5]",
    ):
        assert part in text, part
    assert "<study>" not in page
    assert page.index("Sample &amp; rows</h2>") < page.index("Shares over time</h2>")
    cards = page[page.index('class="cards"') : page.index("</ul>")]
    assert "Rows kept" in cards
    assert "Slope" not in cards


def test_a_study_without_numbers_or_inputs_has_a_report(tmp_path: Path) -> None:
    directory = with_run(
        write_study(tmp_path, inputs=None, authors=None, registration=None),
        "study.table('a', pd.DataFrame({'a': [1]}), 'c')",
    )
    text = run_study(directory, quiet=True).report.read_text()
    Page(text)
    assert "reads no file" in text
    assert "Every number" not in text
    assert ">Results</h2>" in text


@pytest.mark.parametrize(
    ("value", "short", "exact"),
    [
        (1234567, "1,234,567", "1,234,567"),
        (0.0, "0.0", "0"),
        (-0.01785891245123, "-0.0179", "-0.01785891245"),
        (2.0, "2.00", "2"),
        (12345.678, "12,346", "12345.678"),
        (1e-9, "1.00e-09", "1e-09"),
        (math.nan, "–", "NaN"),
        (-math.inf, "-inf", "-inf"),
    ],
)
def test_numbers_for_people(value: float, short: str, exact: str) -> None:
    assert format_short(value) == short
    assert format_exact(value) == exact


# verify


def test_recorded_numbers_verify(study: Path) -> None:
    run_study(study, quiet=True)
    assert record_expected(study) == ()
    before = contents(study)
    verification = verify_study(study, quiet=True)
    assert verification.passed
    assert verification.n_failed == 0
    frame = verification.frame()
    assert list(frame["id"]) == ["n_kept", "share.mean", "slope", "draw", "undefined", "endless"]
    assert frame["passed"].all()
    assert frame.set_index("id").loc["share.mean", "allowed"] == pytest.approx(0.875 / 3 * 1e-4)
    assert contents(study) == before


def test_expected_json_states_value_tolerance_label_and_inputs(study: Path) -> None:
    run_study(study, quiet=True)
    record_expected(study)
    content = json.loads((study / "expected.json").read_text())
    assert content["inputs"] == {"roster": sha256(DATA)}
    assert content["numbers"]["share.mean"] == {
        "value": pytest.approx(0.875 / 3),
        "rtol": 1e-4,
        "atol": 0.0,
        "label": "Mean share",
    }


def test_a_perturbed_number_fails(study: Path) -> None:
    run_study(study, quiet=True)
    record_expected(study)
    edit_expected(study, "share.mean", value=0.875 / 3 * 1.0002)
    verification = verify_study(study, quiet=True)
    assert not verification.passed
    bad = verification.frame().query("not passed")
    assert list(bad["id"]) == ["share.mean"]
    assert bad["difference"].iloc[0] == pytest.approx(-0.875 / 3 * 0.0002)
    edit_expected(study, "share.mean", value=0.875 / 3 * 1.00005)
    assert verify_study(study, quiet=True).passed


def test_other_inputs_than_recorded_fail_though_the_numbers_agree(study: Path) -> None:
    run_study(study, quiet=True)
    record_expected(study)
    text = DATA + "\n"
    changes = {"roster": {"path": "data/roster.csv", "sha256": sha256(text)}}
    write_study(study, inputs=changes)
    (study / "data" / "roster.csv").write_text(text)
    verification = verify_study(study, quiet=True)
    assert all(check.passed for check in verification.checks)
    assert verification.changed_inputs == ("roster",)
    assert not verification.passed


def test_numbers_are_recorded_on_purpose_only(study: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no manifest.json"):
        record_expected(study)
    run_study(study, quiet=True)
    record_expected(study)
    with pytest.raises(SpecError, match="recorded already"):
        record_expected(study)
    edit_expected(study, "slope", value=1.0)
    checks = record_expected(study, overwrite=True)
    assert [check.id for check in checks if not check.passed] == ["slope"]
    assert verify_study(study, quiet=True).passed
    (study / "run.py").write_text(RUN + "# changed\n")
    with pytest.raises(SpecError, match=r"(?s)changed since it was run.*run.py"):
        record_expected(study, overwrite=True)


def test_nothing_recorded_can_not_be_verified(study: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no expected.json in 'tiny'"):
        verify_study(study, quiet=True)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no keys"),
        ("{}", "does not hold recorded numbers"),
        (
            '{"format": 1, "inputs": {}, "numbers": {"a": {"value": "x", "rtol": 2}}}',
            r"(?s)'a': 'x' is no number.*'a': the label.*'a': rtol is 2.*'a': atol is None",
        ),
    ],
)
def test_expected_json_that_can_not_be_read(study: Path, text: str, what: str) -> None:
    (study / "expected.json").write_text(text)
    with pytest.raises(SpecError, match=what):
        verify_study(study, quiet=True)


def number(value: float, rtol: float = 0.0, atol: float = 0.0) -> dict[str, Number]:
    return {"a": Number("a", value, "A", rtol, atol)}


@pytest.mark.parametrize(
    ("old", "new", "passed"),
    [
        (number(1.0), number(1.0), True),
        (number(100.0, 0.01), number(101.0, 0.01), True),
        (number(100.0, 0.01), number(101.001, 0.01), False),
        (number(-100.0, 0.01), number(-101.0, 0.01), True),
        (number(0.0, 0.5), number(1e-12, 0.5), False),
        (number(0.0, 0.0, 1e-9), number(1e-9, 0.0, 1e-9), True),
        (number(1.0, 0.5, 0.25), number(1.75, 0.5, 0.25), True),
        (number(1.0, 0.5, 0.25), number(1.751, 0.5, 0.25), False),
        (number(math.nan), number(math.nan), True),
        (number(math.nan, 0.5, 9.0), number(1.0, 0.5, 9.0), False),
        (number(1.0, 0.5, 9.0), number(math.nan, 0.5, 9.0), False),
        (number(math.inf), number(math.inf), True),
        (number(math.inf, 0.5), number(-math.inf, 0.5), False),
        (number(math.inf, 0.5), number(1e300, 0.5), False),
        (number(1.0, 1e-6), number(1.0, 1e-3), False),
        (number(1.0), {}, False),
        ({}, number(1.0), False),
        ({}, {}, True),
    ],
)
def test_comparison(old: dict[str, Number], new: dict[str, Number], passed: bool) -> None:
    checks = compare(old, new)
    assert all(check.passed for check in checks) is passed
    frame = numbers_frame(checks)
    assert len(frame) == max(len(old), len(new))
    assert frame["passed"].dtype == bool


def test_a_missing_number_is_told_from_an_undefined_one() -> None:
    old = {**number(1.0), "b": Number("b", math.nan, "B", 0.0, 0.0)}
    new = {"b": old["b"], "c": Number("c", 2, "C", 0.0, 0.0)}
    frame = numbers_frame(compare(old, new)).set_index("id")
    assert frame["reason"].to_dict() == {
        "a": "not recorded by run.py",
        "b": "",
        "c": "not in expected.json",
    }
    assert frame.loc["a", "expected"] == 1.0
    assert math.isnan(frame.loc["a", "actual"])
