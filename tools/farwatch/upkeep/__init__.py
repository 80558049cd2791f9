# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of the machine and of the home folder."""
