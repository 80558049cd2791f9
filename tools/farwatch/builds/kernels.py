# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels of subjects: their keys, images, configs, and what a compiler says about their files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from farwatch.builds import kernel
from farwatch.builds.kernel import KernelBuild, KernelBuilder, KernelOrder
from farwatch.builds.outlook import Awaited
from farwatch.builds.sparse import Sparse
from farwatch.builds.store import find_product
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Checked, Workbench
from farwatch.model import hash_of
from farwatch.system.home import Home


class Kernels:
    """All methods raise FarwatchError: "<kernel> does not build", with the first error of the log."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def key(self, subject: Subject) -> str:
        """Hash over everything that could change the kernel; builds nothing."""
        return self._order(subject).key

    def wanted(self, subject: Subject) -> Awaited:
        """The kernel by its key and label; builds nothing."""
        order = self._order(subject)
        return Awaited(
            *(KernelBuild, order.key, order.label, order.source, order.objects_name),
            steps=kernel.objects_from_nothing(self._bench.home, order),
            calls=self._builder(order, Path()).sources,
        )

    def find(self, subject: Subject) -> KernelBuild | None:
        """The kernel, if it is built."""
        return find_product(self._bench.home, KernelBuild, self.key(subject))

    def build(self, subject: Subject) -> KernelBuild:
        """The kernel, built if it has to be."""
        bench, order = self._bench, self._order(subject)

        def make(tree: Path) -> KernelBuild:
            return self._builder(order, tree).build(lambda: bench.unchanged(subject.revision, order.source))

        return bench.once(KernelBuild, order.key, order.source, order.objects_name, order.label, make)

    def build_from_nothing(self, subject: Subject) -> KernelBuild:
        """The kernel, made beside what was built before and without any of it; not kept."""
        bench, order = self._bench, self._order(subject)
        bench.say(f"{order.label}: from nothing")
        with (
            tempfile.TemporaryDirectory(prefix=".cold-", dir=bench.home.objects) as empty,
            bench.trees.managed(order.source) as tree,
        ):
            return KernelBuilder(Home(Path(empty)), order, tree, bench.say, bench.jobs).build(lambda: None)

    def config(self, subject: Subject) -> str:
        """The .config that the kernel gets."""
        order = self._order(subject)
        if done := find_product(self._bench.home, KernelBuild, order.key):
            return done.config.read_text(encoding="utf-8")
        with self._bench.held(order.source, order.objects_name, order.label) as tree:
            return self._builder(order, tree).config().read_text(encoding="utf-8")

    def why(self, subject: Subject, symbol: str) -> str:
        """Why an option has its value in that config, down to what would have to change."""
        from farwatch.builds.why import Explainer  # needs kconfiglib, and seconds

        order = self._order(subject)
        origins = {name: line.origin for name, line in order.settings.items()}
        with self._bench.held(order.source, order.objects_name, order.label) as tree:
            config = self._builder(order, tree).config(check=False)
            return Explainer(tree, order.recipe.arch, config, origins=origins).why(symbol)

    def complaints(
        self,
        subject: Subject,
        files: Sequence[str],
        options: Sequence[str] = (),
        sparse: Sparse | None = None,
    ) -> Checked:
        """What make says about some source files, each compiled anew; looked up the next time.

        files:   those that the source does not have are left out
        options: of make: "W=1"
        sparse:  looks at them, too
        """
        order = self._order(subject)
        present = self._bench.trees.present(order.source, files)
        checker = ["C=2", sparse.identity] if sparse else []
        key = hash_of("make in C", order.key, *options, *checker, *present)
        words = [*options, *(("C=2", *sparse.options) if sparse else ())]

        def check(tree: Path, log: Path) -> bool:
            return not present or self._builder(order, tree).compile(present, words, log)

        return self._bench.checked(key, order.source, order.objects_name, order.label, check)

    def _order(self, subject: Subject) -> KernelOrder:
        source = self._bench.source(subject, "linux")
        trees = self._bench.trees
        return kernel.order(
            subject, source, lambda symbol: trees.declares(source, symbol), trees.catalog.tests
        )

    def _builder(self, order: KernelOrder, tree: Path) -> KernelBuilder:
        return KernelBuilder(self._bench.home, order, tree, self._bench.say_progress, self._bench.jobs)
