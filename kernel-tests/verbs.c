// SPDX-License-Identifier: GPL-2.0
/*
 * Carries out steps: what each verb does.
 *
 * Rules of this file:
 *  - A verb makes the one system call that it is named after, and no other
 *    that would be seen as an event.
 *  - Nothing here waits for ever.
 *  - Functions return 0 or a negative errno; errno becomes positive where it is
 *    an answer: step_execute().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"
#include "paths.h"
#include "verbs.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NS_PER_SEC	1000000000ULL
#define MODE_MAX	07777
#define FILL_MODE	0644
#define QUIET_MS_MAX	3600000
#define GAP_US_MAX	1000000
#define QUIET_TICK_US	10000
#define WATCHES_TICK_US	1000

/* What a system call on fd came to; fd is done with. */
static int finish(int fd, int result)
{
	int err = result < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static bool argument_number(const struct step *step, int i,
			    unsigned long long max, unsigned long long *number)
{
	return step_number(step->argv[i], 10, max, number);
}

static bool argument_mode(const struct step *step, int i, mode_t *mode)
{
	unsigned long long number;

	if (!step_number(step->argv[i], 8, MODE_MAX, &number))
		return false;
	*mode = number;
	return true;
}

/* One write, whole or not at all: a second one would be a second event. */
static int write_once(int fd, const char *data, off_t offset, bool append)
{
	size_t len = strlen(data);
	ssize_t n = append ? write(fd, data, len) : pwrite(fd, data, len, offset);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int do_create(struct step *step)
{
	const char *name;
	mode_t mode;
	int dir, fd;

	if (!argument_mode(step, 1, &mode))
		return -EINVAL;
	dir = open_parent(step->actor, step->argv[0], &name);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW |
		    O_CLOEXEC, mode);
	if (fd >= 0)
		close(fd);
	return finish(dir, fd);
}

static int do_write(struct step *step)
{
	unsigned long long offset;
	int fd, err;

	if (!argument_number(step, 1, LLONG_MAX, &offset))
		return -EINVAL;
	fd = open_file(step->actor, step->argv[0], O_WRONLY);
	if (fd < 0)
		return fd;
	err = write_once(fd, step->argv[2], offset, false);
	close(fd);
	return err;
}

static int do_append(struct step *step)
{
	int fd = open_file(step->actor, step->argv[0], O_WRONLY | O_APPEND);
	int err;

	if (fd < 0)
		return fd;
	err = write_once(fd, step->argv[1], 0, true);
	close(fd);
	return err;
}

static int do_truncate(struct step *step)
{
	unsigned long long size;
	int fd;

	if (!argument_number(step, 1, LLONG_MAX, &size))
		return -EINVAL;
	fd = open_file(step->actor, step->argv[0], O_WRONLY);
	if (fd < 0)
		return fd;
	return finish(fd, ftruncate(fd, size));
}

static int do_mkdir(struct step *step)
{
	const char *name;
	mode_t mode;
	int dir;

	if (!argument_mode(step, 1, &mode))
		return -EINVAL;
	dir = open_parent(step->actor, step->argv[0], &name);
	if (dir < 0)
		return dir;
	return finish(dir, mkdirat(dir, name, mode));
}

static int remove_name(struct step *step, int flags)
{
	const char *name;
	int dir = open_parent(step->actor, step->argv[0], &name);

	if (dir < 0)
		return dir;
	return finish(dir, unlinkat(dir, name, flags));
}

static int do_rmdir(struct step *step)
{
	return remove_name(step, AT_REMOVEDIR);
}

static int do_unlink(struct step *step)
{
	return remove_name(step, 0);
}

/* The parents of argv[0] and argv[1]. */
static int open_parents(struct step *step, int dirs[2], const char *names[2])
{
	dirs[0] = open_parent(step->actor, step->argv[0], &names[0]);
	if (dirs[0] < 0)
		return dirs[0];
	dirs[1] = open_parent(step->actor, step->argv[1], &names[1]);
	if (dirs[1] < 0) {
		close(dirs[0]);
		return dirs[1];
	}
	return 0;
}

static int rename_flags(const struct step *step, unsigned int *flags)
{
	*flags = 0;
	if (step->argc < 3)
		return 0;
	if (!strcmp(step->argv[2], "exchange"))
		*flags = RENAME_EXCHANGE;
	else if (!strcmp(step->argv[2], "noreplace"))
		*flags = RENAME_NOREPLACE;
	else
		return -EINVAL;
	return 0;
}

static int do_rename(struct step *step)
{
	const char *names[2];
	unsigned int flags;
	int dirs[2];
	int err;

	err = rename_flags(step, &flags);
	if (!err)
		err = open_parents(step, dirs, names);
	if (err)
		return err;
	err = finish(dirs[0], renameat2(dirs[0], names[0], dirs[1], names[1],
					flags));
	close(dirs[1]);
	return err;
}

static int do_link(struct step *step)
{
	const char *names[2];
	int dirs[2];
	int err;

	err = open_parents(step, dirs, names);
	if (err)
		return err;
	err = finish(dirs[0], linkat(dirs[0], names[0], dirs[1], names[1], 0));
	close(dirs[1]);
	return err;
}

/* The target is text, never a path of ours: it may point anywhere. */
static int do_symlink(struct step *step)
{
	const char *name;
	int dir = open_parent(step->actor, step->argv[1], &name);

	if (dir < 0)
		return dir;
	return finish(dir, symlinkat(step->argv[0], dir, name));
}

static int do_chmod(struct step *step)
{
	char link[32];
	mode_t mode;
	int node;

	if (!argument_mode(step, 1, &mode))
		return -EINVAL;
	node = open_node(step->actor, step->argv[0], 0);
	if (node < 0)
		return node;
	node_link(node, link, sizeof(link));
	return finish(node, chmod(link, mode));
}

static int do_utimes(struct step *step)
{
	struct timespec times[2];
	unsigned long long ns;
	const char *name;
	int dir, i;

	for (i = 0; i < 2; i++) {
		if (!argument_number(step, i + 1, LLONG_MAX, &ns))
			return -EINVAL;
		times[i].tv_sec = ns / NS_PER_SEC;
		times[i].tv_nsec = ns % NS_PER_SEC;
	}
	dir = open_parent(step->actor, step->argv[0], &name);
	if (dir < 0)
		return dir;
	return finish(dir, utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW));
}

