# SPDX-License-Identifier: GPL-2.0-or-later
"""The daily work on a series of ten patches on the real kernel: checkout, save, diff, rebase."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch import cli
from farwatch.app import App
from farwatch.system import git
from farwatch.system.home import checkout_root
from tests.samples.tree import commit

pytestmark = pytest.mark.integration

FILES = (
    "dir.c",
    "dev.c",
    "inode.c",
    "file.c",
    "virtio_fs.c",
    "xattr.c",
    "acl.c",
    "ioctl.c",
    "readdir.c",
    "iomode.c",
)
BUSY = 2
"""How many times longer than alone: tests run beside other work, which takes caches away."""


@dataclass
class Kernel:
    """A checkout of farwatch and a home of its own, which borrows the objects of the real one."""

    root: Path
    home: Path

    @property
    def repository(self) -> Path:
        return self.home / "git" / "linux.git"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    app = App.here()
    base = app.catalog.base("linux")
    app.trees.base_commit(base)
    made = Kernel(*(tmp_path_factory.mktemp(name) for name in ("root", "home")))
    for name in ("bases.toml", "share-settings.toml", "baseline/revision.toml"):
        (made.root / "patches" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout_root() / "patches" / name, made.root / "patches" / name)
    real = app.trees.repository("linux")
    made.repository.parent.mkdir()
    git.git("clone", "--quiet", "--mirror", "--shared", str(real), str(made.repository), cwd=made.home)
    git.init_bare(made.repository)
    shutil.copy(real / "config", made.repository / "config")
    return made


@pytest.fixture
def farwatch(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(kernel.root)
    monkeypatch.setenv("FARWATCH_HOME", str(kernel.home))
    return lambda *words: cli.main(list(words))


def write_series(path: Path) -> None:
    for number, name in enumerate(FILES, start=1):
        file = path / "fs/fuse" / name
        lines = file.read_text().split("\n")
        lines[1] += " /* mine */"
        lines[len(lines) // 2 : len(lines) // 2] = [f"/* {number}, {line} */" for line in range(20)]
        file.write_text("\n".join(lines))
        if number == 3:
            (path / "fs/fuse/remote.c").write_text("int x;\n" * 50)
        if number == 7:
            (path / "fs/fuse/remote.c").rename(path / "fs/fuse/remote_notify.c")
        commit(path, f"fuse: made up, number {number}\n\nThe reason.", author="Jörg Müller <jm@example.org>")


def add_base(kernel: Kernel, base: str) -> None:
    """A base that differs where the first patch does."""
    tree = kernel.home / "other"
    git.git("worktree", "add", "--quiet", "--no-checkout", "--detach", str(tree), base, cwd=kernel.repository)
    git.git("read-tree", "HEAD", cwd=tree)
    git.git("checkout-index", "fs/fuse/dir.c", cwd=tree)
    text = (tree / "fs/fuse/dir.c").read_text().split("\n")
    text[1] += " /* theirs */"
    (tree / "fs/fuse/dir.c").write_text("\n".join(text))
    git.git("add", "fs/fuse/dir.c", cwd=tree)
    who = {f"GIT_{role}_{part}": "x@x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    git.git("commit", "--quiet", "-m", "other", cwd=tree, env=who)
    made = git.line("rev-parse", "HEAD", cwd=tree)
    with (kernel.root / "patches/bases.toml").open("a") as file:
        file.write(f'\n[linux."other"]\nkind = "git"\nlocation = "{kernel.repository}"\ncommit = "{made}"\n')


def took(limit: float, work: Callable[[], int]) -> None:
    """Fail unless `work` needs less than `limit` seconds of processor time, its children's included."""
    started = sum(os.times()[:4])
    assert work() == 0
    seconds = sum(os.times()[:4]) - started
    assert seconds < limit * BUSY, f"{seconds:.1f} s"


def test_a_series_on_the_real_kernel(
    kernel: Kernel, farwatch: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert farwatch("new", "v1", "--from", "baseline") == 0
    assert farwatch("checkout", "v1", "linux") == 0
    [path] = kernel.home.rglob("v1-7.3/linux")
    base = git.line("rev-parse", "HEAD", cwd=path)
    write_series(path)
    took(2, lambda: farwatch("save", "v1"))
    written = {file.name: file.read_bytes() for file in (kernel.root / "patches/v1/linux").iterdir()}
    assert len(written) == 10
    took(2, lambda: farwatch("save", "v1"))
    refs = git.git(
        "for-each-ref", "--format=delete %(refname)", "refs/farwatch/series", cwd=kernel.repository
    )
    git.git("update-ref", "--stdin", cwd=kernel.repository, stdin=refs)
    took(3, lambda: farwatch("checkout", "v1", "linux"))
    assert farwatch("new", "v2", "--from", "v1") == 0
    took(2, lambda: farwatch("diff", "v1", "v2", "--plain"))
    assert "10 patches, then 10: 10 unchanged" in capsys.readouterr().out
    add_base(kernel, base)
    assert farwatch("rebase", "v1", "--onto", "other", "--keep") == 1
    said = capsys.readouterr().out
    assert "0001-fuse-made-up-number-1.patch" in said and "fs/fuse/dir.c:2:" in said
    file = path.parents[1] / "v1-other/linux/fs/fuse/dir.c"
    kept = [
        line for line in file.read_text().split("\n") if not line.startswith(("<<<<", "||||", "====", ">>>>"))
    ]
    file.write_text("\n".join(kept))
    assert farwatch("rebase", "--continue", "--note", "both") == 0
    assert farwatch("rebase", "v1", "--onto", "other") == 0
    assert farwatch("rebase", "v1", "--onto", "7.3") == 0
    for name, content in written.items():
        assert (kernel.root / "patches/v1/linux" / name).read_bytes() == content, "there and back"
