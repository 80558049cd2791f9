# SPDX-License-Identifier: GPL-2.0-or-later
"""Commits and worktrees out of bases and patches."""
