# SPDX-License-Identifier: GPL-2.0-or-later
"""The architectures that patches are compiled for, and the compilers of those that are not this machine's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farwatch.errors import unknown

PACKAGES = "system-packages.sweep.txt"
"""What compiling for them takes, besides what every kernel needs."""


@dataclass(frozen=True)
class Architecture:
    """name: ARCH= of a build. cross: what the names of its compiler and binutils begin with."""

    name: str
    cross: str = ""


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("um"),
        Architecture("x86_64"),
        Architecture("arm64", "aarch64-linux-gnu-"),
        Architecture(
            "arm", "arm-linux-gnueabihf-"
        ),  # 32 bits: size_t is no u64, and a division may be a call
    )
}


def architectures(names: str = "all") -> tuple[Architecture, ...]:
    """Those of "NAME,NAME", each once."""
    if names == "all":
        return tuple(ARCHITECTURES.values())
    return tuple(dict.fromkeys(_architecture(name) for name in _words(names)))


def _words(names: str) -> Sequence[str]:
    return [name.strip() for name in names.split(",")]


def _architecture(name: str) -> Architecture:
    if name not in ARCHITECTURES:
        raise unknown("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]
