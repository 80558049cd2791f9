# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets a patch: answers as real scripts give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.mail.letters import Recipients
from farwatch.mail.send import _maintainers
from farwatch.review import kernel_rules
from farwatch.review.findings import Instead, PatchRecipients, Review, read_patches
from farwatch.review.maintainers import Maintainer, read_answer, script_options
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.parts import parts_of
from tests.samples.mail import app_of, write_series
from tests.samples.tree import FILES, desk, sha256, write_tar


@pytest.mark.parametrize(
    ("line", "who", "is_list"),
    [
        (
            "Miklos Szeredi <miklos@szeredi.hu> (maintainer:FUSE: FILESYSTEM)",
            "Miklos Szeredi <miklos@szeredi.hu>",
            0,
        ),
        (
            '"Matthew Wilcox (Oracle)" <willy@infradead.org> (maintainer:PAGE CACHE)',
            '"Matthew Wilcox (Oracle)" <willy@infradead.org>',
            0,
        ),
        ("A <a@x.org> (supporter:DRM (AND OTHERS),reviewer:LISTS)", "A <a@x.org>", 0),
        ("linux-fsdevel@vger.kernel.org (open list:FUSE: FILESYSTEM)", "linux-fsdevel@vger.kernel.org", 1),
        ("linux-arm@x.org (moderated list:ARM PORT)", "linux-arm@x.org", 1),
        ("x@x.org (subscriber list:LISTS (OLD))", "x@x.org", 1),
        ("x@x.org (reviewer:LISTS, MAILING LIST)", "x@x.org", 0),
    ],
)
def test_the_role_stands_in_the_last_bracket(line: str, who: str, is_list: int) -> None:
    assert read_answer(line) == [Maintainer(who, bool(is_list))]


def test_each_address_once_and_nothing_else() -> None:
    said = "A <a@x.org> (maintainer:X)\nbad divisor\n\nA <a@x.org> (maintainer:X)\nl@x.org (open list)\n"
    assert [found.who for found in read_answer(said)] == ["A <a@x.org>", "l@x.org"]


def test_a_script_is_asked_for_what_it_knows(tmp_path: Path) -> None:
    """QEMU's ends with an error for the penguins; without the option, the kernel's adds Linus."""
    script = tmp_path / "get_maintainer.pl"
    script.write_text("'git!' => \\$email_git,\n'git-chief-penguins!' => \\$email_git_penguin_chiefs,\n")
    assert "--no-git-chief-penguins" in script_options(script)
    script.write_text("'git!' => \\$email_git,\n")
    assert script_options(script) == ["--no-git", "--no-git-fallback", "--rolestats"]


SCRIPT = b"""\
use strict; my $path = "MAINTAINERS"; # mpath
for (@ARGV) { $path = $1 if /^--mpath=(.*)/ }
-d "fs" or die "no tree\\n";
for my $file ($path, ".mailmap") { open(my $in, "<", $file) or next; print while <$in>; }
"""


@pytest.mark.parametrize("has_it", [True, False])
def test_lint_and_send_have_one_answer(tmp_path: Path, has_it: bool) -> None:
    """Of any component, with its own .mailmap; one without a script says what is done instead."""
    more = {".mailmap": b"M <mapped@x.org> (maintainer:Y)\n", "MAINTAINERS": b"l@x.org (open list:X)\n"}
    files = {**FILES, **more}
    bench = desk(tmp_path)
    archive = tmp_path / "thing-1.0.tar.xz"
    before = sha256(archive)
    write_tar(archive, files={**files, "scripts/get_maintainer.pl": SCRIPT} if has_it else files)
    bases = bench.root / "patches/bases.toml"
    bases.write_text(bases.read_text().replace(before, sha256(archive)))
    bench.catalog = Catalog.load(bench.root)
    bench.trees = bench.again()
    write_series(bench)
    app = app_of(bench)
    revision = app.catalog.revision("v1")
    [one, _] = read_patches(app, revision, "thing", bench.base)
    review = Review(app, revision, {"thing": bench.base}, (one,), False, None)
    outcomes = list(kernel_rules._maintainers(review))
    [part] = parts_of(revision, "thing")
    said = _maintainers(app, revision, part, bench.base)
    if has_it:
        assert outcomes == [PatchRecipients(one.name, ("l@x.org", "M <mapped@x.org>"))]
        assert (said.to, said.cc) == (("M <mapped@x.org>",), ("l@x.org",))
    else:
        assert [type(found) for found in outcomes] == [PatchRecipients, Instead] and said == Recipients()
        assert "send v1 thing --branch" in outcomes[1].text  # type: ignore[union-attr]
