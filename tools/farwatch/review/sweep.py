# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable --arch: after every patch all that it touches compiles everywhere, and no tool complains anew.

Upstream's robots build what people do not: everything as a module, other architectures, W=1, sparse. For each
architecture the base is compiled first, then one patch after the other; a patch is to blame for what is said
after it and was not said before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from farwatch.builds import complaints
from farwatch.builds.architectures import Architecture, Config
from farwatch.builds.complaints import Complaint
from farwatch.builds.diagnose import diagnose
from farwatch.builds.sweep import NEEDS, SweepOrder
from farwatch.builds.workbench import Checked
from farwatch.errors import FarwatchError
from farwatch.model import Revision
from farwatch.review.compile_rules import is_tool
from farwatch.review.findings import ReviewedPatch, read_patches
from farwatch.review.sweep_targets import targets_of
from farwatch.system.home import checkout_root

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.trees.trees import Source

_COMPILED = re.compile(r"^  CC(?: \[\w\])? +(?P<file>\S+)\.o$", re.MULTILINE)
_FAILED = re.compile(r"^make(?:\[\d+\])?: \*\*\* \[[^\]]*?: (?P<target>\S+\.o)\] Error", re.MULTILINE)
_NEEDED = re.compile(r"No rule to make target '(?P<file>[^']+)', needed by '(?P<target>[^']+)'")
_NO_RULE = re.compile(r"No rule to make target '[^']+\.o'\.")
_EXPORT = r"EXPORT_[A-Z_]+\("
_EXPORTED = re.compile(r"EXPORT_[A-Z_]+\(\s*(?P<symbol>\w+)\s*(?P<pasted>##)?")
"""pasted: in a macro, of all symbols that begin so: EXPORT_SYMBOL(__asan_load##size)."""
_STATIC_CALL = re.compile(r"^__SC[TK]__")


@dataclass(frozen=True)
class Said:
    """What a step's log says. Of a file that was not compiled there it says nothing."""

    compiled: frozenset[str]
    """Names of source files."""
    complaints: tuple[Complaint, ...]
    failed: frozenset[str]
    """What could not be made, mostly objects; all of it is tried in each step."""
    needs: Mapping[str, frozenset[str]]
    """Module -> symbols that it wants from elsewhere."""


@dataclass(frozen=True)
class Swept:
    """A patch on one architecture.

    faults: what it brings, a line each
    builds: all that was built before it still is
    """

    patch: str
    architecture: str
    builds: bool
    faults: tuple[str, ...]


@dataclass(frozen=True)
class SweepReport:
    revision: str
    base: str
    targets: tuple[str, ...]
    swept: tuple[Swept, ...]
    unseen: tuple[str, ...]
    """What no compiler was shown, and why."""

    @property
    def ok(self) -> bool:
        return not any(entry.faults for entry in self.swept)


def sweep_revision(
    app: App,
    revision: Revision,
    base: str | None,
    architectures: Sequence[Architecture],
    config: Config,
    *,
    last: bool,
) -> SweepReport:
    """Compile what the linux patches touch, after each of them.

    last: only after the last one: what it says is of the whole series
    """
    from farwatch.system.bootstrap import ensure_extra

    for packages in dict.fromkeys(name for one in architectures for name in one.packages):
        ensure_extra(checkout_root() / "tools" / packages, app.home)
    linux = app.catalog.base_of(revision, "linux", base)
    patches = list(read_patches(app, revision, "linux", linux))
    if not patches:
        raise FarwatchError(f"{revision.name} has no patches for linux", hint="farwatch list")
    sweep = _Sweep(app, revision, patches, targets_of(app.trees, patches), config, last)
    swept = [entry for architecture in architectures for entry in sweep.architecture(architecture)]
    return SweepReport(
        revision.name, f"{linux.shown} {config}", sweep.targets, tuple(swept), tuple(sweep.unseen)
    )


