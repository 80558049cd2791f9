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
    from farwatch.cells.setting import VMM, edited_sources, own_vmm, usable_engine

    revision = app.catalog.revision(args.revision)
    linux = app.catalog.base_of(revision, "linux", args.base)
    sources = {} if args.patches else edited_sources(app, revision, linux)
    engine = usable_engine(app, args.engine)
    kernel = app.builder.kernel(revision, linux, engine.arch, args.flavor, sources.get("linux"))
    print(f"kernel  {kernel.image}")
    if revision.share == "virtiofs":
        base = app.catalog.base_of(revision, "virtiofsd")
        server = app.builder.server(revision, base, sources.get("virtiofsd"))
        print(f"server  {server.binary}")
    if vmm := own_vmm(app, revision, engine):
        print(f"qemu    {app.builder.vmm(revision, vmm, sources.get(VMM)).binary}")
    print(f"tests   {app.builder.tests(linux).dir}")
    return 0
