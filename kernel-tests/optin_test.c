// SPDX-License-Identifier: GPL-2.0
/*
 * Who is told what others do elsewhere: whoever has asked for it, and nobody
 * else. For fanotify it is the program that asks, by FAN_REPORT_REMOTE; for
 * inotify and dnotify the administrator, by fs.inotify.remote.
 *
 * A kernel that knows neither is to behave as if nobody had asked. What happens
 * after somebody did cannot be judged there, and is skipped. On a local file
 * system nobody is elsewhere: everybody is told of everything, as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bare_server.h"
#include "dnotify.h"
#include "two_sided.h"

#define REMOTE_SYSCTL	"/proc/sys/fs/inotify/remote"

/*
 * The directory of all tests, with a file, and an actor who may be elsewhere. The
 * knob is remembered for the end.
 */
#define SET_THE_STAGE_FOR_OTHERS() do {					\
	self->knob = knob_before();					\
	ASSERT_FINE(act_open(&self->act, true));			\
	if (self->act.skip) {						\
		act_close(&self->act);					\
		SKIP(return, "%s", self->act.skip);			\
	}								\
	HERE("mkdir", "d", "777");					\
	HERE("create", "d/f", "666");					\
} while (0)

/* What a kernel lacks is no reason to skip where nobody is elsewhere. */
#define SKIP_IF_ELSEWHERE(lacking) do {					\
	if (self->act.elsewhere)					\
		SKIP(return, "this kernel has no %s", lacking);		\
} while (0)

#define NEED_FLAG() do {						\
	if (!events_knows_remote())					\
		SKIP_IF_ELSEWHERE("FAN_REPORT_REMOTE");			\
} while (0)

#define NEED_KNOB() do {						\
	if (access(REMOTE_SYSCTL, F_OK))				\
		SKIP_IF_ELSEWHERE("fs.inotify.remote");			\
} while (0)

#define NEED_WAY_TO_ASK(of_fanotify) do {				\
	if (of_fanotify)						\
		NEED_FLAG();						\
	else								\
		NEED_KNOB();						\
} while (0)

/* Groups that are made from now on. A kernel without a knob has it off. */
#define SWITCH(on) do {							\
	long _before = act_swap_number(REMOTE_SYSCTL, on);		\
									\
	if (_before == -EACCES)						\
		SKIP(return, "only root may write " REMOTE_SYSCTL);	\
	if (_before != -ENOENT)						\
		ASSERT_NUMBER(_before);					\
} while (0)

/* As the revision has it; the knob of this kernel, or none. */
static long knob_before(void)
{
	FILE *file = fopen(REMOTE_SYSCTL, "r");
	long knob = -1;

	if (file && fscanf(file, "%ld", &knob) != 1)
		knob = -1;
	if (file)
		fclose(file);
	return knob;
}

static void knob_back(long knob)
{
	if (knob >= 0)
		act_swap_number(REMOTE_SYSCTL, knob);
}

/* A group of either kind, for which nobody has asked. */
#define OPEN_UNASKED(ev, of_fanotify) do {				\
	int _ret;							\
									\
	SWITCH(0);							\
	_ret = of_fanotify ?						\
		events_fanotify_as_is(ev, FAN_REPORT_DFID_NAME_TARGET) :	\
		events_inotify(ev);					\
	ASSERT_NUMBER(_ret);						\
	(ev)->others = self->act.elsewhere ? OTHERS_ELSEWHERE :		\
					     OTHERS_HERE;		\
} while (0)

/* The same, for which somebody has. */
#define OPEN_ASKING(ev, of_fanotify) do {				\
	if (of_fanotify) {						\
		OPEN_FANOTIFY(ev, FAN_REPORT_DFID_NAME_TARGET);		\
	} else {							\
		SWITCH(1);						\
		OPEN_INOTIFY(ev);					\
	}								\
} while (0)

/* FAN_CREATE is IN_CREATE, and so on. */
#define WATCH_BY(ev, path, mask)					\
	ASSERT_NUMBER((ev)->fanotify ? events_mark(ev, path, mask) :	\
				       events_watch(ev, path, mask))

