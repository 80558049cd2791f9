# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the kernel's complaints (splats) in a console log.

A splat is known by the first words of a printk message, so text that only
mentions a BUG or a panic is none. The words are those of the kernel's format
strings; the table RULES names the source file of each (7.3, older forms where
they differ). Two runs of the same bug give the same title: addresses, pids,
CPU numbers, times and offsets are taken out.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from farwatch.verdicts.lines import STAMP

MAX_SPLATS = 100
MAX_LINES = 400
"""Longest report, in lines."""
MAX_GAP = 5
"""This many lines in a row that are no part of any report end one."""


@dataclass(frozen=True)
class Splat:
    """One report of the kernel."""

    title: str
    """Normalised: equal for the same bug in another run."""
    kind: str
    """panic, oops, bug, warning, kasan, lockdep, ... (the first column of RULES)"""
    first_line: int
    """Line number in the log, from 1."""
    last_line: int
    text: str
    """The report as logged."""


@dataclass(frozen=True)
class _Rule:
    kind: str
    hint: str
    """A literal that the line must contain: found fast in a large log."""
    pattern: re.Pattern[str]
    """Matched at the start of the message."""
    title: str = r"\g<0>"


def _rule(kind: str, hint: str, pattern: str, title: str = r"\g<0>") -> _Rule:
    return _Rule(kind, hint, re.compile(pattern), title)


_LOCKDEP = (
    r"possible circular locking dependency detected|possible recursive locking detected"
    r"|possible irq lock inversion dependency detected|possible unsafe locking scenario"
    r"|\S+-safe -> \S+-unsafe lock order detected|inconsistent lock state|held lock freed!"
    r"|suspicious RCU usage|bad unlock balance detected!|bad contention detected!"
    r"|Nested lock was not taken|chain_key collision|lock held when returning to user space!"
    r"|\S+/\d+ still has locks held!"
)
_AT = r"\S+?:\d+"
_FUNCTION = r"(?P<function>[\w.]+)(?:\+0x\S+)?"

_OPENERS = ("cut", "registers")
"""Kinds that only begin a report; the first real complaint inside gives its kind and title."""

