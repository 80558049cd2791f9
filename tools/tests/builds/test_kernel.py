# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, on a tree whose Makefile only pretends: what is repeated, what is kept, what is refused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from farwatch.builds import fragments, freshness, kernel
from farwatch.builds.builder import Builder
from farwatch.builds.kernel import KernelOrder, order, progress_of
from farwatch.builds.progress import BuildProgress
from farwatch.builds.shortcut import Shortcut
from farwatch.builds.subject import Subject
from farwatch.engines.engine import Engine
from farwatch.engines.uml import UmlEngine
from farwatch.engines.vng import VngEngine
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.revisions import catalog
from farwatch.system import git, tools
from farwatch.system.home import Home
from farwatch.trees.trees import Source, Trees

MAKEFILE = """\
.PHONY: linux
tinyconfig:
	@echo tinyconfig >> targets
	@echo '# CONFIG_TINY is not set' > .config
olddefconfig:
	@echo olddefconfig >> targets
	@sed -i '/CONFIG_GONE=/d' .config
linux: one.o
	@echo linux >> targets
	@mkdir -p include/config
	@printf 'deps_config := \\\\\\n\\tKconfig \\\\\\n\\tmore/Kconfig \\\\\\n\\n' \\
		> include/config/auto.conf.cmd
	@cp one.o linux; touch vmlinux.o
one.o: $(srctree)/one.c
	@echo "  CC      one.o"
	@$(CC) -E -P -o one.o $(srctree)/one.c
	@$(CC) -c -o /dev/null $(srctree)/one.c
"""
BASE = Base("linux", "7.3", "tarball")


@dataclass
class FakeTrees:
    """One tree, whose content is hashed anew each time."""

    tree: Path
    checkout: bool = False
    catalog: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(tests=None))

    def _source(self, revision: Revision) -> Source:
        git.git("add", "--all", cwd=self.tree)
        content = git.line("write-tree", cwd=self.tree)
        return Source(
            "linux", BASE, revision.name, "c", content, self.tree if self.checkout else None, "label"
        )

    def tip(self, revision: Revision, _component: str, _base: Base) -> Source:
        return self._source(revision)

    def working(self, revision: Revision, _component: str, _base: Base) -> Source | None:
        return self._source(revision)

    @contextmanager
    def managed(self, _source: Source) -> Iterator[Path]:
        yield self.tree


@dataclass
class World:
    """A home, a tree, and a builder over them."""

    home: Home
    root: Path
    tree: Path
    trees: FakeTrees
    said: list[str]
    revision: Revision
    builder: Builder

    def subject(self, flavor: str = "plain", engine: Engine | None = None) -> Subject:
        return Subject(self.revision, {"linux": BASE}, engine or UmlEngine(), flavor)

    def order(self, source: Source) -> KernelOrder:
        return order(self.subject(), source)

    def build(self, flavor: str = "plain") -> kernel.KernelBuild:
        return self.builder.kernels.build(self.subject(flavor))

    def targets(self) -> list[str]:
        """What make was asked for since the last time."""
        found = []
        for path in self.home.objects.glob("*/targets"):
            found += path.read_text().split()
            path.unlink()
        return found


class MipsEngine(UmlEngine):
    arch = "mips"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "checkout"
    (root / "kernel-tests" / "guest").mkdir(parents=True)
    (root / "kernel-tests" / "config").write_text("CONFIG_INOTIFY_USER=y\n")
    (root / "kernel-tests" / "guest" / "config.flavor.kasan").write_text("CONFIG_KASAN=y\n")
    for module in (kernel, fragments, catalog):
        monkeypatch.setattr(module, "checkout_root", lambda: root)
    tree = tmp_path / "tree"
    (tree / "more").mkdir(parents=True)
    for name in ("Kconfig", "more/Kconfig"):
        (tree / name).write_text("")
        os.utime(tree / name, (1, 1))
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "one.c").write_text("int one;\n")
    git.git("init", "--quiet", cwd=tree)
    git.git("add", ".", cwd=tree)
    (tmp_path / "patches" / "v1" / "linux").mkdir(parents=True)
    revision = Revision("v1", "t", tmp_path / "patches" / "v1", "virtiofs", {"linux": "7.3"})
    home, trees, said = Home(tmp_path / "home"), FakeTrees(tree), list[str]()
    builder = Builder(home, cast(Trees, trees), said.append)
    return World(home, root, tree, trees, said, revision, builder)


