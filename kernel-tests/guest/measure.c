// SPDX-License-Identifier: GPL-2.0
/*
 * What watching costs. Not a test: prints one line "NAME NUMBER..." for each
 * thing that it measures, and judges nothing.
 *
 *	measure latency COUNT GAP_US	latency_ns: from just before the call of
 *					another actor that creates a file to
 *					after the read() that returned its event;
 *					call_ns: how long that call took; wakeups:
 *					times that the server was woken
 *	measure latency COUNT GAP_US awake
 *					the same while a process of the guest does
 *					nothing, without end
 *	measure getattr COUNT		getattr_ns: fstat() of an open file
 *	measure watches COUNT		add_ns for each watch; slab_kib, rss_kib:
 *					what COUNT watches take in this kernel and
 *					in the server; close_ns of all of them;
 *					native_ns: what it takes to add as many
 *					on a tmpfs, native_slab_kib
 *	measure burst COUNT		burst: events, overflows, ns from first to
 *					last, of COUNT creations by another actor;
 *					wakeups of the server
 *	measure idle MS			idle: ms of CPU time of server and kernel
 *	measure groups COUNT		groups: watches of the server when COUNT
 *					groups watch one object
 *	measure hot COUNT		hot_ns: open, write, read and close of a
 *					file that nobody watches on a tmpfs, means
 *					of COUNT / 100 rounds
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gauge.h"

#define SILENCE_MS	5000	/* nothing more is coming */
#define ROOM		1000000	/* events in a queue */
#define BATCHES		100

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The counter's pace is measured against the clock while other things happen. */
struct pace {
	unsigned long long	ticks;
	long long		ns;
};

static struct pace pace_begin(void)
{
	return (struct pace){ step_ticks(), now_ns() };
}

static double pace_end(struct pace since)
{
	return (double)(now_ns() - since.ns) / (step_ticks() - since.ticks);
}

static void set_stage(void)
{
	open_stage();
	fine("mkdir", act_here(&stage, "mkdir", "d", "777", NULL));
	fine("create", act_here(&stage, "create", "f", "666", NULL));
	need("queue", act_swap_number("/proc/sys/fs/inotify/max_queued_events",
				      ROOM) < 0 ? -EPERM : 0);
	need("max_user_watches",
	     act_swap_number("/proc/sys/fs/inotify/max_user_watches",
			     ROOM) < 0 ? -EPERM : 0);
	open_group();
}

/* The next event, however long its way is; false if there is none. */
static bool next(struct event *event)
{
	long long end = step_now() + SILENCE_MS;
	int ret;

	do {
		ret = events_next(&ev, event);
	} while (!ret && step_now() < end);
	return need("read", ret) > 0;
}

/*
 * The end of this pipe is what a child waits for before it prints: a long line is
 * written in pieces, and what is said of steps must not get between them.
 */
static int gate[2];

static void wait_at_gate(void)
{
	char byte;

	close(gate[1]);
	if (read(gate[0], &byte, 1))
		fail("gate", strerror(errno));
}

static void open_gate_for(pid_t child)
{
	close(gate[0]);
	close(gate[1]);
	waitpid(child, NULL, 0);
}

/* Run in a process of its own, so that it reads while another one waits. */
static pid_t in_child(void (*reader)(long count), long count)
{
	pid_t child;

	need("pipe", pipe(gate) ? -errno : 0);
	fflush(stdout);
	child = fork();
	if (child < 0)
		fail("fork", strerror(errno));
	if (!child) {
		reader(count);
		fflush(stdout);
		_exit(0);
	}
	return child;
}

static void print_ticks(const char *name, const long long *ticks, long count,
			double ns)
{
	long i;

	printf("%s", name);
	for (i = 0; i < count; i++)
		printf(" %.0f", ticks[i] * ns);
	printf("\n");
}

/* The end of a call is in the name that the next one creates. */
static void read_stamps(long count)
{
	struct pace pace = pace_begin();
	long long *ticks = calloc(count, sizeof(*ticks));
	long long *calls = calloc(count, sizeof(*calls));
	unsigned long long now, before, after, last = 0;
	struct event event;
	long seen = 0, ended = 0;
	double ns;

	while (ended < count && next(&event)) {
		now = step_ticks();
		if (sscanf(event.name, "%16llx-%16llx", &before, &after) != 2)
			continue;
		if (last)
			calls[ended++] = after - last;
		last = before;
		if (before)
			ticks[seen++] = now - before;
	}
	ns = pace_end(pace);
	wait_at_gate();
	print_ticks("latency_ns", ticks, seen, ns);
	print_ticks("call_ns", calls, ended, ns);
}

