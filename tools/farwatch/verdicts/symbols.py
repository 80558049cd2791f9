# SPDX-License-Identifier: GPL-2.0-or-later
"""Where in the sources the functions of a kernel's report are, if its image knows lines (--flavor debuginfo).

As the kernel's scripts/decode_stacktrace.sh does it: name+0xOFFSET/0xSIZE is looked up in the symbol table,
the address in the debugger's information. What cannot be told for sure is left as it is.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

_FRAME = re.compile(r"([A-Za-z_][\w.]*)\+0x([0-9a-f]+)/0x([0-9a-f]+)")
_AT_FAULT = re.compile(r"\b(?:RIP|EIP): ")
_ANCHOR = ("start_kernel", "init/main.c")
"""A function of every kernel, and where it is: what is before that in a path is the build's folder."""
_LIMIT = 60.0
"""Seconds for one look into an image."""


def symbols_of(image: Path) -> Path:
    """The file with a kernel's symbols: the image itself, unless that is packed."""
    unpacked = image.with_name("vmlinux")
    return unpacked if unpacked.exists() else image


def with_lines(report: str, image: Path) -> str:
    """The report, with file and line behind each function of a stack."""
    lines = report.split("\n")
    frames = {at: frame for at, line in enumerate(lines) if (frame := _FRAME.search(line))}
    symbols = symbols_of(image)
    if not frames or ".debug_line" not in _said("readelf", "--sections", "--wide", symbols):
        return report
    table = _addresses(_said("nm", "--print-size", "--defined-only", symbols))
    places = {at: _address(table, lines[at], frame) for at, frame in frames.items()}
    known = {at: address for at, address in places.items() if address is not None}
    anchor = [address for address, _ in table[_ANCHOR[0]]][:1]
    found = _said("addr2line", "-e", symbols, *(hex(address) for address in [*anchor, *known.values()]))
    for at, place in zip(known, _shortened(found.splitlines(), bool(anchor)), strict=False):
        if place:
            lines[at] += f" ({place})"
    return "\n".join(lines)


def _addresses(said: str) -> dict[str, list[tuple[int, int]]]:
    """Name -> address and size of each function of that name: static ones may be many."""
    table: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for words in (line.split() for line in said.splitlines()):
        if len(words) == 4:
            table[words[3]].append((int(words[0], 16), int(words[1], 16)))
    return table


def _address(table: dict[str, list[tuple[int, int]]], line: str, frame: re.Match[str]) -> int | None:
    """Where a frame was; a call returns to behind itself, which may be the next line already."""
    name, offset, size = frame[1], int(frame[2], 16), int(frame[3], 16)
    starts = [start for start, its_size in table.get(name, []) if its_size == size]
    if len(starts) != 1:
        return None
    return starts[0] + offset - (0 if _AT_FAULT.search(line) or not offset else 1)


def _shortened(places: Sequence[str], has_anchor: bool) -> list[str]:
    """Paths from the top of the sources; "" for what is not known."""
    if not has_anchor or not places:
        return []
    top = places[0].partition(_ANCHOR[1])[0]
    return ["" if place.startswith("??") else place.removeprefix(top).split(" ")[0] for place in places[1:]]


def _said(*words: str | Path) -> str:
    """What a program of binutils prints; nothing if it cannot."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
