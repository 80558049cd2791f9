# SPDX-License-Identifier: GPL-2.0-or-later
"""The house as a whole: one name, one thing; a library has one door; the contract of the rooms works."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from farwatch.commands.check import ROOMS
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


IMPORT = "from farwatch.results.table import Table\n"
UPWARD = {
    "at the top": IMPORT,
    "lazily": f"def late() -> None:\n    {IMPORT}",
    "for types alone": f"import typing\n\nif typing.TYPE_CHECKING:\n    {IMPORT}",
}


def lint_rooms(root: Path) -> subprocess.CompletedProcess[str]:
    """As check does it, in another checkout."""
    return subprocess.run(
        [sys.executable, *ROOMS.words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "tools"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout whose rooms may be changed."""
    (tmp_path / "tools").mkdir()
    shutil.copytree(PACKAGE, tmp_path / "tools" / "farwatch", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TESTS.parents[1] / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("how", UPWARD)
def test_an_import_upward_is_found(copied: Path, how: str) -> None:
    (copied / "tools" / "farwatch" / "guests" / "wrong.py").write_text(UPWARD[how])
    done = lint_rooms(copied)
    assert done.returncode == 1
    assert "farwatch.guests.wrong -> farwatch.results.table" in done.stdout


def test_a_circle_within_a_room_is_found(copied: Path) -> None:
    room = copied / "tools" / "farwatch" / "verdicts"
    (room / "one.py").write_text("from farwatch.verdicts import two\n")
    (room / "two.py").write_text("def f() -> None:\n    from farwatch.verdicts import one\n")
    done = lint_rooms(copied)
    assert done.returncode == 1 and "BROKEN" in done.stdout
    assert ".one" in done.stdout and ".two" in done.stdout


def test_a_room_that_nobody_has_placed_is_found(copied: Path) -> None:
    (copied / "tools" / "farwatch" / "attic").mkdir()
    (copied / "tools" / "farwatch" / "attic" / "__init__.py").write_text("")
    done = lint_rooms(copied)
    assert done.returncode == 1 and "attic" in done.stdout


DOORS = {
    "aiosmtpd": ["mail/sink.py"],
    "asyncssh": ["cluster/ssh.py"],
    "b4": ["mail/b4_api.py"],
    "distributed": ["cluster/schedulers.py", "cluster/serving.py", "cluster/ssh.py"],
    "git": ["trees/history.py"],
    "patatt": ["mail/b4_api.py"],
    "tomlkit": ["revisions/edit.py"],
}
"""Libraries whose ways are not to spread -> the modules that know them."""


def importers(folder: Path, libraries: Iterable[str]) -> dict[str, list[str]]:
    """Library -> the files that import it, or a part of it, anywhere."""
    found: dict[str, list[str]] = {library: [] for library in libraries}
    for path in sorted(folder.rglob("*.py")):
        tops = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                tops.add(node.module.partition(".")[0])
        for library in found.keys() & tops:
            found[library].append(str(path.relative_to(folder)))
    return found


def test_a_library_has_one_door() -> None:
    assert importers(PACKAGE, DOORS) == DOORS


PLAIN = """
import sys
from farwatch.commands import common, test, verify
from farwatch.cells import crew, fill, testing
common.crew_from(type("Args", (), {"cluster": None}), None)
print([name for name in sys.modules if name.partition(".")[0] in ("distributed", "dask", "asyncssh")
       or name.startswith("farwatch.cluster")])
"""


def test_nothing_of_a_cluster_is_imported_where_none_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_second_door_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    import b4.mbox as x\n")
    (tmp_path / "b.py").write_text("from b4 import LoreMessage\nfrom farwatch import git\n")
    assert importers(tmp_path, ["b4", "git"]) == {"b4": ["a.py", "b.py"], "git": []}
