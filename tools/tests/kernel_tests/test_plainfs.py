# SPDX-License-Identifier: GPL-2.0-or-later
"""The plain FUSE server tells what others do: kernel-tests/plainfs/, with a test for its kernel.

The messages are written out here once more, from the protocol's text, and not taken from the sources.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import socket
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests" / "plainfs"
LIMIT = 10.0
"""Seconds that any answer may take."""
ROOT = 1
(LOOKUP, FORGET, MKDIR, UNLINK, RENAME, INIT, FSNOTIFY) = (1, 2, 9, 10, 12, 26, 54)
WATCH, FETCH, STOP = 1, 2, 3
NOTIFY_FSNOTIFY = 10
INIT_EXT, HAVE_FSNOTIFY = 1 << 30, 1 << 44
MODIFY, ATTRIB, CLOSE_WRITE, OPEN = 0x2, 0x4, 0x8, 0x20
CREATE, DELETE, MOVE_SELF, RENAMED = 0x100, 0x200, 0x800, 0x10000000
ON_CHILD, ON_DIR = 0x08000000, 0x40000000
DEAD, UNLINKED = 1, 4
EVERYTHING = MODIFY | ATTRIB | CLOSE_WRITE | OPEN | CREATE | DELETE | MOVE_SELF | RENAMED | ON_CHILD


@dataclass(frozen=True)
class Record:
    mask: int
    name: str = ""
    nodeid: int = 0
    child: int = 0
    newname: str = ""
    newdir: int = 0
    flags: int = 0


class Kernel:
    """Plays the kernel for a server that runs."""

    def __init__(self, device: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.device = device
        self.process = process
        self.batches = 0
        self._unique = 0
        self._syncs = 0
        self._records: deque[Record] = deque()
        self.generations: dict[int, int] = {ROOT: 0}

    def send(self, opcode: int, nodeid: int, payload: bytes = b"") -> int:
        self._unique += 2
        size = 40 + len(payload)
        head = struct.pack(
            "<IIQQIIIHH", size, opcode, self._unique, nodeid, os.getuid(), os.getgid(), 1, 0, 0
        )
        self.device.sendall(head + payload)
        return self._unique

    def answer(self, unique: int) -> tuple[int, bytes]:
        """errno and payload; what comes meanwhile is kept."""
        while True:
            error, whose, payload = self._message()
            if whose == unique:
                return -error, payload
            assert whose == 0 and error == NOTIFY_FSNOTIFY
            self._take(payload)

    def ask(self, opcode: int, nodeid: int, payload: bytes = b"") -> bytes:
        error, answer = self.answer(self.send(opcode, nodeid, payload))
        assert error == 0, os.strerror(error)
        return answer

    def _message(self) -> tuple[int, int, bytes]:
        data = self.device.recv(1 << 20)
        length, error, unique = struct.unpack_from("<IiQ", data)
        assert length == len(data)
        return error, unique, data[16:]

    def _take(self, payload: bytes) -> None:
        seq, count, spare = struct.unpack_from("<QII", payload)
        self.batches += 1
        assert (seq, spare) == (self.batches, 0) and count > 0 and len(payload) <= 65536 - 16
        at = 16
        for _ in range(count):
            size = struct.unpack_from("<I", payload, at)[0]
            assert size % 8 == 0
            self._records.append(self._record(payload[at : at + size]))
            at += size
        assert at == len(payload)

    def _record(self, data: bytes) -> Record:
        _, flags, mask, name_len, new_len, *ids = struct.unpack_from("<IIIHHQQQQQQ", data)
        name = data[64 : 64 + name_len]
        at = 64 + name_len + bool(name_len)
        newname = data[at : at + new_len]
        assert not data[at + new_len :].strip(b"\0")
        for number, generation in zip(ids[::2], ids[1::2], strict=True):
            assert generation == (self.generations[number] if number else 0)
        return Record(mask, os.fsdecode(name), ids[0], ids[2], os.fsdecode(newname), ids[4], flags)

    def init(self, flags: int = HAVE_FSNOTIFY) -> tuple[int, int]:
        """fsnotify_flags and fsnotify_mask of the answer."""
        low, high = (flags | INIT_EXT) & 0xFFFFFFFF, (flags | INIT_EXT) >> 32
        answer = self.ask(INIT, 0, struct.pack("<IIIII11I", 7, 47, 65536, low, high, *[0] * 11))
        assert len(answer) == 64
        accepted = struct.unpack_from("<I", answer, 12)[0] | struct.unpack_from("<I", answer, 32)[0] << 32
        assert accepted & HAVE_FSNOTIFY == flags
        said: tuple[int, int] = struct.unpack_from("<HI", answer, 42)
        return said

    def entry(self, answer: bytes) -> int:
        nodeid, generation = struct.unpack_from("<QQ", answer)
        self.generations[nodeid] = generation
        return int(nodeid)

    def lookup(self, name: str, parent: int = ROOT) -> int:
        return self.entry(self.ask(LOOKUP, parent, os.fsencode(name) + b"\0"))

    def watch(self, nodeid: int, mask: int = EVERYTHING) -> int:
        payload = struct.pack("<IIIIQQ", WATCH, 0, mask, 0, self.generations[nodeid], 0)
        return int(struct.unpack("<II", self.ask(FSNOTIFY, nodeid, payload))[0])

    def fetch(self, size: int = 8192) -> int:
        return self.send(FSNOTIFY, ROOT, struct.pack("<IIIIQQ", FETCH, 0, 0, size, 0, self.batches))

    def fetched(self, unique: int) -> list[Record]:
        error, payload = self.answer(unique)
        assert error == 0
        return self.taken(payload) if payload else []

    def taken(self, payload: bytes) -> list[Record]:
        """The records of one batch."""
        self._take(payload)
        records = list(self._records)
        self._records.clear()
        return records

    def marks(self) -> int:
        """Of the server, all of them."""
        files = Path(f"/proc/{self.process.pid}/fdinfo").iterdir()
        return sum(file.read_text().count("fanotify ino:") for file in files)

    def told(self, source: Path) -> list[Record]:
        """All records so far: until that of a folder that is made now. The root has to be watched."""
        self._syncs += 1
        last = f"sync-{self._syncs}"
        (source / last).mkdir()
        records: list[Record] = []
        while not records or records[-1].name != last:
            while self._records:
                records.append(self._records.popleft())
                if records[-1].name == last:
                    break
            else:
                _, unique, payload = self._message()
                assert unique == 0
                self._take(payload)
        return records[:-1]

    def all_told(self, source: Path) -> list[Record]:
        """With what is told behind the events that there were when it was found."""
        return self.told(source) + self.told(source)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The server learns of nothing meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        until = time.monotonic() + LIMIT
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < until
        yield
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("plainfs") / "plainfs"
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fsanitize=address,undefined"]
    subprocess.run(["gcc", *flags, "-o", made, *SOURCES.glob("*.c")], check=True)
    return made


@contextmanager
def serving(program: Path, source: Path, options: str) -> Iterator[Kernel]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(LIMIT)
    with ours:
        with theirs:
            number = theirs.fileno()
            command: list[str | Path] = [program, source, f"/dev/fd/{number}", "-o", options]
            process = subprocess.Popen(command, pass_fds=[number])
        yield Kernel(ours, process)
        ours.shutdown(socket.SHUT_WR)
        process.wait(LIMIT)
    assert process.wait(LIMIT) == 0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def kernel(program: Path, source: Path) -> Iterator[Kernel]:
    """It watches the root."""
    with serving(program, source, "fsnotify") as playing:
        _, mask = playing.init()
        if not mask:
            pytest.skip("fanotify does not report names and objects here (Linux 5.17)")
        assert playing.watch(ROOT) == EVERYTHING
        yield playing


def test_a_kernel_that_offers_nothing_is_served(program: Path, source: Path) -> None:
    with serving(program, source, "fsnotify") as kernel:
        assert kernel.init(0) == (0, 0)
        unique = kernel.send(FSNOTIFY, ROOT, struct.pack("<IIIIQQ", WATCH, 0, CREATE, 0, 0, 0))
        assert kernel.answer(unique) == (errno.ENOSYS, b"")


def test_a_file_that_comes_changes_and_goes(kernel: Kernel, source: Path) -> None:
    (source / "f").touch()
    kernel.told(source)
    node = kernel.lookup("f")
    with (source / "f").open("w") as file:
        file.write("text")
    (source / "f").chmod(0o600)
    (source / "f").unlink()
    masks = 0
    for record in kernel.told(source):
        assert (record.name, record.nodeid, record.child) == ("f", ROOT, node)
        masks |= record.mask
    assert masks == OPEN | MODIFY | CLOSE_WRITE | ATTRIB | DELETE


def test_what_the_kernel_has_done_is_no_news(kernel: Kernel, source: Path) -> None:
    kernel.entry(kernel.ask(MKDIR, ROOT, struct.pack("<II", 0o755, 0) + b"own\0"))
    (source / "other").mkdir()
    kernel.ask(RENAME, ROOT, struct.pack("<Q", ROOT) + b"own\0renamed\0")
    assert kernel.told(source) == [Record(CREATE | ON_DIR, "other", ROOT)]


def test_a_rename_is_one_record(kernel: Kernel, source: Path) -> None:
    (source / "to").mkdir()
    (source / "f").mkdir()
    kernel.told(source)
    node, to = kernel.lookup("f"), kernel.lookup("to")
    (source / "f").rename(source / "to" / "g")
    assert kernel.told(source) == [Record(RENAMED | ON_DIR, "f", ROOT, node)]
    kernel.watch(to)
    (source / "to" / "g").rename(source / "h")
    assert kernel.told(source) == [Record(RENAMED | ON_DIR, "g", to, node, "h", ROOT)]
    kernel.watch(node, MOVE_SELF)
    (source / "h").rename(source / "i")
    assert kernel.told(source) == [
        Record(RENAMED | ON_DIR, "h", ROOT, node, "i", ROOT),
        Record(MOVE_SELF | ON_DIR, child=node),
    ]


def test_an_object_alone_has_no_directory(program: Path, source: Path) -> None:
    (source / "d").mkdir()
    (source / "d" / "f").touch()
    with serving(program, source, "fsnotify") as kernel:
        if not kernel.init()[1]:
            pytest.skip("no fanotify here")
        kernel.watch(ROOT, CREATE)
        directory = kernel.lookup("d")
        node = kernel.lookup("f", directory)
        kernel.watch(node, ATTRIB)
        (source / "d" / "f").chmod(0o600)
        assert kernel.told(source) == [Record(ATTRIB, child=node)]


def test_the_end_comes_behind_all_that_was_before(kernel: Kernel, source: Path) -> None:
    (source / "f").touch()
    (source / "other").touch()
    kernel.told(source)
    node = kernel.lookup("f")
    kernel.watch(node)
    with kernel.paused():
        with (source / "f").open("w") as file:
            file.write("text")
        (source / "f").unlink()
        (source / "f").touch()
        (source / "other").unlink()
    records = kernel.all_told(source)
    about = [record for record in records if record.child == node]
    assert about[-1] == Record(0, child=node, flags=DEAD)
    assert [record.flags for record in records].count(DEAD) == 1
    masks = [record.mask for record in about[:-1]]
    assert sum(masks) & (MODIFY | DELETE) == MODIFY | DELETE
    again = next(record for record in records if record.name == "f" and record.mask & CREATE)
    assert again.child == 0


def test_an_object_is_alive_as_long_as_it_has_a_link(kernel: Kernel, source: Path) -> None:
    (source / "f").touch()
    (source / "g").hardlink_to(source / "f")
    kernel.told(source)
    node = kernel.lookup("f")
    kernel.watch(node, ATTRIB)
    (source / "f").unlink()
    assert not any(record.flags for record in kernel.all_told(source))
    with kernel.paused():
        (source / "f").touch()
        (source / "g").unlink()
    assert kernel.all_told(source)[-1] == Record(0, child=node, flags=DEAD)


def test_the_end_of_a_directory_that_is_open(program: Path, source: Path) -> None:
    (source / "d" / "sub").mkdir(parents=True)
    (source / "e").mkdir()
    with serving(program, source, "fsnotify") as kernel:
        if not kernel.init()[1]:
            pytest.skip("no fanotify here")
        kernel.watch(ROOT, CREATE)
        sub = kernel.lookup("sub", kernel.lookup("d"))
        kernel.watch(sub, CREATE)
        (source / "d" / "sub").rename(source / "e" / "sub")
        kernel.told(source)
        (source / "e" / "sub").rmdir()
        assert kernel.all_told(source) == [Record(0, child=sub, flags=DEAD)]
        kernel.watch(sub, 0)
        assert kernel.marks() == 1


def test_what_had_gone_before_it_was_watched(kernel: Kernel, source: Path) -> None:
    (source / "f").touch()
    node = kernel.lookup("f")
    (source / "f").unlink()
    kernel.told(source)
    kernel.watch(node)
    assert kernel.all_told(source) == [Record(0, child=node, flags=DEAD)]


@pytest.mark.parametrize("known", [False, True])
def test_a_directory_has_a_name_in_another(kernel: Kernel, source: Path, known: bool) -> None:
    if not known and os.geteuid():
        pytest.skip("what only a handle is known of can be opened by root (open_by_handle_at(2))")
    (source / "d").mkdir()
    kernel.told(source)
    node = kernel.lookup("d") if known else 0
    (source / "d").chmod(0o700)
    assert kernel.told(source) == [Record(ATTRIB | ON_DIR, "d", ROOT, node)]


def test_a_directory_has_the_name_that_it_had(kernel: Kernel, source: Path) -> None:
    (source / "d").mkdir()
    kernel.told(source)
    node = kernel.lookup("d")
    with kernel.paused():
        (source / "d").chmod(0o700)
        (source / "d").rename(source / "e")
    assert kernel.told(source) == [
        Record(ATTRIB | ON_DIR, "d", ROOT, node),
        Record(RENAMED | ON_DIR, "d", ROOT, node, "e", ROOT),
    ]
    (source / "e").chmod(0o755)
    assert kernel.told(source) == [Record(ATTRIB | ON_DIR, "e", ROOT, node)]


def test_a_name_that_is_gone_is_told_apart(kernel: Kernel, source: Path) -> None:
    with (source / "f").open("w") as file:
        kernel.told(source)
        file.write("before")
        file.flush()
        assert kernel.told(source) == [Record(MODIFY, "f", ROOT)]
        (source / "f").unlink()
        kernel.told(source)
        file.write("after")
        file.flush()
        assert kernel.told(source) == [Record(MODIFY, "f", ROOT, flags=UNLINKED)]


def test_a_name_that_another_one_has_got_is_gone(kernel: Kernel, source: Path) -> None:
    (source / "g").touch()
    with (source / "f").open("w") as file, (source / "h").open("w") as removed:
        (source / "h").unlink()
        kernel.told(source)
        with kernel.paused():
            file.write("before")
            file.flush()
            (source / "g").rename(source / "f")
            removed.write("nowhere")
            removed.flush()
        records = kernel.told(source)
        assert records[:2] == [Record(MODIFY, "f", ROOT), Record(RENAMED, "g", ROOT, 0, "f", ROOT)]
        assert records[2:] == [Record(MODIFY, "h", ROOT, flags=UNLINKED)]
        file.write("after")
        file.flush()
        assert kernel.told(source) == [Record(MODIFY, "f", ROOT, flags=UNLINKED)]


def test_a_folder_that_is_not_known_and_gone_had_a_name(program: Path, source: Path) -> None:
    (source / "old").mkdir()
    with serving(program, source, "fsnotify") as kernel:
        if not kernel.init()[1]:
            pytest.skip("no fanotify here")
        kernel.watch(ROOT, ATTRIB | ON_CHILD | CREATE)
        with kernel.paused():
            (source / "new").mkdir()
            for name in ("old", "new"):
                (source / name).chmod(0o700)
                (source / name).rmdir()
        changed = [record for record in kernel.told(source) if not record.mask & CREATE]
        assert changed == [Record(ATTRIB | ON_DIR, "old", ROOT), Record(ATTRIB | ON_DIR, "new", ROOT)]


def test_the_end_of_a_folder_comes_behind_that_of_what_was_in_it(kernel: Kernel, source: Path) -> None:
    (source / "d" / "in").mkdir(parents=True)
    kernel.told(source)
    folder = kernel.lookup("d")
    kernel.watch(folder)
    with kernel.paused():
        (source / "d").chmod(0o700)
        (source / "d" / "in").rmdir()
        (source / "d").rmdir()
    assert kernel.all_told(source) == [
        Record(ATTRIB | ON_DIR, "d", ROOT, folder),
        Record(DELETE | ON_DIR, "in", folder),
        Record(DELETE | ON_DIR, "d", ROOT, folder),
        Record(0, child=folder, flags=DEAD),
    ]


def test_a_name_that_came_back_is_there(kernel: Kernel, source: Path) -> None:
    (source / "f").touch()
    kernel.told(source)
    with kernel.paused():
        for _ in range(2):
            (source / "g").hardlink_to(source / "f")
            (source / "g").unlink()
        (source / "g").hardlink_to(source / "f")
    masks = [record.mask for record in kernel.told(source) if record.name == "g"]
    assert masks[-1] & (CREATE | DELETE) == CREATE


@pytest.mark.parametrize("times", [2, 3, 4, 5])
def test_what_was_moved_to_and_fro_is_where_it_is(kernel: Kernel, source: Path, times: int) -> None:
    (source / "f").touch()
    kernel.told(source)
    with kernel.paused():
        for here, there in itertools.islice(itertools.cycle((("f", "g"), ("g", "f"))), times):
            (source / here).rename(source / there)
    believed = {(ROOT, "f")}
    believe(kernel.told(source), believed)
    assert believed == {(ROOT, path.name) for path in source.iterdir() if not path.name.startswith("sync-")}


def test_a_forgotten_object_is_not_watched(kernel: Kernel, source: Path) -> None:
    (source / "d").mkdir()
    kernel.told(source)
    before = kernel.marks()
    node = kernel.lookup("d")
    kernel.watch(node)
    assert kernel.marks() == before + 1
    kernel.send(FORGET, node, struct.pack("<Q", 1))
    kernel.lookup("d")
    assert kernel.marks() == before


def test_many_records_are_several_batches(kernel: Kernel, source: Path) -> None:
    with kernel.paused():
        for number in range(3000):
            (source / f"{number:0200}").touch()
    names = [record.name for record in kernel.told(source) if record.mask & CREATE]
    assert names == [f"{number:0200}" for number in range(3000)]
    assert kernel.batches > 3000 * 264 // 65536


def test_fetch_waits_until_there_is_something(program: Path, source: Path) -> None:
    with serving(program, source, "fetch") as kernel:
        flags, mask = kernel.init()
        if not mask:
            pytest.skip("no fanotify here")
        assert flags == 1
        kernel.watch(ROOT, CREATE)
        (source / "before").mkdir()
        assert kernel.fetched(kernel.fetch()) == [Record(CREATE | ON_DIR, "before", ROOT)]
        waiting = kernel.fetch()
        (source / "f").mkdir()
        assert kernel.fetched(waiting) == [Record(CREATE | ON_DIR, "f", ROOT)]
        first, second = kernel.fetch(), kernel.fetch()
        assert kernel.fetched(first) == []
        stop = kernel.send(FSNOTIFY, ROOT, struct.pack("<IIIIQQ", STOP, 0, 0, 0, 0, 0))
        assert kernel.fetched(second) == []
        assert kernel.answer(stop) == (0, b"")
        (source / "g").mkdir()
        assert kernel.fetched(kernel.fetch()) == [Record(CREATE | ON_DIR, "g", ROOT)]


def test_fetch_gets_no_more_than_it_has_room_for(program: Path, source: Path) -> None:
    with serving(program, source, "fetch") as kernel:
        if not kernel.init()[1]:
            pytest.skip("no fanotify here")
        kernel.watch(ROOT, CREATE)
        for number in range(500):
            (source / f"{number:0250}").mkdir()
        names: list[str] = []
        while len(names) < 500:
            waiting = kernel.fetch(8192)
            error, payload = kernel.answer(waiting)
            assert error == 0 and 0 < len(payload) <= 8192
            names += [record.name for record in kernel.taken(payload)]
        assert names == [f"{number:0250}" for number in range(500)]


NAMES = ("a", "b", "c")
STEPS = st.tuples(
    st.sampled_from(("create", "write", "unlink", "rename", "link", "mkdir", "rmdir", "chmod", "breathe")),
    st.sampled_from(("one", "two")),
    st.sampled_from(NAMES),
    st.sampled_from(("one", "two")),
    st.sampled_from(NAMES),
)


def act(step: tuple[str, ...], source: Path) -> None:
    """What is not possible just then does nothing."""
    verb, folder, name, other_folder, other_name = step
    path, other = source / folder / name, source / other_folder / other_name
    with contextlib.suppress(OSError):
        if verb == "create":
            path.touch(exist_ok=False)
        elif verb == "write":
            with path.open("r+") as file:
                file.write("text")
        elif verb == "link":
            other.hardlink_to(path)
        elif verb == "rename":
            path.rename(other)
        elif verb == "chmod":
            path.chmod(0o700)
        elif verb == "mkdir":
            path.mkdir()
        elif verb in ("unlink", "rmdir"):
            getattr(path, verb)()


def believe(records: list[Record], names: set[tuple[int, str]]) -> None:
    """What somebody thinks is there who reads them."""
    for record in records:
        if record.mask & RENAMED:
            names.discard((record.nodeid, record.name))
            names.add((record.newdir, record.newname))
        elif record.mask & DELETE:
            names.discard((record.nodeid, record.name))
        elif record.mask & CREATE:
            names.add((record.nodeid, record.name))


def bursts(steps: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Those between two breaths."""
    for breathe, burst in itertools.groupby(steps, lambda step: step[0] == "breathe"):
        if not breathe:
            yield list(burst)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(STEPS, max_size=6), steps=st.lists(STEPS, max_size=40))
