# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel, server, monitor and tests, built once and kept; Kconfig and why."""
