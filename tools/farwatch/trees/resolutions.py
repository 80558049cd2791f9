# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes for a series to hold on other bases: resolutions of conflicts, kept beside its patches.

patches/<revision>/<component>/resolutions/<base written for>-to-<other base>/<patch>.diff: some lines
"Key: value", an empty line, and the change from what git's merge leaves, conflict markers included, to
what it should be. `git apply` takes such a file where the same conflict is in a worktree. It fits
wherever the same conflict comes up, and only there: markers, all sides and context must match.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.trees.merge import PatchCommit

FOLDER = "resolutions"
_FIELD = re.compile(r"(?P<key>[A-Z][A-Za-z-]*):(?: (?P<value>.*))?")


@dataclass(frozen=True)
class Resolution:
    """What was decided for one patch on one base."""

    origin: str
    """Name of the base that the patch was written for."""
    onto: str
    """Name of the base that this is for."""
    patch: str
    """Name of the patch file when this was written."""
    subject: str
    patch_id: str
    conflicts: tuple[str, ...] = ()
    """As port.Merge has them; empty where the merge is clean and the base needs something else."""
    note: str = ""
    diff: bytes = b""
    skip: bool = False
    """The patch is left out on this base."""
    path: Path | None = None
    """Its file, once it is in one."""

    @property
    def name(self) -> str:
        """Path below the folder of resolutions."""
        return f"{self.origin}-to-{self.onto}/{self.patch.removesuffix('.patch')}.diff"

    def encode(self) -> bytes:
        fields = [("Patch", self.patch), ("Subject", self.subject), ("Patch-Id", self.patch_id)]
        fields += [("Written-For", self.origin), ("Base", self.onto)]
        fields += [("Conflict", conflict) for conflict in self.conflicts]
        fields += [("Skip", "yes")] if self.skip else []
        fields += [("Note", self.note.strip().replace("\n", "\n "))] if self.note.strip() else []
        lines = "".join(f"{key}: {value}\n" for key, value in fields)
        return lines.encode("utf-8", "surrogateescape") + b"\n" + self.diff


def read(path: Path) -> Resolution:
    """A resolution from its file; FarwatchError when it is none."""
    head, _, diff = path.read_bytes().partition(b"\n\n")
    fields = _fields(path, head.decode("utf-8", "surrogateescape").removesuffix("\n"))
    try:
        return Resolution(
            origin=fields["Written-For"][0],
            onto=fields["Base"][0],
            patch=fields["Patch"][0],
            subject=fields["Subject"][0],
            patch_id=fields["Patch-Id"][0],
            conflicts=tuple(fields.get("Conflict", ())),
            note=fields.get("Note", [""])[0],
            diff=diff,
            skip=fields.get("Skip") == ["yes"],
            path=path,
        )
    except KeyError as error:
        raise _damaged(path, f"it has no line '{error.args[0]}:'") from None


def _fields(path: Path, head: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    last = ""
    for line in head.split("\n"):
        if line.startswith(" ") and last:
            fields[last][-1] += "\n" + line[1:]
        elif found := _FIELD.fullmatch(line):
            last = found["key"]
            fields.setdefault(last, []).append(found["value"] or "")
        else:
            raise _damaged(path, f"this is no 'Key: value': {line[:80]}")
    return fields


def _damaged(path: Path, cause: str) -> FarwatchError:
    hint = f"take back what was changed in it, or delete it and run farwatch rebase again: {path}"
    return FarwatchError(f"{path} is not a remembered resolution", cause=cause, hint=hint)


@dataclass(frozen=True)
class Memory:
    """All resolutions of one series."""

    resolutions: tuple[Resolution, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """Read them from the folder of a series: patches/<revision>/<component>."""
        return cls(tuple(read(path) for path in sorted((folder / FOLDER).glob("*/*.diff"))))

    def for_patch(self, patch: PatchCommit, origin: str, onto: str) -> list[Resolution]:
        """Those made for exactly this patch, the nearest base first."""
        fit = [entry for entry in self.resolutions if entry.patch_id == patch.id]
        return sorted(fit, key=lambda entry: (entry.onto != onto, entry.origin != origin))

    def stale(self, patch: PatchCommit, onto: str) -> list[Resolution]:
        """Those for this base made for a patch of that subject when its change was another one."""
        return [
            entry
            for entry in self.resolutions
            if entry.subject == patch.subject and entry.patch_id != patch.id and entry.onto == onto
        ]

    def key(self) -> list[bytes]:
        """All that they say, as bytes."""
        return [entry.encode() for entry in self.resolutions]


def write(folder: Path, origin: str, onto: str, resolutions: Sequence[Resolution]) -> None:
    """Put resolutions into the folder of a series in place of those for the same pair of bases."""
    place = folder / FOLDER / f"{origin}-to-{onto}"
    shutil.rmtree(place, ignore_errors=True)
    for entry in resolutions:
        place.mkdir(parents=True, exist_ok=True)
        (folder / FOLDER / entry.name).write_bytes(entry.encode())
    if not any((folder / FOLDER).glob("*/*")):
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
