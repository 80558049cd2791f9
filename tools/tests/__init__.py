# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of tools/farwatch, in the same rooms; fakes/ pretends, samples/ is what went in and came out.

Those of integration/ build and boot the real thing.
"""

from pathlib import Path

TESTS = Path(__file__).parent
SAMPLES = TESTS / "samples"
FAKES = TESTS / "fakes"
