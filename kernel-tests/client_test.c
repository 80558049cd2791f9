// SPDX-License-Identifier: GPL-2.0
/*
 * What real programs ask for, and what others do to the files that they watch.
 * Masks are those of the programs' sources.
 */
#include <unistd.h>

#include "two_sided.h"

/* libuv: src/unix/linux.c, uv_fs_event_start(). */
#define LIBUV_MASK	(IN_ATTRIB | IN_CREATE | IN_MODIFY | IN_DELETE |	\
			 IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM |	\
			 IN_MOVED_TO)
/* watchman: watcher/inotify.cpp, kInotifyMask. */
#define WATCHMAN_MASK	(IN_ATTRIB | IN_CREATE | IN_DELETE |		\
			 IN_DELETE_SELF | IN_MODIFY | IN_MOVE_SELF |	\
			 IN_MOVED_FROM | IN_MOVED_TO | IN_DONT_FOLLOW |	\
			 IN_ONLYDIR | IN_EXCL_UNLINK)
/* GLib: gio/inotify/inotify-path.c, IP_INOTIFY_DIR_MASK. */
#define GLIB_MASK	(IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |	\
			 IN_MOVED_TO | IN_DELETE | IN_CREATE |		\
			 IN_DELETE_SELF | IN_UNMOUNT | IN_MOVE_SELF |	\
			 IN_CLOSE_WRITE)
/* systemd: src/core/path.c, PathChanged=. */
#define SYSTEMD_MASK	(IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB |	\
			 IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |	\
			 IN_MOVED_FROM | IN_MOVED_TO)

/* A directory with a file, as programs watch it. */
FIXTURE(client)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME client
#include "fixture.h"

FIXTURE_SETUP(client)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: a directory watch of Node's fs.watch() sees a file come, change and go.
 * Source: libuv, src/unix/linux.c; "change" for IN_ATTRIB and IN_MODIFY,
 * "rename" for the rest.
 */
