# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's sources can say when something is wrong: messages, with the place that prints each.

Found by reading, not by compiling: calls by name, their string literals put together, and pr_fmt() in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PR_FMT = re.compile(r'#define\s+pr_fmt\(fmt\)\s+(?:(KBUILD_MODNAME)|"([^"]*)")?[^\n"]*(?:"([^"]*)")?')
_PRINT = re.compile(
    r"\b(?P<name>printk(?:_deferred|_once|_ratelimited)?|_printk|pr_(?:emerg|alert|crit|err|warn|warning|info|notice)"
    r"(?:_once|_ratelimited|_deferred)?|nbcon_\w*print\w*)\s*\("
)
_DUMP = re.compile(r"\bdump_stack(?:_lvl)?\s*\(")
_PANIC = re.compile(r"\b(?:panic|nmi_panic)\s*\(")
_WARN = re.compile(r"\bWARN(?:_ONCE|_RATELIMIT|_TAINT)?\s*\(")
_LOUD = re.compile(r"pr_(?:emerg|alert|crit)|KERN_(?:EMERG|ALERT|CRIT)")
_WORDS = re.compile(
    r"\s*(?:\[ ?)?(?:kernel )?(?:BUG|WARNING|INFO|Oops|UBSAN|KASAN|KFENCE|KMSAN|KCSAN|ODEBUG)\b[ :]"
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FUNCTION_START = "\n{"
_SPECIFIER = re.compile(
    r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|t)?(?:(p)([a-zA-Z]{0,2})|([a-oq-zA-Z%]))"
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Site:
    """One place that may print a complaint."""

    file: str
    line: int
    way: str
    """dump, panic, warn, loud (emerg, alert, crit) or words (begins with BUG, WARNING, ...)."""
    message: str
    """With something in the place of each value; empty: only a stack."""

    def console(self) -> list[str]:
        """What a console would show."""
        said = [line for line in self.message.split("\n") if line.strip()]
        stack = ["CPU: 0 UID: 0 PID: 7 Comm: cat Not tainted 7.3.4 #1", "Call Trace:", " fuse_x+0x1/0x2"]
        if self.way == "panic":
            return [f"Kernel panic - not syncing: {said[0] if said else ''}", *stack]
        if self.way == "warn":
            return [
                "------------[ cut here ]------------",
                *said,
                "WARNING: a.c:1 at fuse_x+0x1/0x2, CPU#0: cat/7",
            ]
        return [*said, *stack] if self.way == "dump" else said


def sites_of(file: str, text: str) -> Iterator[Site]:
    """All of one source file."""
    text = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    before = _front(file, text)
    prints = [(match.start(), _call(text, match.end()), match["name"]) for match in _PRINT.finditer(text)]
    for start, arguments, name in prints:
        if (message := _message(arguments)) is None:
            continue
        shown = before + message if name.startswith("pr_") else message
        if _LOUD.match(name) or _LOUD.match(arguments.strip()):
            yield Site(file, _line(text, start), "loud", shown)
        elif _WORDS.match(message):
            yield Site(file, _line(text, start), "words", shown)
    for way, pattern in (("panic", _PANIC), ("warn", _WARN)):
        for match in pattern.finditer(text):
            if (message := _message(_call(text, match.end()))) is not None:
                yield Site(file, _line(text, match.start()), way, message)
    for match in _DUMP.finditer(text):
        begin = text.rfind(_FUNCTION_START, 0, match.start())
        near = [(a, name) for at, a, name in prints if begin < at < match.start()][-1:]
        said = [(before if name.startswith("pr_") else "") + (_message(a) or "") for a, name in near]
        if text[match.start() - 5 : match.start()].strip() not in ("void", "asmlinkage"):
            yield Site(file, _line(text, match.start()), "dump", "".join(said))


def _front(file: str, text: str) -> str:
    """What pr_fmt() puts before a message."""
    found = _PR_FMT.search(text)
    if found is None:
        return ""
    module = file.rpartition("/")[2].removesuffix(".c") if found[1] else ""
    return module + (found[2] or "") + (found[3] or "" if found[1] else "")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _call(text: str, start: int) -> str:
    """The arguments of a call whose "(" is just before `start`."""
    depth, at = 1, start
    while at < len(text) and depth and at < start + 2000:
        if literal := _LITERAL.match(text, at):
            at = literal.end()
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1]


def _message(arguments: str) -> str | None:
    """The format string with values in it; None if there is none."""
    first = _LITERAL.search(arguments)
    if first is None:
        return None
    parts, at = [first[1]], first.end()
    while (more := _LITERAL.search(arguments, at)) and not re.search(r"[,?:]", arguments[at : more.start()]):
        parts.append(more[1])
        at = more.end()
    text = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], ""), "".join(parts))
    return _SPECIFIER.sub(_value, text)


def _value(specifier: re.Match[str]) -> str:
    if specifier[1]:
        return "fuse_x+0x1/0x2" if specifier[2][:1] in ("S", "s", "B") else "00000000deadbeef"
    return {"s": "cat", "c": "c", "%": "%"}.get(specifier[3], "7")
