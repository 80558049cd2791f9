# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives of bases, verified: from the Debian archive that this machine uses, from cargo, a path or a URL.

A file in Home.downloads that is named by its checksum has been verified and is complete; everything
else there is partial and can go. An archive that was fetched once needs no network again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.bases.archive import (
    NO_SPACE,
    NoSpace,
    Say,
    Unreachable,
    VersionGone,
    checksum,
    entry,
    no_space,
    offline,
    reason,
    space_reported,
    verify,
)
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked


@dataclass(frozen=True)
class Miss:
    """Somewhere that a base could not be had from."""

    where: str
    error: FarwatchError

    def __str__(self) -> str:
        return f"{self.where}: {reason(self.error)}"


def kept_archive(base: Base, home: Home) -> Path | None:
    """The verified archive of a base that was fetched before; never fetches."""
    kept = _kept(base, home)
    return kept if kept.is_file() and checksum(kept) == base.sha256 else None


def fetch(base: Base, home: Home, say: Say) -> Path:
    """The archive of a base of any kind but git, its checksum verified.

    From where its kind says, else from the first of its places that has it. FarwatchError when none has:
    no network or no such host (Unreachable), a version that the archive no longer has (VersionGone), a
    checksum that differs (WrongContent), a missing tool; no space left (NoSpace); each with what to do next.
    """
    if base.kind == "tarball" and "://" not in base.location and not base.places:
        return _local(base)
    lock = home.downloads / f"{base.sha256}.lock"
    with locked(lock, lambda who: say(f"waiting for {who}, which downloads {base.label}")):
        return kept_archive(base, home) or _obtain(base, home, say)


def keep(base: Base, archive: Path, home: Home) -> Path:
    """Put an archive where it is found the next time; the caller has verified it."""
    return archive.rename(_kept(base, home))


def _kept(base: Base, home: Home) -> Path:
    return home.downloads / f"{base.sha256}.archive"


def _obtain(base: Base, home: Home, say: Say) -> Path:
    """The archive from the first of its sources that has it, verified and kept."""
    misses: list[Miss] = []
    for where, bring in _sources(base, home, say):
        try:
            if misses:
                say(f"{misses[-1]}; next: {where}")
            with space_reported(home.downloads), partial(home) as folder:
                found = bring(folder)
                verify(base, found)
                return keep(base, found, home)
        except NoSpace:
            raise
        except FarwatchError as error:
            misses.append(Miss(where, error))
    raise _nowhere(base, misses) if base.places else misses[0].error


def _sources(base: Base, home: Home, say: Say) -> Iterator[tuple[str, Callable[[Path], Path]]]:
    """(its name, what brings a copy of the archive into a folder) of all that may have it, in order."""
    from farwatch.bases import crate, debian, places

    if base.kind in ("deb", "deb-source"):
        yield "the Debian archive of this machine", lambda folder: debian.download(base, home, folder, say)
    elif base.kind == "crate":
        yield "the registry of cargo", lambda folder: crate.download(base, home, folder, say)
    elif base.kind == "tarball":
        yield base.location, lambda folder: _from_location(base, folder, say)
    else:
        raise ValueError(f"a {base.kind} base has no archive")
    for place in base.places:
        yield place, lambda folder, place=place: places.bring(base, place, folder)  # type: ignore[misc]


def _nowhere(base: Base, misses: Sequence[Miss]) -> FarwatchError:
    """The error when nothing has a base: of the first miss's type, which says what else can be done."""
    first = misses[0].error
    what = f"{base.component} {base.name} is nowhere to be had"
    cause = "\n".join(map(str, misses))
    if isinstance(first, VersionGone):
        return VersionGone(what, cause=cause, hint=first.hint, newest=first.newest)
    kind = Unreachable if isinstance(first, Unreachable) else FarwatchError
    return kind(what, cause=cause, hint=first.hint or f"see places of {entry(base)} in patches/bases.toml")


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
def partial(home: Home) -> Iterator[Path]:
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


def _from_location(base: Base, folder: Path, say: Say) -> Path:
    """A copy of the tarball that location names."""
    from farwatch.bases import places

    if "://" not in base.location:
        return Path(shutil.copyfile(_local(base), folder / "archive"))
    say(f"downloading {base.component} {base.name}")
    target = folder / "archive"
    hint = f"connect to the network, or correct location of {entry(base)} in patches/bases.toml"
    places.download(base.location, target, what=f"cannot download {base.location}", hint=hint)
    return target
