// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that wait for files, as people have them: each runs here, somebody
 * else changes the directory, and what the program prints is what it saw.
 * client_test.c has the calls that such programs make; this has the programs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "two_sided.h"

/* Start-up of an interpreter, on a slow machine and a debugging kernel. */
#define START_MS	20000
/* Beside the way of an event: what programs wait themselves, to merge events. */
#define PATIENCE_MS	2000
#define PYTHON_ENV	"FARWATCH_PYTHON"	/* one that has the libraries */

static void end_program(pid_t pid)
{
	if (pid > 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

FIXTURE(program)
{
	struct act act;
	pid_t pid;
	struct step_lines lines;
	char buf[8192];
	char problem[1024];
	int out;
};

#define FIXTURE_NAME program
#define FIXTURE_SIDES REMOTE_ONLY
#define FIXTURE_ENDS end_program(self->pid)
#include "fixture.h"

FIXTURE_SETUP(program)
{
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("create", "d/f", "666");
	self->lines.buf = self->buf;
	self->lines.size = sizeof(self->buf);
}

/* Run it in a process group of its own; both of its streams are read. */
static int start(FIXTURE_DATA(program) *self, char *const argv[])
{
	int ends[2];

	if (pipe(ends))
		return -errno;
	self->pid = fork();
	if (!self->pid) {
		setpgid(0, 0);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], argv);
		printf("cannot run %s: %s\n", argv[0], strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	close(ends[1]);
	self->out = ends[0];
	return self->pid < 0 ? -errno : 0;
}

/* Its next line, or NULL after a while, or when it has ended. */
static const char *next_line(FIXTURE_DATA(program) *self, int ms)
{
	struct pollfd wait = { .fd = self->out, .events = POLLIN };
	long long end = step_now() + ms;
	bool overlong;
	char *line;
	size_t len;

	while (!(line = step_lines_next(&self->lines, &len, &overlong))) {
		if (poll(&wait, 1, end > step_now() ? end - step_now() : 0) != 1 ||
		    step_lines_read(&self->lines, self->out) <= 0)
			return NULL;
	}
	return line;
}

/* Lines up to one that holds this text; what else it prints first is noise. */
static const char *await_start(FIXTURE_DATA(program) *self, const char *text)
{
	char last[256] = "nothing";
	const char *line;

	while ((line = next_line(self, START_MS))) {
		if (strstr(line, text))
			return NULL;
		snprintf(last, sizeof(last), "%s", line);
	}
	snprintf(self->problem, sizeof(self->problem),
		 "it did not start to watch, and said: %s", last);
	return self->problem;
}

/* The next line is this one. */
static const char *prints(FIXTURE_DATA(program) *self, const char *wanted)
{
	int ms = events_limit_ms() + PATIENCE_MS;
	const char *line = next_line(self, ms);

	if (line && !strcmp(line, wanted))
		return NULL;
	if (line)
		snprintf(self->problem, sizeof(self->problem),
			 "it saw '%s', wanted '%s'", line, wanted);
	else
		snprintf(self->problem, sizeof(self->problem),
			 "no event: waited %d ms for '%s'", ms, wanted);
	return self->problem;
}

#define START(text, ...) do {						\
	char *const _argv[] = { __VA_ARGS__, NULL };			\
									\
	ASSERT_EQ(0, start(self, _argv));				\
	ASSERT_FINE(await_start(self, text));				\
} while (0)

#define PRINTS(...) do {						\
	const char *const _lines[] = { __VA_ARGS__ };			\
	size_t _i;							\
									\
	for (_i = 0; _i < ARRAY_SIZE(_lines); _i++)			\
		ASSERT_FINE(prints(self, _lines[_i]));			\
} while (0)

static char *python(void)
{
	char *path = getenv(PYTHON_ENV);

	return path && *path ? path : "python3";
}

/*
 * Rule: each event of the directory once, with the name, in order.
 * Source: inotifywait(1), of inotify-tools.
 */
TEST_F(program, inotifywait)
{
	START("Watches established", "inotifywait", "-m", "--format", "%e %f",
	      "-e", "create,modify,close_write,move,delete", "d");
	ACT("create", "d/new", "644");
	PRINTS("CREATE new", "CLOSE_WRITE,CLOSE new");
	ACT("write", "d/new", "0", "text");
	PRINTS("MODIFY new", "CLOSE_WRITE,CLOSE new");
	ACT("rename", "d/new", "d/newer");
	PRINTS("MOVED_FROM new", "MOVED_TO newer");
	ACT("unlink", "d/newer");
	PRINTS("DELETE newer");
	ACT("mkdir", "d/last", "755");
	PRINTS("CREATE,ISDIR last");
}

