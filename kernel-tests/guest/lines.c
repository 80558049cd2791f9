// SPDX-License-Identifier: GPL-2.0
/*
 * The lines from a guest to its host: found, held open, written to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "../steps.h"
#include "lines.h"

#define ANSWER_MAX	1024
#define CONTROL_MS	5000	/* for the host to take a line */

struct host_line steps_line = { "farwatch.steps=", "/dev/ttyS0", -1 };
struct host_line control_line = { "farwatch.control=", "/dev/ttyS1", -1 };
struct host_line output_line = { "farwatch.output=", "/dev/ttyS2", -1 };
struct host_line errors_line = { "farwatch.errors=", "/dev/ttyS3", -1 };

void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return;
	n = write(fd, text, strlen(text));
	(void)n;		/* best effort: there is nobody to tell */
	close(fd);
}

/* Opened anew each time: the kernel limits the rate of each open file. */
void say_kernel(const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	int n;

	va_start(args, format);
	/* A record without its newline waits for more, and is printed with the next one. */
	n = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(text) - 2)
		n = sizeof(text) - 2;
	memcpy(text + n, "\n", 2);
	put_file("/dev/kmsg", text);
}

void put_line(struct host_line *line, const char *text, int limit)
{
	struct pollfd pfd = { .fd = line->fd, .events = POLLOUT };
	long long until = step_now() + limit;
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(line->fd, text, left);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			left -= n;
		} else if (step_now() >= until || poll(&pfd, 1, limit) == 0) {
			return;
		}
	}
}

void say(const char *format, ...)
{
	char text[ANSWER_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	strcat(text, "\n");
	put_line(&control_line, text, CONTROL_MS);
}

/* Escaping may triple it, so cut first. */
const char *escaped(const char *text)
{
	static char field[3 * TEXT_MAX + 1];
	size_t len = strnlen(text, TEXT_MAX);

	step_escape(field, sizeof(field), text, len);
	return field;
}

void say_error(const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("error %s", escaped(text));
}

void make_raw(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings))
		return;
	cfmakeraw(&settings);
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &settings);
}

void make_sane(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings))
		return;
	cfmakeraw(&settings);
	settings.c_iflag |= BRKINT | ICRNL | IXON | IUTF8;
	settings.c_oflag |= OPOST | ONLCR;
	settings.c_lflag |= ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK |
			    ECHOCTL | ECHOKE;
	settings.c_cc[VINTR] = 3;
	settings.c_cc[VQUIT] = 28;
	settings.c_cc[VERASE] = 127;
	settings.c_cc[VKILL] = 21;
	settings.c_cc[VEOF] = 4;
	settings.c_cc[VSTART] = 17;
	settings.c_cc[VSTOP] = 19;
	settings.c_cc[VSUSP] = 26;
	settings.c_cc[VREPRINT] = 18;
	settings.c_cc[VWERASE] = 23;
	settings.c_cc[VLNEXT] = 22;
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &settings);
}

void attach_line(struct host_line *line)
{
	line->fd = open(line->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (line->fd < 0)
		say_kernel("farwatch: %s: %s", line->path, strerror(errno));
	else
		make_raw(line->fd);
}

void revive_line(struct host_line *line)
{
	struct termios settings;

	if (line->fd >= 0 && (!tcgetattr(line->fd, &settings) || errno == ENOTTY))
		return;
	if (line->fd >= 0)
		close(line->fd);
	attach_line(line);
}

/* Only there to make tcdrain() come back. */
static void ignore_alarm(int sig)
{
	(void)sig;
}

void drain(int fd)
{
	/* More than one: the first may come before tcdrain() waits. */
	struct itimerval timer = {
		.it_value = { .tv_sec = DRAIN_MS / 1000 },
		.it_interval = { .tv_usec = 100000 },
	};
	struct sigaction action = { .sa_handler = ignore_alarm };
	static const struct itimerval off;
	long long until = step_now() + DRAIN_MS;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (tcdrain(fd) && errno == EINTR && step_now() < until)
		;
	setitimer(ITIMER_REAL, &off, NULL);
}

static const char blanks[] = { ' ', '\n', '\0' };

/* The value of a key of the kernel's command line replaces the default. */
static void find_path(const char *cmdline, struct host_line *line)
{
	size_t len = strlen(line->key);
	const char *at = cmdline;

	while (*at) {
		size_t word = strcspn(at, blanks);

		if (word > len && !strncmp(at, line->key, len)) {
			char *path = strndup(at + len, word - len);

			if (path)
				line->path = path;
		}
		at += word;
		at += strspn(at, blanks);
	}
}

void find_lines(void)
{
	char cmdline[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, cmdline, sizeof(cmdline) - 1);
	close(fd);
	cmdline[n < 0 ? 0 : n] = '\0';
	find_path(cmdline, &steps_line);
	find_path(cmdline, &control_line);
	find_path(cmdline, &output_line);
	find_path(cmdline, &errors_line);
}
