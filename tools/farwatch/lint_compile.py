# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that need a compiler for the kernel: gcc with W=1, and sparse; of a patch's files, what is new.

Each source file that a patch touches is compiled before and after it. A patch that touches headers only is
looked at through the source files that the rest of its series touches.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from farwatch import complaints
from farwatch.complaints import Complaint
from farwatch.lint_model import Finding, Job, NotRun, Outcome, Patch

ARCH = "um"
FLAVOR = "plain"


def check(job: Job) -> Iterator[Outcome]:
    """All rules of this family."""
    patches = job.of("linux")
    if not patches:
        return
    options = ["W=1"]
    if shutil.which("sparse"):
        options.append("C=2")
    else:
        yield NotRun("sparse", "it is not installed")
    before, broken = _said(job, patches[0].before, options, (), patches[0])
    for place, patch in enumerate(patches):
        following = patches[place + 1] if place + 1 < len(patches) else None
        after, now_broken = _said(job, patch.source, options, _looked_at(patch, patches), following)
        mine = set(_looked_at(patch, patches)) | {file for file in patch.files if file.endswith(".h")}
        for complaint in complaints.new(before, after):
            if complaint.file in mine or not complaint.file:
                yield Finding(patch.name, _rule(complaint), complaint.text, complaint.where)
        for file in sorted(now_broken - broken):
            yield Finding(patch.name, "compile", f"{file} does not compile", file)
        before, broken = after, now_broken
