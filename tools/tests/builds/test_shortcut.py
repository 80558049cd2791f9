# SPDX-License-Identifier: GPL-2.0-or-later
"""The short way from an edit to an image, on a tree whose makefiles have kbuild's names and duties."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch.builds.kbuild import Kbuild
from farwatch.builds.shortcut import Shortcut
from farwatch.builds.stale import Made
from farwatch.system.home import Home

TOP = """\
export FLAGS := $(FROM_OUTSIDE)from-the-top
LDFLAGS_vmlinux := for-the-link
MAKEFLAGS += -rR
linux: vmlinux
	@ln -f vmlinux linux
vmlinux: export LDFLAGS_vmlinux := $(LDFLAGS_vmlinux)
vmlinux: walk
	@$(MAKE) -f src/scripts/Makefile.build obj=fs/fuse
	@$(MAKE) -f src/scripts/Makefile.build obj=fs
	@$(MAKE) -f src/scripts/Makefile.build obj=.
	@for one in vmlinux_a vmlinux_o modpost vmlinux; do $(MAKE) -f src/scripts/Makefile.$$one || exit; done
walk:
	@echo walk >> did
"""
BUILD = """\
parts-fs/fuse := dir.o file.o
parts-fs := open.o
parts-. :=
below-fs := fuse/built-in.a
below-. := fs/built-in.a
objects := $(addprefix $(obj)/,$(parts-$(obj)))
archives := $(addprefix $(obj)/,$(below-$(obj)))
all: $(objects)
	@mkdir -p $(obj); { \\
		printf 'savedcmd_x := cat %s > $(obj)/built-in.a' '$(objects) $(archives)'; \\
		printf ' # %s\\n' '$(parts-$(obj)) $(below-$(obj))'; } > $(obj)/.built-in.a.cmd
	@cat $(objects) $(archives) /dev/null > $(obj)/built-in.a
$(obj)/%.o: src/$(obj)/%.c src/common.h
	@echo $@ >> did
	@mkdir -p $(obj)
	@grep -q BROKEN $< && { echo "$<:1:1: error: it is broken" >&2; exit 1; } || true
	@{ echo '$(FLAGS)'; cat $^; } > $@
	@{ echo 'savedcmd_$@ := x'; echo 'deps_$@ := $^ $(EXTRA_$*))'; } > $(obj)/.$*.o.cmd
"""
LINK = """\
all:
	@echo $(notdir $(firstword $(MAKEFILE_LIST))) >> did
"""
IMAGE = """\
all:
	@{ cat built-in.a; echo '$(LDFLAGS_vmlinux)'; } > vmlinux
"""


@dataclass
class Folder:
    """A tree, the objects made from it, and both ways to make them anew."""

    tree: Path
    kbuild: Kbuild
    shortcut: Shortcut

    def write(self, name: str, text: str) -> None:
        (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / name).write_text(text)

    def whole(self) -> int:
        self.shortcut.forget()
        return self.kbuild.make(self._log, "linux", *self.shortcut.words())

    def plan(self, *changed: str) -> list[str] | None:
        made = Made(self.kbuild.objects, "src")
        return self.shortcut.plan(changed, made.made_from(changed))

    def take(self, *changed: str) -> int:
        folders = self.plan(*changed)
        assert folders is not None
        return self.shortcut.take(folders, 2, lambda argv, exports: self.kbuild.run(self._log, argv, exports))

    def did(self) -> list[str]:
        """What was done since the last time."""
        done = self.kbuild.objects / "did"
        lines = done.read_text().splitlines() if done.exists() else []
        done.unlink(missing_ok=True)
        return lines

    @property
    def image(self) -> str:
        return (self.kbuild.objects / "linux").read_text()

    @property
    def exports(self) -> str:
        return (self.kbuild.objects / "farwatch.exports").read_text()

    @property
    def _log(self) -> Path:
        return self.kbuild.objects / "log"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    tree, objects = tmp_path / "tree", tmp_path / "objects"
    objects.mkdir()
    kbuild = Kbuild(Home(tmp_path / "home"), objects, tree, "um")
    made = Folder(tree, kbuild, Shortcut(objects, tree, "src", "linux"))
    made.write("Makefile", TOP)
    made.write("scripts/Makefile.build", BUILD)
    for name in ("vmlinux_a", "vmlinux_o", "modpost"):
        made.write(f"scripts/Makefile.{name}", LINK)
    made.write("scripts/Makefile.vmlinux", IMAGE)
    made.write("common.h", "/* all */\n")
    for name in ("fs/open", "fs/fuse/dir", "fs/fuse/file"):
        made.write(f"{name}.c", f"int {Path(name).name};\n")
        made.write(f"{Path(name).parent}/Makefile", "")
    kbuild.point_at_tree()
    return made


@pytest.fixture
def made(folder: Folder) -> Folder:
    """The same, with all its objects."""
    assert folder.whole() == 0
    assert folder.did()[0] == "walk"
    return folder


def newer(made: Folder, name: str, text: str) -> None:
    """As freshness.refresh() leaves it."""
    made.write(name, text)
    path = made.tree / name
    later = max(entry.stat().st_mtime_ns for entry in made.kbuild.objects.rglob("*.o")) + 1_000_000
    os.utime(path, ns=(later, later))


def test_only_what_follows_from_the_edit_is_done(made: Folder) -> None:
    newer(made, "fs/fuse/dir.c", "int edited;\n")
    assert made.take("fs/fuse/dir.c") == 0
    assert made.did() == ["fs/fuse/dir.o", "Makefile.vmlinux_a", "Makefile.vmlinux_o", "Makefile.modpost"]
    assert "int edited;" in made.image


def test_it_gives_what_a_whole_build_gives(made: Folder) -> None:
    for round_ in range(3):
        newer(made, "fs/fuse/dir.c", f"int edited_{round_};\n")
        newer(made, "fs/open.c", f"int other_{round_};\n")
        assert made.take("fs/fuse/dir.c", "fs/open.c") == 0
        short = made.image
        assert made.whole() == 0
        assert made.image == short


def test_what_the_top_makefile_exports_is_known(made: Folder) -> None:
    newer(made, "fs/fuse/dir.c", "int edited;\n")
    assert made.take("fs/fuse/dir.c") == 0
    assert made.image.count("from-the-top") == 3
    assert made.image.endswith("for-the-link\n")


def test_what_a_person_exports_is_not_written_down(folder: Folder) -> None:
    """The record stays; a token of somebody's shell has no business there."""
    own = Path("/proc/self/environ").read_text().split("\0")
    assert folder.whole() == 0
    kept = [entry for entry in folder.exports.split("\0") if entry]
    assert "FLAGS=from-the-top" in kept
    assert not set(kept) & set(filter(None, own))


