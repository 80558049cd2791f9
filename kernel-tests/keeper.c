// SPDX-License-Identifier: GPL-2.0
/*
 * Starts the server of a share in this machine, stops it, and looks at it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"
#include "steps.h"

#define STOP_MS		2000

/* What it complains about belongs to the kernel's messages: it outlives us. */
static void be_server(const char *server, const char *source, const char *point,
		      const char *options)
{
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (log >= 0)
		dup2(log, STDERR_FILENO);
	execl(server, server, source, point, "-o", options, NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

int keeper_mount(const char *server, const char *source, const char *point,
		 const char *options, const char *pid_file)
{
	char all[1024];
	int status;
	pid_t pid;

	if (snprintf(all, sizeof(all), "%s,pid_file=%s", options ? options : "",
		     pid_file) >= (int)sizeof(all))
		return -E2BIG;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		be_server(server, source, point, all);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPROTO;
}

bool keeper_has_server(void)
{
	return getenv(STEPS_ENV_SERVER_PID);
}

/* 0: there is none, or none any more. */
static pid_t server_pid(void)
{
	const char *path = getenv(STEPS_ENV_SERVER_PID);
	FILE *file = path ? fopen(path, "r") : NULL;
	int pid = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d", &pid) != 1 || pid <= 0 || kill(pid, 0))
		pid = 0;
	fclose(file);
	return pid;
}

static FILE *open_proc(const char *name)
{
	char path[64];
	pid_t pid = server_pid();

	if (!pid)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "r");
}

/* State, and the two times, of proc_pid_stat(5): one process without threads. */
static bool read_stat(char *state, unsigned long *user, unsigned long *system)
{
	FILE *file = open_proc("stat");
	char line[1024] = "";
	char *rest;

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	rest = strrchr(line, ')');
	return rest && sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      state, user, system) == 3;
}

static int await_stop(void)
{
	static const struct timespec tick = { .tv_nsec = 1000000 };
	long long until = step_now() + STOP_MS;
	unsigned long user, system;
	char state = '\0';

	do {
		if (!read_stat(&state, &user, &system))
			return -ESRCH;
		if (state == 'T')
			return 0;
		nanosleep(&tick, NULL);
	} while (step_now() < until);
	return -ETIMEDOUT;
}

int keeper_signal(int signal)
{
	pid_t pid = server_pid();

	if (!pid)
		return -ESRCH;
	if (kill(pid, signal))
		return -errno;
	return signal == SIGSTOP ? await_stop() : 0;
}

/* A mark that only tells of the end of directories in another is no watch. */
static bool is_watch(const char *line)
{
	static const unsigned int endings = 0x200 | 0x40000000;	/* FAN_DELETE, FAN_ONDIR */
	const char *mask = strstr(line, " mask:");

	if (strncmp(line, "fanotify ino:", 13) || !mask)
		return false;
	return strtoul(mask + 6, NULL, 16) & ~endings;
}

static long count_watches(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	long count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += is_watch(line);
	if (file)
		fclose(file);
	return count;
}

/*
 * Hundreds of descriptors of files, of which one is a group: its link names it,
 * and only that one is read.
 */
long keeper_watches(void)
{
	char folder[64], path[400], target[64];
	struct dirent *entry;
	pid_t pid = server_pid();
	long count = 0;
	ssize_t n;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	dir = pid ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (!strstr(target, "[fanotify]"))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, entry->d_name);
		count += count_watches(path);
	}
	if (dir)
		closedir(dir);
	return count;
}

long keeper_rss_kib(void)
{
	FILE *file = open_proc("statm");
	long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

long keeper_cpu_ms(void)
{
	unsigned long user, system;
	char state;

	if (!read_stat(&state, &user, &system))
		return 0;
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static long wakeups_of(int tasks, const char *thread)
{
	char path[NAME_MAX + 16], line[128];
	long count = 0;
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/status", thread);
	fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1)
			break;
	if (file)
		fclose(file);
	return count;
}

long keeper_wakeups(void)
{
	struct dirent *entry;
	char folder[64];
	long count = 0;
	pid_t pid = server_pid();
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%d/task", pid);
	dir = pid ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir)))
		count += wakeups_of(dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
	return count;
}
