/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a request of the host's asks for (agent.c lists them).
 */
#ifndef ORDER_H
#define ORDER_H

#include <stdbool.h>
#include <stddef.h>

#define MOUNT_POINT	"/mnt/share"	/* where an order names no other */
#define SOURCE_POINT	"/mnt/source"	/* what a share of type "fuse" is a view of */
#define MOUNTS_MAX	16
#define SYSCTLS_MAX	16
#define ARGS_MAX	256	/* each: args, and settings of the environment */

struct order_mount {
	char *type, *source, *point;
};

struct order_sysctl {
	char *name, *value;
	bool optional;		/* no error if the kernel does not have it */
};

/* What the host asked for; points into the request's line. */
struct order {
	unsigned long long id, limit;
	bool tty, pipes, apart;
	struct order_mount mounts[MOUNTS_MAX];	/* the first: the share */
	size_t nr_mounts;
	struct order_sysctl sysctls[SYSCTLS_MAX];
	size_t nr_sysctls;
	char *mount_options;
	char *server;		/* of a share of type "fuse" */
	char *dir, *cwd;
	char *args[ARGS_MAX + 1], *env[ARGS_MAX];
	size_t nr_args, nr_env;
};

/* Whether the share is served in the guest. */
bool is_served(const struct order *order);

/* The fields of "run"; false after an error was told. */
bool read_order(struct order *order, char *rest);

/* Numbers only, each at most max, in the order of names; false after an error was told. */
bool read_numbers(const char *verb, char *rest, const char *const *names,
		  unsigned long long max, unsigned long long *numbers,
		  size_t count);

/* The next field, unescaped in place; NULL at the end and when malformed. */
char *next_field(char **rest, bool *malformed);

#endif /* ORDER_H */
