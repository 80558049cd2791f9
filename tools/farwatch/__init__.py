# SPDX-License-Identifier: GPL-2.0-or-later
"""farwatch: carry a kernel feature across several trees, and prove what each revision does."""

__version__ = "0.1.0"
