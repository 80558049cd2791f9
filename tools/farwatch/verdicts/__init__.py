# SPDX-License-Identifier: GPL-2.0-or-later
"""From output and console to a verdict."""
