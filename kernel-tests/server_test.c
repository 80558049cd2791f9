// SPDX-License-Identifier: GPL-2.0
/*
 * The server of the share: what it watches for this kernel, how many watches
 * that takes, when they end, and what happens when it is late or has too much
 * to say. Where there is no server, on a local file system, there is nothing
 * to count, and the events are as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "two_sided.h"

#define MANY	1000

FIXTURE(server)
{
	struct act act;
	struct events ev, other;
};

#define FIXTURE_NAME server
#define FIXTURE_SIDES NO_VARIANTS
#define FIXTURE_ENDS (events_close(&self->ev), events_close(&self->other))
#include "fixture.h"

FIXTURE_SETUP(server)
{
	ASSERT_FINE(act_open(&self->act, true));
	if (self->act.skip) {
		act_close(&self->act);
		SKIP(return, "%s", self->act.skip);
	}
	HERE("mkdir", "d", "777");
	HERE("mkdir", "d/sub", "777");
	HERE("create", "d/f", "666");
	OPEN_INOTIFY(&self->ev);
	OPEN_INOTIFY(&self->other);
	ASSERT_EQ(0, inotify_rm_watch(self->other.fd, self->other.sentinel));
	SEE_IN(&self->other, SELF(self->other.sentinel, IN_IGNORED));
}

/*
 * Rule: a watch of this kernel is one of the server, and goes with it.
 * Source: linux-fsdevel, 25 Oct 2021, RFC: FUSE_FSNOTIFY with the mask, 0 when
 * the mark is removed.
 */
TEST_F(server, added_and_removed)
{
	int d = WATCH("d", IN_CREATE);

	SERVER_WATCHES(2);
	ASSERT_EQ(0, inotify_rm_watch(self->ev.fd, d));
	SERVER_WATCHES(1);
}

/*
 * Rule: a mask that changes is no second watch.
 * Source: inotify_add_watch(2): an existing watch is modified.
 */
TEST_F(server, changed)
{
	WATCH("d", IN_CREATE);
	WATCH("d", IN_DELETE | IN_MASK_ADD);
	WATCH("d", IN_MODIFY);
	SERVER_WATCHES(2);
}

/*
 * Rule: a watch that reports once ends at the server, too.
 * Source: inotify(7), IN_ONESHOT.
 */
TEST_F(server, oneshot)
{
	int d = WATCH("d", IN_CREATE | IN_ONESHOT);

	SERVER_WATCHES(2);
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"), SELF(d, IN_IGNORED));
	SERVER_WATCHES(1);
}

/*
 * Rule: a group that gets file descriptors cannot be told of what others do, and
 * needs no watch of the server, nor room for one.
 * Source: fanotify(7), fd; a file that others have changed has none to pass on.
 */
TEST_F(server, descriptors)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		SKIP(return, "fanotify_init: %s", strerror(errno));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD,
				   "d/f"));
	SERVER_WATCHES(1);
	close(fd);
}

/*
 * Rule: the server has one watch for an object, however many want it.
 * Source: linux-fsdevel, 2 Nov 2021, V. Goyal, and 3 Nov 2021, A. Goldstein:
 * the aggregated mask of the inode (i_fsnotify_mask).
 */
TEST_F(server, two_groups_one_watch)
{
	WATCH("d", IN_CREATE);
	WATCH_IN(&self->other, "d", IN_CREATE);
	SERVER_WATCHES(2);
}

/*
 * Rule: what several groups want of an object is told to each of them once,
 * also when there was more than one thing to tell.
 * Source: linux-fsdevel, 2 Nov 2021, V. Goyal: "same event can be replicated
 * among multiple groups"; inotify(7): only identical neighbours are merged.
 */
TEST_F(server, two_groups_one_copy)
{
	int d = WATCH("d", IN_CREATE);
	int same = WATCH_IN(&self->other, "d", IN_CREATE);

	SERVER("pause");
	ACT("create", "d/one", "644");
	ACT("create", "d/two", "644");
	SERVER("continue");
	SEE(EV(d, IN_CREATE, "one"), EV(d, IN_CREATE, "two"));
	SEE_IN(&self->other, EV(same, IN_CREATE, "one"),
	       EV(same, IN_CREATE, "two"));
	NOTHING_MORE();
}

