# SPDX-License-Identifier: GPL-2.0-or-later
"""What patches/ holds: the pinned bases, the share settings, and a folder for each revision."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from farwatch.errors import FarwatchError, unknown
from farwatch.model import (
    Adoption,
    Base,
    BaseKind,
    Claim,
    Cut,
    Expectation,
    Posting,
    Revision,
    ShareKind,
    ShareSetting,
    Suite,
    Verdict,
    Waiver,
    unnumbered,
)
from farwatch.revisions.components import KERNEL, KEYS, Component, one_of_a_kind, read_component
from farwatch.revisions.share_settings import SETTINGS_FILE, named_settings, read_share_settings
from farwatch.revisions.strict_toml import TomlDocument, TomlTable
from farwatch.revisions.suites import SUITES_FILE, read_suites, suites_in
from farwatch.system.home import checkout_root

REVISION_FILE = "revision.toml"
BASES_FILE = "bases.toml"

_KIND_KEYS: dict[str, tuple[str, ...]] = {
    "deb": ("package", "suite", "version", "sha256"),
    "deb-source": ("package", "suite", "version", "sha256"),
    "crate": ("package", "version", "sha256"),
    "tarball": ("location", "sha256"),
    "git": ("location", "commit"),
}
_OPTIONAL_KEYS = {"deb-source": ("updates",)}
_SHAPES = {
    "sha256": (r"[0-9a-f]{64}", "64 lower case hex digits"),
    "commit": (r"[0-9a-f]{40}|[0-9a-f]{64}", "a full commit id: 40 or 64 lower case hex digits"),
}
NAME = re.compile(r"(?!.*\.lock$)[A-Za-z0-9]+([._+-][A-Za-z0-9]+)*")  # also a valid part of a git ref
DEFAULT_ORDER = 10
_KEYS = (
    *("title", "order", "share", "bases", "server", "guest"),
    *("expect", "waive", "tests", "send", "series", "adopted", "suites"),
)
"""Of a revision.toml."""
_SYSCTL = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


FORMAT = 1
"""Of a project: `format` of its bases.toml. It goes up with what an older farwatch would get wrong."""
TESTS = "kernel-tests"
"""Folder of a project with its tests and their Kconfig fragments."""
_FLAVOR = "config.flavor."
"""What the name of a Kconfig fragment begins with that is a flavor."""


@dataclass(frozen=True)
class _Known:
    """The names of one kind that there are."""

    what: str
    names: tuple[str, ...]
    hint: str


@dataclass(frozen=True)
class Catalog:
    """The bases and revisions of one project.

    Every lookup of a name that does not exist raises FarwatchError with the
    nearest name that does; so does every file that does not say what it must.
    """

    patches: Path
    _bases: dict[str, dict[str, Base]]
    _defaults: dict[str, str]
    _share_settings: dict[str, ShareSetting]
    _engines: tuple[str, ...] = ()
    _components: dict[str, Component] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path, engines: Iterable[str] = ()) -> Catalog:
        """Read `root`/patches, `root` being the folder of a project. Revisions are read when asked for.

        engines: those that there are; an expectation may name no other
        """
        patches = root / "patches"
        bases: dict[str, dict[str, Base]] = {}
        defaults: dict[str, str] = {}
        components: dict[str, Component] = {}
        top = TomlDocument.read(patches / BASES_FILE).table()
        _check_format(top)
        for name in [name for name in top.names() if name != "format"]:
            bases[name], defaults[name] = _component(top.table(name), name)
            components[name] = read_component(top.table(name), name)
        one_of_a_kind(components, patches / BASES_FILE)
        return cls(patches, bases, defaults, read_share_settings(patches), tuple(engines), components)

    @property
    def folder(self) -> Path:
        """Of the project."""
        return self.patches.parent

    @property
    def tests(self) -> Path:
        """The project's tests, and what they need of a kernel."""
        return self.folder / TESTS

    def with_role(self, role: str) -> list[Component]:
        """The components that are to be that."""
        return [component for component in self._components.values() if component.role == role]

    def with_stand_ins(self, bases: Iterable[Base]) -> Catalog:
        """The same, but under the name of a pinned base is the one given that stands for it."""
        known = {component: dict(named) for component, named in self._bases.items()}
        for base in bases:
            known[base.component][base.pin.name] = base
        return replace(self, _bases=known)

    def components(self) -> list[str]:
        return list(self._bases)

    def bases(self, component: str) -> list[Base]:
        """All bases of a component, in the order of the file."""
        return list(self._component(component).values())

    def base(self, component: str, name: str | None = None) -> Base:
        """A base by "7.3" or "linux-7.3"; the component's default without a name."""
        known = self._component(component)
        if name is None:
            return known[self._defaults[component]]
        short = name if name in known else name.removeprefix(f"{component}-")
        if short not in known:
            raise unknown(f"base of {component}", name, known, hint=f"see {self.patches / BASES_FILE}")
        return known[short]

    def base_named(self, name: str) -> Base:
        """The base of that name, whatever it is a base of: "linux-7.3", or "7.3" if there is only one."""
        found = [
            bases[short]
            for component, bases in self._bases.items()
            for short in (name, name.removeprefix(f"{component}-"))
            if short in bases
        ]
        labels = list(dict.fromkeys(base.label for base in found))
        if len(labels) > 1:
            raise FarwatchError(f"base '{name}' may be {' or '.join(labels)}", hint="name it so")
        if not labels:
            known = [base.label for bases in self._bases.values() for base in bases.values()]
            raise unknown("base", name, known, hint=f"see {self.patches / BASES_FILE}")
        return found[0]

    def share_settings(self, names: str = "all") -> tuple[ShareSetting, ...]:
        """Those of "NAME,NAME", in the order of the file, the default one first."""
        return named_settings(self._share_settings, names, f"see {self.patches / SETTINGS_FILE}")

    def suites(self, revision: Revision | None = None) -> dict[str, Suite]:
        """The suites by name: the project's, and in their place or behind them those of a revision."""
        own = revision.suites if revision else ()
        return {**read_suites(self.patches, self._engines), **{suite.name: suite for suite in own}}

    def suite_names(self, revisions: Iterable[Revision]) -> frozenset[str]:
        """The names of all suites: the project's, and those of some revisions."""
        own = (suite.name for revision in revisions for suite in revision.suites)
        return frozenset((*self.suites(), *own))

    def suite(self, name: str, revisions: Iterable[Revision]) -> dict[str, Suite]:
        """Revision -> what it has under that name; FarwatchError if none of them has."""
        known = {revision.name: self.suites(revision) for revision in revisions}
        found = {owner: suites[name] for owner, suites in known.items() if name in suites}
        if not found:
            names = dict.fromkeys(other for suites in known.values() for other in suites)
            raise unknown("suite", name, names, hint=f"a suite is a table of {self.patches / SUITES_FILE}")
        return found

    def revision(self, name: str) -> Revision:
        """The revision of that name."""
        folder = self.patches / name
        if NAME.fullmatch(name) and (folder / REVISION_FILE).is_file():
            return self._read(folder)
        if NAME.fullmatch(name) and folder.is_dir():
            raise FarwatchError(
                f"revision '{name}' has no {REVISION_FILE}",
                cause=f"{folder} is a folder, but the file that makes it a revision is missing",
                hint=f"write {folder / REVISION_FILE}, or see how another revision does it",
            )
        raise unknown("revision", name, self._revision_names(), hint="farwatch list")

    def revisions(self) -> list[Revision]:
        """All revisions, by their order and then by name (v2 before v10)."""
        found = [self._read(self.patches / name) for name in self._revision_names()]
        return sorted(found, key=lambda revision: (revision.order, natural_key(revision.name)))

    def base_of(self, revision: Revision, component: str, name: str | None = None) -> Base:
        """The base named, or else the one that the revision is written for, or else the default."""
        return self.base(component, name or revision.bases.get(component))

    def chosen_bases(
        self, revision: Revision, components: Sequence[str], component: str | None, name: str | None
    ) -> list[Base]:
        """What [COMPONENT] [--base BASE] means: one base of one component, or the revision's own ones."""
        if component is None and name is not None:
            return [self.base_named(name)]
        return [self.base_of(revision, part, name) for part in ([component] if component else components)]

    def _component(self, component: str) -> dict[str, Base]:
        if component not in self._bases:
            raise unknown("component", component, self._bases, hint=f"see {self.patches / BASES_FILE}")
        return self._bases[component]

    def _revision_names(self) -> list[str]:
        return sorted((path.parent.name for path in self.patches.glob(f"*/{REVISION_FILE}")), key=natural_key)

    def _read(self, folder: Path) -> Revision:
        table = TomlDocument.read(folder / REVISION_FILE).table()
        table.only(_KEYS)
        conditions = self._conditions()
        return Revision(
            name=folder.name,
            title=table.text("title"),
            folder=folder,
            share=self._share(table),
            bases=self._bases_of(table.table("bases"), folder),
            expectations=tuple(_expectation(entry, conditions) for entry in table.tables("expect")),
            order=table.integer("order", DEFAULT_ORDER),
            waivers=tuple(_waiver(entry) for entry in table.tables("waive")),
            claims=_claims(table),
            postings=self._postings(table),
            cuts=tuple(self._cuts(table)),
            adoption=_adoption(table),
            server_options=_server_options(table),
            sysctls=_sysctls(table),
            suites=tuple(suites_in(table.table("suites"), folder, self._engines))
            if "suites" in table.names()
            else (),
        )

    def _share(self, table: TomlTable) -> ShareKind:
        """What the guests of a revision share with the host: nothing, where no component is a server."""
        served = bool(self.with_role("server"))
        share = table.choice("share", ("virtiofs", "tmpfs", "none"), "virtiofs" if served else "none")
        if share == "virtiofs" and not served:
            cause = f"expected share = 'none', or a component with role = 'server' in {BASES_FILE}"
            raise table.error("share", "nothing can serve the share", cause=cause)
        return cast(ShareKind, share)

    def _conditions(self) -> dict[str, _Known]:
        """What an expectation may be limited to: key -> the names that there are."""
        named = set(flavors(self.tests))
        return {
            "engines": _Known("engine", self._engines, "see `farwatch list`"),
            "bases": _Known("base of linux", tuple(self._bases.get(KERNEL, ())), f"see {BASES_FILE}"),
            "flavors": _Known(
                "flavor", ("plain", *sorted(named - {"plain"})), f"a flavor is a {TESTS}/{_FLAVOR}NAME"
            ),
            "settings": _Known("share setting", tuple(self._share_settings), f"see {SETTINGS_FILE}"),
        }

    def _postings(self, table: TomlTable) -> dict[str, Posting]:
        """[send.COMPONENT]: to, cc, prefixes"""
        if "send" not in table.names():
            return {}
        send = table.table("send")
        send.only(list(self._bases))
        return {component: _posting(send.table(component)) for component in send.names()}

    def _cuts(self, table: TomlTable) -> Iterator[Cut]:
        """[series.COMPONENT.NAME]: first, last; to, cc, prefixes"""
        if "series" not in table.names():
            return
        series = table.table("series")
        series.only(list(self._bases))
        for component in series.names():
            for name in series.table(component).names():
                yield _cut(series.table(component).table(name), component, name)

    def _bases_of(self, table: TomlTable, folder: Path) -> dict[str, str]:
        table.only(list(self._bases))
        chosen: dict[str, str] = {}
        for component in table.names():
            try:
                chosen[component] = self.base(component, table.text(component)).pin.name
            except FarwatchError as error:
                raise table.error(component, error.what, cause=error.cause, hint=error.hint) from None
        for component in self._bases:
            if any((folder / component).glob("[0-9]*.patch")) and component not in chosen:
                cause = f"{folder / component} has patches, but nothing says what they apply to"
                raise table.error(component, f"no base for {component}", cause=cause)
        return chosen


