// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server without features: a child that answers on /dev/fuse.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare_server.h"

#define REQUEST_MAX	(FUSE_MIN_READ_BUFFER + 65536)

static void answer(int fd, __u64 unique, int error, const void *body,
		   size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size,
		.error = -error,
		.unique = unique,
	};
	struct iovec parts[] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)body, .iov_len = size },
	};
	ssize_t n = writev(fd, parts, size ? 2 : 1);

	(void)n;	/* who has asked may be gone */
}

static void answer_init(int fd, __u64 unique)
{
	/* Any kernel speaks this one. */
	struct fuse_init_out out = { .major = 7, .minor = 31, .max_write = 4096 };

	answer(fd, unique, 0, &out, sizeof(out));
}

static void answer_attributes(int fd, __u64 unique)
{
	struct fuse_attr_out out = {
		.attr = { .ino = FUSE_ROOT_ID, .mode = S_IFDIR | 0755, .nlink = 2 },
	};

	answer(fd, unique, 0, &out, sizeof(out));
}

static void answer_request(int fd, const struct fuse_in_header *in)
{
	static const struct fuse_statfs_out nothing;

	switch (in->opcode) {
	case FUSE_INIT:
		answer_init(fd, in->unique);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		answer_attributes(fd, in->unique);
		break;
	case FUSE_STATFS:
		answer(fd, in->unique, 0, &nothing, sizeof(nothing));
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(fd, in->unique, ENOSYS, NULL, 0);
	}
}

/* Until the mount is gone. */
static void serve(int fd)
{
	static __u64 request[REQUEST_MAX / sizeof(__u64)];
	ssize_t len;

	for (;;) {
		len = read(fd, request, sizeof(request));
		if (len < 0 && errno == ENODEV)
			return;
		if (len >= (ssize_t)sizeof(struct fuse_in_header))
			answer_request(fd, (const void *)request);
	}
}

static const char *trouble(struct bare_server *server, const char *what)
{
	snprintf(server->problem, sizeof(server->problem), "%s: %s", what,
		 strerror(errno));
	return server->problem;
}

static const char *mount_at(struct bare_server *server, int fd)
{
	char options[64];

	snprintf(server->point, sizeof(server->point), "/tmp/bare-XXXXXX");
	if (!mkdtemp(server->point)) {
		server->point[0] = '\0';
		return trouble(server, "mkdtemp");
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("bare", server->point, "fuse", MS_NOSUID | MS_NODEV, options))
		return trouble(server, "mount of a FUSE file system");
	return NULL;
}

bool bare_server_possible(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 && !geteuid();
}

const char *bare_server_start(struct bare_server *server)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	const char *problem;

	memset(server, 0, sizeof(*server));
	if (fd < 0)
		return trouble(server, "/dev/fuse");
	problem = mount_at(server, fd);
	if (!problem) {
		server->child = fork();
		if (server->child < 0)
			problem = trouble(server, "fork");
		if (!server->child) {
			serve(fd);
			_exit(0);
		}
	}
	close(fd);
	return problem;
}

void bare_server_stop(struct bare_server *server)
{
	if (server->point[0]) {
		umount2(server->point, MNT_DETACH);
		rmdir(server->point);
	}
	if (server->child > 0) {
		kill(server->child, SIGKILL);
		waitpid(server->child, NULL, 0);
	}
	memset(server, 0, sizeof(*server));
}
