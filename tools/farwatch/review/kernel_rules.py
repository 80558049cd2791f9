# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that the kernel's own scripts know: checkpatch, get_maintainer, kernel-doc; and spelling.

The scripts are those of the base. They run in a folder with what they read of its tree, so that
neither a build nor another lint has to wait for them.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from farwatch.builds import complaints
from farwatch.review import maintainers
from farwatch.review.findings import (
    Finding,
    Instead,
    NotRun,
    Outcome,
    PatchRecipients,
    Review,
    ReviewedPatch,
    in_parallel,
)
from farwatch.review.scripts import checkpatch_says, remembered, run_script, tools_of
from farwatch.system import git
from farwatch.trees.trees import Source

_TERSE = re.compile(r"^(?P<file>.+?):(?P<line>\d+): (?:ERROR|WARNING|CHECK):(?P<type>\w+): (?P<text>.*)$")
_IGNORED = (
    "UNKNOWN_COMMIT_ID",  # the base is a release without its history
    "GERRIT_CHANGE_ID",
)


def check(review: Review) -> Iterator[Outcome]:
    """All rules of this family."""
    if "linux" not in review.bases:
        yield NotRun(
            "checkpatch, get_maintainer, kernel-doc", "no base of linux is known: they are its scripts"
        )
        return
    tools = tools_of(review.app.home, review.app.trees, review.bases["linux"])
    patches = review.of("linux")
    if patches:
        yield from _checkpatch(review, tools, patches)
        yield from _kernel_doc(review, tools, patches)
    yield from _maintainers(review)
    yield from _spelling(review, tools)


# -- checkpatch


def _checkpatch(review: Review, tools: Path, patches: Sequence[ReviewedPatch]) -> Iterator[Outcome]:
    if not (tools / "scripts" / "checkpatch.pl").exists():
        yield NotRun("checkpatch", "the base has no scripts/checkpatch.pl")
        return
    options = ["--strict", f"--ignore={','.join(_IGNORED)}"]
    options += [] if review.adopted else ["--no-signoff"]

    def run(patch: ReviewedPatch) -> Iterator[Outcome]:
        said = remembered(
            review.app.home,
            (tools.name, *options, patch.path.read_bytes()),
            lambda: checkpatch_says(tools, str(patch.path), options),
        )
        lines = _patched_lines(patch.path)
        for match in filter(None, map(_TERSE.match, said.splitlines())):
            where = lines.get(int(match["line"]), "")
            yield Finding(patch.name, f"checkpatch:{match['type']}", match["text"], where)

    yield from in_parallel(run, patches)


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


def _maintainers(review: Review) -> Iterator[Outcome]:
    """Who gets each patch, as `send` has it."""
    for component, base in review.bases.items():
        patches = review.of(component)
        if not patches:
            continue
        tip, paths = patches[-1].source, [patch.path for patch in patches]
        answer = maintainers.ask(review.app, base, tip, paths)
        if answer is None and component == "linux":
            yield NotRun("get_maintainer", "the base has no scripts/get_maintainer.pl")
        for patch in patches:
            named = [found.who for found in answer[patch.path]] if answer else []
            if answer and not named:
                yield Finding(patch.name, "get_maintainer", "nobody would get it")
            posting = review.posting_of(patch)
            yield PatchRecipients(patch.name, (*named, *posting.to, *posting.cc))
        if answer is None and component != "linux" and not all(review.posting_of(one).to for one in patches):
            yield Instead(component, maintainers.instead(review.revision.name, component))


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
            for found in complaints.of_kernel_doc(run_script(words, folder, "", "kernel-doc", range(256))):
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
    said = run_script(["codespell", "-"], Path.cwd(), text, f"codespell on {name}", range(256))
    for line in said.splitlines():
        if match := re.match(r"^\s+(\S+) ==> (.+)$", line):
            yield Finding(name, "spelling", f"'{match[1]}' may be misspelled - perhaps '{match[2]}'?")


def _checkpatch_spelling(tools: Path, name: str, text: str) -> Iterator[Outcome]:
    """As the text of a mail without a change."""
    mail = f"From: x <x@localhost>\nSubject: x\n\n{text}\n---\n"
    options = ["--no-tree", "--no-signoff", "--types=TYPO_SPELLING"]
    said = checkpatch_says(tools, "-", options, stdin=mail)
    for match in filter(None, map(_TERSE.match, said.splitlines())):
        yield Finding(name, "spelling", match["text"], "")
