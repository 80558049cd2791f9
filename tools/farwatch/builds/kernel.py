# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels: configured from fragments, built beside their sources, kept by the hash of their inputs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from farwatch.builds import fragments, freshness, store
from farwatch.builds.history import History, about, duration, pace_now
from farwatch.builds.kbuild import FIXED, Kbuild, toolchain
from farwatch.builds.progress import BuildProgress
from farwatch.builds.shortcut import Shortcut
from farwatch.builds.stale import Made
from farwatch.builds.store import Product
from farwatch.builds.subject import Subject
from farwatch.errors import FarwatchError, unknown
from farwatch.model import hash_of
from farwatch.revisions.catalog import TESTS
from farwatch.system.home import Home, checkout_root

if TYPE_CHECKING:
    from farwatch.trees.trees import Source

_RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same inputs."""

_OBJECT = re.compile(r"^  (?:CC|AS|HOSTCC)(?: \[\w\])? ")


@dataclass(frozen=True)
class Recipe:
    """How a kernel for one kind of machine is made.

    arch:     ARCH= of the build; also the suffix of its config fragments
    target:   what make is asked for: not "all", which has more to look at
    image:    the file to boot, below the object folder
    objects:  lines of a build from nothing, until a first build has counted them
    tools:    programs below tools/ take part; their makefiles want the way to the sources from the root
    kasan:    the image to boot, if another, of a kernel with KASAN; make knows it by its name
    """

    arch: str
    target: str
    image: str
    objects: int
    tools: bool = False
    kasan: str = ""


RECIPES = {
    recipe.arch: recipe
    for recipe in (
        Recipe("um", "linux", "linux", 597),
        # what runs behind the PVH entry of a vmlinux is instrumented, and KASAN has no shadow there yet
        Recipe("x86_64", "vmlinux", "vmlinux", 1251, tools=True, kasan="arch/x86/boot/bzImage"),
    )
}


def recipe_for(arch: str) -> Recipe:
    """The recipe of an engine's architecture."""
    if arch not in RECIPES:
        raise unknown("kernel architecture", arch, RECIPES)
    return RECIPES[arch]


class KernelBuild(Product):
    """A finished kernel, in Home.builds."""

    KIND = "kernel"

    @property
    def lacking(self) -> frozenset[str]:
        """Symbols that were wished for, and that it does not have."""
        return frozenset(cast(list[str], self.record.get("lacking", [])))

    @property
    def image(self) -> Path:
        """What is booted."""
        return self.folder / str(self.record["image"])

    @property
    def config(self) -> Path:
        return self.folder / "config"


@dataclass(frozen=True)
class KernelOrder:
    """One kernel to be built: sources, config and machine."""

    subject: Subject
    recipe: Recipe
    source: Source
    settings: Mapping[str, fragments.FragmentLine]
    own_fragments: bool
    """The revision, or the project, brings fragments of its own."""
    later: frozenset[str] = frozenset()
    """Symbols of its fragments that only later patches of its series declare."""
    wished: frozenset[str] = frozenset()
    """Symbols that it need not have in the end."""

    @property
    def label(self) -> str:
        what = f"{self.recipe.arch}, {self.subject.flavor}{', for suites' if self.wished else ''}"
        return f"kernel {self.subject.linux.name} ({what}) of {self.subject.revision.name}"

    @property
    def wanted(self) -> dict[str, fragments.FragmentLine]:
        """The settings that this source can have."""
        return {symbol: value for symbol, value in self.settings.items() if symbol not in self.later}

    @property
    def required(self) -> dict[str, fragments.FragmentLine]:
        """The settings that it must have."""
        return {symbol: value for symbol, value in self.wanted.items() if symbol not in self.wished}

    def lacking(self, config: Path) -> list[str]:
        """The symbols wished for that a finished config does not have as they were wished for."""
        wishes = {symbol: self.settings[symbol] for symbol in self.wished}
        missed = fragments.not_stuck(wishes, fragments.read_config(config.read_text(encoding="utf-8")))
        return sorted(setting.symbol for setting, _ in missed)

    @property
    def fragment(self) -> str:
        return fragments.render(self.wanted)

    @property
    def key(self) -> str:
        """Hash over everything that could change the image."""
        return hash_of(
            *("kernel", _RECIPE_VERSION, self.recipe.arch, self.recipe.target),
            *(self.source.tree, self.fragment, toolchain()),
        )

    @property
    def objects_name(self) -> str:
        """Folder of the objects: one for each set of sources and each config: none undoes another.

        Revisions share their base's worktree, and so the folder; a checkout
        that is being edited has its own, as has a revision with its own options.
        """
        parts = [*self._place]
        if self.own_fragments or self.wished:
            parts.append(hash_of(fragments.render(self.settings))[:8])
        return "-".join((*parts, *self._own_place))

    @property
    def usual_objects_name(self) -> str:
        """The same of the kernel without what was wished for, if nobody has options of their own."""
        return "-".join((*self._place, *self._own_place))

    @property
    def _place(self) -> tuple[str, ...]:
        return (self.subject.linux.label, self.recipe.arch, self.subject.flavor)

    @property
    def _own_place(self) -> tuple[str, ...]:
        """What a checkout's folder has in its name."""
        if self.source.path is not None:
            return (f"{self.subject.revision.name}-{hash_of(str(self.source.path))[:8]}",)
        return ()


