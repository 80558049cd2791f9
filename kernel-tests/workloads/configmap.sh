# SPDX-License-Identifier: GPL-2.0
# As the kubelet updates a volume: a folder, and one rename that makes it valid.
cd w
for version in 1 2 3; do
	mkdir ..$version
	for key in a b; do echo $version > ..$version/$key; done
	ln -s ..$version ..data_tmp
	mv -T ..data_tmp ..data
	if [ $version = 1 ]; then
		for key in a b; do ln -s ..data/$key $key; done
	else
		rm -r ..$((version - 1))
	fi
done
