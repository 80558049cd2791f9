# SPDX-License-Identifier: GPL-2.0-or-later
"""Which patches are a series: by number, version and thread, as `b4 am` finds them.

Where b4 takes one version's patches for one series wherever they hang, threads are told apart here: two
components' series, and other people's patches, are often in one thread.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from farwatch.mail.incoming import Mail

Key = tuple[int, int]
"""Version and number of patches."""

# Message-IDs of one run of a tool: git format-patch, git send-email, b4
_RUNS = (
    re.compile(r"(?:cover|[0-9a-f]{40})\.(?P<run>\d+\..*)"),
    re.compile(r"(?P<run>\d{14}\.\d+)-\d+-.*"),
    re.compile(r"(?P<run>.*-v\d+)-\d+-[0-9a-f]+@.*"),
)


@dataclass(frozen=True)
class Series:
    """Mails that belong together."""

    version: int
    total: int
    patches: tuple[Mail, ...]
    """By number."""
    cover: Mail | None = None
    rerolled: tuple[Mail, ...] = ()
    """Those of the patches that came later, each in the place of an older one."""
    replaced: tuple[Mail, ...] = ()
    """The older ones."""
    ordered: bool = False
    """The order of files says which is which, not the numbers."""
    parts: tuple[Series, ...] = ()
    """Series that were posted apart, and of which this is the stack; each on those before it."""

    @property
    def whole(self) -> bool:
        numbers = [mail.subject.number for mail in self.patches]
        return self.ordered or numbers == list(range(1, self.total + 1))

    @property
    def numbered(self) -> bool:
        return self.patches[0].subject.numbered

    @property
    def mails(self) -> tuple[Mail, ...]:
        if self.parts:
            return tuple(mail for one in self.parts for mail in one.mails)
        return (*((self.cover,) if self.cover else ()), *self.patches)

    @property
    def title(self) -> str:
        return self.mails[0].subject.title

    @property
    def label(self) -> str:
        """What it is called in a list."""
        first = self.cover or self.patches[0]
        version = f"v{self.version}: " if self.version > 1 or self.rerolled else ""
        count = f", {self.total} patches" if self.total > 1 else ""
        return f"{version}{first.label}{count}"

    @property
    def defect(self) -> str:
        """Why it is not whole."""
        counts = Counter(mail.subject.number for mail in self.patches)
        missing = [str(number) for number in range(1, self.total + 1) if not counts[number]]
        twice = [str(number) for number, count in counts.items() if count > 1]
        parts = [f"patch {', '.join(missing)} of {self.total} is missing"] if missing else []
        parts += [f"there is more than one patch {', '.join(twice)} of {self.total}"] if twice else []
        return f"{(self.cover or self.patches[0]).label}: {'; '.join(parts)}"


def all_series(mails: Sequence[Mail], *, ordered: bool = False, quilt: bool = False) -> list[Series]:
    """The patches, by the series that they belong to, in the order of the mails.

    ordered: they are files whose order is meant, where their subjects have no numbers
    quilt: and even where they have
    """
    patches = [mail for mail in mails if mail.is_patch] or [mail for mail in mails if _sent_as_reply(mail)]
    if quilt:
        return [_in_order(mails, patches)] if patches else []
    loose = [mail for mail in patches if not mail.subject.numbered and (ordered or not mail.named)]
    single = [mail for mail in patches if not mail.subject.numbered and mail not in loose]
    thread = Thread(mails)
    found = thread.numbered([mail for mail in patches if mail.subject.numbered])
    found += [Series(mail.subject.version, 1, (mail,)) for mail in single]
    found += [_in_order(mails, loose)] if loose else []
    found = [*found, *rerolls(thread, found)]
    place = {mail.message_id: number for number, mail in enumerate(mails)}
    return sorted(_distinct(found), key=lambda one: min(place[mail.message_id] for mail in one.mails))


def _sent_as_reply(mail: Mail) -> bool:
    """A patch whose subject begins with Re:, which counts where there is no other."""
    return mail.has_diff and not mail.is_cover


def _in_order(mails: Sequence[Mail], patches: Sequence[Mail]) -> Series:
    """Files without numbers: the order of the files is that of the series."""
    before = mails[: mails.index(patches[0])]
    cover = next((mail for mail in before if not mail.has_diff and (mail.is_cover or mail.has_stat)), None)
    version = max(mail.subject.version for mail in patches)
    return Series(version, len(patches), tuple(patches), cover, ordered=True)


def _distinct(found: Iterable[Series]) -> list[Series]:
    """Each series once, though it may have been sent again as it was; the last one counts."""
    return list({(one.version, *map(_content, one.patches)): one for one in found}.values())


def _content(mail: Mail) -> tuple[str, str]:
    """What two copies of a patch have in common: all but a signature, and what a list adds below it."""
    return mail.subject.title, mail.body.partition("\n-- \n")[0].strip()


class Thread:
    """What answers what."""

    def __init__(self, mails: Sequence[Mail]) -> None:
        self.mails = mails
        self.known = {mail.message_id: mail for mail in mails}
        self.below: dict[str, list[Mail]] = defaultdict(list)
        for mail in mails:
            self.below[mail.in_reply_to].append(mail)

    def above(self, mail: Mail) -> list[Mail]:
        """All that a mail answers, the nearest first; by References, too, where mails between are missing."""
        found: dict[str, Mail] = {}
        at: Mail | None = mail
        while at is not None:
            names = [at.in_reply_to, *reversed(at.references)]
            others = (self.known[name] for name in names if name in self.known)
            at = next((one for one in others if one.message_id not in found and one is not mail), None)
            if at is not None:
                found[at.message_id] = at
        return list(found.values())

    # Numbered patches

    def numbered(self, patches: Sequence[Mail]) -> list[Series]:
        """Series of patches with numbers."""
        keys = {mail.message_id: self._key(mail) for mail in patches}
        covers = [mail for mail in self.mails if mail.is_cover]
        keys |= {mail.message_id: (mail.subject.version, mail.subject.total) for mail in covers}
        groups = self._groups([*covers, *patches], keys)
        found = [
            self._series(keys[group[0].message_id], one)
            for group in groups
            if any(not mail.is_cover for mail in group)
            for one in _told_apart(group)
        ]
        return _strays_taken_in(found)

    def _key(self, mail: Mail) -> Key:
        """Version and total; the version may be said by the cover letter alone, as b4 knows."""
        said = mail.subject
        above = self.known.get(mail.in_reply_to)
        if not said.versioned and above is not None and above.subject.versioned and not above.subject.reply:
            same = above.subject.total == said.total or not above.subject.numbered
            if same and not above.has_diff and (above.is_cover or above.has_stat):
                return above.subject.version, said.total
        return said.version, said.total

    def _groups(self, members: Sequence[Mail], keys: Mapping[str, Key]) -> list[list[Mail]]:
        """Those that hang together: one on another, all on the same mail, or on none at all."""
        names: dict[str, object] = {mail.message_id: mail.message_id for mail in members}
        joined: dict[object, object] = {}

        def root(name: object) -> object:
            while name in joined:
                name = joined[name]
            return name

        for mail in members:
            key = keys[mail.message_id]
            answered = [] if mail.is_cover else self.above(mail)  # a cover letter begins something
            near = next((one for one in answered if keys.get(one.message_id) == key), None)
            if near is not None:
                to: object = near.message_id
            elif mail.in_reply_to and not mail.is_cover:
                to = ("all on", mail.in_reply_to, key)
            elif not any(keys.get(other.message_id) == key for other in self.below[mail.message_id]):
                to = ("on nothing", key)
            else:
                continue
            if root(mail.message_id) != root(to):
                joined[root(mail.message_id)] = root(to)
        groups: dict[object, list[Mail]] = defaultdict(list)
        for mail in members:
            groups[root(names[mail.message_id])].append(mail)
        return list(groups.values())

    def _series(self, key: Key, group: Sequence[Mail]) -> Series:
        patches = sorted((m for m in group if not m.is_cover), key=lambda mail: mail.subject.number)
        cover = next((mail for mail in group if mail.is_cover), None)
        return Series(*key, _without_copies(patches), cover or self._unmarked_cover(key, patches))

    def _unmarked_cover(self, key: Key, patches: Sequence[Mail]) -> Mail | None:
        """A cover letter that does not say that it is one, or of which version."""
        above = self.known.get(patches[0].in_reply_to)
        if above is None or above.has_diff or above.subject.reply:
            return None
        others = [mail for mail in self.below[above.message_id] if mail.is_patch and mail.subject.numbered]
        if any(mail.subject.version < key[0] for mail in others):
            return None  # it is that of an earlier version
        if above.is_cover:
            fits = not above.subject.versioned and above.subject.total == key[1]
            return above if fits else None
        root = not above.in_reply_to and above.address == patches[0].address
        return above if above.has_stat or root else None


def _without_copies(patches: Sequence[Mail]) -> tuple[Mail, ...]:
    """Each patch once, though it may have been sent again, as it was, by another Message-ID."""
    return tuple({(mail.subject.number, *_content(mail)): mail for mail in patches}.values())


def _told_apart(group: Sequence[Mail]) -> list[Sequence[Mail]]:
    """A group; the runs of the tool that sent them, where it has numbers twice and those have not."""
    if not _clash(group):
        return [group]
    runs: dict[str, list[Mail]] = defaultdict(list)
    for mail in group:
        matches = (pattern.fullmatch(mail.message_id) for pattern in _RUNS)
        runs[next((match["run"] for match in matches if match), mail.address)].append(mail)
    found = [run for run in runs.values() if any(not mail.is_cover for mail in run)]
    return [group] if any(map(_clash, found)) else list(found)


def _clash(group: Sequence[Mail]) -> bool:
    counts = Counter(mail.subject.number for mail in _without_copies(group))
    return any(count > 1 for count in counts.values())


def _strays_taken_in(found: Sequence[Series]) -> list[Series]:
    """Parts of a series that hang apart, where together they are the whole of it."""
    parts: dict[Key, list[Series]] = defaultdict(list)
    for one in found:
        if not one.whole:
            parts[(one.version, one.total)].append(one)
    joined: list[Series] = []
    for key, some in parts.items():
        patches = sorted((mail for one in some for mail in one.patches), key=lambda mail: mail.subject.number)
        cover = next((one.cover for one in some if one.cover), None)
        made = Series(*key, tuple(patches), cover)
        senders = [{mail.address for mail in one.mails} for one in some]
        together = made.whole and set.intersection(*senders)
        joined += [made] if together else some
    return [*(one for one in found if one.whole), *joined]


def rerolls(thread: Thread, found: Sequence[Series]) -> list[Series]:
    """Versions of which only some patches were sent, as answers to those that they replace (b4 has it so)."""
    made: list[Series] = []
    parts = [one for one in found if not one.whole]
    for version in sorted({part.version for part in parts}):
        before = [one for one in (*found, *made) if one.whole and one.version < version]
        for old in sorted(before, key=lambda one: -one.version):
            left = [part for part in parts if (part.version, part.total) == (version, old.total)]
            answers = [part for part in left if _replaces(thread, part, old)]
            if answers:
                made.append(_rerolled(old, version, [mail for part in answers for mail in part.patches]))
                parts = [part for part in parts if part not in answers]
    return made


def _rerolled(old: Series, version: int, later: Sequence[Mail]) -> Series:
    new = {mail.subject.number: mail for mail in later}
    return replace(
        old,
        version=version,
        patches=tuple(new.get(mail.subject.number, mail) for mail in old.patches),
        rerolled=tuple(later),
        replaced=(*old.replaced, *(mail for mail in old.patches if mail.subject.number in new)),
    )


def _replaces(thread: Thread, part: Series, old: Series) -> bool:
    """Whether each patch of a part answers the one of the same number."""
    numbers = [mail.subject.number for mail in part.patches]
    places = {mail.message_id: mail.subject.number for mail in (*old.patches, *old.replaced)}
    return len(set(numbers)) == len(numbers) and all(
        any(places.get(above.message_id) == mail.subject.number for above in thread.above(mail))
        for mail in part.patches
    )
