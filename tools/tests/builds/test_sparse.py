# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sparse is taken, on programs and sources that only pretend to be one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bases.fetch import fetch
from farwatch.builds import sparse
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import tools
from farwatch.system.home import Home
from tests.processes import script
from tests.samples.tree import sha256, write_tar

JUDGE = b"$@ --reads new >/dev/null && echo 1 || echo 0\n"
"""A kernel that takes only what reads something new."""
NEW, OLD = '[ "$2" != old ]; echo 0.7', '[ "$1" = --version ] || exit 1; echo 0.6'
MAKEFILE = b"sparse:\n\t@echo making $(SPARSE_VERSION) >> $(COUNT)\n\t@cp program sparse; chmod +x sparse\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    tools.version_line.cache_clear()
    real = shutil.which
    ours = tmp_path / "bin" / "sparse"
    monkeypatch.setattr("shutil.which", lambda name: _which(ours) if name == "sparse" else real(name))
    return Home(tmp_path / "home")


def _which(path: Path) -> str | None:
    return str(path) if path.exists() else None


def put_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, makefile: bytes = MAKEFILE
) -> None:
    """What the pin stands for."""
    files: dict[str, bytes | Path] = {"program": f"#!/bin/sh\n{program}\n".encode(), "Makefile": makefile}
    archive = write_tar(tmp_path / "sparse.tar.xz", files=files)
    pin = Base("sparse", "0.7", "tarball", location=str(archive), sha256=sha256(archive))
    monkeypatch.setattr(sparse, "PIN", pin)


def find(
    home: Home, judge: bytes | None = JUDGE, say: Callable[[str], None] = lambda _text: None
) -> sparse.Sparse:
    return sparse.find(home, judge, lambda pin: fetch(pin, home, say), say, 2)


def test_the_installed_one_is_taken_if_the_kernel_takes_it(home: Home, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "sparse", NEW)
    assert find(home) == sparse.Sparse("sparse", "0.7")
    assert find(home).options == ("CHECK=sparse",)


def test_a_kernel_that_does_not_judge_takes_any(home: Home, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "sparse", OLD)
    assert find(home, judge=None).program == "sparse"


@pytest.mark.parametrize(
    ("installed", "why"), [(OLD, "is too old for this kernel"), ("", "is not installed")]
)
def test_else_one_is_built_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: str, why: str
) -> None:
    if installed:
        script(tmp_path / "bin" / "sparse", installed)
    put_sources(tmp_path, monkeypatch, NEW)
    said: list[str] = []
    found = find(home, say=said.append)
    assert Path(found.program).is_relative_to(home.builds) and sparse.takes(JUDGE, found.program)
    assert any(why in line and line.endswith("building 0.7") for line in said)
    assert find(home) == found
    assert (tmp_path / "count").read_text() == "making 0.7\n"
    assert [path.name for path in home.objects.iterdir()] == ["sparse.lock"]


def test_one_that_is_built_and_too_old_all_the_same(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_sources(tmp_path, monkeypatch, OLD)
    with pytest.raises(FarwatchError, match=r"sparse 0\.7 is too old for this kernel") as caught:
        find(home)
    assert "PIN in tools/farwatch/builds/sparse.py" in caught.value.hint


def test_one_that_cannot_be_fetched(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_sources(tmp_path, monkeypatch, NEW)
    monkeypatch.setattr(sparse, "PIN", replace(sparse.PIN, location=str(tmp_path / "gone")))
    with pytest.raises(FarwatchError, match="no sparse that can read this kernel") as caught:
        find(home)
    assert "sparse is not installed" in caught.value.cause and "gone" in caught.value.cause
    assert "on PATH" in caught.value.hint


def test_one_that_does_not_build(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_sources(tmp_path, monkeypatch, NEW, b"sparse:\n\t@echo 'lib.c:3:1: error: no way'; false\n")
    with pytest.raises(FarwatchError, match=r"sparse 0\.7 does not build") as caught:
        find(home)
    assert "lib.c:3" in caught.value.cause


def test_the_pin_is_whole() -> None:
    assert sparse.PIN.kind == "deb-source" and len(sparse.PIN.sha256) == 64
