# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes, locks, files, git, and what is installed: what farwatch needs of the machine."""
