# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable: after every patch the tree builds, boots and does what the patch claims, and not before it.

Two series belong together: the kernel's and the companion server's. Each patch of one is looked at with the
whole series of the other, so that what a patch claims can come true; that neither needs the other to build
and boot is seen at the first step of each, where the whole of one series meets none of the other.

A server that lacks some of its patches is started without the options that they bring; the whole one gets
all of them, known to it or not. The same goes for a kernel and the sysctls of its guests.

Builds are kept by content and verdicts in the store, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds import complaints
from farwatch.builds.complaints import Complaint
from farwatch.builds.subject import Subject
from farwatch.cells.setting import installed_engine
from farwatch.cells.wish import Wish
from farwatch.errors import BuildFailure, FarwatchError, unknown
from farwatch.guests.companion import known_options
from farwatch.model import CellResult, Revision, TestCase, Verdict, unnumbered
from farwatch.review.compile_rules import units_of
from farwatch.review.findings import ReviewedPatch, read_patches
from farwatch.revisions.components import KERNEL

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.selftests import TestsBuild
    from farwatch.results.store import Results
    from farwatch.trees.trees import Source

BOOTS = TestCase(
    "boots",
    "guest",
    "",
    "boots",
    "The guest comes up, mounts the share, and its kernel complains of nothing.",
)
FAILS = frozenset((Verdict.FAIL, Verdict.CRASH, Verdict.HANG))
"""What counts as "fails before the patch": a test that is skipped shows nothing."""


@dataclass(frozen=True)
class Prefix:
    """The trees up to and including one patch, or before the first one."""

    column: str
    sources: dict[str, Source]
    patch: ReviewedPatch | None
    following: ReviewedPatch | None


@dataclass(frozen=True)
class Seen:
    """What a step turned out to be."""

    failure: str = ""
    """Why it does not build."""
    said: tuple[Complaint, ...] = ()
    """What compilers complain about in the files that its patch, or the one after it, touches."""
    more: tuple[str, ...] = ()
    """Other files that the build complains about."""
    cells: dict[str, CellResult] = field(default_factory=dict)

    def verdict(self, test: str) -> Verdict | None:
        return self.cells[test].verdict if test in self.cells else None


@dataclass(frozen=True)
class Judged:
    """One line of the report.

    faults:   what this patch does wrong
    unclear:  what cannot be told, because something before it is broken, or the machine failed
    """

    patch: str
    builds: bool
    boots: bool
    tests: int
    passed: int
    faults: tuple[str, ...]
    unclear: tuple[str, ...]


@dataclass(frozen=True)
class BisectReport:
    revision: str
    patches: tuple[Judged, ...]

    @property
    def ok(self) -> bool:
        return not any(judged.faults or judged.unclear for judged in self.patches)


def bisect_revision(
    app: App, wish: Wish, revision: Revision, component: str | None, guests: int | None
) -> BisectReport:
    """Look at every patch of a revision, or of one of its components."""
    from farwatch.results.store import Results

    with Results.open(app.home.results) as results:
        bench = Bench(app, wish, revision, results, guests)
        if component not in (None, *bench.components):
            raise unknown("component to bisect", str(component), bench.components)
        chosen = (component,) if component else bench.components
        judged = [line for name in chosen for line in bench.component(name)]
    return BisectReport(revision.name, tuple(judged))


