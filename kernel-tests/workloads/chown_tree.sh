# SPDX-License-Identifier: GPL-2.0
# Only root may.
chown -R 1000:1000 "$1"
