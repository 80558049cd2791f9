# SPDX-License-Identifier: GPL-2.0-or-later
"""Which package brings what a build lacks."""

from __future__ import annotations

import pytest

from farwatch.system.needs import package_of


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("flex", "flex"),
        ("ld", "binutils"),
        ("cc", "gcc"),
        ("cargo", "cargo-web or cargo"),
        ("ninja", "ninja-build"),
        ("seccomp", "libseccomp-dev"),
        ("cap-ng", "libcap-ng-dev"),
        ("elf", "libelf-dev"),
        ("crypto", "libssl-dev"),
        ("frobnicate", "frobnicate"),
    ],
)
def test_the_lists_know_the_package(name: str, package: str) -> None:
    """A program by its name, a library by the name after -l, one that is in no list by itself."""
    assert package_of(name) == package
