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

#include "../keeper.h"
#include "../steps.h"
#include "lines.h"
#include "program.h"
#include "streams.h"

#define REAP_MS		3000	/* for what was killed to be gone */
#define LEFT_MS		2000	/* for what a program by hand leaves behind */
#define SERVER_PID	"/run/farwatch.server"	/* the number of the share's server */

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
	bool ended, timed_out;
	bool leaving;		/* what it left behind has until then, too */
	bool over;		/* nothing of it is left */
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

static void folder_at(const struct order *order, const char *point, char folder[PATH_MAX])
{
	snprintf(folder, PATH_MAX, "%s%s%s", point, order->dir ? "/" : "",
		 order->dir ? order->dir : "");
}

/* Where others work, who do not use the share. */
static void folder_behind(const struct order *order, char folder[PATH_MAX])
{
	folder_at(order, is_served(order) ? SOURCE_POINT : order->mounts[0].point, folder);
}

static void set_mount_environment(const struct order *order)
{
	const struct order_mount *share = &order->mounts[0];
	char folder[PATH_MAX];

	folder_at(order, share->point, folder);
	setenv(STEPS_ENV_SHARE, folder, 1);
	setenv(STEPS_ENV_MOUNT, share->point, 1);
	setenv(STEPS_ENV_MOUNT_TYPE, share->type, 1);
	setenv(STEPS_ENV_MOUNT_SOURCE, share->source, 1);
	if (order->mount_options)
		setenv(STEPS_ENV_MOUNT_OPTIONS, order->mount_options, 1);
	if (!is_served(order))
		return;
	folder_behind(order, folder);
	setenv(STEPS_ENV_SOURCE, folder, 1);
	setenv(STEPS_ENV_SERVED, SOURCE_POINT, 1);
	setenv(STEPS_ENV_SERVER_PID, SERVER_PID, 1);
	setenv(STEPS_ENV_MOUNT_SERVER, order->server, 1);
}

static void set_environment(const struct order *order)
{
	size_t i;

	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("TERM", "linux", 1);
	setenv("LANG", "C.UTF-8", 1);
	if (order->nr_mounts)
		set_mount_environment(order);
	for (i = 0; i < order->nr_env; i++) {
		char *value = strchr(order->env[i], '=');

		*value++ = '\0';
		setenv(order->env[i], value, 1);
	}
}

/* A mount point and the folders above it, where there are none yet. */
static void make_point(const char *point)
{
	char path[PATH_MAX];
	char *slash = path;

	if (snprintf(path, sizeof(path), "%s", point) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		give_up("mkdir", point);
	}
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		mkdir(path, 0755);	/* what is missing then, the last one tells */
		*slash = '/';
	}
	/* A root that is read-only says so first, whatever is there. */
	if (mkdir(path, 0755) && errno != EEXIST) {
		int err = errno;

		if (!access(path, F_OK))
			return;
		errno = err;
		give_up("mkdir", point);
	}
}

static void mount_one(const struct order_mount *mnt, const char *options)
{
	announce("mount", mnt->source);
	make_point(mnt->point);
	if (mount(mnt->source, mnt->point, mnt->type, 0, options))
		give_up("mount", mnt->type);
}

/* A view of a tmpfs: whoever works below it is somebody else to the share. */
static void serve_share(const struct order *order)
{
	const struct order_mount *share = &order->mounts[0];
	int err;

	make_point(SOURCE_POINT);
	if (mount("tmpfs", SOURCE_POINT, "tmpfs", 0, "mode=0755"))
		give_up("mount tmpfs on", SOURCE_POINT);
	announce("serve", share->point);
	make_point(share->point);
	err = keeper_mount(order->server, SOURCE_POINT, share->point,
			   order->mount_options, SERVER_PID);
	if (!err)
		return;
	errno = -err;
	give_up("serve by", order->server);
}

static void make_folder(const struct order *order)
{
	char folder[PATH_MAX];

	folder_behind(order, folder);
	announce("mkdir", folder);
	if (mkdir(folder, 0777) && errno != EEXIST)
		give_up("mkdir", folder);
	/* On a share that is read-only the host has made it, and as it is to be. */
	if (chmod(folder, 0777) && errno != EROFS)
		give_up("chmod", folder);
}