class Bench:
    """Builds steps, runs tests in them, and compares neighbours."""

    def __init__(
        self, app: App, wish: Wish, revision: Revision, results: Results, guests: int | None
    ) -> None:
        self._app = app
        self._wish = wish
        self._revision = revision
        self._results = results
        self._guests = guests
        self._server = next(iter(app.catalog.with_role("server")), None)
        self.components = (KERNEL, *([self._server.name] if self._server else []))
        self._bases = {
            name: app.catalog.base_of(revision, name, self._base_name(name)) for name in self.components
        }
        made = Subject(revision, self._bases, installed_engine(app, wish.engine), wish.flavor)
        self._subject = replace(made, server=self._server) if self._server else made
        self._patches = {
            name: list(read_patches(app, revision, name, self._bases[name])) for name in self.components
        }
        tests = app.builder.tests(self._bases["linux"])
        program = Path(__file__).with_name(BOOTS.program)
        self._tests: TestsBuild = replace(tests, programs=(*tests.programs, program))
        self._claims = claimed(
            revision, [patch for name in self.components for patch in self._patches[name]], tests.cases
        )

    def _base_name(self, component: str) -> str | None:
        return self._wish.base if component == "linux" else None

    def component(self, name: str) -> Iterator[Judged]:
        """Judge the patches of one component, in order."""
        before: Seen | None = None
        steps = self._steps(name)
        for number, step in enumerate(steps):
            self._app.reporter.say(f"{self._revision.name}: {name} {number}/{len(steps) - 1}: {_title(step)}")
            seen = self._look(step)
            if step.patch is not None:
                assert before is not None
                news = (
                    []
                    if before.failure or seen.failure
                    else self._news(step, steps[number - 1], before, seen)
                )
                yield judge(step.patch.name, before, seen, news, self._cases(step.patch))
            before = seen

    def _steps(self, name: str) -> list[Prefix]:
        patches = self._patches[name]
        if not patches:
            return []
        whole = {
            other: self._app.trees.tip(self._revision, other, self._bases[other]) for other in self.components
        }
        ends: list[ReviewedPatch | None] = [None, *patches]
        follow: list[ReviewedPatch | None] = [*patches, None]
        steps = []
        for number, (patch, following) in enumerate(zip(ends, follow, strict=True)):
            source = patch.source if patch else patches[0].before
            column = f"{name}-{number}" if following else "whole"
            steps.append(Prefix(f"{self._revision.name}@{column}", whole | {name: source}, patch, following))
        return steps

    def _cases(self, patch: ReviewedPatch | None) -> list[TestCase]:
        return self._claims.get(patch.name, []) if patch else []

    def _look(self, step: Prefix) -> Seen:
        """Build a step and run what its neighbours claim."""
        try:
            said, more = self._build(step)
        except BuildFailure as failure:
            return Seen(failure=_short(failure))
        cases = dict.fromkeys([BOOTS, *self._cases(step.patch), *self._cases(step.following)])
        return Seen(said=said, more=more, cells=self._run(step, list(cases)))

    def _build(self, step: Prefix) -> tuple[tuple[Complaint, ...], tuple[str, ...]]:
        builder, subject = self._app.builder, self._at(step)
        kernel = builder.kernels.build(subject)
        said: list[Complaint] = []
        more: list[str] = []
        if (step.patch or step.following) in self._patches["linux"]:
            units = self._units(step.patch) | self._units(step.following)
            said += complaints.of_make(self._compile(step, units))
            log = kernel.log.read_text(encoding="utf-8", errors="replace")
            more += [entry.file for entry in complaints.of_make(log) if entry.file not in units]
        if subject.has_server:
            built = builder.servers.build(subject)
            if (step.patch or step.following) in self._patches[subject.server.name]:
                said += complaints.of_cargo(built.log.read_text(encoding="utf-8", errors="replace"))
        return tuple(said), tuple(dict.fromkeys(more))

    def _at(self, step: Prefix) -> Subject:
        return self._subject.built_from(*step.sources.values())

    def _units(self, patch: ReviewedPatch | None) -> set[str]:
        return units_of(patch, self._patches["linux"]) if patch else set()

    def _compile(self, step: Prefix, units: set[str]) -> str:
        """Each of these files once more, at this step: a build tells only about what it had to make anew."""
        return self._app.builder.kernels.complaints(self._at(step), sorted(units)).log

    def _news(self, step: Prefix, last: Prefix, before: Seen, after: Seen) -> list[Complaint]:
        """Complaints that a patch brings."""
        assert step.patch is not None
        if step.patch.component != "linux":
            return complaints.new(before.said, after.said, step.patch.moved)
        mine = self._units(step.patch) | set(step.patch.files)
        found = [
            entry for entry in complaints.new(before.said, after.said, step.patch.moved) if entry.file in mine
        ]
        others = {file for file in after.more if file.endswith(".c") and file not in mine}
        if others:
            earlier = complaints.of_make(self._compile(last, others))
            found += complaints.new(earlier, complaints.of_make(self._compile(step, others)))
        return found

    def _as_started(self, step: Prefix) -> Revision:
        """The revision, without what comes with a later patch: options of the server, sysctls."""
        if step.following in self._patches["linux"]:
            return replace(self._revision, sysctls=tuple(f"-{entry}" for entry in self._revision.sysctls))
        options = self._revision.server_options
        if not options or step.following not in self._patches[self._subject.server.name]:
            return self._revision
        binary = self._app.builder.servers.build(self._at(step)).binary
        return replace(self._revision, server_options=known_options(binary, options))

    def _run(self, step: Prefix, cases: Sequence[TestCase]) -> dict[str, CellResult]:
        from farwatch.cells.crew import OwnGuests
        from farwatch.cells.fill import fill_columns
        from farwatch.cells.plan import plan_cases

        subject = replace(self._at(step), revision=self._as_started(step))
        column, fresh = subject.column(step.column), self._wish.fresh
        plan = plan_cases(self._app, self._results, subject, column, self._tests, cases, fresh=fresh)
        cells = dict(plan.found)
        if plan.todo:
            crew = OwnGuests(self._app.home, self._guests)
            cells |= {cell.test: cell for cell in fill_columns(self._app, self._results, [plan], crew)}
        return cells