RULES = (
    # kernel/panic.c, lib/bug.c
    _rule("cut", "[ cut here ]", r"-+\[ cut here \]-+"),
    _rule("stack", "stack-protector:", r"Kernel panic - not syncing: (stack-protector: .*)", r"\1"),
    _rule("panic", "Kernel panic - not", r"Kernel panic - not syncing.*"),
    _rule("warning", "WARNING: ", rf"WARNING: (?P<at>{_AT}) at {_FUNCTION}", r"WARNING: \g<at> \g<function>"),
    _rule("warning", "WARNING: ", rf"WARNING: at {_FUNCTION}, CPU#", r"WARNING: \g<function>"),
    _rule(
        "warning",
        "WARNING: ",
        rf"WARNING: (?:CPU: \d+ PID: \d+ )?at (?P<at>{_AT}) {_FUNCTION}",
        r"WARNING: \g<at> \g<function>",
    ),
    _rule("bug", "kernel BUG at", r"kernel BUG at .*"),
    # mm/kasan, mm/kmsan, mm/kfence, kernel/kcsan, lib/ubsan.c
    _rule("kasan", "KASAN: ", r"(?:BUG: )?KASAN: .*"),
    _rule("kmsan", "KMSAN: ", r"BUG: KMSAN: .*"),
    _rule("kfence", "KFENCE: ", r"BUG: KFENCE: .*"),
    _rule("kcsan", "KCSAN: ", r"BUG: KCSAN: .*"),
    _rule("ubsan", "UBSAN: ", r"UBSAN: .*"),
    # kernel/locking/lockdep.c, kernel/sched/core.c
    _rule("lockdep", "WARNING: ", rf"WARNING: (?:{_LOCKDEP})"),
    _rule("lockdep", "INFO: ", rf"\[? ?INFO: (?:{_LOCKDEP}|trying to register non-static key)"),
    _rule("lockdep", "[ BUG: ", r"\[ (BUG: .*?) \]", r"\1"),
    _rule("atomic", "sleeping function", r"BUG: sleeping function called from invalid context at .*"),
    _rule("atomic", "scheduling ", r"BUG: scheduling (?:while atomic|in a non-blocking section)"),
    # kernel/hung_task.c, kernel/rcu, kernel/watchdog.c, kernel/workqueue.c
    _rule("hung task", "INFO: task ", r"INFO: task .* blocked.* for more than .*"),
    _rule(
        "rcu stall", "INFO: ", r"(?:rcu: )?(INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls?\b)", r"\1"
    ),
    _rule("lockup", "soft lockup", r"(?:(?:NMI )?watchdog: )?(BUG: soft lockup)", r"\1"),
    _rule(
        "lockup",
        "hard LOCKUP",
        r"(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?(Watchdog detected hard LOCKUP)",
        r"\1",
    ),
    _rule("lockup", "workqueue lockup", r"BUG: workqueue lockup"),
    # lib/refcount.c, mm/kmemleak.c, lib/list_debug.c, fs/super.c, mm/usercopy.c
    _rule("refcount", "refcount_t: ", r"refcount_t: .*"),
    _rule(
        "leak",
        "new suspected memory leak",
        r"(?:kmemleak: )?\d+ new suspected memory leak",
        "kmemleak: new suspected memory leaks",
    ),
    _rule(
        "leak",
        "unreferenced object 0x",
        r"(?:kmemleak: )?unreferenced object 0x.*",
        "kmemleak: unreferenced object",
    ),
    _rule("list", "list_", r"list_(?:add|del)(?:_rcu)? (?:corruption|double add)"),
    _rule("inodes", "Busy inodes", r"(?:VFS: )?Busy inodes after unmount of.*"),
    _rule("usercopy", "usercopy: ", r"usercopy: Kernel memory (?:exposure|overwrite) attempt detected.*"),
    # arch/x86 traps, arch/x86/mm/fault.c, other architectures
    _rule("oops", "BUG: ", r"BUG: (?:unable to handle|kernel NULL pointer dereference).*"),
    _rule("oops", "Unable to handle kernel", r"Unable to handle kernel .*"),
    _rule("oops", "Oops", r"(?:Internal error: )?Oops(?: - [^:]*)?: .*"),
    _rule("oops", "general protection", r"general protection fault\b.*"),
    _rule(
        "oops",
        "[#",
        r"(?:divide error|invalid opcode|stack segment|double fault|int3|alignment check)\b.*\[#\d+\].*",
    ),
    _rule("stack", "stack guard page", r"BUG: \S* ?stack guard page was hit\b.*"),
    # arch/um/kernel/trap.c
    _rule("oops", "Segfault with no mm", r"Segfault with no mm.*"),
    _rule("oops", "Kernel mode fault", r"Kernel mode fault at addr.*"),
    _rule("oops", "Kernel tried to access", r"Kernel tried to access user memory at.*"),
    # mm/slub.c, and every other "BUG: "
    _rule("slab", "BUG ", r"BUG \S+ \((?:Not tainted|Tainted)\b[^)]*\): .*"),
    _rule("bug", "BUG: ", r"(?:(?:IPv6|rcu|BTRFS|EXT4-fs|XFS|watchdog): )?BUG: .*"),
    _rule("registers", "Modules linked in:", r"Modules linked in:"),
)

_ANY = re.compile("|".join(f"(?:{re.sub(r'[?]P<[a-z]+>', '?:', rule.pattern.pattern)})" for rule in RULES))
"""All rules at once: rejects an innocent line in one step."""

_SANITIZERS = ("kasan", "kmsan", "kfence", "kcsan")
_FATAL = ("oops", "bug", "kasan", "stack")
"""A report of these kinds may go on with an Oops line."""

_BEFORE_WARNING = ("refcount", "list", "inodes", "usercopy")
"""Messages that a WARNING or BUG follows, which says only where the check is."""

