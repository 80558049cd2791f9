// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on names and attributes.
 *
 * Rules of this file:
 *  - A name is resolved in the directory's descriptor, never by a path that
 *    somebody could have renamed.
 *  - What is made belongs to the caller from its first moment: others see it.
 *  - Nothing is served that is mounted below the source.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "plainfs.h"

static const char *second(const char *name)
{
	return name + strlen(name) + 1;
}

static void fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = st->st_size,
		.blocks = st->st_blocks,
		.atime = st->st_atim.tv_sec,
		.mtime = st->st_mtim.tv_sec,
		.ctime = st->st_ctim.tv_sec,
		.atimensec = st->st_atim.tv_nsec,
		.mtimensec = st->st_mtim.tv_nsec,
		.ctimensec = st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = st->st_rdev,
		.blksize = st->st_blksize,
	};
}

static void set_timeout(double seconds, uint64_t *whole, uint32_t *nano)
{
	*whole = seconds;
	*nano = (seconds - *whole) * 1e9;
}

/* One lookup more of what fd is; the descriptor is used up. */
static int enter(int fd, struct fuse_entry_out *out, struct node **found)
{
	struct node *node;
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	err = node_take(fd, &node);
	if (err)
		return err;
	if (fstat(node->fd, &st)) {
		err = -errno;
		node_put(node);
		return err;
	}
	node->lookups++;
	memset(out, 0, sizeof(*out));
	out->nodeid = node->id;
	out->generation = generation_of(node->id);
	fill_attr(&out->attr, &st);
	set_timeout(options.entry_timeout, &out->entry_valid, &out->entry_valid_nsec);
	set_timeout(options.attr_timeout, &out->attr_valid, &out->attr_valid_nsec);
	if (found)
		*found = node;
	return sizeof(*out);
}

static int open_name(int dir, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH,
	};

	return syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int enter_name(struct request *req, const char *name)
{
	struct node *node;
	int ret = enter(open_name(req->node->fd, name), (void *)req->out, &node);

	if (ret > 0)
		events_place(node, req->node->id, name);
	return ret;
}

int op_lookup(struct request *req)
{
	return enter_name(req, req->arg);
}

/* The caller's, as far as new files are concerned; the kernel has checked the rest. */
static void become(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	setfsgid(gid);
	setfsuid(uid);
	if (!uid || syscall(SYS_capget, &head, data))
		return;
	data[0].effective |= data[0].permitted &
		(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_MKNOD);
	syscall(SYS_capset, &head, data);
}

static void become_caller(const struct request *req)
{
	become(req->in->uid, req->in->gid);
}

static void become_root(void)
{
	int err = errno;

	become(0, 0);
	errno = err;
}

int op_symlink(struct request *req)
{
	const char *name = req->arg;
	int ret;

	become_caller(req);
	ret = symlinkat(second(name), req->node->fd, name);
	become_root();
	return ret ? -errno : enter_name(req, name);
}

int op_mknod(struct request *req)
{
	const struct fuse_mknod_in *in = req->arg;
	const char *name = (const char *)(in + 1);
	int ret;

	become_caller(req);
	ret = mknodat(req->node->fd, name, in->mode, in->rdev);
	become_root();
	return ret ? -errno : enter_name(req, name);
}

int op_mkdir(struct request *req)
{
	const struct fuse_mkdir_in *in = req->arg;
	const char *name = (const char *)(in + 1);
	int ret;

	become_caller(req);
	ret = mkdirat(req->node->fd, name, in->mode);
	become_root();
	return ret ? -errno : enter_name(req, name);
}

int op_link(struct request *req)
{
	const struct fuse_link_in *in = req->arg;
	const char *name = (const char *)(in + 1);
	struct node *old = node_of(in->oldnodeid);
	char path[PROC_MAX];

	if (!old)
		return -ESTALE;
	node_path(old->fd, path);
	if (linkat(AT_FDCWD, path, req->node->fd, name, AT_SYMLINK_FOLLOW))
		return -errno;
	return enter_name(req, name);
}

int op_unlink(struct request *req)
{
	return unlinkat(req->node->fd, req->arg, 0) ? -errno : 0;
}

int op_rmdir(struct request *req)
{
	return unlinkat(req->node->fd, req->arg, AT_REMOVEDIR) ? -errno : 0;
}

/* Where a directory is that we have moved ourselves. */
static void note_place(struct node *dir, const char *name)
{
	struct node *node;
	int fd = open_name(dir->fd, name);

	if (fd < 0 || node_take(fd, &node))
		return;
	events_place(node, dir->id, name);
	node_put(node);
}

static int do_rename(struct request *req, uint64_t newdir, unsigned int flags,
		     const char *name)
{
	struct node *to = node_of(newdir);

	if (!to)
		return -ESTALE;
	if (renameat2(req->node->fd, name, to->fd, second(name), flags))
		return -errno;
	note_place(to, second(name));
	if (flags & RENAME_EXCHANGE)
		note_place(req->node, name);
	return 0;
}

int op_rename(struct request *req)
{
	const struct fuse_rename_in *in = req->arg;

	return do_rename(req, in->newdir, 0, (const char *)(in + 1));
}

int op_rename2(struct request *req)
{
	const struct fuse_rename2_in *in = req->arg;

	return do_rename(req, in->newdir, in->flags, (const char *)(in + 1));
}

