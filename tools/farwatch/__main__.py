# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m farwatch"""

import sys

from farwatch.cli import main

sys.exit(main())
