// SPDX-License-Identifier: GPL-2.0
/*
 * "streams_runner STEPS OUTPUT ERRORS FLAGS ALLOWED PROGRAM [ARG...]": the
 * program, its streams passed on over three lines as the agent does it. FLAGS:
 * t (a terminal), a (standard error apart), - (neither); ALLOWED: bytes of each.
 * Prints what was passed on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lines.h"
#include "streams.h"

#define LIMIT	5000	/* ms without anything to do */

static int be_program(const struct order *order, char *argv[])
{
	if ((order->tty && setsid() < 0) || !streams_take(order->tty)) {
		perror("take");
		return 127;
	}
	execvp(argv[0], argv);
	return 127;
}

static int serve(void)
{
	struct pollfd fds[STREAMS_POLLED];

	for (streams_move(); !streams_delivered(); streams_move()) {
		size_t count = streams_wanted(fds);

		if (count > STREAMS_POLLED)
			return 1;
		if (!poll(fds, count, streams_busy() ? 0 : LIMIT) && !streams_busy())
			return 1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	struct order order = { 0 };
	unsigned long long output, errors, allowed;
	int status, stuck;
	pid_t pid;

	if (argc < 7)
		return 2;
	steps_line.path = argv[1];
	output_line.path = argv[2];
	errors_line.path = argv[3];
	attach_line(&steps_line);
	attach_line(&output_line);
	attach_line(&errors_line);
	order.tty = strchr(argv[4], 't');
	order.apart = strchr(argv[4], 'a');
	allowed = strtoull(argv[5], NULL, 10);
	streams_resize(33, 99);
	if (!streams_open(&order)) {
		perror("open");
		return 1;
	}
	streams_allow(allowed, allowed);
	pid = fork();
	if (!pid)
		_exit(be_program(&order, argv + 6));
	streams_started();
	stuck = serve();
	streams_given(&output, &errors);
	if (stuck)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("%llu %llu%s\n", output, errors, stuck ? " stuck" : "");
	return 0;
}
