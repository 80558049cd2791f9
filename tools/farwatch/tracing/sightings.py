# SPDX-License-Identifier: GPL-2.0-or-later
"""What each layer has seen, out of what it printed: the watchers, the server, the guest's kernel.

Formats: kernel-tests/guest/observe.c; "fsnotify:" lines of the server's log (account.rs of virtiofsd's
series); fuse_fsnotify_* of fs/fuse/fuse_trace.h.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from farwatch.errors import FarwatchError
from farwatch.tracing.words import ALL, EVENTS, OVERFLOW, RENAME, Key, bits, name_of, names_of

_NANO = 1e-9
_DEAD, _LOST, _UNLINKED = 1, 2, 4
"""Flags of a record: enum fuse_fsnotify_flags of include/uapi/linux/fuse.h."""


@dataclass(frozen=True)
class Sighting:
    """Something that a layer has seen: one event, or several in one."""

    time: float
    """On the run's clock, seconds."""
    keys: frozenset[Key]
    text: str
    fate: str = ""
    """Why it goes no further; empty: it goes on."""


@dataclass(frozen=True)
class Watching:
    """What a watcher (observe.c) has printed."""

    events: tuple[Sighting, ...] = ()
    late: tuple[Sighting, ...] = ()
    """Behind the sentinel."""
    watches: tuple[str, ...] = ()
    overflows: int = 0
    complete: bool = False
    """The sentinel has come."""
    tracepoints: int = -1
    """Of fs/fuse about events of others; -1: the kernel has no tracefs."""
    drift: float = 0.0
    """Seconds by which its times may be wrong."""
    trace: tuple[str, ...] = ()
    """Lines of the kernel's buffer, on the watcher's clock."""
    ahead: float = 0.0
    """Seconds that the run's clock is ahead of the watcher's."""


def watching(lines: Iterable[str], ahead: float | None = None) -> Watching:
    """ahead: what the run's clock is ahead of the watcher's, where that does not say so itself, seconds."""
    reader = _WatcherLines(0.0 if ahead is None else ahead)
    for line in lines:
        word, _, rest = line.partition(" ")
        if handle := _HANDLERS.get(word):
            try:
                handle(reader, rest)
            except (ValueError, IndexError) as error:
                raise FarwatchError(f"the watcher printed '{line}'", cause=str(error)) from error
    return Watching(
        tuple(reader.events),
        tuple(reader.late),
        tuple(reader.watches.values()),
        reader.overflows,
        reader.complete,
        reader.tracepoints,
        reader.drift,
        tuple(reader.trace),
        reader.ahead,
    )


