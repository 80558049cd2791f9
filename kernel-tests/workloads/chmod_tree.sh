# SPDX-License-Identifier: GPL-2.0
chmod -R u+w,go-rwx "$1"
