/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What include/uapi/linux/fuse.h has for remote fsnotify, for headers that do
 * not have it yet.
 */
#ifndef FSNOTIFY_ABI_H
#define FSNOTIFY_ABI_H

#include <stdint.h>
#include <linux/fuse.h>

#define FSNOTIFY_MINOR		47	/* of the protocol that has it */

/* struct fuse_init_out: where the two fields are; "unused" in older headers */
#define INIT_FSNOTIFY_FLAGS	42	/* uint16_t */
#define INIT_FSNOTIFY_MASK	44	/* uint32_t */

#ifndef FUSE_HAVE_FSNOTIFY
#define FUSE_HAVE_FSNOTIFY	(1ULL << 44)

/* fuse_init_out.fsnotify_flags: FUSE_FSNOTIFY_FETCH is answered */
#define FUSE_FSNOTIFY_CAN_FETCH	(1 << 0)

/* opcode, notify code */
#define FUSE_FSNOTIFY		54
#define FUSE_NOTIFY_FSNOTIFY	10

#define FUSE_FSNOTIFY_WATCH	1
#define FUSE_FSNOTIFY_FETCH	2
#define FUSE_FSNOTIFY_STOP	3

struct fuse_fsnotify_in {
	uint32_t	op;
	uint32_t	flags;
	uint32_t	mask;		/* WATCH: all that is wanted from now on */
	uint32_t	size;		/* FETCH: room for the answer */
	uint64_t	generation;	/* WATCH: of nodeid */
	uint64_t	seq;		/* FETCH: the last batch that has arrived */
};

struct fuse_fsnotify_out {
	uint32_t	mask;		/* WATCH: what is watched for now */
	uint32_t	spare;
};

struct fuse_fsnotify_events {
	uint64_t	seq;		/* of the batch: 1, 2, 3, ... since INIT */
	uint32_t	count;		/* of records, at least one */
	uint32_t	spare;
};

#define FUSE_FSNOTIFY_DEAD	(1 << 0)	/* the last link of child is gone */
#define FUSE_FSNOTIFY_OVERFLOW	(1 << 1)	/* events were lost */
#define FUSE_FSNOTIFY_UNLINKED	(1 << 2)	/* child has not got the name any more */

/* Then: name NUL [newname NUL], zeros up to a multiple of 8. */
struct fuse_fsnotify_record {
	uint32_t	size;
	uint32_t	flags;
	uint32_t	mask;
	uint16_t	namelen;	/* 0: no name, and no NUL */
	uint16_t	newnamelen;
	uint64_t	nodeid;
	uint64_t	generation;
	uint64_t	child;
	uint64_t	child_generation;
	uint64_t	newdir;
	uint64_t	newdir_generation;
};
#endif /* FUSE_HAVE_FSNOTIFY */

#endif /* FSNOTIFY_ABI_H */
