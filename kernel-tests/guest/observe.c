// SPDX-License-Identifier: GPL-2.0
/*
 * A watcher whose clock is known, for `farwatch trace`. Not a test: prints what
 * it reads, and judges nothing.
 *
 *	observe KIND MASK WAIT_MS [PATH...]	in a guest; asks the actor
 *				"trace" for what the host does
 *	observe native KIND MASK FOLDER [PATH...]	on the host, in what
 *				the guest works in: the witness
 *
 * KIND is inotify or fanotify; MASK, hex, what is watched for, which both
 * understand. The PATHs are watched; without any, each directory that there
 * is. It prints
 *
 *	clock LOW HIGH		ns: what the host's clock is ahead of this one
 *	tracepoints COUNT	of fs/fuse about events of others; -1: no tracefs
 *	watch ON PATH		and a number for each
 *	ready
 *	event NS ON MASK COOKIE NAME	NS: when read() had returned
 *	rename NS MASK NAME ON NAME	fanotify's; then ON is where it is now
 *	begin			what has come before is not of the steps
 *	quiet			the last one did not come in time
 *	end			nothing is missing of what was to be read
 *	trace LINE		of the kernel's buffer
 *
 * with fields escaped as in steps.h, LINE being the rest. The guest's side ends
 * with the sentinel (act_sentinel()), or when nothing has come for WAIT_MS after
 * the host was done; the host's goes on until the end of its standard input.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gauge.h"

#define TRACEFS		"/sys/kernel/tracing"
#define TRACE_KIB	"4096"
#define CLOCK_TRIES	20
#define STAGE		"case"			/* a stage's folder in the run's */
#define SENTINELS	STAGE "/" EVENTS_SENTINELS
#define FIRST		"begin"			/* made just before the steps */
#define TICK_MS		"50"

static __u64 mask;

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* -------------------------------------------------------------- watching */

static void put_field(const char *text)
{
	char field[3 * PATH_MAX + 2];

	if (!step_escape(field, sizeof(field), text, strlen(text)))
		fail(text, "too long");
	printf(" %s", field);
}

static int add_watch(const char *path)
{
	int on;

	if (ev.fanotify) {
		on = events_mark(&ev, path, mask | FAN_EVENT_ON_CHILD | FAN_ONDIR);
	} else {
		on = inotify_add_watch(ev.fd, path, mask);
		on = on < 0 ? -errno : on;
	}
	return need(path, on);
}

static void tell_watch(const char *path)
{
	printf("watch %d", add_watch(path));
	put_field(path);
	printf("\n");
}

static char **dirs;
static size_t nr_dirs;

static int add_dir(const char *path, const struct stat *st, int type,
		   struct FTW *walk)
{
	(void)st;
	(void)walk;
	path += !strncmp(path, "./", 2) ? 2 : 0;
	if (type != FTW_D || !strcmp(path, STAGE) || !strcmp(path, SENTINELS))
		return 0;
	dirs = realloc(dirs, (nr_dirs + 2) * sizeof(*dirs));
	if (!dirs)
		return -1;
	dirs[nr_dirs] = strdup(path);
	dirs[nr_dirs + 1] = NULL;
	return dirs[nr_dirs++] ? 0 : -1;
}

/* All are found before the first is watched: to look for them makes events. */
static void watch_all(char *const *paths)
{
	if (!*paths) {
		need(".", nftw(".", add_dir, 8, FTW_PHYS) ? -ENOMEM : 0);
		paths = dirs;
	}
	for (; *paths; paths++)
		tell_watch(*paths);
}

static void open_watcher(const char *kind, const char *hex)
{
	bool fanotify = !strcmp(kind, "fanotify");
	__u64 wanted = strtoull(hex, NULL, 16);

	if (!fanotify && strcmp(kind, "inotify"))
		fail(kind, "neither inotify nor fanotify");
	setenv(STEPS_ENV_EVENT_MS, TICK_MS, 1);
	need(kind, fanotify ?
	     events_fanotify(&ev, FAN_REPORT_DFID_NAME | FAN_REPORT_FID |
				  FAN_REPORT_TARGET_FID) : events_inotify(&ev));
	mask = IN_CREATE;
	ev.sentinel = add_watch(SENTINELS);
	mask = wanted;
}

static void show(const struct event *event, long long ns)
{
	printf("%s %lld %d %llx %u", event->to ? "rename" : "event", ns,
	       event->on, (unsigned long long)event->mask, event->cookie);
	put_field(event->name);
	if (event->to) {
		printf(" %d", event->to);
		put_field(event->to_name);
	}
	printf("\n");
}

/* Whether somebody has written to the pipe, or closed it. */
static bool is_over(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) != 0;
}

