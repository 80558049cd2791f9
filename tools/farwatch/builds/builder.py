# SPDX-License-Identifier: GPL-2.0-or-later
"""What a column runs: kernel, companion server and test programs, each built once for the same inputs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from farwatch.builds import kernel as kernel_build
from farwatch.builds import qemu, selftests, store
from farwatch.builds import server as server_build
from farwatch.builds.kernel import KernelBuild, KernelBuilder, KernelOrder
from farwatch.builds.qemu import QemuBuild, QemuBuilder
from farwatch.builds.selftests import TestsBuild
from farwatch.builds.server import ServerBuild, ServerBuilder
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision, hash_of
from farwatch.revisions.catalog import Catalog
from farwatch.system import tools
from farwatch.system.home import Home
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.trees.trees import Source, Trees

B = TypeVar("B", KernelBuild, ServerBuild, QemuBuild)
__all__ = ["Builder", "Checked", "KernelBuild", "QemuBuild", "ServerBuild", "TestsBuild"]


@dataclass(frozen=True)
class Checked:
    """What a checker printed about some content."""

    log: str
    complete: bool
    """It could look at all of it."""


class Builder:
    """Builds on demand. Everything it returns is in Home.builds and complete.

    engine: an engine's `arch`
    source: a checkout to build from, instead of the revision's patches
    All methods raise FarwatchError: "<thing> does not build", with the first error of the log.
    """

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        trees: Trees,
        say: Callable[[str], None],
        jobs: int | None = None,
    ) -> None:
        self._home = home
        self._catalog = catalog
        self._trees = trees
        self._say = say
        self._jobs = jobs or len(os.sched_getaffinity(0))

    def kernel_key(
        self, revision: Revision, base: Base, engine: str, flavor: str, source: Source | None = None
    ) -> str:
        """Hash over everything that could change the kernel; builds nothing."""
        return self._order(revision, base, engine, flavor, source).key

    def kernel(
        self, revision: Revision, base: Base, engine: str, flavor: str, source: Source | None = None
    ) -> KernelBuild:
        """The kernel of a revision."""
        order = self._order(revision, base, engine, flavor, source)

        def make(tree: Path) -> KernelBuild:
            return self._configurer(order, tree).build(lambda: self._unchanged(order.revision, order.source))

        find = partial(kernel_build.finished, self._home, order.key)
        return self._once(find, order.source, order.objects_name, order.label, make)

    def kernel_from_nothing(self, revision: Revision, base: Base, engine: str, flavor: str) -> KernelBuild:
        """The kernel of a revision, made beside what was built before and without any of it; not kept."""
        order = self._order(revision, base, engine, flavor, None)
        self._say(f"{order.label}: from nothing")
        with (
            tempfile.TemporaryDirectory(prefix=".cold-", dir=self._home.objects) as empty,
            self._trees.managed(order.source) as tree,
        ):
            return KernelBuilder(Home(Path(empty)), order, tree, self._say, self._jobs).build(lambda: None)

    def config(
        self, revision: Revision, base: Base, engine: str, flavor: str, source: Source | None = None
    ) -> str:
        """The .config that the kernel of a revision gets."""
        order = self._order(revision, base, engine, flavor, source)
        if done := kernel_build.finished(self._home, order.key):
            return done.config.read_text(encoding="utf-8")
        with self._held(order.source, order.objects_name, order.label) as tree:
            return self._configurer(order, tree).config().read_text(encoding="utf-8")

    def why(
        self,
        revision: Revision,
        base: Base,
        engine: str,
        flavor: str,
        symbol: str,
        source: Source | None = None,
    ) -> str:
        """Why an option has its value in that config, down to what would have to change."""
        from farwatch.builds.why import Explainer  # needs kconfiglib, and seconds

        order = self._order(revision, base, engine, flavor, source)
        origins = {name: setting.origin for name, setting in order.settings.items()}
        with self._held(order.source, order.objects_name, order.label) as tree:
            config = self._configurer(order, tree).config(check=False)
            return Explainer(tree, order.recipe.arch, config, origins=origins).why(symbol)

    def server_key(self, revision: Revision, base: Base, source: Source | None = None) -> str:
        """Hash over everything that could change the server; builds nothing."""
        return server_build.key(source or self._trees.tip(revision, base.component, base))

    def server(self, revision: Revision, base: Base, source: Source | None = None) -> ServerBuild:
        """The companion server of a revision."""
        source = source or self._trees.tip(revision, base.component, base)
        key = server_build.key(source)
        label = f"{base.component} {base.name} of {revision.name}"

        def make(tree: Path) -> ServerBuild:
            builder = ServerBuilder(self._home, revision, base, tree, self._say, self._jobs)
            return builder.build(key, lambda: self._unchanged(revision, source))

        find = partial(server_build.finished, self._home, key)
        return self._once(find, source, f"{base.component}-target", label, make)

    def vmm_key(self, revision: Revision, base: Base, source: Source | None = None) -> str:
        """Hash over everything that could change the QEMU of a revision; builds nothing."""
        return qemu.key((source or self._trees.tip(revision, base.component, base)).tree)

    def vmm(self, revision: Revision, base: Base, source: Source | None = None) -> QemuBuild:
        """The QEMU of a revision that has patches for it."""
        source = source or self._trees.tip(revision, base.component, base)
        key = qemu.key(source.tree)
        label = f"{base.component} {base.name} of {revision.name}"
        objects = f"{base.label}-objects"
        if source.path is not None:
            objects += f"-{revision.name}-{hash_of(str(source.path))[:8]}"

        def make(tree: Path) -> QemuBuild:
            builder = QemuBuilder(self._home, label, objects, tree, self._say)
            return builder.build(key, self._jobs, lambda: self._unchanged(revision, source))

        return self._once(partial(qemu.finished, self._home, key), source, objects, label, make)

    def complaints(
        self,
        revision: Revision,
        base: Base,
        engine: str,
        flavor: str,
        source: Source,
        files: Sequence[str],
        options: Sequence[str],
    ) -> Checked:
        """What make says about some source files of a kernel, each compiled anew; looked up the next time.

        files:   those that the source does not have are left out
        options: of make: "W=1", "C=2"
        """
        order = self._order(revision, base, engine, flavor, source)
        present = self._trees.present(source, files)
        sparse = [tools.version_line("sparse")] if "C=2" in options else []
        key = hash_of("make", order.key, *options, *sparse, *present)

        def check(tree: Path, log: Path) -> bool:
            return not present or self._configurer(order, tree).compile(present, options, log)

        return self._checked(key, order.source, order.objects_name, order.label, check)

    def clippy(self, revision: Revision, base: Base, source: Source) -> Checked:
        """What clippy says about a companion server; looked up the next time."""
        key = hash_of("clippy", server_build.key(source), tools.output_of(["cargo", "clippy", "--version"]))
        label = f"{base.component} {base.name} of {revision.name}"

        def check(tree: Path, log: Path) -> bool:
            return ServerBuilder(self._home, revision, base, tree, self._say, self._jobs).clippy(log)

        return self._checked(key, source, f"{base.component}-target", label, check)

    def _checked(
        self, key: str, source: Source, objects: str, label: str, check: Callable[[Path, Path], bool]
    ) -> Checked:
        if done := _kept_check(self._home, key):
            return done
        record: dict[str, object] = {"label": label}
        with (
            self._held(source, objects, label) as tree,
            store.fresh(self._home, "check", key, record) as folder,
        ):
            (folder / "build.log").touch()
            record["complete"] = check(tree, folder / "build.log")
        done = _kept_check(self._home, key)
        assert done is not None
        return done

    def tests(self, base: Base) -> TestsBuild:
        """The test programs with their actor and agent, against the harness of a linux base."""
        return selftests.tests(self._home, self._trees.base_commit(base), self._say)

    def _order(
        self, revision: Revision, base: Base, engine: str, flavor: str, source: Source | None
    ) -> KernelOrder:
        found = source or self._trees.tip(revision, "linux", base)

        def declares(symbol: str) -> bool:
            return self._trees.declares(found, symbol)

        return kernel_build.order(revision, base, engine, flavor, found, declares)

    def _configurer(self, order: KernelOrder, tree: Path) -> KernelBuilder:
        return KernelBuilder(self._home, order, tree, self._say, self._jobs)

    def _once(
        self,
        find: Callable[[], B | None],
        source: Source,
        objects: str,
        label: str,
        make: Callable[[Path], B],
    ) -> B:
        """What `find` has; else what `make` makes of the source folder, unless another run did meanwhile."""
        if done := find():
            return done
        with self._held(source, objects, label) as tree:
            if done := find():
                return done
            built = make(tree)
        self._say(f"{label}: built in {built.seconds:.0f} s")
        return built

    @contextmanager
    def _held(self, source: Source, objects: str, label: str) -> Iterator[Path]:
        """The source folder and the object folder, for us alone."""

        def busy() -> None:
            self._say(f"{label}: waiting for another build in the same folder")

        with self._trees.managed(source) as tree, locked(self._home.objects / f"{objects}.lock", busy):
            yield tree

    def _unchanged(self, revision: Revision, source: Source) -> None:
        """FarwatchError when a checkout was edited while it was built: the result is of no known state."""
        if source.path is None:
            return
        now = self._trees.working(revision, source.component, source.base)
        if now is None or now.tree != source.tree:
            raise FarwatchError(
                f"{source.path} changed while it was being built",
                cause="what came out belongs to neither state and was not kept",
                hint="run the same command again",
            )


def _kept_check(home: Home, key: str) -> Checked | None:
    kept = store.find(home, "check", key)
    if kept is None:
        return None
    log = (kept.folder / "build.log").read_text(encoding="utf-8", errors="replace")
    return Checked(log, bool(kept.record["complete"]))
