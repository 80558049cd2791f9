# SPDX-License-Identifier: GPL-2.0-or-later
"""bench loop: what a person waits for, each as a whole command.

The same edit of one kernel file is timed with each engine, and with virtme-ng
as it is without us: its default config, its own build, its own guest.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.bench.cold import WITHOUT_US, ColdBuilds, ColdKernels, machine_name
from farwatch.bench.plain_vng import PlainVng
from farwatch.cells.setting import installed_engine, usable_engine
from farwatch.errors import FarwatchError
from farwatch.guests.kvm import WORKS, not_offered, remembered
from farwatch.system.bootstrap import ensure_extra
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.builds.selftests import TestsBuild

ONE_TEST = "inotify_test:directory.local.create"
EDITED = Path("fs/fuse/dir.c")
ONE = ("test", "baseline", "-k", ONE_TEST)
TWO_COLUMNS = ("verify", "reference", "baseline", "--fresh")
EMULATED = "vng"


@dataclass(frozen=True)
class Measure:
    """One thing to measure: what it is, and what to do before each run, which is not measured."""

    title: str
    run: Callable[[], None]
    before: Callable[[], None] = lambda: None


def bench_loop_quick(app: App, runs: int) -> None:
    """What a person waits for most often, with engine uml; nothing that takes minutes once it is built."""
    launcher, _, one_test, *_ = _day(app)
    with _edited_checkout(app) as touch:
        touch()
        _warm_up(app, ((*ONE, "--engine", "uml"),))
        _print_head(runs)
        _measure((launcher, one_test), runs)
        _print_edit()
        _measure((_edit_loop(app, "uml", touch),), runs)
    print(f"on {machine_name()}")


def bench_loop(app: App, runs: int) -> None:
    """Measure each `runs` times and print a line for it as soon as it is known."""
    trouble = _missing(app)
    engines = ("uml",) if trouble else ("uml", EMULATED)
    machine = machine_name()
    cold = ColdKernels(app, ColdBuilds(app.home.root / "cold-builds.json", machine))
    with ExitStack() as stack:
        touch = stack.enter_context(_edited_checkout(app))
        touch()
        _warm_up(app, (("verify",), *((*ONE, "--engine", engine) for engine in engines)))
        plain = None if trouble else stack.enter_context(_plain(app))
        from_nothing = [cold.ours(engine) for engine in engines] + ([cold.plain(plain)] if plain else [])
        _print_head(runs)
        _measure(_day(app), runs)
        _print_edit()
        _measure((_edit_loop(app, engine, touch) for engine in engines), runs)
        if plain:
            edit = stack.enter_context(edited(plain.tree))
            _measure([_plain_loop(app.builder.tests(cold.base), plain, edit)], runs)
    print("a kernel from nothing:")
    for entry in from_nothing:
        print(f"{'  ' + entry.what:<60} {entry.seconds:7.0f} s, on {entry.day}")
    print(f"on {machine}")
    if trouble:
        print(f"left out: engine {EMULATED} and plain virtme-ng: {trouble}")


def _print_head(runs: int) -> None:
    print(f"{'seconds (median of ' + str(runs) + ')':<60} {'min':>7} {'median':>7} {'max':>7}")


def _print_edit() -> None:
    print(f"edit one line of {EDITED}, build, boot, one test:")


def _missing(app: App) -> str:
    """Why the emulated engine, and virtme-ng alone, cannot be measured; "" if they can."""
    try:
        usable_engine(app, EMULATED)
        ensure_extra(app.root / "tools" / "system-packages.bench.txt", app.home)
    except FarwatchError as error:
        return error.cause or error.what
    return ""


def _day(app: App) -> Iterator[Measure]:
    def command(title: str, *words: str) -> Measure:
        return Measure(title, lambda: _farwatch(app, words))

    yield command("launcher: farwatch --version", "--version")
    yield command("verify, nothing changed", "verify")
    yield command("one test, warm (test --patches --fresh -k one)", *ONE, "--fresh", "--patches")
    yield command("two columns again, warm (verify reference baseline --fresh)", *TWO_COLUMNS)
    yield command("all columns again, warm (verify --fresh)", "verify", "--fresh")


def _edit_loop(app: App, engine: str, touch: Callable[[], None]) -> Measure:
    return Measure(f"  engine {engine}", lambda: _farwatch(app, (*ONE, "--engine", engine)), touch)


def _measure(measures: Iterable[Measure], runs: int) -> None:
    for measure in measures:
        times = sorted(_timed(measure) for _ in range(runs))
        print(
            f"{measure.title:<60} {times[0]:7.2f} {statistics.median(times):7.2f} {times[-1]:7.2f}",
            flush=True,
        )


def _timed(measure: Measure) -> float:
    measure.before()
    started = time.monotonic()
    measure.run()
    return time.monotonic() - started


# -- farwatch, as a command --------------------------------------------------


def _farwatch(app: App, words: Sequence[str]) -> None:
    command = [str(app.root / "farwatch"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _refuse_failure(words, done.returncode, done.stderr)


def _warm_up(app: App, commands: Iterable[Sequence[str]]) -> None:
    """Build whatever is not built yet, in the open: it can take minutes, and is not what is measured."""
    print("building what is not built yet", file=sys.stderr)
    for words in commands:
        done = subprocess.run([str(app.root / "farwatch"), *words], stdout=subprocess.DEVNULL, check=False)
        _refuse_failure(words, done.returncode)


def _refuse_failure(words: Sequence[str], status: int, said: str = "") -> None:
    """A surprise in the results is worth a note; an error has nothing to measure."""
    command = f"farwatch {' '.join(words)}"
    if status not in (0, 1):
        raise FarwatchError(f"'{command}' failed", cause=said.strip())
    if status == 1:
        print(f"note: '{command}' had surprises", file=sys.stderr)


# -- virtme-ng without us ----------------------------------------------------


@contextmanager
def _plain(app: App) -> Iterator[PlainVng]:
    """Its source tree, ours alone until the end of the with block."""
    tree = app.home.objects / "plain-virtme-ng"
    with locked(app.home.objects / f"{tree.name}.lock"):
        kvm = not not_offered() and remembered(app.home, installed_engine(app, EMULATED)) == WORKS
        yield PlainVng(tree, app.home.objects / f"{tree.name}-home", app.reporter.say, kvm=kvm)


def _plain_loop(tests: TestsBuild, plain: PlainVng, touch: Callable[[], None]) -> Measure:
    program, _, name = ONE_TEST.partition(":")

    def build_and_test() -> None:
        plain.build()
        plain.test(tests.dir / program, name)

    return Measure(f"  {WITHOUT_US}", build_and_test, touch)


# -- the edit ----------------------------------------------------------------


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
    with edited(app.trees.checkout(revision, "linux", base)) as touch:
        yield touch


@contextmanager
def edited(tree: Path) -> Iterator[Callable[[], None]]:
    """Gives a function that changes one line of EDITED, every time anew; the file is put back afterwards."""
    file = tree / EDITED
    original = file.read_bytes()

    def touch() -> None:
        line = f"\nstatic const unsigned long farwatch_bench __maybe_unused = {time.monotonic_ns()}UL;\n"
        file.write_bytes(original + line.encode())

    try:
        yield touch
    finally:
        file.write_bytes(original)
