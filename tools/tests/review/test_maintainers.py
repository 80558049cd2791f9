# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets a patch: answers as real scripts give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.review.maintainers import Maintainer, read_answer, script_options


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
