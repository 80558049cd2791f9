# SPDX-License-Identifier: GPL-2.0
# There is a program of that name.
command -v "$1" > /dev/null
