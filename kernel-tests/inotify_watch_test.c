// SPDX-License-Identifier: GPL-2.0
/*
 * inotify: watches. What is asked for is what comes: to each group its own copy,
 * each event once, and nothing after the watch has gone.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "two_sided.h"

#define ANOTHER		12345	/* a user that nobody is */

/* One watch, its mask, and its end. */
FIXTURE(watch)
{
	struct act act;
	struct events ev;
};

#define FIXTURE_NAME watch
#include "fixture.h"

FIXTURE_SETUP(watch)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	HERE("create", "d/g", "666");
	OPEN_INOTIFY(&self->ev);
}

/*
 * Rule: what was not asked for does not come.
 * Source: inotify_add_watch(2), mask.
 */
TEST_F(watch, mask_is_respected)
{
	int d = WATCH("d", IN_DELETE);

	ACT("create", "d/new", "644");
	ACT("write", "d/new", "0", "text");
	ACT("chmod", "d/new", "600");
	ACT("unlink", "d/new");
	SEE(EV(d, IN_DELETE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a second call for the same inode replaces the mask, and the watch keeps
 * its descriptor.
 * Source: inotify_add_watch(2), "replaces".
 */
TEST_F(watch, mask_is_replaced)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"));
	ASSERT_EQ(d, WATCH("d", IN_DELETE));
	ACT("create", "d/second", "644");
	ACT("unlink", "d/second");
	SEE(EV(d, IN_DELETE, "second"));
	NOTHING_MORE();
}

/*
 * Rule: IN_MASK_ADD adds to the mask.
 * Source: inotify_add_watch(2), IN_MASK_ADD.
 */
TEST_F(watch, mask_add)
{
	int d = WATCH("d", IN_CREATE);

	ASSERT_EQ(d, WATCH("d", IN_DELETE | IN_MASK_ADD));
	ACT("create", "d/new", "644");
	ACT("unlink", "d/new");
	SEE(EV(d, IN_CREATE, "new"), EV(d, IN_DELETE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a mask that grows reaches whoever has to watch for it.
 * Source: inotify_add_watch(2); linux-fsdevel, 3 Nov 2021, A. Goldstein on the
 * combined mask.
 */
TEST_F(watch, mask_grows)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	WATCH("d", IN_CREATE | IN_MODIFY | IN_ATTRIB);
	ACT("write", "d/new", "0", "text");
	ACT("chmod", "d/new", "600");
	SEE(EV(d, IN_MODIFY, "new"), EV(d, IN_ATTRIB, "new"));
	NOTHING_MORE();
}

/*
 * Rule: IN_MASK_CREATE refuses to change a watch, which then goes on as before.
 * Source: inotify_add_watch(2), IN_MASK_CREATE.
 */
TEST_F(watch, mask_create)
{
	int d = WATCH("d", IN_CREATE);

	ASSERT_EQ(-EEXIST, events_watch(&self->ev, "d",
					IN_DELETE | IN_MASK_CREATE));
	ACT("create", "d/new", "644");
	ACT("unlink", "d/new");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: IN_ONESHOT gives one event, and then the watch is gone.
 * Source: inotify_add_watch(2), IN_ONESHOT; inotify(7), IN_IGNORED.
 */
TEST_F(watch, oneshot)
{
	int d = WATCH("d", IN_CREATE | IN_ONESHOT);

	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"), SELF(d, IN_IGNORED));
	ACT("create", "d/second", "644");
	NOTHING_MORE();
}

/*
 * Rule: IN_ONLYDIR refuses a file, and changes nothing for a directory.
 * Source: inotify_add_watch(2), IN_ONLYDIR; watchman's mask.
 */
TEST_F(watch, onlydir)
{
	int d = WATCH("d", IN_CREATE | IN_ONLYDIR);

	ASSERT_EQ(-ENOTDIR, events_watch(&self->ev, "d/f",
					 IN_MODIFY | IN_ONLYDIR));
	ACT("write", "d/f", "0", "text");
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: IN_DONT_FOLLOW watches the link, not what it points to.
 * Source: inotify_add_watch(2), IN_DONT_FOLLOW.
 */
TEST_F(watch, dont_follow)
{
	int soft;

	HERE("symlink", "d/f", "soft");
	soft = WATCH("soft", IN_MOVE_SELF | IN_MODIFY | IN_DONT_FOLLOW);
	ACT("write", "d/f", "0", "text");
	ACT("rename", "soft", "softer");
	SEE(SELF(soft, IN_MOVE_SELF));
	NOTHING_MORE();
}

/*
 * Rule: with IN_EXCL_UNLINK a removed file that is still open is not reported
 * by the directory any more.
 * Source: inotify_add_watch(2), IN_EXCL_UNLINK; watchman's mask.
 */
TEST_F(watch, excl_unlink)
{
	int d = WATCH("d", IN_MODIFY | IN_DELETE | IN_EXCL_UNLINK);

	ACT("open", "d/f", "w", "0");
	ACT("pwrite", "0", "0", "before");
	ACT("unlink", "d/f");
	SEE(EV(d, IN_MODIFY, "f"), EV(d, IN_DELETE, "f"));
	ACT("pwrite", "0", "0", "after");
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: without IN_EXCL_UNLINK a removed file that is still open goes on being
 * reported by the directory that it was in.
 * Source: inotify_add_watch(2), IN_EXCL_UNLINK, "By default".
 */
TEST_F(watch, unlinked_but_open)
{
	int d = WATCH("d", IN_MODIFY | IN_DELETE);

	ACT("open", "d/f", "w", "0");
	ACT("unlink", "d/f");
	SEE(EV(d, IN_DELETE, "f"));
	ACT("pwrite", "0", "0", "after");
	SEE(EV(d, IN_MODIFY, "f"));
	ACT("close", "0");
	NOTHING_MORE();
}

/*
 * Rule: after inotify_rm_watch() comes IN_IGNORED, and then nothing.
 * Source: inotify_rm_watch(2); inotify(7), IN_IGNORED.
 */
TEST_F(watch, removed)
{
	int d = WATCH("d", IN_CREATE);

	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"));
	ASSERT_EQ(0, inotify_rm_watch(self->ev.fd, d));
	SEE(SELF(d, IN_IGNORED));
	ACT("create", "d/second", "644");
	NOTHING_MORE();
}

/*
 * Rule: a watch that is added again works again, under a new descriptor.
 * Source: inotify(7), "Bugs", on the reuse of descriptors.
 */
TEST_F(watch, added_again)
{
	int d = WATCH("d", IN_CREATE), again;

	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"));
	ASSERT_EQ(0, inotify_rm_watch(self->ev.fd, d));
	again = WATCH("d", IN_CREATE);
	ASSERT_NE(d, again);
	ACT("create", "d/second", "644");
	SEE(SELF(d, IN_IGNORED), EV(again, IN_CREATE, "second"));
	NOTHING_MORE();
}

/*
 * Rule: two paths to one inode are one watch, and give one event.
 * Source: inotify_add_watch(2), "the inode".
 */
TEST_F(watch, two_paths_one_watch)
{
	int d = WATCH("d", IN_CREATE);

	HERE("symlink", "d", "soft");
	ASSERT_EQ(d, events_watch(&self->ev, "soft", IN_CREATE));
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: a file in a watched directory, itself watched, gives two events: one of
 * the directory with the name, one of the file without, once each.
 * Source: inotify(7), "name"; fsnotify_handle_event(), fs/notify/fsnotify.c.
 */
TEST_F(watch, directory_and_file)
{
	int d = WATCH("d", IN_MODIFY);
	int f = WATCH("d/f", IN_MODIFY);

	ACT("write", "d/f", "0", "text");
	SEE(EV(d, IN_MODIFY, "f"), SELF(f, IN_MODIFY));
	NOTHING_MORE();
}

/*
 * Rule: of a watched directory and a watched file in it each has its own mask.
 * Source: inotify_add_watch(2), mask; fsnotify_handle_event(),
 * fs/notify/fsnotify.c.
 */
TEST_F(watch, directory_and_file_differ)
{
	int d = WATCH("d", IN_ATTRIB);
	int f = WATCH("d/f", IN_CLOSE_WRITE);

	ACT("write", "d/f", "0", "text");
	SEE(SELF(f, IN_CLOSE_WRITE));
	ACT("chmod", "d/f", "600");
	SEE(EV(d, IN_ATTRIB, "f"));
	NOTHING_MORE();
}

/*
 * Rule: events of two watched directories come in the order of what happened.
 * Source: inotify(7), "events ... in the order in which they occurred".
 */
TEST_F(watch, order_across_directories)
{
	int d, e;

	HERE("mkdir", "e", "777");
	HERE("create", "e/old", "666");
	d = WATCH("d", IN_CREATE | IN_DELETE);
	e = WATCH("e", IN_CREATE | IN_DELETE);
	ACT("create", "e/one", "644");
	ACT("create", "d/two", "644");
	ACT("unlink", "e/old");
	ACT("create", "e/three", "644");
	ACT("unlink", "d/g");
	SEE(EV(e, IN_CREATE, "one"), EV(d, IN_CREATE, "two"),
	    EV(e, IN_DELETE, "old"), EV(e, IN_CREATE, "three"),
	    EV(d, IN_DELETE, "g"));
	NOTHING_MORE();
}

/*
 * Rule: events of two names that take turns stay in their order: an event is
 * merged with the one right before it, and with no earlier one.
 * Source: inotify(7), "Limitations and caveats", on identical successive events;
 * fanotify, which a server may use, merges with earlier ones.
 */
TEST_F(watch, order_of_two_names)
{
	int d = WATCH("d", IN_CREATE | IN_DELETE);

	ACT("create", "d/one", "644");
	ACT("create", "d/two", "644");
	ACT("unlink", "d/one");
	ACT("unlink", "d/two");
	SEE(EV(d, IN_CREATE, "one"), EV(d, IN_CREATE, "two"),
	    EV(d, IN_DELETE, "one"), EV(d, IN_DELETE, "two"));
	NOTHING_MORE();
}

/*
 * Rule: what is done twice is said twice, unless the same event stands right
 * before it in the queue.
 * Source: inotify(7), "Limitations and caveats", on identical successive events;
 * inotify_merge(), fs/notify/inotify/inotify_fsnotify.c.
 */
TEST_F(watch, alternating_events_stay_apart)
{
	int d = WATCH("d", IN_OPEN | IN_CLOSE_WRITE);

	ACT("write", "d/f", "0", "one");
	ACT("write", "d/f", "0", "two");
	SEE(EV(d, IN_OPEN, "f"), EV(d, IN_CLOSE_WRITE, "f"),
	    EV(d, IN_OPEN, "f"), EV(d, IN_CLOSE_WRITE, "f"));
	NOTHING_MORE();
}

/*
 * Rule: a name that comes, goes and comes again is three events in this order.
 * Source: inotify(7), "events ... in the order in which they occurred".
 */
TEST_F(watch, order_of_one_name)
{
	int d = WATCH("d", IN_CREATE | IN_DELETE);

	ACT("create", "d/new", "644");
	ACT("unlink", "d/new");
	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"), EV(d, IN_DELETE, "new"),
	    EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/*
 * Rule: an operation of this process is seen exactly once, also where others'
 * operations are seen, and is there as soon as it is done.
 * Source: linux-fsdevel, 26 Feb 2022, V. Goyal: "allow all local events.
 * Suppress remote events if triggered by the action of same client".
 */
TEST_F(watch, own_operation_once)
{
	int d = WATCH("d", IN_ALL_EVENTS);

	SKIP_WHERE_READ_ONLY();
	ACT("mkdir", "d/theirs", "755");
	SEE(EV(d, IN_CREATE | IN_ISDIR, "theirs"));
	HERE("create", "d/ours", "644");
	HERE("write", "d/ours", "0", "text");
	HERE("unlink", "d/ours");
	SEE(EV(d, IN_CREATE, "ours"), EV(d, IN_OPEN, "ours"),
	    EV(d, IN_CLOSE_WRITE, "ours"), EV(d, IN_OPEN, "ours"),
	    EV(d, IN_MODIFY, "ours"), EV(d, IN_CLOSE_WRITE, "ours"),
	    EV(d, IN_DELETE, "ours"));
	NOTHING_MORE();
}

/*
 * Rule: an own rename is one pair, also where others' operations are seen.
 * Source: inotify(7), "Dealing with rename() events"; linux-fsdevel,
 * 26 Feb 2022, V. Goyal on events that the client itself caused.
 */
TEST_F(watch, own_rename_once)
{
	int d = WATCH("d", IN_CREATE | IN_MOVE);

	SKIP_WHERE_READ_ONLY();
	ACT("create", "d/theirs", "644");
	SEE(EV(d, IN_CREATE, "theirs"));
	HERE("rename", "d/theirs", "d/ours");
	SEE(PAIR(d, IN_MOVED_FROM, "theirs", 1),
	    PAIR(d, IN_MOVED_TO, "ours", 1));
	NOTHING_MORE();
}

/*
 * Rule: the folder that the test was given can be watched as any other. Where
 * that is a mount, or a subvolume, in the share, it is a root there.
 * Source: fuse(4), FUSE_ATTR_SUBMOUNT; inotify(7).
 */
TEST_F(watch, given_folder)
{
	int top = WATCH(self->act.top, IN_CREATE | IN_DELETE);

	ACT_AT_TOP("create", "beside", "644");
	SEE(EV(top, IN_CREATE, "beside"));
	ACT_AT_TOP("unlink", "beside");
	SEE(EV(top, IN_DELETE, "beside"));
	NOTHING_MORE();
}

/*
 * Rule: the same for a folder that nobody here has entered yet: what is a mount
 * in the share is mounted here by who enters it.
 * Source: fuse_dentry_automount(), fs/fuse/dir.c.
 */
TEST_F(watch, given_folder_not_entered)
{
	struct events ev;
	int top;

	ASSERT_FINE(act_step_out(&self->act));
	ASSERT_NUMBER(events_inotify(&ev));
	top = WATCH_IN(&ev, self->act.top, IN_CREATE);
	ACT_AT_TOP("create", "beside", "644");
	SEE_IN(&ev, EV(top, IN_CREATE, "beside"));
	ACT_AT_TOP("unlink", "beside");
	events_close(&ev);
}

/*
 * Rule: a watch is there when inotify_add_watch() returns: what happens right
 * afterwards is seen.
 * Source: inotify_add_watch(2); every client adds the watch, then scans.
 */
TEST_F(watch, works_at_once)
{
	char dir[16], path[32];
	int i, d;

	for (i = 0; i < 8; i++) {
		snprintf(dir, sizeof(dir), "fresh-%d", i);
		snprintf(path, sizeof(path), "%s/new", dir);
		HERE("mkdir", dir, "777");
		d = WATCH(dir, IN_CREATE);
		ACT("create", path, "644");
		SEE(EV(d, IN_CREATE, "new"));
	}
	NOTHING_MORE();
}

/* Two groups that look at the same directory. */
FIXTURE(groups)
{
	struct act act;
	struct events ev, other;
};

#define FIXTURE_NAME groups
#define FIXTURE_ENDS (events_close(&self->ev), events_close(&self->other))
#include "fixture.h"

FIXTURE_SETUP(groups)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	OPEN_INOTIFY(&self->ev);
	OPEN_INOTIFY(&self->other);
}

/*
 * Rule: each of two groups on one inode gets one copy of an event.
 * Source: inotify(7), instances; linux-fsdevel, 2 Nov 2021, V. Goyal: "same
 * event can be replicated among multiple groups".
 */
TEST_F(groups, one_copy_each)
{
	int d = WATCH("d", IN_CREATE);
	int same = WATCH_IN(&self->other, "d", IN_CREATE);

	ACT("create", "d/new", "644");
	SEE(EV(d, IN_CREATE, "new"));
	SEE_IN(&self->other, EV(same, IN_CREATE, "new"));
	NOTHING_MORE();
	NOTHING_MORE_IN(&self->other);
}

/*
 * Rule: each group gets what it asked for, and not what the other one did.
 * Source: inotify_add_watch(2), mask.
 */
TEST_F(groups, own_mask_each)
{
	int d = WATCH("d", IN_CREATE);
	int same = WATCH_IN(&self->other, "d", IN_DELETE);

	ACT("create", "d/new", "644");
	ACT("unlink", "d/new");
	SEE(EV(d, IN_CREATE, "new"));
	SEE_IN(&self->other, EV(same, IN_DELETE, "new"));
	NOTHING_MORE();
	NOTHING_MORE_IN(&self->other);
}

/*
 * Rule: a group whose watch is removed leaves the other one's as it is.
 * Source: inotify_rm_watch(2).
 */
TEST_F(groups, removed_from_one)
{
	int d = WATCH("d", IN_CREATE);
	int same = WATCH_IN(&self->other, "d", IN_CREATE);

	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"));
	SEE_IN(&self->other, EV(same, IN_CREATE, "first"));
	ASSERT_EQ(0, inotify_rm_watch(self->other.fd, same));
	ACT("create", "d/second", "644");
	SEE(EV(d, IN_CREATE, "second"));
	SEE_IN(&self->other, SELF(same, IN_IGNORED));
	NOTHING_MORE();
	NOTHING_MORE_IN(&self->other);
}

/*
 * Rule: a group that is closed takes its watches with it, and no other ones.
 * Source: inotify(7), "When all file descriptors referring to an inotify
 * instance have been closed".
 */
TEST_F(groups, one_is_closed)
{
	int d = WATCH("d", IN_CREATE);

	WATCH_IN(&self->other, "d", IN_ALL_EVENTS);
	ACT("create", "d/first", "644");
	SEE(EV(d, IN_CREATE, "first"));
	events_close(&self->other);
	ACT("create", "d/second", "644");
	SEE(EV(d, IN_CREATE, "second"));
	NOTHING_MORE();
}

/*
 * Rule: one group watches the directory, another one the file in it: each sees
 * the event in its own way, once.
 * Source: inotify(7), name field.
 */
TEST_F(groups, directory_and_file)
{
	int d = WATCH("d", IN_MODIFY);
	int f = WATCH_IN(&self->other, "d/f", IN_MODIFY);

	ACT("write", "d/f", "0", "text");
	SEE(EV(d, IN_MODIFY, "f"));
	SEE_IN(&self->other, SELF(f, IN_MODIFY));
	NOTHING_MORE();
	NOTHING_MORE_IN(&self->other);
}

/* A process of another user: 0 if it saw the new file. */
static int watch_as_user(struct events *ev, int ready, int go)
{
	struct event event;
	char byte = 0;
	int ret;

	if (setgid(ANOTHER) || setuid(ANOTHER))
		return 2;
	if (events_inotify(ev) || events_watch(ev, "d", IN_CREATE) < 0)
		return 3;
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		return 4;
	ret = events_next(ev, &event);
	return ret == 1 && event.mask == IN_CREATE &&
	       !strcmp(event.name, "new") ? 0 : 1;
}

/*
 * Rule: each user who may look at a directory is told what happens in it.
 * Source: inotify_add_watch(2), EACCES.
 */
TEST_F(groups, of_two_users)
{
	int ready[2], go[2], status, d;
	char byte = 0;
	pid_t child;

	if (geteuid())
		SKIP(return, "only root may become another user");
	d = WATCH("d", IN_CREATE);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		_exit(watch_as_user(&self->other, ready[1], go[0]));
	close(ready[1]);
	close(go[0]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ACT("create", "d/new", "644");
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status) {
		TH_LOG("no event: the other user's process ends with %d",
		       status >> 8);
	}
	SEE(EV(d, IN_CREATE, "new"));
	NOTHING_MORE();
}

/* A watcher without privileges, and one who may look at d/secret. */
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
	OPEN_INOTIFY(&self->ev);
	self->secret = WATCH("d/secret", IN_CREATE);
}

/*
 * Rule: a user without privileges is told what happens in a directory that it
 * may read. It can neither watch another one nor is it told of that.
 * Source: inotify_add_watch(2), EACCES.
 */
TEST_F(user, sees_what_it_may_read)
{
	ANOTHER_WATCHES(&self->another, false, "d", "d/secret");
	ACT("create", "d/secret/hidden", "644");
	ACT("create", "d/new", "644");
	ANOTHER_SAW(&self->another, "new");
	SEE(EV(self->secret, IN_CREATE, "hidden"));
	NOTHING_MORE();
}

/*
 * Rule: who could read a directory when it began to watch is told what happens
 * there afterwards: the watch is of the object.
 * Source: inotify_add_watch(2): permission is a matter of adding.
 */
TEST_F(user, goes_on_when_permission_is_taken)
{
	ANOTHER_WATCHES(&self->another, false, "d", "d/secret");
	ACT("chmod", "d", "700");
	ACT("create", "d/new", "644");
	ANOTHER_SAW(&self->another, "new");
	NOTHING_MORE();
}

TEST_HARNESS_MAIN
