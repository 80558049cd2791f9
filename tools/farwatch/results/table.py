# SPDX-License-Identifier: GPL-2.0-or-later
"""The regression table as a model: which test does what in which column, and what changed.

All renderers (terminal, text, Markdown, HTML, JSON, JUnit) show this model and decide nothing themselves.

Surprising is a cell that differs from what the revision's expectations say: with an expectation, whatever
does not meet it, a pass included; without one, whatever is not a pass. That includes a skip, because the
table is a proof and a skipped test proves nothing.

A cell is compared with the nearest column to the left of the same engine and share setting. Where two engines
say different things of the same test of the same revision, the cells differ: that is pointed out, but is no
surprise by itself. The one that is not what is expected is.

A column that this machine cannot run is skipped: it says why, is compared with nothing, and is no surprise.

A test whose outcome is a race by the revision's own account counts as what is expected of it: that it passed
once is nothing fixed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from farwatch.model import DEFAULT_SHARE, CellResult, Column, Expectation, Revision, TestCase, Verdict
from farwatch.results.names import case_of, cell_name, column_name

NOT_RUN = "not run"
ABSENT = "-"
"""Of a row of a suite: there is no such test in that column."""
GONE = "gone"
"""The same, where the base has it."""


class Change(StrEnum):
    """A cell against the same test one column to the left."""

    FIXES = "fixes"
    BREAKS = "breaks"
    STILL_FAILS = "still fails"


_NO_EXCUSE = (Verdict.PASS, Verdict.ERROR)
"""Verdicts that are not the base's to excuse: there is nothing to, or it says nothing of the software."""


@dataclass(frozen=True)
class Standing:
    """How a row of a suite stands to that of the base: the revision without patches."""

    is_base: bool
    base: Verdict | None
    """What the base says; None: it has no such test, or was not run, or is this column itself."""
    gone: bool = False
    """The base has the test, this column has not, and nothing that was seen of its program says why."""


@dataclass(frozen=True)
class Cell:
    """One test in one column."""

    column: Column
    test: str
    result: CellResult | None
    """None: not run."""
    expectation: Expectation | None
    change: Change | None
    """None: nothing worth a word, or nothing to compare with."""
    differs: tuple[tuple[str, Verdict], ...] = ()
    """Engines that came to another verdict of the same test of the same revision, and to which."""
    lacking: str = ""
    """Why it cannot be run on this machine."""
    suite: Standing | None = None
    """Of a row of somebody else's suite: how it stands to the base."""

    @property
    def name(self) -> str:
        """revision/base/engine/flavor/program:fixture.variant.test, as `show` takes it."""
        return cell_name(self.column, self.test)

    @property
    def verdict(self) -> Verdict | None:
        """None: not run."""
        if self.result is None:
            return Verdict.SKIP if self.lacking else None
        return self.result.verdict

    @property
    def word(self) -> str:
        if self.verdict is None and self.suite is not None:
            return GONE if self.suite.gone else ABSENT
        return str(self.verdict or NOT_RUN)

    @cached_property
    def surprising(self) -> bool:
        if self.result is None:
            return self.suite is not None and self.suite.gone
        if self.expectation is None:
            return self.result.verdict is not Verdict.PASS and not self.as_base and not self.of_base
        return not self.expectation.met_by(self.result.verdict, _said(self.result))

    @property
    def as_base(self) -> bool:
        """Not a pass, and the same on the base: not the series' fault."""
        if self.suite is None or self.result is None or self.result.verdict in _NO_EXCUSE:
            return False
        return self.suite.base is self.result.verdict

    @property
    def of_base(self) -> bool:
        """What a suite says of the base itself is what others are held against, whatever it is."""
        return bool(self.suite and self.suite.is_base and self.verdict is not Verdict.ERROR)

    @property
    def expected_failure(self) -> bool:
        """Not a pass, and the revision said so."""
        if self.result is None or self.expectation is None:
            return False
        return self.result.verdict is not Verdict.PASS and not self.surprising

    @property
    def won_race(self) -> bool:
        """A pass that the revision does not vouch for."""
        if self.result is None or self.expectation is None:
            return False
        return self.expectation.race and self.result.verdict is Verdict.PASS

    @property
    def expected(self) -> str:
        """What was expected here, in words."""
        if self.expectation is None and self.of_base:
            return "what the base does, which others are held against"
        if self.expectation is None and self.suite is not None and self.suite.base:
            return f"{'as base: ' if self.as_base else ''}{self.suite.base} on the base"
        if self.expectation is None:
            return "expected pass"
        wanted = f"expected {self.expectation.verdict}"
        if self.expectation.says and self.result and self.result.verdict is self.expectation.verdict:
            wanted += f" that says '{self.expectation.says}'"
        return f"{wanted}: {self.expectation.reason}" if self.expectation.reason else wanted


