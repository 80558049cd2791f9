# SPDX-License-Identifier: GPL-2.0-or-later
"""lint on small real trees, with scripts and compilers that only pretend."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.app import App
from farwatch.builds.sparse import Sparse
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Checked
from farwatch.errors import BuildFailure, FarwatchError
from farwatch.model import Adoption, Waiver
from farwatch.review import compile_rules, text_rules
from farwatch.review.findings import Review, ReviewedPatch, trailers_of
from farwatch.review.lint import LintReport, lint_revision
from farwatch.review.lint_report import lint_text
from farwatch.review.lint_sarif import lint_sarif
from farwatch.revisions.catalog import Catalog
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.trees.trees import Source
from tests.processes import script
from tests.samples.lint import TREES, Change, kernel_file, lint_app, revision

DIR = "fs/fuse/dir.c"
GOOD = Change({DIR: kernel_file(DIR) + b"one more\n"})


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout and a home, with the bases imported and the scripts unpacked."""
    folder = tmp_path_factory.mktemp("imported")
    app = lint_app(folder)
    revision(app, "v1", linux=[GOOD])
    lint_revision(app, app.catalog.revision("v1"), build=False)
    app.trees.base_commit(app.catalog.base("virtiofsd"))
    shutil.rmtree(app.root / "patches" / "v1")
    return folder


@pytest.fixture
def app(tmp_path: Path, imported: Path) -> App:
    for name in ("root", "home"):
        shutil.copytree(imported / name, tmp_path / name, symlinks=True)
    return App(tmp_path / "root", Home(tmp_path / "home"))


def rules(report: LintReport, patch: str = "") -> list[str]:
    """Names of the rules that are broken, waived ones left out."""
    return [
        finding.rule
        for line in report.lines
        for finding in line.findings
        if not finding.waived and patch in line.name
    ]


def lint_one(app: App, *changes: Change, component: str = "linux", name: str = "v1") -> LintReport:
    """Lint a revision with these patches; without any, with those that it has."""
    revision(app, name, "", **({component: changes} if changes else {}))
    return lint_revision(app, app.catalog.revision(name), build=False)


# -- the whole


def test_a_good_patch_is_good(app: App) -> None:
    report = lint_one(app, GOOD)
    assert rules(report) == [] and report.ok, report.lines
    [line] = report.lines
    assert (line.name, line.size) == ("linux/0001-fuse-change-something.patch", "+1 -0")
    assert line.recipients == ("Some One <one@example.org>",)


def test_a_revision_without_patches_has_nothing_wrong(app: App) -> None:
    revision(app, "baseline")
    report = lint_revision(app, app.catalog.revision("baseline"))
    assert report.ok and lint_text(report) == "baseline has no patches\n"


def test_a_patch_that_does_not_apply_is_an_error(app: App) -> None:
    revision(app, "v1", linux=[GOOD])
    [path] = (app.root / "patches" / "v1" / "linux").iterdir()
    path.write_text(path.read_text().replace(" line\n", " other\n"))
    with pytest.raises(FarwatchError, match="does not apply"):
        lint_revision(app, app.catalog.revision("v1"), build=False)


def test_the_table_has_a_line_for_each_patch_and_says_who_gets_it(app: App) -> None:
    ugly = Change({"mm/page.c": kernel_file("mm/page.c") + b"ugly\n"}, "mm: be ugly\n\nReason.\n")
    revision(app, "v1", linux=[GOOD, ugly])
    (app.root / "patches" / "v1" / "cover-letter.txt").write_text("subject\n\ntext\n")
    text = lint_text(lint_revision(app, app.catalog.revision("v1"), build=False))
    lines = text.splitlines()
    assert lines[1].split() == ["linux/0001-fuse-change-something.patch", "+1", "-0", "ok"]
    assert lines[2].split() == ["linux/0002-mm-be-ugly.patch", "+1", "-0", "1", "checkpatch:UGLY"]
    assert "    checkpatch:UGLY: mm/page.c:21: this is ugly" in lines
    assert "  linux/0002-mm-be-ugly.patch: Other One <other@example.org>" in lines
    assert lines[-1] == "v1: 1 wrong"


