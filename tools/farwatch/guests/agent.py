# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said to the agent, the guest's first process (kernel-tests/guest/agent.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from farwatch.errors import FarwatchError
from farwatch.guests.setting import Setting, Share

GUEST_HOST_ROOT = "/mnt/host"
"""Where the agent binds the host's root: the guest's own tmpfs hide /tmp, /run and /mnt."""
GUEST_SOURCE = "/mnt/source"
"""SOURCE_POINT of kernel-tests/guest/order.h: what the server of a share of kind fuse serves."""
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+:=@,-"
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""As program.c has it."""
MARK = re.compile(rb"farwatch: (begin|end) (\d+)\s*$")


_ESCAPED = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in range(256)]
LINE_MAX = 3900
"""Bytes that may wait on a line: one of User Mode Linux is deaf for good once 3968 do."""
ARGUMENTS_MAX = 256
"""ARGS_MAX of agent.c: words of a command."""


def escape(field: str | bytes) -> str:
    """A field of a request or of an answer, as steps.h escapes fields."""
    data = field.encode("utf-8", "surrogateescape") if isinstance(field, str) else field
    return "".join(map(_ESCAPED.__getitem__, data)) or "%"


def unescape(field: str) -> str:
    """Undo it, for people: what is malformed stays as it is, what is no text is replaced."""
    return "" if field == "%" else unquote(field, errors="replace")


def request(verb: str, fields: Sequence[str]) -> bytes:
    """A control request line for the agent."""
    return " ".join([verb, *map(escape, fields)]).encode("ascii") + b"\n"


def guest_fields(setting: Setting, shares: Sequence[Share]) -> list[str]:
    """What a request says of the guest that its program is to find."""
    return [*(f"sysctl={entry}" for entry in setting.sysctls), *_mount_fields(setting, shares)]


def path_fields(setting: Setting) -> list[str]:
    """The PATH of a program, where it is not the usual one of a guest."""
    if not setting.tools:
        return []
    return [f"env=PATH={':'.join([*(f'{GUEST_HOST_ROOT}{folder}' for folder in setting.tools), USUAL_PATH])}"]


def _mount_fields(setting: Setting, shares: Sequence[Share]) -> list[str]:
    if setting.share in ("tmpfs", "none"):
        return ["mount=tmpfs:tmpfs"]
    options = ",".join(setting.share_setting.mount_options)
    said = [f"options={options}"] if options else []
    if setting.share == "fuse":
        return ["mount=fuse:plainfs", f"server={GUEST_HOST_ROOT}{setting.plain_server}", *said]
    return [*(f"mount=virtiofs:{share.tag}:{share.point}" for share in shares), *said]


def pieces(line: bytes) -> Iterator[bytes]:
    """A request as lines of which the agent wants one at a time: all but the last end with the field "+".

    FarwatchError: a field is longer than any line may be.
    """
    piece = b""
    for field in line.removesuffix(b"\n").split(b" "):
        if len(field) > LINE_MAX:
            word = unescape(field.decode()).removeprefix("arg=")
            raise FarwatchError(
                f"a word of the command is too long for the guest: {word[:40]}...",
                cause=f"{len(field)} bytes, each special character counted as three; at most {LINE_MAX}",
                hint="put it into a file, and the file into the folder that --share names",
            )
        if len(piece) + len(field) > LINE_MAX:
            yield piece + b"+\n"
            piece = b""
        piece += field + b" "
    yield piece.removesuffix(b" ") + b"\n"
