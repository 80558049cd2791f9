# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers of hosts that are reached by ssh: `farwatch worker` there, for as long as the connection lasts.

As Dask's SSHCluster has it (https://docs.dask.org/en/stable/deploying-ssh.html), of whose parts it is made;
but a host that cannot be reached is named, and the others are used.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from typing import Any

import asyncssh
from distributed.core import Status
from distributed.deploy.ssh import Process

from farwatch.cluster.address import SshHost
from farwatch.cluster.serving import READY, Credentials

REMOTE = "FARWATCH_REMOTE"
"""Environment variable: what farwatch is called on the hosts; a command of their shells."""
_START_LIMIT = 900.0
"""Seconds in which a host's farwatch must be ready: it may have to install things first."""
_CONNECT_LIMIT = 20.0
_SAID = 5
"""Last lines of a farwatch that has not become ready."""


class SshWorker(Process):  # type: ignore[misc]
    """One of SpecCluster's workers. trouble: why there is none; then nothing comes of it"""

    def __init__(self, scheduler: str, host: SshHost, security: Any, name: str) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._host = host
        self._security = security
        self._name = name
        self.trouble = ""

    async def start(self) -> None:
        try:
            await self._connect()
            async with asyncio.timeout(_START_LIMIT):
                await self._begin()
        except (OSError, asyncssh.Error) as error:
            self.trouble = f"{self._name} cannot be used: {error or type(error).__name__}"
        self.status = Status.running

    async def _connect(self) -> None:
        options: dict[str, Any] = {}
        if self._host.user:
            options["username"] = self._host.user
        if self._host.port:
            options["port"] = self._host.port
        self.connection = await asyncssh.connect(
            self._host.host, connect_timeout=_CONNECT_LIMIT, keepalive_interval=15, **options
        )

    async def _begin(self) -> None:
        port = self._scheduler.rpartition(":")[2]
        mine = self.connection.get_extra_info("sockname")[0]
        address = f"tls://[{mine}]:{port}" if ":" in mine else f"tls://{mine}:{port}"
        words = ["worker", address, "--leash", "--name", self._name]
        command = f"{os.environ.get(REMOTE, 'farwatch')} {shlex.join(words)}"
        self.proc = await self.connection.create_process(command, stderr=asyncssh.STDOUT)
        self.proc.stdin.write(f"{Credentials.of(self._security).line}\n")
        said: list[str] = []
        async for line in self.proc.stdout:
            if line.strip() == READY:
                return
            said = [*said[1 - _SAID :], line.rstrip()]
        raise OSError(f"its farwatch ended: {' '.join(said) or command}")

    async def close(self) -> None:
        """It ends with its standard input, also where the host knows no signals by ssh."""
        if self.proc:
            self.proc.stdin.write_eof()
        await super().close()
