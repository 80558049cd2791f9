# SPDX-License-Identifier: GPL-2.0-or-later
"""The newest version of an upstream release in place of the pinned one: only if a person asks for it.

And only if the pinned one is not to be had any more. What stands in for it is a base of its own: its name,
its ref, its trees and its column are others, so that nothing is ever stored or found as if it were pinned.

Nobody pinned its sha256, so the trust is apt's: it checks the package against the archive's index, which is
signed. The sum is taken when it comes, and kept: from then on it is as fixed as a pin.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from farwatch.bases import debian
from farwatch.bases.archive import Say, Unreachable, VersionGone, checksum, space_reported
from farwatch.bases.fetch import fetch, keep, kept_archive, partial
from farwatch.bases.importer import imported
from farwatch.model import Base, hash_of
from farwatch.system.atomic import write_whole
from farwatch.system.home import Home
from farwatch.system.locks import locked

CHANGES_NOTHING = "--base-version newest changes nothing"


def settled(base: Base, home: Home, say: Say) -> Base:
    """The base as it is pinned if it is to be had, else what stands in for it; which of them, is said.

    FarwatchError: neither is to be had, or whether the pinned one is cannot be told.
    """
    if base.kind != "deb":
        say(f"{base.label} is of kind {base.kind}: {CHANGES_NOTHING}")
        return base
    try:
        if imported(base, home) is None:
            fetch(base, home, say)
    except VersionGone as gone:
        if not gone.newest:
            raise
        say(f"{gone.what}: {gone.cause.splitlines()[-1]}")
        found = _had(base, gone.newest, home) or _taken(base, gone.newest, home, say)
    except Unreachable as error:
        before = _recorded(base, home)
        if before is None:
            raise
        say(f"{error.what}; going on with what was the newest when it was last asked for")
        found = before
    else:
        say(f"{base.label}: {base.version} is to be had: {CHANGES_NOTHING}")
        return base
    say(f"{base.component} {found.shown}, because of --base-version newest")
    return found


def known(base: Base, home: Home) -> Base:
    """What settled() gave the last time, as far as that can be told without asking anybody."""
    if base.kind != "deb" or imported(base, home) or kept_archive(base, home):
        return base
    return _recorded(base, home) or base


def stand_in(base: Base, version: str, sha256: str) -> Base:
    """A base that stands for a pinned one; its name is also fit for refs and folders."""
    name = f"{base.name}-newest-{re.sub(r'[^A-Za-z0-9.+]+', '-', version)}"
    return replace(base, name=name, version=version, sha256=sha256, places=(), stands_for=base)


def _taken(base: Base, version: str, home: Home, say: Say) -> Base:
    """Download a version; nothing but the archive's word says what its content should be."""
    wanted = replace(base, version=version, places=())
    lock = home.downloads / f"{_record(base, home).stem}.lock"
    with (
        locked(lock, lambda who: say(f"waiting for {who}, which downloads {base.label}")),
        space_reported(home.downloads),
        partial(home) as folder,
    ):
        # `apt-get download` refuses a package that differs from what the signed index says of it
        found = debian.download(wanted, home, folder, say)
        made = stand_in(base, version, checksum(found))
        keep(made, found, home)
        write_whole(_record(base, home), json.dumps({"version": version, "sha256": made.sha256}))
    return made


def _had(base: Base, version: str, home: Home) -> Base | None:
    """What was taken before, if it is of that version and still here."""
    before = _recorded(base, home)
    if before is None or before.version != version:
        return None
    return before if imported(before, home) or kept_archive(before, home) else None


def _recorded(base: Base, home: Home) -> Base | None:
    """What was taken the last time."""
    try:
        values = json.loads(_record(base, home).read_text(encoding="utf-8"))
        return stand_in(base, values["version"], values["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(base: Base, home: Home) -> Path:
    return home.downloads / f"newest-{hash_of(base.label, base.sha256, base.package, base.suite)[:16]}.json"
