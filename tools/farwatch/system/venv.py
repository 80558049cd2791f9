# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtual environments: that of requirements.lock, and those for checks and clusters, which see it."""

from __future__ import annotations

import sys
from pathlib import Path

SEEN = "runtime"
"""File in the second one: where the first one is."""


def prefix() -> Path:
    """The environment of requirements.lock: this process's own, or the one that is seen through it."""
    try:
        return Path(Path(sys.prefix, SEEN).read_text(encoding="utf-8").strip())
    except OSError:
        return Path(sys.prefix)


def python() -> Path:
    """Its Python: what a guest runs."""
    return prefix() / "bin" / "python"


def let_see(venv: Path, other: Path) -> None:
    """Have a new environment find the libraries of another one, behind its own."""
    [site] = venv.glob("lib/python*/site-packages")
    [libraries] = other.glob("lib/python*/site-packages")
    (site / "farwatch.pth").write_text(f"{libraries}\n", encoding="utf-8")
    (venv / SEEN).write_text(f"{other}\n", encoding="utf-8")


def add_libraries(venv: Path) -> None:
    """Have this process find the libraries of an environment behind its own; what it starts by fork, too."""
    [libraries] = venv.glob("lib/python*/site-packages")
    if str(libraries) not in sys.path:
        sys.path.append(str(libraries))


def belongs_to(venv: Path) -> bool:
    """Whether an environment is one of those that this process's farwatch uses."""
    mine = prefix().resolve()
    try:
        return Path((venv / SEEN).read_text(encoding="utf-8").strip()).resolve() == mine
    except OSError:
        return venv.resolve() == mine