TEST_F(client, libuv_directory)
{
	int d = WATCH("d", LIBUV_MASK);

	ACT("create", "d/new", "644");
	ACT("write", "d/new", "0", "text");
	SEE(EV(d, IN_CREATE, "new"), EV(d, IN_MODIFY, "new"));
	ACT("unlink", "d/new");
	SEE(EV(d, IN_DELETE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a file watch of Node's fs.watchFile() replacement sees a change, and the
 * replacement of the file.
 * Source: libuv, src/unix/linux.c; inotify(7), IN_ATTRIB and IN_DELETE_SELF.
 */
TEST_F(client, libuv_file)
{
	int f = WATCH("d/f", LIBUV_MASK);

	HERE("create", "draft", "666");
	ACT("write", "d/f", "0", "more");
	SEE(SELF(f, IN_MODIFY));
	ACT("rename", "draft", "d/f");
	SEE(SELF(f, IN_ATTRIB), SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: Vite and tsc see a file that is edited in place, once.
 * Source: libuv, src/unix/linux.c; vitejs/vite on shared folders.
 */
TEST_F(client, libuv_edit_in_place)
{
	int d = WATCH("d", LIBUV_MASK);

	ACT("open", "d/f", "w", "0");
	ACT("pwrite", "0", "0", "changed");
	ACT("close", "0");
	SEE(EV(d, IN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: watchman's mask, private flags and all, sees creation, change, move and
 * deletion.
 * Source: watchman, watcher/inotify.cpp.
 */
TEST_F(client, watchman_directory)
{
	int d = WATCH("d", WATCHMAN_MASK);

	ACT("create", "d/new", "644");
	ACT("write", "d/new", "0", "text");
	ACT("rename", "d/new", "d/newer");
	ACT("unlink", "d/newer");
	SEE(EV(d, IN_CREATE, "new"), EV(d, IN_MODIFY, "new"),
	    PAIR(d, IN_MOVED_FROM, "new", 1), PAIR(d, IN_MOVED_TO, "newer", 1),
	    EV(d, IN_DELETE, "newer"));
	NOTHING_MORE();
}

/*
 * Rule: a cookie file that the program itself creates gives exactly one
 * IN_CREATE, behind what others did before and was seen.
 * Source: watchman, cookies: ".watchman-cookie-*" in the root of the tree.
 */
TEST_F(client, watchman_cookie)
{
	const char *cookie = ".watchman-cookie-host-1-1";
	int d = WATCH("d", WATCHMAN_MASK);
	char path[64];

	SKIP_WHERE_READ_ONLY();
	snprintf(path, sizeof(path), "d/%s", cookie);
	ACT("create", "d/theirs", "644");
	SEE(EV(d, IN_CREATE, "theirs"));
	HERE("create", path, "600");
	HERE("unlink", path);
	SEE(EV(d, IN_CREATE, cookie), EV(d, IN_DELETE, cookie));
	ACT("create", "d/more", "644");
	SEE(EV(d, IN_CREATE, "more"));
	NOTHING_MORE();
}

/*
 * Rule: a file that is opened, removed and then written to is not reported to
 * watchman once it is gone.
 * Source: watchman, watcher/inotify.cpp, IN_EXCL_UNLINK.
 */
TEST_F(client, watchman_unlinked)
{
	int d = WATCH("d", WATCHMAN_MASK);

	ACT("open", "d/f", "w", "0");
	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	ACT("pwrite", "0", "0", "nobody will see this");
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: a directory that appears can be watched at once, and what is in it
 * after that is seen.
 * Source: watchman, Node's recursive fs.watch, watchdog: a watch for each new
 * directory.
 */
TEST_F(client, new_directory_is_watched)
{
	int d = WATCH("d", WATCHMAN_MASK), sub;

	ACT("mkdir", "d/sub", "777");
	SEE(EV(d, IN_CREATE | IN_ISDIR, "sub"));
	sub = WATCH("d/sub", WATCHMAN_MASK);
	ACT("create", "d/sub/new", "644");
	SEE(EV(sub, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: the halves of a rename come next to each other, so that they can be
 * paired without a wait.
 * Source: Python watchdog and GLib pair IN_MOVED_FROM and IN_MOVED_TO by cookie.
 */
TEST_F(client, watchdog_move)
{
	int sub, d;

	HERE("mkdir", "d/sub", "777");
	sub = WATCH("d/sub", IN_MOVE | IN_CREATE | IN_DELETE);
	d = WATCH("d", IN_MOVE | IN_CREATE | IN_DELETE);
	ACT("create", "d/one", "644");
	ACT("rename", "d/f", "d/sub/f");
	ACT("create", "d/two", "644");
	SEE(EV(d, IN_CREATE, "one"), PAIR(d, IN_MOVED_FROM, "f", 1),
	    PAIR(sub, IN_MOVED_TO, "f", 1), EV(d, IN_CREATE, "two"));
	NOTHING_MORE();
}

/*
 * Rule: a finished download is a rename of the partial file, or the end of its
 * writing; a file manager shows both.
 * Source: GLib, gio/inotify, G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT; tiiuae/ghaf
 * issue 1041.
 */
TEST_F(client, glib_download)
{
	int d = WATCH("d", GLIB_MASK);

	ACT("create", "d/file.part", "644");
	SEE(EV(d, IN_CREATE, "file.part"), EV(d, IN_CLOSE_WRITE, "file.part"));
	ACT("append", "d/file.part", "all of it");
	SEE(EV(d, IN_MODIFY, "file.part"), EV(d, IN_CLOSE_WRITE, "file.part"));
	ACT("rename", "d/file.part", "d/file");
	SEE(PAIR(d, IN_MOVED_FROM, "file.part", 1),
	    PAIR(d, IN_MOVED_TO, "file", 1));
	NOTHING_MORE();
}

/*
 * Rule: a path unit fires when a writer closes the file, and not at each write.
 * Source: systemd, src/core/path.c, PathChanged=; systemd.path(5).
 */
TEST_F(client, systemd_path_changed)
{
	int f = WATCH("d/f", SYSTEMD_MASK);

	ACT("open", "d/f", "w", "0");
	ACT("pwrite", "0", "0", "one");
	ACT("pwrite", "0", "0", "two");
	ACT("close", "0");
	SEE(SELF(f, IN_CLOSE_WRITE));
	NOTHING_MORE();
}

/*
 * Rule: safe-write: the directory sees the temporary file come, be written, and
 * take the place of the old one.
 * Source: inotify(7), IN_MOVED_TO; vim 'backupcopy', VS Code and JetBrains
 * "safe write".
 */
TEST_F(client, editor_safe_write)
{
	int d = WATCH("d", IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE |
		      IN_DELETE);

	ACT("create", "d/f.tmp", "644");
	SEE(EV(d, IN_CREATE, "f.tmp"), EV(d, IN_CLOSE_WRITE, "f.tmp"));
	ACT("write", "d/f.tmp", "0", "new text");
	ACT("rename", "d/f.tmp", "d/f");
	SEE(EV(d, IN_MODIFY, "f.tmp"), EV(d, IN_CLOSE_WRITE, "f.tmp"),
	    PAIR(d, IN_MOVED_FROM, "f.tmp", 1), PAIR(d, IN_MOVED_TO, "f", 1));
	NOTHING_MORE();
}

/*
 * Rule: a program that watches the file itself learns that an editor replaced
 * it, adds the watch again, and sees the next change.
 * Source: entr(1), GNU tail -F, Go fsnotify: IN_DELETE_SELF or IN_ATTRIB, then
 * a new watch.
 */
TEST_F(client, editor_replaces_watched_file)
{
	int f = WATCH("d/f", IN_CLOSE_WRITE | IN_DELETE_SELF), again;

	HERE("create", "d/f.tmp", "666");
	ACT("rename", "d/f.tmp", "d/f");
	SEE(SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	again = WATCH("d/f", IN_CLOSE_WRITE | IN_DELETE_SELF);
	ACT("write", "d/f", "0", "edited again");
	SEE(SELF(again, IN_CLOSE_WRITE));
	NOTHING_MORE();
}

/*
 * Rule: editors that keep a backup move the old file away, then write a new one
 * under its name.
 * Source: vim, 'nobackupcopy'; inotify(7), IN_MOVE_SELF.
 */
TEST_F(client, editor_keeps_backup)
{
	int d = WATCH("d", IN_MOVE | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE);

	ACT("rename", "d/f", "d/f~");
	ACT("create", "d/f", "644");
	ACT("unlink", "d/f~");
	SEE(PAIR(d, IN_MOVED_FROM, "f", 1), PAIR(d, IN_MOVED_TO, "f~", 1),
	    EV(d, IN_CREATE, "f"), EV(d, IN_CLOSE_WRITE, "f"),
	    EV(d, IN_DELETE, "f~"));
	NOTHING_MORE();
}

/*
 * Rule: git's lock file comes, is written, and becomes the index.
 * Source: git, lockfile.h; what git status integrations wait for.
 */
TEST_F(client, git_index_lock)
{
	int d = WATCH("d", IN_CREATE | IN_MOVE | IN_DELETE);

	ACT("create", "d/index.lock", "644");
	ACT("write", "d/index.lock", "0", "DIRC");
	ACT("rename", "d/index.lock", "d/index");
	SEE(EV(d, IN_CREATE, "index.lock"),
	    PAIR(d, IN_MOVED_FROM, "index.lock", 1),
	    PAIR(d, IN_MOVED_TO, "index", 1));
	NOTHING_MORE();
}

/*
 * Rule: a ConfigMap changes in this order: new directory, ..data over the old
 * link, old directory gone.
 * Source: kubelet, AtomicWriter (pkg/volume/util/atomic_writer.go); Envoy's
 * watched_directory waits for IN_MOVED_TO of ..data (envoy issue 3928).
 */
TEST_F(client, kubelet_configmap)
{
	int d;

	HERE("mkdir", "d/..one", "777");
	HERE("create", "d/..one/key", "666");
	HERE("symlink", "..one", "d/..data");
	d = WATCH("d", IN_CREATE | IN_MOVE | IN_DELETE | IN_ONLYDIR);
	ACT("mkdir", "d/..two", "777");
	ACT("create", "d/..two/key", "666");
	ACT("symlink", "..two", "d/..data_tmp");
	ACT("rename", "d/..data_tmp", "d/..data");
	ACT("unlink", "d/..one/key");
	ACT("rmdir", "d/..one");
	SEE(EV(d, IN_CREATE | IN_ISDIR, "..two"),
	    EV(d, IN_CREATE, "..data_tmp"),
	    PAIR(d, IN_MOVED_FROM, "..data_tmp", 1),
	    PAIR(d, IN_MOVED_TO, "..data", 1),
	    EV(d, IN_DELETE | IN_ISDIR, "..one"));
	NOTHING_MORE();
}

/*
 * Rule: the same, with the new directory watched as well: its file is there
 * before ..data moves.
 * Source: kubelet, AtomicWriter; kata-containers issue 10411.
 */
TEST_F(client, kubelet_order_across_directories)
{
	int d = WATCH("d", IN_CREATE | IN_MOVED_TO), two;

	ACT("mkdir", "d/..two", "777");
	SEE(EV(d, IN_CREATE | IN_ISDIR, "..two"));
	two = WATCH("d/..two", IN_CREATE | IN_CLOSE_WRITE);
	ACT("create", "d/..two/key", "666");
	ACT("symlink", "..two", "d/..data_tmp");
	ACT("rename", "d/..data_tmp", "d/..data");
	SEE(EV(two, IN_CREATE, "key"), EV(two, IN_CLOSE_WRITE, "key"),
	    EV(d, IN_CREATE, "..data_tmp"),
	    PAIR(d, IN_MOVED_TO, "..data", 1));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
