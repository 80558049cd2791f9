# SPDX-License-Identifier: GPL-2.0-or-later
"""The splat scanner.

data/console/uml-*.log are consoles of a real User Mode Linux 7.3. The other
texts, in reports.txt, are composed from the format strings of the source file
that each of them names.
"""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwatch.verdicts.splat import MAX_SPLATS, Splat, normalise, scan
from tests import SAMPLES

DATA = SAMPLES / "console"
BAR = "=" * 66


def console(name: str) -> list[str]:
    return (DATA / f"{name}.log").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "title", "lines"),
    [
        ("uml-init-exits", "kernel panic: Attempted to kill init!", (60, 79)),
        (
            "uml-no-init",
            "kernel panic: Requested init /nonexistent/init failed (error -2).",
            (60, 72),
        ),
        ("uml-sysrq-crash", "kernel panic: sysrq triggered crash", (62, 89)),
    ],
)
def test_real_panics(name: str, title: str, lines: tuple[int, int]) -> None:
    (splat,) = scan(console(name))
    assert (splat.title, splat.kind) == (title, "panic")
    assert (splat.first_line, splat.last_line) == lines
    assert splat.text.splitlines()[-1] == console(name)[lines[1] - 1]


def test_real_panic_without_root() -> None:
    (splat,) = scan(console("uml-no-root"))
    assert splat.title.startswith("kernel panic: No working init found.")


def test_a_healthy_boot_with_every_dump_is_silent() -> None:
    """sysrq w, t, m and l, and a program that writes about BUGs to /dev/kmsg."""
    assert scan(console("uml-clean-with-dumps")) == []


def entries() -> list[tuple[str, str, str]]:
    """(text, kind, title) of reports.txt."""
    found = []
    for entry in (DATA / "reports.txt").read_text().split("\n@@ ")[1:]:
        head, _, text = entry.partition("\n")
        kind, title, _ = head.split(" | ")
        found.append((text.removesuffix("\n"), kind, title))
    return found


REPORTS = entries()
REGISTERS = next(text for text, kind, _ in REPORTS if kind == "registers")
BEFORE = ["fuse: init (API version 7.46)", "farwatch: begin 7"]
AFTER = ["farwatch: end 7", "reboot: System halted"]


@pytest.mark.parametrize("stamp", ["", "[    1.234567] ", "<4>[   12.000001][  T77] "])
@pytest.mark.parametrize(("text", "kind", "title"), REPORTS, ids=[title for _, _, title in REPORTS])
def test_reports(text: str, kind: str, title: str, stamp: str) -> None:
    lines = [stamp + line for line in text.split("\n")]
    before = [stamp + line for line in BEFORE]
    expected = Splat(title, kind, len(before) + 1, len(before) + len(lines), "\n".join(lines))
    assert scan(before + lines + [stamp + line for line in AFTER]) == [expected]


@pytest.mark.parametrize(("text", "kind", "title"), REPORTS, ids=[title for _, _, title in REPORTS])
def test_the_same_bug_has_the_same_title(text: str, kind: str, title: str) -> None:
    other = re.sub(r"00000000[0-9a-f]{8}", "ffff8880beef1234", text)
    other = re.sub(r"\b77\b", "4242", other).replace("CPU#1", "CPU#0").replace("+0x1/", "+0x7f/")
    other = other.replace("245 seconds", "122 seconds").replace("pfn:1a2b3", "pfn:00012")
    found = scan(other.split("\n"))
    assert [(splat.title, splat.kind) for splat in found] == [(title, kind)]


@pytest.mark.parametrize(
    "line",
    [
        "Kernel command line: con=null panic=1 oops=panic hung_task_panic=1 init=/x -- BUG: Oops",
        "# watch.c:12:create:BUG: expected WARNING: possible circular locking dependency detected",
        "debug: WARNING: nothing",
        "WARNING: Unprivileged eBPF is enabled, data leaks possible via Spectre v2 BHB attacks!",
        "WARNING: 'bootconfig' found on the kernel command line but CONFIG_BOOT_CONFIG is not set.",
        "INFO: lockdep is turned off.",
        "INFO: task done",
        "test: kernel panic and Oops: and general protection fault, in words",
        "this BUG: is only text, Kernel panic - not syncing: too",
        "sysctl: kernel.panic = 0",
        "sysrq: Show Blocked State",
        "task:kthreadd state:S stack:0 pid:2",
        "watch_test[31]: segfault at 0 ip 0000000000401136 sp 00007ffe error 6",
        "BUGGY hardware, DEBUG: on",
        "list_del is a function; refcount_t is a type; usercopy is hardened",
        "rcu: Hierarchical RCU implementation.",
        "kmemleak: Kernel memory leak detector initialized (mem pool available: 16000)",
        "watchdog: Disabling watchdog on nohz_full cores by default",
        "Modules linked in:",
    ],
)
@pytest.mark.parametrize("stamp", ["", "[    1.234567] "])
def test_innocent_text(line: str, stamp: str) -> None:
    assert scan([stamp + line]) == []


def test_registers_that_somebody_asked_for() -> None:
    assert scan(["sysrq: Show Regs", *REGISTERS.split("\n")]) == []


