# SPDX-License-Identifier: GPL-2.0-or-later
"""Components that make or a script of the project builds."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from farwatch.builds.builder import Builder
from farwatch.builds.parts import PartBuild
from farwatch.builds.server import ServerBuild
from farwatch.builds.subject import Subject
from farwatch.engines.uml import UmlEngine
from farwatch.errors import FarwatchError
from farwatch.revisions.catalog import Catalog
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.trees.trees import Trees

MAKE = 'build = "make"\nrole = "tool"\nprogram = "bin/it"\n'
SCRIPT = 'build = "script"\nscript = "tools/build-it"\nrole = "tool"\n'
MAKEFILE = "bin/it: it.sh\n\tmkdir -p bin && cp $< $@ && chmod +x $@\n"


@dataclass
class World:
    """A project with one tool, whose sources are in a repository."""

    folder: Path
    home: Home
    said: list[str]

    def build(self) -> ServerBuild | PartBuild:
        catalog = Catalog.load(self.folder)
        builder = Builder(self.home, Trees(self.home, catalog, self.said.append), self.said.append)
        revision, base = catalog.revision("v1"), catalog.base("it")
        [tool] = catalog.with_role("tool")
        return builder.servers.build_of(Subject(revision, {"it": base}, UmlEngine()), tool)

    def say(self, text: str) -> None:
        (self.folder / "patches" / "bases.toml").write_text(text)

    def script(self, text: str, mode: int = 0o755) -> Path:
        path = self.folder / "tools" / "build-it"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path


@pytest.fixture
def world(tmp_path: Path, home: Home) -> World:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "it.sh").write_text("#!/bin/sh\necho it works\n")
    (tree / "Makefile").write_text(MAKEFILE)
    git.git("init", "--quiet", cwd=tree)
    git.git("add", "--all", cwd=tree)
    person = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org")
    git.git(*person, "commit", "--quiet", "--message=x", cwd=tree)
    made = World(tmp_path / "my project", home, [])
    (made.folder / "patches" / "v1").mkdir(parents=True)
    (made.folder / "patches" / "v1" / "revision.toml").write_text('title = "x"\n[bases]\nit = "1"\n')
    commit = git.line("rev-parse", "HEAD", cwd=tree)
    base = f'\n[it.1]\nkind = "git"\nlocation = "{tree}"\ncommit = "{commit}"\n'
    made.say(f'[it]\ndefault = "1"\n{MAKE}{base}')
    return made


def with_script(world: World, text: str, mode: int = 0o755) -> Path:
    bases = world.folder / "patches" / "bases.toml"
    bases.write_text(bases.read_text().replace(MAKE, SCRIPT))
    return world.script(text, mode)


def runs(built: ServerBuild | PartBuild) -> str:
    return subprocess.run([built.binary], capture_output=True, text=True, check=True).stdout


def test_make(world: World) -> None:
    built = world.build()
    assert runs(built) == "it works\n"
    assert built.binary.name == "it"
    assert world.build().folder == built.folder
    assert sum("built in" in line for line in world.said) == 1
    assert not list(world.home.objects.glob(".part-*"))


def test_a_script_is_told_where_things_are(world: World) -> None:
    with_script(world, '#!/bin/sh\ntest "$PWD" = "$FARWATCH_SOURCE" && cp it.sh "$FARWATCH_OUTPUT/it"\n')
    first = world.build()
    assert "it works" in first.binary.read_text()
    with_script(world, '#!/bin/sh\n# another\ncp it.sh "$FARWATCH_OUTPUT/it"\n')
    assert world.build().key != first.key


def test_a_script_that_fails(world: World) -> None:
    with_script(world, '#!/bin/sh\necho "it.sh:1:1: error: no such thing"\nexit 3\n')
    with pytest.raises(FarwatchError, match=r"it 1 of v1 does not build") as caught:
        world.build()
    assert "no such thing" in caught.value.cause
    assert "tools/build-it" in caught.value.hint
    assert not list(world.home.builds.glob("part-*")) and not list(world.home.objects.glob(".part-*"))


def test_a_script_that_makes_nothing(world: World) -> None:
    with_script(world, "#!/bin/sh\n")
    with pytest.raises(FarwatchError, match=r"the build made no it in \$FARWATCH_OUTPUT"):
        world.build()


def test_a_script_that_cannot_be_run(world: World) -> None:
    path = with_script(world, "#!/bin/sh\n", 0o644)
    with pytest.raises(FarwatchError, match="cannot be run") as caught:
        world.build()
    assert caught.value.hint == f"chmod +x {path}"
    path.unlink()
    with pytest.raises(FarwatchError, match="it cannot be built") as caught:
        world.build()
    assert "is not there" in caught.value.cause


def test_the_bases_are_gone(world: World) -> None:
    """Of a component's sources there is nothing any more where bases.toml says."""
    text = (world.folder / "patches" / "bases.toml").read_text()
    world.say(text.replace("/tree", "/gone"))
    with pytest.raises(FarwatchError, match=r"cannot fetch .* from .*/gone") as caught:
        world.build()
    assert '[it."1"] in patches/bases.toml' in caught.value.hint


def test_another_program_is_another_build(world: World) -> None:
    first = world.build()
    tool = Catalog.load(world.folder).with_role("tool")[0]
    assert replace(tool, program="bin/other") != tool
    text = (world.folder / "patches" / "bases.toml").read_text()
    world.say(text.replace("bin/it", "bin/other"))
    with pytest.raises(FarwatchError, match="made no bin/other") as caught:
        world.build()
    assert "program = " in caught.value.hint and first.binary.exists()
