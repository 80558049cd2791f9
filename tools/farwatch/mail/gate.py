# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to hold before a revision is really mailed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.record import read_sent
from farwatch.model import Adoption, Revision
from farwatch.revisions.identity import parse
from farwatch.revisions.parts import Part, parts_of
from farwatch.series.reword import require_saved
from farwatch.system import git

if TYPE_CHECKING:
    from farwatch.app import App


def require_unsent(revision: Revision, parts: Sequence[Part]) -> None:
    """FarwatchError if all mails of a series went out already: a revision is mailed once."""
    recorded = read_sent(revision)
    for part in parts:
        found = recorded.get(part.label)
        if found is not None and found.complete:
            when = max(letter.sent for letter in found.letters)
            raise FarwatchError(
                f"{revision.name} {part.label} was sent already, at {when}",
                cause=f"Message-ID: <{found.head}>",
                hint="mail what has changed since as a new revision: "
                f"farwatch new NAME --from {revision.name}",
            )


def require_in_order(revision: Revision, parts: Sequence[Part]) -> None:
    """FarwatchError if a series would go out before one that it stands on: it could not name that."""
    recorded = read_sent(revision)
    labels = [part.label for part in parts]
    for part in parts:
        for below in parts_of(revision, part.component):
            sent = below.label in recorded and recorded[below.label].complete
            if below.start < part.start and not sent and below.label not in labels:
                raise FarwatchError(
                    f"{part.label} stands on {below.label}, which has not been sent",
                    hint=f"farwatch send {revision.name} {below.label} --really",
                )


def require_fit(app: App, revision: Revision, components: Sequence[str]) -> None:
    """FarwatchError unless the series is adopted, saved, clean, and does what it says."""
    adoption = _require_adopted(revision)
    for component in components:
        _require_signed(app, revision, component, adoption)
    require_saved(app, revision, components)
    _require_expected(app, revision)
    _require_clean(app, revision)


def _require_adopted(revision: Revision) -> Adoption:
    if revision.adoption is None:
        raise FarwatchError(
            f"{revision.name} has not been adopted",
            cause="nobody stands behind it yet: a person has to become its author and sign it off",
            hint=f"farwatch adopt {revision.name}",
        )
    return revision.adoption


def _require_signed(app: App, revision: Revision, component: str, adoption: Adoption) -> None:
    """Every patch has a person as author, and the sign-off of the one who adopted the series."""
    base = app.catalog.base_of(revision, component)
    adopter = parse(adoption.by)
    commits = app.trees.commits(revision, component, base)
    form = "--format=%an <%ae>%x00%(trailers:key=Signed-off-by,valueonly,separator=%x01)"
    for path, commit in zip(revision.patches(component), commits, strict=True):
        author, signers = git.line("log", "-1", form, commit, cwd=app.trees.repository(component)).split("\0")
        signed = adopter.email in (parse(signer).email for signer in signers.split("\x01"))
        if parse(author).neutral or not signed:
            lack = f"its author is {author}" if parse(author).neutral else f"{adopter} has not signed it off"
            raise FarwatchError(f"{path} is not adopted", cause=lack, hint=f"farwatch adopt {revision.name}")


def _require_expected(app: App, revision: Revision) -> None:
    """No stored cell of the revision surprises."""
    from farwatch.results.store import Results
    from farwatch.results.table import build_table

    with Results.open(app.home.results) as results:
        columns = [column for column in results.columns() if column.revision == revision.name]
        stored = results.latest(columns) if columns else []
    if not stored:
        app.reporter.say(f"no results of {revision.name} are stored here: nothing shows that it works")
        return
    surprises = build_table(stored, [revision], columns, whole=False).surprises
    if surprises:
        cells = [f"{cell.name}: {cell.word}, {cell.expected}" for cell in surprises]
        more = [f"and {len(cells) - 5} more"] if len(cells) > 5 else []
        raise FarwatchError(
            f"{revision.name} does not do what it says: "
            f"{len(cells)} surprising cell{'s' if len(cells) > 1 else ''}",
            cause="\n".join([*cells[:5], *more]),
            hint=f"farwatch verify {revision.name}",
        )


def _require_clean(app: App, revision: Revision) -> None:
    from farwatch.review.lint import lint_revision

    app.reporter.say(f"lint {revision.name}")
    report = lint_revision(app, revision)
    if not report.ok:
        hint = f"farwatch lint {revision.name}"
        raise FarwatchError(f"{revision.name} is not clean", cause="lint found something wrong", hint=hint)
    if report.unseen:
        raise FarwatchError(
            f"nothing shows that {revision.name} is clean",
            cause="\n".join(f"lint did not look at {entry.rule}: {entry.reason}" for entry in report.unseen),
            hint="install what is missing, or waive the rule in revision.toml with a reason",
        )
