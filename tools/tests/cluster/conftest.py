# SPDX-License-Identifier: GPL-2.0-or-later
"""The libraries of clusters, in the home that is used anyway: installed once, as by the first --cluster."""

from __future__ import annotations

import pytest

from farwatch.cluster.libraries import ensure_libraries
from farwatch.system.home import Home


@pytest.fixture(scope="session")
def libraries() -> None:
    ensure_libraries(Home.from_env())
