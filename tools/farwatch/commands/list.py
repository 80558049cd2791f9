# SPDX-License-Identifier: GPL-2.0-or-later
"""list: revisions, bases, share settings and tests, and what of them is imported, built, known."""

from __future__ import annotations

import argparse
import textwrap

from farwatch.app import App
from farwatch.model import Base, Revision


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tests", action="store_true", help="every test with the rule that it checks")


def run(args: argparse.Namespace, app: App) -> int:
    if args.tests:
        _print_tests(app)
        return 0
    print("revisions")
    for revision in app.catalog.revisions():
        print(f"  {_revision_line(revision)}")
    print("bases")
    for component in app.catalog.components():
        for base in app.catalog.bases(component):
            print(f"  {_base_line(app, base)}")
    if app.catalog.with_role("server"):
        print("share settings")
        for setting in app.catalog.share_settings():
            print(f"  {setting.name:<22} {setting.about}")
    if suites := app.catalog.suites():
        print("suites")
    for suite in suites.values():
        print(f"  {suite.name:<22} {suite.about} ({suite.kind})")
    return 0


def _revision_line(revision: Revision) -> str:
    series = ", ".join(
        f"{component} {base} + {len(revision.patches(component))} patches{_in_series(revision, component)}"
        for component, base in revision.bases.items()
    )
    return f"{revision.name:<12} {revision.title} ({series})"


def _in_series(revision: Revision, component: str) -> str:
    count = sum(cut.component == component for cut in revision.cuts)
    return f" in {count} series" if count else ""


def _base_line(app: App, base: Base) -> str:
    default = "default" if app.catalog.base(base.component) == base else ""
    state = "imported" if app.trees.imported(base) else "not imported yet"
    origin = f"{base.package} {base.version}" if base.package else base.commit or base.location
    return f"{base.component:<10} {base.name:<8} {default:<8} {base.kind:<8} {origin}: {state}"


def _print_tests(app: App) -> None:
    for case in app.builder.tests(app.catalog.base("linux")).cases:
        print(case.name)
        if case.about:
            print(textwrap.indent(case.about, "    "))
