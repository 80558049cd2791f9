# SPDX-License-Identifier: GPL-2.0-or-later
"""Loaded by each worker process when it starts, as Dask's preload script.

Source: https://docs.dask.org/en/stable/how-to/customize-initialization.html.
A Ctrl-C is for who has asked, and ends its workers. Until here it was held back (schedulers.py).
"""

from __future__ import annotations

import os
import signal


def dask_setup(worker: object) -> None:
    """In the main thread of the process, before it is given anything."""
    del worker
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
