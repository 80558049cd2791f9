// SPDX-License-Identifier: GPL-2.0
/*
 * fanotify with file handles: inode marks only, no privileges needed. An event
 * names the directory by its file handle, the entry by its name, and the object
 * by its file handle, as name_to_handle_at(2) gives it.
 */
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "two_sided.h"

/* Events of what is in the marked directory, whatever it is. */
#define CHILDREN	(FAN_EVENT_ON_CHILD | FAN_ONDIR)

/* The file's inode stays, and with it its handle, while this process lives. */
#define PIN(path)	ASSERT_GE(open(path, O_PATH | O_CLOEXEC), 0)

/* Take events away from the mark of a path: 0 or errno. */
static int unmark(int fd, __u64 mask, const char *path)
{
	return fanotify_mark(fd, FAN_MARK_REMOVE, mask, AT_FDCWD, path) ?
	       errno : 0;
}

/* A marked directory, and another one that is not. */
FIXTURE(directory)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME directory
#include "fixture.h"

FIXTURE_SETUP(directory)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	HERE("mkdir", "d/sub", "777");
	HERE("mkdir", "away", "777");
	HERE("create", "away/x", "666");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_DFID_NAME_TARGET);
}

/*
 * Rule: a new file is reported with directory and name, once.
 * Source: fanotify(7), FAN_CREATE and FAN_EVENT_INFO_TYPE_DFID_NAME.
 */
