/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work that is not waited for. The actor does all of it in one step; meanwhile
 * nobody reads. The same work is done by this process in a folder of a local
 * file system, and what inotify says of both has to be the same (stream.h).
 *
 *	FIXTURE(work) { struct act act; struct burst burst; };
 *
 *	#define FIXTURE_NAME work
 *	#define FIXTURE_ENDS burst_close(&self->burst)
 *	#include "fixture.h"
 *
 *	TEST_F(work, removed)
 *	{
 *		LINE("mkdir d 755");
 *		LINE("create d/f 644");
 *		PLAY();
 *		WATCH_BOTH("d", IN_ALL_EVENTS);
 *		LINE("unlink d/f");
 *		LINE("rmdir d");
 *		PLAY_LATE();
 *		SAME_EVENTS();
 *	}
 *
 * A line is a step as steps.h has it, escaped as there.
 */
#ifndef BURST_H
#define BURST_H

#include "act.h"
#include "stream.h"

struct burst {
	struct act		*act;
	struct step_actor	native;
	struct stream		wanted, came;
	struct stream_verdict	verdict;
	char			top[PATH_MAX];		/* of the native side */
	char			*script;		/* lines to be played */
	char			answers[STEP_LINE_MAX];	/* errnos of both */
	char			problem[PATH_MAX + 512];
};

/* NULL when all is well, else one line of text. */
const char *burst_open(struct burst *burst, struct act *act);
void burst_close(struct burst *burst);

/* One more line for the next burst_play(). */
__printf(2, 3)
const char *burst_line(struct burst *burst, const char *format, ...);

/*
 * Play the lines on both sides. Each has to come to the same on both; "fine":
 * to success. "late": the server of the share, if there is one, is stopped for
 * that time, so that it sees nothing but what has become of it.
 */
const char *burst_play(struct burst *burst, bool fine, bool late);

/* Run a workload, which has to end with status 0, on both sides. */
const char *burst_run(struct burst *burst, const char *name, const char *arg);
/* Both sides have a program. */
bool burst_can(struct burst *burst, const char *program);

/* Watch an object on both sides: its number, or -errno. */
int burst_watch(struct burst *burst, const char *path, __u32 mask);
/* Watch every directory, too, that is in it. */
int burst_watch_tree(struct burst *burst, const char *path, __u32 mask);

/* Read both streams and compare them. Watches can be added again after that. */
const char *burst_compare(struct burst *burst, bool by_name);

#define BURST_STAGE() do {						\
	SET_THE_STAGE();						\
	ASSERT_FINE(burst_open(&self->burst, &self->act));		\
} while (0)

#define LINE(...)	ASSERT_FINE(burst_line(&self->burst, __VA_ARGS__))
#define PLAY()		ASSERT_FINE(burst_play(&self->burst, true, false))
#define PLAY_LATE()	ASSERT_FINE(burst_play(&self->burst, true, true))
#define RUN(name, arg)	ASSERT_FINE(burst_run(&self->burst, name, arg))

#define WATCH_BOTH(path, mask)						\
	ASSERT_NUMBER(burst_watch(&self->burst, path, mask))
#define WATCH_TREE(path, mask)						\
	ASSERT_NUMBER(burst_watch_tree(&self->burst, path, mask))

#define SAME_EVENTS()	ASSERT_FINE(burst_compare(&self->burst, false))
#define SAME_EVENTS_OF_NAMES()						\
	ASSERT_FINE(burst_compare(&self->burst, true))

/* A workload that needs a program which is not everywhere. */
#define NEED(program) do {						\
	if (!burst_can(&self->burst, program))				\
		SKIP(return, "there is no %s", program);		\
} while (0)

#endif /* BURST_H */
