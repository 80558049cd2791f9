# SPDX-License-Identifier: GPL-2.0-or-later
"""Cells on other machines: how a cluster is reached, who of it fits, and what goes there and comes back."""
