# SPDX-License-Identifier: GPL-2.0-or-later
"""send: a revision as mails. Nothing goes out that has not been proven to arrive as it was written.

Each component's series is a thread of its own; the threads name each other.
"""

from __future__ import annotations

import datetime
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.branch import make_branch
from farwatch.mail.delivery import Door, Undelivered, personal_door, signed
from farwatch.mail.gate import require_fit, require_unsent
from farwatch.mail.letters import Draft, Earlier, Letter, Recipients, finished, own_recipients, write_letters
from farwatch.mail.proof import Proof, prove
from farwatch.mail.record import SentLetter, SentSeries, read_sent, write_sent
from farwatch.mail.scratch import Scratch, personal_settings, scratch
from farwatch.model import CHANGELOG, COVER, Base, Posting, Revision
from farwatch.review import maintainers
from farwatch.revisions.identity import NEUTRAL, Identity, person, require_person
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
    components: tuple[str, ...]
    mode: Mode
    folder: Path
    to: tuple[str, ...] = ()
    """These and nobody else, but for `cc`."""
    cc: tuple[str, ...] = ()
    same_thread: bool = False


@dataclass(frozen=True)
class Parcel:
    """The series of one component, ready to go."""

    component: str
    base: Base
    base_commit: str
    commits: tuple[str, ...]
    draft: Draft
    letters: tuple[Letter, ...]

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
    lock, say = app.home.root / f"send-{revision.name}.lock", app.reporter.say
    with locked(lock, lambda who: say(f"waiting for {who}, which sends {revision.name}")):
        if wish.mode is Mode.REALLY:
            require_unsent(revision, wish.components)
            require_fit(app, revision, wish.components)
        sender = person(app.root) or NEUTRAL if wish.mode is Mode.DRY_RUN else require_person(app.root)
        parcels = [make_parcel(app, wish, sender, component) for component in wish.components]
        parcels = [_closed(app, wish, parcel, parcels) for parcel in parcels]
        for parcel, proof in zip(parcels, _proven(app, wish, parcels), strict=True):
            _put(parcel, wish.folder / parcel.component)
            print(_shown(wish, parcel, proof))
        if wish.mode is Mode.REFLECT:
            _reflect(app, parcels, sender)
        elif wish.mode is Mode.REALLY:
            _mail(app, wish, parcels, ask)


def prepare_branch(app: App, revision: Revision, component: str, folder: Path, clone: Path | None) -> None:
    """A branch to push instead of mails; nothing leaves this machine."""
    base = app.catalog.base_of(revision, component)
    records = {name: one for name, one in _before(app, revision, component).items() if one is not None}
    subject, body = _cover(revision, component)
    notes = [note.removeprefix("---\n") for note in _notes(app, revision, base, records)]
    text = "\n\n".join(part for part in (subject, body, *notes) if part)
    for other, record in read_sent(revision).items():
        text = text.replace(_stand_in(other), record.head)
    for other in app.catalog.components():
        text = text.replace(f"Message-ID: <{_stand_in(other)}>", "(not posted yet)")
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


# The mails


def make_parcel(app: App, wish: Sending, sender: Identity, component: str) -> Parcel:
    """The mails of one component's series, as b4 makes them."""
    revision = wish.revision
    base = app.catalog.base_of(revision, component)
    commits = app.trees.commits(revision, component, base)
    start, repository = app.trees.base_commit(base), app.trees.repository(component)
    settings = [*personal_settings(app.root), ("user.name", sender.name), ("user.email", sender.email)]
    with scratch(repository, start, commits[-1], settings) as repo:
        draft = _draft(app, wish, sender, base, repo)
        folder = repo.path / ".git" / "mails"
        letters = write_letters(repo, draft, folder)
    return Parcel(component, base, start, commits, draft, tuple(letters))


def _draft(app: App, wish: Sending, sender: Identity, base: Base, repo: Scratch) -> Draft:
    revision, component = wish.revision, base.component
    special = revision.postings.get(component, Posting())
    before = _before(app, revision, component)
    version = _version(revision)
    subject, body = _cover(revision, component)
    own = read_sent(revision).get(component)
    records = {name: record for name, record in before.items() if record is not None}
    change_id = own.change_id if own else next((r.change_id for r in records.values()), "")
    recipients = Recipients(wish.to, wish.cc)
    if not wish.to:
        found = own_recipients(repo) or _maintainers(app, revision, base)
        recipients = Recipients((*found.to, *special.to), (*found.cc, *special.cc, *wish.cc))
    return Draft(
        subject=subject,
        body="\n\n".join(part for part in (body, *_notes(app, revision, base, records)) if part),
        version=version,
        change_id=change_id or _new_change_id(subject, component),
        sender=sender,
        recipients=recipients,
        trailers_too=not wish.to,
        prefixes=special.prefixes,
        earlier=_earlier(app, revision, component, version, before),
        history={record.version: record.head for record in records.values()},
        same_thread=wish.same_thread,
    )


