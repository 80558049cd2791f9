# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest and its server, from boot to power-off, and the tests that run in it one after the other.

What the guest says, and to which test it belongs, is marks.py's to know.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.engines.engine import LINES, Ending, Guest, GuestSpec, Listeners, settle
from farwatch.guests.agent import GUEST_HOST_ROOT, guest_fields, path_fields, pieces, request
from farwatch.guests.broker import Broker
from farwatch.guests.companion import Server
from farwatch.guests.ground import Ground
from farwatch.guests.marks import Marks
from farwatch.guests.setting import MOUNT_POINT, Setting, Share
from farwatch.guests.trace import Limits, Trace
from farwatch.system import venv
from farwatch.system.children import Run

SERVER_LINES = 20
"""Last lines of a server that are kept in case it is the reason why a guest does not come up."""
DUMP_LIMIT = 3.0
KILLED_LIMIT = 2.0
"""Seconds: for a dump of the tasks; for a killed guest to be read to the end."""


@dataclass(eq=False)
class BootFailure(Exception):
    """The guest never became ready."""

    ending: Ending
    title: str
    said: tuple[bytes, ...]
    """The last lines of whoever failed: the guest's console, or the server."""


class Session:
    """A guest from boot to power-off."""

    def __init__(
        self,
        run: Run,
        setting: Setting,
        number: int,
        logs: Path,
        on_sealed: Callable[[Trace], None],
        shares: Sequence[Share] = (),
    ) -> None:
        """shares: instead of a new, empty folder; a person's own are never removed."""
        self._run = run
        self._setting = setting
        self._short = run.short / f"g{number}"
        self.shares = tuple(shares) or (Share(run.folder / f"share-{number}"),)
        """Of the first one a test gets its folder."""
        self.logs = logs
        self._guest: Guest | None = None
        self._server: Server | None = None
        """Of the first share."""
        self._other_servers: list[Server] = []
        self._ground: Ground | None = None
        self._broker: Broker | None = None
        self._limits = Limits()
        self._server_said: deque[bytes] = deque(maxlen=SERVER_LINES)
        self.boot_seconds = 0.0
        self.tests_run = 0
        self._marks = Marks(logs, run.clock, on_sealed, self._pause_guest)
        self._marks.on_more = self._go_on
        self._requests: deque[bytes] = deque()
        self._midway = False
        """The agent has been told a part of a request, and has yet to ask for the next one."""

    @property
    def share(self) -> Path:
        """The shared folder, for server and actor."""
        return self.shares[0].folder

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Let somebody hear the control line too (interactive use)."""
        self._marks.on_control = hear

    # -- start ---------------------------------------------------------------

    async def boot(self, limit: float) -> None:
        """Start server and guest and wait until the agent is ready. BootFailure if it never is."""
        started = self._run.clock()
        self._short.mkdir()
        self.share.mkdir(exist_ok=True)
        shares = {}
        if self._setting.share == "virtiofs":
            await self._start_ground()
            shares = {share.tag: await self._start_server(share) for share in self.shares}
        self._guest = await self._setting.engine.start(self._run, self._spec(shares), self._listeners())
        self._broker = Broker(
            self._run,
            self._setting.actor,
            self._guest.steps.write,
            lambda line: self._marks.log("steps", line),
            self.enter,
        )
        self._broker.server = self._server
        await self._await_ready(limit)
        self.boot_seconds = self._run.clock() - started
        self._limits = Limits.measured(self.boot_seconds / self._setting.engine.boot_weight)

    def _spec(self, shares: dict[str, Path]) -> GuestSpec:
        setting = self._setting
        return GuestSpec(
            setting.image,
            self._agent(),
            self._short,
            shares,
            memory=setting.memory,
            cpus=setting.cpus,
            vmm=setting.vmm,
            network=setting.network,
            debugger=self.debugger_socket if setting.debugger else None,
        )

    @property
    def debugger_socket(self) -> Path:
        return self._short / "gdb.sock"

    def _agent(self) -> Path:
        """The agent under a short name: the kernel command line knows no blanks."""
        link = self._short / "agent"
        link.symlink_to(self._setting.agent)
        return link

    async def _start_ground(self) -> None:
        """What the share lies on, if that is not simply a folder."""
        if not self._setting.share_setting.has_ground:
            return
        work = self._run.folder / f"ground-{self._short.name}"
        work.mkdir()
        self._ground = await Ground.start(self._run, self._setting.share_setting, self.share, work)

    @property
    def enter(self) -> tuple[str, ...]:
        """What to put in front of a command, so that it sees the shared folder as the server does."""
        return self._ground.enter if self._ground else ()

    @property
    def share_from_here(self) -> Path:
        """The shared folder as this process reaches it."""
        return self.seen(self.shares[0])

    def seen(self, share: Share) -> Path:
        """A shared folder as this process reaches it."""
        return self._ground.seen(share.folder) if self._ground else share.folder

    async def _start_server(self, share: Share) -> Path:
        assert self._setting.server is not None
        number = self.shares.index(share)
        address = self._short / f"server{number or ''}.sock"
        server = await Server.start(
            self._run,
            self._setting.server,
            share.folder,
            address,
            self._hear_server,
            self._setting.server_options,
            self.enter,
            share.tag,
            dict(self._setting.server_environment),
        )
        if number:
            self._other_servers.append(server)
        else:
            self._server = server
        return address

    @property
    def _servers(self) -> list[Server]:
        return [*([self._server] if self._server else []), *self._other_servers]

    def _listeners(self) -> Listeners:
        return Listeners(
            console=self._marks.hear_console,
            steps=lambda line: self._broker.hear(line) if self._broker else None,
            control=self._marks.hear_control,
            output=self._marks.hear_output,
            errors=lambda line: self._marks.log("output", line),
            end=self._marks.gone.set,
        )

    async def _await_ready(self, limit: float) -> None:
        ready = await self._marks.wait_ready(limit)
        # A guest comes up without its share, too: only the server knows.
        if not ready or self._server_failed():
            raise await self._boot_failure(limit)

    def _server_failed(self) -> bool:
        """The server ended unasked. When its guest goes away it does so by itself, with status 0."""
        if self._server is None or not self._server.died:
            return False
        return not self._marks.gone.is_set() or self._server.child.process.returncode != 0

    async def _boot_failure(self, limit: float) -> BootFailure:
        died = self._marks.gone.is_set()
        ignored = self._server is not None and self._server.ignores_connection()
        failed = self._server_failed()
        await self._kill_guest()
        console = tuple(self._marks.boot_console)
        server = tuple(self._server_said)
        if failed:
            assert self._server is not None
            how = self._server.child.ending()
            return BootFailure(Ending.NOT_STARTED, f"the server ended before the guest was up: {how}", server)
        if ignored:
            return BootFailure(
                Ending.NOT_STARTED, f"the server never took the guest's connection in {limit:.0f} s", server
            )
        if self._setting.engine.panicked(b"\n".join(console)):
            return BootFailure(Ending.PANICKED, "the kernel panicked while booting", console)
        if died:
            assert self._guest is not None
            how = self._guest.child.ending()
            return BootFailure(Ending.NOT_STARTED, f"the guest ended before it was up: {how}", console)
        return BootFailure(Ending.HUNG, f"the guest was not ready within {limit:.0f} s", console)

    def take_actor(self, name: str, answer: Callable[[str], Awaitable[str]]) -> None:
        """An actor of that name is played by the caller, who answers a verb: ERRNO [VALUE ...]."""
        assert self._broker is not None
        self._broker.others[name] = answer

    async def host_step(self, verb: str, *args: str) -> str:
        """A step of the host's in the folder of the running test: ERRNO [VALUE ...]."""
        assert self._broker is not None
        return await self._broker.host_step(verb, *args)

    # -- one test --------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether another test may run here."""
        if self._marks.gone.is_set() or self._guest is None:
            return False
        return self._server is None or self._server.child.alive

    async def test(
        self, trace: Trace, argv: Sequence[str], env: dict[str, str], limit: float | None = None
    ) -> None:
        """Run one test program; what it leaves is in `trace`, final once it is sealed.

        limit: seconds that it may take, if not what fits our own tests
        """
        assert self._guest is not None and self._broker is not None
        self.tests_run += 1
        partial = self._guest.steps.drop_partial()
        if partial:
            self._marks.log_late("steps", b"not terminated, dropped: " + partial[:200])
        await self._prepare_folder(f"c{trace.number}")
        await self._broker.begin(self._host_folder(trace.number))
        trace.limits = replace(self._limits, test=limit) if limit else self._limits
        trace.command = tuple(argv)
        trace.started = self._run.clock()
        self._marks.expect(trace)
        self._guest.control.write(self._request(trace, argv, env))
        if await self._marks.wait(("begin",), self._limits.end) and not trace.refused:
            trace.started = self._run.clock()
            if await self._marks.wait(("control",), trace.limits.test + self._limits.end):
                await self._marks.wait(("output", "console"), self._limits.end)
        trace.finished = self._run.clock()
        await self._conclude(trace)

    async def _prepare_folder(self, name: str) -> None:
        """Make a test's folder where that is not the guest's to do."""
        if self._setting.share != "virtiofs":
            return
        share_setting = self._setting.share_setting
        if self._ground is not None and share_setting.folder:
            await self._ground.make_folder(name)
        elif share_setting.read_only:
            folder = self.share_from_here / name
            folder.mkdir()
            folder.chmod(0o777)

    def _host_folder(self, number: int) -> Path | None:
        """The host's view of a test's folder; on the reference there is none."""
        return self.share / f"c{number}" if self._setting.share == "virtiofs" else None

    def _current_folder(self, number: int) -> list[str]:
        """Where nothing is shared a test is an ordinary program, which makes its files where it is."""
        return [f"cwd={MOUNT_POINT}/c{number}"] if self._setting.share == "none" else []

    def _request(self, trace: Trace, argv: Sequence[str], env: dict[str, str]) -> bytes:
        remote = self._setting.share == "virtiofs"
        variables = {
            "FARWATCH_STEPS": self._setting.engine.devices[LINES.index("steps")] if remote else "process",
            "FARWATCH_EVENT_MS": str(round(self._limits.event * 1000)),
            "FARWATCH_PYTHON": f"{GUEST_HOST_ROOT}{venv.python()}",
            **env,
        }
        if self._setting.share == "fuse":
            # The other side shares the guest's processor: what bounds its steps is the test's own limit.
            variables.setdefault("FARWATCH_STEP_MS", str(round(trace.limits.test * 1000)))
        fields = [
            f"id={trace.number}",
            f"limit={round(trace.limits.test * 1000)}",
            *guest_fields(self._setting, self.shares),
            f"dir=c{trace.number}",
            *self._current_folder(trace.number),
            *path_fields(self._setting),
            *(f"env={name}={value}" for name, value in variables.items()),
            *(f"arg={word}" for word in argv),
        ]
        return request("run", fields)

    async def _conclude(self, trace: Trace) -> None:
        """The program has ended, or will not: put down how."""
        if self._marks.failure is not None:
            raise self._marks.failure
        assert self._guest is not None and self._broker is not None
        trace.broken_steps = self._broker.broken
        if self._server_failed():
            assert self._server is not None
            trace.server_died = self._server.child.ending()
        if self._marks.gone.is_set():
            await self._guest_is_gone(trace)
        elif trace.refused:
            self._marks.seal(trace)
        elif trace.stuck or not self._marks.complete:
            trace.hung = True
            await self._dump_tasks()
            await self._kill_guest()
            self._marks.seal(trace)

    async def _guest_is_gone(self, trace: Trace) -> None:
        assert self._guest is not None
        if trace.flood:
            await self._kill_guest()
        else:
            trace.guest_died = True
            await settle(self._guest, self._limits.end)
            trace.guest_ending = self._guest.child.ending()
        self._marks.seal(trace)

    async def _dump_tasks(self) -> None:
        """Ask a guest that hangs where its tasks are; the console shows it."""
        assert self._guest is not None
        self._marks.expect_dump()
        self._guest.control.write(b"dump\n")
        await self._marks.wait(("dump",), DUMP_LIMIT)

    # -- by hand ---------------------------------------------------------------

    def take_output(self, on_output: Callable[[bytes], None], on_errors: Callable[[bytes], None]) -> None:
        """From here on the lines of output and errors are handed over as they come, unlogged."""
        assert self._guest is not None
        self._guest.output.on_bytes = on_output
        self._guest.errors.on_bytes = on_errors

    def take_steps(self, on_bytes: Callable[[bytes], None]) -> None:
        """From here on what comes on the line of the steps is handed over, and answered with `answer`."""
        assert self._guest is not None
        self._guest.steps.on_bytes = on_bytes

    def answer(self, data: bytes) -> None:
        """Bytes for the line of the steps."""
        assert self._guest is not None
        self._guest.steps.write(data)

    def control(self, line: bytes) -> None:
        """A request to the agent, of any length. FarwatchError: one of its fields is too long."""
        self._requests.extend(pieces(line))
        if not self._midway:
            self._send_requests()

    def _send_requests(self) -> None:
        """Up to the next piece that has to be asked for."""
        assert self._guest is not None
        self._midway = False
        while self._requests and not self._midway:
            piece = self._requests.popleft()
            self._midway = piece.endswith(b" +\n")
            self._guest.control.write(piece)

    def _go_on(self) -> None:
        if self._midway:
            self._send_requests()

    @property
    def console(self) -> Sequence[bytes]:
        """The lines of the kernel's console that belong to no test."""
        return self._marks.boot_console

    async def gone(self) -> None:
        """Until the guest has ended, and all that it said is here."""
        assert self._guest is not None
        await self._marks.gone.wait()
        await settle(self._guest, KILLED_LIMIT)

    async def server_failed(self) -> str:
        """Until a server has failed; how, in words."""
        failures: asyncio.Queue[str] = asyncio.Queue()

        async def watch(server: Server) -> None:
            # When its guest goes away it ends by itself, with status 0.
            if await server.child.process.wait() != 0 and server.died:
                failures.put_nowait(server.child.ending())

        watches = [asyncio.ensure_future(watch(server)) for server in self._servers]
        try:
            return await failures.get()
        finally:
            for waiting in watches:
                waiting.cancel()

    # -- end -------------------------------------------------------------------

    async def power_off(self) -> None:
        """Let the guest end by itself; the last test's trace gets what that brings to light."""
        if self._guest is None or self._marks.gone.is_set():
            return
        last = self._marks.trace
        self._guest.control.write(b"poweroff\n")
        if not await settle(self._guest, self._limits.end):
            await self._kill_guest()
            if last is not None:
                last.hung, last.stuck = True, "the guest did not power off"
        if last is not None:
            self._marks.seal(last)

    async def close(self) -> None:
        """End everything that is left, in any state."""
        await self._kill_guest()
        if self._broker is not None:
            await self._broker.close()
        for server in self._servers:
            await server.stop()
        if self._ground is not None:
            await self._ground.stop()
        self._marks.close()

    async def _kill_guest(self) -> None:
        if self._guest is None:
            return
        if self._guest.child in self._run.children:
            await self._run.stop(self._guest.child)
        self._guest.resume()
        await settle(self._guest, KILLED_LIMIT)
        self._guest.close()
        self._marks.gone.set()

    def _pause_guest(self) -> None:
        if self._guest is not None:
            self._guest.pause()

    def _hear_server(self, line: bytes) -> None:
        self._server_said.append(line)
        self._marks.log("server", line)


@asynccontextmanager
async def booted(
    run: Run,
    setting: Setting,
    logs: Path,
    limit: float,
    *,
    number: int = 1,
    shares: Sequence[Share] = (),
    before: Callable[[Session], None] | None = None,
) -> AsyncIterator[Session]:
    """A guest that is up, for something else than a column's tests; nothing of it is left, whatever happens.

    limit:  seconds for the boot; BootFailure when it takes longer, or fails
    before: is told of the session before the guest starts
    """
    session = Session(run, setting, number, logs, _ignored, shares)
    try:
        if before is not None:
            before(session)
        await session.boot(limit)
        yield session
    finally:
        await session.close()


def _ignored(trace: Trace) -> None:
    del trace
