# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the series in a mailbox are meant, and which component each of them is for.

Only whole series are taken, and only if there is no doubt: else an error lists them, and says what tells
them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.incoming import Mail
from farwatch.mail.mailbox import Mailbox
from farwatch.mail.stacked import stacked
from farwatch.mail.threads import Series, Thread, all_series
from farwatch.model import Base
from farwatch.system import git

if TYPE_CHECKING:
    from farwatch.app import App

_WHOLE_THREAD = "get the whole thread: b4 mbox MESSAGE-ID"
_NAMES = re.compile(
    r"^(?:---|\+\+\+) [abciow]/(?P<one>[^\t\n]+)"
    r"|^(?:rename|copy) (?:from|to) (?P<two>.+)"
    r"|^diff --git [abciow]/(?P<three>\S+) [abciow]/",
    re.MULTILINE,
)


@dataclass(frozen=True)
class ImportWish:
    """What `import` was told of what it is to take."""

    component: str | None = None
    base: str | None = None
    version: int | None = None
    components: Mapping[str, str] | None = None
    """Component -> which series: its number in the list, those of several ("1+2"), a Message-ID, or words of
    its title."""


@dataclass(frozen=True)
class Chosen:
    """A series, and what it is for."""

    series: Series
    base: Base


def choose(app: App, box: Mailbox, wish: ImportWish) -> list[Chosen]:
    """The series that are meant, in the order of the catalog's components; FarwatchError where in doubt."""
    found = all_series(box.mails, ordered=box.ordered, quilt=box.quilt)
    found = [one for one in found if wish.version in (None, one.version)]
    whole = [one for one in found if one.whole]
    if not found:
        raise _no_patches(box, wish.version)
    if wish.components:
        chosen = [
            Chosen(_named(box, whole, which), _base_of(app, component, wish.base, len(wish.components)))
            for component, which in wish.components.items()
        ]
    elif len(meant := stacked(_meant(box, found))) == 1:
        chosen = [Chosen(meant[0], _base(app, meant[0], wish))]
    else:
        chosen = _of_several(app, box, whole, meant, wish)
    order = app.catalog.components()
    return sorted(chosen, key=lambda one: order.index(one.base.component))


def _no_patches(box: Mailbox, version: int | None) -> FarwatchError:
    cause = f"none of its {len(box.mails)} mails is a patch"
    replies = sum(mail.subject.reply for mail in box.mails)
    cause += f": {replies} are replies" if replies else ""
    cause += "" if version is None else f" of version {version}"
    return FarwatchError(f"{box.source} has no patches", cause=cause, hint=_WHOLE_THREAD)


def _meant(box: Mailbox, found: Sequence[Series]) -> list[Series]:
    """The whole series, without what came after them in their threads: fixups, and versions before a reroll.

    FarwatchError when there is none, or when what is not whole may be what was meant.
    """
    thread = Thread(box.mails)
    replaced = {mail.message_id for one in found if one.whole for mail in one.replaced}
    whole = [one for one in found if one.whole and not _is_aside(thread, one, found)]
    whole = [one for one in whole if not any(mail.message_id in replaced for mail in one.patches)]
    parts = [one for one in found if not one.whole and not _is_rerolled(one, found)]
    numbered = [one for one in whole if one.numbered or one.ordered or one.total > 1]
    if parts and not numbered:
        raise _not_whole(box, parts, [one for one in found if one.whole])
    newer = [part for part in parts if all(part.version > one.version for one in whole)]
    for part in newer:
        senders = {mail.address for one in whole for mail in one.mails}
        if any(mail.address in senders for mail in part.mails):
            hint = f"{_WHOLE_THREAD}; or take what is whole: --version {max(one.version for one in whole)}"
            raise FarwatchError(f"v{part.version} in {box.source} is not whole", cause=part.defect, hint=hint)
    return whole


def _is_aside(thread: Thread, one: Series, found: Sequence[Series]) -> bool:
    """A patch alone that answers a mail of another series: a fixup, a suggestion; no later version."""
    if one.total > 1:
        return False
    [patch] = one.patches
    above = {mail.message_id for mail in thread.above(patch)}
    beside = {patch.in_reply_to} - set(thread.known) - {""}
    answered = [
        other
        for other in found
        if other is not one
        and any(mail.message_id in above or mail.in_reply_to in beside for mail in other.mails)
    ]
    return any(patch.subject.version <= other.version for other in answered)


def _is_rerolled(part: Series, found: Sequence[Series]) -> bool:
    return any(part.patches[0] in one.rerolled for one in found)


def _not_whole(box: Mailbox, parts: Sequence[Series], whole: Sequence[Series]) -> FarwatchError:
    largest = sorted(parts, key=lambda one: -len(one.patches))[:3]
    lines = [one.defect for one in largest] + _listed(whole)
    hint = _WHOLE_THREAD + ("; or take one that is listed: --map COMPONENT=NUMBER" if whole else "")
    return FarwatchError(f"{box.source} has no whole series", cause="\n".join(lines), hint=hint)


def _listed(whole: Sequence[Series]) -> list[str]:
    return [f"{number}: {one.label}" for number, one in enumerate(whole, start=1)]


# By name


