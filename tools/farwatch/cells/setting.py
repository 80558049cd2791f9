# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to boot a guest of a revision."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from farwatch.cells.wish import Wish
from farwatch.engines.engine import Engine
from farwatch.engines.registry import engine_named
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.system import bootstrap

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.builder import TestsBuild
    from farwatch.guests.setting import Setting
    from farwatch.trees.trees import Source


VMM = "qemu"
"""The component that an engine with a virtual machine monitor may run in a patched form."""


def edited_sources(app: App, revision: Revision, linux: Base) -> dict[str, Source]:
    """The checkouts of a revision that differ from its patches; each is announced."""
    sources = {}
    bases = [linux, app.catalog.base_of(revision, "virtiofsd")]
    if revision.patches(VMM):
        bases.append(app.catalog.base_of(revision, VMM))
    for base in bases:
        component = base.component
        source = app.trees.working(revision, component, base)
        if source is not None:
            print(f"building {component} from {source.path} ({source.label})", file=sys.stderr)
            sources[component] = source
    return sources


def own_vmm(app: App, revision: Revision, engine: Engine) -> Base | None:
    """Base of the monitor that a revision has patches for, if the engine runs it; None: the installed one."""
    patched = engine.runs_vmm and revision.patches(VMM)
    return app.catalog.base_of(revision, VMM) if patched else None


def setting_for(app: App, wish: Wish, revision: Revision) -> Setting:
    """What it takes to boot a guest of a revision, built if it has to be."""
    linux = app.catalog.base_of(revision, "linux", wish.base)
    sources = edited_sources(app, revision, linux) if wish.edited else {}
    return built_setting(app, wish, revision, linux, sources, app.builder.tests(linux))


def installed_engine(app: App, name: str) -> Engine:
    """The engine, with what it needs installed: the version of that is part of what is looked up."""
    engine = engine_named(name)
    if engine.packages:
        bootstrap.ensure_extra(app.root / "tools" / engine.packages, app.home)
    return engine


def usable_engine(app: App, name: str) -> Engine:
    """The same; FarwatchError if it cannot run here."""
    engine = installed_engine(app, name)
    trouble = engine.examine()
    if trouble:
        raise FarwatchError(f"cannot run engine {engine.name}", cause=trouble, hint="farwatch doctor")
    return engine


def built_setting(
    app: App, wish: Wish, revision: Revision, linux: Base, sources: dict[str, Source], tests: TestsBuild
) -> Setting:
    engine = usable_engine(app, wish.engine)
    kernel = app.builder.kernel(revision, linux, engine.arch, wish.flavor, sources.get("linux"))
    server = None
    if revision.share == "virtiofs":
        base = app.catalog.base_of(revision, "virtiofsd")
        server = app.builder.server(revision, base, sources.get("virtiofsd")).binary
    vmm = None
    if vmm_base := own_vmm(app, revision, engine):
        vmm = app.builder.vmm(revision, vmm_base, sources.get(VMM)).binary
    elif engine.without_vmm and revision.patches(VMM):
        app.reporter.say(f"{revision.name} without its patches for {VMM}: {engine.without_vmm}")
    from farwatch.guests.kvm import accelerated
    from farwatch.guests.setting import Setting

    setting = Setting(
        engine,
        kernel.image,
        tests.agent,
        tests.actor,
        revision.share,
        server,
        server_options=revision.server_options,
        vmm=vmm,
    )
    return replace(setting, engine=accelerated(app.home, setting, app.reporter.say))
