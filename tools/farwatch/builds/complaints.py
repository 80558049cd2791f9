# SPDX-License-Identifier: GPL-2.0-or-later
"""What compilers and other checkers complain about, and which of it is new.

A line moves when something is put in above it, so two complaints are the same when file and words are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from farwatch.builds.compilers import CARGO, CARGO_PLACE, GCC

_CLIPPY = re.compile(
    r"^(?P<file>[^\s:][^:]*\.rs):(?P<line>\d+):\d+: (?P<kind>warning|error)(?:\[\w+\])?: (?P<text>.+)$"
)
_LINKER = re.compile(r"^(?P<text>(?:\S*ld(?:\.\w+)?|WARNING|WARNING: modpost): (?:warning: )?\S.*)$")
_CARGO_SUMMARY = re.compile(r"generated \d+ warnings?|could not compile|build failed|aborting due to")
_KERNEL_DOC = re.compile(r"^(?:warning|error): (?P<file>[^\s:]+):(?P<line>\d+) (?P<text>.+)$", re.IGNORECASE)
_KERNEL_DOC_OLD = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+): (?:warning|error): (?P<text>.+)$")
_SRCTREE = re.compile(r"^\$ make .*\bsrctree=(?P<sources>\S+)", re.MULTILINE)
"""What make calls the sources, in the command that a log begins with."""
_NUMBER = re.compile(r"0x[0-9a-f]+|\bline \d+|:\d+(?::\d+)?\b")


@dataclass(frozen=True)
class Complaint:
    """One warning or error. What is compared is the file, and the text without numbers of lines."""

    file: str
    text: str
    line: int = field(default=0, compare=False)
    error: bool = field(default=False, compare=False)

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def of_make(log: str) -> list[Complaint]:
    """Those of gcc, sparse and the linker in a log of make; files are named from the top of the sources.

    What a header is blamed for is said for each file that includes it: it counts once.
    """
    told = _SRCTREE.search(log)
    prefix = f"{told['sources'] if told else 'src'}/"
    found = {(said.file, said.line, said.text): said for said in _matches(log, (GCC, _LINKER), prefix)}
    return list(found.values())


def of_clippy(log: str) -> list[Complaint]:
    """Those of `cargo clippy --message-format=short`, each once: a file may be part of several targets."""
    return list(dict.fromkeys(_matches(log, (_CLIPPY,), "")))


def of_kernel_doc(log: str, prefix: str = "") -> list[Complaint]:
    """Those of scripts/kernel-doc, in Python or in Perl; the same one is often printed several times."""
    return list(dict.fromkeys(_matches(log, (_KERNEL_DOC, _KERNEL_DOC_OLD), prefix)))


def of_cargo(log: str) -> list[Complaint]:
    """Those of `cargo build`, whose place is on a line of its own below."""
    found: list[Complaint] = []
    text = ""
    for line in log.splitlines():
        if match := CARGO.match(line):
            text = "" if _CARGO_SUMMARY.search(match["text"]) else match["text"]
        elif text and (place := CARGO_PLACE.match(line)):
            found.append(Complaint(place["file"], text, int(place["line"])))
            text = ""
    return found


def new(
    before: Iterable[Complaint], after: Iterable[Complaint], moved: Mapping[str, str] | None = None
) -> list[Complaint]:
    """Those of `after` that are not in `before`, or more often than there.

    moved: names of files in `before` -> their names in `after`
    """
    names = moved or {}
    known = Counter(_key(replace(entry, file=names.get(entry.file, entry.file))) for entry in before)
    found = []
    for complaint in after:
        key = _key(complaint)
        known[key] -= 1
        if known[key] < 0:
            found.append(complaint)
    return found


def _key(complaint: Complaint) -> tuple[str, str]:
    return complaint.file, _NUMBER.sub("", complaint.text)


def _matches(log: str, patterns: tuple[re.Pattern[str], ...], prefix: str) -> Iterator[Complaint]:
    for line in log.splitlines():
        match = next(filter(None, (pattern.match(line) for pattern in patterns)), None)
        if match is None:
            continue
        parts = match.groupdict()
        file = str(parts.get("file") or "").removeprefix(prefix)
        line_number, error = int(parts.get("line") or 0), parts.get("kind") == "error"
        yield Complaint(file, parts["text"].strip(), line_number, error)