def _named(box: Mailbox, whole: Sequence[Series], which: str) -> Series:
    """The one that `--map COMPONENT=WHICH` names."""
    if re.fullmatch(r"\d+(\+\d+)*", which):
        numbers = [int(number) for number in which.split("+")]
        if all(0 < number <= len(whole) for number in numbers):
            return _joined([whole[number - 1] for number in numbers])
        fitting = []
    elif "@" in which or which.startswith("<"):
        name = which.strip("<>")
        fitting = [one for one in whole if any(mail.message_id == name for mail in one.mails)]
    else:
        fitting = [one for one in whole if which.lower() in one.title.lower()]
    if len(fitting) == 1:
        return fitting[0]
    what = f"'{which}' means {'none' if not fitting else 'more than one'} of the series in {box.source}"
    hint = "--map COMPONENT=NUMBER, or a Message-ID, or words of its title"
    raise FarwatchError(what, cause="\n".join(_listed(whole)), hint=hint)


def _joined(parts: Sequence[Series]) -> Series:
    """Several, one after the other."""
    if len(parts) == 1:
        return parts[0]
    patches = tuple(mail for one in parts for mail in one.patches)
    return Series(parts[0].version, len(patches), patches, parts[0].cover, ordered=True)


# By what they change


def _of_several(
    app: App, box: Mailbox, whole: Sequence[Series], meant: Sequence[Series], wish: ImportWish
) -> list[Chosen]:
    """One for each component, where that is clear."""
    versions = {one.version for one in meant}
    guesses = [_guess(app, one) for one in meant]
    if len(versions) == 1 and wish.component is not None:
        fitting = [one for one, guess in zip(meant, guesses, strict=True) if wish.component in guess]
        if len(fitting) == 1:
            return [Chosen(fitting[0], app.catalog.base(wish.component, wish.base))]
    alone = [guess[0] for guess in guesses if len(guess) == 1]
    if len(versions) == 1 and len(set(alone)) == len(meant) and _hang_together(box, meant):
        bases = [_base_of(app, component, wish.base, len(meant)) for component in alone]
        return [Chosen(one, base) for one, base in zip(meant, bases, strict=True)]
    first = wish.component or next(iter(alone), app.catalog.components()[0])
    hint = f"--map {first}=NUMBER (or {first}=1+2, to take them as one)"
    if len(versions) > 1:
        hint = f"--version N; or {hint}"
    raise FarwatchError(f"{box.source} has more than one series", cause="\n".join(_listed(whole)), hint=hint)


def _hang_together(box: Mailbox, found: Sequence[Series]) -> bool:
    """They are one posting: in one thread, or each names another by its Message-ID."""
    thread = Thread(box.mails)
    first, *others = found
    tops = [{_top(thread, mail) for mail in one.mails} for one in found]
    return all(
        tops[0] & tops[number] or _names(first, other) or _names(other, first)
        for number, other in enumerate(others, start=1)
    )


def _top(thread: Thread, mail: Mail) -> str:
    last = [mail, *thread.above(mail)][-1]
    return last.in_reply_to or last.message_id


def _names(one: Series, other: Series) -> bool:
    head = other.mails[0].message_id
    return any(head in mail.body for mail in one.mails)


def _base_of(app: App, component: str, name: str | None, count: int) -> Base:
    """The base of that name if it is one of the component, which it must be if there is but one."""
    if name is None:
        return app.catalog.base(component)
    if count == 1:
        return app.catalog.base(component, name)
    named = app.catalog.base_named(name)
    return named if named.component == component else app.catalog.base(component)


def _base(app: App, series: Series, wish: ImportWish) -> Base:
    """The base that was named, or the default one of the component that has the files."""
    if wish.component is not None:
        return app.catalog.base(wish.component, wish.base)
    if wish.base is not None:
        return app.catalog.base_named(wish.base)
    fitting = _guess(app, series)
    if len(fitting) != 1:
        components = ", ".join(app.catalog.components())
        cause = f"its files are in none of, or in more than one of: {components}"
        raise FarwatchError("which component is the series for?", cause=cause, hint="--component NAME")
    return app.catalog.base(fitting[0])


def _guess(app: App, series: Series) -> list[str]:
    """The components that have most of the files that a series touches."""
    components = app.catalog.components()
    if len(components) == 1:
        return components
    names = {name for mail in series.patches for name in touched(mail.body)}
    weights = {part: _weight(app, app.catalog.base(part), names) for part in components}
    best = max(weights.values())
    return [part for part, weight in weights.items() if weight == best] if best else []


def touched(text: str) -> set[str]:
    """Names of the files that a patch is about."""
    found = (match["one"] or match["two"] or match["three"] for match in _NAMES.finditer(text))
    return {name for name in found if name != "dev/null"}


def _weight(app: App, base: Base, names: set[str]) -> int:
    """How much speaks for a component: its files count more than its folders.

    What a base holds that is not imported yet is judged by the patches that there are for it.
    """
    folders = {name: name.rpartition("/")[0] for name in names}
    if not app.trees.imported(base):
        known = _patched_folders(app, base.component)
        return sum(folder in known for folder in folders.values())
    commit = app.trees.base_commit(base)
    wanted = sorted(names | {folder for folder in folders.values() if folder})
    asked = "".join(f"{commit}:{name}\n" for name in wanted).encode("utf-8", "surrogatepass")
    repository = app.trees.repository(base.component)
    answers = git.git("cat-file", "--batch-check=%(objecttype)", cwd=repository, stdin=asked).split(b"\n")
    there = {name for name, answer in zip(wanted, answers, strict=False) if answer in (b"blob", b"tree")}
    return sum(2 * (name in there) + (folder in there) for name, folder in folders.items())


def _patched_folders(app: App, component: str) -> set[str]:
    paths = [path for revision in app.catalog.revisions() for path in revision.patches(component)]
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    return {name.rpartition("/")[0] for text in texts for name in touched(text)}
