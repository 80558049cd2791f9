# SPDX-License-Identifier: GPL-2.0-or-later
"""Who comes to a cluster, is greeted, and is let in or named. The cluster is made up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.cluster import greeting, roster
from farwatch.cluster.errand import CORES, MEMORY
from farwatch.cluster.roster import Roster
from farwatch.cluster.workshop import Demands, Offer
from farwatch.errors import FarwatchError

pytestmark = pytest.mark.usefixtures("libraries")

NOTHING = Demands((), (), ())
DAY = 24 * 3600.0


OFFER = Offer(("engine uml",), (), False)


@dataclass(frozen=True)
class Worker:
    """As schedulers.py:Member, with what it answers."""

    name: str
    answer: dict[str, object] = field(default_factory=dict, compare=False)
    offer: Offer = OFFER
    resources: dict[str, float] = field(default_factory=lambda: {CORES: 1.0, MEMORY: 1e9}, compare=False)
    threads: int = 4

    @property
    def address(self) -> str:
        return f"tcp://{self.name}"


@dataclass
class FakeReached:
    there: list[Worker]
    lost: tuple[str, ...] = ()
    silent: set[str] = field(default_factory=set)
    retired: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def members(self) -> list[Worker]:
        return self.there

    def submit(self, done: Any, function: Callable[..., Any], *words: Any, member: str, **_: Any) -> Any:
        task = SimpleNamespace(cancel=lambda: self.cancelled.append(member))
        [worker] = [each for each in self.there if each.address == member]
        if worker.name in self.silent:
            return task
        if function is eval:
            done({**function(*words), **worker.answer}, None)
        else:
            done(worker.offer, None)
        return task

    def retire(self, member: str) -> None:
        self.retired.append(member)
        self.there = [each for each in self.there if each.address != member]


def made(*workers: Worker, **more: Any) -> tuple[Roster, FakeReached, list[str]]:
    said: list[str] = []
    reached = FakeReached(list(workers), **more)
    return Roster(cast(Any, reached), "session", NOTHING, said.append, None), reached, said


MISFITS: dict[str, tuple[dict[str, object], str]] = {
    "another version": ({"version": "0123"}, "its farwatch is another one (0123, and not "),
    "no farwatch": ({"version": ""}, "it has no farwatch"),
    "another architecture": ({"arch": "riscv64"}, "its architecture is riscv64"),
    "an old library": ({"libc": "glibc 2.1"}, "its C library is older"),
    "a full disk": ({"free": 1000}, "its disk is full: 0 MiB are free"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_one_that_does_not_fit_is_named_and_the_other_is_used(kind: str) -> None:
    answer, why = MISFITS[kind]
    found, _, said = made(Worker("moon", answer), Worker("sun"))
    found.wait()
    [line] = said
    assert line.startswith(f"moon is not used: {why}")
    assert found.names() == ["sun"] and found.capacity == 4


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_one_whose_clock_is_off_by_a_day_is_used_and_told(off: float) -> None:
    found, _, said = made(Worker("moon", {"time": time.time() + off}))
    found.wait()
    [line] = said
    assert line.startswith("moon: its clock is 86") and "times are put right" in line
    assert found.names() == ["moon"]


def test_a_worker_of_something_else_is_not_even_greeted() -> None:
    found, reached, said = made(Worker("stranger", resources={}), Worker("sun"))
    reached.silent = {"stranger"}
    found.wait()
    assert said == ["stranger is not used: it was not started by `farwatch worker`"]


def test_nobody_fits() -> None:
    found, _, _ = made(Worker("moon", {"version": "0123"}), lost=("mars cannot be used: refused",))
    with pytest.raises(FarwatchError, match="no worker of the cluster can run cells") as caught:
        found.wait()
    assert "mars cannot be used: refused\nmoon: its farwatch is another one" in caught.value.cause


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "ABSENCE_LIMIT", 0.0)
    found, _, _ = made()
    with pytest.raises(FarwatchError, match="no worker of the cluster") as caught:
        found.wait()
    assert caught.value.cause == "there is none"


def test_who_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found, reached, said = made()
    hear = found.hear

    def somebody_comes() -> None:
        reached.there = [Worker("sun")]
        hear()

    monkeypatch.setattr(found, "hear", somebody_comes)
    found.wait()
    assert said == ["waiting for a worker"] and found.names() == ["sun"]


def test_one_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "ADMISSION_LIMIT", 0.0)
    found, _, _ = made(Worker("moon"), silent={"moon"})
    with pytest.raises(FarwatchError, match="no worker of the cluster") as caught:
        found.wait()
    assert caught.value.cause == "moon: it does not answer"


def test_one_that_comes_later_is_greeted_and_one_that_goes_is_forgotten() -> None:
    found, reached, _ = made(Worker("sun"))
    found.wait()
    reached.there = [Worker("moon")]
    found.look()
    found.hear()
    assert found.names() == ["moon"]


def test_one_that_goes_without_an_answer_is_asked_no_longer() -> None:
    found, reached, _ = made(Worker("sun"), Worker("moon"), silent={"moon"})
    found.look()
    reached.there = [Worker("sun")]
    found.look()
    assert reached.cancelled == ["tcp://moon"]


def test_what_they_lack_is_told_once_and_known() -> None:
    lacking = Offer((), (("engine vng", "QEMU is missing"),), True)
    found, reached, said = made(Worker("sun"), Worker("moon", offer=lacking))
    found.wait()
    assert said == ["moon does without engine vng: QEMU is missing"]
    assert found.lacking(["session", "engine uml"]) == "" and not found.hopeless(["engine uml"])
    assert found.lacking(["engine vng"]) == "engine vng" and found.hopeless(["engine vng"])
    assert found.lacking(["engine uml", "kvm"]) != "" and found.has_kvm()
    reached.there = [Worker("moon", offer=lacking)]
    found.look()
    assert found.lacking(["engine uml"]) == "engine uml" and not found.hopeless(["engine uml"])


def test_one_that_fails_later_is_named_and_retired() -> None:
    found, reached, said = made(Worker("sun"), Worker("moon"))
    found.wait()
    found.refuse("moon", "its disk is gone")
    found.refuse("moon", "its disk is gone")
    found.look()
    assert said == ["moon is not used: its disk is gone"] and reached.retired == ["tcp://moon"]
    assert found.names() == ["sun"]


def test_the_largest_of_them_is_known() -> None:
    """A guest that takes more than that has all of it, and does not wait for ever."""
    found, _, _ = made(
        Worker("sun", resources={CORES: 0.5, MEMORY: 3.0}),
        Worker("moon", resources={CORES: 2.0, MEMORY: 1.0}),
    )
    assert found.largest() == {}
    found.wait()
    assert found.largest() == {CORES: 2.0, MEMORY: 3.0}


def test_the_greeting_is_what_this_machine_says() -> None:
    found, _, _ = made(Worker("sun", {"version": greeting.greet()["version"]}))
    found.wait()
    assert found.names() == ["sun"]