_BAR = re.compile(r"=={10,}\s*$")
_END = re.compile(r"---\[ end ")
_STOP = re.compile(r"farwatch: |sysrq: |Run \S+ as init process|Linux version ")
_BODY = re.compile(
    r"\s|$|[-=]{8,}|CPU[:#]|Hardware name:|Call Trace|Stack:|Modules linked|Pid:|Workqueue:|Tainted|task:"
    r"|R[A-Z0-9]{1,2}: |RIP|EIP|EFLAGS|[CF]S: |CR2|DR[0-9]|PKRU|Code:|Last potentially|irq event|hardirqs"
    r"|softirqs|Showing all|\d+ locks? held|no locks held|#\d+: |->|other info|the existing|the shared"
    r"|which lock|but (?:task|now|there are no)|stack backtrace|Possible|\*\*\*|(?:Dea|A)llocated |Freed "
    r"|The buggy|Memory state|>|\^|page|raw: |flags: |(?:Read|Write) of size|(?:read|write)\b.* to 0x"
    r"|value changed|Object |Redzone|Padding|Slab |INFO: |NMI|Rebooting|\[<|<[A-Z/]|#PF|PGD|Oops|RSP"
    r"|in_atomic|preempt_count|RCU nest|Preemption disabled|Dumping|Reported by|\(|rcu: |Kernel Offset"
    r"|\"echo 0|Uninit |Local variable|Bytes? |Memory access|.*\+0x[0-9a-f]+/0x|.* tainted "
)
_FAULT_AT = re.compile(
    r"\s*(?:RIP: [0-9a-f]{4}:(?:\[<[0-9a-f]+>\]\s*(?:\[<[0-9a-f]+>\]\s*)?)?|pc : )([A-Za-z_][\w.]*)"
)


def scan(lines: Iterable[str]) -> list[Splat]:
    """All splats of a console log, in order; at most MAX_SPLATS.

    Lines may end with a newline or not. Numbers count from 1.
    """
    log = [line.rstrip("\r\n") for line in (lines.split("\n") if isinstance(lines, str) else lines)]
    splats: list[Splat] = []
    done = 0
    for index in _candidates(log):
        rule = _rule_of(log[index]) if index >= done else None
        if rule is None:
            continue
        if len(splats) >= MAX_SPLATS:
            break
        report = _Report(log, index, rule, done)
        done = report.end
        if (splat := report.splat()) is not None:
            splats.append(splat)
    return splats


def message_of(line: str) -> str:
    """The message without what printk put before it.

    A program's unfinished line may come first; then the last stamp counts.
    """
    if "[" not in line:
        return line
    start = 0
    for stamp in STAMP.finditer(line):
        start = stamp.end()
    return line[start:]