def fragment_folders(tests: Path) -> tuple[Path, ...]:
    """Where Kconfig fragments are: what every kernel gets, and the project's own."""
    common = checkout_root() / TESTS
    return tuple(dict.fromkeys(path.resolve() for path in (common, common / "guest", tests, tests / "guest")))


def flavors(tests: Path) -> dict[str, list[Path]]:
    """Name of each flavor -> its fragments."""
    found: dict[str, list[Path]] = {}
    for folder in fragment_folders(tests):
        for path in sorted(folder.glob(f"{_FLAVOR}*")):
            found.setdefault(path.name.removeprefix(_FLAVOR), []).append(path)
    return found


def _check_format(top: TomlTable) -> None:
    """FarwatchError for a project that a newer farwatch has made."""
    found = top.integer("format", FORMAT)
    if found > FORMAT:
        cause = f"its format is {found}, and this farwatch knows {FORMAT}; nothing was changed"
        raise top.error("format", "this project is of a newer farwatch", cause=cause, hint="update farwatch")
    if found < 1:
        raise top.error("format", f"format = {found} is wrong", cause=f"expected {FORMAT}, or no such line")


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which v2 comes before v10."""
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def _component(table: TomlTable, component: str) -> tuple[dict[str, Base], str]:
    """The bases of one component by name, and the name of the default one."""
    names = [name for name in table.names() if isinstance(table.values[name], dict)]
    table.only((*KEYS, *names))
    if not names:
        raise table.error("default", f"[{component}] has no bases", cause=f'expected [{component}."VERSION"]')
    bases = {name: _base(table.table(name), component, name) for name in names}
    default = table.choice("default", names, names[0] if len(names) == 1 else None)
    return bases, default


def _base(table: TomlTable, component: str, name: str) -> Base:
    if not NAME.fullmatch(name):
        raise table.error(
            "kind", f"base name '{name}' is wrong", cause="expected letters, digits and . _ + -"
        )
    kind = table.choice("kind", list(_KIND_KEYS))
    optional = _OPTIONAL_KEYS.get(kind, ())
    elsewhere = ("places",) if "sha256" in _KIND_KEYS[kind] else ()
    table.only(("kind", *_KIND_KEYS[kind], *optional, *elsewhere))
    pinned: dict[str, Any] = {key: _pin(table, key) for key in _KIND_KEYS[kind]}
    pinned.update({key: _pin(table, key) for key in optional if key in table.names()})
    folder = table.document.path.parent
    if "location" in pinned:
        pinned["location"] = _location(pinned["location"], folder)
    if "places" in table.names():
        pinned["places"] = tuple(
            place if "://" in place else _absolute(place, folder) for place in table.texts("places")
        )
    return Base(component=component, name=name, kind=cast(BaseKind, kind), **pinned)


def _pin(table: TomlTable, key: str) -> str:
    return table.match(key, *_SHAPES[key]) if key in _SHAPES else table.text(key)


def _location(location: str, folder: Path) -> str:
    """A URL or host:path as it is; a path made absolute, relative ones counted from the file's folder."""
    if "://" in location or re.match(r"[^/]+:", location):
        return location
    return _absolute(location, folder)


