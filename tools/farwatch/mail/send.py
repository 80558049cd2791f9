# SPDX-License-Identifier: GPL-2.0-or-later
"""send: a revision as mails. Nothing goes out that has not been proven to arrive as it was written.

Each series (a component's patches, or a run of them: revisions/parts.py) is a thread of its own; the threads
name each other.
"""

from __future__ import annotations

import datetime
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.branch import make_branch
from farwatch.mail.delivery import Door, Undelivered, personal_door, signed
from farwatch.mail.gate import require_fit, require_in_order, require_unsent
from farwatch.mail.letters import Draft, Earlier, Letter, Recipients, finished, own_recipients, write_letters
from farwatch.mail.proof import Proof, prove
from farwatch.mail.record import SentLetter, SentSeries, read_sent, write_sent
from farwatch.mail.scratch import Scratch, personal_settings, scratch
from farwatch.mail.standing import base_note, changes, notes, prerequisites, stand_in
from farwatch.model import Base, Revision
from farwatch.review import maintainers
from farwatch.revisions.identity import NEUTRAL, Identity, person, require_person
from farwatch.revisions.parts import Part, all_parts, parts_of, read_cover
from farwatch.system import git
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.app import App

_VERSION = re.compile(r"(\d+)$")


class Mode(StrEnum):
    """What is done with the mails once they are proven."""

    DRY_RUN = "dry run"
    REFLECT = "reflect"
    REALLY = "really"


@dataclass(frozen=True)
class Sending:
    """What `send` was asked for."""

    revision: Revision
    parts: tuple[Part, ...]
    mode: Mode
    folder: Path
    to: tuple[str, ...] = ()
    """These and nobody else, but for `cc`."""
    cc: tuple[str, ...] = ()
    same_thread: bool = False


@dataclass(frozen=True)
class Parcel:
    """A series, ready to go."""

    part: Part
    base: Base
    below: str
    """Commit that the series is on: that of the base, or the tip of the series before it."""
    commits: tuple[str, ...]
    draft: Draft
    letters: tuple[Letter, ...]

    @property
    def label(self) -> str:
        return self.part.label

    @property
    def head(self) -> str:
        return self.letters[0].message_id


Ask = Callable[[str], str]


def send(app: App, wish: Sending, ask: Ask) -> None:
    """Make the mails, prove them, and do with them what the wish says.

    ask: puts a question to a person; called before anything really goes out
    FarwatchError when something forbids it. What went out before a failure is in the record.
    """
    revision = wish.revision
    lock, say = app.home.own / f"send-{revision.name}.lock", app.reporter.say
    with locked(lock, lambda who: say(f"waiting for {who}, which sends {revision.name}")):
        if wish.mode is Mode.REALLY:
            require_unsent(revision, wish.parts)
            require_in_order(revision, wish.parts)
            require_fit(app, revision, list(dict.fromkeys(part.component for part in wish.parts)))
        sender = person(app.root) or NEUTRAL if wish.mode is Mode.DRY_RUN else require_person(app.root)
        parcels = [make_parcel(app, wish, sender, part) for part in wish.parts]
        parcels = [_closed(app, wish, parcel, parcels) for parcel in parcels]
        for parcel, proof in zip(parcels, _proven(app, wish, parcels), strict=True):
            _put(parcel, wish.folder / parcel.label)
            print(_shown(wish, parcel, proof))
        if wish.mode is Mode.REFLECT:
            _reflect(app, parcels, sender)
        elif wish.mode is Mode.REALLY:
            _mail(app, wish, parcels, ask)


def prepare_branch(app: App, revision: Revision, component: str, folder: Path, clone: Path | None) -> None:
    """A branch to push instead of mails, with all patches of a component; nothing leaves this machine."""
    base = app.catalog.base_of(revision, component)
    text = "\n\n".join(_described(app, revision, part, base) for part in parts_of(revision, component))
    made = make_branch(app, revision, component, text + "\n", folder / f"{component}-branch", clone)
    patches = "1 commit" if made.count == 1 else f"{made.count} commits"
    print(f"{revision.name} {component}: branch {made.name} in {made.place}: {patches} on {made.base}")
    print(f"  its description: git -C {made.place} config branch.{made.name}.description")
    if clone is None:
        print(f"  on the project's own commit: farwatch send {revision.name} {component} --branch CLONE")
    if revision.adoption is None:
        print(f"  before you push it: farwatch adopt {revision.name}")
    else:
        print(f"  next: git -C {made.place} push REMOTE {made.name}, and a merge request")


