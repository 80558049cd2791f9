# SPDX-License-Identifier: GPL-2.0-or-later
"""A small kernel with scripts of its own, a small crate, and series for them: for tests of lint."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from farwatch.app import App
from farwatch.system.home import Home
from tests.samples.tree import sha256, write_tar

CHECKPATCH = """\
#!/usr/bin/perl
# Complains of each added line with the word "ugly"; says what it was asked, in the words of the real one.
die "somebody's settings" if $ENV{GIT_DIR} || -e "$ENV{HOME}/.checkpatch.conf";
my $strict = grep { $_ eq "--strict" } @ARGV;
my $spelling = grep { $_ eq "--types=TYPO_SPELLING" } @ARGV;
my $signoff = !grep { $_ eq "--no-signoff" } @ARGV;
my $file = $ARGV[-1];
my @lines = $file eq "-" ? <STDIN> : do { open(my $in, "<", $file) or die; <$in> };
my $number = 0;
open(my $log, ">>", "checkpatch.log"); print $log "@ARGV\\n";
foreach (@lines) {
	$number++;
	print "$file:$number: WARNING:UGLY: this is ugly\\n" if !$spelling && /^\\+.*ugly/;
	print "$file:$number: CHECK:CAMELCASE: Avoid CamelCase\\n" if $strict && /^\\+.*camelCase/;
	print "$file:$number: WARNING:TYPO_SPELLING: 'teh' may be misspelled - perhaps 'the'?\\n" if /\\bteh\\b/;
}
print "$file:1: ERROR:MISSING_SIGN_OFF: no sign-off\\n" if $signoff && !grep { /^Signed-off-by:/ } @lines;
exit 1;
"""
GET_MAINTAINER = """\
#!/usr/bin/perl
# Everybody whose folder is named in the patch. Dies outside of what looks like a tree.
-d "fs" or die "not a tree";
my ($path) = map { /^--mpath=(.*)/ ? $1 : () } @ARGV;
open(my $in, "<", $ARGV[-1]) or die; my $patch = join("", <$in>);
open(my $all, "<", $path) or die;
while (<$all>) {
	my ($folder, $who) = /^(\\S+) (.*)$/ or next;
	print "$who (maintainer:X)\\n" if $patch =~ m{^diff --git a/$folder}m;
}
"""
KERNEL_DOC = """\
#!/usr/bin/env python3
import sys
for name in sys.argv[1:]:
    if not name.startswith("-"):
        for number, line in enumerate(open(name), start=1):
            if line.startswith("int undescribed"):
                print(f"Warning: {name}:{number} function {line.split('(')[0].split()[1]} is not described")
"""
KERNEL: dict[str, bytes | Path] = {
    "MAINTAINERS": b"fs Some One <one@example.org>\nmm Other One <other@example.org>\n",
    "Makefile": b"all:\n",
    "fs/fuse/dir.c": b"/** old */\nint undescribed_old(void);\n" + b"line\n" * 20,
    "fs/fuse/fuse.h": b"#define X 1\n",
    "mm/page.c": b"page\n" * 20,
    "scripts/checkpatch.pl": CHECKPATCH.encode(),
    "scripts/get_maintainer.pl": GET_MAINTAINER.encode(),
    "scripts/kernel-doc": KERNEL_DOC.encode(),
    "scripts/spelling.txt": b"teh||the\n",
}
CRATE: dict[str, bytes | Path] = {
    "Cargo.toml": b'[package]\nname = "virtiofsd"\nedition = "2021"\n',
    "src/main.rs": b"fn main() {}\n\nfn   old( ) {}\n",
    "LICENSE": b"text\n",
}
TREES = {"linux": KERNEL, "virtiofsd": CRATE}
MESSAGE = "fuse: change something\n\nBecause it has to be so.\n"


@dataclass(frozen=True)
class Change:
    """A commit: message, files as they are afterwards (None: gone), author."""

    files: dict[str, bytes | None]
    message: str = MESSAGE
    author: str = "farwatch <farwatch@localhost>"


def lint_app(tmp_path: Path) -> App:
    """A checkout with both bases and no revisions, and a home of its own."""
    patches = tmp_path / "root" / "patches"
    patches.mkdir(parents=True)
    pins = ""
    for component, files in TREES.items():
        archive = write_tar(tmp_path / f"{component}-1.0.tar", files=files)
        pin = f'kind = "tarball"\nlocation = "{archive}"\nsha256 = "{sha256(archive)}"\n'
        pins += f'[{component}."1.0"]\n{pin}'
    (patches / "bases.toml").write_text(pins)
    (tmp_path / "home").mkdir()
    return App(tmp_path / "root", Home(tmp_path / "home"))


def revision(app: App, name: str, more: str = "", **series: Iterable[Change]) -> None:
    """A revision with these series; without any, with the patch files that it has."""
    folder = app.root / "patches" / name
    folder.mkdir(exist_ok=True)
    text = f'title = "t"\n[bases]\nlinux = "1.0"\nvirtiofsd = "1.0"\n{more}'
    (folder / "revision.toml").write_text(text)
    for component, changes in series.items():
        write_patches(folder / component, TREES[component], changes)


def write_patches(folder: Path, files: dict[str, bytes | Path], changes: Iterable[Change]) -> None:
    """Patch files for the changes, one on top of the other, as git format-patch writes them."""
    folder.mkdir(exist_ok=True)
    now = {name: content for name, content in files.items() if isinstance(content, bytes)}
    for number, change in enumerate(changes, start=1):
        subject, _, body = change.message.partition("\n")
        diff = "".join(_diff(name, now.get(name), content) for name, content in change.files.items())
        name = "-".join(re.findall(r"[A-Za-z0-9_.]+", subject))[:52].rstrip(".-")
        text = f"From: {change.author}\nDate: Fri, 2 Jan 2026 03:04:05 +0000\nSubject: [PATCH] {subject}\n\n"
        text = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n{text}{body.lstrip()}---\n x | 1 +\n\n{diff}"
        (folder / f"{number:04}-{name}.patch").write_text(text)
        for file, after in change.files.items():
            now.pop(file, None)
            if after is not None:
                now[file] = after


def _diff(name: str, before: bytes | None, after: bytes | None) -> str:
    """One file's part of a patch."""
    old, new = ((text or b"").decode().splitlines(keepends=True) for text in (before, after))
    old_name = "/dev/null" if before is None else f"a/{name}"
    new_name = "/dev/null" if after is None else f"b/{name}"
    mode = (
        "new file mode 100644\n" if before is None else "deleted file mode 100644\n" if after is None else ""
    )
    return f"diff --git a/{name} b/{name}\n{mode}" + "".join(
        difflib.unified_diff(old, new, old_name, new_name)
    )


def kernel_file(name: str) -> bytes:
    content = KERNEL[name]
    assert isinstance(content, bytes)
    return content
