# SPDX-License-Identifier: GPL-2.0-or-later
"""adopt: a person becomes the author of a series, signs it off, and says how it came about.

Only a person can certify the Developer Certificate of Origin, and only a person knows what to disclose
(Documentation/process/submitting-patches.rst and coding-assistants.rst of the kernel). So both are asked,
every time, and nothing is assumed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.model import Adoption, Revision
from farwatch.revisions.catalog import REVISION_FILE
from farwatch.revisions.edit import set_adopted
from farwatch.revisions.identity import Identity, require_person
from farwatch.series.reword import Words, require_saved, reword, words
from farwatch.system import git

if TYPE_CHECKING:
    from farwatch.app import App

DCO = """\
Developer Certificate of Origin 1.1

By making a contribution to this project, I certify that:

(a) The contribution was created in whole or in part by me and I
    have the right to submit it under the open source license
    indicated in the file; or

(b) The contribution is based upon previous work that, to the best
    of my knowledge, is covered under an appropriate open source
    license and I have the right under that license to submit that
    work with modifications, whether created in whole or in part
    by me, under the same open source license (unless I am
    permitted to submit under a different license), as indicated
    in the file; or

(c) The contribution was provided directly to me by some other
    person who certified (a), (b) or (c) and I have not modified
    it.

(d) I understand and agree that this project and the contribution
    are public and that a record of the contribution (including all
    personal information I submit with it, including my sign-off) is
    maintained indefinitely and may be redistributed consistent with
    this project or the open source license(s) involved.
"""
_ASSISTED = re.compile(r"LLM( [A-Za-z0-9][\w.+-]*)*")
_NAMED = re.compile(rb"^Assisted-by:", re.MULTILINE | re.IGNORECASE)
_DISCLOSURE = """\
Did an AI assistant have a part in these patches? If so, each gets a trailer

    Assisted-by: LLM [TOOL1] [TOOL2]

where the tools are specialized analysis tools that were used, such as coccinelle or sparse.
Answer with what stands behind "Assisted-by: ", or with no: """

Ask = Callable[[str], str]


def adopt(app: App, revision: Revision, ask: Ask) -> None:
    """Ask, then make the patches say the answers. FarwatchError, and nothing is changed, without them.

    The author of a patch that has a person for an author stays; the sign-off of who adopts is added to all.
    """
    components = [part for part in app.catalog.components() if revision.patches(part)]
    if not components:
        raise FarwatchError(f"{revision.name} has no patches to adopt")
    if revision.adoption is not None:
        raise FarwatchError(
            f"{revision.name} was adopted by {revision.adoption.by} on {revision.adoption.date}",
            hint=f"to take it over from them, delete [adopted] in {revision.folder / REVISION_FILE}",
        )
    person = require_person(app.root)
    require_saved(app, revision, components)
    said = {component: words(app, revision, component) for component in components}
    print(_overview(revision, said))
    _certify(ask, person)
    assisted = _disclosure(ask, [entry for entries in said.values() for entry in entries])
    adoption = Adoption(str(person), f"{datetime.date.today():%Y-%m-%d}", assisted)
    wanted = {
        component: [_adopted(app, component, entry, person, assisted) for entry in entries]
        for component, entries in said.items()
    }

    def record(folder: Path) -> None:
        set_adopted(folder / REVISION_FILE, adoption)

    reword(app, revision, wanted, record)


def _overview(revision: Revision, said: dict[str, list[Words]]) -> str:
    lines = [f"{revision.name}: {revision.title}"]
    for component, entries in said.items():
        lines += [f"  {component}: {entry.subject} ({entry.author})" for entry in entries]
    return "\n".join(lines) + "\n"


def _certify(ask: Ask, person: Identity) -> None:
    print(DCO)
    print("You take full responsibility for these patches: read and understand them first.")
    answer = ask(f"To certify the above as {person}, type your name: ").strip()
    if answer != person.name:
        raise FarwatchError("not adopted", cause=f"the answer was not '{person.name}'")


def _disclosure(ask: Ask, entries: list[Words]) -> str:
    answer = ask(_DISCLOSURE).strip().removeprefix("Assisted-by:").strip()
    if answer == "no":
        named = [entry.subject for entry in entries if _NAMED.search(entry.message)]
        if named:
            raise FarwatchError(
                "not adopted", cause=f"the answer was no, but a patch has an Assisted-by trailer: {named[0]}"
            )
    elif not _ASSISTED.fullmatch(answer):
        cause = "expected no, or LLM and names of tools: LLM coccinelle sparse"
        raise FarwatchError("not adopted", cause=cause)
    return answer


def _adopted(app: App, component: str, entry: Words, person: Identity, assisted: str) -> Words:
    """A patch as the person's own, or as somebody's who is named already and from whom it came to them."""
    trailers = [f"Signed-off-by: {person}"]
    if assisted != "no" and not _NAMED.search(entry.message):
        trailers.insert(0, f"Assisted-by: {assisted}")
    options = [word for trailer in trailers for word in ("--trailer", trailer)]
    message = git.git(
        "interpret-trailers",
        "--if-exists=addIfDifferent",
        *options,
        cwd=app.trees.repository(component),
        stdin=entry.message,
    )
    return replace(entry, message=message, author=person if entry.author.neutral else entry.author)
