# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers, with a cargo that only pretends; and one with the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from farwatch.builds import server
from farwatch.builds.builder import Builder
from farwatch.builds.subject import Subject
from farwatch.engines.uml import UmlEngine
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.system import tools
from farwatch.system.home import Home
from farwatch.trees.trees import Trees
from tests import SAMPLES
from tests.samples.tree import FakeTrees

BASE = Base("virtiofsd", "1.14.0", "crate")
CARGO = """\
#!/bin/sh
[ "$1" = --version ] && { echo "cargo 1.96.0"; exit; }
[ "$1" = --config ] && shift 2
echo "$*" >> "$CARGO_HOME/calls"
[ "$1" = build ] || exit 0
grep -q nonsense src/main.rs && { cat "$ERRORS"; exit 101; }
mkdir -p "$CARGO_TARGET_DIR/release" && cp src/main.rs "$CARGO_TARGET_DIR/release/virtiofsd"
"""


@dataclass
class World:
    """A home, a crate, and a builder over them."""

    home: Home
    tree: Path
    trees: FakeTrees
    said: list[str]
    builder: Builder

    def build(self) -> server.ServerBuild:
        revision = Revision("v1", "t", self.home.root, "virtiofs", {})
        built = self.builder.servers.build(Subject(revision, {"virtiofsd": BASE}, UmlEngine()))
        assert isinstance(built, server.ServerBuild)
        return built

    def calls(self) -> list[str]:
        """What cargo was asked for since the last time."""
        path = self.home.cargo / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [call.split(" --jobs")[0] for call in found]


@pytest.fixture
def world(tmp_path: Path) -> World:
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "main.rs").write_text("fn main() {}\n")
    (tree / "Cargo.toml").write_text('[package]\nname = "virtiofsd"\nversion = "1.14.0"\nedition = "2021"\n')
    (tree / "Cargo.lock").write_text('version = 3\n\n[[package]]\nname = "virtiofsd"\nversion = "1.14.0"\n')
    home, said = Home(tmp_path / "home"), list[str]()
    trees = FakeTrees(tree)
    builder = Builder(home, cast(Trees, trees), said.append)
    return World(home, tree, trees, said, builder)


@pytest.fixture
def fake_cargo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cargo").write_text(CARGO)
    (folder / "rustc").write_text("#!/bin/sh\necho rustc 1.96.0\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("ERRORS", str(SAMPLES / "build" / "cargo-error.log"))
    tools.version_line.cache_clear()
    yield
    tools.version_line.cache_clear()


@pytest.mark.usefixtures("fake_cargo")
def test_build_and_reuse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    built = world.build()
    assert built.binary.read_text() == "fn main() {}\n"
    assert built.binary.parent == built.folder
    assert built.log.exists()
    assert world.calls() == ["fetch --locked", "build --locked --release --offline"]
    monkeypatch.setattr(subprocess, "Popen", None)
    assert world.build() == built


@pytest.mark.usefixtures("fake_cargo")
def test_the_network_is_used_once_for_a_lock_file(world: World) -> None:
    world.build()
    world.calls()
    (world.tree / "src" / "main.rs").write_text("fn main() { }\n")
    world.build()
    assert world.calls() == ["build --locked --release --offline"]
    with (world.tree / "Cargo.lock").open("a") as handle:
        handle.write("# other\n")
    world.build()
    assert world.calls() == ["fetch --locked", "build --locked --release --offline"]


@pytest.mark.usefixtures("fake_cargo")
def test_an_error_in_a_source(world: World) -> None:
    (world.tree / "src" / "main.rs").write_text("nonsense\n")
    with pytest.raises(FarwatchError, match=r"virtiofsd 1\.14\.0 of v1 does not build") as caught:
        world.build()
    assert caught.value.cause.startswith("src/watch.rs:3:5: mismatched types")
    assert not list(world.home.builds.iterdir())


@pytest.mark.parametrize(
    ("package", "lock", "why"),
    [
        ('rust-version = "1.90"', 3, r"rust-version 1\.90 needs 1\.90"),
        ('edition = "2024"', 3, r"edition 2024 needs 1\.85"),
        ("", 4, r"Cargo\.lock of version 4 needs 1\.78"),
    ],
)
def test_a_cargo_that_is_too_old(tmp_path: Path, package: str, lock: int, why: str) -> None:
    (tmp_path / "Cargo.toml").write_text(f"[package]\n{package}\n")
    (tmp_path / "Cargo.lock").write_text(f"version = {lock}\n")
    with pytest.raises(FarwatchError, match=why) as caught:
        server.check_toolchain(tmp_path, (1, 65, 0))
    assert "cargo-web" in caught.value.hint
    server.check_toolchain(tmp_path, (1, 96, 0))


def test_no_cargo_at_all(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tools.version_line.cache_clear()
    with pytest.raises(FarwatchError, match="rustc cannot be used") as caught:
        world.build()
    assert "cargo-web" in caught.value.hint


def test_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text("[package]\n")
    with pytest.raises(FarwatchError, match="no crate with a lock file"):
        server.check_toolchain(tmp_path, (1, 96, 0))


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo")
def test_the_real_cargo(world: World) -> None:
    tools.version_line.cache_clear()
    built = world.build()
    assert subprocess.run([built.binary], check=False).returncode == 0
    (world.tree / "src" / "main.rs").write_text("fn main() { missing() }\n")
    with pytest.raises(FarwatchError, match="does not build") as caught:
        world.build()
    assert caught.value.cause.startswith("src/main.rs:1:13: cannot find function `missing`")


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo")
def test_another_folder_with_older_files_is_compiled(world: World, tmp_path: Path) -> None:
    tools.version_line.cache_clear()
    other = shutil.copytree(world.tree, tmp_path / "other")
    (other / "src" / "main.rs").write_text("fn main() { std::process::exit(7) }\n")
    os.utime(other / "src" / "main.rs", (1, 1))
    assert subprocess.run([world.build().binary], check=False).returncode == 0
    world.trees.tree = other
    assert subprocess.run([world.build().binary], check=False).returncode == 7