class _WatcherLines:
    """The lines of observe.c, as they come."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self.drift = 0.0
        self.watches: dict[int, str] = {}
        self.events: list[Sighting] = []
        self.late: list[Sighting] = []
        self.overflows = 0
        self.complete = False
        self.tracepoints = -1
        self.trace: list[str] = []

    def clock(self, rest: str) -> None:
        low, high = map(int, rest.split())
        self.ahead = (low + high) / 2 * _NANO
        self.drift = (high - low) / 2 * _NANO

    def watch(self, rest: str) -> None:
        number, path = rest.split()
        self.watches[int(number)] = _plain(path)

    def event(self, rest: str) -> None:
        time, on, mask, _cookie, name = rest.split()
        if int(mask, 16) & OVERFLOW:
            self.overflows += 1
        else:
            self._add(time, [(on, int(mask, 16), name)])

    def rename(self, rest: str) -> None:
        time, on, _mask, _cookie, name, to, new_name = rest.split()
        self._add(time, [(on, EVENTS["moved_from"], name), (to, EVENTS["moved_to"], new_name)])

    def _add(self, time: str, parts: Sequence[tuple[str, int, str]]) -> None:
        """fanotify says "." of a folder itself; it joins events, and a program reads one after the other."""
        when = int(time) * _NANO + self.ahead
        for on, mask, name in parts:
            watch = self.watches.get(int(on))
            if watch is None:
                continue
            for bit in bits(mask):
                plain = _plain(name)
                key = Key(watch, bit, "" if plain == "." else plain)
                events = self.late if self.complete else self.events
                events.append(Sighting(when, frozenset([key]), str(key)))

    def points(self, rest: str) -> None:
        self.tracepoints = int(rest)

    def line(self, rest: str) -> None:
        self.trace.append(rest)

    def begin(self, rest: str) -> None:
        """Both watchers look for folders, of which they hear, too."""
        del rest
        self.events.clear()

    def end(self, rest: str) -> None:
        del rest
        self.complete = True


_HANDLERS = {
    "clock": _WatcherLines.clock,
    "watch": _WatcherLines.watch,
    "event": _WatcherLines.event,
    "rename": _WatcherLines.rename,
    "tracepoints": _WatcherLines.points,
    "trace": _WatcherLines.line,
    "begin": _WatcherLines.begin,
    "end": _WatcherLines.end,
}


def _plain(field: str) -> str:
    return "" if field == "%" else unquote(field, errors="surrogateescape")


# -- records, as the server sends and the kernel gets them


@dataclass(frozen=True)
class _Record:
    mask: int
    flags: int
    node: int
    name: str
    child: int
    newdir: int
    new_name: str

    def keys(self, paths: Mapping[int, str]) -> Iterator[Key]:
        """The events that a program can read of it."""
        dir_, child = paths.get(self.node), paths.get(self.child)
        if self.flags & _DEAD and child is not None:
            yield Key(child, EVENTS["delete_self"])
        if self.mask & RENAME:
            new = paths.get(self.newdir)
            if dir_ is not None:
                yield Key(dir_, EVENTS["moved_from"], self.name)
            if new is not None:
                yield Key(new, EVENTS["moved_to"], self.new_name)
        for bit in bits(self.mask):
            if dir_ is not None:
                yield Key(dir_, bit, self.name)
            if child is not None:
                yield Key(child, bit)

    def text(self, paths: Mapping[int, str]) -> str:
        if self.flags & _LOST:
            return "overflow"
        if self.flags & _DEAD:
            return f"the end of {_known(paths, self.child)}"
        words = "RENAME" if self.mask & RENAME else names_of(self.mask & ALL)
        if self.node:
            words += f' "{self.name}" in {_known(paths, self.node)}'
        elif self.child:
            words += f" of {_known(paths, self.child)}"
        if self.newdir:
            words += f' to "{self.new_name}" in {_known(paths, self.newdir)}'
        return words + (", without a name" if self.flags & _UNLINKED else "")


def _known(paths: Mapping[int, str], node: int) -> str:
    return paths.get(node, f"node {node}")


# -- the server

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_SAID = re.compile(r"fsnotify: (?:(\d+\.\d+): )?(.*)$")
_WATCH = re.compile(rf"watch (\d+) for ([0-9a-f]+)(?: at Ok\({_QUOTED}\): (.*))?$")
_EVENT = re.compile(
    rf"event ([0-9a-f]+) on \[([\d, ]*)\](?: in \[([\d, ]*)\] {_QUOTED})?"
    rf"(?: to \[([\d, ]*)\] {_QUOTED})?: (.*)$"
)
_RECORD = re.compile(
    rf"record ([0-9a-f]+) flags ([0-9a-f]+) node (\d+) {_QUOTED} child (\d+) "
    rf"newdir (\d+) {_QUOTED}$"
)
_BATCH = re.compile(r"(?:batch \d+ fetched, records (\d+)|notified)$")
_ACCOUNT = re.compile(r"(seen \d+ .*)$")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(.))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


@dataclass(frozen=True)
class Asked:
    """The server was asked to watch something, from then on."""

    time: float
    path: str
    mask: int
    """0: no more."""
    trouble: str = ""


@dataclass(frozen=True)
class ServerLog:
    """What a server's log says."""

    speaks: bool = False
    """It says something about events at all."""
    asked: tuple[Asked, ...] = ()
    read: tuple[Sighting, ...] = ()
    made: tuple[Sighting, ...] = ()
    sent: tuple[Sighting, ...] = ()
    paths: Mapping[int, str] = field(default_factory=dict)
    """Of the guest's nodes that are watched."""
    account: str = ""


