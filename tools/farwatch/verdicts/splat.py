# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the kernel's complaints (splats) in a console log.

A splat is known by the first words of a printk message (splat_rules.py), or by
a stack that somebody dumped, whatever the words before it. Two runs of the
same bug give the same title: addresses, pids, CPU numbers, times and offsets
are taken out, and the function that it is about is named (stack.py).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from farwatch.verdicts.lines import STAMP
from farwatch.verdicts.printk import Message, message_of, messages_of
from farwatch.verdicts.splat_rules import (
    ASKED_FOR,
    BEFORE_WARNING,
    FATAL,
    OPENERS,
    RULES,
    SANITIZERS,
    Rule,
    Where,
)
from farwatch.verdicts.stack import (
    TRACE_HEADS,
    Stack,
    busy,
    culprit,
    frame_of,
    plain_name,
    stacks_of,
    waiter,
)

MAX_SPLATS = 100
MAX_LINES = 400
"""Longest report, in lines."""
MAX_GAP = 5
"""This many lines in a row that are no part of any report end one."""
DUMP_NEAR = 8
"""A stack follows the line with the CPU within so many lines."""


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


_NAMED_GROUP = re.compile(r"[?]P<[a-z]+>")
_ANY = re.compile("|".join(f"(?:{_NAMED_GROUP.sub('?:', rule.pattern.pattern)})" for rule in RULES))
"""All rules at once: rejects an innocent message in one step."""

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
    r"|\"echo 0|Uninit |Local variable|Bytes? |Memory access|[Bb]acktrace|PC is at|LR is at|(?:pc|sp|lr) :"
    r"|[xr]\d+\s*: |pgd = |\[[0-9a-f]{8,16}\] |caller is |handlers:"
    r"|Mem abort|Data abort|user pgtable|pstate|Sending NMI|Task dump|.* is trying to "
    r"|.* takes:|.*\+0x[0-9a-f]+/0x|.* tainted |.* from \[?<?[0-9a-f]+>?\]? ?\("
)
_ACCESS = re.compile(r"(Read|Write) (?:of size|at addr)", re.MULTILINE)
_ACQUIRES = re.compile(
    r".*(?:is trying to (?:acquire|release) lock|\] takes:|is trying to lock:|contend lock)"
)
_TAKEN_AT = re.compile(r".*\bat:\s+(?:\[<[0-9a-f]+>\] )?([A-Za-z_][\w.]*)(?:\+0x|\s|$)")
_TAKEN_BELOW = re.compile(r"\[<[0-9a-f]+>\] ([A-Za-z_][\w.]*)")
_HELD_AT = re.compile(r"\s*#\d+:.*\bat: (?:\[<[0-9a-f]+>\] )?([A-Za-z_][\w.]*)")
_CALLER_IS = re.compile(
    r"caller is ([A-Za-z_][\w.]*)|.*\bworkfn=([A-Za-z_]\w*)|\s*last function: ([A-Za-z_]\w*)"
)
"""Where a report without a stack of the culprit names it: smp_processor_id.c, workqueue.c."""


def scan(lines: Iterable[str]) -> list[Splat]:
    """All splats of a console log, in order; at most MAX_SPLATS.

    Lines may end with a newline or not. Numbers count from 1.
    """
    log = [line.rstrip("\r\n") for line in (lines.split("\n") if isinstance(lines, str) else lines)]
    splats: list[Splat] = []
    done = 0
    for index in _candidates(log):
        found = _rule_of(log[index]) if index >= done else None
        if found is None:
            continue
        if len(splats) >= MAX_SPLATS:
            break
        report = _Report(log, index, *found, done)
        if (splat := report.splat()) is not None:
            splats.append(splat)
        if splat is not None or report.rule.kind != "dump":
            done = report.end
    return splats


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
        (r"\b(unknown-block)\(\d+,\d+\)", r"\1(N,N)"),
        (r"\s+\.\.\.$", ""),
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


