# SPDX-License-Identifier: GPL-2.0-or-later
"""What a column runs: kernel, companion server, monitor and tests, each built once for the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from farwatch.builds import selftests
from farwatch.builds.kernels import Kernels
from farwatch.builds.kselftests import Kselftests
from farwatch.builds.monitors import Monitors
from farwatch.builds.outlook import Awaited
from farwatch.builds.selftests import TestsBuild
from farwatch.builds.servers import Servers
from farwatch.builds.store import find_product
from farwatch.builds.subject import Subject
from farwatch.builds.sweeps import Sweeps
from farwatch.builds.workbench import Workbench
from farwatch.model import Base
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.trees.trees import Trees


class Builder:
    """Builds on demand. Everything it returns is in Home.builds and complete."""

    def __init__(self, home: Home, trees: Trees, say: Callable[[str], None], jobs: int | None = None) -> None:
        bench = Workbench(home, trees, say, jobs)
        self.kernels = Kernels(bench)
        self.servers = Servers(bench)
        self.monitors = Monitors(bench)
        self.sweeps = Sweeps(bench)
        self.kselftests = Kselftests(bench)
        self._bench = bench

    def missing(self, subject: Subject) -> list[Awaited]:
        """What has to be built before a guest of the subject boots, in the order in which it will be."""
        wanted = [self.kernels.wanted(subject)]
        if subject.has_server:
            wanted.append(self.servers.wanted(subject))
        if subject.has_own_vmm:
            wanted.append(self.monitors.wanted(subject))
        return [one for one in wanted if find_product(self._bench.home, one.kind, one.key) is None]

    def expect(self, wanted: Iterable[Awaited]) -> str:
        """These will be built, in that order; what to say of it."""
        return self._bench.outlook.expect(wanted)

    def tests(self, base: Base) -> TestsBuild:
        """The test programs with their actor and agent, against the harness of a linux base."""
        trees = self._bench.trees
        return selftests.tests(
            self._bench.home, trees.base_commit(base), self._bench.say, tests=trees.catalog.tests
        )
