// SPDX-License-Identifier: GPL-2.0
/*
 * A plain FUSE server: passes a directory through, on /dev/fuse.
 *
 *	plainfs SOURCE POINT [-o OPTION,...]
 *
 *	fsnotify		tell the kernel what others do in SOURCE
 *	fetch			the same, but wait until the kernel asks
 *	entry_timeout=SECONDS	how long a name is believed (0)
 *	attr_timeout=SECONDS	how long attributes are believed (0)
 *	pid_file=PATH		where to put the process's number
 *	ro			mount read-only
 *
 * It mounts itself and returns as soon as that is done; a process stays behind,
 * which ends with the mount. It needs root for that, and no library. If POINT is
 * /dev/fd/N, it serves what is open there, and returns when that has ended.
 *
 * HOW A SERVER TELLS WHAT OTHERS DO
 * (FUSE 7.47; Documentation/filesystems/fuse/fuse-fsnotify.rst has the rules,
 * fsnotify_abi.h the structures; all that is said here is in events.c)
 *
 * 1. The kernel sets FUSE_HAVE_FSNOTIFY in its INIT. The server sets it in its
 *    answer, and fsnotify_mask to the events that it can learn of. It must be
 *    able to tell what the kernel has made it do itself from what others did:
 *    the former the kernel has reported already. fanotify gives each event the
 *    process that caused it; a server of something remote knows which of its
 *    own requests a message answers.
 * 2. FUSE_FSNOTIFY with FUSE_FSNOTIFY_WATCH says which events are wanted of an
 *    object from now on, by everybody together; mask 0 ends that, and so does
 *    FORGET. The answer says what is watched for. ENOSPC means that there is no
 *    room for one more watch, and whoever asked gets to know that.
 * 3. Then it writes to /dev/fuse what happens, in its order: a message with
 *    unique = 0 and FUSE_NOTIFY_FSNOTIFY for an error, one or more records
 *    behind a header that numbers the batch. Nothing is answered. A record names
 *    the directory and the name that something has in it, if that directory is
 *    watched, and the object, if the kernel knows it: has looked it up, and not
 *    forgotten it. A rename is one record.
 *    With FUSE_FSNOTIFY_CAN_FETCH it does not write of its own accord, but keeps
 *    a request of FUSE_FSNOTIFY_FETCH until there is something to answer it with.
 * 4. When the last link of a watched object is gone, a record with
 *    FUSE_FSNOTIFY_DEAD comes behind all others about it: those who watch it
 *    here get IN_DELETE_SELF.
 * 5. If anything is lost, it says so: FUSE_FSNOTIFY_OVERFLOW.
 *
 * The kernel never waits for records, so a server may be late, but a record that
 * never comes is a name that stays cached for as long as its timeout says. With
 * records for all that changes, these timeouts can be long.
 *
 * Rules of these files:
 *  - One process without threads. Nothing in it waits but poll(), and what the
 *    source's own file system makes it wait for.
 *  - The kernel is trusted: a request is what it should be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plainfs.h"

#define FILES_MAX	(1 << 20)
#define MAX_PAGES	(MAX_WRITE / 4096)

struct options options;

static int device = -1;

int send_message(uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + len, .error = unique ? -err : err, .unique = unique,
	};
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, len } };

	return writev(device, parts, 2) < 0 ? -errno : 0;
}

/* Those of the kernel's offers that we take. */
static uint64_t accepted(uint64_t offered)
{
	uint64_t flags = offered & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS |
				    FUSE_AUTO_INVAL_DATA | FUSE_MAX_PAGES | FUSE_INIT_EXT |
				    FUSE_ATOMIC_O_TRUNC);

	if (options.fsnotify && offered & FUSE_INIT_EXT)
		flags |= offered & FUSE_HAVE_FSNOTIFY;
	return flags;
}

static void put_fsnotify(struct fuse_init_out *out, uint32_t mask)
{
	uint16_t flags = options.fetch ? FUSE_FSNOTIFY_CAN_FETCH : 0;

	memcpy((char *)out + INIT_FSNOTIFY_FLAGS, &flags, sizeof(flags));
	memcpy((char *)out + INIT_FSNOTIFY_MASK, &mask, sizeof(mask));
}