/* Nothing of what others did elsewhere; here it comes. */
#define NOT_TOLD_IN(ev, call, ...) do {					\
	if (self->act.elsewhere) {					\
		ASSERT_FINE(call(ev));					\
	} else {							\
		SEE_IN(ev, __VA_ARGS__);				\
	}								\
} while (0)
/* None is on its way any more. */
#define NOT_TOLD(ev, ...)	NOT_TOLD_IN(ev, events_expect_none, __VA_ARGS__)
/* None comes. */
#define NEVER_TOLD(ev, ...)						\
	NOT_TOLD_IN(ev, events_expect_silence, __VA_ARGS__)

/* That the last event of a fanotify group came from elsewhere, or did not. */
#define LAST_IS_REMOTE(ev, is)						\
	ASSERT_EQ((ev)->fanotify && (is), (ev)->last.remote)

/* The server has agreed to tell these events, and none of those. */
#define GRANTED(ev, object, yes, no) do {				\
	long long _wanted = self->act.elsewhere ? (yes) : -ENODATA;	\
	long long _granted = events_granted(ev, object);		\
									\
	if (_granted >= 0)						\
		_granted &= (yes) | (no);				\
	ASSERT_EQ(_wanted, _granted);					\
} while (0)

/* Without the server. An object that is gone here is watched by nobody. */
#define STILL_WATCHED(ev, object)					\
	ASSERT_EQ(self->act.elsewhere ? -ENODATA : -ENOENT,		\
		  events_granted(ev, object))

/* One group, for which nobody has asked. */
FIXTURE(unasked)
{
	struct act act;
	struct events ev;
	long knob;
};

#define FIXTURE_NAME unasked
#define FIXTURE_SIDES EACH_KIND
#define FIXTURE_ENDS (events_close(&self->ev), knob_back(self->knob))
#include "fixture.h"

FIXTURE_SETUP(unasked)
{
	SET_THE_STAGE_FOR_OTHERS();
	OPEN_UNASKED(&self->ev, variant->fanotify);
}

/*
 * Rule: who has not asked is not told what others do elsewhere.
 * Source: fanotify_init(2) and proc_sys_fs(5) as proposed; inotify(7), "reports
 * only events that a user-space program triggers through the filesystem API".
 */
TEST_F(unasked, is_not_told)
{
	int d = WATCH_BY(&self->ev, "d", IN_CREATE);

	ACT("create", "d/theirs", "644");
	NEVER_TOLD(&self->ev, EV(d, IN_CREATE, "theirs"));
}

/*
 * Rule: what is done here is told as ever, and as done here.
 * Source: linux-fsdevel, 26 Feb 2022, V. Goyal: "allow all local events".
 */
TEST_F(unasked, is_told_what_is_done_here)
{
	int d;

	SKIP_WHERE_READ_ONLY();
	d = WATCH_BY(&self->ev, "d", IN_CREATE | IN_DELETE);
	HERE("create", "d/ours", "644");
	SEE_IN(&self->ev, EV(d, IN_CREATE, "ours"));
	LAST_IS_REMOTE(&self->ev, false);
	HERE("unlink", "d/ours");
	SEE_IN(&self->ev, EV(d, IN_DELETE, "ours"));
	LAST_IS_REMOTE(&self->ev, false);
	ASSERT_FINE(events_expect_none(&self->ev));
}

/*
 * Rule: the server is not asked to watch anything for it.
 * Source: the knob is off: as before there was one.
 */
TEST_F(unasked, is_nothing_to_the_server)
{
	int d = WATCH_BY(&self->ev, "d", IN_CREATE | IN_DELETE);
	int f = WATCH_BY(&self->ev, "d/f", IN_MODIFY | IN_DELETE_SELF);

	HERE("mkdir", "later", "755");
	SERVER_WATCHES(0);
	ASSERT_EQ(-ENODATA, events_granted(&self->ev, d));
	ASSERT_EQ(-ENODATA, events_granted(&self->ev, f));
}

