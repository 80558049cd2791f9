// SPDX-License-Identifier: GPL-2.0
/*
 * The folder of an actor, and what a path in it stands for.
 *
 * Rules of this file:
 *  - No path leaves the folder, and no symbolic link is ever followed: the
 *    kernel resolves every path itself (openat2), nothing is decided by
 *    looking at a path and using it later.
 *  - A file that already exists is found as an O_PATH descriptor, looked at,
 *    and only then opened, through /proc/self/fd: so that no fifo can block
 *    the actor and no device of the host is touched.
 *  - Functions return 0 or a descriptor, or a negative errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paths.h"

int step_actor_init(struct step_actor *actor, const char *folder)
{
	size_t i;

	memset(actor, 0, sizeof(*actor));
	for (i = 0; i < STEP_HANDLES_MAX; i++)
		actor->handles[i] = -1;
	actor->root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return actor->root < 0 ? -errno : 0;
}

void step_actor_fini(struct step_actor *actor)
{
	size_t i;

	for (i = 0; i < STEP_HANDLES_MAX; i++) {
		if (actor->handles[i] >= 0)
			close(actor->handles[i]);
		actor->handles[i] = -1;
	}
	if (actor->root >= 0)
		close(actor->root);
	actor->root = -1;
	free(actor->script);
	actor->script = NULL;
}

static bool climbs(const char *path)
{
	const char *part = path;

	while (part) {
		if (!strncmp(part, "..", 2) && (!part[2] || part[2] == '/'))
			return true;
		part = strchr(part, '/');
		if (part)
			part++;
	}
	return false;
}

/* What no path may be, whoever resolves it. */
static int check_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] == '/' || climbs(path))
		return -EXDEV;
	if (!len)
		return -ENOENT;
	/* "a/" follows a link named "a" in some calls and not in others. */
	if (path[len - 1] == '/')
		return -EINVAL;
	return 0;
}

int open_node(const struct step_actor *actor, const char *path, int flags)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int err = check_path(path);
	int fd;

	if (err)
		return err;
	fd = syscall(SYS_openat2, actor->root, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int open_parent(const struct step_actor *actor, const char *path,
		const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int err = check_path(path);

	if (err)
		return err;
	*name = slash ? slash + 1 : path;
	if (!slash)
		return open_node(actor, ".", O_DIRECTORY);
	/* The last of several slashes is no part of the directory's name. */
	while (slash > path && slash[-1] == '/')
		slash--;
	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, slash - path);
	dir[slash - path] = '\0';
	return open_node(actor, dir, O_DIRECTORY);
}

void node_link(int fd, char *link, size_t size)
{
	snprintf(link, size, "/proc/self/fd/%d", fd);
}

int open_file(const struct step_actor *actor, const char *path, int flags)
{
	int node = open_node(actor, path, 0);
	char link[32];
	struct stat st;
	int fd;

	if (node < 0)
		return node;
	if (fstat(node, &st)) {
		fd = -errno;
	} else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		fd = -EACCES;
	} else {
		node_link(node, link, sizeof(link));
		fd = open(link, flags | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			fd = -errno;
	}
	close(node);
	return fd;
}
