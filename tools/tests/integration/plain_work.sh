# SPDX-License-Identifier: GPL-2.0-or-later
# Ordinary work in the folder $1, with the sources in $2: what it leaves is the same on every file system.
set -e
export GIT_AUTHOR_DATE='2026-01-01 00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00 +0000' HOME="$1"
umask 022
cd "$1"
git config --global user.name nobody
git config --global user.email nobody@localhost
git config --global core.pager cat

mkdir unpacked
tar -C "$2" -cf archive.tar kernel-tests tools/tests/samples
tar -C unpacked -xf archive.tar
cp -a unpacked copied
cp -a --reflink=never copied/kernel-tests/. copied/again

cd copied/again
ln steps.h linked.h
ln -s steps.h by-name.h
ln -s /nowhere dangling
mkfifo pipe
mv act.c moved.c
mv moved.c act.c.new && mv -f act.c.new ask.c
mkdir empty && mv -T guest empty
mkdir -p a/b/c && mv a/b b && rmdir a
chmod 4711 act.h
chmod -R go-rx b
touch -d @1000000000.123456789 Makefile
ln -s x link && touch -h -d @1000000000 link
truncate -s 100000 steps.c
fallocate -l 5000 allocated
dd if=/dev/zero of=sparse bs=1 seek=1000000 count=1 2>/dev/null
printf appended >> sparse
chown 1234:4321 paths.c
chown -h 77 link
mkdir sgid && chgrp 55 sgid && chmod 2775 sgid && mkdir sgid/in && : > sgid/file
exec 3> open && echo before >&3 && rm open && echo after >&3 && exec 3>&-
cd ../..

mkdir user shared && chown 1234:55 user && chgrp 66 shared && chmod 2777 shared && mkdir -m 755 closed
setpriv --reuid 1234 --regid 55 --clear-groups sh -e <<'END'
for folder in user shared; do
	(umask 027; cd $folder; echo text > file; mkdir folder; ln -s file symlink; mkfifo fifo; ln file linked)
done
! touch closed/file 2>/dev/null
! chmod 777 closed 2>/dev/null
END

git init -q -b main repository
cd repository
cp -r ../unpacked/kernel-tests/. .
git add . && git commit -qm first
git mv guest others && sed -i 1d README* Makefile 2>/dev/null || sed -i 1d Makefile
git checkout -qb side && git commit -qam second
git checkout -q main && git checkout -q side && git checkout -q main
git -c pack.threads=1 gc -q && git fsck --strict >/dev/null
rm -rf .git/hooks .git/logs .git/index
cd ..

rm -rf unpacked copied/kernel-tests/guest
