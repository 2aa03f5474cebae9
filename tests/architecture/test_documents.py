"""The documents stay true: the README's example runs, links lead somewhere, names are real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import churnstats as cs

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("data_dictionary/*.md")]
)


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_first_example_runs_and_says_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = python_blocks(text)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert (tmp_path / "three_bases.png").stat().st_size > 10_000
    for base, said in (
        ("t-1", "3.0 points (standard error 0.8)"),
        ("early", "1.4 (0.7)"),
        ("lag-adjusted", "0.4 (0.5)"),
    ):
        estimate, error = re.search(rf"{base}\s+(\S+) \((\S+)\)", printed).groups()
        points = re.search(r"([\d.]+)[^(]*\((?:standard error )?([\d.]+)\)", said).groups()
        assert said in text.replace("\n", " ")
        assert (round(100 * float(estimate), 1), round(100 * float(error), 1)) == (
            float(points[0]),
            float(points[1]),
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert not missing


def test_names_in_the_readme_table_are_public() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| station |") : text.index("A `Result` has")]
    named = set(re.findall(r"`([A-Za-z_]+)`", table))
    assert named
    assert named <= set(cs.__all__) | {"Result"}


def test_every_estimator_has_a_row_in_methods() -> None:
    text = (ROOT / "METHODS.md").read_text(encoding="utf-8")
    public = {
        "linear_model",
        "event_study",
        "cox",
        "kaplan_meier",
        "nelson_aalen",
        "tenure_summary",
        "three_bases",
    }
    assert public <= set(cs.__all__)
    assert not [name for name in public if f"| `{name}`" not in text]
