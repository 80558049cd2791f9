# SPDX-License-Identifier: GPL-2.0-or-later
"""The libraries of clusters: installed when first called for, and found by this process from then on."""

from __future__ import annotations

import os

from farwatch.system import bootstrap, venv
from farwatch.system.home import Home, checkout_root


def ensure_libraries(home: Home) -> None:
    """Before anything of schedulers.py, serving.py or ssh.py is imported."""
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # what there is to be said is said by us
    venv.add_libraries(bootstrap.cluster_venv(checkout_root() / "tools", home))