/* Whether it is the last one. What is not about what is watched is not shown. */
static bool show_unless_last(const struct event *event)
{
	if (event->on != ev.sentinel || event->mask & IN_Q_OVERFLOW) {
		show(event, now_ns());
		return false;
	}
	if (!strcmp(event->name, FIRST))
		printf("begin\n");
	else if (*event->name)
		return true;
	return false;
}

/* played: is readable as soon as the host is done. */
static void read_all(int played, long long wait_ms)
{
	long long last = step_now();
	bool done = false;
	struct event event;

	for (;;) {
		if (need("read", events_next(&ev, &event))) {
			last = step_now();
			if (show_unless_last(&event))
				break;
		} else if (!done && is_over(played)) {
			done = true;
			last = step_now();
		} else if (done && step_now() - last > wait_ms) {
			printf("quiet\n");
			return;
		}
	}
	printf("end\n");
}

/*
 * The server has open what the guest knows, and until it closes that, what is
 * removed does not end: so this goes on behind the sentinel until told not to.
 */
static void read_late(void)
{
	struct event event;

	for (;;) {
		if (!need("read", events_next(&ev, &event))) {
			if (is_over(STDIN_FILENO))
				return;
		} else if (show_unless_last(&event)) {
			printf("end\n");
		}
	}
}

/* --------------------------------------------------------------- tracing */

static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	close(fd);
	return len < 0 ? -EIO : 0;
}

static void trace_begin(void)
{
	int count = 0;
	glob_t found;
	size_t i;

	if (mount("tracefs", TRACEFS, "tracefs", 0, NULL) && errno != EBUSY) {
		printf("tracepoints -1\n");
		return;
	}
	put_text(TRACEFS "/trace_clock", "mono");
	put_text(TRACEFS "/buffer_size_kb", TRACE_KIB);
	if (!glob(TRACEFS "/events/fuse/fuse_fsnotify_*/enable", 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc; i++)
			count += !put_text(found.gl_pathv[i], "1");
		globfree(&found);
	}
	printf("tracepoints %d\n", count);
}

static void trace_show(void)
{
	FILE *file = fopen(TRACEFS "/trace", "r");
	char line[2 * PATH_MAX];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line && *line != '#')
			printf("trace %s\n", line);
	}
	if (file)
		fclose(file);
}

/* ----------------------------------------------------------- the two sides */

static void ask(const char *verb)
{
	int ret = steps_ask(&stage.steps, "trace", verb, NULL);

	if (ret)
		fail(verb, strerror(ret < 0 ? -ret : ret));
}

/* What the host says lies between the question and its answer. */
static void compare_clocks(void)
{
	long long low = LLONG_MIN, high = LLONG_MAX;
	int i;

	for (i = 0; i < CLOCK_TRIES; i++) {
		long long before = now_ns(), host, after;

		ask("clock");
		after = now_ns();
		host = atoll(stage.steps.values);
		low = host - after > low ? host - after : low;
		high = host - before < high ? host - before : high;
	}
	printf("clock %lld %lld\n", low, high);
}

static void observe(const char *kind, const char *hex, long long wait_ms,
		    char *const *paths)
{
	int played[2];
	pid_t reader;

	open_stage();
	/* What is watched may be the folder that the host has mounted for the run */
	if (chdir(stage.top))
		fail(stage.top, strerror(errno));
	ask("setup");
	compare_clocks();
	trace_begin();
	open_watcher(kind, hex);
	watch_all(paths);
	ask("watched");
	if (pipe2(played, O_CLOEXEC))
		fail("pipe", strerror(errno));
	reader = fork();
	if (reader < 0)
		fail("fork", strerror(errno));
	if (!reader) {
		close(played[1]);
		read_all(played[0], wait_ms);
		_exit(0);
	}
	ask("play");
	fine("sentinel", act_sentinel(&stage));
	close(played[1]);
	waitpid(reader, NULL, 0);
	trace_show();
	close_both();
}

static void witness(const char *kind, const char *hex, const char *folder,
		    char *const *paths)
{
	if (chdir(folder))
		fail(folder, strerror(errno));
	open_watcher(kind, hex);
	watch_all(paths);
	printf("ready\n");
	read_late();
	events_close(&ev);
}

int main(int argc, char *argv[])
{
	/* Two processes print, and each line is a whole one. */
	setvbuf(stdout, NULL, _IOLBF, 2 * 3 * PATH_MAX);
	if (argc >= 5 && !strcmp(argv[1], "native"))
		witness(argv[2], argv[3], argv[4], argv + 5);
	else if (argc >= 4)
		observe(argv[1], argv[2], atoll(argv[3]), argv + 4);
	else
		return 2;
	return 0;
}
