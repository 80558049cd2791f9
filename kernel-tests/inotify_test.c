// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: which event follows from which operation, whoever carries it out.
 *
 * The same operation by this process and by another one that works on the same
 * directory gives the same events, once, in the order in which things happened.
 */
#include "two_sided.h"

/* A watched directory with a file and a directory in it. */
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
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: a new file is reported with its name, once.
 * Source: inotify(7), IN_CREATE.
 */
TEST_F(directory, create)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a new directory is reported as a directory.
 * Source: inotify(7), IN_CREATE and IN_ISDIR.
 */
TEST_F(directory, mkdir)
{
	int d = WATCH("d", IN_CREATE);

	ACT("mkdir", "d/new", "755");
	SEE(EV(d, IN_CREATE | IN_ISDIR, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a new symbolic link is a creation, whatever it points to.
 * Source: inotify(7), IN_CREATE; fsnotify_create() in vfs_symlink(), fs/namei.c.
 */
TEST_F(directory, symlink)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	ACT("symlink", "nowhere at all", "d/new");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a new name for a file is a creation in the directory, and a change of
 * the file's link count, which its watched parent sees, too.
 * Source: inotify(7), IN_CREATE and IN_ATTRIB; fsnotify_link(),
 * include/linux/fsnotify.h.
 */
TEST_F(directory, hard_link)
{
	int d = WATCH("d", IN_CREATE);

	ACT("link", "d/f", "d/second");
	SEE(EV(d, IN_CREATE, "second"));
	NOTHING_MORE();
}

/*
 * Rule: the removal of a file is reported with its name.
 * Source: inotify(7), IN_DELETE.
 */
TEST_F(directory, delete)
{
	int d = WATCH("d", IN_DELETE);

	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: the removal of a directory is reported as that of a directory.
 * Source: inotify(7), IN_DELETE and IN_ISDIR.
 */
TEST_F(directory, rmdir)
{
	int d = WATCH("d", IN_DELETE);

	ACT("rmdir", "d/sub");
	SEE(EV(d, IN_DELETE | IN_ISDIR, "sub"));
	NOTHING_MORE();
}

/*
 * Rule: opening a file is reported at the time of the opening.
 * Source: inotify(7), IN_OPEN.
 */
TEST_F(directory, open)
{
	int d = WATCH("d", IN_OPEN);

	ACT("open", "d/f", "r", "0");
	SEE(EV(d, IN_OPEN, "f"));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: opening a directory in the watched one is reported as that of a
 * directory.
 * Source: inotify(7), IN_OPEN and IN_ISDIR.
 */
TEST_F(directory, open_directory)
{
	int d = WATCH("d", IN_OPEN | IN_CLOSE_NOWRITE);

	ACT("open", "d/sub", "d", "0");
	SEE(EV(d, IN_OPEN | IN_ISDIR, "sub"));
	ACT("close", "0");
	SEE(EV(d, IN_CLOSE_NOWRITE | IN_ISDIR, "sub"));
	NOTHING_MORE();
}

/*
 * Rule: opening the watched directory itself is reported without a name.
 * Source: inotify(7), "the name field is present only when ... for a file
 * inside a watched directory".
 */
TEST_F(directory, open_itself)
{
	int d = WATCH("d", IN_OPEN);

	ACT("open", "d", "d", "0");
	SEE(SELF(d, IN_OPEN | IN_ISDIR));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: reading a file is an access; opening it is none.
 * Source: inotify(7), IN_ACCESS.
 */
TEST_F(directory, access)
{
	int d = WATCH("d", IN_ACCESS);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	SEE(EV(d, IN_ACCESS, "f"));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: writing to a file modifies it.
 * Source: inotify(7), IN_MODIFY.
 */
TEST_F(directory, modify)
{
	int d = WATCH("d", IN_MODIFY);

	ACT("write", "d/f", "0", "new text");
	SEE(EV(d, IN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: appending to a file modifies it.
 * Source: inotify(7), IN_MODIFY; what GNU tail waits for (src/tail.c).
 */
TEST_F(directory, modify_by_append)
{
	int d = WATCH("d", IN_MODIFY);

	ACT("append", "d/f", "more");
	SEE(EV(d, IN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: truncation is a modification, not a change of metadata alone.
 * Source: inotify(7), IN_MODIFY, "(e.g., write(2), truncate(2))".
 */
TEST_F(directory, modify_by_truncate)
{
	int d = WATCH("d", IN_MODIFY | IN_ATTRIB);

	ACT("truncate", "d/f", "2");
	SEE(EV(d, IN_MODIFY, "f"));
	NOTHING_MORE();
}

/*
 * Rule: each event of a writer that keeps the file open comes when it happens,
 * not when the file is closed. Two writes that nobody read about may be one.
 * Source: inotify(7), "Limitations and caveats", on identical successive events.
 */
TEST_F(directory, modify_while_open)
{
	int d = WATCH("d", IN_MODIFY | IN_CLOSE_WRITE);

	ACT("open", "d/f", "w", "0");
	ACT("pwrite", "0", "0", "first");
	SEE(EV(d, IN_MODIFY, "f"));
	ACT("pwrite", "0", "0", "second");
	ACT("pwrite", "0", "0", "third");
	ACT("close", "0");
	SEE(EV(d, IN_MODIFY, "f"), MAYBE(d, IN_MODIFY, "f"),
	    EV(d, IN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a change of permissions is a change of metadata.
 * Source: inotify(7), IN_ATTRIB, "permissions (e.g., chmod(2))".
 */
TEST_F(directory, attrib_by_chmod)
{
	int d = WATCH("d", IN_ATTRIB | IN_MODIFY);

	ACT("chmod", "d/f", "600");
	SEE(EV(d, IN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: setting both time stamps is a change of metadata, as touch(1) does it.
 * Source: inotify(7), IN_ATTRIB, "timestamps (e.g., utimensat(2))".
 */
TEST_F(directory, attrib_by_utimes)
{
	int d = WATCH("d", IN_ATTRIB | IN_MODIFY);

	ACT("utimes", "d/f", "1000000000000000000", "1000000000000000000");
	SEE(EV(d, IN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a change of extended attributes is a change of metadata. Where the
 * local mount has no such attributes there is nothing to test.
 * Source: inotify(7), IN_ATTRIB, "extended attributes (setxattr(2))".
 */
TEST_F(directory, attrib_by_setxattr)
{
	int d = WATCH("d", IN_ATTRIB | IN_MODIFY);

	SKIP_WITHOUT_XATTR("d/f");
	ACT("setxattr", "d/f", "user.farwatch", "value");
	SEE(EV(d, IN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: metadata of a directory in the watched one are reported as those of a
 * directory.
 * Source: inotify(7), IN_ATTRIB and IN_ISDIR.
 */
TEST_F(directory, attrib_of_directory)
{
	int d = WATCH("d", IN_ATTRIB);

	ACT("chmod", "d/sub", "700");
	SEE(EV(d, IN_ATTRIB | IN_ISDIR, "sub"));
	NOTHING_MORE();
}

/*
 * Rule: metadata of the watched directory itself are reported without a name.
 * Source: inotify(7), IN_ATTRIB, marked "(*)": for the directory itself, too.
 */
TEST_F(directory, attrib_of_itself)
{
	int d = WATCH("d", IN_ATTRIB);

	ACT("chmod", "d", "755");
	SEE(SELF(d, IN_ATTRIB | IN_ISDIR));
	NOTHING_MORE();
}

/*
 * Rule: closing a file that was open for writing is reported as such.
 * Source: inotify(7), IN_CLOSE_WRITE; what systemd's PathChanged= waits for
 * (src/core/path.c).
 */
TEST_F(directory, close_write)
{
	int d = WATCH("d", IN_CLOSE);

	ACT("open", "d/f", "w", "0");
	ACT("close", "0");
	SEE(EV(d, IN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: closing a file that was open for reading only is no IN_CLOSE_WRITE.
 * Source: inotify(7), IN_CLOSE_NOWRITE.
 */
TEST_F(directory, close_nowrite)
{
	int d = WATCH("d", IN_CLOSE);

	ACT("open", "d/f", "r", "0");
	ACT("close", "0");
	SEE(EV(d, IN_CLOSE_NOWRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a file is created, then opened, then closed, and each is said once.
 * Source: inotify(7), "Examples"; lookup_open() and vfs_open(), fs/.
 */
TEST_F(directory, all_events_of_a_new_file)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"), EV(d, IN_OPEN, "new"),
	    EV(d, IN_CLOSE_WRITE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a write is opening, modifying and closing, in this order.
 * Source: inotify(7), "events ... in the order in which they occurred".
 */
TEST_F(directory, all_events_of_a_write)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	ACT("write", "d/f", "0", "new text");
	SEE(EV(d, IN_OPEN, "f"), EV(d, IN_MODIFY, "f"),
	    EV(d, IN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a reader causes opening, access and closing, and no more.
 * Source: inotify(7), IN_OPEN, IN_ACCESS, IN_CLOSE_NOWRITE.
 */
TEST_F(directory, all_events_of_a_read)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	ACT("close", "0");
	SEE(EV(d, IN_OPEN, "f"), EV(d, IN_ACCESS, "f"),
	    EV(d, IN_CLOSE_NOWRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a watch is not recursive: what happens two levels below is not seen.
 * Source: inotify(7), "Inotify monitoring of directories is not recursive".
 */
TEST_F(directory, not_recursive)
{
	int d = WATCH("d", IN_CREATE | IN_MODIFY);

	ACT("create", "d/sub/deep", "644");
	ACT("write", "d/sub/deep", "0", "text");
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a name of the greatest length arrives whole.
 * Source: inotify(7), name field; NAME_MAX, include/uapi/linux/limits.h.
 */
TEST_F(directory, longest_name)
{
	char path[NAME_MAX + 3] = "d/", *name = path + 2;
	int d = WATCH("d", IN_CREATE | IN_DELETE);

	memset(name, 'n', NAME_MAX);
	ACT("create", path, "644");
	SEE(EV(d, IN_CREATE, name));
	ACT("unlink", path);
	SEE(EV(d, IN_DELETE, name));
	NOTHING_MORE();
}

/*
 * Rule: a name may hold any byte but NUL and slash: newline.
 * Source: path_resolution(7); inotify(7), name field.
 */
TEST_F(directory, name_with_newline)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/two\nlines\n", "644");
	SEE(EV(d, IN_CREATE, "two\nlines\n"));
	NOTHING_MORE();
}

/*
 * Rule: a name may hold any byte but NUL and slash: blanks, in front and behind.
 * Source: path_resolution(7); inotify(7), name field.
 */
TEST_F(directory, name_with_blanks)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/ a  name ", "644");
	SEE(EV(d, IN_CREATE, " a  name "));
	NOTHING_MORE();
}

/*
 * Rule: a name in UTF-8 arrives byte by byte as it is, not normalised.
 * Source: path_resolution(7); inotify(7), name field.
 */
TEST_F(directory, name_in_utf)
{
	const char *name = "na\xc3\xafve-e\xcc\x81-\xe6\x96\x87\xe4\xbb\xb6";
	int d = WATCH("d", IN_CREATE);
	char path[64];

	snprintf(path, sizeof(path), "d/%s", name);
	ACT("create", path, "644");
	SEE(EV(d, IN_CREATE, name));
	NOTHING_MORE();
}

/*
 * Rule: a name that is no UTF-8 at all arrives as it is.
 * Source: path_resolution(7); inotify(7), name field.
 */
TEST_F(directory, name_of_high_bytes)
{
	const char *name = "\x80\xff\xfe\xc0\xaf\x9f";
	int d = WATCH("d", IN_CREATE);
	char path[64];

	snprintf(path, sizeof(path), "d/%s", name);
	ACT("create", path, "644");
	SEE(EV(d, IN_CREATE, name));
	NOTHING_MORE();
}

/*
 * Rule: many new files give as many events, none twice, none left out, in order.
 * Source: inotify(7), "events ... in the order in which they occurred";
 * Node's recursive fs.watch after git checkout or npm install.
 */
TEST_F(directory, burst_of_creations)
{
	int d = WATCH("d", IN_CREATE);
	char name[32];
	int i;

	ACT("fill", "d", "burst-", "200");
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "burst-%d", i);
		SEE(EV(d, IN_CREATE, name));
	}
	NOTHING_MORE();
}

/* A watched file whose directory is not watched. */
FIXTURE(file)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME file
#include "fixture.h"

FIXTURE_SETUP(file)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: opening a watched file is reported without a name.
 * Source: inotify(7), IN_OPEN and name field.
 */
TEST_F(file, open)
{
	int f = WATCH("d/f", IN_OPEN);

	ACT("open", "d/f", "r", "0");
	SEE(SELF(f, IN_OPEN));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: reading a watched file is an access.
 * Source: inotify(7), IN_ACCESS.
 */
TEST_F(file, access)
{
	int f = WATCH("d/f", IN_ACCESS);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	SEE(SELF(f, IN_ACCESS));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: writing to a watched file modifies it.
 * Source: inotify(7), IN_MODIFY.
 */
TEST_F(file, modify)
{
	int f = WATCH("d/f", IN_MODIFY);

	ACT("write", "d/f", "0", "new text");
	SEE(SELF(f, IN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: truncating a watched file modifies it.
 * Source: inotify(7), IN_MODIFY, "(e.g., write(2), truncate(2))".
 */
TEST_F(file, modify_by_truncate)
{
	int f = WATCH("d/f", IN_MODIFY | IN_ATTRIB);

	ACT("truncate", "d/f", "0");
	SEE(SELF(f, IN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: a change of permissions is a change of metadata.
 * Source: inotify(7), IN_ATTRIB.
 */
TEST_F(file, attrib_by_chmod)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_MODIFY);

	ACT("chmod", "d/f", "600");
	SEE(SELF(f, IN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: setting both time stamps is a change of metadata.
 * Source: inotify(7), IN_ATTRIB.
 */
TEST_F(file, attrib_by_utimes)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_MODIFY);

	ACT("utimes", "d/f", "1000000000000000000", "1000000000000000000");
	SEE(SELF(f, IN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: a change of extended attributes is a change of metadata. Where the
 * local mount has no such attributes there is nothing to test.
 * Source: inotify(7), IN_ATTRIB.
 */
TEST_F(file, attrib_by_setxattr)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_MODIFY);

	SKIP_WITHOUT_XATTR("d/f");
	ACT("setxattr", "d/f", "user.farwatch", "value");
	SEE(SELF(f, IN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: a new name of a file changes its link count.
 * Source: inotify(7), IN_ATTRIB, "link count (... link(2) ...)".
 */
TEST_F(file, attrib_by_link)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_MODIFY);

	ACT("link", "d/f", "second");
	SEE(SELF(f, IN_ATTRIB));
	NOTHING_MORE();
}

/*
 * Rule: closing a watched file that was open for writing is reported as such.
 * Source: inotify(7), IN_CLOSE_WRITE.
 */
TEST_F(file, close_write)
{
	int f = WATCH("d/f", IN_CLOSE);

	ACT("open", "d/f", "w", "0");
	ACT("close", "0");
	SEE(SELF(f, IN_CLOSE_WRITE));
	NOTHING_MORE();
}

/*
 * Rule: closing a watched file that was read only is no IN_CLOSE_WRITE.
 * Source: inotify(7), IN_CLOSE_NOWRITE.
 */
TEST_F(file, close_nowrite)
{
	int f = WATCH("d/f", IN_CLOSE);

	ACT("open", "d/f", "r", "0");
	ACT("close", "0");
	SEE(SELF(f, IN_CLOSE_NOWRITE));
	NOTHING_MORE();
}

/*
 * Rule: a write to a watched file is opening, modifying and closing.
 * Source: inotify(7), "events ... in the order in which they occurred".
 */
TEST_F(file, all_events_of_a_write)
{
	int f = WATCH("d/f", IN_ALL_EVENTS);

	ACT("write", "d/f", "0", "new text");
	SEE(SELF(f, IN_OPEN), SELF(f, IN_MODIFY), SELF(f, IN_CLOSE_WRITE));
	NOTHING_MORE();
}

/*
 * Rule: a watch is on the inode: a change through another name is seen, and a
 * watch on the directory of the first name does not see it.
 * Source: inotify(7), "Inotify ... monitors inodes"; IN_MODIFY by hard link.
 */
TEST_F(file, modify_through_hard_link)
{
	int d, f;

	HERE("link", "d/f", "second");
	d = WATCH("d", IN_MODIFY | IN_CREATE);
	f = WATCH("d/f", IN_MODIFY);
	ACT("write", "second", "0", "new text");
	SEE(SELF(f, IN_MODIFY));
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a watch through a symbolic link is one on the file behind it.
 * Source: inotify(7), IN_DONT_FOLLOW (not given).
 */
TEST_F(file, watched_through_symlink)
{
	int f;

	HERE("symlink", "d/f", "soft");
	f = WATCH("soft", IN_MODIFY);
	ACT("write", "d/f", "0", "new text");
	SEE(SELF(f, IN_MODIFY));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