#define WATCHDOG							\
	"import os, threading\n"					\
	"from watchdog.observers import Observer\n"			\
	"from watchdog.events import FileSystemEventHandler\n"		\
	"class Handler(FileSystemEventHandler):\n"			\
	"    def on_any_event(self, e):\n"				\
	"        if e.is_directory or 'close' in e.event_type or "	\
	"e.event_type == 'opened': return\n"				\
	"        names = map(os.path.basename, [e.src_path, e.dest_path])\n" \
	"        print(e.event_type, *names, flush=True)\n"		\
	"observer = Observer()\n"					\
	"observer.schedule(Handler(), 'd')\n"				\
	"observer.start()\n"						\
	"print('ready', flush=True)\n"					\
	"observer.join()\n"

/*
 * Rule: created, modified, moved as one event with both names, deleted.
 * Source: watchdog's API reference, watchdog.events.
 */
TEST_F(program, watchdog)
{
	START("ready", python(), "-c", WATCHDOG);
	ACT("create", "d/new", "644");
	PRINTS("created new ");
	ACT("write", "d/new", "0", "text");
	PRINTS("modified new ");
	ACT("rename", "d/new", "d/newer");
	PRINTS("moved new newer");
	ACT("unlink", "d/newer");
	PRINTS("deleted newer ");
	ACT("create", "d/last", "644");
	PRINTS("created last ");
}

#define NODE								\
	"require('fs').watch('d', (type, name) => "			\
	"console.log(type + ' ' + name)); console.log('ready')"

/*
 * Rule: "rename" for a name that comes or goes, "change" for what it holds.
 * Source: Node.js, fs.watch().
 */
TEST_F(program, node)
{
	START("ready", "node", "-e", NODE);
	ACT("create", "d/new", "644");
	PRINTS("rename new");
	ACT("write", "d/new", "0", "text");
	PRINTS("change new");
	ACT("rename", "d/new", "d/newer");
	PRINTS("rename new", "rename newer");
	ACT("unlink", "d/newer");
	PRINTS("rename newer");
	ACT("mkdir", "d/last", "755");
	PRINTS("rename last");
}

#define WATCHFILES							\
	"import os\n"							\
	"from watchfiles import watch\n"				\
	"for n, found in enumerate(watch('d', debounce=100, step=20, "	\
	"rust_timeout=200, yield_on_timeout=True)):\n"			\
	"    if n == 0: print('ready', flush=True)\n"			\
	"    for kind, path in sorted(found):\n"			\
	"        print(kind.raw_str(), os.path.basename(path), flush=True)\n"

/*
 * Rule: a change is seen for what it is: added, modified, deleted.
 * Source: watchfiles' documentation, Change.
 */
TEST_F(program, watchfiles)
{
	START("ready", python(), "-c", WATCHFILES);
	ACT("mkdir", "d/sub", "755");
	PRINTS("added sub");
	ACT("write", "d/f", "0", "text");
	PRINTS("modified f");
	ACT("unlink", "d/f");
	PRINTS("deleted f");
	ACT("mkdir", "d/last", "755");
	PRINTS("added last");
}

#define GIO								\
	"exec gio monitor -d d | sed -u '/^$/d; /changes done/d; s,/[^ ]*/,,g'"
#define PROBE_MS	200

/*
 * It does not say when it has begun: change the directory here until it sees
 * that, which it does on any file system.
 */
static const char *await_probe(FIXTURE_DATA(program) *self)
{
	long long end = step_now() + START_MS;
	char name[32];
	int i;

	for (i = 0; step_now() < end; i++) {
		snprintf(name, sizeof(name), "d/probe%d", i);
		if (act_here(&self->act, "mkdir", name, "755", NULL))
			return self->act.problem;
		if (next_line(self, PROBE_MS))
			break;
	}
	if (act_here(&self->act, "mkdir", "d/start", "755", NULL))
		return self->act.problem;
	return await_start(self, "start: created");
}

/*
 * Rule: created, changed, renamed with both names, deleted.
 * Source: gio(1), monitor; GFileMonitor, G_FILE_MONITOR_WATCH_MOVES.
 */
TEST_F(program, gio)
{
	char *const argv[] = { "sh", "-c", GIO, NULL };

	ASSERT_EQ(0, start(self, argv));
	ASSERT_FINE(await_probe(self));
	ACT("create", "d/new", "644");
	PRINTS("d: new: created");
	ACT("write", "d/new", "0", "text");
	PRINTS("d: new: changed");
	ACT("rename", "d/new", "d/newer");
	PRINTS("d: new: renamed to newer");
	ACT("unlink", "d/newer");
	PRINTS("d: newer: deleted");
	ACT("mkdir", "d/last", "755");
	PRINTS("d: last: created");
}

TEST_HARNESS_MAIN
