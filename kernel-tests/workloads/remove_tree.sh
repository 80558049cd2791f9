# SPDX-License-Identifier: GPL-2.0
# Everybody's way to get rid of a tree.
rm -rf "$1"
