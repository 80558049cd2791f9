# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable --arch on a small real tree whose Makefile does what kbuild does, with a pretended compiler."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.builds.architectures import architectures
from farwatch.errors import FarwatchError
from farwatch.review.findings import read_patches
from farwatch.review.sweep import SweepReport, sweep_revision
from farwatch.review.sweep_report import sweep_text
from farwatch.review.sweep_targets import targets_of
from tests.processes import script
from tests.samples import lint as samples
from tests.samples.lint import KERNEL, Change, lint_app, revision

MAKEFILE = r"""
.DEFAULT_GOAL := prepare
.PHONY: prepare allmodconfig allyesconfig fs/fuse/
allmodconfig allyesconfig:
	@echo "$@ $(ARCH)" >> calls
	@cp $(KCONFIG_ALLCONFIG) .config
	@mkdir -p include/config
	@printf 'deps_config := \\\n\tKconfig \\\n\n' > include/config/auto.conf.cmd
prepare:
	@test -s .config
	@echo "$(srctree)/kernel/bounds.c:1:1: warning: of what is not looked at"
fs/fuse/: $(patsubst $(srctree)/%.c,%.o,$(wildcard $(srctree)/fs/fuse/*.c))
	@echo > fs/fuse/fuse.mod
	@grep -h '^needs ' $(srctree)/fs/fuse/*.c | while read _ name; do \
		echo "void $$name(void); void of_$$name(void) { $$name(); }"; done | gcc -xc -c -o fs/fuse/fuse.o -
OBJECTS := $(patsubst $(srctree)/%.c,%.o,$(shell find $(srctree)/ -name "*.c"))
$(OBJECTS): %.o: $(srctree)/%.c
	@mkdir -p $(@D)
	@echo "  CC [M]  $@"
	@echo $@ >> calls
	@for file in $< $$(sed -n 's|^#include "\(.*\)"|$(dir $<)\1|p' $<); do \
		grep -nE '^(warn|warn-$(ARCH)) ' $$file | sed "s|\([0-9]*\):\(.*\)|$$file:\1:1: warning: \2|"; done
	@echo "cmd_$@ := gcc" $< $(srctree)/fs/fuse/fuse.h > $(@D)/.$(@F).cmd
	@! grep -q '^broken' $< || { echo "$<:1:1: error: no way"; exit 1; }
	@$(CHECK) $<
	@touch $@
"""
SPARSE = """
[ "$1" != --version ] || { echo 0.7; exit; }
grep -n '^sparse' "$1" | sed "s|\\([0-9]*\\):\\(.*\\)|$1:\\1:1: warning: \\2|"
"""
DIR, FILE, HEADER, AUDIT = "fs/fuse/dir.c", "fs/fuse/file.c", "fs/fuse/fuse.h", "kernel/audit.c"
PUBLIC = "include/linux/fsnotify.h"
TREE: dict[str, bytes | Path] = {
    **KERNEL,
    "Makefile": MAKEFILE.encode(),
    "Kconfig": b"\n",
    DIR: b'#include "fuse.h"\nwarn old\n',
    FILE: b'#include "fuse.h"\nneeds kept\n',
    HEADER: b"#define X 1\n",
    AUDIT: b"#include <linux/fsnotify.h>\n",
    PUBLIC: b"\n",
    "lib/export.c": b"EXPORT_SYMBOL_GPL(given)\nEXPORT_SYMBOL(pasted_##size)\nEXPORT_STATIC_CALL(a_call)\n",
    "lib/macro.c": b"#define MAKE(f, x)\t\\\nvoid f(x);\t\\\nEXPORT_SYMBOL(f)\n\nMAKE(by_macro, 1);\n"
    b"#define HIDE(f, x)\t\\\nvoid f(x)\nHIDE(hidden, 1);\n",
    "fs/nfsd/cache.h": b"#include <linux/fsnotify.h>\n",
    "include/linux/other.h": b"#include <linux/fsnotify.h>\n",
    "tools/audit.c": b"#include <linux/fsnotify.h>\n",
    "fs/top.c": b'#include "internal.h"\n',
    "fs/internal.h": b"\n",
    "mm/page.c": b'#include "internal.h"\n',
}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setitem(samples.TREES, "linux", TREE)
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "sparse", SPARSE)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FARWATCH_INSTALL", "no")
    made = lint_app(tmp_path)
    (made.root / "tools").mkdir()
    for name in ("sweep", "arm64"):
        (made.root / "tools" / f"system-packages.{name}.txt").write_text("prog:sh  dash\n")
    return made


def text(name: str, *lines: str) -> bytes:
    """A file of the base with more at its end."""
    content = TREE[name]
    assert isinstance(content, bytes)
    return content + "".join(f"{line}\n" for line in lines).encode()


def change(**files: bytes | None) -> Change:
    names = {
        "dir": DIR,
        "file": FILE,
        "header": HEADER,
        "audit": AUDIT,
        "public": PUBLIC,
        "kconfig": "Kconfig",
    }
    return Change({names[name]: content for name, content in files.items()}, "fuse: x\n\nReason.\n")


