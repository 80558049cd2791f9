// SPDX-License-Identifier: GPL-2.0
/*
 * Asks for steps: of another machine over a line, or of a child process.
 *
 * Rules of this file:
 *  - What comes over a line may be anything: a reply that breaks the rules is
 *    an error of the channel and never the kernel's under test.
 *  - Nothing here waits for ever: each answer has the time of its step.
 *  - Functions return 0, or a negative errno; it is positive where it is the
 *    answer of the other side.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "steps.h"
#include "wire.h"

#define PRINT_MAX	200	/* of a step's text: data may be long, names need not */

static int open_line(struct steps *steps, const char *path)
{
	struct termios raw;
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		/* An answer to somebody before us is none to us. */
		if (tcsetattr(fd, TCSANOW, &raw) || tcflush(fd, TCIFLUSH)) {
			int err = -errno;

			close(fd);
			return err;
		}
	}
	steps->in = fd;
	steps->out = fd;
	return 0;
}

/*
 * Nothing of the test's may stay open here: a second descriptor of a file
 * would keep its last close, and the event of it, from happening.
 */
static void be_actor(int channel, pid_t parent, const char *folder)
{
	struct step_actor actor;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(channel, 0) < 0)
		_exit(1);
	if (close_range(1, ~0U, 0))
		_exit(1);
	signal(SIGXFSZ, SIG_IGN);
	if (step_actor_init(&actor, folder))
		_exit(1);
	actor.plays_server = true;
	_exit(steps_serve(&actor, 0, 0) ? 1 : 0);
}

static int open_process(struct steps *steps, const char *folder)
{
	const char *source = getenv(STEPS_ENV_SOURCE);
	pid_t parent = getpid();
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	child = fork();
	if (child < 0) {
		int err = -errno;

		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (!child)
		be_actor(ends[1], parent, source ? source : folder);
	close(ends[1]);
	/* Ours alone: the other end of a pair has its own flags. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	steps->in = ends[0];
	steps->out = ends[0];
	steps->child = child;
	return 0;
}

int steps_open(struct steps *steps, const char *folder)
{
	const char *line = getenv(STEPS_ENV_LINE);

	memset(steps, 0, sizeof(*steps));
	steps->in = -1;
	steps->out = -1;
	steps->lines.buf = steps->line;
	steps->lines.size = sizeof(steps->line);
	if (!line || !*line)
		return -ENOTCONN;
	if (!strcmp(line, "process"))
		return open_process(steps, folder);
	return open_line(steps, line);
}

void steps_close(struct steps *steps)
{
	if (steps->in >= 0)
		close(steps->in);
	if (steps->out >= 0 && steps->out != steps->in)
		close(steps->out);
	steps->in = -1;
	steps->out = -1;
	if (steps->child > 0) {
		kill(steps->child, SIGKILL);
		while (waitpid(steps->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	steps->child = 0;
}

static unsigned long long step_deadline_ms(void)
{
	const char *text = getenv(STEPS_ENV_STEP_MS);
	unsigned long long ms;

	if (text && step_number(text, 10, INT_MAX, &ms) && ms)
		return ms;
	return STEP_DEADLINE_MS;
}

/* Append a blank and one escaped field. */
static bool add_field(char *line, size_t size, const char *text)
{
	size_t used = strlen(line);

	if (used + 2 >= size)
		return false;
	line[used] = ' ';
	return step_escape(line + used + 1, size - used - 1, text, strlen(text));
}

/* "SEQ DEADLINE ACTOR VERB ARG..." without its newline; where: its ACTOR. */
static int write_request(struct steps *steps, char *line, size_t size,
			 size_t *where, const char *actor, const char *verb,
			 va_list args)
{
	const char *arg;
	int fields = FIELDS_BEFORE + 1;

	*where = snprintf(line, size, "%u %llu", steps->seq, step_deadline_ms()) + 1;
	if (!add_field(line, size, actor) || !add_field(line, size, verb))
		return -EMSGSIZE;
	while ((arg = va_arg(args, const char *))) {
		if (++fields > STEP_ARGS_MAX)
			return -E2BIG;
		if (!add_field(line, size, arg))
			return -EMSGSIZE;
	}
	return 0;
}

/* One reply: 1 when it is an older one's, 0 when it is ours, or -errno. */
static int take_reply(struct steps *steps, const char *line, int *answer)
{
	unsigned long long seq = read_seq(line);
	const char *text = strchr(line, ' ');
	unsigned long long err;
	char number[12];
	size_t len;

	if (!seq || !text || seq > steps->seq)
		return -EPROTO;
	if (seq < steps->seq)
		return 1;
	len = strcspn(++text, " ");
	if (len >= sizeof(number))
		return -EPROTO;
	memcpy(number, text, len);
	number[len] = '\0';
	if (!step_number(number, 10, 4095, &err))
		return -EPROTO;
	snprintf(steps->values, sizeof(steps->values), "%s",
		 text[len] ? text + len + 1 : "");
	*answer = err;
	return 0;
}

static int await_reply(struct steps *steps, long long until, int *answer)
{
	bool overlong;
	char *line;
	size_t len;
	int err;

	for (;;) {
		while ((line = step_lines_next(&steps->lines, &len, &overlong))) {
			if (overlong || strlen(line) != len)
				return -EPROTO;
			err = take_reply(steps, line, answer);
			if (err <= 0)
				return err;
		}
		err = wait_ready(steps->in, POLLIN, until);
		if (err)
			return err;
		err = step_lines_read(&steps->lines, steps->in);
		if (!err)
			return -EPIPE;
		if (err < 0 && err != -EAGAIN)
			return err;
	}
}

static void print_short(const char *text)
{
	printf("%.*s%s", PRINT_MAX, text, strlen(text) > PRINT_MAX ? "..." : "");
}

/* For the timeline: what was asked of whom, and what came of it. */
static void print_step(const struct steps *steps, const char *what, int answer)
{
	printf("# step %u: ", steps->seq);
	print_short(what);
	printf(" -> %d%s", answer, *steps->values ? " " : "");
	print_short(steps->values);
	putchar('\n');
	fflush(stdout);
}

int steps_ask(struct steps *steps, const char *actor, const char *verb, ...)
{
	long long until = step_now() + step_deadline_ms() + STEP_SLACK_MS;
	char line[STEP_LINE_MAX];
	size_t where, len;
	int answer = 0;
	va_list args;
	int err;

	steps->values[0] = '\0';
	if (steps->out < 0)
		return -ENOTCONN;
	steps->seq++;
	va_start(args, verb);
	/* Room for the newline in place of the NUL. */
	err = write_request(steps, line, sizeof(line), &where, actor, verb, args);
	va_end(args);
	if (!err) {
		len = strlen(line);
		line[len] = '\n';
		err = write_all(steps->out, line, len + 1, until);
		line[len] = '\0';
	}
	if (!err)
		err = await_reply(steps, until, &answer);
	print_step(steps, line + where, err ? err : answer);
	return err ? err : answer;
}

void steps_broken(const char *text)
{
	printf("# farwatch: infrastructure: ");
	for (; *text; text++)
		putchar(*text >= ' ' && *text != 0x7f ? *text : '?');
	putchar('\n');
	fflush(stdout);
}