def test_whatever_happens_is_believed_in_the_end(
    program: Path, tmp_path_factory: pytest.TempPathFactory, before: list[Any], steps: list[Any]
) -> None:
    source = tmp_path_factory.mktemp("source")
    for name in ("one", "two"):
        (source / name).mkdir()
    for step in before:
        act(step, source)
    with serving(program, source, "fsnotify") as kernel:
        if not kernel.init()[1]:
            pytest.skip("no fanotify here")
        kernel.watch(ROOT)
        known: dict[int, Path] = {}
        folders = {kernel.lookup(name): source / name for name in ("one", "two")}
        believed: set[tuple[int, str]] = set()
        for number, folder in folders.items():
            kernel.watch(number)
            for path in folder.iterdir():
                believed.add((number, path.name))
                child = kernel.lookup(path.name, number)
                kernel.watch(child)
                known[child] = path
        inodes = {number: path.stat().st_ino for number, path in known.items()}
        opened = [os.open(path, os.O_PATH) for path in known.values()]
        records: list[Record] = []
        for burst in bursts(steps):
            with kernel.paused():
                for step in burst:
                    act(step, source)
            records += kernel.told(source)
        records += kernel.told(source)
        for file in opened:
            os.close(file)
    believe(records, believed)
    there = {(number, path.name) for number, folder in folders.items() for path in folder.iterdir()}
    assert believed == there, records
    left = {path.stat().st_ino for folder in folders.values() for path in folder.iterdir()}
    dead = [record.child for record in records if record.flags & DEAD]
    assert sorted(dead) == sorted(number for number, inode in inodes.items() if inode not in left), records
    for number in dead:
        about = [record for record in records if record.child == number]
        assert about[-1].flags == DEAD, about
