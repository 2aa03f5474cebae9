"""The documents stay true: the README's code runs, links lead somewhere, names are real."""

from __future__ import annotations

import inspect
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import churnstats as cs

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "benchmarks/", "data_dictionary/", "docs/")
DOCUMENTS = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
METHODS = (ROOT / "METHODS.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
SUPERINTENDENTS = ROOT / ".." / "shared" / "data" / "superintendents"
MISSOURI = SUPERINTENDENTS / "missouri_superintendents_2003_2024.csv"
# What users of the README have in their folder.
THEIR_FILES = {
    "superintendents.csv": """\
unit_id,leader_id,start,stop
0100005,a,2010-07-01,2015-01-01
0100005,b,2015-01-01,
""",
    "roster.csv": """\
unit_id,leader_id,spring
0100005,a,2018
0100005,b,2019
""",
}


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


BLOCKS = python_blocks(README)


def run_in(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> dict[str, Any]:
    """Run a block of the README in a folder with its files, and return what it made."""
    for name, text in THEIR_FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    made: dict[str, Any] = {"cs": cs}
    exec(compile(code, "README.md", "exec"), made)
    return made


def test_the_first_example_runs_and_says_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, code = README, BLOCKS[0]
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


def test_own_records_are_read_as_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenures = run_in(tmp_path, monkeypatch, BLOCKS[1])["tenures"]
    assert tenures.frame[["leader_id", "start"]].to_numpy().tolist() == [["a", 2018], ["b", 2019]]


def test_the_roster_example_runs_and_finds_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len([line for line in BLOCKS[2].splitlines() if line.strip()]) <= 10
    made = run_in(tmp_path, monkeypatch, BLOCKS[2])
    issues = made["tenures"].issues.frame()
    assert dict(zip(issues["rule"], issues["n_rows"], strict=True)) == {
        "gap_bridged": 1,
        "gap": 2,
        "returning_leader": 2,
    }
    said = re.search(r"State (\d+) has no turnover in (\d+) and (\d+)% in (\d+)", README)
    assert said is not None
    state, year, percent, after = said.groups()
    found = made["found"].flagged()
    found["percent"] = (100 * found["turnover_share"]).round()
    assert found[["group", "school_year_end", "percent", "flag"]].to_numpy().tolist() == [
        [state, int(year), 0, "stale"],
        [state, int(after), int(percent), "rebound"],
    ]
    printed = capsys.readouterr().out
    assert "Kaplan-Meier, late entry" in printed
    leaders = set(made["roster"]["leader_name"])
    assert not [name for name in leaders if name in printed]
    for picture in ("stale_years.png", "swimlane.png"):
        assert (tmp_path / picture).stat().st_size > 10_000
    panel = cs.mask_transitions(
        cs.Panel.build(made["tenures"]), made["found"].unknown_transitions()
    )
    assert set(panel.ledger.steps[-1].lost) == {"stale", "rebound"}


def test_every_block_of_the_readme_is_run_here() -> None:
    assert len(BLOCKS) == 3
    assert len(README.splitlines()) <= 175


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_within_documents_lead_to_headings(document: Path) -> None:
    missing = []
    for target, heading in re.findall(
        r"\]\(([^)#:]*)#([^)]+)\)", document.read_text(encoding="utf-8")
    ):
        goal = document.parent / target if target else document
        headings = re.findall(r"^#+ (.+)$", goal.read_text(encoding="utf-8"), flags=re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]
        missing += [heading] * (heading not in anchors)
    assert not missing


def test_the_readme_table_has_all_public_names_and_no_others() -> None:
    table = README[README.index("| station |") : README.index("A `Result` has")]
    named = set(re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", table))
    for name in named:
        assert callable(attrgetter(name)(cs)), name
    errors = {n for n in cs.__all__ if n.endswith("Error")}
    constants = {"__version__", "readers.ROLES", "readers.ReadRows"}
    readers = {f"readers.{name}" for name in cs.readers.__all__}
    expected = {*cs.__all__, *readers, "datasets.load_mlb", "datasets.simulate_districts"}
    assert named == expected - errors - constants - {"datasets", "readers"}


def test_every_public_function_has_a_row_in_methods() -> None:
    wanted = {n for m in (cs, cs.readers) for n in m.__all__ if inspect.isfunction(getattr(m, n))}
    wanted |= {f"{r}.{m}" for r in ("Tenures", "Programs") for m in vars(getattr(cs, r))
               if m.startswith("from_")} | {"Units", "Partnerships", "InterimRules"}  # fmt: skip
    rows = {n for first in re.findall(r"^\|([^|]*)\|", METHODS, flags=re.MULTILINE)
            for n in re.findall(r"`([\w.]+)`", first)}  # fmt: skip
    assert {"cox", "turnover_by_group", "read_seda", "Tenures.from_roster"} <= wanted
    assert not wanted - rows


def terms() -> set[str]:
    """Return the columns and other names in the first cells of the glossary."""
    firsts = re.findall(r"^\|([^|]*)\|", GLOSSARY, flags=re.MULTILINE)
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}


def test_columns_of_changes_and_portfolios_stand_in_the_glossary() -> None:
    data = cs.datasets.load_mlb()
    panel = cs.Panel.build(data.tenures, data.outcomes)
    plain = {"event_id", "unit_id", "role", "event_order", "predecessor_spell_id",
             "successor_spell_id", "predecessor_id", "successor_id"}  # fmt: skip
    portfolio = cs.program_portfolio(data.programs, panel).frame
    columns = {*panel.events, *portfolio} - plain - {"n_age_known", "n_champion_known"}
    assert {"exit_type", "successor_origin", "overlap_jaccard"} <= columns
    assert not columns - terms()


def test_measures_of_churn_stand_in_the_glossary() -> None:
    made = cs.churn_measures(
        cs.datasets.load_mlb().tenures, families=cs.RoleFamilies(head="manager")
    )
    named = {c.replace("manager_turnover", "f_turnover", 1) for c in made}
    counts = re.compile(r"unit_id|\w*n_posts|\w*_coverage_share|\w*_n_at_risk|\w*_n_left")
    measures = {c for c in named if not counts.fullmatch(c)}
    assert {"synchrony_share", "f_turnover_lag_share"} <= measures
    assert not {m for m in measures if f"`{m}`" not in GLOSSARY}


@pytest.mark.skipif(not MISSOURI.exists(), reason="this file is not shipped")
def test_missouri_has_as_many_handovers_and_shared_posts_as_methods_says() -> None:
    sentence = r"(\d+) become handovers within the year and (\d+) shared posts \((\d+) of"
    said = re.search(sentence, METHODS)
    assert said is not None
    tenures = cs.readers.read_missouri(MISSOURI)
    lines = tenures.issues.rows()
    source = pd.read_csv(MISSOURI, dtype=str)[["county_district_code", "year"]]
    found = [len(source.iloc[lines.loc[lines["rule"] == rule, "row"] - 2].drop_duplicates())
             for rule in ("handover_in_year", "shared_post", "shares_above_one")]  # fmt: skip
    assert [int(n) for n in said.groups()] == found
    assert f"| spells | {len(tenures.frame):,} |" in METHODS
