# SPDX-License-Identifier: GPL-2.0-or-later
"""sparse, the kernel's checker of types: the installed one if it can read the tree, else one of our own.

A kernel says itself which sparse it takes (scripts/checker-valid.sh); kbuild leaves the checker out, with no
more than a line in the log, where that says no: as of 7.3 to all that Debian 12 and 13 have.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from farwatch.builds import store
from farwatch.builds.store import Product
from farwatch.errors import FarwatchError
from farwatch.model import Base, hash_of
from farwatch.system import tools
from farwatch.system.home import Home
from farwatch.system.locks import locked

PIN = Base(
    "sparse",
    "0.6.5-rc1",
    kind="deb-source",
    package="sparse",
    suite="forky",
    version="0.6.5~rc1",
    sha256="3ac8855ec7f3ab92f325be0f64347ccc2b10f8b4d7c2906783ee8e2bdab3f0de",
)
"""What is built where the installed one will not do. No base: no series is written for it."""
JUDGE = "scripts/checker-valid.sh"
"""A kernel's own test of a checker; prints 1 for one that it takes."""
_PLAIN = ("HAVE_LLVM=no", "HAVE_SQLITE=no", "HAVE_LIBXML=no", "HAVE_GTK=no")
"""Other programs of its sources are not wanted, and what they need is not looked for."""
_LIMIT = 600.0
_JUDGE_LIMIT = 60.0


@dataclass(frozen=True)
class Sparse:
    """A checker that can be used: what kbuild is told, and what tells it from others."""

    program: str
    identity: str

    @property
    def options(self) -> tuple[str, ...]:
        """Of make, besides C=1 or C=2."""
        return (f"CHECK={self.program}",)


class SparseBuild(Product):
    """A finished sparse, in Home.builds."""

    KIND = "sparse"

    @property
    def binary(self) -> Path:
        return self.folder / "sparse"


def find(
    home: Home, judge: bytes | None, fetch: Callable[[Base], Path], say: Callable[[str], None], jobs: int
) -> Sparse:
    """One that a tree takes, built if it has to be; FarwatchError if none can be had.

    judge: the tree's JUDGE; None: it has none, and takes any
    fetch: brings the archive of the PIN
    """
    installed = shutil.which("sparse")
    if installed and takes(judge, installed):
        return Sparse("sparse", tools.version_line("sparse"))
    built = _own(home, fetch, say, jobs, why=_unfit(installed))
    if not takes(judge, str(built.binary)):
        raise FarwatchError(
            f"sparse {PIN.name} is too old for this kernel",
            cause=f"its {JUDGE} does not take it",
            hint="put a newer one on PATH, or pin one: PIN in tools/farwatch/builds/sparse.py",
        )
    return Sparse(str(built.binary), built.key)


def takes(judge: bytes | None, program: str) -> bool:
    """Whether a tree takes a checker."""
    if judge is None:
        return True
    with tempfile.NamedTemporaryFile(suffix=".sh") as script:
        script.write(judge)
        script.flush()
        done = subprocess.run(
            ["sh", "-eu", script.name, program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_JUDGE_LIMIT,
            check=False,
        )
    return done.stdout.strip() == b"1"


def _unfit(installed: str | None) -> str:
    if installed is None:
        return "sparse is not installed"
    return f"{installed} ({tools.version_line('sparse')}) is too old for this kernel"


def _own(
    home: Home, fetch: Callable[[Base], Path], say: Callable[[str], None], jobs: int, *, why: str
) -> SparseBuild:
    """The pinned one."""
    key = hash_of("sparse", PIN.sha256, tools.version_line("gcc"), *_PLAIN)
    lock = home.objects / "sparse.lock"
    with locked(lock, lambda who: say(f"waiting for {who}, which builds sparse")):
        if done := store.find_product(home, SparseBuild, key):
            return done
        say(f"{why}: building {PIN.name}")
        try:
            archive = fetch(PIN)
        except FarwatchError as error:
            raise _unavailable(error, why) from error
        return _build(home, key, archive, jobs)


def _unavailable(error: FarwatchError, why: str) -> FarwatchError:
    cause = "\n".join(filter(None, (why, error.what, error.cause)))
    hint = (
        "let apt reach the Debian archive, or put a newer sparse on PATH; a version that is gone from there "
        "is pinned in tools/farwatch/builds/sparse.py"
    )
    return FarwatchError("no sparse that can read this kernel", cause=cause, hint=hint)


def _build(home: Home, key: str, archive: Path, jobs: int) -> SparseBuild:
    from farwatch.builds.diagnose import failure  # no need of a build that works

    started, label = time.monotonic(), f"sparse {PIN.name}"
    commands: tuple[list[str | Path], ...] = (
        ["tar", "-xf", archive, "--strip-components=1"],
        ["make", f"-j{jobs}", *_PLAIN, f"SPARSE_VERSION={PIN.name}", "sparse"],
    )
    with tempfile.TemporaryDirectory(prefix=".cold-", dir=home.objects) as name:
        folder = Path(name)
        log = folder / "farwatch.log"
        for argv in commands:
            status = tools.run_logged(
                argv, cwd=folder, log=log, env={"LC_ALL": "C"}, timeout=_LIMIT, append=True
            )
            if status != 0:
                raise failure(label, log)
        record = {"seconds": round(time.monotonic() - started, 1), "label": label}
        files = {"sparse": folder / "sparse", store.LOG: log}
        return store.keep_product(home, SparseBuild, key, record, files)
