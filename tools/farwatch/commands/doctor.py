# SPDX-License-Identifier: GPL-2.0-or-later
"""doctor: what this machine can run, and what to install."""

from __future__ import annotations

import argparse

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", action="store_true", help="also ask the registries (takes seconds)")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.upkeep import doctor

    findings = doctor.examine(app.home, network=args.network)
    print(doctor.report(findings))
    return doctor.status(findings)
