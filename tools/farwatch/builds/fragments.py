# SPDX-License-Identifier: GPL-2.0-or-later
"""Kconfig fragments: read, merged, and held against what the kernel's own tools made of them.

A fragment has lines `CONFIG_X=y|m|n|"text"|123|0x1f` and `# CONFIG_X is not set`,
as in Documentation/kbuild/kconfig.rst. Fragments are added to one another, they
do not override: two that want different values for one symbol are a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.errors import BuildFailure, FarwatchError
from farwatch.model import Revision
from farwatch.revisions.catalog import TESTS, flavors, fragment_folders
from farwatch.system.home import checkout_root

_SET = re.compile(r"^CONFIG_(\w+)=(.*)$")
_UNSET = re.compile(r"^# CONFIG_(\w+) is not set\s*$")
_VALUE = re.compile(r'[ymn]|"(?:[^"\\]|\\.)*"|-?\d+|0[xX][0-9a-fA-F]+')


@dataclass(frozen=True)
class FragmentLine:
    """One line of a fragment: the value that `symbol` (without CONFIG_) is to have."""

    symbol: str
    value: str
    """As written in a .config: y, m, n, a number, or text with its quotes."""
    file: Path
    line: int

    @property
    def origin(self) -> str:
        """kernel-tests/guest/config.um:7: short enough for a message, long enough to be found."""
        depth = 3 if self.file.parent.name == "guest" else 2
        return f"{'/'.join(self.file.parts[-depth:])}:{self.line}"

    def __str__(self) -> str:
        return f"CONFIG_{self.symbol}={self.value}"


def parse(path: Path) -> tuple[FragmentLine, ...]:
    """The settings of one fragment; FarwatchError names file and line of what cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FarwatchError(f"cannot read the Kconfig fragment {path}", cause=str(error)) from error
    return parse_text(text, path)


def parse_text(text: str, path: Path) -> tuple[FragmentLine, ...]:
    """The same of a text. path: where it is from, for messages"""
    lines = enumerate(text.splitlines(), start=1)
    found = (_parse_line(path, number, line.strip()) for number, line in lines)
    return tuple(setting for setting in found if setting is not None)


def _parse_line(path: Path, number: int, line: str) -> FragmentLine | None:
    if match := _UNSET.match(line):
        return FragmentLine(match[1], "n", path, number)
    if not line or line.startswith("#"):
        return None
    match = _SET.match(line)
    if match is None or not _VALUE.fullmatch(match[2].strip()):
        raise FarwatchError(
            f"{path}:{number}: not a line of a Kconfig fragment: {line}",
            cause='a line is CONFIG_NAME=y, =m, =n, ="text", =123 or "# CONFIG_NAME is not set"',
        )
    return FragmentLine(match[1], match[2].strip(), path, number)


def merge(fragments: Iterable[Path]) -> dict[str, FragmentLine]:
    """All settings by symbol, in order; FarwatchError when two of them contradict each other."""
    merged: dict[str, FragmentLine] = {}
    for setting in (setting for path in fragments for setting in parse(path)):
        first = merged.setdefault(setting.symbol, setting)
        if first.value != setting.value:
            raise FarwatchError(
                f"two Kconfig fragments contradict each other about CONFIG_{setting.symbol}",
                cause=f"{first.file}:{first.line}: {first}\n{setting.file}:{setting.line}: {setting}",
                hint="change one of the two lines; fragments add to one another, none overrides another",
            )
    return merged


def with_wishes(
    settings: Mapping[str, FragmentLine], wishes: Iterable[FragmentLine]
) -> tuple[dict[str, FragmentLine], frozenset[str]]:
    """The settings with what is wished for besides, and the symbols that are there for a wish alone.

    A wish takes nothing away: an option that the settings have stays as it is, only one that they leave out
    gives way. Of two wishes the one for more counts. There are no modules: m means y.
    """
    wished: dict[str, FragmentLine] = {}
    for line in wishes:
        wish = replace(line, value="y") if line.value == "m" else line
        if wish.value != "n":
            wished.setdefault(wish.symbol, wish)
    granted = {
        symbol: wish
        for symbol, wish in wished.items()
        if symbol not in settings or settings[symbol].value == "n"
    }
    return {**settings, **granted}, frozenset(granted)


