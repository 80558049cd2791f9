# SPDX-License-Identifier: GPL-2.0-or-later
"""Crates, obtained with cargo itself: its registry, mirror and proxy settings stay the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from farwatch.bases.archive import pin_lines, tool_failed
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import cargo
from farwatch.system.home import Home

Say = Callable[[str], None]

_LIMIT = 1800.0
_PROJECT = """\
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
{package} = "={version}"
"""


def download(base: Base, home: Home, folder: Path, say: Say) -> Path:
    """A copy of the .crate file, in `folder`. Not verified against the pin yet."""
    crate = _cached(base, home)
    if crate is None:
        say(f"fetching crate {base.package} {base.version}")
        _cargo_fetch(base, home, folder)
        crate = _cached(base, home)
    if crate is None:
        cause = (
            f"cargo fetch said that all is well, but there is no {_file(base)} in {home.cargo}/registry/cache"
        )
        raise FarwatchError(
            f"cargo did not keep {base.package} {base.version}", cause=cause, hint="try again"
        )
    return Path(shutil.copyfile(crate, folder / "archive"))


def _cached(base: Base, home: Home) -> Path | None:
    return next(iter(sorted((home.cargo / "registry" / "cache").glob(f"*/{_file(base)}"))), None)


def _file(base: Base) -> str:
    return f"{base.package}-{base.version}.crate"


def _cargo_fetch(base: Base, home: Home, folder: Path) -> None:
    (folder / "Cargo.toml").write_text(_PROJECT.format(package=base.package, version=base.version))
    (folder / "lib.rs").touch()
    command = ["cargo", *cargo.settings(home), "fetch"]
    env = {**os.environ, **cargo.environment(home)}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
    except FileNotFoundError as error:
        hint = "install cargo (rustup, or the package of your distribution)"
        raise FarwatchError("cargo is not installed", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        cause = f"no end after {_LIMIT:.0f} s"
        raise FarwatchError(
            "cargo fetch hangs", cause=cause, hint="look at the network, try again"
        ) from error
    if done.returncode != 0:
        raise _failed(base, home, done.stderr)


def _failed(base: Base, home: Home, output: str) -> FarwatchError:
    if "failed to select a version" in output or "no matching package" in output:
        cause = "\n".join(line for line in output.splitlines() if line.strip())
        hint = pin_lines(
            base, version="one of those", sha256="that of its .crate file: the next run tells it"
        )
        return FarwatchError(f"the registry has no {base.package} {base.version}", cause=cause, hint=hint)
    return tool_failed(
        f"cargo cannot get {base.package} {base.version}",
        output,
        folder=home.downloads,
        hint="see what cargo says above",
    )