def _maintainers(app: App, revision: Revision, base: Base) -> Recipients:
    """Whom the tree names for the series, as lint says. As b4 has it, people are To and lists are Cc."""
    tip = app.trees.tip(revision, base.component, base)
    answer = maintainers.ask(app, base, tip, revision.patches(base.component)) or {}
    found = list(dict.fromkeys(one for some in answer.values() for one in some))
    people = tuple(one.who for one in found if not one.is_list)
    return Recipients(people, tuple(one.who for one in found if one.is_list))


def _version(revision: Revision) -> int:
    found = _VERSION.search(revision.name)
    return max(1, int(found[1])) if found else 1


def _before(app: App, revision: Revision, component: str) -> dict[str, SentSeries | None]:
    """The revisions before this one with patches for the component, the nearest first, and their records."""
    names: dict[str, SentSeries | None] = {}
    for other in app.catalog.revisions():
        if other.name == revision.name:
            break
        if other.patches(component):
            names[other.name] = read_sent(other).get(component)
    return dict(reversed(names.items()))


def _earlier(
    app: App, revision: Revision, component: str, version: int, before: Mapping[str, SentSeries | None]
) -> Earlier | None:
    """What the range-diff compares with: the revision before as it was mailed, else as its patches are."""
    if not before:
        return None
    name, record = next(iter(before.items()))
    other = app.catalog.revision(name)
    if _version(other) != version - 1:
        app.reporter.say(f"no range-diff: {name} comes before {revision.name}, and its number does not")
        return None
    base = app.catalog.base_of(other, component)
    start, tip = app.trees.base_commit(base), app.trees.tip(other, component, base).commit
    if record is not None and record.commit != tip:
        known = git.run("cat-file", "-e", f"{record.commit}^{{commit}}", cwd=app.trees.repository(component))
        if known.returncode == 0:
            return Earlier(version - 1, record.base_commit, record.commit)
        app.reporter.say(f"{name} {component} is not what was mailed; the range-diff shows its patches")
    return Earlier(version - 1, start, tip)


def _cover(revision: Revision, component: str) -> tuple[str, str]:
    """Subject and body of the cover letter: the component's own, the revision's, or just its title."""
    for path in (revision.folder / component / COVER, revision.folder / COVER):
        if path.is_file():
            subject, _, body = path.read_text(encoding="utf-8").strip().partition("\n")
            return subject.strip(), body.strip()
    return revision.title, ""


def _notes(app: App, revision: Revision, base: Base, records: Mapping[str, SentSeries]) -> Iterator[str]:
    """What stands below the cover letter's text."""
    yield f"---\n{_base_note(base)}"
    for component in app.catalog.components():
        if component != base.component and revision.patches(component):
            count = len(revision.patches(component))
            yield (
                f"Goes together with {count} patch{'es' if count > 1 else ''} for {component}:\n"
                f"Message-ID: <{_stand_in(component)}>"
            )
    path = revision.folder / CHANGELOG
    changes = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if changes and not changes.startswith("Changes "):
        changes = f"Changes in v{_version(revision)}:\n{changes}"
    links = [f"- v{record.version}: Message-ID: <{record.head}>" for record in records.values()]
    if changes or links:
        yield "---\n" + "\n".join(part for part in (changes, *links) if part)


def _base_note(base: Base) -> str:
    origin = " ".join(part for part in (base.package, base.version) if part)
    return f"For {base.component} {base.name}{f' ({origin})' if origin else ''}."


def _stand_in(component: str) -> str:
    """Stands for the message id of a component's cover letter until that is known."""
    return f"head-of-{component}@farwatch.invalid"


