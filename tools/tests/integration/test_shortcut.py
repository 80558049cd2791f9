# SPDX-License-Identifier: GPL-2.0-or-later
"""The short way from an edit to a kernel gives the bytes that make gives, whatever was edited before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.builds import kernel
from farwatch.builds.kernel import KernelBuilder, KernelOrder
from farwatch.cells.setting import subject_of
from farwatch.cells.wish import Wish
from farwatch.system.home import Home
from farwatch.trees.worktree import changed_names, content_tree

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

GROWN = (
    "\nint farwatch_{0}(void);\nint farwatch_{0}(void)\n{{\n\treturn {1};\n}}\nEXPORT_SYMBOL(farwatch_{0});\n"
)
EDITS = {
    "a comment": {"fs/fuse/dir.c": "\n/* as it was */\n"},
    "a function more": {"fs/fuse/dir.c": GROWN.format("one", 1)},
    "two folders": {
        "fs/notify/mark.c": GROWN.format("two", 2),
        "fs/fuse/dir.c": "\nint farwatch_one_more;\n",
    },
    "another number": {"fs/notify/mark.c": GROWN.format("two", 3)},
}
HEADER = "fs/fuse/fuse_i.h"


@dataclass
class Bench:
    """A kernel that is built, in a home for this test, and the tree that it was made from."""

    home: Home
    order: KernelOrder
    tree: Path
    originals: dict[str, str] = field(default_factory=dict)

    def image(self) -> bytes:
        """Built from what is in the tree now."""
        source = replace(self.order.source, tree=content_tree(self.tree, changed_names(self.tree)))
        order = replace(self.order, source=source)
        image = KernelBuilder(self.home, order, self.tree, lambda _line: None, 2).build(lambda: None).image
        try:
            return image.read_bytes()
        finally:
            shutil.rmtree(self.home.builds)  # or what is asked for again is there

    def edit(self, added: dict[str, str]) -> None:
        """Text at the end of files, instead of what was added to them before."""
        for name, text in added.items():
            path = self.tree / name
            whole = self.originals.setdefault(name, path.read_text())
            path.write_text(whole + text)

    def forget(self) -> None:
        """Have make look for itself."""
        (self.objects / "farwatch.exports").unlink()

    @property
    def objects(self) -> Path:
        return self.home.objects / self.order.objects_name

    @property
    def log(self) -> str:
        return (self.objects / "farwatch.log").read_text()


@contextmanager
def put_back(tree: Path, names: Iterable[str]) -> Iterator[None]:
    """Others build in this tree, too: afterwards the files are what they were, and look no newer."""
    paths = [tree / name for name in names]
    before = [(path.read_bytes(), path.stat()) for path in paths]
    try:
        yield
    finally:
        for path, (text, seen) in zip(paths, before, strict=True):
            path.write_bytes(text)
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.fixture(params=["uml", "vng"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    app, own = App.here(), Home(tmp_path / "home")
    revision = app.catalog.revision("baseline")
    subject = subject_of(app, Wish((revision,), engine=request.param), revision)
    app.builder.kernels.build(subject)
    source = app.trees.tip(revision, "linux", subject.linux)
    with (
        app.trees.managed(source) as tree,
        put_back(tree, {name for edit in EDITS.values() for name in edit} | {HEADER}),
    ):
        made = Bench(own, kernel.order(subject, source), tree)
        shutil.copytree(app.home.objects / made.order.objects_name, made.objects, symlinks=True)
        (own.root / "ccache").symlink_to(app.home.ccache)
        yield made


def test_the_bytes_are_those_of_make(bench: Bench) -> None:
    bench.image()
    for what, edit in EDITS.items():
        bench.edit(edit)
        short = bench.image()
        assert "Makefile.modpost" in bench.log, f"{what}: make went through all folders"
        for name in edit:
            (bench.tree / name).touch()
        bench.forget()
        assert bench.image() == short, what
        assert "Makefile.modpost" not in bench.log
    bench.edit({HEADER: "/* more */\n"})
    bench.image()
    assert "Makefile.modpost" not in bench.log
