# SPDX-License-Identifier: GPL-2.0
# To the other branch, and back.
for branch in one two one; do
	git -C w -c core.fsmonitor=false checkout -q $branch 2>&1
done
