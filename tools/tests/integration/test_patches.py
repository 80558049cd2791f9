# SPDX-License-Identifier: GPL-2.0-or-later
"""lint and bisectable on the real kernel, with made-up series: its own scripts, compilers and guests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.review.bisectable import claimed
from farwatch.review.findings import read_patches
from tests.integration.commands import ONE, in_checkout, need_engine

pytestmark = pytest.mark.integration

FILE = "fs/notify/inotify/inotify_fsnotify.c"
AFTER = "\tint len = 0, wd;"
"""A line in inotify_handle_inode_event(), among its variables."""
OFF = ["\tint off = 1;", "", "\tif (off)", "\t\treturn 0;"]
"""No inotify event at all any more."""

COMPONENTS = ("linux", "virtiofsd")


def put_series(folder: Path, name: str, second: list[str], claims: str = "") -> None:
    """A revision of two patches: the first switches inotify off, the second has these lines instead."""
    base = App.here().catalog.base("linux")
    trees = App.here().trees
    words = ["git", "-C", str(trees.repository("linux")), "show", f"{trees.base_commit(base)}:{FILE}"]
    content = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    start = content.index("\tstruct mem_cgroup *old_memcg;", content.index(AFTER)) + 1
    patches = folder / "patches" / name / "linux"
    patches.mkdir(parents=True)
    (patches.parent / "revision.toml").write_text(
        f'title = "Made up"\n[bases]\nlinux = "7.3"\nvirtiofsd = "1.14.0"\n{claims}'
    )
    for number, (title, old, new) in enumerate([("switch it off", [], OFF), ("again", OFF, second)], start=1):
        text = _hunk(content, start, old, new)
        (patches / f"{number:04}-inotify-{title.replace(' ', '-')}.patch").write_text(_mail(title, text))


def _hunk(content: list[str], start: int, old: list[str], new: list[str]) -> str:
    """Replace `old`, behind line `start` of a file, with `new`."""
    above, below = content[start - 3 : start], content[start : start + 3]
    lines = [f" {line}" for line in above] + [f"-{line}" for line in old] + [f"+{line}" for line in new]
    lines += [f" {line}" for line in below]
    place = f"-{start - 2},{6 + len(old)} +{start - 2},{6 + len(new)}"
    return f"@@ {place} @@\n" + "".join(f"{line}\n" for line in lines)


def _mail(title: str, hunk: str) -> str:
    return (
        f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n"
        "From: farwatch <farwatch@localhost>\nDate: Fri, 2 Jan 2026 03:04:05 +0000\n"
        f"Subject: [PATCH] inotify: {title}\n\nMade up, to see whether it is noticed.\n---\n x | 1 +\n\n"
        f"diff --git a/{FILE} b/{FILE}\n--- a/{FILE}\n+++ b/{FILE}\n{hunk}"
    )


@pytest.mark.parametrize("engine", ["uml", pytest.param("vng", marks=pytest.mark.nightly)])
def test_a_series_whose_second_patch_brings_the_events_back(own_checkout: Path, engine: str) -> None:
    need_engine(engine)
    put_series(own_checkout, "good", [], f'[tests]\n2 = ["{ONE}"]\n')
    done = in_checkout(own_checkout, "bisectable", "good", "--engine", engine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0002-inotify-again.patch" in done.stdout and "1/1" in done.stdout
    again = in_checkout(own_checkout, "bisectable", "good", "--engine", engine)
    assert again.stdout == done.stdout and "built in" not in again.stderr


@pytest.mark.parametrize(
    ("second", "builds", "says"),
    [
        (["\tthis is not C;"], "no", "does not build"),
        (["\tBUG();"], "yes", f"{ONE} does not pass after it: crash: kernel BUG in inotify_"),
        (OFF, "yes", f"{ONE} does not pass after it: fail"),
        (["\tint unused;"], "yes", f"new warning: {FILE}:"),
    ],
    ids=["does not build", "crashes", "does nothing", "warns"],
)
def test_a_series_whose_second_patch_is_at_fault(
    own_checkout: Path,
    second: list[str],
    builds: str,
    says: str,
) -> None:
    new = [*second, ""] if second == OFF else second
    put_series(own_checkout, "bad", new, f'[tests]\n2 = ["{ONE}"]\n')
    done = in_checkout(own_checkout, "bisectable", "bad", "linux")
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {
        line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("linux/")
    }
    assert rows["linux/0001-inotify-switch-it-off.patch"][:2] == ["yes", "yes"]
    assert builds in done.stdout and says in done.stdout, done.stdout
    assert done.stdout.rstrip().endswith("bad: at fault: linux/0002-inotify-again.patch")


@pytest.mark.nightly
def test_what_compilers_say_anew_of_a_kernel_with_everything_in_it(own_checkout: Path) -> None:
    put_series(own_checkout, "bad", ["\tint unused;"])
    done = in_checkout(own_checkout, "bisectable", "bad", "--arch", "um")
    assert done.returncode == 1, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("linux/")]
    assert rows[0] == ["linux/0001-inotify-switch-it-off.patch", "ok"]
    assert rows[1] == ["linux/0002-inotify-again.patch", "1", "new"]
    assert f"  um: {FILE}:71: unused variable 'unused'" in done.stdout
    again = in_checkout(own_checkout, "bisectable", "bad", "--arch", "um")
    assert again.stdout == done.stdout and "objects" not in again.stderr


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_what_the_series_here_claim_is_about_patches_and_tests_that_there_are(name: str) -> None:
    app = App.here()
    revision = app.catalog.revision(name)
    bases = {component: app.catalog.base_of(revision, component) for component in COMPONENTS}
    patches = [patch for part in COMPONENTS for patch in read_patches(app, revision, part, bases[part])]
    claims = claimed(revision, patches, app.builder.tests(bases["linux"]).cases)
    assert {patch.partition("/")[0] for patch in claims} == set(COMPONENTS)
    assert all(claims.values())


def test_lint_with_the_kernels_own_scripts_and_compiler(own_checkout: Path) -> None:
    put_series(own_checkout, "ugly", ["\tint unused_one=0;"])
    done = in_checkout(own_checkout, "lint", "ugly")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"checkpatch:SPACING: {FILE}:71: spaces required around that '='" in done.stdout
    assert f"W=1:unused-variable: {FILE}:71: unused variable" in done.stdout
    assert "cover:missing" in done.stdout
    assert "Jan Kara <jack@suse.cz>" in done.stdout
    waivers = "".join(
        f'[[waive]]\nrule = "{rule}"\nreason = "made up"\n' for rule in ("checkpatch", "W=1", "cover")
    )
    with (own_checkout / "patches" / "ugly" / "revision.toml").open("a") as file:
        file.write(waivers)
    again = in_checkout(own_checkout, "lint", "ugly")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("because: made up") == 3
