# SPDX-License-Identifier: GPL-2.0-or-later
"""The step protocol as kernel-tests/steps.c really speaks it, over pipes and a terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import select
import shutil
import signal
import socket
import stat
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests"
SOURCE_NAMES = (
    *("steps.c", "paths.c", "verbs.c", "keeper.c", "serve.c", "ask.c"),
    *("script.c", "run.c", "workloads.c"),
)
LIMIT = 5.0
"""Seconds that any answer may take."""
PLAIN = (string.ascii_letters + string.digits + "._/+:=@,-").encode()
LINE_MAX = 4096


def escape(data: bytes) -> bytes:
    return b"".join(bytes([c]) if c in PLAIN else b"%%%02X" % c for c in data) or b"%"


def compile_with_steps(source: Path, program: Path) -> Path:
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCES}"]
    sources = [SOURCES / name for name in SOURCE_NAMES]
    words: list[str | Path] = ["gcc", *flags, "-o", program, source, *sources]
    subprocess.run(words, check=True, cwd=SOURCES)
    return program


@pytest.fixture(scope="session")
def actor_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_with_steps(SOURCES / "guest" / "actor.c", tmp_path_factory.mktemp("bin") / "actor")


@pytest.fixture(scope="session")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("bin") / "asker"
    return compile_with_steps(Path(__file__).with_name("steps_asker.c"), program)


def read_line(fd: int, rest: bytearray) -> bytes:
    """One line without its newline; TimeoutError or EOFError if none comes."""
    end = time.monotonic() + LIMIT
    while b"\n" not in rest:
        if not select.select([fd], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"no answer, only {bytes(rest)!r}")
        data = os.read(fd, 65536)
        if not data:
            raise EOFError(bytes(rest))
        rest += data
    line, _, tail = bytes(rest).partition(b"\n")
    rest[:] = tail
    return line


class Actor:
    """A running actor program and the folder that it may work in."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder
        self.child = subprocess.Popen(
            [program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._rest = bytearray()
        self._seq = 0

    def send(self, data: bytes) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(data)

    def line(self) -> bytes:
        assert self.child.stdout is not None
        return read_line(self.child.stdout.fileno(), self._rest)

    def ask(self, *fields: bytes | str, actor: str = "host") -> tuple[int, list[bytes]]:
        """Carry out one step: its errno and its values."""
        self._seq += 1
        data = [field.encode() if isinstance(field, str) else field for field in fields]
        self.send(b" ".join([b"%d 5000" % self._seq, actor.encode(), *map(escape, data)]) + b"\n")
        seq, code, *values = self.line().split(b" ")
        assert int(seq) == self._seq
        return int(code), values

    def do(self, *fields: bytes | str) -> list[bytes]:
        code, values = self.ask(*fields)
        assert code == 0, f"{fields}: {os.strerror(code)}"
        return values

    def end(self) -> bytes:
        """What is still answered once the requests have ended."""
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.close()
        rest = bytes(self._rest) + (self.child.stdout.read() or b"")
        assert self.child.wait(LIMIT) == 0
        return rest

    def stop(self) -> None:
        self.child.kill()
        with self.child:
            pass


@pytest.fixture
def actor(actor_program: Path, tmp_path: Path) -> Iterator[Actor]:
    folder = tmp_path / "share"
    folder.mkdir()
    playing = Actor(actor_program, folder)
    yield playing
    playing.stop()


# -- each verb does what it is named after ---------------------------------------


def test_create_takes_the_mode_as_it_is(actor: Actor) -> None:
    actor.do("create", "a", "666")
    assert stat.S_IMODE((actor.folder / "a").stat().st_mode) == 0o666
    assert actor.ask("create", "a", "644")[0] == errno.EEXIST


def test_names_may_hold_any_byte(actor: Actor) -> None:
    names = [b"a b\n%", b"\xff\x01", bytes(range(1, 47)), bytes(range(48, 256)), b"...", b"-"]
    for name in names:
        actor.do("create", name, "644")
    assert {os.fsencode(path.name) for path in actor.folder.iterdir()} == set(names)


def test_write_append_truncate(actor: Actor) -> None:
    file = actor.folder / "a"
    file.write_bytes(b"0123456789")
    actor.do("write", "a", "3", b"\xff \n")
    assert file.read_bytes() == b"012\xff \n6789"
    actor.do("append", "a", "end")
    assert file.read_bytes().endswith(b"6789end")
    actor.do("truncate", "a", "2")
    assert file.read_bytes() == b"01"


def test_directories(actor: Actor) -> None:
    actor.do("mkdir", "d", "777")
    assert stat.S_IMODE((actor.folder / "d").stat().st_mode) == 0o777
    actor.do("create", "d/f", "600")
    assert actor.ask("rmdir", "d")[0] == errno.ENOTEMPTY
    actor.do("unlink", "d/f")
    actor.do("rmdir", "d")
    assert not list(actor.folder.iterdir())


def test_rename_with_its_flags(actor: Actor) -> None:
    for name in "ab":
        (actor.folder / name).write_text(name)
    actor.do("rename", "a", "b", "exchange")
    assert (actor.folder / "a").read_text() == "b"
    assert actor.ask("rename", "a", "b", "noreplace")[0] == errno.EEXIST
    actor.do("rename", "a", "b")
    assert [path.name for path in actor.folder.iterdir()] == ["b"]
    assert actor.ask("rename", "b", "c", "nonsense")[0] == errno.EINVAL


def test_links(actor: Actor) -> None:
    actor.do("create", "a", "644")
    actor.do("link", "a", "b")
    assert (actor.folder / "a").stat().st_nlink == 2
    actor.do("symlink", "/any where/../%", "l")
    assert str((actor.folder / "l").readlink()) == "/any where/../%"


def test_attributes(actor: Actor) -> None:
    actor.do("create", "a", "644")
    actor.do("chmod", "a", "4711")
    actor.do("utimes", "a", "1000000001", "1700000000123456789")
    status = (actor.folder / "a").stat()
    assert stat.S_IMODE(status.st_mode) == 0o4711
    assert (status.st_atime_ns, status.st_mtime_ns) == (1000000001, 1700000000123456789)


def test_extended_attributes(actor: Actor) -> None:
    file = actor.folder / "a"
    actor.do("create", "a", "644")
    code, _ = actor.ask("setxattr", "a", "user.x", b"\xfe ")
    if code == errno.EOPNOTSUPP:
        pytest.skip("no user attributes on this file system")
    assert os.getxattr(file, "user.x") == b"\xfe "
    actor.do("removexattr", "a", "user.x")
    assert os.listxattr(file) == []
    assert actor.ask("removexattr", "a", "user.x")[0] == errno.ENODATA


def test_handles(actor: Actor) -> None:
    (actor.folder / "a").write_bytes(b"\x00\x7fx")
    actor.do("open", "a", "rw", "7")
    assert actor.do("read", "7", "2") == [b"%00%7F"]
    actor.do("pwrite", "7", "0", "new")
    assert actor.do("read", "7", "1024") == [b"w"]
    assert actor.do("read", "7", "1024") == [b"%"]
    actor.do("unlink", "a")
    actor.do("close", "7")
    assert actor.ask("close", "7")[0] == errno.EBADF


def test_ways_to_open(actor: Actor) -> None:
    (actor.folder / "a").write_text("x")
    for handle, flags in enumerate(("r", "w", "rw", "a")):
        actor.do("open", "a", flags, str(handle))
    assert actor.ask("pwrite", "0", "0", "y")[0] == errno.EBADF
    assert actor.ask("read", "1", "1")[0] == errno.EBADF
    actor.do("pwrite", "3", "0", "z")
    assert (actor.folder / "a").read_text() == "xz"
    actor.do("open", ".", "d", "4")
    assert actor.ask("open", "a", "d", "5")[0] == errno.ENOTDIR
    assert actor.ask("open", ".", "w", "5")[0] == errno.EISDIR


def test_stat_tells_all(actor: Actor) -> None:
    (actor.folder / "a").write_text("four")
    status = (actor.folder / "a").stat()
    want = [status.st_nlink, status.st_size, f"{status.st_mode:o}", status.st_mtime_ns, status.st_ino]
    assert [value.decode() for value in actor.do("stat", "a")] == list(map(str, want))


def test_fill_and_clear(actor: Actor) -> None:
    actor.do("mkdir", "d", "755")
    actor.do("fill", "d", "n ", "300")
    assert {path.name for path in (actor.folder / "d").iterdir()} == {f"n {i}" for i in range(300)}
    actor.do("clear", "d", "n ", "300")
    assert not list((actor.folder / "d").iterdir())
    assert actor.ask("clear", "d", "n ", "1")[0] == errno.ENOENT


def test_stamps_are_readings_of_a_clock_that_goes_on(actor: Actor) -> None:
    actor.do("mkdir", "d", "755")
    actor.do("stamp", "d", "20", "10")
    """Each name has when its call began, and when the one before it was over."""
    names = sorted(path.name for path in (actor.folder / "d").iterdir())
    pairs = [tuple(int(part, 16) for part in name.split("-")) for name in names]
    last, *calls = pairs
    assert len(calls) == 20 and last[0] == 0 and calls[0][1] == 0
    ends = [end for _, end in calls[1:]] + [last[1]]
    readings = [reading for (begin, _), end in zip(calls, ends, strict=True) for reading in (begin, end)]
    assert readings == sorted(set(readings))


def test_fill_minds_its_deadline(actor: Actor) -> None:
    actor.send(b"1 20 host fill . f 1000000\n")
    assert actor.line() == b"1 %d" % errno.ETIMEDOUT


def test_a_file_gets_its_name_last(actor: Actor) -> None:
    code, _ = actor.ask("tmpfile", ".", "0")
    if code == errno.EOPNOTSUPP:
        pytest.skip("no O_TMPFILE on this file system")
    actor.do("pwrite", "0", "0", "core")
    assert not list(actor.folder.iterdir())
    actor.do("fsync", "0")
    actor.do("flink", "0", "a")
    assert (actor.folder / "a").read_text() == "core"
    assert actor.ask("flink", "0", "a")[0] == errno.EEXIST


def test_drop_closes_all(actor: Actor) -> None:
    (actor.folder / "a").touch()
    for handle in "07":
        actor.do("open", "a", "r", handle)
    actor.do("drop")
    assert [actor.ask("close", handle)[0] for handle in "07"] == [errno.EBADF] * 2


# -- scripts, and workloads ----------------------------------------------------------


def test_a_script_is_played_in_its_folder(actor: Actor) -> None:
    actor.do("mkdir", "d", "755")
    actor.do("script", "mkdir e 755\ncreate e/a%20b 644\n")
    actor.do("script", "unlink none\nappend e/a%20b text\n")
    assert actor.do("play", "d") == [f"0,0,{errno.ENOENT},0".encode()]
    assert (actor.folder / "d" / "e" / "a b").read_text() == "text"
    assert actor.ask("play", "d")[0] == errno.ENODATA


def test_a_script_is_timed(actor: Actor) -> None:
    actor.do("script", "create a 644\nunlink none\n")
    before = time.monotonic_ns()
    begin, results = actor.do("timed", ".")
    after = time.monotonic_ns()
    errors, ends = zip(*(result.split(b"@") for result in results.split(b",")), strict=True)
    assert errors == (b"0", b"%d" % errno.ENOENT)
    assert before <= int(begin) and int(ends[0]) <= int(ends[1]) <= (after - int(begin)) // 1000


def test_a_script_stays_in_its_folder(actor: Actor) -> None:
    actor.do("mkdir", "d", "755")
    lines = ["create ../out 644", "create /tmp/out 644", "script nop", "play .", "run . need sh"]
    actor.do("script", "".join(f"{line}\n" for line in lines))
    refusals = [errno.EXDEV, errno.EXDEV, errno.EINVAL, errno.EINVAL, errno.EINVAL]
    assert actor.do("play", "d") == [",".join(map(str, refusals)).encode()]
    assert [path.name for path in actor.folder.iterdir()] == ["d"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("create a 644", errno.EBADMSG),
        ("create a 644\n\n", errno.EBADMSG),
        ("create a 644\nnop %zz\n", errno.EBADMSG),
        ("create a 644\nnop a%00b\n", errno.EINVAL),
        ("create a 644\nnop 1 2 3 4 5 6 7 8\n", errno.E2BIG),
        ("nop\n" * 901, errno.E2BIG),
    ],
)
def test_a_script_that_is_malformed_does_nothing(actor: Actor, text: str, code: int) -> None:
    for start in range(0, len(text), 1000):
        actor.do("script", text[start : start + 1000])
    assert actor.ask("play", ".")[0] == code
    assert not list(actor.folder.iterdir())
    for _ in range(3):
        actor.do("script", "nop\n" * 300)
    assert actor.do("play", ".") == [b",".join([b"0"] * 900)]


def test_a_script_has_a_bound(actor: Actor) -> None:
    text = "nop\n" * 300
    codes = [actor.ask("script", text)[0] for _ in range(65536 // len(text) + 1)]
    assert codes == [0] * (65536 // len(text)) + [errno.EMSGSIZE]


def test_a_workload_is_run_in_its_folder(actor: Actor) -> None:
    actor.do("mkdir", "d", "755")
    assert actor.do("run", "d", "tree", "w:2") == [b"0"]
    assert (actor.folder / "d/w/d1/f5").read_text() == "text\n"
    assert actor.do("run", "d", "remove_tree", "w") == [b"0"]
    assert not list((actor.folder / "d").iterdir())


def test_what_a_workload_complains_about_is_told(actor: Actor) -> None:
    (actor.folder / "w").touch()
    status, text = actor.do("run", ".", "tree", "w:1")
    assert status == b"1" and text.endswith(b"File%20exists")
    assert actor.do("run", ".", "need", "no-such-program") == [b"127"]


def test_every_workload_can_be_found() -> None:
    listed = (SOURCES / "workloads.c").read_text(encoding="utf-8")
    for path in (SOURCES / "workloads").iterdir():
        assert f"workload {path.stem}\\n" in listed, path


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Path]:
    """An actor with a workload that does not end, and leaves children."""
    copy = tmp_path / "sources"
    shutil.copytree(SOURCES, copy)
    (copy / "workloads" / "grow.sh").write_text("sleep 1000 & echo $! > pid; sleep 1000\n")
    program = tmp_path / "actor"
    flags = ["-Wall", "-Wextra", "-Werror", "-O2"]
    sources = [name for name in SOURCE_NAMES if name != "ask.c"]
    subprocess.run(["gcc", *flags, "-o", program, "guest/actor.c", *sources], check=True, cwd=copy)
    yield program


def ends(pid: int) -> bool:
    """Whether a process is gone within the limit. One that nobody waits for is, too."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def child_of_workload(folder: Path) -> int:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            return int((folder / "pid").read_text())
        time.sleep(0.01)
    raise TimeoutError("the workload did not start")


def test_a_workload_has_a_limit_and_leaves_nothing(endless: Path, tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    playing = Actor(endless, folder)
    playing.send(b"1 1300 host run . grow\n")
    assert playing.line() == b"1 %d" % errno.ETIMEDOUT
    assert ends(child_of_workload(folder))
    playing.stop()


def test_a_workload_ends_with_its_actor(endless: Path, tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    playing = Actor(endless, folder)
    playing.send(b"1 60000 host run . grow\n")
    child = child_of_workload(folder)
    playing.stop()
    assert ends(child)


def test_both_players_of_files_are_served(actor: Actor) -> None:
    assert actor.ask("nop", actor="guest2") == (0, [])


def test_it_ends_with_its_requests(actor: Actor) -> None:
    actor.do("nop")
    assert actor.end() == b""


# -- refusals ----------------------------------------------------------------------

REFUSALS: list[tuple[int, tuple[str, ...]]] = [
    (errno.EXDEV, ("stat", "/etc/passwd")),
    (errno.EXDEV, ("stat", "..")),
    (errno.EXDEV, ("create", "../x", "644")),
    (errno.EXDEV, ("create", "d/../x", "644")),
    (errno.EXDEV, ("rename", "f", "../f")),
    (errno.EXDEV, ("link", "../canary", "x")),
    (errno.EXDEV, ("fill", "..", "x", "1")),
    (errno.ELOOP, ("create", "out/x", "644")),
    (errno.ELOOP, ("stat", "out/canary")),
    (errno.ELOOP, ("write", "link", "0", "x")),
    (errno.ELOOP, ("truncate", "link", "0")),
    (errno.ELOOP, ("chmod", "link", "777")),
    (errno.ELOOP, ("open", "link", "r", "0")),
    (errno.ELOOP, ("setxattr", "link", "user.a", "b")),
    (errno.EEXIST, ("create", "link", "644")),
    (errno.EEXIST, ("create", "dangling", "644")),
    (errno.ENOTDIR, ("rmdir", "out")),
    (errno.ENOENT, ("stat", "")),
    (errno.ENOENT, ("unlink", "none")),
    (errno.EINVAL, ("mkdir", "x/", "755")),
    (errno.EINVAL, ("unlink", "f/")),
    (errno.EACCES, ("open", "fifo", "r", "0")),
    (errno.EACCES, ("append", "fifo", "x")),
    (errno.EOPNOTSUPP, ("nonsense",)),
    (errno.EOPNOTSUPP, ("pause",)),
    (errno.EINVAL, ("create", "x")),
    (errno.EINVAL, ("nop", "x")),
    (errno.EINVAL, ("create", "x", "8")),
    (errno.EINVAL, ("create", "x", "17777")),
    (errno.EINVAL, ("create", "x", "-1")),
    (errno.EINVAL, ("create", "x", "")),
    (errno.EINVAL, ("truncate", "f", "9223372036854775808")),
    (errno.EINVAL, ("truncate", "f", "0x1")),
    (errno.EINVAL, ("open", "f", "r", "8")),
    (errno.EINVAL, ("open", "f", "x", "0")),
    (errno.EBADF, ("read", "0", "1")),
    (errno.EMSGSIZE, ("read", "0", "1025")),
    (errno.EINVAL, ("fill", ".", "x", "1000001")),
    (errno.EXDEV, ("stamp", "..", "1", "0")),
    (errno.ELOOP, ("stamp", "out", "1", "0")),
    (errno.EINVAL, ("stamp", ".", "1000001", "0")),
    (errno.EINVAL, ("stamp", ".", "1", "1000001")),
    (errno.EINVAL, ("fill", ".", "d/x", "1")),
    (errno.ENAMETOOLONG, ("create", "n" * 256, "644")),
    (errno.ENAMETOOLONG, ("fill", ".", "n" * 256, "1")),
    (errno.EINVAL, ("create", "a\0b", "644")),
    (errno.EXDEV, ("tmpfile", "..", "0")),
    (errno.EBADF, ("flink", "0", "x")),
    (errno.EBADF, ("fsync", "0")),
    (errno.ENODATA, ("play", ".")),
    (errno.EXDEV, ("run", "..", "need", "sh")),
    (errno.ELOOP, ("run", "out", "need", "sh")),
    (errno.ENOTDIR, ("run", "f", "need", "sh")),
    (errno.ENOENT, ("run", ".", "../need")),
    (errno.ENOENT, ("run", ".", "")),
    (errno.EINVAL, ("run", ".")),
]


def plant(folder: Path, canary: Path) -> None:
    """A share with something to stumble over, and beside it what must never change."""
    canary.mkdir(exist_ok=True)
    (canary / "canary").write_text("sings")
    (folder / "d").mkdir()
    (folder / "f").write_text("file")
    os.mkfifo(folder / "fifo")
    plant_links(folder, canary)


def plant_links(folder: Path, canary: Path) -> None:
    targets = {"out": canary, "link": canary / "canary", "up": Path(".."), "dangling": canary / "new"}
    for name, target in targets.items():
        if not os.path.lexists(folder / name):
            (folder / name).symlink_to(target)


def picture(folder: Path) -> list[tuple[object, ...]]:
    """Everything about a tree that a system call could have changed."""
    found: list[tuple[object, ...]] = []
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((path, status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns, content))
    return found


@pytest.mark.parametrize(("code", "step"), REFUSALS)
def test_refusals(actor: Actor, code: int, step: tuple[str, ...]) -> None:
    canary = actor.folder.parent / "canary"
    plant(actor.folder, canary)
    before = picture(canary), picture(actor.folder)
    got, values = actor.ask(*step)
    assert (errno.errorcode.get(got), values) == (errno.errorcode[code], [])
    assert (picture(canary), picture(actor.folder)) == before


def test_names_of_links_can_be_handled(actor: Actor) -> None:
    """Not following a link is no reason for not touching the link itself."""
    canary = actor.folder.parent / "canary"
    plant(actor.folder, canary)
    before = picture(canary)
    assert int(actor.do("stat", "link")[2], 8) == (actor.folder / "link").lstat().st_mode
    actor.do("utimes", "link", "1", "2")
    assert (actor.folder / "link").lstat().st_mtime_ns == 2
    actor.do("rename", "link", "link2")
    actor.do("unlink", "link2")
    assert picture(canary) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_devices_are_not_opened(actor: Actor) -> None:
    os.mknod(actor.folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert actor.ask("open", "null", "w", "0")[0] == errno.EACCES


def test_a_handle_is_taken_once(actor: Actor) -> None:
    (actor.folder / "a").touch()
    actor.do("open", "a", "r", "0")
    assert actor.ask("open", "a", "r", "0")[0] == errno.EBUSY


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"7 1 server pause", (7, errno.ENXIO)),
        (b"7 1 local nop", (7, errno.ENXIO)),
        (b"7 1 % nop", (7, errno.ENXIO)),
        (b"", (0, errno.EBADMSG)),
        (b"nonsense", (0, errno.EBADMSG)),
        (b"0 1 host nop", (0, errno.EBADMSG)),
        (b"4294967296 1 host nop", (0, errno.EBADMSG)),
        (b"-1 1 host nop", (0, errno.EBADMSG)),
        (b"7", (7, errno.EBADMSG)),
        (b"7 1 host", (7, errno.EBADMSG)),
        (b"7 x host nop", (7, errno.EBADMSG)),
        (b"7 1  host nop", (7, errno.EBADMSG)),
        (b"7 1 host nop ", (7, errno.EBADMSG)),
        (b"7 1 host nop\r", (7, errno.EBADMSG)),
        (b"7 1 host\tnop", (7, errno.EBADMSG)),
        (b"7 1 host stat a%2", (7, errno.EBADMSG)),
        (b"7 1 host stat a%", (7, errno.EBADMSG)),
        (b"7 1 host stat %%", (7, errno.EBADMSG)),
        (b"7 1 host stat %c3", (7, errno.EBADMSG)),
        (b"7 1 host stat %G0", (7, errno.EBADMSG)),
        (b"7 1 host stat \xc3", (7, errno.EBADMSG)),
        (b"7 1 host nop\0", (7, errno.EBADMSG)),
        (b"7 1 host create a%00b 644", (7, errno.EINVAL)),
        (b"7 1 host a b c d e", (7, errno.EOPNOTSUPP)),
        (b"7 1 host a b c d e f", (7, errno.E2BIG)),
        (b"7 1 host stat " + b"a/" * 2100 + b"a", (7, errno.EMSGSIZE)),
        (b"x" * 100000, (0, errno.EMSGSIZE)),
    ],
)
def test_lines_that_are_no_requests(actor: Actor, line: bytes, answer: tuple[int, int]) -> None:
    actor.send(line + b"\n9 1 host nop\n")
    assert actor.line() == b"%d %d" % answer
    assert actor.line() == b"9 0"
    assert actor.end() == b""


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_the_longest_line(actor: Actor, excess: int) -> None:
    head = b"3 1 host stat "
    actor.send(head + b"x" * (LINE_MAX - 1 - len(head) + excess) + b"\n")
    assert actor.line() == b"3 %d" % (errno.EMSGSIZE if excess > 0 else errno.ENAMETOOLONG)


@pytest.mark.parametrize("rest", [b"5 1 host create a 644", b"5 1 host " + b"x" * 9000])
def test_half_a_request_is_not_carried_out(actor: Actor, rest: bytes) -> None:
    actor.send(rest)
    assert actor.end() == b"5 %d\n" % errno.EBADMSG
    assert not list(actor.folder.iterdir())


def test_requests_may_come_in_pieces(actor: Actor) -> None:
    for piece in (b"1 100 ho", b"st create", b" a 64", b"4\n2 100 host unl"):
        actor.send(piece)
    assert actor.line() == b"1 0"
    actor.send(b"ink a\n")
    assert actor.line() == b"2 0"


def test_misuse_is_told(actor_program: Path, tmp_path: Path) -> None:
    for args in ([], [tmp_path / "none"], [actor_program]):
        done = subprocess.run([actor_program, *args], input=b"", capture_output=True, check=False)
        assert done.returncode == 2
        assert done.stderr


def test_it_dies_with_its_parent(actor_program: Path, tmp_path: Path) -> None:
    """Even when somebody else still holds the other end of its line."""
    ours, theirs = socket.socketpair()
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([{str(actor_program)!r}, {str(tmp_path)!r}], stdin=0, stdout=0)\n"
        "time.sleep(60)"
    )
    with ours, theirs, subprocess.Popen([sys.executable, "-c", code], stdin=theirs.fileno()) as parent:
        theirs.close()
        ours.settimeout(LIMIT)
        ours.sendall(b"1 1 host nop\n")
        assert ours.recv(100) == b"1 0\n"
        parent.send_signal(signal.SIGKILL)
        assert ours.recv(100) == b""


# -- anything at all -----------------------------------------------------------------

PARTS = st.sampled_from([b"..", b".", b"", b"a", b"d", b"f", b"out", b"link", b"up", b"canary", b"dangling"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join) | st.binary(max_size=8)
VERBS = (
    "create write append truncate mkdir rmdir unlink rename link symlink chmod utimes "
    "setxattr removexattr open read pwrite close stat fill clear stamp tmpfile flink fsync drop "
    "script play run nop pause watches"
)
FIELDS = PATHS | st.sampled_from([b"0", b"1", b"7", b"644", b"r", b"w", b"rw", b"a", b"d", b"exchange"])
STEPS = st.builds(
    lambda actor, verb, args: b" ".join([b"1 20", actor, verb, *map(escape, args)]),
    st.sampled_from([b"host", b"host", b"host", b"guest2", b"server"]),
    st.sampled_from([verb.encode() for verb in VERBS.split()]),
    st.lists(FIELDS, max_size=4),
)
LINES = STEPS | st.binary(max_size=200).map(lambda data: data.replace(b"\n", b""))


@pytest.fixture(scope="session")
def fuzzed(actor_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    folder = tmp_path_factory.mktemp("fuzz") / "share"
    folder.mkdir()
    plant(folder, folder.parent / "canary")
    playing = Actor(actor_program, folder)
    yield playing
    playing.stop()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=12))
def test_whatever_comes_is_answered_once_and_stays_inside(fuzzed: Actor, lines: list[bytes]) -> None:
    canary = fuzzed.folder.parent / "canary"
    fuzzed.folder.chmod(0o755)
    plant_links(fuzzed.folder, canary)
    before = picture(canary), sorted(fuzzed.folder.parent.iterdir())
    fuzzed.send(b"".join(line + b"\n" for line in [*lines, b"4000000000 1 host nop"]))
    answers = [fuzzed.line() for _ in range(len(lines) + 1)]
    assert answers[-1] == b"4000000000 0"
    assert all(len(answer.split(b" ")) >= 2 for answer in answers)
    assert (picture(canary), sorted(fuzzed.folder.parent.iterdir())) == before


# -- the asking side -------------------------------------------------------------------


class Asked:
    """A run of the asker: what it told on both of its streams."""

    def __init__(self, asker: Path, folder: Path, *steps: str, **env: str) -> None:
        self.child = subprocess.Popen(
            [asker, folder, *steps],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"FARWATCH_STEP_MS": "2000", **env},
        )

    def told(self) -> list[str]:
        out, told = self.child.communicate(timeout=LIMIT)
        assert self.child.returncode == 0
        self.out = out.splitlines()
        return told.splitlines()


def test_a_process_plays_the_others(asker: Path, tmp_path: Path) -> None:
    steps = (
        "host create a 644",
        "guest2 stat a",
        "server pause",
        "server quiet 5",
        "host stat ../a",
        "me nop",
    )
    run = Asked(asker, tmp_path, *steps, FARWATCH_STEPS="process")
    told = run.told()
    assert told[:2] == ["open 0", "0 "]
    assert told[2].startswith("0 1 0 100644 ")
    assert told[3:] == ["0 ", "0 ", f"{errno.EXDEV} ", f"{errno.ENXIO} "]
    assert (tmp_path / "a").exists()
    assert run.out[0] == "# step 1: host create a 644 -> 0"
    assert run.out[-1] == "# farwatch: infrastructure: a?b"


KEPT = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
# FAN_REPORT_FID, then FAN_MARK_ADD of FAN_CREATE, and of FAN_DELETE | FAN_ONDIR, which is no watch
group = libc.fanotify_init(0x200, 0)
for folder, mask in (("a", 0x100), ("b", 0x101), ("c", 0x40000200)):
    os.mkdir(folder)
    libc.fanotify_mark(group, 1, ctypes.c_uint64(mask), -100, folder.encode())
while time.process_time() < 0.05:
    pass
print(group, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A process that stands for the server of a share in this machine, and what a test is told of it."""
    (work := tmp_path / "work").mkdir()
    command = [sys.executable, "-c", KEPT]
    child = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    number = int(child.stdout.readline())
    (tmp_path / "pid").write_text(f"{child.pid}\n")
    (source := tmp_path / "source").mkdir()
    yield (
        child,
        {
            "FARWATCH_STEPS": "process",
            "FARWATCH_SERVER_PID": str(tmp_path / "pid"),
            "FARWATCH_SOURCE": str(source),
            "MARKS": "2" if number >= 0 else "0",
        },
    )
    child.kill()
    child.communicate()


def state_of(child: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_server_of_this_machine_is_kept(
    asker: Path, tmp_path: Path, kept: tuple[subprocess.Popen[str], dict[str, str]]
) -> None:
    child, env = kept
    marks = env.pop("MARKS")
    steps = ["server count", f"server watches {marks} 9 1000"]
    # It has slept as soon as it is quiet
    steps += ["server rss", "server cpu", "server quiet 20", "server wakeups", "server pause"]
    told = Asked(asker, tmp_path, *steps, **env).told()
    assert told[1:3] == [f"0 {marks}"] * 2 and told[5] == "0 "
    assert [int(told[place].split()[1]) > 0 for place in (3, 4, 6)] == [True] * 3
    assert state_of(child) == "T"
    steps = ["server continue", "server quiet 20", "server kill"]
    assert Asked(asker, tmp_path, *steps, **env).told()[1:] == ["0 ", "0 ", "0 "]
    assert child.wait(LIMIT) == -signal.SIGKILL
    steps = ["server count", "server rss", "server wakeups", "server pause"]
    assert Asked(asker, tmp_path, *steps, **env).told()[1:] == [*["0 0"] * 3, f"{errno.ESRCH} "]


def test_the_other_side_of_a_served_share_is_what_it_is_a_view_of(
    asker: Path, tmp_path: Path, kept: tuple[subprocess.Popen[str], dict[str, str]]
) -> None:
    (share := tmp_path / "share").mkdir()
    _, env = kept
    assert Asked(asker, share, "host create a 644", **env).told()[1:] == ["0 "]
    assert not (share / "a").exists() and (tmp_path / "source" / "a").exists()


def test_nobody_else_takes_part(asker: Path, tmp_path: Path) -> None:
    assert Asked(asker, tmp_path, "host nop").told() == [f"open -{errno.ENOTCONN}"]
    assert Asked(asker, tmp_path, FARWATCH_STEPS="/nowhere").told() == [f"open -{errno.ENOENT}"]


def test_what_cannot_be_asked_is_not_sent(asker: Path, tmp_path: Path) -> None:
    long = "host stat " + "x" * LINE_MAX
    told = Asked(asker, tmp_path, long, "host a b c d e f", "host nop", FARWATCH_STEPS="process").told()
    assert told[1:] == [f"-{errno.EMSGSIZE} ", f"-{errno.E2BIG} ", "0 "]


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The host's end of a serial line, and the path of the guest's."""
    host, guest = pty.openpty()
    yield host, os.ttyname(guest)
    os.close(host)
    os.close(guest)


def test_asking_over_a_line(asker: Path, tmp_path: Path, line: tuple[int, str]) -> None:
    host, path = line
    run = Asked(asker, tmp_path, "host stat a", "server quiet 100", FARWATCH_STEPS=path)
    rest = bytearray()
    assert read_line(host, rest) == b"1 2000 host stat a"
    os.write(host, b"1 0 1 2 3\n")
    assert read_line(host, rest) == b"2 2000 server quiet 100"
    os.write(host, b"1 5\n2 110\n")
    assert run.told() == ["open 0", "0 1 2 3", "110 "]


@pytest.mark.parametrize(
    "answer", [b"2 0\n", b"0 74\n", b"x\n", b"1\n", b"1 -5\n", b"1 0" + b"x" * 5000 + b"\n"]
)
def test_a_broken_line_is_told(asker: Path, tmp_path: Path, line: tuple[int, str], answer: bytes) -> None:
    host, path = line
    run = Asked(asker, tmp_path, "host nop", FARWATCH_STEPS=path)
    read_line(host, bytearray())
    os.write(host, answer)
    assert run.told() == ["open 0", f"-{errno.EPROTO} "]


def test_an_answer_to_somebody_before_is_none(asker: Path, tmp_path: Path, line: tuple[int, str]) -> None:
    host, path = line
    holder = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(host, b"1 5\n")
    run = Asked(asker, tmp_path, "host nop", FARWATCH_STEPS=path)
    rest = bytearray()
    while not read_line(host, rest).endswith(b"1 2000 host nop"):
        """Until the line is raw it echoes."""
    os.write(host, b"1 0\n")
    os.close(holder)
    assert run.told() == ["open 0", "0 "]


def test_an_answer_that_never_comes(asker: Path, tmp_path: Path, line: tuple[int, str]) -> None:
    host, path = line
    started = time.monotonic()
    run = Asked(asker, tmp_path, "host nop", FARWATCH_STEPS=path, FARWATCH_STEP_MS="50")
    assert read_line(host, bytearray()) == b"1 50 host nop"
    assert run.told() == ["open 0", f"-{errno.ETIMEDOUT} "]
    assert 2.0 < time.monotonic() - started < LIMIT
