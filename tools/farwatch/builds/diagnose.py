# SPDX-License-Identifier: GPL-2.0-or-later
"""What went wrong in a build: the first error of a make, gcc, ld, cargo or Kconfig log.

A log is long and its last line says only that make gave up. The first error
with a file and a line is nearly always the one to look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from farwatch.builds.compilers import CARGO, CARGO_PLACE, GCC
from farwatch.errors import BuildFailure, FarwatchError
from farwatch.system.needs import package_of

Kind = Literal["disk", "tool", "library", "compiler", "linker", "cargo", "kconfig", "make"]


@dataclass(frozen=True)
class Diagnosis:
    """The first error of a log.

    where:   file:line, or the object file or target; empty when the tool does not say
    command: the command or target that failed
    missing: program or library that is not there (kinds tool and library)
    """

    kind: Kind
    message: str
    where: str = ""
    command: str = ""
    missing: str = ""

    def __str__(self) -> str:
        first = f"{self.where}: {self.message}" if self.where else self.message
        return f"{first}\nfailing command: {self.command}" if self.command else first


_DISK = re.compile(r"No space left on device|Disk quota exceeded|No space left|disk full", re.IGNORECASE)
_TOOL = (
    re.compile(r"^make(?:\[\d+\])?: (?P<name>[\w.+-]+): No such file or directory$"),
    re.compile(r"^(?:/bin/)?(?:ba|da)?sh: (?:line )?\d+: (?P<name>[\w.+-]+): (?:command )?not found$"),
    re.compile(r"^error: linker `(?P<name>[^`]+)` not found"),
    re.compile(r"^(?:gcc|cc): (?:fatal )?error: cannot execute '(?P<name>[^']+)'"),
)
_LIBRARY = re.compile(r"(?:cannot find|unable to find library) -l(?P<name>[\w.+-]+)")
_CC1 = re.compile(r"^(?:cc1|gcc|as|[^\s:]+\.[sS]): (?:fatal )?[Ee]rror: (?P<message>.+)$")
_LD = re.compile(
    r"^(?:\S*ld(?:\.\w+)?: )?(?:(?P<where>[^\s:][^:]*(?::\d+|:\([^)]*\))): )?"
    r"(?P<message>(?:undefined reference|multiple definition|relocation truncated|undefined symbol).*)$"
)
_LD_ANY = re.compile(r"^\S*\bld(?:\.\w+)?: (?:error: )?(?P<message>.+)$")
_MODPOST = re.compile(r"^ERROR: modpost: (?P<message>.+)$")
_KCONFIG = re.compile(
    r"^(?P<where>\S*Kconfig\S*:\d+): ?(?:error: )?(?P<message>(?!\d+:\s*warning|warning).+)$"
)
_MAKE_RULE = re.compile(r"^make(?:\[\d+\])?: \*\*\* (?P<message>No rule to make target.+)$")
_MAKE_FAILED = re.compile(
    r"^make(?:\[\d+\])?: \*\*\* \[(?P<rule>[^\]]*?)(?::? ?(?P<target>[^\s:\]]+))\] "
    r"(?P<how>Error \d+.*|[A-Z].*)$"
)
_CARGO_FAILED = re.compile(r"^error: (?P<message>could not compile .+?)(?: due to .*)?$")
_CARGO_SUMMARY = ("could not compile", "aborting due to", "linking with")


def diagnose(log: str) -> Diagnosis | None:
    """The first error of a log; None when there is nothing that looks like one."""
    lines = log.splitlines()
    for find in (_find_disk, _find_tool, _find_library, _find_source_error, _find_make):
        found = find(lines)
        if found is not None:
            return found
    return None


def failure(what: str, log: Path, hint: str = "", prefix: str = "") -> FarwatchError:
    """The error for a build that failed: "`what` does not build", its first error, and where the log is.

    what:   "kernel 7.3 (uml, plain) of v1"
    prefix: left off from the start of file names (what the build calls the source folder)
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return FarwatchError(f"{what} does not build", cause=str(error), hint=hint)
    found = diagnose(text)
    if found is not None:
        found = replace(found, where=found.where.removeprefix(prefix))
    if found is None:
        last = "\n".join(text.splitlines()[-5:])
        return BuildFailure(f"{what} does not build", cause=last, hint=hint or f"the log is {log}")
    kind = FarwatchError if found.kind in ("disk", "tool", "library") else BuildFailure
    return kind(f"{what} does not build", cause=str(found), hint=hint or f"{_advice(found)}; log: {log}")


