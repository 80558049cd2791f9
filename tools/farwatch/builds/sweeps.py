# SPDX-License-Identifier: GPL-2.0-or-later
"""What compilers of all architectures say about the steps of a series; looked up the next time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds import sparse
from farwatch.builds.sparse import Sparse
from farwatch.builds.sweep import SweepBuilder, SweepOrder
from farwatch.builds.workbench import Checked, Workbench

if TYPE_CHECKING:
    from farwatch.trees.trees import Source


class Sweeps:
    """All methods raise FarwatchError."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def sparse(self, source: Source) -> Sparse:
        """The checker for a kernel; built if no installed one will do."""
        bench = self._bench
        judge = bench.trees.content(source, sparse.JUDGE)
        return sparse.find(bench.home, judge, bench.trees.archive, bench.say, bench.jobs)

    def step(self, order: SweepOrder, source: Source, before: Source | None) -> Checked:
        """What make says about the targets in a source; of those only that differ from `before`, if given."""
        trees = self._bench.trees
        key = order.key(before.tree if before else None, source.tree)

        def check(tree: Path, log: Path) -> bool:
            changed = trees.changed(before, source) if before else None
            builder = SweepBuilder(self._bench.home, order, tree, log, self._bench.say, self._bench.jobs)
            return builder.compile(source.tree, self._there(order, source), changed)

        return self._bench.checked(key, source, order.objects_name, order.label, check)

    def _there(self, order: SweepOrder, source: Source) -> Sequence[str]:
        """The targets that a source can have."""
        sources = {_source_of(target): target for target in order.targets}
        return [sources[name] for name in self._bench.trees.present(source, sources)]


def _source_of(target: str) -> str:
    return target.removesuffix("/") if target.endswith("/") else str(Path(target).with_suffix(".c"))