static long wakeups(void)
{
	return need("wakeups", act_server_number(&stage, "wakeups"));
}

/* Whoever has something to do comes first; but no processor is ever idle. */
static pid_t spin(void)
{
	struct sched_param param = {};
	pid_t child = fork();

	if (child < 0)
		fail("fork", strerror(errno));
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	need("SCHED_IDLE", sched_setscheduler(0, SCHED_IDLE, &param) ?
	     -errno : 0);
	for (;;)
		;
}

static void measure_latency(long count, const char *gap, const char *how)
{
	pid_t child, spinner = 0;
	char text[24];
	long woken;

	if (how)
		spinner = spin();
	need("watch", events_watch(&ev, "d", IN_CREATE));
	child = in_child(read_stamps, count);
	snprintf(text, sizeof(text), "%ld", count);
	woken = wakeups();
	fine("stamp", act_do(&stage, "stamp", "d", text, gap, NULL));
	open_gate_for(child);
	printf("wakeups %ld\n", wakeups() - woken);
	if (spinner) {
		kill(spinner, SIGKILL);
		waitpid(spinner, NULL, 0);
	}
}

static void measure_getattr(long count)
{
	struct pace pace = pace_begin();
	long long *ticks = calloc(count, sizeof(*ticks));
	int fd = open("f", O_RDONLY | O_CLOEXEC);
	struct stat st;
	double ns;
	long i;

	for (i = 0; i < count; i++) {
		ticks[i] = step_ticks();
		need("fstat", fstat(fd, &st) ? -errno : 0);
		ticks[i] = step_ticks() - ticks[i];
	}
	ns = pace_end(pace);
	print_ticks("getattr_ns", ticks, count, ns);
}

static long slab_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Slab:", 5))
			kib = atol(line + 5);
	if (file)
		fclose(file);
	return kib;
}

/* As many watches where no server is asked, in the same kernel. */
static void measure_native(long count)
{
	char folder[] = "/tmp/native-XXXXXX", name[64];
	struct events native;
	long long ns;
	long i, slab;
	int fd;

	if (!mkdtemp(folder))
		fail(folder, strerror(errno));
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/f%ld", folder, i);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			fail(name, strerror(errno));
		close(fd);
	}
	need("inotify", events_inotify(&native));
	slab = slab_kib();
	ns = now_ns();
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/f%ld", folder, i);
		if (inotify_add_watch(native.fd, name, IN_MODIFY) < 0)
			fail(name, strerror(errno));
	}
	printf("native_ns %lld\nnative_slab_kib %ld\n", now_ns() - ns,
	       slab_kib() - slab);
	close(native.fd);
}

static void measure_watches(long count)
{
	struct pace pace = pace_begin();
	long long *ticks = calloc(count, sizeof(*ticks));
	long i, slab, rss, close_ticks;
	char name[32], text[24];
	double ns;

	snprintf(text, sizeof(text), "%ld", count);
	fine("fill", act_here(&stage, "fill", "d", "f", text, NULL));
	slab = slab_kib();
	rss = need("rss", act_server_number(&stage, "rss"));
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "d/f%ld", i);
		ticks[i] = step_ticks();
		if (inotify_add_watch(ev.fd, name, IN_MODIFY) < 0)
			fail(name, strerror(errno));
		ticks[i] = step_ticks() - ticks[i];
	}
	slab = slab_kib() - slab;
	rss = need("rss", act_server_number(&stage, "rss")) - rss;
	close_ticks = step_ticks();
	close(ev.fd);
	close_ticks = step_ticks() - close_ticks;
	ns = pace_end(pace);
	printf("slab_kib %ld\nrss_kib %ld\nclose_ns %.0f\nadd_ns", slab, rss,
	       close_ticks * ns);
	for (i = 0; i < count; i++)
		printf(" %.0f", ticks[i] * ns);
	printf("\n");
	fine("clear", act_here(&stage, "clear", "d", "f", text, NULL));
	measure_native(count);
}

