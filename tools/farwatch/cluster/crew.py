# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests of a cluster: columns go there as errands, and come back as verdicts, as if run here.

Kernel, server and tests are built here, once, and served to who lacks them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from farwatch.cells.crew import OnResult
from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.plan import INSTALLED, ColumnPlan
from farwatch.cluster.address import ClusterAddress
from farwatch.cluster.admission import put_right
from farwatch.cluster.artifacts import ArtifactServer
from farwatch.cluster.errand import DEATHS, KVM, Delivery, Errand, errands_of
from farwatch.cluster.libraries import ensure_libraries
from farwatch.cluster.roster import ABSENCE_LIMIT, Roster
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, CellResult, Verdict
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.cluster.schedulers import Reached

BATCH = 12
"""Most cells of an errand: a guest is booted for them, and they are run again if the worker dies."""
AHEAD = 2
"""Errands that are given away for each guest there is room for: the next one is there when one ends."""
TRIES = 3
"""Workers that may say that they cannot do an errand until nothing more is expected of it."""

MISSED = 2
"""Looks in vain after which nobody has an errand: it may have come between two."""
LOOK = 1.0
"""Seconds between them."""
WITH_IT = "workers have died with it"

Work = Callable[[Errand, str, str], Delivery]


@dataclass
class Given:
    """An errand that is with the cluster.

    failed: why nothing has come of it, each time
    since:  when there was last somebody who could do it
    missed: how often it was looked for in vain
    """

    errand: Errand
    failed: tuple[str, ...]
    future: Any = None
    since: float = field(default_factory=time.monotonic)
    missed: int = 0