def _advice(found: Diagnosis) -> str:
    if found.kind == "disk":
        return "free disk space (`farwatch prune` shows what is cached)"
    if found.kind in ("tool", "library"):
        return f"install {package_of(found.missing)}"
    return "correct it" + (f" at {found.where}" if found.where else "")


def _find_disk(lines: Sequence[str]) -> Diagnosis | None:
    for number, line in enumerate(lines):
        if _DISK.search(line):
            return Diagnosis("disk", f"the disk is full: {line.strip()}", command=_failing(lines, number))
    return None


def _find_tool(lines: Sequence[str]) -> Diagnosis | None:
    for number, line in enumerate(lines):
        for pattern in _TOOL:
            if match := pattern.match(line):
                name = match["name"]
                message = f"{name} is not installed ({line.strip()})"
                return Diagnosis("tool", message, command=_failing(lines, number), missing=name)
    return None


def _find_library(lines: Sequence[str]) -> Diagnosis | None:
    for number, line in enumerate(lines):
        if match := _LIBRARY.search(line):
            message = f"the library {match['name']} is not installed ({match[0]})"
            return Diagnosis("library", message, command=_failing(lines, number), missing=match["name"])
    return None


def _match(kind: Kind, pattern: re.Pattern[str]) -> Callable[[Sequence[str], int], Diagnosis | None]:
    def find(lines: Sequence[str], number: int) -> Diagnosis | None:
        match = pattern.match(lines[number])
        if match is None:
            return None
        where = match.groupdict().get("where") or ""
        return Diagnosis(kind, match["message"].strip(), where=where, command=_failing(lines, number))

    return find


def _gcc_error(lines: Sequence[str], number: int) -> Diagnosis | None:
    match = GCC.match(lines[number])
    if match is None or match["kind"] != "error":
        return None
    return Diagnosis("compiler", match["text"].strip(), where=match["place"], command=_failing(lines, number))


def _cargo_error(lines: Sequence[str], number: int) -> Diagnosis | None:
    match = CARGO.match(lines[number])
    if match is None or match["kind"] != "error" or match["text"].startswith(_CARGO_SUMMARY):
        return None
    context = []
    for line in lines[number + 1 : number + 8]:
        if located := CARGO_PLACE.match(line):
            return Diagnosis("cargo", match["text"], where=located["place"], command=_failing(lines, number))
        if CARGO.match(line) or not line.strip():
            break
        context.append(line.strip())
    message = "; ".join([match["text"], *context[:3]])
    return Diagnosis("cargo", message, command=_failing(lines, number))


def _recursive_dependency(lines: Sequence[str], number: int) -> Diagnosis | None:
    if not lines[number].endswith("error: recursive dependency detected!"):
        return None
    chain = [line.strip() for line in lines[number + 1 : number + 12] if line.startswith("\tsymbol")]
    return Diagnosis("kconfig", "recursive dependency: " + "; ".join(chain), command=_failing(lines, number))


_SOURCE_ERRORS: tuple[Callable[[Sequence[str], int], Diagnosis | None], ...] = (
    _match("kconfig", _KCONFIG),
    _recursive_dependency,
    _gcc_error,
    _match("linker", _LD),
    _match("linker", _MODPOST),
    _cargo_error,
)


def _find_source_error(lines: Sequence[str]) -> Diagnosis | None:
    for number in range(len(lines)):
        for find in _SOURCE_ERRORS:
            found = find(lines, number)
            if found is not None:
                return found
    return None


def _find_make(lines: Sequence[str]) -> Diagnosis | None:
    """What is left when no tool said which line is wrong."""
    for number in range(len(lines)):
        for kind, pattern in (("compiler", _CC1), ("linker", _LD_ANY), ("make", _MAKE_RULE)):
            found = _match(kind, pattern)(lines, number)  # type: ignore[arg-type]
            if found is not None:
                return found
    for number, line in enumerate(lines):
        if _MAKE_FAILED.match(line):
            before = next((text.strip() for text in reversed(lines[:number]) if text.strip()), line)
            return Diagnosis("make", before, command=_failing(lines, number))
    return None


def _failing(lines: Sequence[str], number: int) -> str:
    """What make or cargo say was the failing one, at or after an error: its target and rule."""
    for line in lines[number:]:
        if match := _MAKE_FAILED.match(line):
            return f"{match['target']} ({match['rule']}, {match['how']})"
        if match := _CARGO_FAILED.match(line):
            return f"cargo build: {match['message']}"
    return ""