def test_what_is_wrong_is_a_warning_in_sarif_and_what_is_waived_says_why(app: App) -> None:
    ugly = Change({"mm/page.c": kernel_file("mm/page.c") + b"ugly\n"}, "mm: be ugly\n\nReason.\n")
    waive = '[[waive]]\nrule = "checkpatch:UGLY"\npatches = ["0001-*"]\nreason = "it is meant so"\n'
    found = []
    for text in ("", waive):
        revision(app, "v1", text, linux=[ugly])
        report = lint_revision(app, app.catalog.revision("v1"), build=False)
        found.append(json.loads(lint_sarif(report, Path("patches/v1"), "1.0")))
    results = [one for document in found for one in document["runs"][0]["results"]]
    ugly_ones = [one for one in results if one["ruleId"] == "checkpatch:UGLY"]
    assert [one["level"] for one in ugly_ones] == ["warning", "note"]
    assert "suppressions" not in ugly_ones[0]
    assert ugly_ones[1]["suppressions"] == [{"kind": "external", "justification": "it is meant so"}]
    assert ugly_ones[0]["message"]["text"] == "mm/page.c:21: this is ugly"
    for document in found:
        [run] = document["runs"]
        ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert document["version"] == "2.1.0" and len(ids) == len(set(ids))
        assert all(ids[one["ruleIndex"]] == one["ruleId"] for one in run["results"])
        uris = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]}
        assert "patches/v1/linux/0001-mm-be-ugly.patch" in uris


# -- waivers


def test_a_waiver_needs_its_patch_and_its_reason_is_shown(app: App) -> None:
    ugly = Change({DIR: kernel_file(DIR) + b"ugly\n"})
    waive = '[[waive]]\nrule = "checkpatch:UGLY"\npatches = ["000{}-*"]\nreason = "it is\\n  meant so"\n'
    revision(app, "v1", waive.format(1), linux=[ugly])
    report = lint_revision(app, app.catalog.revision("v1"), build=False)
    assert report.ok and report.idle == ()
    assert "because: it is meant so" in lint_text(report) and "1 waived" in lint_text(report)
    revision(app, "v1", waive.format(2))
    report = lint_revision(app, app.catalog.revision("v1"), build=False)
    assert not report.ok and [waiver.patches for waiver in report.idle] == [("0002-*",)]
    assert "idle waiver: checkpatch:UGLY" in lint_text(report)


def test_a_waiver_covers_a_rule_its_group_or_a_pattern() -> None:
    patch = "linux/0001-x.patch"
    for rule in ("checkpatch:UGLY", "checkpatch", "checkpatch:*", "*:UGLY"):
        assert Waiver(rule, ("*",), "r").covers("checkpatch:UGLY", patch), rule
    for rule in ("checkpatch:UGL", "check", "trailer", "UGLY"):
        assert not Waiver(rule, ("*",), "r").covers("checkpatch:UGLY", patch), rule
    assert Waiver("x", ("linux/*",), "r").covers("x", patch)
    assert Waiver("x", ("0001-*",), "r").covers("x", patch)
    for name in ("linux/x", "x"):
        assert all(Waiver("x", (name,), "r").covers("x", f"linux/00{n}-x.patch") for n in ("01", "12"))
    assert not Waiver("x", ("virtiofsd/*", "0002-*"), "r").covers("x", patch)


@pytest.mark.parametrize("entry", ['rule = "x"', 'reason = "x"', 'rule = "x"\nreason = "y"\npatch = "z"'])
def test_a_waiver_says_what_and_why(app: App, entry: str) -> None:
    revision(app, "v1", f"[[waive]]\n{entry}\n")
    with pytest.raises(FarwatchError, match=r"revision\.toml"):
        app.catalog.revision("v1")


# -- the words


