# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that need a compiler for the kernel: gcc with W=1, and sparse; of a patch's files, what is new.

Each source file that a patch touches is compiled before and after it. A patch that touches headers only is
looked at through the source files that the rest of its series touches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from farwatch.builds import complaints
from farwatch.builds.complaints import Complaint
from farwatch.builds.sparse import Sparse
from farwatch.errors import BuildFailure, FarwatchError
from farwatch.review.findings import Finding, NotRun, Outcome, Review, ReviewedPatch
from farwatch.trees.trees import Source

_REFUSED = re.compile(r"C=\d specified, but .* is not available or not up to date")
_NO_RULE = re.compile(r"No rule to make target '(?P<file>[^']+)\.o'")


def check(review: Review) -> Iterator[Outcome]:
    """All rules of this family."""
    patches = review.of("linux")
    if not patches:
        return
    sparse: Sparse | None = None
    try:
        sparse = review.app.builder.sweeps.sparse(patches[0].before)
    except FarwatchError as error:
        yield NotRun("sparse", f"{error.what}: {error.cause.partition(chr(10))[0]}")
    units = [units_of(patch, patches) for patch in patches]
    before = _said(review, patches[0].before, units[0], sparse)
    if _REFUSED.search(before):
        yield NotRun("sparse", "kbuild does not take it")
    for place, patch in enumerate(patches):
        following = units[place + 1] if place + 1 < len(units) else set()
        try:
            after = _said(review, patch.source, units[place] | following, sparse)
        except BuildFailure as failure:
            yield Finding(patch.name, "compile", f"{failure.what}: {failure.cause.partition(chr(10))[0]}")
            continue
        yield from _new(review, patch, units[place], before, after)
        before = after


def units_of(patch: ReviewedPatch, patches: Sequence[ReviewedPatch]) -> set[str]:
    """The source files to compile for a patch."""
    sources = {file for file in patch.files if file.endswith(".c") and not is_tool(file)}
    if not sources and any(file.endswith(".h") for file in patch.files):
        sources = {file for other in patches for file in other.files if file.endswith(".c")}
    return {file for file in sources if not is_tool(file)}


def is_tool(file: str) -> bool:
    """Programs that are no part of the kernel."""
    return file.startswith(("Documentation/", "tools/", "scripts/", "samples/", "usr/"))


def _said(review: Review, source: Source, units: set[str], sparse: Sparse | None) -> str:
    """The log of make over some files of a source."""
    subject = review.subject.built_from(source)
    return review.app.builder.kernels.complaints(subject, sorted(units), ("W=1",), sparse).log


def _new(review: Review, patch: ReviewedPatch, units: set[str], before: str, after: str) -> Iterator[Outcome]:
    where = f"the {review.subject.engine.arch} {review.subject.flavor} kernel"
    mine = units | {file for file in patch.files if file.endswith(".h")}
    for complaint in complaints.new(complaints.of_make(before), complaints.of_make(after), patch.moved):
        if complaint.file in mine:
            yield Finding(patch.name, _rule(complaint), complaint.text, complaint.where)
    for match in _NO_RULE.finditer(after):
        if f"{match['file']}.c" in units:
            yield NotRun("W=1, sparse", f"{match['file']}.c is no part of {where}")


def _rule(complaint: Complaint) -> str:
    """gcc names the option of each of its warnings; sparse has none."""
    if complaint.error:
        return "compile"
    option = re.search(r"\[-W([\w-]+)[^\]]*\]$", complaint.text)
    return f"W=1:{option[1]}" if option else "sparse"
