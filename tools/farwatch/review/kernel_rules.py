# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that the kernel's own scripts know: checkpatch, get_maintainer, kernel-doc; and spelling.

The scripts are those of the base. They run in a folder with what they read of its tree, so that
neither a build nor another lint has to wait for them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from farwatch.builds import complaints, store
from farwatch.errors import FarwatchError
from farwatch.model import Base, hash_of
from farwatch.review import maintainers
from farwatch.review.findings import (
    Finding,
    NotRun,
    Outcome,
    PatchRecipients,
    Review,
    ReviewedPatch,
    in_parallel,
)
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked
from farwatch.system.tools import missing_tool
from farwatch.trees.trees import Source, Trees

_RECIPE_VERSION = "1"
_NEEDED = (
    *("scripts", "include", "tools/docs", "tools/lib/python", "LICENSES"),
    *("MAINTAINERS", "COPYING", "CREDITS", "Kbuild", "Makefile", "README"),
)
_LIMIT = 120.0
"""Seconds that one script may take over one patch."""
_TERSE = re.compile(r"^(?P<file>.+?):(?P<line>\d+): (?:ERROR|WARNING|CHECK):(?P<type>\w+): (?P<text>.*)$")
_IGNORED = (
    "UNKNOWN_COMMIT_ID",  # the base is a release without its history
    "GERRIT_CHANGE_ID",
)
_CAMEL = "--- a/x.c\n+++ b/x.c\n@@ -0,0 +1 @@\n+int camelCase;\n"


def check(review: Review) -> Iterator[Outcome]:
    """All rules of this family."""
    if "linux" not in review.bases:
        yield NotRun(
            "checkpatch, get_maintainer, kernel-doc", "no base of linux is known: they are its scripts"
        )
        return
    tools = kernel_tools(review.app.home, review.app.trees, review.bases["linux"])
    patches = review.of("linux")
    if patches:
        yield from _checkpatch(review, tools, patches)
        yield from _maintainers(review, tools, patches)
        yield from _kernel_doc(review, tools, patches)
    yield from _spelling(review, tools)


def kernel_tools(home: Home, trees: Trees, base: Base) -> Path:
    """A folder with what the scripts of a base need of it; made once (seconds)."""
    commit = trees.base_commit(base)
    key = hash_of("kernel-tools", _RECIPE_VERSION, commit)
    if kept := store.find(home, "kernel-tools", key):
        return kept.folder
    with locked(home.builds / f".kernel-tools-{key}.lock"):
        if store.find(home, "kernel-tools", key) is None:
            trees.say(f"unpacking the scripts of {base.label}")
            with store.fresh(home, "kernel-tools", key, {"label": f"scripts of {base.label}"}) as folder:
                _unpack(trees.repository(base.component), commit, folder)
    return store.folder_of(home, "kernel-tools", key)


def _unpack(repository: Path, commit: str, folder: Path) -> None:
    """What is read, and of the rest the folders: MAINTAINERS tells them from files by what is there."""
    listed = git.git("ls-tree", "-r", "-d", "-z", "--name-only", commit, cwd=repository)
    for name in filter(None, os.fsdecode(listed).split("\0")):
        (folder / name).mkdir(parents=True, exist_ok=True)
    known = git.git("ls-tree", "-z", "--name-only", commit, "--", *_NEEDED, cwd=repository)
    names = [name for name in os.fsdecode(known).split("\0") if name]
    archive = git.git("archive", commit, "--", *names, cwd=repository)
    git.unpack(archive, folder)
    if (folder / "scripts" / "checkpatch.pl").exists():
        _checkpatch_says(folder, "-", ["--no-signoff"], stdin=_CAMEL)  # has it list the names in include/


# -- checkpatch


