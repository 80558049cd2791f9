# SPDX-License-Identifier: GPL-2.0-or-later
"""What every way to fetch a base has in common: its checksum, and words for what went wrong."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import Base

Say = Callable[[str], None]
NO_SPACE = "No space left on device"


class NoSpace(FarwatchError):
    """The file system is full: nothing that is left out or done differently would help."""


class Unreachable(FarwatchError):
    """Who was to be asked did not answer: that says nothing about what is there."""


class VersionGone(FarwatchError):
    """The archive was asked and does not offer the version.

    newest: the newest version of the same upstream release that it does offer; "" if there is none
    """

    def __init__(self, what: str, *, cause: str = "", hint: str = "", newest: str = "") -> None:
        super().__init__(what, cause=cause, hint=hint)
        self.newest = newest


class WrongContent(FarwatchError):
    """Something is there, but it is not what is pinned. found: its SHA-256."""

    def __init__(self, what: str, *, cause: str = "", hint: str = "", found: str) -> None:
        super().__init__(what, cause=cause, hint=hint)
        self.found = found


def checksum(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(base: Base, path: Path) -> None:
    """WrongContent when the file is not what bases.toml pins."""
    found = checksum(path)
    if found != base.sha256:
        raise WrongContent(
            f"{base.component} {base.name} is not what was expected: its checksum differs",
            cause=f"expected sha256 {base.sha256}\nfound           {found}\nin {described(base)}",
            hint=f"if you changed the pin, write the found sha256 into {entry(base)} of patches/bases.toml; "
            "if not, do not use the file",
            found=found,
        )


def described(base: Base) -> str:
    """Where a base comes from, in words."""
    return base.location or " ".join(
        part for part in (base.kind, base.package, base.version, base.suite) if part
    )


def pin_lines(base: Base, **values: str) -> str:
    """The lines of bases.toml to write, as they should be."""
    lines = "".join(f'\n  {key} = "{value}"' for key, value in values.items())
    return f"in patches/bases.toml, under {entry(base)}, write:{lines}"


def no_space(folder: Path) -> NoSpace:
    """The error for a full file system."""
    free = shutil.disk_usage(folder).free
    return NoSpace(
        f"no space left for {folder}",
        cause=f"{free / 2**20:.0f} MiB are free; a kernel takes 160 MiB as archive, 400 in git, 1900 as tree",
        hint="farwatch prune, or set FARWATCH_HOME to a folder with more space",
    )


@contextmanager
def space_reported(folder: Path) -> Iterator[None]:
    """Turn a full disk into the error that says so."""
    try:
        yield
    except OSError as error:
        if not disk_full(error):
            raise
        raise no_space(folder) from error


def disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def tool_failed(what: str, output: str, *, folder: Path, hint: str) -> FarwatchError:
    """The error for a download tool that failed: space and network told apart by what it printed."""
    if NO_SPACE in output or "enough free space" in output:
        return no_space(folder)
    if offline(output):
        hint = "connect to the network, then run the command again; what is fetched stays"
        return Unreachable(what, cause=_last_lines(output), hint=hint)
    return FarwatchError(what, cause=_last_lines(output), hint=hint)


def reason(error: FarwatchError) -> str:
    """An error in one line."""
    if isinstance(error, WrongContent):
        return f"wrong content: its sha256 is {error.found}"
    lines = error.cause.splitlines()
    telling = [line for line in lines if line.startswith("E: ")][:1] or lines[-1:]
    return ": ".join([error.what, *telling])


def offline(text: str) -> bool:
    signs = (
        "Temporary failure resolving",
        "Could not resolve host",
        "Could not resolve hostname",
        "Name or service not known",
        "Network is unreachable",
        "Could not connect to",
        "Failed to connect to",
        "No route to host",
        "Connection timed out",
        "failed to download from",
    )
    return any(sign in text for sign in signs)


def _last_lines(output: str, count: int = 8) -> str:
    return "\n".join([line for line in output.splitlines() if line.strip()][-count:])


def entry(base: Base) -> str:
    return f'[{base.component}."{base.name}"]'
