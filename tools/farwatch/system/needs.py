# SPDX-License-Identifier: GPL-2.0-or-later
"""What farwatch needs from the system: the list in tools/system-packages.txt, and what of it is there.

Standard library only: the launcher uses this before anything is installed.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.home import checkout_root

Version = tuple[int, ...]

_LINE = re.compile(
    r"(?P<kind>prog|header|file|python):(?P<name>[^\s>]+)(>=(?P<minimum>[\d.]+))?\s+(?P<packages>.+)"
)
_INCLUDE = ("/usr/include", "/usr/local/include")
_PROBE_SECONDS = 20


@dataclass(frozen=True)
class Need:
    """One line of the list."""

    kind: str
    """prog, header, file or python: how to see whether it is there."""
    name: str
    choices: tuple[tuple[str, ...], ...]
    """Sets of packages that bring it, best first."""
    why: str = ""
    minimum: Version = ()
    """Lowest version that will do; empty: any."""

    @property
    def label(self) -> str:
        """What a person calls it."""
        if self.kind == "header":
            return f"<{self.name}>"
        if self.kind == "python":
            return f"Python module {self.name}"
        return f"{self.name} >= {dotted(self.minimum)}" if self.minimum else self.name


@dataclass(frozen=True)
class Found:
    """What the probe of a need saw."""

    need: Need
    met: bool
    version: str = ""
    """As the program says it; empty if it was not asked or does not say."""
    where: str = ""


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def version_in(text: str) -> Version:
    """The first dotted number of a text, () if there is none: `cargo 1.85.0 (abc)` is (1, 85, 0)."""
    match = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def parse_needs(text: str, name: str) -> list[Need]:
    """Read the list `name`. Raises FarwatchError with the number of a line that cannot be read."""
    needs = []
    for number, raw in enumerate(text.splitlines(), 1):
        line, _, why = raw.partition("#")
        if line.strip():
            needs.append(_parse_line(line.strip(), why.strip(), f"{name}:{number}"))
    return needs


def _parse_line(line: str, why: str, where: str) -> Need:
    match = _LINE.fullmatch(line)
    if match is None:
        raise FarwatchError(
            f"{where}: cannot read '{line}'", hint="the head of the file says what a line looks like"
        )
    choices = tuple(tuple(choice.split()) for choice in match["packages"].split("|"))
    minimum = tuple(int(part) for part in (match["minimum"] or "").split(".") if part)
    return Need(match["kind"], match["name"], choices, why, minimum)


def load_needs(path: Path) -> list[Need]:
    return parse_needs(path.read_text(encoding="utf-8"), path.name)


def probe(need: Need, ask_version: bool = False) -> Found:
    """Look for one need; a program is run only if its version matters or is asked for."""
    if need.kind == "prog":
        return _probe_program(need, ask_version)
    where = {"header": _find_header, "file": _find_file, "python": _find_module}[need.kind](need.name)
    return Found(need, where is not None, where=where or "")


def missing(needs: list[Need]) -> list[Found]:
    """Those needs that are not met, with what is there instead."""
    return [found for found in map(probe, needs) if not found.met]


def _probe_program(need: Need, ask_version: bool) -> Found:
    where = shutil.which(need.name)
    if where is None:
        return Found(need, False)
    if not (need.minimum or ask_version):
        return Found(need, True, where=where)
    line = _version_line(where)
    version = version_in(line)
    return Found(need, version >= need.minimum, dotted(version) or line, where)


def _version_line(program: str) -> str:
    """The first line of `program --version` that has a version in it (perl's first is empty)."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((line for line in done.stdout.splitlines() if version_in(line)), "")


def _find_header(name: str) -> str | None:
    """In the usual folders, else where the compiler says: asking it costs 10 ms a header."""
    folders = [Path(folder) for folder in _INCLUDE]
    folders += Path("/usr/include").glob("*-linux-gnu*")
    near = next((folder / name for folder in folders if (folder / name).is_file()), None)
    return str(near) if near else _ask_compiler(name)


def _ask_compiler(name: str) -> str | None:
    if shutil.which("gcc") is None:
        return None
    done = subprocess.run(
        ["gcc", "-E", "-x", "c", "-include", name, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    return f"<{name}>" if done.returncode == 0 else None


def _find_file(name: str) -> str | None:
    return name if Path(name).exists() else None


def _find_module(name: str) -> str | None:
    spec = importlib.util.find_spec(name)
    return (spec.origin or name) if spec else None


_ALIASES = {"cc": "gcc", "crypto": "ssl"}
"""Names that a build has for a program, or a library, of another name."""


def package_of(name: str) -> str:
    """The Debian package that brings a program, or a library by its -l name; the name itself if unknown.

    As the lists in tools/ have it: "cargo-web or cargo".
    """
    known = _ALIASES.get(name, name)
    lists = sorted((checkout_root() / "tools").glob("system-packages*.txt"))
    for need in (need for path in lists for need in load_needs(path)):
        program = need.kind == "prog" and need.name == known
        if program or any(f"lib{known}-dev" in choice for choice in need.choices):
            return " or ".join(" ".join(choice) for choice in need.choices)
    return name
