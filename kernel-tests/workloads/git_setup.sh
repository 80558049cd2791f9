# SPDX-License-Identifier: GPL-2.0
# A repository with two branches that differ in folders, files and modes.
# The same objects each time.
export GIT_AUTHOR_DATE="2001-01-01 00:00" GIT_COMMITTER_DATE="2001-01-01 00:00"

git_of() {
	git -C w -c gc.auto=0 -c user.name=nobody -c user.email=nobody@localhost \
		-c core.fsmonitor=false -c maintenance.auto=false "$@" > /dev/null
}

git init -q w
mkdir w/src w/doc
for i in 1 2 3 4 5 6 7 8; do
	echo "$i" > w/src/$i.c
	echo "$i" > w/doc/$i.txt
done
git_of symbolic-ref HEAD refs/heads/one
git_of add .
git_of commit -q -m one
git_of checkout -q -b two
git_of rm -q -r doc
git_of mv src/1.c src/one.c
mkdir w/include
for i in 2 3 4 5; do echo "two $i" > w/src/$i.c; done
echo new > w/include/new.h
chmod +x w/src/6.c
git_of add -A
git_of commit -q -m two
