// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest: runs one program at a time, as the host says.
 *
 * Four lines lead to the host, named on the kernel's command line:
 *	farwatch.steps=PATH	for the test programs, or the input of a program
 *				by hand (streams.c)
 *	farwatch.control=PATH	requests and their outcome, one a line
 *	farwatch.output=PATH	what the programs print
 *	farwatch.errors=PATH	the standard error of a program by hand
 *
 * REQUESTS (fields as in steps.h, but any number of them)
 *	run id=N arg=PROGRAM [arg=...] [env=NAME=VALUE ...] [limit=MS]
 *	    [mount=TYPE:SOURCE[:PATH] ...] [options=OPTION,...] [dir=NAME]
 *	    [server=PROGRAM]
 *	    [cwd=PATH] [tty=1 | pipes=1] [apart=1] [sysctl=[-]NAME=VALUE ...]
 *				server: of a first mount of type fuse; it
 *				mounts a view of a new tmpfs, and gets the
 *				options
 *				tty, pipes: a program by hand, which has a
 *				terminal, or pipes; apart: its standard error
 *				is not where its standard output is
 *				sysctl: written to /proc/sys first; with "-"
 *				there may be none of that name
 *	take output=N errors=N	bytes, from the beginning, that the host takes of
 *				what a program by hand prints; 0 to begin with
 *	dump			tell the console who waits where
 *	winsize rows=N cols=N	of the terminal
 *	poweroff
 * A line that ends with the field "+" is answered "more" and is continued by
 * the next one. The host needs that for more than 3900 bytes: a serial line of
 * User Mode Linux never reads again once 3968 bytes have been left unread.
 * ANSWERS
 *	ready MS		after boot
 *	begin N
 *	printed N OUTPUT ERRORS	before "end" of a program by hand: bytes
 *	end N exit CODE | signal SIGNAL | timeout | setup ERRNO TEXT
 *	stuck N			before "end": something could not be killed; the
 *				guest is not to be trusted with another run
 *	dump done | more | bye | error TEXT
 *
 * Rules of this file, and of lines.c, order.c, program.c and streams.c:
 *  - It never ends and never blocks for long: either would take the guest with
 *    it. Every wait has a limit, and so has everything that touches the share,
 *    which is done by children only.
 *  - It knows nothing about tests. What a run leaves behind is killed, so that
 *    the next one finds what the first one found.
 *  - The root file system is the host's and read-only; every place that is
 *    written to is a tmpfs. What those hide is at HOST_ROOT.
 *  - End of file on the control line means that the host is gone: power off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../steps.h"
#include "lines.h"
#include "order.h"
#include "program.h"
#include "streams.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define REQUEST_MAX	65536	/* bytes of a request, all lines of it */

/* Beginning and end of a guest */

static void mount_at(const char *type, const char *where, unsigned long flags,
		     const char *options)
{
	/* What is not there yet is made, where it can be; mount() tells. */
	mkdir(where, 0755);
	if (mount(type, where, type, flags, options) && errno != EBUSY)
		say_kernel("farwatch: %s: %s", where, strerror(errno));
}

/* What udev makes elsewhere. */
static void link_standard_streams(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			say_kernel("farwatch: %s: %s", links[i][1], strerror(errno));
}

static void mount_all(void)
{
	mount_at("devtmpfs", "/dev", 0, NULL);
	link_standard_streams();
	mount_at("proc", "/proc", 0, NULL);
	mount_at("sysfs", "/sys", 0, NULL);
	mount_at("devpts", "/dev/pts", 0, "mode=0620,ptmxmode=0666");
	mount_at("tmpfs", "/dev/shm", 0, "mode=1777");
	mount_at("tmpfs", "/mnt", 0, "mode=0755");
	/* Not recursive: what /tmp, /run and /mnt of the host hold, too. */
	mkdir(HOST_ROOT, 0755);
	if (mount("/", HOST_ROOT, NULL, MS_BIND, NULL))
		say_kernel("farwatch: %s: %s", HOST_ROOT, strerror(errno));
	mount_at("tmpfs", "/run", 0, "mode=0755");
	mount_at("tmpfs", "/tmp", 0, "mode=1777");
}

