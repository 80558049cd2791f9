# SPDX-License-Identifier: GPL-2.0-or-later
"""The store of verdicts, names of cells, and the table as a value."""
