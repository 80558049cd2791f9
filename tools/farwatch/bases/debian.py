# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources in the Debian archive that this machine already uses, in any of its suites.

Kind deb is a package that holds a tarball of sources; kind deb-source is a source package, of which the
upstream tarball is taken, with as much of Debian's series of patches as the base asks for: upstream's stable
releases come first in it. Any Debian revision of the pinned version that has those patches will do.
apt works on private lists, so neither the system's own lists nor root are needed. The address is the
one in the machine's apt settings; signatures are checked against the Debian archive's keyring.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from pathlib import Path

from farwatch.bases.archive import VersionGone, entry, no_space, pin_lines, tool_failed
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system.home import Home
from farwatch.system.locks import locked

Say = Callable[[str], None]

_UPDATE_LIMIT = 600.0
_DOWNLOAD_LIMIT = 3600.0
_UNPACK_LIMIT = 600.0
_PATCH = ("patch", "-t", "-s", "-N", "-F0", "-p1", "-u", "-E", "-V", "never", "-i")
_KEYRINGS = tuple(Path("/usr/share/keyrings") / f"debian-archive-keyring.{end}" for end in ("gpg", "pgp"))
_FORMS = {
    "deb": (("download",), "*.deb"),
    "deb-source": (("source", "--download-only", "--only-source"), "*.orig.tar.?z"),
}
"""Kind -> words of apt-get, and the file that they bring."""
_INSTALL = (
    "install apt and dpkg (this kind of base needs a Debian system), or use a base of kind git or tarball"
)


def download(base: Base, home: Home, folder: Path, say: Say) -> Path:
    """The tarball of the package, in `folder`. Not verified against the pin yet."""
    options = _private_apt(base, home)
    words, pattern = _FORMS[base.kind]
    if base.kind == "deb-source" and not base.updates:
        words += ("--tar-only",)  # nothing else of the package is read, and archives lack some of it at times
    lock = home.downloads / f"apt-{base.suite}.lock"
    with locked(lock, lambda who: say(f"waiting for {who}, which reads the package list of {base.suite}")):
        say(f"reading the package list of {base.suite}")
        _apt(base, home, folder, "apt-get", *options, "update", limit=_UPDATE_LIMIT)
        wanted = f"{base.package}={_version_there(base, home, folder, options)}"
        say(f"downloading {base.package} {base.version}")
        _apt(base, home, folder, "apt-get", *options, *words, wanted, limit=_DOWNLOAD_LIMIT)
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise FarwatchError(f"apt-get {words[0]} {wanted} left no {pattern}", hint="run the command again")
    if base.kind == "deb-source":
        return _updated(base, files[0], folder, say) if base.updates else files[0]
    say(f"unpacking {base.package}")
    return tarball_inside(files[0], folder)


def mirror(suite: str, targets: str) -> str:
    """The archive's address for a suite, from lines "ADDRESS RELEASE" as apt prints them.

    That of the same release; else of one for the same purpose (the security archive is apart from the
    main one); else of a release without a suffix: the main archive. Empty when there is none.
    """
    known = [(words[1], words[0]) for words in map(str.split, targets.splitlines()) if len(words) == 2]
    purpose = suite.partition("-")[2]
    for fits in (
        lambda release: release == suite,
        lambda release: purpose == "security" and release.endswith("-security"),
        lambda release: "-" not in release and "/" not in release,
        lambda release: purpose != "security" and release.endswith(("-updates", "-backports")),
    ):
        for release, address in known:
            if fits(release):
                return address
    return ""


