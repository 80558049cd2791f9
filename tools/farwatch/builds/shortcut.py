# SPDX-License-Identifier: GPL-2.0-or-later
"""From a few edited .c files to an image, without kbuild's walk through all the folders that did not change.

An edit of one file costs kbuild a second of compiling, a second of linking, and two of finding out
that nothing else is to be done. What it would find out is known here: which files changed since the
last build that went well (freshness.py), and which objects each object's record says come from them.
So only the steps that follow from those are taken, and each is kbuild's own: its makefile for one
folder, its recorded commands for the archives above that, its makefiles for the link. They are run with
what its top makefile exported in that last build, which a target of ours wrote down.

Whatever is not that simple is left to make: a header, a makefile, a file that came or went, an object
that is not part of a folder's archive, a build that failed or was interrupted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_RECORD = "farwatch.exports"
TARGET = "farwatch-exports"
_LINK = ("vmlinux_a", "vmlinux_o", "modpost", "vmlinux")
"""scripts/Makefile.NAME, in the order in which the top makefile goes through them."""
_LINK_FLAGS = "FARWATCH_LDFLAGS_vmlinux"
"""The top makefile exports these to one makefile only, under the name without the prefix."""
_OF_MAKE = ("MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
_OF_ONE_RUN = re.compile(r"-j\d*|--jobserver-\S*|--eval=.*")

Runs = Callable[[Sequence[str], Mapping[str, str]], int]
"""Runs one command in the object folder, with what is exported to it; its exit status."""


@dataclass(frozen=True)
class Shortcut:
    """The ways round kbuild in one object folder.

    objects: the object folder
    tree:    the sources
    sources: what make calls them
    image:   what make is asked for: vmlinux, or what else the architecture calls that file
    """

    objects: Path
    tree: Path
    sources: str
    image: str

    def words(self) -> list[str]:
        """What is added to a whole build so that it writes down what it exports.

        Not what make itself was given: that is a person's own, and can be a secret.
        """
        given = f"/proc/{os.getpid()}/environ"
        keep = f"@{{ env -0; cat {given} {given}; }} | sort -z | uniq -zu > {_RECORD}"
        asked = f"$(filter {TARGET},$(MAKECMDGOALS))"  # not in the makes that it starts, which are told, too
        rules = (f": {self.image} ; {keep}", f": export {_LINK_FLAGS} = $$(LDFLAGS_vmlinux)")
        return [TARGET, *(f"--eval=$(if {asked},$(eval {TARGET}{rule}))" for rule in rules)]

    def forget(self) -> None:
        """From here on, only a whole build knows what is there."""
        self._record.unlink(missing_ok=True)

    def plan(self, changed: Collection[str], stale: Collection[str]) -> list[str] | None:
        """The folders in which something is to be done; None: make has to look for itself.

        stale: the objects that were made from the changed files
        """
        if not changed or not self.known or not self._is_ours or not all(map(self._is_simple, changed)):
            return None
        if set(stale) != {str(Path(name).with_suffix(".o")) for name in changed}:
            return None
        return sorted({str(Path(name).parent) for name in changed})

    def take(self, folders: Iterable[str], jobs: int, run: Runs) -> int:
        """Make the image anew; the exit status of the first step that fails. It is known no more then."""
        exports = self._exports(jobs)
        self.forget()
        flags = exports.pop(_LINK_FLAGS, "")
        for argv in self._steps(folders):
            added = {"LDFLAGS_vmlinux": flags} if argv[-1].endswith(f"/Makefile.{_LINK[-1]}") else {}
            if status := run(argv, exports | added):
                return status
        self._name_image()
        self._write({**exports, _LINK_FLAGS: flags})
        return 0

    @property
    def known(self) -> bool:
        """Whether what a whole build exported is on record, and holds."""
        return self._record.exists()

    @property
    def _is_ours(self) -> bool:
        """Whether the image is made as it is done here."""
        if not all((self.tree / "scripts" / f"Makefile.{name}").exists() for name in _LINK):
            return False
        image, vmlinux = self.objects / self.image, self.objects / "vmlinux"
        return image.exists() and vmlinux.exists() and image.samefile(vmlinux)

    @property
    def _record(self) -> Path:
        return self.objects / _RECORD

    def _is_simple(self, name: str) -> bool:
        """A .c file that is part of its folder's archive, which is a part of the one above, up to the top."""
        path = Path(name)
        if path.suffix != ".c" or not (self.tree / path).is_file():
            return False
        if not any((self.tree / path.parent / makefile).exists() for makefile in ("Kbuild", "Makefile")):
            return False
        part = f"{path.stem}.o"
        for folder in path.parents:
            if part not in self._archive_command(folder).split():
                return False
            part = f"{folder.name}/built-in.a"
        return True

    def _archive_command(self, folder: Path) -> str:
        """How kbuild made a folder's archive; "" if it did not."""
        try:
            first, _, _ = (self.objects / folder / ".built-in.a.cmd").read_text().partition("\n")
        except OSError:
            return ""
        _, _, command = first.partition(" := ")
        return command.replace("$$", "$").replace("$(pound)", "#")

    def _steps(self, folders: Iterable[str]) -> Iterator[list[str]]:
        folders = list(folders)
        for folder in folders:
            yield [*self._make("build"), f"obj={folder}", "need-builtin=1", "need-modorder=1"]
        above = {parent for folder in folders for parent in Path(folder).parents}
        for parent in sorted(above, key=lambda path: len(path.parts), reverse=True):
            yield ["sh", "-c", self._archive_command(parent)]
        for name in _LINK:
            yield self._make(name)

    def _make(self, name: str) -> list[str]:
        return ["make", "-f", f"{self.sources}/scripts/Makefile.{name}"]

    def _name_image(self) -> None:
        """What arch/um calls the kernel is a second name of vmlinux."""
        image, vmlinux = self.objects / self.image, self.objects / "vmlinux"
        if image != vmlinux:
            image.unlink(missing_ok=True)
            image.hardlink_to(vmlinux)

    def _exports(self, jobs: int) -> dict[str, str]:
        pairs = (entry.partition("=") for entry in self._record.read_text().split("\0") if entry)
        exports = {name: value for name, _, value in pairs if name not in _OF_MAKE}
        kept = [
            f for f in re.split(r"(?<!\\) ", exports.get("MAKEFLAGS", "")) if not _OF_ONE_RUN.fullmatch(f)
        ]
        exports["MAKEFLAGS"] = " ".join((*kept[:1], f"-j{jobs}", *kept[1:]))
        return exports

    def _write(self, exports: dict[str, str]) -> None:
        """Whole or not at all."""
        new = self._record.with_suffix(".new")
        new.write_text("".join(f"{name}={value}\0" for name, value in exports.items()))
        new.replace(self._record)
