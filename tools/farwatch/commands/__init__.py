# SPDX-License-Identifier: GPL-2.0-or-later
"""One module a command: add(parser) declares its arguments, run(args, app) does it and returns the status."""
