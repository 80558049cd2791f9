# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of the project as types: base, revision, expectation, test, cell, verdict."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

BaseKind = Literal["deb", "deb-source", "git", "tarball", "crate"]
ShareKind = Literal["virtiofs", "tmpfs", "fuse", "none"]
"""none: a test has a tmpfs of its guest's, which nobody else has a part in.
fuse: a server on /dev/fuse in the guest, with another process there for the host."""
FileSystem = Literal["tmpfs", "ext4", "xfs", "btrfs", "overlay"]
TestFolder = Literal["mount", "subvolume"]
SuiteKind = Literal["kselftest", "kunit", "program"]
SuiteFormat = Literal["tap", "junit", "exit"]
"""What a suite's program prints: TAP or KTAP, JUnit's XML, or nothing that counts beside its exit status."""
SuitePlace = Literal["share", "tmpfs"]

COVER = "cover-letter.txt"
CHANGELOG = "changelog.txt"


def series_cover(name: str) -> str:
    """File name of the cover letter of one of a component's series. Not one that `save` takes for a patch."""
    return f"{COVER.removesuffix('.txt')}-{name}.txt"


class Verdict(StrEnum):
    """What a cell says. None of them ever stands in for another."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    CRASH = "crash"
    """The kernel died or complained (panic, oops, splat) or the test program was killed by a signal."""
    HANG = "hang"
    """The test or the guest did not come to an end within its limit."""
    ERROR = "error"
    """Infrastructure: the guest could not start, the server died by itself, a step had no answer."""


@dataclass(frozen=True)
class Base:
    """An unpatched, named state of a component, as bases.toml pins it."""

    component: str
    name: str
    kind: BaseKind
    sha256: str = ""
    """Of the archive (deb, deb-source: of the tarball in the package). Empty for kind git."""
    package: str = ""
    suite: str = ""
    version: str = ""
    updates: str = ""
    """Of deb-source: the last one of the package's own patches that belong to the base."""
    location: str = ""
    """Path or URL (git, tarball)."""
    commit: str = ""
    """Commit of a git base."""
    places: tuple[str, ...] = ()
    """Paths and URLs of the same content, for when it cannot be had from where the kind says."""
    stands_for: Base | None = None
    """The base that is pinned, where this is a newer version of its release that a person asked for."""

    @property
    def label(self) -> str:
        return f"{self.component}-{self.name}"

    @property
    def pin(self) -> Base:
        """The base as bases.toml pins it: mostly this one."""
        return self.stands_for or self

    @property
    def shown(self) -> str:
        """Its name in columns and headings: what stands in for a base never bears the bare name of that."""
        if self.stands_for is None:
            return self.name
        return f"{self.pin.name} ({self.version} instead of {self.pin.version})"


@dataclass(frozen=True)
class ShareSetting:
    """A way to serve the share: what the server is told, and what the share lies on."""

    name: str
    about: str = ""
    server_options: tuple[str, ...] = ()
    """In place of those of the same name that every server gets, or the revision's."""
    mount_options: tuple[str, ...] = ()
    """Of the mount in the guest; of kind fuse, its server's options, too."""
    kind: ShareKind | None = None
    """Instead of the revision's own."""
    file_system: FileSystem | None = None
    """A new one that the share is; None: a folder where the runs are."""
    folder: TestFolder | None = None
    """What the folder of a test is in the share, if not an ordinary one."""

    @property
    def has_ground(self) -> bool:
        """Whether something has to be mounted for it."""
        return bool(self.file_system or self.folder)

    @property
    def read_only(self) -> bool:
        """Whether the guest can change nothing."""
        return "--readonly" in self.server_options or "ro" in self.mount_options


DEFAULT_SHARE = ShareSetting("default", "no cache, no sandbox, no file handles; an ordinary folder")
"""What a share is like where nobody says otherwise: guests/companion.py has the server's options."""


