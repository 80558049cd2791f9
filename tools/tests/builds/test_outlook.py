# SPDX-License-Identifier: GPL-2.0-or-later
"""What waits to be built, and how long it will take, by a made up past."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from farwatch.builds.kernel import KernelBuild
from farwatch.builds.outlook import Awaited, Outlook
from farwatch.builds.server import ServerBuild
from farwatch.builds.stale import Made
from farwatch.model import Base
from farwatch.system.home import Home
from farwatch.trees.trees import Source, Trees

OBJECTS = "linux-7.3-um-plain"
PLAIN = "kernel 7.3 (um, plain)"
CHANGES = {("base", "v1"): ["fs/a.c", "include/fs.h"], ("v1", "v2"): ["fs/a.c"], ("base", "v2"): ["fs/b.c"]}


def source(tree: str) -> Source:
    return Source("linux", Base("linux", "7.3", "git"), tree, "c", tree, None, tree)


def kernel(tree: str) -> Awaited:
    label = f"{PLAIN} of {tree}"
    return Awaited(KernelBuild, f"k-{tree}", label, source(tree), OBJECTS, steps=200, calls="src")


def server(tree: str) -> Awaited:
    label = f"virtiofsd 1.14.0 of {tree}"
    return Awaited(ServerBuild, f"s-{tree}", label, source(tree), "virtiofsd-target")


def outlook(home: Home) -> Outlook:
    def changed(before: Source, after: Source) -> list[str]:
        return CHANGES[before.tree, after.tree]

    return Outlook(home, cast(Trees, SimpleNamespace(changed=changed)))


def past(home: Home, name: str, label: str, seconds: float, steps: int = 0) -> None:
    (home.builds / name).mkdir()
    record = {"label": f"{label} of v0", "seconds": seconds, "steps": steps}
    (home.builds / name / "done.json").write_text(json.dumps(record))


def objects_of(home: Home, tree: str) -> Path:
    """200 objects, all of them made from fs.h, and 60 of them from a.c, too."""
    folder = home.objects / OBJECTS
    (folder / "fs").mkdir(parents=True)
    (folder / ".config").touch()
    (folder / "farwatch.tree").write_text(json.dumps({"tree": tree, "ended": 1}))
    for number in range(200):
        words = f"deps := src/include/fs.h $(wildcard src/none.h) {'src/fs/a.c' * (number < 60)}\n"
        (folder / f"fs/.{number}.o.cmd").write_text(words)
    (folder / "src").symlink_to(folder)
    return folder


def test_objects_are_stale_by_what_they_were_made_from(home: Home) -> None:
    made = Made(objects_of(home, "base"), "src")
    files: list[tuple[list[str], int]] = [
        (["fs/a.c"], 60),
        (["include/fs.h", "fs/a.c"], 200),
        (["none.h"], 200),
        (["fs.h", "a.c", "fs/a"], 0),
    ]
    assert len(made) == 200
    assert [len(made.made_from(changed)) for changed, _stale in files] == [stale for _changed, stale in files]


def test_nothing_is_said_of_one_thing_alone(home: Home) -> None:
    assert outlook(home).expect([]) == outlook(home).expect([kernel("v1"), kernel("v1")]) == ""


def test_from_nothing_with_no_past(home: Home) -> None:
    known = outlook(home)
    said = known.expect([kernel("base"), kernel("base"), server("base"), kernel("v1")])
    assert said == f"to build: {PLAIN} of base, virtiofsd 1.14.0 of base, {PLAIN} of v1"
    known.begun("k-base")
    assert known.behind() == "; then 2 more"


def test_each_folder_is_left_by_one_as_the_next_one_finds_it(home: Home) -> None:
    objects_of(home, "base")
    past(home, "kernel-1", PLAIN, 400, 200)
    past(home, "server-1", "virtiofsd 1.14.0", 30)
    known = outlook(home)
    assert known.expect([kernel("v1"), server("v1"), kernel("v2")]).endswith("of v2: about 9 min")
    assert known.estimates() == [400, 30, 120]
    known.begun("k-v1")
    (home.objects / OBJECTS / "farwatch.tree").write_text(json.dumps({"tree": "v1", "ended": 0}))
    assert known.behind() == "; then 2 more, about 2 min"
    known.begun("s-v1")
    known.begun("k-v2")
    assert known.behind() == ""


def test_objects_that_are_there_already_stand_for_those_that_are_not(home: Home) -> None:
    folder = objects_of(home, "base")
    for number in range(100, 200):
        (folder / f"fs/.{number}.o.cmd").unlink()
    past(home, "kernel-1", PLAIN, 400, 200)
    known = outlook(home)
    known.expect([kernel("v1"), kernel("v2")])
    assert known.estimates() == [400, 2 * 120]


def test_before_there_are_objects_a_header_means_all_of_them(home: Home) -> None:
    past(home, "kernel-1", PLAIN, 400, 200)
    known = outlook(home)
    known.expect([kernel("base"), kernel("v1"), kernel("v2")])
    assert known.estimates() == [400, 400, 2]


def test_a_folder_that_was_left_half_way_counts_as_none(home: Home) -> None:
    folder = objects_of(home, "base")
    (folder / "farwatch.tree").write_text(json.dumps({"tree": "base", "ended": 0}))
    past(home, "kernel-1", PLAIN, 400, 200)
    known = outlook(home)
    known.expect([kernel("v1")])
    assert known.estimates() == [400]


def test_what_waits_is_said_with_what_is_built(home: Home) -> None:
    from farwatch.builds.workbench import Workbench

    said: list[str] = []
    bench = Workbench(home, cast(Any, None), said.append)
    bench.outlook.expect([server("v1"), server("v2")])
    bench.outlook.begun("s-v1")
    bench.say_progress("virtiofsd 1.14.0 of v1: 12 crates")
    assert said == ["virtiofsd 1.14.0 of v1: 12 crates; then 1 more"]