static int do_setxattr(struct step *step)
{
	const char *value = step->argv[2];
	int node = open_node(step->actor, step->argv[0], 0);
	char link[32];

	if (node < 0)
		return node;
	node_link(node, link, sizeof(link));
	return finish(node, setxattr(link, step->argv[1], value, strlen(value), 0));
}

static int do_removexattr(struct step *step)
{
	int node = open_node(step->actor, step->argv[0], 0);
	char link[32];

	if (node < 0)
		return node;
	node_link(node, link, sizeof(link));
	return finish(node, removexattr(link, step->argv[1]));
}

static int open_flags(const char *text)
{
	static const struct {
		const char *text;
		int flags;
	} known[] = {
		{ "r", O_RDONLY }, { "w", O_WRONLY }, { "rw", O_RDWR },
		{ "a", O_WRONLY | O_APPEND }, { "d", O_RDONLY | O_DIRECTORY },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(text, known[i].text))
			return known[i].flags;
	return -EINVAL;
}

static int *argument_handle(const struct step *step, int i)
{
	unsigned long long handle;

	if (!argument_number(step, i, STEP_HANDLES_MAX - 1, &handle))
		return NULL;
	return &step->actor->handles[handle];
}

static int do_open(struct step *step)
{
	int flags = open_flags(step->argv[1]);
	int *handle = argument_handle(step, 2);
	int fd;

	if (flags < 0 || !handle)
		return -EINVAL;
	if (*handle >= 0)
		return -EBUSY;
	fd = open_file(step->actor, step->argv[0], flags);
	if (fd < 0)
		return fd;
	*handle = fd;
	return 0;
}

