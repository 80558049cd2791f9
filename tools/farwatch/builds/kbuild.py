# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's make, run in an object folder beside its sources: the same sources give the same bytes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.system import tools
from farwatch.system.home import Home

_LINK = "src"
"""Name of the link from an object folder to its sources. Compilers see only paths below it, so ccache's
entries and kbuild's saved command lines are the same for every checkout."""
_LIMIT = 3600.0
"""Seconds that one make may take."""
_SHELL = (  # would come from a person's shell, and change the result
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARCH", "CROSS_COMPILE", "KBUILD_OUTPUT", "LLVM"),
    *("KCFLAGS", "KCPPFLAGS", "CFLAGS", "LDFLAGS", "KCONFIG_CONFIG", "KCONFIG_ALLCONFIG", "W", "V", "O", "M"),
    *("CCACHE_DISABLE", "CCACHE_BASEDIR", "CCACHE_CONFIGPATH", "CCACHE_RECACHE", "C", "CHECK"),
)
FIXED = {
    # compilers write in a person's language, and its quotation marks; LC_ALL alone does not reach them:
    # the kernel's Makefile takes it out
    **dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG"), "C"),
    "LANGUAGE": "",
    "KBUILD_BUILD_TIMESTAMP": "@0",
    "KBUILD_BUILD_USER": "farwatch",
    "KBUILD_BUILD_HOST": "farwatch",
    "KBUILD_BUILD_VERSION": "1",
    "LOCALVERSION": "",  # set, though empty: no "+" for a commit that has no tag
}


@dataclass(frozen=True)
class Kbuild:
    """What make is told in one object folder.

    tree:     the sources
    absolute: make calls the sources by their way from the root, as the makefiles below tools/ want it
    cross:    what the names of another architecture's compiler and binutils begin with
    """

    home: Home
    objects: Path
    tree: Path
    arch: str
    absolute: bool = False
    cross: str = ""

    @property
    def sources(self) -> str:
        """What make and compilers call the source folder."""
        return str(self.objects / _LINK) if self.absolute else _LINK

    def point_at_tree(self) -> None:
        """See to it that the folder's link leads to the sources."""
        link = self.objects / _LINK
        if not link.is_symlink() or link.readlink() != self.tree:
            link.unlink(missing_ok=True)
            link.symlink_to(self.tree)

    def make(
        self, log: Path, *targets: str, jobs: int = 1, on_line: Callable[[str], None] | None = None
    ) -> int:
        """Its exit status. It runs in the object folder itself: saves two rounds of finding where it is."""
        argv = ["make", "--no-print-directory", f"-j{jobs}", "-f", f"{_LINK}/Makefile"]
        argv += [
            f"ARCH={self.arch}",
            f"srctree={self.sources}",
            f"srcroot={self.sources}",
            f"CC={compiler(self.cross)}",
            *([f"CROSS_COMPILE={self.cross}"] if self.cross else []),
        ]
        return self.run(log, [*argv, *targets], on_line=on_line)

    def run(
        self,
        log: Path,
        argv: Sequence[str],
        exports: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> int:
        """One command of kbuild's, in the object folder; its exit status.

        exports: what the top makefile would hand to it
        """
        ours = {**dict.fromkeys(_SHELL), **FIXED, **ccache_environ(self.home, self.objects)}
        return tools.run_logged(
            argv,
            cwd=self.objects,
            log=log,
            env={**ours, **(exports or {})},
            on_line=on_line,
            timeout=_LIMIT,
            append=True,
        )

    def same_kconfig(self, since: int) -> bool:
        """Whether no Kconfig file that .config came from has changed since a time in ns."""
        try:
            listed = (self.objects / "include" / "config" / "auto.conf.cmd").read_text()
        except OSError:
            return False
        files = re.findall(r"^\s+(\S*Kconfig\S*)(?: \\)?$", listed, re.MULTILINE)
        return bool(files) and all(_older(self.tree / name, since) for name in files)


def toolchain(cross: str = "") -> str:
    """First lines of what compiler and linker say about themselves."""
    return "\n".join(tools.version_line(f"{cross}{tool}") for tool in ("gcc", "ld"))


def compiler(cross: str = "") -> str:
    """CC= of a build."""
    return f"ccache {cross}gcc" if shutil.which("ccache") else f"{cross}gcc"


def ccache_environ(home: Home, folder: Path) -> dict[str, str | None]:
    """Our own cache. No working folder in its hashes: compilers see paths relative to it, or ccache does."""
    settings = {"CCACHE_NOHASHDIR": "1", "CCACHE_MAXSIZE": "5G", "CCACHE_DEPEND": "1"}
    return {"CCACHE_DIR": str(home.ccache), "CCACHE_BASEDIR": str(folder), **settings}


def _older(path: Path, than: int) -> bool:
    try:
        return path.stat().st_mtime_ns < than
    except OSError:
        return False