/*
 * Rule: its watch on what others delete elsewhere does not end, nor is it told
 * that the object is gone.
 * Source: the knob is off: as before there was one.
 */
TEST_F(unasked, keeps_its_watch_on_what_others_delete)
{
	int f = WATCH_BY(&self->ev, "d/f", IN_DELETE_SELF);

	ACT("unlink", "d/f");
	if (variant->fanotify)
		NEVER_TOLD(&self->ev, SELF(f, FAN_DELETE_SELF));
	else
		NEVER_TOLD(&self->ev, SELF(f, IN_DELETE_SELF),
			   SELF(f, IN_IGNORED));
	STILL_WATCHED(&self->ev, f);
}

/* One group, for which somebody has asked. */
FIXTURE(asking)
{
	struct act act;
	struct events ev;
	long knob;
};

#define FIXTURE_NAME asking
#define FIXTURE_SIDES EACH_KIND
#define FIXTURE_ENDS (events_close(&self->ev), knob_back(self->knob))
#include "fixture.h"

FIXTURE_SETUP(asking)
{
	SET_THE_STAGE_FOR_OTHERS();
	NEED_WAY_TO_ASK(variant->fanotify);
	OPEN_ASKING(&self->ev, variant->fanotify);
}

/*
 * Rule: who has asked is told what others do elsewhere, and fanotify says where
 * it was done.
 * Source: fanotify_init(2), FAN_REPORT_REMOTE; fanotify(7), FAN_REMOTE;
 * fs.inotify.remote, as proposed.
 */
TEST_F(asking, is_told)
{
	int d = WATCH_BY(&self->ev, "d", IN_CREATE);

	ACT("create", "d/theirs", "644");
	SEE(EV(d, IN_CREATE, "theirs"));
	LAST_IS_REMOTE(&self->ev, self->act.elsewhere);
	NOTHING_MORE();
}

/*
 * Rule: what is done here comes once, and as done here.
 * Source: fanotify(7), FAN_REMOTE, as proposed.
 */
TEST_F(asking, is_told_what_is_done_here)
{
	int d;

	SKIP_WHERE_READ_ONLY();
	d = WATCH_BY(&self->ev, "d", IN_CREATE | IN_DELETE);
	HERE("create", "d/ours", "644");
	SEE(EV(d, IN_CREATE, "ours"));
	LAST_IS_REMOTE(&self->ev, false);
	HERE("unlink", "d/ours");
	SEE(EV(d, IN_DELETE, "ours"));
	LAST_IS_REMOTE(&self->ev, false);
	NOTHING_MORE();
}

/*
 * Rule: fdinfo tells what the server has agreed to tell: of what is asked for,
 * and only of that.
 * Source: proc_pid_fdinfo(5), as proposed.
 */
TEST_F(asking, is_told_what_the_server_grants)
{
	int d = WATCH_BY(&self->ev, "d", IN_CREATE);

	GRANTED(&self->ev, d, FAN_CREATE, FAN_MODIFY);
	SERVER_WATCHES(2);
}

/*
 * Rule: the end of an object by somebody elsewhere is done elsewhere.
 * Source: fanotify(7), FAN_DELETE_SELF and FAN_REMOTE, as proposed.
 */