@dataclass(frozen=True)
class Expectation:
    """A recorded "this test fails here, because ...".

    tests:   shell patterns over test names
    engines, bases, flavors, settings: names of those that it is about (bases of linux, share settings);
             none of a kind: all of them
    says:    a regular expression that the cell's detail must contain: the right reason
    race:    who wins is left open by the design, so a pass now and then is no surprise, and no proof either;
             with verdict "pass": a failure now and then, if it says so
    """

    tests: tuple[str, ...]
    verdict: Verdict
    reason: str
    says: str = ""
    race: bool = False
    engines: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    flavors: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def covers(self, test: str, column: Column) -> bool:
        return self.is_about(column) and any(fnmatchcase(test, pattern) for pattern in self.tests)

    def is_about(self, column: Column) -> bool:
        """Whether each of its conditions holds in a column."""
        conditions = (
            (self.engines, column.engine),
            (self.bases, column.base),
            (self.flavors, column.flavor),
            (self.settings, column.share_setting),
        )
        return all(not names or name in names for names, name in conditions)

    def met_by(self, verdict: Verdict, detail: str) -> bool:
        if self.race and verdict is Verdict.PASS:
            return True
        wanted = Verdict.FAIL if self.race and self.verdict is Verdict.PASS else self.verdict
        return verdict is wanted and re.search(self.says, detail) is not None


_NUMBERED = re.compile(r"(.*/)?\d+-(.*)\.patch")


def unnumbered(patch: str) -> str:
    """A patch by what it is about, with its component if that is said; another name as it is."""
    found = _NUMBERED.fullmatch(patch)
    return f"{found[1] or ''}{found[2]}" if found else patch


@dataclass(frozen=True)
class Waiver:
    """A rule of `lint` that need not hold for some patches, and why.

    rule:    shell pattern over rule names; the name of a group ("checkpatch") covers all of its rules
    patches: shell patterns over names: "linux/fuse-do-x", which stays when patches are put in another order;
             "linux/0001-fuse-do-x.patch"; each without its component; "cover-letter.txt"
    """

    rule: str
    patches: tuple[str, ...]
    reason: str

    def covers(self, rule: str, patch: str) -> bool:
        plain = unnumbered(patch)
        names = {name for full in (patch, plain) for name in (full, full.rpartition("/")[2])}
        rules = (rule, rule.partition(":")[0])
        return any(fnmatchcase(name, self.rule) for name in rules) and any(
            fnmatchcase(name, pattern) for name in names for pattern in self.patches
        )


@dataclass(frozen=True)
class Claim:
    """Tests that fail before a patch and pass after it.

    patch: number or file name of a patch, with "component/" before it where that is needed to tell
    tests: shell patterns over test names
    """

    patch: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Posting:
    """What the mails of one component's series say that its patches do not."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """Words in the subject's brackets beside PATCH: RFC, a tree's name."""


@dataclass(frozen=True)
class Cut:
    """A run of a component's patches that is posted as a series of its own: [series.COMPONENT.NAME].

    It is named by its ends alone: what is put between them later belongs to it, and its patches may change,
    be put in another order and move to another base.
    """

    component: str
    name: str
    first: str
    last: str
    """Both as unnumbered() has them: "fuse-do-x"."""
    posting: Posting = field(default_factory=Posting)

    @property
    def label(self) -> str:
        return f"{self.component}/{self.name}"


@dataclass(frozen=True)
class Adoption:
    """Who took a series over, and what they said of its origin."""

    by: str
    """Name and address: "A Person <person@example.org>"."""
    date: str
    assisted: str
    """Value of the Assisted-by trailer; "no" if no AI assistant had a part in it."""


@dataclass(frozen=True)
class Suite:
    """Tests that others have written: a source of rows "NAME:test.subtest"."""

    name: str
    about: str
    kind: SuiteKind
    targets: tuple[str, ...] = ()
    """kselftest: folders of tools/testing/selftests, or patterns; kunit: folders with a .kunitconfig."""
    own_tree: bool = False
    """kselftest: as the series' tree has them, not as the base has them."""
    programs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """program: (name of its row, its command line)."""
    output: SuiteFormat = "exit"
    places: tuple[SuitePlace, ...] = ("tmpfs",)
    """program: where it works; each gives rows of its own."""
    limit: float = 60.0
    """Seconds for one program."""
    config: tuple[str, ...] = ()
    """Lines of a Kconfig fragment that the kernel should have for it, as far as it can."""
    engines: tuple[str, ...] = ()
    """Those that it runs on; none: all."""
    needs: tuple[str, ...] = ()
    """Programs by name, devices by path, "network"."""
    package: str = ""
    """What brings those programs, as Debian calls it."""
    same: tuple[str, ...] = ()
    """Regular expressions: what of a test's name changes from run to run, and is shown as "*"."""
    memory: int = 512
    """MB of its guests."""

    @property
    def uses_share(self) -> bool:
        return self.kind == "program" and "share" in self.places


