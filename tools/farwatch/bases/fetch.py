# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives of bases, verified: from the Debian archive that this machine uses, from cargo, a path or a URL.

A file in Home.downloads that is named by its checksum has been verified and is complete; everything
else there is partial and can go. An archive that was fetched once needs no network again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from farwatch.bases.archive import NO_SPACE, Say, checksum, entry, no_space, offline, space_reported, verify
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked

_CHUNK = 1 << 20


def fetch(base: Base, home: Home, say: Say) -> Path:
    """The archive of a base of any kind but git, its checksum verified.

    FarwatchError: no network or no such host, a version that the archive no longer has, a checksum that
    differs, no space left, a missing tool; each with what to do next.
    """
    from farwatch.bases import crate, debian

    if base.kind == "tarball" and "://" not in base.location:
        return _local(base)
    kept = home.downloads / f"{base.sha256}.archive"
    lock = home.downloads / f"{base.sha256}.lock"
    with locked(lock, lambda who: say(f"waiting for {who}, which downloads {base.label}")):
        if kept.is_file() and checksum(kept) == base.sha256:
            return kept
        with space_reported(home.downloads), _partial(home) as folder:
            if base.kind in ("deb", "deb-source"):
                found = debian.download(base, home, folder, say)
            elif base.kind == "crate":
                found = crate.download(base, home, folder, say)
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
    if NO_SPACE in cause:
        raise no_space(repository)
    hint = f"see {entry(base)} in patches/bases.toml: location and commit"
    if offline(cause):
        hint = "connect to the network, or let location be the path of a clone that you have"
    raise FarwatchError(f"cannot fetch {base.commit[:12]} from {base.location}", cause=cause, hint=hint)


@contextmanager
def _partial(home: Home) -> Iterator[Path]:
    """A folder for what is not complete yet, on the file system of the downloads."""
    with tempfile.TemporaryDirectory(dir=home.downloads, prefix="partial-") as name:
        yield Path(name)


def _local(base: Base) -> Path:
    path = Path(base.location)
    if not path.is_file():
        hint = f"put the file there, or change location of {entry(base)} in patches/bases.toml"
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
        hint = f"connect to the network, or correct location of {entry(base)} in patches/bases.toml"
        raise FarwatchError(f"cannot download {base.location}", cause=str(error), hint=hint) from error
    return target


def _copy(source: IO[bytes], sink: IO[bytes]) -> None:
    shutil.copyfileobj(source, sink, _CHUNK)