def sweep(app: App, *changes: Change, arch: str = "x86_64", last: bool = False) -> SweepReport:
    revision(app, "v1", linux=changes)
    named = app.catalog.revision("v1")
    return sweep_revision(app, named, None, architectures(arch), "allmodconfig", last=last)


def faults(report: SweepReport) -> list[list[str]]:
    return [list(entry.faults) for entry in report.swept]


def calls(app: App, arch: str = "x86_64") -> list[str]:
    """What was made since the last time."""
    path = app.home.objects / f"linux-1.0-{arch}-allmodconfig" / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_what_gcc_and_sparse_say_anew_is_that_of_the_patch_that_brings_it(app: App) -> None:
    first = change(header=b"#define X 2\n", dir=text(DIR, "warn one"))
    second = change(dir=b'#include "fuse.h"\n\nwarn old\nwarn one\nsparse two\n')
    third = change(file=text(FILE, "fine"))
    report = sweep(app, first, second, third)
    assert faults(report) == [[f"{DIR}:3: warn one"], [f"{DIR}:5: sparse two"], []]
    assert not report.ok and all(entry.builds for entry in report.swept)
    said = sweep_text(report)
    assert f"\n  x86_64: {DIR}:3: warn one\n" in said
    assert said.splitlines()[2].split() == ["patch", "x86_64"]
    assert [line.split()[1:] for line in said.splitlines()[3:6]] == [["1", "new"], ["1", "new"], ["ok"]]
    assert said.endswith("v1: at fault: linux/0001-fuse-x.patch, linux/0002-fuse-x.patch")


def test_a_clean_series(app: App) -> None:
    report = sweep(app, change(dir=text(DIR, "fine")), arch="x86_64,um")
    assert report.ok and report.unseen == ()
    assert sweep_text(report).endswith("v1: nothing new is complained of on x86_64, um")


def test_only_what_a_change_may_touch_is_made_anew(app: App) -> None:
    header = change(header=b"#define X 2\n")
    sweep(app, header, change(dir=text(DIR, "x")), change(kconfig=b"config X\n"))
    both = ["fs/fuse/dir.o", "fs/fuse/file.o"]
    config = "allmodconfig x86_64"
    said = calls(app)
    assert [said[0], *sorted(said[1:3])] == [config, *both]
    assert [*sorted(said[3:5]), *said[5:7], *sorted(said[7:])] == [*both, "fs/fuse/dir.o", config, *both]


def test_a_header_warns_through_those_that_include_it(app: App) -> None:
    report = sweep(app, change(header=b"warn new\n"), change(file=text(FILE, "x")))
    assert faults(report) == [[f"{HEADER}:1: warn new"], []]


def test_what_is_said_on_one_architecture_alone(app: App) -> None:
    report = sweep(app, change(dir=text(DIR, "warn-um narrow")), arch="x86_64,um")
    assert [(entry.architecture, entry.faults) for entry in report.swept] == [
        ("x86_64", ()),
        ("um", (f"{DIR}:3: warn-um narrow",)),
    ]
    assert f"  um: {DIR}:3" in sweep_text(report)


def test_a_warning_that_one_patch_mends_and_another_brings_back(app: App) -> None:
    fine, wrong = change(dir=b"fine\n"), change(dir=text(DIR, "x"))
    assert faults(sweep(app, fine, wrong)) == [[], [f"{DIR}:2: warn old"]]


def test_what_does_not_build_is_the_fault_of_one_patch_only(app: App) -> None:
    first = change(dir=text(DIR, "broken"), header=b"#define X 2\n")
    second = change(file=text(FILE, "x"))
    report = sweep(app, first, second, change(dir=text(DIR, "fine")))
    assert [entry.builds for entry in report.swept] == [False, True, True]
    assert faults(report)[0] == [f"{DIR}:1: error: no way", "fs/fuse/dir.o cannot be made any more"]
    assert faults(report)[1:] == [[], []]
    assert "does not build" in sweep_text(report).splitlines()[3]


def test_a_make_that_gives_up_on_no_object_is_never_ok(app: App) -> None:
    makefile = MAKEFILE.replace("fs/fuse/: ", "fs/fuse/: lost.h ")
    report = sweep(
        app, Change({"Makefile": makefile.encode(), HEADER: b"#define X 2\n"}, "x: x\n\nReason.\n")
    )
    assert not report.swept[0].builds and "lost.h" in report.swept[0].faults[0]
    stops = MAKEFILE.replace("@grep -h", "@false; exit 3; grep -h")
    report = sweep(app, Change({"Makefile": stops.encode(), HEADER: b"#define X 2\n"}, "x: x\n\nReason.\n"))
    assert not report.swept[0].builds and "fs/fuse/" in report.swept[0].faults[0]


def test_a_module_that_needs_what_nothing_exports(app: App) -> None:
    needs = [f"needs {name}" for name in ("kept", "given", "pasted_4", "__SCT__a_call", "by_macro", "hidden")]
    report = sweep(app, change(header=b"#define X 2\n", file=text(FILE, *needs[1:])))
    assert faults(report) == [["fs/fuse/fuse.ko needs hidden, which nothing exports"]]


