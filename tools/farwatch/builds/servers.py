# SPDX-License-Identifier: GPL-2.0-or-later
"""The companion servers of subjects, and the tools of their guests."""

from __future__ import annotations

from pathlib import Path

from farwatch.builds import server
from farwatch.builds.outlook import Awaited
from farwatch.builds.parts import PartBuild, Parts
from farwatch.builds.server import ServerBuild, ServerBuilder, objects_name
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Checked, Workbench
from farwatch.model import hash_of
from farwatch.revisions.components import USUAL, Component
from farwatch.system import tools


class Servers:
    """All methods raise FarwatchError: "<server> does not build", with the first error of the log."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._parts = Parts(bench)

    def key(self, subject: Subject) -> str:
        """Hash over everything that could change the server; builds nothing."""
        return self.key_of(subject, subject.server)

    def wanted(self, subject: Subject) -> Awaited:
        """The server by its key and label; builds nothing."""
        name, part = subject.server.name, subject.server
        source, label, key = self._bench.source(subject, name), subject.label(name), self.key(subject)
        if part.build != "cargo":
            return Awaited(PartBuild, key, label, source, "")
        return Awaited(ServerBuild, key, label, source, objects_name(name))

    def build(self, subject: Subject) -> ServerBuild | PartBuild:
        """The server, built if it has to be."""
        return self.build_of(subject, subject.server)

    def key_of(self, subject: Subject, part: Component) -> str:
        """The same, of any program that a component is."""
        if part.build != "cargo":
            return self._parts.key(subject, part)
        own = () if part == USUAL.get(part.name) else (part.program,)
        return server.key(self._bench.source(subject, part.name), *own)

    def build_of(self, subject: Subject, part: Component) -> ServerBuild | PartBuild:
        """Any program that a component is, built if it has to be."""
        if part.build != "cargo":
            return self._parts.build(subject, part)
        bench, source, key = self._bench, self._bench.source(subject, part.name), self.key_of(subject, part)

        def make(tree: Path) -> ServerBuild:
            builder = self._builder(subject, part.name, tree, part.program)
            return builder.build(key, lambda: bench.unchanged(subject.revision, source))

        label = subject.label(part.name)
        return bench.once(ServerBuild, key, source, objects_name(part.name), label, make)

    def clippy(self, subject: Subject, component: str = "virtiofsd") -> Checked:
        """What clippy says about a crate; looked up the next time."""
        source = self._bench.source(subject, component)
        key = hash_of("clippy", server.key(source), tools.output_of(["cargo", "clippy", "--version"]))

        def check(tree: Path, log: Path) -> bool:
            return self._builder(subject, component, tree).clippy(log)

        return self._bench.checked(key, source, objects_name(component), subject.label(component), check)

    def _builder(
        self, subject: Subject, component: str, tree: Path, program: str | None = None
    ) -> ServerBuilder:
        bench = self._bench
        return ServerBuilder(bench.home, subject, component, tree, bench.say_progress, bench.jobs, program)
