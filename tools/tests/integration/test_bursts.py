# SPDX-License-Identifier: GPL-2.0-or-later
"""Random bursts: lists of operations that the host does at once, while nobody in the guest reads.

kernel-tests/guest/replay.c plays them on the share and on a tmpfs of the same guest, and compares what
inotify says of both by the rules of kernel-tests/stream.h. Every other one is played while the server is
stopped, so that it sees nothing but what has become of it.

FARWATCH_BURSTS says how many (default 300), FARWATCH_BURST_REVISION on which revision (default v3),
FARWATCH_SEED, if it is set, that they are others each time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from farwatch.app import App
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

BURSTS = int(os.environ.get("FARWATCH_BURSTS", "300"))
REVISION = os.environ.get("FARWATCH_BURST_REVISION", "v3")
BATCH = 40
"""Bursts in one run of the program."""
BATCHES = 25
"""Runs in one guest."""
COUNTED = ("lost", "extra", "after death", "out of order", "wrong last", "pairs", "overflows")
"""In the order of replay.c."""
PATHS = ["d", "d/f", "d/x", "d/sub", "d/sub/y", "e", "e/g", "e/x"]
FILES = ["d/f", "d/x", "d/sub/y", "e/g", "e/x"]

Burst = tuple[str, ...]
"""Lines of a script."""


def operations() -> st.SearchStrategy[str]:
    path, file, handle = st.sampled_from(PATHS), st.sampled_from(FILES), st.integers(0, 1)
    return st.one_of(
        st.builds("create {} 644".format, file),
        st.builds("append {} more".format, file),
        st.builds("truncate {} 1".format, file),
        st.builds("mkdir {} 755".format, path),
        st.builds("rmdir {}".format, path),
        st.builds("unlink {}".format, file),
        st.builds("rename {} {}".format, path, path),
        st.builds("rename {} {}".format, file, file),
        st.builds("rename {} {} exchange".format, path, path),
        st.builds("link {} {}".format, file, file),
        st.builds("symlink here {}".format, path),
        st.builds("chmod {} 700".format, path),
        st.builds("utimes {} 1000 2000".format, path),
        st.builds("open {} {} {}".format, file, st.sampled_from("rwa"), handle),
        st.builds("open {} d {}".format, path, handle),
        st.builds("read {} 10".format, handle),
        st.builds("pwrite {} 0 text".format, handle),
        st.builds("tmpfile d {}".format, handle),
        st.builds("flink {} {}".format, handle, file),
        st.builds("close {}".format, handle),
    )


def bursts(count: int) -> list[Burst]:
    """Lists of 4 to 14 operations; what is open in the end is closed."""
    made: list[Burst] = []

    @settings(
        max_examples=count,
        deadline=None,
        derandomize="FARWATCH_SEED" not in os.environ,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(operations(), min_size=4, max_size=14))
    def make(lines: list[str]) -> None:
        made.append((*lines, "drop"))

    while len(made) < count:
        make()
    return made[:count]


@dataclass(frozen=True)
class Verdict:
    kind: str
    """same, joined, wrong or stale"""
    text: str

    @property
    def counts(self) -> dict[str, int]:
        if self.kind != "wrong":
            return {}
        return dict(zip(COUNTED, map(int, self.text.split(" ")[: len(COUNTED)]), strict=True))

    @property
    def fine(self) -> bool:
        return self.kind in ("same", "joined")


def _text(lines: Burst, late: bool) -> str:
    return "\n".join(("late" if late else "soon", *lines, "", ""))


class Player:
    """Guests of the revision, one after the other."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._folder = run, folder
        self._setting = setting_of(REVISION)
        app = App.here()
        self._program = f"{GUEST_HOST_ROOT}{app.builder.tests(app.catalog.base('linux')).replay}"
        self._number = 0
        self._session: Session | None = None

    async def play(self, lists: Sequence[Burst]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for start in range(0, len(lists), BATCH):
            verdicts += await self._batch(lists[start : start + BATCH], start)
        return verdicts

    async def _batch(self, lists: Sequence[Burst], start: int) -> list[Verdict]:
        session = await self._guest()
        self._number += 1
        file = self._folder / f"lists-{self._number}"
        file.write_text("".join(_text(lines, late=(start + at) % 2 == 1) for at, lines in enumerate(lists)))
        trace = Trace("bursts", self._number, LogSet(self._folder / f"{self._number}", self._run.clock))
        await session.test(trace, [self._program, "bursts", f"{GUEST_HOST_ROOT}{file}"], {})
        said = [line.decode("utf-8", "replace") for line in trace.output]
        assert trace.ended == "exit 0" and not trace.guest_died, f"{trace.ended}: {said[-5:]}"
        parts = [line.partition(" ") for line in said if not line.startswith("#")]
        assert len(parts) == len(lists)
        return [Verdict(kind, text) for kind, _, text in parts]

    async def _guest(self) -> Session:
        if self._session is None or not self._session.usable or self._session.tests_run >= BATCHES:
            await self.close()
            self._number += 1
            logs = self._folder / f"guest-{self._number}"
            self._session = Session(self._run, self._setting, self._number, logs, lambda _trace: None)
            await self._session.boot(60)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.power_off()
            await self._session.close()
            self._session = None


async def smaller(player: Player, burst: Burst, text: str) -> tuple[Burst, str]:
    """What is left of a burst when nothing can be left out any more, and what is wrong with it."""
    while True:
        fewer = [burst[:at] + burst[at + 1 :] for at in range(len(burst) - 1)]
        # Twice each: once while the server is stopped
        tries = [lines for lines in fewer if lines for _ in range(2)]
        bad = [
            (lines, verdict.text)
            for lines, verdict in zip(tries, await player.play(tries), strict=True)
            if not verdict.fine
        ]
        if not bad:
            return burst, text
        burst, text = bad[0]


async def play_all(run: Run, folder: Path, lists: list[Burst]) -> tuple[list[Verdict], str]:
    player = Player(run, folder)
    try:
        verdicts = await player.play(lists)
        both = zip(lists, verdicts, strict=True)
        bad = [(lines, verdict.text) for lines, verdict in both if not verdict.fine]
        if not bad:
            return verdicts, ""
        lines, text = await smaller(player, *min(bad, key=lambda entry: len(entry[0])))
        return verdicts, f"{'; '.join(lines)}: {text}"
    finally:
        await player.close()


def figures(verdicts: list[Verdict]) -> str:
    """How many bursts have each kind of fault; one may have several."""
    kinds = Counter(verdict.kind for verdict in verdicts)
    faults = Counter(name for verdict in verdicts for name, count in verdict.counts.items() if count)
    parts = [f"{kinds['same']} same", f"{kinds['joined']} joined", f"{kinds['wrong']} wrong"]
    parts += [f"{faults[name]} {name}" for name in COUNTED]
    return f"{REVISION}: {len(verdicts)} bursts: {', '.join(parts)}, {kinds['stale']} stale"


def examples(lists: list[Burst], verdicts: list[Verdict]) -> list[str]:
    """For each kind of fault the shortest burst that has it, and as few others as can be."""
    found = []
    for name in (*COUNTED, "stale"):
        both = zip(lists, verdicts, strict=True)
        bad = [(v.counts, lines, v) for lines, v in both if v.counts.get(name) or v.kind == name]
        if bad:
            _, lines, verdict = min(bad, key=lambda entry: (sum(map(bool, entry[0].values())), len(entry[1])))
            found.append(f"{name}: {'; '.join(lines)}: {verdict.text}")
    return found


def test_nothing_is_lost_and_the_last_event_is_true(tmp_path: Path, tell: Callable[[str], None]) -> None:
    lists = bursts(BURSTS)
    verdicts, example = run_guests(App.here().home, lambda run: play_all(run, tmp_path, lists))
    tell("\n".join((figures(verdicts), *examples(lists, verdicts))))
    assert not example
