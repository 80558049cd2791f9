# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest with its server, and what it says."""