def test_a_build_is_kept_whole(world: World) -> None:
    built = world.build()
    assert built.image.read_text() == "int one;\n"
    assert "CONFIG_INOTIFY_USER=y" in built.config.read_text()
    assert "  CC      one.o" in built.log.read_text()
    assert built.folder.parent == world.home.builds
    assert world.targets() == ["tinyconfig", "olddefconfig", "linux"]


@pytest.mark.parametrize(
    ("engine", "flavor", "image"),
    [
        (VngEngine(), "plain", "vmlinux"),
        (VngEngine(), "kasan", "arch/x86/boot/bzImage"),
        (VngEngine(), "no-kasan", "vmlinux"),
        (UmlEngine(), "kasan", "linux"),
    ],
)
def test_an_image_that_can_be_booted(world: World, engine: Engine, flavor: str, image: str) -> None:
    (world.root / "kernel-tests" / "guest" / "config.flavor.no-kasan").write_text("CONFIG_KASAN=n\n")
    (world.root / "kernel-tests" / "guest" / "config.x86_64").write_text("")
    source = world.trees.tip(world.revision, "linux", BASE)
    recipe = order(world.subject(flavor, engine), source).recipe
    assert (recipe.image, recipe.target) == (image, Path(image).name)


def test_the_same_inputs_build_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.build()
    monkeypatch.setattr(tools, "run_logged", None)
    assert world.build() == first


def test_an_edit_does_not_configure_again(world: World) -> None:
    world.build()
    world.targets()
    (world.tree / "one.c").write_text("int two;\n")
    assert world.build().image.read_text() == "int two;\n"
    assert world.targets() == ["linux"]


def test_a_changed_kconfig_file_configures_again(world: World) -> None:
    world.build()
    world.targets()
    (world.tree / "more" / "Kconfig").write_text("config NEW\n")
    world.build()
    assert world.targets() == ["tinyconfig", "olddefconfig", "linux"]


def test_a_changed_fragment_configures_again(world: World) -> None:
    first = world.build()
    world.targets()
    (world.root / "kernel-tests" / "guest" / "config.um").write_text("CONFIG_HOSTFS=y\n")
    assert "CONFIG_HOSTFS=y" in world.build().config.read_text()
    assert world.targets() == ["tinyconfig", "olddefconfig", "linux"]
    assert first.folder.exists()


def test_a_comment_in_a_fragment_changes_nothing(world: World) -> None:
    first = world.build()
    path = world.root / "kernel-tests" / "config"
    path.write_text(f"# why\n{path.read_text()}")
    assert world.build() == first


def test_flavors_do_not_share_objects(world: World) -> None:
    world.build()
    world.build("kasan")
    world.targets()
    (world.tree / "one.c").write_text("int two;\n")
    world.build()
    world.build("kasan")
    assert world.targets() == ["linux", "linux"]
    assert {path.name for path in world.home.objects.glob("linux-*-um-*") if path.is_dir()} == {
        "linux-7.3-um-plain",
        "linux-7.3-um-kasan",
    }


def test_a_revision_with_its_own_options_has_its_own_objects(world: World) -> None:
    before = world.order(world.trees.tip(world.revision, "linux", BASE))
    (world.revision.folder / "linux" / "config").write_text("CONFIG_FUSE_REMOTE=y\n")
    after = world.order(world.trees.tip(world.revision, "linux", BASE))
    assert before.objects_name == "linux-7.3-um-plain"
    assert re.fullmatch(r"linux-7\.3-um-plain-[0-9a-f]{8}", after.objects_name)
    assert before.key != after.key


def test_a_checkout_has_its_own_objects(world: World) -> None:
    world.trees.checkout = True
    world.build()
    (folder,) = (path for path in world.home.objects.glob("linux-*") if path.is_dir())
    assert re.fullmatch(r"linux-7\.3-um-plain-v1-[0-9a-f]{8}", folder.name)


def test_a_checkout_that_changes_under_the_build_is_not_kept(world: World) -> None:
    world.trees.checkout = True
    (world.tree / "Makefile").write_text(MAKEFILE + "\t@echo 'int edited;' >> $(srctree)/one.c\n")
    with pytest.raises(FarwatchError, match="changed while it was being built"):
        world.build()
    assert not list(world.home.builds.iterdir())


