# SPDX-License-Identifier: GPL-2.0
# A store of files, and trees that are made of links to them.
cp -al w/store w/farm
ln -f w/store/d0/f1 w/farm/d0/f2
echo more >> w/farm/d0/f1
chmod 600 w/store/d0/f3
rm -r w/store/d0
mv w/farm/d1/f1 w/farm/d1/f9
rm -r w/farm/d1