static int op_init(struct request *req)
{
	const struct fuse_init_in *in = req->arg;
	uint64_t offered = in->flags;
	struct fuse_init_out *out = (void *)req->out;
	uint64_t flags;
	uint32_t mask;

	if (in->flags & FUSE_INIT_EXT)
		offered |= (uint64_t)in->flags2 << 32;
	flags = accepted(offered);
	mask = flags & FUSE_HAVE_FSNOTIFY ? events_init() : 0;
	if (!mask)
		flags &= ~FUSE_HAVE_FSNOTIFY;
	memset(out, 0, sizeof(*out));
	out->major = FUSE_KERNEL_VERSION;
	out->minor = in->minor < FSNOTIFY_MINOR ? in->minor : FSNOTIFY_MINOR;
	out->max_readahead = in->max_readahead;
	out->flags = flags;
	out->flags2 = flags >> 32;
	out->max_write = MAX_WRITE;
	out->max_pages = MAX_PAGES;
	out->time_gran = 1;
	put_fsnotify(out, mask);
	return sizeof(*out);
}

static int op_forget(struct request *req)
{
	const struct fuse_forget_in *in = req->arg;

	if (req->node)
		node_forget(req->node, in->nlookup);
	return NO_ANSWER;
}

static int op_batch_forget(struct request *req)
{
	const struct fuse_batch_forget_in *in = req->arg;
	const struct fuse_forget_one *one = (const void *)(in + 1);
	uint32_t i;

	for (i = 0; i < in->count; i++) {
		struct node *node = node_of(one[i].nodeid);

		if (node)
			node_forget(node, one[i].nlookup);
	}
	return NO_ANSWER;
}

/* What has begun here is soon over, or as stuck as its file system is. */
static int op_interrupt(struct request *req)
{
	(void)req;
	return NO_ANSWER;
}

static int op_destroy(struct request *req)
{
	(void)req;
	return 0;
}

/* What is not here the kernel does without: ENOSYS. */
static const struct {
	int (*run)(struct request *req);
	bool without_node;
} operations[] = {
	[FUSE_INIT] = { op_init, true },
	[FUSE_DESTROY] = { op_destroy, true },
	[FUSE_INTERRUPT] = { op_interrupt, true },
	[FUSE_FORGET] = { op_forget, true },
	[FUSE_BATCH_FORGET] = { op_batch_forget, true },
	[FUSE_LOOKUP] = { op_lookup },
	[FUSE_GETATTR] = { op_getattr },
	[FUSE_SETATTR] = { op_setattr },
	[FUSE_READLINK] = { op_readlink },
	[FUSE_SYMLINK] = { op_symlink },
	[FUSE_MKNOD] = { op_mknod },
	[FUSE_MKDIR] = { op_mkdir },
	[FUSE_UNLINK] = { op_unlink },
	[FUSE_RMDIR] = { op_rmdir },
	[FUSE_RENAME] = { op_rename },
	[FUSE_RENAME2] = { op_rename2 },
	[FUSE_LINK] = { op_link },
	[FUSE_CREATE] = { op_create },
	[FUSE_TMPFILE] = { op_tmpfile },
	[FUSE_OPEN] = { op_open },
	[FUSE_READ] = { op_read },
	[FUSE_WRITE] = { op_write },
	[FUSE_FLUSH] = { op_flush },
	[FUSE_RELEASE] = { op_release },
	[FUSE_FSYNC] = { op_fsync },
	[FUSE_FALLOCATE] = { op_fallocate },
	[FUSE_LSEEK] = { op_lseek },
	[FUSE_COPY_FILE_RANGE] = { op_copy_file_range },
	[FUSE_OPENDIR] = { op_opendir },
	[FUSE_READDIR] = { op_readdir },
	[FUSE_RELEASEDIR] = { op_release },
	[FUSE_FSYNCDIR] = { op_fsync },
	[FUSE_STATFS] = { op_statfs },
	[FUSE_SETXATTR] = { op_setxattr },
	[FUSE_GETXATTR] = { op_getxattr },
	[FUSE_LISTXATTR] = { op_listxattr },
	[FUSE_REMOVEXATTR] = { op_removexattr },
	[FUSE_FSNOTIFY] = { op_fsnotify },
};

static int carry_out(struct request *req)
{
	uint32_t opcode = req->in->opcode;

	if (opcode >= ARRAY_SIZE(operations) || !operations[opcode].run)
		return -ENOSYS;
	req->node = node_of(req->in->nodeid);
	if (!req->node && !operations[opcode].without_node)
		return -ESTALE;
	return operations[opcode].run(req);
}

