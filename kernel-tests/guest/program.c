// SPDX-License-Identifier: GPL-2.0
/*
 * Starts a program in a mount namespace of its own, and ends all that is left
 * of it.
 *
 * Rules of this file, beside the agent's:
 *  - Everything that touches the share is done by the child, which tells first
 *    what it is about to do: it may never come back.
 *  - A run that failed before its program started is "setup", never the
 *    program's own failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../steps.h"
#include "input.h"
#include "lines.h"
#include "program.h"

#define REAP_MS		3000	/* for what was killed to be gone */
#define MOUNT_POINT	"/mnt/share"

/* How far a child got before its program took over. */
struct progress {
	int err;
	char text[TEXT_MAX];
};

/* The one program that is running. */
static struct {
	pid_t pid;		/* 0: none */
	unsigned long long id;
	long long until;	/* monotonic ms, 0: no limit */
	int progress;		/* read end of its pipe of struct progress */
	int status;		/* as of waitpid() */
	bool ended;
} run;

static int signals = -1;	/* signalfd of SIGCHLD */
static sigset_t usual_signals;

/* In the child */

static int progress_fd = -1;

static void report(int err, const char *what, const char *thing)
{
	struct progress progress = { .err = err };
	ssize_t n;

	snprintf(progress.text, sizeof(progress.text), "%s %s", what, thing);
	n = write(progress_fd, &progress, sizeof(progress));
	(void)n;		/* a pipe that is full has been told enough */
}

static void give_up(const char *what, const char *thing)
{
	report(errno, what, thing);
	_exit(127);
}

/* Told before it is tried, for it may never come back. */
static void announce(const char *what, const char *thing)
{
	report(0, what, thing);
}

static void set_mount_environment(const struct order *order)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s%s%s", MOUNT_POINT,
		 order->dir ? "/" : "", order->dir ? order->dir : "");
	setenv(STEPS_ENV_SHARE, folder, 1);
	setenv(STEPS_ENV_MOUNT, MOUNT_POINT, 1);
	setenv(STEPS_ENV_MOUNT_TYPE, order->mount_type, 1);
	setenv(STEPS_ENV_MOUNT_SOURCE, order->mount_source, 1);
	if (order->mount_options)
		setenv(STEPS_ENV_MOUNT_OPTIONS, order->mount_options, 1);
}

static void set_environment(const struct order *order)
{
	size_t i;

	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("TERM", "linux", 1);
	setenv("LANG", "C.UTF-8", 1);
	if (order->mount_type)
		set_mount_environment(order);
	for (i = 0; i < order->nr_env; i++) {
		char *value = strchr(order->env[i], '=');

		*value++ = '\0';
		setenv(order->env[i], value, 1);
	}
}

static void mount_share(const struct order *order)
{
	char folder[PATH_MAX];

	announce("mount", order->mount_type);
	if (mkdir(MOUNT_POINT, 0755) && errno != EEXIST)
		give_up("mkdir", MOUNT_POINT);
	if (mount(order->mount_source, MOUNT_POINT, order->mount_type, 0,
		  order->mount_options))
		give_up("mount", order->mount_type);
	if (!order->dir)
		return;
	snprintf(folder, sizeof(folder), "%s/%s", MOUNT_POINT, order->dir);
	announce("mkdir", folder);
	if (mkdir(folder, 0777) && errno != EEXIST)
		give_up("mkdir", folder);
	/* On a share that is read-only the host has made it, and as it is to be. */
	if (chmod(folder, 0777) && errno != EROFS)
		give_up("chmod", folder);
}

