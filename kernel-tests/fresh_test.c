// SPDX-License-Identifier: GPL-2.0
/*
 * An event tells that something changed, so whoever asks right afterwards gets
 * the new state: attributes, data, names, link targets. What is asked for has
 * been asked for before, so that caches are warm with the old state.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "two_sided.h"

/* Number of entries called this in a directory, or -errno. */
static int entries_called(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		count += !strcmp(entry->d_name, name);
	closedir(dir);
	return count;
}

/* The beginning of a file, "" when it cannot be read. */
static const char *content(const char *path)
{
	static char buf[128];
	ssize_t len = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	buf[len > 0 ? len : 0] = '\0';
	return buf;
}

static const char *target(const char *path)
{
	static char buf[128];
	ssize_t len = readlink(path, buf, sizeof(buf) - 1);

	buf[len > 0 ? len : 0] = '\0';
	return buf;
}

/* 0 or errno of stat(). */
static int stat_error(const char *path)
{
	struct stat st;

	return stat(path, &st) ? errno : 0;
}

/* A watched directory, whose content this process has looked at. */
FIXTURE(event)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME event
#include "fixture.h"

FIXTURE_SETUP(event)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "d/sub", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "old text");
	HERE("symlink", "old", "d/link");
	ASSERT_STREQ("old text", content("d/f"));
	ASSERT_STREQ("old", target("d/link"));
	ASSERT_EQ(ENOENT, stat_error("d/new"));
	ASSERT_EQ(0, entries_called("d", "new"));
	ASSERT_EQ(1, entries_called("d", "f"));
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: after IN_MODIFY stat() gives the new size.
 * Source: chokidar and watchfiles stat() on each event; linux-fsdevel, RFC of
 * 25 Oct 2021, which sends no invalidation.
 */
TEST_F(event, size)
{
	int d = WATCH("d", IN_MODIFY);
	struct stat st;

	ACT("append", "d/f", ", and more");
	SEE(EV(d, IN_MODIFY, "f"));
	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ(18, st.st_size);
	NOTHING_MORE();
}

/*
 * Rule: after IN_MODIFY of a truncation stat() gives the new size, and reading
 * ends there.
 * Source: truncate(2); tail(1), "file truncated".
 */
