# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions against a guest that is a script: how each way to end is told apart, and that nothing is left."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from farwatch.engines.engine import Ending
from farwatch.errors import FarwatchError
from farwatch.guests import marks
from farwatch.guests.agent import escape
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import BootFailure, Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Limits, Trace
from farwatch.model import ShareKind
from farwatch.system.children import Run
from farwatch.system.home import Home
from tests.fakes.engine import FakeEngine
from tests.fakes.programs import fake_server
from tests.processes import children_of_this_process

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _leaves_nothing(home: Home) -> object:
    before = children_of_this_process()
    yield
    assert children_of_this_process() == before
    assert list(home.runs.iterdir()) == []


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits for tests that run into them on purpose."""
    limits = Limits(test=0.4, event=0.1, end=0.4)
    monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))


def with_session(
    home: Home,
    use: Callable[[Session, list[Trace]], Awaitable[T]],
    *behaviours: str,
    server: Path | None = None,
    actor: Path = Path("/bin/false"),
    boot_limit: float = 20.0,
) -> T:
    async def work(run: Run) -> T:
        share: ShareKind = "virtiofs" if server else "tmpfs"
        setting = Setting(FakeEngine(*behaviours), Path("/none"), Path("/bin/true"), actor, share, server)
        sealed: list[Trace] = []
        session = Session(run, setting, 1, home.logs / "guest", sealed.append)
        try:
            await session.boot(boot_limit)
            return await use(session, sealed)
        finally:
            await session.close()

    return run_guests(home, work)


async def run_one(session: Session, number: int, kind: str, *more: str) -> Trace:
    trace = Trace(f"p:{kind}", number, LogSet(session.logs / str(number), lambda: 0.0))
    await session.test(trace, [kind, "-r", "fixture.test", *more], {})
    return trace


def one(home: Home, kind: str, *behaviours: str) -> Trace:
    """Run one test in a fresh guest and power it off."""

    async def use(session: Session, sealed: list[Trace]) -> Trace:
        trace = await run_one(session, 7, kind)
        await session.power_off()
        assert sealed == [trace]
        return trace

    return with_session(home, use, *behaviours)


def test_a_test_that_passes(home: Home) -> None:
    trace = one(home, "pass")
    assert trace.began and trace.sealed and trace.ended == "exit 0"
    assert trace.output[-1] == b"ok 1 fixture.test"
    assert not (trace.guest_died or trace.hung or trace.flood or trace.server_died or trace.broken_steps)
    assert (home.logs / "guest" / "7" / "output.log").read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("ending", ["signal", "timeout", "setup"])
def test_how_the_program_ended_is_what_the_agent_says(home: Home, ending: str) -> None:
    assert one(home, ending).ended.split()[0] == ending


def test_a_panic_kills_the_guest_and_is_on_the_tests_console(home: Home) -> None:
    trace = one(home, "panic")
    assert trace.guest_died and trace.ended == ""
    assert any(b"Kernel panic" in line for line in trace.console)


def test_a_guest_that_vanishes_says_how(home: Home) -> None:
    trace = one(home, "vanish")
    assert trace.guest_died and trace.guest_ending == "exit status 9"


@pytest.mark.usefixtures("short_limits")
def test_a_hang_is_bounded_and_no_death(home: Home) -> None:
    trace = one(home, "hang")
    assert trace.hung and not trace.guest_died


@pytest.mark.parametrize(("kind", "stream"), [("flood", "console"), ("output-flood", "output")])
def test_a_flood_is_cut_off(home: Home, kind: str, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "CONSOLE_LIMIT", 200_000)
    monkeypatch.setattr(marks, "OUTPUT_LIMIT", 200_000)
    trace = one(home, kind)
    assert trace.flood == stream and not trace.guest_died


def test_a_late_splat_belongs_to_the_test_before_it(home: Home) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        first = await run_one(session, 1, "late-splat")
        assert sealed == []
        second = await run_one(session, 2, "pass")
        assert sealed == [first]
        await session.power_off()
        assert any(b"KASAN" in line for line in first.console)
        assert not any(b"KASAN" in line for line in second.console)

    with_session(home, use)


@pytest.mark.usefixtures("short_limits")
def test_a_guest_that_does_not_power_off_is_a_hang_of_its_last_test(home: Home) -> None:
    assert one(home, "pass", "no-poweroff").hung


def test_a_request_that_the_agent_refuses_is_not_waited_for(home: Home) -> None:
    trace = one(home, "pass", "refuses")
    assert "made%20up" in trace.refused and not trace.began and not trace.hung


def test_garbage_on_the_lines_changes_nothing(home: Home) -> None:
    assert one(home, "pass", "garbage").ended == "exit 0"


@pytest.mark.parametrize(
    ("behaviour", "limit", "ending", "says"),
    [
        ("panic-at-boot", 20.0, Ending.PANICKED, "panicked"),
        ("hang-at-boot", 0.3, Ending.HUNG, "not ready within"),
        ("exit-at-boot", 20.0, Ending.NOT_STARTED, "exit status 3"),
    ],
)
def test_a_guest_that_does_not_come_up(
    home: Home, behaviour: str, limit: float, ending: Ending, says: str
) -> None:
    with pytest.raises(BootFailure) as caught:
        one_with_limit(home, behaviour, limit)
    assert caught.value.ending is ending and says in caught.value.title


def one_with_limit(home: Home, behaviour: str, limit: float) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        raise AssertionError("it came up")

    with_session(home, use, behaviour, boot_limit=limit)


def test_a_server_that_exits_is_not_the_guests_fault(home: Home, tmp_path: Path) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        raise AssertionError("it came up")

    with pytest.raises(BootFailure) as caught:
        with_session(home, use, "hang-at-boot", server=fake_server(tmp_path, "exits"), boot_limit=0.5)
    assert caught.value.ending is Ending.NOT_STARTED
    assert "the server ended" in caught.value.title and "exit status 7" in caught.value.title
    assert caught.value.said[-1].startswith(b"serving ")


def test_steps_reach_the_host_actor_and_only_the_tests_folder(
    home: Home, tmp_path: Path, actor_program: Path
) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        (session.share / "c5").mkdir()
        answers = [
            (await ask(session, 5, "1~1000~host~create~f~0644")),
            (await ask(session, 5, "2~1000~host~create~../f~0644")),
            (await ask(session, 5, "3~1000~nobody~nop")),
            (await ask(session, 5, "4~1000~server~dance")),
            (await ask(session, 5, "rubbish")),
            (await ask(session, 5, "x" * 5000)),
        ]
        assert answers == ["1 0", "2 18", "3 6", "4 95", "0 74", "0 90"]
        assert sorted(path.name for path in session.share.rglob("*")) == ["c5", "f"]

    async def ask(session: Session, number: int, line: str) -> str:
        trace = await run_one(session, number, "ask", line)
        return next(text for text in trace.output if b"answer" in text).decode().removeprefix("# answer: ")

    with_session(home, use, server=fake_server(tmp_path, "ok"), actor=actor_program)


def test_an_actor_of_the_callers_has_the_host_act(home: Home, tmp_path: Path, actor_program: Path) -> None:
    """As the watcher of `trace` asks for what the host does."""

    async def use(session: Session, sealed: list[Trace]) -> None:
        (session.share / "c1").mkdir()

        async def answer(verb: str) -> str:
            answers = [
                await session.host_step(verb, "a b", "644"),
                await session.host_step(verb, "../out", "644"),
                await session.host_step("stat", "none"),
            ]
            return f"0 {','.join(answers)}"

        session.take_actor("director", answer)
        trace = await run_one(session, 1, "ask", "9~1000~director~create")
        assert f"# answer: 9 0 0,{errno.EXDEV},{errno.ENOENT}".encode() in trace.output
        assert [path.name for path in (session.share / "c1").iterdir()] == ["a b"]

    with_session(home, use, server=fake_server(tmp_path, "ok"), actor=actor_program)


def test_pause_waits_until_the_server_has_stopped(home: Home, tmp_path: Path, actor_program: Path) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        trace = await run_one(session, 1, "ask", "1~2000~server~pause")
        assert session._server is not None
        stat = Path(f"/proc/{session._server.child.pid}/stat").read_bytes()
        assert stat.rpartition(b")")[2].split()[0] == b"T"
        assert b"# answer: 1 0" in trace.output
        await run_one(session, 2, "ask", "1~2000~server~continue")
        await run_one(session, 3, "ask", "1~2000~server~kill")
        assert not session.usable

    with_session(home, use, server=fake_server(tmp_path, "ok"), actor=actor_program)


def test_an_actor_that_dies_breaks_the_steps_and_is_said(home: Home, tmp_path: Path) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        trace = await run_one(session, 1, "ask", "1~1000~host~nop")
        assert "the host actor died" in trace.broken_steps

    with_session(home, use, server=fake_server(tmp_path, "ok"), actor=Path("/bin/false"))


def test_a_server_that_dies_in_the_middle_is_said(home: Home, tmp_path: Path) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        assert session._server is not None
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, os.kill, session._server.child.pid, signal.SIGKILL)
        trace = await run_one(session, 1, "hang")
        assert trace.server_died == "killed by SIGKILL"
        assert not session.usable

    with pytest.MonkeyPatch.context() as patch:
        limits = Limits(test=0.4, event=0.1, end=0.4)
        patch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))
        with_session(home, use, server=fake_server(tmp_path, "ok"))


@pytest.mark.parametrize(("kind", "said"), [("panic", ""), ("pass", "exit status 0")])
def test_a_server_that_leaves_with_its_guest_is_not_to_blame(
    home: Home, tmp_path: Path, kind: str, said: str
) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        assert session._server is not None
        with socket.socket(socket.AF_UNIX) as guest:
            guest.connect(str(session._short / "server.sock"))
        await session._server.child.process.wait()
        trace = await run_one(session, 1, kind)
        assert (trace.server_died, trace.guest_died) == (said, kind == "panic")

    with_session(home, use, server=fake_server(tmp_path, "ok"))


def test_a_server_that_is_not_there(home: Home, tmp_path: Path) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        raise AssertionError("it came up")

    with pytest.raises(FarwatchError, match="cannot start server") as caught:
        with_session(home, use, server=tmp_path / "no-such-server")
    assert "No such file" in caught.value.cause


def test_ctrl_c_in_the_middle_leaves_nothing(home: Home) -> None:
    async def use(session: Session, sealed: list[Trace]) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        await run_one(session, 1, "hang")

    with pytest.raises(KeyboardInterrupt):
        with_session(home, use)


def test_a_full_disk_is_an_error_and_not_a_verdict(home: Home) -> None:
    def full(self: LogSet, stream: str, line: bytes) -> None:
        raise FarwatchError("no space left on device")

    async def use(session: Session, sealed: list[Trace]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LogSet, "append", full)
            await run_one(session, 1, "pass")

    with pytest.raises(FarwatchError, match="no space left"):
        with_session(home, use)


def test_escape_keeps_plain_words_and_hides_everything_else() -> None:
    assert escape("a/b=c") == "a/b=c"
    assert escape("") == "%"
    assert escape("a b\n%") == "a%20b%0A%25"


def test_home_with_a_blank_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a home with blanks"
    folder.mkdir()
    assert one(Home(folder), "pass").ended == "exit 0"
    shutil.rmtree(folder)