MESSAGES: list[tuple[str, list[str]]] = [
    ("fuse: x\n\nWhy.\n", []),
    ("change something\n\nWhy.\n", ["message:subject"]),
    ("fuse: x.\n\nWhy.\n", ["message:subject"]),
    (f"fuse: {'x' * 70}\n\nWhy.\n", ["message:subject"]),
    ("fuse: x\n", ["message:reason"]),
    ("fuse: x\n\nLink: https://example.org/1\n", ["message:reason"]),
    ('fuse: x\n\nWhy.\n\nFixes: 0123456789ab ("fuse: y")\n', []),
    ('fuse: x\n\nWhy.\n\nFixes: 0123456 ("fuse: y")\n', ["trailer:fixes"]),
    ("fuse: x\n\nWhy.\n\nFixes: 0123456789ab fuse: y\n", ["trailer:fixes"]),
    ('fuse: x\n\nWhy.\n\nfixes: 0123456789ab ("fuse: y")\n', ["trailer:form"]),
    ('fuse: x\n\nFixes: 0123456789ab ("fuse: y")\n\nWhy it is so.\n', ["trailer:place"]),
    ("fuse: x\n\nWhy.\n\nLink: https://example.org/1 [1]\n", []),
    ("fuse: x\n\nWhy.\n\nLink: example.org\n", ["trailer:link"]),
    ("fuse: x\n\nWhy.\n\nReported-by: A <a@x.example>\n", ["trailer:reported-by"]),
    ("fuse: x\n\nWhy.\n\nReported-by: A <a@x.example>\nCloses: https://x.example/1\n", []),
    ("fuse: x\n\nWhy.\n\nReported-by: A <a@x.example>\nCloses: bug 1\n", ["trailer:closes"]),
    ("fuse: x\n\nWhy.\n\nSuggested-by: a@x.example\n", ["trailer:suggested-by"]),
    (
        'fuse: x\n\nWhy.\n\nSuggested-by: A <a@x.example>\nFixes: 0123456789ab ("y")\n',
        ["trailer:order"],
    ),
    ('fuse: x\n\nWhy.\n\nFixes: 0123456789ab ("y")\nSuggested-by: A <a@x.example>\n', []),
    (
        "fuse: x\n\nWhy.\n\nSuggested-by: A <a@x.example>\nSuggested-by: A <a@x.example>\n",
        ["trailer:twice"],
    ),
    ("fuse: x\n\nWhy.\n\nCo-developed-by: A <a@x.example>\n", ["trailer:co-developed-by"]),
    ("fuse: x\n\nWhy.\n\nAssisted-by: LLM sparse\n", []),
    ("fuse: x\n\nWhy.\n\nSigned-off-by: A <a@x.example>\n", ["adoption:sign-off"]),
    ("fuse: x\n\nWhy.\n\nCc: stable@vger.kernel.org\n", []),
    ("fuse: x\n\nWhy.\n\nSuggested-by: A Person <person@kernel.org>\n", ["adoption:person"]),
]


def patch_of(message: str, author: str = "farwatch", email: str = "farwatch@localhost") -> ReviewedPatch:
    """A patch of which only the words are looked at."""
    source = cast(Source, None)
    return ReviewedPatch(
        component="linux",
        path=Path("0001-x.patch"),
        source=source,
        before=source,
        author=author,
        email=email,
        message=message.strip("\n"),
        trailers=trailers_of(message, Path.cwd()),
        files=(),
        moved={},
        added=1,
        removed=0,
    )


def words(patch: ReviewedPatch, *, adopted: bool = False) -> list[str]:
    job = cast(Review, SimpleNamespace(adopted=adopted))
    return [finding.rule for finding in text_rules.check_words(job, patch)]


@pytest.mark.parametrize(("message", "broken"), MESSAGES)
def test_messages_and_trailers(message: str, broken: list[str]) -> None:
    assert words(patch_of(message)) == broken


def test_an_author_who_is_a_person_needs_adoption() -> None:
    assert words(patch_of(GOOD.message, "A Person", "person@kernel.org")) == ["adoption:person"]


def test_after_adoption_the_author_has_to_sign_off() -> None:
    person = ("A Person", "person@kernel.org")
    reviewed = GOOD.message + "\nReviewed-by: Other <other@kernel.org>\n"
    assert words(patch_of(reviewed, *person), adopted=True) == ["adoption:sign-off"]
    by_other = reviewed + "Signed-off-by: Other <other@kernel.org>\n"
    assert words(patch_of(by_other, *person), adopted=True) == ["adoption:sign-off"]
    signed = reviewed + "Signed-off-by: A Person <person@kernel.org>\n"
    assert words(patch_of(signed, *person), adopted=True) == []


