# SPDX-License-Identifier: GPL-2.0-or-later
"""publish.py: each form goes to its file, stdout gets the table."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.reports.publish import publish
from farwatch.reports.table_html import render_html
from farwatch.reports.table_json import render_json
from farwatch.reports.table_junit import render_junit
from farwatch.reports.table_kcidb import render_kcidb
from farwatch.reports.table_ktap import render_ktap
from farwatch.reports.table_mail import render_mail
from farwatch.reports.table_text import render_markdown, render_text
from tests.samples.table import sample

FORMS = ("markdown", "mail", "html", "junit", "ktap", "json", "kcidb")


def arguments(**paths: Path) -> argparse.Namespace:
    return argparse.Namespace(**{**dict.fromkeys(FORMS), "all": False, **paths})


def test_every_form_goes_to_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(sample(), arguments(**{form: tmp_path / form for form in FORMS}))
    wanted = {
        **{"markdown": render_markdown, "mail": render_mail, "html": render_html},
        **{"junit": render_junit, "ktap": render_ktap, "json": render_json, "kcidb": render_kcidb},
    }
    for form, render in wanted.items():
        assert (tmp_path / form).read_text(encoding="utf-8") == render(sample())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FORMS)
    assert capsys.readouterr().out == render_text(sample())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match=r"cannot write .*no/table\.html"):
        publish(sample(), arguments(html=tmp_path / "no" / "table.html"))
    with pytest.raises(FarwatchError, match="cannot write"):
        publish(sample(), arguments(json=tmp_path))