def _described(app: App, revision: Revision, part: Part, base: Base) -> str:
    """What a cover letter says, where there are no mails."""
    subject, body = read_cover(revision, part)
    below = [note.removeprefix("---\n") for note in _notes(app, revision, part, base)]
    text = "\n\n".join(entry for entry in (subject, body, *below) if entry)
    for other, record in read_sent(revision).items():
        text = text.replace(stand_in(other), record.head)
    for other_part in all_parts(revision, app.catalog.components()):
        text = text.replace(f"Message-ID: <{stand_in(other_part.label)}>", "(not posted yet)")
    return text


def _notes(app: App, revision: Revision, part: Part, base: Base) -> Iterator[str]:
    """What stands below a cover letter's text."""
    yield f"---\n{base_note(base)}"
    yield from notes(revision, part, all_parts(revision, app.catalog.components()))
    yield from changes(revision, _version(revision), _history(app, revision, part))


# The mails


def make_parcel(app: App, wish: Sending, sender: Identity, part: Part) -> Parcel:
    """The mails of one series, as b4 makes them."""
    revision = wish.revision
    base = app.catalog.base_of(revision, part.component)
    stack = (app.trees.base_commit(base), *app.trees.commits(revision, part.component, base))
    below, tip = stack[part.start], stack[part.end]
    repository = app.trees.repository(part.component)
    settings = [*personal_settings(app.root), ("user.name", sender.name), ("user.email", sender.email)]
    with scratch(repository, below, tip, settings) as repo:
        draft = _draft(app, wish, sender, part, repo)
        draft = replace(draft, base=stack[0], prerequisites=prerequisites(repository, stack[0], below))
        letters = write_letters(repo, draft, repo.path / ".git" / "mails")
    return Parcel(part, base, below, stack[part.start + 1 : part.end + 1], draft, tuple(letters))


def _draft(app: App, wish: Sending, sender: Identity, part: Part, repo: Scratch) -> Draft:
    revision = wish.revision
    base = app.catalog.base_of(revision, part.component)
    version = _version(revision)
    subject, body = read_cover(revision, part)
    history = _history(app, revision, part)
    return Draft(
        subject=subject,
        body="\n\n".join(entry for entry in (body, *_notes(app, revision, part, base)) if entry),
        version=version,
        change_id=_change_id(app, revision, part) or _new_change_id(subject, part),
        sender=sender,
        recipients=_recipients(app, wish, part, repo),
        trailers_too=not wish.to,
        prefixes=part.posting.prefixes,
        earlier=_earlier(app, revision, part, version),
        history={record.version: record.head for record in history},
        same_thread=wish.same_thread,
    )


def _recipients(app: App, wish: Sending, part: Part, repo: Scratch) -> Recipients:
    if wish.to:
        return Recipients(wish.to, wish.cc)
    base = app.catalog.base_of(wish.revision, part.component)
    found = own_recipients(repo) or _maintainers(app, wish.revision, part, base)
    special = part.posting
    return Recipients((*found.to, *special.to), (*found.cc, *special.cc, *wish.cc))


def _maintainers(app: App, revision: Revision, part: Part, base: Base) -> Recipients:
    """Whom the tree names for the series, as lint says. As b4 has it, people are To and lists are Cc."""
    tip = app.trees.tip(revision, base.component, base)
    answer = maintainers.ask(app, base, tip, part.patches) or {}
    found = list(dict.fromkeys(one for some in answer.values() for one in some))
    people = tuple(one.who for one in found if not one.is_list)
    return Recipients(people, tuple(one.who for one in found if one.is_list))


def _version(revision: Revision) -> int:
    found = _VERSION.search(revision.name)
    return max(1, int(found[1])) if found else 1


def _before(app: App, revision: Revision, component: str) -> list[Revision]:
    """The revisions before this one with patches for the component, the nearest first."""
    found: list[Revision] = []
    for other in app.catalog.revisions():
        if other.name == revision.name:
            break
        if other.patches(component):
            found.insert(0, other)
    return found


def _history(app: App, revision: Revision, part: Part) -> list[SentSeries]:
    """What was mailed of the series before, the latest first; or of the component while it was one series."""
    sent = (read_sent(other) for other in _before(app, revision, part.component))
    found = (records.get(part.label) or records.get(part.component) for records in sent)
    return [record for record in found if record is not None]