class ClusterCrew:
    """A Crew (cells/crew.py).

    most: guests at once of a worker; None: what it carries
    work: what is done with an errand, on a worker
    """

    def __init__(
        self,
        address: ClusterAddress,
        home: Home,
        say: Callable[[str], None],
        most: int | None = None,
        work: Work | None = None,
    ) -> None:
        self._address = address
        self._home = home
        self._say = say
        self._most = most
        self._work = work
        self._session = f"farwatch-{secrets.token_hex(6)}"
        self._reached: Reached | None = None
        self._server: ArtifactServer | None = None
        self._roster: Roster | None = None
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = Future()
        self._complete = False
        self._cancelled = False
        self._backlog: deque[tuple[ColumnWork, tuple[Job, ...], tuple[str, ...]]] = deque()
        self._given: dict[int, Given] = {}
        self._works: dict[int, ColumnWork] = {}
        self._number = 0
        self._looked = 0.0
        self._logs = Path()
        self._run_id = ""
        self._on_result: OnResult = lambda _: None

    # -- for whoever has the cells

    def open(self, plans: Sequence[ColumnPlan]) -> None:
        ensure_libraries(self._home)
        from farwatch.cluster import schedulers, workshop

        self._work = self._work or workshop.run
        want = workshop.wanted(
            tuple(dict.fromkeys(plan.column.engine for plan in plans)),
            tuple(dict.fromkeys(each for each in map(_share_setting, plans) if each != DEFAULT_SHARE)),
            tuple(
                dict.fromkeys(
                    case.program for plan in plans for case in plan.todo if case.program in INSTALLED
                )
            ),
        )
        self._reached = schedulers.reach(self._address, self._home)
        self._server = ArtifactServer(self._reached.host)
        self._roster = Roster(self._reached, self._session, want, self._say, self._most)
        self._reached.on_death(lambda keys: self._tell(lambda: self._died(keys)))
        self._roster.wait()
        names = self._roster.names()
        self._say(f"{self._address.text}: {len(names)} worker{'s' * (len(names) != 1)}")

    def make_room(self, work: ColumnWork) -> None:
        """There is some, or will be."""

    def begin(self, logs: Path, run_id: str, on_result: OnResult) -> None:
        self._logs, self._run_id, self._on_result = logs, run_id, on_result
        self._thread = threading.Thread(target=self._main, name="cluster")
        self._thread.start()

    @property
    def over(self) -> bool:
        return self._ended.done()

    def add(self, work: ColumnWork) -> None:
        self._tell(lambda: self._take(work))

    def end(self) -> None:
        self._tell(lambda: setattr(self, "_complete", True))

    def join(self) -> None:
        self._ended.result()

    def cancel(self) -> None:
        self._cancelled = True
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join()
        for each in (self._server, self._reached):
            if each is not None:
                each.close()
        self._server = self._reached = None

    # -- the thread

    def _tell(self, event: Callable[[], None]) -> None:
        assert self._roster is not None
        self._roster.events.put(event)

    def _main(self) -> None:
        try:
            self._go_on()
        except BaseException as error:  # raised by join(), where somebody can handle it
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _go_on(self) -> None:
        roster = self._roster
        assert roster is not None
        while not self._cancelled and not (self._complete and not self._backlog and not self._given):
            roster.hear()
            roster.look_around()
            if self._backlog or self._given:
                roster.require_some()
            self._give_away(roster)
            self._give_up(roster)
            self._give_anew()

    def _take(self, work: ColumnWork) -> None:
        """The cells of a column, cut into errands."""
        assert self._roster is not None
        jobs = list(work.jobs)
        size = min(BATCH, max(1, len(jobs) // (AHEAD * max(1, self._roster.capacity))))
        groups: dict[bool, list[Job]] = {}
        for job in jobs:  # what not every worker can do is kept apart
            groups.setdefault(job.case.program in INSTALLED, []).append(job)
        for group in groups.values():
            pieces = [tuple(group[start : start + size]) for start in range(0, len(group), size)]
            self._backlog.extend((work, piece, ()) for piece in pieces)

    def _give_away(self, roster: Roster) -> None:
        while self._backlog and len(self._given) < AHEAD * roster.capacity:
            work, jobs, failed = self._backlog.popleft()
            self._give(work, jobs, failed)

    def _give(self, work: ColumnWork, jobs: tuple[Job, ...], failed: tuple[str, ...]) -> None:
        assert self._reached and self._server and self._roster
        self._number += 1
        source = self._server.url(self._reached.name)
        errand = errands_of(
            self._home, work, jobs, self._number, source, self._session, self._roster.largest()
        )
        if errand.setting.engine.runs_vmm and self._roster.has_kvm():
            errand = replace(errand, needs=(*errand.needs, KVM))
        self._server.add(errand.artifacts)
        given = self._given[errand.number] = Given(errand, failed)
        self._works[errand.number] = work
        from farwatch.cluster.schedulers import perform

        def done(delivery: Any, error: BaseException | None) -> None:
            self._tell(lambda: self._came(given, delivery, error))

        given.future = self._reached.submit(
            done,
            perform,
            self._work,
            errand,
            key=f"{self._session}-{errand.number}",
            resources=errand.resources,
        )

    # -- what comes back

    def _came(self, given: Given, delivery: Delivery | None, error: BaseException | None) -> None:
        if self._given.pop(given.errand.number, None) is None:
            return  # given up, or heard of before
        if delivery is None:
            self._failed(given, error)
        elif delivery.unfit:
            self._unfit(given, delivery)
        else:
            self._store(given, delivery)

    def _store(self, given: Given, delivery: Delivery) -> None:
        """The verdicts of an errand, each once; what has none is run again."""
        received, number = time.time(), given.errand.number
        for name, content in delivery.logs:
            _write(self._logs / _mine(number, name), content)
        left = {job.case.name: job for job in given.errand.jobs}
        for result in delivery.results:
            if left.pop(result.test, None):
                self._on_result(self._as_ours(result, number, delivery.sent, received))
        if left:
            self._again(given, tuple(left.values()), f"{delivery.worker}: no verdict")

    def _as_ours(self, result: CellResult, number: int, sent: float, received: float) -> CellResult:
        folder = PurePosixPath(*PurePosixPath(result.logs).parts[1:])
        return replace(
            result,
            started=put_right(result.started, sent, received),
            logs=f"{self._logs.name}/{_mine(number, str(folder))}" if result.logs else "",
            run=self._run_id,
        )

    def _unfit(self, given: Given, delivery: Delivery) -> None:
        assert self._roster is not None
        self._roster.refuse(delivery.worker, delivery.unfit)
        self._again(given, given.errand.jobs, f"{delivery.worker}: {delivery.unfit}")

    def _failed(self, given: Given, error: BaseException | None) -> None:
        from farwatch.cluster.schedulers import is_killed, is_lost

        assert error is not None
        if is_killed(error):
            self._once_more(
                given, given.errand.jobs
            )  # each death has been heard of; a scheduler may allow fewer
        elif is_lost(error):
            raise FarwatchError("the cluster's scheduler is gone", cause=str(error))
        else:
            raise error

    def _again(self, given: Given, jobs: tuple[Job, ...], why: str) -> None:
        given.failed = (*given.failed, why)
        self._once_more(given, jobs)

    def _once_more(self, given: Given, jobs: tuple[Job, ...]) -> None:
        deaths = given.failed.count(WITH_IT)
        if deaths < DEATHS and len(given.failed) - deaths < TRIES:
            self._backlog.appendleft((self._works[given.errand.number], jobs, given.failed))
        else:
            self._without_verdict(given, jobs, "; ".join(dict.fromkeys(given.failed)))

    def _give_up(self, roster: Roster) -> None:
        """What nobody can do who is left does not wait for ever."""
        now = time.monotonic()
        for given in list(self._given.values()):
            lacking = roster.lacking(given.errand.needs)
            if not lacking:
                given.since = now
            elif roster.hopeless(given.errand.needs) or now - given.since > ABSENCE_LIMIT:
                del self._given[given.errand.number]
                given.future.cancel()
                self._without_verdict(given, given.errand.jobs, f"no worker has: {lacking}")

    def _give_anew(self) -> None:
        """What was with workers that are all gone stays with the scheduler, also when others have come.

        A task that nobody can have is looked at again when a worker joins (Scheduler.add_worker), but then
        that has not been let in yet; of its resources, by which it is, the scheduler only takes note.
        """
        assert self._reached is not None
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        held = self._reached.held()
        for given in list(self._given.values()):
            given.missed = 0 if given.future.key in held or not given.future.waits else given.missed + 1
            if given.missed >= MISSED:
                del self._given[given.errand.number]
                given.future.cancel()
                self._once_more(given, given.errand.jobs)

    def _died(self, keys: frozenset[str]) -> None:
        """A worker is gone, and these tasks were its."""
        for given in self._given.values():
            if given.future.key in keys:
                given.failed = (*given.failed, WITH_IT)

    def _without_verdict(self, given: Given, jobs: tuple[Job, ...], why: str) -> None:
        """As when a guest cannot be started: nothing is known of what is under test."""
        for job in jobs:
            self._on_result(
                CellResult(
                    given.errand.column,
                    job.case.name,
                    job.inputs,
                    Verdict.ERROR,
                    f"the cell could not be run: {why}",
                    attempts=max(1, len(given.failed)),
                    started=time.time(),
                    run=self._run_id,
                )
            )


def _share_setting(plan: ColumnPlan) -> Any:
    return plan.subject.share_setting


def _mine(number: int, name: str) -> str:
    """Of a log folder of an errand, among those of the run."""
    return f"{number}-{name}"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
