# SPDX-License-Identifier: GPL-2.0-or-later
"""bench loop: what a person waits for, each as a whole command."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.app import App
from farwatch.errors import FarwatchError

ONE_TEST = "inotify_test:directory.local.create"
EDITED = Path("fs/fuse/dir.c")
ONE = ("test", "baseline", "-k", ONE_TEST)
TWO_COLUMNS = ("verify", "reference", "baseline", "--fresh")


@dataclass(frozen=True)
class Measure:
    """One thing to measure: what it is, the command, and what to do before each run."""

    title: str
    words: tuple[str, ...]
    before: Callable[[], None] = lambda: None


def bench_loop(app: App, runs: int) -> None:
    """Measure each `runs` times and print a line for it as soon as it is known."""
    with _edited_checkout(app) as touch:
        _warm_up(app, touch)
        print(f"{'seconds (median of ' + str(runs) + ')':<60} {'min':>7} {'median':>7} {'max':>7}")
        for measure in _loop(touch):
            times = sorted(_time(app, measure) for _ in range(runs))
            print(
                f"{measure.title:<60} {times[0]:7.2f} {statistics.median(times):7.2f} {times[-1]:7.2f}",
                flush=True,
            )


def _loop(touch: Callable[[], None]) -> Iterator[Measure]:
    yield Measure("launcher: farwatch --version", ("--version",))
    yield Measure("verify, nothing changed", ("verify",))
    yield Measure("one test, warm (test --patches --fresh -k one)", (*ONE, "--fresh", "--patches"))
    yield Measure("two columns again, warm (verify reference baseline --fresh)", TWO_COLUMNS)
    yield Measure("all columns again, warm (verify --fresh)", ("verify", "--fresh"))
    yield Measure(f"edit one line of {EDITED}, test -k one", ONE, touch)


def _warm_up(app: App, touch: Callable[[], None]) -> None:
    """Build whatever is not built yet, in the open: it can take minutes, and is not what is measured."""
    print("building what is not built yet", file=sys.stderr)
    touch()
    for words in (("verify",), ONE):
        done = subprocess.run([str(app.root / "farwatch"), *words], stdout=subprocess.DEVNULL, check=False)
        _refuse_failure(words, done.returncode)


def _refuse_failure(words: Sequence[str], status: int, said: str = "") -> None:
    """A surprise in the results is worth a note; an error has nothing to measure."""
    command = f"farwatch {' '.join(words)}"
    if status not in (0, 1):
        raise FarwatchError(f"'{command}' failed", cause=said.strip())
    if status == 1:
        print(f"note: '{command}' had surprises", file=sys.stderr)


def _time(app: App, measure: Measure) -> float:
    measure.before()
    started = time.monotonic()
    done = subprocess.run(
        [str(app.root / "farwatch"), *measure.words], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    _refuse_failure(measure.words, done.returncode, done.stderr)
    return seconds


@contextmanager
def _edited_checkout(app: App) -> Iterator[Callable[[], None]]:
    """Gives a function that changes one line of the baseline's checkout; puts the file back afterwards."""
    revision = app.catalog.revision("baseline")
    base = app.catalog.base_of(revision, "linux")
    if app.trees.working(revision, "linux", base) is not None:
        raise FarwatchError(
            "the checkout of baseline has changes",
            cause="the benchmark edits it",
            hint="save or drop them first",
        )
    file = app.trees.checkout(revision, "linux", base) / EDITED
    original = file.read_bytes()

    def touch() -> None:
        line = f"\nstatic const unsigned long farwatch_bench __maybe_unused = {time.monotonic_ns()}UL;\n"
        file.write_bytes(original + line.encode())

    try:
        yield touch
    finally:
        file.write_bytes(original)
