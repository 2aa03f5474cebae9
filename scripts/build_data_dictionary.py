"""Write data_dictionary/ from the contracts of the record tables: markdown and Table Schemas.

python scripts/build_data_dictionary.py           write the pages
python scripts/build_data_dictionary.py --check   write nothing; fail if a page is out of date
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from churnstats.schemas.contract import TABLES, load_contract
from churnstats.schemas.dictionary import dictionary_index, dictionary_page, schema_text

FOLDER = Path(__file__).resolve().parents[1] / "data_dictionary"


def pages() -> dict[str, str]:
    """Return the text of each page by file name."""
    contracts = [load_contract(name) for name in TABLES]
    made = {f"{contract.name}.md": dictionary_page(contract) for contract in contracts}
    made |= {f"{contract.name}.json": schema_text(contract) for contract in contracts}
    return {"README.md": dictionary_index(), **made}


def drift(folder: Path) -> list[str]:
    """Return what is wrong with the pages in a folder, a line each."""
    wanted = pages()
    files = [*folder.glob("*.md"), *folder.glob("*.json")]
    found = {path.name: path.read_text(encoding="utf-8") for path in files}
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} belongs to no table" for name in found if name not in wanted]
    changed = [name for name in wanted if name in found and found[name] != wanted[name]]
    return problems + [f"{name} is out of date" for name in changed]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages, and return the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        chosen.folder.mkdir(exist_ok=True)
        for name, text in pages().items():
            (chosen.folder / name).write_text(text, encoding="utf-8")
    problems = drift(chosen.folder)
    for problem in problems:
        print(f"data_dictionary: {problem}", file=sys.stderr)
    if problems:
        print("run: python scripts/build_data_dictionary.py", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
