-- SPDX-License-Identifier: GPL-2.0-or-later
-- lsyncd: mirrors the folder w to the folder that MIRROR names, and says what it hands to rsync.
settings { nodaemon = true, insist = true }
sync {
	default.rsync,
	source = "w",
	target = os.getenv("MIRROR"),
	delay = 0,
	exclude = { ".git" },
	rsync = { archive = true },
}