@dataclass(frozen=True)
class Revision:
    """One posted (or postable) state of the whole feature: a folder of patches/."""

    name: str
    title: str
    folder: Path
    share: ShareKind
    bases: dict[str, str]
    """Component -> name of the base that the series is written for."""
    expectations: tuple[Expectation, ...] = ()
    order: int = 0
    """Place of its column in the table; reference and baseline come first."""
    waivers: tuple[Waiver, ...] = ()
    claims: tuple[Claim, ...] = ()
    postings: dict[str, Posting] = field(default_factory=dict)
    """Component -> what its mails say; empty where nothing is special."""
    cuts: tuple[Cut, ...] = ()
    """The series that components are cut into, in the order in which they are posted."""
    adoption: Adoption | None = None
    server_options: tuple[str, ...] = ()
    """What its server is started with, beside what every server gets."""
    sysctls: tuple[str, ...] = ()
    """What its guests are set to before each program: "fs.inotify.remote=1". What has "-" before it is left
    out by a kernel that does not have it, as in sysctl.d(5)."""
    suites: tuple[Suite, ...] = ()
    """Its own ones; of a name that the project's have, too, it is the revision's that counts."""

    def texts(self) -> tuple[str, ...]:
        """The texts about the series that exist: cover letter, those of components, changelog."""
        covers = [COVER, *(f"{path.name}/{COVER}" for path in sorted(self.folder.glob("*/")))]
        own = (path.relative_to(self.folder) for path in sorted(self.folder.glob(f"*/{series_cover('*')}")))
        covers += map(str, own)
        return tuple(name for name in (*covers, CHANGELOG) if (self.folder / name).is_file())

    def patches(self, component: str) -> tuple[Path, ...]:
        """The series of one component, in order; empty when there is none."""
        return tuple(sorted((self.folder / component).glob("[0-9]*.patch")))

    def expectation(self, test: str, column: Column) -> Expectation | None:
        """The last one that covers the test in a column: later entries refine earlier ones."""
        for entry in reversed(self.expectations):
            if entry.covers(test, column):
                return entry
        return None


@dataclass(frozen=True)
class TestCase:
    """One case of one kernel-tests program. Its name is stable: it never contains a number of order."""

    __test__ = False  # not a pytest class

    program: str
    """Name of the program file."""
    fixture: str
    variant: str
    test: str
    about: str = ""
    """The comment above the case: which rule it checks and where the rule comes from."""

    @property
    def name(self) -> str:
        """program:fixture[.variant].test"""
        return f"{self.program}:{self.ktap_name}"

    @property
    def ktap_name(self) -> str:
        """The name that kselftest_harness.h prints."""
        return ".".join(part for part in (self.fixture, self.variant, self.test) if part)


@dataclass(frozen=True)
class Column:
    """A column of the table: what is under test, apart from the test itself."""

    revision: str
    base: str
    """Name of the linux base."""
    engine: str = "uml"
    flavor: str = "plain"
    share_setting: str = DEFAULT_SHARE.name


@dataclass(frozen=True)
class CellResult:
    """What one run of one test in one column gave."""

    column: Column
    test: str
    inputs: str
    """Hash over everything that could change the verdict."""
    verdict: Verdict
    title: str = ""
    """One line: why it is not a pass (splat title, first failed assertion, ...)."""
    detail: str = ""
    """The lines that show it."""
    duration: float = 0.0
    """Seconds from start of the test program to its verdict."""
    attempts: int = 1
    started: float = 0.0
    """Unix time."""
    logs: str = ""
    """Folder of the cell's logs, relative to Home.logs."""
    run: str = ""
    """Id of the run that made it."""
    cached: bool = field(default=False, compare=False)
    """Taken from the store, not run now."""


def hash_of(*parts: str | bytes) -> str:
    """Hash of a sequence of parts; ("a", "b") and ("ab",) differ. 32 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]