def render(settings: Mapping[str, FragmentLine]) -> str:
    """The settings as text, by symbol: the same settings always give the same bytes."""
    return "".join(f"{settings[symbol]}\n" for symbol in sorted(settings))


def common_fragments(tests: Path, engine_suffix: str, flavor: str) -> list[Path]:
    """What all kernels get, and what the project asks for: config, config for the engine, that of the flavor.

    `plain` may have no fragment, another flavor must.
    tests: kernel-tests/ of the project
    engine_suffix: "um" for config.um
    """
    known = flavors(tests)
    if flavor != "plain" and flavor not in known:
        raise FarwatchError(
            f"unknown flavor '{flavor}'",
            cause=f"known: {', '.join(dict.fromkeys(['plain', *sorted(known)]))}",
            hint=f"a flavor is a Kconfig fragment: {tests.name}/config.flavor.{flavor}",
        )
    names = ("config", f"config.{engine_suffix}")
    found = [folder / name for folder in fragment_folders(tests) for name in names]
    return [path for path in (*found, *known.get(flavor, ())) if path.exists()]


def is_everybodys(fragment: Path) -> bool:
    """Whether a fragment is farwatch's, and so every project's."""
    return fragment.is_relative_to(checkout_root() / TESTS)


def revision_fragments(revision: Revision, engine_suffix: str) -> list[Path]:
    """What a revision adds for itself: linux/config, linux/config.<engine>."""
    folder = revision.folder / "linux"
    return [path for path in (folder / "config", folder / f"config.{engine_suffix}") if path.exists()]


def read_config(text: str) -> dict[str, str]:
    """Symbol -> value of a whole .config; what is not set is left out."""
    matches = (_SET.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in matches if match is not None}


def not_stuck(
    settings: Mapping[str, FragmentLine], config: Mapping[str, str]
) -> list[tuple[FragmentLine, str]]:
    """The settings that the finished config does not have, each with the value it has instead."""
    pairs = ((setting, config.get(setting.symbol, "n")) for setting in settings.values())
    return [(setting, value) for setting, value in pairs if not _same(setting.value, value)]


def _same(wanted: str, value: str) -> bool:
    if wanted == value:
        return True
    try:
        return int(wanted, 0) == int(value, 0)
    except ValueError:
        return False


def check_stuck(
    settings: Mapping[str, FragmentLine], config: Path, tree: Path, arch: str, environ: Mapping[str, str]
) -> None:
    """FarwatchError, with the reasons, when the finished config is not what the fragments ask for.

    config:  the .config that olddefconfig left behind
    tree:    the kernel sources it was made from
    arch:    ARCH= of the build
    environ: further environment of the build (CC, LD), for Kconfig's own shell calls
    """
    missed = not_stuck(settings, read_config(config.read_text(encoding="utf-8")))
    if not missed:
        return
    from farwatch.builds.why import Explainer  # 6 s on a kernel: only when it is needed

    origins = {setting.symbol: setting.origin for setting in settings.values()}
    explainer = Explainer(tree, arch, config, origins=origins, environ=environ)
    reasons = [
        _reason(setting, value, explainer.explain(setting.symbol, setting.value)) for setting, value in missed
    ]
    raise BuildFailure(
        f"{len(missed)} option{'s' if len(missed) > 1 else ''} of the kernel config did not stick",
        cause="\n".join(reasons),
        hint="change the fragment as said above; `farwatch config REV --why SYMBOL` explains others",
    )


def _reason(setting: FragmentLine, value: str, why: str) -> str:
    indented = "\n".join(f"  {line}" for line in why.splitlines())
    return f"{setting.origin}: {setting} became {value}\n{indented}"
