# SPDX-License-Identifier: GPL-2.0-or-later
"""The house as a whole: one name, one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests import TESTS

PACKAGE = TESTS.parent / "farwatch"


def classes(folder: Path) -> dict[str, list[str]]:
    """Class name -> the files that define one, names with an underscore included."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(folder)))
    return found


def test_no_class_name_has_two_meanings() -> None:
    assert {name: files for name, files in classes(PACKAGE).items() if len(files) > 1} == {}


def test_two_meanings_are_seen(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text("class Kept: ...\n")
    (tmp_path / "b.py").write_text("def f():\n    class Kept: ...\n")
    assert classes(tmp_path) == {"Kept": ["b.py", "room/a.py"]}
