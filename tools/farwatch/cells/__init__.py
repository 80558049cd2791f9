# SPDX-License-Identifier: GPL-2.0-or-later
"""Wishes, plans, jobs: fill cells."""
