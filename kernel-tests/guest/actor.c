// SPDX-License-Identifier: GPL-2.0
/*
 * The actor "host", or "guest2": carries out steps in one folder.
 *
 *	actor FOLDER
 *
 * Requests come on stdin, replies go to stdout (see steps.h); it ends at end
 * of file. Exit status: 0, 1 when the channel broke, 2 when it is misused.
 *
 * Rules of this file:
 *  - It never outlives the process that started it, however that one died.
 *  - It serves files only: who keeps the server is asked elsewhere.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../steps.h"

/* Signals that have an errno as well: the errno is the answer to a step. */
static void ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char *argv[])
{
	pid_t parent = getppid();
	struct step_actor actor;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before it could be watched. */
	if (getppid() != parent)
		return 1;
	if (argc != 2) {
		fprintf(stderr, "usage: actor FOLDER\n");
		return 2;
	}
	ignore_signals();
	err = step_actor_init(&actor, argv[1]);
	if (err) {
		fprintf(stderr, "actor: %s: %s\n", argv[1], strerror(-err));
		return 2;
	}
	err = steps_serve(&actor, STDIN_FILENO, STDOUT_FILENO);
	step_actor_fini(&actor);
	if (err)
		fprintf(stderr, "actor: %s\n", strerror(-err));
	return err ? 1 : 0;
}
