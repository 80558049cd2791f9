# SPDX-License-Identifier: GPL-2.0-or-later
"""The stack in a kernel's report, and which of its functions the report is about.

The top of a stack is how a check works: dump_stack(), KASAN, lockdep, the
allocators, list and string helpers (functions.py). A title that names one of
these says nothing about the bug, so the first function below them counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from farwatch.verdicts.functions import DISPATCHING, HOW, TICK, WAITING

_NAME = r"(?:<[^+\n]{1,200}>(?:::[\w$<>{}#]+)+|[A-Za-z_$][\w.$]*(?:::[\w$<>{}#]+)*)"
"""As a symbol table has it; the second half of each is Rust's."""
_OFFSET = r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?"
_ADDRESS = r"(?:\[<(?:0x)?[0-9a-f]+>\]|\[[0-9a-f]{8,16}\]|\(?\[<[^>]*>\]\)?)"
_FRAME = re.compile(
    rf"(?:[|!]?\s*)?(?:#\d+: )?(?:{_ADDRESS}\s+){{0,2}}(?P<doubt>\? )?(?:\(\) )?(?P<name>{_NAME}){_OFFSET}"
)
_ARM_FRAME = re.compile(
    rf"\s*(?:{_ADDRESS} \()?(?P<name>{_NAME})\)? from (?:{_ADDRESS} \()?(?P<next>{_NAME}){_OFFSET}"
)
_AT_FAULT = re.compile(
    rf"\s*(?:RIP: [0-9a-f]{{4}}:|EIP: (?:[0-9a-f]{{4}}:)?|pc : |PC is at |NIP (?:\[[0-9a-f]+\] )?|epc : )"
    rf"\s*(?:{_ADDRESS}\s*){{0,2}}(?!lr\b)(?P<name>{_NAME})(?:{_OFFSET}|$|\s)"
)
TRACE_HEADS = ("Call Trace", "Call trace", "Backtrace")
"""What the functions follow that are called where the report was made."""
_HEAD = re.compile(
    r"\s*(?P<head>Call [Tt]race|Backtrace|backtrace|Stack :|stack backtrace|Allocated (?:by task|in)"
    r"|Freed (?:by task|in)|Allocated:|Freed:|allocated by|freed by|Last potentially|-> #\d+"
    r"|the existing dependency|the shortest dependencies|.* state was registered at:|.* lock at:"
    r"|.* which became "
    r"|... key\s+at:|Uninit was (?:stored|created)|Preemption disabled at|Task dump|task:\S"
    r"|Sending NMI|NMI backtrace|Showing all|Memory state|The buggy|Second to last|Local variable"
    r"|RCU grace-period kthread stack|Stack dump where|rcu: RCU grace-period kthread stack|rcu: Stack dump)"
)
_ELSEWHERE = re.compile(
    r"Allocated|Freed|allocated|freed|Last|-> #|the |.* state was|.* lock at|.* which became|\.\.\."
    r"|Uninit|Preempt"
    r"|Second|Memory|The buggy|Showing|Local|(?:rcu: )?RCU grace|(?:rcu: )?Stack dump where"
)
"""Sections that tell of another time or another task than the one that the report is about."""
_USER_MODE = re.compile(r"(?:RIP|EIP): (?:0033|0023|002b):(?:0x)?[0-9a-f]+\b")


@dataclass(frozen=True)
class Frame:
    """One function of a stack."""

    name: str
    """As the symbol table has it, without what the compiler hangs on to it."""
    sure: bool = True
    """False for "? name": an address that was found on the stack, perhaps of an earlier call."""
    fault: bool = False
    """Named by a register: where the CPU was, not where a call returns to."""


