# SPDX-License-Identifier: GPL-2.0-or-later
"""Letters, their proof and delivery; a revision out of somebody's mails."""
