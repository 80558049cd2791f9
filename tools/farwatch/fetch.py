# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives of bases, verified: from the Debian archive that this machine uses, from cargo, a path or a URL.

A file in Home.downloads that is named by its checksum has been verified and is complete; everything
else there is partial and can go. An archive that was fetched once needs no network again.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked

Say = Callable[[str], None]

_CHUNK = 1 << 20
_NO_SPACE = "No space left on device"


def fetch(base: Base, home: Home, say: Say) -> Path:
    """The archive of a base of any kind but git, its checksum verified.

    FarwatchError: no network or no such host, a version that the archive no longer has, a checksum that
    differs, no space left, a missing tool; each with what to do next.
    """
    from farwatch import fetch_cargo, fetch_deb

    if base.kind == "tarball" and "://" not in base.location:
        return _local(base)
    kept = home.downloads / f"{base.sha256}.archive"
    with locked(
        home.downloads / f"{base.sha256}.lock", lambda: say(f"waiting for the download of {base.label}")
    ):
        if kept.is_file() and checksum(kept) == base.sha256:
            return kept
        with space_reported(home.downloads), _partial(home) as folder:
            if base.kind in ("deb", "deb-source"):
                found = fetch_deb.download(base, home, folder, say)
            elif base.kind == "crate":
                found = fetch_cargo.download(base, home, folder, say)
            elif base.kind == "tarball":
                found = _from_url(base, folder, say)
            else:
                raise ValueError(f"a {base.kind} base has no archive")
            verify(base, found)
            found.rename(kept)
    return kept


def fetch_commit(base: Base, repository: Path, say: Say) -> None:
    """Bring the commit of a base of kind git, without its history, into a bare repository."""
    if git.run("cat-file", "-e", f"{base.commit}^{{commit}}", cwd=repository).returncode == 0:
        return
    say(f"fetching {base.component} {base.name} ({base.commit[:12]})")
    # the owner of a local clone may be another user; a stalled connection must not hang for ever
    serve = "git -c safe.directory=* upload-pack"
    stalled = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
    options = ("--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", f"--upload-pack={serve}")
    done = git.run(*stalled, "fetch", *options, base.location, base.commit, cwd=repository)
    if done.returncode == 0:
        return
    cause = done.stderr.decode("utf-8", "replace").strip()
    if _NO_SPACE in cause:
        raise no_space(repository)
    hint = f"see {_entry(base)} in patches/bases.toml: location and commit"
    if _offline(cause):
        hint = "connect to the network, or let location be the path of a clone that you have"
    raise FarwatchError(f"cannot fetch {base.commit[:12]} from {base.location}", cause=cause, hint=hint)


def checksum(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(base: Base, path: Path) -> None:
    """FarwatchError when the file is not what bases.toml pins."""
    found = checksum(path)
    if found != base.sha256:
        raise FarwatchError(
            f"{base.component} {base.name} is not what was expected: its checksum differs",
            cause=f"expected sha256 {base.sha256}\nfound           {found}\nin {described(base)}",
            hint=f"if you changed the pin, write the found sha256 into {_entry(base)} of patches/bases.toml; "
            "if not, do not use the file",
        )


def described(base: Base) -> str:
    """Where a base comes from, in words."""
    return base.location or " ".join(
        part for part in (base.kind, base.package, base.version, base.suite) if part
    )


def pin_lines(base: Base, **values: str) -> str:
    """The lines of bases.toml to write, as they should be."""
    lines = "".join(f'\n  {key} = "{value}"' for key, value in values.items())
    return f"in patches/bases.toml, under {_entry(base)}, write:{lines}"


def no_space(folder: Path) -> FarwatchError:
    """The error for a full file system."""
    free = shutil.disk_usage(folder).free
    return FarwatchError(
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
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise no_space(folder) from error


def tool_failed(what: str, output: str, *, folder: Path, hint: str) -> FarwatchError:
    """The error for a download tool that failed: space and network told apart by what it printed."""
    if _NO_SPACE in output or "enough free space" in output:
        return no_space(folder)
    if _offline(output):
        hint = "connect to the network, then run the command again; what is fetched stays"
    return FarwatchError(what, cause=_last_lines(output), hint=hint)


def _offline(text: str) -> bool:
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


def _entry(base: Base) -> str:
    return f'[{base.component}."{base.name}"]'


@contextmanager
def _partial(home: Home) -> Iterator[Path]:
    """A folder for what is not complete yet, on the file system of the downloads."""
    with tempfile.TemporaryDirectory(dir=home.downloads, prefix="partial-") as name:
        yield Path(name)


def _local(base: Base) -> Path:
    path = Path(base.location)
    if not path.is_file():
        hint = f"put the file there, or change location of {_entry(base)} in patches/bases.toml"
        raise FarwatchError(f"there is no file {path}", cause=f"it is the tarball of {base.label}", hint=hint)
    verify(base, path)
    return path


def _from_url(base: Base, folder: Path, say: Say) -> Path:
    import urllib.error
    import urllib.request

    say(f"downloading {base.component} {base.name}")
    target = folder / "archive"
    try:
        with urllib.request.urlopen(base.location, timeout=60) as answer, target.open("wb") as sink:
            _copy(answer, sink)
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        hint = f"connect to the network, or correct location of {_entry(base)} in patches/bases.toml"
        raise FarwatchError(f"cannot download {base.location}", cause=str(error), hint=hint) from error
    return target


def _copy(source: IO[bytes], sink: IO[bytes]) -> None:
    shutil.copyfileobj(source, sink, _CHUNK)
