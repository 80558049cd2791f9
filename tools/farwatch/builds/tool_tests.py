# SPDX-License-Identifier: GPL-2.0-or-later
"""What a Kconfig file asks of the machine's tools: $(success,...) and its kin.

Kconfig runs these commands while it reads the files and keeps y or n, so that
afterwards nothing says what was missing. Here they are run once more, for one
option, and what they print is kept (scripts/Kconfig.include has the macros;
Documentation/kbuild/kconfig-macro-language.rst).
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 30
_SAID = 4
"""Lines of a command's own words that are kept."""

_NEXT = re.compile(r"(?:menu)?config\s|choice\b|end(?:if|menu|choice)\b|menu\s|if\s|source\s|comment\s")
_ASKS = re.compile(r"\s*(?:def_bool|def_tristate|default|depends\s+on|bool|tristate)\b.*?(\$\(.*)")
_MACRO = re.compile(r"\$\((success|failure|[a-z]+-option(?:-bit)?|as-instr\d*|ld-option|[\w-]+),")


@dataclass(frozen=True)
class ToolTest:
    """A test that failed."""

    text: str
    """As the Kconfig file has it."""
    says: tuple[str, ...] = ()
    """What the command printed; empty where only its exit code says anything."""


def failing_tests(tree: Path, filename: str, line: int, variables: Mapping[str, str]) -> list[ToolTest]:
    """The tests of tools in the definition that begins there; a $(success,...) that passes is none."""
    found = []
    for text in _calls(tree / filename, line):
        command = _command(text)
        if command is None:
            found.append(ToolTest(text))
        elif (said := _run(command, variables)) is not None:
            found.append(ToolTest(text, said))
    return found


def _calls(path: Path, line: int) -> list[str]:
    """Macro calls in the definition's lines."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[line:]
    except OSError:
        return []
    calls = []
    for text in lines:
        if _NEXT.match(text) or text.strip() in ("help", "---help---"):
            break
        if (asks := _ASKS.match(text)) and (macro := _MACRO.search(asks[1])):
            calls.append(_balanced(asks[1][macro.start() :]))
    return calls


def _balanced(text: str) -> str:
    """ "$(a,$(b))" of "$(a,$(b)) if c"."""
    depth = 0
    for at, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == ")" and depth == 0:
            return text[: at + 1]
    return text


def _command(text: str) -> str | None:
    """The shell command of $(success,COMMAND); None for other macros, and where it calls one itself."""
    if not text.startswith("$(success,"):
        return None
    command = re.sub(r"\$\((\w+)\)", r"${\1}", text.removeprefix("$(success,")[:-1])
    return None if "$(" in command else command


def _run(command: str, variables: Mapping[str, str]) -> tuple[str, ...] | None:
    """What it prints if it fails; None if it passes."""
    with environment(variables):
        try:
            ran = subprocess.run(
                ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return (f"nothing within {_SECONDS} s",)
    if ran.returncode == 0:
        return None
    lines = [line.strip(" *") for line in (ran.stderr + ran.stdout).splitlines()]
    return tuple(line for line in lines if line)[:_SAID]


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Run with further variables, in an empty folder: Kconfig's compiler tests write to where they are."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="farwatch-kconfig-") as folder, contextlib.chdir(folder):
        os.environ.update(variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
