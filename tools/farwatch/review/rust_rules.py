# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for Rust: rustfmt on the files that a patch touches, clippy on the crate; of both, what is new."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from farwatch.builds import complaints
from farwatch.errors import FarwatchError
from farwatch.review.findings import Finding, NotRun, Outcome, Review, ReviewedPatch, in_parallel
from farwatch.system import git
from farwatch.trees.trees import Source

_DIFF = re.compile(r"^Diff in (?P<file>.+?)(?: at line |:)(?P<line>\d+):$")
_LIMIT = 120.0
"""Seconds that rustfmt may take over one patch."""


def check_format(review: Review) -> Iterator[Outcome]:
    """rustfmt."""
    patches = [patch for patch in review.patches if _rust_files(patch)]
    if not patches:
        return
    if not shutil.which("rustfmt"):
        yield NotRun("rustfmt", "it is not installed")
        return

    def run(patch: ReviewedPatch) -> Iterator[Outcome]:
        before = Counter(text for _, text in _unformatted(review, patch.before, _rust_files(patch)))
        for where, text in _unformatted(review, patch.source, _rust_files(patch)):
            before[text] -= 1
            if before[text] < 0:
                yield Finding(
                    patch.name, "rustfmt", f"rustfmt would write it differently: {_first(text)}", where
                )

    yield from in_parallel(run, patches)


def check_clippy(review: Review) -> Iterator[Outcome]:
    """clippy, for each component that is a crate."""
    for component in dict.fromkeys(patch.component for patch in review.patches):
        patches = review.of(component)
        if review.content(patches[-1].source, "Cargo.toml") is None:
            continue
        if not shutil.which("cargo-clippy"):
            yield NotRun("clippy", "it is not installed")
            return
        before = _clippy(review, patches[0].before)
        for patch in patches:
            after = _clippy(review, patch.source)
            for complaint in complaints.new(before, after, patch.moved):
                rule = "compile" if complaint.error else "clippy"
                yield Finding(patch.name, rule, complaint.text, complaint.where)
            before = after


def _clippy(review: Review, source: Source) -> list[complaints.Complaint]:
    checked = review.app.builder.servers.clippy(review.subject.built_from(source), source.component)
    found = complaints.of_clippy(checked.log)
    if not checked.complete and not any(complaint.error for complaint in found):
        raise FarwatchError(
            f"clippy failed on {source.label}", cause="\n".join(checked.log.splitlines()[-10:])
        )
    return found


def _rust_files(patch: ReviewedPatch) -> list[str]:
    return [file for file in patch.files if file.endswith(".rs")]


def _unformatted(review: Review, source: Source, files: Sequence[str]) -> list[tuple[str, str]]:
    """(file:line, what rustfmt would change there) for some files of a source."""
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        folder = Path(name).resolve()
        archive = git.git("archive", source.commit, cwd=review.repository(source.component))
        git.unpack(archive, folder)
        present = [file for file in files if (folder / file).is_file()]
        if not present:
            return []
        words = ["rustfmt", "--check", "--color=never", *_edition(folder), "--", *present]
        return [
            (f"{file}:{line}", text)
            for file, line, text in _hunks(_rustfmt_says(words, folder), folder)
            if file in present
        ]


def _edition(folder: Path) -> list[str]:
    """rustfmt takes files one by one and does not see what Cargo.toml says."""
    try:
        package = tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8")).get("package", {})
    except (OSError, tomllib.TOMLDecodeError):
        return []
    edition = package.get("edition")
    return [f"--edition={edition}"] if isinstance(edition, str) else []


def _rustfmt_says(words: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FarwatchError(f"rustfmt came to no end within {_LIMIT:.0f} s") from error
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0 and not said.strip():
        return f"Diff in {words[-1]}:1:\n{done.stderr.decode('utf-8', 'replace').strip()}\n"
    return said


def _hunks(said: str, folder: Path) -> Iterator[tuple[str, int, str]]:
    """(file, line, lines of the difference) of each difference, once: a file may be reached by two ways."""
    seen: dict[tuple[str, int, str], None] = {}
    place: tuple[str, int] | None = None
    lines: list[str] = []
    for line in [*said.splitlines(), "Diff in end:0:"]:
        match = _DIFF.match(line)
        if match is None:
            lines.append(line)
            continue
        if place is not None:
            seen[(*place, "\n".join(line for line in lines if line[:1] in "+-"))] = None
        place, lines = (match["file"].removeprefix(f"{folder}/"), int(match["line"])), []
    yield from seen


def _first(text: str) -> str:
    return next(
        (line.strip() for line in text.splitlines() if line[:1] == "+"), text.partition("\n")[0].strip()
    )
