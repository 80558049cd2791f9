# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs of a cell: written line by line with a time, read back as one merged timeline.

A cell's folder holds, as far as there was something to write,

  console.log  the guest kernel's console        output.log  what the test program printed
  server.log   the companion server's messages   steps.log   steps of other actors, and their answers
  control.log  requests to the guest's agent, and what it said

each line being `<seconds since the start of the run, monotonic, %.6f> <text>\n` where text may be any bytes,
and cell.json, one JSON object: what was run. Its key "begin" says at which second of that clock the test
program was started (else the mark "farwatch: begin" on the console does); the other keys are shown on top.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError, unknown
from farwatch.terminal.escape import printable, printable_lines

SOURCES = ("control", "steps", "server", "console", "output")
"""Logs by name; among lines of the same microsecond in this order: the cause before what it causes."""
FOLD_ABOVE = 3
"""More equal lines in a row than this become one."""

_STAMPED = re.compile(rb"([0-9]{1,12}\.[0-9]{1,9}) (.*)", re.DOTALL)
_KERNEL_TIME = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\]")
_BEGIN_MARK = "farwatch: begin "
_END_MARK = "farwatch: end "
_UNANSWERED = "virtio-fs: response too short (0)"
"""Comes with each unmount, so it says nothing about a test. virtiofsd 1.14.0 returns the buffer of
FUSE_DESTROY without an answer (server.rs, destroy()), where Linux asks for one (inode.c, fuse_send_destroy())
and looks at its length (virtio_fs.c, virtio_fs_verify_response()). Nobody reads the EIO that follows."""


@dataclass(frozen=True)
class Entry:
    """One line of the timeline, or several equal ones in a row."""

    time: float
    """Seconds since the start of the run."""
    source: str
    text: str
    """Any text: `printable` it before showing it."""
    repeats: int = 1
    until: float = 0.0
    """When the last of the repeats came."""


@dataclass(frozen=True)
class Timeline:
    """What the folder of a cell says, on one clock."""

    folder: Path
    cell: Mapping[str, Any]
    """cell.json; empty when it is missing or damaged."""
    entries: tuple[Entry, ...]
    begin: float
    """Second at which the test began; times are shown relative to it."""
    notes: tuple[str, ...]
    """What is missing or damaged."""


def read_timeline(folder: Path, most: int | None = None) -> Timeline:
    """Merge the logs of a folder. Damage is noted, never fatal; FarwatchError when there is no folder.

    most: bytes that are read of each log, half of them from its end; None: all of it
    """
    if not folder.is_dir():
        raise FarwatchError(
            f"there are no logs in {folder}",
            cause="they were pruned, or the folder was deleted by hand",
            hint="run the cell again: ./farwatch test REV -k TEST --fresh",
        )
    notes: list[str] = []
    cell = _read_cell(folder / "cell.json", notes)
    logs = [list(_read_log(folder / f"{source}.log", source, notes, most)) for source in SOURCES]
    entries = tuple(heapq.merge(*logs, key=lambda entry: entry.time))
    return Timeline(folder, cell, entries, _begin(cell, entries), tuple(notes))


def _read_cell(path: Path, notes: list[str]) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        notes.append(f"{path.name}: {error.strerror}")
        return {}
    except ValueError as error:
        notes.append(f"{path.name}: damaged ({error})")
        return {}
    if not isinstance(content, dict):
        notes.append(f"{path.name}: damaged (not an object)")
        return {}
    return content


def _read_log(path: Path, source: str, notes: list[str], most: int | None) -> Iterator[Entry]:
    """The lines of one log, in their order; the time of a damaged line is that of the line before it."""
    try:
        data = path.read_bytes() if most is None else _ends(path, most, notes)
    except FileNotFoundError:
        notes.append(f"{path.name}: no such file, so nothing was said there")
        return
    except OSError as error:
        notes.append(f"{path.name}: {error.strerror}")
        return
    lines = data.split(b"\n")
    if lines.pop():
        notes.append(f"{path.name}: ends within a line")
        lines = data.split(b"\n")
    yield from _parse(lines, source, path.name, notes)