TEST_F(directory, create)
{
	int d = MARK("d", FAN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, FAN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a new directory is reported as a directory, if directories are wanted.
 * Source: fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(directory, mkdir)
{
	int d = MARK("d", FAN_CREATE | FAN_ONDIR);

	ACT("mkdir", "d/new", "755");
	SEE(EV(d, FAN_CREATE | FAN_ONDIR, "new"));
	NOTHING_MORE();
}

/*
 * Rule: without FAN_ONDIR directories are not reported.
 * Source: fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(directory, mkdir_without_ondir)
{
	int d = MARK("d", FAN_CREATE);

	ACT("mkdir", "d/new", "755");
	ACT("create", "d/file", "644");
	SEE(EV(d, FAN_CREATE, "file"));
	NOTHING_MORE();
}

/*
 * Rule: the removal of a file is reported with directory and name.
 * Source: fanotify(7), FAN_DELETE.
 */
TEST_F(directory, delete)
{
	int d = MARK("d", FAN_DELETE);

	ACT("unlink", "d/f");
	SEE(EV(d, FAN_DELETE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: the removal of a directory is reported as that of a directory.
 * Source: fanotify(7), FAN_DELETE; fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(directory, rmdir)
{
	int d = MARK("d", FAN_DELETE | FAN_ONDIR);

	ACT("rmdir", "d/sub");
	SEE(EV(d, FAN_DELETE | FAN_ONDIR, "sub"));
	NOTHING_MORE();
}

/*
 * Rule: opening a file is reported at the time of the opening.
 * Source: fanotify(7), FAN_OPEN; fanotify_mark(2), FAN_EVENT_ON_CHILD.
 */
TEST_F(directory, open)
{
	int d = MARK("d", FAN_OPEN | FAN_EVENT_ON_CHILD);

	ACT("open", "d/f", "r", "0");
	SEE(EV(d, FAN_OPEN, "f"));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: opening a directory in the marked one is reported with the handle of
 * that directory, and the name ".".
 * Source: fanotify(7), FAN_EVENT_INFO_TYPE_DFID_NAME: "the directory itself".
 */
TEST_F(directory, open_directory)
{
	int sub;

	MARK("d", FAN_OPEN | CHILDREN);
	PIN("d/sub");
	sub = KNOW("d/sub");
	ACT("open", "d/sub", "d", "0");
	SEE(EV(sub, FAN_OPEN | FAN_ONDIR, "."));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: reading a file is an access.
 * Source: fanotify(7), FAN_ACCESS.
 */
TEST_F(directory, access)
{
	int d = MARK("d", FAN_ACCESS | FAN_EVENT_ON_CHILD);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	SEE(EV(d, FAN_ACCESS, "f"));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: writing to a file modifies it.
 * Source: fanotify(7), FAN_MODIFY.
 */
TEST_F(directory, modify)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("write", "d/f", "0", "new text");
	SEE(EV(d, FAN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: truncation is a modification.
 * Source: fanotify(7), FAN_MODIFY; fsnotify_change(), include/linux/fsnotify.h.
 */
TEST_F(directory, modify_by_truncate)
{
	int d = MARK("d", FAN_MODIFY | FAN_ATTRIB | FAN_EVENT_ON_CHILD);

	ACT("truncate", "d/f", "2");
	SEE(EV(d, FAN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a change of permissions is a change of metadata.
 * Source: fanotify(7), FAN_ATTRIB.
 */
TEST_F(directory, attrib_by_chmod)
{
	int d = MARK("d", FAN_ATTRIB | FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("chmod", "d/f", "600");
	SEE(EV(d, FAN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: setting both time stamps is a change of metadata.
 * Source: fanotify(7), FAN_ATTRIB.
 */
TEST_F(directory, attrib_by_utimes)
{
	int d = MARK("d", FAN_ATTRIB | FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("utimes", "d/f", "1000000000000000000", "1000000000000000000");
	SEE(EV(d, FAN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a change of extended attributes is a change of metadata. Where the
 * local mount has no such attributes there is nothing to test.
 * Source: fanotify(7), FAN_ATTRIB.
 */
TEST_F(directory, attrib_by_setxattr)
{
	int d = MARK("d", FAN_ATTRIB | FAN_EVENT_ON_CHILD);

	SKIP_WITHOUT_XATTR("d/f");
	ACT("setxattr", "d/f", "user.farwatch", "value");
	SEE(EV(d, FAN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: closing a file that was open for writing is reported as such.
 * Source: fanotify(7), FAN_CLOSE_WRITE.
 */
TEST_F(directory, close_write)
{
	int d = MARK("d", FAN_CLOSE | FAN_EVENT_ON_CHILD);

	ACT("open", "d/f", "w", "0");
	ACT("close", "0");
	SEE(EV(d, FAN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: closing a file that was read only is no FAN_CLOSE_WRITE.
 * Source: fanotify(7), FAN_CLOSE_NOWRITE.
 */
TEST_F(directory, close_nowrite)
{
	int d = MARK("d", FAN_CLOSE | FAN_EVENT_ON_CHILD);

	ACT("open", "d/f", "r", "0");
	ACT("close", "0");
	SEE(EV(d, FAN_CLOSE_NOWRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a write is opening, modifying and closing, each once; events that nobody
 * has read may be merged into one.
 * Source: fanotify(7), "bit mask"; fanotify_merge(), fs/notify/fanotify.
 */
TEST_F(directory, all_events_of_a_write)
{
	int d = MARK("d", FAN_OPEN | FAN_MODIFY | FAN_CLOSE |
		     FAN_EVENT_ON_CHILD);

	ACT("write", "d/f", "0", "new text");
	SEE(EV(d, FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a rename out of the directory is FAN_MOVED_FROM with the old name.
 * Source: fanotify(7), FAN_MOVED_FROM.
 */
TEST_F(directory, moved_from)
{
	int d = MARK("d", FAN_MOVE);

	ACT("rename", "d/f", "away/f");
	SEE(EV(d, FAN_MOVED_FROM, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a rename into the directory is FAN_MOVED_TO with the new name.
 * Source: fanotify(7), FAN_MOVED_TO.
 */
TEST_F(directory, moved_to)
{
	int d = MARK("d", FAN_MOVE);

	ACT("rename", "away/x", "d/new");
	SEE(EV(d, FAN_MOVED_TO, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a rename inside the directory is both.
 * Source: fanotify(7), FAN_MOVED_FROM and FAN_MOVED_TO.
 */
TEST_F(directory, moved_inside)
{
	int d = MARK("d", FAN_MOVE);

	ACT("rename", "d/f", "d/new");
	SEE(EV(d, FAN_MOVED_FROM, "f"), EV(d, FAN_MOVED_TO, "new"));
	NOTHING_MORE();
}

/*
 * Rule: FAN_RENAME is one event with both names.
 * Source: fanotify(7), FAN_RENAME, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME and
 * FAN_EVENT_INFO_TYPE_NEW_DFID_NAME.
 */
TEST_F(directory, rename)
{
	int d = MARK("d", FAN_RENAME);

	ACT("rename", "d/f", "d/new");
	SEE(RENAME(d, FAN_RENAME, "f", d, "new"));
	NOTHING_MORE();
}

/*
 * Rule: FAN_RENAME between two marked directories names both.
 * Source: fanotify(7), FAN_RENAME.
 */
TEST_F(directory, rename_between_two)
{
	int d = MARK("d", FAN_RENAME);
	int away = MARK("away", FAN_RENAME);

	ACT("rename", "d/f", "away/new");
	SEE(RENAME(d, FAN_RENAME, "f", away, "new"));
	NOTHING_MORE();
}

/*
 * Rule: FAN_RENAME out of the only marked directory has the old name only.
 * Source: fanotify(7), FAN_RENAME; fanotify_alloc_event(), report_old and
 * report_new, fs/notify/fanotify/fanotify.c.
 */
TEST_F(directory, rename_out)
{
	int d = MARK("d", FAN_RENAME);

	ACT("rename", "d/f", "away/f");
	SEE(EV(d, FAN_RENAME, "f"));
	NOTHING_MORE();
}

/*
 * Rule: FAN_RENAME into the only marked directory has the new name only.
 * Source: fanotify(7), FAN_RENAME; fanotify_alloc_event(), report_old and
 * report_new, fs/notify/fanotify/fanotify.c.
 */
TEST_F(directory, rename_in)
{
	int d = MARK("d", FAN_RENAME);

	ACT("rename", "away/x", "d/x");
	SEE(RENAME(0, FAN_RENAME, NULL, d, "x"));
	NOTHING_MORE();
}

/*
 * Rule: FAN_RENAME of a directory says that it is one.
 * Source: fanotify(7), FAN_RENAME; fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(directory, rename_of_directory)
{
	int d = MARK("d", FAN_RENAME | FAN_ONDIR);

	ACT("rename", "d/sub", "d/new");
	SEE(RENAME(d, FAN_RENAME | FAN_ONDIR, "sub", d, "new"));
	NOTHING_MORE();
}

/*
 * Rule: an exchange is two renames.
 * Source: rename(2), RENAME_EXCHANGE; vfs_rename(), fs/namei.c.
 */
TEST_F(directory, rename_exchange)
{
	int d = MARK("d", FAN_RENAME);

	HERE("create", "d/g", "666");
	ACT("rename", "d/f", "d/g", "exchange");
	SEE(RENAME(d, FAN_RENAME, "f", d, "g"),
	    RENAME(d, FAN_RENAME, "g", d, "f"));
	NOTHING_MORE();
}

/*
 * Rule: two names of the greatest length arrive whole in one event.
 * Source: fanotify(7), FAN_RENAME; linux-fsdevel, 20 Dec 2021, V. Goyal on the
 * buffer that holds two names.
 */
TEST_F(directory, rename_of_longest_names)
{
	char from[NAME_MAX + 3] = "d/", to[NAME_MAX + 3] = "d/";
	int d = MARK("d", FAN_RENAME);

	memset(from + 2, 'a', NAME_MAX);
	memset(to + 2, 'z', NAME_MAX);
	HERE("create", from, "644");
	ACT("rename", from, to);
	SEE(RENAME(d, FAN_RENAME, from + 2, d, to + 2));
	NOTHING_MORE();
}

/*
 * Rule: a name may hold any byte but NUL and slash.
 * Source: path_resolution(7); fanotify(7), "null-terminated string".
 */
TEST_F(directory, name_of_any_bytes)
{
	const char *name = "a b\nc\x80\xff\xc3\xa4";
	int d = MARK("d", FAN_CREATE);
	char path[64];

	snprintf(path, sizeof(path), "d/%s", name);
	ACT("create", path, "644");
	SEE(EV(d, FAN_CREATE, name));
	NOTHING_MORE();
}

/*
 * Rule: with FAN_REPORT_TARGET_FID the event says which file was modified, by
 * the handle that name_to_handle_at() gives.
 * Source: fanotify(7), FAN_EVENT_INFO_TYPE_FID; fanotify_init(2),
 * FAN_REPORT_TARGET_FID.
 */
TEST_F(directory, handle_of_modified_file)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD), f;

	PIN("d/f");
	f = KNOW("d/f");
	ACT("write", "d/f", "0", "new text");
	SEE(CHILD(d, FAN_MODIFY, "f", f));
	NOTHING_MORE();
}

/*
 * Rule: with FAN_REPORT_TARGET_FID the event says which file was removed.
 * Source: fanotify_init(2), FAN_REPORT_TARGET_FID.
 */
TEST_F(directory, handle_of_deleted_file)
{
	int d = MARK("d", FAN_DELETE), f;

	PIN("d/f");
	f = KNOW("d/f");
	ACT("unlink", "d/f");
	SEE(CHILD(d, FAN_DELETE, "f", f));
	NOTHING_MORE();
}

/*
 * Rule: with FAN_REPORT_TARGET_FID the event says which file was renamed.
 * Source: fanotify_init(2), FAN_REPORT_TARGET_FID; fanotify(7), FAN_RENAME.
 */
TEST_F(directory, handle_of_renamed_file)
{
	int d = MARK("d", FAN_MOVED_FROM), f;

	PIN("d/f");
	f = KNOW("d/f");
	ACT("rename", "d/f", "away/f");
	SEE(CHILD(d, FAN_MOVED_FROM, "f", f));
	NOTHING_MORE();
}

/*
 * Rule: events of two marked directories are told apart, and come in the order
 * of what happened.
 * Source: fanotify(7), FAN_EVENT_INFO_TYPE_DFID_NAME.
 */
TEST_F(directory, order_across_directories)
{
	int d = MARK("d", FAN_CREATE);
	int away = MARK("away", FAN_CREATE);

	ACT("create", "away/one", "644");
	ACT("create", "d/two", "644");
	ACT("create", "away/three", "644");
	SEE(EV(away, FAN_CREATE, "one"), EV(d, FAN_CREATE, "two"),
	    EV(away, FAN_CREATE, "three"));
	NOTHING_MORE();
}

/*
 * Rule: without FAN_EVENT_ON_CHILD what is done to entries is not reported, what
 * is done to their names is.
 * Source: fanotify_mark(2), FAN_EVENT_ON_CHILD.
 */
TEST_F(directory, without_event_on_child)
{
	int d = MARK("d", FAN_MODIFY | FAN_DELETE);

	ACT("write", "d/f", "0", "new text");
	ACT("unlink", "d/f");
	SEE(EV(d, FAN_DELETE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: the metadata of the marked directory itself are reported with name ".".
 * Source: fanotify(7), "the name ... '.'" for events on a directory itself.
 */
TEST_F(directory, attrib_of_itself)
{
	int d = MARK("d", FAN_ATTRIB | FAN_ONDIR);

	ACT("chmod", "d", "755");
	SEE(EV(d, FAN_ATTRIB | FAN_ONDIR, "."));
	NOTHING_MORE();
}

/*
 * Rule: events that are taken out of the mask do not come any more.
 * Source: fanotify_mark(2), FAN_MARK_REMOVE.
 */
TEST_F(directory, mark_removed)
{
	int d = MARK("d", FAN_CREATE | FAN_DELETE);

	ACT("create", "d/first", "644");
	SEE(EV(d, FAN_CREATE, "first"));
	ASSERT_EQ(0, unmark(self->ev.fd, FAN_CREATE, "d"));
	ACT("create", "d/second", "644");
	ACT("unlink", "d/second");
	SEE(EV(d, FAN_DELETE, "second"));
	ASSERT_EQ(0, unmark(self->ev.fd, FAN_DELETE, "d"));
	ACT("unlink", "d/first");
	NOTHING_MORE();
}

/*
 * Rule: an ignored event of one file is not reported by its marked directory;
 * that of another one is.
 * Source: fanotify_mark(2), FAN_MARK_IGNORED_MASK; linux-fsdevel, 3 Nov 2021,
 * A. Goldstein: events past the local marks would break ignore masks.
 */
TEST_F(directory, ignored_file)
{
	int d = MARK("d", FAN_ATTRIB | FAN_EVENT_ON_CHILD);

	HERE("create", "d/g", "666");
	ASSERT_EQ(0, fanotify_mark(self->ev.fd, FAN_MARK_ADD |
				   FAN_MARK_IGNORED_MASK |
				   FAN_MARK_IGNORED_SURV_MODIFY,
				   FAN_ATTRIB, AT_FDCWD, "d/f"));
	ACT("chmod", "d/f", "600");
	ACT("chmod", "d/g", "600");
	SEE(EV(d, FAN_ATTRIB, "g"));
	NOTHING_MORE();
}

/*
 * Rule: an own event carries this process's pid, anybody else's does not.
 * Source: fanotify(7), pid; linux-fsdevel, 26 Feb 2022, V. Goyal on telling
 * apart who caused an event.
 */
TEST_F(directory, pid)
{
	int d = MARK("d", FAN_CREATE);

	SKIP_WHERE_READ_ONLY();
	ACT("create", "d/theirs", "644");
	SEE(EV(d, FAN_CREATE, "theirs"));
	ASSERT_EQ(!variant->remote, self->ev.last.pid == getpid());
	HERE("create", "d/ours", "644");
	SEE(EV(d, FAN_CREATE, "ours"));
	ASSERT_EQ(getpid(), self->ev.last.pid);
	NOTHING_MORE();
}

/*
 * Rule: an own operation is reported once, also where others' are reported.
 * Source: linux-fsdevel, 26 Feb 2022, V. Goyal: "allow all local events.
 * Suppress remote events if triggered by the action of same client".
 */
TEST_F(directory, own_operation_once)
{
	int d = MARK("d", FAN_CREATE | FAN_DELETE | FAN_RENAME);

	SKIP_WHERE_READ_ONLY();
	ACT("create", "d/theirs", "644");
	SEE(EV(d, FAN_CREATE, "theirs"));
	HERE("create", "d/ours", "644");
	SEE(EV(d, FAN_CREATE, "ours"));
	HERE("rename", "d/ours", "d/moved");
	SEE(RENAME(d, FAN_RENAME, "ours", d, "moved"));
	HERE("unlink", "d/moved");
	SEE(EV(d, FAN_DELETE, "moved"));
	NOTHING_MORE();
}

/*
 * Rule: a marked file in a marked directory gives one event: both marks belong
 * to one group, and the event names directory, name and file.
 * Source: fanotify(7), FAN_EVENT_INFO_TYPE_DFID_NAME; fanotify_merge().
 */
TEST_F(directory, directory_and_file)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD);
	int f = MARK("d/f", FAN_MODIFY);

	ACT("write", "d/f", "0", "new text");
	SEE(CHILD(d, FAN_MODIFY, "f", f));
	NOTHING_MORE();
}

/*
 * Rule: a group that asks for names gets those of a marked file, too.
 * Source: fanotify_init(2), FAN_REPORT_NAME; fanotify_mark(), "If group needs to
 * report parent fid", fs/notify/fanotify/fanotify_user.c.
 */
TEST_F(directory, name_of_marked_file)
{
	int d, f;

	PIN("d");
	d = KNOW("d");
	f = MARK("d/f", FAN_MODIFY);
	ACT("write", "d/f", "0", "new text");
	SEE(CHILD(d, FAN_MODIFY, "f", f));
	NOTHING_MORE();
}

/*
 * Rule: inotify and fanotify both see the same event, once each.
 * Source: inotify(7), fanotify(7); linux-fsdevel, 27 Oct 2021, A. Goldstein:
 * "not ... a 'remote inotify' interface".
 */
TEST_F(directory, with_inotify)
{
	int d = MARK("d", FAN_CREATE), in;
	struct events inotify;

	OPEN_INOTIFY(&inotify);
	in = WATCH_IN(&inotify, "d", IN_CREATE);
	ACT("create", "d/new", "644");
	SEE(EV(d, FAN_CREATE, "new"));
	SEE_IN(&inotify, EV(in, IN_CREATE, "new"));
	NOTHING_MORE();
	NOTHING_MORE_IN(&inotify);
	events_close(&inotify);
}

/* Marked objects, in a group that reports their handles only. */
FIXTURE(object)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME object
#include "fixture.h"

FIXTURE_SETUP(object)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	HERE("mkdir", "d/sub", "777");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_FID);
}

/*
 * Rule: opening a marked file is reported with its handle.
 * Source: fanotify(7), FAN_OPEN and FAN_EVENT_INFO_TYPE_FID.
 */
TEST_F(object, open)
{
	int f = MARK("d/f", FAN_OPEN);

	ACT("open", "d/f", "r", "0");
	SEE(SELF(f, FAN_OPEN));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: reading a marked file is an access.
 * Source: fanotify(7), FAN_ACCESS.
 */
TEST_F(object, access)
{
	int f = MARK("d/f", FAN_ACCESS);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	SEE(SELF(f, FAN_ACCESS));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: writing to a marked file modifies it.
 * Source: fanotify(7), FAN_MODIFY.
 */
TEST_F(object, modify)
{
	int f = MARK("d/f", FAN_MODIFY);

	ACT("write", "d/f", "0", "new text");
	SEE(SELF(f, FAN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: metadata of a marked file.
 * Source: fanotify(7), FAN_ATTRIB.
 */
TEST_F(object, attrib)
{
	int f = MARK("d/f", FAN_ATTRIB);

	ACT("chmod", "d/f", "600");
	SEE(SELF(f, FAN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: closing a marked file that was open for writing.
 * Source: fanotify(7), FAN_CLOSE_WRITE.
 */
TEST_F(object, close_write)
{
	int f = MARK("d/f", FAN_CLOSE);

	ACT("open", "d/f", "w", "0");
	ACT("close", "0");
	SEE(SELF(f, FAN_CLOSE_WRITE));
	NOTHING_MORE();
}

/*
 * Rule: closing a marked file that was read only.
 * Source: fanotify(7), FAN_CLOSE_NOWRITE.
 */
TEST_F(object, close_nowrite)
{
	int f = MARK("d/f", FAN_CLOSE);

	ACT("open", "d/f", "r", "0");
	ACT("close", "0");
	SEE(SELF(f, FAN_CLOSE_NOWRITE));
	NOTHING_MORE();
}

/*
 * Rule: a marked file that is removed says so itself.
 * Source: fanotify(7), FAN_DELETE_SELF.
 */
TEST_F(object, delete_self)
{
	int f = MARK("d/f", FAN_DELETE_SELF);

	ACT("unlink", "d/f");
	SEE(SELF(f, FAN_DELETE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: a marked directory that is removed says so itself.
 * Source: fanotify(7), FAN_DELETE_SELF; fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(object, delete_self_of_directory)
{
	int sub = MARK("d/sub", FAN_DELETE_SELF | FAN_ONDIR);

	ACT("rmdir", "d/sub");
	SEE(SELF(sub, FAN_DELETE_SELF | FAN_ONDIR));
	NOTHING_MORE();
}

/*
 * Rule: a marked file that is renamed says so itself.
 * Source: fanotify(7), FAN_MOVE_SELF.
 */
TEST_F(object, move_self)
{
	int f = MARK("d/f", FAN_MOVE_SELF);

	ACT("rename", "d/f", "d/new");
	SEE(SELF(f, FAN_MOVE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: a marked directory that is renamed says so itself.
 * Source: fanotify(7), FAN_MOVE_SELF; fanotify_mark(2), FAN_ONDIR.
 */
TEST_F(object, move_self_of_directory)
{
	int sub = MARK("d/sub", FAN_MOVE_SELF | FAN_ONDIR);

	ACT("rename", "d/sub", "new");
	SEE(SELF(sub, FAN_MOVE_SELF | FAN_ONDIR));
	NOTHING_MORE();
}

/*
 * Rule: without names the change of an entry is one of the directory.
 * Source: fanotify(7), "FAN_REPORT_FID ... the directory".
 */
TEST_F(object, create_in_directory)
{
	int d = MARK("d", FAN_CREATE);

	ACT("create", "d/new", "644");
	SEE(SELF(d, FAN_CREATE));
	NOTHING_MORE();
}

/*
 * Rule: a mark is on the inode: a change through another name is seen.
 * Source: fanotify_mark(2), FAN_MARK_INODE.
 */
TEST_F(object, modify_through_hard_link)
{
	int f = MARK("d/f", FAN_MODIFY);

	HERE("link", "d/f", "second");
	ACT("write", "second", "0", "new text");
	SEE(SELF(f, FAN_MODIFY));
	NOTHING_MORE();
}

/* A marked directory, in a group without handles of the objects. */
FIXTURE(name)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME name
#include "fixture.h"

FIXTURE_SETUP(name)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_DFID_NAME);
}

/*
 * Rule: without FAN_REPORT_FID an event names directory and entry, and carries
 * no handle of the object.
 * Source: fanotify_init(2), FAN_REPORT_DFID_NAME.
 */
TEST_F(name, create)
{
	int d = MARK("d", FAN_CREATE);

	ACT("create", "d/new", "644");
	SEE(CHILD(d, FAN_CREATE, "new", NO_CHILD));
	NOTHING_MORE();
}

/*
 * Rule: the same for what is done to an entry.
 * Source: fanotify_init(2), FAN_REPORT_DFID_NAME.
 */
TEST_F(name, modify)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("write", "d/f", "0", "new text");
	SEE(CHILD(d, FAN_MODIFY, "f", NO_CHILD));
	NOTHING_MORE();
}

/*
 * Rule: a marked file is reported by its directory and its name.
 * Source: fanotify_init(2), FAN_REPORT_DFID_NAME; fanotify_mark(), "If group
 * needs to report parent fid", fs/notify/fanotify/fanotify_user.c.
 */
TEST_F(name, marked_file)
{
	int d;

	PIN("d");
	d = KNOW("d");
	MARK("d/f", FAN_MODIFY);
	ACT("write", "d/f", "0", "new text");
	SEE(CHILD(d, FAN_MODIFY, "f", NO_CHILD));
	NOTHING_MORE();
}

/* A marked directory, in a group that asks for its handle and for no names. */
FIXTURE(parent)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME parent
#include "fixture.h"

FIXTURE_SETUP(parent)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_DIR_FID);
}

/*
 * Rule: what is done to an entry is reported by the handle of its directory.
 * Source: fanotify_init(2), FAN_REPORT_DIR_FID.
 */
TEST_F(parent, modify)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("write", "d/f", "0", "new text");
	SEE(SELF(d, FAN_MODIFY));
	NOTHING_MORE();
}

/* The same for a group that asks for the handle of the object as well. */
FIXTURE(both)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME both
#include "fixture.h"

FIXTURE_SETUP(both)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_DIR_FID | FAN_REPORT_FID);
}

/*
 * Rule: what is done to an entry is reported by the handle of its directory,
 * and that of the object, if that is known.
 * Source: fanotify_init(2), FAN_REPORT_DIR_FID with FAN_REPORT_FID.
 */
TEST_F(both, modify)
{
	int d = MARK("d", FAN_MODIFY | FAN_EVENT_ON_CHILD);

	ACT("write", "d/f", "0", "new text");
	SEE(SELF(d, FAN_MODIFY));
	NOTHING_MORE();
}

/* A group without privileges, and one that may look at d/secret. */
FIXTURE(user)
{
	struct act act;
	struct events ev;
	struct another another;
	int secret;
};

#define FIXTURE_NAME user
#include "fixture.h"

FIXTURE_SETUP(user)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "d/secret", "700");
	OPEN_FANOTIFY(&self->ev, FAN_REPORT_DFID_NAME);
	self->secret = MARK("d/secret", FAN_CREATE);
}

/*
 * Rule: a group without CAP_SYS_ADMIN is told what happens in a directory that
 * its user may read. It can neither mark another one nor is it told of that.
 * Source: fanotify_init(2), "unprivileged"; fanotify_mark(2), EACCES.
 */
TEST_F(user, sees_what_it_may_read)
{
	ANOTHER_WATCHES(&self->another, true, "d", "d/secret");
	ACT("create", "d/secret/hidden", "644");
	ACT("create", "d/new", "644");
	ANOTHER_SAW(&self->another, "new");
	SEE(EV(self->secret, FAN_CREATE, "hidden"));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
