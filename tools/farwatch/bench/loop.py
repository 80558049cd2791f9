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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.bench.cold import WITHOUT_US, ColdBuilds, ColdKernels, machine_name
from farwatch.bench.plain_vng import PlainVng
from farwatch.bench.record import Line
from farwatch.cells.setting import installed_engine, usable_engine
from farwatch.errors import FarwatchError
from farwatch.guests.kvm import WORKS, not_offered, remembered
from farwatch.system.bootstrap import ensure_extra
from farwatch.system.home import checkout_root
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.builds.selftests import TestsBuild

ONE_TEST = "inotify_test:directory.local.create"
ONE = ("test", "baseline", "-k", ONE_TEST)
TWO_COLUMNS = ("verify", "reference", "baseline", "--fresh")
EMULATED = "vng"


@dataclass(frozen=True)
class Edit:
    """One line more in a file of a component; {} is a number that was not there before."""

    key: str
    component: str
    file: str
    line: str

    @property
    def title(self) -> str:
        return f"edit one line of {self.file}, build, boot, one test"


EDITS = (
    Edit(
        "edit_s", "linux", "fs/fuse/dir.c", "static const unsigned long farwatch_bench __maybe_unused = {}UL;"
    ),
    Edit("header_s", "linux", "fs/fuse/fuse_i.h", "/* {} */"),
    Edit("server_s", "virtiofsd", "src/server.rs", "const _FARWATCH_BENCH: u64 = {};"),
)
EDIT = EDITS[0]
"""What virtme-ng is measured by, too."""


@dataclass(frozen=True)
class Measure:
    """One thing to measure: what it is, and what to do before each run, which is not measured."""

    key: str
    """Stable from run to run."""
    title: str
    run: Callable[[], None]
    before: Callable[[], None] = lambda: None
    column: str = "farwatch"
    peer: str = ""
    """The column that it is compared with."""


def bench_loop_quick(app: App, runs: int) -> list[Line]:
    """What a person waits for most often, with engine uml; nothing that takes minutes once it is built."""
    launcher, _, one_test, *_ = _day(app)
    with _edited_checkout(app, EDIT) as touch:
        touch()
        _warm_up(app, ((*ONE, "--engine", "uml"),))
        _print_head(runs)
        lines = _measure((launcher, one_test), runs)
        lines += _measure_edit(EDIT, [_edit_loop(app, EDIT, "uml", touch)], runs)
    print(f"on {machine_name()}")
    return lines


def bench_loop(app: App, runs: int) -> list[Line]:
    """Measure each `runs` times and print a line for it as soon as it is known."""
    trouble = missing(app)
    engines = ("uml",) if trouble else ("uml", EMULATED)
    with ExitStack() as stack:
        touches = {edit: stack.enter_context(_edited_checkout(app, edit)) for edit in EDITS}
        for touch in touches.values():
            touch()
        _warm_up(app, (("verify",), *((*ONE, "--engine", engine) for engine in engines)))
        plain = None if trouble else stack.enter_context(plain_vng(app))
        if plain is not None:
            cold_kernels(app).plain(plain)
        _print_head(runs)
        lines = _measure(_day(app), runs)
        for edit, touch in touches.items():
            lines += _measure_edit(edit, (_edit_loop(app, edit, engine, touch) for engine in engines), runs)
        if plain is not None:
            edit_plain = stack.enter_context(edited(plain.tree, EDIT))
            base = app.catalog.base_of(app.catalog.revision("baseline"), "linux")
            lines += _measure_edit(EDIT, [_plain_loop(app.builder.tests(base), plain, edit_plain)], runs)
            _print_ratios(lines)
    print(f"on {machine_name()}")
    if trouble:
        print(f"left out: engine {EMULATED} and plain virtme-ng: {trouble}")
    return lines


def _measure_edit(edit: Edit, measures: Iterable[Measure], runs: int) -> list[Line]:
    print(f"{edit.title}:")
    return [replace(line, title=edit.title) for line in _measure(measures, runs)]


def _print_ratios(lines: Sequence[Line]) -> None:
    """What an edit costs, in parts of what virtme-ng alone takes for a line of a .c file."""
    whole = next(line for line in lines if (line.key, line.column) == (EDIT.key, WITHOUT_US)).median
    print(f"in parts of {WITHOUT_US}:")
    for edit in EDITS:
        for line in lines:
            if line.key == edit.key and line.column != WITHOUT_US:
                print(f"{f'  {edit.file}, {line.column}':<60} {'':>7} {f'1/{whole / line.median:.0f}':>7}")