def _private_apt(base: Base, home: Home) -> list[str]:
    """apt options that keep to a private folder, with a one-line sources list in it."""
    private = home.downloads / "apt" / f"{base.suite}-{base.kind}"
    for part in ("lists/partial", "cache/archives/partial"):
        (private / part).mkdir(parents=True, exist_ok=True)
    keyring = next((f"[signed-by={path}] " for path in _KEYRINGS if path.is_file()), "")
    archive = "deb-src" if base.kind == "deb-source" else "deb"
    (private / "sources.list").write_text(f"{archive} {keyring}{_address(base)} {base.suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": private / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": private / "lists",
        "Dir::Cache": private / "cache",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": "60",
        "Acquire::https::Timeout": "60",
        "APT::Update::Error-Mode": "any",  # otherwise no network is a warning, and old lists are used
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _address(base: Base) -> str:
    question = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    found = mirror(base.suite, _run(*question, cwd=Path("/"), limit=60).stdout)
    if not found:
        raise FarwatchError(
            f"cannot tell where to get {base.package} {base.version}",
            cause="apt on this machine has no archive with package lists",
            hint="apt-get update (as root), or use a base of kind git or tarball in patches/bases.toml",
        )
    return found


def _version_there(base: Base, home: Home, folder: Path, options: list[str]) -> str:
    """The archive's version that is the pinned one; VersionGone with those that are there if none is."""
    listing = _apt(base, home, folder, "apt-cache", *options, "madison", base.package, limit=60)
    rows = [[part.strip() for part in row.split("|")] for row in listing.splitlines() if "|" in row]
    # the local dpkg status is in it too, but only the suite can be downloaded from
    there = [row[1] for row in rows if len(row) >= 3 and f" {base.suite}/" in f" {row[2]}"]
    fitting = [version for version in there if _pinned_part(base, version) == base.version]
    if fitting:
        return fitting[0]
    if not there:
        raise VersionGone(
            f"{base.suite} has no package {base.package}",
            cause=f"the Debian archive of this machine does not offer it in {base.suite}",
            hint=_instead(base, pin_lines(base, suite="a suite that has it")),
        )
    pins = {
        "version": _pinned_part(base, there[0]),
        "sha256": "that of its tarball: the next run tells it",
    }
    newest = newest_of_release(base, there)
    raise VersionGone(
        f"{base.package} {base.version} is no longer in {base.suite}",
        cause=f"versions there: {', '.join(there)}",
        hint=_instead(base, pin_lines(base, **pins), newest),
        newest=newest,
    )


def _instead(base: Base, pins: str, newest: str = "") -> str:
    """What can be done about a version that is gone, one a line."""
    places = 'name what still has it: places = ["PATH OR URL"]'
    ways = [f"in patches/bases.toml, under {entry(base)}, {places}", pins]
    if newest:
        option = f"--base {base.name} --base-version newest"
        ways.insert(0, f"farwatch verify {option} (also test, build, boot) takes {newest} and says so")
    return "\n  or: ".join(ways)


def newest_of_release(base: Base, versions: Sequence[str]) -> str:
    """The newest of these Debian versions that is of the upstream release of a base (7.3.*); "" if none is.

    Of kind deb alone: deb-source takes any Debian revision of its upstream part anyhow, and with another part
    of it goes another list of patches, which only a person can choose.
    """
    if base.kind != "deb":
        return ""
    release = re.match(r"[0-9]+(\.[0-9]+)?", _upstream(base.version))
    if release is None:
        return ""
    # 7.30 is no 7.3, and 7.3~rc1 is what came before it
    same = re.compile(rf"{re.escape(release[0])}([.+][A-Za-z0-9.+~]*)?")
    fitting = [version for version in versions if same.fullmatch(_upstream(version))]
    return max(fitting, key=cmp_to_key(_compared), default="")


def _compared(one: str, other: str) -> int:
    """As dpkg orders versions: below zero, zero, above."""
    newer = _run("dpkg", "--compare-versions", one, "gt", other, cwd=Path("/"), limit=60).returncode == 0
    return 1 if newer else 0 if one == other else -1


def _pinned_part(base: Base, version: str) -> str:
    """What of a Debian version a base pins: all of it, or upstream's part."""
    return version if base.kind == "deb" else _upstream(version)


def _upstream(version: str) -> str:
    """Upstream's part of a Debian version: neither epoch nor revision."""
    rest = version.partition(":")[2] if ":" in version else version
    return rest.rpartition("-")[0] if "-" in rest else rest


def _apt(base: Base, home: Home, folder: Path, *command: str, limit: float) -> str:
    done = _run(*command, cwd=folder, limit=limit)
    if done.returncode == 0:
        return done.stdout
    raise tool_failed(
        f"{command[0]} cannot get {base.package} from {base.suite}",
        done.stdout + done.stderr,
        folder=home.downloads,
        hint="see what apt says above; `apt-get update` should work on this machine",
    )


def _run(*command: str, cwd: Path, limit: float) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        raise FarwatchError(f"{command[0]} is not installed", hint=_INSTALL)
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        cause = f"no end after {limit:.0f} s"
        raise FarwatchError(
            f"{command[0]} hangs", cause=cause, hint="look at the network, try again"
        ) from error


def _updated(base: Base, upstream: Path, folder: Path, say: Say) -> Path:
    """A tarball of upstream's sources with the patches up to base.updates; the same bytes every time."""
    say(f"patching {base.package} up to {base.updates}")
    packaging = next(folder.glob("*.debian.tar.?z"), None)
    if packaging is None:
        raise FarwatchError(
            f"{base.package} {base.version} brings no patches", hint=pin_lines(base, updates="")
        )
    debian, tree = folder / "packaging", folder / "tree"
    for found, target in ((packaging, debian), (upstream, tree)):
        target.mkdir()
        _run_or_fail(base, folder, "tar", "-xf", str(found), "-C", str(target))
    (source,) = tree.iterdir()
    for patch in _series(base, debian / "debian" / "patches"):
        # as dpkg-source does it: no fuzz, and binary test data, of which a diff has nothing, is left as it is
        _run_or_fail(base, source, *_PATCH, str(patch))
    return _packed(source, folder / "updated.tar")


def _series(base: Base, patches: Path) -> list[Path]:
    """The patches to apply, in order."""
    listed = (patches / "series").read_text().split()
    if base.updates not in listed:
        raise FarwatchError(
            f"{base.package} {base.version} has no patch {base.updates}",
            cause=f"first patches there: {', '.join(listed[:30])}",
            hint=pin_lines(base, updates="one of them", sha256="the next run tells it"),
        )
    return [patches / name for name in listed[: listed.index(base.updates) + 1]]


def _packed(source: Path, target: Path) -> Path:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(source, source.name, filter=plain)  # sorts
    return target


def _run_or_fail(base: Base, folder: Path, *command: str) -> None:
    done = _run(*command, cwd=folder, limit=_UNPACK_LIMIT)
    if done.returncode != 0:
        raise tool_failed(
            f"{command[0]} cannot make the sources of {base.label}",
            done.stdout + done.stderr,
            folder=folder,
            hint="run the command again; if it fails again, see updates in patches/bases.toml",
        )


def tarball_inside(package: Path, folder: Path) -> Path:
    """Take usr/src/*.tar.* out of a .deb, into `folder`; the .deb is gone afterwards."""
    if shutil.which("dpkg-deb") is None:
        raise FarwatchError("dpkg-deb is not installed", hint=_INSTALL)
    target = folder / "archive"
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            found = _extract(process.stdout, target)
        finally:
            process.kill()
    if not found:
        cause = "expected one file usr/src/*.tar.xz in it"
        hint = "is it a source package? see package in patches/bases.toml"
        raise FarwatchError("the package holds no source", cause=cause, hint=hint)
    package.unlink()
    return target


def _extract(stream: object, target: Path) -> bool:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                inside = tar.extractfile(member) if member.isreg() else None
                if (
                    inside is not None
                    and member.name.lstrip("./").startswith("usr/src/")
                    and ".tar" in member.name
                ):
                    with target.open("wb") as sink:
                        shutil.copyfileobj(inside, sink, 1 << 20)
                    return True
    except tarfile.TarError:
        if shutil.disk_usage(target.parent).free < 1 << 20:
            raise no_space(target.parent) from None
    return False