def test_an_export_of_a_patch_counts_from_then_on(app: App) -> None:
    export = change(dir=text(DIR, "EXPORT_SYMBOL(hidden)"), header=b"#define X 2\n")
    assert faults(sweep(app, export, change(file=text(FILE, "needs hidden")))) == [[], []]


def test_the_whole_series_as_one(app: App) -> None:
    report = sweep(app, change(dir=text(DIR, "warn one")), change(dir=text(DIR, "warn two")), last=True)
    assert [(entry.patch, entry.faults) for entry in report.swept] == [
        ("linux/ (all 2 patches)", (f"{DIR}:3: warn two",))
    ]


def test_a_second_run_makes_nothing(app: App) -> None:
    series = [change(dir=text(DIR, "warn one")), change(file=text(FILE, "x"))]
    first = sweep(app, *series)
    assert calls(app)
    assert sweep(app, *series) == first
    assert calls(app) == []
    assert sweep(app, *series, change(file=text(FILE, "y"))).swept[:2] == first.swept
    assert calls(app) == ["fs/fuse/file.o"]


def test_a_step_says_the_same_whatever_was_built_there_before(app: App) -> None:
    series = [change(dir=text(DIR, "warn one"), header=b"#define X 2\n"), change(file=text(FILE, "x"))]
    first = sweep(app, *series)
    for path in app.home.builds.glob("check-*"):
        path.rename(
            path.with_name(f"old-{path.name}")
        )  # nothing is known, and the objects are of the last step
    assert sweep(app, *series) == first


def test_a_source_that_the_configuration_leaves_out_is_said(app: App) -> None:
    left_out = Change({"fs/fuse/odd/x.c": b"warn x\n", DIR: text(DIR, "x")}, "fuse: x\n\nReason.\n")
    report = sweep(app, left_out, change(header=b"#define X 2\n"))
    assert report.unseen == ("fs/fuse/odd/x.c is no part of x86_64's allmodconfig",)
    assert report.unseen[0] in sweep_text(report)


def test_a_compiler_that_is_not_there_is_named_with_its_package(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farwatch.review.sweep.checkout_root", lambda: app.root)
    packages = app.root / "tools" / "system-packages.arm64.txt"
    packages.write_text("prog:flubber-gcc  gcc-flubber  # compile\n")
    with pytest.raises(FarwatchError, match="missing") as caught:
        sweep(app, change(dir=text(DIR, "x")), arch="um,arm64")
    assert "flubber-gcc: compile" in caught.value.cause and "gcc-flubber" in caught.value.hint
    assert sweep(app, change(dir=text(DIR, "x")), arch="um").ok


def test_a_series_of_another_component_alone(app: App) -> None:
    revision(app, "v1", virtiofsd=[Change({"src/main.rs": b"fn main() {}\n"})])
    with pytest.raises(FarwatchError, match="v1 has no patches for linux"):
        sweep_revision(app, app.catalog.revision("v1"), None, architectures("um"), "allmodconfig", last=False)


def test_an_architecture_that_there_is_not() -> None:
    with pytest.raises(FarwatchError, match="arm46"):
        architectures("um,arm46")
    assert [entry.name for entry in architectures("um, arm64,um")] == ["um", "arm64"]


# -- what is compiled


def targets(app: App, *names: str) -> tuple[str, ...]:
    """Those of a patch that changes these files."""
    changes = {name: text(name, "x") if name in TREE else b"x\n" for name in names}
    revision(app, "v1", linux=[Change(dict(changes), "fs: x\n\nReason.\n")])
    named = app.catalog.revision("v1")
    return targets_of(app.trees, list(read_patches(app, named, "linux", app.catalog.base_of(named, "linux"))))


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ((DIR,), ("fs/fuse/dir.o",)),
        ((DIR, HEADER), ("fs/fuse/",)),
        (("fs/fuse/Makefile", "kernel/Makefile", "fs/Kconfig"), ("fs/fuse/",)),
        ((PUBLIC,), ("fs/nfsd/", "kernel/audit.o")),
        (("fs/internal.h",), ("fs/top.o",)),
        (("tools/x.c", "Documentation/x.c", "include/linux/other.h", "a.txt"), ()),
        (("fs/fuse/new.c", "fs/fuse/sub/new.h"), ("fs/fuse/new.o", "fs/fuse/sub/")),
    ],
)
def test_targets(app: App, files: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert targets(app, *files) == wanted


def test_users_that_the_series_itself_brings(app: App) -> None:
    fresh = Change({PUBLIC: b"x\n", "net/new.c": b"# include <linux/fsnotify.h>\n"}, "net: x\n\nReason.\n")
    revision(app, "v1", linux=[fresh])
    named = app.catalog.revision("v1")
    patches = list(read_patches(app, named, "linux", app.catalog.base_of(named, "linux")))
    assert targets_of(app.trees, patches) == ("fs/nfsd/", "kernel/audit.o", "net/new.o")