def _checkpatch(review: Review, tools: Path, patches: Sequence[ReviewedPatch]) -> Iterator[Outcome]:
    if not (tools / "scripts" / "checkpatch.pl").exists():
        yield NotRun("checkpatch", "the base has no scripts/checkpatch.pl")
        return
    options = ["--strict", f"--ignore={','.join(_IGNORED)}"]
    options += [] if review.adopted else ["--no-signoff"]

    def run(patch: ReviewedPatch) -> Iterator[Outcome]:
        said = _remembered(
            review,
            (tools.name, *options, patch.path.read_bytes()),
            lambda: _checkpatch_says(tools, str(patch.path), options),
        )
        lines = _patched_lines(patch.path)
        for match in filter(None, map(_TERSE.match, said.splitlines())):
            where = lines.get(int(match["line"]), "")
            yield Finding(patch.name, f"checkpatch:{match['type']}", match["text"], where)

    yield from in_parallel(run, patches)


def _checkpatch_says(tools: Path, file: str, options: Sequence[str], stdin: str = "") -> str:
    words = ["--terse", "--show-types", "--no-summary", "--color=never", *options, file]
    return _script(["perl", "scripts/checkpatch.pl", *words], tools, stdin, f"checkpatch on {file}", (0, 1))


def _patched_lines(path: Path) -> dict[int, str]:
    """Line of a patch file -> "file:line" after the patch, for lines that are added or stay."""
    found, file, after, inside = {}, "", 0, False
    for number, line in enumerate(path.read_text("utf-8", "replace").split("\n"), start=1):
        if line.startswith("diff --git "):
            inside = False
        elif line.startswith("+++ ") and not inside:
            file = line[4:].split("\t")[0].partition("/")[2]
        elif match := re.match(r"@@ -\d+(?:,\d+)? \+(\d+)", line):
            after, inside = int(match[1]), True
        elif inside and line[:1] in ("+", " "):
            found[number] = f"{file}:{after}"
            after += 1
    return found


# -- get_maintainer


def _maintainers(review: Review, tools: Path, patches: Sequence[ReviewedPatch]) -> Iterator[Outcome]:
    script = tools / maintainers.SCRIPT
    if not script.exists():
        yield NotRun("get_maintainer", "the base has no scripts/get_maintainer.pl")
        return
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        current = Path(name) / "MAINTAINERS"
        content = review.content(patches[-1].source, "MAINTAINERS") or b""
        current.write_bytes(content)
        options = maintainers.script_options(script)

        def run(patch: ReviewedPatch) -> Iterator[Outcome]:
            words = ["perl", str(script), *options, f"--mpath={current}", str(patch.path)]
            said = _remembered(
                review,
                (tools.name, *options, content, patch.path.read_bytes()),
                lambda: _script(words, tools, "", f"get_maintainer on {patch.path.name}", (0,)),
            )
            addresses = tuple(found.who for found in maintainers.read_answer(said))
            yield PatchRecipients(patch.name, addresses)
            if not addresses:
                yield Finding(patch.name, "get_maintainer", "nobody would get it")

        yield from in_parallel(run, patches)


# -- kernel-doc


def _kernel_doc(review: Review, tools: Path, patches: Sequence[ReviewedPatch]) -> Iterator[Outcome]:
    """What is new of the complaints about the files that a patch touches; one run of the script for all."""
    script = tools / "scripts" / "kernel-doc"
    if not script.exists():
        yield NotRun("kernel-doc", "the base has no scripts/kernel-doc")
        return
    after = _documented(review, script, [(patch.source, patch) for patch in patches])
    suspects = [patch for patch in patches if after[patch.name]]
    before = _documented(review, script, [(patch.before, patch) for patch in suspects])
    for patch in suspects:
        for complaint in complaints.new(before[patch.name], after[patch.name], patch.moved):
            yield Finding(patch.name, "kernel-doc", complaint.text, complaint.where)


def _documented(
    review: Review, script: Path, wanted: Sequence[tuple[Source, ReviewedPatch]]
) -> dict[str, list[complaints.Complaint]]:
    """By name of patch, what kernel-doc says about the files of it as a source has them."""
    said = {patch.name: list[complaints.Complaint]() for _, patch in wanted}
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        folder = Path(name)
        files = []
        for number, (source, patch) in enumerate(wanted):
            files += _put_files(review, source, patch, folder, str(number))
        if files:
            first = script.read_bytes().partition(b"\n")[0]
            interpreter = "perl" if b"perl" in first else sys.executable
            words = [interpreter, str(script.resolve()), "-none", "-Wall", *files]
            for found in complaints.of_kernel_doc(_script(words, folder, "", "kernel-doc", range(256))):
                number_text, _, file = found.file.partition("/")
                patch = wanted[int(number_text)][1]
                said[patch.name].append(replace(found, file=file))
    return said