def _change_id(app: App, revision: Revision, part: Part) -> str:
    """That of the series, once it was mailed; else empty."""
    records = (read_sent(one).get(part.label) for one in (revision, *_before(app, revision, part.component)))
    return next((record.change_id for record in records if record is not None), "")


def _earlier(app: App, revision: Revision, part: Part, version: int) -> Earlier | None:
    """What the range-diff compares with: the same series of the revision before.

    As it was mailed, else as its patches are. A component that was not cut so then has nothing to compare.
    """
    other = next(iter(_before(app, revision, part.component)), None)
    if other is None:
        return None
    if _version(other) != version - 1:
        app.reporter.say(f"no range-diff: {other.name} comes before {revision.name}, and its number does not")
        return None
    same = [one for one in parts_of(other, part.component) if one.name == part.name]
    if not same:
        app.reporter.say(f"no range-diff: {other.name} has no series {part.label}")
        return None
    return _earlier_part(app, other, same[0], version)


def _earlier_part(app: App, other: Revision, part: Part, version: int) -> Earlier:
    component = part.component
    base = app.catalog.base_of(other, component)
    stack = (app.trees.base_commit(base), *app.trees.commits(other, component, base))
    below, tip = stack[part.start], stack[part.end]
    record = read_sent(other).get(part.label)
    if record is not None and record.commit != tip:
        known = git.run("cat-file", "-e", f"{record.commit}^{{commit}}", cwd=app.trees.repository(component))
        if known.returncode == 0:
            return Earlier(version - 1, record.base_commit, record.commit)
        app.reporter.say(
            f"{other.name} {part.label} is not what was mailed; the range-diff shows its patches"
        )
    return Earlier(version - 1, below, tip)


def _new_change_id(subject: str, part: Part) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", f"{subject} {part.label}".lower()).strip("-")[:40].strip("-")
    return f"{datetime.date.today():%Y%m%d}-{slug or part.component}-{uuid.uuid4().hex[:12]}"


def _closed(app: App, wish: Sending, parcel: Parcel, parcels: Sequence[Parcel]) -> Parcel:
    """The parcel with the message ids of a posting that was begun, and those of its companions."""
    recorded = read_sent(wish.revision)
    heads = {other.label: other.head for other in parcels}
    heads |= {label: record.head for label, record in recorded.items()}
    labels = [part.label for part in all_parts(wish.revision, app.catalog.components())]
    texts = {f"<{stand_in(name)}>": f"<{head}>" for name, head in heads.items()}
    left = {f"Message-ID: <{stand_in(name)}>": "(not posted yet)" for name in labels}
    begun = recorded.get(parcel.label) if wish.mode is Mode.REALLY else None
    ids = {letter.number: letter.message_id for letter in begun.letters} if begun else {}
    letters = finished(parcel.letters, ids, {**texts, **left})
    if wish.mode is not Mode.DRY_RUN:
        letters = [replace(letter, data=signed(app.root, letter.data)) for letter in letters]
    return replace(parcel, letters=tuple(letters))


# The proof


def _proven(app: App, wish: Sending, parcels: Sequence[Parcel]) -> list[Proof]:
    """One proof a parcel; FarwatchError for the first thing that would not arrive as it was written."""

    def one(parcel: Parcel) -> Proof:
        repository = app.trees.repository(parcel.part.component)
        sender, recipients = parcel.draft.sender, parcel.draft.recipients
        return prove(repository, parcel.below, parcel.commits, parcel.letters, sender, recipients)

    with ThreadPoolExecutor() as pool:
        proofs = list(pool.map(one, parcels))
    for parcel, proof in zip(parcels, proofs, strict=True):
        if proof.difference is not None:
            raise proof.difference.error(f"{wish.revision.name} {parcel.label}")
    return proofs


