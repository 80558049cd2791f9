# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reviewer would say: lint, every patch by itself, what changed."""