def test_checkpatch_wants_a_sign_off_only_after_adoption(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lint_one(app, GOOD).ok
    monkeypatch.setattr("farwatch.review.lint.adopted", lambda _revision: True)
    assert rules(lint_one(app)) == ["adoption:sign-off", "checkpatch:MISSING_SIGN_OFF"]


def test_adoption_is_what_the_revision_records() -> None:
    from dataclasses import replace

    from farwatch.model import Revision
    from farwatch.review.lint import adopted

    plain = Revision("v1", "t", Path(), "virtiofs", {})
    assert not adopted(plain)
    assert adopted(replace(plain, adoption=Adoption("A <a@x>", "2026-01-01", "no")))


def test_size_in_lines_and_bytes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    big = b"".join(b"line %d\n" % number for number in range(text_rules.LINES_MOST + 1))
    assert rules(lint_one(app, Change({"fs/big.c": big}))) == ["size:lines"]
    monkeypatch.setattr(text_rules, "BYTES_MOST", 1000)
    assert rules(lint_one(app)) == ["size:lines", "size:bytes"]


def test_a_file_that_only_moves_is_small(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rules, "LINES_MOST", 5)
    report = lint_one(app, Change({DIR: None, "fs/fuse/moved.c": kernel_file(DIR)}))
    assert rules(report) == [] and report.lines[0].size == "+0 -0"


def test_damaged_blanks(app: App) -> None:
    report = lint_one(app, Change({DIR: kernel_file(DIR) + b"tail \n \tindent\n<<<<<<< ours\n\n\n"}))
    found = [(one.where, one.message) for line in report.lines for one in line.findings]
    assert [where for where, _ in found] == [f"{DIR}:{number}" for number in (23, 24, 25, 26)]
    assert found[0][1] == "trailing whitespace"


# -- cover letter and changelog


def test_two_patches_need_a_cover_letter_one_does_not(app: App) -> None:
    second = Change({DIR: kernel_file(DIR) + b"one more\ntwo more\n"}, "fuse: again\n\nReason.\n")
    assert rules(lint_one(app, GOOD, second)) == ["cover:missing"]
    folder = app.root / "patches" / "v1"
    (folder / "cover-letter.txt").write_text("*** SUBJECT HERE ***\n\nteh text \n")
    assert rules(lint_one(app)) == ["cover:unfinished", "whitespace", "spelling"]
    (folder / "cover-letter.txt").write_text("fuse: things\n\nThe text.\n")
    assert rules(lint_one(app)) == []


def test_what_has_changed_since_the_revision_before(app: App) -> None:
    revision(app, "v1", linux=[GOOD])
    revision(app, "v2", linux=[GOOD])
    v2 = app.catalog.revision("v2")
    assert rules(lint_revision(app, v2, build=False)) == ["changelog:missing"]
    (v2.folder / "changelog.txt").write_text("Changes since v11:\n- all\n")
    assert rules(lint_revision(app, v2, build=False)) == ["changelog:previous"]
    (v2.folder / "changelog.txt").write_text("Changes since v1:\n- all\n")
    assert rules(lint_revision(app, v2, build=False)) == []
    assert rules(lint_revision(app, app.catalog.revision("v1"), build=False)) == []


# -- the kernel's scripts


def test_checkpatch_is_strict_and_asked_once_for_each_content(app: App) -> None:
    [log] = app.home.builds.glob("kernel-tools-*/checkpatch.log")
    calls = log.read_text().count("0001-")
    report = lint_one(app, Change({DIR: kernel_file(DIR) + b"camelCase\nugly\n"}))
    assert rules(report) == ["checkpatch:CAMELCASE", "checkpatch:UGLY"]
    assert [one.where for one in report.lines[0].findings] == [f"{DIR}:23", f"{DIR}:24"]
    assert rules(lint_one(app)) == rules(report)
    assert log.read_text().count("0001-") == calls + 1


def test_scripts_are_those_of_the_base_and_see_its_folders(app: App) -> None:
    lint_one(app, GOOD)
    [tools] = app.home.builds.glob("kernel-tools-*")
    assert (tools / "fs" / "fuse").is_dir() and not (tools / DIR).exists()


def test_a_persons_settings_do_not_reach_the_scripts(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision(app, "v1", linux=[Change({DIR: kernel_file(DIR) + b"never seen\n"})])
    (tmp_path / ".checkpatch.conf").write_text("--ignore UGLY\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert lint_revision(app, app.catalog.revision("v1"), build=False).ok


def test_a_script_that_dies_is_an_error_not_a_clean_patch(app: App, tmp_path: Path) -> None:
    lint_one(app, GOOD)
    [tools] = app.home.builds.glob("kernel-tools-*")
    (tools / "scripts" / "checkpatch.pl").write_text("die 'no idea';\n")
    with pytest.raises(FarwatchError, match=r"checkpatch on \S+ failed"):
        lint_one(app, Change({DIR: b"something else\n"}), name="v2")


def test_nobody_would_get_it(app: App) -> None:
    assert rules(lint_one(app, Change({"net/x.c": b"x\n"}))) == ["get_maintainer"]


def test_maintainers_are_those_after_the_series(app: App) -> None:
    more = kernel_file("MAINTAINERS") + b"net New One <new@example.org>\n"
    report = lint_one(app, Change({"net/x.c": b"x\n", "MAINTAINERS": more}))
    assert report.lines[0].recipients == ("New One <new@example.org>",)


def test_kernel_doc_tells_what_is_new(app: App) -> None:
    report = lint_one(
        app, Change({DIR: b"/** new */\n" + kernel_file(DIR) + b"int undescribed_new(int x);\n"})
    )
    [finding] = report.lines[0].findings
    assert (finding.rule, finding.where) == ("kernel-doc", f"{DIR}:24")
    assert "undescribed_new" in finding.message


def test_without_scripts_it_says_what_was_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    plain = {"fs/fuse/dir.c": kernel_file(DIR)}
    monkeypatch.setitem(cast(Any, TREES), "linux", plain)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    report = lint_one(lint_app(tmp_path), GOOD)
    assert {entry.rule for entry in report.not_run} >= {
        "checkpatch",
        "get_maintainer",
        "kernel-doc",
        "spelling",
    }


def test_codespell_where_it_is_installed(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script(
        folder / "codespell",
        r"grep -n recieve | while read l; do printf '%s\n\trecieve ==> receive\n' "
        '"$l"; done; exit 65',
    )
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    report = lint_one(app, Change({DIR: kernel_file(DIR) + b"recieve\n"}))
    assert [(one.rule, one.message) for one in report.lines[0].findings] == [
        ("spelling", "'recieve' may be misspelled - perhaps 'receive'?")
    ]


# -- Rust


def test_spelling_of_a_tree_that_has_no_checkpatch(app: App) -> None:
    change = Change({"src/new.rs": b"// teh\n"}, "util: x\n\nReason.\n")
    assert rules(lint_one(app, change, component="virtiofsd")) == ["spelling"]


@pytest.mark.skipif(shutil.which("rustfmt") is None, reason="rustfmt is not installed")
def test_rustfmt_tells_what_is_new(app: App) -> None:
    old = b"fn main() {}\n\nfn   old( ) {}\n"
    fine = Change({"src/main.rs": old + b"\nfn fine() {}\n"}, "util: x\n\nReason.\n")
    wrong = Change({"src/main.rs": old + b"\nfn fine() {}\n\nfn  wrong( ) {}\n"}, "util: y\n\nReason.\n")
    report = lint_one(app, fine, wrong, component="virtiofsd")
    assert rules(report, "0001") == []
    assert rules(report, "0002") == ["rustfmt"]
    assert "fn wrong() {}" in report.lines[1].findings[0].message


@pytest.mark.skipif(shutil.which("rustfmt") is None, reason="rustfmt is not installed")
def test_rust_that_cannot_be_read_is_not_well_formatted(app: App) -> None:
    broken = Change({"src/main.rs": b"fn main( {\n"}, "util: x\n\nReason.\n")
    assert rules(lint_one(app, broken, component="virtiofsd")) == ["rustfmt"]


# -- what needs a compiler


class Compiler:
    """Stands for Builder: warns about each line with "warn", by what a tree really holds."""

    lacks: FarwatchError | None = None
    """Why there is no sparse."""

    def __init__(self, app: App, said: Callable[[str, bytes], str]) -> None:
        self._app = app
        self._said = said
        self.asked: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.kernels = SimpleNamespace(complaints=self._complaints)
        self.sweeps = SimpleNamespace(sparse=self._sparse)
        self.servers = SimpleNamespace(clippy=self._clippy)

    def _sparse(self, _source: Source) -> Sparse:
        if self.lacks:
            raise self.lacks
        return Sparse("/x/sparse", "0.7")

    def _complaints(
        self, subject: Subject, files: Sequence[str], options: Sequence[str], sparse: Sparse | None
    ) -> Checked:
        source = subject.sources["linux"]
        self.asked.append((source.commit, tuple(files), (*options, *(sparse.options if sparse else ()))))
        trees = self._app.trees
        log = ""
        for file in trees.present(source, files):
            content = self._content(source, file)
            if b"#error" in content:
                raise BuildFailure("kernel does not build", cause="no\nway")
            log += self._said(file, content)
        return Checked(log, True)

    def _clippy(self, subject: Subject, component: str) -> Checked:
        source = subject.sources[component]
        content = self._content(source, "src/main.rs")
        return Checked(self._said("src/main.rs", content), b"broken" not in content)

    def _content(self, source: Source, file: str) -> bytes:
        repository = self._app.trees.repository(source.component)
        return git.git("cat-file", "blob", f"{source.tree}:{file}", cwd=repository)


def warn(file: str, content: bytes) -> str:
    log = ""
    for number, line in enumerate(content.decode().splitlines(), start=1):
        if line.startswith(("warn", "sparse", "error")):
            kind = "error" if line.startswith("error") else "warning"
            option = " [-Wunused-variable]" if line.startswith("warn") else ""
            log += (
                f"src/{file}:{number}:1: {kind}: {line}{option}\n"
                if file.endswith(".c")
                else (f"{file}:{number}:1: {kind}: {line}\n")
            )
    return log


def compile_lint(app: App, *changes: Change, component: str = "linux") -> tuple[LintReport, Compiler]:
    compiler = Compiler(app, warn)
    app.__dict__["builder"] = compiler
    revision(app, "v1", "", **{component: changes})
    (app.root / "patches" / "v1" / "cover-letter.txt").write_text("x\n")
    return lint_revision(app, app.catalog.revision("v1")), compiler


def more(*lines: bytes) -> bytes:
    return kernel_file(DIR) + b"".join(line + b"\n" for line in lines)


def test_new_warnings_are_those_of_the_patch_that_brings_them(app: App) -> None:
    first = Change({DIR: more(b"warn one")}, "fuse: a\n\nReason.\n")
    second = Change({DIR: more(b"", b"warn one", b"sparse two")}, "fuse: b\n\nReason.\n")
    third = Change({DIR: more(b"", b"sparse two")}, "fuse: c\n\nReason.\n")
    report, compiler = compile_lint(app, first, second, third)
    assert rules(report, "0001") == ["W=1:unused-variable"]
    assert rules(report, "0002") == ["sparse"]
    assert rules(report, "0003") == []
    assert {options for _, _, options in compiler.asked} == {("W=1", "CHECK=/x/sparse")}
    assert len(compiler.asked) == 4


def test_only_files_that_the_patch_touches_are_compiled(app: App) -> None:
    first = Change({DIR: more(b"x")}, "fuse: a\n\nReason.\n")
    second = Change({"mm/page.c": b"warn\n", "tools/x.c": b"warn\n", "a.txt": b"x\n"}, "mm: b\n\nReason.\n")
    report, compiler = compile_lint(app, first, second)
    assert [files for _, files, _ in compiler.asked] == [(DIR,), (DIR, "mm/page.c"), ("mm/page.c",)]
    assert rules(report, "0002") == ["W=1:unused-variable"]


def test_a_warning_that_was_there_is_not_that_of_the_patch_before_which_it_is_seen_again(app: App) -> None:
    pages = [Change({"mm/page.c": b"warn\n" + text}, "mm: x\n\nReason.\n") for text in (b"", b"more\n")]
    dirs = [Change({DIR: more(text)}, "fuse: x\n\nReason.\n") for text in (b"x", b"y")]
    report, _ = compile_lint(app, pages[0], *dirs, pages[1])
    assert rules(report) == ["W=1:unused-variable"]


def test_a_header_is_looked_at_through_the_series_other_files(app: App) -> None:
    header = Change({"fs/fuse/fuse.h": b"#define X 2\n"}, "fuse: a\n\nReason.\n")
    second = Change({DIR: more(b"x")}, "fuse: b\n\nReason.\n")
    _, compiler = compile_lint(app, header, second)
    assert [files for _, files, _ in compiler.asked] == [(DIR,)] * 3


def test_what_does_not_compile(app: App) -> None:
    first = Change({DIR: more(b"error x")}, "fuse: a\n\nReason.\n")
    second = Change({DIR: more(b"#error")}, "fuse: b\n\nReason.\n")
    report, _ = compile_lint(app, first, second)
    assert rules(report, "0001") == ["compile"]
    assert [one.message for one in report.lines[1].findings] == ["kernel does not build: no"]


def test_a_sparse_that_the_kernel_does_not_take_is_said(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    old = "src/Makefile:1311: C=2 specified, but sparse is not available or not up to date\n"
    monkeypatch.setattr(f"{__name__}.warn", lambda _file, _content: old)
    report, _ = compile_lint(app, GOOD)
    assert ("sparse", "kbuild does not take it") in [(entry.rule, entry.reason) for entry in report.unseen]


def test_a_sparse_that_is_not_to_be_had_is_said_and_gcc_asked_alone(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiler, "lacks", FarwatchError("no sparse", cause="no network\nat all"))
    report, compiler = compile_lint(app, Change({DIR: more(b"warn one")}, "fuse: a\n\nReason.\n"))
    assert ("sparse", "no sparse: no network") in [(entry.rule, entry.reason) for entry in report.unseen]
    assert rules(report, "0001") == ["W=1:unused-variable"]
    assert {options for _, _, options in compiler.asked} == {("W=1",)}


def test_a_rule_that_was_not_looked_at_can_be_waived(app: App) -> None:
    waive = '[[waive]]\nrule = "W=1*"\npatches = ["*"]\nreason = "for a moment"\n'
    revision(app, "v1", waive, linux=[GOOD])
    report = lint_revision(app, app.catalog.revision("v1"), build=False)
    assert [entry.rule for entry in report.not_run if entry.waived] == ["W=1, sparse, clippy"]
    assert report.unseen == () and report.idle == ()
    assert "which does not matter, because: for a moment" in lint_text(report)


def test_a_file_that_the_config_leaves_out_is_said(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "make[4]: *** No rule to make target 'fs/fuse/dir.o'.  Stop.\n"
    monkeypatch.setattr(f"{__name__}.warn", lambda _file, _content: said)
    report, _ = compile_lint(app, GOOD)
    assert f"{DIR} is no part of the um plain kernel" in [entry.reason for entry in report.not_run]


@pytest.mark.skipif(shutil.which("cargo-clippy") is None, reason="clippy is not installed")
def test_clippy_tells_what_is_new(app: App) -> None:
    first = Change({"src/main.rs": b"fn main() {}\nwarn one\n"}, "util: a\n\nReason.\n")
    second = Change(
        {"src/main.rs": b"fn main() {}\n\nwarn one\nwarn two\nerror broken\n"}, "util: b\n\nReason.\n"
    )
    report, _ = compile_lint(app, first, second, component="virtiofsd")
    found = {one.rule: one.where for one in report.lines[1].findings}
    assert "clippy" in rules(report, "0001")
    assert found["clippy"] == "src/main.rs:4" and found["compile"] == "src/main.rs:5"


@pytest.mark.skipif(shutil.which("cargo-clippy") is None, reason="clippy is not installed")
def test_a_clippy_that_fails_without_a_word_is_an_error(app: App) -> None:
    with pytest.raises(FarwatchError, match="clippy failed"):
        compile_lint(app, Change({"src/main.rs": b"broken\n"}, "util: a\n\nReason.\n"), component="virtiofsd")


def test_no_build_says_what_it_leaves_out(app: App) -> None:
    assert "W=1, sparse, clippy" in [entry.rule for entry in lint_one(app, GOOD).not_run]


def test_units_of_a_patch() -> None:
    patch = cast(ReviewedPatch, type("P", (), {"files": ("a.c", "scripts/b.c", "c.h")}))
    assert compile_rules.units_of(patch, [patch]) == {"a.c"}


# -- the command


def test_the_command_exits_1_when_something_is_wrong(
    app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from farwatch.cli import main

    monkeypatch.setattr(App, "here", classmethod(lambda cls, project=None: app))
    revision(app, "v1", linux=[GOOD])
    assert main(["lint", "v1", "--no-build"]) == 0
    assert "v1: nothing is wrong" in capsys.readouterr().out
    revision(app, "v2", linux=[GOOD])
    assert main(["lint", "v2", "--no-build"]) == 1
    assert "changelog:missing" in capsys.readouterr().out
    assert isinstance(app.catalog, Catalog)
