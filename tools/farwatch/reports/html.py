# SPDX-License-Identifier: GPL-2.0-or-later
"""What all HTML pages share: templates that escape every value, one style, and what a page may do.

A page is whole by itself: its style and its script, if it has one, are in it, and its policy allows that
script alone, by its hash. So it works from a folder, from a mail, and behind `serve`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from farwatch.terminal.escape import printable, printable_lines

_TEMPLATES = Path(__file__).parent / "templates"
_NONE = Markup("")


@dataclass(frozen=True)
class Link:
    """Of a page's navigation. target: relative; "" for the page that it stands on"""

    text: str
    target: str


@cache
def environment() -> Environment:
    """Templates, with every value escaped and `printable` as a filter."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(printable=printable, printable_lines=printable_lines)
    return made


def render(template: str, *, nav: Sequence[Link] = (), script: Markup = _NONE, **values: Any) -> str:
    """A page of a template that extends base.html.j2."""
    page = environment().get_template(template)
    allowed = [script] if script else []
    return page.render(nav=nav, script=script, policy=policy(*allowed), **values)


@cache
def script(name: str) -> Markup:
    """A script of ours, which a page may hold as it is: nothing of it comes from outside."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def policy(*allowed: Markup) -> str:
    """The Content-Security-Policy of a page: nothing is fetched but from where a live page comes."""
    rules = ["default-src 'none'", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"]
    if allowed:
        rules += [f"script-src {' '.join(map(_digest, allowed))}", "connect-src 'self'"]
    return "; ".join(rules)


def _digest(allowed: Markup) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(allowed.encode()).digest()).decode()}'"