@dataclass
class _Sweep:
    app: App
    revision: Revision
    patches: Sequence[ReviewedPatch]
    targets: tuple[str, ...]
    config: Config
    last: bool
    unseen: list[str] = field(default_factory=list)

    def architecture(self, architecture: Architecture) -> Iterator[Swept]:
        """Judge the patches, in order."""
        sparse = self.app.builder.sweeps.sparse(self.patches[0].before)
        order = SweepOrder(self.patches[0].before.base, architecture, self.targets, sparse, self.config)
        before = self.patches[0].before
        said = self._say(order, before, None, "before the first patch")
        known, compiled = Known(said), set(said.compiled)
        for number, (patch, label) in enumerate(self._steps(), start=1):
            said = self._say(order, patch.source, before, f"{number}/{len(self._steps())}: {patch.path.name}")
            faults = tuple(self._faults(patch, known, said))
            yield Swept(label, architecture.name, not known.broken(said), faults)
            known.add(said)
            compiled |= said.compiled
            before = patch.source
        self._note_unseen(architecture, compiled)

    def _steps(self) -> list[tuple[ReviewedPatch, str]]:
        if self.last:
            return [(self.patches[-1], f"linux/ (all {len(self.patches)} patches)")]
        return [(patch, patch.name) for patch in self.patches]

    def _say(self, order: SweepOrder, source: Source, before: Source | None, title: str) -> Said:
        self.app.reporter.say(f"{self.revision.name}: {order.architecture.name} {title}")
        return read(self.app.builder.sweeps.step(order, source, before))

    def _faults(self, patch: ReviewedPatch, known: Known, said: Said) -> Iterator[str]:
        moved = (
            {old: new for one in self.patches for old, new in one.moved.items()} if self.last else patch.moved
        )
        for entry in known.news(said, moved):
            yield f"{entry.where}: {'error: ' if entry.error else ''}{entry.text}"
        for target in sorted(known.broken(said)):
            yield f"{target} cannot be made any more"
        for module, symbols in known.wants(said).items():
            for symbol in sorted(symbols - self._exported(patch.source, symbols)):
                yield f"{module} needs {symbol}, which nothing exports"

    def _exported(self, source: Source, symbols: Iterable[str]) -> set[str]:
        """Those that a module can have."""
        touched = {name for patch in self.patches for name in patch.files}
        lines = "\n".join([*self._base_exports, *self.app.trees.matching(source, _EXPORT, touched)])
        found = {match["symbol"] for match in _EXPORTED.finditer(lines)}
        starts = tuple(match["symbol"] for match in _EXPORTED.finditer(lines) if match["pasted"])
        names = {symbol: _STATIC_CALL.sub("", symbol) for symbol in symbols}
        rest = {symbol for symbol, name in names.items() if name not in found and not name.startswith(starts)}
        return set(names) - rest | self._exported_by_macro(rest)

    def _exported_by_macro(self, symbols: set[str]) -> set[str]:
        """Those that a macro of their file exports: define_dev_printk_level(_dev_warn, KERN_WARNING)."""
        if not symbols:
            return set()
        base, found = self.patches[0].before, set[str]()
        pattern = rf"^[A-Za-z0-9_]+\(({'|'.join(map(re.escape, sorted(symbols)))})[[:space:]]*[,)]"
        for line in self.app.trees.matching_anywhere(base, pattern, "*.c", "*.S"):
            file, _, call = line.partition(":")
            macro, symbol = re.findall(r"\w+", call)[:2]
            content = (self.app.trees.content(base, file) or b"").decode("utf-8", "replace")
            body = re.search(rf"^#\s*define\s+{macro}\((?:.*\\\n)*.*", content, re.MULTILINE)
            if body and "EXPORT_" in body[0]:
                found.add(symbol)
        return found

    @cached_property
    def _base_exports(self) -> list[str]:
        return self.app.trees.matching_anywhere(self.patches[0].before, _EXPORT, "*.c", "*.h", "*.S")

    def _note_unseen(self, architecture: Architecture, compiled: set[str]) -> None:
        touched = {
            name
            for patch in self.patches
            for name in patch.files
            if name.endswith(".c") and not is_tool(name)
        }
        present = set(self.app.trees.present(self.patches[-1].source, touched))
        for name in sorted(present - compiled):
            self.unseen.append(f"{name} is no part of {architecture.name}'s {self.config}")


class Known:
    """What has been said up to a step, of each file as it was last compiled."""

    def __init__(self, said: Said) -> None:
        self._said: dict[str, list[Complaint]] = {}
        self._failed = said.failed
        self._needs: dict[str, frozenset[str]] = {}
        self.add(said)

    def add(self, said: Said) -> None:
        """Go one step further. What a header is blamed for stays: not all that include it were compiled."""
        for name in said.compiled:
            self._said[name] = []
        by_file = sorted(said.complaints, key=lambda entry: entry.file)
        for name, entries in groupby(by_file, key=lambda entry: entry.file):
            found = list(entries)
            self._said[name] = found if name in said.compiled else self._more(name, found)
        self._failed = said.failed
        self._needs |= said.needs  # a module that could not be made is known as it last was

    def _more(self, name: str, found: Sequence[Complaint]) -> list[Complaint]:
        known = self._said.get(name, [])
        return [*known, *complaints.new(known, found)]

    def news(self, said: Said, moved: Mapping[str, str]) -> list[Complaint]:
        """Complaints that are new in a step."""
        known = (entry for entries in self._said.values() for entry in entries)
        return complaints.new(known, said.complaints, moved)

    def broken(self, said: Said) -> frozenset[str]:
        """Objects that could be made before, or were not there."""
        return said.failed - self._failed

    def wants(self, said: Said) -> dict[str, frozenset[str]]:
        """What modules need that they did not need before."""
        news = {name: needs - self._needs.get(name, frozenset()) for name, needs in said.needs.items()}
        return {name: needs for name, needs in news.items() if needs}


def read(checked: Checked) -> Said:
    """What a step says."""
    log = checked.log
    needs = (line.removeprefix(NEEDS).partition(":") for line in log.splitlines() if line.startswith(NEEDS))
    return Said(
        frozenset(f"{match['file']}.c" for match in _COMPILED.finditer(log)),
        tuple(complaints.of_make(log)),
        frozenset() if checked.complete else _failed(log),
        {module: frozenset(symbols.split()) for module, _, symbols in needs},
    )


def _failed(log: str) -> frozenset[str]:
    """What make gave up on, apart from objects that the configuration leaves out."""
    found = {match["target"] for match in _FAILED.finditer(log)}
    found |= {f"{match['target']}, which needs {match['file']}," for match in _NEEDED.finditer(log)}
    if found or _NO_RULE.search(log):
        return frozenset(found)
    said = diagnose(log)
    return frozenset({f"something ({said})" if said else "something"})
