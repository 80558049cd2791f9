# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m farwatch"""

import os
import sys

# Where the launcher puts our bytecode is nobody's folder but ours, so PYTHONDONTWRITEBYTECODE, by which a
# person keeps theirs clean, costs every start a compilation for nothing. It is overruled in this process
# alone: the variable stays in the environment, where what we start may find it.
if sys.pycache_prefix == os.path.join(sys.prefix, "pycache"):  # noqa: PTH118 - as quickly as can be
    sys.dont_write_bytecode = False

from farwatch.cli import main

sys.exit(main())
