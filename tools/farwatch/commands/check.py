# SPDX-License-Identifier: GPL-2.0-or-later
"""check: what has to hold before a change of farwatch is good; CI runs exactly this."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.app import App
from farwatch.errors import STATUS_SURPRISE
from farwatch.system.home import checkout_root

CODE = ("tools", "farwatch", "ci/fresh-machine")
LINT_ROOMS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
SLOWEST = "--durations=10"


@dataclass(frozen=True)
class Stage:
    """One tool. words: what Python is called with, from the root of the checkout."""

    title: str
    words: tuple[str, ...]

    @property
    def tests(self) -> bool:
        return "pytest" in self.words


ROOMS = Stage("rooms", ("-c", LINT_ROOMS, "pyproject.toml", "--no-cache", "--no-logo"))
QUICK = (
    Stage("format", ("-m", "ruff", "format", "--check", "--no-cache", *CODE)),
    Stage("lint", ("-m", "ruff", "check", "--no-cache", *CODE)),
    ROOMS,
    Stage("types", ("-m", "mypy", "tools/farwatch", "tools/tests")),
    Stage("unit tests", ("-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", "not integration")),
)
BOOTING = ("-m", "pytest", "-v", SLOWEST, "-n", "2", "--dist", "loadfile", "-m")
"""A test that boots waits as often as it works: two at once, whose modules share what they have set up."""
SHORT = Stage("integration tests", (*BOOTING, "integration and not nightly"))
LONG = Stage("integration tests, all", (*BOOTING, "integration"))
FRESH = Stage("fresh machine", ("ci/fresh-machine",))


def add(parser: argparse.ArgumentParser) -> None:
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="leave out what builds and boots kernels")
    extent.add_argument(
        "--all",
        action="store_true",
        help="also what is long and changes seldom: other flavors, the whole suites of engine vng, "
        "QEMU's build; as root, a bare machine",
    )
    parser.add_argument("-k", dest="expression", default="", metavar="EXPR", help="only these of the tests")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.system.bootstrap import development_venv

    began = time.time()
    venv = development_venv(checkout_root() / "tools", app.home)
    failed = []
    stages = _stages(args)
    for stage in stages:
        chosen = ("-k", args.expression) if args.expression and stage.tests else ()
        if not _passes(app, venv, stage, chosen):
            failed.append(stage.title)
    if not args.quick:
        _tell_builds(app, began)
    print(f"check: failed: {', '.join(failed)}" if failed else f"check: {len(stages)} stages passed")
    return STATUS_SURPRISE if failed else 0


def _stages(args: argparse.Namespace) -> tuple[Stage, ...]:
    if args.quick:
        return QUICK
    if not args.all:
        return (*QUICK, SHORT)
    if os.geteuid() == 0 and not args.expression:
        return (*QUICK, LONG, FRESH)
    print("check: no bare machine is tried: that takes root, and all of the tests")
    return (*QUICK, LONG)


def _passes(app: App, venv: Path, stage: Stage, more: Sequence[str]) -> bool:
    """Run one tool from the root of the checkout; its output is shown as it comes."""
    print(f"check: {stage.title}", flush=True)
    started = time.monotonic()
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout_root() / "tools"),
        "MYPY_CACHE_DIR": str(app.home.root / "mypy"),
        "FARWATCH_HOME": str(app.home.root),
        "PYTHONPYCACHEPREFIX": str(venv / "pycache"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is compiled goes nowhere but there
    command = [str(venv / "bin" / "python"), *stage.words, *more]
    if stage.tests:
        command += ["-o", f"cache_dir={app.home.root / 'pytest'}"]
    status = subprocess.run(command, cwd=checkout_root(), env=environment, check=False).returncode
    spent = time.monotonic() - started
    print(f"check: {stage.title}: {'ok' if status == 0 else 'FAILED'}, {spent:.1f} s", flush=True)
    return status == 0


def _tell_builds(app: App, began: float) -> None:
    """How long each kernel, server and monitor took that was built since; by others, too."""
    from farwatch.builds.kernel import KernelBuild
    from farwatch.builds.qemu import QemuBuild
    from farwatch.builds.server import ServerBuild
    from farwatch.builds.store import made_since

    products = made_since(app.home, (KernelBuild, ServerBuild, QemuBuild), began)
    for product in sorted(products, key=lambda product: -product.seconds):
        print(f"check: built {product.label}: {product.seconds:.0f} s")
