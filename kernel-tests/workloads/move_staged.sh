# SPDX-License-Identifier: GPL-2.0
# A folder that was made elsewhere comes, is replaced by the next one, and goes.
mv tree w/release
mkdir w/next
echo text > w/next/file
mv w/release w/old
mv w/next w/release
rm -r w/old
mv w/release gone
