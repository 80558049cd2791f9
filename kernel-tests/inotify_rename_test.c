// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: names that change. A move is two events with one cookie, one behind
 * the other, on the directories that are watched, and one on what was moved.
 */
#include "two_sided.h"

/* A watched directory, and another one that is not watched. */
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
	HERE("mkdir", "away", "777");
	HERE("create", "d/a", "666");
	HERE("create", "d/b", "666");
	HERE("create", "away/x", "666");
	HERE("mkdir", "d/sub", "777");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: a rename inside the watched directory is IN_MOVED_FROM and IN_MOVED_TO,
 * next to each other, with one cookie.
 * Source: inotify(7), IN_MOVED_FROM, "Dealing with rename() events".
 */
TEST_F(directory, rename_inside)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/a", "d/new");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "new", 1));
	NOTHING_MORE();
}

/*
 * Rule: a rename is no creation and no deletion.
 * Source: inotify(7), events; fsnotify_move(), include/linux/fsnotify.h.
 */
TEST_F(directory, rename_is_no_creation)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	ACT("rename", "d/a", "d/new");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "new", 1));
	NOTHING_MORE();
}

/*
 * Rule: two renames have two cookies.
 * Source: inotify(7), "cookie is a unique integer that connects related events".
 */
TEST_F(directory, cookies_differ)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/a", "d/c");
	ACT("rename", "d/b", "d/e");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "c", 1),
	    PAIR(d, IN_MOVED_FROM, "b", 2), PAIR(d, IN_MOVED_TO, "e", 2));
	NOTHING_MORE();
}

/*
 * Rule: a directory is moved as a directory.
 * Source: inotify(7), IN_ISDIR.
 */
TEST_F(directory, rename_of_directory)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/sub", "d/new");
	SEE(PAIR(d, IN_MOVED_FROM | IN_ISDIR, "sub", 1),
	    PAIR(d, IN_MOVED_TO | IN_ISDIR, "new", 1));
	NOTHING_MORE();
}

/*
 * Rule: a rename into the watched directory is IN_MOVED_TO alone.
 * Source: inotify(7), "Dealing with rename() events"; what Envoy waits for.
 */
TEST_F(directory, moved_in)
{
	int d = WATCH("d", IN_MOVE | IN_CREATE);

	ACT("rename", "away/x", "d/x");
	SEE(PAIR(d, IN_MOVED_TO, "x", 1));
	NOTHING_MORE();
}

/*
 * Rule: a rename out of the watched directory is IN_MOVED_FROM alone.
 * Source: inotify(7), "Dealing with rename() events".
 */
TEST_F(directory, moved_out)
{
	int d = WATCH("d", IN_MOVE | IN_DELETE);

	ACT("rename", "d/a", "away/a");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1));
	NOTHING_MORE();
}

/*
 * Rule: when only IN_MOVED_TO is asked for, the other half does not come.
 * Source: inotify(7), inotify_add_watch(2), mask.
 */
TEST_F(directory, second_half_only)
{
	int d = WATCH("d", IN_MOVED_TO);

	ACT("rename", "d/a", "d/new");
	SEE(PAIR(d, IN_MOVED_TO, "new", 1));
	NOTHING_MORE();
}

/*
 * Rule: between two watched directories each sees its half, with one cookie.
 * Source: inotify(7), "Dealing with rename() events".
 */
TEST_F(directory, rename_between_two)
{
	int d = WATCH("d", IN_MOVE);
	int away = WATCH("away", IN_MOVE);

	ACT("rename", "d/a", "away/new");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1),
	    PAIR(away, IN_MOVED_TO, "new", 1));
	NOTHING_MORE();
}

/*
 * Rule: a rename over an existing file is a rename; that the old file lost this
 * name is no IN_DELETE in the directory.
 * Source: inotify(7), IN_MOVED_TO; fsnotify_move(), include/linux/fsnotify.h.
 */
TEST_F(directory, rename_over_existing)
{
	int d = WATCH("d", IN_MOVE | IN_CREATE | IN_DELETE);

	ACT("rename", "d/a", "d/b");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "b", 1));
	NOTHING_MORE();
}

