# SPDX-License-Identifier: GPL-2.0-or-later
"""A small base, a catalog that pins it, and a home: what tests of trees start from."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.model import Base, Revision, hash_of
from farwatch.revisions.catalog import Catalog
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.trees.trees import Source, Trees

TEXT = "".join(f"line {number}\n" for number in range(1, 31))
FILES: dict[str, bytes | Path] = {
    "Makefile": b"all:\n\techo hello\n",
    "fs/dir.c": TEXT.encode(),
    "fs/crlf.txt": b"one\r\ntwo\r\n",
    "fs/ident.c": b"/* $Id$ $Format:%H$ */\n",
    'a b/ä"name': b"odd name\n",
    "empty": b"",
    "binary": bytes(range(256)),
    ".gitattributes": b"*.txt text eol=lf\n*.c ident export-subst\nempty export-ignore\n",
    ".gitignore": b"*.o\n",
    "link": Path("fs/dir.c"),
    "tool.sh": b"#!/bin/sh\n",
}


def write_tar(
    path: Path, *, top: str = "thing-1.0", files: dict[str, bytes | Path] = FILES, mtime: int = 1
) -> Path:
    """A tarball, compressed as its name says, with FILES below one folder; tool.sh is executable."""
    mode = {".xz": "w:xz", ".gz": "w:gz", ".bz2": "w:bz2"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}" if top else name)
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            member.mtime = mtime
            if isinstance(content, Path):
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tarball_base(path: Path, name: str = "1.0") -> Base:
    return Base("thing", name, "tarball", sha256=sha256(path), location=str(path))


@dataclass
class Desk:
    """Everything that a test of trees needs."""

    root: Path
    home: Home
    catalog: Catalog
    trees: Trees
    said: list[str]

    @property
    def base(self) -> Base:
        return self.catalog.base("thing")

    def revision(self, name: str = "v1") -> Revision:
        return self.catalog.revision(name)

    def again(self) -> Trees:
        """As a new process would see it."""
        return Trees(self.home, self.catalog, self.said.append)

    def checkout(self, name: str = "v1") -> Path:
        return self.trees.checkout(self.revision(name), "thing", self.base)


def desk(tmp_path: Path, *revisions: str) -> Desk:
    """A catalog with component "thing", base 1.0, and revisions without patches."""
    archive = write_tar(tmp_path / "thing-1.0.tar.xz")
    patches = tmp_path / "root" / "patches"
    patches.mkdir(parents=True)
    pin = f'kind = "tarball"\nlocation = "{archive}"\nsha256 = "{sha256(archive)}"\n'
    (patches / "bases.toml").write_text(f'[thing."1.0"]\n{pin}')
    for name in revisions or ("v1",):
        (patches / name).mkdir()
        (patches / name / "revision.toml").write_text('title = "t"\n[bases]\nthing = "1.0"\n')
    (tmp_path / "home").mkdir()
    home, catalog = Home(tmp_path / "home"), Catalog.load(tmp_path / "root")
    said: list[str] = []
    return Desk(tmp_path / "root", home, catalog, Trees(home, catalog, said.append), said)


def add_base(bench: Desk, name: str, changes: Mapping[str, bytes | Path | None]) -> Base:
    """Another base of "thing": FILES with some of them changed, or gone; `bench` knows it afterwards."""
    files = {**FILES, **changes}
    folder = bench.root.parent
    kept = {path: content for path, content in files.items() if content is not None}
    archive = write_tar(folder / f"thing-{name}.tar.xz", top=f"thing-{name}", files=kept)
    text = (bench.root / "patches/bases.toml").read_text()
    if "default" not in text:
        text = text.replace('[thing."1.0"]', '[thing]\ndefault = "1.0"\n[thing."1.0"]')
    pin = f'kind = "tarball"\nlocation = "{archive}"\nsha256 = "{sha256(archive)}"\n'
    (bench.root / "patches/bases.toml").write_text(f'{text}[thing."{name}"]\n{pin}')
    bench.catalog = Catalog.load(bench.root)
    bench.trees = bench.again()
    return bench.catalog.base("thing", name)


def elsewhere(bench: Desk, folder: Path) -> Desk:
    """What another machine sees: the same checkout of farwatch, cloned, and an empty home."""
    shutil.copytree(bench.root, folder / "root")
    (folder / "home").mkdir()
    home, catalog, said = Home(folder / "home"), Catalog.load(folder / "root"), list[str]()
    return Desk(folder / "root", home, catalog, Trees(home, catalog, said.append), said)


def commit(
    path: Path, message: str | bytes, *, author: str = "A Person <person@example.org>", cleanup: str = "strip"
) -> str:
    """Commit all changes of a worktree; the commit id."""
    raw = message.encode() if isinstance(message, str) else message
    env = {
        "GIT_COMMITTER_NAME": "Somebody Else",
        "GIT_COMMITTER_EMAIL": "else@example.org",
        "GIT_AUTHOR_DATE": "2026-02-03T04:05:06 +0530",
    }
    git.git("add", "--all", cwd=path)
    options = (
        "--quiet",
        f"--author={author}",
        f"--cleanup={cleanup}",
        "--allow-empty",
        "--allow-empty-message",
    )
    git.git("commit", *options, "-F", "-", cwd=path, stdin=raw, env=env)
    return git.line("rev-parse", "HEAD", cwd=path)


def contents(path: Path) -> dict[str, bytes | Path]:
    """What is in a worktree, as FILES has it."""
    found: dict[str, bytes | Path] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            file = Path(folder) / name
            if file != path / ".git":
                key = str(file.relative_to(path))
                found[key] = file.readlink() if file.is_symlink() else file.read_bytes()
    return found


@dataclass
class FakeTrees:
    """One tree, whose content is hashed anew each time."""

    tree: Path

    def tip(self, revision: Revision, component: str, base: Base) -> Source:
        content = hash_of(*(path.read_text() for path in sorted(self.tree.rglob("*")) if path.is_file()))
        return Source(component, base, revision.name, "c", content, None, "label")

    @contextmanager
    def managed(self, _source: Source) -> Iterator[Path]:
        yield self.tree
