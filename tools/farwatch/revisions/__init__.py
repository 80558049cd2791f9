# SPDX-License-Identifier: GPL-2.0-or-later
"""What patches/ says: revisions, bases, who writes."""
