# SPDX-License-Identifier: GPL-2.0
# Folders within folders, and files as soon as there is a folder.
cd w
for top in a b c; do
	mkdir $top
	echo text > $top/first
	mkdir $top/x
	echo text > $top/x/first
	mkdir $top/x/y
	for i in 1 2 3 4 5; do echo text > $top/x/y/$i; done
	mkdir -p $top/p/q/r
	echo text > $top/p/q/r/last
done