static void read_burst(long count)
{
	struct pace pace = pace_begin();
	unsigned long long first = 0, last = 0;
	long seen = 0, overflows = 0;
	struct event event;
	double ns;

	(void)count;
	while (next(&event) && event.on != ev.sentinel) {
		if (event.mask & IN_Q_OVERFLOW) {
			overflows++;
			continue;
		}
		last = step_ticks();
		if (!seen++)
			first = last;
	}
	ns = (last - first) * pace_end(pace);
	wait_at_gate();
	printf("burst %ld %ld %.0f\n", seen, overflows, ns);
}

static void measure_burst(long count)
{
	char text[24];
	pid_t child;
	long woken;

	need("watch", events_watch(&ev, "d", IN_CREATE));
	child = in_child(read_burst, count);
	snprintf(text, sizeof(text), "%ld", count);
	woken = wakeups();
	fine("fill", act_do(&stage, "fill", "d", "f", text, NULL));
	fine("sentinel", act_sentinel(&stage));
	open_gate_for(child);
	printf("wakeups %ld\n", wakeups() - woken);
	fine("clear", act_do(&stage, "clear", "d", "f", text, NULL));
}

/* Of this kernel: everything but idle and iowait, in ms. */
static long busy_ms(void)
{
	long user, nice, system, idle, wait, irq, softirq;
	FILE *file = fopen("/proc/stat", "r");
	int found;

	if (!file)
		fail("/proc/stat", strerror(errno));
	found = fscanf(file, "cpu %ld %ld %ld %ld %ld %ld %ld", &user, &nice,
		       &system, &idle, &wait, &irq, &softirq);
	fclose(file);
	if (found != 7)
		fail("/proc/stat", "unknown format");
	return (user + nice + system + irq + softirq) * 1000 /
		sysconf(_SC_CLK_TCK);
}

static void measure_idle(long ms)
{
	long server, here;

	need("watch", events_watch(&ev, "d", IN_ALL_EVENTS));
	need("watch", events_watch(&ev, "f", IN_ALL_EVENTS));
	server = need("cpu", act_server_number(&stage, "cpu"));
	here = busy_ms();
	usleep(ms * 1000);
	here = busy_ms() - here;
	server = need("cpu", act_server_number(&stage, "cpu")) - server;
	printf("idle %ld %ld\n", server, here);
}

static void measure_groups(long count)
{
	struct events *groups = calloc(count, sizeof(*groups));
	int watches;
	long i;

	for (i = 0; i < count; i++) {
		need("inotify", events_inotify(&groups[i]));
		need("watch", events_watch(&groups[i], "d", IN_CREATE));
	}
	watches = need("count", act_server_number(&stage, "count"));
	/* One of them is that of the sentinels */
	printf("groups %d\n", watches ? watches - 1 : 0);
}

static void hot_round(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte = 'x';

	if (fd < 0 || pwrite(fd, &byte, 1, 0) != 1 ||
	    pread(fd, &byte, 1, 0) != 1)
		fail(path, strerror(errno));
	close(fd);
}

static void measure_hot(long count)
{
	char path[] = "/tmp/hot-XXXXXX";
	long i, batch, each = count / BATCHES + 1;
	long long ns;
	int fd = mkstemp(path);

	if (fd < 0)
		fail(path, strerror(errno));
	close(fd);
	printf("hot_ns");
	for (batch = 0; batch < BATCHES; batch++) {
		ns = now_ns();
		for (i = 0; i < each; i++)
			hot_round(path);
		printf(" %.1f", (double)(now_ns() - ns) / each);
	}
	printf("\n");
	unlink(path);
}

static void measure(const char *what, long count, const char *more,
		    const char *how)
{
	if (!strcmp(what, "latency") && more)
		measure_latency(count, more, how);
	else if (!strcmp(what, "getattr"))
		measure_getattr(count);
	else if (!strcmp(what, "watches"))
		measure_watches(count);
	else if (!strcmp(what, "burst"))
		measure_burst(count);
	else if (!strcmp(what, "idle"))
		measure_idle(count);
	else if (!strcmp(what, "groups"))
		measure_groups(count);
	else if (!strcmp(what, "hot"))
		measure_hot(count);
	else
		fail(what, "unknown; see the head of measure.c");
}

int main(int argc, char **argv)
{
	if (argc < 3 || atol(argv[2]) <= 0) {
		fprintf(stderr, "usage: measure WHAT COUNT [GAP_US [awake]]\n");
		return 2;
	}
	set_stage();
	measure(argv[1], atol(argv[2]), argv[3], argv[3] ? argv[4] : NULL);
	close_both();
	return 0;
}