def _new_change_id(subject: str, component: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", f"{subject} {component}".lower()).strip("-")[:40].strip("-")
    return f"{datetime.date.today():%Y%m%d}-{slug or component}-{uuid.uuid4().hex[:12]}"


def _closed(app: App, wish: Sending, parcel: Parcel, parcels: Sequence[Parcel]) -> Parcel:
    """The parcel with the message ids of a posting that was begun, and those of its companions."""
    recorded = read_sent(wish.revision)
    heads = {other.component: other.head for other in parcels}
    heads |= {component: record.head for component, record in recorded.items()}
    texts = {f"<{_stand_in(name)}>": f"<{head}>" for name, head in heads.items()}
    left = {f"Message-ID: <{_stand_in(name)}>": "(not posted yet)" for name in app.catalog.components()}
    begun = recorded.get(parcel.component) if wish.mode is Mode.REALLY else None
    ids = {letter.number: letter.message_id for letter in begun.letters} if begun else {}
    letters = finished(parcel.letters, ids, {**texts, **left})
    if wish.mode is not Mode.DRY_RUN:
        letters = [replace(letter, data=signed(app.root, letter.data)) for letter in letters]
    return replace(parcel, letters=tuple(letters))


# The proof


def _proven(app: App, wish: Sending, parcels: Sequence[Parcel]) -> list[Proof]:
    """One proof a parcel; FarwatchError for the first thing that would not arrive as it was written."""

    def one(parcel: Parcel) -> Proof:
        repository = app.trees.repository(parcel.component)
        sender, recipients = parcel.draft.sender, parcel.draft.recipients
        return prove(repository, parcel.base_commit, parcel.commits, parcel.letters, sender, recipients)

    with ThreadPoolExecutor() as pool:
        proofs = list(pool.map(one, parcels))
    for parcel, proof in zip(parcels, proofs, strict=True):
        if proof.difference is not None:
            raise proof.difference.error(f"{wish.revision.name} {parcel.component}")
    return proofs


def _put(parcel: Parcel, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for letter in parcel.letters:
        (folder / f"{letter.number:04}.eml").write_bytes(letter.data)


def _shown(wish: Sending, parcel: Parcel, proof: Proof) -> str:
    from farwatch.terminal.escape import printable

    lines = [
        f"{wish.revision.name} {parcel.component}: {_mails(len(parcel.letters))} in "
        f"{wish.folder / parcel.component}"
    ]
    lines += [f"  {printable(letter.subject)}" for letter in parcel.letters]
    head = parcel.letters[0]
    lines += [
        f"  {name}: {printable(', '.join(who) or 'nobody')}"
        for name, who in (("To", head.to), ("Cc", head.cc))
    ]
    if not parcel.letters[0].recipients:
        lines.append(f"  {maintainers.instead(wish.revision.name, parcel.component)}")
    lines.append(f"  proven: read back by git am and b4 am, {len(parcel.commits)} commits are what they were")
    lines += [f"  note: {printable(note)}" for note in proof.notes]
    return "\n".join(lines)


def _mails(count: int) -> str:
    return f"{count} mail{'' if count == 1 else 's'}"


# Out


def _reflect(app: App, parcels: Sequence[Parcel], sender: Identity) -> None:
    with personal_door(app.root, reflect=True) as door:
        for parcel in parcels:
            for letter in parcel.letters:
                door.send(letter, [sender.email])
            print(f"{parcel.component}: {_mails(len(parcel.letters))} sent to {sender.email} alone")


def _mail(app: App, wish: Sending, parcels: Sequence[Parcel], ask: Ask) -> None:
    """Really send what has not gone out yet."""
    for parcel in parcels:
        if not all(letter.recipients for letter in parcel.letters):
            file = wish.revision.folder / "revision.toml"
            hint = f"--to ADDRESS, or [send.{parcel.component}] to = [...] in {file}"
            cause = maintainers.instead(wish.revision.name, parcel.component)
            raise FarwatchError(f"nobody is to get the series of {parcel.component}", cause=cause, hint=hint)
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
        write_sent(revision, {**read_sent(revision), parcel.component: posting})
        for address in refused:
            print(f"  {address} was refused by the server: {letter.subject}")
    print(f"{revision.name} {parcel.component}: {_mails(len(posting.letters) - len(done))} sent")


def _begun(revision: Revision, parcel: Parcel) -> SentSeries:
    """The record so far; a new one if there is none. FarwatchError if it is of another series."""
    found = read_sent(revision).get(parcel.component)
    if found is None:
        letters = (
            SentLetter(one.number, one.message_id, one.subject, one.to, one.cc) for one in parcel.letters
        )
        return SentSeries(
            version=parcel.draft.version,
            change_id=parcel.draft.change_id,
            base=parcel.base.name,
            base_commit=parcel.base_commit,
            commit=parcel.commits[-1],
            sender=str(parcel.draft.sender),
            started=_now(),
            letters=tuple(letters),
        )
    if found.commit != parcel.commits[-1]:
        out = sum(1 for letter in found.letters if letter.sent)
        raise FarwatchError(
            f"{revision.name} {parcel.component} has changed since {out} of its mails went out",
            cause=f"mailed: {found.commit}\nnow:    {parcel.commits[-1]}",
            hint="bring back what was being mailed, or mail the change as a new revision: "
            f"farwatch new NAME --from {revision.name}",
        )
    return found


def _interrupted(
    revision: Revision, parcel: Parcel, posting: SentSeries, error: Undelivered
) -> FarwatchError:
    out = sum(1 for letter in posting.letters if letter.sent)
    what = f"{revision.name} {parcel.component}: {out} of {_mails(len(posting.letters))} went out"
    return FarwatchError(
        what,
        cause=f"{error.what}\n{error.cause}",
        hint="the same command sends the rest, and what went out not again"
        if out
        else "the same command tries again",
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