def claimed(
    revision: Revision, patches: Sequence[ReviewedPatch], cases: Sequence[TestCase]
) -> dict[str, list[TestCase]]:
    """Name of patch -> tests that it claims. FarwatchError for a claim about no patch, or of no test."""
    found: dict[str, list[TestCase]] = {}
    for claim in revision.claims:
        meant = [patch for patch in patches if _means(claim.patch, patch, patches)]
        if not meant:
            where = revision.folder / "revision.toml"
            hint = f"[tests] in {where}: a number, or the name of a file, also without its number"
            raise unknown("patch", claim.patch, [patch.name for patch in patches], hint)
        if len(meant) > 1:
            cause = f"it may be {' or '.join(patch.name for patch in meant)}"
            hint = f'write "{meant[0].component}/{claim.patch}"'
            raise FarwatchError(
                f"[tests] of {revision.name}: which patch is {claim.patch}?", cause=cause, hint=hint
            )
        for pattern in claim.tests:
            chosen = [case for case in cases if fnmatchcase(case.name, pattern)]
            if not chosen:
                raise unknown("test", pattern, [case.name for case in cases], hint="farwatch list --tests")
            entry = found.setdefault(meant[0].name, [])
            entry += [case for case in chosen if case not in entry]
    return found


def _means(name: str, patch: ReviewedPatch, patches: Sequence[ReviewedPatch]) -> bool:
    component, slash, rest = name.rpartition("/")
    if slash and component != patch.component:
        return False
    series = [other.name for other in patches if other.component == patch.component]
    if rest.isdigit():
        return series.index(patch.name) + 1 == int(rest)
    stem = patch.path.stem
    return rest in (patch.path.name, stem, unnumbered(patch.path.name))


def judge(
    patch: str, before: Seen, after: Seen, news: Sequence[Complaint], cases: Sequence[TestCase]
) -> Judged:
    """What the two steps around a patch say about it."""
    faults: list[str] = []
    unclear: list[str] = []
    if after.failure:
        (unclear if before.failure else faults).append(
            f"{'still ' if before.failure else ''}does not build: {after.failure}"
        )
        return Judged(patch, False, False, len(cases), 0, tuple(faults), tuple(unclear))
    faults += [f"new warning: {entry.where}: {entry.text}" for entry in news]
    boots = after.verdict(BOOTS.name) is Verdict.PASS
    if not boots:
        cell = after.cells.get(BOOTS.name)
        title = f"{cell.verdict}: {cell.title}" if cell else "it was not tried"
        was_good = before.failure or before.verdict(BOOTS.name) is Verdict.PASS
        known = cell is not None and cell.verdict is not Verdict.ERROR and was_good
        (faults if known else unclear).append(f"{'does' if was_good else 'still does'} not boot: {title}")
        return Judged(patch, True, False, len(cases), 0, tuple(faults), tuple(unclear))
    for case in cases:
        for fault, sure in _test_faults(case.name, before, after):
            (faults if sure else unclear).append(fault)
    passed = sum(after.verdict(case.name) is Verdict.PASS for case in cases)
    return Judged(patch, True, True, len(cases), passed, tuple(faults), tuple(unclear))


def _test_faults(test: str, before: Seen, after: Seen) -> Iterator[tuple[str, bool]]:
    """(what is wrong, whether it is surely the patch) of one test that a patch claims."""
    cell, earlier = after.cells.get(test), before.verdict(test)
    if cell is None or cell.verdict is not Verdict.PASS:
        how = f"{cell.verdict}: {cell.title}" if cell else "not run"
        yield f"{test} does not pass after it: {how}", cell is not None and cell.verdict is not Verdict.ERROR
    if before.failure or before.verdict(BOOTS.name) is not Verdict.PASS:
        yield f"{test}: nothing can be said about before it, where nothing runs", False
    elif earlier is None or earlier is Verdict.ERROR:
        yield f"{test} could not be run before it", False
    elif earlier not in FAILS:
        yield f"{test} does not fail before it: {earlier}", True


def _title(step: Prefix) -> str:
    return step.patch.path.name if step.patch else "before the first patch"


def _short(failure: BuildFailure) -> str:
    lines = [failure.what, *failure.cause.splitlines()]
    return ": ".join(line.strip() for line in lines[:2] if line.strip())
