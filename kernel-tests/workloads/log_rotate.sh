# SPDX-License-Identifier: GPL-2.0
# Four ways, each with a writer that has the log open while it happens.
cd w
for way in rename copy chain link; do echo start > $way.log; done

# renamed, and made anew
exec 3>> rename.log
mv rename.log rename.log.1
echo late >&3
exec 3>> rename.log
echo new >&3

# copied, and cut
exec 3>> copy.log
cp copy.log copy.log.1
: > copy.log
echo new >&3

# a chain of numbers, the last of which is compressed
for i in 1 2 3; do
	[ ! -e chain.log.2 ] || gzip -nf chain.log.2
	[ ! -e chain.log.1 ] || mv chain.log.1 chain.log.2
	mv chain.log chain.log.1
	echo $i > chain.log
done

# a name with a date, and a link to it
for day in 01 02; do
	echo $day > link.$day
	ln -s link.$day link.tmp
	mv -f link.tmp link.log
done
exec 3>&-