def order(
    subject: Subject,
    source: Source,
    declares: Callable[[str], bool] = lambda _symbol: True,
    tests: Path | None = None,
) -> KernelOrder:
    """Read the fragments; FarwatchError when they do not fit together.

    tests:    kernel-tests/ of the project (default: that of this checkout)
    declares: whether the source has a symbol; asked for the revision's own ones when it is a part of a series
    """
    recipe = recipe_for(subject.engine.arch)
    tests = tests or checkout_root() / TESTS
    own = fragments.revision_fragments(subject.revision, recipe.arch)
    common = fragments.common_fragments(tests, recipe.arch, subject.flavor)
    settings, wished = fragments.with_wishes(fragments.merge([*common, *own]), subject.wishes)
    if recipe.kasan and "KASAN" in settings and settings["KASAN"].value == "y":
        recipe = replace(recipe, target=Path(recipe.kasan).name, image=recipe.kasan)
    special = not all(map(fragments.is_everybodys, (*common, *own)))
    asked = fragments.merge(own) if source.partial else {}
    later = frozenset(symbol for symbol in asked if not declares(symbol))
    return KernelOrder(subject, recipe, source, settings, special, later, wished)


class KernelBuilder:
    """Builds one kernel from a source folder that nobody else touches meanwhile."""

    def __init__(
        self, home: Home, order: KernelOrder, tree: Path, say: Callable[[str], None], jobs: int
    ) -> None:
        self._home = home
        self._order = order
        self._tree = tree
        self._say = say
        self._jobs = jobs
        self._objects = home.objects / order.objects_name
        self._log = self._objects / "farwatch.log"
        recipe = order.recipe
        self._kbuild = Kbuild(home, self._objects, tree, recipe.arch, absolute=recipe.tools)
        self._shortcut = Shortcut(self._objects, tree, self._kbuild.sources, recipe.target)

    def config(self, *, check: bool = True) -> Path:
        """The .config, made anew if it is stale; FarwatchError (with `check`) if an option did not stick."""
        self._seed()
        self._objects.mkdir(exist_ok=True)
        freshness.refresh(self._objects, self._tree, self._order.source.tree)
        self._kbuild.point_at_tree()
        if not self._configured():
            self._configure(check)
        return self._objects / ".config"

    def _seed(self) -> None:
        """The first time with a suite's options, begin with the objects that are there without them.

        kbuild knows of each object which options it has to do with, and makes only those anew. Who builds in
        that folder has the source folder first, and that is ours.
        """
        usual = self._home.objects / self._order.usual_objects_name
        if self._objects.exists() or self._objects == usual or not (usual / ".config").exists():
            return
        with tempfile.TemporaryDirectory(prefix=".seed-", dir=self._home.objects) as temporary:
            copied = shutil.copytree(usual, Path(temporary) / "objects", symlinks=True)
            copied.rename(self._objects)

    def build(self, verify_source: Callable[[], None]) -> KernelBuild:
        """Configure, compile, and keep the image with its config and log.

        verify_source: raises when the sources are no longer what they were
        """
        started = time.monotonic()
        self._log.unlink(missing_ok=True)
        made_before = self._made_before
        history = History.of(self._home, KernelBuild)
        changed = self._changed()
        stale = Made(self._objects, self.sources).made_from(changed) if changed else frozenset()
        # 0: there are some already, who knows how stale
        steps = len(stale) if made_before else objects_from_nothing(self._home, self._order)
        expected = history.seconds(self._order.label, steps) if steps else None
        folders = self._shortcut.plan(changed, stale) if changed else None
        self.config()
        progress = progress_of(self._order, steps, self._say, history.pace(self._order.label))
        status = self._image(folders, progress.line)
        freshness.ended(self._objects, self._order.source.tree)
        if status != 0:
            raise self._failure(self._order.label)
        if not made_before:
            _counts(self._home, self._order).write_text(str(progress.count))
        try:
            verify_source()
        except FarwatchError:
            freshness.forget(self._objects)
            raise
        return self._keep(time.monotonic() - started, progress.count, expected)

    def _image(self, folders: Sequence[str] | None, on_line: Callable[[str], None]) -> int:
        """Make it, from these folders' objects alone if that is known to be all; make's exit status."""

        def run(argv: Sequence[str], exports: Mapping[str, str]) -> int:
            return self._kbuild.run(self._log, argv, exports, on_line)

        if folders and self._shortcut.known and self._shortcut.take(folders, self._jobs, run) == 0:
            return 0
        # make judges, too, where the short way has failed
        self._shortcut.forget()
        target = self._order.recipe.target
        return self._make(target, *self._shortcut.words(), jobs=self._jobs, on_line=on_line)

    def compile(self, files: Sequence[str], options: Sequence[str], log: Path) -> bool:
        """Make the objects of some source files anew, all that can be made; whether all of them were.

        files:   "fs/fuse/dir.c"; what the config leaves out cannot be made
        options: of make: "W=1"
        The kernel itself is built as if this had not been: make sees other options, and redoes them.
        """
        self._log = log
        self.config()
        self._shortcut.forget()
        targets = [str(Path(name).with_suffix(".o")) for name in files]
        for target in targets:
            (self._objects / target).unlink(missing_ok=True)
        status = self._make("--keep-going", *options, *targets, jobs=self._jobs)
        freshness.ended(self._objects, self._order.source.tree)
        return status == 0

    @property
    def _stamp(self) -> Path:
        return self._objects / "farwatch.configured"

    def _wanted_stamp(self) -> str:
        return hash_of(_RECIPE_VERSION, self._order.fragment, toolchain(), str(self._tree))

    def _configured(self) -> bool:
        """Whether .config comes from these fragments and no Kconfig file has changed since."""
        try:
            made = self._stamp.stat().st_mtime_ns
            if self._stamp.read_text() != self._wanted_stamp() or not (self._objects / ".config").exists():
                return False
        except OSError:
            return False
        return self._kbuild.same_kconfig(made)

    def _configure(self, check: bool) -> None:
        """tinyconfig, our fragments, olddefconfig; then see whether all of it stuck."""
        self._stamp.unlink(missing_ok=True)
        self._shortcut.forget()
        before = time.time_ns()
        config = self._objects / ".config"
        self._make_or_fail("tinyconfig")
        with config.open("a", encoding="utf-8") as handle:
            handle.write(self._order.fragment)
        self._make_or_fail("olddefconfig")
        if not check:
            return
        fragments.check_stuck(self._order.required, config, self._tree, self._order.recipe.arch, FIXED)
        self._stamp.write_text(self._wanted_stamp())
        os.utime(self._stamp, ns=(before, before))

    def _make_or_fail(self, target: str) -> None:
        if self._make(target) != 0:
            raise self._failure(f"the config of {self._order.label}")

    def _make(self, *targets: str, jobs: int = 1, on_line: Callable[[str], None] | None = None) -> int:
        return self._kbuild.make(self._log, *targets, jobs=jobs, on_line=on_line)

    def _failure(self, what: str) -> FarwatchError:
        from farwatch.builds.diagnose import failure  # no need of a build that works

        return failure(what, self._log, prefix=f"{self._kbuild.sources}/")

    @property
    def sources(self) -> str:
        """What make calls the source folder."""
        return self._kbuild.sources

    @property
    def _made_before(self) -> bool:
        return (self._objects / "vmlinux.o").exists()

    def _changed(self) -> list[str] | None:
        """Files that differ from what the objects were made from; None: nobody knows."""
        before = freshness.last(self._objects) if self._made_before else None
        return freshness.changed(self._tree, before, self._order.source.tree) if before else None

    def _keep(self, seconds: float, steps: int, expected: float | None) -> KernelBuild:
        image = self._objects / self._order.recipe.image
        record: dict[str, object] = {"image": image.name, "label": self._order.label}
        record |= {"seconds": round(seconds, 1), "steps": steps, "expected": round(expected or 0, 1)}
        record["lacking"] = self._order.lacking(self._objects / ".config")
        files = {image.name: image, "config": self._objects / ".config", store.LOG: self._log}
        if self._order.recipe.image == self._order.recipe.kasan:
            files["vmlinux"] = self._objects / "vmlinux"  # for debuggers
        return store.keep_product(self._home, KernelBuild, self._order.key, record, files)


def objects_from_nothing(home: Home, order: KernelOrder) -> int:
    """How many objects such a kernel has, as the last one had that was made from nothing."""
    try:
        return int(_counts(home, order).read_text())
    except (OSError, ValueError):
        return order.recipe.objects


def _counts(home: Home, order: KernelOrder) -> Path:
    subject = order.subject
    return home.objects / f"{subject.linux.label}-{order.recipe.arch}-{subject.flavor}.count"


def progress_of(
    order: KernelOrder,
    expected: int,
    say: Callable[[str], None],
    pace: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> BuildProgress:
    """ "kernel 7.3 um (v1): 312 of ~640 objects, about 3 min left".

    expected: objects; 0: nobody knows
    pace:     seconds that one took the last times
    """

    def words(_match: re.Match[str], objects: int, seconds: float) -> str:
        if expected <= objects:
            return f"{objects} objects, {duration(seconds)}"
        left = (expected - objects) * pace_now(pace, objects, seconds)
        return f"{objects} of ~{expected} objects, {about(left)} left"

    subject = order.subject
    label = f"kernel {subject.linux.name} {order.recipe.arch} ({subject.revision.name})"
    return BuildProgress(label, say, _OBJECT, words, clock)