def normalise(text: str) -> str:
    """Take out of a message what differs between two runs of the same bug."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


_VARYING = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?(?: \[[\w.]+\])?", ""),
        (r"\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,16}\b", "ADDR"),
        (r"(?i)\b(on )?cpu[# ]?\d+", r"\1CPU"),
        (r"\bkworker/[\w:+.-]*", "kworker"),
        (r"(?i)\b(task [^\s:]+|by task [^\s/]+)[:/]\d+", r"\1"),
        (r"(?<=\w)\[\d+\]", ""),
        (r"((?:,|code:|process|WARNING:) [^\s/]+)/\d+", r"\1"),
        (r"\b(for more than|stuck for) \d+( ?s(?:econds)?\b)", r"\1 N\2"),
        (r"\[#\d+\]", ""),
        (r"\b(pid|PID|Pid)[: =]+\d+", r"\1"),
        (r"\bpfn:[0-9a-f]+", "pfn"),
        (r"\bsize \d+\b", "size N"),
    )
)


def _candidates(log: Sequence[str]) -> list[int]:
    """Lines that hold the words of some rule.

    The hints are searched in the whole text at once: that is one pass of
    memmem a hint, whatever the number of lines.
    """
    text = "\n".join(log)
    starts = [0, *accumulate(len(line) + 1 for line in log)]
    hinted: set[int] = set()
    for hint in {rule.hint for rule in RULES}:
        at = text.find(hint)
        while at >= 0:
            line = bisect_right(starts, at) - 1
            hinted.add(line)
            at = text.find(hint, starts[line + 1])
    return sorted(hinted)


def _rule_of(line: str) -> _Rule | None:
    message = message_of(line)
    if _ANY.match(message) is None:
        return None
    for rule in RULES:
        if rule.hint in message and rule.pattern.match(message):
            return rule
    return None


class _Report:
    """One report: from its first line, as far as it goes."""

    def __init__(self, log: Sequence[str], index: int, rule: _Rule, floor: int) -> None:
        """floor: the lines before it belong to an earlier report."""
        self.log = log
        self.index = index
        self.rule = rule
        self.first = index
        self.bar = index > floor and _BAR.match(message_of(log[index - 1])) is not None
        if self.bar:
            self.first -= 1
        self.dumped = any("sysrq: " in line for line in log[max(floor, index - 3) : index])
        self.last = index
        self.end = self._run()

    def _run(self) -> int:
        """Walk to the end; returns the index of the first line behind the report."""
        gap = 0
        limit = min(len(self.log), self.index + MAX_LINES)
        for at in range(self.index + 1, limit):
            message = message_of(self.log[at])
            if _END.match(message):
                return self._include(at)
            if self.bar and self.rule.kind in _SANITIZERS and _BAR.match(message):
                return self._include(at)
            if _STOP.match(message):
                break
            rule = _rule_of(self.log[at])
            if rule is not None and not self._adopts(rule, at):
                break
            named = self.rule.kind == "cut" and at == self.index + 1
            if rule is not None or named or (message.strip() and _BODY.match(message)):
                gap, self.last = 0, at
                continue
            gap += bool(message.strip())
            if gap > MAX_GAP:
                break
        return self.last + 1

    def _include(self, at: int) -> int:
        self.last = at
        return at + 1

    def _adopts(self, rule: _Rule, at: int) -> bool:
        """Whether a complaint inside the report belongs to it."""
        if rule.kind == "registers":
            return True
        if self.rule.kind in _OPENERS:
            if rule.kind != "cut":
                self.rule, self.index = rule, at
            return rule.kind != "cut"
        if self.rule.kind in _BEFORE_WARNING and rule.kind in ("cut", "warning", "bug"):
            return at - self.index <= 3
        if rule.kind == "kasan" and self.rule.kind == "oops":
            return True
        return rule.kind == "oops" and self.rule.kind in _FATAL

    def splat(self) -> Splat | None:
        """None when it was no complaint: registers that somebody asked for."""
        if self.rule.kind == "registers" and (self.dumped or not self._has_registers()):
            return None
        kind = {"cut": "warning"}.get(self.rule.kind, self.rule.kind)
        text = "\n".join(self.log[self.first : self.last + 1])
        return Splat(self._title(), kind, self.first + 1, self.last + 1, text)

    def _has_registers(self) -> bool:
        return any(_FAULT_AT.match(message_of(line)) for line in self.log[self.index : self.last + 1])

    def _title(self) -> str:
        message = message_of(self.log[self.index])
        match = self.rule.pattern.match(message)
        if self.rule.kind == "cut":
            follows = [message_of(line) for line in self.log[self.index + 1 : self.last + 1]]
            return normalise(next((line for line in follows if line.strip()), "WARNING: cut off"))
        if self.rule.kind == "registers":
            return f"register dump{self._fault_at()}"
        title = normalise(match.expand(self.rule.title) if match else message)
        return title + self._fault_at() if self.rule.kind in ("oops", "bug") else title

    def _fault_at(self) -> str:
        """The function that faulted, for kinds whose first line does not name it."""
        for line in self.log[self.index : self.last + 1]:
            if found := _FAULT_AT.match(message_of(line)):
                return f" in {found[1]}"
        return ""