/*
 * Rule: an exchange is two renames, there and back.
 * Source: rename(2), RENAME_EXCHANGE; vfs_rename(), fs/namei.c.
 */
TEST_F(directory, exchange)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/a", "d/b", "exchange");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "b", 1),
	    PAIR(d, IN_MOVED_FROM, "b", 2), PAIR(d, IN_MOVED_TO, "a", 2));
	NOTHING_MORE();
}

/*
 * Rule: in an exchange of a file and a directory each half says which it is.
 * Source: rename(2), RENAME_EXCHANGE; vfs_rename(), fs/namei.c.
 */
TEST_F(directory, exchange_with_directory)
{
	int d = WATCH("d", IN_MOVE);

	ACT("rename", "d/a", "d/sub", "exchange");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "sub", 1),
	    PAIR(d, IN_MOVED_FROM | IN_ISDIR, "sub", 2),
	    PAIR(d, IN_MOVED_TO | IN_ISDIR, "a", 2));
	NOTHING_MORE();
}

/*
 * Rule: a rename that must not replace is reported when it happens, and not
 * when it is refused.
 * Source: rename(2), RENAME_NOREPLACE.
 */
TEST_F(directory, noreplace)
{
	int d = WATCH("d", IN_MOVE | IN_CREATE | IN_DELETE);

	ACT("rename", "d/a", "d/new", "noreplace");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "new", 1));
	ACT_FAILS(EEXIST, "rename", "d/new", "d/b", "noreplace");
	NOTHING_MORE();
}

/*
 * Rule: a rename of one name of a file to another one of the same file does
 * nothing, and nothing is reported.
 * Source: rename(2), "If oldpath and newpath are existing hard links referring
 * to the same file, then rename() does nothing".
 */
TEST_F(directory, rename_to_same_inode)
{
	int d = WATCH("d", IN_MOVE | IN_CREATE | IN_DELETE);

	ACT("link", "d/a", "d/second");
	SEE(EV(d, IN_CREATE, "second"));
	ACT("rename", "d/a", "d/second");
	NOTHING_MORE();
}

/*
 * Rule: what is done to a file after its rename carries the new name.
 * Source: fsnotify_parent(), fs/notify/fsnotify.c.
 */
TEST_F(directory, new_name_after_rename)
{
	int d = WATCH("d", IN_MOVE | IN_MODIFY);

	ACT("rename", "d/a", "d/new");
	ACT("write", "d/new", "0", "text");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "new", 1),
	    EV(d, IN_MODIFY, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a file that left the watched directory is none of its business any more.
 * Source: inotify(7), events for files inside the watched directory.
 */
TEST_F(directory, silence_after_moved_out)
{
	int d = WATCH("d", IN_MOVE | IN_MODIFY);

	ACT("rename", "d/a", "away/a");
	ACT("write", "away/a", "0", "text");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1));
	NOTHING_MORE();
}

/*
 * Rule: two names of the greatest length arrive whole, both.
 * Source: inotify(7), name field; linux-fsdevel, 20 Dec 2021, V. Goyal on the
 * buffer that holds two names.
 */
TEST_F(directory, two_longest_names)
{
	char from[NAME_MAX + 3] = "d/", to[NAME_MAX + 3] = "d/";
	int d;

	memset(from + 2, 'a', NAME_MAX);
	memset(to + 2, 'z', NAME_MAX);
	HERE("create", from, "644");
	d = WATCH("d", IN_MOVE);
	ACT("rename", from, to);
	SEE(PAIR(d, IN_MOVED_FROM, from + 2, 1),
	    PAIR(d, IN_MOVED_TO, to + 2, 1));
	NOTHING_MORE();
}

/* Things that are themselves watched, and whose names change. */
FIXTURE(moved)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME moved
#include "fixture.h"

FIXTURE_SETUP(moved)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "sub", "777");
	HERE("create", "d/a", "666");
	HERE("create", "d/b", "666");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: a watched file that is renamed says so itself, without a name.
 * Source: inotify(7), IN_MOVE_SELF.
 */
