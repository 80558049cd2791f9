# SPDX-License-Identifier: GPL-2.0-or-later
"""The first error of real logs (samples/build/: made with real tools in tiny trees)."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.builds.diagnose import diagnose, failure
from tests import SAMPLES

DATA = SAMPLES / "build"

CASES = [
    ("gcc-error", "compiler", "fs/fuse/dir.c:4:18", "no member named 'remote'", "fs/fuse/dir.o"),
    ("gcc-werror", "compiler", "fs/fuse/dir.c:3:13", "unused variable", "fs/fuse/dir.o"),
    ("gcc-no-header", "compiler", "fs/fuse/dir.c:1:10", "remote.h: No such file", "fs/fuse/dir.o"),
    ("ld-undefined", "linker", "a.c:(.text+0xa)", "undefined reference to `fsnotify_remote'", "linux"),
    ("ld-multiple", "linker", "b.c:(.text+0x0)", "multiple definition of `main'", "linux"),
    ("ld-no-library", "library", "", "library nosuchlib is not installed", "c (l.mk:2"),
    ("make-no-rule", "make", "", "No rule to make target 'nosuch.c', needed by 'a.o'", ""),
    ("tool-direct", "tool", "", "flex is not installed", "x.c"),
    ("tool-shell", "tool", "", "bison is not installed", "x.c"),
    ("tool-bash", "tool", "", "bc is not installed", "x.c"),
    ("disk-full", "disk", "", "the disk is full", "full/big.o"),
    ("cargo-error", "cargo", "src/watch.rs:3:5", "mismatched types", "could not compile `served`"),
    ("cargo-offline", "cargo", "", "no matching package named `nosuchcrate` found", ""),
    ("cargo-too-old", "cargo", "", "served@0.1.0 requires rustc 1.999", ""),
    ("cargo-no-library", "library", "", "library nosuchlib", "could not compile"),
    ("kconfig-syntax", "kconfig", "Kconfig:9", "syntax error", "olddefconfig"),
    ("kconfig-missing", "kconfig", "Kconfig:4", 'can\'t open file "fs/none/Kconfig"', "olddefconfig"),
    ("kconfig-recursive", "kconfig", "", "symbol A depends on B; symbol B depends on A", ""),
]


@pytest.mark.parametrize(
    ("log", "kind", "where", "message", "command"), CASES, ids=[case[0] for case in CASES]
)
def test_first_error(log: str, kind: str, where: str, message: str, command: str) -> None:
    found = diagnose((DATA / f"{log}.log").read_text())
    assert found is not None
    assert found.kind == kind
    assert found.where == where
    assert message in found.message
    assert command in found.command


def test_every_golden_log_is_tested() -> None:
    assert {path.stem for path in DATA.glob("*.log")} == {case[0] for case in CASES}


def test_a_good_log_has_no_error() -> None:
    assert diagnose("  CC      error.o\n  CC      fs/errors.o\n  LD      vmlinux\n") is None


def test_warnings_are_not_errors() -> None:
    assert diagnose("fs/Kconfig:7:warning: choice default\nfs/a.c:1:2: warning: error-prone thing\n") is None


def test_failure_names_file_command_and_log(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text((DATA / "gcc-error.log").read_text())
    error = failure("kernel 7.3 (uml, plain)", log)
    assert error.what == "kernel 7.3 (uml, plain) does not build"
    assert error.cause.startswith("fs/fuse/dir.c:4:18: 'struct fuse_conn' has no member")
    assert "failing command: fs/fuse/dir.o" in error.cause
    assert str(log) in error.hint


def test_failure_without_a_known_error_shows_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("one\ntwo\nthe tool fell over\n")
    assert "the tool fell over" in failure("x", log).cause


def test_failure_names_the_package_of_a_missing_tool(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text((DATA / "tool-direct.log").read_text())
    assert "install flex" in failure("x", log).hint


def test_failure_on_a_full_disk_points_at_prune(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text((DATA / "disk-full.log").read_text())
    assert "prune" in failure("x", log).hint