def _put(parcel: Parcel, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if parcel.part.name:
        for old in folder.parent.glob("*.eml"):  # from when the component was one series
            old.unlink()
    for letter in parcel.letters:
        (folder / f"{letter.number:04}.eml").write_bytes(letter.data)


def _shown(wish: Sending, parcel: Parcel, proof: Proof) -> str:
    from farwatch.terminal.escape import printable

    lines = [
        f"{wish.revision.name} {parcel.label}: {_mails(len(parcel.letters))} in {wish.folder / parcel.label}"
    ]
    lines += [f"  {printable(letter.subject)}" for letter in parcel.letters]
    head = parcel.letters[0]
    lines += [
        f"  {name}: {printable(', '.join(who) or 'nobody')}"
        for name, who in (("To", head.to), ("Cc", head.cc))
    ]
    if not parcel.letters[0].recipients:
        lines.append(f"  {maintainers.instead(wish.revision.name, parcel.part.component)}")
    lines.append(f"  proven: read back by git am and b4 am, {_commits(len(parcel.commits))} what they were")
    lines += [f"  note: {printable(note)}" for note in proof.notes]
    return "\n".join(lines)


def _commits(count: int) -> str:
    return "1 commit is" if count == 1 else f"{count} commits are"


def _mails(count: int) -> str:
    return f"{count} mail{'' if count == 1 else 's'}"


# Out


def _reflect(app: App, parcels: Sequence[Parcel], sender: Identity) -> None:
    with personal_door(app.root, reflect=True) as door:
        for parcel in parcels:
            for letter in parcel.letters:
                door.send(letter, [sender.email])
            print(f"{parcel.label}: {_mails(len(parcel.letters))} sent to {sender.email} alone")


def _mail(app: App, wish: Sending, parcels: Sequence[Parcel], ask: Ask) -> None:
    """Really send what has not gone out yet."""
    for parcel in parcels:
        if not all(letter.recipients for letter in parcel.letters):
            file = wish.revision.folder / "revision.toml"
            hint = f"--to ADDRESS, or [send.{parcel.part.component}] to = [...] in {file}"
            cause = maintainers.instead(wish.revision.name, parcel.part.component)
            raise FarwatchError(f"nobody is to get the series of {parcel.label}", cause=cause, hint=hint)
    name = wish.revision.name
    count = len({address for parcel in parcels for letter in parcel.letters for address in letter.recipients})
    answer = ask(f"really send {name} to {count} addresses? Type {name} to do it: ")
    if answer.strip() != name:
        raise FarwatchError(f"{name} was not sent", cause=f"the answer was not '{name}'")
    with personal_door(app.root) as door:
        for parcel in parcels:
            _mail_parcel(wish.revision, parcel, door)


def _mail_parcel(revision: Revision, parcel: Parcel, door: Door) -> None:
    posting = _begun(revision, parcel)
    done = {letter.number for letter in posting.letters if letter.sent}
    for letter in parcel.letters:
        if letter.number in done:
            continue
        try:
            refused = door.send(letter, letter.recipients)
        except Undelivered as error:
            raise _interrupted(revision, parcel, posting, error) from error
        posting = posting.with_sent(letter.number, _now(), refused)
        write_sent(revision, {**read_sent(revision), parcel.label: posting})
        for address in refused:
            print(f"  {address} was refused by the server: {letter.subject}")
    print(f"{revision.name} {parcel.label}: {_mails(len(posting.letters) - len(done))} sent")


def _begun(revision: Revision, parcel: Parcel) -> SentSeries:
    """The record so far; a new one if there is none. FarwatchError if it is of another series."""
    found = read_sent(revision).get(parcel.label)
    if found is None:
        letters = (
            SentLetter(one.number, one.message_id, one.subject, one.to, one.cc) for one in parcel.letters
        )
        return SentSeries(
            version=parcel.draft.version,
            change_id=parcel.draft.change_id,
            base=parcel.base.name,
            base_commit=parcel.below,
            commit=parcel.commits[-1],
            sender=str(parcel.draft.sender),
            started=_now(),
            letters=tuple(letters),
        )
    if found.commit != parcel.commits[-1]:
        out = sum(1 for letter in found.letters if letter.sent)
        raise FarwatchError(
            f"{revision.name} {parcel.label} has changed since {out} of its mails went out",
            cause=f"mailed: {found.commit}\nnow:    {parcel.commits[-1]}",
            hint="bring back what was being mailed, or mail the change as a new revision: "
            f"farwatch new NAME --from {revision.name}",
        )
    return found


def _interrupted(
    revision: Revision, parcel: Parcel, posting: SentSeries, error: Undelivered
) -> FarwatchError:
    out = sum(1 for letter in posting.letters if letter.sent)
    what = f"{revision.name} {parcel.label}: {out} of {_mails(len(posting.letters))} went out"
    return FarwatchError(
        what,
        cause=f"{error.what}\n{error.cause}",
        hint="the same command sends the rest, and what went out not again"
        if out
        else "the same command tries again",
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
