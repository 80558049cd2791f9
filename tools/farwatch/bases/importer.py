# SPDX-License-Identifier: GPL-2.0-or-later
"""A base into git: the content of an archive as one commit that has the same id on every machine.

The archive is streamed into `git fast-import`, which writes into a repository of its own. Only the
finished pack is moved to the component's repository, and the ref comes last: an import that is
killed half way is simply done again, and leaves nothing that counts.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from farwatch.bases.fetch import fetch, fetch_commit
from farwatch.errors import FarwatchError
from farwatch.model import Base, hash_of
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked

Say = Callable[[str], None]

_IDENTITY = "farwatch <farwatch@localhost> 946684800 +0000"
_REF = "refs/heads/import"
_SAY_EVERY = 2.0
_BUFFER = 1 << 20
_TAR_BUFFER = 1 << 15  # tarfile moves what is left of it with every read: larger is much slower
_DECOMPRESSORS = {b"\xfd7zXZ\0": ("xz", "-T0", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dc")}
_TMP = ".import-"


def repository(home: Home, component: str) -> Path:
    """The bare repository of a component."""
    return home.git / f"{component}.git"


def base_ref(base: Base) -> str:
    """The ref that names an imported base; another pin of the same name is another ref."""
    return f"refs/farwatch/base/{base.name}/{hash_of(base.sha256 or base.commit)[:16]}"


def imported(base: Base, home: Home) -> str | None:
    """Commit id of the base, or None when it is not imported yet. Quick, never fetches."""
    found = git.resolve(repository(home, base.component), base_ref(base))
    return found[0] if found else None


def import_base(base: Base, home: Home, say: Say) -> str:
    """Commit id of the base in its component's repository; fetched and imported when it is not there.

    A base of kind git keeps its own commit id and has no history below it; all others become one commit
    without a parent. FarwatchError: whatever fetch() raises, an unreadable archive, no space left.
    """
    known = imported(base, home)
    if known:
        return known
    target = repository(home, base.component)
    lock = home.git / f"{base.component}.lock"
    with locked(lock, lambda who: say(f"waiting for {who}, which imports {base.component}")):
        known = imported(base, home)
        if known:
            return known
        git.init_bare(target)
        commit = _bring(base, home, target, say)
        git.git("update-ref", base_ref(base), commit, cwd=target)
    return commit


def _bring(base: Base, home: Home, target: Path, say: Say) -> str:
    if base.kind == "git":
        fetch_commit(base, target, say)
        return base.commit
    archive = fetch(base, home, say)
    started = time.monotonic()
    with _scratch(home) as scratch:
        commit, files = _import(base, archive, scratch, say)
        _adopt_packs(scratch, target)
    say(f"imported {_title(base)}: {files:,} files in {time.monotonic() - started:.0f} s")
    return commit


@contextmanager
def _scratch(home: Home) -> Iterator[Path]:
    """A bare repository for one import; those of killed imports are removed (their lock is ours now)."""
    for left in home.git.glob(f"{_TMP}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=home.git, prefix=_TMP, ignore_cleanup_errors=True) as name:
        git.init_bare(Path(name))
        yield Path(name)


def _adopt_packs(scratch: Path, target: Path) -> None:
    """Move finished packs; git sees a pack once its .idx is there, so that goes last."""
    packs = sorted((scratch / "objects/pack").glob("pack-*"), key=lambda path: path.suffix == ".idx")
    for part in packs:
        part.rename(target / "objects/pack" / part.name)


def _import(base: Base, archive: Path, scratch: Path, say: Say) -> tuple[str, int]:
    """Write the archive's content as a commit into `scratch`; (commit id, number of files)."""
    try:
        with _fast_import(scratch) as stream:
            writer = _CommitWriter(stream, base, say)
            with (
                _unpacked(archive) as source,
                tarfile.open(fileobj=source, mode="r|", bufsize=_TAR_BUFFER) as tar,
            ):
                for member in tar:
                    writer.add(tar, member)
            writer.finish()  # after the decompressor said that all was well
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _unreadable(base, archive, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(base, archive, str(error)) from error  # so do gzip and bz2 complain about content
    found = git.resolve(scratch, _REF)
    if found is None or not writer.files:
        raise _unreadable(base, archive, "it holds no files")
    return found[0], writer.files


@contextmanager
def _fast_import(scratch: Path) -> Iterator[IO[bytes]]:
    """Standard input of a git fast-import; its failure is raised on leaving, before any other error."""
    settings = ("-c", "fastimport.unpackLimit=0", "-c", "pack.compression=1", "-c", "core.compression=1")
    # no deltas: neighbours in an archive have little in common, and looking for it takes longer than writing
    command = ["git", *settings, "fast-import", "--quiet", "--done", "--depth=0"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command,
            cwd=scratch,
            env=git.environment(),
            stdin=subprocess.PIPE,
            stderr=messages,
            bufsize=_BUFFER,
        )
        assert process.stdin is not None
        try:
            yield process.stdin
            process.stdin.close()
        except BrokenPipeError:
            pass  # it died: the reason is in its messages
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            messages.seek(0)
            raise git.failed(("fast-import",), scratch, messages.read())


@contextmanager
def _unpacked(archive: Path) -> Iterator[IO[bytes]]:
    """The archive's tar stream. xz runs beside us, as its own process; gzip and bzip2 are Python's."""
    # unbuffered: a child gets the file at the place where we left it
    with archive.open("rb", buffering=0) as handle, ExitStack() as stack:
        magic = handle.read(6)
        handle.seek(0)
        command = next(
            (command for start, command in _DECOMPRESSORS.items() if magic.startswith(start)), None
        )
        if command is None:
            source = stack.enter_context(_python_stream(handle, magic))
            yield source
            while source.read(_BUFFER):
                pass  # to the checksum at the end
        else:
            yield stack.enter_context(_decompressor(command, handle))


@contextmanager
def _decompressor(command: tuple[str, ...], source: IO[bytes]) -> Iterator[IO[bytes]]:
    """Output of a decompressor; tarfile.ReadError with its own words if it fails."""
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=messages)
        except FileNotFoundError as error:
            hint = f"apt-get install {command[0].replace('xz', 'xz-utils')}"
            raise FarwatchError(f"{command[0]} is not installed", hint=hint) from error
        assert process.stdout is not None
        try:
            try:
                yield process.stdout
            finally:  # if it broke off, its words say more than those of whoever read the short stream
                while process.stdout.read(_BUFFER):
                    pass  # padding after the tar's end
                if process.wait() != 0:
                    messages.seek(0)
                    raise tarfile.ReadError(messages.read().decode("utf-8", "replace").strip())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _python_stream(handle: IO[bytes], magic: bytes) -> IO[bytes]:
    import bz2
    import gzip

    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(handle, "rb"))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(handle, "rb"))
    return handle