/*
 * Rule: a group that is closed takes all of its watches with it.
 * Source: inotify(7), "When all file descriptors referring to an inotify
 * instance have been closed".
 */
TEST_F(server, group_closed)
{
	WATCH_IN(&self->other, "d", IN_CREATE);
	WATCH_IN(&self->other, "d/f", IN_MODIFY);
	WATCH_IN(&self->other, "d/sub", IN_CREATE);
	SERVER_WATCHES(4);
	events_close(&self->other);
	SERVER_WATCHES(1);
}

/*
 * Rule: nothing is left of the watch on a file that was removed here.
 * Source: linux-fsdevel, 25 Oct 2021, RFC: FORGET removes the watches.
 */
TEST_F(server, deleted_here)
{
	SKIP_WHERE_READ_ONLY();
	WATCH("d/f", IN_MODIFY);
	SERVER_WATCHES(2);
	HERE("unlink", "d/f");
	SERVER_WATCHES(1);
}

/*
 * Rule: nothing is left of the watch on a file that was removed elsewhere.
 * Source: inotify(7), IN_IGNORED: the watch ends with its object.
 */
TEST_F(server, deleted_there)
{
	WATCH("d/f", IN_MODIFY);
	SERVER_WATCHES(2);
	ACT("unlink", "d/f");
	SERVER_WATCHES(1);
}

/*
 * Rule: a thousand watches are a thousand, work, and go without a trace.
 * Source: VS Code, watchman: a watch for each directory of a tree.
 */
TEST_F(server, a_thousand)
{
	int wd[MANY], i;
	char name[32];

	HERE("fill", "d", "f", "1000");
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d/f%d", i);
		wd[i] = inotify_add_watch(self->other.fd, name, IN_MODIFY);
		ASSERT_GE(wd[i], 0);
	}
	SERVER_WATCHES(MANY + 1);
	ACT("write", "d/f999", "0", "text");
	ASSERT_FINE(events_await(&self->other));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, inotify_rm_watch(self->other.fd, wd[i]));
	SERVER_WATCHES(1);
	ACT("clear", "d", "f", "1000");
}

/*
 * Rule: a mount that ends leaves no watch.
 * Source: inotify(7), IN_UNMOUNT; FUSE_DESTROY.
 */
TEST_F(server, unmounted)
{
	WATCH("d", IN_CREATE);
	WATCH_IN(&self->other, "d/f", IN_MODIFY);
	SERVER_WATCHES(3);
	ASSERT_FINE(act_unmount(&self->act));
	if (self->act.skip)
		SKIP(return, "%s", self->act.skip);
	SERVER_WATCHES(0);
}

/* Creations until the sentinel; -1 when an overflow was reported. */
static int count_creations(struct events *ev)
{
	struct event event;
	int count = 0, ret;

	while ((ret = events_next(ev, &event)) > 0) {
		if (event.mask & IN_Q_OVERFLOW)
			return -1;
		if (event.on == ev->sentinel)
			return count;
		count++;
	}
	return ret < 0 ? ret : count;
}

#define BURST	20000

/*
 * Rule: of more events than the server can keep none is lost in silence: all of
 * them come, or an overflow is reported.
 * Source: inotify(7), IN_Q_OVERFLOW; linux-fsdevel, 3 Nov 2021, A. Goldstein:
 * the overflow must be delivered reliably.
 */
TEST_F(server, overflow_is_told)
{
	struct events roomy;
	long usual;
	int count;

	usual = act_swap_number(QUEUE_SYSCTL, 2 * BURST);
	ASSERT_GT(usual, 0);
	OPEN_INOTIFY(&roomy);
	ASSERT_EQ(2 * BURST, act_swap_number(QUEUE_SYSCTL, usual));
	WATCH_IN(&roomy, "d", IN_CREATE);
	SERVER("pause");
	ACT("fill", "d", "many", "20000");
	ACT("clear", "d", "many", "20000");
	SERVER("continue");
	ASSERT_FINE(act_sentinel(&self->act));
	count = count_creations(&roomy);
	events_close(&roomy);
	if (count == -1)
		return;
	ASSERT_EQ(BURST, count) {
		TH_LOG("no event: %d of %d came, and no overflow", count, BURST);
	}
}

TEST_HARNESS_MAIN
