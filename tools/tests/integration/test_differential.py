# SPDX-License-Identifier: GPL-2.0-or-later
"""v3 against the reference: random steps of guest and host on a small tree, and what inotify says of them.

kernel-tests/guest/replay.c does the steps and prints the events, after each step all that it has caused. The
two streams must be equal, but for what these rules allow:

  merge   what the host does in one step can be merged by the host's fanotify, as long as it is about the same
          object and name: then each kind of event comes once, in the order of the protocol
  cross   the events of one step on two watched objects need not be in the same order, those on one must be
  end     an object without a name ends for the guest when nobody in the guest uses it, even if the host has
          it open: so a watch may end sooner than on the reference, but never later

FARWATCH_SEQUENCES says how many sequences to try (default 40).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from farwatch.app import App
from farwatch.cells.setting import setting_for
from farwatch.cells.wish import Wish
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.session import Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from tests.integration.forged_stage import setting_of
from tests.samples.event_rules import Event, merged

pytestmark = pytest.mark.integration

SEQUENCES = int(os.environ.get("FARWATCH_SEQUENCES", "40"))
TESTS_PER_GUEST = 400
WATCHED = ["d", "d/sub", "d/f", "e", "e/g"]
IGNORED, DELETE_SELF = 0x8000, 0x400
ENDINGS = IGNORED | DELETE_SELF
PATHS = ["d", "d/f", "d/x", "d/sub", "d/sub/y", "e", "e/g", "e/x"]


@dataclass(frozen=True)
class Step:
    """One step, and what came of it."""

    errno: int
    events: tuple[Event, ...]


def paths() -> st.SearchStrategy[str]:
    return st.sampled_from(PATHS)


def verbs() -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("create {} 644".format, paths()),
        st.builds("write {} 0 text".format, paths()),
        st.builds("append {} more".format, paths()),
        st.builds("truncate {} 1".format, paths()),
        st.builds("mkdir {} 755".format, paths()),
        st.builds("rmdir {}".format, paths()),
        st.builds("unlink {}".format, paths()),
        st.builds("rename {} {}".format, paths(), paths()),
        st.builds("rename {} {} exchange".format, paths(), paths()),
        st.builds("link {} {}".format, paths(), paths()),
        st.builds("symlink here {}".format, paths()),
        st.builds("chmod {} 700".format, paths()),
        st.builds("utimes {} 1000 2000".format, paths()),
        st.builds("open {} {} {}".format, paths(), st.sampled_from(["r", "w", "a", "d"]), handles()),
        st.builds("read {} 10".format, handles()),
        st.builds("pwrite {} 0 text".format, handles()),
        st.builds("close {}".format, handles()),
    )


def handles() -> st.SearchStrategy[int]:
    return st.integers(0, 1)


def steps() -> st.SearchStrategy[list[str]]:
    return st.lists(st.builds("{} {}".format, st.sampled_from("gh"), verbs()), min_size=1, max_size=12)


@dataclass
class Player:
    """A guest in which sequences are played."""

    loop: asyncio.AbstractEventLoop
    run: Run
    setting: Setting
    program: Path
    logs: Path
    session: Session | None = None
    number: int = 0
    died: list[str] = field(default_factory=list)

    def play(self, sequence: list[str]) -> list[Step]:
        return self.loop.run_until_complete(self._play(sequence))

    async def _play(self, sequence: list[str]) -> list[Step]:
        if self.session is None or not self.session.usable or self.session.tests_run >= TESTS_PER_GUEST:
            await self.close()
            self.number += 1
            folder = self.logs / f"guest-{self.number}"
            self.session = Session(
                self.run, self.setting, id(self) + self.number, folder, lambda _trace: None
            )
            await self.session.boot(60)
        self.number += 1
        trace = Trace("replay", self.number, LogSet(self.logs / f"{self.number}", self.run.clock))
        await self.session.test(trace, [f"{GUEST_HOST_ROOT}{self.program}", *sequence], {})
        said = b"\n".join(trace.output).decode("utf-8", "replace")
        assert trace.ended == "exit 0" and not trace.guest_died, f"{trace.ended}: {said}"
        return list(parsed(said.splitlines()))

    async def close(self) -> None:
        if self.session is not None:
            await self.session.power_off()
            await self.session.close()
            self.session = None


def parsed(lines: list[str]) -> Iterator[Step]:
    errno, events = None, list[Event]()
    for line in lines:
        words = line.split(" ", 4)
        if words[0] == "step":
            if errno is not None:
                yield Step(errno, tuple(events))
            errno, events = int(words[1]), []
        elif words[0] == "event":
            events.append((words[1], int(words[2], 16), int(words[3]), words[4]))
    assert errno is not None
    yield Step(errno, tuple(events))


def streams(step: Step, actor: str) -> dict[str, list[Event]]:
    """A step's events by watched object, without those that end a watch."""
    found: dict[str, list[Event]] = {watched: [] for watched in WATCHED}
    for event in step.events:
        if not event[1] & ENDINGS:
            found[event[0]].append(event)
    return {watched: merged(events) if actor == "h" else events for watched, events in found.items()}


def ended(step: Step) -> set[str]:
    return {watched for watched, mask, _, _ in step.events if mask & IGNORED}


def difference(sequence: list[str], reference: list[Step], other: list[Step]) -> str:
    """The first difference that no rule allows, or nothing."""
    over, over_here = set[str](), set[str]()
    for text, wanted, came in zip(sequence, reference, other, strict=True):
        want, got = streams(wanted, text[0]), streams(came, text[0])
        differ = [entry for entry in WATCHED if entry not in over_here and want[entry] != got[entry]]
        over |= ended(wanted)
        over_here |= ended(came)
        if wanted.errno != came.errno or differ or over - over_here:
            return f"{text}: {differ or sorted(over - over_here)}: {wanted} became {came}"
    return ""


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Player, Player]]:
    app = App.here()
    program = app.builder.tests(app.catalog.base("linux")).replay
    folder = tmp_path_factory.mktemp("differential")
    reference = setting_for(app, Wish((), edited=False), app.catalog.revision("reference"))
    loop = asyncio.new_event_loop()
    made: list[Player] = []

    async def start() -> Run:
        return Run(app.home)

    run = loop.run_until_complete(start())
    try:
        for name, setting in (("reference", reference), ("v3", setting_of("v3"))):
            made.append(Player(loop, run, setting, program, folder / name))
        yield made[0], made[1]
    finally:
        for player in made:
            loop.run_until_complete(player.close())
        loop.run_until_complete(run.close())
        loop.close()


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    derandomize="FARWATCH_SEED" not in os.environ,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(steps())
def test_the_same_steps_give_the_same_events(players: tuple[Player, Player], sequence: list[str]) -> None:
    reference, latest = (player.play(sequence) for player in players)
    assert not difference(sequence, reference, latest)
