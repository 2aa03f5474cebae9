"""data_dictionary/ is what the contracts say, and the contracts are what the readers do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import churnstats as cs
from churnstats.core.errors import DataError
from churnstats.schemas.contract import TABLES, TYPES, load_contract

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "build_data_dictionary.py"
PAGES = ROOT / "data_dictionary"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_the_pages_are_up_to_date() -> None:
    done = run("--check")
    assert done.stderr == ""
    assert done.returncode == 0


def test_drift_is_found_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    assert run("--folder", str(folder)).returncode == 0
    assert {p.name for p in folder.iterdir()} == {p.name for p in PAGES.glob("*.md")}
    page = folder / "tenures.md"
    page.write_text(page.read_text(encoding="utf-8").replace("leader_id", "chief"), "utf-8")
    (folder / "roster.md").unlink()
    (folder / "salaries.md").write_text("", "utf-8")
    done = run("--check", "--folder", str(folder))
    assert done.returncode == 1
    for words in ("tenures.md is out of date", "roster.md is missing", "salaries.md belongs to no"):
        assert words in done.stderr


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_on_its_page(table: str) -> None:
    contract = load_contract(table)
    text = (PAGES / f"{table}.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE) == list(contract.names())
    assert set(contract.primary_key) <= set(contract.names())
    for field in contract.fields:
        assert field.description.endswith(".")
        assert field.type in TYPES


@pytest.mark.parametrize("table", TABLES)
def test_required_columns_are_those_that_readers_ask_for(table: str, tmp_path: Path) -> None:
    readers = {
        "tenures": cs.Tenures.from_spells,
        "roster": cs.Tenures.from_roster,
        "outcomes": cs.Outcomes.from_frame,
        "programs": cs.Programs.from_frame,
    }
    path = tmp_path / "table.csv"
    path.write_text("nothing\n1\n", encoding="utf-8")
    required = [field.name for field in load_contract(table).fields if field.required]
    with pytest.raises(DataError, match=f"missing: {', '.join(required)}") as error:
        readers[table](path)
    assert error.value.faults[0].rule == "missing_column"
