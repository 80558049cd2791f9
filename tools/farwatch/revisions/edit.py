# SPDX-License-Identifier: GPL-2.0-or-later
"""Small changes to a revision.toml that leave everything else in it, comments too, as it is.

tomlkit, which keeps the style of a file, writes; what is read strictly elsewhere is read first, so that a
mistake in the file is said as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farwatch.model import Adoption, Cut
from farwatch.revisions.strict_toml import TomlDocument

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def fresh(title: str, component: str, base: str) -> str:
    """The text of a revision.toml that says no more than it must."""
    import tomlkit

    made = tomlkit.document()
    made.add(tomlkit.comment("SPDX-License-Identifier: GPL-2.0-or-later"))
    made.add("title", tomlkit.item(title))
    made.add(tomlkit.nl())
    made.add("bases", tomlkit.item({component: base}))
    return tomlkit.dumps(made)


def bases_of(text: str, component: str, name: str, table: Mapping[str, str] | None) -> str:
    """The text of a bases.toml with one of its components alone, whose default is the base of that name.

    table: what is said of that base, if it is a new one
    """
    import tomlkit

    document = tomlkit.parse(text)
    for other in [key for key in document if key != component]:
        del document[other]
    known: Any = document[component]
    if table is not None:
        known[name] = tomlkit.item(dict(table))
    known["default"] = name
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def set_base(path: Path, component: str, name: str) -> None:
    """Record in `path` that the series of a component is for the base of that name."""
    with _edited(path) as document:
        document.setdefault("bases", {})[component] = name


def add_cut(path: Path, cut: Cut) -> None:
    """Record that a run of a component's patches is a series."""
    import tomlkit

    with _edited(path) as document:
        series = document.setdefault("series", tomlkit.table(is_super_table=True))
        component = series.setdefault(cut.component, tomlkit.table(is_super_table=True))
        component[cut.name] = {"first": cut.first, "last": cut.last}


def set_cut_end(path: Path, cut: Cut, key: str, name: str) -> None:
    """Record by which patch a series begins ("first") or ends ("last")."""
    with _edited(path) as document:
        document["series"][cut.component][cut.name][key] = name


def set_title(path: Path, title: str) -> None:
    """Replace the title."""
    with _edited(path) as document:
        document["title"] = title


def set_adopted(path: Path, adoption: Adoption) -> None:
    """Record who took the series over; there must be no such record yet."""
    with _edited(path) as document:
        document.add("adopted", asdict(adoption))


def without(path: Path, key: str) -> None:
    """Take a key, or a table with all that is in it, away from the outermost table."""
    with _edited(path) as document:
        document.pop(key, None)


@contextmanager
def _edited(path: Path) -> Iterator[TOMLDocument]:
    """The file's content, to be changed; what it says then is written, if that is not what it said."""
    import tomlkit

    document = tomlkit.parse(TomlDocument.read(path).text)
    before = document.unwrap()
    yield document
    if document.unwrap() != before:
        path.write_text(tomlkit.dumps(document).rstrip("\n") + "\n", encoding="utf-8")