static void make_namespace(const struct order *order)
{
	size_t i;

	announce("unshare", "mount namespace");
	if (unshare(CLONE_NEWNS))
		give_up("unshare", "mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		give_up("make private", "/");
	if (mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"))
		give_up("mount tmpfs on", "/tmp");
	if (is_served(order))
		serve_share(order);
	for (i = is_served(order); i < order->nr_mounts; i++)
		mount_one(&order->mounts[i], order->mount_options);
	if (order->dir)
		make_folder(order);
}

/* As the host wants them, whatever the program before has made of them. */
static void set_sysctl(const struct order_sysctl *sysctl)
{
	ssize_t len = strlen(sysctl->value);
	char path[PATH_MAX], *dot;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", sysctl->name);
	while ((dot = strchr(path, '.')))
		*dot = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && sysctl->optional)
		return;
	if (fd < 0 || write(fd, sysctl->value, len) != len)
		give_up("sysctl", sysctl->name);
	close(fd);
}

static void set_sysctls(const struct order *order)
{
	size_t i;

	for (i = 0; i < order->nr_sysctls; i++)
		set_sysctl(&order->sysctls[i]);
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

/* A test prints straight to the host: what it said last must not be lost with the guest. */
static void connect_test(void)
{
	int out = open(output_line.path, O_RDWR | O_NOCTTY);
	int in = open("/dev/null", O_RDONLY);

	if (out < 0)
		give_up("open", output_line.path);
	if (in < 0)
		give_up("open", "/dev/null");
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		give_up("dup2", output_line.path);
	if (out > 2)
		close(out);
	if (in > 2)
		close(in);
}

static void connect_streams(const struct order *order)
{
	if (!streams_used())
		connect_test();
	else if (!streams_take(order->tty))
		give_up("take", order->tty ? "terminal" : "pipes");
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
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &usual_signals, NULL);
	become_group(order);
	set_sysctls(order);
	make_namespace(order);
	connect_streams(order);
	set_environment(order);
	enter_folder(order->cwd ? order->cwd : "/");
	start_program(order);
}

/* In the agent */

/*
 * What a program by hand prints is with the host before the program goes on,
 * so that the last words before a panic are not lost.
 */
static void set_urgent(bool urgent)
{
	struct sched_param param = { .sched_priority = urgent ? 1 : 0 };

	/* Not for children. No harm where it is not possible. */
	sched_setscheduler(0, urgent ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER,
			   &param);
}

static bool open_streams(const struct order *order)
{
	revive_line(&steps_line);
	revive_line(&output_line);
	revive_line(&errors_line);
	/* An answer to the program before is none to this one. */
	tcflush(steps_line.fd, TCIFLUSH);
	streams_close();
	set_urgent(order->tty || order->pipes);
	if (!order->tty && !order->pipes)
		return true;
	if (!streams_open(order)) {
		say_error("streams: %s", strerror(errno));
		return false;
	}
	return true;
}

void start_run(struct order *order)
{
	int ends[2];
	pid_t pid;

	if (!open_streams(order))
		return;
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
	streams_started();
	if (pid < 0) {
		streams_close();
		close(ends[0]);
		return;
	}
	memset(&run, 0, sizeof(run));
	run.pid = pid;
	run.id = order->id;
	run.progress = ends[0];
	run.until = order->limit ? step_now() + (long long)order->limit : 0;
	streams_move();		/* ask for the first piece of input */
}

/*
 * A share's server is our child since it has stayed behind. Its end by itself is
 * no verdict on the kernel; who kills it has asked for that.
 */
static void tell_of_server(pid_t pid, int status)
{
	char text[TEXT_MAX], number[16];
	FILE *file = fopen(SERVER_PID, "re");
	bool fine = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : !WEXITSTATUS(status);
	bool server = file && fgets(number, sizeof(number), file) && atoi(number) == pid;

	if (file)
		fclose(file);
	if (!server || fine)
		return;
	snprintf(text, sizeof(text), "farwatch: infrastructure: the share's server ended: %s %d",
		 WIFSIGNALED(status) ? "signal" : "exit status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	say_kernel("%s", text);
	if (streams_used())
		return;
	revive_line(&output_line);
	make_raw(output_line.fd);
	put_line(&output_line, "# ", DRAIN_MS);
	put_line(&output_line, text, DRAIN_MS);
	put_line(&output_line, "\n", DRAIN_MS);
}

/* Every child that ended, ours or adopted. 0: some are left. */
static int reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != run.pid) {
			tell_of_server(pid, status);
			continue;
		}
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

/* The output of a test is complete before its mark. */
static void mark_end(void)
{
	char mark[64];

	revive_line(&output_line);
	make_raw(output_line.fd);
	snprintf(mark, sizeof(mark), "farwatch: end %llu\n", run.id);
	put_line(&output_line, mark, DRAIN_MS);
	drain(output_line.fd);
}

/* That of a program by hand knows no mark: the host counts. */
static void count_end(void)
{
	unsigned long long output, errors;

	streams_given(&output, &errors);
	streams_close();
	say("printed %llu %llu %llu", run.id, output, errors);
}

/* Nothing of it runs any more; its output is on its way. */
static void end_processes(void)
{
	run.over = true;
	run.timed_out = !run.ended;
	run.until = 0;
	if (kill_all())
		return;
	say("stuck %llu", run.id);
	/* And keeps its output open. */
	run.until = step_now() + DRAIN_MS;
}

/* The output, and its mark, come before the outcome. */
static void finish_run(void)
{
	if (streams_used())
		count_end();
	else
		mark_end();
	say_kernel("farwatch: end %llu", run.id);
	say_end(run.timed_out);
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

/*
 * Whether it is time to kill what there is. A shell may end before those do
 * that print for it, as in "echo > >(cat)"; whoever does not is left behind.
 */
static bool time_is_up(void)
{
	if (!run.ended)
		return !time_left();
	if (streams_used() && !streams_ended() && !run.leaving) {
		run.leaving = true;
		run.until = step_now() + LEFT_MS;
	}
	return !run.leaving || streams_ended() || !time_left();
}

void look_after_run(bool signalled)
{
	if (signalled) {
		clear_signals();
		reap();
	}
	if (!run.pid)
		return;
	streams_move();
	if (!run.over && time_is_up()) {
		end_processes();
		streams_move();
	}
	if (run.over && (streams_delivered() || !time_left()))
		finish_run();
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
