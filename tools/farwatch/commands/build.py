# SPDX-License-Identifier: GPL-2.0-or-later
"""build: kernel, server and tests of a revision, nothing run."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    parser.add_argument(
        "--patches", action="store_true", help="build the patch files even if a checkout differs"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.setting import require_usable, subject_of

    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    subject = subject_of(app, common.wish_from(args, [revision], edited=not args.patches), revision)
    require_usable(subject.engine)
    builder = app.builder
    print(f"kernel  {builder.kernels.build(subject).image}")
    if subject.has_server:
        print(f"server  {builder.servers.build(subject).binary}")
    if subject.has_own_vmm:
        print(f"{subject.vmm.name:<7} {builder.monitors.build(subject).binary}")
    for part in subject.tools:
        print(f"{part.name:<7} {builder.servers.build_of(subject, part).binary}")
    print(f"tests   {builder.tests(subject.linux).dir}")
    return 0