def test_an_option_that_does_not_stick_is_refused(world: World) -> None:
    (world.root / "kernel-tests" / "config").write_text("CONFIG_GONE=y\n")
    (world.tree / "Kconfig").write_text('config GONER\n\tbool "x"\n')
    with pytest.raises(FarwatchError, match="did not stick") as caught:
        world.build()
    assert "kernel-tests/config:1: CONFIG_GONE=y became n" in caught.value.cause
    assert "there is no option GONE in this tree for ARCH=um; did you mean GONER?" in caught.value.cause
    assert world.targets() == ["tinyconfig", "olddefconfig"]
    with pytest.raises(FarwatchError, match="did not stick"):
        world.build()


def test_why_works_on_a_config_that_did_not_stick(world: World) -> None:
    (world.root / "kernel-tests" / "config").write_text("CONFIG_GONE=y\n")
    (world.tree / "Kconfig").write_text('config GONER\n\tbool "x"\n')
    assert "did you mean GONER?" in world.builder.kernels.why(world.subject(), "GONE")


def test_an_error_in_a_source_is_named_by_its_place_in_the_tree(world: World) -> None:
    (world.tree / "one.c").write_text("int one = nonsense;\n")
    with pytest.raises(FarwatchError, match=r"kernel 7\.3 \(um, plain\) of v1 does not build") as caught:
        world.build()
    assert caught.value.cause.startswith("one.c:1:11: 'nonsense' undeclared")
    assert not list(world.home.builds.iterdir())


@pytest.mark.parametrize("checkout", [False, True])
def test_a_file_that_comes_back_with_its_old_time_is_compiled(world: World, checkout: bool) -> None:
    world.trees.checkout = checkout
    world.build()
    source = world.tree / "one.c"
    source.write_text("int two;\n")
    os.utime(source, (1, 1))
    assert world.build().image.read_text() == "int two;\n"
    assert world.targets()[-1] == "linux"


def test_after_an_interrupted_build_nothing_old_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.build()
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "ended", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        (world.tree / "one.c").write_text("int two;\n")
        with pytest.raises(KeyboardInterrupt):
            world.build()
    (world.tree / "one.c").write_text("int three;\n")
    os.utime(world.tree / "one.c", (1, 1))
    assert world.build().image.read_text() == "int three;\n"


def test_objects_of_unknown_origin_are_thrown_away(world: World) -> None:
    world.build()
    world.targets()
    for path in world.home.objects.glob("*/farwatch.tree"):
        path.unlink()
    (world.tree / "one.c").write_text("int two;\n")
    assert world.build().image.read_text() == "int two;\n"
    assert world.targets() == ["tinyconfig", "olddefconfig", "linux"]