def server_log(lines: Iterable[tuple[float, str]], folder: str, ahead: float) -> ServerLog:
    """folder: what the watcher works in, as the end of the path that the server has for it.

    ahead: what the run's clock is ahead of the host's, seconds; a line says when it was true, not when it was
    heard
    """
    reader = _ServerReader(folder)
    for heard, line in lines:
        if match := _SAID.search(line):
            reader.line(float(match[1]) + ahead if match[1] else heard, match[2])
    return reader.log()


class _ServerReader:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._speaks = False
        self._paths: dict[int, str] = {}
        self._asked: list[Asked] = []
        self._read: list[Sighting] = []
        self._made: list[Sighting] = []
        self._sent: list[Sighting] = []
        self._account = ""

    def line(self, time: float, line: str) -> None:
        self._speaks = True
        if match := _WATCH.match(line):
            self._watch(time, match)
        elif match := _EVENT.match(line):
            self._event(time, match)
        elif match := _RECORD.match(line):
            self._record(time, match)
        elif match := _BATCH.match(line):
            self._batch(time, int(match[1] or 1))
        elif match := _ACCOUNT.match(line):
            self._account = match[1]

    def _watch(self, time: float, match: re.Match[str]) -> None:
        node, mask = int(match[1]), int(match[2], 16)
        if match[3] is not None and (path := self._inside(_unescaped(match[3]))) is not None:
            self._paths[node] = path
        trouble = "" if match[4] in (None, "Ok(())") else match[4]
        if node in self._paths:
            self._asked.append(Asked(time, self._paths[node], 0 if trouble else mask, trouble))

    def _inside(self, path: str) -> str | None:
        """A path as the watcher has it; None for what it does not watch."""
        if path.endswith(self._folder):
            return "."
        _, found, rest = path.partition(f"{self._folder}/")
        return rest if found else None

    def _event(self, time: float, match: re.Match[str]) -> None:
        mask, fate = int(match[1], 16), match[7]
        keys = set[Key]()
        for node in _numbers(match[2]):
            keys |= set(self._on(mask, self._paths.get(node)))
        renamed = mask & RENAME
        for place, name, moved in ((3, 4, "moved_from"), (5, 6, "moved_to")):
            for node in _numbers(match[place]):
                if (path := self._paths.get(node)) is not None:
                    happened = [EVENTS[moved]] if renamed else bits(mask)
                    keys |= {Key(path, bit, _unescaped(match[name])) for bit in happened}
        gone = "" if fate.startswith("records") else fate
        if keys or mask & OVERFLOW:
            what = _event_text(mask, match)
            self._read.append(Sighting(time, frozenset(keys), f"{what}: {fate}", gone))

    def _on(self, mask: int, path: str | None) -> Iterator[Key]:
        """What an event on an object is to those who watch that, or, if it is a folder, the one around."""
        if path is None:
            return
        for bit in bits(mask):
            yield Key(path, EVENTS["delete_self"] if bit == EVENTS["delete"] else bit)
            around = PurePosixPath(path)
            if path != ".":
                yield Key(str(around.parent), bit, around.name)

    def _record(self, time: float, match: re.Match[str]) -> None:
        record = _record_of(match, _unescaped)
        keys = frozenset(record.keys(self._paths))
        self._made.append(Sighting(time, keys, record.text(self._paths)))

    def _batch(self, time: float, count: int) -> None:
        """Records go out in the order in which they were made."""
        start = len(self._sent)
        self._sent += [
            Sighting(time, record.keys, f"with {count - 1} others" if count > 1 else "alone")
            for record in self._made[start : start + count]
        ]

    def log(self) -> ServerLog:
        return ServerLog(
            self._speaks,
            tuple(self._asked),
            tuple(self._read),
            tuple(self._made),
            tuple(self._sent),
            self._paths,
            self._account,
        )


