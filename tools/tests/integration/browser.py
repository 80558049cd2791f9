# SPDX-License-Identifier: GPL-2.0-or-later
"""A headless Chromium, driven by its own protocol (chromedevtools.github.io) over a pair of pipes.

No library and no driver: messages are JSON with a NUL behind each, read from descriptor 4, sent to 3.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import struct
import subprocess
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LIMIT = 60.0
"""Seconds for one answer, on a busy machine."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none, nor has a container; the pages are ours
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: int
    height: int
    dark: bool


class Browser:
    """One page of it. A context manager."""

    def __init__(self, profile: Path) -> None:
        self.troubles: list[str] = []
        """What pages have complained of: errors of scripts, whatever the policy has refused, bad requests."""
        self._numbers = itertools.count(1)
        self._unread = b""
        self._events: list[dict[str, Any]] = []
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        self._process = self._start(profile, requests, answers)
        os.close(requests)
        os.close(answers)
        self._session = ""

    def _start(self, profile: Path, requests: int, answers: int) -> subprocess.Popen[bytes]:
        def descriptors() -> None:
            os.dup2(requests, 103)
            os.dup2(answers, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        return subprocess.Popen(
            ["chromium", *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=descriptors,
            close_fds=False,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(LIMIT)
        os.close(self._to)
        os.close(self._from)

    # -- what a person does

    def look(self, look: Look) -> None:
        mobile = look.width < 600
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=look.width,
            height=look.height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, allowed: bool) -> None:
        self._ask("Emulation.setScriptExecutionDisabled", value=not allowed)

    def open(self, url: str) -> None:
        """Until all of it is there."""
        self._events.clear()
        answer = self._ask("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self.wait("Page.loadEventFired")

    def press(self, *keys: str) -> None:
        """Names of keys, or what they type."""
        for key in keys:
            code = {"windowsVirtualKeyCode": _KEYS[key]} if key in _KEYS else {}
            text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
            self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, **code, **text)
            self._ask("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def value(self, expression: str) -> Any:
        """Of JavaScript, which is ours to run where the page's own may not."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, look: Look, scale: float = 1.0) -> bytes:
        """What is seen from the top of the page, as PNG."""
        clip = {"x": 0, "y": 0, "width": look.width, "height": look.height, "scale": scale}
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png", clip=clip)["data"])

    def until(self, expression: str) -> None:
        """Wait until it is true."""
        end = time.monotonic() + LIMIT
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < end, f"never: {expression}"
            self.value("new Promise((done) => setTimeout(done, 50))")

    # -- messages

    def wait(self, method: str) -> dict[str, Any]:
        end = time.monotonic() + LIMIT
        while not (found := [event for event in self._events if event["method"] == method]):
            self._read(end)
        return found[0]

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LIMIT
        while (answer := self._read(end)) is None or answer["id"] != number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, end: float) -> dict[str, Any] | None:
        """One message: an answer, or None for an event, which is kept."""
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser says nothing"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser is gone"
            self._unread += data
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "id" in message:
            return message
        self._events.append(message)
        self._hear(message["method"], message["params"])
        return None

    def _hear(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.troubles.append(str(details.get("exception", {}).get("description", details["text"])))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
            self.troubles.append(f"console: {said['args']}")
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.troubles.append(f"{said['entry']['source']}: {said['entry']['text']}")


def shades(picture: bytes) -> Sequence[int]:
    """How bright each pixel of a PNG is, read as RFC 2083 has it; 8 bit RGB."""
    width, height, depth, kind = struct.unpack(">IIBB", picture[16:26])
    assert depth == 8 and kind in (2, 6), "an RGB picture, with or without alpha"
    step, place, packed = 3 if kind == 2 else 4, 8, b""
    while place < len(picture):
        (size,) = struct.unpack(">I", picture[place : place + 4])
        if picture[place + 4 : place + 8] == b"IDAT":
            packed += picture[place + 8 : place + 8 + size]
        place += 12 + size
    return _unfiltered(zlib.decompress(packed), width * step, height, step)


def _unfiltered(data: bytes, stride: int, height: int, step: int) -> list[int]:
    before, bright = bytearray(stride), []
    for line in range(height):
        start = line * (stride + 1)
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for place in range(stride if kind else 0):
            left = row[place - step] if place >= step else 0
            up, corner = before[place], before[place - step] if place >= step else 0
            row[place] = (row[place] + _predicted(kind, left, up, corner)) & 0xFF
        bright += [sum(row[place : place + 3]) // 3 for place in range(0, stride, step)]
        before = row
    return bright


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))
