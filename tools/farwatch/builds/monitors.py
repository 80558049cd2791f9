# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtual machine monitors of subjects that bring patches for one."""

from __future__ import annotations

from pathlib import Path

from farwatch.builds import qemu
from farwatch.builds.outlook import Awaited
from farwatch.builds.parts import PartBuild, Parts
from farwatch.builds.qemu import QemuBuild, QemuBuilder
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Workbench
from farwatch.model import hash_of


class Monitors:
    """All methods raise FarwatchError: "<qemu> does not build", with the first error of the log."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._parts = Parts(bench)

    def key(self, subject: Subject) -> str:
        """Hash over everything that could change the monitor; builds nothing."""
        if subject.vmm.build != "qemu":
            return self._parts.key(subject, subject.vmm)
        return qemu.key(self._bench.source(subject, subject.vmm.name).tree)

    def wanted(self, subject: Subject) -> Awaited:
        """The monitor by its key and label; builds nothing."""
        name = subject.vmm.name
        source = self._bench.source(subject, name)
        if subject.vmm.build == "qemu":
            return Awaited(QemuBuild, self.key(subject), subject.label(name), source, "")
        return Awaited(PartBuild, self.key(subject), subject.label(name), source, "")

    def build(self, subject: Subject) -> QemuBuild | PartBuild:
        """The monitor, built if it has to be."""
        name = subject.vmm.name
        if subject.vmm.build != "qemu":
            return self._parts.build(subject, subject.vmm)
        bench, source = self._bench, self._bench.source(subject, name)
        key, label = qemu.key(source.tree), subject.label(name)
        objects = f"{subject.bases[name].label}-objects"
        if source.path is not None:
            objects += f"-{subject.revision.name}-{hash_of(str(source.path))[:8]}"

        def make(tree: Path) -> QemuBuild:
            builder = QemuBuilder(bench.home, label, objects, tree, bench.say_progress)
            return builder.build(key, bench.jobs, lambda: bench.unchanged(subject.revision, source))

        return bench.once(QemuBuild, key, source, objects, label, make)