TEST_F(asking, is_told_who_deletes)
{
	int f = WATCH_BY(&self->ev, "d/f", IN_DELETE_SELF);

	ACT("unlink", "d/f");
	SEE(SELF(f, IN_DELETE_SELF));
	LAST_IS_REMOTE(&self->ev, self->act.elsewhere);
	if (!variant->fanotify)
		SEE(SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/*
 * Rule: the end of an object by somebody here is done here.
 * Source: fanotify(7), FAN_DELETE_SELF and FAN_REMOTE, as proposed.
 */
TEST_F(asking, is_told_that_it_was_deleted_here)
{
	int f;

	SKIP_WHERE_READ_ONLY();
	f = WATCH_BY(&self->ev, "d/f", IN_DELETE_SELF);
	HERE("unlink", "d/f");
	SEE(SELF(f, IN_DELETE_SELF));
	LAST_IS_REMOTE(&self->ev, false);
	if (!variant->fanotify)
		SEE(SELF(f, IN_IGNORED));
	NOTHING_MORE();
}

/* Two groups that watch the same, and only for one of them somebody has asked. */
FIXTURE(both)
{
	struct act act;
	struct events asking, other;
	long knob;
};

#define FIXTURE_NAME both
#define FIXTURE_SIDES EACH_PAIR
#define FIXTURE_ENDS							\
	(events_close(&self->asking), events_close(&self->other),	\
	 knob_back(self->knob))
#include "fixture.h"

FIXTURE_SETUP(both)
{
	SET_THE_STAGE_FOR_OTHERS();
	NEED_WAY_TO_ASK(variant->fanotify);
	OPEN_ASKING(&self->asking, variant->fanotify);
	OPEN_UNASKED(&self->other, variant->other_fanotify);
}

/*
 * Rule: of two that watch the same, who has asked is told, and the other is not.
 * Source: delivery skips marks of groups that did not ask.
 */
TEST_F(both, only_who_asked_is_told)
{
	int d = WATCH_BY(&self->asking, "d", IN_CREATE);
	int same = WATCH_BY(&self->other, "d", IN_CREATE);

	ACT("create", "d/theirs", "644");
	SEE_IN(&self->asking, EV(d, IN_CREATE, "theirs"));
	LAST_IS_REMOTE(&self->asking, self->act.elsewhere);
	NOTHING_MORE_IN(&self->asking);
	NOT_TOLD(&self->other, EV(same, IN_CREATE, "theirs"));
}

/*
 * Rule: what is done here is told to both.
 * Source: linux-fsdevel, 26 Feb 2022, V. Goyal: "allow all local events".
 */
TEST_F(both, what_is_done_here_is_told_to_both)
{
	int d, same;

	SKIP_WHERE_READ_ONLY();
	d = WATCH_BY(&self->asking, "d", IN_CREATE);
	same = WATCH_BY(&self->other, "d", IN_CREATE);
	HERE("create", "d/ours", "644");
	SEE_IN(&self->asking, EV(d, IN_CREATE, "ours"));
	LAST_IS_REMOTE(&self->asking, false);
	SEE_IN(&self->other, EV(same, IN_CREATE, "ours"));
	LAST_IS_REMOTE(&self->other, false);
	NOTHING_MORE_IN(&self->asking);
	ASSERT_FINE(events_expect_none(&self->other));
}

/*
 * Rule: what the other one watches for does not reach the server, and comes to
 * nobody.
 * Source: only the masks of marks that ask are forwarded.
 */
TEST_F(both, the_mask_of_the_other_stays_here)
{
	int d = WATCH_BY(&self->asking, "d", IN_CREATE);
	int same = WATCH_BY(&self->other, "d", IN_DELETE);

	ACT("unlink", "d/f");
	ACT("create", "d/theirs", "644");
	SEE_IN(&self->asking, EV(d, IN_CREATE, "theirs"));
	NOTHING_MORE_IN(&self->asking);
	NOT_TOLD(&self->other, EV(same, IN_DELETE, "f"));
	/* By now: nobody waits for a mask that no mark asks for. */
	GRANTED(&self->asking, d, FAN_CREATE, FAN_DELETE);
	ASSERT_EQ(-ENODATA, events_granted(&self->other, same));
	SERVER_WATCHES(2);
}

/*
 * Rule: when others delete an object elsewhere, the watch of who has asked ends,
 * and that of the other one does not.
 * Source: inotify(7), IN_IGNORED; the knob is off: as before there was one.
 */
TEST_F(both, only_the_watch_of_who_asked_ends)
{
	int f = WATCH_BY(&self->asking, "d/f", IN_DELETE_SELF);
	int same = WATCH_BY(&self->other, "d/f", IN_DELETE_SELF);

	ACT("unlink", "d/f");
	SEE_IN(&self->asking, SELF(f, IN_DELETE_SELF));
	if (!variant->fanotify)
		SEE_IN(&self->asking, SELF(f, IN_IGNORED));
	NOTHING_MORE_IN(&self->asking);
	if (variant->other_fanotify)
		NOT_TOLD(&self->other, SELF(same, IN_DELETE_SELF));
	else
		NOT_TOLD(&self->other, SELF(same, IN_DELETE_SELF),
			 SELF(same, IN_IGNORED));
	STILL_WATCHED(&self->other, same);
}

/* The knob itself. */
FIXTURE(knob)
{
	struct act act;
	struct events ev, witness;
	long knob;
};

#define FIXTURE_NAME knob
#define FIXTURE_SIDES NO_VARIANTS
#define FIXTURE_ENDS							\
	(events_close(&self->ev), events_close(&self->witness),		\
	 knob_back(self->knob))
#include "fixture.h"

FIXTURE_SETUP(knob)
{
	SET_THE_STAGE_FOR_OTHERS();
	NEED_KNOB();
}

/*
 * Rule: an instance that was made before the knob was switched on is not told,
 * not even of what it watches later.
 * Source: fs.inotify.remote, as proposed: read by inotify_init1(2).
 */
TEST_F(knob, does_not_matter_to_who_was_there_before_it_was_on)
{
	int d, same;

	OPEN_UNASKED(&self->ev, false);
	OPEN_ASKING(&self->witness, false);
	d = WATCH_BY(&self->witness, "d", IN_CREATE);
	same = WATCH("d", IN_CREATE);
	ACT("create", "d/theirs", "644");
	SEE_IN(&self->witness, EV(d, IN_CREATE, "theirs"));
	NOTHING_MORE_IN(&self->witness);
	NOT_TOLD(&self->ev, EV(same, IN_CREATE, "theirs"));
}

/*
 * Rule: one that was made before the knob was switched off goes on to be told,
 * also of what it watches later.
 * Source: fs.inotify.remote, as proposed: read by inotify_init1(2).
 */
TEST_F(knob, does_not_matter_to_who_was_there_before_it_was_off)
{
	int d;

	OPEN_ASKING(&self->ev, false);
	SWITCH(0);
	d = WATCH("d", IN_CREATE);
	ACT("create", "d/theirs", "644");
	SEE(EV(d, IN_CREATE, "theirs"));
	NOTHING_MORE();
}

/*
 * Rule: it is 0 or 1.
 * Source: fs.inotify.remote, as proposed.
 */
TEST_F(knob, takes_nothing_else)
{
	if (access(REMOTE_SYSCTL, F_OK))
		return;
	ASSERT_NUMBER(act_swap_number(REMOTE_SYSCTL, 1));
	ASSERT_EQ(-EINVAL, act_swap_number(REMOTE_SYSCTL, 2));
	ASSERT_EQ(-EINVAL, act_swap_number(REMOTE_SYSCTL, -1));
	ASSERT_EQ(1, act_swap_number(REMOTE_SYSCTL, 0));
	ASSERT_EQ(0, act_swap_number(REMOTE_SYSCTL, 0));
}

/* Signals of directories. */
FIXTURE(dnotify)
{
	struct act act;
	long knob;
};

#define FIXTURE_NAME dnotify
#define FIXTURE_SIDES NO_VARIANTS
#define FIXTURE_ENDS knob_back(self->knob)
#include "fixture.h"

FIXTURE_SETUP(dnotify)
{
	dnotify_block();
	SET_THE_STAGE_FOR_OTHERS();
}

#define NOTIFY(path, mask)						\
	ASSERT_NUMBER(dnotify_watch(path, SIGNAL_NOTIFY, mask))

/*
 * Rule: while the knob is off nobody is signalled what others do elsewhere, and
 * the server is not asked.
 * Source: fs.inotify.remote, as proposed.
 */
TEST_F(dnotify, is_not_told_unasked)
{
	int d;

	SWITCH(0);
	d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);
	ACT("create", "d/theirs", "644");
	if (self->act.elsewhere) {
		ASSERT_FINE(dnotify_expect_silence());
	} else {
		ASSERT_FINE(dnotify_expect(SIGNAL_NOTIFY, d));
	}
	SERVER_WATCHES(0);
}

/*
 * Rule: what is done here is signalled as ever.
 * Source: linux-fsdevel, 26 Feb 2022, V. Goyal: "allow all local events".
 */
TEST_F(dnotify, is_told_what_is_done_here_unasked)
{
	int d;

	SKIP_WHERE_READ_ONLY();
	SWITCH(0);
	d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);
	HERE("create", "d/ours", "644");
	ASSERT_FINE(dnotify_expect(SIGNAL_NOTIFY, d));
}

