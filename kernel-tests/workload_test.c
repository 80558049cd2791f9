// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: real programs at work, while nobody reads. What is wanted is what
 * the same programs give on a local file system, for each name by itself:
 * programs work on the names of a directory in the order that the directory
 * has them.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "two_sided.h"
#include "burst.h"

#define CHANGES		(IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY |	\
			 IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF |	\
			 IN_MOVE_SELF)

FIXTURE(workload)
{
	struct act act;
	struct burst burst;
};

#define FIXTURE_NAME workload
#define FIXTURE_SIDES REMOTE_ONLY
#define FIXTURE_ENDS burst_close(&self->burst)
#include "fixture.h"

FIXTURE_SETUP(workload)
{
	BURST_STAGE();
	LINE("mkdir w 755");
	PLAY();
}

/*
 * Rule: each file and each folder of a tree that is removed is reported.
 * Source: rm(1), -r.
 */
TEST_F(workload, remove_tree)
{
	RUN("tree", "w/tree:30");
	WATCH_TREE("w", CHANGES);
	RUN("remove_tree", "w/tree");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: so is everything that changes hands, also what is in folders of which
 * only the one above is watched.
 * Source: chown(1), -R.
 */
TEST_F(workload, change_owners)
{
	int i;

	if (geteuid())
		SKIP(return, "only root may give files away");
	for (i = 0; i < 80; i++) {
		LINE("mkdir w/%d 755", i);
		LINE("mkdir w/%d/sub 755", i);
		LINE("create w/%d/file 644", i);
	}
	PLAY();
	for (i = 0; i < 80; i++) {
		char path[16];

		snprintf(path, sizeof(path), "w/%d", i);
		WATCH_BOTH(path, CHANGES);
	}
	RUN("chown_tree", "w");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: the same of modes.
 * Source: chmod(1), -R.
 */
TEST_F(workload, change_modes)
{
	RUN("tree", "w/tree:10");
	WATCH_TREE("w", CHANGES);
	RUN("chmod_tree", "w/tree");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a tree that appears is reported by its topmost name.
 * Source: cp(1), -a; inotify(7), "not recursive".
 */
TEST_F(workload, copy)
{
	RUN("tree", "tree:5");
	WATCH_TREE("w", CHANGES);
	RUN("copy", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: files that are written over are reported, with what becomes of them.
 * Source: tar(1), -x, which removes what is there first.
 */
TEST_F(workload, unpack)
{
	NEED("tar");
	RUN("tree", "tree:3");
	RUN("archive", "make");
	RUN("copy", NULL);
	WATCH_TREE("w", CHANGES);
	RUN("archive", "extract");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a folder that comes, goes and is replaced is told by its names.
 * Source: mv(1); deployments that stage a release.
 */
TEST_F(workload, staged_folder)
{
	RUN("tree", "tree:3");
	WATCH_BOTH("w", CHANGES);
	RUN("move_staged", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: after a change of branches each path that differs has been reported.
 * Source: git-checkout(1).
 */
TEST_F(workload, git_checkout)
{
	NEED("git");
	RUN("git_setup", NULL);
	WATCH_BOTH("w", CHANGES);
	WATCH_BOTH("w/src", CHANGES);
	WATCH_BOTH("w/include", CHANGES);
	WATCH_BOTH("w/.git", CHANGES);
	RUN("git_checkout", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: what is packed is seen to go.
 * Source: git-gc(1).
 */
TEST_F(workload, git_gc)
{
	NEED("git");
	RUN("git_setup", NULL);
	WATCH_BOTH("w/.git", CHANGES);
	WATCH_BOTH("w/.git/refs/heads", CHANGES);
	WATCH_BOTH("w/.git/objects", CHANGES);
	RUN("git_gc", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a file that is installed appears under its name when it is complete.
 * Source: dpkg(1): unpacked as *.dpkg-new, then renamed.
 */
TEST_F(workload, package)
{
	LINE("mkdir w/lib 755");
	LINE("mkdir w/share 755");
	LINE("mkdir w/share/doc 755");
	PLAY();
	WATCH_TREE("w", CHANGES);
	RUN("package", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: whoever follows a log learns that it was renamed, cut, compressed, or
 * is another one now.
 * Source: logrotate(8), create and copytruncate; tail(1), -F.
 */
TEST_F(workload, rotate_logs)
{
	NEED("gzip");
	WATCH_BOTH("w", CHANGES);
	RUN("log_rotate", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: each way to save a file is told as it is.
 * Source: vim, "backup" and 4913; Emacs, lock files and backups; inotify(7).
 */
TEST_F(workload, save)
{
	static const char *const ways[] = {
		"in-place", "cut", "renamed", "synced", "backup", "vim",
		"emacs", "copied", "exchanged", "unnamed",
	};
	char path[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		LINE("create w/%s 644", ways[i]);
		LINE("append w/%s old", ways[i]);
	}
	PLAY();
	WATCH_BOTH("w", CHANGES);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		snprintf(path, sizeof(path), "w/%s", ways[i]);
		WATCH_BOTH(path, CHANGES);
	}
	RUN("edit", NULL);
	LINE("create w/.exchanged.tmp 644");
	LINE("append w/.exchanged.tmp new");
	LINE("rename w/.exchanged.tmp w/exchanged exchange");
	LINE("unlink w/.exchanged.tmp");
	LINE("tmpfile w 0");
	LINE("pwrite 0 0 new");
	LINE("fsync 0");
	LINE("flink 0 w/.unnamed.tmp");
	LINE("close 0");
	LINE("rename w/.unnamed.tmp w/unnamed");
	PLAY();
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: what a build makes and removes is reported.
 * Source: make(1) with compilers that rename what they have finished.
 */
TEST_F(workload, build)
{
	WATCH_BOTH("w", CHANGES);
	RUN("build", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a data base that writes ahead is seen to be written.
 * Source: sqlite.org, Write-Ahead Logging.
 */
TEST_F(workload, sqlite_wal)
{
	NEED("python3");
	WATCH_BOTH("w", CHANGES);
	RUN("sqlite", "wal");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: one with a journal is, too, and so is the journal.
 * Source: sqlite.org, Atomic Commit.
 */
TEST_F(workload, sqlite_journal)
{
	NEED("python3");
	WATCH_BOTH("w", CHANGES);
	RUN("sqlite", "delete");
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: of each lock the last that is told is that it is gone.
 * Source: git's index.lock; links, folders and symbolic links as locks.
 */
TEST_F(workload, lock_files)
{
	LINE("create w/data 644");
	PLAY();
	WATCH_BOTH("w", CHANGES);
	RUN("lock_files", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a file with many names is told by each of them that is watched.
 * Source: pnpm's and ostree's stores; cp(1), -al; ln(1), -f.
 */
TEST_F(workload, link_farm)
{
	RUN("tree", "w/store:2");
	WATCH_TREE("w/store", CHANGES);
	WATCH_BOTH("w", CHANGES);
	RUN("link_farm", NULL);
	SAME_EVENTS_OF_NAMES();
}

/*
 * Rule: a volume that is updated by one rename is told by that.
 * Source: the kubelet's AtomicWriter, "..data".
 */
TEST_F(workload, config_map)
{
	WATCH_BOTH("w", CHANGES);
	RUN("configmap", NULL);
	SAME_EVENTS_OF_NAMES();
}

/* ------------------------------------------------- a watcher of a whole tree */

#define GROWN_MAX	64	/* folders and files of workloads/grow.sh */

/* What one that adds watches as folders appear knows of. */
struct watcher {
	struct events	ev;
	char		folders[GROWN_MAX][64];	/* by watch descriptor */
	char		files[GROWN_MAX][64];
	size_t		count;
};

static bool knows(const struct watcher *watcher, const char *path)
{
	size_t i;

	for (i = 0; i < watcher->count; i++)
		if (!strcmp(watcher->files[i], path))
			return true;
	return false;
}

static void learn(struct watcher *watcher, const char *path)
{
	if (!knows(watcher, path) && watcher->count < GROWN_MAX)
		snprintf(watcher->files[watcher->count++], 64, "%s", path);
}

static int look_into(struct watcher *watcher, const char *folder);

/* Something that was told of, or found. */
static int meet(struct watcher *watcher, const char *folder, const char *name,
		bool is_folder)
{
	char path[64];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    sizeof(path))
		return -ENAMETOOLONG;
	if (is_folder)
		return look_into(watcher, path);
	learn(watcher, path);
	return 0;
}

/* The watch first, then what was there before it. */
static int look_into(struct watcher *watcher, const char *folder)
{
	int wd = inotify_add_watch(watcher->ev.fd, folder, IN_CREATE);
	struct dirent *entry;
	DIR *dir;
	int ret = 0;

	dir = opendir(folder);
	if (wd < 0 || wd >= GROWN_MAX || !dir)
		return -EIO;
	snprintf(watcher->folders[wd], 64, "%s", folder);
	while (!ret && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ret = meet(watcher, folder, entry->d_name,
				   entry->d_type == DT_DIR);
	closedir(dir);
	return ret;
}

/* Until the first sentinel: 0, or -errno. */
static int follow(struct watcher *watcher)
{
	struct event event;
	int ret;

	do {
		ret = events_next(&watcher->ev, &event);
		if (ret != 1)
			return ret ? ret : -ETIMEDOUT;
		if (event.on == watcher->ev.sentinel)
			return 0;
		if (event.on < 0 || event.on >= GROWN_MAX)
			return -ERANGE;
		ret = meet(watcher, watcher->folders[event.on], event.name,
			   event.mask & IN_ISDIR);
	} while (!ret);
	return ret;
}

static const char *const grown[] = {
	"first", "x/first", "x/y/1", "x/y/5", "p/q/r/last",
};

/* Reads while the actor works; then: how many files it does not know of. */
static int be_watcher(struct watcher *watcher)
{
	int missing = 0, ret = follow(watcher);
	char path[64];
	size_t i;
	char top;

	if (ret)
		return 255;	/* it did not come to the end */
	for (top = 'a'; top <= 'c'; top++) {
		for (i = 0; i < ARRAY_SIZE(grown); i++) {
			snprintf(path, sizeof(path), "w/%c/%s", top, grown[i]);
			missing += !knows(watcher, path);
		}
	}
	return missing;
}

/*
 * Rule: one that watches each folder as soon as it is told of it, and then looks
 * what is in it, knows of every file in the end.
 * Source: inotify(7), "if monitoring an entire directory subtree, and a new
 * subdirectory is created".
 */
TEST_F(workload, tree_grows_under_a_watcher)
{
	static struct watcher watcher;
	int status;
	pid_t child;

	OPEN_INOTIFY(&watcher.ev);
	ASSERT_EQ(0, look_into(&watcher, "w"));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		_exit(be_watcher(&watcher));
	ACT("run", ".", "grow");
	ASSERT_FINE(act_sentinel(&self->act));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	events_close(&watcher.ev);
	ASSERT_EQ(0, status) {
		TH_LOG("no event: %d files are not known of", status >> 8);
	}
}

TEST_HARNESS_MAIN
