# SPDX-License-Identifier: GPL-2.0-or-later
"""Small programs with the libraries that people wait for files with (clients/), each language built once.

What is fetched is what the lock files there name; it is kept in Home.builds with what was made of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.builds import store
from farwatch.builds.store import LOG
from farwatch.errors import FarwatchError
from farwatch.model import hash_of
from farwatch.system import cargo, tools
from farwatch.system.home import Home
from farwatch.system.locks import locked

SOURCES = Path(__file__).parent / "clients"
RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same sources."""
LIMIT = 900.0
"""Seconds that the build of one language may take."""
Variables = dict[str, str | None]
"""As tools.run_logged takes them: None takes one away."""


@dataclass(frozen=True)
class Recipe:
    """How one language's folder is built, in a copy of it."""

    tool: tuple[str, ...]
    """What prints the version of that which builds."""
    words: Callable[[Home], Sequence[str]]
    env: Callable[[Home, Path], Variables] = lambda _home, _folder: {}


def _go(_home: Home, folder: Path) -> Variables:
    """No toolchain is fetched, and what is fetched can be removed."""
    flags = "-mod=readonly -modcacherw -buildvcs=false"
    places = {
        "GOPATH": str(folder / "go"),
        "GOCACHE": str(folder / "cache"),
        "GOBIN": None,
        "GOMODCACHE": None,
    }
    return {**places, "GOFLAGS": flags, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def _cargo(home: Home, folder: Path) -> Variables:
    target = {"CARGO_TARGET_DIR": str(folder / "target"), "CARGO_BUILD_TARGET": None, "RUSTFLAGS": None}
    return {**cargo.environment(home), **target}


QT = "g++ -O1 -fPIC $(pkg-config --cflags Qt6Core) -o use-qt main.cpp $(pkg-config --libs Qt6Core)"
NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
CARGO = """
mv Cargo.lock pinned
cargo "$@" generate-lockfile
registry=$(sed -n 's/^source = "\\(.*\\)"/\\1/p' Cargo.lock | sort -u)
sed "s|@registry@|$registry|" pinned > Cargo.lock
cargo "$@" build --release --locked
"""
"""What cargo calls the registry that it knows is in no file of ours."""
RECIPES = {
    "go": Recipe(("go", "version"), lambda _: ("go", "build", "-o", "use-fsnotify"), _go),
    "node": Recipe(("npm", "--version"), lambda _: NPM),
    "qt": Recipe(("pkg-config", "--modversion", "Qt6Core"), lambda _: ("sh", "-ec", QT)),
    "rust": Recipe(
        ("cargo", "--version"),
        lambda home: ("sh", "-ec", CARGO, "sh", *cargo.settings(home)),
        _cargo,
    ),
}
SCRAP = ("go", "cache", "target/release/build", "target/release/deps", "target/release/.fingerprint")
"""What is not kept of a build."""


def built(home: Home, language: str) -> Path:
    """The folder of clients/ with what was built of it."""
    recipe = RECIPES[language]
    kind = f"clients-{language}"
    key = hash_of(kind, RECIPE_VERSION, _said(recipe.tool), *_contents(SOURCES / language))
    with locked(home.objects / f"{kind}.lock"):
        if store.find(home, kind, key) is None:
            with store.fresh(home, kind, key, {"label": f"clients of {language}"}) as folder:
                _build(home, language, recipe, folder)
    return store.folder_of(home, kind, key)


def _build(home: Home, language: str, recipe: Recipe, folder: Path) -> None:
    shutil.copytree(SOURCES / language, folder, dirs_exist_ok=True)
    env, log = recipe.env(home, folder), folder / LOG
    if tools.run_logged(list(recipe.words(home)), cwd=folder, log=log, env=env, timeout=LIMIT) != 0:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise FarwatchError(f"cannot build the clients of {language}", cause="\n".join(said[-15:]))
    for name in SCRAP:
        shutil.rmtree(folder / name, ignore_errors=True)


def _said(words: Sequence[str]) -> str:
    env = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout


def _contents(folder: Path) -> list[str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.relative_to(folder)}\0{path.read_text(encoding='utf-8')}" for path in paths]
