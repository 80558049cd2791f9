# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a Kconfig option is not what was asked for, down to the option that has to change.

The kernel's own conf is the judge of what a config is; kconfiglib only reads
the same Kconfig files (6 s for a kernel) and answers why.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kconfiglib as kc

from farwatch.builds.tool_tests import environment, failing_tests
from farwatch.errors import FarwatchError

_DEPTH = 8
"""Dependencies are followed this far down."""
_LISTED = 6
"""Selectors and alternatives named before "and N more"."""

_NO_TOOL = "what this compiler or architecture does not have"

_LEVEL = {"n": 0, "m": 1, "y": 2}


class Explainer:
    """The Kconfig files of a tree with the values of one .config.

    origins: symbol -> where a fragment sets it, for messages
    environ: of the build (CC, LD); Kconfig asks the compiler what it can do
    While it reads it changes this process's environment and working folder.
    """

    def __init__(
        self,
        tree: Path,
        arch: str,
        config: Path,
        *,
        origins: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._tree = tree
        self._arch = arch
        self._origins = dict(origins or {})
        config = config.resolve()
        self._variables = {**kconfig_environ(tree.resolve(), arch), **(environ or {})}
        with environment(self._variables):
            try:
                self._kconf = _Kconfig("Kconfig", warn=False)
                self.read(config)
            except (kc.KconfigError, OSError) as error:
                raise FarwatchError(f"cannot read the Kconfig files of {tree}", cause=str(error)) from error

    def read(self, config: Path) -> None:
        """Take the values of another .config of the same tree."""
        self._kconf.load_config(str(config))

    def why(self, symbol: str) -> str:
        """State, origin, and what would have to change, as several lines."""
        name = symbol.removeprefix("CONFIG_")
        sym = self._kconf.syms.get(name)
        if sym is None or not sym.nodes:
            return self._no_such(name)
        lines = [self._state(sym), *_located(sym)]
        if sym.orig_type not in (kc.BOOL, kc.TRISTATE):
            return "\n".join([*lines, *_number_range(sym)])
        if sym.tri_value == 0:
            return "\n".join([*lines, self.explain(name, "y")])
        lines += [f"selected by {text}" for text in _active_selectors(sym)]
        return "\n".join(lines)

    def explain(self, symbol: str, wanted: str) -> str:
        """Why it cannot be `wanted` (y, m, n, a number, quoted text); several lines."""
        name = symbol.removeprefix("CONFIG_")
        sym = self._kconf.syms.get(name)
        if sym is None or not sym.nodes:
            return self._no_such(name)
        if sym.orig_type in (kc.BOOL, kc.TRISTATE):
            return "\n".join(self._explain_tristate(sym, wanted))
        return "\n".join(self._explain_value(sym, wanted))

    def _no_such(self, name: str) -> str:
        defined = [known.name for known in self._kconf.unique_defined_syms]
        near = difflib.get_close_matches(name, defined, n=3, cutoff=0.75)
        text = f"there is no option {name} in this tree for ARCH={self._arch}"
        return f"{text}; did you mean {', '.join(near)}?" if near else text

    def _state(self, sym: Any) -> str:
        value = sym.str_value or "n"
        kind = kc.TYPE_TO_STR[sym.orig_type]
        return f"{sym.name}={value}{self._origin(sym)} ({kind}: {_prompt_text(sym)})"

    def _origin(self, sym: Any) -> str:
        """' (set by FILE:LINE)', or how else it came to its value; '' when not known."""
        if sym.name in self._origins:
            return f" (set by {self._origins[sym.name]})"
        if _active_selectors(sym):
            return ""
        return _tinyconfig_origin(self._tree, sym.name)

    def _explain_value(self, sym: Any, wanted: str) -> list[str]:
        kind = kc.TYPE_TO_STR[sym.orig_type]
        text = wanted.startswith('"')
        if text != (sym.orig_type == kc.STRING):
            return [f"{sym.name} is of type {kind}: {wanted} is no value for it"]
        if not _has_prompt(sym):
            return [f"{sym.name} has no prompt: a config cannot set it", *_default_lines(sym)]
        if sym.visibility == 0:
            return [
                f"{sym.name} cannot be set while its dependencies are unmet:",
                *self._prompt_unmet(sym, 2),
            ]
        return _number_range(sym) or [f"{sym.name} is {sym.str_value}; nothing in Kconfig forbids {wanted}"]

    def _explain_tristate(self, sym: Any, wanted: str) -> list[str]:
        kind = kc.TYPE_TO_STR[sym.orig_type]
        if wanted not in _LEVEL:
            return [f"{sym.name} is of type {kind}: {wanted} is no value for it"]
        if wanted == "m" and (lines := self._no_module(sym)):
            return lines
        if _LEVEL[wanted] < sym.tri_value:
            return self._explain_too_high(sym, wanted)
        if sym.choice is not None and (lines := self._other_choice(sym)):
            return lines
        return self._explain_too_low(sym, _LEVEL[wanted])

    def _no_module(self, sym: Any) -> list[str]:
        if sym.orig_type == kc.BOOL:
            return [f"{sym.name} is a bool: it cannot be a module; set CONFIG_{sym.name}=y or =n"]
        if self._kconf.modules.tri_value == 0:
            return [
                f"{sym.name} cannot be a module: {self._kconf.modules.name}=n",
                f"set CONFIG_{self._kconf.modules.name}=y, or CONFIG_{sym.name}=y to build it in",
            ]
        return []

    def _other_choice(self, sym: Any) -> list[str]:
        """A member of a choice that is visible, but another one is chosen."""
        choice = sym.choice
        chosen = choice.selection
        if sym.visibility == 0 or chosen is None or chosen is sym:
            return []
        return [
            f'{sym.name} is one of a choice ("{_prompt_text(choice)}") of which only one can be y',
            f"chosen is {chosen.name}=y{self._origin(chosen)}; "
            f"set CONFIG_{sym.name}=y and leave {chosen.name} unset",
        ]

    def _explain_too_low(self, sym: Any, level: int) -> list[str]:
        wanted = kc.TRI_TO_STR[level]
        if not _has_prompt(sym):
            return [f"{sym.name} has no prompt: a config cannot set it", *self._selectors(sym, 0, {sym})]
        if sym.visibility >= level:
            return [_free(sym, wanted)]
        limit = (
            "" if sym.visibility == 0 else f" (its dependencies limit it to {kc.TRI_TO_STR[sym.visibility]})"
        )
        return [f"{sym.name} cannot be {wanted}{limit}:", *self._prompt_unmet(sym, level)]

    def _explain_too_high(self, sym: Any, wanted: str) -> list[str]:
        selectors = _active_selectors(sym)
        if selectors:
            lines = [f"{sym.name} cannot be {wanted}: it is selected by"]
            lines += [f"  {text}{self._by_name(text)}" for text in selectors[:_LISTED]]
            return [*lines, *_more(selectors), f"set {'it' if len(selectors) == 1 else 'all of them'} to n"]
        if sym.choice is not None:
            others = ", ".join(member.name for member in sym.choice.syms if member is not sym)
            return [f"{sym.name} is the chosen one of a choice; set one of the others to y: {others}"]
        if not _has_prompt(sym):
            return [f"{sym.name} has no prompt: a config cannot set it", *_default_lines(sym)]
        if sym.visibility == 0:
            unmet = self._prompt_unmet(sym, 1)
            return [f"{sym.name} is {sym.str_value} by default and its prompt is hidden:", *unmet]
        return [_free(sym, wanted)]

    def _by_name(self, name: str) -> str:
        return self._origin(self._kconf.syms[name.split(maxsplit=1)[0]])

    # Following a dependency down: each method gives the lines for what is unmet, indented by depth.

    def _prompt_unmet(self, sym: Any, level: int, depth: int = 0, seen: set[Any] | None = None) -> list[str]:
        """Why no definition's prompt is visible; the one that needs the least is shown."""
        seen = {sym} if seen is None else seen
        nodes = [node for node in sym.nodes if node.prompt is not None]
        reasons = [self._unmet(node.prompt[1], level, depth + 1, seen) for node in nodes]
        shortest = min(reasons, key=len, default=[])
        if not any(_NO_TOOL in line for line in shortest):
            return shortest
        return [*shortest, *(_indent(depth + 2, line) for line in self._asked_tools(sym))]

    def _unmet(self, expr: Any, level: int, depth: int, seen: set[Any]) -> list[str]:
        """Why an expression is less than `level`."""
        if kc.expr_value(expr) >= level:
            return []
        if not isinstance(expr, tuple):
            return self._has_to_be_on(expr, level, depth, seen)
        operator = expr[0]
        if operator == kc.AND:
            parts = (self._unmet(part, level, depth, seen) for part in kc.split_expr(expr, kc.AND))
            return [line for lines in dict.fromkeys(map(tuple, parts)) for line in lines]
        if operator == kc.OR:
            return self._alternatives(kc.split_expr(expr, kc.OR), level, depth, seen)
        if operator == kc.NOT:
            return self._has_to_be_off(expr[1], depth, seen)
        return self._compared(expr, depth, seen)

    def _compared(self, expr: Any, depth: int, seen: set[Any]) -> list[str]:
        """A comparison that does not hold; with y, m or n it says what the option has to be."""
        operator, left, right = expr
        wanted = _LEVEL.get(right.name) if right.is_constant else None
        if wanted is None or left.is_constant or operator not in (kc.EQUAL, kc.UNEQUAL) or not left.nodes:
            return [_indent(depth, f"needs {kc.expr_str(expr)}; {_values(expr)}")]
        if (operator, wanted) in ((kc.EQUAL, 0), (kc.UNEQUAL, 2)) and left.tri_value:
            return self._has_to_be_off(left, depth, seen)
        if operator == kc.UNEQUAL:
            return self._has_to_be_on(left, 1, depth, seen)
        if left.tri_value < wanted:
            return [*self._modules_for(wanted, depth), *self._has_to_be_on(left, wanted, depth, seen)]
        head = f"needs {left.name}={right.name}, but {left.name}={left.str_value}{self._origin(left)}"
        return [_indent(depth, f"{head}; set CONFIG_{left.name}={right.name}")]

    def _modules_for(self, wanted: int, depth: int) -> list[str]:
        modules = self._kconf.modules
        if wanted != 1 or modules.tri_value:
            return []
        return [_indent(depth, f"needs {modules.name}=y, but {modules.name}=n; set CONFIG_{modules.name}=y")]

    def _alternatives(self, parts: list[Any], level: int, depth: int, seen: set[Any]) -> list[str]:
        lines = [_indent(depth, "needs one of:")]
        for part in parts[:_LISTED]:
            unmet = [one for one in kc.split_expr(part, kc.AND) if kc.expr_value(one) < level]
            if len(unmet) > 1:
                lines += [_indent(depth + 1, "all of:"), *self._unmet(part, level, depth + 2, set(seen))]
            else:
                lines += self._unmet(part, level, depth + 1, set(seen))
        return lines + [_indent(depth, text) for text in _more(parts)]

    def _has_to_be_on(self, item: Any, level: int, depth: int, seen: set[Any]) -> list[str]:
        if isinstance(item, kc.Choice):
            nodes = [node for node in item.nodes if node.prompt is not None]
            head = _indent(depth, f'needs the choice "{_prompt_text(item)}" to be open')
            return [
                head,
                *(line for node in nodes for line in self._unmet(node.prompt[1], level, depth + 1, seen)),
            ]
        if item.is_constant:
            return [_indent(depth, f"needs {_NO_TOOL} (the test gave n)")]
        if not item.nodes:
            return [_indent(depth, f"needs {item.name}, which does not exist for ARCH={self._arch}")]
        wanted = "y" if item.orig_type == kc.BOOL else kc.TRI_TO_STR[level]
        head = f"needs {item.name}={wanted}, but {item.name}={item.str_value}{self._origin(item)}"
        if _has_prompt(item) and item.visibility >= level and item.choice is None:
            return [_indent(depth, f"{head}; set CONFIG_{item.name}={wanted}")]
        return self._turn_on(item, head, level, depth, seen)

    def _turn_on(self, item: Any, head: str, level: int, depth: int, seen: set[Any]) -> list[str]:
        """What a symbol that is off and cannot just be set needs first."""
        if item in seen or depth > _DEPTH:
            return [_indent(depth, head)]
        below = {*seen, item}
        if not _has_prompt(item):
            return [_indent(depth, f"{head}, which has no prompt"), *self._selectors(item, depth, below)]
        if item.choice is not None and (lines := self._other_choice(item)):
            return [_indent(depth, head), *(_indent(depth + 1, line) for line in lines)]
        return [_indent(depth, head), *self._prompt_unmet(item, level, depth, below)]

    def _has_to_be_off(self, item: Any, depth: int, seen: set[Any]) -> list[str]:
        if isinstance(item, tuple):
            return self._expression_off(item, depth, seen)
        if item.is_constant:
            return [_indent(depth, "can never be met with this compiler or architecture (the test gave y)")]
        head = f"needs {item.name}=n, but {item.name}={item.str_value}{self._origin(item)}"
        if selectors := _active_selectors(item):
            lines = [
                _indent(depth + 1, f"turn off {text}{self._by_name(text)}") for text in selectors[:_LISTED]
            ]
            return [_indent(depth, f"{head}; it is selected:"), *lines]
        return self._turn_off(item, head, depth, seen)

    def _turn_off(self, item: Any, head: str, depth: int, seen: set[Any]) -> list[str]:
        """What turns off a symbol that nothing selects."""
        if item.choice is not None:
            others = ", ".join(member.name for member in item.choice.syms if member is not item)
            return [_indent(depth, f"{head}; choose another one: {others}")]
        if not _has_prompt(item):
            defaults = [_indent(depth + 1, line) for line in _default_lines(item)]
            return [_indent(depth, f"{head}, and it has no prompt"), *defaults]
        if item.visibility > 0 or item in seen or depth > _DEPTH:
            return [_indent(depth, f"{head}; set CONFIG_{item.name}=n")]
        unmet = self._prompt_unmet(item, 1, depth, {*seen, item})
        return [_indent(depth, f"{head}, and its prompt is hidden:"), *unmet]

    def _expression_off(self, expr: Any, depth: int, seen: set[Any]) -> list[str]:
        """De Morgan: !(A && B) needs one of them off, !(A || B) both."""
        operator = expr[0]
        if operator == kc.NOT:
            return self._unmet(expr[1], 2, depth, seen)
        if operator not in (kc.AND, kc.OR):
            return [_indent(depth, f"needs !({kc.expr_str(expr)}); {_values(expr)}")]
        parts = [part for part in kc.split_expr(expr, operator) if kc.expr_value(part) > 0]
        if operator == kc.OR:
            return [line for part in parts for line in self._has_to_be_off(part, depth, seen)]
        lines = [line for part in parts for line in self._has_to_be_off(part, depth + 1, set(seen))]
        return [_indent(depth, "needs one of:"), *lines]

    def _selectors(self, sym: Any, depth: int, seen: set[Any]) -> list[str]:
        """Who could select a symbol without a prompt, and what one of them lacks; or its defaults."""
        selectors = _possible_selectors(self._kconf, sym)
        if not selectors and (asked := self._asked_tools(sym)):
            return [_indent(depth + 1, line) for line in asked]
        if not selectors:
            defaults = _default_lines(sym) or [
                "nothing selects it and it has no default: it is for another architecture"
            ]
            lines = [_indent(depth + 1, line) for line in defaults]
            return lines + self._default_unmet(sym, depth + 1, seen)
        settable = sorted(selectors, key=lambda other: (other.visibility == 0, other.name))
        head = _indent(depth + 1, f"only an option that selects it can turn it on: {_names(settable)}")
        first = settable[0]
        if first in seen or depth > _DEPTH:
            return [head]
        return [head, *self._has_to_be_on(first, 2, depth + 1, seen)]

    def _asked_tools(self, sym: Any) -> list[str]:
        """What a definition asks of the machine's tools that fails, with what they say to it."""
        lines = []
        for node in sym.nodes:
            for command in failing_tests(self._tree, node.filename, node.linenr, self._variables):
                lines.append(f"this machine lacks what {node.filename} tests: {command.text}")
                lines += [f"  it says: {line}" for line in command.says]
        return lines

    def _default_unmet(self, sym: Any, depth: int, seen: set[Any]) -> list[str]:
        if depth > _DEPTH:
            return []
        for value, condition in sym.defaults:
            wanted = kc.AND, value, condition
            if not (isinstance(value, kc.Symbol) and value is self._kconf.n):
                return self._unmet(wanted, 2, depth + 1, {*seen, sym})
        return []


class _Kconfig(kc.Kconfig):  # type: ignore[misc]  # kconfiglib has no types
    """kconfiglib, for the syntax that Kconfig has gained since."""

    def _open(self, filename: str, mode: str) -> Any:
        if mode != "r" or not Path(filename).name.startswith("Kconfig"):
            return super()._open(filename, mode)
        text = Path(filename).read_text(encoding="utf-8", errors="replace")
        return io.StringIO(modernize(text))


_CONDITIONAL = re.compile(r"^(\s*depends\s+on\s)(.*)$")


def modernize(text: str) -> str:
    """A Kconfig file in the older syntax that kconfiglib reads; line numbers stay as they are.

    `transitional` is dropped, `modules` becomes `option modules`, and
    `depends on A if B` becomes `depends on (A) || !(B)`.
    """
    out: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        extra = 0
        while line.endswith("\\") and _CONDITIONAL.match(line):
            line = line[:-1] + next(lines, "")  # noqa: PLW2901
            extra += 1
        out.append(_modernize_line(line))
        out += [""] * extra
    return "\n".join(out)


def _modernize_line(line: str) -> str:
    word = line.strip()
    if word == "transitional":
        return ""
    if word == "modules":
        return line.replace("modules", "option modules")
    match = _CONDITIONAL.match(line)
    if match is None:
        return line
    expression, condition = _split_condition(match[2])
    return f"{match[1]}({expression}) || !({condition})" if condition else line


def _split_condition(text: str) -> tuple[str, str]:
    """("A && B", "C") of "A && B if C # why"; no condition: ("A && B", "")."""
    depth, quote, at = 0, "", -1
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#":
            text = text[:index]
            break
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif (
            depth == 0
            and at < 0
            and text[index:].startswith(("if ", "if\t", "if("))
            and _blank(text, index - 1)
        ):
            at = index
    return (text.strip(), "") if at < 0 else (text[:at].strip(), text[at + 2 :].strip())


def _blank(text: str, index: int) -> bool:
    return index >= 0 and text[index] in " \t)"


def kconfig_environ(tree: Path, arch: str) -> dict[str, str]:
    """What the kernel's Makefile exports for Kconfig, as far as Kconfig files read it."""
    machine = os.uname().machine
    subarch = "x86" if machine in ("x86_64", "i686") else {"aarch64": "arm64"}.get(machine, machine)
    srcarch = {"x86_64": "x86", "i386": "x86"}.get(arch, arch)
    header = subarch if srcarch == "um" else srcarch
    makefile = tree / "Makefile"
    return {
        **{"ARCH": arch, "SRCARCH": srcarch, "SUBARCH": subarch, "HEADER_ARCH": header},
        **{"srctree": str(tree), "KERNELVERSION": _kernel_version(makefile), "CC_VERSION_TEXT": ""},
        **{"CC": "gcc", "HOSTCC": "gcc", "LD": "ld", "AR": "ar", "NM": "nm", "OBJCOPY": "objcopy"},
        **{"RUSTC": "rustc", "BINDGEN": "bindgen", "RUSTC_VERSION_TEXT": "", "PAHOLE": "pahole"},
        **{"PAHOLE_VERSION": "0", "CONFIG_SHELL": "sh", "CLANG_FLAGS": "", "CROSS_COMPILE": ""},
        **{"USERCFLAGS": "", "USERLDFLAGS": "", "RUSTC_BOOTSTRAP": "1"},
    }


def _kernel_version(makefile: Path) -> str:
    try:
        text = makefile.read_text(encoding="utf-8")
    except OSError:
        return "0.0.0"
    found = (
        re.search(rf"^{name} = (\d+)$", text, re.MULTILINE) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
    )
    return ".".join(match[1] if match else "0" for match in found)


def _free(sym: Any, wanted: str) -> str:
    return (
        f"{sym.name} is {sym.str_value}, nothing in Kconfig forbids {wanted}: set CONFIG_{sym.name}={wanted}"
    )


def _has_prompt(item: Any) -> bool:
    return any(node.prompt is not None for node in item.nodes)


def _prompt_text(item: Any) -> str:
    return next((node.prompt[0] for node in item.nodes if node.prompt is not None), "no prompt")


def _located(sym: Any) -> list[str]:
    return [f"defined at {node.filename}:{node.linenr}" for node in sym.nodes]


def _number_range(sym: Any) -> list[str]:
    for low, high, condition in sym.ranges:
        if kc.expr_value(condition) > 0:
            return [f"{sym.name} has to be from {low.str_value} to {high.str_value}; it is {sym.str_value}"]
    return []


def _default_lines(sym: Any) -> list[str]:
    """Its defaults that apply, else all."""
    texts = [(kc.expr_str(value), condition) for value, condition in sym.defaults]
    active = [(text, condition) for text, condition in texts if kc.expr_value(condition) > 0]
    return [
        f"its default is {_conditional(text, condition)}"
        for text, condition in (active[:1] or texts[:_LISTED])
    ]


def _conditional(text: str, condition: Any) -> str:
    said = kc.expr_str(condition)
    return text if said == "y" else f"{text} if {said}"


def _active_selectors(sym: Any) -> list[str]:
    """Names of the options that select it now, with the condition if there is one."""
    if kc.expr_value(sym.rev_dep) == 0:
        return []
    texts = []
    for part in kc.split_expr(sym.rev_dep, kc.OR):
        if kc.expr_value(part) > 0:
            first, *rest = kc.split_expr(part, kc.AND)
            texts.append(first.name + (f" (if {' && '.join(kc.expr_str(x) for x in rest)})" if rest else ""))
    return sorted(set(texts))


def _possible_selectors(kconf: Any, sym: Any) -> list[Any]:
    return [
        other
        for other in kconf.unique_defined_syms
        if any(target is sym for node in other.nodes for target, _condition in node.selects)
    ]


def _values(expr: Any) -> str:
    sides = [side for side in expr[1:] if isinstance(side, kc.Symbol) and not side.is_constant]
    return ", ".join(f"{side.name}={side.str_value}" for side in sides)


def _names(symbols: list[Any]) -> str:
    named = ", ".join(f"{sym.name}={sym.str_value}" for sym in symbols[:_LISTED])
    return f"{named}{''.join(f' {text}' for text in _more(symbols))}"


def _more(items: list[Any]) -> list[str]:
    return [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []


def _indent(depth: int, text: str) -> str:
    return "  " * max(0, depth) + text


def _tinyconfig_origin(tree: Path, name: str) -> str:
    pattern = re.compile(rf"^(?:CONFIG_{name}=|# CONFIG_{name} is not set)")
    for path in sorted((tree / "kernel" / "configs").glob("tiny*.config")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.match(line):
                return f" (set by tinyconfig, {path.relative_to(tree)}:{number})"
    return ""
