# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpatched trees: fetched, checked, imported."""
