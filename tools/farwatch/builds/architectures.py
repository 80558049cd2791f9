# SPDX-License-Identifier: GPL-2.0-or-later
"""The architectures that patches are compiled for, and the compilers of those that are not this machine's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from farwatch.errors import unknown

Config = Literal["allmodconfig", "allyesconfig"]
"""All of the kernel: as modules, which need exports; or built in, as what cannot be a module wants it."""
CONFIGS: tuple[Config, ...] = get_args(Config)
_SWEEP = "system-packages.sweep.txt"


@dataclass(frozen=True)
class Architecture:
    """What is behind a name.

    name:     ARCH= of a build
    cross:    what the names of its compiler and binutils begin with
    packages: lists of what compiling for it takes, besides what every kernel needs
    """

    name: str
    cross: str = ""
    packages: tuple[str, ...] = (_SWEEP,)


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("um"),
        Architecture("x86_64"),
        Architecture("arm64", "aarch64-linux-gnu-", (_SWEEP, "system-packages.arm64.txt")),
        # 32 bits: size_t is no u64, and a division may be a call
        Architecture("arm", "arm-linux-gnueabihf-", (_SWEEP, "system-packages.arm.txt")),
    )
}


def architectures(names: str = "all") -> tuple[Architecture, ...]:
    """Those of "NAME,NAME", each once."""
    if names == "all":
        return tuple(ARCHITECTURES.values())
    return tuple(dict.fromkeys(_architecture(name.strip()) for name in names.split(",")))


def _architecture(name: str) -> Architecture:
    if name not in ARCHITECTURES:
        raise unknown("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]