/* What the kernel does by itself (O_EXCL, O_APPEND's offset), or never lets through. */
#define OPEN_FLAGS(flags)	(((flags) & ~(O_CREAT | O_EXCL | O_NOCTTY | O_DIRECT)) | O_CLOEXEC)

static int create(struct request *req, int flags)
{
	const struct fuse_create_in *in = req->arg;
	const char *name = (const char *)(in + 1);
	struct fuse_open_out *open_out;
	char path[PROC_MAX];
	int fd, ret;

	become_caller(req);
	fd = openat(req->node->fd, flags & O_CREAT ? name : ".",
		    OPEN_FLAGS(in->flags) | flags | (in->flags & O_EXCL), in->mode);
	become_root();
	if (fd < 0)
		return -errno;
	node_path(fd, path);
	ret = enter(open(path, O_PATH | O_CLOEXEC), (void *)req->out, NULL);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	open_out = (void *)(req->out + ret);
	*open_out = (struct fuse_open_out){ .fh = fd };
	return ret + sizeof(*open_out);
}

int op_create(struct request *req)
{
	return create(req, O_CREAT | O_NOFOLLOW);
}

int op_tmpfile(struct request *req)
{
	return create(req, O_TMPFILE);
}

int op_open(struct request *req)
{
	const struct fuse_open_in *in = req->arg;
	char path[PROC_MAX];
	int fd;

	node_path(req->node->fd, path);
	fd = open(path, OPEN_FLAGS(in->flags) & ~O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*(struct fuse_open_out *)req->out = (struct fuse_open_out){ .fh = fd };
	return sizeof(struct fuse_open_out);
}

int op_opendir(struct request *req)
{
	return op_open(req);
}

static int answer_attr(struct request *req, int fd)
{
	struct fuse_attr_out *out = (void *)req->out;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	memset(out, 0, sizeof(*out));
	set_timeout(options.attr_timeout, &out->attr_valid, &out->attr_valid_nsec);
	fill_attr(&out->attr, &st);
	return sizeof(*out);
}

int op_getattr(struct request *req)
{
	return answer_attr(req, req->node->fd);
}

static struct timespec new_time(uint32_t valid, uint32_t set, uint32_t now,
				uint64_t seconds, uint32_t nano)
{
	struct timespec time = { seconds, nano };

	if (!(valid & set))
		time.tv_nsec = UTIME_OMIT;
	else if (valid & now)
		time.tv_nsec = UTIME_NOW;
	return time;
}

static int set_attr(struct node *node, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;
	struct timespec times[2];
	char path[PROC_MAX];

	node_path(node->fd, path);
	if ((in->valid & (FATTR_UID | FATTR_GID)) &&
	    fchownat(node->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -errno;
	if ((in->valid & FATTR_MODE) && chmod(path, in->mode & 07777))
		return -errno;
	if (in->valid & FATTR_SIZE) {
		int ret = in->valid & FATTR_FH ? ftruncate(in->fh, in->size) :
						 truncate(path, in->size);

		if (ret)
			return -errno;
	}
	times[0] = new_time(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime,
			    in->atimensec);
	times[1] = new_time(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime,
			    in->mtimensec);
	if ((in->valid & (FATTR_ATIME | FATTR_MTIME)) &&
	    utimensat(AT_FDCWD, path, times, 0))
		return -errno;
	return 0;
}

int op_setattr(struct request *req)
{
	int err = set_attr(req->node, req->arg);

	return err ? err : answer_attr(req, req->node->fd);
}

int op_readlink(struct request *req)
{
	ssize_t n = readlinkat(req->node->fd, "", req->out, 4095);

	return n < 0 ? -errno : n;
}

int op_setxattr(struct request *req)
{
	const struct fuse_setxattr_in *in = req->arg;
	/* The short form of the request: FUSE_SETXATTR_EXT is not negotiated. */
	const char *name = (const char *)req->arg + FUSE_COMPAT_SETXATTR_IN_SIZE;
	char path[PROC_MAX];

	node_path(req->node->fd, path);
	return setxattr(path, name, second(name), in->size, in->flags) ? -errno : 0;
}

/* size 0: only how long it would be */
static int answer_xattr(struct request *req, uint32_t size, ssize_t n)
{
	if (n < 0)
		return -errno;
	if (size)
		return n;
	*(struct fuse_getxattr_out *)req->out = (struct fuse_getxattr_out){ .size = n };
	return sizeof(struct fuse_getxattr_out);
}

int op_getxattr(struct request *req)
{
	const struct fuse_getxattr_in *in = req->arg;
	char path[PROC_MAX];

	node_path(req->node->fd, path);
	return answer_xattr(req, in->size, getxattr(path, (const char *)(in + 1),
						    req->out, in->size));
}

int op_listxattr(struct request *req)
{
	const struct fuse_getxattr_in *in = req->arg;
	char path[PROC_MAX];

	node_path(req->node->fd, path);
	return answer_xattr(req, in->size, listxattr(path, req->out, in->size));
}

int op_removexattr(struct request *req)
{
	char path[PROC_MAX];

	node_path(req->node->fd, path);
	return removexattr(path, req->arg) ? -errno : 0;
}
