# SPDX-License-Identifier: GPL-2.0-or-later
"""lint: what reviewers and their robots would say about a series, said before they see it.

Rules come in families, one module each (text, series, kernel, rust and compile rules); a family is a
function from a Review to Findings, rules that could not be looked at, and recipients. A finding counts unless
revision.toml waives its rule for its patch, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from farwatch.model import Revision, Waiver
from farwatch.review import compile_rules, kernel_rules, rust_rules, series_rules, text_rules
from farwatch.review.findings import (
    Finding,
    Instead,
    NotRun,
    Outcome,
    PatchRecipients,
    Review,
    ReviewedPatch,
    read_patches,
)

if TYPE_CHECKING:
    from farwatch.app import App

__all__ = ["Finding", "LintLine", "LintReport", "lint_revision"]

_Found = TypeVar("_Found", Finding, NotRun)
Family = Callable[[Review], Iterator[Outcome]]

QUICK: tuple[Family, ...] = (
    text_rules.check,
    series_rules.check,
    kernel_rules.check,
    rust_rules.check_format,
)
COMPILING: tuple[Family, ...] = (compile_rules.check, rust_rules.check_clippy)


@dataclass(frozen=True)
class LintLine:
    """One line of the table: a patch, or one of the texts around the series."""

    name: str
    size: str
    """ "+12 -3", or empty"""
    findings: tuple[Finding, ...]
    recipients: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """How many findings count."""
        return sum(not finding.waived for finding in self.findings)

    @property
    def waived(self) -> int:
        return len(self.findings) - self.wrong


@dataclass(frozen=True)
class LintReport:
    """What lint found."""

    revision: str
    lines: tuple[LintLine, ...]
    not_run: tuple[NotRun, ...]
    idle: tuple[Waiver, ...]
    """Waivers that nothing needs (of rules that were looked at)."""
    instead: tuple[str, ...] = ()
    """What is done with a series where the tree does not say who gets it."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong, apart from what is waived."""
        return not any(line.wrong for line in self.lines)

    @property
    def unseen(self) -> tuple[NotRun, ...]:
        """Rules that were not looked at, apart from what is waived."""
        return tuple(entry for entry in self.not_run if not entry.waived)


def lint_revision(
    app: App, revision: Revision, *, build: bool = True, linux: str | None = None
) -> LintReport:
    """Look at all rules; without `build` at those that need no compiler (seconds for ten patches).

    linux: name of a base to apply the linux series to, instead of the revision's own
    """
    review = _job(app, revision, linux)
    outcomes: list[Outcome] = []
    for family in (*QUICK, *(COMPILING if build else ())):
        outcomes += family(review)
    if not build and review.patches:
        outcomes.append(NotRun("W=1, sparse, clippy", "they need a compiler: run lint without --no-build"))
    return _report(review, outcomes)


def _job(app: App, revision: Revision, linux: str | None) -> Review:
    bases, patches = {}, list[ReviewedPatch]()
    for component in app.catalog.components():
        named = linux if component == "linux" else None
        base = app.catalog.base_of(revision, component, named)
        if revision.patches(component):
            patches += read_patches(app, revision, component, base)
        elif component != "linux":
            continue
        bases[component] = base
    return Review(app, revision, bases, tuple(patches), adopted(revision), previous(app, revision))


def adopted(revision: Revision) -> bool:
    """Whether a human has taken a series over (`farwatch adopt`)."""
    return revision.adoption is not None


def previous(app: App, revision: Revision) -> Revision | None:
    """The revision with patches that comes before it in the table."""
    found = None
    for other in app.catalog.revisions():
        if other.name == revision.name:
            return found
        if any(other.patches(component) for component in app.catalog.components()):
            found = other
    return None


def _report(review: Review, outcomes: Sequence[Outcome]) -> LintReport:
    findings = [_waived(review.revision, found) for found in outcomes if isinstance(found, Finding)]
    recipients = {found.patch: found.addresses for found in outcomes if isinstance(found, PatchRecipients)}
    names = [patch.name for patch in review.patches]
    sizes = {patch.name: f"+{patch.added} -{patch.removed}" for patch in review.patches}
    names += review.revision.texts()
    names = list(dict.fromkeys([*names, *(finding.patch for finding in findings)]))
    lines = (
        LintLine(
            name,
            sizes.get(name, ""),
            tuple(dict.fromkeys(finding for finding in findings if finding.patch == name)),
            recipients.get(name, ()),
        )
        for name in names
    )
    not_run = dict.fromkeys(
        _waived(review.revision, found) for found in outcomes if isinstance(found, NotRun)
    )
    idle = [waiver for waiver in review.revision.waivers if not _needed(waiver, [*findings, *not_run])]
    instead = tuple(found.text for found in outcomes if isinstance(found, Instead))
    return LintReport(review.revision.name, tuple(lines), tuple(not_run), tuple(idle), instead)


def _waived(revision: Revision, found: _Found) -> _Found:
    for waiver in revision.waivers:
        if waiver.covers(found.rule, _patch(found)):
            return replace(found, waived=waiver.reason)
    return found


def _needed(waiver: Waiver, found: Sequence[Finding | NotRun]) -> bool:
    return any(waiver.covers(entry.rule, _patch(entry)) for entry in found)


def _patch(found: Finding | NotRun) -> str:
    """A rule that was not looked at was so for all patches: a waiver of it has patches = ["*"]."""
    return found.patch if isinstance(found, Finding) else ""
