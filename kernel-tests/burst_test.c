// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: a whole list of operations that nobody waits for, and nobody reads
 * meanwhile. What is wanted is what the same list gives on a local file system
 * (burst.h); what may be joined is in stream.h.
 */
#include <unistd.h>

#include "two_sided.h"
#include "burst.h"

#define FOLDERS		30
#define FILES		5
#define UNWATCHED	80	/* folders, with one in each */
#define CHANGES		(IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY |	\
			 IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF |	\
			 IN_MOVE_SELF)

FIXTURE(burst)
{
	struct act act;
	struct burst burst;
};

#define FIXTURE_NAME burst
#define FIXTURE_ENDS burst_close(&self->burst)
#include "fixture.h"

FIXTURE_SETUP(burst)
{
	BURST_STAGE();
	LINE("mkdir d 755");
	LINE("mkdir e 755");
	LINE("create d/f 644");
	LINE("create d/g 644");
	PLAY();
}

/* ---------------------------------------------------------------- the end */

#define MAKE_TREE() do {						\
	int _i, _j;							\
									\
	for (_i = 0; _i < FOLDERS; _i++) {				\
		LINE("mkdir d/%d 755", _i);				\
		for (_j = 0; _j < FILES; _j++)				\
			LINE("create d/%d/f%d 644", _i, _j);		\
	}								\
	PLAY();								\
} while (0)

#define REMOVE_TREE() do {						\
	int _i, _j;							\
									\
	for (_i = 0; _i < FOLDERS; _i++) {				\
		for (_j = 0; _j < FILES; _j++)				\
			LINE("unlink d/%d/f%d", _i, _j);		\
		LINE("rmdir d/%d", _i);					\
	}								\
} while (0)

/*
 * Rule: each file of a watched tree is reported as deleted, however quickly its
 * folder goes as well.
 * Source: inotify(7), IN_DELETE; rm -rf under watchdog, VS Code and Node.js.
 */
TEST_F(burst, removed_tree)
{
	MAKE_TREE();
	WATCH_TREE("d", CHANGES);
	REMOVE_TREE();
	PLAY();
	SAME_EVENTS();
}

/*
 * Rule: the same when all is gone before anybody has looked.
 * Source: inotify(7), IN_DELETE, IN_DELETE_SELF.
 */
