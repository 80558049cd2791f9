# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU, with a configure and a ninja that only pretend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from farwatch.builds import qemu
from farwatch.builds.builder import Builder
from farwatch.builds.subject import Subject
from farwatch.engines.vng import VngEngine
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.system.home import Home
from farwatch.trees.trees import Trees
from tests.processes import script
from tests.samples.tree import FakeTrees

BASE = Base("qemu", "7.2", "deb-source")
CONFIGURE = 'echo "configure $*" >> calls; echo "CFLAGS is ${CFLAGS-not set}" >> calls'
NINJA = """
echo "ninja $*" >> calls
if grep -q nonsense "$TREE/main.c"; then
	echo "[1/2] Compiling C object main.c.o"
	echo "../tree/main.c:7:1: error: expected ';' before '}' token"
	exit 1
fi
echo "[2/2] Linking target qemu-system-x86_64"
cp "$TREE/main.c" qemu-system-x86_64
"""


@dataclass
class World:
    home: Home
    tree: Path
    builder: Builder

    def build(self) -> qemu.QemuBuild:
        built = self.builder.monitors.build(
            Subject(Revision("v1", "t", self.home.root, "virtiofs", {}), {"qemu": BASE}, VngEngine())
        )
        assert isinstance(built, qemu.QemuBuild)
        return built

    def calls(self) -> list[str]:
        """What was started since the last time."""
        path = self.home.objects / "qemu-7.2-objects" / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "main.c").write_text("int main(void) { }\n")
    script(tree / "configure", CONFIGURE)
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "ninja", NINJA)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TREE", str(tree))
    home = Home(tmp_path / "home")
    builder = Builder(home, cast(Trees, FakeTrees(tree)), lambda _: None)
    return World(home, tree, builder)


def test_build_and_reuse(world: World) -> None:
    built = world.build()
    assert built.binary.read_text() == "int main(void) { }\n"
    assert built.log.exists() and os.access(built.binary, os.R_OK)
    assert [call.split()[0] for call in world.calls()] == ["configure", "CFLAGS", "ninja"]
    assert world.build() == built
    assert world.calls() == []


def test_an_edit_does_not_configure_again(world: World) -> None:
    first = world.build()
    world.calls()
    (world.tree / "main.c").write_text("int main(void) { return 0; }\n")
    second = world.build()
    assert second.key != first.key and first.binary.exists()
    assert [call.split()[0] for call in world.calls()] == ["ninja"]


def test_other_options_configure_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.build()
    world.calls()
    monkeypatch.setattr(qemu, "_OPTIONS", ("--enable-something",))
    assert world.build().key != first.key
    assert "--enable-something" in world.calls()[0]


def test_the_shell_of_a_person_has_no_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O0")
    world.build()
    assert "CFLAGS is not set" in world.calls()


def test_an_error_is_named_and_nothing_kept(world: World) -> None:
    (world.tree / "main.c").write_text("nonsense\n")
    with pytest.raises(FarwatchError, match=r"qemu 7\.2 of v1") as caught:
        world.build()
    assert "main.c:7" in str(caught.value) and "expected ';'" in str(caught.value)
    assert not list(world.home.builds.glob("qemu-*"))


def test_a_configure_that_fails_is_done_again(world: World) -> None:
    script(world.tree / "configure", "echo 'ERROR: glib-2.56 gthread-2.0 is required'; exit 1")
    with pytest.raises(FarwatchError) as caught:
        world.build()
    assert "glib-2.56" in str(caught.value)
    script(world.tree / "configure", CONFIGURE)
    assert world.build().binary.exists()
