# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as pages: a folder of them, and a view of a home while farwatch works in it."""
