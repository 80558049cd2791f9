// SPDX-License-Identifier: GPL-2.0
/*
 * A watcher without privileges: a child that is another user.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "another.h"
#include "events.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define ANOTHER		12345	/* a user that nobody is */

/* How the child ends. */
enum {
	FINE, NO_EVENT, WRONG_EVENT, ONE_TOO_MANY, NO_USER, NO_GROUP, NO_WATCH,
	NOT_REFUSED, NO_WORD,
};

static const char *const endings[] = {
	[NO_EVENT] = "no event: the other user was told nothing",
	[WRONG_EVENT] = "wrong event: the other user was told something else",
	[ONE_TOO_MANY] = "one event too many for the other user",
	[NO_USER] = "cannot become another user",
	[NO_GROUP] = "the other user cannot open a group",
	[NO_WATCH] = "the other user cannot watch what it may read",
	[NOT_REFUSED] = "the other user can watch what it may not read",
	[NO_WORD] = "the other user's process was not heard",
};

static bool become_another(void)
{
	return !setgroups(0, NULL) && !setgid(ANOTHER) && !setuid(ANOTHER);
}

static int open_group(struct events *events, bool fanotify)
{
	if (fanotify)
		return events_fanotify(events, FAN_REPORT_DFID_NAME);
	return events_inotify(events);
}

static int watch(struct events *events, const char *path)
{
	if (events->fanotify)
		return events_mark(events, path, FAN_CREATE);
	return events_watch(events, path, IN_CREATE);
}

static int begin(struct events *events, bool fanotify, const char *path,
		 const char *forbidden)
{
	if (!become_another())
		return NO_USER;
	if (open_group(events, fanotify))
		return NO_GROUP;
	if (watch(events, path) < 0)
		return NO_WATCH;
	return watch(events, forbidden) == -EACCES ? FINE : NOT_REFUSED;
}

static int look(struct events *events, const char *name)
{
	struct event event;

	if (events_next(events, &event) != 1)
		return NO_EVENT;
	/* The same bit for both: FAN_CREATE is IN_CREATE. */
	if (event.mask != IN_CREATE || strcmp(event.name, name))
		return WRONG_EVENT;
	return events_poll(events, &event) ? ONE_TOO_MANY : FINE;
}

static int be_another(bool fanotify, const char *path, const char *forbidden,
		      int ready, int go)
{
	static struct events events;
	char name[NAME_MAX + 1] = "";
	int ending;

	ending = begin(&events, fanotify, path, forbidden);
	if (ending)
		return ending;
	if (write(ready, "", 1) != 1 || read(go, name, sizeof(name) - 1) < 1)
		return NO_WORD;
	return look(&events, name);
}

const char *another_watches(struct another *another, bool fanotify,
			    const char *path, const char *forbidden)
{
	int ready[2], go[2];
	char byte;

	if (pipe(ready))
		return "cannot make a pipe";
	if (pipe(go))
		return "cannot make a pipe";
	another->child = fork();
	if (another->child < 0)
		return "cannot fork";
	if (!another->child) {
		close(ready[0]);
		close(go[1]);
		_exit(be_another(fanotify, path, forbidden, ready[1], go[0]));
	}
	close(ready[1]);
	close(go[0]);
	another->ready = ready[0];
	another->go = go[1];
	/* 0: it has ended already. */
	return read(another->ready, &byte, 1) < 0 ? endings[NO_WORD] : NULL;
}

const char *another_saw(struct another *another, const char *name)
{
	sighandler_t before = signal(SIGPIPE, SIG_IGN);
	ssize_t written = write(another->go, name, strlen(name));
	bool heard = written > 0 || errno == EPIPE;
	int status;

	signal(SIGPIPE, before);
	close(another->go);
	close(another->ready);
	if (waitpid(another->child, &status, 0) != another->child)
		return endings[NO_WORD];
	if (!heard || !WIFEXITED(status) ||
	    WEXITSTATUS(status) >= (int)ARRAY_SIZE(endings))
		return endings[NO_WORD];
	return endings[WEXITSTATUS(status)];
}
