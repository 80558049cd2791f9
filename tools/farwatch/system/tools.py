# SPDX-License-Identifier: GPL-2.0-or-later
"""Build tools as children: logged line by line, limited in time, never left behind.

A child is the leader of its own process group. Whatever takes us out of
run_logged (Ctrl-C, SIGTERM, a limit, an error of ours) ends the whole group
and reaps the child; if we are killed outright the kernel sends it a SIGTERM,
which make and cargo pass on to what they started.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import IO

from farwatch.errors import FarwatchError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_TERM_LIMIT = 5.0
"""Seconds that a group has after SIGTERM (make removes half-made targets then) before SIGKILL."""
_TAIL_LIMIT = 1.0
"""Seconds to go on reading after the child's end, when some other process still holds its output open."""

OnLine = Callable[[str], None]


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an exception; of the kind that a program handles once, in main."""


def run_logged(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str | None] | None = None,
    on_line: OnLine | None = None,
    timeout: float | None = None,
    append: bool = False,
) -> int:
    """Run a tool to its end; stdout and stderr go to `log`, each line to `on_line` as well.

    env:     added to our environment; None takes a variable out of it
    timeout: seconds
    Returns the exit status, negative for a signal. FarwatchError when the tool is missing or over its time.
    """
    words = [str(word) for word in argv]
    with log.open("ab" if append else "wb") as sink, _sigterm_raises():
        sink.write(f"$ {' '.join(words)}\n".encode())
        sink.flush()
        process = _start(words, cwd, env)
        try:
            return _follow(process, sink, on_line, timeout, words[0])
        finally:
            _end_group(process)
            if process.stdout is not None:
                process.stdout.close()


def output_of(argv: Sequence[str | Path], *, cwd: Path | None = None, timeout: float = 60) -> str:
    """What a short query (a version) prints on stdout; FarwatchError when it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    except OSError as error:
        raise missing_tool(words[0]) from error
    except subprocess.TimeoutExpired as error:
        raise FarwatchError(f"{' '.join(words)} gave no answer within {timeout:.0f} s") from error
    if done.returncode != 0:
        raise FarwatchError(
            f"{' '.join(words)} failed", cause=done.stderr.strip() or f"status {done.returncode}"
        )
    return done.stdout


@lru_cache
def version_line(tool: str) -> str:
    """First line of what a tool says about its version."""
    return output_of([tool, "--version"]).partition("\n")[0]


def missing_tool(name: str) -> FarwatchError:
    """The error for a program that is not installed."""
    from farwatch.system.needs import package_of  # diagnose is no need of a build that works

    return FarwatchError(f"{name} is not installed", hint=f"install {package_of(name)}")


def _start(words: list[str], cwd: Path, env: Mapping[str, str | None] | None) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(143)

    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=_environ(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=prepare,  # noqa: PLW1509
        )
    except FileNotFoundError as error:
        raise (
            missing_tool(words[0]) if shutil.which(words[0]) is None else _unstartable(words[0], error)
        ) from error
    except OSError as error:
        raise _unstartable(words[0], error) from error


def _environ(changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _unstartable(name: str, error: OSError) -> FarwatchError:
    return FarwatchError(f"cannot start {name}", cause=str(error))


def _follow(
    process: subprocess.Popen[bytes],
    sink: IO[bytes],
    on_line: OnLine | None,
    timeout: float | None,
    name: str,
) -> int:
    """Read until end of file; if the child ends first, for _TAIL_LIMIT longer."""
    assert process.stdout is not None
    lines = _Lines(on_line)
    deadline = time.monotonic() + timeout if timeout else None
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(pidfd, selectors.EVENT_READ)
            while True:
                ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                files = {key.fileobj for key, _events in ready}
                if process.stdout in files:
                    data = os.read(process.stdout.fileno(), 65536)
                    if not data:
                        break
                    sink.write(data)
                    lines.feed(data)
                elif pidfd in files:
                    selector.unregister(pidfd)
                    deadline, timeout = time.monotonic() + _TAIL_LIMIT, None
                elif timeout is None:
                    break
                else:
                    raise FarwatchError(f"{name} did not come to an end within {timeout:.0f} s")
        lines.finish()
        return _reap(process, deadline)
    finally:
        os.close(pidfd)


def _reap(process: subprocess.Popen[bytes], deadline: float | None) -> int:
    try:
        return process.wait(None if deadline is None else max(_TAIL_LIMIT, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise FarwatchError("a tool closed its output and did not come to an end") from error


class _Lines:
    """Cuts a stream of bytes into lines for a callback."""

    def __init__(self, on_line: OnLine | None) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        if self._on_line is None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def finish(self) -> None:
        if self._rest:
            self.feed(b"\n")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL, to a group that is still there; reap the leader."""
    if process.returncode is None:
        _signal_group(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_LIMIT)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """The group lives as long as one of its members does; so its number cannot be someone else's before."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM becomes an exception, unless someone else takes care of it or we are not the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def raise_terminated(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