TEST_F(event, size_after_truncate)
{
	int d = WATCH("d", IN_MODIFY);
	struct stat st;

	ACT("truncate", "d/f", "3");
	SEE(EV(d, IN_MODIFY, "f"));
	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ(3, st.st_size);
	ASSERT_STREQ("old", content("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_ATTRIB stat() gives the new permissions.
 * Source: inotify(7), IN_ATTRIB; stat(2).
 */
TEST_F(event, mode)
{
	int d = WATCH("d", IN_ATTRIB);
	struct stat st;

	ACT("chmod", "d/f", "604");
	SEE(EV(d, IN_ATTRIB, "f"));
	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ((mode_t)0604, st.st_mode & 07777);
	NOTHING_MORE();
}

/*
 * Rule: after IN_ATTRIB stat() gives the new time stamp.
 * Source: chokidar drops a change whose mtime did not change; utimensat(2).
 */
TEST_F(event, mtime)
{
	int d = WATCH("d", IN_ATTRIB);
	struct stat st;

	ACT("utimes", "d/f", "1000000000000000000", "1234567890000000000");
	SEE(EV(d, IN_ATTRIB, "f"));
	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ(1234567890, st.st_mtim.tv_sec);
	NOTHING_MORE();
}

/*
 * Rule: after IN_ATTRIB of a link(2) stat() gives the new link count.
 * Source: inotify(7), IN_ATTRIB, "link count".
 */
TEST_F(event, link_count)
{
	int f = WATCH("d/f", IN_ATTRIB);
	struct stat st;

	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ((nlink_t)1, st.st_nlink);
	ACT("link", "d/f", "second");
	SEE(SELF(f, IN_ATTRIB));
	ASSERT_EQ(0, stat("d/f", &st));
	ASSERT_EQ((nlink_t)2, st.st_nlink);
	NOTHING_MORE();
}

/*
 * Rule: after IN_MODIFY a read gives the new data, also of the same length.
 * Source: inotify(7), IN_MODIFY; reports of stale reads after events on shared
 * folders (docker/for-mac 4999, 6692).
 */
TEST_F(event, content)
{
	int d = WATCH("d", IN_MODIFY);

	ACT("write", "d/f", "0", "NEW");
	SEE(EV(d, IN_MODIFY, "f"));
	ASSERT_STREQ("NEW text", content("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_MODIFY an already open file gives the new data, too.
 * Source: read(2); GNU tail keeps its file open.
 */
TEST_F(event, content_of_open_file)
{
	int d = WATCH("d", IN_MODIFY), fd;
	char buf[9] = "";

	fd = open("d/f", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, pread(fd, buf, 8, 0));
	ACT("write", "d/f", "0", "NEW");
	SEE(EV(d, IN_MODIFY, "f"));
	ASSERT_EQ(8, pread(fd, buf, 8, 0));
	ASSERT_STREQ("NEW text", buf);
	close(fd);
	NOTHING_MORE();
}

/*
 * Rule: after IN_CLOSE_WRITE the whole file is there, whatever was read halfway.
 * Source: inotify(7), IN_CLOSE_WRITE; GLib's CHANGES_DONE_HINT, systemd's
 * PathChanged=.
 */
TEST_F(event, content_after_close_write)
{
	int d = WATCH("d", IN_MODIFY | IN_CLOSE_WRITE);

	ACT("open", "d/f", "w", "0");
	ACT("pwrite", "0", "0", "half");
	SEE(EV(d, IN_MODIFY, "f"));
	ASSERT_STREQ("halftext", content("d/f"));
	ACT("pwrite", "0", "4", " and half");
	ACT("close", "0");
	SEE(EV(d, IN_MODIFY, "f"), EV(d, IN_CLOSE_WRITE, "f"));
	ASSERT_STREQ("half and half", content("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: two changes of the same length within one tick of the clock are both
 * seen, although size and time stamp may be the same.
 * Source: fuse_change_attributes(), fs/fuse/inode.c: auto_inval_data compares
 * size and mtime.
 */
TEST_F(event, content_within_one_tick)
{
	int d = WATCH("d", IN_CLOSE_WRITE);

	ACT("write", "d/f", "0", "one");
	SEE(EV(d, IN_CLOSE_WRITE, "f"));
	ASSERT_STREQ("one text", content("d/f"));
	ACT("write", "d/f", "0", "two");
	SEE(EV(d, IN_CLOSE_WRITE, "f"));
	ASSERT_STREQ("two text", content("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_CREATE the name can be looked up, also where it was looked up
 * before in vain.
 * Source: inotify(7), IN_CREATE; negative dentries, path_lookup(7).
 */
TEST_F(event, created_name)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	ASSERT_EQ(0, stat_error("d/new"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_DELETE the name cannot be looked up any more.
 * Source: inotify(7), IN_DELETE.
 */
TEST_F(event, deleted_name)
{
	int d = WATCH("d", IN_DELETE);

	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	ASSERT_EQ(ENOENT, stat_error("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_DELETE of a directory its name cannot be looked up any more.
 * Source: inotify(7), IN_DELETE and IN_ISDIR.
 */
TEST_F(event, deleted_directory)
{
	int d = WATCH("d", IN_DELETE);

	ASSERT_EQ(0, stat_error("d/sub"));
	ACT("rmdir", "d/sub");
	SEE(EV(d, IN_DELETE | IN_ISDIR, "sub"));
	ASSERT_EQ(ENOENT, stat_error("d/sub"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_CREATE the directory lists the name, once.
 * Source: Node's fs.watch: chokidar lists the directory again on each event.
 */
TEST_F(event, listing_after_create)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	ASSERT_EQ(1, entries_called("d", "new"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_DELETE the directory does not list the name.
 * Source: Node's fs.watch: chokidar lists the directory again on each event.
 */
TEST_F(event, listing_after_delete)
{
	int d = WATCH("d", IN_DELETE);

	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	ASSERT_EQ(0, entries_called("d", "f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_MOVED_TO the new name is there and the old one is not.
 * Source: inotify(7), "Dealing with rename() events".
 */
TEST_F(event, renamed)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/f", "d/new");
	SEE(PAIR(d, IN_MOVED_FROM, "f", 1), PAIR(d, IN_MOVED_TO, "new", 1));
	ASSERT_EQ(ENOENT, stat_error("d/f"));
	ASSERT_STREQ("old text", content("d/new"));
	ASSERT_EQ(0, entries_called("d", "f"));
	ASSERT_EQ(1, entries_called("d", "new"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_MOVED_TO over an existing file the name is the new file.
 * Source: inotify(7); safe-write of editors: a new inode under the old name.
 */
TEST_F(event, replaced_file)
{
	int d = WATCH("d", IN_MOVED_TO);

	HERE("create", "draft", "666");
	HERE("write", "draft", "0", "other");
	ACT("rename", "draft", "d/f");
	SEE(PAIR(d, IN_MOVED_TO, "f", 1));
	ASSERT_STREQ("other", content("d/f"));
	NOTHING_MORE();
}

/*
 * Rule: after IN_MOVED_TO over a symbolic link readlink() gives the new target.
 * Source: kubelet's AtomicWriter replaces ..data; kata-containers issue 10411:
 * Envoy saw the event before the content.
 */
TEST_F(event, replaced_symlink)
{
	int d = WATCH("d", IN_MOVED_TO);

	ACT("symlink", "new", "d/link_tmp");
	ACT("rename", "d/link_tmp", "d/link");
	SEE(PAIR(d, IN_MOVED_TO, "link", 1));
	ASSERT_STREQ("new", target("d/link"));
	NOTHING_MORE();
}

/*
 * Rule: what is read through a symbolic link is fresh after its replacement.
 * Source: kubelet's AtomicWriter; kata-containers issue 10411.
 */
TEST_F(event, content_behind_symlink)
{
	int d;

	HERE("mkdir", "d/one", "777");
	HERE("create", "d/one/key", "666");
	HERE("write", "d/one/key", "0", "first");
	HERE("symlink", "one", "d/..data");
	ASSERT_STREQ("first", content("d/..data/key"));
	d = WATCH("d", IN_MOVED_TO);
	ACT("mkdir", "d/two", "777");
	ACT("create", "d/two/key", "666");
	ACT("write", "d/two/key", "0", "second");
	ACT("symlink", "two", "d/..tmp");
	ACT("rename", "d/..tmp", "d/..data");
	SEE(PAIR(d, IN_MOVED_TO, "..data", 1));
	ASSERT_STREQ("second", content("d/..data/key"));
	NOTHING_MORE();
}

/*
 * Rule: what happened before the watch was added is seen by a scan after it, so
 * that nothing is lost in between.
 * Source: inotify(7), "Limitations and caveats", on races at the time of adding
 * a watch; every client adds the watch, then scans.
 */
TEST_F(event, scan_after_watch)
{
	int sub = WATCH("d/sub", IN_CREATE), d;

	ACT("create", "d/sub/new", "644");
	SEE(EV(sub, IN_CREATE, "new"));
	ACT("create", "d/new", "644");
	ACT("append", "d/f", ", and more");
	d = WATCH("d", IN_CREATE);
	ASSERT_EQ(1, entries_called("d", "new"));
	ASSERT_STREQ("old text, and more", content("d/f"));
	ACT("create", "d/later", "644");
	SEE(EV(d, IN_CREATE, "later"));
	ASSERT_EQ(1, entries_called("d", "later"));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