static void serve_request(const char *bytes, size_t len)
{
	static char out[MESSAGE_MAX] __attribute__((aligned(8)));
	struct request req = { .in = (const void *)bytes, .out = out };
	uint64_t unique = req.in->unique;
	int ret;

	req.arg = req.in + 1;
	req.arg_len = len - sizeof(*req.in);
	ret = carry_out(&req);
	if (ret == NO_ANSWER)
		return;
	send_message(unique, ret < 0 ? -ret : 0, out, ret < 0 ? 0 : ret);
}

/* The exit status: until the mount has ended. */
static int serve(void)
{
	static char bytes[MESSAGE_MAX] __attribute__((aligned(8)));
	struct pollfd fds[2] = { { .fd = device, .events = POLLIN }, { .events = POLLIN } };

	for (;;) {
		ssize_t n = -1;

		fds[1].fd = events_fd();
		fds[1].revents = 0;
		if (poll(fds, 2, events_pending() ? 0 : -1) < 0) {
			if (errno != EINTR)
				return 1;
			continue;
		}
		errno = EAGAIN;
		if (fds[0].revents)
			n = read(device, bytes, sizeof(bytes));
		/* ENOENT: it was interrupted before we took it */
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			return errno != ENODEV;
		if (!n)
			return 0;
		if (n > 0)
			serve_request(bytes, n);
		if (fds[1].revents || events_pending())
			events_serve();
	}
}

static bool take_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return *text && !*end && *number >= 0;
}

static bool take_option(char *option, unsigned long *flags)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	if (!value && !strcmp(option, "fsnotify"))
		options.fsnotify = true;
	else if (!value && !strcmp(option, "fetch"))
		options.fsnotify = options.fetch = true;
	else if (!value && !strcmp(option, "ro"))
		*flags |= MS_RDONLY;
	else if (value && !strcmp(option, "pid_file"))
		options.pid_file = value;
	else if (value && !strcmp(option, "entry_timeout"))
		return take_number(value, &options.entry_timeout);
	else if (value && !strcmp(option, "attr_timeout"))
		return take_number(value, &options.attr_timeout);
	else
		return false;
	return true;
}

static bool take_options(char *list, unsigned long *flags)
{
	char *option;

	while ((option = strsep(&list, ","))) {
		if (*option && !take_option(option, flags)) {
			fprintf(stderr, "plainfs: unusable option: %s\n", option);
			return false;
		}
	}
	return true;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "plainfs: %s: %s\n", what, strerror(err));
	return 1;
}

static int mount_it(unsigned long flags)
{
	char data[128];

	device = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device < 0)
		return fail("/dev/fuse", errno);
	snprintf(data, sizeof(data), "fd=%d,rootmode=%o,user_id=0,group_id=0,"
		 "allow_other,default_permissions", device, S_IFDIR);
	if (mount("plainfs", options.point, "fuse", flags | MS_NOSUID | MS_NODEV, data))
		return fail(options.point, errno);
	return 0;
}

/* Somebody else has mounted it, or plays the kernel. */
static int take_device(void)
{
	if (sscanf(options.point, "/dev/fd/%d", &device) != 1)
		return fail(options.point, EINVAL);
	return serve();
}

static int put_pid(pid_t pid)
{
	FILE *file = fopen(options.pid_file, "w");

	if (!file)
		return fail(options.pid_file, errno);
	fprintf(file, "%d\n", pid);
	return fclose(file) ? fail(options.pid_file, errno) : 0;
}

/* The kernel waits for an answer to INIT, so nothing is too early for us. */
static int stay_behind(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return fail("fork", errno);
	if (pid)
		return options.pid_file ? put_pid(pid) : 0;
	setsid();
	return serve();
}

int main(int argc, char *argv[])
{
	static const struct rlimit files = { FILES_MAX, FILES_MAX };
	unsigned long flags = 0;
	int err;

	if (!(argc == 3 || (argc == 5 && !strcmp(argv[3], "-o")))) {
		fprintf(stderr, "usage: plainfs SOURCE POINT [-o OPTION,...]\n");
		return 2;
	}
	options.source = argv[1];
	options.point = argv[2];
	if (argc == 5 && !take_options(argv[4], &flags))
		return 2;
	/* Each object that the kernel knows is a descriptor; fewer will do for a while. */
	setrlimit(RLIMIT_NOFILE, &files);
	umask(0);
	err = nodes_init(options.source);
	if (err)
		return fail(options.source, -err);
	if (!strncmp(options.point, "/dev/fd/", 8))
		return take_device();
	err = mount_it(flags);
	return err ? err : stay_behind();
}