def _absolute(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


def _expectation(table: TomlTable, conditions: dict[str, _Known]) -> Expectation:
    table.only(("tests", *conditions, "verdict", "reason", "says", "race"))
    return Expectation(
        tests=table.texts("tests"),
        verdict=Verdict(table.choice("verdict", [str(verdict) for verdict in Verdict])),
        reason=" ".join(table.text("reason").split()),
        says=_pattern(table, "says"),
        race=table.flag("race"),
        **{key: _condition(table, key, known) for key, known in conditions.items()},
    )


def _condition(table: TomlTable, key: str, known: _Known) -> tuple[str, ...]:
    """The names of one kind that an expectation is limited to; each must exist."""
    if key not in table.names():
        return ()
    names = table.texts(key)
    for name in names:
        if name not in known.names:
            error = unknown(known.what, name, known.names)
            raise table.error(key, error.what, cause=error.cause, hint=known.hint)
    return names


def _waiver(table: TomlTable) -> Waiver:
    table.only(("rule", "patches", "reason"))
    patches = table.texts("patches") if "patches" in table.names() else ("*",)
    return Waiver(table.text("rule"), patches, " ".join(table.text("reason").split()))


def _claims(table: TomlTable) -> tuple[Claim, ...]:
    """[tests]: patch = ["test", ...]"""
    if "tests" not in table.names():
        return ()
    tests = table.table("tests")
    return tuple(Claim(patch, tests.texts(patch)) for patch in tests.names())


_POSTING_KEYS = ("to", "cc", "prefixes")


def _posting(table: TomlTable) -> Posting:
    table.only(_POSTING_KEYS)
    return Posting(**{key: table.texts(key) for key in table.names()})


def _cut(table: TomlTable, component: str, name: str) -> Cut:
    table.only(("first", "last", *_POSTING_KEYS))
    if not NAME.fullmatch(name):
        cause = "expected letters, digits and . _ + -, such as fsnotify"
        raise table.error("first", f"'{name}' cannot be the name of a series", cause=cause)
    posting = Posting(**{key: table.texts(key) for key in _POSTING_KEYS if key in table.names()})
    first, last = (unnumbered(table.text(key)) for key in ("first", "last"))
    return Cut(component, name, first, last, posting)


def _server_options(table: TomlTable) -> tuple[str, ...]:
    """[server]: options"""
    if "server" not in table.names():
        return ()
    server = table.table("server")
    server.only(("options",))
    return server.texts("options")


def _sysctls(table: TomlTable) -> tuple[str, ...]:
    """[guest]: sysctl = { "NAME" = VALUE }"""
    if "guest" not in table.names():
        return ()
    guest = table.table("guest")
    guest.only(("sysctl",))
    named = guest.table("sysctl")
    return tuple(f"{_sysctl_name(named, name)}={_sysctl_value(named, name)}" for name in named.names())


def _sysctl_name(table: TomlTable, name: str) -> str:
    if not _SYSCTL.fullmatch(name):
        cause = 'expected its full name with dots, in quotation marks: "fs.inotify.max_user_watches"'
        raise table.error(name, f"'{name}' is no name of a sysctl", cause=cause)
    return name


def _sysctl_value(table: TomlTable, name: str) -> str:
    return str(table.integer(name)) if isinstance(table.values[name], int) else table.text(name)


def _adoption(table: TomlTable) -> Adoption | None:
    if "adopted" not in table.names():
        return None
    adopted = table.table("adopted")
    adopted.only(("by", "date", "assisted"))
    return Adoption(adopted.text("by"), adopted.text("date"), adopted.text("assisted"))


def _pattern(table: TomlTable, key: str) -> str:
    pattern = table.text(key, "")
    try:
        re.compile(pattern)
    except re.error as error:
        cause = f"expected a regular expression: {error}"
        raise table.error(key, f"{key} = '{pattern}' is wrong", cause=cause) from error
    return pattern