static int do_read(struct step *step)
{
	int *handle = argument_handle(step, 0);
	unsigned long long length;
	char data[STEP_READ_MAX];
	ssize_t n;

	if (!handle || !argument_number(step, 1, LLONG_MAX, &length))
		return -EINVAL;
	if (length > sizeof(data))
		return -EMSGSIZE;
	if (*handle < 0)
		return -EBADF;
	n = read(*handle, data, length);
	if (n < 0)
		return -errno;
	return step_escape(step->values, step->size, data, n) ? 0 : -EMSGSIZE;
}

static int do_pwrite(struct step *step)
{
	int *handle = argument_handle(step, 0);
	unsigned long long offset;

	if (!handle || !argument_number(step, 1, LLONG_MAX, &offset))
		return -EINVAL;
	if (*handle < 0)
		return -EBADF;
	return write_once(*handle, step->argv[2], offset, false);
}

static int do_close(struct step *step)
{
	int *handle = argument_handle(step, 0);
	int fd;

	if (!handle)
		return -EINVAL;
	if (*handle < 0)
		return -EBADF;
	fd = *handle;
	*handle = -1;
	return close(fd) ? -errno : 0;
}

static int do_tmpfile(struct step *step)
{
	int *handle = argument_handle(step, 1);
	char link[32];
	int node, fd;

	if (!handle)
		return -EINVAL;
	if (*handle >= 0)
		return -EBUSY;
	node = open_node(step->actor, step->argv[0], O_DIRECTORY);
	if (node < 0)
		return node;
	node_link(node, link, sizeof(link));
	fd = open(link, O_TMPFILE | O_RDWR | O_CLOEXEC, FILL_MODE);
	if (fd >= 0)
		*handle = fd;
	return finish(node, fd);
}

static int do_flink(struct step *step)
{
	int *handle = argument_handle(step, 0);
	const char *name;
	char link[32];
	int dir;

	if (!handle)
		return -EINVAL;
	if (*handle < 0)
		return -EBADF;
	dir = open_parent(step->actor, step->argv[1], &name);
	if (dir < 0)
		return dir;
	node_link(*handle, link, sizeof(link));
	return finish(dir, linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW));
}

static int do_fsync(struct step *step)
{
	int *handle = argument_handle(step, 0);

	if (!handle)
		return -EINVAL;
	if (*handle < 0)
		return -EBADF;
	return fsync(*handle) ? -errno : 0;
}

static int do_drop(struct step *step)
{
	int i;

	for (i = 0; i < STEP_HANDLES_MAX; i++) {
		if (step->actor->handles[i] >= 0)
			close(step->actor->handles[i]);
		step->actor->handles[i] = -1;
	}
	return 0;
}

static int do_stat(struct step *step)
{
	int node = open_node(step->actor, step->argv[0], O_NOFOLLOW);
	struct stat st;
	int err, n;

	if (node < 0)
		return node;
	err = finish(node, fstat(node, &st));
	if (err)
		return err;
	n = snprintf(step->values, step->size, "%ju %jd %jo %jd %ju",
		     (uintmax_t)st.st_nlink, (intmax_t)st.st_size,
		     (uintmax_t)st.st_mode,
		     (intmax_t)st.st_mtim.tv_sec * (intmax_t)NS_PER_SEC +
		     st.st_mtim.tv_nsec, (uintmax_t)st.st_ino);
	return n >= 0 && (size_t)n < step->size ? 0 : -EMSGSIZE;
}

static int create_one(int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW |
			O_CLOEXEC, FILL_MODE);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int unlink_one(int dir, const char *name)
{
	return unlinkat(dir, name, 0) ? -errno : 0;
}

static bool too_late(const struct step_actor *actor)
{
	return actor->until && step_now() > actor->until;
}