static void make_namespace(const struct order *order)
{
	announce("unshare", "mount namespace");
	if (unshare(CLONE_NEWNS))
		give_up("unshare", "mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		give_up("make private", "/");
	if (mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"))
		give_up("mount tmpfs on", "/tmp");
	if (order->mount_type)
		mount_share(order);
}

/*
 * Only the leader of a session can get a controlling terminal, by as little as
 * opening one; and that is hung up, for everybody, when the leader ends. So a
 * program is a leader only where it is meant to have one.
 */
static void become_group(const struct order *order)
{
	if (order->tty ? setsid() < 0 : setpgid(0, 0))
		give_up("new", order->tty ? "session" : "process group");
}

static int open_input(const struct order *order)
{
	const char *path = order->input ? steps_line.path : "/dev/null";
	int in = order->input ? input_open(path) : open(path, O_RDONLY);

	if (in < 0)
		give_up("open", path);
	return in;
}

static void connect_output(const struct order *order)
{
	int out = open(output_line.path, O_RDWR | (order->tty ? 0 : O_NOCTTY));
	int in = order->tty ? out : open_input(order);

	if (out < 0)
		give_up("open", output_line.path);
	if (order->tty) {
		make_sane(out);
		if (ioctl(out, TIOCSCTTY, 1))
			give_up("controlling terminal", output_line.path);
	}
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		give_up("dup2", output_line.path);
	if (out > 2)
		close(out);
	if (in > 2 && in != out)
		close(in);
}

/* What our tmpfs hides is still there, elsewhere. */
static void enter_folder(const char *folder)
{
	char hidden[PATH_MAX];

	if (!chdir(folder))
		return;
	snprintf(hidden, sizeof(hidden), "%s%s", HOST_ROOT, folder);
	if (folder[0] != '/' || chdir(hidden)) {
		errno = ENOENT;
		give_up("chdir", folder);
	}
}

static void start_program(struct order *order)
{
	char hidden[PATH_MAX];
	char *program = order->args[0];

	announce("exec", program);
	execvp(program, order->args);
	if (errno == ENOENT && program[0] == '/') {
		snprintf(hidden, sizeof(hidden), "%s%s", HOST_ROOT, program);
		execv(hidden, order->args);
	}
	give_up("exec", program);
}

static void be_program(struct order *order)
{
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &usual_signals, NULL);
	become_group(order);
	make_namespace(order);
	connect_output(order);
	set_environment(order);
	enter_folder(order->cwd ? order->cwd : "/");
	start_program(order);
}

/* In the agent */

void start_run(struct order *order)
{
	int ends[2];
	pid_t pid;

	revive_line(&steps_line);
	revive_line(&output_line);
	/* An answer to the program before is none to this one. */
	tcflush(steps_line.fd, TCIFLUSH);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		say_error("pipe: %s", strerror(errno));
		return;
	}
	say_kernel("farwatch: begin %llu", order->id);
	say("begin %llu", order->id);
	pid = fork();
	if (pid < 0)
		say("end %llu setup %d fork", order->id, errno);
	if (!pid) {
		progress_fd = ends[1];
		be_program(order);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return;
	}
	memset(&run, 0, sizeof(run));
	run.pid = pid;
	run.id = order->id;
	run.progress = ends[0];
	run.until = order->limit ? step_now() + (long long)order->limit : 0;
}

/* Every child that ended, ours or adopted. 0: some are left. */
static int reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != run.pid)
			continue;
		run.status = status;
		run.ended = true;
	}
	return pid;
}

static void clear_signals(void)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		;
}

bool kill_all(void)
{
	long long until = step_now() + REAP_MS;
	struct pollfd pfd = { .fd = signals, .events = POLLIN };

	for (;;) {
		long long left = until - step_now();

		/* Again and again: one may have forked meanwhile. */
		kill(-1, SIGKILL);
		clear_signals();
		if (reap())
			return true;
		if (left <= 0)
			return false;
		poll(&pfd, 1, left);
	}
}

static void read_progress(struct progress *last)
{
	struct progress progress;

	memset(last, 0, sizeof(*last));
	while (read(run.progress, &progress, sizeof(progress)) == sizeof(progress))
		*last = progress;
	close(run.progress);
}

static void say_end(bool timed_out)
{
	struct progress last;
	bool started;

	read_progress(&last);
	started = !strncmp(last.text, "exec ", 5);
	if (last.err)
		say("end %llu setup %d %s", run.id, last.err, escaped(last.text));
	else if (timed_out && !started)
		say("end %llu setup %d %s", run.id, ETIMEDOUT, escaped(last.text));
	else if (timed_out)
		say("end %llu timeout", run.id);
	else if (WIFSIGNALED(run.status))
		say("end %llu signal %d", run.id, WTERMSIG(run.status));
	else
		say("end %llu exit %d", run.id, WEXITSTATUS(run.status));
}

/* The output is complete before its mark, and the mark before the outcome. */
static void finish_run(bool timed_out)
{
	bool clean = kill_all();
	char mark[64];

	revive_line(&output_line);
	make_raw(output_line.fd);
	snprintf(mark, sizeof(mark), "farwatch: end %llu\n", run.id);
	put_line(&output_line, mark, DRAIN_MS);
	drain(output_line.fd);
	say_kernel("farwatch: end %llu", run.id);
	if (!clean)
		say("stuck %llu", run.id);
	say_end(timed_out);
	run.pid = 0;
}

unsigned long long running(void)
{
	return run.pid ? run.id : 0;
}

int time_left(void)
{
	long long left;

	if (!run.pid || !run.until)
		return -1;
	left = run.until - step_now();
	return left < 0 ? 0 : (int)left;
}

void look_after_run(bool signalled)
{
	if (signalled) {
		clear_signals();
		reap();
	}
	if (run.pid && run.ended)
		finish_run(false);
	else if (!time_left())
		finish_run(true);
}

int watch_children(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &usual_signals);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		say_kernel("farwatch: signalfd: %s", strerror(errno));
	return signals;
}
