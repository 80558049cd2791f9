/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of plainfs have in common (plainfs.c says what it is).
 *
 * Functions return 0 or a count, or a negative errno.
 */
#ifndef PLAINFS_H
#define PLAINFS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fsnotify_abi.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_WRITE	(128 * 1024)
#define MESSAGE_MAX	(MAX_WRITE + 4096)	/* of a request, and of an answer */
#define PROC_MAX	32

/* name_to_handle_at(): the same object has the same, another one never has. */
struct key {
	union {
		struct file_handle handle;
		unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	};
};

/* An object that the kernel knows, or whose end somebody waits for. */
struct node {
	uint64_t	id;		/* never used again */
	uint64_t	lookups;	/* as FORGET counts */
	int		fd;		/* O_PATH; keeps the object, so its key */
	bool		is_dir;
	struct key	key;
	struct node	*next_by_id, *next_by_key;

	/* events.c */
	uint32_t	wanted;		/* by the kernel; 0: not watched */
	uint32_t	marked;		/* what fanotify was asked for */
	unsigned int	shadows;	/* watched directories in this one */
	struct node	*shadow;	/* the directory whose mark tells of our end */
	bool		dying, told;	/* no link is left; the kernel knows */
	long long	due;		/* bytes of events that come before it is told */
	struct node	*next_dying;
	uint64_t	place;		/* the id of a directory that it is in */
	char		*place_name;	/* and its name there; NULL: unknown */
};

struct options {
	const char	*source;
	const char	*point;
	const char	*pid_file;
	bool		fsnotify;
	bool		fetch;
	double		entry_timeout;
	double		attr_timeout;
};

extern struct options options;

/* No number is used twice, so one generation does; the kernel gives the root 0. */
static inline uint64_t generation_of(uint64_t id)
{
	return id != FUSE_ROOT_ID;
}

/* nodes.c */
int nodes_init(const char *source);
struct node *node_of(uint64_t id);
struct node *node_by_key(const struct key *key);
/* The node of an O_PATH descriptor, which is the node's from here on. */
int node_take(int fd, struct node **node);
void node_forget(struct node *node, uint64_t count);
/* Drop it if nobody needs it. */
void node_put(struct node *node);
void for_each_node(void (*visit)(struct node *node));
/* The key of what fd is, O_PATH or not. */
int key_of(int fd, struct key *key);
bool same_key(const struct key *a, const struct key *b);
void node_path(int fd, char path[PROC_MAX]);

/* A request, and room for its answer. */
struct request {
	const struct fuse_in_header *in;
	struct node	*node;		/* of in->nodeid */
	const void	*arg;		/* behind the header */
	size_t		arg_len;
	char		*out;
};

#define NO_ANSWER	INT32_MIN	/* of an operation */

/* dir.c, file.c: the length of the answer, or -errno */
int op_lookup(struct request *req);
int op_getattr(struct request *req);
int op_setattr(struct request *req);
int op_readlink(struct request *req);
int op_symlink(struct request *req);
int op_mknod(struct request *req);
int op_mkdir(struct request *req);
int op_unlink(struct request *req);
int op_rmdir(struct request *req);
int op_rename(struct request *req);
int op_rename2(struct request *req);
int op_link(struct request *req);
int op_create(struct request *req);
int op_tmpfile(struct request *req);
int op_open(struct request *req);
int op_opendir(struct request *req);
int op_read(struct request *req);
int op_write(struct request *req);
int op_readdir(struct request *req);
int op_release(struct request *req);
int op_flush(struct request *req);
int op_fsync(struct request *req);
int op_statfs(struct request *req);
int op_setxattr(struct request *req);
int op_getxattr(struct request *req);
int op_listxattr(struct request *req);
int op_removexattr(struct request *req);
int op_fallocate(struct request *req);
int op_lseek(struct request *req);
int op_copy_file_range(struct request *req);

/* plainfs.c: err: 0 or an errno, or a notify code if unique is 0 */
int send_message(uint64_t unique, int err, const void *data, size_t len);

/* events.c */
/* What can be watched: the fsnotify_mask for INIT; 0: nothing. */
uint32_t events_init(void);
int op_fsnotify(struct request *req);
/* A descriptor to wait for, or -1: there is nobody to tell. */
int events_fd(void);
/* Whether there is something to tell without waiting. */
bool events_pending(void);
void events_serve(void);
/* The directory id has it under this name. */
void events_place(struct node *node, uint64_t dir, const char *name);
void events_drop(struct node *node);

#endif /* PLAINFS_H */
