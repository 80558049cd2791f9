# SPDX-License-Identifier: GPL-2.0-or-later
"""The engines that there are, by name."""

from __future__ import annotations

from farwatch.engines.engine import Engine
from farwatch.engines.uml import UmlEngine
from farwatch.engines.vng import StockVngEngine, VngEngine
from farwatch.errors import unknown

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (UmlEngine, VngEngine, StockVngEngine)}


def engine_named(name: str) -> Engine:
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    return ENGINES[name]()