def _rule_of(line: str) -> tuple[Rule, Message] | None:
    """The rule for the first message of a line that has one."""
    for message in messages_of(line):
        text = message.text.lstrip()
        if _ANY.match(text) is None:
            continue
        for rule in RULES:
            if rule.hint in text and rule.pattern.match(text):
                return rule, Message(text, message.caller)
    return None


class _Report:
    """One report: from its first line, as far as it goes."""

    def __init__(self, log: Sequence[str], index: int, rule: Rule, message: Message, floor: int) -> None:
        """floor: the lines before it belong to an earlier report."""
        self.log = log
        self.index = index
        self.rule = rule
        self.message = message
        self.first = index
        self.floor = floor
        self.bar = index > floor and _BAR.match(message_of(log[index - 1]).text) is not None
        if self.bar:
            self.first -= 1
        self.traced = False
        self.stamped = STAMP.search(log[index]) is not None
        self.asked = any(ASKED_FOR.search(line) for line in log[max(floor, index - 3) : index])
        self.before = self._said_before() if rule.kind == "dump" else ""
        self.last = index
        self.end = self._run()

    def _said_before(self) -> str:
        """The message that a dumped stack belongs to: the one before it, by the same task. It comes first."""
        for at in range(self.index - 1, max(self.floor, self.index - MAX_GAP) - 1, -1):
            message = message_of(self.log[at])
            if message.text.strip() and message.caller == self.message.caller:
                if _STOP.match(message.text):
                    return ""
                self.first = at
                return message.text
        return ""

    def _run(self) -> int:
        """Walk to the end; returns the index of the first line behind the report."""
        gap = 0
        limit = min(len(self.log), self.index + MAX_LINES)
        for at in range(self.index + 1, limit):
            text = message_of(self.log[at]).text
            if _END.match(text):
                return self._include(at)
            if self.bar and self.rule.kind in SANITIZERS and _BAR.match(text):
                return self._include(at)
            if _STOP.match(text):
                break
            found = _rule_of(self.log[at])
            if found is not None and not self._adopts(*found, at):
                break
            named = self.rule.kind == "cut" and at == self.index + 1
            self.traced = self.traced or text.lstrip().startswith(TRACE_HEADS)
            if found is not None or named or (text.strip() and _BODY.match(text)):
                gap, self.last = 0, at
                continue
            gap += bool(text.strip()) and (not self.stamped or STAMP.search(self.log[at]) is not None)
            if gap > MAX_GAP:
                break
        return self.last + 1

    def _include(self, at: int) -> int:
        self.last = at
        return at + 1

    def _adopts(self, rule: Rule, message: Message, at: int) -> bool:
        """Whether a complaint inside the report belongs to it."""
        if rule.kind in ("registers", "dump"):
            return True
        if self.rule.kind in OPENERS:
            if rule.kind != "cut":
                self.rule, self.message, self.index = rule, message, at
            return rule.kind != "cut"
        if self.rule.kind in BEFORE_WARNING and rule.kind in ("cut", "warning", "bug"):
            return at - self.index <= 3
        if rule.kind == self.rule.kind == "leak":
            return at - self.index <= 1
        return self._goes_on(rule)

    def _goes_on(self, rule: Rule) -> bool:
        """Whether a complaint is the next part of this one, which it follows at once or before its stack."""
        own = self.rule.kind
        if rule.kind == "panic":
            return own != "panic" and not self.traced  # what panic_on_... adds
        if own in (*BEFORE_WARNING, "stack") and rule.kind in ("oops", "stack"):
            return not self.traced
        return (rule.kind, own) == ("kasan", "oops") or (rule.kind == "oops" and own in FATAL)

    def splat(self) -> Splat | None:
        """None when it was no complaint: registers or a stack that somebody asked for."""
        if self.rule.kind == "registers" and (self.asked or not self._has_registers()):
            return None
        if self.rule.kind == "dump" and (self.asked or not self._has_trace()):
            return None
        kind = {"cut": "warning"}.get(self.rule.kind, self.rule.kind)
        text = "\n".join(self.log[self.first : self.last + 1])
        return Splat(self._title(), kind, self.first + 1, self.last + 1, text)

    def _has_registers(self) -> bool:
        frames = (frame_of(text) for text in self._texts(everybody=True))
        return any(frame is not None and frame.fault for frame in frames)

    def _has_trace(self) -> bool:
        near = self.log[self.index : min(self.index + DUMP_NEAR, self.last + 1)]
        return any(message_of(line).text.strip().startswith(TRACE_HEADS) for line in near)

    def _texts(self, *, everybody: bool = False) -> list[str]:
        """The report's other messages; those of other tasks left out where printk names the task."""
        report = (*self.log[self.first : self.index], *self.log[self.index + 1 : self.last + 1])
        rest = [message_of(line) for line in report]
        caller = "" if everybody else self.message.caller
        if self.rule.where is Where.LOOPS:
            caller = ""  # other CPUs tell what they are at
        return [message.text for message in rest if not caller or message.caller in ("", caller)]

    # The title

    def _title(self) -> str:
        if self.rule.kind == "cut":
            follows = next((text for text in self._texts() if text.strip()), "")
            return normalise(f"WARNING: {follows}" if follows else "WARNING: cut off")
        match = self.rule.pattern.match(self.message.text)
        template = self.rule.title
        if self.rule.kind == "dump" and self.before:
            template = f"{normalise(self.before)} in {{f}}".replace("\\", r"\\")
        text = normalise(match.expand(template) if match else self.message.text)
        function = self._function(match.groupdict() if match else {})
        place = match.groupdict().get("at") if match else ""
        if not function and place:
            return text.replace(" in {f}", f" at {place}")
        text = text.replace(" in {f}", f" in {function}" if function else "")
        return text.replace("{access}", self._access())

    def _access(self) -> str:
        found = _ACCESS.search("\n".join(self._texts()))
        return f" {found[1]}" if found else ""

    def _function(self, groups: dict[str, str | None]) -> str:
        """The function of the title, as the rule says."""
        where = self.rule.where
        if where is Where.NOWHERE:
            return ""
        if where in (Where.WAITS, Where.LOOPS):
            choose = waiter if where is Where.WAITS else busy
            found = next(filter(None, (choose(stack.names()) for stack in self._stacks())), "")
            return found or self._first_relevant()
        named = [plain_name(name) for name in self._named(groups)]
        if relevant := culprit(named):
            return relevant
        return self._first_relevant() or next(iter(named), "")

    def _first_relevant(self) -> str:
        leak = self.rule.kind == "leak"
        for stack in self._stacks():
            if relevant := culprit([name for name in stack.names() if not (leak and "alloc" in name)]):
                return relevant
        return ""

    def _named(self, groups: dict[str, str | None]) -> Iterator[str]:
        """Functions that the report itself names, before any stack."""
        function = groups.get("function") or ""
        if re.match(r"[A-Za-z_$]", function):
            yield function
        texts = self._texts()
        if self.rule.where is Where.TAKEN:
            yield from _taken(texts)
        if self.rule.where is Where.HELD:
            yield from (found[1] for text in texts if (found := _HELD_AT.match(text)))
        for text in texts:
            if found := _CALLER_IS.match(text):
                yield next(filter(None, found.groups()))

    def _stacks(self) -> list[Stack]:
        """Those that are about what this report is about, in order."""
        stacks = list(stacks_of(self._texts()))
        if self.rule.kind == "lockdep" and any(stack.head.startswith("stack back") for stack in stacks):
            return [stack for stack in stacks if stack.head.startswith("stack back")]
        return [stack for stack in stacks if not stack.elsewhere]


def _taken(texts: Sequence[str]) -> Iterator[str]:
    """Where the lock is taken (or released) that lockdep complains of."""
    for at, text in enumerate(texts):
        if not _ACQUIRES.match(text):
            continue
        for below in texts[at : at + 3]:
            if found := _TAKEN_AT.match(below) or _TAKEN_BELOW.match(below):
                yield found[1]
                return
