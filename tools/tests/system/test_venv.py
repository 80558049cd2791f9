# SPDX-License-Identifier: GPL-2.0-or-later
"""The environment for checks: what is in the other one is found through it, and it is told from that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from farwatch.system import venv


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """(environment of requirements.lock, with a module `thing`; one that sees it)"""
    ours, seeing = tmp_path / "ours", tmp_path / "with blanks"
    for folder in (ours, seeing):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = ours.glob("lib/python*/site-packages")
    (site / "thing.py").write_text("name = 'thing'\n")
    venv.let_see(seeing, ours)
    return ours, seeing


def test_what_is_in_one_is_found_through_the_other(pair: tuple[Path, Path]) -> None:
    command = [str(pair[1] / "bin" / "python"), "-c", "import thing; print(thing.name)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "thing\n"


def test_both_have_the_same_runtime(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in pair:
        monkeypatch.setattr(sys, "prefix", str(folder))
        assert venv.prefix() == pair[0]
        assert venv.belongs_to(pair[0]) and venv.belongs_to(pair[1])
        assert not venv.belongs_to(pair[0].parent)
