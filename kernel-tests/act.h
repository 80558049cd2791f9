/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The actor of a test: this process ("local") or somebody else ("remote"), who
 * carries out the same steps (steps.h) in the same folder. Each test has a
 * fresh folder of its own, which is the current directory while it runs; paths
 * of steps are relative to it.
 *
 * Functions that can go wrong return NULL when all is well, else one line of
 * text, which lives until the next call.
 */
#ifndef ACT_H
#define ACT_H

#include <limits.h>
#include <stdbool.h>

#include "steps.h"

struct act {
	bool			remote;
	bool			elsewhere;	/* and not by way of this kernel */
	bool			own_folder;	/* top was made for this test */
	bool			own_mount;	/* and is a mount of its own */
	bool			connected;
	bool			unmounted;	/* act_close() mounts again */
	bool			read_only;	/* for this process; not the actor */
	const char		*skip;		/* why the test cannot run */
	unsigned int		sentinels;	/* made so far */
	unsigned int		handles;	/* that the other actor has open */
	struct step_actor	here;
	struct steps		steps;
	char			top[PATH_MAX];	/* the share */
	char			work[32];	/* the test's folder in it */
	char			values[STEP_LINE_MAX];
	char			problem[PATH_MAX + 256];
};

/* Set up; with act->skip set, the test is to be skipped after act_close(). */
const char *act_open(struct act *act, bool remote);
void act_close(struct act *act);

/*
 * One step by this process, whoever the actor is. Arguments end with NULL. On a
 * share that is read-only for this process the actor does it all the same.
 */
const char *act_here(struct act *act, const char *verb, ...);
/* One step by the actor. */
const char *act_do(struct act *act, const char *verb, ...);
/* The same, with paths that are relative to the top of the share. */
const char *act_at_top(struct act *act, const char *verb, ...);
/* One step by the actor that is to fail with this errno. */
const char *act_fails(struct act *act, int error, const char *verb, ...);

/* One step by this process, or by the actor: 0, or its errno. */
int act_try(struct act *act, bool remote, const char *verb, ...);

/* A step that concerns the server of the share, if there is one. */
const char *act_server(struct act *act, const char *verb);
/* What the server's keeper knows of it ("rss", "cpu"): a number, or -errno. */
long act_server_number(struct act *act, const char *what);
/*
 * Wait until the server watches so many objects, all clients' watches counted.
 * Where there is no server, it is as if it did.
 */
const char *act_watches(struct act *act, int min, int max);

/* One step by the actor that others see last: it ends a stream of events. */
const char *act_sentinel(struct act *act);

/* Remove a folder and all that is in it, as far as that is allowed. */
void act_remove_tree(const char *path);

/* Write a number into a file of /proc/sys; the one before, or -errno. */
long act_swap_number(const char *path, long number);

/*
 * Be in the test's folder no more; what is mounted there because somebody here
 * went there is mounted no more. Local steps have to stay.
 */
const char *act_step_out(struct act *act);

/*
 * Unmount the share, which nobody else has mounted. act->skip is set when there
 * is no mount that would be the only one.
 */
const char *act_unmount(struct act *act);

#endif /* ACT_H */
