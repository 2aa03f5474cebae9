"""Things that have one place, and what may not be in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "churnstats"


def sources_with(pattern: str) -> set[str]:
    return {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(pattern, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }


def test_distributions_are_used_in_one_module_only() -> None:
    found = sources_with(r"scipy\.stats|from scipy import .*\bstats\b|statsmodels")
    assert {f for f in found if not f.startswith("datasets/")} == {"inference/infer.py"}


def test_formulas_are_read_in_one_module_only() -> None:
    assert sources_with(r"^\s*(import|from) formulaic") == {"designs/terms.py"}


def test_narwhals_is_the_door() -> None:
    assert sources_with(r"^\s*(import|from) narwhals") == {"records/ingest.py"}


def test_no_pickle_and_no_seeded_global_state() -> None:
    assert not sources_with(r"import pickle|np\.random\.(seed|normal|rand)\b")


def test_no_public_function_swallows_keywords() -> None:
    assert not sources_with(r"^    \*\*\w+: |^def [a-z]\w*\(.*\*\*\w+")


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines()]


def test_nothing_tracked_names_a_registry_host_or_a_lock_file() -> None:
    assert not [p for p in tracked() if p.name in ("uv.lock", "pylock.toml")]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", constraints)
    assert re.search(r"^pandas==3", constraints, flags=re.MULTILINE)