/*
 * Rule: who calls while the knob is on is told, also after that.
 * Source: fs.inotify.remote, as proposed: read by fcntl(2), F_NOTIFY.
 */
TEST_F(dnotify, is_told)
{
	int d;

	NEED_KNOB();
	SWITCH(1);
	d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);
	SWITCH(0);
	ACT("create", "d/theirs", "644");
	ASSERT_FINE(dnotify_expect(SIGNAL_NOTIFY, d));
}

/* Groups that cannot ask, and servers that cannot answer. */
FIXTURE(refused)
{
	struct act act;
	struct events ev;
	struct bare_server server;
	long knob;
};

#define FIXTURE_NAME refused
#define FIXTURE_SIDES NO_VARIANTS
#define FIXTURE_ENDS							\
	(events_close(&self->ev), bare_server_stop(&self->server),	\
	 knob_back(self->knob))
#include "fixture.h"

FIXTURE_SETUP(refused)
{
	SET_THE_STAGE_FOR_OTHERS();
}

#define START_BARE_SERVER() do {					\
	if (!bare_server_possible())					\
		SKIP(return, "no /dev/fuse for this process");		\
	ASSERT_FINE(bare_server_start(&self->server));			\
} while (0)

/*
 * Rule: a group that gets file descriptors cannot ask, for there is no path to
 * open to what others do.
 * Source: fanotify_init(2), FAN_REPORT_REMOTE, as proposed; EINVAL also where
 * the flag is not known.
 */
