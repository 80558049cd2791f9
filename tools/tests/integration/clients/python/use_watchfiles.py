# SPDX-License-Identifier: GPL-2.0-or-later
"""watchfiles: each change with its path."""

from __future__ import annotations

import os
import sys

from watchfiles import watch

# It watches by the time that it gives control back for the first time, changed or not.
for number, found in enumerate(
    watch(sys.argv[1], watch_filter=None, rust_timeout=200, yield_on_timeout=True)
):
    if number == 0:
        print("ready", flush=True)
    for kind, path in sorted(found):
        print(kind.raw_str(), os.path.relpath(path), flush=True)
