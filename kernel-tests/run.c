// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a workload: a shell script that is part of these tests, and whatever
 * programs it starts.
 *
 * The actor waits for a minder, and that for the script. The minder is there
 * for the case that the actor dies: it notices, and ends the script.
 *
 * Rules of this file:
 *  - Nothing of a workload is left when the step is answered, nor when the
 *    actor has died.
 *  - It has a limit that ends before the step's does.
 *  - Functions return 0 or a negative errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "paths.h"
#include "verbs.h"
#include "workloads.h"

#define SPARE_MS	1000	/* of a step's time, for the end of it */
#define REAP_MS		500	/* for what was killed to be gone */
#define TEXT_MAX	160	/* of what it complained about */
#define MARK		"FARWATCH_RUN"	/* tells who has started all this */

struct workload {
	const char *name, *script, *arg;
	int folder;
	int text;		/* stderr: a file in memory */
	long long until;	/* monotonic ms */
};

struct outcome {
	int err;
	int status;		/* as a shell has it in $? */
};

static char *mark_of_run(void)
{
	static char text[256];
	const char *value = getenv(MARK);

	snprintf(text, sizeof(text), MARK "=%s", value ? value : "");
	return text;
}

static void be_script(const struct workload *work)
{
	char *const argv[] = {
		"sh", "-eu", "-c", (char *)work->script, (char *)work->name,
		(char *)work->arg, NULL,
	};
	char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/nonexistent", "LC_ALL=C", "TZ=UTC", mark_of_run(), NULL,
	};
	/* Out of the way of 0, 1 and 2, any of which may be free, or in use. */
	int null = fcntl(open("/dev/null", O_RDWR), F_DUPFD, 3);
	int text = fcntl(work->text, F_DUPFD, 3);

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	umask(022);
	if (fchdir(work->folder) || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(text, 2) < 0 || close_range(3, ~0U, 0))
		_exit(126);
	execve("/bin/sh", argv, env);
	_exit(127);
}

/* Until it has ended, its time is over, or the actor has died. */
static int await_end(pid_t pid, int lifeline, long long until)
{
	struct pollfd fds[] = {
		{ .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN },
		{ .fd = lifeline, .events = POLLIN },
	};
	int ready;

	if (fds[0].fd < 0)
		return -errno;
	do {
		long long left = until - step_now();

		ready = poll(fds, 2, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	close(fds[0].fd);
	return ready ? 0 : -ETIMEDOUT;
}

/* Everybody of its group is killed; those of them that we adopt, too, are gone. */
static int end_group(pid_t pid)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	long long until = step_now() + REAP_MS;
	int status = 0, seen;
	pid_t ended;

	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	do {
		ended = waitpid(-1, &seen, WNOHANG);
		if (ended == pid)
			status = seen;
		if (!ended)
			nanosleep(&tick, NULL);
	} while (ended >= 0 && step_now() < until);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void be_minder(const struct workload *work, int lifeline, int answer)
{
	struct outcome outcome = { 0 };
	ssize_t n;
	pid_t pid;

	/* What kills the actor's group is not to kill the one who sees to it. */
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (!pid)
		be_script(work);
	if (pid < 0) {
		outcome.err = -errno;
	} else {
		setpgid(pid, pid);
		outcome.err = await_end(pid, lifeline, work->until);
		outcome.status = end_group(pid);
	}
	n = write(answer, &outcome, sizeof(outcome));
	_exit(n != sizeof(outcome));
}

static int start_minder(const struct workload *work, int ends[2], pid_t *minder)
{
	int lifeline[2], answer[2];

	if (pipe2(lifeline, O_CLOEXEC))
		return -errno;
	if (pipe2(answer, O_CLOEXEC)) {
		close(lifeline[0]);
		close(lifeline[1]);
		return -errno;
	}
	*minder = fork();
	if (!*minder) {
		close(lifeline[1]);
		close(answer[0]);
		be_minder(work, lifeline[0], answer[1]);
	}
	close(lifeline[0]);
	close(answer[1]);
	ends[0] = lifeline[1];
	ends[1] = answer[0];
	return 0;
}

static int await_outcome(const struct workload *work, struct outcome *outcome)
{
	pid_t minder = -1;
	int ends[2] = { -1, -1 };
	int err;
	ssize_t n;

	err = start_minder(work, ends, &minder);
	if (err)
		return err;
	do {
		n = read(ends[1], outcome, sizeof(*outcome));
	} while (n < 0 && errno == EINTR);
	close(ends[0]);
	close(ends[1]);
	if (minder < 0)
		return -EAGAIN;
	while (waitpid(minder, NULL, 0) < 0 && errno == EINTR)
		;
	return n == sizeof(*outcome) ? outcome->err : -EIO;
}

/* The last line of a file; "" if there is none. */
static void last_line(int fd, char *text, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t start = end < (off_t)size ? 0 : end - (off_t)size + 1;
	ssize_t n = pread(fd, text, size - 1, start);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	if (line)
		memmove(text, line + 1, strlen(line));
}

static int tell_outcome(struct step *step, const struct workload *work,
			const struct outcome *outcome)
{
	char text[TEXT_MAX + 1];
	size_t used;

	used = snprintf(step->values, step->size, "%d ", outcome->status);
	last_line(work->text, text, sizeof(text));
	if (!*text)
		step->values[used - 1] = '\0';
	else if (!step_escape(step->values + used, step->size - used, text,
			      strlen(text)))
		return -EMSGSIZE;
	return 0;
}

static int run_in(struct step *step, struct workload *work)
{
	struct outcome outcome = { 0 };
	int err;

	work->text = memfd_create("stderr", MFD_CLOEXEC);
	if (work->text < 0)
		return -errno;
	err = await_outcome(work, &outcome);
	if (!err)
		err = tell_outcome(step, work, &outcome);
	close(work->text);
	return err;
}

int step_run(struct step *step)
{
	long long until = step->actor->until;
	struct workload work = {
		.name = step->argv[1],
		.script = workload_script(step->argv[1]),
		.arg = step->argc > 2 ? step->argv[2] : NULL,
		.until = (until ? until : step_now() + STEP_DEADLINE_MS) - SPARE_MS,
	};
	int err;

	if (step->actor->playing)
		return -EINVAL;
	if (!work.script)
		return -ENOENT;
	work.folder = open_node(step->actor, step->argv[0], O_DIRECTORY);
	if (work.folder < 0)
		return work.folder;
	err = run_in(step, &work);
	close(work.folder);
	return err;
}