def _ends(path: Path, most: int, notes: list[str]) -> bytes:
    """A log, or whole lines of its begin and its end."""
    with path.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        if size <= most:
            return log.read(most)
        head = log.read(most // 2)
        log.seek(size - most // 2)
        tail = log.read(most // 2)
    kept = head[: head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :]
    notes.append(f"{path.name}: {size - len(kept)} bytes of its middle are left out here")
    return kept


def _parse(lines: Sequence[bytes], source: str, name: str, notes: list[str]) -> Iterator[Entry]:
    now, damaged, backwards = 0.0, 0, 0
    for line in lines:
        match = _STAMPED.fullmatch(line)
        time = float(match[1]) if match else now
        damaged += match is None
        backwards += time < now
        now = max(now, time)
        text = match[2] if match else line
        yield Entry(now, source, text.rstrip(b"\r").decode("utf-8", "backslashreplace"))
    if damaged:
        notes.append(f"{name}: {damaged} without a time, put after the line before")
    if backwards:
        notes.append(f"{name}: time goes back {backwards} times")


def _begin(cell: Mapping[str, Any], entries: Sequence[Entry]) -> float:
    said = cell.get("begin")
    if isinstance(said, int | float) and math.isfinite(said):
        return float(said)
    marks = (entry.time for entry in entries if entry.source == "console" and _BEGIN_MARK in entry.text)
    return next(marks, entries[0].time if entries else 0.0)


def only(timeline: Timeline, sources: Iterable[str]) -> Timeline:
    """The timeline with these sources alone (none named: all). FarwatchError for an unknown one."""
    wanted = frozenset(sources)
    for source in sorted(wanted - set(SOURCES)):
        raise unknown("source", source, SOURCES)
    if not wanted:
        return timeline
    return replace(timeline, entries=tuple(entry for entry in timeline.entries if entry.source in wanted))


def fold(entries: Iterable[Entry], above: int = FOLD_ABOVE) -> Iterator[Entry]:
    """Make one entry of more than `above` lines in a row that are equal but for the kernel's own time."""
    run: list[Entry] = []
    for entry in entries:
        if run and not _same(run[0], entry):
            yield from _folded(run, above)
            run = []
        run.append(entry)
    yield from _folded(run, above)


def _same(one: Entry, other: Entry) -> bool:
    return one.source == other.source and _KERNEL_TIME.sub("", one.text) == _KERNEL_TIME.sub("", other.text)


def _folded(run: list[Entry], above: int) -> list[Entry]:
    return run if len(run) <= above else [replace(run[0], repeats=len(run), until=run[-1].time)]


# -- showing


def _without_unmount(entries: Sequence[Entry]) -> list[Entry]:
    """Without what the kernel says of the unmount that ends a run: its last word before the end mark.

    Anywhere else the same words mean a request that was to be answered, and was not.
    """
    console = [place for place, entry in enumerate(entries) if entry.source == "console"]
    ends = {
        before
        for before, place in itertools.pairwise(console)
        if _message(entries[before]) == _UNANSWERED and _message(entries[place]).startswith(_END_MARK)
    }
    return [entry for place, entry in enumerate(entries) if place not in ends]


def _message(entry: Entry) -> str:
    """What the kernel said, without its time."""
    return _KERNEL_TIME.sub("", entry.text).strip()


def show(folder: Path, sources: Iterable[str] = (), above: int = FOLD_ABOVE) -> list[str]:
    """The timeline of a folder as plain lines, what was run on top, what is damaged at the end."""
    timeline = only(read_timeline(folder), sources)
    head = [label + value for label, value in facts(timeline)]
    body = [" ".join(fields) for fields in timeline_fields(timeline, above)]
    return [*head, "", *body, *(f"note: {printable(note)}" for note in timeline.notes)]


def timeline_fields(timeline: Timeline, above: int = FOLD_ABOVE) -> Iterator[tuple[str, str, str]]:
    """Time relative to the begin of the test, source, and text of each line to show, all printable."""
    for entry in fold(_without_unmount(timeline.entries), above):
        text = printable(entry.text.expandtabs())
        if entry.repeats > 1:
            text += f" … {entry.repeats} times until {entry.until - timeline.begin:+.6f}"
        yield f"{entry.time - timeline.begin:+12.6f}", f"{entry.source:7}", text


def facts(timeline: Timeline) -> list[tuple[str, str]]:
    """Label and value of what cell.json says, printable, the cell's name and verdict first.

    Of a text of several lines all but the first have a label of blanks.
    """
    rest = dict(timeline.cell)
    column, test = rest.pop("column", None), rest.pop("test", None)
    verdict, title = rest.pop("verdict", None), rest.pop("title", None)
    rest.pop("begin", None)
    first = {
        "cell": "/".join(_words(part) for part in (column, test) if part),
        "verdict": ": ".join(_words(part) for part in (verdict, title) if part),
    }
    values = {**{name: value for name, value in first.items() if value}, **rest}
    return [
        fact
        for name, value in {**values, "logs": str(timeline.folder)}.items()
        for text in _value_texts(value)
        for fact in _labelled(printable(name) + ": ", text)
    ]


def _labelled(label: str, text: str) -> list[tuple[str, str]]:
    first, *rest = printable_lines(text).split("\n")
    return [(label, first), *((" " * len(label), line) for line in rest)]


def _value_texts(value: object) -> list[str]:
    """A list of command lines is a text each; anything else is one text."""
    if isinstance(value, list) and all(isinstance(item, list) for item in value):
        return [shlex.join(map(str, item)) for item in value]
    return [_words(value)]


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return str(value)
