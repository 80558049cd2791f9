# SPDX-License-Identifier: GPL-2.0-or-later
"""The one door to Dask.distributed: clusters are reached, or started, and given tasks.

Which worker does what, what becomes of the tasks of one that dies, and who takes over from whom is
Dask's to know (https://distributed.dask.org/en/stable/resilience.html).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster, get_worker
from distributed.scheduler import KilledWorker

from farwatch.cluster import workshop
from farwatch.cluster.address import ClusterAddress, SshHost
from farwatch.cluster.errand import DEATHS, KVM, PLENTY, Delivery, Errand
from farwatch.cluster.nanny import LOOPBACK, SILENCE_LIMIT, memory_for_guests, nanny_options
from farwatch.cluster.workshop import Demands, Offer
from farwatch.engines.capacity import GUEST_MEMORY
from farwatch.engines.uml import GUESTS_A_CORE
from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.machine import cores

CONNECT_LIMIT = 15.0
"""Seconds for a scheduler to answer."""
_LIMIT = 600.0
"""Seconds for what a worker brings back to arrive."""
_SETTINGS: dict[str, object] = {
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    # a nanny whose worker has died starts another one; it must not be given up because that dies, too
    "distributed.deploy.lost-worker-timeout": "7 days",
    "distributed.scheduler.worker-ttl": f"{SILENCE_LIMIT}s",
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.comm.timeouts.connect": "30s",
}


ANSWERS = 32
"""Tasks whose results are fetched at once; some may have to be made anew meanwhile."""


@dataclass(frozen=True)
class Member:
    """A worker of the cluster. address: of this process of it; another one has another"""

    address: str
    name: str
    threads: int
    resources: Mapping[str, float]


class Submitted:
    """A task that is with the cluster."""

    def __init__(self, future: Any) -> None:
        self._future = future
        self.key = str(future.key)

    @property
    def waits(self) -> bool:
        """Whether nothing has come of it yet."""
        return bool(self._future.status == "pending")

    def cancel(self) -> None:
        self._future.cancel()


class Reached:
    """A cluster with which we are connected.

    own:  its scheduler is in this process, and ends with it
    lost: why some of it could not be had
    host: on which this machine listens for who is in it
    name: of this machine, for who is in it; "{host}": that of the scheduler
    """

    def __init__(
        self,
        client: Any,
        *,
        own: Any = None,
        lost: tuple[str, ...] = (),
        host: str = "",
        name: str = "{host}",
    ) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(ANSWERS, thread_name_prefix="cluster answers")
        self._own = own
        self.lost = lost
        self.host = host
        self.name = name

    def members(self) -> list[Member]:
        """Those that are there now."""
        try:
            found = self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:
            raise _no_answer(error) from error
        return [
            Member(address, str(each["name"]), int(each["nthreads"]), dict(each["resources"]))
            for address, each in found.items()
        ]

    def submit(
        self,
        done: Callable[[Any, BaseException | None], None],
        function: Callable[..., Any],
        *arguments: object,
        key: str,
        resources: Mapping[str, float] | None = None,
        member: str = "",
        first: bool = False,
    ) -> Submitted:
        """Have a function called; done hears, in another thread, what came of it.

        member: address of the one that is to do it
        first:  before what waits already
        """
        where: dict[str, Any] = {"workers": [member], "allow_other_workers": False} if member else {}
        future = self._client.submit(
            function,
            *arguments,
            key=key,
            resources=dict(resources or {}),
            priority=1 if first else 0,
            pure=False,
            **where,
        )
        # Dask has one thread for the callbacks of all: who waits for what a dead worker had must not be in it
        future.add_done_callback(lambda each: self._threads.submit(lambda: done(*_result(each))))
        return Submitted(future)

    def held(self) -> frozenset[str]:
        """Keys of the tasks that some worker has been given, and has not done yet."""
        try:
            return frozenset(str(key) for keys in self._client.processing().values() for key in keys)
        except OSError as error:
            raise _no_answer(error) from error

    def on_death(self, hear: Callable[[frozenset[str]], None]) -> None:
        """Hear, in another thread, of each worker that goes unasked, by the keys of the tasks that it had."""

        def handle(event: tuple[float, Any]) -> None:
            _, said = event
            if isinstance(said, dict) and said.get("action") == "remove-worker" and not said["expected"]:
                hear(frozenset(map(str, said["processing-tasks"])))

        self._client.subscribe_topic("all", handle)

    def retire(self, member: str) -> None:
        """Have what it was given done by others, and end it."""
        with suppress(Exception):  # it may be gone by itself
            self._client.retire_workers([member], close_workers=True)

    def close(self) -> None:
        """Leave it; one of our own is ended."""
        for each in filter(None, (self._client, self._own)):
            with suppress(Exception):
                each.close(timeout=10)
        self._threads.shutdown(wait=False, cancel_futures=True)


def _no_answer(error: OSError) -> FarwatchError:
    return FarwatchError("the cluster's scheduler does not answer", cause=str(error))


def _result(future: Any) -> tuple[Any, BaseException | None]:
    try:
        value, error = future.result(timeout=_LIMIT), None
    except BaseException as raised:
        value, error = None, raised
    future.release()
    return value, error


def is_killed(error: BaseException) -> bool:
    """Whether a task is given up because each worker has died that it was given to."""
    return isinstance(error, KilledWorker)


def is_lost(error: BaseException) -> bool:
    """Whether a task was forgotten: with the scheduler, or by somebody who has told it to."""
    return isinstance(error, (asyncio.CancelledError, CancelledError, OSError))


def reach(address: ClusterAddress, home: Home) -> Reached:
    """Connect with a cluster, started if it is to be our own. FarwatchError if that cannot be."""
    dask.config.set(_SETTINGS)
    if address.scheduler:
        return _reach_scheduler(address)
    security = Security.temporary()
    if address.processes:
        return _started(LOOPBACK, _local(home, address.processes, security), security)
    return _started("", _by_ssh(address.hosts, security), security)


def _reach_scheduler(address: ClusterAddress) -> Reached:
    try:
        client = Client(address.scheduler, timeout=CONNECT_LIMIT, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise FarwatchError(
            f"there is no cluster at {address.scheduler}",
            cause=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            hint="farwatch worker --scheduler, on the machine that is to be in the middle",
        ) from error
    mine = address_towards(address.scheduler_host)
    return Reached(client, host=mine, name=mine)


def address_towards(host: str) -> str:
    """The address of this machine by which another one reaches it, as routes are now; nothing is sent."""
    family, kind, protocol, _, there = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(there)
        return str(probe.getsockname()[0])


def _started(host: str, workers: Mapping[str, Any], security: Any) -> Reached:
    scheduler = {
        "host": host or None,
        "protocol": "tls://",
        "port": 0,
        "dashboard": False,
        "dashboard_address": f"{LOOPBACK}:0",
        "security": security,
    }
    cluster = _unharmed(
        lambda: SpecCluster(
            workers=workers,
            scheduler={"cls": Scheduler, "options": scheduler},
            security=security,
            silence_logs=logging.CRITICAL + 1,
        )
    )
    lost = tuple(each.trouble for each in cluster.workers.values() if getattr(each, "trouble", ""))
    client = Client(cluster, set_as_default=False)
    return Reached(client, own=cluster, lost=lost, host=host)


def _unharmed(start: Callable[[], Any]) -> Any:
    """Start a cluster in a thread to which, and to whose children, no Ctrl-C comes: it is to be for us alone.

    If one comes meanwhile, what has been started is ended.
    """
    started: Future[Any] = Future()

    def main() -> None:
        try:
            started.set_result(start())
        except BaseException as error:
            started.set_exception(error)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        threading.Thread(target=main, name="cluster starts", daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return started.result()
    except KeyboardInterrupt:
        with suppress(Exception):
            started.result(timeout=SILENCE_LIMIT).close(timeout=10)
        raise
    except Exception as error:
        raise FarwatchError(
            "the cluster cannot be started",
            cause=f"{type(error).__name__}: {error}",
            hint="see whether fewer workers can be, or when the machine has less to do",
        ) from error


def _local(home: Home, count: int, security: Any) -> dict[str, Any]:
    """A process each, with a home of its own, which share what the machine has; enough for a guest each."""
    share = max(1.0 / GUESTS_A_CORE, cores() / count)
    memory = max(float(GUEST_MEMORY), memory_for_guests() / count)
    homes = [Home(home.workers / f"local-{number}") for number in range(1, count + 1)]
    for each in homes:
        each.root.mkdir(exist_ok=True)
    return {
        each.root.name: {"cls": Nanny, "options": nanny_options(each, share, memory, security)}
        for each in homes
    }


def _by_ssh(hosts: tuple[SshHost, ...], security: Any) -> dict[str, Any]:
    from farwatch.cluster.ssh import SshWorker

    return {
        f"{each.shown} ({number})" if each in hosts[: number - 1] else each.shown: {
            "cls": SshWorker,
            "options": {"host": each, "security": security},
        }
        for number, each in enumerate(hosts, 1)
    }


# On the workers


def admit(want: Demands, session: str, most: int | None) -> Offer:
    """See what the machine of this worker has, and have it given tasks of a session. most: at once"""
    found = workshop.offer(want)
    worker = get_worker()
    resources = dict.fromkeys(found.has, PLENTY) | ({KVM: PLENTY} if found.kvm else {})
    granting = worker.set_resources(**resources, **{session: most or worker.state.nthreads})
    asyncio.run_coroutine_threadsafe(granting, worker.loop.asyncio_loop).result(timeout=_LIMIT)
    return found


def perform(work: Callable[[Errand, str, str], Delivery], errand: Errand) -> Delivery:
    """An errand, done here."""
    worker = get_worker()
    host = urlsplit(worker.scheduler.address).hostname or ""
    return work(errand, str(worker.name), host)
