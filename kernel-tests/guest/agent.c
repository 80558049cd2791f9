// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest: runs one program at a time, as the host says.
 *
 * Three lines lead to the host, named on the kernel's command line:
 *	farwatch.steps=PATH	for the test programs; only flushed here
 *	farwatch.control=PATH	requests and their outcome, one a line
 *	farwatch.output=PATH	what the programs print
 *
 * REQUESTS (fields as in steps.h, but any number of them)
 *	run id=N arg=PROGRAM [arg=...] [env=NAME=VALUE ...] [limit=MS]
 *	    [mount=TYPE:SOURCE] [dir=NAME] [cwd=PATH] [tty=1]
 *	dump			tell the console who waits where
 *	winsize rows=N cols=N	of the output line
 *	poweroff
 * A request is one line. As steps.h says of replies, 3900 bytes of it are the
 * most that may wait here unread.
 * ANSWERS
 *	ready MS		after boot
 *	begin N
 *	end N exit CODE | signal SIGNAL | timeout | setup ERRNO TEXT
 *	stuck N			before "end": something could not be killed; the
 *				guest is not to be trusted with another run
 *	dump done | bye | error TEXT
 *
 * Rules of this file:
 *  - It never ends and never blocks for long: either would take the guest with
 *    it. Every wait has a limit, and so has everything that touches the share,
 *    which is done by children only.
 *  - It knows nothing about tests. What a run leaves behind is killed, so that
 *    the next one finds what the first one found.
 *  - A run that failed before its program started is "setup", never the
 *    program's own failure.
 *  - The root file system is the host's and read-only; every place that is
 *    written to is a tmpfs. What those hide is at HOST_ROOT.
 *  - End of file on the control line means that the host is gone: power off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../steps.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define REQUEST_MAX	65536	/* bytes of a request, with its newline */
#define ANSWER_MAX	1024
#define TEXT_MAX	240
#define ARGS_MAX	256	/* each: args, and settings of the environment */
#define CONTROL_MS	5000	/* for the host to take a line */
#define DRAIN_MS	2000	/* for the host to take what a program printed */
#define REAP_MS		3000	/* for what was killed to be gone */
#define LIMIT_MAX	86400000

#define MOUNT_POINT	"/mnt/share"
#define HOST_ROOT	"/mnt/host"

struct line {
	const char *key, *path;
	int fd;
};

static struct line steps_line = { "farwatch.steps=", "/dev/ttyS0", -1 };
static struct line control_line = { "farwatch.control=", "/dev/ttyS1", -1 };
static struct line output_line = { "farwatch.output=", "/dev/ttyS2", -1 };

/* What the host asked for; points into the request's line. */
struct order {
	unsigned long long id, limit;
	bool tty;
	char *mount_type, *mount_source;
	char *dir, *cwd;
	char *args[ARGS_MAX + 1], *env[ARGS_MAX];
	size_t nr_args, nr_env;
};

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

/* Talking */

static void put_file(const char *path, const char *text)
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
static void say_kernel(const char *format, ...)
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

/* Gives up after limit ms: a host that does not read must not stop us. */
static void put_line(struct line *line, const char *text, int limit)
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

static void say(const char *format, ...)
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
static const char *escaped(const char *text)
{
	static char field[3 * TEXT_MAX + 1];
	size_t len = strnlen(text, TEXT_MAX);

	step_escape(field, sizeof(field), text, len);
	return field;
}

static void say_error(const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("error %s", escaped(text));
}

/* Lines */

static void make_raw(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings))
		return;
	cfmakeraw(&settings);
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &settings);
}

/* A person's terminal, whatever the run before left behind. */
static void make_sane(int fd)
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

static void open_line(struct line *line)
{
	line->fd = open(line->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (line->fd < 0)
		say_kernel("farwatch: %s: %s", line->path, strerror(errno));
	else
		make_raw(line->fd);
}

/*
 * Lines are held open all the time: what arrives on a closed one would stay
 * on its way and reach whoever opens it next. A program that made one its
 * controlling terminal took it from us by exiting: hung up.
 */
static void revive_line(struct line *line)
{
	struct termios settings;

	if (line->fd >= 0 && (!tcgetattr(line->fd, &settings) || errno == ENOTTY))
		return;
	if (line->fd >= 0)
		close(line->fd);
	open_line(line);
}

/* Only there to make tcdrain() come back. */
static void ignore_alarm(int sig)
{
	(void)sig;
}

/* Wait until the host took everything, within reason. */
static void drain(int fd)
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
static void find_path(const char *cmdline, struct line *line)
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

static void find_lines(void)
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
}

