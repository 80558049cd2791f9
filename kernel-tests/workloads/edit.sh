# SPDX-License-Identifier: GPL-2.0
# How editors save: each way has a file of its own.
cd w
# in place
echo new > in-place
# cut, and written
truncate -s 0 cut
echo new >> cut
# a new file takes the name
echo new > .renamed.tmp
mv -f .renamed.tmp renamed
# the same, with all on disk before
echo new | dd of=.synced.tmp conv=fsync 2> /dev/null
mv -f .synced.tmp synced
# the old one becomes the backup
mv -f backup backup~
echo new > backup
# vim: whether the folder can be written to, then by backup
: > 4913
chmod 644 4913
rm 4913
mv vim vim~
echo new > vim
chmod 644 vim
rm vim~
# emacs: a link is the lock, a copy the backup
ln -s nobody@localhost.1 .#emacs
cp -p emacs emacs~
echo new > emacs
rm .#emacs
# written elsewhere and copied back
cp copied copied.swp
echo more >> copied.swp
cat copied.swp > copied
rm copied.swp
