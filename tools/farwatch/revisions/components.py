# SPDX-License-Identifier: GPL-2.0-or-later
"""What a component is: a tree with a way to build it, and what it is in a guest or for one.

bases.toml says it in the component's table, except of those that everybody has:

    [mytool]
    default = "1.0"
    build = "make"        # or cargo, meson, script
    role = "tool"         # or server, vmm
    program = "bin/it"    # what comes out of it, if not its name
    script = "build-it"   # of build = "script": in the project
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farwatch.errors import FarwatchError
from farwatch.revisions.strict_toml import TomlTable

KERNEL = "linux"
"""The component whose bases are columns of the table, and that all guests run."""
KEYS = ("default", "build", "role", "program", "script")
BUILDS = ("kbuild", "qemu", "cargo", "meson", "make", "script")
ROLES = ("kernel", "server", "vmm", "tool")
"""server: serves the share, called as virtiofsd is. vmm: QEMU. tool: programs for the guest's PATH."""


@dataclass(frozen=True)
class Component:
    """A tree that series are for. build and role are empty where it has patches alone (manual pages, say)."""

    name: str
    build: str = ""
    role: str = ""
    program: str = ""
    """Path of what is built, in what the build leaves behind."""
    script: str = ""
    """Path from the folder of the project."""


USUAL = {
    KERNEL: Component(KERNEL, "kbuild", "kernel"),
    "virtiofsd": Component("virtiofsd", "cargo", "server", "virtiofsd"),
    "qemu": Component("qemu", "qemu", "vmm"),
}


def read_component(table: TomlTable, name: str) -> Component:
    """What the table of a component says of it beside its bases."""
    usual = USUAL.get(name, Component(name))
    build = table.choice("build", BUILDS) if "build" in table.names() else usual.build
    role = table.choice("role", ROLES) if "role" in table.names() else usual.role
    program = table.text("program") if "program" in table.names() else usual.program or name
    script = table.text("script") if "script" in table.names() else ""
    made = Component(name, build, role, program, script)
    _check(table, made)
    return made


def _check(table: TomlTable, made: Component) -> None:
    if bool(made.build) != bool(made.role):
        said, lacking = ("build", "role") if made.build else ("role", "build")
        known = ", ".join(ROLES if made.build else BUILDS)
        raise table.error(
            said, f"{made.name} has a {said} and no {lacking}", cause=f"expected one of: {known}"
        )
    kernel = (made.name == KERNEL, made.role == "kernel", made.build == "kbuild")
    if any(kernel) and not all(kernel):
        cause = f"the kernel is called {KERNEL}, and built by kbuild; nothing else is"
        raise table.error("role", f"{made.name} cannot be built by {made.build} as {made.role}", cause=cause)
    if (made.build == "qemu") and made.role != "vmm":
        raise table.error("role", f"build = 'qemu' makes a vmm, not a {made.role}")
    if (made.build == "script") != bool(made.script):
        cause = 'expected both: build = "script", and script = "PATH", counted from the folder of the project'
        raise table.error("build", f"{made.name}: a script is named, or to be run, but not both", cause=cause)


def one_of_a_kind(components: Mapping[str, Component], where: object) -> None:
    """FarwatchError where two components would do what one does."""
    for role in ("server", "vmm"):
        names = [each.name for each in components.values() if each.role == role]
        if len(names) > 1:
            cause = f"role = '{role}' of {' and '.join(names)}"
            raise FarwatchError(f"{where}: a guest has one {role}", cause=cause, hint="change one of them")
