# SPDX-License-Identifier: GPL-2.0-or-later
"""check: what has to hold before a change of farwatch is good; CI runs exactly this."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from farwatch.app import App
from farwatch.errors import STATUS_SURPRISE


@dataclass(frozen=True)
class Stage:
    """One tool and what it is called with, after `python -m`."""

    title: str
    words: tuple[str, ...]


QUICK = (
    Stage("format", ("ruff", "format", "--check", "--no-cache", "tools", "farwatch", "ci/fresh-machine")),
    Stage("lint", ("ruff", "check", "--no-cache", "tools", "farwatch", "ci/fresh-machine")),
    Stage("types", ("mypy", "tools/farwatch", "tools/tests")),
    Stage("unit tests", ("pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", "not integration")),
)
INTEGRATION = Stage("integration tests", ("pytest", "-v", "-m", "integration"))


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="leave out what builds and boots kernels")
    parser.add_argument("-k", dest="expression", default="", metavar="EXPR", help="only these of the tests")


def run(args: argparse.Namespace, app: App) -> int:
    stages = QUICK if args.quick else (*QUICK, INTEGRATION)
    failed = []
    for stage in stages:
        words = (
            (*stage.words, "-k", args.expression)
            if args.expression and "pytest" in stage.words
            else stage.words
        )
        if not _passes(app, stage.title, words):
            failed.append(stage.title)
    print(
        f"check: failed: {', '.join(failed)}" if failed else f"check: {len(stages)} stages passed", flush=True
    )
    return STATUS_SURPRISE if failed else 0


def _passes(app: App, title: str, words: Sequence[str]) -> bool:
    """Run one tool from the root of the checkout; its output is shown as it comes."""
    print(f"check: {title}", flush=True)
    started = time.monotonic()
    environment = {
        **os.environ,
        "PYTHONPATH": str(app.root / "tools"),
        "MYPY_CACHE_DIR": str(app.home.root / "mypy"),
        "FARWATCH_HOME": str(app.home.root),
    }
    command = [sys.executable, "-m", *words]
    if "pytest" in words:
        command += ["-o", f"cache_dir={app.home.root / 'pytest'}"]
    status = subprocess.run(command, cwd=app.root, env=environment, check=False).returncode
    print(
        f"check: {title}: {'ok' if status == 0 else 'FAILED'}, {time.monotonic() - started:.1f} s", flush=True
    )
    return status == 0
