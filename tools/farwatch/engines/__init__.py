# SPDX-License-Identifier: GPL-2.0-or-later
"""How a kernel is run: small classes behind one interface."""
