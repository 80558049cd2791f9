# SPDX-License-Identifier: GPL-2.0
# ARG: "make" it; or "extract" it in a folder that is watched.
case $1 in
make)		tar -cf tree.tar tree ;;
extract)	tar -xf tree.tar -C w ;;
esac