def test_a_message_behind_an_unfinished_line() -> None:
    (splat,) = scan(["login: wai[    1.234567] BUG: scheduling while atomic: cat/7/0x2"])
    assert splat.title == "BUG: scheduling while atomic"


TORN = "BUG: kernel NULL pointer dereference, address: 0000000000000008"


@pytest.mark.parametrize(
    "line",
    [
        f"[   92.396607] {TORN}[   92.400000] audit: x",
        f"login: wai[    9.000000][  T12] {TORN}[   92.400000][   C1] audit: x",
        f"** 12 printk messages dropped ** [    9.000000] {TORN}",
        f"[    9.000000][   C4]  {TORN}",
    ],
)
def test_each_message_of_a_torn_line_counts(line: str) -> None:
    (splat,) = scan([line])
    assert (splat.title, splat.kind) == ("BUG: unable to handle kernel NULL pointer dereference", "oops")


def test_stacks_that_are_no_complaint() -> None:
    dump = ["CPU: 0 UID: 0 PID: 7 Comm: cat Not tainted 7.3.4 #1", "Call Trace:", " f+0x1/0x2"]
    for said in (
        "FAULT_INJECTION: forcing a failure.",
        "cat invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0",
        "cat: page allocation failure: order:4, mode:0x0",
        "NMI backtrace for cpu 0",
        "sysrq: Show backtrace of all active CPUs",
    ):
        assert scan([said, *dump]) == []
    assert [splat.title for splat in scan(["what nobody knows", *dump])] == ["what nobody knows in f"]
    assert scan(dump[:1]) == []


def test_other_tasks_do_not_speak_for_a_report() -> None:
    """With CONFIG_PRINTK_CALLER the stacks of two tasks that crash at once can be told from each other."""
    lines = ["BUG: scheduling while atomic: cat/7/0x2", "Call Trace:", " fuse_x+0x1/0x2"]
    other = ["Call Trace:", " fuse_other+0x1/0x2"]
    mixed = [f"[    1.000000][   T7] {lines[0]}", *(f"[    1.000000][   T8] {line}" for line in other)]
    mixed += [f"[    1.000000][   T7] {line}" for line in lines[1:]]
    assert [splat.title for splat in scan(mixed)] == ["BUG: scheduling while atomic in fuse_x"]


def test_two_reports_stay_two() -> None:
    warning, oops = REPORTS[0][0], REPORTS[6][0]
    assert [splat.kind for splat in scan(f"{warning}\n{oops}\n{oops}".split("\n"))] == [
        "warning",
        "oops",
        "oops",
    ]
    first, second = scan(["BUG: one", "BUG: two"])
    assert (first.title, second.title) == ("BUG: one", "BUG: two")


def test_panic_after_a_warning_is_told_too() -> None:
    text = REPORTS[0][0].replace(
        "---[ end trace 0000000000000000 ]---",
        "Kernel panic - not syncing: kernel: panic_on_warn set ...",
    )
    assert [splat.kind for splat in scan(text.split("\n"))] == ["warning", "panic"]


def test_a_cut_report_still_counts() -> None:
    assert [splat.title for splat in scan(["------------[ cut here ]------------"])] == ["WARNING: cut off"]
    (splat,) = scan(["------------[ cut here ]------------", "fuse: bad state 12"])
    assert (splat.kind, splat.last_line) == ("warning", 2)


def test_unrelated_lines_end_a_report() -> None:
    lines = ["BUG: x", " trace", *["something else happened"] * 20]
    (splat,) = scan(lines)
    assert splat.last_line == 2
    (splat,) = scan([*lines, " indented"])
    assert splat.last_line == 2


@pytest.mark.parametrize("line", ["farwatch: end 7", "sysrq: Show State"])
def test_marks_end_a_report(line: str) -> None:
    (splat,) = scan(["BUG: x", " trace", line, " something of the next"])
    assert splat.last_line == 2


def test_the_closing_bar_ends_a_sanitizer_report() -> None:
    text = next(text for text, kind, _ in REPORTS if kind == "kasan")
    (splat,) = scan([*text.split("\n"), " something of the next"])
    assert splat.text == text


def test_normalise() -> None:
    assert normalise("x at 0xffff888001 in f+0x1/0x2 [mod] by task a/12 on CPU#3") == (
        "x at ADDR in f by task a on CPU"
    )
    assert normalise("fs/notify/mark.c:123") == "fs/notify/mark.c:123"


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from([line for report in REPORTS for line in report[0].split("\n")])))
def test_never_raises_and_reports_do_not_overlap(lines: list[str]) -> None:
    at = 0
    for splat in scan(lines):
        assert at < splat.first_line <= splat.last_line <= len(lines)
        at = splat.last_line


def test_sixteen_megabytes_in_time() -> None:
    boot = console("uml-clean-with-dumps")
    lines = boot * ((16 << 20) // sum(len(line) + 1 for line in boot) + 1)
    start = time.process_time()
    assert len(scan([*lines, "BUG: last"])) == 1
    assert time.process_time() - start < 2


def test_a_flood_of_reports_has_a_limit() -> None:
    assert len(scan(["BUG: x"] * 50_000)) == MAX_SPLATS
