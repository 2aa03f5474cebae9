"""Sizes that need a reason: files over 500 lines, functions over 60, classes over 15 methods.

A function's lines are those of its body without the docstring; a class's methods are the public
ones, properties among them.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "scripts").glob("*.py"),
        *(ROOT / "analyses").rglob("*.py"),
    ]
)


def body_lines(node: ast.FunctionDef) -> int:
    body = node.body
    first = body[1] if ast.get_docstring(node) and len(body) > 1 else body[0]
    return (node.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 60, f"{node.name} has {body_lines(node)} lines"
        if isinstance(node, ast.ClassDef):
            public = [
                n.name
                for n in node.body
                if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
            ]
            assert len(public) <= 15, f"{node.name} has {len(public)} public methods"
