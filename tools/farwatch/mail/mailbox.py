# SPDX-License-Identifier: GPL-2.0-or-later
"""The mails of an mbox, a maildir, or a folder of patch files; each of them may be compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.mail.incoming import Mail, read_mail
from farwatch.revisions.catalog import natural_key
from farwatch.system import git

_PATCH_FILES = (".patch", ".eml", ".mbox", ".mbx", ".diff")
_COMPRESSED = (".gz", ".bz2", ".xz")
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
}
_KINDS = "an mbox file (.gz, .bz2 and .xz too), a maildir, or a folder of patch files"


@dataclass(frozen=True)
class Mailbox:
    """What was found at a place."""

    source: Path
    mails: tuple[Mail, ...]
    ordered: bool
    """They are files in an order that is meant: a quilt series, or patch files without numbers."""
    quilt: bool = False
    """The order comes from quilt's file "series", whatever numbers the subjects have."""


def read_mailbox(source: Path) -> Mailbox:
    """Read all of it; a mail that is there twice, by its Message-ID, is read once.

    FarwatchError when there is none, or a file is no mailbox.
    """
    if not source.exists():
        raise FarwatchError(f"there is no {source}", hint=_KINDS)
    quilt = source.is_dir() and (source / "series").is_file()
    files = _files(source)
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        found = [
            read_mail(data, path.name, strip)
            for number, (path, strip) in enumerate(files)
            for data in _split(path, Path(name) / str(number))
        ]
    if not found:
        raise FarwatchError(f"{source} has no mails", hint=_KINDS)
    ordered = source.is_dir() and not _is_maildir(source) and not _folders(source)
    return Mailbox(source, _once_each(found), ordered, quilt)


def _once_each(mails: Iterable[Mail]) -> tuple[Mail, ...]:
    return tuple({mail.message_id: mail for mail in reversed(list(mails))}.values())[::-1]


def _is_maildir(folder: Path) -> bool:
    return (folder / "cur").is_dir() and (folder / "new").is_dir()


def _files(source: Path) -> list[tuple[Path, int]]:
    """The files, in order, and what `patch -p` each of them takes."""
    if not source.is_dir():
        return [(source, 1)]
    if _is_maildir(source):
        parts = (path for part in ("cur", "new") for path in (source / part).iterdir())
        return [(path, 1) for path in sorted(parts) if path.is_file()]
    if (source / "series").is_file():
        return _quilt(source)
    if folders := _folders(source):
        return [file for folder in folders for file in _files(folder)]
    return [(path, 1) for path in _patch_files(source)]


def _patch_files(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.is_file() and _is_patch_file(path))
    return sorted(files, key=lambda path: natural_key(path.name))


def _folders(source: Path) -> list[Path]:
    """Where the mails are if a folder has nothing but folders of them, as `send` writes several series."""
    if _is_maildir(source) or (source / "series").is_file() or _patch_files(source):
        return []
    inner = (path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(
        (path for path in inner if _patch_files(path) or _folders(path)), key=lambda path: path.name
    )


def _is_patch_file(path: Path) -> bool:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _COMPRESSED]
    # a number alone is the name of a mail in an MH folder
    return bool(suffixes and suffixes[-1] in _PATCH_FILES) or path.name.isdigit()


def _quilt(folder: Path) -> list[tuple[Path, int]]:
    """What quilt's file "series" lists: a name, options, a comment in each line."""
    found = []
    for line in (folder / "series").read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.partition("#")[0].split()
        if words:
            found.append((folder / words[0], _strip(folder, words)))
    return found


def _strip(folder: Path, words: list[str]) -> int:
    strip = 1
    for option in words[1:]:
        match = re.fullmatch(r"-p(?:(\d+)|ab)", option)
        if not match:
            cause = f"quilt's option {option} is not known here"
            hint = "apply it with quilt, and import what `quilt mail` or git format-patch writes"
            raise FarwatchError(f"{folder / 'series'} has a patch with an option", cause=cause, hint=hint)
        strip = int(match[1] or 1)
    return strip


def _split(path: Path, folder: Path) -> list[bytes]:
    """The mails in one file, as git takes it apart."""
    folder.mkdir()
    content = _content(path).lstrip(b"\r\n")
    if not content.strip():
        return []
    # public-inbox says so when it quotes lines that start with From
    options = ["--mboxrd"] if content.startswith(b"From mboxrd@z ") else []
    words = ("mailsplit", "--keep-cr", "-b", *options, f"-o{folder}")
    done = git.run(*words, cwd=folder, stdin=content)
    if done.returncode != 0:
        cause = done.stderr.decode("utf-8", "replace").strip()
        raise FarwatchError(f"{path} is not a mailbox", cause=cause, hint=_KINDS)
    return [data for part in sorted(folder.iterdir()) if (data := part.read_bytes()).strip()]


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        unpack = next((way for start, way in _UNPACK.items() if content.startswith(start)), None)
        return unpack(content) if unpack else content
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # so says bz2
            raise _damaged(path, error) from error
        raise FarwatchError(f"cannot read {path}", cause=str(error.strerror), hint=_KINDS) from error
    except ValueError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FarwatchError:
    return FarwatchError(f"{path} is compressed, and damaged", cause=str(error), hint="fetch it again")
