# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody's mails or patch files into a revision.

A mailbox may hold more than a series: replies, other versions, other people's patches. Only a whole series
is taken, and only if there is no doubt which one is meant.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail import b4_api
from farwatch.model import Base, Revision
from farwatch.revisions import edit
from farwatch.revisions.catalog import NAME, REVISION_FILE
from farwatch.series.save import write_series
from farwatch.system import git
from farwatch.system.atomic import rewritten

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.mail.b4_api import LoreMessage

_PATCH_FILES = (".patch", ".eml", ".mbox", ".diff")
_SHORTLOG = re.compile(r"^\S.* \(\d+\):\n(?=  )|^---$|^-- $|^ .* \| +\d+ ", re.MULTILINE)
_OLD_FILE = re.compile(rb"^--- a/(.+?)\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Mail:
    """One mail, or one patch file."""

    data: bytes
    parsed: LoreMessage
    place: str
    """Where it is from, for messages."""
    named: bool
    """It has a Message-ID, as a mail does and a patch file does not."""

    @property
    def is_cover(self) -> bool:
        return self.parsed.counter == 0 and not self.parsed.counters_inferred and not self.parsed.reply

    @property
    def is_patch(self) -> bool:
        return self.parsed.has_diff and not self.parsed.reply and not self.is_cover

    @property
    def label(self) -> str:
        return f"{self.parsed.full_subject} ({self.parsed.fromname})"


@dataclass(frozen=True)
class Series:
    """Mails that belong together."""

    version: int
    expected: int
    patches: tuple[Mail, ...]
    cover: Mail | None = None

    @property
    def complete(self) -> bool:
        return [mail.parsed.counter for mail in self.patches] == list(range(1, self.expected + 1))

    @property
    def label(self) -> str:
        return (self.cover or self.patches[0]).label

    @property
    def defect(self) -> str:
        """Why it is not complete."""
        counts = Counter(mail.parsed.counter for mail in self.patches)
        missing = [str(number) for number in range(1, self.expected + 1) if not counts[number]]
        twice = [str(number) for number, count in counts.items() if count > 1]
        parts = [f"patch {', '.join(missing)} of {self.expected} is missing"] if missing else []
        parts += [f"there is more than one patch {', '.join(twice)} of {self.expected}"] if twice else []
        return f"{self.label}: {'; '.join(parts)}"


def import_series(
    app: App,
    source: Path,
    name: str,
    *,
    component: str | None = None,
    base: str | None = None,
    version: int | None = None,
) -> Revision:
    """Make the revision `name` of the series in an mbox, a maildir or a folder of patch files.

    FarwatchError, and nothing is made, when there is no whole series or more than one, when it does not
    apply, or when there is a revision of that name.
    """
    folder = app.catalog.patches / name
    if not NAME.fullmatch(name):
        cause = "expected letters, digits and . _ + -, such as v2"
        raise FarwatchError(f"'{name}' cannot be the name of a revision", cause=cause, hint="choose another")
    mails = read_mails(source)
    series = choose(mails, source, version)
    found = _base(app, series, component, base)
    with rewritten(folder) as new:
        if folder.exists():
            raise FarwatchError(f"{folder} is there already", hint="choose another name")
        _write(app, series, name, found, new.path)
    _say_left_out(app, mails, series)
    return app.catalog.revision(name)


# The mails


def read_mails(source: Path) -> list[Mail]:
    """The mails of an mbox file or maildir, or patch files, in order."""
    if not source.exists():
        raise FarwatchError(
            f"there is no {source}", hint="an mbox file, a maildir, or a folder of patch files"
        )
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        pairs = [
            (data, path.name)
            for number, path in enumerate(_files(source))
            for data in _split(path, Path(name) / str(number))
        ]
    mails = [_mail(data, place) for data, place in pairs]
    if not mails:
        raise FarwatchError(
            f"{source} has no mails", hint="an mbox file, a maildir, or a folder of patch files"
        )
    return mails


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    if (source / "cur").is_dir() and (source / "new").is_dir():
        return sorted(path for part in ("cur", "new") for path in (source / part).iterdir() if path.is_file())
    if (source / "series").is_file():  # quilt: the file says the order
        lines = (source / "series").read_text(encoding="utf-8", errors="replace").splitlines()
        return [source / line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return sorted(path for path in source.iterdir() if path.suffix in _PATCH_FILES and path.is_file())


def _split(path: Path, folder: Path) -> list[bytes]:
    """The mails in one file, as git takes it apart."""
    folder.mkdir()
    try:
        start = path.read_bytes()[:100]
    except OSError as error:
        raise FarwatchError(f"cannot read {path}", cause=str(error.strerror)) from error
    # public-inbox says so when it quotes lines that start with From
    options = ["--mboxrd"] if start.startswith(b"From mboxrd@z ") else []
    done = git.run("mailsplit", "--keep-cr", "-b", *options, f"-o{folder}", str(path.absolute()), cwd=folder)
    if done.returncode != 0:
        cause = done.stderr.decode("utf-8", "replace").strip()
        raise FarwatchError(
            f"{path} is not a mailbox", cause=cause, hint="mbox, maildir, or files of git format-patch"
        )
    return [part.read_bytes() for part in sorted(folder.iterdir())]


def _mail(data: bytes, place: str) -> Mail:
    data = re.sub(rb"\AFrom [^\n]*\n", b"", data)
    if data.partition(b"\n")[0].endswith(b"\r"):  # as mail is on its way; no line's own end
        data = data.replace(b"\r\n", b"\n")
    parsed, named = b4_api.read_mail(data)
    return Mail(data, parsed, place, named)


# Which of them


def choose(mails: Sequence[Mail], source: Path, version: int | None = None) -> Series:
    """The one whole series; FarwatchError if there is none, or more than one."""
    found = [one for one in all_series(mails) if version in (None, one.version)]
    whole = [one for one in found if one.complete]
    if len(whole) == 1:
        return whole[0]
    if whole:
        names = "\n".join(one.label for one in whole)
        several = len({one.version for one in whole}) == len(whole)
        hint = "--version N" if several else "take the mails of one series only into the mailbox"
        raise FarwatchError(f"{source} has more than one series", cause=names, hint=hint)
    if found:
        defects = "\n".join(one.defect for one in sorted(found, key=lambda one: -len(one.patches))[:3])
        hint = "get the whole thread: b4 mbox MESSAGE-ID"
        raise FarwatchError(f"{source} has no whole series", cause=defects, hint=hint)
    cause = f"none of its {len(mails)} mails is a patch" + (
        "" if version is None else f" of version {version}"
    )
    raise FarwatchError(f"{source} has no patches", cause=cause)


def all_series(mails: Sequence[Mail]) -> list[Series]:
    """The patches, by the series that they belong to."""
    known = {mail.parsed.msgid: mail for mail in mails if mail.is_patch or mail.is_cover}
    groups: dict[tuple[int, int, str], list[Mail]] = defaultdict(list)
    loose: list[Mail] = []
    for mail in mails:
        if mail.is_patch and mail.parsed.counters_inferred and not mail.named:
            loose.append(mail)
        elif mail.is_patch:
            groups[(mail.parsed.revision, mail.parsed.expected, _thread(mail, known))].append(mail)
    covers = {mail.parsed.msgid: mail for mail in known.values() if mail.is_cover}
    found = [_series(version, thread, patches, covers) for (version, _, thread), patches in groups.items()]
    return found + ([_in_order(loose)] if loose else [])


def _thread(mail: Mail, known: Mapping[str, Mail]) -> str:
    """What all mails of a series have in common: the message that they hang on, if any."""
    if mail.parsed.counters_inferred:
        return mail.parsed.msgid  # a patch without a number is alone
    seen = {mail.parsed.msgid}
    top = mail
    while (above := known.get(top.parsed.in_reply_to or "")) and above.parsed.msgid not in seen:
        if (above.parsed.revision, above.parsed.expected) != (mail.parsed.revision, mail.parsed.expected):
            break
        seen.add(above.parsed.msgid)
        top = above
    hang = {other.parsed.in_reply_to for other in known.values()}
    return top.parsed.msgid if top.parsed.msgid in hang else top.parsed.in_reply_to or ""


def _series(version: int, thread: str, patches: list[Mail], covers: Mapping[str, Mail]) -> Series:
    expected = patches[0].parsed.expected
    cover = covers.get(thread)
    if cover is None and not thread:
        cover = next(
            (
                one
                for one in covers.values()
                if (one.parsed.revision, one.parsed.expected) == (version, expected)
            ),
            None,
        )
    return Series(version, expected, tuple(sorted(patches, key=lambda mail: mail.parsed.counter)), cover)


def _in_order(patches: list[Mail]) -> Series:
    """Patch files without numbers: the order of the files is that of the series."""
    for number, mail in enumerate(patches, start=1):
        mail.parsed.counter = number
    return Series(patches[0].parsed.revision, len(patches), tuple(patches))


def _say_left_out(app: App, mails: Sequence[Mail], series: Series) -> None:
    taken = {id(mail) for mail in (*series.patches, series.cover)}
    left = [mail for mail in mails if id(mail) not in taken]
    patches = [mail for mail in left if mail.is_patch or mail.is_cover]
    for mail in patches[:5]:
        app.reporter.say(f"left out: {mail.label}")
    if len(left) > len(patches[:5]):
        more = len(left) - len(patches[:5])
        app.reporter.say(f"left out: {more} other mail{'' if more == 1 else 's'}")


# The revision


def _base(app: App, series: Series, component: str | None, name: str | None) -> Base:
    """The base that was named, or the default one of the component that has the files."""
    if component is not None:
        return app.catalog.base(component, name)
    if name is not None:
        return app.catalog.base_named(name)
    components = app.catalog.components()
    if len(components) == 1:
        return app.catalog.base(components[0])
    files = {file for mail in series.patches for file in _OLD_FILE.findall(mail.data)}
    having = {part: _having(app, app.catalog.base(part), files) for part in components}
    best = max(having.values())
    fitting = [part for part, count in having.items() if count == best]
    if not best or len(fitting) > 1:
        cause = f"its files are in none of, or in more than one of: {', '.join(components)}"
        raise FarwatchError("which component is the series for?", cause=cause, hint="--component NAME")
    return app.catalog.base(fitting[0])


def _having(app: App, base: Base, files: set[bytes]) -> int:
    """How many of these files a base has; 0 when it is not imported."""
    if not app.trees.imported(base):
        return 0
    commit = app.trees.base_commit(base).encode()
    asked = b"".join(commit + b":" + file + b"\n" for file in files)
    repository = app.trees.repository(base.component)
    answers = git.git("cat-file", "--batch-check=%(objecttype)", cwd=repository, stdin=asked)
    return answers.split(b"\n").count(b"blob")


def _write(app: App, series: Series, name: str, base: Base, folder: Path) -> None:
    first = series.cover or series.patches[0]
    title = first.parsed.subject
    revision = Revision(name, title, folder, "virtiofs", {base.component: base.name})
    (folder / REVISION_FILE).write_text(edit.fresh(title, base.component, base.name), encoding="utf-8")
    if series.cover is not None:
        body = _SHORTLOG.split(series.cover.parsed.body, maxsplit=1)[0].strip()
        (folder / "cover-letter.txt").write_text(f"{title}\n\n{body}".strip() + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="farwatch-") as place:
        files = []
        for mail in series.patches:
            files.append(Path(place) / f"{mail.parsed.counter:04}.patch")
            files[-1].write_bytes(mail.data)
        commits = app.trees.apply(revision, base.component, base, tuple(files))
    write_series(app.trees, revision, base.component, base, commits, folder)
