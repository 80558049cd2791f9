// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: ends. A watched object goes, the mount goes, the queue is full.
 */
#include <errno.h>
#include <unistd.h>

#include "two_sided.h"

/* errno of reading an empty queue. */
static int read_nothing(int fd)
{
	char buf[512];

	return read(fd, buf, sizeof(buf)) < 0 ? errno : 0;
}

/* Watched objects that are removed. */
FIXTURE(deleted)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME deleted
#include "fixture.h"

FIXTURE_SETUP(deleted)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "d/sub", "777");
	HERE("create", "d/f", "666");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: a watched file that is removed says so itself, and its watch ends.
 * Source: inotify(7), IN_DELETE_SELF and IN_IGNORED.
 */
TEST_F(deleted, file)
{
	int f = WATCH("d/f", IN_DELETE_SELF);

	ACT("unlink", "d/f");
	SEE(SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a watched directory that is removed says so itself, and its watch ends.
 * Source: inotify(7), IN_DELETE_SELF and IN_IGNORED.
 */
TEST_F(deleted, directory)
{
	int d = WATCH("d/sub", IN_DELETE_SELF);

	ACT("rmdir", "d/sub");
	SEE(SELF(d, IN_DELETE_SELF), SELF(d, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a watched symbolic link that is removed says so itself.
 * Source: inotify(7), IN_DELETE_SELF; inotify_add_watch(2), IN_DONT_FOLLOW.
 */
TEST_F(deleted, symlink)
{
	int soft;

	HERE("symlink", "d/f", "soft");
	soft = WATCH("soft", IN_DELETE_SELF | IN_DONT_FOLLOW);
	ACT("unlink", "soft");
	SEE(SELF(soft, IN_DELETE_SELF), SELF(soft, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: the end of the watch is reported even if nothing else was asked for.
 * Source: inotify(7), IN_IGNORED.
 */
TEST_F(deleted, ignored_is_always_sent)
{
	int f = WATCH("d/f", IN_MODIFY);

	ACT("write", "d/f", "0", "text");
	SEE(SELF(f, IN_MODIFY));
	ACT("unlink", "d/f");
	SEE(SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a removed file loses its last link, is deleted, and then forgotten.
 * Source: inotify(7), IN_ATTRIB, "link count (... unlink(2))".
 */
TEST_F(deleted, file_loses_link_first)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_DELETE_SELF);

	ACT("unlink", "d/f");
	SEE(SELF(f, IN_ATTRIB), SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: IN_DELETE of the directory and IN_DELETE_SELF of the file both come,
 * once each. Which of them is first is left open.
 * Source: inotify(7), IN_DELETE and IN_DELETE_SELF; d_delete_notify(),
 * fs/namei.c (7.3), where the order changed.
 */
TEST_F(deleted, file_and_its_directory)
{
	int d = WATCH("d", IN_DELETE), f;
	struct events other;

	OPEN_INOTIFY(&other);
	f = WATCH_IN(&other, "d/f", IN_DELETE_SELF);
	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	SEE_IN(&other, SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
	NOTHING_MORE_IN(&other);
	events_close(&other);
}

/*
 * Rule: a removed directory in a watched one is reported by both, once each.
 * Source: inotify(7), IN_DELETE and IN_DELETE_SELF.
 */
TEST_F(deleted, directory_and_its_parent)
{
	int d = WATCH("d", IN_DELETE), sub;
	struct events other;

	OPEN_INOTIFY(&other);
	sub = WATCH_IN(&other, "d/sub", IN_DELETE_SELF);
	ACT("rmdir", "d/sub");
	SEE(EV(d, IN_DELETE | IN_ISDIR, "sub"));
	SEE_IN(&other, SELF(sub, IN_DELETE_SELF), SELF(sub, IN_IGNORED));
	NOTHING_MORE();
	NOTHING_MORE_IN(&other);
	events_close(&other);
}

/*
 * Rule: as long as this process has the removed file open it is not deleted.
 * Then it is.
 * Source: unlink(2), "the file will remain in existence until the last file
 * descriptor referring to it is closed"; inotify(7), IN_DELETE_SELF.
 */
TEST_F(deleted, file_open_here)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_DELETE_SELF);

	HERE("open", "d/f", "r", "1");
	ACT("unlink", "d/f");
	SEE(SELF(f, IN_ATTRIB));
	NOTHING_MORE();
	HERE("close", "1");
	SEE(SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: what this process does with a removed file that it has open is seen by
 * the watch on the file.
 * Source: inotify(7), IN_DELETE_SELF; fsnotify_inoderemove(),
 * include/linux/fsnotify.h.
 */
TEST_F(deleted, file_used_after_unlink)
{
	int f = WATCH("d/f", IN_ATTRIB | IN_MODIFY | IN_CLOSE |
		      IN_DELETE_SELF);

	SKIP_WHERE_READ_ONLY();
	HERE("open", "d/f", "rw", "1");
	ACT("unlink", "d/f");
	SEE(SELF(f, IN_ATTRIB));
	HERE("pwrite", "1", "0", "text");
	SEE(SELF(f, IN_MODIFY));
	HERE("close", "1");
	SEE(SELF(f, IN_CLOSE_WRITE), SELF(f, IN_DELETE_SELF),
	    SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a file with another name is not deleted when one name goes.
 * Source: unlink(2), "last link"; inotify(7), IN_ATTRIB, link count.
 */
TEST_F(deleted, one_of_two_links)
{
	int f;

	HERE("link", "d/f", "second");
	f = WATCH("d/f", IN_ATTRIB | IN_DELETE_SELF | IN_MODIFY);
	ACT("unlink", "d/f");
	SEE(SELF(f, IN_ATTRIB));
	ACT("write", "second", "0", "text");
	SEE(SELF(f, IN_MODIFY));
	ACT("unlink", "second");
	SEE(SELF(f, IN_ATTRIB), SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: a new file of the same name is another file: the old watch stays ended,
 * a new one works.
 * Source: inotify(7), IN_IGNORED; linux-fsdevel, 27 Oct 2021, A. Goldstein on
 * nodeid and generation.
 */
TEST_F(deleted, same_name_again)
{
	int f = WATCH("d/f", IN_DELETE_SELF | IN_MODIFY), again;

	ACT("unlink", "d/f");
	SEE(SELF(f, IN_DELETE_SELF), SELF(f, IN_IGNORED));
	ACT("create", "d/f", "666");
	ACT("write", "d/f", "0", "text");
	NOTHING_MORE();
	again = WATCH("d/f", IN_MODIFY);
	ASSERT_NE(f, again);
	ACT("write", "d/f", "0", "more");
	SEE(SELF(again, IN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: entries and then the directory itself go: their deletions, then its own.
 * Source: inotify(7), IN_DELETE, IN_DELETE_SELF; rm -r of a watched tree.
 */
TEST_F(deleted, tree)
{
	int d = WATCH("d", IN_DELETE | IN_DELETE_SELF);

	ACT("unlink", "d/f");
	ACT("rmdir", "d/sub");
	ACT("rmdir", "d");
	SEE(EV(d, IN_DELETE, "f"), EV(d, IN_DELETE | IN_ISDIR, "sub"),
	    SELF(d, IN_DELETE_SELF), SELF(d, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: nothing can be watched that is not there any more.
 * Source: inotify_add_watch(2), ENOENT.
 */
TEST_F(deleted, cannot_be_watched)
{
	int d = WATCH("d", IN_DELETE);

	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	ASSERT_EQ(-ENOENT, events_watch(&self->ev, "d/f", IN_MODIFY));
	NOTHING_MORE();
}

/* Without a mount of our own there is nothing to unmount. */
#define UNMOUNT() do {							\
	ASSERT_FINE(act_unmount(&self->act));				\
	if (self->act.skip)						\
		SKIP(return, "%s", self->act.skip);			\
} while (0)

/* The watch of the sentinels would end, too, now or later. */
#define NO_SENTINELS() do {						\
	ASSERT_EQ(0, inotify_rm_watch(self->ev.fd, self->ev.sentinel));	\
	SEE(SELF(self->ev.sentinel, IN_IGNORED));			\
} while (0)

/* A mount that ends while its files are watched. */
FIXTURE(unmounted)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME unmounted
#include "fixture.h"

FIXTURE_SETUP(unmounted)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: when the file system is unmounted each watch is told, and ends.
 * Source: inotify(7), IN_UNMOUNT, "In addition, an IN_IGNORED event".
 */
TEST_F(unmounted, directory)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NO_SENTINELS();
	UNMOUNT();
	SEE(SELF(d, IN_UNMOUNT | IN_ISDIR), SELF(d, IN_IGNORED));
	ASSERT_EQ(EAGAIN, read_nothing(self->ev.fd));
}

/*
 * Rule: a watched file is told of the unmounting as a directory is.
 * Source: inotify(7), IN_UNMOUNT.
 */
TEST_F(unmounted, file)
{
	int f = WATCH("d/f", IN_MODIFY);

	ACT("write", "d/f", "0", "text");
	SEE(SELF(f, IN_MODIFY));
	NO_SENTINELS();
	UNMOUNT();
	SEE(SELF(f, IN_UNMOUNT), SELF(f, IN_IGNORED));
	ASSERT_EQ(EAGAIN, read_nothing(self->ev.fd));
}

/*
 * Rule: events that were not read when the unmounting came are not lost.
 * Source: inotify(7), "Reading events from an inotify file descriptor".
 */
TEST_F(unmounted, after_unread_events)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/one", "644");
	SEE(EV(d, IN_CREATE, "one"));
	NO_SENTINELS();
	ACT("create", "d/two", "644");
	ASSERT_FINE(events_await(&self->ev));
	UNMOUNT();
	SEE(EV(d, IN_CREATE, "two"), SELF(d, IN_UNMOUNT | IN_ISDIR),
	    SELF(d, IN_IGNORED));
	ASSERT_EQ(EAGAIN, read_nothing(self->ev.fd));
}

#define QUEUE_LENGTH	8
#define QUEUE_FILES	40

/* A group with a queue of QUEUE_LENGTH, and one that sees everything. */
FIXTURE(queue)
{
	struct act act;
	struct events ev, all;
	int d, all_d, all_end;
	int ends;
};

#define FIXTURE_NAME queue
#define FIXTURE_ENDS (events_close(&self->ev), events_close(&self->all))
#include "fixture.h"

FIXTURE_SETUP(queue)
{
	long usual;

	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "end", "777");
	OPEN_INOTIFY(&self->all);
	usual = act_swap_number(QUEUE_SYSCTL, QUEUE_LENGTH);
	if (usual < 0) {
		act_close(&self->act);
		SKIP(return, "%s: %s", QUEUE_SYSCTL, strerror(-usual));
	}
	OPEN_INOTIFY(&self->ev);
	ASSERT_EQ(QUEUE_LENGTH, act_swap_number(QUEUE_SYSCTL, usual));
	self->d = WATCH("d", IN_CREATE);
	self->all_d = WATCH_IN(&self->all, "d", IN_CREATE);
	self->all_end = WATCH_IN(&self->all, "end", IN_CREATE);
	self->ends = 0;
}

/*
 * When a group with room for all has seen one more event than it was to see, the
 * other one is full, and the last one was too much for it as well. An event is
 * given to one group after the other, so there is one at the end that only the
 * large group sees: when it has come, all earlier ones are with both.
 */
static void overflow(struct __test_metadata *_metadata,
		     FIXTURE_DATA(queue) *self)
{
	char name[32], path[40];
	int i;

	ACT("fill", "d", "f", "40");
	for (i = 0; i < QUEUE_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		SEE_IN(&self->all, EV(self->all_d, IN_CREATE, name));
	}
	NOTHING_MORE_IN(&self->all);
	snprintf(name, sizeof(name), "%d", self->ends++);
	snprintf(path, sizeof(path), "end/%s", name);
	ACT("create", path, "644");
	SEE_IN(&self->all, EV(self->all_end, IN_CREATE, name));
	self->ev.sentinels = self->act.sentinels;
}

static void see_overflow(struct __test_metadata *_metadata,
			 FIXTURE_DATA(queue) *self)
{
	char name[32];
	int i;

	for (i = 0; i < QUEUE_LENGTH; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		SEE(EV(self->d, IN_CREATE, name));
	}
	SEE(SELF(-1, IN_Q_OVERFLOW));
}

/*
 * Rule: a full queue ends with exactly one IN_Q_OVERFLOW, behind the events that
 * had room, and when it was read events flow again.
 * Source: inotify(7), IN_Q_OVERFLOW and "Limitations and caveats".
 */
TEST_F(queue, overflow_once)
{
	overflow(_metadata, self);
	see_overflow(_metadata, self);
	ACT("create", "d/after", "644");
	SEE(EV(self->d, IN_CREATE, "after"));
	NOTHING_MORE();
}

/*
 * Rule: a queue may overflow again, and says so again.
 * Source: inotify(7), IN_Q_OVERFLOW; watchman's recrawl, each time.
 */
TEST_F(queue, overflow_again)
{
	overflow(_metadata, self);
	see_overflow(_metadata, self);
	ACT("clear", "d", "f", "40");
	overflow(_metadata, self);
	see_overflow(_metadata, self);
	NOTHING_MORE();
}

/*
 * Rule: the overflow of one group is not that of another one.
 * Source: inotify(7), IN_Q_OVERFLOW: the queue is the instance's.
 */
TEST_F(queue, others_do_not_overflow)
{
	overflow(_metadata, self);
	see_overflow(_metadata, self);
	NOTHING_MORE_IN(&self->all);
}

/*
 * Rule: after an overflow a watched directory that went is not forgotten: its
 * watch ends.
 * Source: linux-fsdevel, 3 Nov 2021, A. Goldstein: re-check watched inodes
 * after IN_Q_OVERFLOW; inotify(7), IN_IGNORED.
 */
TEST_F(queue, deletion_after_overflow)
{
	overflow(_metadata, self);
	see_overflow(_metadata, self);
	ACT("clear", "d", "f", "40");
	ACT("rmdir", "d");
	SEE(SELF(self->d, IN_IGNORED));
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
