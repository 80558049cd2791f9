/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What those who serve steps need of the verbs, beside step_execute().
 */
#ifndef VERBS_H
#define VERBS_H

#include <stddef.h>

#include "steps.h"

/* One step that is carried out. */
struct step {
	struct step_actor *actor;
	int argc;
	char *const *argv;	/* without the verb */
	char *values;
	size_t size;
};

/*
 * As step_execute(), for a verb of the actor "server": that of this machine, or
 * none, and then it is checked and does nothing.
 */
int step_play_server(struct step_actor *actor, int argc, char *const argv[],
		     char *values, size_t size);

/* The verbs "script", "play" (script.c) and "run" (run.c): 0 or -errno. */
int step_script(struct step *step);
int step_play(struct step *step);
int step_timed(struct step *step);
int step_run(struct step *step);

#endif /* VERBS_H */
