# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that others have written, run on a revision's kernel: each program, and each of its tests, a row."""