@dataclass(frozen=True)
class Stack:
    """Frames in a row, the innermost first."""

    frames: tuple[Frame, ...]
    elsewhere: bool = False
    """Of another time or task: the allocation, a lock taken earlier, ..."""
    head: str = ""

    def names(self) -> list[str]:
        """What is called; the doubtful ones only if there are no others."""
        sure = [frame.name for frame in self.frames if frame.sure]
        return sure or [frame.name for frame in self.frames]


def plain_name(symbol: str) -> str:
    """A function as it is in the source: without .isra.0, .part.1, .cold; a syscall's entry by its name."""
    name = re.sub(r"\.(?:isra|part|constprop|cold|llvm|lto_priv|localalias)\b.*", "", symbol).rstrip(".")
    name = re.sub(r"^__(?:x64|ia32|arm64|se|s390x?|riscv)_(?=(?:compat_)?sys_)", "", name) if name else symbol
    if name == symbol or not name.startswith("sys_"):
        name = re.sub(r"^(?:compat_)?(?:SYSC_|SyS_|__do_sys_|_{0,4}sys_|ksys_)(?=\w)", "", name)
    return name


def frame_of(text: str) -> Frame | None:
    """The function that a line of a report names, if it is a line of a stack."""
    if _USER_MODE.search(text):
        return None
    if at := _AT_FAULT.match(text):
        return Frame(plain_name(at["name"]), fault=True)
    if arm := _ARM_FRAME.match(text):
        return Frame(plain_name(arm["next"]))
    if frame := _FRAME.match(text):
        return Frame(plain_name(frame["name"]), sure=frame["doubt"] is None)
    return None


def stacks_of(messages: Iterable[str]) -> Iterator[Stack]:
    """All stacks of a report, in order. A stack ends where a head line or no frame follows for long."""
    frames: list[Frame] = []
    head, elsewhere = "", False
    for text in messages:
        if (found := _HEAD.match(text)) and frame_of(text) is None:
            if frames and not (frames[-1].fault and found["head"] in TRACE_HEADS):
                yield Stack(tuple(frames), elsewhere, head)
                frames = []
            if not found["head"].startswith(TRACE_HEADS) or head.startswith("stack backtrace"):
                if not (found["head"].startswith("task:") and "stack" in head and elsewhere):
                    elsewhere = _ELSEWHERE.match(found["head"]) is not None
                head = found["head"]
            elif not elsewhere or not head.startswith(("-> #", "the ")):
                elsewhere = elsewhere and head.startswith(("rcu: ", "RCU grace", "Stack dump", "task:"))
                head = found["head"]
        elif frame := frame_of(text):
            frames.append(frame)
    if frames:
        yield Stack(tuple(frames), elsewhere, head)


_COMMON_WAITS = {
    "synchronize_rcu": ("synchronize_rcu", "synchronize_srcu", "synchronize_net", "synchronize_sched"),
}
"""What half the kernel waits for when one thing is wrong: one title for all of them."""


def is_how(name: str) -> bool:
    """Whether a function is a part of the check, or a helper that anybody may call."""
    return HOW.fullmatch(name) is not None


def culprit(names: Sequence[str]) -> str:
    """The first function that is not how the check works; the first at all if there is none."""
    return next((name for name in names if not is_how(name)), "")


def waiter(names: Sequence[str]) -> str:
    """Who waits: a hung task's stack begins with the scheduler, and often with a lock that many wait for."""
    for name in names:
        if "rtnl_lock" in name:
            return name
        for common, members in _COMMON_WAITS.items():
            if name.startswith(members):
                return common
    return next((name for name in names if not WAITING.fullmatch(name) and not is_how(name)), "")


def busy(names: Sequence[str]) -> str:
    """What loops: its innermost function is one of many at a random moment; who called it stays the same."""
    after = max((at + 1 for at, name in enumerate(names) if TICK.fullmatch(name)), default=0)
    names = names[after:]
    for at, name in enumerate(names):
        if "smp_call_function" in name:
            return "smp_call_function"
        if DISPATCHING.fullmatch(name):
            return names[at - 1] if at else name
    return ""
