# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite comes to on one subject: programs to be run in a guest each, and how each is started there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds import fragments
from farwatch.builds.fragments import FragmentLine
from farwatch.builds.subject import Subject
from farwatch.cells.plan import file_hash
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.model import ShareSetting, Suite, Verdict, hash_of
from farwatch.system import bootstrap
from farwatch.system.home import checkout_root
from farwatch.verdicts.rows import SKIP_EXIT, SKIP_MARK

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.kselftests import KselftestBuild
    from farwatch.trees.trees import Source

PACKAGES = "system-packages.kselftest.txt"
LOCAL = ShareSetting("local", "no share", kind="tmpfs")
"""Of guests whose suite has no use for a share: no server has to be built and started."""
BOOT = "boot"
"""Name of KUnit's own row: its tests run before there is a program."""
RUNNER_LIMIT = 45
"""Seconds: kselftest_default_timeout of runner.sh; a target's file "settings" may say another."""

_SELFTEST = """\
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t fusectl fusectl /sys/fs/fuse/connections 2>/dev/null
mkdir /tmp/kselftest && cp -rs "$1"/. /tmp/kselftest &&
rm -r "/tmp/kselftest/$2" && cp -r "$1/$2" "/tmp/kselftest/$2" &&
cd /tmp/kselftest && exec ./run_kselftest.sh -t "$2:$3"
"""
"""Mounts that a system has. Tests write where they are, and the root is read-only: those of the target are
copied, the rest is linked."""
_PROGRAM = f"""\
place=$1 devices=$2
shift 2
for device in $devices; do
	[ -e "$device" ] && continue
	echo "{SKIP_MARK}needs $device, which the guest does not have"
	exit {SKIP_EXIT}
done
[ "$place" = share ] || {{ mkdir /tmp/here && FARWATCH_SHARE=/tmp/here; }}
cd "$FARWATCH_SHARE" && exec "$@"
"""


@dataclass(frozen=True)
class Unit:
    """A program of a suite, alone in a guest."""

    suite: Suite
    name: str
    """Of its own row, within the suite."""
    argv: tuple[str, ...] = ()
    """Empty: nothing is run, the boot is all."""
    content: tuple[str, ...] = ()
    """Hashes of all files that could change its verdict."""
    wants: frozenset[str] = frozenset()
    """Kconfig symbols that it asks for."""
    trouble: tuple[Verdict, str] | None = None
    """Why it cannot be run, and what it counts as."""

    @property
    def test(self) -> str:
        """The name of its row: "SUITE:NAME"."""
        return f"{self.suite.name}:{self.name}"

    def key(self, column: str) -> str:
        """Hash over everything that could change its rows. column: that of kernel, engine and server"""
        suite = self.suite
        return hash_of(
            *("suite", "1", column, self.test, suite.output, str(suite.limit), str(suite.memory)),
            *(*self.argv, "", *suite.same, "", *self.content, "", *map(str, self.trouble or ())),
        )


@dataclass(frozen=True)
class SuiteSubject:
    """A suite on a subject: the kernel that it wants, and its programs."""

    suite: Suite
    subject: Subject
    units: tuple[Unit, ...]


def suite_subject(app: App, suite: Suite, subject: Subject) -> SuiteSubject:
    """Both, found out by looking into the tree; selftests are built for it."""
    wishing = with_wishes(app, suite, subject)
    return SuiteSubject(suite, wishing, tuple(_MAKERS[suite.kind](app, suite, wishing)))


def with_wishes(app: App, suite: Suite, subject: Subject) -> Subject:
    """The subject with the options that the suite asks for, and without a share where that has no use."""
    wishes = tuple(_wishes(app, suite, subject))
    placed = subject
    if not suite.uses_share:
        bases = {name: base for name, base in subject.bases.items() if name != subject.server.name}
        placed = replace(subject, share_setting=LOCAL, bases=bases)
    return replace(placed, wishes=wishes)


def _wishes(app: App, suite: Suite, subject: Subject) -> Iterator[FragmentLine]:
    yield from fragments.parse_text("\n".join(suite.config), Path(f"suites/{suite.name}"))
    source = _source(app, suite, subject)
    for target, text in _target_configs(app, suite, source):
        yield from fragments.parse_text(text, Path(target))


def _source(app: App, suite: Suite, subject: Subject) -> Source:
    """The tree that the suite is taken from."""
    linux = subject.linux
    if suite.kind == "kselftest" and not suite.own_tree:
        return app.trees.base_source(linux)
    return subject.sources.get("linux") or app.trees.tip(subject.revision, "linux", linux)


def _target_configs(app: App, suite: Suite, source: Source) -> Iterator[tuple[str, str]]:
    """Where a fragment is from, and its text, for each target that has one."""
    if suite.kind == "kselftest":
        selftests = app.builder.kselftests
        for target in selftests.targets(source, suite.targets)[0]:
            yield f"selftests/{target}/config", selftests.config(source, target)
    if suite.kind == "kunit":
        for target in suite.targets:
            content = app.trees.content(source, f"{target}/.kunitconfig")
            yield f"{target}/.kunitconfig", (content or b"").decode()