/* The kernel's console is for the kernel. */
static void leave_console(void)
{
	int fd = open("/dev/null", O_RDWR);
	int i;

	for (i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void power_off(void)
{
	kill_all();
	say("bye");
	drain(control_line.fd);
	/*
	 * No sync(): what a run had mounted is gone with it, or stuck, and then
	 * that would be, too.
	 */
	reboot(RB_POWER_OFF);
	put_file("/proc/sysrq-trigger", "o");
	for (;;)
		pause();
}

/* Requests */

static void do_run(char *rest)
{
	static struct order order;

	if (!read_order(&order, rest))
		return;
	if (running())
		say_error("run: %llu is still running", running());
	else
		start_run(&order);
}

static void do_take(char *rest)
{
	static const char *const names[] = { "output", "errors" };
	unsigned long long numbers[2];

	if (read_numbers("take", rest, names, ULLONG_MAX, numbers, 2))
		streams_allow(numbers[0], numbers[1]);
}

static void do_winsize(char *rest)
{
	static const char *const names[] = { "rows", "cols" };
	unsigned long long numbers[2];

	if (read_numbers("winsize", rest, names, USHRT_MAX, numbers, 2))
		streams_resize(numbers[0], numbers[1]);
}

/* Every CPU, then who is blocked, then everybody: the first may be all we get. */
static void do_dump(char *rest)
{
	if (rest) {
		say_error("dump: too many fields");
		return;
	}
	put_file("/proc/sysrq-trigger", "l");
	put_file("/proc/sysrq-trigger", "w");
	put_file("/proc/sysrq-trigger", "t");
	say("dump done");
}

static void do_poweroff(char *rest)
{
	if (rest)
		say_error("poweroff: too many fields");
	else
		power_off();
}

static const struct {
	const char *name;
	void (*handle)(char *rest);
} requests[] = {
	{ "run", do_run },
	{ "take", do_take },
	{ "dump", do_dump },
	{ "winsize", do_winsize },
	{ "poweroff", do_poweroff },
};

static void handle_line(char *line, size_t len)
{
	bool malformed = false;
	char *rest = line, *verb;
	size_t i;

	if (strlen(line) != len) {
		say_error("NUL in a line");
		return;
	}
	verb = next_field(&rest, &malformed);
	for (i = 0; verb && i < ARRAY_SIZE(requests); i++) {
		if (strcmp(requests[i].name, verb))
			continue;
		requests[i].handle(rest);
		return;
	}
	say_error("unknown request: %s", verb ? verb : "malformed");
}

/* Put the lines of one request together. */
static void add_line(const char *line, size_t len, bool overlong)
{
	static char request[REQUEST_MAX];
	static size_t used;

	/* The host goes on after "more" only, so it starts anew after this. */
	if (overlong || used + len >= sizeof(request)) {
		used = 0;
		say_error("request too long");
		return;
	}
	memcpy(request + used, line, len + 1);
	used += len;
	if (len >= 2 && !strcmp(line + len - 2, " +")) {
		used--;
		say("more");
		return;
	}
	len = used;
	used = 0;
	handle_line(request, len);
}

static void read_control(struct step_lines *lines)
{
	int n = step_lines_read(lines, control_line.fd);
	bool overlong;
	size_t len;
	char *line;

	/* EIO is what a hung up line says. */
	if (!n || n == -EIO)
		power_off();
	while ((line = step_lines_next(lines, &len, &overlong)))
		add_line(line, len, overlong);
}

static void serve(int children)
{
	static char buf[REQUEST_MAX];
	struct step_lines lines = { .buf = buf, .size = sizeof(buf) };
	struct pollfd fds[2 + STREAMS_POLLED] = {
		{ .fd = control_line.fd, .events = POLLIN },
		{ .fd = children, .events = POLLIN },
	};

	for (;;) {
		size_t count = 2 + streams_wanted(fds + 2);

		if (poll(fds, count, streams_busy() ? 0 : time_left()) < 0)
			continue;
		/* First: a request must not find a program that has ended. */
		look_after_run(fds[1].revents);
		if (fds[0].revents)
			read_control(&lines);
	}
}

int main(void)
{
	int children;

	/* It kills everybody else, so it must not be tried on a real machine. */
	if (getpid() != 1) {
		fprintf(stderr, "agent: only ever the first process of a guest\n");
		return 2;
	}
	umask(0);
	mount_all();
	leave_console();
	find_lines();
	children = watch_children();
	attach_line(&steps_line);
	attach_line(&control_line);
	attach_line(&output_line);
	attach_line(&errors_line);
	if (control_line.fd < 0 || children < 0)
		power_off();
	say("ready %lld", step_now());
	serve(children);
}