TEST_F(moved, file)
{
	int a = WATCH("d/a", IN_MOVE_SELF);

	ACT("rename", "d/a", "d/new");
	SEE(SELF(a, IN_MOVE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: a watched directory that is renamed says so itself.
 * Source: inotify(7), IN_MOVE_SELF; inotify_handle_inode_event() on IN_ISDIR.
 */
TEST_F(moved, directory)
{
	int d = WATCH("d", IN_MOVE_SELF);

	ACT("rename", "d", "new");
	SEE(SELF(d, IN_MOVE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: a watch follows its inode: it goes on after the rename.
 * Source: inotify(7), "Inotify ... monitors inodes"; IN_MOVE_SELF.
 */
TEST_F(moved, watch_follows_file)
{
	int a = WATCH("d/a", IN_MOVE_SELF | IN_MODIFY);

	ACT("rename", "d/a", "sub/new");
	SEE(SELF(a, IN_MOVE_SELF));
	ACT("write", "sub/new", "0", "text");
	SEE(SELF(a, IN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: a watch follows its inode: entries of a renamed directory are reported.
 * Source: inotify(7), IN_MOVE_SELF.
 */
TEST_F(moved, watch_follows_directory)
{
	int d = WATCH("d", IN_MOVE_SELF | IN_CREATE);

	ACT("rename", "d", "sub/new");
	SEE(SELF(d, IN_MOVE_SELF));
	ACT("create", "sub/new/f", "644");
	SEE(EV(d, IN_CREATE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a rename of a watched file in a watched directory is the two events of
 * the directory, then that of the file.
 * Source: fsnotify_move(), include/linux/fsnotify.h.
 */
TEST_F(moved, file_and_its_directory)
{
	int d = WATCH("d", IN_MOVE);
	int a = WATCH("d/a", IN_MOVE_SELF);

	ACT("rename", "d/a", "d/new");
	SEE(PAIR(d, IN_MOVED_FROM, "a", 1), PAIR(d, IN_MOVED_TO, "new", 1),
	    SELF(a, IN_MOVE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: a file that is replaced by a rename is deleted, and its watch ends.
 * Source: inotify(7), IN_DELETE_SELF; entr(1) and Go fsnotify re-add then.
 */
TEST_F(moved, replaced_file)
{
	int b = WATCH("d/b", IN_DELETE_SELF);

	ACT("rename", "d/a", "d/b");
	SEE(SELF(b, IN_DELETE_SELF), SELF(b, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a replaced file loses a link before it is deleted.
 * Source: inotify(7), IN_ATTRIB, link count; fsnotify_move() and
 * fsnotify_link_count(), include/linux/fsnotify.h.
 */
TEST_F(moved, replaced_file_loses_link)
{
	int b = WATCH("d/b", IN_ATTRIB | IN_DELETE_SELF);

	ACT("rename", "d/a", "d/b");
	SEE(SELF(b, IN_ATTRIB), SELF(b, IN_DELETE_SELF), SELF(b, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a replaced file that has another name lives on: no IN_DELETE_SELF.
 * Source: inotify(7), IN_DELETE_SELF; unlink(2), "last link".
 */
TEST_F(moved, replaced_file_with_second_link)
{
	int b;

	HERE("link", "d/b", "second");
	b = WATCH("second", IN_ATTRIB | IN_DELETE_SELF);
	ACT("rename", "d/a", "d/b");
	SEE(SELF(b, IN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: in an exchange both are moved, and neither is deleted.
 * Source: rename(2), RENAME_EXCHANGE; vfs_rename(), fs/namei.c.
 */
TEST_F(moved, exchanged_files)
{
	const __u32 mask = IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB;
	int a = WATCH("d/a", mask);
	int b = WATCH("d/b", mask);

	ACT("rename", "d/a", "d/b", "exchange");
	SEE(SELF(a, IN_MOVE_SELF), SELF(b, IN_MOVE_SELF));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
