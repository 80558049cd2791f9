# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: a server on /dev/fuse that lies, and a program that watches what it has.

usage: plain.py PLAN SCRIPT

It has the plan of device.py, and is mounted where the share is. With "fetch": 0 in the plan what it reports
is written as notifications. One that is refused tells why: that errno is compared with what records.py says.
In the end it prints the counters of the connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.integration.forge.fetch import Answer
from tests.integration.forge.files import BATCH_FORGET, FORGET, FSNOTIFY, INTERRUPT, Files

POINT = "/mnt/share"
SCRIPT = Path(__file__).with_name("script.py")
NOTIFY_FSNOTIFY = 10
OUT = struct.Struct("<IiQ")
LIBC = ctypes.CDLL(None, use_errno=True)


class Plain(Files):
    """Serves at a descriptor of /dev/fuse until it is unmounted."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self.parked = 0
        super().__init__(plan)

    def mount(self) -> None:
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0".encode()
        if LIBC.mount(b"lies", POINT.encode(), b"fuse", 0, options) < 0:
            raise OSError(ctypes.get_errno(), "mount")

    def serve(self) -> None:
        while (request := self.request()) is not None:
            _, opcode, unique, nodeid = struct.unpack_from("<IIQQ", request)
            if opcode == FSNOTIFY and self.is_fetch(request[40:]):
                self.parked = unique
            else:
                error, body = self.fuse(opcode, nodeid, request[40:])
                if opcode not in (FORGET, BATCH_FORGET, INTERRUPT):
                    self.write(OUT.pack(16 + len(body), -error, unique) + body)
            self.speak()

    def request(self) -> bytes | None:
        while True:
            try:
                return os.read(self.fd, 1 << 20)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return None
                if error.errno not in (errno.ENOENT, errno.EINTR):
                    raise

    def write(self, data: bytes) -> int:
        try:
            os.write(self.fd, data)
        except OSError as error:
            return error.errno or -1
        return 0

    def speak(self) -> None:
        """Say what there is to say, if it may be said now."""
        assert self.liar is not None
        while (not self.fetches or self.parked) and (answer := self.liar.next()) is not None:
            self.tell(answer)

    @property
    def fetches(self) -> bool:
        return bool(self.plan.get("fetch", 1))

    def tell(self, answer: Answer) -> None:
        assert self.liar is not None
        if self.fetches:
            unique, self.parked = self.parked, 0
            self.write(answer.message(unique))
            return
        size = OUT.size + len(answer.body)
        self.liar.judge(self.write(OUT.pack(size, NOTIFY_FSNOTIFY, 0) + answer.body))


def counters() -> str:
    """Of the connection, as people can see them."""
    LIBC.mount(b"fusectl", b"/sys/fs/fuse/connections", b"fusectl", 0, None)
    found = Path("/sys/fs/fuse/connections").glob("*/fsnotify")
    return " ".join(line.replace(" ", "=") for path in found for line in path.read_text().splitlines())


def main() -> int:
    server = Plain(json.loads(Path(sys.argv[1]).read_text()))
    server.mount()
    serves = threading.Thread(target=server.serve)
    # What the server says would be in the middle of what the script says
    with contextlib.redirect_stderr(io.StringIO()) as said:
        serves.start()
        subprocess.run([sys.executable, "-I", SCRIPT, sys.argv[2]], check=True)
        shown = counters()
        if LIBC.umount2(POINT.encode(), 0) < 0:
            raise OSError(ctypes.get_errno(), "umount")
        serves.join()
    print(said.getvalue(), end="")
    print(shown, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