/* The guest's file systems */

static void mount_at(const char *type, const char *where, unsigned long flags,
		     const char *options)
{
	/* What is not there yet is made, where it can be; mount() tells. */
	mkdir(where, 0755);
	if (mount(type, where, type, flags, options) && errno != EBUSY)
		say_kernel("farwatch: %s: %s", where, strerror(errno));
}

static void mount_all(void)
{
	mount_at("devtmpfs", "/dev", 0, NULL);
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

/* Starting a program: from here on in the child */

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
	if (mount(order->mount_source, MOUNT_POINT, order->mount_type, 0, NULL))
		give_up("mount", order->mount_type);
	if (!order->dir)
		return;
	snprintf(folder, sizeof(folder), "%s/%s", MOUNT_POINT, order->dir);
	announce("mkdir", folder);
	if (mkdir(folder, 0777) && errno != EEXIST)
		give_up("mkdir", folder);
	if (chmod(folder, 0777))
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

static void connect_output(const struct order *order)
{
	int out = open(output_line.path, O_RDWR | (order->tty ? 0 : O_NOCTTY));
	int in = order->tty ? out : open("/dev/null", O_RDONLY);

	if (out < 0)
		give_up("open", output_line.path);
	if (in < 0)
		give_up("open", "/dev/null");
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

/* Starting and ending a program: in the agent */

static void start_run(struct order *order)
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

/* False when something survives SIGKILL: it waits for what never comes. */
static bool kill_all(void)
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

/* One name beneath the mount point, not a path. */
static bool is_name(const char *text)
{
	return *text && !strchr(text, '/') && strcmp(text, ".") &&
	       strcmp(text, "..") && strlen(text) <= NAME_MAX;
}

static bool set_mount(struct order *order, char *value)
{
	char *source = strchr(value, ':');

	if (!source || source == value || !source[1])
		return false;
	*source++ = '\0';
	order->mount_type = value;
	order->mount_source = source;
	return true;
}

static bool set_dir(struct order *order, char *value)
{
	order->dir = value;
	return is_name(value);
}

static bool set_cwd(struct order *order, char *value)
{
	order->cwd = value;
	return *value;
}

static bool set_id(struct order *order, char *value)
{
	return step_number(value, 10, ULLONG_MAX, &order->id);
}

static bool set_limit(struct order *order, char *value)
{
	return step_number(value, 10, LIMIT_MAX, &order->limit);
}

static bool set_tty(struct order *order, char *value)
{
	order->tty = !strcmp(value, "1");
	return order->tty || !strcmp(value, "0");
}

static bool add_arg(struct order *order, char *value)
{
	if (order->nr_args == ARGS_MAX)
		return false;
	order->args[order->nr_args++] = value;
	return true;
}

static bool add_env(struct order *order, char *value)
{
	char *equals = strchr(value, '=');

	if (order->nr_env == ARGS_MAX || !equals || equals == value)
		return false;
	order->env[order->nr_env++] = value;
	return true;
}

static const struct {
	const char *name;
	bool (*set)(struct order *order, char *value);
} order_keys[] = {
	{ "id", set_id },
	{ "limit", set_limit },
	{ "mount", set_mount },
	{ "dir", set_dir },
	{ "cwd", set_cwd },
	{ "tty", set_tty },
	{ "arg", add_arg },
	{ "env", add_env },
};

/* The next field, unescaped in place; NULL at the end and when malformed. */
static char *next_field(char **rest, bool *malformed)
{
	char *field = strsep(rest, " ");
	size_t len;

	if (!field)
		return NULL;
	if (!step_unescape(field, &len) || strlen(field) != len) {
		*malformed = true;
		return NULL;
	}
	return field;
}

/* The next field as KEY=VALUE; its value, and its key in *key. */
static char *next_pair(char **rest, char **key, bool *malformed)
{
	char *value;

	*key = next_field(rest, malformed);
	if (!*key)
		return NULL;
	value = strchr(*key, '=');
	if (!value) {
		*malformed = true;
		return NULL;
	}
	*value++ = '\0';
	return value;
}

static bool set_order(struct order *order, const char *key, char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(order_keys); i++)
		if (!strcmp(order_keys[i].name, key))
			return order_keys[i].set(order, value);
	return false;
}

static void do_run(char *rest)
{
	static struct order order;
	bool malformed = false;
	char *key, *value;

	memset(&order, 0, sizeof(order));
	while ((value = next_pair(&rest, &key, &malformed))) {
		if (set_order(&order, key, value))
			continue;
		say_error("run: unusable %s", key);
		return;
	}
	if (malformed)
		say_error("run: malformed field");
	else if (!order.id || !order.nr_args)
		say_error("run: no id or no arg");
	else if (order.dir && !order.mount_type)
		say_error("run: dir without mount");
	else if (run.pid)
		say_error("run: %llu is still running", run.id);
	else
		start_run(&order);
}

/* Numbers only, in the order of names; false after an error was told. */
static bool read_numbers(const char *verb, char *rest, const char *const *names,
			 unsigned long long *numbers, size_t count)
{
	bool malformed = false;
	char *key, *value;
	size_t i;

	for (i = 0; i < count; i++) {
		value = next_pair(&rest, &key, &malformed);
		if (value && !strcmp(key, names[i]) &&
		    step_number(value, 10, USHRT_MAX, &numbers[i]))
			continue;
		say_error("%s: needs %s=N", verb, names[i]);
		return false;
	}
	if (rest)
		say_error("%s: too many fields", verb);
	return !rest;
}

static void do_winsize(char *rest)
{
	static const char *const names[] = { "rows", "cols" };
	unsigned long long numbers[2];
	struct winsize size = { 0 };

	if (!read_numbers("winsize", rest, names, numbers, 2))
		return;
	size.ws_row = numbers[0];
	size.ws_col = numbers[1];
	if (ioctl(output_line.fd, TIOCSWINSZ, &size))
		say_error("winsize: %s", strerror(errno));
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
	void (*run)(char *rest);
} requests[] = {
	{ "run", do_run },
	{ "dump", do_dump },
	{ "winsize", do_winsize },
	{ "poweroff", do_poweroff },
};

static void handle_line(char *line, size_t len, bool overlong)
{
	bool malformed = false;
	char *rest = line, *verb;
	size_t i;

	if (overlong) {
		say_error("request too long");
		return;
	}
	if (strlen(line) != len) {
		say_error("NUL in a line");
		return;
	}
	verb = next_field(&rest, &malformed);
	for (i = 0; verb && i < ARRAY_SIZE(requests); i++) {
		if (strcmp(requests[i].name, verb))
			continue;
		requests[i].run(rest);
		return;
	}
	say_error("unknown request: %s", verb ? verb : "malformed");
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
		handle_line(line, len, overlong);
}

static int time_left(void)
{
	long long left;

	if (!run.pid || !run.until)
		return -1;
	left = run.until - step_now();
	return left < 0 ? 0 : (int)left;
}

static void serve(void)
{
	static char buf[REQUEST_MAX];
	struct step_lines lines = { .buf = buf, .size = sizeof(buf) };
	struct pollfd fds[] = {
		{ .fd = control_line.fd, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), time_left()) < 0)
			continue;
		/* First: a request must not find a program that has ended. */
		if (fds[1].revents) {
			clear_signals();
			reap();
		}
		if (run.pid && run.ended)
			finish_run(false);
		else if (!time_left())
			finish_run(true);
		if (fds[0].revents)
			read_control(&lines);
	}
}

static void watch_children(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &usual_signals);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		say_kernel("farwatch: signalfd: %s", strerror(errno));
}

int main(void)
{
	/* It kills everybody else, so it must not be tried on a real machine. */
	if (getpid() != 1) {
		fprintf(stderr, "agent: only ever the first process of a guest\n");
		return 2;
	}
	umask(0);
	mount_all();
	leave_console();
	find_lines();
	watch_children();
	open_line(&steps_line);
	open_line(&control_line);
	open_line(&output_line);
	if (control_line.fd < 0 || signals < 0)
		power_off();
	say("ready %lld", step_now());
	serve();
}
