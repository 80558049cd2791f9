# SPDX-License-Identifier: GPL-2.0-or-later
"""Made up series of every kind survive checkout and save, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from farwatch.series.save import save
from farwatch.system import git
from farwatch.system.home import checkout_root
from farwatch.trees.trees import SERIES_REFS
from tests.samples.tree import Desk, commit, desk

FILES = ("fs/dir.c", "fs/crlf.txt", "binary", "Makefile", "tool.sh", 'a b/ä"name')
NEW = ("new.c", "fs/deep/er/new file", "ü\tx", "fs/crlf2.txt")

_printing = st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cn"))
words = st.text(_printing, min_size=1, max_size=12)
lines = st.one_of(
    words,
    st.sampled_from(["From here on", "From 1 Mon Sep 17 00:00:00 2001", ">From x", "---", "-- ", "diff"]),
    st.sampled_from(["Reviewed-by: Jörg <j@example.org>", 'Fixes: 0123456789ab ("x")', "  indented", "", ""]),
    st.integers(100, 1200).map(lambda length: "long " * (length // 5)),
)
bodies = st.lists(lines, max_size=6).map("\n".join)
authors = st.sampled_from(
    ["A Person", "Jörg Müller", "李 小龍", "O'Neil, J. (work)", "Ω" * 25, 'Q "quoted" Q', "a.b", "Ævar =?x?="]
).map(lambda name: f"{name} <person@example.org>")
texts = st.lists(st.sampled_from(["a", "line 3", "}", "", "\t\tx;", "y" * 1500]), max_size=12)
contents = st.one_of(
    texts.map(lambda entries: "\n".join(entries).encode()),
    texts.map(lambda entries: "".join(f"{entry}\n" for entry in entries).encode()),
    texts.map(lambda entries: "".join(f"{entry}\r\n" for entry in entries).encode()),
    st.binary(max_size=400).map(lambda data: b"\0" + data),
)
actions = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(FILES + NEW), contents),
    st.tuples(st.just("edit"), st.sampled_from(FILES), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("rename"), st.sampled_from(FILES), st.sampled_from(NEW)),
    st.tuples(st.just("delete"), st.sampled_from(FILES + NEW), st.none()),
    st.tuples(st.just("mode"), st.sampled_from(FILES), st.sampled_from([0o644, 0o755])),
    st.tuples(st.just("link"), st.sampled_from(NEW), st.sampled_from(["fs/dir.c", "/nowhere"])),
)
Action = tuple[str, str, object]
patches = st.tuples(words, bodies, authors, st.lists(actions, min_size=1, max_size=4))


def act(root: Path, action: Action) -> None:
    kind, name, what = action
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "write":
        path.unlink(missing_ok=True)
        path.write_bytes(what)  # type: ignore[arg-type]
    elif kind == "link":
        path.unlink(missing_ok=True)
        path.symlink_to(str(what))
    elif not path.is_file() or path.is_symlink():
        return
    elif kind == "edit":
        path.write_bytes(path.read_bytes()[:40] + what + path.read_bytes()[40:])  # type: ignore[operator]
    elif kind == "rename":
        (root / str(what)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(root / str(what))
    elif kind == "delete":
        path.unlink()
    else:
        path.chmod(what)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    bench = desk(tmp_path_factory.mktemp("random"))
    bench.checkout()
    return bench


def forget(bench: Desk) -> None:
    """As if the patches had never been applied here."""
    repository = bench.trees.repository("thing")
    refs = git.git("for-each-ref", "--format=delete %(refname)", SERIES_REFS, cwd=repository)
    git.git("update-ref", "--stdin", cwd=repository, stdin=refs)


def show(path: Path) -> list[str]:
    form = "--format=%T%x00%an%x00%ae%x00%ad%x00%B"
    raw = git.git("log", "--reverse", "--date=raw", form, "-z", "HEAD", cwd=path).decode()
    # what counts of a message: lines that end where their text ends, without runs of empty ones;
    # "---" stays only between texts, as another test shows
    return [line.rstrip() for line in raw.split("\n") if line.strip() not in ("", "---")]


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes minutes
)
@given(st.lists(patches, min_size=1, max_size=4, unique_by=lambda patch: patch[0]))
def test_any_series_survives(shared: Desk, series: list[tuple[str, str, str, list[Action]]]) -> None:
    path = shared.trees.work_path(shared.revision(), "thing", shared.base)
    git.git("checkout", "--quiet", "--force", "v1/1.0", cwd=path)
    git.git("reset", "--quiet", "--hard", shared.trees.base_commit(shared.base), cwd=path)
    git.git("clean", "-ffdxq", cwd=path)
    made = 0
    for number, (subject, body, author, todo) in enumerate(series):
        for action in todo:
            act(path, action)
        if git.git("status", "--porcelain", cwd=path):
            commit(path, f"p{number}: {subject}\n\n{body}", author=author)
            made += 1
    event(f"{made} patches")
    if not made:
        return
    before = show(path)
    assert len(save(shared.again(), shared.revision(), "thing", shared.base).files) == made
    assert show(path) == before, "nothing was lost"
    written = {file.name: file.read_bytes() for file in shared.revision().patches("thing")}
    head = git.line("rev-parse", "HEAD", cwd=path)
    forget(shared)
    assert shared.again().checkout(shared.revision(), "thing", shared.base) == path
    assert git.line("rev-parse", "HEAD", cwd=path) == head
    assert not save(shared.again(), shared.revision(), "thing", shared.base).changed
    assert {file.name: file.read_bytes() for file in shared.revision().patches("thing")} == written


def test_two_saves_at_once_from_two_homes(tmp_path: Path) -> None:
    """Each writes a series of its own again and again; a reader never sees a mixture."""
    benches = [desk(tmp_path)]
    (tmp_path / "two").mkdir()
    two = desk(tmp_path / "two")
    shutil.rmtree(two.root / "patches")
    (two.root / "patches").symlink_to(benches[0].root / "patches")
    benches.append(two)
    for place, bench in enumerate(benches):
        path = bench.checkout()
        for number in range(2):
            (path / "Makefile").write_text(f"{place} {number}\n")
            commit(path, f"made at {place}: {number}")
    code = (
        "import sys; from pathlib import Path; from farwatch.system.home import Home\n"
        "from farwatch.revisions.catalog import Catalog\n"
        "from farwatch.trees.trees import Trees; from farwatch.series.save import save\n"
        "catalog = Catalog.load(Path(sys.argv[1])); trees = Trees(Home(Path(sys.argv[2])), catalog, print)\n"
        "save(trees, catalog.revision('v1'), 'thing', catalog.base('thing'))\n"
    )
    environment = {**git.environment(), "PYTHONPATH": str(checkout_root() / "tools")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, bench.root, bench.home.root],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        for bench in benches
    ]
    seen = set()
    for process in processes * 50:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
        names = sorted(path.name for path in (benches[0].root / "patches/v1/thing").glob("*.patch"))
        seen.add(" ".join(name.split("-")[3] for name in names))
    for process in processes:
        assert process.wait(timeout=100) == 0, process.communicate()[0].decode()
        process.communicate()
    assert seen <= {"", "0 0", "1 1"}
    assert not list((benches[0].root / "patches").glob(".*"))
