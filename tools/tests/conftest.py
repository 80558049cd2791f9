# SPDX-License-Identifier: GPL-2.0-or-later
"""What several tests need: a home folder of their own, the step actor, programs that pretend."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from farwatch.system.home import Home, checkout_root

# A slow machine is no failure. A CI service sees the same examples each time; people see new ones.
settings.register_profile("farwatch", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("farwatch")

FIGURE = "figure"
"""Kind of a test's property that is shown at the end of the run: see `tell`."""


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a figure shown at the end of the run, whether the test passes or not, and by whatever worker."""
    return lambda text: record_property(FIGURE, text)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


@pytest.fixture(scope="session")
def actor_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host actor, built from the sources."""
    program = tmp_path_factory.mktemp("actor") / "actor"
    serving = ("steps.c", "paths.c", "verbs.c", "keeper.c", "serve.c", "script.c", "run.c", "workloads.c")
    folder = checkout_root() / "kernel-tests"
    sources = [folder / name for name in ("guest/actor.c", *serving)]
    flags = ["-Wall", "-Wextra", "-Werror", "-O1"]
    subprocess.run(["gcc", *flags, "-o", program, *sources], check=True, cwd=folder)
    return program


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured: a worker has no terminal to show it on."""
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, [])]
    figures = [text for report in reports for key, text in report.user_properties if key == FIGURE]
    if figures:
        terminalreporter.write_sep("=", "figures")
        terminalreporter.write_line("\n".join(figures))