@dataclass(frozen=True)
class Row:
    """One test in all columns."""

    case: TestCase
    cells: tuple[Cell, ...]

    @property
    def test(self) -> str:
        return self.case.name

    @property
    def label(self) -> str:
        """The test within its group: "create (remote)"."""
        return f"{self.case.test} ({self.case.variant})" if self.case.variant else self.case.test

    @property
    def surprising(self) -> bool:
        return any(cell.surprising for cell in self.cells)

    @property
    def pattern(self) -> tuple[object, ...]:
        """Equal for rows that say the same."""
        return tuple(
            (cell.word, cell.surprising, cell.change, cell.differs, cell.as_base) for cell in self.cells
        )

    @property
    def differing(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of a revision on which engines disagree, for each such revision."""
        groups: dict[Column, list[Cell]] = {}
        for cell in self.cells:
            if cell.differs:
                groups.setdefault(replace(cell.column, engine=""), []).append(cell)
        return tuple(map(tuple, groups.values()))


@dataclass(frozen=True)
class Group:
    """The rows of one fixture of one program."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Heading:
    """A column: what it is and what its cells add up to."""

    column: Column
    label: str
    """Its revision, and of base, engine, flavor and share setting those in which the columns differ."""
    title: str
    """The revision's title."""
    reference: bool
    compared_with: str
    """Label of the column that changes are counted against; empty when there is none."""
    verdicts: dict[Verdict, int]
    fixes: int
    breaks: int
    still_fail: int
    surprises: int
    cached: int
    missing: int
    lacking: str = ""
    """Why what has no verdict in it cannot be run on this machine."""
    as_base: int = 0
    """Rows of suites that are no pass, and the same on the base."""

    @property
    def name(self) -> str:
        """revision/base/engine/flavor[/share setting]"""
        return column_name(self.column)

    @property
    def total(self) -> int:
        """Cells with a verdict."""
        return sum(self.verdicts.values())

    @property
    def summary(self) -> str:
        """One line: "fixes 31, breaks 0, 4 still fail; 2 surprises; 85 of 92 cached"."""
        skipped = f"skipped on this machine: {self.lacking}" if self.lacking else ""
        if skipped and not self.total:
            return skipped
        same = f"{self.as_base} as base" if self.as_base else ""
        parts = [self._outcome(), same, self._surprises()]
        if self.cached:
            parts.append(
                "all cached" if self.cached == self.total else f"{self.cached} of {self.total} cached"
            )
        if self.missing:
            parts.append(f"{self.missing} {NOT_RUN}")
        return "; ".join(part for part in [*parts, skipped] if part)

    def _outcome(self) -> str:
        if self.compared_with:
            errors = self.verdicts.get(Verdict.ERROR, 0)
            text = f"fixes {self.fixes}, breaks {self.breaks}, {self.still_fail} still fail"
            return f"{text}, {_count(errors, 'error')}" if errors else text
        return ", ".join(f"{count} {verdict}" for verdict, count in self.verdicts.items() if count)

    def _surprises(self) -> str:
        if not self.total:
            return ""
        return _count(self.surprises, "surprise") if self.surprises else "all as expected"


@dataclass(frozen=True)
class Table:
    """The whole table: headings in the order of the columns, groups in the order of the tests."""

    headings: tuple[Heading, ...]
    groups: tuple[Group, ...]
    setting: str
    """What all columns share: "linux 7.3, uml, plain"."""
    idle_expectations: tuple[str, ...]
    """Recorded expectations that cover no test of the table: most likely a name has changed."""
    remarks: tuple[str, ...] = ()
    """What else is to be said of it."""

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(chain.from_iterable(group.rows for group in self.groups))

    @property
    def surprises(self) -> tuple[Cell, ...]:
        """The surprising cells, column by column."""
        cells = [cell for row in self.rows for cell in row.cells if cell.surprising]
        order = {heading.column: place for place, heading in enumerate(self.headings)}
        return tuple(sorted(cells, key=lambda cell: order[cell.column]))

    @property
    def missing(self) -> int:
        return sum(heading.missing for heading in self.headings)

    def exit_status(self, *, complete: bool = False) -> int:
        """0 if nothing surprised, else 1. With `complete` a cell that was not run counts as well."""
        return 1 if self.surprises or (complete and self.missing) else 0


def build_table(
    results: Iterable[CellResult],
    revisions: Iterable[Revision],
    columns: Sequence[Column],
    tests: Sequence[str] = (),
    *,
    whole: bool = True,
    lacking: Mapping[Column, str] = MappingProxyType({}),
    suites: Iterable[str] = (),
    base: str = "",
    remarks: tuple[str, ...] = (),
) -> Table:
    """Make the table.

    results: of several for one cell the last counts; those of other columns are left out
    columns: in the order wanted
    tests:   names in the order wanted; those missing here but in `results` follow, by name
    whole:   the tests are the whole suite, so an expectation that covers none of them is idle
    lacking: of the columns that cannot be run on this machine: why
    suites:  names of the suites; a row is theirs if it is called SUITE:...
    base:    the revision without patches, that rows of suites are held against
    """
    wanted = list(dict.fromkeys(columns))
    known = {revision.name: revision for revision in revisions}
    found = {(result.column, result.test): result for result in results if result.column in set(wanted)}
    names = [*dict.fromkeys(tests), *sorted({test for _, test in found} - set(tests), key=_natural)]
    stands = _Stands(frozenset(suites), base, found)
    rows = [_row(name, wanted, known, found, lacking, stands) for name in names]
    return Table(
        headings=tuple(_headings(wanted, known, rows, lacking)),
        groups=_groups(rows),
        setting=_setting(wanted),
        idle_expectations=tuple(_idle(wanted, known, names, stands.suites)) if whole else (),
        remarks=remarks,
    )


def _row(
    test: str,
    columns: Sequence[Column],
    revisions: dict[str, Revision],
    found: dict[tuple[Column, str], CellResult],
    lacking: Mapping[Column, str],
    stands: _Stands,
) -> Row:
    cells = []
    for place, column in enumerate(columns):
        revision = revisions.get(column.revision)
        left = _left(place, columns, revisions)
        result = found.get((column, test))
        before = found.get((columns[left], test)) if left is not None else None
        expectation = revision.expectation(test, column) if revision else None
        change = None
        if before and result:
            left_revision = revisions.get(before.column.revision)
            change = _change(_settled(before, left_revision), _settled(result, revision))
        why = "" if result else lacking.get(column, "")
        differs = _differs(result, columns, found)
        cells.append(Cell(column, test, result, expectation, change, differs, why, stands.of(column, test)))
    return Row(case_of(test), tuple(cells))


@dataclass(frozen=True)
class _Stands:
    """How the rows of suites stand to the base."""

    suites: frozenset[str]
    base: str
    found: Mapping[tuple[Column, str], CellResult]

    def of(self, column: Column, test: str) -> Standing | None:
        """None for a test that is no suite's."""
        if test.partition(":")[0] not in self.suites:
            return None
        if column.revision == self.base:
            return Standing(True, None)
        base = self._base(column, test)
        gone = base is not None and (column, test) not in self.found and self._has_passed(column, test)
        return Standing(False, base.verdict if base else None, gone)

    def _base(self, column: Column, test: str) -> CellResult | None:
        """What the base says, with the same share setting or else the default one."""
        same = replace(column, revision=self.base)
        usual = replace(same, share_setting=DEFAULT_SHARE.name)
        return self.found.get((same, test)) or self.found.get((usual, test))

    def _has_passed(self, column: Column, test: str) -> bool:
        """Whether the test's program passed there: where it did not, its own row says enough."""
        program = self.found.get((column, test.partition(".")[0]))
        return program is not None and program.verdict is Verdict.PASS


def _differs(
    result: CellResult | None, columns: Sequence[Column], found: dict[tuple[Column, str], CellResult]
) -> tuple[tuple[str, Verdict], ...]:
    if result is None:
        return ()
    own = result.column
    others = (
        found.get((column, result.test)) for column in columns if replace(column, engine=own.engine) == own
    )
    return tuple(
        (other.column.engine, other.verdict)
        for other in others
        if other and other.verdict is not result.verdict
    )


def _settled(result: CellResult, revision: Revision | None) -> Verdict:
    """What a result counts as against others."""
    expectation = revision.expectation(result.test, result.column) if revision else None
    if expectation and expectation.race and expectation.met_by(result.verdict, _said(result)):
        return expectation.verdict
    return result.verdict


def _said(result: CellResult) -> str:
    return f"{result.title}\n{result.detail}"


def _left(place: int, columns: Sequence[Column], revisions: dict[str, Revision]) -> int | None:
    """The column to compare with: of the same engine and share setting, and another revision or base.

    The reference says what is right: no state to fix.
    """
    if _is_reference(columns[place], revisions):
        return None
    own = columns[place]
    for left in range(place - 1, -1, -1):
        other = columns[left]
        alike = (other.engine, other.share_setting) == (own.engine, own.share_setting)
        if alike and not _is_reference(other, revisions):
            return left
    return None


def _is_reference(column: Column, revisions: dict[str, Revision]) -> bool:
    revision = revisions.get(column.revision)
    return revision.share == "tmpfs" if revision else column.revision == "reference"


def _change(before: Verdict, after: Verdict) -> Change | None:
    """An infrastructure error says nothing about the software, so nothing is compared with it."""
    if Verdict.ERROR in (before, after):
        return None
    if after is Verdict.PASS:
        return None if before is Verdict.PASS else Change.FIXES
    if before is Verdict.PASS:
        return Change.BREAKS
    return None if after is Verdict.SKIP else Change.STILL_FAILS


def _groups(rows: Sequence[Row]) -> tuple[Group, ...]:
    """Rows by program and fixture; within, the variants of a test side by side; else as they come."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        case = row.case
        name = ":".join(part for part in (case.program, case.fixture) if part)
        groups.setdefault(name, {}).setdefault(case.test, []).append(row)
    programs = {name: name.partition(":")[0] for name in groups}
    first = {program: place for place, program in reversed(list(enumerate(programs.values())))}
    ordered = sorted(groups, key=lambda name: first[programs[name]])
    return tuple(Group(name, tuple(chain.from_iterable(groups[name].values()))) for name in ordered)


def _headings(
    columns: Sequence[Column],
    revisions: dict[str, Revision],
    rows: Sequence[Row],
    lacking: Mapping[Column, str],
) -> Iterable[Heading]:
    labels = _labels(columns)
    for place, column in enumerate(columns):
        left = _left(place, columns, revisions)
        cells = [row.cells[place] for row in rows]
        changes = Counter(cell.change for cell in cells)
        results = [cell.result for cell in cells if cell.result]
        counts = Counter(result.verdict for result in results)
        revision = revisions.get(column.revision)
        yield Heading(
            column=column,
            label=labels[place],
            title=revision.title if revision else "",
            reference=_is_reference(column, revisions),
            compared_with="" if left is None else labels[left],
            verdicts={verdict: counts[verdict] for verdict in Verdict},
            fixes=changes[Change.FIXES],
            breaks=changes[Change.BREAKS],
            still_fail=changes[Change.STILL_FAILS],
            surprises=sum(cell.surprising for cell in cells),
            cached=sum(result.cached for result in results),
            missing=sum(cell.verdict is None and cell.suite is None for cell in cells),
            lacking=lacking.get(column, ""),
            as_base=sum(cell.as_base for cell in cells),
        )


_PARTS = ("base", "engine", "flavor", "share_setting")
"""Of a column, beside its revision."""


def _differing(columns: Sequence[Column]) -> list[str]:
    return [part for part in _PARTS if len({getattr(column, part) for column in columns}) > 1]


def _labels(columns: Sequence[Column]) -> list[str]:
    parts = ["revision", *_differing(columns)]
    return ["/".join(getattr(column, part) for part in parts) for column in columns]


def _setting(columns: Sequence[Column]) -> str:
    if not columns:
        return ""
    shared = [part for part in _PARTS if part not in _differing(columns)]
    values = {part: getattr(columns[0], part) for part in shared}
    if values.get("share_setting") == DEFAULT_SHARE.name:
        del values["share_setting"]
    return ", ".join(f"linux {value}" if part == "base" else value for part, value in values.items())


def _idle(
    columns: Sequence[Column], revisions: dict[str, Revision], tests: Sequence[str], suites: frozenset[str]
) -> Iterable[str]:
    for name in dict.fromkeys(column.revision for column in columns):
        own = [column for column in columns if column.revision == name]
        for entry in revisions[name].expectations if name in revisions else ():
            asked = [column for column in own if entry.is_about(column)]
            if all(pattern.partition(":")[0] in suites for pattern in entry.tests):
                continue
            if asked and not any(entry.covers(test, asked[0]) for test in tests):
                yield f"{name}: {', '.join(entry.tests)}"


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: numbers by value, so that test10 follows test9."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in parts]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
