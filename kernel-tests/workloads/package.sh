# SPDX-License-Identifier: GPL-2.0
# As a package manager does: unpacked under other names, then renamed, with what
# was there before kept until all is done. Twice: install, upgrade.
for version in 1 2; do
	mkdir -p w/lib/app w/share/doc
	for file in lib/app/main lib/app/util share/doc/readme; do
		echo "$version" > w/$file.new
		chmod 644 w/$file.new
		touch -d 2001-01-01 w/$file.new
		[ ! -e w/$file ] || ln w/$file w/$file.old
		mv -f w/$file.new w/$file
	done
	rm -f w/lib/app/*.old w/share/doc/*.old
done
rm -f w/lib/app/main w/lib/app/util
rmdir w/lib/app w/lib