class _CommitWriter:
    """Writes tar members as one fast-import commit, without their common top folder."""

    def __init__(self, stream: IO[bytes], base: Base, say: Say) -> None:
        self.files = 0
        self._stream = stream
        self._base = base
        self._say = say
        self._top = ""
        self._said = time.monotonic()
        message = f"{_title(base)}\n\nsha256 of the archive: {base.sha256}\n".encode()
        stream.write(f"commit {_REF}\nauthor {_IDENTITY}\ncommitter {_IDENTITY}\n".encode())
        stream.write(b"data %d\n%b\n" % (len(message), message))

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Write one member; folders are implied by what is in them."""
        path = self._inside(member.name)
        if member.isdir() or path is None:
            return
        if member.issym():
            self._write(b"120000", path, _raw(member.linkname))
        elif member.islnk():
            origin = self._inside(member.linkname) or ""
            self._stream.write(b"C %b %b\n" % (_quoted(origin), _quoted(path)))
        elif member.isreg():
            content = tar.extractfile(member)
            assert content is not None
            data = content.read()
            if len(data) != member.size:
                raise tarfile.ReadError(f"it ends within {member.name}")
            self._write(b"100755" if member.mode & 0o100 else b"100644", path, data)
        else:
            raise tarfile.ReadError(f"{member.name} is neither a file, a folder nor a link")
        self._count()

    def finish(self) -> None:
        self._stream.write(b"\ndone\n")

    def _write(self, mode: bytes, path: str, content: bytes) -> None:
        self._stream.write(b"M %b inline %b\ndata %d\n" % (mode, _quoted(path), len(content)))
        self._stream.write(content)
        self._stream.write(b"\n")

    def _inside(self, name: str) -> str | None:
        """The name below the top folder; None for the top folder itself."""
        parts = PurePosixPath(name).parts
        if not parts:
            return None
        self._top = self._top or parts[0]
        if parts[0] != self._top or ".." in parts or ".git" in parts:
            raise tarfile.ReadError(
                f"unexpected name {name}: not below one top folder, or not allowed in git"
            )
        return "/".join(parts[1:]) or None

    def _count(self) -> None:
        self.files += 1
        if time.monotonic() - self._said >= _SAY_EVERY:
            self._said = time.monotonic()
            self._say(f"importing {_title(self._base)}: {self.files:,} files")


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it anywhere in a line."""
    raw = _raw(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"%b"' % raw


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _title(base: Base) -> str:
    return f"{base.component} {base.name}"


def _unreadable(base: Base, archive: Path, reason: str) -> FarwatchError:
    return FarwatchError(
        f"cannot read the archive of {_title(base)}: {archive}",
        cause=reason,
        hint=f"look at the file; is it what [{base.component}] in patches/bases.toml should pin?",
    )
