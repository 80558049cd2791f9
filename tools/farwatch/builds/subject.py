# SPDX-License-Identifier: GPL-2.0-or-later
"""What is under test, as one value: everything that says which kernel, server and monitor are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from farwatch.engines.engine import Engine
from farwatch.model import DEFAULT_SHARE, Base, Column, Revision, ShareKind, ShareSetting
from farwatch.revisions.components import USUAL, Component

if TYPE_CHECKING:
    from farwatch.builds.fragments import FragmentLine
    from farwatch.trees.trees import Source


@dataclass(frozen=True)
class Subject:
    """A revision on its bases, with an engine, in a flavor, and how its share is served.

    bases:   component -> base, of all that take part
    sources: component -> what it is built from instead of the revision's patches
    share_setting: the default one where there is no server
    wishes: what its kernel should have besides, as far as it can (a suite's options)
    """

    revision: Revision
    bases: Mapping[str, Base]
    engine: Engine
    flavor: str = "plain"
    sources: Mapping[str, Source] = field(default_factory=dict)
    share_setting: ShareSetting = DEFAULT_SHARE
    wishes: tuple[FragmentLine, ...] = ()
    server: Component = USUAL["virtiofsd"]
    """What serves the share, if it is one that is served."""
    vmm: Component = USUAL["qemu"]
    """What an engine with a virtual machine monitor may run in a patched form."""
    tools: tuple[Component, ...] = ()
    """Their programs are in the PATH of its guests."""

    @property
    def linux(self) -> Base:
        return self.bases["linux"]

    @property
    def share(self) -> ShareKind:
        return self.share_setting.kind or self.revision.share

    @property
    def has_server(self) -> bool:
        """Whether its share is served by a process of the host's."""
        return self.share == "virtiofs"

    @property
    def has_own_vmm(self) -> bool:
        """Whether its monitor is one with the revision's patches, not the installed one."""
        return self.engine.runs_vmm and bool(self.revision.patches(self.vmm.name))

    @property
    def server_options(self) -> tuple[str, ...]:
        """What its server is started with, besides the usual; of the same name the last counts."""
        if not self.has_server:
            return ()
        return (*self.revision.server_options, *self.share_setting.server_options)

    def column(self, name: str = "") -> Column:
        """Its column of the table, called `name` or as the revision."""
        shown = name or self.revision.name
        return Column(shown, self.linux.shown, self.engine.name, self.flavor, self.share_setting.name)

    def label(self, component: str) -> str:
        """ "virtiofsd 1.14.0 of v2"."""
        return f"{component} {self.bases[component].name} of {self.revision.name}"

    def built_from(self, *sources: Source) -> Subject:
        """The same, with these in place of what it had for their components."""
        return replace(self, sources={**self.sources, **{source.component: source for source in sources}})
