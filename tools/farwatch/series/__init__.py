# SPDX-License-Identifier: GPL-2.0-or-later
"""A series and its patch files: saved, rebased, reworded, adopted."""
