// SPDX-License-Identifier: GPL-2.0
/*
 * A process that hands a program what the host has as standard input.
 *
 * It asks for each piece over the line of the steps, and only when the program
 * has taken the piece before, so that nothing piles up on the line:
 *	asks:	 input\n
 *	answer:	 DATA\n		a field as in steps.h, empty at the end of it all
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../steps.h"
#include "input.h"

static bool put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return true;
}

/* The next piece, its length in *len; NULL when there is none, or no host. */
static char *next_piece(struct step_lines *lines, int line, size_t *len)
{
	bool overlong;
	char *text;

	if (!put(line, "input\n", strlen("input\n")))
		return NULL;
	while (!(text = step_lines_next(lines, len, &overlong)))
		if (step_lines_read(lines, line) <= 0)
			return NULL;
	return !overlong && step_unescape(text, len) && *len ? text : NULL;
}

static void feed(int line, int program)
{
	static char buf[STEP_LINE_MAX];
	struct step_lines lines = { .buf = buf, .size = sizeof(buf) };
	char *piece;
	size_t len;

	while ((piece = next_piece(&lines, line, &len)) && put(program, piece, len))
		;
}

/* A grandchild: a program must not find a child that it did not make. */
static bool start_feeder(int line, int ends[2])
{
	pid_t pid = fork();
	int status = -1;

	if (pid) {
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return !status;
	}
	pid = fork();
	if (pid)
		_exit(pid < 0);
	/* A signal for the program is none for its input. */
	setpgid(0, 0);
	close(ends[0]);
	feed(line, ends[1]);
	_exit(0);
}

int input_open(const char *path)
{
	int line = open(path, O_RDWR | O_NOCTTY);
	int ends[2];

	if (line < 0)
		return -1;
	if (pipe(ends)) {
		close(line);
		return -1;
	}
	if (!start_feeder(line, ends)) {
		close(ends[0]);
		ends[0] = -1;
		errno = EAGAIN;
	}
	close(ends[1]);
	close(line);
	return ends[0];
}
