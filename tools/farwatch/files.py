# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from farwatch.errors import FarwatchError


def write_whole(file: Path, text: str) -> None:
    """Whole or not at all; a device or a pipe (--json /dev/stdout) is written to as it is."""
    plain = file.is_file() or not file.exists()
    target = file.with_name(f".{file.name}.{os.getpid()}") if plain else file
    try:
        target.write_text(text, encoding="utf-8")
        if plain:
            target.replace(file)
    except OSError as error:
        if plain:
            target.unlink(missing_ok=True)
        raise FarwatchError(
            f"cannot write {file}",
            cause=error.strerror or str(error),
            hint="name a file in a folder that exists",
        ) from error
