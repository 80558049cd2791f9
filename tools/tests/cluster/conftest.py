# SPDX-License-Identifier: GPL-2.0-or-later
"""The libraries of clusters, in the home that is used anyway, and the machine that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.cluster.artifacts import ArtifactServer
from farwatch.cluster.libraries import ensure_libraries
from farwatch.system.home import Home


@pytest.fixture(scope="session")
def libraries() -> None:
    """Installed once, as by the first --cluster."""
    ensure_libraries(Home.from_env())


@pytest.fixture
def server() -> Iterator[ArtifactServer]:
    """Of artifacts."""
    server = ArtifactServer("127.0.0.1")
    yield server
    server.close()


@pytest.fixture
def there(tmp_path: Path) -> Home:
    """The home of the machine that asks."""
    (tmp_path / "there").mkdir()
    return Home(tmp_path / "there")