def bench_cold(app: App) -> list[Line]:
    """A kernel from nothing, for each engine and by virtme-ng alone: each is built once, and remembered."""
    trouble = missing(app)
    cold = cold_kernels(app)
    entries = [cold.ours(engine) for engine in (("uml",) if trouble else ("uml", EMULATED))]
    if not trouble:
        with plain_vng(app) as plain:
            entries.append(cold.plain(plain))
    for entry in entries:
        print(f"{entry.what:<60} {entry.seconds:7.0f} s, on {entry.day}")
    if trouble:
        print(f"left out: engine {EMULATED} and plain virtme-ng: {trouble}")
    title = "a kernel from nothing"
    peer = "" if trouble else WITHOUT_US
    return [Line("cold_s", title, "s", entry.what, (entry.seconds,), peer) for entry in entries]


def cold_kernels(app: App) -> ColdKernels:
    return ColdKernels(app, ColdBuilds(app.home.root / "cold-builds.json", machine_name()))


def _print_head(runs: int) -> None:
    print(f"{'seconds (median of ' + str(runs) + ')':<60} {'min':>7} {'median':>7} {'max':>7}")


def missing(app: App) -> str:
    """Why the emulated engine, and virtme-ng alone, cannot be measured; "" if they can."""
    try:
        usable_engine(app, EMULATED)
        ensure_extra(checkout_root() / "tools" / "system-packages.bench.txt", app.home)
    except FarwatchError as error:
        return error.cause or error.what
    return ""


def _day(app: App) -> Iterator[Measure]:
    def command(key: str, title: str, *words: str) -> Measure:
        return Measure(key, title, lambda: _farwatch(app, words))

    yield command("launcher_s", "launcher: farwatch --version", "--version")
    yield command("nothing_s", "verify, nothing changed", "verify")
    yield command("one_s", "one test, warm (test --patches --fresh -k one)", *ONE, "--fresh", "--patches")
    yield command("two_s", "two columns again, warm (verify reference baseline --fresh)", *TWO_COLUMNS)
    yield command("all_s", "all columns again, warm (verify --fresh)", "verify", "--fresh")


def _edit_loop(app: App, edit: Edit, engine: str, touch: Callable[[], None]) -> Measure:
    name = f"engine {engine}"

    def test() -> None:
        _farwatch(app, (*ONE, "--engine", engine))

    return Measure(edit.key, f"  {name}", test, touch, name, WITHOUT_US)


def _measure(measures: Iterable[Measure], runs: int) -> list[Line]:
    lines = []
    for measure in measures:
        times = sorted(_timed(measure) for _ in range(runs))
        print(
            f"{measure.title:<60} {times[0]:7.2f} {statistics.median(times):7.2f} {times[-1]:7.2f}",
            flush=True,
        )
        lines.append(Line(measure.key, measure.title, "s", measure.column, tuple(times), measure.peer))
    return lines


def _timed(measure: Measure) -> float:
    measure.before()
    started = time.monotonic()
    measure.run()
    return time.monotonic() - started


# -- farwatch, as a command --------------------------------------------------


def _farwatch(app: App, words: Sequence[str]) -> None:
    command = [str(checkout_root() / "farwatch"), "--project", str(app.root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _refuse_failure(words, done.returncode, done.stderr)


def _warm_up(app: App, commands: Iterable[Sequence[str]]) -> None:
    """Build whatever is not built yet, in the open: it can take minutes, and is not what is measured."""
    print("building what is not built yet", file=sys.stderr)
    for words in commands:
        done = subprocess.run(
            [str(checkout_root() / "farwatch"), "--project", str(app.root), *words],
            stdout=subprocess.DEVNULL,
            check=False,
        )
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
def plain_vng(app: App) -> Iterator[PlainVng]:
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

    return Measure(EDIT.key, f"  {WITHOUT_US}", build_and_test, touch, WITHOUT_US)


# -- the edit ----------------------------------------------------------------


@contextmanager
def _edited_checkout(app: App, edit: Edit) -> Iterator[Callable[[], None]]:
    """Gives a function that changes one line of the baseline's checkout; puts the file back afterwards."""
    revision = app.catalog.revision("baseline")
    base = app.catalog.base_of(revision, edit.component)
    if app.trees.working(revision, edit.component, base) is not None:
        raise FarwatchError(
            "the checkout of baseline has changes",
            cause="the benchmark edits it",
            hint="save or drop them first",
        )
    with edited(app.trees.checkout(revision, edit.component, base), edit) as touch:
        yield touch


@contextmanager
def edited(tree: Path, edit: Edit) -> Iterator[Callable[[], None]]:
    """Gives a function that changes one line, every time anew; the file is put back afterwards."""
    file = tree / edit.file
    original = file.read_bytes()

    def touch() -> None:
        file.write_bytes(original + f"\n{edit.line.format(time.monotonic_ns())}\n".encode())

    try:
        yield touch
    finally:
        file.write_bytes(original)
