# SPDX-License-Identifier: GPL-2.0-or-later
"""Who of a cluster may run cells: each worker is greeted when it comes, and named with the reason if not."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farwatch.cluster import greeting
from farwatch.cluster.admission import Facts, clock_note, refusal
from farwatch.cluster.errand import CORES, KVM, MEMORY
from farwatch.errors import FarwatchError

if TYPE_CHECKING:
    from farwatch.cluster.schedulers import Member, Reached, Submitted
    from farwatch.cluster.workshop import Demands, Offer

ADMISSION_LIMIT = 300.0
"""Seconds until a worker must have answered: it may install what an engine takes."""
ABSENCE_LIMIT = 45.0
"""Seconds that a cluster may be without any worker that fits, while others take the place of dead ones."""
TICK = 0.25
LOOK = 0.5
"""Seconds: that nothing happens until one looks up; between two looks around."""

Event = Callable[[], None]


@dataclass
class Seat:
    """A worker, as far as we know it.

    offers: what of the wanted it has; None: it is not let in
    task:   what it is asked last
    """

    member: Member
    asked: float
    offers: frozenset[str] | None = None
    refused: str = ""
    task: Submitted | None = None


class Roster:
    """Used by one thread at a time; what comes from elsewhere is put into `events`, and called by it.

    session: resource that a worker has from us when it is let in
    most:    guests at once of a worker; None: what it carries
    """

    def __init__(
        self,
        reached: Reached,
        session: str,
        want: Demands,
        say: Callable[[str], None],
        most: int | None,
    ) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._reached = reached
        self._session = session
        self._want = want
        self._say = say
        self._most = most
        self._ours = Facts.read(greeting.greet())
        self._seats: dict[str, Seat] = {}
        self._said: set[str] = set(reached.lost)
        self._refusals: dict[str, str] = {}
        """Name -> why it is not used, also when it has gone since."""
        self._ever: set[frozenset[str]] = set()
        self._numbers = count(1)
        self._fit_at = time.monotonic()
        self._looked_at = 0.0
        for each in reached.lost:
            say(each)

    # -- who is there

    def look_around(self) -> None:
        """The same, but not at every event: of many workers the scheduler has much to say."""
        if time.monotonic() - self._looked_at >= LOOK:
            self.look()

    def look(self) -> None:
        """Greet who has come, and forget who has gone."""
        self._looked_at = time.monotonic()
        members = {each.address: each for each in self._reached.members()}
        for address in self._seats.keys() - members.keys():
            gone = self._seats.pop(address)
            if gone.task is not None:
                gone.task.cancel()
        for address, member in members.items():
            if address not in self._seats:
                self._greet(member)
        if self.capacity:
            self._fit_at = time.monotonic()

    def wait(self) -> None:
        """Until everybody who is there has answered. FarwatchError if nobody is let in, or comes."""
        began = time.monotonic()
        self.look()
        if not self._seats:
            self._tell("waiting for a worker")
        while time.monotonic() - began < (ADMISSION_LIMIT if self._undecided else ABSENCE_LIMIT):
            if self._seats and not self._undecided:
                break
            self.hear()
            self.look()
        if not self.capacity:
            raise self._nobody()

    def require_some(self) -> None:
        """FarwatchError if there has been nobody for long, and nobody is to be expected."""
        if not self.capacity and time.monotonic() - self._fit_at > ABSENCE_LIMIT:
            raise self._nobody()

    def hear(self) -> None:
        """What has happened meanwhile; if nothing has, a moment passes."""
        try:
            self.events.get(timeout=TICK)()
            while True:
                self.events.get_nowait()()
        except queue.Empty:
            return

    @property
    def capacity(self) -> int:
        """Guests that those who are let in carry at once."""
        return sum(min(self._most or 1 << 30, each.member.threads) for each in self._admitted)

    def largest(self) -> dict[str, float]:
        """The most that one of them has of what a guest takes."""
        admitted = self._admitted
        return {
            name: max(each.member.resources[name] for each in admitted)
            for name in (CORES, MEMORY)
            if admitted
        }

    def names(self) -> list[str]:
        """Of those who are let in."""
        return [each.member.name for each in self._admitted]

    def lacking(self, needs: Iterable[str]) -> str:
        """What of that nobody has who is let in; empty where somebody has all of it."""
        wanted = set(needs) - {self._session}
        if any(wanted <= each.offers for each in self._admitted if each.offers is not None):
            return ""
        somebody = frozenset().union(*(each.offers or () for each in self._admitted))
        return ", ".join(sorted(wanted - somebody or wanted))

    def hopeless(self, needs: Iterable[str]) -> bool:
        """Whether nobody who has ever been let in had all of that."""
        return not any(set(needs) - {self._session} <= offers for offers in self._ever)

    def has_kvm(self) -> bool:
        return any(KVM in (each.offers or ()) for each in self._admitted)

    def refuse(self, name: str, why: str) -> None:
        """Let in no longer who has that name; others get what it was given."""
        for seat in self._seats.values():
            if seat.member.name == name and not seat.refused:
                self._refused(seat, why)
                self._reached.retire(seat.member.address)

    @property
    def _admitted(self) -> list[Seat]:
        return [each for each in self._seats.values() if each.offers is not None and not each.refused]

    @property
    def _undecided(self) -> list[Seat]:
        return [each for each in self._seats.values() if each.offers is None and not each.refused]

    # -- how one is greeted

    def _greet(self, member: Member) -> None:
        seat = self._seats[member.address] = Seat(member, time.time())
        if not {CORES, MEMORY} <= member.resources.keys():
            self._refused(seat, "it was not started by `farwatch worker`")
            return
        # a worker of whatever version runs text; nothing of ours has to be there for it
        text = Path(greeting.__file__).read_text(encoding="utf-8")
        call = f"exec({text!r}, (names := {{}})) or names['greet']()"
        self._ask(seat, self._answered, eval, call)

    def _answered(self, seat: Seat, answer: Any) -> None:
        theirs = Facts.read(answer)
        if why := refusal(theirs, self._ours):
            self._refused(seat, why)
            return
        if note := clock_note(theirs, seat.asked, time.time()):
            self._tell(f"{seat.member.name}: {note}")
        from farwatch.cluster.schedulers import admit

        self._ask(seat, self._offered, admit, self._want, self._session, self._most)

    def _offered(self, seat: Seat, offer: Offer) -> None:
        for resource, trouble in offer.lacking:
            self._tell(f"{seat.member.name} does without {resource}: {trouble}")
        seat.offers = frozenset((*offer.has, *([KVM] if offer.kvm else ())))
        self._ever.add(seat.offers)

    def _ask(
        self, seat: Seat, then: Callable[[Seat, Any], None], function: Callable[..., Any], *words: object
    ) -> None:
        def done(answer: Any, error: BaseException | None) -> None:
            self.events.put(lambda: self._heard(seat, then, answer, error))

        key = f"{self._session}-greeting-{next(self._numbers)}"
        where = seat.member.address
        seat.task = self._reached.submit(done, function, *words, key=key, member=where, first=True)

    def _heard(
        self, seat: Seat, then: Callable[[Seat, Any], None], answer: Any, error: BaseException | None
    ) -> None:
        if self._seats.get(seat.member.address) is not seat or seat.refused:
            return  # it has gone
        if error is not None:
            self._refused(seat, f"it cannot be talked to: {error}")
            return
        then(seat, answer)

    def _refused(self, seat: Seat, why: str) -> None:
        seat.refused = self._refusals[seat.member.name] = why
        self._tell(f"{seat.member.name} is not used: {why}")

    def _tell(self, text: str) -> None:
        """Once, also of one that comes again."""
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def _nobody(self) -> FarwatchError:
        refused = [f"{name}: {why}" for name, why in self._refusals.items()]
        silent = [f"{each.member.name}: it does not answer" for each in self._undecided]
        return FarwatchError(
            "no worker of the cluster can run cells",
            cause="\n".join([*self._reached.lost, *refused, *silent]) or "there is none",
            hint="start one by `farwatch worker ADDRESS`, of this very farwatch, or leave out --cluster",
        )
