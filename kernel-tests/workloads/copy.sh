# SPDX-License-Identifier: GPL-2.0
# A tree with all that belongs to it, into a folder that is watched.
cp -a tree w/tree
