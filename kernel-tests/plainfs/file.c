// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on what is open: the handle is the server's own descriptor.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "plainfs.h"

int op_read(struct request *req)
{
	const struct fuse_read_in *in = req->arg;
	size_t size = in->size < MAX_WRITE ? in->size : MAX_WRITE;
	ssize_t n = pread(in->fh, req->out, size, in->offset);

	return n < 0 ? -errno : n;
}

int op_write(struct request *req)
{
	const struct fuse_write_in *in = req->arg;
	ssize_t n = pwrite(in->fh, in + 1, in->size, in->offset);

	if (n < 0)
		return -errno;
	*(struct fuse_write_out *)req->out = (struct fuse_write_out){ .size = n };
	return sizeof(struct fuse_write_out);
}

/* One entry behind what there is; the new length, or 0: there is no room. */
static size_t add_entry(char *out, size_t used, size_t size, const struct dirent64 *entry)
{
	size_t len = strlen(entry->d_name);
	size_t entry_size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
	struct fuse_dirent *dirent = (void *)(out + used);

	if (used + entry_size > size)
		return 0;
	memset(dirent, 0, entry_size);
	dirent->ino = entry->d_ino;
	dirent->off = entry->d_off;
	dirent->namelen = len;
	dirent->type = entry->d_type;
	memcpy(dirent->name, entry->d_name, len);
	return used + entry_size;
}

/* What does not fit is read again, from the offset of the last one that did. */
int op_readdir(struct request *req)
{
	const struct fuse_read_in *in = req->arg;
	size_t size = in->size < MAX_WRITE ? in->size : MAX_WRITE;
	size_t used = 0, now;
	static char entries[MAX_WRITE];
	ssize_t n, at;

	if (lseek(in->fh, in->offset, SEEK_SET) < 0)
		return -errno;
	n = getdents64(in->fh, entries, size);
	if (n < 0)
		return -errno;
	for (at = 0; at < n; used = now) {
		const struct dirent64 *entry = (void *)(entries + at);

		now = add_entry(req->out, used, size, entry);
		if (!now)
			break;
		at += entry->d_reclen;
	}
	return used;
}

int op_release(struct request *req)
{
	const struct fuse_release_in *in = req->arg;

	close(in->fh);
	return 0;
}

/* A close that is not the last one: some file systems have an error to tell. */
int op_flush(struct request *req)
{
	const struct fuse_flush_in *in = req->arg;

	return close(dup(in->fh)) ? -errno : 0;
}

int op_fsync(struct request *req)
{
	const struct fuse_fsync_in *in = req->arg;
	int ret = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(in->fh) :
							   fsync(in->fh);

	return ret ? -errno : 0;
}

int op_statfs(struct request *req)
{
	struct fuse_statfs_out *out = (void *)req->out;
	struct statfs st;

	if (fstatfs(req->node->fd, &st))
		return -errno;
	memset(out, 0, sizeof(*out));
	out->st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = st.f_bsize,
		.namelen = st.f_namelen,
		.frsize = st.f_frsize,
	};
	return sizeof(*out);
}

int op_fallocate(struct request *req)
{
	const struct fuse_fallocate_in *in = req->arg;

	return fallocate(in->fh, in->mode, in->offset, in->length) ? -errno : 0;
}

int op_lseek(struct request *req)
{
	const struct fuse_lseek_in *in = req->arg;
	off_t offset = lseek(in->fh, in->offset, in->whence);

	if (offset < 0)
		return -errno;
	*(struct fuse_lseek_out *)req->out = (struct fuse_lseek_out){ .offset = offset };
	return sizeof(struct fuse_lseek_out);
}

int op_copy_file_range(struct request *req)
{
	const struct fuse_copy_file_range_in *in = req->arg;
	off_t from = in->off_in, to = in->off_out;
	ssize_t n = copy_file_range(in->fh_in, &from, in->fh_out, &to, in->len, in->flags);

	if (n < 0)
		return -errno;
	*(struct fuse_write_out *)req->out = (struct fuse_write_out){ .size = n };
	return sizeof(struct fuse_write_out);
}