@pytest.mark.parametrize(
    "change",
    [
        lambda made: newer(made, "common.h", "/* more */\n"),
        lambda made: newer(made, "fs/fuse/Makefile", "# more\n"),
        lambda made: newer(made, "fs/fuse/new.c", "int new;\n"),
        lambda made: newer(made, "docs.rst", "text\n"),
    ],
    ids=["common.h", "fs/fuse/Makefile", "fs/fuse/new.c", "docs.rst"],
)
def test_make_looks_for_itself(
    made: Folder, change: Callable[[Folder], None], request: pytest.FixtureRequest
) -> None:
    change(made)
    name = request.node.callspec.id
    assert made.plan(name) is None
    assert made.plan(name, "fs/fuse/dir.c") is None
    assert made.plan("fs/fuse/dir.c") == ["fs/fuse"]


def test_a_file_that_is_gone_is_for_make(made: Folder) -> None:
    (made.tree / "fs/fuse/dir.c").unlink()
    assert made.plan("fs/fuse/dir.c") is None


def test_a_source_that_another_one_includes_is_for_make(made: Folder) -> None:
    record = made.kbuild.objects / "fs" / ".open.o.cmd"
    record.write_text(f"{record.read_text()} deps := src/fs/fuse/dir.c\n")
    assert made.plan("fs/fuse/dir.c") is None


@pytest.mark.parametrize("part", ["fs/fuse/.built-in.a.cmd", "fs/.built-in.a.cmd", ".built-in.a.cmd"])
def test_an_object_outside_of_its_folders_archive_is_for_make(made: Folder, part: str) -> None:
    record = made.kbuild.objects / part
    record.write_text(re.sub(r"(dir\.o|fuse/built-in\.a|fs/built-in\.a)\b", "x", record.read_text()))
    assert made.plan("fs/fuse/dir.c") is None


def test_an_image_that_is_not_vmlinux_is_for_make(made: Folder) -> None:
    image = made.kbuild.objects / "linux"
    image.unlink()
    image.write_text("compressed")
    assert made.plan("fs/fuse/dir.c") is None


def test_a_kbuild_with_other_makefiles_is_left_alone(made: Folder) -> None:
    (made.tree / "scripts" / "Makefile.modpost").unlink()
    assert made.plan("fs/fuse/dir.c") is None


def test_after_a_failure_make_looks_for_itself(made: Folder) -> None:
    newer(made, "fs/fuse/dir.c", "BROKEN\n")
    newer(made, "fs/open.c", "int other;\n")
    assert made.take("fs/fuse/dir.c", "fs/open.c") != 0
    assert made.plan("fs/fuse/dir.c") is None
    newer(made, "fs/fuse/dir.c", "int mended;\n")
    assert made.whole() == 0
    assert "int other;" in made.image
    assert made.plan("fs/fuse/dir.c") == ["fs/fuse"]


def test_a_whole_build_that_fails_leaves_nothing_to_go_by(made: Folder) -> None:
    newer(made, "fs/fuse/dir.c", "BROKEN\n")
    assert made.whole() != 0
    assert made.plan("fs/open.c") is None


def test_a_make_that_is_killed_leaves_nothing_to_go_by(made: Folder) -> None:
    newer(made, "fs/fuse/dir.c", "int edited;\n")

    def killed(_argv: Sequence[str], _exports: Mapping[str, str]) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.shortcut.take(["fs/fuse"], 2, killed)
    assert made.plan("fs/fuse/dir.c") is None
