# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to boot a guest of a revision."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from farwatch.builds.subject import Subject
from farwatch.cells.wish import Wish
from farwatch.engines.engine import SMP_CPUS, SMP_FLAVOR, Engine
from farwatch.engines.registry import engine_named
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, Revision, ShareSetting
from farwatch.revisions.components import USUAL
from farwatch.system import bootstrap
from farwatch.system.home import checkout_root

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.selftests import TestsBuild
    from farwatch.guests.setting import Setting
    from farwatch.trees.trees import Source

SHARE_PACKAGES = "system-packages.share.txt"
_ROLES = (("server", "virtiofsd"), ("vmm", "qemu"))
"""With the component that does it where bases.toml has none."""
MADE_BY_PACKAGES = ("ext4", "xfs", "btrfs")
"""File systems that programs of those packages make."""


def subject_of(app: App, wish: Wish, revision: Revision) -> Subject:
    """What a wish means for one of its revisions; nothing is built for it."""
    engine = installed_engine(app, wish.engine)
    bases = {"linux": app.catalog.base_of(revision, "linux", wish.base)}
    share_setting = wish.share_setting if revision.share == "virtiofs" else DEFAULT_SHARE
    server, vmm = (next(iter(app.catalog.with_role(role)), USUAL[name]) for role, name in _ROLES)
    tools = tuple(app.catalog.with_role("tool"))
    taking = [*tools]
    if (share_setting.kind or revision.share) == "virtiofs":
        taking.append(server)
    if engine.runs_vmm and revision.patches(vmm.name):
        taking.append(vmm)
    bases |= {part.name: app.catalog.base_of(revision, part.name) for part in taking}
    subject = Subject(
        revision,
        bases,
        engine,
        wish.flavor,
        share_setting=share_setting,
        server=server,
        vmm=vmm,
        tools=tools,
    )
    return subject.built_from(*_edited_sources(app, subject)) if wish.edited else subject


def _edited_sources(app: App, subject: Subject) -> Iterator[Source]:
    """The checkouts of a revision that differ from its patches; each is announced."""
    for component, base in subject.bases.items():
        source = app.trees.working(subject.revision, component, base)
        if source is not None:
            print(f"building {component} from {source.path} ({source.label})", file=sys.stderr)
            yield source


def setting_for(app: App, wish: Wish, revision: Revision) -> Setting:
    """What it takes to boot a guest of a revision, built if it has to be."""
    subject = subject_of(app, wish, revision)
    return built_setting(app, subject, app.builder.tests(subject.linux))


def installed_engine(app: App, name: str) -> Engine:
    """The engine, with what it needs installed: the version of that is part of what is looked up."""
    engine = engine_named(name)
    if engine.packages:
        bootstrap.ensure_extra(checkout_root() / "tools" / engine.packages, app.home)
    return engine


def usable_engine(app: App, name: str) -> Engine:
    """The same; FarwatchError if it cannot run here."""
    engine = installed_engine(app, name)
    require_usable(engine)
    return engine


def require_usable(engine: Engine) -> None:
    """FarwatchError if the engine cannot run here."""
    if trouble := engine.examine():
        raise FarwatchError(f"cannot run engine {engine.name}", cause=trouble, hint="farwatch doctor")


def lacking_for(app: App, share_setting: ShareSetting) -> str:
    """Why this machine cannot have a share setting, found out by trying, and what helps; empty: it can."""
    if share_setting == DEFAULT_SHARE:
        return ""
    from farwatch.guests.ground import lacking
    from farwatch.guests.run import run_guests

    if share_setting.file_system in MADE_BY_PACKAGES and os.geteuid() == 0:
        try:
            bootstrap.ensure_extra(checkout_root() / "tools" / SHARE_PACKAGES, app.home)
        except FarwatchError as error:
            return "; ".join(filter(None, (error.what, error.hint)))
    return run_guests(app.home, lambda run: lacking(run, share_setting))


def built_setting(app: App, subject: Subject, tests: TestsBuild) -> Setting:
    """The setting of a subject's guests; what they run is built if it has to be."""
    revision, engine, builder, vmm = subject.revision, subject.engine, app.builder, subject.vmm.name
    require_usable(engine)
    if not engine.runs_vmm and engine.without_vmm and revision.patches(vmm):
        app.reporter.say(f"{revision.name} without its patches for {vmm}: {engine.without_vmm}")
    from farwatch.guests.kvm import accelerated
    from farwatch.guests.setting import Setting

    setting = Setting(
        engine,
        builder.kernels.build(subject).image,
        tests.agent,
        tests.actor,
        subject.share,
        builder.servers.build(subject).binary if subject.has_server else None,
        plain_server=tests.plain_server,
        server_options=subject.server_options,
        share_setting=subject.share_setting,
        vmm=builder.monitors.build(subject).binary if subject.has_own_vmm else None,
        sysctls=revision.sysctls,
        cpus=SMP_CPUS if subject.flavor == SMP_FLAVOR else 1,
        tools=tuple(builder.servers.build_of(subject, part).folder for part in subject.tools),
    )
    return replace(setting, engine=accelerated(app.home, setting, app.reporter.say))