TEST_F(refused, with_descriptors)
{
	NEED_FLAG();
	ASSERT_EQ(-EINVAL, events_fanotify_as_is(&self->ev, FAN_REPORT_REMOTE));
}

/*
 * Rule: who asks for what the server of the file system cannot tell is told so,
 * instead of nothing ever.
 * Source: fanotify_mark(2), EOPNOTSUPP, as proposed.
 */
TEST_F(refused, by_a_server_that_cannot_tell)
{
	NEED_FLAG();
	START_BARE_SERVER();
	ASSERT_NUMBER(events_fanotify(&self->ev, FAN_REPORT_FID));
	ASSERT_EQ(self->ev.asks_others ? -EOPNOTSUPP : 1,
		  events_mark(&self->ev, self->server.point,
			      FAN_ATTRIB | FAN_ONDIR));
}

/*
 * Rule: who does not ask can watch what such a server has.
 * Source: no program that works today fails tomorrow.
 */
TEST_F(refused, not_to_who_did_not_ask)
{
	int root;

	START_BARE_SERVER();
	OPEN_UNASKED(&self->ev, true);
	root = WATCH_BY(&self->ev, self->server.point, FAN_ATTRIB | FAN_ONDIR);
	ASSERT_EQ(0, chmod(self->server.point, 0700));
	SEE(EV(root, FAN_ATTRIB | FAN_ONDIR, "."));
}

/*
 * Rule: inotify, for which it is not the program that asks, can so, too.
 * Source: fs.inotify.remote, as proposed.
 */
TEST_F(refused, not_to_inotify)
{
	int root;

	NEED_KNOB();
	START_BARE_SERVER();
	SWITCH(1);
	ASSERT_NUMBER(events_inotify(&self->ev));
	root = WATCH(self->server.point, IN_ATTRIB);
	ASSERT_EQ(0, chmod(self->server.point, 0700));
	SEE(SELF(root, IN_ATTRIB | IN_ISDIR));
}

TEST_HARNESS_MAIN
