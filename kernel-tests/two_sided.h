/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words in which the cases are written. A test is a list of steps and of the
 * events that they are to give:
 *
 *	FIXTURE(directory) { struct act act; struct events ev; };
 *
 *	#define FIXTURE_NAME directory
 *	#include "fixture.h"
 *
 *	TEST_F(directory, create)
 *	{
 *		int d = WATCH("d", IN_CREATE);
 *
 *		ACT("create", "d/f", "644");
 *		SEE(EV(d, IN_CREATE, "f"));
 *		NOTHING_MORE();
 *	}
 *
 * That nothing more came is shown by a sentinel: one more operation of the same
 * actor, whose event is the next one to be read.
 */
#ifndef TWO_SIDED_H
#define TWO_SIDED_H

#include <sys/xattr.h>

#include "kselftest_harness.h"

#include "act.h"
#include "another.h"
#include "events.h"

/* A problem is the only line that a failed test prints about itself. */
#define ASSERT_FINE(call) do {						\
	const char *_problem = (call);					\
									\
	if (_problem) {							\
		TH_LOG("%s", _problem);					\
		_metadata->exit_code = KSFT_FAIL;			\
		_metadata->trigger = 1;					\
	}								\
} while (0); OPTIONAL_HANDLER(1)

/* In a FIXTURE_SETUP: the actor, and a folder with the sentinels in it. */
#define SET_THE_STAGE() do {						\
	ASSERT_FINE(act_open(&self->act, variant->remote));		\
	if (self->act.skip) {						\
		act_close(&self->act);					\
		SKIP(return, "%s", self->act.skip);			\
	}								\
} while (0)

/* A number that is not negative, as watch descriptors are. */
#define ASSERT_NUMBER(call) ({						\
	int _number = (call);						\
									\
	ASSERT_GE(_number, 0)						\
		TH_LOG("%s: %s", #call, strerror(-_number));		\
	_number;							\
})

/* Open the group of a fixture, with the folder of the sentinels watched. */
#define OPEN_INOTIFY(ev) do {						\
	ASSERT_NUMBER(events_inotify(ev));				\
	(ev)->sentinels = self->act.sentinels;				\
	(ev)->sentinel = ASSERT_NUMBER(					\
		events_watch(ev, EVENTS_SENTINELS, IN_CREATE));		\
} while (0)

#define OPEN_FANOTIFY(ev, flags) do {					\
	int _ret = events_fanotify(ev, flags);				\
									\
	if (_ret == -ENOSYS || _ret == -EPERM || _ret == -EINVAL) {	\
		act_close(&self->act);					\
		SKIP(return, "fanotify_init: %s", strerror(-_ret));	\
	}								\
	ASSERT_NUMBER(_ret);						\
	(ev)->others = self->act.elsewhere ? OTHERS_ELSEWHERE :		\
					     OTHERS_HERE;		\
	(ev)->sentinels = self->act.sentinels;				\
	(ev)->sentinel = ASSERT_NUMBER(events_mark(ev,			\
		EVENTS_SENTINELS, FAN_CREATE | FAN_ONDIR));		\
} while (0)

#define WATCH_IN(ev, path, mask)					\
	ASSERT_NUMBER(events_watch(ev, path, mask))
#define WATCH(path, mask)	WATCH_IN(&self->ev, path, mask)
#define MARK(path, mask)						\
	ASSERT_NUMBER(events_mark(&self->ev, path, mask))
#define KNOW(path)		ASSERT_NUMBER(events_know(&self->ev, path))

/* Steps: by the actor of the variant, or by this process. */
#define ACT(...)	ASSERT_FINE(act_do(&self->act, __VA_ARGS__, NULL))
#define ACT_AT_TOP(...)	ASSERT_FINE(act_at_top(&self->act, __VA_ARGS__, NULL))
#define ACT_FAILS(error, ...)						\
	ASSERT_FINE(act_fails(&self->act, error, __VA_ARGS__, NULL))
#define HERE(...)	ASSERT_FINE(act_here(&self->act, __VA_ARGS__, NULL))

/* Where the actor's share has no user attributes: a matter of its set-up. */
#define SKIP_WITHOUT_XATTR(path) do {					\
	if (!variant->remote && removexattr(path, "user.none") &&	\
	    errno == EOPNOTSUPP)					\
		SKIP(return, "no user attributes on this mount");	\
} while (0)

/* Where the rule is about what this process itself changes. */
#define SKIP_WHERE_READ_ONLY() do {					\
	if (self->act.read_only)					\
		SKIP(return, "the share is read-only here");		\
} while (0)

/* The server of the share: a step of its keeper, and how much it watches. */
#define SERVER(verb)	ASSERT_FINE(act_server(&self->act, verb))
#define SERVER_WATCHES(count)						\
	ASSERT_FINE(act_watches(&self->act, count, count))

/* Events that an inotify group opened from now on has room for. */
#define QUEUE_SYSCTL	"/proc/sys/fs/inotify/max_queued_events"

/* Wanted events. */
#define EV(object, bits, of)						\
	{ .on = (object), .mask = (bits), .name = (of) }
#define SELF(object, bits)	{ .on = (object), .mask = (bits) }
#define PAIR(object, bits, of, number)					\
	{ .on = (object), .mask = (bits), .name = (of), .pair = (number) }
#define MAYBE(object, bits, of)						\
	{ .on = (object), .mask = (bits), .name = (of), .maybe = true }
#define CHILD(object, bits, of, fid)					\
	{ .on = (object), .mask = (bits), .name = (of), .child = (fid) }
#define RENAME(object, bits, of, new_dir, new_name)			\
	{ .on = (object), .mask = (bits), .name = (of),			\
	  .to = (new_dir), .to_name = (new_name) }

#define SEE_IN(ev, ...) do {						\
	const struct want _wants[] = { __VA_ARGS__ };			\
									\
	ASSERT_FINE(events_expect(ev, _wants, ARRAY_SIZE(_wants)));	\
} while (0)
#define SEE(...)	SEE_IN(&self->ev, __VA_ARGS__)

#define NOTHING_MORE_IN(ev) do {					\
	ASSERT_FINE(act_sentinel(&self->act));				\
	ASSERT_FINE(events_expect_sentinel(ev, self->act.sentinels));	\
} while (0)
#define NOTHING_MORE()	NOTHING_MORE_IN(&self->ev)

/* A watcher without privileges, of a directory, which may not watch another. */
#define ANOTHER_WATCHES(another, fanotify, path, forbidden) do {	\
	if (geteuid())							\
		SKIP(return, "only root may become another user");	\
	ASSERT_FINE(another_watches(another, fanotify, path, forbidden));	\
} while (0)
#define ANOTHER_SAW(another, name)					\
	ASSERT_FINE(another_saw(another, name))

#endif /* TWO_SIDED_H */