def _numbers(text: str | None) -> list[int]:
    return [int(number) for number in (text or "").split(",") if number.strip()]


def _event_text(mask: int, match: re.Match[str]) -> str:
    what = "overflow" if mask & OVERFLOW else "RENAME" if mask & RENAME else names_of(mask & ALL)
    name = f' "{_unescaped(match[4])}"' if match[4] is not None else ""
    new_name = f' to "{_unescaped(match[6])}"' if match[6] is not None else ""
    return f"{what}{name}{new_name}"


def _record_of(match: re.Match[str], plain: Callable[[str], str]) -> _Record:
    return _Record(
        int(match[1], 16),
        int(match[2], 16),
        int(match[3]),
        plain(match[4]),
        int(match[5]),
        int(match[6]),
        plain(match[7]),
    )


def _unescaped(text: str) -> str:
    """Undo escape_ascii() and Debug of Rust: bytes that are no text become what Python makes of them."""

    def one(match: re.Match[str]) -> bytes:
        if match[1]:
            return bytes([int(match[1], 16)])
        return _ESCAPES.get(match[2], match[2]).encode("utf-8", "surrogateescape")

    data, at = b"", 0
    for match in _ESCAPE.finditer(text):
        data += text[at : match.start()].encode("utf-8", "surrogateescape") + one(match)
        at = match.end()
    return (data + text[at:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


# -- the guest's kernel

_STAMP = r"\s(\d+\.\d+): "
_TRACED_RECORD = re.compile(
    r"fuse_fsnotify_record: connection \d+ mask ([0-9a-f]+) flags ([0-9a-f]+) node (\d+) name (.*) "
    r"child (\d+) newdir (\d+) newname (.*?)( \(unknown here\))?$"
)
_TRACED_WATCH = re.compile(
    r"fuse_fsnotify_watch: connection \d+ node (\d+) mask ([0-9a-f]+) granted ([0-9a-f]+) error (-?\d+)"
)
_TIME = re.compile(_STAMP)


@dataclass(frozen=True)
class KernelTrace:
    """What the guest's kernel has traced."""

    records: tuple[Sighting, ...] = ()
    granted: Mapping[str, int] = field(default_factory=dict)
    """What is watched -> events of it that the server has agreed to tell, at last."""
    overflows: int = 0

    @property
    def account(self) -> str:
        unknown = sum(bool(record.fate) for record in self.records)
        return f"records {len(self.records)} unknown {unknown} overflows {self.overflows}"


def kernel_trace(lines: Iterable[str], paths: Mapping[int, str], ahead: float) -> KernelTrace:
    """paths: of the nodes that are watched."""
    records, granted, overflows = [], dict[str, int](), 0
    for line in lines:
        overflows += "fuse_fsnotify_overflow:" in line
        stamp = _TIME.search(line)
        time = float(stamp[1]) + ahead if stamp else 0.0
        if match := _TRACED_RECORD.search(line):
            record = _record_of(match, str)
            fate = "the guest's kernel does not know the object (any more)" if match[8] else ""
            text = record.text(paths) + (" (unknown here)" if match[8] else "")
            records.append(Sighting(time, frozenset(record.keys(paths)), text, fate))
        elif (match := _TRACED_WATCH.search(line)) and int(match[2], 16) and int(match[1]) in paths:
            granted[paths[int(match[1])]] = int(match[3], 16)
    return KernelTrace(tuple(records), granted, overflows)


def refused(key: Key, granted: Mapping[str, int]) -> str:
    """Why the server tells nothing of an event; empty if it has agreed to, or that is not known."""
    told = granted.get(key.watch)
    if told is None or key.bit & told or key.bit == EVENTS["delete_self"]:
        return ""
    return f"the server has agreed to tell {names_of(told)}, not {name_of(key.bit)}"
