# SPDX-License-Identifier: GPL-2.0
# Objects become a pack, by way of temporary names; refs as well.
git -C w -c core.fsmonitor=false -c gc.autoDetach=false gc -q --prune=now
