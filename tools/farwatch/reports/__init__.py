# SPDX-License-Identifier: GPL-2.0-or-later
"""The table and the timeline in each format."""
