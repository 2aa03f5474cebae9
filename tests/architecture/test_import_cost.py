"""`import churnstats` is cheap: it loads nothing that a user has not asked for.

Modules are counted, not seconds: a count is the same on every machine.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import churnstats as cs

HEAVY = (
    "pandas",
    "numpy",
    "scipy",
    "matplotlib",
    "formulaic",
    "narwhals",
    "pyarrow",
    "rich",
    "cyclopts",
    "pandera",
    "openpyxl",
    "pyreadstat",
    "rapidfuzz",
    "nicknames",
    "ibis",
    "duckdb",
)
SOURCES = sorted(Path(cs.__file__).parent.rglob("*.py"))
TESTS = sorted(Path(__file__).parents[1].rglob("*.py"))


def loaded_after(code: str) -> set[str]:
    """Return the modules that a new interpreter holds after some code."""
    asked = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_after("import churnstats\ndir(churnstats)\nchurnstats.__version__")
    assert "churnstats" in loaded
    assert not loaded & set(HEAVY)
    assert {m for m in loaded if m.startswith("churnstats.")} == set()


def test_a_name_loads_its_home_and_no_pictures() -> None:
    loaded = loaded_after("import churnstats\nchurnstats.linear_model")
    assert {"churnstats.estimators.linear", "numpy", "pandas"} <= loaded
    assert not loaded & {"matplotlib", "cyclopts", "rich", "churnstats.estimators.cox"}


def test_errors_are_loaded_alone() -> None:
    assert not loaded_after("from churnstats import SpecError") & set(HEAVY)


def test_every_public_name_resolves() -> None:
    assert len(set(cs.__all__)) == len(cs.__all__)
    for name in cs.__all__:
        assert getattr(cs, name) is not None
        assert name in dir(cs)
    assert cs.linear_model.__module__ == "churnstats.estimators.linear"


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'linear_modle'"):
        cs.linear_modle  # noqa: B018


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda p: p.name)
def test_no_star_imports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    stars = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
    ]
    assert stars == []
