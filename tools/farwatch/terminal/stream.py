# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stream can show."""

from __future__ import annotations

import os
from typing import TextIO


def wants_plain(stream: TextIO) -> bool:
    """Whether the stream gets no escape codes: not a terminal, a dumb one, NO_COLOR, or no UTF-8."""
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    return not stream.isatty() or dumb or bool(os.environ.get("NO_COLOR")) or encoding != "utf8"