def _put_files(review: Review, source: Source, patch: ReviewedPatch, folder: Path, below: str) -> list[str]:
    """Write the documented files of a patch to folder/below/...; their names from `folder` on."""
    names = []
    for file in patch.files:
        content = review.content(source, file) if file.endswith((".c", ".h")) else None
        if content is not None and b"/**" in content:
            path = folder / below / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            names.append(f"{below}/{file}")
    return names


# -- spelling


def _spelling(review: Review, tools: Path) -> Iterator[Outcome]:
    """codespell where it is installed; else checkpatch, which has looked at the kernel's patches already."""
    have_codespell = shutil.which("codespell") is not None
    texts = {
        patch.name: _words(review, patch)
        for patch in review.patches
        if have_codespell or patch.component != "linux"
    }
    for name in review.revision.texts():
        texts[name] = (review.revision.folder / name).read_text(encoding="utf-8", errors="replace")
    if have_codespell:
        for name, text in texts.items():
            yield from _codespell(name, text)
    elif (tools / "scripts" / "spelling.txt").exists():
        for name, text in texts.items():
            yield from _checkpatch_spelling(tools, name, text)
    else:
        yield NotRun("spelling", "neither codespell nor scripts/spelling.txt of the base is there")


def _words(review: Review, patch: ReviewedPatch) -> str:
    """The message and the lines that a patch adds."""
    options = ("-r", "-p", "--unified=0", patch.before.tree, patch.source.tree)
    diff = git.git("diff-tree", *options, cwd=review.repository(patch.component)).decode("utf-8", "replace")
    added = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    return "\n".join([patch.message, *added]) + "\n"


def _codespell(name: str, text: str) -> Iterator[Outcome]:
    said = _script(["codespell", "-"], Path.cwd(), text, f"codespell on {name}", range(256))
    for line in said.splitlines():
        if match := re.match(r"^\s+(\S+) ==> (.+)$", line):
            yield Finding(name, "spelling", f"'{match[1]}' may be misspelled - perhaps '{match[2]}'?")


def _checkpatch_spelling(tools: Path, name: str, text: str) -> Iterator[Outcome]:
    """As the text of a mail without a change."""
    mail = f"From: x <x@localhost>\nSubject: x\n\n{text}\n---\n"
    options = ["--no-tree", "--no-signoff", "--types=TYPO_SPELLING"]
    said = _checkpatch_says(tools, "-", options, stdin=mail)
    for match in filter(None, map(_TERSE.match, said.splitlines())):
        yield Finding(name, "spelling", match["text"], "")


def _remembered(review: Review, about: Sequence[str | bytes], ask: Callable[[], str]) -> str:
    """What a script says about this content; asked once."""
    key = hash_of("script", *about)
    kept = store.find(review.app.home, "script", key)
    if kept is not None:
        return str(kept.record["said"])
    said = ask()
    with store.fresh(review.app.home, "script", key, {"said": said}):
        pass
    return said


def _script(words: Sequence[str], cwd: Path, stdin: str, what: str, good: Sequence[int]) -> str:
    """What a script prints, on both of its streams."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    # a person's .checkpatch.conf or .get_maintainer.conf would make the result theirs alone
    env |= {"HOME": str(cwd), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=stdin.encode("utf-8", "surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT,
            check=False,
        )
    except FileNotFoundError as error:
        raise missing_tool(words[0]) from error
    except subprocess.TimeoutExpired as error:
        raise FarwatchError(f"{what} came to no end within {_LIMIT:.0f} s") from error
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode not in good:
        raise FarwatchError(f"{what} failed (status {done.returncode})", cause=said[-2000:].strip())
    return said