def test_where_the_short_way_fails_make_judges(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kbuild that is not quite as we know it costs time, and nothing else."""
    world.build()
    (world.tree / "one.c").write_text("int two;\n")
    (next(world.home.objects.glob("*/linux")).parent / "farwatch.exports").touch()
    monkeypatch.setattr(Shortcut, "plan", lambda *_: ["nowhere"])
    monkeypatch.setattr(Shortcut, "take", lambda *_: 2)
    world.targets()
    assert world.build().image.read_text() == "int two;\n"
    assert world.targets() == ["linux"]


def test_a_failed_build_leaves_the_config_in_place(world: World) -> None:
    world.build()
    (world.tree / "one.c").write_text("int one = nonsense;\n")
    with pytest.raises(FarwatchError):
        world.build()
    world.targets()
    (world.tree / "one.c").write_text("int three;\n")
    world.build()
    assert world.targets() == ["linux"]


def test_the_shell_of_a_person_has_no_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "--no-such-flag")
    monkeypatch.setenv("KCFLAGS", "-O0")
    world.build()


def test_config_without_a_build(world: World) -> None:
    assert "CONFIG_INOTIFY_USER=y" in world.builder.kernels.config(world.subject())
    assert world.targets() == ["tinyconfig", "olddefconfig"]


@pytest.mark.parametrize("part", ["tree", "fragment", "toolchain"])
def test_every_input_is_in_the_key(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    source = world.trees.tip(world.revision, "linux", BASE)
    before = world.order(source)
    after = before
    if part == "tree":
        after = replace(before, source=replace(source, tree="other"))
    if part == "fragment":
        setting = fragments.FragmentLine("X", "y", Path("f"), 1)
        after = replace(before, settings={**before.settings, "X": setting})
    key = before.key
    if part == "toolchain":
        monkeypatch.setattr(kernel, "toolchain", lambda: "gcc 99")
    assert after.key != key


def test_an_unknown_architecture_is_refused(world: World) -> None:
    with pytest.raises(FarwatchError, match="unknown kernel architecture 'mips'"):
        world.builder.kernels.key(world.subject(engine=MipsEngine()))


def _progress(
    world: World, expected: int, clock: Callable[[], float], pace: float | None = None
) -> BuildProgress:
    found = world.order(world.trees.tip(world.revision, "linux", BASE))
    return progress_of(found, expected, world.said.append, pace, clock)


def test_progress_speaks_now_and_then(world: World) -> None:
    now = [0.0]
    progress = _progress(world, 640, lambda: now[0])
    for count in range(1, 320):
        now[0] = count / 4
        progress.line(f"  CC      fs/{count}.o")
        progress.line("  AR      fs/built-in.a")
    assert len(world.said) == 7
    assert world.said[-1] == "kernel 7.3 um (v1): 280 of ~640 objects, about 2 min left"


def test_progress_believes_the_past_until_the_present_is_known(world: World) -> None:
    now = [0.0]
    progress = _progress(world, 1050, lambda: now[0], pace=2.0)
    now[0] = 12.0
    progress.line("  CC      fs/a.o")  # 12 s, but for what goes before the first
    assert world.said[-1].endswith("1 of ~1050 objects, about 38 min left")
    for count in range(949):
        now[0] += 1.0
        progress.line(f"  CC      fs/{count}.o")
    assert world.said[-1].endswith("941 of ~1050 objects, about 2 min left")


def test_progress_of_a_small_rebuild_does_not_guess(world: World) -> None:
    now = [0.0]
    progress = _progress(world, 0, lambda: now[0])
    now[0] = 12.0
    progress.line("  CC      fs/a.o")
    assert world.said == ["kernel 7.3 um (v1): 1 objects, 12 s"]


def test_a_build_says_what_it_took_and_what_was_expected_of_it(world: World) -> None:
    first = world.build()
    assert (first.steps, first.expected) == (1, 0)
    objects = next(world.home.objects.glob("linux-*-um-plain"))
    record = {**first.record, "steps": 200, "seconds": 401}
    (first.folder / "done.json").write_text(json.dumps(record))
    (objects / ".one.o.cmd").write_text("deps_one.o := \\\n  src/one.c \\\n  src/two.h \\\n")
    (world.tree / "one.c").write_text("int two;\n")
    second = world.build()
    assert (second.steps, second.expected) == (1, 2.0)
    assert world.said[-1].endswith("expected")


def with_suite(subject: Subject, *lines: str) -> Subject:
    """The same, with options that a suite asks for."""
    return replace(subject, wishes=fragments.parse_text("\n".join(lines), Path("suites/mine")))


def test_options_of_a_suite_need_not_stick_and_what_is_lacking_is_kept(world: World) -> None:
    usual = world.build()
    subject = with_suite(world.subject(), "CONFIG_GONE=y", "CONFIG_THERE=m")
    assert world.builder.kernels.find(subject) is None
    built = world.builder.kernels.build(subject)
    assert built.key != usual.key
    assert built.lacking == {"GONE"}
    assert "CONFIG_THERE=y" in built.config.read_text()
    found = world.builder.kernels.find(subject)
    assert found is not None and found.lacking == {"GONE"}
    assert usual.lacking == frozenset()


def test_objects_with_a_suites_options_begin_with_the_usual_ones(world: World) -> None:
    world.build()
    (usual,) = world.home.objects.glob("*/one.o")
    before = usual.stat().st_mtime_ns
    world.builder.kernels.build(with_suite(world.subject(), "CONFIG_THERE=y"))
    objects = {path.parent.name: path for path in world.home.objects.glob("*/one.o")}
    (own,) = objects.keys() - {usual.parent.name}
    assert objects[own].stat().st_mtime_ns == before
    assert "CONFIG_THERE" not in (usual.parent / ".config").read_text()
