# SPDX-License-Identifier: GPL-2.0-or-later
"""The companion servers of subjects."""

from __future__ import annotations

from pathlib import Path

from farwatch.builds import server
from farwatch.builds.outlook import Awaited
from farwatch.builds.server import ServerBuild, ServerBuilder, objects_name
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Checked, Workbench
from farwatch.model import hash_of
from farwatch.system import tools

COMPONENT = "virtiofsd"


class Servers:
    """All methods raise FarwatchError: "<server> does not build", with the first error of the log."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def key(self, subject: Subject) -> str:
        """Hash over everything that could change the server; builds nothing."""
        return server.key(self._bench.source(subject, COMPONENT))

    def wanted(self, subject: Subject) -> Awaited:
        """The server by its key and label; builds nothing."""
        source = self._bench.source(subject, COMPONENT)
        label = subject.label(COMPONENT)
        return Awaited(ServerBuild, server.key(source), label, source, objects_name(COMPONENT))

    def build(self, subject: Subject) -> ServerBuild:
        """The server, built if it has to be."""
        bench, source = self._bench, self._bench.source(subject, COMPONENT)
        key = server.key(source)

        def make(tree: Path) -> ServerBuild:
            builder = self._builder(subject, COMPONENT, tree)
            return builder.build(key, lambda: bench.unchanged(subject.revision, source))

        label = subject.label(COMPONENT)
        return bench.once(ServerBuild, key, source, objects_name(COMPONENT), label, make)

    def clippy(self, subject: Subject, component: str = COMPONENT) -> Checked:
        """What clippy says about a crate; looked up the next time."""
        source = self._bench.source(subject, component)
        key = hash_of("clippy", server.key(source), tools.output_of(["cargo", "clippy", "--version"]))

        def check(tree: Path, log: Path) -> bool:
            return self._builder(subject, component, tree).clippy(log)

        return self._bench.checked(key, source, objects_name(component), subject.label(component), check)

    def _builder(self, subject: Subject, component: str, tree: Path) -> ServerBuilder:
        return ServerBuilder(
            self._bench.home, subject, component, tree, self._bench.say_progress, self._bench.jobs
        )