/* These are the steps that may take long, so they mind the deadline. */
static int each_name(struct step *step, int (*one)(int dir, const char *name))
{
	const char *prefix = step->argv[1];
	unsigned long long count, i;
	char name[NAME_MAX + 32];
	int dir, err = 0;

	if (strchr(prefix, '/') ||
	    !argument_number(step, 2, STEP_COUNT_MAX, &count))
		return -EINVAL;
	if (strlen(prefix) > NAME_MAX)
		return -ENAMETOOLONG;
	dir = open_node(step->actor, step->argv[0], O_DIRECTORY);
	if (dir < 0)
		return dir;
	for (i = 0; i < count && !err; i++) {
		snprintf(name, sizeof(name), "%s%llu", prefix, i);
		err = too_late(step->actor) ? -ETIMEDOUT : one(dir, name);
	}
	close(dir);
	return err;
}

static int do_fill(struct step *step)
{
	return each_name(step, create_one);
}

static int do_clear(struct step *step)
{
	return each_name(step, unlink_one);
}

static void pause_us(unsigned long long us)
{
	struct timespec gap = {
		.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000,
	};

	nanosleep(&gap, NULL);
}

static int stamp_one(int dir, unsigned long long before,
		     unsigned long long after)
{
	char name[40];

	snprintf(name, sizeof(name), "%016llx-%016llx", before, after);
	return create_one(dir, name);
}

static int do_stamp(struct step *step)
{
	unsigned long long count, gap, i, after = 0;
	int dir, err = 0;

	if (!argument_number(step, 1, STEP_COUNT_MAX, &count) ||
	    !argument_number(step, 2, GAP_US_MAX, &gap))
		return -EINVAL;
	if (!step_ticks())
		return -EOPNOTSUPP;
	dir = open_node(step->actor, step->argv[0], O_DIRECTORY);
	if (dir < 0)
		return dir;
	for (i = 0; i < count && !err; i++) {
		pause_us(gap);
		err = too_late(step->actor) ? -ETIMEDOUT :
		      stamp_one(dir, step_ticks(), after);
		after = step_ticks();
	}
	if (!err)
		err = stamp_one(dir, 0, after);
	close(dir);
	return err;
}

static int put_number(struct step *step, long number)
{
	snprintf(step->values, step->size, "%ld", number);
	return 0;
}

static int signal_server(int signal)
{
	return keeper_has_server() ? keeper_signal(signal) : 0;
}

static int do_pause(struct step *step)
{
	(void)step;
	return signal_server(SIGSTOP);
}

static int do_continue(struct step *step)
{
	(void)step;
	return signal_server(SIGCONT);
}

static int do_kill(struct step *step)
{
	(void)step;
	return signal_server(SIGKILL);
}

static int do_count(struct step *step)
{
	return put_number(step, keeper_watches());
}

static int do_rss(struct step *step)
{
	return put_number(step, keeper_rss_kib());
}

static int do_cpu(struct step *step)
{
	return put_number(step, keeper_cpu_ms());
}

static int do_wakeups(struct step *step)
{
	return put_number(step, keeper_wakeups());
}

static int do_nop(struct step *step)
{
	(void)step;
	return 0;
}

static int do_quiet(struct step *step)
{
	long long since = step_now();
	unsigned long long ms;
	long used, now;

	if (!argument_number(step, 0, QUIET_MS_MAX, &ms))
		return -EINVAL;
	if (!keeper_has_server())
		return 0;
	used = keeper_cpu_ms();
	while (step_now() - since < (long long)ms) {
		pause_us(QUIET_TICK_US);
		now = keeper_cpu_ms();
		if (now != used)
			since = step_now();
		used = now;
	}
	return 0;
}

static int do_watches(struct step *step)
{
	long long until = step_now();
	unsigned long long min, max, ms;
	long count;

	if (!argument_number(step, 0, STEP_COUNT_MAX, &min) ||
	    !argument_number(step, 1, STEP_COUNT_MAX, &max) ||
	    !argument_number(step, 2, QUIET_MS_MAX, &ms))
		return -EINVAL;
	if (!keeper_has_server())
		return put_number(step, min);
	until += ms;
	for (;;) {
		count = keeper_watches();
		if ((count >= (long)min && count <= (long)max) || step_now() >= until)
			return put_number(step, count);
		pause_us(WATCHES_TICK_US);
	}
}