TEST_F(burst, removed_tree_seen_late)
{
	MAKE_TREE();
	WATCH_TREE("d", CHANGES);
	REMOVE_TREE();
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a tree that has come and gone again is no reason to be silent about it.
 * Source: inotify(7), IN_CREATE, IN_DELETE.
 */
TEST_F(burst, tree_comes_and_goes)
{
	WATCH_BOTH("d", CHANGES);
	MAKE_TREE();
	REMOVE_TREE();
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: IN_DELETE_SELF and IN_IGNORED are the last that is heard of a file, and
 * all that was done to it before is heard before.
 * Source: inotify(7), IN_DELETE_SELF, IN_IGNORED.
 */
TEST_F(burst, end_of_file_is_last)
{
	WATCH_BOTH("d/f", IN_ALL_EVENTS);
	WATCH_BOTH("d", CHANGES);
	LINE("append d/f text");
	LINE("chmod d/f 600");
	LINE("rename d/f e/f");
	LINE("append e/f more");
	LINE("unlink e/f");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: the same for a directory, and for what was in it.
 * Source: inotify(7), IN_DELETE_SELF, IN_IGNORED.
 */
TEST_F(burst, end_of_folder_is_last)
{
	LINE("mkdir d/sub 755");
	LINE("mkdir d/sub/deep 755");
	PLAY();
	WATCH_BOTH("d", CHANGES);
	WATCH_BOTH("d/sub", CHANGES);
	WATCH_BOTH("d/sub/deep", CHANGES);
	LINE("create d/sub/deep/f 644");
	LINE("chmod d/sub 700");
	LINE("rename d/sub e/sub");
	LINE("unlink e/sub/deep/f");
	LINE("rmdir e/sub/deep");
	LINE("rmdir e/sub");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a file that is replaced ends as one that is removed.
 * Source: inotify(7), IN_DELETE_SELF; rename(2), "atomically replaced".
 */
TEST_F(burst, replaced_again_and_again)
{
	int i;

	WATCH_BOTH("d", CHANGES);
	WATCH_BOTH("d/f", IN_ALL_EVENTS);
	for (i = 0; i < 20; i++) {
		LINE("create d/f.new 644");
		LINE("append d/f.new %d", i);
		LINE("rename d/f.new d/f");
	}
	PLAY_LATE();
	SAME_EVENTS();
}

/* -------------------------------------------------------------- attributes */

/*
 * Rule: what is in a watched folder is reported by the name it has there, also
 * if there are many that nobody watches.
 * Source: inotify(7), IN_ATTRIB; chown -R in a tree of which a part is watched.
 */
TEST_F(burst, attributes_of_many_folders)
{
	int i;

	for (i = 0; i < UNWATCHED; i++) {
		LINE("mkdir d/%d 755", i);
		LINE("mkdir d/%d/s 755", i);
	}
	PLAY();
	for (i = 0; i < UNWATCHED; i++) {
		char path[16];

		snprintf(path, sizeof(path), "d/%d", i);
		WATCH_BOTH(path, CHANGES);
		LINE("chmod d/%d/s 700", i);
		LINE("chmod d/%d 700", i);
	}
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: what is done to different names stays with these names.
 * Source: inotify(7), "name".
 */
TEST_F(burst, names_take_turns)
{
	int i;

	WATCH_BOTH("d", IN_ALL_EVENTS);
	for (i = 0; i < 10; i++) {
		LINE("append d/f %d", i);
		LINE("chmod d/g 6%d0", i % 8);
		LINE("create d/new%d 644", i);
	}
	PLAY_LATE();
	SAME_EVENTS();
}

/* ------------------------------------------------------------------- names */

/*
 * Rule: an event has the name that the object had when it happened.
 * Source: inotify(7), "name"; unpackers, package managers and rsync set the
 * attributes of a folder, and then give it its name.
 */
TEST_F(burst, folder_is_named_last)
{
	WATCH_BOTH("d", IN_ALL_EVENTS);
	LINE("mkdir d/.tmp 755");
	LINE("chmod d/.tmp 750");
	LINE("utimes d/.tmp 1 1");
	LINE("rename d/.tmp d/package");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: what happened to a folder that is gone now has happened all the same.
 * Source: inotify(7), IN_ATTRIB.
 */
TEST_F(burst, folder_is_gone_again)
{
	WATCH_BOTH("d", IN_ALL_EVENTS);
	LINE("mkdir d/new 755");
	LINE("chmod d/new 700");
	LINE("rmdir d/new");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: the same for one that was there before, was opened, renamed, and moved
 * to where nobody looks.
 * Source: inotify(7), "name".
 */
TEST_F(burst, folder_is_moved_away)
{
	LINE("mkdir d/old 755");
	PLAY();
	WATCH_BOTH("d", IN_ALL_EVENTS);
	LINE("open d/old d 0");
	LINE("close 0");
	LINE("rename d/old d/older");
	LINE("chmod d/older 700");
	LINE("rename d/older e/oldest");
	LINE("chmod e/oldest 755");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: each rename of a chain is reported, with its two names.
 * Source: inotify(7), IN_MOVED_FROM, IN_MOVED_TO, "cookie".
 */
TEST_F(burst, rename_chain)
{
	WATCH_BOTH("d", CHANGES);
	WATCH_BOTH("e", CHANGES);
	WATCH_BOTH("d/f", IN_ALL_EVENTS);
	LINE("rename d/f d/one");
	LINE("append d/one text");
	LINE("rename d/one e/two");
	LINE("append e/two text");
	LINE("rename e/two d/three");
	LINE("append d/three text");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a name is where the last rename has brought it.
 * Source: inotify(7), IN_MOVED_FROM, IN_MOVED_TO.
 */
TEST_F(burst, renamed_away_and_back)
{
	WATCH_BOTH("d", CHANGES);
	LINE("rename d/f d/x");
	LINE("rename d/x d/f");
	LINE("rename d/f d/x");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: two names that are exchanged are two renames, each time.
 * Source: renameat2(2), RENAME_EXCHANGE; inotify(7), IN_MOVED_FROM.
 */
TEST_F(burst, exchanged)
{
	LINE("mkdir d/blue 755");
	LINE("mkdir d/green 755");
	LINE("create d/blue/f 644");
	PLAY();
	WATCH_TREE("d", CHANGES);
	LINE("rename d/blue d/green exchange");
	LINE("append d/green/f text");
	LINE("rename d/f d/g exchange");
	LINE("append d/f text");
	LINE("rename d/green/f d/f exchange");
	LINE("append d/f more");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a folder that moves takes its watches along; they go on.
 * Source: inotify(7), IN_MOVE_SELF.
 */
TEST_F(burst, moved_folder_is_watched_on)
{
	LINE("mkdir d/sub 755");
	LINE("mkdir d/sub/deep 755");
	PLAY();
	WATCH_TREE("d", CHANGES);
	LINE("create d/sub/deep/a 644");
	LINE("rename d/sub e/sub");
	LINE("create e/sub/deep/b 644");
	LINE("rename e/sub d/back");
	LINE("create d/back/deep/c 644");
	LINE("rename d/back/deep d/back/deeper");
	LINE("unlink d/back/deeper/a");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: an object that loses its name and gets it again is there at the end.
 * Source: inotify(7), IN_DELETE, IN_CREATE; locks that are links to one file.
 */
TEST_F(burst, same_file_comes_back)
{
	int i;

	LINE("link d/f e/same");
	PLAY();
	WATCH_BOTH("d", CHANGES);
	for (i = 0; i < 100; i++) {
		LINE("unlink d/f");
		LINE("link e/same d/f");
	}
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: of a name that is taken and given back all the time the last event is
 * true.
 * Source: inotify(7); git's index.lock, which is renamed or removed.
 */
TEST_F(burst, lock_files)
{
	int i;

	WATCH_BOTH("d", CHANGES);
	for (i = 0; i < 50; i++) {
		LINE("create d/index.lock 644");
		LINE("append d/index.lock x");
		LINE(i % 2 ? "unlink d/index.lock" :
			     "rename d/index.lock d/index");
		LINE("link d/g d/data.lock");
		LINE("append d/g x");
		LINE("unlink d/data.lock");
	}
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: many objects that have had one name are not taken for one.
 * Source: inotify(7), IN_CREATE, IN_DELETE.
 */
TEST_F(burst, one_name_many_objects)
{
	int i;

	WATCH_BOTH("d", CHANGES);
	for (i = 0; i < 20; i++) {
		LINE("create d/x 644");
		LINE("unlink d/x");
		LINE("mkdir d/x 755");
		LINE("rmdir d/x");
	}
	LINE("create d/x 644");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a file with several names is reported by the one that was used, and
 * ends with the last of them.
 * Source: inotify(7), "Hard links"; link(2).
 */
TEST_F(burst, hard_links)
{
	WATCH_BOTH("d", CHANGES);
	WATCH_BOTH("d/f", IN_ALL_EVENTS);
	WATCH_BOTH("d/g", IN_ALL_EVENTS);
	LINE("link d/f e/f");
	LINE("append e/f x");
	LINE("link d/f d/other");
	LINE("append d/other x");
	LINE("unlink d/f");
	LINE("append d/other y");
	LINE("link e/f d/.g.tmp");
	LINE("rename d/.g.tmp d/g");
	LINE("append d/g z");
	LINE("unlink d/other");
	LINE("unlink d/g");
	LINE("unlink e/f");
	PLAY_LATE();
	SAME_EVENTS();
}

/* ----------------------------------------------------------- without a name */

/*
 * Rule: a file that was replaced while it is open has no name.
 * Source: inotify(7), IN_EXCL_UNLINK; a log that is written to behind its
 * rotation, a file that an editor has saved.
 */
TEST_F(burst, replaced_file_is_not_wanted)
{
	LINE("open d/f a 0");
	PLAY();
	WATCH_BOTH("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	LINE("create d/f.new 644");
	LINE("rename d/f.new d/f");
	LINE("pwrite 0 0 late");
	LINE("close 0");
	LINE("create d/last 644");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: it has none either if that was before somebody watched.
 * Source: inotify(7), IN_EXCL_UNLINK.
 */
TEST_F(burst, removed_before_is_not_wanted)
{
	LINE("open d/f a 0");
	LINE("unlink d/f");
	LINE("open d/g a 1");
	LINE("create d/g.new 644");
	LINE("rename d/g.new d/g");
	PLAY();
	WATCH_BOTH("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	LINE("pwrite 0 0 late");
	LINE("close 0");
	LINE("pwrite 1 0 late");
	LINE("close 1");
	LINE("append d/g new");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: a file that has its name again has a name.
 * Source: inotify(7), IN_EXCL_UNLINK; ln f g; rm f; mv g f.
 */
TEST_F(burst, file_has_its_name_again)
{
	WATCH_BOTH("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	LINE("link d/f d/other");
	LINE("unlink d/f");
	LINE("rename d/other d/f");
	PLAY_LATE();
	SAME_EVENTS();
	LINE("append d/f text");
	LINE("chmod d/f 600");
	PLAY_LATE();
	SAME_EVENTS();
}

/* A mount of FUSE may have no O_TMPFILE, so these are for others to make. */
FIXTURE(unnamed)
{
	struct act act;
	struct burst burst;
};

#define FIXTURE_NAME unnamed
#define FIXTURE_SIDES REMOTE_ONLY
#define FIXTURE_ENDS burst_close(&self->burst)
#include "fixture.h"

FIXTURE_SETUP(unnamed)
{
	BURST_STAGE();
	LINE("mkdir d 755");
	PLAY();
}

/*
 * Rule: a file that has no name yet is reported; a group that does not want to
 * hear of such (IN_EXCL_UNLINK) hears of it once it has one.
 * Source: open(2), O_TMPFILE; inotify(7), IN_EXCL_UNLINK; systemd-coredump.
 */
TEST_F(unnamed, written_and_named)
{
	WATCH_BOTH("d", IN_ALL_EVENTS);
	LINE("tmpfile d 0");
	LINE("pwrite 0 0 core");
	LINE("flink 0 d/core");
	LINE("close 0");
	LINE("append d/core more");
	PLAY_LATE();
	SAME_EVENTS();
}

/*
 * Rule: one that never gets a name is not told to such a group at all.
 * Source: inotify(7), IN_EXCL_UNLINK.
 */
TEST_F(unnamed, not_wanted)
{
	WATCH_BOTH("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	LINE("tmpfile d 0");
	LINE("pwrite 0 0 core");
	LINE("close 0");
	LINE("create d/last 644");
	PLAY_LATE();
	SAME_EVENTS();
}

TEST_HARNESS_MAIN
