# SPDX-License-Identifier: GPL-2.0
# The locks that programs take: by a name that must not be there, a link, a folder.
cd w
for i in 1 2 3 4; do
	(set -C; echo $i > index.lock)
	if [ $((i % 2)) = 0 ]; then rm index.lock; else mv -f index.lock index; fi
	ln data data.lock
	echo $i >> data
	rm data.lock
	mkdir folder.lock
	rmdir folder.lock
	ln -s nobody.$i link.lock
	rm link.lock
done