# -- kselftest


def _selftests(app: App, suite: Suite, subject: Subject) -> Iterator[Unit]:
    source = _source(app, suite, subject)
    selftests = app.builder.kselftests
    targets, missing = selftests.targets(source, suite.targets)
    for pattern in missing:
        text = f"{source.label} has no tools/testing/selftests/{pattern}"
        yield Unit(suite, pattern, trouble=(Verdict.FAIL, text))
    if not targets:
        return
    bootstrap.ensure_extra(checkout_root() / "tools" / PACKAGES, app.home)
    built = selftests.build(source, targets)
    wants = {target: _symbols(selftests.config(source, target)) for target in targets}
    listed = {target for target, _ in built.tests}
    for target in targets:
        if target not in listed and (why := built.broken.get(target)):
            yield Unit(suite, target, trouble=(Verdict.FAIL, f"does not build: {why}"))
    for target, program in built.tests:
        yield _selftest(suite, built, target, program, wants[target])


def _selftest(suite: Suite, built: KselftestBuild, target: str, program: str, wants: frozenset[str]) -> Unit:
    name = f"{target}/{_short(built, target, program)}"
    if why := built.broken.get(f"{target}/{program}"):
        return Unit(suite, name, wants=wants, trouble=(Verdict.FAIL, f"does not build: {why}"))
    installed = f"{GUEST_HOST_ROOT}{built.installed}"
    argv = ("/bin/sh", "-c", _SELFTEST, "kselftest", installed, target, program)
    content = (folder_hash(built.installed / target), folder_hash(built.installed / "kselftest"))
    return Unit(suite, name, argv, content, wants)


def _short(built: KselftestBuild, target: str, program: str) -> str:
    """A program's name without its ending, where that tells it from the others."""
    stem = Path(program).stem
    twins = [name for folder, name in built.tests if folder == target and Path(name).stem == stem]
    return stem if len(twins) == 1 else program.replace(".", "_")


def _symbols(config: str) -> frozenset[str]:
    lines = fragments.parse_text(config, Path("config"))
    return frozenset(line.symbol for line in lines if line.value != "n")


@cache
def folder_hash(folder: Path) -> str:
    """Hash of all files below a folder, their names and modes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = (f"{path.relative_to(folder)} {path.stat().st_mode:o} {file_hash(path)}" for path in files)
    return hash_of(*parts)


# -- KUnit


def _kunit(app: App, suite: Suite, subject: Subject) -> Iterator[Unit]:
    source = _source(app, suite, subject)
    for target in suite.targets:
        if app.trees.content(source, f"{target}/.kunitconfig") is None:
            text = f"{source.label} has no {target}/.kunitconfig"
            yield Unit(suite, target, trouble=(Verdict.FAIL, text))
    wants = frozenset(wish.symbol for wish in subject.wishes if wish.value != "n")
    yield Unit(suite, BOOT, wants=wants)


# -- programs of others


def _programs(app: App, suite: Suite, subject: Subject) -> Iterator[Unit]:
    del app
    for place in suite.places:
        for label, words in suite.programs:
            name = f"{place}/{label}" if suite.uses_share else label
            found = shutil.which(words[0])
            why = _lacking(suite, words[0], subject)
            if why or found is None:
                yield Unit(suite, name, trouble=(Verdict.SKIP, why))
                continue
            devices = " ".join(need for need in suite.needs if need.startswith("/dev/"))
            argv = ("/bin/sh", "-c", _PROGRAM, suite.name, place, devices, found, *words[1:])
            content = tuple(_content(found, words[1:]))
            yield Unit(suite, name, argv, content, wants=_symbols("\n".join(suite.config)))


def _lacking(suite: Suite, program: str, subject: Subject) -> str:
    """What a program needs and a guest cannot have; empty: nothing."""
    if suite.engines and subject.engine.name not in suite.engines:
        return f"runs on engine {' or '.join(suite.engines)} only"
    if "network" in suite.needs:
        return "needs a network, and a guest of the tests has none"
    programs = (need for need in suite.needs if not need.startswith("/dev/"))
    missing = [name for name in (program, *programs) if shutil.which(name) is None]
    if not missing:
        return ""
    hint = f": apt-get install {suite.package}" if suite.package else ""
    return f"{', '.join(dict.fromkeys(missing))} is not installed{hint}"


def _content(program: str, words: Sequence[str]) -> Iterator[str]:
    """The program, and what of its arguments is a file."""
    for word in (program, *words):
        path = Path(word)
        if path.is_absolute() and path.is_file() and os.access(path, os.R_OK):
            yield file_hash(path.resolve())


_MAKERS = {"kselftest": _selftests, "kunit": _kunit, "program": _programs}
