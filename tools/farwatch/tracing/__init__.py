# SPDX-License-Identifier: GPL-2.0-or-later
"""One event on its way from the host to a program in the guest, layer by layer."""