struct verb {
	const char *name;
	int min, max;		/* ARGs */
	int (*run)(struct step *step);
};

static const struct verb file_verbs[] = {
	{ "create",	 2, 2, do_create },
	{ "write",	 3, 3, do_write },
	{ "append",	 2, 2, do_append },
	{ "truncate",	 2, 2, do_truncate },
	{ "mkdir",	 2, 2, do_mkdir },
	{ "rmdir",	 1, 1, do_rmdir },
	{ "unlink",	 1, 1, do_unlink },
	{ "rename",	 2, 3, do_rename },
	{ "link",	 2, 2, do_link },
	{ "symlink",	 2, 2, do_symlink },
	{ "chmod",	 2, 2, do_chmod },
	{ "utimes",	 3, 3, do_utimes },
	{ "setxattr",	 3, 3, do_setxattr },
	{ "removexattr", 2, 2, do_removexattr },
	{ "open",	 3, 3, do_open },
	{ "read",	 2, 2, do_read },
	{ "pwrite",	 3, 3, do_pwrite },
	{ "close",	 1, 1, do_close },
	{ "stat",	 1, 1, do_stat },
	{ "fill",	 3, 3, do_fill },
	{ "clear",	 3, 3, do_clear },
	{ "stamp",	 3, 3, do_stamp },
	{ "tmpfile",	 2, 2, do_tmpfile },
	{ "flink",	 2, 2, do_flink },
	{ "fsync",	 1, 1, do_fsync },
	{ "drop",	 0, 0, do_drop },
	{ "script",	 1, 1, step_script },
	{ "play",	 1, 1, step_play },
	{ "timed",	 1, 1, step_timed },
	{ "run",	 2, 3, step_run },
	{ "nop",	 0, 0, do_nop },
};

/* Without a server (keeper.h) they do nothing. */
static const struct verb server_verbs[] = {
	{ "pause",	 0, 0, do_pause },
	{ "continue",	 0, 0, do_continue },
	{ "kill",	 0, 0, do_kill },
	{ "quiet",	 1, 1, do_quiet },
	{ "watches",	 3, 3, do_watches },
	{ "count",	 0, 0, do_count },
	{ "rss",	 0, 0, do_rss },
	{ "cpu",	 0, 0, do_cpu },
	{ "wakeups",	 0, 0, do_wakeups },
};

static int run_verb(const struct verb *verbs, size_t count, struct step *step,
		    const char *name)
{
	mode_t mask;
	size_t i;
	int err;

	for (i = 0; i < count; i++)
		if (!strcmp(verbs[i].name, name))
			break;
	if (i == count)
		return -EOPNOTSUPP;
	if (step->argc < verbs[i].min || step->argc > verbs[i].max)
		return -EINVAL;
	/* A mode is what the step says, whoever carries it out. */
	mask = umask(0);
	err = verbs[i].run(step);
	umask(mask);
	return err;
}

static int run_words(const struct verb *verbs, size_t count,
		     struct step_actor *actor, int argc, char *const argv[],
		     char *values, size_t size)
{
	struct step step = {
		.actor = actor, .argc = argc - 1, .argv = argv + 1,
		.values = values, .size = size,
	};
	int err = -EINVAL;

	if (size)
		values[0] = '\0';
	if (argc > 0)
		err = run_verb(verbs, count, &step, argv[0]);
	return -err;
}

int step_execute(struct step_actor *actor, int argc, char *const argv[],
		 char *values, size_t size)
{
	return run_words(file_verbs, ARRAY_SIZE(file_verbs), actor, argc, argv,
			 values, size);
}

int step_play_server(struct step_actor *actor, int argc, char *const argv[],
		     char *values, size_t size)
{
	return run_words(server_verbs, ARRAY_SIZE(server_verbs), actor, argc,
			 argv, values, size);
}
