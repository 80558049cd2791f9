# SPDX-License-Identifier: GPL-2.0-or-later
"""What --cluster names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farwatch.errors import FarwatchError

MOST = 256
"""Worker processes of local:N; a larger number is a slip of the finger."""
FORMS = "local:N, ssh:HOST,HOST or tcp://HOST:PORT"
_HOST = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>\[[0-9a-fA-F:%.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
_SCHEDULER = re.compile(r"(tcp|tls)://(?P<host>\[[0-9a-fA-F:%.]+\]|[\w.-]+):\d{1,5}/?")


@dataclass(frozen=True)
class SshHost:
    """[USER@]HOST[:PORT]; what is not said is for the configuration of ssh to know."""

    shown: str
    host: str
    user: str = ""
    port: int = 0


@dataclass(frozen=True)
class ClusterAddress:
    """One of them: so many processes of this machine, hosts to be reached by ssh, or a scheduler."""

    text: str
    processes: int = 0
    hosts: tuple[SshHost, ...] = ()
    scheduler: str = ""

    @property
    def scheduler_host(self) -> str:
        """Where the scheduler is that somebody else has started; empty where it is our own."""
        found = _SCHEDULER.fullmatch(self.scheduler)
        return found["host"].strip("[]") if found else ""


def cluster_address(text: str) -> ClusterAddress:
    """FarwatchError for what is none of them."""
    kind, _, rest = text.partition(":")
    if kind == "local" and rest.isdigit() and 1 <= int(rest) <= MOST:
        return ClusterAddress(text, processes=int(rest))
    if kind == "ssh" and (hosts := _hosts(rest)):
        return ClusterAddress(text, hosts=hosts)
    if _SCHEDULER.fullmatch(text):
        return ClusterAddress(text, scheduler=text)
    raise FarwatchError(
        f"--cluster: '{text}' is no cluster", cause=_cause(kind, rest), hint=f"one of {FORMS}"
    )


def _cause(kind: str, rest: str) -> str:
    if kind == "local":
        return f"'{rest}' is no number of worker processes from 1 to {MOST}"
    if kind == "ssh":
        return f"'{rest}' is no list of hosts"
    if kind in ("tcp", "tls"):
        return "the address of a scheduler has a host and a port: tcp://HOST:8786"
    return f"there is no kind '{kind}'"


def _hosts(text: str) -> tuple[SshHost, ...]:
    """Nothing if one of them cannot be read; a host that is named twice has two workers."""
    found = [_HOST.fullmatch(word.strip()) for word in text.split(",")]
    read = [match for match in found if match]
    if len(read) < len(found):
        return ()
    return tuple(
        SshHost(each[0], each["host"].strip("[]"), each["user"] or "", int(each["port"] or 0))
        for each in read
    )
